//! Sub-queries inside expressions, over bounded tables.
//!
//! EXISTS and IN in a WHERE become semi and anti joins (`query.rs` takes them out of the condition);
//! what is left here is evaluated once, before the query starts.

use super::{Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, QueryBody};
use crate::plan::coerce::{cast, common};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, SubqueryKind};
use crate::plan::logical::LogicalPlan;
use crate::plan::streaming::conjuncts;
use crate::types::DataType;
use std::collections::HashSet;

impl Analyzer<'_> {
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query, span: Span, env: &mut Env) -> Result<Expr> {
        if let Some(column) = self.correlated_scalar(query, span, env)? {
            return Ok(column);
        }
        let (plan, _) = self.bounded_subquery(query, span)?;
        let columns = plan.columns();
        let [column] = columns.as_slice() else {
            let message = format!("a sub-query that stands for a value has to give one column, not {}", columns.len());
            let condition = "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN";
            return refuse(Reason::Subquery { condition, message }, span);
        };
        Ok(Expr::Subquery { data_type: column.data_type.clone(), plan: Box::new(plan), kind: SubqueryKind::Scalar })
    }

    /// `(SELECT max(x) FROM t WHERE t.k = outer.k)`: `t` aggregated by the keys that tie it to the columns around, left
    /// joined below the node at hand. `None` when nothing ties it.
    fn correlated_scalar(&mut self, query: &ast::Query, span: Span, env: &mut Env) -> Result<Option<Expr>> {
        let QueryBody::Select(select) = &query.body else { return Ok(None) };
        let (Some(filter), None, [item]) = (&select.filter, &select.group_by, select.items.as_slice()) else { return Ok(None) };
        if !query.ctes.is_empty() || query.limit.is_some() {
            return Ok(None);
        }
        let (plan, scope) = self.nested(span, |this| this.from(&select.from))?;
        refuse_stream(&plan, span)?;
        self.outer.push(env.scope.clone());
        let mut inner = Env::plain(scope.clone(), "INVALID_WHERE_CONDITION", "WHERE");
        let condition = self.condition(filter, "WHERE", &mut inner);
        self.outer.pop();
        let condition = condition?;
        let own: HashSet<_> = plan.columns().iter().map(|c| c.id).collect();
        let is_own = |e: &Expr| e.columns().iter().all(|c| own.contains(c));
        if is_own(&condition) {
            return Ok(None);
        }
        let mut parts = Vec::new();
        conjuncts(&condition, &mut parts);
        let (mut ties, mut kept) = (Vec::new(), None);
        for part in parts {
            match part {
                part if is_own(part) => {
                    kept = Some(match kept {
                        None => part.clone(),
                        Some(so_far) => Expr::And(Box::new(so_far), Box::new(part.clone())),
                    })
                }
                Expr::Call { function, args, .. } if function.0 == "=" && is_own(&args[0]) && !is_own(&args[1]) => {
                    ties.push((args[0].clone(), args[1].clone()));
                }
                Expr::Call { function, args, .. } if function.0 == "=" && is_own(&args[1]) && !is_own(&args[0]) => {
                    ties.push((args[1].clone(), args[0].clone()));
                }
                _ => {
                    let message = "a sub-query can only be tied to the columns around it by equality".to_string();
                    let condition = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.CORRELATED_COLUMN_IS_NOT_ALLOWED_IN_PREDICATE";
                    return refuse(Reason::Subquery { condition, message }, filter.span);
                }
            }
        }
        if !super::select::has_aggregate(&item.expr) {
            let message = "a sub-query that stands for a value and looks at columns around it has to aggregate, as in max(x)".to_string();
            let condition = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.MUST_AGGREGATE_CORRELATED_SCALAR_SUBQUERY";
            return refuse(Reason::Subquery { condition, message }, item.expr.span);
        }
        let plan = match kept {
            Some(predicate) => LogicalPlan::Filter { input: Box::new(plan), predicate },
            None => plan,
        };
        let (right, value) = self.aggregated_by(plan, scope, &ties, item)?;
        let keys = right.columns();
        let mut on = None;
        for ((_, outer), key) in ties.into_iter().zip(&keys) {
            let equal = Expr::call("=", vec![outer, key.expr()], DataType::Boolean);
            on = Some(match on {
                None => equal,
                Some(so_far) => Expr::And(Box::new(so_far), Box::new(equal)),
            });
        }
        env.joins.push((right, on));
        Ok(Some(value))
    }

    pub(super) fn exists(&mut self, query: &ast::Query, span: Span) -> Result<Expr> {
        let (plan, _) = self.bounded_subquery(query, span)?;
        Ok(Expr::Subquery { plan: Box::new(plan), kind: SubqueryKind::Exists, data_type: DataType::Boolean })
    }

    pub(super) fn in_subquery(&mut self, expr: &ast::Expr, query: &ast::Query, negated: bool, span: Span, env: &mut Env) -> Result<Expr> {
        let value = self.expr(expr, env)?;
        let (plan, _) = self.bounded_subquery(query, span)?;
        let columns = plan.columns();
        let [column] = columns.as_slice() else {
            let message = format!("the sub-query of IN has to give one column, not {}", columns.len());
            return refuse(Reason::Subquery { condition: "DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH", message }, span);
        };
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
        let found =
            Expr::Subquery { plan: Box::new(plan), kind: SubqueryKind::In(Box::new(cast(value, &t))), data_type: DataType::Boolean };
        Ok(super::expression::negate(found, negated))
    }

    /// The plan of a sub-query; one over a stream, or that looks at columns around it, is refused.
    fn bounded_subquery(&mut self, query: &ast::Query, span: Span) -> Result<super::Relation> {
        let outer = std::mem::take(&mut self.outer);
        let result = self.nested(span, |this| this.query(query));
        self.outer = outer;
        let (plan, scope) = result?;
        refuse_stream(&plan, span)?;
        Ok((plan, scope))
    }
}

/// Spark has no sub-queries over streams.
pub(super) fn refuse_stream(plan: &LogicalPlan, span: Span) -> Result<()> {
    if plan.is_streaming() {
        let message = "a sub-query inside an expression cannot read a stream; JOIN the two streams instead".to_string();
        return refuse(Reason::Subquery { condition: "INVALID_SUBQUERY_EXPRESSION.STREAMING_QUERY", message }, span);
    }
    Ok(())
}
