//! The real binary against what Spark 4.3.0 answered, batch by batch.
//!
//! `tests/spark/cases/NAME/case.json` holds a query, the lines of each stream (one file and so one batch
//! a list), and Spark's rows and watermark per batch, or the condition with which it refused or failed.
//! `tests/spark/gaps.txt` names the cases that are not right yet; a gap that closes fails the test too, so
//! that the list stays true.

use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

fn spark_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/spark")
}

/// Writes the lines as a file whose modification time orders it among its batch mates.
fn write_lines(path: &Path, lines: &Json, batch: u64) {
    let text: String = lines.as_array().unwrap().iter().map(|l| format!("{}\n", l.as_str().unwrap())).collect();
    fs::write(path, text).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 2 * batch);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn options(source: &Json, path: &Path, streaming: bool) -> String {
    let mut all = vec![("path".to_string(), path.display().to_string())];
    if streaming {
        all.push(("maxFilesPerTrigger".to_string(), "1".to_string()));
    }
    for (key, value) in source["options"].as_object().into_iter().flatten() {
        all.push((key.clone(), value.as_str().unwrap().to_string()));
    }
    let quoted = |v: &str| format!("'{}'", v.replace('\\', "\\\\").replace('\'', "\\'"));
    all.iter().map(|(k, v)| format!("{k} {}", quoted(v))).collect::<Vec<_>>().join(", ")
}

/// The case's data under `dir`, and the script that runs its query over it.
fn script(case: &Json, dir: &Path) -> String {
    let mut text = "SET spark.sql.session.timeZone = 'UTC';\n".to_string();
    for (key, value) in case["settings"].as_object().into_iter().flatten() {
        text.push_str(&format!("SET {key} = '{}';\n", value.as_str().unwrap()));
    }
    let extension = |format: &str| if format == "text" { "txt".to_string() } else { format.to_string() };
    for (name, stream) in case["streams"].as_object().into_iter().flatten() {
        let (format, folder) = (stream["format"].as_str().unwrap(), dir.join("streams").join(name));
        fs::create_dir_all(&folder).unwrap();
        for (i, lines) in stream["batches"].as_array().unwrap().iter().enumerate() {
            write_lines(&folder.join(format!("{i:03}.{}", extension(format))), lines, i as u64);
        }
        let (schema, options) = (stream["schema"].as_str().unwrap(), options(stream, &folder, true));
        text.push_str(&format!("CREATE STREAM {name} ({schema}) USING {format} OPTIONS ({options});\n"));
    }
    for (name, table) in case["tables"].as_object().into_iter().flatten() {
        let format = table["format"].as_str().unwrap();
        let path = dir.join(format!("{name}.{}", extension(format)));
        write_lines(&path, &table["lines"], 0);
        let (schema, options) = (table["schema"].as_str().unwrap(), options(table, &path, false));
        text.push_str(&format!("CREATE TABLE {name} ({schema}) USING {format} OPTIONS ({options});\n"));
    }
    let (query, mode) = (case["query"].as_str().unwrap(), case["mode"].as_str().unwrap());
    text + &format!("{query} OUTPUT MODE {mode} TRIGGER AVAILABLE NOW;\n")
}

fn run(case: &Json) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script.sql");
    fs::write(&path, script(case, dir.path())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_eddy"));
    command.arg("run").arg(&path).args(["--format", "ndjson"]).current_dir(dir.path()).stdin(Stdio::null());
    command.output().unwrap()
}

/// Microseconds of an ISO timestamp, with or without a zone, so that spellings of one instant are equal.
fn instant(text: &str) -> Option<i64> {
    let bare = text.strip_suffix('Z').unwrap_or(text);
    let parsed = chrono::NaiveDateTime::parse_from_str(bare, "%Y-%m-%dT%H:%M:%S%.f");
    parsed.ok().map(|t| t.and_utc().timestamp_micros())
}

