//! What a query's thread and its handles share: commands one way, everything worth seeing the other.

use super::clock::Clock;
use super::eval::text::to_text;
use super::operator::KeptRows;
use super::operator::late::{LATE_BYTES, LATE_ROWS, LateRow};
use super::query::{KeptState, QuerySpec, Runner, Takeover};
use super::source::Signal;
use super::{EngineError, Frame};
use crate::diagnostic::printable;
use crate::plan::LogicalPlan;
use crate::plan::expr::Expr;
use crate::plan::logical::Column;
use crate::progress::bad_rows::{BadRow, BadRows};
use crate::progress::guarantee::Guarantee;
use crate::progress::history::History;
use crate::progress::recorder::Identity;
use crate::progress::why::{self, why};
use crate::progress::{BatchProgress, BatchResult, OutputMode, QuerySnapshot, QueryState, SourceStatus, StateOperatorProgress, Trigger};
use crate::types::DataType;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Rows of a result that are kept for display.
const SHOWN_ROWS: usize = 1000;
/// Results that are kept for display.
const RESULTS: usize = 50;
/// Rows of state that `state('q')` shows of each operator.
pub(super) const STATE_ROWS: usize = 100_000;
/// How long a reader waits for the batch at hand before it is told to come again.
const STATE_PATIENCE: Duration = Duration::from_secs(60);
/// Lines of the log that are kept.
const LOG: usize = 200;

/// What the query's thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Run,
    Pause,
    Stop,
}

/// Where `CRASH` ends a query as a kill would: within the next batch, after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// At once, before another batch is begun.
    Now,
    /// The offsets are logged.
    Offsets,
    /// The rows are read and computed.
    Operators,
    /// The sink is written.
    Sink,
    /// The state is written, and the commit record is not.
    State,
    /// The commit record is written, and nobody was told.
    Commit,
}

impl CrashPoint {
    /// All of them, in the order of the loop.
    pub const ALL: [CrashPoint; 6] =
        [CrashPoint::Now, CrashPoint::Offsets, CrashPoint::Operators, CrashPoint::Sink, CrashPoint::State, CrashPoint::Commit];

    /// What had been done by then.
    pub(super) fn text(self) -> &'static str {
        match self {
            CrashPoint::Now => "between two batches",
            CrashPoint::Offsets => "after its offsets were logged",
            CrashPoint::Operators => "after its rows were computed",
            CrashPoint::Sink => "after the sink was written",
            CrashPoint::State => "after its state was written",
            CrashPoint::Commit => "after its commit was logged",
        }
    }
}

/// Shared by the thread and all handles.
pub(super) struct Shared {
    /// Wakes the thread.
    pub(super) wake: Arc<Signal>,
    /// Set when the batch in flight must not come out.
    pub(super) cancelled: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
    fixed: Fixed,
    moving: Mutex<Moving>,
    ended: Condvar,
    /// Records of its sources that did not decode.
    pub(super) bad: Arc<BadRows>,
}

/// What the tables about a query look like.
pub(super) struct TableColumns {
    /// Of its late rows.
    pub(super) late: Vec<Arc<[Column]>>,
    /// Of its state; without rows.
    pub(super) state: Vec<KeptRows>,
}

/// What never changes while the query runs.
struct Fixed {
    columns: TableColumns,
    identity: Identity,
    name: String,
    mode: OutputMode,
    trigger: Trigger,
    started: i64,
    plan: Arc<str>,
    keys: Vec<usize>,
    delay: Option<i64>,
    zone: chrono_tz::Tz,
    waits_for_watermark: bool,
    guarantee: Guarantee,
    checkpoint: bool,
    kept: KeptState,
}

/// What is known of a query once it is built.
pub(super) struct SharedFacts {
    pub(super) id: String,
    pub(super) kept: KeptState,
    pub(super) columns: TableColumns,
    /// The longest of its WATERMARKs' delays, microseconds.
    pub(super) delay: Option<i64>,
    pub(super) follows_watermark: bool,
}

