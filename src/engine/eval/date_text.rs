//! Kernels between dates, times and texts: `to_date`, `to_timestamp`, `date_format`, Unix times.

use super::access::{Cells, Texts, map_rows, map1, number_series, unary};
use super::array::integers;
use super::cast::cast;
use super::date::session;
use super::datetime_pattern::DatetimePattern;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// What Unix time functions read and write where no pattern is given.
const DEFAULT_PATTERN: &str = "yyyy-MM-dd HH:mm:ss";

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "to_date", fallible: true, kernel: |c| convert(c, &DataType::Date, false, "try_to_date") },
    KernelEntry { name: "try_to_date", fallible: false, kernel: |c| convert(c, &DataType::Date, true, "") },
    KernelEntry { name: "to_timestamp", fallible: true, kernel: |c| convert(c, &DataType::Timestamp, false, "try_to_timestamp") },
    KernelEntry { name: "to_timestamp_ltz", fallible: true, kernel: |c| convert(c, &DataType::Timestamp, false, "try_to_timestamp") },
    KernelEntry { name: "to_timestamp_ntz", fallible: true, kernel: |c| convert(c, &DataType::TimestampNtz, false, "try_to_timestamp") },
    KernelEntry { name: "try_to_timestamp", fallible: false, kernel: |c| convert(c, &DataType::Timestamp, true, "") },
    KernelEntry { name: "date_format", fallible: true, kernel: date_format },
    KernelEntry { name: "from_unixtime", fallible: true, kernel: from_unixtime },
    KernelEntry { name: "unix_timestamp", fallible: true, kernel: unix_timestamp },
    KernelEntry { name: "to_unix_timestamp", fallible: true, kernel: unix_timestamp },
    KernelEntry { name: "unix_seconds", fallible: false, kernel: |c| unary(c.column(0), |t: i64| t.div_euclid(SECOND)) },
    KernelEntry { name: "unix_millis", fallible: false, kernel: |c| unary(c.column(0), |t: i64| t.div_euclid(1000)) },
    KernelEntry { name: "unix_micros", fallible: false, kernel: |c| Ok(c.column(0).clone()) },
    KernelEntry { name: "unix_date", fallible: false, kernel: |c| Ok(c.column(0).clone()) },
    KernelEntry { name: "date_from_unix_date", fallible: false, kernel: |c| Ok(c.column(0).clone()) },
    KernelEntry { name: "timestamp_seconds", fallible: true, kernel: timestamp_seconds },
    KernelEntry { name: "timestamp_millis", fallible: true, kernel: |c| scaled_timestamp(c, 1000, "milliseconds") },
    KernelEntry { name: "timestamp_micros", fallible: true, kernel: |c| scaled_timestamp(c, 1, "microseconds") },
];

/// Patterns of a call: compiled once while the text stays the same.
struct Patterns<'a> {
    texts: Option<Texts<'a>>,
    compile: fn(&str) -> Result<DatetimePattern>,
    last: Option<(&'a str, DatetimePattern)>,
}

impl<'a> Patterns<'a> {
    /// The patterns of argument `index`, or the default where it is left out.
    fn new(call: &'a KernelCall<'_>, index: usize, compile: fn(&str) -> Result<DatetimePattern>) -> Result<Patterns<'a>> {
        let texts = if call.args.len() > index { Some(call.texts(index)?) } else { None };
        Ok(Patterns { texts, compile, last: None })
    }

    fn at(&mut self, row: usize) -> Result<Option<&DatetimePattern>> {
        let Some(text) = self.texts.as_ref().map_or(Some(DEFAULT_PATTERN), |t| t.at(row)) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(known, _)| *known != text) {
            self.last = Some((text, (self.compile)(text)?));
        }
        Ok(self.last.as_ref().map(|(_, pattern)| pattern))
    }
}

fn unparsable(text: &str, instead: &str) -> EngineError {
    let error = EngineError::data("CANNOT_PARSE_TIMESTAMP", format!("'{text}' could not be parsed by the datetime pattern"));
    error.help(format!("use `{instead}` to get NULL instead"))
}

/// A text by a pattern, or anything by a cast.
fn convert(call: &KernelCall<'_>, to: &DataType, attempt: bool, instead: &str) -> Result {
    let from = call.data_type(0);
    if call.args.len() < 2 || *from != DataType::String {
        let cells = cast(call.column(0), from, to, attempt, call.context)?;
        return if call.args.len() < 2 { Ok(cells) } else { null_where_pattern_is(call, cells, to) };
    }
    let texts = call.texts(0)?;
    let mut patterns = Patterns::new(call, 1, DatetimePattern::parse)?;
    let zone = session(call);
    let failed = |text: &str| if attempt { Ok(None) } else { Err(unparsable(text, instead)) };
    // The default is the session's zone, so a date is what its clock shows.
    let instant = |pattern: &DatetimePattern, text: &str| match to {
        DataType::TimestampNtz => pattern.parse_local(text),
        _ => pattern.parse_timestamp(text, &zone),
    };
    if *to == DataType::Date {
        return map_rows(call.length(), |row| {
            let (Some(text), Some(pattern)) = (texts.at(row), patterns.at(row)?) else { return Ok(None) };
            match instant(pattern, text) {
                Some(instant) => Ok(Some(zone.to_local(instant).div_euclid(DAY) as i32)),
                None => failed(text).map(|_: Option<i64>| None),
            }
        });
    }
    map_rows(call.length(), |row| {
        let (Some(text), Some(pattern)) = (texts.at(row), patterns.at(row)?) else { return Ok(None) };
        match instant(pattern, text) {
            Some(instant) => Ok(Some(instant)),
            None => failed(text),
        }
    })
}

