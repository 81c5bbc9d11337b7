//! A log of one record a batch, in files that are only ever appended to: `offsets/<batch>.log`, `commits/<batch>.log`.
//!
//! A file is named for the first batch that it may hold, and begins with a line that says what it is. What a file
//! holds of the first batch of a later file, or of batches after that, does not count any more: so a run that
//! goes back needs no cutting. A last line without an end was being written when its process died.

use super::CheckpointError;
use super::record::Record;
use super::state::Written;
use super::storage::{Disk, DiskFile};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records after which a new file begins.
const RECORDS: u64 = 128;

/// The version of the format of logs.
const VERSION: &str = "v1";

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its batch.
    pub batch: u64,
    /// The whole record.
    pub record: Record,
    /// The boot of the machine that it was written in.
    pub boot: String,
    /// The file that it stands in.
    pub path: PathBuf,
}

/// A log open for appending.
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    what: &'static str,
    boot: String,
    open: Option<(PathBuf, Box<dyn DiskFile>, u64)>,
}

impl Log {
    /// The log in `dir`, which is there; `what` is what its records are, such as `offsets`.
    pub fn new(disk: &Arc<dyn Disk>, dir: PathBuf, what: &'static str, boot: &str) -> Log {
        Log { disk: Arc::clone(disk), dir, what, boot: boot.to_string(), open: None }
    }

    /// Appends the record of a batch; it is written, not synced. The file that it is in.
    ///
    /// # Errors
    /// The disk's. The next record goes into a new file then.
    pub fn append(&mut self, batch: u64, record: &Record) -> Result<Written, CheckpointError> {
        let appended = self.try_append(batch, record);
        if appended.is_err() {
            self.open = None;
        }
        appended
    }

    fn try_append(&mut self, batch: u64, record: &Record) -> Result<Written, CheckpointError> {
        let new = self.open.as_ref().is_none_or(|(_, _, records)| *records >= RECORDS);
        if new {
            self.begin(batch)?;
        }
        let Some((path, file, records)) = &mut self.open else { unreachable!("a file was begun above") };
        file.write_all(record.line().as_bytes()).map_err(CheckpointError::io("written", path))?;
        *records += 1;
        Ok(Written { path: path.clone(), new })
    }

    /// The next record goes into a new file.
    pub fn roll(&mut self) {
        self.open = None;
    }

    fn begin(&mut self, batch: u64) -> Result<(), CheckpointError> {
        let path = self.dir.join(format!("{batch}.log"));
        let mut file = self.disk.create(&path).map_err(CheckpointError::io("made", &path))?;
        let head = Record::default().with("eddyline", self.what).with("format", VERSION).with("boot", &self.boot);
        file.write_all(head.line().as_bytes()).map_err(CheckpointError::io("written", &path))?;
        self.open = Some((path, file, 0));
        Ok(())
    }

    /// Removes files whose records are all of batches before `batch`.
    ///
    /// # Errors
    /// The disk's.
    pub fn purge(disk: &dyn Disk, dir: &Path, batch: u64) -> Result<(), CheckpointError> {
        let files = numbered(disk, dir, "log")?;
        for pair in files.windows(2) {
            if pair[1].0 <= batch {
                disk.remove(&pair[0].1).map_err(CheckpointError::io("removed", &pair[0].1))?;
            }
        }
        Ok(())
    }

    /// Removes files that begin with batch `next` or later, as [`state::forget`](super::state::forget) does.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget(disk: &dyn Disk, dir: &Path, next: u64, sync: bool) -> Result<(), CheckpointError> {
        let files = numbered(disk, dir, "log")?;
        remove_all(disk, dir, files.iter().filter(|(n, _)| *n >= next).map(|(_, path)| path), sync)
    }

    /// The files of a log.
    ///
    /// # Errors
    /// The disk's.
    pub fn files(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
        Ok(numbered(disk, dir, "log")?.into_iter().map(|(_, path)| path).collect())
    }

    /// Every record, in the order of batches, without gaps. A record at the very end that was not written whole counts as
    /// not written; after a power loss (the machine's boot is not `boot`) also one that is not as it was written.
    ///
    /// # Errors
    /// The disk's; files of another format; records that are damaged or missing.
    pub fn read(disk: &dyn Disk, dir: &Path, what: &'static str, boot: &str) -> Result<Vec<Logged>, CheckpointError> {
        let mut all: Vec<Logged> = Vec::new();
        for (first, path) in numbered(disk, dir, "log")? {
            while all.last().is_some_and(|last| last.batch >= first) {
                all.pop();
            }
            read_file(disk, &path, what, boot, &mut all)?;
        }
        for pair in all.windows(2) {
            if pair[1].batch != pair[0].batch + 1 {
                let how = format!("after batch {} comes batch {}", pair[0].batch, pair[1].batch);
                return Err(CheckpointError::damaged(&pair[1].path, how));
            }
        }
        Ok(all)
    }
}

