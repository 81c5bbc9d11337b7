//! `like` and `ilike`: SQL's wildcards, with the common shapes of a pattern told apart before the rows.

use super::access::{Cells, map_rows, map1};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use memchr::memmem::Finder;
use polars::prelude::Series;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "like", fallible: true, kernel: |c| like(c, false) },
    KernelEntry { name: "ilike", fallible: true, kernel: |c| like(c, true) },
];

/// One thing a pattern asks for.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// This character.
    Literal(char),
    /// `_`.
    One,
    /// `%`.
    Any,
}

/// A pattern, ready to be tried on many strings.
#[derive(Debug)]
enum Pattern {
    Equal(String),
    Prefix(String),
    Suffix(String),
    Contains(Box<Finder<'static>>),
    /// A prefix and a suffix with anything between.
    Ends(String, String),
    General(Vec<Token>),
}

impl Pattern {
    fn parse(pattern: &str, escape: char) -> Result<Pattern, EngineError> {
        let tokens = tokens(pattern, escape)?;
        if tokens.contains(&Token::One) {
            return Ok(Pattern::General(tokens));
        }
        let segments: Vec<String> = tokens
            .split(|t| *t == Token::Any)
            .map(|segment| segment.iter().filter_map(|t| if let Token::Literal(c) = t { Some(*c) } else { None }).collect())
            .collect();
        let mut segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        // Wildcards side by side are one.
        let mut i = 1;
        while i + 1 < segments.len() {
            if segments[i].is_empty() {
                segments.remove(i);
            } else {
                i += 1;
            }
        }
        Ok(match segments.as_slice() {
            [whole] => Pattern::Equal((*whole).to_string()),
            [prefix, ""] => Pattern::Prefix((*prefix).to_string()),
            ["", suffix] => Pattern::Suffix((*suffix).to_string()),
            [prefix, suffix] => Pattern::Ends((*prefix).to_string(), (*suffix).to_string()),
            ["", middle, ""] => Pattern::Contains(Box::new(Finder::new(middle).into_owned())),
            _ => Pattern::General(tokens),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Equal(whole) => text == whole,
            Pattern::Prefix(prefix) => text.as_bytes().starts_with(prefix.as_bytes()),
            Pattern::Suffix(suffix) => text.as_bytes().ends_with(suffix.as_bytes()),
            Pattern::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Pattern::Ends(prefix, suffix) => {
                text.len() >= prefix.len() + suffix.len() && text.starts_with(prefix.as_str()) && text.ends_with(suffix.as_str())
            }
            Pattern::General(tokens) => general(tokens, text),
        }
    }
}

fn tokens(pattern: &str, escape: char) -> Result<Vec<Token>, EngineError> {
    let mut out = Vec::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        out.push(match c {
            c if c == escape => match rest.next() {
                Some(next @ ('%' | '_')) => Token::Literal(next),
                Some(next) if next == escape => Token::Literal(next),
                Some(next) => {
                    let message = format!("the format is invalid: '{pattern}'; the escape character is not allowed to precede '{next}'");
                    return Err(EngineError::data("INVALID_FORMAT.ESC_IN_THE_MIDDLE", message));
                }
                None => {
                    let message = format!("the format is invalid: '{pattern}'; the escape character is not allowed to end with");
                    return Err(EngineError::data("INVALID_FORMAT.ESC_AT_THE_END", message));
                }
            },
            '%' => Token::Any,
            '_' => Token::One,
            c => Token::Literal(c),
        });
    }
    Ok(out)
}

/// Greedy with one step back: only the last `%` ever has to take more.
fn general(tokens: &[Token], text: &str) -> bool {
    let (mut token, mut rest) = (0, text);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let next = rest.chars().next();
        match (tokens.get(token), next) {
            (Some(Token::Any), _) => {
                token += 1;
                retry = Some((token, rest));
                if token == tokens.len() {
                    return true;
                }
                continue;
            }
            (Some(Token::One), Some(c)) => {
                (token, rest) = (token + 1, &rest[c.len_utf8()..]);
                continue;
            }
            (Some(Token::Literal(want)), Some(c)) if *want == c => {
                (token, rest) = (token + 1, &rest[c.len_utf8()..]);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((at, from)) = retry else { return false };
        let Some(skipped) = from.chars().next() else { return false };
        let from = &from[skipped.len_utf8()..];
        retry = Some((at, from));
        (token, rest) = (at, from);
    }
}

fn like(call: &KernelCall<'_>, fold_case: bool) -> Result<Series, EngineError> {
    let (texts, patterns) = (call.texts(0)?, call.texts(1)?);
    let escapes = if call.args.len() > 2 { Some(call.texts(2)?) } else { None };
    let parse = |row: usize| -> Result<Option<Pattern>, EngineError> {
        let escape = escapes.as_ref().map_or(Some("\\"), |e| e.at(row)).and_then(|e| e.chars().next());
        let (Some(pattern), Some(escape)) = (patterns.at(row), escape) else { return Ok(None) };
        let pattern = if fold_case { pattern.to_lowercase() } else { pattern.to_string() };
        Pattern::parse(&pattern, escape).map(Some)
    };
    let test = |pattern: &Pattern, text: &str| {
        if !fold_case {
            return pattern.matches(text);
        }
        pattern.matches(&text.to_lowercase())
    };
    if patterns.is_constant() && escapes.as_ref().is_none_or(Cells::is_constant) {
        let Some(pattern) = parse(0)? else { return Ok(call.null()) };
        return map1(&texts, |text| Ok(Some(test(&pattern, text))));
    }
    map_rows(call.length(), |row| {
        let (Some(text), Some(pattern)) = (texts.at(row), parse(row)?) else { return Ok(None) };
        Ok(Some(test(&pattern, text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_patterns() {
        for (pattern, text, expected) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("a%", "abc", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a%c", "ac", true),
            ("a%a", "a", false),
            ("a%%c", "abc", true),
            ("%a%b%", "xxaxxbxx", true),
            ("%a%b%", "xxbxxaxx", false),
            ("_b_", "abc", true),
            ("_", "é", true),
            ("_", "", false),
            ("%_", "", false),
            ("%", "", true),
            ("%ab_d%", "aababcd", true),
            ("a\\%c", "a%c", true),
            ("a\\%c", "abc", false),
            ("a%", "a\nb", true),
        ] {
            let parsed = Pattern::parse(pattern, '\\').unwrap();
            assert_eq!(parsed.matches(text), expected, "{pattern} {text}");
        }
    }
}
