//! Kernels over strings: case, length, trimming, padding, pieces, searching, joining.
//!
//! Positions and lengths count characters; where a string is ASCII they are bytes, which most loops test
//! for first.

use super::access::{self, Cells, Texts, map_rows, map_text, map1, map2, map3};
use super::string_slice::{Slices, slice_each};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use std::borrow::Cow;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "upper", fallible: false, kernel: upper },
    KernelEntry { name: "lower", fallible: false, kernel: lower },
    KernelEntry { name: "initcap", fallible: false, kernel: initcap },
    KernelEntry { name: "length", fallible: false, kernel: length },
    KernelEntry { name: "octet_length", fallible: false, kernel: |c| byte_length(c, 1) },
    KernelEntry { name: "bit_length", fallible: false, kernel: |c| byte_length(c, 8) },
    KernelEntry { name: "trim", fallible: false, kernel: |c| trim(c, true, true) },
    KernelEntry { name: "ltrim", fallible: false, kernel: |c| trim(c, true, false) },
    KernelEntry { name: "rtrim", fallible: false, kernel: |c| trim(c, false, true) },
    KernelEntry { name: "btrim", fallible: false, kernel: btrim },
    KernelEntry { name: "lpad", fallible: false, kernel: |c| pad(c, true) },
    KernelEntry { name: "rpad", fallible: false, kernel: |c| pad(c, false) },
    KernelEntry { name: "substring", fallible: false, kernel: substring },
    KernelEntry { name: "left", fallible: false, kernel: left },
    KernelEntry { name: "right", fallible: false, kernel: right },
    KernelEntry { name: "substring_index", fallible: false, kernel: substring_index },
    KernelEntry { name: "split_part", fallible: true, kernel: split_part },
    KernelEntry { name: "repeat", fallible: false, kernel: repeat },
    KernelEntry { name: "space", fallible: false, kernel: space },
    KernelEntry { name: "replace", fallible: false, kernel: replace },
    KernelEntry { name: "translate", fallible: false, kernel: translate },
    KernelEntry { name: "reverse", fallible: false, kernel: reverse },
    KernelEntry { name: "concat", fallible: false, kernel: concat },
    KernelEntry { name: "concat_ws", fallible: false, kernel: concat_ws },
    KernelEntry { name: "contains", fallible: false, kernel: |c| search(c, contains_bytes) },
    KernelEntry { name: "startswith", fallible: false, kernel: starts_with },
    KernelEntry { name: "endswith", fallible: false, kernel: |c| search(c, |text, part| text.ends_with(part)) },
    KernelEntry { name: "instr", fallible: true, kernel: instr },
    KernelEntry { name: "locate", fallible: false, kernel: locate },
    KernelEntry { name: "ascii", fallible: false, kernel: ascii },
    KernelEntry { name: "chr", fallible: false, kernel: chr },
];

/// Number of characters.
pub(super) fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Bytes that go on with a character which a byte before them begins: their highest bits are 10.
#[inline]
fn continuations(bytes: u128) -> u32 {
    const ONES: u128 = u128::MAX / 255;
    ((bytes >> 7) & !(bytes >> 6) & ONES).count_ones()
}

