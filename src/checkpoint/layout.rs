//! A query's checkpoint: a directory that one query holds, and what it finds there.
//!
//! ```text
//! lock                         whoever holds it
//! metadata                     the query's id, partitions, operators with their state's schema, sources
//! offsets/N.log  commits/N.log a line a batch: what it reads, and that it is done
//! durable                      up to which batch a power loss loses nothing
//! state/<operator>/<partition> deltas and snapshots
//! sources/<i>/                 what a source has logged, summed up (N.log), and its own files
//! spill/                       of a running query: state larger than memory; nothing that a restart needs
//! ```
//!
//! A batch is *committed* when its commit record is written: a kill of the process loses nothing from there on.
//! It is *durable* when deltas, commit record and then the mark are synced, which happens in the background.

use super::background::{Background, Done};
use super::changes::Changes;
use super::log::{Log, Logged, numbered};
use super::metadata::{Metadata, metadata_text, read_metadata};
use super::record::Record;
use super::recover::{Facts, Recovery, recover};
use super::state::{self, Each, StateLog, Written};
use super::storage::{Disk, Lock, create_dir_synced, write_whole};
use super::syncer::Syncer;
use super::{CheckpointError, Offset, Sync};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Batches between two clean-ups.
const CLEAN_EVERY: u64 = 64;
/// Boot of records that are trusted in every boot: those of a run that syncs nothing.
const ANY_BOOT: &str = "-";

/// Settings of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `spark.sql.streaming.checkpoint.sync`
    pub sync: Sync,
    /// `spark.sql.streaming.minBatchesToRetain`
    pub retain: u64,
    /// `spark.sql.streaming.stateStore.minDeltasForSnapshot`
    pub deltas: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { sync: Sync::default(), retain: 100, deltas: 10 }
    }
}

/// What a batch reads, and with what: logged before anything is done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchOffsets {
    /// Its number.
    pub batch: u64,
    /// Its time, milliseconds since the epoch.
    pub time: i64,
    /// The session's time zone.
    pub zone: String,
    /// The watermarks in force, as the engine writes them.
    pub watermarks: String,
    /// Each source.
    pub sources: Vec<SourceRange>,
}

/// What a batch reads from one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRange {
    /// Rows after this.
    pub from: Option<Offset>,
    /// Up to and with this; equal to `from` when there is nothing new.
    pub to: Option<Offset>,
    /// What the source says of them.
    pub journal: Vec<String>,
}

/// What an earlier run left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The last batch that counts as done.
    pub committed: Option<u64>,
    /// The watermarks after it.
    pub watermarks: Option<String>,
    /// How far each source was read by then.
    pub ends: Vec<Option<Offset>>,
    /// Batches that were begun and do not count as done: they run again over the same ranges.
    pub repeat: VecDeque<BatchOffsets>,
    /// What each source logged, oldest first.
    pub journals: Vec<Vec<String>>,
    /// Whether batches that were done are repeated, because a power loss may have taken parts of them.
    pub power_lost: bool,
}

/// The checkpoint of a running query.
pub struct Checkpoint {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: Options,
    boot: String,
    metadata: Metadata,
    offsets: Log,
    commits: Log,
    /// By operator and partition.
    state: Vec<Vec<StateLog>>,
    background: Option<Background>,
    /// Of a run that syncs.
    syncer: Option<Syncer>,
    /// The log of offsets that an earlier run may not have synced, for batches that are repeated.
    unsynced: Option<PathBuf>,
    /// Offsets that were logged could not be synced.
    lost: bool,
    /// What an earlier run committed in this boot and did not live to sync.
    catch_up: Option<u64>,
    _lock: Box<dyn Lock>,
}

fn missing(error: &CheckpointError) -> bool {
    matches!(error, CheckpointError::Io { error, .. } if error.kind() == ErrorKind::NotFound)
}

