//! A snapshot with the deltas after it: which rows are still there.
//!
//! Keys are looked through once, latest first: the first row met of a key is the one that counts, and of blocks with
//! nothing that counts no other column is read. Then the snapshot's blocks and those of the deltas go by in order, each
//! with the rows that stay. So rows that are only added come in the order in which they were, and the snapshot is never
//! in memory whole.

use super::block::Block;
use super::changes::{Entry, Raw};
use hashbrown::{HashSet, HashTable};
use std::collections::BTreeMap;
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
    /// By entry with keys: the rows that count.
    counting: Vec<Vec<u32>>,
    changed: Keys,
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
        let (mut counting, mut changed) = (vec![Vec::new(); entries.len()], Keys::default());
        for (at, entry) in entries.iter().enumerate().rev() {
            let known: &mut Option<i64> = &mut all[usize::from(entry.list())];
            *known = (*known).max(entry.until());
            bounds[at] = *known;
            if entry.has_keys() {
                let (keys, rows) = (entry.keys()?, &mut counting[at]);
                changed.insert(entry.list(), &keys, |row, new| {
                    if new {
                        rows.push(row)
                    }
                });
            }
        }
        Some(Merge { entries, bounds, all, counting, changed })
    }

    /// Gives `visit` what stays of an entry of the snapshot; `None` when it cannot be read.
    pub(super) fn base<E>(&self, raw: Raw<'_>, visit: &mut impl FnMut(Live<'_>) -> Result<(), E>) -> Option<Result<(), E>> {
        let Entry::Rows { list, keys, leaves, rows } = raw.entry()? else { return Some(Ok(())) };
        let kept = match keys {
            Some(keys) => self.changed.others(list, &rows, keys),
            None => staying(&rows, leaves, self.all[usize::from(list)])?,
        };
        Some(give(Live { list, keys, leaves, rows: &rows, kept: None, raw }, kept, visit))
    }

    /// Gives `visit` what stays of the deltas.
    pub(super) fn deltas<E>(&self, visit: &mut impl FnMut(Live<'_>) -> Result<(), E>) -> Option<Result<(), E>> {
        for (at, raw) in self.entries.iter().enumerate() {
            if raw.until().is_some() || (raw.has_keys() && self.counting[at].is_empty()) {
                continue;
            }
            let Entry::Rows { list, keys, leaves, rows } = raw.entry()? else { continue };
            let kept = match keys {
                Some(_) => Some(self.counting[at].clone()).filter(|kept| kept.len() < rows.rows()),
                None => staying(&rows, leaves, self.bounds[at])?,
            };
            if let Err(error) = give(Live { list, keys, leaves, rows: &rows, kept: None, raw: *raw }, kept, visit) {
                return Some(Err(error));
            }
        }
        Some(Ok(()))
    }
}

fn give<E>(live: Live<'_>, kept: Option<Vec<u32>>, visit: &mut impl FnMut(Live<'_>) -> Result<(), E>) -> Result<(), E> {
    let none = kept.as_ref().is_some_and(Vec::is_empty);
    if none { Ok(()) } else { visit(Live { kept: kept.as_deref(), ..live }) }
}

/// The rows that leave after a time; `Some(None)`: all of them. `None` for a column that is no time.
#[expect(clippy::option_option, reason = "whether it can be read, and whether any row has to be named")]
fn staying(rows: &Block, leaves: Option<usize>, bound: Option<i64>) -> Option<Option<Vec<u32>>> {
    let (Some(column), Some(bound)) = (leaves, bound) else { return Some(None) };
    let times = rows.numbers_of(column)?;
    if times.iter().all(|time| *time > bound) {
        return Some(None);
    }
    Some(Some((0..).zip(times).filter(|(_, time)| **time > bound).map(|(row, _)| row).collect()))
}

/// Keys by list. Those of one or two numbers, the most, have sets of their own.
#[derive(Default)]
struct Keys {
    numbers: BTreeMap<u8, HashSet<(i64, i64), ahash::RandomState>>,
    bytes: ByteKeys,
}

/// The columns of a key of one or two numbers.
fn pair(rows: &Block, keys: usize) -> Option<(&[i64], &[i64])> {
    match keys {
        1 => Some((rows.numbers_of(0)?, rows.numbers_of(0)?)),
        2 => Some((rows.numbers_of(0)?, rows.numbers_of(1)?)),
        _ => None,
    }
}

impl Keys {
    /// Inserts each row's key, of all columns, and tells whether it is new.
    fn insert(&mut self, list: u8, keys: &Block, mut tell: impl FnMut(u32, bool)) {
        if let Some((a, b)) = pair(keys, keys.columns()) {
            let set = self.numbers.entry(list).or_default();
            (0..).zip(a.iter().zip(b)).for_each(|(row, (a, b))| tell(row, set.insert((*a, *b))));
            return;
        }
        let mut row = 0;
        keys.each_key(keys.columns(), |key| {
            tell(row, self.bytes.insert(list, key));
            row += 1;
        });
    }

    /// The rows whose keys, the first columns, are not there; `None`: all of them.
    fn others(&self, list: u8, rows: &Block, keys: usize) -> Option<Vec<u32>> {
        let mut kept = Vec::with_capacity(rows.rows());
        if let Some((a, b)) = pair(rows, keys) {
            let set = self.numbers.get(&list)?;
            kept.extend((0..).zip(a.iter().zip(b)).filter(|(_, (a, b))| !set.contains(&(**a, **b))).map(|(row, _)| row));
        } else {
            let mut row = 0;
            rows.each_key(keys, |key| {
                if !self.bytes.contains(list, key) {
                    kept.push(row);
                }
                row += 1;
            });
        }
        Some(kept).filter(|kept| kept.len() < rows.rows())
    }
}

/// Keys of any columns, each behind its list.
#[derive(Default)]
struct ByteKeys {
    keys: Vec<u8>,
    ends: Vec<usize>,
    table: HashTable<u32>,
    hasher: ahash::RandomState,
}

impl ByteKeys {
    fn hash(hasher: &ahash::RandomState, list: u8, key: &[u8]) -> u64 {
        let mut hasher = hasher.build_hasher();
        hasher.write(key);
        hasher.write_u8(list);
        hasher.finish()
    }

    /// Key number `at`, behind its list.
    fn at<'k>(keys: &'k [u8], ends: &[usize], at: u32) -> &'k [u8] {
        let at = at as usize;
        &keys[if at == 0 { 0 } else { ends[at - 1] }..ends[at]]
    }

    fn contains(&self, list: u8, key: &[u8]) -> bool {
        let is = |at: &u32| ByteKeys::at(&self.keys, &self.ends, *at).split_first() == Some((&list, key));
        self.table.find(ByteKeys::hash(&self.hasher, list, key), is).is_some()
    }

    fn insert(&mut self, list: u8, key: &[u8]) -> bool {
        if self.contains(list, key) {
            return false;
        }
        let ByteKeys { keys, ends, table, hasher } = self;
        keys.push(list);
        keys.extend_from_slice(key);
        ends.push(keys.len());
        let again = |at: &u32| {
            let own = ByteKeys::at(keys, ends, *at);
            ByteKeys::hash(hasher, own[0], &own[1..])
        };
        table.insert_unique(ByteKeys::hash(hasher, list, key), ends.len() as u32 - 1, again);
        true
    }
}
