//! Keys → slots: an index of slot numbers by hash beside the keys themselves.
//!
//! An entry is the hash's 32 bits and the slot: growing the index needs no key, and most misses need
//! none either. Single integers lie in a list by slot, everything else as bytes in an arena: one of wide cells where
//! keys never fit narrow ones, as a window and a number do not.

use super::arena::{Arena, Wanted};
use super::codec;
use super::hash;
use super::index::HashIndex;
use super::slots::Slots;
use crate::checkpoint::{Block, Columns};
use crate::engine::EngineError;
use crate::engine::columns::physical;
use crate::engine::eval::access::{self, Cells, number_series};
use crate::types::DataType;
use polars::prelude::{self as pl, PlSmallStr, Series};
use polars_arrow::array::{MutableBinaryViewArray, View};
use polars_arrow::bitmap::{Bitmap, BitmapBuilder};

/// How the keys of one table are kept; follows from their types.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyKind {
    /// No keys: one group.
    Global,
    /// One key whose column is integers: TINYINT to BIGINT, dates, timestamps, intervals.
    Integer(DataType),
    /// One STRING key.
    Text,
    /// Anything else, as rows of bytes.
    Rows(Vec<DataType>),
}

/// The keys of one frame's rows, ready for [`Keys::upsert`].
pub enum KeyBatch {
    Global(usize),
    Integer { values: Series, hashes: Vec<u32> },
    Text { values: Series, hashes: Vec<u32> },
    Rows { rows: codec::Rows, hashes: Vec<u32> },
}

impl KeyKind {
    /// The form for keys of those types.
    pub fn of(types: &[DataType]) -> KeyKind {
        match types {
            [] => KeyKind::Global,
            [DataType::String] => KeyKind::Text,
            [t] if matches!(physical(t), pl::DataType::Int8 | pl::DataType::Int16 | pl::DataType::Int32 | pl::DataType::Int64) => {
                KeyKind::Integer(t.clone())
            }
            types => KeyKind::Rows(types.to_vec()),
        }
    }

    /// Hashes the keys of `rows` rows.
    pub fn batch(&self, columns: &[Series], rows: usize) -> Result<KeyBatch, EngineError> {
        Ok(match self {
            KeyKind::Global => KeyBatch::Global(rows),
            KeyKind::Integer(_) => {
                let values = columns[0].cast(&pl::DataType::Int64)?;
                let numbers = access::numbers::<i64>(&values)?;
                let mut hashes: Vec<u32> = numbers.values.iter().map(|v| hash::number(*v)).collect();
                mark_nulls(&mut hashes, numbers.validity);
                KeyBatch::Integer { values, hashes }
            }
            KeyKind::Text => {
                let texts = access::texts(&columns[0])?;
                let mut hashes: Vec<u32> = (texts.0.views().iter().enumerate())
                    .map(|(row, view)| hash::inline(view).unwrap_or_else(|| hash::bytes(texts.value(row).as_bytes())))
                    .collect();
                mark_nulls(&mut hashes, texts.validity());
                KeyBatch::Text { values: columns[0].clone(), hashes }
            }
            KeyKind::Rows(types) => {
                let encoded = codec::encode(columns, types, rows)?;
                let hashes = (0..rows).map(|i| hash::bytes(encoded.row(i))).collect();
                KeyBatch::Rows { rows: encoded, hashes }
            }
        })
    }
}

fn mark_nulls(hashes: &mut [u32], validity: Option<&Bitmap>) {
    let Some(validity) = validity.filter(|v| v.unset_bits() > 0) else { return };
    for (row, hash) in hashes.iter_mut().enumerate() {
        if !validity.get_bit(row) {
            *hash = hash::NULL;
        }
    }
}

