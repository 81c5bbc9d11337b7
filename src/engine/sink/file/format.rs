//! The formats of file sinks: rows → the bytes of a whole file.
//!
//! Lines are made on the worker pool, some thousand rows at a time, and written in order, so that a huge batch takes
//! little memory besides its rows.

use super::compression::{Compression, byte_order_mark, encoded};
use super::parquet::{self, ParquetFiles};
use crate::engine::eval::csv_write::{CsvStyle, CsvWriter};
use crate::engine::eval::datetime_pattern::DatetimePattern;
use crate::engine::eval::json_write::{JsonStyle, RowWriter};
use crate::engine::pool::Pool;
use crate::engine::source::declared::Declared;
use crate::engine::source::decode::lines::Encoding;
use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use crate::types::DataType;
use polars_arrow::array::{Array, Utf8ViewArray};
use std::io::{self, Write};

/// Rows whose lines are made at a time.
const CHUNK: usize = 8 * 1024;

/// Options of lines of any kind.
const LINES: [&str; 3] = ["compression", "encoding", "lineSep"];
/// Options of how values are written.
const VALUES: [&str; 4] = ["dateFormat", "timestampFormat", "timestampNTZFormat", "timeZone"];

/// Options of the csv sink besides those of every file sink.
pub(super) const CSV: &[&str] = &[
    LINES[0],
    LINES[1],
    LINES[2],
    VALUES[0],
    VALUES[1],
    VALUES[2],
    VALUES[3],
    "header",
    "sep",
    "delimiter",
    "quote",
    "escape",
    "charToEscapeQuoteEscaping",
    "comment",
    "nullValue",
    "emptyValue",
    "quoteAll",
    "escapeQuotes",
    "ignoreLeadingWhiteSpace",
    "ignoreTrailingWhiteSpace",
    "codec",
    "charset",
];
/// … of the json sink.
pub(super) const JSON: &[&str] = &[
    LINES[0],
    LINES[1],
    LINES[2],
    VALUES[0],
    VALUES[1],
    VALUES[2],
    VALUES[3],
    "ignoreNullFields",
    "writeNonAsciiCharacterAsCodePoint",
    "charset",
];
/// … of the text sink.
pub(super) const TEXT: &[&str] = &LINES;
/// … of the parquet sink.
pub(super) const PARQUET: &[&str] = parquet::OPTIONS;

/// How the files of a sink are written.
pub(super) enum Format {
    Parquet(ParquetFiles),
    Lines(Box<Lines>),
}

/// Files of lines.
pub(super) struct Lines {
    kind: Kind,
    line_end: String,
    encoding: Encoding,
    compression: Compression,
    extension: String,
}

enum Kind {
    Csv { style: CsvStyle, values: JsonStyle, header: bool },
    Json { values: JsonStyle, ascii: bool },
    Text,
}

impl Format {
    /// The format of that name for result columns; `zone` is the session's.
    ///
    /// # Errors
    /// Options that do not fit, columns that the format has no place for.
    pub(super) fn read(name: &str, declared: &Declared<'_>, columns: &[Column], zone: chrono_tz::Tz) -> Result<Format, EngineError> {
        if name == "parquet" {
            parquet::check(columns)?;
            return Ok(Format::Parquet(ParquetFiles::read(declared)?));
        }
        let kind = match name {
            "csv" => {
                check_columns(name, columns, |t| t.is_atomic() && !matches!(t, DataType::Void | DataType::CalendarInterval))?;
                let header = declared.boolean("header")?.unwrap_or(false);
                Kind::Csv { style: CsvStyle::read(declared)?, values: values(declared, zone)?, header }
            }
            "json" => {
                check_columns(name, columns, is_json)?;
                let ascii = declared.boolean("writeNonAsciiCharacterAsCodePoint")?.unwrap_or(false);
                Kind::Json { values: values(declared, zone)?, ascii }
            }
            _ => {
                check_text(columns)?;
                Kind::Text
            }
        };
        let line_end = match &kind {
            Kind::Csv { style, .. } => style.line_end.clone(),
            _ => line_end(declared)?,
        };
        let encoding = match declared.text("encoding").or_else(|| declared.text("charset")) {
            Some(name) => Encoding::named(name)?,
            None => Encoding::Utf8,
        };
        let compression = match declared.text("compression").or_else(|| declared.text("codec")) {
            Some(name) => Compression::named(name)?,
            None => Compression::None,
        };
        let ending = if name == "text" { "txt" } else { name };
        let extension = format!("{ending}{}", compression.suffix());
        Ok(Format::Lines(Box::new(Lines { kind, line_end, encoding, compression, extension })))
    }

    /// What the names of files end in, such as `csv.gz`.
    pub(super) fn extension(&self) -> &str {
        match self {
            Format::Parquet(files) => files.extension,
            Format::Lines(lines) => &lines.extension,
        }
    }

    /// Whether a file without rows tells its readers something: the columns.
    pub(super) fn says_columns(&self) -> bool {
        match self {
            Format::Parquet(_) => true,
            Format::Lines(lines) => matches!(lines.kind, Kind::Csv { header: true, .. }),
        }
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn write(&self, columns: &[Column], frame: &Frame, pool: &Pool, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Format::Parquet(files) => files.write(columns, frame, pool, out),
            Format::Lines(lines) => lines.compression.wrap(out, |out| lines.write(columns, frame, pool, out)),
        }
    }
}

