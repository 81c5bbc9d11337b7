//! ALTER QUERY and RESUME of queries that run: nothing of what they had received is lost or doubled.

use super::engine::wait_for;
use eddyline::diagnostic::Diagnostic;
use eddyline::engine::clock::SystemClock;
use eddyline::engine::sink::console::{Format, Output};
use eddyline::progress::QueryState;
use eddyline::session::{Answer, Outcome, Session, SessionOptions, Surface};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

fn session() -> Session {
    let output = Output::new(Format::Ndjson, Box::new(std::io::sink()), false, Box::new(|| {}));
    let clock = Arc::new(SystemClock::default());
    let options = SessionOptions { output: Arc::new(output), surface: Surface::Script, arguments: vec![], stdin_is_data: false, clock };
    Session::new(options).unwrap()
}

/// Runs a statement; what it had to tell.
fn run(session: &mut Session, sql: &str) -> Vec<String> {
    session.execute(sql).unwrap_or_else(|e| panic!("{sql}: {e}")).notes
}

fn refused(outcome: Result<Outcome, Diagnostic>) -> String {
    let error = outcome.err().expect("it is refused");
    format!("{error} {}", error.notes.join(" "))
}

/// Sends `0`, `1`, `2` … to one client, as many as it is asked for.
struct Counter {
    port: u16,
    orders: Sender<u64>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<TcpStream>,
}

impl Counter {
    fn start() -> Counter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (orders, taken) = channel::<u64>();
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let thread = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            while let Ok(lines) = taken.recv() {
                let from = counter.load(Ordering::SeqCst);
                let text: String = (from..from + lines).map(|n| format!("{n}\n")).collect();
                peer.write_all(text.as_bytes()).unwrap();
                counter.store(from + lines, Ordering::SeqCst);
            }
            peer
        });
        Counter { port, orders, sent, thread }
    }

    /// Sends so many lines more, some of them after this returns.
    fn more(&self, lines: u64) {
        let until = self.sent.load(Ordering::SeqCst) + lines / 2;
        (0..10).for_each(|_| self.orders.send(lines / 10).unwrap());
        wait_for("lines to be taken", || self.sent.load(Ordering::SeqCst) >= until);
    }

    /// How many lines it sent in all, and the connection, which stays open.
    fn end(self) -> (u64, TcpStream) {
        drop(self.orders);
        let peer = self.thread.join().unwrap();
        (self.sent.load(Ordering::SeqCst), peer)
    }
}

/// The numbers after `prefix:` of the sink's lines, in the order of its files.
fn written(dir: &Path) -> Vec<(char, u64)> {
    let mut files: Vec<_> = std::fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "txt") && !p.file_name().unwrap().to_string_lossy().starts_with('.'));
    files.sort_by_key(|p| p.file_name().unwrap().to_owned());
    let line = |line: &str| (line.chars().next().unwrap(), line[2..].parse().unwrap());
    files.iter().flat_map(|p| std::fs::read_to_string(p).unwrap().lines().map(line).collect::<Vec<_>>()).collect()
}

#[test]
fn an_altered_query_takes_over_the_socket_and_every_line_in_it() {
    for (wal, checkpoint) in [(false, false), (false, true), (true, true)] {
        let what = format!("wal {wal}, checkpoint {checkpoint}");
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let counter = Counter::start();
        let mut session = session();
        run(&mut session, &format!("CREATE STREAM s USING socket OPTIONS (host '127.0.0.1', port {}, wal '{wal}')", counter.port));
        let clause = if checkpoint { format!("CHECKPOINT '{}'", at("c")) } else { String::new() };
        let into = format!("INTO text OPTIONS (path '{}') {clause}", at("out"));
        run(&mut session, &format!("START q AS SELECT concat('a:', value) AS v FROM STREAM s {into}"));
        let out = folder.path().join("out");
        for (before, letter) in [('a', 'b'), ('b', 'c'), ('c', 'd'), ('d', 'e')] {
            counter.more(5_000);
            wait_for("rows of the query as it is", || written(&out).iter().any(|(letter, _)| *letter == before));
            // Lines wait in the queue when it is altered: nothing takes them any more.
            if letter == 'c' {
                run(&mut session, "PAUSE q");
                counter.more(5_000);
            }
            let told = run(&mut session, &format!("ALTER QUERY q AS SELECT concat('{letter}:', value) AS v FROM STREAM s"));
            assert!(told[0].starts_with("q · altered: it keeps no state"), "{what}: {told:?}");
        }
        counter.more(5_000);
        let (sent, peer) = counter.end();
        wait_for(&format!("the last line ({what})"), || written(&out).last().is_some_and(|(_, n)| *n + 1 == sent));
        let rows = written(&out);
        assert!(rows.iter().map(|(_, n)| *n).eq(0..sent), "{what}: a line is missing, doubled or out of order");
        let letters: Vec<char> = rows.iter().map(|(letter, _)| *letter).collect();
        assert!(letters.is_sorted(), "{what}: {letters:?}");
        run(&mut session, "STOP q");
        drop(peer);
    }
}

