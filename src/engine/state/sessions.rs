//! Sessions and their aggregates: spans of time per key that grow and merge as rows come.
//!
//! ```text
//! key slot → its sessions in order of start ─ each: start, end, slot of the accumulators
//! expiry index: (end, slot), checked against the slot's span, because ends move
//! ```
//!
//! A batch's rows are put in order once and swept together with the sessions of the keys that they touch: what
//! touches or overlaps becomes one session. Until `commit`, the lists of touched keys and the states of touched
//! sessions have copies.

mod cold;

use self::cold::Spilling;
use super::accumulator::{self, Accumulator, Aggregate, Updates};
use super::expiry::ExpiryIndex;
use super::keys::{KeyBatch, KeyKind, Keys};
use super::spill::{Cold, Recency};
use super::{Emit, TableStats};
use crate::checkpoint::block::LOT;
use crate::checkpoint::{Block, Changes};
use crate::engine::EngineError;
use crate::engine::clock::Clock;
use crate::engine::eval::access::{self, number_series};
use crate::engine::pool::Pool;
use polars::prelude::{BooleanChunked, Series};
use std::any::Any;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// One frame's rows, ready to go into a table.
pub struct SessionRows {
    /// The keys beside the session.
    pub keys: KeyBatch,
    /// Each row's own session, in microseconds.
    pub starts: Series,
    /// Where it ends; after its start.
    pub ends: Series,
    /// The arguments of each aggregate, in its shapes.
    pub args: Vec<Vec<Series>>,
    /// Which rows an aggregate's FILTER lets through.
    pub filters: Vec<Option<BooleanChunked>>,
    /// The rows of each partition.
    pub scatter: Vec<Vec<u32>>,
}

/// What a batch puts out of one partition.
pub struct SessionOutput {
    /// The keys beside the session.
    pub keys: Vec<Series>,
    /// Starts and ends.
    pub spans: [Series; 2],
    /// The aggregates' results.
    pub results: Vec<Series>,
    /// Number of rows.
    pub rows: usize,
}

/// A partitioned table of sessions.
pub struct SessionTable {
    spent: [u64; 2],
    partitions: Vec<Partition>,
    spilling: Option<Spilling>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    start: i64,
    end: i64,
    slot: u32,
}

/// Where no session lives.
const FREE: i64 = i64::MIN;
/// A cluster that has no slot yet.
const NONE: u32 = u32::MAX;

struct Partition {
    keys: Keys,
    global: bool,
    /// By key slot, in order of start; they neither overlap nor touch.
    sessions: Vec<Vec<Session>>,
    /// By session slot: key slot and end; the end is [`FREE`] where none lives.
    owners: Vec<(u32, i64)>,
    free: Vec<u32>,
    accumulators: Vec<Box<dyn Accumulator>>,
    expiry: Option<ExpiryIndex>,
    live: usize,
    batch: Touched,
    /// Keys on disk with their sessions.
    cold: Option<Cold>,
    /// By key slot, where some go to disk.
    recency: Recency,
}

/// What the batch at hand did, so that it can be undone.
#[derive(Default)]
struct Touched {
    /// Parts of the lists of touched keys as they were.
    before: Vec<Before>,
    fresh_keys: Vec<u32>,
    changed: Vec<u32>,
    fresh: Vec<u32>,
    /// Merged into others.
    merged: Vec<u32>,
    kept: Vec<u32>,
    saved: Vec<Box<dyn Any + Send + Sync>>,
    popped: Vec<(i64, u32)>,
    closing: Vec<(u32, Session)>,
}

/// The sessions of a key from place `from` on, where there are now `count`.
struct Before {
    key: u32,
    from: usize,
    count: usize,
    sessions: Vec<Session>,
}

/// A row on its way to its session.
#[derive(Clone, Copy)]
struct Place {
    key: u32,
    start: i64,
    end: i64,
    batch: u32,
    row: u32,
}

/// What a batch's rows ask of the accumulators.
#[derive(Default)]
struct Work {
    /// By batch: rows and the slots that they go to.
    rows: Vec<Vec<(u32, u32)>>,
    into: Vec<u32>,
    from: Vec<u32>,
}

impl SessionTable {
    /// An empty table of `partitions` (a power of two) partitions. With `expires`, sessions close by their end.
    ///
    /// # Errors
    /// An aggregate that is not built.
    pub fn new(kind: &KeyKind, aggregates: &[&Aggregate], partitions: usize, expires: bool) -> Result<SessionTable, EngineError> {
        let count = if *kind == KeyKind::Global { 1 } else { partitions };
        let partitions = (0..count).map(|_| Partition::new(kind, aggregates, expires)).collect::<Result<_, _>>()?;
        Ok(SessionTable { spent: [0; 2], partitions, spilling: None })
    }

