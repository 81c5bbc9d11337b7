//! `+ - * / % div`, unary minus, bit operators and their `try_` forms over numbers.
//!
//! Operands arrive in one common type (decimals: each with its own precision and scale). Dates, timestamps and
//! intervals go on to [`super::interval`].

use super::access::{self, Cells, checked_binary, map2, try_binary, try_unary, unary};
use super::{KernelCall, KernelEntry, decimal, interval};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::types::NativeType;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "+", fallible: true, kernel: |c| infix(c, '+', false) },
    KernelEntry { name: "-", fallible: true, kernel: |c| infix(c, '-', false) },
    KernelEntry { name: "*", fallible: true, kernel: |c| infix(c, '*', false) },
    KernelEntry { name: "/", fallible: true, kernel: |c| infix(c, '/', false) },
    KernelEntry { name: "%", fallible: true, kernel: |c| infix(c, '%', false) },
    KernelEntry { name: "pmod", fallible: true, kernel: positive_modulo },
    KernelEntry { name: "div", fallible: true, kernel: whole_division },
    KernelEntry { name: "try_add", fallible: false, kernel: |c| infix(c, '+', true) },
    KernelEntry { name: "try_subtract", fallible: false, kernel: |c| infix(c, '-', true) },
    KernelEntry { name: "try_multiply", fallible: false, kernel: |c| infix(c, '*', true) },
    KernelEntry { name: "try_divide", fallible: false, kernel: |c| infix(c, '/', true) },
    KernelEntry { name: "try_mod", fallible: false, kernel: |c| infix(c, '%', true) },
    KernelEntry { name: "negative", fallible: true, kernel: negative },
    KernelEntry { name: "positive", fallible: false, kernel: |c| Ok(c.column(0).clone()) },
    KernelEntry { name: "abs", fallible: true, kernel: absolute },
    KernelEntry { name: "&", fallible: false, kernel: |c| bit_operator(c, '&') },
    KernelEntry { name: "|", fallible: false, kernel: |c| bit_operator(c, '|') },
    KernelEntry { name: "^", fallible: false, kernel: |c| bit_operator(c, '^') },
    KernelEntry { name: "~", fallible: false, kernel: bit_not },
    KernelEntry { name: "<<", fallible: false, kernel: |c| shift(c, |x, n| x.wrapping_shl(n), |x, n| x.wrapping_shl(n)) },
    KernelEntry { name: ">>", fallible: false, kernel: |c| shift(c, |x, n| x.wrapping_shr(n), |x, n| x.wrapping_shr(n)) },
    KernelEntry {
        name: ">>>",
        fallible: false,
        kernel: |c| shift(c, |x, n| (x as u32).wrapping_shr(n) as i32, |x, n| (x as u64).wrapping_shr(n) as i64),
    },
];

/// Whole numbers of one width.
pub(super) trait Whole: NativeType + Default + std::ops::BitOr<Output = Self> + Into<i128> + TryFrom<i128> {
    /// Letter that marks a literal of the type in messages.
    const SUFFIX: &'static str;
    /// Whether Spark reports overflow with the operands.
    const NARROW: bool;
    /// The wrapped result; a mark below zero where that is not the true one.
    fn add(self, other: Self) -> (Self, Self);
    /// As [`Whole::add`].
    fn subtract(self, other: Self) -> (Self, Self);
    /// As [`Whole::add`].
    fn multiply(self, other: Self) -> (Self, Self);
    fn remainder(self, other: Self) -> Self;
    fn negate(self) -> Option<Self>;
    fn is_zero(self) -> bool;
    fn is_negative(self) -> bool;
}

macro_rules! whole {
    ($($t:ty, $suffix:literal, $narrow:literal);*) => {$(impl Whole for $t {
        const SUFFIX: &'static str = $suffix;
        const NARROW: bool = $narrow;
        #[inline]
        fn add(self, other: Self) -> (Self, Self) {
            let sum = self.wrapping_add(other);
            (sum, (self ^ sum) & (other ^ sum))
        }
        #[inline]
        fn subtract(self, other: Self) -> (Self, Self) {
            let rest = self.wrapping_sub(other);
            (rest, (self ^ other) & (self ^ rest))
        }
        #[inline]
        fn multiply(self, other: Self) -> (Self, Self) {
            let (product, wrong) = self.overflowing_mul(other);
            (product, -Self::from(wrong))
        }
        #[inline]
        fn remainder(self, other: Self) -> Self {
            self.wrapping_rem(other)
        }
        #[inline]
        fn negate(self) -> Option<Self> {
            self.checked_neg()
        }
        #[inline]
        fn is_zero(self) -> bool {
            self == 0
        }
        #[inline]
        fn is_negative(self) -> bool {
            self < 0
        }
    })*};
}
whole!(i8, "Y", true; i16, "S", true; i32, "", false; i64, "L", false);

