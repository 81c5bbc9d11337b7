//! The micro-batch loop: Spark's recorded cases batch by batch, triggers, failures, commands.

use eddyline::catalog::{Catalog, Relation, SourceDef};
use eddyline::engine::clock::{Clock, ManualClock, SystemClock};
use eddyline::engine::eval::{EvalContext, bind, text::to_text};
use eddyline::engine::query::{QueryHandle, QuerySettings, QuerySpec, start};
use eddyline::engine::sink::{Sink, SinkBatch};
use eddyline::engine::{EngineError, NoSystemTables, Resources, run_bounded};
use eddyline::lang::parse_query;
use eddyline::lang::types::parse_schema_ddl;
use eddyline::plan::expr::Expr;
use eddyline::plan::{self, Fold, FoldError, LogicalPlan, Settings, streaming};
use eddyline::progress::guarantee::{Guarantee, Level};
use eddyline::progress::{OutputMode, QueryState, Trigger};
use eddyline::types::{DataType, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough for any machine; a test that waits so long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) fn context() -> EvalContext {
    EvalContext { zone: chrono_tz::UTC, now: 0, batch: 0, user: "tester".to_string() }
}

struct Folder;

impl Fold for Folder {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        let fail = |e: EngineError| FoldError { condition: e.failure().condition.clone(), message: e.failure().message.clone() };
        bind(expr).and_then(|b| b.evaluate_scalar(&context())).map_err(fail)
    }
}

/// Names of one test, and what its queries share.
pub(crate) struct World {
    pub(crate) catalog: Catalog,
    pub(crate) resources: Resources,
    pub(crate) folder: tempfile::TempDir,
}

/// A batch as a sink saw it: its rows as text, `NULL` for NULL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) id: u64,
    pub(crate) watermark: Option<i64>,
    pub(crate) rows: Vec<Vec<String>>,
}

pub(crate) type Batches = Arc<Mutex<Vec<Seen>>>;

/// Keeps what it is given; fails in the batches it is told to.
pub(crate) struct Collect {
    pub(crate) batches: Batches,
    pub(crate) fails_at: Option<u64>,
}

impl Sink for Collect {
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        if self.fails_at == Some(batch.id) {
            return Err(EngineError::external("the disk is full"));
        }
        let rows = rows_of(batch.frame, &batch.columns.iter().map(|c| c.data_type.clone()).collect::<Vec<_>>());
        self.batches.lock().unwrap().push(Seen { id: batch.id, watermark: batch.watermark, rows });
        Ok(())
    }

    fn description(&self) -> String {
        "collect".to_string()
    }
}

pub(crate) fn rows_of(frame: &eddyline::engine::Frame, types: &[DataType]) -> Vec<Vec<String>> {
    let texts: Vec<_> = frame.columns().iter().zip(types).map(|(c, t)| to_text(c, t, chrono_tz::UTC)).collect();
    (0..frame.rows()).map(|row| texts.iter().map(|t| t.get(row).unwrap_or("NULL").to_string()).collect()).collect()
}

impl World {
    pub(crate) fn new() -> World {
        World { catalog: Catalog::default(), resources: Resources::new(2).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// A stream (or table) of files in the world's folder, one file a batch.
    pub(crate) fn files(&mut self, name: &str, format: &str, schema: &str, streaming: bool, options: &[(&str, &str)]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        let mut all: Vec<(String, String)> = options.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())).collect();
        all.push(("path".to_string(), path.to_str().unwrap().to_string()));
        if streaming {
            all.push(("maxFilesPerTrigger".to_string(), "1".to_string()));
        }
        self.catalog.put(Relation::Source(SourceDef {
            name: name.to_string(),
            streaming,
            format: format.to_string(),
            options: all,
            columns: parse_schema_ddl(schema).unwrap(),
        }));
        path
    }

    pub(crate) fn plan(&self, sql: &str) -> Result<LogicalPlan, String> {
        Ok(self.analyze(sql)?.plan)
    }

    fn analyze(&self, sql: &str) -> Result<plan::Analyzed, String> {
        let query = parse_query(sql).map_err(|e| e.to_string())?;
        let settings = Settings { zone: chrono_tz::UTC, parameters: BTreeMap::new(), system_tables: std::sync::Arc::new(|_, _| None) };
        plan::analyze(&query, &self.catalog, &settings, &Folder).map_err(|e| format!("{:?}", *e))
    }