/// Where character `index` begins, in bytes; the end for one past the last.
pub(super) fn byte_of(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

fn upper(call: &KernelCall<'_>) -> Result {
    Ok(map_text(&call.texts(0)?, |text, out| {
        if text.is_ascii() {
            out.push_str(text);
            out.make_ascii_uppercase();
        } else {
            out.push_str(&text.to_uppercase());
        }
        true
    }))
}

fn lower(call: &KernelCall<'_>) -> Result {
    Ok(map_text(&call.texts(0)?, |text, out| {
        if text.is_ascii() {
            out.push_str(text);
            out.make_ascii_lowercase();
        } else {
            out.push_str(&text.to_lowercase());
        }
        true
    }))
}

/// The first letter of each word in title case, the rest in lower case; words end at spaces only.
fn initcap(call: &KernelCall<'_>) -> Result {
    Ok(map_text(&call.texts(0)?, |text, out| {
        let mut first = true;
        for c in text.to_lowercase().chars() {
            if first {
                push_title_case(c, out)
            } else {
                out.push(c)
            }
            first = c == ' ';
        }
        true
    }))
}

fn push_title_case(c: char, out: &mut String) {
    match c {
        // The digraphs that have a title case of their own.
        'ǆ' => out.push('ǅ'),
        'ǉ' => out.push('ǈ'),
        'ǌ' => out.push('ǋ'),
        'ǳ' => out.push('ǲ'),
        c => {
            let mut upper = c.to_uppercase();
            out.extend(upper.next());
            upper.for_each(|c| out.extend(c.to_lowercase()));
        }
    }
}

fn is_binary(call: &KernelCall<'_>, index: usize) -> bool {
    *call.data_type(index) == DataType::Binary
}

fn length(call: &KernelCall<'_>) -> Result {
    if is_binary(call, 0) {
        return byte_length(call, 1);
    }
    let texts = call.texts(0)?.0;
    // What stands under a NULL is a string as well.
    let lengths = texts.views().iter().enumerate().map(|(row, view)| match view.is_inline() {
        true => (view.length - (continuations(view.as_u128() >> 32))) as i32,
        false => characters(texts.value(row)) as i32,
    });
    Ok(access::number_series(lengths.collect(), call.texts(0)?.validity().cloned()))
}

fn byte_length(call: &KernelCall<'_>, factor: i32) -> Result {
    if is_binary(call, 0) {
        return map1(&call.bytes(0)?, |bytes| Ok(Some(bytes.len() as i32 * factor)));
    }
    map1(&call.texts(0)?, |text| Ok(Some(text.len() as i32 * factor)))
}

/// `trim(text)` takes spaces away; `trim(set, text)` every character of `set`.
fn trim(call: &KernelCall<'_>, front: bool, back: bool) -> Result {
    if call.args.len() == 1 {
        return Ok(slice_each(call.texts(0)?, |text| trimmed(text, |c| c == ' ', front, back)));
    }
    trim_set(&call.texts(1)?, &call.texts(0)?, front, back)
}

/// As `trim`, with the text first.
fn btrim(call: &KernelCall<'_>) -> Result {
    if call.args.len() == 1 {
        return trim(call, true, true);
    }
    trim_set(&call.texts(0)?, &call.texts(1)?, true, true)
}

fn trim_set(texts: &Texts<'_>, sets: &Texts<'_>, front: bool, back: bool) -> Result {
    let n = access::length(&[texts.len(), sets.len()]);
    let mut out = Slices::new(*texts, n);
    for row in 0..n {
        match (texts.at(row), sets.at(row)) {
            (Some(text), Some(set)) => {
                let (start, end) = trimmed(text, |c| set.contains(c), front, back);
                out.push(row, start, end);
            }
            _ => out.push_null(),
        }
    }
    Ok(out.finish())
}

fn trimmed(text: &str, drop: impl Fn(char) -> bool, front: bool, back: bool) -> (usize, usize) {
    let rest = if front { text.trim_start_matches(&drop) } else { text };
    let start = text.len() - rest.len();
    let kept = if back { rest.trim_end_matches(&drop) } else { rest };
    (start, start + kept.len())
}

fn pad(call: &KernelCall<'_>, left: bool) -> Result {
    let widths = call.numbers::<i32>(1)?;
    if is_binary(call, 0) {
        let bytes = call.bytes(0)?;
        let zero = [0u8].as_slice();
        let fills = if call.args.len() > 2 { Some(call.bytes(2)?) } else { None };
        return map_rows(call.length(), |row| {
            let (Some(value), Some(width)) = (bytes.at(row), widths.at(row)) else { return Ok(None) };
            let Some(fill) = fills.as_ref().map_or(Some(zero), |f| f.at(row)) else { return Ok(None) };
            Ok(Some(padded_bytes(value, usize::try_from(width).unwrap_or(0), fill, left)))
        });
    }
    let texts = call.texts(0)?;
    let fills = if call.args.len() > 2 { Some(call.texts(2)?) } else { None };
    map_rows(call.length(), |row| {
        let (Some(text), Some(width)) = (texts.at(row), widths.at(row)) else { return Ok(None) };
        let Some(fill) = fills.as_ref().map_or(Some(" "), |f| f.at(row)) else { return Ok(None) };
        Ok(Some(padded(text, usize::try_from(width).unwrap_or(0), fill, left)))
    })
}

fn padded<'a>(text: &'a str, width: usize, fill: &str, left: bool) -> Cow<'a, str> {
    let have = characters(text);
    if have >= width || fill.is_empty() {
        return Cow::Borrowed(&text[..byte_of(text, width)]);
    }
    let filling = fill.chars().cycle().take(width - have);
    let mut out = String::with_capacity(text.len() + width - have);
    if left {
        out.extend(filling);
        out.push_str(text);
    } else {
        out.push_str(text);
        out.extend(filling);
    }
    Cow::Owned(out)
}

