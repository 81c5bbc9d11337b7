//! `CAST` and `TRY_CAST` between all types, with Spark's ANSI rules.
//!
//! A value that the target cannot hold is an error, or NULL with `attempt`. Which pairs of types may be cast at all
//! is the analyzer's business.

use super::access::{self, Cells, Output, flag_series, map_rows, map1, numbers, unary};
use super::compare::with_native;
use super::wide::{divide_half_up, power_of_ten};
use super::zone::Zone;
use super::{EvalContext, decimal, parse, text};
use crate::engine::EngineError;
use crate::engine::columns::{self, list_series, null_series, physical, struct_series};
use crate::types::{DataType, DayTimeField, YearMonthField};
use polars::prelude::{IntoSeries, Series};
use polars_arrow::types::NativeType;

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// The column as `to`; with `attempt` what cannot be is NULL.
///
/// # Errors
/// `CAST_INVALID_INPUT`, `CAST_OVERFLOW` or `NUMERIC_VALUE_OUT_OF_RANGE` with the row, without `attempt`.
pub fn cast(column: &Series, from: &DataType, to: &DataType, attempt: bool, ctx: &EvalContext) -> Result<Series, EngineError> {
    let job = Job { column, from, to, attempt, ctx };
    if from == to {
        return Ok(column.clone());
    }
    match (from, to) {
        (DataType::Void, _) => Ok(null_series(to, column.len())),
        (_, DataType::String) => Ok(text::to_text(column, from, ctx.zone).into_series()),
        (DataType::String, _) => job.text_cells(),
        (DataType::Boolean, _) => job.boolean_cells(),
        (DataType::Timestamp | DataType::TimestampNtz | DataType::Date, _) => job.datetime_cells(),
        (DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..), _) => job.interval_cells(),
        (DataType::Array(a), DataType::Array(b)) => job.elements(a, b),
        (DataType::Map(..), DataType::Map(..)) => job.entries(),
        (DataType::Struct(_), DataType::Struct(_)) => job.members(),
        (_, DataType::Binary) => job.binaries(),
        _ if from.is_numeric() => job.number_cells(),
        _ => Err(job.impossible()),
    }
}

/// Whether some value of `from` has no counterpart in `to`.
pub fn can_fail(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    match (from, to) {
        _ if from == to => false,
        (Void, _) | (_, String | Boolean) if *from != String => false,
        (String, Binary) => false,
        (Boolean, Decimal(p, s)) => p == s,
        (Boolean, _) => false,
        (Array(a), Array(b)) => can_fail(a, b),
        (Map(k, v), Map(l, w)) => can_fail(k, l) || can_fail(v, w),
        (Struct(a), Struct(b)) => a.iter().zip(b).any(|(a, b)| can_fail(&a.data_type, &b.data_type)),
        (_, Float | Double) if from.is_numeric() => false,
        (_, Decimal(p, s)) if from.is_integral() => from.as_decimal().is_none_or(|(digits, _)| digits + s > *p),
        (Decimal(p, s), Decimal(q, t)) => t < s || p - s > q - t,
        (TinyInt, SmallInt | Int | BigInt) | (SmallInt, Int | BigInt) | (Int, BigInt) => false,
        (Date, Timestamp | TimestampNtz) | (Timestamp | TimestampNtz, Date | Timestamp | TimestampNtz) => false,
        (Timestamp, BigInt | Float | Double) | (TinyInt | SmallInt | Int | BigInt, Timestamp) => false,
        (YearMonthInterval(..), YearMonthInterval(..)) | (DayTimeInterval(..), DayTimeInterval(..)) => false,
        _ => true,
    }
}

/// One column on its way to another type.
struct Job<'a> {
    column: &'a Series,
    from: &'a DataType,
    to: &'a DataType,
    attempt: bool,
    ctx: &'a EvalContext,
}

/// `value`, a text, is not of the form that `to` wants.
pub fn invalid_input(value: &str, from: &DataType, to: &DataType) -> EngineError {
    EngineError::data("CAST_INVALID_INPUT", format!("'{value}' of type {} cannot be read as {}", from.sql(), to.sql()))
        .help("correct the value, or use `try_cast` to get NULL for it")
}

