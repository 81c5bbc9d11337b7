//! What the lines of a socket or of standard input mean: plain text, or records of a format.

use crate::engine::EngineError;
use crate::engine::Frame;
use crate::engine::source::SourceContext;
use crate::engine::source::declared::Declared;
use crate::engine::source::decode::{BadRecords, RowFormat};
use crate::engine::source::queue::Lines;
use crate::plan::expr::ColumnId;
use crate::plan::logical::{Column, Scan};
use crate::types::{DataType, Field};
use polars::prelude::{Int64Chunked, IntoSeries, PlSmallStr, Series, StringChunked};
use polars_arrow::array::{Utf8ViewArray, View};
use polars_arrow::datatypes::ArrowDataType;
use std::sync::Arc;

/// Rows that some lines gave.
pub struct Decoded {
    /// One row per line, or more, or fewer.
    pub frame: Frame,
    /// Records that did not decode.
    pub bad: BadRecords,
}

/// Lines → columns. Runs on several workers at once.
pub trait DecodeLines: Send + Sync {
    /// The rows of `lines`, in order.
    fn decode(&self, lines: &[Lines]) -> Result<Decoded, EngineError>;
}

/// What decodes the lines of a stream: its `format` and that format's options. Refuses options that nobody reads.
pub(super) fn decoder(scan: &Scan, context: &SourceContext, declared: &Declared<'_>) -> Result<Arc<dyn DecodeLines>, EngineError> {
    declared.boolean("includeTimestamp")?;
    let decoder: Arc<dyn DecodeLines> = match declared.text("format").map(str::to_lowercase).as_deref() {
        None | Some("text") => Arc::new(PlainLines::new(&scan.columns)),
        Some(format @ ("json" | "csv")) => {
            // What cuts records is the line end; Spark's other ways need a whole file.
            for name in ["multiLine", "lineSep", "encoding", "charset", "header"] {
                // Standard input has one first line, a socket one a connection.
                let header = name == "header" && scan.format == "stdin";
                if !header && declared.text(name).is_some() {
                    return Err(EngineError::user(format!("option {name} goes with files: here each line is a record in UTF-8")));
                }
            }
            match RowFormat::read(format, declared, &scan.declared, &scan.columns, context.zone)? {
                Some(records) => Arc::new(records),
                None => return Err(EngineError::user(format!("format {format} is not built yet for lines"))),
            }
        }
        Some(other) => return Err(declared.bad("format", other, "json, csv or text")),
    };
    declared.finish()?;
    Ok(decoder)
}

/// The columns of a stream of lines: `value STRING`, with `includeTimestamp` `timestamp TIMESTAMP` after it, or those
/// declared for a `format` of records.
///
/// # Errors
/// Columns declared for plain lines; none declared for records; a `format` that does not exist.
pub fn columns(format: &str, options: &[(String, String)], declared: Option<Vec<Field>>) -> Result<Vec<Field>, EngineError> {
    let options = Declared::new(format, options);
    let with_time = options.boolean("includeTimestamp")?.unwrap_or(false);
    match (options.text("format").map(str::to_lowercase).as_deref(), declared) {
        (None | Some("text"), None) => {
            let value = Field::new("value", DataType::String);
            let time = with_time.then(|| Field::new("timestamp", DataType::Timestamp));
            Ok(std::iter::once(value).chain(time).collect())
        }
        (None | Some("text"), Some(_)) => Err(EngineError::user(format!("{format} of plain lines has its own columns: value STRING"))
            .help("leave the columns out, or say what the lines hold: OPTIONS (format 'json')")),
        (Some("json" | "csv"), _) if with_time => Err(EngineError::user("includeTimestamp goes with plain lines only")),
        (Some("json" | "csv"), Some(declared)) => Ok(declared),
        (Some(records @ ("json" | "csv")), None) => {
            let plain = format!("CREATE STREAM name USING {format} OPTIONS (…)");
            Err(EngineError::user(format!("{format} with format '{records}' needs its columns declared")).help(format!(
                "CREATE STREAM name (id BIGINT, status STRING) USING {format} OPTIONS (…); to see what comes: {plain} without format, \
                 then INFER SCHEMA FROM name"
            )))
        }
        (Some(other), _) => Err(options.bad("format", other, "json, csv or text")),
    }
}

/// Plain lines: `value STRING`, and with `includeTimestamp` `timestamp TIMESTAMP`.
pub struct PlainLines {
    columns: Vec<(ColumnId, PlainColumn)>,
}

#[derive(Clone, Copy)]
enum PlainColumn {
    Value,
    Timestamp,
}

impl PlainLines {
    /// For the columns in use.
    pub fn new(columns: &[Column]) -> PlainLines {
        let kind = |c: &Column| if c.name.eq_ignore_ascii_case("timestamp") { PlainColumn::Timestamp } else { PlainColumn::Value };
        PlainLines { columns: columns.iter().map(|c| (c.id, kind(c))).collect() }
    }
}

impl DecodeLines for PlainLines {
    fn decode(&self, lines: &[Lines]) -> Result<Decoded, EngineError> {
        let rows = lines.iter().map(Lines::len).sum();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (_, column) in &self.columns {
            columns.push(match column {
                PlainColumn::Value => text_column(lines)?,
                PlainColumn::Timestamp => {
                    // Spark's socket source takes the time in milliseconds.
                    let times: Vec<i64> = lines.iter().flat_map(Lines::arrivals).map(|at| at.div_euclid(1000) * 1000).collect();
                    Int64Chunked::from_vec(PlSmallStr::EMPTY, times).into_series()
                }
            });
        }
        let frame = Frame::new(self.columns.iter().map(|(id, _)| *id).collect(), columns, rows);
        Ok(Decoded { frame, bad: BadRecords::default() })
    }
}

/// The lines as a string column of views over the chunks: nothing but short strings is copied.
pub fn text_column(lines: &[Lines]) -> Result<Series, EngineError> {
    let mut views: Vec<View> = Vec::with_capacity(lines.iter().map(Lines::len).sum());
    for (index, slice) in lines.iter().enumerate() {
        let bytes = slice.bytes();
        views.extend(slice.ranges().iter().map(|r| View::new_from_bytes(&bytes[r.range()], index as u32, r.start)));
    }
    let buffers = lines.iter().map(|slice| slice.shared_bytes().values().clone()).collect();
    let array = Utf8ViewArray::try_new(ArrowDataType::Utf8View, views.into(), buffers, None)?;
    Ok(StringChunked::with_chunk(PlSmallStr::EMPTY, array).into_series())
}
