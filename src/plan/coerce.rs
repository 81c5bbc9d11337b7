//! Which types go together, and the implicit casts that bring them there.
//!
//! The rules are those of Spark's ANSI mode (`AnsiTypeCoercion`, `DecimalPrecision`).

use crate::plan::expr::Expr;
use crate::plan::functions::{Accepts, DataTypeConst as T};
use crate::types::{DataType, DayTimeField, Field};

/// Where a numeric type stands among the others: the greater holds the smaller.
fn rank(t: &DataType) -> Option<u8> {
    Some(match t {
        DataType::TinyInt => 0,
        DataType::SmallInt => 1,
        DataType::Int => 2,
        DataType::BigInt => 3,
        DataType::Float => 4,
        DataType::Double => 5,
        _ => return None,
    })
}

/// The narrowest type that holds both, without any help from strings.
pub(crate) fn tightest(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (Void, other) | (other, Void) => other.clone(),
        (Decimal(p1, s1), Decimal(p2, s2)) => wider_decimal((*p1, *s1), (*p2, *s2)),
        (Decimal(..), Float | Double) | (Float | Double, Decimal(..)) => Double,
        (Decimal(p, s), t) | (t, Decimal(p, s)) if t.is_integral() => wider_decimal((*p, *s), t.as_decimal()?),
        (Date, Timestamp) | (Timestamp, Date) | (Timestamp, TimestampNtz) | (TimestampNtz, Timestamp) => Timestamp,
        (Date, TimestampNtz) | (TimestampNtz, Date) => TimestampNtz,
        (YearMonthInterval(a1, a2), YearMonthInterval(b1, b2)) => YearMonthInterval(*a1.min(b1), *a2.max(b2)),
        (DayTimeInterval(a1, a2), DayTimeInterval(b1, b2)) => DayTimeInterval(*a1.min(b1), *a2.max(b2)),
        (Array(x), Array(y)) => DataType::array(tightest(x, y)?),
        (Map(k1, v1), Map(k2, v2)) => DataType::map(tightest(k1, k2)?, tightest(v1, v2)?),
        (Struct(x), Struct(y)) => structs(x, y, tightest)?,
        _ => match (rank(a)?, rank(b)?) {
            // An integer and a FLOAT meet in DOUBLE, so that no digit of the integer is lost.
            (4, 0..=3) | (0..=3, 4) => Double,
            (x, y) => {
                if x > y {
                    a.clone()
                } else {
                    b.clone()
                }
            }
        },
    })
}

/// The type that an array's elements and a value beside them become: only what loses no digit is widened, except that
/// an integer beside a FLOAT is one.
pub(crate) fn narrowest(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Float, t) | (t, Float) if t.is_integral() => Some(Float),
        (Decimal(p, s), t) | (t, Decimal(p, s)) if t.is_integral() => {
            let (digits, _) = t.as_decimal()?;
            (p - s >= digits).then_some(Decimal(*p, *s))
        }
        (Decimal(..), Void) | (Void, Decimal(..)) => tightest(a, b),
        (Decimal(..), _) | (_, Decimal(..)) => None,
        (Array(x), Array(y)) => Some(DataType::array(narrowest(x, y)?)),
        _ => tightest(a, b),
    }
}

/// The type that both become in CASE, coalesce, IN, UNION and comparisons: strings follow the other side.
pub(crate) fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::*;
    if let Some(t) = tightest(a, b) {
        return Some(t);
    }
    match (a, b) {
        (String, other) | (other, String) => match other {
            t if t.is_interval() => None,
            t if t.is_integral() => Some(BigInt),
            Float | Double | Decimal(..) => Some(Double),
            // Which fields of an interval a text names is not known before it is read.
            t if t.is_atomic() && !t.is_interval() => Some(t.clone()),
            _ => None,
        },
        (Array(x), Array(y)) => Some(DataType::array(common(x, y)?)),
        (Map(k1, v1), Map(k2, v2)) => Some(DataType::map(tightest(k1, k2)?, common(v1, v2)?)),
        (Struct(x), Struct(y)) => structs(x, y, common),
        _ => None,
    }
}

/// The common type of any number of types; VOID of none.
pub(crate) fn common_of<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Option<DataType> {
    types.into_iter().try_fold(DataType::Void, |so_far, t| common(&so_far, t))
}

fn structs(x: &[Field], y: &[Field], rule: fn(&DataType, &DataType) -> Option<DataType>) -> Option<DataType> {
    if x.len() != y.len() || !x.iter().zip(y).all(|(a, b)| crate::plan::scope::same(&a.name, &b.name)) {
        return None;
    }
    let fields = x.iter().zip(y).map(|(a, b)| Some(Field::new(a.name.clone(), rule(&a.data_type, &b.data_type)?)));
    Some(DataType::Struct(fields.collect::<Option<Vec<_>>>()?))
}

