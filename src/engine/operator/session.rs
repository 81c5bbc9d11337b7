//! `session_window(ts, gap)`: gives each row its own session, and GROUP BY one: sessions that touch become one.

use super::aggregate::{arguments, names};
use super::late::{LateNote, in_time};
use super::time_window::only;
use super::{BatchContext, Flow, Kept, KeptRows, Operator, Spent, Step, Task, run_each};
use crate::checkpoint::{Block, Changes};
use crate::engine::columns::struct_series;
use crate::engine::eval::Bound;
use crate::engine::eval::access::{self, flag_series, numbers};
use crate::engine::state::Emit;
use crate::engine::state::accumulator::Aggregate;
use crate::engine::state::keys::KeyKind;
use crate::engine::state::sessions::{SessionOutput, SessionRows, SessionTable};
use crate::engine::state::spill::Tier;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use crate::plan::logical::Column;
use crate::progress::StateOperatorProgress;
use crate::types::DataType;
use polars::prelude::Series;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Its name, as Spark's progress has it.
pub const SESSION: &str = "sessionWindowStateStoreSaveExec";

/// Adds each row's own session; a row without a time or with a gap that is not longer than zero is dropped.
pub struct SessionWindow {
    /// The time.
    pub time: Bound,
    /// The time and the gap.
    pub end: Bound,
    /// The column of sessions.
    pub id: ColumnId,
    /// Columns of the input that somebody needs above.
    pub keep: Vec<ColumnId>,
}

impl Step for SessionWindow {
    fn name(&self) -> &'static str {
        "session"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        let mut starts = self.time.evaluate(&frame, &context.eval)?;
        let mut ends = self.end.evaluate(&frame, &context.eval)?;
        let mut frame = only(frame, &self.keep);
        let kept = {
            let (from, to) = (numbers::<i64>(&starts)?, numbers::<i64>(&ends)?);
            let valid = access::both_valid(from.validity, to.validity, frame.rows());
            access::bits(frame.rows(), |row| valid.as_ref().is_none_or(|v| v.get_bit(row)) && to.values[row] > from.values[row])
        };
        if kept.unset_bits() > 0 {
            let mask = flag_series(kept, None);
            frame = frame.filter(mask.bool()?)?;
            (starts, ends) = (starts.filter(mask.bool()?)?, ends.filter(mask.bool()?)?);
        }
        frame.push(self.id, struct_series(vec![starts, ends], Some(frame.rows()), None)?);
        Ok(frame)
    }
}

/// What each piece goes through before it meets the state.
pub struct SessionKeys {
    /// The keys beside the session.
    pub keys: Vec<Bound>,
    /// The form that follows from their types.
    pub kind: KeyKind,
    /// The session.
    pub session: Bound,
    /// Its place among the keys.
    pub place: usize,
    /// The aggregates, with their bound arguments and filters.
    pub aggregates: Vec<(Aggregate, Vec<Bound>, Option<Bound>)>,
    /// What is kept of late rows; `None` where none is dropped. They are judged by their own session, before it
    /// joins another.
    pub late: Option<LateNote>,
}

impl SessionKeys {
    fn prepare(&self, frame: Frame, partitions: usize, context: &BatchContext, dropped: &AtomicU64) -> Result<SessionRows, EngineError> {
        let mut frame = frame;
        let [mut starts, mut ends] = self.spans(&frame, context)?;
        if let (Some(note), Some(late)) = (&self.late, context.late) {
            let kept = in_time(&ends, late)?;
            if kept.unset_bits() > 0 {
                dropped.fetch_add(kept.unset_bits() as u64, Ordering::Relaxed);
                note.keep(&frame, &kept, context)?;
                let mask = flag_series(kept, None);
                frame = frame.filter(mask.bool()?)?;
                (starts, ends) = (starts.filter(mask.bool()?)?.rechunk(), ends.filter(mask.bool()?)?.rechunk());
            }
        }
        let keys = self.keys.iter().map(|k| k.evaluate(&frame, &context.eval)).collect::<Result<Vec<_>, _>>()?;
        let keys = self.kind.batch(&keys, frame.rows())?;
        let mut args = Vec::with_capacity(self.aggregates.len());
        let mut filters = Vec::with_capacity(self.aggregates.len());
        for (aggregate, bound, filter) in &self.aggregates {
            let mask = filter.as_ref().map(|f| f.mask(&frame, &context.eval)).transpose()?;
            args.push(arguments(aggregate, bound, mask.as_ref(), &frame, context)?);
            filters.push(mask);
        }
        let scatter = keys.scatter(partitions);
        Ok(SessionRows { keys, starts, ends, args, filters, scatter })
    }

