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
mod partition;

pub use self::cold::ExpiryOf;
use self::cold::Spilling;
use self::partition::Partition;
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
