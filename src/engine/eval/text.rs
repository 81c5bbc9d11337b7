//! Values as text, the way `CAST(x AS STRING)` writes them.
//!
//! Doubles follow Java: `1.0E7`, `1.2E-4`, but `0.001` and `1234567.0`. Timestamps show the session's clock and drop
//! trailing zeros of the fraction.

use super::zone::{Zone, civil_from_days};
use crate::types::{DataType, DayTimeField, Value, YearMonthField};
use chrono_tz::Tz;
use polars::prelude::{PlSmallStr, Series, StringChunked};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, ListArray, MutableBinaryViewArray, PrimitiveArray, StructArray, Utf8ViewArray,
};
use polars_arrow::types::NativeType;

/// The text of every cell; NULL stays NULL.
pub fn to_text(column: &Series, data_type: &DataType, zone: Tz) -> StringChunked {
    let chunk = &*column.chunks()[0];
    if *data_type == DataType::String
        && let Ok(text) = column.str()
    {
        return text.clone();
    }
    let zone = Zone::new(zone);
    let writer = TextWriter::new(chunk, data_type, &zone);
    let mut out = MutableBinaryViewArray::<str>::with_capacity(chunk.len());
    let mut buffer = String::new();
    for row in 0..chunk.len() {
        buffer.clear();
        if writer.write(row, &mut buffer) { out.push_value(buffer.as_str()) } else { out.push_null() }
    }
    StringChunked::with_chunk(PlSmallStr::EMPTY, out.freeze())
}

/// Appends a value; NULL is written `NULL`, but `null` within arrays, maps and structs.
pub fn write_value(out: &mut String, value: &Value, data_type: &DataType, zone: Tz) {
    if value.is_null() {
        out.push_str("NULL");
        return;
    }
    let column = crate::engine::columns::series_of(std::slice::from_ref(value), data_type);
    let zone = Zone::new(zone);
    TextWriter::new(&*column.chunks()[0], data_type, &zone).write(0, out);
}

