//! Building nested columns by saying which elements go where: nearly every array and map function picks
//! elements of its arguments, so it collects their indices and takes them all at once.

use super::access::{self, Cells, Lists, array_series};
use super::keys::Keys;
use crate::engine::EngineError;
use crate::engine::columns::{null_series, one_chunk};
use crate::types::DataType;
use polars::prelude::{IdxCa, IdxSize, NewChunkedArray, PlSmallStr, Series};
use polars_arrow::bitmap::BitmapBuilder;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// Several columns of one type as one, so that an index can point into any of them.
pub(super) struct Pool {
    /// All cells.
    pub(super) column: Series,
    /// Where each of the columns begins.
    pub(super) bases: Vec<usize>,
    /// The type of the cells.
    pub(super) data_type: DataType,
}

impl Pool {
    /// The cells of all `columns`, in order.
    pub(super) fn new(columns: &[&Series], data_type: &DataType) -> Result<Pool> {
        let mut bases = Vec::with_capacity(columns.len());
        let mut all: Option<Series> = None;
        let mut length = 0;
        for column in columns {
            bases.push(length);
            length += column.len();
            match &mut all {
                None => all = Some((*column).clone()),
                Some(all) => {
                    all.append(column)?;
                }
            }
        }
        if length > IdxSize::MAX as usize {
            return Err(EngineError::user("an array function met more than 2^32 elements in one batch"));
        }
        let column = one_chunk(all.unwrap_or_else(|| null_series(data_type, 0)));
        Ok(Pool { column, bases, data_type: data_type.clone() })
    }

    /// The keys of all cells.
    pub(super) fn keys(&self) -> Result<Keys> {
        Keys::of(&self.column, &self.data_type)
    }
}

/// The cells of `column` at `indices`.
pub(super) fn take(column: &Series, indices: Vec<IdxSize>) -> Result {
    Ok(one_chunk(column.take(&IdxCa::from_vec(PlSmallStr::EMPTY, indices))?))
}

/// The cells of `column` at `indices`, NULL where there is none.
pub(super) fn take_some(column: &Series, indices: &[Option<IdxSize>]) -> Result {
    Ok(one_chunk(column.take(&IdxCa::from_slice_options(PlSmallStr::EMPTY, indices))?))
}

/// Collects, row by row, the indices of the elements of a list column.
pub(super) struct Picks {
    /// Indices into a pool, of all rows so far.
    pub(super) indices: Vec<IdxSize>,
    offsets: Vec<i64>,
    valid: BitmapBuilder,
}

impl Picks {
    /// No rows yet, with room for `rows`.
    pub(super) fn new(rows: usize) -> Picks {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Picks { indices: Vec::new(), offsets, valid: BitmapBuilder::with_capacity(rows) }
    }

    /// Adds an element to the row at hand.
    pub(super) fn push(&mut self, index: usize) {
        self.indices.push(index as IdxSize);
    }

    /// Adds a range of elements to the row at hand.
    pub(super) fn extend(&mut self, range: std::ops::Range<usize>) {
        self.indices.extend(range.map(|i| i as IdxSize));
    }

    /// The elements of the row at hand.
    pub(super) fn row(&mut self) -> &mut [IdxSize] {
        let from = self.offsets.last().map_or(0, |o| *o as usize);
        &mut self.indices[from..]
    }

    /// The row is complete.
    pub(super) fn end(&mut self) {
        self.offsets.push(self.indices.len() as i64);
        self.valid.push(true);
    }

    /// The row is NULL; what was added to it is dropped.
    pub(super) fn end_null(&mut self) {
        let from = self.offsets.last().map_or(0, |o| *o as usize);
        self.indices.truncate(from);
        self.offsets.push(from as i64);
        self.valid.push(false);
    }

    /// The list column, its elements taken from `pool`.
    pub(super) fn finish(self, pool: &Series, element: &DataType) -> Result {
        let elements = take(pool, self.indices)?;
        array_series(self.offsets, elements, self.valid.into_opt_validity(), element)
    }

    /// The indices, the offsets and the validity, for columns that are built from more than one pool.
    pub(super) fn into_parts(self) -> (Vec<IdxSize>, Vec<i64>, Option<polars_arrow::bitmap::Bitmap>) {
        (self.indices, self.offsets, self.valid.into_opt_validity())
    }
}

/// The lists of one argument, element by element, each row's elements in order and nothing else between.
pub(super) struct Flat {
    /// One cell per element.
    pub(super) elements: Series,
    /// The row that each element belongs to.
    pub(super) rows: Vec<u32>,
    /// Where each row's elements begin, and one more.
    pub(super) offsets: Vec<i64>,
    /// Which rows are not NULL; `None`: all.
    pub(super) valid: Option<polars_arrow::bitmap::Bitmap>,
}

impl Flat {
    /// The elements of `rows` rows; a constant list stands in every row.
    pub(super) fn new(lists: &Lists<'_>, rows: usize) -> Result<Flat> {
        let (mut offsets, mut indices, mut of) = (Vec::with_capacity(rows + 1), Vec::new(), Vec::new());
        let mut valid = BitmapBuilder::with_capacity(rows);
        offsets.push(0);
        let mut in_order = true;
        for row in 0..rows {
            let cell = lists.at(row);
            valid.push(cell.is_some());
            let (start, end) = cell.unwrap_or((0, 0));
            in_order &= start == end || start == indices.len();
            indices.extend((start..end).map(|i| i as IdxSize));
            of.extend(std::iter::repeat_n(row as u32, end - start));
            offsets.push(indices.len() as i64);
        }
        let inner = lists.inner();
        let elements = if in_order && indices.len() == inner.len() { one_chunk(inner.clone()) } else { take(inner, indices)? };
        Ok(Flat { elements, rows: of, offsets, valid: valid.into_opt_validity() })
    }

    /// The position of each element within its list, from 0.
    pub(super) fn positions(&self) -> Series {
        let positions = self.offsets.windows(2).flat_map(|w| 0..(w[1] - w[0]) as i32).collect();
        access::number_series(positions, None)
    }

    /// The elements of `row` as a range.
    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// Whether the row is not NULL.
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.valid.as_ref().is_none_or(|bits| bits.get_bit(row))
    }
}