struct Moving {
    command: Command,
    state: QueryState,
    next_trigger: Option<i64>,
    progress: History<Arc<BatchProgress>>,
    with_rows: Option<Arc<BatchProgress>>,
    results: History<Arc<BatchResult>>,
    sources: Vec<SourceStatus>,
    states: Vec<StateOperatorProgress>,
    late: VecDeque<Arc<LateRow>>,
    log: History<(i64, String)>,
    /// What failed for a while and is tried again, until a batch is done.
    trouble: Option<String>,
    crash: Option<CrashPoint>,
    recovery: Option<String>,
    /// The query as it stood when a batch failed, where nothing else knows that.
    parked: Option<Box<Runner>>,
    /// Another query takes its place: what it leaves.
    hands_over: bool,
    left: Option<Takeover>,
    outcome: Option<Result<(), EngineError>>,
    /// Somebody waits for what the query keeps.
    state_wanted: bool,
    /// What it kept when somebody asked, and how often that was.
    state_shown: Result<Arc<Vec<KeptRows>>, EngineError>,
    state_shows: u64,
}

impl Shared {
    /// For a query that is about to start.
    pub(super) fn new(spec: &QuerySpec, facts: SharedFacts, wake: Arc<Signal>) -> Shared {
        let SharedFacts { id, kept, columns, delay, follows_watermark } = facts;
        let started = spec.clock.now_micros();
        let identity = Identity { id, run_id: unique_id(started, 2), name: spec.name.clone() };
        let fixed = Fixed {
            columns,
            identity,
            name: spec.name.clone().unwrap_or_default(),
            mode: spec.mode,
            trigger: spec.trigger,
            started,
            plan: spec.plan.to_string().into(),
            keys: key_columns(&spec.plan),
            delay,
            zone: spec.eval.zone,
            waits_for_watermark: follows_watermark && spec.mode == OutputMode::Append,
            guarantee: spec.guarantee.clone(),
            checkpoint: spec.checkpoint.is_some(),
            kept,
        };
        let moving = Moving {
            command: Command::Run,
            state: QueryState::Starting,
            next_trigger: None,
            progress: History::new(spec.settings.recent_progress),
            with_rows: None,
            results: History::new(RESULTS),
            sources: Vec::new(),
            states: Vec::new(),
            late: VecDeque::new(),
            log: History::new(LOG),
            trouble: None,
            crash: None,
            recovery: None,
            parked: None,
            hands_over: false,
            left: None,
            outcome: None,
            state_wanted: false,
            state_shown: Ok(Arc::default()),
            state_shows: 0,
        };
        Shared {
            wake,
            cancelled: Arc::default(),
            clock: Arc::clone(&spec.clock),
            fixed,
            moving: Mutex::new(moving),
            ended: Condvar::new(),
            bad: Arc::default(),
        }
    }

