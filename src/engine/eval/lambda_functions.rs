//! Kernels that take lambdas: `transform`, `filter`, `aggregate` … over arrays and maps.
//!
//! Elements of all rows are laid out in one column, the lambda's body runs over it once, and the result is
//! put back into rows. Only `aggregate` and a comparator need more than one run: one per position within an
//! array, or per comparison, over all rows that are still in it.

use super::access::{Cells, array_series, broadcast, entries, flags, map_rows, map_series, numbers};
use super::array::element_type;
use super::gather::{Flat, Picks, Pool, take, take_some};
use super::keys::with_keys;
use super::map::{check_keys, map_types};
use super::{KernelCall, KernelEntry, Lambda};
use crate::engine::EngineError;
use crate::engine::columns::one_chunk;
use polars::prelude::{IdxSize, Series};

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "transform", fallible: false, kernel: transform },
    KernelEntry { name: "filter", fallible: false, kernel: filter },
    KernelEntry { name: "exists", fallible: false, kernel: |c| any_or_all(c, true) },
    KernelEntry { name: "forall", fallible: false, kernel: |c| any_or_all(c, false) },
    KernelEntry { name: "aggregate", fallible: false, kernel: aggregate },
    KernelEntry { name: "zip_with", fallible: false, kernel: zip_with },
    KernelEntry { name: "array_sort", fallible: true, kernel: array_sort },
    KernelEntry { name: "map_filter", fallible: false, kernel: map_filter },
    KernelEntry { name: "transform_keys", fallible: true, kernel: transform_keys },
    KernelEntry { name: "transform_values", fallible: false, kernel: transform_values },
    KernelEntry { name: "map_zip_with", fallible: false, kernel: map_zip_with },
];

/// The body's values, one for each of the elements.
fn apply(lambda: &dyn Lambda, params: Vec<Series>, rows: &[u32]) -> Result {
    Ok(one_chunk(broadcast(lambda.apply(params, rows)?, rows.len())))
}

fn lambda<'a>(call: &'a KernelCall<'_>, index: usize) -> Result<&'a dyn Lambda> {
    call.lambdas.get(index).copied().ok_or_else(|| EngineError::internal("a lambda is missing"))
}

/// The elements of an array argument with their index where the lambda asks for it.
fn elements(flat: &Flat, lambda: &dyn Lambda) -> Vec<Series> {
    let mut params = vec![flat.elements.clone()];
    if lambda.arity() > 1 {
        params.push(flat.positions());
    }
    params
}

fn transform(call: &KernelCall<'_>) -> Result {
    let body = lambda(call, 0)?;
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let values = apply(body, elements(&flat, body), &flat.rows)?;
    array_series(flat.offsets, values, flat.valid, element_type(call.returns))
}

fn filter(call: &KernelCall<'_>) -> Result {
    let body = lambda(call, 0)?;
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let kept = apply(body, elements(&flat, body), &flat.rows)?;
    let kept = flags(&kept)?;
    let mut picks = Picks::new(call.length());
    for row in 0..call.length() {
        if !flat.is_valid(row) {
            picks.end_null();
            continue;
        }
        flat.range(row).filter(|i| kept.at(*i) == Some(true)).for_each(|i| picks.push(i));
        picks.end();
    }
    picks.finish(&flat.elements, element_type(call.returns))
}

/// With SQL's three values: a NULL counts only where no element decides.
fn any_or_all(call: &KernelCall<'_>, decisive: bool) -> Result {
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let body = lambda(call, 0)?;
    let answers = apply(body, elements(&flat, body), &flat.rows)?;
    let answers = flags(&answers)?;
    map_rows(call.length(), |row| {
        if !flat.is_valid(row) {
            return Ok(None);
        }
        let mut unknown = false;
        for index in flat.range(row) {
            match answers.at(index) {
                Some(answer) if answer == decisive => return Ok(Some(decisive)),
                Some(_) => {}
                None => unknown = true,
            }
        }
        Ok((!unknown).then_some(!decisive))
    })
}

