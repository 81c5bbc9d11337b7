//! DEDUPLICATE: the first row of each key comes out, the others do not.
//!
//! Over a stream the keys seen are kept: for good, or until the watermark has passed the event time among
//! them, or with WITHIN WATERMARK until it has passed the first row's event time and the delay.

use super::aggregate::names;
use super::late::{EventTime, LateNote, in_time};
use super::{BatchContext, Flow, Kept, KeptRows, Operator, Spent, Task, run_each, waves};
use crate::checkpoint::{Block, Changes};
use crate::engine::eval::Bound;
use crate::engine::eval::access::{self, Cells, flag_series};
use crate::engine::state::keys::KeyKind;
use crate::engine::state::spill::Tier;
use crate::engine::state::{Listed, Prepared, StateTable};
use crate::engine::state_schema;
use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use crate::progress::StateOperatorProgress;
use crate::types::DataType;
use polars::prelude::{IdxCa, Series};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// By what rows are duplicates, and for how long.
pub struct DuplicateKeys {
    /// The keys.
    pub keys: Vec<Bound>,
    /// The form that follows from their types.
    pub kind: KeyKind,
    /// By what rows are late; `None` where none is.
    pub late: Option<(EventTime, LateNote)>,
    /// When a key is forgotten: that many microseconds after the time of its first row. `None`: never.
    pub expiry: Option<(EventTime, i64)>,
    /// A key is kept by the time of its first row, not by a time among the keys.
    pub within: bool,
}

impl DuplicateKeys {
    /// The operator's name, as Spark's progress has it.
    pub fn operator(&self) -> &'static str {
        if self.within { "dedupeWithinWatermark" } else { "dedupe" }
    }

    fn prepare(
        &self,
        frame: Frame,
        partitions: usize,
        context: &BatchContext,
        dropped: &AtomicU64,
    ) -> Result<(Frame, Prepared), EngineError> {
        let mut frame = frame;
        if let (Some((time, note)), Some(watermark)) = (&self.late, context.late) {
            let kept = in_time(&time.evaluate(&frame, context)?, watermark)?;
            if kept.unset_bits() > 0 {
                dropped.fetch_add(kept.unset_bits() as u64, Ordering::Relaxed);
                note.keep(&frame, &kept, context)?;
                frame = frame.filter(flag_series(kept, None).bool()?)?;
            }
        }
        let keys = self.keys.iter().map(|k| k.evaluate(&frame, &context.eval)).collect::<Result<Vec<_>, _>>()?;
        let keys = self.kind.batch(&keys, frame.rows())?;
        let expiry = self.expiry.as_ref().map(|(time, after)| self.expires(&time.evaluate(&frame, context)?, *after)).transpose()?;
        let scatter = keys.scatter(partitions);
        Ok((frame, Prepared { keys, args: vec![], filters: vec![], expiry, scatter }))
    }

    fn expires(&self, times: &Series, after: i64) -> Result<Series, EngineError> {
        let cells = access::numbers::<i64>(times)?;
        if !self.within {
            return Ok(times.clone());
        }
        // Spark takes a missing time for the epoch here.
        let values = (0..times.len()).map(|row| cells.at(row).unwrap_or(0).saturating_add(after)).collect();
        Ok(access::number_series::<i64>(values, None))
    }
}

/// Keeps the first row of each key.
pub struct Deduplicate {
    keys: DuplicateKeys,
    table: StateTable,
    names: Arc<[(String, DataType)]>,
    bounded: bool,
    dropped: u64,
    /// Rows of the last batch whose key had been seen.
    repeated: u64,
    spent: Spent,
}

impl Deduplicate {
    /// An operator that has seen nothing, with `partitions` (a power of two) partitions; `bounded` when there is
    /// only one batch.
    ///
    /// # Errors
    /// A defect in the keys.
    pub fn new(keys: DuplicateKeys, columns: &[Column], partitions: usize, bounded: bool) -> Result<Deduplicate, EngineError> {
        let table = StateTable::new(&keys.kind, &[], partitions, keys.expiry.is_some(), !bounded)?;
        Ok(Deduplicate { keys, table, names: names(columns), bounded, dropped: 0, repeated: 0, spent: Spent::default() })
    }
}

impl Kept for Deduplicate {
    fn schema(&self) -> Vec<String> {
        let within = self.keys.within.then(|| "within watermark".to_string());
        let key = |(name, data_type): &(String, DataType)| state_schema::column("key", name, data_type);
        self.names.iter().map(key).chain(within).collect()
    }

    fn partitions(&self) -> usize {
        self.table.partitions()
    }

    fn changes(&self, partition: usize, out: &mut Changes<'_>) {
        self.table.new_keys(partition, out);
    }

    fn contents(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        self.table.all_keys(partition, out)
    }

    fn restore(&mut self, partition: usize, _list: u8, rows: &Block) -> Option<()> {
        self.table.restore_keys(partition, rows)
    }

    fn restored(&mut self) -> Result<(), EngineError> {
        self.table.check()
    }
}

impl Operator for Deduplicate {
    fn name(&self) -> &'static str {
        "deduplicate"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let (partitions, dropped, rows) = (self.table.partitions(), AtomicU64::new(0), AtomicU64::new(0));
        let (mut frames, mut spent, mut repeated) = (Vec::new(), Spent::default(), 0);
        self.table.check()?;
        self.table.begin();
        for wave in waves(inputs.remove(0), context) {
            let prepared = run_each(wave, context, |frame| {
                rows.fetch_add(frame.rows() as u64, Ordering::Relaxed);
                self.keys.prepare(frame, partitions, context, &dropped)
            })?;
            let start = context.clock.ticks();
            let batches: Vec<&Prepared> = prepared.iter().map(|(_, p)| p).collect();
            let fresh = self.table.upsert_new(&batches, context.resources.pool())?;
            spent.updates += context.clock.ticks() - start;
            for ((frame, _), fresh) in prepared.iter().zip(fresh) {
                repeated += (frame.rows() - fresh.len()) as u64;
                frames.push(frame.take(&IdxCa::from_vec("".into(), fresh))?);
            }
        }
        self.dropped = dropped.into_inner();
        self.repeated = repeated;
        if let (true, Some(until)) = (self.keys.expiry.is_some(), context.evict) {
            let start = context.clock.ticks();
            self.table.close(until)?;
            spent.removals = context.clock.ticks() - start;
        }
        self.spent = spent;
        Ok(Flow { frames, rows_in: rows.into_inner() })
    }

    fn commit(&mut self) {
        self.table.commit(None);
    }

    fn rollback(&mut self) {
        self.table.rollback();
    }

    fn spill_to(&mut self, tier: Tier) {
        self.table.spill_to(tier, &self.keys.kind, &[], None);
    }

    fn stored(&mut self) -> Option<&mut dyn Kept> {
        if self.bounded { None } else { Some(self) }
    }

    fn kept(&self, limit: usize) -> Result<Vec<KeptRows>, EngineError> {
        let list = |listed: Listed| KeptRows {
            operator: self.keys.operator(),
            partition: listed.partition,
            names: Arc::clone(&self.names),
            columns: listed.columns,
            expiry: listed.expiry,
        };
        Ok(self.table.listed(limit)?.into_iter().map(list).collect())
    }

    fn state(&self) -> Option<StateOperatorProgress> {
        if self.bounded {
            return None;
        }
        let mut progress = self.table.stats().progress(self.keys.operator(), self.dropped);
        progress.repeated = Some(self.repeated);
        Some(self.spent.on(progress))
    }
}
