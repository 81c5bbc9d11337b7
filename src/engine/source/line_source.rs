//! Rows out of a receiver's queue: what socket and standard input have in common.
//!
//! Offsets count lines, `{"lines":42}`, from where the query first joined. A line can be read again until it is
//! committed. Beyond that nothing is kept, so that a restarted query goes on at the number it left off with the lines
//! that come then; a source with a write-ahead log first replays what its log has.

use crate::checkpoint::Offset;
use crate::engine::EngineError;
use crate::engine::source::bad::Tally;
use crate::engine::source::line_format::DecodeLines;
use crate::engine::source::queue::{Cursor, LineQueue, Lines};
use crate::engine::source::rate_limit::{BatchFacts, RateLimit, RateSettings};
use crate::engine::source::receivers::Receiver;
use crate::engine::source::socket::Log;
use crate::engine::source::{Earlier, ReadTask, Signal, Source};
use crate::progress::{Connection, SourceStatus};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that one task decodes, about: enough to make handing it over worthwhile.
const TASK_BYTES: usize = 1 << 20;
/// How long `latest` waits at a time for standard input that is still being read.
const WAIT: Duration = Duration::from_millis(200);

/// A query's reading end of a receiver.
pub struct LineSource {
    /// The stream's name in the catalog.
    stream: String,
    /// Such as `socket localhost:9999`.
    description: String,
    /// `None` until it is known where an earlier run stood: a source with a log joins then.
    cursor: Option<Cursor>,
    log: Option<Log>,
    /// Raised with every change of the queue.
    wake: Arc<Signal>,
    decoder: Arc<dyn DecodeLines>,
    tally: Arc<Tally>,
    /// Lives for as long as someone reads from it.
    receiver: Arc<Receiver>,
    /// Whether batch 0 runs at once.
    pub(super) starts_empty: bool,
    /// For available now: what is there is all up to the end of the input, not what was read by chance.
    pub(super) frozen_reads_to_end: bool,
    /// A closed connection that never opened is a failure, not an end.
    pub(super) fails_when_refused: bool,
    state: Progress,
}

#[derive(Debug, Default)]
struct Progress {
    /// Number of the cursor's line 0: that of the first line that was not received before.
    base: u64,
    /// Lines of before, replayed from the log, in order.
    replay: Vec<Lines>,
    replayed: u64,
    /// `latest` goes no further than this line.
    frozen: Option<u64>,
    to_end: bool,
    /// The line that `latest` went up to last.
    told: u64,
    rate: Option<RateLimit>,
    /// Lines over the limit that were told of.
    oversized: u64,
}

/// What a [`LineSource`] is made of.
pub(super) struct LineSourceParts {
    pub(super) stream: String,
    pub(super) description: String,
    /// Its place in the receiver's lines, where that is not the end.
    pub(super) cursor: Option<Cursor>,
    pub(super) wake: Arc<Signal>,
    pub(super) decoder: Arc<dyn DecodeLines>,
    pub(super) tally: Arc<Tally>,
    pub(super) receiver: Arc<Receiver>,
    /// Keeps the lines for a restart.
    pub(super) log: Option<Log>,
}

impl LineSource {
    /// A source over a place in a queue: batch 0 does not run at once, available now takes what was read so far.
    pub(super) fn new(parts: LineSourceParts) -> LineSource {
        let LineSourceParts { stream, description, cursor, wake, decoder, tally, receiver, log } = parts;
        let cursor = cursor.or_else(|| log.is_none().then(|| receiver.queue().join(Arc::clone(&wake))));
        LineSource {
            stream,
            description,
            cursor,
            log,
            wake,
            decoder,
            tally,
            receiver,
            starts_empty: false,
            frozen_reads_to_end: false,
            fails_when_refused: false,
            state: Progress::default(),
        }
    }

    fn queue(&self) -> &LineQueue {
        self.receiver.queue()
    }

    /// Lines that came from the receiver.
    fn received(&self) -> u64 {
        self.cursor.as_ref().map_or(0, Cursor::received)
    }

    /// Joins the receiver, if that had to wait for [`Source::restore`].
    fn begin(&mut self, earlier: &Earlier) -> Result<(), EngineError> {
        let (Some(log), None) = (&mut self.log, &self.cursor) else { return Ok(()) };
        let from = earlier.committed.as_ref().map_or(Ok(0), lines_of)?;
        let known = earlier.planned.as_ref().map_or(Ok(from), lines_of)?.max(from);
        let replay = log.open(from, known, !earlier.journal.is_empty())?;
        self.state.base = replay.end;
        self.state.replayed = replay.lines.iter().map(|l| l.len() as u64).sum();
        self.state.replay = replay.lines;
        let tap = log.tap().map(|tap| (tap, replay.end));
        self.cursor = Some(self.receiver.queue().join_with(Arc::clone(&self.wake), tap));
        Ok(())
    }

