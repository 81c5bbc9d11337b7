//! The micro-batch loop.
//!
//! ```text
//! plan_range → log_offsets → read → step_operators → write_sink → commit → publish_progress
//! ```
//!
//! A query is one plain thread that waits and decides; its CPU work goes to the session's worker pool. It
//! talks to the outside through a [`QueryHandle`]: commands one way, snapshots the other. A batch is all or
//! nothing: whatever fails before `commit` leaves the state as it was.

use super::bounded::{NoSystemTables, result};
use super::build::{Builder, Surroundings};
use super::clock::Clock;
use super::eval::EvalContext;
use super::node::{Batch, Node};
use super::operator::BatchContext;
use super::operator::late::Latecomers;
use super::operator::watermark::{EventStats, SharedStats};
use super::query_state::{Command, STATE_ROWS, Shared, TableColumns};
use super::sink::{Sink, SinkBatch, SinkRun};
use super::source::rate_limit::{BatchFacts, RateSettings};
use super::source::{self, ReadTask, Signal, Source, SourceContext};
use super::trigger::{self, Data, Decision};
use super::watermark::{Policy, Watermarks};
use super::{EngineError, Frame, Resources};
use crate::checkpoint::recover::{self, Recovery};
use crate::checkpoint::{Offset, Sync};
use crate::plan::LogicalPlan;
use crate::plan::logical::Column;
use crate::progress::bad_rows::BadRows;
use crate::progress::guarantee::Guarantee;
use crate::progress::recorder::{Outcome, Phase, Recorder};
use crate::progress::{EventTime, OutputMode, QueryState, SinkProgress, SourceProgress, Trigger};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

pub use super::query_state::QueryHandle;

/// Everything that a streaming query is started with.
pub struct QuerySpec {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// What it computes.
    pub plan: LogicalPlan,
    /// How results relate from batch to batch.
    pub mode: OutputMode,
    /// When batches run.
    pub trigger: Trigger,
    /// Where results go.
    pub sink: Box<dyn Sink>,
    /// What a restart means for its rows.
    pub guarantee: Guarantee,
    /// Session settings that queries read.
    pub settings: QuerySettings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Session facts for expressions; the time and the batch are set per batch.
    pub eval: EvalContext,
    /// What the session's queries share.
    pub resources: Resources,
}

/// Settings of a session that its queries read, as they were when the query started.
#[derive(Clone, Debug)]
pub struct QuerySettings {
    /// `spark.sql.shuffle.partitions`: how many partitions state has; 0 means one a worker.
    pub partitions: usize,
    /// `spark.sql.streaming.noDataMicroBatches.enabled`
    pub no_data_batches: bool,
    /// `spark.sql.streaming.multipleWatermarkPolicy`
    pub watermark_policy: Policy,
    /// `spark.sql.streaming.numRecentProgressUpdates`: how many batches' progress is kept.
    pub recent_progress: usize,
    /// `spark.streaming.backpressure.*`; `None`: not enabled.
    pub backpressure: Option<RateSettings>,
}

impl Default for QuerySettings {
    fn default() -> QuerySettings {
        QuerySettings { partitions: 0, no_data_batches: true, watermark_policy: Policy::Min, recent_progress: 100, backpressure: None }
    }
}

/// Starts a query: its sources are opened and its operators built before this returns.
///
/// # Errors
/// What is not built, a source that cannot be opened, a thread that cannot be started.
pub fn start(spec: QuerySpec) -> Result<QueryHandle, EngineError> {
    let wake = Arc::new(Signal::default());
    let label = spec.name.clone().unwrap_or_else(|| "query".to_string());
    let around = Surroundings {
        eval: spec.eval.clone(),
        resources: spec.resources.clone(),
        clock: Arc::clone(&spec.clock),
        wake: Arc::clone(&wake),
        query: label.clone(),
        system: &NoSystemTables,
    };
    let built = Builder::streaming(&around, spec.mode, spec.settings.partitions).build(&spec.plan)?;
    let bad = Arc::new(BadRows::default());
    let mut sources = Vec::with_capacity(built.sources.len());
    for (scan, _) in &built.sources {
        let context = SourceContext { bad: Arc::clone(&bad), ..around.source_context() };
        let mut source = source::open(scan, &context, &spec.resources).map_err(|e| e.within(&scan.name))?;
        if let Some(settings) = &spec.settings.backpressure {
            source.limit_rate(*settings);
        }
        sources.push(Input { source, from: None, bad: 0 });
    }
    let mut root = built.root;
    let columns = TableColumns { late: built.late_columns, state: root.kept(0)? };
    let mut shared = Shared::new(&spec, columns, wake, built.watermarks.iter().map(|w| w.0).max(), built.follows_watermark);
    shared.bad = bad;
    let shared = Arc::new(shared);
    let runner = Runner {
        columns: spec.plan.columns(),
        mode: spec.mode,
        trigger: spec.trigger,
        sink: spec.sink,
        no_data_batches: spec.settings.no_data_batches,
        eval: spec.eval,
        clock: spec.clock,
        resources: spec.resources,
        root,
        inputs: sources,
        watermarks: Watermarks::new(&built.watermarks.iter().map(|w| w.0).collect::<Vec<_>>(), spec.settings.watermark_policy),
        event_times: built.watermarks.into_iter().map(|w| w.1).collect(),
        latecomers: Arc::default(),
        follows_watermark: built.follows_watermark,
        batch: 0,
        ran: 0,
        last_look: None,
        idle: false,
        previous_start: None,
        shared: Arc::clone(&shared),
    };
    std::thread::Builder::new()
        .name(format!("query-{label}"))
        .stack_size(super::pool::STACK)
        .spawn(move || runner.run())
        .map_err(|e| EngineError::external(format!("the query's thread could not be started: {e}")))?;
    Ok(QueryHandle::new(shared))
}

