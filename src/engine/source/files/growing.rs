//! One file that grows, as a log does: complete lines are taken as they come.

use super::listing::micros;
use super::pieces::{self, Segment};
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::PathBuf;

/// A last line without an end is taken when its file did not change for this long, in microseconds.
const QUIET: i64 = 2_000_000;
/// Bytes at the beginning of a file that tell it from another under its name.
const MARK: u64 = 256;

/// A single file that may grow.
#[derive(Debug)]
pub(super) struct Growing {
    path: PathBuf,
    /// Bytes handed out.
    pub(super) read: u64,
    /// The file that they are of, once one was seen.
    identity: Option<Identity>,
}

/// What stays the same while a file grows.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    number: u64,
    /// Its first bytes: a file may be cut short and written anew under the same number.
    mark: Vec<u8>,
}

/// What happened to the file besides growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Another file stands under its name now.
    Replaced,
    /// It is shorter than what was read, or begins otherwise.
    CutShort,
}

impl Change {
    pub(super) fn text(self) -> &'static str {
        match self {
            Change::Replaced => "was replaced by another file, which is read from its beginning",
            Change::CutShort => "was cut short or written anew, and is read from its beginning",
        }
    }
}

impl Growing {
    pub(super) fn new(path: PathBuf) -> Growing {
        Growing { path, read: 0, identity: None }
    }

    /// The lines that were added, if any; `frozen`: all of them, also one that has no end yet. With what else happened.
    pub(super) fn next(&mut self, now: i64, frozen: bool) -> (Option<Segment>, Option<Change>) {
        let Some((file, meta)) = File::open(&self.path).ok().and_then(|f| f.metadata().ok().map(|m| (f, m))) else {
            return (None, None);
        };
        let change = self.compare(&file, &meta);
        if change.is_some() {
            self.read = 0;
        }
        let length = meta.len();
        let quiet = frozen || now - micros(&meta) >= QUIET;
        let end = if quiet { Some(length) } else { self.whole_lines(length) };
        let segment = end.filter(|end| *end > self.read).map(|end| {
            let modified = micros(&meta);
            Segment { path: self.path.clone(), start: self.read, end: Some(end), bytes: end - self.read, modified }
        });
        if let Some(end) = segment.as_ref().and_then(|s| s.end) {
            self.read = end;
            self.identity = Some(Identity { number: number(&meta), mark: mark(&file, end) });
        }
        (segment, change)
    }

    fn compare(&self, file: &File, meta: &Metadata) -> Option<Change> {
        match &self.identity {
            Some(known) if known.number != number(meta) => Some(Change::Replaced),
            Some(known) if meta.len() < self.read || mark(file, known.mark.len() as u64) != known.mark => Some(Change::CutShort),
            // After a restart only the length is known.
            None if meta.len() < self.read => Some(Change::CutShort),
            _ => None,
        }
    }

    /// Where the last line end before `length` is.
    fn whole_lines(&self, length: u64) -> Option<u64> {
        if length == self.read {
            return None;
        }
        let tail_from = self.read.max(length.saturating_sub(1 << 20));
        let tail = pieces::read_range(&self.path, tail_from, Some(length)).ok()?;
        memchr::memrchr(b'\n', &tail).map(|at| tail_from + at as u64 + 1)
    }
}

/// The first bytes of a file, at most `length`.
fn mark(mut file: &File, length: u64) -> Vec<u8> {
    use std::io::Seek;
    let mut bytes = Vec::new();
    // A file that cannot be read here cannot be read later either, which is where that is told.
    if file.rewind().is_ok() {
        let _ = file.take(length.min(MARK)).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(unix)]
fn number(meta: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}
