//! The cold tier of a table of groups: what leaves memory at commit, and what comes back.
//!
//! A group that a batch touches is looked for on disk when its key is new in memory, and from then on is like any
//! other. Groups that the watermark closes come back first. Only what reads every group reads the disk in chunks.

use super::{Emit, Listed, Partition, StateTable};
use crate::engine::eval::access::{self, Cells};
use crate::engine::state::accumulator::Aggregate;
use crate::engine::state::keys::KeyKind;
use crate::engine::state::spill::{Bundle, Bundles, CHUNK, Cold, Found, Tier, beside, garbled, staying};
use crate::engine::{EngineError, Resources};
use polars::prelude::Series;
use std::ops::ControlFlow;

/// From key columns, when each group closes.
pub type ExpiryOf = Box<dyn Fn(&[Series]) -> Result<Series, EngineError> + Send + Sync>;

/// What makes an empty partition.
struct Recipe {
    kind: KeyKind,
    aggregates: Vec<Aggregate>,
    expires: bool,
}

impl Recipe {
    fn partition(&self) -> Result<Partition, EngineError> {
        Partition::new(&self.kind, &self.aggregates.iter().collect::<Vec<_>>(), self.expires)
    }
}

/// How a table spills.
pub(super) struct Spilling {
    tier: Tier,
    recipe: Recipe,
    expiry: Option<ExpiryOf>,
}

/// From slots, when their groups close.
type Times<'a> = &'a (dyn Fn(&Partition, &[u32]) -> Result<Vec<Option<i64>>, EngineError> + Sync);

