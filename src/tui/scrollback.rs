//! The last table as text, for the terminal's scrollback: leaving the dashboard does not lose the result.
//!
//! ```text
//! counts · batch 41 · complete · 1,204 rows · 10:42:07
//!   word                 n
//!   ─────────────   ──────
//!   quick            1,204
//!   … 1,203 more rows
//! ```

use std::fmt::Write;

use chrono_tz::Tz;

use super::format;
use super::table::{Column, TableLine, TableRow, View, build};
use super::theme::mood_mark;
use crate::diagnostic::printable;
use crate::progress::{OutputMode, QuerySnapshot};

/// Rows printed at most.
const MOST_ROWS: usize = 20;
const GAP: usize = 3;
const LEAST_WIDTH: usize = 6;
const MOST_WIDTH: usize = 60;

/// The newest result of a query as a table of at most `width` columns, every line ended. In append and update mode
/// the newest batch that brought rows is shown.
pub fn last_table(snapshot: &QuerySnapshot, width: usize, zone: Tz) -> String {
    // A preview has no name.
    let name = if snapshot.name.is_empty() { "preview".into() } else { printable(&snapshot.name) };
    let newest = snapshot.results.len().checked_sub(1);
    let telling = match snapshot.mode {
        OutputMode::Complete => newest,
        OutputMode::Append | OutputMode::Update => snapshot.results.iter().rposition(|r| !r.rows.is_empty()).or(newest),
    };
    let Some(index) = telling else {
        return sentence(&format!("{name} · no batch came"), snapshot, width);
    };
    let result = &snapshot.results[index];
    let table = build(&snapshot.results, index, View { mode: snapshot.mode, filter: "", changed_first: false });
    let heading = format!(
        "{name} · batch {} · {} · {} · {}",
        format::count(result.batch_id),
        snapshot.mode.name(),
        format::counted(table.total, "row", "rows"),
        format::clock(snapshot.now, zone),
    );
    if table.kept == 0 {
        return sentence(&heading, snapshot, width);
    }
    let mut out = String::new();
    push_line(&mut out, &format::fit(&heading, width));
    // A change tells nothing once the query is left.
    let columns: Vec<(usize, &Column)> = value_columns(&table.columns, result.columns.len());
    let widths = fitted(&columns, width.saturating_sub(2));
    let joined = |cells: Vec<String>| format!("  {}", cells.join(&" ".repeat(GAP)));
    let shown = || columns.iter().zip(&widths);
    push_line(&mut out, &joined(shown().map(|((_, c), w)| aligned(&c.name, c, *w)).collect()));
    push_line(&mut out, &joined(widths.iter().map(|w| "─".repeat(*w)).collect()));
    let rows = table.lines.iter().map_while(|line| match line {
        TableLine::Row(row) => Some(row),
        TableLine::Batch { .. } => None,
    });
    for row in rows.take(MOST_ROWS) {
        push_line(&mut out, &joined(shown().map(|((at, c), w)| aligned(cell(row, *at), c, *w)).collect()));
    }
    let more = table.total.saturating_sub(table.kept.min(MOST_ROWS) as u64);
    if more > 0 {
        push_line(&mut out, &format!("  … {}", format::counted(more, "more row", "more rows")));
    }
    let left_out = columns.len() - widths.len();
    if left_out > 0 {
        push_line(&mut out, &format!("  … {}", format::counted(left_out as u64, "more column", "more columns")));
    }
    out
}

/// A heading and the sentence that says why there is no table.
fn sentence(heading: &str, snapshot: &QuerySnapshot, width: usize) -> String {
    let mut out = String::new();
    push_line(&mut out, &format::fit(heading, width));
    let why = printable(&snapshot.why.sentence);
    for (at, line) in format::wrap(&why, width.saturating_sub(4).max(1)).into_iter().enumerate() {
        let mark = if at == 0 { mood_mark(snapshot.why.mood) } else { " " };
        push_line(&mut out, &format!("  {mark} {line}"));
    }
    out
}

/// Columns of the table that hold values, with their places in a row: all but the one with changes.
fn value_columns(columns: &[Column], values: usize) -> Vec<(usize, &Column)> {
    let change = (columns.len() > values).then(|| columns.iter().rposition(|c| c.name == "change")).flatten();
    columns.iter().enumerate().filter(|(at, _)| Some(*at) != change).collect()
}

fn fitted(columns: &[(usize, &Column)], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = columns.iter().map(|(_, c)| c.width.clamp(LEAST_WIDTH, MOST_WIDTH)).collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    while total(&widths) > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > 16 => *widest -= 1,
            _ => break,
        }
    }
    while total(&widths) > room && widths.len() > 1 {
        widths.pop();
    }
    if let [only] = &mut widths[..] {
        *only = (*only).min(room.max(1));
    }
    widths
}

fn cell(row: &TableRow, at: usize) -> &str {
    row.cells.get(at).map_or("", |cell| &cell.text)
}

fn aligned(text: &str, column: &Column, width: usize) -> String {
    if column.number { format::right(text, width) } else { format::left(text, width) }
}

fn push_line(out: &mut String, line: &str) {
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{}", line.trim_end());
}
