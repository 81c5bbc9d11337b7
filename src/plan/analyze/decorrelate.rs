//! Sub-queries that look at the rows around them, as joins.
//!
//! A sub-query is analyzed with the columns around it in sight; where its plan reads one of them it is *tied* to the outer
//! plan. Two ways take the ties out:
//!
//! * **pull**: conditions that tie come up through the plan until they can be the condition of the join. A condition of
//!   equality may pass an aggregation (its inner side becomes a key) and a LIMIT (counted per inner side).
//! * **push**: the distinct values of the outer columns are joined in at the leaves, so that the plan gives, for each of
//!   them, what the sub-query would give. It always works over bounded tables; a stream cannot be read a second time.

mod push;

use self::push::Pushed;
use super::{Analyzer, Result, keep, refuse};
use crate::diagnostic::Span;
use crate::plan::error::Reason;
use crate::plan::expr::{AggregateCall, Bound, ColumnId, Expr, Frame, FunctionId, NamedExpr, SortKey, SubqueryKind};
use crate::plan::filters::is_unmovable;
use crate::plan::logical::{Column, JoinKind, LogicalPlan, NamedAggregate};
use crate::plan::streaming::conjuncts;
use crate::types::{DataType, Value};
use std::collections::HashSet;

/// A sub-query in an expression that is tied to the rows of the node below that expression.
#[derive(Clone, Debug)]
pub(super) struct Tied {
    pub(super) plan: LogicalPlan,
    pub(super) kind: TiedKind,
    /// The column that stands for its answer: the value, or TRUE where there is a row and NULL where there is none.
    pub(super) answer: Column,
    pub(super) span: Span,
}

/// What the answer of a tied sub-query is called.
pub(super) const SCALAR: &str = "scalarsubquery()";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TiedKind {
    /// The value of the plan's first column.
    Scalar,
    Exists,
}

/// A plan without ties and the condition under which its rows belong to an outer row.
pub(super) struct Untied {
    pub(super) plan: LogicalPlan,
    pub(super) on: Vec<Expr>,
}

type Ids = HashSet<ColumnId>;