    fn moving(&self) -> MutexGuard<'_, Moving> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.fixed.identity
    }

    pub(super) fn has_checkpoint(&self) -> bool {
        self.fixed.checkpoint
    }

    pub(super) fn command(&self) -> Command {
        self.moving().command
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// The query's state, unless it has ended.
    pub(super) fn set_state(&self, state: QueryState, next_trigger: Option<i64>) {
        let mut moving = self.moving();
        if !moving.state.is_final() {
            moving.state = state;
            moving.next_trigger = next_trigger;
        }
    }

    pub(super) fn publish_sources(&self, sources: Vec<SourceStatus>) {
        let now = self.clock.now_micros();
        let mut moving = self.moving();
        for (at, source) in sources.iter().enumerate() {
            let before = moving.sources.get(at).map(|s| &s.connection);
            if before.is_some_and(|b| *b != source.connection) {
                let line = format!("{}: {:?}", source.stream, source.connection);
                moving.log.push((now, line));
            }
        }
        moving.sources = sources;
    }

    pub(super) fn note_states(&self, states: Vec<StateOperatorProgress>) {
        self.moving().states = states;
    }

    /// Whether the query has a name that others can ask by.
    pub(super) fn is_named(&self) -> bool {
        !self.fixed.name.is_empty()
    }

    /// Whether somebody waits to see the state.
    pub(super) fn wants_state(&self) -> bool {
        self.moving().state_wanted
    }

    /// What the query keeps at this moment.
    pub(super) fn show_state(&self, kept: Result<Vec<KeptRows>, EngineError>) {
        let mut moving = self.moving();
        moving.state_wanted = false;
        moving.state_shown = kept.map(Arc::new);
        moving.state_shows += 1;
        drop(moving);
        self.ended.notify_all();
    }

    /// Late rows of a batch that is done; of all of them the newest are kept.
    pub(super) fn note_late(&self, rows: Vec<LateRow>) {
        if rows.is_empty() {
            return;
        }
        let mut moving = self.moving();
        moving.late.extend(rows.into_iter().map(Arc::new));
        let mut bytes = 0;
        let fits = |row: &&Arc<LateRow>| {
            bytes += row.bytes();
            bytes <= LATE_BYTES
        };
        let kept = moving.late.iter().rev().take(LATE_ROWS).take_while(fits).count();
        let surplus = moving.late.len() - kept;
        moving.late.drain(..surplus);
    }

    pub(super) fn take_states(&self) -> Vec<StateOperatorProgress> {
        std::mem::take(&mut self.moving().states)
    }

    pub(super) fn log(&self, line: String) {
        let now = self.clock.now_micros();
        self.moving().log.push((now, printable(&line).into_owned()));
    }

    /// A batch failed for a reason that may pass.
    pub(super) fn note_trouble(&self, sentence: String) {
        self.log(sentence.clone());
        self.moving().trouble = Some(printable(&sentence).into_owned());
    }

    /// A batch is done.
    pub(super) fn publish(&self, progress: BatchProgress, frame: &Frame, columns: &[Column], watermark: Option<i64>, zone: chrono_tz::Tz) {
        let shown = shown(&progress, frame, columns, &self.fixed.keys, watermark, zone);
        let progress = Arc::new(progress);
        let mut moving = self.moving();
        moving.trouble = None;
        if progress.num_input_rows > 0 {
            moving.with_rows = Some(Arc::clone(&progress));
        }
        moving.progress.push(progress);
        moving.results.push(Arc::new(shown));
    }

    /// The thread is at its end.
    pub(super) fn end(&self, outcome: Result<(), EngineError>) {
        let mut moving = self.moving();
        if moving.outcome.is_none() {
            moving.state = match &outcome {
                Ok(()) => QueryState::Stopped,
                Err(error) => QueryState::Failed(printable(&error.to_string()).into_owned()),
            };
            moving.next_trigger = None;
            moving.outcome = Some(outcome);
        }
        drop(moving);
        self.ended.notify_all();
    }

    /// Whether the query is to be ended here as by a kill.
    pub(super) fn crashes_at(&self, point: CrashPoint) -> bool {
        self.moving().crash == Some(point)
    }

    pub(super) fn note_recovery(&self, text: Option<String>) {
        if let Some(text) = &text {
            self.log(text.clone());
        }
        self.moving().recovery = text;
    }

    /// Whether another query takes its place once it has stopped.
    pub(super) fn hands_over(&self) -> bool {
        self.moving().hands_over
    }

    /// The thread is at its end, and this is for the query that takes its place.
    pub(super) fn end_with(&self, left: Takeover) {
        self.moving().left = Some(left);
        self.end(Ok(()));
    }

    /// Keeps a query whose batch failed, so that it can go on from where it stood.
    pub(super) fn park(&self, runner: Box<Runner>) {
        self.moving().parked = Some(runner);
    }

    /// The parked query, as one that runs again.
    fn unpark(&self) -> Option<Box<Runner>> {
        let mut moving = self.moving();
        let runner = moving.parked.take()?;
        moving.outcome = None;
        moving.state = QueryState::Starting;
        moving.command = Command::Run;
        Some(runner)
    }

    fn command_to(&self, command: Command) {
        let mut moving = self.moving();
        // A stop is final: a later resume must not undo it.
        if moving.command != Command::Stop {
            moving.command = command;
        }
        drop(moving);
        self.wake.raise();
    }

    fn snapshot(&self) -> QuerySnapshot {
        let now = self.clock.now_micros();
        let (fixed, moving) = (&self.fixed, self.moving());
        let facts = why::Facts {
            name: &fixed.name,
            state: &moving.state,
            mode: fixed.mode,
            trigger: fixed.trigger,
            sources: &moving.sources,
            last: moving.progress.last().map(|p| &**p),
            last_with_rows: moving.with_rows.as_deref(),
            next_trigger: moving.next_trigger.map(|t| t - now),
            waits_for_watermark: fixed.waits_for_watermark,
            delay: fixed.delay,
            trouble: moving.trouble.as_deref(),
            zone: fixed.zone,
        };
        QuerySnapshot {
            name: fixed.name.clone(),
            id: fixed.identity.id.clone(),
            run_id: fixed.identity.run_id.clone(),
            state: moving.state.clone(),
            mode: fixed.mode,
            trigger: fixed.trigger,
            started: fixed.started,
            delay: fixed.delay,
            now,
            guarantee: fixed.guarantee.level.name().to_string(),
            guarantee_reason: fixed.guarantee.reason.clone(),
            plan: Arc::clone(&fixed.plan),
            why: why(&facts),
            progress: moving.progress.all(),
            results: moving.results.all(),
            sources: moving.sources.clone(),
            late: moving.late.iter().rev().map(|row| Arc::clone(&row.shown)).collect(),
            log: moving.log.all(),
        }
    }
}

