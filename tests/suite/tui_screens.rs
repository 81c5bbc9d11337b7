//! What the dashboard shows, as text: each panel and the whole screen at several sizes.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono_tz::Tz;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use eddyline::progress::{Connection, Mood, OutputMode, QuerySnapshot, QueryState, Trigger};
use eddyline::tui::{App, Event, Options, QueryLine, Role, Theme, draw, last_table, update};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Style;

use crate::tui_query::{NOW, bare, progress, result, running, socket, text, windowed};

const OPTIONS: Options = Options { zone: Tz::UTC, theme: Theme::Dark };

fn app(snapshot: QuerySnapshot, size: (u16, u16)) -> App {
    let mut app = App::new(&snapshot.name.clone(), size, OPTIONS);
    let fed = with_arrivals(&mut app, snapshot);
    update(&mut app, Event::Snapshot(Box::new(fed)));
    app
}

/// Lets the app see the minute before, so that it knows arrivals.
fn with_arrivals(app: &mut App, snapshot: QuerySnapshot) -> QuerySnapshot {
    if snapshot.sources.iter().any(|s| s.received_rows > 0) {
        for second in 1..40_i64 {
            let mut earlier = snapshot.clone();
            earlier.now -= (40 - second) * 1_000_000;
            for source in &mut earlier.sources {
                let share = second as f64 / 40.0;
                source.received_rows = (source.received_rows as f64 * (0.3 + 0.7 * share * share)) as u64;
                source.blocked_micros = (source.blocked_micros as f64 * share) as u64;
            }
            update(app, Event::Snapshot(Box::new(earlier)));
        }
    }
    snapshot
}

fn press(app: &mut App, keys: &str) {
    for c in keys.chars() {
        let code = match c {
            '←' => KeyCode::Left,
            '→' => KeyCode::Right,
            '⏎' => KeyCode::Enter,
            '⇥' => KeyCode::Tab,
            c => KeyCode::Char(c),
        };
        update(app, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }
}

fn terminal(app: &App, size: (u16, u16)) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    terminal
}

/// The screen at 80 × 24 after `keys`.
fn screen(snapshot: QuerySnapshot, keys: &str) -> String {
    screen_at(snapshot, keys, (80, 24))
}

fn screen_at(snapshot: QuerySnapshot, keys: &str, size: (u16, u16)) -> String {
    let mut app = app(snapshot, size);
    press(&mut app, keys);
    terminal(&app, size).backend().to_string()
}

/// The style of the first cell of `needle` on the screen.
fn style_of(app: &App, needle: &str) -> Style {
    let terminal = terminal(app, (80, 24));
    let buffer = terminal.backend().buffer();
    for y in 0..24 {
        let symbols: Vec<&str> = (0..80).map(|x| buffer[(x, y)].symbol()).collect();
        if let Some(byte) = symbols.concat().find(needle) {
            let x = symbols
                .iter()
                .scan(0, |at, s| {
                    *at += s.len();
                    Some(*at)
                })
                .position(|end| end > byte)
                .unwrap();
            return buffer[(x as u16, y)].style();
        }
    }
    panic!("{needle} is not on the screen");
}

fn has_style(app: &App, needle: &str, role: Role) {
    let (wanted, found) = (OPTIONS.theme.style(role), style_of(app, needle));
    assert_eq!(found.fg.unwrap_or_default(), wanted.fg.unwrap_or_default(), "colour of {needle}");
    assert!(found.add_modifier.contains(wanted.add_modifier), "weight of {needle}");
}

/// A query whose only news is a sentence and the state of its source.
fn quiet(connection: Connection, mood: Mood, sentence: &str) -> QuerySnapshot {
    let mut snapshot = bare("counts", mood, sentence);
    snapshot.sources = vec![socket(connection)];
    snapshot.sources[0].received_rows = 0;
    snapshot.sources[0].buffered_rows = 0;
    snapshot.sources[0].buffered_bytes = 0;
    snapshot.state = QueryState::WaitingForData;
    snapshot
}

fn behind() -> QuerySnapshot {
    let mut snapshot = running();
    snapshot.trigger = Trigger::ProcessingTime(500_000);
    snapshot.progress = (0..42)
        .map(|id| {
            let mut batch = (*progress(id)).clone();
            batch.num_input_rows = 300_000;
            batch.input_rows_per_second = 600_000.0;
            batch.duration_ms.add_batch = 461.0;
            batch.duration_ms.trigger_execution = 470.0 + id as f64;
            batch.operators[0].millis = 41.0;
            batch.operators[1].millis = 412.0;
            Arc::new(batch)
        })
        .collect();
    let source = &mut snapshot.sources[0];
    source.received_rows = 48_211_004;
    source.buffered_rows = 48_000;
    source.buffered_bytes = 3_100_000;
    source.blocked_micros = 20_400_000;
    source.bad_rows = 3;
    source.sample = Some("{\"status\": \\x1b[31m".to_owned());
    snapshot.why.mood = Mood::Warning;
    snapshot.why.sentence = "falls behind: `aggregate` takes 412 ms of a 500 ms trigger. The sender is held back by TCP; nothing is lost. A longer trigger or fewer keys would help (.help backpressure)".to_owned();
    snapshot
}

