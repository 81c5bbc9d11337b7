//! Rows as a box of columns, numbers to the right, or one value a line.
//!
//! ```text
//! Batch: 3 · counts · watermark 2024-01-01T00:00:21.000Z
//! +-------+---+
//! | word  | n |
//! +-------+---+
//! | quick | 4 |
//! +-------+---+
//! ```

use super::Origin;
use crate::diagnostic::printable;
use crate::engine::eval::text::to_text;
use crate::engine::sink::SinkBatch;
use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use crate::types::DataType;
use std::fmt::Write as _;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How much of a result a table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStyle {
    /// Rows shown; all of them when `None`.
    pub rows: Option<usize>,
    /// Characters of a cell shown; all of them when `None`.
    pub cell: Option<usize>,
    /// One value a line instead of one row a line.
    pub vertical: bool,
    /// Columns of the terminal: wider cells are cut until the table fits; where even that does not help, it is written
    /// one value a line.
    pub width: Option<usize>,
}

/// A result without a heading.
pub(super) fn write_table(
    out: &mut String,
    columns: &[Column],
    frame: &Frame,
    zone: chrono_tz::Tz,
    style: TableStyle,
) -> Result<(), EngineError> {
    let mut cells = cells(columns, frame, zone, style)?;
    let mut names: Vec<String> = columns.iter().map(|c| shorten(&printable(&c.name), style.cell)).collect();
    let shown = style.rows.unwrap_or(usize::MAX).min(frame.rows());
    if columns.is_empty() {
        let _ = writeln!(out, "({} without columns)", counted(frame.rows(), "row"));
    } else if style.vertical || !fits(&mut names, &mut cells, style.width) {
        write_vertical(out, &names, &cells, shown);
    } else {
        write_box(out, columns, &names, &cells, shown);
    }
    let rest = frame.rows() - shown;
    if rest > 0 {
        let _ = writeln!(out, "… {rest} more {} of {}", if rest == 1 { "row" } else { "rows" }, frame.rows());
    }
    Ok(())
}

/// A batch under its heading.
pub(super) fn write_batch(out: &mut String, origin: &Origin, batch: &SinkBatch<'_>, style: TableStyle) -> Result<(), EngineError> {
    let _ = write!(out, "Batch: {}", batch.id);
    if let Some(name) = &origin.query {
        let _ = write!(out, " · {}", printable(name));
    }
    if let Some(watermark) = batch.watermark {
        let _ = write!(out, " · watermark {}", super::ndjson::instant(watermark));
    }
    if batch.dropped_by_watermark > 0 {
        let _ = write!(out, " · {} late", counted(usize::try_from(batch.dropped_by_watermark).unwrap_or(usize::MAX), "row"));
    }
    out.push('\n');
    write_table(out, batch.columns, batch.frame, batch.zone, style)?;
    out.push('\n');
    Ok(())
}

/// Every shown cell, column by column, escaped and cut.
fn cells(columns: &[Column], frame: &Frame, zone: chrono_tz::Tz, style: TableStyle) -> Result<Vec<Vec<String>>, EngineError> {
    let shown = frame.slice(0, style.rows.unwrap_or(usize::MAX));
    columns
        .iter()
        .zip(shown.columns())
        .map(|(column, series)| {
            if column.data_type == DataType::Binary {
                let bytes = series.binary()?;
                return Ok(bytes.iter().map(|v| v.map_or_else(|| "NULL".to_string(), |b| shorten(&hex(b), style.cell))).collect());
            }
            let text = to_text(series, &column.data_type, zone);
            Ok(text.iter().map(|v| v.map_or_else(|| "NULL".to_string(), |t| shorten(&printable(t), style.cell))).collect())
        })
        .collect()
}

/// Bytes as Spark's `show` writes them: `[61 62]`.
fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|b| format!("{b:02X}")).collect();
    format!("[{}]", digits.join(" "))
}

/// The narrowest that a column is cut to; a narrower one says nothing.
const NARROWEST: usize = 8;

/// Cuts the widest columns until the box is at most `width` wide; false, and nothing cut, where it cannot be.
fn fits(names: &mut [String], cells: &mut [Vec<String>], width: Option<usize>) -> bool {
    let Some(width) = width else { return true };
    let Some(room) = width.checked_sub(3 * names.len() + 1) else { return false };
    let widths = widths(names, cells);
    let total = |cap: usize| widths.iter().map(|w| (*w).min(cap)).sum::<usize>();
    let widest = widths.iter().copied().max().unwrap_or(0);
    let Some(cap) = (NARROWEST..=widest.max(NARROWEST)).rev().find(|cap| total(*cap) <= room) else { return false };
    for text in names.iter_mut().chain(cells.iter_mut().flatten()).filter(|t| t.width() > cap) {
        *text = cut(text, cap);
    }
    true
}

