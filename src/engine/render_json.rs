//! Result rows as JSON, as the headless contract has them: nothing is lost, names may repeat.

use super::Frame;
use super::eval::json_write::{JsonStyle, RowWriter};
use crate::plan::logical::Column;
use chrono_tz::Tz;

/// Appends the frame's rows as objects with a comma between them: `{"a":1},{"a":2}`. `columns` name the frame's columns,
/// in their order.
pub fn write_rows(out: &mut String, columns: &[Column], frame: &Frame, zone: Tz) {
    write_rows_separated(out, columns, frame, zone, ",");
}

/// Appends the frame's rows as JSON lines, each with its line end.
pub fn write_lines(out: &mut String, columns: &[Column], frame: &Frame, zone: Tz) {
    write_rows_separated(out, columns, frame, zone, "\n");
    if frame.rows() > 0 {
        out.push('\n');
    }
}

fn write_rows_separated(out: &mut String, columns: &[Column], frame: &Frame, zone: Tz, between: &str) {
    let cells = columns.iter().zip(frame.columns()).map(|(c, s)| (c.name.as_str(), &c.data_type, &*s.chunks()[0]));
    let writer = RowWriter::new(cells, &JsonStyle::rows(zone));
    for row in 0..frame.rows() {
        if row > 0 {
            out.push_str(between);
        }
        writer.write(row, out);
    }
}