impl Checkpoint {
    /// Takes the directory, which is made if it is not there; with what stands in its metadata, if the query has run
    /// before.
    ///
    /// # Errors
    /// Another query that holds it; a directory that is not empty and no checkpoint; a disk that refuses.
    pub fn open(disk: &Arc<dyn Disk>, dir: &Path, options: Options) -> Result<(Checkpoint, Option<Metadata>), CheckpointError> {
        create_dir_synced(&**disk, dir).map_err(CheckpointError::io("made", dir))?;
        let lock_path = dir.join("lock");
        let owner = format!("process {}", std::process::id());
        let lock = disk.lock(&lock_path, &owner).map_err(CheckpointError::io("locked", &lock_path))?;
        let lock = lock.map_err(|holder| {
            let own = if holder == owner { ", which is this one: another of its queries runs there" } else { "" };
            CheckpointError::Locked { dir: dir.to_path_buf(), holder: holder + own }
        })?;
        let metadata = match read_metadata(&**disk, &dir.join("metadata")) {
            Err(error) if missing(&error) => {
                not_anothers(&**disk, dir)?;
                None
            }
            other => Some(other?),
        };
        let boot = disk.boot();
        let written = if options.sync.syncs() { boot.clone() } else { ANY_BOOT.to_string() };
        let log = |what: &'static str| Log::new(disk, dir.join(what), what, &written);
        let (offsets, commits) = (log("offsets"), log("commits"));
        let checkpoint = Checkpoint {
            disk: Arc::clone(disk),
            dir: dir.to_path_buf(),
            boot,
            metadata: metadata.clone().unwrap_or_default(),
            offsets,
            commits,
            state: Vec::new(),
            background: None,
            syncer: None,
            unsynced: None,
            lost: false,
            catch_up: None,
            options,
            _lock: lock,
        };
        Ok((checkpoint, metadata))
    }

    /// Where a source keeps files of its own.
    pub fn source_dir(&self, source: usize) -> PathBuf {
        self.dir.join("sources").join(source.to_string())
    }

    /// What is synced.
    pub fn sync(&self) -> Sync {
        self.options.sync
    }

    /// Reads what an earlier run left, as far as it counts.
    ///
    /// # Errors
    /// Files that are damaged, of another version, or that contradict each other.
    pub fn find(&mut self) -> Result<Found, CheckpointError> {
        let offsets = Log::read(&*self.disk, &self.dir.join("offsets"), "offsets", &self.boot)?;
        let commits = Log::read(&*self.disk, &self.dir.join("commits"), "commits", &self.boot)?;
        let mark = self.read_mark()?;
        let trusted = |c: &&Logged| c.boot == self.boot || c.boot == ANY_BOOT || mark.is_some_and(|m| c.batch <= m);
        let committed = commits.iter().rfind(trusted);
        let facts = Facts {
            first_logged: offsets.first().map(|l| l.batch),
            logged: offsets.last().map(|l| l.batch),
            committed: committed.map(|c| c.batch),
            written: commits.last().map(|c| c.batch),
            power_lost: offsets.last().is_some_and(|l| l.boot != self.boot && l.boot != ANY_BOOT),
        };
        let next = match recover(&facts) {
            Recovery::Fresh => 0,
            Recovery::Continue { next } | Recovery::Repeat { batch: next, .. } => next,
            Recovery::Damaged(how) => return Err(CheckpointError::Contradiction { dir: self.dir.clone(), how }),
        };
        let records = offsets.iter().map(|l| read_offsets(l, self.metadata.sources.len())).collect::<Result<Vec<_>, _>>()?;
        let last = committed.and_then(|c| records.iter().find(|r| r.batch == c.batch));
        let sources = self.metadata.sources.len();
        let mut journals = (0..sources).map(|i| self.read_journal(i)).collect::<Result<Vec<_>, _>>()?;
        for record in &records {
            journals.iter_mut().zip(&record.sources).for_each(|(j, s)| j.extend(s.journal.iter().cloned()));
        }
        let found = Found {
            committed: committed.map(|c| c.batch),
            watermarks: committed.and_then(|c| c.record.get("watermarks").map(str::to_string)),
            ends: last.map_or_else(|| vec![None; sources], |r| r.sources.iter().map(|s| s.to.clone()).collect()),
            repeat: records.into_iter().filter(|r| r.batch >= next).collect(),
            journals,
            power_lost: commits.last().map(|c| c.batch) > committed.map(|c| c.batch),
        };
        self.state = state_of(&self.dir, &self.metadata, committed, next)?;
        self.unsynced = offsets.last().filter(|_| !found.repeat.is_empty()).map(|logged| logged.path.clone());
        self.catch_up = found.committed.filter(|n| mark.is_none_or(|m| m < *n));
        let sync = self.options.sync.syncs();
        Log::forget(&*self.disk, &self.dir.join("commits"), next, sync)?;
        let after = offsets.last().map_or(next, |l| l.batch + 1);
        Log::forget(&*self.disk, &self.dir.join("offsets"), after.max(next), sync)?;
        for log in self.state.iter().flatten() {
            state::forget(&*self.disk, log.dir(), next, sync)?;
        }
        Ok(found)
    }

