//! Aggregates that keep their values: lists, sets, mode, joined strings.

use super::{Fold, Made, Shape, Updates, column, constant, each, hash_table, narrow};
use crate::engine::EngineError;
use crate::engine::columns::{one_chunk, series_of, value_at};
use crate::engine::eval::access::{Cells, Output, lists, validity};
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
        "collect_union" => match first {
            DataType::Array(element) => column(Union(Set { element: *element }), &[Shape::Raw]),
            _ => return Err(EngineError::internal("collect_union of something that is no array")),
        },
        "mode" => {
            let ties = match constant(call, 1) {
                Some(Value::Boolean(true)) => Ties::Least,
                Some(Value::Int(_)) => Ties::Greatest,
                _ => Ties::Hashed,
            };
            column(Mode { data_type: first, ties }, &[Shape::Raw])
        }
        "listagg" => {
            let delimiter = match constant(call, 1) {
                Some(Value::String(s)) => s.as_bytes().to_vec(),
                Some(Value::Binary(b)) => b.clone(),
                _ => Vec::new(),
            };
            if call.args.len() <= 2 {
                return Ok(Some(column(Joined { delimiter, data_type: call.data_type.clone() }, &[Shape::Bytes])));
            }
            let keys: Vec<(DataType, Direction)> = call.args[2..]
                .chunks(2)
                .enumerate()
                .map(|(i, pair)| {
                    let flags = constant(call, 3 + 2 * i).and_then(Value::as_int).unwrap_or(0);
                    (pair[0].data_type(), Direction { descending: flags & 1 != 0, nulls_first: flags & 2 != 0 })
                })
                .collect();
            let mut shapes = vec![Shape::Raw; call.args.len()];
            shapes[0] = Shape::Bytes;
            column(Sorted { delimiter, data_type: call.data_type.clone(), keys }, &shapes)
        }
        _ => return Ok(None),
    }))
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

/// The distinct values.
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

impl Distinct {
    /// Adds a value that is not there yet, told by its bytes.
    fn add(&mut self, key: &[u8], value: impl FnOnce() -> Value) {
        if !self.seen.contains(key) {
            let key: Key = key.into();
            self.seen.insert(key.clone());
            self.keys.push(key);
            self.values.push(value());
        }
    }
}

impl Fold for Set {
    type State = Distinct;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Distinct>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let keys = codec::encode(&args[..1], std::slice::from_ref(&self.element), args[0].len())?;
        each(updates, validity(&args[0]), |slot, row| states[slot].add(keys.row(row), || value_at(&args[0], row, &self.element)));
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

/// The distinct elements of arrays.
struct Union(Set);

impl Fold for Union {
    type State = Distinct;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Distinct>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let arrays = lists(&args[0])?;
        let elements = one_chunk(arrays.inner().clone());
        let keys = codec::encode(std::slice::from_ref(&elements), std::slice::from_ref(&self.0.element), elements.len())?;
        let valid = validity(&elements);
        each(updates, arrays.validity(), |slot, row| {
            let (start, end) = arrays.value(row);
            for i in (start..end).filter(|i| valid.is_none_or(|v| v.get_bit(*i))) {
                states[slot].add(keys.row(i), || value_at(&elements, i, &self.0.element));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Distinct, from: Distinct) -> Result<(), EngineError> {
        self.0.merge(into, from)
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Distinct>) -> Result<Series, EngineError> {
        self.0.finish(states)
    }

    fn heap(&self, state: &Distinct) -> usize {
        self.0.heap(state)
    }
}

/// The most frequent value.
struct Mode {
    data_type: DataType,
    ties: Ties,
}

/// Which of several values that are as frequent.
#[derive(Clone, Copy, PartialEq)]
enum Ties {
    Least,
    Greatest,
    /// The one that Spark's hash table holds first.
    Hashed,
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
            if self.ties == Ties::Hashed && ties.clone().count() > 1 {
                let hashes: Option<Vec<i32>> = state.values.iter().map(|v| hash_table::code(&v.0, &self.data_type)).collect();
                if let Some(hashes) = hashes {
                    let order = hash_table::order(&hash_table::order(&(0..hashes.len()).collect::<Vec<_>>(), &hashes), &hashes);
                    return order.iter().map(|at| &state.values[*at]).find(|v| v.1 == top).map(|v| v.0.clone());
                }
            }
            let chosen = match self.ties {
                Ties::Least => ties.min_by(|a, b| a.2.cmp(&b.2)),
                Ties::Greatest => ties.max_by(|a, b| a.2.cmp(&b.2)),
                Ties::Hashed => ties.next(),
            };
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

/// Strings or binaries in the order of keys, one after the other.
struct Sorted {
    delimiter: Vec<u8>,
    data_type: DataType,
    keys: Vec<(DataType, Direction)>,
}

impl Fold for Sorted {
    /// The bytes that order each value, and the value.
    type State = Vec<(Box<[u8]>, Box<[u8]>)>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = crate::engine::eval::access::bytes(&args[0])?;
        let columns: Vec<Series> = (0..self.keys.len()).map(|i| args[2 + 2 * i].clone()).collect();
        let (types, directions): (Vec<_>, Vec<_>) = self.keys.iter().cloned().unzip();
        let order = codec::encode_ordered(&columns, &types, &directions, args[0].len())?;
        each(updates, validity(&args[0]), |slot, row| states[slot].push((order.row(row).into(), values.0.value(row).into())));
        Ok(())
    }

    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), EngineError> {
        into.extend(from);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut builder = <&[u8] as Output>::builder(states.len());
        for state in states {
            if state.is_empty() {
                builder.push_null();
                continue;
            }
            let mut sorted: Vec<_> = state.iter().collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            let values: Vec<&[u8]> = sorted.iter().map(|(_, value)| &**value).collect();
            builder.push_value(values.join(&self.delimiter[..]).as_slice());
        }
        narrow(<&[u8] as Output>::finish(builder), &self.data_type)
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.iter().map(|(key, value)| key.len() + value.len() + 32).sum()
    }
}