    /// How many partitions rows are scattered over.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The first `limit` sessions with their partition, one after the other; between batches.
    ///
    /// # Errors
    /// A defect: keys that cannot be read back.
    pub fn listed(&self, limit: usize) -> Result<Vec<(usize, SessionOutput)>, EngineError> {
        let mut left = limit;
        let mut out = Vec::with_capacity(self.partitions.len());
        for (number, partition) in self.partitions.iter().enumerate() {
            let sessions: Vec<(u32, Session)> = partition.all().take(left).collect();
            left -= sessions.len();
            out.push((number, partition.output(&sessions)?));
            for chunk in self.output_cold(partition, left)? {
                left -= chunk.rows;
                out.push((number, chunk));
            }
        }
        Ok(out)
    }

    /// Takes a batch's rows in and closes sessions that end at or before `until`; partitions in parallel. Gives what
    /// the batch puts out.
    ///
    /// # Errors
    /// An aggregate that overflows.
    pub fn step(
        &mut self,
        batches: &[SessionRows],
        until: Option<i64>,
        emit: Emit,
        pool: &Pool,
        clock: &dyn Clock,
    ) -> Result<Vec<SessionOutput>, EngineError> {
        let (updates, removals) = (AtomicU64::new(0), AtomicU64::new(0));
        let rows: usize = batches.iter().map(|b| b.keys.len()).sum();
        let work = |(index, partition): (usize, &mut Partition)| {
            let start = clock.ticks();
            partition.update(index, batches)?;
            let updated = clock.ticks();
            partition.close(until)?;
            updates.fetch_add(updated - start, Ordering::Relaxed);
            removals.fetch_add(clock.ticks() - updated, Ordering::Relaxed);
            partition.emit(emit)
        };
        let items: Vec<_> = self.partitions.iter_mut().enumerate().collect();
        // Handing work over costs tens of microseconds: more than a small batch takes.
        let parts = if rows < 4096 { items.into_iter().map(work).collect() } else { pool.map(items, work) };
        let mut parts = parts.into_iter().collect::<Result<Vec<_>, EngineError>>()?;
        self.spent = [updates.into_inner(), removals.into_inner()];
        if emit != Emit::Closed {
            for partition in &self.partitions {
                parts.extend(self.output_cold(partition, usize::MAX)?);
            }
        }
        Ok(parts)
    }

    /// What taking in the last batch and letting go took in all partitions together, on the duration clock.
    pub fn spent(&self) -> [u64; 2] {
        self.spent
    }

    /// The batch is done: closed sessions go for good.
    pub fn commit(&mut self) {
        self.partitions.iter_mut().for_each(Partition::commit);
        self.spill();
    }

    /// The batch failed: the table is as it was before.
    pub fn rollback(&mut self) {
        self.partitions.iter_mut().for_each(Partition::rollback);
    }

    /// What the batch at hand changes in a partition, closed sessions included: by key and start.
    pub fn changes(&self, partition: usize, out: &mut Changes<'_>) {
        let p = &self.partitions[partition];
        let closing: HashSet<u32> = p.batch.closing.iter().map(|(_, s)| s.slot).collect();
        let (mut gone, mut there) = (Vec::new(), Vec::new());
        for Before { key, from, count, sessions } in &p.batch.before {
            let after = &p.sessions[*key as usize][*from..from + count];
            let left = sessions.iter().filter(|s| after.binary_search_by_key(&s.start, |a| a.start).is_err());
            gone.extend(left.map(|s| (*key, *s)));
            there.extend(after.iter().filter(|s| !closing.contains(&s.slot)).map(|s| (*key, *s)));
        }
        gone.extend_from_slice(&p.batch.closing);
        p.put(&there, out);
        for lot in gone.chunks(LOT) {
            out.remove(0, &p.names(lot));
        }
    }

    /// Every session of a partition.
    ///
    /// # Errors
    /// The disk's, where some are there.
    pub fn contents(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        let p = &self.partitions[partition];
        p.put(&p.all().collect::<Vec<_>>(), out);
        self.chunks(p, usize::MAX, |chunk, _| {
            chunk.put(&chunk.all().collect::<Vec<_>>(), out);
            Ok(())
        })
    }

    /// Takes sessions that `changes` or `contents` gave; `None` for columns of another kind.
    pub fn restore(&mut self, partition: usize, rows: &Block) -> Option<()> {
        self.partitions.get_mut(partition)?.restore(rows)?;
        self.restored_some(rows.rows());
        Some(())
    }