impl KeyBatch {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            KeyBatch::Global(rows) => *rows,
            KeyBatch::Integer { hashes, .. } | KeyBatch::Text { hashes, .. } | KeyBatch::Rows { hashes, .. } => hashes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of each of `partitions` (a power of two) partitions, ascending.
    pub fn scatter(&self, partitions: usize) -> Vec<Vec<u32>> {
        let bits = partitions.trailing_zeros();
        match self {
            KeyBatch::Integer { hashes, .. } | KeyBatch::Text { hashes, .. } | KeyBatch::Rows { hashes, .. } if bits > 0 => {
                let mut out: Vec<Vec<u32>> = (0..partitions).map(|_| Vec::with_capacity(hashes.len() / partitions * 5 / 4 + 8)).collect();
                for (row, hash) in hashes.iter().enumerate() {
                    out[(hash >> (32 - bits)) as usize].push(row as u32);
                }
                out
            }
            _ => {
                let mut out = vec![Vec::new(); partitions];
                out[0] = (0..self.len() as u32).collect();
                out
            }
        }
    }
}

/// Where keys live, slot by slot.
enum Store {
    Global,
    Integers(Slots<i64>),
    Bytes(Arena),
    Wide(Arena<32>),
}

impl Store {
    fn of(kind: &KeyKind) -> Store {
        match kind {
            KeyKind::Global => Store::Global,
            KeyKind::Integer(_) => Store::Integers(Slots::default()),
            KeyKind::Rows(types) if (16..32).contains(&codec::least(types)) => Store::Wide(Arena::default()),
            KeyKind::Text | KeyKind::Rows(_) => Store::Bytes(Arena::default()),
        }
    }

    /// The key of a slot in an arena.
    #[inline]
    fn get(&self, slot: u32) -> &[u8] {
        match self {
            Store::Bytes(arena) => arena.get(slot),
            Store::Wide(arena) => arena.get(slot),
            Store::Global | Store::Integers(_) => &[],
        }
    }
}

/// A table from keys to slots. Slots of removed keys are given out again.
pub struct Keys {
    kind: KeyKind,
    index: HashIndex,
    store: Store,
    null: Option<u32>,
    free: Vec<u32>,
    slots: u32,
}

impl Keys {
    /// An empty table; without keys it has its one slot from the start.
    pub fn new(kind: KeyKind) -> Keys {
        let store = Store::of(&kind);
        Keys { kind, index: HashIndex::default(), store, null: None, free: Vec::new(), slots: 0 }
    }

    /// One more than the highest slot ever given out.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }

    /// Bytes of memory in use.
    pub fn bytes(&self) -> usize {
        let store = match &self.store {
            Store::Global => 0,
            Store::Integers(values) => values.bytes(),
            Store::Bytes(arena) => arena.bytes(),
            Store::Wide(arena) => arena.bytes(),
        };
        store + self.index.bytes() + self.free.capacity() * 4
    }

    /// Reads what `upsert` will look at for those rows; `slots` becomes the slots that they probably have. Here the
    /// processor waits for many places of a big table at once, there for one after the other.
    pub fn approach(&self, batch: &KeyBatch, rows: &[u32], slots: &mut Vec<u32>) {
        slots.clear();
        let (KeyBatch::Integer { hashes, .. } | KeyBatch::Text { hashes, .. } | KeyBatch::Rows { hashes, .. }) = batch else { return };
        slots.extend(rows.iter().filter_map(|row| self.index.probable(hashes[*row as usize])));
        let seen = match &self.store {
            Store::Global => 0,
            Store::Integers(keys) => slots.iter().fold(0, |all, s| all ^ keys.get(*s as usize).copied().unwrap_or(0)),
            Store::Bytes(arena) => slots.iter().fold(0, |all, s| all ^ i64::from(arena.look(*s))),
            Store::Wide(arena) => slots.iter().fold(0, |all, s| all ^ i64::from(arena.look(*s))),
        };
        std::hint::black_box(seen);
    }

