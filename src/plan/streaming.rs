//! What a stream may not do, with Spark's conditions (its `UnsupportedOperationChecker`), and which output
//! mode a query takes when it names none.

use crate::diagnostic::Span;
use crate::lang::ast::Query;
use crate::plan::Analyzed;
use crate::plan::error::{AnalysisError, Reason};
use crate::plan::expr::{ColumnId, Expr};
use crate::plan::locate::{self, Clause};
use crate::plan::logical::{JoinKind, LogicalPlan, NamedAggregate};
use crate::plan::time_range::state_bound;
use crate::progress::OutputMode;
use std::collections::HashSet;

type Result = std::result::Result<(), Box<AnalysisError>>;

/// Refuses a streaming plan that Spark would refuse in this mode, pointing at the clause of `query` at fault.
pub fn check_query(analyzed: &Analyzed, mode: OutputMode, query: &Query) -> Result {
    check(analyzed, mode).map_err(|mut error| {
        let clause = match &error.reason {
            Reason::Streaming { clause, .. } => *clause,
            _ => Clause::Aggregate,
        };
        error.span = locate::find(query, clause).unwrap_or(query.span);
        error
    })
}

/// Refuses a streaming query that Spark would refuse in this mode; the error has no place yet.
pub fn check(analyzed: &Analyzed, mode: OutputMode) -> Result {
    judge(&analyzed.judged, mode)?;
    // By what a join finds partners is known once the conditions have reached it.
    equalities(&analyzed.plan)
}

fn judge(plan: &LogicalPlan, mode: OutputMode) -> Result {
    let span = Span::default();
    let aggregates = streaming_aggregates(plan);
    if mode == OutputMode::Complete && aggregates.is_empty() {
        let why = "only an aggregation has a complete result that can be written again".to_string();
        let instead = "leave OUTPUT MODE out, or use append".to_string();
        return refuse(Reason::OutputMode { mode: "complete", why, instead }, span);
    }
    if mode == OutputMode::Append {
        append_aggregates(&aggregates)?;
    }
    if mode == OutputMode::Update && aggregates.first().is_some_and(|a| by_session(a)) {
        let why = "a session can still merge with another, so it has no update".to_string();
        let instead = "use append with a watermark, or complete".to_string();
        return refuse(Reason::OutputMode { mode: "update", why, instead }, span);
    }
    if has_window_function(plan) {
        return over();
    }
    if mode != OutputMode::Append && follows_aggregate(plan) {
        let message =
            "what keeps state over an aggregation is only right in append mode: in update and complete its input changes again".to_string();
        let instead = "use OUTPUT MODE append with a WATERMARK, or write the first result INTO a sink and read that".to_string();
        return refuse(Reason::Streaming { clause: Clause::Aggregate, condition: None, message, instead }, span);
    }
    nodes(plan, mode)
}

fn over() -> Result {
    let message = "window functions with OVER do not work on a stream; only time windows do".to_string();
    let instead = "use GROUP BY window(ts, '10 seconds'), or max_by and min_by instead of row_number".to_string();
    let condition = Some("NON_TIME_WINDOW_NOT_SUPPORTED_IN_STREAMING");
    refuse(Reason::Streaming { clause: Clause::Over, condition, message, instead }, Span::default())
}

fn has_window_function(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Window { .. }) && plan.is_streaming() || plan.inputs().into_iter().any(has_window_function)
}

/// Whether an aggregation groups by sessions.
fn by_session(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate { input, keys, .. } = plan else { return false };
    let mut node = &**input;
    loop {
        match node {
            LogicalPlan::SessionWindow { column, .. } => return keys.iter().any(|k| k.expr.columns().contains(&column.id)),
            LogicalPlan::Project { input, .. } | LogicalPlan::Filter { input, .. } => node = input,
            _ => return false,
        }
    }
}

