//! Whole queries: WITH, set operations, ORDER BY, LIMIT, WHERE.

use super::{Aggregates, Analyzer, Env, Relation, Result, keep, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind, JoinKind, QueryBody, SetOperator, UnaryOp};
use crate::plan::coerce::{cast, common};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, NamedExpr, SortKey};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::scope::Scope;
use crate::types::{DataType, Value};

impl Analyzer<'_> {
    /// A query with the common table expressions before it and the order and limit after it.
    pub(crate) fn query(&mut self, query: &ast::Query) -> Result<Relation> {
        let known = self.ctes.len();
        self.ctes.extend(query.ctes.iter().cloned());
        let result = self.ordered(query);
        self.ctes.truncate(known);
        result
    }

    fn ordered(&mut self, query: &ast::Query) -> Result<Relation> {
        let order: Vec<_> = query.order_by.iter().chain(&query.sort_by).cloned().collect();
        let (mut plan, scope) = match &query.body {
            QueryBody::Select(select) => self.select(select, &order)?,
            body => {
                let (plan, scope) = self.body(body)?;
                let plan = if order.is_empty() { plan } else { self.sort(plan, &scope, &order)? };
                (plan, scope)
            }
        };
        if query.limit.is_some() || query.offset.is_some() {
            plan = self.limit(plan, query.limit.as_ref(), query.offset.as_ref())?;
        }
        Ok((plan, scope))
    }

    pub(super) fn body(&mut self, body: &QueryBody) -> Result<Relation> {
        match body {
            QueryBody::Select(select) => self.select(select, &[]),
            QueryBody::SetOperation { op, all, left, right, span } => {
                let (left, right) = (self.body(left)?, self.body(right)?);
                self.set_operation(*op, *all, left, right, *span)
            }
            QueryBody::Values(values) => self.values(values),
            QueryBody::Table(name) => self.named_relation(name, false),
            QueryBody::From(tables) => self.from(tables),
            QueryBody::Pipe { input, operator, span } => {
                let input = self.body(input)?;
                self.pipe(input, operator, *span)
            }
            QueryBody::Nested(query) => self.query(query),
        }
    }

    pub(super) fn set_operation(&mut self, op: SetOperator, all: bool, left: Relation, right: Relation, span: Span) -> Result<Relation> {
        let operator = match op {
            SetOperator::Union => "UNION",
            SetOperator::Intersect => "INTERSECT",
            SetOperator::Except => "EXCEPT",
        };
        let (left, right) = (finish(left), finish(right));
        let (l, r) = (left.columns(), right.columns());
        if l.len() != r.len() {
            return refuse(Reason::ColumnCount { operator, left: l.len(), right: r.len() }, span);
        }
        let mut types = Vec::new();
        for (i, (a, b)) in l.iter().zip(&r).enumerate() {
            match common(&a.data_type, &b.data_type) {
                Some(t) => types.push(t),
                None => {
                    let (left, right) = (a.data_type.clone(), b.data_type.clone());
                    return refuse(Reason::IncompatibleColumns { operator, position: i + 1, left, right }, span);
                }
            }
        }
        let (left, right) = (self.recast(left, &types), self.recast(right, &types));
        let plan = match op {
            SetOperator::Union => {
                let columns: Vec<_> = l.iter().zip(types).map(|(c, t)| self.column(c.name.clone(), t)).collect();
                let union = LogicalPlan::Union { inputs: vec![left, right], columns };
                if all { union } else { self.distinct(union) }
            }
            _ => LogicalPlan::SetOperation { left: Box::new(left), right: Box::new(right), intersect: op == SetOperator::Intersect, all },
        };
        let scope = Scope::of(plan.columns(), None);
        Ok((plan, scope))
    }

    /// The plan with its columns cast to `types` where they differ.
    fn recast(&mut self, plan: LogicalPlan, types: &[DataType]) -> LogicalPlan {
        let columns = plan.columns();
        if columns.iter().map(|c| &c.data_type).eq(types) {
            return plan;
        }
        let exprs = columns.iter().zip(types).map(|(c, t)| self.named(c.name.clone(), cast(c.expr(), t))).collect();
        LogicalPlan::Project { input: Box::new(plan), exprs }
    }

    /// One row of each distinct combination: an aggregation without aggregates, as in Spark.
    pub(super) fn distinct(&mut self, plan: LogicalPlan) -> LogicalPlan {
        let keys = keep(&plan.columns());
        LogicalPlan::Aggregate { input: Box::new(plan), keys, aggregates: vec![] }
    }

    /// Sorts by expressions over the columns in sight.
    pub(super) fn sort(&mut self, plan: LogicalPlan, scope: &Scope, items: &[ast::SortItem]) -> Result<LogicalPlan> {
        let mut keys = Vec::new();
        for item in items {
            let mut env = Env::new(scope.clone(), Aggregates::Forbidden("INVALID_WHERE_CONDITION", "ORDER BY"));
            let expr = match ordinal(&item.expr) {
                Some(position) => self.by_position(position, "ORDER BY", &visible(scope), item.expr.span)?.expr(),
                None => self.expr(&item.expr, &mut env)?,
            };
            keys.push(sort_key(item, expr));
        }
        Ok(LogicalPlan::Sort { input: Box::new(plan), keys })
    }

    pub(super) fn by_position<'c>(&self, position: i64, clause: &'static str, columns: &'c [Column], span: Span) -> Result<&'c Column> {
        let found = usize::try_from(position).ok().filter(|p| *p >= 1).and_then(|p| columns.get(p - 1));
        match found {
            Some(column) => Ok(column),
            None => refuse(Reason::OrdinalOutOfRange { clause, position, columns: columns.len() }, span),
        }
    }

    pub(super) fn limit(&mut self, plan: LogicalPlan, limit: Option<&ast::Expr>, offset: Option<&ast::Expr>) -> Result<LogicalPlan> {
        let limit = limit.map(|e| self.row_count(e, "LIMIT")).transpose()?;
        let offset = offset.map(|e| self.row_count(e, "OFFSET")).transpose()?.unwrap_or(0);
        Ok(LogicalPlan::Limit { input: Box::new(plan), limit, offset })
    }

    fn row_count(&mut self, e: &ast::Expr, clause: &'static str) -> Result<u64> {
        let expr = self.plain_expr(e, &Scope::default(), clause)?;
        let wrong = |condition, message: &str| refuse(Reason::Rule { condition, message: format!("{clause} {message}") }, e.span);
        if !super::call::is_constant(&expr) {
            return wrong("INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", "has to be a constant");
        }
        if !expr.data_type().is_integral() && expr.data_type() != DataType::Void {
            return wrong("INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "has to be a whole number");
        }
        match self.constant(&expr, e.span)? {
            Value::Int(n) if n >= 0 => Ok(n as u64),
            Value::Int(_) => wrong("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", "cannot be negative"),
            _ => wrong("INVALID_LIMIT_LIKE_EXPRESSION.IS_NULL", "cannot be NULL"),
        }
    }

    /// WHERE: sub-queries among its AND-ed parts become semi and anti joins, the rest a filter.
    pub(super) fn filtered(&mut self, (mut plan, scope): Relation, condition: &ast::Expr, clause: &'static str) -> Result<Relation> {
        let mut env = Env::plain(scope, "INVALID_WHERE_CONDITION", clause);
        let mut parts = Vec::new();
        conjuncts(condition, &mut parts);
        let (joins, plain): (Vec<_>, Vec<_>) = parts.into_iter().partition(|p| as_semi_join(p).is_some());
        let predicate = if joins.is_empty() {
            Some(self.condition(condition, clause, &mut env)?)
        } else {
            let mut all = None;
            for part in plain {
                let part = self.condition(part, clause, &mut env)?;
                all = Some(match all {
                    None => part,
                    Some(so_far) => Expr::And(Box::new(so_far), Box::new(part)),
                });
            }
            all
        };
        plan = self.place_windows(plan, &mut env);
        if let Some(predicate) = predicate {
            plan = LogicalPlan::Filter { input: Box::new(plan), predicate };
        }
        let mut relation = (plan, env.scope);
        for join in joins {
            relation = self.semi_join(relation, join)?;
        }
        Ok(relation)
    }

    /// `[NOT] EXISTS (…)` and `x [NOT] IN (…)` as joins that keep the left side's columns.
    fn semi_join(&mut self, (left, scope): Relation, part: &ast::Expr) -> Result<Relation> {
        let Some((query, value, negated)) = as_semi_join(part) else { return Ok((left, scope)) };
        let value = match value {
            Some(e) => Some((self.plain_expr(e, &scope, "WHERE")?, e.span)),
            None => None,
        };
        self.outer.push(scope.clone());
        let inner = self.nested(part.span, |this| this.correlated(query));
        self.outer.pop();
        let (right, right_scope, mut condition) = inner?;
        super::subquery::refuse_stream(&right, part.span)?;
        if let Some((value, span)) = value {
            let columns = visible(&right_scope);
            let [column] = columns.as_slice() else {
                let message = format!("the sub-query of IN has to give one column, not {}", columns.len());
                return refuse(Reason::Subquery { condition: "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH", message }, part.span);
            };
            let mut equal = self.equal(value, column.expr(), span)?;
            if negated {
                // NOT IN keeps a row only when the comparison is FALSE for every row of the sub-query.
                let unknown = Expr::call("isnull", vec![equal.clone()], DataType::Boolean);
                equal = Expr::Or(Box::new(equal), Box::new(unknown));
            }
            condition = Some(match condition {
                None => equal,
                Some(other) => Expr::And(Box::new(equal), Box::new(other)),
            });
        }
        let kind = if negated { JoinKind::LeftAnti } else { JoinKind::LeftSemi };
        Ok((LogicalPlan::Join { left: Box::new(left), right: Box::new(right), kind, condition }, scope))
    }

    /// A sub-query whose WHERE may look at the columns around it: its rows, its columns, and that WHERE.
    fn correlated(&mut self, query: &ast::Query) -> Result<(LogicalPlan, Scope, Option<Expr>)> {
        if let QueryBody::Select(select) = &query.body
            && let (Some(filter), None, None) = (&select.filter, &select.group_by, &query.limit)
            && query.ctes.is_empty()
            && !select.items.iter().any(|i| super::select::has_aggregate(&i.expr))
        {
            let (plan, scope) = self.from(&select.from)?;
            let mut env = Env::plain(scope.clone(), "INVALID_WHERE_CONDITION", "WHERE");
            let condition = self.condition(filter, "WHERE", &mut env)?;
            let (plan, scope) = self.project_items(plan, scope, &select.items)?;
            return Ok((plan, scope, Some(condition)));
        }
        let (plan, scope) = self.query(query)?;
        Ok((plan, scope, None))
    }
}

