//! What one partition of an operator keeps on disk: bundles by key, and an order by the time at which they are due.
//!
//! ```text
//! operator, partition, 0, key                → rows, times, what is kept under the key
//! operator, partition, 1 + list, time, key   → nothing: the key has something due at that time
//! ```

use super::Spill;
use super::filter::Filter;
use super::store::{Bytes, LONGEST_KEY, Store};
use crate::engine::EngineError;
use crate::engine::state::stored::{Stored, put_varint, take_varint};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Bytes of operator, partition and list before each key.
const PLACE: usize = 4;

/// Everything that is kept under one key, on its way to disk.
#[derive(Debug, Default)]
pub struct Bundle {
    /// The key.
    pub key: Vec<u8>,
    /// How many rows of state it is.
    pub rows: u64,
    /// When something of it is due first, by list: of joins each side has one.
    pub times: [Option<i64>; 2],
    /// What is kept.
    pub value: Vec<u8>,
}

/// Bundles for one write, one after the other in memory.
#[derive(Default)]
pub struct Bundles {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    rows: u64,
}

/// A key and behind it its value.
struct Entry {
    /// The key's first bytes behind operator and partition, for sorting.
    head: u64,
    from: usize,
    key: u32,
    value: u32,
}

/// A bundle that was read.
pub struct Found {
    /// With its place.
    key: Vec<u8>,
    pub rows: u64,
    pub times: [Option<i64>; 2],
    bytes: Bytes,
    head: usize,
}

/// The cold part of one partition.
pub struct Cold {
    spill: Arc<Spill>,
    place: [u8; 3],
    /// There once something went to disk.
    store: Option<Arc<Store>>,
    rows: u64,
    keys: u64,
    filter: Filter,
}

impl Bundle {
    /// Empties it for the next key.
    pub fn clear(&mut self) {
        self.key.clear();
        self.value.clear();
        (self.rows, self.times) = (0, [None; 2]);
    }

    /// Whether its key is short enough for the store.
    pub fn fits(&self) -> bool {
        self.key.len() <= LONGEST_KEY
    }
}

/// The first bytes of a key with its place: those that may differ.
fn head(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let from = &key[PLACE - 1..];
    let length = from.len().min(8);
    bytes[..length].copy_from_slice(&from[..length]);
    u64::from_be_bytes(bytes)
}

impl Bundles {
    /// One more; `place` is that of the partition it goes to.
    fn push(&mut self, at: [u8; 3], bundle: &Bundle) {
        for (list, time) in bundle.times.iter().enumerate() {
            if let Some(time) = time {
                self.entry(|key| key.extend_from_slice(&due(at, list, *time, &bundle.key)), |_| {});
            }
        }
        self.rows += bundle.rows;
        let key = |out: &mut Vec<u8>| {
            out.extend_from_slice(&place(at, 0));
            out.extend_from_slice(&bundle.key);
        };
        self.entry(key, |out| {
            put_varint(bundle.rows, out);
            bundle.times.iter().for_each(|time| time.put(out));
            out.extend_from_slice(&bundle.value);
        });
    }

    fn entry(&mut self, key: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let from = self.bytes.len();
        key(&mut self.bytes);
        let end = self.bytes.len();
        value(&mut self.bytes);
        let head = head(&self.bytes[from..end]);
        self.entries.push(Entry { head, from, key: (end - from) as u32, value: (self.bytes.len() - end) as u32 });
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.from..][..entry.key as usize]
    }

    fn value(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.from + entry.key as usize..][..entry.value as usize]
    }

    /// The entries in the order of their keys.
    fn sorted(&mut self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| self.key(a).cmp(self.key(b))));
        self.entries = entries;
        self.entries.iter().map(|e| (self.key(e), self.value(e)))
    }
}

impl Found {
    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key[PLACE..]
    }

    /// What is kept under it.
    pub fn value(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    fn read(key: Vec<u8>, bytes: Bytes) -> Result<Found, EngineError> {
        let mut rest = &bytes[..];
        let head = (|| Some((take_varint(&mut rest)?, Stored::take(&mut rest)?, Stored::take(&mut rest)?)))();
        let Some((rows, first, second)) = head else { return Err(garbled()) };
        let head = bytes.len() - rest.len();
        Ok(Found { key, rows, times: [first, second], bytes, head })
    }
}

/// The defect that an entry is not what was put there.
pub fn garbled() -> EngineError {
    EngineError::internal("an entry of the state store is not what was put there")
}

