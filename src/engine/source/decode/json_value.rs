//! JSON values → typed columns: what each of Spark's types takes from a JSON token.

use super::builder::{Builder, ListCells, MapCells, StructCells};
use super::json_scan::{Fault, MAX_NESTING, Raw, Scanner, Token, unescape};
use super::number;
use super::time::{self, Pattern, TimeReader};
use crate::engine::eval::{json_path, parse};
use crate::types::{DataType, DayTimeField, YearMonthField};
use base64::Engine as _;
use std::collections::HashMap;
use std::sync::Arc;

/// Fields that differ from the expected order are looked for among this many names.
const PLAN_LIMIT: usize = 256;

/// How one type is read; stands beside the column's [`Builder`].
#[derive(Debug)]
pub(super) enum Node {
    Void,
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal(u8, u8),
    Text,
    Bytes,
    Date(Option<Pattern>),
    Timestamp(Option<Pattern>),
    TimestampNtz(Option<Pattern>),
    Months(YearMonthField, YearMonthField),
    Micros(DayTimeField, DayTimeField),
    Calendar,
    Array(Box<Node>),
    Map(Box<Node>),
    Struct(Object),
}

/// The patterns of the options `dateFormat`, `timestampFormat` and `timestampNTZFormat`.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimePatterns {
    pub(crate) date: Option<Pattern>,
    pub(crate) timestamp: Option<Pattern>,
    pub(crate) timestamp_ntz: Option<Pattern>,
}

impl Node {
    pub(super) fn new(data_type: &DataType, patterns: &TimePatterns) -> Node {
        match data_type {
            DataType::Void => Node::Void,
            DataType::Boolean => Node::Boolean,
            DataType::TinyInt => Node::TinyInt,
            DataType::SmallInt => Node::SmallInt,
            DataType::Int => Node::Int,
            DataType::BigInt => Node::BigInt,
            DataType::Float => Node::Float,
            DataType::Double => Node::Double,
            DataType::Decimal(p, s) => Node::Decimal(*p, *s),
            DataType::String => Node::Text,
            DataType::Binary => Node::Bytes,
            DataType::Date => Node::Date(patterns.date.clone()),
            DataType::Timestamp => Node::Timestamp(patterns.timestamp.clone()),
            DataType::TimestampNtz => Node::TimestampNtz(patterns.timestamp_ntz.clone()),
            DataType::YearMonthInterval(from, to) => Node::Months(*from, *to),
            DataType::DayTimeInterval(from, to) => Node::Micros(*from, *to),
            DataType::CalendarInterval => Node::Calendar,
            DataType::Array(element) => Node::Array(Box::new(Node::new(element, patterns))),
            DataType::Map(_, value) => Node::Map(Box::new(Node::new(value, patterns))),
            DataType::Struct(fields) => Node::Struct(Object::new(fields.iter().map(|f| (Some(f.name.as_str()), &f.data_type)), patterns)),
        }
    }
}

/// The fields of a struct, with the order in which the data has been seen to bring them.
#[derive(Debug)]
pub(super) struct Object {
    index: HashMap<Arc<str>, usize>,
    pub(super) children: Vec<Node>,
    /// Names in their quotes as the first records spelt them, with the field each stands for, if any.
    plan: Vec<(Box<[u8]>, Option<usize>)>,
}

impl Object {
    /// Fields by name; one without a name is never found. Of equal names the first counts.
    pub(super) fn new<'f>(fields: impl Iterator<Item = (Option<&'f str>, &'f DataType)>, patterns: &TimePatterns) -> Object {
        let mut index = HashMap::new();
        let mut children = Vec::new();
        for (i, (name, data_type)) in fields.enumerate() {
            if let Some(name) = name {
                index.entry(Arc::from(name)).or_insert(i);
            }
            children.push(Node::new(data_type, patterns));
        }
        Object { index, children, plan: Vec::new() }
    }

    /// Reads a field's name and colon. `cursor` is the place in the plan where the name is expected.
    #[inline]
    fn field(&mut self, scan: &mut Scanner<'_>, cursor: &mut usize, scratch: &mut String) -> Result<Option<usize>, Fault> {
        if let Some((name, field)) = self.plan.get(*cursor)
            && scan.eat_all(name)
        {
            *cursor += 1;
            let field = *field;
            if !scan.eat(b':') {
                scan.space()?;
                if !scan.eat(b':') {
                    return Err(Fault::Syntax);
                }
            }
            return Ok(field);
        }
        self.other_field(scan, cursor, scratch)
    }

    fn other_field(&mut self, scan: &mut Scanner<'_>, cursor: &mut usize, scratch: &mut String) -> Result<Option<usize>, Fault> {
        let start = scan.pos;
        if let Some(at) = self.plan.iter().position(|(name, _)| scan.eat_all(name)) {
            scan.space()?;
            *cursor = at + 1;
            return if scan.eat(b':') { Ok(self.plan[at].1) } else { Err(Fault::Syntax) };
        }
        let name = scan.name()?;
        let field = self.index.get(unescape(name, scratch)).copied();
        // Only quoted names: an unquoted one could be the beginning of another.
        if self.plan.len() < PLAN_LIMIT && matches!(scan.since(start).as_bytes().first(), Some(b'"' | b'\'')) {
            let quoted = scan.since(start).as_bytes()[..name.text.len() + 2].into();
            self.plan.push((quoted, field));
            *cursor = self.plan.len();
        }
        Ok(field)
    }
}