/// A running, paused or ended query, as others hold it; a clone is the same query.
#[derive(Clone)]
pub struct QueryHandle(Arc<Shared>);

impl QueryHandle {
    pub(super) fn new(shared: Arc<Shared>) -> QueryHandle {
        QueryHandle(shared)
    }

    /// Its name; empty when it has none.
    pub fn name(&self) -> &str {
        &self.0.fixed.name
    }

    /// Records of its sources that did not decode, newest first.
    pub fn bad_rows(&self) -> Vec<BadRow> {
        self.0.bad.rows()
    }

    /// Everything about it at this moment.
    pub fn snapshot(&self) -> QuerySnapshot {
        self.0.snapshot()
    }

    /// Its late rows, newest first; at most [`LATE_ROWS`], and of [`LATE_BYTES`] of text.
    pub fn late_rows(&self) -> Vec<Arc<LateRow>> {
        self.0.moving().late.iter().rev().cloned().collect()
    }

    /// The columns of its late rows, a list a place that drops them.
    pub fn late_columns(&self) -> Vec<Vec<(String, DataType)>> {
        let list = |columns: &Arc<[Column]>| columns.iter().map(|c| (c.name.clone(), c.data_type.clone())).collect();
        self.0.fixed.columns.late.iter().map(list).collect()
    }

    /// The columns of what each of its stateful operators keeps.
    pub fn state_columns(&self) -> Vec<Arc<[(String, DataType)]>> {
        self.0.fixed.columns.state.iter().map(|k| Arc::clone(&k.names)).collect()
    }

    /// What it keeps: shown by the query between two batches, so that this waits for the one at hand. Of a query
    /// that has ended, what it kept at its end.
    ///
    /// # Errors
    /// A batch that takes longer than a minute.
    pub fn kept(&self) -> Result<Arc<Vec<KeptRows>>, EngineError> {
        let mut moving = self.0.moving();
        if moving.outcome.is_none() {
            let before = moving.state_shows;
            moving.state_wanted = true;
            self.0.wake.raise();
            let waits = |m: &mut Moving| m.outcome.is_none() && m.state_shows == before;
            moving = self.0.ended.wait_timeout_while(moving, STATE_PATIENCE, waits).unwrap_or_else(PoisonError::into_inner).0;
            if waits(&mut moving) {
                return Err(EngineError::user("state is read between two batches, and the one at hand is not done yet; ask again"));
            }
        }
        moving.state_shown.clone()
    }

    /// No further batch runs until `resume`; the one in flight is finished.
    pub fn pause(&self) {
        self.0.command_to(Command::Pause);
    }

