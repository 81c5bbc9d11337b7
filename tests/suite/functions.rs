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
use std::path::PathBuf;

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

/// As the files write text: line ends and tabs as escapes.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '\\' => "\\\\".to_string(),
        '\n' => "\\n".to_string(),
        '\t' => "\\t".to_string(),
        '\r' => "\\r".to_string(),
        '\0' => "\\0".to_string(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Every file of `tests/functions`: an expression a line, and below it, indented, what Spark 4.3 gives.
#[test]
fn spark_gives_the_same() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/functions");
    let mut paths: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        for pair in lines.chunks(2) {
            let [expression, expected] = pair else { panic!("{}: {} has no answer", path.display(), pair[0]) };
            let expected = expected.strip_prefix("    ").unwrap();
            count += 1;
            let found = std::panic::catch_unwind(|| answers(&format!("SELECT {expression}")).join(" | "));
            let found = escaped(&found.unwrap_or_else(|_| "a panic".to_string()));
            // Where Spark fails without a condition any failure will do.
            if found != expected && !(expected == "!" && found.starts_with('!')) {
                wrong.push(format!("{expression}\n     gives {found}\n  expected {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
