//! Kernels that lay out values by a format: `format_number` and `format_string`.

use super::access::{Cells, map_rows};
use super::text::{to_text, write_double};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::engine::columns::value_at;
use crate::types::{DataType, Value};
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "format_number", fallible: true, kernel: format_number },
    KernelEntry { name: "format_string", fallible: true, kernel: format_string },
];

/// How Java's `DecimalFormat` lays out a number.
#[derive(Clone, Debug, Default, PartialEq)]
struct NumberLayout {
    prefix: String,
    suffix: String,
    /// Prefix and suffix of negative numbers where they differ from a minus sign in front.
    negative: Option<(String, String)>,
    least_whole: usize,
    least_fraction: usize,
    most_fraction: usize,
    /// Digits between separators; 0 for none.
    group: usize,
    percent: bool,
}

impl NumberLayout {
    /// Separators of thousands and so many digits of fraction.
    fn digits(count: usize) -> NumberLayout {
        NumberLayout { least_whole: 1, least_fraction: count, most_fraction: count, group: 3, ..NumberLayout::default() }
    }

    /// A pattern such as `#,##0.00`; `None` when it is none.
    fn parse(pattern: &str) -> Option<NumberLayout> {
        let (positive, negative) = match pattern.split_once(';') {
            Some((positive, negative)) => (positive, Some(negative)),
            None => (pattern, None),
        };
        let is_digit = |c: char| "#0,.".contains(c);
        let start = positive.find(is_digit).unwrap_or(positive.len());
        let end = positive.rfind(is_digit).map_or(start, |at| at + 1);
        let core = &positive[start..end];
        if core.chars().any(|c| !is_digit(c)) || core.matches('.').count() > 1 {
            return None;
        }
        let (whole, fraction) = core.split_once('.').unwrap_or((core, ""));
        let zeros = |text: &str| text.matches('0').count();
        let mut layout = NumberLayout {
            prefix: positive[..start].replace('\'', ""),
            suffix: positive[end..].replace('\'', ""),
            least_whole: zeros(whole),
            least_fraction: zeros(fraction),
            most_fraction: fraction.len(),
            group: whole.rfind(',').map_or(0, |at| whole.len() - at - 1),
            percent: positive.contains('%'),
            ..NumberLayout::default()
        };
        // `#.##` writes 0.5 with its zero.
        if core.contains('.') && layout.least_whole == 0 && layout.least_fraction == 0 {
            layout.least_whole = 1;
        }
        layout.negative = negative.map(|text| {
            let start = text.find(is_digit).unwrap_or(text.len());
            let end = text.rfind(is_digit).map_or(start, |at| at + 1);
            (text[..start].replace('\'', ""), text[end..].replace('\'', ""))
        });
        Some(layout)
    }

    /// Lays out a number given by its sign and its digits with a point.
    fn write(&self, negative: bool, digits: &str) -> String {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let whole = whole.trim_start_matches('0');
        let mut fraction = fraction.to_string();
        while fraction.len() > self.least_fraction && fraction.ends_with('0') {
            fraction.pop();
        }
        let mut whole = format!("{whole:0>width$}", width = self.least_whole);
        if whole.is_empty() && fraction.is_empty() {
            whole.push('0');
        }
        let (prefix, suffix) = match (&self.negative, negative) {
            (Some((prefix, suffix)), true) => (prefix.clone(), suffix.clone()),
            (None, true) => (format!("-{}", self.prefix), self.suffix.clone()),
            _ => (self.prefix.clone(), self.suffix.clone()),
        };
        let mut out = prefix;
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && self.group > 0 && (whole.len() - index).is_multiple_of(self.group) {
                out.push(',');
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push('.');
            out.push_str(&fraction);
        }
        out + &suffix
    }
}

/// The unscaled digits of a decimal, rounded half to even to `most` digits of fraction.
fn decimal_digits(unscaled: u128, scale: usize, most: usize) -> String {
    let (mut value, mut scale) = (unscaled, scale);
    if scale > most {
        let unit = 10u128.pow((scale - most) as u32);
        let (quotient, rest) = (value / unit, value % unit);
        let up = rest > unit / 2 || rest == unit / 2 && quotient % 2 == 1;
        (value, scale) = (quotient + u128::from(up), most);
    }
    let digits = format!("{value:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{whole}.{fraction:0<most$}")
}

