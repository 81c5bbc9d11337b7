//! Panel 1: the rows of a batch, with what changed.
//!
//! ```text
//! ┌ 1 Result · batch 41 of 41 · 1,204 rows, 12 changed ───────────────── ←/→ older ┐
//! │   word                 n         change                                        │
//! │ ~ quick            1,204            +12                                        │
//! │ + eddyline             1            new                                        │
//! │   brown              640                                                       │
//! └──────────────────────────────────────────────────────────── 1–14 of 1,204 ─────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{Titles, nothing_yet, panel_block};
use crate::diagnostic::printable;
use crate::progress::{OutputMode, QuerySnapshot};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::table::{Column, Mark, TableLine, TableRow};
use crate::tui::theme::Role;

/// Space before the first column: pointer, mark and a blank; and between columns.
const MARGIN: usize = 3;
const GAP: usize = 3;
/// Columns are at least this wide, so that short words and counts do not crowd, and at most that.
const LEAST_WIDTH: usize = 6;
const MOST_WIDTH: usize = 60;
/// A column is not squeezed below this to make room for the next.
const SQUEEZED_WIDTH: usize = 16;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(snapshot) = &app.snapshot else {
        return super::render_lines(frame, app, "Result", Titles::default(), nothing_yet(app), area);
    };
    let inner_width = usize::from(area.width.saturating_sub(2));
    let page = usize::from(area.height.saturating_sub(3));
    let shown = Shown::of(&app.table.columns, app.first_column, inner_width.saturating_sub(MARGIN + 1));
    let titles = Titles {
        about: about(app, snapshot),
        keys: if app.held.is_some() { "←/→ · f live" } else { "←/→ older" },
        bottom_left: shown.beyond(),
        bottom_right: position(app, page),
    };
    let block = panel_block(app, "Result", titles, area);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut lines = vec![shown.heading(app)];
    if app.table.lines.is_empty() {
        lines.extend(empty(app, snapshot, inner_width));
    }
    for (at, line) in app.table.lines.iter().enumerate().skip(app.top[0]).take(page) {
        let selected = app.selected == Some(at);
        lines.push(match line {
            TableLine::Row(row) => shown.row(app, row, selected),
            TableLine::Batch { batch_id, rows } => batch_line(app, *batch_id, *rows, selected, inner_width),
        });
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// `batch 41 of 41 · 1,204 rows, 12 changed, 1 new`.
fn about(app: &App, snapshot: &QuerySnapshot) -> String {
    let Some(result) = app.result() else { return "no batch yet".to_owned() };
    let newest = snapshot.results.back().map_or(result.batch_id, |r| r.batch_id.max(result.batch_id));
    let mut parts = vec![format!("batch {} of {}", format::count(result.batch_id), format::count(newest))];
    if let Some(behind) = app.batches_behind() {
        let batches = if behind == 1 { "batch" } else { "batches" };
        parts.push(format!("PAUSED +{} {batches}", format::count(behind)));
    }
    let table = &app.table;
    if !app.filter.is_empty() {
        parts.push(format!("{} with \"{}\"", format::count(table.matched as u64), printable(&app.filter)));
    }
    let rows = format::counted(table.total, "row", "rows");
    parts.push(match snapshot.mode {
        OutputMode::Append => format::counted(table.total, "new row", "new rows"),
        OutputMode::Update | OutputMode::Complete => {
            let mut said = rows;
            for (number, word) in [(table.changed, "changed"), (table.added, "new")] {
                if number > 0 {
                    said.push_str(&format!(", {} {word}", format::count(number as u64)));
                }
            }
            said
        }
    });
    parts.join(" · ")
}

/// `1–14 of 1,204`, and how many rows are not here at all.
fn position(app: &App, page: usize) -> String {
    let lines = app.table.lines.len();
    let mut text = String::new();
    if lines > page {
        let last = (app.top[0] + page).min(lines);
        text = format!("{}–{} of {}", format::count(app.top[0] as u64 + 1), format::count(last as u64), format::count(lines as u64));
    }
    if app.table.total > app.table.kept as u64 {
        let kept = format!("first {} of {} rows kept", format::count(app.table.kept as u64), format::count(app.table.total));
        text = if text.is_empty() { kept } else { format!("{text} · {kept}") };
    }
    text
}

/// What stands where rows would: that there are none, and why.
fn empty(app: &App, snapshot: &QuerySnapshot, width: usize) -> Vec<Line<'static>> {
    let dim = app.options.theme.style(Role::Dim);
    let said = match app.result() {
        _ if !app.filter.is_empty() => "no row contains the filter's text; Esc clears it".to_owned(),
        Some(result) => format!("no rows came out of batch {}", format::count(result.batch_id)),
        None => "no rows yet".to_owned(),
    };
    let mut lines = vec![Line::default(), Line::from(format!("   {said}"))];
    if app.filter.is_empty() {
        let why = printable(&snapshot.why.sentence).into_owned();
        lines.extend(format::wrap(&why, width.saturating_sub(6)).into_iter().map(|line| Line::styled(format!("   {line}"), dim)));
    }
    lines
}

