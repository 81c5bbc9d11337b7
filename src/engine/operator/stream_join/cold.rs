//! Rows on disk: all rows of a key, of both sides, leave memory together and come
//! back together.

use super::partition::{Kept, NONE, Partition};
use super::{Shape, StreamJoin};
use crate::checkpoint::Changes;
use crate::engine::EngineError;
use crate::engine::state::expiry::ExpiryIndex;
use crate::engine::state::keys::KeyKind;
use crate::engine::state::spill::{Bundle, Bundles, CHUNK, Cold, Found, Tier, beside, garbled, staying};
use crate::engine::state::stored::{Stored, put_bytes, put_varint, take_bytes, take_varint};
use polars::prelude::Series;
use std::ops::ControlFlow;

/// Kept columns, and the watermark that takes each row away.
pub(super) type ListedRows = (Vec<Series>, Vec<Option<i64>>);

/// A row on its way between memory and disk.
struct Row<'a> {
    id: u64,
    time: Option<i64>,
    matched: bool,
    cells: &'a [u8],
}

impl<'a> Row<'a> {
    fn put(&self, out: &mut Vec<u8>) {
        put_varint(self.id, out);
        self.time.put(out);
        self.matched.put(out);
        put_bytes(self.cells, out);
    }

    fn take(bytes: &mut &'a [u8]) -> Option<Row<'a>> {
        Some(Row { id: take_varint(bytes)?, time: Stored::take(bytes)?, matched: bool::take(bytes)?, cells: take_bytes(bytes)? })
    }
}

/// The rows of a bundle, by side; older ones first.
fn rows_of(mut value: &[u8]) -> Result<[Vec<Row<'_>>; 2], EngineError> {
    let mut sides = [Vec::new(), Vec::new()];
    for side in &mut sides {
        let count = take_varint(&mut value).ok_or_else(garbled)?;
        for _ in 0..count {
            side.push(Row::take(&mut value).ok_or_else(garbled)?);
        }
    }
    if value.is_empty() { Ok(sides) } else { Err(garbled()) }
}

impl StreamJoin {
    pub(super) fn spill_rows_to(&mut self, tier: Tier) {
        let count = self.partitions.len();
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            partition.cold = Some(tier.cold(number, count));
        }
        self.tier = Some(tier);
    }

    pub(super) fn check_disk(&self) -> Result<(), EngineError> {
        self.tier.as_ref().map_or(Ok(()), Tier::check)
    }

    /// Rows and bytes on disk; `None` where nothing spills.
    pub(super) fn on_disk(&self) -> Option<(u64, u64)> {
        let tier = self.tier.as_ref()?;
        Some((self.partitions.iter().map(Partition::cold_rows).sum(), tier.disk_bytes()))
    }

    /// Moves to disk what is too much in memory, or with `all` all of it; between batches.
    pub(super) fn spill(&mut self, all: bool) {
        let Some(tier) = &mut self.tier else { return };
        let (shape, kind) = (&self.shape, &self.kind);
        tier.settle(&mut self.partitions, all, |p| p.figures().bytes as usize, |p, target| p.spill(target, kind, shape));
    }

    /// A restart brought some more rows: from time to time all of them go to disk.
    pub(super) fn restored_some(&mut self, rows: usize) {
        if self.tier.as_mut().is_some_and(|tier| tier.brings(rows)) {
            self.spill(true);
        }
    }

    /// Every row of a partition, for a checkpoint.
    pub(super) fn partition_contents(&self, number: usize, out: &mut Changes<'_>) -> Result<(), EngineError> {
        let partition = &self.partitions[number];
        partition.contents(out);
        let Some(cold) = partition.cold.as_ref().filter(|c| !c.is_empty()) else { return Ok(()) };
        let fresh = || {
            let mut chunk = Partition::new(&self.kind, &self.shape);
            chunk.sides.iter_mut().zip(&partition.sides).for_each(|(chunk, side)| chunk.unsettled.clone_from(&side.unsettled));
            chunk
        };
        let mut chunk = fresh();
        cold.each(|found| {
            chunk.load(found)?;
            if chunk.sides.iter().map(|side| side.live).sum::<usize>() >= CHUNK {
                chunk.contents(out);
                chunk = fresh();
            }
            Ok(ControlFlow::Continue(()))
        })?;
        chunk.contents(out);
        Ok(())
    }

