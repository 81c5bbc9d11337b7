//! Numbers as texts by a format such as `$9,999.99S`: `to_char` and `to_number`.

use super::access::{Cells, map_rows};
use super::cast::cast;
use super::datetime_pattern::DatetimePattern;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use base64::Engine as _;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "to_char", fallible: true, kernel: to_char },
    KernelEntry { name: "to_number", fallible: true, kernel: |c| to_number(c, false) },
    KernelEntry { name: "try_to_number", fallible: false, kernel: |c| to_number(c, true) },
];

/// One character of a format.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    /// `0` (true) or `9`.
    Digit(bool),
    Group,
    Point,
    Dollar,
    /// `S`.
    Sign,
    /// `MI`.
    Minus,
    /// `PR`.
    Brackets,
}

fn parse(format: &str) -> Result<Vec<Part>> {
    let invalid = || EngineError::data("INVALID_FORMAT.UNEXPECTED_TOKEN", format!("'{format}' is not a number format"));
    let upper = format.to_ascii_uppercase();
    let mut rest = upper.as_str();
    let mut parts = Vec::new();
    while let Some(c) = rest.chars().next() {
        let (part, length) = match c {
            '0' => (Part::Digit(true), 1),
            '9' => (Part::Digit(false), 1),
            ',' | 'G' => (Part::Group, 1),
            '.' | 'D' => (Part::Point, 1),
            '$' => (Part::Dollar, 1),
            'S' => (Part::Sign, 1),
            _ if rest.starts_with("MI") => (Part::Minus, 2),
            _ if rest.starts_with("PR") => (Part::Brackets, 2),
            _ => return Err(invalid()),
        };
        parts.push(part);
        rest = &rest[length..];
    }
    let count = |wanted: Part| parts.iter().filter(|p| **p == wanted).count();
    let digits = parts.iter().filter(|p| matches!(p, Part::Digit(_))).count();
    if digits == 0
        || count(Part::Point) > 1
        || count(Part::Dollar) > 1
        || count(Part::Sign) + count(Part::Minus) + count(Part::Brackets) > 1
    {
        return Err(invalid());
    }
    Ok(parts)
}

/// Digits before and after the point.
fn digit_counts(parts: &[Part]) -> (usize, usize) {
    let point = parts.iter().position(|p| *p == Part::Point).unwrap_or(parts.len());
    let count = |parts: &[Part]| parts.iter().filter(|p| matches!(p, Part::Digit(_))).count();
    (count(&parts[..point]), count(&parts[point..]))
}

/// A decimal by a format; `#` stands for digits that do not fit.
fn written(parts: &[Part], unscaled: i128, scale: usize) -> String {
    let negative = unscaled < 0;
    let (before, after) = digit_counts(parts);
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let fits = whole.len() <= before && fraction.len() <= after;
    let mut whole = format!("{whole:>before$}").into_bytes().into_iter();
    let mut fraction = format!("{fraction:0<after$}").into_bytes().into_iter();
    let mut out = String::new();
    // A sign waits for the first digit, so that it stands beside it.
    let mut waiting: Option<char> = parts.contains(&Part::Brackets).then_some(if negative { '<' } else { ' ' }).filter(|c| *c == '<');
    let mut started = false;
    let mut zeros = false;
    let mut past_point = false;
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Digit(zero) if !fits => {
                let _ = zero;
                out.push('#');
            }
            Part::Digit(zero) => {
                let digit = if past_point { fraction.next() } else { whole.next() }.unwrap_or(b'0');
                zeros |= *zero && !past_point;
                if digit == b' ' && !zeros {
                    out.push(' ');
                    continue;
                }
                started = true;
                out.extend(waiting.take());
                out.push(if digit == b' ' { '0' } else { char::from(digit) });
            }
            Part::Group => out.push(if !fits {
                '#'
            } else if started {
                ','
            } else {
                ' '
            }),
            Part::Point => {
                past_point = true;
                out.extend(waiting.take());
                out.push('.');
            }
            Part::Dollar => out.push('$'),
            Part::Sign | Part::Minus => {
                let shown = match (negative, part) {
                    (true, _) => '-',
                    (false, Part::Sign) => '+',
                    _ => ' ',
                };
                if index == 0 && fits { waiting = Some(shown) } else { out.push(shown) }
            }
            Part::Brackets => out.push_str(if negative { ">" } else { "  " }),
        }
    }
    if !past_point {
        out.extend(waiting);
    }
    out
}