    /// The rows of a bounded query.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let plan = self.plan(sql)?;
        let frame = run_bounded(&plan, &context(), &self.resources, &NoSystemTables).map_err(|e| e.to_string())?;
        Ok(rows_of(&frame, &plan.columns().into_iter().map(|c| c.data_type).collect::<Vec<_>>()))
    }

    pub(crate) fn spec(
        &self,
        sql: &str,
        mode: OutputMode,
        trigger: Trigger,
        clock: Arc<dyn Clock>,
    ) -> Result<(QuerySpec, Batches), String> {
        let analyzed = self.analyze(sql)?;
        streaming::check(&analyzed, mode).map_err(|e| format!("{:?}", *e))?;
        let plan = analyzed.plan;
        let batches = Batches::default();
        let spec = QuerySpec {
            name: Some("q".to_string()),
            plan,
            mode,
            trigger,
            sink: Box::new(Collect { batches: Arc::clone(&batches), fails_at: None }),
            guarantee: Guarantee { level: Level::AtMostOnce, reason: String::new() },
            settings: QuerySettings::default(),
            clock,
            eval: context(),
            checkpoint: None,
            taken: None,
            resources: self.resources.clone(),
        };
        Ok((spec, batches))
    }

    /// Runs over everything there is: the batches, and how it ended.
    pub(crate) fn available(&self, sql: &str, mode: OutputMode) -> (Vec<Seen>, Result<(), String>) {
        let clock = Arc::new(SystemClock::default());
        let (spec, batches) = match self.spec(sql, mode, Trigger::AvailableNow, clock) {
            Ok(made) => made,
            Err(refused) => return (vec![], Err(refused)),
        };
        let outcome = match start(spec) {
            Ok(handle) => handle.wait(Some(DEADLINE)).expect("the query ends").map_err(|e| e.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let seen = batches.lock().unwrap().clone();
        (seen, outcome)
    }
}

/// Writes file `index` of a stream, with the modification times that make the order.
pub(crate) fn write_file(folder: &Path, index: usize, extension: &str, lines: &[&str]) {
    let path = folder.join(format!("{index:03}.{extension}"));
    let mut text = lines.join("\n");
    if !lines.is_empty() {
        text.push('\n');
    }
    std::fs::write(&path, text).unwrap();
    let time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 2 * index as u64);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
}

fn mode_of(case: &Json) -> OutputMode {
    match case["mode"].as_str().unwrap() {
        "append" => OutputMode::Append,
        "update" => OutputMode::Update,
        _ => OutputMode::Complete,
    }
}

fn world_of(case: &Json) -> World {
    let mut world = World::new();
    for (section, streaming) in [("streams", true), ("tables", false)] {
        for (name, source) in case[section].as_object().into_iter().flatten() {
            let (format, schema) = (source["format"].as_str().unwrap(), source["schema"].as_str().unwrap());
            let options: Vec<(&str, &str)> =
                source["options"].as_object().into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str().unwrap_or("true"))).collect();
            let folder = world.files(name, format, schema, streaming, &options);
            let lines = |list: &Json| list.as_array().unwrap().iter().map(|l| l.as_str().unwrap().to_string()).collect::<Vec<_>>();
            let files: Vec<Vec<String>> =
                if streaming { source["batches"].as_array().unwrap().iter().map(lines).collect() } else { vec![lines(&source["lines"])] };
            for (index, lines) in files.iter().enumerate() {
                write_file(&folder, index, format, &lines.iter().map(String::as_str).collect::<Vec<_>>());
            }
        }
    }
    world
}

