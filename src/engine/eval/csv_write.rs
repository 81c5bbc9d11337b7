//! Rows as lines of CSV, to the byte as Spark's writer has them: what `to_csv` and the csv sink are made of.
//!
//! Blanks around a value go before it is looked at; what is empty then is written as `emptyValue`, NULL as
//! `nullValue`. A value is quoted when it holds the separator, a quote or a line end, and in the first column when
//! it begins like a comment.

use super::json_write::{JsonStyle, JsonWriter, write_time};
use super::text::TextWriter;
use super::zone::Zone;
use crate::engine::EngineError;
use crate::engine::source::declared::Declared;
use crate::types::DataType;
use polars_arrow::array::{Array, BinaryViewArray, PrimitiveArray};

/// How a line is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvStyle {
    separator: String,
    quote: char,
    escape: char,
    /// Stands before the escape character within quotes.
    escape_escape: char,
    comment: char,
    null_value: String,
    empty_value: String,
    trim_leading: bool,
    trim_trailing: bool,
    quote_all: bool,
    /// A quote within a value makes it quoted; else only one at its beginning does.
    escape_quotes: bool,
    /// What ends a line.
    pub line_end: String,
}

impl CsvStyle {
    /// From the options, under Spark's names.
    ///
    /// # Errors
    /// Values that make no sense.
    pub(crate) fn read(declared: &Declared<'_>) -> Result<CsvStyle, EngineError> {
        let flag = |name, default| Ok::<bool, EngineError>(declared.boolean(name)?.unwrap_or(default));
        // No character at all is written as NUL, as Spark has it.
        let character = |name, default| one_character(declared, name).map(|c| c.map_or(default, |c: Option<char>| c.unwrap_or('\0')));
        let quote = character("quote", '"')?;
        let escape = character("escape", '\\')?;
        let line_end = declared.text("lineSep").unwrap_or("\n");
        if line_end.is_empty() || line_end.chars().count() > 2 {
            let condition = if line_end.is_empty() { "INVALID_LINE_SEPARATOR.EMPTY" } else { "INVALID_LINE_SEPARATOR.TOO_LONG" };
            return Err(EngineError::data(condition, format!("option lineSep is '{line_end}', but must be one or two characters")));
        }
        let separator = match (declared.text("sep"), declared.text("delimiter")) {
            (Some(sep), _) | (None, Some(sep)) => sep.replace("\\t", "\t"),
            (None, None) => ",".to_string(),
        };
        if separator.is_empty() {
            return Err(EngineError::data(
                "INVALID_DELIMITER_VALUE.EMPTY_STRING",
                "option sep is empty: a line's values need something between them",
            ));
        }
        Ok(CsvStyle {
            separator,
            quote,
            escape,
            escape_escape: character("charToEscapeQuoteEscaping", escape)?,
            comment: character("comment", '#')?,
            null_value: declared.text("nullValue").unwrap_or_default().to_string(),
            empty_value: declared.text("emptyValue").unwrap_or("\"\"").to_string(),
            trim_leading: flag("ignoreLeadingWhiteSpace", true)?,
            trim_trailing: flag("ignoreTrailingWhiteSpace", true)?,
            quote_all: flag("quoteAll", false)?,
            escape_quotes: flag("escapeQuotes", true)?,
            line_end: line_end.to_string(),
        })
    }

