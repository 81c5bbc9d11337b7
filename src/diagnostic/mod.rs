//! What a person is told when something is refused, and where in the text it stands.
//!
//! Every layer raises its own error type; at the edge it becomes a [`Diagnostic`], and this module is
//! the only place that draws carets.

mod draw;
mod printable;
mod text;

pub use draw::{draw, draw_for_terminal};
pub use printable::{printable, printable_lines};
pub use text::SourceText;

use std::fmt;

/// A range of bytes in a statement's text, `start..end`.
///
/// Positions never take part in the equality of trees: two queries that differ only in white space
/// are the same query, so any two spans compare equal.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl std::hash::Hash for Span {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Span {
    /// The bytes `start..end`; positions past 4 GiB are clamped.
    pub fn new(start: usize, end: usize) -> Span {
        let clamp = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span { start: clamp(start), end: clamp(end) }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The bytes as a range, for slicing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// How grave a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement was refused or failed.
    Error,
    /// The statement runs, but a learner would want to know.
    Warning,
}

/// One message: Spark's condition where Spark has one, a sentence, the place, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Spark's error condition, such as `UNRESOLVED_COLUMN.WITH_SUGGESTION`.
    pub condition: Option<String>,
    /// One sentence in our own words, without a full stop.
    pub message: String,
    /// Where it is in the statement.
    pub span: Option<Span>,
    /// The few words that stand beside the caret.
    pub label: Option<String>,
    /// What is in sight, what to do instead; one line each, `title: text`.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error without a condition or a place yet.
    pub fn error(message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Error, condition: None, message: message.into(), span: None, label: None, notes: Vec::new() }
    }

    /// A warning without a place yet.
    pub fn warning(message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(message) }
    }

    /// With Spark's condition.
    #[must_use]
    pub fn condition(mut self, condition: impl Into<String>) -> Diagnostic {
        self.condition = Some(condition.into());
        self
    }

    /// With the place in the text.
    #[must_use]
    pub fn at(mut self, span: Span) -> Diagnostic {
        self.span = Some(span);
        self
    }

    /// With the words beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// With one more line below the drawing.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }
}

/// The message on one line, `[CONDITION] message`: what headless output and logs carry.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(condition) = &self.condition {
            write!(f, "[{condition}] ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// The name among `candidates` that `name` was probably meant to be, if any is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(&wanted, &c.to_lowercase()), c))
        .filter(|(distance, c)| *distance <= (wanted.chars().count().max(c.chars().count()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}
