//! Where rows come from: one source a file, behind one trait.

use crate::checkpoint::{Offset, Sync};
use crate::engine::clock::Clock;
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::logical::Scan;
use crate::progress::SourceStatus;
use crate::progress::bad_rows::BadRows;
use crate::progress::guarantee::Repeats;
use crate::types::Field;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

mod bad;
mod chunk;
pub(crate) mod declared;
pub(crate) mod decode;
pub mod files;
mod glob;
mod infer;
pub mod line_format;
pub mod line_source;
pub mod lines;
pub mod live;
pub mod queue;
pub mod rate;
pub mod rate_limit;
pub mod receivers;
pub mod socket;
pub mod stdin;
mod unknown;

/// A share of a range of rows, decoded on the worker pool; its frame has the ids of the scan's columns.
pub type ReadTask = Box<dyn FnOnce() -> Result<Frame, EngineError> + Send>;

/// A stream's or table's rows by offset.
pub trait Source: Send {
    /// The end of what may be read now, at most the source's own limit (`maxFilesPerTrigger` …) past `from`;
    /// `None` while there is nothing at all. Equal to `from` when nothing new came.
    fn latest(&mut self, from: Option<&Offset>) -> Result<Option<Offset>, EngineError>;

    /// The rows after `from` (from the start when `None`) up to and with `to`, as tasks in row order.
    fn read(&mut self, from: Option<&Offset>, to: &Offset) -> Result<Vec<ReadTask>, EngineError>;

    /// Rows up to `offset` will not be asked for again by this run of the query.
    fn commit(&mut self, offset: &Offset) -> Result<(), EngineError>;

    /// Rows up to `offset` will never be asked for again, not even after a power loss: what a restart would have needed
    /// of them may go (`cleanSource`, segments of a write-ahead log). Follows `commit`, at once or some batches later.
    ///
    /// # Errors
    /// What cannot be cleaned up.
    fn durable(&mut self, _offset: &Offset) -> Result<(), EngineError> {
        Ok(())
    }

    /// What a restart has to know of the rows after `from` up to `to` besides the two offsets, such as which files they
    /// are: lines of text that only this source reads, without line ends. They are logged, and synced, with the offsets
    /// before the batch is read. A source with a log of its own makes sure here that the rows are on disk, synced where
    /// [`SourceFolder::sync`] says so. Called only when the query has a checkpoint.
    ///
    /// # Errors
    /// When that cannot be written.
    fn journal(&mut self, _from: Option<&Offset>, _to: &Offset) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    /// Fewer lines that stand for all lines of `journal` up to the last committed offset: asked for now and then, so that
    /// old ones can go.
    fn journal_so_far(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Goes on where an earlier run stood. Called at most once, before anything else.
    ///
    /// # Errors
    /// Lines or offsets that are none of this source's.
    fn restore(&mut self, _earlier: &Earlier) -> Result<(), EngineError> {
        Ok(())
    }

    /// Its place in a receiver's queue, if it has one: for a source that takes its place.
    fn place(&self) -> Option<&queue::Cursor> {
        None
    }

    /// What receives for it, if that is shared: it lives for as long as somebody holds it, and takes nothing while nobody
    /// reads.
    fn receiver(&self) -> Option<Arc<receivers::Receiver>> {
        None
    }

    /// Goes on in the place of another source over the same stream, after `restore`: lines that wait there are not lost.
    fn take_place(&mut self, _of: &queue::Cursor) {}

    /// What a person would want to know of it: connected or not, buffered, dropped.
    fn status(&self) -> SourceStatus;

    /// No row will ever come after what `latest` says now.
    fn ended(&self) -> bool;

    /// From now on `latest` goes no further than what is there at this moment (triggers available now and once).
    /// Limits per batch still hold.
    fn freeze(&mut self) -> Result<(), EngineError>;

    /// How long an idle query may wait before it asks `latest` again; `None` for a source that raises
    /// [`SourceContext::wake`] whenever something new came.
    fn poll_every(&self) -> Option<Duration> {
        Some(Duration::from_millis(100))
    }

    /// Whether batch 0 runs at once, without rows, as Spark's socket and rate sources do.
    fn starts_empty(&self) -> bool {
        false
    }

    /// Caps the rows of a batch by what earlier batches managed (`spark.streaming.backpressure.enabled`). Only receivers
    /// need it; others have limits of their own.
    fn limit_rate(&mut self, _settings: rate_limit::RateSettings) {}

    /// How a batch went, for the cap.
    fn batch_ended(&mut self, _facts: &rate_limit::BatchFacts) {}
}

/// What a checkpoint knows of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// Every line that `journal` gave, or the lines of `journal_so_far` and what came after them; oldest first.
    pub journal: Vec<String>,
    /// Rows up to here are committed.
    pub committed: Option<Offset>,
    /// The end of the batch that was begun and not finished; `read` is asked for its rows first.
    pub planned: Option<Offset>,
}

