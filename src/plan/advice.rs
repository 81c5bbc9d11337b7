//! What a streaming query does that a learner would not expect: state that grows for ever, a LIMIT that counts over all
//! batches, a watermark that nothing uses. Spark runs these queries without a word.

use crate::diagnostic::Diagnostic;
use crate::lang::ast::Query;
use crate::plan::expr::{ColumnId, Expr};
use crate::plan::locate::{self, Clause};
use crate::plan::logical::LogicalPlan;
use crate::plan::streaming::{carries, conjuncts, event_time_columns};
use crate::plan::time_range::state_bound;
use crate::progress::OutputMode;
use std::collections::HashSet;

/// Warnings about a streaming plan that passed the check in this mode; `endless` where its trigger has no end.
pub fn streaming_warnings(plan: &LogicalPlan, mode: OutputMode, endless: bool, query: &Query) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    visit(plan, &mut |node| {
        let found = match node {
            LogicalPlan::Limit { limit: Some(n), .. } if mode == OutputMode::Append && node.is_streaming() => Some((
                Clause::Limit,
                format!("LIMIT {n} counts over all batches: after {n} rows the query gives nothing more"),
                "OUTPUT MODE complete with ORDER BY and LIMIT gives the first rows of every result".to_string(),
            )),
            LogicalPlan::Aggregate { input, keys, .. }
                if endless && mode == OutputMode::Update && node.is_streaming() && !keys.is_empty() =>
            {
                let event_time = event_time_columns(input);
                let unbounded = !keys.iter().any(|k| carries(&k.expr, &event_time));
                unbounded.then(|| {
                    (
                        Clause::Aggregate,
                        "every group is kept as long as the query runs: memory grows with the number of groups".to_string(),
                        "with WATERMARK ts DELAY OF INTERVAL 10 SECONDS and GROUP BY window(ts, '1 minute') old groups go".to_string(),
                    )
                })
            }
            LogicalPlan::Join { left, right, condition, .. } if endless && left.is_streaming() && right.is_streaming() => {
                grows(left, right, condition.as_ref()).then(|| {
                    (
                        Clause::Join,
                        "every row of both streams is kept as long as the query runs: nothing says when it has no partner left".to_string(),
                        "WATERMARK on both streams and AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 10 SECONDS in ON let old rows go"
                            .to_string(),
                    )
                })
            }
            _ => None,
        };
        if let Some((clause, message, help)) = found {
            add(&mut out, Diagnostic::warning(message).note(format!("help: {help}")), clause, query);
        }
    });
    if !keeps_state(plan) && contains_watermark(plan) {
        let message = "the watermark has no effect: it says when groups, sessions and joined rows are done, and there are none here";
        let warning = Diagnostic::warning(message).note("help: leave WATERMARK out, or GROUP BY window(ts, '10 seconds')");
        add(&mut out, warning, Clause::Watermark, query);
    }
    out
}

fn add(out: &mut Vec<Diagnostic>, warning: Diagnostic, clause: Clause, query: &Query) {
    if out.iter().any(|w| w.message == warning.message) {
        return;
    }
    // What stands in a view has no place in this text.
    out.push(match locate::find(query, clause) {
        Some(span) => warning.at(span),
        None => warning,
    });
}

fn visit(plan: &LogicalPlan, f: &mut dyn FnMut(&LogicalPlan)) {
    f(plan);
    plan.inputs().into_iter().for_each(|input| visit(input, f));
}

/// Whether no side of a join of streams ever lets a row go.
fn grows(left: &LogicalPlan, right: &LogicalPlan, condition: Option<&Expr>) -> bool {
    let event_time = [left, right].map(event_time_columns);
    let ids: [HashSet<ColumnId>; 2] = [left, right].map(|side| side.columns().iter().map(|c| c.id).collect());
    let mut parts = Vec::new();
    if let Some(condition) = condition {
        conjuncts(condition, &mut parts);
    }
    let timed = |part: &&Expr| match part {
        Expr::Call { function, args, .. } if matches!(function.0, "=" | "<=>") => {
            args.iter().any(|a| event_time.iter().any(|set| carries(a, set)))
        }
        _ => false,
    };
    !parts.iter().any(timed) && (0..2).all(|side| state_bound(condition, &ids[side], &event_time[1 - side]).is_none())
}

/// Whether an operator remembers rows from batch to batch.
fn keeps_state(plan: &LogicalPlan) -> bool {
    let mut found = false;
    visit(plan, &mut |node| {
        found |= match node {
            LogicalPlan::Aggregate { .. } | LogicalPlan::Deduplicate { .. } | LogicalPlan::SetOperation { .. } => node.is_streaming(),
            LogicalPlan::Join { left, right, .. } => left.is_streaming() && right.is_streaming(),
            _ => false,
        };
    });
    found
}

fn contains_watermark(plan: &LogicalPlan) -> bool {
    let mut found = false;
    visit(plan, &mut |node| found |= matches!(node, LogicalPlan::Watermark { .. }));
    found
}
