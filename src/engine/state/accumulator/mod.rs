//! Aggregates as columns of states, one state per slot.
//!
//! A `Fold` says what one aggregate does; [`Accumulator`] is what the table sees of it. Arguments arrive in
//! one of a few [`Shape`]s, so that a fold has one loop and not one per width of integer.

mod collect;
mod hash_table;
mod histogram;
mod moments;
mod number;
mod order;
mod percentile;
mod quantile;
mod sketch;
mod vector;

use crate::checkpoint::block::LOT;
use crate::checkpoint::{Block, Columns};
use crate::engine::EngineError;
use crate::engine::columns::physical;
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::Stored;
use crate::plan::expr::{AggregateCall, Expr};
use crate::types::{DataType, Value};
use polars::prelude::{self as pl, Series};
use polars_arrow::bitmap::Bitmap;
use std::any::Any;
use std::collections::HashSet;

/// Which rows of a frame update which slots.
#[derive(Clone, Copy)]
pub struct Updates<'a> {
    /// Row numbers, ascending.
    pub rows: &'a [u32],
    /// The slot of each of them.
    pub slots: &'a [u32],
}

/// The form that a fold wants an argument in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As it is.
    Raw,
    /// Int64: integers, dates, timestamps, intervals, booleans as 0 and 1.
    Integer,
    /// Float64.
    Double,
    /// Int128.
    Decimal,
    /// Binary: strings as their bytes.
    Bytes,
}

impl Shape {
    /// The column in this form, in one chunk.
    pub fn give(self, column: Series) -> Result<Series, EngineError> {
        let target = match self {
            Shape::Raw => return Ok(column),
            Shape::Integer => pl::DataType::Int64,
            Shape::Double => pl::DataType::Float64,
            Shape::Decimal => pl::DataType::Int128,
            Shape::Bytes => pl::DataType::Binary,
        };
        Ok(if *column.dtype() == target { column } else { column.cast(&target)?.rechunk() })
    }
}

/// One aggregate over all slots of a partition.
pub trait Accumulator: Send + Sync {
    /// Makes room for `slots` slots; new ones are empty.
    fn grow(&mut self, slots: usize);
    /// Takes rows in.
    fn update(&mut self, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError>;
    /// Takes the states of the slots of `from` into those of `into`, pair by pair; what is left of them has no meaning.
    fn merge(&mut self, into: &[u32], from: &[u32]) -> Result<(), EngineError>;
    /// The results of those slots.
    fn finish(&self, slots: &[u32]) -> Result<Series, EngineError>;
    /// Copies the states of those slots.
    fn save(&self, slots: &[u32]) -> Box<dyn Any + Send + Sync>;
    /// Puts back what `save` gave for the same slots.
    fn restore(&mut self, slots: &[u32], saved: Box<dyn Any + Send + Sync>);
    /// Empties slots.
    fn clear(&mut self, slots: &[u32]);
    /// Appends the state of a slot as bytes, exactly: see [`stored`](super::stored).
    fn encode(&self, slot: u32, out: &mut Vec<u8>);
    /// Takes a state off the front of bytes and puts it into a slot that there is room for; `None` when the bytes are
    /// of something else.
    fn decode(&mut self, slot: u32, bytes: &mut &[u8]) -> Option<()>;
    /// Appends the states of those slots as columns.
    fn write_columns(&self, slots: &[u32], out: &mut Block);
    /// Takes such columns into slots that there is room for; `None` when they are of something else.
    fn read_columns(&mut self, slots: &[u32], columns: &mut Columns<'_>) -> Option<()>;
    /// Whether states hold memory outside themselves.
    fn is_large(&self) -> bool;
    /// Bytes of memory in use, about.
    fn bytes(&self) -> usize;
}

/// How many states go into one block: few of those that may be large.
pub fn lot(accumulators: &[Box<dyn Accumulator>]) -> usize {
    if accumulators.iter().any(|a| a.is_large()) { 256 } else { LOT }
}

/// What one aggregate does with one group.
trait Fold: Send + Sync + 'static {
    /// What is kept per group; the default is that of an empty one.
    type State: Clone + Default + Stored + Send + Sync + 'static;
    /// Takes rows in.
    fn update(&self, states: &mut Slots<Self::State>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError>;
    /// Takes another group's state in, as if its rows had come after.
    fn merge(&self, into: &mut Self::State, from: Self::State) -> Result<(), EngineError>;
    /// The groups' results.
    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Self::State>) -> Result<Series, EngineError>;
    /// Bytes that a state holds outside itself.
    fn heap(&self, _state: &Self::State) -> usize {
        0
    }
    /// Whether states hold memory outside themselves.
    const HEAP: bool = false;
}

struct Column<F: Fold> {
    fold: F,
    states: Slots<F::State>,
}

impl<F: Fold> Accumulator for Column<F> {
    fn grow(&mut self, slots: usize) {
        self.states.grow(slots, &F::State::default());
    }

