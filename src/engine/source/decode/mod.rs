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
mod spark_schema;
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
            // In a function Spark takes any word, and means the default by those that it does not know.
            Some(_) if declared.is_function() => Ok(Mode::Permissive),
            Some(other) => Err(declared.bad("mode", other, "PERMISSIVE, DROPMALFORMED or FAILFAST")),
        }
    }
}

/// The share of records that a schema is inferred from, evenly spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    share: f64,
    due: f64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { share: 1.0, due: 0.0 }
    }
}

impl Sampling {
    /// The option `samplingRatio`.
    fn read(declared: &Declared<'_>) -> Result<Sampling, EngineError> {
        let Some(text) = declared.text("samplingRatio") else { return Ok(Sampling::default()) };
        match text.trim().parse::<f64>() {
            Ok(share) if share > 0.0 => Ok(Sampling { share: share.min(1.0), due: 1.0 - share.min(1.0) }),
            _ => Err(declared.bad("samplingRatio", text, "a number above 0, at most 1")),
        }
    }

    /// Whether the next record is looked at; the first always is.
    pub(crate) fn takes(&mut self) -> bool {
        self.due += self.share;
        let taken = self.due >= 1.0;
        if taken {
            self.due -= 1.0;
        }
        taken
    }
}

/// The option `locale`: names of months and days, and the signs in decimals, are English here.
fn english(declared: &Declared<'_>) -> Result<(), EngineError> {
    match declared.text("locale") {
        Some(tag) if !tag.split(['-', '_']).next().is_some_and(|language| language.eq_ignore_ascii_case("en")) => {
            Err(EngineError::user(format!("locale '{tag}' is not available: dates and decimals in text are read as English writes them"))
                .help("read the column as STRING and take it apart with replace or to_timestamp"))
        }
        _ => Ok(()),
    }
}

/// Bad records that one call of a decoder keeps.
const KEPT: usize = 100;

/// A record that did not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The line that it begins in, from 0, among those given to the decoder.
    pub line: u64,
    /// Its beginning, escaped.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Records that did not decode.
#[derive(Clone, Debug, Default)]
pub struct BadRecords {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub kept: Vec<BadRecord>,
}

impl BadRecords {
    /// Counts a record; what is wrong with it is only asked for those that are kept.
    fn add(&mut self, line: u64, text: &str, reason: impl FnOnce() -> String) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(BadRecord { line, text: sample(text), reason: reason() });
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

/// Refuses columns that CSV has no text for.
pub(crate) fn check_from_csv(fields: &[Field]) -> Result<(), EngineError> {
    match fields.iter().find(|f| !f.data_type.is_atomic()) {
        Some(field) => Err(EngineError::data(
            "UNSUPPORTED_DATATYPE",
            format!("from_csv gives no {}, as {} is declared", field.data_type.sql(), field.name),
        )
        .help("declare it as STRING and read it with from_json")),
        None => Ok(()),
    }
}

/// The failure of a bad record in mode FAILFAST.
pub(crate) fn malformed(text: &str, reason: &str) -> EngineError {
    let message = format!("a record is malformed, {reason}: {}", sample(text));
    EngineError::data("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION", message)
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
        timestamp_ntz: pattern("timestampNTZFormat")?.map(|(t, p)| Pattern::new(t, move |text| p.parse_without_zone(text))),
    })
}

/// How the records of one stream or table become rows of the columns in use.
#[derive(Clone, Debug)]
pub(crate) struct RowFormat {
    /// Columns that the records hold.
    fields: Vec<Field>,
    ids: Vec<ColumnId>,
    kind: Kind,
    /// Columns with one value for all rows, each with its place among all columns.
    fixed: Vec<(usize, Series)>,
    zone: Tz,
}

