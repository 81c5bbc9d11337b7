//! What a query says about itself, batch by batch, under Spark's field names.
//!
//! A leaf: it knows no engine. The engine fills a [`BatchProgress`] per batch and publishes a
//! [`QuerySnapshot`] that the dashboard, `SHOW QUERIES` and the tables `queries()` and `progress('q')` read.

pub mod bad_rows;
pub mod guarantee;
pub mod history;
pub mod pressure;
pub mod recorder;
pub mod why;

use std::collections::VecDeque;
use std::sync::Arc;

/// How the rows of a batch relate to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutputMode {
    /// Only rows that will never change.
    Append,
    /// Rows that changed in this batch.
    Update,
    /// The whole result.
    Complete,
}

impl OutputMode {
    /// Lower-case name, as Spark's.
    pub fn name(self) -> &'static str {
        match self {
            OutputMode::Append => "append",
            OutputMode::Update => "update",
            OutputMode::Complete => "complete",
        }
    }
}

/// When batches run. Intervals in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A batch as soon as the last is done and data is there.
    Default,
    /// A batch every so often; a late one starts at once and the schedule stays on its grid.
    ProcessingTime(i64),
    /// All that is there, in batches under the sources' limits, then the query ends.
    AvailableNow,
    /// All that is there in one batch, then the query ends.
    Once,
}

/// Milliseconds each step of a batch took, fractions kept. Spark's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DurationMs {
    pub latest_offset: f64,
    pub get_batch: f64,
    pub query_planning: f64,
    pub wal_commit: f64,
    pub add_batch: f64,
    pub commit_offsets: f64,
    pub trigger_execution: f64,
}

/// Event-time statistics of a batch, in microseconds since the epoch; only queries with a watermark have them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventTime {
    pub max: Option<i64>,
    pub min: Option<i64>,
    pub avg: Option<i64>,
    /// In force while the batch ran.
    pub watermark: i64,
}

/// One stateful operator's figures. Spark's names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateOperatorProgress {
    pub operator_name: String,
    pub num_rows_total: u64,
    pub num_rows_updated: u64,
    /// What taking rows in cost, in milliseconds.
    pub all_updates_time_ms: f64,
    pub num_rows_removed: u64,
    /// What letting go of rows by the watermark cost, in milliseconds.
    pub all_removals_time_ms: f64,
    /// What making the batch's changes final cost, in milliseconds.
    pub commit_time_ms: f64,
    pub num_rows_dropped_by_watermark: u64,
    pub memory_used_bytes: u64,
    /// Spark's `numShufflePartitions`.
    pub partitions: u64,
    /// Rows whose key had been seen: Spark's `numDroppedDuplicateRows`, of DEDUPLICATE.
    pub repeated: Option<u64>,
    /// The newest windows that can still take rows, ascending; of aggregations over windows with a watermark.
    pub open_windows: Vec<WindowGroups>,
    /// Windows that the batch closed, ascending.
    pub closed_windows: Vec<WindowGroups>,
    /// What of it is on disk; `None` where it stays in memory.
    pub disk: Option<OnDisk>,
}

/// State that is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnDisk {
    /// Rows of the total.
    pub rows: u64,
    /// Bytes of the query's files.
    pub bytes: u64,
}

/// A time window, microseconds since the epoch, and how many groups it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowGroups {
    pub start: i64,
    pub end: i64,
    pub groups: u64,
}

/// One source's figures of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceProgress {
    pub description: String,
    pub start_offset: Option<String>,
    pub end_offset: Option<String>,
    /// How far the source could have been read; `None` where it does not tell.
    pub latest_offset: Option<String>,
    pub num_input_rows: u64,
    pub input_rows_per_second: f64,
    pub processed_rows_per_second: f64,
    /// Records that did not decode in this batch; not Spark's.
    pub num_bad_rows: u64,
    /// Figures that only some sources have.
    pub metrics: Vec<(String, String)>,
}

/// The sink's figures of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkProgress {
    pub description: String,
    pub num_output_rows: u64,
}

/// What one operator of the plan did in a batch, in the order rows flow: what panel 3 and STEP show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperatorProgress {
    /// Short name: `decode`, `filter`, `aggregate`, `sort` …
    pub name: String,
    pub rows_in: u64,
    pub rows_out: u64,
    pub millis: f64,
}

/// One batch's progress, as Spark's `StreamingQueryProgress`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchProgress {
    pub id: String,
    pub run_id: String,
    pub name: Option<String>,
    /// Start of the trigger, microseconds since the epoch.
    pub timestamp: i64,
    pub batch_id: u64,
    pub num_input_rows: u64,
    pub input_rows_per_second: f64,
    pub processed_rows_per_second: f64,
    pub duration_ms: DurationMs,
    pub event_time: Option<EventTime>,
    pub state_operators: Vec<StateOperatorProgress>,
    pub sources: Vec<SourceProgress>,
    pub sink: SinkProgress,
    pub operators: Vec<OperatorProgress>,
}

