//! A stand-in for `nc -lk` that makes its own data: what `eddy demo` connects to.
//!
//! It listens on a free port of the loopback interface and serves one client at a time, as `nc -lk` does, with lines
//! at a steady rate. What it makes depends on its seed only, apart from the times in orders.

use crate::engine::clock::{Clock, SystemClock};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 32 * 1024;
/// Shortest wait between two writes.
const TICK: Duration = Duration::from_millis(10);
/// What every feed starts its numbers from.
const SEED: u64 = 0x0eda_57f1_0e5e_ed00;

/// What lines a feed makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedKind {
    /// Three to nine common words, some far more common than others.
    Words,
    /// Orders as JSON: `{"id":1,"status":"paid","amount":12.50,"ts":"2024-01-01T00:00:00.000Z"}`. Now and then one is late.
    Orders,
}

/// A running feed; dropping it stops it.
pub struct Feed {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    /// The client being served, for a stop to cut off.
    client: Option<TcpStream>,
    sent: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits; true when stopped.
    fn pause(&self, at_most: Duration) -> bool {
        let wait = self.changed.wait_timeout_while(self.state(), at_most, |state| !state.stopped);
        wait.unwrap_or_else(PoisonError::into_inner).0.stopped
    }
}

impl Feed {
    /// Starts a feed of `rate` lines a second, or as fast as its client takes them; after `limit` lines it ends.
    ///
    /// # Errors
    /// No free port, or no thread.
    pub fn start(kind: FeedKind, rate: Option<u32>, limit: Option<u64>) -> io::Result<Feed> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let sender = Sender { lines: Lines::new(kind), rate, limit, clock: SystemClock::default(), shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("eddy-feed".to_string()).spawn(move || sender.serve(&listener))?;
        Ok(Feed { address, shared, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lines sent so far.
    pub fn sent(&self) -> u64 {
        self.shared.state().sent
    }

    /// Closes the connection and the port.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let client = {
            let mut state = self.shared.state();
            state.stopped = true;
            state.client.take()
        };
        self.shared.changed.notify_all();
        // Both may be gone already: then there is nothing to wake.
        if let Some(client) = client {
            let _ = client.shutdown(Shutdown::Both);
        }
        let _ = TcpStream::connect(self.address);
        let _ = thread.join();
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end();
    }
}

/// The thread's side.
struct Sender {
    lines: Lines,
    rate: Option<u32>,
    limit: Option<u64>,
    clock: SystemClock,
    shared: Arc<Shared>,
}

impl Sender {
    /// One client after the other, until stopped or done.
    fn serve(mut self, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            let registered = client.try_clone().is_ok_and(|clone| {
                let mut state = self.shared.state();
                state.client = Some(clone);
                !state.stopped
            });
            if !registered {
                return;
            }
            // A client that went away makes room for the next one.
            let _ = self.send(client);
            let mut state = self.shared.state();
            state.client = None;
            if state.stopped || self.limit.is_some_and(|limit| state.sent >= limit) {
                return;
            }
        }
    }

    /// Lines for one client, until it goes, the limit is reached or the feed is stopped.
    fn send(&mut self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let mut text = String::with_capacity(WRITE_BYTES + 1024);
        let mut begun = self.clock.ticks();
        let mut sent_here = 0;
        loop {
            let due = self.due(&mut begun, &mut sent_here);
            let mut count = 0;
            text.clear();
            while count < due && text.len() < WRITE_BYTES {
                self.lines.push(&mut text, self.clock.now_micros());
                count += 1;
            }
            client.write_all(text.as_bytes())?;
            sent_here += count;
            let sent = {
                let mut state = self.shared.state();
                state.sent += count;
                if state.stopped {
                    return Ok(());
                }
                state.sent
            };
            if self.limit.is_some_and(|limit| sent >= limit) {
                return Ok(());
            }
            if count == due && self.rate.is_some() && self.shared.pause(self.until_next(begun, sent_here)) {
                return Ok(());
            }
        }
    }