fn laid_out(value: &Value, data_type: &DataType, layout: &NumberLayout) -> String {
    let most = layout.most_fraction;
    let shift = if layout.percent { 2 } else { 0 };
    match (value, data_type) {
        (Value::Int(n), _) => layout.write(*n < 0, &decimal_digits(u128::from(n.unsigned_abs()) * 10u128.pow(shift), 0, most)),
        (Value::Decimal(d), DataType::Decimal(_, scale)) => {
            layout.write(*d < 0, &decimal_digits(d.unsigned_abs().saturating_mul(10u128.pow(shift)), usize::from(*scale), most))
        }
        (Value::Double(_) | Value::Float(_), _) => {
            let number = match value {
                Value::Float(f) => f64::from(*f),
                Value::Double(f) => *f,
                _ => 0.0,
            } * if layout.percent { 100.0 } else { 1.0 };
            if number.is_nan() {
                return "NaN".to_string();
            }
            if number.is_infinite() {
                return if number > 0.0 { "∞" } else { "-∞" }.to_string();
            }
            layout.write(number.is_sign_negative(), &format!("{:.most$}", number.abs()))
        }
        _ => String::new(),
    }
}

fn format_number(call: &KernelCall<'_>) -> Result {
    let (column, data_type) = (call.column(0), call.data_type(0));
    let cell = |row: usize| value_at(column, if column.len() == 1 { 0 } else { row }, data_type);
    if *call.data_type(1) == DataType::String {
        let patterns = call.texts(1)?;
        return map_rows(call.length(), |row| {
            let (value, Some(pattern)) = (cell(row), patterns.at(row)) else { return Ok(None) };
            if value.is_null() {
                return Ok(None);
            }
            let layout = if pattern.is_empty() {
                Some(NumberLayout { most_fraction: 0, ..NumberLayout::digits(0) })
            } else {
                NumberLayout::parse(pattern)
            };
            let layout = layout.ok_or_else(|| EngineError::user(format!("malformed number pattern '{pattern}'")))?;
            Ok(Some(laid_out(&value, data_type, &layout)))
        });
    }
    let counts = call.numbers::<i32>(1)?;
    map_rows(call.length(), |row| {
        let (value, Some(count)) = (cell(row), counts.at(row).and_then(|n| usize::try_from(n).ok())) else { return Ok(None) };
        Ok((!value.is_null()).then(|| laid_out(&value, data_type, &NumberLayout::digits(count))))
    })
}

/// One `%…` of a format.
#[derive(Clone, Debug)]
struct Directive {
    /// Which argument, from 0; `None`: the next one.
    argument: Option<usize>,
    /// The argument of the directive before.
    previous: bool,
    flags: String,
    width: Option<usize>,
    precision: Option<usize>,
    conversion: char,
}

enum Piece {
    Text(String),
    Directive(Directive),
}

fn bad_format(format: &str, what: &str) -> EngineError {
    EngineError::user(format!("the format '{format}' does not work: {what}"))
}

fn pieces(format: &str) -> Result<Vec<Piece>> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push(Piece::Text(rest[..at].to_string()));
        let mut tail = &rest[at + 1..];
        let number = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut directive =
            Directive { argument: None, previous: false, flags: String::new(), width: None, precision: None, conversion: '%' };
        let digits = number(tail);
        if digits > 0 && tail[digits..].starts_with('$') {
            directive.argument = tail[..digits].parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            tail = &tail[digits + 1..];
        } else if let Some(after) = tail.strip_prefix('<') {
            directive.previous = true;
            tail = after;
        }
        let flags = tail.bytes().take_while(|b| b"-#+ 0,(".contains(b)).count();
        directive.flags = tail[..flags].to_string();
        tail = &tail[flags..];
        let digits = number(tail);
        directive.width = tail[..digits].parse().ok();
        tail = &tail[digits..];
        if let Some(after) = tail.strip_prefix('.') {
            let digits = number(after);
            directive.precision = Some(after[..digits].parse().map_err(|_| bad_format(format, "a precision is missing"))?);
            tail = &after[digits..];
        }
        directive.conversion = tail.chars().next().ok_or_else(|| bad_format(format, "it ends with %"))?;
        rest = &tail[directive.conversion.len_utf8()..];
        out.push(Piece::Directive(directive));
    }
    out.push(Piece::Text(rest.to_string()));
    Ok(out)
}

