//! Kernels that take a regular expression: `rlike`, `split` and the `regexp_` functions.

use super::access::{Cells, array_series, map_rows, map1, map2};
use super::java_regex::{JavaRegex, compiled};
use super::string::{byte_of, characters};
use super::string_slice::Slices;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::bitmap::BitmapBuilder;
use std::rc::Rc;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "rlike", fallible: true, kernel: rlike },
    KernelEntry { name: "split", fallible: true, kernel: split },
    KernelEntry { name: "regexp_extract", fallible: true, kernel: extract },
    KernelEntry { name: "regexp_extract_all", fallible: true, kernel: extract_all },
    KernelEntry { name: "regexp_replace", fallible: true, kernel: replace },
    KernelEntry { name: "regexp_count", fallible: true, kernel: count },
    KernelEntry { name: "regexp_instr", fallible: true, kernel: instr },
    KernelEntry { name: "regexp_substr", fallible: true, kernel: substr },
];

fn compile(pattern: &str, function: &str) -> Result<Rc<JavaRegex>> {
    compiled(pattern).ok_or_else(|| {
        let message = format!("the value of parameter `regexp` in `{function}` is invalid: '{pattern}'");
        EngineError::data("INVALID_PARAMETER_VALUE.PATTERN", message)
    })
}

/// The patterns of a call: one compiled for all rows, or one per row through the store.
struct Patterns<'a> {
    texts: super::access::Texts<'a>,
    constant: Option<Option<Rc<JavaRegex>>>,
    function: &'static str,
}

impl<'a> Patterns<'a> {
    fn new(call: &'a KernelCall<'_>, index: usize, function: &'static str) -> Result<Patterns<'a>> {
        let texts = call.texts(index)?;
        let mut patterns = Patterns { texts, constant: None, function };
        if texts.is_constant() {
            patterns.constant = Some(texts.at(0).map(|p| patterns.compile(p)).transpose()?);
        }
        Ok(patterns)
    }

    fn compile(&self, pattern: &str) -> Result<Rc<JavaRegex>> {
        compile(pattern, self.function)
    }

    fn at(&self, row: usize) -> Result<Option<Rc<JavaRegex>>> {
        match &self.constant {
            Some(regex) => Ok(regex.clone()),
            None => self.texts.at(row).map(|p| self.compile(p)).transpose(),
        }
    }
}

fn rlike(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let patterns = Patterns::new(call, 1, "rlike")?;
    if let Some(Some(regex)) = &patterns.constant {
        return map1(&texts, |text| Ok(Some(regex.is_match(text))));
    }
    map_rows(call.length(), |row| {
        let (Some(text), Some(regex)) = (texts.at(row), patterns.at(row)?) else { return Ok(None) };
        Ok(Some(regex.is_match(text)))
    })
}

fn split(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let patterns = Patterns::new(call, 1, "split")?;
    let limits = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    let n = call.length();
    let mut pieces = Slices::new(texts, n * 4);
    let mut offsets = Vec::with_capacity(n + 1);
    let mut valid = BitmapBuilder::with_capacity(n);
    offsets.push(0);
    for row in 0..n {
        let limit = limits.as_ref().map_or(Some(-1), |l| l.at(row));
        let cell = (texts.at(row), patterns.at(row).map_err(|e| e.at_row(row))?, limit);
        if let (Some(text), Some(regex), Some(limit)) = cell {
            let limit = usize::try_from(limit).ok().filter(|l| *l > 0).unwrap_or(usize::MAX);
            match regex.literal() {
                Some(part) if limit == usize::MAX && part.len() == 1 => pieces.split(row, part.as_bytes()[0]),
                Some(part) => split_by_text(text, part, limit, |start, end| pieces.push(row, start, end)),
                None if patterns.texts.at(row) == Some("") => split_characters(text, limit, |start, end| pieces.push(row, start, end)),
                None => split_by_regex(text, &regex, limit, |start, end| pieces.push(row, start, end)),
            }
            valid.push(true);
        } else {
            valid.push(false);
        }
        offsets.push(pieces.len() as i64);
    }
    array_series(offsets, pieces.finish(), valid.into_opt_validity(), &DataType::String)
}

/// The pieces of one text between the matches of a pattern; `limit` as in `split`.
pub(super) fn pieces(text: &str, pattern: &str, limit: i32, function: &'static str, piece: impl FnMut(usize, usize)) -> Result<()> {
    let limit = usize::try_from(limit).ok().filter(|l| *l > 0).unwrap_or(usize::MAX);
    let regex = compile(pattern, function)?;
    match regex.literal() {
        Some(part) => split_by_text(text, part, limit, piece),
        None if pattern.is_empty() => split_characters(text, limit, piece),
        None => split_by_regex(text, &regex, limit, piece),
    }
    Ok(())
}

fn split_by_text(text: &str, part: &str, limit: usize, mut piece: impl FnMut(usize, usize)) {
    let (mut start, mut made) = (0, 1);
    if let [byte] = part.as_bytes() {
        for at in memchr::memchr_iter(*byte, text.as_bytes()) {
            if made == limit {
                break;
            }
            piece(start, at);
            start = at + 1;
            made += 1;
        }
    } else {
        for (at, _) in text.match_indices(part) {
            if made == limit {
                break;
            }
            piece(start, at);
            start = at + part.len();
            made += 1;
        }
    }
    piece(start, text.len());
}

/// An empty pattern gives the characters; the last piece takes what the limit leaves.
fn split_characters(text: &str, limit: usize, mut piece: impl FnMut(usize, usize)) {
    if text.is_empty() {
        return piece(0, 0);
    }
    let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).take(limit).collect();
    for (i, start) in starts.iter().enumerate() {
        piece(*start, starts.get(i + 1).copied().unwrap_or(text.len()));
    }
}