impl Analyzer<'_> {
    /// The plan with the answer of a tied sub-query as a further column.
    pub(super) fn tie(&mut self, outer: LogicalPlan, tied: Tied) -> Result<LogicalPlan> {
        match tied.kind {
            TiedKind::Scalar => self.tie_scalar(outer, tied),
            TiedKind::Exists => self.tie_exists(outer, tied),
        }
    }

    fn tie_scalar(&mut self, outer: LogicalPlan, tied: Tied) -> Result<LogicalPlan> {
        let targets = ids(&outer);
        let value = tied.plan.columns().remove(0);
        let answer = |expr: Expr| NamedExpr { id: tied.answer.id, name: tied.answer.name.clone(), expr };
        if let Some(LogicalPlan::Project { exprs, .. }) = one_row(&tied.plan)
            && let Some(found) = exprs.iter().find(|e| e.id == value.id)
        {
            return Ok(project(outer, vec![answer(found.expr.clone())]));
        }
        // An aggregate of the tied rows: grouped by the ties; what stands above it is computed after the join.
        let (above, aggregate) = match &tied.plan {
            LogicalPlan::Project { input, exprs } => (exprs.iter().find(|e| e.id == value.id).map(|e| e.expr.clone()), &**input),
            plan => (None, plan),
        };
        let above = above.unwrap_or_else(|| value.expr());
        if let LogicalPlan::Aggregate { input, keys, aggregates } = aggregate
            && keys.is_empty()
            && !reads(&above, &targets)
            && let Some(pulled) = self.pull((**input).clone(), &targets)
            && let Some((keys, on)) = self.tie_keys(&pulled, &targets)
            && let Some(value) = of_nothing(&above, aggregates)
        {
            let plan = LogicalPlan::Aggregate { input: Box::new(pulled.plan), keys, aggregates: aggregates.clone() };
            return Ok(project(join_below(outer, plan, JoinKind::Left, on, true), vec![answer(value)]));
        }
        let single = gives_one(&tied.plan);
        let Pushed { plan, columns, on } = self.push_all(&outer, tied.plan, tied.span)?;
        let plan = if single { plan } else { self.one_of_each(plan, &columns, &value) };
        let plan = join(outer, plan, JoinKind::Left, on);
        Ok(project(plan, vec![answer(value.expr())]))
    }

    /// Each combination of `keys` with its single `value`; fails when it runs where there are several.
    fn one_of_each(&mut self, plan: LogicalPlan, keys: &[Column], value: &Column) -> LogicalPlan {
        let (count, first) = (self.column("count", DataType::BigInt), self.column("first", value.data_type.clone()));
        let call = |function, arg: Expr, column: &Column| NamedAggregate {
            id: column.id,
            name: column.name.clone(),
            call: AggregateCall {
                function: FunctionId(function),
                args: vec![arg],
                filter: None,
                distinct: false,
                ignore_nulls: false,
                data_type: column.data_type.clone(),
            },
        };
        let one = Expr::literal(Value::Int(1), DataType::Int);
        let aggregates = vec![call("count", one, &count), call("first", value.expr(), &first)];
        let plan = LogicalPlan::Aggregate { input: Box::new(plan), keys: keep(keys), aggregates };
        let checked = Expr::call("single_row", vec![count.expr(), first.expr()], value.data_type.clone());
        let named = NamedExpr { id: value.id, name: value.name.clone(), expr: checked };
        LogicalPlan::Project { input: Box::new(plan), exprs: keep(keys).into_iter().chain([named]).collect() }
    }

    fn tie_exists(&mut self, outer: LogicalPlan, tied: Tied) -> Result<LogicalPlan> {
        let plan = only_existence(tied.plan);
        let targets = ids(&outer);
        let flag =
            NamedExpr { id: tied.answer.id, name: tied.answer.name.clone(), expr: Expr::literal(Value::Boolean(true), DataType::Boolean) };
        if matches!(&plan, LogicalPlan::Aggregate { keys, .. } if keys.is_empty()) {
            // An aggregate without GROUP BY always gives a row.
            return Ok(project(outer, vec![flag]));
        }
        let pulled = self.pull(plan.clone(), &targets);
        if let Some(pulled) = pulled
            && let Some((keys, on)) = self.tie_keys(&pulled, &targets)
        {
            let plan = LogicalPlan::Aggregate { input: Box::new(pulled.plan), keys, aggregates: vec![] };
            return Ok(join_below(outer, project(plan, vec![flag]), JoinKind::Left, on, true));
        }
        let Pushed { plan, columns, on } = self.push_all(&outer, plan, tied.span)?;
        let plan = LogicalPlan::Aggregate { input: Box::new(plan), keys: keep(&columns), aggregates: vec![] };
        Ok(join(outer, project(plan, vec![flag]), JoinKind::Left, on))
    }

    /// A sub-query that a join can take as its right side, whatever the kind of the join.
    pub(super) fn untie(&mut self, outer: &LogicalPlan, plan: LogicalPlan, span: Span) -> Result<Untied> {
        let targets = ids(outer);
        if let Some(pulled) = self.pull(plan.clone(), &targets) {
            return Ok(pulled);
        }
        let Pushed { plan, on, .. } = self.push_all(outer, plan, span)?;
        Ok(Untied { plan, on })
    }

    /// The plan without ties, and the ties as conditions; `None` where one cannot come up.
    fn pull(&mut self, plan: LogicalPlan, targets: &Ids) -> Option<Untied> {
        if !is_tied(&plan, targets) {
            return Some(Untied { plan, on: vec![] });
        }
        match plan {
            LogicalPlan::Filter { input, predicate } => {
                let mut pulled = self.pull(*input, targets)?;
                let mut parts = Vec::new();
                conjuncts(&predicate, &mut parts);
                let (tied, own): (Vec<_>, Vec<_>) = parts.into_iter().cloned().partition(|e| reads(e, targets));
                pulled.on.extend(tied);
                if let Some(predicate) = all_of(own) {
                    pulled.plan = LogicalPlan::Filter { input: Box::new(pulled.plan), predicate };
                }
                Some(pulled)
            }
            LogicalPlan::Project { input, mut exprs } if !exprs.iter().any(|e| reads(&e.expr, targets)) => {
                let pulled = self.pull(*input, targets)?;
                carry(&mut exprs, &pulled.plan, &pulled.on);
                Some(Untied { plan: LogicalPlan::Project { input: Box::new(pulled.plan), exprs }, on: pulled.on })
            }
            LogicalPlan::Aggregate { input, mut keys, aggregates } if !keys.is_empty() => {
                let tied = |e: &Expr| reads(e, targets);
                let calls = aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.call.filter));
                if keys.iter().map(|k| &k.expr).chain(calls).any(tied) {
                    return None;
                }
                let pulled = self.pull(*input, targets)?;
                let (more, on) = self.tie_keys(&pulled, targets)?;
                keys.extend(more);
                Some(Untied { plan: LogicalPlan::Aggregate { input: Box::new(pulled.plan), keys, aggregates }, on })
            }
            LogicalPlan::Sort { input, keys } if !keys.iter().any(|k| reads(&k.expr, targets)) => {
                let pulled = self.pull(*input, targets)?;
                Some(Untied { plan: LogicalPlan::Sort { input: Box::new(pulled.plan), keys }, on: pulled.on })
            }
            LogicalPlan::Limit { input, limit, offset } => {
                let (input, keys) = unsorted(*input);
                let pulled = self.pull(input, targets)?;
                let (partition, on) = self.tie_keys(&pulled, targets)?;
                let plan = project(pulled.plan, partition.clone());
                let partition = partition.iter().map(|k| column_of(k).expr()).collect();
                Some(Untied { plan: self.limited(plan, partition, keys, limit, offset), on })
            }
            LogicalPlan::Join { left, right, kind, condition } => self.pull_join(*left, *right, kind, condition, targets),
            LogicalPlan::Generate { input, generator, outer, columns } if !reads(&generator, targets) => {
                let pulled = self.pull(*input, targets)?;
                let plan = LogicalPlan::Generate { input: Box::new(pulled.plan), generator, outer, columns };
                Some(Untied { plan, on: pulled.on })
            }
            _ => None,
        }
    }

    fn pull_join(
        &mut self,
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinKind,
        condition: Option<Expr>,
        targets: &Ids,
    ) -> Option<Untied> {
        let mut parts = Vec::new();
        condition.iter().for_each(|c| conjuncts(c, &mut parts));
        let (tied, own): (Vec<_>, Vec<_>) = parts.into_iter().cloned().partition(|e| reads(e, targets));
        let inner = matches!(kind, JoinKind::Inner | JoinKind::Cross);
        if !inner
            && (!tied.is_empty() || is_tied(&right, targets) || !matches!(kind, JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti))
        {
            return None;
        }
        let (l, r) = (self.pull(left, targets)?, self.pull(right, targets)?);
        let on = l.on.into_iter().chain(r.on).chain(tied).collect();
        Some(Untied { plan: join(l.plan, r.plan, kind, own), on })
    }

    /// The inner sides of ties by equality as keys, and the ties over those keys; `None` when a tie is no equality.
    fn tie_keys(&mut self, pulled: &Untied, targets: &Ids) -> Option<(Vec<NamedExpr>, Vec<Expr>)> {
        let own = ids(&pulled.plan);
        let (mut keys, mut on): (Vec<NamedExpr>, Vec<Expr>) = (Vec::new(), Vec::new());
        for tie in &pulled.on {
            let Expr::Call { function, args, data_type } = tie else { return None };
            let [a, b] = args.as_slice() else { return None };
            let only = |e: &Expr, of: &Ids| !e.columns().is_empty() && e.columns().iter().all(|c| of.contains(c));
            let (inner, outer) = match () {
                () if !matches!(function.0, "=" | "<=>") => return None,
                () if only(a, &own) && only(b, targets) => (a, b),
                () if only(b, &own) && only(a, targets) => (b, a),
                () => return None,
            };
            let known = keys.iter().find(|k| k.expr == *inner).cloned();
            let key = known.unwrap_or_else(|| {
                let key = NamedExpr { id: self.fresh(), name: "key".to_string(), expr: inner.clone() };
                keys.push(key.clone());
                key
            });
            let args = vec![outer.clone(), column_of(&key).expr()];
            on.push(Expr::Call { function: *function, args, data_type: data_type.clone() });
        }
        Some((keys, on))
    }

    /// The first rows of each combination of `partition`.
    fn limited(
        &mut self,
        plan: LogicalPlan,
        partition: Vec<Expr>,
        mut order: Vec<SortKey>,
        limit: Option<u64>,
        offset: u64,
    ) -> LogicalPlan {
        if order.is_empty() {
            let constant = Expr::literal(Value::Int(1), DataType::Int);
            order.push(SortKey { expr: constant, descending: false, nulls_first: true });
        }
        let number = self.column("row_number", DataType::Int);
        let call = Box::new(Expr::call("row_number", vec![], DataType::Int));
        let frame = Some(Frame { rows: true, start: Bound::Unbounded, end: Bound::Offset(Value::Int(0)) });
        let expr = Expr::Window { call, partition_by: partition, order_by: order, frame, data_type: DataType::Int };
        let calls = vec![NamedExpr { id: number.id, name: number.name.clone(), expr }];
        let plan = LogicalPlan::Window { input: Box::new(plan), calls };
        let bound = |n: u64| Expr::literal(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)), DataType::BigInt);
        let wide = Expr::Cast { expr: Box::new(number.expr()), to: DataType::BigInt, attempt: false };
        let mut predicate = Expr::call(">", vec![wide.clone(), bound(offset)], DataType::Boolean);
        if let Some(limit) = limit {
            let last = Expr::call("<=", vec![wide, bound(offset.saturating_add(limit))], DataType::Boolean);
            predicate = Expr::And(Box::new(predicate), Box::new(last));
        }
        LogicalPlan::Filter { input: Box::new(plan), predicate }
    }
}