    fn update(&mut self, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        self.fold.update(&mut self.states, updates, args)
    }

    fn merge(&mut self, into: &[u32], from: &[u32]) -> Result<(), EngineError> {
        for (into, from) in into.iter().zip(from) {
            let from = std::mem::take(&mut self.states[*from as usize]);
            self.fold.merge(&mut self.states[*into as usize], from)?;
        }
        Ok(())
    }

    fn finish(&self, slots: &[u32]) -> Result<Series, EngineError> {
        self.fold.finish(slots.iter().map(|s| &self.states[*s as usize]))
    }

    fn save(&self, slots: &[u32]) -> Box<dyn Any + Send + Sync> {
        Box::new(slots.iter().map(|s| self.states[*s as usize].clone()).collect::<Vec<_>>())
    }

    fn restore(&mut self, slots: &[u32], saved: Box<dyn Any + Send + Sync>) {
        if let Ok(saved) = saved.downcast::<Vec<F::State>>() {
            for (slot, state) in slots.iter().zip(*saved) {
                self.states[*slot as usize] = state;
            }
        }
    }

    fn clear(&mut self, slots: &[u32]) {
        slots.iter().for_each(|s| self.states[*s as usize] = F::State::default());
    }

    fn encode(&self, slot: u32, out: &mut Vec<u8>) {
        self.states[slot as usize].put(out);
    }

    fn decode(&mut self, slot: u32, bytes: &mut &[u8]) -> Option<()> {
        self.states[slot as usize] = F::State::take(bytes)?;
        Some(())
    }

    fn write_columns(&self, slots: &[u32], out: &mut Block) {
        F::State::put_all(slots.iter().map(|slot| &self.states[*slot as usize]), out);
    }

    fn read_columns(&mut self, slots: &[u32], columns: &mut Columns<'_>) -> Option<()> {
        let states = F::State::take_all(columns)?;
        slots.iter().zip(states).for_each(|(slot, state)| self.states[*slot as usize] = state);
        Some(())
    }

    fn is_large(&self) -> bool {
        F::HEAP
    }

    fn bytes(&self) -> usize {
        let own = self.states.bytes();
        if !F::HEAP || self.states.is_empty() {
            return own;
        }
        // A sample: walking all states would make every batch as slow as the state is large.
        let step = self.states.len().div_ceil(256);
        let sampled: usize = (0..self.states.len()).step_by(step).map(|at| self.fold.heap(&self.states[at])).sum();
        own + sampled * step
    }
}

/// An aggregate ready to be made once per partition.
#[derive(Clone)]
pub struct Aggregate {
    call: AggregateCall,
    shapes: Vec<Shape>,
    args: Vec<Expr>,
}

impl Aggregate {
    /// Looks up what the call means.
    ///
    /// # Errors
    /// A function that has no accumulator, or a constant argument that makes no sense.
    pub fn new(call: &AggregateCall) -> Result<Aggregate, EngineError> {
        let (_, shapes) = make(call)?;
        let args = call.args.iter().take(shapes.len()).cloned().collect();
        Ok(Aggregate { call: call.clone(), shapes, args })
    }

    /// The arguments that are evaluated per row, in order; constants that configure the function are left out.
    pub fn args(&self) -> &[Expr] {
        &self.args
    }

    /// The form of each argument.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// The condition of FILTER.
    pub fn filter(&self) -> Option<&Expr> {
        self.call.filter.as_ref()
    }

