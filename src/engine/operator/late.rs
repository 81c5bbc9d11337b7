//! Rows that come too late: what tells them from others, and what is kept of them for `late_rows('q')`.
//!
//! An operator hands its late rows over while it prepares a piece, on whichever worker. The query takes them
//! when the batch is done, and forgets them when it fails.

use super::BatchContext;
use crate::engine::columns::value_at;
use crate::engine::eval::Bound;
use crate::engine::eval::access::{self, Cells};
use crate::engine::eval::text::to_text;
use crate::engine::{EngineError, Frame};
use crate::plan::expr::ColumnId;
use crate::plan::logical::Column;
use crate::progress;
use crate::types::{DataType, Value};
use polars::prelude::{IdxCa, Series};
use polars_arrow::bitmap::Bitmap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many late rows of a query are kept: the newest.
pub const LATE_ROWS: usize = 1000;

/// How many bytes of text they may have together.
pub const LATE_BYTES: usize = 8 << 20;

/// Event time of a row: a timestamp, or the end of a window.
pub struct EventTime {
    /// The column or key.
    pub bound: Bound,
    /// Whether it is a window.
    pub window: bool,
}

impl EventTime {
    /// Microseconds since the epoch, a row each; NULL where the row has no time.
    ///
    /// # Errors
    /// A value that cannot be computed.
    pub fn evaluate(&self, frame: &Frame, context: &BatchContext) -> Result<Series, EngineError> {
        let time = self.bound.evaluate(frame, &context.eval)?;
        if !self.window {
            return Ok(time);
        }
        let end = access::members(&time)?.into_iter().nth(1).ok_or_else(|| EngineError::internal("a window without an end"))?;
        let ends = access::numbers::<i64>(&end)?;
        let validity = access::both_valid(ends.validity, access::validity(&time), frame.rows());
        Ok(access::number_series(ends.values.to_vec(), validity))
    }
}

/// Which rows are not late: those without a time, and those after `watermark`, in microseconds.
///
/// # Errors
/// A time that is none.
pub fn in_time(times: &Series, watermark: i64) -> Result<Bitmap, EngineError> {
    let times = access::numbers::<i64>(times)?;
    Ok(access::bits(times.len(), |row| times.at(row).is_none_or(|t| t > watermark)))
}

/// What an operator says about its late rows.
pub struct LateNote {
    /// The operator's name, as progress has it.
    pub operator: &'static str,
    /// The rows' columns. A piece may lack some: those are left out.
    pub columns: Arc<[Column]>,
    /// The event time: NULL where the piece lacks a column of it.
    pub time: Option<(Bound, Vec<ColumnId>)>,
    /// The window that a row missed.
    pub window: Option<Bound>,
}

impl LateNote {
    /// Keeps the newest rows of `frame` that `kept` does not have. The caller counts.
    ///
    /// # Errors
    /// A value that cannot be computed.
    pub fn keep(&self, frame: &Frame, kept: &Bitmap, context: &BatchContext) -> Result<(), EngineError> {
        let mut late: Vec<u32> = (0..frame.rows() as u32).rev().filter(|row| !kept.get_bit(*row as usize)).take(LATE_ROWS).collect();
        late.reverse();
        let frame = frame.take(&IdxCa::from_vec("".into(), late))?;
        let at_hand = |columns: &[ColumnId]| columns.iter().all(|c| frame.column(*c).is_some());
        let times = match &self.time {
            Some((time, columns)) if at_hand(columns) => Some(time.evaluate(&frame, &context.eval)?),
            _ => None,
        };
        let windows = self.window.as_ref().map(|w| w.evaluate(&frame, &context.eval)).transpose()?;
        let piece = Piece {
            operator: self.operator,
            columns: Arc::clone(&self.columns),
            watermark: context.late.unwrap_or_default(),
            frame,
            times,
            windows,
        };
        context.latecomers.0.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        Ok(())
    }
}

struct Piece {
    operator: &'static str,
    columns: Arc<[Column]>,
    watermark: i64,
    frame: Frame,
    times: Option<Series>,
    windows: Option<Series>,
}

/// The late rows of the batch at hand.
#[derive(Default)]
pub struct Latecomers(Mutex<Vec<Piece>>);

/// A late row: as people see it, and as a query reads it.
#[derive(Debug)]
pub struct LateRow {
    /// As text.
    pub shown: Arc<progress::LateRow>,
    /// Name and type of each column.
    pub columns: Arc<[(String, DataType)]>,
    /// Their values.
    pub values: Vec<Value>,
}

impl LateRow {
    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        self.shown.columns.iter().map(|(name, text)| name.len() + text.as_ref().map_or(0, String::len)).sum()
    }
}

impl Latecomers {
    /// Forgets the rows of a batch that failed.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Takes the rows of a batch that is done, the newest [`LATE_ROWS`], oldest first.
    pub fn take(&self, batch: u64, zone: chrono_tz::Tz) -> Vec<LateRow> {
        let pieces = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut rows: Vec<LateRow> = pieces.iter().flat_map(|piece| piece.rows(batch, zone)).collect();
        rows.drain(..rows.len().saturating_sub(LATE_ROWS));
        rows
    }
}

impl Piece {
    /// A row that missed several windows stands in the frame once a window; here it is one.
    fn rows(&self, batch: u64, zone: chrono_tz::Tz) -> Vec<LateRow> {
        let parts: Vec<(&Column, &Series)> = self.columns.iter().filter_map(|c| Some((c, self.frame.column(c.id)?))).collect();
        let columns: Arc<[(String, DataType)]> = parts.iter().map(|(c, _)| (c.name.clone(), c.data_type.clone())).collect();
        let texts: Vec<_> = parts.iter().map(|(c, series)| to_text(series, &c.data_type, zone)).collect();
        let spans = self.windows.as_ref().and_then(|w| access::members(w).ok());
        let instant = |series: &Series, row: usize| access::numbers::<i64>(series).ok().and_then(|n| n.at(row));
        let mut out: Vec<LateRow> = Vec::new();
        let mut windows: Vec<Vec<(i64, i64)>> = Vec::new();
        for row in 0..self.frame.rows() {
            let values: Vec<Value> = parts.iter().map(|(c, series)| value_at(series, row, &c.data_type)).collect();
            let event_time = self.times.as_ref().and_then(|t| instant(t, row));
            let window = spans.as_ref().and_then(|s| Some((instant(&s[0], row)?, instant(s.get(1)?, row)?)));
            // The windows of one row come latest first.
            if let (Some(window), Some(last), Some(before)) = (window, out.last(), windows.last_mut())
                && last.values == values
                && last.shown.event_time == event_time
                && before.last().is_some_and(|b| window.0 < b.0)
            {
                before.push(window);
                continue;
            }
            windows.push(window.into_iter().collect());
            let shown = progress::LateRow {
                batch_id: batch,
                operator: self.operator.to_string(),
                event_time,
                watermark: self.watermark,
                windows: Vec::new(),
                columns: columns.iter().zip(&texts).map(|((name, _), t)| (name.clone(), t.get(row).map(str::to_string))).collect(),
            };
            out.push(LateRow { shown: Arc::new(shown), columns: Arc::clone(&columns), values });
        }
        for (row, mut windows) in out.iter_mut().zip(windows) {
            windows.reverse();
            if let Some(shown) = Arc::get_mut(&mut row.shown) {
                shown.windows = windows;
            }
        }
        out
    }
}