/// `left JOIN right` on all of `on`.
pub(super) fn join(left: LogicalPlan, right: LogicalPlan, kind: JoinKind, on: Vec<Expr>) -> LogicalPlan {
    LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, condition: all_of(on) }
}

/// `left JOIN right`, below the watermarks of `left` whose times `on` does not read: a sub-query in a condition is a part
/// of the condition, and rows that a condition without the event time drops do not move the watermark.
pub(super) fn join_below(left: LogicalPlan, right: LogicalPlan, kind: JoinKind, on: Vec<Expr>, tied: bool) -> LogicalPlan {
    let keeps_columns = matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
    let makes = |columns: &[Column]| on.iter().any(|e| columns.iter().any(|c| e.columns().contains(&c.id)));
    let made_by = |aggregates: &[NamedAggregate]| aggregates.iter().map(|a| a.id).collect::<Ids>();
    match left {
        LogicalPlan::Watermark { input, column, delay } if !on.iter().any(|e| e.columns().contains(&column)) => {
            LogicalPlan::Watermark { input: Box::new(join_below(*input, right, kind, on, tied)), column, delay }
        }
        LogicalPlan::Filter { input, predicate } if input.is_streaming() => {
            LogicalPlan::Filter { input: Box::new(join_below(*input, right, kind, on, tied)), predicate }
        }
        LogicalPlan::Project { input, exprs } if input.is_streaming() && keeps_columns && !exprs.iter().any(|e| is_unmovable(&e.expr)) => {
            let on = on.into_iter().map(|e| substituted(e, &exprs)).collect();
            LogicalPlan::Project { input: Box::new(join_below(*input, right, kind, on, tied)), exprs }
        }
        LogicalPlan::Generate { input, generator, outer, columns } if input.is_streaming() && keeps_columns && !makes(&columns) => {
            LogicalPlan::Generate { input: Box::new(join_below(*input, right, kind, on, tied)), generator, outer, columns }
        }
        LogicalPlan::Aggregate { input, keys, aggregates }
            if input.is_streaming() && keeps_columns && !keys.is_empty() && !on.iter().any(|e| reads(e, &made_by(&aggregates))) =>
        {
            let on = on.into_iter().map(|e| substituted(e, &keys)).collect();
            LogicalPlan::Aggregate { input: Box::new(join_below(*input, right, kind, on, tied)), keys, aggregates }
        }
        // As in Spark, one that is tied to the rows around it does not go below a join.
        LogicalPlan::Join { left, right: other, kind: above @ (JoinKind::Inner | JoinKind::Cross | JoinKind::Left), condition }
            if left.is_streaming() && keeps_columns && !tied && on.iter().all(|e| !reads(e, &ids(&other))) =>
        {
            LogicalPlan::Join { left: Box::new(join_below(*left, right, kind, on, tied)), right: other, kind: above, condition }
        }
        other => join(other, right, kind, on),
    }
}

