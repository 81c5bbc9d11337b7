//! Every stateful operator into every sink, ended as by a kill after every step of the loop, batch after batch: what the
//! sink holds in the end is what the guarantee says of it.

use super::recovery::{Case, case};
use eddyline::checkpoint::simulated::SimulatedDisk;
use eddyline::checkpoint::storage::Disk;
use eddyline::engine::eval::text::to_text;
use eddyline::engine::query::CrashPoint;
use eddyline::engine::sink::console::{Format, Output};
use eddyline::engine::sink::{Sink, SinkContext, open, rewrites};
use eddyline::engine::state::spill::SpillSettings;
use eddyline::plan::logical::Column;
use eddyline::progress::OutputMode::{self, Append, Complete, Update};
use eddyline::progress::guarantee::{Facts, Level, Repeats, guarantee};
use polars::prelude::{ParquetReader, SerReader};
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Batches with data in a run.
const BATCHES: usize = 7;

/// A sink: its format, whether it is PARTITIONED BY (p), its options.
type SinkOf = (&'static str, bool, &'static [(&'static str, &'static str)]);

/// Every sink that there is.
const SINKS: &[SinkOf] = &[
    ("parquet", false, &[("compression", "zstd")]),
    ("parquet", true, &[]),
    ("csv", false, &[("header", "true"), ("maxRecordsPerFile", "3")]),
    ("csv", true, &[]),
    ("json", false, &[]),
    ("json", true, &[("maxRecordsPerFile", "2")]),
    ("text", false, &[]),
    ("text", true, &[]),
    ("memory", false, &[]),
    ("console", false, &[]),
    ("noop", false, &[]),
];

/// Each stateful operator, in each mode that it has; the column `p` makes partitions.
fn queries() -> Vec<(String, OutputMode)> {
    let a = "STREAM a WATERMARK ts DELAY OF INTERVAL 4 SECONDS";
    let b = "STREAM b WATERMARK ts DELAY OF INTERVAL 4 SECONDS";
    let join = |kind: &str, on: &str| format!("SELECT a.w AS p, a.n, a.d, b.n AS m, b.w AS v FROM {a} {kind} JOIN {b} ON {on}");
    let range = "a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL 3 SECONDS AND a.ts + INTERVAL 8 SECONDS";
    let five = format!("SELECT window(ts, '5 seconds') AS w, count(*) AS c FROM {a} GROUP BY window(ts, '5 seconds')");
    let twin = format!("(SELECT k AS kb, ts AS tb FROM {b}) b");
    let append = [
        format!(
            "SELECT w AS p, window(ts, '10 seconds', '5 seconds').start AS s, count(*) AS c, sum(d) AS t FROM {a} \
             GROUP BY window(ts, '10 seconds', '5 seconds'), w"
        ),
        format!(
            "SELECT k AS p, session_window(ts, '3 seconds').end AS e, max(w) AS m FROM {a} GROUP BY session_window(ts, '3 seconds'), k"
        ),
        format!(
            "SELECT k AS p, session_window(ts, if(k < 2, '2 seconds', '5 seconds')).end AS e, count(*) AS c FROM {a} \
             GROUP BY session_window(ts, if(k < 2, '2 seconds', '5 seconds')), k"
        ),
        format!("SELECT DISTINCT w AS p, ts FROM {a}"),
        "FROM STREAM a |> DEDUPLICATE ON (k, w) |> SELECT w AS p, k, n".to_string(),
        format!("FROM {a} |> DEDUPLICATE ON (k, ts) |> SELECT k AS p, ts, n"),
        format!("FROM {a} |> DEDUPLICATE ON (w) WITHIN WATERMARK |> SELECT w AS p, ts, n"),
        join("", range),
        join("LEFT", range),
        join("RIGHT", range),
        join("FULL", range),
        format!(
            "SELECT w AS p, n, m FROM (SELECT w, n, window(ts, '5 seconds') AS u FROM {a}) \
             JOIN (SELECT n AS m, window(ts, '5 seconds') AS v FROM {b}) ON u = v"
        ),
        format!("SELECT a.w AS p, a.n FROM {a} LEFT SEMI JOIN {b} ON {range}"),
        "SELECT a.w AS p, a.n, b.n AS m FROM STREAM a JOIN STREAM b ON a.w = b.w AND a.k = b.k".to_string(),
        format!("SELECT window(w, '20 seconds').start AS p, sum(c) AS c FROM ({five}) GROUP BY window(w, '20 seconds')"),
        format!(
            "SELECT w AS p, window(ts, '10 seconds').start AS s, count(*) AS c FROM {a} \
             JOIN {twin} ON k = kb AND tb BETWEEN ts AND ts + INTERVAL 5 SECONDS GROUP BY window(ts, '10 seconds'), w"
        ),
        format!(
            "SELECT window(ts, '10 seconds').start AS p, count(*) AS c FROM (FROM {a} |> DEDUPLICATE ON (k, ts)) \
             GROUP BY window(ts, '10 seconds')"
        ),
        format!(
            "SELECT window(ts, '10 seconds').start AS p, count(*) AS c FROM (SELECT ts FROM {a} UNION ALL SELECT ts FROM {b}) \
             GROUP BY window(ts, '10 seconds')"
        ),
        format!(
            "SELECT name AS p, window(ts, '10 seconds').start AS s, sum(n) AS t FROM {a} LEFT JOIN VALUES (0, 'x'), (1, 'y') AS v(i, name) \
             ON k = i GROUP BY window(ts, '10 seconds'), name"
        ),
        "SELECT w AS p, n FROM STREAM a LIMIT 21".to_string(),
        "SELECT w AS p, n * 2 AS n FROM STREAM a WHERE n % 3 <> 0".to_string(),
    ];
    let update = [
        format!("SELECT w AS p, k, count(*) AS c, avg(d) AS m FROM {a} GROUP BY w, k"),
        format!("SELECT sum(n) AS p, min(d) AS m FROM {a}"),
        "SELECT w AS p, k, count(*) AS c FROM STREAM a GROUP BY ROLLUP (w, k)".to_string(),
        "FROM STREAM a |> DEDUPLICATE ON (w, k) |> SELECT w AS p, k".to_string(),
    ];
    let complete = [
        "SELECT w AS p, count(*) AS c FROM STREAM a GROUP BY w".to_string(),
        "SELECT k AS p, count(*) AS c FROM STREAM a GROUP BY k ORDER BY c DESC, p LIMIT 2".to_string(),
        "SELECT k AS p, session_window(ts, '3 seconds').end AS e, sum(n) AS t FROM STREAM a GROUP BY session_window(ts, '3 seconds'), k"
            .to_string(),
    ];
    let all = [(Append, append.to_vec()), (Update, update.to_vec()), (Complete, complete.to_vec())];
    all.into_iter().flat_map(|(mode, queries)| queries.into_iter().map(move |sql| (sql, mode))).collect()
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What can be seen of a sink from outside: rows, sorted, by file, by batch or of a table.
type Rows = BTreeMap<String, Vec<String>>;

struct Place<'a> {
    case: &'a mut Case,
    sink: &'static SinkOf,
    printed: Printed,
}

