//! The analyzer against what Spark said: result types of accepted queries, conditions of refused ones.

use eddyline::catalog::{Catalog, Relation, SourceDef};
use eddyline::diagnostic::Diagnostic;
use eddyline::lang::types::parse_schema_ddl;
use eddyline::plan::expr::Expr;
use eddyline::plan::{self, Fold, FoldError, LogicalPlan, Settings};
use eddyline::progress::OutputMode;
use eddyline::types::{DataType, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Folds what the analyzer itself needs, without the engine: casts of literals to TIMESTAMP and plain signs.
pub(crate) struct NoFold;

impl Fold for NoFold {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        match expr {
            Expr::Literal { value, .. } => Ok(value.clone()),
            Expr::Cast { to: DataType::Timestamp, .. } => Ok(Value::Timestamp(0)),
            Expr::Call { function, args, .. } if function.0 == "negative" => match self.fold(&args[0])? {
                Value::Int(n) => Ok(Value::Int(-n)),
                Value::DayTime(n) => Ok(Value::DayTime(-n)),
                other => Ok(other),
            },
            _ => Err(FoldError { condition: None, message: "not folded here".to_string() }),
        }
    }
}

pub(crate) fn settings() -> Settings {
    Settings { zone: chrono_tz::UTC, parameters: BTreeMap::new(), system_tables: std::sync::Arc::new(|_, _| None) }
}

/// All shared cases by name.
fn cases() -> Vec<Json> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/spark/cases");
    let mut paths: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path().join("case.json")).collect();
    paths.sort();
    paths.iter().map(|p| serde_json::from_str(&std::fs::read_to_string(p).unwrap()).unwrap()).collect()
}

fn catalog(case: &Json) -> Catalog {
    let mut catalog = Catalog::default();
    for (section, streaming) in [("streams", true), ("tables", false)] {
        for (name, source) in case[section].as_object().into_iter().flatten() {
            catalog.put(Relation::Source(SourceDef {
                name: name.clone(),
                streaming,
                format: source["format"].as_str().unwrap().to_string(),
                options: vec![],
                columns: parse_schema_ddl(source["schema"].as_str().unwrap()).unwrap(),
            }));
        }
    }
    catalog
}

fn analyze(case: &Json) -> Result<LogicalPlan, Diagnostic> {
    let text = case["query"].as_str().unwrap();
    let query = eddyline::lang::parse_query(text).map_err(|e| Diagnostic::from(*e))?;
    let analyzed = plan::analyze(&query, &catalog(case), &settings(), &NoFold).map_err(|e| Diagnostic::from(*e))?;
    let mode = match case["mode"].as_str().unwrap() {
        "append" => OutputMode::Append,
        "update" => OutputMode::Update,
        _ => OutputMode::Complete,
    };
    plan::streaming::check(&analyzed, mode).map_err(|e| Diagnostic::from(*e))?;
    Ok(analyzed.plan)
}

fn schema(plan: &LogicalPlan) -> String {
    let fields = plan.columns().into_iter().map(|c| eddyline::types::Field::new(c.name, c.data_type)).collect();
    DataType::Struct(fields).to_string()
}

#[test]
fn accepted_queries_have_sparks_types() {
    let mut wrong = Vec::new();
    for case in cases() {
        let Some(expected) = case["expect"]["schema"].as_str().filter(|_| case.get("expectFailure").is_none()) else { continue };
        let found = match analyze(&case) {
            Ok(plan) => schema(&plan),
            Err(diagnostic) => diagnostic.to_string(),
        };
        if found != expected {
            wrong.push(format!("{}\n   {}\n   want {expected}\n   got  {found}", case["name"], case["query"]));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn refused_queries_have_sparks_conditions() {
    let mut wrong = Vec::new();
    for case in cases() {
        let Some(error) = case.get("expectError") else { continue };
        let expected = error["condition"].as_str().filter(|c| !c.starts_with("_LEGACY"));
        let found = match analyze(&case) {
            Ok(_) => "accepted".to_string(),
            Err(diagnostic) if expected.is_none() || diagnostic.condition.as_deref() == expected => continue,
            Err(diagnostic) => diagnostic.to_string(),
        };
        wrong.push(format!("{}\n   {}\n   want {expected:?}\n   got  {found}", case["name"], case["query"]));
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
