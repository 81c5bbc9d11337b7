//! State as bytes, exactly: what checkpoints and stores on disk keep of a group or a row.
//!
//! Whole numbers take as few bytes as they need (zigzag, seven bits a byte), floating ones all of their bits, so
//! that -0.0 and the payload of a NaN come back. Nothing here says what it is: reader and writer agree on the
//! type. Bytes that were cut or that are of another type give `None`, never a panic.

use crate::checkpoint::{Block, Columns};
use crate::types::Value;
use std::sync::Arc;

/// Can be kept as bytes.
pub trait Stored: Sized {
    /// Appends the bytes.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes them off the front again.
    fn take(bytes: &mut &[u8]) -> Option<Self>;

    /// Appends many as columns.
    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block)
    where
        Self: 'a,
    {
        out.bytes_by(all, |one, bytes| one.put(bytes));
    }

    /// Takes those columns again.
    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        let whole = |mut bytes: &[u8]| Self::take(&mut bytes).filter(|_| bytes.is_empty());
        columns.bytes()?.map(whole).collect()
    }
}

/// Implements [`Stored`] for a struct by its fields, in order.
macro_rules! stored {
    ($type:ty { $($field:ident),+ }) => {
        impl $crate::engine::state::stored::Stored for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
            }

            fn take(bytes: &mut &[u8]) -> Option<Self> {
                $(let $field = $crate::engine::state::stored::Stored::take(bytes)?;)+
                Some(Self { $($field),+ })
            }

            fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut $crate::checkpoint::Block) {
                $($crate::engine::state::stored::Stored::put_all(all.clone().map(|one| &one.$field), out);)+
            }

            fn take_all(columns: &mut $crate::checkpoint::Columns<'_>) -> Option<Vec<Self>> {
                $(let mut $field = $crate::engine::state::stored::Stored::take_all(columns)?.into_iter();)+
                (0..columns.rows()).map(|_| Some(Self { $($field: $field.next()?),+ })).collect()
            }
        }
    };
}
pub(crate) use stored;

/// Appends a number in as few bytes as it needs.
#[inline]
pub fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0u64, 0);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7F).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

/// Appends bytes with their length.
pub fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Takes bytes with their length off the front.
pub fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

macro_rules! signed {
    ($($type:ty),+) => {
        $(impl Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                let wide = i64::from(*self);
                put_varint(((wide << 1) ^ (wide >> 63)) as u64, out);
            }

            #[inline]
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                let number = take_varint(bytes)?;
                <$type>::try_from((number >> 1) as i64 ^ -((number & 1) as i64)).ok()
            }

            fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
                out.numbers(all.map(|one| i64::from(*one)));
            }

            fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
                columns.numbers()?.iter().map(|number| <$type>::try_from(*number).ok()).collect()
            }
        })+
    };
}
signed!(i8, i16, i32, i64);

macro_rules! unsigned {
    ($($type:ty),+) => {
        $(impl Stored for $type {
            #[inline]
            fn put(&self, out: &mut Vec<u8>) {
                put_varint(*self as u64, out);
            }

            #[inline]
            fn take(bytes: &mut &[u8]) -> Option<Self> {
                <$type>::try_from(take_varint(bytes)?).ok()
            }

            fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
                out.numbers(all.map(|one| (*one as u64).cast_signed()));
            }

            fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
                columns.numbers()?.iter().map(|number| <$type>::try_from(number.cast_unsigned()).ok()).collect()
            }
        })+
    };
}
unsigned!(u16, u32, u64, usize);

impl Stored for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn take(bytes: &mut &[u8]) -> Option<u8> {
        take_array(bytes).map(|[byte]| byte)
    }
}

/// Most fit into 64 bits; the upper half goes first.
impl Stored for i128 {
    fn put(&self, out: &mut Vec<u8>) {
        let number = ((self << 1) ^ (self >> 127)) as u128;
        put_varint((number >> 64) as u64, out);
        put_varint(number as u64, out);
    }

