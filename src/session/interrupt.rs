//! Signals that ask the program to end, as calls.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal went away.
    HangUp,
}

impl Interrupt {
    /// The exit status of a program that such a signal ended.
    pub fn status(self) -> i32 {
        match self {
            Interrupt::HangUp => 129,
            Interrupt::Interrupt => 130,
            Interrupt::Terminate => 143,
        }
    }
}

/// Calls `handler` for every such signal, on a thread of its own, for as long as the program runs.
///
/// # Errors
/// When the system refuses the handlers or the thread.
pub fn on_interrupts(mut handler: impl FnMut(Interrupt) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // Registered here, not on the thread: a signal that comes right after this call must not kill.
    let (mut int, mut term, mut hup) = {
        let _within = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?)
    };
    std::thread::Builder::new().name("signals".to_string()).spawn(move || {
        runtime.block_on(async move {
            loop {
                let came = tokio::select! {
                    Some(()) = int.recv() => Interrupt::Interrupt,
                    Some(()) = term.recv() => Interrupt::Terminate,
                    Some(()) = hup.recv() => Interrupt::HangUp,
                    else => return,
                };
                handler(came);
            }
        });
    })?;
    Ok(())
}
