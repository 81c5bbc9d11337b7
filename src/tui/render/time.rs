//! Panel 4: event times against the watermark, and the state that is kept.
//!
//! ```text
//! ┌ 4 Time · watermark 10:27:00 ───────────────────────────────────────────────────┐
//! │ 10:20          10:25          10:30          10:35                             │
//! │ ├──────────────┼─────W────────┼───═══════════┼══●────────────────────────────  │
//! │ W watermark 10:27:00   ● newest event 10:37:00   ═ events of batch 41          │
//! │                                                                                │
//! │ watermark     10:27:00   10 min behind the newest event                        │
//! │ newest event  10:37:00   in batch 41                                           │
//! │ batch 41      10:33:12 – 10:37:00, on average 10:35:40                         │
//! │ late rows     2 dropped in the last 42 batches                                 │
//! │                                                                                │
//! │ state operator         rows   updated   removed      late    memory            │
//! │ stateStoreSave          214        12         3         2     18 KB            │
//! └────────────────────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Titles, nothing_yet, render_lines};
use crate::diagnostic::printable;
use crate::progress::{BatchProgress, EventTime, QuerySnapshot};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Role;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let times = app.snapshot.as_ref().and_then(Times::of);
    let about = match &times {
        Some(times) if times.watermark > 0 => format!("watermark {}", format::clock(times.watermark, app.options.zone)),
        Some(_) => "watermark not set yet".to_owned(),
        None => "no watermark".to_owned(),
    };
    let lines = lines(app, usize::from(area.width.saturating_sub(2)));
    render_lines(frame, app, "Time", Titles { about, ..Titles::default() }, lines, area);
}

/// The event times that the kept batches tell of, in microseconds.
struct Times {
    watermark: i64,
    /// Newest event and the batch that brought it.
    newest: Option<(i64, u64)>,
    /// Of the last batch that brought events.
    batch: Option<(u64, EventTime)>,
    late: u64,
}

impl Times {
    /// None when the query has no watermark, or no batch ran yet.
    fn of(snapshot: &QuerySnapshot) -> Option<Times> {
        let with_time = |b: &BatchProgress| b.event_time.clone().map(|t| (b.batch_id, t));
        let known: Vec<(u64, EventTime)> = snapshot.progress.iter().filter_map(|b| with_time(b)).collect();
        let (_, last) = known.last()?;
        let newest = known.iter().filter_map(|(batch, t)| t.max.map(|max| (max, *batch))).max_by_key(|(max, _)| *max);
        let batch = known.iter().rev().find(|(_, t)| t.max.is_some()).cloned();
        let late = snapshot.progress.iter().flat_map(|b| &b.state_operators).map(|s| s.num_rows_dropped_by_watermark).sum();
        let watermark = snapshot.results.back().and_then(|r| r.watermark).unwrap_or(i64::MIN).max(last.watermark);
        Some(Times { watermark, newest, batch, late })
    }
}

/// The panel's lines for that many columns.
pub(in crate::tui) fn lines(app: &App, width: usize) -> Vec<Line<'static>> {
    let Some(snapshot) = &app.snapshot else { return nothing_yet(app) };
    let mut lines = match Times::of(snapshot) {
        Some(times) => time_lines(app, snapshot, &times, width),
        None if snapshot.progress.is_empty() => vec![Line::raw(" no batch has run yet")],
        None => without_watermark(app, width),
    };
    lines.push(Line::default());
    lines.extend(state_lines(app, snapshot));
    lines
}

fn without_watermark(app: &App, width: usize) -> Vec<Line<'static>> {
    let said = "this query has no watermark: no row is ever late, and what it keeps is kept for good";
    let hint = "WATERMARK column DELAY OF INTERVAL 10 MINUTES after the stream's name sets one";
    let wrapped = |text: &str| format::wrap(text, width.saturating_sub(2)).into_iter().map(|line| format!(" {line}")).collect::<Vec<_>>();
    let dim = app.options.theme.style(Role::Dim);
    let hints = wrapped(hint).into_iter().map(|line| Line::styled(line, dim));
    wrapped(said).into_iter().map(Line::raw).chain(hints).collect()
}

