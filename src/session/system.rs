//! The rows of the tables about queries: `queries()`, `progress('q')`, `late_rows('q')`, `bad_rows('q')`, `state('q')`.
//!
//! Fields carry Spark's names. Rows are made by field name and then put in the order and number of the columns that
//! the plan asks for.

use super::queries::{Entry, Queries};
use super::query_tables::{self, Layout};
use super::rows::{count, frame_of, text};
use super::show::{state_name, state_rows};
use super::start::trigger_text;
use crate::engine::{EngineError, Frame, SystemTables};
use crate::plan::SystemColumns;
use crate::plan::logical::Column;
use crate::progress::bad_rows::BadRow;
use crate::progress::{BatchProgress, DurationMs, EventTime, SourceProgress, StateOperatorProgress};
use crate::types::{DataType, Field, Value};
use std::sync::Arc;

/// Supplies the rows to a bounded query.
#[derive(Clone)]
pub(super) struct SystemRows {
    queries: Queries,
}

/// The columns of every table about queries.
pub(super) fn columns(queries: Queries) -> SystemColumns {
    Arc::new(move |function, args| {
        let handle = || args.first().and_then(Value::as_str).and_then(|name| queries.get(name)).map(|e| e.handle);
        match function.to_lowercase().as_str() {
            "late_rows" => Some(Layout::of_late_rows(handle().as_ref()).columns()),
            "state" => Some(Layout::of_state(handle().as_ref()).columns()),
            other => fixed_columns(other),
        }
    })
}

/// The columns of a table that looks the same for all queries; `None` for a name that is none.
fn fixed_columns(function: &str) -> Option<Vec<Field>> {
    match function {
        "queries" => Some(fields(&[
            ("name", S),
            ("id", S),
            ("runId", S),
            ("state", S),
            ("mode", S),
            ("trigger", S),
            ("sink", S),
            ("started", T),
            ("batches", I),
            ("numInputRows", I),
            ("inputRowsPerSecond", D),
            ("processedRowsPerSecond", D),
            ("stateRows", I),
            ("guarantee", S),
            ("guaranteeReason", S),
            ("why", S),
        ])),
        "progress" => Some(progress_columns()),
        "bad_rows" => Some(fields(&[("source", S), ("offset", S), ("line", S), ("reason", S), ("batchId", I), ("time", T)])),
        _ => None,
    }
}

fn progress_columns() -> Vec<Field> {
    let durations =
        ["latestOffset", "getBatch", "queryPlanning", "walCommit", "addBatch", "commitOffsets", "triggerExecution"].map(|n| (n, D));
    let event_time = [("max", T), ("min", T), ("avg", T), ("watermark", T)];
    let operators = [
        ("operatorName", S),
        ("numRowsTotal", I),
        ("numRowsUpdated", I),
        ("allUpdatesTimeMs", D),
        ("numRowsRemoved", I),
        ("allRemovalsTimeMs", D),
        ("commitTimeMs", D),
        ("memoryUsedBytes", I),
        ("numRowsDroppedByWatermark", I),
        ("numShufflePartitions", I),
        ("numStateStoreInstances", I),
        ("customMetrics", DataType::map(S, I)),
    ];
    let sources = [
        ("description", S),
        ("startOffset", S),
        ("endOffset", S),
        ("latestOffset", S),
        ("numInputRows", I),
        ("inputRowsPerSecond", D),
        ("processedRowsPerSecond", D),
        ("metrics", DataType::map(S, S)),
        ("numBadRows", I),
    ];
    fields(&[
        ("id", S),
        ("runId", S),
        ("name", S),
        ("timestamp", T),
        ("batchId", I),
        ("batchDuration", D),
        ("numInputRows", I),
        ("inputRowsPerSecond", D),
        ("processedRowsPerSecond", D),
        ("durationMs", DataType::Struct(fields(&durations))),
        ("watermark", T),
        ("eventTime", DataType::Struct(fields(&event_time))),
        ("stateOperators", DataType::array(DataType::Struct(fields(&operators)))),
        ("sources", DataType::array(DataType::Struct(fields(&sources)))),
        ("sink", DataType::Struct(fields(&[("description", S), ("numOutputRows", I)]))),
    ])
}