#[test]
fn the_result_of_a_running_query() {
    insta::assert_snapshot!(screen(running(), ""));
}

#[test]
fn every_panel() {
    insta::assert_snapshot!("progress", screen(running(), "2"));
    insta::assert_snapshot!("flow", screen(running(), "3"));
    insta::assert_snapshot!("flow_behind", screen(behind(), "3"));
    let mut logged = running();
    logged.sources[0].wal_bytes = Some(3 << 20);
    logged.sources[0].replayed_rows = 1204;
    insta::assert_snapshot!("flow_wal", screen(logged, "3"));
    insta::assert_snapshot!("time", screen(windowed(), "4"));
    insta::assert_snapshot!("time_late_row", screen(windowed(), "4⏎"));
    insta::assert_snapshot!("time_late_row_second", screen(windowed(), "4⏎j"));
    insta::assert_snapshot!("time_120_40", screen_at(windowed(), "4", (120, 40)));
    insta::assert_snapshot!("time_without_watermark", screen(running(), "4"));
    insta::assert_snapshot!("plan", screen(running(), "5"));
    insta::assert_snapshot!("log", screen(running(), "6"));
}

#[test]
fn complete_mode_keeps_its_windows() {
    let shown = screen(QuerySnapshot { mode: OutputMode::Complete, ..windowed() }, "4");
    assert!(shown.contains("[ kept 18"), "{shown}");
    assert!(!shown.contains("next window closes"), "{shown}");
}

#[test]
fn every_size() {
    insta::assert_snapshot!("size_60_16", screen_at(running(), "", (60, 16)));
    insta::assert_snapshot!("size_100_30", screen_at(running(), "", (100, 30)));
    insta::assert_snapshot!("size_120_40", screen_at(running(), "", (120, 40)));
    insta::assert_snapshot!("size_160_50", screen_at(behind(), "2", (160, 50)));
    insta::assert_snapshot!("size_too_small", screen_at(running(), "", (59, 16)));
    insta::assert_snapshot!("size_tiny", screen_at(running(), "", (20, 3)));
}

#[test]
fn an_empty_result_says_why() {
    let waiting = "waiting for the first line: `lines` is connected to localhost:9999 and nothing has come yet";
    insta::assert_snapshot!("no_line_yet", screen(quiet(Connection::Connected, Mood::Waiting, waiting), ""));
    let refused = "nobody listens on localhost:9999; trying again every second. Start one there: nc -lk 9999";
    insta::assert_snapshot!("refused", screen(quiet(Connection::Refused("connection refused".to_owned()), Mood::Warning, refused), ""));
    insta::assert_snapshot!(
        "refused_flow",
        screen(quiet(Connection::Refused("connection refused".to_owned()), Mood::Warning, refused), "3")
    );
    let mut filtered = running();
    filtered.results = VecDeque::from([result(41, &["word string", "n bigint"], &[0], vec![])]);
    filtered.why.mood = Mood::Waiting;
    filtered.why.sentence = "the filter let none of the batch's 25,000 rows through".to_owned();
    insta::assert_snapshot!("all_filtered", screen(filtered, ""));
}

#[test]
fn ended_queries() {
    let mut failed = running();
    failed.state = QueryState::Failed("[DIVIDE_BY_ZERO] division by zero".to_owned());
    failed.why.mood = Mood::Failure;
    failed.why.sentence = "failed in batch 42: [DIVIDE_BY_ZERO] division by zero; use try_divide to get NULL instead".to_owned();
    insta::assert_snapshot!("failed", screen(failed, ""));
    let mut paused = running();
    paused.state = QueryState::Paused;
    paused.why.mood = Mood::Waiting;
    paused.why.sentence = "paused after batch 41; rows wait in the buffer".to_owned();
    insta::assert_snapshot!("paused", screen(paused, ""));
}

#[test]
fn rows_that_only_come_stand_by_batch() {
    insta::assert_snapshot!(screen(windowed(), ""));
}