#[test]
fn an_alteration_that_cannot_be_leaves_the_query_running() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    for clause in [String::new(), format!("CHECKPOINT '{}'", at("c"))] {
        let mut session = session();
        run(&mut session, &format!("CREATE STREAM s (k INT, w STRING) USING json OPTIONS (path '{}')", at("in")));
        run(&mut session, &format!("START q AS SELECT w FROM STREAM s INTO text OPTIONS (path '{}') {clause}", at("out")));
        for (query, why) in [
            ("SELECT k, w FROM STREAM s", "a line of text is one STRING"),
            ("SELECT k FROM STREAM s", "a line of text is one STRING"),
            ("SELECT nope FROM STREAM s", "nope"),
            ("SELECT w FROM STREAM s GROUP BY w", "aggregate"),
            ("SELECT DISTINCT w FROM STREAM s", "aggregate"),
            ("SELECT 'x' AS w", "reads no stream"),
        ] {
            let told = refused(session.execute(&format!("ALTER QUERY q AS {query}")));
            assert!(told.contains(why), "{query}: {told}");
            let entry = session.queries().get("q").unwrap();
            assert!(!entry.handle.snapshot().state.is_final(), "{query}: {clause}: it was ended");
        }
        run(&mut session, "STOP q");
    }
}

#[test]
fn resume_says_what_is_left_to_go_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/1.json"), "{\"k\":2}\n{\"k\":1}\n").unwrap();
    let mut session = session();
    run(&mut session, &format!("CREATE STREAM s (k INT) USING json OPTIONS (path '{}')", at("in")));
    // A failed query without a checkpoint stands where it stood before the batch that failed.
    std::fs::write(folder.path().join("out"), "in the way").unwrap();
    let start = format!("START q AS SELECT k FROM STREAM s INTO json OPTIONS (path '{}/x')", at("out"));
    run(&mut session, "START m AS SELECT sum(k) AS n FROM STREAM s INTO memory OUTPUT MODE complete");
    assert!(session.execute(&start).is_err(), "a file is in the way");
    std::fs::remove_file(folder.path().join("out")).unwrap();
    run(&mut session, &start);
    let out = folder.path().join("out/x");
    let rows = || {
        std::fs::read_dir(&out)
            .into_iter()
            .flatten()
            .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "json"))
            .count()
    };
    wait_for("the first file", || rows() == 1);
    // Its directory goes away and a file takes its place: the next batch fails.
    std::fs::remove_dir_all(&out).unwrap();
    std::fs::write(&out, "in the way").unwrap();
    std::fs::write(folder.path().join("in/2.json"), "{\"k\":3}\n").unwrap();
    let failed = |session: &Session| matches!(session.queries().get("q").unwrap().handle.snapshot().state, QueryState::Failed(_));
    wait_for("the failure", || failed(&session));
    std::fs::remove_file(&out).unwrap();
    std::fs::create_dir(&out).unwrap();
    assert_eq!(run(&mut session, "RESUME q"), ["q · runs again from where it stood"]);
    wait_for("the second file", || rows() == 1);
    // One that was stopped has let go of everything.
    run(&mut session, "STOP q");
    let told = run(&mut session, "RESUME q");
    assert!(told[0].contains("ended already; without a CHECKPOINT nothing is left to go on from"), "{told:?}");
    let told = refused(session.execute("CRASH m"));
    assert!(
        told.contains("`m` has no checkpoint: a crash would lose its state for good") && told.contains("CHECKPOINT 'directory'"),
        "{told}"
    );
    run(&mut session, "STOP m");
    let told = refused(session.execute("CRASH m"));
    assert!(told.contains("does not run"), "{told}");
}

