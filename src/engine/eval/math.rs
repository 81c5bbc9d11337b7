//! Mathematical functions over DOUBLE, as Java's `StrictMath` computes them, and functions over the bits of whole numbers.

use super::access::{self, Cells, map_rows, map1, map2, unary};
use super::arithmetic::overflow;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;

/// A kernel of one DOUBLE.
macro_rules! real {
    ($name:literal, $f:expr) => {
        KernelEntry { name: $name, fallible: false, kernel: |c| unary::<f64, f64>(c.column(0), $f) }
    };
}

/// A kernel of one DOUBLE that is NULL for some.
macro_rules! partial {
    ($name:literal, $f:expr) => {
        KernelEntry {
            name: $name,
            fallible: false,
            kernel: |c| map1(&c.numbers::<f64>(0)?, |x: f64| Ok(($f as fn(f64) -> Option<f64>)(x))),
        }
    };
}

/// A kernel of two DOUBLEs.
macro_rules! real2 {
    ($name:literal, $f:expr) => {
        KernelEntry { name: $name, fallible: false, kernel: |c| access::binary(c.column(0), c.column(1), $f as fn(f64, f64) -> f64) }
    };
}

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    real!("acos", libm::acos),
    real!("acosh", |x| libm::log(x + (x * x - 1.0).sqrt())),
    real!("asin", libm::asin),
    real!("asinh", libm::asinh),
    real!("atan", libm::atan),
    real!("atanh", |x| 0.5 * (libm::log1p(x) - libm::log1p(-x))),
    real!("cbrt", libm::cbrt),
    real!("cos", libm::cos),
    real!("cosh", libm::cosh),
    real!("cot", |x| 1.0 / libm::tan(x)),
    real!("csc", |x| 1.0 / libm::sin(x)),
    real!("degrees", |x| x * 57.295_779_513_082_32),
    real!("exp", libm::exp),
    real!("expm1", libm::expm1),
    real!("radians", |x| x * 0.017_453_292_519_943_295),
    real!("rint", f64::round_ties_even),
    real!("sec", |x| 1.0 / libm::cos(x)),
    real!("sin", libm::sin),
    real!("sinh", libm::sinh),
    real!("sqrt", f64::sqrt),
    real!("tan", libm::tan),
    real!("tanh", libm::tanh),
    partial!("ln", |x| positive(x).map(libm::log)),
    partial!("log10", |x| positive(x).map(libm::log10)),
    partial!("log2", |x| positive(x).map(|x| libm::log(x) / libm::log(2.0))),
    partial!("log1p", |x| (x > -1.0 || x.is_nan()).then(|| libm::log1p(x))),
    real2!("atan2", |y, x| libm::atan2(y + 0.0, x + 0.0)),
    real2!("hypot", libm::hypot),
    real2!("power", libm::pow),
    KernelEntry { name: "log", fallible: false, kernel: logarithm },
    KernelEntry { name: "sign", fallible: false, kernel: sign },
    KernelEntry { name: "e", fallible: false, kernel: |_| Ok(access::number_series(vec![std::f64::consts::E], None)) },
    KernelEntry { name: "pi", fallible: false, kernel: |_| Ok(access::number_series(vec![std::f64::consts::PI], None)) },
    KernelEntry { name: "bin", fallible: false, kernel: |c| map1(&c.numbers::<i64>(0)?, |n: i64| Ok(Some(format!("{n:b}")))) },
    KernelEntry { name: "bit_count", fallible: false, kernel: bit_count },
    KernelEntry { name: "bit_get", fallible: true, kernel: bit_get },
    KernelEntry { name: "conv", fallible: true, kernel: convert_base },
    KernelEntry { name: "factorial", fallible: false, kernel: factorial },
    KernelEntry { name: "width_bucket", fallible: false, kernel: width_bucket },
];

fn positive(x: f64) -> Option<f64> {
    (x > 0.0 || x.is_nan()).then_some(x)
}

/// `log(x)` to base e, `log(base, x)`.
fn logarithm(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    if call.args.len() == 1 {
        return map1(&call.numbers::<f64>(0)?, |x: f64| Ok(positive(x).map(libm::log)));
    }
    map2(&call.numbers::<f64>(0)?, &call.numbers::<f64>(1)?, |base: f64, x: f64| {
        Ok(positive(base).zip(positive(x)).map(|(base, x)| libm::log(x) / libm::log(base)))
    })
}

/// -1.0, 0.0 or 1.0, of a number or an interval.
fn sign(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    match call.data_type(0) {
        DataType::YearMonthInterval(..) => unary(call.column(0), |m: i32| f64::from(m.signum())),
        DataType::DayTimeInterval(..) => unary(call.column(0), |us: i64| us.signum() as f64),
        DataType::Decimal(..) => unary(call.column(0), |d: i128| d.signum() as f64),
        DataType::TinyInt => unary(call.column(0), |n: i8| f64::from(n.signum())),
        DataType::SmallInt => unary(call.column(0), |n: i16| f64::from(n.signum())),
        DataType::Int => unary(call.column(0), |n: i32| f64::from(n.signum())),
        DataType::BigInt => unary(call.column(0), |n: i64| n.signum() as f64),
        DataType::Float => unary(call.column(0), |x: f32| signum(x.into())),
        DataType::Double => unary(call.column(0), signum),
        _ => Ok(call.null()),
    }
}

