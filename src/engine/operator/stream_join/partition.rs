//! The rows of both sides whose keys fall into one partition; one worker at a time owns it.
//!
//! ```text
//! key slot ─┬─ head of the left chain ── row ⇄ row ⇄ row
//!           └─ head of the right chain ─ row ⇄ row
//! ```
//!
//! Chains run both ways, so that a row leaves without a walk along its key. Until `commit` rows that expired
//! stay in place, and `rollback` takes out what the batch put in.

use super::{Prepared, Shape};
use crate::checkpoint::block::LOT;
use crate::checkpoint::{Block, Changes};
use crate::engine::eval::access::{self, Cells, Numbers};
use crate::engine::operator::BatchContext;
use crate::engine::state::expiry::ExpiryIndex;
use crate::engine::state::keys::{KeyKind, Keys};
use crate::engine::state::rows::RowStore;
use crate::engine::state::slots::Slots;
use crate::engine::state::spill::{Cold, Recency};
use crate::engine::{EngineError, Frame};
use crate::plan::logical::JoinKind;
use polars::prelude::{ChunkFilter, IdxCa, PlSmallStr, Series};
use std::collections::{HashMap, HashSet};

/// Ends a chain.
pub(super) const NONE: u32 = u32::MAX;

/// In a checkpoint, the list of what the left rows are that found a partner after the batch that brought them; that of
/// the right ones follows. The lists before it are the rows.
const MATCHED: u8 = 2;
/// In a checkpoint, the time of a row that never goes.
pub(super) const NEVER: i64 = i64::MAX;

/// Pairs are looked at in lots of about this many, so that a key with many rows on both sides takes no more
/// memory than its result.
const PAIRS: usize = 1 << 17;

/// The rows of one side.
pub(super) struct Kept {
    pub(super) rows: RowStore,
    /// By key slot: the first row of its chain.
    pub(super) heads: Slots<u32>,
    /// By row: its key's slot and its neighbours.
    pub(super) keys: Slots<u32>,
    pub(super) next: Slots<u32>,
    pub(super) previous: Slots<u32>,
    /// By row: whether it had a partner. Empty where nobody asks.
    pub(super) matched: Slots<bool>,
    /// By row: its number, which it keeps over restarts; older rows have lower ones.
    pub(super) ids: Vec<u64>,
    pub(super) next_id: u64,
    pub(super) expiry: Option<ExpiryIndex>,
    pub(super) live: usize,
    /// Of the batch at hand.
    added: Vec<u32>,
    /// When each of them expires.
    added_times: Vec<Option<i64>>,
    first_matched: Vec<u32>,
    expired: Vec<(i64, u32)>,
    /// Up to which time they expired.
    until: Option<i64>,
    /// Numbers of rows that found a partner, of which a restart has not seen the row in memory yet.
    pub(super) unsettled: HashSet<u64>,
}

/// What a partition did in a batch.
pub(super) struct Figures {
    pub(super) rows: u64,
    pub(super) added: u64,
    pub(super) removed: u64,
    pub(super) bytes: u64,
}

pub(super) struct Partition {
    pub(super) keys: Keys,
    pub(super) sides: [Kept; 2],
    /// Whether somebody asks which rows had a partner.
    pub(super) marks: bool,
    /// Keys that the batch at hand brought.
    pub(super) fresh: Vec<u32>,
    /// Keys on disk with their rows.
    pub(super) cold: Option<Cold>,
    /// By key slot, where some go to disk.
    pub(super) recency: Recency,
}

impl Kept {
    fn new(shape: &Shape, side: usize) -> Kept {
        let spec = &shape.sides[side];
        let types: Vec<_> = spec.kept.iter().map(|(_, t)| t.clone()).collect();
        Kept {
            rows: RowStore::new(&types),
            heads: Slots::default(),
            keys: Slots::default(),
            next: Slots::default(),
            previous: Slots::default(),
            matched: Slots::default(),
            ids: Vec::new(),
            next_id: 0,
            expiry: spec.expiry.as_ref().map(|_| ExpiryIndex::default()),
            live: 0,
            added: Vec::new(),
            added_times: Vec::new(),
            first_matched: Vec::new(),
            expired: Vec::new(),
            until: None,
            unsettled: HashSet::new(),
        }
    }

