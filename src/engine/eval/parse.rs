//! Text as values, the way `CAST('…' AS …)` reads it. Nothing here allocates; `None` is malformed.

use super::zone::{Zone, days_from_civil, days_in_month};
use crate::types::{DayTimeField, YearMonthField};

const DAY: i64 = 86_400_000_000;

/// Without white space and control characters at both ends.
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control())
}

/// A whole number: a sign, then digits only.
pub fn whole(text: &str) -> Option<i64> {
    let bytes = trimmed(text).as_bytes();
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    if digits.is_empty() {
        return None;
    }
    // Counting down reaches i64::MIN as well.
    let mut value = 0i64;
    for b in digits {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// A DOUBLE as Java's `parseDouble` and Spark's words for infinity and NaN have it.
pub fn double(text: &str) -> Option<f64> {
    real(text, |t| fast_float2::parse(t).ok(), f64::INFINITY, f64::NAN).or_else(|| hexadecimal(trimmed(text)))
}

/// A FLOAT, rounded once.
pub fn float(text: &str) -> Option<f32> {
    real(text, |t| fast_float2::parse(t).ok(), f32::INFINITY, f32::NAN).or_else(|| hexadecimal(trimmed(text)).map(|x| x as f32))
}

/// `0x1.8p3`, as Java writes floats bit by bit: hexadecimal digits times a power of two.
fn hexadecimal(text: &str) -> Option<f64> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let body = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X"))?;
    let (digits, exponent) = body.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.trim_end_matches(['d', 'D', 'f', 'F']).parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    // Sixteen digits hold every DOUBLE; what follows only scales.
    if whole.is_empty() && fraction.is_empty() || whole.len() + fraction.len() > 16 {
        return None;
    }
    let mantissa = u64::from_str_radix(&format!("{whole}{fraction}"), 16).ok()?;
    let scale = exponent.checked_sub(4 * i32::try_from(fraction.len()).ok()?)?;
    let value = mantissa as f64 * 2f64.powi(scale);
    Some(if negative { -value } else { value })
}

fn real<T: std::ops::Neg<Output = T>>(text: &str, parse: impl Fn(&str) -> Option<T>, infinity: T, nan: T) -> Option<T> {
    let text = trimmed(text);
    let last = *text.as_bytes().last()?;
    if last.is_ascii_digit() || last == b'.' {
        return parse(text);
    }
    if matches!(last, b'd' | b'D' | b'f' | b'F') {
        let body = &text[..text.len() - 1];
        if body.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
            return parse(body);
        }
    }
    let word = |w: &str| text.eq_ignore_ascii_case(w);
    if word("inf") || word("+inf") || word("infinity") || word("+infinity") {
        return Some(infinity);
    }
    if word("-inf") || word("-infinity") {
        return Some(-infinity);
    }
    word("nan").then_some(nan)
}

/// A BOOLEAN by Spark's words.
pub fn boolean(text: &str) -> Option<bool> {
    let text = trimmed(text);
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w));
    if is(&["t", "true", "y", "yes", "1"]) {
        Some(true)
    } else if is(&["f", "false", "n", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Why a text is no decimal of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a number.
    Malformed,
    /// More than 38 digits before the point.
    TooLarge,
    /// More digits before the point than the type has.
    OutOfRange,
}

/// An unscaled decimal of a precision and scale, rounded half away from zero.
///
/// # Errors
/// As [`DecimalError`] says.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, DecimalError> {
    let (negative, digits, exponent) = decimal_parts(trimmed(text).as_bytes()).ok_or(DecimalError::Malformed)?;
    let significant = || digits.iter().filter(|b| **b != b'.').map(|b| i128::from(b - b'0')).skip_while(|d| *d == 0);
    let fraction = digits.iter().position(|b| *b == b'.').map_or(0, |at| digits.len() - at - 1) as i64;
    let count = significant().count() as i64;
    let exponent = exponent - fraction;
    if count + exponent > 38 {
        return Err(DecimalError::TooLarge);
    }
    let shift = exponent + i64::from(scale);
    let kept = (count + shift.min(0)).max(0);
    let mut value =
        significant().take(kept as usize).try_fold(0i128, |v, d| v.checked_mul(10)?.checked_add(d)).ok_or(DecimalError::OutOfRange)?;
    if shift >= 0 {
        let factor = u32::try_from(shift).ok().and_then(|s| 10i128.checked_pow(s));
        value = match (value, factor) {
            (0, _) => 0,
            (v, Some(factor)) => v.checked_mul(factor).ok_or(DecimalError::OutOfRange)?,
            (_, None) => return Err(DecimalError::OutOfRange),
        };
    } else if count + shift >= 0 && significant().nth(kept as usize).is_some_and(|d| d >= 5) {
        value += 1;
    }
    if value >= 10i128.pow(precision.min(38).into()) {
        return Err(DecimalError::OutOfRange);
    }
    Ok(if negative { -value } else { value })
}

