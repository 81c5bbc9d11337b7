//! The frames of window functions: which places of its partition each place sees.
//!
//! ROWS frames count places. RANGE frames compare values of the order key, which ascend within a partition once a
//! descending key is negated, so that each end of a frame is found by bisection.

use crate::engine::EngineError;
use crate::engine::eval::access::numbers;
use crate::engine::eval::interval::{date_plus_months, timestamp_plus};
use crate::engine::eval::zone::Zone;
use crate::plan::expr::{self, Bound};
use crate::types::{DataType, Value};
use polars::prelude::{self as pl, Series};

/// Which rows around a row a function sees.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// The whole partition.
    Partition,
    /// From the partition's start to the row's last peer.
    Running,
    /// Offsets in rows.
    Rows(Option<i64>, Option<i64>),
    /// Offsets in the order key's value.
    Range(Option<Offset>, Option<Offset>),
}

/// How far the end of a RANGE frame lies from the row's own value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offset {
    /// In units of the key: numbers, days, microseconds.
    Plain(f64),
    /// Months of a DATE or TIMESTAMP.
    Months(i32),
}

const DAY: f64 = 86_400e6;

/// The extent that a plan's frame means over an order key of that type.
pub(super) fn extent(frame: Option<&expr::Frame>, key: Option<&DataType>) -> Result<Extent, EngineError> {
    let Some(frame) = frame else { return Ok(if key.is_none() { Extent::Partition } else { Extent::Running }) };
    let offset = |value: &Value| match value {
        Value::Int(n) => Ok(Offset::Plain(*n as f64)),
        Value::DayTime(n) if key == Some(&DataType::Date) => Ok(Offset::Plain(*n as f64 / DAY)),
        Value::DayTime(n) => Ok(Offset::Plain(*n as f64)),
        Value::YearMonth(n) if matches!(key, Some(DataType::YearMonthInterval(..))) => Ok(Offset::Plain(f64::from(*n))),
        Value::YearMonth(n) => Ok(Offset::Months(*n)),
        Value::Double(d) => Ok(Offset::Plain(*d)),
        Value::Float(f) => Ok(Offset::Plain(f64::from(*f))),
        _ => Err(EngineError::user("a bound of this type is not built yet for window frames")),
    };
    let bound = |b: &Bound| match b {
        Bound::Unbounded => Ok(None),
        Bound::Offset(value) => offset(value).map(Some),
    };
    let (start, end) = (bound(&frame.start)?, bound(&frame.end)?);
    let rows = |o: Option<Offset>| match o {
        Some(Offset::Plain(n)) => Some(n as i64),
        _ => None,
    };
    Ok(match (start, end) {
        (None, None) => Extent::Partition,
        (start, end) if frame.rows => Extent::Rows(rows(start), rows(end)),
        (None, Some(Offset::Plain(0.0))) => Extent::Running,
        (start, end) => Extent::Range(start, end),
    })
}

/// The order key's values in window order, as numbers that ascend within a partition but for NULLs.
pub(super) struct RangeKey {
    values: Vec<Option<f64>>,
    descending: bool,
    data_type: DataType,
    zone: Option<Zone>,
}

impl RangeKey {
    /// `column` has the key of every row of the frame; `order` the rows in window order.
    pub(super) fn new(column: &Series, data_type: &DataType, descending: bool, order: &[u32], zone: Zone) -> Result<RangeKey, EngineError> {
        let column = column.cast(&pl::DataType::Float64)?.rechunk();
        let numbers = numbers::<f64>(&column)?;
        // A decimal's digits are its number without the point.
        let scale = match (data_type, column.dtype()) {
            (DataType::Decimal(_, digits), _) => 10f64.powi(-i32::from(*digits)),
            _ => 1.0,
        };
        let sign = if descending { -scale } else { scale };
        let value = |row: &u32| {
            let row = *row as usize;
            numbers.validity.is_none_or(|v| v.get_bit(row)).then(|| numbers.values[row] * sign)
        };
        let zone = (*data_type == DataType::Timestamp).then_some(zone);
        Ok(RangeKey { values: order.iter().map(value).collect(), descending, data_type: data_type.clone(), zone })
    }

    /// Where a frame's end lies for a row of that value.
    fn moved(&self, own: f64, by: Offset) -> Result<f64, EngineError> {
        match by {
            Offset::Plain(n) => Ok(own + n),
            Offset::Months(n) => {
                let (value, n) = if self.descending { (-own, -n) } else { (own, n) };
                let there = match self.data_type {
                    DataType::Date => f64::from(date_plus_months(value as i32, n.into())?),
                    _ => timestamp_plus(value as i64, n, 0, 0, self.zone.as_ref())? as f64,
                };
                Ok(if self.descending { -there } else { there })
            }
        }
    }

    /// The places `first..end` of a partition that the frame of `place` spans; `peers` are the places of equal keys.
    pub(super) fn frame(
        &self,
        (first, end): (usize, usize),
        place: usize,
        peers: (usize, usize),
        (from, to): (Option<Offset>, Option<Offset>),
    ) -> Result<(usize, usize), EngineError> {
        let Some(own) = self.values[place] else {
            return Ok((from.map_or(first, |_| peers.0), to.map_or(end, |_| peers.1)));
        };
        // NULLs stand together at one edge.
        let known = self.values[first..end].partition_point(Option::is_none) + first;
        let (low, high) = if self.values[first].is_none() {
            (known, end)
        } else {
            (first, first + self.values[first..end].partition_point(Option::is_some))
        };
        let span = &self.values[low..high];
        let start = match from {
            None => first,
            Some(by) => {
                let bound = self.moved(own, by)?;
                low + span.partition_point(|v| v.is_some_and(|v| v < bound))
            }
        };
        let stop = match to {
            None => end,
            Some(by) => {
                let bound = self.moved(own, by)?;
                low + span.partition_point(|v| v.is_some_and(|v| v <= bound))
            }
        };
        Ok((start, stop.max(start)))
    }
}