    /// Puts rows at the heads of their keys' chains.
    fn add(&mut self, batch: &Prepared, rows: &[u32], keys: &[u32], matched: Option<&[bool]>) -> Result<(), EngineError> {
        let slots = self.rows.put(&batch.columns.iter().collect::<Vec<_>>(), rows)?;
        let total = self.rows.slots();
        for list in [&mut self.keys, &mut self.next, &mut self.previous] {
            list.grow(total, &NONE);
        }
        self.ids.resize(total, 0);
        for (slot, key) in slots.iter().zip(keys) {
            self.link(*slot, *key);
            self.ids[*slot as usize] = self.next_id;
            self.next_id += 1;
        }
        if let Some(matched) = matched {
            self.matched.grow(total, &false);
            slots.iter().zip(matched).for_each(|(slot, m)| self.matched[*slot as usize] = *m);
        }
        if let (Some(index), Some(times)) = (&mut self.expiry, &batch.expiry) {
            let times = access::numbers::<i64>(times)?;
            self.added_times.extend(rows.iter().map(|row| times.at(*row as usize)));
            let added = &self.added_times[self.added_times.len() - rows.len()..];
            index.extend(added.iter().zip(&slots).filter_map(|(time, slot)| time.map(|t| (t, *slot))));
        } else {
            self.added_times.resize(self.added_times.len() + rows.len(), None);
        }
        self.live += slots.len();
        self.added.extend_from_slice(&slots);
        Ok(())
    }

    /// Puts a row at the head of its key's chain.
    pub(super) fn link(&mut self, slot: u32, key: u32) {
        let head = std::mem::replace(&mut self.heads[key as usize], slot);
        self.keys[slot as usize] = key;
        self.next[slot as usize] = head;
        self.previous[slot as usize] = NONE;
        if head != NONE {
            self.previous[head as usize] = slot;
        }
    }

    /// Rows as a checkpoint has them: when each goes, its number and whether it had a partner where somebody asks, key, columns.
    fn put(&self, keys: &Keys, list: u8, slots: &[u32], times: &[Option<i64>], marks: bool, out: &mut Changes<'_>) {
        for (slots, times) in slots.chunks(LOT).zip(times.chunks(LOT)) {
            let mut rows = Block::new(slots.len());
            if self.expiry.is_some() {
                rows.numbers(times.iter().map(|time| time.unwrap_or(NEVER)));
            }
            if marks {
                rows.numbers(slots.iter().map(|slot| self.ids[*slot as usize].cast_signed()));
                rows.numbers(slots.iter().map(|slot| i64::from(self.matched[*slot as usize])));
            }
            keys.write_columns(&slots.iter().map(|slot| self.keys[*slot as usize]).collect::<Vec<_>>(), &mut rows);
            self.rows.write_columns(slots, &mut rows);
            out.add(list, self.expiry.as_ref().map(|_| 0), &rows);
        }
    }

    /// The numbers of some rows.
    fn numbers(&self, slots: &[u32]) -> Block {
        let mut rows = Block::new(slots.len());
        rows.numbers(slots.iter().map(|slot| self.ids[*slot as usize].cast_signed()));
        rows
    }

    /// Takes rows out of their chains; `emptied` learns of keys whose chain on this side ends with that.
    fn remove(&mut self, slots: &[u32], emptied: &mut Vec<u32>) {
        for slot in slots {
            let at = *slot as usize;
            let (key, next, previous) = (self.keys[at], self.next[at], self.previous[at]);
            if next != NONE {
                self.previous[next as usize] = previous;
            }
            if previous != NONE {
                self.next[previous as usize] = next;
            } else {
                self.heads[key as usize] = next;
                if next == NONE {
                    emptied.push(key);
                }
            }
        }
        self.rows.remove(slots);
        self.live -= slots.len();
    }

