//! Operators with two sides: arithmetic over numbers, dates and intervals, comparison, logic, bits.

use super::expression::negate;
use super::{Analyzer, Env, Result, refuse};
use crate::lang::ast::{self, BinaryOp};
use crate::plan::coerce::{DAYS, cast, common, decimal_result, is_ordered};
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::naming::{spell, symbol};
use crate::types::{DataType, DayTimeField, Value, YearMonthField};

impl Analyzer<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let (l, r) = (self.expr(left, env)?, self.expr(right, env)?);
        if matches!(
            op,
            BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::NullSafeEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq
        ) {
            self.warn_comparison(op, (left, &l), (right, &r), e);
        }
        match op {
            BinaryOp::And | BinaryOp::Or => self.logic(op, l, r, e),
            BinaryOp::NotEq => Ok(negate(self.comparison("=", l, r, e)?, true)),
            BinaryOp::Eq | BinaryOp::NullSafeEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => {
                self.comparison(symbol(op), l, r, e)
            }
            BinaryOp::Concat => self.typed_call("concat", vec![(l, left), (r, right)], e),
            BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor => self.bits(symbol(op), l, r, e),
            BinaryOp::ShiftLeft | BinaryOp::ShiftRight | BinaryOp::ShiftRightUnsigned => self.shift(symbol(op), (l, left), (r, right), e),
            BinaryOp::Plus | BinaryOp::Minus | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::IntDivide | BinaryOp::Modulo => {
                self.arithmetic(symbol(op), (l, left), (r, right), e)
            }
        }
    }

    fn logic(&self, op: BinaryOp, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        use DataType::{Boolean, String, Void};
        // A string beside a BOOLEAN is read as one; two strings are not.
        let fits = matches!((l.data_type(), r.data_type()), (Boolean | Void, Boolean | Void) | (Boolean, String) | (String, Boolean));
        if !fits {
            return self.wrong_operands(l.data_type(), r.data_type(), "BOOLEAN", e);
        }
        let (l, r) = (Box::new(cast(l, &DataType::Boolean)), Box::new(cast(r, &DataType::Boolean)));
        Ok(if op == BinaryOp::And { Expr::And(l, r) } else { Expr::Or(l, r) })
    }

    /// Operands that come to one type on which the operator does not work, or to none.
    fn wrong_operands<T>(&self, left: DataType, right: DataType, wanted: &str, e: &ast::Expr) -> Result<T> {
        // Spark brings the sides to one type where it can, and only then asks whether the operator works on it.
        let met = match (&left, &right) {
            (a, b) if a == b => Some(left.clone()),
            (DataType::String, t) | (t, DataType::String) if *t == DataType::Void => Some(DataType::String),
            (DataType::String, _) | (_, DataType::String) => common(&left, &right),
            (DataType::Decimal(..), DataType::Float | DataType::Double) | (DataType::Float | DataType::Double, DataType::Decimal(..)) => {
                Some(DataType::Double)
            }
            _ => None,
        };
        match met {
            Some(found) => refuse(Reason::OperandType { expression: spell(e), wanted: wanted.to_string(), found }, e.span),
            None => refuse(Reason::OperandTypes { expression: spell(e), left, right }, e.span),
        }
    }

    /// The refusal of an operation on a time: Spark says which argument of the function it chose is wrong, or, where it
    /// chose none, that the two sides do not go together.
    fn wrong_time<T>(&self, op: &str, (l, left): (&DataType, &ast::Expr), (r, right): (&DataType, &ast::Expr), e: &ast::Expr) -> Result<T> {
        let days = |t: &DataType| matches!(t, DataType::DayTimeInterval(..) | DataType::CalendarInterval);
        let date = |t: &DataType| *t == DataType::Date;
        let stamp = |t: &DataType| matches!(t, DataType::Timestamp | DataType::TimestampNtz);
        let chosen = match op {
            "+" => days(l) || days(r) || date(l) || date(r),
            "-" => days(r) || date(l) || date(r) || stamp(l) || stamp(r),
            "*" => l.is_interval() || r.is_interval(),
            "/" => l.is_interval(),
            _ => false,
        };
        if !chosen {
            return self.wrong_operands(l.clone(), r.clone(), "numbers", e);
        }
        let is_time = |t: &DataType| t.is_datetime() || t.is_interval();
        let (position, other, found, at) = if is_time(l) { (2, l, r, right) } else { (1, r, l, left) };
        self.unexpected(&spell(e), position, format!("something that goes with {}", other.sql()), found.clone(), at.span)
    }

    /// A comparison with both sides brought to their common type.
    pub(super) fn comparison(&self, op: &'static str, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        let (lt, rt) = (l.data_type(), r.data_type());
        let Some(t) = common(&lt, &rt) else { return self.wrong_operands(lt, rt, "", e) };
        // Arrays and structs are compared as they are: no element is cast.
        if lt != rt && !t.is_atomic() && t != DataType::Void && lt != DataType::Void && rt != DataType::Void {
            return refuse(Reason::OperandTypes { expression: spell(e), left: lt, right: rt }, e.span);
        }
        if !is_ordered(&t) {
            let reason = Reason::Rule {
                condition: "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE",
                message: format!("values of type {} cannot be compared", t.sql()),
            };
            return refuse(reason, e.span);
        }
        Ok(Expr::call(op, vec![cast(l, &t), cast(r, &t)], DataType::Boolean))
    }

    fn bits(&self, op: &'static str, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        let (lt, rt) = (l.data_type(), r.data_type());
        match common(&lt, &rt) {
            Some(t) if t.is_integral() => Ok(Expr::call(op, vec![cast(l, &t), cast(r, &t)], t)),
            Some(DataType::Void) => Ok(Expr::call(op, vec![cast(l, &DataType::Int), cast(r, &DataType::Int)], DataType::Int)),
            _ => self.wrong_operands(lt, rt, "whole numbers", e),
        }
    }

    pub(super) fn shift(
        &self,
        op: &'static str,
        (l, left): (Expr, &ast::Expr),
        (r, right): (Expr, &ast::Expr),
        e: &ast::Expr,
    ) -> Result<Expr> {
        let number = |t: &DataType| t.is_numeric() || matches!(t, DataType::String | DataType::Void);
        for (position, (side, tree)) in [(&l, left), (&r, right)].into_iter().enumerate() {
            if !number(&side.data_type()) {
                return self.unexpected(&spell(e), position + 1, "a whole number".to_string(), side.data_type(), tree.span);
            }
        }
        let t = if l.data_type() == DataType::BigInt { DataType::BigInt } else { DataType::Int };
        Ok(Expr::call(op, vec![cast(l, &t), cast(r, &DataType::Int)], t))
    }

    /// `+ - * / div %`
    pub(super) fn arithmetic(
        &self,
        op: &'static str,
        (l, left): (Expr, &ast::Expr),
        (r, right): (Expr, &ast::Expr),
        e: &ast::Expr,
    ) -> Result<Expr> {
        let (lt, rt) = (l.data_type(), r.data_type());
        let temporal = |t: &DataType| t.is_datetime() || t.is_interval();
        if temporal(&lt) || temporal(&rt) {
            return match time_arithmetic(op, l, r) {
                Some(expr) => Ok(expr),
                None => self.wrong_time(op, (&lt, left), (&rt, right), e),
            };
        }
        numeric(op, l, r).map_or_else(|| self.wrong_operands(lt, rt, "numbers", e), Ok)
    }
}