/// The decimal that holds every value of both, 38 digits at most.
pub(crate) fn wider_decimal((p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let scale = s1.max(s2);
    let digits = (p1 - s1).max(p2 - s2) + scale;
    if digits <= 38 { DataType::Decimal(digits, scale) } else { adjusted(i32::from(digits), i32::from(scale)) }
}

/// Spark's rule when a result wants more than 38 digits: give up fraction digits, but keep six of them.
fn adjusted(precision: i32, scale: i32) -> DataType {
    if precision <= 38 {
        return DataType::Decimal(precision as u8, scale as u8);
    }
    let whole = precision - scale;
    DataType::Decimal(38, (38 - whole).max(scale.min(6)) as u8)
}

/// The result type of `a op b` over decimals.
pub(crate) fn decimal_result(op: &str, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> DataType {
    let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
    match op {
        "+" | "-" => {
            let scale = s1.max(s2);
            adjusted((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        "*" => adjusted(p1 + p2 + 1, s1 + s2),
        "/" => {
            let scale = (s1 + p2 + 1).max(6);
            adjusted(p1 - s1 + s2 + scale, scale)
        }
        // The remainder is no longer than the divisor.
        _ => {
            let scale = s1.max(s2);
            adjusted((p1 - s1).min(p2 - s2) + scale, scale)
        }
    }
}

/// `expr` as `to`, with a cast only where the types differ.
pub(crate) fn cast(expr: Expr, to: &DataType) -> Expr {
    if expr.data_type() == *to {
        return expr;
    }
    match expr {
        Expr::Literal { value, .. } if value.is_null() => Expr::literal(value, to.clone()),
        // A constructor of constants takes the wanted element type itself.
        other => Expr::Cast { expr: Box::new(other), to: to.clone(), attempt: false },
    }
}

/// Whether `CAST(from AS to)` exists in ANSI mode.
pub(crate) fn can_cast(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        (a, b) if a == b => true,
        (Void, _) => true,
        (_, String) => true,
        (Array(a), Array(b)) => can_cast(a, b),
        (Map(k1, v1), Map(k2, v2)) => can_cast(k1, k2) && can_cast(v1, v2),
        (Struct(a), Struct(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| can_cast(&x.data_type, &y.data_type)),
        (String, t) => t.is_atomic() && !matches!(t, Void),
        (Boolean, t) => t.is_numeric(),
        (t, Boolean) => t.is_numeric(),
        (Date, Timestamp | TimestampNtz) => true,
        (Timestamp, Date | TimestampNtz) | (TimestampNtz, Date | Timestamp) => true,
        (t, Timestamp) if t.is_numeric() => true,
        (Timestamp, t) if t.is_numeric() => true,
        (YearMonthInterval(..), YearMonthInterval(..)) | (DayTimeInterval(..), DayTimeInterval(..)) => true,
        (t, YearMonthInterval(..) | DayTimeInterval(..)) => t.is_integral() || matches!(t, Decimal(..)),
        (YearMonthInterval(..) | DayTimeInterval(..), t) => t.is_integral() || matches!(t, Decimal(..)),
        (a, b) => a.is_numeric() && b.is_numeric(),
    }
}

/// What Spark says about a cast that ANSI mode does not have: the functions to use, or that another mode has it.
pub(crate) fn refused_cast(from: &DataType, to: &DataType) -> (&'static str, Option<&'static str>) {
    use DataType::*;
    const BY_FUNCTION: &str = "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION";
    match (from, to) {
        (t, Timestamp) if t.is_numeric() => (BY_FUNCTION, Some("timestamp_seconds, timestamp_millis or timestamp_micros")),
        (Timestamp, t) if t.is_numeric() => (BY_FUNCTION, Some("unix_seconds, unix_millis or unix_micros")),
        (t, Date) if t.is_numeric() => (BY_FUNCTION, Some("date_from_unix_date")),
        (Date, t) if t.is_numeric() => (BY_FUNCTION, Some("unix_date")),
        (t, Binary) if t.is_integral() => ("DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION", None),
        (Boolean, Timestamp) | (Timestamp | Date, Boolean) => ("DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION", None),
        _ => ("DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION", None),
    }
}

/// The type an argument of type `found` is cast to for a parameter, or `None` when it does not fit.
/// `Common`, `Element` and lambda parameters are settled by the caller.
pub(crate) fn accepted(accepts: Accepts, found: &DataType) -> Option<DataType> {
    use DataType::*;
    let atomic_text = |t: &DataType| t.is_atomic().then_some(String);
    let numbers = |target: DataType| match found {
        Void | String => Some(target.clone()),
        t if t.is_numeric() && tightest(t, &target).as_ref() == Some(&target) => Some(target.clone()),
        _ => None,
    };
    match accepts {
        Accepts::Any | Accepts::Common | Accepts::Element | Accepts::Lambda => Some(found.clone()),
        Accepts::Concatenable | Accepts::IndexOrKey | Accepts::Key => Some(found.clone()),
        Accepts::StringOrStringArray => match found {
            Array(element) => element.is_atomic().then(|| DataType::array(String)),
            _ => atomic_text(found),
        },
        Accepts::StringArray => match found {
            Array(element) => element.is_atomic().then(|| DataType::array(String)),
            Void => Some(DataType::array(String)),
            _ => None,
        },
        Accepts::StringOrDatetime | Accepts::TimestampSource => match found {
            Date | Timestamp | TimestampNtz => Some(found.clone()),
            t if t.is_numeric() && accepts == Accepts::TimestampSource => Some(t.clone()),
            _ => atomic_text(found),
        },
        Accepts::Extractable => match found {
            t if t.is_datetime() || t.is_interval() => Some(t.clone()),
            String | Void => Some(Timestamp),
            _ => None,
        },
        Accepts::String | Accepts::ConstantString => atomic_text(found),
        Accepts::StringOrBinary => {
            if matches!(found, Binary | String) {
                Some(found.clone())
            } else {
                atomic_text(found)
            }
        }
        Accepts::Binary => matches!(found, Binary | String | Void).then_some(Binary),
        Accepts::Boolean => matches!(found, Boolean | Void | String).then_some(Boolean),
        Accepts::SmallerInt => numbers(Int),
        Accepts::Int | Accepts::ConstantInt if found.is_numeric() => Some(Int),
        Accepts::ConstantInt => numbers(Int),
        Accepts::Int => numbers(Int),
        Accepts::BigInt if found.is_numeric() => Some(BigInt),
        Accepts::BigInt => numbers(BigInt),
        Accepts::Integral => match found {
            t if t.is_integral() => Some(t.clone()),
            Void => Some(Int),
            String => Some(BigInt),
            _ => None,
        },
        Accepts::Double => match found {
            Void | String => Some(Double),
            t => t.is_numeric().then_some(Double),
        },
        Accepts::Numeric => match found {
            Void | String => Some(Double),
            t => t.is_numeric().then(|| t.clone()),
        },
        Accepts::Number => match found {
            Void => Some(Double),
            t => t.is_numeric().then(|| t.clone()),
        },
        Accepts::NumericOrInterval => match found {
            Void | String => Some(Double),
            CalendarInterval => None,
            t => (t.is_numeric() || t.is_interval()).then(|| t.clone()),
        },
        Accepts::Signed => match found {
            Void | String => Some(Double),
            t => (t.is_numeric() || t.is_interval()).then(|| t.clone()),
        },
        Accepts::Measurable => match found {
            Void | String => Some(Double),
            CalendarInterval => None,
            t => (t.is_numeric() || t.is_interval() || t.is_datetime()).then(|| t.clone()),
        },
        Accepts::AnsiInterval => match found {
            YearMonthInterval(..) | DayTimeInterval(..) => Some(found.clone()),
            Void => Some(DataType::DAY_TO_SECOND),
            _ => None,
        },
        Accepts::Exact(types) => match found {
            Void => types.first().map(|t| t.data_type()),
            found => types.iter().map(|t| t.data_type()).find(|t| t == found),
        },
        Accepts::WidenedInt => matches!(found, Int | SmallInt | TinyInt | Void).then_some(Int),
        Accepts::ExactConstantInt => (*found == Int).then_some(Int),
        Accepts::Spellable => match found {
            Binary | String => Some(found.clone()),
            t if t.is_numeric() => Some(t.clone()),
            t => atomic_text(t),
        },
        Accepts::Date => matches!(found, Date | Timestamp | TimestampNtz | String | Void).then_some(Date),
        Accepts::Timestamp => matches!(found, Date | Timestamp | TimestampNtz | String | Void).then_some(Timestamp),
        Accepts::AnyTimestamp => match found {
            Timestamp | TimestampNtz => Some(found.clone()),
            Date | String | Void => Some(Timestamp),
            _ => None,
        },
        Accepts::Ordered => is_ordered(found).then(|| found.clone()),
        Accepts::Array | Accepts::ArrayOfCommon => match found {
            Array(_) => Some(found.clone()),
            Void => Some(DataType::array(Void)),
            _ => None,
        },
        Accepts::Map => match found {
            Map(..) => Some(found.clone()),
            Void => Some(DataType::map(Void, Void)),
            _ => None,
        },
        Accepts::ArrayOrMap => match found {
            Array(_) | Map(..) => Some(found.clone()),
            Void => Some(DataType::array(Void)),
            _ => None,
        },
        Accepts::Struct => match found {
            Struct(_) => Some(found.clone()),
            _ => None,
        },
    }
}

/// Whether values of the type have an order.
pub(crate) fn is_ordered(t: &DataType) -> bool {
    match t {
        DataType::Map(..) | DataType::CalendarInterval => false,
        DataType::Array(e) => is_ordered(e),
        DataType::Struct(fields) => fields.iter().all(|f| is_ordered(&f.data_type)),
        _ => true,
    }
}

/// The words a message uses for what a parameter takes.
pub(crate) fn wanted(accepts: Accepts) -> &'static str {
    match accepts {
        Accepts::Any | Accepts::Common | Accepts::Element => "of any type",
        Accepts::Concatenable => "a STRING, BINARY or ARRAY",
        Accepts::StringOrStringArray => "a STRING or ARRAY<STRING>",
        Accepts::StringArray => "an ARRAY<STRING>",
        Accepts::IndexOrKey => "a position, or a key of the map",
        Accepts::Key => "a key of the map",
        Accepts::StringOrDatetime | Accepts::TimestampSource => "a STRING, DATE or TIMESTAMP",
        Accepts::Extractable => "a DATE, TIMESTAMP or INTERVAL",
        Accepts::String => "a STRING",
        Accepts::StringOrBinary => "a STRING or BINARY",
        Accepts::Binary => "BINARY",
        Accepts::Boolean => "BOOLEAN",
        Accepts::Int | Accepts::SmallerInt => "an INT",
        Accepts::BigInt => "a BIGINT",
        Accepts::Integral => "a whole number",
        Accepts::Double => "a DOUBLE",
        Accepts::Numeric => "a number",
        Accepts::Number => "a number",
        Accepts::NumericOrInterval | Accepts::Signed => "a number or an INTERVAL",
        Accepts::Measurable => "a number, a DATE, a TIMESTAMP or an INTERVAL",
        Accepts::AnsiInterval => "an INTERVAL of one unit or of neighbouring units",
        Accepts::Exact(types) => match types {
            [T::String] => "a STRING",
            [T::Boolean] => "BOOLEAN",
            [T::Date] => "a DATE",
            [T::Float] => "a FLOAT",
            [T::FloatArray] => "an ARRAY<FLOAT>",
            [T::StringArray] => "an ARRAY<STRING>",
            [T::Timestamp, ..] => "a TIMESTAMP",
            [T::String, T::Date, ..] => "a STRING, DATE or TIMESTAMP",
            _ => "a whole number",
        },
        Accepts::WidenedInt | Accepts::ExactConstantInt => "an INT",
        Accepts::Spellable => "a number, BINARY or STRING",
        Accepts::Date => "a DATE",
        Accepts::Timestamp | Accepts::AnyTimestamp => "a TIMESTAMP",
        Accepts::Ordered => "of a type that has an order",
        Accepts::Array | Accepts::ArrayOfCommon => "an ARRAY",
        Accepts::Map => "a MAP",
        Accepts::ArrayOrMap => "an ARRAY or a MAP",
        Accepts::Struct => "a STRUCT",
        Accepts::Lambda => "a lambda such as x -> x + 1",
        Accepts::ConstantString => "a constant STRING",
        Accepts::ConstantInt => "a constant INT",
    }
}

/// The interval type of the days between two dates.
pub(crate) const DAYS: DataType = DataType::DayTimeInterval(DayTimeField::Day, DayTimeField::Day);

#[cfg(test)]
mod tests {
    use super::*;
    use DataType::*;

    #[test]
    fn numbers_meet_in_the_wider_type() {
        for (a, b, expected) in [
            (Int, BigInt, BigInt),
            (BigInt, Float, Double),
            (Float, Double, Double),
            (Int, Decimal(5, 2), Decimal(12, 2)),
            (Decimal(5, 2), Decimal(10, 4), Decimal(10, 4)),
            (Decimal(10, 2), Double, Double),
        ] {
            assert_eq!(tightest(&a, &b), Some(expected.clone()), "{a} and {b}");
            assert_eq!(tightest(&b, &a), Some(expected), "{b} and {a}");
        }
    }

    #[test]
    fn strings_follow_the_other_side() {
        assert_eq!(common(&String, &Int), Some(BigInt));
        assert_eq!(common(&String, &Date), Some(Date));
        assert_eq!(common(&Decimal(4, 1), &String), Some(Double));
        assert_eq!(common(&String, &DataType::array(Int)), None);
    }

    #[test]
    fn decimal_results_keep_six_fraction_digits() {
        assert_eq!(decimal_result("+", (10, 2), (10, 2)), Decimal(11, 2));
        assert_eq!(decimal_result("*", (10, 2), (10, 0)), Decimal(21, 2));
        assert_eq!(decimal_result("/", (10, 2), (10, 2)), Decimal(23, 13));
        assert_eq!(decimal_result("*", (38, 10), (38, 10)), Decimal(38, 6));
    }
}
