//! Sinks of files: exactly once, whole or not at all, on a disk that fails and loses power.

use super::session_run::{eddy, err, out};
use eddyline::checkpoint::Sync;
use eddyline::checkpoint::simulated::{Fault, Operation, SimulatedDisk};
use eddyline::checkpoint::storage::Disk;
use eddyline::engine::columns::series_of;
use eddyline::engine::sink::console::{Format, Output};
use eddyline::engine::sink::{Sink, SinkBatch, SinkContext, SinkRun, open};
use eddyline::engine::{EngineError, Frame, Resources};
use eddyline::plan::expr::ColumnId;
use eddyline::plan::logical::Column;
use eddyline::progress::OutputMode;
use eddyline::types::{DataType, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A sink of `(k STRING, v INT)` in `/out` of a disk.
struct Files {
    disk: SimulatedDisk,
    options: Vec<(String, String)>,
    format: &'static str,
    partitioned: bool,
    sink: Box<dyn Sink>,
}

fn columns() -> Vec<Column> {
    vec![
        Column { id: ColumnId(0), name: "k".to_string(), data_type: DataType::String },
        Column { id: ColumnId(1), name: "v".to_string(), data_type: DataType::Int },
    ]
}

fn open_in(disk: &SimulatedDisk, format: &str, options: &[(String, String)], partitioned: bool) -> Result<Box<dyn Sink>, EngineError> {
    let output = Output::new(Format::Table, Box::new(std::io::sink()), false, Box::new(|| {}));
    let context = SinkContext {
        output: Arc::new(output),
        statement: 1,
        query: None,
        columns: columns(),
        resources: Resources::with_disk(1, Arc::new(disk.clone())).unwrap(),
        partitioned_by: if partitioned { vec!["k".to_string()] } else { vec![] },
        zone: chrono_tz::UTC,
        bounded: false,
    };
    open(format, options, &context)
}

impl Files {
    fn new(format: &'static str, partitioned: bool, options: &[(&str, &str)]) -> Files {
        let disk = SimulatedDisk::default();
        disk.create_dir(Path::new("/")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        let mut all = vec![("path".to_string(), "/out".to_string())];
        all.extend(options.iter().map(|(k, v)| ((*k).to_string(), (*v).to_string())));
        let sink = open_in(&disk, format, &all, partitioned).unwrap();
        let mut files = Files { disk, options: all, format, partitioned, sink };
        files.start(0, true).unwrap();
        files
    }

    fn start(&mut self, first: u64, checkpointed: bool) -> Result<(), EngineError> {
        self.sink.start(&SinkRun { query: "one".to_string(), first, checkpointed, sync: Sync::Offsets })
    }

    /// A new process over the same disk.
    fn restart(&mut self, first: u64) {
        self.sink = open_in(&self.disk, self.format, &self.options, self.partitioned).unwrap();
        self.start(first, true).unwrap();
    }

    fn write(&mut self, id: u64, rows: &[(&str, i64)]) -> Result<(), EngineError> {
        let keys: Vec<Value> = rows.iter().map(|(k, _)| Value::String((*k).to_string())).collect();
        let values: Vec<Value> = rows.iter().map(|(_, v)| Value::Int(*v)).collect();
        let series = vec![series_of(&keys, &DataType::String), series_of(&values, &DataType::Int)];
        let frame = Frame::new(vec![ColumnId(0), ColumnId(1)], series, rows.len());
        let (mode, columns, zone) = (OutputMode::Append, columns(), chrono_tz::UTC);
        let batch = SinkBatch { id, mode, columns: &columns, frame: &frame, watermark: None, state_rows: 0, dropped_by_watermark: 0, zone };
        self.sink.write(&batch)
    }

    /// What a reader sees: each file without the query in its name, with its text.
    fn seen(&self) -> BTreeMap<String, String> {
        let visible = |path: &PathBuf| !path.file_name().unwrap().to_string_lossy().starts_with(['.', '_']);
        let name = |path: &Path| {
            let text = path.strip_prefix("/out").unwrap().to_string_lossy().into_owned();
            let (start, end) = text.rsplit_once('-').unwrap();
            format!("{start}.{}", end.split_once('.').unwrap().1)
        };
        let text = |path: &Path| String::from_utf8_lossy(&self.disk.read(path).unwrap()).into_owned();
        self.disk.paths().iter().filter(|p| visible(p)).map(|p| (name(p), text(p))).collect()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().values().flat_map(|text| text.lines().map(str::to_string).collect::<Vec<_>>()).collect()
    }

    fn unfinished(&self) -> usize {
        self.disk.paths().iter().filter(|p| p.to_string_lossy().ends_with(".tmp")).count()
    }
}

const ROWS: &[(&str, i64)] = &[("a", 1), ("b", 2), ("a", 3)];

#[test]
fn a_batch_is_a_file_a_directory() {
    let mut files = Files::new("csv", false, &[]);
    files.write(0, ROWS).unwrap();
    files.write(1, &[]).unwrap();
    files.write(2, &ROWS[..1]).unwrap();
    assert_eq!(
        files.seen().into_iter().collect::<Vec<_>>(),
        [
            ("part-00000000-00000.csv".to_string(), "a,1\nb,2\na,3\n".to_string()),
            ("part-00000002-00000.csv".to_string(), "a,1\n".to_string())
        ]
    );
    let mut files = Files::new("json", true, &[("maxRecordsPerFile", "1"), ("compression", "none")]);
    files.write(7, ROWS).unwrap();
    assert_eq!(
        files.seen().into_iter().collect::<Vec<_>>(),
        [
            ("k=a/part-00000007-00000.json".to_string(), "{\"v\":1}\n".to_string()),
            ("k=a/part-00000007-00001.json".to_string(), "{\"v\":3}\n".to_string()),
            ("k=b/part-00000007-00000.json".to_string(), "{\"v\":2}\n".to_string()),
        ]
    );
}

#[test]
fn the_first_batch_says_what_the_columns_are() {
    let mut files = Files::new("csv", false, &[("header", "true")]);
    files.write(0, &[]).unwrap();
    files.write(1, &[]).unwrap();
    assert_eq!(files.lines(), ["k,v"]);
    let mut files = Files::new("parquet", false, &[]);
    files.write(0, &[]).unwrap();
    assert!(files.seen()["part-00000000-00000.snappy.parquet"].contains("\"name\":\"k\""));
    // Without rows there is no directory for a partition.
    let mut files = Files::new("csv", true, &[("header", "true")]);
    files.write(0, &[]).unwrap();
    assert!(files.seen().is_empty());
}

#[test]
fn a_repeated_batch_replaces_its_files() {
    for partitioned in [false, true] {
        let mut files = Files::new("json", partitioned, &[("maxRecordsPerFile", "2")]);
        files.write(0, ROWS).unwrap();
        files.write(1, ROWS).unwrap();
        // The process died before batch 1 was committed; it comes again with fewer rows, and others.
        files.restart(1);
        files.write(1, &[("c", 9)]).unwrap();
        let expected: &[&str] = if partitioned {
            &["{\"v\":1}", "{\"v\":3}", "{\"v\":2}", "{\"v\":9}"]
        } else {
            &["{\"k\":\"a\",\"v\":1}", "{\"k\":\"b\",\"v\":2}", "{\"k\":\"a\",\"v\":3}", "{\"k\":\"c\",\"v\":9}"]
        };
        assert_eq!(files.lines(), expected, "{partitioned}");
        // The same within one run, as after a commit that failed.
        files.write(1, &[("c", 8)]).unwrap();
        assert!(files.lines().last().unwrap().contains('8'));
        assert_eq!(files.lines().len(), 4);
    }
}

#[test]
fn batches_beyond_the_restart_are_gone_and_those_of_others_stay() {
    let mut files = Files::new("csv", true, &[]);
    for id in 0..5 {
        files.write(id, ROWS).unwrap();
    }
    let stranger = Path::new("/out/k=a/part-00000009-00000-0123456789abcdef.csv");
    files.disk.create(stranger).unwrap().write_all(b"7\n").unwrap();
    // Power was lost: all is gone on from batch 2.
    files.restart(2);
    files.write(2, &[]).unwrap();
    let names: Vec<String> = files.seen().into_keys().collect();
    assert_eq!(
        names,
        [
            "k=a/part-00000000-00000.csv",
            "k=a/part-00000001-00000.csv",
            "k=a/part-00000009-00000.csv",
            "k=b/part-00000000-00000.csv",
            "k=b/part-00000001-00000.csv"
        ]
    );
}

#[test]
fn runs_without_a_checkpoint_write_beside_each_other() {
    let mut files = Files::new("csv", false, &[]);
    files.write(0, ROWS).unwrap();
    files.sink = open_in(&files.disk, "csv", &files.options, false).unwrap();
    files.sink.start(&SinkRun { query: "two".to_string(), first: 0, checkpointed: false, sync: Sync::None }).unwrap();
    files.write(0, &ROWS[..1]).unwrap();
    assert_eq!(files.disk.list(Path::new("/out")).unwrap().len(), 2);
    let refused = [files.options.clone(), vec![("saveMode".to_string(), "errorIfExists".to_string())]].concat();
    let error = open_in(&files.disk, "csv", &refused, false).err().unwrap();
    assert_eq!(error.to_string(), "[PATH_ALREADY_EXISTS] path /out is there already, and not empty");
}

#[test]
fn whatever_fails_leaves_the_directory_as_it_was() {
    use Operation::{Create, CreateDir, Rename, Sync, Write};
    for (partitioned, operation, skip) in [
        (false, Create, 0),
        (false, Write, 0),
        (false, Sync, 0),
        (false, Rename, 0),
        (true, CreateDir, 0),
        (true, CreateDir, 1),
        (true, Create, 1),
        (true, Write, 1),
        (true, Sync, 1),
        (true, Rename, 0),
        (true, Rename, 1),
    ] {
        for (os_error, words) in [(28, "the disk is full"), (13, "permission denied"), (5, "error")] {
            let what = format!("{partitioned} {operation:?} {skip} {os_error}");
            let mut files = Files::new("csv", partitioned, &[]);
            files.write(0, &[("x", 1)]).unwrap();
            let before = files.seen();
            files.disk.fail(Fault { operation, path: "/out".to_string(), skip, times: 1, os_error });
            let error = files.write(1, ROWS).expect_err(&what).to_string();
            assert!(error.contains("/out") && error.contains(words), "{what}: {error}");
            assert_eq!(files.seen(), before, "{what}");
            assert_eq!(files.unfinished(), 0, "{what}");
            if partitioned {
                assert_eq!(files.disk.list(Path::new("/out")).unwrap().len(), 1, "{what}: directories that were made are gone");
            }
            files.disk.mend();
            files.write(1, ROWS).unwrap();
            assert_eq!(files.lines().len(), 4, "{what}");
        }
    }
}

/// Cuts the power, or kills the process, after every single operation of a repeated batch.
#[test]
fn an_end_at_any_moment_loses_and_doubles_nothing() {
    for partitioned in [false, true] {
        let mut after = 0;
        loop {
            let mut files = Files::new("csv", partitioned, &[("maxRecordsPerFile", "2")]);
            files.write(0, ROWS).unwrap();
            files.disk.switch_off_after(files.disk.operations() + after);
            let finished = files.write(1, &[("a", 4), ("b", 5), ("c", 6)]).is_ok();
            if after % 2 == 0 {
                files.disk.lose_power(after)
            } else {
                files.disk.kill()
            }
            // Whatever is to be seen is whole.
            for (name, text) in files.seen() {
                assert!(text.ends_with('\n') && !text.contains('\0'), "{partitioned} {after} {name}: {text:?}");
            }
            let mut lines = files.lines();
            lines.sort();
            if finished {
                assert_eq!(lines.len(), 6, "{partitioned} {after}: a batch that was written stays");
            }
            files.restart(1);
            assert_eq!(files.unfinished(), 0);
            files.write(1, &[("a", 4), ("b", 5), ("c", 6)]).unwrap();
            let numbers = |line: &String| line.rsplit(',').next().unwrap().parse::<i64>().unwrap();
            let mut got: Vec<i64> = files.lines().iter().map(numbers).collect();
            got.sort_unstable();
            assert_eq!(got, [1, 2, 3, 4, 5, 6], "{partitioned} {after}");
            if finished {
                break;
            }
            after += 1;
        }
        assert!(after > 5, "{after}");
    }
}

#[test]
fn places_that_are_no_directories_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let run = |into: &str| {
        let sql = format!("SELECT id FROM range(3) INTO {into}");
        let output = eddy(&["-c", &sql]).output().unwrap();
        (output.status.code(), err(&output))
    };
    let (code, text) = run(&format!("csv OPTIONS (path '{}')", file.display()));
    assert_eq!(code, Some(1));
    assert!(text.contains("file cannot be written to: a file is in the way of a directory"), "{text}");
    let (_, text) = run(&format!("csv OPTIONS (path '{}/below')", file.display()));
    assert!(text.contains("a file is in the way"), "{text}");
    let (_, text) = run("csv");
    assert!(text.contains("the sink csv needs the path of a directory"), "{text}");
    let (_, text) = run("csv OPTIONS (path 's3://bucket/x')");
    assert!(text.contains("s3://"), "{text}");
    let (_, text) = run(&format!("csv OPTIONS (path '{}', saveMode 'errorIfExists')", dir.path().display()));
    assert!(text.contains("[PATH_ALREADY_EXISTS]") && text.contains("not empty"), "{text}");
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let select = "SELECT id, id % 2 = 0 AS even, cast(id AS DECIMAL(10,2)) AS d, if(id = 1, NULL, concat('a,\"', id, ' ')) AS s, \
                  timestamp'2024-01-02 03:04:05.123' AS t, date'1600-02-29' AS day, double(id) / 3 AS x FROM range(3)";
    let schema = "(id BIGINT, even BOOLEAN, d DECIMAL(10,2), s STRING, t TIMESTAMP, day DATE, x DOUBLE)";
    let expected = eddy(&["-c", select, "--format", "csv"]).output().unwrap();
    let formats = [
        ("parquet", "", ""),
        ("parquet", ", compression 'zstd'", ""),
        ("json", "", ""),
        ("json", ", compression 'none', ignoreNullFields 'false', lineSep '\\r\\n'", ""),
        ("csv", ", header 'true', ignoreTrailingWhiteSpace 'false'", ", header 'true'"),
        (
            "csv",
            ", sep '|', escape '\"', quoteAll 'true', nullValue '-', ignoreTrailingWhiteSpace 'false'",
            ", sep '|', escape '\"', nullValue '-'",
        ),
        (
            "csv",
            ", timestampFormat 'yyyy/MM/dd HH:mm:ss.SSS', dateFormat 'dd.MM.yyyy', ignoreTrailingWhiteSpace 'false'",
            ", timestampFormat 'yyyy/MM/dd HH:mm:ss.SSS', dateFormat 'dd.MM.yyyy'",
        ),
    ];
    for (at, (format, writer, reader)) in formats.iter().enumerate() {
        let path = path(&at.to_string());
        let sql = format!(
            "{select} INTO {format} OPTIONS (path '{path}'{writer}); CREATE TABLE back {schema} USING {format} OPTIONS (path '{path}'{reader}); \
             SELECT * FROM back ORDER BY id"
        );
        let output = eddy(&["-c", &sql, "--format", "csv"]).output().unwrap();
        assert_eq!(out(&output), out(&expected), "{format} {writer}: {}", err(&output));
    }
}

#[test]
fn nested_values_survive_parquet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("n").display().to_string();
    let select = "SELECT id, array(id, NULL) AS a, map('k', id, 'n', NULL) AS m, named_struct('x', id, 'y', array(map(1, array('v')))) AS st, \
                  if(id % 2 = 0, NULL, map('q', named_struct('w', date'2024-01-01'))) AS mn, \
                  if(id % 3 = 0, NULL, array(array(id), NULL, array())) AS aa, cast(id AS DECIMAL(38, 10)) AS d38, \
                  interval '1-2' YEAR TO MONTH AS ym, X'00FF' AS bin, interval '1 02:03:04.5' DAY TO SECOND AS ds, \
                  array(interval '5' HOUR) AS ah, timestamp_ntz'2024-01-02 03:04:05' AS tn FROM range(9)";
    let run = |sql: &str| {
        let output = eddy(&["-c", sql, "--format", "ndjson"]).output().unwrap();
        let text = out(&output).lines().last().unwrap_or_default().split_once("\"rows\":").map(|(_, rows)| rows.to_string());
        text.unwrap_or_else(|| err(&output))
    };
    let schema = "(id BIGINT, a ARRAY<BIGINT>, m MAP<STRING, BIGINT>, st STRUCT<x: BIGINT, y: ARRAY<MAP<INT, ARRAY<STRING>>>>, \
                  mn MAP<STRING, STRUCT<w: DATE>>, aa ARRAY<ARRAY<BIGINT>>, d38 DECIMAL(38, 10), ym INTERVAL YEAR TO MONTH, bin BINARY, \
                  ds INTERVAL DAY TO SECOND, ah ARRAY<INTERVAL HOUR>, tn TIMESTAMP_NTZ)";
    let expected = run(&format!("{select} ORDER BY id"));
    run(&format!("{select} INTO parquet OPTIONS (path '{path}', maxRecordsPerFile 4)"));
    // Without declared columns they are those of the footer, intervals among them.
    for schema in [schema, ""] {
        let table = format!("CREATE TABLE back {schema} USING parquet OPTIONS (path '{path}')");
        assert_eq!(run(&format!("{table}; SELECT * FROM back ORDER BY id")), expected, "{schema}");
    }
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 3);
}
