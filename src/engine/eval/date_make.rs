//! Kernels that make dates, times and intervals from numbers: `make_date`, `make_timestamp`, `make_interval` …

use super::access::{Cells, Numbers, map_rows, map3, number_series};
use super::date::{Zones, session};
use super::zone::{Zone, days_from_civil, days_in_month, is_leap};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::engine::columns::struct_series;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::bitmap::BitmapBuilder;

type Result<T = Series> = std::result::Result<T, EngineError>;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "make_date", fallible: true, kernel: make_date },
    KernelEntry { name: "make_timestamp", fallible: true, kernel: |c| make_timestamp(c, false) },
    KernelEntry { name: "make_timestamp_ltz", fallible: true, kernel: |c| make_timestamp(c, false) },
    KernelEntry { name: "make_timestamp_ntz", fallible: true, kernel: |c| make_timestamp(c, false) },
    KernelEntry { name: "try_make_timestamp", fallible: false, kernel: |c| make_timestamp(c, true) },
    KernelEntry { name: "try_make_timestamp_ltz", fallible: false, kernel: |c| make_timestamp(c, true) },
    KernelEntry { name: "try_make_timestamp_ntz", fallible: false, kernel: |c| make_timestamp(c, true) },
    KernelEntry { name: "make_interval", fallible: true, kernel: |c| make_interval(c, false) },
    KernelEntry { name: "try_make_interval", fallible: false, kernel: |c| make_interval(c, true) },
    KernelEntry { name: "make_dt_interval", fallible: true, kernel: make_dt_interval },
    KernelEntry { name: "make_ym_interval", fallible: true, kernel: make_ym_interval },
];

fn out_of_bounds(message: String) -> EngineError {
    EngineError::data("DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION", message)
}

fn field(name: &str, value: i64, low: i64, high: i64) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(out_of_bounds(format!("invalid value for {name} (valid values {low} - {high}): {value}")))
}

/// Days since 1970-01-01.
fn days_of(year: i32, month: i32, day: i32) -> Result<i64> {
    const MONTHS: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    field("MonthOfYear", month.into(), 1, 12)?;
    field("DayOfMonth", day.into(), 1, 31)?;
    if day as u32 > days_in_month(year.into(), month as u32) {
        return Err(out_of_bounds(if month == 2 && day == 29 && !is_leap(year.into()) {
            format!("invalid date 'February 29' as '{year}' is not a leap year")
        } else {
            format!("invalid date '{} {day}'", MONTHS[month as usize - 1])
        }));
    }
    Ok(days_from_civil(year.into(), month as u32, day as u32))
}

fn make_date(call: &KernelCall<'_>) -> Result {
    map3(&call.numbers::<i32>(0)?, &call.numbers::<i32>(1)?, &call.numbers::<i32>(2)?, |year, month, day| {
        let days = days_of(year, month, day)?;
        i32::try_from(days).map(Some).map_err(|_| out_of_bounds(format!("the year {year} is outside the range of DATE")))
    })
}

/// Seconds of any numeric type, cell by cell, in microseconds.
fn seconds(call: &KernelCall<'_>, index: usize) -> Result<Vec<Option<i64>>> {
    fn all<T: polars_arrow::types::NativeType>(numbers: Numbers<'_, T>, micros: impl Fn(T) -> Option<i64>) -> Result<Vec<Option<i64>>> {
        let too_long = || EngineError::data("NUMERIC_VALUE_OUT_OF_RANGE", "a number of seconds is too great");
        (0..numbers.len()).map(|row| numbers.at(row).map(|v| micros(v).ok_or_else(too_long)).transpose()).collect()
    }
    let whole = |value: i64| value.checked_mul(SECOND);
    let real = |value: f64| (value.abs() < 9.2e12).then(|| (value * SECOND as f64).round() as i64);
    match call.data_type(index) {
        DataType::TinyInt => all(call.numbers::<i8>(index)?, |v| whole(v.into())),
        DataType::SmallInt => all(call.numbers::<i16>(index)?, |v| whole(v.into())),
        DataType::Int => all(call.numbers::<i32>(index)?, |v| whole(v.into())),
        DataType::BigInt => all(call.numbers::<i64>(index)?, whole),
        DataType::Float => all(call.numbers::<f32>(index)?, |v| real(f64::from(v))),
        DataType::Decimal(_, scale) => {
            let scale = u32::from(*scale);
            all(call.numbers::<i128>(index)?, |v| {
                let micros = if scale <= 6 {
                    v.checked_mul(10i128.pow(6 - scale))?
                } else {
                    let unit = 10i128.pow(scale - 6);
                    (v + v.signum() * unit / 2) / unit
                };
                i64::try_from(micros).ok()
            })
        }
        _ => all(call.numbers::<f64>(index)?, real),
    }
}

