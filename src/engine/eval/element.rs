//! `array[i]`, `map[key]` and `array.member`.

use super::access::{self, Cells, length};
use super::compare::{Order, comparator};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::engine::columns::{list_series, null_series, one_chunk, physical};
use crate::types::DataType;
use polars::prelude::{IdxCa, IdxSize, Series};

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "getitem_array", fallible: true, kernel: of_array },
    KernelEntry { name: "getitem_map", fallible: false, kernel: of_map },
    KernelEntry { name: "getfield_array", fallible: false, kernel: members_of_array },
    KernelEntry { name: "window_time", fallible: false, kernel: window_time },
];

/// Element `index`, counted from 0.
fn of_array(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let lists = call.lists(0)?;
    let index = call.numbers::<i64>(1)?;
    let n = call.length();
    let mut at: Vec<Option<IdxSize>> = Vec::with_capacity(n);
    for row in 0..n {
        let (Some((start, end)), Some(i)) = (lists.at(row), index.at(row)) else {
            at.push(None);
            continue;
        };
        if i < 0 || i >= (end - start) as i64 {
            return Err(bad_index(i, end - start).at_row(row));
        }
        at.push(Some((start as i64 + i) as IdxSize));
    }
    gather(lists.inner(), at)
}

fn bad_index(index: i64, length: usize) -> EngineError {
    EngineError::data("INVALID_ARRAY_INDEX", format!("no element {index} in an array of {length} elements; the first is 0"))
        .help("use `get(array, index)` to get NULL instead")
}

/// Cells of `values` at those places; `None` gives NULL.
fn gather(values: &Series, at: Vec<Option<IdxSize>>) -> Result<Series, EngineError> {
    let index: IdxCa = at.into_iter().collect();
    Ok(one_chunk(values.take(&index)?))
}

/// The last microsecond of a window: its end less one.
fn window_time(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let window = call.column(0);
    let ends = access::members(window)?.swap_remove(1);
    let last = access::unary(&ends, |end: i64| end - 1)?;
    let Some(outer) = access::struct_validity(window)? else { return Ok(last) };
    let validity = access::both_valid(Some(outer), access::validity(&last), last.len());
    Ok(access::number_series(access::numbers::<i64>(&last)?.values.to_vec(), validity))
}

/// The value of a key; NULL if the map has no such key.
fn of_map(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let DataType::Map(key_type, value_type) = call.data_type(0) else {
        return Err(EngineError::internal("getitem_map of no map"));
    };
    let lists = call.lists(0)?;
    let (keys, values) = access::entries(&lists)?;
    let wanted = call.column(1);
    if keys.is_empty() {
        return Ok(null_series(value_type, 1));
    }
    let n = length(&[lists.len(), wanted.len()]);
    // A comparator takes a column of one cell for a constant, so that element 0 must be meant there.
    let order: Order<'_> = comparator(&keys, wanted, key_type)?;
    let found = (0..n).map(|row| {
        let (start, end) = lists.at(row)?;
        if access::is_null(wanted, row) {
            return None;
        }
        (start..end).find(|i| order(*i, row).is_eq()).map(|i| i as IdxSize)
    });
    gather(&values, found.collect())
}

/// Member `index` of every struct in an array.
fn members_of_array(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let DataType::Array(element) = call.returns else { return Err(EngineError::internal("getfield_array gives no array")) };
    let (offsets, inner) = call.lists(0)?.compact()?;
    let index = call.numbers::<i32>(1)?.at(0).unwrap_or(0) as usize;
    let mut members = access::members(&inner)?;
    if index >= members.len() {
        return Err(EngineError::internal(format!("no member {index} in a struct of {}", members.len())));
    }
    list_series(offsets, one_chunk(members.swap_remove(index)), access::validity(call.column(0)).cloned(), &physical(element))
}
