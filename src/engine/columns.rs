//! The one mapping between Spark's types and polars columns.
//!
//! Columns are physical only: what a number means stands in Spark's type beside it.
//!
//! | Spark | column |
//! |---|---|
//! | VOID | Boolean, all NULL |
//! | BOOLEAN | Boolean |
//! | TINYINT SMALLINT INT BIGINT | Int8 Int16 Int32 Int64 |
//! | FLOAT DOUBLE | Float32 Float64 |
//! | DECIMAL(p, s) | Int128, unscaled |
//! | STRING BINARY | String Binary |
//! | DATE | Int32, days |
//! | TIMESTAMP TIMESTAMP_NTZ | Int64, microseconds |
//! | INTERVAL YEAR TO MONTH | Int32, months |
//! | INTERVAL DAY TO SECOND | Int64, microseconds |
//! | INTERVAL (calendar) | Struct { months Int32, days Int32, micros Int64 } |
//! | ARRAY | List |
//! | MAP | List of Struct { key, value } |
//! | STRUCT | Struct; members are named `0`, `1`, … because Spark's names may repeat |
//!
//! A column in a [`Frame`](super::Frame) always has exactly one chunk.

use crate::engine::EngineError;
use crate::types::{DataType, Value};
use polars::prelude as pl;
use polars::prelude::{CompatLevel, IntoSeries, PlSmallStr, Series, StructChunked};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, MutableBinaryViewArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::bitmap::{Bitmap, BitmapBuilder};
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::offset::{Offsets, OffsetsBuffer};
use polars_arrow::types::NativeType;

/// The polars type that holds values of `data_type`.
pub fn physical(data_type: &DataType) -> pl::DataType {
    let fields =
        |types: &[&DataType]| pl::DataType::Struct(types.iter().enumerate().map(|(i, t)| pl::Field::new(member(i), physical(t))).collect());
    match data_type {
        DataType::Void | DataType::Boolean => pl::DataType::Boolean,
        DataType::TinyInt => pl::DataType::Int8,
        DataType::SmallInt => pl::DataType::Int16,
        DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => pl::DataType::Int32,
        DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => pl::DataType::Int64,
        DataType::Float => pl::DataType::Float32,
        DataType::Double => pl::DataType::Float64,
        DataType::Decimal(..) => pl::DataType::Int128,
        DataType::String => pl::DataType::String,
        DataType::Binary => pl::DataType::Binary,
        DataType::CalendarInterval => fields(&[&DataType::Int, &DataType::Int, &DataType::BigInt]),
        DataType::Array(element) => pl::DataType::List(Box::new(physical(element))),
        DataType::Map(key, value) => pl::DataType::List(Box::new(fields(&[key, value]))),
        DataType::Struct(members) => fields(&members.iter().map(|m| &m.data_type).collect::<Vec<_>>()),
    }
}

/// The name polars knows member `index` of a struct by.
pub fn member(index: usize) -> pl::PlSmallStr {
    pl::PlSmallStr::from_string(index.to_string())
}

/// The polars type of one entry of a map.
pub fn physical_entry(key: &DataType, value: &DataType) -> pl::DataType {
    pl::DataType::Struct(vec![pl::Field::new(member(0), physical(key)), pl::Field::new(member(1), physical(value))])
}

/// `rows` NULLs of the type.
pub fn null_series(data_type: &DataType, rows: usize) -> Series {
    Series::full_null(PlSmallStr::EMPTY, rows, &physical(data_type))
}

/// The single value of `constant`, `rows` times.
pub fn repeated(constant: &Series, rows: usize) -> Series {
    debug_assert_eq!(constant.len(), 1);
    if rows == 1 { constant.clone() } else { one_chunk(constant.new_from_index(0, rows)) }
}

/// The same column in exactly one chunk.
pub fn one_chunk(column: Series) -> Series {
    if column.n_chunks() == 1 { column } else { column.rechunk() }
}