    fn spans(&self, frame: &Frame, context: &BatchContext) -> Result<[Series; 2], EngineError> {
        let session = self.session.evaluate(frame, &context.eval)?;
        let members = access::members(&session)?.into_iter().map(|m| m.rechunk()).collect::<Vec<_>>();
        members.try_into().map_err(|_| EngineError::internal("a session without a start and an end"))
    }
}

/// Groups rows by keys and session, and keeps the sessions from batch to batch.
pub struct SessionOperator {
    keys: SessionKeys,
    table: SessionTable,
    ids: Vec<ColumnId>,
    names: Arc<[(String, DataType)]>,
    emit: Emit,
    closes: bool,
    bounded: bool,
    dropped: u64,
    spent: Spent,
    schema: Vec<String>,
}

impl SessionOperator {
    /// An operator without sessions. `emit` is the output mode's choice; `closes` when sessions leave by the
    /// watermark; `bounded` when there is only one batch.
    ///
    /// # Errors
    /// An aggregate that is not built.
    pub fn new(
        keys: SessionKeys,
        columns: &[Column],
        partitions: usize,
        emit: Emit,
        closes: bool,
        bounded: bool,
    ) -> Result<SessionOperator, EngineError> {
        let aggregates: Vec<&Aggregate> = keys.aggregates.iter().map(|(a, _, _)| a).collect();
        let table = SessionTable::new(&keys.kind, &aggregates, partitions, closes)?;
        let ids = columns.iter().map(|c| c.id).collect();
        Ok(SessionOperator {
            keys,
            table,
            ids,
            names: names(columns),
            emit,
            closes,
            bounded,
            dropped: 0,
            spent: Spent::default(),
            schema: Vec::new(),
        })
    }

    /// With the lines that say what its state is made of.
    #[must_use]
    pub fn with_schema(mut self, schema: Vec<String>) -> SessionOperator {
        self.schema = schema;
        self
    }

    fn frame(&self, output: SessionOutput) -> Result<Frame, EngineError> {
        let SessionOutput { keys: mut columns, spans, results, rows } = output;
        columns.insert(self.keys.place, struct_series(spans.to_vec(), Some(rows), None)?);
        columns.extend(results);
        Ok(Frame::new(self.ids.clone(), columns, rows))
    }
}

impl Kept for SessionOperator {
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
        self.table.check()
    }
}

impl Operator for SessionOperator {
    fn name(&self) -> &'static str {
        "session"
    }

    fn step(&mut self, mut inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError> {
        self.table.check()?;
        let (partitions, dropped, rows) = (self.table.partitions(), AtomicU64::new(0), AtomicU64::new(0));
        let prepared = run_each(inputs.remove(0), context, |frame| {
            rows.fetch_add(frame.rows() as u64, Ordering::Relaxed);
            self.keys.prepare(frame, partitions, context, &dropped)
        })?;
        self.dropped = dropped.into_inner();
        let parts = self.table.step(&prepared, context.evict, self.emit, context.resources.pool(), &*context.clock)?;
        let [updates, removals] = self.table.spent();
        self.spent = Spent { updates, removals };
        let frames = parts.into_iter().map(|part| self.frame(part)).collect::<Result<_, _>>()?;
        Ok(Flow { frames, rows_in: rows.into_inner() })
    }

    fn commit(&mut self) {
        self.table.commit();
    }

    fn rollback(&mut self) {
        self.table.rollback();
    }

    fn kept(&self, limit: usize) -> Result<Vec<KeptRows>, EngineError> {
        let list = |(partition, listed): (usize, SessionOutput)| {
            let expiry = access::numbers::<i64>(&listed.spans[1])?.values.iter().map(|end| self.closes.then_some(*end)).collect();
            let columns = self.frame(listed)?.columns().to_vec();
            Ok(KeptRows { operator: SESSION, partition, names: Arc::clone(&self.names), columns, expiry })
        };
        self.table.listed(limit)?.into_iter().map(list).collect()
    }

    fn spill_to(&mut self, tier: Tier) {
        let aggregates: Vec<&Aggregate> = self.keys.aggregates.iter().map(|(a, _, _)| a).collect();
        self.table.spill_to(tier, &self.keys.kind, &aggregates);
    }

    fn stored(&mut self) -> Option<&mut dyn Kept> {
        if self.bounded { None } else { Some(self) }
    }

    fn state(&self) -> Option<StateOperatorProgress> {
        (!self.bounded).then(|| self.spent.on(self.table.stats().progress(SESSION, self.dropped)))
    }
}
