//! The drawing of a message: the line it speaks of, a caret below the very token, what to do.
//!
//! ```text
//! error [UNRESOLVED_COLUMN.WITH_SUGGESTION]: there is no column `wrod` here
//!    1 │ SELECT wrod, count(*) AS n FROM
//!      │        ^^^^ did you mean `word`?
//!    in sight: word STRING
//! ```

use super::{Diagnostic, Severity, SourceText};
use unicode_width::UnicodeWidthStr;

/// Draws `diagnostic` over `source`; ends with a line end.
pub fn draw(diagnostic: &Diagnostic, source: Option<&SourceText>) -> String {
    let mut out = String::new();
    out.push_str(match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    });
    if let Some(condition) = &diagnostic.condition {
        out.push_str(&format!(" [{condition}]"));
    }
    out.push_str(&format!(": {}\n", diagnostic.message));
    match (diagnostic.span, source) {
        (Some(span), Some(source)) => {
            let start = (span.start as usize).min(source.text.len());
            let (number, line_start) = source.line_of(start);
            let line = source.line_at(line_start);
            let column = (start - line_start).min(line.len());
            let end = (span.end as usize).clamp(start, line_start + line.len().max(column));
            let marked = &line[column..(end - line_start).max(column).min(line.len())];
            let (before, marked, after) = cut(&line[..column], marked, &line[column + marked.len()..]);
            let carets = "^".repeat(marked.width().max(1));
            out.push_str(&format!("{number:>4} │ {before}{marked}{after}\n"));
            out.push_str(&format!("     │ {}{carets}", " ".repeat(before.width())));
            if let Some(label) = &diagnostic.label {
                out.push_str(&format!(" {label}"));
            }
            out.push('\n');
        }
        _ => {
            if let Some(label) = &diagnostic.label {
                out.push_str(&format!("   {label}\n"));
            }
        }
    }
    for note in &diagnostic.notes {
        out.push_str(&format!("   {note}\n"));
    }
    out
}

/// Like [`draw`], with everything escaped that a terminal would act on; with `color`, the first word and the carets are
/// red for an error and yellow for a warning.
pub fn draw_for_terminal(diagnostic: &Diagnostic, source: Option<&SourceText>, color: bool) -> String {
    let drawing = super::printable_lines(&draw(diagnostic, source)).into_owned();
    if !color {
        return drawing;
    }
    let (word, code) = match diagnostic.severity {
        Severity::Error => ("error", "31"),
        Severity::Warning => ("warning", "33"),
    };
    let painted = |line: &str| match (line.strip_prefix(word), line.split_once("     │ ")) {
        (Some(rest), _) => format!("\x1b[1;{code}m{word}\x1b[0m{rest}"),
        (None, Some(("", carets))) => format!("     │ \x1b[{code}m{carets}\x1b[0m"),
        _ => line.to_string(),
    };
    drawing.split('\n').map(painted).collect::<Vec<_>>().join("\n")
}

/// A line of a generated script can have thousands of characters: of those before, at and after the marked place, this
/// many are drawn.
const AROUND: usize = 100;

/// The three parts of a line, printable, cut to what is near the marked place.
fn cut(before: &str, marked: &str, after: &str) -> (String, String, String) {
    let (before, marked, after) = (printable(before), printable(marked), printable(after));
    let skipped = before.chars().count().saturating_sub(AROUND);
    let before = if skipped > 0 { format!("…{}", before.chars().skip(skipped).collect::<String>()) } else { before };
    let head = |text: String| match text.char_indices().nth(AROUND) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    (before, head(marked), head(after))
}

/// Tabs as one space and control characters as `?`, so that carets line up and nothing reaches the terminal raw.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '?'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Span;

    #[test]
    fn colours_and_escapes_leave_the_drawing_as_it_is() {
        let source = SourceText::new("-c", "SELECT wrod");
        let error = Diagnostic::error("no `wrod`\u{1b}[2J").at(Span::new(7, 11)).note("in sight: word");
        let plain = draw_for_terminal(&error, Some(&source), false);
        assert_eq!(plain, "error: no `wrod`\\x1b[2J\n   1 │ SELECT wrod\n     │        ^^^^\n   in sight: word\n");
        let colored = draw_for_terminal(&error, Some(&source), true);
        assert_eq!(colored.replace("\x1b[1;31m", "").replace("\x1b[31m", "").replace("\x1b[0m", ""), plain);
        assert!(colored.starts_with("\x1b[1;31merror\x1b[0m: "));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}wrod{}", "a + ".repeat(500), " + b".repeat(500));
        let drawing = draw(&Diagnostic::error("no").at(Span::new(2000, 2004)), Some(&SourceText::new("-c", text)));
        let lines: Vec<&str> = drawing.lines().collect();
        assert!(lines[1].chars().count() < 250, "{drawing}");
        let at = lines[1].chars().position(|c| c == 'w').expect("the word is drawn");
        assert_eq!(lines[2].chars().position(|c| c == '^'), Some(at));
    }
}
