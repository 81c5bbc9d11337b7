//! Everything that can wake the dashboard, and everything it can ask for.

use crossterm::event::KeyEvent;

use crate::progress::QuerySnapshot;

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A key went down.
    Key(KeyEvent),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// The shown query's state of the moment.
    Snapshot(Box<QuerySnapshot>),
    /// The shown query does not exist any more.
    Gone,
    /// The session's queries, in their order there.
    Queries(Vec<QueryLine>),
    /// What became of an effect that was asked for.
    Performed(Effect, Result<(), String>),
}

/// What the caller, or the loop around the terminal, is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Pause this query after the batch in flight.
    Pause(String),
    /// Go on with this query.
    Resume(String),
    /// End this query after the batch in flight.
    Stop(String),
    /// Show this query from now on.
    Select(String),
    /// Leave the dashboard; queries stay as they are.
    Quit,
    /// Leave the dashboard as by Ctrl-C: a preview ends at once.
    Interrupt,
    /// Give the terminal back and stop the process until it is continued.
    Suspend,
    /// Draw everything anew.
    Redraw,
}

/// One line of the query list.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryLine {
    pub name: String,
    /// None when the query cannot be read at the moment.
    pub figures: Option<QueryFigures>,
}

/// What the query list says about a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryFigures {
    pub state: crate::progress::QueryState,
    pub mode: crate::progress::OutputMode,
    pub batch_id: Option<u64>,
    /// Rows a second of the last batch.
    pub rate: f64,
    /// Milliseconds of the last batch.
    pub millis: f64,
}

impl QueryLine {
    /// The line of a query from its snapshot.
    pub fn of(name: &str, snapshot: Option<&QuerySnapshot>) -> QueryLine {
        let figures = snapshot.map(|s| {
            let last = s.progress.back();
            QueryFigures {
                state: s.state.clone(),
                mode: s.mode,
                batch_id: last.map(|b| b.batch_id),
                rate: last.map_or(0.0, |b| b.input_rows_per_second),
                millis: last.map_or(0.0, |b| b.duration_ms.trigger_execution),
            }
        });
        QueryLine { name: name.to_owned(), figures }
    }
}