/// `x / 0`.
pub(super) fn divide_by_zero() -> EngineError {
    EngineError::data("DIVIDE_BY_ZERO", "division by zero").help("use `try_divide` to get NULL for a divisor of 0")
}

/// `x % 0`.
pub(super) fn remainder_by_zero() -> EngineError {
    EngineError::data("REMAINDER_BY_ZERO", "remainder of a division by zero").help("use `try_mod` to get NULL for a divisor of 0")
}

/// A result outside its type.
pub(super) fn overflow(what: &str) -> EngineError {
    EngineError::data("ARITHMETIC_OVERFLOW", format!("{what} is outside the range of its type"))
}

fn try_name(op: char) -> &'static str {
    match op {
        '+' => "try_add",
        '-' => "try_subtract",
        '*' => "try_multiply",
        '/' => "try_divide",
        _ => "try_mod",
    }
}

fn overflow_of<T: Whole>(op: char) -> impl Fn(T, T) -> EngineError {
    move |x, y| {
        let (x, y): (i128, i128) = (x.into(), y.into());
        let suffix = T::SUFFIX;
        let condition = if T::NARROW { "BINARY_ARITHMETIC_OVERFLOW" } else { "ARITHMETIC_OVERFLOW" };
        EngineError::data(condition, format!("{x}{suffix} {op} {y}{suffix} is outside the range of its type"))
            .help(format!("use `{}` to get NULL instead, or cast an operand to a wider type", try_name(op)))
    }
}

fn infix(call: &KernelCall<'_>, op: char, attempt: bool) -> Result<Series, EngineError> {
    match (call.data_type(0), call.data_type(1)) {
        (DataType::TinyInt, DataType::TinyInt) => of_whole::<i8>(call, op, attempt),
        (DataType::SmallInt, DataType::SmallInt) => of_whole::<i16>(call, op, attempt),
        (DataType::Int, DataType::Int) => of_whole::<i32>(call, op, attempt),
        (DataType::BigInt, DataType::BigInt) => of_whole::<i64>(call, op, attempt),
        (DataType::Float, DataType::Float) => of_floats::<f32>(call, op, attempt),
        (DataType::Double, DataType::Double) => of_floats::<f64>(call, op, attempt),
        (DataType::Decimal(..), DataType::Decimal(..)) => decimal::operate(call, op, attempt),
        (DataType::Void, _) | (_, DataType::Void) => Ok(call.null()),
        _ => interval::operate(call, op, attempt),
    }
}

fn of_whole<T: Whole + access::Output>(call: &KernelCall<'_>, op: char, attempt: bool) -> Result<Series, EngineError> {
    let (a, b) = (call.column(0), call.column(1));
    let f: fn(T, T) -> (T, T) = match op {
        '+' => T::add,
        '-' => T::subtract,
        '*' => T::multiply,
        '%' if attempt => {
            return map2(&call.numbers::<T>(0)?, &call.numbers::<T>(1)?, |x, y| Ok((!y.is_zero()).then(|| x.remainder(y))));
        }
        '%' => return remainder_whole::<T>(a, b),
        _ => return Err(EngineError::internal("`/` over whole numbers")),
    };
    if attempt {
        return map2(&call.numbers::<T>(0)?, &call.numbers::<T>(1)?, |x, y| Ok(Some(f(x, y)).filter(|r| !r.1.is_negative()).map(|r| r.0)));
    }
    // Each operator has its own instance of the loop, so that it is inlined and vectorised.
    match op {
        '+' => checked_binary(a, b, |x: T, y| x.add(y), T::is_negative, overflow_of::<T>(op)),
        '-' => checked_binary(a, b, |x: T, y| x.subtract(y), T::is_negative, overflow_of::<T>(op)),
        _ => checked_binary(a, b, |x: T, y| x.multiply(y), T::is_negative, overflow_of::<T>(op)),
    }
}