impl Place<'_> {
    /// The sink as a new process opens it.
    fn open(&self, columns: &[Column]) -> Box<dyn Sink> {
        let (format, partitioned, options) = *self.sink;
        let mut all: Vec<(String, String)> = options.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
        if !["memory", "console", "noop"].contains(&format) {
            all.push(("path".to_string(), "/out".to_string()));
        }
        let output = Output::new(Format::Ndjson, Box::new(self.printed.clone()), false, Box::new(|| {}));
        let context = SinkContext {
            output: Arc::new(output),
            statement: 1,
            query: Some("q".to_string()),
            columns: columns.to_vec(),
            resources: self.case.world.resources.clone(),
            partitioned_by: if partitioned { vec!["p".to_string()] } else { vec![] },
            zone: chrono_tz::UTC,
            bounded: false,
        };
        open(format, &all, &context).unwrap()
    }

    fn run(&self, crash: Option<(u64, CrashPoint)>) -> Result<(), String> {
        self.case.run_into(|columns| self.open(columns), crash).map(drop).map_err(|e| e.to_string())
    }

    /// What it holds, and the batches that were printed more than once, in order.
    fn seen(&self) -> (Rows, Vec<String>) {
        let (mut rows, mut again) = (Rows::new(), Vec::new());
        for path in self.case.disk.paths().iter().filter(|path| path.starts_with("/out")) {
            let name = path.strip_prefix("/out").unwrap().to_string_lossy().into_owned();
            assert!(!name.ends_with(".tmp"), "half written: {name}");
            // The last part of a name stands for the query, the one before for the file's number: which rows go together
            // into a file is nobody's business.
            let batch = name.rsplitn(3, '-').nth(2).unwrap();
            rows.entry(batch.to_string()).or_default().extend(rows_of(path, self.case.disk.read(path).unwrap()));
        }
        rows.values_mut().for_each(|rows| rows.sort());
        if let Some(table) = self.case.world.resources.table("q") {
            let mut all: Vec<String> = Vec::new();
            for frame in &table.frames {
                let texts: Vec<_> =
                    frame.columns().iter().zip(&table.columns).map(|(s, c)| to_text(s, &c.data_type, chrono_tz::UTC)).collect();
                all.extend((0..frame.rows()).map(|row| texts.iter().map(|t| t.get(row).unwrap_or("NULL")).collect::<Vec<_>>().join("|")));
            }
            all.sort();
            rows.insert("table".to_string(), all);
        }
        for line in String::from_utf8(self.printed.0.lock().unwrap().clone()).unwrap().lines() {
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut batch: Vec<String> = json["rows"].as_array().unwrap().iter().map(ToString::to_string).collect();
            batch.sort();
            let id = json["batchId"].to_string();
            if let Some(before) = rows.insert(id.clone(), batch.clone()) {
                assert_eq!(before, batch, "batch {id} was printed again with other rows");
                again.push(id);
            }
        }
        (rows, again)
    }
}

