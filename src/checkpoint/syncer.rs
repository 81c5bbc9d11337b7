//! Syncs the log of offsets while the batch is read and computed: only its sink has to wait for that.

use super::CheckpointError;
use super::state::Written;
use super::storage::Disk;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// A thread that syncs one file after the other.
pub(super) struct Syncer {
    jobs: Option<Sender<Written>>,
    results: Receiver<Result<(), CheckpointError>>,
    under_way: usize,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    /// Starts the thread; `dir` is named if there is none to be had.
    pub(super) fn start(disk: Arc<dyn Disk>, dir: &Path) -> Result<Syncer, CheckpointError> {
        let (jobs, taken) = channel::<Written>();
        let (done, results) = channel();
        let work = move || {
            for written in taken {
                if done.send(sync(&*disk, &written.path, written.new)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("checkpoint-sync".to_string()).spawn(work);
        let thread = thread.map_err(CheckpointError::io("served by a thread", dir))?;
        Ok(Syncer { jobs: Some(jobs), results, under_way: 0, thread: Some(thread) })
    }

    /// Begins to sync a file, and its name where that is new.
    pub(super) fn begin(&mut self, written: Written) {
        // A thread that is gone shows when it is waited for.
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(written).is_ok()) {
            self.under_way += 1;
        }
    }

    /// Waits until everything begun is on disk.
    ///
    /// # Errors
    /// The disk's; the first of them.
    pub(super) fn wait(&mut self) -> Result<(), CheckpointError> {
        let mut outcome = Ok(());
        for _ in 0..std::mem::take(&mut self.under_way) {
            // The thread ends only with the channel of jobs.
            let Ok(result) = self.results.recv() else { break };
            outcome = outcome.and(result);
        }
        outcome
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; the query is at its end.
            let _ = thread.join();
        }
    }
}

/// Syncs a file, then its name where that is `new`.
///
/// # Errors
/// The disk's.
pub(super) fn sync(disk: &dyn Disk, path: &Path, new: bool) -> Result<(), CheckpointError> {
    disk.append(path).and_then(|mut file| file.sync()).map_err(CheckpointError::io("synced", path))?;
    match path.parent().filter(|_| new) {
        Some(dir) => disk.sync_dir(dir).map_err(CheckpointError::io("synced", dir)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::{Fault, Operation, SimulatedDisk};
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_begun_is_on_disk_after_waiting() {
        let disk = SimulatedDisk::default();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        shared.create_dir(Path::new("/d")).unwrap();
        shared.sync_dir(Path::new("/")).unwrap();
        let mut syncer = Syncer::start(Arc::clone(&shared), Path::new("/d")).unwrap();
        for name in ["/d/a", "/d/b"] {
            shared.create(Path::new(name)).unwrap().write_all(b"text").unwrap();
            syncer.begin(Written { path: name.into(), new: true });
        }
        syncer.wait().unwrap();
        disk.lose_power(7);
        assert_eq!(shared.read(Path::new("/d/a")).unwrap(), b"text");
        assert_eq!(shared.read(Path::new("/d/b")).unwrap(), b"text");
        disk.fail(Fault { operation: Operation::Sync, path: "/d/a".to_string(), skip: 0, times: 1, os_error: 5 });
        syncer.begin(Written { path: "/d/a".into(), new: false });
        assert!(syncer.wait().unwrap_err().to_string().contains("/d/a"));
        assert!(syncer.wait().is_ok());
    }
}
