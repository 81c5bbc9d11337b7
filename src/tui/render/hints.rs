//! The last line: the panels and the keys that work here; or the question, or the line being typed.
//!
//! ```text
//!  1 result 2 progress 3 flow 4 time 5 plan 6 log │ / filter f freeze p pause ? q
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::diagnostic::printable;
use crate::progress::QueryState;
use crate::tui::app::{App, Layer};
use crate::tui::format;
use crate::tui::keys::{self, Panel};
use crate::tui::theme::Role;

/// Draws the line.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let theme = app.options.theme;
    let mut spans = vec![Span::raw(" ")];
    match &app.layer {
        None => {
            for panel in Panel::ALL {
                let role = if panel == app.panel { Role::Selected } else { Role::Text };
                spans.push(Span::styled(format!("{} {}", panel.number(), panel.name()), theme.style(role)));
                spans.push(Span::raw(" "));
            }
            spans.push(Span::styled("│", theme.style(Role::Dim)));
        }
        Some(Layer::Filter) => {
            spans.push(Span::styled("/ ", theme.style(Role::Key)));
            spans.push(Span::raw(format!("{}▌  ", printable(&app.filter))));
        }
        Some(Layer::ConfirmStop) => {
            let text = format!("stop `{}` after the batch in flight? ", format::fit(&printable(&app.current), 24));
            spans.push(Span::styled(text, theme.style(Role::Warning)));
        }
        Some(Layer::Help { .. } | Layer::Queries { .. } | Layer::Row { .. }) => {}
    }
    let paused = app.snapshot.as_ref().is_some_and(|s| s.state == QueryState::Paused);
    let width = usize::from(area.width);
    for (key, word) in keys::hints(app.scope()) {
        let word = if paused && word == "pause" { "go on" } else { word };
        let used: usize = spans.iter().map(Span::width).sum();
        let key_only = used + 1 + format::width(&key);
        if key_only > width {
            break;
        }
        spans.push(Span::styled(format!(" {key}"), theme.style(Role::Key)));
        if key_only + 1 + format::width(word) <= width {
            spans.push(Span::raw(format!(" {word}")));
        }
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
