//! Kernels over dates and times: fields, truncation, moving, differences.
//!
//! A DATE is a number of days, a TIMESTAMP microseconds of an instant, which the session's zone turns into
//! what a clock shows; a TIMESTAMP_NTZ is that already.

use super::access::{Cells, Texts, broadcast, map_rows, map1, map2, number_series, numbers, try_unary, unary};
use super::datetime_pattern::{day_name, month_name};
use super::interval::{date_plus_months, timestamp_plus};
use super::zone::{Zone, civil_from_days, days_from_civil, days_in_month};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "year", fallible: false, kernel: |c| of_date(c, year) },
    KernelEntry { name: "quarter", fallible: false, kernel: |c| of_date(c, quarter) },
    KernelEntry { name: "month", fallible: false, kernel: |c| of_date(c, month) },
    KernelEntry { name: "day", fallible: false, kernel: |c| of_date(c, day) },
    KernelEntry { name: "dayofweek", fallible: false, kernel: |c| of_date(c, day_of_week) },
    KernelEntry { name: "weekday", fallible: false, kernel: |c| of_date(c, weekday) },
    KernelEntry { name: "dayofyear", fallible: false, kernel: |c| of_date(c, day_of_year) },
    KernelEntry { name: "weekofyear", fallible: false, kernel: |c| of_date(c, week_of_year) },
    KernelEntry { name: "hour", fallible: false, kernel: |c| of_time(c, |t| (t / HOUR) as i32) },
    KernelEntry { name: "minute", fallible: false, kernel: |c| of_time(c, |t| (t / MINUTE % 60) as i32) },
    KernelEntry { name: "second", fallible: false, kernel: |c| of_time(c, |t| (t / SECOND % 60) as i32) },
    KernelEntry { name: "dayname", fallible: false, kernel: dayname },
    KernelEntry { name: "monthname", fallible: false, kernel: monthname },
    KernelEntry { name: "extract", fallible: true, kernel: extract },
    KernelEntry { name: "trunc", fallible: false, kernel: trunc },
    KernelEntry { name: "date_trunc", fallible: false, kernel: date_trunc },
    KernelEntry { name: "date_add", fallible: false, kernel: |c| super::access::binary(c.column(0), c.column(1), i32::wrapping_add) },
    KernelEntry { name: "date_sub", fallible: false, kernel: |c| super::access::binary(c.column(0), c.column(1), i32::wrapping_sub) },
    KernelEntry { name: "datediff", fallible: false, kernel: |c| super::access::binary(c.column(0), c.column(1), i32::wrapping_sub) },
    KernelEntry { name: "add_months", fallible: true, kernel: add_months },
    KernelEntry { name: "months_between", fallible: false, kernel: months_between },
    KernelEntry { name: "last_day", fallible: false, kernel: last_day },
    KernelEntry { name: "next_day", fallible: true, kernel: next_day },
    KernelEntry { name: "timestampadd", fallible: true, kernel: timestamp_add },
    KernelEntry { name: "timestampdiff", fallible: true, kernel: timestamp_diff },
    KernelEntry { name: "from_utc_timestamp", fallible: true, kernel: |c| shift_zone(c, true) },
    KernelEntry { name: "to_utc_timestamp", fallible: true, kernel: |c| shift_zone(c, false) },
    KernelEntry { name: "convert_timezone", fallible: true, kernel: convert_timezone },
    KernelEntry { name: "current_date", fallible: false, kernel: current_date },
    KernelEntry { name: "current_timestamp", fallible: false, kernel: |c| Ok(number_series(vec![c.context.now], None)) },
    KernelEntry { name: "localtimestamp", fallible: false, kernel: |c| Ok(number_series(vec![session(c).to_local(c.context.now)], None)) },
    KernelEntry { name: "time_bucket", fallible: true, kernel: time_bucket },
];

/// The session's zone.
pub(super) fn session(call: &KernelCall<'_>) -> Zone {
    Zone::new(call.context.zone)
}