/// The query, the value of IN, and whether it is negated, when `e` is a sub-query test.
fn as_semi_join(e: &ast::Expr) -> Option<(&ast::Query, Option<&ast::Expr>, bool)> {
    match &e.kind {
        ExprKind::Exists(query) => Some((query, None, false)),
        ExprKind::InSubquery { expr, query, negated } => Some((query, Some(expr), *negated)),
        ExprKind::Unary { op: UnaryOp::Not, expr } => as_semi_join(expr).map(|(q, v, negated)| (q, v, !negated)),
        _ => None,
    }
}

/// The parts of a condition that are joined by AND.
fn conjuncts<'e>(e: &'e ast::Expr, out: &mut Vec<&'e ast::Expr>) {
    match &e.kind {
        ExprKind::Binary { op: ast::BinaryOp::And, left, right } => {
            conjuncts(left, out);
            conjuncts(right, out);
        }
        _ => out.push(e),
    }
}

/// A plain whole number: a position in the select list.
pub(super) fn ordinal(e: &ast::Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Literal(Value::Int(n), _) => Some(*n),
        _ => None,
    }
}

/// A key with Spark's default place for NULLs: first when ascending.
pub(super) fn sort_key(item: &ast::SortItem, expr: Expr) -> SortKey {
    SortKey { expr, descending: item.descending, nulls_first: item.nulls_first.unwrap_or(!item.descending) }
}

/// The columns that `*` stands for.
pub(super) fn visible(scope: &Scope) -> Vec<Column> {
    scope.star(None).unwrap_or_default().into_iter().map(|v| v.column).collect()
}

/// The plan with exactly the visible columns, under the names they go by.
pub(crate) fn finish((plan, scope): Relation) -> LogicalPlan {
    let wanted = visible(&scope);
    if plan.columns() == wanted {
        return plan;
    }
    let exprs = wanted.iter().map(|c| NamedExpr { id: c.id, name: c.name.clone(), expr: c.expr() }).collect();
    LogicalPlan::Project { input: Box::new(plan), exprs }
}
