//! One value of a Spark type: what literals, constants and single cells are made of.

use super::DataType;
use std::hash::{Hash, Hasher};

/// A value. Its type stands beside it, never in it: `Int` holds every integral type.
#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Null,
    Boolean(bool),
    /// TINYINT to BIGINT.
    Int(i64),
    Float(f32),
    Double(f64),
    /// Unscaled digits; the scale is the type's.
    Decimal(i128),
    String(String),
    Binary(Vec<u8>),
    /// Days since the epoch.
    Date(i32),
    /// Microseconds since the epoch, for TIMESTAMP and TIMESTAMP_NTZ.
    Timestamp(i64),
    /// Months.
    YearMonth(i32),
    /// Microseconds.
    DayTime(i64),
    /// Months, days, microseconds.
    Calendar(i32, i32, i64),
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Struct(Vec<Value>),
}

impl Value {
    /// Whether this is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The text of a STRING.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The number of an integral value.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The type a bare value has when nothing else says so: whole numbers are INT where they fit.
    pub fn natural_type(&self) -> DataType {
        match self {
            Value::Null => DataType::Void,
            Value::Boolean(_) => DataType::Boolean,
            Value::Int(n) if i32::try_from(*n).is_ok() => DataType::Int,
            Value::Int(_) => DataType::BigInt,
            Value::Float(_) => DataType::Float,
            Value::Double(_) => DataType::Double,
            Value::Decimal(_) => DataType::Decimal(38, 0),
            Value::String(_) => DataType::String,
            Value::Binary(_) => DataType::Binary,
            Value::Date(_) => DataType::Date,
            Value::Timestamp(_) => DataType::Timestamp,
            Value::YearMonth(_) => DataType::YEAR_TO_MONTH,
            Value::DayTime(_) => DataType::DAY_TO_SECOND,
            Value::Calendar(..) => DataType::CalendarInterval,
            Value::Array(v) => DataType::array(v.first().map_or(DataType::Void, Value::natural_type)),
            Value::Map(v) => match v.first() {
                Some((k, v)) => DataType::map(k.natural_type(), v.natural_type()),
                None => DataType::map(DataType::Void, DataType::Void),
            },
            Value::Struct(v) => {
                DataType::Struct(v.iter().enumerate().map(|(i, v)| super::Field::new(format!("col{}", i + 1), v.natural_type())).collect())
            }
        }
    }
}

/// Floats compare by their bits, so that plans are `Eq` and NaN equals itself.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        use Value::*;
        match (self, other) {
            (Null, Null) => true,
            (Boolean(a), Boolean(b)) => a == b,
            (Int(a), Int(b)) => a == b,
            (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
            (Double(a), Double(b)) => a.to_bits() == b.to_bits(),
            (Decimal(a), Decimal(b)) => a == b,
            (String(a), String(b)) => a == b,
            (Binary(a), Binary(b)) => a == b,
            (Date(a), Date(b)) => a == b,
            (Timestamp(a), Timestamp(b)) => a == b,
            (YearMonth(a), YearMonth(b)) => a == b,
            (DayTime(a), DayTime(b)) => a == b,
            (Calendar(a, b, c), Calendar(x, y, z)) => (a, b, c) == (x, y, z),
            (Array(a), Array(b)) | (Struct(a), Struct(b)) => a == b,
            (Map(a), Map(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::Null => {}
            Value::Boolean(v) => v.hash(state),
            Value::Int(v) | Value::Timestamp(v) | Value::DayTime(v) => v.hash(state),
            Value::Float(v) => v.to_bits().hash(state),
            Value::Double(v) => v.to_bits().hash(state),
            Value::Decimal(v) => v.hash(state),
            Value::String(v) => v.hash(state),
            Value::Binary(v) => v.hash(state),
            Value::Date(v) | Value::YearMonth(v) => v.hash(state),
            Value::Calendar(a, b, c) => (a, b, c).hash(state),
            Value::Array(v) | Value::Struct(v) => v.hash(state),
            Value::Map(v) => v.hash(state),
        }
    }
}
