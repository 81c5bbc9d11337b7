//! What a batch changes in one partition of state, as entries of a delta.
//!
//! ```text
//! entry = length u32, kind u8, list u8, then by kind
//!   rows      number of key columns u8, which column says when a row leaves u8 (1 is the first, 0: none), block
//!   removal   block of keys
//!   until     time i64
//! ```
//! A partition has some lists of rows, each with columns of its own. Rows of a list with keys replace those before
//! them with the same key; rows without are only ever added. Rows that say when they leave are removed by a time.

use super::CheckpointError;
use super::block::{Block, take};
use super::state::{PART, StateLog, Written};
use super::storage::Disk;

/// Bytes of entries after which they are written: little enough to stay in a core's own cache.
const FULL: usize = 256 << 10;

const ROWS: u8 = 0;
const REMOVED: u8 = 1;
const UNTIL: u8 = 2;

/// Takes what a batch changes in one partition, and writes it when there is enough of it.
#[derive(Default)]
pub struct Changes<'a> {
    /// Room for what stands before a part, then entries.
    bytes: Vec<u8>,
    to: Option<Target<'a>>,
}

/// Where changes are appended.
struct Target<'a> {
    log: &'a mut StateLog,
    disk: &'a dyn Disk,
    batch: u64,
    /// Parts written so far.
    parts: u32,
    /// The file was begun for this batch.
    new: bool,
    error: Option<CheckpointError>,
}

impl<'a> Changes<'a> {
    /// Changes that go to the end of a partition's file.
    pub(super) fn of(log: &'a mut StateLog, disk: &'a dyn Disk, batch: u64) -> Changes<'a> {
        let bytes = log.take_buffer();
        Changes { bytes, to: Some(Target { log, disk, batch, parts: 0, new: false, error: None }) }
    }

    /// Puts rows into a list in place of those with the same keys, which are the first `keys` columns; no two of a block
    /// have the same.
    pub fn put(&mut self, list: u8, keys: usize, rows: &Block) {
        self.rows(list, keys as u8, 0, rows);
    }

    /// Adds rows to a list whose keys nobody asks for. `leaves` is the column that says when each leaves, by
    /// [`remove_until`](Changes::remove_until); `None`: never.
    pub fn add(&mut self, list: u8, leaves: Option<usize>, rows: &Block) {
        self.rows(list, Entry::ADDED, leaves.map_or(0, |at| at as u8 + 1), rows);
    }

    /// Removes rows of a list by their keys.
    pub fn remove(&mut self, list: u8, keys: &Block) {
        if keys.rows() > 0 {
            self.entry(&[REMOVED, list], |out| keys.encode(out));
        }
    }

    /// Removes the rows of a list that leave at or before a time: those that are there already.
    pub fn remove_until(&mut self, list: u8, until: i64) {
        self.entry(&[UNTIL, list], |out| out.extend_from_slice(&until.to_le_bytes()));
    }

    /// The changes in order, where they are kept in memory; `None` for bytes that are none, a defect.
    pub fn entries(&self) -> impl Iterator<Item = Option<(u8, Block)>> + '_ {
        let mut rest = self.bytes.get(PART..).unwrap_or_default();
        let next = move || if rest.is_empty() { None } else { Some(Raw::take(&mut rest)) };
        std::iter::from_fn(next).map(|raw| match raw?.entry()? {
            Entry::Rows { list, rows, .. } => Some((list, rows)),
            Entry::Removed => None,
        })
    }

    /// Writes the rest; `None` when nothing changed.
    ///
    /// # Errors
    /// The disk's, of this or an earlier write.
    pub fn finish(mut self) -> Result<Option<Written>, CheckpointError> {
        let Some(mut to) = self.to.take() else { return Ok(None) };
        if to.parts == 0 && self.bytes.is_empty() {
            to.log.give_buffer(self.bytes);
            return Ok(None);
        }
        self.bytes.resize(self.bytes.len().max(PART), 0);
        to.write(&mut self.bytes, true);
        to.log.give_buffer(self.bytes);
        to.log.ended(to.batch, to.error.is_none());
        match (to.error, to.log.path()) {
            (Some(error), _) => Err(error),
            (None, Some(path)) => Ok(Some(Written { path: path.to_path_buf(), new: to.new })),
            (None, None) => Ok(None),
        }
    }

    fn rows(&mut self, list: u8, keys: u8, leaves: u8, rows: &Block) {
        if rows.rows() > 0 {
            self.entry(&[ROWS, list, keys, leaves], |out| rows.encode(out));
        }
    }

    fn entry(&mut self, head: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len().max(PART);
        self.bytes.resize(start + 4, 0);
        self.bytes.extend_from_slice(head);
        write(&mut self.bytes);
        let length = self.bytes.len() - start - 4;
        match u32::try_from(length) {
            Ok(length) => self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes()),
            // It is refused when the part is written, which is longer still.
            Err(_) => self.bytes[start..start + 4].fill(0xFF),
        }
        if let Some(to) = self.to.as_mut().filter(|_| self.bytes.len() >= FULL) {
            to.write(&mut self.bytes, false);
        }
    }
}

