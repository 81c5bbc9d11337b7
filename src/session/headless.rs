//! A whole run without a prompt: standard output, signals, a session, a script.

use super::interrupt::on_interrupts;
use super::script::{ScriptOptions, run_script};
use super::{Session, SessionOptions, Surface};
use crate::diagnostic::{Diagnostic, SourceText};
use crate::engine::clock::SystemClock;
use crate::engine::sink::console::{Format, Output};
use std::io::{IsTerminal, stdout};
use std::sync::{Arc, Mutex, PoisonError};

/// How a run without a prompt goes.
pub struct HeadlessRun {
    /// How rows are written to standard output.
    pub format: Format,
    /// Values of `:name`, as text.
    pub arguments: Vec<(String, String)>,
    /// The script came from elsewhere, so USING stdin may read.
    pub stdin_is_data: bool,
    /// How the script runs.
    pub script: ScriptOptions,
}

/// Runs a script to its end or to a signal; gives whether all went well.
///
/// The first SIGINT, SIGTERM or SIGHUP lets the batches in flight finish; a second one ends the program at once.
///
/// # Errors
/// When the session or the signal handlers cannot be set up.
pub fn headless(source: &SourceText, run: HeadlessRun) -> Result<bool, Diagnostic> {
    let HeadlessRun { format, arguments, stdin_is_data, script } = run;
    // Known to the signal handler and the output only once the session is there.
    let queries: Arc<Mutex<Option<super::Queries>>> = Arc::default();
    let close = {
        let queries = Arc::clone(&queries);
        move || {
            if let Some(queries) = queries.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                queries.close();
            }
        }
    };
    // Not on the sink's own thread: closing asks every query to stop, and one of them is waiting for that sink.
    let on_close = {
        let close = close.clone();
        move || {
            let close = close.clone();
            std::thread::spawn(close);
        }
    };
    let output = Arc::new(Output::new(format, Box::new(stdout()), stdout().is_terminal(), Box::new(on_close)));
    let clock = Arc::new(SystemClock::default());
    let mut session = Session::new(SessionOptions { output, surface: Surface::Script, arguments, stdin_is_data, clock })?;
    *queries.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.queries().clone());
    let mut asked = false;
    on_interrupts(move |interrupt| {
        if asked {
            std::process::exit(interrupt.status());
        }
        asked = true;
        close();
    })
    .map_err(|e| Diagnostic::error(format!("signals cannot be handled: {e}")))?;
    Ok(run_script(&mut session, source, script))
}
