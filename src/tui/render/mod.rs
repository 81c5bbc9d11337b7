//! Drawing: a file per panel, each `render(frame, &App, area)`. Drawing reads and changes nothing.
//!
//! ```text
//!  ▸ counts ● running   batch 41   complete   1,204 groups   at-most-once  10:42:07     header
//!  in 12.5k/s ▁▂▃▅▇▆▅▅▅▆  out 12.5k/s ▁▂▃▅▇▆▅▅▅▆  batch 38 ms of 2 s ▁▁▂▁▁▃▁▁▁▁       rates
//! ┌ 1 Result · batch 41 of 41 · 1,204 rows, 12 changed ────────────── ←/→ older ┐
//! │ ~ quick            1,204            +12                                     │     result, progress, flow,
//! │   brown              640                                                    │     time, plan or log
//! └───────────────────────────────────────────────────────── 1–14 of 1,204 ─────┘
//!  socket 12.5k/s ─▸ buffer ▏2 % ─▸ aggregate 21 ms ─▸ console 4 ms                    flow
//!  ✓ keeps up: a batch takes 38 ms of its 2 s                                          why
//!  1 result 2 progress 3 flow 4 time 5 plan 6 log │ / filter f freeze p pause ? q      hints
//! ```

mod charts;
pub(super) mod flow;
mod header;
mod hints;
mod late;
pub(super) mod layout;
mod log;
mod plan;
pub(super) mod popup;
pub(super) mod progress;
mod result;
pub(super) mod time;
mod why;

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::app::{App, Layer};
use super::format;
use super::keys::Panel;
use super::theme::Role;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, app: &App) {
    let area = frame.area();
    let Some(areas) = layout::areas(area.width, area.height) else {
        return too_small(frame, area);
    };
    header::render(frame, app, areas.header);
    header::render_rates(frame, app, areas.rates);
    match app.panel {
        Panel::Result => result::render(frame, app, areas.main),
        Panel::Progress => progress::render(frame, app, areas.main),
        Panel::Flow => flow::render(frame, app, areas.main),
        Panel::Time => time::render(frame, app, areas.main),
        Panel::Plan => plan::render(frame, app, areas.main),
        Panel::Log => log::render(frame, app, areas.main),
    }
    if let Some(side) = areas.side {
        charts::render(frame, app, side);
    }
    if areas.flow_is_boxes() {
        flow::render_boxes(frame, app, areas.flow);
    } else {
        flow::render_line(frame, app, areas.flow);
    }
    why::render(frame, app, areas.why);
    hints::render(frame, app, areas.hints);
    match &app.layer {
        Some(Layer::Help { top }) => popup::render_help(frame, app, areas.main, *top),
        Some(Layer::Queries { selected }) => popup::render_queries(frame, app, areas.main, *selected),
        Some(Layer::Row { row, top }) => popup::render_row(frame, app, areas.main, row, *top),
        Some(Layer::Late { rows, at }) => late::render(frame, app, areas.main, rows, *at),
        Some(Layer::Filter | Layer::ConfirmStop) | None => {}
    }
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let (columns, rows) = layout::LEAST;
    let said = format!("eddy needs {columns} × {rows}, here are {} × {}", area.width, area.height);
    frame.render_widget(Paragraph::new(format::fit(&said, usize::from(area.width)).into_owned()), area);
}

/// What stands on a panel's frame.
#[derive(Default)]
struct Titles {
    /// Top left, after the panel's number and name.
    about: String,
    /// Top right.
    keys: &'static str,
    bottom_left: String,
    bottom_right: String,
}

/// The frame of a numbered panel.
fn panel_block(app: &App, name: &str, titles: Titles, area: Rect) -> Block<'static> {
    let theme = app.options.theme;
    let room = usize::from(area.width).saturating_sub(4);
    let right = if titles.keys.is_empty() { String::new() } else { format!(" {} ", titles.keys) };
    let heading = format!(" {} {name}", app.panel.number());
    let about_room = room.saturating_sub(format::width(&heading) + format::width(&right) + 2);
    let about = if titles.about.is_empty() { " ".to_owned() } else { format!(" · {} ", titles.about) };
    let mut block = Block::bordered()
        .border_style(theme.style(Role::Dim))
        .title(Line::from(vec![
            Span::styled(heading, theme.style(Role::Title)),
            Span::styled(format::fit(&about, about_room).into_owned(), Style::new()),
        ]))
        .title(Line::styled(right, theme.style(Role::Dim)).alignment(Alignment::Right));
    if !titles.bottom_left.is_empty() {
        block = block.title_bottom(Line::styled(format!(" {} ", titles.bottom_left), theme.style(Role::Dim)));
    }
    if !titles.bottom_right.is_empty() {
        let text = format!(" {} ", titles.bottom_right);
        block = block.title_bottom(Line::styled(text, theme.style(Role::Dim)).alignment(Alignment::Right));
    }
    block
}

/// A panel of lines that scrolls: draws those in sight and says which they are.
fn render_lines(frame: &mut Frame<'_>, app: &App, name: &str, mut titles: Titles, lines: Vec<Line<'static>>, area: Rect) {
    let page = usize::from(area.height.saturating_sub(2));
    let total = lines.len();
    let top = app.top[app.panel.number() - 1].min(total.saturating_sub(page));
    if total > page {
        titles.bottom_right = format!("{}–{} of {}", top + 1, (top + page).min(total), format::count(total as u64));
    }
    let block = panel_block(app, name, titles, area);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(top).take(page).collect();
    frame.render_widget(Paragraph::new(shown), inner);
}

/// What a panel says while there is no snapshot.
fn nothing_yet(app: &App) -> Vec<Line<'static>> {
    let said = if app.gone { "this query does not exist any more" } else { "waiting for the query's first figures" };
    vec![Line::default(), Line::from(format!("   {said}"))]
}
