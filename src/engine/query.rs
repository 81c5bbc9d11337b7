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
    /// Where it keeps what a restart needs; `None`: nowhere.
    pub checkpoint: Option<CheckpointSpec>,
    /// The query whose place it takes.
    pub taken: Option<Takeover>,
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
    /// `spark.sql.streaming.stateStore.providerClass` and how much of the state is in memory; `None`: all of it.
    pub spill: Option<SpillSettings>,
}

impl Default for QuerySettings {
    fn default() -> QuerySettings {
        QuerySettings {
            partitions: 0,
            no_data_batches: true,
            watermark_policy: Policy::Min,
            recent_progress: 100,
            backpressure: None,
            spill: None,
        }
    }
}

/// Starts a query: its sources are opened and its operators built before this returns.
///
/// # Errors
/// What is not built, a source that cannot be opened, a thread that cannot be started.
/// A checkpoint that cannot be used, or that is another query's.
pub fn start(mut spec: QuerySpec) -> Result<QueryHandle, EngineError> {
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
    let opened = spec.checkpoint.as_ref().map(|c| query_checkpoint::open(c, &spec.resources)).transpose()?;
    let earlier = opened.as_ref().and_then(|o| o.metadata.as_ref());
    let id = earlier.map_or_else(|| unique_id(spec.clock.now_micros(), 1), |m| m.id.clone());
    // State stays where it is: what was chosen at the first start holds.
    let fixed = earlier.map(|m| m.partitions).or_else(|| spec.taken.as_ref().and_then(Takeover::partitions));
    let partitions = fixed.unwrap_or(spec.settings.partitions);
    let mut built = Builder::streaming(&around, spec.mode, partitions).build(&spec.plan)?;
    spill_to_disk(&spec, &mut built)?;
    let (keeper, found) = match opened.map(|o| o.restore(&mut built, &id)).transpose()? {
        Some((keeper, found)) => (Some(keeper), Some(found)),
        None => (None, None),
    };
    let bad = Arc::new(BadRows::default());
    let mut taken = spec.taken.take();
    if let Some(taken) = taken.as_ref().filter(|_| keeper.is_none()) {
        taken.restore_state(&mut built)?;
    }
    let found = found.or_else(|| taken.as_mut().map(|t| std::mem::take(&mut t.found)));
    let mut sources = open_sources(&spec, &around.source_context(), &bad, &built, keeper.as_ref(), found.as_ref())?;
    for (input, old) in sources.iter_mut().zip(taken.iter().flat_map(|t| &t.sources)) {
        if let Some(place) = old.as_ref().and_then(|old| old.place()) {
            input.source.take_place(place);
        }
    }
    let kept = KeptState::of(&mut built);
    let delay = built.watermarks.iter().map(|w| w.0).max();
    let columns = TableColumns { late: std::mem::take(&mut built.late_columns), state: built.root.kept(0)? };
    let facts = SharedFacts { id, kept, columns, delay, follows_watermark: built.follows_watermark };
    let mut shared = Shared::new(&spec, facts, wake);
    shared.bad = bad;
    let shared = Arc::new(shared);
    let mut watermarks = Watermarks::new(&built.watermarks.iter().map(|w| w.0).collect::<Vec<_>>(), spec.settings.watermark_policy);
    if let Some(text) = found.as_ref().and_then(|f| f.watermarks.as_ref()) {
        watermarks.restore(text).ok_or_else(|| EngineError::external(format!("`{text}` is no text of watermarks")))?;
    }
    if keeper.is_some() {
        let other = query_checkpoint::other_partitions(fixed, spec.settings.partitions);
        let told = found.as_ref().and_then(query_checkpoint::recovery_text).into_iter().chain(other).collect::<Vec<_>>();
        shared.note_recovery(Some(told.join("; ")).filter(|text| !text.is_empty()));
    }
    let committed = found.as_ref().and_then(|f| f.committed);
    let runner = Box::new(Runner {
        columns: spec.plan.columns(),
        mode: spec.mode,
        trigger: spec.trigger,
        sink: spec.sink,
        no_data_batches: spec.settings.no_data_batches,
        eval: spec.eval,
        clock: spec.clock,
        resources: spec.resources,
        root: built.root,
        inputs: sources,
        watermarks,
        seen: Vec::new(),
        event_times: built.watermarks.into_iter().map(|w| w.1).collect(),
        latecomers: Arc::default(),
        follows_watermark: built.follows_watermark,
        watermark_redefined: built.redefined,
        batch: committed.map_or(0, |n| n + 1),
        ran: 0,
        went_on: committed.is_some(),
        repeat: found.map(|f| f.repeat).unwrap_or_default(),
        keeper,
        begun: false,
        crashed: false,
        last_look: None,
        idle: false,
        previous_start: None,
        label,
        shared: Arc::clone(&shared),
    });
    runner.spawn()?;
    Ok(QueryHandle::new(shared))
}