fn padded_bytes(value: &[u8], width: usize, fill: &[u8], left: bool) -> Vec<u8> {
    if value.len() >= width || fill.is_empty() {
        return value[..width.min(value.len())].to_vec();
    }
    let filling = fill.iter().copied().cycle().take(width - value.len());
    if left { filling.chain(value.iter().copied()).collect() } else { value.iter().copied().chain(filling).collect() }
}

/// Start and end, in units of `len` of them, of SQL's `substring(… FROM position FOR length)`.
///
/// Positions count from 1, negative ones from the end, and 0 means 1. What lies before the start counts too:
/// `substring('Spark' FROM -10 FOR 7)` is `Sp`.
pub(super) fn substring_range(len: usize, position: i32, length: i32) -> (usize, usize) {
    let start = match position {
        p if p > 0 => i64::from(p) - 1,
        p if p < 0 => len as i64 + i64::from(p),
        _ => 0,
    };
    let end = (start + i64::from(length)).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    let clamp = |n: i64| n.clamp(0, len as i64) as usize;
    if end <= start { (0, 0) } else { (clamp(start), clamp(end)) }
}

/// The bytes of `text` between two character positions.
fn byte_range(text: &str, from: usize, to: usize) -> (usize, usize) {
    if text.is_ascii() {
        return (from.min(text.len()), to.min(text.len()));
    }
    let start = byte_of(text, from);
    (start, start + byte_of(&text[start..], to - from))
}

fn substring(call: &KernelCall<'_>) -> Result {
    let starts = call.numbers::<i32>(1)?;
    let lengths = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    let n = call.length();
    let bounds = |row: usize| {
        let length = lengths.as_ref().map_or(Some(i32::MAX), |l| l.at(row))?;
        Some((starts.at(row)?, length))
    };
    if is_binary(call, 0) {
        let bytes = call.bytes(0)?;
        return map_rows(n, |row| {
            let (Some(value), Some((position, length))) = (bytes.at(row), bounds(row)) else { return Ok(None) };
            let (start, end) = substring_range(value.len(), position, length);
            Ok(Some(&value[start..end]))
        });
    }
    let texts = call.texts(0)?;
    let mut out = Slices::new(texts, n);
    for row in 0..n {
        let (Some(text), Some((position, length))) = (texts.at(row), bounds(row)) else {
            out.push_null();
            continue;
        };
        // From the front, characters past the end need not be counted.
        let len = if position >= 0 { text.len() } else { characters(text) };
        let (from, to) = substring_range(len, position, length);
        let (start, end) = byte_range(text, from, to);
        out.push(row, start, end);
    }
    Ok(out.finish())
}

fn left(call: &KernelCall<'_>) -> Result {
    let counts = call.numbers::<i32>(1)?;
    if is_binary(call, 0) {
        return map2(&call.bytes(0)?, &counts, |value, n| Ok(Some(&value[..usize::try_from(n).unwrap_or(0).min(value.len())])));
    }
    let texts = call.texts(0)?;
    map2(&texts, &counts, |text, n| Ok(Some(&text[..byte_of(text, usize::try_from(n).unwrap_or(0))])))
}

fn right(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    map2(&texts, &call.numbers::<i32>(1)?, |text, n| {
        let n = usize::try_from(n).unwrap_or(0);
        Ok(Some(&text[byte_of(text, characters(text).saturating_sub(n))..]))
    })
}

