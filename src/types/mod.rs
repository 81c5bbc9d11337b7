//! Spark's types, their names and the values that literals and state carry.
//!
//! The types are ours, not polars': TIMESTAMP and TIMESTAMP_NTZ share a representation but not a
//! meaning, and a MAP is a list only to polars. The engine's one mapping to columns is
//! `engine::columns`.

mod value;

pub use value::Value;

use std::fmt;

/// A type of Spark SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// The type of `NULL`.
    Void,
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    /// Exact decimal with `precision` digits (1 to 38), `scale` of them after the point.
    Decimal(u8, u8),
    String,
    Binary,
    /// Days since 1970-01-01.
    Date,
    /// An instant, in microseconds since the epoch.
    Timestamp,
    /// A wall-clock time without a zone, in microseconds.
    TimestampNtz,
    /// Months, with the first and last field of its name.
    YearMonthInterval(YearMonthField, YearMonthField),
    /// Microseconds, with the first and last field of its name.
    DayTimeInterval(DayTimeField, DayTimeField),
    /// Months, days and microseconds: what `make_interval` gives.
    CalendarInterval,
    Array(Box<DataType>),
    Map(Box<DataType>, Box<DataType>),
    Struct(Vec<Field>),
}

/// A field of `INTERVAL YEAR TO MONTH`, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum YearMonthField {
    Year,
    Month,
}

/// A field of `INTERVAL DAY TO SECOND`, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DayTimeField {
    Day,
    Hour,
    Minute,
    Second,
}

/// A named column or struct member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// The name as the user spelt it.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

impl Field {
    /// A field of that name and type.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Field {
        Field { name: name.into(), data_type }
    }
}

impl DataType {
    /// `INTERVAL DAY TO SECOND`.
    pub const DAY_TO_SECOND: DataType = DataType::DayTimeInterval(DayTimeField::Day, DayTimeField::Second);
    /// `INTERVAL YEAR TO MONTH`.
    pub const YEAR_TO_MONTH: DataType = DataType::YearMonthInterval(YearMonthField::Year, YearMonthField::Month);

    /// An array of `element`.
    pub fn array(element: DataType) -> DataType {
        DataType::Array(Box::new(element))
    }

    /// A map from `key` to `value`.
    pub fn map(key: DataType, value: DataType) -> DataType {
        DataType::Map(Box::new(key), Box::new(value))
    }

    /// TINYINT to BIGINT.
    pub fn is_integral(&self) -> bool {
        matches!(self, DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt)
    }

    /// Integers, decimals, FLOAT and DOUBLE.
    pub fn is_numeric(&self) -> bool {
        self.is_integral() || matches!(self, DataType::Float | DataType::Double | DataType::Decimal(..))
    }

    /// DATE, TIMESTAMP and TIMESTAMP_NTZ.
    pub fn is_datetime(&self) -> bool {
        matches!(self, DataType::Date | DataType::Timestamp | DataType::TimestampNtz)
    }

    /// Any INTERVAL type.
    pub fn is_interval(&self) -> bool {
        matches!(self, DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..) | DataType::CalendarInterval)
    }

    /// Anything but arrays, maps and structs.
    pub fn is_atomic(&self) -> bool {
        !matches!(self, DataType::Array(_) | DataType::Map(..) | DataType::Struct(_))
    }

    /// The decimal that holds every value of this integral type: INT is DECIMAL(10, 0).
    pub fn as_decimal(&self) -> Option<(u8, u8)> {
        match self {
            DataType::TinyInt => Some((3, 0)),
            DataType::SmallInt => Some((5, 0)),
            DataType::Int => Some((10, 0)),
            DataType::BigInt => Some((20, 0)),
            DataType::Float => Some((14, 7)),
            DataType::Double => Some((30, 15)),
            DataType::Decimal(p, s) => Some((*p, *s)),
            _ => None,
        }
    }

    /// The type as DDL and error messages write it: `INT`, `ARRAY<STRING>`, `STRUCT<a: INT>`.
    pub fn sql(&self) -> String {
        match self {
            DataType::Array(element) => format!("ARRAY<{}>", element.sql()),
            DataType::Map(key, value) => format!("MAP<{}, {}>", key.sql(), value.sql()),
            DataType::Struct(fields) => {
                let inner: Vec<_> = fields.iter().map(|f| format!("{}: {}", quote_if_needed(&f.name), f.data_type.sql())).collect();
                format!("STRUCT<{}>", inner.join(", "))
            }
            other => other.to_string().to_uppercase(),
        }
    }
}

/// Spark's simple string: `int`, `array<string>`, `struct<a:int>`, what `typeof` gives.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Void => f.write_str("void"),
            DataType::Boolean => f.write_str("boolean"),
            DataType::TinyInt => f.write_str("tinyint"),
            DataType::SmallInt => f.write_str("smallint"),
            DataType::Int => f.write_str("int"),
            DataType::BigInt => f.write_str("bigint"),
            DataType::Float => f.write_str("float"),
            DataType::Double => f.write_str("double"),
            DataType::Decimal(p, s) => write!(f, "decimal({p},{s})"),
            DataType::String => f.write_str("string"),
            DataType::Binary => f.write_str("binary"),
            DataType::Date => f.write_str("date"),
            DataType::Timestamp => f.write_str("timestamp"),
            DataType::TimestampNtz => f.write_str("timestamp_ntz"),
            DataType::YearMonthInterval(a, b) => interval(f, year_month(*a), year_month(*b)),
            DataType::DayTimeInterval(a, b) => interval(f, day_time(*a), day_time(*b)),
            DataType::CalendarInterval => f.write_str("interval"),
            DataType::Array(element) => write!(f, "array<{element}>"),
            DataType::Map(key, value) => write!(f, "map<{key},{value}>"),
            DataType::Struct(fields) => {
                f.write_str("struct<")?;
                for (i, field) in fields.iter().enumerate() {
                    write!(f, "{}{}:{}", if i > 0 { "," } else { "" }, field.name, field.data_type)?;
                }
                f.write_str(">")
            }
        }
    }
}

fn interval(f: &mut fmt::Formatter<'_>, from: &str, to: &str) -> fmt::Result {
    if from == to { write!(f, "interval {from}") } else { write!(f, "interval {from} to {to}") }
}

fn year_month(field: YearMonthField) -> &'static str {
    match field {
        YearMonthField::Year => "year",
        YearMonthField::Month => "month",
    }
}

fn day_time(field: DayTimeField) -> &'static str {
    match field {
        DayTimeField::Day => "day",
        DayTimeField::Hour => "hour",
        DayTimeField::Minute => "minute",
        DayTimeField::Second => "second",
    }
}

/// The name as SQL text would have to spell it: in backticks unless it is a plain word.
pub fn quote_if_needed(name: &str) -> String {
    let plain =
        name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
    if plain { name.to_string() } else { format!("`{}`", name.replace('`', "``")) }
}
