//! count, sum, avg, product, booleans and bits.

use super::{Fold, Made, Shape, Updates, column, each, narrow};
use crate::engine::EngineError;
use crate::engine::eval::access::{self, flags, number_series, numbers, validity};
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::stored;
use crate::plan::expr::{AggregateCall, Expr};
use crate::types::DataType;
use polars::prelude::Series;

pub(super) fn make(call: &AggregateCall) -> Option<Result<Made, EngineError>> {
    let first = call.args.first().map(Expr::data_type);
    let attempt = call.function.0.starts_with("try_");
    Some(Ok(match call.function.0 {
        "count" => {
            let nullable: Vec<_> = call.args.iter().filter(|a| !matches!(a, Expr::Literal { value, .. } if !value.is_null())).collect();
            // Constant arguments stand first only in count(1) and count(*): then there is nothing to look at.
            let shapes = if nullable.is_empty() && !call.distinct { vec![] } else { vec![Shape::Raw; call.args.len()] };
            column(Count, &shapes)
        }
        "count_if" => column(CountIf, &[Shape::Raw]),
        "sum" | "try_sum" => match (&first, &call.data_type) {
            (_, DataType::Decimal(precision, scale)) => {
                column(SumDecimal { precision: *precision, scale: *scale, attempt }, &[Shape::Decimal])
            }
            (_, DataType::Double) => column(SumDouble, &[Shape::Double]),
            (_, data_type) => column(SumInteger { data_type: data_type.clone(), attempt }, &[Shape::Integer]),
        },
        "avg" | "try_avg" => match (&first, &call.data_type) {
            (Some(DataType::Decimal(_, from)), DataType::Decimal(precision, scale)) => {
                column(AvgDecimal { from: *from, precision: *precision, scale: *scale, attempt }, &[Shape::Decimal])
            }
            (_, data_type @ (DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..))) => {
                column(AvgInterval { data_type: data_type.clone(), attempt }, &[Shape::Integer])
            }
            _ => column(AvgDouble, &[Shape::Double]),
        },
        "product" => column(Product, &[Shape::Double]),
        "bool_and" => column(Flag { and: true }, &[Shape::Raw]),
        "bool_or" => column(Flag { and: false }, &[Shape::Raw]),
        "bit_and" => column(Bits { op: |a, b| a & b, data_type: call.data_type.clone() }, &[Shape::Integer]),
        "bit_or" => column(Bits { op: |a, b| a | b, data_type: call.data_type.clone() }, &[Shape::Integer]),
        "bit_xor" => column(Bits { op: |a, b| a ^ b, data_type: call.data_type.clone() }, &[Shape::Integer]),
        "regr_count" => column(Count, &[Shape::Double, Shape::Double]),
        _ => return None,
    }))
}

struct Count;

impl Fold for Count {
    type State = i64;

    fn update(&self, states: &mut Slots<i64>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        match args {
            [] => updates.slots.iter().for_each(|s| states[*s as usize] += 1),
            [one] => each(updates, validity(one), |slot, _| states[slot] += 1),
            several => each(updates, None, |slot, row| states[slot] += i64::from(several.iter().all(|a| !access::is_null(a, row)))),
        }
        Ok(())
    }

    fn merge(&self, into: &mut i64, from: i64) -> Result<(), EngineError> {
        *into += from;
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a i64>) -> Result<Series, EngineError> {
        Ok(number_series(states.copied().collect(), None))
    }
}

struct CountIf;

impl Fold for CountIf {
    type State = i64;

    fn update(&self, states: &mut Slots<i64>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = flags(&args[0])?;
        each(updates, values.0.validity(), |slot, row| states[slot] += i64::from(values.0.value(row)));
        Ok(())
    }

    fn merge(&self, into: &mut i64, from: i64) -> Result<(), EngineError> {
        *into += from;
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a i64>) -> Result<Series, EngineError> {
        Ok(number_series(states.copied().collect(), None))
    }
}

/// The values of `states` as a column: `None` is NULL.
fn optional<'a, S: 'a, T: access::Output>(
    states: impl ExactSizeIterator<Item = &'a S>,
    value: impl Fn(&S) -> Result<Option<T>, EngineError>,
) -> Result<Series, EngineError> {
    let mut builder = T::builder(states.len());
    for state in states {
        match value(state)? {
            Some(v) => v.push_to(&mut builder),
            None => T::push_null(&mut builder),
        }
    }
    Ok(T::finish(builder))
}

/// Integers and intervals. An overflow shows in the state, as `over`, when it is not an error.
struct SumInteger {
    data_type: DataType,
    attempt: bool,
}

#[derive(Clone, Copy, Default)]
struct IntegerSum {
    sum: i64,
    seen: bool,
    over: bool,
}

stored!(IntegerSum { sum, seen, over });

impl SumInteger {
    fn overflow(&self) -> EngineError {
        if self.data_type.is_interval() {
            EngineError::data("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", "interval overflow in sum").help("try_sum gives NULL instead")
        } else {
            EngineError::data("ARITHMETIC_OVERFLOW", "long overflow in sum").help("try_sum gives NULL instead")
        }
    }
}

