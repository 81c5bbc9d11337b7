//! The headless contract: exit statuses, JSON lines, numbering, CSV, signals.

use super::session_run::{err, lines, out, run, run_with, signal, spawn};
use nix::sys::signal::Signal;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};

#[test]
fn a_bounded_query_is_one_line_without_a_batch() {
    let output = run(&["-c", "SELECT 1 AS a, 'x' AS b, NULL AS c", "--format", "ndjson"]);
    assert!(output.status.success());
    let expected = r#"{"statement":1,"query":null,"batchId":null,"watermark":null,"rows":[{"a":1,"b":"x","c":null}],"stateRows":0,"droppedByWatermark":0}"#;
    assert_eq!(out(&output), format!("{expected}\n"));
}

#[test]
fn statements_without_rows_give_no_line_but_count() {
    let script = "SET spark.sql.session.timeZone = 'UTC'; -- one\n;\nSELECT 2 AS n;\nCREATE VIEW v AS SELECT 1 AS x;\nSELECT * FROM v";
    let output = run_with(&["run", "-", "--format", "ndjson"], script);
    assert!(output.status.success(), "{}", err(&output));
    let numbers: Vec<_> = lines(&output).iter().map(|l| l["statement"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(4)]);
}

#[test]
fn show_describe_and_explain_give_a_line_each() {
    let script = "CREATE TABLE t AS SELECT 1 AS a; SHOW TABLES; DESCRIBE t; EXPLAIN SELECT a FROM t; DESCRIBE FUNCTION upper;";
    let output = run_with(&["run", "-", "--format", "ndjson"], script);
    assert!(output.status.success(), "{}", err(&output));
    let lines = lines(&output);
    assert_eq!(lines.iter().map(|l| l["statement"].clone()).collect::<Vec<_>>(), [json!(2), json!(3), json!(4), json!(5)]);
    assert!(lines.iter().all(|l| l["batchId"].is_null()));
    assert_eq!(lines[1]["rows"], json!([{"col_name": "a", "data_type": "int", "comment": null}]));
    assert!(lines[2]["rows"][0]["plan"].as_str().expect("text").contains("t"));
}

#[test]
fn an_error_ends_the_script_with_1() {
    let output = run(&["-c", "SELECT 1 AS a; SELECT nope; SELECT 3 AS a", "--format", "ndjson"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output).len(), 1);
    assert!(err(&output).contains("[UNRESOLVED_COLUMN"), "{}", err(&output));
}

