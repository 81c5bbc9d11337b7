//! Kernels over arrays: construction, access, picking and reordering of elements.

use super::access::{Cells, Lists, Numbers, array_series, map_rows, map1, validity};
use super::gather::{Picks, Pool, take_some};
use super::keys::with_keys;
use super::string::index_of_zero;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::engine::columns::{null_series, one_chunk, repeated, struct_series};
use crate::types::DataType;
use polars::prelude::{IdxSize, Series};

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "array", fallible: false, kernel: array },
    KernelEntry { name: "size", fallible: false, kernel: size },
    KernelEntry { name: "array_size", fallible: false, kernel: size },
    KernelEntry { name: "get", fallible: false, kernel: get },
    KernelEntry { name: "element_at", fallible: true, kernel: |c| element_at(c, false) },
    KernelEntry { name: "try_element_at", fallible: true, kernel: |c| element_at(c, true) },
    KernelEntry { name: "slice", fallible: true, kernel: slice },
    KernelEntry { name: "flatten", fallible: false, kernel: flatten },
    KernelEntry { name: "array_repeat", fallible: false, kernel: array_repeat },
    KernelEntry { name: "array_append", fallible: false, kernel: |c| add_element(c, false) },
    KernelEntry { name: "array_prepend", fallible: false, kernel: |c| add_element(c, true) },
    KernelEntry { name: "array_insert", fallible: true, kernel: array_insert },
    KernelEntry { name: "array_compact", fallible: false, kernel: array_compact },
    KernelEntry { name: "arrays_zip", fallible: false, kernel: arrays_zip },
    KernelEntry { name: "sort_array", fallible: false, kernel: sort_array },
    KernelEntry { name: "array_max", fallible: false, kernel: |c| extreme(c, true) },
    KernelEntry { name: "array_min", fallible: false, kernel: |c| extreme(c, false) },
    KernelEntry { name: "array_join", fallible: false, kernel: array_join },
    KernelEntry { name: "shuffle", fallible: false, kernel: shuffle },
    KernelEntry { name: "named_struct", fallible: false, kernel: named_struct },
    KernelEntry { name: "struct", fallible: false, kernel: struct_of },
];

/// The element type of an array type.
pub(super) fn element_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Array(element) => element,
        _ => &DataType::Void,
    }
}

fn array(call: &KernelCall<'_>) -> Result {
    let element = element_type(call.returns);
    let n = call.length();
    let columns: Vec<&Series> = (0..call.args.len()).map(|i| call.column(i)).collect();
    let pool = Pool::new(&columns, element)?;
    let mut picks = Picks::new(n);
    for row in 0..n {
        for (base, column) in pool.bases.iter().zip(&columns) {
            picks.push(base + if column.len() == 1 { 0 } else { row });
        }
        picks.end();
    }
    picks.finish(&pool.column, element)
}

fn size(call: &KernelCall<'_>) -> Result {
    map1(&call.lists(0)?, |(start, end)| Ok(Some((end - start) as i32)))
}

/// The error of `element_at` for an index past either end.
fn element_out_of_bounds(index: i32, size: usize) -> EngineError {
    let message = format!("the index {index} is out of bounds: the array has {size} elements");
    EngineError::data("INVALID_ARRAY_INDEX_IN_ELEMENT_AT", message).help("`try_element_at` gives NULL for an index outside the array")
}

/// One element of each row's array, or NULL; `pick` gives its index among the elements of the row.
fn one_element(call: &KernelCall<'_>, lists: &Lists<'_>, mut pick: impl FnMut(usize, usize) -> Result<Option<usize>>) -> Result {
    let n = call.length();
    let mut indices: Vec<Option<IdxSize>> = Vec::with_capacity(n);
    for row in 0..n {
        indices.push(match lists.at(row) {
            Some((start, end)) => pick(row, end - start).map_err(|e| e.at_row(row))?.map(|i| (start + i) as IdxSize),
            None => None,
        });
    }
    take_some(lists.inner(), &indices)
}

fn get(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let at = call.numbers::<i32>(1)?;
    one_element(call, &lists, |row, size| Ok(at.at(row).and_then(|i| usize::try_from(i).ok()).filter(|i| *i < size)))
}

