//! Where rows go: one sink a file, behind one trait, opened by one registry.

pub mod console;
mod file;
pub mod memory;
pub mod noop;

use crate::checkpoint::Sync;
use crate::diagnostic::nearest;
use crate::engine::eval::EvalContext;
use crate::engine::query_state::unique_id;
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::logical::Column;
use crate::progress::OutputMode;
use crate::progress::guarantee::Writes;
use console::{ConsoleSink, Origin, Output, TableStyle};
use std::sync::Arc;

/// The run of a query that a sink is written by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkRun {
    /// The query's id; the same in every run over one checkpoint.
    pub query: String,
    /// The batch that comes first. Whatever the sink holds of this one or of later ones is of a run that was cut off:
    /// they will be written anew, and not always all of them.
    pub first: u64,
    /// Whether batches are numbered on over restarts.
    pub checkpointed: bool,
    /// What is synced before `write` returns.
    pub sync: Sync,
}

/// One batch's result.
pub struct SinkBatch<'a> {
    /// The batch's number; the same number again replaces what was written under it.
    pub id: u64,
    /// How the rows relate to those of earlier batches.
    pub mode: OutputMode,
    /// The result's columns: users' names and types.
    pub columns: &'a [Column],
    /// The rows, columns in the order of `columns`.
    pub frame: &'a Frame,
    /// The watermark in force, in microseconds; `None` for a query without one.
    pub watermark: Option<i64>,
    /// Rows of state over all operators.
    pub state_rows: u64,
    /// Rows dropped as late in this batch.
    pub dropped_by_watermark: u64,
    /// The session's time zone, for the text of timestamps.
    pub zone: chrono_tz::Tz,
}

/// Takes each batch's rows; writing the same batch twice equals writing it once.
pub trait Sink: Send {
    /// Called once before the first batch: what an earlier run left half done is cleaned up.
    ///
    /// # Errors
    /// A place that cannot be written to, or that belongs to another query.
    fn start(&mut self, _run: &SinkRun) -> Result<(), EngineError> {
        Ok(())
    }

    /// Writes a batch. When this fails the sink is as it was before.
    ///
    /// # Errors
    /// When it cannot be written; one that says `retry` is tried again after a while.
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError>;

    /// The batch is committed: it will not be written again, unless power is lost before it is durable.
    ///
    /// # Errors
    /// When the sink cannot hold to that.
    fn commit(&mut self, _batch: u64) -> Result<(), EngineError> {
        Ok(())
    }

    /// As progress names it, such as `console` or `memory(counts)`.
    fn description(&self) -> String;
}

/// What a sink is opened with.
#[derive(Clone)]
pub struct SinkContext {
    /// Standard output, shared by all queries.
    pub output: Arc<Output>,
    /// The number of the statement that starts the query.
    pub statement: u64,
    /// The query's name, if it has one.
    pub query: Option<String>,
    /// The result's columns.
    pub columns: Vec<Column>,
    /// What the queries of the session share.
    pub resources: Resources,
    /// The columns of PARTITIONED BY.
    pub partitioned_by: Vec<String>,
    /// The session's time zone.
    pub zone: chrono_tz::Tz,
    /// Whether the query runs once, over bounded tables only.
    pub bounded: bool,
}

/// Opens a sink; options are those of INTO, keys in their spelling.
type Open = fn(&[(String, String)], &SinkContext) -> Result<Box<dyn Sink>, EngineError>;

/// A sink's name, the lists of options it reads, and what opens it.
type Entry = (&'static str, &'static [&'static [&'static str]], Open);

/// Every sink, in the order that messages list them.
const SINKS: &[Entry] = &[
    ("console", &[&["truncate", "numRows", "vertical"]], open_console),
    ("memory", &[memory::OPTIONS], open_memory),
    ("parquet", file::PARQUET, |options, context| file::open("parquet", options, context)),
    ("csv", file::CSV, |options, context| file::open("csv", options, context)),
    ("json", file::JSON, |options, context| file::open("json", options, context)),
    ("text", file::TEXT, |options, context| file::open("text", options, context)),
    ("noop", &[], open_noop),
];

/// Sinks of the language that this version does not have.
const LATER: &[&str] = &["kafka", "sqlite", "postgres", "exec"];

/// Whether there is a sink of that name, lower case.
pub fn exists(format: &str) -> bool {
    SINKS.iter().any(|(name, ..)| *name == format)
}

/// What a sink makes of a batch that is written again; `screen` is that of a query without INTO.
pub fn rewrites(format: &str) -> Writes {
    match format {
        "memory" => Writes::Memory,
        "noop" => Writes::Nothing,
        format if writes_files(format) => Writes::Files,
        _ => Writes::Lines,
    }
}

/// Writes the whole result of a query that runs once.
///
/// # Errors
/// Those of the sink.
pub fn write_once(sink: &mut dyn Sink, columns: &[Column], frame: &Frame, context: &EvalContext) -> Result<(), EngineError> {
    sink.start(&SinkRun { query: unique_id(context.now, 0), first: 0, checkpointed: false, sync: Sync::default() })?;
    let (mode, zone) = (OutputMode::Append, context.zone);
    sink.write(&SinkBatch { id: 0, mode, columns, frame, watermark: None, state_rows: 0, dropped_by_watermark: 0, zone })
}

/// Whether the sink writes files.
pub fn writes_files(format: &str) -> bool {
    ["parquet", "csv", "json", "text"].contains(&format)
}

