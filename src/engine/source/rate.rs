//! Rows out of nothing: `rate` makes so many a second, `rate-micro-batch` so many a batch. Both as Spark's.
//!
//! `rate`: an offset is a number of seconds since the query began; the values of a range of seconds stand at equal
//! distances over it, in milliseconds. With `rampUpTime` the speed grows second by second until it is reached.
//! `rate-micro-batch`: an offset holds the number of rows and the time that the next batch's rows carry.
//!
//! With `numPartitions` n, partition p holds the values p, p + n, p + 2n, … of a range, and partitions follow each
//! other, as in Spark. Without it the values are in order.

use crate::checkpoint::Offset;
use crate::engine::clock::Clock;
use crate::engine::source::declared::Declared;
use crate::engine::source::{Earlier, ReadTask, Source, SourceContext};
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::expr::ColumnId;
use crate::plan::logical::{Column, Scan};
use crate::progress::{Connection, SourceStatus};
use crate::types::{DataType, Field};
use polars::prelude::{Int64Chunked, IntoSeries, PlSmallStr};
use std::sync::Arc;
use std::time::Duration;

/// Rows that one task makes at most, when nothing says how many partitions there are.
const TASK_ROWS: u64 = 256 * 1024;

/// Opens `rate`.
///
/// # Errors
/// Options that do not fit.
pub fn open(scan: &Scan, context: &SourceContext, _: &Resources) -> Result<Box<dyn Source>, EngineError> {
    let declared = Declared::new("rate", &scan.options);
    let per_second = declared.number("rowsPerSecond", 1, i64::MAX)?.unwrap_or(1);
    let ramp_up = match declared.text("rampUpTime") {
        None => 0,
        Some(text) => seconds(text).ok_or_else(|| declared.bad("rampUpTime", text, "a time such as 5s, 100ms or 2m"))?,
    };
    let partitions = partitions(&declared)?;
    declared.finish()?;
    Ok(Box::new(Rate {
        rows: Rows::new(scan, partitions),
        stream: scan.name.clone(),
        per_second,
        ramp_up,
        created: context.clock.now_micros().div_euclid(1000),
        clock: Arc::clone(&context.clock),
        frozen: None,
        most: 0,
    }))
}

/// Opens `rate-micro-batch`.
///
/// # Errors
/// Options that do not fit.
pub fn open_micro_batch(scan: &Scan, _: &SourceContext, _: &Resources) -> Result<Box<dyn Source>, EngineError> {
    let declared = Declared::new("rate-micro-batch", &scan.options);
    let per_batch = declared.number("rowsPerBatch", 1, i64::MAX)?.ok_or_else(|| {
        EngineError::user("rate-micro-batch needs to know how many rows a batch has").help("for example OPTIONS (rowsPerBatch 100)")
    })?;
    let start = declared.number("startTimestamp", 0, i64::MAX / 1000)?.unwrap_or(0);
    let advance = declared.number("advanceMillisPerBatch", 0, i64::MAX / 1000)?.unwrap_or(1000);
    let partitions = partitions(&declared)?;
    declared.finish()?;
    Ok(Box::new(RateMicroBatch {
        rows: Rows::new(scan, partitions),
        stream: scan.name.clone(),
        per_batch,
        start,
        advance,
        frozen: Frozen::No,
        most: 0,
    }))
}

/// The columns of both: `timestamp TIMESTAMP, value BIGINT`.
///
/// # Errors
/// Columns that were declared.
pub fn columns(format: &str, declared: Option<Vec<Field>>) -> Result<Vec<Field>, EngineError> {
    match declared {
        None => Ok(vec![Field::new("timestamp", DataType::Timestamp), Field::new("value", DataType::BigInt)]),
        Some(_) => {
            Err(EngineError::user(format!("{format} has its own columns: timestamp TIMESTAMP, value BIGINT")).help("leave the columns out"))
        }
    }
}

