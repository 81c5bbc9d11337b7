//! Panel 6: what happened to the query, newest at the end.
//!
//! ```text
//! │ 10:41:00  socket localhost:9999: connected                                     │
//! │ 10:42:07  socket localhost:9999: the peer closed; trying again in 1 s          │
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Titles, nothing_yet, render_lines};
use crate::diagnostic::printable;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::Role;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let width = usize::from(area.width.saturating_sub(2 + 11));
    let dim = app.options.theme.style(Role::Dim);
    let lines = match &app.snapshot {
        Some(snapshot) if snapshot.log.is_empty() => vec![Line::default(), Line::raw("   nothing happened yet")],
        Some(snapshot) => snapshot
            .log
            .iter()
            .map(|(at, text)| {
                let clock = Span::styled(format!(" {}  ", format::clock(*at, app.options.zone)), dim);
                Line::from(vec![clock, Span::raw(format::fit(&printable(text), width).into_owned())])
            })
            .collect(),
        None => nothing_yet(app),
    };
    render_lines(frame, app, "Log", Titles::default(), lines, area);
}
