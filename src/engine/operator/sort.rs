//! ORDER BY: Spark's order of all types (NaN greatest, -0.0 = 0.0, NULL where asked), stable.

use super::{BatchContext, Flow, Operator, Task, gather};
use crate::engine::eval::{Bound, EvalContext};
use crate::engine::state::codec::{Direction, encode_ordered};
use crate::engine::{EngineError, Frame};
use crate::types::DataType;
use polars::prelude::{IdxCa, Series};

/// Sorts a batch's whole result.
pub struct Sort {
    /// What to order by.
    pub keys: Vec<(Bound, Direction)>,
}

impl Operator for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let Some(frame) = gather(inputs.remove(0), context)? else { return Ok(Flow { frames: vec![], rows_in: 0 }) };
        let rows_in = frame.rows() as u64;
        let order = order(&frame, &self.keys, &context.eval)?;
        Ok(Flow { frames: vec![frame.take(&IdxCa::from_vec("".into(), order))?], rows_in })
    }
}

/// The frame's row numbers in the order of the keys; equal rows stay as they are.
pub fn order(frame: &Frame, keys: &[(Bound, Direction)], eval: &EvalContext) -> Result<Vec<u32>, EngineError> {
    let columns: Vec<Series> = keys.iter().map(|(k, _)| k.evaluate(frame, eval)).collect::<Result<_, _>>()?;
    let types: Vec<DataType> = keys.iter().map(|(k, _)| k.data_type().clone()).collect();
    let directions: Vec<Direction> = keys.iter().map(|(_, d)| *d).collect();
    let rows = encode_ordered(&columns, &types, &directions, frame.rows())?;
    let mut order: Vec<u32> = (0..frame.rows() as u32).collect();
    order.sort_by(|a, b| rows.row(*a as usize).cmp(rows.row(*b as usize)));
    Ok(order)
}
