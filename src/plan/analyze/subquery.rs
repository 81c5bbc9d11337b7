//! Sub-queries inside expressions, over bounded tables.
//!
//! EXISTS and IN in a WHERE become semi and anti joins (`query.rs` takes them out of the condition);
//! what is left here is evaluated once, before the query starts.

use super::{Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast;
use crate::plan::coerce::{cast, common};
use crate::plan::error::Reason;
use crate::plan::expr::{Expr, SubqueryKind};
use crate::plan::logical::LogicalPlan;
use crate::types::DataType;

impl Analyzer<'_> {
    pub(super) fn scalar_subquery(&mut self, query: &ast::Query, span: Span) -> Result<Expr> {
        let (plan, _) = self.bounded_subquery(query, span)?;
        let columns = plan.columns();
        let [column] = columns.as_slice() else {
            let message = format!("a sub-query that stands for a value has to give one column, not {}", columns.len());
            let condition = "INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN";
            return refuse(Reason::Subquery { condition, message }, span);
        };
        Ok(Expr::Subquery { data_type: column.data_type.clone(), plan: Box::new(plan), kind: SubqueryKind::Scalar })
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