impl Fold for SumInteger {
    type State = IntegerSum;

    fn update(&self, states: &mut Slots<IntegerSum>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<i64>(&args[0])?;
        let mut failed = false;
        let narrow = matches!(self.data_type, DataType::YearMonthInterval(..));
        each(updates, values.validity, |slot, row| {
            let state = &mut states[slot];
            let (sum, over) = state.sum.overflowing_add(values.values[row]);
            let over = over || (narrow && i32::try_from(sum).is_err());
            *state = IntegerSum { sum, seen: true, over: state.over | over };
            failed |= over;
        });
        if failed && !self.attempt { Err(self.overflow()) } else { Ok(()) }
    }

    fn merge(&self, into: &mut IntegerSum, from: IntegerSum) -> Result<(), EngineError> {
        let (sum, over) = into.sum.overflowing_add(from.sum);
        let narrow = matches!(self.data_type, DataType::YearMonthInterval(..));
        let over = over || (narrow && i32::try_from(sum).is_err());
        *into = IntegerSum { sum, seen: into.seen | from.seen, over: into.over | from.over | over };
        if over && !self.attempt { Err(self.overflow()) } else { Ok(()) }
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a IntegerSum>) -> Result<Series, EngineError> {
        narrow(optional(states, |s| Ok((s.seen && !s.over).then_some(s.sum)))?, &self.data_type)
    }
}

struct SumDouble;

impl Fold for SumDouble {
    type State = (f64, bool);

    fn update(&self, states: &mut Slots<(f64, bool)>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let state = &mut states[slot];
            *state = (state.0 + values.values[row], true);
        });
        Ok(())
    }

    fn merge(&self, into: &mut (f64, bool), from: (f64, bool)) -> Result<(), EngineError> {
        *into = (into.0 + from.0, into.1 | from.1);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a (f64, bool)>) -> Result<Series, EngineError> {
        optional(states, |s| Ok(s.1.then_some(s.0)))
    }
}

/// The largest unscaled value of `precision` digits, and one more.
fn limit(precision: u8) -> i128 {
    10i128.pow(u32::from(precision.min(38)))
}

/// DECIMAL overflow, as Spark reports it for sums.
fn decimal_overflow(value: &str, precision: u8, scale: u8) -> EngineError {
    EngineError::data(
        "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
        format!("{value} cannot be represented as Decimal({precision}, {scale})"),
    )
    .help("try_sum and try_avg give NULL instead")
}

struct SumDecimal {
    precision: u8,
    scale: u8,
    attempt: bool,
}

#[derive(Clone, Copy, Default)]
struct DecimalSum {
    sum: i128,
    count: i64,
    over: bool,
}

stored!(DecimalSum { sum, count, over });

fn add_decimals(states: &mut Slots<DecimalSum>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
    let values = numbers::<i128>(&args[0])?;
    each(updates, values.validity, |slot, row| {
        let state = &mut states[slot];
        let (sum, over) = state.sum.overflowing_add(values.values[row]);
        *state = DecimalSum { sum, count: state.count + 1, over: state.over | over };
    });
    Ok(())
}

fn merge_decimals(into: &mut DecimalSum, from: DecimalSum) {
    let (sum, over) = into.sum.overflowing_add(from.sum);
    *into = DecimalSum { sum, count: into.count + from.count, over: into.over | from.over | over };
}

impl Fold for SumDecimal {
    type State = DecimalSum;

    fn update(&self, states: &mut Slots<DecimalSum>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        add_decimals(states, updates, args)
    }

    fn merge(&self, into: &mut DecimalSum, from: DecimalSum) -> Result<(), EngineError> {
        merge_decimals(into, from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a DecimalSum>) -> Result<Series, EngineError> {
        let limit = limit(self.precision);
        optional(states, |s| match s {
            s if s.count == 0 => Ok(None),
            s if !s.over && s.sum.abs() < limit => Ok(Some(s.sum)),
            _ if self.attempt => Ok(None),
            _ => Err(EngineError::data("ARITHMETIC_OVERFLOW", format!("overflow in sum of decimals of scale {}", self.scale))
                .help("try_sum gives NULL instead")),
        })
    }
}

struct AvgDouble;

impl Fold for AvgDouble {
    type State = (f64, i64);

    fn update(&self, states: &mut Slots<(f64, i64)>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let state = &mut states[slot];
            *state = (state.0 + values.values[row], state.1 + 1);
        });
        Ok(())
    }

    fn merge(&self, into: &mut (f64, i64), from: (f64, i64)) -> Result<(), EngineError> {
        *into = (into.0 + from.0, into.1 + from.1);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a (f64, i64)>) -> Result<Series, EngineError> {
        optional(states, |s| Ok((s.1 > 0).then(|| s.0 / s.1 as f64)))
    }
}

struct AvgDecimal {
    from: u8,
    precision: u8,
    scale: u8,
    attempt: bool,
}

