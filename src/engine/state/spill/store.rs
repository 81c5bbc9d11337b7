//! The store on disk of one query: a log-structured merge tree of keys and values in bytes.
//!
//! It is scratch: nothing in it outlives the query, so that nothing is logged ahead and what was not flushed may be
//! lost with the process. Small writes go into a buffer in memory, many at once straight into a sorted file. A
//! thread flushes full buffers and merges files; writers wait for it where it falls behind.

use super::folder::Folder;
use crate::engine::EngineError;
use lsm_tree::compaction::Leveled;
use lsm_tree::config::PinningPolicy;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, SeqNo, SequenceNumberCounter, Slice};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Entries from which on a write makes a file of its own.
const BULK: usize = 1 << 15;
/// Sorted files of the newest kind, and full buffers, at which writers wait for the merging.
const MOST_RUNS: usize = 16;
const MOST_BUFFERS: usize = 2;
/// About how large a file becomes.
const FILE: u64 = 16 << 20;
/// Open files.
const DESCRIPTORS: usize = 128;
/// The longest key that the tree takes is 64 KiB; a place in it stands before each.
pub(super) const LONGEST_KEY: usize = 60_000;
/// Reads see everything that was written.
const NOW: SeqNo = SeqNo::MAX;

/// A value that was read.
pub(super) type Bytes = Slice;

/// Memory that a store takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// For blocks that were read.
    pub(super) cache: u64,
    /// For writes until they are flushed.
    pub(super) buffer: u64,
}

/// An open store.
pub(super) struct Store {
    shared: Arc<Shared>,
    buffer: u64,
    worker: Option<JoinHandle<()>>,
    folder: Folder,
}

struct Shared {
    tree: AnyTree,
    /// Numbers writes.
    writes: SequenceNumberCounter,
    work: Mutex<Work>,
    changed: Condvar,
}

/// What the thread is to do, and how it went.
#[derive(Default)]
struct Work {
    asked: bool,
    busy: bool,
    stop: bool,
    failure: Option<String>,
}