/// Whether an aggregation, a removal of duplicates or a join of streams stands over an aggregation.
fn follows_aggregate(plan: &LogicalPlan) -> bool {
    let stateful = match plan {
        LogicalPlan::Aggregate { .. } if is_pivot(plan) && plan.is_streaming() => return true,
        LogicalPlan::Aggregate { .. } | LogicalPlan::Deduplicate { .. } => plan.is_streaming(),
        LogicalPlan::Join { left, right, .. } => left.is_streaming() && right.is_streaming(),
        _ => false,
    };
    plan.inputs().into_iter().any(|input| stateful && !streaming_aggregates(input).is_empty() || follows_aggregate(input))
}

/// Whether a plan has all of its rows in every batch of complete mode: an aggregation is somewhere in it. DISTINCT alone
/// is none here, as in Spark.
fn is_complete(plan: &LogicalPlan, below_project: bool) -> bool {
    match plan {
        LogicalPlan::Aggregate { input, aggregates, .. }
            if plan.is_streaming() && (!aggregates.is_empty() || below_project && !matches!(**input, LogicalPlan::Union { .. })) =>
        {
            true
        }
        _ => plan.inputs().into_iter().any(|input| is_complete(input, matches!(plan, LogicalPlan::Project { .. }))),
    }
}

/// PIVOT aggregates twice in Spark: by the pivoted column too, then without it. Here it is one aggregation whose columns
/// have the pivoted values' names and filters; those of a select list have the call's name.
fn is_pivot(plan: &LogicalPlan) -> bool {
    let LogicalPlan::Aggregate { aggregates, .. } = plan else { return false };
    let made_by_select = |a: &NamedAggregate| a.name.strip_prefix(a.call.function.0).is_some_and(|rest| rest.starts_with('('));
    !aggregates.is_empty() && aggregates.iter().all(|a| a.call.filter.is_some() && !made_by_select(a))
}

/// Append writes a group when the watermark has passed it, so event time has to be among its keys.
fn append_aggregates(aggregates: &[&LogicalPlan]) -> Result {
    for plan in aggregates {
        let LogicalPlan::Aggregate { input, keys, .. } = plan else { continue };
        let event_time = event_time_columns(input);
        if keys.iter().any(|k| carries(&k.expr, &event_time)) {
            continue;
        }
        let why = if event_time.is_empty() {
            "without a WATERMARK a group is never finished"
        } else {
            "the watermark's column, or a window over it, is not among the GROUP BY keys, so a group is never finished"
        };
        let instead = "use OUTPUT MODE update or complete, or WATERMARK ts DELAY OF INTERVAL 10 SECONDS and GROUP BY window(ts, …)";
        return refuse(Reason::OutputMode { mode: "append", why: why.to_string(), instead: instead.to_string() }, Span::default());
    }
    Ok(())
}

