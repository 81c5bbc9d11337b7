//! What happens to rows between source and sink: one operator a file.
//!
//! A [`Step`] works on one frame alone and so runs on all pieces of a batch at once, right where a piece
//! was decoded. An [`Operator`] needs them together: it keeps state, or an order, or both sides.

pub mod aggregate;
pub mod deduplicate;
pub mod expand;
pub mod filter;
pub mod generate;
pub mod join;
pub mod late;
pub mod limit;
pub mod project;
pub mod refreshing;
pub mod sample;
pub mod session;
pub mod set_operation;
pub mod sort;
pub mod stream_join;
pub mod time_window;
pub mod watermark;
pub mod window;
mod window_frames;
mod window_values;

use self::late::Latecomers;
use crate::checkpoint::{Block, Changes};
use crate::engine::clock::Clock;
use crate::engine::eval::EvalContext;
use crate::engine::state::spill::Tier;
use crate::engine::{EngineError, Frame, Resources};
use crate::progress::{OperatorProgress, StateOperatorProgress};
use crate::types::DataType;
use polars::prelude::Series;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Pieces of a wave for each worker: as many as sources aim for.
const PIECES_PER_WORKER: usize = 2;

/// What is fixed for one batch.
#[derive(Clone)]
pub struct BatchContext {
    /// For expressions.
    pub eval: EvalContext,
    /// The watermark in force: groups at or below it are put out and removed. Microseconds; `None` without one.
    pub evict: Option<i64>,
    /// The watermark of the batch before: rows at or below it are late.
    pub late: Option<i64>,
    /// The worker pool.
    pub resources: Resources,
    /// Takes the rows that are late.
    pub latecomers: Arc<Latecomers>,
    /// Where durations are taken from.
    pub clock: Arc<dyn Clock>,
    /// Set when nobody wants the batch any more.
    pub cancelled: Arc<AtomicBool>,
}

impl BatchContext {
    /// The same batch with watermarks that are earlier by `micros`.
    pub fn delayed(&self, micros: i64) -> BatchContext {
        let back = |watermark: i64| watermark.saturating_sub(micros);
        BatchContext { evict: self.evict.map(back), late: self.late.map(back), ..self.clone() }
    }
}

/// A piece of a batch that is still to be computed.
pub type Task = Box<dyn FnOnce() -> Result<Frame, EngineError> + Send>;

/// Works on each piece alone.
pub trait Step: Send + Sync {
    /// Short name: `filter`, `project` …
    fn name(&self) -> &'static str;
    /// A batch begins: on the query's own thread, before any piece.
    ///
    /// # Errors
    /// What the step needs cannot be had.
    fn begin(&self) -> Result<(), EngineError> {
        Ok(())
    }
    /// The piece's rows after this step.
    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError>;
}

/// Works on all pieces of a batch together. What it changes in itself holds only after `commit`.
pub trait Operator: Send {
    /// Short name: `aggregate`, `sort` …
    fn name(&self) -> &'static str;
    /// The batch's rows after this operator, from the pieces of each input.
    fn step(&mut self, inputs: Vec<Vec<Task>>, context: &BatchContext) -> Result<Flow, EngineError>;
    /// The batch is done.
    fn commit(&mut self) {}
    /// The batch failed: back to what was before it.
    fn rollback(&mut self) {}
    /// From now on keeps in memory what `tier` lets it, and the rest on disk; before it has any state.
    fn spill_to(&mut self, _tier: Tier) {}
    /// Its state, for a checkpoint; `None` for an operator without any that outlives a batch.
    fn stored(&mut self) -> Option<&mut dyn Kept> {
        None
    }
    /// How far, in microseconds, rows that this operator puts out may lie behind the watermark of its input: the
    /// watermark of stateful operators above it is that much earlier.
    fn output_delay(&self) -> i64 {
        0
    }
    /// What it keeps between batches, at most `limit` rows a list; nothing for operators without state. The columns
    /// are the same in every list of one operator, and are there without rows too.
    fn kept(&self, _limit: usize) -> Result<Vec<KeptRows>, EngineError> {
        Ok(Vec::new())
    }
    /// State figures of the last batch; `None` for operators without state.
    fn state(&self) -> Option<StateOperatorProgress> {
        None
    }
}

/// How long an operator's state took in a batch, on the duration clock (nanoseconds).
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Taking rows in.
    pub updates: u64,
    /// Letting go of rows.
    pub removals: u64,
}

impl Spent {
    /// The figures with these times in them.
    pub fn on(self, progress: StateOperatorProgress) -> StateOperatorProgress {
        let millis = |ticks: u64| ticks as f64 / 1e6;
        StateOperatorProgress { all_updates_time_ms: millis(self.updates), all_removals_time_ms: millis(self.removals), ..progress }
    }
}