fn substring_index(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    map3(&texts, &call.texts(1)?, &call.numbers::<i32>(2)?, |text, delimiter, count| {
        Ok(Some(match count {
            _ if delimiter.is_empty() || count == 0 => "",
            n if n > 0 => text.match_indices(delimiter).nth(n as usize - 1).map_or(text, |(at, _)| &text[..at]),
            n => {
                let found = text.rmatch_indices(delimiter).nth(n.unsigned_abs() as usize - 1);
                found.map_or(text, |(at, _)| &text[at + delimiter.len()..])
            }
        }))
    })
}

/// The error of an index that counts from one and is zero.
pub(super) fn index_of_zero() -> EngineError {
    EngineError::data("INVALID_INDEX_OF_ZERO", "the index 0 is invalid: an index is either below or above 0, the first element has 1")
}

fn split_part(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    map3(&texts, &call.texts(1)?, &call.numbers::<i32>(2)?, |text, delimiter, index| {
        let nth = match index {
            0 => return Err(index_of_zero()),
            n => n.unsigned_abs() as usize - 1,
        };
        let part = match (delimiter.is_empty(), index > 0) {
            (true, _) => (nth == 0).then_some(text),
            (_, true) => text.split(delimiter).nth(nth),
            (_, false) => text.rsplit(delimiter).nth(nth),
        };
        Ok(Some(part.unwrap_or("")))
    })
}

fn repeat(call: &KernelCall<'_>) -> Result {
    map2(&call.texts(0)?, &call.numbers::<i32>(1)?, |text, n| Ok(Some(text.repeat(usize::try_from(n).unwrap_or(0)))))
}

fn space(call: &KernelCall<'_>) -> Result {
    map1(&call.numbers::<i32>(0)?, |n| Ok(Some(" ".repeat(usize::try_from(n).unwrap_or(0)))))
}

fn replace(call: &KernelCall<'_>) -> Result {
    let texts = call.texts(0)?;
    let with = if call.args.len() > 2 { Some(call.texts(2)?) } else { None };
    let parts = call.texts(1)?;
    if let (true, Some(part)) = (parts.is_constant(), parts.at(0).filter(|p| !p.is_empty()))
        && let Some(with) = with.as_ref().map_or(Some(""), |w| w.at(0).filter(|_| w.is_constant()))
    {
        return Ok(replace_constant(&texts, part, with));
    }
    map_rows(call.length(), |row| {
        let (Some(text), Some(part)) = (texts.at(row), parts.at(row)) else { return Ok(None) };
        let Some(with) = with.as_ref().map_or(Some(""), |w| w.at(row)) else { return Ok(None) };
        Ok(Some(if part.is_empty() || !text.contains(part) { Cow::Borrowed(text) } else { Cow::Owned(text.replace(part, with)) }))
    })
}

/// Every `part`, which is not empty, gives way to `with`.
fn replace_constant(texts: &Texts<'_>, part: &str, with: &str) -> Series {
    if let [byte] = part.as_bytes() {
        // A single byte is found sooner by looking at each than by a search that has to be set up for every string.
        let byte = *byte;
        return access::map_text(texts, |text, out| {
            let mut from = 0;
            for (at, _) in text.bytes().enumerate().filter(|(_, b)| *b == byte) {
                out.push_str(&text[from..at]);
                out.push_str(with);
                from = at + 1;
            }
            out.push_str(&text[from..]);
            true
        });
    }
    let finder = memchr::memmem::Finder::new(part);
    access::map_text(texts, |text, out| {
        let mut from = 0;
        for at in finder.find_iter(text.as_bytes()) {
            out.push_str(&text[from..at]);
            out.push_str(with);
            from = at + part.len();
        }
        out.push_str(&text[from..]);
        true
    })
}

