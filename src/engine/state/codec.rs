//! Rows as bytes: equal rows have equal bytes, and in the ordered form bytes sort as rows do.
//!
//! Equality is Spark's: NULL = NULL, -0.0 = 0.0, NaN = NaN, maps without regard to the order of their
//! entries. A cell is a tag byte (NULL or not) and its data; strings and lists carry their length, or an
//! end mark in the ordered form. The plain form can be read back.

use crate::engine::EngineError;
use crate::engine::columns::{null_series, series_of, struct_series};
use crate::engine::eval::access::number_series;
use crate::types::{DataType, Value};
use polars::prelude::{PlSmallStr, Series};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, MutableBinaryViewArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::bitmap::{Bitmap, BitmapBuilder};
use polars_arrow::types::NativeType;

/// Rows one after the other in one buffer.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of a row.
    pub fn row(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

/// How a column of the ordered form sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Greatest first.
    pub descending: bool,
    /// NULL before everything else.
    pub nulls_first: bool,
}

const NULL: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// The rows of `columns`, of those Spark types, in the form that only serves equality.
pub fn encode(columns: &[Series], types: &[DataType], rows: usize) -> Result<Rows, EngineError> {
    let cells = readers(columns, types)?;
    let mut out = Rows { bytes: Vec::with_capacity(rows * 12 * cells.len()), ends: Vec::with_capacity(rows) };
    for row in 0..rows {
        for cell in &cells {
            cell.write(row, &mut out.bytes, false);
        }
        out.ends.push(out.bytes.len());
    }
    Ok(out)
}

/// The rows of `columns` in the form that sorts.
pub fn encode_ordered(columns: &[Series], types: &[DataType], directions: &[Direction], rows: usize) -> Result<Rows, EngineError> {
    let cells = readers(columns, types)?;
    let mut out = Rows { bytes: Vec::with_capacity(rows * 12 * cells.len()), ends: Vec::with_capacity(rows) };
    for row in 0..rows {
        for (cell, direction) in cells.iter().zip(directions) {
            let start = out.bytes.len();
            cell.write(row, &mut out.bytes, true);
            if out.bytes[start] == NULL {
                out.bytes[start] = if direction.nulls_first { NULL } else { NULL_LAST };
            } else if direction.descending {
                out.bytes[start + 1..].iter_mut().for_each(|b| *b = !*b);
            }
        }
        out.ends.push(out.bytes.len());
    }
    Ok(out)
}

/// The fewest bytes that a row without NULLs takes in the plain form.
pub fn least(types: &[DataType]) -> usize {
    let cell = |data_type: &DataType| match data_type {
        DataType::Void => 1,
        DataType::Boolean | DataType::TinyInt => 2,
        DataType::SmallInt => 3,
        DataType::Int | DataType::Date | DataType::YearMonthInterval(..) | DataType::Float => 5,
        DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) | DataType::Double => 9,
        DataType::Decimal(..) => 17,
        DataType::CalendarInterval => 1 + 5 + 5 + 9,
        DataType::String | DataType::Binary | DataType::Array(_) | DataType::Map(..) => 1 + size_of::<u32>(),
        DataType::Struct(fields) => 1 + fields.iter().map(|f| least(std::slice::from_ref(&f.data_type))).sum::<usize>(),
    };
    types.iter().map(cell).sum()
}

/// The columns that rows of the plain form were made from.
pub fn decode<'a>(rows: impl Iterator<Item = &'a [u8]>, types: &[DataType]) -> Result<Vec<Series>, EngineError> {
    let mut cursors: Vec<&[u8]> = rows.collect();
    types.iter().map(|t| decode_column(&mut cursors, t, None)).collect()
}

fn readers<'a>(columns: &'a [Series], types: &[DataType]) -> Result<Vec<Cells<'a>>, EngineError> {
    columns.iter().zip(types).map(|(c, t)| Cells::new(&*c.chunks()[0], t)).collect()
}

