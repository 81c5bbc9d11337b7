//! `late_rows('q')`, `state('q')` and DEDUPLICATE through the real binary: what was dropped, what is kept.

use super::engine::write_file;
use super::session_run::{err, lines, run};
use serde_json::{Value as Json, json};

/// Runs statements after a stream `e` (ts, k, v) of three files, a batch each; the last statement's rows.
fn rows_after(statements: &str) -> Json {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("e");
    std::fs::create_dir(&events).unwrap();
    let row = |time: &str, k: &str, v: i32| format!(r#"{{"ts":"2024-01-01T10:00:{time}Z","k":"{k}","v":{v},"unused":1}}"#);
    let batches = [
        vec![row("01", "a", 1), row("31", "b", 2)],
        vec![row("12", "a", 5)],
        vec![row("02", "a", 6), row("13", "c", 7), row("40", "b", 8)],
    ];
    for (index, batch) in batches.iter().enumerate() {
        write_file(&events, index, "json", &batch.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let script = folder.path().join("script.sql");
    let stream = format!(
        "CREATE STREAM e (ts TIMESTAMP, k STRING, v INT, unused INT) USING json OPTIONS (path '{}', maxFilesPerTrigger 1);\n",
        events.display()
    );
    std::fs::write(&script, stream + statements).unwrap();
    let output = run(&["run", script.to_str().unwrap(), "--format", "ndjson"]);
    assert!(output.status.success(), "{}", err(&output));
    lines(&output).pop().unwrap()["rows"].clone()
}

fn started(query: &str, then: &str) -> Json {
    rows_after(&format!("START q AS {query} TRIGGER AVAILABLE NOW; AWAIT q; {then};"))
}

const STREAM: &str = "STREAM e WATERMARK ts DELAY OF INTERVAL 5 SECONDS";

#[test]
fn a_late_row_tells_which_windows_it_missed() {
    let query = format!("SELECT window.start AS s, k, sum(v) AS t FROM {STREAM} GROUP BY window(ts, '10 seconds', '5 seconds'), k");
    let at = |seconds: &str| format!("2024-01-01T10:00:{seconds}.000Z");
    let window = |start: String, end: &str| json!({"start": start, "end": at(end)});
    let rows = started(&query, "SELECT * FROM late_rows('q')");
    assert_eq!(
        rows,
        json!([
            {
                "ts": at("13"), "k": "c", "v": 7, "eventTime": at("13"), "watermark": at("26"),
                "windows": [window(at("05"), "15"), window(at("10"), "20")], "operator": "stateStoreSave", "batchId": 2
            },
            {
                "ts": at("02"), "k": "a", "v": 6, "eventTime": at("02"), "watermark": at("26"),
                "windows": [window("2024-01-01T09:59:55.000Z".to_string(), "05"), window(at("00"), "10")],
                "operator": "stateStoreSave", "batchId": 2
            },
        ])
    );
    // As any other table; and with the window's time only below a projection.
    let count = "SELECT k, count(*) AS n, max(eventTime) AS t FROM late_rows('q') WHERE batchId = 2 GROUP BY k ORDER BY k DESC LIMIT 1";
    assert_eq!(started(&query, count), json!([{"k": "c", "n": 1, "t": at("13")}]));
    let projected = format!("SELECT w, count(*) AS n FROM (SELECT window(ts, '10 seconds') AS w, k FROM {STREAM}) GROUP BY w");
    let times = started(&projected, "SELECT eventTime, size(windows) AS n FROM late_rows('q')");
    assert_eq!(times, json!([{"eventTime": at("13"), "n": 1}, {"eventTime": at("02"), "n": 1}]));
}

#[test]
fn sessions_joins_and_duplicates_keep_their_late_rows() {
    let at = |seconds: &str| format!("2024-01-01T10:00:{seconds}.000Z");
    let query = format!("SELECT session_window, k, count(*) AS n FROM {STREAM} GROUP BY session_window(ts, '4 seconds'), k");
    let rows = started(&query, "SELECT k, eventTime, windows, operator FROM late_rows('q') LIMIT 1");
    let own = json!([{"start": at("13"), "end": at("17")}]);
    assert_eq!(rows, json!([{"k": "c", "eventTime": at("13"), "windows": own, "operator": "sessionWindowStateStoreSaveExec"}]));
    let query = format!("FROM {STREAM} |> DEDUPLICATE ON (k) WITHIN WATERMARK");
    let rows = started(&query, "SELECT k, v, eventTime, windows, operator FROM late_rows('q') LIMIT 1");
    assert_eq!(rows, json!([{"k": "c", "v": 7, "eventTime": at("13"), "windows": [], "operator": "dedupeWithinWatermark"}]));
    let query =
        format!("SELECT a.v, b.k FROM {STREAM} AS a JOIN {STREAM} AS b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 9 SECONDS");
    let rows = started(&query, "SELECT count(*) AS n, count(v) AS left FROM late_rows('q') WHERE eventTime < watermark");
    assert_eq!(rows, json!([{"n": 4, "left": 2}]));
}

#[test]
fn state_is_a_table_of_keys_values_and_expiry() {
    let at = |seconds: &str| format!("2024-01-01T10:00:{seconds}.000Z");
    let query = format!("SELECT window, k, sum(v) AS total FROM {STREAM} GROUP BY window(ts, '10 seconds'), k");
    let rows = started(&query, "SELECT window.end AS e, k, total, expiry, operator FROM state('q') ORDER BY expiry");
    let group = |end: &str, total: i32| json!({"e": at(end), "k": "b", "total": total, "expiry": at(end), "operator": "stateStoreSave"});
    assert_eq!(rows, json!([group("40", 2), group("50", 8)]));
    let query = "SELECT k, sum(v) / count(*) AS mean FROM STREAM e GROUP BY k";
    let rows = started(query, "SELECT k, `sum(v)`, `count(1)`, expiry FROM state('q') ORDER BY k");
    let group = |k: &str, sum: i32, n: i32| json!({"k": k, "sum(v)": sum, "count(1)": n, "expiry": null});
    assert_eq!(rows, json!([group("a", 12, 3), group("b", 10, 2), group("c", 7, 1)]));
    let query = format!("SELECT session_window AS s, k, count(*) AS n FROM {STREAM} GROUP BY session_window(ts, '4 seconds'), k");
    let rows = started(&query, "SELECT s, k, n, expiry FROM state('q')");
    assert_eq!(rows, json!([{"s": {"start": at("40"), "end": at("44")}, "k": "b", "n": 1, "expiry": at("44")}]));
    let query = format!(
        "SELECT a.v, b.v AS w FROM {STREAM} AS a JOIN {STREAM} AS b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 9 SECONDS"
    );
    let rows = started(&query, "SELECT side, v, expiry FROM state('q') ORDER BY side, v");
    let row = |side: &str, v: i32, seconds: &str| json!({"side": side, "v": v, "expiry": format!("2024-01-01T10:00:{seconds}.001Z")});
    assert_eq!(rows, json!([row("left", 2, "40"), row("left", 8, "49"), row("right", 8, "40")]));
    let query = format!("FROM {STREAM} |> DEDUPLICATE ON (k) WITHIN WATERMARK");
    let rows = started(&query, "SELECT k, expiry, operator FROM state('q')");
    assert_eq!(rows, json!([{"k": "b", "expiry": at("36"), "operator": "dedupeWithinWatermark"}]));
}

#[test]
fn progress_tells_what_state_cost() {
    let figures = "SELECT sum(o.customMetrics['numDroppedDuplicateRows']) AS again, \
                   min(o.customMetrics['stateOnCurrentVersionSizeBytes']) > 0 AS size, \
                   min(o.allUpdatesTimeMs) > 0 AS updates, min(o.allRemovalsTimeMs) >= 0 AS removals, min(o.commitTimeMs) >= 0 AS commit, \
                   max(o.numStateStoreInstances - o.numShufflePartitions) AS more \
                   FROM progress('q') LATERAL VIEW explode(stateOperators) t AS o";
    let row = |again: Option<i32>| json!([{"again": again, "size": true, "updates": true, "removals": true, "commit": true, "more": 0}]);
    assert_eq!(started("FROM STREAM e |> DEDUPLICATE ON (k)", figures), row(Some(3)));
    let session = format!("SELECT session_window, k, count(*) AS n FROM {STREAM} GROUP BY session_window(ts, '4 seconds'), k");
    assert_eq!(started(&session, figures), row(None));
}

#[test]
fn duplicates_go_by_all_columns_or_some() {
    let rows = rows_after(
        "CREATE TABLE t AS SELECT * FROM VALUES (1, 'x'), (1, 'y'), (2, 'x'), (1, 'x') AS t(a, b); FROM t |> DEDUPLICATE |> ORDER BY a, b;",
    );
    assert_eq!(rows, json!([{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}]));
    let rows = rows_after(
        "CREATE TABLE t AS SELECT * FROM VALUES (1, 'x'), (1, 'y'), (2, 'x') AS t(a, b); FROM t |> DEDUPLICATE ON (a) |> ORDER BY a;",
    );
    assert_eq!(rows, json!([{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]));
    // Each key's first row comes out once, in the batch that brings it, in update mode too.
    let rows = started("FROM STREAM e |> DEDUPLICATE ON (k) OUTPUT MODE update INTO memory", "SELECT k, v FROM q ORDER BY k");
    assert_eq!(rows, json!([{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"k": "c", "v": 7}]));
}

#[test]
fn what_has_no_watermark_cannot_be_deduplicated_within_it() {
    for (query, what) in [
        ("FROM VALUES (1) AS t(a) |> DEDUPLICATE ON (a) WITHIN WATERMARK", "a bounded table has no watermark"),
        ("CREATE STREAM s USING rate; FROM s |> DEDUPLICATE ON (value) WITHIN WATERMARK", "needs the watermark's column"),
        (
            "CREATE STREAM s USING rate; SELECT value FROM s WATERMARK timestamp DELAY OF INTERVAL 1 SECOND \
             |> DEDUPLICATE ON (value) WITHIN WATERMARK",
            "needs the watermark's column",
        ),
        ("SELECT * FROM late_rows('nobody')", "there is no query `nobody`"),
        ("SELECT * FROM state()", "takes the name of one query"),
    ] {
        let output = run(&["-c", query]);
        assert_eq!(output.status.code(), Some(1), "{query}");
        assert!(err(&output).contains(what), "{query}: {}", err(&output));
    }
}

#[test]
fn several_watermarks_become_the_latest_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = "SET spark.sql.streaming.multipleWatermarkPolicy = 'max';\n".to_string();
    for (name, time) in [("a", "10:00:30"), ("b", "10:00:10")] {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        write_file(&path, 0, "json", &[&format!(r#"{{"ts":"2024-01-01T{time}Z"}}"#)]);
        script += &format!("CREATE STREAM {name} (ts TIMESTAMP) USING json OPTIONS (path '{}');\n", path.display());
    }
    script += "SELECT ts FROM STREAM a WATERMARK ts DELAY OF INTERVAL 1 SECOND UNION ALL \
               SELECT ts FROM STREAM b WATERMARK ts DELAY OF INTERVAL 1 SECOND |> DEDUPLICATE TRIGGER AVAILABLE NOW;";
    let path = folder.path().join("script.sql");
    std::fs::write(&path, script).unwrap();
    let output = run(&["run", path.to_str().unwrap(), "--format", "ndjson"]);
    let watermarks: Vec<Json> = lines(&output).iter().map(|l| l["watermark"].clone()).collect();
    assert_eq!(watermarks, [json!("1970-01-01T00:00:00.000Z"), json!("2024-01-01T10:00:29.000Z")], "{}", err(&output));
}