/// Equal as Spark's values are: numbers by value, doubles nearly, timestamps as instants.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(x), Json::Number(y)) => {
            let (xs, ys) = (x.to_string(), y.to_string());
            let floating = |s: &str| s.contains(['.', 'e', 'E']);
            if !floating(&xs) && !floating(&ys) {
                return xs == ys;
            }
            let (x, y): (f64, f64) = (xs.parse().unwrap(), ys.parse().unwrap());
            x == y || (x - y).abs() <= 1e-6 * x.abs().max(y.abs())
        }
        (Json::String(x), Json::String(y)) => x == y || instant(x).is_some() && instant(x) == instant(y),
        (Json::Array(x), Json::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Json::Object(x), Json::Object(y)) => x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w))),
        _ => a == b,
    }
}

fn same_rows(want: &[Json], got: &[Json], ordered: bool) -> bool {
    if want.len() != got.len() {
        return false;
    }
    if ordered {
        return want.iter().zip(got).all(|(w, g)| same(w, g));
    }
    let mut rest: Vec<&Json> = got.iter().collect();
    want.iter().all(|w| match rest.iter().position(|g| same(w, g)) {
        Some(at) => {
            rest.remove(at);
            true
        }
        None => false,
    })
}

fn check_batches(case: &Json, got: &[Json]) -> Result<(), String> {
    let want = case["expect"]["batches"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids = |batches: &[Json], key: &str| batches.iter().map(|b| b[key].to_string()).collect::<Vec<_>>().join(" ");
    for (w, g) in want.iter().zip(got) {
        let rows = |b: &Json| b["rows"].as_array().cloned().unwrap_or_default();
        if !same_rows(&rows(w), &rows(g), case["ordered"] == true) {
            return Err(format!("batch {}: want {}, got {}", w["id"], w["rows"], g["rows"]));
        }
        if !same(&w["watermark"], &g["watermark"]) {
            return Err(format!("batch {}: watermark: want {}, got {}", w["id"], w["watermark"], g["watermark"]));
        }
    }
    if want.len() != got.len() {
        return Err(format!("batches: want {}, got {}", ids(want, "id"), ids(got, "batchId")));
    }
    Ok(())
}

/// The case's verdict: `Ok`, or what differs.
fn check(case: &Json) -> Result<(), String> {
    let output = run(case);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let got: Vec<Json> = stdout.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect();
    let error = case.get("expectError").or(case.get("expectFailure"));
    let Some(error) = error else {
        if !output.status.success() {
            return Err(stderr.lines().next().unwrap_or("it failed without a word").to_string());
        }
        return check_batches(case, &got);
    };
    match output.status.code() {
        Some(1) => {}
        other => return Err(format!("want a refusal, got exit {other:?}")),
    }
    let condition = error["condition"].as_str().unwrap_or("_LEGACY");
    if !condition.starts_with("_LEGACY") && !stderr.contains(&format!("[{condition}]")) {
        return Err(format!("want [{condition}], got {}", stderr.lines().next().unwrap_or_default()));
    }
    check_batches(case, &got)
}

#[test]
fn every_case_gives_sparks_answer() {
    let gaps = fs::read_to_string(spark_dir().join("gaps.txt")).unwrap();
    let gaps: BTreeSet<&str> = gaps.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    let mut names: Vec<_> =
        fs::read_dir(spark_dir().join("cases")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut wrong = Vec::new();
    for name in &names {
        let text = fs::read_to_string(spark_dir().join("cases").join(name).join("case.json")).unwrap();
        let case: Json = serde_json::from_str(&text).unwrap();
        match (check(&case), gaps.contains(name.as_str())) {
            (Ok(()), false) | (Err(_), true) => {}
            (Ok(()), true) => wrong.push(format!("{name}: is right now; take it out of gaps.txt")),
            (Err(why), false) => wrong.push(format!("{name}: {why}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}
