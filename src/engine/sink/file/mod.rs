//! `INTO {parquet|csv|json|text}`: each batch as files of a directory, exactly once.
//!
//! ```text
//! rows ─split─▸ directories ─▸ .part-…tmp ─write, sync─▸ rename ─▸ part-00000007-00000-<query>.parquet ─▸ sync the directory
//! ```
//!
//! A file's name follows from the query, the batch and the file's number, so that a batch that runs again replaces its
//! files, and those of them that it has no rows for any more are removed. A file gets its name when it is whole: every
//! reader sees whole files only, and needs no log of ours to know which ones count. All files of a batch are written
//! before the first gets its name, so that a full disk leaves the directory as it was.

mod compression;
mod format;
mod name;
mod parquet;
mod partition;

use super::{Sink, SinkBatch, SinkContext, SinkRun, option};
use crate::checkpoint::storage::{self, Disk, DiskFile, create_dir_synced};
use crate::engine::source::declared::Declared;
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::logical::Column;
use format::Format;
use name::Names;
use partition::{Group, Partitioning};
use std::collections::{BTreeSet, HashSet};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// Options of each format, in the order of the registry: those of every file sink first.
pub(super) const PARQUET: &[&[&str]] = &[COMMON, format::PARQUET];
pub(super) const CSV: &[&[&str]] = &[COMMON, format::CSV];
pub(super) const JSON: &[&[&str]] = &[COMMON, format::JSON];
pub(super) const TEXT: &[&[&str]] = &[COMMON, format::TEXT];
const COMMON: &[&str] = &["path", "maxRecordsPerFile", "saveMode"];

/// Bytes that are written at a time.
const BUFFER: usize = 256 * 1024;
/// Directories that are remembered to be there.
const KNOWN_DIRS: usize = 10_000;

/// A directory that gets each batch's rows as files.
pub(super) struct FileSink {
    format_name: &'static str,
    path: PathBuf,
    format: Format,
    partitioning: Partitioning,
    file_columns: Vec<Column>,
    max_records: usize,
    resources: Resources,
    state: Started,
}

/// What is known since [`Sink::start`].
struct Started {
    names: Names,
    sync: bool,
    /// The batch that a run before this one was cut off in, with the files that it left, relative to the directory.
    repeated: Option<(u64, BTreeSet<String>)>,
    /// Directories that are there, relative.
    dirs: HashSet<String>,
}

/// A file on its way.
struct Job {
    /// Relative to the sink's directory.
    dir: String,
    name: String,
    frame: Frame,
}

impl FileSink {
    /// A sink of one of the formats `parquet`, `csv`, `json`, `text`; the directory is looked at, and not made yet.
    ///
    /// # Errors
    /// Options that do not fit, columns that the format has no place for, a path that is no directory.
    pub(super) fn open(name: &'static str, options: &[(String, String)], context: &SinkContext) -> Result<FileSink, EngineError> {
        let declared = Declared::new(name, options);
        let path = local_path(declared.text("path").unwrap_or_default().trim(), name)?;
        let partitioning = Partitioning::new(&context.partitioned_by, &context.columns)?;
        let file_columns = partitioning.file_columns(&context.columns);
        if file_columns.is_empty() {
            return Err(EngineError::data("EMPTY_SCHEMA_NOT_SUPPORTED_FOR_DATASOURCE", format!("{name} needs a column at least")));
        }
        let format = Format::read(name, &declared, &file_columns, context.zone)?;
        let max_records = match declared.number("maxRecordsPerFile", i64::MIN, i64::MAX)? {
            Some(n) if n > 0 => usize::try_from(n).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let state = Started { names: Names::new("", ""), sync: false, repeated: None, dirs: HashSet::new() };
        let resources = context.resources.clone();
        let sink = FileSink { format_name: name, path, format, partitioning, file_columns, max_records, resources, state };
        sink.look(option(options, "saveMode"), context.bounded)?;
        Ok(sink)
    }

    fn disk(&self) -> &dyn Disk {
        &**self.resources.disk()
    }

    /// What is at the path already: nothing, or a directory that may have to be empty.
    fn look(&self, mode: Option<&str>, bounded: bool) -> Result<(), EngineError> {
        let appends = match mode.map(str::to_lowercase).as_deref() {
            None => !bounded,
            Some("append") => true,
            Some("error" | "errorifexists") => false,
            Some("overwrite" | "ignore") => {
                return Err(EngineError::user("option saveMode can be 'append' or 'errorIfExists': files of others are never removed"));
            }
            Some(other) => return Err(EngineError::user(format!("option saveMode is '{other}', but must be append or errorIfExists"))),
        };
        match self.disk().list(&self.path) {
            Ok(entries) if !appends && entries.iter().any(|e| !is_hidden(&e.name)) => {
                let message = format!("path {} is there already, and not empty", self.path.display());
                Err(EngineError::data("PATH_ALREADY_EXISTS", message)
                    .help("do: choose another path, or OPTIONS (saveMode 'append') to write beside what is there"))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EngineError::file("written to", &self.path, &error)),
            _ => Ok(()),
        }
    }

    /// Files that earlier runs of this query left of `first` and later batches: those later, and the unfinished ones, are
    /// removed, those of `first` are returned. Goes through the directories of partitions.
    fn clean(&self, dir: &str, first: u64, left: &mut BTreeSet<String>) -> Result<(), EngineError> {
        let at = self.path.join(dir);
        let entries = match self.disk().list(&at) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(EngineError::file("read", &at, &error)),
        };
        let mut removed = false;
        for entry in entries {
            let relative = join(dir, &entry.name);
            if entry.is_dir {
                if entry.name.contains('=') {
                    self.clean(&relative, first, left)?;
                }
                continue;
            }
            let batch = self.state.names.batch_of(&entry.name);
            if batch == Some(first) {
                left.insert(relative);
            } else if batch.is_some_and(|b| b > first) || self.state.names.is_unfinished(&entry.name) {
                self.remove(&relative)?;
                removed = true;
            }
        }
        if removed && self.state.sync {
            self.disk().sync_dir(&at).map_err(|e| EngineError::file("synced", &at, &e))?;
        }
        Ok(())
    }

