//! Panel 3 and the flow line: where rows come from, where they wait, which step is the slowest.
//!
//! ```text
//!  socket 12.5k/s ─▸ buffer ▏2 % ─▸ decode 3 ms ─▸ aggregate 21 ms ─▸ console 4 ms
//!
//! ┌ 3 Flow · last 60 s ────────────────────────────────────────────────────────────┐
//! │ lines     ● connected   socket localhost:9999                                  │
//! │           arrives 1.2M/s · taken 0.6M/s · received 48,211,004 rows             │
//! │ buffer    ████████████████████████▊  96 %   48,000 of 50,000 rows · 3.1 MB     │
//! │           the sender was held back 51 % of the time                            │
//! │                                                                                │
//! │ step            rows in    rows out      time   of the trigger's 500 ms        │
//! │ decode          300,000     300,000     41 ms   █▎                 8 %         │
//! │ aggregate       300,000       1,204    412 ms   █████████████▏    82 %  ◀ slowest
//! │ console           1,204                  6 ms   ▏                  1 %         │
//! │                                                                                │
//! │ arrives  ▂▃▅▇████████████████████  1.2M/s                                      │
//! │ taken    ▇▇▆▅▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄  0.6M/s                                      │
//! └────────────────────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph};

use super::{Titles, nothing_yet, render_lines};
use crate::diagnostic::printable;
use crate::progress::{BatchProgress, Connection, QuerySnapshot, SourceStatus};
use crate::tui::app::App;
use crate::tui::theme::{Role, Theme};
use crate::tui::{format, series};

/// A buffer fuller than this is a warning.
const FULL: f64 = 0.8;

/// Draws the panel.
pub(super) fn render(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let titles = Titles { about: format!("last {} s", series::KEPT_SECONDS), ..Titles::default() };
    let lines = lines(app, usize::from(area.width.saturating_sub(2)));
    render_lines(frame, app, "Flow", titles, lines, area);
}

/// The panel's lines for that many columns.
pub(in crate::tui) fn lines(app: &App, width: usize) -> Vec<Line<'static>> {
    let Some(snapshot) = &app.snapshot else { return nothing_yet(app) };
    let mut lines = Vec::new();
    for source in &snapshot.sources {
        lines.extend(source_lines(app, source, width));
    }
    if snapshot.sources.is_empty() {
        lines.push(Line::raw(" the query has no source yet"));
    }
    lines.extend(arrival_lines(app, snapshot, width));
    lines.push(Line::default());
    lines.extend(step_lines(app, snapshot, width));
    lines
}

/// Mark, words and meaning of a connection's state.
fn connection_words(connection: &Connection) -> (&'static str, String, Role) {
    let quoted = |text: &str| printable(text).into_owned();
    match connection {
        Connection::Ready => ("●", "ready".to_owned(), Role::Good),
        Connection::Connecting(None) => ("○", "connecting".to_owned(), Role::Text),
        Connection::Connecting(Some(last)) => ("○", format!("connecting again ({})", quoted(last)), Role::Warning),
        Connection::Listening(address) => ("○", format!("listening on {}", quoted(address)), Role::Text),
        Connection::Connected => ("●", "connected".to_owned(), Role::Good),
        Connection::PeerClosed => ("!", "the peer closed; trying again".to_owned(), Role::Warning),
        Connection::Refused(why) => ("!", format!("refused; trying again ({})", quoted(why)), Role::Warning),
        Connection::Ended => ("■", "ended".to_owned(), Role::Text),
    }
}

