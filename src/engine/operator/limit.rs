//! LIMIT and OFFSET: of each batch's whole result, or over the whole run of an append query.

use super::{BatchContext, Flow, Kept, Operator, Task, run};
use crate::checkpoint::{Block, Changes};
use crate::engine::eval::Bound;
use crate::engine::{EngineError, Frame};
use polars::prelude::BooleanChunked;

/// Cuts rows.
pub struct Limit {
    limit: Option<u64>,
    offset: u64,
    /// Only rows where this is TRUE count; those between them come along.
    counted: Option<Bound>,
    /// Rows that may still come out over the whole run; `None`: each batch starts again.
    remaining: Option<u64>,
    staged: u64,
}

impl Limit {
    /// `limit` rows after `offset`; with `whole_run` they count over all batches.
    pub fn new(limit: Option<u64>, offset: u64, whole_run: bool) -> Limit {
        Limit { limit, offset, counted: None, remaining: limit.filter(|_| whole_run), staged: 0 }
    }

    /// The rows of each batch up to the one with which `limit` rows satisfy `counted`.
    pub fn until(limit: u64, counted: Option<Bound>) -> Limit {
        Limit { counted, ..Limit::new(Some(limit), 0, false) }
    }
}

impl Operator for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let frames = run(inputs.remove(0), context)?;
        let rows_in = frames.iter().map(|f| f.rows() as u64).sum();
        let (mut skip, mut left) = (self.offset, self.remaining.or(self.limit).unwrap_or(u64::MAX));
        self.staged = left;
        let mut out: Vec<Frame> = Vec::new();
        for frame in frames {
            let skipped = skip.min(frame.rows() as u64);
            skip -= skipped;
            let kept = match &self.counted {
                None => {
                    let kept = left.min(frame.rows() as u64 - skipped);
                    left -= kept;
                    kept
                }
                Some(counted) => reached(&counted.mask(&frame, &context.eval)?, &mut left),
            };
            // One piece stays even when it is empty: it says what columns there are.
            if kept > 0 || out.is_empty() {
                out.push(frame.slice(skipped as usize, kept as usize));
            }
        }
        self.staged = left;
        Ok(Flow { frames: out, rows_in })
    }

    fn commit(&mut self) {
        if let Some(remaining) = &mut self.remaining {
            *remaining = self.staged;
        }
    }

    fn stored(&mut self) -> Option<&mut dyn Kept> {
        if self.remaining.is_some() { Some(self) } else { None }
    }
}

/// How many rows it takes until `left` of them are TRUE; all when they are fewer. Counts `left` down.
fn reached(mask: &BooleanChunked, left: &mut u64) -> u64 {
    let mut rows = 0;
    for value in mask.iter() {
        if *left == 0 {
            break;
        }
        rows += 1;
        *left -= u64::from(value == Some(true));
    }
    rows
}

/// One row: the rows that came out so far, so that a changed LIMIT counts on from there.
impl Kept for Limit {
    fn schema(&self) -> Vec<String> {
        vec!["rows so far BIGINT".to_string()]
    }

    fn partitions(&self) -> usize {
        1
    }

    fn changes(&self, _: usize, out: &mut Changes<'_>) {
        if self.remaining != Some(self.staged) {
            out.put(0, 0, &self.so_far(self.staged));
        }
    }

    fn contents(&self, _: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        out.put(0, 0, &self.so_far(self.remaining.unwrap_or(0)));
        Ok(())
    }

    fn restore(&mut self, _: usize, _list: u8, rows: &Block) -> Option<()> {
        let so_far = u64::try_from(*rows.reader().numbers()?.first()?).ok()?;
        self.remaining = Some(self.limit?.saturating_sub(so_far));
        Some(())
    }
}

impl Limit {
    /// The rows that came out when so many are left.
    fn so_far(&self, left: u64) -> Block {
        let mut row = Block::new(1);
        row.numbers(std::iter::once(self.limit.unwrap_or(0).saturating_sub(left).cast_signed()));
        row
    }
}
