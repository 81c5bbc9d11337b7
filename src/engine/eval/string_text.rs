//! Kernels over strings that are asked for less often: similarity, masking, lists in texts, check digits, UTF-8.

use super::access::{Bytes, Cells, Texts, array_series, map_rows, map1, map2, texts};
use super::string::{byte_of, characters, substring_range};
use super::string_slice::Slices;
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "elt", fallible: true, kernel: elt },
    KernelEntry { name: "find_in_set", fallible: false, kernel: find_in_set },
    KernelEntry { name: "levenshtein", fallible: false, kernel: levenshtein },
    KernelEntry { name: "jaro_winkler_similarity", fallible: false, kernel: jaro_winkler },
    KernelEntry { name: "soundex", fallible: false, kernel: soundex },
    KernelEntry { name: "luhn_check", fallible: false, kernel: luhn_check },
    KernelEntry { name: "mask", fallible: false, kernel: mask },
    KernelEntry { name: "overlay", fallible: false, kernel: overlay },
    KernelEntry { name: "quote", fallible: false, kernel: quote },
    KernelEntry { name: "sentences", fallible: false, kernel: sentences },
    KernelEntry { name: "is_valid_utf8", fallible: false, kernel: is_valid_utf8 },
    KernelEntry { name: "make_valid_utf8", fallible: false, kernel: make_valid_utf8 },
    KernelEntry { name: "validate_utf8", fallible: true, kernel: |c| validate_utf8(c, false) },
    KernelEntry { name: "try_validate_utf8", fallible: false, kernel: |c| validate_utf8(c, true) },
];

/// The argument of that number, counted from 1.
fn elt(call: &KernelCall<'_>) -> Result {
    let indices = call.numbers::<i32>(0)?;
    let parts = (1..call.args.len()).map(|i| call.texts(i)).collect::<Result<Vec<_>>>()?;
    map_rows(call.length(), |row| {
        let Some(index) = indices.at(row) else { return Ok(None) };
        let chosen = usize::try_from(index).ok().and_then(|i| i.checked_sub(1)).and_then(|i| parts.get(i));
        match chosen {
            Some(part) => Ok(part.at(row)),
            None => {
                let message = format!("the index {index} is out of bounds: there are {} elements", parts.len());
                Err(EngineError::data("INVALID_ARRAY_INDEX", message))
            }
        }
    })
}

/// Where a word stands in a list with commas, counted from 1; 0 when nowhere.
fn find_in_set(call: &KernelCall<'_>) -> Result {
    map2(&call.texts(0)?, &call.texts(1)?, |word, list| {
        let found = if word.contains(',') { None } else { list.split(',').position(|part| part == word) };
        Ok(Some(found.map_or(0, |at| at as i32 + 1)))
    })
}

/// Edits between two texts; -1 where they are more than the limit.
fn levenshtein(call: &KernelCall<'_>) -> Result {
    let (left, right) = (call.texts(0)?, call.texts(1)?);
    let limits = if call.args.len() > 2 { Some(call.numbers::<i32>(2)?) } else { None };
    map_rows(call.length(), |row| {
        let (Some(left), Some(right)) = (left.at(row), right.at(row)) else { return Ok(None) };
        let Some(limit) = limits.as_ref().map_or(Some(i32::MAX), |l| l.at(row)) else { return Ok(None) };
        let distance = strsim::levenshtein(left, right) as i32;
        Ok(Some(if distance > limit { -1 } else { distance }))
    })
}

fn jaro_winkler(call: &KernelCall<'_>) -> Result {
    map2(&call.texts(0)?, &call.texts(1)?, |left, right| {
        let jaro = strsim::jaro(left, right);
        let same = left.chars().zip(right.chars()).take(4).take_while(|(a, b)| a == b).count();
        Ok(Some(if jaro < 0.7 { jaro } else { jaro + 0.1 * same as f64 * (1.0 - jaro) }))
    })
}

/// The American soundex code; a text that does not begin with a letter stays as it is.
fn soundex(call: &KernelCall<'_>) -> Result {
    const CODES: &[u8; 26] = b"01230127022455012623017202";
    map1(&call.texts(0)?, |text| {
        let mut letters = text.bytes().map(|b| b.to_ascii_uppercase());
        let Some(first) = letters.next().filter(u8::is_ascii_uppercase) else { return Ok(Some(text.to_string())) };
        let mut code = vec![first];
        let mut last = CODES[usize::from(first - b'A')];
        for letter in letters {
            if !letter.is_ascii_uppercase() {
                last = b'0';
                continue;
            }
            match CODES[usize::from(letter - b'A')] {
                // H and W do not part equal codes.
                b'7' => {}
                next => {
                    if next != b'0' && next != last && code.len() < 4 {
                        code.push(next);
                    }
                    last = next;
                }
            }
        }
        code.resize(4, b'0');
        Ok(Some(code.into_iter().map(char::from).collect()))
    })
}

fn luhn_check(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| {
        let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(10)).collect();
        let Some(digits) = digits.filter(|d| !d.is_empty()) else { return Ok(Some(false)) };
        let doubled = |(i, d): (usize, &u32)| match (i % 2, *d) {
            (0, d) => d,
            (_, d) => d * 2 - if d > 4 { 9 } else { 0 },
        };
        Ok(Some(digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0))
    })
}

