//! Values as keys: a form in which elements of any type compare, sort and hash as Spark says.
//!
//! -0.0 is 0.0; NaN equals NaN and is the greatest number; NULL comes first; arrays and structs compare
//! member by member. Numbers become unsigned words of the same order, strings stay what they are, and
//! everything nested becomes bytes of the same order.

use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, MutableBinaryViewArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::offset::OffsetsBuffer;

/// One key per cell of a column.
pub(super) struct Keys {
    /// Which cells are not NULL; `None`: all.
    pub(super) valid: Option<Bitmap>,
    /// The keys; those of NULLs mean nothing.
    pub(super) kind: Kind,
}

/// How the keys look.
pub(super) enum Kind {
    /// Numbers of up to 64 bits, dates, times, booleans.
    Words(Vec<u64>),
    /// Decimals.
    Wide(Vec<u128>),
    /// Strings and binary values, and encoded nested ones.
    Bytes(BinaryViewArray),
}

/// Runs `$body` with `$key`, a function from the index of a cell to its key, which is `Copy`, `Ord` and `Hash`.
macro_rules! with_keys {
    ($keys:expr, |$key:ident| $body:expr) => {
        match &$keys.kind {
            $crate::engine::eval::keys::Kind::Words(words) => {
                let $key = |index: usize| words[index];
                $body
            }
            $crate::engine::eval::keys::Kind::Wide(words) => {
                let $key = |index: usize| words[index];
                $body
            }
            $crate::engine::eval::keys::Kind::Bytes(bytes) => {
                let $key = |index: usize| bytes.value(index);
                $body
            }
        }
    };
}
pub(super) use with_keys;

