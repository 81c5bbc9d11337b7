//! Panel 4: event times against the watermark, the windows, and the state that is kept.
//!
//! ```text
//! ┌ 4 Time · watermark = newest event − 10 min ────────────────────────────────────┐
//! │ 10:00          10:10          10:20          10:30          10:40              │
//! │ ├──────────────┼──────────────┼─────────W────┼────═══════●──┼────────────────  │
//! │ [ closed 42   ][ closed 37   ][ open 18     ][ open 21     ]                   │
//! │      x  x                                                                      │
//! │ W watermark · ═ last batch · ● newest event · x late rows                      │
//! │ watermark 10:27:00 · newest event 10:37:00 · the next window closes when an    │
//! │ event of 10:40:00 or later comes · 2 rows late (Enter shows them and why)      │
//! │ batch 41: 10:33:12 – 10:37:00, on average 10:35:40                             │
//! │                                                                                │
//! │ state: 3 windows, 214 groups, 18 KB · evicted 79                               │
//! │ operator               rows   updated   removed      late    memory            │
//! │ stateStoreSave          214        12         3         2     18 KB            │
//! └────────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeMap;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{Titles, nothing_yet, render_lines};
use crate::diagnostic::printable;
use crate::progress::{BatchProgress, EventTime, OutputMode, QuerySnapshot, StateOperatorProgress, WindowGroups};
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Role;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let times = app.snapshot.as_ref().and_then(Times::of);
    let delay = app.snapshot.as_ref().and_then(|s| s.delay);
    let about = match (&times, delay) {
        (Some(_), Some(0)) => "watermark = newest event".to_owned(),
        (Some(_), Some(delay)) => format!("watermark = newest event − {}", format::duration(delay as f64 / 1e3)),
        (Some(times), None) if times.watermark > 0 => format!("watermark {}", format::clock(times.watermark, app.options.zone)),
        (Some(_), None) => "watermark not set yet".to_owned(),
        (None, _) => "no watermark".to_owned(),
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
    /// When rows came that were late, as far as it is known.
    late_at: Vec<i64>,
    windows: Vec<Shown>,
}

/// A window with its groups.
#[derive(Clone, Copy, Debug)]
struct Shown {
    window: WindowGroups,
    /// Still takes rows.
    open: bool,
    /// What its box says beside the number of groups.
    word: &'static str,
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
        let late_at = snapshot.late.iter().filter_map(|row| row.event_time).collect();
        Some(Times { watermark, newest, batch, late, late_at, windows: windows(snapshot) })
    }

    fn next_to_close(&self) -> Option<WindowGroups> {
        self.windows.iter().filter(|w| w.open).map(|w| w.window).min_by_key(|w| w.end)
    }
}