    /// Empty states.
    pub fn accumulator(&self) -> Result<Box<dyn Accumulator>, EngineError> {
        let (inner, _) = make(&self.call)?;
        if !self.call.distinct {
            return Ok(inner);
        }
        let types = self.args.iter().zip(&self.shapes).map(|(a, s)| shaped_type(&a.data_type(), *s)).collect();
        Ok(Box::new(Distinct { inner, types, seen: HashSet::new() }))
    }
}

/// A Spark type whose column has the form that `shape` makes of `data_type`.
fn shaped_type(data_type: &DataType, shape: Shape) -> DataType {
    match shape {
        Shape::Raw => data_type.clone(),
        Shape::Integer => DataType::BigInt,
        Shape::Double => DataType::Double,
        Shape::Decimal => DataType::Decimal(38, 0),
        Shape::Bytes => DataType::Binary,
    }
}

type Made = (Box<dyn Accumulator>, Vec<Shape>);

fn column<F: Fold>(fold: F, shapes: &[Shape]) -> Made {
    (Box::new(Column { fold, states: Slots::default() }), shapes.to_vec())
}

fn make(call: &AggregateCall) -> Result<Made, EngineError> {
    let name = call.function.0;
    let simple = number::make(call).or_else(|| moments::make(name)).or_else(|| order::make(call));
    if let Some(made) = simple {
        return made;
    }
    if let Some(made) = vector::make(call) {
        return Ok(made);
    }
    let of_values = [collect::make, percentile::make, quantile::make, histogram::make];
    for make in of_values {
        if let Some(made) = make(call)? {
            return Ok(made);
        }
    }
    sketch::make(call)?.ok_or_else(|| EngineError::user(format!("the aggregate function {name} is not built yet")))
}

/// The constant that argument `index` is.
fn constant(call: &AggregateCall, index: usize) -> Option<&Value> {
    fn literal(e: &Expr) -> Option<&Value> {
        match e {
            Expr::Literal { value, .. } => Some(value),
            Expr::Cast { expr, .. } => literal(expr),
            _ => None,
        }
    }
    call.args.get(index).and_then(literal)
}

/// Calls `f` with slot and row of every update whose row is valid.
#[inline]
fn each(updates: Updates<'_>, validity: Option<&Bitmap>, mut f: impl FnMut(usize, usize)) {
    match validity.filter(|v| v.unset_bits() > 0) {
        None => {
            for (row, slot) in updates.rows.iter().zip(updates.slots) {
                f(*slot as usize, *row as usize);
            }
        }
        Some(valid) => {
            for (row, slot) in updates.rows.iter().zip(updates.slots) {
                if valid.get_bit(*row as usize) {
                    f(*slot as usize, *row as usize);
                }
            }
        }
    }
}

/// A result that was computed as a DOUBLE, as a value of the type; whole numbers are cut towards zero.
fn number_of(value: f64, data_type: &DataType) -> Value {
    match data_type {
        DataType::Float => Value::Float(value as f32),
        DataType::Decimal(_, scale) => Value::Decimal((value * 10f64.powi(i32::from(*scale))).round() as i128),
        DataType::Date => Value::Date(value as i32),
        DataType::Timestamp | DataType::TimestampNtz => Value::Timestamp(value as i64),
        DataType::YearMonthInterval(..) => Value::YearMonth(value as i32),
        DataType::DayTimeInterval(..) => Value::DayTime(value as i64),
        DataType::TinyInt => Value::Int(i64::from(value as i8)),
        DataType::SmallInt => Value::Int(i64::from(value as i16)),
        DataType::Int => Value::Int(i64::from(value as i32)),
        DataType::BigInt => Value::Int(value as i64),
        _ => Value::Double(value),
    }
}

/// A column of the type from values in the wider form.
fn narrow(column: Series, data_type: &DataType) -> Result<Series, EngineError> {
    let target = physical(data_type);
    Ok(if *column.dtype() == target { column } else { column.cast(&target)?.rechunk() })
}

/// Passes each distinct combination of arguments on once per group. For bounded queries only: what it has
/// seen is not undone.
struct Distinct {
    inner: Box<dyn Accumulator>,
    types: Vec<DataType>,
    seen: HashSet<Vec<u8>>,
}

impl Accumulator for Distinct {
    fn grow(&mut self, slots: usize) {
        self.inner.grow(slots);
    }

    fn update(&mut self, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let length = args.first().map_or(0, |a| a.len());
        let encoded = super::codec::encode(args, &self.types, length)?;
        let (mut rows, mut slots) = (Vec::new(), Vec::new());
        for (row, slot) in updates.rows.iter().zip(updates.slots) {
            let mut key = slot.to_le_bytes().to_vec();
            key.extend_from_slice(encoded.row(*row as usize));
            if self.seen.insert(key) {
                rows.push(*row);
                slots.push(*slot);
            }
        }
        self.inner.update(Updates { rows: &rows, slots: &slots }, args)
    }