    fn remove(&self, relative: &str) -> Result<(), EngineError> {
        let path = self.path.join(relative);
        match self.disk().remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EngineError::file("removed", &path, &error)),
            _ => Ok(()),
        }
    }

    /// The files of a batch.
    fn jobs(&self, batch: &SinkBatch<'_>) -> Result<Vec<Job>, EngineError> {
        // A reader can open the directory as soon as there is one file that says what the columns are.
        let shows_columns = batch.id == 0 && self.format.says_columns() && !self.partitioning.is_partitioned();
        if batch.frame.rows() == 0 && !shows_columns {
            return Ok(Vec::new());
        }
        let mut jobs = Vec::new();
        for Group { dir, frame } in self.partitioning.split(batch.frame, batch.columns, batch.zone)? {
            let (mut row, mut number) = (0, 0);
            while row < frame.rows() || number == 0 {
                let rows = self.max_records.min(frame.rows() - row);
                let part = if rows == frame.rows() { frame.clone() } else { frame.slice(row, rows) };
                jobs.push(Job { dir: dir.clone(), name: self.state.names.file(batch.id, number), frame: part });
                row += rows;
                number += 1;
            }
        }
        Ok(jobs)
    }

    /// Makes the directories that are not known to be there; adds those that were missing, deepest last.
    fn make_dirs(&mut self, jobs: &[Job], made: &mut Vec<String>) -> Result<(), EngineError> {
        for job in jobs {
            if self.state.dirs.contains(&job.dir) {
                continue;
            }
            let path = self.path.join(&job.dir);
            if self.disk().list(&path).is_err() {
                let parts: Vec<&str> = job.dir.split('/').collect();
                let above = (1..=parts.len()).map(|n| parts[..n].join("/"));
                made.extend(above.filter(|dir| !made.contains(dir) && self.disk().list(&self.path.join(dir)).is_err()).collect::<Vec<_>>());
                let create = if self.state.sync { create_dir_synced(self.disk(), &path) } else { self.disk().create_dir(&path) };
                create.map_err(|e| EngineError::file("created", &path, &e))?;
            }
            if self.state.dirs.len() >= KNOWN_DIRS {
                self.state.dirs.clear();
            }
            self.state.dirs.insert(job.dir.clone());
        }
        Ok(())
    }

    /// Writes one file under its temporary name.
    fn write_file(&self, job: &Job) -> Result<(), EngineError> {
        let path = self.path.join(&job.dir).join(Names::temporary(&job.name));
        let failed = |error: &io::Error| EngineError::file("written", &self.path.join(&job.dir).join(&job.name), error);
        let file = self.disk().create(&path).map_err(|e| failed(&e))?;
        let mut out = BufWriter::with_capacity(BUFFER, Target { file, error: None });
        let written = self.format.write(&self.file_columns, &job.frame, self.resources.pool(), &mut out).and_then(|()| out.flush());
        // The buffer must not be written once more after it failed.
        let (mut target, _) = out.into_parts();
        if let Err(error) = written {
            return Err(failed(target.error.as_ref().unwrap_or(&error)));
        }
        if self.state.sync { target.file.sync().map_err(|e| failed(&e)) } else { Ok(()) }
    }

    /// Gives the files their names; when one fails, those that had not been there before are gone again.
    fn publish(&self, jobs: &[Job], replaces: &BTreeSet<String>) -> Result<(), EngineError> {
        for (done, job) in jobs.iter().enumerate() {
            let dir = self.path.join(&job.dir);
            let path = dir.join(&job.name);
            if let Err(error) = self.disk().rename(&dir.join(Names::temporary(&job.name)), &path) {
                for earlier in jobs[..done].iter().map(|j| join(&j.dir, &j.name)).filter(|file| !replaces.contains(file)) {
                    // The first error is the one to tell.
                    let _ = self.remove(&earlier);
                }
                return Err(EngineError::file("written", &path, &error));
            }
        }
        Ok(())
    }

    fn write_batch(&mut self, jobs: &[Job], replaces: &BTreeSet<String>) -> Result<(), EngineError> {
        let mut made = Vec::new();
        let written = self.make_dirs(jobs, &mut made).and_then(|()| {
            let results = self.resources.pool().map(jobs.iter().collect(), |job| self.write_file(job));
            results.into_iter().collect::<Result<(), _>>().and_then(|()| self.publish(jobs, replaces))
        });
        if written.is_err() {
            self.sweep(jobs);
            for dir in made.iter().rev().filter(|dir| !dir.is_empty()) {
                // One that is not empty stays.
                let _ = self.disk().remove_dir(&self.path.join(dir));
            }
            self.state.dirs.clear();
        }
        written
    }

    /// Removes what was written under temporary names, as far as that is possible.
    fn sweep(&self, jobs: &[Job]) {
        for job in jobs {
            let _ = self.remove(&join(&job.dir, &Names::temporary(&job.name)));
        }
    }

    /// After this the names of a batch survive a power loss.
    fn sync_names<'a>(&self, dirs: impl Iterator<Item = &'a str>) -> Result<(), EngineError> {
        let dirs: BTreeSet<&str> = dirs.collect();
        for dir in dirs {
            let path = self.path.join(dir);
            self.disk().sync_dir(&path).map_err(|e| EngineError::file("synced", &path, &e))?;
        }
        Ok(())
    }
}