    /// Figures of the batch, with closed sessions counted as gone.
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats { partitions: self.partitions.len() as u64, disk: self.on_disk(), ..TableStats::default() };
        for p in &self.partitions {
            stats.rows += (p.live - p.batch.closing.len()) as u64 + p.cold_rows();
            stats.updated += p.batch.changed.len() as u64;
            stats.removed += p.batch.closing.len() as u64;
            stats.bytes += p.bytes() as u64;
        }
        stats
    }
}

impl Partition {
    fn new(kind: &KeyKind, aggregates: &[&Aggregate], expires: bool) -> Result<Partition, EngineError> {
        Ok(Partition {
            keys: Keys::new(kind.clone()),
            global: *kind == KeyKind::Global,
            sessions: vec![Vec::new()],
            owners: Vec::new(),
            free: Vec::new(),
            accumulators: aggregates.iter().map(|a| a.accumulator()).collect::<Result<_, _>>()?,
            expiry: expires.then(ExpiryIndex::default),
            live: 0,
            batch: Touched::default(),
            cold: None,
            recency: Recency::default(),
        })
    }

    /// What sessions go by in a checkpoint: key and start.
    fn names(&self, sessions: &[(u32, Session)]) -> Block {
        let mut rows = Block::new(sessions.len());
        self.keys.write_columns(&sessions.iter().map(|(key, _)| *key).collect::<Vec<_>>(), &mut rows);
        rows.numbers(sessions.iter().map(|(_, session)| session.start));
        rows
    }

    fn put(&self, sessions: &[(u32, Session)], out: &mut Changes<'_>) {
        for lot in sessions.chunks(accumulator::lot(&self.accumulators)) {
            let mut rows = self.names(lot);
            let keys = rows.columns();
            rows.numbers(lot.iter().map(|(_, session)| session.end));
            let slots: Vec<u32> = lot.iter().map(|(_, session)| session.slot).collect();
            self.accumulators.iter().for_each(|a| a.write_columns(&slots, &mut rows));
            out.put(0, keys, &rows);
        }
    }

    fn restore(&mut self, rows: &Block) -> Option<()> {
        let mut columns = rows.reader();
        let keys = self.keys.insert_columns(&mut columns)?;
        self.recall_new(&keys)?;
        let (starts, ends) = (columns.numbers()?, columns.numbers()?);
        self.sessions.resize_with(self.sessions.len().max(self.keys.slots()), Vec::new);
        let first = self.owners.len() as u32;
        self.owners.extend(keys.iter().zip(ends).map(|((key, _), end)| (*key, *end)));
        let slots: Vec<u32> = (first..self.owners.len() as u32).collect();
        for accumulator in &mut self.accumulators {
            accumulator.grow(self.owners.len());
            accumulator.read_columns(&slots, &mut columns)?;
        }
        for (at, ((key, _), slot)) in keys.iter().zip(&slots).enumerate() {
            let (start, end) = (starts[at], ends[at]);
            let list = &mut self.sessions[*key as usize];
            list.insert(list.partition_point(|s| s.start < start), Session { start, end, slot: *slot });
        }
        self.live += slots.len();
        if let Some(index) = &mut self.expiry {
            index.extend(ends.iter().copied().zip(slots));
        }
        columns.is_done().then_some(())
    }

    fn update(&mut self, index: usize, batches: &[SessionRows]) -> Result<(), EngineError> {
        self.batch = Touched::default();
        self.recency.begin();
        let mut places = self.places(index, batches)?;
        places.sort_unstable_by_key(|p| (p.key, p.start, p.batch, p.row));
        let mut work = Work { rows: vec![Vec::new(); batches.len()], ..Work::default() };
        for rows in places.chunk_by(|a, b| a.key == b.key) {
            if self.cold.is_some() {
                self.recency.touch(rows[0].key);
            }
            self.place(rows, &mut work);
        }
        let count = self.owners.len();
        self.accumulators.iter_mut().for_each(|a| a.grow(count));
        self.batch.saved = self.accumulators.iter().map(|a| a.save(&self.batch.kept)).collect();
        for (batch, rows) in batches.iter().zip(work.rows) {
            // In order of start within a session, which `first` and `last` go by.
            let (rows, slots): (Vec<u32>, Vec<u32>) = rows.into_iter().unzip();
            self.accumulate(batch, &rows, &slots)?;
        }
        for accumulator in &mut self.accumulators {
            accumulator.merge(&work.into, &work.from)?;
        }
        if let Some(index) = &mut self.expiry {
            index.extend(self.batch.changed.iter().map(|slot| (self.owners[*slot as usize].1, *slot)));
        }
        Ok(())
    }

