//! The toolkit of kernels: typed views of columns, constants that stand for all rows, NULLs as bitmaps.
//!
//! Columns have one chunk, so that a view is a slice of values beside a validity bitmap. A column of
//! length one stands for all rows; the result of a kernel whose arguments all have length one has length
//! one as well. There are two kinds of loops here:
//!
//! * over numbers ([`unary`], [`binary`], [`try_binary`] …): plain loops over slices that the compiler
//!   vectorises. They also compute the values that stand under NULLs, which is why a fallible one goes back
//!   to look whether the offending row counts.
//! * over any cells ([`map1`], [`map2`], [`map3`]): row by row, rows with a NULL argument left out. The
//!   closure answers `Ok(None)` for NULL, and an error is told its row.

mod apply;

pub use apply::*;

use super::KernelCall;
use crate::engine::EngineError;
use crate::engine::columns::{self, list_series};
use crate::types::DataType;
use polars::prelude::{PlSmallStr, Series};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, MutableBinaryViewArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::bitmap::{self, Bitmap, BitmapBuilder};
use polars_arrow::types::NativeType;

/// A view of one column's cells; one cell stands for all rows when there is only one.
pub trait Cells {
    /// What a cell holds when it is not NULL.
    type Item: Copy;
    /// Number of cells, which is not the number of rows for a constant.
    fn len(&self) -> usize;
    /// Which cells are not NULL; `None`: all.
    fn validity(&self) -> Option<&Bitmap>;
    /// Cell `index`, below [`Cells::len`], whatever stands there under a NULL.
    fn value(&self, index: usize) -> Self::Item;

    /// Whether there are no cells.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether one cell stands for all rows.
    fn is_constant(&self) -> bool {
        self.len() == 1
    }

    /// The cell of `row`, or NULL.
    fn at(&self, row: usize) -> Option<Self::Item> {
        let index = if self.len() == 1 { 0 } else { row };
        match self.validity() {
            Some(bits) if !bits.get_bit(index) => None,
            _ => Some(self.value(index)),
        }
    }
}

/// Numbers, dates, timestamps, intervals and unscaled decimals.
#[derive(Clone, Copy)]
pub struct Numbers<'a, T> {
    /// The values; those under NULLs mean nothing.
    pub values: &'a [T],
    /// Which are not NULL; `None`: all.
    pub validity: Option<&'a Bitmap>,
}

/// Strings.
#[derive(Clone, Copy)]
pub struct Texts<'a>(pub &'a Utf8ViewArray);

/// Binary values.
#[derive(Clone, Copy)]
pub struct Bytes<'a>(pub &'a BinaryViewArray);

/// Booleans.
#[derive(Clone, Copy)]
pub struct Flags<'a>(pub &'a BooleanArray);

/// Arrays and maps: a cell is the range `start..end` of its elements in [`Lists::inner`].
pub struct Lists<'a> {
    array: &'a ListArray<i64>,
    inner: Series,
}

impl<T: NativeType> Cells for Numbers<'_, T> {
    type Item = T;

    fn len(&self) -> usize {
        self.values.len()
    }

    fn validity(&self) -> Option<&Bitmap> {
        self.validity
    }

    #[inline]
    fn value(&self, index: usize) -> T {
        self.values[index]
    }
}

impl<'a> Cells for Texts<'a> {
    type Item = &'a str;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn validity(&self) -> Option<&Bitmap> {
        self.0.validity()
    }

    #[inline]
    fn value(&self, index: usize) -> &'a str {
        self.0.value(index)
    }
}

impl<'a> Cells for Bytes<'a> {
    type Item = &'a [u8];

    fn len(&self) -> usize {
        self.0.len()
    }

    fn validity(&self) -> Option<&Bitmap> {
        self.0.validity()
    }

    #[inline]
    fn value(&self, index: usize) -> &'a [u8] {
        self.0.value(index)
    }
}

impl Cells for Flags<'_> {
    type Item = bool;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn validity(&self) -> Option<&Bitmap> {
        self.0.validity()
    }

    #[inline]
    fn value(&self, index: usize) -> bool {
        self.0.value(index)
    }
}

