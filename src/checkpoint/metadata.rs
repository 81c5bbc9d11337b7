//! `metadata`: what is fixed at a query's first start, as text.

use super::CheckpointError;
use super::record::Record;
use super::storage::Disk;
use std::path::Path;

/// The version of the layout.
const FORMAT: &str = "2";

/// What is fixed at a query's first start, or changes only with the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The same in every run.
    pub id: String,
    /// Partitions of state.
    pub partitions: usize,
    /// Each stateful operator: its name, then lines that say what its state is made of.
    pub operators: Vec<(String, Vec<String>)>,
    /// Each source: its format, and the stream's name.
    pub sources: Vec<(String, String)>,
}

pub(super) fn metadata_text(metadata: &Metadata) -> String {
    let Metadata { id, partitions, operators, sources } = metadata;
    let head = Record::default().with("eddyline", "checkpoint").with("format", FORMAT);
    let mut records = vec![head.with("id", id).with("partitions", partitions)];
    for (i, (name, schema)) in operators.iter().enumerate() {
        let record = Record::default().with("operator", i).with("name", name);
        records.push(schema.iter().fold(record, |r, line| r.with("state", line)));
    }
    for (i, (format, stream)) in sources.iter().enumerate() {
        records.push(Record::default().with("source", i).with("format", format).with("stream", stream));
    }
    let count = records.len();
    records.push(Record::default().with("lines", count));
    records.iter().map(Record::line).collect()
}

pub(super) fn read_metadata(disk: &dyn Disk, path: &Path) -> Result<Metadata, CheckpointError> {
    let bytes = disk.read(path).map_err(CheckpointError::io("read", path))?;
    let bad = || CheckpointError::damaged(path, "it is not as it was written");
    let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
    let mut records = text.lines().map(|l| Record::parse(l).ok_or_else(bad)).collect::<Result<Vec<_>, _>>()?;
    let count = records.pop().and_then(|r| r.number::<usize>("lines"));
    let head = records.first().filter(|r| r.get("eddyline") == Some("checkpoint")).ok_or_else(bad)?;
    match head.get("format") {
        Some(FORMAT) => {}
        Some(found) => return Err(CheckpointError::Version { path: path.to_path_buf(), found: found.to_string() }),
        None => return Err(bad()),
    }
    if count != Some(records.len()) || !text.ends_with('\n') {
        return Err(bad());
    }
    let text = |r: &Record, key: &str| r.get(key).map(str::to_string).ok_or_else(bad);
    let mut metadata = Metadata { id: text(head, "id")?, partitions: head.number("partitions").ok_or_else(bad)?, ..Metadata::default() };
    for record in &records[1..] {
        if record.get("operator").is_some() {
            metadata.operators.push((text(record, "name")?, record.all("state").map(str::to_string).collect()));
        } else {
            metadata.sources.push((text(record, "format")?, text(record, "stream")?));
        }
    }
    Ok(metadata)
}