fn source_lines(app: &App, source: &SourceStatus, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let label = |text: &str| Span::styled(format!(" {}", format::left(text, 10)), theme.style(Role::Dim));
    let (mark, words, role) = connection_words(&source.connection);
    let state = format!("{mark} {words}");
    let about = format::fit(&printable(&source.description), width.saturating_sub(11 + format::width(&state) + 4)).into_owned();
    let mut lines = vec![Line::from(vec![
        Span::styled(format!(" {} ", format::left(&printable(&source.stream), 9)), theme.style(Role::Title)),
        Span::styled(state, theme.style(role)),
        Span::styled(format!("   {about}"), theme.style(Role::Dim)),
    ])];
    let mut received = vec![format!("received {}", format::counted(source.received_rows, "row", "rows"))];
    if let Some(bytes) = source.wal_bytes {
        received.push(format!("write-ahead log {}", format::bytes(bytes)));
    }
    if source.replayed_rows > 0 {
        received.push(format!("{} replayed", format::count(source.replayed_rows)));
    }
    if source.bad_rows > 0 {
        received.push(format!("{} undecodable", format::count(source.bad_rows)));
    }
    if source.oversized_rows > 0 {
        received.push(format!("{} over the line limit", format::count(source.oversized_rows)));
    }
    if let Some(limit) = source.rate_limit {
        received.push(format!("limited to {}", format::rate(limit)));
    }
    let role = if source.bad_rows + source.oversized_rows > 0 { Role::Warning } else { Role::Text };
    lines.push(Line::from(vec![label(""), Span::styled(received.join(" · "), theme.style(role))]));
    if let Some(sample) = &source.sample {
        let text = format!("such as {}", printable(sample));
        lines.push(Line::from(vec![
            label(""),
            Span::styled(format::fit(&text, width.saturating_sub(12)).into_owned(), theme.style(Role::Dim)),
        ]));
    }
    if let Some(fill) = fill_of(source) {
        let columns = (width / 3).min(30);
        let role = if fill > FULL { Role::Warning } else { Role::Text };
        let waiting = match source.capacity_rows {
            0 => format!("{} of {}", format::bytes(source.buffered_bytes), format::bytes(source.capacity_bytes)),
            rows => format!(
                "{} of {} rows · {}",
                format::count(source.buffered_rows),
                format::count(rows),
                format::bytes(source.buffered_bytes)
            ),
        };
        let bar = format::left(&format::bar(fill, columns), columns);
        lines.push(Line::from(vec![
            label("buffer"),
            Span::styled(format!("{bar} {:>5}", format::percent(fill, 1.0)), theme.style(role)),
            Span::raw(format!("   {waiting}")),
        ]));
    }
    lines
}

/// How full a source's buffer is, by rows or bytes, whichever is more; none without a buffer.
fn fill_of(source: &SourceStatus) -> Option<f64> {
    let part = |held: u64, most: u64| (most > 0).then(|| held as f64 / most as f64);
    let rows = part(source.buffered_rows, source.capacity_rows);
    let bytes = part(source.buffered_bytes, source.capacity_bytes);
    match (rows, bytes) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (a, b) => a.or(b),
    }
}

fn arrival_lines(app: &App, snapshot: &QuerySnapshot, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let chart = width.saturating_sub(1 + 10 + 7 + 1 + 1).min(series::KEPT_SECONDS);
    let line = |word: &str, rate: f64, values: &[f64]| {
        Line::from(vec![
            Span::styled(format!(" {}", format::left(word, 10)), theme.style(Role::Dim)),
            Span::styled(format!("{:>7}", format::rate(rate)), theme.style(Role::Title)),
            Span::raw(format!(" {}", format::spark(values, chart))),
        ])
    };
    let arrivals = &app.arrivals;
    let mut lines =
        vec![line("arrives", arrivals.arriving(), &arrivals.arriving_series()), line("taken", arrivals.taken(), &arrivals.taken_series())];
    let buffered = snapshot.sources.iter().any(|s| fill_of(s).is_some());
    let held = arrivals.held();
    if buffered && held >= 0.005 {
        let said = format!("the sender was held back {} of the time: the buffer was full", format::percent(held, 1.0));
        lines.push(Line::from(vec![Span::raw(" ".repeat(11)), Span::styled(said, theme.style(Role::Warning))]));
    }
    lines
}

/// A step of the last batch as rows pass it.
struct Step {
    name: String,
    rows_in: Option<u64>,
    rows_out: Option<u64>,
    millis: f64,
    slowest: bool,
}

/// The operators and the sink, whose time is what `addBatch` took beyond them.
fn steps(batch: &BatchProgress) -> Vec<Step> {
    let mut steps: Vec<Step> = batch
        .operators
        .iter()
        .map(|o| Step {
            name: printable(&o.name).into_owned(),
            rows_in: Some(o.rows_in),
            rows_out: Some(o.rows_out),
            millis: o.millis,
            slowest: false,
        })
        .collect();
    let sink = first_word(&batch.sink.description);
    if !sink.is_empty() && steps.last().is_none_or(|last| last.name != sink) {
        let beyond = batch.duration_ms.add_batch - steps.iter().map(|s| s.millis).sum::<f64>();
        steps.push(Step { name: sink, rows_in: Some(batch.sink.num_output_rows), rows_out: None, millis: beyond.max(0.0), slowest: false });
    }
    let most = steps.iter().map(|s| s.millis).fold(0.0, f64::max);
    if let Some(slowest) = steps.iter_mut().find(|s| s.millis > 0.0 && s.millis >= most) {
        slowest.slowest = true;
    }
    steps
}

