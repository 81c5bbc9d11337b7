//! The micro-batch loop; what leads to it is in `start.rs` and `rounds.rs`.
//!
//! ```text
//! plan_range → log_offsets → read → step_operators → write_sink → commit → publish_progress
//! ```
//!
//! A query is one plain thread that waits and decides; its CPU work goes to the session's worker pool. It
//! talks to the outside through a [`QueryHandle`]: commands one way, snapshots the other. A batch is all or
//! nothing: whatever fails before `commit` leaves the state as it was.

mod rounds;
mod start;

pub use start::{QuerySettings, QuerySpec, start};

use super::bounded::{NoSystemTables, result};
use super::build::{Builder, Built, Surroundings};
use super::clock::Clock;
use super::eval::EvalContext;
use super::node::{Batch, Node};
use super::operator::BatchContext;
use super::operator::late::Latecomers;
use super::operator::watermark::{EventStats, SharedStats};
use super::query_checkpoint::{self, Keeper};
use super::query_state::{Command, STATE_ROWS, Shared, SharedFacts, TableColumns, unique_id};
use super::sink::{Sink, SinkBatch, SinkRun};
use super::source::rate_limit::{BatchFacts, RateSettings};
use super::source::{self, ReadTask, Signal, Source, SourceContext, SourceFolder};
use super::state::spill::{self, Spill, SpillSettings};
use super::trigger::{self, Data, Decision};
use super::watermark::{Policy, Watermarks};
use super::{EngineError, Frame, Resources};
use crate::checkpoint::{BatchOffsets, Found, Offset, SourceRange, Sync};
use crate::plan::LogicalPlan;
use crate::plan::logical::Column;
use crate::progress::bad_rows::BadRows;
use crate::progress::guarantee::Guarantee;
use crate::progress::recorder::{Outcome, Phase, Recorder};
use crate::progress::{EventTime, OutputMode, QueryState, SinkProgress, SourceProgress, SourceStatus, Trigger};
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use super::query_checkpoint::{CheckpointSpec, KeptState, Takeover, kept_state};
pub use super::query_state::{CrashPoint, QueryHandle};

/// A source and how far it was read.
struct Input {
    source: Box<dyn Source>,
    from: Option<Offset>,
    /// Bad records up to the last batch.
    bad: u64,
}

/// The ends of a batch's ranges, one a source; `None`: that source has nothing at all.
type Range = Vec<Option<Offset>>;

/// The query's thread and all it owns.
pub(super) struct Runner {
    columns: Vec<Column>,
    mode: OutputMode,
    trigger: Trigger,
    sink: Box<dyn Sink>,
    no_data_batches: bool,
    eval: EvalContext,
    clock: Arc<dyn Clock>,
    resources: Resources,
    root: Node,
    inputs: Vec<Input>,
    watermarks: Watermarks,
    /// What each WATERMARK saw in the batch at hand.
    seen: Vec<EventStats>,
    event_times: Vec<SharedStats>,
    latecomers: Arc<Latecomers>,
    follows_watermark: bool,
    watermark_redefined: bool,
    /// The number of the next batch.
    batch: u64,
    /// Batches that this run of the query has done.
    ran: u64,
    /// Whether batches were done before this run.
    went_on: bool,
    /// Batches whose ranges are logged and that are not done: they come first, as they were logged.
    repeat: VecDeque<BatchOffsets>,
    keeper: Option<Keeper>,
    /// Whether sink and sources were told that it begins.
    begun: bool,
    /// Ended as by a kill.
    crashed: bool,
    last_look: Option<i64>,
    idle: bool,
    previous_start: Option<i64>,
    label: String,
    shared: Arc<Shared>,
}

impl Runner {
    /// One batch; what fails on the way is undone.
    fn run_batch(&mut self, mut recorder: Recorder, range: &Range) -> Result<(), EngineError> {
        self.shared.set_state(QueryState::Running, None);
        self.shared.bad.begin(self.batch);
        let outcome = self.batch_steps(&mut recorder, range);
        match outcome {
            Ok(frame) => {
                self.publish_progress(recorder, range, &frame);
                self.repeat.pop_front();
                self.batch += 1;
                self.ran += 1;
                for (input, to) in self.inputs.iter_mut().zip(range) {
                    if to.is_some() {
                        input.from.clone_from(to);
                    }
                }
                Ok(())
            }
            Err(error) if self.crashed => Err(error),
            Err(error) => {
                if let Some(keeper) = &mut self.keeper {
                    keeper.checkpoint.undo(self.batch);
                }
                self.root.each_operator(&mut |o| o.rollback());
                self.event_times.iter().for_each(|e| *lock(e) = EventStats::default());
                self.root.take_progress(&mut Vec::new());
                self.latecomers.clear();
                Err(error)
            }
        }
    }

