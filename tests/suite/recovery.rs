//! Nothing lost and nothing doubled: every stateful operator, ended as by a kill after every step of the loop, by a
//! power loss at any moment, and by damaged files.

use crate::dice::Dice;
use crate::engine::{DEADLINE, World, rows_of, wait_for, write_file};
use eddyline::checkpoint::record::Record;
use eddyline::checkpoint::simulated::{Fault, Operation, SimulatedDisk};
use eddyline::checkpoint::{Options, Sync};
use eddyline::engine::clock::SystemClock;
use eddyline::engine::query::{CheckpointSpec, CrashPoint, QueryHandle, start};
use eddyline::engine::sink::{Sink, SinkBatch, SinkRun};
use eddyline::engine::state::spill::SpillSettings;
use eddyline::engine::{EngineError, Resources};
use eddyline::plan::logical::Column;
use eddyline::progress::{OutputMode, Trigger};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

/// Each batch's rows, sorted.
type Written = BTreeMap<u64, Vec<Vec<String>>>;

/// A sink with another inside; it asks for a crash in a batch.
struct Crashing {
    inner: Box<dyn Sink>,
    crash: Option<(u64, CrashPoint)>,
    handle: Arc<OnceLock<QueryHandle>>,
}

impl Crashing {
    /// Called before a batch begins, and in the middle of it for what comes after the sink.
    fn crash_in(&self, batch: u64, written: bool) {
        let late = |point| matches!(point, CrashPoint::Sink | CrashPoint::State | CrashPoint::Commit);
        if let Some((_, point)) = self.crash.filter(|(at, point)| *at == batch && late(*point) == written) {
            self.handle.wait().crash(point);
        }
    }
}

impl Sink for Crashing {
    fn start(&mut self, run: &SinkRun) -> Result<(), EngineError> {
        assert!(run.checkpointed);
        self.inner.start(run)?;
        self.crash_in(run.first, false);
        Ok(())
    }

    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        self.inner.write(batch)?;
        self.crash_in(batch.id, true);
        self.crash_in(batch.id + 1, false);
        Ok(())
    }

    fn commit(&mut self, batch: u64) -> Result<(), EngineError> {
        self.inner.commit(batch)
    }

    fn description(&self) -> String {
        self.inner.description()
    }
}

/// A sink that outlives its query, as a directory would.
struct Lasting(Arc<Mutex<Written>>);

impl Sink for Lasting {
    fn start(&mut self, run: &SinkRun) -> Result<(), EngineError> {
        self.0.lock().unwrap().retain(|batch, _| *batch < run.first);
        Ok(())
    }

    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        let mut rows = rows_of(batch.frame, &batch.columns.iter().map(|c| c.data_type.clone()).collect::<Vec<_>>());
        rows.sort();
        self.0.lock().unwrap().insert(batch.id, rows);
        Ok(())
    }

    fn description(&self) -> String {
        "lasting".to_string()
    }
}

/// A query over files, on a disk that tests can pull the plug of.
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) sql: String,
    pub(crate) mode: OutputMode,
    pub(crate) disk: SimulatedDisk,
    written: Arc<Mutex<Written>>,
    sync: Sync,
    /// `spark.sql.shuffle.partitions`
    partitions: usize,
    /// Where state is that is larger than memory.
    pub(crate) spill: Option<SpillSettings>,
    /// The checkpoint; the directory is a real one where state spills.
    pub(crate) dir: PathBuf,
}

const A: &str = "k INT, n INT, d DOUBLE, w STRING, ts TIMESTAMP";

