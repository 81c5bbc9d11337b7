//! Whole queries: WITH, set operations, ORDER BY, LIMIT, WHERE.

use super::{Aggregates, Analyzer, Env, Relation, Result, keep, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind, JoinKind, QueryBody, SetOperator, UnaryOp};
use crate::plan::coerce::{cast, common, is_ordered};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, NamedExpr, SortKey};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::scope::{Found, Scope, same};
use crate::types::{DataType, Value};

impl Analyzer<'_> {
    /// A query with the common table expressions before it and the order and limit after it.
    pub(crate) fn query(&mut self, query: &ast::Query) -> Result<Relation> {
        for (at, cte) in query.ctes.iter().enumerate() {
            if query.ctes[..at].iter().any(|c| same(&c.name.name, &cte.name.name)) {
                let message = format!("the name `{}` stands twice in this WITH", cte.name.name);
                return refuse(Reason::Rule { condition: "DUPLICATED_CTE_NAMES", message }, cte.name.span);
            }
        }
        let known = self.ctes.len();
        for (i, cte) in query.ctes.iter().enumerate() {
            if query.ctes[..i].iter().any(|before| crate::plan::scope::same(&before.name.name, &cte.name.name)) {
                let message = format!("WITH names `{}` twice", cte.name.name);
                return refuse(Reason::Rule { condition: "DUPLICATED_CTE_NAMES", message }, cte.name.span);
            }
        }
        self.ctes.extend(query.ctes.iter().cloned());
        let result = self.ordered(query);
        self.ctes.truncate(known);
        result
    }

    fn ordered(&mut self, query: &ast::Query) -> Result<Relation> {
        if let (Some(_), Some(second)) = (query.order_by.first(), query.sort_by.first()) {
            let message = "ORDER BY and SORT BY both say how rows are ordered: only one of them can stand here".to_string();
            return refuse(Reason::Rule { condition: "UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES", message }, second.expr.span);
        }
        let order: Vec<_> = query.order_by.iter().chain(&query.sort_by).cloned().collect();
        let (mut plan, scope) = match &query.body {
            QueryBody::Select(select) => self.select(select, &order)?,
            body => {
                let (plan, scope) = self.body(body)?;
                let plan = if order.is_empty() { plan } else { self.sort(plan, &scope, &order)? };
                (plan, scope)
            }
        };
        for e in &query.distribute_by {
            self.plain_expr(e, &scope, "DISTRIBUTE BY")?;
        }
        if query.limit.is_some() || query.offset.is_some() {
            plan = self.limit((plan, &scope), query.limit.as_ref(), query.offset.as_ref())?;
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
            QueryBody::Table(name) => self.relation_named(name, false),
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
        let qualifiers: Vec<_> = left.1.star(None).unwrap_or_default().into_iter().map(|v| v.qualifier).collect();
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
        if !(all && op == SetOperator::Union) {
            comparable(&types, operator, span)?;
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
        let mut scope = Scope::of(plan.columns(), None);
        for (visible, qualifier) in scope.columns.iter_mut().zip(qualifiers) {
            visible.qualifier = qualifier;
        }
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
        if let Some(all) = all_columns(items, scope) {
            keys = visible(scope).iter().map(|c| sort_key(all, c.expr())).collect::<Result<_>>()?;
            return Ok(LogicalPlan::Sort { input: Box::new(plan), keys });
        }
        for item in items {
            let mut env = Env::new(scope.clone(), Aggregates::Forbidden(NOT_IN_SORT, "ORDER BY"));
            let expr = match ordinal(&item.expr) {
                Some(position) => self.by_position(position, "ORDER BY", &visible(scope), item.expr.span)?.expr(),
                None => self.expr(&item.expr, &mut env)?,
            };
            self.sortable(&expr, &env, item.expr.span)?;
            keys.push(sort_key(item, expr)?);
        }
        Ok(LogicalPlan::Sort { input: Box::new(plan), keys })
    }

    /// Refuses what a sort cannot hold: window functions, and sub-queries tied to the rows.
    pub(super) fn sortable(&self, expr: &Expr, env: &Env, span: Span) -> Result<()> {
        if expr.any(&|e| matches!(e, Expr::Window { .. })) {
            let message = "a window function cannot stand in ORDER BY; give it a name in the select list and sort by that".to_string();
            return refuse(Reason::Rule { condition: NOT_IN_SORT, message }, span);
        }
        if !env.joins.is_empty() {
            let condition = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY";
            let message = "a sub-query that looks at the row cannot stand in ORDER BY; put it into the select list".to_string();
            return refuse(Reason::Subquery { condition, message }, span);
        }
        if !is_ordered(&expr.data_type()) {
            let message = format!("values of type {} have no order", expr.data_type().sql());
            return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", message }, span);
        }
        Ok(())
    }

    pub(super) fn by_position<'c>(&self, position: i64, clause: &'static str, columns: &'c [Column], span: Span) -> Result<&'c Column> {
        let found = usize::try_from(position).ok().filter(|p| *p >= 1).and_then(|p| columns.get(p - 1));
        match found {
            Some(column) => Ok(column),
            None => refuse(Reason::OrdinalOutOfRange { clause, position, columns: columns.len() }, span),
        }
    }

    /// LIMIT and OFFSET over a relation; its columns are in sight only so that a message can say that none may stand there.
    pub(super) fn limit(
        &mut self,
        (plan, scope): (LogicalPlan, &Scope),
        limit: Option<&ast::Expr>,
        offset: Option<&ast::Expr>,
    ) -> Result<LogicalPlan> {
        let limit = limit.map(|e| self.row_count(e, scope, "LIMIT")).transpose()?;
        let offset = offset.map(|e| self.row_count(e, scope, "OFFSET")).transpose()?.unwrap_or(0);
        Ok(LogicalPlan::Limit { input: Box::new(plan), limit, offset })
    }

    fn row_count(&mut self, e: &ast::Expr, scope: &Scope, clause: &'static str) -> Result<u64> {
        let expr = self.plain_expr(e, scope, clause)?;
        let wrong = |condition, message: &str| refuse(Reason::Rule { condition, message: format!("{clause} {message}") }, e.span);
        if !super::call::is_constant(&expr) {
            return wrong("INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", "has to be a constant");
        }
        if !matches!(expr.data_type(), DataType::TinyInt | DataType::SmallInt | DataType::Int) {
            return wrong("INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", "has to be a whole number of type INT");
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
            Some(self.row_condition(condition, clause, &mut env)?)
        } else {
            let mut all = None;
            for part in plain {
                let part = self.row_condition(part, clause, &mut env)?;
                all = Some(match all {
                    None => part,
                    Some(so_far) => Expr::And(Box::new(so_far), Box::new(part)),
                });
            }
            all
        };
        plan = self.place_windows(plan, &mut env)?;
        if let Some(predicate) = predicate {
            plan = LogicalPlan::Filter { input: Box::new(plan), predicate };
        }
        let mut relation = (plan, env.scope);
        for join in joins {
            relation = self.semi_join(relation, join)?;
        }
        Ok(relation)
    }

    /// A condition on rows: no window function may stand in it.
    fn row_condition(&mut self, e: &ast::Expr, clause: &'static str, env: &mut Env) -> Result<Expr> {
        let condition = self.condition(e, clause, env)?;
        if condition.any(&|e| matches!(e, Expr::Window { .. })) {
            let message = format!("a window function cannot stand in {clause}; use QUALIFY");
            return refuse(Reason::WindowNotAllowed { condition: "WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", message }, e.span);
        }
        Ok(condition)
    }

    /// `[NOT] EXISTS (…)` and `x [NOT] IN (…)` as joins that keep the left side's columns.
    fn semi_join(&mut self, (left, scope): Relation, part: &ast::Expr) -> Result<Relation> {
        let Some((query, value, negated)) = as_semi_join(part) else { return Ok((left, scope)) };
        let values = match value {
            Some(e) => {
                let mut env = Env::plain(scope.clone(), "INVALID_WHERE_CONDITION", "WHERE");
                Some(self.in_values(e, &mut env)?)
            }
            None => None,
        };
        self.outer.push(scope.clone());
        let inner = self.nested(part.span, |this| this.query(query));
        self.outer.pop();
        let right = finish(inner?);
        super::subquery::refuse_stream(&right, part.span)?;
        let columns = right.columns();
        let untied = self.untie(&left, right, part.span)?;
        let mut on = untied.on;
        let tied = !on.is_empty() || values.is_none();
        if let Some(values) = values {
            if values.len() != columns.len() {
                return refuse(super::subquery::in_length(values.len(), columns.len()), part.span);
            }
            on.push(self.in_condition(values, &columns, negated, part.span)?);
        }
        let kind = if negated { JoinKind::LeftAnti } else { JoinKind::LeftSemi };
        Ok((super::decorrelate::join_below(left, untied.plan, kind, on, tied), scope))
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

/// What a sort says of an aggregate or a window function.
pub(super) const NOT_IN_SORT: &str = "UNSUPPORTED_EXPR_FOR_OPERATOR";

/// `ORDER BY ALL`, where no column has that name: the item, for its direction.
pub(super) fn all_columns<'o>(items: &'o [ast::SortItem], scope: &Scope) -> Option<&'o ast::SortItem> {
    let [item] = items else { return None };
    match &item.expr.kind {
        ExprKind::Name(parts) => match parts.as_slice() {
            [one] if one.name.eq_ignore_ascii_case("all") && matches!(scope.find(&["all"]), Found::Missing) => Some(item),
            _ => None,
        },
        _ => None,
    }
}

/// Whether values of the type hold a MAP.
pub(super) fn has_map(t: &DataType) -> bool {
    match t {
        DataType::Map(..) => true,
        DataType::Array(element) => has_map(element),
        DataType::Struct(fields) => fields.iter().any(|f| has_map(&f.data_type)),
        _ => false,
    }
}

/// Refuses columns of maps where rows are told apart.
pub(super) fn comparable(types: &[DataType], operator: &str, span: Span) -> Result<()> {
    match types.iter().find(|t| !is_ordered(t)) {
        None => Ok(()),
        Some(found) => {
            let message = format!("{operator} has to tell rows apart, and values of {} cannot be compared", found.sql());
            refuse(Reason::Rule { condition: "UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE", message }, span)
        }
    }
}

/// A plain whole number: a position in the select list.
pub(super) fn ordinal(e: &ast::Expr) -> Option<i64> {
    match &e.kind {
        ExprKind::Literal(Value::Int(n), _) => Some(*n),
        _ => None,
    }
}

/// A key with Spark's default place for NULLs: first when ascending. Refuses what has no order.
pub(super) fn sort_key(item: &ast::SortItem, expr: Expr) -> Result<SortKey> {
    let found = expr.data_type();
    if !is_ordered(&found) {
        let message = format!("rows cannot be ordered by {}: its values have no order", found.sql());
        return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", message }, item.expr.span);
    }
    Ok(SortKey { expr, descending: item.descending, nulls_first: item.nulls_first.unwrap_or(!item.descending) })
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
