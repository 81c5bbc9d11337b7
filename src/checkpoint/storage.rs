//! The file system as everything that must survive sees it: checkpoints, write-ahead logs, file sinks.
//!
//! ```text
//! write → sync (the file's bytes survive a power loss) → rename → sync_dir (its name does, too)
//! ```
//!
//! A kill of the process loses nothing that was written; a power loss may lose, or tear, everything that was
//! not synced. Writers go through [`Disk`], so that tests can put [`SimulatedDisk`](super::simulated) in its
//! place, which loses power and fails on request.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// A file open for writing.
pub trait DiskFile: Write + Send {
    /// After this the bytes written so far survive a power loss; the file's name only after
    /// [`Disk::sync_dir`] of its directory.
    ///
    /// # Errors
    /// The disk's. What was written may be lost then, and trying again proves nothing: write it anew.
    fn sync(&mut self) -> io::Result<()>;
}

/// Held until it is dropped, or until the process dies.
pub trait Lock: Send {}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Without the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Bytes of a file.
    pub bytes: u64,
}

/// Where files are kept. Errors are the file system's; nothing is retried here.
pub trait Disk: Send + Sync + fmt::Debug {
    /// An empty file for writing, in place of any that was there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// The file for writing at its end; made when it is not there.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// The file for reading from its start.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Cuts a file to `bytes`.
    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()>;

    /// Gives a file another name, in place of any file that had it: all at once, never half.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// The entries of a directory in the order of their names.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes a directory and those above it that are missing. Fine when it is there.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// After this the names in a directory survive a power loss: files made, renamed and removed.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// What tells this boot of the machine from others: after a kill of the process it is the same, after a power loss
    /// another.
    fn boot(&self) -> String;

    /// Takes the lock file at `path`, which then holds `owner`; when another holds it, what that one wrote.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<Result<Box<dyn Lock>, String>>;
}

/// Writes a whole file so that it is there entirely or not at all: under a name that ends in `.tmp`, then renamed.
/// With `sync`, also after a power loss.
///
/// # Errors
/// The disk's; the temporary file is removed again as far as that is possible.
pub fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = disk.create(&temporary)?;
        file.write_all(bytes)?;
        file.flush()?;
        if sync {
            file.sync()?;
        }
        drop(file);
        disk.rename(&temporary, path)
    })();
    if let Err(error) = written {
        // The first error is the one to tell; what is left over is found and removed at the next start.
        let _ = disk.remove(&temporary);
        return Err(error);
    }
    if let (true, Some(dir)) = (sync, path.parent()) {
        disk.sync_dir(dir)?;
    }
    Ok(())
}

/// Makes a directory whose name, and the names of those above it that were missing, survive a power loss.
///
/// # Errors
/// The disk's.
pub fn create_dir_synced(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let missing = |path: &Path| matches!(disk.list(path), Err(e) if e.kind() == io::ErrorKind::NotFound);
    let mut made: Vec<PathBuf> = Vec::new();
    let mut at = Some(dir);
    while let Some(path) = at.filter(|p| !p.as_os_str().is_empty() && missing(p)) {
        made.push(path.to_path_buf());
        at = path.parent();
    }
    disk.create_dir(dir)?;
    for path in made.iter().rev() {
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => disk.sync_dir(parent)?,
            _ => disk.sync_dir(Path::new("."))?,
        }
    }
    Ok(())
}

/// A path of this machine's file system, without `file:`; the scheme of one that is not.
///
/// # Errors
/// Such as `s3` for `s3://bucket/x`.
pub fn local_path(path: &str) -> Result<PathBuf, &str> {
    if let Some(rest) = path.strip_prefix("file:") {
        return Ok(Path::new("/").join(rest.trim_start_matches('/')));
    }
    match path.split_once("://") {
        Some((scheme, _)) if !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric()) => Err(scheme),
        _ => Ok(PathBuf::from(path)),
    }
}

/// One spelling of a place, however it is written: absolute, without `.`, `..` and doubled slashes. Links stay links.
pub fn spelled(path: &Path) -> PathBuf {
    let absolute = if path.is_absolute() { path.to_path_buf() } else { std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()) };
    let mut out = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// Whether trying the same again may help: the machine was busy, not the request wrong.
pub fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    let kinds =
        [K::Interrupted, K::WouldBlock, K::TimedOut, K::ResourceBusy, K::StaleNetworkFileHandle, K::NetworkDown, K::HostUnreachable];
    // ENFILE and EMFILE: too many open files.
    kinds.contains(&error.kind()) || matches!(error.raw_os_error(), Some(23 | 24))
}

/// The machine's file system.
#[derive(Debug, Default)]
pub struct RealDisk;

struct RealFile(File);

impl Write for RealFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl DiskFile for RealFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The lock goes with the open file: the kernel releases it when the process dies, so it is never stale.
struct RealLock {
    file: File,
}

impl Lock for RealLock {}