/// A recorded instant as microseconds.
fn micros(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

/// What differs between a case's record and this run; `None` when nothing does. Rows are only counted here:
/// their values are compared where they are written as JSON.
fn difference(case: &Json) -> Option<String> {
    let world = world_of(case);
    let (seen, outcome) = world.available(case["query"].as_str().unwrap(), mode_of(case));
    let refused = !case["expectError"].is_null();
    let fails = refused || !case["expectFailure"].is_null();
    match (&outcome, fails) {
        (Err(error), false) => return Some(format!("failed: {error}")),
        (Ok(()), true) => return Some("did not fail".to_string()),
        _ => {}
    }
    let expected: Vec<(u64, Option<i64>, usize)> = case["expect"]["batches"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|b| (b["id"].as_u64().unwrap(), b["watermark"].as_str().map(micros), b["rows"].as_array().unwrap().len()))
        .collect();
    let found: Vec<(u64, Option<i64>, usize)> = seen.iter().map(|b| (b.id, b.watermark, b.rows.len())).collect();
    (found != expected).then(|| format!("batches {found:?} instead of {expected:?}"))
}

/// Groups of cases that only later parts of the engine can answer.
const LATER: &[&str] = &[];

#[test]
fn batches_are_those_of_spark() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/spark/cases");
    let mut paths: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path().join("case.json")).collect();
    paths.sort();
    let (mut wrong, mut total) = (Vec::new(), 0);
    for path in paths {
        let case: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let group = case["group"].as_str().unwrap_or("");
        if LATER.contains(&group) {
            continue;
        }
        total += 1;
        if let Some(difference) = difference(&case) {
            wrong.push(format!("{} ({group}): {difference}", case["name"].as_str().unwrap()));
        }
    }
    assert!(wrong.len() * 100 <= total * 18, "{} of {total} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

pub(crate) fn wait_for(what: &str, mut test: impl FnMut() -> bool) {
    let clock = SystemClock::default();
    let deadline = clock.now_micros() + DEADLINE.as_micros() as i64;
    let pause = eddyline::engine::source::Signal::default();
    while !test() {
        assert!(clock.now_micros() < deadline, "waited for {what}");
        pause.wait(Duration::from_millis(2));
    }
}

fn texts(rows: &[&[&str]]) -> Vec<Vec<String>> {
    rows.iter().map(|r| r.iter().map(|c| (*c).to_string()).collect()).collect()
}

#[test]
fn a_word_count_goes_from_batch_to_batch() {
    let mut world = World::new();
    let folder = world.files("lines", "text", "value STRING", true, &[]);
    write_file(&folder, 0, "txt", &["b a a", "", "a"]);
    write_file(&folder, 1, "txt", &["b"]);
    let sql = "SELECT word, count(*) AS n FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM lines) GROUP BY word ORDER BY word";
    let (seen, outcome) = world.available(sql, OutputMode::Complete);
    outcome.unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].rows, texts(&[&["", "1"], &["a", "3"], &["b", "1"]]));
    assert_eq!(seen[1].rows, texts(&[&["", "1"], &["a", "3"], &["b", "2"]]));
}

