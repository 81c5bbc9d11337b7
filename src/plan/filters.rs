//! Filters on their way down: through projections, into the sides of joins, below the watermark too, as in Spark, which
//! decides what moves it. An outer join whose filled-up rows a condition above drops anyway becomes a smaller join.

use crate::plan::Fold;
use crate::plan::analyze::is_volatile;
use crate::plan::constraints::{is_not_null, known, matched, presence};
use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::logical::{JoinKind, LogicalPlan};
use crate::plan::optimizer::map_inputs;
use crate::plan::streaming::conjuncts;
use crate::plan::time_range::session_end;
use crate::types::{DataType, Value};
use std::collections::HashSet;

/// Moves the conditions of a plan.
pub(super) struct Filters<'a> {
    /// Tells what a condition says of NULLs.
    pub(super) fold: &'a dyn Fold,
}

/// A condition on its way down.
struct Part {
    expr: Expr,
    /// Whether it must stand somewhere. One that is not follows from conditions above: it only matters where it gets
    /// below a watermark.
    needed: bool,
}

impl Part {
    fn all(exprs: Vec<Expr>) -> Vec<Part> {
        exprs.into_iter().map(|expr| Part { expr, needed: true }).collect()
    }

    fn map(self, f: impl FnOnce(Expr) -> Expr) -> Part {
        Part { expr: f(self.expr), ..self }
    }
}

