//! Hashes → slots: many small hash tables that become more, one at a time, as keys come.
//!
//! One big table would be copied whole whenever it doubles: with ten million keys that holds a batch of ten up for
//! a hundred milliseconds. Here a table is divided in two whenever the average grows past a limit, each in its
//! turn (linear hashing), which costs tens of microseconds.

use hashbrown::{HashTable, hash_table};

/// Keys per table on average. The table next in turn then has at most twice as many, which fit 8192 places.
const LOAD: usize = 3000;
/// What a place takes: hash and slot, and hashbrown's own byte.
const PLACE: usize = size_of::<Entry>() + 1;

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    slot: u32,
}

/// Slots by the 32-bit hash of their key.
#[derive(Debug)]
pub(super) struct HashIndex {
    tables: Vec<HashTable<Entry>>,
    /// As many tables as this round began with: a power of two.
    round: usize,
    len: usize,
}

impl Default for HashIndex {
    fn default() -> HashIndex {
        HashIndex { tables: vec![HashTable::new()], round: 1, len: 0 }
    }
}

/// The 64 bits hashbrown wants, from our 32. The table is chosen by the lower bits as they are, so these must not
/// be the ones that choose the place.
#[inline]
fn spread(hash: u32) -> u64 {
    let wide = u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    wide ^ (wide >> 32)
}

impl HashIndex {
    /// The slot under that hash for which `is` holds.
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        self.tables[self.table(hash)].find(spread(hash), |e| e.hash == hash && is(e.slot)).map(|e| e.slot)
    }

    /// A slot under that hash: nearly always that of its key, where it is there.
    #[inline]
    pub(super) fn probable(&self, hash: u32) -> Option<u32> {
        self.tables[self.table(hash)].find(spread(hash), |e| e.hash == hash).map(|e| e.slot)
    }

    /// The slot under that hash for which `is` holds; else the one that `make` gives, which is then new.
    #[inline]
    pub(super) fn upsert(&mut self, hash: u32, mut is: impl FnMut(u32) -> bool, make: impl FnOnce() -> u32) -> (u32, bool) {
        let at = self.table(hash);
        let slot = match self.tables[at].entry(spread(hash), |e| e.hash == hash && is(e.slot), |e| spread(e.hash)) {
            hash_table::Entry::Occupied(entry) => return (entry.get().slot, false),
            hash_table::Entry::Vacant(entry) => {
                let slot = make();
                entry.insert(Entry { hash, slot });
                slot
            }
        };
        self.len += 1;
        if self.len > LOAD * self.tables.len() {
            self.divide();
        }
        (slot, true)
    }

    /// Takes a slot out.
    pub(super) fn remove(&mut self, hash: u32, slot: u32) {
        let at = self.table(hash);
        if let Ok(entry) = self.tables[at].find_entry(spread(hash), |e| e.slot == slot) {
            entry.remove();
            self.len -= 1;
        }
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.tables.iter().map(|t| places(t) * PLACE).sum::<usize>() + self.tables.capacity() * size_of::<HashTable<Entry>>()
    }

    #[inline]
    fn table(&self, hash: u32) -> usize {
        let at = hash as usize & (2 * self.round - 1);
        if at < self.tables.len() { at } else { at - self.round }
    }

    /// Divides the next table in turn.
    fn divide(&mut self) {
        let at = self.tables.len() - self.round;
        let old = std::mem::take(&mut self.tables[at]);
        let half = old.len() / 2 + old.len() / 16;
        let mut stay = HashTable::with_capacity(half);
        let mut go = HashTable::with_capacity(half);
        for entry in old {
            let to = if entry.hash as usize & self.round == 0 { &mut stay } else { &mut go };
            to.insert_unique(spread(entry.hash), entry, |e| spread(e.hash));
        }
        self.tables[at] = stay;
        self.tables.push(go);
        if self.tables.len() == 2 * self.round {
            self.round *= 2;
        }
    }
}

/// How many places a table has: seven of eight may be taken.
fn places(table: &HashTable<Entry>) -> usize {
    table.capacity() * 8 / 7
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_everything_after_many_divisions() {
        let mut index = HashIndex::default();
        // The upper bits are equal within a partition.
        let hash = |n: u32| (n.wrapping_mul(0x9E37_79B1) >> 3) | 0xE000_0000;
        for n in 0..100_000 {
            assert_eq!(index.upsert(hash(n), |slot| slot == n, || n), (n, true));
            assert_eq!(index.upsert(hash(n / 2), |slot| slot == n / 2, || 0), (n / 2, false));
        }
        assert!(index.tables.len() > 32, "{}", index.tables.len());
        assert!((0..100_000).all(|n| index.find(hash(n), |slot| slot == n) == Some(n)));
        (0..100_000).filter(|n| n % 3 == 0).for_each(|n| index.remove(hash(n), n));
        assert!((0..100_000).all(|n| index.find(hash(n), |slot| slot == n).is_some() == (n % 3 != 0)));
        assert_eq!(index.find(hash(1), |_| false), None);
        let largest = index.tables.iter().map(HashTable::capacity).max();
        assert!(largest <= Some(7168), "one division stays small: {largest:?}");
        assert!(index.bytes() <= 100_000 * 24, "{}", index.bytes());
    }
}
