//! SELECT: computes each output column from the input row.

use super::{BatchContext, Step};
use crate::engine::eval::Bound;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;

/// Computes columns.
pub struct Project {
    /// Each new column with what it is computed from.
    pub exprs: Vec<(ColumnId, Bound)>,
}

impl Step for Project {
    fn name(&self) -> &'static str {
        "project"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        let columns = self.exprs.iter().map(|(_, e)| e.evaluate(&frame, &context.eval)).collect::<Result<_, _>>()?;
        Ok(Frame::new(self.exprs.iter().map(|(id, _)| *id).collect(), columns, frame.rows()))
    }
}

/// Keeps some columns, under other ids: what UNION does to each input.
pub struct Rename {
    /// Old id and new id, in the order of the output.
    pub columns: Vec<(ColumnId, ColumnId)>,
}

impl Step for Rename {
    fn name(&self) -> &'static str {
        "union"
    }

    fn apply(&self, frame: Frame, _context: &BatchContext) -> Result<Frame, EngineError> {
        let pick = |(from, _): &(ColumnId, ColumnId)| {
            frame.column(*from).cloned().ok_or_else(|| EngineError::internal("a column of UNION is missing"))
        };
        let columns = self.columns.iter().map(pick).collect::<Result<_, _>>()?;
        Ok(Frame::new(self.columns.iter().map(|(_, to)| *to).collect(), columns, frame.rows()))
    }
}
