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
        Some(Layer::Help { .. } | Layer::Queries { .. } | Layer::Row { .. } | Layer::Late { .. }) => {}
    }
    let paused = app.snapshot.as_ref().is_some_and(|s| s.state == QueryState::Paused);
    let used: usize = spans.iter().map(Span::width).sum();
    let all = keys::hints(app.scope()).map(|(key, word)| (key, if paused && word == "pause" { "go on" } else { word }));
    for (key, word) in within(all.collect(), usize::from(area.width).saturating_sub(used)) {
        spans.push(Span::styled(format!(" {key}"), theme.style(Role::Key)));
        if !word.is_empty() {
            spans.push(Span::raw(format!(" {word}")));
        }
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// The hints that fit into `room` columns. The last two (help and back, which everybody knows or must find) stay:
/// they lose their words first, then hints before them leave, from the end.
fn within(mut hints: Vec<(String, &'static str)>, room: usize) -> Vec<(String, &'static str)> {
    let width = |hints: &[(String, &str)]| -> usize {
        hints.iter().map(|(key, word)| 1 + format::width(key) + if word.is_empty() { 0 } else { 1 + format::width(word) }).sum()
    };
    if width(&hints) > room {
        hints.iter_mut().rev().take(2).for_each(|hint| hint.1 = "");
    }
    while width(&hints) > room && hints.len() > 2 {
        hints.remove(hints.len() - 3);
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_and_back_stay_when_room_is_short() {
        let hints = || vec![("/".to_owned(), "filter"), ("p".to_owned(), "pause"), ("?".to_owned(), "help"), ("q".to_owned(), "back")];
        let said = |room| within(hints(), room).iter().map(|(key, word)| format!(" {key} {word}")).collect::<String>();
        assert_eq!(said(40), " / filter p pause ? help q back");
        assert_eq!(said(22), " / filter p pause ?  q ");
        assert_eq!(said(16), " / filter ?  q ");
        assert_eq!(said(3), " ?  q ");
    }
}
