//! One partition of a table of groups.

use super::*;

/// With more slots a partition lies far outside of a core's own cache, and rows look for their keys together, so many
/// at once.
const FAR: usize = 1 << 17;
const AT_ONCE: usize = 256;

/// The groups of one partition: a worker has it to itself.
pub(super) struct Partition {
    pub(super) keys: Keys,
    pub(super) accumulators: Vec<Box<dyn Accumulator>>,
    pub(super) stamps: Slots<u32>,
    pub(super) stamp: u32,
    pub(super) live: usize,
    pub(super) expiry: Option<ExpiryIndex>,
    /// Slots that the batch touched.
    pub(super) changed: Vec<u32>,
    /// Those that are new.
    pub(super) fresh: Vec<u32>,
    /// When each of them closes, where groups do.
    pub(super) fresh_times: Vec<Option<i64>>,
    /// Of tables of windows.
    pub(super) windows: Option<WindowCounts>,
    /// When those close, on their way into the index.
    pub(super) pending: Vec<(i64, u32)>,
    /// Slots that were there before the batch and that it touched.
    pub(super) kept: Vec<u32>,
    /// Their states as they were: of stretches of `kept`, an update after the other.
    pub(super) saved: Vec<Saved>,
    /// Slots that go at commit: first those from the index, then pending ones.
    pub(super) closing: Vec<(i64, u32)>,
    /// How many of them came from the index.
    pub(super) popped: usize,
    /// Groups on disk.
    pub(super) cold: Option<Cold>,
    /// Up to which time they close.
    pub(super) until: Option<i64>,
}

/// Copies of the states of `kept[from..until]`, an accumulator after the other.
pub(super) struct Saved {
    from: usize,
    until: usize,
    states: Vec<Box<dyn Any + Send + Sync>>,
}

impl Partition {
    pub(super) fn new(kind: &KeyKind, aggregates: &[&Aggregate], expires: bool) -> Result<Partition, EngineError> {
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
    pub(super) fn changed_in_order(&self) -> Cow<'_, [u32]> {
        if self.changed.len() < LOT || self.changed.len() * 16 < self.stamps.len() {
            return Cow::Borrowed(&self.changed);
        }
        Cow::Owned(self.stamps.iter().enumerate().filter(|(_, stamp)| **stamp == self.stamp).map(|(slot, _)| slot as u32).collect())
    }

    pub(super) fn live_slots(&self) -> Vec<u32> {
        self.stamps.iter().enumerate().filter(|(_, stamp)| **stamp != 0).map(|(slot, _)| slot as u32).collect()
    }

    /// Groups with their states.
    pub(super) fn put(&self, slots: &[u32], out: &mut Changes<'_>) {
        for slots in slots.chunks(accumulator::lot(&self.accumulators)) {
            let mut rows = Block::new(slots.len());
            self.keys.write_columns(slots, &mut rows);
            let keys = rows.columns();
            self.accumulators.iter().for_each(|a| a.write_columns(slots, &mut rows));
            out.put(0, keys, &rows);
        }
    }

    /// Keys behind the times at which they go, where they do.
    pub(super) fn add_keys(&self, slots: &[u32], times: Option<&[Option<i64>]>, out: &mut Changes<'_>) {
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
    pub(super) fn insert(&mut self, columns: &mut Columns<'_>) -> Option<Vec<u32>> {
        let found = self.keys.insert_columns(columns)?;
        self.stamps.grow(self.keys.slots().max(self.stamps.len()), &0);
        let (stamps, stamp) = (&mut self.stamps, self.stamp);
        self.live += found.iter().filter(|(_, new)| *new).count();
        found.iter().for_each(|(slot, _)| stamps[*slot as usize] = stamp);
        Some(found.into_iter().map(|(slot, _)| slot).collect())
    }

    pub(super) fn begin(&mut self, global: bool) {
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
    pub(super) fn forget(&mut self) {
        self.fresh.clear();
        self.fresh_times.clear();
        self.pending.clear();
        self.kept.clear();
        self.saved.clear();
        self.closing.clear();
        self.popped = 0;
        self.until = None;
    }

    pub(super) fn update(&mut self, index: usize, batches: &[Prepared], undo: bool) -> Result<(), EngineError> {
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
    pub(super) fn upsert(&mut self, batch: &Prepared, rows: &[u32]) -> Result<(Vec<u32>, Vec<u32>), EngineError> {
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

    pub(super) fn close(&mut self, until: i64) -> Result<(), EngineError> {
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
    pub(super) fn listed(&self, number: usize, limit: usize) -> Result<Listed, EngineError> {
        let mut slots = self.live_slots();
        slots.truncate(limit);
        let mut columns = self.keys.columns(&slots)?;
        for accumulator in &self.accumulators {
            columns.push(accumulator.finish(&slots)?);
        }
        Ok(Listed { partition: number, columns, expiry: self.times(&slots), rows: slots.len() })
    }

    /// How many groups come out.
    pub(super) fn emitted(&self, emit: Emit) -> usize {
        match emit {
            Emit::All => self.live + self.cold_rows() as usize,
            Emit::Changed => self.changed.len(),
            Emit::Closed => self.closing.len(),
        }
    }

    /// When the groups in those slots close; walks the whole index.
    pub(super) fn times(&self, slots: &[u32]) -> Vec<Option<i64>> {
        let Some(index) = self.expiry.as_ref().filter(|_| !slots.is_empty()) else { return vec![None; slots.len()] };
        let mut by_slot = vec![None; self.stamps.len()];
        index.iter().for_each(|(time, slot)| by_slot[slot as usize] = Some(time));
        slots.iter().map(|s| by_slot[*s as usize]).collect()
    }

    pub(super) fn emit(&self, emit: Emit, global: bool) -> Result<(Vec<Series>, usize), EngineError> {
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

    pub(super) fn commit(&mut self) {
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

    pub(super) fn rollback(&mut self) {
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

    pub(super) fn remove(&mut self, slots: &[u32]) {
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

    pub(super) fn bytes(&self) -> usize {
        let accumulators: usize = self.accumulators.iter().map(|a| a.bytes()).sum();
        let index = self.expiry.as_ref().map_or(0, ExpiryIndex::bytes);
        let cold = self.cold.as_ref().map_or(0, Cold::bytes);
        self.keys.bytes() + accumulators + self.stamps.bytes() + index + cold
    }
}
