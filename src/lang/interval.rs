//! Intervals: the units, the text of Spark's calendar intervals, and what a literal amounts to.

use super::ast::{Expr, ExprKind, Interval, UnaryOp};
use super::error::SyntaxError;
use crate::diagnostic::Span;
use crate::types::Value;

/// What a unit of time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// So many months.
    Months(i64),
    /// So many days.
    Days(i64),
    /// So many microseconds.
    Micros(i64),
}

/// The units by their singular names.
pub const UNITS: &[(&str, Unit)] = &[
    ("YEAR", Unit::Months(12)),
    ("MONTH", Unit::Months(1)),
    ("WEEK", Unit::Days(7)),
    ("DAY", Unit::Days(1)),
    ("HOUR", Unit::Micros(3_600_000_000)),
    ("MINUTE", Unit::Micros(60_000_000)),
    ("SECOND", Unit::Micros(1_000_000)),
    ("MILLISECOND", Unit::Micros(1_000)),
    ("MICROSECOND", Unit::Micros(1)),
];

/// Months, days and microseconds, each with its own sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalParts {
    pub months: i32,
    pub days: i32,
    pub micros: i64,
}

/// Why a text is no interval: the sub-condition of Spark's `INVALID_INTERVAL_FORMAT`, and words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntervalError {
    /// Spark's condition.
    pub condition: &'static str,
    /// The reason, as the end of a sentence.
    pub reason: String,
}

/// Days of a month where a duration must be one number, as Spark counts them.
const DAYS_OF_MONTH: i64 = 31;
const MICROS_OF_DAY: i64 = 86_400_000_000;

impl IntervalParts {
    /// The length in microseconds, a month being 31 days; `None` where it does not fit.
    pub fn total_micros(self) -> Option<i64> {
        let days = i64::from(self.months).checked_mul(DAYS_OF_MONTH)?.checked_add(i64::from(self.days))?;
        days.checked_mul(MICROS_OF_DAY)?.checked_add(self.micros)
    }

    fn add(self, unit: Unit, amount: i64, fraction_micros: i64, negative: bool) -> Option<IntervalParts> {
        let sign = if negative { -1 } else { 1 };
        let amount = amount.checked_mul(sign)?;
        let small = |old: i32, factor: i64| i32::try_from(i64::from(old).checked_add(amount.checked_mul(factor)?)?).ok();
        let mut parts = self;
        match unit {
            Unit::Months(factor) => parts.months = small(self.months, factor)?,
            Unit::Days(factor) => parts.days = small(self.days, factor)?,
            Unit::Micros(factor) => {
                parts.micros = self.micros.checked_add(amount.checked_mul(factor)?)?.checked_add(fraction_micros.checked_mul(sign)?)?;
            }
        }
        Some(parts)
    }
}

/// The unit called `name`, in singular or plural and any case, under its singular name.
pub fn unit(name: &str) -> Option<(&'static str, Unit)> {
    let upper = name.to_ascii_uppercase();
    let singular = upper.strip_suffix('S').unwrap_or(&upper);
    UNITS.iter().find(|(unit, _)| *unit == singular).copied()
}

/// Reads `5 minutes 3.5 seconds`, `interval 1 year -2 days`: Spark's text form of calendar intervals.
///
/// # Errors
/// With Spark's condition, such as `INVALID_INTERVAL_FORMAT.UNRECOGNIZED_NUMBER`.
pub fn parse_interval_text(text: &str) -> Result<IntervalParts, IntervalError> {
    let lower = text.trim().to_ascii_lowercase();
    let fail = |condition, reason: String| Err(IntervalError { condition, reason });
    if lower.is_empty() {
        return fail("INVALID_INTERVAL_FORMAT.INPUT_IS_EMPTY", "it is empty".into());
    }
    let body = match lower.strip_prefix("interval") {
        Some(rest) if rest.trim().is_empty() => return fail("INVALID_INTERVAL_FORMAT.INPUT_IS_EMPTY", "nothing follows `interval`".into()),
        Some(rest) if rest.starts_with(char::is_whitespace) => rest.trim_start(),
        Some(rest) => {
            let word: String = rest.chars().take_while(|c| !c.is_whitespace()).collect();
            return fail("INVALID_INTERVAL_FORMAT.INVALID_PREFIX", format!("`interval{word}` is no prefix of an interval"));
        }
        None => lower.as_str(),
    };
    let mut parts = IntervalParts::default();
    let mut rest = body;
    while !rest.is_empty() {
        let (amount, after) = amount(rest)?;
        let after = after.trim_start();
        let word = &after[..after.find(char::is_whitespace).unwrap_or(after.len())];
        if word.is_empty() {
            return fail("INVALID_INTERVAL_FORMAT.MISSING_UNIT", format!("no unit follows {}", amount.text));
        }
        let Some((_, unit)) = unit(word) else {
            return fail("INVALID_INTERVAL_FORMAT.INVALID_UNIT", format!("`{word}` is no unit of time"));
        };
        if amount.fraction_nanos.is_some() && unit != Unit::Micros(1_000_000) {
            return fail("INVALID_INTERVAL_FORMAT.INVALID_FRACTION", format!("`{word}` cannot have a fraction"));
        }
        let micros = amount.fraction_nanos.unwrap_or(0) / 1000;
        parts = match parts.add(unit, amount.whole, micros, amount.negative) {
            Some(parts) => parts,
            None => return fail("INVALID_INTERVAL_FORMAT.ARITHMETIC_EXCEPTION", "it is too long".into()),
        };
        rest = after[word.len()..].trim_start();
    }
    Ok(parts)
}