fn translate(call: &KernelCall<'_>) -> Result {
    map3(&call.texts(0)?, &call.texts(1)?, &call.texts(2)?, |text, from, to| {
        let mut pairs: Vec<(char, Option<char>)> = Vec::new();
        let mut to = to.chars();
        for c in from.chars() {
            let replacement = to.next().filter(|c| *c != '\0');
            if !pairs.iter().any(|(known, _)| *known == c) {
                pairs.push((c, replacement));
            }
        }
        let replaced = |c: char| pairs.iter().find(|(known, _)| *known == c).map_or(Some(c), |(_, with)| *with);
        Ok(Some(text.chars().filter_map(replaced).collect::<String>()))
    })
}

fn reverse(call: &KernelCall<'_>) -> Result {
    match call.data_type(0) {
        DataType::Array(_) => super::array::reverse(call),
        DataType::Binary => map1(&call.bytes(0)?, |value| Ok(Some(value.iter().rev().copied().collect::<Vec<u8>>()))),
        _ => map1(&call.texts(0)?, |text| Ok(Some(text.chars().rev().collect::<String>()))),
    }
}

fn concat(call: &KernelCall<'_>) -> Result {
    match call.returns {
        DataType::Array(_) => super::array::concat(call),
        DataType::Binary => {
            let parts = (0..call.args.len()).map(|i| call.bytes(i)).collect::<Result<Vec<_>>>()?;
            map_rows(call.length(), |row| {
                let values: Option<Vec<&[u8]>> = parts.iter().map(|p| p.at(row)).collect();
                Ok(values.map(|v| v.concat()))
            })
        }
        _ => concat_texts(call),
    }
}

fn concat_texts(call: &KernelCall<'_>) -> Result {
    let parts = (0..call.args.len()).map(|i| call.texts(i)).collect::<Result<Vec<_>>>()?;
    let n = call.length();
    let mut builder = polars_arrow::array::MutableBinaryViewArray::<str>::with_capacity(n);
    let mut buffer = String::new();
    'rows: for row in 0..n {
        buffer.clear();
        for part in &parts {
            match part.at(row) {
                Some(text) => buffer.push_str(text),
                None => {
                    builder.push_null();
                    continue 'rows;
                }
            }
        }
        builder.push_value(buffer.as_str());
    }
    Ok(Series::from_array(polars::prelude::PlSmallStr::EMPTY, builder.freeze()))
}