    /// Appends a line of texts, such as the header, with its end.
    pub fn write_texts<'t>(&self, texts: impl Iterator<Item = &'t str>, out: &mut String) {
        for (at, text) in texts.enumerate() {
            self.separate(at, out);
            self.field(at, Some(text), out);
        }
        out.push_str(&self.line_end);
    }

    fn separate(&self, at: usize, out: &mut String) {
        if at > 0 {
            out.push_str(&self.separator);
        }
    }

    /// Appends a value of column `at`.
    fn field(&self, at: usize, text: Option<&str>, out: &mut String) {
        let mut text = text.unwrap_or(&self.null_value);
        if self.trim_leading {
            text = text.trim_start_matches(|c: char| c <= ' ');
        }
        if self.trim_trailing {
            text = text.trim_end_matches(|c: char| c <= ' ');
        }
        if text.is_empty() {
            text = &self.empty_value;
            // Two quotes stand for themselves.
            if text == "\"\"" {
                return out.push_str(text);
            }
        }
        if self.is_quoted(at, text) { self.quoted(text, out) } else { out.push_str(text) }
    }

    fn null(&self, at: usize, out: &mut String) {
        if !self.null_value.is_empty() || self.quote_all {
            // A NULL is never taken for an empty value.
            if self.null_value.is_empty() { self.quoted("", out) } else { self.field(at, None, out) }
        }
    }

    fn is_quoted(&self, at: usize, text: &str) -> bool {
        let has_quote = if self.escape_quotes { text.contains(self.quote) } else { text.starts_with(self.quote) };
        let ends_line = |c: char| c == '\n' || c == '\r' || self.line_end.contains(c);
        self.quote_all
            || has_quote
            || text.contains(ends_line)
            || text.contains(&self.separator)
            || (at == 0 && text.starts_with(self.comment))
    }

    fn quoted(&self, text: &str, out: &mut String) {
        out.push(self.quote);
        for c in text.chars() {
            if c == self.quote {
                out.push(self.escape);
            } else if c == self.escape {
                out.push(self.escape_escape);
            } else if c == '\n' && self.line_end != "\n" {
                out.push_str(&self.line_end);
                continue;
            }
            out.push(c);
        }
        out.push(self.quote);
    }

    /// Whether the text of numbers and times needs no quotes.
    fn is_usual(&self) -> bool {
        [",", ";", "|", "\t"].contains(&self.separator.as_str())
            && !self.quote_all
            && !self.quote.is_alphanumeric()
            && !self.comment.is_alphanumeric()
            && ["\n", "\r\n"].contains(&self.line_end.as_str())
            && self.comment != '-'
            && self.quote != '-'
    }
}

/// A character, `None` where the option is an empty text.
fn one_character(declared: &Declared<'_>, name: &'static str) -> Result<Option<Option<char>>, EngineError> {
    declared.character(name).map_err(|e| e.condition("OPTION_VALUE_EXCEEDS_ONE_CHARACTER"))
}

/// Writes the rows of some columns.
pub struct CsvWriter<'a> {
    style: &'a CsvStyle,
    /// With whether its text needs no look at it.
    cells: Vec<(Cell<'a>, bool)>,
    buffer: String,
}

