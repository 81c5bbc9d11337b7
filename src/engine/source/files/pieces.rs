//! Files → read tasks: big files are cut at line ends, so that all workers have something to do.

use super::codec::Codec;
use super::partition;
use crate::engine::source::ReadTask;
use crate::engine::source::bad::Tally;
use crate::engine::source::decode::RowFormat;
use crate::engine::source::decode::lines::LineEnd;
use crate::engine::{EngineError, Frame};
use std::borrow::Cow;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that one task reads at least and at most where a file may be cut.
const PIECE: std::ops::RangeInclusive<u64> = 1 << 20..=4 << 20;
/// Tasks per worker to aim for, so that an uneven share evens out.
const TASKS_PER_WORKER: u64 = 2;
/// Bytes read at a time when looking for the end of the last line.
const TAIL: usize = 64 << 10;
/// Bytes of a compressed file's text that are decoded at a time.
const BLOCK: usize = 4 << 20;
/// A line's number is counted for lines that begin before this byte of their file.
const COUNTED: u64 = 256 << 20;

/// Bytes of a file that belong to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) start: u64,
    /// `None`: to wherever the file ends when it is read.
    pub(super) end: Option<u64>,
    /// Its length when it was found.
    pub(super) bytes: u64,
    /// When it was last changed, in microseconds since the epoch.
    pub(super) modified: i64,
}

/// How the files of one stream or table are read.
pub(super) struct Reading {
    pub(super) format: RowFormat,
    /// How many parts of a path stand before partition directories; `None`: directories mean nothing.
    pub(super) depth: Option<usize>,
    pub(super) tally: Arc<Tally>,
    pub(super) ignore_missing: bool,
    pub(super) ignore_corrupt: bool,
}

/// What tells whether a file is still the one that a task was made for.
type State = (u64, Option<std::time::SystemTime>);

/// Tasks that decode the segments, in order.
pub(super) fn tasks(segments: &[Segment], reading: &Arc<Reading>, workers: usize) -> Vec<ReadTask> {
    let total: u64 = segments.iter().map(|s| s.bytes).sum();
    let share = total / (workers as u64 * TASKS_PER_WORKER).max(1);
    let piece = share.clamp(*PIECE.start(), *PIECE.end());
    let mut tasks = Vec::new();
    let mut small: Vec<Segment> = Vec::new();
    let mut small_bytes = 0;
    for segment in segments {
        let cut = reading.format.cut().is_some() && Codec::of(&segment.path).is_none() && segment.bytes > piece + piece / 2;
        // All pieces have to be of the same file: what it is now is what each of them looks for.
        if let Some(state) = cut.then(|| segment.path.metadata().ok()).flatten().map(|meta| (meta.len(), meta.modified().ok())) {
            flush(&mut tasks, &mut small, reading);
            let cuts = segment.bytes.div_ceil(piece);
            for i in 0..cuts {
                let from = segment.start + i * piece;
                let to = (i + 1 < cuts).then(|| from + piece).or(segment.end);
                tasks.push(cut_task(segment.clone(), (from, to), state, Arc::clone(reading)));
            }
            small_bytes = 0;
        } else {
            // Small files share a task: handing one over costs more than decoding a few lines.
            small_bytes += segment.bytes;
            small.push(segment.clone());
            if small_bytes >= piece {
                flush(&mut tasks, &mut small, reading);
                small_bytes = 0;
            }
        }
    }
    flush(&mut tasks, &mut small, reading);
    tasks
}

fn flush(tasks: &mut Vec<ReadTask>, small: &mut Vec<Segment>, reading: &Arc<Reading>) {
    let segments = std::mem::take(small);
    if segments.is_empty() {
        return;
    }
    let reading = Arc::clone(reading);
    tasks.push(Box::new(move || {
        let frames = segments.iter().map(|segment| reading.segment(segment)).collect::<Result<Vec<_>, _>>()?;
        Frame::concat(frames)?.ok_or_else(|| EngineError::internal("a read task without files"))
    }));
}

