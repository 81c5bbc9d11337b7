//! Partition directories, `day=2024-01-01/hour=3/x.json`: their columns, with the types that Spark infers.

use super::listing::Found;
use crate::engine::EngineError;
use crate::engine::eval::parse;
use crate::engine::eval::zone::Zone;
use crate::engine::source::decode::csv::double;
use crate::engine::source::decode::csv_infer;
use crate::engine::source::decode::json_infer::decimal_type;
use crate::types::{DataType, Field};
use std::path::{Component, Path};

/// The directory name's value that stands for NULL.
pub(in crate::engine::source) const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// Column names with values, outermost directory first. Values are as the directories spell them, escapes included.
pub(in crate::engine::source) type Values = Vec<(String, String)>;

/// What the directories of `path` below its first `depth` parts say.
pub(super) fn values(path: &Path, depth: usize) -> Values {
    let Some(dir) = path.parent() else { return Values::new() };
    dir.components().skip(depth).filter_map(directory).collect()
}

/// The column and value of a directory's name.
fn directory(part: Component<'_>) -> Option<(String, String)> {
    let name = part.as_os_str().to_str()?;
    let (column, value) = name.split_once('=')?;
    (!column.is_empty() && !value.is_empty()).then(|| (unescape(column), value.to_string()))
}

/// Whether a directory's name is one of a partition.
pub(super) fn is_partition(dir: &Path) -> bool {
    dir.components().next_back().and_then(directory).is_some()
}

/// `a%2Fb` → `a/b`; what is no escape stays.
pub(in crate::engine::source) fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [a, b, ..]) => char::from(*a).to_digit(16).zip(char::from(*b).to_digit(16)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        match code {
            Some(code) => {
                // One escape stands for one character of 16 bits.
                let mut buffer = [0; 4];
                bytes.extend_from_slice(char::from_u32(code).unwrap_or('?').encode_utf8(&mut buffer).as_bytes());
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// The columns that directories stand for, with the narrowest types that fit all values.
///
/// # Errors
/// Directories that do not agree on the columns.
pub(super) fn columns(files: &[Found], depth: usize) -> Result<Vec<Field>, EngineError> {
    let all: Vec<Values> = files.iter().map(|f| values(&f.path, depth)).collect();
    let Some(first) = all.iter().find(|v| !v.is_empty()) else { return Ok(Vec::new()) };
    let names: Vec<&String> = first.iter().map(|(name, _)| name).collect();
    let same = |values: &Values| values.len() == names.len() && values.iter().zip(&names).all(|((a, _), b)| a.eq_ignore_ascii_case(b));
    if let Some(other) = all.iter().find(|values| !values.is_empty() && !same(values)) {
        let list = |values: &Values| values.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join("/");
        return Err(EngineError::data(
            "CONFLICTING_PARTITION_COLUMN_NAMES",
            format!("some directories have the partition columns {} and others {}", list(first), list(other)),
        )
        .help("every file has to lie in the same partition directories: name=value/name=value/file"));
    }
    for (i, name) in names.iter().enumerate() {
        if names[..i].iter().any(|n| n.eq_ignore_ascii_case(name)) {
            return Err(EngineError::data("COLUMN_ALREADY_EXISTS", format!("the partition column {name} stands twice")));
        }
    }
    let column = |(i, name): (usize, &&String)| {
        let types = all.iter().filter(|values| !values.is_empty()).map(|values| type_of(&values[i].1));
        Field::new((*name).clone(), types.reduce(|a, b| common(&a, &b)).unwrap_or(DataType::String))
    };
    Ok(names.iter().enumerate().map(column).collect())
}

/// The type of one value; VOID for NULL.
fn type_of(value: &str) -> DataType {
    if value == NULL {
        return DataType::Void;
    }
    if value.parse::<i32>().is_ok() {
        return DataType::Int;
    }
    if value.parse::<i64>().is_ok() {
        return DataType::BigInt;
    }
    // A whole number, however it is written.
    if let Some(DataType::Decimal(precision, 0)) = decimal_type(value) {
        return DataType::Decimal(precision, 0);
    }
    if double(value).is_some() {
        return DataType::Double;
    }
    let text = unescape(value);
    if text.len() == 10 && parse::date(&text).is_some() {
        return DataType::Date;
    }
    let clock = text.get(10..).is_some_and(|rest| rest.starts_with(' ') && rest.bytes().all(|b| b.is_ascii_digit() || b" :.".contains(&b)));
    if text.len() >= 19 && clock && parse::timestamp(&text, &Zone::UTC, || 0).is_some() {
        return DataType::Timestamp;
    }
    DataType::String
}

/// The narrowest type for both, as for values of a CSV file; but doubles are too coarse for large whole numbers.
fn common(a: &DataType, b: &DataType) -> DataType {
    use DataType::{BigInt, Decimal, Double};
    match (a, b) {
        (Double, BigInt | Decimal(..)) | (BigInt | Decimal(..), Double) => DataType::String,
        (a, b) => csv_infer::common(a, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_from_the_directories_below_the_place() {
        let values = values(Path::new("/data/x=0/day=2024-01-01/plain/h=a%2Fb/f=1.json"), 3);
        assert_eq!(values, [("day".into(), "2024-01-01".into()), ("h".to_string(), "a%2Fb".to_string())]);
        assert_eq!(unescape("a%2Fb%zz%"), "a/b%zz%");
    }

    #[test]
    fn types_are_the_narrowest() {
        let of = |values: &[&str]| {
            let files: Vec<Found> = values.iter().map(|v| Found { path: format!("d/p={v}/f").into(), modified: 0, bytes: 0 }).collect();
            columns(&files, 1).unwrap()[0].data_type.clone()
        };
        assert_eq!(of(&["1", "2"]), DataType::Int);
        assert_eq!(of(&["1", "9999999999"]), DataType::BigInt);
        assert_eq!(of(&["1", "2.5"]), DataType::Double);
        assert_eq!(of(&["1", NULL]), DataType::Int);
        assert_eq!(of(&[NULL]), DataType::Void);
        assert_eq!(of(&["1e5"]), DataType::Decimal(6, 0));
        assert_eq!(of(&["2024-01-01T00:00:00"]), DataType::String);
        assert_eq!(of(&["2024-01-01", "2024-01-02 03%3A04%3A05"]), DataType::Timestamp);
        assert_eq!(of(&["2024-01-01", "x"]), DataType::String);
        assert_eq!(of(&["99999999999999999999"]), DataType::Decimal(20, 0));
    }
}