fn time_lines(app: &App, snapshot: &QuerySnapshot, times: &Times, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let zone = app.options.zone;
    let dim = theme.style(Role::Dim);
    let mut lines = Vec::new();
    if let Some(axis) = Axis::of(times, width.saturating_sub(2)) {
        lines.push(Line::styled(format!(" {}", axis.labels(app)), dim));
        lines.push(Line::raw(format!(" {}", axis.draw(times))));
        lines.push(Line::styled(" W watermark   ═ events of the last batch   ● newest event", dim));
        lines.push(Line::default());
    }
    let fact = |word: &str, text: String| Line::from(vec![Span::styled(format!(" {word:<14}"), dim), Span::raw(text)]);
    lines.push(match (times.watermark, times.newest) {
        (mark, Some((newest, _))) if mark > 0 => {
            let behind = format::duration((newest - mark).max(0) as f64 / 1e3);
            fact("watermark", format!("{}   {behind} behind the newest event", format::date_clock(mark, zone)))
        }
        (mark, None) if mark > 0 => fact("watermark", format::date_clock(mark, zone)),
        _ => fact("watermark", "not set yet: it moves after a batch that brings events".to_owned()),
    });
    lines.push(match times.newest {
        Some((newest, batch)) => fact("newest event", format!("{}   in batch {}", format::date_clock(newest, zone), format::count(batch))),
        None => fact("newest event", "none yet".to_owned()),
    });
    if let Some((batch, EventTime { max: Some(max), min: Some(min), avg, .. })) = &times.batch {
        let average = avg.map_or(String::new(), |avg| format!(", on average {}", format::clock(avg, zone)));
        let text = format!("{} – {}{average}", format::clock(*min, zone), format::clock(*max, zone));
        lines.push(fact(&format!("batch {}", format::count(*batch)), text));
    }
    let batches = format::counted(snapshot.progress.len() as u64, "batch", "batches");
    let text = format!("{} dropped in the last {batches}", format::count(times.late));
    let role = if times.late > 0 { Role::Warning } else { Role::Text };
    lines.push(Line::from(vec![Span::styled(format!(" {:<14}", "late rows"), dim), Span::styled(text, theme.style(role))]));
    lines
}

/// A stretch of time over a line of the screen, in microseconds.
struct Axis {
    from: i64,
    to: i64,
    step: i64,
    columns: usize,
}

/// Steps between two labels, in seconds.
const STEPS: [i64; 14] = [1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800];
/// Columns from one label to the next at least.
const LABEL_COLUMNS: usize = 12;

impl Axis {
    fn of(times: &Times, columns: usize) -> Option<Axis> {
        let (newest, _) = times.newest?;
        let oldest = times.batch.as_ref().and_then(|(_, t)| t.min).unwrap_or(newest);
        let low = if times.watermark > 0 { times.watermark.min(oldest) } else { oldest };
        let margin = ((newest - low) / 8).max(1_000_000);
        let (from, to) = (low - margin, newest + margin);
        let most = (columns / LABEL_COLUMNS).max(1);
        let fits = |step: &&i64| (to - from) / (**step * 1_000_000) < i64::try_from(most).unwrap_or(1);
        let step = STEPS.iter().find(fits).copied().unwrap_or((to - from) / 1_000_000 + 1) * 1_000_000;
        Some(Axis { from, to, step, columns })
    }

    fn column(&self, at: i64) -> usize {
        let part = (at - self.from) as f64 / (self.to - self.from).max(1) as f64;
        ((part * (self.columns - 1) as f64).round().max(0.0) as usize).min(self.columns - 1)
    }

    fn ticks(&self) -> impl Iterator<Item = i64> + '_ {
        let first = self.from.div_euclid(self.step) * self.step + self.step;
        (0..).map(move |n| first + n * self.step).take_while(|at| *at < self.to)
    }

    fn labels(&self, app: &App) -> String {
        let mut text = String::new();
        for tick in self.ticks() {
            let clock = format::clock(tick, app.options.zone);
            let label = if self.step < 60_000_000 { &clock[..] } else { &clock[..5] };
            let column = self.column(tick);
            if column < text.len() || column + label.len() > self.columns {
                continue;
            }
            text.push_str(&" ".repeat(column - text.len()));
            text.push_str(label);
        }
        text
    }

    fn draw(&self, times: &Times) -> String {
        let mut cells = vec!['─'; self.columns];
        for tick in self.ticks() {
            cells[self.column(tick)] = '┼';
        }
        if let Some((_, EventTime { min: Some(min), max: Some(max), .. })) = &times.batch {
            cells[self.column(*min)..=self.column(*max)].fill('═');
        }
        if let Some((newest, _)) = times.newest {
            cells[self.column(newest)] = '●';
        }
        if times.watermark > 0 {
            cells[self.column(times.watermark)] = 'W';
        }
        cells.into_iter().collect()
    }
}

fn state_lines(app: &App, snapshot: &QuerySnapshot) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let operators = snapshot.progress.back().map(|b| &b.state_operators[..]).unwrap_or_default();
    if operators.is_empty() {
        return vec![Line::raw(" the query keeps no state")];
    }
    let row = |name: &str, figures: [&str; 5]| {
        let [rows, updated, removed, late, memory] = figures;
        format!(" {} {rows:>11} {updated:>9} {removed:>9} {late:>9} {memory:>9}", format::left(name, 22))
    };
    let heading = row("state operator", ["rows", "updated", "removed", "late", "memory"]);
    let mut lines = vec![Line::styled(heading, theme.style(Role::Dim))];
    for operator in operators {
        let figures =
            [operator.num_rows_total, operator.num_rows_updated, operator.num_rows_removed, operator.num_rows_dropped_by_watermark];
        let [rows, updated, removed, late] = figures.map(format::count);
        let memory = format::bytes(operator.memory_used_bytes);
        lines.push(Line::raw(row(&printable(&operator.operator_name), [&rows, &updated, &removed, &late, &memory])));
    }
    lines
}
