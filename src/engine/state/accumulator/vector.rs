//! vector_sum and vector_avg: sums and means of `ARRAY<FLOAT>`, element by element.

use super::{Fold, Made, Shape, Updates, column};
use crate::engine::EngineError;
use crate::engine::columns::list_series;
use crate::engine::eval::access::{Cells, lists, number_series, numbers};
use crate::engine::eval::vector::different_lengths;
use crate::engine::state::slots::Slots;
use crate::engine::state::stored::stored;
use crate::plan::expr::AggregateCall;
use polars::prelude::{self as pl, Series};
use polars_arrow::bitmap::MutableBitmap;

pub(super) fn make(call: &AggregateCall) -> Option<Made> {
    let mean = match call.function.0 {
        "vector_sum" => false,
        "vector_avg" => true,
        _ => return None,
    };
    Some(column(Vectors { mean }, &[Shape::Raw]))
}

struct Vectors {
    mean: bool,
}

/// What the vectors so far come to: the sums or means, and how many vectors they are of.
#[derive(Clone, Default)]
struct Vector {
    elements: Vec<f32>,
    count: u64,
}

stored!(Vector { elements, count });

impl Vectors {
    /// Takes one more vector in, as Spark does: a mean moves by a share of the difference.
    fn add(&self, state: &mut Vector, vector: &[f32]) -> Result<(), EngineError> {
        state.count += 1;
        if state.count == 1 {
            state.elements = vector.to_vec();
            return Ok(());
        }
        if state.elements.len() != vector.len() {
            return Err(different_lengths(if self.mean { "vector_avg" } else { "vector_sum" }, state.elements.len(), vector.len()));
        }
        let n = state.count as f32;
        for (sum, x) in state.elements.iter_mut().zip(vector) {
            *sum += if self.mean { (x - *sum) / n } else { *x };
        }
        Ok(())
    }
}

impl Fold for Vectors {
    type State = Vector;
    const HEAP: bool = true;

    fn update(&self, states: &mut Slots<Vector>, updates: Updates<'_>, args: &[Series]) -> Result<(), EngineError> {
        let vectors = lists(&args[0])?;
        let inner = crate::engine::columns::one_chunk(vectors.inner().clone());
        let elements = numbers::<f32>(&inner)?;
        for (row, slot) in updates.rows.iter().zip(updates.slots) {
            let Some((start, end)) = vectors.at(*row as usize) else { continue };
            // A vector with a NULL in it counts as none.
            if elements.validity.is_some_and(|valid| (start..end).any(|i| !valid.get_bit(i))) {
                continue;
            }
            self.add(&mut states[*slot as usize], &elements.values[start..end])?;
        }
        Ok(())
    }

    fn merge(&self, into: &mut Vector, from: Vector) -> Result<(), EngineError> {
        if into.count == 0 {
            *into = from;
        } else if from.count > 0 {
            if into.elements.len() != from.elements.len() {
                return Err(different_lengths("a vector aggregate", into.elements.len(), from.elements.len()));
            }
            let share = from.count as f32 / (into.count + from.count) as f32;
            for (sum, x) in into.elements.iter_mut().zip(&from.elements) {
                *sum += if self.mean { (x - *sum) * share } else { *x };
            }
            into.count += from.count;
        }
        Ok(())
    }

    fn finish<'a>(&self, states: impl ExactSizeIterator<Item = &'a Vector>) -> Result<Series, EngineError> {
        let (mut offsets, mut elements, mut valid) = (vec![0i64], Vec::new(), MutableBitmap::new());
        for state in states {
            elements.extend_from_slice(&state.elements);
            offsets.push(elements.len() as i64);
            valid.push(state.count > 0);
        }
        let valid = valid.freeze();
        let valid = (valid.unset_bits() > 0).then_some(valid);
        list_series(offsets, number_series(elements, None), valid, &pl::DataType::Float32)
    }

    fn heap(&self, state: &Vector) -> usize {
        state.elements.capacity() * 4
    }
}
