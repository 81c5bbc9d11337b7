//! What is there to read: the files of a directory or a pattern, in the order in which they came.

use super::partition;
use crate::checkpoint::storage::{self, spelled};
use crate::engine::EngineError;
use crate::engine::source::glob;
use crate::types::Field;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A file as a listing found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Microseconds since the epoch.
    pub(super) modified: i64,
    pub(super) bytes: u64,
}

/// Which files of a place are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) recursive: bool,
    pub(super) name_filter: Option<String>,
    /// Changed after the first and before the second, in microseconds.
    pub(super) changed: (Option<i64>, Option<i64>),
    /// The directory below which partition directories count.
    pub(super) base: Option<String>,
}

/// Where files are looked for.
#[derive(Debug)]
pub(in crate::engine::source) struct Place {
    /// As declared, without `file:`.
    path: String,
    recursive: bool,
    name_filter: Option<String>,
    /// Files changed at or before the first, or at or after the second, are left out; microseconds.
    changed: (Option<i64>, Option<i64>),
    /// How many parts of a file's path stand before partition directories.
    depth: usize,
    /// The directories of the last listing with their times of modification.
    listed: Vec<(PathBuf, i64)>,
    /// When the clock stood there, a directory was listed that had changed in this very moment, and may still change
    /// without its time moving on.
    settled: bool,
}

/// Directories whose time of modification is this close to now are listed again, in microseconds.
const SETTLE: i64 = 50_000;

impl Place {
    /// A place that exists, unless it is a pattern.
    ///
    /// # Errors
    /// `PATH_NOT_FOUND`; a file system that we cannot read.
    pub(super) fn open(path: &str, wanted: Wanted) -> Result<Place, EngineError> {
        let Wanted { recursive, name_filter, changed, base } = wanted;
        let local = local_path(path)?;
        let base = base.map(|base| local_path(&base)).transpose()?;
        if let Some(base) = base.as_ref().filter(|base| !Path::new(&local).starts_with(base)) {
            return Err(EngineError::user(format!("the option basePath is {base}, and the path {local} does not lie in it")));
        }
        let depth = Path::new(base.as_ref().unwrap_or(&local)).components().count();
        if !glob::is_pattern(&local) && !Path::new(&local).exists() {
            let shown = std::path::absolute(&local).unwrap_or_else(|_| PathBuf::from(&local));
            return Err(EngineError::data("PATH_NOT_FOUND", format!("path does not exist: {}", shown.display())));
        }
        Ok(Place { path: local, recursive, name_filter, changed, depth, listed: Vec::new(), settled: false })
    }

    /// The path as declared, for messages.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The single plain file that the place is, if it is one.
    pub(super) fn single_file(&self) -> Option<PathBuf> {
        let path = Path::new(&self.path);
        (!glob::is_pattern(&self.path) && path.is_file()).then(|| path.to_path_buf())
    }

    /// Files that are there; `None` when nothing can have changed since the last call. A place that vanished has none.
    pub(super) fn list(&mut self, now: i64) -> Option<Vec<Found>> {
        let roots = if glob::is_pattern(&self.path) { glob::expand(&self.path) } else { vec![PathBuf::from(&self.path)] };
        if self.settled && !glob::is_pattern(&self.path) && self.listed.iter().all(|(dir, at)| modified(dir) == Some(*at)) {
            return None;
        }
        self.listed.clear();
        let mut found = Vec::new();
        for root in roots {
            match root.metadata() {
                Ok(meta) if meta.is_dir() => self.list_directory(&root, &mut found),
                Ok(meta) => found.extend(self.accept(root, &meta)),
                Err(_) => {}
            }
        }
        self.settled = !self.listed.is_empty() && self.listed.iter().all(|(_, at)| now - at > SETTLE);
        // As in Spark: where some files lie in partition directories, others are not looked at.
        if !self.recursive && found.iter().any(|f| !self.values(&f.path).is_empty()) {
            found.retain(|f| !self.values(&f.path).is_empty());
        }
        Some(found)
    }