const S: DataType = DataType::String;
const I: DataType = DataType::BigInt;
const D: DataType = DataType::Double;
const T: DataType = DataType::Timestamp;

fn fields(list: &[(&str, DataType)]) -> Vec<Field> {
    list.iter().map(|(name, data_type)| Field::new(*name, data_type.clone())).collect()
}

/// A row as names with values.
type Named = Vec<(&'static str, Value)>;

impl SystemRows {
    pub(super) fn new(queries: Queries) -> SystemRows {
        SystemRows { queries }
    }
}

impl SystemTables for SystemRows {
    fn rows(&self, function: &str, args: &[Value], columns: &[Column]) -> Result<Frame, EngineError> {
        let rows: Vec<Named> = match function {
            "queries" => self.queries.named().iter().map(query_row).collect(),
            "progress" => self.query(function, args)?.handle.snapshot().progress.iter().map(|p| progress_row(p)).collect(),
            "late_rows" => return Ok(frame_of(columns, &query_tables::late_rows(&self.query(function, args)?.handle, columns))),
            "state" => return Ok(frame_of(columns, &query_tables::state(&self.query(function, args)?.handle, columns)?)),
            "bad_rows" => self.query(function, args)?.handle.bad_rows().into_iter().map(bad_row).collect(),
            other => return Err(EngineError::internal(format!("nobody supplies the rows of {other}()"))),
        };
        let values: Vec<Vec<Value>> = rows.into_iter().map(|row| columns.iter().map(|c| pick(&row, &c.name)).collect()).collect();
        Ok(frame_of(columns, &values))
    }
}

impl SystemRows {
    /// The query that a table is about.
    fn query(&self, function: &str, args: &[Value]) -> Result<Entry, EngineError> {
        let [Value::String(name)] = args else {
            return Err(EngineError::user(format!("{function} takes the name of one query, such as {function}('q')")));
        };
        let Some(entry) = self.queries.get(name) else {
            let names: Vec<String> = self.queries.named().into_iter().filter_map(|e| e.name).collect();
            let help = if names.is_empty() { "no query was started yet".to_string() } else { format!("queries: {}", names.join(", ")) };
            return Err(EngineError::user(format!("there is no query `{name}`")).help(help));
        };
        Ok(entry)
    }
}

fn pick(row: &Named, name: &str) -> Value {
    row.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or(Value::Null, |(_, v)| v.clone())
}

fn query_row(entry: &Entry) -> Named {
    let snapshot = entry.handle.snapshot();
    let last = snapshot.progress.back();
    vec![
        ("name", text(entry.name.clone().unwrap_or_default())),
        ("id", text(snapshot.id.clone())),
        ("runId", text(snapshot.run_id.clone())),
        ("state", text(state_name(&snapshot.state))),
        ("mode", text(snapshot.mode.name())),
        ("trigger", text(trigger_text(snapshot.trigger))),
        ("sink", text(entry.sink.clone())),
        ("started", Value::Timestamp(snapshot.started)),
        ("batches", count(last.map_or(0, |p| p.batch_id + 1))),
        ("numInputRows", count(last.map_or(0, |p| p.num_input_rows))),
        ("inputRowsPerSecond", Value::Double(last.map_or(0.0, |p| p.input_rows_per_second))),
        ("processedRowsPerSecond", Value::Double(last.map_or(0.0, |p| p.processed_rows_per_second))),
        ("stateRows", count(state_rows(&snapshot))),
        ("guarantee", text(snapshot.guarantee.clone())),
        ("guaranteeReason", text(snapshot.guarantee_reason.clone())),
        ("why", text(snapshot.why.sentence.clone())),
    ]
}

fn progress_row(p: &BatchProgress) -> Named {
    let watermark = p.event_time.as_ref().map_or(Value::Null, |e| Value::Timestamp(e.watermark));
    vec![
        ("id", text(&p.id)),
        ("runId", text(&p.run_id)),
        ("name", p.name.clone().map_or(Value::Null, text)),
        ("timestamp", Value::Timestamp(p.timestamp)),
        ("batchId", count(p.batch_id)),
        ("batchDuration", Value::Double(p.duration_ms.trigger_execution)),
        ("numInputRows", count(p.num_input_rows)),
        ("inputRowsPerSecond", Value::Double(p.input_rows_per_second)),
        ("processedRowsPerSecond", Value::Double(p.processed_rows_per_second)),
        ("durationMs", durations(&p.duration_ms)),
        ("watermark", watermark),
        ("eventTime", p.event_time.as_ref().map_or(Value::Null, event_time)),
        ("stateOperators", Value::Array(p.state_operators.iter().map(state_operator).collect())),
        ("sources", Value::Array(p.sources.iter().map(source).collect())),
        ("sink", Value::Struct(vec![text(&p.sink.description), count(p.sink.num_output_rows)])),
    ]
}

fn bad_row(row: BadRow) -> Named {
    vec![
        ("source", text(row.source)),
        ("offset", text(row.offset)),
        ("line", text(row.line)),
        ("reason", text(row.reason)),
        ("batchId", count(row.batch_id)),
        ("time", Value::Timestamp(row.time)),
    ]
}

fn durations(d: &DurationMs) -> Value {
    let all = [d.latest_offset, d.get_batch, d.query_planning, d.wal_commit, d.add_batch, d.commit_offsets, d.trigger_execution];
    Value::Struct(all.into_iter().map(Value::Double).collect())
}

fn event_time(e: &EventTime) -> Value {
    let instant = |micros: Option<i64>| micros.map_or(Value::Null, Value::Timestamp);
    Value::Struct(vec![instant(e.max), instant(e.min), instant(e.avg), Value::Timestamp(e.watermark)])
}

fn state_operator(o: &StateOperatorProgress) -> Value {
    Value::Struct(vec![
        text(&o.operator_name),
        count(o.num_rows_total),
        count(o.num_rows_updated),
        Value::Double(o.all_updates_time_ms),
        count(o.num_rows_removed),
        Value::Double(o.all_removals_time_ms),
        Value::Double(o.commit_time_ms),
        count(o.memory_used_bytes),
        count(o.num_rows_dropped_by_watermark),
        count(o.partitions),
        // One store a partition.
        count(o.partitions),
        Value::Map(custom_metrics(o)),
    ])
}

/// Spark's field for what only some operators and state stores say.
fn custom_metrics(o: &StateOperatorProgress) -> Vec<(Value, Value)> {
    let disk = o.disk.map(|disk| [("numRowsOnDisk", disk.rows), ("bytesOnDisk", disk.bytes)]);
    let metrics = std::iter::once(("stateOnCurrentVersionSizeBytes", o.memory_used_bytes))
        .chain(o.repeated.map(|rows| ("numDroppedDuplicateRows", rows)))
        .chain(disk.into_iter().flatten());
    metrics.map(|(name, value)| (text(name), count(value))).collect()
}

fn source(s: &SourceProgress) -> Value {
    Value::Struct(vec![
        text(&s.description),
        s.start_offset.clone().map_or(Value::Null, text),
        s.end_offset.clone().map_or(Value::Null, text),
        s.latest_offset.clone().map_or(Value::Null, text),
        count(s.num_input_rows),
        Value::Double(s.input_rows_per_second),
        Value::Double(s.processed_rows_per_second),
        Value::Map(s.metrics.iter().map(|(name, figure)| (text(name), text(figure))).collect()),
        count(s.num_bad_rows),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_value_of_its_type() {
        let row = progress_row(&BatchProgress::default());
        for field in fixed_columns("progress").expect("a table") {
            let (_, value) = row.iter().find(|(n, _)| *n == field.name).expect("a value");
            if let (Value::Struct(members), DataType::Struct(types)) = (value, &field.data_type) {
                assert_eq!(members.len(), types.len(), "{}", field.name);
            }
        }
        let names = |v: Value| if let Value::Struct(members) = v { members.len() } else { 0 };
        let element = |name: &str| match fixed_columns("progress")
            .expect("a table")
            .into_iter()
            .find(|f| f.name == name)
            .expect("a column")
            .data_type
        {
            DataType::Array(element) => match *element {
                DataType::Struct(types) => types.len(),
                _ => 0,
            },
            _ => 0,
        };
        assert_eq!(names(state_operator(&StateOperatorProgress::default())), element("stateOperators"));
        assert_eq!(names(source(&SourceProgress::default())), element("sources"));
        assert!(fixed_columns("nothing").is_none());
    }
}
