//! Cells as JSON text: what `to_json` and the rows of a script's output are made of.
//!
//! Numbers keep Spark's spelling (`1.0E7`, `12.40`), NaN and the infinities are strings, binary values are base64,
//! intervals are text.

use super::datetime_pattern::DatetimePattern;
use super::text::{self, TextWriter};
use super::zone::Zone;
use crate::types::DataType;
use base64::Engine as _;
use chrono_tz::Tz;
use polars_arrow::array::{Array, BinaryViewArray, BooleanArray, ListArray, PrimitiveArray, StructArray, Utf8ViewArray};
use polars_arrow::types::NativeType;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// How values are written.
#[derive(Clone)]
pub struct JsonStyle {
    /// Members of structs that are NULL are written, too; in arrays and maps they always are.
    pub keep_nulls: bool,
    /// Timestamps have six digits of fraction where they need them; else always three.
    pub micros: bool,
    /// Decimals are written without an exponent; else as Java's `BigDecimal` prints them.
    pub plain_decimals: bool,
    /// The session's zone.
    pub zone: Tz,
    /// How dates are written, if not in the usual form.
    pub date: Option<DatetimePattern>,
    /// How timestamps are written, if not in the usual form.
    pub timestamp: Option<DatetimePattern>,
    /// How timestamps without a zone are written, if not in the usual form.
    pub timestamp_ntz: Option<DatetimePattern>,
}

impl JsonStyle {
    /// As `to_json` writes without options.
    pub fn spark(zone: Tz) -> JsonStyle {
        JsonStyle { keep_nulls: false, micros: false, plain_decimals: false, zone, date: None, timestamp: None, timestamp_ntz: None }
    }

    /// As rows of results are written: nothing is lost.
    pub fn rows(zone: Tz) -> JsonStyle {
        JsonStyle { keep_nulls: true, micros: true, plain_decimals: true, ..JsonStyle::spark(zone) }
    }
}