fn year(days: i32) -> i32 {
    civil_from_days(days.into()).0 as i32
}

fn month(days: i32) -> i32 {
    civil_from_days(days.into()).1 as i32
}

fn quarter(days: i32) -> i32 {
    (month(days) - 1) / 3 + 1
}

fn day(days: i32) -> i32 {
    civil_from_days(days.into()).2 as i32
}

/// Monday 0 to Sunday 6.
fn weekday(days: i32) -> i32 {
    (days + 3).rem_euclid(7)
}

/// Sunday 1 to Saturday 7.
fn day_of_week(days: i32) -> i32 {
    (days + 4).rem_euclid(7) + 1
}

fn day_of_year(days: i32) -> i32 {
    (i64::from(days) - days_from_civil(year(days).into(), 1, 1)) as i32 + 1
}

/// The Thursday of the date's ISO week: its year is the week's.
fn thursday(days: i32) -> i32 {
    days - weekday(days) + 3
}

fn week_of_year(days: i32) -> i32 {
    (day_of_year(thursday(days)) - 1) / 7 + 1
}

fn of_date(call: &KernelCall<'_>, field: impl Fn(i32) -> i32) -> Result {
    unary(call.column(0), field)
}

/// What a clock shows at the times of an argument, in microseconds.
fn local_times(call: &KernelCall<'_>, index: usize) -> Result {
    local(call, call.column(index), call.data_type(index))
}

fn local(call: &KernelCall<'_>, column: &Series, data_type: &DataType) -> Result {
    match data_type {
        DataType::Date => unary(column, |days: i32| i64::from(days) * DAY),
        DataType::Timestamp if session(call) != Zone::UTC => {
            let zone = session(call);
            unary(column, |instant: i64| zone.to_local(instant))
        }
        _ => Ok(column.clone()),
    }
}

fn of_time(call: &KernelCall<'_>, field: impl Fn(i64) -> i32) -> Result {
    unary(&local_times(call, 0)?, |local: i64| field(local.rem_euclid(DAY)))
}

fn dayname(call: &KernelCall<'_>) -> Result {
    map1(&call.numbers::<i32>(0)?, |days| Ok(Some(&day_name(weekday(days) as u32 + 1)[..3])))
}

fn monthname(call: &KernelCall<'_>) -> Result {
    map1(&call.numbers::<i32>(0)?, |days| Ok(Some(&month_name(month(days) as u32)[..3])))
}

/// `extract(field FROM source)`; the field is constant.
fn extract(call: &KernelCall<'_>) -> Result {
    let Some(field) = call.texts(0)?.at(0) else { return Ok(call.null()) };
    let field = crate::plan::functions::extract_field(field);
    match call.data_type(1) {
        DataType::YearMonthInterval(..) => match field {
            Some("year") => return unary(call.column(1), |months: i32| months / 12),
            Some("month") => return unary(call.column(1), |months: i32| (months % 12) as i8),
            _ => {}
        },
        DataType::DayTimeInterval(..) => match field {
            Some("day") => return unary(call.column(1), |micros: i64| (micros / DAY) as i32),
            Some("hour") => return unary(call.column(1), |micros: i64| (micros % DAY / HOUR) as i8),
            Some("minute") => return unary(call.column(1), |micros: i64| (micros % HOUR / MINUTE) as i8),
            Some("second") => return unary(call.column(1), |micros: i64| i128::from(micros % MINUTE)),
            _ => {}
        },
        DataType::CalendarInterval => {}
        _ => {
            if let Some(found) = extract_from_time(call, field)? {
                return Ok(found);
            }
        }
    }
    let message = format!("cannot extract `{}` from {}", call.texts(0)?.at(0).unwrap_or("NULL"), call.data_type(1).sql());
    Err(EngineError::data("INVALID_EXTRACT_FIELD", message))
}

