//! Compressed files and partition directories.

use crate::streams::{resources, scan};
use crate::tables::{context, rows};
use eddyline::engine::source::files::read_table;
use eddyline::engine::source::{SourceContext, declared_schema};
use eddyline::engine::{EngineError, Frame};
use eddyline::types::{DataType, Field};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn read(dir: &TempDir, format: &str, options: &[(&str, &str)], columns: &[(&str, DataType)]) -> Result<Frame, EngineError> {
    let options: Vec<_> = options.iter().copied().chain([("path", dir.path().to_str().unwrap())]).collect();
    read_table(&scan(format, &options, columns), &context(), &resources())
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn packed(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(text).unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(text).unwrap();
    let mut snappy = snap::write::FrameEncoder::new(Vec::new());
    snappy.write_all(text).unwrap();
    let mut lz4 = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
    lz4.write_all(text).unwrap();
    vec![
        ("f.gz", gzip(text)),
        ("f.bz2", bzip2.finish().unwrap()),
        ("f.zst", zstd::encode_all(text, 1).unwrap()),
        ("f.deflate", zlib.finish().unwrap()),
        ("f.snappy", snappy.into_inner().unwrap()),
        ("f.lz4", lz4.finish().0),
    ]
}

#[test]
fn every_codec_gives_the_text() {
    for (name, bytes) in packed(b"{\"a\":1}\n{\"a\":2}\n") {
        let dir = TempDir::new().unwrap();
        put(dir.path(), name, &bytes);
        assert_eq!(rows(&read(&dir, "json", &[], &[("a", DataType::Int)]).unwrap()), ["1", "2"], "{name}");
        put(dir.path(), name, b"");
        assert_eq!(read(&dir, "json", &[], &[("a", DataType::Int)]).unwrap().rows(), 0, "{name}");
    }
}

#[test]
fn archives_one_behind_the_other_are_one_text() {
    let dir = TempDir::new().unwrap();
    let text = [gzip(b"1\n2\n"), gzip(b"3\n")].concat();
    put(dir.path(), "f.csv.gz", &text);
    assert_eq!(rows(&read(&dir, "csv", &[], &[("a", DataType::Int)]).unwrap()), ["1", "2", "3"]);
}

#[test]
fn a_text_of_many_blocks_loses_no_line() {
    let dir = TempDir::new().unwrap();
    let lines: Vec<String> = (0..400_000).map(|i| format!("line {i} {}", "x".repeat(i % 40))).collect();
    put(dir.path(), "f.gz", &gzip(lines.join("\n").as_bytes()));
    assert_eq!(rows(&read(&dir, "text", &[], &[("value", DataType::String)]).unwrap()), lines);
    let whole = read(&dir, "text", &[("wholetext", "true")], &[("value", DataType::String)]).unwrap();
    assert_eq!(rows(&whole), [lines.join("\n")]);
}

#[test]
fn a_damaged_archive_is_named_and_may_be_passed_over() {
    let dir = TempDir::new().unwrap();
    let sound = gzip("{\"a\":1}\n".repeat(10).as_bytes());
    put(dir.path(), "a.gz", &sound[..sound.len() - 9]);
    put(dir.path(), "b.gz", b"no archive at all");
    put(dir.path(), "c.json", b"{\"a\":2}\n");
    let error = read(&dir, "json", &[], &[("a", DataType::Int)]).unwrap_err().to_string();
    assert!(error.starts_with("[FAILED_READ_FILE.NO_HINT] file ") && error.contains("a.gz is no sound gzip archive"), "{error}");
    let rest = read(&dir, "json", &[("ignoreCorruptFiles", "true")], &[("a", DataType::Int)]).unwrap();
    assert_eq!(rows(&rest).last().unwrap(), "2");
}

#[test]
fn directories_give_columns() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "day=2024-01-01/hour=3/x.json", b"{\"v\":1}");
    put(dir.path(), "day=2024-01-02/hour=__HIVE_DEFAULT_PARTITION__/x.json", b"{\"v\":2}");
    put(dir.path(), "beside.json", b"{\"v\":3}");
    let options = [("path".to_string(), dir.path().to_str().unwrap().to_string())];
    let own = |columns: &[(&str, DataType)]| Some(columns.iter().map(|(n, t)| Field::new(*n, t.clone())).collect::<Vec<_>>());
    let names = |declared| {
        let fields = declared_schema("json", &options, declared).unwrap();
        fields.iter().map(|f| format!("{} {}", f.name, f.data_type.sql())).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["v BIGINT", "day DATE", "hour INT"]);
    // A column that was declared keeps its type and moves behind the others.
    assert_eq!(names(own(&[("hour", DataType::String), ("v", DataType::Int)])), ["v INT", "day DATE", "hour STRING"]);
    let columns = [("v", DataType::Int), ("day", DataType::Date), ("hour", DataType::Int)];
    assert_eq!(rows(&read(&dir, "json", &[], &columns).unwrap()), ["1|19723|3", "2|19724|~"]);
    let part = [("hour", DataType::BigInt), ("v", DataType::Int)];
    assert_eq!(rows(&read(&dir, "json", &[], &part).unwrap()), ["3|1", "~|2"]);
    let plain = read(&dir, "json", &[("recursiveFileLookup", "true")], &[("v", DataType::Int), ("hour", DataType::Int)]).unwrap();
    let mut plain = rows(&plain);
    plain.sort();
    assert_eq!(plain, ["1|~", "2|~", "3|~"]);
    let base = format!("{}/day=2024-01-01", dir.path().display());
    let options = [("path", base.as_str()), ("basePath", dir.path().to_str().unwrap())];
    let table = scan("json", &options, &[("v", DataType::Int), ("day", DataType::String)]);
    assert_eq!(rows(&read_table(&table, &context(), &resources()).unwrap()), ["1|2024-01-01"]);
}