#[test]
fn update_gives_only_what_changed() {
    let mut world = World::new();
    let folder = world.files("events", "json", "k INT, v INT", true, &[]);
    write_file(&folder, 0, "json", &[r#"{"k":1,"v":10}"#, r#"{"k":2,"v":20}"#, r#"{"k":null,"v":1}"#]);
    write_file(&folder, 1, "json", &[r#"{"k":2,"v":5}"#]);
    write_file(&folder, 2, "json", &[]);
    let (seen, outcome) = world.available("SELECT k, sum(v) AS s, max(v) AS m FROM STREAM events GROUP BY k", OutputMode::Update);
    outcome.unwrap();
    let mut first = seen[0].rows.clone();
    first.sort();
    assert_eq!(first, texts(&[&["1", "10", "10"], &["2", "20", "20"], &["NULL", "1", "1"]]));
    assert_eq!(seen[1].rows, texts(&[&["2", "25", "20"]]));
    assert_eq!((seen.len(), seen[2].rows.len()), (3, 0));
}

#[test]
fn a_failing_batch_ends_its_query_and_no_other() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    write_file(&folder, 0, "json", &[r#"{"v":9223372036854775807}"#]);
    write_file(&folder, 1, "json", &[r#"{"v":1}"#]);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let sum = "SELECT sum(v) AS s FROM STREAM events";
    let (spec, seen) = world.spec(sum, OutputMode::Complete, Trigger::Default, Arc::clone(&clock)).unwrap();
    let (other, others) = world.spec("SELECT v FROM STREAM events", OutputMode::Append, Trigger::Default, clock).unwrap();
    let (failing, running) = (start(spec).unwrap(), start(other).unwrap());
    let error = failing.wait(Some(DEADLINE)).unwrap().unwrap_err();
    assert_eq!(error.failure().condition.as_deref(), Some("ARITHMETIC_OVERFLOW"));
    assert!(matches!(failing.snapshot().state, QueryState::Failed(message) if message.contains("ARITHMETIC_OVERFLOW")));
    assert_eq!(seen.lock().unwrap().len(), 1);
    wait_for("the other query's batches", || others.lock().unwrap().len() == 2);
    running.stop();
    running.wait(Some(DEADLINE)).unwrap().unwrap();
}

#[test]
fn a_sink_that_fails_ends_the_query() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    (0..3).for_each(|i| write_file(&folder, i, "json", &[r#"{"v":1}"#]));
    let clock = Arc::new(SystemClock::default());
    let (mut spec, seen) = world.spec("SELECT v FROM STREAM events", OutputMode::Append, Trigger::AvailableNow, clock).unwrap();
    spec.sink = Box::new(Collect { batches: Arc::clone(&seen), fails_at: Some(1) });
    let error = start(spec).unwrap().wait(Some(DEADLINE)).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the disk is full (in the sink)");
    assert_eq!(seen.lock().unwrap().len(), 1);
}

fn state(handle: &QueryHandle) -> QueryState {
    handle.snapshot().state
}

#[test]
fn processing_time_waits_for_its_tick() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    write_file(&folder, 0, "json", &[r#"{"v":1}"#]);
    write_file(&folder, 1, "json", &[r#"{"v":2}"#]);
    let clock = Arc::new(ManualClock::default());
    clock.advance_micros(3_000_000);
    let trigger = Trigger::ProcessingTime(3_600_000_000);
    let (spec, seen) = world.spec("SELECT v FROM STREAM events", OutputMode::Append, trigger, clock.clone()).unwrap();
    let handle = start(spec).unwrap();
    wait_for("the first batch", || seen.lock().unwrap().len() == 1);
    wait_for("the trigger", || state(&handle) == QueryState::WaitingForTrigger);
    handle.wake();
    assert_eq!(seen.lock().unwrap().len(), 1);
    clock.advance_micros(3_597_000_000);
    handle.wake();
    wait_for("the second batch", || seen.lock().unwrap().len() == 2);
    handle.stop();
    handle.wait(Some(DEADLINE)).unwrap().unwrap();
}

#[test]
fn pause_resume_and_abandon_are_heard() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    let clock = Arc::new(SystemClock::default());
    let (spec, seen) = world.spec("SELECT v FROM STREAM events", OutputMode::Append, Trigger::Default, clock).unwrap();
    let handle = start(spec).unwrap();
    wait_for("the empty directory", || state(&handle) == QueryState::WaitingForData);
    assert!(handle.snapshot().why.sentence.starts_with("no data yet from"), "{}", handle.snapshot().why.sentence);
    handle.pause();
    wait_for("the pause", || state(&handle) == QueryState::Paused);
    write_file(&folder, 0, "json", &[r#"{"v":1}"#]);
    handle.resume().unwrap();
    wait_for("the batch", || seen.lock().unwrap().len() == 1);
    handle.abandon();
    assert_eq!(handle.wait(Some(DEADLINE)), Some(Ok(())));
    assert_eq!(state(&handle), QueryState::Stopped);
}

#[test]
fn once_takes_everything_in_one_batch() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    (0..3).for_each(|i| write_file(&folder, i, "json", &[r#"{"v":1}"#]));
    let clock = Arc::new(SystemClock::default());
    let (spec, seen) = world.spec("SELECT v FROM STREAM events", OutputMode::Append, Trigger::Once, clock).unwrap();
    start(spec).unwrap().wait(Some(DEADLINE)).unwrap().unwrap();
    assert_eq!(seen.lock().unwrap().iter().map(|b| b.rows.len()).collect::<Vec<_>>(), [3]);
}

#[test]
fn progress_has_sparks_figures() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    write_file(&folder, 0, "json", &[r#"{"v":1}"#, r#"{"v":200}"#, r#"{"v":300}"#]);
    let clock = Arc::new(SystemClock::default());
    let (spec, _) = world.spec("SELECT v FROM STREAM events WHERE v > 100", OutputMode::Append, Trigger::AvailableNow, clock).unwrap();
    let handle = start(spec).unwrap();
    handle.wait(Some(DEADLINE)).unwrap().unwrap();
    let snapshot = handle.snapshot();
    let progress = snapshot.progress.back().unwrap();
    assert_eq!((progress.batch_id, progress.num_input_rows, progress.sink.num_output_rows), (0, 3, 2));
    assert_eq!(progress.event_time, None);
    let filter = progress.operators.iter().find(|o| o.name == "filter").unwrap();
    assert_eq!((filter.rows_in, filter.rows_out), (3, 2));
    assert!(progress.duration_ms.trigger_execution >= progress.duration_ms.add_batch);
    let result = snapshot.results.back().unwrap();
    assert_eq!((result.total_rows, result.rows.len()), (2, 2));
}

#[test]
fn a_trigger_goes_on_after_it_waited_for_data() {
    let mut world = World::new();
    let folder = world.files("events", "json", "v BIGINT", true, &[]);
    let clock = Arc::new(SystemClock::default());
    let every = Trigger::ProcessingTime(20_000);
    let (spec, seen) = world.spec("SELECT v FROM STREAM events", OutputMode::Append, every, clock).unwrap();
    let handle = start(spec).unwrap();
    for batch in 0..3 {
        wait_for("the query to wait for data", || handle.snapshot().state == QueryState::WaitingForData);
        write_file(&folder, batch, "json", &[r#"{"v":1}"#]);
        wait_for("the batch of the new file", || seen.lock().unwrap().len() == batch + 1);
    }
    handle.stop();
    handle.wait(Some(DEADLINE)).unwrap().unwrap();
}