    fn merge(&mut self, into: &[u32], _from: &[u32]) -> Result<(), EngineError> {
        // A bounded query sees all rows at once: there is nothing to merge.
        if into.is_empty() {
            return Ok(());
        }
        Err(EngineError::internal("groups of DISTINCT values cannot merge"))
    }

    fn finish(&self, slots: &[u32]) -> Result<Series, EngineError> {
        self.inner.finish(slots)
    }

    fn save(&self, slots: &[u32]) -> Box<dyn Any + Send + Sync> {
        self.inner.save(slots)
    }

    fn restore(&mut self, slots: &[u32], saved: Box<dyn Any + Send + Sync>) {
        self.inner.restore(slots, saved);
    }

    fn clear(&mut self, slots: &[u32]) {
        self.inner.clear(slots);
    }

    fn encode(&self, slot: u32, out: &mut Vec<u8>) {
        self.inner.encode(slot, out);
        // Walks all groups, which a bounded query never asks for.
        let own = self.seen.iter().filter(|key| key.starts_with(&slot.to_le_bytes()));
        own.map(|key| key[4..].into()).collect::<Vec<Box<[u8]>>>().put(out);
    }

    fn decode(&mut self, slot: u32, bytes: &mut &[u8]) -> Option<()> {
        self.inner.decode(slot, bytes)?;
        let keys = Vec::<Box<[u8]>>::take(bytes)?;
        self.seen.extend(keys.iter().map(|key| [&slot.to_le_bytes(), &key[..]].concat()));
        Some(())
    }

    fn write_columns(&self, slots: &[u32], out: &mut Block) {
        out.bytes_by(slots.iter(), |slot, bytes| self.encode(*slot, bytes));
    }

    fn read_columns(&mut self, slots: &[u32], columns: &mut Columns<'_>) -> Option<()> {
        let mut states = columns.bytes()?;
        slots.iter().try_for_each(|slot| {
            let mut state = states.next()?;
            self.decode(*slot, &mut state).filter(|()| state.is_empty())
        })
    }

    fn is_large(&self) -> bool {
        true
    }