/// A source and how far it was read.
struct Input {
    source: Box<dyn Source>,
    from: Option<Offset>,
    /// Bad records up to the last batch.
    bad: u64,
}

/// The ends of a batch's ranges, one a source; `None`: that source has nothing at all.
type Range = Vec<Option<Offset>>;

/// The longest wait between two tries of something that failed for a while.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

struct Runner {
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
    event_times: Vec<SharedStats>,
    latecomers: Arc<Latecomers>,
    follows_watermark: bool,
    /// The number of the next batch.
    batch: u64,
    /// Batches that this run of the query has done.
    ran: u64,
    last_look: Option<i64>,
    idle: bool,
    previous_start: Option<i64>,
    shared: Arc<Shared>,
}

impl Runner {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let outcome = self.recover().and_then(|()| self.rounds());
            self.publish_sources();
            if self.shared.is_named() {
                self.shared.show_state(self.root.kept(STATE_ROWS));
            }
            outcome
        }));
        shared.end(outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(EngineError::internal(format!("the query's thread panicked: {}", text.unwrap_or("no message"))))
        }));
    }

    /// Where to go on. Without a checkpoint there are no records, so every run starts afresh.
    fn recover(&mut self) -> Result<(), EngineError> {
        match recover::recover(&recover::Facts { stateful: !self.root.states().is_empty(), ..recover::Facts::default() }) {
            Recovery::Fresh => self.batch = 0,
            Recovery::Continue { next } | Recovery::Repeat { batch: next } => self.batch = next,
            Recovery::Damaged(how) => return Err(EngineError::external(how)),
        }
        let query = self.shared.identity().id.clone();
        let run = SinkRun { query, first: self.batch, checkpointed: false, sync: Sync::default() };
        self.sink.start(&run).map_err(|e| e.within("the sink"))?;
        if matches!(self.trigger, Trigger::AvailableNow | Trigger::Once) {
            for input in &mut self.inputs {
                input.source.freeze()?;
            }
        }
        Ok(())
    }

    /// Looks, waits and runs batches until there is nothing more to do.
    fn rounds(&mut self) -> Result<(), EngineError> {
        let mut failures = 0;
        loop {
            if self.shared.wants_state() {
                self.shared.show_state(self.root.kept(STATE_ROWS));
            }
            match self.shared.command() {
                Command::Stop => return Ok(()),
                Command::Pause => {
                    self.shared.set_state(QueryState::Paused, None);
                    self.wait(None);
                    continue;
                }
                Command::Run => {}
            }
            match self.round() {
                Ok(true) => failures = 0,
                Ok(false) => return Ok(()),
                Err(error) if error.failure().retry && self.shared.command() != Command::Stop => {
                    failures += 1;
                    self.back_off(&error, failures);
                }
                Err(error) => return if self.shared.is_abandoned() { Ok(()) } else { Err(error) },
            }
        }
    }

    /// One look at the trigger and the sources, and what follows from it; false when the query is at its end.
    fn round(&mut self) -> Result<bool, EngineError> {
        let mut facts = trigger::Facts {
            trigger: self.trigger,
            now: self.clock.now_micros(),
            last_look: self.last_look,
            idle: self.idle,
            batches: self.ran,
            data: None,
        };
        let mut planned = None;
        let decision = match trigger::decide(&facts) {
            Decision::Look => {
                let mut recorder = Recorder::start(facts.now, self.clock.ticks());
                self.last_look = Some(facts.now);
                let range = self.plan_range(&mut recorder)?;
                facts.data = Some(self.data(&range));
                planned = Some((recorder, range));
                trigger::decide(&facts)
            }
            other => other,
        };
        if self.idle && matches!(decision, Decision::WaitUntil(_)) {
            // The ticks that passed while nothing was there are over: the grid goes on from here.
            self.last_look = Some(facts.now);
        }
        self.idle = decision == Decision::WaitForData;
        match (decision, planned) {
            (Decision::End, _) => return Ok(false),
            (Decision::Run, Some((recorder, range))) => self.run_batch(recorder, &range)?,
            (Decision::WaitUntil(time), _) => {
                self.publish_sources();
                self.shared.set_state(QueryState::WaitingForTrigger, Some(time));
                self.wait(Some(Duration::from_micros((time - facts.now).max(0).unsigned_abs())));
            }
            _ => {
                self.publish_sources();
                self.shared.set_state(QueryState::WaitingForData, None);
                let poll = self.inputs.iter().filter_map(|i| i.source.poll_every()).min();
                self.wait(poll);
            }
        }
        Ok(true)
    }

    /// One batch; what fails on the way is undone.
    fn run_batch(&mut self, mut recorder: Recorder, range: &Range) -> Result<(), EngineError> {
        self.shared.set_state(QueryState::Running, None);
        self.shared.bad.begin(self.batch);
        let outcome = self.batch_steps(&mut recorder, range);
        match outcome {
            Ok(frame) => {
                self.publish_progress(recorder, range, &frame);
                self.batch += 1;
                self.ran += 1;
                for (input, to) in self.inputs.iter_mut().zip(range) {
                    if to.is_some() {
                        input.from.clone_from(to);
                    }
                }
                Ok(())
            }
            Err(error) => {
                self.root.each_operator(&mut |o| o.rollback());
                self.event_times.iter().for_each(|e| *lock(e) = EventStats::default());
                self.root.take_progress(&mut Vec::new());
                self.latecomers.clear();
                Err(error)
            }
        }
    }

    fn batch_steps(&mut self, recorder: &mut Recorder, range: &Range) -> Result<Frame, EngineError> {
        self.log_offsets(recorder, range);
        let reads = self.read(recorder, range)?;
        let start = self.clock.ticks();
        let frame = self.step_operators(recorder, reads)?;
        self.write_sink(&frame)?;
        recorder.add(Phase::AddBatch, self.clock.ticks() - start);
        self.commit(recorder, range)?;
        Ok(frame)
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
            watermark_moved: self.follows_watermark && self.no_data_batches && self.ran > 0 && self.watermarks.moved(),
            ended: self.inputs.iter().all(|i| i.source.ended()),
        }
    }

    /// Records the range before anything is done with it. Without a checkpoint the record is the range in memory,
    /// which a batch that is tried again plans anew from the same start.
    fn log_offsets(&mut self, recorder: &mut Recorder, _range: &Range) {
        let start = self.clock.ticks();
        recorder.add(Phase::WalCommit, self.clock.ticks() - start);
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
        // Spark's batch time has milliseconds.
        let now = recorder.timestamp().div_euclid(1000) * 1000;
        let context = BatchContext {
            eval: EvalContext { now, batch: self.batch, ..self.eval.clone() },
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

    /// The batch holds: sources may forget its rows, operators make their changes final.
    fn commit(&mut self, recorder: &mut Recorder, range: &Range) -> Result<(), EngineError> {
        let start = self.clock.ticks();
        for (input, to) in self.inputs.iter_mut().zip(range) {
            if let Some(to) = to {
                input.source.commit(to)?;
                input.source.durable(to)?;
            }
        }
        self.shared.note_states(self.root.states());
        self.root.each_operator(&mut |o| o.commit());
        self.sink.commit(self.batch).map_err(|e| e.within("the sink"))?;
        recorder.add(Phase::CommitOffsets, self.clock.ticks() - start);
        Ok(())
    }

    /// Publishes the batch's figures and result, and moves the watermarks on.
    fn publish_progress(&mut self, recorder: Recorder, range: &Range, frame: &Frame) {
        let seen: Vec<EventStats> = self.event_times.iter().map(|e| std::mem::take(&mut *lock(e))).collect();
        let event_time = self.watermarks.evict().map(|watermark| event_time(&seen, watermark));
        let mut operators = Vec::new();
        self.root.take_progress(&mut operators);
        let mut decoded = operators.iter().filter(|o| o.name == "decode");
        let mut source = |(input, to): (&mut Input, &Option<Offset>)| {
            let status = input.source.status();
            let bad = status.bad_rows + status.oversized_rows;
            SourceProgress {
                description: status.description,
                start_offset: input.from.as_ref().map(ToString::to_string),
                end_offset: to.as_ref().or(input.from.as_ref()).map(ToString::to_string),
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
        let latest: Vec<Option<i64>> = seen.iter().map(|s| (s.count > 0).then_some(s.max)).collect();
        self.watermarks.advance(&latest);
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

    fn back_off(&mut self, error: &EngineError, failures: u32) {
        let wait = Duration::from_millis(100).saturating_mul(1 << failures.min(10)).min(LONGEST_BACKOFF);
        self.shared.log(format!("batch {}: {error}; trying again in {} ms", self.batch, wait.as_millis()));
        self.publish_sources();
        self.shared.set_state(QueryState::WaitingForData, None);
        self.wait(Some(wait));
    }

    /// Sleeps until woken, or until the time is over.
    fn wait(&self, at_most: Option<Duration>) {
        // Without a time only a signal ends the wait; the bound is there for a source that forgets to give one.
        self.shared.wake.wait(at_most.unwrap_or(Duration::from_secs(60)));
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
