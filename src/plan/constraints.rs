//! What holds for every row that a plan gives, and what follows from it: with `a.k = b.k` and `a.k = 'x'` comes
//! `b.k = 'x'`; a comparison that is TRUE has no NULL in it. Spark infers the same, and over a stream it shows: rows that
//! an inferred condition drops below a WATERMARK do not move it.

use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::filters::{ids_of, is_unmovable};
use crate::plan::logical::{JoinKind, LogicalPlan};
use crate::plan::streaming::conjuncts;
use crate::types::DataType;
use std::collections::HashSet;

/// Conditions that are looked at; more could take long and tell little.
const MOST: usize = 200;

/// The conditions that every row of the plan satisfies, over its columns.
pub(super) fn known(plan: &LogicalPlan) -> Vec<Expr> {
    let all = match plan {
        LogicalPlan::Filter { input, predicate } => with_parts(known(input), predicate),
        LogicalPlan::Project { input, exprs } => renamed(known(input), exprs),
        LogicalPlan::Aggregate { input, keys, .. } => renamed(known(input), keys),
        LogicalPlan::TimeWindow { input, time, .. } | LogicalPlan::SessionWindow { input, time, .. } => {
            let mut all = known(input);
            all.push(is_not_null(time.clone()));
            all
        }
        LogicalPlan::Watermark { input, .. }
        | LogicalPlan::Generate { input, .. }
        | LogicalPlan::Deduplicate { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. } => known(input),
        LogicalPlan::Join { left, right, kind, condition } => of_join(left, right, *kind, condition.as_ref()),
        _ => vec![],
    };
    let columns = ids_of(plan);
    all.into_iter().filter(|e| e.columns().iter().all(|c| columns.contains(c))).collect()
}

/// What holds of a join's rows, and what follows from it.
pub(super) fn of_join(left: &LogicalPlan, right: &LogicalPlan, kind: JoinKind, condition: Option<&Expr>) -> Vec<Expr> {
    match kind {
        JoinKind::Inner | JoinKind::Cross | JoinKind::LeftSemi => matched(left, right, condition),
        JoinKind::Left | JoinKind::LeftAnti => known(left),
        JoinKind::Right => known(right),
        JoinKind::Full => vec![],
    }
}

/// What holds of two rows that are partners, and what follows from it.
pub(super) fn matched(left: &LogicalPlan, right: &LogicalPlan, condition: Option<&Expr>) -> Vec<Expr> {
    let mut all = known(left);
    all.extend(known(right));
    let mut all = match condition {
        Some(condition) => with_parts(all, condition),
        None => all,
    };
    for more in inferred(&all) {
        if !all.contains(&more) && all.len() < MOST {
            all.push(more);
        }
    }
    all
}

fn with_parts(mut all: Vec<Expr>, condition: &Expr) -> Vec<Expr> {
    let mut parts = Vec::new();
    conjuncts(condition, &mut parts);
    all.extend(parts.into_iter().filter(|e| !is_unmovable(e)).cloned());
    all.truncate(MOST);
    all
}

/// Conditions over the columns that a projection makes.
fn renamed(mut all: Vec<Expr>, exprs: &[NamedExpr]) -> Vec<Expr> {
    for made in exprs.iter().filter(|e| !matches!(e.expr, Expr::Literal { .. }) && !is_unmovable(&e.expr)) {
        let to = Expr::Column { id: made.id, name: made.name.clone(), data_type: made.expr.data_type() };
        if to == made.expr {
            continue;
        }
        let more: Vec<_> = all.iter().map(|e| replaced(e.clone(), &made.expr, &to)).filter(|e| !all.contains(e)).collect();
        all.extend(more);
        all.truncate(MOST);
    }
    all
}

