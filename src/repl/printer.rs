//! Output of running queries while the prompt is open: whole batches, above the line being typed.

use super::say;
use rustyline::ExternalPrinter;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A writer for sinks; until the line editor is there, and where it cannot help, it writes straight out.
#[derive(Clone, Default)]
pub(super) struct PromptWriter {
    pending: Vec<u8>,
    printer: Shared,
}

type Shared = Arc<Mutex<Option<Box<dyn ExternalPrinter + Send>>>>;

impl PromptWriter {
    /// From now on through the line editor.
    pub(super) fn attach(&self, printer: impl ExternalPrinter + Send + 'static) {
        *self.printer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(printer));
    }
}

impl Write for PromptWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.pending)).into_owned();
        let mut printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner);
        match printer.as_mut() {
            Some(printer) => {
                if printer.print(text.clone()).is_err() {
                    say(&text);
                }
            }
            None => say(&text),
        }
        Ok(())
    }
}
