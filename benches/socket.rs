//! Lines per second from a loopback socket into text columns, without and with the write-ahead log.

#![expect(clippy::disallowed_methods, reason = "timed with the machine's clock")]

use eddyline::checkpoint::Sync;
use eddyline::engine::Resources;
use eddyline::engine::clock::SystemClock;
use eddyline::engine::source::{Signal, SourceContext, SourceFolder, open};
use eddyline::plan::expr::ColumnId;
use eddyline::plan::logical::{Column, Scan};
use eddyline::types::{DataType, Field};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LINES: u64 = 2_000_000;
/// A line's bytes, its end included.
const LINE: usize = 100;

/// Prints a line for each way of keeping lines.
pub(crate) fn run(root: &Path) {
    for (name, wal, sync) in [("socket", false, Sync::None), ("wal none", true, Sync::None), ("wal offsets", true, Sync::Offsets)] {
        let dir = root.join("wal");
        let _ = std::fs::remove_dir_all(&dir);
        let (seconds, batches, held) = once(wal.then_some((&dir, sync)));
        let rate = LINES as f64 / seconds;
        println!("{name:<13} {rate:>10.0} {seconds:>9.3}   {batches} batches, at most {:.0} MiB of log", held as f64 / f64::from(1 << 20));
        let _ = std::fs::remove_dir_all(&dir);
    }
}

/// Seconds until every line came out of the source, the number of batches, and the most bytes that the log had.
fn once(log: Option<(&std::path::PathBuf, Sync)>) -> (f64, u64, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port().to_string();
    let sender = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("a peer");
        let block = format!("{}\n", "x".repeat(LINE - 1)).repeat(1000);
        for _ in 0..LINES / 1000 {
            if peer.write_all(block.as_bytes()).is_err() {
                return;
            }
        }
    });
    let column = Column { id: ColumnId(0), name: "value".to_string(), data_type: DataType::String };
    let mut options = vec![("host", "127.0.0.1"), ("port", port.as_str())];
    options.extend(log.map(|_| ("wal", "true")));
    let scan = Scan {
        name: "lines".to_string(),
        format: "socket".to_string(),
        options: options.into_iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        declared: vec![Field::new("value", DataType::String)],
        columns: vec![column],
        streaming: true,
    };
    let wake = Arc::new(Signal::default());
    let folder = log.map(|(dir, sync)| SourceFolder { dir: dir.clone(), sync });
    let clock = Arc::new(SystemClock::default());
    let context =
        SourceContext { wake: Arc::clone(&wake), clock, zone: chrono_tz::UTC, bad: Arc::default(), query: "q".to_string(), folder };
    let resources = Resources::new(0).expect("threads");
    let started = Instant::now();
    let mut source = open(&scan, &context, &resources).expect("a source");
    let (mut at, mut rows, mut batches, mut held) = (None, 0, 0, 0);
    while rows < LINES {
        let to = source.latest(at.as_ref()).expect("an offset");
        if to == at || to.is_none() {
            wake.wait(Duration::from_millis(100));
            continue;
        }
        let to = to.expect("an end");
        source.journal(at.as_ref(), &to).expect("kept");
        let tasks = source.read(at.as_ref(), &to).expect("rows");
        rows += resources.pool().map(tasks, |task| task().expect("decoded").rows() as u64).into_iter().sum::<u64>();
        source.commit(&to).expect("committed");
        held = source.status().wal_bytes.unwrap_or(0).max(held);
        source.durable(&to).expect("cleaned");
        (at, batches) = (Some(to), batches + 1);
    }
    let seconds = started.elapsed().as_secs_f64();
    sender.join().expect("sent");
    (seconds, batches, held)
}
