//! Groups and their aggregates, in partitions by key hash: each worker owns the partitions it works on.
//!
//! ```text
//! keys → slots ─┬─ accumulators (a column of states per aggregate)
//!               ├─ stamp: the batch that changed the slot last (0: no group lives there)
//!               └─ expiry index: (event time at which the group closes, slot)
//! ```
//!
//! A batch works on a [`StateTable`] through `begin`, `update` as often as there are rows, `close`, `emit` and then
//! either `commit` or `rollback`. Until then removed groups are only marked and changed ones have a copy of their states, so that work follows
//! the batch and never the size of the state.

mod cold;

pub use self::cold::ExpiryOf;
use self::cold::Spilling;
use super::accumulator::{self, Accumulator, Aggregate, Updates};
use super::expiry::ExpiryIndex;
use super::keys::{KeyBatch, KeyKind, Keys};
use super::slots::Slots;
use super::spill::Cold;
use super::windows::WindowCounts;
use crate::checkpoint::block::LOT;
use crate::checkpoint::{Block, Changes, Columns};
use crate::engine::EngineError;
use crate::engine::eval::access::{self, Cells};
use crate::engine::pool::Pool;
use crate::progress::{OnDisk, StateOperatorProgress};
use polars::prelude::{BooleanChunked, Series};
use std::any::Any;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// One frame's rows, ready to go into a table: everything that needs no state is done.
pub struct Prepared {
    /// Keys with their hashes.
    pub keys: KeyBatch,
    /// The arguments of each aggregate, in its shapes.
    pub args: Vec<Vec<Series>>,
    /// Which rows an aggregate's FILTER lets through.
    pub filters: Vec<Option<BooleanChunked>>,
    /// When each row's group closes, in microseconds; only tables with event time have it.
    pub expiry: Option<Series>,
    /// The rows of each partition.
    pub scatter: Vec<Vec<u32>>,
}

/// Which groups a batch puts out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// Every group: complete mode and bounded queries.
    All,
    /// Those that this batch touched: update mode.
    Changed,
    /// Those that close: append mode.
    Closed,
}

/// Groups of one partition, for people to look at.
pub struct Listed {
    pub partition: usize,
    /// Keys and results.
    pub columns: Vec<Series>,
    /// The watermark that takes each away, in microseconds; `None`: none does.
    pub expiry: Vec<Option<i64>>,
    pub rows: usize,
}

/// Rows up to which the calling thread does the work: handing it over costs tens of microseconds.
const SMALL: usize = 4096;
/// With more slots a partition lies far outside of a core's own cache, and rows look for their keys together, so many
/// at once.
const FAR: usize = 1 << 17;
const AT_ONCE: usize = 256;
/// In a checkpoint, the time of a key that never goes.
const NEVER: i64 = i64::MAX;

/// A partitioned table of groups.
pub struct StateTable {
    partitions: Vec<Partition>,
    global: bool,
    undo: bool,
    spilling: Option<Spilling>,
}

/// What went on in a table in one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    pub rows: u64,
    pub updated: u64,
    pub removed: u64,
    pub bytes: u64,
    pub partitions: u64,
    /// Of the rows those on disk, and the bytes of the query's files there; `None` where nothing spills.
    pub disk: Option<(u64, u64)>,
}

impl TableStats {
    /// As progress shows them, under an operator's name and with the rows it dropped as late.
    pub fn progress(self, operator: &str, dropped: u64) -> StateOperatorProgress {
        StateOperatorProgress {
            operator_name: operator.to_string(),
            num_rows_total: self.rows,
            num_rows_updated: self.updated,
            num_rows_removed: self.removed,
            num_rows_dropped_by_watermark: dropped,
            memory_used_bytes: self.bytes,
            partitions: self.partitions,
            disk: self.disk.map(|(rows, bytes)| OnDisk { rows, bytes }),
            ..StateOperatorProgress::default()
        }
    }
}

