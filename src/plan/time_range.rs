//! What a join's condition says about event times: which bound on one side follows from the other side's
//! watermark, and which comparisons are plain differences of two times.
//!
//! `b.ts BETWEEN a.ts AND a.ts + INTERVAL 10 SECONDS` gives `a.ts - b.ts <= 0` and `b.ts - a.ts - 10 s <= 0`.
//! From the second follows `a.ts >= b.ts - 10 s`: once the watermark has passed W, every row of `a` before
//! W - 10 s has met all its partners.

use crate::plan::expr::{ColumnId, Expr};
use crate::plan::streaming::conjuncts;
use crate::types::{DataType, Value};
use std::collections::HashSet;

/// `less + micros < more`, or with `inclusive` `<=`: a comparison of two event times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The earlier time.
    pub less: ColumnId,
    /// The later time.
    pub more: ColumnId,
    /// Added to the earlier one.
    pub micros: i64,
    /// Whether both may be equal.
    pub inclusive: bool,
}

/// Up to which time rows of one side of a join have met all their partners; in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateBound {
    /// How far after the watermark, mostly below zero.
    pub after_watermark: Option<i64>,
    /// A time that no watermark moves.
    pub fixed: Option<i64>,
}

impl StateBound {
    /// The time up to which rows may go, for a watermark in microseconds; in microseconds.
    pub fn until(&self, watermark: i64) -> i64 {
        let moving = self.after_watermark.map_or(i64::MAX, |millis| watermark.saturating_add(millis.saturating_mul(1000)));
        moving.min(self.fixed.map_or(i64::MAX, |millis| millis.saturating_mul(1000)))
    }
}

impl StateBound {
    /// The watermark at which a row of `time` goes, in microseconds; `None` where none takes it.
    pub fn leaves_at(&self, time: i64) -> Option<i64> {
        if self.fixed.is_some_and(|millis| time > millis.saturating_mul(1000)) {
            return None;
        }
        Some(self.after_watermark.map_or(0, |millis| time.saturating_sub(millis.saturating_mul(1000))))
    }
}

/// What the condition says about one side; `None` where it bounds nothing. `own` are the side's columns,
/// `other_event_time` those of the other side that carry its watermark.
///
/// A comparison such as `a.n > 1` counts as a bound too, as in Spark, which takes the constant for a time: the rows
/// of that side then stay for good. Without a watermark on the other side nothing bounds anything.
pub fn state_bound(condition: Option<&Expr>, own: &HashSet<ColumnId>, other_event_time: &HashSet<ColumnId>) -> Option<StateBound> {
    if other_event_time.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    conjuncts(condition?, &mut parts);
    let mut bound = StateBound::default();
    let least = |so_far: Option<i64>, millis: i64| Some(so_far.map_or(millis, |m| m.min(millis)));
    for (sum, inclusive) in parts.iter().filter_map(|part| difference(part)) {
        // Rows exactly at the bound stay where they can still have a partner.
        let millis = sum.micros / 1000 - i64::from(inclusive);
        match sum.terms.as_slice() {
            [(less, 1, true), (more, -1, true)] | [(more, -1, true), (less, 1, true)]
                if own.contains(more) && other_event_time.contains(less) =>
            {
                bound.after_watermark = least(bound.after_watermark, millis);
            }
            [(more, -1, _)] if own.contains(more) => bound.fixed = least(bound.fixed, millis),
            _ => {}
        }
    }
    (bound != StateBound::default()).then_some(bound)
}

/// Where a row's own session ends; NULL for a gap that cannot be read.
pub fn session_end(time: &Expr, gap: &Expr) -> Expr {
    let gap = match gap.data_type() {
        DataType::String => Expr::Cast { expr: Box::new(gap.clone()), to: DataType::CalendarInterval, attempt: true },
        _ => gap.clone(),
    };
    Expr::call("+", vec![time.clone(), gap], time.data_type())
}

/// The comparison as one of two times, where it is one.
pub fn ordered(part: &Expr) -> Option<Ordered> {
    let (sum, inclusive) = difference(part)?;
    match sum.terms.as_slice() {
        [(less, 1, true), (more, -1, true)] | [(more, -1, true), (less, 1, true)] => {
            Some(Ordered { less: *less, more: *more, micros: sum.micros, inclusive })
        }
        _ => None,
    }
}

/// `a < b` as the sum `a - b`, which is below zero; true where it may be zero.
fn difference(part: &Expr) -> Option<(Sum, bool)> {
    let (a, b, inclusive) = comparison(part)?;
    let mut sum = Sum::default();
    sum.add(a, 1)?;
    sum.add(b, -1)?;
    Some((sum, inclusive))
}

/// `a < b`, whichever way round it is written; true for `<=`.
fn comparison(part: &Expr) -> Option<(&Expr, &Expr, bool)> {
    let Expr::Call { function, args, .. } = part else { return None };
    match (function.0, args.as_slice()) {
        ("<", [a, b]) | (">", [b, a]) => Some((a, b, false)),
        ("<=", [a, b]) | (">=", [b, a]) => Some((a, b, true)),
        ("not", [inner]) => comparison(inner).map(|(a, b, inclusive)| (b, a, !inclusive)),
        _ => None,
    }
}

