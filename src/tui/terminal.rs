//! The terminal's alternate screen: entered once, left on every way out.
//!
//! Leaving is [`restore`], which may be called from anywhere and any number of times: at the end of the dashboard,
//! from the panic hook, and by the handlers of SIGTERM and SIGHUP. Mouse reporting stays off, so that text can be
//! selected as always.

use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect};
use ratatui::{Frame, Terminal};

/// Whether the alternate screen is ours at the moment.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The thread that draws, and what other threads' panics said meanwhile.
static OWNER: Mutex<Owner> = Mutex::new(Owner { thread: None, said: Vec::new() });

struct Owner {
    thread: Option<ThreadId>,
    said: Vec<String>,
}

fn owner() -> MutexGuard<'static, Owner> {
    OWNER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The screen while the dashboard has it. Dropping it gives the terminal back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn enter() -> io::Result<Screen> {
        install_panic_hook();
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        take()?;
        Ok(Screen { terminal })
    }

    /// Draws a frame, unless somebody gave the terminal back meanwhile: then `false`.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<bool> {
        if !ENTERED.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.terminal.draw(render)?;
        Ok(true)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|size| (size.width, size.height))
    }

    /// The next frame draws every cell.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        // `Terminal::clear` asks the terminal where the cursor is and waits for the answer; this does not.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Gives the terminal back, stops the process as Ctrl-Z does in a shell, and takes the terminal again after.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        restore();
        stop_process();
        take()?;
        self.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    owner().thread = Some(thread::current().id());
    ENTERED.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen)
}

/// Gives the terminal back as it was. Does nothing when it is not taken.
pub fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    // On the way out there is nobody left to tell about an error.
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let mut owner = owner();
    owner.thread = None;
    let mut stderr = io::stderr();
    for said in owner.said.drain(..) {
        let _ = writeln!(stderr, "{said}");
    }
}

/// A panic of the drawing thread restores the terminal before the hook before ours reports it. A panic of any other
/// thread does not end the dashboard: what it says waits until the terminal is given back, or it would be lost
/// on the alternate screen.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let elsewhere = ENTERED.load(Ordering::SeqCst) && {
                let mut owner = owner();
                let elsewhere = owner.thread.is_some_and(|thread| thread != thread::current().id());
                if elsewhere {
                    owner.said.push(info.to_string());
                }
                elsewhere
            };
            if !elsewhere {
                restore();
                before(info);
            }
        }));
    });
}

#[cfg(unix)]
fn stop_process() {
    use nix::sys::signal::{Signal, kill, raise};
    // The shell waits for all of a pipeline, so all of the group stops, as if the terminal had sent the signal. That
    // signal may reach another thread first; the one to this thread stops us before another line is run.
    let _ = kill(nix::unistd::Pid::from_raw(0), Signal::SIGTSTP);
    let _ = raise(Signal::SIGTSTP);
}

#[cfg(not(unix))]
fn stop_process() {}
