//! Expressions whose answers Spark 4.3 gave: `tests/spark/expressions.jsonl`, one SELECT a line with the types and the
//! texts of its columns (BINARY in hex), or the condition it failed with.
//!
//! Each runs twice: with its literals as constants, and with its literals as columns of three equal rows, so that both
//! forms of every kernel are held to the same answer.

use eddyline::catalog::Catalog;
use eddyline::diagnostic::Diagnostic;
use eddyline::engine::columns::{repeated, series_of};
use eddyline::engine::eval::{EvalContext, bind, text};
use eddyline::engine::{EngineError, Frame};
use eddyline::plan::expr::{ColumnId, Expr};
use eddyline::plan::{self, Fold, FoldError, LogicalPlan, Settings};
use eddyline::types::{DataType, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// 2024-01-01 10:00:00 UTC, which no expression here depends on.
const NOW: i64 = 1_704_103_200_000_000;

/// Functions whose argument has to be a constant, or whose answer depends on there being one row.
const CONSTANT_ONLY: &[&str] =
    &["round", "bround", "ceil", "floor", "rand", "randn", "uniform", "from_json", "monotonically", "extract", "date_part", "epoch"];

fn context() -> EvalContext {
    EvalContext { zone: chrono_tz::UTC, now: NOW, batch: 0, user: "ann".into() }
}

struct Kernels;

impl Fold for Kernels {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        let value = bind(expr).and_then(|bound| bound.evaluate_scalar(&context()));
        value.map_err(|e| FoldError { condition: e.failure().condition.clone(), message: e.to_string() })
    }
}

fn expressions(sql: &str) -> Result<Vec<Expr>, String> {
    let settings = Settings { zone: chrono_tz::UTC, parameters: BTreeMap::new(), system_tables: std::sync::Arc::new(|_, _| None) };
    let condition = |d: Diagnostic| d.condition.unwrap_or(d.message);
    let query = eddyline::lang::parse_query(sql).map_err(|e| condition(Diagnostic::from(*e)))?;
    let analyzed = plan::analyze(&query, &Catalog::default(), &settings, &Kernels).map_err(|e| condition(Diagnostic::from(*e)))?;
    match analyzed.analyzed {
        LogicalPlan::Project { exprs, input } if matches!(*input, LogicalPlan::Values { .. }) => {
            Ok(exprs.into_iter().map(|e| e.expr).collect())
        }
        other => Err(format!("not a plain SELECT: {other}")),
    }
}

fn cell_text(expr: &Expr, frame: &Frame) -> Result<Vec<Option<String>>, EngineError> {
    let column = bind(expr)?.evaluate(frame, &context())?;
    let data_type = expr.data_type();
    if data_type == DataType::Binary {
        let hex = |b: &[u8]| b.iter().map(|b| format!("{b:02X}")).collect::<String>();
        return Ok(column.binary()?.iter().map(|b| b.map(hex)).collect());
    }
    Ok(text::to_text(&column, &data_type, chrono_tz::UTC).iter().map(|t| t.map(str::to_string)).collect())
}

fn condition_of(error: EngineError) -> String {
    error.failure().condition.clone().unwrap_or_else(|| error.to_string())
}

/// The text of each expression over one row of constants.
fn constants(exprs: &[Expr]) -> Result<Vec<Option<String>>, String> {
    let frame = Frame::new(Vec::new(), Vec::new(), 1);
    exprs.iter().map(|e| cell_text(e, &frame).map(|mut cells| cells.remove(0)).map_err(condition_of)).collect()
}

/// Every literal as a column of three equal rows.
fn as_columns(expr: Expr, literals: &mut Vec<(Value, DataType)>) -> Expr {
    match expr {
        Expr::Literal { value, data_type } => {
            let id = ColumnId(1_000 + literals.len() as u32);
            literals.push((value, data_type.clone()));
            Expr::Column { id, name: String::new(), data_type }
        }
        // Names of members and indexes of `getfield_array` are part of the call.
        Expr::Call { function, args, data_type } if matches!(function.0, "named_struct" | "getfield_array") => {
            let args = args.into_iter().map(|a| if matches!(a, Expr::Literal { .. }) { a } else { as_columns(a, literals) }).collect();
            Expr::Call { function, args, data_type }
        }
        other => other.map_children(&mut |child| as_columns(child, literals)),
    }
}

fn columns(exprs: &[Expr]) -> Result<Vec<Option<String>>, String> {
    let mut out = Vec::new();
    for expr in exprs {
        let mut literals = Vec::new();
        let expr = as_columns(expr.clone(), &mut literals);
        let ids = (0..literals.len()).map(|i| ColumnId(1_000 + i as u32)).collect();
        let series = literals.iter().map(|(value, t)| repeated(&series_of(std::slice::from_ref(value), t), 3)).collect();
        let mut cells = cell_text(&expr, &Frame::new(ids, series, 3)).map_err(condition_of)?;
        if cells[0] != cells[1] || cells[0] != cells[2] {
            return Err(format!("rows differ: {cells:?}"));
        }
        out.push(cells.remove(0));
    }
    Ok(out)
}

type Answer = Result<Vec<Option<String>>, String>;

fn expected(case: &Json) -> Answer {
    match case["error"].as_str() {
        Some(condition) => Err(condition.to_string()),
        None => Ok(case["rows"][0].as_array().unwrap().iter().map(|c| c.as_str().map(str::to_string)).collect()),
    }
}

fn check(case: &Json) -> Vec<String> {
    let sql = case["sql"].as_str().unwrap();
    let wanted = expected(case);
    let mut wrong = Vec::new();
    let exprs = match expressions(sql) {
        Ok(exprs) => exprs,
        Err(found) => {
            if wanted.as_ref() != Err(&found) {
                wrong.push(format!("{sql}\n    wanted {wanted:?}\n    analysis gave {found}"));
            }
            return wrong;
        }
    };
    if let Ok(types) = case["types"].as_array().ok_or(()) {
        let found: Vec<String> = exprs.iter().map(|e| e.data_type().to_string()).collect();
        if types.iter().map(|t| t.as_str().unwrap()).ne(found.iter().map(String::as_str)) {
            wrong.push(format!("{sql}\n    wanted {types:?}\n    typed {found:?}"));
        }
    }
    let found = constants(&exprs);
    if found != wanted {
        wrong.push(format!("{sql}\n    wanted {wanted:?}\n    found  {found:?}"));
    } else if !CONSTANT_ONLY.iter().any(|name| sql.contains(name)) {
        let found = columns(&exprs);
        if found != wanted {
            wrong.push(format!("{sql}\n    wanted {wanted:?}\n    found  {found:?} over columns"));
        }
    }
    wrong
}

#[test]
fn expressions_give_what_spark_gives() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark/expressions.jsonl");
    let lines = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!cases.is_empty());
    let wrong: Vec<String> = cases.iter().flat_map(check).collect();
    assert!(wrong.is_empty(), "{} wrong of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