/// Writes the cells of one arrow array.
pub struct TextWriter<'a> {
    array: &'a dyn Array,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Void,
    Boolean(&'a BooleanArray),
    TinyInt(&'a [i8]),
    SmallInt(&'a [i16]),
    Int(&'a [i32]),
    BigInt(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Decimal(&'a [i128], u8),
    Text(&'a Utf8ViewArray),
    Binary(&'a BinaryViewArray),
    Date(&'a [i32]),
    Timestamp(&'a [i64], Zone),
    YearMonth(&'a [i32], YearMonthField, YearMonthField),
    DayTime(&'a [i64], DayTimeField, DayTimeField),
    Calendar(&'a [i32], &'a [i32], &'a [i64]),
    List(&'a ListArray<i64>, Box<TextWriter<'a>>),
    Map(&'a ListArray<i64>, Box<[TextWriter<'a>; 2]>),
    Struct(Vec<TextWriter<'a>>),
}

fn values<T: NativeType>(array: &dyn Array) -> Option<&[T]> {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map(|a| a.values().as_slice())
}

impl<'a> TextWriter<'a> {
    /// A writer of `array`, whose cells are of `data_type`.
    pub fn new(array: &'a dyn Array, data_type: &DataType, zone: &Zone) -> TextWriter<'a> {
        let kind = Kind::new(array, data_type, zone);
        debug_assert!(kind.is_some(), "no text for {data_type}");
        TextWriter { array, kind: kind.unwrap_or(Kind::Void) }
    }

    /// Appends the cell of `row`; `false`, and nothing appended, for NULL.
    pub fn write(&self, row: usize, out: &mut String) -> bool {
        if self.array.is_null(row) {
            return false;
        }
        match &self.kind {
            Kind::Void => return false,
            Kind::Boolean(a) => out.push_str(if a.value(row) { "true" } else { "false" }),
            Kind::TinyInt(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::SmallInt(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::Int(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::BigInt(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::Float(v) => write_float(out, v[row]),
            Kind::Double(v) => write_double(out, v[row]),
            Kind::Decimal(v, scale) => write_decimal(out, v[row], *scale),
            Kind::Text(a) => out.push_str(a.value(row)),
            Kind::Binary(a) => out.push_str(&String::from_utf8_lossy(a.value(row))),
            Kind::Date(v) => write_date(out, v[row]),
            Kind::Timestamp(v, zone) => write_timestamp(out, zone.to_local(v[row])),
            Kind::YearMonth(v, from, to) => write_year_month(out, v[row], *from, *to),
            Kind::DayTime(v, from, to) => write_day_time(out, v[row], *from, *to),
            Kind::Calendar(m, d, us) => write_calendar(out, m[row], d[row], us[row]),
            Kind::List(list, inner) => {
                let (start, end) = list.offsets().start_end(row);
                joined(out, ('[', ']'), start..end, |i, out| inner.write_or_null(i, out));
            }
            Kind::Map(list, entry) => {
                let (start, end) = list.offsets().start_end(row);
                joined(out, ('{', '}'), start..end, |i, out| {
                    entry[0].write_or_null(i, out);
                    out.push_str(" ->");
                    if !entry[1].array.is_null(i) {
                        out.push(' ');
                    } else {
                        out.push_str(" null");
                    }
                    entry[1].write(i, out);
                });
            }
            Kind::Struct(members) => joined(out, ('{', '}'), 0..members.len(), |i, out| members[i].write_or_null(row, out)),
        }
        true
    }

    fn write_or_null(&self, row: usize, out: &mut String) {
        if !self.write(row, out) {
            out.push_str("null");
        }
    }
}

fn joined(out: &mut String, around: (char, char), range: std::ops::Range<usize>, mut each: impl FnMut(usize, &mut String)) {
    out.push(around.0);
    let start = range.start;
    for i in range {
        if i > start {
            out.push_str(", ");
        }
        each(i, out);
    }
    out.push(around.1);
}

impl<'a> Kind<'a> {
    fn new(array: &'a dyn Array, data_type: &DataType, zone: &Zone) -> Option<Kind<'a>> {
        let any = array.as_any();
        Some(match data_type {
            DataType::Void => Kind::Void,
            DataType::Boolean => Kind::Boolean(any.downcast_ref()?),
            DataType::TinyInt => Kind::TinyInt(values(array)?),
            DataType::SmallInt => Kind::SmallInt(values(array)?),
            DataType::Int => Kind::Int(values(array)?),
            DataType::BigInt => Kind::BigInt(values(array)?),
            DataType::Float => Kind::Float(values(array)?),
            DataType::Double => Kind::Double(values(array)?),
            DataType::Decimal(_, scale) => Kind::Decimal(values(array)?, *scale),
            DataType::String => Kind::Text(any.downcast_ref()?),
            DataType::Binary => Kind::Binary(any.downcast_ref()?),
            DataType::Date => Kind::Date(values(array)?),
            DataType::Timestamp => Kind::Timestamp(values(array)?, *zone),
            DataType::TimestampNtz => Kind::Timestamp(values(array)?, Zone::UTC),
            DataType::YearMonthInterval(from, to) => Kind::YearMonth(values(array)?, *from, *to),
            DataType::DayTimeInterval(from, to) => Kind::DayTime(values(array)?, *from, *to),
            DataType::CalendarInterval => {
                let parts = any.downcast_ref::<StructArray>()?.values();
                Kind::Calendar(values(&*parts[0])?, values(&*parts[1])?, values(&*parts[2])?)
            }
            DataType::Array(element) => {
                let list = any.downcast_ref::<ListArray<i64>>()?;
                Kind::List(list, Box::new(TextWriter::new(&**list.values(), element, zone)))
            }
            DataType::Map(key, value) => {
                let list = any.downcast_ref::<ListArray<i64>>()?;
                let parts = list.values().as_any().downcast_ref::<StructArray>()?.values();
                Kind::Map(list, Box::new([TextWriter::new(&*parts[0], key, zone), TextWriter::new(&*parts[1], value, zone)]))
            }
            DataType::Struct(fields) => {
                let parts = any.downcast_ref::<StructArray>()?.values();
                Kind::Struct(parts.iter().zip(fields).map(|(p, f)| TextWriter::new(&**p, &f.data_type, zone)).collect())
            }
        })
    }
}

/// Appends a DOUBLE.
pub fn write_double(out: &mut String, value: f64) {
    let magnitude = value.abs();
    if (1e-3..1e7).contains(&magnitude) {
        out.push_str(ryu::Buffer::new().format_finite(value));
    } else if !write_special(out, value) && !write_whole(out, value, 53) {
        write_scientific(out, &format!("{value:e}"), || format!("{value:.1e}"));
    }
}

/// Appends a FLOAT.
pub fn write_float(out: &mut String, value: f32) {
    let magnitude = value.abs();
    if (1e-3..1e7).contains(&magnitude) {
        out.push_str(ryu::Buffer::new().format_finite(value));
    } else if !write_special(out, value.into()) && !write_whole(out, value.into(), 24) {
        write_scientific(out, &format!("{value:e}"), || format!("{value:.1e}"));
    }
}

fn write_special(out: &mut String, value: f64) -> bool {
    let text = if value.is_nan() {
        "NaN"
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }
    } else if value == 0.0 {
        if value.is_sign_negative() { "-0.0" } else { "0.0" }
    } else {
        return false;
    };
    out.push_str(text);
    true
}

/// Whole numbers below 2^62 in magnitude: Java 17 writes all their digits but those that `precision` bits leave open,
/// which may be more than the shortest text has.
fn write_whole(out: &mut String, value: f64, precision: i32) -> bool {
    let magnitude = value.abs();
    if magnitude < 1e7 || magnitude >= (1i64 << 62) as f64 || magnitude.fract() != 0.0 {
        return false;
    }
    let mut digits = magnitude as u64;
    let open = 62 - digits.leading_zeros() as i32 - precision;
    let mut exponent = 0;
    if open > 1 {
        // One digit less than 2^open has.
        exponent = (1u64 << open).ilog10();
        let unit = 10u64.pow(exponent);
        digits = digits / unit + u64::from(digits % unit >= unit / 2);
    }
    while digits.is_multiple_of(10) {
        digits /= 10;
        exponent += 1;
    }
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(digits);
    let exponent = exponent as usize + text.len() - 1;
    if value < 0.0 {
        out.push('-');
    }
    out.push_str(&text[..1]);
    out.push('.');
    out.push_str(if text.len() > 1 { &text[1..] } else { "0" });
    out.push('E');
    out.push_str(itoa::Buffer::new().format(exponent));
    true
}

/// `shortest` is like `1.2e-5`. Java writes at least two digits, and where one would do it takes the nearest two.
fn write_scientific(out: &mut String, shortest: &str, two_digits: impl Fn() -> String) {
    let rounded;
    let text = if shortest.contains('.') {
        shortest
    } else {
        rounded = two_digits();
        &rounded
    };
    for c in text.chars() {
        out.push(if c == 'e' { 'E' } else { c });
    }
}

/// Appends a decimal of `scale` digits after the point.
pub fn write_decimal(out: &mut String, unscaled: i128, scale: u8) {
    if unscaled < 0 {
        out.push('-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs());
    let scale = usize::from(scale);
    if scale == 0 {
        out.push_str(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.push_str(whole);
        out.push('.');
        out.push_str(fraction);
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', scale - digits.len()));
        out.push_str(digits);
    }
}

/// The text of a decimal.
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    let mut out = String::new();
    write_decimal(&mut out, unscaled, scale);
    out
}

fn write_two(out: &mut String, n: u32) {
    out.push(char::from(b'0' + (n / 10 % 10) as u8));
    out.push(char::from(b'0' + (n % 10) as u8));
}

/// Appends a date, `2024-01-31`; years past 9999 have a plus sign.
pub fn write_date(out: &mut String, days: i32) {
    write_day(out, days.into());
}

fn write_day(out: &mut String, days: i64) {
    let (year, month, day) = civil_from_days(days);
    if (0..=9999).contains(&year) {
        write_two(out, (year / 100) as u32);
        write_two(out, (year % 100) as u32);
    } else {
        out.push(if year < 0 { '-' } else { '+' });
        let digits = year.unsigned_abs();
        if digits < 1000 {
            write_two(out, (digits / 100) as u32);
            write_two(out, (digits % 100) as u32);
        } else {
            out.push_str(itoa::Buffer::new().format(digits));
        }
    }
    out.push('-');
    write_two(out, month);
    out.push('-');
    write_two(out, day);
}

/// Appends a wall-clock time, `2024-01-31 10:00:00.5`.
pub fn write_timestamp(out: &mut String, local_micros: i64) {
    write_timestamp_with(out, local_micros, ' ');
}

/// Appends a wall-clock time with `between` date and time.
pub fn write_timestamp_with(out: &mut String, local_micros: i64, between: char) {
    const DAY: i64 = 86_400_000_000;
    write_day(out, local_micros.div_euclid(DAY));
    let time = local_micros.rem_euclid(DAY);
    let seconds = (time / 1_000_000) as u32;
    out.push(between);
    write_two(out, seconds / 3600);
    out.push(':');
    write_two(out, seconds / 60 % 60);
    out.push(':');
    write_two(out, seconds % 60);
    write_fraction(out, (time % 1_000_000) as u32);
}

/// `.5`, without trailing zeros; nothing for 0.
fn write_fraction(out: &mut String, micros: u32) {
    if micros == 0 {
        return;
    }
    out.push('.');
    let (mut rest, mut unit) = (micros, 100_000);
    while rest > 0 {
        out.push(char::from(b'0' + (rest / unit) as u8));
        rest %= unit;
        unit /= 10;
    }
}

/// Appends `INTERVAL '1-2' YEAR TO MONTH`.
pub fn write_year_month(out: &mut String, months: i32, from: YearMonthField, to: YearMonthField) {
    use YearMonthField::{Month, Year};
    let (sign, months) = (if months < 0 { "-" } else { "" }, months.unsigned_abs());
    let text = match (from, to) {
        (Year, Year) => format!("INTERVAL '{sign}{}' YEAR", months / 12),
        (Month, Month) => format!("INTERVAL '{sign}{months}' MONTH"),
        _ => format!("INTERVAL '{sign}{}-{}' YEAR TO MONTH", months / 12, months % 12),
    };
    out.push_str(&text);
}

/// Appends `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
pub fn write_day_time(out: &mut String, micros: i64, from: DayTimeField, to: DayTimeField) {
    use DayTimeField::{Day, Hour, Minute, Second};
    out.push_str("INTERVAL '");
    if micros < 0 {
        out.push('-');
    }
    let total = micros.unsigned_abs();
    let (seconds, fraction) = (total / 1_000_000, (total % 1_000_000) as u32);
    let number = |out: &mut String, n: u64| {
        if n < 100 { write_two(out, n as u32) } else { out.push_str(itoa::Buffer::new().format(n)) }
    };
    if from == Day {
        out.push_str(itoa::Buffer::new().format(seconds / 86_400));
    }
    for (field, unit, wrap, before) in [(Hour, 3600, 24, ' '), (Minute, 60, 60, ':'), (Second, 1, 60, ':')] {
        if field < from || field > to {
            continue;
        }
        if field != from {
            out.push(before);
        }
        let count = seconds / unit;
        number(out, if field == from { count } else { count % wrap });
    }
    if to == Second {
        write_fraction(out, fraction);
    }
    out.push_str("' ");
    let name = |f: DayTimeField| match f {
        Day => "DAY",
        Hour => "HOUR",
        Minute => "MINUTE",
        Second => "SECOND",
    };
    out.push_str(name(from));
    if from != to {
        out.push_str(" TO ");
        out.push_str(name(to));
    }
}

/// Appends `1 years 2 months 3 days 4 hours 5 minutes 6.5 seconds`, units of zero left out.
pub fn write_calendar(out: &mut String, months: i32, days: i32, micros: i64) {
    let start = out.len();
    let seconds = micros % 60_000_000;
    let units = [
        (i64::from(months) / 12, "years"),
        (i64::from(months) % 12, "months"),
        (days.into(), "days"),
        (micros / 3_600_000_000, "hours"),
        (micros / 60_000_000 % 60, "minutes"),
    ];
    for (count, unit) in units.into_iter().filter(|(count, _)| *count != 0) {
        if out.len() > start {
            out.push(' ');
        }
        out.push_str(itoa::Buffer::new().format(count));
        out.push(' ');
        out.push_str(unit);
    }
    if seconds != 0 || out.len() == start {
        if out.len() > start {
            out.push(' ');
        }
        if seconds < 0 {
            out.push('-');
        }
        out.push_str(itoa::Buffer::new().format(seconds.unsigned_abs() / 1_000_000));
        write_fraction(out, (seconds.unsigned_abs() % 1_000_000) as u32);
        out.push_str(" seconds");
    }
}
