//! What a checkpoint costs: small batches without one, with one that waits for nothing and with one as by default, a sync
//! of this disk, and the five workloads of the shared benchmark with one beside without.

use super::{EVENTS, ROWS, Random, line, median};
use serde_json::Value;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A query over some streams.
struct Workload {
    name: &'static str,
    /// Name, folder, format and columns of each stream.
    streams: &'static [(&'static str, &'static str, &'static str, &'static str)],
    query: &'static str,
    mode: &'static str,
}

const ON_EVENTS: &[(&str, &str, &str, &str)] = &[("s", "events/*.json", "json", EVENTS)];

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "filter",
        streams: ON_EVENTS,
        query: "SELECT user_id, action, value * 2 AS v2, upper(action) AS a2 FROM STREAM s WHERE value > 100",
        mode: "append",
    },
    Workload {
        name: "words",
        streams: &[("s", "text/*.txt", "text", "value STRING")],
        query: "SELECT word, count(*) AS n FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM s) GROUP BY word",
        mode: "complete",
    },
    Workload {
        name: "window",
        streams: ON_EVENTS,
        query: "SELECT window(timestamp, '10 seconds') AS w, action, count(*) AS n, avg(value) AS v FROM STREAM s WATERMARK timestamp \
                DELAY OF INTERVAL 10 SECONDS GROUP BY window(timestamp, '10 seconds'), action",
        mode: "append",
    },
    Workload {
        name: "keys",
        streams: ON_EVENTS,
        query: "SELECT user_id, count(*) AS n, sum(value) AS s, max(timestamp) AS last FROM STREAM s GROUP BY user_id",
        mode: "update",
    },
    Workload {
        name: "join",
        streams: &[
            ("i", "impressions/*.json", "json", "ad_id BIGINT, impression_time TIMESTAMP"),
            ("c", "clicks/*.json", "json", "click_ad_id BIGINT, click_time TIMESTAMP"),
        ],
        query: "SELECT ad_id, impression_time, click_time FROM STREAM i WATERMARK impression_time DELAY OF INTERVAL 10 SECONDS \
                JOIN STREAM c WATERMARK click_time DELAY OF INTERVAL 20 SECONDS ON ad_id = click_ad_id \
                AND click_time >= impression_time AND click_time <= impression_time + INTERVAL 5 SECONDS",
        mode: "append",
    },
];

const RUNS: usize = 5;
const SMALL_BATCHES: usize = 150;
const SYNCS: usize = 50;

/// Prints all of it.
pub(crate) fn run(root: &Path) {
    let sync = sync_millis(root);
    println!("\ncheckpoint    a sync of this disk after some hundred bytes: {sync:.2} ms");
    small_inputs(root);
    let small = Workload { streams: &[("s", "small/*.json", "json", EVENTS)], ..WORKLOADS[3] };
    let batch = |setting: Option<&str>| {
        let (_, _, progress) = once(&small, root, setting);
        median(progress.iter().filter_map(|p| p["durationMs"]["triggerExecution"].as_f64()).collect())
    };
    let [without, none, offsets] = [None, Some("none"), Some("offsets")].map(batch);
    println!(
        "1,000 rows    median batch {without:.2} ms; none {none:.2} ms, {:.2} more (budget 2.00); offsets {offsets:.2} ms, {:.2} more (budget {:.2})",
        none - without,
        offsets - without,
        sync + 2.0
    );
    println!(
        "{:<13} {:>9} {:>9} {:>7}   {:>9} {:>9} {:>7}   budget 15 %",
        "workload", "without s", "with s", "more", "CPU s", "CPU s", "more"
    );
    for workload in WORKLOADS {
        let mut runs = [(); 4].map(|()| Vec::new());
        // In turn, so that both meet the same machine.
        for _ in 0..RUNS {
            for (at, setting) in [None, Some("offsets")].into_iter().enumerate() {
                let (seconds, cpu, _) = once(workload, root, setting);
                runs[at].push(seconds);
                runs[2 + at].push(cpu);
            }
        }
        let [without, with, cpu, cpu_with] = runs.map(median);
        let more = |a: f64, b: f64| (b / a - 1.0) * 100.0;
        println!(
            "{:<13} {without:>9.3} {with:>9.3} {:>5.0} %   {cpu:>9.2} {cpu_with:>9.2} {:>5.0} %",
            workload.name,
            more(without, with),
            more(cpu, cpu_with)
        );
    }
}

/// One run: seconds, seconds of CPU time, and each batch's progress.
fn once(workload: &Workload, root: &Path, sync: Option<&str>) -> (f64, f64, Vec<Value>) {
    let dir = root.join("checkpoint");
    // Not there at the first run.
    let _ = fs::remove_dir_all(&dir);
    let mut script = String::new();
    for (name, files, format, columns) in workload.streams {
        let path = root.join(files);
        script +=
            &format!("CREATE STREAM {name} ({columns}) USING {format} OPTIONS (path '{}', maxFilesPerTrigger '1');\n", path.display());
    }
    if let Some(sync) = sync {
        script += &format!("SET spark.sql.streaming.checkpoint.sync = {sync};\n");
    }
    let clause = sync.map(|_| format!(" CHECKPOINT '{}'", dir.display())).unwrap_or_default();
    let Workload { query, mode, .. } = workload;
    script += &format!("START q AS {query} INTO noop OUTPUT MODE {mode} TRIGGER AVAILABLE NOW{clause};\nAWAIT q;\n");
    script += "SELECT batchId, durationMs FROM progress('q');\n";
    let path = root.join("checkpoint.sql");
    fs::write(&path, script).expect("the temporary directory is writable");
    let (cpu, started) = (children_seconds(), Instant::now());
    let output = Command::new(env!("CARGO_BIN_EXE_eddy")).arg("run").arg(&path).args(["--format", "ndjson"]).output().expect("eddy runs");
    let seconds = started.elapsed().as_secs_f64();
    assert!(output.status.success(), "{}: {}", workload.name, String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let last: Value = text.lines().last().and_then(|l| serde_json::from_str(l).ok()).expect("the progress rows");
    (seconds, children_seconds() - cpu, last["rows"].as_array().cloned().unwrap_or_default())
}

/// CPU time of processes that were waited for; nothing where `/proc` is not there.
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have blanks: the 14th and 15th field there are theirs, in hundredths of a second.
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(13).take(2).filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Milliseconds of a sync after an append of some hundred bytes.
fn sync_millis(root: &Path) -> f64 {
    let path = root.join("synced");
    let mut file = fs::File::create(&path).expect("the temporary directory is writable");
    let mut one = || {
        file.write_all(&[b'x'; 300]).expect("the disk takes it");
        let start = Instant::now();
        file.sync_data().expect("the disk syncs");
        start.elapsed().as_secs_f64() * 1e3
    };
    let times = (0..SYNCS).map(|_| one()).collect();
    let _ = fs::remove_file(&path);
    median(times)
}

/// Files of a thousand rows.
fn small_inputs(root: &Path) {
    let folder = root.join("small");
    if folder.join("done").exists() {
        return;
    }
    fs::create_dir_all(&folder).expect("the temporary directory is writable");
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for file in 0..SMALL_BATCHES {
        let mut text = String::new();
        (0..ROWS / 100).for_each(|row| line("events", &mut random, file * ROWS / 100 + row, &mut text));
        fs::write(folder.join(format!("{file:03}.json")), text).expect("the temporary directory is writable");
    }
    fs::write(folder.join("done"), "").expect("the temporary directory is writable");
}