/// Sign, digits with at most one point, and exponent.
fn decimal_parts(bytes: &[u8]) -> Option<(bool, &[u8], i64)> {
    let (negative, rest) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let end = rest.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(rest.len());
    let (digits, exponent) = rest.split_at(end);
    let points = digits.iter().filter(|b| **b == b'.').count();
    if points > 1 || digits.len() == points || !digits.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return None;
    }
    let exponent = match exponent {
        [] => 0,
        [_, rest @ ..] => {
            let text = std::str::from_utf8(rest).ok()?;
            let value = whole(text).filter(|_| trimmed(text).len() == text.len())?;
            value.clamp(-100_000, 100_000)
        }
    };
    Some((negative, digits, exponent))
}

/// A DATE: `yyyy`, `yyyy-m`, `yyyy-m-d`, and after a day anything behind a blank or `T`.
pub fn date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = bytes
        && let (Some(y), Some(m), Some(d)) = (two(*y0, *y1).zip(two(*y2, *y3)), two(*m0, *m1), two(*d0, *d1))
    {
        return day_number((y.0 * 100 + y.1).into(), m, d).map(|d| d as i32);
    }
    let bytes = trimmed(text).as_bytes();
    let (sign, mut rest) = match bytes {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        all => (1, all),
    };
    let mut parts = [1i64, 1, 1];
    let mut index = 0;
    loop {
        let (value, digits) = leading_number(rest);
        let enough = if index == 0 { (4..=7).contains(&digits) } else { (1..=2).contains(&digits) };
        if !enough {
            return None;
        }
        parts[index] = value;
        rest = &rest[digits..];
        match rest {
            [] => break,
            [b' ' | b'T', ..] if index == 2 => break,
            [b'-', more @ ..] if index < 2 => rest = more,
            _ => return None,
        }
        index += 1;
    }
    let days = day_number(sign * parts[0], u32::try_from(parts[1]).ok()?, u32::try_from(parts[2]).ok()?)?;
    i32::try_from(days).ok()
}

fn two(a: u8, b: u8) -> Option<u32> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a <= 9 && b <= 9).then_some(u32::from(a) * 10 + u32::from(b))
}

fn leading_number(bytes: &[u8]) -> (i64, usize) {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let value = bytes[..digits.min(10)].iter().fold(0i64, |v, b| v * 10 + i64::from(b - b'0'));
    (value, digits)
}

fn day_number(year: i64, month: u32, day: u32) -> Option<i64> {
    ((1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month)).then(|| days_from_civil(year, month, day))
}

/// A date and time as written, before a zone is applied.
struct Written<'a> {
    /// `None`: only a time was given.
    day: Option<i64>,
    /// Microseconds of the day.
    time: i64,
    /// What stands behind the seconds, if anything.
    zone: Option<&'a str>,
}