impl Store {
    /// An empty store in a folder of its own, which goes with it.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn open(folder: Folder, sizes: Sizes) -> Result<Store, EngineError> {
        let path = folder.store();
        let failed = |e: lsm_tree::Error| unwritten(&path, &reason(&e));
        let writes = SequenceNumberCounter::new(1);
        let tree = Config::new(&path, writes.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(sizes.cache)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(DESCRIPTORS))))
            // In parts, so that a file's filter and index do not have to be in memory whole.
            .filter_block_partitioning_policy(PinningPolicy::all(true))
            .index_block_partitioning_policy(PinningPolicy::all(true))
            .open()
            .map_err(failed)?;
        let shared = Arc::new(Shared { tree, writes, work: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        let worker = std::thread::Builder::new().name("state-store".to_string()).spawn(move || own.run());
        let worker = worker.map_err(|e| unwritten(&path, &e.to_string()))?;
        Ok(Store { shared, buffer: sizes.buffer, worker: Some(worker), folder })
    }

    /// The value of a key.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.shared.tree.get(key, NOW).map_err(|e| self.unread(&e))
    }

    /// Puts `count` entries, in place of any that are there; keys are ascending and differ.
    ///
    /// # Errors
    /// The disk's; then nothing was put.
    pub(super) fn put<'a>(&self, count: usize, mut entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<(), EngineError> {
        if count < BULK {
            entries.for_each(|(key, value)| {
                let (_, size) = self.shared.tree.insert(key, value, self.shared.writes.next());
                self.flush_above(size);
            });
        } else {
            let written = self.shared.tree.ingestion().and_then(|mut file| {
                entries.try_for_each(|(key, value)| file.write(key, value))?;
                file.finish()
            });
            written.map_err(|e| unwritten(&self.folder.store(), &reason(&e)))?;
            self.shared.ask();
        }
        self.wait();
        Ok(())
    }

    /// Takes a key out.
    pub(super) fn remove(&self, key: &[u8]) {
        let (_, size) = self.shared.tree.remove(key, self.shared.writes.next());
        self.flush_above(size);
    }

    /// Visits entries from `from` up to and without `until`, in the order of their keys, until told to stop.
    ///
    /// # Errors
    /// The disk's; what `visit` gives.
    pub(super) fn each(
        &self,
        from: &[u8],
        until: &[u8],
        mut visit: impl FnMut(&[u8], &Bytes) -> Result<ControlFlow<()>, EngineError>,
    ) -> Result<(), EngineError> {
        for entry in self.shared.tree.range(from..until, NOW, None) {
            let (key, value) = entry.into_inner().map_err(|e| self.unread(&e))?;
            if visit(&key, &value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Bytes of its files.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.shared.tree.disk_space()
    }

    /// What failed in the background since the last call, which is tried again.
    ///
    /// # Errors
    /// That.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let failure = self.shared.work().failure.take();
        failure.map_or(Ok(()), |why| {
            self.shared.ask();
            Err(unwritten(&self.folder.store(), &why))
        })
    }

    fn flush_above(&self, size: u64) {
        if size >= self.buffer {
            self.shared.tree.rotate_memtable();
            self.shared.ask();
            self.wait();
        }
    }

    /// Waits while the merging is behind.
    fn wait(&self) {
        let behind = || self.shared.tree.sealed_memtable_count() > MOST_BUFFERS || self.shared.tree.l0_run_count() > MOST_RUNS;
        let mut work = self.shared.work();
        while (work.asked || work.busy) && work.failure.is_none() && behind() {
            work = self.shared.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn unread(&self, error: &lsm_tree::Error) -> EngineError {
        let path = self.folder.store();
        EngineError::external(format!("the state store in {} cannot be read: {}", path.display(), reason(error)))
            .condition("CANNOT_LOAD_STATE_STORE.UNCATEGORIZED")
            .help("start the query again: its state comes back from its checkpoint")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.work().stop = true;
        self.shared.changed.notify_all();
        if let Some(worker) = self.worker.take() {
            // It ends by itself; a panic of it was told already.
            let _ = worker.join();
        }
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self) {
        self.work().asked = true;
        self.changed.notify_all();
    }

    /// The thread's loop.
    fn run(&self) {
        loop {
            let mut work = self.work();
            while !work.asked && !work.stop {
                work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
            }
            if work.stop {
                return;
            }
            (work.asked, work.busy) = (false, true);
            drop(work);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.tidy()));
            let mut work = self.work();
            work.busy = false;
            match done {
                Ok(Ok(())) => {}
                Ok(Err(error)) => work.failure = Some(reason(&error)),
                Err(_) => work.failure = Some("its background thread panicked".to_string()),
            }
            drop(work);
            self.changed.notify_all();
        }
    }

    /// Writes full buffers out and merges files until there is nothing more to merge.
    fn tidy(&self) -> lsm_tree::Result<()> {
        // No reader asks for what was before its read: whatever was replaced can go.
        let lock = self.tree.get_flush_lock();
        self.tree.flush(&lock, self.writes.get())?;
        drop(lock);
        let strategy = Arc::new(Leveled::default().with_table_target_size(FILE));
        loop {
            self.changed.notify_all();
            let before = self.tree.current_version().id();
            self.tree.compact(Arc::clone(&strategy) as _, self.writes.get())?;
            if self.tree.current_version().id() == before || self.work().stop {
                return Ok(());
            }
        }
    }
}

/// The error of a store that cannot be written.
pub(super) fn unwritten(path: &Path, why: &str) -> EngineError {
    EngineError::external(format!("the state store in {} cannot be written: {why}", path.display()))
        .condition("CANNOT_WRITE_STATE_STORE.CANNOT_COMMIT")
        .help("make room there, or RESET spark.sql.streaming.stateStore.providerClass to keep state in memory")
}