/// Whether a source can be read, and why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Connection {
    /// A file or generator: always there.
    #[default]
    Ready,
    /// Trying for the first time or again; the text says what happened last, if anything.
    Connecting(Option<String>),
    /// Waiting for a client (listen mode), on this address.
    Listening(String),
    Connected,
    /// The peer closed; trying again.
    PeerClosed,
    /// Nobody listens there; trying again.
    Refused(String),
    /// The end was reached and nothing more will come.
    Ended,
}

/// A source's state of the moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceStatus {
    /// The stream's name in the catalog.
    pub stream: String,
    /// Such as `socket localhost:9999`.
    pub description: String,
    pub connection: Connection,
    /// Rows and bytes waiting in the buffer, and what it holds at most; zero capacity: no buffer.
    pub buffered_rows: u64,
    pub buffered_bytes: u64,
    pub capacity_rows: u64,
    pub capacity_bytes: u64,
    /// Rows received since the start.
    pub received_rows: u64,
    /// Rows of before the start, replayed from the source's write-ahead log.
    pub replayed_rows: u64,
    /// Bytes of that log on disk; `None` without one.
    pub wal_bytes: Option<u64>,
    /// Lines that did not decode, and those over the line limit, since the start.
    pub bad_rows: u64,
    pub oversized_rows: u64,
    /// One kept sample of either, escaped for display.
    pub sample: Option<String>,
    /// Microseconds for which the receiver did not read because the buffer was full, since the start.
    pub blocked_micros: u64,
    /// Rows per second that the rate controller allows; `None` without a limit.
    pub rate_limit: Option<f64>,
}

/// What a query is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryState {
    /// Opening sources; nothing ran yet.
    Starting,
    /// A batch is running.
    Running,
    /// No new data since the last batch.
    WaitingForData,
    /// Data may be there; the trigger's time has not come.
    WaitingForTrigger,
    Paused,
    /// Ended by STOP, by its trigger or because its sources ended.
    Stopped,
    /// Ended by an error: `[CONDITION] message`.
    Failed(String),
}

impl QueryState {
    /// No batch will run any more.
    pub fn is_final(&self) -> bool {
        matches!(self, QueryState::Stopped | QueryState::Failed(_))
    }
}

/// One row of a displayed result: its cells as text, `None` for NULL.
pub type DisplayRow = Vec<Option<String>>;

/// A batch's result as people see it: bounded, escaped, with what changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchResult {
    pub batch_id: u64,
    /// Column names and simple types.
    pub columns: Vec<(String, String)>,
    /// How many leading columns are grouping keys (0 when unknown): rows are matched across batches by them.
    pub keys: Vec<usize>,
    /// At most the history's limit of rows.
    pub rows: Vec<DisplayRow>,
    /// All rows of the result, shown or not.
    pub total_rows: u64,
    /// Watermark in force, microseconds.
    pub watermark: Option<i64>,
}

/// A row that an operator dropped because it came too late. Times in microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LateRow {
    pub batch_id: u64,
    /// Which stateful operator dropped it, by Spark's name.
    pub operator: String,
    /// `None` where the query does not carry it that far.
    pub event_time: Option<i64>,
    /// What it was judged by: the watermark of the batch before.
    pub watermark: i64,
    /// The windows that it missed, from start to end; earliest first.
    pub windows: Vec<(i64, i64)>,
    /// Names and cells of the columns that the query reads.
    pub columns: Vec<(String, Option<String>)>,
}

/// Everything about a query at one moment. Cheap to clone: large parts are shared.
#[derive(Clone, Debug)]
pub struct QuerySnapshot {
    pub name: String,
    pub id: String,
    pub run_id: String,
    pub state: QueryState,
    pub mode: OutputMode,
    pub trigger: Trigger,
    /// Start of the query, microseconds since the epoch.
    pub started: i64,
    /// Of the moment the snapshot was taken.
    pub now: i64,
    /// The longest delay of its WATERMARKs, microseconds; `None` without one.
    pub delay: Option<i64>,
    /// What a restart means: `at-most-once`, `at-least-once`, `exactly-once`.
    pub guarantee: String,
    /// Why no more, or how so: which link of source, checkpoint and sink is the weakest.
    pub guarantee_reason: String,
    /// The plan as EXPLAIN prints it.
    pub plan: Arc<str>,
    /// Newest last; bounded.
    pub progress: VecDeque<Arc<BatchProgress>>,
    /// Newest last; bounded.
    pub results: VecDeque<Arc<BatchResult>>,
    pub sources: Vec<SourceStatus>,
    /// Rows that came too late, newest first; bounded.
    pub late: Vec<Arc<LateRow>>,
    /// Newest last; bounded: state changes, reconnects, dropped lines.
    pub log: VecDeque<(i64, String)>,
    /// One sentence: keeping up, falling behind and because of what, why nothing came out, what it waits for.
    pub why: Why,
}

/// How good the news of a [`Why`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    Waiting,
    Warning,
    Failure,
}

/// The one sentence, always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    pub mood: Mood,
    pub sentence: String,
}
