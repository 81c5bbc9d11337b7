//! Joins of two streams: each side's rows are kept and found by key until the watermark says that no partner
//! can come any more.
//!
//! ```text
//! left  pieces ─ drop late ─ hash keys ─┐ per partition:  probe the right rows, keep · then the other way round
//! right pieces ─ drop late ─ hash keys ─┘                 let go what expired, alone where the join is outer
//! ```
//!
//! Both sides share one table of keys, so a row is hashed and looked up once: the key's slot has the chain of
//! partners and the chain that the row itself joins.

mod cold;
mod partition;

use self::partition::Partition;
use super::late::{EventTime, LateNote, in_time};
use super::{BatchContext, Flow, Kept, KeptRows, Operator, Spent, Task, waves};
use crate::checkpoint::{Block, Changes};
use crate::engine::columns::{null_series, repeated, series_of};
use crate::engine::eval::Bound;
use crate::engine::eval::access::{self, flag_series};
use crate::engine::pool::Pool;
use crate::engine::state::keys::{KeyBatch, KeyKind};
use crate::engine::state::spill::Tier;
use crate::engine::state_schema;
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::expr::ColumnId;
use crate::plan::logical::JoinKind;
use crate::plan::time_range::StateBound;
use crate::progress::{OnDisk, StateOperatorProgress};
use crate::types::{DataType, Value};
use polars::prelude::Series;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Rows from which on partitions are worked on in parallel: handing work over costs tens of microseconds, which is more than
/// a small batch takes.
const MANY: u64 = 4096;

/// Its name, as Spark's progress has it.
pub const STREAM_JOIN: &str = "symmetricHashJoin";

/// One side of a join.
pub struct Side {
    /// Keys, in the order of the other side's.
    pub keys: Vec<Bound>,
    /// Columns that are kept: what the output and the condition need.
    pub kept: Vec<(ColumnId, DataType)>,
    /// Names and types of the kept columns for people: the first says which side.
    pub names: Arc<[(String, DataType)]>,
    /// A condition on this side alone; a row that fails it has no partner.
    pub only: Option<Bound>,
    /// By what rows are late, and what is kept of them.
    pub late: Option<(EventTime, LateNote)>,
    /// By what kept rows leave, and up to which time.
    pub expiry: Option<(EventTime, StateBound)>,
}

/// A comparison of a time of the left row with one of the right row, by their places among the kept columns:
/// `less + micros < more`, or `<=` with `inclusive`.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Whether the smaller one is the left row's.
    pub left_is_less: bool,
    /// Place of the left row's column.
    pub left: usize,
    /// Place of the right row's column.
    pub right: usize,
    pub micros: i64,
    pub inclusive: bool,
}

/// How two streams are joined.
pub struct Shape {
    pub kind: JoinKind,
    /// Left and right.
    pub sides: [Side; 2],
    /// Comparisons of times that every pair has to pass.
    pub checks: Vec<Check>,
    /// What else a pair has to pass, and the columns that it reads: side and place among the kept ones.
    pub rest: Option<(Bound, Vec<(usize, usize)>)>,
    /// The output's columns: side and place among the kept ones.
    pub output: Vec<(usize, usize)>,
}

impl Shape {
    /// Whether rows of a side come out without a partner.
    fn preserves(&self, side: usize) -> bool {
        match self.kind {
            JoinKind::Left => side == 0,
            JoinKind::Right => side == 1,
            JoinKind::Full => true,
            _ => false,
        }
    }

    fn ids(&self, columns: &[(usize, usize)]) -> Vec<ColumnId> {
        columns.iter().map(|(side, at)| self.sides[*side].kept[*at].0).collect()
    }

    /// The output for rows of `side` without a partner; `column` gives the kept column at a place.
    fn alone(&self, side: usize, rows: usize, column: impl Fn(usize) -> Result<Series, EngineError>) -> Result<Frame, EngineError> {
        let one = |(from, at): &(usize, usize)| {
            if *from == side { column(*at) } else { Ok(null_series(&self.sides[*from].kept[*at].1, rows)) }
        };
        Ok(Frame::new(self.ids(&self.output), self.output.iter().map(one).collect::<Result<_, _>>()?, rows))
    }
}

/// A piece of one side, ready for the partitions.
struct Prepared {
    side: usize,
    /// The kept columns.
    columns: Vec<Series>,
    keys: KeyBatch,
    /// The rows of each partition.
    scatter: Vec<Vec<u32>>,
    expiry: Option<Series>,
    rows: u64,
    dropped: u64,
    /// Rows that cannot have a partner, as output.
    alone: Option<Frame>,
}

