//! Standard output as a sink: batches and results as a table, as JSON lines or as CSV.
//!
//! One [`Output`] is shared by everything that prints rows; each batch is one write, flushed at once, so that the
//! lines of queries that run side by side never mix. A reader that went away (`eddy … | head`) is no error: the
//! output closes, and says so once to whoever asked to know.

mod csv;
mod ndjson;
mod table;

pub use table::TableStyle;

use crate::engine::sink::{Sink, SinkBatch};
use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Boxes for people.
    Table,
    /// One JSON object a batch.
    Ndjson,
    /// RFC 4180, a header once per statement.
    Csv,
}

/// What stands on standard output beside the rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The statement's number in its script, from 1.
    pub statement: u64,
    /// The query's name, if it has one.
    pub query: Option<String>,
}

/// Where rows for people or programs go.
pub struct Output {
    format: Format,
    style: TableStyle,
    /// Data is escaped in every format, because a terminal would act on it.
    terminal: bool,
    target: Mutex<Box<dyn Write + Send>>,
    closed: AtomicBool,
    on_close: Box<dyn Fn() + Send + Sync>,
    /// Columns of the terminal that tables are to fit in; 0: they may be as wide as they like.
    width: AtomicUsize,
}

impl Output {
    /// Writes to `target`. `terminal` says whether that is one; `on_close` is called when nobody reads any more.
    pub fn new(format: Format, target: Box<dyn Write + Send>, terminal: bool, on_close: Box<dyn Fn() + Send + Sync>) -> Output {
        Output {
            format,
            style: TableStyle::default(),
            terminal,
            target: Mutex::new(target),
            closed: AtomicBool::new(false),
            on_close,
            width: AtomicUsize::new(0),
        }
    }

    /// With another look for tables.
    #[must_use]
    pub fn style(mut self, style: TableStyle) -> Output {
        self.style = style;
        self
    }

    /// From now on tables fit in so many columns of the terminal; 0: they may be as wide as they like.
    pub fn fit(&self, columns: usize) {
        self.width.store(columns, Ordering::Relaxed);
    }

    /// The look of a table, narrowed to the terminal of the moment.
    fn fitted(&self, style: TableStyle) -> TableStyle {
        let width = self.width.load(Ordering::Relaxed);
        TableStyle { width: (width > 0).then_some(width), ..style }
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Writes the rows of a bounded query, SHOW, DESCRIBE.
    ///
    /// # Errors
    /// When a value has no text, or the target cannot be written for another reason than a closed pipe.
    pub fn rows(&self, origin: &Origin, columns: &[Column], frame: &Frame, zone: chrono_tz::Tz) -> Result<(), EngineError> {
        let mut text = String::new();
        match self.format {
            Format::Table => table::write_table(&mut text, columns, frame, zone, self.fitted(self.style))?,
            Format::Ndjson => ndjson::write_rows(&mut text, origin, columns, frame, zone),
            Format::Csv => {
                csv::write_header(&mut text, columns, self.terminal);
                csv::write_rows(&mut text, columns, frame, zone, self.terminal);
            }
        }
        self.write(&text)
    }

    /// Writes sentences about the table above, for people only; broken at the terminal's width.
    ///
    /// # Errors
    /// As [`Output::rows`].
    pub fn beneath(&self, lines: &[String]) -> Result<(), EngineError> {
        if self.format != Format::Table || lines.is_empty() {
            return Ok(());
        }
        let width = self.width.load(Ordering::Relaxed);
        let text: String = lines.iter().map(|line| table::indented(&crate::diagnostic::printable(line), width)).collect();
        self.write(&text)
    }

    /// Writes text for people as it is (EXPLAIN); in `ndjson` and `csv` as the one row of a column `column`.
    ///
    /// # Errors
    /// As [`Output::rows`].
    pub fn text(&self, origin: &Origin, column: &str, text: &str) -> Result<(), EngineError> {
        let mut out = String::new();
        match self.format {
            Format::Table => {
                out.push_str(&crate::diagnostic::printable_lines(text));
                if !out.ends_with('\n') {
                    out.push('\n');
                }
            }
            Format::Ndjson => ndjson::write_text(&mut out, origin, column, text),
            Format::Csv => csv::write_text(&mut out, column, text, self.terminal),
        }
        self.write(&out)
    }

    /// In `ndjson`, the line of a statement that failed while others go on; nothing in the other formats.
    ///
    /// # Errors
    /// As [`Output::rows`].
    pub fn failure(&self, statement: u64, message: &str) -> Result<(), EngineError> {
        if self.format != Format::Ndjson {
            return Ok(());
        }
        let mut out = String::new();
        ndjson::write_failure(&mut out, statement, message);
        self.write(&out)
    }

    /// One write and one flush; a closed pipe is remembered, not raised.
    fn write(&self, text: &str) -> Result<(), EngineError> {
        if self.is_closed() {
            return Ok(());
        }
        let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        match target.write_all(text.as_bytes()).and_then(|()| target.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                drop(target);
                if !self.closed.swap(true, Ordering::SeqCst) {
                    (self.on_close)();
                }
                Ok(())
            }
            Err(error) => Err(EngineError::external(format!("the output cannot be written: {error}"))),
        }
    }
}

/// The batches of one query on an [`Output`].
pub struct ConsoleSink {
    output: Arc<Output>,
    origin: Origin,
    style: TableStyle,
    headed: bool,
}

impl ConsoleSink {
    /// Writes to `output`; `style` is what the options `truncate`, `numRows` and `vertical` ask of tables.
    pub fn new(output: Arc<Output>, origin: Origin, style: Option<TableStyle>) -> ConsoleSink {
        let style = style.unwrap_or(output.style);
        ConsoleSink { output, origin, style, headed: false }
    }
}

impl Sink for ConsoleSink {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        let mut text = String::new();
        match self.output.format {
            Format::Table => table::write_batch(&mut text, &self.origin, batch, self.output.fitted(self.style))?,
            Format::Ndjson => ndjson::write_batch(&mut text, &self.origin, batch),
            Format::Csv => {
                if !self.headed {
                    csv::write_header(&mut text, batch.columns, self.output.terminal);
                    self.headed = true;
                }
                csv::write_rows(&mut text, batch.columns, batch.frame, batch.zone, self.output.terminal);
            }
        }
        self.output.write(&text)
    }

    fn description(&self) -> String {
        "console".to_string()
    }
}

/// The sink of a query at the prompt without INTO: the query's own history of batches is what the dashboard shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Screen;

impl Sink for Screen {
    fn write(&mut self, _: &SinkBatch<'_>) -> Result<(), EngineError> {
        Ok(())
    }

    fn description(&self) -> String {
        "screen".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_told_once_and_is_no_error() {
        let told = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&told);
        let on_close = Box::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let output = Output::new(Format::Ndjson, Box::new(Gone), false, on_close);
        output.failure(1, "[A] b").expect("quiet");
        output.failure(2, "[A] b").expect("quiet");
        assert!(output.is_closed());
        assert_eq!(told.load(Ordering::SeqCst), 1);
    }
}
