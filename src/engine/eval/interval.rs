//! Arithmetic of dates, timestamps and intervals.
//!
//! Months move a date to the same day of another month, or to that month's last day; days and months move a
//! TIMESTAMP on the calendar of the session's zone, smaller units on the time line.

use super::access::{self, Cells, map_rows, map2, numbers};
use super::{EvalContext, KernelCall, zone};
use crate::engine::EngineError;
use crate::engine::columns::struct_series;
use crate::types::DataType;
use polars::prelude::Series;

/// Microseconds of a day.
pub const DAY: i64 = 86_400_000_000;

/// `a op b` where one operand at least is no number.
pub(super) fn operate(call: &KernelCall<'_>, op: char, attempt: bool) -> Result<Series, EngineError> {
    use DataType::*;
    let sign = if op == '-' { -1 } else { 1 };
    match (call.data_type(0), op, call.data_type(1)) {
        (Date, '+' | '-', t) if t.is_integral() => days_added(call, 0, 1, sign, attempt),
        (t, '+', Date) if t.is_integral() => days_added(call, 1, 0, sign, attempt),
        (Date, '-', Date) => both::<i32, i32, i64>(call, attempt, |a, b| Ok((i64::from(a) - i64::from(b)) * DAY)),
        (Date, '+' | '-', YearMonthInterval(..)) => {
            both::<i32, i32, i32>(call, attempt, |d, m| date_plus_months(d, i64::from(sign) * i64::from(m)))
        }
        (YearMonthInterval(..), '+', Date) => both::<i32, i32, i32>(call, attempt, |m, d| date_plus_months(d, i64::from(m))),
        (Date, '+' | '-', DayTimeInterval(..)) => both::<i32, i64, i32>(call, attempt, |d, us| date_plus(d, i64::from(sign) * (us / DAY))),
        (DayTimeInterval(..), '+', Date) => both::<i64, i32, i32>(call, attempt, |us, d| date_plus(d, us / DAY)),
        (Date | Timestamp | TimestampNtz, '+' | '-', CalendarInterval) => plus_calendar(call, 0, 1, sign, attempt),
        (CalendarInterval, '+', Date | Timestamp | TimestampNtz) => plus_calendar(call, 1, 0, sign, attempt),
        (Timestamp | TimestampNtz, '-', Timestamp | TimestampNtz) => difference(call, attempt),
        (Timestamp | TimestampNtz, '+' | '-', DayTimeInterval(..) | YearMonthInterval(..)) => moved(call, 0, 1, sign, attempt),
        (DayTimeInterval(..) | YearMonthInterval(..), '+', Timestamp | TimestampNtz) => moved(call, 1, 0, sign, attempt),
        (YearMonthInterval(..), '+', YearMonthInterval(..)) => {
            both::<i32, i32, i32>(call, attempt, |a, b| a.checked_add(b).ok_or_else(|| too_long(op)))
        }
        (YearMonthInterval(..), '-', YearMonthInterval(..)) => {
            both::<i32, i32, i32>(call, attempt, |a, b| a.checked_sub(b).ok_or_else(|| too_long(op)))
        }
        (DayTimeInterval(..), '+', DayTimeInterval(..)) => {
            both::<i64, i64, i64>(call, attempt, |a, b| a.checked_add(b).ok_or_else(|| too_long(op)))
        }
        (DayTimeInterval(..), '-', DayTimeInterval(..)) => {
            both::<i64, i64, i64>(call, attempt, |a, b| a.checked_sub(b).ok_or_else(|| too_long(op)))
        }
        (CalendarInterval, '+' | '-', CalendarInterval) => calendars(call, sign, attempt),
        (YearMonthInterval(..) | DayTimeInterval(..), '*' | '/', number) if number.is_numeric() => scaled(call, 0, 1, op, attempt),
        (number, '*', YearMonthInterval(..) | DayTimeInterval(..)) if number.is_numeric() => scaled(call, 1, 0, op, attempt),
        (CalendarInterval, '*' | '/', number) if number.is_numeric() => scaled_calendar(call, op, attempt),
        (a, op, b) => Err(EngineError::internal(format!("no kernel for {} {op} {}", a.sql(), b.sql()))),
    }
}