struct Partition {
    keys: Keys,
    accumulators: Vec<Box<dyn Accumulator>>,
    stamps: Slots<u32>,
    stamp: u32,
    live: usize,
    expiry: Option<ExpiryIndex>,
    /// Slots that the batch touched.
    changed: Vec<u32>,
    /// Those that are new.
    fresh: Vec<u32>,
    /// When each of them closes, where groups do.
    fresh_times: Vec<Option<i64>>,
    /// Of tables of windows.
    windows: Option<WindowCounts>,
    /// When those close, on their way into the index.
    pending: Vec<(i64, u32)>,
    /// Slots that were there before the batch and that it touched.
    kept: Vec<u32>,
    /// Their states as they were: of stretches of `kept`, an update after the other.
    saved: Vec<Saved>,
    /// Slots that go at commit: first those from the index, then pending ones.
    closing: Vec<(i64, u32)>,
    /// How many of them came from the index.
    popped: usize,
    /// Groups on disk.
    cold: Option<Cold>,
    /// Up to which time they close.
    until: Option<i64>,
}

/// Copies of the states of `kept[from..until]`, an accumulator after the other.
struct Saved {
    from: usize,
    until: usize,
    states: Vec<Box<dyn Any + Send + Sync>>,
}

impl StateTable {
    /// An empty table of `partitions` (a power of two) partitions. With `expires`, groups have a time at which
    /// they close. Without `undo`, a failing batch may leave the table changed: for bounded queries.
    pub fn new(kind: &KeyKind, aggregates: &[&Aggregate], partitions: usize, expires: bool, undo: bool) -> Result<StateTable, EngineError> {
        let global = *kind == KeyKind::Global;
        let count = if global { 1 } else { partitions };
        let partitions = (0..count).map(|_| Partition::new(kind, aggregates, expires)).collect::<Result<_, _>>()?;
        Ok(StateTable { partitions, global, undo, spilling: None })
    }

    /// How many partitions rows are scattered over.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Takes rows in, partitions in parallel; may be called again with more rows of the batch.
    pub fn update(&mut self, batches: &[Prepared], pool: &Pool) -> Result<(), EngineError> {
        let undo = self.undo;
        let rows: usize = batches.iter().map(|b| b.keys.len()).sum();
        let work = |(index, partition): (usize, &mut Partition)| partition.update(index, batches, undo);
        let items: Vec<_> = self.partitions.iter_mut().enumerate().collect();
        if rows < SMALL {
            return items.into_iter().try_for_each(work);
        }
        pool.map(items, work).into_iter().collect()
    }

    /// Marks the groups that close at or before `until` for removal at commit.
    ///
    /// # Errors
    /// The disk's, where groups are there.
    pub fn close(&mut self, until: i64) -> Result<(), EngineError> {
        match self.pool_for_disk() {
            Some(shared) => {
                shared.pool().map(self.partitions.iter_mut().collect(), |p: &mut Partition| p.close(until)).into_iter().collect()
            }
            None => self.partitions.iter_mut().try_for_each(|p| p.close(until)),
        }
    }