/// The rules of single operators, from the bottom up as in Spark: the first that is broken is the one that is told.
fn nodes(plan: &LogicalPlan, mode: OutputMode) -> Result {
    if !plan.is_streaming() {
        return Ok(());
    }
    plan.inputs().into_iter().try_for_each(|input| nodes(input, mode))?;
    let no = |clause: Clause, message: &str, instead: &str| {
        let (message, instead) = (message.to_string(), instead.to_string());
        refuse(Reason::Streaming { clause, condition: None, message, instead }, Span::default())
    };
    match plan {
        LogicalPlan::Sort { input, .. } if mode != OutputMode::Complete || !is_complete(input, false) => {
            return no(
                Clause::OrderBy,
                "a stream never ends, so its rows cannot be sorted; only an aggregation in complete mode can",
                "add GROUP BY with OUTPUT MODE complete, or leave ORDER BY out",
            );
        }
        LogicalPlan::Limit { offset: 1.., .. } => {
            return no(Clause::Offset, "OFFSET is not possible on a stream", "filter by a column instead, or use LIMIT");
        }
        LogicalPlan::Limit { .. } if mode == OutputMode::Update => {
            return no(
                Clause::Limit,
                "LIMIT is not possible in update mode: a row that changes would have to count again",
                "use append or complete mode",
            );
        }
        LogicalPlan::Union { inputs, .. } if !inputs.iter().all(LogicalPlan::is_streaming) => {
            return no(
                Clause::SetOperation,
                "UNION cannot mix a stream with a bounded table",
                "CREATE STREAM over the table's files, or JOIN it",
            );
        }
        LogicalPlan::SetOperation { left, right, intersect, .. } => return set_operation(left, right, *intersect, mode),
        LogicalPlan::Window { .. } => return over(),
        LogicalPlan::Sample { .. } => return no(Clause::Sample, "a stream cannot be sampled", "filter with rand() < 0.1 instead"),
        LogicalPlan::Aggregate { aggregates, .. } if aggregates.iter().any(|a| a.call.distinct) => {
            return no(
                Clause::DistinctCall,
                "DISTINCT inside an aggregate is not possible on a stream",
                "use approx_count_distinct(x), or size(collect_set(x))",
            );
        }
        LogicalPlan::Join { left, right, kind, condition } => join(left, right, *kind, condition.as_ref(), mode)?,
        LogicalPlan::Project { exprs, .. } if exprs.iter().any(|e| e.expr.any(&is_row_number)) => {
            return no(
                Clause::Call("monotonically_increasing_id"),
                "monotonically_increasing_id() counts the rows of a table, and a stream has no first row to count from",
                "use uuid() for an id of each row, or a column that the data has",
            );
        }
        _ => {}
    }
    Ok(())
}

fn is_row_number(e: &Expr) -> bool {
    matches!(e, Expr::Call { function, .. } if function.0 == "monotonically_increasing_id")
}

fn set_operation(left: &LogicalPlan, right: &LogicalPlan, intersect: bool, mode: OutputMode) -> Result {
    let name = if intersect { "INTERSECT" } else { "EXCEPT" };
    if right.is_streaming() && (left.is_streaming() || !intersect) {
        let message = format!("{name} with a stream on the right is not possible");
        return refuse(
            Reason::Streaming {
                clause: Clause::SetOperation,
                condition: None,
                message,
                instead: "JOIN the two streams instead".to_string(),
            },
            Span::default(),
        );
    }
    if !intersect {
        // Rows are told apart by all columns: an aggregation by all of them, over those without a match.
        let event_time = event_time_columns(left);
        if mode != OutputMode::Append || left.columns().iter().any(|c| event_time.contains(&c.id)) {
            return Ok(());
        }
    }
    let condition = (!intersect && mode == OutputMode::Append).then_some("UNSUPPORTED_STREAMING_OPERATOR_WITHOUT_WATERMARK");
    let message = format!("{name} of a stream has to remember every row it has seen");
    let instead = match intersect {
        false => "add a WATERMARK, or use OUTPUT MODE update; LEFT ANTI JOIN with the table keeps every row without a match",
        true => "use LEFT SEMI JOIN with the bounded table",
    };
    refuse(Reason::Streaming { clause: Clause::SetOperation, condition, message, instead: instead.to_string() }, Span::default())
}

/// Refuses a join of two streams without an equality between them.
fn equalities(plan: &LogicalPlan) -> Result {
    plan.inputs().into_iter().try_for_each(equalities)?;
    let LogicalPlan::Join { left, right, condition, .. } = plan else { return Ok(()) };
    if !left.is_streaming() || !right.is_streaming() || has_equality(left, right, condition.as_ref()) {
        return Ok(());
    }
    let message = "a join of two streams needs an equality between them, else every row would meet every other".to_string();
    let instead = "add ON a.key = b.key".to_string();
    refuse(Reason::Streaming { clause: Clause::Join, condition: None, message, instead }, Span::default())
}

