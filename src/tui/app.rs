//! What the dashboard knows: the snapshot, what is open, and where the reader stands in it.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono_tz::Tz;

use super::event::QueryLine;
use super::keys::{Panel, Scope};
use super::render::layout;
use super::series::Arrivals;
use super::table::{self, Table, TableLine, View};
use super::theme::Theme;
use crate::diagnostic::printable;
use crate::progress::{BatchResult, LateRow, Mood, OutputMode, QuerySnapshot};

/// How the dashboard is to look.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The session's time zone: every clock is in it.
    pub zone: Tz,
    pub theme: Theme,
}

/// What lies over the panels; at most one thing does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Layer {
    Help {
        top: usize,
    },
    Queries {
        selected: usize,
    },
    Row {
        row: OpenedRow,
        top: usize,
    },
    /// Late rows as they were when the first was opened, newest first, and which of them is in sight.
    Late {
        rows: Vec<Arc<LateRow>>,
        at: usize,
    },
    Filter,
    ConfirmStop,
}

/// A row opened to its exact values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenedRow {
    pub batch_id: u64,
    /// Its place in the batch, from 1.
    pub position: usize,
    pub fields: Vec<Field>,
}

/// One column of an opened row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub name: String,
    pub kind: String,
    pub value: Option<String>,
    /// What it was before, where it was something else.
    pub before: Option<Option<String>>,
}

/// Results held still: a batch paged back to, or the newest at the moment of the freeze.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub results: VecDeque<Arc<BatchResult>>,
    pub index: usize,
}

/// The dashboard's whole state. `update` changes it, `draw` only reads it.
#[derive(Debug)]
pub struct App {
    pub(super) options: Options,
    /// Columns and rows of the terminal.
    pub(super) size: (u16, u16),
    pub(super) current: String,
    pub(super) queries: Vec<QueryLine>,
    pub(super) snapshot: Option<QuerySnapshot>,
    /// The query does not exist any more.
    pub(super) gone: bool,
    pub(super) panel: Panel,
    pub(super) layer: Option<Layer>,
    pub(super) held: Option<Held>,
    pub(super) filter: String,
    pub(super) changed_first: bool,
    pub(super) table: Table,
    /// The table is of an older batch: nobody looked at it meanwhile.
    pub(super) stale: bool,
    /// Line of the table that the reader is on, if any.
    pub(super) selected: Option<usize>,
    /// First line shown, per panel.
    pub(super) top: [usize; 6],
    /// First column of the result shown.
    pub(super) first_column: usize,
    pub(super) arrivals: Arrivals,
    /// What became of the last key, until the next.
    pub(super) message: Option<(Mood, String)>,
}

impl App {
    /// A dashboard about `name`, on a terminal of `size` columns and rows.
    pub fn new(name: &str, size: (u16, u16), options: Options) -> App {
        App {
            options,
            size,
            current: name.to_owned(),
            queries: Vec::new(),
            snapshot: None,
            gone: false,
            panel: Panel::Result,
            layer: None,
            held: None,
            filter: String::new(),
            changed_first: false,
            table: Table::default(),
            stale: false,
            selected: None,
            top: [0; 6],
            first_column: 0,
            arrivals: Arrivals::default(),
            message: None,
        }
    }

    /// The query that is shown.
    pub fn current(&self) -> &str {
        &self.current
    }

    /// The last snapshot of it.
    pub fn snapshot(&self) -> Option<&QuerySnapshot> {
        self.snapshot.as_ref()
    }

    /// The theme in force, for the session to keep.
    pub fn theme(&self) -> Theme {
        self.options.theme
    }

    /// Whether the list of queries is in sight.
    pub(super) fn shows_queries(&self) -> bool {
        matches!(self.layer, Some(Layer::Queries { .. }))
    }

    /// Where keys go.
    pub(super) fn scope(&self) -> Scope {
        match (&self.layer, self.panel) {
            (Some(Layer::Help { .. } | Layer::Row { .. } | Layer::Late { .. }), _) => Scope::Popup,
            (Some(Layer::Queries { .. }), _) => Scope::List,
            (Some(Layer::Filter), _) => Scope::Typing,
            (Some(Layer::ConfirmStop), _) => Scope::Confirm,
            (None, Panel::Result) => Scope::Result,
            (None, Panel::Time) => Scope::Time,
            (None, _) => Scope::Text,
        }
    }

