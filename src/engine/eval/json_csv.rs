//! `from_csv`, `to_csv` and `schema_of_csv`.

use super::access::{Cells, Output, map_text};
use super::json::{options, style};
use super::json_write::{JsonStyle, JsonWriter, write_time};
use super::text::TextWriter;
use super::zone::Zone;
use super::{KernelCall, access};
use crate::engine::EngineError;
use crate::engine::source::declared::Declared;
use crate::engine::source::decode::csv::{CsvDecoder, CsvOptions};
use crate::engine::source::decode::csv_infer;
use crate::types::DataType;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// `from_csv(text, schema [, options])`; the schema is the call's type.
pub(super) fn from_csv(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 2)?;
    let declared = Declared::new("from_csv", &pairs);
    let options = CsvOptions::read(&declared, call.context.zone)?;
    declared.finish()?;
    options.mode.for_function("from_csv")?;
    let DataType::Struct(fields) = call.returns else {
        return Err(EngineError::user("the schema of from_csv has to be one of columns, such as 'id INT, name STRING'"));
    };
    let texts = call.texts(0)?;
    let mut decoder = CsvDecoder::new(fields, fields, options);
    decoder.reserve(texts.len());
    for row in 0..texts.len() {
        match texts.at(row) {
            Some(text) => decoder.push_line(text).map_err(|e| e.at_row(row))?,
            None => decoder.push_null(),
        }
    }
    decoder.finish_struct()
}

/// One cell as CSV writes it, before quoting.
enum CsvCell<'a> {
    Text(TextWriter<'a>),
    /// Dates and timestamps by a pattern: as JSON, whose quotes are taken off.
    Json(JsonWriter<'a>),
    Time(access::Numbers<'a, i64>, Zone, bool),
}

impl CsvCell<'_> {
    fn write(&self, row: usize, out: &mut String) -> bool {
        match self {
            CsvCell::Text(writer) => writer.write(row, out),
            CsvCell::Json(writer) if writer.is_null(row) => false,
            CsvCell::Json(writer) => {
                let mut text = String::new();
                writer.write(row, &mut text);
                out.push_str(text.trim_matches('"'));
                true
            }
            CsvCell::Time(values, zone, zoned) => match values.at(row) {
                Some(instant) => {
                    let offset = zone.offset_at(instant);
                    write_time(out, instant.saturating_add(offset), false, zoned.then_some(offset));
                    true
                }
                None => false,
            },
        }
    }
}

/// `to_csv(struct [, options])`
pub(super) fn to_csv(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 1)?;
    let declared = Declared::new("to_csv", &pairs);
    let style = style(&declared, call)?;
    let writer = CsvStyle::read(&declared)?;
    declared.finish()?;
    let DataType::Struct(fields) = call.data_type(0) else {
        return Err(EngineError::data("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "to_csv takes a struct"));
    };
    let column = call.column(0);
    let members = access::members(column)?;
    let cells: Vec<CsvCell<'_>> = members.iter().zip(fields).map(|(m, f)| csv_cell(m, &f.data_type, &style)).collect::<Result<_>>()?;
    let mut builder = <&str as Output>::builder(column.len());
    let (mut line, mut text) = (String::new(), String::new());
    for row in 0..column.len() {
        if access::is_null(column, row) {
            builder.push_null();
            continue;
        }
        line.clear();
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                line.push_str(&writer.separator);
            }
            text.clear();
            let there = cell.write(row, &mut text);
            writer.field(there.then_some(text.as_str()), &mut line);
        }
        builder.push_value(line.as_str());
    }
    Ok(<&str as Output>::finish(builder))
}

fn csv_cell<'a>(column: &'a Series, data_type: &DataType, style: &JsonStyle) -> Result<CsvCell<'a>> {
    let array = &*column.chunks()[0];
    Ok(match data_type {
        DataType::Timestamp if style.timestamp.is_none() => CsvCell::Time(access::numbers(column)?, Zone::new(style.zone), true),
        DataType::TimestampNtz if style.timestamp_ntz.is_none() => CsvCell::Time(access::numbers(column)?, Zone::UTC, false),
        DataType::Date | DataType::Timestamp | DataType::TimestampNtz => CsvCell::Json(JsonWriter::new(array, data_type, style)),
        _ => CsvCell::Text(TextWriter::new(array, data_type, &Zone::new(style.zone))),
    })
}

/// How a CSV line is put together.
struct CsvStyle {
    separator: String,
    quote: char,
    escape: char,
    null_value: String,
    empty_value: String,
    trim_leading: bool,
    trim_trailing: bool,
    quote_all: bool,
}

impl CsvStyle {
    fn read(declared: &Declared<'_>) -> Result<CsvStyle> {
        let flag = |name, default| Ok::<bool, EngineError>(declared.boolean(name)?.unwrap_or(default));
        Ok(CsvStyle {
            separator: declared.text("sep").or_else(|| declared.text("delimiter")).unwrap_or(",").replace("\\t", "\t"),
            quote: declared.character("quote")?.flatten().unwrap_or('"'),
            escape: declared.character("escape")?.flatten().unwrap_or('\\'),
            null_value: declared.text("nullValue").unwrap_or_default().to_string(),
            empty_value: declared.text("emptyValue").unwrap_or("\"\"").to_string(),
            trim_leading: flag("ignoreLeadingWhiteSpace", true)?,
            trim_trailing: flag("ignoreTrailingWhiteSpace", true)?,
            quote_all: flag("quoteAll", false)?,
        })
    }

    fn field(&self, text: Option<&str>, out: &mut String) {
        let Some(mut text) = text else {
            out.push_str(&self.null_value);
            return;
        };
        if text.is_empty() {
            out.push_str(&self.empty_value);
            return;
        }
        if self.trim_leading {
            text = text.trim_start_matches(|c: char| c <= ' ');
        }
        if self.trim_trailing {
            text = text.trim_end_matches(|c: char| c <= ' ');
        }
        let special = |c: char| c == self.quote || c == '\n' || c == '\r';
        let quoted = self.quote_all || text.contains(special) || text.contains(&self.separator);
        if !quoted {
            out.push_str(text);
            return;
        }
        out.push(self.quote);
        for c in text.chars() {
            if c == self.quote || c == self.escape {
                out.push(self.escape);
            }
            out.push(c);
        }
        out.push(self.quote);
    }
}

/// `schema_of_csv(text [, options])`
pub(super) fn schema_of_csv(call: &KernelCall<'_>) -> Result {
    let pairs = options(call, 1)?;
    let declared = Declared::new("schema_of_csv", &pairs);
    let options = CsvOptions::read(&declared, call.context.zone)?;
    declared.finish()?;
    Ok(map_text(&call.texts(0)?, |text, out| {
        out.push_str(&csv_infer::schema_of_line(text, &options).sql());
        true
    }))
}