/// A sum of columns and constants.
#[derive(Default)]
struct Sum {
    /// Columns, how often each counts, and whether it is a time.
    terms: Vec<(ColumnId, i64, bool)>,
    micros: i64,
}

impl Sum {
    /// Adds `sign` times an expression; `None` where it is no such sum.
    fn add(&mut self, expr: &Expr, sign: i64) -> Option<()> {
        match expr {
            Expr::Column { id, data_type, .. } if is_time(data_type) || data_type.is_numeric() => {
                match self.terms.iter().position(|(c, ..)| c == id) {
                    Some(at) if self.terms[at].1 + sign == 0 => drop(self.terms.remove(at)),
                    Some(at) => self.terms[at].1 += sign,
                    None => self.terms.push((*id, sign, is_time(data_type))),
                }
            }
            Expr::Literal { value: Value::Int(n) | Value::Timestamp(n), .. } => self.constant(*n, sign)?,
            Expr::Literal { value: Value::Double(d), .. } => self.constant(*d as i64, sign)?,
            Expr::Literal { value: Value::DayTime(micros), .. } => self.constant(*micros, sign)?,
            Expr::Literal { value: Value::Calendar(0, days, micros), .. } => {
                self.constant(i64::from(*days).checked_mul(86_400_000_000)?.checked_add(*micros)?, sign)?;
            }
            Expr::Call { function, args, .. } => match (function.0, args.as_slice()) {
                ("+", [a, b]) => {
                    self.add(a, sign)?;
                    self.add(b, sign)?;
                }
                // The difference of two times is no time: Spark does not look into it.
                ("-", [a, b]) if !(is_time(&a.data_type()) && is_time(&b.data_type())) => {
                    self.add(a, sign)?;
                    self.add(b, -sign)?;
                }
                ("negative", [a]) => self.add(a, -sign)?,
                _ => return None,
            },
            Expr::Cast { expr, to, .. } if expr.data_type() == *to || (to.is_numeric() && expr.data_type().is_numeric()) => {
                self.add(expr, sign)?;
            }
            _ => return None,
        }
        Some(())
    }

    fn constant(&mut self, micros: i64, sign: i64) -> Option<()> {
        self.micros = self.micros.checked_add(micros.checked_mul(sign)?)?;
        Some(())
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp | DataType::TimestampNtz)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(id: u32) -> Expr {
        Expr::Column { id: ColumnId(id), name: "ts".to_string(), data_type: DataType::Timestamp }
    }

    fn seconds(n: i64) -> Expr {
        Expr::literal(Value::Calendar(0, 0, n * 1_000_000), DataType::CalendarInterval)
    }

    fn call(op: &'static str, a: Expr, b: Expr) -> Expr {
        let data_type = if matches!(op, "+" | "-") { DataType::Timestamp } else { DataType::Boolean };
        Expr::call(op, vec![a, b], data_type)
    }

    #[test]
    fn solves_for_either_side() {
        let late = call("<=", time(2), call("+", time(1), seconds(10)));
        assert_eq!(ordered(&late), Some(Ordered { less: ColumnId(2), more: ColumnId(1), micros: -10_000_000, inclusive: true }));
        let both = Expr::And(Box::new(late), Box::new(call(">", time(2), time(1))));
        let side = |id| HashSet::from([ColumnId(id)]);
        let after = |millis| Some(StateBound { after_watermark: Some(millis), fixed: None });
        assert_eq!(state_bound(Some(&both), &side(1), &side(2)), after(-10_001));
        assert_eq!(state_bound(Some(&both), &side(2), &side(1)), after(0));
        assert_eq!(state_bound(Some(&both), &side(2), &HashSet::new()), None);
    }

    #[test]
    fn a_negated_comparison_turns_round() {
        let not = Expr::call("not", vec![call("<", time(2), time(1))], DataType::Boolean);
        assert_eq!(ordered(&not), Some(Ordered { less: ColumnId(1), more: ColumnId(2), micros: 0, inclusive: true }));
    }

    #[test]
    fn a_number_is_taken_for_a_time() {
        let n = Expr::Column { id: ColumnId(3), name: "n".to_string(), data_type: DataType::Int };
        let above = call(">", n, Expr::literal(Value::Int(1), DataType::Int));
        let own = HashSet::from([ColumnId(1), ColumnId(3)]);
        assert_eq!(state_bound(Some(&above), &own, &HashSet::new()), None, "no watermark, no bound");
        let bound = state_bound(Some(&above), &own, &HashSet::from([ColumnId(2)]));
        assert_eq!(bound, Some(StateBound { after_watermark: None, fixed: Some(0) }));
        assert_eq!(bound.map(|b| b.until(5_000_000)), Some(0));
    }

    #[test]
    fn months_and_differences_of_one_side_bound_nothing() {
        let month = Expr::literal(Value::YearMonth(1), DataType::YEAR_TO_MONTH);
        assert_eq!(ordered(&call("<=", time(2), call("+", time(1), month))), None);
        assert_eq!(ordered(&call("<=", call("-", time(2), time(1)), seconds(1))), None);
    }
}
