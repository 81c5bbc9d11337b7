//! The real program, killed at random moments and started again until it comes to its end: what it wrote, batch by
//! batch, is what an unbroken run writes. `EDDY_KILLS` says how often it is killed.

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills in one run of the test.
const KILLS: u64 = 200;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

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

/// Every file that a reader of a directory would read, with its lines sorted; files of a sink's own are left out.
fn files(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with(['_', '.']) {
            continue;
        }
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(inner, lines)| (format!("{name}/{inner}"), lines)));
        } else {
            let mut lines: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(str::to_string).collect();
            lines.sort();
            // What follows stands for the query.
            let name = name.rsplit_once('-').map_or(name.as_str(), |(batch, _)| batch);
            all.insert(name.to_string(), lines);
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
    "SELECT a.n, b.n AS m FROM a WATERMARK ts DELAY OF INTERVAL 5 SECONDS LEFT JOIN b WATERMARK ts DELAY OF INTERVAL 5 SECONDS \
     ON a.k = b.k AND b.ts BETWEEN a.ts AND a.ts + INTERVAL 3 SECONDS {}",
];

#[test]
fn killed_at_random_moments_it_writes_what_an_unbroken_run_writes() {
    let kills = std::env::var("EDDY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut dice = Dice(42);
    let folder = tempfile::tempdir().unwrap();
    inputs(folder.path(), 25, &mut dice);
    let (mut killed, mut rounds) = (0, 0);
    while killed < kills {
        let query = QUERIES[rounds % QUERIES.len()];
        let sync = ["offsets", "none", "all"][rounds % 3];
        let place = folder.path().join(format!("round{rounds}"));
        fs::create_dir_all(&place).unwrap();
        rounds += 1;
        // Update mode has no files; every other query writes some in every other round.
        let into_files = !query.contains("UPDATE") && (rounds / QUERIES.len()).is_multiple_of(2);
        let script = |name: &str, checkpoint: &str| {
            let stream = |s: &str| {
                let path = folder.path().join(s);
                let path = path.display();
                format!("CREATE STREAM {s} (k INT, n INT, ts TIMESTAMP) USING json OPTIONS (path '{path}', maxFilesPerTrigger 1);\n")
            };
            let settings = format!(
                "SET spark.sql.streaming.checkpoint.sync = {sync};\nSET spark.sql.streaming.stateStore.minDeltasForSnapshot = 3;\n\
                 SET spark.sql.streaming.minBatchesToRetain = 5;\n"
            );
            let path = place.join(name);
            let rows = place.join(name).with_extension("rows");
            let into = if into_files { format!("INTO json OPTIONS (path '{}') ", rows.display()) } else { String::new() };
            let query = query.replace("{}", &format!("{into}{checkpoint}"));
            fs::write(&path, format!("{settings}{}{}{query} TRIGGER AVAILABLE NOW;\n", stream("a"), stream("b"))).unwrap();
            path
        };
        let out = place.join("out");
        let unbroken = script("unbroken.sql", "");
        assert!(command(&unbroken, &out).status().unwrap().success(), "{}", fs::read_to_string(out.with_extension("err")).unwrap());
        let (mut expected, mut got) = (BTreeMap::new(), BTreeMap::new());
        batches(&fs::read_to_string(&out).unwrap(), &mut expected);
        let expected_files = files(&place.join("unbroken.rows"));
        assert!(if into_files { expected_files.len() > 5 } else { expected.len() >= 25 }, "{} batches", expected.len());
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
        assert_eq!(got, expected, "{query} with sync {sync}, round {rounds}");
        assert_eq!(files(&place.join("broken.rows")), expected_files, "{query} with sync {sync}, round {rounds}");
    }
}
