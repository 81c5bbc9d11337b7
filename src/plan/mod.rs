//! Statement → [`LogicalPlan`]: names resolved, types checked, casts in place, streaming rules kept.
//!
//! Pure: no I/O, no polars, no clock. Constants are folded through the [`Fold`] trait that the session
//! passes in.

pub mod advice;
mod analyze;
mod coerce;
mod constraints;
mod error;
pub mod explain;
pub mod expr;
mod filters;
pub mod functions;
mod locate;
pub mod logical;
mod naming;
pub mod optimizer;
pub mod places;
pub mod runnable;
mod scope;
mod simplify;
pub mod streaming;
pub mod time_range;

pub use error::{AnalysisError, Reason};
pub use locate::Clause;
pub use logical::LogicalPlan;

use crate::catalog::Catalog;
use crate::diagnostic::Diagnostic;
use crate::lang::ast;
use crate::types::{Field, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the session knows that decides what a query means.
#[derive(Clone)]
pub struct Settings {
    /// The session's time zone.
    pub zone: chrono_tz::Tz,
    /// Values of `:name` parameters, as text.
    pub parameters: BTreeMap<String, String>,
    /// The columns of a table function about queries, such as `queries`, with these arguments; `None` for any other
    /// name.
    pub system_tables: SystemColumns,
}

/// See [`Settings::system_tables`].
pub type SystemColumns = Arc<dyn Fn(&str, &[Value]) -> Option<Vec<Field>> + Send + Sync>;

/// Why a constant could not be computed.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldError {
    /// Spark's condition.
    pub condition: Option<String>,
    /// The sentence.
    pub message: String,
}

/// Computes constant expressions, with the same kernels that rows go through.
pub trait Fold {
    /// The value of an expression without columns.
    fn fold(&self, expr: &expr::Expr) -> Result<Value, FoldError>;
}

/// A query that passed analysis.
#[derive(Clone, Debug)]
pub struct Analyzed {
    /// As analyzed, before the optimizer: what EXPLAIN EXTENDED shows first.
    pub analyzed: LogicalPlan,
    /// As analyzed, with constants folded: what Spark's rules for streams are about.
    pub judged: LogicalPlan,
    /// What runs.
    pub plan: LogicalPlan,
    /// Where its operations stand in the text.
    pub places: places::Places,
    /// Things that Spark is silent about and a learner would want to know.
    pub warnings: Vec<Diagnostic>,
}

/// Checks a function of the session before it is kept: its parameters, and its body with values of their types.
///
/// # Errors
/// With Spark's condition when the body does not resolve, or gives what RETURNS does not say. `span` is the body's place.
pub fn check_function(
    function: &crate::catalog::FunctionDef,
    span: crate::diagnostic::Span,
    catalog: &Catalog,
    settings: &Settings,
    fold: &dyn Fold,
) -> Result<(), Box<AnalysisError>> {
    if let Some((name, condition, what)) = analyze::misplaced_parameter(&function.params) {
        let message = format!("the parameter `{}` {what}", name.name);
        return Err(AnalysisError::new(Reason::Rule { condition, message }, name.span));
    }
    analyze::Analyzer::new(catalog, settings, fold).check_function(function, span)
}

/// Resolves, types and optimizes a query.
pub fn analyze(query: &ast::Query, catalog: &Catalog, settings: &Settings, fold: &dyn Fold) -> Result<Analyzed, Box<AnalysisError>> {
    let mut analyzer = analyze::Analyzer::new(catalog, settings, fold);
    let relation = analyzer.query(query)?;
    let analyzed = analyze::finish(relation);
    let judged = optimizer::fold_constants(analyzed.clone(), fold);
    let plan = optimizer::optimize(judged.clone(), fold);
    Ok(Analyzed { analyzed, judged, plan, places: analyzer.places, warnings: analyzer.warnings })
}
