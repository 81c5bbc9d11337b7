//! Files → read tasks: big files are cut at line ends, so that all workers have something to do.

use super::Tally;
use crate::engine::source::ReadTask;
use crate::engine::source::decode::RowFormat;
use crate::engine::source::decode::lines::LineEnd;
use crate::engine::{EngineError, Frame};
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

/// Tasks that decode the segments, in order.
pub(super) fn tasks(segments: &[Segment], format: &Arc<RowFormat>, tally: &Arc<Tally>, workers: usize) -> Vec<ReadTask> {
    let total: u64 = segments.iter().map(|s| s.bytes).sum();
    let share = total / (workers as u64 * TASKS_PER_WORKER).max(1);
    let piece = share.clamp(*PIECE.start(), *PIECE.end());
    let mut tasks = Vec::new();
    let mut small: Vec<Segment> = Vec::new();
    let mut small_bytes = 0;
    for segment in segments {
        if format.cut().is_some() && segment.bytes > piece + piece / 2 {
            flush(&mut tasks, &mut small, format, tally);
            let cuts = segment.bytes.div_ceil(piece);
            for i in 0..cuts {
                let from = segment.start + i * piece;
                let to = (i + 1 < cuts).then(|| from + piece).or(segment.end);
                tasks.push(cut_task(segment.clone(), from, to, Arc::clone(format), Arc::clone(tally)));
            }
            small_bytes = 0;
        } else {
            // Small files share a task: handing one over costs more than decoding a few lines.
            small_bytes += segment.bytes;
            small.push(segment.clone());
            if small_bytes >= piece {
                flush(&mut tasks, &mut small, format, tally);
                small_bytes = 0;
            }
        }
    }
    flush(&mut tasks, &mut small, format, tally);
    tasks
}

fn flush(tasks: &mut Vec<ReadTask>, small: &mut Vec<Segment>, format: &Arc<RowFormat>, tally: &Arc<Tally>) {
    let segments = std::mem::take(small);
    if segments.is_empty() {
        return;
    }
    let (format, tally) = (Arc::clone(format), Arc::clone(tally));
    tasks.push(Box::new(move || {
        let mut frames = Vec::with_capacity(segments.len());
        for segment in &segments {
            let bytes = tolerate(&segment.path, read_range(&segment.path, segment.start, segment.end), &tally)?;
            frames.push(decode(&format, bytes, segment.start == 0, &segment.path, &tally)?);
        }
        Frame::concat(frames)?.ok_or_else(|| EngineError::internal("a read task without files"))
    }));
}

fn cut_task(segment: Segment, from: u64, to: Option<u64>, format: Arc<RowFormat>, tally: Arc<Tally>) -> ReadTask {
    Box::new(move || {
        let line_end = format.cut().cloned().unwrap_or_default();
        let bytes = tolerate(&segment.path, read_lines(&segment, from, to, &line_end), &tally)?;
        decode(&format, bytes, from == 0, &segment.path, &tally)
    })
}

fn decode(format: &RowFormat, bytes: Vec<u8>, first: bool, path: &Path, tally: &Tally) -> Result<Frame, EngineError> {
    let decoded = format.decode(bytes, first).map_err(|e| e.within(&path.display().to_string()))?;
    tally.add(decoded.frame.rows() as u64, decoded.bad, decoded.sample);
    Ok(decoded.frame)
}

/// The bytes read; none of a file that vanished since it was listed, which is noted.
fn tolerate(path: &Path, read: std::io::Result<Vec<u8>>, tally: &Tally) -> Result<Vec<u8>, EngineError> {
    match read {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            tally.add(0, 1, Some(format!("{} vanished before it was read", path.display())));
            Ok(Vec::new())
        }
        other => other.map_err(|e| unreadable(path, &e)),
    }
}

/// What to say of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::external(format!("file {} cannot be read: {error}", path.display())).condition("FAILED_READ_FILE.NO_HINT")
}

/// The bytes from `start` to `end`, or to the end of the file.
pub(super) fn read_range(path: &Path, start: u64, end: Option<u64>) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
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
