//! Decimal arithmetic, exact and then rounded once, half away from zero, to the result's scale.
//!
//! Most types leave room for the exact intermediate in 128 bits; whether they do follows from their precisions,
//! so that the choice is made once a column. The others go through [`Wide`].

use super::access::{self, try_binary};
use super::wide::{Wide, divide_half_up, power_of_ten};
use crate::engine::EngineError;
use crate::engine::eval::{KernelCall, arithmetic};
use crate::types::DataType;
use polars::prelude::Series;

/// Precision and scale.
pub(super) type Shape = (u8, u8);

/// What one operator does to two unscaled values, or `None` where the result does not fit 128 bits.
type Operation = fn(&Shapes, i128, i128) -> Option<i128>;

/// Left, right and result.
pub(super) struct Shapes {
    a: Shape,
    b: Shape,
    result: Shape,
}

/// `a op b` for DECIMAL operands; `attempt` gives NULL instead of an error.
pub(super) fn operate(call: &KernelCall<'_>, op: char, attempt: bool) -> Result<Series, EngineError> {
    let (DataType::Decimal(p1, s1), DataType::Decimal(p2, s2), DataType::Decimal(p, s)) =
        (call.data_type(0), call.data_type(1), call.returns)
    else {
        return Err(EngineError::internal("decimal arithmetic over other types"));
    };
    let shapes = Shapes { a: (*p1, *s1), b: (*p2, *s2), result: (*p, *s) };
    if let (false, Some(column)) = (attempt, exact(call, &shapes, op)?) {
        return Ok(column);
    }
    let (operation, zero): (Operation, Option<fn() -> EngineError>) = match op {
        '+' | '-' if shapes.sum_fits() => (if op == '+' { plus_small } else { minus_small }, None),
        '+' => (plus_wide, None),
        '-' => (minus_wide, None),
        '*' if p1 + p2 <= 38 => (times_small, None),
        '*' => (times_wide, None),
        '/' => (divide, Some(arithmetic::divide_by_zero)),
        '%' => (remainder, Some(arithmetic::remainder_by_zero)),
        _ => return Err(EngineError::internal(format!("no decimal {op}"))),
    };
    let limit = power_of_ten((*p).into()).unwrap_or(i128::MAX);
    let apply = |x: i128, y: i128| -> Result<i128, EngineError> {
        if let (Some(zero), 0) = (zero, y) {
            return Err(zero());
        }
        match operation(&shapes, x, y) {
            Some(value) if -limit < value && value < limit => Ok(value),
            _ => Err(out_of_range(&shapes, op, x, y)),
        }
    };
    if attempt {
        return access::map2(&call.numbers::<i128>(0)?, &call.numbers::<i128>(1)?, |x, y| Ok(apply(x, y).ok()));
    }
    try_binary::<i128, i128, i128>(call.column(0), call.column(1), apply)
}

/// Sums and products that need no rounding and fit 128 bits: one tight loop. `None` for all others.
fn exact(call: &KernelCall<'_>, shapes: &Shapes, op: char) -> Result<Option<Series>, EngineError> {
    let limit = ten(shapes.result.0);
    let (a, b) = (call.column(0), call.column(1));
    let outside = |v: i128| v <= -limit || v >= limit;
    let error = |x: i128, y: i128| out_of_range(shapes, op, x, y);
    let same_scale = shapes.a.1 == shapes.b.1 && shapes.result.1 == shapes.a.1;
    let column = match op {
        '+' if same_scale && shapes.sum_fits() => {
            access::checked_binary(a, b, |x: i128, y| with(x.wrapping_add(y), outside), |wrong| wrong, error)?
        }
        '-' if same_scale && shapes.sum_fits() => {
            access::checked_binary(a, b, |x: i128, y| with(x.wrapping_sub(y), outside), |wrong| wrong, error)?
        }
        '+' | '-' if shapes.sum_fits() && shapes.result.1 == shapes.wider_scale() => {
            let (up_a, up_b) = (ten(shapes.wider_scale() - shapes.a.1), ten(shapes.wider_scale() - shapes.b.1));
            let up_b = if op == '+' { up_b } else { -up_b };
            let sum = |x: i128, y: i128| x.wrapping_mul(up_a).wrapping_add(y.wrapping_mul(up_b));
            access::checked_binary(a, b, |x: i128, y| with(sum(x, y), outside), |wrong| wrong, error)?
        }
        '*' if shapes.a.0 + shapes.b.0 <= 38 && shapes.result.1 == shapes.a.1 + shapes.b.1 => {
            access::checked_binary(a, b, |x: i128, y| with(x.wrapping_mul(y), outside), |wrong| wrong, error)?
        }
        _ => return Ok(None),
    };
    Ok(Some(column))
}