/// The windows that the kept batches closed and those that are open, by start; the same one counts once.
fn windows(snapshot: &QuerySnapshot) -> Vec<Shown> {
    let mut all: BTreeMap<(i64, i64), Shown> = BTreeMap::new();
    let closed = snapshot.progress.iter().flat_map(|b| &b.state_operators).flat_map(|o| &o.closed_windows);
    for window in closed {
        let empty = WindowGroups { groups: 0, ..*window };
        let shown = all.entry((window.start, window.end)).or_insert(Shown { window: empty, open: false, word: "closed" });
        shown.window.groups += window.groups;
    }
    // Complete mode keeps every window for good.
    let word = if snapshot.mode == OutputMode::Complete { "kept" } else { "open" };
    for window in snapshot.progress.back().iter().flat_map(|b| &b.state_operators).flat_map(|o| &o.open_windows) {
        all.insert((window.start, window.end), Shown { window: *window, open: true, word });
    }
    all.into_values().collect()
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
        lines.extend(axis.boxes(&times.windows).into_iter().map(|line| Line::raw(format!(" {line}"))));
        if !times.late_at.is_empty() {
            lines.push(Line::styled(format!(" {}", axis.marks(&times.late_at)), theme.style(Role::Warning)));
        }
        lines.push(Line::styled(format!(" {}", axis.legend(times)), dim));
        lines.push(Line::default());
    }
    let clock = |at: i64| format::clock(at, zone);
    let mut facts = vec![match (times.watermark, times.newest) {
        (mark, Some((newest, _))) if mark > 0 => {
            format!(
                "watermark {}, {} behind the newest event {}",
                clock(mark),
                format::duration((newest - mark).max(0) as f64 / 1e3),
                clock(newest)
            )
        }
        (mark, None) if mark > 0 => format!("watermark {}", format::date_clock(mark, zone)),
        (_, Some((newest, _))) => format!("newest event {} · no watermark yet: it moves after a batch that brings events", clock(newest)),
        _ => "no event yet, so no watermark".to_owned(),
    }];
    if let (Some(window), Some(delay)) = (times.next_to_close().filter(|_| snapshot.mode != OutputMode::Complete), snapshot.delay) {
        facts.push(format!("the next window closes when an event of {} or later comes", clock(window.end.saturating_add(delay))));
    }
    if let Some((batch, EventTime { max: Some(max), min: Some(min), avg, .. })) = &times.batch {
        let average = avg.map_or(String::new(), |avg| format!(", on average {}", clock(avg)));
        facts.push(format!("batch {}: {} – {}{average}", format::count(*batch), clock(*min), clock(*max)));
    }
    for line in format::wrap(&facts.join(" · "), width.saturating_sub(2)) {
        lines.push(Line::raw(format!(" {line}")));
    }
    if times.late > 0 || !times.late_at.is_empty() {
        let batches = format::counted(snapshot.progress.len() as u64, "batch", "batches");
        let shows = if snapshot.late.is_empty() { "" } else { " (Enter shows them and why)" };
        let text = format!(" {} late in the last {batches}{shows}", format::counted(times.late, "row", "rows"));
        lines.push(Line::styled(text, theme.style(Role::Warning)));
    }
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
/// A window's box is at most so wide.
const BOX_COLUMNS: i64 = 15;
/// Lines for windows that overlap.
const LANES: usize = 3;
/// Columns from one label to the next at least.
const LABEL_COLUMNS: usize = 12;

impl Axis {
    fn of(times: &Times, columns: usize) -> Option<Axis> {
        let (newest, _) = times.newest?;
        let oldest = times.batch.as_ref().and_then(|(_, t)| t.min).unwrap_or(newest);
        let mut low = if times.watermark > 0 { times.watermark.min(oldest) } else { oldest };
        let margin = ((newest - low) / 8).max(1_000_000);
        let (mut from, mut to) = (low - margin, newest + margin);
        if let Some(last) = times.windows.iter().map(|w| w.window).max_by_key(|w| w.end) {
            // The window that closes next, the one that closed last, and as many as have room for their words.
            let size = (last.end - last.start).max(1);
            low = times.windows.iter().filter(|w| w.open).map(|w| w.window.start).chain([low, last.start - size]).min().unwrap_or(low);
            to = newest.max(last.end);
            let room = size.saturating_mul(i64::try_from(columns).unwrap_or(1)) / BOX_COLUMNS;
            from = low.div_euclid(size) * size;
            from -= (room - (to - from)).max(0) / size * size;
        }
        let most = (columns / LABEL_COLUMNS).max(1);
        let fits = |step: &i64| (to - from) / *step < i64::try_from(most).unwrap_or(1);
        // Labels stand where windows begin.
        let size = times.windows.last().map(|w| w.window.end - w.window.start).filter(|size| *size > 0);
        let steps: Vec<i64> = match size {
            Some(size) => [1, 2, 3, 6, 12, 30, 60].into_iter().map(|n| size.saturating_mul(n)).collect(),
            None => STEPS.iter().map(|seconds| seconds * 1_000_000).collect(),
        };
        let step = steps.into_iter().find(fits).unwrap_or(to - from + 1);
        Some(Axis { from, to, step, columns })
    }