/// `value` is outside the range of `to`.
pub fn cast_overflow(value: &str, from: &DataType, to: &DataType) -> EngineError {
    EngineError::data("CAST_OVERFLOW", format!("{value} of type {} is outside the range of {}", from.sql(), to.sql()))
        .help("use `try_cast` to get NULL instead")
}

impl Job<'_> {
    fn impossible(&self) -> EngineError {
        EngineError::internal(format!("no cast from {} to {}", self.from.sql(), self.to.sql()))
    }

    /// The cell of `row` as text, for messages.
    fn cell_text(&self, row: usize) -> String {
        let one = self.column.slice(row as i64, 1);
        text::to_text(&one, self.from, self.ctx.zone).get(0).unwrap_or("NULL").to_string()
    }

    fn zone(&self) -> Zone {
        Zone::new(self.ctx.zone)
    }

    /// Converts every cell; where `f` has no answer the cast fails with `error`, or the cell is NULL.
    fn convert<A: Cells, R: Output>(
        &self,
        cells: &A,
        f: impl Fn(A::Item) -> Option<R>,
        error: impl Fn(A::Item, usize) -> EngineError,
    ) -> Result<Series, EngineError> {
        map_rows(cells.len(), |row| match cells.at(row) {
            None => Ok(None),
            Some(value) => match f(value) {
                Some(result) => Ok(Some(result)),
                None if self.attempt => Ok(None),
                None => Err(error(value, row)),
            },
        })
    }

    /// Converts every cell of numbers; out of range is an overflow.
    fn checked<A: NativeType, R: Output>(&self, f: impl Fn(A) -> Option<R>) -> Result<Series, EngineError> {
        let condition = |_: A, row: usize| cast_overflow(&self.cell_text(row), self.from, self.to);
        self.convert(&numbers::<A>(self.column)?, f, condition)
    }

    /// Converts every cell of numbers to a decimal; out of range is that of the type.
    fn decimals<A: NativeType>(&self, f: impl Fn(A) -> Option<i128>) -> Result<Series, EngineError> {
        self.convert(&numbers::<A>(self.column)?, f, |_, row| self.decimal_range(&self.cell_text(row)))
    }

    fn decimal_range(&self, value: &str) -> EngineError {
        let (p, s) = self.to.as_decimal().unwrap_or((38, 0));
        decimal::range_error(value, p, s)
    }

    fn number_cells(&self) -> Result<Series, EngineError> {
        match self.from {
            DataType::TinyInt => self.whole_cells::<i8>(),
            DataType::SmallInt => self.whole_cells::<i16>(),
            DataType::Int => self.whole_cells::<i32>(),
            DataType::BigInt => self.whole_cells::<i64>(),
            DataType::Float => self.real_cells::<f32>(),
            DataType::Double => self.real_cells::<f64>(),
            DataType::Decimal(_, scale) => self.decimal_cells(*scale),
            _ => Err(self.impossible()),
        }
    }

    fn whole_cells<T: NativeType + Into<i64>>(&self) -> Result<Series, EngineError> {
        let column = self.column;
        let wide = |v: T| -> i64 { v.into() };
        match self.to {
            DataType::Boolean => {
                let n = numbers::<T>(column)?;
                Ok(flag_series(access::bits(n.len(), |i| wide(n.values[i]) != 0), n.validity.cloned()))
            }
            DataType::TinyInt => self.checked(|v: T| i8::try_from(wide(v)).ok()),
            DataType::SmallInt if can_fail(self.from, self.to) => self.checked(|v: T| i16::try_from(wide(v)).ok()),
            DataType::SmallInt => unary(column, |v: T| wide(v) as i16),
            DataType::Int if can_fail(self.from, self.to) => self.checked(|v: T| i32::try_from(wide(v)).ok()),
            DataType::Int => unary(column, |v: T| wide(v) as i32),
            DataType::BigInt => unary(column, wide),
            DataType::Float => unary(column, |v: T| wide(v) as f32),
            DataType::Double => unary(column, |v: T| wide(v) as f64),
            DataType::Decimal(p, s) => {
                let (limit, factor) = (ten(*p), ten(*s));
                if can_fail(self.from, self.to) {
                    self.decimals(|v: T| i128::from(wide(v)).checked_mul(factor).filter(|d| -limit < *d && *d < limit))
                } else {
                    unary(column, |v: T| i128::from(wide(v)) * factor)
                }
            }
            DataType::Timestamp => unary(column, |v: T| wide(v).saturating_mul(SECOND)),
            DataType::YearMonthInterval(_, to) => {
                let unit = if *to == YearMonthField::Year { 12 } else { 1 };
                self.checked(|v: T| wide(v).checked_mul(unit).and_then(|m| i32::try_from(m).ok()))
            }
            DataType::DayTimeInterval(_, to) => {
                let unit = unit_of(*to);
                self.checked(|v: T| wide(v).checked_mul(unit))
            }
            _ => Err(self.impossible()),
        }
    }

    fn real_cells<T: NativeType + Into<f64> + Real>(&self) -> Result<Series, EngineError> {
        let column = self.column;
        let double = |v: T| -> f64 { v.into() };
        /// Truncated, if the whole part fits between two powers of two.
        fn whole(v: f64, low: f64, high: f64) -> Option<i64> {
            (v.floor() <= high && v.ceil() >= low).then_some(v as i64)
        }
        match self.to {
            DataType::Boolean => {
                let n = numbers::<T>(column)?;
                Ok(flag_series(access::bits(n.len(), |i| double(n.values[i]) != 0.0), n.validity.cloned()))
            }
            DataType::TinyInt => self.checked(|v: T| whole(double(v), i8::MIN.into(), i8::MAX.into()).map(|n| n as i8)),
            DataType::SmallInt => self.checked(|v: T| whole(double(v), i16::MIN.into(), i16::MAX.into()).map(|n| n as i16)),
            DataType::Int => self.checked(|v: T| whole(double(v), i32::MIN.into(), i32::MAX.into()).map(|n| n as i32)),
            DataType::BigInt => self.checked(|v: T| whole(double(v), i64::MIN as f64, i64::MAX as f64)),
            DataType::Float => unary(column, |v: T| double(v) as f32),
            DataType::Double => unary(column, double),
            DataType::Decimal(p, s) => self.real_to_decimal::<T>(*p, *s),
            DataType::Timestamp => self.real_to_timestamp::<T>(),
            _ => Err(self.impossible()),
        }
    }

    /// Through the shortest decimal text of the number; NaN and infinity are NULL, as in Spark.
    fn real_to_decimal<T: NativeType + Into<f64> + Real>(&self, p: u8, s: u8) -> Result<Series, EngineError> {
        let column = numbers::<T>(self.column)?;
        map_rows::<i128>(column.len(), |row| {
            let Some(value) = column.at(row).filter(|v| Into::<f64>::into(*v).is_finite()) else { return Ok(None) };
            match parse::decimal(value.shortest(&mut ryu::Buffer::new()), p, s) {
                Ok(value) => Ok(Some(value)),
                Err(_) if self.attempt => Ok(None),
                Err(_) => Err(self.decimal_range(&self.cell_text(row))),
            }
        })
    }

    fn real_to_timestamp<T: NativeType + Into<f64>>(&self) -> Result<Series, EngineError> {
        let cells = numbers::<T>(self.column)?;
        let convert = |v: T| {
            let micros = Into::<f64>::into(v) * SECOND as f64;
            (micros.is_finite() && micros.floor() <= i64::MAX as f64 && micros.ceil() >= i64::MIN as f64).then_some(micros as i64)
        };
        self.convert(&cells, convert, |v, row| {
            let value = self.cell_text(row);
            if Into::<f64>::into(v).is_finite() {
                cast_overflow(&value, self.from, self.to)
            } else {
                invalid_input(&value, self.from, self.to)
            }
        })
    }

    fn decimal_cells(&self, scale: u8) -> Result<Series, EngineError> {
        let divisor = ten(scale);
        let column = self.column;
        match self.to {
            DataType::Boolean => {
                let n = numbers::<i128>(column)?;
                Ok(flag_series(access::bits(n.len(), |i| n.values[i] != 0), n.validity.cloned()))
            }
            DataType::TinyInt => self.checked(|v: i128| i8::try_from(v / divisor).ok()),
            DataType::SmallInt => self.checked(|v: i128| i16::try_from(v / divisor).ok()),
            DataType::Int => self.checked(|v: i128| i32::try_from(v / divisor).ok()),
            DataType::BigInt => self.checked(|v: i128| i64::try_from(v / divisor).ok()),
            DataType::Float => unary(column, |v: i128| parse::float(&text::decimal_text(v, scale)).unwrap_or(f32::NAN)),
            DataType::Double => unary(column, |v: i128| decimal_to_double(v, scale)),
            DataType::Decimal(p, s) if can_fail(self.from, self.to) => {
                let shape = (*p, *s);
                self.decimals(|v: i128| decimal::rescale(v, scale, shape))
            }
            DataType::Decimal(_, s) => {
                let factor = ten(s.saturating_sub(scale));
                unary(column, |v: i128| v * factor)
            }
            DataType::Timestamp => unary(column, |v: i128| match scale {
                0..=6 => v.wrapping_mul(ten(6 - scale)) as i64,
                _ => (v / ten(scale - 6)) as i64,
            }),
            DataType::YearMonthInterval(_, to) => {
                let unit = if *to == YearMonthField::Year { 12 } else { 1 };
                self.checked(|v: i128| divide_half_up(v, divisor).checked_mul(unit).and_then(|m| i32::try_from(m).ok()))
            }
            DataType::DayTimeInterval(_, DayTimeField::Second) => {
                self.checked(|v: i128| v.checked_mul(SECOND.into()).and_then(|v| i64::try_from(divide_half_up(v, divisor)).ok()))
            }
            DataType::DayTimeInterval(_, to) => {
                let unit = i128::from(unit_of(*to));
                self.checked(|v: i128| divide_half_up(v, divisor).checked_mul(unit).and_then(|us| i64::try_from(us).ok()))
            }
            _ => Err(self.impossible()),
        }
    }

    fn boolean_cells(&self) -> Result<Series, EngineError> {
        let flags = access::flags(self.column)?;
        match self.to {
            DataType::Float => map1(&flags, |b| Ok(Some(f32::from(u8::from(b))))),
            DataType::Double => map1(&flags, |b| Ok(Some(f64::from(u8::from(b))))),
            DataType::TinyInt => map1(&flags, |b| Ok(Some(i8::from(b)))),
            DataType::SmallInt => map1(&flags, |b| Ok(Some(i16::from(b)))),
            DataType::Int => map1(&flags, |b| Ok(Some(i32::from(b)))),
            DataType::BigInt => map1(&flags, |b| Ok(Some(i64::from(b)))),
            DataType::Decimal(p, s) => {
                let (p, s) = (*p, *s);
                self.convert(&flags, |b| decimal::rescale(b.into(), 0, (p, s)), |_, _| self.decimal_range("1"))
            }
            _ => Err(self.impossible()),
        }
    }

    fn text_cells(&self) -> Result<Series, EngineError> {
        let texts = access::texts(self.column)?;
        let bad = |value: &str, _: usize| invalid_input(value, self.from, self.to);
        match self.to {
            DataType::TinyInt => self.convert(&texts, |t| parse::whole(t).and_then(|n| i8::try_from(n).ok()), bad),
            DataType::SmallInt => self.convert(&texts, |t| parse::whole(t).and_then(|n| i16::try_from(n).ok()), bad),
            DataType::Int => self.convert(&texts, |t| parse::whole(t).and_then(|n| i32::try_from(n).ok()), bad),
            DataType::BigInt => self.convert(&texts, parse::whole, bad),
            DataType::Float => self.convert(&texts, parse::float, bad),
            DataType::Double => self.convert(&texts, parse::double, bad),
            DataType::Boolean => self.convert(&texts, parse::boolean, bad),
            DataType::Decimal(p, s) => self.convert(&texts, |t| parse::decimal(t, *p, *s).ok(), |t, _| self.bad_decimal(t, *p, *s)),
            DataType::Binary => Ok(self.column.str()?.as_binary().into_series()),
            DataType::Date if texts.is_constant() => {
                self.convert(&texts, |t| self.special(t).map_or_else(|| parse::date(t), |us| Some(us.div_euclid(DAY) as i32)), bad)
            }
            DataType::Date => self.convert(&texts, parse::date, bad),
            DataType::Timestamp => {
                let zone = self.zone();
                let today = || zone.to_local(self.ctx.now).div_euclid(DAY);
                let constant = texts.is_constant();
                let read = |t: &str| match self.special(t).filter(|_| constant) {
                    Some(local) => Some(zone.to_instant(local)),
                    None => parse::timestamp(t, &zone, today),
                };
                self.convert(&texts, read, bad)
            }
            DataType::TimestampNtz => {
                let constant = texts.is_constant();
                self.convert(&texts, |t| self.special(t).filter(|_| constant).or_else(|| parse::timestamp_ntz(t)), bad)
            }
            DataType::YearMonthInterval(a, b) => self.convert(&texts, |t| parse::year_month(t, *a, *b), |t, _| self.bad_interval(t)),
            DataType::DayTimeInterval(a, b) => self.convert(&texts, |t| parse::day_time(t, *a, *b), |t, _| self.bad_interval(t)),
            DataType::CalendarInterval => self.calendar_from_text(),
            _ => Err(self.impossible()),
        }
    }

    /// `epoch`, `now`, `today`, `yesterday`, `tomorrow` as local microseconds; Spark knows them in constants only.
    fn special(&self, text: &str) -> Option<i64> {
        let text = parse::trimmed(text);
        if text.len() > 9 || !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let now = self.zone().to_local(self.ctx.now);
        let midnight = now.div_euclid(DAY) * DAY;
        Some(match text.to_ascii_lowercase().as_str() {
            "epoch" => 0,
            "now" => now,
            "today" => midnight,
            "yesterday" => midnight - DAY,
            "tomorrow" => midnight + DAY,
            _ => return None,
        })
    }

    fn bad_decimal(&self, value: &str, p: u8, s: u8) -> EngineError {
        match parse::decimal(value, p, s) {
            Err(parse::DecimalError::OutOfRange) => decimal::range_error(parse::trimmed(value), p, s),
            Err(parse::DecimalError::TooLarge) => {
                EngineError::data("NUMERIC_OUT_OF_SUPPORTED_RANGE", format!("{value} has more than 38 digits before the point"))
            }
            _ => invalid_input(value, self.from, self.to),
        }
    }

    fn bad_interval(&self, value: &str) -> EngineError {
        let message = format!("'{value}' cannot be read as {}", self.to.sql());
        EngineError::data("INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING", message)
    }

    fn calendar_from_text(&self) -> Result<Series, EngineError> {
        let texts = access::texts(self.column)?;
        let mut cells = Vec::with_capacity(texts.len());
        for row in 0..texts.len() {
            cells.push(match texts.at(row).map(crate::lang::literal::parse_interval_text) {
                None => None,
                Some(Ok(parts)) => Some(parts),
                Some(Err(_)) if self.attempt => None,
                Some(Err(error)) => {
                    return Err(EngineError::data(error.condition, format!("'{}' is not an interval: {}", texts.value(row), error.reason))
                        .at_row(row));
                }
            });
        }
        let n = cells.len();
        let months = map_rows::<i32>(n, |i| Ok(cells[i].as_ref().map(|c| c.months)))?;
        let days = map_rows::<i32>(n, |i| Ok(cells[i].as_ref().map(|c| c.days)))?;
        let micros = map_rows::<i64>(n, |i| Ok(cells[i].as_ref().map(|c| c.micros)))?;
        let valid = access::validity(&months).cloned();
        struct_series(vec![months, days, micros], Some(n), valid)
    }

    fn datetime_cells(&self) -> Result<Series, EngineError> {
        let zone = self.zone();
        let column = self.column;
        match (self.from, self.to) {
            (DataType::Date, DataType::Timestamp) => unary(column, |d: i32| zone.to_instant(i64::from(d) * DAY)),
            (DataType::Date, DataType::TimestampNtz) => unary(column, |d: i32| i64::from(d) * DAY),
            (DataType::Timestamp, DataType::Date) => unary(column, |t: i64| zone.to_local(t).div_euclid(DAY) as i32),
            (DataType::TimestampNtz, DataType::Date) => unary(column, |t: i64| t.div_euclid(DAY) as i32),
            (DataType::Timestamp, DataType::TimestampNtz) => unary(column, |t: i64| zone.to_local(t)),
            (DataType::TimestampNtz, DataType::Timestamp) => unary(column, |t: i64| zone.to_instant(t)),
            (DataType::Timestamp, DataType::BigInt) => unary(column, |t: i64| t.div_euclid(SECOND)),
            (DataType::Timestamp, DataType::Int) => self.checked(|t: i64| i32::try_from(t.div_euclid(SECOND)).ok()),
            (DataType::Timestamp, DataType::SmallInt) => self.checked(|t: i64| i16::try_from(t.div_euclid(SECOND)).ok()),
            (DataType::Timestamp, DataType::TinyInt) => self.checked(|t: i64| i8::try_from(t.div_euclid(SECOND)).ok()),
            (DataType::Timestamp, DataType::Double) => unary(column, |t: i64| t as f64 / SECOND as f64),
            (DataType::Timestamp, DataType::Float) => unary(column, |t: i64| (t as f64 / SECOND as f64) as f32),
            (DataType::Timestamp, DataType::Decimal(p, s)) => {
                let shape = (*p, *s);
                let error = |t: i64, _: usize| self.decimal_range(&text::decimal_text(t.into(), 6));
                self.convert(&numbers::<i64>(column)?, |t| decimal::rescale(t.into(), 6, shape), error)
            }
            _ => Err(self.impossible()),
        }
    }

    fn interval_cells(&self) -> Result<Series, EngineError> {
        match (self.from, self.to) {
            (DataType::YearMonthInterval(..), DataType::YearMonthInterval(_, to)) => {
                let unit = if *to == YearMonthField::Year { 12 } else { 1 };
                unary(self.column, |m: i32| m - m % unit)
            }
            (DataType::DayTimeInterval(..), DataType::DayTimeInterval(_, to)) => {
                let unit = if *to == DayTimeField::Second { 1 } else { unit_of(*to) };
                unary(self.column, |us: i64| us - us % unit)
            }
            (DataType::YearMonthInterval(_, to), target) if target.is_numeric() => {
                let unit = if *to == YearMonthField::Year { 12 } else { 1 };
                match target {
                    DataType::Decimal(p, s) => self.decimals(|m: i32| decimal::rescale((m / unit).into(), 0, (*p, *s))),
                    _ => self.count(|m: i32| i64::from(m / unit)),
                }
            }
            (DataType::DayTimeInterval(_, to), target) if target.is_numeric() => {
                let unit = unit_of(*to);
                match target {
                    DataType::Decimal(p, s) if *to == DayTimeField::Second => {
                        self.decimals(|us: i64| decimal::rescale(us.into(), 6, (*p, *s)))
                    }
                    DataType::Decimal(p, s) => self.decimals(|us: i64| decimal::rescale((us / unit).into(), 0, (*p, *s))),
                    _ => self.count(|us: i64| us / unit),
                }
            }
            _ => Err(self.impossible()),
        }
    }

    /// Interval units as a whole number.
    fn count<A: NativeType>(&self, f: impl Fn(A) -> i64) -> Result<Series, EngineError> {
        match self.to {
            DataType::TinyInt => self.checked(|v: A| i8::try_from(f(v)).ok()),
            DataType::SmallInt => self.checked(|v: A| i16::try_from(f(v)).ok()),
            DataType::Int => self.checked(|v: A| i32::try_from(f(v)).ok()),
            DataType::BigInt => unary(self.column, f),
            _ => Err(self.impossible()),
        }
    }

    /// Whole numbers as big-endian bytes, which only `try_cast` and non-ANSI plans ask for.
    fn binaries(&self) -> Result<Series, EngineError> {
        with_native!(self.from, T => {
            let values = numbers::<T>(self.column)?;
            map1(&values, |v: T| {
                let mut bytes = little_endian(v);
                bytes.reverse();
                Ok(Some(bytes))
            })
        }, Err(self.impossible()))
    }

    fn elements(&self, from: &DataType, to: &DataType) -> Result<Series, EngineError> {
        let (offsets, inner) = access::lists(self.column)?.compact()?;
        let inner = cast(&inner, from, to, self.attempt, self.ctx).map_err(|e| row_of(e, &offsets))?;
        list_series(offsets, inner, access::validity(self.column).cloned(), &physical(to))
    }

    fn entries(&self) -> Result<Series, EngineError> {
        let (DataType::Map(k, v), DataType::Map(to_k, to_v)) = (self.from, self.to) else { return Err(self.impossible()) };
        let (offsets, inner) = access::lists(self.column)?.compact()?;
        let mut parts = access::members(&inner)?;
        let (Some(values), Some(keys)) = (parts.pop(), parts.pop()) else { return Err(self.impossible()) };
        let keys = cast(&keys, k, to_k, self.attempt, self.ctx).map_err(|e| row_of(e, &offsets))?;
        let values = cast(&values, v, to_v, self.attempt, self.ctx).map_err(|e| row_of(e, &offsets))?;
        let entries = struct_series(vec![keys, values], None, None)?;
        list_series(offsets, entries, access::validity(self.column).cloned(), &columns::physical_entry(to_k, to_v))
    }

    fn members(&self) -> Result<Series, EngineError> {
        let (DataType::Struct(from), DataType::Struct(to)) = (self.from, self.to) else { return Err(self.impossible()) };
        let members = access::members(self.column)?;
        let members = members.iter().zip(from.iter().zip(to));
        let members =
            members.map(|(m, (f, t))| cast(m, &f.data_type, &t.data_type, self.attempt, self.ctx)).collect::<Result<Vec<_>, _>>()?;
        struct_series(members, Some(self.column.len()), access::struct_validity(self.column)?.cloned())
    }
}