impl Cells for Lists<'_> {
    type Item = (usize, usize);

    fn len(&self) -> usize {
        self.array.len()
    }

    fn validity(&self) -> Option<&Bitmap> {
        self.array.validity()
    }

    #[inline]
    fn value(&self, index: usize) -> (usize, usize) {
        self.array.offsets().start_end(index)
    }
}

impl<'a> Lists<'a> {
    /// The elements of all rows in one column; a MAP's are structs of key and value.
    pub fn inner(&self) -> &Series {
        &self.inner
    }

    /// Offsets from 0 and exactly the elements that they cover: nothing is left under a NULL or outside a slice.
    pub fn compact(&self) -> Result<(Vec<i64>, Series), EngineError> {
        let offsets = self.offsets();
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        let hidden = |bits: &Bitmap| (0..self.len()).any(|row| !bits.get_bit(row) && offsets[row] != offsets[row + 1]);
        if !self.validity().is_some_and(hidden) {
            let inner = columns::one_chunk(self.inner.slice(first, (last - first) as usize));
            return Ok((offsets.iter().map(|o| o - first).collect(), inner));
        }
        let (mut index, mut compact) = (Vec::new(), vec![0i64]);
        for row in 0..self.len() {
            if let Some((start, end)) = self.at(row) {
                index.extend((start..end).map(|i| i as polars::prelude::IdxSize));
            }
            compact.push(index.len() as i64);
        }
        let inner = self.inner.take(&polars::prelude::IdxCa::from_vec(PlSmallStr::EMPTY, index))?;
        Ok((compact, columns::one_chunk(inner)))
    }

    /// Where the elements of each row begin, and one more.
    pub fn offsets(&self) -> &'a [i64] {
        self.array.offsets().as_slice()
    }
}

/// The one chunk of a column, as arrow's array type; a defect of ours if it is another.
pub fn chunk<A: Array>(column: &Series) -> Result<&A, EngineError> {
    debug_assert_eq!(column.n_chunks(), 1);
    column.chunks()[0].as_any().downcast_ref::<A>().ok_or_else(|| {
        EngineError::internal(format!("a kernel wanted {} and met a column of {}", std::any::type_name::<A>(), column.dtype()))
    })
}

/// The numbers of a column.
pub fn numbers<T: NativeType>(column: &Series) -> Result<Numbers<'_, T>, EngineError> {
    let array = chunk::<PrimitiveArray<T>>(column)?;
    Ok(Numbers { values: array.values().as_slice(), validity: array.validity() })
}

/// The strings of a column.
pub fn texts(column: &Series) -> Result<Texts<'_>, EngineError> {
    chunk(column).map(Texts)
}

/// The binary values of a column.
pub fn bytes(column: &Series) -> Result<Bytes<'_>, EngineError> {
    chunk(column).map(Bytes)
}

/// The booleans of a column.
pub fn flags(column: &Series) -> Result<Flags<'_>, EngineError> {
    chunk(column).map(Flags)
}

/// The arrays or maps of a column.
pub fn lists(column: &Series) -> Result<Lists<'_>, EngineError> {
    let array = chunk::<ListArray<i64>>(column)?;
    Ok(Lists { array, inner: column.list()?.get_inner() })
}

/// The members of a struct column in order; members of a NULL struct are NULL.
pub fn members(column: &Series) -> Result<Vec<Series>, EngineError> {
    Ok(column.struct_()?.fields_as_series())
}

/// Which structs of a column are not NULL; `None`: all.
pub fn struct_validity(column: &Series) -> Result<Option<&Bitmap>, EngineError> {
    chunk::<StructArray>(column).map(|a| a.validity())
}

/// The keys and the values of a map column, element by element.
pub fn entries(lists: &Lists<'_>) -> Result<(Series, Series), EngineError> {
    let mut members = members(lists.inner())?;
    match (members.pop(), members.pop()) {
        (Some(value), Some(key)) => Ok((key, value)),
        _ => Err(EngineError::internal("a map without keys and values")),
    }
}

