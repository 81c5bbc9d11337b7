//! Kernels that ask which elements are equal: membership, positions, and arrays as sets.

use super::access::{Cells, map_rows};
use super::array::element_type;
use super::gather::{Picks, Pool};
use super::keys::{Keys, with_keys};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use polars::prelude::Series;
use std::hash::Hash;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "array_contains", fallible: false, kernel: array_contains },
    KernelEntry { name: "array_position", fallible: false, kernel: array_position },
    KernelEntry { name: "array_remove", fallible: false, kernel: array_remove },
    KernelEntry { name: "array_distinct", fallible: false, kernel: array_distinct },
    KernelEntry { name: "array_union", fallible: false, kernel: |c| combine(c, Operation::Union) },
    KernelEntry { name: "array_intersect", fallible: false, kernel: |c| combine(c, Operation::Intersect) },
    KernelEntry { name: "array_except", fallible: false, kernel: |c| combine(c, Operation::Except) },
    KernelEntry { name: "arrays_overlap", fallible: false, kernel: arrays_overlap },
];

/// An array beside a value in every row, with the keys of both.
struct Search {
    keys: Keys,
    pool: Pool,
    constant: bool,
}

impl Search {
    fn new(call: &KernelCall<'_>) -> Result<Search> {
        let lists = call.lists(0)?;
        let wanted = call.column(1);
        let pool = Pool::new(&[lists.inner(), wanted], element_type(call.data_type(0)))?;
        Ok(Search { keys: pool.keys()?, constant: wanted.len() == 1, pool })
    }

    /// Where the value of the row stands in the pool.
    fn wanted(&self, row: usize) -> usize {
        self.pool.bases[1] + if self.constant { 0 } else { row }
    }

    /// Index of the first element in the range that equals the row's value.
    fn find(&self, range: (usize, usize), row: usize) -> Option<usize> {
        let want = self.wanted(row);
        with_keys!(self.keys, |key| (range.0..range.1).find(|i| self.keys.is_valid(*i) && key(*i) == key(want)))
    }
}

/// NULL instead of FALSE where an element is NULL.
fn array_contains(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let search = Search::new(call)?;
    map_rows(call.length(), |row| {
        let Some((start, end)) = lists.at(row).filter(|_| search.keys.is_valid(search.wanted(row))) else { return Ok(None) };
        if search.find((start, end), row).is_some() {
            return Ok(Some(true));
        }
        Ok((start..end).all(|i| search.keys.is_valid(i)).then_some(false))
    })
}

fn array_position(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let search = Search::new(call)?;
    map_rows(call.length(), |row| {
        let Some(range) = lists.at(row).filter(|_| search.keys.is_valid(search.wanted(row))) else { return Ok(None) };
        Ok(Some(search.find(range, row).map_or(0, |i| (i - range.0) as i64 + 1)))
    })
}

fn array_remove(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let search = Search::new(call)?;
    let n = call.length();
    let mut picks = Picks::new(n);
    with_keys!(search.keys, |key| {
        for row in 0..n {
            let want = search.wanted(row);
            match lists.at(row) {
                Some((start, end)) if search.keys.is_valid(want) => {
                    let kept = (start..end).filter(|i| !search.keys.is_valid(*i) || key(*i) != key(want));
                    kept.for_each(|i| picks.push(i));
                    picks.end();
                }
                _ => picks.end_null(),
            }
        }
    });
    picks.finish(&search.pool.column, element_type(call.returns))
}

/// Elements seen so far; NULL is one of them. Few are compared one by one, many are hashed.
struct Seen<K> {
    few: Vec<Option<K>>,
    many: hashbrown::HashSet<Option<K>, ahash::RandomState>,
}

impl<K: Copy + Eq + Hash> Seen<K> {
    fn new() -> Seen<K> {
        Seen { few: Vec::new(), many: hashbrown::HashSet::with_hasher(ahash::RandomState::new()) }
    }

    fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }

    fn contains(&self, key: &Option<K>) -> bool {
        if self.many.is_empty() { self.few.contains(key) } else { self.many.contains(key) }
    }

    /// Whether it was not there before.
    fn insert(&mut self, key: Option<K>) -> bool {
        const FEW: usize = 16;
        if self.many.is_empty() {
            if self.few.contains(&key) {
                return false;
            }
            self.few.push(key);
            if self.few.len() > FEW {
                self.many.extend(self.few.drain(..));
            }
            return true;
        }
        self.many.insert(key)
    }
}

fn array_distinct(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let pool = Pool::new(&[lists.inner()], element_type(call.returns))?;
    let keys = pool.keys()?;
    let n = call.length();
    let mut picks = Picks::new(n);
    with_keys!(keys, |key| {
        let mut seen = Seen::new();
        for row in 0..n {
            let Some((start, end)) = lists.at(row) else {
                picks.end_null();
                continue;
            };
            seen.clear();
            (start..end).filter(|i| seen.insert(keys.is_valid(*i).then(|| key(*i)))).for_each(|i| picks.push(i));
            picks.end();
        }
    });
    picks.finish(&pool.column, element_type(call.returns))
}

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Union,
    Intersect,
    Except,
}

/// Set operations; the result has no duplicates and keeps the order of first occurrence.
fn combine(call: &KernelCall<'_>, operation: Operation) -> Result {
    let element = element_type(call.returns);
    let (left, right) = (call.lists(0)?, call.lists(1)?);
    let pool = Pool::new(&[left.inner(), right.inner()], element)?;
    let keys = pool.keys()?;
    let base = pool.bases[1];
    let n = call.length();
    let mut picks = Picks::new(n);
    with_keys!(keys, |key| {
        let (mut taken, mut other) = (Seen::new(), Seen::new());
        let of = |i: usize| keys.is_valid(i).then(|| key(i));
        for row in 0..n {
            let (Some((start, end)), Some((from, to))) = (left.at(row), right.at(row)) else {
                picks.end_null();
                continue;
            };
            taken.clear();
            other.clear();
            if operation == Operation::Union {
                (start..end).chain(base + from..base + to).filter(|i| taken.insert(of(*i))).for_each(|i| picks.push(i));
            } else {
                (base + from..base + to).for_each(|i| {
                    other.insert(of(i));
                });
                let wanted = operation == Operation::Intersect;
                let kept = (start..end).filter(|i| other.contains(&of(*i)) == wanted && taken.insert(of(*i)));
                kept.for_each(|i| picks.push(i));
            }
            picks.end();
        }
    });
    picks.finish(&pool.column, element)
}

/// NULL instead of FALSE where both have elements and either holds a NULL.
fn arrays_overlap(call: &KernelCall<'_>) -> Result {
    let (left, right) = (call.lists(0)?, call.lists(1)?);
    let pool = Pool::new(&[left.inner(), right.inner()], element_type(call.data_type(0)))?;
    let keys = pool.keys()?;
    let base = pool.bases[1];
    with_keys!(keys, |key| {
        let mut seen = Seen::new();
        map_rows(call.length(), |row| {
            let (Some((start, end)), Some((from, to))) = (left.at(row), right.at(row)) else { return Ok(None) };
            seen.clear();
            let mut nulls = false;
            for i in start..end {
                if keys.is_valid(i) {
                    seen.insert(Some(key(i)));
                } else {
                    nulls = true;
                }
            }
            for i in base + from..base + to {
                if !keys.is_valid(i) {
                    nulls = true;
                } else if seen.contains(&Some(key(i))) {
                    return Ok(Some(true));
                }
            }
            Ok((!nulls || start == end || from == to).then_some(false))
        })
    })
}
