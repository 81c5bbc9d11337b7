//! A disk in memory, for tests: it loses power, and it fails where it is told to.
//!
//! Every file has the bytes that programs see and those that were synced; every name is seen at once and
//! survives only after its directory was synced. [`SimulatedDisk::lose_power`] is harsher than any file
//! system: of what was not synced each piece may be gone, there, or torn, whatever came later.

use super::storage::{Disk, DiskFile, Entry, Lock};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a disk is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Append,
    Read,
    Write,
    Sync,
    SyncDir,
    Rename,
    Remove,
    CreateDir,
    Truncate,
    List,
}

/// A failure to come.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Of this operation …
    pub operation: Operation,
    /// … on a path with this in it …
    pub path: String,
    /// … after so many that succeed …
    pub skip: usize,
    /// … so many times …
    pub times: usize,
    /// … with this error of the operating system, such as 28 (no space left).
    pub os_error: i32,
}

/// The disk; a clone is the same.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    /// What programs see: the number of each file.
    names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    synced_names: BTreeMap<PathBuf, usize>,
    synced_dirs: BTreeSet<PathBuf>,
    locks: BTreeMap<PathBuf, String>,
    faults: Vec<Fault>,
    operations: u64,
    off_after: Option<u64>,
    /// Counts kills and power losses: files and locks from before one are dead.
    life: u64,
    /// Counts power losses.
    boots: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    seen: Vec<u8>,
    synced: Vec<u8>,
}

/// Small and repeatable.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides.max(1)
    }
}

impl SimulatedDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a failure happen.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// No more failures: the cause is mended.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// Operations that change something, so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// After so many operations that change something, everything fails as if the machine were off.
    pub fn switch_off_after(&self, operations: u64) {
        self.state().off_after = Some(operations);
    }

    /// The power goes and comes back: of what was not synced, `seed` says what is left. Open files and locks are dead.
    pub fn lose_power(&self, seed: u64) {
        let mut guard = self.state();
        let state = &mut *guard;
        let mut dice = Dice(seed);
        let mut names = state.synced_names.clone();
        let touched: BTreeSet<PathBuf> = state.names.keys().chain(state.synced_names.keys()).cloned().collect();
        for path in touched {
            if state.names.get(&path) != state.synced_names.get(&path) && dice.roll(2) == 0 {
                match state.names.get(&path) {
                    Some(file) => names.insert(path, *file),
                    None => names.remove(&path),
                };
            }
        }
        let (seen, synced) = (&state.dirs, &state.synced_dirs);
        let dirs: BTreeSet<PathBuf> =
            seen.iter().chain(synced).filter(|d| (seen.contains(*d) && synced.contains(*d)) || dice.roll(2) == 0).cloned().collect();
        let reachable = |path: &Path| path.ancestors().skip(1).all(|a| dirs.contains(a) || !(seen.contains(a) || synced.contains(a)));
        names.retain(|path, _| reachable(path));
        let dirs: BTreeSet<PathBuf> = dirs.iter().filter(|d| reachable(d)).cloned().collect();
        for content in &mut state.files {
            content.tear(&mut dice);
        }
        (state.synced_names, state.names) = (names.clone(), names);
        (state.synced_dirs, state.dirs) = (dirs.clone(), dirs);
        state.boots += 1;
        state.power_is_back();
    }

    /// The process dies and the machine goes on: all that was written is there. Open files and locks are dead.
    pub fn kill(&self) {
        self.state().power_is_back();
    }

    /// Changes the bytes of a file behind everybody's back.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        if let Some(file) = state.names.get(path).copied() {
            change(&mut state.files[file].seen);
            state.files[file].synced = state.files[file].seen.clone();
        }
    }

    /// Another disk with the same on it.
    pub fn copy(&self) -> SimulatedDisk {
        let state = self.state();
        let (files, names, dirs) = (state.files.clone(), state.names.clone(), state.dirs.clone());
        let (synced_names, synced_dirs) = (state.synced_names.clone(), state.synced_dirs.clone());
        SimulatedDisk(Arc::new(Mutex::new(State { files, names, dirs, synced_names, synced_dirs, boots: state.boots, ..State::default() })))
    }

    /// Every file's path, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }
}