/// Computes a pair; with `attempt` a failure is NULL.
fn both<A, B, R>(call: &KernelCall<'_>, attempt: bool, f: impl Fn(A, B) -> Result<R, EngineError>) -> Result<Series, EngineError>
where
    A: polars_arrow::types::NativeType,
    B: polars_arrow::types::NativeType,
    R: access::Output,
{
    map2(&call.numbers::<A>(0)?, &call.numbers::<B>(1)?, |a, b| settle(f(a, b), attempt))
}

fn settle<R>(result: Result<R, EngineError>, attempt: bool) -> Result<Option<R>, EngineError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(_) if attempt => Ok(None),
        Err(error) => Err(error),
    }
}

fn too_long(op: char) -> EngineError {
    let help = if op == '+' { "use `try_add` to get NULL instead" } else { "use `try_subtract` to get NULL instead" };
    EngineError::data("INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION", "the interval is longer than its type can hold").help(help)
}

fn lonely_too_long() -> EngineError {
    EngineError::data("INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION", "the interval is longer than its type can hold")
}

fn out_of_calendar() -> EngineError {
    EngineError::data("DATETIME_OVERFLOW", "the date or time is outside the range of its type")
}

/// A count of days as a column of whole numbers of any width.
fn whole(column: &Series, data_type: &DataType, row: usize) -> Result<Option<i64>, EngineError> {
    Ok(match data_type {
        DataType::TinyInt => numbers::<i8>(column)?.at(row).map(i64::from),
        DataType::SmallInt => numbers::<i16>(column)?.at(row).map(i64::from),
        DataType::Int => numbers::<i32>(column)?.at(row).map(i64::from),
        _ => numbers::<i64>(column)?.at(row),
    })
}

/// Days wrap around at the ends of the calendar, as Spark's do.
fn days_added(call: &KernelCall<'_>, date: usize, days: usize, sign: i32, attempt: bool) -> Result<Series, EngineError> {
    let dates = call.numbers::<i32>(date)?;
    if let (DataType::Int, false) = (call.data_type(days), attempt) {
        return access::binary(call.column(date), call.column(days), |d: i32, n: i32| d.wrapping_add(n.wrapping_mul(sign)));
    }
    map_rows::<i32>(call.length(), |row| {
        let (Some(d), Some(n)) = (dates.at(row), whole(call.column(days), call.data_type(days), row)?) else { return Ok(None) };
        Ok(Some(d.wrapping_add((n as i32).wrapping_mul(sign))))
    })
}

fn date_plus(days: i32, more: i64) -> Result<i32, EngineError> {
    i64::from(days).checked_add(more).and_then(|d| i32::try_from(d).ok()).ok_or_else(out_of_calendar)
}

/// The date `months` later: the same day of the month, or the month's last.
pub fn date_plus_months(days: i32, months: i64) -> Result<i32, EngineError> {
    let (year, month, day) = zone::civil_from_days(days.into());
    let index = year * 12 + i64::from(month) - 1 + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) as u32 + 1);
    let day = day.min(zone::days_in_month(year, month));
    i32::try_from(zone::days_from_civil(year, month, day)).map_err(|_| out_of_calendar())
}

/// The instant or wall-clock time after moving by months, then days, then microseconds; `zone` is that of a TIMESTAMP.
pub fn timestamp_plus(micros: i64, months: i32, days: i64, rest: i64, zone: Option<&zone::Zone>) -> Result<i64, EngineError> {
    if months == 0 && (days == 0 || zone.is_none_or(|z| z.is_fixed())) {
        let moved = days.checked_mul(DAY).and_then(|d| micros.checked_add(d)).and_then(|t| t.checked_add(rest));
        return moved.ok_or_else(out_of_calendar);
    }
    let local = zone.map_or(micros, |z| z.to_local(micros));
    let (day, time) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let day = i32::try_from(day).map_err(|_| out_of_calendar())?;
    let day = i64::from(date_plus_months(day, months.into())?) + days;
    let local = day.checked_mul(DAY).and_then(|d| d.checked_add(time)).ok_or_else(out_of_calendar)?;
    let instant = zone.map_or(local, |z| z.to_instant(local));
    instant.checked_add(rest).ok_or_else(out_of_calendar)
}

