//! Conditions in the shape in which their parts can go their own ways, as Spark's optimizer brings them into it:
//!
//! * `p AND TRUE` is `p`, `p OR FALSE` is `p`,
//! * `NOT (p OR q)` is `NOT p AND NOT q`,
//! * `(p AND q) OR (p AND r)` is `p AND (q OR r)`.

use crate::plan::expr::Expr;
use crate::plan::logical::LogicalPlan;
use crate::plan::optimizer::map_inputs;
use crate::plan::streaming::conjuncts;
use crate::types::{DataType, Value};

/// The plan with the conditions of its filters and joins simplified.
pub(super) fn conditions(plan: LogicalPlan) -> LogicalPlan {
    match map_inputs(plan, &mut conditions) {
        LogicalPlan::Filter { input, predicate } => LogicalPlan::Filter { input, predicate: simplified(predicate) },
        LogicalPlan::Join { left, right, kind, condition } => LogicalPlan::Join { left, right, kind, condition: condition.map(simplified) },
        other => other,
    }
}

fn simplified(e: Expr) -> Expr {
    match e {
        Expr::And(a, b) => match (simplified(*a), simplified(*b)) {
            (a, b) if is(&a, true) || is(&b, false) && !may_fail(&a) => b,
            (a, b) if is(&b, true) || is(&a, false) => a,
            (a, b) => Expr::And(Box::new(a), Box::new(b)),
        },
        Expr::Or(a, b) => match (simplified(*a), simplified(*b)) {
            (a, b) if is(&a, false) || is(&b, true) && !may_fail(&a) => b,
            (a, b) if is(&b, false) || is(&a, true) => a,
            (a, b) => without_common(a, b),
        },
        Expr::Call { function, mut args, data_type } if function.0 == "not" && args.len() == 1 => match args.remove(0) {
            Expr::And(a, b) => simplified(Expr::Or(Box::new(not(*a)), Box::new(not(*b)))),
            Expr::Or(a, b) => simplified(Expr::And(Box::new(not(*a)), Box::new(not(*b)))),
            other => Expr::Call { function, args: vec![simplified(other)], data_type },
        },
        other => other,
    }
}

fn is(e: &Expr, value: bool) -> bool {
    matches!(e, Expr::Literal { value: Value::Boolean(b), .. } if *b == value)
}

/// Whether leaving it out could hide an error: anything that computes.
fn may_fail(e: &Expr) -> bool {
    e.any(&|e| matches!(e, Expr::Call { .. } | Expr::Cast { .. } | Expr::Subquery { .. }))
}

fn not(e: Expr) -> Expr {
    match e {
        Expr::Call { function, mut args, .. } if function.0 == "not" && args.len() == 1 => args.remove(0),
        Expr::Literal { value: Value::Boolean(b), data_type } => Expr::literal(Value::Boolean(!b), data_type),
        other => Expr::call("not", vec![other], DataType::Boolean),
    }
}

/// `a OR b` with the parts that both have taken out.
fn without_common(a: Expr, b: Expr) -> Expr {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    conjuncts(&a, &mut left);
    conjuncts(&b, &mut right);
    let common: Vec<Expr> = left.iter().filter(|e| right.contains(e)).map(|e| (*e).clone()).collect();
    if common.is_empty() {
        return Expr::Or(Box::new(a), Box::new(b));
    }
    let rest = |parts: Vec<&Expr>| all_of(parts.into_iter().filter(|e| !common.contains(e)).cloned());
    let rest = match (rest(left), rest(right)) {
        (Some(a), Some(b)) => Some(Expr::Or(Box::new(a), Box::new(b))),
        // One side asks for no more than what both ask for.
        _ => None,
    };
    all_of(common.into_iter().chain(rest)).unwrap_or_else(|| Expr::literal(Value::Boolean(true), DataType::Boolean))
}

fn all_of(parts: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|a, b| Expr::And(Box::new(a), Box::new(b)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::expr::ColumnId;

    fn column(id: u32) -> Expr {
        Expr::Column { id: ColumnId(id), name: format!("c{id}"), data_type: DataType::Boolean }
    }

    fn and(a: Expr, b: Expr) -> Expr {
        Expr::And(Box::new(a), Box::new(b))
    }

    fn or(a: Expr, b: Expr) -> Expr {
        Expr::Or(Box::new(a), Box::new(b))
    }

    #[test]
    fn takes_out_what_both_sides_ask_for() {
        let both = or(and(column(1), column(2)), and(column(1), column(3)));
        assert_eq!(simplified(both), and(column(1), or(column(2), column(3))));
        assert_eq!(simplified(or(and(column(1), column(2)), column(1))), column(1));
        assert_eq!(simplified(or(column(1), column(2))), or(column(1), column(2)));
    }

    #[test]
    fn a_negation_goes_to_the_parts() {
        assert_eq!(simplified(not(or(column(1), not(column(2))))), and(not(column(1)), column(2)));
        assert_eq!(simplified(not(and(column(1), column(2)))), or(not(column(1)), not(column(2))));
    }

    #[test]
    fn constants_go_away() {
        let constant = |b| Expr::literal(Value::Boolean(b), DataType::Boolean);
        assert_eq!(simplified(or(and(column(1), constant(true)), constant(false))), column(1));
        assert_eq!(simplified(and(constant(false), column(1))), constant(false));
        assert_eq!(simplified(or(column(1), constant(true))), constant(true));
    }
}