impl Content {
    /// What a power loss leaves: the synced part, then any part of what came after, its end perhaps garbage.
    fn tear(&mut self, dice: &mut Dice) {
        if self.seen != self.synced {
            let common = self.seen.iter().zip(&self.synced).take_while(|(a, b)| a == b).count();
            if common == self.synced.len() {
                let kept = common + dice.roll((self.seen.len() - common) as u64 + 1) as usize;
                self.seen.truncate(kept);
                if dice.roll(3) == 0 {
                    let torn = (dice.roll(64) as usize).min(kept - common);
                    self.seen[kept - torn..].fill(0);
                }
            } else if dice.roll(2) == 0 {
                self.seen = self.synced.clone();
            }
        }
        self.synced = self.seen.clone();
    }
}

impl State {
    fn power_is_back(&mut self) {
        self.locks.clear();
        self.off_after = None;
        self.life += 1;
    }

    fn check(&mut self, operation: Operation, path: &Path) -> io::Result<()> {
        if !matches!(operation, Operation::Read | Operation::List) {
            self.operations += 1;
            if self.off_after.is_some_and(|n| self.operations > n) {
                return Err(io::Error::other("the machine is off"));
            }
        }
        let text = path.to_string_lossy();
        for fault in &mut self.faults {
            if fault.operation == operation && text.contains(&fault.path) && fault.times > 0 {
                if fault.skip > 0 {
                    fault.skip -= 1;
                    continue;
                }
                fault.times -= 1;
                return Err(io::Error::from_raw_os_error(fault.os_error));
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() && !self.dirs.contains(parent) => Err(io::ErrorKind::NotFound.into()),
            _ => Ok(()),
        }
    }

    fn new_file(&mut self, path: &Path) -> io::Result<usize> {
        self.parent_is_there(path)?;
        self.files.push(Content::default());
        self.names.insert(path.to_path_buf(), self.files.len() - 1);
        Ok(self.files.len() - 1)
    }
}

struct OpenFile {
    disk: SimulatedDisk,
    path: PathBuf,
    file: usize,
    life: u64,
}

impl OpenFile {
    fn with<T>(&self, operation: Operation, act: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("the file was open before the power went"));
        }
        state.check(operation, &self.path)?;
        Ok(act(&mut state.files[self.file]))
    }
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.with(Operation::Write, |content| content.seen.extend_from_slice(bytes)) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => {
                // A write that fails may have got half way.
                let mut state = self.disk.state();
                if state.life == self.life && state.off_after.is_none() {
                    state.files[self.file].seen.extend_from_slice(&bytes[..bytes.len() / 2]);
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        self.with(Operation::Sync, |content| content.synced = content.seen.clone())
    }
}

struct HeldLock {
    disk: SimulatedDisk,
    path: PathBuf,
    life: u64,
}

impl Lock for HeldLock {}

