//! A snapshot with the deltas after it: which rows are still there.
//!
//! Changes are looked through once for the last of each key and for the times that removed rows; then the snapshot's
//! blocks and those of the deltas go by in order, each with the rows that stay. So rows come in the order in which they
//! were added, and the snapshot is never in memory whole.

use super::block::Block;
use super::changes::{Entry, Raw};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// Rows of an entry that are still there.
pub(super) struct Live<'a> {
    pub(super) list: u8,
    pub(super) keys: Option<usize>,
    pub(super) leaves: Option<usize>,
    pub(super) rows: &'a Block,
    /// Which of them, ascending; `None`: all.
    pub(super) kept: Option<&'a [u32]>,
    /// The entry's bytes.
    pub(super) raw: Raw<'a>,
}

/// What deltas say.
pub(super) struct Merge<'a> {
    entries: Vec<Raw<'a>>,
    /// By entry: the latest time by which rows of its list were removed after it.
    bounds: Vec<Option<i64>>,
    /// The same for the snapshot, by list.
    all: Vec<Option<i64>>,
    latest: Latest,
}

impl<'a> Merge<'a> {
    /// Of the entries in frames; `None` when one cannot be read.
    pub(super) fn new(frames: &'a [Vec<u8>]) -> Option<Merge<'a>> {
        let mut entries = Vec::new();
        for frame in frames {
            let mut rest = &frame[..];
            while !rest.is_empty() {
                entries.push(Raw::take(&mut rest)?);
            }
        }
        let (mut all, mut bounds) = (vec![None; 256], vec![None; entries.len()]);
        for (entry, bound) in entries.iter().zip(&mut bounds).rev() {
            let known: &mut Option<i64> = &mut all[usize::from(entry.list())];
            *known = (*known).max(entry.until());
            *bound = *known;
        }
        let mut latest = Latest::default();
        for (place, raw) in entries.iter().enumerate().filter(|(_, raw)| raw.has_keys()) {
            let place = place as u32;
            match raw.entry()? {
                Entry::Rows { list, keys: Some(keys), rows, .. } => {
                    let mut row = 0;
                    rows.each_key(keys, |key| {
                        latest.set(list, key, (place, row));
                        row += 1;
                    });
                }
                Entry::Rows { .. } => {}
                Entry::Removed { keys } => keys.each_key(keys.columns(), |key| latest.set(raw.list(), key, (place, u32::MAX))),
            }
        }
        Some(Merge { entries, bounds, all, latest })
    }

    /// Gives `visit` what stays of an entry of the snapshot; `None` when it cannot be read.
    pub(super) fn base<E>(&self, raw: Raw<'_>, visit: &mut impl FnMut(Live<'_>) -> Result<(), E>) -> Option<Result<(), E>> {
        self.one(raw, None, self.all[usize::from(raw.list())], visit)
    }

    /// Gives `visit` what stays of the deltas.
    pub(super) fn deltas<E>(&self, visit: &mut impl FnMut(Live<'_>) -> Result<(), E>) -> Option<Result<(), E>> {
        for (place, raw) in self.entries.iter().enumerate() {
            if raw.until().is_none()
                && let Err(error) = self.one(*raw, Some(place as u32), self.bounds[place], visit)?
            {
                return Some(Err(error));
            }
        }
        Some(Ok(()))
    }

    fn one<E>(
        &self,
        raw: Raw<'_>,
        place: Option<u32>,
        bound: Option<i64>,
        visit: &mut impl FnMut(Live<'_>) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let Entry::Rows { list, keys, leaves, rows } = raw.entry()? else { return Some(Ok(())) };
        let mut gone = vec![false; rows.rows()];
        if let (Some(column), Some(bound)) = (leaves, bound) {
            gone.iter_mut().zip(rows.numbers_of(column)?).for_each(|(gone, leaves)| *gone = *leaves <= bound);
        }
        if let Some(keys) = keys.filter(|_| !self.latest.is_empty()) {
            let mut row = 0;
            rows.each_key(keys, |key| {
                let last = self.latest.get(list, key);
                gone[row as usize] |= last.is_some_and(|last| Some(last) != place.map(|p| (p, row)));
                row += 1;
            });
        }
        let left = gone.iter().filter(|gone| !**gone).count();
        let kept = (left < gone.len()).then(|| (0..gone.len() as u32).filter(|row| !gone[*row as usize]).collect::<Vec<_>>());
        Some(if left == 0 { Ok(()) } else { visit(Live { list, keys, leaves, rows: &rows, kept: kept.as_deref(), raw }) })
    }
}

/// Keys with the entry and row that changed each last; no such row where it was removed.
#[derive(Default)]
struct Latest {
    keys: Vec<u8>,
    ends: Vec<usize>,
    places: Vec<(u32, u32)>,
    table: HashTable<u32>,
    hasher: ahash::RandomState,
}

impl Latest {
    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn hash(hasher: &ahash::RandomState, list: u8, key: &[u8]) -> u64 {
        let mut hasher = hasher.build_hasher();
        hasher.write(key);
        hasher.write_u8(list);
        hasher.finish()
    }

    /// Whether that is key number `at`; its list stands before it.
    fn is(keys: &[u8], ends: &[usize], at: u32, list: u8, key: &[u8]) -> bool {
        let at = at as usize;
        let start = if at == 0 { 0 } else { ends[at - 1] };
        keys[start] == list && keys[start + 1..ends[at]] == *key
    }

    fn set(&mut self, list: u8, key: &[u8], place: (u32, u32)) {
        let Latest { keys, ends, places, table, hasher } = self;
        let hash = Latest::hash(hasher, list, key);
        if let Some(at) = table.find(hash, |at| Latest::is(keys, ends, *at, list, key)) {
            places[*at as usize] = place;
            return;
        }
        keys.push(list);
        keys.extend_from_slice(key);
        ends.push(keys.len());
        places.push(place);
        let again = |at: &u32| {
            let at = *at as usize;
            let own = &keys[if at == 0 { 0 } else { ends[at - 1] }..ends[at]];
            Latest::hash(hasher, own[0], &own[1..])
        };
        table.insert_unique(hash, places.len() as u32 - 1, again);
    }

    fn get(&self, list: u8, key: &[u8]) -> Option<(u32, u32)> {
        let hash = Latest::hash(&self.hasher, list, key);
        let at = self.table.find(hash, |at| Latest::is(&self.keys, &self.ends, *at, list, key))?;
        Some(self.places[*at as usize])
    }
}
