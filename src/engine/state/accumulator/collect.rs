//! Aggregates that keep their values: lists, sets, percentiles, mode, joined strings.

use super::{Fold, Made, Shape, Updates, column, constant, each, narrow};
use crate::engine::EngineError;
use crate::engine::columns::{series_of, value_at};
use crate::engine::eval::access::{Output, numbers, validity};
use crate::engine::state::codec::{self, Direction};
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::Stored;
use crate::plan::expr::{AggregateCall, Expr};
use crate::types::{DataType, Value};
use polars::prelude::Series;
use std::collections::{HashMap, HashSet};

pub(super) fn make(call: &AggregateCall) -> Result<Option<Made>, EngineError> {
    let first = call.args.first().map_or(DataType::Void, Expr::data_type);
    Ok(Some(match call.function.0 {
        "collect_list" => column(List { element: first }, &[Shape::Raw]),
        "collect_set" => column(Set { element: first }, &[Shape::Raw]),
        "median" => column(Percentile { shares: vec![0.5], array: false, data_type: call.data_type.clone() }, &[Shape::Double]),
        "percentile" => {
            let (shares, array) = shares(call)?;
            let shapes: &[Shape] = if call.args.len() > 2 { &[Shape::Double, Shape::Raw, Shape::Integer] } else { &[Shape::Double] };
            column(Percentile { shares, array, data_type: element(&call.data_type, array) }, shapes)
        }
        "approx_percentile" => {
            let (shares, array) = shares(call)?;
            column(Rank { shares, array, data_type: element(&call.data_type, array) }, &[Shape::Raw])
        }
        "mode" => column(Mode { data_type: first, least: matches!(constant(call, 1), Some(Value::Boolean(true))) }, &[Shape::Raw]),
        "listagg" => {
            let delimiter = match constant(call, 1) {
                Some(Value::String(s)) => s.as_bytes().to_vec(),
                Some(Value::Binary(b)) => b.clone(),
                _ => Vec::new(),
            };
            column(Joined { delimiter, data_type: call.data_type.clone() }, &[Shape::Bytes])
        }
        _ => return Ok(None),
    }))
}

fn element(data_type: &DataType, array: bool) -> DataType {
    match data_type {
        DataType::Array(inner) if array => (**inner).clone(),
        other => other.clone(),
    }
}

