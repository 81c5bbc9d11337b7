//! INTERSECT and EXCEPT of bounded inputs, with and without ALL.

use super::{BatchContext, Flow, Operator, Task, gather};
use crate::engine::EngineError;
use crate::engine::state::codec::encode;
use crate::types::DataType;
use polars::prelude::IdxCa;
use std::collections::HashMap;

/// Keeps rows of the left by what the right has.
pub struct SetOperation {
    /// INTERSECT rather than EXCEPT.
    pub intersect: bool,
    /// Rows count: with ALL each row of the right answers for one of the left.
    pub all: bool,
    /// The columns' types.
    pub types: Vec<DataType>,
}

impl Operator for SetOperation {
    fn name(&self) -> &'static str {
        if self.intersect { "intersect" } else { "except" }
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let right = gather(inputs.remove(1), context)?;
        let Some(left) = gather(inputs.remove(0), context)? else { return Ok(Flow { frames: vec![], rows_in: 0 }) };
        let right_rows = match &right {
            Some(right) => encode(right.columns(), &self.types, right.rows())?,
            None => Default::default(),
        };
        let mut counts: HashMap<&[u8], u64> = HashMap::new();
        (0..right_rows.len()).for_each(|i| *counts.entry(right_rows.row(i)).or_default() += 1);
        let left_rows = encode(left.columns(), &self.types, left.rows())?;
        let mut seen: HashMap<&[u8], ()> = HashMap::new();
        let kept: Vec<u32> = (0..left.rows())
            .filter(|row| {
                let key = left_rows.row(*row);
                if !self.all {
                    return counts.contains_key(key) == self.intersect && seen.insert(key, ()).is_none();
                }
                let there = counts.get_mut(key).filter(|n| **n > 0);
                let found = there.is_some();
                if let Some(n) = there {
                    *n -= 1;
                }
                found == self.intersect
            })
            .map(|row| row as u32)
            .collect();
        let rows_in = (left.rows() + right_rows.len()) as u64;
        Ok(Flow { frames: vec![left.take(&IdxCa::from_vec("".into(), kept))?], rows_in })
    }
}
