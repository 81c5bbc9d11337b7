//! Functions through SQL: a row of expressions, analyzed, bound and evaluated, beside what Spark gives.
//!
//! Values are compared as the text that `CAST(… AS STRING)` makes of them; `!` and a condition stand for an error.

use chrono_tz::Tz;
use eddyline::catalog::Catalog;
use eddyline::engine::columns::series_of;
use eddyline::engine::eval::text::to_text;
use eddyline::engine::eval::{EvalContext, bind};
use eddyline::engine::{EngineError, Frame};
use eddyline::plan::expr::{ColumnId, Expr};
use eddyline::plan::{self, Fold, FoldError, LogicalPlan, Settings};
use eddyline::types::{DataType, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A session in that zone at 2024-01-01 10:00:00 UTC.
fn context(zone: Tz) -> EvalContext {
    EvalContext { zone, now: 1_704_103_200_000_000, batch: 0, user: "ann".into() }
}

struct Folder(Tz);

impl Fold for Folder {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        bind(expr).and_then(|bound| bound.evaluate_scalar(&context(self.0))).map_err(|e| {
            let failure = e.failure();
            FoldError { condition: failure.condition.clone(), message: failure.message.clone() }
        })
    }
}

fn condition_of(error: &EngineError) -> String {
    format!("!{}", error.failure().condition.as_deref().unwrap_or(&error.failure().message))
}

/// The expressions of `SELECT …` without a table.
fn expressions(sql: &str, zone: Tz) -> Result<Vec<Expr>, String> {
    let query = eddyline::lang::parse_query(sql).map_err(|e| format!("!{e:?}"))?;
    let settings = Settings { zone, parameters: BTreeMap::new(), system_tables: std::sync::Arc::new(|_, _| None) };
    let analyzed = plan::analyze(&query, &Catalog::default(), &settings, &Folder(zone)).map_err(|e| {
        let diagnostic: eddyline::diagnostic::Diagnostic = (*e).into();
        format!("!{}", diagnostic.condition.unwrap_or(diagnostic.message))
    })?;
    match analyzed.analyzed {
        LogicalPlan::Project { exprs, .. } => Ok(exprs.into_iter().map(|e| e.expr).collect()),
        other => Err(format!("no projection: {other}")),
    }
}

/// What the one expression of `SELECT …` gives, over a frame of three rows that all must agree.
fn answers(sql: &str, zone: Tz) -> Vec<String> {
    let exprs = match expressions(sql, zone) {
        Ok(exprs) => exprs,
        Err(error) => return vec![error],
    };
    let frame = Frame::new(vec![], vec![], 3);
    exprs
        .iter()
        .map(|expr| {
            let column = match bind(expr).and_then(|bound| bound.evaluate(&frame, &context(zone))) {
                Ok(column) => column,
                Err(error) => return condition_of(&error),
            };
            let text = to_text(&column, &expr.data_type(), zone);
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

/// Every expression of `tests/functions` with what it gives, and the session's zone, which a file may name at its top.
fn recorded() -> Vec<(String, String, Tz)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/functions");
    let mut paths: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let zone = text.strip_prefix("# zone ").and_then(|t| t.lines().next()).map_or(Tz::UTC, |name| name.parse().unwrap());
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        for pair in lines.chunks(2) {
            let [expression, expected] = pair else { panic!("{}: {} has no answer", path.display(), pair[0]) };
            out.push((expression.to_string(), expected.strip_prefix("    ").unwrap().to_string(), zone));
        }
    }
    out
}

/// Every file of `tests/functions`: an expression a line, and below it, indented, what Spark 4.3 gives.
#[test]
fn spark_gives_the_same() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (expression, expected, zone) in recorded() {
        count += 1;
        let found = std::panic::catch_unwind(|| answers(&format!("SELECT {expression}"), zone).join(" | "));
        let found = escaped(&found.unwrap_or_else(|_| "a panic".to_string()));
        // Where Spark fails without a condition any failure will do.
        if found != expected && !(expected == "!" && found.starts_with('!')) {
            wrong.push(format!("{expression}\n     gives {found}\n  expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The expression with every constant as a column of that value, but for arguments that must be constant.
fn with_columns(expr: Expr, constants: &mut Vec<(Value, DataType)>) -> Expr {
    match expr {
        Expr::Literal { value, data_type } => {
            constants.push((value, data_type.clone()));
            Expr::Column { id: ColumnId(1_000_000 + constants.len() as u32), name: "c".into(), data_type }
        }
        Expr::Call { function, mut args, data_type } if matches!(function.0, "extract" | "to_number" | "try_to_number") => {
            let varying = usize::from(function.0 == "extract");
            args[varying] = with_columns(args[varying].clone(), constants);
            Expr::Call { function, args, data_type }
        }
        other => other.map_children(&mut |child| with_columns(child, constants)),
    }
}

/// Evaluates over rows that all hold the constants, after a row of NULLs where `null_first`.
fn over_rows(expr: &Expr, constants: &[(Value, DataType)], null_first: bool, zone: Tz) -> String {
    let values = |value: &Value| if null_first { vec![Value::Null, value.clone(), value.clone()] } else { vec![value.clone(); 3] };
    let ids = (1..=constants.len() as u32).map(|n| ColumnId(1_000_000 + n)).collect();
    let columns = constants.iter().map(|(value, data_type)| series_of(&values(value), data_type)).collect();
    match bind(expr).and_then(|bound| bound.evaluate(&Frame::new(ids, columns, 3), &context(zone))) {
        Ok(column) => {
            let text = to_text(&column, &expr.data_type(), zone);
            assert_eq!(text.get(1), text.get(2));
            text.get(2).unwrap_or("NULL").to_string()
        }
        Err(error) => condition_of(&error),
    }
}

/// What a function gives for constants it gives for columns too, and a NULL in another row changes nothing.
#[test]
fn columns_give_what_constants_give() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (expression, expected, zone) in recorded() {
        let Ok(exprs) = expressions(&format!("SELECT {expression}"), zone) else { continue };
        let mut constants = Vec::new();
        let expr = with_columns(exprs.into_iter().next().unwrap(), &mut constants);
        count += 1;
        for null_first in [false, true] {
            let found =
                std::panic::catch_unwind(|| over_rows(&expr, &constants, null_first, zone)).unwrap_or_else(|_| "a panic".to_string());
            let found = escaped(&found);
            // A row of NULLs may fail by itself: no map has a NULL key.
            let excused = found.starts_with('!') && (expected == "!" || null_first);
            if found != expected && !excused {
                wrong.push(format!(
                    "{expression}{}\n     gives {found}\n  expected {expected}",
                    if null_first { " (after NULLs)" } else { "" }
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
