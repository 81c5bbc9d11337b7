//! Aggregates as columns of states, one state per slot.
//!
//! A `Fold` says what one aggregate does; [`Accumulator`] is what the table sees of it. Arguments arrive in
//! one of a few [`Shape`]s, so that a fold has one loop and not one per width of integer.

mod collect;
mod moments;
mod number;
mod order;
mod sketch;

use crate::engine::EngineError;
use crate::engine::columns::physical;
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
    /// Bytes of memory in use, about.
    fn bytes(&self) -> usize;
}

/// What one aggregate does with one group.
trait Fold: Send + Sync + 'static {
    /// What is kept per group; the default is that of an empty one.
    type State: Clone + Default + Send + Sync + 'static;
    /// Takes rows in.
    fn update(&self, states: &mut [Self::State], updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError>;
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
    states: Vec<F::State>,
}

impl<F: Fold> Accumulator for Column<F> {
    fn grow(&mut self, slots: usize) {
        if slots > self.states.len() {
            self.states.resize_with(slots, F::State::default);
        }
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

    fn bytes(&self) -> usize {
        let own = self.states.capacity() * size_of::<F::State>();
        if !F::HEAP || self.states.is_empty() {
            return own;
        }
        // A sample: walking all states would make every batch as slow as the state is large.
        let step = self.states.len().div_ceil(256);
        let sampled: usize = self.states.iter().step_by(step).map(|s| self.fold.heap(s)).sum();
        own + sampled * step
    }
}

/// An aggregate ready to be made once per partition.
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
    (Box::new(Column { fold, states: Vec::new() }), shapes.to_vec())
}

fn make(call: &AggregateCall) -> Result<Made, EngineError> {
    let name = call.function.0;
    let simple = number::make(call).or_else(|| moments::make(name)).or_else(|| order::make(call));
    if let Some(made) = simple {
        return made;
    }
    if let Some(made) = collect::make(call)? {
        return Ok(made);
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

    fn bytes(&self) -> usize {
        self.inner.bytes() + self.seen.iter().map(|k| k.len() + 32).sum::<usize>()
    }
}
