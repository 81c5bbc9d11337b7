//! The bounded hand-off between one receiver and the queries that read from it.
//!
//! ```text
//! receiver ─append─▸ │ chunk │ chunk │ chunk │ open ┆ ◂─room─ stops reading when full
//!                        ▲ reader 1      ▲ reader 2      each with its own place
//! ```
//!
//! Lines lie in big chunks of bytes with their offsets beside them, not in a `String` each. A queue is bounded by
//! rows and by bytes. A chunk goes when every reader has passed it, so the slowest reader holds the receiver
//! back, also one that is paused: nothing is lost, the sender waits. A reader that leaves lets go of its backlog.
//! Without a reader nothing is taken from the receiver at all.

use crate::engine::clock::Clock;
use crate::engine::source::Signal;
use crate::engine::source::chunk::{Chunk, cost};
use crate::engine::source::lines::{Flaws, LineRange};
use crate::progress::Connection;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

pub use crate::engine::source::chunk::Lines;

/// Bytes after which a chunk is closed and the next begun.
pub(super) const CHUNK_BYTES: usize = 1 << 20;
/// How much a queue holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Lines.
    pub rows: u64,
    /// Bytes of lines and of the tables over them.
    pub bytes: u64,
}

impl Default for QueueLimits {
    fn default() -> QueueLimits {
        QueueLimits { rows: 1 << 20, bytes: 64 << 20 }
    }
}

/// The chunk that is still being filled.
#[derive(Debug, Default)]
struct OpenChunk {
    bytes: Vec<u8>,
    lines: Vec<LineRange>,
    arrivals: Vec<(u32, i64)>,
}

/// Gets a reader's lines before they count as received: how a write-ahead log sees them first.
pub trait Tap: Send + Sync + fmt::Debug {
    /// Takes lines of `block`; `first` is the number of the first of them. False: they cannot be kept now, and are not
    /// taken in either.
    fn keep(&self, first: u64, block: &[u8], lines: &[LineRange], arrived: i64) -> bool;

    /// Whether it keeps nothing until somebody looks at it.
    fn has_failed(&self) -> bool;
}

#[derive(Debug)]
struct Reader {
    id: u64,
    /// Lines before this one are done with.
    done: u64,
    wake: Arc<Signal>,
    /// With the number that it has for the queue's line 0, which may be below zero.
    tap: Option<(Arc<dyn Tap>, i64)>,
}

/// Figures of a queue at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueStatus {
    /// The receiver's state.
    pub connection: Connection,
    /// Lines that some reader still needs.
    pub rows: u64,
    /// What they take.
    pub bytes: u64,
    /// Lines taken in since the receiver started.
    pub received: u64,
    /// Lines over the limit, dropped.
    pub oversized: u64,
    /// Lines with bytes replaced.
    pub invalid: u64,
    /// One of either, escaped.
    pub sample: Option<String>,
    /// Microseconds for which the receiver did not read because the queue was full.
    pub blocked_micros: u64,
    /// No line fits any more.
    pub full: bool,
    /// No line will come any more.
    pub closed: bool,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Arc<Chunk>>,
    open: OpenChunk,
    /// Cost of `chunks`.
    chunk_bytes: u64,
    /// Lines taken in.
    next: u64,
    readers: Vec<Reader>,
    joined: u64,
    connection: Connection,
    flaws: Flaws,
    blocked_micros: u64,
    /// Since when the receiver has been waiting for room.
    blocked_since: Option<i64>,
    closed: bool,
}

impl State {
    fn open_cost(&self) -> u64 {
        if self.open.lines.is_empty() { 0 } else { cost(self.open.bytes.len(), self.open.lines.len()) }
    }

    fn bytes(&self) -> u64 {
        self.chunk_bytes + self.open_cost()
    }

    /// The first line that some reader still needs.
    fn needed(&self) -> u64 {
        self.readers.iter().map(|r| r.done).min().unwrap_or(self.next)
    }