/// Joins two streams.
pub struct StreamJoin {
    shape: Shape,
    kind: KeyKind,
    partitions: Vec<Partition>,
    dropped: u64,
    spent: Spent,
    /// Of the last batch.
    resources: Option<Resources>,
    tier: Option<Tier>,
}

impl StreamJoin {
    /// A join without rows, with `partitions` (a power of two) partitions.
    pub fn new(shape: Shape, partitions: usize) -> StreamJoin {
        let kind = KeyKind::of(&shape.sides[0].keys.iter().map(|k| k.data_type().clone()).collect::<Vec<_>>());
        let partitions = (0..partitions).map(|_| Partition::new(&kind, &shape)).collect();
        StreamJoin { shape, kind, partitions, dropped: 0, spent: Spent::default(), resources: None, tier: None }
    }

    /// Everything that needs no state: late rows go, keys are hashed.
    fn prepare(&self, side: usize, frame: Frame, context: &BatchContext) -> Result<Prepared, EngineError> {
        let spec = &self.shape.sides[side];
        let rows = frame.rows() as u64;
        let (mut frame, mut dropped) = (frame, 0);
        if let (Some((time, note)), Some(late)) = (&spec.late, context.late) {
            let kept = in_time(&time.evaluate(&frame, context)?, late)?;
            dropped = kept.unset_bits() as u64;
            if dropped > 0 {
                note.keep(&frame, &kept, context)?;
                frame = frame.filter(flag_series(kept, None).bool()?)?;
            }
        }
        let mut alone = None;
        if let Some(only) = &spec.only {
            let mask = only.mask(&frame, &context.eval)?;
            let passing = access::bits(frame.rows(), |row| mask.get(row) == Some(true));
            if self.shape.preserves(side) && passing.unset_bits() > 0 {
                let failing = frame.filter(flag_series(!&passing, None).bool()?)?;
                alone = Some(self.shape.alone(side, failing.rows(), |at| column(&failing, spec.kept[at].0))?);
            }
            frame = frame.filter(flag_series(passing, None).bool()?)?;
        }
        let keys = spec.keys.iter().map(|k| k.evaluate(&frame, &context.eval)).collect::<Result<Vec<_>, _>>()?;
        let keys = self.kind.batch(&keys, frame.rows())?;
        let scatter = keys.scatter(self.partitions.len());
        let expiry = spec.expiry.as_ref().map(|(time, _)| time.evaluate(&frame, context)).transpose()?;
        let columns = spec.kept.iter().map(|(id, _)| column(&frame, *id)).collect::<Result<_, _>>()?;
        Ok(Prepared { side, columns, keys, scatter, expiry, rows, dropped, alone })
    }
}

/// `work` of every partition with its number, in parallel where there is enough to do for that.
fn over(
    partitions: &mut [Partition],
    rows: u64,
    pool: &Pool,
    work: impl Fn(usize, &mut Partition) -> Result<Vec<Frame>, EngineError> + Sync + Send,
) -> Result<Vec<Vec<Frame>>, EngineError> {
    let work = |(index, partition): (usize, &mut Partition)| work(index, partition);
    let items: Vec<_> = partitions.iter_mut().enumerate().collect();
    if rows < MANY { items.into_iter().map(work).collect() } else { pool.map(items, work).into_iter().collect() }
}

fn column(frame: &Frame, id: ColumnId) -> Result<Series, EngineError> {
    frame.column(id).cloned().ok_or_else(|| EngineError::internal("a column of a join is missing"))
}

impl Kept for StreamJoin {
    fn schema(&self) -> Vec<String> {
        let mut lines = vec![format!("join {:?}", self.shape.kind)];
        for (name, side) in ["left", "right"].iter().zip(&self.shape.sides) {
            lines.extend(side.keys.iter().map(|k| format!("{name} key {}", k.data_type().sql())));
            lines.extend(
                side.kept.iter().enumerate().map(|(at, (_, data_type))| state_schema::column(name, &side.names[at + 1].0, data_type)),
            );
        }
        lines
    }

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn changes(&self, partition: usize, out: &mut Changes<'_>) {
        self.partitions[partition].changes(out);
    }

    fn contents(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        self.partition_contents(partition, out)
    }

    fn restore(&mut self, partition: usize, list: u8, rows: &Block) -> Option<()> {
        self.partitions.get_mut(partition)?.restore(list, rows)?;
        self.restored_some(rows.rows());
        Some(())
    }

    fn restored(&mut self) -> Result<(), EngineError> {
        self.partitions.iter_mut().try_for_each(Partition::restored)?;
        self.check_disk()
    }
}

