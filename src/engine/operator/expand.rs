//! Grouping sets and UNPIVOT: every row once per projection.

use super::{BatchContext, Step};
use crate::engine::eval::Bound;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;

/// Multiplies rows.
pub struct Expand {
    /// The expressions of each copy, in the order of the output.
    pub projections: Vec<Vec<Bound>>,
    /// The output's columns.
    pub ids: Vec<ColumnId>,
}

impl Step for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        let copies = self
            .projections
            .iter()
            .map(|exprs| {
                let columns = exprs.iter().map(|e| e.evaluate(&frame, &context.eval)).collect::<Result<_, _>>()?;
                Ok(Frame::new(self.ids.clone(), columns, frame.rows()))
            })
            .collect::<Result<Vec<_>, EngineError>>()?;
        Frame::concat(copies)?.ok_or_else(|| EngineError::internal("an expansion without projections"))
    }
}
