//! Tests for NULL and NaN, and NOT.

use super::access::{self, Cells, bits, flag_series, flags, numbers};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::bitmap::{self, Bitmap};

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "isnull", fallible: false, kernel: |c| Ok(null_test(c, true)) },
    KernelEntry { name: "isnotnull", fallible: false, kernel: |c| Ok(null_test(c, false)) },
    KernelEntry { name: "isnan", fallible: false, kernel: is_nan },
    KernelEntry { name: "nanvl", fallible: false, kernel: nan_value },
    KernelEntry { name: "not", fallible: false, kernel: not },
    KernelEntry { name: "single_row", fallible: true, kernel: single_row },
];

fn null_test(call: &KernelCall<'_>, null: bool) -> Series {
    let column = call.column(0);
    let answer = match access::validity(column) {
        Some(valid) if null => !valid,
        Some(valid) => valid.clone(),
        None => Bitmap::new_with_value(!null, column.len()),
    };
    flag_series(answer, None)
}

fn is_nan(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let column = call.column(0);
    let nan = match call.data_type(0) {
        DataType::Float => {
            let values = numbers::<f32>(column)?.values;
            bits(values.len(), |i| values[i].is_nan())
        }
        DataType::Double => {
            let values = numbers::<f64>(column)?.values;
            bits(values.len(), |i| values[i].is_nan())
        }
        _ => Bitmap::new_zeroed(column.len()),
    };
    // NULL is not NaN: the answer is FALSE, never NULL.
    let nan = match access::validity(column) {
        Some(valid) => bitmap::and(&nan, valid),
        None => nan,
    };
    Ok(flag_series(nan, None))
}

fn nan_value(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    if *call.data_type(0) == DataType::Float {
        let (a, b) = (call.numbers::<f32>(0)?, call.numbers::<f32>(1)?);
        return access::map_rows::<f32>(call.length(), |row| Ok(a.at(row).and_then(|x| if x.is_nan() { b.at(row) } else { Some(x) })));
    }
    let (a, b) = (call.numbers::<f64>(0)?, call.numbers::<f64>(1)?);
    access::map_rows::<f64>(call.length(), |row| Ok(a.at(row).and_then(|x| if x.is_nan() { b.at(row) } else { Some(x) })))
}

/// `single_row(count, value)`: the value of a sub-query that gave `count` rows for the row around it.
fn single_row(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let counts = call.numbers::<i64>(0)?;
    if (0..call.length()).any(|row| counts.at(row).is_some_and(|n| n > 1)) {
        let message = "a sub-query that stands for a value gave more than one row".to_string();
        return Err(EngineError::data("SCALAR_SUBQUERY_TOO_MANY_ROWS", message));
    }
    Ok(call.column(1).clone())
}

fn not(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let array = flags(call.column(0))?.0;
    Ok(flag_series(!array.values(), array.validity().cloned()))
}