impl Drop for RealLock {
    fn drop(&mut self) {
        // A process that was forked at this moment has the file open, too, until it becomes another program: closing it here
        // would not be enough. Where it cannot be unlocked it is closed all the same.
        let _ = self.file.unlock();
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(File::create(path)?)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(OpenOptions::new().append(true).create(true).open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            // One that vanished since it was listed is not there.
            let Ok(meta) = entry.metadata() else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            entries.push(Entry { name, is_dir: meta.is_dir(), bytes: meta.len() });
        }
        entries.sort();
        Ok(entries)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Elsewhere directories cannot be opened, and names are safe with their files.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn boot(&self) -> String {
        let known = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_string());
        // Where nobody says it, every process has a boot of its own: then only what was synced is trusted.
        known.unwrap_or_else(|_| format!("process-{}-{:x}", std::process::id(), ahash::RandomState::new().hash_one(0)))
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<Result<Box<dyn Lock>, String>> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        for left in (0..DYING_LOOKS).rev() {
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0)?;
                    file.write_all(owner.as_bytes())?;
                    return Ok(Ok(Box::new(RealLock { file })));
                }
                Err(TryLockError::WouldBlock) => {
                    let holder = std::fs::read_to_string(path)?;
                    if left == 0 || !is_dying(&holder) {
                        return Ok(Err(holder));
                    }
                    std::thread::park_timeout(DYING_LOOK);
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(Err(String::new()))
    }
}

/// A process that was killed in the midst of a sync holds its locks until the disk has answered: so often its end is
/// looked for …
const DYING_LOOKS: u32 = 2_000;
/// … this far apart.
const DYING_LOOK: Duration = Duration::from_millis(5);

/// Whether the process that a lock file names (`process 7`) was killed, and only has not ended yet. Where the system
/// does not tell, it was not.
fn is_dying(holder: &str) -> bool {
    let Some(process) = holder.strip_prefix("process ").and_then(|id| id.trim().parse::<u32>().ok()) else { return false };
    let Ok(status) = std::fs::read_to_string(format!("/proc/{process}/status")) else { return Path::new("/proc/self/status").exists() };
    status.lines().any(|line| match line.split_once(':') {
        Some(("State", state)) => state.trim().starts_with(['Z', 'X']),
        // SIGKILL is the ninth.
        Some(("SigPnd" | "ShdPnd", mask)) => u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & 0x100 != 0),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_leaves_nothing_else_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, at) = (RealDisk, dir.path().join("a/b"));
        create_dir_synced(&disk, &at).unwrap();
        write_whole(&disk, &at.join("one"), b"1", true).unwrap();
        write_whole(&disk, &at.join("one"), b"22", true).unwrap();
        assert_eq!(disk.list(&at).unwrap(), [Entry { name: "one".to_string(), is_dir: false, bytes: 2 }]);
        let mut more = disk.append(&at.join("one")).unwrap();
        more.write_all(b"3").unwrap();
        more.sync().unwrap();
        disk.truncate(&at.join("one"), 1).unwrap();
        assert_eq!(disk.read(&at.join("one")).unwrap(), b"2");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_a_killed_process_is_waited_for() {
        assert!(!is_dying(&format!("process {}", std::process::id())));
        assert!(!is_dying("somebody") && !is_dying("process x"));
        assert!(is_dying("process 4294967294"), "nobody has that number");
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let name = format!("process {}", child.id());
        assert!(!is_dying(&name));
        child.kill().unwrap();
        // Nobody has waited for it: it is dead and still has its number.
        assert!((0..100_000).any(|_| is_dying(&name)));
        child.wait().unwrap();
        // Its lock goes with it, however late.
        let dir = tempfile::tempdir().unwrap();
        let (disk, at) = (RealDisk, dir.path().join("lock"));
        let held = disk.lock(&at, &name).unwrap().ok();
        let other = std::thread::spawn(move || RealDisk.lock(&at, "process 1").unwrap().is_ok());
        drop(held);
        assert!(other.join().unwrap());
    }

    #[test]
    fn a_place_has_one_spelling() {
        let here = std::env::current_dir().unwrap();
        for (written, meant) in [
            ("in", here.join("in")),
            ("./in//x/", here.join("in/x")),
            ("a/../in/.", here.join("in")),
            ("/a/b/../../../in", PathBuf::from("/in")),
            ("/a/*.json", PathBuf::from("/a/*.json")),
        ] {
            assert_eq!(spelled(Path::new(written)).as_os_str(), meant.as_os_str(), "{written}");
        }
        assert_eq!(local_path("file:///a/b"), Ok(PathBuf::from("/a/b")));
        assert_eq!(local_path("file:/a"), Ok(PathBuf::from("/a")));
        assert_eq!(local_path("a://"), Err("a"));
        assert_eq!(local_path("://a"), Ok(PathBuf::from("://a")));
    }

    #[test]
    fn a_lock_is_held_by_one_and_freed_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, at) = (RealDisk, dir.path().join("lock"));
        let held = disk.lock(&at, "pid=1").unwrap().ok();
        assert!(held.is_some());
        assert_eq!(disk.lock(&at, "pid=2").unwrap().err().as_deref(), Some("pid=1"));
        drop(held);
        assert!(disk.lock(&at, "pid=2").unwrap().is_ok());
    }
}
