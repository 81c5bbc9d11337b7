//! Window functions that take values of other rows: lag, lead, nth_value, counter_diff.

use super::window::Ordered;
use crate::engine::columns::{series_of, value_at};
use crate::engine::eval::access::is_null;
use crate::engine::eval::{Bound, EvalContext};
use crate::engine::{EngineError, Frame};
use crate::types::{DataType, Value};
use polars::prelude::{self as pl, IdxCa, Series};

/// The value `by` rows after each place, or with `ignore_nulls` the by-th after it that is not NULL.
pub(super) fn shift(
    frame: &Frame,
    ordered: &Ordered,
    (input, by, default, ignore_nulls): (&Bound, i64, Option<&Bound>, bool),
    eval: &EvalContext,
) -> Result<Series, EngineError> {
    let values = input.evaluate(frame, eval)?;
    let mut taken: Vec<Option<u32>> = Vec::with_capacity(ordered.order.len());
    for partition in ordered.partitions.windows(2) {
        let (first, end) = (partition[0], partition[1]);
        if ignore_nulls && by != 0 {
            // The places of values, and for each place how many of them stand before it.
            let known: Vec<usize> = (first..end).filter(|p| !is_null(&values, ordered.order[*p] as usize)).collect();
            for place in first..end {
                let before = known.partition_point(|p| *p < place) as i64;
                let after = known.partition_point(|p| *p <= place) as i64;
                let at = if by > 0 { after + by - 1 } else { before + by };
                taken.push(usize::try_from(at).ok().and_then(|at| known.get(at)).map(|p| ordered.order[*p]));
            }
            continue;
        }
        for place in first..end {
            let there = place as i64 + by;
            let inside = there >= first as i64 && there < end as i64;
            taken.push(inside.then(|| ordered.order[there as usize]));
        }
    }
    let missing: Vec<bool> = taken.iter().map(Option::is_none).collect();
    let values = values.take(&taken.into_iter().collect::<IdxCa>())?.rechunk();
    let Some(default) = default else { return Ok(values) };
    let defaults = default.evaluate(frame, eval)?.take(&IdxCa::from_vec("".into(), ordered.order.clone()))?.rechunk();
    let mask: pl::BooleanChunked = missing.into_iter().map(Some).collect();
    Ok(defaults.zip_with(&mask, &values)?.rechunk())
}

/// The n-th value of each frame.
pub(super) fn nth(
    values: &Series,
    ordered: &Ordered,
    frames: &[(usize, usize)],
    n: i64,
    ignore_nulls: bool,
) -> Result<Series, EngineError> {
    let n = usize::try_from(n - 1).map_err(|_| EngineError::user("nth_value counts from 1"))?;
    if !ignore_nulls {
        let pick = |(start, end): &(usize, usize)| ordered.order[*start..*end].get(n).copied();
        return Ok(values.take(&frames.iter().map(pick).collect::<IdxCa>())?.rechunk());
    }
    let known: Vec<usize> = (0..ordered.order.len()).filter(|p| !is_null(values, ordered.order[*p] as usize)).collect();
    let pick = |(start, end): &(usize, usize)| {
        let first = known.partition_point(|p| p < start);
        known.get(first + n).filter(|p| *p < end).map(|p| ordered.order[*p])
    };
    Ok(values.take(&frames.iter().map(pick).collect::<IdxCa>())?.rechunk())
}

/// By how much a counter grew since the row before that has a value.
///
/// NULL for the first value, and where the counter began anew: it is less than before, or `start` is later.
///
/// # Errors
/// A negative counter, or a start that goes back.
pub(super) fn counter_diff(
    frame: &Frame,
    ordered: &Ordered,
    (input, start): (&Bound, Option<&Bound>),
    eval: &EvalContext,
) -> Result<Series, EngineError> {
    let counters = input.evaluate(frame, eval)?;
    let starts = start.map(|s| s.evaluate(frame, eval)).transpose()?;
    let data_type = input.data_type();
    let mut out = Vec::with_capacity(ordered.order.len());
    for partition in ordered.partitions.windows(2) {
        let mut before: Option<(Value, Value)> = None;
        for row in &ordered.order[partition[0]..partition[1]] {
            let value = value_at(&counters, *row as usize, data_type);
            let began = starts.as_ref().map_or(Value::Null, |s| value_at(s, *row as usize, &DataType::Timestamp));
            if value.is_null() {
                out.push(Value::Null);
                continue;
            }
            out.push(grown(&value, &began, before.as_ref())?);
            before = Some((value, began));
        }
    }
    Ok(series_of(&out, data_type))
}

fn grown(value: &Value, began: &Value, before: Option<&(Value, Value)>) -> Result<Value, EngineError> {
    let negative = match value {
        Value::Int(n) => *n < 0,
        Value::Decimal(n) => *n < 0,
        Value::Float(x) => *x < 0.0,
        Value::Double(x) => *x < 0.0,
        _ => false,
    };
    if negative {
        return Err(EngineError::data("COUNTER_DIFF_NEGATIVE_COUNTER_VALUE", "counter_diff met a counter below 0"));
    }
    let Some((last, started)) = before else { return Ok(Value::Null) };
    if let (Value::Timestamp(now), Value::Timestamp(then)) = (began, started) {
        if now < then {
            return Err(EngineError::data(
                "COUNTER_DIFF_START_TIME_DECREASED",
                "counter_diff met a start time before the one of the row before",
            ));
        }
        if now > then {
            return Ok(Value::Null);
        }
    }
    // NaN is above all numbers.
    let less = |a: f64, b: f64| if a.is_nan() { false } else { b.is_nan() || a < b };
    Ok(match (value, last) {
        (Value::Int(n), Value::Int(m)) if n >= m => Value::Int(n - m),
        (Value::Decimal(n), Value::Decimal(m)) if n >= m => Value::Decimal(n - m),
        (Value::Double(x), Value::Double(y)) if !less(*x, *y) => Value::Double(x - y),
        (Value::Float(x), Value::Float(y)) if !less((*x).into(), (*y).into()) => Value::Float(x - y),
        _ => Value::Null,
    })
}