/// Which cells of any column are not NULL; `None`: all.
pub fn validity(column: &Series) -> Option<&Bitmap> {
    column.chunks()[0].validity()
}

/// Whether `row` of the column is NULL; a constant answers for every row.
pub fn is_null(column: &Series, row: usize) -> bool {
    let index = if column.len() == 1 { 0 } else { row };
    validity(column).is_some_and(|bits| !bits.get_bit(index))
}

/// How many cells the result has: one if every argument is a constant.
pub fn length(lengths: &[usize]) -> usize {
    lengths.iter().copied().find(|n| *n != 1).unwrap_or(1)
}

/// One cell for each of `rows` rows, whether or not the column is a constant.
pub fn broadcast(column: Series, rows: usize) -> Series {
    if column.len() == 1 && rows != 1 { columns::repeated(&column, rows) } else { column }
}

/// Where both are valid, for results of `n` cells: constants are spread.
pub fn both_valid(a: Option<&Bitmap>, b: Option<&Bitmap>, n: usize) -> Option<Bitmap> {
    let spread = |bits: &Bitmap| if bits.len() == n { bits.clone() } else { Bitmap::new_with_value(bits.get_bit(0), n) };
    match (a, b) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(spread(one)),
        (Some(a), Some(b)) => Some(bitmap::and(&spread(a), &spread(b))),
    }
}

/// A column of numbers.
pub fn number_series<T: NativeType>(values: Vec<T>, validity: Option<Bitmap>) -> Series {
    Series::from_array(PlSmallStr::EMPTY, PrimitiveArray::new(T::PRIMITIVE.into(), values.into(), validity))
}

/// A column of booleans.
pub fn flag_series(values: Bitmap, validity: Option<Bitmap>) -> Series {
    Series::from_array(PlSmallStr::EMPTY, BooleanArray::new(polars_arrow::datatypes::ArrowDataType::Boolean, values, validity))
}

/// Arrays from the elements of all rows: row `i` has `offsets[i]..offsets[i + 1]` of `inner`.
pub fn array_series(offsets: Vec<i64>, inner: Series, validity: Option<Bitmap>, element: &DataType) -> Result<Series, EngineError> {
    list_series(offsets, inner, validity, &columns::physical(element))
}

/// Maps from the keys and values of all rows.
pub fn map_series(
    offsets: Vec<i64>,
    keys: Series,
    values: Series,
    validity: Option<Bitmap>,
    types: (&DataType, &DataType),
) -> Result<Series, EngineError> {
    let entries = columns::struct_series(vec![keys, values], None, None)?;
    list_series(offsets, entries, validity, &columns::physical_entry(types.0, types.1))
}

impl KernelCall<'_> {
    /// Argument `index` as numbers.
    pub fn numbers<T: NativeType>(&self, index: usize) -> Result<Numbers<'_, T>, EngineError> {
        numbers(&self.args[index].column)
    }

    /// Argument `index` as strings.
    pub fn texts(&self, index: usize) -> Result<Texts<'_>, EngineError> {
        texts(&self.args[index].column)
    }

    /// Argument `index` as binary values.
    pub fn bytes(&self, index: usize) -> Result<Bytes<'_>, EngineError> {
        bytes(&self.args[index].column)
    }

    /// Argument `index` as booleans.
    pub fn flags(&self, index: usize) -> Result<Flags<'_>, EngineError> {
        flags(&self.args[index].column)
    }

    /// Argument `index` as arrays or maps.
    pub fn lists(&self, index: usize) -> Result<Lists<'_>, EngineError> {
        lists(&self.args[index].column)
    }

    /// The column of argument `index`.
    pub fn column(&self, index: usize) -> &Series {
        &self.args[index].column
    }

    /// The Spark type of argument `index`.
    pub fn data_type(&self, index: usize) -> &DataType {
        &self.args[index].data_type
    }

    /// How many cells the result has: one if every argument is a constant.
    pub fn length(&self) -> usize {
        length(&self.args.iter().map(|a| a.column.len()).collect::<Vec<_>>())
    }

    /// One NULL, of the type that was promised.
    pub fn null(&self) -> Series {
        columns::null_series(self.returns, 1)
    }
}