fn partitions(declared: &Declared<'_>) -> Result<Option<u64>, EngineError> {
    Ok(declared.number("numPartitions", 1, 4096)?.map(|n| n as u64))
}

/// Whole seconds of a time such as `90`, `5s`, `1500ms`, `2 min`: what is below a second is cut, as Spark does.
fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: i64 = text[..split].parse().ok()?;
    match text[split..].trim().to_ascii_lowercase().as_str() {
        "" | "s" => Some(count),
        "us" => Some(count / 1_000_000),
        "ms" => Some(count / 1000),
        "m" | "min" => count.checked_mul(60),
        "h" => count.checked_mul(3600),
        "d" => count.checked_mul(86_400),
        _ => None,
    }
}

/// Number of values before the end of second `seconds`; `None` past the range of BIGINT.
fn value_at_second(seconds: i64, per_second: i64, ramp_up: i64) -> Option<i64> {
    if seconds > ramp_up {
        let ramp = value_at_second(ramp_up, per_second, ramp_up)?;
        return ramp.checked_add((seconds - ramp_up).checked_mul(per_second)?);
    }
    // The speed grows by the same whole number each second.
    let step = per_second / ramp_up.checked_add(1)?;
    let triangle = i128::from(seconds) * (i128::from(seconds) + 1) / 2 * i128::from(step);
    i64::try_from(triangle).ok()
}

/// Values `from..to` and the time of each.
#[derive(Clone, Copy)]
struct Span {
    from: i64,
    to: i64,
    /// Time of the first value, milliseconds since the epoch.
    start: i64,
    /// Milliseconds from a value to the next.
    step: f64,
}

impl Span {
    fn micros(self, value: i64) -> i64 {
        // Java's Math.round: halves go up.
        let after = ((value - self.from) as f64 * self.step + 0.5).floor() as i64;
        (self.start + after).saturating_mul(1000)
    }
}

/// Makes the columns in use.
#[derive(Clone)]
struct Rows {
    columns: Arc<[(ColumnId, bool)]>,
    partitions: Option<u64>,
}

impl Rows {
    fn new(scan: &Scan, partitions: Option<u64>) -> Rows {
        let is_time = |c: &Column| c.name.eq_ignore_ascii_case("timestamp");
        Rows { columns: scan.columns.iter().map(|c| (c.id, is_time(c))).collect(), partitions }
    }

    fn tasks(&self, span: Span) -> Vec<ReadTask> {
        let count = span.to.saturating_sub(span.from).max(0) as u64;
        match self.partitions {
            Some(n) => (0..n.min(count)).map(|p| self.task(span, p as i64, n as i64, (count - p).div_ceil(n))).collect(),
            None => {
                let tasks = count.div_ceil(TASK_ROWS);
                (0..tasks).map(|t| self.task(span, (t * TASK_ROWS) as i64, 1, TASK_ROWS.min(count - t * TASK_ROWS))).collect()
            }
        }
    }

    /// `rows` values from the `first` of the span on, `step` apart.
    fn task(&self, span: Span, first: i64, step: i64, rows: u64) -> ReadTask {
        let columns = Arc::clone(&self.columns);
        Box::new(move || {
            let values = || (0..rows as i64).map(|i| span.from + first + i * step);
            let made = columns.iter().map(|(_, is_time)| {
                let column: Vec<i64> = if *is_time { values().map(|v| span.micros(v)).collect() } else { values().collect() };
                Int64Chunked::from_vec(PlSmallStr::EMPTY, column).into_series()
            });
            let made = made.collect();
            Ok(Frame::new(columns.iter().map(|(id, _)| *id).collect(), made, rows as usize))
        })
    }
}

/// `rate`
struct Rate {
    rows: Rows,
    stream: String,
    per_second: i64,
    ramp_up: i64,
    /// Milliseconds since the epoch.
    created: i64,
    clock: Arc<dyn Clock>,
    /// Seconds that `latest` does not exceed.
    frozen: Option<i64>,
    /// The furthest second read.
    most: i64,
}

