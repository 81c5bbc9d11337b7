//! A late row, opened: what it was, when it came, which window it missed and which delay would have kept it.
//!
//! ```text
//! ┌ late row 1 of 2 ───────────────────────────────────────────────────────────────┐
//! │ timestamp 2026-11-21 10:04:11   user_id 9   action view   value 1.0            │
//! │                                                                                │
//! │ Its time is 10:04:11. It came in batch 12, when the watermark stood at         │
//! │ 10:27:00.                                                                      │
//! │ Its window 10:00:00 – 10:10:00 had been closed and written in batch 9.         │
//! │ A delay of 27 min 1 s or more would have kept it.                              │
//! └────────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::popup::render_popup;
use crate::diagnostic::printable;
use crate::progress::{LateRow, OutputMode, QuerySnapshot};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Role;

/// Draws the row at `at`.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect, rows: &[Arc<LateRow>], at: usize) {
    let Some(row) = rows.get(at) else { return };
    let title = format!("late row {} of {}", format::count(at as u64 + 1), format::count(rows.len() as u64));
    render_popup(frame, app, area, &title, lines(app, row, usize::from(area.width.saturating_sub(3)), rows.len()), 0);
}

fn lines(app: &App, row: &LateRow, width: usize, rows: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let mut lines = cells(app, row, width);
    lines.push(Line::default());
    for sentence in sentences(app, row) {
        lines.extend(format::wrap(&sentence, width.saturating_sub(1)).into_iter().map(|line| Line::raw(format!(" {line}"))));
    }
    if rows > 1 {
        lines.push(Line::default());
        lines.push(Line::styled(" j k: the other late rows, newest first", theme.style(Role::Dim)));
    }
    lines
}

/// The row's columns, as many a line as fit.
fn cells(app: &App, row: &LateRow, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let (mut lines, mut spans, mut used): (Vec<Line<'static>>, Vec<Span<'static>>, usize) = (Vec::new(), vec![Span::raw(" ")], 1);
    for (name, value) in &row.columns {
        let name = printable(name).into_owned();
        let (text, role) = match value {
            Some(text) => (printable(text).into_owned(), Role::Text),
            None => ("NULL".to_owned(), Role::Dim),
        };
        let text = format::fit(&text, width.saturating_sub(format::width(&name) + 2)).into_owned();
        let room = format::width(&name) + 1 + format::width(&text) + 3;
        if used + room > width && used > 1 {
            lines.push(Line::from(std::mem::replace(&mut spans, vec![Span::raw(" ")])));
            used = 1;
        }
        used += room;
        spans.push(Span::styled(format!("{name} "), theme.style(Role::Title)));
        spans.push(Span::styled(format!("{text}   "), theme.style(role)));
    }
    lines.push(Line::from(spans));
    lines
}

fn sentences(app: &App, row: &LateRow) -> Vec<String> {
    let clock = |at: i64| moment(at, app);
    let came = format!("came in batch {}, when the watermark stood at {}.", format::count(row.batch_id), clock(row.watermark));
    let mut out = vec![match row.event_time {
        Some(time) => format!("Its time is {}. It {came}", clock(time)),
        None => format!("It {came}"),
    }];
    let span = |(start, end): &(i64, i64)| format!("{} – {}", clock(*start), clock(*end));
    let windows: Vec<String> = row.windows.iter().map(span).collect();
    let session = row.operator.starts_with("session");
    match (windows.as_slice(), session) {
        ([], _) => out.push("The watermark had passed its time: what it could have met was gone.".to_owned()),
        ([own], true) => out.push(format!("A session of its own would have been {own}, and the watermark had passed its end.")),
        ([one], false) => out.push(format!("Its window {one} had been closed{}.", written(app, row.windows[0].1))),
        (many, _) => out.push(format!("Its windows {} had been closed.", many.join(" and "))),
    }
    // It is late by the end of its first window, or by its time.
    let by = row.windows.iter().map(|(_, end)| *end).min().or(row.event_time);
    if let (Some(delay), Some(by)) = (app.snapshot.as_ref().and_then(|s| s.delay), by) {
        let needed = row.watermark.saturating_sub(by).saturating_add(delay);
        out.push(format!("A delay of {} or more would have kept it.", format::duration(at_least(needed))));
    }
    out
}

/// A clock, with its fraction where it has one.
fn moment(micros: i64, app: &App) -> String {
    let clock = format::clock(micros, app.options.zone);
    match micros.rem_euclid(1_000_000) / 1_000 {
        0 => clock,
        millis => format!("{clock}.{millis:03}"),
    }
}

/// The next length above `micros` that is shown without being rounded down; in milliseconds.
fn at_least(micros: i64) -> f64 {
    let seconds = micros.max(0) / 1_000_000 + 1;
    let unit = match seconds {
        ..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    ((seconds + unit - 1) / unit * unit) as f64 * 1e3
}

/// ` and written in batch 9`, where that is still known.
fn written(app: &App, end: i64) -> String {
    let Some(snapshot) = &app.snapshot else { return String::new() };
    let batch = closed_in(snapshot, end).map(|batch| format!(" in batch {}", format::count(batch)));
    match (snapshot.mode, batch) {
        (OutputMode::Append, Some(batch)) => format!(" and written{batch}"),
        (_, Some(batch)) => batch,
        (_, None) => String::new(),
    }
}

/// The batch that closed the window which ends at `end`.
fn closed_in(snapshot: &QuerySnapshot, end: i64) -> Option<u64> {
    let closes = |b: &&Arc<crate::progress::BatchProgress>| b.state_operators.iter().any(|o| o.closed_windows.iter().any(|w| w.end == end));
    snapshot.progress.iter().find(closes).map(|b| b.batch_id)
}
