//! The schema of CSV data: names from the header, types by `inferSchema`.

use super::csv::{CsvOptions, named_double};
use super::csv_fields::{CsvField, Next};
use super::json_infer::wider;
use super::time::TimeReader;
use crate::engine::eval::parse;
use crate::types::{DataType, Field};
use std::convert::Infallible;

/// Collects the schema of lines.
pub(crate) struct CsvSchema {
    options: CsvOptions,
    times: TimeReader,
    names: Vec<String>,
    types: Vec<DataType>,
}

impl CsvSchema {
    /// Of a file that begins with `first`: its header, or its first record.
    pub(crate) fn new(options: CsvOptions, first: &str) -> CsvSchema {
        let fields = fields_of(&options, first);
        let names = names_of(&options, &fields);
        CsvSchema { times: TimeReader::new(options.zone), types: vec![DataType::Void; names.len()], names, options }
    }

    /// Takes a record's values in.
    pub(crate) fn add(&mut self, line: &str) {
        for (i, field) in fields_of(&self.options, line).into_iter().enumerate().take(self.types.len()) {
            if let Some(text) = field.filter(|text| !self.options.is_null(text)) {
                let found = self.type_of(&text);
                self.types[i] = common(&self.types[i], &found);
            }
        }
    }

    /// The columns; STRING where only NULLs were seen or no types are inferred.
    pub(crate) fn finish(self) -> Vec<Field> {
        let known = |t: DataType| if t == DataType::Void { DataType::String } else { t };
        self.names.into_iter().zip(self.types).map(|(name, t)| Field::new(name, known(t))).collect()
    }

    fn type_of(&mut self, text: &str) -> DataType {
        let options = &self.options;
        if text.parse::<i32>().is_ok() {
            DataType::Int
        } else if text.parse::<i64>().is_ok() {
            DataType::BigInt
        } else if let Some(precision) = whole_digits(text) {
            DataType::Decimal(precision, 0)
        } else if named_double(options, text).is_some() {
            DataType::Double
        } else if options.prefer_date
            && (text.len() == 10 && options.patterns.date.is_none() && parse::date(text).is_some()
                || options.patterns.date.as_ref().is_some_and(|p| p.parse(text).is_some()))
        {
            DataType::Date
        } else if match &options.patterns.timestamp {
            Some(pattern) => pattern.parse(text).is_some(),
            None => self.times.timestamp(text).is_some(),
        } {
            DataType::Timestamp
        } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            DataType::Boolean
        } else {
            DataType::String
        }
    }
}

/// The type of one line as a struct, for `schema_of_csv`.
pub(crate) fn schema_of_line(line: &str, options: &CsvOptions) -> DataType {
    let mut options = options.clone();
    options.header = false;
    let mut schema = CsvSchema::new(options, line);
    schema.add(line);
    DataType::Struct(schema.finish())
}

fn whole_digits(text: &str) -> Option<u8> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = digits.strip_suffix('.').unwrap_or(digits);
    let significant = digits.trim_start_matches('0').len();
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && significant <= 38).then_some(significant.max(1) as u8)
}

/// The narrowest type that holds values of both.
pub(crate) fn common(a: &DataType, b: &DataType) -> DataType {
    use DataType::{BigInt, Date, Decimal, Double, Int, Timestamp, Void};
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (Void, other) | (other, Void) => other.clone(),
        (Int, BigInt) | (BigInt, Int) => BigInt,
        (Int, Double) | (Double, Int) => Double,
        (Int, Decimal(p, s)) | (Decimal(p, s), Int) => wider(&Decimal(10, 0), &Decimal(*p, *s)),
        (Date, Timestamp) | (Timestamp, Date) => Timestamp,
        (a, b) => wider(a, b),
    }
}

fn fields_of(options: &CsvOptions, line: &str) -> Vec<Option<String>> {
    let mut fields = Vec::new();
    let done: Result<(), Infallible> = options.cutter().line(line, |field| {
        fields.push(match field {
            CsvField::Text(text) => Some(text.to_string()),
            CsvField::Missing | CsvField::EmptyQuotes | CsvField::Stray => None,
        });
        Ok(Next::Field)
    });
    match done {
        Ok(()) => fields,
    }
}

/// The columns' names: `_c0`, … without a header; repeated ones have their position behind them.
fn names_of(options: &CsvOptions, first: &[Option<String>]) -> Vec<String> {
    let name = |(i, field): (usize, &Option<String>)| match field {
        Some(name) if options.header && !options.is_null(name) => {
            let twice = first.iter().flatten().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1;
            if twice { format!("{name}{i}") } else { name.clone() }
        }
        _ => format!("_c{i}"),
    };
    first.iter().enumerate().map(name).collect()
}
