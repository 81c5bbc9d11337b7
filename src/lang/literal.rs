//! Literals: what numbers, strings, dates and binary texts are worth, and of which type.

use super::error::SyntaxError;
use super::input::{Expected, In, Parsed};
use super::tokens::TokenKind;
use crate::diagnostic::Span;
use crate::types::{DataType, Value};

pub use super::interval::{IntervalError, IntervalParts, interval_parts, parse_interval_text};

/// Digits that a DECIMAL holds at most.
const MAX_PRECISION: u32 = 38;

/// The value of a number as written, with the sign in front of it.
pub(super) fn number(text: &str, negative: bool, span: Span) -> Result<(Value, DataType), Box<SyntaxError>> {
    let upper = text.to_ascii_uppercase();
    let sign = |n: i128| if negative { -n } else { n };
    if let Some(digits) = upper.strip_suffix("BD") {
        return decimal(digits, negative, span);
    }
    let plain = upper.bytes().all(|b| b.is_ascii_digit());
    if plain {
        return match upper.parse::<i128>().ok().map(sign) {
            Some(n) if i32::try_from(n).is_ok() => Ok((Value::Int(n as i64), DataType::Int)),
            Some(n) if i64::try_from(n).is_ok() => Ok((Value::Int(n as i64), DataType::BigInt)),
            _ => decimal(&upper, negative, span),
        };
    }
    let body = &upper[..upper.len() - 1];
    let whole = |kind: &'static str, low: i64, high: i64, names: (&'static str, &'static str), data_type: DataType| match body
        .parse::<i128>()
        .map(sign)
    {
        Ok(n) if (i128::from(low)..=i128::from(high)).contains(&n) => Ok((Value::Int(n as i64), data_type)),
        _ => Err(Box::new(SyntaxError::NumberOutOfRange {
            text: format!("{}{body}", if negative { "-" } else { "" }),
            kind,
            low: names.0,
            high: names.1,
            span,
        })),
    };
    match upper.as_bytes()[upper.len() - 1] {
        b'L' => whole("BIGINT", i64::MIN, i64::MAX, ("-9223372036854775808", "9223372036854775807"), DataType::BigInt),
        b'S' => whole("SMALLINT", i64::from(i16::MIN), i64::from(i16::MAX), ("-32768", "32767"), DataType::SmallInt),
        b'Y' => whole("TINYINT", i64::from(i8::MIN), i64::from(i8::MAX), ("-128", "127"), DataType::TinyInt),
        b'D' => double(body, negative, span),
        b'F' => float(body, negative, span),
        _ if upper.contains('E') => double(&upper, negative, span),
        _ => decimal(&upper, negative, span),
    }
}

fn double(digits: &str, negative: bool, span: Span) -> Result<(Value, DataType), Box<SyntaxError>> {
    match digits.parse::<f64>() {
        Ok(x) if x.is_finite() => Ok((Value::Double(if negative { -x } else { x }), DataType::Double)),
        _ => Err(Box::new(SyntaxError::NumberOutOfRange {
            text: digits.to_string(),
            kind: "DOUBLE",
            low: "-1.7976931348623157E308",
            high: "1.7976931348623157E308",
            span,
        })),
    }
}

fn float(digits: &str, negative: bool, span: Span) -> Result<(Value, DataType), Box<SyntaxError>> {
    match (digits.parse::<f32>(), digits.parse::<f64>()) {
        // Spark compares the text as a decimal with the largest float, so what rounds up to it is refused.
        (Ok(x), Ok(exact)) if x.is_finite() && exact <= f64::from(f32::MAX) => {
            Ok((Value::Float(if negative { -x } else { x }), DataType::Float))
        }
        _ => Err(Box::new(SyntaxError::NumberOutOfRange {
            text: digits.to_string(),
            kind: "FLOAT",
            low: "-3.4028234663852886E38",
            high: "3.4028234663852886E38",
            span,
        })),
    }
}