fn join(left: &LogicalPlan, right: &LogicalPlan, kind: JoinKind, condition: Option<&Expr>, mode: OutputMode) -> Result {
    let no = |message: String, instead: &str| {
        let instead = instead.to_string();
        refuse(Reason::Streaming { clause: Clause::Join, condition: None, message, instead }, Span::default())
    };
    let name = match kind {
        JoinKind::Inner | JoinKind::Cross => "an inner join",
        JoinKind::Left => "a left outer join",
        JoinKind::Right => "a right outer join",
        JoinKind::Full => "a full outer join",
        JoinKind::LeftSemi => "a left semi join",
        JoinKind::LeftAnti => "a left anti join",
    };
    match (left.is_streaming(), right.is_streaming()) {
        (true, true) => {}
        (true, false) => {
            if matches!(kind, JoinKind::Right | JoinKind::Full) {
                return no(
                    format!("{name} of a stream with a bounded table on its right never knows that no row will come"),
                    "put the stream on the outer side",
                );
            }
            return Ok(());
        }
        (false, true) => {
            if matches!(kind, JoinKind::Left | JoinKind::Full | JoinKind::LeftSemi | JoinKind::LeftAnti) {
                return no(format!("{name} with the stream on the right never knows that no row will come"), "put the stream on the left");
            }
            return Ok(());
        }
        (false, false) => return Ok(()),
    }
    if mode == OutputMode::Complete {
        return no(format!("{name} of two streams is not possible in complete mode"), "use append mode");
    }
    match kind {
        JoinKind::Inner | JoinKind::Cross => Ok(()),
        JoinKind::LeftAnti => no("a left anti join of two streams is not possible".to_string(), "use LEFT JOIN … and filter for NULL"),
        JoinKind::LeftSemi if bounded_by_time(left, right, kind, condition) => Ok(()),
        JoinKind::Left | JoinKind::Right | JoinKind::Full if mode != OutputMode::Append => {
            no(format!("{name} of two streams works in append mode only"), "use OUTPUT MODE append")
        }
        _ if bounded_by_time(left, right, kind, condition) => Ok(()),
        _ => no(
            format!("{name} of two streams needs a watermark and a time range, else it never knows that no match will come"),
            "add WATERMARK to both streams and a range such as b.ts BETWEEN a.ts AND a.ts + INTERVAL 10 SECONDS to ON",
        ),
    }
}

/// Whether ON compares a value of the one side with a value of the other for equality.
fn has_equality(left: &LogicalPlan, right: &LogicalPlan, condition: Option<&Expr>) -> bool {
    let [l, r] = [left, right].map(|side| side.columns().iter().map(|c| c.id).collect::<HashSet<_>>());
    let of = |e: &Expr, ids: &HashSet<ColumnId>| !e.columns().is_empty() && e.columns().iter().all(|c| ids.contains(c));
    let mut parts = Vec::new();
    if let Some(condition) = condition {
        conjuncts(condition, &mut parts);
    }
    parts.iter().any(|part| match part {
        Expr::Call { function, args, .. } if matches!(function.0, "=" | "<=>") => {
            let [a, b] = args.as_slice() else { return false };
            of(a, &l) && of(b, &r) || of(a, &r) && of(b, &l)
        }
        _ => false,
    })
}

/// Whether the watermark closes rows of the outer side: an event-time key, or a range between event times.
fn bounded_by_time(left: &LogicalPlan, right: &LogicalPlan, kind: JoinKind, condition: Option<&Expr>) -> bool {
    let event_time = [left, right].map(event_time_columns);
    let ids = [left, right].map(|side| side.columns().iter().map(|c| c.id).collect::<HashSet<_>>());
    let mut parts = Vec::new();
    if let Some(condition) = condition {
        conjuncts(condition, &mut parts);
    }
    let timed = |e: &Expr| matches!(e, Expr::Column { id, .. } if event_time.iter().any(|set| set.contains(id)));
    let is_key = |part: &&Expr| match part {
        Expr::Call { function, args, .. } => function.0 == "=" && args.iter().any(timed),
        _ => false,
    };
    let bounded = |side: usize| state_bound(condition, &ids[side], &event_time[1 - side]).is_some();
    parts.iter().any(is_key)
        || match kind {
            JoinKind::Right => bounded(1),
            JoinKind::Full => bounded(0) || bounded(1),
            _ => bounded(0),
        }
}