    /// The results that panel 1 shows, and which of them is on top.
    pub(super) fn results(&self) -> Option<(&VecDeque<Arc<BatchResult>>, usize)> {
        if let Some(held) = &self.held {
            return Some((&held.results, held.index));
        }
        let results = &self.snapshot.as_ref()?.results;
        Some((results, results.len().checked_sub(1)?))
    }

    /// The result on top.
    pub(super) fn result(&self) -> Option<&Arc<BatchResult>> {
        self.results().and_then(|(results, index)| results.get(index))
    }

    /// Batches that came after the held one.
    pub(super) fn batches_behind(&self) -> Option<u64> {
        let held = self.held.as_ref()?;
        let shown = held.results.get(held.index)?.batch_id;
        let newest = self.snapshot.as_ref()?.results.back()?.batch_id;
        Some(newest.saturating_sub(shown))
    }

    /// Opens a panel.
    pub(super) fn show(&mut self, panel: Panel) {
        self.panel = panel;
        if panel == Panel::Result && self.stale {
            self.rebuild();
        }
    }

    /// Computes the table anew: after a new batch, a page back, another filter.
    pub(super) fn rebuild(&mut self) {
        self.stale = false;
        let mode = self.snapshot.as_ref().map_or(OutputMode::Append, |s| s.mode);
        let view = View { mode, filter: &self.filter, changed_first: self.changed_first };
        self.table = match self.results() {
            Some((results, index)) => table::build(results, index, view),
            None => Table::default(),
        };
        self.selected = self.selected.map(|at| at.min(self.table.lines.len().saturating_sub(1)));
        self.follow();
    }

    /// Moves the table so that the selected line, or some line at all, is in sight.
    pub(super) fn follow(&mut self) {
        let page = self.page();
        let last_top = self.table.lines.len().saturating_sub(page);
        let top = &mut self.top[0];
        if let Some(at) = self.selected {
            *top = (*top).min(at).max((at + 1).saturating_sub(page));
        }
        *top = (*top).min(last_top);
    }

    /// Lines of the main panel that scroll.
    pub(super) fn page(&self) -> usize {
        let rows = layout::areas(self.size.0, self.size.1).map_or(1, |areas| usize::from(areas.main.height));
        let fixed = match self.panel {
            Panel::Result => 3,
            Panel::Progress => 2 + super::render::progress::FIXED_LINES,
            Panel::Flow | Panel::Time | Panel::Plan | Panel::Log => 2,
        };
        rows.saturating_sub(fixed).max(1)
    }

    /// Lines that the open panel could show.
    pub(super) fn extent(&self) -> usize {
        let Some(snapshot) = &self.snapshot else { return 0 };
        match self.panel {
            Panel::Result => self.table.lines.len(),
            Panel::Progress => snapshot.progress.len(),
            Panel::Flow => super::render::flow::lines(self, 80).len(),
            Panel::Time => super::render::time::lines(self, 80).len(),
            Panel::Plan => snapshot.plan.lines().count(),
            Panel::Log => snapshot.log.len(),
        }
    }

    /// The selected line opened, if it is a row.
    pub(super) fn opened_row(&self) -> Option<OpenedRow> {
        let at = self.selected.unwrap_or(self.top[0]);
        let TableLine::Row(row) = self.table.lines.get(at)? else { return None };
        let (results, _) = self.results()?;
        let result = results.get(row.result)?;
        let values = result.rows.get(row.row)?;
        let fields = result
            .columns
            .iter()
            .enumerate()
            .map(|(i, (name, kind))| {
                let value = values.get(i).cloned().flatten();
                let before = row.previous.as_ref().and_then(|p| p.get(i)).filter(|b| **b != value).cloned();
                let safe = |v: Option<String>| v.map(|v| printable(&v).into_owned());
                Field { name: printable(name).into_owned(), kind: kind.clone(), value: safe(value), before: before.map(safe) }
            })
            .collect();
        Some(OpenedRow { batch_id: result.batch_id, position: row.row + 1, fields })
    }
}