    fn begin(&mut self) {
        self.added.clear();
        self.added_times.clear();
        self.first_matched.clear();
        self.expired.clear();
        self.until = None;
    }
}

/// Pairs that passed the comparisons of times, on their way into frames.
struct Pairs {
    /// Places in the list of the batch's rows.
    places: Vec<u32>,
    /// Rows of the other side.
    partners: Vec<u32>,
}

/// A comparison of times as the probing side sees it.
struct Probe<'a> {
    own: Numbers<'a, i64>,
    partners: &'a Slots<i64>,
    valid: Option<&'a Slots<bool>>,
    own_is_less: bool,
    micros: i64,
    inclusive: bool,
}

impl Probe<'_> {
    #[inline]
    fn passes(&self, row: u32, partner: u32) -> bool {
        let (row, partner) = (row as usize, partner as usize);
        if self.own.validity.is_some_and(|v| !v.get_bit(row)) || self.valid.is_some_and(|v| !v[partner]) {
            return false;
        }
        let (own, other) = (self.own.values[row], self.partners[partner]);
        let (less, more) = if self.own_is_less { (own, other) } else { (other, own) };
        let less = less.saturating_add(self.micros);
        less < more || (self.inclusive && less == more)
    }
}

impl Partition {
    pub(super) fn new(kind: &KeyKind, shape: &Shape) -> Partition {
        let marks = !matches!(shape.kind, JoinKind::Inner | JoinKind::Cross);
        Partition {
            keys: Keys::new(kind.clone()),
            sides: [Kept::new(shape, 0), Kept::new(shape, 1)],
            marks,
            fresh: Vec::new(),
            cold: None,
            recency: Recency::default(),
        }
    }

    /// Starts a batch.
    pub(super) fn begin(&mut self) {
        self.sides.iter_mut().for_each(Kept::begin);
        self.recency.begin();
    }

    /// Some pieces of a batch; of all of them left ones come before right ones.
    pub(super) fn take_in_all(
        &mut self,
        shape: &Shape,
        index: usize,
        batches: &[Prepared],
        context: &BatchContext,
    ) -> Result<Vec<Frame>, EngineError> {
        let mut out = Vec::new();
        for batch in batches {
            self.take_in(shape, batch, &batch.scatter[index], context, &mut out)?;
        }
        Ok(out)
    }

    /// Lets go of both sides what the watermark has passed.
    pub(super) fn expire_all(&mut self, shape: &Shape, context: &BatchContext) -> Result<Vec<Frame>, EngineError> {
        let mut out = Vec::new();
        for side in [0, 1] {
            self.expire(shape, side, context, &mut out)?;
        }
        Ok(out)
    }

    /// Finds the partners of rows among the other side's, then keeps them.
    fn take_in(
        &mut self,
        shape: &Shape,
        batch: &Prepared,
        rows: &[u32],
        context: &BatchContext,
        out: &mut Vec<Frame>,
    ) -> Result<(), EngineError> {
        let staying;
        let rows = match (shape.kind, until(shape, batch.side, context), &batch.expiry) {
            // Of a semi join, as in Spark, right rows that would leave at once find nothing.
            (JoinKind::LeftSemi, Some(until), Some(times)) if batch.side == 1 => {
                let times = access::numbers::<i64>(times)?;
                staying = rows.iter().copied().filter(|row| times.at(*row as usize).is_none_or(|t| t > until)).collect::<Vec<_>>();
                &staying
            }
            _ => rows,
        };
        let mut keys = Vec::with_capacity(rows.len());
        let known = self.fresh.len();
        let fresh = &mut self.fresh;
        self.keys.upsert(&batch.keys, rows, |_, slot, new| {
            keys.push(slot);
            if new {
                fresh.push(slot);
            }
        })?;
        let slots = self.keys.slots();
        self.sides.iter_mut().for_each(|s| s.heads.grow(slots, &NONE));
        if self.cold.is_some() {
            self.recall(known)?;
            keys.iter().for_each(|key| self.recency.touch(*key));
        }
        let mut matched = vec![false; if self.marks { rows.len() } else { 0 }];
        self.probe(shape, batch, rows, &keys, &mut matched, context, out)?;
        let kept = &mut self.sides[batch.side];
        if shape.kind == JoinKind::LeftSemi && batch.side == 0 {
            // A left row comes out once: with its partner found, nothing asks for it any more.
            let alone = |list: &[u32]| list.iter().zip(&matched).filter(|(_, m)| !**m).map(|(v, _)| *v).collect::<Vec<u32>>();
            let (rows, keys) = (alone(rows), alone(&keys));
            return kept.add(batch, &rows, &keys, Some(&vec![false; rows.len()]));
        }
        kept.add(batch, rows, &keys, self.marks.then_some(matched.as_slice()))
    }