/// One argument of `concat_ws`: a string, or an array of them with its elements.
enum Joined<'a> {
    Text(Texts<'a>),
    Array(access::Lists<'a>),
}

fn concat_ws(call: &KernelCall<'_>) -> Result {
    let separators = call.texts(0)?;
    let mut parts = Vec::new();
    for index in 1..call.args.len() {
        parts.push(match call.data_type(index) {
            DataType::Array(_) => Joined::Array(call.lists(index)?),
            _ => Joined::Text(call.texts(index)?),
        });
    }
    let mut joined = Vec::new();
    for part in &parts {
        joined.push(match part {
            Joined::Text(texts) => (*texts, None),
            Joined::Array(lists) => (access::texts(lists.inner())?, Some(lists)),
        });
    }
    map_rows(call.length(), |row| {
        let Some(separator) = separators.at(row) else { return Ok(None) };
        let mut out: Option<String> = None;
        let mut add = |text: &str| match &mut out {
            Some(so_far) => {
                so_far.push_str(separator);
                so_far.push_str(text);
            }
            None => out = Some(text.to_string()),
        };
        for (texts, lists) in &joined {
            match lists {
                None => texts.at(row).into_iter().for_each(&mut add),
                Some(lists) => {
                    let (start, end) = lists.at(row).unwrap_or((0, 0));
                    (start..end).filter_map(|i| texts.at(i)).for_each(&mut add);
                }
            }
        }
        Ok(Some(out.unwrap_or_default()))
    })
}

fn contains_bytes(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

fn search(call: &KernelCall<'_>, test: impl Fn(&[u8], &[u8]) -> bool) -> Result {
    if is_binary(call, 0) {
        return map2(&call.bytes(0)?, &call.bytes(1)?, |text, part| Ok(Some(test(text, part))));
    }
    map2(&call.texts(0)?, &call.texts(1)?, |text, part| Ok(Some(test(text.as_bytes(), part.as_bytes()))))
}

fn starts_with(call: &KernelCall<'_>) -> Result {
    let test = |text: &[u8], part: &[u8]| text.starts_with(part);
    if is_binary(call, 0) {
        return search(call, test);
    }
    let (texts, parts) = (call.texts(0)?, call.texts(1)?);
    let (true, Some(part)) = (parts.is_constant(), parts.at(0)) else { return search(call, test) };
    // A string carries its first four bytes with it: most are decided by those.
    let known = part.len().min(4);
    let mut first = [0; 4];
    first[..known].copy_from_slice(&part.as_bytes()[..known]);
    let (first, mask) = (u32::from_le_bytes(first), (u64::from(u32::MAX) >> (32 - 8 * known)) as u32);
    let views = texts.0.views().as_slice();
    let answer = access::bits(views.len(), |row| {
        let view = &views[row];
        view.length as usize >= part.len() && view.prefix & mask == first && (part.len() <= 4 || texts.0.value(row).starts_with(part))
    });
    Ok(access::flag_series(answer, texts.validity().cloned()))
}

/// The position of the first character at or after byte `from` where `part` begins, from 1; 0 when nowhere.
fn position_from(text: &str, part: &str, from: usize) -> i32 {
    match text.get(from..).and_then(|rest| rest.find(part)) {
        Some(at) => characters(&text[..from + at]) as i32 + 1,
        None => 0,
    }
}

fn instr(call: &KernelCall<'_>) -> Result {
    let (texts, parts) = (call.texts(0)?, call.texts(1)?);
    if call.args.len() == 2 {
        return map2(&texts, &parts, |text, part| Ok(Some(position_from(text, part, 0))));
    }
    let starts = call.numbers::<i32>(2)?;
    let counts = if call.args.len() > 3 { Some(call.numbers::<i32>(3)?) } else { None };
    map_rows(call.length(), |row| {
        let (Some(text), Some(part), Some(start)) = (texts.at(row), parts.at(row), starts.at(row)) else { return Ok(None) };
        let Some(count) = counts.as_ref().map_or(Some(1), |c| c.at(row)) else { return Ok(None) };
        if count < 1 {
            let message = format!("the value of `occurrence` in `instr` is invalid: expects a positive integer, but got {count}");
            return Err(EngineError::data("INVALID_PARAMETER_VALUE.OCCURRENCE", message));
        }
        Ok(Some(nth_position(text, part, start, count)))
    })
}

/// The position where `part` stands for the `count`-th time, from `start` on, or from the end backwards.
fn nth_position(text: &str, part: &str, start: i32, count: i32) -> i32 {
    if part.is_empty() {
        return i32::from(start != 0);
    }
    let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let last = boundaries.len() - 1;
    let found = |index: &usize| text[boundaries[*index]..].starts_with(part);
    let nth = count as usize - 1;
    let at = match start {
        0 => None,
        s if s > 0 => (s as usize - 1..=last).filter(found).nth(nth),
        s => last.checked_sub(s.unsigned_abs() as usize).and_then(|from| (0..=from).rev().filter(found).nth(nth)),
    };
    at.map_or(0, |index| index as i32 + 1)
}

fn locate(call: &KernelCall<'_>) -> Result {
    let (parts, texts) = (call.texts(0)?, call.texts(1)?);
    let starts = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    map_rows(call.length(), |row| {
        // A NULL start is no position, even where the text is NULL.
        let Some(start) = starts.as_ref().map_or(Some(1), |s| s.at(row)) else { return Ok(Some(0)) };
        let (Some(part), Some(text)) = (parts.at(row), texts.at(row)) else { return Ok(None) };
        let from = usize::try_from(start - 1).map(|n| byte_of(text, n));
        Ok(Some(from.map_or(0, |from| position_from(text, part, from))))
    })
}

fn ascii(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| Ok(Some(text.chars().next().map_or(0, |c| c as i32))))
}

fn chr(call: &KernelCall<'_>) -> Result {
    map1(&call.numbers::<i64>(0)?, |n| Ok(Some(if n < 0 { String::new() } else { char::from((n & 0xFF) as u8).to_string() })))
}