/// The zone that an argument's type moves in: none for TIMESTAMP_NTZ.
fn zone_of(data_type: &DataType, ctx: &EvalContext) -> Option<zone::Zone> {
    (*data_type == DataType::Timestamp).then(|| zone::Zone::new(ctx.zone))
}

/// TIMESTAMP ± year-month or day-time interval.
fn moved(call: &KernelCall<'_>, time: usize, by: usize, sign: i32, attempt: bool) -> Result<Series, EngineError> {
    let zone = zone_of(call.data_type(time), call.context);
    let times = call.numbers::<i64>(time)?;
    if let DataType::YearMonthInterval(..) = call.data_type(by) {
        let months = call.numbers::<i32>(by)?;
        return map2(&times, &months, |t, m| {
            let m = m.checked_mul(sign).ok_or_else(out_of_calendar);
            settle(m.and_then(|m| timestamp_plus(t, m, 0, 0, zone.as_ref())), attempt)
        });
    }
    if !attempt && zone.as_ref().is_none_or(|z| z.is_fixed()) {
        let add = |t: i64, us: i64| t.overflowing_add(us);
        let subtract = |t: i64, us: i64| t.overflowing_sub(us);
        let (a, b) = (call.column(time), call.column(by));
        return if sign > 0 {
            access::checked_binary(a, b, add, |wrong| wrong, |_, _| out_of_calendar())
        } else {
            access::checked_binary(a, b, subtract, |wrong| wrong, |_, _| out_of_calendar())
        };
    }
    map2(&times, &call.numbers::<i64>(by)?, |t, us| {
        let us = us.checked_mul(sign.into()).ok_or_else(out_of_calendar);
        settle(us.and_then(|us| timestamp_plus(t, 0, us / DAY, us % DAY, zone.as_ref())), attempt)
    })
}

/// Time between two timestamps as clocks on the wall show it.
fn difference(call: &KernelCall<'_>, attempt: bool) -> Result<Series, EngineError> {
    let (za, zb) = (zone_of(call.data_type(0), call.context), zone_of(call.data_type(1), call.context));
    let local = |zone: &Option<zone::Zone>, t: i64| zone.as_ref().map_or(t, |z| z.to_local(t));
    both::<i64, i64, i64>(call, attempt, |a, b| local(&za, a).checked_sub(local(&zb, b)).ok_or_else(lonely_too_long))
}

struct Calendars<'a> {
    column: &'a Series,
    parts: Vec<Series>,
}

impl Calendars<'_> {
    fn of(column: &Series) -> Result<Calendars<'_>, EngineError> {
        Ok(Calendars { column, parts: access::members(column)? })
    }

    fn at(&self, row: usize) -> Result<Option<(i32, i32, i64)>, EngineError> {
        if access::is_null(self.column, row) {
            return Ok(None);
        }
        let int = |i: usize| numbers::<i32>(&self.parts[i]).map(|n| n.at(row).unwrap_or(0));
        Ok(Some((int(0)?, int(1)?, numbers::<i64>(&self.parts[2])?.at(row).unwrap_or(0))))
    }
}

fn plus_calendar(call: &KernelCall<'_>, time: usize, by: usize, sign: i32, attempt: bool) -> Result<Series, EngineError> {
    let intervals = Calendars::of(call.column(by))?;
    let zone = zone_of(call.data_type(time), call.context);
    let n = call.length();
    if *call.data_type(time) == DataType::Date {
        let dates = call.numbers::<i32>(time)?;
        return map_rows::<i32>(n, |row| {
            let (Some(d), Some((m, days, us))) = (dates.at(row), intervals.at(row)?) else { return Ok(None) };
            if us != 0 {
                let error = EngineError::data(
                    "INVALID_INTERVAL_WITH_MICROSECONDS_ADDITION",
                    "an interval with hours, minutes or seconds cannot be added to a date",
                );
                return settle(Err(error.help("cast the date to TIMESTAMP first")), attempt);
            }
            let moved = date_plus_months(d, i64::from(m) * i64::from(sign));
            settle(moved.and_then(|d| date_plus(d, i64::from(days) * i64::from(sign))), attempt)
        });
    }
    let times = call.numbers::<i64>(time)?;
    map_rows::<i64>(n, |row| {
        let (Some(t), Some((m, days, us))) = (times.at(row), intervals.at(row)?) else { return Ok(None) };
        let (m, us) = match (m.checked_mul(sign), us.checked_mul(sign.into())) {
            (Some(m), Some(us)) => (m, us),
            _ => return settle(Err(out_of_calendar()), attempt),
        };
        settle(timestamp_plus(t, m, i64::from(days) * i64::from(sign), us, zone.as_ref()), attempt)
    })
}

