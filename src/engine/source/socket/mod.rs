//! Lines from a TCP connection, as `nc -lk 9999` sends them.
//!
//! ```text
//! connect: Connecting ─▸ Connected ─▸ PeerClosed ─▸ (back-off) ─▸ Connected …        reconnect
//!               └────▸ Refused ─▸ (back-off) ─▸ …        └▸ Ended                    or not
//! listen:  Listening ─▸ Connected ─▸ Listening …
//! ```
//!
//! The task on the runtime reads only while its queue has room, so TCP holds the sender back when queries are slower.
//! In listen mode clients are served one after the other, as `nc` does.

mod log;
mod open;
mod wal;

pub(super) use log::Log;
pub(super) use open::check;
pub(super) use open::max_line_bytes;
pub use open::{open, watch};

use crate::engine::clock::Clock;
use crate::engine::runtime;
use crate::engine::source::lines::{MAX_LINE_BYTES, Splitter};
use crate::engine::source::queue::{LineQueue, QueueLimits};
use crate::engine::source::receivers::Receiver;
use crate::progress::Connection;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Wait before the first attempt to connect again; doubles with every failure …
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// … up to this.
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketMode {
    /// We do; the peer listens, as `nc -lk` does.
    Connect,
    /// The peer does; we listen.
    Listen,
}

/// What the receiver needs to know of a socket stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketOptions {
    /// Name or address.
    pub host: String,
    /// In listen mode, 0 takes any free port.
    pub port: u16,
    /// Who connects.
    pub mode: SocketMode,
    /// Whether to try again after the peer closed or refused.
    pub reconnect: bool,
    /// Longer lines are dropped.
    pub max_line_bytes: usize,
}

impl SocketOptions {
    /// Connects to an address, and again when it is lost.
    pub fn connect(host: impl Into<String>, port: u16) -> SocketOptions {
        SocketOptions { host: host.into(), port, mode: SocketMode::Connect, reconnect: true, max_line_bytes: MAX_LINE_BYTES }
    }

    /// `localhost:9999`, an IPv6 address in brackets.
    pub fn address(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { format!("{}:{}", self.host, self.port) }
    }
}

/// Starts a receiver on the runtime.
pub fn start(options: SocketOptions, limits: QueueLimits, clock: Arc<dyn Clock>) -> Receiver {
    let queue = Arc::new(LineQueue::new(limits, clock));
    queue.set_connection(Connection::Connecting(None));
    let task = runtime::handle().spawn(receive(options, Arc::clone(&queue))).abort_handle();
    Receiver { queue, task: Some(task) }
}

async fn receive(options: SocketOptions, queue: Arc<LineQueue>) {
    match options.mode {
        SocketMode::Connect => connect(options, &queue).await,
        SocketMode::Listen => listen(options, &queue).await,
    }
}

/// Connects, reads to the end, and again.
async fn connect(options: SocketOptions, queue: &LineQueue) {
    let mut backoff = Backoff::default();
    loop {
        match TcpStream::connect((options.host.as_str(), options.port)).await {
            Ok(stream) => {
                queue.set_connection(Connection::Connected);
                if read_to_end(stream, options.max_line_bytes, queue).await {
                    backoff = Backoff::default();
                }
                if !options.reconnect {
                    return queue.close(Connection::Ended);
                }
                queue.set_connection(Connection::PeerClosed);
            }
            Err(error) => {
                let refused = Connection::Refused(format!("cannot connect to {}: {}", options.address(), reason(&error)));
                if !options.reconnect {
                    return queue.close(refused);
                }
                queue.set_connection(refused);
            }
        }
        tokio::time::sleep(backoff.next()).await;
    }
}

/// Serves one client after the other.
async fn listen(options: SocketOptions, queue: &LineQueue) {
    let mut backoff = Backoff::default();
    let listener = loop {
        match TcpListener::bind((options.host.as_str(), options.port)).await {
            Ok(listener) => break listener,
            Err(error) => {
                let refused = Connection::Refused(format!("cannot listen on {}: {}", options.address(), reason(&error)));
                if !options.reconnect {
                    return queue.close(refused);
                }
                queue.set_connection(refused);
            }
        }
        tokio::time::sleep(backoff.next()).await;
    };
    let address = listener.local_addr().map_or_else(|_| options.address(), |a| a.to_string());
    loop {
        queue.set_connection(Connection::Listening(address.clone()));
        // A client that is gone before it is served is no reason to stop; anything lasting shows in the next round.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(FIRST_BACKOFF).await;
            continue;
        };
        queue.set_connection(Connection::Connected);
        read_to_end(stream, options.max_line_bytes, queue).await;
        if !options.reconnect {
            return queue.close(Connection::Ended);
        }
    }
}

/// Moves lines from the connection into the queue until the peer closes; says whether any byte came.
async fn read_to_end(mut stream: TcpStream, max_line: usize, queue: &LineQueue) -> bool {
    let mut splitter = Splitter::new(max_line);
    let mut any = false;
    loop {
        queue.room().await;
        // A connection that breaks has ended like one that was closed: what came before it counts.
        let count = stream.read(splitter.space()).await.unwrap_or(0);
        if count == 0 {
            splitter.finish();
        } else {
            any = true;
            splitter.filled(count);
        }
        hand_over(&mut splitter, queue).await;
        if count == 0 {
            return any;
        }
    }
}

async fn hand_over(splitter: &mut Splitter, queue: &LineQueue) {
    queue.note(splitter.take_flaws());
    let (bytes, lines) = splitter.block();
    let mut taken = queue.append(bytes, lines);
    while taken < lines.len() {
        queue.room().await;
        taken += queue.append(bytes, &lines[taken..]);
    }
    splitter.next();
}

/// Why an attempt failed, in the words people know.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused, nothing listens there".to_string(),
        io::ErrorKind::TimedOut => "no answer".to_string(),
        io::ErrorKind::AddrInUse => "the port is in use".to_string(),
        io::ErrorKind::PermissionDenied => "not permitted".to_string(),
        _ => error.to_string(),
    }
}

/// Growing waits between attempts.
struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff(FIRST_BACKOFF)
    }
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LAST_BACKOFF);
        wait
    }
}