    /// The number after the last line there is.
    fn end(&self) -> u64 {
        self.state.base + self.received()
    }

    /// The number of the first line after an offset.
    fn start(&self, from: Option<&Offset>) -> Result<u64, EngineError> {
        match (from, self.state.replay.first()) {
            (Some(from), _) => lines_of(from),
            (None, Some(_)) => Ok(0),
            (None, None) => Ok(self.state.base),
        }
    }

    /// For available now and once over an input that ends: waits for the end, or until the queue takes no more.
    fn wait_for_all(&self) {
        let complete = || {
            let status = self.queue().status();
            status.closed || status.full
        };
        while !complete() {
            let seen = self.received();
            if self.wake.wait(WAIT) && self.received() == seen && !complete() {
                // Somebody else wants the query's attention, as a STOP does: the signal is left for it to see.
                self.wake.raise();
                return;
            }
        }
    }
}

impl Source for LineSource {
    fn latest(&mut self, from: Option<&Offset>) -> Result<Option<Offset>, EngineError> {
        self.begin(&Earlier::default())?;
        if let Some(failure) = self.log.as_ref().and_then(Log::take_failure) {
            self.queue().more_room();
            return Err(failure.within(&self.description));
        }
        let start = self.start(from)?;
        if self.state.to_end {
            self.wait_for_all();
        }
        let status = self.queue().status();
        if self.fails_when_refused
            && status.closed
            && let Connection::Refused(why) = status.connection
        {
            return Err(EngineError::external(why).within(&self.description));
        }
        let mut end = self.end();
        if let Some(frozen) = self.state.frozen {
            end = end.min(frozen);
        }
        if let Some(rows) = self.state.rate.as_ref().and_then(RateLimit::rows_per_batch) {
            end = end.min(start + rows);
        }
        let end = end.max(start);
        self.state.told = end;
        let nothing_yet = from.is_none() && end == 0 && !self.starts_empty;
        Ok((!nothing_yet).then(|| offset_at(end)))
    }

    fn read(&mut self, from: Option<&Offset>, to: &Offset) -> Result<Vec<ReadTask>, EngineError> {
        self.begin(&Earlier::default())?;
        let (start, end, base) = (self.start(from)?, lines_of(to)?, self.state.base);
        let mut slices: Vec<Lines> = self.state.replay.iter().filter_map(|lines| lines.between(start, end)).collect();
        if let Some(cursor) = self.cursor.as_ref().filter(|_| end > base) {
            slices.extend(cursor.slice(start.max(base) - base, end - base));
        }
        self.note_oversized();
        // Lines from before the query joined are gone, unless a log has them.
        let mut at = if self.state.replay.is_empty() { start.max(base) } else { start };
        let mut tasks: Vec<ReadTask> = Vec::new();
        let mut group: Vec<Lines> = Vec::new();
        let mut weight = 0;
        for lines in slices {
            weight += lines.weight();
            group.push(lines);
            if weight >= TASK_BYTES {
                let count: usize = group.iter().map(Lines::len).sum();
                tasks.push(self.task(std::mem::take(&mut group), at));
                at += count as u64;
                weight = 0;
            }
        }
        if !group.is_empty() {
            tasks.push(self.task(group, at));
        }
        Ok(tasks)
    }

    fn commit(&mut self, offset: &Offset) -> Result<(), EngineError> {
        let line = lines_of(offset)?;
        self.state.replay.retain(|lines| lines.end() > line);
        if let Some(cursor) = &self.cursor {
            cursor.release(line.saturating_sub(self.state.base));
        }
        Ok(())
    }

    fn durable(&mut self, offset: &Offset) -> Result<(), EngineError> {
        let line = lines_of(offset)?;
        self.log.as_ref().map_or(Ok(()), |log| log.clean(line))
    }

    fn journal(&mut self, _from: Option<&Offset>, _to: &Offset) -> Result<Vec<String>, EngineError> {
        self.log.as_mut().map_or(Ok(Vec::new()), Log::journal)
    }

    fn journal_so_far(&mut self) -> Vec<String> {
        self.log.as_ref().map_or(Vec::new(), Log::journal_so_far)
    }