/// Where a source keeps what must survive: a directory of its own in the query's checkpoint, `sources/<i>`. It need not
/// exist yet. All access goes through [`Resources::disk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFolder {
    /// The directory.
    pub dir: PathBuf,
    /// What is synced.
    pub sync: Sync,
}

/// Wakes a query that waits for data, for its trigger, or for a command.
#[derive(Debug, Default)]
pub struct Signal {
    raised: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    /// Wakes whoever waits; remembered when nobody does.
    pub fn raise(&self) {
        *self.raised.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until raised or until the time is over, and lowers the signal; says whether it was raised.
    pub fn wait(&self, at_most: Duration) -> bool {
        let raised = self.raised.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (mut raised, _) =
            self.changed.wait_timeout_while(raised, at_most, |raised| !*raised).unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::take(&mut *raised)
    }
}

/// What a source is opened with.
#[derive(Clone)]
pub struct SourceContext {
    /// Raised when new rows came or the source's state changed.
    pub wake: Arc<Signal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The session's time zone, for decoding timestamps.
    pub zone: chrono_tz::Tz,
    /// Where records that do not decode are kept.
    pub bad: Arc<BadRows>,
    /// The name of the query, for messages.
    pub query: String,
    /// Its place in the query's checkpoint, if there is one.
    pub folder: Option<SourceFolder>,
}

/// Opens the source of a scan.
pub type Open = fn(&Scan, &SourceContext, &Resources) -> Result<Box<dyn Source>, EngineError>;

/// Every format with what opens it, in the order that messages list them.
const FORMATS: &[(&str, Open)] = &[
    ("socket", socket::open),
    ("text", files::open),
    ("csv", files::open),
    ("json", files::open),
    ("parquet", files::open),
    ("rate", rate::open),
    ("rate-micro-batch", rate::open_micro_batch),
    ("stdin", stdin::open),
];

/// Opens the source of a scan by its format.
///
/// # Errors
/// A format that does not exist, options or a place that the source refuses.
pub fn open(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<Box<dyn Source>, EngineError> {
    match FORMATS.iter().find(|(format, _)| *format == scan.format) {
        Some((_, open)) => open(scan, context, resources),
        None => Err(no_such(&scan.format)),
    }
}

/// Whether the stream gives the same rows once more after a restart.
pub fn repeats(scan: &Scan) -> Repeats {
    let wal = scan.options.iter().any(|(key, value)| key.eq_ignore_ascii_case("wal") && value.trim().eq_ignore_ascii_case("true"));
    match scan.format.as_str() {
        "socket" if wal => Repeats::FromLog,
        "socket" => Repeats::NeverSocket,
        "stdin" => Repeats::NeverInput,
        _ => Repeats::Always,
    }
}

/// Whether a stream of files would take the file `file`, if it were there, for one of its own.
pub fn would_read(scan: &Scan, file: &std::path::Path) -> bool {
    let option = |name: &str| scan.options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let recursive = option("recursiveFileLookup").is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    let files = matches!(scan.format.as_str(), "text" | "csv" | "json" | "parquet");
    files && option("path").is_some_and(|path| files::would_read(path, recursive, option("pathGlobFilter"), file))
}

/// Whether a stream's or table's options fit its format, without reading from it: what CREATE looks at.
/// A path that does not exist yet is fine here.
///
/// # Errors
/// An option that nobody reads, or a value that makes no sense.
pub fn check(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<(), EngineError> {
    match scan.format.as_str() {
        "socket" => socket::check(scan, context),
        "stdin" => stdin::check(scan, context),
        _ => match open(scan, context, resources) {
            Err(error) if error.failure().condition.as_deref() == Some("PATH_NOT_FOUND") => Ok(()),
            other => other.map(drop),
        },
    }
}

/// The columns of a stream or table: those declared, or those that its format gives.
///
/// # Errors
/// A format that does not exist; columns where the format has its own, or none where it needs them.
pub fn declared_schema(format: &str, options: &[(String, String)], declared: Option<Vec<Field>>) -> Result<Vec<Field>, EngineError> {
    match format {
        "socket" | "stdin" => line_format::columns(format, options, declared),
        "rate" | "rate-micro-batch" => rate::columns(format, declared),
        "text" | "csv" | "json" | "parquet" => infer::columns(format, options, declared),
        _ => Err(no_such(format)),
    }
}

fn no_such(format: &str) -> EngineError {
    let known: Vec<_> = FORMATS.iter().map(|(format, _)| *format).collect();
    unknown::unknown_format(format, &known)
}