/// The plan's columns and `more`.
fn project(plan: LogicalPlan, more: Vec<NamedExpr>) -> LogicalPlan {
    let exprs = keep(&plan.columns()).into_iter().chain(more).collect();
    LogicalPlan::Project { input: Box::new(plan), exprs }
}

pub(super) fn all_of(parts: Vec<Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|a, b| Expr::And(Box::new(a), Box::new(b)))
}

fn column_of(e: &NamedExpr) -> Column {
    Column { id: e.id, name: e.name.clone(), data_type: e.expr.data_type() }
}

pub(super) fn ids(plan: &LogicalPlan) -> Ids {
    plan.columns().iter().map(|c| c.id).collect()
}

/// A plan of projections over one row without columns, as one projection.
fn one_row(plan: &LogicalPlan) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Values { rows, columns } if columns.is_empty() && rows.len() == 1 => {
            Some(LogicalPlan::Project { input: Box::new(plan.clone()), exprs: vec![] })
        }
        LogicalPlan::Project { input, exprs } => {
            let LogicalPlan::Project { input, exprs: below } = one_row(input)? else { return None };
            let exprs = exprs.iter().map(|e| NamedExpr { expr: substituted(e.expr.clone(), &below), ..e.clone() }).collect();
            Some(LogicalPlan::Project { input, exprs })
        }
        _ => None,
    }
}

