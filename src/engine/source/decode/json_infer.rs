//! The schema of JSON data, by Spark's rules: members sorted by name, types widened until all values fit.

use super::Mode;
use super::json::JsonOptions;
use super::json_scan::{Fault, MAX_NESTING, Scanner, Token, unescape};
use super::time::TimeReader;
use crate::engine::EngineError;
use crate::types::{DataType, Field};
use std::collections::BTreeMap;

/// What has been seen of a value's type. VOID: only nulls so far.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Plain(DataType),
    Array(Box<Seen>),
    Struct(BTreeMap<String, Seen>),
}

const VOID: Seen = Seen::Plain(DataType::Void);
const TEXT: Seen = Seen::Plain(DataType::String);

/// Collects the schema of records.
#[derive(Debug)]
pub(crate) struct JsonSchema {
    options: JsonOptions,
    fields: BTreeMap<String, Seen>,
    corrupt: bool,
}

impl JsonSchema {
    pub(crate) fn new(options: JsonOptions) -> JsonSchema {
        JsonSchema { options, fields: BTreeMap::new(), corrupt: false }
    }

    /// Whether a record is one JSON object.
    pub(crate) fn is_object(record: &str, options: &JsonOptions) -> bool {
        matches!(infer(record, options), Ok(Seen::Struct(_)))
    }

    /// Takes a record's fields in.
    ///
    /// # Errors
    /// A record that is no JSON, in mode FAILFAST.
    pub(crate) fn add(&mut self, record: &str) -> Result<(), EngineError> {
        if record.bytes().all(|b| b.is_ascii_whitespace()) {
            return Ok(());
        }
        let mut roots = vec![infer(record, &self.options)];
        let mut bad = false;
        while let Some(root) = roots.pop() {
            match root {
                Ok(Seen::Struct(fields)) => merge_fields(&mut self.fields, fields),
                Ok(Seen::Array(element)) => roots.push(Ok(*element)),
                Ok(Seen::Plain(DataType::Void)) => {}
                _ => bad = true,
            }
        }
        match self.options.mode {
            _ if !bad => Ok(()),
            Mode::Permissive => {
                self.corrupt = true;
                Ok(())
            }
            Mode::DropMalformed => Ok(()),
            Mode::FailFast => Err(super::malformed(record, "no JSON object")),
        }
    }

    /// The columns in the order of their names.
    ///
    /// # Errors
    /// Names that differ only in case.
    pub(crate) fn finish(self) -> Result<Vec<Field>, EngineError> {
        let mut fields = self.fields;
        if self.corrupt {
            fields.entry(self.options.corrupt_column.clone()).or_insert(TEXT);
        }
        let columns = finished_fields(fields, self.options.infer.drop_all_null);
        for (i, field) in columns.iter().enumerate() {
            if columns[..i].iter().any(|f| f.name.to_lowercase() == field.name.to_lowercase()) {
                return Err(EngineError::data(
                    "COLUMN_ALREADY_EXISTS",
                    format!("the data has the column {} twice, in different case", field.name),
                )
                .help("declare the columns: names in JSON are case-sensitive"));
            }
        }
        Ok(columns)
    }
}

/// The type of one value, for `schema_of_json`.
///
/// # Errors
/// A text that is no JSON.
pub(crate) fn schema_of(text: &str, options: &JsonOptions) -> Result<DataType, EngineError> {
    if text.bytes().all(|b| b.is_ascii_whitespace()) {
        return Ok(DataType::String);
    }
    let seen = infer(text, options).map_err(|_| super::malformed(text, "no JSON"))?;
    Ok(match finished(seen.clone(), false) {
        Some(data_type) => data_type,
        None if matches!(seen, Seen::Struct(_)) => DataType::Struct(Vec::new()),
        None => DataType::String,
    })
}

fn infer(text: &str, options: &JsonOptions) -> Result<Seen, Fault> {
    let mut scan = Scanner::new(text, &options.dialect);
    let mut reader = Inference { options, times: TimeReader::new(options.zone), scratch: String::new() };
    scan.mark_and_space()?;
    reader.value(&mut scan, 0)
}

struct Inference<'a> {
    options: &'a JsonOptions,
    times: TimeReader,
    scratch: String,
}