fn cut_task(segment: Segment, range: (u64, Option<u64>), state: State, reading: Arc<Reading>) -> ReadTask {
    Box::new(move || {
        let format = reading.format_of(&segment.path)?;
        let line_end = format.cut().cloned().unwrap_or_default();
        let bytes = read_lines(&segment, range.0, range.1, &line_end);
        let grows = segment.end.is_some();
        let now = segment.path.metadata().ok().map(|meta| (meta.len(), meta.modified().ok()));
        if bytes.is_ok() && !grows && now != Some(state) {
            return Err(changed(&segment.path));
        }
        let bytes = reading.tolerate(&segment.path, bytes)?.unwrap_or_default();
        reading.decode(&format, bytes, &segment.path, range.0, range.0)
    })
}

impl Reading {
    /// The rows of a file, or of the part of it that was added.
    fn segment(&self, segment: &Segment) -> Result<Frame, EngineError> {
        let format = self.format_of(&segment.path)?;
        if let Some(codec) = Codec::of(&segment.path).filter(|_| format.is_text()) {
            return self.compressed(&format, codec, &segment.path);
        }
        let read = read_whole(segment);
        let was_read = read.is_ok();
        let bytes = self.tolerate(&segment.path, read)?.ok_or_else(|| changed(&segment.path))?;
        if was_read && segment.end.is_none() && bytes.len() as u64 != segment.bytes {
            let reason = format!("had {} bytes when it was found and {} when it was read, as it is now", segment.bytes, bytes.len());
            self.tally.note(segment.path.display().to_string(), reason);
        }
        let decoded = self.decode(&format, bytes, &segment.path, segment.start, segment.start);
        match decoded {
            Err(error) if self.ignore_corrupt && error.failure().condition.as_deref() == Some("FAILED_READ_FILE.NO_HINT") => {
                self.pass_over(&segment.path, &error);
                self.decode(&format, Vec::new(), &segment.path, 0, 0)
            }
            decoded => decoded,
        }
    }

    /// The rows of a compressed file, a block at a time, so that its text is never in memory as a whole.
    fn compressed(&self, format: &RowFormat, codec: Codec, path: &Path) -> Result<Frame, EngineError> {
        let mut frames = Vec::new();
        let done = self.blocks(format, codec, path, &mut frames);
        match done {
            Err(error) if self.ignore_corrupt && error.failure().condition.as_deref() == Some("FAILED_READ_FILE.NO_HINT") => {
                self.pass_over(path, &error);
            }
            done => done?,
        }
        if frames.is_empty() {
            frames.push(self.decode(format, Vec::new(), path, 0, 0)?);
        }
        Frame::concat(frames)?.ok_or_else(|| EngineError::internal("a file without blocks"))
    }

    fn blocks(&self, format: &RowFormat, codec: Codec, path: &Path, frames: &mut Vec<Frame>) -> Result<(), EngineError> {
        let Some(file) = self.tolerate(path, File::open(path).map(Some))?.flatten() else { return Ok(()) };
        let damaged = |e: &std::io::Error| {
            let message = format!("file {} is no sound {} archive: {e}", path.display(), codec.name());
            EngineError::external(message)
                .condition("FAILED_READ_FILE.NO_HINT")
                .help("ignoreCorruptFiles 'true' takes what comes before the damage and goes on")
        };
        let mut reader = codec.reader(&file).map_err(|e| damaged(&e))?;
        let (mut buffer, mut line) = (Vec::new(), 0);
        let mut at = 0;
        loop {
            let read = reader.by_ref().take(BLOCK as u64).read_to_end(&mut buffer);
            let ended = matches!(read, Ok(n) if n < BLOCK);
            let end = match format.cut() {
                Some(line_end) if !ended => line_end.last_end(&buffer),
                // Records over several lines need the whole file.
                None if !ended => 0,
                _ => buffer.len(),
            };
            if end > 0 || (ended && at == 0) {
                let rest = buffer.split_off(end);
                let block = std::mem::replace(&mut buffer, rest);
                let (length, lines) = (block.len() as u64, memchr::memchr_iter(b'\n', &block).count() as u64);
                frames.push(self.decode_at(format, block, at == 0, path, |n| format!("{}:{}", path.display(), line + n + 1))?);
                at += length;
                line += lines;
            }
            read.map_err(|e| damaged(&e))?;
            if ended {
                return Ok(());
            }
        }
    }