/// One run per position, over the rows whose arrays reach that far.
fn aggregate(call: &KernelCall<'_>) -> Result {
    let merge = lambda(call, 0)?;
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let mut alive: Vec<u32> = (0..call.length() as u32).collect();
    let mut state = broadcast(call.column(1).clone(), call.length());
    // Rows whose arrays ended, in the order in which they did, with their last states.
    let (mut ended_rows, mut ended) = (Vec::with_capacity(call.length()), Vec::new());
    for position in 0.. {
        let (going, over): (Vec<usize>, Vec<usize>) = (0..alive.len()).partition(|i| flat.range(alive[*i] as usize).len() > position);
        if !over.is_empty() {
            ended_rows.extend(over.iter().map(|i| alive[*i]));
            ended.push(take(&state, over.iter().map(|i| *i as IdxSize).collect())?);
        }
        if going.is_empty() {
            break;
        }
        if going.len() < alive.len() {
            state = take(&state, going.iter().map(|i| *i as IdxSize).collect())?;
            alive = going.iter().map(|i| alive[*i]).collect();
        }
        let next = alive.iter().map(|row| (flat.range(*row as usize).start + position) as IdxSize).collect();
        state = apply(merge, vec![state, take(&flat.elements, next)?], &alive)?;
    }
    let all = Pool::new(&ended.iter().collect::<Vec<_>>(), &call.args[1].data_type)?;
    let mut place: Vec<Option<IdxSize>> = vec![None; call.length()];
    for (index, row) in ended_rows.iter().enumerate() {
        place[*row as usize] = Some(index as IdxSize);
    }
    let rows: Vec<u32> = (0..call.length() as u32).collect();
    let result = match call.lambdas.get(1) {
        Some(finish) => apply(*finish, vec![take_some(&all.column, &place)?], &rows)?,
        None => take_some(&all.column, &place)?,
    };
    // A NULL array gives NULL, whatever the start is.
    let kept: Vec<Option<IdxSize>> = rows.iter().map(|row| flat.is_valid(*row as usize).then_some(*row)).collect();
    if flat.valid.is_none() { Ok(result) } else { take_some(&result, &kept) }
}

fn zip_with(call: &KernelCall<'_>) -> Result {
    let (left, right) = (Flat::new(&call.lists(0)?, call.length())?, Flat::new(&call.lists(1)?, call.length())?);
    let (mut lefts, mut rights): (Vec<Option<IdxSize>>, Vec<Option<IdxSize>>) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    let mut picks = Picks::new(call.length());
    for row in 0..call.length() {
        if !left.is_valid(row) || !right.is_valid(row) {
            picks.end_null();
            continue;
        }
        let (a, b) = (left.range(row), right.range(row));
        let longest = a.len().max(b.len());
        lefts.extend((0..longest).map(|i| (i < a.len()).then(|| (a.start + i) as IdxSize)));
        rights.extend((0..longest).map(|i| (i < b.len()).then(|| (b.start + i) as IdxSize)));
        picks.extend(rows.len()..rows.len() + longest);
        rows.extend(std::iter::repeat_n(row as u32, longest));
        picks.end();
    }
    let params = vec![take_some(&left.elements, &lefts)?, take_some(&right.elements, &rights)?];
    let values = apply(lambda(call, 0)?, params, &rows)?;
    let (_, offsets, valid) = picks.into_parts();
    array_series(offsets, values, valid, element_type(call.returns))
}

/// The binary insertion sort of one row, stopped at the comparison it needs next.
struct Insertion {
    row: u32,
    /// Elements in order so far.
    sorted: Vec<IdxSize>,
    /// The element looking for its place, and the end of the row's elements.
    next: usize,
    end: usize,
    low: usize,
    high: usize,
}

impl Insertion {
    /// The pair to compare, the newcomer second; `None` when the row is sorted.
    fn pair(&mut self) -> Option<(IdxSize, IdxSize)> {
        while self.next < self.end && self.low == self.high {
            self.sorted.insert(self.low, self.next as IdxSize);
            self.next += 1;
            (self.low, self.high) = (0, self.sorted.len());
        }
        (self.next < self.end).then(|| (self.sorted[(self.low + self.high) / 2], self.next as IdxSize))
    }

    /// Takes the answer: how the sorted element compares with the newcomer.
    fn answer(&mut self, order: i32) {
        let middle = (self.low + self.high) / 2;
        // Equal elements keep their order.
        if order <= 0 { self.low = middle + 1 } else { self.high = middle }
    }
}

fn array_sort(call: &KernelCall<'_>) -> Result {
    let Some(comparator) = call.lambdas.first() else { return super::array::array_sort(call) };
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let mut sorts: Vec<Insertion> = (0..call.length())
        .map(|row| {
            let range = flat.range(row);
            Insertion { row: row as u32, sorted: Vec::with_capacity(range.len()), next: range.start, end: range.end, low: 0, high: 0 }
        })
        .collect();
    loop {
        let (mut asked, mut lefts, mut rights, mut rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, sort) in sorts.iter_mut().enumerate() {
            if let Some((left, right)) = sort.pair() {
                asked.push(index);
                lefts.push(left);
                rights.push(right);
                rows.push(sort.row);
            }
        }
        if asked.is_empty() {
            break;
        }
        let answers = apply(*comparator, vec![take(&flat.elements, lefts)?, take(&flat.elements, rights)?], &rows)?;
        let answers = numbers::<i32>(&answers)?;
        for (place, index) in asked.iter().enumerate() {
            let Some(order) = answers.at(place) else {
                let message = "the comparator of array_sort gave NULL; it must give a number below, equal to or above 0";
                return Err(EngineError::data("COMPARATOR_RETURNS_NULL", message).at_row(rows[place] as usize));
            };
            sorts[*index].answer(order);
        }
    }
    let mut picks = Picks::new(call.length());
    for (row, sort) in sorts.iter().enumerate() {
        if flat.is_valid(row) {
            sort.sorted.iter().for_each(|i| picks.push(*i as usize));
            picks.end();
        } else {
            picks.end_null();
        }
    }
    picks.finish(&flat.elements, element_type(call.returns))
}

