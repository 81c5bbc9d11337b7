//! What a checkpoint does beside the query: syncing, marking batches durable, merging deltas, cleaning up.
//!
//! One thread a query. Batches that end while it syncs are synced together in the next round, so that it never
//! falls behind by more than that. What fails here stops the query at its next batch.

use super::layout::Options;
use super::log::{Log, numbered};
use super::record::Record;
use super::snapshot::write_snapshot;
use super::state::{self, Written};
use super::storage::{Disk, create_dir_synced, write_whole};
use super::syncer::sync;
use super::{CheckpointError, Sync};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Deltas that together have fewer bytes are not merged, unless they cost nothing to speak of: a restart reads them in
/// a moment, and merging takes a core from the query.
const MANY_BYTES: u64 = 64 << 20;
/// What merging costs nothing to speak of.
const FEW_BYTES: u64 = 1 << 20;
/// So many small changes are worth a snapshot that is no more than some times larger.
const MANY_FRAMES: u64 = 1000;
const TIMES_LARGER: u64 = 4;

impl Done {
    /// A file was written to.
    pub fn wrote(&mut self, written: Written) {
        self.written.push(written);
    }
}

/// A batch that is done, with what is left to do for it.
#[derive(Default)]
pub struct Done {
    pub(super) batch: u64,
    pub(super) written: Vec<Written>,
    pub(super) commits: Vec<Written>,
    /// Directories of partitions, and the batch whose snapshot is wanted.
    pub(super) snapshots: Vec<(PathBuf, u64)>,
    /// Directories of sources, and what their logs sum up to.
    pub(super) journals: Vec<(PathBuf, String)>,
    pub(super) clean: bool,
    /// Directories of all partitions, where they are to be cleaned.
    pub(super) states: Vec<PathBuf>,
}

#[derive(Default)]
struct Shared {
    report: Mutex<Report>,
    changed: Condvar,
}

#[derive(Default)]
struct Report {
    durable: Option<u64>,
    error: Option<CheckpointError>,
    abandoned: bool,
    /// The query is at its end: what was only to make a restart quicker is left.
    finishing: bool,
    /// Bytes of each partition's newest snapshot; none while one is being written.
    snapshots: HashMap<PathBuf, Option<u64>>,
}

impl Shared {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread.
pub(super) struct Background {
    sender: Option<Sender<Done>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Background {
    pub(super) fn start(disk: Arc<dyn Disk>, dir: PathBuf, options: Options) -> Result<Background, CheckpointError> {
        let (sender, receiver) = channel();
        let shared = Arc::new(Shared::default());
        let place = dir.clone();
        let mut worker = Worker { disk, dir, options, shared: Arc::clone(&shared), pending: BTreeMap::new(), dirs: BTreeSet::new() };
        let thread = std::thread::Builder::new().name("checkpoint".to_string()).spawn(move || worker.run(&receiver));
        let thread = thread.map_err(CheckpointError::io("served by a thread", &place))?;
        Ok(Background { sender: Some(sender), thread: Some(thread), shared })
    }

    pub(super) fn send(&self, done: Done) {
        let mut report = self.shared.report();
        for (dir, _) in &done.snapshots {
            report.snapshots.insert(dir.clone(), None);
        }
        drop(report);
        // A thread that ended has left its reason in the report.
        if let Some(sender) = &self.sender {
            let _ = sender.send(done);
        }
    }

    /// A partition's newest snapshot is that of an earlier run, of so many bytes.
    pub(super) fn knows_snapshot(&self, dir: &Path, bytes: u64) {
        self.shared.report().snapshots.insert(dir.to_path_buf(), Some(bytes));
    }

    /// Whether changes of so many batches and bytes are worth a new snapshot. It costs what it has of bytes, so there have
    /// to be as many in the changes: then merging costs no more than a few times what writing them did.
    pub(super) fn wants_snapshot(&self, dir: &Path, frames: u64, bytes: u64) -> bool {
        let worth = |snapshot: u64| {
            let pays = bytes >= snapshot && (bytes <= FEW_BYTES || bytes >= MANY_BYTES);
            pays || (frames >= MANY_FRAMES && bytes * TIMES_LARGER >= snapshot)
        };
        match self.shared.report().snapshots.get(dir) {
            Some(None) => false,
            Some(Some(snapshot)) => worth(*snapshot),
            None => worth(0),
        }
    }

    pub(super) fn durable(&self) -> Option<u64> {
        self.shared.report().durable
    }

    pub(super) fn check(&self) -> Result<(), CheckpointError> {
        self.shared.report().error.take().map_or(Ok(()), Err)
    }

    /// Waits until a batch is durable.
    pub(super) fn wait_for(&self, batch: u64) -> Result<(), CheckpointError> {
        let waiting = |r: &mut Report| r.error.is_none() && r.durable.is_none_or(|d| d < batch);
        let mut report = self.shared.changed.wait_while(self.shared.report(), waiting).unwrap_or_else(PoisonError::into_inner);
        report.error.take().map_or(Ok(()), Err)
    }

    /// Finishes what is under way, and tells the last batch that is durable: a failure before may have been told already.
    pub(super) fn finish(mut self) -> Result<Option<u64>, CheckpointError> {
        self.shared.report().finishing = true;
        self.join();
        self.check()?;
        Ok(self.durable())
    }

    pub(super) fn abandon(mut self) {
        self.shared.report().abandoned = true;
        self.join();
    }

    fn join(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; the query is at its end.
            let _ = thread.join();
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.join();
    }
}

struct Worker {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: Options,
    shared: Arc<Shared>,
    /// Snapshots to write: by partition, the latest batch asked for.
    pending: BTreeMap<PathBuf, u64>,
    /// Directories of partitions whose names are synced, with those above them.
    dirs: BTreeSet<PathBuf>,
}

impl Worker {
    fn run(&mut self, receiver: &Receiver<Done>) {
        while let Ok(first) = receiver.recv() {
            let mut round = vec![first];
            round.extend(receiver.try_iter());
            if self.shared.report().abandoned {
                return;
            }
            if let Err(error) = self.round(round) {
                let mut report = self.shared.report();
                if !report.abandoned {
                    report.error = Some(error);
                }
                drop(report);
                self.shared.changed.notify_all();
                return;
            }
        }
    }