/// The little-endian bytes of a number.
fn little_endian<T: NativeType>(value: T) -> Vec<u8> {
    value.to_le_bytes().as_ref().to_vec()
}

/// The row that holds the element at fault.
fn row_of(error: EngineError, offsets: &[i64]) -> EngineError {
    match error.failure().row {
        Some(element) => error.clone().at_row(offsets.partition_point(|o| *o <= element as i64).saturating_sub(1)),
        None => error,
    }
}

fn ten(exponent: u8) -> i128 {
    power_of_ten(exponent.into()).unwrap_or(i128::MAX)
}

fn unit_of(field: DayTimeField) -> i64 {
    match field {
        DayTimeField::Day => DAY,
        DayTimeField::Hour => 3600 * SECOND,
        DayTimeField::Minute => 60 * SECOND,
        DayTimeField::Second => SECOND,
    }
}

/// The nearest DOUBLE of a decimal: one division where both sides are exact, else through its text.
pub fn decimal_to_double(value: i128, scale: u8) -> f64 {
    const POWERS: [f64; 23] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];
    if value.unsigned_abs() <= 1 << 53 && usize::from(scale) < POWERS.len() {
        return value as f64 / POWERS[usize::from(scale)];
    }
    parse::double(&text::decimal_text(value, scale)).unwrap_or(f64::NAN)
}

/// FLOAT and DOUBLE with their shortest texts.
trait Real {
    fn shortest(self, buffer: &mut ryu::Buffer) -> &str;
}

impl Real for f32 {
    fn shortest(self, buffer: &mut ryu::Buffer) -> &str {
        buffer.format_finite(self)
    }
}

impl Real for f64 {
    fn shortest(self, buffer: &mut ryu::Buffer) -> &str {
        buffer.format_finite(self)
    }
}

/// A DATE as `CAST` reads it; `None` is malformed.
pub fn date_from_text(text: &str) -> Option<i32> {
    parse::date(text)
}

/// A TIMESTAMP as `CAST` reads it, in microseconds; `zone` holds where the text names none. A time alone is refused.
pub fn timestamp_from_text(text: &str, zone: &Zone) -> Option<i64> {
    parse::timestamp(text, zone, || 0)
}
