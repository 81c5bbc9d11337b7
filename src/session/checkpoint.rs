//! Where a query's checkpoint is: the clause CHECKPOINT, or the setting `spark.sql.streaming.checkpointLocation`; and
//! whether checkpoint, sink and sources keep out of each other's way.

use super::Session;
use crate::checkpoint::storage::{local_path, spelled};
use crate::checkpoint::{Options, Sync};
use crate::diagnostic::{Diagnostic, Span};
use crate::engine::query::CheckpointSpec;
use crate::engine::{sink, source, unique_id};
use crate::lang::ast::{Ident, SinkDef, StreamingQuery};
use crate::plan::LogicalPlan;
use crate::plan::logical::Scan;
use std::path::{Component, Path, PathBuf};

/// The setting with the directory of all checkpoints.
const LOCATION: &str = "spark.sql.streaming.checkpointLocation";

impl Session {
    /// The directory of a query's checkpoint as text, with the place to blame: that of CHECKPOINT, or below the directory
    /// of the setting one of the query's name, as Spark has it, and a fresh one for a query without a name.
    ///
    /// # Errors
    /// A name that would lead out of the setting's directory.
    pub(super) fn checkpoint_clause(&self, query: &StreamingQuery) -> Result<Option<(String, Span)>, Diagnostic> {
        let root = self.settings.get(LOCATION).unwrap_or_default();
        if query.checkpoint.is_some() || root.is_empty() {
            return Ok(query.checkpoint.clone());
        }
        let name = match &query.name {
            Some(Ident { name, span }) => {
                if name.is_empty() || Path::new(name).components().any(|part| !matches!(part, Component::Normal(_))) {
                    let message = format!("`{name}` names no directory below {LOCATION}");
                    return Err(Diagnostic::error(message).at(*span).note("do: another name, or CHECKPOINT 'directory'"));
                }
                name.clone()
            }
            None => unique_id(self.options.clock.now_micros(), 3),
        };
        Ok(Some((format!("{}/{name}", root.trim_end_matches('/')), query.name.as_ref().map_or(query.span, |n| n.span))))
    }

    /// Whether a query would have a checkpoint.
    pub(super) fn has_checkpoint(&self, query: &StreamingQuery) -> bool {
        query.checkpoint.is_some() || self.settings.get(LOCATION).is_some_and(|root| !root.is_empty())
    }

    /// A checkpoint in a directory, with the session's settings.
    ///
    /// # Errors
    /// A path that is none of this machine's.
    pub(super) fn checkpoint(&self, (path, span): &(String, Span)) -> Result<CheckpointSpec, Diagnostic> {
        let sync = match self.settings.get("spark.sql.streaming.checkpoint.sync").map(str::to_lowercase).as_deref() {
            Some("all") => Sync::All,
            Some("none") => Sync::None,
            _ => Sync::Offsets,
        };
        let retain = self.settings.count("spark.sql.streaming.minBatchesToRetain") as u64;
        let deltas = self.settings.count("spark.sql.streaming.stateStore.minDeltasForSnapshot") as u64;
        let dir = local_path(path.trim()).map_err(|scheme| {
            Diagnostic::error(format!("a checkpoint cannot be on {scheme}://"))
                .at(*span)
                .note("do: give a path of this machine's file system")
        })?;
        if dir.as_os_str().is_empty() {
            return Err(Diagnostic::error("a checkpoint needs the path of a directory")
                .at(*span)
                .note("for example CHECKPOINT 'checkpoint'"));
        }
        Ok(CheckpointSpec { dir, options: Options { sync, retain, deltas } })
    }
}

/// Refuses a query that would read what it writes, or keep its checkpoint among its rows; a warning where other readers
/// may stumble over the checkpoint.
///
/// # Errors
/// With the clause to change.
pub(super) fn keep_apart(
    plan: &LogicalPlan,
    into: Option<&SinkDef>,
    checkpoint: Option<(&Path, Span)>,
) -> Result<Option<Diagnostic>, Diagnostic> {
    let mut scans = Vec::new();
    streams_of(plan, &mut scans);
    let out = into.and_then(|into| Some((into, sink_dir(into)?)));
    if let Some((into, dir)) = &out {
        let file = sample_file(into, dir);
        if let Some(scan) = scans.iter().find(|scan| source::would_read(scan, &file)) {
            return Err(Diagnostic::error(format!(
                "this query would read its own output: the stream {} reads {}",
                scan.name,
                dir.display()
            ))
            .at(into.format.span)
            .note("do: write to another directory, or give the stream a pathGlobFilter that leaves the output out"));
        }
    }
    let Some((path, span)) = checkpoint else { return Ok(None) };
    let place = spelled(path);
    if let Some(scan) = scans.iter().find(|scan| source::would_read(scan, &place.join("metadata"))) {
        return Err(Diagnostic::error(format!("the stream {} would read the files of the checkpoint {}", scan.name, path.display()))
            .at(span)
            .note("do: choose a directory of its own for the checkpoint"));
    }
    let Some((_, dir)) = out else { return Ok(None) };
    let dir = spelled(&dir);
    if place == dir || dir.starts_with(&place) {
        return Err(Diagnostic::error(format!("the checkpoint {} and the sink's directory would be mixed up", path.display()))
            .at(span)
            .note("do: choose a directory of its own for the checkpoint"));
    }
    let hidden = |part: Component<'_>| part.as_os_str().to_string_lossy().starts_with(['_', '.']);
    Ok(place.strip_prefix(&dir).ok().filter(|below| !below.components().any(hidden)).map(|_| {
        Diagnostic::warning("the checkpoint lies among the sink's files, where some readers will look into it")
            .at(span)
            .note("do: another directory, or a name with a leading `_`, which readers pass over")
    }))
}

fn streams_of<'a>(plan: &'a LogicalPlan, out: &mut Vec<&'a Scan>) {
    match plan {
        LogicalPlan::Scan(scan) if scan.streaming => out.push(scan),
        other => other.inputs().into_iter().for_each(|input| streams_of(input, out)),
    }
}

/// The directory that a sink of files writes to.
fn sink_dir(into: &SinkDef) -> Option<PathBuf> {
    let path = into.options.iter().find(|o| o.key.eq_ignore_ascii_case("path"))?.value.trim();
    let files = sink::writes_files(&into.format.name.to_lowercase()) && !path.is_empty();
    files.then(|| local_path(path).ok()).flatten()
}

/// A file as that sink writes them.
fn sample_file(into: &SinkDef, dir: &Path) -> PathBuf {
    let partitions = into.partitioned_by.iter().map(|column| format!("{}=x", column.name));
    let extension = match into.format.name.to_lowercase().as_str() {
        "text" => "txt".to_string(),
        other => other.to_string(),
    };
    partitions.fold(dir.to_path_buf(), |dir, part| dir.join(part)).join(format!("part-00000000-00000-0.{extension}"))
}