impl Filters<'_> {
    /// The plan with every condition as far down as it goes, and with those that follow from others.
    pub(super) fn apply(&self, plan: LogicalPlan) -> LogicalPlan {
        let plan = self.lower(plan);
        let plan = self.infer(plan);
        self.lower(plan)
    }

    fn lower(&self, plan: LogicalPlan) -> LogicalPlan {
        let plan = match plan {
            LogicalPlan::Filter { input, predicate } => {
                return self.push(self.lower(*input), Part::all(split(&predicate)));
            }
            LogicalPlan::Join { left, right, kind, condition } => {
                return self.split_condition(self.lower(*left), self.lower(*right), kind, condition);
            }
            other => other,
        };
        let plan = map_inputs(plan, &mut |input| self.lower(input));
        let hints = implied(&plan);
        if hints.is_empty() { plan } else { self.push(plan, hints) }
    }

    /// `plan` filtered by `parts`, each as far down as it goes.
    fn push(&self, plan: LogicalPlan, mut parts: Vec<Part>) -> LogicalPlan {
        // A comparison that stays says of its columns at least that they are there.
        if plan.is_streaming() {
            let own: Vec<Expr> = parts.iter().filter(|p| p.expr.columns().len() > 1).map(|p| p.expr.clone()).collect();
            let more = presence(&own, &ids_of(&plan));
            parts.extend(more.into_iter().map(|expr| Part { expr, needed: false }));
        }
        let (stay, sink): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| is_unmovable(&p.expr));
        let (plan, left) = self.sink(plan, sink);
        let mut all = Vec::new();
        left.into_iter().chain(stay).filter(|p| p.needed).for_each(|part| add(&mut all, part));
        match all_of(all.into_iter().map(|p| p.expr)) {
            Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
            None => plan,
        }
    }

    /// Moves conditions below one node where that keeps the rows; gives back those that stay above.
    fn sink(&self, plan: LogicalPlan, parts: Vec<Part>) -> (LogicalPlan, Vec<Part>) {
        if parts.is_empty() {
            return (plan, parts);
        }
        let apart =
            |parts: Vec<Part>, made: &HashSet<ColumnId>| -> (Vec<Part>, Vec<Part>) { parts.into_iter().partition(|p| uses(&p.expr, made)) };
        match plan {
            LogicalPlan::Filter { input, predicate } => {
                let mut all = Part::all(split(&predicate));
                parts.into_iter().for_each(|part| add(&mut all, part));
                (self.push(*input, all), vec![])
            }
            LogicalPlan::Project { input, exprs } => {
                let computed = |e: &Expr| exprs.iter().filter(|n| e.columns().contains(&n.id)).any(|n| is_unmovable(&n.expr));
                let (stay, sink): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| computed(&p.expr));
                let sink = sink.into_iter().map(|p| p.map(|e| substitute(e, &exprs))).collect();
                (LogicalPlan::Project { input: Box::new(self.push(*input, sink)), exprs }, stay)
            }
            LogicalPlan::Watermark { input, column, delay } => {
                let (stay, mut sink) = apart(parts, &HashSet::from([column]));
                sink.iter_mut().for_each(|p| p.needed = true);
                (LogicalPlan::Watermark { input: Box::new(self.push(*input, sink)), column, delay }, stay)
            }
            LogicalPlan::Generate { input, generator, outer, columns } => {
                let (stay, sink) = apart(parts, &columns.iter().map(|c| c.id).collect());
                (LogicalPlan::Generate { input: Box::new(self.push(*input, sink)), generator, outer, columns }, stay)
            }
            LogicalPlan::TimeWindow { input, time, size, slide, start, column } => {
                let (stay, sink) = apart(parts, &HashSet::from([column.id]));
                (LogicalPlan::TimeWindow { input: Box::new(self.push(*input, sink)), time, size, slide, start, column }, stay)
            }
            LogicalPlan::SessionWindow { input, time, gap, column } => {
                let (stay, sink) = apart(parts, &HashSet::from([column.id]));
                (LogicalPlan::SessionWindow { input: Box::new(self.push(*input, sink)), time, gap, column }, stay)
            }
            LogicalPlan::Aggregate { input, keys, aggregates } if !keys.is_empty() => {
                // A condition on keys alone drops whole groups; one without any column has to stay above.
                let ids: HashSet<_> = aggregates.iter().map(|a| a.id).collect();
                let (stay, sink): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| uses(&p.expr, &ids) || p.expr.columns().is_empty());
                let sink = sink.into_iter().map(|p| p.map(|e| substitute(e, &keys))).collect();
                (LogicalPlan::Aggregate { input: Box::new(self.push(*input, sink)), keys, aggregates }, stay)
            }
            LogicalPlan::Union { inputs, columns } => {
                let inputs = inputs.into_iter().map(|input| {
                    let renames: Vec<_> = (columns.iter().zip(&input.columns()))
                        .map(|(to, from)| NamedExpr { id: to.id, name: to.name.clone(), expr: from.expr() })
                        .collect();
                    let renamed = |p: &Part| Part { expr: substitute(p.expr.clone(), &renames), needed: p.needed };
                    self.push(input, parts.iter().map(renamed).collect())
                });
                (LogicalPlan::Union { inputs: inputs.collect(), columns }, vec![])
            }
            LogicalPlan::Join { left, right, kind, condition } => self.sink_into_join(*left, *right, kind, condition, parts),
            other => (other, parts),
        }
    }

    fn sink_into_join(
        &self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinKind,
        condition: Option<Expr>,
        parts: Vec<Part>,
    ) -> (LogicalPlan, Vec<Part>) {
        let kind = self.without_fill(kind, &left, &right, &parts);
        let (to_left, to_right) = match kind {
            JoinKind::Inner | JoinKind::Cross => (true, true),
            JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti => (true, false),
            JoinKind::Right => (false, true),
            JoinKind::Full => (false, false),
        };
        let (l, r) = (ids_of(&left), ids_of(&right));
        let (into_left, rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| to_left && only(&p.expr, &l));
        let (into_right, stay): (Vec<_>, Vec<_>) = rest.into_iter().partition(|p| to_right && only(&p.expr, &r));
        let (left, right) = (self.push(left, into_left), self.push(right, into_right));
        // What is left over an inner join is part of its condition.
        if matches!(kind, JoinKind::Inner | JoinKind::Cross) {
            let mut all = Part::all(condition.as_ref().map(split).unwrap_or_default());
            stay.into_iter().filter(|p| p.needed).for_each(|part| add(&mut all, part));
            let condition = all_of(all.into_iter().map(|p| p.expr));
            return (self.split_condition(left, right, kind, condition), vec![]);
        }
        (LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, condition }, stay)
    }

    /// The kind of a join under conditions that drop rows which it fills up with NULLs.
    fn without_fill(&self, kind: JoinKind, left: &LogicalPlan, right: &LogicalPlan, parts: &[Part]) -> JoinKind {
        if !matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full) {
            return kind;
        }
        let conditions: Vec<Expr> = parts.iter().map(|p| p.expr.clone()).collect();
        let drops = |side: &LogicalPlan| {
            let ids = ids_of(side);
            let present = presence(&conditions, &ids);
            conditions.iter().chain(&present).any(|e| only(e, &ids) && self.drops_nulls(e))
        };
        match (kind, drops(left), drops(right)) {
            (JoinKind::Full, true, true) | (JoinKind::Left, _, true) | (JoinKind::Right, true, _) => JoinKind::Inner,
            (JoinKind::Full, true, false) => JoinKind::Left,
            (JoinKind::Full, false, true) => JoinKind::Right,
            (kind, ..) => kind,
        }
    }

    /// Whether a condition is not TRUE when all of its columns are NULL.
    fn drops_nulls(&self, e: &Expr) -> bool {
        fn nulls(e: Expr) -> Expr {
            match e {
                Expr::Column { data_type, .. } => Expr::literal(Value::Null, data_type),
                other => other.map_children(&mut nulls),
            }
        }
        if is_unmovable(e) || e.any(&|e| matches!(e, Expr::Subquery { .. } | Expr::Lambda { .. })) {
            return false;
        }
        matches!(self.fold.fold(&nulls(e.clone())), Ok(Value::Null | Value::Boolean(false)))
    }

    /// One-sided parts of ON move into the side where that keeps the rows.
    fn split_condition(&self, left: LogicalPlan, right: LogicalPlan, kind: JoinKind, condition: Option<Expr>) -> LogicalPlan {
        let (l, r) = (ids_of(&left), ids_of(&right));
        let to_left = matches!(kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Right | JoinKind::LeftSemi);
        let to_right = matches!(kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti);
        let (mut into_left, mut into_right, mut stay) = (Vec::new(), Vec::new(), Vec::new());
        for part in condition.as_ref().map(split).unwrap_or_default() {
            match () {
                () if to_left && only(&part, &l) && !is_unmovable(&part) => into_left.push(part),
                () if to_right && only(&part, &r) && !is_unmovable(&part) => into_right.push(part),
                () => stay.push(part),
            }
        }
        let (left, right) = (self.push(left, Part::all(into_left)), self.push(right, Part::all(into_right)));
        LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, condition: all_of(stay) }
    }

    /// Joins of streams with what follows for one side from the other side and the condition.
    fn infer(&self, plan: LogicalPlan) -> LogicalPlan {
        let plan = map_inputs(plan, &mut |input| self.infer(input));
        let LogicalPlan::Join { left, right, kind, condition } = plan else { return plan };
        if !left.is_streaming() && !right.is_streaming() {
            return LogicalPlan::Join { left, right, kind, condition };
        }
        let (into_left, into_right) = match kind {
            JoinKind::Inner | JoinKind::Cross | JoinKind::LeftSemi => (true, true),
            JoinKind::Left | JoinKind::LeftAnti => (false, true),
            JoinKind::Right => (true, false),
            JoinKind::Full => (false, false),
        };
        let all = matched(&left, &right, condition.as_ref());
        let own: Vec<Expr> = condition.as_ref().map(split).unwrap_or_default();
        let side = |side: LogicalPlan, wanted: bool| {
            let ids = ids_of(&side);
            let there = known(&side);
            let halves = own.iter().filter_map(|e| half(e, &ids));
            let mut more: Vec<Expr> = all.iter().cloned().chain(halves).filter(|e| only(e, &ids) && !there.contains(e)).collect();
            let before: Vec<Expr> = there.iter().chain(&more).cloned().collect();
            let said = presence(&before, &ids);
            // A condition that stands there already, or will, tells it; an equality of the join itself does not.
            more.extend(presence(&all, &ids).into_iter().filter(|e| !there.contains(e) && !said.contains(e)));
            if wanted && !more.is_empty() { self.push(side, Part::all(more)) } else { side }
        };
        let (left, right) = (side(*left, into_left), side(*right, into_right));
        LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, condition }
    }
}