/// A plan of projections, filters and generators over one row without columns, put on top of `outer` instead.
pub(super) fn grafted(plan: &LogicalPlan, outer: &LogicalPlan) -> Option<LogicalPlan> {
    let on = |input: &LogicalPlan| grafted(input, outer).map(Box::new);
    Some(match plan {
        LogicalPlan::Values { rows, columns } if columns.is_empty() && rows.len() == 1 => outer.clone(),
        LogicalPlan::Project { input, exprs } => {
            let input = on(input)?;
            let carried: Vec<_> = input.columns().into_iter().filter(|c| !exprs.iter().any(|e| e.id == c.id)).collect();
            LogicalPlan::Project { input, exprs: exprs.iter().cloned().chain(keep(&carried)).collect() }
        }
        LogicalPlan::Filter { input, predicate } => LogicalPlan::Filter { input: on(input)?, predicate: predicate.clone() },
        LogicalPlan::Generate { input, generator, outer, columns } => {
            LogicalPlan::Generate { input: on(input)?, generator: generator.clone(), outer: *outer, columns: columns.clone() }
        }
        _ => return None,
    })
}

/// The expression with `named` columns replaced by what they are computed from.
fn substituted(expr: Expr, named: &[NamedExpr]) -> Expr {
    if let Expr::Column { id, .. } = &expr
        && let Some(found) = named.iter().find(|n| n.id == *id)
    {
        return found.expr.clone();
    }
    expr.map_children(&mut |child| substituted(child, named))
}

/// The expression with the columns `from` replaced by `to`, in sub-queries too.
fn replaced(expr: Expr, from: &[Column], to: &[Column]) -> Expr {
    if let Expr::Column { id, .. } = &expr
        && let Some(at) = from.iter().position(|c| c.id == *id)
    {
        return to[at].expr();
    }
    expr.map_children(&mut |child| replaced(child, from, to))
}

fn partitioned(call: Expr, by: &[Column]) -> Expr {
    match call {
        Expr::Window { call, mut partition_by, order_by, frame, data_type } => {
            partition_by.extend(by.iter().map(Column::expr));
            Expr::Window { call, partition_by, order_by, frame, data_type }
        }
        other => other,
    }
}

/// Columns of `plan` that conditions above need, kept by a projection.
fn carry(exprs: &mut Vec<NamedExpr>, plan: &LogicalPlan, on: &[Expr]) {
    let wanted: Ids = on.iter().flat_map(Expr::columns).collect();
    let missing: Vec<_> = plan.columns().into_iter().filter(|c| wanted.contains(&c.id) && !exprs.iter().any(|e| e.id == c.id)).collect();
    exprs.extend(keep(&missing));
}