    /// Goes on after `pause`, or after a batch failed, from where it stood.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub fn resume(&self) -> Result<(), EngineError> {
        match self.0.unpark() {
            Some(runner) => runner.spawn(),
            None => {
                self.0.command_to(Command::Run);
                Ok(())
            }
        }
    }

    /// Whether it failed and `resume` can go on from where it stood.
    pub fn can_resume(&self) -> bool {
        self.0.moving().parked.is_some()
    }

    /// Lets go of what a failed query holds on to.
    pub fn forget(&self) {
        let parked = self.0.moving().parked.take();
        drop(parked);
    }

    /// Ends it as a kill would, at that point of its next batch. Only a query with a checkpoint can go on then.
    pub fn crash(&self, point: CrashPoint) {
        self.0.moving().crash = Some(point);
        self.0.command_to(Command::Run);
    }

    /// What state it keeps, and what it reads.
    pub fn kept_state(&self) -> KeptState {
        self.0.fixed.kept.clone()
    }

    /// Stops a query so that another takes its place; `None` when it has ended already, or does not
    /// come to the end of its batch within `patience`.
    pub fn hand_over(&self, patience: Duration) -> Option<Takeover> {
        self.0.moving().hands_over = true;
        if let Some(runner) = self.0.unpark() {
            self.0.command_to(Command::Stop);
            runner.spawn().ok()?;
        } else {
            self.stop();
        }
        self.wait(Some(patience))?.ok()?;
        self.0.moving().left.take()
    }

    /// Whether it has a checkpoint.
    pub fn has_checkpoint(&self) -> bool {
        self.0.has_checkpoint()
    }

    /// What its start found of an earlier run over the same checkpoint.
    pub fn recovery(&self) -> Option<String> {
        self.0.moving().recovery.clone()
    }

    /// Ends it after the batch in flight.
    pub fn stop(&self) {
        self.0.command_to(Command::Stop);
    }

    /// Ends it at once: the batch in flight does not come out.
    pub fn abandon(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.0.command_to(Command::Stop);
        self.0.end(Ok(()));
    }

    /// Makes it look at its trigger and sources now: for a clock that was moved.
    pub fn wake(&self) {
        self.0.wake.raise();
    }

    /// Waits for its end, at most so long; `None` when it still runs.
    pub fn wait(&self, at_most: Option<Duration>) -> Option<Result<(), EngineError>> {
        let moving = self.0.moving();
        let running = |m: &mut Moving| m.outcome.is_none();
        let moving = match at_most {
            None => self.0.ended.wait_while(moving, running).unwrap_or_else(PoisonError::into_inner),
            Some(time) => self.0.ended.wait_timeout_while(moving, time, running).unwrap_or_else(PoisonError::into_inner).0,
        };
        moving.outcome.clone()
    }
}

impl std::fmt::Debug for QueryHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryHandle").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The first rows of a result as text.
fn shown(
    progress: &BatchProgress,
    frame: &Frame,
    columns: &[Column],
    keys: &[usize],
    watermark: Option<i64>,
    zone: chrono_tz::Tz,
) -> BatchResult {
    let head = frame.slice(0, SHOWN_ROWS);
    let texts: Vec<_> = head.columns().iter().zip(columns).map(|(series, column)| to_text(series, &column.data_type, zone)).collect();
    let cell = |text: Option<&str>| text.map(|t| printable(t).into_owned());
    let rows = (0..head.rows()).map(|row| texts.iter().map(|t| cell(t.get(row))).collect()).collect();
    BatchResult {
        batch_id: progress.batch_id,
        columns: columns.iter().map(|c| (printable(&c.name).into_owned(), c.data_type.to_string())).collect(),
        keys: keys.to_vec(),
        rows,
        total_rows: frame.rows() as u64,
        watermark,
    }
}

/// Which columns of the result are grouping keys, where that can be told.
fn key_columns(plan: &LogicalPlan) -> Vec<usize> {
    fn keys(plan: &LogicalPlan) -> Vec<crate::plan::expr::ColumnId> {
        match plan {
            LogicalPlan::Aggregate { keys, .. } => keys.iter().map(|k| k.id).collect(),
            LogicalPlan::Project { input, exprs } => {
                let below = keys(input);
                let is_key = |e: &Expr| matches!(e, Expr::Column { id, .. } if below.contains(id));
                exprs.iter().filter(|e| is_key(&e.expr)).map(|e| e.id).collect()
            }
            LogicalPlan::Filter { input, .. } | LogicalPlan::Sort { input, .. } | LogicalPlan::Limit { input, .. } => keys(input),
            _ => Vec::new(),
        }
    }
    let keys = keys(plan);
    plan.columns().iter().enumerate().filter(|(_, c)| keys.contains(&c.id)).map(|(at, _)| at).collect()
}

/// As Spark names queries and runs: a random UUID.
pub fn unique_id(time: i64, salt: u64) -> String {
    // The hasher's random seed differs in every process and call.
    let state = ahash::RandomState::new();
    let (high, low) = (state.hash_one((time, salt)), state.hash_one((salt, time, "id")));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xFFFF,
        high & 0xFFF,
        (low >> 48) & 0x3FFF | 0x8000,
        low & 0xFFFF_FFFF_FFFF
    )
}
