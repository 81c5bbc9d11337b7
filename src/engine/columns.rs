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

use crate::types::DataType;
use polars::prelude as pl;

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