impl Target<'_> {
    fn write(&mut self, bytes: &mut Vec<u8>, last: bool) {
        if self.error.is_none() {
            match self.log.write_part(self.disk, self.batch, self.parts, last, bytes) {
                Ok(new) => self.new |= new,
                Err(error) => self.error = Some(error),
            }
            self.parts += 1;
        }
        bytes.clear();
    }
}

/// An entry whose columns are not looked at yet.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a> {
    /// With its length.
    pub(super) bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The next entry off the front of bytes.
    pub(super) fn take(bytes: &mut &'a [u8]) -> Option<Raw<'a>> {
        let whole = *bytes;
        let length = u32::from_le_bytes(take(bytes)?) as usize;
        let (_, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        (length >= 2).then(|| Raw { bytes: &whole[..4 + length] })
    }

    /// The list it is of.
    pub(super) fn list(&self) -> u8 {
        self.bytes[5]
    }

    /// Whether it has rows that replace others, or removes some by their keys.
    pub(super) fn has_keys(&self) -> bool {
        match self.bytes[4] {
            ROWS => self.bytes.get(6).is_some_and(|keys| *keys != Entry::ADDED),
            kind => kind == REMOVED,
        }
    }

    /// Keys alone, as the columns of a block.
    pub(super) fn keys(&self) -> Option<Block> {
        match self.bytes[4] {
            ROWS => Block::decode_first(&mut self.bytes.get(8..)?, usize::from(*self.bytes.get(6)?)),
            _ => Block::decode(&mut self.bytes.get(6..)?),
        }
    }

    /// The time of an entry that removes rows by one.
    pub(super) fn until(&self) -> Option<i64> {
        let mut rest = self.bytes.get(6..).filter(|_| self.bytes[4] == UNTIL)?;
        take(&mut rest).map(i64::from_le_bytes)
    }

    /// All of it, of those that [`Raw::until`] does not give; `None` when it cannot be read.
    pub(super) fn entry(&self) -> Option<Entry> {
        let mut rest = &self.bytes[4..];
        let [kind, list] = take(&mut rest)?;
        let entry = match kind {
            ROWS => {
                let [keys, leaves] = take(&mut rest)?;
                let rows = Block::decode(&mut rest)?;
                let keys = (keys != Entry::ADDED).then_some(usize::from(keys));
                let leaves = usize::from(leaves).checked_sub(1);
                if keys.is_some_and(|k| k > rows.columns()) || leaves.is_some_and(|at| rows.numbers_of(at).is_none()) {
                    return None;
                }
                Entry::Rows { list, keys, leaves, rows }
            }
            REMOVED => return Some(Entry::Removed),
            _ => return None,
        };
        rest.is_empty().then_some(entry)
    }
}

/// An entry that was read.
pub(super) enum Entry {
    /// Without `keys`, rows that are only added.
    Rows { list: u8, keys: Option<usize>, leaves: Option<usize>, rows: Block },
    /// See [`Raw::keys`].
    Removed,
}

impl Entry {
    /// In place of the number of key columns: rows that are only added.
    const ADDED: u8 = 0xFF;
}

/// Appends rows as an entry.
pub(super) fn put_rows(list: u8, keys: Option<usize>, leaves: Option<usize>, rows: &Block, out: &mut Vec<u8>) {
    let start = out.len();
    let keys = keys.map_or(Entry::ADDED, |k| k as u8);
    out.extend_from_slice(&[0, 0, 0, 0, ROWS, list, keys, leaves.map_or(0, |at| at as u8 + 1)]);
    rows.encode(out);
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
