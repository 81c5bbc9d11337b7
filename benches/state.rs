//! What big state costs: small batches over ten thousand and over ten million keys, memory a key, leaving, coming back
//! from a checkpoint, overhead.
//!
//! `cargo bench --bench state [-- KEYS]` makes its inputs once under the temporary directory, fills state with KEYS
//! (ten million) keys and then feeds batches of 1,000 rows that touch some of them. Printed are medians and worst
//! batches beside their budgets. Last, twice as many keys in memory, and with 64 MB of it and the rest on disk.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::disallowed_methods, reason = "whole processes are watched from outside")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const FEW: u64 = 10_000;
const FILL: u64 = 500_000;
const SMALL: u64 = 1_000;
const SMALL_BATCHES: usize = 60;

/// One run: milliseconds of each batch in order, and the figures of the state after the last.
struct Run {
    batches: Vec<f64>,
    rows: Vec<f64>,
    bytes: f64,
    groups: f64,
    /// Most memory of the process, bytes.
    peak: f64,
}

fn main() {
    let keys = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(10_000_000);
    let root: PathBuf = std::env::temp_dir().join("eddyline-bench-state");
    for count in [FEW, keys] {
        fill(&root.join(format!("keys-{count}")), count);
    }
    println!("{:<44} {:>12} {:>12}   budget", "batches of 1,000 rows, no checkpoint", "median ms", "worst ms");
    let watermark = "STREAM s WATERMARK timestamp_seconds(v) AS ts DELAY OF INTERVAL 1 HOUR";
    let update = "SELECT k, count(*) AS n FROM STREAM s GROUP BY k".to_string();
    let append = format!("SELECT window(ts, '1 hour') AS w, k, count(*) AS n FROM {watermark} GROUP BY window(ts, '1 hour'), k");
    for (mode, query) in [("update", &update), ("append", &append)] {
        let few = report(&format!("{mode}, {FEW} keys"), &run(&root.join(format!("keys-{FEW}")), query, mode), "");
        let many = run(&root.join(format!("keys-{keys}")), query, mode);
        let limit = (few * 1.5).max(few + 0.5);
        report(&format!("{mode}, {keys} keys"), &many, &format!("{limit:.2} ms"));
        println!(
            "{:<44} {:>12.1} {:>12.1}   64, for a count by BIGINT",
            format!("  bytes a key: own figure, peak of the process ({mode})"),
            many.bytes / many.groups,
            many.peak / many.groups
        );
    }
    leaving(&root, &append);
    restart(&root, &update);
    let overhead = run(&root.join(format!("keys-{FEW}")), "SELECT k FROM STREAM s WHERE k < 0", "append");
    report("overhead: a filter that keeps nothing", &overhead, "1 ms");
    on_disk(&root, 2 * keys, &update);
}

/// A count of many keys, most of which are on disk: first all are new, then as many rows as a tenth of them touch some.
fn on_disk(root: &Path, keys: u64, query: &str) {
    let folder = root.join(format!("disk-{keys}"));
    let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64;
    let rows = (0..keys).chain((0..keys / 10).map(|n| n.wrapping_mul(0x2545_F491_4F6C_DD1D) % keys));
    let rows: Vec<(i64, i64)> = if folder.join("done").exists() { Vec::new() } else { rows.map(|n| (key(n), 10)).collect() };
    write(&folder, &rows.chunks(FILL as usize).map(<[_]>::to_vec).collect::<Vec<_>>());
    let filling = keys.div_ceil(FILL) as usize;
    println!("{:<44} {:>12} {:>12} {:>12}", format!("count of {keys} keys"), "new rows/s", "old rows/s", "peak MB");
    for (name, settings) in [("  in memory", ""), ("  64 MB of state in memory, the rest on disk", ON_DISK)] {
        let run = run_with(&folder, settings, query, "update");
        let rate =
            |from: usize, until: usize| run.rows[from..until].iter().sum::<f64>() / run.batches[from..until].iter().sum::<f64>() * 1000.0;
        let (new, old) = (rate(0, filling.min(run.rows.len())), rate(filling.min(run.rows.len()), run.rows.len()));
        println!("{name:<44} {new:>12.0} {old:>12.0} {:>12.0}", run.peak / f64::from(1 << 20));
    }
}

const ON_DISK: &str = "SET spark.sql.streaming.stateStore.providerClass = \
    'org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider';\n\
    SET spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB = 64;\n";

fn report(name: &str, run: &Run, budget: &str) -> f64 {
    let small: Vec<f64> = run.batches.iter().zip(&run.rows).filter(|(_, rows)| **rows == SMALL as f64).map(|(ms, _)| *ms).collect();
    // The first ones find the caches as the filling left them.
    let steady = &small[small.len().min(10)..];
    let mut sorted = steady.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    println!("{name:<44} {median:>12.3} {:>12.3}   {budget}", sorted.last().copied().unwrap_or(f64::NAN));
    median
}

/// A million groups that come in one batch and go in another.
fn leaving(root: &Path, append: &str) {
    let folder = root.join("leaving");
    write(&folder, &[(0..1_000_000).map(|k| (k, 0)).collect(), vec![(0, 7200)], vec![(0, 7201)]]);
    let run = run(&folder, append, "append");
    // The batch that follows the one in which the watermark moved.
    println!(
        "{:<44} {:>12.1} {:>12}   no more than their coming",
        "a million groups come, ms",
        run.batches.first().unwrap_or(&f64::NAN),
        ""
    );
    println!("{:<44} {:>12.1}", "a million groups go, ms", run.batches.iter().skip(1).copied().fold(f64::NAN, f64::max));
}

