//! The write-ahead log of sockets: what was received comes again after a kill, and after a power loss what was synced.

use crate::streams::{Stream, clock, scan};
use eddyline::checkpoint::simulated::{Fault, Operation, SimulatedDisk};
use eddyline::checkpoint::storage::Disk;
use eddyline::checkpoint::{Offset, Sync};
use eddyline::engine::source::{Earlier, Signal, SourceContext, SourceFolder, open};
use eddyline::engine::{EngineError, Resources};
use eddyline::types::DataType;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const DIR: &str = "/c/sources/0";

/// A peer and the disk that outlive the process.
struct World {
    disk: SimulatedDisk,
    listener: TcpListener,
    port: String,
}

impl World {
    fn new() -> World {
        let disk = SimulatedDisk::default();
        disk.create_dir(Path::new(DIR)).unwrap();
        for dir in ["/c/sources", "/c", "/"] {
            disk.sync_dir(Path::new(dir)).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        World { disk, listener, port }
    }

    /// A process: a source that goes on where an earlier one stood, and the peer's end of its connection.
    fn open(&self, sync: Sync, earlier: Option<&Earlier>) -> Result<(Stream, TcpStream), EngineError> {
        let options = [("host", "127.0.0.1"), ("port", self.port.as_str()), ("wal", "true"), ("includeTimestamp", "true")];
        let scan = scan("socket", &options, &[("value", DataType::String), ("timestamp", DataType::Timestamp)]);
        let resources = Resources::with_disk(1, Arc::new(self.disk.clone())).unwrap();
        let wake = Arc::new(Signal::default());
        let folder = Some(SourceFolder { dir: PathBuf::from(DIR), sync });
        let context = SourceContext {
            wake: Arc::clone(&wake),
            clock: clock(),
            zone: chrono_tz::UTC,
            bad: Arc::default(),
            query: "q".to_string(),
            folder,
        };
        let mut source = open(&scan, &context, &resources)?;
        if let Some(earlier) = earlier {
            source.restore(earlier)?;
        }
        let (peer, _) = self.listener.accept().unwrap();
        Ok((Stream { source, wake, at: earlier.and_then(|e| e.committed.clone()) }, peer))
    }

    fn logs(&self) -> Vec<PathBuf> {
        self.disk.paths().into_iter().filter(|p| p.extension().is_some_and(|e| e == "wal")).collect()
    }
}

fn at(lines: u64) -> Offset {
    Offset(format!("{{\"lines\":{lines}}}"))
}

fn earlier(committed: u64, planned: Option<u64>) -> Earlier {
    Earlier { journal: vec!["wal=1".to_string()], committed: (committed > 0).then(|| at(committed)), planned: planned.map(at) }
}

/// Waits until the source has so many lines, replayed or received, without taking them.
fn has(stream: &mut Stream, lines: u64) {
    while stream.source.latest(stream.at.as_ref()).unwrap() != Some(at(lines)) {
        stream.wake.wait(std::time::Duration::from_millis(20));
    }
}

fn send(peer: &mut TcpStream, lines: std::ops::Range<u64>) {
    let text: String = lines.map(|n| format!("line {n}\n")).collect();
    peer.write_all(text.as_bytes()).unwrap();
}

fn expected(lines: std::ops::Range<u64>) -> Vec<String> {
    lines.map(|n| format!("line {n}")).collect()
}

#[test]
fn lines_that_were_received_come_again_after_a_kill() {
    let world = World::new();
    let (mut stream, mut peer) = world.open(Sync::Offsets, None).unwrap();
    assert_eq!(stream.source.latest(None).unwrap(), Some(at(0)));
    send(&mut peer, 0..10);
    assert_eq!(stream.lines(10), expected(0..10));
    send(&mut peer, 10..30);
    has(&mut stream, 30);
    // A batch up to line 20 was begun; nothing of it was synced.
    drop((stream, peer));
    world.disk.kill();
    let (mut stream, mut peer) = world.open(Sync::Offsets, Some(&earlier(10, Some(20)))).unwrap();
    assert_eq!(stream.source.status().replayed_rows, 20);
    let again: Vec<String> =
        stream.source.read(Some(&at(10)), &at(20)).unwrap().into_iter().flat_map(|t| super::streams::texts(&t().unwrap())).collect();
    assert_eq!(again, expected(10..20), "the same range has the same lines");
    stream.source.commit(&at(20)).unwrap();
    stream.at = Some(at(20));
    send(&mut peer, 30..35);
    assert_eq!(stream.lines(15), expected(20..35), "then the rest, then what is new");
    assert_eq!(stream.at, Some(at(35)));
}

#[test]
fn arrival_times_are_kept() {
    let world = World::new();
    let (mut stream, mut peer) = world.open(Sync::None, None).unwrap();
    assert_eq!(stream.source.latest(None).unwrap(), Some(at(0)));
    send(&mut peer, 0..3);
    has(&mut stream, 3);
    let times = |stream: &mut Stream| {
        let frame = stream.source.read(None, &at(3)).unwrap().remove(0)().unwrap();
        frame.columns()[1].i64().unwrap().into_no_null_iter().collect::<Vec<_>>()
    };
    let first = times(&mut stream);
    drop((stream, peer));
    let (mut stream, _peer) = world.open(Sync::None, Some(&earlier(0, Some(3)))).unwrap();
    assert_eq!(times(&mut stream), first);
}

#[test]
fn what_was_synced_survives_a_power_loss() {
    for seed in 0..40 {
        let world = World::new();
        let (mut stream, mut peer) = world.open(Sync::Offsets, None).unwrap();
        assert_eq!(stream.source.latest(None).unwrap(), Some(at(0)));
        send(&mut peer, 0..50);
        has(&mut stream, 50);
        assert_eq!(stream.source.journal(None, &at(50)).unwrap(), ["wal=1"]);
        assert!(stream.source.journal(Some(&at(50)), &at(50)).unwrap().is_empty());
        send(&mut peer, 50..90);
        has(&mut stream, 90);
        drop((stream, peer));
        world.disk.lose_power(seed);
        let (mut stream, mut peer) = world.open(Sync::Offsets, Some(&earlier(0, Some(50)))).unwrap();
        let kept = stream.source.status().replayed_rows;
        assert!((50..=90).contains(&kept), "seed {seed}: {kept}");
        send(&mut peer, kept..kept + 5);
        has(&mut stream, kept + 5);
        // And once more, over the log that was cut.
        drop((stream, peer));
        world.disk.kill();
        let (mut stream, _peer) = world.open(Sync::Offsets, Some(&earlier(0, Some(50)))).unwrap();
        let count = usize::try_from(kept).unwrap() + 5;
        assert_eq!(stream.lines(count), expected(0..kept + 5), "seed {seed}");
    }
}

#[test]
fn a_changed_bit_is_refused_by_the_files_name() {
    let world = World::new();
    let (mut stream, mut peer) = world.open(Sync::Offsets, None).unwrap();
    assert_eq!(stream.source.latest(None).unwrap(), Some(at(0)));
    for n in 0..3 {
        send(&mut peer, n * 4..n * 4 + 4);
        has(&mut stream, n * 4 + 4);
    }
    drop((stream, peer));
    let path = world.logs().remove(0);
    let whole = world.disk.read(&path).unwrap();
    for byte in 0..whole.len() {
        for bit in [0, 3, 7] {
            world.disk.damage(&path, |bytes| bytes[byte] ^= 1 << bit);
            let error = world.open_only(&earlier(0, Some(12)));
            world.disk.damage(&path, |bytes| bytes.clone_from(&whole));
            let error = error.expect_err(&format!("byte {byte} bit {bit}")).to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }
    for length in 0..whole.len() {
        world.disk.damage(&path, |bytes| bytes.truncate(length));
        let error = world.open_only(&earlier(0, Some(12))).expect_err(&format!("cut to {length}"));
        assert!(error.to_string().contains(DIR), "{error}");
        world.disk.damage(&path, |bytes| bytes.clone_from(&whole));
    }
    world.disk.remove(&path).unwrap();
    assert!(world.open_only(&earlier(0, Some(12))).unwrap_err().to_string().contains(DIR));
}

impl World {
    /// Opens and restores without a peer.
    fn open_only(&self, earlier: &Earlier) -> Result<(), EngineError> {
        let scan = scan("socket", &[("host", "127.0.0.1"), ("port", "1"), ("wal", "true")], &[("value", DataType::String)]);
        let resources = Resources::with_disk(1, Arc::new(self.disk.clone())).unwrap();
        let folder = Some(SourceFolder { dir: PathBuf::from(DIR), sync: Sync::Offsets });
        let context = SourceContext {
            wake: Arc::default(),
            clock: clock(),
            zone: chrono_tz::UTC,
            bad: Arc::default(),
            query: "q".to_string(),
            folder,
        };
        open(&scan, &context, &resources)?.restore(earlier)
    }
}

#[test]
fn a_line_that_cannot_be_kept_is_not_received() {
    let world = World::new();
    let (mut stream, mut peer) = world.open(Sync::Offsets, None).unwrap();
    assert_eq!(stream.source.latest(None).unwrap(), Some(at(0)));
    send(&mut peer, 0..5);
    has(&mut stream, 5);
    world.disk.fail(Fault { operation: Operation::Write, path: ".wal".to_string(), skip: 0, times: 1, os_error: 28 });
    send(&mut peer, 5..9);
    let error = loop {
        match stream.source.latest(Some(&at(5))) {
            Ok(end) => assert_eq!(end, Some(at(5)), "a line that is on no disk does not count"),
            Err(error) => break error,
        }
        stream.wake.wait(std::time::Duration::from_millis(20));
    };
    assert!(error.to_string().contains(&format!("{DIR} cannot be written: the disk is full")), "{error}");
    // There is room again: the lines are written anew, over what had been half written.
    has(&mut stream, 9);
    drop((stream, peer));
    world.disk.kill();
    let (mut stream, _peer) = world.open(Sync::Offsets, Some(&earlier(0, None))).unwrap();
    assert_eq!(stream.lines(9), expected(0..9));
}

#[test]
fn segments_are_bounded_and_go_when_their_lines_are_durable() {
    let world = World::new();
    let (mut stream, mut peer) = world.open(Sync::None, None).unwrap();
    assert_eq!(stream.source.latest(None).unwrap(), Some(at(0)));
    let line = format!("{}\n", "x".repeat(1023));
    let block = line.repeat(1024);
    for _ in 0..40 {
        peer.write_all(block.as_bytes()).unwrap();
    }
    has(&mut stream, 40 * 1024);
    let logs = world.logs().len();
    assert!(logs >= 2, "{logs} segments for 40 MiB");
    let (end, middle) = (at(40 * 1024), at(17 * 1024));
    stream.source.commit(&end).unwrap();
    assert_eq!(world.logs().len(), logs, "a power loss may need them until they are durable");
    stream.source.durable(&middle).unwrap();
    assert_eq!(world.logs().len(), logs - 1);
    stream.source.durable(&end).unwrap();
    assert_eq!(world.logs().len(), 1);
    drop((stream, peer));
    let committed = Earlier { committed: Some(end.clone()), ..earlier(1, None) };
    let (stream, _peer) = world.open(Sync::None, Some(&committed)).unwrap();
    assert_eq!(stream.source.status().replayed_rows, 0);
}

#[test]
fn without_a_checkpoint_it_is_refused() {
    let scan = scan("socket", &[("host", "127.0.0.1"), ("port", "1"), ("wal", "true")], &[("value", DataType::String)]);
    let error = Stream::open(&scan, &crate::streams::resources(), clock()).err().unwrap();
    assert!(error.to_string().contains("without a CHECKPOINT the query has no place for them"), "{error}");
    let world = World::new();
    let no_wal = scan_without_wal();
    let resources = Resources::with_disk(1, Arc::new(world.disk.clone())).unwrap();
    let mut source = Stream::open(&no_wal, &resources, clock()).unwrap().source;
    let error = source.restore(&earlier(3, None)).unwrap_err();
    assert!(error.to_string().contains("has a write-ahead log of lines"), "{error}");
}

fn scan_without_wal() -> eddyline::plan::logical::Scan {
    scan("socket", &[("host", "127.0.0.1"), ("port", "1")], &[("value", DataType::String)])
}