fn read_file(disk: &dyn Disk, path: &Path, what: &str, boot: &str, all: &mut Vec<Logged>) -> Result<(), CheckpointError> {
    let bytes = disk.read(path).map_err(CheckpointError::io("read", path))?;
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| CheckpointError::damaged(path, "it is no text"))?;
    let mut lines = text.lines().enumerate().peekable();
    let Some((_, head)) = lines.next() else {
        // Made, and then its process died.
        return Ok(());
    };
    let written_in = check_head(path, head, what)?;
    while let Some((number, line)) = lines.next() {
        let Some((batch, record)) = Record::parse(line).and_then(|r| Some((r.number::<u64>("batch")?, r))) else {
            // A power loss may tear what was written last; in the same boot nothing does.
            if lines.peek().is_none() && written_in != boot {
                return Ok(());
            }
            return Err(CheckpointError::damaged(path, format!("line {} is not as it was written", number + 1)));
        };
        all.push(Logged { batch, record, boot: written_in.clone(), path: path.to_path_buf() });
    }
    Ok(())
}

/// The boot that a file was written in.
fn check_head(path: &Path, line: &str, what: &str) -> Result<String, CheckpointError> {
    let Some(head) = Record::parse(line) else {
        return Err(CheckpointError::damaged(path, "its first line is not as it was written"));
    };
    match (head.get("eddyline"), head.get("format"), head.get("boot")) {
        (Some(is), _, _) if is != what => Err(CheckpointError::damaged(path, format!("it is a log of {is}, not of {what}"))),
        (Some(_), Some(VERSION), Some(boot)) => Ok(boot.to_string()),
        (Some(_), Some(version), _) => Err(CheckpointError::Version { path: path.to_path_buf(), found: version.to_string() }),
        _ => Err(CheckpointError::damaged(path, "its first line does not say what it is")),
    }
}

/// Removes files of a directory; with `sync` so that they stay away.
pub(super) fn remove_all<'p>(
    disk: &dyn Disk,
    dir: &Path,
    paths: impl Iterator<Item = &'p PathBuf>,
    sync: bool,
) -> Result<(), CheckpointError> {
    let mut any = false;
    for path in paths {
        disk.remove(path).map_err(CheckpointError::io("removed", path))?;
        any = true;
    }
    if any && sync { disk.sync_dir(dir).map_err(CheckpointError::io("synced", dir)) } else { Ok(()) }
}

/// The files `<number>.<extension>` of a directory by number; none when it is not there.
pub(super) fn numbered(disk: &dyn Disk, dir: &Path, extension: &str) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let entries = match disk.list(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(CheckpointError::io("listed", dir))?,
    };
    let number = |name: &str| name.strip_suffix(extension)?.strip_suffix('.')?.parse::<u64>().ok();
    let mut files: Vec<(u64, PathBuf)> = entries.iter().filter_map(|e| Some((number(&e.name)?, dir.join(&e.name)))).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::*;

    fn batches(disk: &SimulatedDisk, boot: &str) -> Result<Vec<u64>, CheckpointError> {
        Ok(Log::read(disk, Path::new("/c"), "offsets", boot)?.into_iter().map(|l| l.batch).collect())
    }

    fn record(batch: u64) -> Record {
        Record::default().with("batch", batch).with("text", "some text")
    }

    #[test]
    fn later_files_win_and_old_ones_go() {
        let disk = SimulatedDisk::default();
        disk.create_dir(Path::new("/c")).unwrap();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut log = Log::new(&shared, "/c".into(), "offsets", "boot");
        (0..300).for_each(|n| drop(log.append(n, &record(n)).unwrap()));
        assert_eq!(batches(&disk, "boot").unwrap(), (0..300).collect::<Vec<_>>());
        // A restart that goes back forgets what begins later, and then writes anew.
        Log::forget(&disk, Path::new("/c"), 250, true).unwrap();
        let mut again = Log::new(&shared, "/c".into(), "offsets", "boot");
        again.append(250, &record(250)).unwrap();
        assert_eq!(batches(&disk, "boot").unwrap(), (0..251).collect::<Vec<_>>());
        Log::purge(&disk, Path::new("/c"), 130).unwrap();
        assert_eq!(batches(&disk, "boot").unwrap().first(), Some(&128));
        // Without its end the last line was never written; any other change is told.
        let last = Path::new("/c/250.log");
        disk.damage(last, |bytes| bytes.truncate(bytes.len() - 1));
        assert_eq!(batches(&disk, "boot").unwrap().last(), Some(&249));
        disk.damage(last, |bytes| bytes.push(b'x'));
        disk.damage(last, |bytes| bytes.push(b'\n'));
        assert!(batches(&disk, "boot").unwrap_err().to_string().contains("/c/250.log"));
        assert_eq!(batches(&disk, "after a power loss").unwrap().last(), Some(&249));
        disk.remove(Path::new("/c/128.log")).unwrap();
        assert_eq!(batches(&disk, "after a power loss").unwrap(), [0; 0]);
    }
}