    /// The slot of each of `rows`' keys; `visit` learns of each row's slot in turn and whether it is new.
    pub fn upsert(&mut self, batch: &KeyBatch, rows: &[u32], mut visit: impl FnMut(u32, u32, bool)) -> Result<(), EngineError> {
        match batch {
            KeyBatch::Global(_) => rows.iter().for_each(|row| visit(*row, 0, false)),
            KeyBatch::Integer { values, hashes } => {
                let numbers = access::numbers::<i64>(values)?;
                for row in rows {
                    let (slot, new) = match numbers.validity {
                        Some(v) if !v.get_bit(*row as usize) => self.upsert_null(),
                        _ => self.upsert_integer(numbers.values[*row as usize], hashes[*row as usize]),
                    };
                    visit(*row, slot, new);
                }
            }
            KeyBatch::Text { values, hashes } => {
                let texts = access::texts(values)?;
                let validity = texts.validity().filter(|v| v.unset_bits() > 0);
                for row in rows {
                    let (slot, new) = match validity {
                        Some(v) if !v.get_bit(*row as usize) => self.upsert_null(),
                        _ => self.upsert_text(&texts.0.views()[*row as usize], || texts.value(*row as usize), hashes[*row as usize]),
                    };
                    visit(*row, slot, new);
                }
            }
            KeyBatch::Rows { rows: encoded, hashes } => {
                for row in rows {
                    let (slot, new) = self.upsert_bytes(encoded.row(*row as usize), hashes[*row as usize]);
                    visit(*row, slot, new);
                }
            }
        }
        Ok(())
    }

    /// The slot of each row's key, `None` for keys that are not there.
    pub fn find_all(&self, batch: &KeyBatch) -> Result<Vec<Option<u32>>, EngineError> {
        Ok(match batch {
            KeyBatch::Global(rows) => vec![Some(0); *rows],
            KeyBatch::Integer { values, hashes } => {
                let numbers = access::numbers::<i64>(values)?;
                let Store::Integers(keys) = &self.store else { return Err(EngineError::internal("integer keys in a table of bytes")) };
                let find = |key: i64, hash: u32| self.index.find(hash, |slot| keys[slot as usize] == key);
                (0..hashes.len()).map(|row| numbers.at(row).map_or(self.null, |key| find(key, hashes[row]))).collect()
            }
            KeyBatch::Text { values, hashes } => {
                let texts = access::texts(values)?;
                let valid = |row: usize| texts.validity().is_none_or(|v| v.get_bit(row));
                let find = |row: usize| self.find_bytes(texts.value(row).as_bytes(), hashes[row]);
                (0..hashes.len()).map(|row| if valid(row) { find(row) } else { self.null }).collect()
            }
            KeyBatch::Rows { rows, hashes } => (0..hashes.len()).map(|row| self.find_bytes(rows.row(row), hashes[row])).collect(),
        })
    }

    fn find_bytes(&self, key: &[u8], hash: u32) -> Option<u32> {
        match &self.store {
            Store::Bytes(arena) => {
                let wanted = Wanted::new(key);
                self.index.find(hash, |slot| arena.is(slot, &wanted))
            }
            Store::Wide(arena) => {
                let wanted = Wanted::new(key);
                self.index.find(hash, |slot| arena.is(slot, &wanted))
            }
            Store::Global | Store::Integers(_) => None,
        }
    }

    fn upsert_null(&mut self) -> (u32, bool) {
        if let Some(slot) = self.null {
            return (slot, false);
        }
        let slot = next_slot(&mut self.free, &mut self.slots);
        match &mut self.store {
            Store::Global => {}
            Store::Integers(keys) => keys.put(slot as usize, 0, &0),
            Store::Bytes(arena) => arena.touch(slot),
            Store::Wide(arena) => arena.touch(slot),
        }
        self.null = Some(slot);
        (slot, true)
    }

    #[inline]
    fn upsert_integer(&mut self, key: i64, hash: u32) -> (u32, bool) {
        let Store::Integers(keys) = &mut self.store else { unreachable!("integer keys go with an integer store") };
        let make = || next_slot(&mut self.free, &mut self.slots);
        let (slot, new) = self.index.upsert(hash, |slot| keys[slot as usize] == key, make);
        if new {
            keys.put(slot as usize, key, &0);
        }
        (slot, new)
    }

    #[inline]
    fn upsert_bytes(&mut self, key: &[u8], hash: u32) -> (u32, bool) {
        let Keys { index, free, slots, store, .. } = self;
        let make = || next_slot(free, slots);
        match store {
            Store::Bytes(arena) => upsert_in(arena, index, &Wanted::new(key), hash, make),
            Store::Wide(arena) => upsert_in(arena, index, &Wanted::new(key), hash, make),
            Store::Global | Store::Integers(_) => unreachable!("byte keys go with an arena"),
        }
    }