    /// How many parts of a path stand before partition directories; `None`: directories mean nothing.
    pub(super) fn depth(&self) -> Option<usize> {
        (!self.recursive).then_some(self.depth)
    }

    /// The columns that the directories of a file give values to, with the values as they are spelt.
    pub(super) fn values(&self, path: &Path) -> partition::Values {
        if self.recursive { partition::Values::new() } else { partition::values(path, self.depth) }
    }

    /// The columns that partition directories stand for, with their types.
    pub(in crate::engine::source) fn partition_columns(&mut self) -> Result<Vec<Field>, EngineError> {
        if self.recursive {
            return Ok(Vec::new());
        }
        partition::columns(&self.list(0).unwrap_or_default(), self.depth)
    }

    fn list_directory(&mut self, dir: &Path, found: &mut Vec<Found>) {
        // The time is taken before the listing: what changes in between is then seen by the next.
        if let Some(at) = modified(dir) {
            self.listed.push((dir.to_path_buf(), at));
        }
        let Ok(entries) = std::fs::read_dir(dir) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if is_hidden(&path) {
                continue;
            }
            let Ok(meta) = path.metadata() else { continue };
            if meta.is_dir() {
                let in_partition = || partition::is_partition(&path) || !partition::values(&path, self.depth).is_empty();
                if self.recursive || in_partition() {
                    self.list_directory(&path, found);
                }
            } else {
                found.extend(self.accept(path, &meta));
            }
        }
    }

    fn accept(&self, path: PathBuf, meta: &Metadata) -> Option<Found> {
        let name = path.file_name()?.to_string_lossy();
        let fits = self.name_filter.as_ref().is_none_or(|pattern| glob::matches(pattern, &name));
        let at = micros(meta);
        let recent = self.changed.0.is_none_or(|after| at > after) && self.changed.1.is_none_or(|before| at < before);
        (meta.is_file() && fits && recent && !is_hidden(&path)).then(|| Found { modified: micros(meta), bytes: meta.len(), path })
    }
}

/// The path without `file:`.
fn local_path(path: &str) -> Result<String, EngineError> {
    match storage::local_path(path) {
        Ok(local) => Ok(local.to_string_lossy().into_owned()),
        Err(scheme) => {
            Err(EngineError::user(format!("files of {scheme}:// cannot be read")).help("give a path of this machine's file system"))
        }
    }
}

/// Whether a stream over `declared` with those options would read the file `file`, which need not be there.
pub(in crate::engine::source) fn would_read(declared: &str, recursive: bool, name_filter: Option<&str>, file: &Path) -> bool {
    let Ok(local) = storage::local_path(declared) else { return false };
    let (place, file) = (spelled(&local), spelled(file));
    let name = file.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    if name_filter.is_some_and(|pattern| !glob::matches(pattern, &name)) {
        return false;
    }
    // The place is the file itself, or a directory above it with nothing but partitions in between.
    file.ancestors().any(|root| {
        let below = file.strip_prefix(root).unwrap_or(Path::new(""));
        let parts: Vec<&Path> = below.ancestors().filter(|p| !p.as_os_str().is_empty()).collect();
        let leads = parts.iter().skip(1).all(|dir| recursive || partition::is_partition(dir));
        glob::matches_path(&place, root) && leads && parts.iter().all(|part| !is_hidden(part))
    })
}

/// Files that writers use for themselves: `_SUCCESS`, `.part.crc`, copies under way.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    name.starts_with('.') || (name.starts_with('_') && !name.contains('=')) || name.ends_with("._COPYING_")
}

fn modified(path: &Path) -> Option<i64> {
    path.metadata().ok().map(|meta| micros(&meta))
}

/// When a file was last changed, in microseconds since the epoch.
pub(super) fn micros(meta: &Metadata) -> i64 {
    let since = meta.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
