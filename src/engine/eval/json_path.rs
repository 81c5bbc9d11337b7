//! `get_json_object`: a part of a JSON text by a path, found in one pass without building a tree.
//!
//! `$` is the text itself, `.name` and `['name']` a member, `[3]` an element, `[*]` all elements. Several results come as
//! an array, one comes bare. The result is compact, and numbers with a fraction are written as doubles.

use super::access::map_text;
use super::text::write_double;
use super::{KernelCall, json_write};
use crate::engine::EngineError;
use crate::engine::eval::access::{Cells, map_rows};
use crate::engine::source::decode::json_scan::{Dialect, Fault, MAX_NESTING, Scanner, Token, unescape};
use polars::prelude::Series;
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    All,
    /// `.*`: Spark parses it and it never matches.
    Nothing,
}

/// How strings and arrays of results are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A string without quotes: nothing encloses it.
    Raw,
    Quoted,
    /// Arrays are opened into the one around them.
    Flat,
}

/// The steps of a path; `None` when the text is no path.
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(".*").or_else(|| rest.strip_prefix("['*']")) {
            steps.push(Step::Nothing);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            steps.push(Step::Name(after[..end].to_string()));
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix("['") {
            let end = after.find(['\'', '?']).filter(|end| *end > 0)?;
            steps.push(Step::Name(after[..end].to_string()));
            rest = after[end..].strip_prefix("']")?;
        } else {
            let inner = rest.strip_prefix('[')?;
            let end = inner.find(']')?;
            steps.push(match &inner[..end] {
                "*" => Step::All,
                digits if digits.bytes().all(|b| b.is_ascii_digit()) => Step::Index(digits.parse().ok()?),
                _ => return None,
            });
            rest = &inner[end + 1..];
        }
    }
    Some(steps)
}

struct Finder<'a, 'o> {
    scan: Scanner<'a>,
    out: &'o mut String,
    scratch: String,
    /// Arrays of results that are open.
    open: usize,
}

impl Finder<'_, '_> {
    /// A comma, where another result stands before this one.
    fn begin(&mut self) {
        if self.open > 0 && !self.out.ends_with('[') {
            self.out.push(',');
        }
    }

    /// Writes what the path finds in the value here; whether it found anything.
    fn find(&mut self, path: &[Step], style: Style, depth: usize) -> Result<bool, Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::Syntax);
        }
        match (self.scan.peek(), path) {
            (Some(quote @ (b'"' | b'\'')), []) if style == Style::Raw => {
                let raw = self.scan.string(quote)?;
                self.out.push_str(unescape(raw, &mut self.scratch));
                Ok(true)
            }
            (Some(b'['), []) if style == Style::Flat => self.each(|finder| finder.find(&[], style, depth + 1)).map(|n| n > 0),
            (_, []) => {
                self.begin();
                copy(&mut self.scan, self.out, &mut self.scratch, depth)?;
                Ok(true)
            }
            (Some(b'{'), [Step::Name(name), rest @ ..]) => self.member(name, rest, style, depth),
            (Some(b'['), [Step::All, Step::All, rest @ ..]) => self.array(|finder| finder.find(rest, Style::Flat, depth + 1)),
            (Some(b'['), [Step::All, rest @ ..]) if style == Style::Quoted => {
                self.array(|finder| finder.find(rest, Style::Quoted, depth + 1))
            }
            (Some(b'['), [Step::All, rest @ ..]) => self.some(rest, if style == Style::Raw { Style::Quoted } else { style }, depth),
            (Some(b'['), [Step::Index(index), rest @ ..]) => {
                let style = if rest.first() == Some(&Step::All) { Style::Quoted } else { style };
                let mut at = 0;
                let found = self.each(|finder| {
                    at += 1;
                    if at - 1 == *index { finder.find(rest, style, depth + 1) } else { finder.scan.skip(depth + 1).map(|()| false) }
                })?;
                Ok(found > 0)
            }
            _ => self.scan.skip(depth).map(|()| false),
        }
    }

    /// The first member of that name that is not null and has what the rest of the path asks for.
    fn member(&mut self, name: &str, rest: &[Step], style: Style, depth: usize) -> Result<bool, Fault> {
        self.scan.pos += 1;
        self.scan.space()?;
        if self.scan.eat(b'}') {
            return Ok(false);
        }
        let mut found = false;
        loop {
            let raw = self.scan.name()?;
            self.scan.space()?;
            if found || unescape(raw, &mut self.scratch) != name || self.scan.peek() == Some(b'n') {
                self.scan.skip(depth + 1)?;
            } else {
                found = self.find(rest, style, depth + 1)?;
            }
            self.scan.space()?;
            if self.scan.eat(b'}') {
                return Ok(found);
            }
            self.scan.comma()?;
        }
    }

    /// Calls `f` at every element of the array here; how often it found something.
    fn each(&mut self, mut f: impl FnMut(&mut Self) -> Result<bool, Fault>) -> Result<usize, Fault> {
        self.scan.pos += 1;
        self.scan.space()?;
        let mut found = 0;
        if self.scan.eat(b']') {
            return Ok(0);
        }
        loop {
            found += usize::from(f(self)?);
            self.scan.space()?;
            if self.scan.eat(b']') {
                return Ok(found);
            }
            self.scan.comma()?;
        }
    }

    /// An array of what is found in the elements.
    fn array(&mut self, f: impl FnMut(&mut Self) -> Result<bool, Fault>) -> Result<bool, Fault> {
        self.begin();
        self.out.push('[');
        self.open += 1;
        let found = self.each(f)?;
        self.open -= 1;
        self.out.push(']');
        Ok(found > 0)
    }

    /// What is found in the elements: nothing, one result bare, or an array.
    fn some(&mut self, rest: &[Step], style: Style, depth: usize) -> Result<bool, Fault> {
        self.begin();
        let start = self.out.len();
        self.out.push('[');
        self.open += 1;
        let found = self.each(|finder| finder.find(rest, style, depth + 1))?;
        self.open -= 1;
        match found {
            0 => self.out.truncate(start),
            1 => {
                self.out.remove(start);
            }
            _ => self.out.push(']'),
        }
        Ok(found > 0)
    }
}