    #[inline]
    fn upsert_text<'a>(&mut self, view: &View, value: impl FnOnce() -> &'a str, hash: u32) -> (u32, bool) {
        let Keys { index, free, slots, store: Store::Bytes(arena), .. } = self else { unreachable!("texts go with an arena") };
        upsert_in(arena, index, &Wanted::text(view, value), hash, || next_slot(free, slots))
    }

    /// Takes the keys of those slots out; the slots will be given out again.
    pub fn remove(&mut self, slots: &[u32]) {
        for slot in slots {
            if self.null == Some(*slot) {
                self.null = None;
            } else {
                let hash = self.hash_of(*slot);
                self.index.remove(hash, *slot);
                match &mut self.store {
                    Store::Bytes(arena) => arena.remove(*slot),
                    Store::Wide(arena) => arena.remove(*slot),
                    Store::Global | Store::Integers(_) => {}
                }
            }
            self.free.push(*slot);
        }
    }

    fn hash_of(&self, slot: u32) -> u32 {
        match &self.store {
            Store::Global => 0,
            Store::Integers(keys) => hash::number(keys[slot as usize]),
            store => hash::bytes(store.get(slot)),
        }
    }

    /// Appends the key of a slot as bytes, the same in every run: a byte that says whether it is NULL, then the key.
    pub fn write_key(&self, slot: u32, out: &mut Vec<u8>) {
        if self.null == Some(slot) {
            out.push(0);
            return;
        }
        match &self.store {
            Store::Global => {}
            Store::Integers(keys) => {
                out.push(1);
                out.extend_from_slice(&((keys[slot as usize] as u64) ^ (1 << 63)).to_be_bytes());
            }
            store => {
                out.push(1);
                out.extend_from_slice(store.get(slot));
            }
        }
    }

    /// The slot of a key that `write_key` gave, and whether it is new; `None` for bytes of another kind.
    pub fn insert_key(&mut self, bytes: &[u8]) -> Option<(u32, bool)> {
        match (&self.store, bytes) {
            (Store::Global, []) => Some((0, false)),
            (Store::Global, _) => None,
            (_, [0]) => Some(self.upsert_null()),
            (Store::Integers(_), [1, key @ ..]) => {
                let key = (u64::from_be_bytes(key.try_into().ok()?) ^ (1 << 63)) as i64;
                Some(self.upsert_integer(key, hash::number(key)))
            }
            (Store::Bytes(_) | Store::Wide(_), [1, key @ ..]) => Some(self.upsert_bytes(key, hash::bytes(key))),
            _ => None,
        }
    }

    /// Appends the keys of those slots as columns: which are not NULL, and the keys. Without keys there are none.
    pub fn write_columns(&self, slots: &[u32], out: &mut Block) {
        if !matches!(self.store, Store::Global) {
            out.numbers(slots.iter().map(|slot| i64::from(self.null != Some(*slot))));
        }
        match &self.store {
            Store::Global => {}
            Store::Integers(keys) => out.numbers(slots.iter().map(|slot| keys[*slot as usize])),
            store => out.bytes(slots.iter().map(|slot| store.get(*slot))),
        }
    }

    /// Puts keys in that `write_columns` gave: the slot of each, and whether it is new. `None` for columns of another kind.
    pub fn insert_columns(&mut self, columns: &mut Columns<'_>) -> Option<Vec<(u32, bool)>> {
        if matches!(self.store, Store::Global) {
            return Some(vec![(0, false); columns.rows()]);
        }
        let valid = columns.numbers()?;
        let mut slots = Vec::with_capacity(valid.len());
        if matches!(self.store, Store::Integers(_)) {
            for (key, valid) in columns.numbers()?.iter().zip(valid) {
                slots.push(if *valid == 0 { self.upsert_null() } else { self.upsert_integer(*key, hash::number(*key)) });
            }
        } else {
            for (key, valid) in columns.bytes()?.zip(valid) {
                slots.push(if *valid == 0 { self.upsert_null() } else { self.upsert_bytes(key, hash::bytes(key)) });
            }
        }
        Some(slots)
    }

    /// The keys of those slots as columns.
    pub fn columns(&self, slots: &[u32]) -> Result<Vec<Series>, EngineError> {
        match (&self.kind, &self.store) {
            (KeyKind::Integer(data_type), Store::Integers(keys)) => {
                let values: Vec<i64> = slots.iter().map(|s| keys[*s as usize]).collect();
                Ok(vec![number_series(values, self.without_null(slots)).cast(&physical(data_type))?])
            }
            (KeyKind::Text, Store::Bytes(arena)) => {
                let mut out = MutableBinaryViewArray::<str>::with_capacity(slots.len());
                for slot in slots {
                    if self.null == Some(*slot) {
                        out.push_null();
                    } else {
                        // Only whole strings were put in, so nothing is replaced here.
                        out.push_value(&*String::from_utf8_lossy(arena.get(*slot)));
                    }
                }
                Ok(vec![Series::from_array(PlSmallStr::EMPTY, out.freeze())])
            }
            (KeyKind::Rows(types), store) => codec::decode(slots.iter().map(|s| store.get(*s)), types),
            _ => Ok(Vec::new()),
        }
    }

    fn without_null(&self, slots: &[u32]) -> Option<Bitmap> {
        let null = self.null?;
        let mut valid = BitmapBuilder::with_capacity(slots.len());
        slots.iter().for_each(|s| valid.push(*s != null));
        valid.into_opt_validity()
    }
}