    fn places(&mut self, index: usize, batches: &[SessionRows]) -> Result<Vec<Place>, EngineError> {
        let mut places = Vec::with_capacity(batches.iter().map(|b| b.scatter[index].len()).sum());
        for (number, batch) in batches.iter().enumerate() {
            let (starts, ends) = (access::numbers::<i64>(&batch.starts)?.values, access::numbers::<i64>(&batch.ends)?.values);
            let fresh = &mut self.batch.fresh_keys;
            self.keys.upsert(&batch.keys, &batch.scatter[index], |row, key, new| {
                let at = row as usize;
                places.push(Place { key, start: starts[at], end: ends[at], batch: number as u32, row });
                if new {
                    fresh.push(key);
                }
            })?;
        }
        let keys = self.keys.slots().max(self.sessions.len());
        self.sessions.resize_with(keys, Vec::new);
        self.recall()?;
        Ok(places)
    }

    /// Sweeps the rows of one key, in order of start, together with the sessions that they can reach.
    fn place(&mut self, rows: &[Place], work: &mut Work) {
        let key = rows[0].key;
        let list = &self.sessions[key as usize];
        let latest = rows.iter().map(|r| r.end).max().unwrap_or(FREE);
        let from = list.partition_point(|s| s.end < rows[0].start);
        let to = list.partition_point(|s| s.start <= latest).max(from);
        let before = list[from..to].to_vec();
        let mut after: Vec<Session> = Vec::with_capacity(before.len() + 1);
        let mut members = Vec::with_capacity(rows.len());
        let (mut old, mut new) = (before.iter().peekable(), rows.iter().peekable());
        loop {
            let session = match (old.peek(), new.peek()) {
                (Some(s), Some(r)) if s.start <= r.start => old.next(),
                (Some(_), None) => old.next(),
                (_, Some(_)) => None,
                (None, None) => break,
            };
            let row = if session.is_none() { new.next() } else { None };
            let next = match (session, row) {
                (Some(s), _) => *s,
                (None, Some(r)) => Session { start: r.start, end: r.end, slot: NONE },
                (None, None) => break,
            };
            match after.last_mut() {
                // Sessions that only touch are one, too.
                Some(open) if next.start <= open.end => {
                    open.end = open.end.max(next.end);
                    if next.slot != NONE {
                        // What starts first comes first: `first` and `last` go by it.
                        if open.slot == NONE {
                            open.slot = self.allocate(key);
                        }
                        work.into.push(open.slot);
                        work.from.push(next.slot);
                        self.owners[next.slot as usize].1 = FREE;
                        self.batch.merged.push(next.slot);
                        self.batch.kept.push(next.slot);
                    }
                }
                _ => after.push(next),
            }
            if row.is_some() {
                members.push(after.len() - 1);
            }
        }
        for (row, at) in rows.iter().zip(&members) {
            if after[*at].slot == NONE {
                after[*at].slot = self.allocate(key);
            }
            work.rows[row.batch as usize].push((row.row, after[*at].slot));
        }
        self.settle(key, from, before, after, &members);
    }