fn reason(error: &lsm_tree::Error) -> String {
    match error {
        lsm_tree::Error::Io(error) => error.to_string(),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn store(name: &str, buffer: u64) -> Store {
        let name = format!("store-{name}-{}", std::process::id());
        Store::open(Folder::temporary(&name).unwrap(), Sizes { cache: 1 << 16, buffer }).unwrap()
    }

    fn put(store: &Store, entries: &[(Vec<u8>, Vec<u8>)]) {
        store.put(entries.len(), entries.iter().map(|(key, value)| (&key[..], &value[..]))).unwrap();
    }

    fn entry(n: u64, round: u64) -> (Vec<u8>, Vec<u8>) {
        (n.to_be_bytes().to_vec(), [&round.to_le_bytes()[..], &[7; 24]].concat())
    }

    /// Puts, big and small, and removals in turns, against a map; files are written and merged meanwhile.
    #[test]
    fn is_a_map_whatever_is_flushed_and_merged() {
        let store = store("map", 1 << 16);
        let mut map = BTreeMap::new();
        for round in 0..24u64 {
            let count = if round % 4 == 0 { 40_000 } else { 3_000 };
            let entries: Vec<_> = (0..count).map(|n| entry(n * (round % 5 + 1) + round, round)).collect();
            put(&store, &entries);
            map.extend(entries);
            for n in (0..60_000).step_by(7 + round as usize) {
                let (key, _) = entry(n, 0);
                store.remove(&key);
                map.remove(&key);
            }
            store.check().unwrap();
        }
        assert!(store.disk_bytes() > 1 << 20, "{}", store.disk_bytes());
        for n in (0..220_000).step_by(13) {
            let (key, _) = entry(n, 0);
            assert_eq!(store.get(&key).unwrap().as_deref(), map.get(&key).map(Vec::as_slice), "{n}");
        }
        let mut all = Vec::new();
        let (from, until) = (entry(1_000, 0).0, entry(150_000, 0).0);
        store
            .each(&from, &until, |key, value| {
                all.push((key.to_vec(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        assert!(all == map.range(from..until).map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>());
        let path = store.folder.store();
        assert!(path.exists());
        drop(store);
        assert!(!path.exists());
    }

    #[test]
    fn a_failure_in_the_background_is_told_and_what_was_put_stays() {
        let store = store("failing", 1 << 12);
        let tables = store.folder.store().join("tables");
        std::fs::remove_dir_all(&tables).unwrap();
        std::fs::write(&tables, "in the way").unwrap();
        let entries: Vec<_> = (0..2_000).map(|n| entry(n, 0)).collect();
        let failed = || {
            put(&store, &entries);
            let work = store.shared.work();
            drop(store.shared.changed.wait_while(work, |w| w.failure.is_none()).unwrap());
            store.check().unwrap_err()
        };
        let error = failed();
        assert_eq!(error.failure().condition.as_deref(), Some("CANNOT_WRITE_STATE_STORE.CANNOT_COMMIT"));
        assert!(error.to_string().contains("Not a directory"), "{error}");
        assert_eq!(store.get(&entries[1_999].0).unwrap().as_deref(), Some(&entries[1_999].1[..]));
        // It is tried again, and tells again.
        failed();
        std::fs::remove_file(&tables).unwrap();
        std::fs::create_dir(&tables).unwrap();
        put(&store, &entries);
        let work = store.shared.work();
        drop(store.shared.changed.wait_while(work, |w| w.asked || w.busy).unwrap());
        while store.check().is_err() {
            let work = store.shared.work();
            drop(store.shared.changed.wait_while(work, |w| w.asked || w.busy).unwrap());
        }
        assert_eq!(store.get(&entries[0].0).unwrap().as_deref(), Some(&entries[0].1[..]));
    }
}