/// One column's values before quoting.
enum Cell<'a> {
    Text(TextWriter<'a>),
    /// Dates and timestamps by a pattern: as JSON, whose quotes are taken off.
    Json(JsonWriter<'a>),
    Time(&'a PrimitiveArray<i64>, Zone, bool),
    /// As `[61 62]`.
    Binary(&'a BinaryViewArray),
}

impl<'a> CsvWriter<'a> {
    /// For columns of those types.
    pub fn new(columns: impl Iterator<Item = (&'a dyn Array, &'a DataType)>, style: &'a CsvStyle, values: &JsonStyle) -> CsvWriter<'a> {
        let usual = style.is_usual();
        let cell = |(array, data_type): (&'a dyn Array, &'a DataType)| {
            let plain = data_type.is_numeric() || *data_type == DataType::Boolean;
            let cell = Cell::new(array, data_type, values);
            let plain = plain || matches!(cell, Cell::Time(..));
            (cell, usual && plain)
        };
        CsvWriter { style, cells: columns.map(cell).collect(), buffer: String::new() }
    }

    /// Appends the row's line without its end.
    pub fn write(&mut self, row: usize, out: &mut String) {
        for (at, (cell, plain)) in self.cells.iter().enumerate() {
            self.style.separate(at, out);
            if *plain {
                if !cell.write(row, out) {
                    self.style.null(at, out);
                }
                continue;
            }
            self.buffer.clear();
            if cell.write(row, &mut self.buffer) {
                self.style.field(at, Some(&self.buffer), out);
            } else {
                self.style.null(at, out);
            }
        }
    }
}

impl<'a> Cell<'a> {
    fn new(array: &'a dyn Array, data_type: &DataType, style: &JsonStyle) -> Cell<'a> {
        let instants = array.as_any().downcast_ref::<PrimitiveArray<i64>>();
        if let (DataType::Binary, Some(bytes)) = (data_type, array.as_any().downcast_ref()) {
            return Cell::Binary(bytes);
        }
        match (data_type, instants) {
            (DataType::Timestamp, Some(values)) if style.timestamp.is_none() => Cell::Time(values, Zone::new(style.zone), true),
            (DataType::TimestampNtz, Some(values)) if style.timestamp_ntz.is_none() => Cell::Time(values, Zone::UTC, false),
            (DataType::Date, _) if style.date.is_none() => Cell::Text(TextWriter::new(array, data_type, &Zone::new(style.zone))),
            (DataType::Date | DataType::Timestamp | DataType::TimestampNtz, _) => Cell::Json(JsonWriter::new(array, data_type, style)),
            _ => Cell::Text(TextWriter::new(array, data_type, &Zone::new(style.zone))),
        }
    }

    /// Appends the value; false for NULL.
    fn write(&self, row: usize, out: &mut String) -> bool {
        match self {
            Cell::Text(writer) => writer.write(row, out),
            Cell::Json(writer) if writer.is_null(row) => false,
            Cell::Json(writer) => {
                let mut text = String::new();
                writer.write(row, &mut text);
                out.push_str(text.trim_matches('"'));
                true
            }
            Cell::Binary(values) if values.is_null(row) => false,
            Cell::Binary(values) => {
                let bytes: Vec<String> = values.value(row).iter().map(|b| format!("{b:02X}")).collect();
                out.push_str(&format!("[{}]", bytes.join(" ")));
                true
            }
            Cell::Time(values, ..) if values.is_null(row) => false,
            Cell::Time(values, zone, zoned) => {
                let offset = zone.offset_at(values.value(row));
                write_time(out, values.value(row).saturating_add(offset), false, zoned.then_some(offset));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::series_of;
    use crate::types::Value;

    /// The lines for rows of texts.
    fn lines(options: &[(&str, &str)], rows: &[&[Option<&str>]]) -> Vec<String> {
        let pairs: Vec<(String, String)> = options.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
        let style = CsvStyle::read(&Declared::new("csv", &pairs)).unwrap();
        let column = |at: usize| {
            let values: Vec<Value> = rows.iter().map(|r| r[at].map_or(Value::Null, |t| Value::String(t.to_string()))).collect();
            series_of(&values, &DataType::String)
        };
        let columns: Vec<_> = (0..rows[0].len()).map(column).collect();
        let values = JsonStyle::spark(chrono_tz::UTC);
        let mut writer = CsvWriter::new(columns.iter().map(|c| (&*c.chunks()[0], &DataType::String)), &style, &values);
        let line = |row| {
            let mut out = String::new();
            writer.write(row, &mut out);
            out
        };
        (0..rows.len()).map(line).collect()
    }

    const ROWS: &[&[Option<&str>]] = &[
        &[Some("#a"), Some("#b"), Some("")],
        &[Some("x"), None, Some("y")],
        &[Some("a,b\"c"), Some("a\\b"), Some("a,\\b")],
        &[Some("\""), Some("a\""), Some("\"a")],
        &[Some("\t"), Some("\u{a0}"), Some(" a, ")],
    ];

    #[test]
    fn fields_are_quoted_as_sparks_writer_quotes_them() {
        assert_eq!(lines(&[], ROWS), [r##""#a",#b,"""##, "x,,y", r#""a,b\"c",a\b,"a,\\b""#, r#""\"","a\"","\"a""#, "\"\",\u{a0},\"a,\""]);
        assert_eq!(lines(&[("escapeQuotes", "false")], ROWS)[3], r#""\"",a","\"a""#);
        assert_eq!(lines(&[("quoteAll", "true")], ROWS)[..2], [r##""#a","#b","""##, r#""x","","y""#]);
        let named = lines(&[("quoteAll", "true"), ("emptyValue", "E"), ("nullValue", "N")], ROWS);
        assert_eq!(named[..2], [r##""#a","#b","E""##, r#""x","N","y""#]);
        assert_eq!(lines(&[("escape", "\"")], ROWS)[2..4], [r#""a,b""c",a\b,"a,\b""#, r#""""","a""","""a""#]);
        assert_eq!(lines(&[("nullValue", "a\"b")], ROWS)[1], r#"x,"a\"b",y"#);
        assert_eq!(lines(&[("comment", "x")], ROWS)[..2], [r##"#a,#b,"""##, r#""x",,y"#]);
        assert_eq!(lines(&[("quote", "")], ROWS)[2], "\0a,b\"c\0,a\\b,\0a,\\\\b\0");
        assert_eq!(lines(&[("charToEscapeQuoteEscaping", "#")], ROWS)[2], "\"a,b\\\"c\",a\\b,\"a,#\\b\"");
        assert_eq!(lines(&[("sep", "||")], ROWS)[1], "x||||y");
        let kept = lines(&[("ignoreLeadingWhiteSpace", "false"), ("ignoreTrailingWhiteSpace", "false")], ROWS);
        assert_eq!(kept[4], "\t,\u{a0},\" a, \"");
    }

    #[test]
    fn line_ends_within_values_become_those_of_the_file() {
        let rows: &[&[Option<&str>]] = &[&[Some("a\nb"), Some("c\rd")]];
        assert_eq!(lines(&[], rows), ["\"a\nb\",\"c\rd\""]);
        assert_eq!(lines(&[("lineSep", "\r\n")], rows), ["\"a\r\nb\",\"c\rd\""]);
    }
}