fn calendars(call: &KernelCall<'_>, sign: i32, attempt: bool) -> Result<Series, EngineError> {
    let (a, b) = (Calendars::of(call.column(0))?, Calendars::of(call.column(1))?);
    calendar_rows(call.length(), |row| {
        let (Some(x), Some(y)) = (a.at(row)?, b.at(row)?) else { return Ok(None) };
        let sum = (|| {
            let months = x.0.checked_add(y.0.checked_mul(sign)?)?;
            let days = x.1.checked_add(y.1.checked_mul(sign)?)?;
            Some((months, days, x.2.checked_add(y.2.checked_mul(sign.into())?)?))
        })();
        settle(sum.ok_or_else(|| too_long(if sign > 0 { '+' } else { '-' })), attempt)
    })
}

/// A column of calendar intervals.
fn calendar_rows(n: usize, mut f: impl FnMut(usize) -> Result<Option<(i32, i32, i64)>, EngineError>) -> Result<Series, EngineError> {
    let cells = (0..n).map(|row| f(row).map_err(|e| e.at_row(row))).collect::<Result<Vec<_>, _>>()?;
    let part = |get: fn(&(i32, i32, i64)) -> i64| cells.iter().map(move |c| c.as_ref().map(get));
    let months = map_rows::<i32>(n, |row| Ok(cells[row].map(|c| c.0)))?;
    let days = map_rows::<i32>(n, |row| Ok(cells[row].map(|c| c.1)))?;
    let micros: Vec<Option<i64>> = part(|c| c.2).collect();
    let micros = map_rows::<i64>(n, |row| Ok(micros[row]))?;
    let valid = access::validity(&months).cloned();
    struct_series(vec![months, days, micros], Some(n), valid)
}

/// A factor or divisor of any numeric type.
fn factor(column: &Series, data_type: &DataType, row: usize) -> Result<Option<Factor>, EngineError> {
    Ok(match data_type {
        DataType::Float => numbers::<f32>(column)?.at(row).map(|f| Factor::Real(f.into())),
        DataType::Double => numbers::<f64>(column)?.at(row).map(Factor::Real),
        DataType::Decimal(_, scale) => numbers::<i128>(column)?.at(row).map(|d| Factor::Decimal(d, *scale)),
        other => whole(column, other, row)?.map(|n| Factor::Decimal(n.into(), 0)),
    })
}

enum Factor {
    Real(f64),
    Decimal(i128, u8),
}

impl Factor {
    fn apply(&self, units: i64, op: char) -> Result<Option<i64>, EngineError> {
        let ten = |scale: u8| 10i128.pow(scale.min(38).into());
        Ok(match (self, op) {
            (Factor::Real(0.0), '/') | (Factor::Decimal(0, _), '/') => return Err(interval_divided_by_zero()),
            (Factor::Real(f), _) => {
                let exact = if op == '*' { units as f64 * f } else { units as f64 / f };
                let rounded = (exact.abs() + 0.5).floor().copysign(exact);
                (rounded.is_finite() && rounded.abs() < 9.3e18).then_some(rounded as i64)
            }
            (Factor::Decimal(d, scale), '*') => {
                i128::from(units).checked_mul(*d).map(|p| super::wide::divide_half_up(p, ten(*scale))).and_then(|v| i64::try_from(v).ok())
            }
            (Factor::Decimal(d, scale), _) => i128::from(units).checked_mul(ten(*scale)).and_then(|p| {
                let half = super::wide::divide_half_up(p, d.abs()) * d.signum();
                i64::try_from(half).ok()
            }),
        })
    }
}

fn interval_divided_by_zero() -> EngineError {
    EngineError::data("INTERVAL_DIVIDED_BY_ZERO", "an interval divided by zero").help("use `try_divide` to get NULL for a divisor of 0")
}

