//! Numbers, times and text for people: `12.5k/s`, `38 ms`, `1,204`, with units always.
//!
//! The one home of such formatting in the dashboard. The exact figure is in the row view and in the
//! progress JSON; here a figure is as short as it can be without being wrong.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `1204` → `1,204`.
pub(super) fn count(n: u64) -> String {
    grouped(&n.to_string()).into_owned()
}

/// `1 row`, `2 rows`, `1,204 rows`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// The digits before the point of a number's text in groups of three; text that is no plain number stays.
pub(super) fn grouped(text: &str) -> Cow<'_, str> {
    let (sign, rest) = match text.as_bytes().first() {
        Some(b'-' | b'+') => text.split_at(1),
        _ => ("", text),
    };
    let (whole, fraction) = rest.find('.').map_or((rest, ""), |at| rest.split_at(at));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.len() < 4 || !digits(whole) || !digits(fraction.trim_start_matches('.')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + whole.len() / 3);
    out.push_str(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out.push_str(fraction);
    Cow::Owned(out)
}

/// At most five characters: `0`, `7.5`, `980`, `12.5k`, `125k`, `1.2M`.
pub(super) fn short(n: f64) -> String {
    if n.is_nan() || n <= 0.0 {
        return "0".to_owned();
    }
    if n < 9.95 {
        return trim_zero(format!("{n:.1}"));
    }
    if n < 999.5 {
        return format!("{n:.0}");
    }
    let mut value = n / 1000.0;
    for unit in ["k", "M", "G"] {
        if value < 99.95 {
            return format!("{value:.1}{unit}");
        }
        if value < 999.5 {
            return format!("{value:.0}{unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.0}T")
}

/// Rows a second: `12.5k/s`.
pub(super) fn rate(per_second: f64) -> String {
    format!("{}/s", short(per_second))
}

/// Milliseconds as a length of time: `0.4 ms`, `38 ms`, `1.2 s`, `2 s`, `12 min 5 s`, `3 h 20 min`.
pub(super) fn duration(millis: f64) -> String {
    if millis.is_nan() || millis <= 0.0 {
        return "0 ms".to_owned();
    }
    if millis < 0.1 {
        return "<0.1 ms".to_owned();
    }
    if millis < 9.95 {
        return format!("{} ms", trim_zero(format!("{millis:.1}")));
    }
    if millis < 999.5 {
        return format!("{millis:.0} ms");
    }
    if millis < 9_950.0 {
        return format!("{} s", trim_zero(format!("{:.1}", millis / 1000.0)));
    }
    let seconds = (millis / 1000.0).round() as u64;
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Like [`duration`], but milliseconds are whole: for where room is short.
pub(super) fn brief_duration(millis: f64) -> String {
    if (0.1..0.95).contains(&millis) { "<1 ms".to_owned() } else { duration(if millis < 100.0 { millis.round() } else { millis }) }
}

/// Bytes in powers of a thousand: `18 KB`, `3.1 MB`.
pub(super) fn bytes(n: u64) -> String {
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1000.0;
    for unit in ["KB", "MB", "GB"] {
        if value < 9.95 {
            return format!("{} {unit}", trim_zero(format!("{value:.1}")));
        }
        if value < 999.5 {
            return format!("{value:.0} {unit}");
        }
        value /= 1000.0;
    }
    format!("{} TB", trim_zero(format!("{value:.1}")))
}

/// `part` of `whole`: `2 %`; something that is not nothing is `<1 %`.
pub(super) fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 || part <= 0.0 {
        return "0 %".to_owned();
    }
    let value = part / whole * 100.0;
    if value < 0.5 { "<1 %".to_owned() } else { format!("{value:.0} %") }
}

/// Wall clock `10:42:07` of microseconds since the epoch.
pub(super) fn clock(micros: i64, zone: Tz) -> String {
    time_as(micros, zone, "%H:%M:%S")
}

/// Date and wall clock, `2026-11-21 10:42:07`.
pub(super) fn date_clock(micros: i64, zone: Tz) -> String {
    time_as(micros, zone, "%Y-%m-%d %H:%M:%S")
}

fn time_as(micros: i64, zone: Tz, pattern: &str) -> String {
    match DateTime::<Utc>::from_timestamp_micros(micros) {
        Some(time) => time.with_timezone(&zone).format(pattern).to_string(),
        None => "--:--:--".to_owned(),
    }
}

/// Columns that `text` takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// `text` within `columns`, its end replaced by `…` where it does not fit.
pub(super) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if text.len() <= columns || width(text) <= columns {
        return Cow::Borrowed(text);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let mut taken = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or(0);
        if taken > columns - 1 {
            break;
        }
        end = at + c.len_utf8();
    }
    let mut kept = text[..end].to_owned();
    // A sequence can be wider than its characters are one by one.
    while width(&kept) > columns - 1 {
        kept.pop();
    }
    kept.push('…');
    Cow::Owned(kept)
}

/// `text` in exactly `columns`, at the left.
pub(super) fn left(text: &str, columns: usize) -> String {
    let fitted = fit(text, columns);
    let padding = columns - width(&fitted).min(columns);
    format!("{fitted}{:padding$}", "")
}

/// `text` in exactly `columns`, at the right.
pub(super) fn right(text: &str, columns: usize) -> String {
    let fitted = fit(text, columns);
    let padding = columns - width(&fitted).min(columns);
    format!("{:padding$}{fitted}", "")
}

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `columns` values as a line of bars against the largest of them; shorter histories stand at the right.
pub(super) fn spark(values: &[f64], columns: usize) -> String {
    let shown = &values[values.len().saturating_sub(columns)..];
    let top = shown.iter().copied().fold(0.0_f64, f64::max);
    let mut out: String = std::iter::repeat_n(' ', columns - shown.len()).collect();
    out.extend(shown.iter().map(|v| {
        let level = if top > 0.0 { (v / top * 8.0).ceil().clamp(1.0, 8.0) as usize } else { 1 };
        LEVELS[level - 1]
    }));
    out
}

/// A horizontal bar of `fraction` (0 to 1) in `columns`, to an eighth of a column, without padding.
pub(super) fn bar(fraction: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if fraction.is_nan() || fraction <= 0.0 {
        return String::new();
    }
    let eighths = ((fraction.min(1.0) * columns as f64 * 8.0).round() as usize).max(1);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Text broken at spaces into lines of at most `columns`; a longer word is cut.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        if !line.is_empty() && width(&line) + 1 + width(word) <= columns {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > columns && columns > 0 {
            let mut taken = 0;
            let cut = word.char_indices().find(|(_, c)| {
                taken += c.width().unwrap_or(0);
                taken > columns
            });
            // A character wider than the line still has to go somewhere.
            let at = cut.map_or(word.len(), |(at, c)| if at == 0 { c.len_utf8() } else { at });
            lines.push(word[..at].to_owned());
            word = &word[at..];
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn trim_zero(text: String) -> String {
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_groups() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_204), "1,204");
        assert_eq!(count(12_345_678), "12,345,678");
        assert_eq!(grouped("-1204.50"), "-1,204.50");
        assert_eq!(grouped("1.5E10"), "1.5E10");
        assert_eq!(grouped("hello"), "hello");
        assert_eq!(counted(1, "row", "rows"), "1 row");
    }

    #[test]
    fn rates_have_at_most_five_figures() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.5"),
            (3.0, "3"),
            (42.4, "42"),
            (999.7, "1.0k"),
            (12_500.0, "12.5k"),
            (99_990.0, "100k"),
            (125_000.0, "125k"),
            (999_900.0, "1.0M"),
            (1.25e9, "1.2G"),
        ];
        for (n, text) in cases {
            assert_eq!(short(n), text, "{n}");
        }
        assert_eq!(rate(12_500.0), "12.5k/s");
    }

    #[test]
    fn durations_carry_their_unit() {
        let cases = [
            (0.0, "0 ms"),
            (0.04, "<0.1 ms"),
            (0.42, "0.4 ms"),
            (3.0, "3 ms"),
            (38.2, "38 ms"),
            (999.7, "1 s"),
            (1_234.0, "1.2 s"),
            (2_000.0, "2 s"),
            (59_900.0, "1 min"),
            (725_000.0, "12 min 5 s"),
            (12_000_000.0, "3 h 20 min"),
            (180_000_000.0, "2 d 2 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn sizes_and_shares() {
        assert_eq!([brief_duration(4.6), brief_duration(0.3), brief_duration(0.0)], ["5 ms", "<1 ms", "0 ms"]);
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(18_000), "18 KB");
        assert_eq!(bytes(3_100_000), "3.1 MB");
        assert_eq!(percent(38.0, 2_000.0), "2 %");
        assert_eq!(percent(1.0, 2_000.0), "<1 %");
        assert_eq!(percent(1.0, 0.0), "0 %");
    }

    #[test]
    fn text_is_cut_by_columns_not_by_characters() {
        assert_eq!(fit("quick", 5), "quick");
        assert_eq!(fit("quicker", 5), "quic…");
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("漢字漢字", 4), "漢…");
        assert_eq!(left("漢", 4), "漢  ");
        assert_eq!(right("漢", 4), "  漢");
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn charts_fit_their_columns() {
        assert_eq!(spark(&[0.0, 1.0, 4.0, 8.0], 6), "  ▁▁▄█");
        assert_eq!(spark(&[1.0, 2.0, 3.0], 2), "▆█");
        assert_eq!(spark(&[], 3), "   ");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.001, 4), "▏");
        assert_eq!(bar(2.0, 4), "████");
        assert_eq!(bar(0.0, 4), "");
    }

    #[test]
    fn sentences_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 5), ["abcde", "fgh", "ij"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
