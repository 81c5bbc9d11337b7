//! The prompt: read a statement, execute it, show what came of it. rustyline lives here and nowhere else.
//!
//! A statement goes on over several lines until its `;`; a line that starts with a dot is a command of the prompt.
//! One owner of the terminal at a time: the line editor while it reads, the dashboard while it is open, plain
//! writing in between; sinks that write meanwhile go through the editor, whole batches at a time.

mod command;
mod complete;
mod dashboard;
pub mod demo;
mod help;
mod highlight;
mod history;
mod printer;
mod run;
mod status;

pub use run::run;

use crate::session::Queries;
use crate::session::interrupt::{Interrupt, on_interrupts};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// What was asked of the prompt from outside the line editor.
#[derive(Default)]
pub(crate) struct Asked(AtomicU8);

const STOP: u8 = 1;
const LEAVE: u8 = 2;

impl Asked {
    /// Listens to the signals of this process. SIGTERM and SIGHUP end the prompt, a second one ends it at once.
    pub(crate) fn listen(queries: Queries) -> std::io::Result<Arc<Asked>> {
        let asked = Arc::new(Asked::default());
        let heard = Arc::clone(&asked);
        on_interrupts(move |interrupt| match interrupt {
            Interrupt::Interrupt => {
                heard.0.fetch_or(STOP, Ordering::SeqCst);
            }
            Interrupt::Terminate | Interrupt::HangUp => {
                if heard.0.fetch_or(LEAVE, Ordering::SeqCst) & LEAVE != 0 {
                    std::process::exit(interrupt.status());
                }
                queries.close();
                // The line editor sleeps on its input; it has its own handler for this one and gives control back.
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGINT);
            }
        })?;
        Ok(asked)
    }

    /// Whether Ctrl-C came since this was last asked.
    pub(crate) fn take_stop(&self) -> bool {
        self.0.fetch_and(!STOP, Ordering::SeqCst) & STOP != 0
    }

    /// Whether the prompt is to end.
    pub(crate) fn leaves(&self) -> bool {
        self.0.load(Ordering::SeqCst) & LEAVE != 0
    }
}

/// How often something that runs in the foreground is looked at; Ctrl-C has to work within 100 ms.
const GLANCE: Duration = Duration::from_millis(20);

/// Text for people on standard output; when nobody reads it any more there is nothing to be done.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Ends the started queries, each after its batch in flight; Ctrl-C ends the waiting.
pub(crate) fn stop_all(queries: &Queries, asked: &Asked) {
    let names: Vec<String> = queries.running().iter().filter_map(|e| e.name.clone()).collect();
    if names.is_empty() {
        return;
    }
    say(&format!("  stopping {} …\n", names.join(", ")));
    asked.take_stop();
    queries.close();
    while let Some(entry) = queries.running().first() {
        entry.handle.wait(Some(GLANCE));
        if asked.take_stop() {
            return;
        }
    }
}
