//! Operators: arithmetic, bits, casts by name, and access to elements.
//!
//! The analyzer types the symbols itself, because decimals, dates and intervals have rules of their own.

use super::*;

/// A row of this family.
const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    params: &'static [Param],
    returns: Returns,
    doc: &'static str,
    example: &'static str,
    pyspark: &'static str,
) -> Function {
    Function { name, aliases, kind: Kind::Scalar, params, repeats: None, returns, doc, example, pyspark }
}

/// `int(x)` and its like.
const fn cast(name: &'static str, doc: &'static str, example: &'static str) -> Function {
    row(name, &[], ANY, Returns::Special, doc, example, "cast")
}

const ANY: &[Param] = &[p("expr", Accepts::Any)];
const PAIR: &[Param] = &[p("expr1", Accepts::Common), p("expr2", Accepts::Common)];
const NUMBER: &[Param] = &[p("expr", Accepts::Signed)];
const BITS: &[Param] = &[p("base", Accepts::Integral), p("count", Accepts::Int)];

/// The quotient's type: DOUBLE unless decimals or intervals are divided.
fn quotient(types: &[DataType]) -> DataType {
    match types.first() {
        Some(t @ (DataType::Decimal(..) | DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..))) => t.clone(),
        _ => DataType::Double,
    }
}

/// Shifts widen TINYINT and SMALLINT to INT.
fn shifted(types: &[DataType]) -> DataType {
    if types.first() == Some(&DataType::BigInt) { DataType::BigInt } else { DataType::Int }
}

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row("+", &[], PAIR, Returns::Special, "The sum; also a date or time moved by days or an interval.", "SELECT 1 + 2", "+"),
    row("-", &[], PAIR, Returns::Special, "The difference; also between dates and times.", "SELECT 2 - 1", "-"),
    row("*", &[], PAIR, Returns::Special, "The product; also of an interval and a number.", "SELECT 2 * 3", "*"),
    row("/", &[], PAIR, Returns::Special, "The quotient, DOUBLE for whole numbers; dividing by 0 is an error.", "SELECT 3 / 2", "/"),
    row("div", &[], PAIR, Returns::Special, "The whole part of the quotient, as BIGINT.", "SELECT 3 div 2", "expr"),
    row("%", &["mod"], PAIR, Returns::Common, "The remainder; it has the sign of the dividend.", "SELECT mod(2, 1.8)", "%"),
    row("pmod", &[], PAIR, Returns::Common, "The remainder, never negative for a positive divisor.", "SELECT pmod(-10, 3)", "pmod"),
    row("try_add", &[], PAIR, Returns::Common, "The sum, NULL where it overflows.", "SELECT try_add(2147483647, 1)", "try_add"),
    row(
        "try_subtract",
        &[],
        PAIR,
        Returns::Common,
        "The difference, NULL where it overflows.",
        "SELECT try_subtract(-2147483648, 1)",
        "try_subtract",
    ),
    row(
        "try_multiply",
        &[],
        PAIR,
        Returns::Common,
        "The product, NULL where it overflows.",
        "SELECT try_multiply(2147483647, 2)",
        "try_multiply",
    ),
    row(
        "try_divide",
        &[],
        PAIR,
        Returns::Rule(quotient),
        "The quotient, NULL for a divisor of 0.",
        "SELECT try_divide(3, 0)",
        "try_divide",
    ),
    row("try_mod", &[], PAIR, Returns::Common, "The remainder, NULL for a divisor of 0.", "SELECT try_mod(3, 0)", "try_mod"),
    row("negative", &[], NUMBER, Returns::Same(0), "The number with its sign changed.", "SELECT negative(1)", "negative"),
    row("positive", &[], NUMBER, Returns::Same(0), "The number itself.", "SELECT positive(1)", "positive"),
    row("&", &[], PAIR, Returns::Special, "The bits set in both.", "SELECT 3 & 5", "bitwiseAND"),
    row("|", &[], PAIR, Returns::Special, "The bits set in either.", "SELECT 3 | 5", "bitwiseOR"),
    row("^", &[], PAIR, Returns::Special, "The bits set in just one.", "SELECT 3 ^ 5", "bitwiseXOR"),
    row("~", &[], &[p("expr", Accepts::Integral)], Returns::Same(0), "The bits not set.", "SELECT ~ 0", "bitwise_not"),
    row("<<", &["shiftleft"], BITS, Returns::Rule(shifted), "The bits moved to the left.", "SELECT shiftleft(2, 1)", "shiftleft"),
    row(
        ">>",
        &["shiftright"],
        BITS,
        Returns::Rule(shifted),
        "The bits moved to the right, the sign kept.",
        "SELECT shiftright(4, 1)",
        "shiftright",
    ),
    row(
        ">>>",
        &["shiftrightunsigned"],
        BITS,
        Returns::Rule(shifted),
        "The bits moved to the right, zeros moved in.",
        "SELECT shiftrightunsigned(4, 1)",
        "shiftrightunsigned",
    ),
    row(
        "getitem_array",
        &[],
        ANY,
        Returns::Special,
        "Element i of an array, counted from 0: array[i].",
        "SELECT array(1, 2, 3)[0]",
        "getItem",
    ),
    row("getitem_map", &[], ANY, Returns::Special, "The value of a key: map[key]; NULL without it.", "SELECT map('a', 1)['a']", "getItem"),
    row(
        "getfield_array",
        &[],
        ANY,
        Returns::Special,
        "A member of every struct in an array: array.member.",
        "SELECT array(named_struct('a', 1)).a",
        "getField",
    ),
    row(
        "cast",
        &[],
        ANY,
        Returns::Special,
        "The value as another type; an error where that cannot be.",
        "SELECT cast('10' AS INT)",
        "cast",
    ),
    row(
        "try_cast",
        &[],
        ANY,
        Returns::Special,
        "The value as another type; NULL where that cannot be.",
        "SELECT try_cast('x' AS INT)",
        "try_cast",
    ),
    cast("boolean", "The value as BOOLEAN.", "SELECT boolean('true')"),
    cast("tinyint", "The value as TINYINT.", "SELECT tinyint(1)"),
    cast("smallint", "The value as SMALLINT.", "SELECT smallint(1)"),
    cast("int", "The value as INT.", "SELECT int('1')"),
    cast("bigint", "The value as BIGINT.", "SELECT bigint(1)"),
    cast("float", "The value as FLOAT.", "SELECT float(1)"),
    cast("double", "The value as DOUBLE.", "SELECT double('NaN')"),
    cast("decimal", "The value as DECIMAL(10, 0).", "SELECT decimal(1)"),
    cast("string", "The value as STRING.", "SELECT string(1)"),
    cast("binary", "The value as BINARY.", "SELECT binary('abc')"),
    cast("date", "The value as DATE.", "SELECT date('2024-01-01')"),
    cast("timestamp", "The value as TIMESTAMP.", "SELECT timestamp('2024-01-01 10:00:00')"),
];
