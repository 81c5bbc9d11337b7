//! What one partition of an operator keeps on disk: bundles by key, and an order by the time at which they are due.
//!
//! ```text
//! operator, partition, 0, key                → rows, times, what is kept under the key
//! operator, partition, 1 + list, time, key   → nothing: the key has something due at that time
//! ```

use super::Spill;
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
}

impl Bundle {
    /// Whether its key is short enough for the store.
    pub fn fits(&self) -> bool {
        self.key.len() <= LONGEST_KEY
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
    pub(super) fn new(spill: Arc<Spill>, operator: u8, partition: u16) -> Cold {
        let [high, low] = partition.to_be_bytes();
        Cold { spill, place: [operator, high, low], store: None, rows: 0 }
    }

    /// Whether nothing is on disk.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Rows of state on disk.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Those of `count` keys that are on disk, with their number; `write` appends the key of a number.
    ///
    /// # Errors
    /// The disk's.
    pub fn find(&self, count: usize, write: impl Fn(usize, &mut Vec<u8>)) -> Result<Vec<(usize, Found)>, EngineError> {
        let Some(store) = self.store.as_ref().filter(|_| self.rows > 0) else { return Ok(Vec::new()) };
        let mut bytes = Vec::with_capacity(count * 16);
        let mut keys = Vec::with_capacity(count);
        for number in 0..count {
            let from = bytes.len();
            bytes.extend_from_slice(&self.list(0));
            write(number, &mut bytes);
            keys.push((from, bytes.len(), number));
        }
        let key = |(from, until, _): &(usize, usize, usize)| &bytes[*from..*until];
        // Neighbours share blocks.
        keys.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        let mut found = Vec::new();
        for at in keys.iter().filter(|at| key(at).len() <= LONGEST_KEY + PLACE) {
            if let Some(value) = store.get(key(at))? {
                found.push((at.2, Found::read(key(at).to_vec(), value)?));
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
                store.remove(&self.due(list, *time, found.key()));
            }
        }
        self.rows -= found.rows;
    }

    /// Puts bundles whose keys differ and are not on disk.
    ///
    /// # Errors
    /// The disk's; then none was put.
    pub fn put(&mut self, bundles: Vec<Bundle>) -> Result<(), EngineError> {
        if bundles.is_empty() {
            return Ok(());
        }
        let store = match &self.store {
            Some(store) => store,
            None => self.store.insert(self.spill.store()?),
        };
        let mut entries = Vec::with_capacity(bundles.len() * 2);
        let mut rows = 0;
        for Bundle { key, rows: own, times, value } in bundles {
            rows += own;
            let mut whole = Vec::with_capacity(value.len() + 12);
            put_varint(own, &mut whole);
            times.iter().for_each(|time| time.put(&mut whole));
            whole.extend_from_slice(&value);
            for (list, time) in times.iter().enumerate() {
                entries.extend(time.map(|time| (due(self.place, list, time, &key), Vec::new())));
            }
            entries.push(([&place(self.place, 0)[..], &key].concat(), whole));
        }
        entries.sort_unstable();
        store.put(&entries)?;
        self.rows += rows;
        Ok(())
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
        let Some(store) = self.store.clone().filter(|_| self.rows > 0) else { return Ok(()) };
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
        let Some(store) = self.store.as_ref().filter(|_| self.rows > 0) else { return Ok(()) };
        store.each(&self.list(0), &self.list(1), |key, value| visit(&Found::read(key.to_vec(), value.clone())?))
    }

    /// Remembers a failure that its caller cannot give.
    pub fn fail(&self, error: EngineError) {
        self.spill.fail(error);
    }

    fn list(&self, list: u8) -> [u8; PLACE] {
        place(self.place, list)
    }

    fn due(&self, list: usize, time: i64, key: &[u8]) -> Vec<u8> {
        due(self.place, list, time, key)
    }
}

fn place([operator, high, low]: [u8; 3], list: u8) -> [u8; PLACE] {
    [operator, high, low, list]
}

fn due(at: [u8; 3], list: usize, time: i64, key: &[u8]) -> Vec<u8> {
    [&place(at, 1 + list as u8)[..], &ordered(time), key].concat()
}