fn ordered(time: i64) -> [u8; 8] {
    (time.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

impl Cold {
    /// Empty, with at most so many bytes to know by which keys it has.
    pub(super) fn new(spill: Arc<Spill>, operator: u8, partition: u16, filter: u64) -> Cold {
        let [high, low] = partition.to_be_bytes();
        Cold { spill, place: [operator, high, low], store: None, rows: 0, keys: 0, filter: Filter::new(filter) }
    }

    /// Whether nothing is on disk.
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Rows of state on disk.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of memory in use.
    pub fn bytes(&self) -> usize {
        self.filter.bytes()
    }

    fn filled(&self) -> Option<&Arc<Store>> {
        self.store.as_ref().filter(|_| self.keys > 0)
    }

    /// Those of `count` keys that are on disk, with their number; `write` appends the key of a number.
    ///
    /// # Errors
    /// The disk's.
    pub fn find(&self, count: usize, write: impl Fn(usize, &mut Vec<u8>)) -> Result<Vec<(usize, Found)>, EngineError> {
        let Some(store) = self.filled() else { return Ok(Vec::new()) };
        let mut bytes = Vec::new();
        let mut keys = Vec::new();
        for number in 0..count {
            let from = bytes.len();
            bytes.extend_from_slice(&self.list(0));
            write(number, &mut bytes);
            let key = &bytes[from..];
            if key.len() <= LONGEST_KEY + PLACE && self.filter.may_have(&key[PLACE..]) {
                keys.push((head(key), from, bytes.len(), number));
            } else {
                bytes.truncate(from);
            }
        }
        let key = |(_, from, until, _): &(u64, usize, usize, usize)| &bytes[*from..*until];
        // Neighbours share blocks.
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a).cmp(key(b))));
        let mut found = Vec::new();
        for at in &keys {
            if let Some(value) = store.get(key(at))? {
                found.push((at.3, Found::read(key(at).to_vec(), value)?));
            }
        }
        Ok(found)
    }

    /// Takes a bundle out: it is in memory from here on.
    pub fn forget(&mut self, found: &Found) {
        let Some(store) = &self.store else { return };
        store.remove(&found.key);
        for (list, time) in found.times.iter().enumerate() {
            if let Some(time) = time {
                store.remove(&due(self.place, list, *time, found.key()));
            }
        }
        self.rows -= found.rows;
        self.keys -= 1;
        if self.keys == 0 {
            self.filter = self.filter.emptied();
        }
    }

    /// Adds a bundle to those for the next `put`.
    pub fn pack(&self, bundle: &Bundle, into: &mut Bundles) {
        into.push(self.place, bundle);
    }

    /// Puts bundles whose keys differ and are not on disk.
    ///
    /// # Errors
    /// The disk's; then none was put.
    pub fn put(&mut self, mut bundles: Bundles) -> Result<(), EngineError> {
        if bundles.entries.is_empty() {
            return Ok(());
        }
        let store = match &self.store {
            Some(store) => Arc::clone(store),
            None => Arc::clone(self.store.insert(self.spill.store()?)),
        };
        let (rows, count, own) = (bundles.rows, bundles.entries.len(), self.list(0));
        let (filter, mut keys) = (&mut self.filter, 0);
        let noted = bundles.sorted().inspect(|(key, _)| {
            if key[..PLACE] == own {
                keys += 1;
                filter.put(&key[PLACE..]);
            }
        });
        store.put(count, noted)?;
        self.rows += rows;
        self.keys += keys;
        // Where most keys that the filter knows are gone it is filled anew, and where it cannot grow any more, as one. A
        // filter that cannot be only says yes more often.
        let anew = if self.filter.keys() > 4 * self.keys + (1 << 16) {
            Some(self.filter.emptied())
        } else {
            self.filter.is_full().then(|| self.filter.largest())
        };
        if let Some(Ok(filter)) = anew.map(|filter| self.noted(filter)) {
            self.filter = filter;
        }
        Ok(())
    }

    /// A filter that knows the keys on disk.
    fn noted(&self, mut filter: Filter) -> Result<Filter, EngineError> {
        self.each(|found| {
            filter.put(found.key());
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(filter)
    }

    /// Takes out every bundle with something due in `list` at or before `until`, after `visit` took it into memory.
    ///
    /// # Errors
    /// The disk's; what `visit` gives. Bundles visited before are out.
    pub fn take_due(
        &mut self,
        list: usize,
        until: i64,
        mut visit: impl FnMut(&Found) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let Some(store) = self.filled().cloned() else { return Ok(()) };
        let from = self.list(1 + list as u8);
        let end = match until.checked_add(1) {
            Some(after) => [&from[..], &ordered(after)].concat(),
            None => self.list(2 + list as u8).to_vec(),
        };
        store.each(&from, &end, |entry, _| {
            let key = [&self.list(0)[..], &entry[PLACE + 8..]].concat();
            if let Some(value) = store.get(&key)? {
                let found = Found::read(key, value)?;
                visit(&found)?;
                self.forget(&found);
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Visits every bundle, in the order of keys, until told to stop.
    ///
    /// # Errors
    /// The disk's; what `visit` gives.
    pub fn each(&self, mut visit: impl FnMut(&Found) -> Result<ControlFlow<()>, EngineError>) -> Result<(), EngineError> {
        let Some(store) = self.filled() else { return Ok(()) };
        store.each(&self.list(0), &self.list(1), |key, value| visit(&Found::read(key.to_vec(), value.clone())?))
    }

    /// Remembers a failure that its caller cannot give.
    pub fn fail(&self, error: EngineError) {
        self.spill.fail(error);
    }

    fn list(&self, list: u8) -> [u8; PLACE] {
        place(self.place, list)
    }
}

fn place([operator, high, low]: [u8; 3], list: u8) -> [u8; PLACE] {
    [operator, high, low, list]
}

fn due(at: [u8; 3], list: usize, time: i64, key: &[u8]) -> Vec<u8> {
    [&place(at, 1 + list as u8)[..], &ordered(time), key].concat()
}
