//! WATERMARK: looks at event times on their way through.

use super::{BatchContext, Step};
use crate::engine::eval::access::numbers;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use std::sync::{Arc, Mutex, PoisonError};

/// Event times of one batch, in milliseconds as Spark keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EventStats {
    /// Rows with an event time.
    pub count: u64,
    /// Latest.
    pub max: i64,
    /// Earliest.
    pub min: i64,
    /// Sum, for the mean.
    pub sum: i128,
}

impl EventStats {
    /// Both together.
    #[must_use]
    pub fn merge(self, other: EventStats) -> EventStats {
        match (self.count, other.count) {
            (_, 0) => self,
            (0, _) => other,
            _ => EventStats {
                count: self.count + other.count,
                max: self.max.max(other.max),
                min: self.min.min(other.min),
                sum: self.sum + other.sum,
            },
        }
    }
}

/// What one WATERMARK saw in the batch; the query reads it afterwards.
pub type SharedStats = Arc<Mutex<EventStats>>;

/// Notes event times.
pub struct Watermark {
    /// The event time.
    pub column: ColumnId,
    /// Where they are noted.
    pub stats: SharedStats,
}

impl Step for Watermark {
    fn name(&self) -> &'static str {
        "watermark"
    }

    fn apply(&self, frame: Frame, _context: &BatchContext) -> Result<Frame, EngineError> {
        let column = frame.column(self.column).ok_or_else(|| EngineError::internal("the event-time column is missing"))?;
        let times = numbers::<i64>(column)?;
        let mut seen = EventStats { count: 0, max: i64::MIN, min: i64::MAX, sum: 0 };
        for (row, micros) in times.values.iter().enumerate() {
            if times.validity.is_none_or(|v| v.get_bit(row)) {
                let millis = micros.div_euclid(1000);
                seen.count += 1;
                seen.max = seen.max.max(millis);
                seen.min = seen.min.min(millis);
                seen.sum += i128::from(millis);
            }
        }
        if seen.count > 0 {
            let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
            *stats = stats.merge(seen);
        }
        Ok(frame)
    }
}