/// Letters and digits hidden; NULL for a kind leaves it as it is.
fn mask(call: &KernelCall<'_>) -> Result {
    let input = call.texts(0)?;
    let with = (1..call.args.len()).map(|i| call.texts(i)).collect::<Result<Vec<_>>>()?;
    map_rows(call.length(), |row| {
        let Some(text) = input.at(row) else { return Ok(None) };
        let cover = |kind: usize| match with.get(kind) {
            Some(cells) => cells.at(row).and_then(|c| c.chars().next()),
            None => [Some('X'), Some('x'), Some('n'), None][kind],
        };
        let covers = [cover(0), cover(1), cover(2), cover(3)];
        let masked = |c: char| {
            let kind = if c.is_uppercase() {
                0
            } else if c.is_lowercase() {
                1
            } else if c.is_numeric() {
                2
            } else {
                3
            };
            covers[kind].unwrap_or(c)
        };
        Ok(Some(text.chars().map(masked).collect::<String>()))
    })
}

/// The value with a part replaced: from a position on, as long as the replacement unless a length is given.
fn overlay(call: &KernelCall<'_>) -> Result {
    let positions = call.numbers::<i32>(2)?;
    let lengths = if call.args.len() > 3 { Some(call.numbers::<i32>(3)?) } else { None };
    let bounds = |row: usize, len: usize, replaced: usize| {
        let position = positions.at(row)?;
        let length = lengths.as_ref().map_or(Some(-1), |l| l.at(row))?;
        let length = if length >= 0 { length } else { replaced as i32 };
        let head = substring_range(len, 1, position.saturating_sub(1)).1;
        Some((head, substring_range(len, position.saturating_add(length), i32::MAX)))
    };
    if *call.returns == DataType::Binary {
        let (values, parts) = (call.bytes(0)?, call.bytes(1)?);
        return map_rows(call.length(), |row| {
            let (Some(value), Some(part)) = (values.at(row), parts.at(row)) else { return Ok(None) };
            Ok(bounds(row, value.len(), part.len()).map(|(head, (from, to))| [&value[..head], part, &value[from..to]].concat()))
        });
    }
    let (values, parts) = (call.texts(0)?, call.texts(1)?);
    map_rows(call.length(), |row| {
        let (Some(value), Some(part)) = (values.at(row), parts.at(row)) else { return Ok(None) };
        let bounds = bounds(row, characters(value), characters(part));
        Ok(bounds.map(|(head, (from, to))| {
            let tail = if from < to { &value[byte_of(value, from)..] } else { "" };
            [&value[..byte_of(value, head)], part, tail].concat()
        }))
    })
}

fn quote(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| Ok(Some(format!("'{}'", text.replace('\'', "\\'")))))
}

/// Sentences of words, by English punctuation; a full stop ends a sentence only before a capital.
fn sentences(call: &KernelCall<'_>) -> Result {
    let input: Texts<'_> = call.texts(0)?;
    let n = call.length();
    let mut words = Slices::new(input, n * 8);
    let (mut inner, mut outer) = (vec![0i64], vec![0i64]);
    let mut valid = polars_arrow::bitmap::BitmapBuilder::with_capacity(n);
    for row in 0..n {
        let text = input.at(row);
        valid.push(text.is_some());
        let text = text.unwrap_or("");
        let mut parts = text.split_whitespace().peekable();
        let base = text.as_ptr() as usize;
        let mut open = false;
        while let Some(part) = parts.next() {
            let word = part.trim_matches(|c: char| !c.is_alphanumeric());
            if !word.is_empty() {
                let start = word.as_ptr() as usize - base;
                words.push(row, start, start + word.len());
                open = true;
            }
            let capital = parts.peek().is_none_or(|next| next.starts_with(char::is_uppercase));
            if open && (part.ends_with(['!', '?']) || part.ends_with('.') && capital) {
                inner.push(words.len() as i64);
                open = false;
            }
        }
        if open {
            inner.push(words.len() as i64);
        }
        outer.push(inner.len() as i64 - 1);
    }
    let lists = array_series(inner, words.finish(), None, &DataType::String)?;
    array_series(outer, lists, valid.into_opt_validity(), &DataType::array(DataType::String))
}

/// An argument that is a text, which is valid, or bytes, which may not be.
enum Input<'a> {
    Text(Texts<'a>),
    Bytes(Bytes<'a>),
}

fn input<'a>(call: &'a KernelCall<'_>) -> Result<Input<'a>> {
    Ok(match call.data_type(0) {
        DataType::Binary => Input::Bytes(call.bytes(0)?),
        _ => Input::Text(texts(call.column(0))?),
    })
}

fn is_valid_utf8(call: &KernelCall<'_>) -> Result {
    match input(call)? {
        Input::Text(texts) => map1(&texts, |_| Ok(Some(true))),
        Input::Bytes(bytes) => map1(&bytes, |value| Ok(Some(std::str::from_utf8(value).is_ok()))),
    }
}

fn make_valid_utf8(call: &KernelCall<'_>) -> Result {
    match input(call)? {
        Input::Text(_) => Ok(call.column(0).clone()),
        Input::Bytes(bytes) => map1(&bytes, |value| Ok(Some(String::from_utf8_lossy(value)))),
    }
}

fn validate_utf8(call: &KernelCall<'_>, attempt: bool) -> Result {
    match input(call)? {
        Input::Text(_) => Ok(call.column(0).clone()),
        Input::Bytes(bytes) => map1(&bytes, |value| match std::str::from_utf8(value) {
            Ok(text) => Ok(Some(text)),
            Err(_) if attempt => Ok(None),
            Err(_) => Err(EngineError::data("INVALID_UTF8_STRING", "the bytes are not valid UTF-8")),
        }),
    }
}
