//! Files as a stream: which files make a batch, in which order, and what happens around them.

use crate::streams::{Stream, clock, resources, scan, texts};
use crate::tables::{context, rows};
use eddyline::engine::EngineError;
use eddyline::engine::clock::ManualClock;
use eddyline::engine::source::Earlier;
use eddyline::engine::source::files::read_table;
use eddyline::types::DataType;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

fn put(dir: &Path, name: &str, text: &str, age: u64) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let modified = UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
}

fn open_path(path: &str, options: &[(&str, &str)]) -> Result<Stream, EngineError> {
    let options: Vec<_> = options.iter().copied().chain([("path", path)]).collect();
    Stream::open(&scan("text", &options, &[("value", DataType::String)]), &resources(), clock())
}

fn open(dir: &TempDir, options: &[(&str, &str)]) -> Stream {
    open_path(dir.path().to_str().unwrap(), options).unwrap()
}

fn batch(stream: &mut Stream) -> Vec<String> {
    let before = stream.at.clone();
    let frames = stream.batch();
    if stream.at == before { Vec::new() } else { frames.iter().flat_map(texts).collect() }
}

#[test]
fn files_come_in_the_order_of_time_then_path() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "b.txt", "2\n", 10);
    put(dir.path(), "a.txt", "3\n", 5);
    put(dir.path(), "c.txt", "1a\n1b", 20);
    put(dir.path(), "d.txt", "4\n", 5);
    put(dir.path(), "_hidden", "no\n", 30);
    put(dir.path(), ".hidden", "no\n", 30);
    put(dir.path(), "sub/e.txt", "no\n", 30);
    let mut all = open(&dir, &[]);
    assert_eq!(batch(&mut all), ["1a", "1b", "2", "3", "4"]);
    assert_eq!(all.at.as_ref().unwrap().0, "{\"logOffset\":0}");
    assert_eq!(batch(&mut all), Vec::<String>::new());
    put(dir.path(), "e.txt", "5\n", 0);
    assert_eq!(batch(&mut all), ["5"]);

    let mut one = open(&dir, &[("maxFilesPerTrigger", "1")]);
    assert_eq!([batch(&mut one), batch(&mut one), batch(&mut one)].concat(), ["1a", "1b", "2", "3"]);
    assert_eq!(one.at.as_ref().unwrap().0, "{\"logOffset\":2}");
    let mut newest = open(&dir, &[("MAXFILESPERTRIGGER", "2"), ("latestFirst", "true")]);
    assert_eq!(batch(&mut newest), ["5", "4"]);
    let mut bytes = open(&dir, &[("maxBytesPerTrigger", "7b")]);
    assert_eq!(batch(&mut bytes), ["1a", "1b", "2"]);
    assert_eq!(batch(&mut bytes), ["3", "4", "5"]);
}

#[test]
fn an_empty_directory_runs_no_batch_and_an_empty_file_does() {
    let dir = TempDir::new().unwrap();
    let mut stream = open(&dir, &[]);
    assert_eq!(stream.source.latest(None).unwrap(), None);
    put(dir.path(), "empty.txt", "", 5);
    let frames = stream.batch();
    assert_eq!(frames.iter().map(eddyline::engine::Frame::rows).sum::<usize>(), 0);
    assert_eq!(stream.at.as_ref().unwrap().0, "{\"logOffset\":0}");
}

#[test]
fn an_empty_file_just_made_waits_for_its_writer() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "a.txt", "", 0);
    let manual = Arc::new(ManualClock::default());
    manual.advance_micros(1_700_000_000_000_000);
    let options = [("path", dir.path().to_str().unwrap())];
    let mut stream = Stream::open(&scan("text", &options, &[("value", DataType::String)]), &resources(), manual.clone()).unwrap();
    assert_eq!(stream.source.latest(None).unwrap(), None);
    put(dir.path(), "a.txt", "1\n", 0);
    assert_eq!(batch(&mut stream), ["1"]);
}