#[derive(Clone, Debug)]
enum Kind {
    /// With the name of the column that takes the lines.
    Text(TextOptions, String),
    /// With all declared fields: their order is that of the data.
    Csv(Box<CsvOptions>, Vec<Field>),
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
            "text" => Kind::Text(TextOptions::read(options)?, declared.first().map(|f| f.name.clone()).unwrap_or_default()),
            "csv" => Kind::Csv(Box::new(CsvOptions::read(options, zone)?), declared.to_vec()),
            "json" => Kind::Json(JsonOptions::read(options, zone)?),
            "parquet" => Kind::Parquet,
            _ => return Ok(None),
        };
        match &kind {
            Kind::Csv(csv, _) => {
                check_corrupt_column(declared, &csv.corrupt_column)?;
                check_csv_types(declared)?;
            }
            Kind::Json(JsonOptions { corrupt_column, .. }) => check_corrupt_column(declared, corrupt_column)?,
            Kind::Text(..) => check_text_column(declared)?,
            Kind::Parquet => {}
        }
        // A plan may spell a column otherwise than its declaration, which is what the data has.
        let spelt = |c: &Column| {
            let exact = declared.iter().find(|f| f.name == c.name);
            let field = exact.or_else(|| declared.iter().find(|f| f.name.eq_ignore_ascii_case(&c.name)));
            Field::new(field.map_or(&c.name, |f| &f.name).clone(), c.data_type.clone())
        };
        let fields = columns.iter().map(spelt).collect();
        Ok(Some(RowFormat { fields, ids: columns.iter().map(|c| c.id).collect(), kind, fixed: Vec::new(), zone }))
    }

    /// Whether the bytes are text, whose files may be compressed as a whole.
    pub(crate) fn is_text(&self) -> bool {
        !matches!(self.kind, Kind::Parquet)
    }

    /// What ends a record, if a file may be cut between any two records.
    pub(crate) fn cut(&self) -> Option<&LineEnd> {
        let (line_end, whole, encoding) = match &self.kind {
            Kind::Text(o, _) => (&o.line_end, o.whole, o.encoding),
            Kind::Csv(o, _) => (&o.line_end, o.multi_line, o.encoding),
            Kind::Json(o) => (&o.line_end, o.multi_line, o.encoding),
            Kind::Parquet => return None,
        };
        let short = !matches!(line_end, LineEnd::Text(end) if end.len() > 1);
        (!whole && encoding == Encoding::Utf8 && short).then_some(line_end)
    }

    /// The format of a file whose directories give these columns their values; `None` is NULL.
    ///
    /// # Errors
    /// A value that is not of its column's type.
    pub(crate) fn with_values(&self, values: &[(String, Option<String>)]) -> Result<RowFormat, EngineError> {
        let value_of = |name: &str| values.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let mut format = RowFormat { fields: Vec::new(), ..self.clone() };
        for (place, field) in self.fields.iter().enumerate() {
            match value_of(&field.name) {
                Some(value) => format.fixed.push((place, csv::one_value(field, value.as_deref(), self.zone)?)),
                None => format.fields.push(field.clone()),
            }
        }
        if let Kind::Csv(_, declared) = &mut format.kind {
            declared.retain(|f| value_of(&f.name).is_none());
        }
        Ok(format)
    }

    /// The columns of the records with those of one value at their places.
    fn frame(&self, mut columns: Vec<Series>, rows: usize) -> Frame {
        for (place, value) in &self.fixed {
            columns.insert(*place, value.new_from_index(0, rows));
        }
        Frame::new(self.ids.clone(), columns, rows)
    }

    /// The rows of whole records; `first`: they are the beginning of their file.
    ///
    /// # Errors
    /// A bad record in mode FAILFAST.
    pub(crate) fn decode(&self, bytes: Vec<u8>, first: bool) -> Result<Decoded, EngineError> {
        match &self.kind {
            Kind::Text(options, line) => {
                let keeps_mark = options.whole && options.encoding == Encoding::Utf8;
                let wanted = self.fields.iter().any(|f| f.name == *line);
                let (column, rows) = text::decode(utf8(options.encoding, bytes, first && !keeps_mark), options, wanted)?;
                let columns = self.fields.iter().map(|f| match &column {
                    Some(lines) if f.name == *line => lines.clone(),
                    _ => null_series(&f.data_type, rows),
                });
                self.decoded((columns.collect(), BadRecords::default()), rows)
            }
            Kind::Csv(options, declared) => {
                let text = text_of(utf8(options.encoding, bytes, first));
                let mut decoder = CsvDecoder::new(declared, &self.fields, (**options).clone());
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
        Ok(Decoded { frame: self.frame(columns, rows), bad })
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
            let mut decoder = CsvDecoder::new(declared, &self.fields, (**options).clone());
            let mut header = options.header && lines.first().is_some_and(|l| l.number() == 0);
            for text in lines.iter().flat_map(Lines::texts) {
                if options.skips(text) {
                } else if std::mem::take(&mut header) {
                    decoder.check_header(text)?;
                } else {
                    decoder.push_line(text)?;
                }
                decoder.line += 1;
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

pub(crate) fn check_corrupt_column(declared: &[Field], name: &str) -> Result<(), EngineError> {
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
        // What stands behind it are partition columns.
        [Field { data_type: DataType::String, .. }, ..] => Ok(()),
        _ => Err(EngineError::user("text has one column, of type STRING")
            .help("declare (value STRING) and take it apart with split or from_json, or use csv or json")),
    }
}
