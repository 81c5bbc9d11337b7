//! The real program, killed at random moments and started again until it comes to its end: what it wrote, batch by
//! batch, is what an unbroken run writes. `EDDY_KILLS` says how often it is killed.

use super::recovery_sinks::rows_of;
use super::session_run::eddy;
use crate::dice::Dice;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills in one run of the test.
const KILLS: u64 = 200;

/// Each batch's rows, sorted, as the lines that were printed last say it; repeated batches must say the same.
fn batches(text: &str, into: &mut BTreeMap<u64, Vec<String>>) {
    for line in text.lines() {
        // The last line may have been cut by the kill.
        let Ok(json) = serde_json::from_str::<Json>(line) else { continue };
        let Some(id) = json["batchId"].as_u64() else { continue };
        let mut rows: Vec<String> = json["rows"].as_array().unwrap().iter().map(ToString::to_string).collect();
        rows.sort();
        if let Some(before) = into.insert(id, rows.clone()) {
            assert_eq!(before, rows, "batch {id} was repeated with other rows");
        }
    }
}

/// The rows of each batch in every directory that a reader would read, sorted; nothing else may lie there but what is
/// hidden.
fn files(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(inner, lines)| (format!("{name}/{inner}"), lines)));
        } else {
            // What follows the batch stands for the query and the file's number.
            let batch = name.rsplitn(3, '-').nth(2).unwrap_or(&name);
            let rows = all.entry(batch.to_string()).or_default();
            rows.extend(rows_of(&path, fs::read(&path).unwrap()));
            rows.sort();
        }
    }
    all
}

fn command(script: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eddy"));
    command.args(["run", script.to_str().unwrap(), "--format", "ndjson"]);
    command.stdin(Stdio::null()).stdout(File::create(out).unwrap()).stderr(File::create(out.with_extension("err")).unwrap());
    command
}

/// The same streams as folders of another format, each file a batch as it was.
fn converted(folder: &Path, format: &str) {
    for name in ["a", "b"] {
        let (from, to) = (folder.join(name), folder.join(format!("{name}.{format}")));
        let sql = format!(
            "CREATE STREAM s (k INT, n INT, ts TIMESTAMP) USING json OPTIONS (path '{}', maxFilesPerTrigger 1); \
             SELECT * FROM s INTO {format} OPTIONS (path '{}') TRIGGER AVAILABLE NOW",
            from.display(),
            to.display()
        );
        assert!(eddy(&["-c", &sql]).output().unwrap().status.success());
    }
}

fn inputs(folder: &Path, files: u64, dice: &mut Dice) {
    for name in ["a", "b"] {
        fs::create_dir_all(folder.join(name)).unwrap();
        for file in 0..files {
            let line = |i: u64| {
                let time = file * 5 + dice.roll(10);
                format!("{{\"k\":{},\"n\":{i},\"ts\":\"2024-01-01T10:{:02}:{:02}Z\"}}\n", dice.roll(30), time / 60, time % 60)
            };
            let path = folder.join(name).join(format!("{file:03}.json"));
            fs::write(&path, (0..40).map(line).collect::<String>()).unwrap();
            let at = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + file);
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        }
    }
}

const QUERIES: &[&str] = &[
    "SELECT k, count(*) AS c, sum(n) AS s, collect_list(n) AS l FROM a GROUP BY k {} OUTPUT MODE UPDATE",
    "SELECT window(ts, '10 seconds').start AS w, k, max(n) AS m FROM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
     GROUP BY window(ts, '10 seconds'), k {} OUTPUT MODE APPEND",
    "SELECT session_window(ts, '2 seconds').start AS w, k, count(*) AS c FROM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
     GROUP BY session_window(ts, '2 seconds'), k {} OUTPUT MODE APPEND",
    "SELECT a.k, a.n, b.n AS m FROM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS LEFT JOIN b WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
     ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 3 SECONDS {}",
];

/// Settings under which everything that no batch is at work on is on disk.
const SPILL: &str = "SET spark.sql.streaming.stateStore.providerClass = 'org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider';\n\
     SET spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB = 0;\n";

/// What the rows go into, with its partitions; `None` is standard output.
const SINKS: &[Option<(&str, &str)>] = &[
    None,
    Some(("json", "")),
    Some(("csv", "PARTITIONED BY (k)")),
    Some(("parquet", "")),
    Some(("text", "")),
    Some(("parquet", "PARTITIONED BY (k)")),
];