impl Lines {
    fn write(&self, columns: &[Column], frame: &Frame, pool: &Pool, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(byte_order_mark(self.encoding))?;
        if let Kind::Csv { style, header: true, .. } = &self.kind {
            let mut text = String::new();
            style.write_texts(columns.iter().map(|c| c.name.as_str()), &mut text);
            out.write_all(&encoded(self.encoding, &text))?;
        }
        let starts: Vec<usize> = (0..frame.rows()).step_by(CHUNK).collect();
        for starts in starts.chunks(2 * pool.width()) {
            let texts = pool.map(starts.to_vec(), |start| {
                let mut text = String::new();
                self.lines(columns, frame, start..frame.rows().min(start + CHUNK), &mut text);
                text
            });
            for text in texts {
                out.write_all(&encoded(self.encoding, &text))?;
            }
        }
        Ok(())
    }

    /// Appends the lines of some rows.
    fn lines(&self, columns: &[Column], frame: &Frame, rows: std::ops::Range<usize>, out: &mut String) {
        let arrays = || columns.iter().zip(frame.columns()).map(|(c, s)| (c, &*s.chunks()[0]));
        match &self.kind {
            Kind::Csv { style, values, .. } => {
                let mut writer = CsvWriter::new(arrays().map(|(c, a)| (a, &c.data_type)), style, values);
                for row in rows {
                    let before = out.len();
                    writer.write(row, out);
                    // A line of nothing is no record to any reader, and Spark writes none.
                    if out.len() > before {
                        out.push_str(&self.line_end);
                    }
                }
            }
            Kind::Json { values, ascii } => {
                let writer = RowWriter::new(arrays().map(|(c, a)| (c.name.as_str(), &c.data_type, a)), values);
                for row in rows {
                    let before = out.len();
                    writer.write(row, out);
                    if *ascii {
                        escape_non_ascii(out, before);
                    }
                    out.push_str(&self.line_end);
                }
            }
            Kind::Text => {
                let texts = frame.columns()[0].chunks()[0].as_any().downcast_ref::<Utf8ViewArray>();
                for row in rows {
                    if let Some(text) = texts.filter(|t| !t.is_null(row)) {
                        out.push_str(text.value(row));
                    }
                    out.push_str(&self.line_end);
                }
            }
        }
    }
}

/// Writes what is not ASCII from byte `from` on as `\u00E9`.
fn escape_non_ascii(out: &mut String, from: usize) {
    if out[from..].is_ascii() {
        return;
    }
    let line = out.split_off(from);
    for c in line.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
        }
    }
}

/// `lineSep` of json and text.
fn line_end(declared: &Declared<'_>) -> Result<String, EngineError> {
    match declared.text("lineSep") {
        Some("") => Err(EngineError::data("INVALID_LINE_SEPARATOR.EMPTY", "option lineSep is empty: a line has to end somehow")),
        other => Ok(other.unwrap_or("\n").to_string()),
    }
}

/// How values are written.
fn values(declared: &Declared<'_>, zone: chrono_tz::Tz) -> Result<JsonStyle, EngineError> {
    let zone = declared.zone("timeZone")?.unwrap_or(zone);
    let pattern = |name| declared.text(name).map(DatetimePattern::for_writing).transpose();
    Ok(JsonStyle {
        keep_nulls: !declared.boolean("ignoreNullFields")?.unwrap_or(true),
        date: pattern("dateFormat")?,
        timestamp: pattern("timestampFormat")?,
        timestamp_ntz: pattern("timestampNTZFormat")?,
        ..JsonStyle::spark(zone)
    })
}

fn is_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::CalendarInterval => false,
        DataType::Array(element) => is_json(element),
        DataType::Map(key, value) => is_json(key) && is_json(value),
        DataType::Struct(fields) => fields.iter().all(|f| is_json(&f.data_type)),
        _ => true,
    }
}

fn check_columns(format: &str, columns: &[Column], fits: impl Fn(&DataType) -> bool) -> Result<(), EngineError> {
    let Some(column) = columns.iter().find(|c| !fits(&c.data_type)) else { return Ok(()) };
    let message = format!("{format} has no column of type {}, as `{}` is", column.data_type.sql(), column.name);
    let help = if column.data_type.is_atomic() {
        "do: CAST(… AS STRING), or leave the column out"
    } else {
        "do: to_json(…), or INTO json or parquet"
    };
    Err(EngineError::data("UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE", message).help(help))
}

fn check_text(columns: &[Column]) -> Result<(), EngineError> {
    match columns {
        [Column { data_type: DataType::String, .. }] => Ok(()),
        [one] => Err(EngineError::data(
            "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
            format!("a line of text is one STRING, and `{}` is of type {}", one.name, one.data_type.sql()),
        )
        .help("do: CAST(… AS STRING)")),
        more => Err(EngineError::user(format!("a line of text is one STRING, and the result has {} columns", more.len()))
            .help("do: SELECT concat_ws(',', …) or to_json(struct(*)), or INTO csv or json")),
    }
}
