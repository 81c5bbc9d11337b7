//! `round`, `bround`, `ceil` and `floor`, exact in decimal: doubles are rounded by the digits they print.

use super::access::{self, Cells, map1, unary};
use super::arithmetic::overflow;
use super::wide::power_of_ten;
use super::{KernelCall, KernelEntry, decimal};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::types::NativeType;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "round", fallible: true, kernel: |c| rounded(c, Mode::HalfUp) },
    KernelEntry { name: "bround", fallible: true, kernel: |c| rounded(c, Mode::HalfEven) },
    KernelEntry { name: "ceil", fallible: true, kernel: |c| rounded(c, Mode::Up) },
    KernelEntry { name: "floor", fallible: true, kernel: |c| rounded(c, Mode::Down) },
];

/// Which neighbour is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The nearest; the one farther from zero in the middle.
    HalfUp,
    /// The nearest; the even one in the middle.
    HalfEven,
    /// The greater.
    Up,
    /// The less.
    Down,
}

impl Mode {
    /// `n / divisor`, rounded; `divisor` is positive.
    fn divide(self, n: i128, divisor: i128) -> i128 {
        let (quotient, rest) = (n.div_euclid(divisor), n.rem_euclid(divisor));
        let above = match self {
            Mode::Up => rest != 0,
            Mode::Down => false,
            Mode::HalfUp => rest > divisor - rest || rest == divisor - rest && n > 0,
            Mode::HalfEven => rest > divisor - rest || rest == divisor - rest && quotient % 2 != 0,
        };
        quotient + i128::from(above)
    }
}

fn rounded(call: &KernelCall<'_>, mode: Mode) -> Result<Series, EngineError> {
    let digits = match call.args.get(1) {
        Some(argument) => match access::numbers::<i32>(&argument.column)?.at(0) {
            Some(digits) => digits,
            None => return Ok(call.null()),
        },
        None => 0,
    };
    match (call.data_type(0), call.returns) {
        (DataType::TinyInt, DataType::TinyInt) => whole::<i8>(call, mode, digits),
        (DataType::SmallInt, DataType::SmallInt) => whole::<i16>(call, mode, digits),
        (DataType::Int, DataType::Int) => whole::<i32>(call, mode, digits),
        (DataType::BigInt, DataType::BigInt) => whole::<i64>(call, mode, digits),
        (DataType::Float, DataType::Float) => unary(call.column(0), |x: f32| match x.is_finite() {
            true => real(ryu::Buffer::new().format_finite(x), mode, digits).and_then(|t| fast_float2::parse(t).ok()).unwrap_or(x),
            false => x,
        }),
        (DataType::Double, DataType::Double) => doubles(call.column(0), mode, digits),
        (DataType::Decimal(_, scale), DataType::Decimal(p, s)) => decimals(call, mode, digits, *scale, (*p, *s)),
        (_, DataType::BigInt) => to_whole(call, mode),
        (from, DataType::Decimal(p, s)) => {
            let (unit, scale) = from.as_decimal().unwrap_or((38, 0));
            let exact = super::cast::cast(call.column(0), from, &DataType::Decimal(unit, scale), false, call.context)?;
            round_decimals(&exact, mode, digits, scale, (*p, *s))
        }
        (from, to) => Err(EngineError::internal(format!("no rounding of {} to {}", from.sql(), to.sql()))),
    }
}