/// As Java's `Pattern.split`: an empty match at the beginning makes no piece.
fn split_by_regex(text: &str, regex: &JavaRegex, limit: usize, mut piece: impl FnMut(usize, usize)) {
    let (mut start, mut made, mut from) = (0, 1, 0);
    while made < limit {
        let Some(found) = regex.find_at(text, from) else { break };
        from = JavaRegex::after(text, found);
        if found == (0, 0) {
            continue;
        }
        piece(start, found.0);
        start = found.1;
        made += 1;
    }
    piece(start, text.len());
}

/// The group index of a call, checked against the pattern.
fn group_of(regex: &JavaRegex, index: i32, function: &str) -> Result<usize> {
    let groups = regex.group_count();
    usize::try_from(index).ok().filter(|i| *i <= groups).ok_or_else(|| {
        let message = format!(
            "the value of parameter `idx` in `{function}` is invalid: expects a group index between 0 and {groups}, but got {index}"
        );
        EngineError::data("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", message)
    })
}

fn extract(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let patterns = Patterns::new(call, 1, "regexp_extract")?;
    let indices = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    let n = call.length();
    let mut out = Slices::new(texts, n);
    for row in 0..n {
        let index = indices.as_ref().map_or(Some(1), |i| i.at(row));
        let (Some(text), Some(regex), Some(index)) = (texts.at(row), patterns.at(row).map_err(|e| e.at_row(row))?, index) else {
            out.push_null();
            continue;
        };
        let found = match index {
            0 => regex.find_at(text, 0),
            _ => match regex.groups_at(text, 0) {
                Some(groups) => groups[group_of(&regex, index, "regexp_extract").map_err(|e| e.at_row(row))?],
                None => None,
            },
        };
        let (start, end) = found.unwrap_or((0, 0));
        out.push(row, start, end);
    }
    Ok(out.finish())
}

fn extract_all(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let patterns = Patterns::new(call, 1, "regexp_extract_all")?;
    let indices = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    let n = call.length();
    let mut pieces = Slices::new(texts, n);
    let mut offsets = vec![0];
    let mut valid = BitmapBuilder::with_capacity(n);
    for row in 0..n {
        let index = indices.as_ref().map_or(Some(1), |i| i.at(row));
        let cell = (texts.at(row), patterns.at(row).map_err(|e| e.at_row(row))?, index);
        if let (Some(text), Some(regex), Some(index)) = cell {
            let mut from = 0;
            while let Some(groups) = regex.groups_at(text, from) {
                let group = group_of(&regex, index, "regexp_extract_all").map_err(|e| e.at_row(row))?;
                let (start, end) = groups[group].unwrap_or((0, 0));
                pieces.push(row, start, end);
                from = JavaRegex::after(text, groups[0].unwrap_or((from, from)));
            }
            valid.push(true);
        } else {
            valid.push(false);
        }
        offsets.push(pieces.len() as i64);
    }
    array_series(offsets, pieces.finish(), valid.into_opt_validity(), &DataType::String)
}

/// A piece of a replacement text.
enum Piece {
    Text(String),
    Group(usize),
}

