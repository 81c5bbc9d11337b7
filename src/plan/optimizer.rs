//! Rewrites that keep the rows: constants folded, filters moved down (below the watermark too, as Spark
//! does, which decides what moves it), unused columns never read.

use crate::plan::Fold;
use crate::plan::analyze::{is_constant, is_volatile};
use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::logical::{JoinKind, LogicalPlan};
use crate::plan::streaming::conjuncts;
use crate::types::DataType;
use std::collections::HashSet;

/// The plan that runs.
pub fn optimize(plan: LogicalPlan, fold: &dyn Fold) -> LogicalPlan {
    let plan = map_exprs(plan, &mut |e| folded(e, fold));
    let plan = push_filters(plan);
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

fn push_filters(plan: LogicalPlan) -> LogicalPlan {
    let plan = match plan {
        LogicalPlan::Filter { input, predicate } => {
            let mut parts = Vec::new();
            conjuncts(&predicate, &mut parts);
            let parts = parts.into_iter().cloned().collect();
            return push(push_filters(*input), parts);
        }
        LogicalPlan::Join { left, right, kind, condition } => return push_condition(*left, *right, kind, condition),
        other => other,
    };
    map_inputs(plan, &mut push_filters)
}

/// `plan` filtered by `parts`, each as far down as it goes.
fn push(plan: LogicalPlan, parts: Vec<Expr>) -> LogicalPlan {
    let (stay, sink): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_unmovable);
    let (plan, mut left) = sink_below(plan, sink);
    left.extend(stay);
    match all_of(left) {
        Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
        None => plan,
    }
}

/// A condition whose value changes when it is computed elsewhere.
fn is_unmovable(e: &Expr) -> bool {
    e.any(&|e| match e {
        Expr::Call { function, .. } => is_volatile(function.0),
        Expr::Subquery { .. } => true,
        _ => false,
    })
}

fn all_of(parts: Vec<Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|a, b| Expr::And(Box::new(a), Box::new(b)))
}

fn uses(e: &Expr, ids: &HashSet<ColumnId>) -> bool {
    e.columns().iter().any(|c| ids.contains(c))
}

