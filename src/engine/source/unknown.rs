//! What to say of a source format that we do not have.

use crate::diagnostic::nearest;
use crate::engine::EngineError;

/// Formats that people may ask for, with what to do instead.
const INSTEAD: &[(&str, &str)] = &[
    ("kafka", "kafka is not built yet; until then: kcat -C -b broker -t topic | eddy -c '…' with USING stdin"),
    ("exec", "exec is not built yet; until then: command | eddy -c '…' with USING stdin"),
    ("tape", "tape is not built yet"),
    ("kinesis", "pipe the records in and use stdin, or have them written to a directory and watch it with json"),
    ("flume", "have Flume's sink write to a port and use socket with mode 'listen', or to a directory and use text"),
    ("pubsub", "pipe the messages in and use stdin"),
    ("eventhubs", "pipe the messages in and use stdin"),
    ("mqtt", "pipe the messages in: mosquitto_sub -t topic | eddy -c '…' with USING stdin"),
    ("zeromq", "pipe the messages in and use stdin"),
    ("twitter", "pipe the posts in as JSON lines and use stdin with format 'json'"),
    ("http", "pipe the answer in: curl -N url | eddy -c '…' with USING stdin"),
    ("jdbc", "export the table to parquet, csv or json"),
    ("delta", "write the table's rows as parquet"),
    ("iceberg", "write the table's rows as parquet"),
    ("hudi", "write the table's rows as parquet"),
    ("orc", "write the rows as parquet"),
    ("avro", "write the rows as parquet or json"),
    ("xml", "convert the records to json"),
    ("memory", "CREATE TABLE name AS query makes a table in memory"),
];

/// The refusal of `format`, which is none of `known`: with what to use instead, or with the nearest name.
pub(super) fn unknown_format(format: &str, known: &[&str]) -> EngineError {
    let error = EngineError::data("DATA_SOURCE_NOT_FOUND", format!("there is no source format {format}"));
    if let Some((_, instead)) = INSTEAD.iter().find(|(name, _)| name.eq_ignore_ascii_case(format)) {
        return error.help(*instead);
    }
    match nearest(format, known.iter().copied()) {
        Some(name) => error.help(format!("did you mean {name}?")),
        None => error.help(format!("formats: {}", known.join(", "))),
    }
}