/// A struct column from its members in order; `rows` is needed only without members.
pub fn struct_series(members: Vec<Series>, rows: Option<usize>, validity: Option<Bitmap>) -> Result<Series, EngineError> {
    let rows = rows.or_else(|| members.first().map(|m| m.len())).unwrap_or(0);
    let members: Vec<Series> = members.into_iter().enumerate().map(|(i, m)| one_chunk(m).with_name(member(i))).collect();
    let column = StructChunked::from_series(PlSmallStr::EMPTY, rows, members.iter())?;
    Ok(column.with_outer_validity(validity).into_series())
}

/// A list column: row `i` has the elements `offsets[i]..offsets[i + 1]` of `inner`, whose polars type is `element`.
pub fn list_series(offsets: Vec<i64>, inner: Series, validity: Option<Bitmap>, element: &pl::DataType) -> Result<Series, EngineError> {
    let offsets: OffsetsBuffer<i64> = Offsets::try_from(offsets)?.into();
    let arrow = pl::DataType::List(Box::new(element.clone())).to_arrow(CompatLevel::newest());
    let values = one_chunk(inner).chunks()[0].clone();
    let array = ListArray::<i64>::try_new(arrow, offsets, values, validity)?;
    Ok(Series::from_chunk_and_dtype(PlSmallStr::EMPTY, Box::new(array), &pl::DataType::List(Box::new(element.clone())))?)
}

/// A column of those values; a value that is not of the type becomes NULL.
pub fn series_of(values: &[Value], data_type: &DataType) -> Series {
    let values: Vec<&Value> = values.iter().collect();
    build(&values, data_type)
}

fn build(values: &[&Value], data_type: &DataType) -> Series {
    match data_type {
        DataType::Void => null_series(data_type, values.len()),
        DataType::Boolean => {
            let bits: Vec<Option<bool>> = values.iter().map(|v| if let Value::Boolean(b) = v { Some(*b) } else { None }).collect();
            Series::from_array(PlSmallStr::EMPTY, BooleanArray::from(bits))
        }
        DataType::TinyInt => numbers(values, |v| v.as_int().map(|n| n as i8)),
        DataType::SmallInt => numbers(values, |v| v.as_int().map(|n| n as i16)),
        DataType::Int => numbers(values, |v| v.as_int().map(|n| n as i32)),
        DataType::BigInt => numbers(values, Value::as_int),
        DataType::Float => numbers(values, |v| if let Value::Float(f) = v { Some(*f) } else { None }),
        DataType::Double => numbers(values, |v| if let Value::Double(f) = v { Some(*f) } else { None }),
        DataType::Decimal(..) => numbers(values, |v| if let Value::Decimal(d) = v { Some(*d) } else { None }),
        DataType::Date => numbers(values, |v| if let Value::Date(d) = v { Some(*d) } else { None }),
        DataType::Timestamp | DataType::TimestampNtz => numbers(values, |v| if let Value::Timestamp(t) = v { Some(*t) } else { None }),
        DataType::YearMonthInterval(..) => numbers(values, |v| if let Value::YearMonth(m) = v { Some(*m) } else { None }),
        DataType::DayTimeInterval(..) => numbers(values, |v| if let Value::DayTime(m) = v { Some(*m) } else { None }),
        DataType::String => {
            let mut out = MutableBinaryViewArray::<str>::with_capacity(values.len());
            values.iter().for_each(|v| out.push(v.as_str()));
            Series::from_array(PlSmallStr::EMPTY, out.freeze())
        }
        DataType::Binary => {
            let mut out = MutableBinaryViewArray::<[u8]>::with_capacity(values.len());
            values.iter().for_each(|v| out.push(if let Value::Binary(b) = v { Some(b.as_slice()) } else { None }));
            Series::from_array(PlSmallStr::EMPTY, out.freeze())
        }
        DataType::CalendarInterval => build_calendar(values),
        DataType::Array(element) => build_lists(values, element),
        DataType::Map(key, value) => build_maps(values, key, value),
        DataType::Struct(fields) => build_structs(values, fields),
    }
}

fn numbers<T: NativeType>(values: &[&Value], get: impl Fn(&Value) -> Option<T>) -> Series {
    let array: PrimitiveArray<T> = values.iter().map(|v| get(v)).collect::<Vec<_>>().into();
    Series::from_array(PlSmallStr::EMPTY, array)
}