fn extract_from_time(call: &KernelCall<'_>, field: Option<&str>) -> Result<Option<Series>> {
    let times = local_times(call, 1)?;
    let date = |f: fn(i32) -> i32| unary(&times, move |local: i64| f(local.div_euclid(DAY) as i32));
    let time = |unit: i64, modulo: i64| unary(&times, move |local: i64| (local.rem_euclid(DAY) / unit % modulo) as i32);
    Ok(Some(match field {
        Some("year") => date(year)?,
        Some("yearofweek") => date(|days| year(thursday(days)))?,
        Some("quarter") => date(quarter)?,
        Some("month") => date(month)?,
        Some("week") => date(week_of_year)?,
        Some("day") => date(day)?,
        Some("dayofweek") => date(day_of_week)?,
        Some("dayofweek_iso") => date(|days| weekday(days) + 1)?,
        Some("doy") => date(day_of_year)?,
        Some("hour") => time(HOUR, 24)?,
        Some("minute") => time(MINUTE, 60)?,
        Some("second") => unary(&times, |local: i64| i128::from(local.rem_euclid(MINUTE)))?,
        _ => return Ok(None),
    }))
}

/// What truncation sets to its least value.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Year,
    Quarter,
    Month,
    Week,
    /// A number of microseconds that divides the day.
    Time(i64),
}

fn level(name: &str) -> Option<Level> {
    Some(match name.to_ascii_uppercase().as_str() {
        "YEAR" | "YYYY" | "YY" => Level::Year,
        "QUARTER" => Level::Quarter,
        "MONTH" | "MON" | "MM" => Level::Month,
        "WEEK" => Level::Week,
        "DAY" | "DD" => Level::Time(DAY),
        "HOUR" => Level::Time(HOUR),
        "MINUTE" => Level::Time(MINUTE),
        "SECOND" => Level::Time(SECOND),
        "MILLISECOND" => Level::Time(1000),
        "MICROSECOND" => Level::Time(1),
        _ => return None,
    })
}

/// The first day of the year, quarter, month or week.
fn first_day(days: i64, level: Level) -> i64 {
    let (year, month, _) = civil_from_days(days);
    match level {
        Level::Year => days_from_civil(year, 1, 1),
        Level::Quarter => days_from_civil(year, (month - 1) / 3 * 3 + 1, 1),
        Level::Month => days_from_civil(year, month, 1),
        Level::Week => days - (days + 3).rem_euclid(7),
        Level::Time(_) => days,
    }
}

fn trunc(call: &KernelCall<'_>) -> Result {
    map2(&call.numbers::<i32>(0)?, &call.texts(1)?, |days, name| {
        // Units below a week make no date.
        let level = level(name).filter(|level| !matches!(level, Level::Time(_)));
        Ok(level.map(|level| first_day(days.into(), level) as i32))
    })
}

fn truncated(instant: i64, level: Level, zone: &Zone) -> i64 {
    // Below a minute the zone plays no part.
    if let Level::Time(unit @ ..=SECOND) = level {
        return instant - instant.rem_euclid(unit);
    }
    let local = zone.to_local(instant);
    let local = match level {
        Level::Time(unit) => local - local.rem_euclid(unit),
        level => first_day(local.div_euclid(DAY), level) * DAY,
    };
    zone.to_instant(local)
}