    fn take(bytes: &mut &[u8]) -> Option<i128> {
        let (high, low) = (take_varint(bytes)?, take_varint(bytes)?);
        let number = u128::from(high) << 64 | u128::from(low);
        Some((number >> 1) as i128 ^ -((number & 1) as i128))
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.numbers(all.clone().map(|one| (*one >> 64) as i64));
        out.numbers(all.map(|one| *one as i64));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        let (high, low) = (columns.numbers()?, columns.numbers()?);
        Some(high.iter().zip(low).map(|(high, low)| i128::from(*high) << 64 | i128::from(low.cast_unsigned())).collect())
    }
}

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(bytes: &mut &[u8]) -> Option<bool> {
        match take_array::<1>(bytes)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.numbers(all.map(|one| i64::from(*one)));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        columns.numbers()?.iter().map(|number| matches!(number, 0 | 1).then_some(*number == 1)).collect()
    }
}

impl Stored for f64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<f64> {
        take_array(bytes).map(|b| f64::from_bits(u64::from_le_bytes(b)))
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.numbers(all.map(|one| one.to_bits().cast_signed()));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        Some(columns.numbers()?.iter().map(|number| f64::from_bits(number.cast_unsigned())).collect())
    }
}

impl Stored for f32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bits().to_le_bytes());
    }

    fn take(bytes: &mut &[u8]) -> Option<f32> {
        take_array(bytes).map(|b| f32::from_bits(u32::from_le_bytes(b)))
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.numbers(all.map(|one| i64::from(one.to_bits())));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        columns.numbers()?.iter().map(|number| u32::try_from(*number).ok().map(f32::from_bits)).collect()
    }
}

impl Stored for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self.as_bytes(), out);
    }

    fn take(bytes: &mut &[u8]) -> Option<String> {
        String::from_utf8(take_bytes(bytes)?.to_vec()).ok()
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.bytes(all.map(|one| one.as_bytes()));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<String>> {
        columns.bytes()?.map(|bytes| String::from_utf8(bytes.to_vec()).ok()).collect()
    }
}

impl Stored for Box<[u8]> {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self, out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Box<[u8]>> {
        take_bytes(bytes).map(Into::into)
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.bytes(all.map(|one| &**one));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Box<[u8]>>> {
        Some(columns.bytes()?.map(Into::into).collect())
    }
}

impl Stored for Arc<[u8]> {
    fn put(&self, out: &mut Vec<u8>) {
        put_bytes(self, out);
    }

    fn take(bytes: &mut &[u8]) -> Option<Arc<[u8]>> {
        take_bytes(bytes).map(Into::into)
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block) {
        out.bytes(all.map(|one| &**one));
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Arc<[u8]>>> {
        Some(columns.bytes()?.map(Into::into).collect())
    }
}

impl<T: Stored + Default> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Option<T>> {
        if bool::take(bytes)? { T::take(bytes).map(Some) } else { Some(None) }
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block)
    where
        Self: 'a,
    {
        let nothing = T::default();
        out.numbers(all.clone().map(|one| i64::from(one.is_some())));
        T::put_all(all.map(|one| one.as_ref().unwrap_or(&nothing)), out);
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        let some = columns.numbers()?;
        Some(T::take_all(columns)?.into_iter().zip(some).map(|(one, some)| (*some != 0).then_some(one)).collect())
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|item| item.put(out));
    }

    fn take(bytes: &mut &[u8]) -> Option<Vec<T>> {
        let length = usize::take(bytes)?;
        // A length that lies must not take memory: items are at least one byte.
        let mut items = Vec::with_capacity(length.min(bytes.len()));
        for _ in 0..length {
            items.push(T::take(bytes)?);
        }
        Some(items)
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<(A, B)> {
        Some((A::take(bytes)?, B::take(bytes)?))
    }

    fn put_all<'a>(all: impl Iterator<Item = &'a Self> + Clone, out: &mut Block)
    where
        Self: 'a,
    {
        A::put_all(all.clone().map(|one| &one.0), out);
        B::put_all(all.map(|one| &one.1), out);
    }

    fn take_all(columns: &mut Columns<'_>) -> Option<Vec<Self>> {
        let a = A::take_all(columns)?;
        Some(a.into_iter().zip(B::take_all(columns)?).collect())
    }
}

impl<A: Stored, B: Stored, C: Stored> Stored for (A, B, C) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }

    fn take(bytes: &mut &[u8]) -> Option<(A, B, C)> {
        Some((A::take(bytes)?, B::take(bytes)?, C::take(bytes)?))
    }
}