impl Rate {
    fn elapsed_millis(&self) -> i64 {
        (self.clock.now_micros().div_euclid(1000) - self.created).max(0)
    }

    fn value_at(&self, second: i64) -> Result<i64, EngineError> {
        value_at_second(second, self.per_second, self.ramp_up).ok_or_else(|| {
            EngineError::user(format!("{} rows a second are more than BIGINT can number by second {second}", self.per_second))
        })
    }
}

impl Source for Rate {
    fn latest(&mut self, from: Option<&Offset>) -> Result<Option<Offset>, EngineError> {
        let start = from.map_or(Ok(0), second_of)?;
        let now = self.elapsed_millis() / 1000;
        let end = self.frozen.map_or(now, |frozen| now.min(frozen)).max(start);
        Ok(Some(Offset(end.to_string())))
    }

    fn read(&mut self, from: Option<&Offset>, to: &Offset) -> Result<Vec<ReadTask>, EngineError> {
        let (start, end) = (from.map_or(Ok(0), second_of)?, second_of(to)?);
        let (first, last) = (self.value_at(start)?, self.value_at(end)?);
        self.most = self.most.max(last);
        if first >= last {
            return Ok(Vec::new());
        }
        let step = ((end - start) * 1000) as f64 / (last - first) as f64;
        Ok(self.rows.tasks(Span { from: first, to: last, start: self.created + start * 1000, step }))
    }

    fn commit(&mut self, _: &Offset) -> Result<(), EngineError> {
        Ok(())
    }

    /// The first second began when the query was first started, also for its later runs.
    fn journal(&mut self, from: Option<&Offset>, _to: &Offset) -> Result<Vec<String>, EngineError> {
        Ok(if from.is_none() { self.journal_so_far() } else { Vec::new() })
    }

    fn journal_so_far(&mut self) -> Vec<String> {
        vec![format!("created={}", self.created)]
    }

    fn restore(&mut self, earlier: &Earlier) -> Result<(), EngineError> {
        if let Some(line) = earlier.journal.last() {
            let created = line.strip_prefix("created=").and_then(|n| n.parse().ok());
            self.created = created.ok_or_else(|| EngineError::external(format!("`{line}` is no line that a rate stream logs")))?;
        }
        Ok(())
    }

    fn status(&self) -> SourceStatus {
        SourceStatus {
            stream: self.stream.clone(),
            description: format!("rate of {} rows a second", self.per_second),
            connection: Connection::Ready,
            received_rows: self.most as u64,
            ..SourceStatus::default()
        }
    }

    fn ended(&self) -> bool {
        false
    }

    fn freeze(&mut self) -> Result<(), EngineError> {
        self.frozen = Some(self.elapsed_millis() / 1000);
        Ok(())
    }

    /// Until the next second begins.
    fn poll_every(&self) -> Option<Duration> {
        Some(Duration::from_millis((1000 - self.elapsed_millis() % 1000) as u64))
    }

    fn starts_empty(&self) -> bool {
        true
    }
}

fn second_of(offset: &Offset) -> Result<i64, EngineError> {
    offset
        .0
        .trim()
        .parse()
        .map_err(|_| EngineError::user(format!("{offset} is no position in a rate stream: it should be a number of seconds")))
}

/// What available now does to `rate-micro-batch`: one batch from where it stands.
enum Frozen {
    No,
    Asked,
    At(MicroOffset),
}

/// `rate-micro-batch`
struct RateMicroBatch {
    rows: Rows,
    stream: String,
    per_batch: i64,
    start: i64,
    advance: i64,
    frozen: Frozen,
    /// The furthest row read.
    most: i64,
}

/// Rows made so far and the time that the next rows carry, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
struct MicroOffset {
    offset: i64,
    timestamp: i64,
}

