//! Java's regular expressions: their syntax turned into that of the `regex` crate, which runs in linear
//! time, or of `fancy-regex` for what only a backtracking engine can do (look-around, back-references,
//! possessive quantifiers).
//!
//! Java's `\d`, `\w`, `\s` and POSIX classes are ASCII; its `.` stops at every line terminator; its `$` also
//! matches before the last one. The text is rewritten so that the same holds here.

use std::cell::RefCell;
use std::rc::Rc;

/// A compiled pattern.
pub(super) struct JavaRegex {
    engine: Engine,
    /// What to use for a text that ends with a line terminator, where `$` has two places to match.
    before_terminator: Option<fancy_regex::Regex>,
    /// The pattern is this text and nothing else.
    literal: Option<String>,
}

enum Engine {
    Linear(regex::Regex),
    Backtracking(fancy_regex::Regex),
}

/// Groups of a match as byte ranges; group 0 is the whole match.
pub(super) type Groups = Vec<Option<(usize, usize)>>;

impl JavaRegex {
    /// Compiles a pattern; `None` when it is not one.
    fn compile(pattern: &str) -> Option<JavaRegex> {
        let translated = Translator::new(pattern, false).run()?;
        let engine = match regex::RegexBuilder::new(&translated.text).size_limit(64 << 20).build() {
            Ok(regex) if !translated.fancy => Engine::Linear(regex),
            _ => Engine::Backtracking(fancy_regex::Regex::new(&translated.text).ok()?),
        };
        let before_terminator = match translated.dollar {
            true => fancy_regex::Regex::new(&Translator::new(pattern, true).run()?.text).ok(),
            false => None,
        };
        Some(JavaRegex { engine, before_terminator, literal: translated.literal })
    }

    /// The text that the pattern stands for, when it is only that.
    pub(super) fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Number of groups, the whole match left out.
    pub(super) fn group_count(&self) -> usize {
        match &self.engine {
            Engine::Linear(regex) => regex.captures_len() - 1,
            Engine::Backtracking(regex) => regex.captures_len() - 1,
        }
    }

    /// The number of a named group.
    pub(super) fn group_index(&self, name: &str) -> Option<usize> {
        match &self.engine {
            Engine::Linear(regex) => regex.capture_names().position(|n| n == Some(name)),
            Engine::Backtracking(regex) => regex.capture_names().position(|n| n == Some(name)),
        }
    }

    fn backtracking(&self, text: &str) -> Option<&fancy_regex::Regex> {
        let ends_with_terminator = || text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
        match (&self.before_terminator, &self.engine) {
            (Some(regex), _) if ends_with_terminator() => Some(regex),
            (_, Engine::Backtracking(regex)) => Some(regex),
            _ => None,
        }
    }

    /// Whether the pattern matches anywhere in the text.
    pub(super) fn is_match(&self, text: &str) -> bool {
        if let Some(literal) = &self.literal {
            return memchr::memmem::find(text.as_bytes(), literal.as_bytes()).is_some();
        }
        match (self.backtracking(text), &self.engine) {
            (Some(regex), _) => regex.is_match(text).unwrap_or(false),
            (None, Engine::Linear(regex)) => regex.is_match(text),
            (None, Engine::Backtracking(_)) => false,
        }
    }

    /// The first match at or after byte `from`.
    pub(super) fn find_at(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        if from > text.len() {
            return None;
        }
        match (self.backtracking(text), &self.engine) {
            (Some(regex), _) => regex.find_from_pos(text, from).ok().flatten().map(|m| (m.start(), m.end())),
            (None, Engine::Linear(regex)) => regex.find_at(text, from).map(|m| (m.start(), m.end())),
            (None, Engine::Backtracking(_)) => None,
        }
    }

    /// The groups of the first match at or after byte `from`.
    pub(super) fn groups_at(&self, text: &str, from: usize) -> Option<Groups> {
        if from > text.len() {
            return None;
        }
        match (self.backtracking(text), &self.engine) {
            (Some(regex), _) => {
                let found = regex.captures_from_pos(text, from).ok().flatten()?;
                Some((0..found.len()).map(|i| found.get(i).map(|m| (m.start(), m.end()))).collect())
            }
            (None, Engine::Linear(regex)) => {
                let found = regex.captures_at(text, from)?;
                Some((0..found.len()).map(|i| found.get(i).map(|m| (m.start(), m.end()))).collect())
            }
            (None, Engine::Backtracking(_)) => None,
        }
    }

    /// Where to look for the match after `found`, as Java's matcher does: an empty match moves on by a character.
    pub(super) fn after(text: &str, (start, end): (usize, usize)) -> usize {
        if end > start { end } else { end + text[end..].chars().next().map_or(1, char::len_utf8) }
    }
}

