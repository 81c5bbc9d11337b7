//! `window(ts, size, slide, start)`: gives each row its windows; a row without a time is dropped.

use super::{BatchContext, Step};
use crate::engine::columns::struct_series;
use crate::engine::eval::Bound;
use crate::engine::eval::access::{number_series, numbers};
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use polars::prelude::IdxCa;

/// Adds the window's column, and rows where windows overlap. Durations in microseconds.
pub struct TimeWindow {
    /// The time.
    pub time: Bound,
    /// From start to end.
    pub size: i64,
    /// From start to start.
    pub slide: i64,
    /// Where windows start, past the epoch.
    pub start: i64,
    /// The column of windows.
    pub id: ColumnId,
    /// Columns of the input that somebody needs above.
    pub keep: Vec<ColumnId>,
}

/// The start of the last window that begins at or before `time`.
fn last_start(time: i64, slide: i64, start: i64) -> i64 {
    time - (time - start).rem_euclid(slide)
}

impl Step for TimeWindow {
    fn name(&self) -> &'static str {
        "window"
    }

    fn apply(&self, frame: Frame, context: &BatchContext) -> Result<Frame, EngineError> {
        let time = self.time.evaluate(&frame, &context.eval)?;
        let times = numbers::<i64>(&time)?;
        let all_valid = times.validity.is_none_or(|v| v.unset_bits() == 0);
        let mut frame = only(frame, &self.keep);
        let mut starts = Vec::with_capacity(times.values.len());
        if all_valid && self.slide == self.size {
            starts.extend(times.values.iter().map(|t| last_start(*t, self.slide, self.start)));
        } else {
            let overlap = self.size.div_euclid(self.slide) + i64::from(self.size % self.slide != 0);
            let mut rows = Vec::with_capacity(times.values.len());
            for (row, time) in times.values.iter().enumerate() {
                if times.validity.is_some_and(|v| !v.get_bit(row)) {
                    continue;
                }
                let last = last_start(*time, self.slide, self.start);
                for start in (0..overlap).map(|i| last - i * self.slide).filter(|s| *time < s + self.size) {
                    rows.push(row as u32);
                    starts.push(start);
                }
            }
            frame = frame.take(&IdxCa::from_vec("".into(), rows))?;
        }
        let ends = starts.iter().map(|s| s + self.size).collect();
        let windows = struct_series(vec![number_series(starts, None), number_series(ends, None)], Some(frame.rows()), None)?;
        frame.push(self.id, windows);
        Ok(frame)
    }
}

/// The frame with only some of its columns.
pub(super) fn only(frame: Frame, keep: &[ColumnId]) -> Frame {
    if frame.ids().iter().all(|id| keep.contains(id)) {
        return frame;
    }
    let rows = frame.rows();
    let (ids, columns) =
        frame.ids().iter().zip(frame.columns()).filter(|(id, _)| keep.contains(id)).map(|(id, c)| (*id, c.clone())).unzip();
    Frame::new(ids, columns, rows)
}

#[cfg(test)]
mod tests {
    use super::last_start;

    #[test]
    fn windows_start_before_the_epoch_too() {
        assert_eq!(last_start(0, 7, 0), 0);
        assert_eq!(last_start(-1, 7, 0), -7);
        assert_eq!(last_start(-7, 7, 0), -7);
        assert_eq!(last_start(12, 10, 3), 3);
        assert_eq!(last_start(2, 10, 3), -7);
    }
}
