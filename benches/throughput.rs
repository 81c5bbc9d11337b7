//! Rows per second of whole queries over files, beside the same work as one batch in polars.
//!
//! `cargo bench --bench throughput [-- NAME …]` makes its inputs once under the temporary directory (a
//! million events in ten files, one file a batch), runs each shape in turn with polars (through Python, where
//! `python3`, or `$BENCH_PYTHON`, has polars), and prints medians: rows/s, the ratio to polars, and where
//! a batch's time goes. `-- socket` prints lines per second from a loopback socket, without and with its write-ahead log.
//! `-- checkpoint` prints what a checkpoint costs (see `checkpoint.rs`), `-- cores` how much faster two cores are than one.
//! After the shapes come single functions (`-- functions` for them alone, see `functions.rs`).

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::disallowed_methods, reason = "whole processes are timed from outside, with the machine's clock")]

#[path = "functions.rs"]
mod functions;

use eddyline::engine::clock::SystemClock;
use eddyline::engine::sink::console::{Format, Output};
use eddyline::session::{Session, SessionOptions, Surface};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

#[path = "checkpoint.rs"]
mod checkpoint;

#[path = "cores.rs"]
mod cores;

#[path = "socket.rs"]
mod socket;
#[path = "workloads.rs"]
mod workloads;

const FILES: usize = 10;
const ROWS: usize = 100_000;
const RUNS: usize = 3;

const EVENTS: &str = "timestamp TIMESTAMP, user_id INT, action STRING, value DOUBLE";
const NESTED: &str = "id BIGINT, user STRUCT<name: STRING, address: STRUCT<city: STRING, zip: INT>>, tags ARRAY<STRING>";