/// Reads values into builders.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) times: TimeReader,
    pub(super) scratch: String,
    /// What stands for a STRING but is none is written anew, compact, as `from_json` does; else its text is kept.
    pub(super) rewrites: bool,
    /// A value was of the wrong type somewhere in the record: it is NULL, and the record counts as bad.
    pub(super) partial: bool,
}

impl Reader {
    /// Reads the value here into `builder`.
    ///
    /// # Errors
    /// After [`Fault::Mismatch`] the scanner stands behind the value and the builder may hold a begun row, which
    /// the caller cuts off.
    pub(super) fn read(&mut self, scan: &mut Scanner<'_>, node: &mut Node, builder: &mut Builder, depth: usize) -> Result<(), Fault> {
        match (&mut *node, &mut *builder) {
            (Node::Text, Builder::Text(cells)) => {
                if scan.peek() == Some(b'"') {
                    let raw = scan.string(b'"')?;
                    cells.push(unescape(raw, &mut self.scratch));
                    return Ok(());
                }
                self.text(scan, builder, depth)
            }
            (Node::Int, Builder::Int32(cells)) => {
                match integer(scan, depth)? {
                    Some(n) => cells.push(i32::try_from(n).map_err(|_| Fault::Mismatch)?),
                    None => cells.push_null(),
                }
                Ok(())
            }
            (Node::BigInt, Builder::Int64(cells)) => {
                match integer(scan, depth)? {
                    Some(n) => cells.push(n),
                    None => cells.push_null(),
                }
                Ok(())
            }
            (Node::Double, Builder::Float64(cells)) => {
                match floating(scan, depth)? {
                    Some(value) => cells.push(value),
                    None => cells.push_null(),
                }
                Ok(())
            }
            (Node::Timestamp(None), Builder::Int64(cells)) if scan.peek() == Some(b'"') => {
                let raw = scan.string(b'"')?;
                cells.push(self.times.timestamp(unescape(raw, &mut self.scratch)).ok_or(Fault::Mismatch)?);
                Ok(())
            }
            _ => self.rarer(scan, node, builder, depth),
        }
    }

    /// A STRING from anything but a plain string: NULL, or the raw text of the value.
    fn text(&mut self, scan: &mut Scanner<'_>, builder: &mut Builder, depth: usize) -> Result<(), Fault> {
        let start = scan.pos;
        let plain = matches!(scan.peek(), Some(b'"' | b'\'' | b'n'));
        if self.rewrites && !plain {
            let mut text = String::new();
            json_path::copy(scan, &mut text, &mut self.scratch, depth)?;
            if let Builder::Text(cells) = builder {
                cells.push(&text);
            }
            return Ok(());
        }
        let token = scan.token()?;
        if let Token::Object | Token::Array = token {
            scan.skip(depth)?;
        }
        match (token, &mut *builder) {
            (Token::Null, _) => builder.push_null(),
            (Token::String(raw), Builder::Text(cells)) => cells.push(unescape(raw, &mut self.scratch)),
            (_, Builder::Text(cells)) => cells.push(scan.since(start)),
            _ => return Err(Fault::Mismatch),
        }
        Ok(())
    }

