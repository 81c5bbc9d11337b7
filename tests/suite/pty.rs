//! The real binary in a pseudo-terminal: what a person at the prompt sees.

use super::session_run::{DEADLINE, accept, root};
use eddyline::engine::clock::{Clock, SystemClock};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const ROWS: NonZero<u16> = NonZero::new(24).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(100).unwrap();

/// A screen with the program behind it.
struct Screen {
    seen: Arc<(Mutex<Seen>, Condvar)>,
    keyboard: Arc<Mutex<Box<dyn Write + Send>>>,
    child: Box<dyn Child + Send + Sync>,
    clock: SystemClock,
    state: tempfile::TempDir,
    master: Option<Box<dyn MasterPty + Send>>,
}

struct Seen {
    screen: vt100::Parser,
    /// Everything ever written.
    raw: Vec<u8>,
    ended: bool,
}

impl Screen {
    fn open(args: &[&str]) -> Screen {
        let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pty");
        let state = tempfile::tempdir().expect("a folder");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_eddy"));
        command.args(args);
        command.cwd(root());
        command.env("TERM", "xterm-256color");
        command.env("XDG_STATE_HOME", state.path());
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).expect("starts");
        drop(pair.slave);
        let seen =
            Arc::new((Mutex::new(Seen { screen: vt100::Parser::new(ROWS, COLUMNS, 0), raw: Vec::new(), ended: false }), Condvar::new()));
        let keyboard = Arc::new(Mutex::new(pair.master.take_writer().expect("a keyboard")));
        let mut reader = pair.master.try_clone_reader().expect("a screen");
        let (watch, answers) = (Arc::clone(&seen), Arc::clone(&keyboard));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let n = reader.read(&mut bytes).unwrap_or(0);
                let (lock, changed) = &*watch;
                let mut seen = lock.lock().unwrap();
                seen.screen.process(&bytes[..n]);
                seen.raw.extend_from_slice(&bytes[..n]);
                seen.ended = n == 0;
                // The question for the cursor's place, which a bare pty leaves unanswered.
                if bytes[..n].windows(4).any(|w| w == b"\x1b[6n") {
                    let (row, column) = seen.screen.screen().cursor_position();
                    let _ = answers.lock().unwrap().write_all(format!("\x1b[{};{}R", row + 1, column + 1).as_bytes());
                }
                changed.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Screen { seen, keyboard, child, clock: SystemClock::default(), state, master: Some(pair.master) }
    }

    /// A prompt that is ready.
    fn prompt() -> Screen {
        let mut screen = Screen::open(&[]);
        screen.wait("eddy> ");
        screen
    }

    fn press(&mut self, keys: &str) {
        let mut keyboard = self.keyboard.lock().unwrap();
        keyboard.write_all(keys.as_bytes()).expect("typed");
        keyboard.flush().expect("typed");
    }

    /// Types a line and its Enter.
    fn line(&mut self, text: &str) {
        self.press(&format!("{text}\r"));
    }

    /// Waits until `test` holds of the screen's text.
    fn wait_for(&mut self, what: &str, test: impl Fn(&str) -> bool) -> String {
        let started = self.clock.ticks();
        let (lock, changed) = &*self.seen;
        let mut seen = lock.lock().unwrap();
        loop {
            let text = seen.screen.screen().contents();
            if test(&text) {
                return text;
            }
            let waited = Duration::from_nanos(self.clock.ticks() - started);
            assert!(waited < DEADLINE && !seen.ended, "no {what} on the screen:\n{text}");
            seen = changed.wait_timeout(seen, DEADLINE - waited).unwrap().0;
        }
    }

    fn wait(&mut self, text: &str) -> String {
        self.wait_for(&format!("{text:?}"), |screen| screen.contains(text))
    }

    /// Waits for a fresh prompt below `text`.
    fn wait_prompt_after(&mut self, text: &str) -> String {
        self.wait_for(&format!("{text:?} and a prompt below"), |screen| screen.trim_end().ends_with("eddy>") && screen.contains(text))
    }

    /// Leaves by Ctrl-D at a fresh prompt, and waits for the program's end.
    fn leave(mut self) -> (u32, String, tempfile::TempDir) {
        self.wait_for("prompt", |screen| screen.trim_end().ends_with("eddy>"));
        self.press("\u{4}");
        self.end()
    }

    /// Takes the terminal away, and waits for the program's end.
    fn hang_up(mut self) {
        let nobody: Box<dyn Write + Send> = Box::new(std::io::sink());
        *self.keyboard.lock().unwrap() = nobody;
        drop(self.master.take());
        let started = self.clock.ticks();
        while self.child.try_wait().expect("a child").is_none() {
            assert!(Duration::from_nanos(self.clock.ticks() - started) < DEADLINE, "it goes on without a terminal");
            std::thread::yield_now();
        }
    }

    /// Waits for the program's end.
    fn end(mut self) -> (u32, String, tempfile::TempDir) {
        let (lock, changed) = &*self.seen;
        let seen = lock.lock().unwrap();
        let (seen, _) = changed.wait_timeout_while(seen, DEADLINE, |s| !s.ended).unwrap();
        assert!(seen.ended, "it goes on:\n{}", seen.screen.screen().contents());
        let raw = String::from_utf8_lossy(&seen.raw).into_owned();
        drop(seen);
        let code = self.child.wait().expect("ends").exit_code();
        (code, raw, self.state)
    }
}