/// The compiled pattern, from the thread's small store of those used last; `None` when it is not a pattern.
pub(super) fn compiled(pattern: &str) -> Option<Rc<JavaRegex>> {
    const KEPT: usize = 32;
    type Store = Vec<(String, Option<Rc<JavaRegex>>)>;
    thread_local! {
        static STORE: RefCell<Store> = const { RefCell::new(Vec::new()) };
    }
    STORE.with_borrow_mut(|store| {
        if let Some(at) = store.iter().position(|(known, _)| known == pattern) {
            if at > 0 {
                store[..=at].rotate_right(1);
            }
            return store[0].1.clone();
        }
        let compiled = JavaRegex::compile(pattern).map(Rc::new);
        store.truncate(KEPT - 1);
        store.insert(0, (pattern.to_string(), compiled.clone()));
        compiled
    })
}

/// What came of a translation.
struct Translated {
    text: String,
    /// Needs the backtracking engine.
    fancy: bool,
    /// Has a `$` or `\Z`, which also match before a final line terminator.
    dollar: bool,
    /// Nothing but this text.
    literal: Option<String>,
}

struct Translator<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
    literal: Option<String>,
    fancy: bool,
    dollar: bool,
    dot_all: bool,
    multi_line: bool,
    unix_lines: bool,
    spell_dollar: bool,
}

const HORIZONTAL: &str = r"\t \u{A0}\u{1680}\u{180E}\u{2000}-\u{200A}\u{202F}\u{205F}\u{3000}";
const VERTICAL: &str = r"\n\x0B\f\r\u{85}\u{2028}\u{2029}";
const SPACE: &str = r" \t\n\x0B\f\r";