    /// Lines that should have gone out by now and have not. A client that held us back for more than a second gets no
    /// flood afterwards: the schedule starts anew.
    fn due(&self, begun: &mut u64, sent_here: &mut u64) -> u64 {
        let left = self.limit.map_or(u64::MAX, |limit| limit - self.shared.state().sent.min(limit));
        let Some(rate) = self.rate.map(u64::from) else { return left };
        let now = self.clock.ticks();
        let due = lines_by(now - *begun, rate).saturating_sub(*sent_here);
        if due <= rate {
            return due.min(left);
        }
        (*begun, *sent_here) = (now, 0);
        left.min(1)
    }

    /// Until the next line is due.
    fn until_next(&self, begun: u64, sent_here: u64) -> Duration {
        let rate = u128::from(self.rate.unwrap_or(u32::MAX).max(1));
        let at = u128::from(begun) + u128::from(sent_here) * 1_000_000_000 / rate;
        let wait = at.saturating_sub(u128::from(self.clock.ticks()));
        Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX)).max(TICK)
    }
}

/// Lines due `nanos` after the first one.
fn lines_by(nanos: u64, rate: u64) -> u64 {
    u64::try_from(u128::from(nanos) * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX) + 1
}

/// Makes the lines.
struct Lines {
    kind: FeedKind,
    random: Random,
    next_id: u64,
    /// For each word, the sum of the weights up to and with it.
    weights: Vec<u64>,
}

impl Lines {
    fn new(kind: FeedKind) -> Lines {
        // Zipf: the word of rank n is 1/n as common as the first.
        let weights = (1..=WORDS.len() as u64).scan(0, |sum, rank| {
            *sum += 1_000_000 / rank;
            Some(*sum)
        });
        Lines { kind, random: Random(SEED), next_id: 1, weights: weights.collect() }
    }

    /// Adds a line and its end.
    fn push(&mut self, out: &mut String, now: i64) {
        match self.kind {
            FeedKind::Words => {
                for i in 0..self.random.below(7) + 3 {
                    if i > 0 {
                        out.push(' ');
                    }
                    out.push_str(self.word());
                }
            }
            FeedKind::Orders => self.push_order(out, now),
        }
        out.push('\n');
    }

    fn word(&mut self) -> &'static str {
        let total = self.weights.last().copied().unwrap_or(1);
        let at = self.random.below(total);
        WORDS[self.weights.partition_point(|sum| *sum <= at)]
    }

    fn push_order(&mut self, out: &mut String, now: i64) {
        let status = STATUSES[self.random.below(STATUSES.len() as u64) as usize];
        let cents = 100 + self.random.below(100) * self.random.below(500);
        // Most orders are told of within two seconds, one in fifty up to two minutes late.
        let late = if self.random.below(50) == 0 { 120_000_000 } else { 2_000_000 };
        let micros = now - self.random.below(late) as i64;
        let time = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
        let id = self.next_id;
        self.next_id += 1;
        let (whole, rest) = (cents / 100, cents % 100);
        // Writing to a String does not fail.
        let _ = write!(out, "{{\"id\":{id},\"status\":\"{status}\",\"amount\":{whole}.{rest:02},\"ts\":\"");
        let _ = write!(out, "{}\"}}", time.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    }
}

/// A small generator (splitmix64): the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}

/// How often a status is listed is how common it is.
const STATUSES: &[&str] = &[
    "new",
    "new",
    "new",
    "paid",
    "paid",
    "paid",
    "paid",
    "shipped",
    "shipped",
    "shipped",
    "delivered",
    "delivered",
    "returned",
    "cancelled",
];