struct Amount<'a> {
    text: &'a str,
    negative: bool,
    whole: i64,
    fraction_nanos: Option<i64>,
}

/// A sign, digits, perhaps a fraction of at most nine digits, up to white space.
fn amount(text: &str) -> Result<(Amount<'_>, &str), IntervalError> {
    let fail = |condition, reason: String| Err(IntervalError { condition, reason });
    let word_end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (negative, unsigned) = match text.as_bytes()[0] {
        b'-' => (true, text[1..].trim_start()),
        b'+' => (false, text[1..].trim_start()),
        _ => (false, text),
    };
    let digits = unsigned.find(|c: char| !c.is_ascii_digit()).unwrap_or(unsigned.len());
    let tail = &unsigned[digits..];
    let fraction_text = tail.strip_prefix('.');
    if digits == 0 && fraction_text.is_none_or(|f| !f.starts_with(|c: char| c.is_ascii_digit())) {
        return fail("INVALID_INTERVAL_FORMAT.UNRECOGNIZED_NUMBER", format!("`{}` is no number", &text[..word_end]));
    }
    let whole = match unsigned[..digits].parse::<i64>() {
        Ok(whole) => whole,
        Err(_) if digits == 0 => 0,
        Err(_) => return fail("INVALID_INTERVAL_FORMAT.ARITHMETIC_EXCEPTION", "its number is too long".into()),
    };
    let (fraction_nanos, rest) = match fraction_text {
        None => (None, tail),
        Some(fraction) => {
            let length = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            if length > 9 {
                return fail("INVALID_INTERVAL_FORMAT.INVALID_PRECISION", "a fraction has at most nine digits".into());
            }
            let nanos = format!("{:0<9}", &fraction[..length]).parse::<i64>().unwrap_or(0);
            (Some(nanos), &fraction[length..])
        }
    };
    let used = &text[..text.len() - rest.len()];
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return fail("INVALID_INTERVAL_FORMAT.INVALID_VALUE", format!("`{}` is no number", &text[..word_end.max(used.len())]));
    }
    Ok((Amount { text: used, negative, whole, fraction_nanos }, rest))
}

/// What an interval literal amounts to.
///
/// # Errors
/// Where its text or its fields do not fit.
pub fn interval_parts(interval: &Interval, span: Span) -> Result<IntervalParts, Box<SyntaxError>> {
    let invalid = |text: &str| Box::new(SyntaxError::InvalidTypedLiteral { kind: "INTERVAL", text: text.to_string(), span });
    match interval {
        Interval::Text(text) => parse_interval_text(text).map_err(|_| invalid(text)),
        Interval::Range { text, negated, from, to } => {
            let parts = range_parts(text, from, to).ok_or_else(|| invalid(text))?;
            let sign = if *negated { -1 } else { 1 };
            Ok(IntervalParts { months: parts.months * sign, days: parts.days * sign, micros: parts.micros * i64::from(sign) })
        }
        Interval::Units(units) => {
            let mut text = String::new();
            for (amount, unit) in units {
                text.push_str(&format!("{} {unit} ", amount_text(amount).ok_or_else(|| invalid("its amount"))?));
            }
            parse_interval_text(&text).map_err(|e| {
                Box::new(SyntaxError::InvalidInterval { condition: e.condition, reason: e.reason, text: text.trim().to_string(), span })
            })
        }
    }
}

