//! Rewrites that keep the rows: constants folded, conditions simplified, filters moved down (`filters.rs`), unused
//! columns never read.

use crate::plan::analyze::is_constant;
use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::filters::{Filters, ids_of, is_unmovable};
use crate::plan::logical::LogicalPlan;
use crate::plan::{Fold, simplify};
use std::collections::HashSet;

/// The plan with constant expressions computed; one that fails stays, and fails when a row reaches it.
pub fn fold_constants(plan: LogicalPlan, fold: &dyn Fold) -> LogicalPlan {
    map_exprs(plan, &mut |e| folded(e, fold))
}

/// The plan that runs, of one with constants folded.
pub fn optimize(plan: LogicalPlan, fold: &dyn Fold) -> LogicalPlan {
    let plan = simplify::conditions(plan);
    let plan = Filters { fold }.apply(plan);
    let plan = push_limits(plan);
    let wanted = plan.columns().iter().map(|c| c.id).collect();
    prune(plan, &wanted)
}

/// Replaces constant sub-expressions by their values; one that fails stays, and fails when a row reaches it.
fn folded(expr: Expr, fold: &dyn Fold) -> Expr {
    let expr = expr.map_children(&mut |child| folded(child, fold));
    let worth = matches!(
        expr,
        Expr::Call { .. } | Expr::Cast { .. } | Expr::Case { .. } | Expr::And(..) | Expr::Or(..) | Expr::Coalesce { .. } | Expr::In { .. }
    );
    if !worth || expr.children().is_empty() || !is_constant(&expr) || expr.any(&|e| matches!(e, Expr::Lambda { .. })) {
        return expr;
    }
    match fold.fold(&expr) {
        Ok(value) => Expr::literal(value, expr.data_type()),
        Err(_) => expr,
    }
}

/// The same plan with `f` applied to every expression.
fn map_exprs(plan: LogicalPlan, f: &mut dyn FnMut(Expr) -> Expr) -> LogicalPlan {
    let plan = map_inputs(plan, &mut |input| map_exprs(input, f));
    let named = |list: Vec<NamedExpr>, f: &mut dyn FnMut(Expr) -> Expr| {
        list.into_iter().map(|e| NamedExpr { expr: f(e.expr), ..e }).collect::<Vec<_>>()
    };
    match plan {
        LogicalPlan::Project { input, exprs } => LogicalPlan::Project { input, exprs: named(exprs, f) },
        LogicalPlan::Filter { input, predicate } => LogicalPlan::Filter { input, predicate: f(predicate) },
        LogicalPlan::Generate { input, generator, outer, columns } => {
            let generator = generator.map_children(f);
            LogicalPlan::Generate { input, generator, outer, columns }
        }
        LogicalPlan::Aggregate { input, keys, mut aggregates } => {
            for aggregate in &mut aggregates {
                aggregate.call.args = std::mem::take(&mut aggregate.call.args).into_iter().map(&mut *f).collect();
                aggregate.call.filter = aggregate.call.filter.take().map(&mut *f);
            }
            LogicalPlan::Aggregate { input, keys: named(keys, f), aggregates }
        }
        LogicalPlan::Expand { input, projections, columns } => {
            let projections = projections.into_iter().map(|p| p.into_iter().map(&mut *f).collect()).collect();
            LogicalPlan::Expand { input, projections, columns }
        }
        LogicalPlan::Join { left, right, kind, condition } => LogicalPlan::Join { left, right, kind, condition: condition.map(f) },
        LogicalPlan::Values { rows, columns } => {
            LogicalPlan::Values { rows: rows.into_iter().map(|r| r.into_iter().map(&mut *f).collect()).collect(), columns }
        }
        LogicalPlan::Sort { input, keys } => {
            let keys = keys.into_iter().map(|k| crate::plan::expr::SortKey { expr: f(k.expr), ..k }).collect();
            LogicalPlan::Sort { input, keys }
        }
        other => other,
    }
}

/// The same node over rewritten inputs.
pub(crate) fn map_inputs(plan: LogicalPlan, f: &mut dyn FnMut(LogicalPlan) -> LogicalPlan) -> LogicalPlan {
    use LogicalPlan::*;
    let mut g = |input: Box<LogicalPlan>| Box::new(f(*input));
    match plan {
        leaf @ (Scan(_) | Memory { .. } | Values { .. } | Range { .. } | System { .. }) => leaf,
        Project { input, exprs } => Project { input: g(input), exprs },
        Filter { input, predicate } => Filter { input: g(input), predicate },
        Generate { input, generator, outer, columns } => Generate { input: g(input), generator, outer, columns },
        Watermark { input, column, delay } => Watermark { input: g(input), column, delay },
        TimeWindow { input, time, size, slide, start, column } => TimeWindow { input: g(input), time, size, slide, start, column },
        SessionWindow { input, time, gap, column } => SessionWindow { input: g(input), time, gap, column },
        Aggregate { input, keys, aggregates } => Aggregate { input: g(input), keys, aggregates },
        Expand { input, projections, columns } => Expand { input: g(input), projections, columns },
        Join { left, right, kind, condition } => Join { left: g(left), right: g(right), kind, condition },
        Union { inputs, columns } => Union { inputs: inputs.into_iter().map(f).collect(), columns },
        SetOperation { left, right, intersect, all } => SetOperation { left: g(left), right: g(right), intersect, all },
        Deduplicate { input, keys, within_watermark } => Deduplicate { input: g(input), keys, within_watermark },
        Sort { input, keys } => Sort { input: g(input), keys },
        Limit { input, limit, offset } => Limit { input: g(input), limit, offset },
        Window { input, calls } => Window { input: g(input), calls },
        Sample { input, fraction_ppm, seed } => Sample { input: g(input), fraction_ppm, seed },
    }
}