    /// Key columns and results of the groups that the batch puts out, a partition after the other.
    pub fn emit(&self, emit: Emit, pool: &Pool) -> Result<Vec<(Vec<Series>, usize)>, EngineError> {
        let work = |p: &Partition| {
            let mut parts = vec![p.emit(emit, self.global)?];
            if emit == Emit::All {
                parts.extend(self.emit_cold(p)?);
            }
            Ok(parts)
        };
        let partitions: Vec<&Partition> = self.partitions.iter().collect();
        let small = self.partitions.iter().map(|p| p.emitted(emit)).sum::<usize>() < SMALL;
        let parts: Vec<Result<Vec<_>, EngineError>> =
            if small { partitions.into_iter().map(work).collect() } else { pool.map(partitions, work) };
        Ok(parts.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The batch is done: closed groups go for good.
    pub fn commit(&mut self, pool: Option<&Pool>) {
        let gone: usize = self.partitions.iter().map(|p| p.closing.len()).sum();
        match pool.filter(|_| gone >= SMALL) {
            Some(pool) => drop(pool.map(self.partitions.iter_mut().collect(), Partition::commit)),
            None => self.partitions.iter_mut().for_each(Partition::commit),
        }
        self.spill();
    }

    /// The batch failed: the table is as it was before.
    pub fn rollback(&mut self) {
        self.partitions.iter_mut().for_each(Partition::rollback);
    }

    /// Figures of the batch, with closed groups counted as gone.
    pub fn stats(&self) -> TableStats {
        let mut stats = TableStats { partitions: self.partitions.len() as u64, disk: self.on_disk(), ..TableStats::default() };
        for p in &self.partitions {
            stats.rows += (p.live - p.closing.len()) as u64 + p.cold_rows();
            stats.updated += p.changed.len() as u64;
            stats.removed += p.closing.len() as u64;
            stats.bytes += p.bytes() as u64;
        }
        stats
    }

    /// From now on, counts the groups of each window; a row's expiry is the end of its window.
    pub fn count_windows(&mut self) {
        self.partitions.iter_mut().for_each(|p| p.windows = Some(WindowCounts::default()));
    }

    /// The newest `limit` open windows, and those that this batch closes: ends with the number of groups.
    pub fn windows(&self, limit: usize) -> [BTreeMap<i64, u64>; 2] {
        let mut all = [BTreeMap::new(), BTreeMap::new()];
        for counts in self.partitions.iter().filter_map(|p| p.windows.as_ref()) {
            for (all, part) in all.iter_mut().zip(counts.newest(limit)) {
                part.into_iter().for_each(|(end, groups)| *all.entry(end).or_default() += groups);
            }
        }
        all.map(|mut windows| {
            while windows.len() > limit {
                windows.pop_first();
            }
            windows
        })
    }

    /// The first `limit` groups, a partition after the other; between batches.
    ///
    /// # Errors
    /// A defect: keys that cannot be read back.
    pub fn listed(&self, limit: usize) -> Result<Vec<Listed>, EngineError> {
        let mut left = limit;
        let mut out = Vec::with_capacity(self.partitions.len());
        for (number, partition) in self.partitions.iter().enumerate() {
            let listed = partition.listed(number, left)?;
            left -= listed.rows;
            out.push(listed);
            for listed in self.listed_cold(number, left)? {
                left -= listed.rows;
                out.push(listed);
            }
        }
        Ok(out)
    }

    /// The rows of each batch, in order, whose keys are new: a key counts once, where it stands first.
    ///
    /// # Errors
    /// A defect: keys that do not fit the table.
    pub fn upsert_new(&mut self, batches: &[&Prepared], pool: &Pool) -> Result<Vec<Vec<u32>>, EngineError> {
        let rows: usize = batches.iter().map(|b| b.keys.len()).sum();
        let work = |(index, partition): (usize, &mut Partition)| {
            batches.iter().map(|b| Ok(partition.upsert(b, &b.scatter[index])?.1)).collect::<Result<Vec<_>, EngineError>>()
        };
        let items: Vec<_> = self.partitions.iter_mut().enumerate().collect();
        let parts: Vec<Vec<Vec<u32>>> = if rows < SMALL {
            items.into_iter().map(work).collect::<Result<_, _>>()?
        } else {
            pool.map(items, work).into_iter().collect::<Result<_, _>>()?
        };
        let of_batch = |at: usize| {
            let mut fresh: Vec<u32> = parts.iter().flat_map(|p| &p[at]).copied().collect();
            fresh.sort_unstable();
            fresh
        };
        Ok((0..batches.len()).map(of_batch).collect())
    }

    /// What the batch at hand changes in a partition, closed groups included.
    pub fn changes(&self, partition: usize, out: &mut Changes<'_>) {
        let p = &self.partitions[partition];
        let closing: Vec<u32> = p.closing.iter().map(|(_, slot)| *slot).collect();
        let changed = p.changed_in_order();
        if closing.is_empty() {
            p.put(&changed, out);
        } else {
            let gone: HashSet<u32, ahash::RandomState> = closing.iter().copied().collect();
            p.put(&changed.iter().copied().filter(|slot| !gone.contains(slot)).collect::<Vec<_>>(), out);
        }
        for slots in closing.chunks(LOT) {
            let mut keys = Block::new(slots.len());
            p.keys.write_columns(slots, &mut keys);
            out.remove(0, &keys);
        }
    }

    /// What a batch of [`StateTable::upsert_new`] calls changes in a partition: new keys, each with its time.
    pub fn new_keys(&self, partition: usize, out: &mut Changes<'_>) {
        let p = &self.partitions[partition];
        let times = p.expiry.is_some().then_some(&p.fresh_times[..]);
        match times.zip(p.until) {
            None => p.add_keys(&p.fresh, times, out),
            Some((times, until)) => {
                let stays = |(_, time): &(&u32, &Option<i64>)| time.is_none_or(|t| t > until);
                let (slots, times): (Vec<u32>, Vec<Option<i64>>) = p.fresh.iter().zip(times).filter(stays).unzip();
                p.add_keys(&slots, Some(&times), out);
                if !p.closing.is_empty() {
                    out.remove_until(0, until);
                }
            }
        }
    }

    /// Every key of a partition with its time.
    ///
    /// # Errors
    /// The disk's, where some are there.
    pub fn all_keys(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        let mut add = |p: &Partition| {
            let slots = p.live_slots();
            p.add_keys(&slots, p.expiry.is_some().then(|| p.times(&slots)).as_deref(), out);
        };
        add(&self.partitions[partition]);
        self.each_cold(partition, add)
    }

    /// Takes keys that `new_keys` or `all_keys` gave; `None` for columns of another kind.
    pub fn restore_keys(&mut self, partition: usize, rows: &Block) -> Option<()> {
        let p = self.partitions.get_mut(partition)?;
        let mut columns = rows.reader();
        let times = if p.expiry.is_some() { Some(columns.numbers()?) } else { None };
        let slots = p.insert(&mut columns)?;
        if let (Some(heap), Some(times)) = (&mut p.expiry, times) {
            heap.extend(times.iter().zip(slots).filter(|(time, _)| **time != NEVER).map(|(time, slot)| (*time, slot)));
        }
        let done = columns.is_done();
        self.restored_some(rows.rows(), true);
        done.then_some(())
    }

    /// Every group of a partition.
    ///
    /// # Errors
    /// The disk's, where some are there.
    pub fn contents(&self, partition: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        let mut put = |p: &Partition| p.put(&p.live_slots(), out);
        put(&self.partitions[partition]);
        self.each_cold(partition, put)
    }

    /// Takes groups that `changes` or `contents` gave; `None` for columns of another kind.
    pub fn restore(&mut self, partition: usize, rows: &Block) -> Option<()> {
        let p = self.partitions.get_mut(partition)?;
        let mut columns = rows.reader();
        let slots = p.insert(&mut columns)?;
        let room = p.stamps.len();
        for accumulator in &mut p.accumulators {
            accumulator.grow(room);
            accumulator.read_columns(&slots, &mut columns)?;
        }
        let done = columns.is_done();
        self.restored_some(rows.rows(), false);
        done.then_some(())
    }

    /// All groups are back; `expiry` gives from key columns when each closes.
    ///
    /// # Errors
    /// A defect: keys that cannot be read back. The disk's, where groups went there.
    pub fn restored(&mut self, expiry: impl Fn(&[Series]) -> Result<Series, EngineError>) -> Result<(), EngineError> {
        for p in &mut self.partitions {
            if p.expiry.is_none() && p.windows.is_none() {
                continue;
            }
            let slots: Vec<u32> = (0..p.stamps.len() as u32).filter(|slot| p.stamps[*slot as usize] != 0).collect();
            let times = expiry(&p.keys.columns(&slots)?)?;
            let times = access::numbers::<i64>(&times)?;
            if let Some(heap) = &mut p.expiry {
                heap.extend(slots.iter().enumerate().filter_map(|(row, slot)| times.at(row).map(|t| (t, *slot))));
            }
            if let Some(windows) = &mut p.windows {
                (0..slots.len()).filter_map(|row| times.at(row)).for_each(|end| windows.open(end));
            }
        }
        self.check()
    }

    /// Starts a batch.
    pub fn begin(&mut self) {
        let global = self.global;
        self.partitions.iter_mut().for_each(|p| p.begin(global));
    }
}

impl Partition {
    fn new(kind: &KeyKind, aggregates: &[&Aggregate], expires: bool) -> Result<Partition, EngineError> {
        let accumulators = aggregates.iter().map(|a| a.accumulator()).collect::<Result<_, _>>()?;
        let mut partition = Partition {
            keys: Keys::new(kind.clone()),
            accumulators,
            stamps: Slots::default(),
            stamp: 1,
            live: 0,
            expiry: expires.then(ExpiryIndex::default),
            changed: Vec::new(),
            fresh: Vec::new(),
            fresh_times: Vec::new(),
            windows: None,
            pending: Vec::new(),
            kept: Vec::new(),
            saved: Vec::new(),
            closing: Vec::new(),
            popped: 0,
            until: None,
            cold: None,
        };
        if *kind == KeyKind::Global {
            partition.stamps.put(0, 1, &0);
            partition.live = 1;
            partition.accumulators.iter_mut().for_each(|a| a.grow(1));
        }
        Ok(partition)
    }

    /// The slots that the batch touched: where they are many, in order, which memory likes better.
    fn changed_in_order(&self) -> Cow<'_, [u32]> {
        if self.changed.len() < LOT || self.changed.len() * 16 < self.stamps.len() {
            return Cow::Borrowed(&self.changed);
        }
        Cow::Owned(self.stamps.iter().enumerate().filter(|(_, stamp)| **stamp == self.stamp).map(|(slot, _)| slot as u32).collect())
    }

    fn live_slots(&self) -> Vec<u32> {
        self.stamps.iter().enumerate().filter(|(_, stamp)| **stamp != 0).map(|(slot, _)| slot as u32).collect()
    }

    /// Groups with their states.
    fn put(&self, slots: &[u32], out: &mut Changes<'_>) {
        for slots in slots.chunks(accumulator::lot(&self.accumulators)) {
            let mut rows = Block::new(slots.len());
            self.keys.write_columns(slots, &mut rows);
            let keys = rows.columns();
            self.accumulators.iter().for_each(|a| a.write_columns(slots, &mut rows));
            out.put(0, keys, &rows);
        }
    }

    /// Keys behind the times at which they go, where they do.
    fn add_keys(&self, slots: &[u32], times: Option<&[Option<i64>]>, out: &mut Changes<'_>) {
        for (at, slots) in slots.chunks(LOT).enumerate() {
            let mut rows = Block::new(slots.len());
            if let Some(times) = times {
                rows.numbers(times[at * LOT..][..slots.len()].iter().map(|time| time.unwrap_or(NEVER)));
            }
            self.keys.write_columns(slots, &mut rows);
            out.add(0, times.map(|_| 0), &rows);
        }
    }

    /// Puts keys in that a checkpoint has; their slots.
    fn insert(&mut self, columns: &mut Columns<'_>) -> Option<Vec<u32>> {
        let found = self.keys.insert_columns(columns)?;
        self.stamps.grow(self.keys.slots().max(self.stamps.len()), &0);
        let (stamps, stamp) = (&mut self.stamps, self.stamp);
        self.live += found.iter().filter(|(_, new)| *new).count();
        found.iter().for_each(|(slot, _)| stamps[*slot as usize] = stamp);
        Some(found.into_iter().map(|(slot, _)| slot).collect())
    }

    fn begin(&mut self, global: bool) {
        self.stamp += 1;
        self.changed.clear();
        self.forget();
        if global {
            self.stamps[0] = self.stamp;
            self.changed.push(0);
            self.kept.push(0);
        }
    }

    /// There is nothing to undo.
    fn forget(&mut self) {
        self.fresh.clear();
        self.fresh_times.clear();
        self.pending.clear();
        self.kept.clear();
        self.saved.clear();
        self.closing.clear();
        self.popped = 0;
        self.until = None;
    }

    fn update(&mut self, index: usize, batches: &[Prepared], undo: bool) -> Result<(), EngineError> {
        let known = self.saved.last().map_or(0, |s| s.until);
        let mut slots = Vec::with_capacity(batches.len());
        for batch in batches {
            slots.push(self.upsert(batch, &batch.scatter[index])?.0);
        }
        let count = self.stamps.len();
        self.accumulators.iter_mut().for_each(|a| a.grow(count));
        if undo {
            self.save(known);
        }
        for (batch, slots) in batches.iter().zip(&slots) {
            self.accumulate(batch, Updates { rows: &batch.scatter[index], slots })?;
        }
        Ok(())
    }

    /// The slot of each row, and the first row of each new group.
    fn upsert(&mut self, batch: &Prepared, rows: &[u32]) -> Result<(Vec<u32>, Vec<u32>), EngineError> {
        let mut slots = Vec::with_capacity(rows.len());
        let mut first = Vec::new();
        let Partition { keys, stamps, stamp, changed, fresh, kept, .. } = self;
        let known = fresh.len();
        let far = keys.slots() > FAR;
        let mut near = Vec::new();
        for rows in rows.chunks(if far { AT_ONCE } else { rows.len().max(1) }) {
            if far {
                keys.approach(&batch.keys, rows, &mut near);
                let seen = near.iter().fold(0, |all, slot| all ^ stamps.get(*slot as usize).copied().unwrap_or(0));
                std::hint::black_box(seen);
            }
            keys.upsert(&batch.keys, rows, |row, slot, new| {
                let at = slot as usize;
                if new {
                    stamps.put(at, *stamp, &0);
                    changed.push(slot);
                    fresh.push(slot);
                    first.push(row);
                } else if stamps[at] != *stamp {
                    stamps[at] = *stamp;
                    changed.push(slot);
                    kept.push(slot);
                }
                slots.push(slot);
            })?;
        }
        self.live += first.len();
        self.recall(known, &mut first)?;
        if let Some(expiry) = &batch.expiry {
            let times = access::numbers::<i64>(expiry)?;
            if self.expiry.is_some() {
                self.fresh_times.extend(first.iter().map(|row| times.at(*row as usize)));
                let new = self.fresh[known..].iter().zip(&first);
                self.pending.extend(new.filter_map(|(slot, row)| times.at(*row as usize).map(|t| (t, *slot))));
            }
            if let Some(windows) = &mut self.windows {
                first.iter().filter_map(|row| times.at(*row as usize)).for_each(|end| windows.open(end));
            }
        }
        Ok((slots, first))
    }

    /// Copies the states of groups that were there before the batch and that it touched since the last call.
    fn save(&mut self, from: usize) {
        if self.kept.len() > from {
            let states = self.accumulators.iter().map(|a| a.save(&self.kept[from..])).collect();
            self.saved.push(Saved { from, until: self.kept.len(), states });
        }
    }

    fn accumulate(&mut self, batch: &Prepared, updates: Updates<'_>) -> Result<(), EngineError> {
        for ((accumulator, args), filter) in self.accumulators.iter_mut().zip(&batch.args).zip(&batch.filters) {
            match filter {
                None => accumulator.update(updates, args)?,
                Some(mask) => {
                    let passes = |row: u32| mask.get(row as usize) == Some(true);
                    let (rows, slots): (Vec<u32>, Vec<u32>) =
                        updates.rows.iter().zip(updates.slots).filter(|(row, _)| passes(**row)).map(|(r, s)| (*r, *s)).unzip();
                    accumulator.update(Updates { rows: &rows, slots: &slots }, args)?;
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, until: i64) -> Result<(), EngineError> {
        self.recall_due(until)?;
        let Some(index) = &mut self.expiry else { return Ok(()) };
        self.closing = index.pop_until(until);
        self.until = Some(until);
        self.popped = self.closing.len();
        self.closing.extend(self.pending.extract_if(.., |(time, _)| *time <= until));
        if let Some(windows) = &mut self.windows {
            windows.close(self.closing.iter().map(|(end, _)| *end));
        }
        Ok(())
    }

    /// The first `limit` groups in memory, of partition `number`.
    fn listed(&self, number: usize, limit: usize) -> Result<Listed, EngineError> {
        let mut slots = self.live_slots();
        slots.truncate(limit);
        let mut columns = self.keys.columns(&slots)?;
        for accumulator in &self.accumulators {
            columns.push(accumulator.finish(&slots)?);
        }
        Ok(Listed { partition: number, columns, expiry: self.times(&slots), rows: slots.len() })
    }

    /// How many groups come out.
    fn emitted(&self, emit: Emit) -> usize {
        match emit {
            Emit::All => self.live + self.cold_rows() as usize,
            Emit::Changed => self.changed.len(),
            Emit::Closed => self.closing.len(),
        }
    }

    /// When the groups in those slots close; walks the whole index.
    fn times(&self, slots: &[u32]) -> Vec<Option<i64>> {
        let Some(index) = self.expiry.as_ref().filter(|_| !slots.is_empty()) else { return vec![None; slots.len()] };
        let mut by_slot = vec![None; self.stamps.len()];
        index.iter().for_each(|(time, slot)| by_slot[slot as usize] = Some(time));
        slots.iter().map(|s| by_slot[*s as usize]).collect()
    }

    fn emit(&self, emit: Emit, global: bool) -> Result<(Vec<Series>, usize), EngineError> {
        let slots: Vec<u32> = match emit {
            _ if global => vec![0],
            Emit::All => self.stamps.iter().enumerate().filter(|(_, s)| **s != 0).map(|(slot, _)| slot as u32).collect(),
            Emit::Changed => self.changed.clone(),
            Emit::Closed => {
                let mut closing = self.closing.clone();
                closing.sort_unstable();
                closing.into_iter().map(|(_, slot)| slot).collect()
            }
        };
        let mut columns = self.keys.columns(&slots)?;
        for accumulator in &self.accumulators {
            columns.push(accumulator.finish(&slots)?);
        }
        Ok((columns, slots.len()))
    }

    fn commit(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.commit();
        }
        let gone: Vec<u32> = self.closing.drain(..).map(|(_, slot)| slot).collect();
        self.remove(&gone);
        if let Some(index) = &mut self.expiry {
            index.extend(self.pending.drain(..));
        }
        // A later batch may fail before it begins: there must be nothing left to undo.
        self.forget();
    }

    fn rollback(&mut self) {
        if let Some(windows) = &mut self.windows {
            windows.rollback();
        }
        if let Some(index) = &mut self.expiry {
            index.extend(self.closing.drain(..self.popped));
        }
        for Saved { from, until, states } in self.saved.drain(..) {
            for (accumulator, saved) in self.accumulators.iter_mut().zip(states) {
                accumulator.restore(&self.kept[from..until], saved);
            }
        }
        let fresh = std::mem::take(&mut self.fresh);
        self.remove(&fresh);
        self.changed.clear();
        self.forget();
    }

    fn remove(&mut self, slots: &[u32]) {
        if slots.is_empty() {
            return;
        }
        self.live -= slots.len();
        self.keys.remove(slots);
        slots.iter().for_each(|s| self.stamps[*s as usize] = 0);
        let known = self.stamps.len();
        for accumulator in &mut self.accumulators {
            // A batch that failed early has not made room for its groups yet.
            accumulator.grow(known);
            accumulator.clear(slots);
        }
    }

    fn bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.bytes()).sum();
        let index = self.expiry.as_ref().map_or(0, ExpiryIndex::bytes);
        let cold = self.cold.as_ref().map_or(0, Cold::bytes);
        self.keys.bytes() + accumulators + self.stamps.bytes() + index + cold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::series_of;
    use crate::plan::expr::{AggregateCall, ColumnId, Expr, FunctionId};
    use crate::types::{DataType, Value};

    fn column(data_type: DataType) -> Expr {
        Expr::Column { id: ColumnId(0), name: "v".to_string(), data_type }
    }

    fn call(function: &'static str, args: Vec<Expr>) -> Aggregate {
        let call = AggregateCall {
            function: FunctionId(function),
            args,
            filter: None,
            distinct: false,
            ignore_nulls: false,
            data_type: DataType::BigInt,
        };
        Aggregate::new(&call).unwrap()
    }

    /// Rows of key and value, ready for a table with a count and a sum; keys are also when their group closes.
    fn rows(kind: &KeyKind, partitions: usize, rows: &[(i64, i64)]) -> Prepared {
        let column =
            |f: &dyn Fn(&(i64, i64)) -> i64| series_of(&rows.iter().map(|r| Value::Int(f(r))).collect::<Vec<_>>(), &DataType::BigInt);
        let keys = kind.batch(&[column(&|r| r.0)], rows.len()).unwrap();
        let scatter = keys.scatter(partitions);
        Prepared { keys, args: vec![vec![], vec![column(&|r| r.1)]], filters: vec![None, None], expiry: Some(column(&|r| r.0)), scatter }
    }

    fn table(expires: bool) -> (KeyKind, StateTable, Pool) {
        let kind = KeyKind::of(&[DataType::BigInt]);
        let (count, sum) = (call("count", vec![]), call("sum", vec![column(DataType::BigInt)]));
        let table = StateTable::new(&kind, &[&count, &sum], 4, expires, true).unwrap();
        (kind, table, Pool::new(2).unwrap())
    }

    /// Keys with count and sum, in the order of the keys.
    fn groups(table: &StateTable, emit: Emit, pool: &Pool) -> Vec<(i64, i64, i64)> {
        let mut out = Vec::new();
        for (columns, rows) in table.emit(emit, pool).unwrap() {
            let columns: Vec<_> = columns.iter().map(|c| access::numbers::<i64>(c).unwrap()).collect();
            out.extend((0..rows).map(|row| (columns[0].values[row], columns[1].values[row], columns[2].values[row])));
        }
        out.sort_unstable();
        out
    }

    #[test]
    fn a_batch_that_fails_leaves_no_trace() {
        let (kind, mut table, pool) = table(true);
        table.begin();
        table.update(&[rows(&kind, 4, &[(1, 10), (2, 20), (1, 1)])], &pool).unwrap();
        table.commit(None);
        let before = groups(&table, Emit::All, &pool);
        assert_eq!(before, [(1, 2, 11), (2, 1, 20)]);
        table.begin();
        table.update(&[rows(&kind, 4, &[(1, 5), (3, 7)])], &pool).unwrap();
        table.close(2).unwrap();
        assert_eq!(groups(&table, Emit::Changed, &pool), [(1, 3, 16), (3, 1, 7)]);
        assert_eq!(groups(&table, Emit::Closed, &pool), [(1, 3, 16), (2, 1, 20)]);
        table.rollback();
        assert_eq!(groups(&table, Emit::All, &pool), before);
        table.begin();
        table.update(&[rows(&kind, 4, &[(1, 5), (3, 7)])], &pool).unwrap();
        table.close(2).unwrap();
        assert_eq!(table.stats().rows, 1);
        table.commit(None);
        // The next batch fails before it reaches the table.
        table.rollback();
        assert_eq!(groups(&table, Emit::All, &pool), [(3, 1, 7)]);
    }

    #[test]
    fn slots_of_closed_groups_are_used_again() {
        let (kind, mut table, pool) = table(true);
        for round in 0..50 {
            let batch: Vec<(i64, i64)> = (0..100).map(|i| (round * 100 + i, 1)).collect();
            table.begin();
            table.update(&[rows(&kind, 4, &batch)], &pool).unwrap();
            table.close(round * 100 - 1).unwrap();
            table.commit(None);
        }
        assert_eq!(table.stats().rows, 100);
        let slots: usize = table.partitions.iter().map(|p| p.keys.slots()).sum();
        assert!(slots <= 400, "{slots} slots for 200 live groups");
    }

    #[test]
    fn a_count_by_number_takes_few_bytes_a_key() {
        let kind = KeyKind::of(&[DataType::BigInt]);
        let count = call("count", vec![]);
        let mut table = StateTable::new(&kind, &[&count], 2, false, true).unwrap();
        let pool = Pool::new(2).unwrap();
        for piece in 0..10i64 {
            let batch: Vec<(i64, i64)> = (0..100_000).map(|i| (piece * 100_000 + i, 1)).collect();
            let mut prepared = rows(&kind, 2, &batch);
            (prepared.args, prepared.filters, prepared.expiry) = (vec![vec![]], vec![None], None);
            table.begin();
            table.update(&[prepared], &pool).unwrap();
            table.commit(None);
        }
        let stats = table.stats();
        assert_eq!(stats.rows, 1_000_000);
        assert!(stats.bytes / stats.rows <= 64, "{} bytes a key", stats.bytes / stats.rows);
    }
}
