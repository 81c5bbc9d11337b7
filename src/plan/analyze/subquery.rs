//! Sub-queries inside expressions, over bounded tables, and LATERAL.
//!
//! EXISTS and IN in a WHERE become semi and anti joins (`query.rs` takes them out of the condition). A sub-query that looks
//! at the columns around it is joined below the node at hand (`decorrelate.rs`); all others are evaluated once, before the
//! query starts.

use super::decorrelate::{SCALAR, Tied, TiedKind, all_of, grafted, is_tied, join};
use super::query::finish;
use super::{Aggregates, Analyzer, Env, Relation, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind, JoinCondition, JoinKind, TableRef};
use crate::plan::coerce::{cast, common};
use crate::plan::error::Reason;
use crate::plan::expr::{ColumnId, Expr, SubqueryKind};
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::scope::Scope;
use crate::types::{DataType, Value};
use std::collections::HashSet;

impl Analyzer<'_> {
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query, span: Span, env: &mut Env) -> Result<Expr> {
        let (plan, tied) = self.subquery_plan(query, span, env)?;
        let columns = plan.columns();
        let [column] = columns.as_slice() else {
            let message = format!("a sub-query that stands for a value has to give one column, not {}", columns.len());
            let condition = "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN";
            return refuse(Reason::Subquery { condition, message }, span);
        };
        if tied {
            return Ok(self.meet_tied(plan.clone(), TiedKind::Scalar, column.data_type.clone(), span, env));
        }
        Ok(Expr::Subquery { data_type: column.data_type.clone(), plan: Box::new(plan), kind: SubqueryKind::Scalar })
    }

    pub(super) fn exists(&mut self, query: &ast::Query, span: Span, env: &mut Env) -> Result<Expr> {
        let (plan, tied) = self.subquery_plan(query, span, env)?;
        if tied {
            let found = self.meet_tied(plan, TiedKind::Exists, DataType::Boolean, span, env);
            return Ok(Expr::call("isnotnull", vec![found], DataType::Boolean));
        }
        Ok(Expr::Subquery { plan: Box::new(plan), kind: SubqueryKind::Exists, data_type: DataType::Boolean })
    }

    /// `x [NOT] IN (…)` as a value: where Spark cannot tell, both are FALSE.
    pub(super) fn in_subquery(&mut self, expr: &ast::Expr, query: &ast::Query, negated: bool, span: Span, env: &mut Env) -> Result<Expr> {
        let values = self.in_values(expr, env)?;
        let (plan, tied) = self.subquery_plan(query, span, env)?;
        let columns = plan.columns();
        if columns.len() != values.len() {
            return refuse(in_length(values.len(), columns.len()), span);
        }
        if tied || values.len() > 1 {
            let equal = self.in_condition(values, &columns, negated, span)?;
            let plan = LogicalPlan::Filter { input: Box::new(plan), predicate: equal };
            let found = self.meet_tied(plan, TiedKind::Exists, DataType::Boolean, span, env);
            let test = if negated { "isnull" } else { "isnotnull" };
            return Ok(Expr::call(test, vec![found], DataType::Boolean));
        }
        let (value, column) = (values[0].clone(), &columns[0]);
        let Some(t) = common(&value.data_type(), &column.data_type) else {
            let types = vec![value.data_type(), column.data_type.clone()];
            return refuse(Reason::DifferentTypes { what: "the sides of IN".to_string(), types }, span);
        };
        let plan = if column.data_type == t {
            plan
        } else {
            let expr = self.named(column.name.clone(), cast(column.expr(), &t));
            LogicalPlan::Project { input: Box::new(plan), exprs: vec![expr] }
        };
        let unknown = matches!(&value, Expr::Literal { value: Value::Null, .. });
        let found =
            Expr::Subquery { plan: Box::new(plan), kind: SubqueryKind::In(Box::new(cast(value, &t))), data_type: DataType::Boolean };
        let found = super::expression::negate(found, negated);
        if unknown {
            return Ok(found);
        }
        let no = Expr::literal(Value::Boolean(false), DataType::Boolean);
        Ok(Expr::Coalesce { args: vec![found, no], data_type: DataType::Boolean })
    }

    /// The values on the left of IN: several when they stand in parentheses.
    pub(super) fn in_values(&mut self, e: &ast::Expr, env: &mut Env) -> Result<Vec<Expr>> {
        match &e.kind {
            ExprKind::Row(items) => items.iter().map(|i| self.expr(i, env)).collect(),
            _ => Ok(vec![self.expr(e, env)?]),
        }
    }

    /// That each value equals its column; for NOT IN, that this is not surely FALSE.
    pub(super) fn in_condition(&mut self, values: Vec<Expr>, columns: &[Column], negated: bool, span: Span) -> Result<Expr> {
        let mut parts = Vec::new();
        for (value, column) in values.into_iter().zip(columns) {
            let (found, wanted) = (value.data_type(), column.data_type.clone());
            match self.equal(value, column.expr(), span) {
                Ok(part) => parts.push(part),
                Err(_) => {
                    let message = format!("the value is {}, and the sub-query of IN gives {}", found.sql(), wanted.sql());
                    return refuse(Reason::Subquery { condition: "DATATYPE_MISMATCH.IN_SUBQUERY_DATA_TYPE_MISMATCH", message }, span);
                }
            }
        }
        let equal = all_of(parts).unwrap_or_else(|| Expr::literal(Value::Boolean(true), DataType::Boolean));
        if !negated {
            return Ok(equal);
        }
        let unknown = Expr::call("isnull", vec![equal.clone()], DataType::Boolean);
        Ok(Expr::Or(Box::new(equal), Box::new(unknown)))
    }

    /// Remembers a tied sub-query for the node at hand; the column that stands for its answer.
    fn meet_tied(&mut self, plan: LogicalPlan, kind: TiedKind, data_type: DataType, span: Span, env: &mut Env) -> Expr {
        let answer = self.column(if kind == TiedKind::Scalar { SCALAR } else { "exists()" }, data_type);
        env.joins.push(Tied { plan, kind, answer: answer.clone(), span });
        answer.expr()
    }

    /// The plan of a sub-query with exactly its columns, and whether it looks at columns around it.
    fn subquery_plan(&mut self, query: &ast::Query, span: Span, env: &Env) -> Result<(LogicalPlan, bool)> {
        self.outer.push(env.scope.clone());
        let result = self.nested(span, |this| this.query(query));
        self.outer.pop();
        let plan = finish(result?);
        refuse_stream(&plan, span)?;
        let tied = is_tied(&plan, &self.around(&env.scope));
        Ok((plan, tied))
    }

    /// The columns that a sub-query may find around it.
    pub(super) fn around(&self, scope: &Scope) -> HashSet<ColumnId> {
        let scopes = self.outer.iter().chain([scope]);
        let columns = scopes.flat_map(|s| s.columns.iter().map(|v| v.column.id));
        columns.chain(self.parameters.iter().flat_map(super::function::Frame::columns)).collect()
    }

    /// Whether a relation in FROM looks at the relations to its left.
    pub(super) fn is_lateral(&self, table: &TableRef) -> bool {
        match table {
            TableRef::Subquery { lateral, .. } => *lateral,
            TableRef::Function { lateral, .. } => *lateral,
            _ => false,
        }
    }

    /// `left, LATERAL right` and `left [LEFT] JOIN LATERAL right [ON …]`
    pub(super) fn lateral(
        &mut self,
        left: Relation,
        right: &TableRef,
        kind: JoinKind,
        condition: &JoinCondition,
        span: Span,
    ) -> Result<Relation> {
        if matches!(condition, JoinCondition::Using(_)) {
            let message = "LATERAL goes with ON, not with USING".to_string();
            return refuse(Reason::Rule { condition: "UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", message }, span);
        }
        if !matches!(kind, JoinKind::Inner | JoinKind::Cross | JoinKind::Left) {
            let message = "LATERAL can only be joined by JOIN, CROSS JOIN or LEFT JOIN".to_string();
            return refuse(Reason::Rule { condition: "INVALID_LATERAL_JOIN_TYPE", message }, span);
        }
        let (left_plan, left_scope) = left;
        self.outer.push(left_scope.clone());
        let inner = self.table(right);
        self.outer.pop();
        let (right_plan, right_scope) = inner?;
        // Only what can be seen of it: the columns beside may be those of the left side.
        let right_plan = finish((right_plan, right_scope.clone()));
        let both = left_scope.join(right_scope);
        let on = match condition {
            JoinCondition::On(e) => {
                let mut env = Env::new(both.clone(), Aggregates::Forbidden("UNSUPPORTED_EXPR_FOR_OPERATOR", "JOIN"));
                Some(self.condition(e, "JOIN", &mut env)?)
            }
            _ => None,
        };
        let of_function = matches!(right, TableRef::Function { .. });
        if kind != JoinKind::Left || of_function && on.is_none() {
            // Over a single row the right side is computed beside the left; Spark keeps no row there that has no partner.
            if let Some(plan) = grafted(&right_plan, &left_plan) {
                return Ok((filtered(plan, on), both));
            }
        }
        let kind = if kind == JoinKind::Cross { JoinKind::Inner } else { kind };
        if kind == JoinKind::Inner
            && let LogicalPlan::Project { input, exprs } = &right_plan
            && left_plan.is_streaming()
        {
            // What is computed of both sides is computed after the join.
            let untied = self.untie(&left_plan, (**input).clone(), span)?;
            let plan = join(left_plan, untied.plan, kind, untied.on);
            let carried: Vec<_> = plan.columns().into_iter().filter(|c| !exprs.iter().any(|e| e.id == c.id)).collect();
            let exprs = exprs.iter().cloned().chain(super::keep(&carried)).collect();
            return Ok((filtered(LogicalPlan::Project { input: Box::new(plan), exprs }, on), both));
        }
        let untied = self.untie(&left_plan, right_plan, span)?;
        let on = untied.on.into_iter().chain(on).collect();
        Ok((join(left_plan, untied.plan, kind, on), both))
    }
}

fn filtered(plan: LogicalPlan, condition: Option<Expr>) -> LogicalPlan {
    match condition {
        Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
        None => plan,
    }
}

/// The columns of IN that do not match its values.
pub(super) fn in_length(values: usize, columns: usize) -> Reason {
    let message = match values {
        1 => format!("the sub-query of IN has to give one column, not {columns}"),
        n => format!("the sub-query of IN has to give {n} columns, not {columns}"),
    };
    Reason::Subquery { condition: "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH", message }
}

/// Spark has no sub-queries over streams.
pub(super) fn refuse_stream(plan: &LogicalPlan, span: Span) -> Result<()> {
    if plan.is_streaming() {
        let message = "a sub-query inside an expression cannot read a stream; JOIN the two streams instead".to_string();
        return refuse(Reason::Subquery { condition: "INVALID_SUBQUERY_EXPRESSION.STREAMING_QUERY", message }, span);
    }
    Ok(())
}
