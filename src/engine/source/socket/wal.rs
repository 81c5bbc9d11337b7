//! The write-ahead log of a socket stream (`wal 'true'`): lines are in a file before they count as received, so that a
//! restart reads them once more.
//!
//! Each query has its own log in its checkpoint, `sources/<i>/00000000000000000042.wal`, also when several share one
//! connection: a checkpoint is whole by itself, and one query's clean-up never waits for another. A segment is named
//! after its first line and begins with a line that says what it is. Then come records, one a block of lines:
//!
//! ```text
//! bytes u32 │ lines u32 │ first line u64 │ arrived i64 │ crc of the text u32 │ crc of what stands before u32 │ text, each line with '\n'
//! ```
//!
//! Numbers are little-endian. What was written survives a kill at once; [`Wal::sync`], once a batch, makes it survive a
//! power loss. A log that ends in the middle of a record was cut off there, and lines up to it count; anything else
//! that does not fit its checksum is damage, and is refused by the file's name.

use crate::checkpoint::storage::{Disk, DiskFile};
use crate::engine::EngineError;
use crate::engine::source::chunk::{Lines, LinesBuilder};
use crate::engine::source::lines::LineRange;
use crate::engine::source::queue::Tap;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes after which a segment is closed and the next begun.
const SEGMENT_BYTES: u64 = 16 << 20;
/// What a segment begins with.
const MAGIC: &[u8] = b"eddyline wal 1\n";
const HEADER: usize = 32;
const SUFFIX: &str = ".wal";

/// Where a restart stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Lines from here on are replayed.
    pub(super) from: u64,
    /// Lines before this one were synced, and have to be there.
    pub(super) known: u64,
    /// Whether the log was kept by the earlier run; else lines before `known` are gone.
    pub(super) kept: bool,
    /// Whether lines are synced at all: without it a power loss may have taken known ones.
    pub(super) synced: bool,
}

/// A log that is being written.
pub(in crate::engine::source) struct Wal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The open segment.
    file: Option<Box<dyn DiskFile>>,
    /// The same for syncing, so that a sync holds up no line; segments closed since the last sync come first. With the
    /// number of their first line.
    unsynced: Vec<(u64, Box<dyn DiskFile>)>,
    /// Whether anything was written since the last sync.
    dirty: bool,
    new_names: bool,
    segments: VecDeque<Segment>,
    /// Number of the next line.
    next: u64,
    buffer: Vec<u8>,
    failure: Option<io::Error>,
    /// The open segment may have half a record at its end.
    torn: bool,
}