    fn allocate(&mut self, key: u32) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.owners.push((key, FREE));
            self.owners.len() as u32 - 1
        });
        self.batch.fresh.push(slot);
        slot
    }

    /// Puts the swept part of a key's list in place and notes what changed.
    fn settle(&mut self, key: u32, from: usize, before: Vec<Session>, after: Vec<Session>, members: &[usize]) {
        let mut last = usize::MAX;
        for at in members.iter().copied().filter(|at| std::mem::replace(&mut last, *at) != *at) {
            let slot = after[at].slot;
            if self.owners[slot as usize].1 != FREE {
                self.batch.kept.push(slot);
            }
            self.batch.changed.push(slot);
        }
        after.iter().for_each(|s| self.owners[s.slot as usize] = (key, s.end));
        self.live = self.live + after.len() - before.len();
        let count = after.len();
        self.sessions[key as usize].splice(from..from + before.len(), after);
        self.batch.before.push(Before { key, from, count, sessions: before });
    }

    fn accumulate(&mut self, batch: &SessionRows, rows: &[u32], slots: &[u32]) -> Result<(), EngineError> {
        for ((accumulator, args), filter) in self.accumulators.iter_mut().zip(&batch.args).zip(&batch.filters) {
            match filter {
                None => accumulator.update(Updates { rows, slots }, args)?,
                Some(mask) => {
                    let passing = rows.iter().zip(slots).filter(|(row, _)| mask.get(**row as usize) == Some(true));
                    let (rows, slots): (Vec<u32>, Vec<u32>) = passing.map(|(r, s)| (*r, *s)).unzip();
                    accumulator.update(Updates { rows: &rows, slots: &slots }, args)?;
                }
            }
        }
        Ok(())
    }

    /// Marks sessions that end at or before `until` for removal at commit.
    fn close(&mut self, until: Option<i64>) -> Result<(), EngineError> {
        let Some(until) = until else { return Ok(()) };
        self.recall_due(until)?;
        let Some(index) = &mut self.expiry else { return Ok(()) };
        self.batch.popped = index.pop_until(until);
        for (time, slot) in &self.batch.popped {
            let (key, end) = self.owners[*slot as usize];
            // An end that has moved since has an entry of its own.
            if end != *time {
                continue;
            }
            let list = &self.sessions[key as usize];
            if let Some(session) = list.get(list.partition_point(|s| s.end < *time)).filter(|s| s.slot == *slot) {
                self.batch.closing.push((key, *session));
                self.owners[*slot as usize].1 = FREE;
            }
        }
        Ok(())
    }

    fn emit(&self, emit: Emit) -> Result<SessionOutput, EngineError> {
        let sessions: Vec<(u32, Session)> = match emit {
            Emit::Closed => self.batch.closing.clone(),
            _ => self.all().collect(),
        };
        self.output(&sessions)
    }

    fn all(&self) -> impl Iterator<Item = (u32, Session)> + '_ {
        self.sessions.iter().enumerate().flat_map(|(key, list)| list.iter().map(move |s| (key as u32, *s)))
    }

    fn output(&self, sessions: &[(u32, Session)]) -> Result<SessionOutput, EngineError> {
        let keys: Vec<u32> = sessions.iter().map(|(key, _)| *key).collect();
        let slots: Vec<u32> = sessions.iter().map(|(_, s)| s.slot).collect();
        let times = |time: fn(&Session) -> i64| number_series(sessions.iter().map(|(_, s)| time(s)).collect(), None);
        Ok(SessionOutput {
            keys: self.keys.columns(&keys)?,
            spans: [times(|s| s.start), times(|s| s.end)],
            results: self.accumulators.iter().map(|a| a.finish(&slots)).collect::<Result<_, _>>()?,
            rows: sessions.len(),
        })
    }

    fn commit(&mut self) {
        let changes = std::mem::take(&mut self.batch);
        let mut gone = changes.merged;
        let mut emptied = Vec::new();
        for (key, session) in &changes.closing {
            let list = &mut self.sessions[*key as usize];
            list.remove(list.partition_point(|s| s.end < session.end));
            if list.is_empty() && !self.global {
                emptied.push(*key);
            }
            gone.push(session.slot);
        }
        self.live -= changes.closing.len();
        self.release(&gone);
        self.keys.remove(&emptied);
    }

    fn rollback(&mut self) {
        let changes = std::mem::take(&mut self.batch);
        if let Some(index) = &mut self.expiry {
            index.extend(changes.popped.into_iter());
        }
        for (key, session) in &changes.closing {
            self.owners[session.slot as usize] = (*key, session.end);
        }
        changes.fresh.iter().for_each(|slot| self.owners[*slot as usize].1 = FREE);
        for Before { key, from, count, sessions } in changes.before {
            sessions.iter().for_each(|s| self.owners[s.slot as usize] = (key, s.end));
            self.live = self.live + sessions.len() - count;
            self.sessions[key as usize].splice(from..from + count, sessions);
        }
        for (accumulator, saved) in self.accumulators.iter_mut().zip(changes.saved) {
            accumulator.restore(&changes.kept, saved);
        }
        self.release(&changes.fresh);
        self.keys.remove(&changes.fresh_keys);
    }

    /// Empties slots and lets others have them.
    fn release(&mut self, slots: &[u32]) {
        let count = self.owners.len();
        for accumulator in &mut self.accumulators {
            // A batch that failed early has not made room for its sessions yet.
            accumulator.grow(count);
            accumulator.clear(slots);
        }
        self.free.extend_from_slice(slots);
    }

    fn bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.bytes()).sum();
        let lists = self.sessions.capacity() * size_of::<Vec<Session>>() + self.live * size_of::<Session>();
        let index = self.expiry.as_ref().map_or(0, ExpiryIndex::bytes);
        let cold = self.cold.as_ref().map_or(0, Cold::bytes);
        self.keys.bytes() + accumulators + lists + self.owners.capacity() * 16 + index + cold
    }
}