/// A typed view of an array.
enum Cells<'a> {
    Void,
    Boolean(&'a BooleanArray),
    I8(&'a PrimitiveArray<i8>),
    I16(&'a PrimitiveArray<i16>),
    I32(&'a PrimitiveArray<i32>),
    I64(&'a PrimitiveArray<i64>),
    I128(&'a PrimitiveArray<i128>),
    F32(&'a PrimitiveArray<f32>),
    F64(&'a PrimitiveArray<f64>),
    Text(&'a Utf8ViewArray),
    Binary(&'a BinaryViewArray),
    Struct(Option<&'a Bitmap>, Vec<Cells<'a>>),
    List { array: &'a ListArray<i64>, inner: Box<Cells<'a>>, unordered: bool },
}

fn array<A: Array>(array: &dyn Array) -> Result<&A, EngineError> {
    array.as_any().downcast_ref::<A>().ok_or_else(|| EngineError::internal(format!("a key column is not {}", std::any::type_name::<A>())))
}

impl<'a> Cells<'a> {
    fn new(a: &'a dyn Array, data_type: &DataType) -> Result<Cells<'a>, EngineError> {
        Ok(match data_type {
            DataType::Void => Cells::Void,
            DataType::Boolean => Cells::Boolean(array(a)?),
            DataType::TinyInt => Cells::I8(array(a)?),
            DataType::SmallInt => Cells::I16(array(a)?),
            DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => Cells::I32(array(a)?),
            DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => Cells::I64(array(a)?),
            DataType::Float => Cells::F32(array(a)?),
            DataType::Double => Cells::F64(array(a)?),
            DataType::Decimal(..) => Cells::I128(array(a)?),
            DataType::String => Cells::Text(array(a)?),
            DataType::Binary => Cells::Binary(array(a)?),
            DataType::CalendarInterval => Cells::members(a, &[DataType::Int, DataType::Int, DataType::BigInt])?,
            DataType::Struct(fields) => {
                let types: Vec<_> = fields.iter().map(|f| f.data_type.clone()).collect();
                Cells::members(a, &types)?
            }
            DataType::Array(element) => {
                let list = array::<ListArray<i64>>(a)?;
                Cells::List { array: list, inner: Box::new(Cells::new(&**list.values(), element)?), unordered: false }
            }
            DataType::Map(key, value) => {
                let list = array::<ListArray<i64>>(a)?;
                let inner = Cells::members(&**list.values(), &[(**key).clone(), (**value).clone()])?;
                Cells::List { array: list, inner: Box::new(inner), unordered: true }
            }
        })
    }

    fn members(a: &'a dyn Array, types: &[DataType]) -> Result<Cells<'a>, EngineError> {
        let whole = array::<StructArray>(a)?;
        let members = whole.values().iter().zip(types).map(|(m, t)| Cells::new(&**m, t)).collect::<Result<_, _>>()?;
        Ok(Cells::Struct(whole.validity(), members))
    }

    fn validity(&self) -> Option<&Bitmap> {
        match self {
            Cells::Void => None,
            Cells::Boolean(a) => a.validity(),
            Cells::I8(a) => a.validity(),
            Cells::I16(a) => a.validity(),
            Cells::I32(a) => a.validity(),
            Cells::I64(a) => a.validity(),
            Cells::I128(a) => a.validity(),
            Cells::F32(a) => a.validity(),
            Cells::F64(a) => a.validity(),
            Cells::Text(a) => a.validity(),
            Cells::Binary(a) => a.validity(),
            Cells::Struct(validity, _) => *validity,
            Cells::List { array, .. } => array.validity(),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>, ordered: bool) {
        if matches!(self, Cells::Void) || self.validity().is_some_and(|v| !v.get_bit(row)) {
            out.push(NULL);
            return;
        }
        out.push(VALUE);
        match self {
            Cells::Void => {}
            Cells::Boolean(a) => out.push(u8::from(a.value(row))),
            Cells::I8(a) => out.push((a.value(row) as u8) ^ 0x80),
            Cells::I16(a) => out.extend_from_slice(&((a.value(row) as u16) ^ (1 << 15)).to_be_bytes()),
            Cells::I32(a) => out.extend_from_slice(&((a.value(row) as u32) ^ (1 << 31)).to_be_bytes()),
            Cells::I64(a) => out.extend_from_slice(&((a.value(row) as u64) ^ (1 << 63)).to_be_bytes()),
            Cells::I128(a) => out.extend_from_slice(&((a.value(row) as u128) ^ (1 << 127)).to_be_bytes()),
            Cells::F32(a) => out.extend_from_slice(&ordered_f32(a.value(row)).to_be_bytes()),
            Cells::F64(a) => out.extend_from_slice(&ordered_f64(a.value(row)).to_be_bytes()),
            Cells::Text(a) => write_bytes(a.value(row).as_bytes(), out, ordered),
            Cells::Binary(a) => write_bytes(a.value(row), out, ordered),
            Cells::Struct(_, members) => members.iter().for_each(|m| m.write(row, out, ordered)),
            Cells::List { array, inner, unordered } => {
                let (start, end) = array.offsets().start_end(row);
                write_list(inner, start..end, *unordered, out, ordered);
            }
        }
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>, ordered: bool) {
    if !ordered {
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
        return;
    }
    // A zero byte is escaped so that the end mark (two zeros) sorts before every longer string.
    for b in bytes {
        out.push(*b);
        if *b == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn write_list(inner: &Cells<'_>, range: std::ops::Range<usize>, unordered: bool, out: &mut Vec<u8>, ordered: bool) {
    if !ordered {
        out.extend_from_slice(&(range.len() as u32).to_le_bytes());
    }
    if unordered {
        let mut entries: Vec<Vec<u8>> = range
            .map(|i| {
                let mut bytes = Vec::new();
                inner.write(i, &mut bytes, ordered);
                bytes
            })
            .collect();
        entries.sort_unstable();
        entries.iter().for_each(|e| out.extend_from_slice(e));
    } else {
        for i in range {
            if ordered {
                out.push(1);
            }
            inner.write(i, out, ordered);
        }
    }
    if ordered {
        out.push(0);
    }
}

/// The number as bits that sort as Spark orders: NaN greatest and one, -0.0 as 0.0.
fn ordered_f64(value: f64) -> u64 {
    let value = if value.is_nan() { f64::NAN } else { value + 0.0 };
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

fn ordered_f32(value: f32) -> u32 {
    let value = if value.is_nan() { f32::NAN } else { value + 0.0 };
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | (1 << 31) }
}

fn plain_f64(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

fn plain_f32(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// Reads the next cell of each row; rows that are not `present` have none and give NULL.
fn decode_column(cursors: &mut [&[u8]], data_type: &DataType, present: Option<&[bool]>) -> Result<Series, EngineError> {
    Ok(match data_type {
        DataType::Void => {
            each(cursors, present, |c| {
                take::<1>(c);
            });
            null_series(data_type, cursors.len())
        }
        DataType::Boolean => {
            let mut values = BitmapBuilder::with_capacity(cursors.len());
            let mut valid = BitmapBuilder::with_capacity(cursors.len());
            cells(cursors, present, |c| values.push(c.is_some_and(|c| take::<1>(c)[0] == 1)), &mut valid);
            crate::engine::eval::access::flag_series(values.freeze(), valid.into_opt_validity())
        }
        DataType::TinyInt => numbers(cursors, present, |c| (take::<1>(c)[0] ^ 0x80) as i8),
        DataType::SmallInt => numbers(cursors, present, |c| (u16::from_be_bytes(take(c)) ^ (1 << 15)) as i16),
        DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => {
            numbers(cursors, present, |c| (u32::from_be_bytes(take(c)) ^ (1 << 31)) as i32)
        }
        DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => {
            numbers(cursors, present, |c| (u64::from_be_bytes(take(c)) ^ (1 << 63)) as i64)
        }
        DataType::Decimal(..) => numbers(cursors, present, |c| (u128::from_be_bytes(take(c)) ^ (1 << 127)) as i128),
        DataType::Float => numbers(cursors, present, |c| plain_f32(u32::from_be_bytes(take(c)))),
        DataType::Double => numbers(cursors, present, |c| plain_f64(u64::from_be_bytes(take(c)))),
        DataType::String => {
            let mut out = MutableBinaryViewArray::<str>::with_capacity(cursors.len());
            for (i, c) in cursors.iter_mut().enumerate() {
                if present.is_some_and(|p| !p[i]) || take::<1>(c)[0] == NULL {
                    out.push_null();
                } else {
                    out.push_value(&*String::from_utf8_lossy(take_bytes(c)));
                }
            }
            Series::from_array(PlSmallStr::EMPTY, out.freeze())
        }
        DataType::Binary => {
            let mut out = MutableBinaryViewArray::<[u8]>::with_capacity(cursors.len());
            for (i, c) in cursors.iter_mut().enumerate() {
                if present.is_some_and(|p| !p[i]) || take::<1>(c)[0] == NULL {
                    out.push_null();
                } else {
                    out.push_value(take_bytes(c));
                }
            }
            Series::from_array(PlSmallStr::EMPTY, out.freeze())
        }
        DataType::Struct(fields) => {
            let types: Vec<_> = fields.iter().map(|f| f.data_type.clone()).collect();
            decode_members(cursors, &types, present)?
        }
        DataType::CalendarInterval => decode_members(cursors, &[DataType::Int, DataType::Int, DataType::BigInt], present)?,
        DataType::Array(_) | DataType::Map(..) => {
            let values: Vec<Value> = cursors
                .iter_mut()
                .enumerate()
                .map(|(i, c)| if present.is_some_and(|p| !p[i]) { Value::Null } else { read_value(c, data_type) })
                .collect();
            series_of(&values, data_type)
        }
    })
}

fn decode_members(cursors: &mut [&[u8]], types: &[DataType], present: Option<&[bool]>) -> Result<Series, EngineError> {
    let here: Vec<bool> = cursors.iter_mut().enumerate().map(|(i, c)| present.is_none_or(|p| p[i]) && take::<1>(c)[0] != NULL).collect();
    let members = types.iter().map(|t| decode_column(cursors, t, Some(&here))).collect::<Result<Vec<_>, _>>()?;
    let validity = if here.iter().all(|h| *h) { None } else { Some(here.iter().copied().collect::<Bitmap>()) };
    struct_series(members, Some(cursors.len()), validity)
}

fn each(cursors: &mut [&[u8]], present: Option<&[bool]>, mut f: impl FnMut(&mut &[u8])) {
    for (i, c) in cursors.iter_mut().enumerate() {
        if present.is_none_or(|p| p[i]) {
            f(c);
        }
    }
}

fn cells(cursors: &mut [&[u8]], present: Option<&[bool]>, mut f: impl FnMut(Option<&mut &[u8]>), valid: &mut BitmapBuilder) {
    for (i, c) in cursors.iter_mut().enumerate() {
        let here = present.is_none_or(|p| p[i]) && take::<1>(c)[0] != NULL;
        valid.push(here);
        f(here.then_some(c));
    }
}

fn numbers<T: NativeType + Default>(cursors: &mut [&[u8]], present: Option<&[bool]>, read: impl Fn(&mut &[u8]) -> T) -> Series {
    let mut values = Vec::with_capacity(cursors.len());
    let mut valid = BitmapBuilder::with_capacity(cursors.len());
    cells(cursors, present, |c| values.push(c.map_or_else(T::default, &read)), &mut valid);
    number_series(values, valid.into_opt_validity())
}

fn take<const N: usize>(cursor: &mut &[u8]) -> [u8; N] {
    let (head, rest) = cursor.split_at(N);
    *cursor = rest;
    head.try_into().expect("split at N bytes")
}

fn take_bytes<'a>(cursor: &mut &'a [u8]) -> &'a [u8] {
    let length = u32::from_le_bytes(take(cursor)) as usize;
    let (head, rest) = cursor.split_at(length);
    *cursor = rest;
    head
}

/// One cell of the plain form.
fn read_value(c: &mut &[u8], data_type: &DataType) -> Value {
    if take::<1>(c)[0] == NULL {
        return Value::Null;
    }
    match data_type {
        DataType::Void => Value::Null,
        DataType::Boolean => Value::Boolean(take::<1>(c)[0] == 1),
        DataType::TinyInt => Value::Int(i64::from((take::<1>(c)[0] ^ 0x80) as i8)),
        DataType::SmallInt => Value::Int(i64::from((u16::from_be_bytes(take(c)) ^ (1 << 15)) as i16)),
        DataType::Int => Value::Int(i64::from(read_i32(c))),
        DataType::Date => Value::Date(read_i32(c)),
        DataType::YearMonthInterval(..) => Value::YearMonth(read_i32(c)),
        DataType::BigInt => Value::Int(read_i64(c)),
        DataType::Timestamp | DataType::TimestampNtz => Value::Timestamp(read_i64(c)),
        DataType::DayTimeInterval(..) => Value::DayTime(read_i64(c)),
        DataType::Decimal(..) => Value::Decimal((u128::from_be_bytes(take(c)) ^ (1 << 127)) as i128),
        DataType::Float => Value::Float(plain_f32(u32::from_be_bytes(take(c)))),
        DataType::Double => Value::Double(plain_f64(u64::from_be_bytes(take(c)))),
        DataType::String => Value::String(String::from_utf8_lossy(take_bytes(c)).into_owned()),
        DataType::Binary => Value::Binary(take_bytes(c).to_vec()),
        DataType::CalendarInterval => {
            let mut part = |t| read_value(c, t);
            let (months, days, micros) = (part(&DataType::Int), part(&DataType::Int), part(&DataType::BigInt));
            let int = |v: Value| v.as_int().unwrap_or(0);
            Value::Calendar(int(months) as i32, int(days) as i32, int(micros))
        }
        DataType::Struct(fields) => Value::Struct(fields.iter().map(|f| read_value(c, &f.data_type)).collect()),
        DataType::Array(element) => {
            let length = u32::from_le_bytes(take(c));
            Value::Array((0..length).map(|_| read_value(c, element)).collect())
        }
        DataType::Map(key, value) => {
            let length = u32::from_le_bytes(take(c));
            Value::Map(
                (0..length)
                    .map(|_| {
                        take::<1>(c);
                        (read_value(c, key), read_value(c, value))
                    })
                    .collect(),
            )
        }
    }
}

fn read_i32(c: &mut &[u8]) -> i32 {
    (u32::from_be_bytes(take(c)) ^ (1 << 31)) as i32
}

fn read_i64(c: &mut &[u8]) -> i64 {
    (u64::from_be_bytes(take(c)) ^ (1 << 63)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::value_at;
    use crate::types::Field;

    fn cases() -> Vec<(DataType, Vec<Value>)> {
        let pair = DataType::Struct(vec![Field::new("a", DataType::Int), Field::new("b", DataType::String)]);
        vec![
            (DataType::Boolean, vec![Value::Null, Value::Boolean(false), Value::Boolean(true)]),
            (DataType::TinyInt, vec![Value::Null, Value::Int(-128), Value::Int(0), Value::Int(127)]),
            (DataType::BigInt, vec![Value::Null, Value::Int(i64::MIN), Value::Int(-1), Value::Int(0), Value::Int(i64::MAX)]),
            (
                DataType::Double,
                vec![Value::Null, Value::Double(f64::NEG_INFINITY), Value::Double(-1.5), Value::Double(0.0), Value::Double(f64::NAN)],
            ),
            (DataType::Decimal(10, 2), vec![Value::Null, Value::Decimal(-100), Value::Decimal(0), Value::Decimal(250)]),
            (
                DataType::String,
                vec![
                    Value::Null,
                    Value::String(String::new()),
                    Value::String("a".into()),
                    Value::String("a\0".into()),
                    Value::String("ab".into()),
                ],
            ),
            (
                pair,
                vec![
                    Value::Null,
                    Value::Struct(vec![Value::Null, Value::String("z".into())]),
                    Value::Struct(vec![Value::Int(1), Value::Null]),
                    Value::Struct(vec![Value::Int(1), Value::String("a".into())]),
                ],
            ),
            (
                DataType::array(DataType::Int),
                vec![
                    Value::Null,
                    Value::Array(vec![]),
                    Value::Array(vec![Value::Int(1)]),
                    Value::Array(vec![Value::Int(1), Value::Null]),
                    Value::Array(vec![Value::Int(2)]),
                ],
            ),
        ]
    }

    #[test]
    fn plain_rows_read_back() {
        for (data_type, values) in cases() {
            let column = series_of(&values, &data_type);
            let rows = encode(std::slice::from_ref(&column), std::slice::from_ref(&data_type), values.len()).unwrap();
            let back = decode((0..rows.len()).map(|i| rows.row(i)), std::slice::from_ref(&data_type)).unwrap();
            for (i, value) in values.iter().enumerate() {
                assert_eq!(&value_at(&back[0], i, &data_type), value, "{data_type}");
            }
        }
    }

    #[test]
    fn ordered_rows_sort_as_values_do() {
        for (data_type, values) in cases() {
            let column = series_of(&values, &data_type);
            let up = Direction { descending: false, nulls_first: true };
            let rows = encode_ordered(std::slice::from_ref(&column), std::slice::from_ref(&data_type), &[up], values.len()).unwrap();
            assert!((1..rows.len()).all(|i| rows.row(i - 1) < rows.row(i)), "{data_type}");
            let down = Direction { descending: true, nulls_first: true };
            let rows = encode_ordered(&[column], std::slice::from_ref(&data_type), &[down], values.len()).unwrap();
            assert!((2..rows.len()).all(|i| rows.row(i - 1) > rows.row(i)) && rows.row(0) < rows.row(1), "{data_type}");
        }
    }

    #[test]
    fn least_is_what_the_shortest_row_takes() {
        let complete = |v: &Value| !v.is_null() && !matches!(v, Value::Struct(members) if members.iter().any(Value::is_null));
        for (data_type, values) in cases() {
            let values: Vec<Value> = values.into_iter().filter(complete).collect();
            let types = [data_type];
            let rows = encode(&[series_of(&values, &types[0])], &types, values.len()).unwrap();
            let shortest = (0..rows.len()).map(|i| rows.row(i).len()).min().unwrap();
            // The text in the struct at hand has one letter.
            let letters = usize::from(matches!(types[0], DataType::Struct(_)));
            assert_eq!(shortest, least(&types) + letters, "{:?}", types[0]);
        }
    }

    #[test]
    fn zeros_and_nans_are_one() {
        let column =
            series_of(&[Value::Double(0.0), Value::Double(-0.0), Value::Double(f64::NAN), Value::Double(-f64::NAN)], &DataType::Double);
        let rows = encode(&[column], &[DataType::Double], 4).unwrap();
        assert_eq!(rows.row(0), rows.row(1));
        assert_eq!(rows.row(2), rows.row(3));
    }
}