/// Doubles, by the digits that they print.
///
/// The printed number lies within half a unit in the last place of the double, and the product with a power of ten
/// is off by no more: where it is farther from a tie than that (with room to spare), the nearest whole number is the
/// right one in every mode, and dividing it by the power gives the double nearest to the decimal. The loop has no
/// branch and vectorises; rows that are too near to a tie, too great or not finite are done again digit by digit.
fn doubles(column: &Series, mode: Mode, digits: i32) -> Result<Series, EngineError> {
    /// Adding and subtracting it leaves the nearest whole number.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    const SPARE: f64 = 4.0 / WHOLE;
    let numbers = access::numbers::<f64>(column)?;
    let exact = |x: f64| match x.is_finite() {
        true => real(ryu::Buffer::new().format_finite(x), mode, digits).and_then(|t| fast_float2::parse(t).ok()).unwrap_or(x),
        false => x,
    };
    // Powers of ten are doubles up to 10^22; `ceil` and `floor` have no ties.
    if !(0..=22).contains(&digits) || !matches!(mode, Mode::HalfUp | Mode::HalfEven) {
        return unary(column, exact);
    }
    let unit = 10f64.powi(digits);
    let nearest = |x: f64| {
        let scaled = x.abs() * unit;
        let whole = (scaled + WHOLE) - WHOLE;
        (whole, (scaled - whole).abs() < 0.5 - scaled * SPARE)
    };
    let mut values = Vec::with_capacity(numbers.values.len());
    for block in numbers.values.chunks(512) {
        let start = values.len();
        // Adding zero makes the zero that a negative number becomes positive, as a decimal has it.
        values.extend(block.iter().map(|x| (nearest(*x).0 / unit).copysign(*x) + 0.0));
        if !block.iter().fold(true, |sure, x| sure & nearest(*x).1 & (*x != 0.0)) {
            for (to, x) in values[start..].iter_mut().zip(block).filter(|(_, x)| !nearest(**x).1 || **x == 0.0) {
                *to = exact(*x);
            }
        }
    }
    Ok(access::number_series(values, numbers.validity.cloned()))
}

/// Whole numbers change only where digits before the point go.
fn whole<T: NativeType + access::Output + Into<i128> + TryFrom<i128>>(
    call: &KernelCall<'_>,
    mode: Mode,
    digits: i32,
) -> Result<Series, EngineError> {
    if digits >= 0 {
        return Ok(call.column(0).clone());
    }
    let Some(unit) = power_of_ten(digits.unsigned_abs()) else {
        return map1(&call.numbers::<T>(0)?, |_| Ok(T::try_from(0).ok()));
    };
    map1(&call.numbers::<T>(0)?, |n: T| {
        let n: i128 = n.into();
        T::try_from(mode.divide(n, unit) * unit).map(Some).map_err(|_| overflow(&format!("{n} rounded to a multiple of {unit}")))
    })
}

/// `ceil` and `floor` of a number as BIGINT.
fn to_whole(call: &KernelCall<'_>, mode: Mode) -> Result<Series, EngineError> {
    let column = call.column(0);
    // NaN becomes 0, as a cast in Java makes it; what is out of range is an error.
    let edge = |x: f64| {
        let whole = if mode == Mode::Up { x.ceil() } else { x.floor() };
        let fits = whole.is_nan() || whole >= i64::MIN as f64 && whole <= i64::MAX as f64;
        if fits { Ok(whole as i64) } else { Err(overflow(&format!("{x} as BIGINT"))) }
    };
    match call.data_type(0) {
        DataType::TinyInt => unary(column, |n: i8| i64::from(n)),
        DataType::SmallInt => unary(column, |n: i16| i64::from(n)),
        DataType::Int => unary(column, |n: i32| i64::from(n)),
        DataType::Float => access::try_unary(column, |x: f32| edge(x.into())),
        DataType::Double => access::try_unary(column, edge),
        other => Err(EngineError::internal(format!("no rounding of {} to BIGINT", other.sql()))),
    }
}

fn decimals(call: &KernelCall<'_>, mode: Mode, digits: i32, scale: u8, to: (u8, u8)) -> Result<Series, EngineError> {
    round_decimals(call.column(0), mode, digits, scale, to)
}