impl Operator for StreamJoin {
    fn name(&self) -> &'static str {
        "join"
    }

    fn step(&mut self, inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        self.check_disk()?;
        let tasks: Vec<(usize, Task)> =
            inputs.into_iter().enumerate().flat_map(|(side, t)| t.into_iter().map(move |t| (side, t))).collect();
        let pool = context.resources.pool();
        self.partitions.iter_mut().for_each(Partition::begin);
        self.spent = Spent::default();
        let (mut frames, mut parts, mut rows_in, mut dropped) = (Vec::new(), Vec::new(), 0, 0);
        for wave in waves(tasks, context) {
            let prepare = |(side, task): (usize, Task)| {
                if context.cancelled.load(Ordering::Relaxed) {
                    return Err(EngineError::internal("the batch was abandoned"));
                }
                self.prepare(side, task()?, context)
            };
            let mut prepared = pool.map(wave, prepare).into_iter().collect::<Result<Vec<_>, _>>()?;
            let rows = prepared.iter().map(|p| p.rows).sum();
            rows_in += rows;
            dropped += prepared.iter().map(|p| p.dropped).sum::<u64>();
            frames.extend(prepared.iter_mut().filter_map(|p| p.alone.take()));
            let shape = &self.shape;
            let start = context.clock.ticks();
            parts.push(over(&mut self.partitions, rows, pool, |index, p| p.take_in_all(shape, index, &prepared, context))?);
            self.spent.updates += context.clock.ticks() - start;
        }
        self.dropped = dropped;
        self.resources = Some(context.resources.clone());
        let shape = &self.shape;
        let start = context.clock.ticks();
        parts.push(over(&mut self.partitions, rows_in, pool, |_, p| p.expire_all(shape, context))?);
        self.spent.removals = context.clock.ticks() - start;
        // A partition's rows stand together, those that left last.
        for index in 0..self.partitions.len() {
            frames.extend(parts.iter_mut().flat_map(|p| std::mem::take(&mut p[index])));
        }
        Ok(Flow { frames, rows_in })
    }

    fn commit(&mut self) {
        let gone: u64 = self.partitions.iter().map(|p| p.figures().removed).sum();
        match self.resources.as_ref().filter(|_| gone >= MANY) {
            Some(resources) => drop(resources.pool().map(self.partitions.iter_mut().collect(), Partition::commit)),
            None => self.partitions.iter_mut().for_each(Partition::commit),
        }
        self.spill(false);
    }

    fn rollback(&mut self) {
        self.partitions.iter_mut().for_each(Partition::rollback);
    }

    fn spill_to(&mut self, tier: Tier) {
        self.spill_rows_to(tier);
    }

    fn stored(&mut self) -> Option<&mut dyn Kept> {
        Some(self)
    }

    /// Rows that come out are at least as late as what the state still holds of either side.
    fn output_delay(&self) -> i64 {
        let behind = |side: &Side| side.expiry.as_ref().map_or(0, |(_, bound)| bound.until(0).saturating_neg());
        self.shape.sides.iter().map(behind).fold(0, i64::max)
    }

    fn kept(&self, limit: usize) -> Result<Vec<KeptRows>, EngineError> {
        let (mut out, mut left) = (Vec::with_capacity(self.partitions.len() * 2), limit);
        for (number, partition) in self.partitions.iter().enumerate() {
            for (side, name) in ["left", "right"].into_iter().enumerate() {
                let listed = partition.listed(&self.shape, side, left)?;
                let cold = self.listed_cold(number, side, left - listed.1.len())?;
                for (mut columns, expiry) in std::iter::once(listed).chain(cold) {
                    left -= expiry.len();
                    columns.insert(0, repeated(&series_of(&[Value::String(name.to_string())], &DataType::String), expiry.len()));
                    let names = Arc::clone(&self.shape.sides[side].names);
                    out.push(KeptRows { operator: STREAM_JOIN, partition: number, names, columns, expiry });
                }
            }
        }
        Ok(out)
    }

    fn state(&self) -> Option<StateOperatorProgress> {
        let mut progress = StateOperatorProgress {
            operator_name: STREAM_JOIN.to_string(),
            num_rows_dropped_by_watermark: self.dropped,
            partitions: self.partitions.len() as u64,
            disk: self.on_disk().map(|(rows, bytes)| OnDisk { rows, bytes }),
            ..StateOperatorProgress::default()
        };
        for figures in self.partitions.iter().map(Partition::figures) {
            progress.num_rows_total += figures.rows;
            progress.num_rows_updated += figures.added;
            progress.num_rows_removed += figures.removed;
            progress.memory_used_bytes += figures.bytes;
        }
        Some(self.spent.on(progress))
    }
}
