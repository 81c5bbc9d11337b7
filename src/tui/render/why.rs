//! The sentence that says why, always in the same place; below it what became of the last key.
//!
//! ```text
//!  ✓ keeps up: a batch takes 38 ms of its 2 s; room for about 50 × this rate
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::diagnostic::printable;
use crate::progress::Mood;
use crate::tui::app::App;
use crate::tui::format;
use crate::tui::theme::mood_mark;

/// Draws the sentence in up to two lines, or in one with a message below.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let theme = app.options.theme;
    let width = usize::from(area.width).saturating_sub(4);
    let (mood, sentence) = match (&app.snapshot, app.gone) {
        (_, true) => (Mood::Failure, format!("there is no query `{}` any more", printable(&app.current))),
        (Some(snapshot), _) => (snapshot.why.mood, printable(&snapshot.why.sentence).into_owned()),
        (None, _) => (Mood::Waiting, "waiting for the query's first figures".to_owned()),
    };
    let room = if app.message.is_some() { 1 } else { usize::from(area.height) };
    let mut lines: Vec<Line<'static>> = said(mood, &sentence, width, room).into_iter().map(|l| Line::styled(l, theme.mood(mood))).collect();
    if let Some((mood, text)) = &app.message {
        lines.extend(said(*mood, text, width, 1).into_iter().map(|l| Line::styled(l, theme.mood(*mood))));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The sentence behind its mark, in at most `room` lines; the last is cut where there would be more.
fn said(mood: Mood, sentence: &str, width: usize, room: usize) -> Vec<String> {
    let mut lines = format::wrap(sentence, width);
    if lines.len() > room {
        let rest = lines.split_off(room - 1).join(" ");
        lines.push(format::fit(&rest, width).into_owned());
    }
    let first = |at: usize| if at == 0 { mood_mark(mood) } else { " " };
    lines.into_iter().enumerate().map(|(at, line)| format!(" {} {line}", first(at))).collect()
}