/// Writes the cells of one arrow array.
pub struct JsonWriter<'a> {
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
    Decimal(&'a [i128], u8, bool),
    Text(&'a Utf8ViewArray),
    Binary(&'a BinaryViewArray),
    Date(&'a [i32], Option<DatetimePattern>),
    Timestamp {
        values: &'a [i64],
        zone: Option<(Zone, Tz)>,
        micros: bool,
        pattern: Option<DatetimePattern>,
    },
    /// Intervals, in quotes.
    Quoted(TextWriter<'a>),
    List(&'a ListArray<i64>, Box<JsonWriter<'a>>),
    Map(&'a ListArray<i64>, Key<'a>, Box<JsonWriter<'a>>),
    Struct(Vec<Member<'a>>, bool),
}

struct Member<'a> {
    /// `"name":`
    label: String,
    value: JsonWriter<'a>,
}

/// Keys of maps are written as Java prints their internal values: dates as days, timestamps as microseconds.
enum Key<'a> {
    Days(&'a [i32]),
    Micros(&'a [i64]),
    Text(TextWriter<'a>),
}

fn values<T: NativeType>(array: &dyn Array) -> &[T] {
    array.as_any().downcast_ref::<PrimitiveArray<T>>().map_or(&[], |a| a.values().as_slice())
}

fn cast<A: 'static>(array: &dyn Array) -> Option<&A> {
    array.as_any().downcast_ref::<A>()
}

impl<'a> JsonWriter<'a> {
    /// A writer of `array`, whose cells are of `data_type`.
    pub fn new(array: &'a dyn Array, data_type: &DataType, style: &JsonStyle) -> JsonWriter<'a> {
        let kind = Kind::new(array, data_type, style);
        debug_assert!(kind.is_some(), "no JSON for {data_type}");
        JsonWriter { array, kind: kind.unwrap_or(Kind::Void) }
    }

    /// Whether the cell of `row` is NULL.
    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Void) || self.array.is_null(row)
    }

    /// Appends the cell of `row`, `null` for NULL.
    pub fn write(&self, row: usize, out: &mut String) {
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        match &self.kind {
            Kind::Void => out.push_str("null"),
            Kind::Boolean(a) => out.push_str(if a.value(row) { "true" } else { "false" }),
            Kind::TinyInt(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::SmallInt(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::Int(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::BigInt(v) => out.push_str(itoa::Buffer::new().format(v[row])),
            Kind::Float(v) if v[row].is_finite() => text::write_float(out, v[row]),
            Kind::Float(v) => quoted(out, |out| text::write_float(out, v[row])),
            Kind::Double(v) if v[row].is_finite() => text::write_double(out, v[row]),
            Kind::Double(v) => quoted(out, |out| text::write_double(out, v[row])),
            Kind::Decimal(v, scale, true) => text::write_decimal(out, v[row], *scale),
            Kind::Decimal(v, scale, false) => write_java_decimal(out, v[row], *scale),
            Kind::Text(a) => write_string(out, a.value(row)),
            Kind::Binary(a) => quoted(out, |out| base64::engine::general_purpose::STANDARD.encode_string(a.value(row), out)),
            Kind::Date(v, None) => quoted(out, |out| text::write_date(out, v[row])),
            Kind::Date(v, Some(pattern)) => by_pattern(out, pattern, i64::from(v[row]) * DAY, None),
            Kind::Timestamp { values, zone, micros, pattern } => {
                let offset = zone.map_or(0, |(zone, _)| zone.offset_at(values[row]));
                match pattern {
                    Some(pattern) => by_pattern(out, pattern, values[row], zone.map(|(_, tz)| tz)),
                    None => quoted(out, |out| write_time(out, values[row].saturating_add(offset), *micros, zone.map(|_| offset))),
                }
            }
            Kind::Quoted(writer) => quoted(out, |out| {
                writer.write(row, out);
            }),
            Kind::List(list, inner) => {
                let (start, end) = list.offsets().start_end(row);
                joined(out, ('[', ']'), start..end, |i, out| inner.write(i, out));
            }
            Kind::Map(list, key, value) => {
                let (start, end) = list.offsets().start_end(row);
                joined(out, ('{', '}'), start..end, |i, out| {
                    key.write(i, out);
                    out.push(':');
                    value.write(i, out);
                });
            }
            Kind::Struct(members, keep_nulls) => {
                out.push('{');
                write_members(out, members, row, *keep_nulls);
                out.push('}');
            }
        }
    }
}

fn write_members(out: &mut String, members: &[Member<'_>], row: usize, keep_nulls: bool) {
    let mut first = true;
    for member in members {
        if !keep_nulls && member.value.is_null(row) {
            continue;
        }
        if !first {
            out.push(',');
        }
        first = false;
        out.push_str(&member.label);
        member.value.write(row, out);
    }
}

fn label(name: &str) -> String {
    let mut label = String::new();
    write_string(&mut label, name);
    label.push(':');
    label
}

/// Writes rows as objects, one member a column; names may repeat.
pub struct RowWriter<'a>(Vec<Member<'a>>, bool);

impl<'a> RowWriter<'a> {
    /// For columns of those names and types.
    pub fn new(columns: impl Iterator<Item = (&'a str, &'a DataType, &'a dyn Array)>, style: &JsonStyle) -> RowWriter<'a> {
        let member = |(name, data_type, array)| Member { label: label(name), value: JsonWriter::new(array, data_type, style) };
        RowWriter(columns.map(member).collect(), style.keep_nulls)
    }

    /// Appends a row.
    pub fn write(&self, row: usize, out: &mut String) {
        out.push('{');
        write_members(out, &self.0, row, self.1);
        out.push('}');
    }
}

impl<'a> Kind<'a> {
    fn new(array: &'a dyn Array, data_type: &DataType, style: &JsonStyle) -> Option<Kind<'a>> {
        Some(match data_type {
            DataType::Void => Kind::Void,
            DataType::Boolean => Kind::Boolean(cast(array)?),
            DataType::TinyInt => Kind::TinyInt(values(array)),
            DataType::SmallInt => Kind::SmallInt(values(array)),
            DataType::Int => Kind::Int(values(array)),
            DataType::BigInt => Kind::BigInt(values(array)),
            DataType::Float => Kind::Float(values(array)),
            DataType::Double => Kind::Double(values(array)),
            DataType::Decimal(_, scale) => Kind::Decimal(values(array), *scale, style.plain_decimals),
            DataType::String => Kind::Text(cast(array)?),
            DataType::Binary => Kind::Binary(cast(array)?),
            DataType::Date => Kind::Date(values(array), style.date.clone()),
            DataType::Timestamp => Kind::Timestamp {
                values: values(array),
                zone: Some((Zone::new(style.zone), style.zone)),
                micros: style.micros,
                pattern: style.timestamp.clone(),
            },
            DataType::TimestampNtz => {
                Kind::Timestamp { values: values(array), zone: None, micros: style.micros, pattern: style.timestamp_ntz.clone() }
            }
            DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..) | DataType::CalendarInterval => {
                Kind::Quoted(TextWriter::new(array, data_type, &Zone::new(style.zone)))
            }
            DataType::Array(element) => {
                let list = cast::<ListArray<i64>>(array)?;
                Kind::List(list, Box::new(JsonWriter::new(&**list.values(), element, style)))
            }
            DataType::Map(key, value) => {
                let list = cast::<ListArray<i64>>(array)?;
                let parts = cast::<StructArray>(&**list.values())?.values();
                let keys = match **key {
                    DataType::Date => Key::Days(values(&*parts[0])),
                    DataType::Timestamp | DataType::TimestampNtz => Key::Micros(values(&*parts[0])),
                    _ => Key::Text(TextWriter::new(&*parts[0], key, &Zone::new(style.zone))),
                };
                Kind::Map(list, keys, Box::new(JsonWriter::new(&*parts[1], value, style)))
            }
            DataType::Struct(fields) => {
                let parts = cast::<StructArray>(array)?.values();
                let members = parts
                    .iter()
                    .zip(fields)
                    .map(|(part, field)| Member { label: label(&field.name), value: JsonWriter::new(&**part, &field.data_type, style) });
                Kind::Struct(members.collect(), style.keep_nulls)
            }
        })
    }
}

impl Key<'_> {
    fn write(&self, row: usize, out: &mut String) {
        let mut key = String::new();
        match self {
            Key::Days(v) => key.push_str(itoa::Buffer::new().format(v[row])),
            Key::Micros(v) => key.push_str(itoa::Buffer::new().format(v[row])),
            Key::Text(writer) => {
                writer.write(row, &mut key);
            }
        }
        write_string(out, &key);
    }
}

fn quoted(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push('"');
    write(out);
    out.push('"');
}

/// An instant as a clock in the zone shows it, or without a zone a local time.
fn by_pattern(out: &mut String, pattern: &DatetimePattern, time: i64, zone: Option<Tz>) {
    let mut text = String::new();
    match zone {
        Some(zone) => pattern.format(time, zone, &mut text),
        None => pattern.format_local(time, &mut text),
    }
    write_string(out, &text);
}

fn joined(out: &mut String, around: (char, char), range: std::ops::Range<usize>, mut each: impl FnMut(usize, &mut String)) {
    out.push(around.0);
    let start = range.start;
    for i in range {
        if i > start {
            out.push(',');
        }
        each(i, out);
    }
    out.push(around.1);
}

/// Appends `2024-01-31T10:00:00.000`, with `offset` the zone behind it (`Z`, `+01:00`).
pub fn write_time(out: &mut String, local: i64, micros: bool, offset: Option<i64>) {
    text::write_timestamp_with(out, local.div_euclid(SECOND) * SECOND, 'T');
    let fraction = local.rem_euclid(SECOND);
    out.push('.');
    let digits = format!("{fraction:06}");
    out.push_str(if micros && fraction % 1000 != 0 { &digits } else { &digits[..3] });
    match offset.map(|o| o / SECOND) {
        None => {}
        Some(0) => out.push('Z'),
        Some(seconds) => {
            let (sign, size) = if seconds < 0 { ('-', -seconds) } else { ('+', seconds) };
            out.push_str(&format!("{sign}{:02}:{:02}", size / 3600, size / 60 % 60));
            if size % 60 != 0 {
                out.push_str(&format!(":{:02}", size % 60));
            }
        }
    }
}

/// As `BigDecimal.toString`: with an exponent when there are more than six zeros after the point.
fn write_java_decimal(out: &mut String, unscaled: i128, scale: u8) {
    let digits = unscaled.unsigned_abs().to_string();
    let exponent = digits.len() as i32 - 1 - i32::from(scale);
    if scale == 0 || exponent >= -6 {
        text::write_decimal(out, unscaled, scale);
        return;
    }
    if unscaled < 0 {
        out.push('-');
    }
    let (first, rest) = digits.split_at(1);
    out.push_str(first);
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out.push_str(&format!("E{exponent}"));
}

/// Appends a string in quotes, escaped as Jackson does: only quotes, backslashes and control characters below a space.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (i, b) in text.bytes().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.push_str(&text[from..i]);
        from = i + 1;
        match b {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            other => out.push_str(&format!("\\u{other:04X}")),
        }
    }
    out.push_str(&text[from..]);
    out.push('"');
}
