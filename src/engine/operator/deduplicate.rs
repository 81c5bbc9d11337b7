//! Dropping duplicates by some of the columns of bounded input: the first row of each key stays.

use super::aggregate::Preparation;
use super::{BatchContext, Flow, Operator, Task, run_each};
use crate::engine::state::StateTable;
use crate::engine::{EngineError, Frame};
use polars::prelude::IdxCa;
use std::sync::atomic::AtomicU64;

/// Keeps the first row of each key.
pub struct Deduplicate {
    preparation: Preparation,
    table: StateTable,
}

impl Deduplicate {
    /// An operator that has seen nothing.
    pub fn new(preparation: Preparation, partitions: usize) -> Result<Deduplicate, EngineError> {
        let table = StateTable::new(&preparation.kind, &[], partitions, false, false)?;
        Ok(Deduplicate { preparation, table })
    }
}

impl Operator for Deduplicate {
    fn name(&self) -> &'static str {
        "deduplicate"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let (partitions, dropped) = (self.table.partitions(), AtomicU64::new(0));
        let prepared = run_each(inputs.remove(0), context, |frame| {
            let prepared = self.preparation.prepare(frame.clone(), partitions, context, &dropped)?;
            Ok((frame, prepared))
        })?;
        let rows_in = prepared.iter().map(|(f, _)| f.rows() as u64).sum();
        self.table.begin();
        let mut frames: Vec<Frame> = Vec::with_capacity(prepared.len());
        for (frame, prepared) in &prepared {
            let fresh = self.table.upsert_new(prepared)?;
            frames.push(frame.take(&IdxCa::from_vec("".into(), fresh))?);
        }
        Ok(Flow { frames, rows_in })
    }
}
