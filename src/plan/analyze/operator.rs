//! Operators with two sides: arithmetic over numbers, dates and intervals, comparison, logic, bits.

use super::expression::negate;
use super::{Analyzer, Env, Result, refuse};
use crate::lang::ast::{self, BinaryOp};
use crate::plan::coerce::{DAYS, cast, common, decimal_result, is_ordered};
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::naming::{spell, symbol};
use crate::types::{DataType, Value};

impl Analyzer<'_> {
    pub(super) fn binary(&mut self, op: BinaryOp, left: &ast::Expr, right: &ast::Expr, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let (l, r) = (self.expr(left, env)?, self.expr(right, env)?);
        match op {
            BinaryOp::And | BinaryOp::Or => self.logic(op, l, r, e),
            BinaryOp::NotEq => Ok(negate(self.comparison("=", l, r, e)?, true)),
            BinaryOp::Eq | BinaryOp::NullSafeEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => {
                self.comparison(symbol(op), l, r, e)
            }
            BinaryOp::Concat => self.typed_call("concat", vec![(l, left), (r, right)], e),
            BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor => self.bits(symbol(op), l, r, e),
            BinaryOp::ShiftLeft | BinaryOp::ShiftRight | BinaryOp::ShiftRightUnsigned => self.shift(symbol(op), l, r, e),
            BinaryOp::Plus | BinaryOp::Minus | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::IntDivide | BinaryOp::Modulo => {
                self.arithmetic(symbol(op), l, r, e)
            }
        }
    }

    fn logic(&self, op: BinaryOp, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        let fits = |x: &Expr| matches!(x.data_type(), DataType::Boolean | DataType::Void);
        if !fits(&l) || !fits(&r) {
            return self.wrong_operands(l.data_type(), r.data_type(), "BOOLEAN", e);
        }
        let (l, r) = (Box::new(cast(l, &DataType::Boolean)), Box::new(cast(r, &DataType::Boolean)));
        Ok(if op == BinaryOp::And { Expr::And(l, r) } else { Expr::Or(l, r) })
    }

    fn wrong_operands<T>(&self, left: DataType, right: DataType, wanted: &str, e: &ast::Expr) -> Result<T> {
        if left == right {
            return refuse(Reason::OperandType { expression: spell(e), wanted: wanted.to_string(), found: left }, e.span);
        }
        refuse(Reason::OperandTypes { expression: spell(e), left, right }, e.span)
    }

    /// A comparison with both sides brought to their common type.
    pub(super) fn comparison(&self, op: &'static str, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        let (lt, rt) = (l.data_type(), r.data_type());
        let Some(t) = common(&lt, &rt) else { return self.wrong_operands(lt, rt, "", e) };
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
            _ => self.wrong_operands(lt, rt, "whole numbers", e),
        }
    }

    fn shift(&self, op: &'static str, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        let t = match l.data_type() {
            DataType::BigInt => DataType::BigInt,
            DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::Void => DataType::Int,
            other => return self.wrong_operands(other, r.data_type(), "whole numbers", e),
        };
        Ok(Expr::call(op, vec![cast(l, &t), cast(r, &DataType::Int)], t))
    }

    /// `+ - * / div %`
    pub(super) fn arithmetic(&self, op: &'static str, l: Expr, r: Expr, e: &ast::Expr) -> Result<Expr> {
        let (lt, rt) = (l.data_type(), r.data_type());
        let temporal = |t: &DataType| t.is_datetime() || t.is_interval();
        if temporal(&lt) || temporal(&rt) {
            return match time_arithmetic(op, l, r) {
                Some(expr) => Ok(expr),
                None => self.unexpected(&spell(e), 2, format!("something that goes with {}", lt.sql()), rt, e.span),
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
        (DataType::Void, DataType::Void) => DataType::Double,
        _ => common(&lt, &rt)?,
    };
    if !t.is_numeric() {
        return None;
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
    let call = |l: Expr, r: Expr, t: DataType| Some(Expr::call(op, vec![l, r], t));
    match (op, &lt, &rt) {
        ("+", a, b) if !a.is_datetime() && b.is_datetime() => time_arithmetic(op, r, l),
        ("+" | "-", Date, TinyInt | SmallInt | Int) => call(l, cast(r, &Int), Date),
        ("+" | "-", Date, Void) => call(l, cast(r, &Int), Date),
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
        ("*", n, i) if n.is_numeric() && i.is_interval() => time_arithmetic(op, r, l),
        ("*" | "/", YearMonthInterval(..), n) if n.is_numeric() || *n == String => call(l, number(r), DataType::YEAR_TO_MONTH),
        ("*" | "/", DayTimeInterval(..), n) if n.is_numeric() || *n == String => call(l, number(r), DataType::DAY_TO_SECOND),
        ("*" | "/", CalendarInterval, n) if n.is_numeric() => call(l, number(r), CalendarInterval),
        _ => None,
    }
}

/// The factor of an interval: whole numbers stay exact, all else is DOUBLE.
fn number(expr: Expr) -> Expr {
    let t = expr.data_type();
    if t.is_integral() { cast(expr, &DataType::BigInt) } else { cast(expr, &DataType::Double) }
}
