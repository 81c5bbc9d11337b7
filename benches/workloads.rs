//! The five workloads of the shared benchmark, run as whole processes.

use super::EVENTS;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A query over some streams.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Name, folder, format and columns of each stream.
    pub(crate) streams: &'static [(&'static str, &'static str, &'static str, &'static str)],
    pub(crate) query: &'static str,
    pub(crate) mode: &'static str,
}

const ON_EVENTS: &[(&str, &str, &str, &str)] = &[("s", "events/*.json", "json", EVENTS)];

pub(crate) const WORKLOADS: &[Workload] = &[
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

impl Workload {
    /// One run: seconds, seconds of CPU time, and each batch's progress. `sync` is what its checkpoint waits for, `None`
    /// without one; `core` the only one that it may use.
    pub(crate) fn run(&self, root: &Path, sync: Option<&str>, core: Option<&str>) -> (f64, f64, Vec<Value>) {
        let dir = root.join("checkpoint");
        // Not there at the first run.
        let _ = fs::remove_dir_all(&dir);
        let mut script = String::new();
        for (name, files, format, columns) in self.streams {
            let path = root.join(files);
            script +=
                &format!("CREATE STREAM {name} ({columns}) USING {format} OPTIONS (path '{}', maxFilesPerTrigger '1');\n", path.display());
        }
        if let Some(sync) = sync {
            script += &format!("SET spark.sql.streaming.checkpoint.sync = {sync};\n");
        }
        let clause = sync.map(|_| format!(" CHECKPOINT '{}'", dir.display())).unwrap_or_default();
        let Workload { query, mode, .. } = self;
        script += &format!("START q AS {query} INTO noop OUTPUT MODE {mode} TRIGGER AVAILABLE NOW{clause};\nAWAIT q;\n");
        script += "SELECT batchId, durationMs FROM progress('q');\n";
        let path = root.join("checkpoint.sql");
        fs::write(&path, script).expect("the temporary directory is writable");
        let (cpu, started) = (children_seconds(), Instant::now());
        let mut command = match core {
            None => Command::new(env!("CARGO_BIN_EXE_eddy")),
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", core, env!("CARGO_BIN_EXE_eddy")]);
                command
            }
        };
        let output = command.arg("run").arg(&path).args(["--format", "ndjson"]).output().expect("eddy runs");
        let seconds = started.elapsed().as_secs_f64();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last: Value = text.lines().last().and_then(|l| serde_json::from_str(l).ok()).expect("the progress rows");
        (seconds, children_seconds() - cpu, last["rows"].as_array().cloned().unwrap_or_default())
    }
}

/// CPU time of processes that were waited for; nothing where `/proc` is not there.
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may have blanks: the 14th and 15th field there are theirs, in hundredths of a second.
    let after = stat.rsplit(')').next().unwrap_or_default();
    after.split_whitespace().skip(13).take(2).filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}