impl MicroOffset {
    fn text(self) -> Offset {
        Offset(format!("{{\"offset\":{},\"timestamp\":{}}}", self.offset, self.timestamp))
    }

    fn parse(offset: &Offset) -> Result<MicroOffset, EngineError> {
        let number = |name: &str| {
            let rest = offset.0.split_once(&format!("\"{name}\""))?.1.trim_start().strip_prefix(':')?.trim_start();
            rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
        };
        match (number("offset"), number("timestamp")) {
            (Some(offset), Some(timestamp)) => Ok(MicroOffset { offset, timestamp }),
            _ => {
                let wanted = "{\"offset\":7,\"timestamp\":1000}";
                Err(EngineError::user(format!("{offset} is no position in a rate-micro-batch stream: it should look like {wanted}")))
            }
        }
    }
}

impl RateMicroBatch {
    fn from(&self, offset: Option<&Offset>) -> Result<MicroOffset, EngineError> {
        offset.map_or(Ok(MicroOffset { offset: 0, timestamp: self.start }), MicroOffset::parse)
    }

    fn next(&self, from: MicroOffset) -> Result<MicroOffset, EngineError> {
        let next = from.offset.checked_add(self.per_batch).zip(from.timestamp.checked_add(self.advance));
        let (offset, timestamp) = next.ok_or_else(|| EngineError::user("the stream has reached the end of what BIGINT can number"))?;
        Ok(MicroOffset { offset, timestamp })
    }
}

impl Source for RateMicroBatch {
    fn latest(&mut self, from: Option<&Offset>) -> Result<Option<Offset>, EngineError> {
        let from = self.from(from)?;
        let end = match self.frozen {
            Frozen::No => self.next(from)?,
            Frozen::Asked => {
                let end = self.next(from)?;
                self.frozen = Frozen::At(end);
                end
            }
            Frozen::At(end) => end,
        };
        Ok(Some(end.text()))
    }

    fn read(&mut self, from: Option<&Offset>, to: &Offset) -> Result<Vec<ReadTask>, EngineError> {
        let (start, end) = (self.from(from)?, MicroOffset::parse(to)?);
        self.most = self.most.max(end.offset);
        Ok(self.rows.tasks(Span { from: start.offset, to: end.offset, start: start.timestamp, step: 0.0 }))
    }

    fn commit(&mut self, _: &Offset) -> Result<(), EngineError> {
        Ok(())
    }

    fn status(&self) -> SourceStatus {
        SourceStatus {
            stream: self.stream.clone(),
            description: format!("rate of {} rows a batch", self.per_batch),
            connection: Connection::Ready,
            received_rows: self.most as u64,
            ..SourceStatus::default()
        }
    }

    fn ended(&self) -> bool {
        false
    }

    fn freeze(&mut self) -> Result<(), EngineError> {
        self.frozen = Frozen::Asked;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_ramp_up_as_sparks() {
        let values = |per_second, ramp_up| (0..8).map(|s| value_at_second(s, per_second, ramp_up).unwrap()).collect::<Vec<_>>();
        assert_eq!(values(10, 0), [0, 10, 20, 30, 40, 50, 60, 70]);
        assert_eq!(values(10, 3), [0, 2, 6, 12, 22, 32, 42, 52]);
        assert_eq!(values(1, 5), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(values(7, 4), [0, 1, 3, 6, 10, 17, 24, 31]);
        assert_eq!(values(100, 7), [0, 12, 36, 72, 120, 180, 252, 336]);
        assert_eq!(value_at_second(2, i64::MAX, 0), None);
    }

    #[test]
    fn times_are_read_as_spark_reads_them() {
        let cases =
            [("5", Some(5)), ("90s", Some(90)), ("1999ms", Some(1)), ("2 min", Some(120)), ("1h", Some(3600)), ("-1", None), ("x", None)];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