/// An argument of any integral type, cell by cell.
pub(super) fn integers(call: &KernelCall<'_>, index: usize) -> Result<Vec<Option<i64>>> {
    fn all<T: polars_arrow::types::NativeType + Into<i64>>(numbers: Numbers<'_, T>) -> Vec<Option<i64>> {
        (0..numbers.len()).map(|row| numbers.at(row).map(Into::into)).collect()
    }
    Ok(match call.data_type(index) {
        DataType::TinyInt => all(call.numbers::<i8>(index)?),
        DataType::SmallInt => all(call.numbers::<i16>(index)?),
        DataType::BigInt => all(call.numbers::<i64>(index)?),
        _ => all(call.numbers::<i32>(index)?),
    })
}

fn element_at(call: &KernelCall<'_>, attempt: bool) -> Result {
    if matches!(call.data_type(0), DataType::Map(..)) {
        return super::map::value_of_key(call);
    }
    let lists = call.lists(0)?;
    let at = call.numbers::<i32>(1)?;
    one_element(call, &lists, |row, size| {
        let Some(i) = at.at(row) else { return Ok(None) };
        let index = match i {
            0 => return Err(index_of_zero()),
            i if i > 0 => Some(i as usize - 1).filter(|i| *i < size),
            i => size.checked_sub(i.unsigned_abs() as usize),
        };
        match index {
            None if !attempt => Err(element_out_of_bounds(i, size)),
            found => Ok(found),
        }
    })
}

fn invalid_parameter(name: &str, message: String) -> EngineError {
    EngineError::data(&format!("INVALID_PARAMETER_VALUE.{}", name.to_uppercase()), message)
}

fn slice(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let (starts, lengths) = (call.numbers::<i32>(1)?, call.numbers::<i32>(2)?);
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        let (Some((from, to)), Some(start), Some(length)) = (lists.at(row), starts.at(row), lengths.at(row)) else {
            picks.end_null();
            continue;
        };
        if start == 0 {
            let message = "the value of `start` in `slice` is invalid: expects a positive or a negative value, but got 0".to_string();
            return Err(invalid_parameter("start", message).at_row(row));
        }
        let Ok(length) = usize::try_from(length) else {
            let message = format!("the value of `length` in `slice` is invalid: expects at least 0, but got {length}");
            return Err(invalid_parameter("length", message).at_row(row));
        };
        let size = to - from;
        let first = if start > 0 { Some(start as usize - 1) } else { size.checked_sub(start.unsigned_abs() as usize) };
        if let Some(first) = first.filter(|f| *f < size) {
            picks.extend(from + first..from + size.min(first.saturating_add(length)));
        }
        picks.end();
    }
    picks.finish(lists.inner(), element_type(call.returns))
}

/// `concat` of arrays; NULL if any is.
pub(super) fn concat(call: &KernelCall<'_>) -> Result {
    let element = element_type(call.returns);
    let lists = (0..call.args.len()).map(|i| call.lists(i)).collect::<Result<Vec<_>>>()?;
    let pool = Pool::new(&lists.iter().map(Lists::inner).collect::<Vec<_>>(), element)?;
    let n = call.length();
    let mut picks = Picks::new(n);
    'rows: for row in 0..n {
        for (list, base) in lists.iter().zip(&pool.bases) {
            let Some((start, end)) = list.at(row) else {
                picks.end_null();
                continue 'rows;
            };
            picks.extend(base + start..base + end);
        }
        picks.end();
    }
    picks.finish(&pool.column, element)
}

/// `reverse` of an array.
pub(super) fn reverse(call: &KernelCall<'_>) -> Result {
    reordered(call, |row, _| row.reverse())
}

/// Every array with its elements in another order.
fn reordered(call: &KernelCall<'_>, mut order: impl FnMut(&mut [IdxSize], usize)) -> Result {
    let lists = call.lists(0)?;
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        match lists.at(row) {
            Some((start, end)) => {
                picks.extend(start..end);
                order(picks.row(), row);
                picks.end();
            }
            None => picks.end_null(),
        }
    }
    picks.finish(lists.inner(), element_type(call.returns))
}

fn flatten(call: &KernelCall<'_>) -> Result {
    let outer = call.lists(0)?;
    let inner = super::access::lists(outer.inner())?;
    let n = call.length();
    let mut picks = Picks::new(n);
    'rows: for row in 0..n {
        let Some((start, end)) = outer.at(row) else {
            picks.end_null();
            continue;
        };
        for index in start..end {
            // Not `at`: a list of one element is no constant here.
            if inner.validity().is_some_and(|bits| !bits.get_bit(index)) {
                picks.end_null();
                continue 'rows;
            }
            let (from, to) = inner.value(index);
            picks.extend(from..to);
        }
        picks.end();
    }
    picks.finish(inner.inner(), element_type(call.returns))
}