fn step_lines(app: &App, snapshot: &QuerySnapshot, width: usize) -> Vec<Line<'static>> {
    let theme = app.options.theme;
    let Some(batch) = snapshot.progress.back() else {
        return vec![Line::styled(" no batch has run yet", theme.style(Role::Dim))];
    };
    let interval = series::interval_millis(snapshot.trigger);
    let whole = interval.unwrap_or(batch.duration_ms.trigger_execution);
    let of = match interval {
        Some(interval) => format!("of the trigger's {}", format::duration(interval)),
        None => format!("of the batch's {}", format::duration(whole)),
    };
    let heading =
        format!(" {:<14} {:>11} {:>11} {:>9}   {of}", format!("batch {}", format::count(batch.batch_id)), "rows in", "rows out", "time");
    let mut lines = vec![Line::styled(heading, theme.style(Role::Dim))];
    let columns = width.saturating_sub(1 + 14 + 12 + 12 + 10 + 3 + 6 + 11).min(40);
    for step in steps(batch) {
        let rows = |n: Option<u64>| n.map_or(String::new(), format::count);
        let bar = format::left(&format::bar(step.millis / whole.max(1e-9), columns), columns);
        let role = if step.slowest && step.millis > whole * FULL { Role::Warning } else { Role::Text };
        let style = theme.style(role);
        lines.push(Line::from(vec![
            Span::styled(format!(" {}", format::left(&step.name, 14)), if step.slowest { theme.style(Role::Title) } else { style }),
            Span::raw(format!(" {:>11} {:>11}", rows(step.rows_in), rows(step.rows_out))),
            Span::styled(format!(" {:>9}   {bar} {:>5}", format::duration(step.millis), format::percent(step.millis, whole)), style),
            Span::styled(if step.slowest { "  ◀ slowest" } else { "" }, style),
        ]));
    }
    lines
}

/// A box of the flow: name, figure and detail.
struct Stage {
    name: String,
    figure: String,
    detail: String,
    role: Role,
    /// How much it matters when room is short; the largest stay.
    weight: f64,
}

/// Source, buffer, steps and sink in the order rows pass them.
fn stages(app: &App, snapshot: &QuerySnapshot) -> Vec<Stage> {
    let mut stages = vec![source_stage(app, snapshot)];
    let fills = snapshot.sources.iter().filter_map(|s| fill_of(s).map(|fill| (fill, s)));
    if let Some((fill, source)) = fills.max_by(|(a, _), (b, _)| a.total_cmp(b)) {
        stages.push(Stage {
            name: "buffer".to_owned(),
            figure: format!("{}{}", if fill < 0.05 { "▏" } else { sip(fill) }, format::percent(fill, 1.0)),
            detail: format!("{} of {}", format::short(source.buffered_rows as f64), format::short(source.capacity_rows as f64)),
            role: if fill > FULL { Role::Warning } else { Role::Text },
            weight: f64::INFINITY,
        });
    }
    let whole = series::interval_millis(snapshot.trigger);
    for step in snapshot.progress.back().map(|batch| steps(batch)).unwrap_or_default() {
        let warns = step.slowest && whole.is_some_and(|whole| step.millis > whole * FULL);
        stages.push(Stage {
            figure: format::brief_duration(step.millis),
            detail: step.rows_out.or(step.rows_in).map_or(String::new(), |n| format!("{} rows", format::short(n as f64))),
            role: if warns { Role::Warning } else { Role::Text },
            weight: if step.rows_out.is_none() { f64::INFINITY } else { step.millis },
            name: if step.slowest && warns { format!("! {}", step.name) } else { step.name },
        });
    }
    stages
}

fn source_stage(app: &App, snapshot: &QuerySnapshot) -> Stage {
    let name = match &snapshot.sources[..] {
        [] => "source".to_owned(),
        [one] => first_word(&one.description),
        many => format!("{} sources", many.len()),
    };
    let bad = snapshot.sources.iter().map(|s| &s.connection).find(|c| !matches!(c, Connection::Ready | Connection::Connected));
    let (figure, detail, role) = match bad {
        Some(connection) => {
            let (mark, words, role) = connection_words(connection);
            let short = words.split([' ', ';']).next().unwrap_or_default().to_owned();
            let short = if matches!(connection, Connection::PeerClosed) { "closed".to_owned() } else { short };
            (format!("{mark} {short}"), format::rate(app.arrivals.arriving()), role)
        }
        None => (format::rate(app.arrivals.arriving()), "connected".to_owned(), Role::Text),
    };
    let detail = match snapshot.sources.first().map(|s| &s.connection) {
        Some(Connection::Ready) => "ready".to_owned(),
        _ => detail,
    };
    Stage { name, figure, detail, role, weight: f64::INFINITY }
}

/// One column that fills up.
fn sip(fill: f64) -> &'static str {
    const LEVELS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    LEVELS[((fill * 8.0) as usize).min(7)]
}

