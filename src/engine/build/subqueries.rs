//! Sub-queries in expressions: run where an expression is bound, their answers constants from then on. Over tables with
//! `refresh` they run again when a file has changed.

use super::Builder;
use super::timed::scans;
use crate::engine::bounded::{NoSystemTables, SystemTables, run_bounded};
use crate::engine::columns::value_at;
use crate::engine::eval::EvalContext;
use crate::engine::operator::Step;
use crate::engine::operator::refreshing::Refreshing;
use crate::engine::source::files::fingerprint;
use crate::engine::{EngineError, Resources};
use crate::plan::expr::{Expr, SubqueryKind};
use crate::plan::logical::Scan;
use crate::types::{DataType, Value};

impl Builder<'_> {
    /// A step over expressions with sub-queries that follow their files; `None` where none of them does. `make` gets the
    /// expressions with the answers in them.
    pub(super) fn refreshing<'e, S: Step + 'static>(
        &self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        make: impl Fn(Vec<Expr>) -> Result<S, EngineError> + Send + Sync + 'static,
    ) -> Result<Option<Refreshing<S>>, EngineError> {
        let exprs: Vec<Expr> = exprs.into_iter().cloned().collect();
        let mut found = Vec::new();
        exprs.iter().for_each(|e| scans_of(e, &mut found));
        if found.is_empty() {
            return Ok(None);
        }
        let look = move || found.iter().map(fingerprint).collect::<Result<Vec<_>, _>>();
        // The files are looked at first: a change while they are read is seen at the next batch.
        if look()?.iter().all(Option::is_none) {
            return Ok(None);
        }
        let (eval, resources) = (self.around.eval.clone(), self.around.resources.clone());
        let make = move || {
            let answered = exprs.iter().map(|e| without_subqueries(e.clone(), &eval, &resources, &NoSystemTables));
            make(answered.collect::<Result<_, _>>()?)
        };
        Refreshing::new(look, make).map(Some)
    }
}

/// The tables that the sub-queries of an expression read.
pub(super) fn scans_of(e: &Expr, out: &mut Vec<Scan>) {
    if let Expr::Subquery { plan, .. } = e {
        out.extend(scans(plan));
    }
    e.children().into_iter().for_each(|c| scans_of(c, out));
}

/// The expression with the answers of its sub-queries in their place.
///
/// # Errors
/// A sub-query fails, or gives several rows where one value is wanted.
pub(super) fn without_subqueries(
    expr: Expr,
    eval: &EvalContext,
    resources: &Resources,
    system: &dyn SystemTables,
) -> Result<Expr, EngineError> {
    let mut failure = None;
    let expr = expr.map_children(&mut |child| {
        without_subqueries(child, eval, resources, system).unwrap_or_else(|error| {
            failure.get_or_insert(error);
            Expr::literal(Value::Null, DataType::Void)
        })
    });
    if let Some(error) = failure {
        return Err(error);
    }
    let Expr::Subquery { plan, kind, data_type } = expr else { return Ok(expr) };
    let frame = run_bounded(&plan, eval, resources, system)?;
    let column_type = plan.columns().first().map_or(DataType::Void, |c| c.data_type.clone());
    Ok(match kind {
        SubqueryKind::Exists => Expr::literal(Value::Boolean(frame.rows() > 0), DataType::Boolean),
        SubqueryKind::Scalar if frame.rows() > 1 => {
            let message = format!("a scalar sub-query gave {} rows, and a value can only come from one", frame.rows());
            return Err(EngineError::data("SCALAR_SUBQUERY_TOO_MANY_ROWS", message));
        }
        SubqueryKind::Scalar if frame.rows() == 0 => Expr::literal(Value::Null, data_type),
        SubqueryKind::Scalar => Expr::literal(value_at(&frame.columns()[0], 0, &column_type), data_type),
        SubqueryKind::In(_) if frame.rows() == 0 => Expr::literal(Value::Boolean(false), DataType::Boolean),
        SubqueryKind::In(expr) => {
            let value = |row| Expr::literal(value_at(&frame.columns()[0], row, &column_type), column_type.clone());
            Expr::In { expr, list: (0..frame.rows()).map(value).collect() }
        }
    })
}