impl StateTable {
    /// From now on keeps in memory what `tier` lets it. `kind` and `aggregates` are those it was made with; `expiry` says
    /// when groups close where that follows from their keys.
    pub fn spill_to(&mut self, tier: Tier, kind: &KeyKind, aggregates: &[&Aggregate], expiry: Option<ExpiryOf>) {
        if self.global {
            return;
        }
        let expires = self.partitions.iter().any(|p| p.expiry.is_some());
        let recipe = Recipe { kind: kind.clone(), aggregates: aggregates.iter().map(|a| (*a).clone()).collect(), expires };
        let count = self.partitions.len();
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            partition.cold = Some(tier.cold(number, count));
        }
        self.spilling = Some(Spilling { tier, recipe, expiry });
    }

    /// Whether what spilled so far is well.
    ///
    /// # Errors
    /// The disk's, since the last call.
    pub fn check(&self) -> Result<(), EngineError> {
        self.spilling.as_ref().map_or(Ok(()), |s| s.tier.check())
    }

    /// Who waits for the disk together, where there is something on it.
    pub(super) fn pool_for_disk(&self) -> Option<Resources> {
        let cold = self.partitions.iter().any(|p| p.filled().is_some());
        self.spilling.as_ref().filter(|_| cold).map(|s| s.tier.resources())
    }

    /// Rows and bytes on disk; `None` where nothing spills.
    pub(super) fn on_disk(&self) -> Option<(u64, u64)> {
        let spilling = self.spilling.as_ref()?;
        Some((self.partitions.iter().map(Partition::cold_rows).sum(), spilling.tier.disk_bytes()))
    }

    /// Moves to disk what is too much in memory; between batches.
    pub(super) fn spill(&mut self) {
        let Some(Spilling { tier, recipe, .. }) = &mut self.spilling else { return };
        let spill = |p: &mut Partition, target: usize| p.spill(target, recipe, true, &|p, slots| Ok(p.times(slots)));
        tier.settle(&mut self.partitions, false, Partition::bytes, spill);
    }

    /// A restart brought some more groups: from time to time all of them go to disk. `indexed` where their times are known
    /// already.
    pub(super) fn restored_some(&mut self, groups: usize, indexed: bool) {
        let Some(Spilling { tier, recipe, expiry }) = &mut self.spilling else { return };
        if !tier.brings(groups) {
            return;
        }
        let expiry = expiry.as_ref().filter(|_| !indexed);
        let times = |p: &Partition, slots: &[u32]| expiry.map_or_else(|| Ok(p.times(slots)), |expiry| p.times_of_keys(slots, expiry));
        tier.settle(&mut self.partitions, true, Partition::bytes, |p, _| p.spill(0, recipe, indexed, &times));
    }

    /// Calls `visit` with all groups of a partition that are on disk, in chunks.
    pub(super) fn each_cold(&self, number: usize, mut visit: impl FnMut(&Partition)) -> Result<(), EngineError> {
        self.chunks(&self.partitions[number], usize::MAX, |chunk| {
            visit(chunk);
            Ok(())
        })?;
        Ok(())
    }

    /// All groups of a partition that are on disk, in chunks.
    pub(super) fn emit_cold(&self, partition: &Partition) -> Result<Vec<(Vec<Series>, usize)>, EngineError> {
        self.chunks(partition, usize::MAX, |chunk| chunk.emit(Emit::All, false))
    }

    /// The first `limit` groups on disk.
    pub(super) fn listed_cold(&self, number: usize, limit: usize) -> Result<Vec<Listed>, EngineError> {
        self.chunks(&self.partitions[number], limit, |chunk| chunk.listed(number, limit))
    }

    fn chunks<T>(
        &self,
        partition: &Partition,
        limit: usize,
        mut give: impl FnMut(&Partition) -> Result<T, EngineError>,
    ) -> Result<Vec<T>, EngineError> {
        let Some((cold, spilling)) = partition.filled().zip(self.spilling.as_ref()).filter(|_| limit > 0) else { return Ok(Vec::new()) };
        let (mut out, mut left) = (Vec::new(), limit);
        let mut chunk = spilling.recipe.partition()?;
        cold.each(|found| {
            chunk.load(found)?;
            left -= 1;
            if chunk.live == CHUNK {
                out.push(give(&chunk)?);
                chunk = spilling.recipe.partition()?;
            }
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if chunk.live > 0 {
            out.push(give(&chunk)?);
        }
        Ok(out)
    }
}

impl Partition {
    fn filled(&self) -> Option<&Cold> {
        self.cold.as_ref().filter(|c| !c.is_empty())
    }

    /// Groups on disk.
    pub(super) fn cold_rows(&self) -> u64 {
        self.cold.as_ref().map_or(0, Cold::rows)
    }

    /// Keys from `fresh[known..]` on seemed new, and `first` has the rows that brought them: those that are on disk come
    /// back and are new no more.
    pub(super) fn recall(&mut self, known: usize, first: &mut Vec<u32>) -> Result<(), EngineError> {
        beside(self, |p| &mut p.cold, |p, cold| p.recall_from(cold, known, first))
    }

    fn recall_from(&mut self, cold: &mut Cold, known: usize, first: &mut Vec<u32>) -> Result<(), EngineError> {
        let (keys, new) = (&self.keys, &self.fresh[known..]);
        let found = cold.find(new.len(), |at, out| keys.write_key(new[at], out))?;
        if found.is_empty() {
            return Ok(());
        }
        let slots: Vec<u32> = found.iter().map(|(at, _)| new[*at]).collect();
        let mut stays = vec![true; new.len()];
        found.iter().for_each(|(at, _)| stays[*at] = false);
        for ((_, found), slot) in found.iter().zip(&slots) {
            self.decode(*slot, found.value())?;
        }
        // From here on nothing fails: a batch that did would take away what seemed new.
        found.iter().for_each(|(_, found)| cold.forget(found));
        let new = self.fresh.split_off(known);
        self.fresh.extend(new.iter().zip(&stays).filter(|(_, stays)| **stays).map(|(slot, _)| *slot));
        let mut stays = stays.into_iter();
        first.retain(|_| stays.next().unwrap_or(true));
        if let Some(index) = &mut self.expiry {
            index.extend(found.iter().zip(&slots).filter_map(|((_, found), slot)| found.times[0].map(|time| (time, *slot))));
        }
        self.kept.extend(slots);
        Ok(())
    }

    /// Brings back what closes at or before `until`.
    pub(super) fn recall_due(&mut self, until: i64) -> Result<(), EngineError> {
        beside(self, |p| &mut p.cold, |p, cold| cold.take_due(0, until, |found| p.load(found)))
    }

    /// Takes a group from disk into a slot of its own, as one that no batch touches.
    fn load(&mut self, found: &Found) -> Result<(), EngineError> {
        let (slot, _) = self.keys.insert_key(found.key()).ok_or_else(garbled)?;
        let untouched = self.stamp.saturating_sub(1).max(1);
        self.stamps.put(slot as usize, untouched, &0);
        if let Err(error) = self.decode(slot, found.value()) {
            self.stamps[slot as usize] = 0;
            self.keys.remove(&[slot]);
            return Err(error);
        }
        if let (Some(index), Some(time)) = (&mut self.expiry, found.times[0]) {
            index.extend(std::iter::once((time, slot)));
        }
        self.live += 1;
        Ok(())
    }

    fn decode(&mut self, slot: u32, mut value: &[u8]) -> Result<(), EngineError> {
        let room = self.stamps.len();
        for accumulator in &mut self.accumulators {
            accumulator.grow(room);
            accumulator.decode(slot, &mut value).ok_or_else(garbled)?;
        }
        if value.is_empty() { Ok(()) } else { Err(garbled()) }
    }

    /// Moves groups to disk until those that stay take about `target` bytes: those that were touched last. `times` says
    /// when groups close; those that stay go into the index where `index` says so.
    fn spill(&mut self, target: usize, recipe: &Recipe, index: bool, times: Times<'_>) -> Result<(), EngineError> {
        let mut slots = self.live_slots();
        let quota = staying(&mut slots, target, self.bytes(), |slot| self.stamps[slot as usize]);
        let times = times(self, &slots)?;
        let Some(mut cold) = self.cold.take() else { return Ok(()) };
        let moved = self.moved(&slots, &times, quota, recipe, index, &mut cold);
        self.cold = Some(cold);
        let (mut next, gone) = moved?;
        (next.stamp, next.cold, next.windows) = (self.stamp, self.cold.take(), self.windows.take());
        if let (Some(windows), false) = (&mut next.windows, index) {
            // Those in memory are counted when the restart is done.
            gone.into_iter().for_each(|end| windows.open(end));
        }
        *self = next;
        Ok(())
    }

    /// A partition with the first `quota` of those groups, after the others went to disk; and when these close.
    fn moved(
        &self,
        slots: &[u32],
        times: &[Option<i64>],
        quota: usize,
        recipe: &Recipe,
        index: bool,
        cold: &mut Cold,
    ) -> Result<(Partition, Vec<i64>), EngineError> {
        let (mut bundle, mut bundles, mut gone) = (Bundle::default(), Bundles::default(), Vec::new());
        let mut next = recipe.partition()?;
        for (at, (slot, time)) in slots.iter().zip(times).enumerate() {
            bundle.clear();
            (bundle.rows, bundle.times) = (1, [*time, None]);
            self.keys.write_key(*slot, &mut bundle.key);
            self.accumulators.iter().for_each(|a| a.encode(*slot, &mut bundle.value));
            if at < quota || !bundle.fits() {
                next.adopt(&bundle, self.stamps[*slot as usize], index)?;
            } else {
                cold.pack(&bundle, &mut bundles);
                gone.extend(time);
            }
        }
        cold.put(bundles)?;
        Ok((next, gone))
    }

    fn adopt(&mut self, bundle: &Bundle, stamp: u32, index: bool) -> Result<(), EngineError> {
        let (slot, _) = self.keys.insert_key(&bundle.key).ok_or_else(garbled)?;
        self.stamps.put(slot as usize, stamp, &0);
        self.decode(slot, &bundle.value)?;
        if let (true, Some(index), Some(time)) = (index, &mut self.expiry, bundle.times[0]) {
            index.extend(std::iter::once((time, slot)));
        }
        self.live += 1;
        Ok(())
    }

    fn times_of_keys(&self, slots: &[u32], expiry: &ExpiryOf) -> Result<Vec<Option<i64>>, EngineError> {
        let times = expiry(&self.keys.columns(slots)?)?;
        let times = access::numbers::<i64>(&times)?;
        Ok((0..slots.len()).map(|row| times.at(row)).collect())
    }
}
