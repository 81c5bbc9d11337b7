//! State larger than memory: on disk it gives the same rows, counts the same, comes back after a kill, and is gone
//! with the query.

use crate::engine::{Batches, DEADLINE, Seen, World, write_file};
use crate::stateful::{APPENDED, Flaky, GROUPINGS, ended, join, sessions, sorted, world};
use eddyline::checkpoint::Options;
use eddyline::engine::clock::SystemClock;
use eddyline::engine::query::{CheckpointSpec, CrashPoint, QueryHandle, start};
use eddyline::engine::state::spill::SpillSettings;
use eddyline::progress::{OutputMode, Trigger};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Bounds in bytes: everything leaves at every commit; some stays and some goes.
const BOUNDS: [u64; 2] = [0, 6_000];

/// Runs to the end with at most so many bytes of state in memory; with `tries`, every batch fails once.
fn spilled(world: &World, sql: &str, mode: OutputMode, bytes: u64, tries: bool) -> (Vec<Seen>, QueryHandle) {
    let (mut spec, seen): (_, Batches) = world.spec(sql, mode, Trigger::AvailableNow, Arc::new(SystemClock::default())).unwrap();
    spec.settings.spill = Some(SpillSettings { bytes, shared: false });
    if tries {
        spec.sink = Box::new(Flaky { inner: spec.sink, tried: HashSet::new() });
    }
    let handle = start(spec).unwrap();
    handle.wait(Some(DEADLINE)).expect("the query ends").unwrap_or_else(|e| panic!("{sql}: {e}"));
    let seen = seen.lock().unwrap().clone();
    (sorted(seen), handle)
}

/// Rows on disk after each batch, and of how many in all.
fn on_disk(handle: &QueryHandle) -> Vec<(u64, u64)> {
    let states = |p: &eddyline::progress::BatchProgress| {
        let rows = |of: fn(&eddyline::progress::StateOperatorProgress) -> u64| p.state_operators.iter().map(of).sum();
        (rows(|s| s.disk.map_or(0, |d| d.rows)), rows(|s| s.num_rows_total))
    };
    handle.snapshot().progress.iter().map(|p| states(p)).collect()
}

/// Every kind of stateful query with the mode it runs in.
fn queries() -> Vec<(String, OutputMode)> {
    let stream = |name: &str| format!("STREAM {name} WATERMARK ts DELAY OF INTERVAL 4 SECONDS AS {name}");
    let mut all: Vec<(String, OutputMode)> = ["INNER", "LEFT", "RIGHT", "FULL", "LEFT SEMI"]
        .iter()
        .map(|kind| (join(kind), OutputMode::Append))
        .chain(APPENDED.iter().map(|sql| (sql.replace("{a}", &stream("a")).replace("{b}", &stream("b")), OutputMode::Append)))
        .collect();
    for gap in ["'3 seconds'", "CASE WHEN k = 1 THEN '1 second' WHEN k = 2 THEN 'often' ELSE '5 seconds' END"] {
        all.extend([OutputMode::Append, OutputMode::Complete].map(|mode| (sessions(gap), mode)));
    }
    for sql in GROUPINGS {
        let modes = [OutputMode::Update, OutputMode::Complete];
        all.extend(
            modes.into_iter().filter(|m| *m == OutputMode::Complete || !sql.contains("session")).map(|mode| (sql.to_string(), mode)),
        );
        all.push((sql.replace("STREAM a", &stream("a")).replace("STREAM b", &stream("b")), OutputMode::Complete));
    }
    let update = "SELECT window.start, k, count(*), sum(n) FROM {a} GROUP BY window(ts, '10 seconds'), k";
    all.push((update.replace("{a}", &stream("a")), OutputMode::Update));
    let all_rows = ["SELECT k, n % 7 AS m FROM STREAM a |> DEDUPLICATE", "SELECT DISTINCT k, n % 5 FROM STREAM a"];
    all.extend(all_rows.map(|sql| (sql.to_string(), if sql.contains("DISTINCT") { OutputMode::Update } else { OutputMode::Append })));
    let within = format!("SELECT k, n, ts FROM {} |> DEDUPLICATE ON (k) WITHIN WATERMARK", stream("a"));
    let by_time = format!("SELECT ts, k FROM {} |> DEDUPLICATE ON (ts, k)", stream("a"));
    all.extend([within, by_time].map(|sql| (sql, OutputMode::Append)));
    all
}