    #[expect(clippy::too_many_arguments, reason = "what a batch, its rows and its result are, each in its own list")]
    fn probe(
        &mut self,
        shape: &Shape,
        batch: &Prepared,
        rows: &[u32],
        keys: &[u32],
        matched: &mut [bool],
        context: &BatchContext,
        out: &mut Vec<Frame>,
    ) -> Result<(), EngineError> {
        let mut pairs = Pairs { places: Vec::with_capacity(rows.len()), partners: Vec::with_capacity(rows.len()) };
        let mut place = 0;
        while place < rows.len() {
            let other = &self.sides[1 - batch.side];
            let probes = probes(shape, batch, &other.rows)?;
            while place < rows.len() && pairs.places.len() < PAIRS {
                let row = rows[place];
                let mut partner = other.heads[keys[place] as usize];
                while partner != NONE {
                    if probes.iter().all(|p| p.passes(row, partner)) {
                        pairs.places.push(place as u32);
                        pairs.partners.push(partner);
                    }
                    partner = other.next[partner as usize];
                }
                place += 1;
            }
            self.emit(shape, batch, rows, &mut pairs, matched, context, out)?;
        }
        Ok(())
    }

    /// Turns pairs that pass the rest of the condition into output.
    #[expect(clippy::too_many_arguments, reason = "what a batch, its rows and its result are, each in its own list")]
    fn emit(
        &mut self,
        shape: &Shape,
        batch: &Prepared,
        rows: &[u32],
        pairs: &mut Pairs,
        matched: &mut [bool],
        context: &BatchContext,
        out: &mut Vec<Frame>,
    ) -> Result<(), EngineError> {
        let found = pairs.places.iter().map(|p| rows[*p as usize]).collect();
        let mut found: IdxCa = IdxCa::from_vec(PlSmallStr::EMPTY, found);
        let other = &self.sides[1 - batch.side];
        if let Some((rest, columns)) = &shape.rest
            && !pairs.places.is_empty()
        {
            let frame = side_by_side(shape, batch.side, &batch.columns, other, columns, &found, &pairs.partners)?;
            let mask = rest.mask(&frame, &context.eval)?;
            let mut hits = mask.iter().map(|m| m == Some(true));
            pairs.places.retain(|_| hits.next().unwrap_or(false));
            let mut hits = mask.iter().map(|m| m == Some(true));
            pairs.partners.retain(|_| hits.next().unwrap_or(false));
            found = found.filter(&mask)?;
        }
        if self.marks {
            self.mark(shape, batch.side, pairs, matched);
            if shape.kind == JoinKind::LeftSemi {
                found = IdxCa::from_vec(PlSmallStr::EMPTY, pairs.places.iter().map(|p| rows[*p as usize]).collect());
            }
        }
        if !pairs.places.is_empty() {
            let other = &self.sides[1 - batch.side];
            out.push(side_by_side(shape, batch.side, &batch.columns, other, &shape.output, &found, &pairs.partners)?);
        }
        pairs.places.clear();
        pairs.partners.clear();
        Ok(())
    }