const BUILT: &str = "columns built from the type itself fit it";

fn build_calendar(values: &[&Value]) -> Series {
    let part = |v: &Value| if let Value::Calendar(m, d, us) = v { Some((*m, *d, *us)) } else { None };
    let members = vec![
        numbers(values, |v| part(v).map(|p| p.0)),
        numbers(values, |v| part(v).map(|p| p.1)),
        numbers(values, |v| part(v).map(|p| p.2)),
    ];
    let valid = validity_of(values.iter().map(|v| part(v).is_some()));
    struct_series(members, Some(values.len()), valid).expect(BUILT)
}

fn validity_of(bits: impl Iterator<Item = bool>) -> Option<Bitmap> {
    let mut builder = BitmapBuilder::new();
    bits.for_each(|b| builder.push(b));
    builder.into_opt_validity()
}

fn build_lists(values: &[&Value], element: &DataType) -> Series {
    let (mut inner, mut offsets) = (Vec::new(), vec![0i64]);
    for value in values {
        if let Value::Array(items) = value {
            inner.extend(items.iter());
        }
        offsets.push(inner.len() as i64);
    }
    let valid = validity_of(values.iter().map(|v| matches!(v, Value::Array(_))));
    list_series(offsets, build(&inner, element), valid, &physical(element)).expect(BUILT)
}

fn build_maps(values: &[&Value], key: &DataType, value: &DataType) -> Series {
    let (mut keys, mut items, mut offsets) = (Vec::new(), Vec::new(), vec![0i64]);
    for v in values {
        if let Value::Map(entries) = v {
            keys.extend(entries.iter().map(|(k, _)| k));
            items.extend(entries.iter().map(|(_, v)| v));
        }
        offsets.push(keys.len() as i64);
    }
    let valid = validity_of(values.iter().map(|v| matches!(v, Value::Map(_))));
    let rows = keys.len();
    let inner = struct_series(vec![build(&keys, key), build(&items, value)], Some(rows), None).expect(BUILT);
    list_series(offsets, inner, valid, &physical_entry(key, value)).expect(BUILT)
}

fn build_structs(values: &[&Value], fields: &[crate::types::Field]) -> Series {
    const NULL: &Value = &Value::Null;
    let members = fields.iter().enumerate().map(|(i, field)| {
        let column: Vec<&Value> =
            values.iter().map(|v| if let Value::Struct(parts) = v { parts.get(i).unwrap_or(NULL) } else { NULL }).collect();
        build(&column, &field.data_type)
    });
    let valid = validity_of(values.iter().map(|v| matches!(v, Value::Struct(_))));
    struct_series(members.collect(), Some(values.len()), valid).expect(BUILT)
}

/// The value in `row` of a column of the type.
pub fn value_at(column: &Series, row: usize, data_type: &DataType) -> Value {
    let (mut chunks, mut row) = (column.chunks().iter(), row);
    let chunk = loop {
        match chunks.next() {
            Some(chunk) if row < chunk.len() => break chunk,
            Some(chunk) => row -= chunk.len(),
            None => return Value::Null,
        }
    };
    cell(&**chunk, row, data_type)
}

fn cell(array: &dyn Array, row: usize, data_type: &DataType) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    known_cell(array, row, data_type).unwrap_or(Value::Null)
}

fn number<T: NativeType>(array: &dyn Array, row: usize) -> Option<T> {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|a| a.value(row))
}

