//! What can go wrong while a query runs.

use crate::checkpoint::storage::is_transient;
use crate::checkpoint::{self, CheckpointError};
use crate::diagnostic::Diagnostic;
use crate::plan::expr::ColumnId;
use std::fmt;
use std::path::Path;

/// A failure with Spark's condition where Spark has one.
///
/// Boxed so that a `Result` stays one pointer wide on the hot path.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineError(Box<Failure>);

/// What an [`EngineError`] carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Who has to act on it.
    pub domain: Domain,
    /// Whether trying again may help.
    pub retry: bool,
    /// Spark's error condition, such as `DIVIDE_BY_ZERO`.
    pub condition: Option<String>,
    /// One sentence, without a full stop.
    pub message: String,
    /// The operator, source or sink it happened in; wrapped on once.
    pub place: Option<String>,
    /// The row of the frame at hand, from 0, where one row is to blame.
    pub row: Option<usize>,
    /// What to do.
    pub help: Option<String>,
    /// The operation of an expression that failed.
    pub blame: Option<Blame>,
}

/// Which operation failed, and on what.
#[derive(Clone, Debug, PartialEq)]
pub struct Blame {
    /// The function's or operator's name in `plan::functions`, or `plan::places::CAST`.
    pub operation: &'static str,
    /// The columns that it read, with their values in the row at fault as they are written in SQL.
    pub columns: Vec<(ColumnId, Option<String>)>,
}

/// Who has to act on a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The query or its data.
    User,
    /// A file system, a peer, a disk.
    External,
    /// A defect of eddyline.
    Internal,
}

impl EngineError {
    fn new(domain: Domain, condition: Option<&str>, message: impl Into<String>) -> EngineError {
        EngineError(Box::new(Failure {
            domain,
            retry: false,
            condition: condition.map(str::to_string),
            message: message.into(),
            place: None,
            row: None,
            help: None,
            blame: None,
        }))
    }

    /// The query or its data is at fault, with Spark's condition.
    pub fn data(condition: &str, message: impl Into<String>) -> EngineError {
        EngineError::new(Domain::User, Some(condition), message)
    }

    /// The query is at fault and Spark has no condition for it.
    pub fn user(message: impl Into<String>) -> EngineError {
        EngineError::new(Domain::User, None, message)
    }

    /// Something outside failed: a file, a peer, a disk.
    pub fn external(message: impl Into<String>) -> EngineError {
        EngineError::new(Domain::External, None, message)
    }

    /// A defect of eddyline itself.
    pub fn internal(message: impl Into<String>) -> EngineError {
        EngineError::new(Domain::Internal, None, message)
    }

    /// With Spark's condition.
    #[must_use]
    pub fn condition(mut self, condition: &str) -> EngineError {
        self.0.condition = Some(condition.to_string());
        self
    }

    /// Trying again may help.
    #[must_use]
    pub fn transient(mut self) -> EngineError {
        self.0.retry = true;
        self
    }

    /// With the operator, source or sink it happened in, unless one is there already.
    #[must_use]
    pub fn within(mut self, place: &str) -> EngineError {
        self.0.place.get_or_insert_with(|| place.to_string());
        self
    }

    /// With the row to blame.
    #[must_use]
    pub fn at_row(mut self, row: usize) -> EngineError {
        self.0.row = Some(row);
        self
    }

    /// With what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> EngineError {
        self.0.help = Some(help.into());
        self
    }

    /// With the operation at fault, unless one further in is blamed already.
    #[must_use]
    pub fn blame(mut self, blame: impl FnOnce(Option<usize>) -> Blame) -> EngineError {
        if self.0.blame.is_none() {
            self.0.blame = Some(blame(self.0.row));
        }
        self
    }

    /// The parts.
    pub fn failure(&self) -> &Failure {
        &self.0
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(condition) = &self.0.condition {
            write!(f, "[{condition}] ")?;
        }
        f.write_str(&self.0.message)?;
        match &self.0.place {
            Some(place) => write!(f, " (in {place})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for EngineError {}

impl EngineError {
    /// A file that could not be `verb` (`written`, `read` …), with what to do; transient where trying again may help.
    pub fn file(verb: &str, path: &Path, error: &std::io::Error) -> EngineError {
        let failure = EngineError::external(format!("{} cannot be {verb}: {}", path.display(), checkpoint::reason(error)));
        let failure = failure.help(checkpoint::advice(error));
        if is_transient(error) { failure.transient() } else { failure }
    }
}

impl From<CheckpointError> for EngineError {
    fn from(error: CheckpointError) -> EngineError {
        let failure = EngineError::external(error.to_string()).help(error.help());
        match &error {
            CheckpointError::Io { error, .. } if is_transient(error) => failure.transient(),
            _ => failure,
        }
    }
}

impl From<EngineError> for Diagnostic {
    fn from(error: EngineError) -> Diagnostic {
        let failure = *error.0;
        let mut message = failure.message;
        if let Some(place) = failure.place {
            message.push_str(&format!(" (in {place})"));
        }
        let mut diagnostic = Diagnostic::error(message);
        diagnostic.condition = failure.condition;
        diagnostic.notes.extend(failure.help);
        diagnostic
    }
}

impl From<polars::error::PolarsError> for EngineError {
    fn from(error: polars::error::PolarsError) -> EngineError {
        EngineError::internal(error.to_string())
    }
}