/// The keys and the values of a flattened map.
fn sides(flat: &Flat) -> Result<(Series, Series)> {
    let mut members = super::access::members(&flat.elements)?;
    match (members.pop(), members.pop()) {
        (Some(value), Some(key)) => Ok((one_chunk(key), one_chunk(value))),
        _ => Err(EngineError::internal("a map without keys and values")),
    }
}

fn map_filter(call: &KernelCall<'_>) -> Result {
    let types = map_types(call.returns);
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let (keys, values) = sides(&flat)?;
    let kept = apply(lambda(call, 0)?, vec![keys.clone(), values.clone()], &flat.rows)?;
    let kept = flags(&kept)?;
    let mut picks = Picks::new(call.length());
    for row in 0..call.length() {
        if !flat.is_valid(row) {
            picks.end_null();
            continue;
        }
        flat.range(row).filter(|i| kept.at(*i) == Some(true)).for_each(|i| picks.push(i));
        picks.end();
    }
    let (indices, offsets, valid) = picks.into_parts();
    map_series(offsets, take(&keys, indices.clone())?, take(&values, indices)?, valid, types)
}

fn transform_keys(call: &KernelCall<'_>) -> Result {
    let types = map_types(call.returns);
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let (keys, values) = sides(&flat)?;
    let renamed = apply(lambda(call, 0)?, vec![keys, values.clone()], &flat.rows)?;
    let pool = Pool::new(&[&renamed], types.0)?;
    let all = pool.keys()?;
    for row in 0..call.length() {
        let indices: Vec<IdxSize> = flat.range(row).map(|i| i as IdxSize).collect();
        check_keys(&pool.column, &all, &indices, types.0).map_err(|e| e.at_row(row))?;
    }
    map_series(flat.offsets, renamed, values, flat.valid, types)
}

fn transform_values(call: &KernelCall<'_>) -> Result {
    let types = map_types(call.returns);
    let flat = Flat::new(&call.lists(0)?, call.length())?;
    let (keys, values) = sides(&flat)?;
    let changed = apply(lambda(call, 0)?, vec![keys.clone(), values], &flat.rows)?;
    map_series(flat.offsets, keys, changed, flat.valid, types)
}

/// The keys of the left map in order, then those that only the right one has.
fn map_zip_with(call: &KernelCall<'_>) -> Result {
    let types = map_types(call.returns);
    let (left, right) = (call.lists(0)?, call.lists(1)?);
    let ((left_keys, left_values), (right_keys, right_values)) = (entries(&left)?, entries(&right)?);
    let pool = Pool::new(&[&left_keys, &right_keys], types.0)?;
    let all = pool.keys()?;
    let base = pool.bases[1];
    let (mut firsts, mut seconds): (Vec<Option<IdxSize>>, Vec<Option<IdxSize>>) = (Vec::new(), Vec::new());
    let mut rows = Vec::new();
    let mut picks = Picks::new(call.length());
    with_keys!(all, |key| {
        for row in 0..call.length() {
            let (Some((start, end)), Some((from, to))) = (left.at(row), right.at(row)) else {
                picks.end_null();
                continue;
            };
            for i in start..end {
                picks.push(i);
                firsts.push(Some(i as IdxSize));
                seconds.push((from..to).find(|j| key(base + j) == key(i)).map(|j| j as IdxSize));
            }
            for j in (from..to).filter(|j| !(start..end).any(|i| key(i) == key(base + j))) {
                picks.push(base + j);
                firsts.push(None);
                seconds.push(Some(j as IdxSize));
            }
            picks.end();
            rows.resize(firsts.len(), row as u32);
        }
    });
    let (indices, offsets, valid) = picks.into_parts();
    let keys = take(&pool.column, indices)?;
    let params = vec![keys.clone(), take_some(&left_values, &firsts)?, take_some(&right_values, &seconds)?];
    let values = apply(lambda(call, 0)?, params, &rows)?;
    map_series(offsets, keys, values, valid, types)
}
