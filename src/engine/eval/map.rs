//! Kernels over maps: construction, look-up, keys and values.
//!
//! A map never holds a key twice and never a NULL key: whatever builds one checks both.

use super::access::{Cells, Lists, array_series, entries, map_rows, map_series};
use super::array::element_type;
use super::gather::{Picks, Pool, take, take_some};
use super::keys::{Keys, with_keys};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::engine::columns::{one_chunk, value_at};
use crate::types::{DataType, Value};
use polars::prelude::{IdxSize, Series};
use std::hash::Hash;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "map", fallible: true, kernel: map },
    KernelEntry { name: "map_from_arrays", fallible: true, kernel: map_from_arrays },
    KernelEntry { name: "map_from_entries", fallible: true, kernel: map_from_entries },
    KernelEntry { name: "map_concat", fallible: true, kernel: map_concat },
    KernelEntry { name: "map_keys", fallible: false, kernel: |c| side(c, true) },
    KernelEntry { name: "map_values", fallible: false, kernel: |c| side(c, false) },
    KernelEntry { name: "map_entries", fallible: false, kernel: map_entries },
    KernelEntry { name: "map_contains_key", fallible: false, kernel: map_contains_key },
    KernelEntry { name: "str_to_map", fallible: true, kernel: str_to_map },
];

/// The key and value types of a map type.
pub(super) fn map_types(data_type: &DataType) -> (&DataType, &DataType) {
    match data_type {
        DataType::Map(key, value) => (key, value),
        _ => (&DataType::Void, &DataType::Void),
    }
}

/// A value as an error message shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Int(n) => n.to_string(),
        Value::Boolean(b) => b.to_string(),
        Value::Float(f) => f.to_string(),
        Value::Double(f) => f.to_string(),
        other => format!("{other:?}"),
    }
}

fn null_key() -> EngineError {
    EngineError::data("NULL_MAP_KEY", "cannot use NULL as map key")
}

fn duplicate_key(key: &Value) -> EngineError {
    EngineError::data("DUPLICATED_MAP_KEY", format!("duplicate map key {} was found", shown(key)))
}

/// Whether an index occurs whose key was there before; the index of the first such one.
fn first_repeat<K: Copy + Eq + Hash>(indices: &[IdxSize], key: impl Fn(usize) -> K) -> Option<usize> {
    if indices.len() <= 16 {
        let repeats = |i: &usize| indices[..*i].iter().any(|j| key(*j as usize) == key(indices[*i] as usize));
        return (1..indices.len()).find(repeats).map(|i| indices[i] as usize);
    }
    let mut seen = hashbrown::HashSet::with_capacity_and_hasher(indices.len(), ahash::RandomState::new());
    indices.iter().map(|i| *i as usize).find(|i| !seen.insert(key(*i)))
}

/// Checks the keys of one row's map.
pub(super) fn check_keys(column: &Series, keys: &Keys, indices: &[IdxSize], data_type: &DataType) -> Result<()> {
    if indices.iter().any(|i| !keys.is_valid(*i as usize)) {
        return Err(null_key());
    }
    match with_keys!(keys, |key| first_repeat(indices, key)) {
        Some(index) => Err(duplicate_key(&value_at(column, index, data_type))),
        None => Ok(()),
    }
}

/// Maps from a pool of keys and a pool of values in which equal indices belong together.
fn build(call: &KernelCall<'_>, picks: Picks, keys: &Pool, values: &Series) -> Result {
    let (key_type, value_type) = map_types(call.returns);
    let (indices, offsets, valid) = picks.into_parts();
    let all = keys.keys()?;
    for (row, window) in offsets.windows(2).enumerate() {
        let range = window[0] as usize..window[1] as usize;
        check_keys(&keys.column, &all, &indices[range], key_type).map_err(|e| e.at_row(row))?;
    }
    map_series(offsets, take(&keys.column, indices.clone())?, take(values, indices)?, valid, (key_type, value_type))
}