    /// Begins to write: `metadata` is as the query is now.
    ///
    /// # Errors
    /// The disk's.
    pub fn begin(&mut self, metadata: Metadata) -> Result<(), CheckpointError> {
        let sync = self.options.sync.syncs();
        if self.state.len() != metadata.operators.len() {
            self.state = state_of(&self.dir, &metadata, None, 0)?;
        }
        for what in ["offsets", "commits"] {
            let dir = self.dir.join(what);
            self.disk.create_dir(&dir).map_err(CheckpointError::io("made", &dir))?;
        }
        if metadata != self.metadata {
            let path = self.dir.join("metadata");
            write_whole(&*self.disk, &path, metadata_text(&metadata).as_bytes(), sync).map_err(CheckpointError::io("written", &path))?;
            self.metadata = metadata;
        } else if sync {
            // A run that was killed may not have come to it.
            self.disk.sync_dir(&self.dir).map_err(CheckpointError::io("synced", &self.dir))?;
        }
        if sync {
            let mut syncer = Syncer::start(Arc::clone(&self.disk), &self.dir)?;
            self.unsynced.take().into_iter().for_each(|path| syncer.begin(Written { path, new: true }));
            self.syncer = Some(syncer);
        }
        let background = Background::start(Arc::clone(&self.disk), self.dir.clone(), self.options.clone())?;
        for log in self.state.iter().flatten().filter(|log| log.last().is_some()) {
            if let Some(bytes) = state::snapshot_bytes(&*self.disk, log.dir())? {
                background.knows_snapshot(log.dir(), bytes);
            }
        }
        if let Some(batch) = self.catch_up.take() {
            let mut done = Done { batch, ..Done::default() };
            for log in self.state.iter().flatten() {
                let deltas = state::deltas(&*self.disk, log.dir())?;
                done.written.extend(deltas.into_iter().map(|path| Written { path, new: true }));
            }
            let commits = Log::files(&*self.disk, &self.dir.join("commits"))?;
            done.commits = commits.into_iter().map(|path| Written { path, new: true }).collect();
            background.send(done);
        }
        self.background = Some(background);
        Ok(())
    }

    /// Logs what a batch reads. `offsets_synced` says when it is on disk.
    ///
    /// # Errors
    /// The disk's; what failed in the background.
    pub fn log_offsets(&mut self, offsets: &BatchOffsets) -> Result<(), CheckpointError> {
        self.check()?;
        let written = self.offsets.append(offsets.batch, &offsets_record(offsets))?;
        self.lost = false;
        if let Some(syncer) = &mut self.syncer {
            syncer.begin(written);
        }
        Ok(())
    }

    /// Waits until no power loss takes back what was logged, where the setting wants that: a sink may be touched then.
    ///
    /// # Errors
    /// The disk's. Then the offsets of batches that are not done have to be logged again.
    pub fn offsets_synced(&mut self) -> Result<(), CheckpointError> {
        let synced = self.syncer.as_mut().map_or(Ok(()), Syncer::wait);
        if synced.is_err() {
            self.offsets.roll();
            self.lost = true;
        }
        synced
    }

    /// Whether offsets have to be logged again.
    pub fn lost_offsets(&self) -> bool {
        self.lost
    }

    /// What is done for a batch, to be given to `commit`.
    pub fn done(&self, batch: u64) -> Done {
        Done { batch, ..Done::default() }
    }

