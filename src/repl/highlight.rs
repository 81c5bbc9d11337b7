//! Colours for what is typed, from the language's own tokens.

use crate::lang::lexer::{Highlight, highlights};
use std::borrow::Cow;

/// The line with colours (the terminal's own 16). `before` are the earlier lines of the same statement, so that a
/// string or a comment which goes on over several lines keeps its colour.
pub(super) fn paint<'l>(before: &str, line: &'l str) -> Cow<'l, str> {
    if line.trim_start().starts_with('.') && before.is_empty() {
        return Cow::Owned(format!("\x1b[36m{line}\x1b[0m"));
    }
    let whole = format!("{before}{line}");
    let mut out = String::with_capacity(line.len() * 2);
    let mut at = before.len();
    for (kind, span) in highlights(&whole) {
        let (start, end) = (span.range().start.max(at), span.range().end);
        let Some(colour) = colour(kind) else { continue };
        if end <= start {
            continue;
        }
        out.push_str(&whole[at..start]);
        out.push_str(&format!("\x1b[{colour}m{}\x1b[0m", &whole[start..end]));
        at = end;
    }
    out.push_str(&whole[at..]);
    Cow::Owned(out)
}

fn colour(kind: Highlight) -> Option<&'static str> {
    match kind {
        Highlight::Keyword => Some("1"),
        Highlight::Function => Some("34"),
        Highlight::String => Some("32"),
        Highlight::Number => Some("35"),
        Highlight::Comment => Some("90"),
        Highlight::Error => Some("31"),
        Highlight::Name | Highlight::Operator => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_change_the_text() {
        let bare = |painted: &str| {
            let mut out = String::new();
            let mut rest = painted;
            while let Some(at) = rest.find('\x1b') {
                out.push_str(&rest[..at]);
                rest = &rest[at + rest[at..].find('m').expect("a colour ends") + 1..];
            }
            out + rest
        };
        for line in ["SELECT 'a', 1 -- c", "FROM t |> WHERE x > 1.5", "'open", ".help sinks", "", "ü 漢 `q"] {
            assert_eq!(bare(&paint("", line)), line);
        }
        assert_eq!(bare(&paint("SELECT 'first\n", "second' AS x")), "second' AS x");
        assert!(paint("", "SELECT 1").starts_with("\x1b[1mSELECT"));
        assert!(paint("SELECT 'first\n", "second'").starts_with("\x1b[32msecond'"));
    }
}