    /// The windows in lanes, so that those which overlap lie below each other.
    fn boxes(&self, windows: &[Shown]) -> Vec<String> {
        let mut lanes: Vec<(i64, Vec<char>)> = Vec::new();
        for shown in windows.iter().filter(|w| w.window.end > self.from && w.window.start < self.to) {
            let Shown { window, word, .. } = shown;
            let lane = match lanes.iter().position(|(end, _)| *end <= window.start) {
                Some(lane) => lane,
                None if lanes.len() < LANES => {
                    lanes.push((i64::MIN, vec![' '; self.columns]));
                    lanes.len() - 1
                }
                None => continue,
            };
            let (end, cells) = &mut lanes[lane];
            *end = window.end;
            let first = self.column(window.start);
            let past = if window.end >= self.to { self.columns } else { self.column(window.end) };
            let width = past.saturating_sub(first);
            let groups = format::count(window.groups);
            let inner = width.saturating_sub(2);
            let label = [format!(" {word} {groups} "), format!("{word} {groups}"), format!(" {groups} "), groups, String::new()];
            let label = label.into_iter().find(|l| l.chars().count() <= inner).unwrap_or_default();
            let filling = format!("{label:<inner$}");
            match width {
                0 => {}
                1 => cells[first] = '|',
                _ => {
                    let text = std::iter::once('[').chain(filling.chars()).chain([']']);
                    text.zip(&mut cells[first..past]).for_each(|(c, cell)| *cell = c);
                }
            }
        }
        lanes.into_iter().map(|(_, cells)| cells.into_iter().collect::<String>().trim_end().to_owned()).collect()
    }

    /// Where late rows fell; `‹` for those before the axis.
    fn marks(&self, late: &[i64]) -> String {
        let mut cells = vec![' '; self.columns];
        for at in late {
            let (column, mark) = if *at < self.from { (0, '‹') } else { (self.column(*at), 'x') };
            cells[column] = mark;
        }
        cells.into_iter().collect::<String>().trim_end().to_owned()
    }

    /// What the marks mean that stand on this axis.
    fn legend(&self, times: &Times) -> String {
        let on = |at: &i64| *at >= self.from;
        let marks = [
            (times.watermark > 0, "W watermark"),
            (times.batch.is_some(), "═ last batch"),
            (times.newest.is_some(), "● newest event"),
            (times.late_at.iter().any(on), "x late rows"),
            (!times.late_at.iter().all(on), "‹ late rows before"),
        ];
        marks.into_iter().filter(|(there, _)| *there).map(|(_, mark)| mark).collect::<Vec<_>>().join(" · ")
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
            let label = if self.step % 60_000_000 != 0 { &clock[..] } else { &clock[..5] };
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

/// What is kept, in a line.
fn summary(snapshot: &QuerySnapshot, operators: &[StateOperatorProgress]) -> Line<'static> {
    let open = operators.iter().map(|o| o.open_windows.len() as u64).sum::<u64>();
    let windows = if open == 0 { String::new() } else { format!("{}, ", format::counted(open, "window", "windows")) };
    let grouping = operators.iter().all(|o| o.operator_name == "stateStoreSave");
    let (one, many) = if grouping { ("group", "groups") } else { ("row", "rows") };
    let rows = format::counted(operators.iter().map(|o| o.num_rows_total).sum(), one, many);
    let memory = format::bytes(operators.iter().map(|o| o.memory_used_bytes).sum());
    let removed: u64 = snapshot.progress.iter().flat_map(|b| &b.state_operators).map(|o| o.num_rows_removed).sum();
    Line::raw(format!(" state: {windows}{rows}, {memory} · evicted {}", format::count(removed)))
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
    let heading = row("operator", ["rows", "updated", "removed", "late", "memory"]);
    let mut lines = vec![summary(snapshot, operators), Line::styled(heading, theme.style(Role::Dim))];
    for operator in operators {
        let figures =
            [operator.num_rows_total, operator.num_rows_updated, operator.num_rows_removed, operator.num_rows_dropped_by_watermark];
        let [rows, updated, removed, late] = figures.map(format::count);
        let memory = format::bytes(operator.memory_used_bytes);
        lines.push(Line::raw(row(&printable(&operator.operator_name), [&rows, &updated, &removed, &late, &memory])));
    }
    lines
}
