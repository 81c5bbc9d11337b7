//! Functions about the session, random numbers, and errors on purpose.

use super::access::{self, Cells, Output, map_rows, number_series};
use super::random::Random;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "typeof", fallible: false, kernel: |c| Ok(one(&c.data_type(0).to_string())) },
    KernelEntry { name: "current_user", fallible: false, kernel: |c| Ok(one(&c.context.user)) },
    KernelEntry { name: "current_database", fallible: false, kernel: |_| Ok(one("default")) },
    KernelEntry { name: "current_catalog", fallible: false, kernel: |_| Ok(one("spark_catalog")) },
    KernelEntry { name: "current_timezone", fallible: false, kernel: |c| Ok(one(c.context.zone.name())) },
    KernelEntry { name: "version", fallible: false, kernel: |_| Ok(one(concat!("eddyline ", env!("CARGO_PKG_VERSION")))) },
    KernelEntry { name: "input_file_name", fallible: false, kernel: |_| Ok(one("")) },
    KernelEntry { name: "spark_partition_id", fallible: false, kernel: |_| Ok(number_series(vec![0i32], None)) },
    KernelEntry { name: "monotonically_increasing_id", fallible: false, kernel: |c| Ok(number_series((0..c.rows as i64).collect(), None)) },
    KernelEntry { name: "uuid", fallible: false, kernel: uuid },
    KernelEntry { name: "rand", fallible: false, kernel: |c| draw(c, Random::next_double) },
    KernelEntry { name: "randn", fallible: false, kernel: |c| draw(c, Random::next_gaussian) },
    KernelEntry { name: "randstr", fallible: true, kernel: random_text },
    KernelEntry { name: "uniform", fallible: false, kernel: uniform },
    KernelEntry { name: "assert_true", fallible: true, kernel: assert_true },
    KernelEntry { name: "raise_error", fallible: true, kernel: raise_error },
];

fn one(text: &str) -> Series {
    let mut builder = <&str as Output>::builder(1);
    text.push_to(&mut builder);
    <&str as Output>::finish(builder)
}

/// The generator of the seed in argument `index`; without one, of its own. A NULL seed is 0.
fn generator(call: &KernelCall<'_>, index: usize) -> Result<Random, EngineError> {
    let Some(argument) = call.args.get(index) else { return Ok(Random::unseeded()) };
    let seed = match argument.data_type {
        DataType::TinyInt => call.numbers::<i8>(index)?.at(0).map(i64::from),
        DataType::SmallInt => call.numbers::<i16>(index)?.at(0).map(i64::from),
        DataType::Int => call.numbers::<i32>(index)?.at(0).map(i64::from),
        DataType::BigInt => call.numbers::<i64>(index)?.at(0),
        _ => None,
    };
    Ok(Random::new(seed.unwrap_or(0)))
}

fn draw(call: &KernelCall<'_>, next: fn(&mut Random) -> f64) -> Result<Series, EngineError> {
    let mut random = generator(call, 0)?;
    Ok(number_series((0..call.rows).map(|_| next(&mut random)).collect(), None))
}

/// Numbers between two constants.
fn uniform(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let mut random = generator(call, 2)?;
    let double = |index: usize| -> Result<Option<f64>, EngineError> {
        let column = super::cast::cast(call.column(index), call.data_type(index), &DataType::Double, false, call.context)?;
        Ok(access::numbers::<f64>(&column)?.at(0))
    };
    let (Some(low), Some(high)) = (double(0)?, double(1)?) else { return Ok(call.null()) };
    let values: Vec<f64> = (0..call.rows).map(|_| low + random.next_double() * (high - low)).collect();
    super::cast::cast(&number_series(values, None), &DataType::Double, call.returns, false, call.context)
}

/// Texts of so many of the characters 0-9, a-z, A-Z.
fn random_text(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    const CHARACTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut random = generator(call, 1)?;
    let length = call.numbers::<i32>(0)?;
    map_rows::<String>(call.rows, |row| {
        let length = length.at(row).unwrap_or(0);
        if length < 0 {
            let message = format!("`randstr` makes texts of 0 or more characters, not {length}");
            return Err(EngineError::data("INVALID_PARAMETER_VALUE.LENGTH", message));
        }
        Ok(Some((0..length).map(|_| char::from(CHARACTERS[(random.next_int() % 62).unsigned_abs() as usize])).collect()))
    })
}

/// Version 4: 122 random bits.
fn uuid(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let mut random = generator(call, 0)?;
    map_rows::<String>(call.rows, |_| {
        let high = (random.next_long() as u64 & 0xffff_ffff_ffff_0fff) | 0x4000;
        let low = (random.next_long() as u64 & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        Ok(Some(format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)))
    })
}

fn raised(message: &str) -> EngineError {
    EngineError::data("USER_RAISED_EXCEPTION", message)
}

/// Fails where the condition is not TRUE; NULL otherwise.
fn assert_true(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let flags = call.flags(0)?;
    for row in 0..flags.len() {
        if flags.at(row) != Some(true) {
            let message = match call.args.get(1) {
                Some(argument) => access::texts(&argument.column)?.at(row).unwrap_or("NULL").to_string(),
                None => "the condition of assert_true does not hold".to_string(),
            };
            return Err(raised(&message).at_row(row));
        }
    }
    Ok(call.null())
}

fn raise_error(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    match call.rows {
        0 => Ok(call.null()),
        _ => Err(raised(call.texts(0)?.at(0).unwrap_or("NULL")).at_row(0)),
    }
}
