//! `INTO noop`: every row and column is computed, none is written.

use super::{Sink, SinkBatch};
use crate::engine::EngineError;

/// Takes rows and forgets them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noop;

impl Sink for Noop {
    fn write(&mut self, _batch: &SinkBatch<'_>) -> Result<(), EngineError> {
        Ok(())
    }

    fn description(&self) -> String {
        "noop".to_string()
    }
}