/// Zero keeps its sign, NaN stays.
fn signum(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x
    }
}

/// A whole number of any width, or a boolean, widened.
fn widened(call: &KernelCall<'_>, index: usize) -> Result<Vec<Option<i64>>, EngineError> {
    let n = call.column(index).len();
    macro_rules! of {
        ($t:ty) => {{
            let values = call.numbers::<$t>(index)?;
            (0..n).map(|row| values.at(row).map(i64::from)).collect()
        }};
    }
    Ok(match call.data_type(index) {
        DataType::TinyInt => of!(i8),
        DataType::SmallInt => of!(i16),
        DataType::Int => of!(i32),
        DataType::BigInt => of!(i64),
        DataType::Boolean => {
            let flags = call.flags(index)?;
            (0..n).map(|row| flags.at(row).map(i64::from)).collect()
        }
        _ => vec![None; n],
    })
}

fn bit_count(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let values = widened(call, 0)?;
    map_rows::<i32>(values.len(), |row| Ok(values[row].map(|n| n.count_ones() as i32)))
}

fn bit_get(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let values = widened(call, 0)?;
    let positions = call.numbers::<i32>(1)?;
    let width = match call.data_type(0) {
        DataType::TinyInt => 8,
        DataType::SmallInt => 16,
        DataType::Int => 32,
        _ => 64,
    };
    map_rows::<i8>(call.length(), |row| {
        let value = values[if values.len() == 1 { 0 } else { row }];
        match (value, positions.at(row)) {
            (Some(n), Some(at)) if (0..width).contains(&at) => Ok(Some((n >> at & 1) as i8)),
            (Some(_), Some(at)) => Err(EngineError::data(
                "INVALID_PARAMETER_VALUE.BIT_POSITION_RANGE",
                format!("bits are counted from 0 to {}, and {at} is not among them", width - 1),
            )),
            _ => Ok(None),
        }
    })
}

fn factorial(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    map1(&call.numbers::<i32>(0)?, |n: i32| Ok((0..=20).contains(&n).then(|| (1..=i64::from(n)).product::<i64>())))
}

/// Number `text` of one base in another; a negative target base gives a signed result.
fn convert_base(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let texts = call.texts(0)?;
    let (from, to) = (call.numbers::<i32>(1)?, call.numbers::<i32>(2)?);
    map_rows::<String>(call.length(), |row| match (texts.at(row), from.at(row), to.at(row)) {
        (Some(text), Some(from), Some(to)) => in_base(text, from, to),
        _ => Ok(None),
    })
}

fn in_base(text: &str, from: i32, to: i32) -> Result<Option<String>, EngineError> {
    let text = text.trim_matches(' ');
    let radix = |base: u32| (2..=36).contains(&base);
    if !radix(from.unsigned_abs()) || from < 0 || !radix(to.unsigned_abs()) || text.is_empty() {
        return Ok(None);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut value = 0u64;
    for digit in digits.chars().map_while(|c| c.to_digit(from.unsigned_abs())) {
        let next = value.checked_mul(from as u64).and_then(|v| v.checked_add(digit.into()));
        value = next.ok_or_else(|| overflow(&format!("conv('{text}')")))?;
    }
    // A negative number is taken as its two's complement, unless the target base asks for a sign.
    let mut value = if negative { (value as i64).wrapping_neg() as u64 } else { value };
    let minus = to < 0 && (value as i64) < 0;
    if minus {
        value = (value as i64).unsigned_abs();
    }
    let base = u64::from(to.unsigned_abs());
    let mut out = Vec::new();
    loop {
        out.push(char::from_digit((value % base) as u32, base as u32).unwrap_or('0').to_ascii_uppercase());
        value /= base;
        if value == 0 {
            break;
        }
    }
    if minus {
        out.push('-');
    }
    Ok(Some(out.into_iter().rev().collect()))
}

/// In which of `count` equal parts of `low..high` a value lies; 0 and `count + 1` are outside.
fn width_bucket(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let counts = call.numbers::<i64>(3)?;
    let doubles = (0..3)
        .map(|index| match call.data_type(index) {
            DataType::YearMonthInterval(..) => unary(call.column(index), |m: i32| f64::from(m)),
            DataType::DayTimeInterval(..) => unary(call.column(index), |us: i64| us as f64),
            other => super::cast::cast(call.column(index), other, &DataType::Double, false, call.context),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let real = |index: usize, row: usize| access::numbers::<f64>(&doubles[index]).map(|n| n.at(row));
    map_rows::<i64>(call.length(), |row| {
        let (Some(value), Some(low), Some(high), Some(count)) = (real(0, row)?, real(1, row)?, real(2, row)?, counts.at(row)) else {
            return Ok(None);
        };
        let usable = count > 0 && count < i64::MAX && low != high && !value.is_nan() && low.is_finite() && high.is_finite();
        Ok(usable.then(|| bucket(value, low, high, count)))
    })
}

fn bucket(value: f64, low: f64, high: f64, count: i64) -> i64 {
    let (lower, upper) = (low.min(high), low.max(high));
    let ascending = low < high;
    if if ascending { value < lower } else { value > upper } {
        0
    } else if if ascending { value >= upper } else { value <= lower } {
        count + 1
    } else if ascending {
        (count as f64 * (value - lower) / (upper - lower)) as i64 + 1
    } else {
        (count as f64 * (upper - value) / (upper - lower)) as i64 + 1
    }
}