fn round_decimals(column: &Series, mode: Mode, digits: i32, scale: u8, to: (u8, u8)) -> Result<Series, EngineError> {
    let drop = i32::from(scale) - digits;
    map1(&access::numbers::<i128>(column)?, |value: i128| {
        let (kept, at) = match u32::try_from(drop) {
            Ok(drop) if drop > 0 => match power_of_ten(drop) {
                Some(unit) => (mode.divide(value, unit), digits),
                None => (0, digits),
            },
            _ => (value, i32::from(scale)),
        };
        // `kept` counts units of 10^-at; the result has the scale of its type.
        let result = match u32::try_from(-at) {
            Ok(up) if up > 0 => power_of_ten(up).and_then(|f| kept.checked_mul(f)).and_then(|v| decimal::rescale(v, 0, to)),
            _ => decimal::rescale(kept, at as u8, to),
        };
        result.map(Some).ok_or_else(|| decimal::range_error(&super::text::decimal_text(value, scale), to.0, to.1))
    })
}

/// The decimal text of a number rounded to `digits`; `None` when there is nothing to round off.
fn real(shortest: &str, mode: Mode, digits: i32) -> Option<String> {
    let (mantissa, exponent) = shortest.split_once('e').map_or((shortest, 0), |(m, e)| (m, e.parse::<i32>().unwrap_or(0)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = if fraction == "0" { "" } else { fraction };
    let drop = fraction.len() as i32 - exponent - digits;
    if drop <= 0 {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let kept = match power_of_ten(drop.unsigned_abs()) {
        Some(unit) => mode.divide(value, unit),
        None => 0,
    };
    Some(format!("{kept}e{}", -digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_what_is_printed() {
        let double =
            |x: f64, mode, digits| real(ryu::Buffer::new().format(x), mode, digits).map_or(x, |t| t.parse::<f64>().expect("a number"));
        for (x, digits, expected) in
            [(2.5, 0, 3.0), (-2.5, 0, -3.0), (2.45, 1, 2.5), (1.005, 2, 1.01), (123.456, 1, 123.5), (1e20, 0, 1e20)]
        {
            assert_eq!(double(x, Mode::HalfUp, digits), expected, "round({x}, {digits})");
        }
        assert_eq!(double(1234.0, Mode::HalfUp, -2), 1200.0);
        assert_eq!(double(2.5, Mode::HalfEven, 0), 2.0);
        assert_eq!(double(3.5, Mode::HalfEven, 0), 4.0);
        assert_eq!((Mode::Up.divide(-25, 10), Mode::Down.divide(-25, 10)), (-2, -3));
        assert_eq!((Mode::HalfUp.divide(-25, 10), Mode::HalfUp.divide(25, 10)), (-3, 3));
    }

    #[test]
    fn the_quick_loop_rounds_as_the_digits_say() {
        let mut values = vec![0.0, -0.0, 0.5, 1.005, -2.675, 0.285, 1e15 + 0.5, 1e17, -1e300, 5e-324, -0.001, f64::NAN, f64::INFINITY];
        values.extend((0..20_000i64).map(|i| (i * 7919 % 1_000_003 - 500_000) as f64 / [7.0, 8.0, 100.0, 1000.0, 1e9][i as usize % 5]));
        let column = access::number_series(values.clone(), None);
        for (mode, digits) in [(Mode::HalfUp, 0), (Mode::HalfUp, 2), (Mode::HalfEven, 1), (Mode::HalfEven, 5), (Mode::HalfUp, 22)] {
            let rounded = doubles(&column, mode, digits).expect("doubles");
            for (x, got) in values.iter().zip(access::numbers::<f64>(&rounded).expect("doubles").values) {
                let text = x.is_finite().then(|| real(ryu::Buffer::new().format(*x), mode, digits)).flatten();
                let expected = text.map_or(*x, |t| t.parse::<f64>().expect("a number"));
                assert_eq!(got.to_bits(), expected.to_bits(), "{x} to {digits}: {got}, not {expected}");
            }
        }
    }
}