#[test]
fn state_on_disk_gives_the_same_batches() {
    for (at, (sql, mode)) in queries().into_iter().enumerate() {
        let world = if at % 2 == 0 { world(7) } else { ended(20) };
        let (expected, outcome) = world.available(&sql, mode);
        outcome.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let expected = sorted(expected);
        assert!(expected.iter().any(|b| !b.rows.is_empty()), "{sql}");
        for bytes in BOUNDS {
            // A query waits before it tries again: only some do.
            let tries = (at as u64 + bytes) % 5 == 1;
            let (seen, handle) = spilled(&world, &sql, mode, bytes, tries);
            assert_eq!(seen, expected, "{sql} in {mode:?} mode with {bytes} bytes, tried again: {tries}");
            let disk = on_disk(&handle);
            assert!(disk.iter().all(|(disk, all)| disk <= all), "{sql}: {disk:?}");
            let keyed = !sql.starts_with("SELECT count(*)");
            assert!(bytes > 0 || !keyed || disk.iter().all(|(disk, all)| disk == all), "{sql}: {disk:?}");
            assert!(bytes > 0 || !keyed || disk.iter().any(|(disk, _)| *disk > 0), "{sql}: {disk:?}");
        }
    }
}

#[test]
fn rows_are_counted_and_shown_wherever_they_are() {
    let world = world(20);
    for sql in ["SELECT k, n % 3 AS m, count(*) AS c FROM STREAM a GROUP BY k, n % 3", "SELECT k, n % 7 AS m FROM STREAM a |> DEDUPLICATE"]
    {
        let mode = if sql.contains("GROUP") { OutputMode::Update } else { OutputMode::Append };
        let kept = |spill| {
            let (mut spec, _) = world.spec(sql, mode, Trigger::AvailableNow, Arc::new(SystemClock::default())).unwrap();
            spec.settings.spill = spill;
            let handle = start(spec).unwrap();
            handle.wait(Some(DEADLINE)).expect("the query ends").unwrap();
            let mut rows: Vec<String> = Vec::new();
            for part in handle.kept().unwrap().iter() {
                let texts: Vec<_> = part
                    .columns
                    .iter()
                    .zip(part.names.iter())
                    .map(|(column, (_, data_type))| eddyline::engine::eval::text::to_text(column, data_type, chrono_tz::UTC))
                    .collect();
                rows.extend(
                    (0..part.expiry.len()).map(|row| texts.iter().map(|t| t.get(row).unwrap_or("NULL")).collect::<Vec<_>>().join(",")),
                );
            }
            rows.sort();
            let totals: Vec<u64> = handle.snapshot().progress.iter().map(|p| p.state_operators[0].num_rows_total).collect();
            (rows, totals)
        };
        let expected = kept(None);
        assert!(expected.0.len() > 8, "{expected:?}");
        for bytes in BOUNDS {
            assert_eq!(kept(Some(SpillSettings { bytes, shared: false })), expected, "{sql} with {bytes} bytes");
        }
    }
}

/// Files of many keys, most of them new in each: the store writes files of its own and merges them.
fn many(world: &mut World, files: usize, rows: u64) {
    let folder = world.files("m", "csv", "k BIGINT, v BIGINT", true, &[]);
    for file in 0..files {
        let mut text = String::new();
        for row in 0..rows {
            let n = file as u64 * rows * 3 / 4 + row;
            writeln!(text, "{},{}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64, n / 1000).unwrap();
        }
        write_file(&folder, file, "csv", &[text.trim_end()]);
    }
}

const COUNTS: &str = "SELECT k, count(*) AS n, sum(v) AS s FROM STREAM m GROUP BY k";

#[test]
fn many_groups_go_through_the_stores_files() {
    let mut world = World::new();
    many(&mut world, 5, 60_000);
    let (expected, outcome) = world.available(COUNTS, OutputMode::Update);
    outcome.unwrap();
    for bytes in [0, 4 << 20] {
        let (seen, handle) = spilled(&world, COUNTS, OutputMode::Update, bytes, false);
        assert!(seen == sorted(expected.clone()), "with {bytes} bytes");
        let last = on_disk(&handle).pop().unwrap();
        assert!(last.0 > 100_000 && last.1 == 240_000, "{last:?}");
        let states = handle.snapshot().progress.back().unwrap().state_operators[0].clone();
        assert!(states.disk.unwrap().bytes > 500_000 && states.memory_used_bytes <= 4 << 20, "{states:?}");
    }
}

/// Runs over a checkpoint; the result by batch, and how many rows were on disk at most.
fn restarted(world: &World, sql: &str, mode: OutputMode, dir: &Path, bytes: u64, crash: Option<CrashPoint>) -> (Vec<Seen>, u64) {
    let begin = || {
        let (mut spec, seen) = world.spec(sql, mode, Trigger::AvailableNow, Arc::new(SystemClock::default())).unwrap();
        spec.settings.spill = Some(SpillSettings { bytes, shared: true });
        spec.checkpoint = Some(CheckpointSpec { dir: dir.to_path_buf(), options: Options { deltas: 2, ..Options::default() } });
        start(spec).map(|handle| (handle, seen))
    };
    // A program that another test starts has the lock of this process, too, until it is another program.
    let mut begun = begin();
    for _ in 0..1000 {
        if begun.as_ref().err().is_none_or(|e| !e.to_string().contains("is in use")) {
            break;
        }
        std::thread::yield_now();
        begun = begin();
    }
    let (handle, seen) = begun.unwrap();
    crash.into_iter().for_each(|point| handle.crash(point));
    let outcome = handle.wait(Some(DEADLINE)).expect("the query ends");
    assert!(outcome.is_ok() || crash.is_some(), "{outcome:?}");
    assert!(!dir.join("spill").exists(), "it is gone with the query");
    let most = on_disk(&handle).into_iter().map(|(disk, _)| disk).max().unwrap_or(0);
    let seen = seen.lock().unwrap().clone();
    (sorted(seen), most)
}

#[test]
fn after_a_kill_state_on_disk_is_as_it_was() {
    for (sql, mode) in queries().into_iter().filter(|(sql, _)| !sql.starts_with("SELECT count(*)")) {
        let world = world(12);
        let (expected, outcome) = world.available(&sql, mode);
        outcome.unwrap_or_else(|e| panic!("{sql}: {e}"));
        for (at, point) in [CrashPoint::Operators, CrashPoint::State, CrashPoint::Commit].into_iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            let mut all = std::collections::BTreeMap::new();
            for round in 0..3 {
                // What a kill leaves there is nothing that a start goes by.
                std::fs::create_dir_all(dir.path().join("q/spill/store")).unwrap();
                std::fs::write(dir.path().join("q/spill/store/current"), "not a store").unwrap();
                let crash = (round < 2).then_some(point);
                let (seen, _) = restarted(&world, &sql, mode, &dir.path().join("q"), BOUNDS[(at + round) % 2], crash);
                all.extend(seen.into_iter().map(|b| (b.id, b)));
            }
            assert_eq!(all.into_values().collect::<Vec<_>>(), sorted(expected.clone()), "{sql} after {point:?}");
        }
    }
}