/// The input of a sort and its keys.
fn unsorted(plan: LogicalPlan) -> (LogicalPlan, Vec<SortKey>) {
    match plan {
        LogicalPlan::Sort { input, keys } => (*input, keys),
        // The columns that a sort needed are dropped again above it.
        LogicalPlan::Project { input, exprs } if matches!(*input, LogicalPlan::Sort { .. }) => {
            let LogicalPlan::Sort { input: below, keys } = *input else { unreachable!("checked by the guard") };
            let wanted: Vec<_> = keys.iter().flat_map(|k| k.expr.columns()).collect();
            let carried: Vec<_> =
                below.columns().into_iter().filter(|c| wanted.contains(&c.id) && !exprs.iter().any(|e| e.id == c.id)).collect();
            let exprs = exprs.into_iter().chain(keep(&carried)).collect();
            (LogicalPlan::Project { input: below, exprs }, keys)
        }
        other => (other, vec![]),
    }
}

/// Whether the plan gives at most one row.
fn gives_one(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate { keys, .. } => keys.is_empty(),
        LogicalPlan::Limit { limit, .. } => limit.is_some_and(|n| n <= 1),
        LogicalPlan::Project { input, .. } | LogicalPlan::Filter { input, .. } | LogicalPlan::Sort { input, .. } => gives_one(input),
        LogicalPlan::Values { rows, .. } => rows.len() <= 1,
        _ => false,
    }
}

/// A plan that has a row exactly when `plan` has one.
fn only_existence(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Project { input, .. } | LogicalPlan::Sort { input, .. } => only_existence(*input),
        LogicalPlan::Limit { input, limit, offset: 0 } if limit.is_none_or(|n| n > 0) => only_existence(*input),
        other => other,
    }
}

/// The value over the aggregates of a group that has no rows and therefore came out NULL of a join: counts are 0 there,
/// lists empty. `None` for an aggregate whose value of nothing is something else.
fn of_nothing(value: &Expr, aggregates: &[NamedAggregate]) -> Option<Expr> {
    let mut defaults = Vec::new();
    for aggregate in aggregates {
        let data_type = aggregate.call.data_type.clone();
        let nothing = match aggregate.call.function.0 {
            "count" | "count_if" | "regr_count" | "approx_count_distinct" => Expr::literal(Value::Int(0), data_type.clone()),
            "collect_list" | "collect_set" => return None,
            _ => continue,
        };
        let column = Expr::Column { id: aggregate.id, name: aggregate.name.clone(), data_type: data_type.clone() };
        let expr = Expr::Coalesce { args: vec![column, nothing], data_type };
        defaults.push(NamedExpr { id: aggregate.id, name: aggregate.name.clone(), expr });
    }
    Some(substituted(value.clone(), &defaults))
}

/// Whether the expression reads one of the columns; sub-queries in it are looked into.
fn reads(e: &Expr, targets: &Ids) -> bool {
    let mut found = Vec::new();
    read_columns(e, targets, &mut found);
    !found.is_empty()
}

fn read_columns(e: &Expr, targets: &Ids, out: &mut Vec<ColumnId>) {
    match e {
        Expr::Column { id, .. } => {
            if targets.contains(id) && !out.contains(id) {
                out.push(*id);
            }
        }
        Expr::Subquery { plan, kind, .. } => {
            tied_columns(plan, targets, out);
            if let SubqueryKind::In(value) = kind {
                read_columns(value, targets, out);
            }
        }
        other => other.children().into_iter().for_each(|c| read_columns(c, targets, out)),
    }
}

/// Whether the plan reads one of the columns, which are not its own.
pub(super) fn is_tied(plan: &LogicalPlan, targets: &Ids) -> bool {
    let mut found = Vec::new();
    tied_columns(plan, targets, &mut found);
    !found.is_empty()
}

fn tied_columns(plan: &LogicalPlan, targets: &Ids, out: &mut Vec<ColumnId>) {
    for e in plan.expressions() {
        read_columns(e, targets, out);
    }
    plan.inputs().into_iter().for_each(|input| tied_columns(input, targets, out));
}
