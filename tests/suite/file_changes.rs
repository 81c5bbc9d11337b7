//! Files that change under a stream: gone, replaced, cut short, written to again.

use crate::streams::{Stream, clock, resources, scan, texts};
use eddyline::engine::EngineError;
use eddyline::engine::clock::ManualClock;
use eddyline::types::DataType;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

fn put(path: &Path, text: &str, age: u64) {
    fs::write(path, text).unwrap();
    let modified = UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

fn open(path: &Path, options: &[(&str, &str)]) -> Stream {
    let options: Vec<_> = options.iter().copied().chain([("path", path.to_str().unwrap())]).collect();
    Stream::open(&scan("text", &options, &[("value", DataType::String)]), &resources(), clock()).unwrap()
}

fn batch(stream: &mut Stream) -> Vec<String> {
    let before = stream.at.clone();
    let frames = stream.batch();
    if stream.at == before { Vec::new() } else { frames.iter().flat_map(texts).collect() }
}

/// The next batch's first failure, the file deleted in between.
fn read_without(stream: &mut Stream, path: &Path) -> Result<Vec<String>, EngineError> {
    let end = stream.source.latest(stream.at.as_ref()).unwrap().unwrap();
    fs::remove_file(path).unwrap();
    let mut lines = Vec::new();
    for task in stream.source.read(stream.at.as_ref(), &end).unwrap() {
        lines.extend(texts(&task()?));
    }
    Ok(lines)
}

#[test]
fn a_file_that_vanishes_fails_the_batch_unless_that_is_allowed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.txt");
    put(&path, "1\n", 5);
    let error = read_without(&mut open(dir.path(), &[]), &path).unwrap_err().to_string();
    assert!(error.starts_with("[FAILED_READ_FILE.FILE_NOT_EXIST] file "), "{error}");
    put(&path, "1\n", 5);
    let mut stream = open(dir.path(), &[("ignoreMissingFiles", "true")]);
    assert_eq!(read_without(&mut stream, &path).unwrap(), Vec::<String>::new());
    assert!(stream.source.status().sample.unwrap().contains("vanished before it was read"));
}

#[test]
fn a_file_of_a_directory_is_read_once_and_a_later_change_is_told() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.txt");
    put(&path, "1\n", 50);
    let mut stream = open(dir.path(), &[]);
    assert_eq!(batch(&mut stream), ["1"]);
    put(&path, "1\n2\n", 40);
    put(&dir.path().join("b.txt"), "3\n", 30);
    assert_eq!(batch(&mut stream), ["3"]);
    let told = stream.source.status().sample.unwrap();
    assert!(told.contains("a.txt changed after it was found"), "{told}");
}

#[test]
fn a_file_that_grew_since_it_was_found_is_read_as_it_is() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.txt");
    put(&path, "1\n", 5);
    let mut stream = open(dir.path(), &[]);
    let end = stream.source.latest(None).unwrap().unwrap();
    put(&path, "1\n2\n", 4);
    let read: Vec<String> = stream.source.read(None, &end).unwrap().into_iter().flat_map(|t| texts(&t().unwrap())).collect();
    assert_eq!(read, ["1", "2"]);
    assert!(stream.source.status().sample.unwrap().contains("had 2 bytes when it was found and 4 when it was read"));
}

#[test]
fn a_big_file_that_changes_between_its_pieces_is_read_again() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.txt");
    put(&path, &"a line of some length\n".repeat(300_000), 5);
    let mut stream = open(dir.path(), &[]);
    let end = stream.source.latest(None).unwrap().unwrap();
    let mut tasks = stream.source.read(None, &end).unwrap().into_iter();
    tasks.next().unwrap()().unwrap();
    put(&path, &"other lines of some length\n".repeat(300_000), 4);
    let error = tasks.next().unwrap()().unwrap_err();
    assert!(error.failure().retry && error.to_string().contains("changed while it was read"), "{error}");
    let again = stream.source.read(None, &end).unwrap().into_iter().map(|t| t().unwrap().rows()).sum::<usize>();
    assert_eq!(again, 300_000);
}

#[test]
fn a_growing_file_that_is_replaced_or_cut_short_is_read_anew() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("log");
    put(&path, "1\n2\n", 50);
    let manual = Arc::new(ManualClock::default());
    manual.advance_micros(1_700_000_000_000_000);
    let options = [("path", path.to_str().unwrap())];
    let mut stream = Stream::open(&scan("text", &options, &[("value", DataType::String)]), &resources(), manual).unwrap();
    assert_eq!(batch(&mut stream), ["1", "2"]);
    // Written anew, and longer than what was read.
    put(&path, "a\nb\nc\n", 40);
    assert_eq!(batch(&mut stream), ["a", "b", "c"]);
    assert!(stream.source.status().sample.unwrap().contains("cut short or written anew"));
    // Rotated: another file, which begins as the old one did.
    fs::rename(&path, dir.path().join("log.1")).unwrap();
    assert_eq!(batch(&mut stream), Vec::<String>::new());
    put(&path, "a\nb\nc\nd\n", 30);
    assert_eq!(batch(&mut stream), ["a", "b", "c", "d"]);
    assert!(stream.source.status().sample.unwrap().contains("replaced by another file"));
    put(&path, "a\nb\nc\nd\ne\n", 20);
    assert_eq!(batch(&mut stream), ["e"]);
}

#[test]
fn streams_take_no_times_of_modification() {
    let dir = TempDir::new().unwrap();
    let options = [("path", dir.path().to_str().unwrap()), ("modifiedAfter", "2020-01-01T00:00:00")];
    let refused = Stream::open(&scan("text", &options, &[("value", DataType::String)]), &resources(), clock());
    assert!(refused.err().unwrap().to_string().contains("modifiedAfter is for tables"));
}