/// What the equalities of columns among the conditions make of the others.
fn inferred(all: &[Expr]) -> Vec<Expr> {
    let column = |e: &Expr| matches!(e, Expr::Column { .. });
    let widened = |e: &Expr| matches!(e, Expr::Cast { expr, .. } if column(expr));
    let mut out = Vec::new();
    for equality in all {
        let Expr::Call { function, args, .. } = equality else { continue };
        let ("=", [a, b]) = (function.0, args.as_slice()) else { continue };
        let ways: &[(&Expr, &Expr)] = match () {
            () if column(a) && column(b) => &[(a, b), (b, a)],
            () if column(a) && (widened(b) || matches!(b, Expr::Literal { .. })) => &[(a, b)],
            () if column(b) && (widened(a) || matches!(a, Expr::Literal { .. })) => &[(b, a)],
            () => continue,
        };
        for (from, to) in ways {
            // Of a column that equals a constant the equalities of columns tell the same.
            let told = |e: &Expr| matches!(to, Expr::Literal { .. }) && is_equality(e);
            let others = all.iter().filter(|e| *e != equality && !is_null_test(e) && !told(e));
            let more = others.map(|e| replaced(e.clone(), from, to)).filter(|e| !all.contains(e) && !e.columns().is_empty());
            out.extend(more.filter(|e| !is_trivial(e)));
        }
    }
    out
}

fn is_null_test(e: &Expr) -> bool {
    matches!(e, Expr::Call { function, .. } if function.0 == "isnotnull")
}

fn is_equality(e: &Expr) -> bool {
    matches!(e, Expr::Call { function, .. } if matches!(function.0, "=" | "<=>"))
}

/// `a = a`
fn is_trivial(e: &Expr) -> bool {
    matches!(e, Expr::Call { function, args, .. } if matches!(function.0, "=" | "<=>") && args.len() == 2 && args[0] == args[1])
}

/// The expression with every `from` in it replaced.
fn replaced(e: Expr, from: &Expr, to: &Expr) -> Expr {
    if e == *from {
        return to.clone();
    }
    e.map_children(&mut |child| replaced(child, from, to))
}

/// `e IS NOT NULL`
pub(super) fn is_not_null(e: Expr) -> Expr {
    Expr::call("isnotnull", vec![e], DataType::Boolean)
}

/// That the columns of `columns` are there with which a condition could not be TRUE when they were NULL.
pub(super) fn presence(conditions: &[Expr], columns: &HashSet<ColumnId>) -> Vec<Expr> {
    let mut present = Vec::new();
    for condition in conditions {
        match condition {
            Expr::Call { function, args, .. } if function.0 == "isnotnull" => args.iter().for_each(|a| null_columns(a, &mut present)),
            other => null_columns(other, &mut present),
        }
    }
    present.into_iter().filter(|c| c.columns().iter().all(|id| columns.contains(id))).map(is_not_null).collect()
}

/// The columns with which a comparison cannot be TRUE when they are NULL.
fn null_columns(part: &Expr, out: &mut Vec<Expr>) {
    #[rustfmt::skip]
    const STRICT: &[&str] = &[
        "=", "!=", "<", "<=", ">", ">=", "not", "+", "-", "*", "/", "%", "div", "&", "|", "^", "~", "negative", "positive", "abs",
        "lower", "upper", "trim", "ltrim", "rtrim", "length", "substring", "like", "rlike", "contains", "startswith", "endswith",
        "floor", "ceil", "sqrt", "exp", "year", "month", "day", "hour", "minute", "second", "date_add", "date_sub", "datediff",
        "unix_seconds", "unix_millis", "unix_micros", "timestamp_seconds", "timestamp_millis", "timestamp_micros",
    ];
    match part {
        Expr::Column { .. } if !out.contains(part) => out.push(part.clone()),
        Expr::Call { function, args, .. } if STRICT.contains(&function.0) => args.iter().for_each(|a| null_columns(a, out)),
        Expr::Cast { expr, attempt: false, .. } => null_columns(expr, out),
        _ => {}
    }
}
