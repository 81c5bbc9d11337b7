//! Panel 5: the plan, as EXPLAIN prints it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{Titles, nothing_yet, render_lines};
use crate::diagnostic::printable;
use crate::tui::app::App;
use crate::tui::format;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let width = usize::from(area.width.saturating_sub(3));
    let lines = match &app.snapshot {
        Some(snapshot) => {
            let mut lines: Vec<Line<'static>> = Vec::new();
            if !snapshot.guarantee_reason.is_empty() {
                let text = format!("{}: {}", snapshot.guarantee, snapshot.guarantee_reason);
                lines.extend(format::wrap(&printable(&text), width).into_iter().map(|line| Line::raw(format!(" {line}"))));
                lines.push(Line::raw(""));
            }
            lines.extend(snapshot.plan.lines().map(|line| Line::raw(format!(" {}", format::fit(&printable(line), width)))));
            lines
        }
        None => nothing_yet(app),
    };
    let titles = Titles { about: "rows flow from the innermost line outwards".to_owned(), ..Titles::default() };
    render_lines(frame, app, "Plan", titles, lines, area);
}
