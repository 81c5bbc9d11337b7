//! Where rows go: one sink a file, behind one trait.

pub mod memory;
pub mod noop;

use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use crate::progress::OutputMode;

/// One batch's result.
pub struct SinkBatch<'a> {
    /// The batch's number; the same number again replaces what was written under it.
    pub id: u64,
    /// How the rows relate to those of earlier batches.
    pub mode: OutputMode,
    /// The result's columns: users' names and types.
    pub columns: &'a [Column],
    /// The rows, columns in the order of `columns`.
    pub frame: &'a Frame,
    /// The watermark in force, in microseconds; `None` for a query without one.
    pub watermark: Option<i64>,
    /// Rows of state over all operators.
    pub state_rows: u64,
    /// Rows dropped as late in this batch.
    pub dropped_by_watermark: u64,
    /// The session's time zone, for the text of timestamps.
    pub zone: chrono_tz::Tz,
}

/// Takes each batch's rows; writing the same batch twice equals writing it once.
pub trait Sink: Send {
    /// Writes a batch.
    fn write(&mut self, batch: &SinkBatch<'_>) -> Result<(), EngineError>;

    /// As progress names it, such as `console` or `memory(counts)`.
    fn description(&self) -> String;
}
