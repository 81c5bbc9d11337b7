//! The dashboard on a real pseudo-terminal: keys, size, and the terminal as it was before on every way out.
//!
//! The child is this test binary itself, asked by an environment variable to be the dashboard.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use chrono_tz::Tz;
use eddyline::progress::{QuerySnapshot, QueryState};
use eddyline::tui::{self, Effect, Options, Queries, Theme, Way};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::tui_query::{running, windowed};

const ROLE: &str = "EDDY_TEST_DASHBOARD";
const DEADLINE: Duration = Duration::from_secs(20);

struct Canned;

impl Queries for Canned {
    fn names(&self) -> Vec<String> {
        vec!["counts".to_owned(), "per_window".to_owned()]
    }

    fn snapshot(&self, name: &str) -> Option<QuerySnapshot> {
        match name {
            "counts" => Some(running()),
            "per_window" => Some(QuerySnapshot { state: QueryState::WaitingForData, ..windowed() }),
            _ => None,
        }
    }

    fn perform(&self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Pause(_) => panic!("a panic on purpose"),
            other => Err(format!("refused on purpose: {other:?}")),
        }
    }
}

/// Not a test of its own: the child's side of the tests below.
#[test]
fn dashboard_child() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let left = tui::run(&Canned, "counts", Options { zone: Tz::UTC, theme: Theme::Plain }).unwrap();
    let way = match left.way {
        Way::Quit => "by q",
        Way::Interrupt => "by Ctrl-C",
        Way::Told => "as told",
    };
    writeln!(std::io::stdout(), "{}left {} {way}", left.last_table, left.query).unwrap();
}

struct Screen {
    parser: vt100::Parser,
    output: Receiver<Vec<u8>>,
    input: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Screen {
    fn open() -> Screen {
        let pair = native_pty_system().openpty(size(80, 24)).unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tui_terminal::dashboard_child", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, "1");
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = pair.master.take_writer().unwrap();
        Screen { parser: vt100::Parser::new(nonzero(24), nonzero(80), 0), output, input, master: pair.master, child }
    }

    fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// Waits until the screen is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&vt100::Screen) -> bool) {
        while !wanted(self.parser.screen()) {
            match self.output.recv_timeout(DEADLINE) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => panic!("never came: {what}\n{}", self.text()),
            }
        }
    }

    fn shows(&mut self, text: &str) {
        self.until(text, |screen| screen.contents().contains(text));
    }

    fn press(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.parser.screen_mut().set_size(nonzero(rows), nonzero(cols));
        self.master.resize(size(cols, rows)).unwrap();
    }

    /// Waits for the end of the child: the terminal is as it was, with `text` on it.
    fn ends_restored_with(mut self, text: &str) {
        self.until(text, |screen| !screen.alternate_screen() && screen.contents().contains(text));
        assert!(!self.parser.screen().hide_cursor(), "the cursor is back");
        self.child.wait().unwrap();
    }
}

fn nonzero(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap()
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

#[test]
fn keys_panels_and_leaving() {
    let mut screen = Screen::open();
    screen.shows("1 Result · batch 41 of 41");
    assert!(screen.parser.screen().alternate_screen());
    screen.press("2");
    screen.shows("2 Progress");
    screen.press("\x1b[A\t");
    screen.shows("▸   per_window");
    screen.press("\r");
    screen.shows("▸ per_window");
    screen.press("sy");
    screen.shows("refused on purpose: Stop(\"per_window\")");
    screen.press("\x0c");
    screen.press("q");
    screen.ends_restored_with("left per_window by q");
}

#[test]
fn a_resize_is_followed() {
    let mut screen = Screen::open();
    screen.shows("1 Result");
    screen.resize(130, 40);
    screen.shows("┌ rows in ");
    screen.resize(40, 10);
    screen.shows("eddy needs 60 × 16");
    screen.press("q");
    screen.until("the end", |screen| !screen.alternate_screen());
}

#[test]
fn control_c_leaves_and_the_last_table_stays() {
    let mut screen = Screen::open();
    screen.shows("1 Result");
    screen.press("\x03");
    screen.shows("left counts by Ctrl-C");
    assert!(screen.text().contains("query         175"), "{}", screen.text());
    screen.ends_restored_with("left counts by Ctrl-C");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let mut screen = Screen::open();
    screen.shows("1 Result");
    screen.press("p");
    screen.ends_restored_with("a panic on purpose");
}
