//! min, max, min_by, max_by, first, last, any_value.

use super::{Fold, Made, Shape, Updates, column, constant, each, narrow};
use crate::checkpoint::{Block, Columns};
use crate::engine::EngineError;
use crate::engine::columns::{series_of, value_at};
use crate::engine::eval::access::{self, Cells, Output, bytes, numbers, validity};
use crate::engine::state::codec::{self, Direction};
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::Stored;
use crate::plan::expr::{AggregateCall, Expr};
use crate::types::{DataType, Value};
use polars::prelude::{self as pl, Series};

pub(super) fn make(call: &AggregateCall) -> Option<Result<Made, EngineError>> {
    let data_type = call.data_type.clone();
    Some(Ok(match call.function.0 {
        "min" | "max" => extreme(data_type, call.function.0 == "max"),
        "min_by" | "max_by" => {
            let by = call.args.get(1).map_or(DataType::Void, Expr::data_type);
            if let Some(most) = constant(call, 2).and_then(Value::as_int) {
                let value = call.args.first().map_or(DataType::Void, Expr::data_type);
                let kind = Several { most: most as usize, greatest: call.function.0 == "max_by", value, by };
                return Some(Ok(column(kind, &[Shape::Raw, Shape::Raw])));
            }
            column(By { data_type, by, greatest: call.function.0 == "max_by" }, &[Shape::Raw, Shape::Raw])
        }
        "first" | "any_value" => column(Pick { data_type, ignore_nulls: ignores_nulls(call), last: false }, &[Shape::Raw]),
        "last" => column(Pick { data_type, ignore_nulls: ignores_nulls(call), last: true }, &[Shape::Raw]),
        _ => return None,
    }))
}

fn ignores_nulls(call: &AggregateCall) -> bool {
    call.ignore_nulls || matches!(constant(call, 1), Some(Value::Boolean(true)))
}

fn extreme(data_type: DataType, greatest: bool) -> Made {
    match &data_type {
        DataType::Float | DataType::Double => column(Float { data_type, greatest }, &[Shape::Double]),
        DataType::Decimal(..) => column(Decimal { greatest }, &[Shape::Decimal]),
        DataType::String | DataType::Binary => column(Bytes { data_type, greatest }, &[Shape::Bytes]),
        DataType::Boolean | DataType::Void => column(Integer { data_type, greatest }, &[Shape::Integer]),
        t if t.is_integral() || t.is_datetime() || matches!(t, DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..)) => {
            column(Integer { data_type, greatest }, &[Shape::Integer])
        }
        _ => {
            // Arrays and structs: the value is its own order key.
            let by = data_type.clone();
            (column(By { data_type, by, greatest }, &[]).0, vec![Shape::Raw])
        }
    }
}

struct Integer {
    data_type: DataType,
    greatest: bool,
}

#[derive(Clone, Copy, Default)]
struct Best<T> {
    value: T,
    seen: bool,
}

impl<T: Stored> Stored for Best<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.value.put(out);
        self.seen.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Best<T>> {
        Some(Best { value: T::take(bytes)?, seen: bool::take(bytes)? })
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block)
    where
        Self: 'a,
    {
        T::put_all(all.clone().map(|one| &one.value), out);
        bool::put_all(all.map(|one| &one.seen), out);
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Best<T>>> {
        let values = T::take_all(columns)?;
        Some(values.into_iter().zip(bool::take_all(columns)?).map(|(value, seen)| Best { value, seen }).collect())
    }
}

fn keep<T: Copy>(state: &mut Best<T>, value: T, better: bool) {
    if better || !state.seen {
        *state = Best { value, seen: true };
    }
}

fn bests<'a, T: Output + Copy + 'a>(states: impl ExactSizeIterator<Item = &'a Best<T>>) -> Series {
    let mut builder = T::builder(states.len());
    for state in states {
        if state.seen { state.value.push_to(&mut builder) } else { T::push_null(&mut builder) }
    }
    T::finish(builder)
}

impl Fold for Integer {
    type State = Best<i64>;

    fn update(&self, states: &mut Slots<Best<i64>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<i64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let (state, value) = (&mut states[slot], values.values[row]);
            keep(state, value, if self.greatest { value > state.value } else { value < state.value });
        });
        Ok(())
    }

    fn merge(&self, into: &mut Best<i64>, from: Best<i64>) -> Result<(), EngineError> {
        if from.seen {
            keep(into, from.value, if self.greatest { from.value > into.value } else { from.value < into.value });
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Best<i64>>) -> Result<Series, EngineError> {
        narrow(bests(states), &self.data_type)
    }
}

struct Float {
    data_type: DataType,
    greatest: bool,
}

/// Spark's order of doubles: NaN above all else; -0.0 is 0.0.
fn less(a: f64, b: f64) -> bool {
    if a.is_nan() { false } else { b.is_nan() || a < b }
}

impl Fold for Float {
    type State = Best<f64>;

    fn update(&self, states: &mut Slots<Best<f64>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<f64>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let (state, value) = (&mut states[slot], values.values[row]);
            keep(state, value, if self.greatest { less(state.value, value) } else { less(value, state.value) });
        });
        Ok(())
    }

    fn merge(&self, into: &mut Best<f64>, from: Best<f64>) -> Result<(), EngineError> {
        if from.seen {
            keep(into, from.value, if self.greatest { less(into.value, from.value) } else { less(from.value, into.value) });
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Best<f64>>) -> Result<Series, EngineError> {
        let column: Series = bests(states);
        if self.data_type == DataType::Float { Ok(column.cast(&pl::DataType::Float32)?.rechunk()) } else { Ok(column) }
    }
}

struct Decimal {
    greatest: bool,
}