struct Segment {
    first: u64,
    path: PathBuf,
    bytes: u64,
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What is read back: lines in order, and the number after the last one.
pub(in crate::engine::source) struct Replay {
    pub(in crate::engine::source) lines: Vec<Lines>,
    pub(in crate::engine::source) end: u64,
}

impl Wal {
    /// The log in `dir` with the lines to replay; empty when there is none yet.
    ///
    /// # Errors
    /// A file that is not as it was written, one that is missing, the file system's.
    pub(super) fn open(disk: Arc<dyn Disk>, dir: &Path, at: Position) -> Result<(Wal, Replay), EngineError> {
        disk.create_dir(dir).map_err(|e| EngineError::file("created", dir, &e))?;
        let mut reading = Reading { disk: &*disk, at, lines: LinesBuilder::new(at.from), segments: VecDeque::new(), next: at.from };
        reading.all(dir)?;
        let Reading { lines, segments, next, .. } = reading;
        // Lines of an earlier run without a log, or lost by a power loss that nothing was synced against, stay counted.
        let end = next.max(at.known);
        let state = State { segments, next: end, ..State::default() };
        Ok((Wal { disk, dir: dir.to_path_buf(), state: Mutex::new(state) }, Replay { lines: lines.finish(), end }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After this every line that was kept before survives a power loss.
    ///
    /// # Errors
    /// The file system's.
    pub(in crate::engine::source) fn sync(&self) -> Result<(), EngineError> {
        let (mut files, new_names, open) = {
            let mut state = self.state();
            if !std::mem::take(&mut state.dirty) {
                return Ok(());
            }
            (std::mem::take(&mut state.unsynced), std::mem::take(&mut state.new_names), state.segments.back().map(|s| s.first))
        };
        let mut synced = files.iter_mut().try_for_each(|(_, file)| file.sync());
        if new_names {
            synced = synced.and_then(|()| self.disk.sync_dir(&self.dir));
        }
        let mut state = self.state();
        // Lines may have come to the open one meanwhile: it is synced once more. After a failure all of them are.
        files.retain(|(first, _)| synced.is_err() || Some(*first) == open);
        files.append(&mut state.unsynced);
        state.unsynced = files;
        if synced.is_err() {
            state.dirty = true;
            state.new_names |= new_names;
        }
        synced.map_err(|e| EngineError::file("synced", &self.dir, &e))
    }

    /// Lines before `line` will never be asked for again: segments without any other go.
    ///
    /// # Errors
    /// The file system's.
    pub(in crate::engine::source) fn clean(&self, line: u64) -> Result<(), EngineError> {
        let mut gone = Vec::new();
        {
            let mut state = self.state();
            while state.segments.get(1).is_some_and(|next| next.first <= line) {
                gone.extend(state.segments.pop_front());
            }
        }
        for segment in gone {
            match self.disk.remove(&segment.path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(EngineError::file("removed", &segment.path, &e)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Why lines could not be kept since the last call; they are tried again after it.
    pub(in crate::engine::source) fn take_failure(&self) -> Option<EngineError> {
        let failure = self.state().failure.take()?;
        Some(EngineError::file("written", &self.dir, &failure))
    }

    /// Bytes on disk.
    pub(in crate::engine::source) fn bytes(&self) -> u64 {
        self.state().segments.iter().map(|s| s.bytes).sum()
    }

    fn append(&self, state: &mut State, block: &[u8], lines: &[LineRange], arrived: i64) -> io::Result<()> {
        if state.torn {
            let segment = state.segments.back().ok_or(io::ErrorKind::NotFound)?;
            self.disk.truncate(&segment.path, segment.bytes)?;
            state.torn = false;
        }
        if state.file.is_none() || state.segments.back().is_none_or(|s| s.bytes >= SEGMENT_BYTES) {
            self.begin_segment(state)?;
        }
        let mut buffer = std::mem::take(&mut state.buffer);
        encode(&mut buffer, state.next, block, lines, arrived);
        let written = match &mut state.file {
            Some(file) => file.write_all(&buffer),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let bytes = buffer.len() as u64;
        state.buffer = buffer;
        if let Err(error) = written {
            state.torn = true;
            return Err(error);
        }
        if let Some(segment) = state.segments.back_mut() {
            segment.bytes += bytes;
        }
        state.next += lines.len() as u64;
        state.dirty = true;
        Ok(())
    }

    fn begin_segment(&self, state: &mut State) -> io::Result<()> {
        let first = state.next;
        let path = self.dir.join(format!("{first:020}{SUFFIX}"));
        let mut file = self.disk.create(&path)?;
        file.write_all(MAGIC)?;
        let for_sync = self.disk.append(&path)?;
        state.segments.retain(|s| s.first < first);
        state.segments.push_back(Segment { first, path, bytes: MAGIC.len() as u64 });
        state.unsynced.push((first, for_sync));
        state.new_names = true;
        state.file = Some(file);
        Ok(())
    }
}

impl Tap for Wal {
    fn keep(&self, first: u64, block: &[u8], lines: &[LineRange], arrived: i64) -> bool {
        let mut state = self.state();
        if state.failure.is_some() {
            return false;
        }
        // Lines that were kept when another reader's log failed come a second time.
        let known = usize::try_from(state.next.saturating_sub(first)).unwrap_or(usize::MAX).min(lines.len());
        if known == lines.len() {
            return true;
        }
        match self.append(&mut state, block, &lines[known..], arrived) {
            Ok(()) => true,
            Err(error) => {
                state.failure = Some(error);
                false
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.state().failure.is_some()
    }
}

/// A record in place of what the buffer held.
fn encode(buffer: &mut Vec<u8>, first: u64, block: &[u8], lines: &[LineRange], arrived: i64) {
    buffer.clear();
    buffer.resize(HEADER, 0);
    let in_one_piece = lines.windows(2).all(|w| w[1].start == w[0].end + 1 && block[w[0].end as usize] == b'\n');
    if let (true, Some(from), Some(to)) = (in_one_piece, lines.first(), lines.last()) {
        buffer.extend_from_slice(&block[from.start as usize..to.end as usize]);
        buffer.push(b'\n');
    } else {
        for line in lines {
            buffer.extend_from_slice(&block[line.range()]);
            buffer.push(b'\n');
        }
    }
    let text = crc32fast::hash(&buffer[HEADER..]);
    let bytes = (buffer.len() - HEADER) as u32;
    buffer[0..4].copy_from_slice(&bytes.to_le_bytes());
    buffer[4..8].copy_from_slice(&(lines.len() as u32).to_le_bytes());
    buffer[8..16].copy_from_slice(&first.to_le_bytes());
    buffer[16..24].copy_from_slice(&arrived.to_le_bytes());
    buffer[24..28].copy_from_slice(&text.to_le_bytes());
    let header = crc32fast::hash(&buffer[..28]);
    buffer[28..32].copy_from_slice(&header.to_le_bytes());
}

/// One record as it was read.
struct Record<'a> {
    first: u64,
    lines: u64,
    arrived: i64,
    text: &'a [u8],
}

/// What comes next in a segment.
enum Next<'a> {
    Record(Record<'a>, usize),
    End,
    /// Half a record, and nothing after it.
    Torn,
    Damaged(&'static str),
}

fn next_record(bytes: &[u8]) -> Next<'_> {
    // A power loss leaves a file longer than its data at times, filled up with zeros; text ends with '\n'.
    let zeros = bytes.last() == Some(&0);
    let torn_or = |how| if zeros { Next::Torn } else { Next::Damaged(how) };
    if bytes.is_empty() {
        return Next::End;
    }
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Next::Torn };
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let wide = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
    if number(28) != crc32fast::hash(&header[..28]) {
        return torn_or("the head of a record does not fit its checksum");
    }
    let length = number(0) as usize;
    let Some(text) = rest.get(..length) else { return Next::Torn };
    if number(24) != crc32fast::hash(text) {
        return torn_or("the lines of a record do not fit their checksum");
    }
    let record = Record { first: wide(8), lines: u64::from(number(4)), arrived: wide(16).cast_signed(), text };
    Next::Record(record, HEADER + length)
}

/// Reads segments one after the other.
struct Reading<'a> {
    disk: &'a dyn Disk,
    at: Position,
    lines: LinesBuilder,
    segments: VecDeque<Segment>,
    /// The line that has to come next.
    next: u64,
}

impl Reading<'_> {
    fn all(&mut self, dir: &Path) -> Result<(), EngineError> {
        let entries = self.disk.list(dir).map_err(|e| EngineError::file("read", dir, &e))?;
        let number = |name: &str| name.strip_suffix(SUFFIX).and_then(|n| n.parse::<u64>().ok());
        let found: Vec<(u64, PathBuf)> = entries.iter().filter_map(|e| Some((number(&e.name)?, dir.join(&e.name)))).collect();
        match found.first() {
            Some((first, path)) if *first > self.at.from && self.at.kept => {
                return Err(damaged(path, &format!("it begins at line {first}, and lines from {} on are needed", self.at.from)));
            }
            None if self.at.kept && self.at.synced && self.at.known > self.at.from => {
                return Err(damaged(dir, "its files are gone, and lines of a batch that is not finished are needed"));
            }
            Some((first, _)) => self.next = self.next.max(*first),
            None => {}
        }
        for (at, (first, path)) in found.iter().enumerate() {
            let until = found.get(at + 1).map(|(first, _)| *first);
            if until.is_some_and(|until| until <= self.at.from) {
                // Only lines that are done with.
                self.segments.push_back(Segment { first: *first, path: path.clone(), bytes: 0 });
                continue;
            }
            if !self.segment(*first, path, until)? {
                // What comes after the cut cannot be told apart from lines that came before it: it was never synced.
                for (_, path) in &found[at + 1..] {
                    self.disk.remove(path).map_err(|e| EngineError::file("removed", path, &e))?;
                }
                break;
            }
        }
        if self.at.kept && self.at.synced && self.next < self.at.known {
            let last = found.last().map_or(dir, |(_, path)| path);
            return Err(damaged(last, &format!("it ends at line {}, and line {} was recorded as received", self.next, self.at.known)));
        }
        Ok(())
    }

    /// Reads one segment up to the line that the next one begins with; false when it was cut off.
    fn segment(&mut self, first: u64, path: &Path, until: Option<u64>) -> Result<bool, EngineError> {
        let bytes = self.disk.read(path).map_err(|e| EngineError::file("read", path, &e))?;
        let mut line = first;
        let mut at = MAGIC.len();
        let whole = match bytes.get(..at) {
            Some(MAGIC) => loop {
                if until == Some(line) {
                    break true;
                }
                match next_record(&bytes[at..]) {
                    Next::Record(record, length) if record.first == line => {
                        self.lines.push(record.first, record.text, record.arrived);
                        line += record.lines;
                        at += length;
                    }
                    Next::Record(..) => return Err(damaged(path, &format!("a record is not the one of line {line}"))),
                    Next::End if until.is_none() => break true,
                    Next::End | Next::Torn => break false,
                    Next::Damaged(how) => return Err(damaged(path, how)),
                }
            },
            // The file was made, and its first line not yet written.
            _ => {
                at = 0;
                let zeros = bytes.last() == Some(&0);
                if !MAGIC.starts_with(&bytes[..bytes.len().min(MAGIC.len())]) && !zeros {
                    return Err(damaged(path, "it does not begin as a write-ahead log does"));
                }
                false
            }
        };
        if !whole && self.at.kept && self.at.synced && line < self.at.known {
            return Err(damaged(path, &format!("it is cut off at line {line}, and line {} was recorded as received", self.at.known)));
        }
        if !whole && at < bytes.len() {
            self.disk.truncate(path, at as u64).map_err(|e| EngineError::file("written", path, &e))?;
        }
        self.next = self.next.max(line);
        self.segments.push_back(Segment { first, path: path.to_path_buf(), bytes: at as u64 });
        Ok(whole)
    }
}

fn damaged(path: &Path, how: &str) -> EngineError {
    EngineError::external(format!("the write-ahead log {} is damaged: {how}", path.display()))
        .help("nothing was read from it; put the checkpoint back from a copy, or start over with an empty one")
}
