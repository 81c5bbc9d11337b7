//! Small files read as bounded tables, their rows as short texts.

use crate::streams::scan;
use eddyline::engine::clock::SystemClock;
use eddyline::engine::source::files::read_table;
use eddyline::engine::source::{Signal, SourceContext};
use eddyline::engine::{EngineError, Frame, Resources};
use eddyline::types::DataType;
use polars::prelude::AnyValue;
use std::sync::Arc;

/// How a table is declared, its path left out.
pub(crate) struct Table<'a> {
    pub(crate) format: &'a str,
    pub(crate) columns: &'a [(&'a str, DataType)],
    pub(crate) options: &'a [(&'a str, &'a str)],
}

pub(crate) fn context() -> SourceContext {
    let clock = Arc::new(SystemClock::default());
    SourceContext {
        wake: Arc::new(Signal::default()),
        clock,
        zone: chrono_tz::UTC,
        bad: Arc::default(),
        query: "q".to_string(),
        folder: None,
    }
}

/// The rows of one file of those bytes.
pub(crate) fn rows_of(table: &Table<'_>, bytes: &[u8]) -> Result<Vec<String>, EngineError> {
    let file = tempfile::Builder::new().prefix("rows").tempfile().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let path = file.path().to_str().unwrap();
    let options: Vec<_> = table.options.iter().copied().chain([("path", path)]).collect();
    let scan = scan(table.format, &options, table.columns);
    read_table(&scan, &context(), &Resources::new(1)?).map(|frame| rows(&frame))
}

/// A text per row: cells separated by `|`, `~` for NULL, physical values.
pub(crate) fn rows(frame: &Frame) -> Vec<String> {
    let row = |i: usize| frame.columns().iter().map(|c| cell(&c.get(i).unwrap())).collect::<Vec<_>>().join("|");
    (0..frame.rows()).map(row).collect()
}

fn cell(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => "~".to_string(),
        AnyValue::String(s) => (*s).to_string(),
        AnyValue::StringOwned(s) => s.to_string(),
        AnyValue::Binary(b) => format!("{b:?}"),
        AnyValue::Float64(v) => format!("{v:?}"),
        AnyValue::Float32(v) => format!("{v:?}"),
        AnyValue::List(s) => format!("[{}]", (0..s.len()).map(|i| cell(&s.get(i).unwrap())).collect::<Vec<_>>().join(",")),
        AnyValue::Struct(..) | AnyValue::StructOwned(_) => {
            let cells: Vec<_> = value._iter_struct_av().map(|v| cell(&v)).collect();
            format!("{{{}}}", cells.join(","))
        }
        other => other.to_string(),
    }
}
