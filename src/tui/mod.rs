//! The dashboard: what a running query does, on a full screen.
//!
//! A frame is *snapshot → draw → one event*. The dashboard reads [`QuerySnapshot`] values and nothing else of the
//! engine; what a key asks for comes back as an [`Effect`], which the caller performs. All state is in [`App`],
//! all of its changes in [`fn@update`], all drawing in [`draw`].

mod app;
mod event;
mod format;
mod keys;
mod render;
mod scrollback;
mod series;
mod table;
pub mod terminal;
mod theme;
mod update;

pub use app::{App, Options};
pub use event::{Effect, Event, QueryFigures, QueryLine};
pub use keys::Panel;
pub use render::draw;
pub use scrollback::last_table;
pub use theme::{Role, Theme};
pub use update::update;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event as input;

use crate::progress::QuerySnapshot;

/// Time between two looks at the query: ten frames a second at most.
const FRAME: Duration = Duration::from_millis(100);
/// Frames between two looks at the other queries.
const LIST_EVERY: u32 = 5;

/// The session's queries, as the dashboard sees them.
pub trait Queries {
    /// Their names, in the session's order.
    fn names(&self) -> Vec<String>;

    /// One query at this moment; none when there is no such query. Must not wait for the engine.
    fn snapshot(&self, name: &str) -> Option<QuerySnapshot>;

    /// Performs `Pause`, `Resume` or `Stop`; other effects never come here. An error is shown as it is.
    fn perform(&self, effect: Effect) -> Result<(), String>;

    /// Whether the dashboard shall leave by itself: after SIGTERM, or when a bounded preview has shown all it had.
    fn must_leave(&self) -> bool {
        false
    }
}

/// How the dashboard was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By `q`: the query goes on.
    Quit,
    /// By Ctrl-C: a preview ends.
    Interrupt,
    /// Because [`Queries::must_leave`] said so, or the terminal was given back from outside.
    Told,
}

/// What remains after the dashboard.
#[derive(Clone, Debug)]
pub struct Leave {
    pub way: Way,
    /// The query that was shown last.
    pub query: String,
    /// Its last table, for the scrollback; empty when there was none to see.
    pub last_table: String,
    /// The theme that was chosen meanwhile.
    pub theme: Theme,
}

/// Shows the query `first` on the full screen until the reader leaves. The terminal is given back in any case.
pub fn run(source: &dyn Queries, first: &str, options: Options) -> io::Result<Leave> {
    let mut screen = terminal::Screen::enter()?;
    let mut app = App::new(first, screen.size()?, options);
    let way = watch(source, &mut screen, &mut app)?;
    let width = screen.size().map_or(80, |(columns, _)| usize::from(columns));
    drop(screen);
    let snapshot = source.snapshot(app.current()).or_else(|| app.snapshot().cloned());
    let last_table = snapshot.map_or(String::new(), |s| last_table(&s, width, options.zone));
    Ok(Leave { way, query: app.current().to_owned(), last_table, theme: app.theme() })
}

#[expect(clippy::disallowed_methods, reason = "frames are paced by the wall clock; no result depends on it")]
fn watch(source: &dyn Queries, screen: &mut terminal::Screen, app: &mut App) -> io::Result<Way> {
    let mut frames = 0_u32;
    loop {
        let due = Instant::now() + FRAME;
        let mut changed = observe(source, app, frames.is_multiple_of(LIST_EVERY));
        frames = frames.wrapping_add(1);
        loop {
            if source.must_leave() || (changed && !screen.draw(|frame| draw(frame, app))?) {
                return Ok(Way::Told);
            }
            changed = false;
            let wait = due.saturating_duration_since(Instant::now());
            if wait.is_zero() && frames > 1 || !input::poll(wait)? {
                break;
            }
            // All that is there already, so that a held key does not cost a frame each.
            while input::poll(Duration::ZERO)? {
                changed = true;
                if let Some(way) = take_input(source, screen, app, input::read()?)? {
                    return Ok(way);
                }
            }
        }
    }
}

/// Looks at the queries; whether anything to draw changed.
fn observe(source: &dyn Queries, app: &mut App, list_too: bool) -> bool {
    let mut changed = false;
    match source.snapshot(app.current()) {
        Some(snapshot) => {
            if app.snapshot().is_none_or(|before| differs(before, &snapshot)) {
                update(app, Event::Snapshot(Box::new(snapshot)));
                changed = true;
            }
        }
        None => {
            update(app, Event::Gone);
            changed = true;
        }
    }
    if list_too {
        let names = source.names();
        let lines = names.iter().map(|name| QueryLine::of(name, source.snapshot(name).as_ref())).collect();
        update(app, Event::Queries(lines));
        changed |= app.shows_queries();
    }
    changed
}

/// Whether two snapshots would be drawn differently. The clock counts in seconds.
fn differs(a: &QuerySnapshot, b: &QuerySnapshot) -> bool {
    a.now.div_euclid(1_000_000) != b.now.div_euclid(1_000_000)
        || a.state != b.state
        || a.run_id != b.run_id
        || a.progress.back().map(Arc::as_ptr) != b.progress.back().map(Arc::as_ptr)
        || a.results.back().map(Arc::as_ptr) != b.results.back().map(Arc::as_ptr)
        || a.sources != b.sources
        || a.why != b.why
        || a.log.back() != b.log.back()
}

fn take_input(source: &dyn Queries, screen: &mut terminal::Screen, app: &mut App, event: input::Event) -> io::Result<Option<Way>> {
    let event = match event {
        input::Event::Key(key) => Event::Key(key),
        input::Event::Resize(columns, rows) => Event::Resize(columns, rows),
        input::Event::FocusGained | input::Event::FocusLost | input::Event::Mouse(_) | input::Event::Paste(_) => return Ok(None),
    };
    match update(app, event) {
        Some(Effect::Quit) => return Ok(Some(Way::Quit)),
        Some(Effect::Interrupt) => return Ok(Some(Way::Interrupt)),
        Some(Effect::Redraw) => screen.clear()?,
        Some(Effect::Suspend) => screen.suspend()?,
        Some(Effect::Select(_)) => {
            observe(source, app, true);
        }
        Some(effect @ (Effect::Pause(_) | Effect::Resume(_) | Effect::Stop(_))) => {
            let outcome = source.perform(effect.clone());
            update(app, Event::Performed(effect, outcome));
            observe(source, app, false);
        }
        None => {}
    }
    Ok(None)
}
