//! What a stream runs in another way than a table does: EXCEPT, and an aggregation that tells apart what is told apart.

use crate::plan::expr::{AggregateCall, ColumnId, Expr, FunctionId, NamedExpr};
use crate::plan::filters::ids_of;
use crate::plan::logical::{Column, JoinKind, LogicalPlan, NamedAggregate};
use crate::plan::optimizer::map_inputs;
use crate::types::{DataType, Value};
use std::collections::HashSet;

/// The plan as a stream runs it.
pub fn runnable(plan: LogicalPlan) -> LogicalPlan {
    let mut next = highest(&plan) + 1;
    rewritten(plan, &mut next)
}

fn rewritten(plan: LogicalPlan, next: &mut u32) -> LogicalPlan {
    let plan = map_inputs(plan, &mut |input| rewritten(input, next));
    match plan {
        LogicalPlan::SetOperation { left, right, intersect: false, all } if left.is_streaming() => {
            if all {
                except_all(*left, *right, next)
            } else {
                without_repeats(except(*left, *right))
            }
        }
        other => without_repeats(other),
    }
}

/// An aggregation for the keys alone is none where its input has each combination of them once.
fn without_repeats(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Aggregate { input, keys, aggregates } if aggregates.is_empty() && input.is_streaming() => {
            let told: HashSet<ColumnId> = keys.iter().flat_map(|k| plain(&k.expr)).collect();
            if distinct(&input).is_some_and(|ids| ids.is_subset(&told)) {
                return LogicalPlan::Project { input, exprs: keys };
            }
            LogicalPlan::Aggregate { input, keys, aggregates }
        }
        other => other,
    }
}

/// Columns that no two rows of the plan agree in.
fn distinct(plan: &LogicalPlan) -> Option<HashSet<ColumnId>> {
    match plan {
        LogicalPlan::Aggregate { keys, .. } if !keys.is_empty() => Some(keys.iter().map(|k| k.id).collect()),
        LogicalPlan::Filter { input, .. } | LogicalPlan::Sort { input, .. } | LogicalPlan::Limit { input, .. } => distinct(input),
        LogicalPlan::Join { left, kind: JoinKind::LeftSemi | JoinKind::LeftAnti, .. } => distinct(left),
        LogicalPlan::Project { input, exprs } => {
            let below = distinct(input)?;
            let handed = |id: &ColumnId| exprs.iter().find(|e| plain(&e.expr) == Some(*id)).map(|e| e.id);
            below.iter().map(handed).collect()
        }
        _ => None,
    }
}

fn plain(e: &Expr) -> Option<ColumnId> {
    match e {
        Expr::Column { id, .. } => Some(*id),
        _ => None,
    }
}

/// EXCEPT as an anti join whose rows are told apart.
fn except(left: LogicalPlan, right: LogicalPlan) -> LogicalPlan {
    let keys = left.columns().into_iter().map(|c| NamedExpr { id: c.id, name: c.name.clone(), expr: c.expr() }).collect();
    let pairs = left.columns().into_iter().zip(right.columns());
    let equal = pairs.map(|(a, b)| Expr::call("<=>", vec![a.expr(), b.expr()], DataType::Boolean));
    let condition = equal.reduce(|a, b| Expr::And(Box::new(a), Box::new(b)));
    let join = LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind: JoinKind::LeftAnti, condition };
    LogicalPlan::Aggregate { input: Box::new(join), keys, aggregates: vec![] }
}

/// EXCEPT ALL as Spark runs it: every row of the left counts 1, every row of the right -1, and in every batch again;
/// a row comes out as often as its count is above zero.
fn except_all(left: LogicalPlan, right: LogicalPlan, next: &mut u32) -> LogicalPlan {
    let mut fresh = |name: &str, data_type: DataType| {
        *next += 1;
        Column { id: ColumnId(*next - 1), name: name.to_string(), data_type }
    };
    let named = |to: &Column, expr: Expr| NamedExpr { id: to.id, name: to.name.clone(), expr };
    let number = |n: i64| Expr::literal(Value::Int(n), DataType::BigInt);
    let own = left.columns();
    let (vote, total, copy) = (fresh("vote", DataType::BigInt), fresh("count", DataType::BigInt), fresh("copy", DataType::BigInt));
    let both: Vec<Column> = own.iter().map(|c| fresh(&c.name, c.data_type.clone())).collect();
    let keys: Vec<Column> = own.iter().map(|c| fresh(&c.name, c.data_type.clone())).collect();
    let mut counted = |side: LogicalPlan, n: i64| {
        let columns = side.columns();
        let vote = fresh("vote", DataType::BigInt);
        let exprs = columns.iter().map(|c| named(c, c.expr())).chain([named(&vote, number(n))]).collect();
        LogicalPlan::Project { input: Box::new(side), exprs }
    };
    let inputs = vec![counted(left, 1), counted(right, -1)];
    let union = LogicalPlan::Union { inputs, columns: both.iter().cloned().chain([vote.clone()]).collect() };
    let sum = AggregateCall {
        function: FunctionId("sum"),
        args: vec![vote.expr()],
        filter: None,
        distinct: false,
        ignore_nulls: false,
        data_type: DataType::BigInt,
    };
    let counts = LogicalPlan::Aggregate {
        input: Box::new(union),
        keys: keys.iter().zip(&both).map(|(k, b)| named(k, b.expr())).collect(),
        aggregates: vec![NamedAggregate { id: total.id, name: total.name.clone(), call: sum }],
    };
    let predicate = Expr::call(">", vec![total.expr(), number(0)], DataType::Boolean);
    let kept = LogicalPlan::Filter { input: Box::new(counts), predicate };
    let numbers = Expr::call("sequence", vec![number(1), total.expr()], DataType::Array(Box::new(DataType::BigInt)));
    let generator = Expr::call("explode", vec![numbers], DataType::BigInt);
    let copies = LogicalPlan::Generate { input: Box::new(kept), generator, outer: false, columns: vec![copy] };
    let exprs = own.iter().zip(&keys).map(|(c, k)| named(c, k.expr())).collect();
    LogicalPlan::Project { input: Box::new(copies), exprs }
}

/// The highest number of a column in the plan.
fn highest(plan: &LogicalPlan) -> u32 {
    let own = ids_of(plan).into_iter().chain(plan.expressions().into_iter().flat_map(Expr::columns));
    let made = plan.inputs().into_iter().map(highest);
    own.map(|id| id.0).chain(made).max().unwrap_or(0)
}
