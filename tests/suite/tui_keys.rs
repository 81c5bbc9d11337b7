//! What events change and what they ask for.

use std::sync::Arc;

use chrono_tz::Tz;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use eddyline::progress::{OutputMode, QuerySnapshot, QueryState};
use eddyline::tui::{App, Effect, Event, Options, QueryLine, Theme, draw, update};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::tui_query::{progress, result, running, text, windowed};

fn app(snapshot: QuerySnapshot) -> App {
    let mut app = App::new(&snapshot.name.clone(), (80, 24), Options { zone: Tz::UTC, theme: Theme::Plain });
    update(&mut app, Event::Snapshot(Box::new(snapshot)));
    app
}

fn key(app: &mut App, code: KeyCode) -> Option<Effect> {
    update(app, Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn char(app: &mut App, c: char) -> Option<Effect> {
    key(app, KeyCode::Char(c))
}

fn ctrl(app: &mut App, c: char) -> Option<Effect> {
    update(app, Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
}

fn screen(app: &App) -> String {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    terminal.backend().to_string()
}

fn shows(app: &App, wanted: &str) {
    let screen = screen(app);
    assert!(screen.contains(wanted), "`{wanted}` is not on\n{screen}");
}

/// The query after one more batch.
fn one_more(mut snapshot: QuerySnapshot) -> QuerySnapshot {
    let id = snapshot.results.back().unwrap().batch_id + 1;
    let mut last = (**snapshot.results.back().unwrap()).clone();
    last.batch_id = id;
    snapshot.results.push_back(Arc::new(last));
    snapshot.progress.push_back(progress(id));
    snapshot
}

#[test]
fn leaving() {
    let mut app = app(running());
    assert_eq!(char(&mut app, 'q'), Some(Effect::Quit));
    assert_eq!(ctrl(&mut app, 'c'), Some(Effect::Interrupt));
    for opener in ['?', '/', 's'] {
        char(&mut app, opener);
        assert_eq!(ctrl(&mut app, 'c'), Some(Effect::Interrupt), "with {opener} open");
        assert_eq!(key(&mut app, KeyCode::Esc), None);
    }
    assert_eq!(ctrl(&mut app, 'z'), Some(Effect::Suspend));
}

#[test]
fn pausing_and_going_on() {
    let mut snapshot = running();
    assert_eq!(char(&mut app(snapshot.clone()), 'p'), Some(Effect::Pause("counts".to_owned())));
    snapshot.state = QueryState::Paused;
    assert_eq!(char(&mut app(snapshot.clone()), 'p'), Some(Effect::Resume("counts".to_owned())));
    snapshot.state = QueryState::Stopped;
    let mut ended = app(snapshot);
    assert_eq!(char(&mut ended, 'p'), None);
    shows(&ended, "there is nothing to pause");
}

#[test]
fn stopping_asks_once() {
    let mut app = app(running());
    assert_eq!(char(&mut app, 's'), None);
    shows(&app, "stop `counts`");
    assert_eq!(char(&mut app, 'n'), None);
    char(&mut app, 's');
    assert_eq!(char(&mut app, 'y'), Some(Effect::Stop("counts".to_owned())));
    update(&mut app, Event::Performed(Effect::Stop("counts".to_owned()), Err("there is no query `counts`".to_owned())));
    shows(&app, "✗ there is no query `counts`");
    char(&mut app, '2');
    assert!(!screen(&app).contains("there is no query"), "a message lasts until the next key");
}

#[test]
fn a_held_view_counts_the_batches_it_misses() {
    let mut app = app(running());
    char(&mut app, 'f');
    shows(&app, "PAUSED +0 batches");
    let later = one_more(one_more(running()));
    update(&mut app, Event::Snapshot(Box::new(later)));
    shows(&app, "batch 41 of 43 · PAUSED +2 batches");
    char(&mut app, 'f');
    shows(&app, "batch 43 of 43");
    assert!(!screen(&app).contains("PAUSED"));
}

#[test]
fn paging_back_and_forward_ends_at_the_live_batch() {
    let mut app = app(running());
    key(&mut app, KeyCode::Left);
    shows(&app, "batch 40 of 41 · PAUSED +1 batch ");
    for _ in 0..9 {
        key(&mut app, KeyCode::Left);
    }
    shows(&app, "batch 38 of 41");
    for _ in 0..3 {
        key(&mut app, KeyCode::Right);
    }
    shows(&app, "batch 41 of 41 · PAUSED");
    key(&mut app, KeyCode::Right);
    assert!(!screen(&app).contains("PAUSED"));
}

#[test]
fn reading_rows_that_only_come_holds_them() {
    let mut growing = app(windowed());
    char(&mut growing, 'j');
    shows(&growing, "PAUSED +0");
    let mut complete = app(running());
    char(&mut complete, 'j');
    assert!(!screen(&complete).contains("PAUSED"), "a complete result stays live");
}

#[test]
fn filtering() {
    let mut app = app(running());
    for c in "/Spq".chars() {
        char(&mut app, c);
    }
    shows(&app, "0 with \"Spq\"");
    shows(&app, "no row contains");
    key(&mut app, KeyCode::Backspace);
    char(&mut app, 'a');
    key(&mut app, KeyCode::Enter);
    shows(&app, "1 with \"Spa\"");
    assert_eq!(char(&mut app, 'q'), Some(Effect::Quit), "the filter is kept and keys are keys again");
    key(&mut app, KeyCode::Esc);
    assert!(!screen(&app).contains("with \"Spa\""));
}

#[test]
fn escape_closes_one_layer_at_a_time() {
    let mut app = app(running());
    char(&mut app, '3');
    char(&mut app, '?');
    shows(&app, "keys");
    key(&mut app, KeyCode::Esc);
    shows(&app, "3 Flow");
    key(&mut app, KeyCode::Esc);
    shows(&app, "1 Result");
    assert_eq!(key(&mut app, KeyCode::Esc), None);
}

#[test]
fn choosing_another_query() {
    let mut app = app(running());
    let lines = || vec![QueryLine::of("counts", Some(&running())), QueryLine::of("per_window", Some(&windowed()))];
    update(&mut app, Event::Queries(lines()));
    key(&mut app, KeyCode::Tab);
    shows(&app, "▸   per_window");
    assert_eq!(key(&mut app, KeyCode::Enter), Some(Effect::Select("per_window".to_owned())));
    assert_eq!(app.current(), "per_window");
    assert_eq!(char(&mut app, ']'), Some(Effect::Select("counts".to_owned())));
    assert_eq!(char(&mut app, '['), Some(Effect::Select("per_window".to_owned())));
    update(&mut app, Event::Gone);
    shows(&app, "there is no query `per_window` any more");
}

#[test]
fn a_row_opens_to_its_exact_values() {
    let mut snapshot = running();
    let columns = ["word string", "mean double"];
    let row = |mean: &str| vec![vec![text("quick"), text(mean)]];
    snapshot.results = [result(40, &columns, &[0], row("1234.5")), result(41, &columns, &[0], row("1234.56789012345"))].into();
    let mut app = app(snapshot);
    shows(&app, "1,234.5679");
    key(&mut app, KeyCode::Enter);
    shows(&app, "row 1 of batch 41");
    shows(&app, "double  1234.56789012345");
    shows(&app, "was 1234.5");
    assert_eq!(char(&mut app, 'q'), None, "q closes the row first");
    shows(&app, "1 Result");
}

#[test]
fn scrolling_stays_within_what_is_there() {
    let mut app = app(running());
    for panel in ['1', '2', '3', '4', '5', '6'] {
        char(&mut app, panel);
        for c in ['G', 'j', 'g', 'k'] {
            char(&mut app, c);
            screen(&app);
        }
        for code in [KeyCode::PageDown, KeyCode::PageDown, KeyCode::PageUp, KeyCode::End, KeyCode::Home] {
            key(&mut app, code);
            screen(&app);
        }
        update(&mut app, Event::Resize(60, 16));
        update(&mut app, Event::Resize(80, 24));
    }
}

#[test]
fn nothing_is_drawn_wrong_before_the_first_snapshot() {
    for panel in ['1', '2', '3', '4', '5', '6'] {
        let mut app = App::new("counts", (80, 24), Options { zone: Tz::UTC, theme: Theme::Plain });
        char(&mut app, panel);
        key(&mut app, KeyCode::Enter);
        char(&mut app, 'G');
        shows(&app, "waiting for the query's first figures");
    }
}

#[test]
fn a_selected_line_stays_within_a_shorter_result() {
    let mut app = app(running());
    char(&mut app, 'G');
    let mut shorter = one_more(running());
    let columns = ["word string", "n bigint"];
    shorter.results.push_back(result(43, &columns, &[0], vec![vec![text("only"), text("1")]]));
    shorter.mode = OutputMode::Complete;
    update(&mut app, Event::Snapshot(Box::new(shorter)));
    shows(&app, "only");
}
