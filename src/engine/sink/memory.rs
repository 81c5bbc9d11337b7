//! `INTO memory`: the result as a table of the query's name.
//!
//! Append adds each batch's rows, complete replaces the table, update adds what changed (as Spark's memory
//! sink does). The table is bounded: past its limit the oldest batches go, and the description says so.

use super::{Sink, SinkBatch};
use crate::engine::{EngineError, Resources};
use crate::progress::OutputMode;
use std::collections::VecDeque;

/// The options that this sink reads.
pub const OPTIONS: &[&str] = &["maxRows"];

/// Rows kept unless `maxRows` says otherwise.
pub const DEFAULT_MAX_ROWS: u64 = 1_000_000;

/// Keeps the result in the session's table of that name.
#[derive(Debug)]
pub struct Memory {
    name: String,
    resources: Resources,
    max_rows: u64,
    /// The rows of each batch in the table, oldest first.
    batches: VecDeque<(u64, u64)>,
    cut: u64,
}

impl Memory {
    /// A table `name`, empty; its columns come with the first batch.
    ///
    /// # Errors
    /// A `maxRows` that is no number above 0.
    pub fn open(name: &str, options: &[(String, String)], resources: &Resources) -> Result<Memory, EngineError> {
        let max_rows = match options.iter().find(|(key, _)| key.eq_ignore_ascii_case("maxRows")) {
            None => DEFAULT_MAX_ROWS,
            Some((_, text)) => text
                .trim()
                .parse()
                .ok()
                .filter(|n| *n > 0)
                .ok_or_else(|| EngineError::user(format!("the option `maxRows` cannot be '{text}': it is a whole number above 0")))?,
        };
        resources.put_table(name, crate::engine::MemoryTable::default());
        Ok(Memory { name: name.to_string(), resources: resources.clone(), max_rows, batches: VecDeque::new(), cut: 0 })
    }
}

impl Sink for Memory {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        let rows = batch.frame.rows() as u64;
        let replace = batch.mode == OutputMode::Complete;
        let again = self.batches.back().is_some_and(|(id, _)| *id == batch.id);
        if replace {
            self.batches.clear();
        } else if again {
            self.batches.pop_back();
        }
        self.batches.push_back((batch.id, rows));
        let mut kept: u64 = self.batches.iter().map(|(_, n)| n).sum();
        let mut dropped = 0;
        // The newest batch always stays whole: half a result would be a wrong one.
        while kept > self.max_rows && self.batches.len() > 1 {
            if let Some((_, rows)) = self.batches.pop_front() {
                kept -= rows;
                self.cut += rows;
                dropped += 1;
            }
        }
        self.resources.change_table(&self.name, |table| {
            if table.columns.is_empty() {
                table.columns = batch.columns.to_vec();
            }
            if replace {
                table.frames.clear();
            } else if again {
                table.frames.pop();
            }
            table.frames.push(batch.frame.clone());
            table.frames.drain(..dropped);
        });
        Ok(())
    }

    fn description(&self) -> String {
        match self.cut {
            0 => format!("memory({})", self.name),
            cut => format!("memory({}), {cut} oldest rows dropped past maxRows {}", self.name, self.max_rows),
        }
    }
}
