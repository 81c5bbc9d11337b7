//! The two lines on top.
//!
//! ```text
//!  ▸ counts ● running   batch 41   complete   1,204 groups   at-most-once  10:42:07
//!  in 12.5k/s ▁▂▃▅▇▆▅▅▅▆  out 12.5k/s ▁▂▃▅▇▆▅▅▅▆  batch 38 ms of 2 s ▁▁▂▁▁▃▁▁▁▁
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::diagnostic::printable;
use crate::progress::{QuerySnapshot, QueryState};
use crate::tui::app::App;
use crate::tui::theme::Role;
use crate::tui::{format, series};

/// Mark, word and meaning of a state. Words have one width, so that nothing after them moves.
pub(super) fn state_words(state: &QueryState) -> (&'static str, &'static str, Role) {
    match state {
        QueryState::Starting => ("○", "starting", Role::Text),
        // Between two batches of an interval the query is at work all the same.
        QueryState::Running | QueryState::WaitingForTrigger => ("●", "running", Role::Good),
        QueryState::WaitingForData => ("○", "waiting", Role::Text),
        QueryState::Paused => ("‖", "paused", Role::Warning),
        QueryState::Stopped => ("■", "stopped", Role::Text),
        QueryState::Failed(_) => ("✗", "failed", Role::Failure),
    }
}

/// The first line.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let theme = app.options.theme;
    let width = usize::from(area.width);
    let name = format::fit(&printable(&app.current), 24).into_owned();
    let mut spans = vec![Span::raw(" ▸ "), Span::styled(name, theme.style(Role::Title)), Span::raw(" ")];
    let Some(snapshot) = &app.snapshot else {
        if app.gone {
            spans.push(Span::styled("✗ gone", theme.style(Role::Failure)));
        }
        frame.render_widget(Paragraph::new(Line::from(spans)), area);
        return;
    };
    let (mark, word, role) = if app.gone { ("✗", "gone", Role::Failure) } else { state_words(&snapshot.state) };
    spans.push(Span::styled(format!("{mark} {word:<8}"), theme.style(role)));
    let clock = format::clock(snapshot.now, app.options.zone);
    let used: usize = spans.iter().map(Span::width).sum();
    let segments = fitting(facts(snapshot), width.saturating_sub(used + format::width(&clock) + 1));
    spans.push(Span::raw(segments));
    let used: usize = spans.iter().map(Span::width).sum();
    spans.push(Span::raw(" ".repeat(width.saturating_sub(used + format::width(&clock)))));
    spans.push(Span::styled(clock, theme.style(Role::Dim)));
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// The facts of the first line with how much each matters: the larger number goes first when room is short.
fn facts(snapshot: &QuerySnapshot) -> Vec<(u8, String)> {
    let batch = snapshot.progress.back().map_or("no batch yet".to_owned(), |b| format!("batch {}", format::count(b.batch_id)));
    let mut facts = vec![(0, batch), (1, snapshot.mode.name().to_owned())];
    let keeps_state = snapshot.progress.back().filter(|b| !b.state_operators.is_empty());
    match (keeps_state, snapshot.results.back()) {
        (Some(batch), _) => {
            let groups = batch.state_operators.iter().map(|s| s.num_rows_total).sum();
            facts.push((2, format::counted(groups, "group", "groups")));
        }
        (None, Some(result)) => facts.push((2, format::counted(result.total_rows, "row", "rows"))),
        (None, None) => {}
    }
    if !snapshot.guarantee.is_empty() {
        facts.push((3, printable(&snapshot.guarantee).into_owned()));
    }
    facts
}

fn fitting(mut facts: Vec<(u8, String)>, room: usize) -> String {
    loop {
        let text: String = facts.iter().map(|(_, fact)| format!("  {fact} ")).collect();
        if format::width(&text) <= room || facts.is_empty() {
            return text.trim_end().to_owned();
        }
        let least = facts.iter().enumerate().max_by_key(|(_, (rank, _))| *rank).map_or(0, |(at, _)| at);
        facts.remove(least);
    }
}

/// The second line: three figures, each with its course over the last batches.
pub(super) fn render_rates(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(snapshot) = &app.snapshot else { return };
    let (rows_in, rows_out) = (series::rows_in(snapshot), series::rows_out(snapshot));
    let millis = series::batch_millis(snapshot);
    let rate = |rates: &[f64]| format!("{:>7}", format::rate(series::current(snapshot, rates)));
    let interval = series::interval_millis(snapshot.trigger);
    let last = millis.last().copied().unwrap_or(0.0);
    let batch = match interval {
        Some(interval) => format!("{:>6} of {}", format::duration(last), format::duration(interval)),
        None => format!("{:>6}", format::duration(last)),
    };
    let fixed = " in  ".len() + 7 + "  out  ".len() + 7 + "  batch  ".len() + format::width(&batch) + 1;
    let each = (usize::from(area.width).saturating_sub(fixed) / 3).min(30);
    let theme = app.options.theme;
    let late = interval.is_some_and(|interval| last > interval);
    let figure = |text: String| Span::styled(text, theme.style(Role::Title));
    let word = |text: &'static str| Span::styled(text, theme.style(Role::Dim));
    let spans = vec![
        word(" in "),
        figure(rate(&rows_in)),
        Span::raw(format!(" {}", format::spark(&rows_in, each))),
        word("  out "),
        figure(rate(&rows_out)),
        Span::raw(format!(" {}", format::spark(&rows_out, each))),
        word("  batch "),
        Span::styled(batch, theme.style(if late { Role::Warning } else { Role::Title })),
        Span::raw(format!(" {}", format::spark(&millis, each))),
    ];
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