fn remainder_whole<T: Whole>(a: &Series, b: &Series) -> Result<Series, EngineError> {
    let divisor = access::numbers::<T>(b)?;
    if let (true, Some(y)) = (divisor.is_constant(), divisor.at(0))
        && !y.is_zero()
    {
        return unary(a, |x: T| x.remainder(y));
    }
    try_binary(a, b, |x: T, y: T| if y.is_zero() { Err(remainder_by_zero()) } else { Ok(x.remainder(y)) })
}

/// FLOAT and DOUBLE.
pub(super) trait Real: NativeType + Default + access::Output + std::ops::Add<Output = Self> {
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    fn remainder(self, other: Self) -> Self;
    fn zero(self) -> bool;
    fn below_zero(self) -> bool;
}

macro_rules! real {
    ($($t:ty),*) => {$(impl Real for $t {
        #[inline]
        fn minus(self, other: Self) -> Self {
            self - other
        }
        #[inline]
        fn times(self, other: Self) -> Self {
            self * other
        }
        #[inline]
        fn over(self, other: Self) -> Self {
            self / other
        }
        #[inline]
        fn remainder(self, other: Self) -> Self {
            self % other
        }
        #[inline]
        fn zero(self) -> bool {
            self == 0.0
        }
        #[inline]
        fn below_zero(self) -> bool {
            self < 0.0
        }
    })*};
}
real!(f32, f64);

fn of_floats<T: Real>(call: &KernelCall<'_>, op: char, attempt: bool) -> Result<Series, EngineError> {
    let (a, b) = (call.column(0), call.column(1));
    match op {
        '+' => access::binary(a, b, |x: T, y: T| x + y),
        '-' => access::binary(a, b, |x: T, y: T| x.minus(y)),
        '*' => access::binary(a, b, |x: T, y: T| x.times(y)),
        '/' if attempt => map2(&call.numbers::<T>(0)?, &call.numbers::<T>(1)?, |x: T, y: T| Ok((!y.zero()).then(|| x.over(y)))),
        '%' if attempt => map2(&call.numbers::<T>(0)?, &call.numbers::<T>(1)?, |x: T, y: T| Ok((!y.zero()).then(|| x.remainder(y)))),
        '/' if has_zero::<T>(b)? => checked_binary(a, b, |x: T, y: T| (x.over(y), y.zero()), |wrong| wrong, |_, _| divide_by_zero()),
        '/' => access::binary(a, b, |x: T, y: T| x.over(y)),
        _ => checked_binary(a, b, |x: T, y: T| (x.remainder(y), y.zero()), |wrong| wrong, |_, _| remainder_by_zero()),
    }
}

/// Whether a divisor is 0, be it under a NULL.
fn has_zero<T: Real>(divisors: &Series) -> Result<bool, EngineError> {
    let values = access::numbers::<T>(divisors)?.values;
    // A block at a time, without a branch within.
    Ok(values.chunks(1024).any(|block| block.iter().fold(false, |found, y| found | y.zero())))
}

fn positive_modulo(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    fn whole<T: Whole>(call: &KernelCall<'_>) -> Result<Series, EngineError> {
        try_binary(call.column(0), call.column(1), |x: T, y: T| {
            if y.is_zero() {
                return Err(remainder_by_zero());
            }
            let rest = x.remainder(y);
            Ok(if rest.is_negative() { rest.add(y).0.remainder(y) } else { rest })
        })
    }
    fn real<T: Real>(call: &KernelCall<'_>) -> Result<Series, EngineError> {
        try_binary(call.column(0), call.column(1), |x: T, y: T| {
            if y.zero() {
                return Err(remainder_by_zero());
            }
            let rest = x.remainder(y);
            Ok(if rest.below_zero() { (rest + y).remainder(y) } else { rest })
        })
    }
    match call.data_type(0) {
        DataType::TinyInt => whole::<i8>(call),
        DataType::SmallInt => whole::<i16>(call),
        DataType::Int => whole::<i32>(call),
        DataType::BigInt => whole::<i64>(call),
        DataType::Float => real::<f32>(call),
        DataType::Double => real::<f64>(call),
        DataType::Decimal(..) => decimal::positive_modulo(call),
        _ => Ok(call.null()),
    }
}