/// A whole-number literal as the decimal of just its digits, as Spark does beside a decimal.
fn exact(expr: Expr) -> Expr {
    let digits = match &expr {
        Expr::Literal { value: Value::Int(n), .. } => n.unsigned_abs().to_string().len() as u8,
        _ => match expr.data_type().as_decimal() {
            Some((p, s)) => return cast(expr, &DataType::Decimal(p, s)),
            None => return expr,
        },
    };
    cast(expr, &DataType::Decimal(digits, 0))
}

/// Arithmetic over numbers; `None` when the types do not fit.
pub(super) fn numeric(op: &'static str, l: Expr, r: Expr) -> Option<Expr> {
    let (lt, rt) = (l.data_type(), r.data_type());
    let t = match (&lt, &rt) {
        (DataType::String, DataType::String) => return None,
        (DataType::Void, DataType::Void) if op == "div" => DataType::BigInt,
        (DataType::Void, DataType::Void) => DataType::Double,
        // Spark types the division of NULL before it looks at the divisor.
        (DataType::Void, DataType::Decimal(..)) if op == "/" => DataType::Double,
        _ => common(&lt, &rt)?,
    };
    // A whole number stays one for DIV, and does not meet a DOUBLE.
    if op == "div" && (lt.is_integral() || rt.is_integral()) && matches!(t, DataType::Float | DataType::Double) {
        return None;
    }
    if !t.is_numeric() {
        return None;
    }
    if (&lt, &rt) == (&DataType::Void, &DataType::Void) && op == "div" {
        return Some(Expr::literal(Value::Null, DataType::BigInt));
    }
    if let DataType::Decimal(..) = t {
        let is_decimal = |t: &DataType| matches!(t, DataType::Decimal(..));
        let (l, r) = if lt == DataType::Void || rt == DataType::Void {
            (cast(l, &t), cast(r, &t))
        } else {
            (if is_decimal(&lt) { l } else { exact(l) }, if is_decimal(&rt) { r } else { exact(r) })
        };
        let (DataType::Decimal(p1, s1), DataType::Decimal(p2, s2)) = (l.data_type(), r.data_type()) else { return None };
        let result = if op == "div" { DataType::BigInt } else { decimal_result(op, (p1, s1), (p2, s2)) };
        return Some(Expr::call(op, vec![l, r], result));
    }
    let (operands, result) = match op {
        "/" => (DataType::Double, DataType::Double),
        "div" if t.is_integral() => (DataType::BigInt, DataType::BigInt),
        "div" => return None,
        _ => (t.clone(), t),
    };
    Some(Expr::call(op, vec![cast(l, &operands), cast(r, &operands)], result))
}