/// `─ batch 40 · 3 rows ───`, between the batches of a result that grows.
fn batch_line(app: &App, batch_id: u64, rows: u64, selected: bool, width: usize) -> Line<'static> {
    let text = format!("─ batch {} · {} ", format::count(batch_id), format::counted(rows, "row", "rows"));
    let rule = "─".repeat(width.saturating_sub(format::width(&text) + 2));
    let pointer = if selected { "▸" } else { " " };
    let style = if selected { app.options.theme.style(Role::Selected) } else { app.options.theme.style(Role::Dim) };
    Line::styled(format!("{pointer}{text}{rule}"), style)
}

/// The columns in sight and their widths.
struct Shown<'a> {
    columns: &'a [Column],
    widths: Vec<usize>,
    before: usize,
    after: usize,
}

impl<'a> Shown<'a> {
    fn of(all: &'a [Column], first: usize, room: usize) -> Shown<'a> {
        let first = first.min(all.len().saturating_sub(1));
        let mut widths: Vec<usize> = all[first..].iter().map(|c| c.width.clamp(LEAST_WIDTH, MOST_WIDTH)).collect();
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        // The widest give way first, then the last columns leave.
        while total(&widths) > room {
            match widths.iter_mut().max() {
                Some(widest) if *widest > SQUEEZED_WIDTH => *widest -= 1,
                _ => break,
            }
        }
        while total(&widths) > room && widths.len() > 1 {
            widths.pop();
        }
        if let [only] = &mut widths[..] {
            *only = (*only).min(room);
        }
        let after = all.len() - first - widths.len();
        Shown { columns: &all[first..first + widths.len()], widths, before: first, after }
    }

    fn beyond(&self) -> String {
        let columns = |n: usize| if n == 1 { "column" } else { "columns" };
        match (self.before, self.after) {
            (0, 0) => String::new(),
            (0, after) => format!("{after} more {} ▸ l", columns(after)),
            (before, 0) => format!("h ◂ {before} more {}", columns(before)),
            (before, after) => format!("h ◂ {before} more · {after} more ▸ l"),
        }
    }

    fn heading(&self, app: &App) -> Line<'static> {
        let style = app.options.theme.style(Role::Dim);
        let mut text = " ".repeat(MARGIN);
        for (at, (column, width)) in self.columns.iter().zip(&self.widths).enumerate() {
            text.push_str(&gap(at));
            text.push_str(&aligned(&column.name, column.number, *width));
        }
        Line::styled(text, style)
    }

    fn row(&self, app: &App, row: &TableRow, selected: bool) -> Line<'static> {
        let theme = app.options.theme;
        let mark_style = match row.mark {
            Mark::Same => Style::new(),
            Mark::Changed => theme.style(Role::Changed),
            Mark::New => theme.style(Role::New),
        };
        let mut spans = vec![Span::raw(if selected { "▸" } else { " " }), Span::styled(format!("{} ", row.mark.sign()), mark_style)];
        let cells = row.cells.iter().skip(self.before);
        for (at, ((cell, column), width)) in cells.zip(self.columns).zip(&self.widths).enumerate() {
            spans.push(Span::raw(gap(at)));
            let style = match (cell.changed, cell.null, row.mark) {
                (_, _, Mark::New) => theme.style(Role::New),
                (true, _, _) => theme.style(Role::Changed),
                (_, true, _) => theme.style(Role::Dim),
                _ => Style::new(),
            };
            spans.push(Span::styled(aligned(&cell.text, column.number, *width), style));
        }
        let line = Line::from(spans);
        if selected { line.style(theme.style(Role::Selected)) } else { line }
    }
}

fn gap(column: usize) -> String {
    " ".repeat(if column == 0 { 0 } else { GAP })
}

fn aligned(text: &str, number: bool, width: usize) -> String {
    if number { format::right(text, width) } else { format::left(text, width) }
}