/// Java's `String.format`; the values are what Spark hands to it: days for a date, microseconds for a time.
fn format_string(call: &KernelCall<'_>) -> Result {
    let formats = call.texts(0)?;
    let mut known: Option<(&str, Vec<Piece>)> = None;
    map_rows(call.length(), |row| {
        let Some(format) = formats.at(row) else { return Ok(None) };
        if known.as_ref().is_none_or(|(text, _)| *text != format) {
            known = Some((format, pieces(format)?));
        }
        let Some((_, pieces)) = &known else { return Ok(None) };
        let mut out = String::new();
        let (mut next, mut last) = (0, 0);
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Directive(directive) if directive.conversion == '%' => out.push_str(&filled("%".to_string(), directive)),
                Piece::Directive(directive) if directive.conversion == 'n' => out.push('\n'),
                Piece::Directive(directive) => {
                    let index = match (directive.previous, directive.argument) {
                        (true, _) => last,
                        (_, Some(index)) => index,
                        _ => {
                            next += 1;
                            next - 1
                        }
                    };
                    last = index;
                    let argument = call.args.get(index + 1).ok_or_else(|| bad_format(format, "it wants more arguments than there are"))?;
                    let row = if argument.column.len() == 1 { 0 } else { row };
                    let value = value_at(&argument.column, row, &argument.data_type);
                    let plain = |column: &Series| to_text(&column.slice(row as i64, 1), &argument.data_type, call.context.zone);
                    let text = || plain(&argument.column).get(0).unwrap_or("null").to_string();
                    out.push_str(&directed(directive, &value, &argument.data_type, text).ok_or_else(|| {
                        bad_format(format, &format!("%{} cannot show {}", directive.conversion, argument.data_type.sql()))
                    })?);
                }
            }
        }
        Ok(Some(out))
    })
}

/// The text padded to the directive's width.
fn filled(text: String, directive: &Directive) -> String {
    let width = directive.width.unwrap_or(0);
    if directive.flags.contains('-') { format!("{text:<width$}") } else { format!("{text:>width$}") }
}

fn directed(directive: &Directive, value: &Value, data_type: &DataType, text: impl Fn() -> String) -> Option<String> {
    let upper = |s: String| if directive.conversion.is_ascii_uppercase() { s.to_uppercase() } else { s };
    let cut = |s: String| directive.precision.map_or(s.clone(), |n| s.chars().take(n).collect());
    let conversion = directive.conversion.to_ascii_lowercase();
    if conversion == 'b' {
        let truth = !matches!(value, Value::Null | Value::Boolean(false));
        return Some(filled(upper(cut(truth.to_string())), directive));
    }
    if value.is_null() {
        return "dxofegcsh".contains(conversion).then(|| filled(upper(cut("null".to_string())), directive));
    }
    // What Spark hands over of dates and times are plain numbers.
    let whole = match value {
        Value::Int(n) | Value::Timestamp(n) | Value::DayTime(n) => Some(*n),
        Value::Date(n) | Value::YearMonth(n) => Some(i64::from(*n)),
        _ => None,
    };
    let real = match value {
        Value::Double(f) => Some(*f),
        Value::Float(f) => Some(f64::from(*f)),
        _ => None,
    };
    Some(match (conversion, whole, real) {
        ('s', Some(n), _) => filled(upper(cut(n.to_string())), directive),
        ('s', _, Some(f)) if matches!(value, Value::Double(_)) => {
            let mut text = String::new();
            write_double(&mut text, f);
            filled(upper(cut(text)), directive)
        }
        ('s', ..) => filled(upper(cut(text())), directive),
        ('d', Some(n), _) => signed(directive, n < 0, n.unsigned_abs().to_string(), ""),
        ('x', Some(n), _) => padded(directive, upper(format!("{:x}", unsigned(n, data_type)))),
        ('o', Some(n), _) => padded(directive, format!("{:o}", unsigned(n, data_type))),
        ('c', Some(n), _) => filled(upper(char::from_u32(u32::try_from(n).ok()?)?.to_string()), directive),
        ('f' | 'e' | 'g', _, Some(f)) if !f.is_finite() => {
            let text = if f.is_nan() {
                "NaN"
            } else if f > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            filled(upper(text.to_string()), directive)
        }
        ('f', _, Some(f)) => {
            let digits = fixed(f.abs(), directive.precision.unwrap_or(6));
            let (whole, fraction) = digits.split_once('.').map_or((digits.as_str(), String::new()), |(w, f)| (w, format!(".{f}")));
            signed(directive, f.is_sign_negative(), whole.to_string(), &fraction)
        }
        ('e', _, Some(f)) => {
            let text = scientific(f.abs(), directive.precision.unwrap_or(6));
            upper(signed(directive, f.is_sign_negative(), text, ""))
        }
        ('g', _, Some(f)) => {
            let precision = directive.precision.unwrap_or(6).max(1);
            let magnitude = f.abs();
            let text = if magnitude == 0.0 || (1e-4..10f64.powi(precision as i32)).contains(&magnitude) {
                let before = if magnitude >= 1.0 { magnitude.log10().floor() as usize + 1 } else { 0 };
                fixed(magnitude, precision.saturating_sub(before.max(usize::from(magnitude == 0.0))))
            } else {
                scientific(magnitude, precision - 1)
            };
            upper(signed(directive, f.is_sign_negative(), text, ""))
        }
        _ => return None,
    })
}