/// The rows in a file's bytes.
pub(crate) fn rows_of(path: &Path, bytes: Vec<u8>) -> Vec<String> {
    if path.extension().is_some_and(|e| e == "parquet") {
        let frame = ParquetReader::new(Cursor::new(bytes)).finish().unwrap();
        let cell = |column: &polars::prelude::Column, row| format!("{:?}", column.get(row).unwrap());
        (0..frame.height()).map(|row| frame.columns().iter().map(|c| cell(c, row)).collect::<Vec<_>>().join("|")).collect()
    } else {
        String::from_utf8(bytes).unwrap().lines().map(str::to_string).collect()
    }
}

/// The query as the sink takes it: text has one column.
fn fitted(sql: &str, format: &str, partitioned: bool) -> String {
    match (format, partitioned) {
        ("text", false) => format!("SELECT to_json(struct(*)) AS value FROM ({sql})"),
        ("text", true) => format!("SELECT to_json(struct(*)) AS value, p FROM ({sql})"),
        _ => sql.to_string(),
    }
}

/// One query into one sink: unbroken, and killed in every batch, each time after another step.
fn killed_in_every_batch(case: &mut Case, sink: &'static SinkOf, turn: usize) {
    let what = format!("{} into {sink:?}", case.sql);
    let world = |case: &mut Case| case.on(SimulatedDisk::default());
    world(case);
    case.dir = case.world.folder.path().join("checkpoint");
    let whole = Place { case: &mut *case, sink, printed: Printed::default() };
    whole.run(None).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (expected, _) = whole.seen();
    assert!(sink.0 == "noop" || expected.values().any(|rows| !rows.is_empty()), "{what}: no rows");
    world(case);
    let into = Place { case, sink, printed: Printed::default() };
    let mut reprinted = Vec::new();
    for batch in 0..BATCHES {
        let mut point = CrashPoint::ALL[(batch + turn) % CrashPoint::ALL.len()];
        if sink.0 == "memory" && batch + 1 == BATCHES && point == CrashPoint::Commit {
            // A table in memory is filled again by the next batch, and there is none after the last.
            point = CrashPoint::State;
        }
        // State goes from memory to disk and back over restarts.
        if sink.1 || sink.0 == "console" {
            into.case.spill = [None, Some(0), Some(3000)][(batch + turn / 2) % 3].map(|bytes| SpillSettings { bytes, shared: false });
        }
        let crashed = into.run(Some((batch as u64, point))).expect_err(&what);
        assert!(crashed.contains("CRASH"), "{what}: {crashed}");
        into.case.disk.kill();
        if matches!(point, CrashPoint::Sink | CrashPoint::State) {
            reprinted.push(batch.to_string());
        }
    }
    into.run(None).unwrap_or_else(|e| panic!("{what}: {e}"));
    let (seen, again) = into.seen();
    let sources = [("a".to_string(), Repeats::Always)];
    let facts =
        Facts { sources: &sources, checkpoint: true, syncs: true, sink: rewrites(sink.0), whole_result: into.case.mode == Complete };
    match guarantee(&facts).level {
        Level::ExactlyOnce => assert_eq!(seen, expected, "{what}, turn {turn}"),
        Level::AtLeastOnce => assert_eq!((&seen, &again), (&expected, &reprinted), "{what}, turn {turn}"),
        Level::AtMostOnce => {
            let mut left = expected["table"].clone();
            for row in &seen["table"] {
                let at = left.iter().position(|r| r == row).unwrap_or_else(|| panic!("{what}, turn {turn}: {row} twice or from nowhere"));
                left.swap_remove(at);
            }
        }
    }
}

#[test]
fn kills_after_every_step_leave_in_every_sink_what_its_guarantee_says() {
    let queries = queries();
    let jobs: Vec<(usize, usize)> = (0..queries.len()).flat_map(|q| (0..SINKS.len()).map(move |s| (q, s))).collect();
    let work = |share: &[(usize, usize)]| {
        for &(query, sink) in share {
            let ((sql, mode), sink_of) = (&queries[query], &SINKS[sink]);
            // Files take rows that never change.
            if *mode != Append && !["memory", "console", "noop"].contains(&sink_of.0) {
                continue;
            }
            let mut case = case(&fitted(sql, sink_of.0, sink_of.1), *mode, BATCHES);
            killed_in_every_batch(&mut case, sink_of, query + sink);
        }
    };
    std::thread::scope(|scope| {
        let (first, second) = jobs.split_at(jobs.len() / 2);
        scope.spawn(|| work(first));
        work(second);
    });
}
