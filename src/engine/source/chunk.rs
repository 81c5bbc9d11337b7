//! Lines in memory: big chunks of bytes with their offsets beside them, not a `String` each.

use crate::engine::source::lines::LineRange;
use crate::engine::source::queue::CHUNK_BYTES;
use polars_arrow::array::PrimitiveArray;
use std::sync::Arc;

/// What an entry of a chunk's line table takes.
const LINE_COST: u64 = size_of::<LineRange>() as u64;
/// What a chunk takes besides its bytes and lines.
const CHUNK_COST: u64 = 256;

/// Lines that lie in one piece of memory; never changes once it is in the queue.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: PrimitiveArray<u8>,
    lines: Vec<LineRange>,
    /// Number of its first line.
    pub(super) first: u64,
    /// From which line on which arrival time holds, microseconds since the epoch.
    arrivals: Vec<(u32, i64)>,
}

impl Chunk {
    /// Lines in `bytes`, the first of them being number `first`; `arrivals` say from which line on which time holds.
    pub(super) fn new(bytes: Vec<u8>, lines: Vec<LineRange>, first: u64, arrivals: Vec<(u32, i64)>) -> Chunk {
        Chunk { bytes: PrimitiveArray::from_vec(bytes), lines, first, arrivals }
    }

    /// The number after its last line.
    pub(super) fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    /// Bytes that it takes.
    pub(super) fn cost(&self) -> u64 {
        cost(self.bytes.values().len(), self.lines.len())
    }
}

/// What so many bytes of so many lines take.
pub(super) fn cost(bytes: usize, lines: usize) -> u64 {
    bytes as u64 + lines as u64 * LINE_COST + CHUNK_COST
}

/// Some consecutive lines of a chunk; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lines {
    chunk: Arc<Chunk>,
    from: usize,
    to: usize,
}

impl Lines {
    /// Lines `from..to` of the chunk, counted from its first.
    pub(super) fn new(chunk: Arc<Chunk>, from: usize, to: usize) -> Lines {
        Lines { chunk, from, to }
    }

    /// The number of the first, counted from the first line that the receiver ever took in.
    pub(super) fn number(&self) -> u64 {
        self.chunk.first + self.from as u64
    }

    /// The number after the last line.
    pub(super) fn end(&self) -> u64 {
        self.chunk.first + self.to as u64
    }

    /// Those whose numbers are in `from..to`, if there are any.
    pub(super) fn between(&self, from: u64, to: u64) -> Option<Lines> {
        let place = |number: u64| usize::try_from(number.saturating_sub(self.chunk.first)).unwrap_or(usize::MAX);
        let (from, to) = (place(from).max(self.from), place(to).min(self.to));
        (from < to).then(|| Lines { chunk: Arc::clone(&self.chunk), from, to })
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The bytes that [`ranges`](Lines::ranges) point into: valid UTF-8. Between lines stand line ends and lines that
    /// were dropped.
    pub fn bytes(&self) -> &[u8] {
        self.chunk.bytes.values().as_slice()
    }

    /// The bytes as polars shares them.
    pub fn shared_bytes(&self) -> &PrimitiveArray<u8> {
        &self.chunk.bytes
    }

    /// Where each line lies.
    pub fn ranges(&self) -> &[LineRange] {
        &self.chunk.lines[self.from..self.to]
    }

    /// The lines.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges().iter().map(|r| &self.bytes()[r.range()])
    }

    /// The lines as text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        // Receivers repair every line, so the check passes; it is one pass over bytes that are read next anyway.
        let text = std::str::from_utf8(self.bytes()).unwrap_or_default();
        self.ranges().iter().map(|r| text.get(r.range()).unwrap_or_default())
    }

    /// When each line arrived, microseconds since the epoch.
    pub fn arrivals(&self) -> impl Iterator<Item = i64> {
        let marks = &self.chunk.arrivals;
        (self.from..self.to).scan(0, move |mark, line| {
            while marks.get(*mark + 1).is_some_and(|(first, _)| *first as usize <= line) {
                *mark += 1;
            }
            Some(marks[*mark].1)
        })
    }

    /// Bytes of the lines, about.
    pub fn weight(&self) -> usize {
        match (self.ranges().first(), self.ranges().last()) {
            (Some(first), Some(last)) => (last.end - first.start) as usize,
            _ => 0,
        }
    }
}

/// Puts lines that are read back into chunks.
#[derive(Debug)]
pub(super) struct LinesBuilder {
    /// Lines before this one are left out.
    from: u64,
    done: Vec<Lines>,
    bytes: Vec<u8>,
    lines: Vec<LineRange>,
    /// Number of the first of `lines`.
    first: u64,
    arrivals: Vec<(u32, i64)>,
}

impl LinesBuilder {
    /// For the lines from that number on.
    pub(super) fn new(from: u64) -> LinesBuilder {
        LinesBuilder { from, done: Vec::new(), bytes: Vec::new(), lines: Vec::new(), first: from, arrivals: Vec::new() }
    }

    /// Adds lines, each with its `\n`, that arrived together; `first` is the number of the first of them.
    pub(super) fn push(&mut self, first: u64, text: &[u8], arrived: i64) {
        let mut start = 0;
        for (number, at) in (first..).zip(memchr::memchr_iter(b'\n', text)) {
            if number >= self.from {
                self.line(number, &text[start..at], arrived);
            }
            start = at + 1;
        }
    }

    fn line(&mut self, number: u64, line: &[u8], arrived: i64) {
        if self.bytes.len() >= CHUNK_BYTES || number != self.first + self.lines.len() as u64 {
            self.seal();
        }
        if self.lines.is_empty() {
            self.first = number;
        }
        if self.arrivals.last().is_none_or(|(_, at)| *at != arrived) {
            self.arrivals.push((self.lines.len() as u32, arrived));
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(line);
        self.lines.push(LineRange { start: start as u32, end: self.bytes.len() as u32 });
        self.bytes.push(b'\n');
    }

    fn seal(&mut self) {
        if self.lines.is_empty() {
            return;
        }
        let (bytes, lines, arrivals) =
            (std::mem::take(&mut self.bytes), std::mem::take(&mut self.lines), std::mem::take(&mut self.arrivals));
        let count = lines.len();
        self.done.push(Lines::new(Arc::new(Chunk::new(bytes, lines, self.first, arrivals)), 0, count));
    }

    /// All lines, in order.
    pub(super) fn finish(mut self) -> Vec<Lines> {
        self.seal();
        self.done
    }
}