#[test]
fn a_statement_goes_on_until_its_semicolon() {
    let mut screen = Screen::prompt();
    screen.line("SELECT 'one;two' AS a,");
    screen.wait("  ... ");
    screen.line("  2 AS b;");
    let text = screen.wait_prompt_after("| one;two | 2 |");
    assert!(text.contains("  ... "), "{text}");
    assert_eq!(screen.leave().0, 0);
}

#[test]
fn an_error_is_drawn_and_the_prompt_lives_on() {
    let mut screen = Screen::prompt();
    screen.line("SELECT wrod FROM VALUES ('a') AS t(word);");
    let text = screen.wait("^^^^");
    assert!(text.contains("UNRESOLVED_COLUMN"), "{text}");
    screen.line("SELECT 40 + 2 AS answer;");
    screen.wait("|     42 |");
    screen.line(".quit");
    assert_eq!(screen.end().0, 0);
}

#[test]
fn control_c_clears_the_statement() {
    let mut screen = Screen::prompt();
    screen.line("SELECT 'not");
    screen.wait("  ... ");
    screen.press("\u{3}");
    screen.wait_for("second prompt", |text| text.matches("eddy>").count() == 2);
    screen.line("SELECT 'yes' AS a;");
    screen.wait("| yes |");
    assert_eq!(screen.leave().0, 0);
}

#[test]
fn tab_completes_and_the_history_is_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mut screen = Screen::prompt();
    screen.line("CREATE VIEW a_rather_long_name AS SELECT 7 AS seven;");
    screen.wait_prompt_after("a_rather_long_name (seven INT) · view");
    screen.press("SELECT * FROM a_rat\t");
    screen.wait("SELECT * FROM a_rather_long_name");
    screen.line(";");
    screen.wait_prompt_after("|     7 |");
    let (code, _, state) = screen.leave();
    assert_eq!(code, 0);
    let history = state.path().join("eddy/history");
    assert_eq!(std::fs::metadata(&history).expect("a history").permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&history).expect("text").contains("CREATE VIEW a_rather_long_name"));
}

#[test]
fn help_and_timing() {
    let mut screen = Screen::prompt();
    screen.line(".help output mode");
    screen.wait("the whole result, every batch");
    screen.line(".timing");
    screen.wait("timing is on");
    screen.line("SELECT 1 AS a;");
    screen.wait_for("a time", |text| text.lines().any(|l| l.trim_end().ends_with(" ms") && l.starts_with("  ")));
    assert_eq!(screen.leave().0, 0);
}

#[test]
fn a_started_query_is_shown_above_the_prompt_and_stopped_at_the_end() {
    let mut screen = Screen::prompt();
    screen.line("CREATE STREAM ticks USING rate OPTIONS (rowsPerSecond 100);");
    screen.wait_prompt_after("ticks (timestamp TIMESTAMP, value BIGINT) · rate");
    screen.line("START counts AS SELECT count(*) AS n FROM STREAM ticks INTO memory OUTPUT MODE complete;");
    screen.wait_prompt_after("counts · running · complete mode");
    screen.line("SHOW QUERIES;");
    screen.wait_prompt_after("| counts | ");
    screen.line("STOP counts;");
    screen.wait_prompt_after("counts · stopped after");
    // Whether or not a batch ran before it was stopped, the table is there.
    screen.line("SELECT count(*) <= 1 AS counted FROM counts;");
    screen.wait("true");
    assert_eq!(screen.leave().0, 0);
}

#[test]
fn sigterm_at_the_prompt_stops_queries_and_restores_the_terminal() {
    let mut screen = Screen::prompt();
    screen.line("CREATE STREAM ticks USING rate OPTIONS (rowsPerSecond 100);");
    screen.line("START q AS SELECT * FROM STREAM ticks INTO noop;");
    screen.wait_prompt_after("● q");
    let pid = i32::try_from(screen.child.process_id().expect("a pid")).expect("a pid");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).expect("sent");
    let (code, raw, _) = screen.end();
    assert_eq!(code, 0);
    assert!(raw.contains("\u{1b}[?2004l"), "bracketed paste is switched off again");
}