/// A query with a million keys in its checkpoint is started again, and there is nothing to do.
fn restart(root: &Path, update: &str) {
    let folder = root.join("restart");
    fill(&folder, 1_000_000);
    let dir = folder.join("checkpoint");
    // Not there at the first run.
    let _ = fs::remove_dir_all(&dir);
    let stream =
        format!("CREATE STREAM s (k BIGINT, v BIGINT) USING csv OPTIONS (path '{}/*.csv', maxFilesPerTrigger '1');\n", folder.display());
    let query = format!("{update} INTO noop OUTPUT MODE update TRIGGER AVAILABLE NOW CHECKPOINT '{}';\n", dir.display());
    let seconds = |script: &str| {
        let path = folder.join("script.sql");
        fs::write(&path, script).expect("the temporary directory is writable");
        let start = Instant::now();
        let output = Command::new(env!("CARGO_BIN_EXE_eddy")).arg("run").arg(&path).output().expect("eddy runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        start.elapsed().as_secs_f64()
    };
    seconds(&format!("{stream}{query}"));
    let bytes = folder_bytes(&dir) as f64 / f64::from(1 << 20);
    let mut times: Vec<f64> = (0..5).map(|_| seconds(&format!("{stream}{query}")) - seconds(&stream)).collect();
    times.sort_by(f64::total_cmp);
    println!("{:<44} {:>12.0} {:>12.0}   1000 ms ({bytes:.0} MiB on disk)", "restart with a million keys", times[2] * 1e3, times[4] * 1e3);
}

fn folder_bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.metadata().map_or(0, |m| if m.is_dir() { folder_bytes(&e.path()) } else { m.len() })).sum()
}

/// `count` keys in big files, then small ones that touch some of them.
fn fill(folder: &Path, count: u64) {
    let key = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let big = (0..count).step_by(FILL as usize).map(|from| (from..(from + FILL).min(count)).map(|n| (key(n), 10)).collect());
    let mut files: Vec<Vec<(i64, i64)>> = big.collect();
    for _ in 0..SMALL_BATCHES {
        files.push((0..SMALL).map(|_| (key(random() % count), 10)).collect());
    }
    write(folder, &files);
}

fn write(folder: &Path, files: &[Vec<(i64, i64)>]) {
    if folder.join("done").exists() {
        return;
    }
    fs::create_dir_all(folder).expect("the temporary directory is writable");
    for (number, rows) in files.iter().enumerate() {
        let mut text = String::new();
        rows.iter().for_each(|(k, v)| writeln!(text, "{k},{v}").expect("a string takes everything"));
        fs::write(folder.join(format!("{number:04}.csv")), text).expect("the temporary directory is writable");
    }
    fs::write(folder.join("done"), "").expect("the temporary directory is writable");
}

fn run(folder: &Path, query: &str, mode: &str) -> Run {
    run_with(folder, "", query, mode)
}

fn run_with(folder: &Path, settings: &str, query: &str, mode: &str) -> Run {
    let script = format!(
        "{settings}SET spark.sql.streaming.numRecentProgressUpdates = 1000;\nCREATE STREAM s (k BIGINT, v BIGINT) USING csv OPTIONS (path '{}/*.csv', maxFilesPerTrigger '1');\n\
         START q AS {query} INTO noop OUTPUT MODE {mode} TRIGGER AVAILABLE NOW;\nAWAIT q;\n\
         SELECT batchId, numInputRows, durationMs, stateOperators FROM progress('q');\n",
        folder.display()
    );
    let path = folder.join("script.sql");
    fs::write(&path, script).expect("the temporary directory is writable");
    let mut child = Command::new(env!("CARGO_BIN_EXE_eddy"))
        .arg("run")
        .arg(&path)
        .args(["--format", "ndjson"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("eddy runs");
    let status = format!("/proc/{}/status", child.id());
    let out = child.stdout.take().expect("it was asked for");
    let reader = std::thread::spawn(move || std::io::read_to_string(out).unwrap_or_default());
    let mut peak = 0.0f64;
    while matches!(child.try_wait(), Ok(None)) {
        // Most of it at any time until now, in kilobytes; gone with the process.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0.0) * 1024.0);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let text = reader.join().unwrap_or_default();
    let last: serde_json::Value = text.lines().last().and_then(|l| serde_json::from_str(l).ok()).expect("the progress rows");
    let progress = last["rows"].as_array().cloned().unwrap_or_default();
    let number = |v: &serde_json::Value| v.as_f64().unwrap_or(0.0);
    let state = progress.iter().rev().map(|p| p["stateOperators"][0].clone()).find(|s| !s.is_null()).unwrap_or_default();
    Run {
        batches: progress.iter().map(|p| number(&p["durationMs"]["triggerExecution"])).collect(),
        rows: progress.iter().map(|p| number(&p["numInputRows"])).collect(),
        bytes: number(&state["memoryUsedBytes"]),
        groups: number(&state["numRowsTotal"]).max(1.0),
        peak,
    }
}