/// The parts of a condition that are joined by AND.
pub(crate) fn conjuncts<'e>(e: &'e Expr, out: &mut Vec<&'e Expr>) {
    match e {
        Expr::And(a, b) => {
            conjuncts(a, out);
            conjuncts(b, out);
        }
        other => out.push(other),
    }
}

/// The first mode that Spark allows of append, update, complete; append when it allows none.
pub fn default_mode(analyzed: &Analyzed) -> OutputMode {
    let modes = [OutputMode::Append, OutputMode::Update, OutputMode::Complete];
    modes.into_iter().find(|mode| check(analyzed, *mode).is_ok()).unwrap_or(OutputMode::Append)
}

/// The columns of the plan's output that carry a watermark.
pub fn event_time_columns(plan: &LogicalPlan) -> HashSet<ColumnId> {
    match plan {
        // Another WATERMARK below no longer counts.
        LogicalPlan::Watermark { column, .. } => HashSet::from([*column]),
        LogicalPlan::Project { input, exprs } => {
            let set = event_time_columns(input);
            exprs.iter().filter(|e| carries(&e.expr, &set)).map(|e| e.id).collect()
        }
        LogicalPlan::Aggregate { input, keys, .. } => {
            let set = event_time_columns(input);
            keys.iter().filter(|e| carries(&e.expr, &set)).map(|e| e.id).collect()
        }
        LogicalPlan::TimeWindow { input, time, column, .. } | LogicalPlan::SessionWindow { input, time, column, .. } => {
            let mut set = event_time_columns(input);
            if carries(time, &set) {
                set.insert(column.id);
            }
            set
        }
        LogicalPlan::Union { inputs, columns } => {
            let Some(first) = inputs.first() else { return HashSet::new() };
            let set = event_time_columns(first);
            first.columns().iter().zip(columns).filter(|(from, _)| set.contains(&from.id)).map(|(_, to)| to.id).collect()
        }
        LogicalPlan::Expand { input, projections, columns } => {
            let set = event_time_columns(input);
            let kept = columns.iter().enumerate().filter(|(i, _)| projections.iter().any(|p| carries(&p[*i], &set)));
            kept.map(|(_, c)| c.id).collect()
        }
        other => other.inputs().into_iter().flat_map(event_time_columns).collect(),
    }
}

/// Whether an expression hands event time on: the column itself, or the time of a window over it.
pub(crate) fn carries(expr: &Expr, event_time: &HashSet<ColumnId>) -> bool {
    match expr {
        Expr::Column { id, .. } => event_time.contains(id),
        Expr::Call { function, args, .. } if function.0 == "window_time" => args.iter().all(|a| carries(a, event_time)),
        _ => false,
    }
}

/// Whether a stream feeds an aggregation of the plan.
pub fn has_streaming_aggregate(plan: &LogicalPlan) -> bool {
    !streaming_aggregates(plan).is_empty()
}

/// Aggregations that a stream feeds, outermost first.
fn streaming_aggregates(plan: &LogicalPlan) -> Vec<&LogicalPlan> {
    let mut out = Vec::new();
    if matches!(plan, LogicalPlan::Aggregate { .. }) && plan.is_streaming() {
        out.push(plan);
    }
    for input in plan.inputs() {
        out.extend(streaming_aggregates(input));
    }
    out
}

fn refuse(reason: Reason, span: Span) -> Result {
    Err(AnalysisError::new(reason, span))
}