fn date_trunc(call: &KernelCall<'_>) -> Result {
    let names = call.texts(0)?;
    let zone = session(call);
    if names.is_constant() {
        return match names.at(0).and_then(level) {
            // Within a zone that is ahead by whole units the clock is cut where UTC is; each division by its own constant.
            Some(Level::Time(HOUR)) if zone.is_fixed() && zone.offset_at(0) % HOUR == 0 => {
                unary(call.column(1), |instant: i64| instant - instant.rem_euclid(HOUR))
            }
            Some(Level::Time(DAY)) if zone.is_fixed() && zone.offset_at(0) == 0 => {
                unary(call.column(1), |instant: i64| instant - instant.rem_euclid(DAY))
            }
            Some(Level::Time(MINUTE)) if zone.is_fixed() && zone.offset_at(0) % MINUTE == 0 => {
                unary(call.column(1), |instant: i64| instant - instant.rem_euclid(MINUTE))
            }
            Some(Level::Time(SECOND)) => unary(call.column(1), |instant: i64| instant - instant.rem_euclid(SECOND)),
            Some(level) => unary(call.column(1), |instant: i64| truncated(instant, level, &zone)),
            None => Ok(call.null()),
        };
    }
    map2(&names, &call.numbers::<i64>(1)?, |name, instant| Ok(level(name).map(|level| truncated(instant, level, &zone))))
}

fn add_months(call: &KernelCall<'_>) -> Result {
    map2(&call.numbers::<i32>(0)?, &call.numbers::<i32>(1)?, |days, months| Ok(Some(date_plus_months(days, months.into())?)))
}

fn months_between(call: &KernelCall<'_>) -> Result {
    let (ends, starts) = (local_times(call, 0)?, local_times(call, 1)?);
    let (ends, starts) = (numbers::<i64>(&ends)?, numbers::<i64>(&starts)?);
    let rounding = if call.args.len() > 2 { Some(call.flags(2)?) } else { None };
    map_rows(call.length(), |row| {
        let (Some(end), Some(start)) = (ends.at(row), starts.at(row)) else { return Ok(None) };
        let Some(round) = rounding.as_ref().map_or(Some(true), |r| r.at(row)) else { return Ok(None) };
        let months = months_apart(end, start);
        Ok(Some(if round { (months * 1e8).round() / 1e8 } else { months }))
    })
}

/// Whole where both are the same day of a month or both are a month's last; else days count as a 31st.
fn months_apart(end: i64, start: i64) -> f64 {
    let (y1, m1, d1) = civil_from_days(end.div_euclid(DAY));
    let (y2, m2, d2) = civil_from_days(start.div_euclid(DAY));
    let months = ((y1 * 12 + i64::from(m1)) - (y2 * 12 + i64::from(m2))) as f64;
    if d1 == d2 || d1 == days_in_month(y1, m1) && d2 == days_in_month(y2, m2) {
        return months;
    }
    let seconds = |local: i64| local.rem_euclid(DAY) / SECOND;
    let rest = (i64::from(d1) - i64::from(d2)) * 86_400 + seconds(end) - seconds(start);
    months + rest as f64 / (31.0 * 86_400.0)
}

fn last_day(call: &KernelCall<'_>) -> Result {
    unary(call.column(0), |days: i32| {
        let (year, month, day) = civil_from_days(days.into());
        days + (days_in_month(year, month) - day) as i32
    })
}

fn next_day(call: &KernelCall<'_>) -> Result {
    map2(&call.numbers::<i32>(0)?, &call.texts(1)?, |days, name| {
        let wanted = match name.trim().to_ascii_uppercase().as_str() {
            "MO" | "MON" | "MONDAY" => 0,
            "TU" | "TUE" | "TUESDAY" => 1,
            "WE" | "WED" | "WEDNESDAY" => 2,
            "TH" | "THU" | "THURSDAY" => 3,
            "FR" | "FRI" | "FRIDAY" => 4,
            "SA" | "SAT" | "SATURDAY" => 5,
            "SU" | "SUN" | "SUNDAY" => 6,
            _ => return Err(EngineError::data("ILLEGAL_DAY_OF_WEEK", format!("illegal input for day of week: {name}"))),
        };
        let ahead = (wanted - weekday(days)).rem_euclid(7);
        Ok(Some(days + if ahead == 0 { 7 } else { ahead }))
    })
}

/// A unit of `timestampadd` and `timestampdiff`.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Days(i64),
    Micros(i64),
}