    fn batch_steps(&mut self, recorder: &mut Recorder, range: &Range) -> Result<Frame, EngineError> {
        self.watermark_is_one()?;
        self.log_offsets(recorder, range)?;
        self.crash_at(CrashPoint::Offsets)?;
        let reads = self.read(recorder, range)?;
        let start = self.clock.ticks();
        let frame = self.step_operators(recorder, reads)?;
        self.crash_at(CrashPoint::Operators)?;
        if let Some(keeper) = &mut self.keeper {
            keeper.checkpoint.offsets_synced()?;
        }
        self.write_sink(&frame)?;
        self.crash_at(CrashPoint::Sink)?;
        recorder.add(Phase::AddBatch, self.clock.ticks() - start);
        self.commit(recorder, range)?;
        self.crash_at(CrashPoint::Commit)?;
        Ok(frame)
    }

    /// As in Spark, a WATERMARK over another fails the first batch in which the two say different things.
    fn watermark_is_one(&self) -> Result<(), EngineError> {
        if !self.watermark_redefined || self.watermarks.evict() <= Some(0) {
            return Ok(());
        }
        Err(EngineError::user("a WATERMARK stands over another, and rows can be late by one of them only")
            .help("leave one of the two out: the WATERMARK behind FROM STREAM holds for everything above it"))
    }

    /// Asks every source how far a batch may read.
    fn plan_range(&mut self, recorder: &mut Recorder) -> Result<Range, EngineError> {
        let start = self.clock.ticks();
        let once = self.trigger == Trigger::Once;
        let mut range = Vec::with_capacity(self.inputs.len());
        for input in &mut self.inputs {
            let mut to = input.source.latest(input.from.as_ref())?;
            // Once takes everything: limits per batch do not cut it.
            while once && let Some(reached) = &to {
                match input.source.latest(Some(reached))? {
                    Some(further) if further != *reached => to = Some(further),
                    _ => break,
                }
            }
            range.push(to);
        }
        recorder.add(Phase::LatestOffset, self.clock.ticks() - start);
        Ok(range)
    }

    /// What the planned range says to the trigger.
    fn data(&self, range: &Range) -> Data {
        let new = self.inputs.iter().zip(range).any(|(input, to)| to.is_some() && *to != input.from);
        Data {
            new,
            starts_empty: self.batch == 0 && self.inputs.iter().any(|i| i.source.starts_empty()),
            // After a restart too: Spark waits for data then, so that a kill between the last data and the batch behind it
            // leaves closed windows unwritten. Here a kill never shows in the rows.
            watermark_moved: self.follows_watermark && self.no_data_batches && (self.ran > 0 || self.went_on) && self.watermarks.moved(),
            ended: self.inputs.iter().all(|i| i.source.ended()),
        }
    }

    /// Records the range before anything is done with it. From then on the batch is this one, however often it is tried.
    /// The record is synced while the batch is computed.
    /// Without a checkpoint the record is the range in memory, which is planned anew from the same start.
    fn log_offsets(&mut self, recorder: &mut Recorder, range: &Range) -> Result<(), EngineError> {
        let start = self.clock.ticks();
        let time = recorder.timestamp().div_euclid(1000);
        if let Some(keeper) = self.keeper.as_mut().filter(|k| k.checkpoint.lost_offsets()) {
            self.repeat.iter().try_for_each(|logged| keeper.checkpoint.log_offsets(logged))?;
        }
        if let (Some(keeper), true) = (&mut self.keeper, self.repeat.is_empty()) {
            let mut sources = Vec::with_capacity(range.len());
            for (input, to) in self.inputs.iter_mut().zip(range) {
                let journal = match to {
                    Some(to) if Some(to) != input.from.as_ref() => input.source.journal(input.from.as_ref(), to)?,
                    _ => Vec::new(),
                };
                sources.push(SourceRange { from: input.from.clone(), to: to.clone().or_else(|| input.from.clone()), journal });
            }
            let zone = self.eval.zone.name().to_string();
            let offsets = BatchOffsets { batch: self.batch, time, zone, watermarks: self.watermarks.text(), sources };
            keeper.checkpoint.log_offsets(&offsets)?;
            self.repeat.push_back(offsets);
        }
        recorder.add(Phase::WalCommit, self.clock.ticks() - start);
        Ok(())
    }

