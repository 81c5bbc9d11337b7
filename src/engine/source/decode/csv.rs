//! CSV records → columns, by the rules of Spark's CSV reader.

mod options;

pub(crate) use options::CsvOptions;

use super::builder::{Builder, StructCells};
use super::csv_fields::{CsvCutter, CsvDialect, CsvField, Next, StrayQuote};
use super::json_value::TimePatterns;
use super::lines::{Encoding, LineEnd};
use super::time::TimeReader;
use super::{BadRecords, Mode, Sampling, english, malformed, number, time_patterns};
use crate::engine::EngineError;
use crate::engine::eval::parse;
use crate::engine::source::declared::Declared;
use crate::types::{DataType, Field};
use chrono_tz::Tz;
use polars::prelude::Series;

/// Decodes records one after the other; then gives the columns.
#[derive(Debug)]
pub(crate) struct CsvDecoder {
    options: CsvOptions,
    cutter: CsvCutter,
    cells: StructCells,
    types: Vec<DataType>,
    /// For each field of a record the column that takes it.
    targets: Vec<Option<usize>>,
    /// The names of all fields, for comparing a header with.
    names: Vec<String>,
    /// Fields from here on are not looked at.
    used: usize,
    /// A record must have exactly the declared fields: only told when all of them are in use, as in Spark.
    counted: bool,
    corrupt: Option<usize>,
    times: TimeReader,
    bad: BadRecords,
    /// The line that the next record begins in.
    pub(crate) line: u64,
}

/// A value that is not of its column's type.
fn wrong_value(field: &str, data_type: &DataType) -> String {
    format!("the value of {field} is no {}", data_type.sql())
}

impl CsvDecoder {
    /// For columns of `fields`, out of all `declared`.
    pub(crate) fn new(declared: &[Field], fields: &[Field], options: CsvOptions) -> CsvDecoder {
        let is_corrupt = |f: &Field| f.name == options.corrupt_column && f.data_type == DataType::String;
        let of_data: Vec<&Field> = declared.iter().filter(|f| !is_corrupt(f)).collect();
        let targets: Vec<_> = of_data.iter().map(|d| fields.iter().position(|f| f.name == d.name)).collect();
        let Builder::Struct(cells) = Builder::new(&DataType::Struct(fields.to_vec())) else {
            unreachable!("a struct's builder is one of structs")
        };
        CsvDecoder {
            cutter: options.cutter(),
            cells,
            types: fields.iter().map(|f| f.data_type.clone()).collect(),
            used: targets.iter().rposition(Option::is_some).map_or(0, |at| at + 1),
            counted: targets.iter().all(Option::is_some),
            targets,
            names: of_data.iter().map(|f| f.name.clone()).collect(),
            corrupt: fields.iter().position(is_corrupt),
            times: TimeReader::new(options.zone),
            bad: BadRecords::default(),
            line: 0,
            options,
        }
    }

    /// Makes room for about that many rows.
    pub(crate) fn reserve(&mut self, rows: usize) {
        self.cells.members.iter_mut().for_each(|m| m.reserve(rows));
    }

    /// Decodes lines, one record each; `first`: they are the beginning of their file.
    ///
    /// # Errors
    /// A bad record, in mode FAILFAST; a header that is not the schema's.
    pub(crate) fn push(&mut self, text: &str, first: bool) -> Result<(), EngineError> {
        let end = self.options.line_end.clone();
        let mut header = first && self.options.header;
        end.split(text.as_bytes(), |line| {
            let line = super::json::within(text, line);
            if self.options.skips(line) {
            } else if std::mem::take(&mut header) {
                self.check_header(line)?;
            } else {
                self.push_line(line)?;
            }
            self.line += 1;
            Ok(())
        })
    }

    /// Decodes a whole file whose records may run over several lines.
    pub(crate) fn push_document(&mut self, text: &str) -> Result<(), EngineError> {
        let mut header = self.options.header;
        let options = self.options.clone();
        let mut done = Ok(());
        options.records(text, |record| {
            if done.is_ok() {
                done = if std::mem::take(&mut header) { self.check_header(record) } else { self.push_line(record) };
                self.line += 1 + memchr::memchr_iter(b'\n', record.as_bytes()).count() as u64;
            }
        });
        done
    }

    pub(crate) fn check_header(&mut self, line: &str) -> Result<(), EngineError> {
        if self.options.enforce_schema {
            return Ok(());
        }
        let mut found = Vec::new();
        self.cutter.line::<EngineError>(line, |field| {
            found.push(if let CsvField::Text(text) = field { text.to_string() } else { String::new() });
            Ok(Next::Field)
        })?;
        let same = found.len() == self.names.len() && found.iter().zip(&self.names).all(|(a, b)| a.eq_ignore_ascii_case(b));
        if same {
            return Ok(());
        }
        Err(EngineError::user(format!("the CSV header is {} and not {}", found.join(", "), self.names.join(", ")))
            .help("enforceSchema 'true' reads the columns by their position, whatever the header says"))
    }

