//! Golden scripts: every `tests/scripts/**/*.sql` runs, and what it prints is in the `.out` beside it.
//!
//! A first line `-- run: --format ndjson …` gives arguments. `UPDATE_GOLDEN=1` writes what came; review reads the diff.

use super::session_run::{eddy, err, out, root};
use std::path::{Path, PathBuf};
use std::process::Stdio;

#[test]
fn scripts_print_what_they_printed() {
    let mut scripts = Vec::new();
    find(&root().join("tests/scripts"), &mut scripts);
    scripts.sort();
    assert!(scripts.len() > 5, "the scripts are there");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    for script in &scripts {
        let came = came_of(script);
        let golden = script.with_extension("out");
        if update {
            std::fs::write(&golden, &came).expect("written");
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != came {
            wrong.push(format!("== {}\n{came}", script.display()));
        }
    }
    assert!(wrong.is_empty(), "not what the .out files say (UPDATE_GOLDEN=1 writes them):\n{}", wrong.join("\n"));
}

/// Conditions that no script can bring about: limits that take long to reach, files that are broken, statements that the
/// reader skips; and words that only look like conditions.
const NOT_DRAWN: &[&str] = &[
    "CANNOT_PARSE_INTERVAL",
    "DAYOFWEEK_ISO",
    "PARSE_EMPTY_STATEMENT",
    "TIMESTAMP_NTZ",
    "PIVOT_VALUE_DATA_TYPE_MISMATCH",
    "TYPE_MISMATCH",
    "UNSUPPORTED_FEATURE.LATERAL_JOIN_USING",
    "DATATYPE_MISMATCH.INVALID_JSON_MAP_KEY_TYPE",
    "FAILED_READ_FILE.NO_HINT",
    "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH",
    "MALFORMED_CSV_RECORD",
    "NUMERIC_OUT_OF_SUPPORTED_RANGE",
    "UTF8_BINARY",
    "VIEW_EXCEED_MAX_NESTED_DEPTH",
];

#[test]
fn every_condition_is_drawn_in_some_script() {
    let mut scripts = Vec::new();
    find(&root().join("tests/scripts"), &mut scripts);
    let drawn: String = scripts.iter().filter_map(|s| std::fs::read_to_string(s.with_extension("out")).ok()).collect();
    let mut missing = Vec::new();
    for file in ["src/plan", "src/lang", "src/session"].iter().flat_map(|folder| sources(&root().join(folder))) {
        let text = std::fs::read_to_string(&file).expect("a source file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in code.split('"').skip(1).step_by(2).filter(|name| is_condition(name)) {
            if !drawn.contains(&format!("[{name}]")) && !NOT_DRAWN.contains(&name) {
                missing.push(format!("{name} ({})", file.display()));
            }
        }
    }
    missing.sort();
    missing.dedup();
    assert!(missing.is_empty(), "no script under tests/scripts draws:\n{}", missing.join("\n"));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out
}

/// `CAST_OVERFLOW`, `INVALID_FORMAT.ESC_AT_THE_END`: words of capitals joined by `_`, at least ten letters in all.
fn is_condition(text: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    text.len() >= 10 && text.contains('_') && !text.starts_with("_LEGACY") && text.split('.').count() <= 2 && text.split('.').all(part)
}

fn find(folder: &Path, scripts: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, scripts);
        } else if path.extension().is_some_and(|e| e == "sql") && !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('_')) {
            scripts.push(path);
        }
    }
}

fn came_of(script: &Path) -> String {
    let text = std::fs::read_to_string(script).expect("a script");
    let arguments = text.lines().next().and_then(|l| l.strip_prefix("-- run:")).unwrap_or_default();
    let folder = tempfile::tempdir().expect("a folder");
    let within = folder.path().display().to_string();
    let mut script = script.strip_prefix(root()).expect("within the repository").to_string_lossy().into_owned();
    // Scripts that write files write them below `<tmp>`.
    if text.contains("<tmp>") {
        script = format!("{within}/script.sql");
        std::fs::write(&script, text.replace("<tmp>", &within)).expect("written");
    }
    let mut args = vec!["run", script.as_str()];
    args.extend(arguments.split_whitespace());
    let output = eddy(&args).stdin(Stdio::null()).output().expect("runs");
    let status = output.status.code().map_or("killed".to_string(), |c| c.to_string());
    let came = format!("{}-- stderr\n{}-- status {status}\n", out(&output), err(&output));
    let came = came.replace(&within, "<tmp>");
    came.replace(&root().display().to_string(), "<root>")
}
