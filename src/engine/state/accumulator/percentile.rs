//! percentile, percentile_cont, percentile_disc, median: exact, over all values of a group.

use super::{Fold, Made, Shape, Updates, column, constant, each, number_of};
use crate::engine::EngineError;
use crate::engine::columns::series_of;
use crate::engine::eval::access::numbers;
use crate::engine::state::slots::Slots;
use crate::plan::expr::AggregateCall;
use crate::types::{DataType, Value};
use polars::prelude::Series;

pub(super) fn make(call: &AggregateCall) -> Result<Option<Made>, EngineError> {
    let ordered = |discrete: bool| {
        let descending = matches!(constant(call, 2), Some(Value::Boolean(true)));
        let (shares, array) = shares(call)?;
        let kind = Percentile { shares, array, discrete, descending, data_type: element(&call.data_type, array) };
        Ok::<_, EngineError>(column(kind, &[Shape::Double]))
    };
    Ok(Some(match call.function.0 {
        "median" => {
            let data_type = call.data_type.clone();
            column(Percentile { shares: vec![0.5], array: false, discrete: false, descending: false, data_type }, &[Shape::Double])
        }
        "percentile" => {
            let (shares, array) = shares(call)?;
            let shapes: &[Shape] = if call.args.len() > 2 { &[Shape::Double, Shape::Raw, Shape::Integer] } else { &[Shape::Double] };
            let data_type = element(&call.data_type, array);
            column(Percentile { shares, array, discrete: false, descending: false, data_type }, shapes)
        }
        "percentile_cont" => ordered(false)?,
        "percentile_disc" => ordered(true)?,
        _ => return Ok(None),
    }))
}

/// The type of one percentile where the call gives an array of them.
pub(super) fn element(data_type: &DataType, array: bool) -> DataType {
    match data_type {
        DataType::Array(inner) if array => (**inner).clone(),
        other => other.clone(),
    }
}

/// The percentages of a call, which the analyzer made literals of DOUBLE, and whether they came as an array.
pub(super) fn shares(call: &AggregateCall) -> Result<(Vec<f64>, bool), EngineError> {
    let double = |value: &Value| if let Value::Double(share) = value { Some(*share) } else { None };
    let given = match constant(call, 1) {
        Some(Value::Array(values)) => values.iter().map(double).collect::<Option<Vec<f64>>>().map(|shares| (shares, true)),
        Some(value) => double(value).map(|share| (vec![share], false)),
        None => None,
    };
    given.ok_or_else(|| EngineError::internal(format!("{} without its percentages", call.function.0)))
}

/// The percentiles of a group's values in order, and how often each counts.
struct Percentile {
    shares: Vec<f64>,
    array: bool,
    /// A value of the group rather than a mean of two.
    discrete: bool,
    descending: bool,
    data_type: DataType,
}

impl Percentile {
    /// Interpolated between the neighbours of the place that `share` points to.
    fn between(sorted: &[(f64, i64)], total: i64, share: f64) -> f64 {
        let position = (total - 1) as f64 * share;
        let (lower, higher) = (position.floor() as i64, position.ceil() as i64);
        let at = |rank: i64| {
            let mut before = 0;
            sorted.iter().find(|(_, n)| {
                before += n;
                before > rank
            })
        };
        let value = |rank| at(rank).map_or(f64::NAN, |(v, _)| *v);
        let (low, high) = (value(lower), value(higher));
        if lower == higher || low == high { low } else { (higher as f64 - position) * low + (position - lower as f64) * high }
    }

    /// The first value such that at least `share` of all lie up to it.
    fn reached(sorted: &[(f64, i64)], total: i64, share: f64) -> f64 {
        let mut before = 0;
        let found = sorted.iter().find(|(_, n)| {
            before += n;
            before as f64 / total as f64 >= share
        });
        found.or(sorted.last()).map_or(f64::NAN, |(v, _)| *v)
    }
}

impl Fold for Percentile {
    type State = Vec<(f64, i64)>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        let weights = args.get(2).map(numbers::<i64>).transpose()?;
        let mut negative = None;
        each(updates, values.validity, |slot, row| {
            let weight = match &weights {
                Some(w) if w.validity.is_some_and(|valid| !valid.get_bit(row)) => 0,
                Some(w) => w.values[row],
                None => 1,
            };
            if weight < 0 {
                negative = negative.or(Some(weight));
            }
            if weight > 0 {
                states[slot].push((values.values[row], weight));
            }
        });
        match negative {
            Some(n) => Err(EngineError::data(
                "NEGATIVE_VALUES_IN_FREQUENCY_EXPRESSION",
                format!("a value cannot count {n} times: frequencies start at 0"),
            )),
            None => Ok(()),
        }
    }

    fn merge(&self, into: &mut Vec<(f64, i64)>, from: Vec<(f64, i64)>) -> Result<(), EngineError> {
        into.extend(from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut out = Vec::with_capacity(states.len());
        for state in states {
            let mut sorted = state.clone();
            sorted.sort_by(|a, b| if self.descending { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
            let total: i64 = sorted.iter().map(|(_, n)| n).sum();
            let one = |share: &f64| {
                let value =
                    if self.discrete { Percentile::reached(&sorted, total, *share) } else { Percentile::between(&sorted, total, *share) };
                number_of(value, &self.data_type)
            };
            out.push(match (total > 0, self.array) {
                (false, _) => Value::Null,
                (true, true) => Value::Array(self.shares.iter().map(one).collect()),
                (true, false) => one(&self.shares[0]),
            });
        }
        let data_type = if self.array { DataType::array(self.data_type.clone()) } else { self.data_type.clone() };
        Ok(series_of(&out, &data_type))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.capacity() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        let values = [(0.0, 1), (10.0, 1)];
        assert_eq!(Percentile::between(&values, 2, 0.3), 3.0);
        assert_eq!(Percentile::between(&[(1.0, 3), (5.0, 1)], 4, 0.5), 1.0);
    }

    #[test]
    fn discrete_percentiles_are_values() {
        let values = [(1.0, 1), (2.0, 1), (3.0, 1), (4.0, 1)];
        for (share, expected) in [(0.0, 1.0), (0.25, 1.0), (0.3, 2.0), (0.5, 2.0), (1.0, 4.0)] {
            assert_eq!(Percentile::reached(&values, 4, share), expected, "{share}");
        }
    }
}