#[test]
fn a_restart_with_much_state_goes_to_disk_as_it_reads() {
    let mut world = World::new();
    many(&mut world, 3, 50_000);
    let window = "SELECT window(timestamp_seconds(v), '1 minute').start AS w, k, count(*) AS n FROM STREAM m \
                  WATERMARK timestamp_seconds(v) AS ts DELAY OF INTERVAL 10 MINUTES GROUP BY window(ts, '1 minute'), k";
    let window = window.replace("timestamp_seconds(v), '1 minute').start AS w", "ts, '1 minute').start AS w");
    let distinct = "SELECT k FROM STREAM m |> DEDUPLICATE";
    for (sql, mode) in [(COUNTS, OutputMode::Update), (&window, OutputMode::Append), (distinct, OutputMode::Append)] {
        let dir = tempfile::tempdir().unwrap();
        restarted(&world, sql, mode, dir.path(), 1 << 40, None);
        let folder = world.folder.path().join("m");
        write_file(&folder, 3, "csv", &["0,5000", "-1,5000"]);
        let (seen, most) = restarted(&world, sql, mode, dir.path(), 1 << 20, None);
        std::fs::remove_file(folder.join("003.csv")).unwrap();
        assert!(most > 50_000, "{sql}: {most} rows on disk");
        write_file(&folder, 3, "csv", &["0,5000", "-1,5000"]);
        let (expected, outcome) = world.available(sql, mode);
        outcome.unwrap();
        std::fs::remove_file(folder.join("003.csv")).unwrap();
        let expected: Vec<Seen> = sorted(expected).into_iter().filter(|b| seen.iter().any(|s| s.id == b.id)).collect();
        assert!(seen == expected && seen.iter().any(|b| !b.rows.is_empty()), "{sql}");
    }
}

#[test]
fn a_disk_that_cannot_be_written_ends_the_query_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for file in 0..3 {
        write_file(folder.path(), file, "csv", &["1,1", "2,2"]);
    }
    let script = folder.path().join("script.sql");
    let text = format!(
        "SET spark.sql.streaming.stateStore.providerClass = 'org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider';\n\
         SET spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB = 0;\n\
         CREATE STREAM s (k BIGINT, v BIGINT) USING csv OPTIONS (path '{}/*.csv', maxFilesPerTrigger '1');\n\
         SELECT k, count(*) FROM STREAM s GROUP BY k OUTPUT MODE UPDATE TRIGGER AVAILABLE NOW;\n",
        folder.path().display()
    );
    std::fs::write(&script, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_eddy"));
    let out = command.arg("run").arg(&script).args(["--format", "ndjson"]).env("TMPDIR", script.join("no folder")).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("[CANNOT_WRITE_STATE_STORE.CANNOT_COMMIT]") && stderr.contains("Not a directory"), "{stderr}");
    assert!(stdout.contains(r#""batchId":0"#) && !stdout.contains(r#""batchId":1"#), "{stdout}");
}