/// Arithmetic with a date, a timestamp or an interval on either side; `None` when there is none.
fn time_arithmetic(op: &'static str, l: Expr, r: Expr) -> Option<Expr> {
    use DataType::*;
    let (lt, rt) = (l.data_type(), r.data_type());
    // A string beside a time is a time.
    if lt == String && rt.is_datetime() {
        return time_arithmetic(op, cast(l, &rt), r);
    }
    if rt == String && lt.is_datetime() && op == "-" {
        return time_arithmetic(op, l, cast(r, &lt));
    }
    if let Some(found) = with_null(op, &l, &r) {
        return Some(found);
    }
    let call = |l: Expr, r: Expr, t: DataType| Some(Expr::call(op, vec![l, r], t));
    let null = |t: DataType| Some(Expr::literal(Value::Null, t));
    match (op, &lt, &rt) {
        // NULL takes the type that makes the operation one that there is.
        ("+" | "-", Void, t) | ("+" | "-", t, Void) if t.is_interval() => null(t.clone()),
        ("+", Void, Timestamp | TimestampNtz | Date) | ("+", Timestamp | TimestampNtz | Date, Void) => {
            null(if rt == TimestampNtz || lt == TimestampNtz { TimestampNtz } else { Timestamp })
        }
        ("-", Void, Date) | ("-", Date, Void) => null(DAYS),
        ("-", Void, t) | ("-", t, Void) if t.is_datetime() => null(DataType::DAY_TO_SECOND),
        ("*", Void, YearMonthInterval(..)) | ("*" | "/", YearMonthInterval(..), Void) => null(DataType::YEAR_TO_MONTH),
        ("*", Void, DayTimeInterval(..)) | ("*" | "/", DayTimeInterval(..), Void) => null(DataType::DAY_TO_SECOND),
        ("div", Void, t) | ("div", t, Void) if t.is_interval() => null(BigInt),
        ("div", YearMonthInterval(..), YearMonthInterval(..)) => {
            let months = |e| cast(cast(e, &YearMonthInterval(YearMonthField::Month, YearMonthField::Month)), &BigInt);
            call(months(l), months(r), BigInt)
        }
        ("div", DayTimeInterval(..), DayTimeInterval(..)) => {
            let seconds = |e| cast(cast(e, &DayTimeInterval(DayTimeField::Second, DayTimeField::Second)), &Decimal(20, 6));
            call(seconds(l), seconds(r), BigInt)
        }
        // A text beside a length of time is a TIMESTAMP, and the sum is text again.
        ("+" | "-", String, DayTimeInterval(..)) => Some(cast(time_arithmetic(op, cast(l, &Timestamp), r)?, &String)),
        ("+", DayTimeInterval(..), String) => Some(cast(time_arithmetic(op, cast(r, &Timestamp), l)?, &String)),
        ("*", String, i) if i.is_interval() => time_arithmetic(op, r, l),
        ("+", a, b) if !a.is_datetime() && b.is_datetime() => time_arithmetic(op, r, l),
        ("+" | "-", Date, TinyInt | SmallInt | Int) => call(l, cast(r, &Int), Date),
        ("+" | "-", Date, YearMonthInterval(..)) => call(l, r, Date),
        ("+" | "-", Date, t) if *t == DAYS => call(l, r, Date),
        ("+" | "-", Date, DayTimeInterval(..)) => call(cast(l, &Timestamp), r, Timestamp),
        ("+" | "-", Date, CalendarInterval) => call(l, r, Date),
        ("+" | "-", Timestamp | TimestampNtz, YearMonthInterval(..) | DayTimeInterval(..) | CalendarInterval) => call(l, r, lt),
        ("-", Date, Date) => call(l, r, DAYS),
        ("-", a, b) if a.is_datetime() && b.is_datetime() => {
            let t = common(a, b)?;
            call(cast(l, &t), cast(r, &t), DataType::DAY_TO_SECOND)
        }
        ("+" | "-", YearMonthInterval(..), YearMonthInterval(..))
        | ("+" | "-", DayTimeInterval(..), DayTimeInterval(..))
        | ("+" | "-", CalendarInterval, CalendarInterval) => {
            let t = common(&lt, &rt)?;
            call(cast(l, &t), cast(r, &t), t)
        }
        ("*", n, i) if (n.is_numeric() || *n == String) && i.is_interval() => time_arithmetic(op, r, l),
        ("div" | "+" | "-", Void, t) if t.is_interval() => time_arithmetic(op, cast(l, &rt), r),
        ("div" | "+" | "-", t, Void) if t.is_interval() => time_arithmetic(op, l, cast(r, &lt)),
        ("*" | "/", YearMonthInterval(..), n) if n.is_numeric() || *n == String => call(l, number(r), DataType::YEAR_TO_MONTH),
        ("*" | "/", DayTimeInterval(..), n) if n.is_numeric() || *n == String => call(l, number(r), DataType::DAY_TO_SECOND),
        ("*" | "/", CalendarInterval, n) if n.is_numeric() => call(l, number(r), CalendarInterval),
        _ => None,
    }
}