/// What a node says of its input: a window needs a time, a generator something in its list. It matters where it gets
/// below a watermark, and where it makes an outer join a smaller one.
fn implied(plan: &LogicalPlan) -> Vec<Part> {
    let hint = |expr: Expr| Part { expr, needed: false };
    match plan {
        LogicalPlan::TimeWindow { input, time, .. } if input.is_streaming() => vec![hint(is_not_null(time.clone()))],
        LogicalPlan::SessionWindow { input, time, gap, .. } if input.is_streaming() => {
            let lasts = Expr::call(">", vec![session_end(time, gap), time.clone()], DataType::Boolean);
            let fixed = matches!(gap, Expr::Literal { .. });
            std::iter::once(is_not_null(time.clone())).chain((!fixed).then_some(lasts)).map(hint).collect()
        }
        LogicalPlan::Generate { input, generator: Expr::Call { function, args, .. }, outer: false, .. } if input.is_streaming() => {
            let list = matches!(function.0, "explode" | "posexplode" | "inline") && matches!(args.first(), Some(Expr::Column { .. }));
            if !list {
                return vec![];
            }
            let size = Expr::call("size", vec![args[0].clone()], DataType::Int);
            let zero = Expr::literal(Value::Int(0), DataType::Int);
            vec![hint(Expr::call(">", vec![size, zero], DataType::Boolean))]
        }
        _ => vec![],
    }
}