/// The percentages of a call, and whether they came as an array.
fn shares(call: &AggregateCall) -> Result<(Vec<f64>, bool), EngineError> {
    fn number(e: &Expr) -> Option<f64> {
        match e {
            Expr::Literal { value, data_type } => of_value(value, data_type),
            Expr::Cast { expr, .. } => number(expr),
            _ => None,
        }
    }
    fn of_value(value: &Value, data_type: &DataType) -> Option<f64> {
        match (value, data_type) {
            (Value::Int(n), _) => Some(*n as f64),
            (Value::Double(d), _) => Some(*d),
            (Value::Float(f), _) => Some(f64::from(*f)),
            (Value::Decimal(d), DataType::Decimal(_, scale)) => Some(*d as f64 / 10f64.powi(i32::from(*scale))),
            _ => None,
        }
    }
    fn list(e: &Expr) -> Option<Vec<f64>> {
        match e {
            Expr::Literal { value: Value::Array(values), data_type: DataType::Array(t) } => values.iter().map(|v| of_value(v, t)).collect(),
            Expr::Call { args, .. } => args.iter().map(number).collect(),
            Expr::Cast { expr, .. } => list(expr),
            _ => None,
        }
    }
    let given = call.args.get(1).ok_or_else(|| EngineError::internal("a percentile without a percentage"))?;
    let array = matches!(given.data_type(), DataType::Array(_));
    let shares = if array { list(given) } else { number(given).map(|n| vec![n]) };
    match shares {
        Some(shares) if shares.iter().all(|s| (0.0..=1.0).contains(s)) => Ok((shares, array)),
        Some(_) => Err(EngineError::data("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "a percentage must lie between 0.0 and 1.0")),
        None => {
            Err(EngineError::data("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "a percentage must be a constant number or array of numbers"))
        }
    }
}

struct List {
    element: DataType,
}

impl Fold for List {
    type State = Vec<Value>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Vec<Value>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        each(updates, validity(&args[0]), |slot, row| states[slot].push(value_at(&args[0], row, &self.element)));
        Ok(())
    }

    fn merge(&self, into: &mut Vec<Value>, from: Vec<Value>) -> Result<(), EngineError> {
        into.extend(from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Vec<Value>>) -> Result<Series, EngineError> {
        let values: Vec<Value> = states.map(|s| Value::Array(s.clone())).collect();
        Ok(series_of(&values, &DataType::array(self.element.clone())))
    }

    fn heap(&self, state: &Vec<Value>) -> usize {
        state.capacity() * size_of::<Value>()
    }
}

struct Set {
    element: DataType,
}

#[derive(Clone, Default)]
struct Distinct {
    values: Vec<Value>,
    /// The bytes of each value, which tell it from others.
    keys: Vec<Key>,
    seen: HashSet<Key>,
}

type Key = std::sync::Arc<[u8]>;

impl Stored for Distinct {
    fn put(&self, out: &mut Vec<u8>) {
        self.values.put(out);
        self.keys.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Distinct> {
        let (values, keys) = (Vec::take(bytes)?, Vec::<Key>::take(bytes)?);
        let seen = keys.iter().cloned().collect();
        Some(Distinct { values, keys, seen })
    }
}

impl Fold for Set {
    type State = Distinct;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Distinct>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let keys = codec::encode(&args[..1], std::slice::from_ref(&self.element), args[0].len())?;
        each(updates, validity(&args[0]), |slot, row| {
            let state = &mut states[slot];
            if !state.seen.contains(keys.row(row)) {
                let key: Key = keys.row(row).into();
                state.seen.insert(key.clone());
                state.keys.push(key);
                state.values.push(value_at(&args[0], row, &self.element));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Distinct, from: Distinct) -> Result<(), EngineError> {
        for (value, key) in from.values.into_iter().zip(from.keys) {
            if into.seen.insert(key.clone()) {
                into.values.push(value);
                into.keys.push(key);
            }
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Distinct>) -> Result<Series, EngineError> {
        let values: Vec<Value> = states.map(|s| Value::Array(s.values.clone())).collect();
        Ok(series_of(&values, &DataType::array(self.element.clone())))
    }

    fn heap(&self, state: &Distinct) -> usize {
        state.values.capacity() * size_of::<Value>() + state.seen.iter().map(|k| k.len() + 24).sum::<usize>()
    }
}

/// Exact percentiles, interpolated between neighbours; a third argument weighs each value.
struct Percentile {
    shares: Vec<f64>,
    array: bool,
    data_type: DataType,
}

impl Percentile {
    fn of(sorted: &[(f64, i64)], total: i64, share: f64) -> f64 {
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
}

impl Fold for Percentile {
    type State = Vec<(f64, i64)>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        let weights = args.get(2).map(numbers::<i64>).transpose()?;
        let mut negative = false;
        each(updates, values.validity, |slot, row| {
            let weight = weights.as_ref().map_or(1, |w| w.values[row]);
            negative |= weight < 0;
            if weight > 0 {
                states[slot].push((values.values[row], weight));
            }
        });
        if negative { Err(EngineError::user("a frequency of percentile is negative")) } else { Ok(()) }
    }

    fn merge(&self, into: &mut Vec<(f64, i64)>, from: Vec<(f64, i64)>) -> Result<(), EngineError> {
        into.extend(from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut out = Vec::with_capacity(states.len());
        for state in states {
            let mut sorted = state.clone();
            sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
            let total: i64 = sorted.iter().map(|(_, n)| n).sum();
            let one = |share: &f64| Percentile::of(&sorted, total, *share);
            out.push((total > 0).then(|| self.shares.iter().map(one).collect::<Vec<f64>>()));
        }
        if self.array {
            let lists: Vec<Value> =
                out.into_iter().map(|o| o.map_or(Value::Null, |v| Value::Array(v.into_iter().map(Value::Double).collect()))).collect();
            return Ok(series_of(&lists, &DataType::array(DataType::Double)));
        }
        let mut builder = f64::builder(out.len());
        for one in out {
            match one {
                Some(v) => v[0].push_to(&mut builder),
                None => f64::push_null(&mut builder),
            }
        }
        narrow(<f64 as Output>::finish(builder), &self.data_type)
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.capacity() * 16
    }
}

/// The value at a rank: what approx_percentile gives while its accuracy is finer than the group.
struct Rank {
    shares: Vec<f64>,
    array: bool,
    data_type: DataType,
}

impl Fold for Rank {
    type State = Vec<(Box<[u8]>, Value)>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let up = Direction { descending: false, nulls_first: true };
        let keys = codec::encode_ordered(&args[..1], std::slice::from_ref(&self.data_type), &[up], args[0].len())?;
        each(updates, validity(&args[0]), |slot, row| {
            states[slot].push((keys.row(row).into(), value_at(&args[0], row, &self.data_type)));
        });
        Ok(())
    }

    fn merge(&self, into: &mut Vec<(Box<[u8]>, Value)>, from: Vec<(Box<[u8]>, Value)>) -> Result<(), EngineError> {
        into.extend(from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut out = Vec::with_capacity(states.len());
        for state in states {
            let mut sorted: Vec<&(Box<[u8]>, Value)> = state.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            let at = |share: &f64| {
                let rank = (share * sorted.len() as f64).ceil() as usize;
                sorted.get(rank.max(1) - 1).map_or(Value::Null, |(_, v)| v.clone())
            };
            out.push(match sorted.is_empty() {
                true => Value::Null,
                false if self.array => Value::Array(self.shares.iter().map(at).collect()),
                false => at(&self.shares[0]),
            });
        }
        let data_type = if self.array { DataType::array(self.data_type.clone()) } else { self.data_type.clone() };
        Ok(series_of(&out, &data_type))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.capacity() * 48
    }
}

/// The most frequent value; of several the one seen first, or the least if asked for.
struct Mode {
    data_type: DataType,
    least: bool,
}

#[derive(Clone, Default)]
struct Counts {
    index: HashMap<Box<[u8]>, usize>,
    values: Vec<(Value, i64, Box<[u8]>)>,
}

impl Stored for Counts {
    fn put(&self, out: &mut Vec<u8>) {
        self.values.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Counts> {
        let values = Vec::<(Value, i64, Box<[u8]>)>::take(bytes)?;
        let index = values.iter().enumerate().map(|(at, (_, _, key))| (key.clone(), at)).collect();
        Some(Counts { index, values })
    }
}

impl Fold for Mode {
    type State = Counts;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Counts>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let up = Direction { descending: false, nulls_first: true };
        let keys = codec::encode_ordered(&args[..1], std::slice::from_ref(&self.data_type), &[up], args[0].len())?;
        each(updates, validity(&args[0]), |slot, row| {
            let state = &mut states[slot];
            let key = keys.row(row);
            match state.index.get(key) {
                Some(at) => state.values[*at].1 += 1,
                None => {
                    state.index.insert(key.into(), state.values.len());
                    state.values.push((value_at(&args[0], row, &self.data_type), 1, key.into()));
                }
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Counts, from: Counts) -> Result<(), EngineError> {
        for (value, count, key) in from.values {
            match into.index.get(&key) {
                Some(at) => into.values[*at].1 += count,
                None => {
                    into.index.insert(key.clone(), into.values.len());
                    into.values.push((value, count, key));
                }
            }
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Counts>) -> Result<Series, EngineError> {
        let best = |state: &Counts| {
            let top = state.values.iter().map(|v| v.1).max()?;
            let mut ties = state.values.iter().filter(|v| v.1 == top);
            let chosen = if self.least { ties.min_by(|a, b| a.2.cmp(&b.2)) } else { ties.next() };
            chosen.map(|v| v.0.clone())
        };
        let values: Vec<Value> = states.map(|s| best(s).unwrap_or(Value::Null)).collect();
        Ok(series_of(&values, &self.data_type))
    }

    fn heap(&self, state: &Counts) -> usize {
        state.values.capacity() * 96
    }
}

/// Strings or binaries one after the other.
struct Joined {
    delimiter: Vec<u8>,
    data_type: DataType,
}

impl Fold for Joined {
    type State = Option<Vec<u8>>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = crate::engine::eval::access::bytes(&args[0])?;
        each(updates, validity(&args[0]), |slot, row| match &mut states[slot] {
            Some(text) => {
                text.extend_from_slice(&self.delimiter);
                text.extend_from_slice(values.0.value(row));
            }
            empty => *empty = Some(values.0.value(row).to_vec()),
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<Vec<u8>>, from: Option<Vec<u8>>) -> Result<(), EngineError> {
        match (into.as_mut(), from) {
            (Some(text), Some(more)) => {
                text.extend_from_slice(&self.delimiter);
                text.extend(more);
            }
            (None, more) => *into = more,
            (Some(_), None) => {}
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut builder = <&[u8] as Output>::builder(states.len());
        for state in states {
            match state {
                Some(v) => builder.push_value(v.as_slice()),
                None => builder.push_null(),
            }
        }
        narrow(<&[u8] as Output>::finish(builder), &self.data_type)
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.as_ref().map_or(0, Vec::capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_interpolate() {
        let values = [(0.0, 1), (10.0, 1)];
        assert_eq!(Percentile::of(&values, 2, 0.3), 3.0);
        assert_eq!(Percentile::of(&[(1.0, 3), (5.0, 1)], 4, 0.5), 1.0);
    }
}
