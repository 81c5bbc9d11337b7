//! Where a query's state on disk lies: a folder that goes with the query, and with the next start if a kill left it.

use super::store::unwritten;
use crate::engine::EngineError;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Its name in a checkpoint.
pub const IN_CHECKPOINT: &str = "spill";
/// What its name begins with where there is no checkpoint.
const PREFIX: &str = "eddyline-spill-";

/// A folder that is removed when it is dropped.
pub(super) struct Folder {
    path: PathBuf,
    /// Held as long as the process lives; a folder whose lock is free is nobody's.
    lock: Option<File>,
}

impl Folder {
    /// In a checkpoint, whose lock the query holds: what another run left is removed.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn in_checkpoint(dir: &Path) -> Result<Folder, EngineError> {
        let path = dir.join(IN_CHECKPOINT);
        clear(dir).and_then(|()| fs::create_dir_all(&path)).map_err(|e| unwritten(&path, &e.to_string()))?;
        Ok(Folder { path, lock: None })
    }

    /// In the directory for temporary files, under a name of its own; folders that killed processes left there are removed.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn temporary(name: &str) -> Result<Folder, EngineError> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{name}"));
        let made = fs::create_dir_all(&path).and_then(|()| File::create(path.join("lock")));
        let lock = made.and_then(|file| file.lock().map(|()| file)).map_err(|e| unwritten(&path, &e.to_string()))?;
        Ok(Folder { path, lock: Some(lock) })
    }

    /// Where the store's own files are.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join("store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.lock.take());
        // What cannot be removed now is removed at the next start.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what a kill left in a checkpoint.
///
/// # Errors
/// The disk's.
pub fn clear(dir: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(dir.join(IN_CHECKPOINT)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX)) {
        let free = File::open(entry.path().join("lock")).is_ok_and(|file| file.try_lock().is_ok());
        if free {
            // Another process may be at it, too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_when_it_is_dropped_and_is_swept_when_its_owner_is_gone() {
        let name = format!("test-{}", std::process::id());
        let folder = Folder::temporary(&name).unwrap();
        let path = folder.path.clone();
        sweep(&std::env::temp_dir());
        assert!(path.join("lock").exists(), "its owner lives");
        drop(folder);
        assert!(!path.exists());
        fs::create_dir_all(path.join("store")).unwrap();
        fs::write(path.join("lock"), "").unwrap();
        sweep(&std::env::temp_dir());
        assert!(!path.exists());
    }
}