    fn bytes(&self) -> usize {
        self.inner.bytes() + self.seen.iter().map(|k| k.len() + 32).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::{series_of, value_at};
    use crate::plan::expr::{ColumnId, FunctionId};

    fn column(data_type: DataType) -> Expr {
        Expr::Column { id: ColumnId(0), name: "v".to_string(), data_type }
    }

    fn numbers(data_type: &DataType, count: i64) -> Series {
        let value = |i: i64| match data_type {
            _ if i % 5 == 3 => Value::Null,
            DataType::Double => Value::Double(i as f64 / 3.0 - 2.0),
            DataType::String => Value::String(format!("text {}", i % 4)),
            DataType::Decimal(..) => Value::Decimal(i128::from(i) * 1_000_000_000_000_000_000_000 - 5),
            DataType::Boolean => Value::Boolean(i % 2 == 0),
            _ => Value::Int(i * 7 % 11 - 4),
        };
        series_of(&(0..count).map(value).collect::<Vec<_>>(), data_type)
    }

    /// Every kind of aggregate: its state goes through bytes and through columns, takes more rows in, and gives what it would have given.
    #[test]
    fn states_come_back_from_bytes_and_columns() {
        use DataType as T;
        let half = || Expr::literal(Value::Double(0.5), T::Double);
        let bin = vec![crate::types::Field::new("x", T::Double), crate::types::Field::new("y", T::Double)];
        let bins = T::array(T::Struct(bin));
        let cases: Vec<(&'static str, Vec<T>, Vec<Expr>, T)> = vec![
            ("count", vec![T::BigInt], vec![], T::BigInt),
            ("count_if", vec![T::Boolean], vec![], T::BigInt),
            ("sum", vec![T::BigInt], vec![], T::BigInt),
            ("sum", vec![T::Double], vec![], T::Double),
            ("sum", vec![T::Decimal(30, 2)], vec![], T::Decimal(38, 2)),
            ("avg", vec![T::Double], vec![], T::Double),
            ("avg", vec![T::Decimal(30, 2)], vec![], T::Decimal(34, 6)),
            ("product", vec![T::Double], vec![], T::Double),
            ("bool_and", vec![T::Boolean], vec![], T::Boolean),
            ("bit_xor", vec![T::BigInt], vec![], T::BigInt),
            ("min", vec![T::BigInt], vec![], T::BigInt),
            ("max", vec![T::Double], vec![], T::Double),
            ("max", vec![T::String], vec![], T::String),
            ("min", vec![T::Decimal(30, 2)], vec![], T::Decimal(30, 2)),
            ("min_by", vec![T::String, T::BigInt], vec![], T::String),
            ("first", vec![T::String], vec![], T::String),
            ("last", vec![T::Double], vec![], T::Double),
            ("stddev_samp", vec![T::Double], vec![], T::Double),
            ("kurtosis", vec![T::Double], vec![], T::Double),
            ("corr", vec![T::Double, T::Double], vec![], T::Double),
            ("collect_list", vec![T::BigInt], vec![], T::array(T::BigInt)),
            ("collect_set", vec![T::String], vec![], T::array(T::String)),
            ("median", vec![T::Double], vec![], T::Double),
            ("percentile", vec![T::Double], vec![half()], T::Double),
            ("approx_percentile", vec![T::BigInt], vec![half()], T::BigInt),
            ("percentile_disc", vec![T::Double], vec![half()], T::Double),
            ("histogram_numeric", vec![T::Double], vec![Expr::literal(Value::Int(3), T::Int)], bins),
            ("max_by", vec![T::String, T::BigInt], vec![Expr::literal(Value::Int(2), T::Int)], T::array(T::String)),
            ("mode", vec![T::String], vec![], T::String),
            ("listagg", vec![T::String], vec![Expr::literal(Value::String(",".to_string()), T::String)], T::String),
            ("approx_count_distinct", vec![T::BigInt], vec![], T::BigInt),
        ];
        for (function, types, constants, data_type) in cases {
            for distinct in [false, true] {
                let args: Vec<Expr> = types.iter().cloned().map(column).chain(constants.clone()).collect();
                let id = FunctionId(function);
                let call = AggregateCall { function: id, args, filter: None, distinct, ignore_nulls: false, data_type: data_type.clone() };
                let aggregate = Aggregate::new(&call).unwrap();
                let rows: Vec<u32> = (0..20).collect();
                let slots: Vec<u32> = rows.iter().map(|r| r % 3).collect();
                let args: Vec<Series> = types.iter().zip(aggregate.shapes()).map(|(t, s)| s.give(numbers(t, 20)).unwrap()).collect();
                let (first, second) = ((&rows[..11], &slots[..11]), (&rows[11..], &slots[11..]));
                let mut whole = aggregate.accumulator().unwrap();
                whole.grow(3);
                whole.update(Updates { rows: first.0, slots: first.1 }, &args).unwrap();
                let mut restored = aggregate.accumulator().unwrap();
                restored.grow(3);
                for slot in 0..3 {
                    let mut bytes = Vec::new();
                    whole.encode(slot, &mut bytes);
                    let mut rest = &bytes[..];
                    restored.decode(slot, &mut rest).unwrap();
                    assert!(rest.is_empty(), "{function}");
                    for cut in 0..bytes.len() {
                        assert!(restored.decode(slot, &mut &bytes[..cut]).is_none(), "{function}");
                    }
                    restored.decode(slot, &mut &bytes[..]).unwrap();
                }
                let mut columns = Block::new(3);
                whole.write_columns(&[2, 0, 1], &mut columns);
                let mut read = aggregate.accumulator().unwrap();
                read.grow(3);
                let mut reader = columns.reader();
                read.read_columns(&[2, 0, 1], &mut reader).unwrap();
                assert!(reader.is_done() && read.read_columns(&[0], &mut reader).is_none(), "{function}");
                for accumulator in [&mut whole, &mut restored, &mut read] {
                    accumulator.update(Updates { rows: second.0, slots: second.1 }, &args).unwrap();
                }
                let results = [&whole, &restored, &read].map(|a| a.finish(&[0, 1, 2]).unwrap());
                for slot in 0..3 {
                    let [a, b, c] = [0, 1, 2].map(|i: usize| format!("{:?}", value_at(&results[i], slot, &data_type)));
                    assert_eq!((&a, &a), (&b, &c), "{function} distinct {distinct}");
                }
            }
        }
    }
}
