//! Patterns that options give to readers and writers of JSON and CSV.

use super::json_write::WriteTime;
use crate::engine::EngineError;

/// Writes local times, and dates as their first moment, by a pattern.
pub(super) fn writer(pattern: &str) -> Result<WriteTime, EngineError> {
    Err(EngineError::user(format!("patterns such as '{pattern}' are not supported here yet")))
}
