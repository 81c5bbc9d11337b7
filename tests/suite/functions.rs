//! Functions through SQL: a row of expressions, analyzed, bound and evaluated, beside what Spark gives.
//!
//! Values are compared as the text that `CAST(… AS STRING)` makes of them; `!` and a condition stand for an error.

use eddyline::catalog::Catalog;
use eddyline::engine::eval::text::to_text;
use eddyline::engine::eval::{EvalContext, bind};
use eddyline::engine::{EngineError, Frame};
use eddyline::plan::expr::Expr;
use eddyline::plan::{self, Fold, FoldError, LogicalPlan, Settings};
use eddyline::types::Value;
use std::collections::BTreeMap;

/// A session in UTC at 2024-01-01 10:00:00.
fn context() -> EvalContext {
    EvalContext { zone: chrono_tz::UTC, now: 1_704_103_200_000_000, batch: 0, user: "ann".into() }
}

struct Folder;

impl Fold for Folder {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        bind(expr).and_then(|bound| bound.evaluate_scalar(&context())).map_err(|e| {
            let failure = e.failure();
            FoldError { condition: failure.condition.clone(), message: failure.message.clone() }
        })
    }
}

fn condition_of(error: &EngineError) -> String {
    format!("!{}", error.failure().condition.as_deref().unwrap_or(&error.failure().message))
}

/// The expressions of `SELECT …` without a table.
fn expressions(sql: &str) -> Result<Vec<Expr>, String> {
    let query = eddyline::lang::parse_query(sql).map_err(|e| format!("!{e:?}"))?;
    let settings = Settings { zone: chrono_tz::UTC, parameters: BTreeMap::new(), system_tables: |_| None };
    let analyzed = plan::analyze(&query, &Catalog::default(), &settings, &Folder).map_err(|e| {
        let diagnostic: eddyline::diagnostic::Diagnostic = (*e).into();
        format!("!{}", diagnostic.condition.unwrap_or(diagnostic.message))
    })?;
    match analyzed.analyzed {
        LogicalPlan::Project { exprs, .. } => Ok(exprs.into_iter().map(|e| e.expr).collect()),
        other => Err(format!("no projection: {other}")),
    }
}

/// What the one expression of `SELECT …` gives, over a frame of three rows that all must agree.
fn answers(sql: &str) -> Vec<String> {
    let exprs = match expressions(sql) {
        Ok(exprs) => exprs,
        Err(error) => return vec![error],
    };
    let frame = Frame::new(vec![], vec![], 3);
    exprs
        .iter()
        .map(|expr| {
            let column = match bind(expr).and_then(|bound| bound.evaluate(&frame, &context())) {
                Ok(column) => column,
                Err(error) => return condition_of(&error),
            };
            let text = to_text(&column, &expr.data_type(), chrono_tz::UTC);
            assert_eq!(text.len(), 3);
            assert_eq!(text.get(0), text.get(2), "{sql}");
            text.get(0).unwrap_or("NULL").to_string()
        })
        .collect()
}

/// Expressions with what they give.
fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(expression, expected)| {
            let found = answers(&format!("SELECT {expression}")).join(" | ");
            (found != *expected).then(|| format!("{expression}\n     gives {found}\n  expected {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