fn unit(name: &str, function: &str) -> Result<Unit> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "YEAR" => Unit::Months(12),
        "QUARTER" => Unit::Months(3),
        "MONTH" => Unit::Months(1),
        "WEEK" => Unit::Days(7),
        "DAY" | "DAYOFYEAR" => Unit::Days(1),
        "HOUR" => Unit::Micros(HOUR),
        "MINUTE" => Unit::Micros(MINUTE),
        "SECOND" => Unit::Micros(SECOND),
        "MILLISECOND" => Unit::Micros(1000),
        "MICROSECOND" => Unit::Micros(1),
        _ => {
            let message = format!("`{function}` expects one of YEAR, QUARTER, MONTH, WEEK, DAY … MICROSECOND as its unit, not {name}");
            return Err(EngineError::data("INVALID_PARAMETER_VALUE.DATETIME_UNIT", message));
        }
    })
}

fn overflow(what: String) -> EngineError {
    EngineError::data("DATETIME_OVERFLOW", format!("{what} is outside the range of its type"))
}

fn timestamp_add(call: &KernelCall<'_>) -> Result {
    let units = call.texts(0)?;
    let (amounts, times) = (call.numbers::<i64>(1)?, call.numbers::<i64>(2)?);
    let zone = (*call.data_type(2) == DataType::Timestamp).then(|| session(call));
    map_rows(call.length(), |row| {
        let (Some(name), Some(amount), Some(time)) = (units.at(row), amounts.at(row), times.at(row)) else { return Ok(None) };
        let too_far = || overflow(format!("a timestamp moved by {amount} {name}"));
        let (months, days, micros) = match unit(name, "timestampadd")? {
            Unit::Months(n) => (amount.checked_mul(n).and_then(|m| i32::try_from(m).ok()).ok_or_else(too_far)?, 0, 0),
            Unit::Days(n) => (0, amount.checked_mul(n).ok_or_else(too_far)?, 0),
            Unit::Micros(n) => (0, 0, amount.checked_mul(n).ok_or_else(too_far)?),
        };
        timestamp_plus(time, months, days, micros, zone.as_ref()).map(Some)
    })
}

fn timestamp_diff(call: &KernelCall<'_>) -> Result {
    let units = call.texts(0)?;
    let (starts, ends) = (local_times(call, 1)?, local_times(call, 2)?);
    let (starts, ends) = (numbers::<i64>(&starts)?, numbers::<i64>(&ends)?);
    map_rows(call.length(), |row| {
        let (Some(name), Some(start), Some(end)) = (units.at(row), starts.at(row), ends.at(row)) else { return Ok(None) };
        Ok(Some(match unit(name, "timestampdiff")? {
            Unit::Months(n) => whole_months(start, end) / n,
            Unit::Days(n) => (end - start) / (n * DAY),
            Unit::Micros(n) => (end - start) / n,
        }))
    })
}

/// Complete months from one local time to another.
fn whole_months(start: i64, end: i64) -> i64 {
    let parts = |local: i64| {
        let (year, month, day) = civil_from_days(local.div_euclid(DAY));
        (year * 12 + i64::from(month), (i64::from(day), local.rem_euclid(DAY)))
    };
    let ((from, rest), (to, end_rest)) = (parts(start), parts(end));
    match to - from {
        n if n > 0 && end_rest < rest => n - 1,
        n if n < 0 && end_rest > rest => n + 1,
        n => n,
    }
}

/// The zone of that name.
pub(super) fn zone_named(name: &str) -> Result<Zone> {
    Zone::named(name).ok_or_else(|| {
        EngineError::data("INVALID_TIMEZONE", format!("the time zone {name} is invalid"))
            .help("a zone is a region such as 'America/Los_Angeles' or an offset such as '+02:00'")
    })
}

/// Zones by name, looked up once while the name stays the same.
pub(super) struct Zones<'a> {
    names: Texts<'a>,
    last: Option<(&'a str, Zone)>,
}

