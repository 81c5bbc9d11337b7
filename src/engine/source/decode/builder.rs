//! Columns under construction: one value or NULL is added per row, and a row can be taken back.
//!
//! Decoders add to these directly. [`Builder::truncate`] is what makes partial rows cheap: a field that turns
//! out to be bad, or that comes twice, is cut off again and the row is filled up with NULLs at its end.

use crate::engine::EngineError;
use crate::engine::columns::{list_series, physical, physical_entry, struct_series};
use crate::types::DataType;
use polars::prelude::{PlSmallStr, Series};
use polars_arrow::array::{BinaryViewArray, BooleanArray, PrimitiveArray, Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

/// Bytes after which the buffer of a text column is closed and another begun: views hold 32-bit offsets.
const BUFFER_LIMIT: usize = 1 << 30;

/// Which rows are not NULL; costs nothing until the first NULL.
#[derive(Debug, Default)]
pub(crate) struct Valid(Vec<bool>);

impl Valid {
    /// Adds a flag to those of `len` rows.
    #[inline]
    fn push(&mut self, valid: bool, len: usize) {
        if !valid {
            self.0.resize(len, true);
            self.0.push(false);
        } else if !self.0.is_empty() {
            self.0.push(true);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn finish(self, len: usize) -> Option<Bitmap> {
        if self.0.is_empty() {
            return None;
        }
        debug_assert_eq!(self.0.len(), len);
        Some(self.0.into_iter().collect())
    }
}

/// Fixed-width values.
#[derive(Debug, Default)]
pub(crate) struct Cells<T> {
    values: Vec<T>,
    valid: Valid,
}

impl<T: Default + Copy> Cells<T> {
    /// Adds a value.
    #[inline]
    pub(crate) fn push(&mut self, value: T) {
        self.valid.push(true, self.values.len());
        self.values.push(value);
    }

    /// Adds a NULL.
    pub(crate) fn push_null(&mut self) {
        self.valid.push(false, self.values.len());
        self.values.push(T::default());
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.valid.truncate(len);
    }
}

impl<T: NativeType> Cells<T> {
    fn finish(self) -> Series {
        let validity = self.valid.finish(self.values.len());
        Series::from_array(PlSmallStr::EMPTY, PrimitiveArray::new(T::PRIMITIVE.into(), self.values.into(), validity))
    }
}

/// Texts or binary values as views: up to twelve bytes stand in the view itself.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    views: Vec<View>,
    valid: Valid,
    full: Vec<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Texts {
    #[inline]
    fn push_bytes(&mut self, bytes: &[u8]) {
        self.valid.push(true, self.views.len());
        if bytes.len() <= View::MAX_INLINE_SIZE as usize {
            self.views.push(View::new_inline(bytes));
            return;
        }
        if self.buffer.len() + bytes.len() > BUFFER_LIMIT && !self.buffer.is_empty() {
            self.full.push(std::mem::take(&mut self.buffer));
        }
        let view = View::new_from_bytes(bytes, self.full.len() as u32, self.buffer.len() as u32);
        self.buffer.extend_from_slice(bytes);
        self.views.push(view);
    }

    fn push_null(&mut self) {
        self.valid.push(false, self.views.len());
        self.views.push(View::default());
    }

    fn truncate(&mut self, len: usize) {
        // Bytes of the views cut off stay in the buffer; they are few.
        self.views.truncate(len);
        self.valid.truncate(len);
    }

    #[expect(unsafe_code, reason = "validating again what was pushed as &str would cost a pass over all text")]
    fn finish_binary(mut self) -> BinaryViewArray {
        let validity = self.valid.finish(self.views.len());
        self.full.push(self.buffer);
        let total = self.full.iter().map(Vec::len).sum();
        // SAFETY: each view was made from bytes that stand at its offset in its buffer; buffers only grow.
        unsafe {
            BinaryViewArray::new_unchecked(
                polars_arrow::datatypes::ArrowDataType::BinaryView,
                self.views.into(),
                self.full.into_iter().map(Into::into).collect(),
                validity,
                None,
                total,
            )
        }
    }

    #[expect(unsafe_code, reason = "only whole &str were pushed, so every view is UTF-8")]
    fn finish_text(self) -> Utf8ViewArray {
        let binary = self.finish_binary();
        // SAFETY: a text builder is filled through `TextCells::push`, which takes &str.
        unsafe { binary.to_utf8view_unchecked() }
    }
}

/// Texts: [`Texts`] that only ever takes `&str`.
#[derive(Debug, Default)]
pub(crate) struct TextCells(Texts);

impl TextCells {
    /// Adds a text.
    #[inline]
    pub(crate) fn push(&mut self, text: &str) {
        self.0.push_bytes(text.as_bytes());
    }
}

/// Binary values.
#[derive(Debug, Default)]
pub(crate) struct ByteCells(Texts);

impl ByteCells {
    /// Adds a value.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.push_bytes(bytes);
    }
}

/// Arrays: the elements of all rows and where each row's end.
#[derive(Debug)]
pub(crate) struct ListCells {
    offsets: Vec<i64>,
    valid: Valid,
    /// The elements.
    pub(crate) inner: Box<Builder>,
    element: DataType,
}

/// Maps: the keys and values of all rows and where each row's end.
#[derive(Debug)]
pub(crate) struct MapCells {
    offsets: Vec<i64>,
    valid: Valid,
    /// The keys.
    pub(crate) keys: Box<Builder>,
    /// The values.
    pub(crate) values: Box<Builder>,
    types: (DataType, DataType),
}

/// Structs: a builder per member.
#[derive(Debug)]
pub(crate) struct StructCells {
    len: usize,
    valid: Valid,
    /// The members in order.
    pub(crate) members: Vec<Builder>,
}

impl ListCells {
    /// Ends a row: its elements are those added to `inner` since the last row.
    pub(crate) fn end_row(&mut self) {
        self.valid.push(true, self.offsets.len() - 1);
        self.offsets.push(self.inner.len() as i64);
    }
}

impl MapCells {
    /// Ends a row: its entries are those added since the last row.
    pub(crate) fn end_row(&mut self) {
        self.valid.push(true, self.offsets.len() - 1);
        self.offsets.push(self.keys.len() as i64);
    }
}

impl StructCells {
    /// Ends a row: members that got no value are NULL.
    pub(crate) fn end_row(&mut self) {
        self.valid.push(true, self.len);
        self.len += 1;
        for member in &mut self.members {
            if member.len() < self.len {
                member.push_null();
            }
        }
    }

    /// Adds a NULL.
    pub(crate) fn push_null(&mut self) {
        self.valid.push(false, self.len);
        self.len += 1;
        self.members.iter_mut().for_each(Builder::push_null);
    }

    /// Takes rows back until `len` are left, with what was begun of a further row.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.valid.truncate(len);
        self.members.iter_mut().for_each(|m| m.truncate(len));
    }

    /// Rows ended so far.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// A column of any type under construction.
#[derive(Debug)]
pub(crate) enum Builder {
    Boolean(Cells<bool>),
    Int8(Cells<i8>),
    Int16(Cells<i16>),
    Int32(Cells<i32>),
    Int64(Cells<i64>),
    Int128(Cells<i128>),
    Float32(Cells<f32>),
    Float64(Cells<f64>),
    Text(TextCells),
    Bytes(ByteCells),
    List(ListCells),
    Map(MapCells),
    Struct(StructCells),
}

impl Builder {
    /// An empty column for values of the type.
    pub(crate) fn new(data_type: &DataType) -> Builder {
        let members = |types: &[&DataType]| {
            Builder::Struct(StructCells { len: 0, valid: Valid::default(), members: types.iter().map(|t| Builder::new(t)).collect() })
        };
        match data_type {
            DataType::Void | DataType::Boolean => Builder::Boolean(Cells::default()),
            DataType::TinyInt => Builder::Int8(Cells::default()),
            DataType::SmallInt => Builder::Int16(Cells::default()),
            DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => Builder::Int32(Cells::default()),
            DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => {
                Builder::Int64(Cells::default())
            }
            DataType::Float => Builder::Float32(Cells::default()),
            DataType::Double => Builder::Float64(Cells::default()),
            DataType::Decimal(..) => Builder::Int128(Cells::default()),
            DataType::String => Builder::Text(TextCells::default()),
            DataType::Binary => Builder::Bytes(ByteCells::default()),
            DataType::CalendarInterval => members(&[&DataType::Int, &DataType::Int, &DataType::BigInt]),
            DataType::Array(element) => Builder::List(ListCells {
                offsets: vec![0],
                valid: Valid::default(),
                inner: Box::new(Builder::new(element)),
                element: (**element).clone(),
            }),
            DataType::Map(key, value) => Builder::Map(MapCells {
                offsets: vec![0],
                valid: Valid::default(),
                keys: Box::new(Builder::new(key)),
                values: Box::new(Builder::new(value)),
                types: ((**key).clone(), (**value).clone()),
            }),
            DataType::Struct(fields) => members(&fields.iter().map(|f| &f.data_type).collect::<Vec<_>>()),
        }
    }

    /// Makes room for that many rows more.
    pub(crate) fn reserve(&mut self, rows: usize) {
        match self {
            Builder::Boolean(c) => c.values.reserve(rows),
            Builder::Int8(c) => c.values.reserve(rows),
            Builder::Int16(c) => c.values.reserve(rows),
            Builder::Int32(c) => c.values.reserve(rows),
            Builder::Int64(c) => c.values.reserve(rows),
            Builder::Int128(c) => c.values.reserve(rows),
            Builder::Float32(c) => c.values.reserve(rows),
            Builder::Float64(c) => c.values.reserve(rows),
            Builder::Text(TextCells(c)) | Builder::Bytes(ByteCells(c)) => c.views.reserve(rows),
            Builder::List(c) => c.offsets.reserve(rows),
            Builder::Map(c) => c.offsets.reserve(rows),
            Builder::Struct(c) => c.members.iter_mut().for_each(|m| m.reserve(rows)),
        }
    }

    /// Rows added so far.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Builder::Boolean(c) => c.values.len(),
            Builder::Int8(c) => c.values.len(),
            Builder::Int16(c) => c.values.len(),
            Builder::Int32(c) => c.values.len(),
            Builder::Int64(c) => c.values.len(),
            Builder::Int128(c) => c.values.len(),
            Builder::Float32(c) => c.values.len(),
            Builder::Float64(c) => c.values.len(),
            Builder::Text(TextCells(c)) | Builder::Bytes(ByteCells(c)) => c.views.len(),
            Builder::List(c) => c.offsets.len() - 1,
            Builder::Map(c) => c.offsets.len() - 1,
            Builder::Struct(c) => c.len,
        }
    }

    /// Adds a NULL.
    pub(crate) fn push_null(&mut self) {
        match self {
            Builder::Boolean(c) => c.push_null(),
            Builder::Int8(c) => c.push_null(),
            Builder::Int16(c) => c.push_null(),
            Builder::Int32(c) => c.push_null(),
            Builder::Int64(c) => c.push_null(),
            Builder::Int128(c) => c.push_null(),
            Builder::Float32(c) => c.push_null(),
            Builder::Float64(c) => c.push_null(),
            Builder::Text(TextCells(c)) | Builder::Bytes(ByteCells(c)) => c.push_null(),
            Builder::List(c) => {
                c.valid.push(false, c.offsets.len() - 1);
                c.offsets.push(c.inner.len() as i64);
            }
            Builder::Map(c) => {
                c.valid.push(false, c.offsets.len() - 1);
                c.offsets.push(c.keys.len() as i64);
            }
            Builder::Struct(c) => c.push_null(),
        }
    }

    /// Takes rows back until `len` are left, with what was begun of a further row.
    pub(crate) fn truncate(&mut self, len: usize) {
        match self {
            Builder::Boolean(c) => c.truncate(len),
            Builder::Int8(c) => c.truncate(len),
            Builder::Int16(c) => c.truncate(len),
            Builder::Int32(c) => c.truncate(len),
            Builder::Int64(c) => c.truncate(len),
            Builder::Int128(c) => c.truncate(len),
            Builder::Float32(c) => c.truncate(len),
            Builder::Float64(c) => c.truncate(len),
            Builder::Text(TextCells(c)) | Builder::Bytes(ByteCells(c)) => c.truncate(len),
            Builder::List(c) => {
                c.offsets.truncate(len + 1);
                c.valid.truncate(len);
                c.inner.truncate(end(&c.offsets));
            }
            Builder::Map(c) => {
                c.offsets.truncate(len + 1);
                c.valid.truncate(len);
                c.keys.truncate(end(&c.offsets));
                c.values.truncate(end(&c.offsets));
            }
            Builder::Struct(c) => c.truncate(len),
        }
    }

    /// The column, in one chunk.
    pub(crate) fn finish(self) -> Result<Series, EngineError> {
        Ok(match self {
            Builder::Boolean(c) => {
                let validity = c.valid.finish(c.values.len());
                let values: Bitmap = c.values.into_iter().collect();
                Series::from_array(PlSmallStr::EMPTY, BooleanArray::new(polars_arrow::datatypes::ArrowDataType::Boolean, values, validity))
            }
            Builder::Int8(c) => c.finish(),
            Builder::Int16(c) => c.finish(),
            Builder::Int32(c) => c.finish(),
            Builder::Int64(c) => c.finish(),
            Builder::Int128(c) => c.finish(),
            Builder::Float32(c) => c.finish(),
            Builder::Float64(c) => c.finish(),
            Builder::Text(c) => Series::from_array(PlSmallStr::EMPTY, c.0.finish_text()),
            Builder::Bytes(c) => Series::from_array(PlSmallStr::EMPTY, c.0.finish_binary()),
            Builder::List(c) => {
                let rows = c.offsets.len() - 1;
                list_series(c.offsets, c.inner.finish()?, c.valid.finish(rows), &physical(&c.element))?
            }
            Builder::Map(c) => {
                let rows = c.offsets.len() - 1;
                let entries = struct_series(vec![c.keys.finish()?, c.values.finish()?], None, None)?;
                list_series(c.offsets, entries, c.valid.finish(rows), &physical_entry(&c.types.0, &c.types.1))?
            }
            Builder::Struct(c) => {
                let members = c.members.into_iter().map(Builder::finish).collect::<Result<Vec<_>, _>>()?;
                struct_series(members, Some(c.len), c.valid.finish(c.len))?
            }
        })
    }
}

fn end(offsets: &[i64]) -> usize {
    offsets.last().map_or(0, |end| *end as usize)
}
