//! `IN` over literals: a set that is made once and asked for every row.

use super::access::{self, Cells, bits, flag_series};
use crate::engine::EngineError;
use crate::types::{DataType, Value};
use hashbrown::HashSet;
use polars::prelude::Series;
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

/// Up to this many values, comparing with each is faster than hashing.
const FEW: usize = 8;

/// The literals of an `IN` list.
pub(super) struct Members {
    set: Set,
    /// The list has a NULL: what is not found is NULL, not FALSE.
    has_null: bool,
    width: Width,
}

/// The column type to read.
#[derive(Clone, Copy)]
enum Width {
    Bits8,
    Bits16,
    Bits32,
    Bits64,
    Bits128,
    Text,
}

enum Set {
    Few(Vec<i128>),
    Many(HashSet<i128, ahash::RandomState>),
    Texts(HashSet<String, ahash::RandomState>),
}

impl Members {
    /// The set of `values`, all of `data_type`; `None` for types that are compared one by one.
    pub(super) fn new(values: &[Value], data_type: &DataType) -> Option<Members> {
        let width = match data_type {
            DataType::TinyInt => Width::Bits8,
            DataType::SmallInt => Width::Bits16,
            DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => Width::Bits32,
            DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => Width::Bits64,
            DataType::Decimal(..) => Width::Bits128,
            DataType::String => Width::Text,
            _ => return None,
        };
        let present = values.iter().filter(|v| !v.is_null());
        let has_null = values.iter().any(Value::is_null);
        let set = if matches!(width, Width::Text) {
            Set::Texts(present.map(|v| v.as_str().map(str::to_string)).collect::<Option<_>>()?)
        } else {
            let numbers: HashSet<i128, ahash::RandomState> = present.map(number).collect::<Option<_>>()?;
            if numbers.len() <= FEW { Set::Few(numbers.into_iter().collect()) } else { Set::Many(numbers) }
        };
        Some(Members { set, has_null, width })
    }

    /// Whether each cell is in the list, with SQL's three values.
    pub(super) fn test(&self, column: &Series) -> Result<Series, EngineError> {
        let found = match self.width {
            Width::Bits8 => self.test_numbers::<i8>(column)?,
            Width::Bits16 => self.test_numbers::<i16>(column)?,
            Width::Bits32 => self.test_numbers::<i32>(column)?,
            Width::Bits64 => self.test_numbers::<i64>(column)?,
            Width::Bits128 => self.test_numbers::<i128>(column)?,
            Width::Text => self.test_texts(column)?,
        };
        let valid = access::validity(column).cloned();
        if !self.has_null {
            return Ok(flag_series(found, valid));
        }
        let known = match valid {
            Some(valid) => polars_arrow::bitmap::and(&found, &valid),
            None => found.clone(),
        };
        Ok(flag_series(found, Some(known)))
    }

    fn test_numbers<T: NativeType + Into<i128> + TryFrom<i128>>(&self, column: &Series) -> Result<Bitmap, EngineError> {
        let values = access::numbers::<T>(column)?.values;
        Ok(match &self.set {
            Set::Few(few) => {
                let few: Vec<T> = few.iter().filter_map(|v| T::try_from(*v).ok()).collect();
                bits(values.len(), |i| few.iter().fold(false, |found, v| found | (*v == values[i])))
            }
            Set::Many(set) => bits(values.len(), |i| set.contains(&values[i].into())),
            Set::Texts(_) => Bitmap::new_with_value(false, values.len()),
        })
    }

    fn test_texts(&self, column: &Series) -> Result<Bitmap, EngineError> {
        let texts = access::texts(column)?;
        let Set::Texts(set) = &self.set else { return Ok(Bitmap::new_with_value(false, column.len())) };
        if set.len() <= FEW {
            let few: Vec<&str> = set.iter().map(String::as_str).collect();
            return Ok(bits(column.len(), |i| few.contains(&texts.value(i))));
        }
        Ok(bits(column.len(), |i| set.contains(texts.value(i))))
    }
}

fn number(value: &Value) -> Option<i128> {
    Some(match value {
        Value::Int(n) | Value::Timestamp(n) | Value::DayTime(n) => (*n).into(),
        Value::Date(n) | Value::YearMonth(n) => (*n).into(),
        Value::Decimal(n) => *n,
        _ => return None,
    })
}