/// `1.50` is 150 of DECIMAL(3, 2).
fn decimal(digits: &str, negative: bool, span: Span) -> Result<(Value, DataType), Box<SyntaxError>> {
    let (mantissa, exponent) = digits.split_once('E').unwrap_or((digits, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i64 = exponent.parse().unwrap_or(i64::from(i32::MAX));
    let significant = format!("{whole}{fraction}");
    let significant = significant.trim_start_matches('0');
    let mut length = significant.len() as i64;
    let mut scale = fraction.len() as i64 - exponent;
    let mut padding = 0;
    if scale < 0 {
        padding = if length == 0 { 0 } else { -scale };
        length += padding;
        scale = 0;
    }
    let precision = length.max(scale).max(1);
    if precision > i64::from(MAX_PRECISION) {
        return Err(Box::new(SyntaxError::DecimalPrecision { precision: precision.unsigned_abs(), span }));
    }
    let mut unscaled: i128 = if significant.is_empty() { 0 } else { significant.parse().unwrap_or(0) };
    unscaled *= 10i128.pow(u32::try_from(padding).unwrap_or(0));
    Ok((Value::Decimal(if negative { -unscaled } else { unscaled }), DataType::Decimal(precision as u8, scale as u8)))
}

/// One or more string tokens side by side: they are one string.
pub(super) fn string(i: In<'_>) -> Parsed<'_, String> {
    if i.peek().kind != TokenKind::Text {
        return i.missing(Expected::Thing("a string"));
    }
    let mut text = unescape(i.peek().text);
    let mut rest = i.next();
    while rest.peek().kind == TokenKind::Text {
        text.push_str(&unescape(rest.peek().text));
        rest = rest.next();
    }
    Ok((rest, text))
}

/// What a string token stands for, by Spark's escapes.
pub(super) fn unescape(token: &str) -> String {
    if token.starts_with(['r', 'R']) {
        return token[2..token.len() - 1].to_string();
    }
    let quote = token.chars().next().unwrap_or('\'');
    let inner = &token[1..token.len() - 1];
    if !inner.contains(['\\', quote]) {
        return inner.to_string();
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == quote {
            // Doubled, as the lexer has seen to.
            out.push(quote);
            rest = rest.strip_prefix(quote).unwrap_or(rest);
        } else if c == '\\' {
            rest = escape(rest, &mut out);
        } else {
            out.push(c);
        }
    }
    out
}

/// Writes what stands behind a backslash; gives the text behind it.
fn escape<'a>(rest: &'a str, out: &mut String) -> &'a str {
    let bytes = rest.as_bytes();
    let coded = |from: usize, length: usize, radix: u32| {
        let digits = rest.get(from..from + length).filter(|d| d.chars().all(|c| c.is_digit(radix)))?;
        char::from_u32(u32::from_str_radix(digits, radix).ok()?)
    };
    let long = match bytes.first() {
        Some(b'u') => coded(1, 4, 16).map(|c| (c, 5)),
        Some(b'U') => coded(1, 8, 16).map(|c| (c, 9)),
        Some(b'0' | b'1') => coded(0, 3, 8).map(|c| (c, 3)),
        _ => None,
    };
    if let Some((c, length)) = long {
        out.push(c);
        return &rest[length..];
    }
    let Some(c) = rest.chars().next() else { return rest };
    match c {
        '0' => out.push('\0'),
        'b' => out.push('\u{8}'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        'Z' => out.push('\u{1a}'),
        // LIKE needs to see these escaped.
        '%' | '_' => out.extend(['\\', c]),
        _ => out.push(c),
    }
    &rest[c.len_utf8()..]
}

/// The bytes of `X'6869'`.
pub(super) fn binary(text: &str, span: Span) -> Result<Value, Box<SyntaxError>> {
    let invalid = || Box::new(SyntaxError::InvalidTypedLiteral { kind: "X", text: text.to_string(), span });
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(invalid());
    }
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_string() };
    (0..padded.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&padded[at..at + 2], 16).map_err(|_| invalid()))
        .collect::<Result<_, _>>()
        .map(Value::Binary)
}