/// A value and whether it is wrong.
fn with(value: i128, wrong: impl Fn(i128) -> bool) -> (i128, bool) {
    (value, wrong(value))
}

fn out_of_range(shapes: &Shapes, op: char, x: i128, y: i128) -> EngineError {
    let text = |v: i128, scale: u8| super::text::decimal_text(v, scale);
    let (p, s) = shapes.result;
    range_error(&format!("{} {op} {}", text(x, shapes.a.1), text(y, shapes.b.1)), p, s)
}

/// `value` has more digits than the type has room for.
pub(super) fn range_error(value: &str, precision: u8, scale: u8) -> EngineError {
    EngineError::data("NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION", format!("{value} does not fit DECIMAL({precision},{scale})"))
        .help("widen the type, or use `try_cast` or a `try_` function to get NULL instead")
}

impl Shapes {
    /// Scale of the exact sum.
    fn wider_scale(&self) -> u8 {
        self.a.1.max(self.b.1)
    }

    /// Whether both operands at the wider scale, and their sum, stay below 10^38.
    fn sum_fits(&self) -> bool {
        (self.a.0 - self.a.1).max(self.b.0 - self.b.1) + self.wider_scale() < 38
    }

    fn sum_small(&self, x: i128, y: i128) -> Option<i128> {
        let scale = self.wider_scale();
        let x = x * ten(scale - self.a.1);
        let y = y * ten(scale - self.b.1);
        Some(rescale_down(x + y, scale - self.result.1.min(scale)) * ten(self.result.1.saturating_sub(scale)))
    }

    fn sum_wide(&self, x: i128, y: Wide) -> Option<i128> {
        let scale = self.wider_scale();
        let x = Wide::from_i128(x).scaled_up((scale - self.a.1).into())?;
        let sum = x.sum(y.scaled_up((scale - self.b.1).into())?)?;
        sum.scaled_down((scale - self.result.1.min(scale)).into()).to_i128()
    }
}

fn ten(exponent: u8) -> i128 {
    10i128.pow(exponent.min(38).into())
}

fn rescale_down(value: i128, digits: u8) -> i128 {
    if digits == 0 { value } else { divide_half_up(value, ten(digits)) }
}

fn plus_small(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    shapes.sum_small(x, y)
}

fn minus_small(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    shapes.sum_small(x, -y)
}

fn plus_wide(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    shapes.sum_wide(x, Wide::from_i128(y))
}

fn minus_wide(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    shapes.sum_wide(x, Wide::from_i128(y).negated())
}

fn times_small(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    Some(rescale_down(x * y, shapes.a.1 + shapes.b.1 - shapes.result.1))
}

fn times_wide(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    let scale = shapes.a.1 + shapes.b.1;
    if let Some(product) = x.checked_mul(y)
        && scale - shapes.result.1 <= 38
    {
        return Some(rescale_down(product, scale - shapes.result.1));
    }
    Wide::product(x, y).scaled_down((scale - shapes.result.1).into()).to_i128()
}