/// Arithmetic of a time or an interval with NULL: NULL of the type that the operation would have.
fn with_null(op: &str, l: &Expr, r: &Expr) -> Option<Expr> {
    use DataType::*;
    let (lt, rt) = (l.data_type(), r.data_type());
    let other = match (&lt, &rt) {
        (Void, t) | (t, Void) => t.clone(),
        _ => return None,
    };
    let t = match (op, other) {
        ("+", Date) => Timestamp,
        ("-", Date) => DAYS,
        ("-", Timestamp | TimestampNtz) => DataType::DAY_TO_SECOND,
        ("+", t @ (Timestamp | TimestampNtz)) => t,
        ("+" | "-", t) if t.is_interval() => t,
        ("*", YearMonthInterval(..)) => DataType::YEAR_TO_MONTH,
        ("*", DayTimeInterval(..)) => DataType::DAY_TO_SECOND,
        ("/", YearMonthInterval(..)) if rt == Void => DataType::YEAR_TO_MONTH,
        ("/", DayTimeInterval(..)) if rt == Void => DataType::DAY_TO_SECOND,
        ("div", t) if t.is_interval() => BigInt,
        _ => return None,
    };
    Some(Expr::literal(Value::Null, t))
}

/// The factor of an interval: whole numbers stay exact, all else is DOUBLE.
fn number(expr: Expr) -> Expr {
    let t = expr.data_type();
    if t.is_integral() { cast(expr, &DataType::BigInt) } else { cast(expr, &DataType::Double) }
}