    /// Notes who has a partner. Of a semi join only the first pair of each left row stays.
    fn mark(&mut self, shape: &Shape, side: usize, pairs: &mut Pairs, matched: &mut [bool]) {
        let other = &mut self.sides[1 - side];
        let semi = shape.kind == JoinKind::LeftSemi;
        let mut kept = 0;
        for i in 0..pairs.places.len() {
            let (place, partner) = (pairs.places[i], pairs.partners[i]);
            let first_of_own = !std::mem::replace(&mut matched[place as usize], true);
            let first_of_partner = !std::mem::replace(&mut other.matched[partner as usize], true);
            if first_of_partner {
                other.first_matched.push(partner);
            }
            if !semi || (side == 0 && first_of_own) || (side == 1 && first_of_partner) {
                (pairs.places[kept], pairs.partners[kept]) = (place, partner);
                kept += 1;
            }
        }
        pairs.places.truncate(kept);
        pairs.partners.truncate(kept);
    }

    /// Lets go what the watermark has passed; rows of an outer side that never had a partner come out.
    fn expire(&mut self, shape: &Shape, side: usize, context: &BatchContext, out: &mut Vec<Frame>) -> Result<(), EngineError> {
        let Some(until) = until(shape, side, context) else { return Ok(()) };
        self.recall_due(side, until)?;
        let kept = &mut self.sides[side];
        let Some(index) = &mut kept.expiry else { return Ok(()) };
        kept.expired = index.pop_until(until);
        kept.until = Some(until);
        if shape.preserves(side) {
            let alone: Vec<u32> = kept.expired.iter().map(|(_, slot)| *slot).filter(|slot| !kept.matched[*slot as usize]).collect();
            if !alone.is_empty() {
                out.push(shape.alone(side, alone.len(), |at| kept.rows.gather(at, &alone))?);
            }
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) {
        let gone = [0, 1].map(|side| self.sides[side].expired.drain(..).map(|(_, slot)| slot).collect::<Vec<_>>());
        self.remove(&gone);
        // A later batch may fail before it gets here: there must be nothing left to undo.
        self.sides.iter_mut().for_each(Kept::begin);
    }

    pub(super) fn rollback(&mut self) {
        let mut gone = [Vec::new(), Vec::new()];
        for (side, gone) in self.sides.iter_mut().zip(&mut gone) {
            side.first_matched.drain(..).for_each(|slot| side.matched[slot as usize] = false);
            *gone = std::mem::take(&mut side.added);
            if let Some(index) = &mut side.expiry {
                index.extend(side.expired.drain(..));
                let added: HashSet<u32> = gone.iter().copied().collect();
                if !added.is_empty() {
                    index.retain(|slot| !added.contains(&slot));
                }
            }
        }
        self.remove(&gone);
    }

    fn remove(&mut self, gone: &[Vec<u32>; 2]) {
        // A key that came with rows that did not stay has none either.
        let mut emptied = std::mem::take(&mut self.fresh);
        for (side, slots) in self.sides.iter_mut().zip(gone) {
            side.remove(slots, &mut emptied);
        }
        let [left, right] = &self.sides;
        emptied.retain(|key| left.heads[*key as usize] == NONE && right.heads[*key as usize] == NONE);
        emptied.sort_unstable();
        emptied.dedup();
        self.keys.remove(&emptied);
    }

    /// The first `limit` rows of a side: its kept columns, and the watermark that takes each away.
    pub(super) fn listed(&self, shape: &Shape, side: usize, limit: usize) -> Result<(Vec<Series>, Vec<Option<i64>>), EngineError> {
        let kept = &self.sides[side];
        let mut slots = Vec::with_capacity(limit.min(kept.live));
        for head in kept.heads.iter() {
            let mut at = *head;
            while at != NONE && slots.len() < limit {
                slots.push(at);
                at = kept.next[at as usize];
            }
        }
        let mut times = vec![None; slots.len()];
        if let (Some(index), Some((_, bound))) = (kept.expiry.as_ref().filter(|_| !slots.is_empty()), &shape.sides[side].expiry) {
            let mut by_slot = vec![None; kept.rows.slots()];
            index.iter().for_each(|(time, slot)| by_slot[slot as usize] = bound.leaves_at(time));
            times = slots.iter().map(|s| by_slot[*s as usize]).collect();
        }
        let columns = (0..shape.sides[side].kept.len()).map(|at| kept.rows.gather(at, &slots)).collect::<Result<_, _>>()?;
        Ok((columns, times))
    }

    /// What the batch at hand changes: in one list rows, in another the numbers of those that found their first partner
    /// later than in the batch that brought them.
    pub(super) fn changes(&self, out: &mut Changes<'_>) {
        for (list, kept) in (0u8..).zip(&self.sides) {
            let Some(until) = kept.until else {
                kept.put(&self.keys, list, &kept.added, &kept.added_times, self.marks, out);
                kept.first_matched.chunks(LOT).for_each(|slots| out.put(MATCHED + list, 1, &kept.numbers(slots)));
                continue;
            };
            let stays = |(_, time): &(&u32, &Option<i64>)| time.is_none_or(|t| t > until);
            let (slots, times): (Vec<u32>, Vec<Option<i64>>) = kept.added.iter().zip(&kept.added_times).filter(stays).unzip();
            kept.put(&self.keys, list, &slots, &times, self.marks, out);
            if kept.expired.is_empty() {
                kept.first_matched.chunks(LOT).for_each(|slots| out.put(MATCHED + list, 1, &kept.numbers(slots)));
                continue;
            }
            out.remove_until(list, until);
            if self.marks {
                let expired: HashSet<u32, ahash::RandomState> = kept.expired.iter().map(|(_, slot)| *slot).collect();
                let matched: Vec<u32> = kept.first_matched.iter().copied().filter(|slot| !expired.contains(slot)).collect();
                matched.chunks(LOT).for_each(|slots| out.put(MATCHED + list, 1, &kept.numbers(slots)));
                let gone: Vec<u32> = kept.expired.iter().map(|(_, slot)| *slot).filter(|slot| kept.matched[*slot as usize]).collect();
                gone.chunks(LOT).for_each(|slots| out.remove(MATCHED + list, &kept.numbers(slots)));
            }
        }
    }

    /// Every row.
    pub(super) fn contents(&self, out: &mut Changes<'_>) {
        for (list, kept) in (0u8..).zip(&self.sides) {
            let times: HashMap<u32, i64> = kept.expiry.iter().flat_map(ExpiryIndex::iter).map(|(time, slot)| (slot, time)).collect();
            let mut slots: Vec<u32> = Vec::with_capacity(kept.live);
            for head in kept.heads.iter() {
                let mut slot = *head;
                while slot != NONE {
                    slots.push(slot);
                    slot = kept.next[slot as usize];
                }
            }
            slots.sort_unstable_by_key(|slot| kept.ids[*slot as usize]);
            let times: Vec<Option<i64>> = slots.iter().map(|slot| times.get(slot).copied()).collect();
            kept.put(&self.keys, list, &slots, &times, self.marks, out);
        }
    }

    /// Takes rows of a list that `changes` or `contents` gave: by age, and before what says that they found a partner.
    pub(super) fn restore(&mut self, list: u8, rows: &Block) -> Option<()> {
        let mut columns = rows.reader();
        if let Some(side) = list.checked_sub(MATCHED) {
            // Their rows came before, and may be on disk by now.
            let kept = self.sides.get_mut(usize::from(side)).filter(|_| self.marks)?;
            kept.unsettled.extend(columns.numbers()?.iter().map(|id| id.cast_unsigned()));
            return columns.is_done().then_some(());
        }
        let kept = self.sides.get_mut(usize::from(list))?;
        let times = if kept.expiry.is_some() { Some(columns.numbers()?) } else { None };
        let marks = if self.marks { Some((columns.numbers()?, columns.numbers()?)) } else { None };
        let keys = self.keys.insert_columns(&mut columns)?;
        let known = self.keys.slots();
        self.sides.iter_mut().for_each(|s| s.heads.grow(known.max(s.heads.len()), &NONE));
        self.recall_new(&keys)?;
        let kept = &mut self.sides[usize::from(list)];
        let slots = kept.rows.read_columns(&mut columns)?;
        let total = kept.rows.slots();
        for list in [&mut kept.keys, &mut kept.next, &mut kept.previous] {
            list.grow(total, &NONE);
        }
        match marks {
            Some((ids, matched)) => {
                kept.ids.resize(total, 0);
                slots.iter().zip(ids).for_each(|(slot, id)| kept.ids[*slot as usize] = id.cast_unsigned());
                kept.next_id = ids.iter().fold(kept.next_id, |next, id| next.max(id.cast_unsigned() + 1));
                kept.matched.grow(total, &false);
                slots.iter().zip(matched).for_each(|(slot, matched)| kept.matched[*slot as usize] = *matched != 0);
            }
            None => {
                kept.ids.resize(total, 0);
                for slot in &slots {
                    kept.ids[*slot as usize] = kept.next_id;
                    kept.next_id += 1;
                }
            }
        }
        slots.iter().zip(&keys).for_each(|(slot, (key, _))| kept.link(*slot, *key));
        kept.live += slots.len();
        if let (Some(index), Some(times)) = (&mut kept.expiry, times) {
            index.extend(times.iter().zip(slots).filter(|(time, _)| **time != NEVER).map(|(time, slot)| (*time, slot)));
        }
        columns.is_done().then_some(())
    }

    pub(super) fn figures(&self) -> Figures {
        let bytes = self.keys.bytes() + self.cold.as_ref().map_or(0, Cold::bytes);
        let mut figures = Figures { rows: self.cold_rows(), added: 0, removed: 0, bytes: bytes as u64 };
        for side in &self.sides {
            figures.rows += (side.live - side.expired.len()) as u64;
            figures.added += side.added.len() as u64;
            figures.removed += side.expired.len() as u64;
            let chains = side.heads.bytes() + side.keys.bytes() + side.next.bytes() + side.previous.bytes();
            let index = side.expiry.as_ref().map_or(0, ExpiryIndex::bytes);
            figures.bytes += (side.rows.bytes() + chains + side.matched.bytes() + index) as u64;
        }
        figures
    }
}

/// The time up to which a side's rows leave in this batch.
fn until(shape: &Shape, side: usize, context: &BatchContext) -> Option<i64> {
    let (_, bound) = shape.sides[side].expiry.as_ref()?;
    Some(bound.until(context.evict?))
}

fn probes<'a>(shape: &Shape, batch: &'a Prepared, partners: &'a RowStore) -> Result<Vec<Probe<'a>>, EngineError> {
    let probe = |check: &super::Check| {
        let (own, other) = if batch.side == 0 { (check.left, check.right) } else { (check.right, check.left) };
        let (partners, valid) = partners.integers(other).ok_or_else(|| EngineError::internal("an event time that is no time"))?;
        let own_is_less = check.left_is_less == (batch.side == 0);
        let own = access::numbers::<i64>(&batch.columns[own])?;
        Ok(Probe { own, partners, valid, own_is_less, micros: check.micros, inclusive: check.inclusive })
    };
    shape.checks.iter().map(probe).collect()
}

/// Columns of pairs: `found` are rows of the probing side, `partners` rows that the other side keeps.
fn side_by_side(
    shape: &Shape,
    side: usize,
    own: &[Series],
    other: &Kept,
    columns: &[(usize, usize)],
    found: &IdxCa,
    partners: &[u32],
) -> Result<Frame, EngineError> {
    let one = |(from, at): &(usize, usize)| {
        if *from == side { Ok(own[*at].take(found)?) } else { other.rows.gather(*at, partners) }
    };
    Ok(Frame::new(shape.ids(columns), columns.iter().map(one).collect::<Result<_, _>>()?, partners.len()))
}