    fn rarer(&mut self, scan: &mut Scanner<'_>, node: &mut Node, builder: &mut Builder, depth: usize) -> Result<(), Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::Syntax);
        }
        let token = scan.token()?;
        match (token, &mut *node, &mut *builder) {
            (Token::Null, ..) => builder.push_null(),
            (Token::True, Node::Boolean, Builder::Boolean(cells)) => cells.push(true),
            (Token::False, Node::Boolean, Builder::Boolean(cells)) => cells.push(false),
            (Token::Object, Node::Struct(object), Builder::Struct(cells)) => {
                self.members(scan, object, cells, depth)?;
                cells.end_row();
            }
            (Token::Array, Node::Array(element), Builder::List(cells)) => self.elements(scan, element, cells, depth)?,
            (Token::Object, Node::Map(value), Builder::Map(cells)) => self.entries(scan, value, cells, depth)?,
            (Token::Object | Token::Array, ..) => {
                scan.skip(depth)?;
                return Err(Fault::Mismatch);
            }
            (token, node, builder) => self.atom(token, node, builder).ok_or(Fault::Mismatch)?,
        }
        Ok(())
    }

    fn atom(&mut self, token: Token<'_>, node: &Node, builder: &mut Builder) -> Option<()> {
        match (token, node, builder) {
            (Token::Int(text), Node::TinyInt, Builder::Int8(cells)) => {
                // Spark takes -128 to 255 here and keeps the low byte.
                cells.push(text.parse::<i64>().ok().filter(|n| (-128..=255).contains(n))? as i8);
            }
            (Token::Int(text), Node::SmallInt, Builder::Int16(cells)) => cells.push(text.parse().ok()?),
            (Token::Int(text) | Token::Float(text), Node::Float, Builder::Float32(cells)) => {
                let value = number::float(text.as_bytes())?;
                cells.push(if value == 0.0 && matches!(token, Token::Int(_)) { 0.0 } else { value });
            }
            (Token::Special(value), Node::Float, Builder::Float32(cells)) => cells.push(value as f32),
            (Token::String(raw), Node::Float, Builder::Float32(cells)) => cells.push(named_number(raw)? as f32),
            (Token::Special(value), Node::Double, Builder::Float64(cells)) => cells.push(value),
            (Token::String(raw), Node::Double, Builder::Float64(cells)) => cells.push(named_number(raw)?),
            (Token::Int(text) | Token::Float(text), Node::Decimal(p, s), Builder::Int128(cells)) => {
                cells.push(number::decimal(text.as_bytes(), *p, *s)?);
            }
            (Token::String(raw), Node::Decimal(p, s), Builder::Int128(cells)) => {
                let text = unescape(raw, &mut self.scratch).replace(',', "");
                cells.push(number::decimal(text.as_bytes(), *p, *s)?);
            }
            (Token::String(raw), Node::Bytes, Builder::Bytes(cells)) => {
                let text = unescape(raw, &mut self.scratch);
                cells.push(&base64::engine::general_purpose::STANDARD.decode(text).ok()?);
            }
            (Token::Int(text), Node::Timestamp(_), Builder::Int64(cells)) => {
                cells.push(text.parse::<i64>().ok()?.wrapping_mul(1_000_000));
            }
            (Token::String(raw), node, builder) => self.timely(unescape(raw, &mut String::new()), node, builder)?,
            _ => return None,
        }
        Some(())
    }

    /// Dates, times and intervals from text.
    fn timely(&mut self, text: &str, node: &Node, builder: &mut Builder) -> Option<()> {
        match (node, builder) {
            (Node::Timestamp(pattern), Builder::Int64(cells)) => cells.push(match pattern {
                Some(pattern) => pattern.parse(text)?,
                None => self.times.timestamp(text)?,
            }),
            (Node::TimestampNtz(pattern), Builder::Int64(cells)) => cells.push(match pattern {
                Some(pattern) => pattern.parse(text)?,
                None => self.times.timestamp_ntz(text)?,
            }),
            (Node::Date(pattern), Builder::Int32(cells)) => cells.push(match pattern {
                Some(pattern) => i32::try_from(pattern.parse(text)?).ok()?,
                None => time::date(text)?,
            }),
            (Node::Months(from, to), Builder::Int32(cells)) => cells.push(parse::year_month(text, *from, *to)?),
            (Node::Micros(from, to), Builder::Int64(cells)) => cells.push(parse::day_time(text, *from, *to)?),
            (Node::Calendar, Builder::Struct(cells)) => {
                let (months, days, micros) = time::calendar(text)?;
                if let [Builder::Int32(m), Builder::Int32(d), Builder::Int64(u)] = cells.members.as_mut_slice() {
                    m.push(months);
                    d.push(days);
                    u.push(micros);
                }
                cells.end_row();
            }
            _ => return None,
        }
        Some(())
    }

    /// The members of the object here, added to a row that the caller ends.
    pub(super) fn members(
        &mut self,
        scan: &mut Scanner<'_>,
        object: &mut Object,
        cells: &mut StructCells,
        depth: usize,
    ) -> Result<(), Fault> {
        let row = cells.len();
        scan.pos += 1;
        scan.space()?;
        if scan.eat(b'}') {
            return Ok(());
        }
        let mut cursor = 0;
        loop {
            let field = object.field(scan, &mut cursor, &mut self.scratch)?;
            scan.space()?;
            match field {
                Some(i) => self.member(scan, &mut object.children[i], &mut cells.members[i], row, depth + 1)?,
                None => scan.skip(depth + 1)?,
            }
            scan.space()?;
            if scan.eat(b'}') {
                return Ok(());
            }
            scan.comma()?;
        }
    }

    /// One member; of equal names the last good value counts.
    #[inline]
    fn member(&mut self, scan: &mut Scanner<'_>, node: &mut Node, builder: &mut Builder, row: usize, depth: usize) -> Result<(), Fault> {
        let before = builder.len();
        let start = scan.pos;
        match self.read(scan, node, builder, depth) {
            Ok(()) if before > row => {
                builder.truncate(row);
                scan.pos = start;
                self.read(scan, node, builder, depth)
            }
            Err(Fault::Mismatch) => {
                builder.truncate(before);
                self.partial = true;
                Ok(())
            }
            other => other,
        }
    }

    /// An array is as a whole of the wrong type when one of its elements is, unless that is a struct.
    fn elements(&mut self, scan: &mut Scanner<'_>, node: &mut Node, cells: &mut ListCells, depth: usize) -> Result<(), Fault> {
        scan.pos += 1;
        scan.space()?;
        let mut wrong = false;
        if !scan.eat(b']') {
            loop {
                match if wrong { scan.skip(depth + 1) } else { self.read(scan, node, &mut cells.inner, depth + 1) } {
                    Err(Fault::Mismatch) => wrong = true,
                    other => other?,
                }
                scan.space()?;
                if scan.eat(b']') {
                    break;
                }
                scan.comma()?;
            }
        }
        if wrong {
            return Err(Fault::Mismatch);
        }
        cells.end_row();
        Ok(())
    }

    fn entries(&mut self, scan: &mut Scanner<'_>, node: &mut Node, cells: &mut MapCells, depth: usize) -> Result<(), Fault> {
        let Builder::Text(_) = &*cells.keys else {
            scan.skip(depth)?;
            return Err(Fault::Mismatch);
        };
        scan.pos += 1;
        scan.space()?;
        let mut wrong = false;
        if !scan.eat(b'}') {
            loop {
                let name = scan.name()?;
                if let Builder::Text(keys) = &mut *cells.keys {
                    keys.push(unescape(name, &mut self.scratch));
                }
                scan.space()?;
                match if wrong { scan.skip(depth + 1) } else { self.read(scan, node, &mut cells.values, depth + 1) } {
                    Err(Fault::Mismatch) => wrong = true,
                    other => other?,
                }
                scan.space()?;
                if scan.eat(b'}') {
                    break;
                }
                scan.comma()?;
            }
        }
        if wrong {
            return Err(Fault::Mismatch);
        }
        cells.end_row();
        Ok(())
    }
}

