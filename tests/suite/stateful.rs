//! State that a failed batch must not change, and answers that must not hang on how input was cut into batches:
//! joins of two streams and sessions.

use crate::dice::Dice;
use crate::engine::{Batches, DEADLINE, Seen, World, write_file};
use eddyline::engine::EngineError;
use eddyline::engine::clock::SystemClock;
use eddyline::engine::query::start;
use eddyline::engine::sink::{Sink, SinkBatch};
use eddyline::progress::{OutputMode, Trigger};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

/// Fails the first try of every batch, as a disk might.
pub(crate) struct Flaky {
    pub(crate) inner: Box<dyn Sink>,
    pub(crate) tried: HashSet<u64>,
}

impl Sink for Flaky {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        if self.tried.insert(batch.id) {
            return Err(EngineError::external("the disk is busy").transient());
        }
        self.inner.write(batch)
    }

    fn description(&self) -> String {
        "flaky".to_string()
    }
}

const A: &str = "k INT, n INT, ts TIMESTAMP";

/// Rows of a stream with some order and some disorder: keys from a few, times that drift and jump back.
fn lines(seed: u64, rows: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut next = |below: u64| dice.roll(below);
    let line = |i: u64| {
        let seconds = (i * 2 + next(12)).saturating_sub(next(9));
        let key = if next(11) == 0 { "null".to_string() } else { next(4).to_string() };
        let time = format!("2024-01-01T10:{:02}:{:02}Z", seconds / 60 % 60, seconds % 60);
        if next(13) == 0 { format!(r#"{{"k":{key},"n":{i}}}"#) } else { format!(r#"{{"k":{key},"n":{i},"ts":"{time}"}}"#) }
    };
    (0..rows).map(line).collect()
}

/// A world with streams `a` and `b` cut into pieces of `size` lines, a batch each.
pub(crate) fn world(size: usize) -> World {
    let mut world = World::new();
    for (name, seed) in [("a", 7), ("b", 11)] {
        let folder = world.files(name, "json", A, true, &[]);
        for (index, piece) in lines(seed, 60).chunks(size).enumerate() {
            write_file(&folder, index, "json", &piece.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    world
}

pub(crate) fn sorted(mut batches: Vec<Seen>) -> Vec<Seen> {
    batches.iter_mut().for_each(|b| b.rows.sort());
    batches
}

const RANGE: &str = "ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL 3 SECONDS AND a.ts + INTERVAL 8 SECONDS";

pub(crate) fn join(kind: &str) -> String {
    let side = |name: &str| format!("STREAM {name} WATERMARK ts DELAY OF INTERVAL 4 SECONDS");
    let columns = if kind == "LEFT SEMI" { "a.k, a.n" } else { "a.k, a.n, b.k, b.n" };
    format!("SELECT {columns} FROM {} {kind} JOIN {} {RANGE} AND a.n + b.n > 10", side("a"), side("b"))
}

pub(crate) fn sessions(gap: &str) -> String {
    let calls = "count(*), sum(n), collect_set(n % 2), max_by(n, ts), stddev(n), first(n), last(n), listagg(CAST(n AS STRING), ',')";
    format!(
        "SELECT session_window.start, session_window.end, k, {calls} FROM STREAM a WATERMARK ts DELAY OF INTERVAL 4 SECONDS \
         GROUP BY session_window(ts, {gap}), k"
    )
}

#[test]
fn a_batch_that_is_tried_again_gives_the_same() {
    let mut queries: Vec<(String, OutputMode)> =
        ["INNER", "LEFT", "RIGHT", "FULL", "LEFT SEMI"].iter().map(|kind| (join(kind), OutputMode::Append)).collect();
    queries.push((sessions("'3 seconds'"), OutputMode::Append));
    queries.push((sessions("CASE WHEN k = 1 THEN '1 second' WHEN k = 2 THEN 'often' ELSE '5 seconds' END"), OutputMode::Complete));
    for (sql, mode) in queries {
        let world = world(20);
        let (expected, outcome) = world.available(&sql, mode);
        outcome.unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert!(expected.iter().any(|b| !b.rows.is_empty()), "{sql}");
        let (mut spec, seen): (_, Batches) = world.spec(&sql, mode, Trigger::AvailableNow, Arc::new(SystemClock::default())).unwrap();
        spec.sink = Box::new(Flaky { inner: spec.sink, tried: HashSet::new() });
        start(spec).unwrap().wait(Some(DEADLINE)).expect("the query ends").unwrap();
        let seen = seen.lock().unwrap().clone();
        assert_eq!(sorted(seen), sorted(expected), "{sql}");
    }
}

/// Every row that all batches gave, in order.
fn all_rows(world: &World, sql: &str, mode: OutputMode) -> Vec<Vec<String>> {
    let (seen, outcome) = world.available(sql, mode);
    outcome.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut rows = match mode {
        OutputMode::Complete => seen.last().map(|b| b.rows.clone()).unwrap_or_default(),
        _ => seen.into_iter().flat_map(|b| b.rows).collect(),
    };
    rows.sort();
    rows
}

#[test]
fn any_split_into_batches_gives_the_same_result() {
    let joined = "SELECT a.k, a.n, b.n FROM STREAM a JOIN STREAM b ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS";
    let same = "SELECT session_window.start, session_window.end, k, count(*), sum(n), min(n), sort_array(collect_list(n)) \
                FROM STREAM a GROUP BY session_window(ts, '3 seconds'), k";
    for (sql, mode) in [(joined, OutputMode::Append), (same, OutputMode::Complete)] {
        let whole = all_rows(&world(60), sql, mode);
        assert!(whole.len() > 10, "{sql}: {whole:?}");
        for size in [1, 7, 20, 59] {
            assert_eq!(all_rows(&world(size), sql, mode), whole, "{sql} in pieces of {size}");
        }
    }
}

/// What a bounded query over all rows of the streams gives.
fn bounded(sql: &str) -> Vec<Vec<String>> {
    let mut world = world(60);
    for name in ["a", "b"] {
        world.files(name, "json", A, false, &[]);
    }
    let mut rows = world.rows(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    rows.sort();
    rows
}

/// A world whose last batch of each stream holds one row so late in time that the watermark passes all others.
pub(crate) fn ended(size: usize) -> World {
    let world = world(size);
    for name in ["a", "b"] {
        let last = r#"{"k":99,"n":1000,"ts":"2024-01-02T00:00:00Z"}"#;
        write_file(&world.folder.path().join(name), 60, "json", &[last]);
    }
    world
}

/// Everything that groups and aggregates can be; doubles are cut, because the order of their sums is free.
pub(crate) const GROUPINGS: &[&str] = &[
    "SELECT k, count(*), count(n), sum(n), min(n), max(n), avg(n), min(ts), max(ts) FROM STREAM a GROUP BY k",
    "SELECT k, n % 3, round(stddev(n), 6), round(var_pop(n), 6), round(skewness(n), 6), median(n), percentile(n, 0.25), bit_xor(n) \
     FROM STREAM a GROUP BY k, n % 3",
    "SELECT k, sort_array(collect_list(n)), sort_array(collect_set(n % 5)), max_by(n, n), min_by(n, n), bool_or(n > 50), \
     approx_count_distinct(n), mode(k), count_if(n > 9), round(corr(n, k), 6) FROM STREAM a GROUP BY k",
    "SELECT count(*), sum(n), max(struct(n, k)), sum(CAST(n AS DECIMAL(10, 2))), count(*) FILTER (WHERE k = 1) FROM STREAM a",
    "SELECT window.start, count(*), sum(n), min(k) FROM STREAM a GROUP BY window(ts, '10 seconds')",
    "SELECT window, k, count(*) FROM STREAM a GROUP BY window(ts, '10 seconds', '4 seconds', '1 second'), k",
    "SELECT session_window, k, count(*), sum(n) FROM STREAM a GROUP BY session_window(ts, concat(k + 1, ' seconds')), k",
    "SELECT DISTINCT k, n % 4 FROM STREAM a",
    "SELECT k, count(*), grouping_id() FROM STREAM a GROUP BY ROLLUP(k)",
    "SELECT k, count(*) AS n FROM (SELECT k FROM STREAM a UNION ALL SELECT k FROM STREAM b) GROUP BY k HAVING count(*) > 2",
    "SELECT CASE k WHEN 1 THEN double('NaN') WHEN 2 THEN -0.0D WHEN 3 THEN 0.0D END AS d, count(*), sum(n) FROM STREAM a GROUP BY 1",
    "SELECT array(k, n % 2) AS l, struct(k, NULL AS x) AS s, count(*) FROM STREAM a GROUP BY 1, 2",
    "SELECT count(*), sum(k) FROM (FROM STREAM a |> SELECT k, n % 3 AS m |> DEDUPLICATE)",
    "SELECT window.start, k, count(*) FROM (FROM STREAM a |> SELECT k, ts |> DEDUPLICATE ON (k, ts)) GROUP BY window(ts, '10 seconds'), k",
];

#[test]
fn any_split_gives_what_the_bounded_query_gives() {
    for sql in GROUPINGS {
        let expected = bounded(&sql.replace("STREAM ", ""));
        assert!(!expected.is_empty(), "{sql}");
        for size in [1, 7, 20, 60] {
            assert_eq!(all_rows(&world(size), sql, OutputMode::Complete), expected, "{sql} in pieces of {size}");
        }
    }
}

/// Append queries.
pub(crate) const APPENDED: &[&str] = &[
    "SELECT window.start, count(*), sum(n) FROM {a} GROUP BY window(ts, '10 seconds')",
    "SELECT window, k, count(*), max(n) FROM {a} GROUP BY window(ts, '10 seconds', '4 seconds'), k",
    "SELECT ts, k, count(*) FROM {a} GROUP BY ts, k",
    "SELECT session_window, k, count(*), sum(n) FROM {a} GROUP BY session_window(ts, '3 seconds'), k",
    "SELECT a.k, a.n, b.n FROM {a} JOIN {b} ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS",
    "SELECT a.k, a.n, b.n FROM {a} LEFT JOIN {b} ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS",
    "SELECT a.k, a.n, b.n FROM {a} RIGHT JOIN {b} ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS",
    "SELECT a.k, a.n, b.n FROM {a} FULL JOIN {b} ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS",
    "SELECT a.k, a.n FROM {a} LEFT SEMI JOIN {b} ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS",
    "SELECT window(w, '20 seconds').start AS s, sum(c) FROM (SELECT window AS w, k, count(*) AS c FROM {a} \
     GROUP BY window(ts, '10 seconds'), k) GROUP BY window(w, '20 seconds')",
    "SELECT ts, k FROM (FROM {a} |> WHERE ts IS NOT NULL |> SELECT ts, k |> DEDUPLICATE)",
    "SELECT window.start, k, count(*), sum(n) FROM (SELECT a.ts AS ts, a.k AS k, b.n AS n FROM {a} JOIN {b} ON a.k = b.k \
     AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS) GROUP BY window(ts, '10 seconds'), k",
    "SELECT window.start, k, count(*), count(n) FROM (SELECT a.ts AS ts, a.k AS k, b.n AS n FROM {a} LEFT JOIN {b} ON a.k = b.k \
     AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 8 SECONDS) GROUP BY window(ts, '10 seconds'), k",
];

#[test]
fn what_append_gave_in_the_end_is_the_bounded_result() {
    for sql in APPENDED {
        // With a delay so long no row is late.
        let stream = |name: &str| format!("STREAM {name} WATERMARK ts DELAY OF INTERVAL 1 HOUR AS {name}");
        // A row without a time never leaves an outer join, and its group by time never closes.
        let table = |name: &str| format!("(SELECT * FROM {name} WHERE ts IS NOT NULL) AS {name}");
        // In a full join of streams, and only there, Spark matches NULL keys.
        let keys = if sql.contains("FULL") { "a.k <=> b.k" } else { "a.k = b.k" };
        let expected = bounded(&sql.replace("{a}", &table("a")).replace("{b}", &table("b")).replace("a.k = b.k", keys));
        assert!(expected.len() > 5, "{sql}: {expected:?}");
        let streaming = sql.replace("{a}", &stream("a")).replace("{b}", &stream("b"));
        for size in [7, 20, 60] {
            let mut rows = all_rows(&ended(size), &streaming, OutputMode::Append);
            rows.retain(|row| !row.iter().any(|cell| cell == "1000" || cell.contains("2024-01-02")));
            assert_eq!(rows, expected, "{streaming} in pieces of {size}");
        }
    }
}

#[test]
fn complete_mode_tells_of_its_windows() {
    let sql = "SELECT window.start, count(*) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 4 SECONDS GROUP BY window(ts, '10 seconds')";
    let world = world(20);
    let (spec, seen) = world.spec(sql, OutputMode::Complete, Trigger::AvailableNow, Arc::new(SystemClock::default())).unwrap();
    let handle = start(spec).unwrap();
    handle.wait(Some(DEADLINE)).expect("the query ends").unwrap();
    let last = handle.snapshot().progress.back().cloned().expect("a batch");
    let windows = &last.state_operators[0].open_windows;
    assert_eq!(windows.len(), seen.lock().unwrap().last().expect("a batch").rows.len());
    assert!(windows.iter().all(|w| w.groups == 1 && w.end - w.start == 10_000_000), "{windows:?}");
}

#[test]
fn a_bounded_table_has_sessions_too() {
    let sql = "SELECT session_window.start, session_window.end, count(*), count(DISTINCT v) \
               FROM (VALUES (TIMESTAMP '2024-01-01 10:00:00', 1), (TIMESTAMP '2024-01-01 10:00:05', 1), \
                     (TIMESTAMP '2024-01-01 10:00:11', 2), (NULL, 3)) AS t(ts, v) GROUP BY session_window(ts, '5 seconds')";
    let mut rows = World::new().rows(sql).unwrap();
    rows.sort();
    let row = |cells: [&str; 4]| cells.map(str::to_string).to_vec();
    assert_eq!(
        rows,
        [row(["2024-01-01 10:00:00", "2024-01-01 10:00:10", "2", "1"]), row(["2024-01-01 10:00:11", "2024-01-01 10:00:16", "1", "1"])]
    );
}

/// Rewrites a file when the first batch is written.
struct Rewriting {
    inner: Box<dyn Sink>,
    folder: PathBuf,
}

impl Sink for Rewriting {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        if batch.id == 0 {
            write_file(&self.folder, 0, "json", &[r#"{"k":1,"name":"a later name"}"#, r#"{"k":2,"name":"two"}"#]);
        }
        self.inner.write(batch)
    }

    fn description(&self) -> String {
        "rewriting".to_string()
    }
}

#[test]
fn a_static_side_follows_its_file_only_when_asked() {
    let queries = [
        "SELECT e.k, name FROM STREAM e LEFT JOIN (SELECT * FROM names WHERE k > 0) AS n ON e.k = n.k",
        "SELECT e.k, name FROM STREAM e LEFT JOIN (SELECT * FROM names WHERE k = (SELECT min(k) FROM names)) AS n ON e.k = n.k",
        "SELECT k, (SELECT min(name) FROM names WHERE k = 1) AS name FROM STREAM e",
        "SELECT k, 'one' AS name FROM STREAM e WHERE (SELECT count(*) FROM names) = 1 \
         UNION ALL SELECT k, 'a later name' FROM STREAM e WHERE 2 IN (SELECT k FROM names)",
    ];
    let options = [(&[][..], "one"), (&[("refresh", "true")][..], "a later name")];
    for (sql, (options, later)) in queries.into_iter().flat_map(|sql| options.map(|o| (sql, o))) {
        let mut world = World::new();
        let events = world.files("e", "json", "k INT", true, &[]);
        for index in 0..2 {
            write_file(&events, index, "json", &[r#"{"k":1}"#]);
        }
        let folder = world.files("names", "json", "k INT, name STRING", false, options);
        write_file(&folder, 0, "json", &[r#"{"k":1,"name":"one"}"#]);
        let clock = Arc::new(SystemClock::default());
        let (mut spec, seen) = world.spec(sql, OutputMode::Append, Trigger::AvailableNow, clock).unwrap();
        spec.sink = Box::new(Rewriting { inner: spec.sink, folder });
        start(spec).unwrap().wait(Some(DEADLINE)).expect("the query ends").unwrap();
        let names: Vec<String> = seen.lock().unwrap().iter().flat_map(|b| b.rows.iter().map(|r| r[1].clone())).collect();
        assert_eq!(names, ["one", later], "{sql}");
    }
}

/// Says which batch was written.
struct Telling {
    inner: Box<dyn Sink>,
    told: std::sync::mpsc::Sender<u64>,
}

impl Sink for Telling {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        self.inner.write(batch)?;
        // Nobody listens any more at the end of the test.
        let _ = self.told.send(batch.id);
        Ok(())
    }

    fn description(&self) -> String {
        "telling".to_string()
    }
}

#[test]
fn state_can_be_read_while_the_query_runs_waits_and_after_its_end() {
    let world = world(20);
    let sql = "SELECT k, count(*) AS n FROM STREAM a GROUP BY k";
    let (mut spec, seen) = world.spec(sql, OutputMode::Complete, Trigger::Default, Arc::new(SystemClock::default())).unwrap();
    let (told, batches) = std::sync::mpsc::channel();
    spec.sink = Box::new(Telling { inner: spec.sink, told });
    let handle = start(spec).unwrap();
    while batches.recv_timeout(DEADLINE).expect("a batch") < 2 {}
    let names: Vec<Vec<String>> = handle.state_columns().iter().map(|l| l.iter().map(|(n, _)| n.clone()).collect()).collect();
    assert!(names.iter().all(|list| list == &["k", "n"]), "{names:?}");
    let groups = || {
        let kept = handle.kept().unwrap();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for part in kept.iter().filter(|part| !part.expiry.is_empty()) {
            let text = |at: usize| eddyline::engine::eval::text::to_text(&part.columns[at], &part.names[at].1, chrono_tz::UTC);
            let (keys, counts) = (text(0), text(1));
            let cell = |t: Option<&str>| t.unwrap_or("NULL").to_string();
            rows.extend((0..part.expiry.len()).map(|row| vec![cell(keys.get(row)), cell(counts.get(row))]));
        }
        rows.sort();
        rows
    };
    let waiting = groups();
    let mut shown = seen.lock().unwrap().last().unwrap().rows.clone();
    shown.sort();
    assert_eq!(waiting, shown);
    handle.pause();
    assert_eq!(groups(), shown);
    handle.stop();
    handle.wait(Some(DEADLINE)).expect("the query ends").unwrap();
    assert_eq!(groups(), shown);
}

#[test]
fn late_rows_are_counted_all_and_kept_up_to_a_limit() {
    let mut world = World::new();
    let folder = world.files("e", "json", "n INT, ts TIMESTAMP", true, &[]);
    let late: Vec<String> = (0..1500).map(|n| format!(r#"{{"n":{n},"ts":"2024-01-01T09:00:00Z"}}"#)).collect();
    write_file(&folder, 0, "json", &[r#"{"n":-1,"ts":"2024-01-01T10:00:00Z"}"#]);
    write_file(&folder, 1, "json", &[r#"{"n":-2,"ts":"2024-01-01T10:00:01Z"}"#]);
    write_file(&folder, 2, "json", &late.iter().map(String::as_str).collect::<Vec<_>>());
    let sql = "SELECT window, count(*) FROM STREAM e WATERMARK ts DELAY OF INTERVAL 1 SECOND GROUP BY window(ts, '1 minute'), n % 7";
    let clock = Arc::new(SystemClock::default());
    let (spec, _) = world.spec(sql, OutputMode::Append, Trigger::AvailableNow, clock).unwrap();
    let handle = start(spec).unwrap();
    handle.wait(Some(DEADLINE)).expect("the query ends").unwrap();
    let dropped: u64 = handle.snapshot().progress.iter().map(|p| p.state_operators[0].num_rows_dropped_by_watermark).sum();
    let kept = handle.late_rows();
    assert_eq!((dropped, kept.len()), (1500, 1000));
    let n = |row: &eddyline::engine::operator::late::LateRow| row.shown.columns.iter().find(|(name, _)| name == "n").unwrap().1.clone();
    assert_eq!((n(&kept[0]), n(&kept[999])), (Some("1499".to_string()), Some("500".to_string())));
}

#[test]
fn what_cannot_run_says_what_to_do() {
    for (sql, what) in [
        ("SELECT a.k FROM STREAM a JOIN STREAM b ON a.n < b.n", "needs an equality"),
        (
            "SELECT session_window, count(*) FROM STREAM a WATERMARK ts DELAY OF INTERVAL 1 SECOND GROUP BY session_window(ts, '1 second')",
            "one more key",
        ),
    ] {
        let (_, outcome) = world(30).available(sql, OutputMode::Append);
        let error = outcome.unwrap_err();
        assert!(error.contains(what), "{sql}: {error}");
    }
}

#[test]
fn state_leaves_with_the_watermark() {
    let world = world(6);
    write_file(&world.folder.path().join("a"), 10, "json", &[r#"{"k":1,"n":1,"ts":"2024-01-01T10:00:00Z"}"#]);
    let sql = join("INNER");
    let clock = Arc::new(SystemClock::default());
    let (spec, _) = world.spec(&sql, OutputMode::Append, Trigger::AvailableNow, clock).unwrap();
    let handle = start(spec).unwrap();
    handle.wait(Some(DEADLINE)).expect("the query ends").unwrap();
    let snapshot = handle.snapshot();
    let states: Vec<_> = snapshot.progress.iter().map(|p| p.state_operators[0].clone()).collect();
    assert!(states.iter().all(|s| s.operator_name == "symmetricHashJoin" && s.num_rows_total < 60), "{states:?}");
    assert!(states.iter().map(|s| s.num_rows_removed).sum::<u64>() > 40, "{states:?}");
    let (added, removed) = states.iter().fold((0, 0), |(a, r), s| (a + s.num_rows_updated, r + s.num_rows_removed));
    assert_eq!(states.last().unwrap().num_rows_total, added - removed);
    assert!(states.iter().map(|s| s.num_rows_dropped_by_watermark).sum::<u64>() == 1, "{states:?}");
}