/// `map(key, value, …)`.
fn map(call: &KernelCall<'_>) -> Result {
    let (key_type, value_type) = map_types(call.returns);
    let n = call.length();
    let columns = |first: usize| (first..call.args.len()).step_by(2).map(|i| call.column(i)).collect::<Vec<_>>();
    let (key_columns, value_columns) = (columns(0), columns(1));
    let (keys, values) = (Pool::new(&key_columns, key_type)?, Pool::new(&value_columns, value_type)?);
    let all = keys.keys()?;
    let (mut key_picks, mut value_picks) = (Picks::new(n), Picks::new(n));
    for row in 0..n {
        let cell = |column: &Series| if column.len() == 1 { 0 } else { row };
        for (i, (key, value)) in key_columns.iter().zip(&value_columns).enumerate() {
            key_picks.push(keys.bases[i] + cell(key));
            value_picks.push(values.bases[i] + cell(value));
        }
        check_keys(&keys.column, &all, key_picks.row(), key_type).map_err(|e| e.at_row(row))?;
        key_picks.end();
        value_picks.end();
    }
    let (key_indices, offsets, valid) = key_picks.into_parts();
    let (value_indices, ..) = value_picks.into_parts();
    map_series(offsets, take(&keys.column, key_indices)?, take(&values.column, value_indices)?, valid, (key_type, value_type))
}

fn map_from_arrays(call: &KernelCall<'_>) -> Result {
    let (key_type, value_type) = map_types(call.returns);
    let (keys, values) = (call.lists(0)?, call.lists(1)?);
    let pool = Pool::new(&[keys.inner()], key_type)?;
    let all = pool.keys()?;
    let n = call.length();
    let (mut key_picks, mut value_picks) = (Picks::new(n), Picks::new(n));
    for row in 0..n {
        let (Some((key_start, key_end)), Some((start, end))) = (keys.at(row), values.at(row)) else {
            key_picks.end_null();
            value_picks.end_null();
            continue;
        };
        if key_end - key_start != end - start {
            return Err(EngineError::user("the key array and the value array of a map must have the same length").at_row(row));
        }
        key_picks.extend(key_start..key_end);
        value_picks.extend(start..end);
        check_keys(&pool.column, &all, key_picks.row(), key_type).map_err(|e| e.at_row(row))?;
        key_picks.end();
        value_picks.end();
    }
    let (key_indices, offsets, valid) = key_picks.into_parts();
    let (value_indices, ..) = value_picks.into_parts();
    map_series(offsets, take(&pool.column, key_indices)?, take(values.inner(), value_indices)?, valid, (key_type, value_type))
}

/// NULL where an entry is NULL.
fn map_from_entries(call: &KernelCall<'_>) -> Result {
    let (key_type, _) = map_types(call.returns);
    let lists = call.lists(0)?;
    let present = super::access::struct_validity(lists.inner())?.cloned();
    let (keys, values) = entries(&lists)?;
    let pool = Pool::new(&[&one_chunk(keys)], key_type)?;
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        match lists.at(row) {
            Some((start, end)) if (start..end).all(|i| present.as_ref().is_none_or(|bits| bits.get_bit(i))) => {
                picks.extend(start..end);
                picks.end();
            }
            _ => picks.end_null(),
        }
    }
    build(call, picks, &pool, &one_chunk(values))
}

fn map_concat(call: &KernelCall<'_>) -> Result {
    let (key_type, value_type) = map_types(call.returns);
    let maps = (0..call.args.len()).map(|i| call.lists(i)).collect::<Result<Vec<_>>>()?;
    let sides = maps.iter().map(entries).collect::<Result<Vec<_>>>()?;
    let keys = Pool::new(&sides.iter().map(|(k, _)| k).collect::<Vec<_>>(), key_type)?;
    let values = Pool::new(&sides.iter().map(|(_, v)| v).collect::<Vec<_>>(), value_type)?;
    let n = call.length();
    let mut picks = Picks::new(n);
    'rows: for row in 0..n {
        for (map, base) in maps.iter().zip(&keys.bases) {
            let Some((start, end)) = map.at(row) else {
                picks.end_null();
                continue 'rows;
            };
            picks.extend(base + start..base + end);
        }
        picks.end();
    }
    build(call, picks, &keys, &values.column)
}