fn first_word(description: &str) -> String {
    let word = description.split([' ', ':', '[', '(']).next().unwrap_or_default();
    printable(word).into_owned()
}

/// The flow in one line. Where room is short, the quickest steps become `…`.
pub(super) fn render_line(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(snapshot) = &app.snapshot else { return };
    let texts = |stages: &[Stage]| -> Vec<String> { stages.iter().map(|s| format!("{} {}", s.name, s.figure)).collect() };
    let stages = leave_out(stages(app, snapshot), usize::from(area.width).saturating_sub(1), |stages| {
        texts(stages).iter().map(|t| format::width(t)).sum::<usize>() + 4 * stages.len().saturating_sub(1)
    });
    let theme = app.options.theme;
    let mut spans = vec![Span::raw(" ")];
    for (at, (stage, text)) in stages.iter().zip(texts(&stages)).enumerate() {
        if at > 0 {
            spans.push(Span::styled(" ─▸ ", theme.style(Role::Dim)));
        }
        spans.push(Span::styled(text.trim_end().to_owned(), theme.style(stage.role)));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}

/// Leaves out the lightest stages until `width` of the rest is within `room`; `…` stands for them.
fn leave_out(mut stages: Vec<Stage>, room: usize, width: impl Fn(&[Stage]) -> usize) -> Vec<Stage> {
    let gap = || Stage { name: "…".to_owned(), figure: String::new(), detail: String::new(), role: Role::Dim, weight: f64::INFINITY };
    while width(&stages) > room {
        let lightest =
            stages.iter().enumerate().filter(|(_, s)| s.weight.is_finite()).min_by(|(_, a), (_, b)| a.weight.total_cmp(&b.weight));
        let Some((at, _)) = lightest else { break };
        let beside = |at: Option<usize>| at.and_then(|at| stages.get(at)).is_some_and(|s| s.name == "…");
        if beside(at.checked_sub(1)) || beside(Some(at + 1)) {
            stages.remove(at);
        } else {
            stages[at] = gap();
        }
        stages.dedup_by(|a, b| a.name == "…" && b.name == "…");
    }
    stages
}

/// The flow as boxes:
///
/// ```text
///  ┌ socket ─────┐   ┌ buffer ─────┐   ┌ aggregate ──┐
///  │ 12.5k/s     │──▸│ ▏2 %        │──▸│ 21 ms       │
///  │ connected   │   │ 1.2k of 50k │   │ 1.2k rows   │
///  └─────────────┘   └─────────────┘   └─────────────┘
/// ```
pub(super) fn render_boxes(frame: &mut Frame<'_>, app: &App, area: Rect) {
    let Some(snapshot) = &app.snapshot else { return };
    let widths = |stages: &[Stage]| -> Vec<usize> {
        let widest =
            |s: &Stage| [&s.figure, &s.detail].map(|t| format::width(t)).into_iter().max().unwrap_or(0).max(format::width(&s.name) + 1);
        stages.iter().map(|s| if s.name == "…" { 1 } else { widest(s).max(10) + 4 }).collect()
    };
    let stages = leave_out(stages(app, snapshot), usize::from(area.width).saturating_sub(2), |stages| {
        widths(stages).iter().sum::<usize>() + 3 * stages.len().saturating_sub(1)
    });
    let theme: Theme = app.options.theme;
    let mut x = area.x + 1;
    for (at, (stage, width)) in stages.iter().zip(widths(&stages)).enumerate() {
        let width = u16::try_from(width).unwrap_or(u16::MAX);
        if at > 0 {
            put(frame, area, x, area.y + 1, Span::styled("──▸", theme.style(Role::Dim)));
            x += 3;
        }
        if stage.name == "…" {
            put(frame, area, x, area.y + 1, Span::raw("…"));
        } else {
            let place = Rect::new(x, area.y, width, 4).intersection(area);
            let block = Block::bordered()
                .border_style(theme.style(Role::Dim))
                .title(Line::styled(format!(" {} ", stage.name), theme.style(Role::Title)));
            let inner = block.inner(place);
            frame.render_widget(block, place);
            let lines = vec![
                Line::styled(format!(" {}", stage.figure), theme.style(stage.role)),
                Line::styled(format!(" {}", stage.detail), theme.style(Role::Dim)),
            ];
            frame.render_widget(Paragraph::new(lines), inner);
        }
        x = x.saturating_add(width);
    }
}

fn put(frame: &mut Frame<'_>, area: Rect, x: u16, y: u16, span: Span<'static>) {
    let width = u16::try_from(span.width()).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(Line::from(span)), Rect::new(x, y, width, 1).intersection(area));
}