/// The number with one zero and one NaN.
pub(super) fn plain_f64(value: f64) -> f64 {
    if value.is_nan() {
        f64::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

/// The number with one zero and one NaN.
pub(super) fn plain_f32(value: f32) -> f32 {
    if value.is_nan() {
        f32::NAN
    } else if value == 0.0 {
        0.0
    } else {
        value
    }
}

fn ordered_f64(value: f64) -> u64 {
    let bits = plain_f64(value).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn ordered_i64(value: i64) -> u64 {
    value as u64 ^ 1 << 63
}

impl Keys {
    /// The keys of a column.
    pub(super) fn of(column: &Series, data_type: &DataType) -> Result<Keys, EngineError> {
        let array = &*column.chunks()[0];
        let valid = array.validity().cloned();
        let kind = match Node::of(array, data_type)? {
            Node { shape: Shape::Words(words), .. } => Kind::Words(words),
            Node { shape: Shape::Wide(words), .. } => Kind::Wide(words),
            Node { shape: Shape::Bytes(bytes), .. } => Kind::Bytes(bytes),
            nested => {
                let mut encoded = MutableBinaryViewArray::<[u8]>::with_capacity(array.len());
                let mut buffer = Vec::new();
                for row in 0..array.len() {
                    buffer.clear();
                    nested.write(row, &mut buffer);
                    encoded.push_value(buffer.as_slice());
                }
                Kind::Bytes(encoded.freeze())
            }
        };
        Ok(Keys { valid, kind })
    }

    /// Whether the cell is not NULL.
    pub(super) fn is_valid(&self, index: usize) -> bool {
        self.valid.as_ref().is_none_or(|bits| bits.get_bit(index))
    }

    /// Whether any cell is NULL.
    pub(super) fn has_nulls(&self) -> bool {
        self.valid.as_ref().is_some_and(|bits| bits.unset_bits() > 0)
    }
}

/// A column, ready to be written as bytes cell by cell.
struct Node {
    valid: Option<Bitmap>,
    shape: Shape,
}

enum Shape {
    Words(Vec<u64>),
    Wide(Vec<u128>),
    Bytes(BinaryViewArray),
    List(OffsetsBuffer<i64>, Box<Node>),
    Struct(Vec<Node>),
}

impl Node {
    fn of(array: &dyn Array, data_type: &DataType) -> Result<Node, EngineError> {
        let wrong = || EngineError::internal(format!("{data_type} in a column of {:?}", array.dtype()));
        let any = array.as_any();
        macro_rules! words {
            ($t:ty, $f:expr) => {
                Shape::Words(any.downcast_ref::<PrimitiveArray<$t>>().ok_or_else(wrong)?.values().iter().map($f).collect())
            };
        }
        let shape = match data_type {
            DataType::Void | DataType::Boolean => {
                let bits = any.downcast_ref::<BooleanArray>().ok_or_else(wrong)?;
                Shape::Words(bits.values().iter().map(u64::from).collect())
            }
            DataType::TinyInt => words!(i8, |v| ordered_i64(i64::from(*v))),
            DataType::SmallInt => words!(i16, |v| ordered_i64(i64::from(*v))),
            DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => words!(i32, |v| ordered_i64(i64::from(*v))),
            DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => {
                words!(i64, |v| ordered_i64(*v))
            }
            DataType::Float => words!(f32, |v| ordered_f64(f64::from(*v))),
            DataType::Double => words!(f64, |v| ordered_f64(*v)),
            DataType::Decimal(..) => {
                let numbers = any.downcast_ref::<PrimitiveArray<i128>>().ok_or_else(wrong)?;
                Shape::Wide(numbers.values().iter().map(|v| *v as u128 ^ 1 << 127).collect())
            }
            DataType::String => Shape::Bytes(any.downcast_ref::<Utf8ViewArray>().ok_or_else(wrong)?.to_binview()),
            DataType::Binary => Shape::Bytes(any.downcast_ref::<BinaryViewArray>().ok_or_else(wrong)?.clone()),
            DataType::CalendarInterval => Node::members(array, &[&DataType::Int, &DataType::Int, &DataType::BigInt])?,
            DataType::Struct(fields) => Node::members(array, &fields.iter().map(|f| &f.data_type).collect::<Vec<_>>())?,
            DataType::Array(element) => {
                let lists = any.downcast_ref::<ListArray<i64>>().ok_or_else(wrong)?;
                Shape::List(lists.offsets().clone(), Box::new(Node::of(&**lists.values(), element)?))
            }
            DataType::Map(key, value) => {
                let lists = any.downcast_ref::<ListArray<i64>>().ok_or_else(wrong)?;
                let entries = Node { valid: None, shape: Node::members(&**lists.values(), &[&**key, &**value])? };
                Shape::List(lists.offsets().clone(), Box::new(entries))
            }
        };
        Ok(Node { valid: array.validity().cloned(), shape })
    }

    fn members(array: &dyn Array, types: &[&DataType]) -> Result<Shape, EngineError> {
        let members = array.as_any().downcast_ref::<StructArray>().ok_or_else(|| EngineError::internal("a struct is not a struct"))?;
        let nodes = members.values().iter().zip(types).map(|(member, data_type)| Node::of(&**member, data_type));
        Ok(Shape::Struct(nodes.collect::<Result<_, _>>()?))
    }

    /// Appends the cell so that bytes compare as cells do.
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.valid.as_ref().is_some_and(|bits| !bits.get_bit(row)) {
            out.push(0);
            return;
        }
        out.push(1);
        match &self.shape {
            Shape::Words(words) => out.extend_from_slice(&words[row].to_be_bytes()),
            Shape::Wide(words) => out.extend_from_slice(&words[row].to_be_bytes()),
            Shape::Bytes(bytes) => {
                // A zero byte is written as 0 255, the end as 0 0, so that a prefix comes before what it begins.
                for byte in bytes.value(row) {
                    out.push(*byte);
                    if *byte == 0 {
                        out.push(255);
                    }
                }
                out.extend_from_slice(&[0, 0]);
            }
            Shape::List(offsets, inner) => {
                let (start, end) = offsets.start_end(row);
                for index in start..end {
                    out.push(1);
                    inner.write(index, out);
                }
                out.push(0);
            }
            Shape::Struct(members) => members.iter().for_each(|member| member.write(row, out)),
        }
    }
}