#[test]
fn fields_of_csv_leave_partition_columns_out() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "p=a%2Fb/x.csv", b"5,6");
    let columns = [("x", DataType::Int), ("p", DataType::String), ("y", DataType::Int)];
    assert_eq!(rows(&read(&dir, "csv", &[], &columns).unwrap()), ["5|a/b|6"]);
    let columns = [("value", DataType::String), ("p", DataType::String)];
    assert_eq!(rows(&read(&dir, "text", &[], &columns).unwrap()), ["5,6|a/b"]);
    let error = read(&dir, "csv", &[], &[("x", DataType::Int), ("p", DataType::Int)]).unwrap_err().to_string();
    assert!(error.starts_with("[INVALID_PARTITION_VALUE] the directory p=a/b"), "{error}");
}

#[test]
fn directories_have_to_agree() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "a=1/x.json", b"{}");
    put(dir.path(), "a=1/b=2/x.json", b"{}");
    let options = [("path".to_string(), dir.path().to_str().unwrap().to_string())];
    let error = declared_schema("json", &options, None).unwrap_err().to_string();
    assert!(error.starts_with("[CONFLICTING_PARTITION_COLUMN_NAMES]"), "{error}");
}

#[test]
fn bad_records_have_their_place() {
    let dir = TempDir::new().unwrap();
    let mut lines: Vec<String> = (0..200_000).map(|i| format!("{{\"a\":{i}}}")).collect();
    lines[150_000] = "{\"a\":\"x\"}".to_string();
    lines[150_001] = "{\"a\":1".to_string();
    put(dir.path(), "f.json", lines.join("\n").as_bytes());
    let packed = TempDir::new().unwrap();
    put(packed.path(), "f.json.gz", &gzip(lines.join("\n").as_bytes()));
    for dir in [dir, packed] {
        let context = SourceContext { bad: Arc::default(), ..context() };
        let options = [("path", dir.path().to_str().unwrap())];
        let table = scan("json", &options, &[("a", DataType::Int)]);
        assert_eq!(read_table(&table, &context, &resources()).unwrap().rows(), 200_000);
        let mut bad: Vec<_> = context.bad.rows().into_iter().map(|r| (r.offset, r.line, r.reason)).collect();
        bad.sort();
        assert_eq!(bad.len(), 2);
        assert!(bad[0].0.ends_with(":150001") && bad[1].0.ends_with(":150002"), "{bad:?}");
        assert_eq!((bad[0].1.as_str(), bad[0].2.as_str()), ("{\"a\":\"x\"}", "the value of a is no INT"));
        assert_eq!(bad[1].2, "it ends in the middle of a value");
    }
}

#[test]
fn failfast_names_file_and_line() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "f.csv", b"1,a\n2\n");
    let columns = [("a", DataType::Int), ("b", DataType::String)];
    let error = read(&dir, "csv", &[("mode", "FAILFAST")], &columns).unwrap_err().to_string();
    assert!(error.starts_with("[MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] a record is malformed, 1 fields and not 2: 2"), "{error}");
    assert!(error.ends_with("f.csv:2)"), "{error}");
}

#[test]
fn times_of_modification_choose_files_of_tables() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "f.csv", b"1\n");
    let columns = [("a", DataType::Int)];
    for (name, count) in [("modifiedAfter", 1), ("modifiedBefore", 0)] {
        assert_eq!(read(&dir, "csv", &[(name, "2020-01-01T00:00:00")], &columns).unwrap().rows(), count, "{name}");
    }
}