/// Java's replacement syntax: `$1`, `${name}`, and a backslash before what is meant as it stands.
fn replacement(text: &str, regex: &JavaRegex) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.push(rest.next()?),
            '$' => {
                let group = if rest.peek() == Some(&'{') {
                    rest.next();
                    let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                    regex.group_index(&name)?
                } else {
                    let mut group = rest.next()?.to_digit(10)? as usize;
                    // More digits belong to the number as long as there is such a group.
                    while let Some(digit) = rest.peek().and_then(|c| c.to_digit(10)) {
                        let longer = group * 10 + digit as usize;
                        if longer > regex.group_count() {
                            break;
                        }
                        group = longer;
                        rest.next();
                    }
                    group
                };
                if group > regex.group_count() {
                    return None;
                }
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Group(group));
            }
            c => plain.push(c),
        }
    }
    pieces.push(Piece::Text(plain));
    Some(pieces)
}

fn replace(call: &KernelCall<'_>) -> Result {
    let (texts, with) = (call.texts(0)?, call.texts(2)?);
    let patterns = Patterns::new(call, 1, "regexp_replace")?;
    let positions = if call.args.len() > 3 { Some(call.numbers::<i32>(3)?) } else { None };
    let mut known: Option<(String, String, Option<Vec<Piece>>)> = None;
    map_rows(call.length(), |row| {
        let position = positions.as_ref().map_or(Some(1), |p| p.at(row));
        let (Some(text), Some(regex), Some(with), Some(position)) = (texts.at(row), patterns.at(row)?, with.at(row), position) else {
            return Ok(None);
        };
        if position < 1 {
            let message = format!("the position of `regexp_replace` must be at least 1, but is {position}");
            return Err(EngineError::data("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", message));
        }
        let from = byte_of(text, position as usize - 1);
        let mut found = if from < text.len() || position == 1 { regex.find_at(text, from) } else { None };
        if found.is_none() {
            return Ok(Some(text.to_string()));
        }
        let pattern = patterns.texts.at(row).unwrap_or_default();
        if !known.as_ref().is_some_and(|(p, w, _)| p == pattern && w == with) {
            known = Some((pattern.to_string(), with.to_string(), replacement(with, &regex)));
        }
        let Some((_, _, Some(pieces))) = &known else {
            let message = format!(
                "could not perform regexp_replace for source = \"{text}\", pattern = \"{pattern}\", replacement = \"{with}\" and position = {position}"
            );
            return Err(EngineError::data("INVALID_REGEXP_REPLACE", message));
        };
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        let plain = pieces.iter().all(|p| matches!(p, Piece::Text(_)));
        while let Some((start, end)) = found {
            out.push_str(&text[copied..start]);
            let groups = if plain { None } else { regex.groups_at(text, start) };
            for piece in pieces {
                match piece {
                    Piece::Text(plain) => out.push_str(plain),
                    Piece::Group(group) => {
                        let range = groups.as_ref().and_then(|g| g[*group]);
                        out.push_str(range.map_or("", |(start, end)| &text[start..end]));
                    }
                }
            }
            copied = end;
            found = regex.find_at(text, JavaRegex::after(text, (start, end)));
        }
        out.push_str(&text[copied..]);
        Ok(Some(out))
    })
}

fn count(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let patterns = Patterns::new(call, 1, "regexp_count")?;
    map_rows(call.length(), |row| {
        let (Some(text), Some(regex)) = (texts.at(row), patterns.at(row)?) else { return Ok(None) };
        let (mut from, mut count) = (0, 0i32);
        while let Some(found) = regex.find_at(text, from) {
            count += 1;
            from = JavaRegex::after(text, found);
        }
        Ok(Some(count))
    })
}

fn instr(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let patterns = Patterns::new(call, 1, "regexp_instr")?;
    // A group index is accepted, and not used, as in Spark.
    let indices = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    map_rows(call.length(), |row| {
        if indices.as_ref().is_some_and(|i| i.at(row).is_none()) {
            return Ok(None);
        }
        let (Some(text), Some(regex)) = (texts.at(row), patterns.at(row)?) else { return Ok(None) };
        Ok(Some(regex.find_at(text, 0).map_or(0, |(start, _)| characters(&text[..start]) as i32 + 1)))
    })
}

fn substr(call: &KernelCall<'_>) -> Result {
    let patterns = Patterns::new(call, 1, "regexp_substr")?;
    let texts = call.texts(0)?;
    if let Some(Some(regex)) = &patterns.constant {
        return map1(&texts, |text| Ok(regex.find_at(text, 0).map(|(start, end)| &text[start..end])));
    }
    map2(&texts, &patterns.texts, |text, pattern| {
        let regex = patterns.compile(pattern)?;
        Ok(regex.find_at(text, 0).map(|(start, end)| &text[start..end]))
    })
}
