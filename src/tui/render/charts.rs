//! The right column of a wide screen: the course of rates, batch time and state beside whatever panel is open.
//!
//! ```text
//! ┌ rows in ───────────────── 12.5k/s ┐
//! │                    ▂▅█▅▂          │
//! │          ▂▅▇▇▇▅▃▂▂▅█████▇▅▃       │
//! └───────────────────── most 15.2k/s ┘
//! ```

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, Paragraph};

use crate::tui::app::App;
use crate::tui::theme::Role;
use crate::tui::{format, series};

struct Chart {
    title: &'static str,
    now: String,
    most: String,
    values: Vec<f64>,
}

/// Draws the column.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let charts = charts(app);
    let count = u16::try_from(charts.len()).unwrap_or(1).max(1);
    let (each, extra) = (area.height / count, area.height % count);
    let mut y = area.y;
    for (at, chart) in (0_u16..).zip(&charts) {
        let height = each + u16::from(at < extra);
        render_chart(frame, app, chart, Rect { y, height, ..area });
        y += height;
    }
}

fn charts(app: &App) -> Vec<Chart> {
    let Some(snapshot) = &app.snapshot else { return Vec::new() };
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let rate = |title, values: Vec<f64>| Chart {
        title,
        now: format::rate(series::current(snapshot, &values)),
        most: format!("most {}", format::rate(most(&values))),
        values,
    };
    let millis = series::batch_millis(snapshot);
    let most_millis = match series::interval_millis(snapshot.trigger) {
        Some(interval) => format!("most {} of {}", format::duration(most(&millis)), format::duration(interval)),
        None => format!("most {}", format::duration(most(&millis))),
    };
    let mut charts = vec![
        rate("rows in", series::rows_in(snapshot)),
        rate("rows out", series::rows_out(snapshot)),
        Chart { title: "batch time", now: format::duration(millis.last().copied().unwrap_or(0.0)), most: most_millis, values: millis },
    ];
    let state = series::state_rows(snapshot);
    if most(&state) > 0.0 {
        let memory: u64 = snapshot.progress.back().map_or(0, |b| b.state_operators.iter().map(|s| s.memory_used_bytes).sum());
        charts.push(Chart {
            title: "state rows",
            now: format::count(state.last().copied().unwrap_or(0.0) as u64),
            most: format::bytes(memory),
            values: state,
        });
    }
    charts
}

fn render_chart(frame: &mut Frame<'_>, app: &App, chart: &Chart, area: Rect) {
    let theme = app.options.theme;
    let block = Block::bordered()
        .border_style(theme.style(Role::Dim))
        .title(Line::styled(format!(" {} ", chart.title), theme.style(Role::Dim)))
        .title(Line::styled(format!(" {} ", chart.now), theme.style(Role::Title)).alignment(Alignment::Right))
        .title_bottom(Line::styled(format!(" {} ", chart.most), theme.style(Role::Dim)).alignment(Alignment::Right));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let lines: Vec<Line<'static>> =
        bars(&chart.values, usize::from(inner.width), usize::from(inner.height)).into_iter().map(Line::raw).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

/// The last `columns` values as bars over `rows` lines, top line first, against the largest of them.
fn bars(values: &[f64], columns: usize, rows: usize) -> Vec<String> {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(columns)..];
    let top = shown.iter().copied().fold(0.0_f64, f64::max);
    let eighths: Vec<usize> =
        shown.iter().map(|v| if top > 0.0 { ((v / top * (rows * 8) as f64).round().max(1.0)) as usize } else { 1 }).collect();
    (0..rows)
        .rev()
        .map(|row| {
            let padding = std::iter::repeat_n(' ', columns - shown.len());
            padding.chain(eighths.iter().map(|e| LEVELS[e.saturating_sub(row * 8).min(8)])).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::bars;

    #[test]
    fn bars_rise_over_several_lines() {
        assert_eq!(bars(&[1.0, 2.0, 4.0], 4, 2), ["   █", " ▄██"]);
        assert_eq!(bars(&[0.0, 0.0], 2, 2), ["  ", "▁▁"]);
        assert_eq!(bars(&[], 2, 1), ["  "]);
    }
}
