//! Queries over bounded tables with the columns, rows and conditions that Spark 4.3 gave: `tests/spark/queries.sql` makes
//! the tables, `tests/spark/queries.jsonl` has a query a line.
//!
//! `{"sql": …, "columns": ["k STRING", …], "rows": [[…], …]}` or `{"sql": …, "condition": …}`; several statements in `sql`
//! are parted by `;;`, the last one counts. Rows are compared without their order unless the query ends with ORDER BY.

use serde_json::{Map, Value};
use std::path::Path;
use std::process::Command;

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark").join(name)).unwrap()
}

/// A value in a form that ignores how numbers are spelt and what timestamps have beyond milliseconds.
fn plain(value: &Value) -> String {
    match value {
        Value::Number(n) => format!("{:e}", n.as_f64().unwrap()),
        Value::String(s) => {
            let timestamp = s.len() > 23 && s.as_bytes()[10] == b'T' && s.as_bytes()[19] == b'.';
            if timestamp { format!("{:?}", &s[..23]) } else { format!("{s:?}") }
        }
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(k, v)| format!("{k:?}:{}", plain(v)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

/// What each statement of the script answered, by its number.
fn answers(script: &str) -> Vec<Value> {
    let file = std::env::temp_dir().join(format!("eddyline-queries-{}.sql", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let args = ["run", file.to_str().unwrap(), "--keep-going", "--format", "ndjson", "--arg", "p=7", "--arg", "name=t"];
    let output = Command::new(env!("CARGO_BIN_EXE_eddy")).args(args).output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn condition(error: &str) -> &str {
    error.strip_prefix('[').and_then(|e| e.split_once(']')).map_or("", |(c, _)| c)
}

/// What is wrong with the answer to a query; nothing when it is Spark's.
fn difference(case: &Map<String, Value>, schema: Option<&Value>, rows: Option<&Value>, failed: Option<&Value>) -> Option<String> {
    let error = failed.or(rows).and_then(|a| a.get("error")).and_then(Value::as_str);
    if let Some(wanted) = case.get("condition").and_then(Value::as_str) {
        return match error {
            None => Some(format!("accepted, Spark says {wanted}")),
            Some(e) if condition(e) == wanted => None,
            Some(e) => Some(format!("{e}, Spark says {wanted}")),
        };
    }
    if let Some(error) = error {
        return Some(error.to_string());
    }
    let line = |row: &Value| match row {
        Value::Object(fields) => plain(&Value::Array(fields.values().cloned().collect())),
        other => plain(other),
    };
    let list = |rows: Option<&Value>| -> Vec<String> { rows.and_then(Value::as_array).into_iter().flatten().map(line).collect() };
    let (mut ours, mut theirs) = (list(rows.and_then(|r| r.get("rows"))), list(case.get("rows")));
    if !case["sql"].as_str().unwrap().rsplit(')').next().unwrap().contains("ORDER BY") {
        ours.sort();
        theirs.sort();
    }
    if ours != theirs {
        return Some(format!("rows {ours:?}, Spark gives {theirs:?}"));
    }
    let plan = schema.and_then(|s| s["rows"][0].get("plan")).and_then(Value::as_str).unwrap_or_default();
    let columns = plan.lines().find_map(|l| l.strip_prefix("columns: ")).unwrap_or_default();
    let wanted: Vec<&str> = case["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    (columns != wanted.join(", ")).then(|| format!("columns {columns}, Spark has {}", wanted.join(", ")))
}

#[test]
fn queries_have_sparks_columns_rows_and_conditions() {
    let cases: Vec<Map<String, Value>> = read("queries.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut script = read("queries.sql");
    let mut number = script.lines().count() as u64;
    let mut places = Vec::new();
    for case in &cases {
        let parts: Vec<&str> = case["sql"].as_str().unwrap().split(";;").collect();
        let (last, before) = parts.split_last().unwrap();
        let first = number + 1;
        for part in before.iter().copied().chain([format!("EXPLAIN EXTENDED {last}").as_str(), last]) {
            script.push_str(part);
            script.push_str(";\n");
            number += 1;
        }
        script.push_str("RESET;\n");
        number += 1;
        places.push((first, number - 2, number - 1));
    }
    let answers = answers(&script);
    let answer = |n: u64| answers.iter().find(|a| a["statement"] == n);
    let mut wrong = Vec::new();
    for (case, (first, schema, rows)) in cases.iter().zip(places) {
        let failed = (first..schema).filter_map(answer).find(|a| a.get("error").is_some());
        if let Some(what) = difference(case, answer(schema), answer(rows), failed) {
            wrong.push(format!("{}\n    {what}", case["sql"].as_str().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} queries:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() > 600, "only {} queries", cases.len());
}