impl<'a> Zones<'a> {
    pub(super) fn new(names: Texts<'a>) -> Zones<'a> {
        Zones { names, last: None }
    }

    pub(super) fn at(&mut self, row: usize) -> Result<Option<Zone>> {
        let Some(name) = self.names.at(row) else { return Ok(None) };
        if let Some((known, zone)) = self.last
            && known == name
        {
            return Ok(Some(zone));
        }
        let zone = zone_named(name)?;
        self.last = Some((name, zone));
        Ok(Some(zone))
    }
}

/// Shows an instant's UTC clock as if it were the zone's, or the other way round.
fn shift_zone(call: &KernelCall<'_>, from_utc: bool) -> Result {
    let times = call.numbers::<i64>(0)?;
    let mut zones = Zones::new(call.texts(1)?);
    map_rows(call.length(), |row| {
        let (Some(time), Some(zone)) = (times.at(row), zones.at(row)?) else { return Ok(None) };
        Ok(Some(if from_utc { zone.to_local(time) } else { zone.to_instant(time) }))
    })
}

/// `convert_timezone([from, ]to, timestamp_ntz)`.
fn convert_timezone(call: &KernelCall<'_>) -> Result {
    let last = call.args.len() - 1;
    let times = call.numbers::<i64>(last)?;
    let mut targets = Zones::new(call.texts(last - 1)?);
    let mut sources = if last == 2 { Some(Zones::new(call.texts(0)?)) } else { None };
    map_rows(call.length(), |row| {
        let source = match &mut sources {
            Some(sources) => sources.at(row)?,
            None => Some(session(call)),
        };
        let (Some(time), Some(source), Some(target)) = (times.at(row), source, targets.at(row)?) else { return Ok(None) };
        Ok(Some(target.to_local(source.to_instant(time))))
    })
}

fn current_date(call: &KernelCall<'_>) -> Result {
    Ok(number_series(vec![session(call).to_local(call.context.now).div_euclid(DAY) as i32], None))
}

/// The beginning of the bucket of that width that a time falls into; buckets are counted from an origin.
fn time_bucket(call: &KernelCall<'_>) -> Result {
    let zone = if *call.data_type(1) == DataType::Timestamp { session(call) } else { Zone::UTC };
    let times = local_times(call, 1)?;
    let origins = if call.args.len() > 2 { local_times(call, 2)? } else { number_series(vec![0i64], None) };
    let (times, origins) = (numbers::<i64>(&times)?, numbers::<i64>(&origins)?);
    let invalid = || EngineError::data("INVALID_PARAMETER_VALUE.BUCKET_WIDTH", "the bucket width of `time_bucket` must be above zero");
    let local = if let DataType::YearMonthInterval(..) = call.data_type(0) {
        let widths = call.numbers::<i32>(0)?;
        map_rows(call.length(), |row| {
            let (Some(width), Some(time), Some(origin)) = (widths.at(row), times.at(row), origins.at(row)) else { return Ok(None) };
            if width <= 0 {
                return Err(invalid());
            }
            let mut months = whole_months(origin, time);
            if timestamp_plus(origin, months as i32, 0, 0, None)? > time {
                months -= 1;
            }
            let months = months - months.rem_euclid(width.into());
            timestamp_plus(origin, months as i32, 0, 0, None).map(Some)
        })?
    } else {
        let widths = call.numbers::<i64>(0)?;
        map_rows(call.length(), |row| {
            let (Some(width), Some(time), Some(origin)) = (widths.at(row), times.at(row), origins.at(row)) else { return Ok(None) };
            if width <= 0 {
                return Err(invalid());
            }
            Ok(Some(time - (time - origin).rem_euclid(width)))
        })?
    };
    match call.returns {
        DataType::Date => unary(&local, |local: i64| local.div_euclid(DAY) as i32),
        _ if zone == Zone::UTC => Ok(local),
        _ => try_unary(&broadcast(local, call.length()), |local: i64| Ok(zone.to_instant(local))),
    }
}