#[test]
fn keep_going_numbers_what_does_not_parse_too() {
    let script = "SELECT 1 AS a;\nSELEC 'a;b' -- ; not an end\n, 2;\nSELECT 3 AS a;\nSELECT 1/0 AS a;\nSELECT 5 AS a;";
    let output = run_with(&["run", "-", "--format", "ndjson", "--keep-going"], script);
    assert_eq!(output.status.code(), Some(1), "something failed");
    let lines = lines(&output);
    let numbers: Vec<_> = lines.iter().map(|l| l["statement"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(lines[1]["error"].as_str().expect("an error").starts_with("[PARSE_SYNTAX_ERROR] "), "{}", lines[1]);
    assert!(lines[3]["error"].as_str().expect("an error").starts_with("[DIVIDE_BY_ZERO] "), "{}", lines[3]);
}

#[test]
fn a_source_counts_as_one_statement() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner.sql");
    std::fs::write(&inner, "SELECT 1 AS a; SELECT 2 AS a;").expect("written");
    let script = format!("SOURCE '{}'; SELECT 3 AS a;", inner.display());
    let output = run_with(&["run", "-", "--format", "ndjson"], &script);
    assert!(output.status.success(), "{}", err(&output));
    let numbers: Vec<_> = lines(&output).iter().map(|l| l["statement"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, [1, 1, 2]);
}

#[test]
fn a_script_that_reads_itself_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("own.sql");
    std::fs::write(&own, format!("SOURCE '{}';", own.display())).expect("written");
    let output = run(&["run", own.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("does it read itself?"), "{}", err(&output));
}

#[test]
fn csv_has_one_header_and_quotes() {
    let sql = "SELECT * FROM VALUES (1, 'a,b'), (2, ''), (3, NULL), (4, 'say \"hi\"') AS t(id, `two words`)";
    let output = run(&["-c", sql, "--format", "csv"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "id,two words\n1,\"a,b\"\n2,\"\"\n3,\n4,\"say \"\"hi\"\"\"\n");
}

#[test]
fn escape_sequences_in_data_are_shown_not_sent() {
    let output = run(&["-c", "SELECT 'a\\u001b[2Jb' AS x"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("a\\x1b[2Jb"), "{}", out(&output));
    assert!(!output.stdout.contains(&0x1b));
}

#[test]
fn arguments_are_values_of_parameters() {
    let output = run(&["-c", "SELECT :n + 1 AS n, :day AS day", "--arg", "n=41", "--arg", "day=2024-01-01", "--format", "ndjson"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(lines(&output)[0]["rows"], json!([{"n": 42, "day": "2024-01-01"}]));
    let output = run(&["-c", "SELECT :missing"]);
    assert!(err(&output).contains("[UNBOUND_SQL_PARAMETER]"), "{}", err(&output));
}

#[test]
fn each_batch_of_a_stream_is_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("1.json", "{\"k\":\"a\"}\n{\"k\":\"b\"}\n"), ("2.json", "{\"k\":\"a\"}\n")] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let script = format!(
        "CREATE STREAM s (k STRING) USING json OPTIONS (path '{}');\n\
         START q AS SELECT k, count(*) AS n FROM STREAM s GROUP BY k ORDER BY k OUTPUT MODE complete TRIGGER AVAILABLE NOW;",
        folder.path().display()
    );
    let output = run_with(&["run", "-", "--format", "ndjson"], &script);
    assert!(output.status.success(), "{}", err(&output));
    let lines = lines(&output);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["query"], json!("q"));
    assert_eq!(lines[0]["batchId"], json!(0));
    assert_eq!(lines[0]["stateRows"], json!(2));
    assert_eq!(lines[0]["rows"], json!([{"k": "a", "n": 2}, {"k": "b", "n": 1}]));
}

#[test]
fn standard_input_is_data_when_the_script_is_not() {
    let sql = "CREATE STREAM s USING stdin; SELECT upper(value) AS v FROM STREAM s";
    let output = run_with(&["-c", sql, "--format", "csv"], "one\ntwo\n");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "v\nONE\nTWO\n");
}

#[test]
fn a_header_of_standard_input_is_no_row() {
    let sql = "CREATE STREAM s (id INT, n STRING) USING stdin OPTIONS (format 'csv', header true); SELECT * FROM STREAM s";
    let output = run_with(&["-c", sql, "--format", "csv"], "id,n\n1,a\n2,b\n");
    assert_eq!(out(&output), "id,n\n1,a\n2,b\n");
}

#[test]
fn lines_that_were_looked_at_stay_for_the_query() {
    let sql = "CREATE STREAM s USING stdin; INFER SCHEMA FROM s LIMIT 2; SELECT value FROM STREAM s";
    let output = run_with(&["-c", sql, "--format", "csv"], "{\"a\":1}\n{\"a\":2.5}\n{\"b\":1}\n");
    let came = out(&output);
    assert!(came.contains("CREATE OR REPLACE STREAM s (\n  a DOUBLE\n) USING stdin OPTIONS (format 'json');"), "{came}");
    assert_eq!(came.matches("{\"\"").count(), 3, "{came}");
}

#[test]
fn a_query_that_fails_while_it_runs_ends_with_1() {
    let sql = "CREATE STREAM s USING stdin; SELECT 1 / (length(value) - 3) AS v FROM STREAM s";
    let output = run_with(&["-c", sql], "a\nabc\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("[DIVIDE_BY_ZERO]"), "{}", err(&output));
}

#[test]
fn await_past_its_timeout_is_no_error() {
    let script = "CREATE STREAM r USING rate OPTIONS (rowsPerSecond 1);\n\
                  START q AS SELECT * FROM STREAM r INTO noop;\n\
                  AWAIT q TIMEOUT INTERVAL 10 MILLISECONDS;\nSTOP q;\nSELECT 1 AS done;";
    let output = run_with(&["run", "-", "--format", "csv"], script);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "done\n1\n");
}

/// Starts an endless query and gives the child once its first batch was seen.
fn endless() -> (std::process::Child, BufReader<std::process::ChildStdout>) {
    let sql = "CREATE STREAM r USING rate-micro-batch OPTIONS (rowsPerBatch 10); SELECT * FROM STREAM r TRIGGER PROCESSING TIME '10 milliseconds'";
    let sql = sql.replace("rate-micro-batch", "`rate-micro-batch`");
    let mut child = spawn(&["-c", &sql, "--format", "ndjson"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a batch");
    assert!(line.contains("\"batchId\":0"), "{line}");
    (child, stdout)
}

#[test]
fn signals_let_the_batch_finish_and_end_with_0() {
    for each in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (mut child, mut stdout) = endless();
        signal(&child, each);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).expect("ends");
        assert!(rest.is_empty() || rest.ends_with('\n'), "whole lines only");
        assert_eq!(child.wait().expect("ends").code(), Some(0), "{each}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (mut child, stdout) = endless();
    drop(stdout);
    let mut complaint = String::new();
    let status = child.wait().expect("ends");
    child.stderr.take().expect("piped").read_to_string(&mut complaint).expect("text");
    assert_eq!((status.code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn without_a_terminal_the_script_comes_from_standard_input() {
    let mut child = spawn(&[]);
    child.stdin.take().expect("piped").write_all(b"SELECT 1 AS a;").expect("read");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success());
    assert_eq!(out(&output), "+---+\n| a |\n+---+\n| 1 |\n+---+\n");
}

#[test]
fn the_functions_about_queries_are_tables() {
    let script = "CREATE STREAM s USING stdin;\n\
                  START q AS SELECT count(*) AS n FROM STREAM s INTO memory OUTPUT MODE complete;\nAWAIT q;\n\
                  SELECT name, state, mode, sink FROM queries();\nSELECT sum(numInputRows) AS n FROM progress('q');\nSELECT * FROM q;";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.sql");
    std::fs::write(&file, script).expect("written");
    let output = run_with(&["run", file.to_str().expect("UTF-8"), "--format", "ndjson"], "a\nb\nc\n");
    assert!(output.status.success(), "{}", err(&output));
    let lines = lines(&output);
    assert_eq!(lines[0]["rows"], json!([{"name": "q", "state": "stopped", "mode": "complete", "sink": "memory"}]));
    assert_eq!(lines[1]["rows"], json!([{"n": 3}]));
    assert_eq!(lines[2]["rows"], json!([{"n": 3}]));
}

/// Files for a stream, each a batch, and the statements of a query that writes `k` of each row below `folder`.
fn one_by_one(folder: &std::path::Path, files: u64, into: &str, trigger: &str) -> String {
    std::fs::create_dir_all(folder.join("in")).expect("a folder");
    for file in 0..files {
        let path = folder.join(format!("in/{file:04}.json"));
        std::fs::write(&path, format!("{{\"k\":{file},\"w\":\"{}\"}}\n", "x".repeat(100)).repeat(20)).expect("written");
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 + file);
        std::fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(at)).expect("a time");
    }
    let place = folder.display();
    format!(
        "CREATE STREAM s (k INT, w STRING) USING json OPTIONS (path '{place}/in', maxFilesPerTrigger 1); \
         SELECT k, w FROM STREAM s {into} {trigger} CHECKPOINT '{place}/checkpoint'"
    )
}

/// How many rows there are of each `k`, and whether anything half written is among them.
fn rows_by_key(text: impl Iterator<Item = String>) -> std::collections::BTreeMap<u64, usize> {
    let mut rows = std::collections::BTreeMap::new();
    for line in text {
        let json: serde_json::Value = serde_json::from_str(&line).expect("a whole line");
        *rows.entry(json["k"].as_u64().expect("a key")).or_default() += 1;
    }
    rows
}

/// Lines of the files that a reader of the directory sees; nothing else may lie there.
fn sink_lines(dir: &std::path::Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        assert_eq!(path.extension().and_then(|e| e.to_str()), Some("json"), "left over: {}", path.display());
        lines.extend(std::fs::read_to_string(&path).expect("text").lines().map(str::to_string));
    }
    lines
}

#[test]
fn a_stopped_query_goes_on_with_the_next_batch() {
    for each in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let folder = tempfile::tempdir().expect("a folder");
        let out_dir = folder.path().join("out");
        let into = format!("INTO json OPTIONS (path '{}')", out_dir.display());
        let sql = one_by_one(folder.path(), 400, &into, "TRIGGER PROCESSING TIME '1 millisecond'");
        let child = spawn(&["-c", &sql]);
        super::engine::wait_for("some batches", || std::fs::read_dir(&out_dir).is_ok_and(|d| d.count() > 3));
        signal(&child, each);
        let output = child.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(0), "{each}: {}", err(&output));
        let done = rows_by_key(sink_lines(&out_dir).into_iter());
        assert!(done.len() < 400 && done.keys().copied().eq(0..done.len() as u64) && done.values().all(|n| *n == 20), "{each}: {done:?}");
        // The batch in flight was committed: none has to run again.
        let again = run(&["-c", &sql.replace("PROCESSING TIME '1 millisecond'", "AVAILABLE NOW")]);
        assert!(
            err(&again).contains(&format!("batch {} was committed: it goes on with batch {}", done.len() - 1, done.len())),
            "{}",
            err(&again)
        );
        let all = rows_by_key(sink_lines(&out_dir).into_iter());
        assert!(all.keys().copied().eq(0..400) && all.values().all(|n| *n == 20), "{each}: {all:?}");
    }
}

/// The sink's write is held up by a reader that does not read: the batch is in flight when the signal comes.
#[test]
fn the_batch_in_flight_comes_out_whole_and_a_second_signal_ends_at_once() {
    for (each, status) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129), (Signal::SIGINT, 130)] {
        let folder = tempfile::tempdir().expect("a folder");
        let sql = one_by_one(folder.path(), 3, "", "TRIGGER AVAILABLE NOW");
        // More than a pipe holds.
        let line = format!("{{\"k\":0,\"w\":\"{}\"}}\n", "y".repeat(1000));
        let path = folder.path().join("in/0000.json");
        let modified = std::fs::metadata(&path).and_then(|m| m.modified()).expect("a time");
        std::fs::write(&path, line.repeat(1000)).expect("written");
        std::fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(modified)).expect("a time");
        let begun = || {
            let mut child = spawn(&["-c", &sql, "--format", "ndjson"]);
            let mut stdout = child.stdout.take().expect("piped");
            let mut first = [0; 100];
            stdout.read_exact(&mut first).expect("the batch begins to come out");
            (child, stdout, first)
        };
        // Twice: it ends in the middle of the batch.
        let (mut child, stdout, _) = begun();
        let mut ended = None;
        super::engine::wait_for("the end", || {
            ended = child.try_wait().expect("a child");
            if ended.is_none() {
                signal(&child, each);
            }
            ended.is_some()
        });
        assert_eq!(ended.and_then(|s| s.code()), Some(status), "{each}");
        drop(stdout);
        // Once: that batch comes again, whole, and is the last; the others come with the next start.
        let (mut child, mut stdout, first) = begun();
        signal(&child, each);
        let mut text = first.to_vec();
        stdout.read_to_end(&mut text).expect("ends");
        assert_eq!(child.wait().expect("ends").code(), Some(0), "{each}");
        let mut text = String::from_utf8(text).expect("UTF-8");
        text.push_str(&out(&run(&["-c", &sql, "--format", "ndjson"])));
        let batches: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).expect("a whole line")).collect();
        let ids: Vec<u64> = batches.iter().map(|b| b["batchId"].as_u64().expect("a batch")).collect();
        assert_eq!(ids, [0, 1, 2], "{each}");
        let rows: Vec<usize> = batches.iter().map(|b| b["rows"].as_array().expect("rows").len()).collect();
        assert_eq!(rows, [1000, 20, 20], "{each}");
    }
}

/// A real device that is always full stands where the commits go.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_the_query_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let out_dir = folder.path().join("out");
    let sql = one_by_one(folder.path(), 3, &format!("INTO json OPTIONS (path '{}')", out_dir.display()), "TRIGGER AVAILABLE NOW");
    let commits = folder.path().join("checkpoint/commits");
    std::fs::create_dir_all(&commits).expect("a folder");
    std::os::unix::fs::symlink("/dev/full", commits.join("0.log")).expect("a link");
    let output = run(&["-c", &sql]);
    assert_eq!(output.status.code(), Some(1));
    let told = err(&output);
    assert!(told.contains("checkpoint/commits/0.log cannot be written: the disk is full") && told.contains("free some space"), "{told}");
    std::fs::remove_file(commits.join("0.log")).expect("removed");
    let again = run(&["-c", &sql]);
    assert!(again.status.success(), "{}", err(&again));
    assert!(err(&again).contains("batch 0 had its offsets logged and no commit"), "{}", err(&again));
    let rows = rows_by_key(sink_lines(&out_dir).into_iter());
    assert_eq!(rows.into_iter().collect::<Vec<_>>(), [(0, 20), (1, 20), (2, 20)]);
}