/// A pattern beside what is no text is not used, but its NULL counts.
fn null_where_pattern_is(call: &KernelCall<'_>, cells: Series, to: &DataType) -> Result {
    let patterns = call.texts(1)?;
    if *to == DataType::Date {
        let cells = super::access::numbers::<i32>(&cells)?;
        return map_rows(call.length(), |row| Ok(patterns.at(row).and_then(|_| cells.at(row))));
    }
    let cells = super::access::numbers::<i64>(&cells)?;
    map_rows(call.length(), |row| Ok(patterns.at(row).and_then(|_| cells.at(row))))
}

fn date_format(call: &KernelCall<'_>) -> Result {
    let times = call.numbers::<i64>(0)?;
    format_times(call, 1, |row| times.at(row), *call.data_type(0) == DataType::TimestampNtz)
}

fn format_times(call: &KernelCall<'_>, pattern: usize, time: impl Fn(usize) -> Option<i64>, local: bool) -> Result {
    let mut patterns = Patterns::new(call, pattern, DatetimePattern::for_writing)?;
    let mut out = String::new();
    let n = call.length();
    let mut builder = polars_arrow::array::MutableBinaryViewArray::<str>::with_capacity(n);
    for row in 0..n {
        let (Some(time), Some(pattern)) = (time(row), patterns.at(row).map_err(|e| e.at_row(row))?) else {
            builder.push_null();
            continue;
        };
        out.clear();
        if local {
            pattern.format_local(time, &mut out)
        } else {
            pattern.format(time, call.context.zone, &mut out)
        }
        builder.push_value(out.as_str());
    }
    Ok(Series::from_array(polars::prelude::PlSmallStr::EMPTY, builder.freeze()))
}

fn from_unixtime(call: &KernelCall<'_>) -> Result {
    let seconds = call.numbers::<i64>(0)?;
    format_times(call, 1, |row| seconds.at(row).map(|s| s.saturating_mul(SECOND)), false)
}

/// Seconds since 1970 of a text by a pattern, of a date or of a timestamp (without a zone it counts as UTC); of the present
/// without arguments.
fn unix_timestamp(call: &KernelCall<'_>) -> Result {
    let zone = session(call);
    if call.args.is_empty() {
        return Ok(number_series(vec![call.context.now.div_euclid(SECOND)], None));
    }
    match call.data_type(0) {
        DataType::String => {
            let texts = call.texts(0)?;
            let mut patterns = Patterns::new(call, 1, DatetimePattern::parse)?;
            map_rows(call.length(), |row| {
                let (Some(text), Some(pattern)) = (texts.at(row), patterns.at(row)?) else { return Ok(None) };
                let instant = pattern.parse_timestamp(text, &zone).ok_or_else(|| unparsable(text, "try_to_timestamp"))?;
                Ok(Some(instant.div_euclid(SECOND)))
            })
        }
        DataType::Date => unary(call.column(0), |days: i32| zone.to_instant(i64::from(days) * DAY).div_euclid(SECOND)),
        _ => unary(call.column(0), |instant: i64| instant.div_euclid(SECOND)),
    }
}

fn too_far(count: impl std::fmt::Display, what: &str) -> EngineError {
    EngineError::data("DATETIME_OVERFLOW", format!("{count} {what} since 1970 are outside the range of TIMESTAMP"))
}

fn scaled_timestamp(call: &KernelCall<'_>, factor: i64, what: &str) -> Result {
    let counts = integers(call, 0)?;
    map_rows(counts.len(), |row| match counts[row] {
        Some(count) => count.checked_mul(factor).map(Some).ok_or_else(|| too_far(count, what)),
        None => Ok(None),
    })
}

fn timestamp_seconds(call: &KernelCall<'_>) -> Result {
    let whole = |seconds: f64| {
        // NaN and infinities have no place on the time line.
        let micros = seconds * SECOND as f64;
        if !seconds.is_finite() {
            return Ok(None);
        }
        if micros.abs() < 9.3e18 { Ok(Some(micros as i64)) } else { Err(too_far(seconds, "seconds")) }
    };
    match call.data_type(0) {
        DataType::Double => map1(&call.numbers::<f64>(0)?, whole),
        DataType::Float => map1(&call.numbers::<f32>(0)?, |seconds| whole(f64::from(seconds))),
        DataType::Decimal(_, scale) => {
            let scale = u32::from(*scale);
            map1(&call.numbers::<i128>(0)?, |unscaled| {
                let micros = if scale <= 6 {
                    unscaled.checked_mul(10i128.pow(6 - scale))
                } else {
                    let unit = 10i128.pow(scale - 6);
                    if unscaled % unit != 0 {
                        return Err(EngineError::user("a fraction of a microsecond has no place in a TIMESTAMP: rounding necessary"));
                    }
                    Some(unscaled / unit)
                };
                micros.and_then(|m| i64::try_from(m).ok()).map(Some).ok_or_else(|| too_far(unscaled, "seconds"))
            })
        }
        _ => scaled_timestamp(call, SECOND, "seconds"),
    }
}