impl Fold for Decimal {
    type State = Best<i128>;

    fn update(&self, states: &mut Slots<Best<i128>>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = numbers::<i128>(&args[0])?;
        each(updates, values.validity, |slot, row| {
            let (state, value) = (&mut states[slot], values.values[row]);
            keep(state, value, if self.greatest { value > state.value } else { value < state.value });
        });
        Ok(())
    }

    fn merge(&self, into: &mut Best<i128>, from: Best<i128>) -> Result<(), EngineError> {
        if from.seen {
            keep(into, from.value, if self.greatest { from.value > into.value } else { from.value < into.value });
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Best<i128>>) -> Result<Series, EngineError> {
        Ok(bests(states))
    }
}

struct Bytes {
    data_type: DataType,
    greatest: bool,
}

impl Fold for Bytes {
    type State = Option<Box<[u8]>>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let values = bytes(&args[0])?;
        each(updates, values.validity(), |slot, row| {
            let value = values.value(row);
            let better = states[slot].as_deref().is_none_or(|before| if self.greatest { value > before } else { value < before });
            if better {
                states[slot] = Some(value.into());
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<Box<[u8]>>, from: Option<Box<[u8]>>) -> Result<(), EngineError> {
        let better = match (&into, &from) {
            (Some(before), Some(value)) if self.greatest => value > before,
            (Some(before), Some(value)) => value < before,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if better {
            *into = from;
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut builder = <&[u8] as Output>::builder(states.len());
        for state in states {
            match state {
                Some(v) => builder.push_value(&**v),
                None => builder.push_null(),
            }
        }
        let column = <&[u8] as access::Output>::finish(builder);
        if self.data_type == DataType::String { Ok(column.cast(&pl::DataType::String)?.rechunk()) } else { Ok(column) }
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.as_deref().map_or(0, <[u8]>::len)
    }
}

/// The value of the row whose order key is the least or greatest; of equal ones the last.
struct By {
    data_type: DataType,
    by: DataType,
    greatest: bool,
}

impl Fold for By {
    type State = Option<(Box<[u8]>, Value)>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let order = args.last().ok_or_else(|| EngineError::internal("min_by without arguments"))?;
        let up = Direction { descending: false, nulls_first: true };
        let keys = codec::encode_ordered(std::slice::from_ref(order), std::slice::from_ref(&self.by), &[up], order.len())?;
        each(updates, validity(order), |slot, row| {
            let key = keys.row(row);
            let better = match &states[slot] {
                Some((before, _)) if self.greatest => key >= &**before,
                Some((before, _)) => key <= &**before,
                None => true,
            };
            if better {
                states[slot] = Some((key.into(), value_at(&args[0], row, &self.data_type)));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<(Box<[u8]>, Value)>, from: Option<(Box<[u8]>, Value)>) -> Result<(), EngineError> {
        let better = match (&into, &from) {
            (Some((before, _)), Some((key, _))) if self.greatest => key >= before,
            (Some((before, _)), Some((key, _))) => key <= before,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if better {
            *into = from;
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let values: Vec<Value> = states.map(|s| s.as_ref().map_or(Value::Null, |(_, v)| v.clone())).collect();
        Ok(series_of(&values, &self.data_type))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.as_ref().map_or(0, |(key, _)| key.len())
    }
}

/// The values of the rows whose order keys are the least or greatest, in that order.
struct Several {
    most: usize,
    greatest: bool,
    value: DataType,
    by: DataType,
}

impl Several {
    /// Sorts, and drops what is beyond the number asked for; of equal keys the first to come stays.
    fn cut(&self, state: &mut Vec<(Box<[u8]>, Value)>) {
        state.sort_by(|a, b| if self.greatest { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
        state.truncate(self.most);
    }
}

impl Fold for Several {
    type State = Vec<(Box<[u8]>, Value)>;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let up = Direction { descending: false, nulls_first: true };
        let keys = codec::encode_ordered(&args[1..2], std::slice::from_ref(&self.by), &[up], args[1].len())?;
        each(updates, validity(&args[1]), |slot, row| {
            let state = &mut states[slot];
            state.push((keys.row(row).into(), value_at(&args[0], row, &self.value)));
            // Room to spare, so that not every row sorts.
            if state.len() >= 2 * self.most + 64 {
                self.cut(state);
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), EngineError> {
        into.extend(from);
        self.cut(into);
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let mut out = Vec::with_capacity(states.len());
        for state in states {
            let mut state = state.clone();
            self.cut(&mut state);
            out.push(if state.is_empty() { Value::Null } else { Value::Array(state.into_iter().map(|(_, v)| v).collect()) });
        }
        Ok(series_of(&out, &DataType::array(self.value.clone())))
    }

    fn heap(&self, state: &Self::State) -> usize {
        state.iter().map(|(key, _)| key.len() + 64).sum()
    }
}

/// The first or last value that came.
struct Pick {
    data_type: DataType,
    ignore_nulls: bool,
    last: bool,
}

impl Fold for Pick {
    type State = Option<Value>;

    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let valid = if self.ignore_nulls { validity(&args[0]) } else { None };
        each(updates, valid, |slot, row| {
            if self.last || states[slot].is_none() {
                states[slot] = Some(value_at(&args[0], row, &self.data_type));
            }
        });
        Ok(())
    }

    fn merge(&self, into: &mut Option<Value>, from: Option<Value>) -> Result<(), EngineError> {
        if from.is_some() && (self.last || into.is_none()) {
            *into = from;
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError> {
        let values: Vec<Value> = states.map(|s| s.clone().unwrap_or(Value::Null)).collect();
        Ok(series_of(&values, &self.data_type))
    }
}