/// Writes the value here in its compact form.
pub(in crate::engine) fn copy(scan: &mut Scanner<'_>, out: &mut String, scratch: &mut String, depth: usize) -> Result<(), Fault> {
    if depth > MAX_NESTING {
        return Err(Fault::Syntax);
    }
    match scan.token()? {
        Token::String(raw) => json_write::write_string(out, unescape(raw, scratch)),
        Token::Int(text) => out.push_str(if text == "-0" { "0" } else { text }),
        Token::Float(text) => double(text.parse().map_err(|_| Fault::Syntax)?, out),
        // Only where the dialect takes them.
        Token::Special(value) => double(value, out),
        Token::True => out.push_str("true"),
        Token::False => out.push_str("false"),
        Token::Null => out.push_str("null"),
        Token::Object => copy_nested(scan, out, scratch, depth, ('{', '}'))?,
        Token::Array => copy_nested(scan, out, scratch, depth, ('[', ']'))?,
    }
    Ok(())
}

fn double(value: f64, out: &mut String) {
    if value.is_finite() {
        write_double(out, value);
    } else {
        out.push('"');
        write_double(out, value);
        out.push('"');
    }
}

fn copy_nested(scan: &mut Scanner<'_>, out: &mut String, scratch: &mut String, depth: usize, around: (char, char)) -> Result<(), Fault> {
    out.push(around.0);
    scan.pos += 1;
    scan.space()?;
    if !scan.eat(around.1 as u8) {
        loop {
            if around.0 == '{' {
                let name = scan.name()?;
                json_write::write_string(out, unescape(name, scratch));
                out.push(':');
                scan.space()?;
            }
            copy(scan, out, scratch, depth + 1)?;
            scan.space()?;
            if scan.eat(around.1 as u8) {
                break;
            }
            scan.comma()?;
            out.push(',');
        }
    }
    out.push(around.1);
    Ok(())
}

/// Appends what the path finds; `false` for nothing.
fn find(text: &str, path: &[Step], dialect: &Dialect, out: &mut String) -> bool {
    let mut finder = Finder { scan: Scanner::new(text, dialect), out, scratch: String::new(), open: 0 };
    finder.scan.space().is_ok() && finder.find(path, Style::Raw, 0) == Ok(true)
}

fn dialect() -> Dialect {
    Dialect { non_numeric: false, control_chars: true, ..Dialect::default() }
}

/// `get_json_object(json, path)`
pub(super) fn get_json_object(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let (texts, paths) = (call.texts(0)?, call.texts(1)?);
    let dialect = dialect();
    if paths.is_constant() {
        return match paths.at(0).and_then(parse) {
            Some(path) => Ok(map_text(&texts, |text, out| find(text, &path, &dialect, out))),
            None => Ok(call.null()),
        };
    }
    map_rows(call.length(), |row| {
        let (Some(text), Some(path)) = (texts.at(row), paths.at(row).and_then(parse)) else { return Ok(None) };
        let mut out = String::new();
        Ok(find(text, &path, &dialect, &mut out).then_some(Cow::<str>::Owned(out)))
    })
}