/// Days since the epoch of `2024-02-29`, `2024-2`, `2024`, or of any of them before a `T` or a space.
pub fn parse_date_text(text: &str) -> Option<i32> {
    let text = text.trim();
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = body.find(['T', ' ']).unwrap_or(body.len());
    let pieces: Vec<&str> = body[..end].split('-').collect();
    if end < body.len() && pieces.len() != 3 || pieces.len() > 3 {
        return None;
    }
    let number = |s: &str, least: usize, most: usize| {
        (s.len() >= least && s.len() <= most && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<i32>().ok()).flatten()
    };
    let year = number(pieces[0], 4, 7)?;
    let month = pieces.get(1).map_or(Some(1), |s| number(s, 1, 2))?;
    let day = pieces.get(2).map_or(Some(1), |s| number(s, 1, 2))?;
    days_of(if negative { -year } else { year }, month, day)
}

/// Days since the epoch of a day of the proleptic Gregorian calendar.
fn days_of(year: i32, month: i32, day: i32) -> Option<i32> {
    use chrono::Datelike;
    let date = chrono::NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    date.map(|date| date.num_days_from_ce() - 719_163)
}

/// A timestamp's text taken apart, its zone still a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampText {
    /// The wall-clock time in microseconds since 1970-01-01T00:00; `None` where only a time of day stands.
    pub local_micros: i64,
    /// `Z`, `+02:00`, `Europe/Berlin`, if any stands there.
    pub zone: Option<String>,
}

/// Reads `2024-02-29 01:02:03.4Z` and the shorter forms that Spark takes; `None` where it is no timestamp.
pub fn parse_timestamp_text(text: &str) -> Option<TimestampText> {
    let text = text.trim();
    let signed = usize::from(text.starts_with(['-', '+']));
    let date_end = text[signed..].find(['T', ' ']).map_or(text.len(), |at| at + signed);
    let (date, clock) = (&text[..date_end], text.get(date_end + 1..));
    let days = parse_date_text(date)?;
    let midnight = i64::from(days).checked_mul(86_400_000_000)?;
    let Some(clock) = clock else { return Some(TimestampText { local_micros: midnight, zone: None }) };
    let zone_at = clock.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(clock.len());
    let (clock, zone) = (&clock[..zone_at], clock[zone_at..].trim());
    let micros = clock_micros(clock)?;
    let zone = if zone.is_empty() { None } else { Some(valid_zone(zone)?.to_string()) };
    Some(TimestampText { local_micros: midnight.checked_add(micros)?, zone })
}

/// `1:02`, `01:02:03.123456`, or hours alone.
fn clock_micros(clock: &str) -> Option<i64> {
    let (whole, fraction) = clock.split_once('.').map_or((clock, None), |(w, f)| (w, Some(f)));
    let pieces: Vec<&str> = whole.split(':').collect();
    if pieces.len() > 3 || (fraction.is_some() && pieces.len() != 3) {
        return None;
    }
    let mut micros = 0;
    for (at, piece) in pieces.iter().enumerate() {
        if piece.is_empty() || piece.len() > 2 {
            return None;
        }
        let value: i64 = piece.parse().ok()?;
        if value > [23, 59, 59][at] {
            return None;
        }
        micros += value * [3_600_000_000, 60_000_000, 1_000_000][at];
    }
    if let Some(fraction) = fraction {
        let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
        micros += digits.parse::<i64>().ok()?;
    }
    Some(micros)
}

/// A zone that names an offset or a region.
fn valid_zone(zone: &str) -> Option<&str> {
    let offset = |text: &str| {
        let digits: Vec<&str> = text.split(':').collect();
        digits.len() <= 3 && digits.iter().all(|d| matches!(d.len(), 1 | 2) && d.bytes().all(|b| b.is_ascii_digit()))
    };
    let named = |text: &str| text.parse::<chrono_tz::Tz>().is_ok();
    let bare = zone.strip_prefix("UTC").or_else(|| zone.strip_prefix("GMT")).or_else(|| zone.strip_prefix("UT")).unwrap_or(zone);
    let good = zone == "Z" || bare.is_empty() || bare.strip_prefix(['+', '-']).is_some_and(offset) || named(zone);
    good.then_some(zone)
}