/// Sinks of other systems, with what to use instead.
const INSTEAD: &[(&[&str], &str)] = &[
    (&["foreach", "foreachbatch"], "instead: read the batches as JSON lines from `eddy run --format ndjson`"),
    (
        &["kinesis", "pulsar", "rabbitmq", "pubsub", "eventhubs", "flume", "mqtt", "nats", "zeromq"],
        "instead: write JSON lines to standard output and pipe them into a client of that system",
    ),
    (&["delta", "iceberg", "hudi", "orc", "avro"], "instead: INTO parquet OPTIONS (path '…') [PARTITIONED BY (…)]"),
    (&["jdbc", "mysql", "mongodb", "cassandra", "elasticsearch", "redis"], "instead: INTO csv or json writes files to load from there"),
    (&["screen", "stdout", "print", "dashboard"], "instead: INTO console, or no INTO at all"),
    (&["table", "temp", "ram"], "instead: INTO memory makes a table of the query's name"),
    (&["file", "files", "dir", "directory", "txt", "ndjson", "jsonl"], "instead: INTO parquet, csv, json or text with OPTIONS (path '…')"),
    (&["null", "none", "blackhole", "discard"], "instead: INTO noop computes everything and writes nothing"),
];

/// Opens a sink by its name, lower case.
///
/// # Errors
/// A sink that does not exist here, an option that it does not read, a value that makes no sense.
pub fn open(format: &str, options: &[(String, String)], context: &SinkContext) -> Result<Box<dyn Sink>, EngineError> {
    let Some((_, known, open)) = SINKS.iter().find(|(name, _, _)| *name == format) else { return Err(unknown(format)) };
    let known: Vec<&str> = known.iter().flat_map(|list| list.iter().copied()).collect();
    for (key, _) in options {
        if !known.iter().any(|k| k.eq_ignore_ascii_case(key)) {
            let error = EngineError::user(format!("the sink {format} has no option `{key}`"));
            if key.eq_ignore_ascii_case("checkpointLocation") {
                return Err(error.help("do: CHECKPOINT 'directory' after the query"));
            }
            return Err(match nearest(key, known.iter().copied()) {
                Some(near) => error.help(format!("did you mean: {near}")),
                None if known.is_empty() => error.help("options: it has none"),
                None => error.help(format!("options: {}", known.join(", "))),
            });
        }
    }
    open(options, context)
}

fn unknown(format: &str) -> EngineError {
    let here: Vec<&str> = SINKS.iter().map(|(name, _, _)| *name).collect();
    if LATER.contains(&format) {
        let error = EngineError::user(format!("the sink {format} is not available in this version"));
        return error.help(format!("sinks now: {}", here.join(", ")));
    }
    let error = EngineError::data("DATA_SOURCE_NOT_FOUND", format!("there is no sink {format}"));
    if let Some((_, instead)) = INSTEAD.iter().find(|(names, _)| names.contains(&format)) {
        return error.help(*instead);
    }
    match nearest(format, here.iter().copied()) {
        Some(near) => error.help(format!("did you mean: {near}")),
        None => error.help(format!("sinks: {}", here.join(", "))),
    }
}

/// The value of an option, keys without regard to case.
fn option<'a>(options: &'a [(String, String)], key: &str) -> Option<&'a str> {
    options.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.as_str())
}

/// The rows Spark's console shows of a batch, and the characters of a cell.
const CONSOLE_DEFAULT: usize = 20;

fn open_console(options: &[(String, String)], context: &SinkContext) -> Result<Box<dyn Sink>, EngineError> {
    let refuse =
        |key: &str, value: &str, takes: &str| Err(EngineError::user(format!("the option `{key}` cannot be '{value}': it is {takes}")));
    let mut style = TableStyle { rows: Some(CONSOLE_DEFAULT), cell: Some(CONSOLE_DEFAULT), ..TableStyle::default() };
    if let Some(value) = option(options, "truncate") {
        style.cell = match value.to_lowercase().as_str() {
            "true" => Some(CONSOLE_DEFAULT),
            "false" | "0" => None,
            number => match number.parse() {
                Ok(n) => Some(n),
                Err(_) => return refuse("truncate", value, "true, false or a number of characters"),
            },
        };
    }
    if let Some(value) = option(options, "numRows") {
        style.rows = match value.parse() {
            Ok(n) => Some(n),
            Err(_) => return refuse("numRows", value, "a number of rows"),
        };
    }
    if let Some(value) = option(options, "vertical") {
        style.vertical = match value.to_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => return refuse("vertical", value, "true or false"),
        };
    }
    Ok(Box::new(ConsoleSink::new(Arc::clone(&context.output), origin(context), Some(style))))
}

/// The sink of a query without INTO: standard output, nothing cut.
pub fn standard_output(context: &SinkContext) -> Box<dyn Sink> {
    Box::new(ConsoleSink::new(Arc::clone(&context.output), origin(context), None))
}

fn origin(context: &SinkContext) -> Origin {
    Origin { statement: context.statement, query: context.query.clone() }
}

fn open_memory(options: &[(String, String)], context: &SinkContext) -> Result<Box<dyn Sink>, EngineError> {
    match &context.query {
        Some(name) => Ok(Box::new(memory::Memory::open(name, options, &context.resources)?)),
        None => Err(EngineError::user("INTO memory makes a table of the query's name, and this one has none")
            .help("do: START name AS SELECT … INTO memory")),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as every entry of the registry")]
fn open_noop(_: &[(String, String)], _: &SinkContext) -> Result<Box<dyn Sink>, EngineError> {
    Ok(Box::new(noop::Noop))
}