    /// The range's rows as tasks, a list a source.
    fn read(&mut self, recorder: &mut Recorder, range: &Range) -> Result<Vec<Vec<ReadTask>>, EngineError> {
        let start = self.clock.ticks();
        let mut reads = Vec::with_capacity(self.inputs.len());
        for (input, to) in self.inputs.iter_mut().zip(range) {
            reads.push(match to {
                Some(to) if Some(to) != input.from.as_ref() => input.source.read(input.from.as_ref(), to)?,
                _ => Vec::new(),
            });
        }
        recorder.add(Phase::GetBatch, self.clock.ticks() - start);
        Ok(reads)
    }

    /// Runs the batch through the operators: the result in the plan's columns.
    fn step_operators(&mut self, recorder: &Recorder, reads: Vec<Vec<ReadTask>>) -> Result<Frame, EngineError> {
        // Spark's batch time has milliseconds. A batch that is repeated has the time that it had.
        let logged = self.repeat.front();
        let now = logged.map_or_else(|| recorder.timestamp().div_euclid(1000), |l| l.time) * 1000;
        let zone = logged.and_then(|l| l.zone.parse().ok()).unwrap_or(self.eval.zone);
        let context = BatchContext {
            eval: EvalContext { now, zone, batch: self.batch, ..self.eval.clone() },
            evict: self.watermarks.evict(),
            late: self.watermarks.late(),
            resources: self.resources.clone(),
            latecomers: Arc::clone(&self.latecomers),
            clock: Arc::clone(&self.clock),
            cancelled: Arc::clone(&self.shared.cancelled),
        };
        result(&mut self.root, &mut Batch { context: Arc::new(context), reads }, &self.columns)
    }

    fn write_sink(&mut self, frame: &Frame) -> Result<(), EngineError> {
        if self.shared.is_abandoned() {
            return Err(EngineError::internal("the batch was abandoned"));
        }
        let states = self.root.states();
        let batch = SinkBatch {
            id: self.batch,
            mode: self.mode,
            columns: &self.columns,
            frame,
            watermark: self.watermarks.evict(),
            state_rows: states.iter().map(|s| s.num_rows_total).sum(),
            dropped_by_watermark: states.iter().map(|s| s.num_rows_dropped_by_watermark).sum(),
            zone: self.eval.zone,
        };
        self.sink.write(&batch).map_err(|e| e.within("the sink"))
    }

    /// The batch holds: its record is written, sources may forget its rows, operators make their changes final.
    fn commit(&mut self, recorder: &mut Recorder, range: &Range) -> Result<(), EngineError> {
        let start = self.clock.ticks();
        self.seen = self.event_times.iter().map(|e| std::mem::take(&mut *lock(e))).collect();
        self.write_checkpoint()?;
        let mut states = self.root.commit(&*self.clock);
        if states.iter().any(|s| s.disk.is_some()) {
            // What is where is decided at commit.
            for (state, after) in states.iter_mut().zip(self.root.states()) {
                (state.memory_used_bytes, state.disk) = (after.memory_used_bytes, after.disk);
            }
        }
        self.shared.note_states(states);
        self.sink.commit(self.batch).map_err(|e| e.within("the sink"))?;
        for (input, to) in self.inputs.iter_mut().zip(range) {
            if let Some(to) = to {
                input.source.commit(to)?;
            }
        }
        let durable = match &mut self.keeper {
            Some(keeper) => keeper.committed(self.batch, range.clone()),
            None => Some(range.clone()),
        };
        for (input, to) in self.inputs.iter_mut().zip(durable.into_iter().flatten()) {
            if let Some(to) = to {
                input.source.durable(&to)?;
            }
        }
        recorder.add(Phase::CommitOffsets, self.clock.ticks() - start);
        Ok(())
    }