/// How many elements a JSON array has; `None` for anything else.
pub(super) fn array_length(text: &str) -> Option<i32> {
    let dialect = dialect();
    let mut finder = Finder { scan: Scanner::new(text, &dialect), out: &mut String::new(), scratch: String::new(), open: 0 };
    finder.scan.space().ok()?;
    if finder.scan.peek() != Some(b'[') {
        return None;
    }
    finder.each(|f| f.scan.skip(1).map(|()| true)).ok().and_then(|n| i32::try_from(n).ok())
}

/// The names of a JSON object's members in order; `None` for anything else.
pub(super) fn object_keys(text: &str) -> Option<Vec<String>> {
    let dialect = dialect();
    let mut scan = Scanner::new(text, &dialect);
    let mut scratch = String::new();
    scan.space().ok()?;
    if !scan.eat(b'{') {
        return None;
    }
    scan.space().ok()?;
    let mut keys = Vec::new();
    if scan.eat(b'}') {
        return Some(keys);
    }
    loop {
        keys.push(unescape(scan.name().ok()?, &mut scratch).to_string());
        scan.space().ok()?;
        scan.skip(1).ok()?;
        scan.space().ok()?;
        if scan.eat(b'}') {
            return Some(keys);
        }
        scan.comma().ok()?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str, path: &str) -> Option<String> {
        let mut out = String::new();
        find(text, &parse(path)?, &dialect(), &mut out).then_some(out)
    }

    #[test]
    fn paths_find_what_spark_finds() {
        let text = r#"{"a":1,"b":"x","c":{"d":[1,2,{"e":"f"}],"n":null},"arr":[{"k":1},{"k":2},{"z":3}],"s p":7,"f":1.50,"t":true,"e":[],"esc":"a\nb\u00e9","dup":1,"dup":2,"m":[[1,2],[3]]}"#;
        for (path, want) in [
            ("$.a", Some("1")),
            ("$.b", Some("x")),
            ("$.c.d", Some(r#"[1,2,{"e":"f"}]"#)),
            ("$.c.d[2].e", Some("f")),
            ("$.arr[*].k", Some("[1,2]")),
            ("$.arr.k", None),
            ("$.arr[0]", Some(r#"{"k":1}"#)),
            ("$.arr[1:2]", None),
            ("$['a']", Some("1")),
            ("$[\"a\"]", None),
            ("$.s p", Some("7")),
            ("$.f", Some("1.5")),
            ("$.e", Some("[]")),
            ("$.e[*]", None),
            ("$.c.n", None),
            ("a", None),
            ("", None),
            ("$.", None),
            ("$..a", None),
            ("$.esc", Some("a\nbé")),
            ("$.dup", Some("1")),
            ("$.m[*][0]", Some("[1,3]")),
            ("$.m[*][*]", Some("[1,2,3]")),
            ("$.m[0][*]", Some("[1,2]")),
            ("$.*", None),
            ("$.arr[5]", None),
            ("$.arr[*].z", Some("3")),
            ("$.m[*]", Some("[[1,2],[3]]")),
        ] {
            assert_eq!(get(text, path).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn texts_are_read_as_spark_reads_them() {
        for (text, path, want) in [
            ("[1,2,3]", "$[1]", Some("2")),
            (r#"[{"a":1}]"#, "$[*].a", Some("1")),
            (r#"{"a":1"#, "$.a", None),
            (r#"{"a":"x","b":tru}"#, "$.a", None),
            (r#"{"a":1} junk"#, "$.a", Some("1")),
            (r#""str""#, "$", Some("str")),
            ("null", "$", Some("null")),
            (r#" {"a" : [ 1 , {"b" : 2} ] } "#, "$.a", Some(r#"[1,{"b":2}]"#)),
            (
                r#"{"a":1.0e5,"c":1e400,"d":123456789012345678901234567890}"#,
                "$",
                Some(r#"{"a":100000.0,"c":"Infinity","d":123456789012345678901234567890}"#),
            ),
            ("{'a':'q'}", "$.a", Some("q")),
            ("[[1,[2]],3]", "$[*][*]", Some("[1,2,3]")),
            (r#"{"a":[{"b":[1,2]},{"b":[3]}]}"#, "$.a[*].b[*]", Some("[[1,2],[3]]")),
            (r#"{"a":[{"b":"x"}]}"#, "$.a[*].b", Some("\"x\"")),
            (r#"{"a":{"b":1},"a":{"c":2}}"#, "$.a.c", Some("2")),
            (r#"{"a":null,"a":1}"#, "$.a", Some("1")),
            (r#"{"a":NaN}"#, "$.a", None),
            (r#"{"a.b":1}"#, "$['a.b']", Some("1")),
            ("", "$", None),
        ] {
            assert_eq!(get(text, path).as_deref(), want, "{text} {path}");
        }
    }
}