/// The strings that FLOAT and DOUBLE take.
fn named_number(raw: Raw<'_>) -> Option<f64> {
    match raw.text {
        "NaN" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "+INF" => Some(f64::INFINITY),
        "-Infinity" | "-INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// A whole number, or `None` for NULL.
#[inline]
fn integer(scan: &mut Scanner<'_>, depth: usize) -> Result<Option<i64>, Fault> {
    match scan.token()? {
        Token::Int(text) => small_integer(text).or_else(|| text.parse().ok()).map(Some).ok_or(Fault::Mismatch),
        Token::Null => Ok(None),
        token => mismatch(scan, token, depth),
    }
}

/// A double, or `None` for NULL.
#[inline]
fn floating(scan: &mut Scanner<'_>, depth: usize) -> Result<Option<f64>, Fault> {
    let value = match scan.token()? {
        Token::Float(text) => number::double(text.as_bytes()),
        // A whole number has no negative zero.
        Token::Int(text) => number::double(text.as_bytes()).map(|v| if v == 0.0 { 0.0 } else { v }),
        Token::Special(value) => Some(value),
        Token::String(raw) => named_number(raw),
        Token::Null => return Ok(None),
        token => return mismatch(scan, token, depth),
    };
    value.map(Some).ok_or(Fault::Mismatch)
}

/// Passes over the value whose token was read.
fn mismatch<T>(scan: &mut Scanner<'_>, token: Token<'_>, depth: usize) -> Result<T, Fault> {
    if let Token::Object | Token::Array = token {
        scan.skip(depth)?;
    }
    Err(Fault::Mismatch)
}

#[inline]
fn small_integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        digits => (false, digits),
    };
    if digits.len() > 18 {
        return None;
    }
    let value = digits.iter().fold(0i64, |n, d| n * 10 + i64::from(d - b'0'));
    Some(if negative { -value } else { value })
}