    /// State first, then the record that says that it counts.
    fn write_checkpoint(&mut self) -> Result<(), EngineError> {
        let next = self.next_watermarks().text();
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let done = keeper.write_state(self.batch, &mut self.root, &self.resources)?;
        self.crash_at(CrashPoint::State)?;
        let Some(keeper) = &mut self.keeper else { return Ok(()) };
        let sums = keeper.checkpoint.wants_journals(self.batch);
        let journals = if sums { self.inputs.iter_mut().map(|i| i.source.journal_so_far()).collect() } else { Vec::new() };
        Ok(keeper.checkpoint.commit(done, &next, journals)?)
    }

    /// The watermarks after the batch at hand.
    fn next_watermarks(&self) -> Watermarks {
        let latest: Vec<Option<i64>> = self.seen.iter().map(|s| (s.count > 0).then_some(s.max)).collect();
        let mut next = self.watermarks.clone();
        next.advance(&latest);
        next
    }

    /// Publishes the batch's figures and result, and moves the watermarks on.
    fn publish_progress(&mut self, recorder: Recorder, range: &Range, frame: &Frame) {
        let event_time = self.watermarks.evict().map(|watermark| event_time(&self.seen, watermark));
        let mut operators = Vec::new();
        self.root.take_progress(&mut operators);
        let mut decoded = operators.iter().filter(|o| o.name == "decode");
        let mut source = |(input, to): (&mut Input, &Option<Offset>)| {
            let status = input.source.status();
            let bad = status.bad_rows + status.oversized_rows;
            SourceProgress {
                metrics: metrics(&status),
                description: status.description,
                start_offset: input.from.as_ref().map(ToString::to_string),
                end_offset: to.as_ref().or(input.from.as_ref()).map(ToString::to_string),
                latest_offset: to.as_ref().filter(|_| status.capacity_rows > 0).map(ToString::to_string),
                num_input_rows: decoded.next().map_or(0, |o| o.rows_out),
                num_bad_rows: bad.saturating_sub(std::mem::replace(&mut input.bad, bad)),
                ..SourceProgress::default()
            }
        };
        let sources = self.inputs.iter_mut().zip(range).map(&mut source).collect();
        let start = recorder.timestamp();
        let outcome = Outcome {
            batch_id: self.batch,
            event_time,
            state_operators: self.shared.take_states(),
            sources,
            sink: SinkProgress { description: self.sink.description(), num_output_rows: frame.rows() as u64 },
            operators,
            previous_start: self.previous_start,
        };
        let progress = recorder.finish(self.shared.identity(), outcome, self.clock.ticks());
        self.previous_start = Some(start);
        self.tell_rates(&progress);
        self.shared.note_late(self.latecomers.take(self.batch, self.eval.zone));
        self.shared.publish(progress, frame, &self.columns, self.watermarks.evict(), self.eval.zone);
        self.publish_sources();
        self.watermarks = self.next_watermarks();
    }

    /// How the batch went, for sources that cap themselves by it.
    fn tell_rates(&mut self, progress: &crate::progress::BatchProgress) {
        let interval = match self.trigger {
            Trigger::ProcessingTime(micros) => micros as f64 / 1e3,
            _ => progress.duration_ms.trigger_execution.max(1.0),
        };
        let facts = BatchFacts {
            ended: self.clock.now_micros() / 1000,
            rows: progress.num_input_rows,
            processing: progress.duration_ms.trigger_execution,
            waited: 0.0,
            interval,
        };
        self.inputs.iter_mut().for_each(|i| i.source.batch_ended(&facts));
    }

    fn publish_sources(&self) {
        self.shared.publish_sources(self.inputs.iter().map(|i| i.source.status()).collect());
    }
}

fn lock(stats: &SharedStats) -> std::sync::MutexGuard<'_, EventStats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Figures over all WATERMARKs, in microseconds.
fn event_time(seen: &[EventStats], watermark: i64) -> EventTime {
    let all = seen.iter().fold(EventStats::default(), |a, b| a.merge(*b));
    if all.count == 0 {
        return EventTime { watermark, ..EventTime::default() };
    }
    let mean = i64::try_from(all.sum / i128::from(all.count)).unwrap_or(0);
    EventTime { max: Some(all.max * 1000), min: Some(all.min * 1000), avg: Some(mean * 1000), watermark }
}

/// What a source says of itself beside its rows.
fn metrics(status: &SourceStatus) -> Vec<(String, String)> {
    if status.capacity_rows == 0 {
        return Vec::new();
    }
    let figures = [("bufferedRows", status.buffered_rows), ("bufferedBytes", status.buffered_bytes)];
    figures.map(|(name, n)| (name.to_string(), n.to_string())).into()
}