/// A TIMESTAMP in microseconds. `zone` holds where the text names none, and `today` (days since the epoch, in that
/// zone) where it gives only a time.
pub fn timestamp(text: &str, zone: &Zone, today: impl Fn() -> i64) -> Option<i64> {
    if let Some((local, utc)) = iso(text.as_bytes()) {
        return Some(if utc { local } else { zone.to_instant(local) });
    }
    let written = written(text)?;
    let local = written.day.unwrap_or_else(today).checked_mul(DAY)?.checked_add(written.time)?;
    match written.zone {
        Some(name) => Zone::named(name).map(|zone| zone.to_instant(local)),
        None => Some(zone.to_instant(local)),
    }
}

/// A TIMESTAMP_NTZ in microseconds; a zone in the text is read over.
pub fn timestamp_ntz(text: &str) -> Option<i64> {
    if let Some((local, _)) = iso(text.as_bytes()) {
        return Some(local);
    }
    let written = written(text)?;
    if let Some(name) = written.zone {
        Zone::named(name)?;
    }
    written.day?.checked_mul(DAY)?.checked_add(written.time)
}

/// `2024-01-31T10:00:00[.123456][Z]`, the common form, at fixed places: local microseconds and whether `Z` follows.
fn iso(bytes: &[u8]) -> Option<(i64, bool)> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b' ', h0, h1, b':', i0, i1, b':', s0, s1, rest @ ..] = bytes else {
        return None;
    };
    let year = two(*y0, *y1)? * 100 + two(*y2, *y3)?;
    let (hour, minute, second) = (two(*h0, *h1)?, two(*i0, *i1)?, two(*s0, *s1)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let day = day_number(year.into(), two(*m0, *m1)?, two(*d0, *d1)?)?;
    let mut micros = 0;
    let mut rest = rest;
    if let [b'.', more @ ..] = rest {
        let digits = more.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 6 {
            return None;
        }
        micros = more[..digits].iter().fold(0i64, |v, b| v * 10 + i64::from(b - b'0')) * 10i64.pow(6 - digits as u32);
        rest = &more[digits..];
    }
    let utc = match rest {
        [] => false,
        [b'Z'] => true,
        _ => return None,
    };
    Some((day * DAY + i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + micros, utc))
}

/// Reads `[+-]yyyy[-m[-d[( |T)h[:m[:s[.f]]][zone]]]]` and times alone; a zone needs seconds before it.
fn written(text: &str) -> Option<Written<'_>> {
    let text = trimmed(text);
    let (sign, mut rest) = match text.as_bytes() {
        [b'-', ..] => (Some(-1), &text[1..]),
        [b'+', ..] => (Some(1), &text[1..]),
        _ => (None, text),
    };
    let mut parts = [1i64, 1, 1, 0, 0, 0];
    let mut index = 0;
    let mut only_time = false;
    if sign.is_none() && rest.starts_with('T') {
        (only_time, index, rest) = (true, 3, &rest[1..]);
    }
    let mut fraction = 0;
    let mut zone = None;
    loop {
        let (value, digits) = leading_number(rest.as_bytes());
        let next = rest.as_bytes().get(digits).copied();
        if index == 0 && next == Some(b':') && sign.is_none() && (1..=2).contains(&digits) {
            (only_time, index) = (true, 3);
        }
        let enough = if index == 0 { (4..=6).contains(&digits) } else { (1..=2).contains(&digits) };
        if !enough {
            return None;
        }
        parts[index] = value;
        let Some(separator) = next else { break };
        match (index, separator) {
            (0 | 1, b'-') | (2, b' ' | b'T') | (3 | 4, b':') => {}
            (5, b'.') => {
                let more = &rest[digits + 1..];
                let count = more.bytes().take_while(u8::is_ascii_digit).count();
                let kept = count.min(6);
                fraction = leading_number(&more.as_bytes()[..kept]).0 * 10i64.pow(6 - kept as u32);
                zone = Some(&more[count..]).filter(|z| !z.is_empty());
                break;
            }
            (5, _) => {
                zone = Some(&rest[digits..]);
                break;
            }
            _ => return None,
        }
        rest = &rest[digits + 1..];
        index += 1;
    }
    if parts[3] > 23 || parts[4] > 59 || parts[5] > 59 {
        return None;
    }
    let day = match only_time {
        true => None,
        false => Some(day_number(sign.unwrap_or(1) * parts[0], parts[1] as u32, parts[2] as u32)?),
    };
    Some(Written { day, time: (parts[3] * 3600 + parts[4] * 60 + parts[5]) * 1_000_000 + fraction, zone })
}