impl Inference<'_> {
    fn value(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Result<Seen, Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::Syntax);
        }
        let infer = self.options.infer;
        Ok(match scan.token()? {
            Token::Null => VOID,
            Token::String(raw) if raw.text.is_empty() => VOID,
            Token::String(raw) => {
                let text = unescape(raw, &mut self.scratch);
                match decimal_type(text) {
                    Some(decimal) if infer.prefers_decimal => Seen::Plain(decimal),
                    _ if infer.timestamps && self.is_timestamp(raw.text) => Seen::Plain(DataType::Timestamp),
                    _ => TEXT,
                }
            }
            Token::True | Token::False | Token::Int(_) | Token::Float(_) | Token::Special(_) if infer.primitives_as_string => {
                // The token was consumed already.
                TEXT
            }
            Token::True | Token::False => Seen::Plain(DataType::Boolean),
            Token::Int(text) if text.parse::<i64>().is_ok() => Seen::Plain(DataType::BigInt),
            Token::Int(text) => Seen::Plain(decimal_type(text).unwrap_or(DataType::Double)),
            Token::Float(text) if infer.prefers_decimal => Seen::Plain(decimal_type(text).unwrap_or(DataType::Double)),
            Token::Float(_) | Token::Special(_) => Seen::Plain(DataType::Double),
            Token::Array => self.elements(scan, depth)?,
            Token::Object => self.members(scan, depth)?,
        })
    }

    fn is_timestamp(&mut self, text: &str) -> bool {
        match &self.options.patterns.timestamp {
            Some(pattern) => pattern.parse(text).is_some(),
            None => self.times.timestamp(text).is_some(),
        }
    }

    fn elements(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Result<Seen, Fault> {
        scan.pos += 1;
        scan.space()?;
        let mut element = VOID;
        if !scan.eat(b']') {
            loop {
                let next = self.value(scan, depth + 1)?;
                element = merged(element, next);
                scan.space()?;
                if scan.eat(b']') {
                    break;
                }
                scan.comma()?;
            }
        }
        Ok(Seen::Array(Box::new(element)))
    }

    fn members(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Result<Seen, Fault> {
        scan.pos += 1;
        scan.space()?;
        let mut fields = BTreeMap::new();
        if !scan.eat(b'}') {
            loop {
                let raw = scan.name()?;
                let name = unescape(raw, &mut self.scratch).to_string();
                scan.space()?;
                let value = self.value(scan, depth + 1)?;
                merge_field(&mut fields, name, value);
                scan.space()?;
                if scan.eat(b'}') {
                    break;
                }
                scan.comma()?;
            }
        }
        Ok(Seen::Struct(fields))
    }
}

fn merge_fields(into: &mut BTreeMap<String, Seen>, fields: BTreeMap<String, Seen>) {
    fields.into_iter().for_each(|(name, seen)| merge_field(into, name, seen));
}

fn merge_field(into: &mut BTreeMap<String, Seen>, name: String, seen: Seen) {
    let before = into.remove(&name).unwrap_or(VOID);
    into.insert(name, merged(before, seen));
}

fn merged(a: Seen, b: Seen) -> Seen {
    match (a, b) {
        (a, b) if a == b => a,
        (VOID, other) | (other, VOID) => other,
        (Seen::Struct(mut a), Seen::Struct(b)) => {
            merge_fields(&mut a, b);
            Seen::Struct(a)
        }
        (Seen::Array(a), Seen::Array(b)) => Seen::Array(Box::new(merged(*a, *b))),
        (Seen::Plain(a), Seen::Plain(b)) => Seen::Plain(wider(&a, &b)),
        _ => TEXT,
    }
}

/// The narrowest number type for both, else STRING.
pub(crate) fn wider(a: &DataType, b: &DataType) -> DataType {
    use DataType::{BigInt, Decimal, Double};
    match (a, b) {
        (BigInt, Double) | (Double, BigInt | Decimal(..)) | (Decimal(..), Double) => Double,
        (BigInt, Decimal(p, s)) | (Decimal(p, s), BigInt) => wider(&Decimal(20, 0), &Decimal(*p, *s)),
        (Decimal(p, s), Decimal(q, t)) => {
            let scale = *s.max(t);
            let digits = (p - s).max(q - t);
            if digits + scale > 38 { Double } else { Decimal(digits + scale, scale) }
        }
        _ => DataType::String,
    }
}

/// The DECIMAL that holds exactly the number that a text spells; `None` when there is none.
pub(crate) fn decimal_type(text: &str) -> Option<DataType> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (body, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0').len().max(1) as i32;
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    // A negative scale means zeros in front of the point.
    let (precision, scale) = if scale < 0 { (significant - scale, 0) } else { (significant.max(scale), scale) };
    (precision <= 38).then_some(DataType::Decimal(precision as u8, scale as u8))
}

fn finished_fields(fields: BTreeMap<String, Seen>, drop_all_null: bool) -> Vec<Field> {
    let done = |(name, seen)| finished(seen, drop_all_null).map(|t| Field::new(name, t));
    fields.into_iter().filter_map(done).collect()
}

/// The type; nulls only are STRING, or nothing with `dropFieldIfAllNull`; a struct without members is nothing.
fn finished(seen: Seen, drop_all_null: bool) -> Option<DataType> {
    match seen {
        VOID => (!drop_all_null).then_some(DataType::String),
        Seen::Plain(data_type) => Some(data_type),
        Seen::Array(element) => finished(*element, drop_all_null).map(DataType::array),
        Seen::Struct(fields) => {
            let fields = finished_fields(fields, drop_all_null);
            (!fields.is_empty()).then_some(DataType::Struct(fields))
        }
    }
}
