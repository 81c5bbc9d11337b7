//! Sessions on disk: all sessions of a key leave memory together, and come back together.

use super::{Partition, Session, SessionOutput, SessionTable};
use crate::engine::EngineError;
use crate::engine::state::accumulator::Aggregate;
use crate::engine::state::keys::KeyKind;
use crate::engine::state::spill::{Bundle, Bundles, CHUNK, Cold, Found, Tier, beside, garbled, staying};
use crate::engine::state::stored::{Stored, put_bytes, take_bytes};
use std::ops::ControlFlow;

/// How a table spills.
pub(super) struct Spilling {
    tier: Tier,
    recipe: Recipe,
}

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

impl SessionTable {
    /// From now on keeps in memory what `tier` lets it; with what the table was made with.
    pub fn spill_to(&mut self, tier: Tier, kind: &KeyKind, aggregates: &[&Aggregate]) {
        if *kind == KeyKind::Global {
            return;
        }
        let expires = self.partitions.iter().any(|p| p.expiry.is_some());
        let count = self.partitions.len();
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            partition.cold = Some(tier.cold(number, count));
        }
        let aggregates = aggregates.iter().map(|a| (*a).clone()).collect();
        self.spilling = Some(Spilling { tier, recipe: Recipe { kind: kind.clone(), aggregates, expires } });
    }

    /// Whether what spilled so far is well.
    ///
    /// # Errors
    /// The disk's, since the last call.
    pub fn check(&self) -> Result<(), EngineError> {
        self.spilling.as_ref().map_or(Ok(()), |s| s.tier.check())
    }

    /// Sessions and bytes on disk; `None` where nothing spills.
    pub(super) fn on_disk(&self) -> Option<(u64, u64)> {
        let spilling = self.spilling.as_ref()?;
        Some((self.partitions.iter().map(Partition::cold_rows).sum(), spilling.tier.disk_bytes()))
    }

    /// Moves to disk what is too much in memory; between batches.
    pub(super) fn spill(&mut self) {
        self.settle(false);
    }

    /// A restart brought some more sessions: from time to time all of them go to disk.
    pub(super) fn restored_some(&mut self, sessions: usize) {
        if self.spilling.as_mut().is_some_and(|s| s.tier.brings(sessions)) {
            self.settle(true);
        }
    }

    fn settle(&mut self, all: bool) {
        let Some(Spilling { tier, recipe, .. }) = &mut self.spilling else { return };
        tier.settle(&mut self.partitions, all, Partition::bytes, |p, target| p.spill(target, recipe));
    }

    /// Sessions of a partition that are on disk, at most `limit`.
    pub(super) fn output_cold(&self, partition: &Partition, limit: usize) -> Result<Vec<SessionOutput>, EngineError> {
        let mut out = Vec::new();
        self.chunks(partition, limit, |chunk, left| {
            out.push(chunk.output(&chunk.all().take(left).collect::<Vec<_>>())?);
            Ok(())
        })?;
        Ok(out)
    }

    /// Visits keys of a partition that are on disk until there are `limit` sessions, in chunks; with how many are wanted.
    pub(super) fn chunks(
        &self,
        partition: &Partition,
        limit: usize,
        mut visit: impl FnMut(&Partition, usize) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let cold = partition.cold.as_ref().filter(|c| !c.is_empty() && limit > 0);
        let Some((cold, spilling)) = cold.zip(self.spilling.as_ref()) else { return Ok(()) };
        let mut left = limit;
        let mut chunk = spilling.recipe.partition()?;
        cold.each(|found| {
            chunk.load(found)?;
            if chunk.live >= CHUNK.min(left) {
                visit(&chunk, left)?;
                left -= chunk.live.min(left);
                chunk = spilling.recipe.partition()?;
            }
            Ok(if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if chunk.live > 0 { visit(&chunk, left) } else { Ok(()) }
    }
}

impl Partition {
    /// Sessions on disk.
    pub(super) fn cold_rows(&self) -> u64 {
        self.cold.as_ref().map_or(0, Cold::rows)
    }

    /// Keys that seemed new and are on disk come back with their sessions, and are new no more.
    pub(super) fn recall(&mut self) -> Result<(), EngineError> {
        beside(self, |p| &mut p.cold, Partition::recall_from)
    }

    fn recall_from(&mut self, cold: &mut Cold) -> Result<(), EngineError> {
        let (keys, new) = (&self.keys, &self.batch.fresh_keys);
        let mut found = cold.find(new.len(), |at, out| keys.write_key(new[at], out))?;
        found.sort_unstable_by_key(|(at, _)| *at);
        for (at, found) in found.iter().rev() {
            let key = self.batch.fresh_keys.swap_remove(*at);
            self.fill(key, found.value())?;
            cold.forget(found);
        }
        Ok(())
    }

    /// Brings back the keys with a session that ends at or before `until`.
    pub(super) fn recall_due(&mut self, until: i64) -> Result<(), EngineError> {
        beside(self, |p| &mut p.cold, |p, cold| cold.take_due(0, until, |found| p.load(found)))
    }

    fn load(&mut self, found: &Found) -> Result<(), EngineError> {
        let (key, _) = self.keys.insert_key(found.key()).ok_or_else(garbled)?;
        self.fill(key, found.value())
    }

    /// Gives a key without sessions those that a bundle holds.
    fn fill(&mut self, key: u32, value: &[u8]) -> Result<(), EngineError> {
        for (start, end, states) in sessions_of(value)? {
            self.add(key, start, end, states).ok_or_else(garbled)?;
        }
        Ok(())
    }

    /// One more session of a key.
    fn add(&mut self, key: u32, start: i64, end: i64, mut states: &[u8]) -> Option<()> {
        self.sessions.resize_with(self.sessions.len().max(key as usize + 1), Vec::new);
        let slot = self.free.pop().unwrap_or(self.owners.len() as u32);
        if slot as usize == self.owners.len() {
            self.owners.push((key, end));
        }
        self.owners[slot as usize] = (key, end);
        let room = self.owners.len();
        for accumulator in &mut self.accumulators {
            accumulator.grow(room);
            accumulator.decode(slot, &mut states)?;
        }
        let list = &mut self.sessions[key as usize];
        list.insert(list.partition_point(|s| s.start < start), Session { start, end, slot });
        self.live += 1;
        if let Some(index) = &mut self.expiry {
            index.extend(std::iter::once((end, slot)));
        }
        states.is_empty().then_some(())
    }

    /// Moves keys to disk until those that stay take about `target` bytes: those that were touched last.
    fn spill(&mut self, target: usize, recipe: &Recipe) -> Result<(), EngineError> {
        let mut next = recipe.partition()?;
        let mut keys: Vec<u32> = (0..self.sessions.len() as u32).filter(|key| !self.sessions[*key as usize].is_empty()).collect();
        let quota = staying(&mut keys, target, self.bytes(), |key| self.recency.of(key));
        next.recency = self.recency.next();
        let Some(cold) = &self.cold else { return Ok(()) };
        let (mut bundle, mut bundles) = (Bundle::default(), Bundles::default());
        for (at, key) in keys.iter().enumerate() {
            self.bundle(*key, &mut bundle);
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
        next.cold = self.cold.take();
        *self = next;
        Ok(())
    }

    fn bundle(&self, key: u32, bundle: &mut Bundle) {
        let list = &self.sessions[key as usize];
        let first = self.expiry.as_ref().and_then(|_| list.iter().map(|s| s.end).min());
        bundle.clear();
        (bundle.rows, bundle.times) = (list.len() as u64, [first, None]);
        self.keys.write_key(key, &mut bundle.key);
        let mut states = Vec::new();
        for session in list {
            session.start.put(&mut bundle.value);
            session.end.put(&mut bundle.value);
            states.clear();
            self.accumulators.iter().for_each(|a| a.encode(session.slot, &mut states));
            put_bytes(&states, &mut bundle.value);
        }
    }

    /// Of keys that a restart brought, the new ones: other sessions of theirs may have gone to disk before.
    pub(super) fn recall_new(&mut self, keys: &[(u32, bool)]) -> Option<()> {
        if self.cold.as_ref().is_none_or(Cold::is_empty) {
            return Some(());
        }
        self.sessions.resize_with(self.sessions.len().max(self.keys.slots()), Vec::new);
        self.batch.fresh_keys = keys.iter().filter(|(_, new)| *new).map(|(key, _)| *key).collect();
        let recalled = self.recall();
        self.batch.fresh_keys.clear();
        if let (Err(error), Some(cold)) = (recalled, &self.cold) {
            cold.fail(error);
        }
        Some(())
    }
}

/// A session on disk: start, end and states.
type OnDisk<'a> = (i64, i64, &'a [u8]);

/// What a bundle holds.
fn sessions_of(mut value: &[u8]) -> Result<Vec<OnDisk<'_>>, EngineError> {
    let mut all = Vec::new();
    while !value.is_empty() {
        let next = (|| Some((i64::take(&mut value)?, i64::take(&mut value)?, take_bytes(&mut value)?)))();
        all.push(next.ok_or_else(garbled)?);
    }
    Ok(all)
}