    fn rows(&self) -> u64 {
        self.next - self.needed()
    }

    fn seal(&mut self) {
        if self.open.lines.is_empty() {
            return;
        }
        let mut open = std::mem::take(&mut self.open);
        open.bytes.shrink_to_fit();
        open.lines.shrink_to_fit();
        let first = self.next - open.lines.len() as u64;
        let chunk = Chunk::new(open.bytes, open.lines, first, open.arrivals);
        self.chunk_bytes += chunk.cost();
        self.chunks.push_back(Arc::new(chunk));
    }

    fn drop_passed(&mut self) {
        let needed = self.needed();
        while self.chunks.front().is_some_and(|c| c.end() <= needed) {
            if let Some(chunk) = self.chunks.pop_front() {
                self.chunk_bytes -= chunk.cost();
            }
        }
        if needed == self.next {
            self.open = OpenChunk::default();
        }
    }

    /// Shows lines to the taps; false when one of them cannot keep them.
    fn keep(&self, block: &[u8], lines: &[LineRange], arrived: i64) -> bool {
        let taps = self.readers.iter().filter_map(|r| r.tap.as_ref());
        taps.fold(true, |kept, (tap, offset)| kept && tap.keep((self.next.cast_signed() + offset).cast_unsigned(), block, lines, arrived))
    }

    /// Copies lines into the open chunk, and closes it when it is full or told to.
    fn append(&mut self, block: &[u8], lines: &[LineRange], arrived: i64, seal: bool) {
        let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return };
        let start = first.start as usize;
        let open = &mut self.open;
        let offset = open.bytes.len();
        if open.arrivals.last().is_none_or(|(_, at)| *at != arrived) {
            open.arrivals.push((open.lines.len() as u32, arrived));
        }
        open.bytes.extend_from_slice(&block[start..last.end as usize]);
        let moved = |at: u32| (at as usize - start + offset) as u32;
        open.lines.extend(lines.iter().map(|l| LineRange { start: moved(l.start), end: moved(l.end) }));
        self.next += lines.len() as u64;
        if self.open.bytes.len() >= CHUNK_BYTES || seal {
            self.seal();
        }
    }

    fn wake(&self) {
        self.readers.iter().for_each(|r| r.wake.raise());
    }

    fn end_of_wait(&mut self, now: i64) {
        if let Some(since) = self.blocked_since.take() {
            self.blocked_micros += (now - since).max(0) as u64;
        }
    }
}

/// One receiver's queue.
pub struct LineQueue {
    state: Mutex<State>,
    limits: QueueLimits,
    clock: Arc<dyn Clock>,
    /// For a receiver on the runtime …
    room: Notify,
    /// … and for one on a thread of its own.
    room_changed: Condvar,
    connection_changed: Condvar,
}