fn array_repeat(call: &KernelCall<'_>) -> Result {
    let counts = call.numbers::<i32>(1)?;
    let column = call.column(0);
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        let Some(count) = counts.at(row) else {
            picks.end_null();
            continue;
        };
        let index = if column.len() == 1 { 0 } else { row };
        (0..count).for_each(|_| picks.push(index));
        picks.end();
    }
    picks.finish(column, element_type(call.returns))
}

fn add_element(call: &KernelCall<'_>, front: bool) -> Result {
    let element = element_type(call.returns);
    let lists = call.lists(0)?;
    let added = call.column(1);
    let pool = Pool::new(&[lists.inner(), added], element)?;
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        let Some((start, end)) = lists.at(row) else {
            picks.end_null();
            continue;
        };
        let new = pool.bases[1] + if added.len() == 1 { 0 } else { row };
        if front {
            picks.push(new);
        }
        picks.extend(start..end);
        if !front {
            picks.push(new);
        }
        picks.end();
    }
    picks.finish(&pool.column, element)
}

fn array_insert(call: &KernelCall<'_>) -> Result {
    let element = element_type(call.returns);
    let lists = call.lists(0)?;
    let positions = call.numbers::<i32>(1)?;
    let added = call.column(2);
    let nothing = null_series(element, 1);
    let pool = Pool::new(&[lists.inner(), added, &nothing], element)?;
    let gap = pool.bases[2];
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        let (Some((start, end)), Some(position)) = (lists.at(row), positions.at(row)) else {
            picks.end_null();
            continue;
        };
        let size = end - start;
        let new = pool.bases[1] + if added.len() == 1 { 0 } else { row };
        let distance = position.unsigned_abs() as usize;
        match position {
            0 => return Err(index_of_zero().at_row(row)),
            p if p > 0 && distance > size => {
                picks.extend(start..end);
                (size + 1..distance).for_each(|_| picks.push(gap));
                picks.push(new);
            }
            p if p < 0 && distance > size + 1 => {
                picks.push(new);
                (size + 1..distance).for_each(|_| picks.push(gap));
                picks.extend(start..end);
            }
            p => {
                let at = start + if p > 0 { distance - 1 } else { size + 1 - distance };
                picks.extend(start..at);
                picks.push(new);
                picks.extend(at..end);
            }
        }
        picks.end();
    }
    picks.finish(&pool.column, element)
}

fn array_compact(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let present = validity(lists.inner()).cloned();
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        let Some((start, end)) = lists.at(row) else {
            picks.end_null();
            continue;
        };
        (start..end).filter(|i| present.as_ref().is_none_or(|bits| bits.get_bit(*i))).for_each(|i| picks.push(i));
        picks.end();
    }
    picks.finish(lists.inner(), element_type(call.returns))
}

/// Structs of the elements at equal positions; shorter arrays give NULLs.
fn arrays_zip(call: &KernelCall<'_>) -> Result {
    let n = call.length();
    let lists = (0..call.args.len()).map(|i| call.lists(i)).collect::<Result<Vec<_>>>()?;
    let mut indices: Vec<Vec<Option<IdxSize>>> = vec![Vec::new(); lists.len()];
    let mut rows = Picks::new(n);
    let mut total = 0;
    for row in 0..n {
        let cells: Option<Vec<(usize, usize)>> = lists.iter().map(|l| l.at(row)).collect();
        let Some(cells) = cells else {
            rows.end_null();
            continue;
        };
        let longest = cells.iter().map(|(start, end)| end - start).max().unwrap_or(0);
        for ((start, end), indices) in cells.iter().zip(&mut indices) {
            indices.extend((0..longest).map(|i| (start + i < *end).then_some((start + i) as IdxSize)));
        }
        rows.extend(total..total + longest);
        total += longest;
        rows.end();
    }
    let members = lists.iter().zip(&indices).map(|(l, i)| take_some(l.inner(), i)).collect::<Result<Vec<_>>>()?;
    let structs = struct_series(members, Some(total), None)?;
    let (_, offsets, valid) = rows.into_parts();
    array_series(offsets, structs, valid, element_type(call.returns))
}

fn sort_array(call: &KernelCall<'_>) -> Result {
    let ascending = if call.args.len() > 1 { Some(call.flags(1)?) } else { None };
    let ascending: Vec<Option<bool>> = ascending.map_or(vec![Some(true)], |flags| (0..flags.len()).map(|row| flags.at(row)).collect());
    sorted(call, |row| ascending[if ascending.len() == 1 { 0 } else { row }], true)
}

/// `array_sort` without a comparator: ascending, NULLs last.
pub(super) fn array_sort(call: &KernelCall<'_>) -> Result {
    sorted(call, |_| Some(true), false)
}

