//! A schema in Spark's JSON, as its writers leave it in the footer of a Parquet file.
//!
//! ```text
//! {"type":"struct","fields":[{"name":"a","type":"interval year to month","nullable":true,"metadata":{}}, …]}
//! ```

use super::json_scan::{Dialect, MAX_NESTING, Scanner, Token, unescape};
use crate::lang::types::parse_data_type;
use crate::types::{DataType, Field};

/// Under this key the footer has it.
pub(super) const KEY: &str = "org.apache.spark.sql.parquet.row.metadata";

/// The columns; `None` for JSON of another kind or types that Spark SQL has and eddy has not.
pub(super) fn columns(json: &str) -> Option<Vec<Field>> {
    let dialect = Dialect::default();
    let mut scan = Scanner::new(json, &dialect);
    scan.space().ok()?;
    match data_type(&mut scan, 0)? {
        DataType::Struct(fields) => Some(fields),
        _ => None,
    }
}

fn data_type(scan: &mut Scanner<'_>, depth: usize) -> Option<DataType> {
    match scan.token().ok()? {
        Token::String(raw) => parse_data_type(unescape(raw, &mut String::new())).ok(),
        Token::Object if depth < MAX_NESTING => {
            let (mut kind, mut inner, mut fields) = (String::new(), Vec::new(), Vec::new());
            members(scan, depth, |name, scan| {
                match name {
                    "type" => kind = text(scan)?,
                    "elementType" | "keyType" | "valueType" => inner.push(data_type(scan, depth + 1)?),
                    "fields" => fields = elements(scan, |scan| field(scan, depth + 1))?,
                    _ => scan.skip(depth + 1).ok()?,
                }
                Some(())
            })?;
            let mut inner = inner.into_iter();
            match kind.as_str() {
                "struct" => Some(DataType::Struct(fields)),
                "array" => Some(DataType::array(inner.next()?)),
                "map" => Some(DataType::map(inner.next()?, inner.next()?)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn field(scan: &mut Scanner<'_>, depth: usize) -> Option<Field> {
    let (mut name, mut of) = (None, None);
    members(scan, depth, |key, scan| {
        match key {
            "name" => name = Some(text(scan)?),
            "type" => of = Some(data_type(scan, depth + 1)?),
            _ => scan.skip(depth + 1).ok()?,
        }
        Some(())
    })?;
    Some(Field::new(name?, of?))
}

fn text(scan: &mut Scanner<'_>) -> Option<String> {
    match scan.token().ok()? {
        Token::String(raw) => Some(unescape(raw, &mut String::new()).to_string()),
        _ => None,
    }
}

/// Calls `take` at the value of each member of the object here.
fn members(scan: &mut Scanner<'_>, depth: usize, mut take: impl FnMut(&str, &mut Scanner<'_>) -> Option<()>) -> Option<()> {
    if depth >= MAX_NESTING || !scan.eat(b'{') {
        return None;
    }
    let mut first = true;
    loop {
        scan.space().ok()?;
        if scan.eat(b'}') {
            return Some(());
        }
        if !std::mem::take(&mut first) {
            scan.comma().ok()?;
        }
        let name = unescape(scan.name().ok()?, &mut String::new()).to_string();
        scan.space().ok()?;
        take(&name, scan)?;
    }
}

/// The elements of the array here.
fn elements<T>(scan: &mut Scanner<'_>, mut read: impl FnMut(&mut Scanner<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    if !scan.eat(b'[') {
        return None;
    }
    loop {
        scan.space().ok()?;
        if scan.eat(b']') {
            return Some(all);
        }
        if !all.is_empty() {
            scan.comma().ok()?;
        }
        all.push(read(scan)?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &str) -> Option<String> {
        let columns = columns(&format!(r#"{{"type":"struct","fields":[{fields}]}}"#))?;
        Some(columns.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn types_are_read_as_spark_writes_them() {
        let plain = |name: &str| format!(r#"{{"name":"x \"y\"","type":"{name}","nullable":true,"metadata":{{"a":[1]}}}}"#);
        for (written, is) in [
            ("byte", "tinyint"),
            ("short", "smallint"),
            ("integer", "int"),
            ("long", "bigint"),
            ("decimal(10,2)", "decimal(10,2)"),
            ("interval year to month", "interval year to month"),
            ("interval hour", "interval hour"),
            ("timestamp_ntz", "timestamp_ntz"),
        ] {
            assert_eq!(read(&plain(written)).as_deref(), Some(format!("x \"y\" {is}").as_str()), "{written}");
        }
        let nested = r#"{"name":"a","type":{"type":"array","elementType":{"type":"struct","fields":[{"name":"m","type":
            {"type":"map","keyType":"string","valueType":"interval day to second","valueContainsNull":true},"nullable":true,"metadata":{}},
            {"name":"n","type":"long","nullable":false,"metadata":{}}]},"containsNull":true},"nullable":true,"metadata":{}}"#;
        assert_eq!(read(nested).as_deref(), Some("a array<struct<m:map<string,interval day to second>,n:bigint>>"));
        assert_eq!(read("").as_deref(), Some(""));
        for bad in [r#"{"name":"a"}"#, r#"{"name":"a","type":"no type"}"#, r#"{"name":"a","type":{"type":"udt"}}"#, "7", "{"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(columns(&"{\"type\":".repeat(5000)), None);
    }
}