#[test]
fn places_are_directories_patterns_and_files() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "x/a.txt", "1\n", 5);
    put(dir.path(), "x/a.log", "2\n", 4);
    put(dir.path(), "y/z/b.txt", "3\n", 3);
    let at = |rest: &str| format!("{}/{rest}", dir.path().display());
    assert_eq!(batch(&mut open_path(&at("x"), &[("pathGlobFilter", "*.log")]).unwrap()), ["2"]);
    assert_eq!(batch(&mut open_path(&at("{x,y}"), &[("recursiveFileLookup", "true")]).unwrap()), ["1", "2", "3"]);
    assert_eq!(batch(&mut open_path(&at("*/*/*.txt"), &[]).unwrap()), ["3"]);
    assert_eq!(batch(&mut open_path(&format!("file://{}", at("x/a.txt")), &[]).unwrap()), ["1"]);
    let error = open_path(&at("nowhere"), &[]).err().unwrap().to_string();
    assert!(error.starts_with("[PATH_NOT_FOUND] path does not exist: /"), "{error}");
    assert!(open_path("s3a://bucket/x", &[]).err().unwrap().to_string().contains("s3a://"));
}

#[test]
fn a_place_may_vanish_and_come_back() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("in");
    put(&inner, "a.txt", "1\n", 5);
    let mut stream = open_path(inner.to_str().unwrap(), &[]).unwrap();
    assert_eq!(batch(&mut stream), ["1"]);
    fs::remove_dir_all(&inner).unwrap();
    assert_eq!(batch(&mut stream), Vec::<String>::new());
    put(&inner, "b.txt", "2\n", 5);
    assert_eq!(batch(&mut stream), ["2"]);
}

#[test]
fn a_single_file_may_grow() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "log", "1\n2\nhal", 5);
    let manual = Arc::new(ManualClock::default());
    manual.advance_micros(1_700_000_000_000_000 - 5_000_000);
    let options = [("path", dir.path().join("log").to_str().unwrap().to_string())];
    let options: Vec<_> = options.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let mut stream = Stream::open(&scan("text", &options, &[("value", DataType::String)]), &resources(), manual.clone()).unwrap();
    assert_eq!(batch(&mut stream), ["1", "2"]);
    assert_eq!(batch(&mut stream), Vec::<String>::new());
    put(dir.path(), "log", "1\n2\nhalf\n3", 4);
    assert_eq!(batch(&mut stream), ["half"]);
    manual.advance_micros(10_000_000);
    assert_eq!(batch(&mut stream), ["3"]);
    put(dir.path(), "log", "new\n", 0);
    assert_eq!(batch(&mut stream), ["new"]);
}

#[test]
fn frozen_sources_take_what_is_there_and_no_more() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "a.txt", "1\n", 9);
    put(dir.path(), "b.txt", "2\n", 8);
    let mut stream = open(&dir, &[("maxFilesPerTrigger", "1")]);
    stream.source.freeze().unwrap();
    put(dir.path(), "c.txt", "3\n", 7);
    assert_eq!(batch(&mut stream), ["1"]);
    assert!(!stream.source.ended());
    assert_eq!(batch(&mut stream), ["2"]);
    assert!(stream.source.ended());
    assert_eq!(batch(&mut stream), Vec::<String>::new());
}

#[test]
fn committed_files_are_cleaned_up() {
    let dir = TempDir::new().unwrap();
    let inner = dir.path().join("in");
    put(&inner, "a.txt", "1\n", 5);
    let archive = dir.path().join("old");
    let options = [("cleanSource", "archive"), ("sourceArchiveDir", archive.to_str().unwrap())];
    let mut stream = open_path(inner.to_str().unwrap(), &options).unwrap();
    assert_eq!(batch(&mut stream), ["1"]);
    assert!(!inner.join("a.txt").exists());
    assert!(archive.join(inner.strip_prefix("/").unwrap()).join("a.txt").exists());
    put(&inner, "b.txt", "2\n", 5);
    let mut stream = open_path(inner.to_str().unwrap(), &[("cleanSource", "delete")]).unwrap();
    assert_eq!(batch(&mut stream), ["2"]);
    assert!(!inner.join("b.txt").exists());
    assert!(open_path(inner.to_str().unwrap(), &[("cleanSource", "archive")]).is_err());
}

#[test]
fn names_and_ages() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "x/a.txt", "1\n", 5);
    put(dir.path(), "y/a.txt", "2\n", 4);
    let mut stream = open(&dir, &[("recursiveFileLookup", "true"), ("fileNameOnly", "true")]);
    assert_eq!(batch(&mut stream), ["1"]);
    let mut stream = open(&dir, &[("recursiveFileLookup", "true"), ("maxFileAge", "1 minute")]);
    assert_eq!(batch(&mut stream), ["1", "2"]);
    put(dir.path(), "x/old.txt", "3\n", 600);
    put(dir.path(), "x/new.txt", "4\n", 30);
    assert_eq!(batch(&mut stream), ["4"]);
}