    /// Decodes one record.
    pub(crate) fn push_line(&mut self, line: &str) -> Result<(), EngineError> {
        let CsvDecoder { options, cutter, cells, types, targets, used, counted, times, .. } = self;
        let row = cells.len();
        // The first field whose value is not of its column's type.
        let (mut index, mut wrong) = (0, None);
        if *used > 0 || *counted {
            cutter.line(line, |field| {
                if index >= options.max_columns || options.max_chars.is_some_and(|most| field.chars() > most) {
                    return Err(too_large(line).at_row(self.line as usize));
                }
                if field == CsvField::Stray && options.raises_on_stray_quotes() {
                    return Err(stray_quote(line).at_row(self.line as usize));
                }
                if let Some(target) = targets.get(index).copied().flatten()
                    && !cell(options, times, &types[target], &mut cells.members[target], field)
                    && wrong.is_none()
                {
                    wrong = Some(index);
                }
                index += 1;
                Ok(if index >= *used && !*counted { Next::Stop } else { Next::Field })
            })?;
        }
        let miscounted = *counted && index != targets.len() && !targets.is_empty();
        if wrong.is_none() && !miscounted {
            cells.end_row();
            return Ok(());
        }
        self.give_up(line, row, index, wrong)
    }

    /// A bad record of `count` fields, whose row is begun.
    fn give_up(&mut self, line: &str, row: usize, count: usize, wrong: Option<usize>) -> Result<(), EngineError> {
        let reason = || match wrong.and_then(|at| Some((&self.names[at], &self.types[self.targets[at]?]))) {
            Some((name, data_type)) => wrong_value(name, data_type),
            None => format!("{count} fields and not {}", self.targets.len()),
        };
        if self.options.mode == Mode::FailFast {
            return Err(malformed(line, &reason()).at_row(self.line as usize));
        }
        self.bad.add(self.line, line, reason);
        match self.options.mode {
            Mode::Permissive => {
                if let Some(corrupt) = self.corrupt
                    && let Builder::Text(text) = &mut self.cells.members[corrupt]
                {
                    text.push(line);
                }
                self.cells.end_row();
            }
            Mode::DropMalformed | Mode::FailFast => self.cells.truncate(row),
        }
        Ok(())
    }

    /// Adds a row of NULLs.
    pub(crate) fn push_empty(&mut self) {
        self.cells.end_row();
    }

    /// Adds a row that is NULL as a whole.
    pub(crate) fn push_null(&mut self) {
        self.cells.push_null();
    }

    /// The rows as one column of structs.
    pub(crate) fn finish_struct(self) -> Result<Series, EngineError> {
        Builder::Struct(self.cells).finish()
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.cells.len()
    }

    /// The columns, in the order of the fields, and what was bad.
    pub(crate) fn finish(self) -> Result<(Vec<Series>, BadRecords), EngineError> {
        let columns = self.cells.members.into_iter().map(Builder::finish).collect::<Result<_, _>>()?;
        Ok((columns, self.bad))
    }
}

impl CsvField<'_> {
    fn chars(&self) -> usize {
        if let CsvField::Text(text) = self { text.chars().count() } else { 0 }
    }
}

fn stray_quote(line: &str) -> EngineError {
    EngineError::data("FAILED_READ_FILE.NO_HINT", format!("a quote inside a quoted field is not escaped: {}", super::sample(line)))
        .help("unescapedQuoteHandling 'STOP_AT_DELIMITER', the default, takes such a field as it is")
}

fn too_large(line: &str) -> EngineError {
    EngineError::data("MALFORMED_CSV_RECORD", format!("a record has more columns or longer ones than allowed: {}", super::sample(line)))
        .help("see the options maxColumns and maxCharsPerColumn")
}

/// A column of one row: the value of a partition directory, `None` for NULL.
///
/// # Errors
/// A text that is no value of the column's type.
pub(super) fn one_value(field: &Field, text: Option<&str>, zone: Tz) -> Result<Series, EngineError> {
    let options = CsvOptions::new(zone);
    let mut builder = Builder::new(&field.data_type);
    match text {
        None => builder.push_null(),
        Some(text) => value(&options, &mut TimeReader::new(zone), &field.data_type, &mut builder, text).ok_or_else(|| {
            let message = format!("the directory {}={text} gives a column of type {}", field.name, field.data_type.sql());
            EngineError::data("INVALID_PARTITION_VALUE", message).help("declare the column as STRING, or leave it out of the declaration")
        })?,
    }
    builder.finish()
}