    /// The format of a file, with the values that its directories give.
    fn format_of(&self, path: &Path) -> Result<Cow<'_, RowFormat>, EngineError> {
        let values = self.depth.map(|depth| partition::values(path, depth)).unwrap_or_default();
        if values.is_empty() {
            return Ok(Cow::Borrowed(&self.format));
        }
        let given = values.into_iter().map(|(name, value)| {
            let value = (value != partition::NULL).then(|| partition::unescape(&value));
            (name, value)
        });
        self.format.with_values(&given.collect::<Vec<_>>()).map(Cow::Owned).map_err(|e| e.within(&path.display().to_string()))
    }

    /// Decodes bytes that begin at `at` of a file, of which `first` is the first byte wanted.
    fn decode(&self, format: &RowFormat, bytes: Vec<u8>, path: &Path, first: u64, at: u64) -> Result<Frame, EngineError> {
        let before = std::cell::OnceCell::new();
        self.decode_at(format, bytes, first == 0, path, |line| {
            let before = before.get_or_init(|| lines_before(path, at, format.cut()));
            match before {
                Some(before) => format!("{}:{}", path.display(), before + line + 1),
                None => format!("{}, line {} after byte {at}", path.display(), line + 1),
            }
        })
    }

    fn decode_at(
        &self,
        format: &RowFormat,
        bytes: Vec<u8>,
        first: bool,
        path: &Path,
        place: impl Fn(u64) -> String,
    ) -> Result<Frame, EngineError> {
        let decoded = format.decode(bytes, first).map_err(|e| match e.failure().row {
            Some(line) if format.cut().is_some() => e.within(&place(line as u64)),
            _ => e.within(&path.display().to_string()),
        })?;
        self.tally.add_rows(decoded.frame.rows() as u64);
        self.tally.add_bad(decoded.bad, place);
        Ok(decoded.frame)
    }

    /// What was read; `None` for a file that vanished since it was listed, where that is allowed.
    fn tolerate<T: Default>(&self, path: &Path, read: std::io::Result<T>) -> Result<Option<T>, EngineError> {
        match read {
            Err(e) if e.kind() == ErrorKind::NotFound && self.ignore_missing => {
                self.tally.note(path.display().to_string(), "vanished before it was read".to_string());
                Ok(Some(T::default()))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Err(vanished(path)),
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(None),
            Err(e) if self.ignore_corrupt => {
                self.pass_over(path, &unreadable(path, &e));
                Ok(Some(T::default()))
            }
            other => other.map(Some).map_err(|e| unreadable(path, &e)),
        }
    }

    fn pass_over(&self, path: &Path, error: &EngineError) {
        self.tally.note(path.display().to_string(), format!("was passed over: {}", error.failure().message));
    }
}

/// What to say of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::external(format!("file {} cannot be read: {error}", path.display())).condition("FAILED_READ_FILE.NO_HINT")
}

fn vanished(path: &Path) -> EngineError {
    EngineError::external(format!("file {} was found, and was gone when it was to be read", path.display()))
        .condition("FAILED_READ_FILE.FILE_NOT_EXIST")
        .help("ignoreMissingFiles 'true' passes over files that vanish")
}

/// A mixture of two states of a file must not be taken for its rows: the batch is tried again.
fn changed(path: &Path) -> EngineError {
    EngineError::external(format!("file {} changed while it was read", path.display()))
        .transient()
        .help("files of a watched directory are not written to: write them elsewhere and move them in")
}

