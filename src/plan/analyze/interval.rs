//! Interval literals: which type their units give them.

use super::{Analyzer, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind, Interval, UnaryOp};
use crate::lang::literal::parse_interval_text;
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::types::{DataType, DayTimeField, Value, YearMonthField};

const MICROS_PER_DAY: i128 = 86_400_000_000;

/// What one unit stands for.
#[derive(Clone, Copy)]
enum Unit {
    /// Months each, and the field it belongs to.
    Months(i128, YearMonthField),
    /// Microseconds each, and the field it belongs to.
    Micros(i128, DayTimeField),
}

fn unit(name: &str) -> Option<Unit> {
    use DayTimeField::*;
    let name = name.to_ascii_lowercase();
    Some(match name.strip_suffix('s').unwrap_or(&name) {
        "year" => Unit::Months(12, YearMonthField::Year),
        "month" => Unit::Months(1, YearMonthField::Month),
        "week" => Unit::Micros(7 * MICROS_PER_DAY, Day),
        "day" => Unit::Micros(MICROS_PER_DAY, Day),
        "hour" => Unit::Micros(3_600_000_000, Hour),
        "minute" => Unit::Micros(60_000_000, Minute),
        "second" => Unit::Micros(1_000_000, Second),
        "millisecond" => Unit::Micros(1_000, Second),
        "microsecond" => Unit::Micros(1, Second),
        _ => return None,
    })
}

/// An amount such as `5`, `'1'`, `-2` or `1.5`, in millionths.
fn amount(e: &ast::Expr) -> Option<i128> {
    match &e.kind {
        ExprKind::Unary { op: UnaryOp::Minus, expr } => amount(expr).map(|n| -n),
        ExprKind::Unary { op: UnaryOp::Plus, expr } => amount(expr),
        ExprKind::Literal(Value::Int(n), _) => Some(i128::from(*n) * 1_000_000),
        ExprKind::Literal(Value::Decimal(n), DataType::Decimal(_, scale)) => {
            let scale = u32::from(*scale);
            if scale <= 6 { n.checked_mul(10i128.pow(6 - scale)) } else { Some(n / 10i128.pow(scale - 6)) }
        }
        ExprKind::Literal(Value::String(text), _) => millionths(text.trim()),
        _ => None,
    }
}

/// `"-1.5"` in millionths.
fn millionths(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) || whole.len() > 18 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i128 = format!("{:0<6}", &fraction[..fraction.len().min(6)]).parse().ok()?;
    let n = whole * 1_000_000 + fraction;
    Some(if negative { -n } else { n })
}

/// Months and microseconds summed up, with the first and last field of each kind that was named.
#[derive(Default)]
struct Sum {
    months: i128,
    micros: i128,
    year_month: Option<(YearMonthField, YearMonthField)>,
    day_time: Option<(DayTimeField, DayTimeField)>,
}

impl Sum {
    /// Adds `millionths` of a unit; `None` for a unit that does not exist or a fraction of a month.
    fn add(&mut self, millionths: i128, name: &str) -> Option<()> {
        match unit(name)? {
            Unit::Months(each, field) => {
                if millionths % 1_000_000 != 0 {
                    return None;
                }
                self.months += millionths / 1_000_000 * each;
                self.year_month = Some(self.year_month.map_or((field, field), |(a, b)| (a.min(field), b.max(field))));
            }
            Unit::Micros(each, field) => {
                self.micros += millionths * each / 1_000_000;
                self.day_time = Some(self.day_time.map_or((field, field), |(a, b)| (a.min(field), b.max(field))));
            }
        }
        Some(())
    }
}

impl Analyzer<'_> {
    /// `INTERVAL …` as a constant of a year-month or day-time type.
    pub(super) fn interval(&mut self, interval: &Interval, span: Span) -> Result<Expr> {
        let mut sum = Sum::default();
        let malformed = |what: &str| {
            let message = format!("{what} is not an interval; write INTERVAL 5 MINUTES or INTERVAL '1 02:03' DAY TO MINUTE");
            super::AnalysisError::new(Reason::Rule { condition: "INVALID_INTERVAL_FORMAT.INVALID_UNIT", message }, span)
        };
        match interval {
            Interval::Units(units) => {
                for (e, name) in units {
                    let n = amount(e).ok_or_else(|| malformed("this"))?;
                    sum.add(n, name).ok_or_else(|| malformed(&format!("`{name}`")))?;
                }
            }
            Interval::Text(text) => {
                if let Err(e) = parse_interval_text(text) {
                    return refuse(Reason::Constant { condition: Some(e.condition.to_string()), message: e.reason.to_string() }, span);
                }
                let words = text.trim().to_ascii_lowercase();
                let words: Vec<_> = words.strip_prefix("interval").unwrap_or(&words).split_whitespace().collect();
                for pair in words.chunks(2) {
                    let [n, name] = pair else { return Err(malformed(&format!("'{text}'"))) };
                    let n = millionths(n).ok_or_else(|| malformed(&format!("'{text}'")))?;
                    sum.add(n, name).ok_or_else(|| malformed(&format!("`{name}`")))?;
                }
            }
            Interval::Range { text, negated, from, to } => {
                range(&mut sum, text, from, to).ok_or_else(|| malformed(&format!("'{text}'")))?;
                if *negated {
                    (sum.months, sum.micros) = (-sum.months, -sum.micros);
                }
            }
        }
        let too_large = || {
            let message = "the interval is larger than its type can hold".to_string();
            super::AnalysisError::new(Reason::Rule { condition: "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", message }, span)
        };
        match (sum.year_month, sum.day_time) {
            (Some(_), Some(_)) => {
                let message = "an interval literal has either years and months or days and times, not both".to_string();
                refuse(Reason::Rule { condition: "_LEGACY_ERROR_TEMP_0029", message }, span)
            }
            (Some((from, to)), None) => {
                let months = i32::try_from(sum.months).map_err(|_| too_large())?;
                Ok(Expr::literal(Value::YearMonth(months), DataType::YearMonthInterval(from, to)))
            }
            (None, Some((from, to))) => {
                let micros = i64::try_from(sum.micros).map_err(|_| too_large())?;
                Ok(Expr::literal(Value::DayTime(micros), DataType::DayTimeInterval(from, to)))
            }
            (None, None) => Err(malformed("this")),
        }
    }
}

/// `'1-2' YEAR TO MONTH`, `'1 02:03:04.5' DAY TO SECOND` and everything between.
fn range(sum: &mut Sum, text: &str, from: &str, to: &str) -> Option<()> {
    const FIELDS: [&str; 4] = ["day", "hour", "minute", "second"];
    let (negative, text) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim().trim_start_matches('+')),
    };
    let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
    if from == "year" && to == "month" {
        let (years, months) = text.split_once('-')?;
        sum.add(millionths(years)?, "year")?;
        sum.add(millionths(months)?, "month")?;
    } else {
        let first = FIELDS.iter().position(|f| *f == from)?;
        let last = FIELDS.iter().position(|f| *f == to)?;
        let parts: Vec<_> = text.split([' ', ':']).filter(|p| !p.is_empty()).collect();
        if first >= last || parts.len() != last - first + 1 {
            return None;
        }
        for (part, field) in parts.iter().zip(&FIELDS[first..=last]) {
            sum.add(millionths(part)?, field)?;
        }
    }
    if negative {
        (sum.months, sum.micros) = (-sum.months, -sum.micros);
    }
    Some(())
}