/// The text inside `INTERVAL '…' FIELDS`, or the text itself; and whether a sign stands before the quote.
fn interval_body<'a>(text: &'a str, fields: &str) -> Option<(bool, &'a str)> {
    let text = trimmed(text);
    let Some(prefix) = text.get(..8).filter(|p| p.eq_ignore_ascii_case("interval")) else {
        return Some((false, text));
    };
    let rest = text[prefix.len()..].trim_start();
    let (negative, rest) = match rest.as_bytes() {
        [b'-', ..] => (true, rest[1..].trim_start()),
        [b'+', ..] => (false, rest[1..].trim_start()),
        _ => (false, rest),
    };
    let rest = rest.strip_prefix('\'')?;
    let (body, unit) = rest.split_once('\'')?;
    let unit: Vec<&str> = unit.split_whitespace().collect();
    unit.join(" ").eq_ignore_ascii_case(fields).then_some((negative, body.trim()))
}

fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    }
}

fn unsigned(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Months of a year-month interval: `1-2`, or one number of its only field.
pub fn year_month(text: &str, from: YearMonthField, to: YearMonthField) -> Option<i32> {
    use YearMonthField::{Month, Year};
    let fields = match (from, to) {
        (Year, Year) => "YEAR",
        (Month, Month) => "MONTH",
        _ => "YEAR TO MONTH",
    };
    let (outer, body) = interval_body(text, fields)?;
    let (inner, body) = signed(body);
    let months = match (from, to) {
        (Year, Year) => unsigned(body)?.checked_mul(12)?,
        (Month, Month) => unsigned(body)?,
        _ => {
            let (years, months) = body.split_once('-')?;
            let months = unsigned(months).filter(|m| *m < 12)?;
            unsigned(years)?.checked_mul(12)?.checked_add(months)?
        }
    };
    i32::try_from(if outer != inner { -months } else { months }).ok()
}

/// Microseconds of a day-time interval: `1 02:03:04.5` down to its fields.
pub fn day_time(text: &str, from: DayTimeField, to: DayTimeField) -> Option<i64> {
    use DayTimeField::{Day, Hour, Minute, Second};
    let name = |f| match f {
        Day => "DAY",
        Hour => "HOUR",
        Minute => "MINUTE",
        Second => "SECOND",
    };
    let fields = if from == to { name(from).to_string() } else { format!("{} TO {}", name(from), name(to)) };
    let (outer, body) = interval_body(text, &fields)?;
    let (inner, mut rest) = signed(body);
    let mut micros = 0i64;
    for (field, unit, limit, after) in
        [(Day, DAY, i64::MAX, ' '), (Hour, 3_600_000_000, 24, ':'), (Minute, 60_000_000, 60, ':'), (Second, 1_000_000, 60, '.')]
    {
        if field < from || field > to {
            continue;
        }
        let (part, more) = if field == to && field != Second { (rest, "") } else { rest.split_once(after).unwrap_or((rest, "")) };
        if field != to && more.is_empty() {
            return None;
        }
        let count = unsigned(part).filter(|n| field == from || *n < limit)?;
        micros = micros.checked_add(count.checked_mul(unit)?)?;
        rest = more;
    }
    if to == Second && !rest.is_empty() {
        let digits = rest.get(..rest.len().min(6))?;
        if rest.len() > 9 || !rest.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        micros = micros.checked_add(unsigned(digits)? * 10i64.pow(6 - digits.len() as u32))?;
    }
    Some(if outer != inner { -micros } else { micros })
}
