//! What an event changes, and what it asks for: the one place where the dashboard's state moves.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::app::{App, Held, Layer};
use super::event::{Effect, Event, QueryLine};
use super::keys::{self, Action, Panel};
use super::render::popup;
use super::series::Arrivals;
use crate::diagnostic::printable;
use crate::progress::{Mood, OutputMode, QuerySnapshot, QueryState};

/// Takes `event` into account. What comes back is for the caller to do.
pub fn update(app: &mut App, event: Event) -> Option<Effect> {
    match event {
        Event::Key(key) => on_key(app, key),
        Event::Resize(columns, rows) => {
            app.size = (columns, rows);
            app.follow();
            clamp(app);
            None
        }
        Event::Snapshot(snapshot) => {
            on_snapshot(app, *snapshot);
            None
        }
        Event::Gone => {
            app.gone = true;
            None
        }
        Event::Queries(queries) => {
            on_queries(app, queries);
            None
        }
        Event::Performed(effect, outcome) => {
            app.message = on_performed(&effect, outcome);
            None
        }
    }
}

fn on_snapshot(app: &mut App, snapshot: QuerySnapshot) {
    let newest = |s: &QuerySnapshot| s.results.back().map(|r| (r.batch_id, s.run_id.clone()));
    let changed = app.snapshot.as_ref().is_none_or(|before| newest(before) != newest(&snapshot));
    // A log that was read to its end stays at its end.
    let at_end = app.snapshot.as_ref().is_none_or(|before| app.top[5] + log_page(app) >= before.log.len());
    app.arrivals.observe(&snapshot);
    app.gone = false;
    app.snapshot = Some(snapshot);
    if changed && app.held.is_none() {
        app.stale = true;
        app.show(app.panel);
    }
    if at_end {
        let lines = app.snapshot.as_ref().map_or(0, |s| s.log.len());
        app.top[5] = lines.saturating_sub(log_page(app));
    }
}

fn log_page(app: &App) -> usize {
    super::render::layout::areas(app.size.0, app.size.1).map_or(1, |areas| usize::from(areas.main.height).saturating_sub(2))
}

fn on_queries(app: &mut App, queries: Vec<QueryLine>) {
    app.queries = queries;
    let last = app.queries.len().saturating_sub(1);
    if let Some(Layer::Queries { selected }) = &mut app.layer {
        *selected = (*selected).min(last);
    }
}

fn on_performed(effect: &Effect, outcome: Result<(), String>) -> Option<(Mood, String)> {
    let said = |verb: &str, name: &str| Some((Mood::Good, format!("{verb} {}", printable(name))));
    match (outcome, effect) {
        (Err(reason), _) => Some((Mood::Failure, printable(&reason).into_owned())),
        (Ok(()), Effect::Pause(name)) => said("pausing", name),
        (Ok(()), Effect::Resume(name)) => said("going on with", name),
        (Ok(()), Effect::Stop(name)) => said("stopping", name),
        (Ok(()), Effect::Select(_) | Effect::Quit | Effect::Interrupt | Effect::Suspend | Effect::Redraw) => None,
    }
}

fn on_key(app: &mut App, key: KeyEvent) -> Option<Effect> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    app.message = None;
    match keys::action(&key, app.scope()) {
        Some(action) => act(app, action),
        None => {
            typed(app, key);
            None
        }
    }
}

/// A character of the filter.
fn typed(app: &mut App, key: KeyEvent) {
    let plain = !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    if let (Some(Layer::Filter), KeyCode::Char(c), true) = (&app.layer, key.code, plain) {
        app.filter.push(c);
        refilter(app);
    }
}

fn refilter(app: &mut App) {
    app.selected = None;
    app.top[0] = 0;
    app.rebuild();
}

