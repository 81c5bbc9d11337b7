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
use unicode_width::UnicodeWidthStr;

/// How much of a result a table shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableStyle {
    /// Rows shown; all of them when `None`.
    pub rows: Option<usize>,
    /// Characters of a cell shown; all of them when `None`.
    pub cell: Option<usize>,
    /// One value a line instead of one row a line.
    pub vertical: bool,
}

/// A result without a heading.
pub(super) fn write_table(
    out: &mut String,
    columns: &[Column],
    frame: &Frame,
    zone: chrono_tz::Tz,
    style: TableStyle,
) -> Result<(), EngineError> {
    let cells = cells(columns, frame, zone, style)?;
    let names: Vec<String> = columns.iter().map(|c| shorten(&printable(&c.name), style.cell)).collect();
    let shown = style.rows.unwrap_or(usize::MAX).min(frame.rows());
    if columns.is_empty() {
        let _ = writeln!(out, "({} without columns)", counted(frame.rows(), "row"));
    } else if style.vertical {
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
        let style = TableStyle { rows: Some(2), cell: Some(3), vertical: true };
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
}