/// Sorted arrays; NULLs come first in ascending order if `nulls_first`, and last in descending order.
fn sorted(call: &KernelCall<'_>, ascending: impl Fn(usize) -> Option<bool>, nulls_first: bool) -> Result {
    let lists = call.lists(0)?;
    let element = element_type(call.returns);
    let pool = Pool::new(&[lists.inner()], element)?;
    let keys = pool.keys()?;
    let n = call.length();
    let mut picks = Picks::new(n);
    for row in 0..n {
        let (Some((start, end)), Some(ascending)) = (lists.at(row), ascending(row)) else {
            picks.end_null();
            continue;
        };
        picks.extend(start..end);
        let indices = picks.row();
        // NULLs are set aside, in front or behind.
        let lead = ascending && nulls_first;
        indices.sort_by_key(|i| keys.is_valid(*i as usize) == lead);
        let nulls = if keys.has_nulls() { indices.iter().filter(|i| !keys.is_valid(**i as usize)).count() } else { 0 };
        let values = if lead {
            &mut indices[nulls..]
        } else {
            let end = indices.len() - nulls;
            &mut indices[..end]
        };
        with_keys!(keys, |key| {
            if ascending {
                values.sort_by_key(|i| key(*i as usize));
            } else {
                values.sort_by_key(|i| std::cmp::Reverse(key(*i as usize)));
            }
        });
        picks.end();
    }
    picks.finish(&pool.column, element)
}

fn extreme(call: &KernelCall<'_>, greatest: bool) -> Result {
    let lists = call.lists(0)?;
    let pool = Pool::new(&[lists.inner()], element_type(call.data_type(0)))?;
    let keys = pool.keys()?;
    let n = call.length();
    let mut indices: Vec<Option<IdxSize>> = Vec::with_capacity(n);
    with_keys!(keys, |key| {
        for row in 0..n {
            let (start, end) = lists.at(row).unwrap_or((0, 0));
            let candidates = (start..end).filter(|i| keys.is_valid(*i));
            // The first of equals, both ways.
            let best = candidates.reduce(|best, i| {
                if greatest {
                    if key(i) > key(best) { i } else { best }
                } else if key(i) < key(best) {
                    i
                } else {
                    best
                }
            });
            indices.push(best.map(|i| i as IdxSize));
        }
    });
    take_some(&pool.column, &indices)
}

fn array_join(call: &KernelCall<'_>) -> Result {
    let lists = call.lists(0)?;
    let inner = super::access::texts(lists.inner())?;
    let separators = call.texts(1)?;
    let fillers = if call.args.len() > 2 { Some(call.texts(2)?) } else { None };
    map_rows(call.length(), |row| {
        let (Some((start, end)), Some(separator)) = (lists.at(row), separators.at(row)) else { return Ok(None) };
        let filler = match &fillers {
            None => None,
            Some(fillers) => match fillers.at(row) {
                None => return Ok(None),
                some => some,
            },
        };
        let mut out = String::new();
        let mut first = true;
        for index in start..end {
            let value = if inner.validity().is_none_or(|bits| bits.get_bit(index)) { Some(inner.value(index)) } else { filler };
            let Some(value) = value else { continue };
            if !first {
                out.push_str(separator);
            }
            out.push_str(value);
            first = false;
        }
        Ok(Some(out))
    })
}

/// The elements in a random order, a different one in each batch.
fn shuffle(call: &KernelCall<'_>) -> Result {
    let seed = match call.args.get(1) {
        Some(_) => integers(call, 1)?.first().copied().flatten().unwrap_or(0) as u64,
        None => call.context.now as u64 ^ call.context.batch,
    };
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    reordered(call, move |row, _| {
        for i in (1..row.len()).rev() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            row.swap(i, (state % (i as u64 + 1)) as usize);
        }
    })
}

/// `named_struct(name, value, …)`; the names are in the type.
fn named_struct(call: &KernelCall<'_>) -> Result {
    let n = call.length();
    let members = (1..call.args.len()).step_by(2).map(|i| spread(call.column(i), n)).collect();
    struct_series(members, Some(n), None)
}

fn struct_of(call: &KernelCall<'_>) -> Result {
    let n = call.length();
    let members = (0..call.args.len()).map(|i| spread(call.column(i), n)).collect();
    struct_series(members, Some(n), None)
}

fn spread(column: &Series, n: usize) -> Series {
    if column.len() == n { one_chunk(column.clone()) } else { repeated(column, n) }
}
