//! GROUP BY and DISTINCT: one pass over the batch's rows into the table of groups.
//!
//! Keys and arguments are computed and hashed per piece, in parallel; then each worker takes the rows of its
//! partitions in. That goes on in waves of some pieces, so that a big batch never lies in memory whole. Late rows are
//! dropped, and counted, before they touch a group.

use super::late::{LateNote, in_time};
use super::{BatchContext, Flow, Kept, KeptRows, Operator, Spent, Task, run_each, waves};
use crate::checkpoint::{Block, Changes};
use crate::engine::eval::Bound;
use crate::engine::eval::access::{self, flag_series};
use crate::engine::state::accumulator::Aggregate;
use crate::engine::state::keys::KeyKind;
use crate::engine::state::spill::Tier;
use crate::engine::state::{Emit, ExpiryOf, Listed, Prepared, StateTable};
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::expr::ColumnId;
use crate::plan::logical::Column;
use crate::progress::{StateOperatorProgress, WindowGroups};
use crate::types::DataType;
use polars::prelude::Series;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Its name, as Spark's progress has it.
pub const AGGREGATE: &str = "stateStoreSave";

/// How many windows progress tells of: the newest.
const WINDOWS: usize = 64;

/// Names and types of columns.
pub(super) fn names(columns: &[Column]) -> Arc<[(String, DataType)]> {
    columns.iter().map(|c| (c.name.clone(), c.data_type.clone())).collect()
}

/// What each piece goes through before it meets the state.
pub struct Preparation {
    /// The keys.
    pub keys: Vec<Bound>,
    /// The form that follows from their types.
    pub kind: KeyKind,
    /// The aggregates, with their bound arguments and filters.
    pub aggregates: Vec<(Aggregate, Vec<Bound>, Option<Bound>)>,
    /// The key that is event time: its index, and whether it is a window rather than a timestamp.
    pub event_time: Option<(usize, bool)>,
    /// How long the windows are, in microseconds; `None` where groups have none with event time.
    pub window_size: Option<i64>,
    /// What is kept of late rows; `None` where none is dropped.
    pub late: Option<LateNote>,
}

impl Preparation {
    /// Computes and hashes everything of one piece; counts late rows in `dropped`.
    pub fn prepare(&self, frame: Frame, partitions: usize, context: &BatchContext, dropped: &AtomicU64) -> Result<Prepared, EngineError> {
        let mut frame = frame;
        let mut keys = self.keys.iter().map(|k| k.evaluate(&frame, &context.eval)).collect::<Result<Vec<_>, _>>()?;
        let mut expiry = self.event_time.map(|(index, window)| expiry(&keys[index], window)).transpose()?;
        if let (Some(note), Some(late), Some(times)) = (&self.late, context.late, &expiry) {
            let kept = in_time(times, late)?;
            let late_rows = kept.unset_bits();
            if late_rows > 0 {
                dropped.fetch_add(late_rows as u64, Ordering::Relaxed);
                note.keep(&frame, &kept, context)?;
                let mask = flag_series(kept, None);
                let mask = mask.bool()?;
                frame = frame.filter(mask)?;
                keys = keys.iter().map(|k| Ok(k.filter(mask)?.rechunk())).collect::<Result<_, EngineError>>()?;
                expiry = expiry.map(|e| e.filter(mask).map(|e| e.rechunk())).transpose()?;
            }
        }
        let keys = self.kind.batch(&keys, frame.rows())?;
        let mut args = Vec::with_capacity(self.aggregates.len());
        let mut filters = Vec::with_capacity(self.aggregates.len());
        for (aggregate, bound, filter) in &self.aggregates {
            filters.push(filter.as_ref().map(|f| f.mask(&frame, &context.eval)).transpose()?);
            args.push(arguments(aggregate, bound, filters.last().and_then(Option::as_ref), &frame, context)?);
        }
        let scatter = keys.scatter(partitions);
        Ok(Prepared { keys, args, filters, expiry, scatter })
    }
}

/// The arguments' columns. Where FILTER leaves rows out, an argument that can fail sees only the others.
pub(super) fn arguments(
    aggregate: &Aggregate,
    bound: &[Bound],
    filter: Option<&polars::prelude::BooleanChunked>,
    frame: &Frame,
    context: &BatchContext,
) -> Result<Vec<Series>, EngineError> {
    let one = |(arg, shape): (&Bound, &crate::engine::state::accumulator::Shape)| {
        let column = match filter.filter(|_| arg.is_fallible()) {
            None => arg.evaluate(frame, &context.eval)?,
            Some(mask) => {
                let values = arg.evaluate(&frame.filter(mask)?, &context.eval)?;
                let mut next = 0u32;
                let back: polars::prelude::IdxCa = mask
                    .iter()
                    .map(|m| {
                        (m == Some(true)).then(|| {
                            next += 1;
                            next - 1
                        })
                    })
                    .collect();
                values.take(&back)?.rechunk()
            }
        };
        shape.give(column)
    };
    bound.iter().zip(aggregate.shapes()).map(one).collect()
}

/// When each row's group closes: the end of its window, or its own time.
fn expiry(key: &Series, window: bool) -> Result<Series, EngineError> {
    if !window {
        return Ok(key.clone());
    }
    access::members(key)?.into_iter().nth(1).ok_or_else(|| EngineError::internal("a window without an end"))
}