fn many() -> QuerySnapshot {
    let rows = |step: i64| {
        (0..1_000_i64)
            .map(move |n| vec![text(&format!("user-{n:04}")), text(&(n * n + (n % 3) * step).to_string()), text(&format!("{}.5", n))])
    };
    let columns = ["user string", "n bigint", "total decimal(10,1)"];
    let mut snapshot = running();
    snapshot.results = VecDeque::from([result(40, &columns, &[0], rows(0).collect()), result(41, &columns, &[0], rows(7).collect())]);
    if let Some(last) = snapshot.results.back_mut() {
        Arc::make_mut(last).total_rows = 53_221;
    }
    snapshot
}

#[test]
fn a_thousand_rows() {
    insta::assert_snapshot!("many_end", screen(many(), "G"));
    insta::assert_snapshot!("many_filter", screen(many(), "/99"));
    insta::assert_snapshot!("many_row", screen(many(), "jj⏎"));
}

#[test]
fn older_batches_and_a_held_view() {
    insta::assert_snapshot!("older", screen(running(), "←←"));
    insta::assert_snapshot!("changed_first", screen(running(), "c"));
}

#[test]
fn wide_characters_and_hostile_cells_stay_in_their_columns() {
    let rows = vec![
        vec![text("漢字とかな"), text("1204"), text("ok")],
        vec![text("naïve café"), text("-7"), None],
        vec![text("emoji 🚀🚀"), text("98"), text("tab\tand \u{1b}[31mescape")],
        vec![text(&"long ".repeat(30)), text("1"), text("x")],
    ];
    let mut snapshot = running();
    snapshot.results = VecDeque::from([result(41, &["word string", "n bigint", "note string"], &[], rows)]);
    insta::assert_snapshot!(screen(snapshot, ""));
}

#[test]
fn more_columns_than_fit() {
    let columns: Vec<String> = (0..14).map(|n| format!("column_{n} {}", if n % 2 == 0 { "string" } else { "double" })).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let row = (0..14).map(|n| text(&if n % 2 == 0 { format!("value {n}") } else { format!("{n}.25") })).collect();
    let mut snapshot = running();
    snapshot.results = VecDeque::from([result(41, &columns, &[], vec![row])]);
    insta::assert_snapshot!("columns", screen(snapshot.clone(), ""));
    insta::assert_snapshot!("columns_right", screen(snapshot, "lll"));
}

#[test]
fn what_opens_over_a_panel() {
    insta::assert_snapshot!("help", screen(running(), "?"));
    insta::assert_snapshot!("confirm_stop", screen(running(), "s"));
    let mut listed = app(running(), (80, 24));
    let other = windowed();
    let lines = vec![QueryLine::of("counts", Some(&running())), QueryLine::of("per_window", Some(&other)), QueryLine::of("gone", None)];
    update(&mut listed, Event::Queries(lines));
    press(&mut listed, "⇥");
    insta::assert_snapshot!("queries", terminal(&listed, (80, 24)).backend().to_string());
}

#[test]
fn meaning_has_its_colour() {
    let app = app(running(), (80, 24));
    has_style(&app, "+ eddyline", Role::New);
    has_style(&app, "keeps up", Role::Good);
    has_style(&app, "running", Role::Good);
    let changed = style_of(&app, "+13");
    assert_eq!(changed.fg, OPTIONS.theme.style(Role::Changed).fg);
    let mut refused = self::app(quiet(Connection::Refused("no".to_owned()), Mood::Warning, "nobody listens"), (80, 24));
    has_style(&refused, "! nobody listens", Role::Warning);
    press(&mut refused, "3");
    has_style(&refused, "! refused", Role::Warning);
    let mut failed = running();
    failed.state = QueryState::Failed("x".to_owned());
    failed.why.mood = Mood::Failure;
    has_style(&self::app(failed, (80, 24)), "✗ keeps", Role::Failure);
}

#[test]
fn without_colour_no_cell_has_one() {
    let mut plain = App::new("counts", (80, 24), Options { theme: Theme::Plain, ..OPTIONS });
    update(&mut plain, Event::Snapshot(Box::new(running())));
    let terminal = terminal(&plain, (80, 24));
    for cell in terminal.backend().buffer().content() {
        assert_eq!((cell.fg, cell.bg), (Default::default(), Default::default()), "{}", cell.symbol());
    }
}

#[test]
fn the_last_table_for_the_scrollback() {
    insta::assert_snapshot!("last_table", last_table(&running(), 80, Tz::UTC));
    insta::assert_snapshot!("last_table_append", last_table(&windowed(), 80, Tz::UTC));
    insta::assert_snapshot!("last_table_many", last_table(&many(), 80, Tz::UTC));
    let mut empty = bare("counts", Mood::Waiting, "waiting for the first line");
    empty.mode = OutputMode::Update;
    insta::assert_snapshot!("last_table_empty", last_table(&empty, 80, Tz::UTC));
    assert_eq!(empty.now, NOW);
}