/// The quotient: digit by digit after the whole part, so that no intermediate outgrows 256 bits.
fn divide(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    let shift = i32::from(shapes.result.1) - i32::from(shapes.a.1) + i32::from(shapes.b.1);
    if shift < 0 {
        let divisor = Wide::from_i128(y).scaled_up(shift.unsigned_abs())?;
        return half_up(Wide::from_i128(x), divisor);
    }
    let shift = shift.unsigned_abs();
    if let Some(scaled) = power_of_ten(shift).and_then(|factor| x.checked_mul(factor)) {
        let (quotient, rest) = (scaled / y, scaled % y);
        let up = rest.unsigned_abs() >= y.unsigned_abs() - rest.unsigned_abs();
        return Some(if up { quotient + if (x < 0) == (y < 0) { 1 } else { -1 } } else { quotient });
    }
    if let Some(scaled) = Wide::from_i128(x).scaled_up(shift) {
        return half_up(scaled, Wide::from_i128(y));
    }
    let (whole, rest) = (x / y, x % y);
    let whole = whole.checked_mul(power_of_ten(shift)?)?;
    let fraction = half_up(Wide::from_i128(rest).scaled_up(shift)?, Wide::from_i128(y))?;
    whole.checked_add(fraction)
}

fn half_up(dividend: Wide, divisor: Wide) -> Option<i128> {
    let (quotient, rest) = dividend.divide(divisor);
    let (twice, _) = rest.sum(rest)?.divide(divisor);
    let value = quotient.to_i128()?;
    if twice.to_i128() == Some(0) {
        return Some(value);
    }
    // A quotient of zero has lost its sign.
    let negative = dividend.is_negative() != divisor.is_negative();
    value.checked_add(if negative { -1 } else { 1 })
}

/// The remainder of both operands at the wider scale; it has the sign of `x`.
fn remainder(shapes: &Shapes, x: i128, y: i128) -> Option<i128> {
    let scale = shapes.wider_scale();
    let (up_x, up_y) = ((scale - shapes.a.1).into(), (scale - shapes.b.1).into());
    let small = |v: i128, up: u32| power_of_ten(up).and_then(|factor| v.checked_mul(factor));
    let rest = match (small(x, up_x), small(y, up_y)) {
        (Some(x), Some(y)) => x.checked_rem(y)?,
        _ => Wide::from_i128(x).scaled_up(up_x)?.divide(Wide::from_i128(y).scaled_up(up_y)?).1.signed_as(x).to_i128()?,
    };
    Some(rescale_down(rest, scale - shapes.result.1.min(scale)))
}

/// `a div b`: the whole part of the quotient.
pub(super) fn whole_quotient(a: Shape, b: Shape, x: i128, y: i128) -> Option<i64> {
    let scale = a.1.max(b.1);
    let x = Wide::from_i128(x).scaled_up((scale - a.1).into())?;
    let y = Wide::from_i128(y).scaled_up((scale - b.1).into())?;
    x.divide(y).0.to_i128().and_then(|q| i64::try_from(q).ok())
}

/// A value of one scale at another, rounded half away from zero; `None` where it needs more than `precision` digits.
pub(super) fn rescale(value: i128, from: u8, to: Shape) -> Option<i128> {
    let (precision, scale) = to;
    let value = if scale >= from { value.checked_mul(power_of_ten((scale - from).into())?)? } else { rescale_down(value, from - scale) };
    let limit = power_of_ten(precision.into())?;
    (-limit < value && value < limit).then_some(value)
}

/// `pmod(a, b)`: the remainder moved to the divisor's side where it is negative.
pub(super) fn positive_modulo(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let (DataType::Decimal(p1, s1), DataType::Decimal(p2, s2), DataType::Decimal(p, s)) =
        (call.data_type(0), call.data_type(1), call.returns)
    else {
        return Err(EngineError::internal("decimal arithmetic over other types"));
    };
    let wider = (*s1).max(*s2);
    let shapes = Shapes { a: (*p1, *s1), b: (*p2, *s2), result: (*p, wider) };
    try_binary::<i128, i128, i128>(call.column(0), call.column(1), |x, y| {
        if y == 0 {
            return Err(arithmetic::remainder_by_zero());
        }
        let range = || out_of_range(&shapes, '%', x, y);
        let rest = remainder(&shapes, x, y).ok_or_else(range)?;
        let rest = if rest < 0 {
            let divisor = power_of_ten((wider - s2).into()).and_then(|f| y.checked_mul(f)).ok_or_else(range)?;
            (rest + divisor) % divisor
        } else {
            rest
        };
        rescale(rest, wider, (*p, *s)).ok_or_else(range)
    })
}