/// The map's offsets and NULLs around something else that has a cell per entry.
fn around(lists: &Lists<'_>, inner: Series, element: &DataType) -> Result {
    array_series(lists.offsets().to_vec(), inner, lists.validity().cloned(), element)
}

fn side(call: &KernelCall<'_>, keys: bool) -> Result {
    let lists = call.lists(0)?;
    let (key, value) = entries(&lists)?;
    around(&lists, if keys { key } else { value }, element_type(call.returns))
}

fn map_entries(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    around(&lists, lists.inner().clone(), element_type(call.returns))
}

/// Where each row's key stands among all entries of the map in argument 0; the key is argument 1.
fn find_keys(call: &KernelCall<'_>) -> Result<(Vec<Option<Option<IdxSize>>>, Series)> {
    let (key_type, _) = map_types(call.data_type(0));
    let lists = call.lists(0)?;
    let (keys, values) = entries(&lists)?;
    let wanted = call.column(1);
    let pool = Pool::new(&[&keys, wanted], key_type)?;
    let all = pool.keys()?;
    let n = call.length();
    let mut found = Vec::with_capacity(n);
    with_keys!(all, |key| {
        for row in 0..n {
            let want = pool.bases[1] + if wanted.len() == 1 { 0 } else { row };
            found.push(match lists.at(row) {
                Some((start, end)) if all.is_valid(want) => Some((start..end).find(|i| key(*i) == key(want)).map(|i| i as IdxSize)),
                _ => None,
            });
        }
    });
    Ok((found, values))
}

/// `map[key]`: NULL where the key is not there.
pub(super) fn value_of_key(call: &KernelCall<'_>) -> Result {
    let (found, values) = find_keys(call)?;
    take_some(&values, &found.into_iter().map(Option::flatten).collect::<Vec<_>>())
}

fn map_contains_key(call: &KernelCall<'_>) -> Result {
    let (found, _) = find_keys(call)?;
    map_rows(found.len(), |row| Ok(found[row].map(|at| at.is_some())))
}

/// Pairs between the matches of one regular expression, keys and values around the first match of another.
fn str_to_map(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let delimiter = |index: usize| if call.args.len() > index { call.texts(index).map(Some) } else { Ok(None) };
    let (pair_delimiters, key_delimiters) = (delimiter(1)?, delimiter(2)?);
    let n = call.length();
    let (mut keys, mut values): (Vec<&str>, Vec<Option<&str>>) = (Vec::new(), Vec::new());
    let mut offsets = vec![0];
    let mut valid = polars_arrow::bitmap::BitmapBuilder::with_capacity(n);
    for row in 0..n {
        let pair_delimiter = pair_delimiters.as_ref().map_or(Some(","), |d| d.at(row));
        let key_delimiter = key_delimiters.as_ref().map_or(Some(":"), |d| d.at(row));
        let (Some(text), Some(pair_delimiter), Some(key_delimiter)) = (texts.at(row), pair_delimiter, key_delimiter) else {
            valid.push(false);
            offsets.push(keys.len() as i64);
            continue;
        };
        let first = keys.len();
        let mut pairs = Vec::new();
        super::regex::pieces(text, pair_delimiter, -1, "str_to_map", |start, end| pairs.push(&text[start..end]))?;
        for pair in pairs {
            let mut sides = Vec::new();
            super::regex::pieces(pair, key_delimiter, 2, "str_to_map", |start, end| sides.push(&pair[start..end]))?;
            let key = sides[0];
            if keys[first..].contains(&key) {
                return Err(duplicate_key(&Value::String(key.to_string())).at_row(row));
            }
            keys.push(key);
            values.push(sides.get(1).copied());
        }
        valid.push(true);
        offsets.push(keys.len() as i64);
    }
    let keys = map_rows(keys.len(), |i| Ok(Some(keys[i])))?;
    let values = map_rows(values.len(), |i| Ok(values[i]))?;
    map_series(offsets, keys, values, valid.into_opt_validity(), (&DataType::String, &DataType::String))
}