/// The microseconds since midnight of `10:30`, `6:30:45.887`; `None` of anything else.
pub fn parse_time_text(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':').map(|p| if (1..=2).contains(&p.len()) { p.parse::<u8>().ok() } else { None });
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let digits = fraction.len() <= 6 && fraction.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !digits {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(((i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second)) * 1_000_000 + micros)
}

/// The value of `kind'text'`, where `kind` is DATE, TIMESTAMP_NTZ or X.
pub(super) fn typed(kind: &'static str, text: &str, span: Span) -> Result<(Value, DataType), Box<SyntaxError>> {
    let invalid = || Box::new(SyntaxError::InvalidTypedLiteral { kind, text: text.to_string(), span });
    match kind {
        "DATE" => parse_date_text(text).map(|days| (Value::Date(days), DataType::Date)).ok_or_else(invalid),
        "X" => binary(text, span).map(|value| (value, DataType::Binary)),
        _ => match parse_timestamp_text(text) {
            Some(TimestampText { local_micros, zone: None }) => Ok((Value::Timestamp(local_micros), DataType::TimestampNtz)),
            _ => Err(invalid()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> (Value, DataType) {
        number(text, false, Span::default()).expect("a number")
    }

    #[test]
    fn numbers_have_sparks_types() {
        assert_eq!(value("1"), (Value::Int(1), DataType::Int));
        assert_eq!(value("5000000000"), (Value::Int(5_000_000_000), DataType::BigInt));
        assert_eq!(value("9223372036854775808"), (Value::Decimal(9_223_372_036_854_775_808), DataType::Decimal(19, 0)));
        assert_eq!(value("1.50"), (Value::Decimal(150), DataType::Decimal(3, 2)));
        assert_eq!(value(".05"), (Value::Decimal(5), DataType::Decimal(2, 2)));
        assert_eq!(value("5."), (Value::Decimal(5), DataType::Decimal(1, 0)));
        assert_eq!(value("1e3"), (Value::Double(1000.0), DataType::Double));
        assert_eq!(value("1e3BD"), (Value::Decimal(1000), DataType::Decimal(4, 0)));
        assert_eq!(value("0.0"), (Value::Decimal(0), DataType::Decimal(1, 1)));
        assert_eq!(number("2147483648", true, Span::default()), Ok((Value::Int(-2_147_483_648), DataType::Int)));
        assert_eq!(number("128Y", true, Span::default()), Ok((Value::Int(-128), DataType::TinyInt)));
        assert!(number("128Y", false, Span::default()).is_err());
        assert!(number("3.4028235E38F", false, Span::default()).is_err());
        assert!(number(&"9".repeat(39), false, Span::default()).is_err());
    }

    #[test]
    fn strings_by_sparks_escapes() {
        assert_eq!(unescape(r"'it''s'"), "it's");
        assert_eq!(unescape(r"'a\tb\'c\\d\%e\_f\q'"), "a\tb'c\\d\\%e\\_fq");
        assert_eq!(unescape(r"'\101\u0042\U0001F600\0'"), "AB😀\0");
        assert_eq!(unescape(r"r'a\n'"), r"a\n");
        assert_eq!(unescape(r#""say ""hi""""#), r#"say "hi""#);
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(parse_date_text("1970-01-02"), Some(1));
        assert_eq!(parse_date_text("2024-2-9"), parse_date_text("2024-02-09"));
        assert_eq!(parse_date_text("2024"), parse_date_text("2024-01-01"));
        assert_eq!(parse_date_text("2024-13-01"), None);
        assert_eq!(parse_timestamp_text("1970-01-01 00:00:01.5"), Some(TimestampText { local_micros: 1_500_000, zone: None }));
        assert_eq!(parse_timestamp_text("1970-01-01T00:00:01Z").and_then(|t| t.zone), Some("Z".into()));
        assert!(parse_timestamp_text("1970-01-01 00:00:00 Europe/Berlin").is_some());
        assert!(parse_timestamp_text("1970-01-01 00:00:00 Nowhere").is_none());
        assert!(parse_timestamp_text("1970-01-01 25:00:00").is_none());
    }
}
