//! The real binary, a real sender, and SIGKILL at random moments: nothing that was received is lost or doubled.

use super::session_run::{DEADLINE, eddy, signal};
use crate::dice::Dice;
use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

/// How often the process is killed; more by the environment.
fn kills() -> u64 {
    std::env::var("EDDY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
}

/// Sends `<0>`, `<1>` … to whoever connects, as fast as they are taken, and goes on with the next number when the peer
/// is gone and another comes.
struct Sender {
    port: u16,
    sent: Arc<(Mutex<u64>, Condvar)>,
    last: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Sender {
    fn start() -> Sender {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent: Arc<(Mutex<u64>, Condvar)> = Arc::default();
        let (last, ended) = (Arc::new(AtomicU64::new(u64::MAX)), Arc::new(AtomicBool::new(false)));
        let (counter, until, over) = (Arc::clone(&sent), Arc::clone(&last), Arc::clone(&ended));
        std::thread::spawn(move || {
            while let Ok((mut peer, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                loop {
                    let from = *counter.0.lock().unwrap();
                    let to = (from + 1 + from % 97).min(until.load(Ordering::SeqCst));
                    if from >= to {
                        // All is sent: the connection stays open until the peer is gone.
                        let _ = std::io::Read::read(&mut peer, &mut [0]);
                        break;
                    }
                    let text: String = (from..to).map(|n| format!("<{n}>\n")).collect();
                    if peer.write_all(text.as_bytes()).is_err() {
                        break;
                    }
                    *counter.0.lock().unwrap() = to;
                    counter.1.notify_all();
                }
            }
        });
        Sender { port, sent, last, ended }
    }

    /// Waits until so many more lines are sent.
    fn more(&self, lines: u64) {
        let (counter, changed) = &*self.sent;
        let from = *counter.lock().unwrap();
        let (_sent, waited) = changed.wait_timeout_while(counter.lock().unwrap(), DEADLINE, |sent| *sent < from + lines).unwrap();
        assert!(!waited.timed_out(), "nobody takes lines from {from} on");
    }

    /// Nothing more after a few lines; the number of the line after the last.
    fn finish(&self) -> u64 {
        let counter = self.sent.0.lock().unwrap();
        let last = *counter + 500;
        self.last.store(last, Ordering::SeqCst);
        last
    }
}

fn spawn(port: u16, dir: &Path) -> Child {
    let sql = format!(
        "SET spark.sql.streaming.checkpoint.sync = none; \
         CREATE STREAM s USING socket OPTIONS (host '127.0.0.1', port {port}, wal 'true'); \
         START q AS SELECT value FROM STREAM s INTO text OPTIONS (path '{0}/out') TRIGGER PROCESSING TIME '5 milliseconds' CHECKPOINT '{0}/c'",
        dir.display()
    );
    eddy(&["-c", &sql]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts")
}

/// The numbers `<n>` in a file, in its order.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    for part in bytes.split(|b| *b == b'<').skip(1) {
        let Some(end) = part.iter().position(|b| *b == b'>') else { continue };
        found.extend(std::str::from_utf8(&part[..end]).ok().and_then(|n| n.parse::<u64>().ok()));
    }
    found
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<_> =
        entries.map(|e| e.unwrap().path()).filter(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.')).collect();
    found.sort();
    found
}

/// What the sink holds, in the order of its files.
fn written(dir: &Path) -> Vec<u64> {
    files(&dir.join("out")).iter().flat_map(|path| numbers(&std::fs::read(path).unwrap_or_default())).collect()
}

/// What the log holds in whole records: half of one was written and not yet received when the process was killed.
fn logged(dir: &Path) -> Vec<u64> {
    let mut found = Vec::new();
    for path in files(&dir.join("c/sources/0")) {
        let bytes = std::fs::read(path).unwrap_or_default();
        let mut rest = bytes.get("eddyline wal 1\n".len()..).unwrap_or_default();
        // The length of the text stands first in the 32 bytes before it.
        while let Some((head, after)) = rest.split_at_checked(32) {
            let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let Some(text) = after.get(..length) else { break };
            found.extend(numbers(text));
            rest = &after[length..];
        }
    }
    found
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the deadline of a child process, which has a clock of its own")]
fn a_killed_query_goes_on_with_every_line_it_had_received() {
    let dir = tempfile::tempdir().unwrap();
    let sender = Sender::start();
    let mut received: BTreeSet<u64> = BTreeSet::new();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for kill in 0..kills() {
        let mut child = spawn(sender.port, dir.path());
        sender.more(1 + dice.roll(40_000));
        signal(&child, Signal::SIGKILL);
        child.wait().unwrap();
        received.extend(logged(dir.path()));
        let sink = written(dir.path());
        assert!(sink.windows(2).all(|w| w[0] < w[1]), "kill {kill}: doubled, or out of order");
        received.extend(sink);
    }
    let last = sender.finish();
    let mut child = spawn(sender.port, dir.path());
    let begun = Instant::now();
    let newest = || files(&dir.path().join("out")).last().map(|path| numbers(&std::fs::read(path).unwrap_or_default()));
    while newest().and_then(|n| n.last().copied()) != Some(last - 1) {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("ended with {status}: {}", std::io::read_to_string(child.stderr.take().unwrap()).unwrap());
        }
        assert!(begun.elapsed() < DEADLINE, "the last line {} never came", last - 1);
        std::thread::yield_now();
    }
    sender.ended.store(true, Ordering::SeqCst);
    signal(&child, Signal::SIGTERM);
    assert!(child.wait().unwrap().success());
    let sink = written(dir.path());
    assert!(sink.windows(2).all(|w| w[0] < w[1]), "doubled, or out of order");
    let sink: BTreeSet<u64> = sink.into_iter().collect();
    let lost: Vec<&u64> = received.difference(&sink).take(5).collect();
    assert!(lost.is_empty(), "received and lost: {lost:?} …");
    assert!(received.len() as u64 > kills() * 20, "{} lines in all", received.len());
}