impl Sink for FileSink {
    fn start(&mut self, run: &SinkRun) -> Result<(), EngineError> {
        self.state.names = Names::new(&run.query, self.format.extension());
        self.state.sync = run.sync.syncs();
        self.state.dirs.clear();
        let create = if self.state.sync { create_dir_synced(self.disk(), &self.path) } else { self.disk().create_dir(&self.path) };
        create.map_err(|e| EngineError::file("created", &self.path, &e))?;
        let mut left = BTreeSet::new();
        if run.checkpointed {
            self.clean("", run.first, &mut left)?;
        }
        self.state.repeated = Some((run.first, left));
        Ok(())
    }

    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        let replaces = match &self.state.repeated {
            Some((id, left)) if *id == batch.id => left.clone(),
            _ => BTreeSet::new(),
        };
        let jobs = self.jobs(batch)?;
        self.write_batch(&jobs, &replaces)?;
        let files: HashSet<String> = jobs.iter().map(|j| join(&j.dir, &j.name)).collect();
        for stale in replaces.iter().filter(|file| !files.contains(*file)) {
            self.remove(stale)?;
        }
        if self.state.sync {
            let stale = replaces.iter().map(|file| file.rsplit_once('/').map_or("", |(dir, _)| dir));
            self.sync_names(jobs.iter().map(|j| j.dir.as_str()).chain(stale))?;
        }
        // From here on a batch of this number that is written again replaces what was just written.
        self.state.repeated = Some((batch.id, files.into_iter().collect()));
        Ok(())
    }

    fn description(&self) -> String {
        format!("{}({})", self.format_name, self.path.display())
    }
}

/// Remembers what went wrong: encoders keep only its words.
struct Target {
    file: Box<dyn DiskFile>,
    error: Option<io::Error>,
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).inspect_err(|error| {
            let copy =
                || error.raw_os_error().map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
            if error.kind() != io::ErrorKind::Interrupted {
                self.error.get_or_insert_with(copy);
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Opens a sink by its entry in the registry.
pub(super) fn open(name: &'static str, options: &[(String, String)], context: &SinkContext) -> Result<Box<dyn Sink>, EngineError> {
    Ok(Box::new(FileSink::open(name, options, context)?))
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_string() } else { format!("{dir}/{name}") }
}

/// What readers pass over.
fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// The path without `file:`.
fn local_path(path: &str, format: &str) -> Result<PathBuf, EngineError> {
    if path.is_empty() {
        return Err(EngineError::user(format!("the sink {format} needs the path of a directory")).help("for example OPTIONS (path 'out')"));
    }
    storage::local_path(path).map_err(|scheme| {
        EngineError::user(format!("option path: files of {scheme}:// cannot be written")).help("give a path of this machine's file system")
    })
}
