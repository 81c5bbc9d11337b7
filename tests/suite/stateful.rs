//! State that a failed batch must not change, and answers that must not hang on how input was cut into batches:
//! joins of two streams and sessions.

use crate::engine::{Batches, DEADLINE, Seen, World, write_file};
use eddyline::engine::EngineError;
use eddyline::engine::clock::SystemClock;
use eddyline::engine::query::start;
use eddyline::engine::sink::{Sink, SinkBatch};
use eddyline::progress::{OutputMode, Trigger};
use std::collections::HashSet;
use std::sync::Arc;

/// Fails the first try of every batch, as a disk might.
struct Flaky {
    inner: Box<dyn Sink>,
    tried: HashSet<u64>,
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
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let line = |i: u64| {
        let seconds = (i * 2 + next(12)).saturating_sub(next(9));
        let key = if next(11) == 0 { "null".to_string() } else { next(4).to_string() };
        let time = format!("2024-01-01T10:{:02}:{:02}Z", seconds / 60 % 60, seconds % 60);
        if next(13) == 0 { format!(r#"{{"k":{key},"n":{i}}}"#) } else { format!(r#"{{"k":{key},"n":{i},"ts":"{time}"}}"#) }
    };
    (0..rows).map(line).collect()
}

/// A world with streams `a` and `b` cut into pieces of `size` lines, a batch each.
fn world(size: usize) -> World {
    let mut world = World::new();
    for (name, seed) in [("a", 7), ("b", 11)] {
        let folder = world.files(name, "json", A, true, &[]);
        for (index, piece) in lines(seed, 60).chunks(size).enumerate() {
            write_file(&folder, index, "json", &piece.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    world
}

fn sorted(mut batches: Vec<Seen>) -> Vec<Seen> {
    batches.iter_mut().for_each(|b| b.rows.sort());
    batches
}

const RANGE: &str = "ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL 3 SECONDS AND a.ts + INTERVAL 8 SECONDS";

fn join(kind: &str) -> String {
    let side = |name: &str| format!("STREAM {name} WATERMARK ts DELAY OF INTERVAL 4 SECONDS");
    let columns = if kind == "LEFT SEMI" { "a.k, a.n" } else { "a.k, a.n, b.k, b.n" };
    format!("SELECT {columns} FROM {} {kind} JOIN {} {RANGE} AND a.n + b.n > 10", side("a"), side("b"))
}

fn sessions(gap: &str) -> String {
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
