//! Bytes → columns: one format a file, all by Spark's rules.

pub(crate) mod builder;
pub(crate) mod csv;
mod csv_fields;
pub(crate) mod csv_infer;
pub(crate) mod json;
pub(crate) mod json_infer;
pub(crate) mod json_scan;
mod json_value;
pub(crate) mod lines;
pub(crate) mod number;
pub(crate) mod parquet;
mod text;
pub(crate) mod time;

use super::declared::Declared;
use super::line_format::{DecodeLines, Decoded};
use super::queue::Lines;
use crate::diagnostic::printable;
use crate::engine::columns::null_series;
use crate::engine::eval::datetime_pattern::DatetimePattern;
use crate::engine::eval::zone::Zone;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use crate::plan::logical::Column;
use crate::types::{DataType, Field};
use chrono_tz::Tz;
use csv::{CsvDecoder, CsvOptions};
use json::{JsonDecoder, JsonOptions};
use json_value::TimePatterns;
use lines::{Encoding, LineEnd, without_mark};
use polars::prelude::Series;
use text::TextOptions;
use time::Pattern;

/// Bytes of a bad record that are kept for display.
const SAMPLE_BYTES: usize = 200;

/// What happens to a record that does not decode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It becomes a row with NULLs for what is bad.
    #[default]
    Permissive,
    /// It is left out.
    DropMalformed,
    /// The batch fails.
    FailFast,
}

impl Mode {
    /// Functions keep every row.
    pub(crate) fn for_function(self, function: &str) -> Result<(), EngineError> {
        if self == Mode::DropMalformed {
            let message = format!("{function} has no mode DROPMALFORMED: it is PERMISSIVE or FAILFAST");
            return Err(EngineError::data("PARSE_MODE_UNSUPPORTED", message));
        }
        Ok(())
    }

    fn read(declared: &Declared<'_>) -> Result<Mode, EngineError> {
        match declared.text("mode").map(str::to_ascii_uppercase).as_deref() {
            None | Some("PERMISSIVE") => Ok(Mode::Permissive),
            Some("DROPMALFORMED") => Ok(Mode::DropMalformed),
            Some("FAILFAST") => Ok(Mode::FailFast),
            Some(other) => Err(declared.bad("mode", other, "PERMISSIVE, DROPMALFORMED or FAILFAST")),
        }
    }
}

/// Records that did not decode.
#[derive(Clone, Debug, Default)]
pub(crate) struct BadRecords {
    /// How many.
    pub(crate) count: u64,
    /// The first of them, escaped.
    pub(crate) sample: Option<String>,
}

impl BadRecords {
    fn add(&mut self, text: &str) {
        self.count += 1;
        if self.sample.is_none() {
            self.sample = Some(sample(text));
        }
    }
}

