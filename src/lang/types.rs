//! Types as DDL writes them, and lists of columns.

use super::ast::{ColumnDef, Ident};
use super::error::SyntaxError;
use super::input::{Expected, In, Parsed, any_name, comma_list, parenthesised, said, sign, word};
use super::keywords::Keyword as K;
use super::literal;
use super::tokens::{Symbol as S, TokenKind};
use crate::diagnostic::Span;
use crate::types::{DataType, DayTimeField, Field, YearMonthField};

/// Names of types that an unknown one may have been meant to be.
pub(super) const NAMES: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "STRING",
    "BINARY",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP_NTZ",
    "ARRAY",
    "MAP",
    "STRUCT",
];

/// `INT`, `DECIMAL(10, 2)`, `ARRAY<…>`, `STRUCT<…>`, `INTERVAL DAY TO SECOND`
///
/// EBNF: `data_type`
pub(super) fn data_type(i: In<'_>) -> Parsed<'_, DataType> {
    let token = i.peek();
    let plain = |data_type| Ok((i.next(), data_type));
    match token.keyword() {
        Some(K::BOOLEAN) => plain(DataType::Boolean),
        Some(K::TINYINT | K::BYTE) => plain(DataType::TinyInt),
        Some(K::SMALLINT | K::SHORT) => plain(DataType::SmallInt),
        Some(K::INT | K::INTEGER) => plain(DataType::Int),
        Some(K::BIGINT | K::LONG) => plain(DataType::BigInt),
        Some(K::FLOAT | K::REAL) => plain(DataType::Float),
        Some(K::DOUBLE) => plain(DataType::Double),
        Some(K::BINARY) => plain(DataType::Binary),
        Some(K::DATE) => plain(DataType::Date),
        Some(K::TIMESTAMP | K::TIMESTAMP_LTZ) => plain(DataType::Timestamp),
        Some(K::TIMESTAMP_NTZ) => plain(DataType::TimestampNtz),
        Some(K::VOID) => plain(DataType::Void),
        Some(K::STRING) => string_type(i.next()),
        Some(K::CHAR | K::CHARACTER | K::VARCHAR) => {
            let (i, _) = parenthesised(whole_number)(i.next())?;
            Ok((i, DataType::String))
        }
        Some(K::DECIMAL | K::DEC | K::NUMERIC) => decimal_type(i),
        Some(K::INTERVAL) => interval_type(i.next()),
        Some(K::ARRAY) => i.deeper(1, |i| {
            let (i, _) = sign(S::Lt)(i.next())?;
            let (i, element) = data_type(i)?;
            let (i, _) = sign(S::Gt)(i)?;
            Ok((i, DataType::array(element)))
        }),
        Some(K::MAP) => i.deeper(1, |i| {
            let (i, _) = sign(S::Lt)(i.next())?;
            let (i, key) = data_type(i)?;
            let (i, _) = sign(S::Comma)(i)?;
            let (i, value) = data_type(i)?;
            let (i, _) = sign(S::Gt)(i)?;
            Ok((i, DataType::map(key, value)))
        }),
        Some(K::STRUCT) => i.deeper(1, struct_type),
        _ => unknown_type(i),
    }
}

fn unknown_type(i: In<'_>) -> Parsed<'_, DataType> {
    const SPARKS: &[&str] = &["VARIANT", "TIME", "OBJECT", "GEOMETRY", "GEOGRAPHY"];
    let token = i.peek();
    if matches!(token.kind, TokenKind::Word(_) | TokenKind::Quoted) {
        let (name, span) = (token.text.to_string(), token.span);
        if SPARKS.contains(&name.to_ascii_uppercase().as_str()) {
            return said(SyntaxError::UnsupportedType { name: name.to_ascii_uppercase(), span });
        }
        return said(SyntaxError::UnknownType { name, span });
    }
    i.missing(Expected::Thing("a type"))
}

/// `STRING COLLATE UTF8_BINARY` is STRING; other collations are refused.
fn string_type(i: In<'_>) -> Parsed<'_, DataType> {
    if !i.is(K::COLLATE) {
        return Ok((i, DataType::String));
    }
    let (rest, collation) = any_name(i.next())?;
    if !collation.name.eq_ignore_ascii_case("UTF8_BINARY") {
        return said(SyntaxError::UnsupportedType { name: format!("STRING COLLATE {}", collation.name), span: collation.span });
    }
    Ok((rest, DataType::String))
}

/// Digits without a sign.
pub(super) fn whole_number(i: In<'_>) -> Parsed<'_, u64> {
    let token = i.peek();
    match token.text.parse::<u64>() {
        Ok(number) if token.kind == TokenKind::Number => Ok((i.next(), number)),
        _ => i.missing(Expected::Thing("a whole number")),
    }
}

fn decimal_type(i: In<'_>) -> Parsed<'_, DataType> {
    let start = i;
    let i = i.next();
    if !i.sign(S::LParen) {
        return Ok((i, DataType::Decimal(10, 0)));
    }
    let (i, precision) = whole_number(i.next())?;
    let (i, comma) = i.eat_sign(S::Comma);
    let (i, scale) = if comma { whole_number(i)? } else { (i, 0) };
    let (i, _) = sign(S::RParen)(i)?;
    let span = i.span_since(start);
    match (u8::try_from(precision), u8::try_from(scale)) {
        _ if precision > 38 => said(SyntaxError::DecimalPrecision { precision, span }),
        (Ok(p), Ok(s)) if s <= p => Ok((i, DataType::Decimal(p, s))),
        _ => said(SyntaxError::DecimalScale { precision, scale, span }),
    }
}

/// What stands behind INTERVAL in a type.
fn interval_type(i: In<'_>) -> Parsed<'_, DataType> {
    let year_month = |k: Option<K>| match k {
        Some(K::YEAR) => Some(YearMonthField::Year),
        Some(K::MONTH) => Some(YearMonthField::Month),
        _ => None,
    };
    let day_time = |k: Option<K>| match k {
        Some(K::DAY) => Some(DayTimeField::Day),
        Some(K::HOUR) => Some(DayTimeField::Hour),
        Some(K::MINUTE) => Some(DayTimeField::Minute),
        Some(K::SECOND) => Some(DayTimeField::Second),
        _ => None,
    };
    let first = i.peek().keyword();
    let ranged = i.is_at(1, K::TO);
    let last = if ranged { i.peek_at(2).keyword() } else { first };
    let rest = i.skip(if ranged { 3 } else { 1 });
    if let (Some(from), Some(to)) = (year_month(first), year_month(last))
        && from <= to
    {
        return Ok((rest, DataType::YearMonthInterval(from, to)));
    }
    match (day_time(first), day_time(last)) {
        (Some(from), Some(to)) if from <= to => Ok((rest, DataType::DayTimeInterval(from, to))),
        _ if ranged => i.skip(2).missing(Expected::Thing("a smaller unit")),
        _ => Ok((i, DataType::CalendarInterval)),
    }
}

fn struct_type(i: In<'_>) -> Parsed<'_, DataType> {
    let i = i.next();
    if i.sign(S::NotEq) {
        return Ok((i.next(), DataType::Struct(Vec::new())));
    }
    let (i, _) = sign(S::Lt)(i)?;
    if i.sign(S::Gt) {
        return Ok((i.next(), DataType::Struct(Vec::new())));
    }
    let (i, fields) = comma_list(column)(i)?;
    let (i, _) = sign(S::Gt)(i)?;
    Ok((i, DataType::Struct(fields.into_iter().map(|f| Field::new(f.name.name, f.data_type)).collect())))
}

/// `name [:] type [NOT NULL] [COMMENT 'text']`
///
/// EBNF: `column`
pub(super) fn column(i: In<'_>) -> Parsed<'_, ColumnDef> {
    let (i, name) = any_name(i)?;
    let (i, _) = i.eat_sign(S::Colon);
    let (mut i, data_type) = data_type(i)?;
    if i.is(K::NOT) {
        (i, _) = word(K::NULL)(i.next())?;
    }
    if i.is(K::COMMENT) {
        (i, _) = literal::string(i.next())?;
    }
    Ok((i, ColumnDef { name, data_type }))
}

/// The fields of a schema text such as `a INT, b STRING`, as `from_json` takes it; a bare struct type gives its fields.
///
/// # Errors
/// Where the text is no list of columns; an unknown type counts as a syntax error there, as in Spark.
pub fn parse_schema_ddl(text: &str) -> Result<Vec<Field>, Box<SyntaxError>> {
    if let Ok(DataType::Struct(fields)) = parse_data_type(text) {
        return Ok(fields);
    }
    let columns = super::whole(text, |i| comma_list(column)(i)).map_err(|error| match *error {
        SyntaxError::UnknownType { name, span } | SyntaxError::UnsupportedType { name, span } => {
            Box::new(SyntaxError::Unexpected { found: name, expected: vec!["a type".into()], hint: None, notes: Vec::new(), span })
        }
        _ => error,
    })?;
    Ok(columns.into_iter().map(|c: ColumnDef| Field::new(c.name.name, c.data_type)).collect())
}

/// The type that `text` spells.
///
/// # Errors
/// Where it spells none.
pub fn parse_data_type(text: &str) -> Result<DataType, Box<SyntaxError>> {
    super::whole(text, data_type)
}

/// A name that stands for no text: for columns made up by the parser.
pub(super) fn made_up(name: &str, span: Span) -> Ident {
    Ident { name: name.to_string(), span }
}