fn scaled(call: &KernelCall<'_>, interval: usize, number: usize, op: char, attempt: bool) -> Result<Series, EngineError> {
    let n = call.length();
    let too_big = || super::arithmetic::overflow("the interval").help(if op == '*' { "use `try_multiply`" } else { "use `try_divide`" });
    let step = |units: i64, row: usize| -> Result<Option<Result<i64, EngineError>>, EngineError> {
        let Some(factor) = factor(call.column(number), call.data_type(number), row)? else { return Ok(None) };
        Ok(Some(factor.apply(units, op).and_then(|v| v.ok_or_else(too_big))))
    };
    if let DataType::YearMonthInterval(..) = call.data_type(interval) {
        let months = call.numbers::<i32>(interval)?;
        return map_rows::<i32>(n, |row| {
            let Some(m) = months.at(row) else { return Ok(None) };
            match step(m.into(), row)? {
                Some(value) => settle(value.and_then(|v| i32::try_from(v).map_err(|_| too_big())), attempt),
                None => Ok(None),
            }
        });
    }
    let micros = call.numbers::<i64>(interval)?;
    map_rows::<i64>(n, |row| {
        let Some(us) = micros.at(row) else { return Ok(None) };
        match step(us, row)? {
            Some(value) => settle(value, attempt),
            None => Ok(None),
        }
    })
}

/// A calendar interval times or over a number: what a part leaves over goes down to the next.
fn scaled_calendar(call: &KernelCall<'_>, op: char, attempt: bool) -> Result<Series, EngineError> {
    let intervals = Calendars::of(call.column(0))?;
    calendar_rows(call.length(), |row| {
        let Some((months, days, micros)) = intervals.at(row)? else { return Ok(None) };
        let number = match factor(call.column(1), call.data_type(1), row)? {
            None => return Ok(None),
            Some(Factor::Real(f)) => f,
            Some(Factor::Decimal(d, scale)) => super::cast::decimal_to_double(d, scale),
        };
        if op == '/' && number == 0.0 {
            return settle(Err(interval_divided_by_zero()), attempt);
        }
        let scale = |part: f64| if op == '*' { part * number } else { part / number };
        let whole_months = scale(months.into()).trunc();
        let exact_days = scale(days.into());
        let time = (exact_days - exact_days.trunc()) * DAY as f64 + scale(micros as f64);
        let fits = whole_months.abs() <= i32::MAX.into() && exact_days.abs() <= i32::MAX.into() && time.abs() < 9.2e18;
        let parts = fits.then(|| (whole_months as i32, exact_days.trunc() as i32, time.round() as i64));
        settle(parts.ok_or_else(lonely_too_long), attempt)
    })
}

/// `-interval`.
pub(super) fn negative(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    match call.data_type(0) {
        DataType::YearMonthInterval(..) => access::try_unary(call.column(0), |m: i32| m.checked_neg().ok_or_else(lonely_too_long)),
        DataType::DayTimeInterval(..) => access::try_unary(call.column(0), |us: i64| us.checked_neg().ok_or_else(lonely_too_long)),
        DataType::CalendarInterval => {
            let intervals = Calendars::of(call.column(0))?;
            calendar_rows(call.length(), |row| match intervals.at(row)? {
                Some((m, d, us)) => match (m.checked_neg(), d.checked_neg(), us.checked_neg()) {
                    (Some(m), Some(d), Some(us)) => Ok(Some((m, d, us))),
                    _ => Err(lonely_too_long()),
                },
                None => Ok(None),
            })
        }
        _ => Ok(call.null()),
    }
}

/// `abs(interval)`.
pub(super) fn absolute(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    match call.data_type(0) {
        DataType::YearMonthInterval(..) => {
            access::try_unary(call.column(0), |m: i32| m.checked_abs().ok_or_else(|| super::arithmetic::overflow("abs of the interval")))
        }
        DataType::DayTimeInterval(..) => {
            access::try_unary(call.column(0), |us: i64| us.checked_abs().ok_or_else(|| super::arithmetic::overflow("abs of the interval")))
        }
        _ => Ok(call.null()),
    }
}