impl LineQueue {
    /// An empty queue.
    pub fn new(limits: QueueLimits, clock: Arc<dyn Clock>) -> LineQueue {
        let (room, room_changed, connection_changed) = (Notify::new(), Condvar::new(), Condvar::new());
        LineQueue { state: Mutex::default(), limits, clock, room, room_changed, connection_changed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn micros(&self) -> i64 {
        i64::try_from(self.clock.ticks() / 1000).unwrap_or(i64::MAX)
    }

    /// Joins a reader, which gets every line from now on; `wake` is raised when there are some or the connection changed.
    pub fn join(self: &Arc<LineQueue>, wake: Arc<Signal>) -> Cursor {
        self.join_with(wake, None)
    }

    /// The same for a reader whose lines are kept by a tap, which numbers them from a number of its own.
    pub fn join_with(self: &Arc<LineQueue>, wake: Arc<Signal>, tap: Option<(Arc<dyn Tap>, u64)>) -> Cursor {
        let mut state = self.state();
        state.joined += 1;
        let (id, first) = (state.joined, state.next);
        let tap = tap.map(|(tap, number)| (tap, number.cast_signed() - first.cast_signed()));
        state.readers.push(Reader { id, done: first, wake, tap });
        drop(state);
        self.more_room();
        Cursor { queue: Arc::clone(self), id, first }
    }

    /// There may be room again.
    pub(super) fn more_room(&self) {
        self.room.notify_one();
        self.room_changed.notify_all();
    }

    fn full(&self, state: &State) -> bool {
        state.rows() >= self.limits.rows || state.bytes() >= self.limits.bytes
    }

    /// Whether a line may be taken in now. Notes how long the receiver was held up.
    fn has_room(&self, state: &mut State) -> bool {
        if state.readers.is_empty() {
            return false;
        }
        let room = !self.full(state) && !state.readers.iter().any(|r| r.tap.as_ref().is_some_and(|(tap, _)| tap.has_failed()));
        let now = self.micros();
        if room {
            state.end_of_wait(now);
        } else {
            state.blocked_since.get_or_insert(now);
        }
        room
    }

    /// Waits until there is a reader and room for a line.
    pub async fn room(&self) {
        // A permit is stored when nobody waits yet, so that no notice is lost between check and wait.
        while !self.has_room(&mut self.state()) {
            self.room.notified().await;
        }
    }

    /// As [`room`](LineQueue::room), for a receiver with a thread; gives up after `at_most` and says whether there is room.
    pub fn wait_for_room(&self, at_most: Duration) -> bool {
        let waited = self.room_changed.wait_timeout_while(self.state(), at_most, |state| !self.has_room(state));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Takes in lines of `block` until the queue is full; returns how many. At least one goes in when there is room.
    pub fn append(&self, block: &[u8], lines: &[LineRange]) -> usize {
        let arrived = self.clock.now_micros();
        let mut state = self.state();
        let mut taken = 0;
        while taken < lines.len() && self.has_room(&mut state) {
            let (count, fits_all) = self.count_that_fits(&state, &lines[taken..]);
            let next = &lines[taken..taken + count];
            if !state.keep(block, next, arrived) {
                state.wake();
                break;
            }
            state.append(block, next, arrived, !fits_all);
            taken += count;
        }
        if taken > 0 {
            state.wake();
        }
        taken
    }

    /// How many lines go into the open chunk, at least one, and whether those are all that the queue has room for.
    fn count_that_fits(&self, state: &State, lines: &[LineRange]) -> (usize, bool) {
        let rows = usize::try_from(self.limits.rows - state.rows()).unwrap_or(usize::MAX).min(lines.len());
        let bytes_left = self.limits.bytes.saturating_sub(state.bytes());
        let chunk_left = CHUNK_BYTES.saturating_sub(state.open.bytes.len());
        let start = lines[0].start as usize;
        let fits = |n: &usize| {
            let bytes = lines[*n - 1].end as usize - start;
            bytes <= chunk_left && cost(bytes, *n) <= bytes_left
        };
        let count = if fits(&rows) { rows } else { partition(rows, fits).max(1) };
        (count, count == rows)
    }

    /// Notes lines dropped or repaired.
    pub fn note(&self, flaws: Flaws) {
        if flaws == Flaws::default() {
            return;
        }
        let mut state = self.state();
        state.flaws.oversized += flaws.oversized;
        state.flaws.invalid += flaws.invalid;
        state.flaws.sample = flaws.sample.or(state.flaws.sample.take());
        state.wake();
    }

    /// Says how the receiver stands with its peer.
    pub fn set_connection(&self, connection: Connection) {
        let mut state = self.state();
        if state.connection != connection {
            state.connection = connection;
            state.wake();
            self.connection_changed.notify_all();
        }
    }

    /// The state of the connection, once it is another than connecting for the first time or after `at_most`.
    pub fn connection(&self, at_most: Duration) -> Connection {
        let connecting = |state: &mut State| state.connection == Connection::Connecting(None);
        let waited = self.connection_changed.wait_timeout_while(self.state(), at_most, connecting);
        waited.unwrap_or_else(PoisonError::into_inner).0.connection.clone()
    }

    /// No line will come any more.
    pub fn close(&self, connection: Connection) {
        let mut state = self.state();
        state.closed = true;
        state.connection = connection;
        let now = self.micros();
        state.end_of_wait(now);
        state.wake();
        self.connection_changed.notify_all();
    }

    /// The figures of this moment.
    pub fn status(&self) -> QueueStatus {
        let now = self.micros();
        let state = self.state();
        QueueStatus {
            connection: state.connection.clone(),
            rows: state.rows(),
            bytes: state.bytes(),
            received: state.next,
            oversized: state.flaws.oversized,
            invalid: state.flaws.invalid,
            sample: state.flaws.sample.clone(),
            blocked_micros: state.blocked_micros + state.blocked_since.map_or(0, |since| (now - since).max(0) as u64),
            full: self.full(&state),
            closed: state.closed,
        }
    }

    /// What it holds at most.
    pub fn limits(&self) -> QueueLimits {
        self.limits
    }
}

/// The largest count up to `most` that fits; counts that fit come before those that do not.
fn partition(most: usize, fits: impl Fn(&usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(&middle) { low = middle } else { high = middle - 1 }
    }
    low
}

/// A reader's place in a queue. Lines are numbered from 0 at the one after it joined.
pub struct Cursor {
    queue: Arc<LineQueue>,
    id: u64,
    /// Number in the queue of its line 0.
    first: u64,
}

impl Cursor {
    /// Lines that came since it joined.
    pub fn received(&self) -> u64 {
        self.queue.state().next - self.first
    }

    /// Lines `from..to`, which must not have been released.
    pub fn slice(&self, from: u64, to: u64) -> Vec<Lines> {
        let (from, to) = (self.first + from, self.first + to);
        let mut state = self.queue.state();
        if to > state.next - state.open.lines.len() as u64 {
            state.seal();
        }
        let begin = state.chunks.partition_point(|c| c.end() <= from);
        let mut slices = Vec::new();
        for chunk in state.chunks.range(begin..).take_while(|c| c.first < to) {
            let start = from.max(chunk.first) - chunk.first;
            let end = to.min(chunk.end()) - chunk.first;
            if start < end {
                slices.push(Lines::new(Arc::clone(chunk), start as usize, end as usize));
            }
        }
        slices
    }

    /// From now on this signal is raised.
    pub fn rewake(&self, wake: Arc<Signal>) {
        if let Some(reader) = self.queue.state().readers.iter_mut().find(|r| r.id == self.id) {
            reader.wake = wake;
        }
    }

    /// Lines before `to` are done with.
    pub fn release(&self, to: u64) {
        let mut state = self.queue.state();
        let to = (self.first + to).min(state.next);
        if let Some(reader) = state.readers.iter_mut().find(|r| r.id == self.id) {
            reader.done = reader.done.max(to);
        }
        state.drop_passed();
        drop(state);
        self.queue.more_room();
    }

    /// Another reader that begins at the first line which this one has not done with.
    pub fn fork(&self, wake: Arc<Signal>) -> Cursor {
        let mut state = self.queue.state();
        state.joined += 1;
        let id = state.joined;
        let first = state.readers.iter().find(|r| r.id == self.id).map_or(state.next, |r| r.done);
        state.readers.push(Reader { id, done: first, wake, tap: None });
        drop(state);
        Cursor { queue: Arc::clone(&self.queue), id, first }
    }

    /// Whether another reads from the same queue.
    pub fn is_beside(&self, other: &Cursor) -> bool {
        Arc::ptr_eq(&self.queue, &other.queue)
    }

    /// The queue.
    pub fn queue(&self) -> &LineQueue {
        &self.queue
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.readers.retain(|r| r.id != self.id);
        state.drop_passed();
        if state.readers.is_empty() {
            let now = self.queue.micros();
            state.end_of_wait(now);
        }
        drop(state);
        self.queue.more_room();
    }
}