/// The number's bits in the width of its type.
fn unsigned(n: i64, data_type: &DataType) -> u64 {
    match data_type {
        DataType::TinyInt => u64::from(n as u8),
        DataType::SmallInt => u64::from(n as u16),
        DataType::Int => u64::from(n as u32),
        _ => n as u64,
    }
}

fn padded(directive: &Directive, digits: String) -> String {
    let width = directive.width.unwrap_or(0);
    if directive.flags.contains('0') { format!("{digits:0>width$}") } else { filled(digits, directive) }
}

/// A number with its sign as the flags want it, separators of thousands and leading zeros.
fn signed(directive: &Directive, negative: bool, whole: String, fraction: &str) -> String {
    let flags = &directive.flags;
    let (before, after) = match negative {
        true if flags.contains('(') => ("(", ")"),
        true => ("-", ""),
        false if flags.contains('+') => ("+", ""),
        false if flags.contains(' ') => (" ", ""),
        false => ("", ""),
    };
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && flags.contains(',') && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let body = format!("{grouped}{fraction}");
    if flags.contains('0') {
        let width = directive.width.unwrap_or(0).saturating_sub(before.len() + after.len());
        return format!("{before}{body:0>width$}{after}");
    }
    filled(format!("{before}{body}{after}"), directive)
}

/// The shortest digits that make the number, and the place of the point among them.
fn shortest(value: f64) -> (Vec<u8>, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
    (digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// Rounds digits half up to `count` of them; whether a digit was carried in front.
fn round_digits(digits: &mut Vec<u8>, count: usize) -> bool {
    if digits.len() <= count {
        return false;
    }
    let up = digits[count] >= 5;
    digits.truncate(count);
    if !up {
        return false;
    }
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return false;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
    true
}

/// So many digits of fraction, rounded half up from the shortest digits, as Java does.
fn fixed(value: f64, precision: usize) -> String {
    let (mut digits, mut point) = shortest(value);
    let kept = point + precision as i32;
    if kept < 0 {
        digits = vec![0];
        point = 1;
    } else if round_digits(&mut digits, kept as usize) {
        point += 1;
    }
    // Digit `place` after the first; zeros stand before and behind those that are there.
    let digit = |place: i32| char::from(b'0' + usize::try_from(place).ok().and_then(|i| digits.get(i)).copied().unwrap_or(0));
    let mut out: String = if point > 0 { (0..point).map(digit).collect() } else { "0".to_string() };
    if precision > 0 {
        out.push('.');
        out.extend((0..precision as i32).map(|i| digit(point + i)));
    }
    out
}

/// `1.234568e+04`.
fn scientific(value: f64, precision: usize) -> String {
    if value == 0.0 {
        let zeros = if precision > 0 { format!(".{}", "0".repeat(precision)) } else { String::new() };
        return format!("0{zeros}e+00");
    }
    let (mut digits, mut point) = shortest(value);
    if round_digits(&mut digits, precision + 1) {
        point += 1;
    }
    digits.resize(precision + 1, 0);
    let text: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
    let fraction = if precision > 0 { format!(".{}", &text[1..]) } else { String::new() };
    let exponent = point - 1;
    format!("{}{fraction}e{}{:02}", &text[..1], if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
