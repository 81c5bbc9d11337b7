//! TABLESAMPLE: keeps about a share of the rows, the same ones for the same seed.

use super::{BatchContext, Step};
use crate::engine::eval::access::{bits, flag_series};
use crate::engine::{EngineError, Frame};
use ahash::RandomState;

/// Keeps a share of rows.
pub struct Sample {
    /// The share in millionths.
    pub fraction_ppm: u64,
    /// Decides which rows.
    pub seed: u64,
}

impl Step for Sample {
    fn name(&self) -> &'static str {
        "sample"
    }

    fn apply(&self, frame: Frame, _context: &BatchContext) -> Result<Frame, EngineError> {
        let hash = RandomState::with_seeds(self.seed, 1, 2, 3);
        let kept = bits(frame.rows(), |row| hash.hash_one(row) % 1_000_000 < self.fraction_ppm);
        Ok(frame.filter(flag_series(kept, None).bool()?)?)
    }
}