#[test]
fn big_files_are_cut_at_line_ends() {
    let dir = TempDir::new().unwrap();
    let lines: Vec<String> = (0..300_000).map(|i| format!("line {i} {}", "x".repeat(i % 40))).collect();
    put(dir.path(), "big.txt", &lines.join("\n"), 5);
    let mut stream = open(&dir, &[]);
    let end = stream.source.latest(None).unwrap().unwrap();
    let tasks = stream.source.read(None, &end).unwrap();
    assert!(tasks.len() > 2, "{} tasks", tasks.len());
    let read: Vec<String> = tasks.into_iter().flat_map(|task| texts(&task().unwrap())).collect();
    assert_eq!(read, lines);
    let mut long = vec!["y".repeat(9 << 20)];
    long.push("short".to_string());
    put(dir.path(), "long.txt", &long.join("\n"), 4);
    let mut stream = open(&dir, &[("pathGlobFilter", "long*")]);
    assert_eq!(batch(&mut stream), long);
}

#[test]
fn text_options() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "a.txt", "hello world\n\n  two  \r\nx|y", 5);
    assert_eq!(batch(&mut open(&dir, &[])), ["hello world", "", "  two  ", "x|y"]);
    assert_eq!(batch(&mut open(&dir, &[("wholetext", "true")])), ["hello world\n\n  two  \r\nx|y"]);
    assert_eq!(batch(&mut open(&dir, &[("lineSep", "|")])), ["hello world\n\n  two  \r\nx", "y"]);
    fs::write(dir.path().join("a.txt"), b"a\xffb\nc").unwrap();
    assert_eq!(batch(&mut open(&dir, &[])), ["a\u{fffd}b", "c"]);
}

#[test]
fn bounded_tables_read_the_whole_path() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "a.json", "{\"id\":1,\"name\":\"ann\"}\n", 5);
    put(dir.path(), "b.json", "{\"id\":2,\"name\":\"bob\"}\n", 4);
    let options = [("path", dir.path().to_str().unwrap())];
    let mut table = scan("json", &options, &[("ID", DataType::Int), ("name", DataType::String)]);
    table.declared[0].name = "id".to_string();
    assert_eq!(rows(&read_table(&table, &context(), &resources()).unwrap()), ["1|ann", "2|bob"]);
    let used = table.columns.split_off(1);
    table.columns = used;
    assert_eq!(rows(&read_table(&table, &context(), &resources()).unwrap()), ["ann", "bob"]);
    table.columns.clear();
    assert_eq!(read_table(&table, &context(), &resources()).unwrap().rows(), 2);
}

#[test]
fn text_has_one_column() {
    let dir = TempDir::new().unwrap();
    let options = [("path", dir.path().to_str().unwrap())];
    let error = read_table(&scan("text", &options, &[("a", DataType::Int)]), &context(), &resources()).unwrap_err().to_string();
    assert!(error.contains("text has one column"), "{error}");
}

#[test]
fn what_was_logged_restores_the_source() {
    let dir = TempDir::new().unwrap();
    put(dir.path(), "a.txt", "1\n", 20);
    put(dir.path(), "b.txt", "2\n", 10);
    let mut first = open(&dir, &[("maxFilesPerTrigger", "1")]);
    let one = first.source.latest(None).unwrap().unwrap();
    let mut journal = first.source.journal(None, &one).unwrap();
    first.source.commit(&one).unwrap();
    let so_far = first.source.journal_so_far();
    let two = first.source.latest(Some(&one)).unwrap().unwrap();
    let more = first.source.journal(Some(&one), &two).unwrap();
    assert_eq!((journal.len(), so_far.len(), more.len()), (1, 1, 1));
    // The batch that was planned last is repeated over the same files, although others came since.
    put(dir.path(), "c.txt", "3\n", 15);
    for mut lines in [std::mem::take(&mut journal), so_far] {
        lines.extend(more.clone());
        let mut again = open(&dir, &[("maxFilesPerTrigger", "1")]);
        let earlier = Earlier { journal: lines, committed: Some(one.clone()), planned: Some(two.clone()) };
        again.source.restore(&earlier).unwrap();
        let rows =
            |s: &mut Stream, from, to| s.source.read(from, to).unwrap().into_iter().flat_map(|t| texts(&t().unwrap())).collect::<Vec<_>>();
        assert_eq!(rows(&mut again, Some(&one), &two), ["2"]);
        again.source.commit(&two).unwrap();
        again.at = Some(two.clone());
        assert_eq!(batch(&mut again), ["3"]);
        assert_eq!(batch(&mut again), [""; 0]);
    }
}