/// As Spark has it: a directory of the query's name below that of the setting, and a fresh one for a query without one.
#[test]
fn a_setting_gives_every_query_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let names = || {
        let mut names: Vec<String> =
            std::fs::read_dir(folder.path().join("root")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_by_key(String::len);
        names
    };
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::write(folder.path().join("in/1.json"), "{\"k\":2}\n{\"k\":1}\n").unwrap();
    let mut session = session();
    run(&mut session, &format!("CREATE STREAM s (k INT) USING json OPTIONS (path '{}')", at("in")));
    run(&mut session, &format!("SET spark.sql.streaming.checkpointLocation = '{}/'", at("root")));
    let start = format!("START `my q` AS SELECT k FROM STREAM s INTO json OPTIONS (path '{}') TRIGGER AVAILABLE NOW", at("out"));
    let count = || std::fs::read_dir(folder.path().join("out")).unwrap().count();
    for again in [false, true] {
        let told = run(&mut session, &start);
        assert_eq!(told.iter().any(|t| t == "batch 0 was committed: it goes on with batch 1"), again, "{told:?}");
        session.queries().get("my q").unwrap().handle.wait(Some(super::engine::DEADLINE)).unwrap().unwrap();
        assert_eq!((count(), names()), (1, vec!["my q".to_string()]));
    }
    run(&mut session, "SELECT k FROM STREAM s INTO noop TRIGGER AVAILABLE NOW");
    run(&mut session, "SELECT k FROM STREAM s INTO noop TRIGGER AVAILABLE NOW");
    assert_eq!(names().len(), 3, "{:?}", names());
    // A clause of its own goes first, and a name that leads elsewhere is refused.
    run(&mut session, &format!("START other AS SELECT k FROM STREAM s INTO noop TRIGGER AVAILABLE NOW CHECKPOINT '{}'", at("own")));
    assert!(folder.path().join("own/metadata").exists());
    for name in ["../x", "/x", "a/..", ".."] {
        let told = refused(session.execute(&format!("START `{name}` AS SELECT k FROM STREAM s INTO noop")));
        assert!(told.contains("names no directory below spark.sql.streaming.checkpointLocation"), "{told}");
    }
    // What a query has it keeps, whatever becomes of the setting.
    run(&mut session, "START kept AS SELECT k FROM STREAM s INTO noop");
    let kept = session.queries().get("kept").unwrap().handle;
    wait_for("a batch", || !kept.snapshot().progress.is_empty());
    run(&mut session, "RESET spark.sql.streaming.checkpointLocation");
    run(&mut session, "STOP kept");
    assert!(run(&mut session, "RESUME kept").iter().any(|t| t.starts_with("batch ")), "it goes on from its checkpoint");
    run(&mut session, "STOP kept");
    run(&mut session, "START none AS SELECT k FROM STREAM s INTO noop TRIGGER AVAILABLE NOW");
    assert!(!names().contains(&"none".to_string()));
}

#[test]
fn state_stays_in_the_partitions_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str| {
        let lines: String = (0..50).map(|k| format!("{{\"k\":{k}}}\n")).collect();
        std::fs::write(folder.path().join(format!("{name}.tmp")), lines).unwrap();
        std::fs::rename(folder.path().join(format!("{name}.tmp")), folder.path().join(format!("{name}.json"))).unwrap();
    };
    let mut session = session();
    let stream = format!("CREATE STREAM s (k INT) USING json OPTIONS (path '{}/*.json')", folder.path().display());
    run(&mut session, &stream);
    let mut state = |sql: &str, before: &str| {
        run(&mut session, before);
        let Answer::Started(entry) = session.execute(sql).unwrap().answer else { panic!("{sql} starts a query") };
        wait_for("a batch", || entry.handle.snapshot().progress.iter().any(|p| p.num_input_rows == 50));
        let snapshot = entry.handle.snapshot();
        let state = &snapshot.progress.back().unwrap().state_operators[0];
        (state.partitions, state.num_rows_total)
    };
    write("one");
    let start = "START q AS SELECT k, count(*) AS n FROM STREAM s GROUP BY k INTO noop OUTPUT MODE update";
    assert_eq!(state(start, "SET spark.sql.shuffle.partitions = 4"), (4, 50));
    write("two");
    // Keys that were looked for elsewhere would be there twice.
    let altered = "ALTER QUERY q AS SELECT k, count(*) + 1 AS n FROM STREAM s GROUP BY k";
    assert_eq!(state(altered, "SET spark.sql.shuffle.partitions = 1"), (4, 50));
}
