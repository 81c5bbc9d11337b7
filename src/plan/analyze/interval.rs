//! Interval literals: which type their units give them.

use super::{Analyzer, Result, refuse};
use crate::diagnostic::{Diagnostic, Span};
use crate::lang::ast::Interval;
use crate::lang::literal::interval_parts;
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::types::{DataType, DayTimeField, Value, YearMonthField};

/// The first and the last field of each kind that an interval names.
#[derive(Default)]
struct Fields {
    year_month: Option<(YearMonthField, YearMonthField)>,
    day_time: Option<(DayTimeField, DayTimeField)>,
}

impl Fields {
    fn of(interval: &Interval) -> Fields {
        let mut fields = Fields::default();
        match interval {
            Interval::Units(units) => units.iter().for_each(|(_, unit)| fields.add(unit)),
            Interval::Text(text) => text.split_whitespace().filter(|word| ends_in_letters(word)).for_each(|word| fields.add(word)),
            Interval::Range { from, to, .. } => {
                fields.add(from);
                fields.add(to);
            }
        }
        fields
    }

    /// Notes a unit by its name, in singular or plural.
    fn add(&mut self, unit: &str) {
        use DayTimeField::*;
        let unit = unit.to_ascii_lowercase();
        let months = |field| (Some(field), None);
        let times = |field| (None, Some(field));
        let (year_month, day_time) = match unit.strip_suffix('s').unwrap_or(&unit) {
            "year" => months(YearMonthField::Year),
            "month" => months(YearMonthField::Month),
            "week" | "day" => times(Day),
            "hour" => times(Hour),
            "minute" => times(Minute),
            _ => times(Second),
        };
        if let Some(field) = year_month {
            self.year_month = Some(self.year_month.map_or((field, field), |(a, b)| (a.min(field), b.max(field))));
        }
        if let Some(field) = day_time {
            self.day_time = Some(self.day_time.map_or((field, field), |(a, b)| (a.min(field), b.max(field))));
        }
    }
}

impl Analyzer<'_> {
    /// `INTERVAL …` as a constant of a year-month or day-time type.
    pub(super) fn interval(&mut self, interval: &Interval, span: Span) -> Result<Expr> {
        let parts = interval_parts(interval, span).map_err(|e| {
            let said = Diagnostic::from(*e);
            super::AnalysisError::new(Reason::Constant { condition: said.condition, message: said.message }, span)
        })?;
        let fields = Fields::of(interval);
        match (fields.year_month, fields.day_time) {
            (Some(_), Some(_)) => {
                let message = "an interval literal has either years and months or days and times, not both".to_string();
                refuse(Reason::Rule { condition: "_LEGACY_ERROR_TEMP_0029", message }, span)
            }
            (Some((from, to)), None) => Ok(Expr::literal(Value::YearMonth(parts.months), DataType::YearMonthInterval(from, to))),
            (None, fields) => match parts.total_micros() {
                Some(micros) => {
                    let (from, to) = fields.unwrap_or((DayTimeField::Day, DayTimeField::Second));
                    Ok(Expr::literal(Value::DayTime(micros), DataType::DayTimeInterval(from, to)))
                }
                None => {
                    let message = "the interval is larger than its type can hold".to_string();
                    refuse(Reason::Rule { condition: "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", message }, span)
                }
            },
        }
    }
}

/// The constant that an interval literal is, where it is one.
pub(crate) fn interval_value(interval: &Interval) -> Option<(Value, DataType)> {
    let parts = interval_parts(interval, Span::default()).ok()?;
    let fields = Fields::of(interval);
    match (fields.year_month, fields.day_time) {
        (Some((from, to)), None) => Some((Value::YearMonth(parts.months), DataType::YearMonthInterval(from, to))),
        (None, Some((from, to))) => Some((Value::DayTime(parts.total_micros()?), DataType::DayTimeInterval(from, to))),
        _ => None,
    }
}

/// A word that is a unit, not an amount nor the word `interval` itself.
fn ends_in_letters(word: &str) -> bool {
    word.ends_with(|c: char| c.is_ascii_alphabetic()) && !word.eq_ignore_ascii_case("interval")
}
