//! What opens over the main panel: help, the list of queries, a row with its exact values.
//!
//! ```text
//! ┌ row 3 of batch 41 ─────────────────────────────────────────────────────────────┐
//! │ word    string   quick                                                         │
//! │ n       bigint   1204                                                          │
//! │                  was 1192                                                      │
//! └────────────────────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::{header, layout};
use crate::diagnostic::printable;
use crate::tui::app::{App, OpenedRow};
use crate::tui::event::QueryLine;
use crate::tui::format;
use crate::tui::keys::{self, Group};
use crate::tui::theme::{Role, Theme};

/// Lines of a popup that scroll, on a screen of that size.
pub(in crate::tui) fn page(size: (u16, u16)) -> usize {
    layout::areas(size.0, size.1).map_or(1, |areas| usize::from(areas.main.height).saturating_sub(2).max(1))
}

/// Lines of help in all.
pub(in crate::tui) fn help_lines() -> usize {
    help(Theme::Plain).len()
}

/// Lines of an opened row in all, on a screen of that size.
pub(in crate::tui) fn row_lines(row: &OpenedRow, size: (u16, u16)) -> usize {
    let width = layout::areas(size.0, size.1).map_or(0, |areas| usize::from(areas.main.width));
    opened(row, Theme::Plain, width.saturating_sub(2)).len()
}

/// All keys and what they do.
pub(super) fn render_help(frame: &mut Frame<'_>, app: &App, area: Rect, top: usize) {
    render_popup(frame, app, area, "keys", help(app.options.theme), top);
}

fn help(theme: Theme) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(Line::styled(format!(" {}", group.title()), theme.style(Role::Title)));
        for (keys, said) in keys::help(group) {
            lines.push(Line::from(vec![Span::styled(format!("   {}", format::left(&keys, 20)), theme.style(Role::Key)), Span::raw(said)]));
        }
    }
    lines.push(Line::default());
    lines.push(Line::styled(" Marks", theme.style(Role::Title)));
    for (mark, said) in [("~", "a row that changed"), ("+", "a row that was not there before"), ("▸", "where you are"), ("!", "look here")]
    {
        lines.push(Line::from(vec![Span::styled(format!("   {mark:<20}"), theme.style(Role::Key)), Span::raw(said)]));
    }
    lines
}

/// The session's queries.
pub(super) fn render_queries(frame: &mut Frame<'_>, app: &App, area: Rect, selected: usize) {
    let theme = app.options.theme;
    let width = usize::from(area.width.saturating_sub(2));
    let name_width = app.queries.iter().map(|q| format::width(&q.name)).max().unwrap_or(0).clamp(8, 30);
    let heading =
        format!("     {} {:<10} {:<9} {:>9} {:>9} {:>9}", format::left("query", name_width), "state", "mode", "batch", "rows in", "time");
    let mut lines = vec![Line::styled(heading, theme.style(Role::Dim))];
    for (at, query) in app.queries.iter().enumerate() {
        let line = query_line(theme, query, name_width, at == selected, query.name == app.current);
        lines.push(if at == selected { line.style(theme.style(Role::Selected)) } else { line });
    }
    if app.queries.is_empty() {
        lines.push(Line::raw(format!("   {}", format::fit("there are no queries", width))));
    }
    let top = (selected + 2).saturating_sub(usize::from(area.height.saturating_sub(2)));
    render_popup(frame, app, area, "queries", lines, top);
}

fn query_line(theme: Theme, query: &QueryLine, name_width: usize, selected: bool, current: bool) -> Line<'static> {
    let pointer = if selected { "▸" } else { " " };
    let shown = if current { "*" } else { " " };
    let name = format::left(&printable(&query.name), name_width);
    let Some(figures) = &query.figures else {
        return Line::raw(format!(" {pointer} {shown} {name} –"));
    };
    let (mark, word, role) = header::state_words(&figures.state);
    Line::from(vec![
        Span::raw(format!(" {pointer} {shown} {name} ")),
        Span::styled(format!("{mark} {word:<8}"), theme.style(role)),
        Span::raw(format!(
            " {:<9} {:>9} {:>9} {:>9}",
            figures.mode.name(),
            figures.batch_id.map_or("–".to_owned(), format::count),
            format::rate(figures.rate),
            format::duration(figures.millis),
        )),
    ])
}

/// One row, every column, exact values.
pub(super) fn render_row(frame: &mut Frame<'_>, app: &App, area: Rect, row: &OpenedRow, top: usize) {
    let title = format!("row {} of batch {}", format::count(row.position as u64), format::count(row.batch_id));
    let lines = opened(row, app.options.theme, usize::from(area.width.saturating_sub(2)));
    render_popup(frame, app, area, &title, lines, top);
}

fn opened(row: &OpenedRow, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let widest = |text: fn(&crate::tui::app::Field) -> &str, most: usize| {
        row.fields.iter().map(|f| format::width(text(f))).max().unwrap_or(0).min(most)
    };
    let (names, kinds) = (widest(|f| &f.name, 24), widest(|f| &f.kind, 20));
    let room = width.saturating_sub(1 + names + 2 + kinds + 2 + 1).max(1);
    let mut lines = Vec::new();
    for field in &row.fields {
        let (value, role) = match &field.value {
            Some(value) => (value.as_str(), if field.before.is_some() { Role::Changed } else { Role::Text }),
            None => ("NULL", Role::Dim),
        };
        for (at, piece) in format::wrap(value, room).into_iter().enumerate() {
            let (name, kind) = if at == 0 { (field.name.as_str(), field.kind.as_str()) } else { ("", "") };
            lines.push(Line::from(vec![
                Span::styled(format!(" {}  ", format::left(name, names)), theme.style(Role::Title)),
                Span::styled(format!("{}  ", format::left(kind, kinds)), theme.style(Role::Dim)),
                Span::styled(piece, theme.style(role)),
            ]));
        }
        if let Some(before) = &field.before {
            let text = format!("was {}", before.as_deref().unwrap_or("NULL"));
            let indent = " ".repeat(1 + names + 2 + kinds + 2);
            lines.push(Line::styled(format!("{indent}{}", format::fit(&text, room)), theme.style(Role::Dim)));
        }
    }
    lines
}

pub(super) fn render_popup(frame: &mut Frame<'_>, app: &App, area: Rect, title: &str, lines: Vec<Line<'static>>, top: usize) {
    let theme = app.options.theme;
    let page = usize::from(area.height.saturating_sub(2));
    let total = lines.len();
    let mut block = Block::bordered().title(Line::styled(format!(" {title} "), theme.style(Role::Title)));
    if total > page {
        let text = format!(" {}–{} of {total} · j k ", top + 1, (top + page).min(total));
        block = block.title_bottom(Line::from(text).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines.into_iter().skip(top).take(page).collect::<Vec<_>>()), inner);
}
