//! Panel 2: rates, batch time against the trigger, where the time went, and the batches one by one.
//!
//! ```text
//! ┌ 2 Progress · 42 batches shown ───────────────────────────────────────────────┐
//! │ rows in    12.5k/s ▁▂▃▅▇▆▅▅▅▆▁▂▃▅▇▆▅▅▅▆▁▂▃▅▇▆▅▅▅▆   most 15.2k/s               │
//! │ rows out     602/s ▁▂▃▅▇▆▅▅▅▆▁▂▃▅▇▆▅▅▅▆▁▂▃▅▇▆▅▅▅▆   most 640/s                 │
//! │ batch        38 ms ▁▁▂▁▁▃▁▁▁▁▁▁▂▁▁▃▁▁▁▁▁▁▂▁▁▃▁▁▁▁   most 61 ms of 2 s           │
//! │ batch 41 spent its 38 ms on                                                    │
//! │ latestOffset    0.1 ms ▏            walCommit       0.2 ms ▏                   │
//! │ …                                                                              │
//! │  batch  started      rows in  rows out     state     time  of 2 s              │
//! │     41  10:42:06      25,000     1,204     1,204    38 ms  ▏  2 %              │
//! └────────────────────────────────────────────────────────────── 1–7 of 42 ──────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{Titles, nothing_yet, panel_block, render_lines};
use crate::progress::{BatchProgress, QuerySnapshot};
use crate::tui::app::App;
use crate::tui::theme::Role;
use crate::tui::{format, series};

/// Lines above the batches that scroll.
pub(in crate::tui) const FIXED_LINES: usize = 10;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(snapshot) = &app.snapshot else {
        return render_lines(frame, app, "Progress", Titles::default(), nothing_yet(app), area);
    };
    let page = usize::from(area.height.saturating_sub(2)).saturating_sub(FIXED_LINES);
    let total = snapshot.progress.len();
    let top = app.top[1].min(total.saturating_sub(page));
    let titles = Titles {
        about: match total {
            0 => "no batch yet".to_owned(),
            _ => format!("last {}", format::counted(total as u64, "batch", "batches")),
        },
        bottom_right: if total > page { format!("{}–{} of {total}", top + 1, (top + page).min(total)) } else { String::new() },
        ..Titles::default()
    };
    let block = panel_block(app, "Progress", titles, area);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let width = usize::from(inner.width);
    let mut lines = rate_lines(app, snapshot, width);
    lines.push(Line::default());
    lines.extend(phase_lines(app, snapshot, width));
    lines.push(Line::default());
    lines.push(batch_heading(app, snapshot));
    lines.extend(snapshot.progress.iter().rev().skip(top).take(page).map(|batch| batch_line(app, snapshot, batch, width)));
    frame.render_widget(Paragraph::new(lines), inner);
}

fn rate_lines(app: &App, snapshot: &QuerySnapshot, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (rows_in, rows_out) = (series::rows_in(snapshot), series::rows_out(snapshot));
    let millis = series::batch_millis(snapshot);
    let slowest = match series::interval_millis(snapshot.trigger) {
        Some(interval) => format!("most {} of {}", format::duration(most(&millis)), format::duration(interval)),
        None => format!("most {}", format::duration(most(&millis))),
    };
    let rate = |values: &[f64]| format::rate(series::current(snapshot, values));
    let last = format::duration(millis.last().copied().unwrap_or(0.0));
    let most_rate = |values: &[f64]| format!("most {}", format::rate(most(values)));
    let rows = [
        ("rows in", rate(&rows_in), &rows_in, most_rate(&rows_in)),
        ("rows out", rate(&rows_out), &rows_out, most_rate(&rows_out)),
        ("batch", last, &millis, slowest),
    ];
    let tail = rows.iter().map(|(.., most)| format::width(most)).max().unwrap_or(0);
    let chart = width.saturating_sub(1 + 9 + 9 + 1 + 3 + tail + 1);
    let line = |(word, figure, values, most): (&str, String, &Vec<f64>, String)| {
        Line::from(vec![
            Span::styled(format!(" {word:<9}"), theme.style(Role::Dim)),
            Span::styled(format!("{figure:>9}"), theme.style(Role::Title)),
            Span::raw(format!(" {}", format::spark(values, chart))),
            Span::styled(format!("   {most}"), theme.style(Role::Dim)),
        ])
    };
    rows.into_iter().map(line).collect()
}

/// Four lines: the heading and the six phases in two columns.
fn phase_lines(app: &App, snapshot: &QuerySnapshot, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let Some(last) = snapshot.progress.back() else {
        return vec![Line::styled(" no batch has run yet", theme.style(Role::Dim)), Line::default(), Line::default(), Line::default()];
    };
    let d = &last.duration_ms;
    let whole = d.trigger_execution.max(1e-9);
    let phases = [
        ("latestOffset", d.latest_offset),
        ("getBatch", d.get_batch),
        ("queryPlanning", d.query_planning),
        ("walCommit", d.wal_commit),
        ("addBatch", d.add_batch),
        ("commitOffsets", d.commit_offsets),
    ];
    let half = (width.saturating_sub(2)) / 2;
    let room = half.saturating_sub(14 + 8 + 1 + 1);
    let phase = |(name, millis): (&str, f64)| {
        let bar = format::left(&format::bar(millis / whole, room), room);
        [
            Span::styled(format!(" {name:<13}"), theme.style(Role::Dim)),
            Span::raw(format!("{:>8} ", format::duration(millis))),
            Span::raw(format!("{bar} ")),
        ]
    };
    let heading = format!(" batch {} spent its {} on", format::count(last.batch_id), format::duration(d.trigger_execution));
    let mut lines = vec![Line::raw(heading)];
    for row in 0..3 {
        lines.push(Line::from_iter(phase(phases[row]).into_iter().chain(phase(phases[row + 3]))));
    }
    lines
}

fn batch_heading(app: &App, snapshot: &QuerySnapshot) -> Line<'static> {
    let share = match series::interval_millis(snapshot.trigger) {
        Some(interval) => format!("of {}", format::duration(interval)),
        None => String::new(),
    };
    let text = format!(" {:>7}  {:<8}  {:>11}  {:>10}  {:>10}  {:>8}  {share}", "batch", "started", "rows in", "rows out", "state", "time");
    Line::styled(text, app.options.theme.style(Role::Dim))
}

fn batch_line(app: &App, snapshot: &QuerySnapshot, batch: &BatchProgress, width: usize) -> Line<'static> {
    let state = match &batch.state_operators[..] {
        [] => "–".to_owned(),
        operators => format::count(operators.iter().map(|s| s.num_rows_total).sum()),
    };
    let millis = batch.duration_ms.trigger_execution;
    let text = format!(
        " {:>7}  {:<8}  {:>11}  {:>10}  {:>10}  {:>8}  ",
        format::count(batch.batch_id),
        format::clock(batch.timestamp, app.options.zone),
        format::count(batch.num_input_rows),
        format::count(batch.sink.num_output_rows),
        state,
        format::duration(millis),
    );
    let room = width.saturating_sub(format::width(&text) + 1);
    let theme = app.options.theme;
    let share = match series::interval_millis(snapshot.trigger) {
        Some(interval) => {
            let columns = room.saturating_sub(6).min(40);
            let bar = format::left(&format::bar(millis / interval, columns), columns);
            let role = if millis > interval { Role::Warning } else { Role::Text };
            Span::styled(format!("{bar} {:>5}", format::percent(millis, interval)), theme.style(role))
        }
        None => Span::raw(""),
    };
    Line::from(vec![Span::raw(text), share])
}