    /// The first `limit` rows of a side that a partition has on disk, in chunks.
    pub(super) fn listed_cold(&self, number: usize, side: usize, limit: usize) -> Result<Vec<ListedRows>, EngineError> {
        let cold = self.partitions[number].cold.as_ref().filter(|c| !c.is_empty() && limit > 0);
        let Some(cold) = cold else { return Ok(Vec::new()) };
        let (mut out, mut left) = (Vec::new(), limit);
        let mut chunk = Partition::new(&self.kind, &self.shape);
        cold.each(|found| {
            chunk.load(found)?;
            if chunk.sides[side].live >= CHUNK.min(left) {
                let listed = chunk.listed(&self.shape, side, left)?;
                left -= listed.1.len();
                out.push(listed);
                chunk = Partition::new(&self.kind, &self.shape);
            }
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if left > 0 {
            out.push(chunk.listed(&self.shape, side, left)?);
        }
        Ok(out)
    }
}

impl Partition {
    /// Rows on disk.
    pub(super) fn cold_rows(&self) -> u64 {
        self.cold.as_ref().map_or(0, Cold::rows)
    }

    /// Of the keys that seemed new, those from `known` on: what is on disk of them comes back.
    pub(super) fn recall(&mut self, known: usize) -> Result<(), EngineError> {
        beside(self, |p| &mut p.cold, |p, cold| p.recall_from(cold, known))
    }

    fn recall_from(&mut self, cold: &mut Cold, known: usize) -> Result<(), EngineError> {
        let (keys, new) = (&self.keys, &self.fresh[known..]);
        let found = cold.find(new.len(), |at, out| keys.write_key(new[at], out))?;
        for (at, found) in &found {
            self.fill(self.fresh[known + at], found.value())?;
            cold.forget(found);
        }
        Ok(())
    }

    /// Brings back the keys with a row of `side` that is due at or before `until`.
    pub(super) fn recall_due(&mut self, side: usize, until: i64) -> Result<(), EngineError> {
        beside(self, |p| &mut p.cold, |p, cold| cold.take_due(side, until, |found| p.load(found)))
    }

    fn load(&mut self, found: &Found) -> Result<(), EngineError> {
        let (key, _) = self.keys.insert_key(found.key()).ok_or_else(garbled)?;
        self.fill(key, found.value())
    }

    /// Gives a key without rows those of a bundle.
    fn fill(&mut self, key: u32, value: &[u8]) -> Result<(), EngineError> {
        let slots = self.keys.slots();
        self.sides.iter_mut().for_each(|s| s.heads.grow(slots, &NONE));
        for (side, rows) in self.sides.iter_mut().zip(rows_of(value)?) {
            for row in rows {
                side.put_back(key, &row, self.marks).ok_or_else(garbled)?;
            }
        }
        Ok(())
    }

    /// Moves keys to disk until those that stay take about `target` bytes: those that were touched last.
    fn spill(&mut self, target: usize, kind: &KeyKind, shape: &Shape) -> Result<(), EngineError> {
        let [left, right] = &self.sides;
        let has_rows = |key: &u32| [left, right].iter().any(|side| side.head(*key) != NONE);
        let mut keys: Vec<u32> = (0..self.keys.slots() as u32).filter(has_rows).collect();
        let quota = staying(&mut keys, target, self.figures().bytes as usize, |key| self.recency.of(key));
        let times = [left.times(), right.times()];
        let mut next = Partition::new(kind, shape);
        next.recency = self.recency.next();
        let Some(cold) = &self.cold else { return Ok(()) };
        let (mut bundle, mut bundles) = (Bundle::default(), Bundles::default());
        for (at, key) in keys.iter().enumerate() {
            self.bundle(*key, &times, &mut bundle);
            if at >= quota && bundle.fits() {
                cold.pack(&bundle, &mut bundles);
                continue;
            }
            let (own, _) = next.keys.insert_key(&bundle.key).ok_or_else(garbled)?;
            next.fill(own, &bundle.value)?;
            next.recency.keep(own, self.recency.of(*key));
        }
        if let Some(cold) = &mut self.cold {
            cold.put(bundles)?;
        }
        for (next, side) in next.sides.iter_mut().zip(&mut self.sides) {
            next.next_id = side.next_id;
            next.unsettled = std::mem::take(&mut side.unsettled);
        }
        next.cold = self.cold.take();
        *self = next;
        Ok(())
    }

    fn bundle(&self, key: u32, times: &[Vec<Option<i64>>; 2], bundle: &mut Bundle) {
        bundle.clear();
        self.keys.write_key(key, &mut bundle.key);
        let mut cells = Vec::new();
        for (at, (side, times)) in self.sides.iter().zip(times).enumerate() {
            let chain = side.chain(key);
            put_varint(chain.len() as u64, &mut bundle.value);
            bundle.rows += chain.len() as u64;
            // The newest stands first in a chain.
            for slot in chain.into_iter().rev() {
                let time = times.get(slot as usize).copied().flatten();
                bundle.times[at] = [bundle.times[at], time].into_iter().flatten().min();
                cells.clear();
                side.rows.write_row(slot, &mut cells);
                Row { id: side.ids[slot as usize], time, matched: side.is_matched(slot), cells: &cells }.put(&mut bundle.value);
            }
        }
    }

    /// All entries are in: rows that found a partner after the batch that brought them are marked.
    pub(super) fn restored(&mut self) -> Result<(), EngineError> {
        for side in &mut self.sides {
            if !side.unsettled.is_empty() {
                let slots: Vec<u32> = (0..side.heads.len() as u32).flat_map(|key| side.chain(key)).collect();
                for slot in slots {
                    side.matched[slot as usize] |= side.unsettled.remove(&side.ids[slot as usize]);
                }
            }
            if !side.unsettled.is_empty() && self.cold.as_ref().is_none_or(Cold::is_empty) {
                return Err(EngineError::internal("a row that found a partner is missing in the checkpoint"));
            }
        }
        Ok(())
    }

    /// Of keys that a restart brought, the new ones: other rows of theirs may have gone to disk before.
    pub(super) fn recall_new(&mut self, keys: &[(u32, bool)]) -> Option<()> {
        if self.cold.as_ref().is_none_or(Cold::is_empty) {
            return Some(());
        }
        let known = self.fresh.len();
        self.fresh.extend(keys.iter().filter(|(_, new)| *new).map(|(key, _)| *key));
        let recalled = self.recall(known);
        self.fresh.truncate(known);
        if let (Err(error), Some(cold)) = (recalled, &self.cold) {
            cold.fail(error);
        }
        Some(())
    }
}

impl Kept {
    fn head(&self, key: u32) -> u32 {
        if self.heads.len() > key as usize { self.heads[key as usize] } else { NONE }
    }

    fn is_matched(&self, slot: u32) -> bool {
        self.matched.len() > slot as usize && self.matched[slot as usize]
    }

    /// The rows of a key.
    fn chain(&self, key: u32) -> Vec<u32> {
        let mut slots = Vec::new();
        let mut slot = self.head(key);
        while slot != NONE {
            slots.push(slot);
            slot = self.next[slot as usize];
        }
        slots
    }

    /// By row, when it is due.
    fn times(&self) -> Vec<Option<i64>> {
        let mut times = vec![None; if self.expiry.is_some() { self.rows.slots() } else { 0 }];
        self.expiry.iter().flat_map(ExpiryIndex::iter).for_each(|(time, slot)| times[slot as usize] = Some(time));
        times
    }

    /// Takes back a row that was here before.
    fn put_back(&mut self, key: u32, row: &Row<'_>, marks: bool) -> Option<()> {
        let mut cells = row.cells;
        let slot = self.rows.put_row(&mut cells)?;
        let total = self.rows.slots();
        for list in [&mut self.keys, &mut self.next, &mut self.previous] {
            list.grow(total, &NONE);
        }
        self.ids.resize(total, 0);
        self.ids[slot as usize] = row.id;
        self.next_id = self.next_id.max(row.id + 1);
        self.link(slot, key);
        if marks {
            self.matched.grow(total, &false);
            self.matched[slot as usize] = row.matched || self.unsettled.remove(&row.id);
        }
        if let (Some(index), Some(time)) = (&mut self.expiry, row.time) {
            index.extend(std::iter::once((time, slot)));
        }
        self.live += 1;
        cells.is_empty().then_some(())
    }
}