    /// Take what a batch changes in each partition of an operator. Nothing counts before `commit`.
    pub fn changes(&mut self, operator: usize, batch: u64) -> Vec<Changes<'_>> {
        let disk = &*self.disk;
        self.state.get_mut(operator).into_iter().flatten().map(|log| log.changes(disk, batch)).collect()
    }

    /// Takes back the changes that were written for a batch that failed.
    pub fn undo(&mut self, batch: u64) {
        self.state.iter_mut().flatten().for_each(|log| log.undo(batch));
    }

    /// The batch is done: its record is written, the rest goes on in the background. `journals` sums up each source's log
    /// where `wants_journals` said so.
    ///
    /// # Errors
    /// The disk's; what failed in the background since.
    pub fn commit(&mut self, mut done: Done, watermarks: &str, journals: Vec<Vec<String>>) -> Result<(), CheckpointError> {
        let mut record = Record::default().with("batch", done.batch).with("watermarks", watermarks);
        for (operator, logs) in self.state.iter().enumerate() {
            let lasts: Vec<String> = logs.iter().map(|l| l.last().map_or("-".to_string(), |b| b.to_string())).collect();
            record = record.with(format!("state.{operator}"), lasts.join(","));
        }
        done.commits.push(self.commits.append(done.batch, &record)?);
        for log in self.state.iter_mut().flatten() {
            let (frames, bytes) = log.since_snapshot();
            if let (Some(last), Some(background)) = (log.last(), &self.background)
                && frames >= self.options.deltas
                && background.wants_snapshot(log.dir(), frames, bytes)
            {
                log.roll();
                done.snapshots.push((log.dir().to_path_buf(), last));
            }
        }
        done.journals = journals.into_iter().enumerate().map(|(i, lines)| (self.source_dir(i), journal_text(&lines))).collect();
        done.clean = done.batch % CLEAN_EVERY == CLEAN_EVERY - 1;
        done.states = if done.clean { self.state.iter().flatten().map(|l| l.dir().to_path_buf()).collect() } else { Vec::new() };
        let batch = done.batch;
        let Some(background) = &self.background else { return Ok(()) };
        background.send(done);
        if self.options.sync == Sync::All { background.wait_for(batch) } else { Ok(()) }
    }

    /// Whether this batch's commit should sum up what sources have logged, so that old offsets can go.
    pub fn wants_journals(&self, batch: u64) -> bool {
        batch % CLEAN_EVERY == CLEAN_EVERY - 1 && batch > self.options.retain
    }

    /// The last batch that a power loss cannot take back; of a run that syncs nothing, the last that is done.
    pub fn durable(&self) -> Option<u64> {
        self.background.as_ref().and_then(Background::durable)
    }

    /// What failed in the background.
    ///
    /// # Errors
    /// That.
    pub fn check(&self) -> Result<(), CheckpointError> {
        self.background.as_ref().map_or(Ok(()), Background::check)
    }

    /// Calls `visit` with all rows of a partition as after the last batch that counts.
    ///
    /// # Errors
    /// Files that are missing or not as they were written.
    pub fn load(&self, operator: usize, partition: usize, visit: Each<'_>) -> Result<(), CheckpointError> {
        let log = self.state.get(operator).and_then(|o| o.get(partition));
        match log.and_then(|log| Some((log.dir(), log.last()?))) {
            Some((dir, last)) => state::load(&*self.disk, dir, last, visit),
            None => Ok(()),
        }
    }

    /// Ends as the query does: what is under way in the background is finished. The last durable batch of this run.
    ///
    /// # Errors
    /// What failed there and was not told before.
    pub fn finish(mut self) -> Result<Option<u64>, CheckpointError> {
        self.background.take().map_or(Ok(None), Background::finish)
    }

    /// Ends as a kill would: nothing more is written.
    pub fn abandon(mut self) {
        if let Some(background) = self.background.take() {
            background.abandon();
        }
    }

    fn read_mark(&self) -> Result<Option<u64>, CheckpointError> {
        let path = self.dir.join("durable");
        let bytes = match self.disk.read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(CheckpointError::io("read", &path))?,
        };
        let record = std::str::from_utf8(&bytes).ok().and_then(|t| Record::parse(t.strip_suffix('\n')?));
        let batch = record.and_then(|r| r.number("batch"));
        batch.map(Some).ok_or_else(|| CheckpointError::damaged(&path, "it is not as it was written"))
    }

    fn read_journal(&self, source: usize) -> Result<Vec<String>, CheckpointError> {
        let Some((_, path)) = numbered(&*self.disk, &self.source_dir(source), "log")?.pop() else { return Ok(Vec::new()) };
        let bytes = self.disk.read(&path).map_err(CheckpointError::io("read", &path))?;
        let bad = || CheckpointError::damaged(&path, "it is not as it was written");
        let text = std::str::from_utf8(&bytes).map_err(|_| bad())?;
        let mut lines = text.lines().map(|l| Record::parse(l).ok_or_else(bad)).collect::<Result<Vec<_>, _>>()?;
        let count = lines.pop().and_then(|end| end.number::<usize>("lines"));
        if count != Some(lines.len()) || !text.ends_with('\n') {
            return Err(bad());
        }
        lines.iter().map(|l| l.get("line").map(str::to_string).ok_or_else(bad)).collect()
    }
}