    fn round(&mut self, round: Vec<Done>) -> Result<(), CheckpointError> {
        let Some(batch) = round.iter().map(|d| d.batch).max() else { return Ok(()) };
        if self.options.sync != Sync::None {
            self.sync(&round)?;
            let mark = Record::default().with("batch", batch).line();
            let path = self.dir.join("durable");
            write_whole(&*self.disk, &path, mark.as_bytes(), true).map_err(CheckpointError::io("written", &path))?;
        }
        self.shared.report().durable = Some(batch);
        self.shared.changed.notify_all();
        for done in &round {
            done.journals.iter().try_for_each(|(dir, text)| self.write_journal(dir, done.batch, text))?;
            self.pending.extend(done.snapshots.iter().cloned());
        }
        while let Some((dir, last)) = self.pending.pop_first() {
            let stop = || {
                let report = self.shared.report();
                report.abandoned || report.finishing
            };
            if stop() {
                return Ok(());
            }
            let Some(bytes) = write_snapshot(&*self.disk, &dir, last, self.options.sync.syncs(), &stop)? else { return Ok(()) };
            self.shared.report().snapshots.insert(dir, Some(bytes));
        }
        match round.iter().rfind(|d| d.clean) {
            Some(done) => self.clean(done.batch, &done.states),
            None => Ok(()),
        }
    }

    /// Deltas first, then the records that say that they count.
    fn sync(&mut self, round: &[Done]) -> Result<(), CheckpointError> {
        let mut files: BTreeMap<&Path, bool> = BTreeMap::new();
        for written in round.iter().flat_map(|d| &d.written) {
            *files.entry(&written.path).or_default() |= written.new;
        }
        let mut dirs = BTreeSet::new();
        for (path, new) in files {
            sync(&*self.disk, path, false)?;
            if let (true, Some(dir)) = (new, path.parent()) {
                dirs.insert(dir.to_path_buf());
            }
        }
        for dir in dirs {
            self.disk.sync_dir(&dir).map_err(CheckpointError::io("synced", &dir))?;
            // The names of the directories above, once each.
            if self.dirs.insert(dir.clone()) {
                for above in dir.ancestors().skip(1).take_while(|a| a.starts_with(&self.dir)) {
                    self.disk.sync_dir(above).map_err(CheckpointError::io("synced", above))?;
                }
            }
        }
        let mut commits: BTreeMap<&Path, bool> = BTreeMap::new();
        for written in round.iter().flat_map(|d| &d.commits) {
            *commits.entry(&written.path).or_default() |= written.new;
        }
        commits.into_iter().try_for_each(|(path, new)| sync(&*self.disk, path, new))
    }

    fn write_journal(&self, dir: &Path, batch: u64, text: &str) -> Result<(), CheckpointError> {
        create_dir_synced(&*self.disk, dir).map_err(CheckpointError::io("made", dir))?;
        let path = dir.join(format!("{batch}.log"));
        write_whole(&*self.disk, &path, text.as_bytes(), self.options.sync.syncs()).map_err(CheckpointError::io("written", &path))
    }

    /// Removes what no batch needs that is to be recoverable.
    fn clean(&self, batch: u64, states: &[PathBuf]) -> Result<(), CheckpointError> {
        let Some(first) = batch.checked_sub(self.options.retain) else { return Ok(()) };
        for dir in states {
            state::purge(&*self.disk, dir, first)?;
        }
        Log::purge(&*self.disk, &self.dir.join("commits"), first)?;
        // Offsets may go only where what sources logged in them is summed up elsewhere; the newest sum comes with this.
        Log::purge(&*self.disk, &self.dir.join("offsets"), first)?;
        let sources = self.dir.join("sources");
        for entry in self.disk.list(&sources).unwrap_or_default() {
            let mut sums = numbered(&*self.disk, &sources.join(&entry.name), "log")?;
            sums.pop();
            for (_, path) in sums {
                self.disk.remove(&path).map_err(CheckpointError::io("removed", &path))?;
            }
        }
        Ok(())
    }
}
