//! WHERE and HAVING: keeps the rows where the predicate is true.

use super::{BatchContext, Step};
use crate::engine::eval::Bound;
use crate::engine::{EngineError, Frame};

/// Keeps rows.
pub struct Filter {
    /// The condition.
    pub predicate: Bound,
}

impl Step for Filter {
    fn name(&self) -> &'static str {
        "filter"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        if frame.rows() == 0 {
            return Ok(frame);
        }
        let mask = self.predicate.mask(&frame, &context.eval)?;
        if mask.null_count() == 0 && mask.all() { Ok(frame) } else { Ok(frame.filter(&mask)?) }
    }
}