fn act(app: &mut App, action: Action) -> Option<Effect> {
    match action {
        Action::Show(panel) => app.show(panel),
        Action::NextQuery => return step_query(app, 1),
        Action::PreviousQuery => return step_query(app, -1),
        Action::QueryList => app.layer = Some(Layer::Queries { selected: next_in_list(app) }),
        Action::Up => move_by(app, Step::Lines(-1)),
        Action::Down => move_by(app, Step::Lines(1)),
        Action::PageUp => move_by(app, Step::Pages(-1)),
        Action::PageDown => move_by(app, Step::Pages(1)),
        Action::First => move_by(app, Step::First),
        Action::Last => move_by(app, Step::Last),
        Action::Older => page_back(app),
        Action::Newer => page_on(app),
        Action::Left => app.first_column = app.first_column.saturating_sub(1),
        Action::Right => app.first_column = (app.first_column + 1).min(app.table.columns.len().saturating_sub(1)),
        Action::Open => return open(app),
        Action::Filter => app.layer = Some(Layer::Filter),
        Action::Freeze => freeze(app),
        Action::ChangedFirst => {
            app.changed_first = !app.changed_first;
            app.rebuild();
        }
        Action::Pause => return pause(app),
        Action::Stop => ask_to_stop(app),
        Action::Confirm => {
            app.layer = None;
            return Some(Effect::Stop(app.current.clone()));
        }
        Action::Help => app.layer = Some(Layer::Help { top: 0 }),
        Action::Theme => app.options.theme = app.options.theme.next(),
        Action::Redraw => return Some(Effect::Redraw),
        Action::Suspend => return Some(Effect::Suspend),
        Action::Back => back(app),
        Action::Quit => return Some(Effect::Quit),
        Action::Interrupt => return Some(Effect::Interrupt),
        Action::Keep => app.layer = None,
        Action::Erase => {
            app.filter.pop();
            refilter(app);
        }
        Action::EraseAll => {
            app.filter.clear();
            refilter(app);
        }
    }
    None
}

#[derive(Clone, Copy)]
enum Step {
    Lines(isize),
    Pages(isize),
    First,
    Last,
}

impl Step {
    /// The place after this step from `at`, within `0..=last`.
    fn from(self, at: usize, page: usize, last: usize) -> usize {
        match self {
            Step::Lines(n) => at.saturating_add_signed(n).min(last),
            Step::Pages(n) => at.saturating_add_signed(n.saturating_mul(isize::try_from(page).unwrap_or(1))).min(last),
            Step::First => 0,
            Step::Last => last,
        }
    }
}

fn move_by(app: &mut App, step: Step) {
    let page = app.page();
    let help_last = popup::help_lines().saturating_sub(popup::page(app.size));
    match &mut app.layer {
        Some(Layer::Queries { selected }) => *selected = step.from(*selected, page, app.queries.len().saturating_sub(1)),
        Some(Layer::Help { top }) => *top = step.from(*top, popup::page(app.size), help_last),
        Some(Layer::Row { row, top }) => {
            let last = popup::row_lines(row, app.size).saturating_sub(popup::page(app.size));
            *top = step.from(*top, popup::page(app.size), last);
        }
        Some(Layer::Late { rows, at }) => *at = step.from(*at, 10, rows.len().saturating_sub(1)),
        Some(Layer::Filter | Layer::ConfirmStop) => {}
        None if app.panel == Panel::Result => move_in_result(app, step, page),
        None => {
            let last = app.extent().saturating_sub(page);
            let top = &mut app.top[app.panel.number() - 1];
            *top = step.from(*top, page, last);
        }
    }
}

/// The first step selects a line in sight. Rows that only ever come would run away under the reader, so reading
/// them holds the result still; a complete result stays live.
fn move_in_result(app: &mut App, step: Step, page: usize) {
    let Some(last) = app.table.lines.len().checked_sub(1) else { return };
    if app.snapshot.as_ref().is_some_and(|s| s.mode != OutputMode::Complete && !s.state.is_final()) && app.held.is_none() {
        freeze(app);
    }
    let at = match (app.selected, step) {
        (Some(at), _) => step.from(at, page, last),
        (None, Step::Lines(1)) => app.top[0],
        (None, _) => step.from(app.top[0], page, last),
    };
    app.selected = Some(at);
    app.follow();
}

fn clamp(app: &mut App) {
    if app.panel != Panel::Result {
        let last = app.extent().saturating_sub(app.page());
        let top = &mut app.top[app.panel.number() - 1];
        *top = (*top).min(last);
    }
}

fn page_back(app: &mut App) {
    let Some((results, index)) = app.results() else { return };
    let Some(index) = index.checked_sub(1) else { return };
    app.held = Some(Held { results: results.clone(), index });
    app.selected = None;
    app.top[0] = 0;
    app.rebuild();
}