/// Date, time of day, and perhaps a zone: (year, month, day, hour, minute, seconds[, zone]), or a DATE and what follows it.
fn make_timestamp(call: &KernelCall<'_>, attempt: bool) -> Result {
    let local_result = *call.returns == DataType::TimestampNtz;
    let parts = (0..5).map(|i| call.numbers::<i32>(i)).collect::<Result<Vec<_>>>()?;
    let seconds = seconds(call, 5)?;
    let mut zones = if call.args.len() > 6 { Some(Zones::new(call.texts(6)?)) } else { None };
    map_rows(call.length(), |row| {
        let part = |i: usize| parts[i].at(row);
        let (Some(year), Some(month), Some(day), Some(hour), Some(minute)) = (part(0), part(1), part(2), part(3), part(4)) else {
            return Ok(None);
        };
        let Some(micros) = seconds[if seconds.len() == 1 { 0 } else { row }] else { return Ok(None) };
        let local = days_of(year, month, day).and_then(|days| Ok(days * DAY + time_of(hour, minute, micros)?));
        let zone = match &mut zones {
            Some(zones) => zones.at(row),
            None => Ok(Some(if local_result { Zone::UTC } else { session(call) })),
        };
        match (local, zone) {
            (Ok(local), Ok(Some(zone))) => Ok(Some(zone.to_instant(local))),
            (_, Ok(None)) => Ok(None),
            (Err(_), _) | (_, Err(_)) if attempt => Ok(None),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    })
}

/// Microseconds of the day; second 60 is the next minute's first.
fn time_of(hour: i32, minute: i32, micros: i64) -> Result<i64> {
    field("HourOfDay", hour.into(), 0, 23)?;
    field("MinuteOfHour", minute.into(), 0, 59)?;
    let whole = micros.div_euclid(SECOND);
    if whole == 60 {
        if micros % SECOND != 0 {
            let message = format!("the valid range for seconds is [0, 60], but the value is {}", micros as f64 / SECOND as f64);
            return Err(EngineError::data("INVALID_FRACTION_OF_SECOND", message).help("use `try_make_timestamp` to get NULL instead"));
        }
    } else {
        field("SecondOfMinute", whole, 0, 59)?;
    }
    Ok((i64::from(hour) * 60 + i64::from(minute)) * 60 * SECOND + micros)
}

/// Whole-number arguments up to `count`; those left out are 0.
fn whole_parts<'a>(call: &'a KernelCall<'_>, count: usize) -> Result<Vec<Option<Numbers<'a, i32>>>> {
    (0..count).map(|i| if i < call.args.len() { call.numbers::<i32>(i).map(Some) } else { Ok(None) }).collect()
}

fn part(parts: &[Option<Numbers<'_, i32>>], index: usize, row: usize) -> Option<i64> {
    parts[index].as_ref().map_or(Some(0), |p| p.at(row).map(i64::from))
}

fn seconds_or_zero(call: &KernelCall<'_>, index: usize) -> Result<Vec<Option<i64>>> {
    if call.args.len() > index { seconds(call, index) } else { Ok(vec![Some(0)]) }
}

/// `make_interval([years[, months[, weeks[, days[, hours[, mins[, secs]]]]]]])`.
fn make_interval(call: &KernelCall<'_>, attempt: bool) -> Result {
    let parts = whole_parts(call, 6)?;
    let seconds = seconds_or_zero(call, 6)?;
    let n = call.length();
    let (mut months, mut days, mut micros) = (Vec::with_capacity(n), Vec::with_capacity(n), Vec::with_capacity(n));
    let mut valid = BitmapBuilder::with_capacity(n);
    for row in 0..n {
        let values: Option<Vec<i64>> = (0..6).map(|i| part(&parts, i, row)).collect();
        let cell = match (values, seconds[if seconds.len() == 1 { 0 } else { row }]) {
            (Some(v), Some(s)) => match (i32::try_from(v[0] * 12 + v[1]), i32::try_from(v[2] * 7 + v[3])) {
                (Ok(months), Ok(days)) => Some((months, days, (v[4] * 60 + v[5]) * 60 * SECOND + s)),
                _ if attempt => None,
                _ => {
                    let error = EngineError::data("ARITHMETIC_OVERFLOW", "the interval is longer than its type can hold");
                    return Err(error.help("use `try_make_interval` to get NULL instead").at_row(row));
                }
            },
            _ => None,
        };
        valid.push(cell.is_some());
        let (m, d, us) = cell.unwrap_or_default();
        months.push(m);
        days.push(d);
        micros.push(us);
    }
    let members = vec![number_series(months, None), number_series(days, None), number_series(micros, None)];
    struct_series(members, Some(n), valid.into_opt_validity())
}

fn interval_overflow() -> EngineError {
    EngineError::data("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "the interval is longer than its type can hold")
}

fn make_dt_interval(call: &KernelCall<'_>) -> Result {
    let parts = whole_parts(call, 3)?;
    let seconds = seconds_or_zero(call, 3)?;
    map_rows(call.length(), |row| {
        let (Some(days), Some(hours), Some(minutes)) = (part(&parts, 0, row), part(&parts, 1, row), part(&parts, 2, row)) else {
            return Ok(None);
        };
        let Some(micros) = seconds[if seconds.len() == 1 { 0 } else { row }] else { return Ok(None) };
        let whole = i128::from((days * 24 + hours) * 60 + minutes) * 60 * i128::from(SECOND) + i128::from(micros);
        i64::try_from(whole).map(Some).map_err(|_| interval_overflow())
    })
}

fn make_ym_interval(call: &KernelCall<'_>) -> Result {
    let parts = whole_parts(call, 2)?;
    map_rows(call.length(), |row| {
        let (Some(years), Some(months)) = (part(&parts, 0, row), part(&parts, 1, row)) else { return Ok(None) };
        i32::try_from(years * 12 + months).map(Some).map_err(|_| interval_overflow())
    })
}