fn sample(text: &str) -> String {
    let cut = (0..=SAMPLE_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut sample = printable(text[..cut].trim()).into_owned();
    if cut < text.len() {
        sample.push('…');
    }
    sample
}

/// The failure of a bad record in mode FAILFAST.
pub(crate) fn malformed(text: &str) -> EngineError {
    EngineError::data("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", format!("a record is malformed: {}", sample(text)))
        .help("mode 'PERMISSIVE' makes such records rows of NULLs, mode 'DROPMALFORMED' leaves them out")
}

/// The options `dateFormat`, `timestampFormat` and `timestampNTZFormat`.
fn time_patterns(declared: &Declared<'_>, zone: Tz) -> Result<TimePatterns, EngineError> {
    let pattern = |name| match declared.text(name) {
        Some(text) => DatetimePattern::parse(text).map(|pattern| Some((text, pattern))),
        None => Ok(None),
    };
    let zone = Zone::new(zone);
    Ok(TimePatterns {
        date: pattern("dateFormat")?.map(|(t, p)| Pattern::new(t, move |text| p.parse_date(text).map(i64::from))),
        timestamp: pattern("timestampFormat")?.map(|(t, p)| Pattern::new(t, move |text| p.parse_timestamp(text, &zone))),
        timestamp_ntz: pattern("timestampNTZFormat")?.map(|(t, p)| Pattern::new(t, move |text| p.parse_local(text))),
    })
}

/// How the records of one stream or table become rows of the columns in use.
#[derive(Clone, Debug)]
pub(crate) struct RowFormat {
    fields: Vec<Field>,
    ids: Vec<ColumnId>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Text(TextOptions),
    /// With all declared fields: their order is that of the data.
    Csv(CsvOptions, Vec<Field>),
    Json(JsonOptions),
    Parquet,
}

impl RowFormat {
    /// The format of that name for `columns`, a part of what was `declared`; `None` when there is no such format.
    ///
    /// # Errors
    /// Options that do not fit, a column of corrupt records that is no STRING.
    pub(crate) fn read(
        format: &str,
        options: &Declared<'_>,
        declared: &[Field],
        columns: &[Column],
        zone: Tz,
    ) -> Result<Option<RowFormat>, EngineError> {
        let kind = match format {
            "text" => Kind::Text(TextOptions::read(options)?),
            "csv" => Kind::Csv(CsvOptions::read(options, zone)?, declared.to_vec()),
            "json" => Kind::Json(JsonOptions::read(options, zone)?),
            "parquet" => Kind::Parquet,
            _ => return Ok(None),
        };
        match &kind {
            Kind::Csv(CsvOptions { corrupt_column, .. }, _) => {
                check_corrupt_column(declared, corrupt_column)?;
                check_csv_types(declared)?;
            }
            Kind::Json(JsonOptions { corrupt_column, .. }) => check_corrupt_column(declared, corrupt_column)?,
            Kind::Text(_) => check_text_column(declared)?,
            Kind::Parquet => {}
        }
        // A plan may spell a column otherwise than its declaration, which is what the data has.
        let spelt = |c: &Column| {
            let exact = declared.iter().find(|f| f.name == c.name);
            let field = exact.or_else(|| declared.iter().find(|f| f.name.eq_ignore_ascii_case(&c.name)));
            Field::new(field.map_or(&c.name, |f| &f.name).clone(), c.data_type.clone())
        };
        let fields = columns.iter().map(spelt).collect();
        Ok(Some(RowFormat { fields, ids: columns.iter().map(|c| c.id).collect(), kind }))
    }

    /// What ends a record, if a file may be cut between any two records.
    pub(crate) fn cut(&self) -> Option<&LineEnd> {
        let (line_end, whole, encoding) = match &self.kind {
            Kind::Text(o) => (&o.line_end, o.whole, o.encoding),
            Kind::Csv(o, _) => (&o.line_end, o.multi_line, o.encoding),
            Kind::Json(o) => (&o.line_end, o.multi_line, o.encoding),
            Kind::Parquet => return None,
        };
        let short = !matches!(line_end, LineEnd::Text(end) if end.len() > 1);
        (!whole && encoding == Encoding::Utf8 && short).then_some(line_end)
    }

    /// The rows of whole records; `first`: they are the beginning of their file.
    ///
    /// # Errors
    /// A bad record in mode FAILFAST.
    pub(crate) fn decode(&self, bytes: Vec<u8>, first: bool) -> Result<Decoded, EngineError> {
        match &self.kind {
            Kind::Text(options) => {
                let (column, rows) = text::decode(utf8(options.encoding, bytes, first), options, !self.fields.is_empty())?;
                let frame = Frame::new(self.ids.clone(), column.into_iter().collect(), rows);
                Ok(Decoded { frame, bad: 0, sample: None })
            }
            Kind::Csv(options, declared) => {
                let text = text_of(utf8(options.encoding, bytes, first));
                let mut decoder = CsvDecoder::new(declared, &self.fields, options.clone());
                if options.multi_line {
                    decoder.push_document(&text)?;
                } else {
                    decoder.reserve(rows_in(text.as_bytes()));
                    decoder.push(&text, first)?;
                }
                let rows = decoder.rows();
                self.decoded(decoder.finish()?, rows)
            }
            Kind::Json(options) => {
                let bytes = utf8(options.encoding, bytes, first);
                let mut decoder = JsonDecoder::new(&self.fields, options.clone());
                if options.multi_line {
                    decoder.push_record(&bytes)?;
                } else {
                    decoder.reserve(rows_in(&bytes));
                    decoder.push(&bytes)?;
                }
                let rows = decoder.rows();
                self.decoded(decoder.finish()?, rows)
            }
            // A file that vanished, or that nobody has written yet, has no rows.
            Kind::Parquet if bytes.is_empty() => {
                let columns = self.fields.iter().map(|f| null_series(&f.data_type, 0)).collect();
                self.decoded((columns, BadRecords::default()), 0)
            }
            Kind::Parquet => {
                let (columns, rows) = parquet::decode(bytes, &self.fields)?;
                self.decoded((columns, BadRecords::default()), rows)
            }
        }
    }

    fn decoded(&self, (columns, bad): (Vec<Series>, BadRecords), rows: usize) -> Result<Decoded, EngineError> {
        Ok(Decoded { frame: Frame::new(self.ids.clone(), columns, rows), bad: bad.count, sample: bad.sample })
    }
}

/// About how many rows there are, going by the length of the first line.
fn rows_in(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(1, |line| bytes.len() / (line + 1) + 1)
}

/// The bytes as text; what is not UTF-8 becomes U+FFFD.
pub(super) fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Lines that a receiver cut, one record each.
impl DecodeLines for RowFormat {
    fn decode(&self, lines: &[Lines]) -> Result<Decoded, EngineError> {
        if let Kind::Json(options) = &self.kind {
            let mut decoder = JsonDecoder::new(&self.fields, options.clone());
            decoder.reserve(lines.iter().map(Lines::len).sum());
            lines.iter().flat_map(Lines::texts).try_for_each(|text| decoder.push_text(text))?;
            let rows = decoder.rows();
            return self.decoded(decoder.finish()?, rows);
        }
        if let Kind::Csv(options, declared) = &self.kind {
            let mut decoder = CsvDecoder::new(declared, &self.fields, options.clone());
            for text in lines.iter().flat_map(Lines::texts).filter(|text| !options.skips(text)) {
                decoder.push_line(text)?;
            }
            let rows = decoder.rows();
            return self.decoded(decoder.finish()?, rows);
        }
        let mut bytes = Vec::with_capacity(lines.iter().map(|l| l.weight() + l.len()).sum());
        for line in lines.iter().flat_map(Lines::iter) {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
        RowFormat::decode(self, bytes, false)
    }
}

fn utf8(encoding: Encoding, bytes: Vec<u8>, first: bool) -> Vec<u8> {
    let bytes = match encoding.to_utf8(&bytes) {
        std::borrow::Cow::Owned(text) => text,
        std::borrow::Cow::Borrowed(_) => bytes,
    };
    if first && without_mark(&bytes).len() < bytes.len() { without_mark(&bytes).to_vec() } else { bytes }
}

fn check_corrupt_column(declared: &[Field], name: &str) -> Result<(), EngineError> {
    match declared.iter().find(|f| f.name == name) {
        Some(field) if field.data_type != DataType::String => Err(EngineError::data(
            "INVALID_CORRUPT_RECORD_TYPE",
            format!("the column {name} for corrupt records must be of type STRING, but is {}", field.data_type.sql()),
        )),
        _ => Ok(()),
    }
}

fn check_csv_types(declared: &[Field]) -> Result<(), EngineError> {
    match declared.iter().find(|f| !f.data_type.is_atomic()) {
        Some(field) => Err(EngineError::data(
            "UNSUPPORTED_DATA_TYPE_FOR_DATASOURCE",
            format!("CSV has no column of type {}, as {} is declared", field.data_type.sql(), field.name),
        )
        .help("declare it as STRING and read it with from_json")),
        None => Ok(()),
    }
}

fn check_text_column(declared: &[Field]) -> Result<(), EngineError> {
    match declared {
        [Field { data_type: DataType::String, .. }] => Ok(()),
        _ => Err(EngineError::user("text has one column, of type STRING")
            .help("declare (value STRING) and take it apart with split or from_json, or use csv or json")),
    }
}