    fn restore(&mut self, earlier: &Earlier) -> Result<(), EngineError> {
        if self.log.is_some() {
            return self.begin(earlier);
        }
        if !earlier.journal.is_empty() {
            return Err(EngineError::user(format!(
                "the checkpoint has a write-ahead log of {}, and the stream has none any more",
                self.stream
            ))
            .help("do: OPTIONS (wal 'true') as before, so that the lines in it are not lost"));
        }
        // Nothing is kept over a restart: the rows of the batch that was cut off are gone with those before it.
        let reached = earlier.planned.as_ref().or(earlier.committed.as_ref());
        self.state.base = reached.map_or(Ok(0), lines_of)?;
        Ok(())
    }

    fn place(&self) -> Option<&Cursor> {
        // What is in a log is replayed from there.
        self.cursor.as_ref().filter(|_| self.log.is_none())
    }

    fn receiver(&self) -> Option<Arc<Receiver>> {
        Some(Arc::clone(&self.receiver))
    }

    fn take_place(&mut self, of: &Cursor) {
        if self.cursor.as_ref().is_some_and(|own| own.is_beside(of)) {
            self.cursor = Some(of.fork(Arc::clone(&self.wake)));
        }
    }

    fn status(&self) -> SourceStatus {
        let queue = self.queue().status();
        let limits = self.queue().limits();
        let (_, bad, sample) = self.tally.figures();
        SourceStatus {
            stream: self.stream.clone(),
            description: self.description.clone(),
            connection: queue.connection,
            buffered_rows: queue.rows,
            buffered_bytes: queue.bytes,
            capacity_rows: limits.rows,
            capacity_bytes: limits.bytes,
            received_rows: self.received(),
            replayed_rows: self.state.replayed,
            wal_bytes: self.log.as_ref().map(Log::bytes),
            bad_rows: queue.invalid + bad,
            oversized_rows: queue.oversized,
            sample: sample.or(queue.sample),
            blocked_micros: queue.blocked_micros,
            rate_limit: self.state.rate.as_ref().and_then(RateLimit::rate),
        }
    }

    fn ended(&self) -> bool {
        // Lines may have come between the last look and the close: they must be told of first.
        self.queue().status().closed && self.state.told >= self.state.frozen.unwrap_or_else(|| self.end())
    }

    fn freeze(&mut self) -> Result<(), EngineError> {
        self.begin(&Earlier::default())?;
        if self.frozen_reads_to_end {
            self.state.to_end = true;
        } else {
            self.state.frozen = Some(self.end());
        }
        Ok(())
    }

    fn poll_every(&self) -> Option<Duration> {
        None
    }

    fn starts_empty(&self) -> bool {
        self.starts_empty
    }

    fn limit_rate(&mut self, settings: RateSettings) {
        self.state.rate = Some(RateLimit::new(settings));
    }

    fn batch_ended(&mut self, facts: &BatchFacts) {
        if let Some(rate) = &mut self.state.rate {
            rate.observe(facts);
        }
    }
}

impl LineSource {
    /// Decodes lines of which `first` is the number of the first in the stream.
    fn task(&self, lines: Vec<Lines>, first: u64) -> ReadTask {
        let decoder = Arc::clone(&self.decoder);
        let tally = Arc::clone(&self.tally);
        Box::new(move || {
            let decoded = decoder.decode(&lines).map_err(|e| match e.failure().row {
                Some(line) => e.within(&format!("line {}", first + line as u64 + 1)),
                None => e,
            })?;
            tally.add_bad(decoded.bad, |line| format!("line {}", first + line + 1));
            Ok(decoded.frame)
        })
    }

    /// Keeps one of the lines that were dropped for their length since the last look.
    fn note_oversized(&mut self) {
        let queue = self.queue().status();
        if queue.oversized > self.state.oversized {
            let count = queue.oversized - self.state.oversized;
            self.state.oversized = queue.oversized;
            let reason = format!("{count} dropped: longer than maxLineBytes allows");
            self.tally.keep_line(String::new(), queue.sample.unwrap_or_default(), reason);
        }
    }
}

fn offset_at(lines: u64) -> Offset {
    Offset(format!("{{\"lines\":{lines}}}"))
}

fn lines_of(offset: &Offset) -> Result<u64, EngineError> {
    let digits = offset.0.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')).and_then(|t| t.trim().strip_prefix("\"lines\""));
    let digits = digits.and_then(|t| t.trim().strip_prefix(':')).map(str::trim);
    digits
        .and_then(|d| d.parse().ok())
        .ok_or_else(|| EngineError::user(format!("{offset} is no position in a stream of lines: it should look like {{\"lines\":42}}")))
}
