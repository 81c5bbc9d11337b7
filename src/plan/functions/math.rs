//! Mathematical functions.

use super::*;
use DataTypeConst as T;

/// A row of this family.
const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    params: &'static [Param],
    returns: Returns,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function { name, aliases, kind: Kind::Scalar, params, repeats: None, returns, doc, example, pyspark: name }
}

/// A function of one DOUBLE that gives a DOUBLE.
const fn real(name: &'static str, doc: &'static str, example: &'static str) -> Function {
    row(name, &[], REAL, DOUBLE, doc, example)
}

const DOUBLE: Returns = Returns::Type(T::Double);
const NUMBER: &[Param] = &[p("expr", Accepts::NumericOrInterval)];
const REAL: &[Param] = &[p("expr", Accepts::Double)];
const ROUNDED: &[Param] = &[p("expr", Accepts::Numeric), opt("d", Accepts::ConstantInt)];
const CUT: &[Param] = &[p("expr", Accepts::Numeric), opt("d", Accepts::ExactConstantInt)];
const PLANE: &[Param] = &[p("expr1", Accepts::Double), p("expr2", Accepts::Double)];

/// Bounds of a uniform number: DOUBLE if either is no whole number.
fn uniform(types: &[DataType]) -> DataType {
    match (types.first(), types.get(1)) {
        (Some(DataType::BigInt), Some(b)) if b.is_integral() => DataType::BigInt,
        (Some(a), Some(DataType::BigInt)) if a.is_integral() => DataType::BigInt,
        (Some(a), Some(b)) if a.is_integral() && b.is_integral() => crate::plan::coerce::tightest(a, b).unwrap_or(DataType::Int),
        (Some(DataType::Double), _) | (_, Some(DataType::Double)) => DataType::Double,
        (Some(DataType::Float), _) | (_, Some(DataType::Float)) => DataType::Float,
        (Some(DataType::Decimal(p, s)), Some(DataType::Decimal(q, t))) => DataType::Decimal(*p.max(q), *s.max(t)),
        (Some(t @ DataType::Decimal(..)), _) | (_, Some(t @ DataType::Decimal(..))) => t.clone(),
        _ => DataType::Double,
    }
}

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row("abs", &[], NUMBER, Returns::Same(0), "The absolute value.", "SELECT abs(-1)"),
    real("acos", "The inverse cosine; NaN outside -1 to 1.", "SELECT acos(1)"),
    real("acosh", "The inverse hyperbolic cosine.", "SELECT acosh(1)"),
    real("asin", "The inverse sine; NaN outside -1 to 1.", "SELECT asin(0)"),
    real("asinh", "The inverse hyperbolic sine.", "SELECT asinh(0)"),
    real("atan", "The inverse tangent.", "SELECT atan(0)"),
    row("atan2", &[], PLANE, DOUBLE, "The angle of the point (expr2, expr1).", "SELECT atan2(0, 0)"),
    real("atanh", "The inverse hyperbolic tangent.", "SELECT atanh(0)"),
    row("bin", &[], &[p("expr", Accepts::BigInt)], Returns::Type(T::String), "A whole number in binary.", "SELECT bin(13)"),
    row(
        "bit_count",
        &[],
        &[p("expr", Accepts::Exact(&[T::Int, T::BigInt, T::SmallInt, T::TinyInt, T::Boolean]))],
        Returns::Type(T::Int),
        "How many bits of a whole number are set, of 64.",
        "SELECT bit_count(7)",
    ),
    row(
        "bit_get",
        &["getbit"],
        &[p("expr", WHOLE_ONLY), p("pos", Accepts::Int)],
        Returns::Rule(|_| DataType::TinyInt),
        "The bit at a position, counted from the right from 0.",
        "SELECT bit_get(11, 0)",
    ),
    row("bround", &[], ROUNDED, Returns::Same(0), "The number rounded to d digits, the even one in the middle.", "SELECT bround(2.5, 0)"),
    real("cbrt", "The cube root.", "SELECT cbrt(27.0)"),
    row("ceil", &["ceiling"], CUT, Returns::Rule(whole), "The least whole number not below, or number of d digits.", "SELECT ceil(-0.1)"),
    row(
        "conv",
        &[],
        &[p("num", Accepts::String), p("from_base", Accepts::Int), p("to_base", Accepts::Int)],
        Returns::Type(T::String),
        "A number's text in another base, from 2 to 36.",
        "SELECT conv('100', 2, 10)",
    ),
    real("cos", "The cosine.", "SELECT cos(0)"),
    real("cosh", "The hyperbolic cosine.", "SELECT cosh(0)"),
    real("cot", "The cotangent.", "SELECT cot(1)"),
    real("csc", "The cosecant.", "SELECT csc(1)"),
    real("degrees", "Radians as degrees.", "SELECT degrees(3.141592653589793)"),
    row("e", &[], &[], DOUBLE, "Euler's number.", "SELECT e()"),
    real("exp", "e to the power of the number.", "SELECT exp(0)"),
    real("expm1", "exp(expr) - 1, exact near 0.", "SELECT expm1(0)"),
    row(
        "factorial",
        &[],
        &[p("expr", Accepts::Int)],
        Returns::Type(T::BigInt),
        "The product of 1 to n; NULL outside 0 to 20.",
        "SELECT factorial(5)",
    ),
    row("floor", &[], CUT, Returns::Rule(whole), "The greatest whole number not above, or number of d digits.", "SELECT floor(-0.1)"),
    row("hypot", &[], PLANE, DOUBLE, "The square root of the sum of both squares.", "SELECT hypot(3, 4)"),
    real("ln", "The natural logarithm; NULL for 0 and below.", "SELECT ln(1)"),
    row(
        "log",
        &[],
        &[p("base", Accepts::Double), opt("expr", Accepts::Double)],
        DOUBLE,
        "The logarithm to a base, or with one argument the natural one; NULL for 0 and below.",
        "SELECT log(10, 100)",
    ),
    real("log10", "The logarithm to base 10.", "SELECT log10(10)"),
    real("log1p", "ln(1 + expr), exact near 0.", "SELECT log1p(0)"),
    real("log2", "The logarithm to base 2.", "SELECT log2(2)"),
    row("pi", &[], &[], DOUBLE, "The number pi.", "SELECT pi()"),
    row("power", &["pow"], PLANE, DOUBLE, "expr1 to the power of expr2.", "SELECT power(2, 3)"),
    real("radians", "Degrees as radians.", "SELECT radians(180)"),
    real("rint", "The nearest whole number as DOUBLE, the even one in the middle.", "SELECT rint(12.3456)"),
    row("round", &[], ROUNDED, Returns::Same(0), "The number rounded to d digits, away from zero in the middle.", "SELECT round(2.5, 0)"),
    real("sec", "The secant.", "SELECT sec(0)"),
    row("sign", &["signum"], NUMBER, DOUBLE, "-1.0, 0.0 or 1.0 as the number is negative, zero or positive.", "SELECT sign(40)"),
    real("sin", "The sine.", "SELECT sin(0)"),
    real("sinh", "The hyperbolic sine.", "SELECT sinh(0)"),
    real("sqrt", "The square root; NaN below 0.", "SELECT sqrt(4)"),
    real("tan", "The tangent.", "SELECT tan(0)"),
    real("tanh", "The hyperbolic tangent.", "SELECT tanh(0)"),
    row(
        "width_bucket",
        &[],
        &[
            p("value", Accepts::NumericOrInterval),
            p("min_value", Accepts::NumericOrInterval),
            p("max_value", Accepts::NumericOrInterval),
            p("num_bucket", Accepts::BigInt),
        ],
        Returns::Type(T::BigInt),
        "In which of n equal parts of min to max the value lies; 0 and n + 1 are outside.",
        "SELECT width_bucket(5.3, 0.2, 10.6, 5)",
    ),
    row("rand", &["random"], &[opt("seed", SEED)], DOUBLE, "A random number from 0 to below 1.", "SELECT rand(0)"),
    row("randn", &[], &[opt("seed", SEED)], DOUBLE, "A random number of the normal distribution.", "SELECT randn(0)"),
    row(
        "randstr",
        &[],
        &[p("length", Accepts::ConstantInt), opt("seed", SEED)],
        Returns::Type(T::String),
        "A text of so many random characters 0-9, a-z and A-Z.",
        "SELECT randstr(3, 0)",
    ),
    row(
        "uniform",
        &[],
        &[p("min", Accepts::Number), p("max", Accepts::Number), opt("seed", SEED)],
        Returns::Rule(uniform),
        "A random number between two constants.",
        "SELECT uniform(10, 20, 0)",
    ),
];

/// `ceil` and `floor` of anything but a decimal.
fn whole(types: &[DataType]) -> DataType {
    match types.first() {
        Some(DataType::Decimal(p, s)) => DataType::Decimal((p - s + 1).clamp(1, 38), 0),
        _ => DataType::BigInt,
    }
}