/// Rows of state, for people to look at.
pub struct KeptRows {
    /// The operator's name, as progress has it.
    pub operator: &'static str,
    /// Which partition of the state.
    pub partition: usize,
    /// Names and types of the columns: keys, then values.
    pub names: Arc<[(String, DataType)]>,
    /// The columns.
    pub columns: Vec<Series>,
    /// The watermark that takes each row away, in microseconds; `None`: none does.
    pub expiry: Vec<Option<i64>>,
}

/// An operator's state as lists of rows, by partition: what a checkpoint keeps of it.
pub trait Kept: Sync {
    /// Lines that say what the state is made of: state goes on only in an operator with the same lines.
    fn schema(&self) -> Vec<String>;
    /// How many partitions there are.
    fn partitions(&self) -> usize;
    /// What the batch at hand changes in a partition; asked between `step` and `commit`.
    fn changes(&self, partition: usize, out: &mut Changes<'_>);
    /// Everything that a partition holds; asked between batches.
    ///
    /// # Errors
    /// The disk's, where state is there.
    fn contents(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError>;
    /// Takes rows of a list into an operator that has seen no batch; `None` for rows of another kind. Those of a list that
    /// is only added to come in the order in which they were added.
    fn restore(&mut self, partition: usize, list: u8, rows: &Block) -> Option<()>;
    /// All rows are in.
    ///
    /// # Errors
    /// A defect: keys that cannot be read.
    fn restored(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
}

/// What an operator gives: its rows, and how many went in.
pub struct Flow {
    /// The rows in pieces.
    pub frames: Vec<Frame>,
    /// Rows of all inputs.
    pub rows_in: u64,
}

/// Runs the pieces of one input on the pool.
pub fn run(tasks: Vec<Task>, context: &BatchContext) -> Result<Vec<Frame>, EngineError> {
    run_each(tasks, context, Ok)
}

/// Runs the pieces of one input on the pool and does `then` to each where it was computed.
pub fn run_each<T: Send>(
    tasks: Vec<Task>,
    context: &BatchContext,
    then: impl Fn(Frame) -> Result<T, EngineError> + Sync + Send,
) -> Result<Vec<T>, EngineError> {
    let work = |task: Task| {
        if context.cancelled.load(Ordering::Relaxed) {
            return Err(EngineError::internal("the batch was abandoned"));
        }
        then(task()?)
    };
    context.resources.pool().map(tasks, work).into_iter().collect()
}

/// The pieces in lots that are worked off one after the other, where all of them at once would take too much memory:
/// some for each worker, so that uneven ones even out.
pub fn waves<T>(pieces: Vec<T>, context: &BatchContext) -> impl Iterator<Item = Vec<T>> + use<T> {
    let size = context.resources.pool().width() * PIECES_PER_WORKER;
    let mut pieces = pieces.into_iter();
    std::iter::from_fn(move || Some(pieces.by_ref().take(size).collect::<Vec<T>>()).filter(|wave| !wave.is_empty()))
}

/// Runs the pieces of one input and puts them together; `None` without any piece.
pub fn gather(tasks: Vec<Task>, context: &BatchContext) -> Result<Option<Frame>, EngineError> {
    Ok(Frame::concat(run(tasks, context)?)?)
}

/// Counts what an operator did in a batch; shared by the workers.
#[derive(Debug)]
pub struct Meter {
    name: &'static str,
    rows_in: AtomicU64,
    rows_out: AtomicU64,
    nanos: AtomicU64,
}

impl Meter {
    /// A meter at zero.
    pub fn new(name: &'static str) -> Meter {
        Meter { name, rows_in: AtomicU64::new(0), rows_out: AtomicU64::new(0), nanos: AtomicU64::new(0) }
    }

    /// Adds one piece of work; time in nanoseconds.
    pub fn add(&self, rows_in: u64, rows_out: u64, nanos: u64) {
        self.rows_in.fetch_add(rows_in, Ordering::Relaxed);
        self.rows_out.fetch_add(rows_out, Ordering::Relaxed);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The figures since the last call; starts again at zero.
    pub fn take(&self) -> OperatorProgress {
        OperatorProgress {
            name: self.name.to_string(),
            rows_in: self.rows_in.swap(0, Ordering::Relaxed),
            rows_out: self.rows_out.swap(0, Ordering::Relaxed),
            millis: self.nanos.swap(0, Ordering::Relaxed) as f64 / 1e6,
        }
    }
}
