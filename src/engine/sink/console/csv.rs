//! Rows as CSV (RFC 4180 with bare line feeds): NULL is nothing between commas, an empty string is `""`.

use crate::diagnostic::printable;
use crate::engine::Frame;
use crate::engine::eval::text::to_text;
use crate::plan::logical::Column;
use std::borrow::Cow;

/// The line of the columns' names.
pub(super) fn write_header(out: &mut String, columns: &[Column], escape: bool) {
    for (i, column) in columns.iter().enumerate() {
        separate(out, i);
        write_field(out, &column.name, escape);
    }
    out.push('\n');
}

/// A line a row; values as `CAST(value AS STRING)` writes them.
pub(super) fn write_rows(out: &mut String, columns: &[Column], frame: &Frame, zone: chrono_tz::Tz, escape: bool) {
    let texts: Vec<_> = columns.iter().zip(frame.columns()).map(|(c, series)| to_text(series, &c.data_type, zone)).collect();
    for row in 0..frame.rows() {
        for (i, text) in texts.iter().enumerate() {
            separate(out, i);
            if let Some(value) = text.get(row) {
                write_field(out, value, escape);
            }
        }
        out.push('\n');
    }
}

/// One value under its header.
pub(super) fn write_text(out: &mut String, column: &str, text: &str, escape: bool) {
    write_field(out, column, escape);
    out.push('\n');
    write_field(out, text, escape);
    out.push('\n');
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn write_field(out: &mut String, value: &str, escape: bool) {
    let value = if escape { printable(value) } else { Cow::Borrowed(value) };
    let bare = !value.is_empty() && !value.contains([',', '"', '\n', '\r']) && !value.starts_with(' ') && !value.ends_with(' ');
    if bare {
        out.push_str(&value);
    } else {
        out.push('"');
        out.push_str(&value.replace('"', "\"\""));
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let quoted = |value: &str| {
            let mut out = String::new();
            write_field(&mut out, value, false);
            out
        };
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(quoted("two\nlines"), "\"two\nlines\"");
        assert_eq!(quoted(" x"), "\" x\"");
    }

    #[test]
    fn a_terminal_gets_no_control_characters() {
        let mut out = String::new();
        write_field(&mut out, "a\u{1b}[2J\n", true);
        assert_eq!(out, "a\\x1b[2J\\n");
    }
}