/// From the most common to the rarest.
const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "to",
    "in",
    "a",
    "is",
    "that",
    "for",
    "it",
    "as",
    "was",
    "with",
    "be",
    "by",
    "on",
    "not",
    "he",
    "this",
    "are",
    "or",
    "his",
    "from",
    "at",
    "which",
    "but",
    "have",
    "an",
    "had",
    "they",
    "you",
    "were",
    "their",
    "one",
    "all",
    "we",
    "can",
    "her",
    "has",
    "there",
    "been",
    "if",
    "more",
    "when",
    "will",
    "would",
    "who",
    "so",
    "no",
    "stream",
    "water",
    "river",
    "data",
    "time",
    "event",
    "word",
    "count",
    "batch",
    "window",
    "state",
    "late",
    "row",
    "query",
    "table",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dog",
    "light",
    "night",
    "morning",
    "winter",
    "summer",
    "spring",
    "autumn",
    "green",
    "blue",
    "red",
    "yellow",
    "white",
    "black",
    "small",
    "great",
    "long",
    "short",
    "early",
    "young",
    "old",
    "new",
    "first",
    "last",
    "next",
    "many",
    "some",
    "other",
    "same",
    "good",
    "true",
    "false",
    "house",
    "street",
    "city",
    "village",
    "garden",
    "forest",
    "mountain",
    "valley",
    "bridge",
    "road",
    "ship",
    "train",
    "horse",
    "bird",
    "fish",
    "tree",
    "flower",
    "stone",
    "sand",
    "wind",
    "rain",
    "snow",
    "cloud",
    "fire",
    "sun",
    "moon",
    "star",
    "earth",
    "sea",
    "lake",
    "island",
    "coast",
    "harbour",
    "market",
    "school",
    "letter",
    "book",
    "page",
    "paper",
    "story",
    "song",
    "music",
    "voice",
    "hand",
    "eye",
    "face",
    "heart",
    "mind",
    "friend",
    "child",
    "woman",
    "man",
    "people",
    "king",
    "queen",
    "soldier",
    "teacher",
    "doctor",
    "farmer",
    "baker",
    "driver",
    "worker",
    "writer",
    "painter",
    "work",
    "play",
    "walk",
    "run",
    "sleep",
    "dream",
    "read",
    "write",
    "speak",
    "listen",
    "watch",
    "learn",
    "teach",
    "build",
    "break",
    "open",
    "close",
    "begin",
    "end",
    "carry",
    "bring",
    "take",
    "give",
    "find",
    "lose",
    "keep",
    "turn",
    "move",
    "stand",
    "sit",
    "fall",
    "rise",
    "grow",
    "bread",
    "milk",
    "apple",
    "salt",
    "sugar",
    "coffee",
    "tea",
    "wine",
    "chair",
    "door",
    "key",
    "lamp",
    "clock",
    "mirror",
    "kettle",
    "basket",
    "ladder",
    "hammer",
    "needle",
    "thread",
    "wheel",
    "engine",
    "signal",
    "eddy",
    "ripple",
    "current",
    "whirl",
    "vortex",
    "spark",
    "confluence",
    "delta",
    "eddyline",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_in_every_run() {
        let make = |kind| {
            let mut lines = Lines::new(kind);
            let mut text = String::new();
            (0..200).for_each(|_| lines.push(&mut text, 1_704_067_200_000_000));
            text
        };
        let words = make(FeedKind::Words);
        assert_eq!(words, make(FeedKind::Words));
        assert_eq!(words.lines().count(), 200);
        assert!(words.lines().all(|line| (3..=9).contains(&line.split(' ').count())));
        let count = |word| words.split_whitespace().filter(|w| *w == word).count();
        assert!(count("the") > 2 * count("in") && count("in") > count("time"), "{words}");
        let orders = make(FeedKind::Orders);
        assert!(orders.starts_with("{\"id\":1,\"status\":\""), "{orders}");
        assert!(orders.lines().all(|line| line.contains("\"ts\":\"202") && line.ends_with("Z\"}")));
    }

    #[test]
    fn the_first_line_is_due_at_once() {
        assert_eq!(lines_by(0, 20), 1);
        assert_eq!(lines_by(1_000_000_000, 20), 21);
    }
}