impl Drop for HeldLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.check(Operation::Create, path)?;
        let file = state.new_file(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), path: path.to_path_buf(), file, life: state.life }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.check(Operation::Append, path)?;
        let file = match state.file(path) {
            Ok(file) => file,
            Err(_) => state.new_file(path)?,
        };
        Ok(Box::new(OpenFile { disk: self.clone(), path: path.to_path_buf(), file, life: state.life }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.state();
        state.check(Operation::Read, path)?;
        let file = state.file(path)?;
        Ok(Box::new(Cursor::new(state.files[file].seen.clone())))
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Truncate, path)?;
        let file = state.file(path)?;
        state.files[file].seen.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Rename, to)?;
        let file = state.file(from)?;
        state.parent_is_there(to)?;
        state.names.remove(from);
        state.names.insert(to.to_path_buf(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Remove, path)?;
        state.file(path)?;
        state.names.remove(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::Remove, path)?;
        if state.names.keys().chain(&state.dirs).any(|p| p.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        if state.dirs.remove(path) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut state = self.state();
        state.check(Operation::List, dir)?;
        if !state.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = state.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        let files = files.map(|(path, file)| Entry { name: name(path), is_dir: false, bytes: state.files[*file].seen.len() as u64 });
        let dirs = state.dirs.iter().filter(|d| d.parent() == Some(dir));
        let mut all: Vec<Entry> = files.chain(dirs.map(|d| Entry { name: name(d), is_dir: true, bytes: 0 })).collect();
        all.sort();
        Ok(all)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.check(Operation::CreateDir, dir)?;
        for above in dir.ancestors().filter(|a| !a.as_os_str().is_empty()) {
            if state.names.contains_key(above) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            state.dirs.insert(above.to_path_buf());
            if above.parent().is_none() {
                state.synced_dirs.insert(above.to_path_buf());
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut guard = self.state();
        guard.check(Operation::SyncDir, dir)?;
        let state = &mut *guard;
        state.synced_names.retain(|path, _| path.parent() != Some(dir));
        state.synced_names.extend(state.names.iter().filter(|(p, _)| p.parent() == Some(dir)).map(|(p, f)| (p.clone(), *f)));
        state.synced_dirs.retain(|path| path.parent() != Some(dir));
        state.synced_dirs.extend(state.dirs.iter().filter(|p| p.parent() == Some(dir)).cloned());
        Ok(())
    }

    fn boot(&self) -> String {
        format!("boot-{}", self.state().boots)
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<Result<Box<dyn Lock>, String>> {
        let mut state = self.state();
        if let Some(holder) = state.locks.get(path) {
            return Ok(Err(holder.clone()));
        }
        state.locks.insert(path.to_path_buf(), owner.to_string());
        Ok(Ok(Box::new(HeldLock { disk: self.clone(), path: path.to_path_buf(), life: state.life })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::storage::{create_dir_synced, write_whole};
    use super::*;

    #[test]
    fn what_was_synced_survives_and_the_rest_may_not() {
        let (mut lost, mut torn, mut whole) = (0, 0, 0);
        for seed in 0..200 {
            let disk = SimulatedDisk::default();
            let dir = Path::new("/c/d");
            create_dir_synced(&disk, dir).unwrap();
            write_whole(&disk, &dir.join("safe"), b"safe", true).unwrap();
            let mut log = disk.append(&dir.join("safe")).unwrap();
            log.write_all(b"12345678").unwrap();
            write_whole(&disk, &dir.join("unsafe"), b"unsafe", false).unwrap();
            disk.lose_power(seed);
            assert!(log.write_all(b"x").is_err());
            let left = disk.read(&dir.join("safe")).unwrap();
            assert!(left.starts_with(b"safe"));
            match disk.read(&dir.join("unsafe")).map(|b| b.len()) {
                Err(_) => lost += 1,
                Ok(6) => whole += 1,
                Ok(_) => torn += 1,
            }
        }
        assert!(lost > 20 && torn > 20 && whole > 2, "{lost} {torn} {whole}");
    }

    #[test]
    fn fails_as_told_and_when_switched_off() {
        let disk = SimulatedDisk::default();
        disk.create_dir(Path::new("/c")).unwrap();
        disk.fail(Fault { operation: Operation::Write, path: "one".to_string(), skip: 1, times: 1, os_error: 28 });
        let mut file = disk.create(Path::new("/c/one")).unwrap();
        file.write_all(b"ab").unwrap();
        assert_eq!(file.write_all(b"cd").unwrap_err().kind(), io::ErrorKind::StorageFull);
        file.write_all(b"ef").unwrap();
        assert_eq!(disk.read(Path::new("/c/one")).unwrap(), b"abcef");
        disk.switch_off_after(disk.operations() + 1);
        assert!(file.sync().is_ok() && file.sync().is_err());
        disk.kill();
        assert_eq!(disk.read(Path::new("/c/one")).unwrap(), b"abcef");
    }
}