/// Groups rows and keeps their aggregates from batch to batch.
pub struct AggregateOperator {
    preparation: Preparation,
    table: StateTable,
    ids: Vec<ColumnId>,
    names: Arc<[(String, DataType)]>,
    emit: Emit,
    closes: bool,
    bounded: bool,
    dropped: u64,
    spent: Spent,
    /// Of the last batch.
    resources: Option<Resources>,
    schema: Vec<String>,
}

impl AggregateOperator {
    /// An operator without groups, with `partitions` (a power of two) partitions. `emit` is the output mode's
    /// choice; `closes` when groups leave by the watermark; `bounded` when there is only one batch.
    pub fn new(
        preparation: Preparation,
        columns: &[Column],
        partitions: usize,
        emit: Emit,
        closes: bool,
        bounded: bool,
    ) -> Result<AggregateOperator, EngineError> {
        let aggregates: Vec<&Aggregate> = preparation.aggregates.iter().map(|(a, _, _)| a).collect();
        let mut table = StateTable::new(&preparation.kind, &aggregates, partitions, closes, !bounded)?;
        if preparation.window_size.is_some() {
            table.count_windows();
        }
        let ids = columns.iter().map(|c| c.id).collect();
        Ok(AggregateOperator {
            preparation,
            table,
            ids,
            names: names(columns),
            emit,
            closes,
            bounded,
            dropped: 0,
            spent: Spent::default(),
            resources: None,
            schema: Vec::new(),
        })
    }

    /// With the lines that say what its state is made of.
    #[must_use]
    pub fn with_schema(mut self, schema: Vec<String>) -> AggregateOperator {
        self.schema = schema;
        self
    }
}

impl Kept for AggregateOperator {
    fn schema(&self) -> Vec<String> {
        self.schema.clone()
    }

    fn partitions(&self) -> usize {
        self.table.partitions()
    }

    fn changes(&self, partition: usize, out: &mut Changes<'_>) {
        self.table.changes(partition, out);
    }

    fn contents(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        self.table.contents(partition, out)
    }

    fn restore(&mut self, partition: usize, _list: u8, rows: &Block) -> Option<()> {
        self.table.restore(partition, rows)
    }

    fn restored(&mut self) -> Result<(), EngineError> {
        match self.preparation.event_time {
            Some((index, window)) => self.table.restored(|keys| expiry(&keys[index], window)),
            None => self.table.check(),
        }
    }
}

impl Operator for AggregateOperator {
    fn name(&self) -> &'static str {
        "aggregate"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        let (partitions, dropped, rows) = (self.table.partitions(), AtomicU64::new(0), AtomicU64::new(0));
        self.table.check()?;
        let mut spent = Spent::default();
        self.table.begin();
        for wave in waves(inputs.remove(0), context) {
            let prepared = run_each(wave, context, |frame| {
                rows.fetch_add(frame.rows() as u64, Ordering::Relaxed);
                self.preparation.prepare(frame, partitions, context, &dropped)
            })?;
            let start = context.clock.ticks();
            self.table.update(&prepared, context.resources.pool())?;
            spent.updates += context.clock.ticks() - start;
        }
        self.dropped = dropped.into_inner();
        self.resources = Some(context.resources.clone());
        if let (true, Some(until)) = (self.closes, context.evict) {
            let start = context.clock.ticks();
            self.table.close(until)?;
            spent.removals = context.clock.ticks() - start;
        }
        self.spent = spent;
        let parts = self.table.emit(self.emit, context.resources.pool())?;
        let frames = parts.into_iter().map(|(columns, rows)| Frame::new(self.ids.clone(), columns, rows)).collect();
        Ok(Flow { frames, rows_in: rows.into_inner() })
    }

    fn commit(&mut self) {
        self.table.commit(self.resources.as_ref().map(Resources::pool));
    }

    fn rollback(&mut self) {
        self.table.rollback();
    }

    fn spill_to(&mut self, tier: Tier) {
        let aggregates: Vec<&Aggregate> = self.preparation.aggregates.iter().map(|(a, _, _)| a).collect();
        let of_keys = |(index, window): (usize, bool)| -> ExpiryOf { Box::new(move |keys: &[Series]| expiry(&keys[index], window)) };
        self.table.spill_to(tier, &self.preparation.kind, &aggregates, self.preparation.event_time.filter(|_| self.closes).map(of_keys));
    }

    fn kept(&self, limit: usize) -> Result<Vec<KeptRows>, EngineError> {
        let list = |listed: Listed| KeptRows {
            operator: AGGREGATE,
            partition: listed.partition,
            names: Arc::clone(&self.names),
            columns: listed.columns,
            expiry: listed.expiry,
        };
        Ok(self.table.listed(limit)?.into_iter().map(list).collect())
    }

    fn stored(&mut self) -> Option<&mut dyn Kept> {
        if self.bounded { None } else { Some(self) }
    }

    fn state(&self) -> Option<StateOperatorProgress> {
        if self.bounded {
            return None;
        }
        let mut progress = self.spent.on(self.table.stats().progress(AGGREGATE, self.dropped));
        if let Some(size) = self.preparation.window_size {
            let window = |(end, groups): (i64, u64)| WindowGroups { start: end.saturating_sub(size), end, groups };
            [progress.open_windows, progress.closed_windows] = self.table.windows(WINDOWS).map(|all| all.into_iter().map(window).collect());
        }
        Some(progress)
    }
}