/// A value says which kind it is, in one byte.
impl Stored for Value {
    fn put(&self, out: &mut Vec<u8>) {
        macro_rules! tagged {
            ($tag:literal, $($value:expr),*) => {{
                out.push($tag);
                $($value.put(out);)*
            }};
        }
        match self {
            Value::Null => out.push(0),
            Value::Boolean(v) => tagged!(1, v),
            Value::Int(v) => tagged!(2, v),
            Value::Float(v) => tagged!(3, v),
            Value::Double(v) => tagged!(4, v),
            Value::Decimal(v) => tagged!(5, v),
            Value::String(v) => tagged!(6, v),
            Value::Binary(v) => {
                out.push(7);
                put_bytes(v, out);
            }
            Value::Date(v) => tagged!(8, v),
            Value::Timestamp(v) => tagged!(9, v),
            Value::YearMonth(v) => tagged!(10, v),
            Value::DayTime(v) => tagged!(11, v),
            Value::Calendar(months, days, micros) => tagged!(12, months, days, micros),
            Value::Array(v) => tagged!(13, v),
            Value::Map(v) => tagged!(14, v),
            Value::Struct(v) => tagged!(15, v),
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Value> {
        Some(match take_array::<1>(bytes)? {
            [0] => Value::Null,
            [1] => Value::Boolean(Stored::take(bytes)?),
            [2] => Value::Int(Stored::take(bytes)?),
            [3] => Value::Float(Stored::take(bytes)?),
            [4] => Value::Double(Stored::take(bytes)?),
            [5] => Value::Decimal(Stored::take(bytes)?),
            [6] => Value::String(Stored::take(bytes)?),
            [7] => Value::Binary(take_bytes(bytes)?.to_vec()),
            [8] => Value::Date(Stored::take(bytes)?),
            [9] => Value::Timestamp(Stored::take(bytes)?),
            [10] => Value::YearMonth(Stored::take(bytes)?),
            [11] => Value::DayTime(Stored::take(bytes)?),
            [12] => Value::Calendar(Stored::take(bytes)?, Stored::take(bytes)?, Stored::take(bytes)?),
            [13] => Value::Array(Stored::take(bytes)?),
            [14] => Value::Map(Stored::take(bytes)?),
            [15] => Value::Struct(Stored::take(bytes)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: Stored>(value: &T) -> (T, usize) {
        let mut bytes = Vec::new();
        value.put(&mut bytes);
        let mut rest = &bytes[..];
        let read = T::take(&mut rest).unwrap();
        assert!(rest.is_empty());
        for cut in 0..bytes.len() {
            assert!(T::take(&mut &bytes[..cut]).is_none(), "cut to {cut} of {bytes:?}");
        }
        (read, bytes.len())
    }

    #[test]
    fn numbers_come_back_in_few_bytes() {
        for (n, length) in [(0i64, 1), (-1, 1), (63, 1), (-64, 1), (64, 2), (i64::MAX, 10), (i64::MIN, 10)] {
            assert_eq!(back(&n), (n, length));
        }
        for n in [i128::MIN, i128::MAX, 0, -1] {
            assert_eq!(back(&n).0, n);
        }
        assert_eq!(back(&u64::MAX).0, u64::MAX);
        let mut wide = Vec::new();
        300i64.put(&mut wide);
        assert!(i8::take(&mut &wide[..]).is_none());
    }

    #[test]
    fn floats_keep_every_bit() {
        let odd = f64::from_bits(0x7FF8_0000_0000_1234);
        for f in [-0.0, odd, f64::NEG_INFINITY, 1.5] {
            assert_eq!(back(&f).0.to_bits(), f.to_bits());
        }
    }

    #[test]
    fn values_of_every_kind_come_back() {
        let all = vec![
            Value::Null,
            Value::Boolean(true),
            Value::Int(-7),
            Value::Float(1.5),
            Value::Double(2.5),
            Value::Decimal(i128::MAX),
            Value::String("ü".to_string()),
            Value::Binary(vec![0, 255]),
            Value::Date(-3),
            Value::Timestamp(i64::MIN),
            Value::YearMonth(14),
            Value::DayTime(-9),
            Value::Calendar(1, -2, 3),
            Value::Map(vec![(Value::Int(1), Value::Null)]),
            Value::Struct(vec![Value::Array(vec![])]),
        ];
        let nested = Value::Array(all);
        assert_eq!(format!("{:?}", back(&nested).0), format!("{nested:?}"));
        assert!(matches!(back(&Value::Double(-0.0)).0, Value::Double(d) if d.is_sign_negative()));
    }
}