/// Moves conditions below one node where that keeps the rows; gives back those that stay above.
fn sink_below(plan: LogicalPlan, parts: Vec<Expr>) -> (LogicalPlan, Vec<Expr>) {
    if parts.is_empty() {
        return (plan, parts);
    }
    match plan {
        LogicalPlan::Filter { input, predicate } => {
            let mut inner = Vec::new();
            conjuncts(&predicate, &mut inner);
            let all = inner.into_iter().cloned().chain(parts).collect();
            (push(*input, all), vec![])
        }
        LogicalPlan::Project { input, exprs } => {
            let computed = |e: &Expr| exprs.iter().filter(|n| e.columns().contains(&n.id)).any(|n| is_unmovable(&n.expr));
            let (stay, sink): (Vec<_>, Vec<_>) = parts.into_iter().partition(computed);
            let sink = sink.into_iter().map(|e| substitute(e, &exprs)).collect();
            (LogicalPlan::Project { input: Box::new(push(*input, sink)), exprs }, stay)
        }
        LogicalPlan::Watermark { input, column, delay } => {
            let marked = HashSet::from([column]);
            let (stay, sink) = parts.into_iter().partition(|e| uses(e, &marked));
            (LogicalPlan::Watermark { input: Box::new(push(*input, sink)), column, delay }, stay)
        }
        LogicalPlan::Generate { input, generator, outer, columns } => {
            let made = columns.iter().map(|c| c.id).collect();
            let (stay, sink) = parts.into_iter().partition(|e| uses(e, &made));
            (LogicalPlan::Generate { input: Box::new(push(*input, sink)), generator, outer, columns }, stay)
        }
        LogicalPlan::TimeWindow { input, time, size, slide, start, column } => {
            let made = HashSet::from([column.id]);
            let (stay, sink) = parts.into_iter().partition(|e| uses(e, &made));
            (LogicalPlan::TimeWindow { input: Box::new(push(*input, sink)), time, size, slide, start, column }, stay)
        }
        LogicalPlan::SessionWindow { input, time, gap, column } => {
            let made = HashSet::from([column.id]);
            let (stay, sink) = parts.into_iter().partition(|e| uses(e, &made));
            (LogicalPlan::SessionWindow { input: Box::new(push(*input, sink)), time, gap, column }, stay)
        }
        LogicalPlan::Aggregate { input, keys, aggregates } if !keys.is_empty() => {
            // A condition on keys alone drops whole groups; one without any column has to stay above.
            let ids: HashSet<_> = aggregates.iter().map(|a| a.id).collect();
            let (stay, sink): (Vec<_>, Vec<_>) = parts.into_iter().partition(|e| uses(e, &ids) || e.columns().is_empty());
            let sink = sink.into_iter().map(|e| substitute(e, &keys)).collect();
            (LogicalPlan::Aggregate { input: Box::new(push(*input, sink)), keys, aggregates }, stay)
        }
        LogicalPlan::Union { inputs, columns } => {
            let inputs = inputs.into_iter().map(|input| {
                let from = input.columns();
                let renames: Vec<_> =
                    columns.iter().zip(&from).map(|(to, from)| NamedExpr { id: to.id, name: to.name.clone(), expr: from.expr() }).collect();
                let parts = parts.iter().map(|e| substitute(e.clone(), &renames)).collect();
                push(input, parts)
            });
            (LogicalPlan::Union { inputs: inputs.collect(), columns }, vec![])
        }
        LogicalPlan::Join { left, right, kind, condition } => {
            let (to_left, to_right) = match kind {
                JoinKind::Inner | JoinKind::Cross => (true, true),
                JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti => (true, false),
                JoinKind::Right => (false, true),
                JoinKind::Full => (false, false),
            };
            let (l, r) = (ids_of(&left), ids_of(&right));
            let only = |e: &Expr, ids: &HashSet<ColumnId>| !e.columns().is_empty() && e.columns().iter().all(|c| ids.contains(c));
            let (into_left, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(|e| to_left && only(e, &l));
            let (into_right, stay): (Vec<_>, Vec<_>) = rest.into_iter().partition(|e| to_right && only(e, &r));
            // What is left over an inner join is part of its condition.
            let (condition, stay) = match kind {
                JoinKind::Inner | JoinKind::Cross => (all_of(condition.into_iter().chain(stay).collect()), vec![]),
                _ => (condition, stay),
            };
            let join =
                LogicalPlan::Join { left: Box::new(push(*left, into_left)), right: Box::new(push(*right, into_right)), kind, condition };
            (join, stay)
        }
        other => (other, parts),
    }
}

/// One-sided parts of ON move into the side where that keeps the rows.
fn push_condition(left: LogicalPlan, right: LogicalPlan, kind: JoinKind, condition: Option<Expr>) -> LogicalPlan {
    let (left, right) = (push_filters(left), push_filters(right));
    let Some(condition) = condition else {
        return LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, condition: None };
    };
    let mut parts = Vec::new();
    conjuncts(&condition, &mut parts);
    let (l, r) = (ids_of(&left), ids_of(&right));
    let only =
        |e: &Expr, ids: &HashSet<ColumnId>| !e.columns().is_empty() && e.columns().iter().all(|c| ids.contains(c)) && !is_unmovable(e);
    let to_left = matches!(kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Right | JoinKind::LeftSemi);
    let to_right = matches!(kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti);
    let (mut into_left, mut into_right, mut stay) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match () {
            () if to_left && only(part, &l) => into_left.push(part.clone()),
            () if to_right && only(part, &r) => into_right.push(part.clone()),
            () => stay.push(part.clone()),
        }
    }
    if left.is_streaming() || right.is_streaming() {
        let (left_out, right_out) = match kind {
            JoinKind::Inner | JoinKind::Cross | JoinKind::LeftSemi => (true, true),
            JoinKind::Left | JoinKind::LeftAnti => (false, true),
            JoinKind::Right => (true, false),
            JoinKind::Full => (false, false),
        };
        let mut present = Vec::new();
        stay.iter().for_each(|part| null_columns(part, &mut present));
        let not_null = |ids: &HashSet<ColumnId>| {
            let own = present.iter().filter(|c| c.columns().iter().all(|id| ids.contains(id)));
            own.map(|c| Expr::call("isnotnull", vec![c.clone()], DataType::Boolean)).collect::<Vec<_>>()
        };
        into_left.extend(if left_out { not_null(&l) } else { vec![] });
        into_right.extend(if right_out { not_null(&r) } else { vec![] });
    }
    LogicalPlan::Join { left: Box::new(push(left, into_left)), right: Box::new(push(right, into_right)), kind, condition: all_of(stay) }
}

/// The columns with which a comparison cannot be TRUE when they are NULL. Rows without them find no partner; over a
/// stream Spark drops them before they move the watermark.
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

fn ids_of(plan: &LogicalPlan) -> HashSet<ColumnId> {
    plan.columns().iter().map(|c| c.id).collect()
}

/// The expression with output columns replaced by what they are computed from.
fn substitute(expr: Expr, named: &[NamedExpr]) -> Expr {
    if let Expr::Column { id, .. } = &expr
        && let Some(found) = named.iter().find(|n| n.id == *id)
    {
        return found.expr.clone();
    }
    expr.map_children(&mut |child| substitute(child, named))
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