fn known_cell(array: &dyn Array, row: usize, data_type: &DataType) -> Option<Value> {
    let any = array.as_any();
    Some(match data_type {
        DataType::Void => Value::Null,
        DataType::Boolean => Value::Boolean(any.downcast_ref::<BooleanArray>()?.value(row)),
        DataType::TinyInt => Value::Int(number::<i8>(array, row)?.into()),
        DataType::SmallInt => Value::Int(number::<i16>(array, row)?.into()),
        DataType::Int => Value::Int(number::<i32>(array, row)?.into()),
        DataType::BigInt => Value::Int(number::<i64>(array, row)?),
        DataType::Float => Value::Float(number::<f32>(array, row)?),
        DataType::Double => Value::Double(number::<f64>(array, row)?),
        DataType::Decimal(..) => Value::Decimal(number::<i128>(array, row)?),
        DataType::Date => Value::Date(number::<i32>(array, row)?),
        DataType::Timestamp | DataType::TimestampNtz => Value::Timestamp(number::<i64>(array, row)?),
        DataType::YearMonthInterval(..) => Value::YearMonth(number::<i32>(array, row)?),
        DataType::DayTimeInterval(..) => Value::DayTime(number::<i64>(array, row)?),
        DataType::String => Value::String(any.downcast_ref::<Utf8ViewArray>()?.value(row).to_string()),
        DataType::Binary => Value::Binary(any.downcast_ref::<BinaryViewArray>()?.value(row).to_vec()),
        DataType::CalendarInterval => {
            let parts = any.downcast_ref::<StructArray>()?.values();
            Value::Calendar(number(&*parts[0], row)?, number(&*parts[1], row)?, number(&*parts[2], row)?)
        }
        DataType::Array(element) => {
            let list = any.downcast_ref::<ListArray<i64>>()?;
            let (start, end) = list.offsets().start_end(row);
            Value::Array((start..end).map(|i| cell(&**list.values(), i, element)).collect())
        }
        DataType::Map(key, value) => {
            let list = any.downcast_ref::<ListArray<i64>>()?;
            let entries = list.values().as_any().downcast_ref::<StructArray>()?.values();
            let (start, end) = list.offsets().start_end(row);
            Value::Map((start..end).map(|i| (cell(&*entries[0], i, key), cell(&*entries[1], i, value))).collect())
        }
        DataType::Struct(fields) => {
            let parts = any.downcast_ref::<StructArray>()?.values();
            Value::Struct(parts.iter().zip(fields).map(|(p, f)| cell(&**p, row, &f.data_type)).collect())
        }
    })
}

/// The arrow type that a column of `data_type` has.
pub fn arrow(data_type: &DataType) -> ArrowDataType {
    physical(data_type).to_arrow(CompatLevel::newest())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;

    fn round(values: &[Value], data_type: &DataType) {
        let column = series_of(values, data_type);
        assert_eq!(column.dtype(), &physical(data_type), "{data_type}");
        assert_eq!(column.n_chunks(), 1);
        let back: Vec<Value> = (0..values.len()).map(|i| value_at(&column, i, data_type)).collect();
        assert_eq!(back, values, "{data_type}");
        assert_eq!(null_series(data_type, 3).dtype(), column.dtype());
        assert_eq!(null_series(data_type, 3).n_chunks(), 1);
        assert_eq!(value_at(&null_series(data_type, 1), 0, data_type), Value::Null);
    }

    #[test]
    fn values_survive_columns() {
        round(&[Value::Null, Value::Null], &DataType::Void);
        round(&[Value::Boolean(true), Value::Null], &DataType::Boolean);
        round(&[Value::Int(-5), Value::Null], &DataType::TinyInt);
        round(&[Value::Decimal(i128::MAX), Value::Null], &DataType::Decimal(38, 2));
        round(&[Value::String("a longer text than a view".into()), Value::Null], &DataType::String);
        round(&[Value::Binary(vec![0, 255]), Value::Null], &DataType::Binary);
        round(&[Value::Calendar(1, 2, 3), Value::Null], &DataType::CalendarInterval);
        let strings = DataType::array(DataType::String);
        round(&[Value::Array(vec![Value::String("x".into()), Value::Null]), Value::Null, Value::Array(vec![])], &strings);
        let map = DataType::map(DataType::String, DataType::Int);
        round(&[Value::Map(vec![(Value::String("k".into()), Value::Int(1))]), Value::Null, Value::Map(vec![])], &map);
        let nested = DataType::Struct(vec![Field::new("a", DataType::Int), Field::new("a", map.clone())]);
        let row = Value::Struct(vec![Value::Int(1), Value::Map(vec![(Value::String("k".into()), Value::Null)])]);
        round(&[row.clone(), Value::Null, Value::Struct(vec![Value::Null, Value::Null])], &nested);
        round(&[Value::Array(vec![row, Value::Null])], &DataType::array(nested));
    }
}
