//! A statement's text and the lines in it.

/// The text that spans point into, with a name for where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceText {
    /// `<prompt>`, `-c`, or a file's path.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl SourceText {
    /// The text under a name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceText {
        SourceText { name: name.into(), text: text.into() }
    }

    /// Line number from 1 and the byte at which that line starts.
    pub fn line_of(&self, byte: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        (before.iter().filter(|b| **b == b'\n').count() + 1, start)
    }

    /// The line that starts at byte `start`, without its line end.
    pub fn line_at(&self, start: usize) -> &str {
        let rest = &self.text[start..];
        rest[..rest.find('\n').unwrap_or(rest.len())].trim_end_matches('\r')
    }
}