/// Where each partition of each operator stands after a commit.
fn state_of(dir: &Path, metadata: &Metadata, committed: Option<&Logged>, next: u64) -> Result<Vec<Vec<StateLog>>, CheckpointError> {
    let mut all = Vec::with_capacity(metadata.operators.len());
    for operator in 0..metadata.operators.len() {
        let text = committed.and_then(|c| c.record.get(&format!("state.{operator}")));
        let lasts: Vec<Option<u64>> = match (text, committed) {
            (Some(text), _) if !text.is_empty() => text.split(',').map(|n| n.parse().ok()).collect(),
            (_, Some(c)) => {
                return Err(CheckpointError::damaged(&c.path, format!("batch {} says nothing of operator {operator}", c.batch)));
            }
            _ => Vec::new(),
        };
        let place = dir.join("state").join(operator.to_string());
        let count = metadata.partitions.max(lasts.len()).max(1);
        let log = |p: usize| StateLog::new(place.join(p.to_string()), lasts.get(p).copied().flatten(), next);
        all.push((0..count).map(log).collect());
    }
    Ok(all)
}

/// Refuses a directory with other things in it.
fn not_anothers(disk: &dyn Disk, dir: &Path) -> Result<(), CheckpointError> {
    const OURS: &[&str] = &["lock", "metadata.tmp", "offsets", "commits", "state", "sources", "spill"];
    let entries = disk.list(dir).map_err(CheckpointError::io("listed", dir))?;
    match entries.iter().find(|e| !OURS.contains(&e.name.as_str())) {
        Some(other) => Err(CheckpointError::Changed {
            dir: dir.to_path_buf(),
            how: format!("it has no metadata, but `{}`; a checkpoint takes a directory of its own", other.name),
        }),
        // Without metadata no batch was ever begun, unless somebody took the file away.
        None if !numbered(disk, &dir.join("offsets"), "log")?.is_empty() => {
            Err(CheckpointError::damaged(&dir.join("metadata"), "it is missing"))
        }
        None => Ok(()),
    }
}

fn journal_text(lines: &[String]) -> String {
    let mut text: String = lines.iter().map(|l| Record::default().with("line", l).line()).collect();
    text.push_str(&Record::default().with("lines", lines.len()).line());
    text
}

fn offsets_record(offsets: &BatchOffsets) -> Record {
    let BatchOffsets { batch, time, zone, watermarks, sources } = offsets;
    let mut record = Record::default().with("batch", batch).with("time", time).with("zone", zone).with("watermarks", watermarks);
    for (i, source) in sources.iter().enumerate() {
        record = record.with_some(format!("source.{i}.from"), source.from.as_ref()).with_some(format!("source.{i}.to"), source.to.as_ref());
        record = source.journal.iter().fold(record, |r, line| r.with(format!("source.{i}.log"), line));
    }
    record
}

fn read_offsets(logged: &Logged, sources: usize) -> Result<BatchOffsets, CheckpointError> {
    let record = &logged.record;
    let bad = || CheckpointError::damaged(&logged.path, format!("the record of batch {} lacks a field", logged.batch));
    let offset = |key: String| record.get(&key).map(|text| Offset(text.to_string()));
    let source = |i: usize| SourceRange {
        from: offset(format!("source.{i}.from")),
        to: offset(format!("source.{i}.to")),
        journal: record.all(&format!("source.{i}.log")).map(str::to_string).collect(),
    };
    Ok(BatchOffsets {
        batch: logged.batch,
        time: record.number("time").ok_or_else(bad)?,
        zone: record.get("zone").ok_or_else(bad)?.to_string(),
        watermarks: record.get("watermarks").ok_or_else(bad)?.to_string(),
        sources: (0..sources).map(source).collect(),
    })
}