/// Lets operators keep on disk what is too much for memory, where the settings say so.
fn spill_to_disk(spec: &QuerySpec, built: &mut Built) -> Result<(), EngineError> {
    let checkpoint = spec.checkpoint.as_ref().map(|c| c.dir.clone());
    if let Some(dir) = &checkpoint {
        // A kill may have left it there, of a run with other settings, too.
        spill::clear(dir)
            .map_err(|e| EngineError::external(format!("{} cannot be removed: {e}", dir.join(spill::IN_CHECKPOINT).display())))?;
    }
    let Some(settings) = spec.settings.spill else { return Ok(()) };
    let name = unique_id(spec.clock.now_micros(), 3);
    let spill = Spill::new(settings, &spec.resources, checkpoint, name);
    let mut number = 0;
    built.root.each_operator(&mut |operator| {
        operator.spill_to(spill.tier(number));
        number += 1;
    });
    Ok(())
}

/// The sources of a plan, each where an earlier run left it.
fn open_sources(
    spec: &QuerySpec,
    around: &SourceContext,
    bad: &Arc<BadRows>,
    built: &Built,
    keeper: Option<&Keeper>,
    found: Option<&Found>,
) -> Result<Vec<Input>, EngineError> {
    let mut sources = Vec::with_capacity(built.sources.len());
    for (at, (scan, _)) in built.sources.iter().enumerate() {
        let mut context = SourceContext { bad: Arc::clone(bad), ..around.clone() };
        context.folder = keeper.map(|k| SourceFolder { dir: k.checkpoint.source_dir(at), sync: k.checkpoint.sync() });
        let mut source = source::open(scan, &context, &spec.resources).map_err(|e| e.within(&scan.name))?;
        if let Some(settings) = &spec.settings.backpressure {
            source.limit_rate(*settings);
        }
        if let Some(earlier) = found.and_then(|f| query_checkpoint::earlier(f, at)) {
            source.restore(&earlier).map_err(|e| e.within(&scan.name))?;
        }
        sources.push(Input { source, from: found.and_then(|f| f.ends.get(at).cloned().flatten()), bad: 0 });
    }
    Ok(sources)
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
    /// Runs it on a thread of its own.
    pub(super) fn spawn(self: Box<Runner>) -> Result<(), EngineError> {
        std::thread::Builder::new()
            .name(format!("query-{}", self.label))
            .stack_size(super::pool::STACK)
            .spawn(move || self.run())
            .map_err(|e| EngineError::external(format!("the query's thread could not be started: {e}")))?;
        Ok(())
    }

    fn run(mut self: Box<Runner>) {
        let shared = Arc::clone(&self.shared);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let outcome = self.begin().and_then(|()| self.rounds());
            self.publish_sources();
            if self.shared.is_named() && !self.crashed {
                self.shared.show_state(self.root.kept(STATE_ROWS));
            }
            self.close_checkpoint(outcome)
        }));
        let panicked = outcome.is_err();
        let mut outcome = outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(EngineError::internal(format!("the query's thread panicked: {}", text.unwrap_or("no message"))))
        });
        if shared.hands_over() && !panicked {
            match self.hand_over() {
                Ok(taken) => {
                    drop(self);
                    return shared.end_with(taken);
                }
                Err(error) => outcome = Err(error),
            }
        }
        // A failed batch was undone: once its cause is gone the query can go on. With a checkpoint it starts from that.
        if outcome.is_err() && !panicked && !self.had_checkpoint() && shared.is_named() {
            shared.park(self);
        } else {
            // Connections, files and the checkpoint's lock are free before anybody learns of the end.
            drop(self);
        }
        shared.end(outcome);
    }

    /// Everything that a query which takes this one's place goes on with; the checkpoint has the rest, where there is one.
    fn hand_over(&mut self) -> Result<Takeover, EngineError> {
        let state = if self.had_checkpoint() { Vec::new() } else { query_checkpoint::contents(&mut self.root)? };
        let mut sources = std::mem::take(&mut self.inputs);
        let receivers = sources.iter().filter_map(|i| i.source.receiver()).collect();
        let sink = Some((self.columns.clone(), std::mem::replace(&mut self.sink, Box::new(super::sink::noop::Noop))));
        if self.had_checkpoint() {
            let sources = sources.into_iter().map(|i| i.source.place().is_some().then_some(i.source)).collect();
            return Ok(Takeover { found: Found::default(), state, sources, _receivers: receivers, sink });
        }
        let found = Found {
            committed: self.batch.checked_sub(1),
            watermarks: Some(self.watermarks.text()),
            ends: sources.iter().map(|i| i.from.clone()).collect(),
            journals: sources.iter_mut().map(|i| i.source.journal_so_far()).collect(),
            ..Found::default()
        };
        Ok(Takeover { found, state, sources: sources.into_iter().map(|i| Some(i.source)).collect(), _receivers: receivers, sink })
    }

    fn had_checkpoint(&self) -> bool {
        self.crashed || self.shared.has_checkpoint()
    }

    /// What is under way in the background is finished, or left as a kill would leave it.
    fn close_checkpoint(&mut self, outcome: Result<(), EngineError>) -> Result<(), EngineError> {
        let Some(keeper) = self.keeper.take() else { return outcome };
        if self.crashed {
            keeper.checkpoint.abandon();
            return outcome;
        }
        let finished = keeper.finish().and_then(|ends| {
            // All that is committed is durable now: files may go that no restart asks for any more.
            self.inputs.iter_mut().zip(ends).filter_map(|(i, to)| Some((i, to?))).try_for_each(|(i, to)| i.source.durable(&to))
        });
        outcome.and(finished)
    }

    /// Once, before the first batch of this run.
    fn begin(&mut self) -> Result<(), EngineError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let query = self.shared.identity().id.clone();
        let sync = self.keeper.as_ref().map_or_else(Sync::default, |k| k.checkpoint.sync());
        let run = SinkRun { query, first: self.batch, checkpointed: self.keeper.is_some(), sync };
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
            self.crash_at(CrashPoint::Now)?;
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

    /// Ends the query here if it was asked to: nothing more is done, nothing undone.
    fn crash_at(&mut self, point: CrashPoint) -> Result<(), EngineError> {
        if !self.shared.crashes_at(point) {
            return Ok(());
        }
        self.crashed = true;
        let what = if point == CrashPoint::Now { "the query".to_string() } else { format!("batch {}", self.batch) };
        Err(EngineError::user(format!("{what} was ended as by a kill, {} (CRASH)", point.text())).help("RESUME shows the recovery"))
    }

    /// One look at the trigger and the sources, and what follows from it; false when the query is at its end.
    fn round(&mut self) -> Result<bool, EngineError> {
        if let Some(logged) = self.repeat.front().cloned() {
            self.repeat_batch(&logged)?;
            return Ok(true);
        }
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

    /// A batch that was begun before and not done: over the same ranges, with the same watermarks and time.
    fn repeat_batch(&mut self, logged: &BatchOffsets) -> Result<(), EngineError> {
        if logged.batch != self.batch {
            let message = format!("batch {} comes next, and the offsets of batch {} are at hand", self.batch, logged.batch);
            return Err(EngineError::internal(message));
        }
        self.watermarks.restore(&logged.watermarks).ok_or_else(|| EngineError::external("the logged watermarks cannot be read"))?;
        let range: Range = logged.sources.iter().map(|s| s.to.clone()).collect();
        self.run_batch(Recorder::start(self.clock.now_micros(), self.clock.ticks()), &range)
    }

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

    /// Waits longer after each failure, unless a command comes; says so meanwhile.
    fn back_off(&mut self, error: &EngineError, failures: u32) {
        let wait = Duration::from_millis(100).saturating_mul(1 << failures.min(10)).min(LONGEST_BACKOFF);
        self.shared.note_trouble(format!("batch {}: {error}; trying again in {} ms", self.batch, wait.as_millis()));
        self.publish_sources();
        self.shared.set_state(QueryState::WaitingForData, None);
        let (begun, command) = (self.clock.ticks(), self.shared.command());
        let mut left = wait;
        // Lines that come wake it, too, and do not make the disk any better.
        while !left.is_zero() && self.shared.wake.wait(left) && self.shared.command() == command {
            left = wait.saturating_sub(Duration::from_nanos(self.clock.ticks() - begun));
        }
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

/// What a source says of itself beside its rows.
fn metrics(status: &SourceStatus) -> Vec<(String, String)> {
    if status.capacity_rows == 0 {
        return Vec::new();
    }
    let figures = [("bufferedRows", status.buffered_rows), ("bufferedBytes", status.buffered_bytes)];
    figures.map(|(name, n)| (name.to_string(), n.to_string())).into()
}