/// At most `width` columns of the terminal, the last one `…`.
fn cut(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used >= width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// How wide each column's widest text is.
fn widths(names: &[String], cells: &[Vec<String>]) -> Vec<usize> {
    names.iter().zip(cells).map(|(name, column)| column.iter().map(|c| c.width()).max().unwrap_or(0).max(name.width()).max(1)).collect()
}

fn write_box(out: &mut String, columns: &[Column], names: &[String], cells: &[Vec<String>], shown: usize) {
    let widths: Vec<usize> = names
        .iter()
        .zip(cells)
        .map(|(name, column)| column.iter().map(|c| c.width()).max().unwrap_or(0).max(name.width()).max(1))
        .collect();
    let right: Vec<bool> = columns.iter().map(|c| c.data_type.is_numeric()).collect();
    let rule: String = widths.iter().map(|w| format!("+{}", "-".repeat(w + 2))).collect::<String>() + "+\n";
    out.push_str(&rule);
    write_line(out, names.iter().map(String::as_str), &widths, &right);
    out.push_str(&rule);
    for row in 0..shown {
        write_line(out, cells.iter().map(|column| column[row].as_str()), &widths, &right);
    }
    out.push_str(&rule);
}

fn write_line<'a>(out: &mut String, cells: impl Iterator<Item = &'a str>, widths: &[usize], right: &[bool]) {
    for (i, cell) in cells.enumerate() {
        let padding = " ".repeat(widths[i].saturating_sub(cell.width()));
        if right[i] {
            let _ = write!(out, "| {padding}{cell} ");
        } else {
            let _ = write!(out, "| {cell}{padding} ");
        }
    }
    out.push_str("|\n");
}

fn write_vertical(out: &mut String, names: &[String], cells: &[Vec<String>], shown: usize) {
    let width = names.iter().map(|n| n.width()).max().unwrap_or(0);
    for row in 0..shown {
        let _ = writeln!(out, "- row {} {}", row + 1, "-".repeat(width.max(8)));
        for (name, column) in names.iter().zip(cells) {
            let _ = writeln!(out, " {name}{} | {}", " ".repeat(width - name.width()), column[row]);
        }
    }
}

/// A sentence, two columns in, its further lines four; lines end between words, at most `width` wide where that is not 0.
pub(super) fn indented(sentence: &str, width: usize) -> String {
    let (mut out, mut used) = (String::from(" "), 1);
    for word in sentence.split(' ') {
        if width > 0 && used > 4 && used + 1 + word.width() > width {
            out.push_str("\n   ");
            used = 3;
        }
        out.push(' ');
        out.push_str(word);
        used += 1 + word.width();
    }
    out.push('\n');
    out
}

/// At most `limit` characters, the last one `…` where something is missing.
fn shorten(text: &str, limit: Option<usize>) -> String {
    match limit {
        Some(limit) if text.chars().count() > limit => {
            let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
            cut.push('…');
            cut
        }
        _ => text.to_string(),
    }
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::series_of;
    use crate::plan::expr::ColumnId;
    use crate::types::Value;

    fn frame() -> (Vec<Column>, Frame) {
        let column = |id, name: &str, data_type| Column { id: ColumnId(id), name: name.to_string(), data_type };
        let columns = vec![column(0, "word", DataType::String), column(1, "n", DataType::BigInt)];
        let words = [Value::String("漢字".into()), Value::Null, Value::String("a\u{1b}[2J".into())];
        let counts = [Value::Int(7), Value::Int(1204), Value::Null];
        let frame = Frame::new(
            vec![ColumnId(0), ColumnId(1)],
            vec![series_of(&words, &DataType::String), series_of(&counts, &DataType::BigInt)],
            3,
        );
        (columns, frame)
    }

    #[test]
    fn a_box_pads_by_width_and_escapes() {
        let (columns, frame) = frame();
        let mut out = String::new();
        write_table(&mut out, &columns, &frame, chrono_tz::UTC, TableStyle::default()).expect("text");
        insta::assert_snapshot!(out, @r"
        +----------+------+
        | word     |    n |
        +----------+------+
        | 漢字     |    7 |
        | NULL     | 1204 |
        | a\x1b[2J | NULL |
        +----------+------+
        ");
    }

    #[test]
    fn rows_and_cells_are_cut_and_say_so() {
        let (columns, frame) = frame();
        let mut out = String::new();
        let style = TableStyle { rows: Some(2), cell: Some(3), vertical: true, width: None };
        write_table(&mut out, &columns, &frame, chrono_tz::UTC, style).expect("text");
        insta::assert_snapshot!(out, @r"
        - row 1 --------
         wo… | 漢字
         n   | 7
        - row 2 --------
         wo… | NULL
         n   | 12…
        … 1 more row of 3
        ");
    }

    #[test]
    fn sentences_beneath_a_table_break_between_words() {
        let sentence = "counts · at-most-once: the socket of 漢字 cannot repeat lines";
        assert_eq!(indented(sentence, 0), format!("  {sentence}\n"));
        assert_eq!(indented(sentence, 30), "  counts · at-most-once: the\n    socket of 漢字 cannot\n    repeat lines\n");
        assert!(indented("a_word_that_is_longer_than_the_line b", 10).ends_with("line\n    b\n"));
    }

    #[test]
    fn a_table_fits_the_terminal_or_stands_upright() {
        let (columns, frame) = frame();
        let drawn = |width| {
            let mut out = String::new();
            let style = TableStyle { width: Some(width), ..TableStyle::default() };
            write_table(&mut out, &columns, &frame, chrono_tz::UTC, style).expect("text");
            out
        };
        assert_eq!(drawn(80).lines().map(UnicodeWidthStr::width).max(), Some(19));
        assert!(drawn(18).starts_with("- row 1"), "{}", drawn(18));
        let (mut names, mut cells) = (["text".to_string()], [vec!["漢字 and more text".to_string(), "short".to_string()]]);
        assert!(fits(&mut names, &mut cells, Some(14)));
        assert_eq!(cells, [["漢字 and …", "short"]]);
    }
}