fn lines(seed: u64, rows: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut next = |below: u64| dice.roll(below);
    let line = |i: u64| {
        let seconds = (i * 3 + next(12)).saturating_sub(next(9));
        let key = if next(11) == 0 { "null".to_string() } else { next(5).to_string() };
        let double = ["-0.0", "1.5e300", "0.1", "-7.25"][next(4) as usize];
        let word = ["red", "grün", "", "a much longer word than fits inline"][next(4) as usize];
        let time = format!("2024-01-01T10:{:02}:{:02}Z", seconds / 60 % 60, seconds % 60);
        format!(r#"{{"k":{key},"n":{i},"d":{double},"w":"{word}","ts":"{time}"}}"#)
    };
    (0..rows).map(line).collect()
}

/// Streams `a` and `b` of `batches` files each.
pub(crate) fn case(sql: &str, mode: OutputMode, batches: usize) -> Case {
    case_of(sql, mode, batches, &[])
}

/// The same with options of the streams.
fn case_of(sql: &str, mode: OutputMode, batches: usize, options: &[(&str, &str)]) -> Case {
    let mut world = World::new();
    for (name, seed) in [("a", 7), ("b", 11)] {
        let folder = world.files(name, "json", A, true, options);
        for (index, piece) in lines(seed, 8 * batches as u64).chunks(8).enumerate() {
            write_file(&folder, index, "json", &piece.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    let mut case = Case {
        world,
        sql: sql.to_string(),
        mode,
        disk: SimulatedDisk::default(),
        written: Arc::default(),
        sync: Sync::Offsets,
        partitions: 0,
        spill: None,
        dir: PathBuf::from("/checkpoints/q"),
    };
    case.on(SimulatedDisk::default());
    case
}

impl Case {
    /// The same on another disk, with nothing written yet.
    pub(crate) fn on(&mut self, disk: SimulatedDisk) {
        self.world.resources = Resources::with_disk(2, Arc::new(disk.clone())).unwrap();
        (self.disk, self.written) = (disk, Arc::default());
    }

    fn run(&self, crash: Option<(u64, CrashPoint)>) -> Result<QueryHandle, EngineError> {
        self.run_into(|_| Box::new(Lasting(Arc::clone(&self.written))), crash)
    }

    /// One run of the query into a sink that is opened for the result's columns, to its end or to a crash.
    pub(crate) fn run_into(
        &self,
        open: impl FnOnce(&[Column]) -> Box<dyn Sink>,
        crash: Option<(u64, CrashPoint)>,
    ) -> Result<QueryHandle, EngineError> {
        let started = self.start_into(open, crash)?;
        started.wait(Some(DEADLINE)).expect("the query ends")?;
        Ok(started)
    }

    /// The same, not waited for.
    fn start_into(
        &self,
        open: impl FnOnce(&[Column]) -> Box<dyn Sink>,
        crash: Option<(u64, CrashPoint)>,
    ) -> Result<QueryHandle, EngineError> {
        let (mut spec, _) = self.world.spec(&self.sql, self.mode, Trigger::AvailableNow, Arc::new(SystemClock::default())).unwrap();
        let handle = Arc::new(OnceLock::new());
        spec.settings.spill = self.spill;
        spec.sink = Box::new(Crashing { inner: open(&spec.plan.columns()), crash, handle: Arc::clone(&handle) });
        let options = Options { sync: self.sync, retain: 3, deltas: 2 };
        spec.settings.partitions = self.partitions;
        spec.checkpoint = Some(CheckpointSpec { dir: self.dir.clone(), options });
        let started = start(spec)?;
        assert!(handle.set(started.clone()).is_ok());
        Ok(started)
    }

    fn rows(&self) -> Written {
        self.written.lock().unwrap().clone()
    }
}

const EVENTS: &str = "STREAM a WATERMARK ts DELAY OF INTERVAL 4 SECONDS";

/// Every operator that keeps state, with every aggregate.
fn queries() -> Vec<(String, OutputMode)> {
    let all = "count(*), count(n), sum(n), sum(d), avg(n), min(w), max(d), first(d), last(w), collect_list(n), collect_set(w), \
               stddev(d), corr(n, d), percentile(n, 0.5), approx_percentile(n, 0.5), mode(w), listagg(w, '|'), max_by(w, n), \
               approx_count_distinct(n), bool_or(n > 3), sum(CAST(n AS DECIMAL(30, 4))), count_if(n > 3) FILTER (WHERE n < 90)";
    let side = |name: &str| format!("STREAM {name} WATERMARK ts DELAY OF INTERVAL 4 SECONDS");
    let range = "ON a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL 3 SECONDS AND a.ts + INTERVAL 8 SECONDS";
    let join = |kind: &str, columns: &str| format!("SELECT {columns} FROM {} {kind} JOIN {} {range}", side("a"), side("b"));
    let both = "a.n, a.d, a.w, b.n, b.w";
    vec![
        (format!("SELECT k, {all} FROM {EVENTS} GROUP BY k"), OutputMode::Update),
        ("SELECT w, k, count(*) FROM STREAM a GROUP BY w, k".to_string(), OutputMode::Complete),
        (format!("SELECT sum(n), min(d), current_timestamp() < TIMESTAMP '1990-01-01' FROM {EVENTS}"), OutputMode::Update),
        (
            format!(
                "SELECT window(ts, '10 seconds', '5 seconds').start, w, {all} FROM {EVENTS} GROUP BY window(ts, '10 seconds', '5 seconds'), w"
            ),
            OutputMode::Append,
        ),
        (
            format!("SELECT session_window(ts, '3 seconds').end, k, {all} FROM {EVENTS} GROUP BY session_window(ts, '3 seconds'), k"),
            OutputMode::Append,
        ),
        (
            "SELECT session_window(ts, '3 seconds').end, k, sum(n) FROM STREAM a GROUP BY session_window(ts, '3 seconds'), k".to_string(),
            OutputMode::Complete,
        ),
        (format!("SELECT DISTINCT ts, w FROM {EVENTS}"), OutputMode::Append),
        (join("", both), OutputMode::Append),
        (join("LEFT", both), OutputMode::Append),
        (join("FULL", both), OutputMode::Append),
        (join("LEFT SEMI", "a.n, a.d"), OutputMode::Append),
        ("SELECT a.n, b.n FROM STREAM a JOIN STREAM b ON a.w = b.w".to_string(), OutputMode::Append),
        ("SELECT n, w FROM STREAM a LIMIT 21".to_string(), OutputMode::Append),
        ("SELECT n * 2, upper(w) FROM STREAM a WHERE n % 3 <> 0".to_string(), OutputMode::Append),
    ]
}

#[test]
fn a_kill_after_any_step_of_any_batch_changes_nothing() {
    for (sql, mode) in queries() {
        let mut case = case(&sql, mode, 7);
        case.run(None).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let expected = case.rows();
        assert!(expected.len() >= 7 && expected.values().any(|rows| !rows.is_empty()), "{sql}");
        for (at, point) in CrashPoint::ALL.iter().enumerate().flat_map(|(i, p)| [(i as u64, *p), (i as u64 + 1, *p)]) {
            case.on(SimulatedDisk::default());
            let crashed = case.run(Some((at, point))).unwrap_err();
            assert!(crashed.to_string().contains("CRASH"), "{sql}: {crashed}");
            case.disk.kill();
            let again = case.run(None).unwrap_or_else(|e| panic!("{sql} after {point:?} of {at}: {e}"));
            assert_eq!(case.rows(), expected, "{sql} after {point:?} of batch {at}");
            let told = again.recovery();
            match point {
                CrashPoint::Offsets | CrashPoint::Operators | CrashPoint::Sink | CrashPoint::State => {
                    let wanted =
                        format!("batch {at} had its offsets logged and no commit: it runs again over the same range; the sink replaces it");
                    assert_eq!(told.as_deref(), Some(wanted.as_str()), "{sql}");
                }
                CrashPoint::Commit => assert!(told.unwrap().starts_with(&format!("batch {at} was committed"))),
                CrashPoint::Now => assert_eq!(told.is_some(), at > 0),
            }
        }
    }
}

#[test]
fn power_may_go_at_any_moment() {
    let picked = [0, 3, 4, 9, 12];
    for (sql, mode) in queries().into_iter().enumerate().filter(|(i, _)| picked.contains(i)).map(|(_, q)| q) {
        let mut case = case(&sql, mode, 7);
        case.run(None).unwrap();
        let (expected, operations) = (case.rows(), case.disk.operations());
        for sync in [Sync::Offsets, Sync::All] {
            case.sync = sync;
            for round in 0..25 {
                case.on(SimulatedDisk::default());
                case.disk.switch_off_after(round * operations / 25 + round % 3);
                let mut losses = 0;
                while let Err(error) = case.run(None) {
                    assert!(error.to_string().contains("the machine is off"), "{sql}: {error}");
                    losses += 1;
                    case.disk.lose_power(round * 31 + losses);
                    if losses < 3 {
                        case.disk.switch_off_after(case.disk.operations() + operations / 5);
                    }
                }
                assert_eq!(case.rows(), expected, "{sql} round {round} with {sync:?}");
            }
        }
    }
}

#[test]
fn a_damaged_file_is_named_or_does_not_matter() {
    // Sources' logs are summed up only now and then: the last is a run long enough for that.
    for ((sql, mode), batches) in [(queries().swap_remove(3), 9), (queries().swap_remove(8), 9), (queries().swap_remove(13), 66)] {
        let mut case = case(&sql, mode, batches);
        case.run(None).unwrap();
        let folder = case.world.folder.path().join("a");
        let more = lines(99, 8);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let whole = case.disk.copy();
        write_file(&folder, 950, "json", &more);
        let before = case.rows();
        let go_on = |case: &mut Case, disk: SimulatedDisk| {
            case.on(disk);
            *case.written.lock().unwrap() = before.clone();
            case.run(None).map(|_| case.rows())
        };
        let expected = go_on(&mut case, whole.copy()).unwrap();
        assert!(expected.len() > before.len());
        let mut refused: BTreeMap<String, usize> = BTreeMap::new();
        for path in whole.paths().into_iter().filter(|path| batches < 60 || path.starts_with("/checkpoints/q/sources")) {
            let length = whole.copy().read_length(&path);
            for (at, cut) in (0..12).map(|i| (i * length / 12, i % 3 == 2)) {
                let disk = whole.copy();
                disk.damage(&path, |bytes| if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << (at % 8) });
                match go_on(&mut case, disk) {
                    Ok(rows) => assert_eq!(rows, expected, "{} at {at}, cut: {cut}", path.display()),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(text.contains("/checkpoints/q"), "{text}");
                        let kind = path.strip_prefix("/checkpoints/q").unwrap().components().next().unwrap();
                        *refused.entry(kind.as_os_str().to_string_lossy().into_owned()).or_default() += 1;
                    }
                }
            }
        }
        let kinds: &[&str] = if batches < 60 { &["commits", "durable", "metadata", "offsets", "state"] } else { &["sources"] };
        assert_eq!(refused.keys().map(String::as_str).collect::<Vec<_>>(), kinds);
    }
}

trait Length {
    fn read_length(&self, path: &std::path::Path) -> usize;
}

impl Length for SimulatedDisk {
    fn read_length(&self, path: &std::path::Path) -> usize {
        eddyline::checkpoint::storage::Disk::read(self, path).unwrap().len()
    }
}

#[test]
fn a_disk_that_refuses_stops_the_query_with_the_path_and_it_goes_on_later() {
    let sql = &queries()[0];
    let mut case = case(&sql.0, sql.1, 7);
    case.run(None).unwrap();
    let expected = case.rows();
    let operations = [Operation::Create, Operation::Append, Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir];
    for (operation, path) in operations.iter().flat_map(|o| ["offsets", "commits", "state", "durable", "metadata"].map(|p| (*o, p))) {
        for (os_error, words) in [(28, "the disk is full"), (13, "permission denied")] {
            for skip in [0, 3] {
                case.on(SimulatedDisk::default());
                case.disk.fail(Fault { operation, path: path.to_string(), skip, times: usize::MAX, os_error });
                if let Err(error) = case.run(None) {
                    let text = error.to_string();
                    assert!(text.contains(words) && text.contains("/checkpoints/q"), "{operation:?} {path}: {text}");
                    assert!(error.failure().help.as_ref().is_some_and(|h| h.contains("RESUME")), "{text}");
                }
                case.disk.mend();
                case.run(None).unwrap_or_else(|e| panic!("{operation:?} {path} {skip}: {e}"));
                assert_eq!(case.rows(), expected, "{operation:?} {path} {skip}");
            }
        }
    }
    // What a busy machine refuses is tried again, over the same range.
    for operation in [Operation::Write, Operation::Sync] {
        case.on(SimulatedDisk::default());
        case.disk.fail(Fault { operation, path: "offsets".to_string(), skip: 3, times: 2, os_error: 16 });
        case.run(None).unwrap();
        assert_eq!(case.rows(), expected);
    }
}

#[test]
fn what_is_tried_again_is_told() {
    let mut case = case("SELECT n FROM STREAM a", OutputMode::Append, 7);
    case.run(None).unwrap();
    let expected = case.rows();
    for (path, words) in [("offsets", "offsets/0.log cannot be synced"), ("commits", "commits/0.log cannot be written")] {
        case.on(SimulatedDisk::default());
        let operation = if path == "offsets" { Operation::Sync } else { Operation::Write };
        case.disk.fail(Fault { operation, path: path.to_string(), skip: 0, times: usize::MAX, os_error: 16 });
        let running = case.start_into(|_| Box::new(Lasting(Arc::clone(&case.written))), None).unwrap();
        let why = || running.snapshot().why.sentence;
        wait_for("the trouble", || why().contains("; trying again in "));
        assert!(why().starts_with("batch 0: ") && why().contains(words), "{}", why());
        assert!(running.snapshot().log.iter().any(|(_, line)| line.contains("trying again")));
        case.disk.mend();
        running.wait(Some(DEADLINE)).expect("the query ends").unwrap();
        assert_eq!(case.rows(), expected);
        assert_eq!(why(), "ended after batch 6");
    }
}

#[test]
fn files_are_cleaned_up_only_when_no_power_loss_can_bring_them_back() {
    let (sql, mode) = queries().swap_remove(3);
    let unbroken = case(&sql, mode, 20);
    unbroken.run(None).unwrap();
    let (expected, operations) = (unbroken.rows(), unbroken.disk.operations());
    let mut removed = 0;
    for round in 0..12 {
        let case = case_of(&sql, mode, 20, &[("cleanSource", "delete")]);
        case.disk.switch_off_after((round + 1) * operations / 14);
        let mut losses = 0;
        while let Err(error) = case.run(None) {
            assert!(error.to_string().contains("the machine is off"), "{error}");
            losses += 1;
            case.disk.lose_power(round * 17 + losses);
            if losses < 3 {
                case.disk.switch_off_after(case.disk.operations() + operations / 5);
            }
        }
        assert_eq!(case.rows(), expected, "round {round}");
        removed += 20 - std::fs::read_dir(case.world.folder.path().join("a")).unwrap().count();
    }
    assert!(removed > 12 * 10, "{removed} files of {} are gone", 12 * 20);
    let case = case_of(&sql, mode, 20, &[("cleanSource", "delete")]);
    case.run(None).unwrap();
    assert_eq!(std::fs::read_dir(case.world.folder.path().join("a")).unwrap().count(), 0, "at its end nothing waits any more");
}

#[test]
fn another_query_is_refused_with_what_differs() {
    let mut first = case("SELECT w, count(*) FROM STREAM a GROUP BY w", OutputMode::Update, 3);
    first.run(None).unwrap();
    let disk = first.disk.clone();
    for (sql, what) in [
        ("SELECT k, count(*) FROM STREAM a GROUP BY k", "operator 1 (aggregate) had `key w STRING` and has `key k INT` now"),
        ("SELECT w, sum(n) FROM STREAM a GROUP BY w", "`aggregate sum("),
        ("SELECT w, count(*), sum(n) FROM STREAM a GROUP BY w", "of which the checkpoint knows nothing"),
        ("SELECT w FROM STREAM a", "keeps state for aggregate"),
        ("SELECT a.n FROM STREAM a JOIN STREAM b ON a.k = b.k", "it read 1 sources, and the query reads 2 now"),
    ] {
        let mode = if sql.contains("GROUP") { OutputMode::Update } else { OutputMode::Append };
        (first.sql, first.mode) = (sql.to_string(), mode);
        first.on(disk.clone());
        let error = first.run(None).unwrap_err().to_string();
        assert!(error.contains("/checkpoints/q") && error.contains(what), "{sql}: {error}");
    }
    // Filters, other columns and the output mode may change.
    (first.sql, first.mode) = ("SELECT upper(w) AS v, count(*) + 1 FROM STREAM a WHERE n > 1 GROUP BY w".to_string(), OutputMode::Complete);
    first.on(disk);
    first.run(None).unwrap();
}

#[test]
fn the_number_of_partitions_is_that_of_the_first_start() {
    for (sql, mode) in queries().into_iter().take(11) {
        let mut case = case(&sql, mode, 5);
        case.partitions = 4;
        case.run(None).unwrap();
        let expected = case.rows();
        case.on(SimulatedDisk::default());
        case.run(Some((2, CrashPoint::Sink))).unwrap_err();
        case.disk.kill();
        case.partitions = 1;
        let again = case.run(None).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert_eq!(case.rows(), expected, "{sql}");
        let told = again.recovery().unwrap();
        let note = "; its state stays in 4 partitions, as at its first start: spark.sql.shuffle.partitions = 1 is for new queries";
        assert!(told.starts_with("batch 2 had its offsets logged") && told.ends_with(note), "{told}");
        // Three become four, and nobody asks for another number.
        for (partitions, told) in [(3, false), (0, false), (8, true)] {
            case.partitions = partitions;
            assert_eq!(case.run(None).unwrap().recovery().unwrap().contains("stays in 4"), told, "{partitions}");
        }
    }
}

#[test]
fn a_checkpoint_of_an_older_version_is_refused() {
    let case = case("SELECT w, count(*) FROM STREAM a GROUP BY w", OutputMode::Update, 2);
    case.run(None).unwrap();
    let line = Record::default().with("eddyline", "checkpoint").with("format", 1).with("id", "x").with("partitions", 2);
    let text = line.line() + &Record::default().with("lines", 1).line();
    case.disk.damage("/checkpoints/q/metadata".as_ref(), |bytes| *bytes = text.into_bytes());
    let error = case.run(None).unwrap_err().to_string();
    assert!(error.contains("/checkpoints/q/metadata has the format 1, which this version does not know"), "{error}");
}

#[test]
fn a_directory_has_one_query_at_a_time() {
    let case = case("SELECT w FROM STREAM a", OutputMode::Append, 2);
    let folder = tempfile::tempdir().unwrap();
    let resources = Resources::new(1).unwrap();
    let spec = |trigger| {
        let (mut spec, _) = case.world.spec(&case.sql, case.mode, trigger, Arc::new(SystemClock::default())).unwrap();
        spec.resources = resources.clone();
        spec.checkpoint = Some(CheckpointSpec { dir: folder.path().join("c"), options: Options::default() });
        spec
    };
    let running = start(spec(Trigger::Default)).unwrap();
    let error = start(spec(Trigger::AvailableNow)).unwrap_err().to_string();
    assert!(error.contains(&format!("is in use by process {}, which is this one", std::process::id())), "{error}");
    running.stop();
    running.wait(Some(DEADLINE)).expect("the query ends").unwrap();
    start(spec(Trigger::AvailableNow)).unwrap().wait(Some(DEADLINE)).expect("the query ends").unwrap();
}

#[test]
fn long_runs_keep_few_files() {
    let mut case = case("SELECT w, count(*) FROM STREAM a GROUP BY w", OutputMode::Update, 200);
    case.run(None).unwrap();
    let expected = case.rows();
    let paths = case.disk.paths();
    assert!(paths.len() < 40, "{} files: {paths:?}", paths.len());
    case.on(SimulatedDisk::default());
    for at in [70, 131, 180] {
        case.run(Some((at, CrashPoint::Sink))).unwrap_err();
        case.disk.kill();
    }
    case.run(None).unwrap();
    assert_eq!(case.rows(), expected);
}