/// The bytes from `start` to `end`, or to the end of the file.
pub(super) fn read_range(path: &Path, start: u64, end: Option<u64>) -> std::io::Result<Vec<u8>> {
    read_open(&mut File::open(path)?, start, end)
}

/// All bytes of a file, decompressed.
pub(super) fn read_text(path: &Path) -> std::io::Result<Vec<u8>> {
    let Some(codec) = Codec::of(path) else { return read_range(path, 0, None) };
    let mut bytes = Vec::new();
    codec.reader(&File::open(path)?)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_open(file: &mut File, start: u64, end: Option<u64>) -> std::io::Result<Vec<u8>> {
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    let length = end.map_or_else(|| file.metadata().map(|m| m.len().saturating_sub(start)), |end| Ok(end - start))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    match end {
        Some(_) => file.take(length).read_to_end(&mut bytes)?,
        None => file.read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

/// The bytes of a segment; `Interrupted` when its file changed meanwhile.
fn read_whole(segment: &Segment) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(&segment.path)?;
    let state = |file: &File| file.metadata().map(|meta| (meta.len(), meta.modified().ok()));
    let before = state(&file)?;
    let bytes = read_open(&mut file, segment.start, segment.end)?;
    let same = match segment.end {
        // Lines may be added all the time; what was there has to be there still.
        Some(end) => bytes.len() as u64 == end - segment.start,
        None => state(&file)? == before,
    };
    if same { Ok(bytes) } else { Err(ErrorKind::Interrupted.into()) }
}

/// The lines that begin in `from..to`: the line under way at `from` belongs to the task before.
fn read_lines(segment: &Segment, from: u64, to: Option<u64>, line_end: &LineEnd) -> std::io::Result<Vec<u8>> {
    let inner = from > segment.start;
    // One byte earlier, to see whether a line begins exactly at `from`.
    let read_from = from - u64::from(inner);
    let mut bytes = read_range(&segment.path, read_from, to)?;
    let skip = if inner { line_end.first_end(&bytes) } else { Some(0) };
    if let Some(to) = to.filter(|to| segment.end.is_none_or(|end| *to < end))
        && skip.is_some()
        && line_end.last_end(&bytes) < bytes.len()
    {
        finish_line(segment, to, line_end, &mut bytes)?;
    }
    match skip {
        Some(0) => Ok(bytes),
        Some(skip) => Ok(bytes.split_off(skip.min(bytes.len()))),
        None => Ok(Vec::new()),
    }
}

/// Reads on from `at` to the end of the line.
fn finish_line(segment: &Segment, at: u64, line_end: &LineEnd, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    let mut file = File::open(&segment.path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut left = segment.end.map_or(u64::MAX, |end| end - at);
    let mut more = vec![0; TAIL];
    while left > 0 {
        let want = more.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let n = file.read(&mut more[..want])?;
        if n == 0 {
            break;
        }
        left -= n as u64;
        if let Some(end) = line_end.first_end(&more[..n]) {
            bytes.extend_from_slice(&more[..end]);
            break;
        }
        bytes.extend_from_slice(&more[..n]);
    }
    Ok(())
}

/// How many lines begin before byte `at`; the line under way there is one of them. `None`: too many to count.
fn lines_before(path: &Path, at: u64, line_end: Option<&LineEnd>) -> Option<u64> {
    if at == 0 {
        return Some(0);
    }
    let end = match line_end {
        Some(LineEnd::Text(end)) => *end.first()?,
        _ => b'\n',
    };
    let mut file = File::open(path).ok().filter(|_| at <= COUNTED)?.take(at);
    let mut buffer = vec![0; 1 << 20];
    let (mut lines, mut last) = (0, end);
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(lines + u64::from(last != end)),
            n => {
                lines += memchr::memchr_iter(end, &buffer[..n]).count() as u64;
                last = buffer[n - 1];
            }
        }
    }
}