#[inline]
fn upsert_in<const N: usize>(
    arena: &mut Arena<N>,
    index: &mut HashIndex,
    wanted: &Wanted<'_, N>,
    hash: u32,
    make: impl FnOnce() -> u32,
) -> (u32, bool) {
    let (slot, new) = index.upsert(hash, |slot| arena.is(slot, wanted), make);
    if new {
        arena.put(slot, wanted);
    }
    (slot, new)
}

fn next_slot(free: &mut Vec<u32>, slots: &mut u32) -> u32 {
    free.pop().unwrap_or_else(|| {
        *slots += 1;
        *slots - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::series_of;
    use crate::types::Value;

    #[test]
    fn every_form_of_keys_finds_again_what_it_took_in() {
        let number = |n: i64| Value::Int(n * 1_000_003);
        let text = |n: i64| Value::String(if n % 3 == 0 { format!("k{n}") } else { format!("a key that lies in a buffer {n}") });
        type Make<'a> = &'a dyn Fn(i64) -> Value;
        let forms: [(&[DataType], &[Make<'_>]); 4] = [
            (&[DataType::BigInt], &[&number]),
            (&[DataType::String], &[&text]),
            (&[DataType::Int, DataType::String], &[&|n| Value::Int(n % 7), &text]),
            (&[DataType::Timestamp, DataType::BigInt], &[&number, &|n| Value::Int(-n)]),
        ];
        for (types, make) in forms {
            let kind = KeyKind::of(types);
            let batch = |range: std::ops::Range<i64>| {
                let column = |(make, data_type): (&Make<'_>, &DataType)| {
                    let values: Vec<Value> = std::iter::once(Value::Null).chain(range.clone().map(make)).collect();
                    series_of(&values, data_type)
                };
                let columns: Vec<Series> = make.iter().zip(types).map(column).collect();
                kind.batch(&columns, columns[0].len()).unwrap()
            };
            let (mut keys, mut first, mut again, mut near) = (Keys::new(kind.clone()), Vec::new(), Vec::new(), Vec::new());
            let rows: Vec<u32> = (0..=5000).collect();
            keys.upsert(&batch(0..5000), &rows, |_, slot, new| first.push((slot, new))).unwrap();
            assert!(first.iter().all(|(_, new)| *new), "{types:?}");
            keys.upsert(&batch(0..5000), &rows, |_, slot, new| again.push((slot, new))).unwrap();
            assert!(again.iter().zip(&first).all(|(a, b)| a.0 == b.0 && !a.1), "{types:?}");
            // A hash or two may be shared, and NULL may stand apart.
            keys.approach(&batch(0..5000), &rows, &mut near);
            let slots: std::collections::HashSet<u32> = near.into_iter().collect();
            assert!(slots.len() > 4990, "{types:?}: {}", slots.len());
            let found = keys.find_all(&batch(4000..9000)).unwrap();
            assert_eq!(found.iter().flatten().count(), 1001, "{types:?}");
        }
    }
}