#[test]
fn killed_at_random_moments_it_writes_what_an_unbroken_run_writes() {
    let kills = std::env::var("EDDY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut dice = Dice(42);
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path(), 25, &mut dice);
    ["csv", "parquet"].iter().for_each(|format| converted(folder.path(), format));
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills {
        let query = QUERIES[rounds % QUERIES.len()];
        let sync = ["offsets", "none", "all"][rounds % 3];
        let place = folder.path().join(format!("round{rounds}"));
        fs::create_dir_all(&place).unwrap();
        rounds += 1;
        // Update mode has no files.
        let sink = if query.contains("UPDATE") { None } else { SINKS[(rounds + rounds / QUERIES.len()) % SINKS.len()] };
        let into_files = sink.is_some();
        let format = ["json", "csv", "parquet"][(rounds / 2) % 3];
        let script = |name: &str, checkpoint: &str| {
            let stream = |s: &str| {
                let path = folder.path().join(if format == "json" { s.to_string() } else { format!("{s}.{format}") });
                let path = path.display();
                format!("CREATE STREAM {s} (k INT, n INT, ts TIMESTAMP) USING {format} OPTIONS (path '{path}', maxFilesPerTrigger 1);\n")
            };
            let settings = format!(
                "SET spark.sql.streaming.checkpoint.sync = {sync};\nSET spark.sql.streaming.stateStore.minDeltasForSnapshot = 3;\n\
                 SET spark.sql.streaming.minBatchesToRetain = 5;\n"
            );
            // Every other time around, what is killed has its state on disk.
            let spills = !checkpoint.is_empty() && (rounds / QUERIES.len()) % 2 == 1;
            let settings = if spills { format!("{settings}{SPILL}") } else { settings };
            let path = place.join(name);
            let rows = place.join(name).with_extension("rows");
            let (into, partitions) = sink.unwrap_or_default();
            let into = if into_files { format!("INTO {into} OPTIONS (path '{}') {partitions} ", rows.display()) } else { String::new() };
            let (select, mode) = query.split_once("{}").unwrap();
            let select =
                if into.starts_with("INTO text") { format!("SELECT to_json(struct(*)) AS v FROM ({select})") } else { select.to_string() };
            let query = format!("{select} {into}{checkpoint}{mode}");
            fs::write(&path, format!("{settings}{}{}{query} TRIGGER AVAILABLE NOW;\n", stream("a"), stream("b"))).unwrap();
            path
        };
        let out = place.join("out");
        let unbroken = script("unbroken.sql", "");
        assert!(command(&unbroken, &out).status().unwrap().success(), "{}", fs::read_to_string(out.with_extension("err")).unwrap());
        let (mut expected, mut got) = (BTreeMap::new(), BTreeMap::new());
        batches(&fs::read_to_string(&out).unwrap(), &mut expected);
        let expected_files = files(&place.join("unbroken.rows"));
        assert!(if into_files { expected_files.len() > 5 } else { expected.len() >= 25 }, "{query}: {} batches", expected.len());
        let broken = script("broken.sql", &format!("CHECKPOINT '{}'", place.join("checkpoint").display()));
        loop {
            let mut child = command(&broken, &out).spawn().unwrap();
            let patience = Duration::from_micros(3_000 + dice.roll(40_000));
            let (sender, ended) = std::sync::mpsc::channel::<()>();
            let id = child.id();
            // The program may end before; then nobody is killed.
            let killer = std::thread::spawn(move || {
                if ended.recv_timeout(patience).is_err() {
                    let id = nix::unistd::Pid::from_raw(i32::try_from(id).unwrap());
                    let killed = nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL);
                    assert!(matches!(killed, Ok(()) | Err(nix::errno::Errno::ESRCH)), "{killed:?}");
                }
            });
            let status = child.wait().unwrap();
            let _ = sender.send(());
            killer.join().unwrap();
            batches(&fs::read_to_string(&out).unwrap(), &mut got);
            if status.success() {
                break;
            }
            let message = fs::read_to_string(out.with_extension("err")).unwrap();
            assert!(status.code().is_none(), "it was not killed, it failed: {message}");
            killed += 1;
        }
        let what = format!("{query} from {format} into {sink:?} with sync {sync}, round {rounds}");
        assert_eq!(got, expected, "{what}");
        assert_eq!(files(&place.join("broken.rows")), expected_files, "{what}");
    }
}