fn page_on(app: &mut App) {
    let Some(held) = &mut app.held else { return };
    held.index += 1;
    if held.index >= held.results.len() {
        catch_up(app);
        return;
    }
    app.selected = None;
    app.top[0] = 0;
    app.rebuild();
}

/// Back to the newest batch, from wherever the reader was. Batches that came since the hold may still be paged through.
fn catch_up(app: &mut App) {
    let after = app.held.take().and_then(|held| held.results.back().map(|r| r.batch_id));
    if let (Some(after), Some(snapshot)) = (after, &app.snapshot) {
        let next = snapshot.results.iter().position(|r| r.batch_id > after);
        if let Some(index) = next.filter(|at| at + 1 < snapshot.results.len()) {
            app.held = Some(Held { results: snapshot.results.clone(), index });
        }
    }
    app.selected = None;
    app.top[0] = 0;
    app.rebuild();
}

fn freeze(app: &mut App) {
    if app.held.take().is_none() {
        if let Some((results, index)) = app.results() {
            app.held = Some(Held { results: results.clone(), index });
        }
    } else {
        app.selected = None;
        app.rebuild();
    }
}

fn back(app: &mut App) {
    match app.layer.take() {
        Some(Layer::Filter) => {
            app.filter.clear();
            refilter(app);
        }
        Some(Layer::Help { .. } | Layer::Queries { .. } | Layer::Row { .. } | Layer::Late { .. } | Layer::ConfirmStop) => {}
        None if app.panel != Panel::Result => app.show(Panel::Result),
        None if !app.filter.is_empty() => {
            app.filter.clear();
            refilter(app);
        }
        None => {
            app.held = None;
            app.selected = None;
            app.top[0] = 0;
            app.rebuild();
        }
    }
}

fn open(app: &mut App) -> Option<Effect> {
    if let Some(Layer::Queries { selected }) = app.layer {
        app.layer = None;
        let name = app.queries.get(selected)?.name.clone();
        return select(app, name);
    }
    if app.panel == Panel::Time {
        let rows = app.snapshot.as_ref().map(|s| s.late.clone()).unwrap_or_default();
        match rows.is_empty() {
            true => app.message = Some((Mood::Waiting, "no row of this query came too late".to_owned())),
            false => app.layer = Some(Layer::Late { rows, at: 0 }),
        }
        return None;
    }
    app.layer = app.opened_row().map(|row| Layer::Row { row, top: 0 });
    None
}

fn next_in_list(app: &App) -> usize {
    let at = app.queries.iter().position(|q| q.name == app.current).unwrap_or(0);
    if app.queries.is_empty() { 0 } else { (at + 1) % app.queries.len() }
}

fn step_query(app: &mut App, by: isize) -> Option<Effect> {
    let count = isize::try_from(app.queries.len()).ok().filter(|n| *n > 1)?;
    let at = app.queries.iter().position(|q| q.name == app.current).and_then(|at| isize::try_from(at).ok()).unwrap_or(0);
    let to = usize::try_from((at + by).rem_euclid(count)).ok()?;
    let name = app.queries.get(to)?.name.clone();
    select(app, name)
}

/// Shows another query from its beginning; panel and theme stay.
fn select(app: &mut App, name: String) -> Option<Effect> {
    if name == app.current {
        return None;
    }
    app.current.clone_from(&name);
    app.snapshot = None;
    app.gone = false;
    app.held = None;
    app.selected = None;
    app.filter.clear();
    app.top = [0; 6];
    app.first_column = 0;
    app.arrivals = Arrivals::default();
    app.rebuild();
    Some(Effect::Select(name))
}

fn pause(app: &mut App) -> Option<Effect> {
    let state = &app.snapshot.as_ref()?.state;
    match state {
        QueryState::Paused => Some(Effect::Resume(app.current.clone())),
        QueryState::Stopped | QueryState::Failed(_) => {
            app.message = Some((Mood::Waiting, "the query has ended; there is nothing to pause".to_owned()));
            None
        }
        QueryState::Starting | QueryState::Running | QueryState::WaitingForData | QueryState::WaitingForTrigger => {
            Some(Effect::Pause(app.current.clone()))
        }
    }
}

fn ask_to_stop(app: &mut App) {
    match &app.snapshot {
        Some(snapshot) if !snapshot.state.is_final() => app.layer = Some(Layer::ConfirmStop),
        _ => app.message = Some((Mood::Waiting, "the query has ended already".to_owned())),
    }
}