fn whole_division(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let too_big = || overflow("the quotient").help("use `try_divide`, or cast to a wider type");
    fn divide(x: i64, y: i64) -> Result<i64, EngineError> {
        if y == 0 {
            return Err(divide_by_zero());
        }
        x.checked_div(y).ok_or_else(|| overflow("the quotient").help("use `try_divide`, or cast to a wider type"))
    }
    fn narrow<T: Whole>(call: &KernelCall<'_>) -> Result<Series, EngineError> {
        let wide = |v: T| -> i64 { i64::try_from(Into::<i128>::into(v)).unwrap_or_default() };
        try_binary(call.column(0), call.column(1), |x: T, y: T| divide(wide(x), wide(y)))
    }
    match (call.data_type(0), call.data_type(1)) {
        (DataType::TinyInt, _) => narrow::<i8>(call),
        (DataType::SmallInt, _) => narrow::<i16>(call),
        (DataType::Int, _) => narrow::<i32>(call),
        (DataType::YearMonthInterval(..), _) => narrow::<i32>(call),
        (DataType::BigInt | DataType::DayTimeInterval(..), _) => try_binary(call.column(0), call.column(1), divide),
        (DataType::Decimal(p1, s1), DataType::Decimal(p2, s2)) => {
            let (a, b) = ((*p1, *s1), (*p2, *s2));
            try_binary(call.column(0), call.column(1), |x: i128, y: i128| match y {
                0 => Err(divide_by_zero()),
                _ => decimal::whole_quotient(a, b, x, y).ok_or_else(too_big),
            })
        }
        _ => Ok(call.null()),
    }
}

fn negative(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    fn whole<T: Whole>(call: &KernelCall<'_>) -> Result<Series, EngineError> {
        try_unary(call.column(0), |x: T| x.negate().ok_or_else(|| overflow(&format!("-({})", Into::<i128>::into(x)))))
    }
    match call.data_type(0) {
        DataType::TinyInt => whole::<i8>(call),
        DataType::SmallInt => whole::<i16>(call),
        DataType::Int => whole::<i32>(call),
        DataType::BigInt => whole::<i64>(call),
        DataType::Float => unary(call.column(0), |x: f32| -x),
        DataType::Double => unary(call.column(0), |x: f64| -x),
        DataType::Decimal(..) => unary(call.column(0), |x: i128| -x),
        _ => interval::negative(call),
    }
}

fn absolute(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    fn whole<T: Whole>(call: &KernelCall<'_>) -> Result<Series, EngineError> {
        try_unary(call.column(0), |x: T| match x.is_negative() {
            true => x.negate().ok_or_else(|| overflow(&format!("abs({})", Into::<i128>::into(x)))),
            false => Ok(x),
        })
    }
    match call.data_type(0) {
        DataType::TinyInt => whole::<i8>(call),
        DataType::SmallInt => whole::<i16>(call),
        DataType::Int => whole::<i32>(call),
        DataType::BigInt => whole::<i64>(call),
        DataType::Float => unary(call.column(0), |x: f32| x.abs()),
        DataType::Double => unary(call.column(0), |x: f64| x.abs()),
        DataType::Decimal(..) => unary(call.column(0), |x: i128| x.abs()),
        _ => interval::absolute(call),
    }
}

fn bit_operator(call: &KernelCall<'_>, op: char) -> Result<Series, EngineError> {
    macro_rules! of {
        ($t:ty) => {
            match op {
                '&' => access::binary(call.column(0), call.column(1), |x: $t, y: $t| x & y),
                '|' => access::binary(call.column(0), call.column(1), |x: $t, y: $t| x | y),
                _ => access::binary(call.column(0), call.column(1), |x: $t, y: $t| x ^ y),
            }
        };
    }
    match call.data_type(0) {
        DataType::TinyInt => of!(i8),
        DataType::SmallInt => of!(i16),
        DataType::Int => of!(i32),
        DataType::BigInt => of!(i64),
        _ => Ok(call.null()),
    }
}

fn bit_not(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    match call.data_type(0) {
        DataType::TinyInt => unary(call.column(0), |x: i8| !x),
        DataType::SmallInt => unary(call.column(0), |x: i16| !x),
        DataType::Int => unary(call.column(0), |x: i32| !x),
        DataType::BigInt => unary(call.column(0), |x: i64| !x),
        _ => Ok(call.null()),
    }
}

/// Shifts take the count modulo the width, as Java does.
fn shift(call: &KernelCall<'_>, narrow: fn(i32, u32) -> i32, wide: fn(i64, u32) -> i64) -> Result<Series, EngineError> {
    match call.data_type(0) {
        DataType::BigInt => access::binary(call.column(0), call.column(1), |x: i64, n: i32| wide(x, n as u32)),
        DataType::Int => access::binary(call.column(0), call.column(1), |x: i32, n: i32| narrow(x, n as u32)),
        _ => Ok(call.null()),
    }
}