/// However the prompt ends, the query's batch in flight is committed, and the next start goes on with the one after it.
#[test]
fn a_query_with_a_checkpoint_survives_the_end_of_the_prompt() {
    use super::session_run::{err, run};
    for how in ["SIGTERM", "SIGHUP", "SIGHUP over the dashboard", "the terminal is closed", "Ctrl-D"] {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display();
        std::fs::create_dir(folder.path().join("in")).expect("a folder");
        for file in 0..300 {
            std::fs::write(folder.path().join(format!("in/{file:03}.json")), format!("{{\"k\":{file}}}\n").repeat(5)).expect("written");
        }
        let stream = format!("CREATE STREAM s (k INT) USING json OPTIONS (path '{place}/in', maxFilesPerTrigger 1);");
        let query = format!("SELECT k FROM STREAM s INTO json OPTIONS (path '{place}/out') CHECKPOINT '{place}/c'");
        let mut screen = Screen::prompt();
        screen.line(&stream);
        screen.line(&format!("START q AS {query} TRIGGER PROCESSING TIME '2 milliseconds';"));
        let out = folder.path().join("out");
        let files = || std::fs::read_dir(&out).map_or(0, Iterator::count);
        super::engine::wait_for("some batches", || files() > 3);
        if how.contains("dashboard") {
            screen.wait_prompt_after("q · running");
            screen.line(".dash q");
            screen.wait("1 result");
        }
        let pid = nix::unistd::Pid::from_raw(i32::try_from(screen.child.process_id().expect("a pid")).expect("a pid"));
        match how {
            "SIGTERM" => nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("sent"),
            "Ctrl-D" => {
                screen.wait_prompt_after("q · running");
                screen.press("\u{4}");
            }
            "the terminal is closed" => {}
            _ => nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).expect("sent"),
        }
        if how == "the terminal is closed" {
            screen.hang_up();
        } else {
            assert_eq!(screen.end().0, 0, "{how}");
        }
        let before = files();
        let output = run(&["-c", &format!("{stream} {query} TRIGGER AVAILABLE NOW")]);
        let told = err(&output);
        assert!(told.contains(&format!("batch {} was committed", before - 1)), "{how}: {before} files: {told}");
        let mut keys = Vec::new();
        for entry in std::fs::read_dir(&out).expect("a folder") {
            let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("text");
            keys.extend(text.lines().map(|l| l["{\"k\":".len()..l.len() - 1].parse::<u32>().expect(l)));
        }
        keys.sort_unstable();
        assert!(keys.into_iter().eq((0..1500).map(|i| i / 5)), "{how}: a row is lost or doubled");
    }
}

/// A socket as `nc -lk` gives it, a preview over it, and the way back to the prompt.
#[test]
fn a_preview_opens_the_dashboard_and_q_comes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let peer = std::thread::spawn(move || accept(listener));
    let mut screen = Screen::prompt();
    screen.line(&format!("CREATE STREAM lines USING socket OPTIONS (host '127.0.0.1', port {port});"));
    screen.wait(&format!("lines (value STRING) · socket 127.0.0.1:{port} · connected"));
    screen.line("SELECT value, count(*) AS n FROM STREAM lines GROUP BY value OUTPUT MODE complete;");
    let mut peer = peer.join().expect("a peer");
    peer.write_all(b"quick\nquick\nfox\n").expect("sent");
    screen.wait_for("a counted word in the dashboard", |text| text.contains("quick") && text.contains("fox") && text.contains("batch"));
    screen.press("q");
    screen.wait_for("prompt", |text| text.trim_end().ends_with("eddy>"));
    screen.line("SELECT 'back' AS where_am_i;");
    screen.wait("| back");
    let (code, raw, _) = screen.leave();
    assert_eq!(code, 0);
    assert!(raw.contains("\u{1b}[?1049h") && raw.contains("\u{1b}[?1049l"), "the other screen was entered and left");
}

#[test]
fn control_c_in_a_preview_comes_back_to_the_prompt() {
    let mut screen = Screen::prompt();
    screen.line("CREATE STREAM ticks USING rate OPTIONS (rowsPerSecond 10);");
    screen.line("SELECT * FROM STREAM ticks;");
    screen.wait("1 result");
    screen.press("\u{3}");
    screen.wait_for("prompt", |text| text.trim_end().ends_with("eddy>"));
    assert_eq!(screen.leave().0, 0);
}