/// A limit below the projections it stands on: what is computed may fail, and only the rows that are asked for reach it.
fn push_limits(plan: LogicalPlan) -> LogicalPlan {
    let plan = match plan {
        LogicalPlan::Limit { input, limit, offset } if !input.is_streaming() => match *input {
            LogicalPlan::Project { input, exprs } if !exprs.iter().any(|e| is_unmovable(&e.expr)) => {
                LogicalPlan::Project { input: Box::new(LogicalPlan::Limit { input, limit, offset }), exprs }
            }
            other => LogicalPlan::Limit { input: Box::new(other), limit, offset },
        },
        other => other,
    };
    map_inputs(plan, &mut push_limits)
}

/// Leaves out columns that nothing above uses, down to the readers.
fn prune(plan: LogicalPlan, wanted: &HashSet<ColumnId>) -> LogicalPlan {
    let with = |exprs: &mut dyn Iterator<Item = &Expr>| -> HashSet<ColumnId> { exprs.flat_map(Expr::columns).collect() };
    match plan {
        LogicalPlan::Scan(mut scan) => {
            scan.columns.retain(|c| wanted.contains(&c.id));
            LogicalPlan::Scan(scan)
        }
        LogicalPlan::Project { input, exprs } => {
            let exprs: Vec<_> = exprs.into_iter().filter(|e| wanted.contains(&e.id)).collect();
            let below = with(&mut exprs.iter().map(|e| &e.expr));
            LogicalPlan::Project { input: Box::new(prune(*input, &below)), exprs }
        }
        LogicalPlan::Filter { input, predicate } => {
            let below = wanted.iter().copied().chain(predicate.columns()).collect();
            LogicalPlan::Filter { input: Box::new(prune(*input, &below)), predicate }
        }
        LogicalPlan::Generate { input, generator, outer, columns } => {
            let below = wanted.iter().copied().chain(generator.columns()).collect();
            LogicalPlan::Generate { input: Box::new(prune(*input, &below)), generator, outer, columns }
        }
        LogicalPlan::Watermark { input, column, delay } => {
            let below = wanted.iter().copied().chain([column]).collect();
            LogicalPlan::Watermark { input: Box::new(prune(*input, &below)), column, delay }
        }
        LogicalPlan::TimeWindow { input, time, size, slide, start, column } => {
            let below = wanted.iter().copied().chain(time.columns()).collect();
            LogicalPlan::TimeWindow { input: Box::new(prune(*input, &below)), time, size, slide, start, column }
        }
        LogicalPlan::SessionWindow { input, time, gap, column } => {
            let below = wanted.iter().copied().chain(time.columns()).chain(gap.columns()).collect();
            LogicalPlan::SessionWindow { input: Box::new(prune(*input, &below)), time, gap, column }
        }
        LogicalPlan::Aggregate { input, keys, aggregates } => {
            let aggregates: Vec<_> = aggregates.into_iter().filter(|a| wanted.contains(&a.id)).collect();
            let calls = aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.call.filter));
            let below = with(&mut keys.iter().map(|k| &k.expr).chain(calls));
            LogicalPlan::Aggregate { input: Box::new(prune(*input, &below)), keys, aggregates }
        }
        LogicalPlan::Sort { input, keys } => {
            let below = wanted.iter().copied().chain(keys.iter().flat_map(|k| k.expr.columns())).collect();
            LogicalPlan::Sort { input: Box::new(prune(*input, &below)), keys }
        }
        LogicalPlan::Join { left, right, kind, condition } => {
            let below: HashSet<_> = wanted.iter().copied().chain(condition.iter().flat_map(Expr::columns)).collect();
            LogicalPlan::Join { left: Box::new(prune(*left, &below)), right: Box::new(prune(*right, &below)), kind, condition }
        }
        LogicalPlan::Limit { input, limit, offset } => LogicalPlan::Limit { input: Box::new(prune(*input, wanted)), limit, offset },
        LogicalPlan::Deduplicate { input, keys, within_watermark } => {
            let mut below: HashSet<_> = wanted.iter().copied().chain(keys.iter().copied()).collect();
            if within_watermark {
                // By its event time a key is forgotten, whether or not somebody reads it.
                let event_time = crate::plan::streaming::event_time_columns(&input);
                below.extend(input.columns().iter().map(|c| c.id).filter(|id| event_time.contains(id)));
            }
            LogicalPlan::Deduplicate { input: Box::new(prune(*input, &below)), keys, within_watermark }
        }
        LogicalPlan::Sample { input, fraction_ppm, seed } => {
            LogicalPlan::Sample { input: Box::new(prune(*input, wanted)), fraction_ppm, seed }
        }
        // Unions and set operations match columns by position, an expansion names all of its own: nothing is cut there.
        other => map_inputs(other, &mut |input| {
            let all = ids_of(&input);
            prune(input, &all)
        }),
    }
}