/// `a / b` rounded half away from zero; `b` is positive.
fn divide(a: i128, b: i128) -> i128 {
    let (quotient, rest) = (a / b, a % b);
    if rest.abs() >= b - rest.abs() { quotient + a.signum() } else { quotient }
}

impl Fold for AvgDecimal {
    type State = DecimalSum;

    fn update(&self, states: &mut Slots<DecimalSum>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        add_decimals(states, updates, args)
    }

    fn merge(&self, into: &mut DecimalSum, from: DecimalSum) -> Result<(), EngineError> {
        merge_decimals(into, from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a DecimalSum>) -> Result<Series, EngineError> {
        let limit = limit(self.precision);
        optional(states, |s| {
            if s.count == 0 {
                return Ok(None);
            }
            let count = i128::from(s.count);
            // Whole part first: scaling the sum itself could leave the 128 bits.
            let factor = 10i128.pow(u32::from(self.scale.saturating_sub(self.from)));
            let average = (s.sum / count)
                .checked_mul(factor)
                .and_then(|whole| (s.sum % count).checked_mul(factor).map(|rest| whole + divide(rest, count)));
            match average.filter(|a| !s.over && a.abs() < limit) {
                Some(value) => Ok(Some(value)),
                None if self.attempt => Ok(None),
                None => Err(decimal_overflow("the average", self.precision, self.scale)),
            }
        })
    }
}

struct AvgInterval {
    data_type: DataType,
    attempt: bool,
}

impl Fold for AvgInterval {
    type State = (i128, i64);

    fn update(&self, states: &mut Slots<(i128, i64)>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<i64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let state = &mut states[slot];
            *state = (state.0 + i128::from(values.values[row]), state.1 + 1);
        });
        Ok(())
    }

    fn merge(&self, into: &mut (i128, i64), from: (i128, i64)) -> Result<(), EngineError> {
        *into = (into.0 + from.0, into.1 + from.1);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a (i128, i64)>) -> Result<Series, EngineError> {
        // The sum has the interval's own width in Spark, and overflows as one.
        let fits = |sum: i128| match self.data_type {
            DataType::YearMonthInterval(..) => i32::try_from(sum).is_ok(),
            _ => i64::try_from(sum).is_ok(),
        };
        let averages = optional(states, |s| match s {
            (_, 0) => Ok(None),
            (sum, n) if fits(*sum) => Ok(Some(divide(*sum, i128::from(*n)) as i64)),
            _ if self.attempt => Ok(None),
            _ => {
                let message = "interval overflow in avg";
                Err(EngineError::data("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", message).help("try_avg gives NULL instead"))
            }
        })?;
        narrow(averages, &self.data_type)
    }
}

struct Product;

impl Fold for Product {
    type State = Option<f64>;

    fn update(&self, states: &mut Slots<Option<f64>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| states[slot] = Some(states[slot].unwrap_or(1.0) * values.values[row]));
        Ok(())
    }

    fn merge(&self, into: &mut Option<f64>, from: Option<f64>) -> Result<(), EngineError> {
        *into = match (*into, from) {
            (Some(a), Some(b)) => Some(a * b),
            (a, b) => a.or(b),
        };
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Option<f64>>) -> Result<Series, EngineError> {
        optional(states, |s| Ok(*s))
    }
}

struct Flag {
    and: bool,
}

impl Fold for Flag {
    type State = Option<bool>;

    fn update(&self, states: &mut Slots<Option<bool>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = flags(&args[0])?;
        each(updates, values.0.validity(), |slot, row| {
            let value = values.0.value(row);
            let before = states[slot].unwrap_or(self.and);
            states[slot] = Some(if self.and { before & value } else { before | value });
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<bool>, from: Option<bool>) -> Result<(), EngineError> {
        *into = match (*into, from) {
            (Some(a), Some(b)) => Some(if self.and { a & b } else { a | b }),
            (a, b) => a.or(b),
        };
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Option<bool>>) -> Result<Series, EngineError> {
        optional(states, |s| Ok(*s))
    }
}

struct Bits {
    op: fn(i64, i64) -> i64,
    data_type: DataType,
}

impl Fold for Bits {
    type State = Option<i64>;

    fn update(&self, states: &mut Slots<Option<i64>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<i64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let value = values.values[row];
            states[slot] = Some(states[slot].map_or(value, |before| (self.op)(before, value)));
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<i64>, from: Option<i64>) -> Result<(), EngineError> {
        *into = match (*into, from) {
            (Some(a), Some(b)) => Some((self.op)(a, b)),
            (a, b) => a.or(b),
        };
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Option<i64>>) -> Result<Series, EngineError> {
        narrow(optional(states, |s| Ok(*s))?, &self.data_type)
    }
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn halves_go_away_from_zero() {
        assert_eq!([divide(5, 2), divide(-5, 2), divide(4, 3), divide(-4, 3), divide(6, 3)], [3, -3, 1, -1, 2]);
    }
}