/// What an OR says of one side alone: `(a.v = 1 AND b.v = 2) OR (a.v = 2 AND b.v = 3)` says `a.v = 1 OR a.v = 2`.
fn half(e: &Expr, ids: &HashSet<ColumnId>) -> Option<Expr> {
    match e {
        Expr::Or(a, b) => Some(Expr::Or(Box::new(half(a, ids)?), Box::new(half(b, ids)?))),
        other => all_of(split(other).into_iter().filter(|e| only(e, ids) && !is_unmovable(e))),
    }
}

/// A condition among others, unless they say it already.
fn add(all: &mut Vec<Part>, part: Part) {
    let there: Vec<Expr> = all.iter().map(|p| p.expr.clone()).collect();
    if let Some(at) = there.iter().position(|e| *e == part.expr) {
        all[at].needed |= part.needed;
        return;
    }
    let columns = part.expr.columns().into_iter().collect();
    let is_test = matches!(&part.expr, Expr::Call { function, .. } if function.0 == "isnotnull");
    if !(is_test && presence(&there, &columns).contains(&part.expr)) {
        all.push(part);
    }
}

/// The parts of a condition.
fn split(e: &Expr) -> Vec<Expr> {
    let mut parts = Vec::new();
    conjuncts(e, &mut parts);
    parts.into_iter().cloned().collect()
}

/// A condition whose value changes when it is computed elsewhere.
pub(super) fn is_unmovable(e: &Expr) -> bool {
    e.any(&|e| matches!(e, Expr::Call { function, .. } if is_volatile(function.0)))
}

fn all_of(parts: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|a, b| Expr::And(Box::new(a), Box::new(b)))
}

fn uses(e: &Expr, ids: &HashSet<ColumnId>) -> bool {
    e.columns().iter().any(|c| ids.contains(c))
}

/// Whether the condition reads columns, and those of `ids` alone.
fn only(e: &Expr, ids: &HashSet<ColumnId>) -> bool {
    let columns = e.columns();
    !columns.is_empty() && columns.iter().all(|c| ids.contains(c))
}

pub(super) fn ids_of(plan: &LogicalPlan) -> HashSet<ColumnId> {
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