fn to_char(call: &KernelCall<'_>) -> Result {
    let formats = call.texts(1)?;
    match call.data_type(0) {
        DataType::Binary => {
            let values = call.bytes(0)?;
            map_rows(call.length(), |row| {
                let (Some(value), Some(format)) = (values.at(row), formats.at(row)) else { return Ok(None) };
                Ok(Some(match format.to_ascii_lowercase().as_str() {
                    "base64" => base64::engine::general_purpose::STANDARD.encode(value),
                    "hex" => value.iter().map(|b| format!("{b:02X}")).collect(),
                    "utf-8" => String::from_utf8_lossy(value).into_owned(),
                    _ => {
                        let message = format!("`to_char` writes BINARY as 'base64', 'hex' or 'utf-8', not '{format}'");
                        return Err(EngineError::data("INVALID_PARAMETER_VALUE.BINARY_FORMAT", message));
                    }
                }))
            })
        }
        t if t.is_datetime() => {
            let times = if *t == DataType::Date {
                cast(call.column(0), t, &DataType::TimestampNtz, false, call.context)?
            } else {
                call.column(0).clone()
            };
            let times = super::access::numbers::<i64>(&times)?;
            map_rows(call.length(), |row| {
                let (Some(time), Some(format)) = (times.at(row), formats.at(row)) else { return Ok(None) };
                let pattern = DatetimePattern::for_writing(format)?;
                let mut out = String::new();
                if *t == DataType::Timestamp {
                    pattern.format(time, call.context.zone, &mut out)
                } else {
                    pattern.format_local(time, &mut out)
                }
                Ok(Some(out))
            })
        }
        t => {
            // Every other number is a decimal of its own digits first.
            let (precision, scale) = t.as_decimal().ok_or_else(|| {
                EngineError::data("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", format!("`to_char` cannot write {}", t.sql()))
            })?;
            let decimals = cast(call.column(0), t, &DataType::Decimal(precision, scale), false, call.context)?;
            let decimals = super::access::numbers::<i128>(&decimals)?;
            let mut known: Option<(&str, Vec<Part>)> = None;
            map_rows(call.length(), |row| {
                let (Some(value), Some(format)) = (decimals.at(row), formats.at(row)) else { return Ok(None) };
                if known.as_ref().is_none_or(|(text, _)| *text != format) {
                    known = Some((format, parse(format)?));
                }
                Ok(known.as_ref().map(|(_, parts)| written(parts, value, usize::from(scale))))
            })
        }
    }
}

/// The unscaled digits of a text by a format; `None` where it does not fit.
fn read(parts: &[Part], text: &str) -> Option<i128> {
    let (before, after) = digit_counts(parts);
    let mut rest = text.trim();
    let mut negative = false;
    let bracketed = parts.last() == Some(&Part::Brackets) && rest.starts_with('<');
    if bracketed {
        rest = rest.strip_prefix('<')?.strip_suffix('>')?;
        negative = true;
    }
    let signed = |p: Option<&Part>| matches!(p, Some(Part::Sign | Part::Minus));
    if signed(parts.first())
        && let Some(after_sign) = rest.strip_prefix(['+', '-'])
    {
        negative = rest.starts_with('-');
        rest = after_sign;
    }
    if signed(parts.last())
        && let Some(before_sign) = rest.strip_suffix(['+', '-'])
    {
        negative = rest.ends_with('-');
        rest = before_sign;
    }
    match (parts.contains(&Part::Dollar), rest.strip_prefix('$')) {
        (true, Some(after_dollar)) => rest = after_dollar,
        (true, None) => return None,
        (false, Some(_)) => return None,
        (false, None) => {}
    }
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    if rest.contains('.') && !parts.contains(&Part::Point) || whole.contains(',') && !parts.contains(&Part::Group) {
        return None;
    }
    // Commas stand where the format has them, counted from the point.
    let digits: String = whole.chars().filter(|c| *c != ',').collect();
    let point = parts.iter().position(|p| *p == Part::Point).unwrap_or(parts.len());
    let mut expected = parts[..point].iter().rev().filter(|p| matches!(p, Part::Digit(_) | Part::Group));
    for c in whole.chars().rev() {
        match (c, expected.next()?) {
            (',', Part::Group) => {}
            (c, Part::Digit(_)) if c.is_ascii_digit() => {}
            _ => return None,
        }
    }
    if digits.len() > before
        || fraction.len() > after
        || digits.len() + fraction.len() == 0
        || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let value: i128 = format!("{digits}{fraction:0<after$}").parse().ok()?;
    Some(if negative { -value } else { value })
}

fn to_number(call: &KernelCall<'_>, attempt: bool) -> Result {
    let (texts, formats) = (call.texts(0)?, call.texts(1)?);
    let Some(format) = formats.at(0) else { return Ok(call.null()) };
    let parts = parse(format)?;
    map_rows(texts.len(), |row| {
        let Some(text) = texts.at(row) else { return Ok(None) };
        match read(&parts, text) {
            None if !attempt => {
                let message = format!("'{text}' does not match the number format {format}");
                Err(EngineError::data("INVALID_FORMAT.MISMATCH_INPUT", message))
            }
            value => Ok(value),
        }
    })
}
