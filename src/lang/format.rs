//! The text form of trees: what [`Display`](std::fmt::Display) writes parses back to an equal tree.

use super::ast::{Expr, ExprKind};
use crate::types::{DataType, Value};

/// The text of a decimal literal.
pub(super) fn expression(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Literal(Value::Decimal(unscaled), DataType::Decimal(_, scale)) => decimal(*unscaled, *scale),
        _ => String::new(),
    }
}

/// `150` of scale 2 is `1.50`.
fn decimal(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