/// A query to time.
struct Shape {
    name: &'static str,
    /// The input's folder, format and columns.
    input: (&'static str, &'static str, &'static str),
    query: &'static str,
    mode: &'static str,
}

const fn events(name: &'static str, mode: &'static str, query: &'static str) -> Shape {
    Shape { name, input: ("events", "json", EVENTS), query, mode }
}

/// The three of the shared benchmark first, then ten more, so that those are not the only fast ones.
const SHAPES: &[Shape] = &[
    events("filter", "append", "SELECT user_id, action, value * 2 AS v2, upper(action) AS a2 FROM STREAM s WHERE value > 100"),
    Shape {
        name: "words",
        input: ("text", "text", "value STRING"),
        query: "SELECT word, count(*) AS n FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM s) GROUP BY word",
        mode: "complete",
    },
    events("keys", "update", "SELECT user_id, count(*) AS n, sum(value) AS s, max(timestamp) AS last FROM STREAM s GROUP BY user_id"),
    events(
        "several_keys",
        "update",
        "SELECT action, user_id % 100 AS u, count(*) AS n, avg(value) AS v FROM STREAM s GROUP BY action, user_id % 100",
    ),
    events("decimals", "complete", "SELECT action, sum(CAST(value AS DECIMAL(10, 2))) AS s FROM STREAM s GROUP BY action"),
    events("like", "complete", "SELECT count(*) AS n FROM STREAM s WHERE action LIKE '%ar%'"),
    events(
        "dates",
        "complete",
        "SELECT date_trunc('MINUTE', timestamp) AS m, count(*) AS n, max(hour(timestamp)) AS h FROM STREAM s GROUP BY date_trunc('MINUTE', timestamp)",
    ),
    events(
        "strings",
        "append",
        "SELECT concat(substring(action, 1, 3), '-', user_id) AS tag, length(action) AS n, lower(action) AS l FROM STREAM s",
    ),
    events(
        "statistics",
        "complete",
        "SELECT count(*) AS n, min(value) AS lo, max(value) AS hi, avg(value) AS mean, stddev(value) AS sd FROM STREAM s",
    ),
    events(
        "case_when",
        "complete",
        "SELECT action, sum(CASE WHEN value > 150 THEN 1 WHEN value > 50 THEN 2 ELSE 0 END) AS score FROM STREAM s GROUP BY action",
    ),
    Shape {
        name: "from_json",
        input: ("events", "text", "value STRING"),
        query: "SELECT e.action, sum(e.value) AS s FROM (SELECT from_json(value, 'action STRING, value DOUBLE') AS e FROM STREAM s) GROUP BY e.action",
        mode: "complete",
    },
    Shape {
        name: "nested",
        input: ("nested", "json", NESTED),
        query: "SELECT user.address.city AS city, count(*) AS n, max(user.address.zip) AS z FROM STREAM s WHERE user.name <> 'n7' GROUP BY user.address.city",
        mode: "complete",
    },
    Shape {
        name: "explode",
        input: ("nested", "json", NESTED),
        query: "SELECT tag, count(*) AS n FROM (SELECT explode(tags) AS tag FROM STREAM s) GROUP BY tag",
        mode: "complete",
    },
    Shape {
        name: "wide",
        input: ("wide", "json", WIDE),
        query: "SELECT c03, sum(c17) AS s, count(*) AS n FROM STREAM s WHERE c29 > 500 GROUP BY c03",
        mode: "complete",
    },
];

const WIDE: &str = "c00 INT, c01 INT, c02 INT, c03 STRING, c04 INT, c05 INT, c06 INT, c07 INT, c08 INT, c09 INT, c10 INT, c11 INT, \
    c12 INT, c13 INT, c14 INT, c15 INT, c16 INT, c17 INT, c18 INT, c19 INT, c20 INT, c21 INT, c22 INT, c23 INT, c24 INT, c25 INT, \
    c26 INT, c27 INT, c28 INT, c29 INT";

/// A small generator with a fixed seed: the same bytes on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// `2023-11-14T22:13:20.123Z` of milliseconds since the epoch.
fn iso(millis: i64) -> String {
    chrono::DateTime::from_timestamp_millis(millis).expect("a time of this century").format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn line(kind: &str, random: &mut Random, row: usize, out: &mut String) {
    const ACTIONS: [&str; 5] = ["view", "click", "cart", "buy", "share"];
    match kind {
        "events" => {
            let at = 1_700_000_000_000 + row as i64 - random.below(5000) as i64;
            let (user, action, value) = (random.below(1_000_000), ACTIONS[random.below(5) as usize], random.below(20_000));
            let _ = write!(
                out,
                "{{\"timestamp\":\"{}\",\"user_id\":{user},\"action\":\"{action}\",\"value\":{}.{:02}}}",
                iso(at),
                value / 100,
                value % 100
            );
        }
        // An impression every two milliseconds, and clicks on some of them within three seconds.
        "impressions" => {
            let _ = write!(out, "{{\"ad_id\":{row},\"impression_time\":\"{}\"}}", iso(1_700_000_000_000 + 2 * row as i64));
        }
        "clicks" => {
            let (ad, after) = (row * 3, random.below(3000) as i64);
            let _ = write!(out, "{{\"click_ad_id\":{ad},\"click_time\":\"{}\"}}", iso(1_700_000_000_000 + 2 * ad as i64 + after));
        }
        "text" => {
            for i in 0..12 {
                // Nearly Zipf: the product of two uniform draws favours small numbers.
                let word = random.below(20_000) * random.below(20_000) / 20_000;
                let _ = write!(out, "{}w{word:05}", if i == 0 { "" } else { " " });
            }
        }
        "nested" => {
            let (n, city, zip, tag) = (random.below(50), random.below(200), random.below(90_000), random.below(300));
            let _ = write!(
                out,
                "{{\"id\":{row},\"user\":{{\"name\":\"n{n}\",\"address\":{{\"city\":\"city{city}\",\"zip\":{zip}}}}},\"tags\":[\"t{tag}\",\"t{n}\",\"all\"]}}"
            );
        }
        _ => {
            for column in 0..30 {
                let _ = write!(out, "{}\"c{column:02}\":", if column == 0 { "{" } else { "," });
                let _ = if column == 3 { write!(out, "\"k{}\"", random.below(100)) } else { write!(out, "{}", random.below(1000)) };
            }
            out.push('}');
        }
    }
    out.push('\n');
}

fn make_inputs(root: &Path) {
    for (kind, extension, rows) in [
        ("events", "json", ROWS),
        ("text", "txt", ROWS / 4),
        ("nested", "json", ROWS),
        ("wide", "json", ROWS / 2),
        ("impressions", "json", 3 * (ROWS / 6)),
        ("clicks", "json", ROWS / 6),
    ] {
        let folder = root.join(kind);
        if folder.join("done").exists() {
            continue;
        }
        fs::create_dir_all(&folder).expect("the temporary directory is writable");
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        for file in 0..FILES {
            let mut text = String::new();
            for row in 0..rows {
                line(kind, &mut random, file * rows + row, &mut text);
            }
            fs::write(folder.join(format!("{file:03}.{extension}")), text).expect("the temporary directory is writable");
        }
        fs::write(folder.join("done"), "").expect("the temporary directory is writable");
    }
}

/// One run of a shape: seconds of the whole query, and the progress row of each batch.
fn run(shape: &Shape, root: &Path) -> (f64, Vec<serde_json::Value>) {
    let (folder, format, columns) = shape.input;
    let glob = if folder == "text" { "*.txt" } else { "*.json" };
    let script = format!(
        "CREATE STREAM s ({columns}) USING {format} OPTIONS (path '{}/{glob}', maxFilesPerTrigger '1');\n\
         START q AS {} INTO noop OUTPUT MODE {} TRIGGER AVAILABLE NOW;\nAWAIT q;\n\
         SELECT batchId, numInputRows, durationMs FROM progress('q');\n",
        root.join(folder).display(),
        shape.query,
        shape.mode
    );
    let path = root.join(format!("{}.sql", shape.name));
    fs::write(&path, script).expect("the temporary directory is writable");
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_eddy")).arg("run").arg(&path).args(["--format", "ndjson"]).output().expect("eddy runs");
    let seconds = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}: {}", shape.name, String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: serde_json::Value = text.lines().last().and_then(|l| serde_json::from_str(l).ok()).expect("the progress rows");
    (seconds, last["rows"].as_array().cloned().unwrap_or_default())
}

/// Seconds of the same work as one batch in polars; `None` where Python has no polars.
fn limit(shape: &Shape, root: &Path) -> Option<f64> {
    let python = std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/limit.py");
    let output = Command::new(python).arg(script).arg(root).arg(shape.name).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A query of fifty lines: joins, windows, CASE, sub-queries and set operations.
const LONG_QUERY: &str = include_str!("planning.sql");

/// The limit for parsing and planning it, in milliseconds.
const PLANNING_LIMIT: f64 = 5.0;

/// Parses and plans the long query over and over, as a session does before it runs anything.
fn planning() {
    let options = SessionOptions {
        output: Arc::new(Output::new(Format::Ndjson, Box::new(std::io::sink()), false, Box::new(|| {}))),
        surface: Surface::Script,
        arguments: vec![],
        stdin_is_data: false,
        clock: Arc::new(SystemClock::default()),
    };
    let mut session = Session::new(options).expect("a session");
    for statement in [
        "CREATE TABLE orders AS SELECT id, id % 10 AS customer, id * 1.5 AS amount, 'open' AS status, current_timestamp() AS ts FROM range(9)",
        "CREATE TABLE customers AS SELECT id, 'n' || id AS name, 'c' || id AS city FROM range(9)",
    ] {
        let outcome = session.execute(statement);
        assert!(outcome.is_ok(), "{:?}", outcome.err());
    }
    let explain = format!("EXPLAIN {LONG_QUERY}");
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        let outcome = session.execute(&explain);
        times.push(start.elapsed().as_secs_f64() * 1e3);
        assert!(outcome.is_ok(), "{:?}", outcome.err());
    }
    let (lines, time) = (LONG_QUERY.lines().count(), median(times));
    println!("planning      {lines} lines parsed, planned and explained in {time:.2} ms (limit {PLANNING_LIMIT} ms)");
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if let Some((_, names)) = wanted.split_first().filter(|(first, _)| *first == "functions") {
        return functions::print(names);
    }
    let root: PathBuf = std::env::temp_dir().join("eddyline-bench");
    if wanted.is_empty() || wanted.iter().any(|w| w == "planning") {
        planning();
    }
    if wanted.len() == 1 && wanted[0] == "planning" {
        return;
    }
    make_inputs(&root);
    println!(
        "{:<13} {:>10} {:>9} {:>9} {:>6}   median batch: all = offsets + read + operators + sink and commit",
        "shape", "rows/s", "eddy s", "polars s", "ratio"
    );
    for shape in SHAPES.iter().filter(|s| wanted.is_empty() || wanted.iter().any(|w| w == s.name)) {
        let (mut ours, mut theirs, mut rows, mut batches) = (Vec::new(), Vec::new(), 0.0, Vec::new());
        for _ in 0..RUNS {
            let (seconds, progress) = run(shape, &root);
            ours.push(seconds);
            rows = progress.iter().filter_map(|p| p["numInputRows"].as_f64()).sum();
            batches = progress;
            theirs.extend(limit(shape, &root));
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let phase = |name: &str| median(batches.iter().filter_map(|p| p["durationMs"][name].as_f64()).collect());
        let known = |x: f64, digits: usize| if x.is_nan() { "-".to_string() } else { format!("{x:.digits$}") };
        println!(
            "{:<13} {:>10.0} {ours:>9.3} {:>9} {:>6}   {:.2} ms = {:.2} + {:.2} + {:.2} + {:.2}",
            shape.name,
            rows / ours,
            known(theirs, 3),
            known(theirs / ours, 2),
            phase("triggerExecution"),
            phase("latestOffset"),
            phase("getBatch"),
            phase("addBatch"),
            phase("walCommit") + phase("commitOffsets"),
        );
    }
    if wanted.is_empty() || wanted.iter().any(|w| w == "socket") {
        socket::run(&root);
    }
    if wanted.is_empty() || wanted.iter().any(|w| w == "checkpoint") {
        checkpoint::run(&root);
    }
    if wanted.is_empty() || wanted.iter().any(|w| w == "cores") {
        cores::run(&root);
    }
    if wanted.is_empty() {
        functions::print(&[]);
    }
}