impl<'a> Translator<'a> {
    fn new(pattern: &'a str, spell_dollar: bool) -> Translator<'a> {
        Translator {
            rest: pattern.chars().peekable(),
            out: String::with_capacity(pattern.len() + 8),
            literal: Some(String::new()),
            fancy: false,
            dollar: false,
            dot_all: false,
            multi_line: false,
            unix_lines: false,
            spell_dollar,
        }
    }

    fn run(mut self) -> Option<Translated> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escape(false)?,
                '[' => {
                    self.literal = None;
                    self.class()?;
                }
                '.' => {
                    self.literal = None;
                    self.dot();
                }
                '$' => {
                    self.literal = None;
                    self.end_of_text();
                }
                '(' => {
                    self.literal = None;
                    self.group()?;
                }
                '*' | '+' | '?' | '}' => {
                    self.literal = None;
                    self.out.push(c);
                    if self.rest.peek() == Some(&'+') {
                        self.fancy = true;
                    }
                }
                '^' | '|' | ')' | '{' => {
                    self.literal = None;
                    self.out.push(c);
                }
                c => self.push_literal(c),
            }
        }
        let literal = self.literal.filter(|l| !l.is_empty());
        Some(Translated { text: self.out, fancy: self.fancy, dollar: self.dollar && !self.spell_dollar, literal })
    }

    fn push_literal(&mut self, c: char) {
        if let Some(literal) = &mut self.literal {
            literal.push(c);
        }
        let mut buffer = [0u8; 4];
        self.out.push_str(&regex::escape(c.encode_utf8(&mut buffer)));
    }

    fn dot(&mut self) {
        self.out.push_str(match (self.dot_all, self.unix_lines) {
            (true, _) => "(?s:.)",
            (_, true) => r"[^\n]",
            _ => r"[^\n\r\u{85}\u{2028}\u{2029}]",
        });
    }

    fn end_of_text(&mut self) {
        if self.multi_line {
            self.out.push('$');
            return;
        }
        self.dollar = true;
        self.out.push_str(if self.spell_dollar { r"(?=(?:\r\n|[\n\r\u{85}\u{2028}\u{2029}])?\z)" } else { r"\z" });
    }

    /// What follows `(`.
    fn group(&mut self) -> Option<()> {
        if self.rest.peek() != Some(&'?') {
            self.out.push('(');
            return Some(());
        }
        self.rest.next();
        match self.rest.peek()? {
            '<' => {
                self.rest.next();
                self.out.push_str("(?<");
                if matches!(self.rest.peek()?, '=' | '!') {
                    self.fancy = true;
                }
            }
            '=' | '!' | '>' => {
                self.fancy = true;
                self.out.push_str("(?");
            }
            ':' => self.out.push_str("(?"),
            _ => self.flags()?,
        }
        Some(())
    }

    /// Inline flags, after `(?`: those that Java and Rust share are kept, the others are heeded here.
    fn flags(&mut self) -> Option<()> {
        let mut on = true;
        let (mut set, mut cleared) = (String::new(), String::new());
        loop {
            match self.rest.next()? {
                '-' => on = false,
                c @ (')' | ':') => {
                    self.out.push_str("(?");
                    self.out.push_str(&set);
                    if !cleared.is_empty() {
                        self.out.push('-');
                        self.out.push_str(&cleared);
                    }
                    match c {
                        ')' if set.is_empty() && cleared.is_empty() => self.out.push_str(":)"),
                        c => self.out.push(c),
                    }
                    return Some(());
                }
                's' => self.dot_all = on,
                'm' => {
                    self.multi_line = on;
                    if on { set.push('m') } else { cleared.push('m') }
                }
                'd' => self.unix_lines = on,
                'u' | 'U' => {}
                c @ ('i' | 'x') => {
                    if on {
                        set.push(c)
                    } else {
                        cleared.push(c)
                    }
                }
                _ => return None,
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Option<()> {
        let c = self.rest.next()?;
        let class = |s: &str, negated: bool| match (in_class, negated) {
            (true, false) => s.to_string(),
            (_, true) => format!("[^{s}]"),
            (false, false) => format!("[{s}]"),
        };
        let set = match c {
            'd' | 'D' => Some(class("0-9", c == 'D')),
            'w' | 'W' => Some(class("a-zA-Z_0-9", c == 'W')),
            's' | 'S' => Some(class(SPACE, c == 'S')),
            'h' | 'H' => Some(class(HORIZONTAL, c == 'H')),
            'v' | 'V' => Some(class(VERTICAL, c == 'V')),
            'p' | 'P' => Some(self.property(c == 'P', in_class)?),
            'R' if !in_class => Some(format!(r"(?:\r\n|[{VERTICAL}])")),
            _ => None,
        };
        if let Some(set) = set {
            self.literal = None;
            self.out.push_str(&set);
            return Some(());
        }
        match c {
            'Q' => self.quoted(),
            'E' => {}
            't' => self.push_literal('\t'),
            'n' => self.push_literal('\n'),
            'r' => self.push_literal('\r'),
            'f' => self.push_literal('\u{C}'),
            'a' => self.push_literal('\u{7}'),
            'e' => self.push_literal('\u{1B}'),
            'c' => {
                let control = self.rest.next().filter(char::is_ascii)?;
                self.push_literal(char::from(control as u8 ^ 64));
            }
            'x' => {
                let code = if self.rest.peek() == Some(&'{') { self.braced_hex()? } else { self.digits(2, 16)? };
                self.push_literal(char::from_u32(code)?);
            }
            'u' => {
                let code = self.digits(4, 16)?;
                let c = self.surrogate(code)?;
                self.push_literal(c);
            }
            '0' => {
                let code = self.octal()?;
                self.push_literal(char::from_u32(code)?);
            }
            _ if in_class && c.is_ascii_alphanumeric() => return None,
            'A' | 'z' => self.push_raw(&format!("\\{c}")),
            'Z' => {
                self.literal = None;
                let multi_line = std::mem::replace(&mut self.multi_line, false);
                self.end_of_text();
                self.multi_line = multi_line;
            }
            'b' | 'B' => self.push_raw(&format!("\\{c}")),
            'G' => {
                self.fancy = true;
                self.push_raw("\\G");
            }
            '1'..='9' => {
                self.fancy = true;
                self.push_raw(&format!("\\{c}"));
            }
            'k' => {
                self.fancy = true;
                self.push_raw("\\k");
            }
            c if c.is_ascii_alphabetic() => return None,
            c => self.push_literal(c),
        }
        Some(())
    }

    fn push_raw(&mut self, text: &str) {
        self.literal = None;
        self.out.push_str(text);
    }

    /// `\Q…\E`.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.peek() == Some(&'E') {
                self.rest.next();
                return;
            }
            self.push_literal(c);
        }
    }

    fn digits(&mut self, count: usize, radix: u32) -> Option<u32> {
        (0..count).try_fold(0, |code, _| Some(code * radix + self.rest.next()?.to_digit(radix)?))
    }

    fn braced_hex(&mut self) -> Option<u32> {
        self.rest.next();
        let text: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
        u32::from_str_radix(&text, 16).ok()
    }

    fn octal(&mut self) -> Option<u32> {
        let mut code = self.rest.next()?.to_digit(8)?;
        while let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(8)) {
            if code * 8 + digit > 0o377 {
                break;
            }
            code = code * 8 + digit;
            self.rest.next();
        }
        Some(code)
    }

    /// The character of a `\uXXXX`; a high surrogate takes the low one that follows.
    fn surrogate(&mut self, code: u32) -> Option<char> {
        if !(0xD800..0xDC00).contains(&code) {
            return char::from_u32(code);
        }
        (self.rest.next()? == '\\' && self.rest.next()? == 'u').then_some(())?;
        let low = self.digits(4, 16)?;
        char::from_u32(0x1_0000 + ((code - 0xD800) << 10) + low.checked_sub(0xDC00)?)
    }

    /// `\p{…}`: Java's POSIX classes are ASCII, the others are Unicode's.
    fn property(&mut self, negated: bool, in_class: bool) -> Option<String> {
        let name: String = match self.rest.next()? {
            '{' => self.rest.by_ref().take_while(|c| *c != '}').collect(),
            c => c.to_string(),
        };
        let ascii = match name.as_str() {
            "Lower" => "a-z",
            "Upper" => "A-Z",
            "ASCII" => r"\x00-\x7F",
            "Alpha" => "a-zA-Z",
            "Digit" => "0-9",
            "Alnum" => "a-zA-Z0-9",
            "Punct" => r"!-/:-@\[-`{-~",
            "Graph" => "!-~",
            "Print" => " -~",
            "Blank" => r" \t",
            "Cntrl" => r"\x00-\x1F\x7F",
            "XDigit" => "0-9a-fA-F",
            "Space" => SPACE,
            _ => "",
        };
        if !ascii.is_empty() {
            return Some(match (in_class, negated) {
                (true, false) => ascii.to_string(),
                (_, true) => format!("[^{ascii}]"),
                (false, false) => format!("[{ascii}]"),
            });
        }
        let unicode = match name.as_str() {
            "javaLowerCase" => "Lowercase",
            "javaUpperCase" => "Uppercase",
            "javaWhitespace" => "White_Space",
            "L1" => return Some(format!("[{}\\x00-\\xFF]", if negated { "^" } else { "" })),
            other => other.strip_prefix("Is").or_else(|| other.strip_prefix("In")).unwrap_or(other),
        };
        Some(format!("\\{}{{{unicode}}}", if negated { 'P' } else { 'p' }))
    }

    /// What follows `[`: a class with unions and intersections, nested to any depth.
    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.rest.peek() == Some(&'^') {
            self.rest.next();
            self.out.push('^');
        }
        let mut previous = '[';
        loop {
            let c = self.rest.next()?;
            match c {
                ']' if previous != '[' => {
                    self.out.push(']');
                    return Some(());
                }
                '[' => self.class()?,
                '\\' => {
                    let literal = self.literal.take();
                    self.escape(true)?;
                    self.literal = literal;
                }
                '&' if self.rest.peek() == Some(&'&') => {
                    self.rest.next();
                    self.out.push_str("&&");
                }
                '-' if self.rest.peek() == Some(&'-') || self.rest.peek() == Some(&']') || previous == '[' => self.out.push_str("\\-"),
                '-' => self.out.push('-'),
                c => {
                    let mut buffer = [0u8; 4];
                    self.out.push_str(&regex::escape(c.encode_utf8(&mut buffer)));
                }
            }
            previous = if c == '[' { 'x' } else { c };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        compiled(pattern).unwrap_or_else(|| panic!("{pattern} is a pattern")).is_match(text)
    }

    #[test]
    fn java_syntax() {
        for (pattern, text, expected) in [
            ("c$", "abc\n", true),
            (r"c\z", "abc\n", false),
            (r"c\Z", "abc\r\n", true),
            ("a.b", "a\rb", false),
            ("(?s)a.b", "a\nb", true),
            (r"\w", "é", false),
            (r"\d", "٣", false),
            (r"^\W$", "é", true),
            (r"\bb", "a b", true),
            ("[a-z&&[^b]]b", "ab", true),
            ("[a-z&&[^b]]b", "bb", false),
            (r"\p{Alpha}", "é", false),
            (r"\p{L}", "é", true),
            (r"(a)\1", "aa", true),
            (r"\Qa.b\E", "axb", false),
            (r"\Qa.b\E", "a.b", true),
            ("a++b", "aab", true),
            (r"\x78", "x", true),
            ("(?<=a)b", "ab", true),
            (r"\h+", "\u{A0}\t", true),
            (r"[\w.-]+@x", "a-b.c@x", true),
            (r"^[^\s]+$", "a b", false),
            ("[]a]", "]", true),
            (r"a\<b", "a<b", true),
            ("(?i)ABC", "xabcx", true),
            (r"^\d{4}-\d{2}$", "2024-01", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} in {text:?}");
        }
        assert!(compiled("(").is_none());
        assert!(compiled("[a").is_none());
        assert!(compiled("*a").is_none());
    }

    #[test]
    fn literals_are_seen() {
        assert_eq!(compiled(r"\|").and_then(|r| r.literal().map(str::to_string)), Some("|".into()));
        assert_eq!(compiled(", ").and_then(|r| r.literal().map(str::to_string)), Some(", ".into()));
        assert!(compiled("a|b").is_some_and(|r| r.literal().is_none()));
    }
}