/// The amount of a unit as text: a number, a text, or either with a sign.
fn amount_text(amount: &Expr) -> Option<String> {
    match &amount.kind {
        ExprKind::Literal(Value::Int(n), _) => Some(n.to_string()),
        ExprKind::Literal(Value::String(s), _) => Some(s.trim().to_string()),
        ExprKind::Literal(Value::Decimal(_), _) => Some(super::format::expression(amount).trim_end_matches("BD").to_string()),
        ExprKind::Unary { op: UnaryOp::Minus, expr } => {
            let inner = amount_text(expr)?;
            Some(inner.strip_prefix('-').map_or_else(|| format!("-{inner}"), str::to_string))
        }
        _ => None,
    }
}

/// `'1-2' YEAR TO MONTH`, `'1 02:03:04.5' DAY TO SECOND` and the ranges between.
fn range_parts(text: &str, from: &str, to: &str) -> Option<IntervalParts> {
    let text = text.trim();
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = |s: &str| if s.is_empty() || !s.bytes().all(|b| b.is_ascii_digit()) { None } else { s.parse::<i64>().ok() };
    let sign = if negative { -1 } else { 1 };
    if from == "YEAR" {
        let (years, months) = body.split_once('-')?;
        let months = number(months).filter(|m| *m <= 11)?;
        return Some(IntervalParts {
            months: i32::try_from(sign * (number(years)?.checked_mul(12)?.checked_add(months)?)).ok()?,
            ..Default::default()
        });
    }
    let order = ["DAY", "HOUR", "MINUTE", "SECOND"];
    let (first, last) = (order.iter().position(|u| *u == from)?, order.iter().position(|u| *u == to)?);
    let mut pieces: Vec<&str> = Vec::new();
    let clock = if first == 0 {
        let (days, clock) = body.split_once([' ', 'T'])?;
        pieces.push(days);
        clock.trim()
    } else {
        body
    };
    pieces.extend(clock.split(':'));
    if pieces.len() != last - first + 1 {
        return None;
    }
    let mut parts = IntervalParts::default();
    for (at, piece) in pieces.iter().enumerate() {
        let (whole, fraction) = match piece.split_once('.') {
            Some((whole, fraction)) if first + at == 3 && fraction.len() <= 9 && !fraction.is_empty() => {
                (whole, number(&format!("{fraction:0<9}"))? / 1000)
            }
            Some(_) => return None,
            None => (*piece, 0),
        };
        let value = number(whole)?;
        let limit = if at == 0 { i64::MAX } else { [0, 23, 59, 59][first + at] };
        if value > limit {
            return None;
        }
        let unit = UNITS[3 + first + at].1;
        parts = parts.add(unit, value, fraction, negative)?;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(months: i32, days: i32, micros: i64) -> IntervalParts {
        IntervalParts { months, days, micros }
    }

    #[test]
    fn texts_of_calendar_intervals() {
        assert_eq!(parse_interval_text("10 seconds"), Ok(parts(0, 0, 10_000_000)));
        assert_eq!(parse_interval_text(" interval 1 year -2 days 1.5 second "), Ok(parts(12, -2, 1_500_000)));
        assert_eq!(parse_interval_text("-.5 seconds"), Ok(parts(0, 0, -500_000)));
        assert_eq!(parse_interval_text("2 weeks 500 milliseconds"), Ok(parts(0, 14, 500_000)));
        let condition = |text: &str| parse_interval_text(text).expect_err("refused").condition;
        assert_eq!(condition(""), "INVALID_INTERVAL_FORMAT.INPUT_IS_EMPTY");
        assert_eq!(condition("abc"), "INVALID_INTERVAL_FORMAT.UNRECOGNIZED_NUMBER");
        assert_eq!(condition("5"), "INVALID_INTERVAL_FORMAT.MISSING_UNIT");
        assert_eq!(condition("5 fortnights"), "INVALID_INTERVAL_FORMAT.INVALID_UNIT");
        assert_eq!(condition("1.5 days"), "INVALID_INTERVAL_FORMAT.INVALID_FRACTION");
        assert_eq!(condition("5x seconds"), "INVALID_INTERVAL_FORMAT.INVALID_VALUE");
    }

    #[test]
    fn ranges() {
        assert_eq!(range_parts("1-2", "YEAR", "MONTH"), Some(parts(14, 0, 0)));
        assert_eq!(range_parts("1 12", "DAY", "HOUR"), Some(parts(0, 1, 12 * 3_600_000_000)));
        assert_eq!(range_parts("-1 02:03:04.5", "DAY", "SECOND"), Some(parts(0, -1, -7_384_500_000)));
        assert_eq!(range_parts("1-12", "YEAR", "MONTH"), None);
        assert_eq!(range_parts("1 25", "DAY", "HOUR"), None);
    }
}