/// Adds a field to its column; `false`, and NULL, when it is not of the column's type.
#[inline]
fn cell(options: &CsvOptions, times: &mut TimeReader, data_type: &DataType, builder: &mut Builder, field: CsvField<'_>) -> bool {
    let text = match field {
        CsvField::Missing | CsvField::Stray => {
            builder.push_null();
            return true;
        }
        CsvField::EmptyQuotes => options.empty_value.as_str(),
        CsvField::Text(text) => text,
    };
    if options.is_null(text) {
        builder.push_null();
        return true;
    }
    let done = value(options, times, data_type, builder, text).is_some();
    if !done {
        builder.push_null();
    }
    done
}

fn value(options: &CsvOptions, times: &mut TimeReader, data_type: &DataType, builder: &mut Builder, text: &str) -> Option<()> {
    match (data_type, builder) {
        (_, Builder::Text(cells)) => cells.push(text),
        (DataType::Int, Builder::Int32(cells)) => cells.push(text.parse().ok()?),
        (DataType::BigInt, Builder::Int64(cells)) => cells.push(text.parse().ok()?),
        (DataType::SmallInt, Builder::Int16(cells)) => cells.push(text.parse().ok()?),
        (DataType::TinyInt, Builder::Int8(cells)) => cells.push(text.parse().ok()?),
        (DataType::Double, Builder::Float64(cells)) => cells.push(named_double(options, text)?),
        (DataType::Float, Builder::Float32(cells)) => cells.push(match special(options, text) {
            Some(value) => value as f32,
            None => number::float(java_number(text)?.as_bytes())?,
        }),
        (DataType::Boolean, Builder::Boolean(cells)) => cells.push(match text {
            t if t.eq_ignore_ascii_case("true") => true,
            t if t.eq_ignore_ascii_case("false") => false,
            _ => return None,
        }),
        (DataType::Decimal(p, s), Builder::Int128(cells)) => cells.push(number::decimal(text.replace(',', "").as_bytes(), *p, *s)?),
        (DataType::Timestamp, Builder::Int64(cells)) => cells.push(match &options.patterns.timestamp {
            Some(pattern) => pattern.parse(text)?,
            None => times.timestamp(text)?,
        }),
        (DataType::TimestampNtz, Builder::Int64(cells)) => cells.push(match &options.patterns.timestamp_ntz {
            Some(pattern) => pattern.parse(text)?,
            None => times.timestamp_ntz(text)?,
        }),
        (DataType::Date, Builder::Int32(cells)) => cells.push(match &options.patterns.date {
            Some(pattern) => i32::try_from(pattern.parse(text)?).ok()?,
            None => parse::date(text)?,
        }),
        (DataType::Binary, Builder::Bytes(cells)) => cells.push(text.as_bytes()),
        (DataType::YearMonthInterval(from, to), Builder::Int32(cells)) => cells.push(parse::year_month(text, *from, *to)?),
        (DataType::DayTimeInterval(from, to), Builder::Int64(cells)) => cells.push(parse::day_time(text, *from, *to)?),
        (DataType::CalendarInterval, Builder::Struct(cells)) => {
            let (months, days, micros) = super::time::calendar(text)?;
            if let [Builder::Int32(m), Builder::Int32(d), Builder::Int64(u)] = cells.members.as_mut_slice() {
                m.push(months);
                d.push(days);
                u.push(micros);
            }
            cells.end_row();
        }
        _ => return None,
    }
    Some(())
}

/// A DOUBLE as Java reads it.
pub(crate) fn double(text: &str) -> Option<f64> {
    if let Some(value) = java_special(text) {
        return Some(value);
    }
    number::double(java_number(text)?.as_bytes())
}

/// A DOUBLE, with the names that options give to NaN and the infinities.
pub(super) fn named_double(options: &CsvOptions, text: &str) -> Option<f64> {
    special(options, text).or_else(|| double(text))
}

fn special(options: &CsvOptions, text: &str) -> Option<f64> {
    match text {
        t if t == options.nan_value => Some(f64::NAN),
        t if t == options.positive_inf => Some(f64::INFINITY),
        t if t == options.negative_inf => Some(f64::NEG_INFINITY),
        _ => java_special(text),
    }
}

fn java_special(text: &str) -> Option<f64> {
    match text {
        "NaN" | "+NaN" | "-NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The digits of a number as Java takes them: blanks around and a type's letter behind do not count.
fn java_number(text: &str) -> Option<&str> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    (numeric && text.bytes().any(|b| b.is_ascii_digit())).then_some(text)
}
