//! JSON text, token by token: what is legal and where it ends, by the rules of Spark's JSON parser.
//!
//! Nothing is copied: strings and numbers come back as slices of the text.

/// Values may nest this deep; deeper is a malformed record.
pub(crate) const MAX_NESTING: usize = 500;

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is no JSON: the whole record is bad.
    Syntax,
    /// The value is not of the field's type; the scanner stands behind it.
    Mismatch,
}

/// Deviations from the standard that options allow.
#[derive(Clone, Debug)]
pub(crate) struct Dialect {
    pub(crate) unquoted_names: bool,
    pub(crate) single_quotes: bool,
    pub(crate) comments: bool,
    pub(crate) leading_zeros: bool,
    pub(crate) any_escape: bool,
    pub(crate) non_numeric: bool,
    pub(crate) control_chars: bool,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect {
            unquoted_names: false,
            single_quotes: true,
            comments: false,
            leading_zeros: false,
            any_escape: false,
            non_numeric: true,
            control_chars: false,
        }
    }
}

/// A string as it stands in the text, without its quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) text: &'a str,
    /// Holds a backslash.
    pub(crate) escaped: bool,
}

/// An atomic value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token<'a> {
    String(Raw<'a>),
    Int(&'a str),
    Float(&'a str),
    /// NaN and the infinities, written bare.
    Special(f64),
    True,
    False,
    Null,
    /// `{`, not consumed.
    Object,
    /// `[`, not consumed.
    Array,
}

/// A position in a text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub(crate) pos: usize,
    pub(crate) dialect: &'a Dialect,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, dialect: &'a Dialect) -> Scanner<'a> {
        Scanner { text, bytes: text.as_bytes(), pos: 0, dialect }
    }

    /// The text from `start` to here.
    pub(crate) fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.pos]
    }

    /// The next byte, not consumed.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    /// Consumes `byte` if it is next.
    #[inline]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    /// Consumes `prefix` if it is next.
    #[inline]
    pub(crate) fn eat_all(&mut self, prefix: &[u8]) -> bool {
        let found = self.bytes[self.pos..].starts_with(prefix);
        if found {
            self.pos += prefix.len();
        }
        found
    }

    /// Passes over white space, and comments where they are allowed.
    #[inline]
    pub(crate) fn space(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.pos += 1,
                Some(b'/') if self.dialect.comments => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// Passes over a byte order mark, which may stand at the beginning of every record, and white space.
    #[inline]
    pub(crate) fn mark_and_space(&mut self) -> Result<(), Fault> {
        self.eat_all(b"\xef\xbb\xbf");
        self.space()
    }

    fn comment(&mut self) -> Result<(), Fault> {
        let rest = &self.bytes[self.pos..];
        self.pos += match rest.get(1) {
            Some(b'/') => memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()),
            Some(b'*') => memchr::memmem::find(&rest[2..], b"*/").ok_or(Fault::Syntax)? + 4,
            _ => return Err(Fault::Syntax),
        };
        Ok(())
    }

    /// The value here as a token; brackets stay.
    pub(crate) fn token(&mut self) -> Result<Token<'a>, Fault> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.string(quote).map(Token::String),
            Some(b'0'..=b'9') => self.number(),
            Some(b'-') => match self.bytes.get(self.pos + 1) {
                Some(b'I') => self.special(),
                _ => self.number(),
            },
            Some(b'{') => Ok(Token::Object),
            Some(b'[') => Ok(Token::Array),
            Some(b't') if self.word(b"true") => Ok(Token::True),
            Some(b'f') if self.word(b"false") => Ok(Token::False),
            Some(b'n') if self.word(b"null") => Ok(Token::Null),
            Some(b'N' | b'I' | b'+') => self.special(),
            _ => Err(Fault::Syntax),
        }
    }

    /// Consumes a word if it is next and ends here.
    #[inline]
    pub(crate) fn word(&mut self, word: &[u8]) -> bool {
        let end = self.pos + word.len();
        let found =
            self.bytes[self.pos..].starts_with(word) && !self.bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if found {
            self.pos = end;
        }
        found
    }

    fn special(&mut self) -> Result<Token<'a>, Fault> {
        const WORDS: [(&[u8], f64); 6] = [
            (b"NaN", f64::NAN),
            (b"Infinity", f64::INFINITY),
            (b"-Infinity", f64::NEG_INFINITY),
            (b"+Infinity", f64::INFINITY),
            (b"-INF", f64::NEG_INFINITY),
            (b"+INF", f64::INFINITY),
        ];
        if self.dialect.non_numeric {
            for (word, value) in WORDS {
                if self.word(word) {
                    return Ok(Token::Special(value));
                }
            }
        }
        Err(Fault::Syntax)
    }

    /// A number; the scanner stands on its sign or first digit.
    pub(crate) fn number(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.pos;
        self.eat(b'-');
        let first = self.pos;
        self.digits()?;
        let zeros = self.bytes[first] == b'0' && self.pos > first + 1;
        if zeros && !self.dialect.leading_zeros {
            return Err(Fault::Syntax);
        }
        let mut float = false;
        if self.eat(b'.') {
            float = true;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            float = true;
            self.pos += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.pos += 1;
            }
            self.digits()?;
        }
        let text = self.since(start);
        Ok(if float { Token::Float(text) } else { Token::Int(text) })
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let n = self.bytes[self.pos..].iter().take_while(|b| b.is_ascii_digit()).count();
        self.pos += n;
        if n == 0 { Err(Fault::Syntax) } else { Ok(()) }
    }

    /// A string; the scanner stands on its opening quote.
    #[inline]
    pub(crate) fn string(&mut self, quote: u8) -> Result<Raw<'a>, Fault> {
        if quote == b'\'' && !self.dialect.single_quotes {
            return Err(Fault::Syntax);
        }
        let start = self.pos + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            at = self.plain_until(at, quote);
            match self.bytes.get(at) {
                Some(b) if *b == quote => break,
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(b) if *b < 0x20 && self.dialect.control_chars => at += 1,
                _ => return Err(Fault::Syntax),
            }
        }
        self.pos = at + 1;
        Ok(Raw { text: &self.text[start..at], escaped })
    }

    /// The first byte from `at` on that is the quote, a backslash or a control character; eight bytes a step.
    #[inline]
    fn plain_until(&self, mut at: usize, quote: u8) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let zero_byte = |v: u64| v.wrapping_sub(ONES) & !v & HIGH;
        let quotes = ONES * u64::from(quote);
        while let Some(chunk) = self.bytes.get(at..at + 8).and_then(|c| <[u8; 8]>::try_from(c).ok()) {
            let word = u64::from_le_bytes(chunk);
            let found = zero_byte(word ^ quotes) | zero_byte(word ^ (ONES * 0x5c)) | (word.wrapping_sub(ONES * 0x20) & !word & HIGH);
            if found != 0 {
                return at + (found.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        while self.bytes.get(at).is_some_and(|b| *b != quote && *b != b'\\' && *b >= 0x20) {
            at += 1;
        }
        at
    }

    /// Passes over the escape at `at`; gives the position behind it.
    fn escape(&self, at: usize) -> Result<usize, Fault> {
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'\'') if self.dialect.single_quotes => Ok(at + 2),
            Some(b'u') => {
                let hex = self.bytes.get(at + 2..at + 6).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit));
                if hex { Ok(at + 6) } else { Err(Fault::Syntax) }
            }
            Some(_) if self.dialect.any_escape => {
                let rest = &self.text[at + 1..];
                Ok(at + 1 + rest.chars().next().map_or(1, char::len_utf8))
            }
            _ => Err(Fault::Syntax),
        }
    }

    /// A field name up to its colon, which is consumed.
    pub(crate) fn name(&mut self) -> Result<Raw<'a>, Fault> {
        let name = match self.peek() {
            Some(quote @ (b'"' | b'\'')) => self.string(quote)?,
            Some(_) if self.dialect.unquoted_names => {
                let start = self.pos;
                let part = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || b"_$-@*#+".contains(&b);
                while self.peek().is_some_and(part) {
                    self.pos += 1;
                }
                if self.pos == start {
                    return Err(Fault::Syntax);
                }
                Raw { text: self.since(start), escaped: false }
            }
            _ => return Err(Fault::Syntax),
        };
        self.space()?;
        if self.eat(b':') { Ok(name) } else { Err(Fault::Syntax) }
    }

    /// Passes over the value here, checking it.
    pub(crate) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::Syntax);
        }
        match self.token()? {
            Token::Object => self.skip_members(depth),
            Token::Array => self.skip_elements(depth),
            _ => Ok(()),
        }
    }

    fn skip_members(&mut self, depth: usize) -> Result<(), Fault> {
        self.pos += 1;
        self.space()?;
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.name()?;
            self.space()?;
            self.skip(depth + 1)?;
            self.space()?;
            if self.eat(b'}') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    fn skip_elements(&mut self, depth: usize) -> Result<(), Fault> {
        self.pos += 1;
        self.space()?;
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.skip(depth + 1)?;
            self.space()?;
            if self.eat(b']') {
                return Ok(());
            }
            self.comma()?;
        }
    }

    /// A comma and the space behind it.
    #[inline]
    pub(crate) fn comma(&mut self) -> Result<(), Fault> {
        if !self.eat(b',') {
            return Err(Fault::Syntax);
        }
        self.space()
    }
}

/// The string that `raw` stands for, in `scratch` where it has escapes. A lone surrogate becomes `?`, as in Java.
pub(crate) fn unescape<'t>(raw: Raw<'t>, scratch: &'t mut String) -> &'t str {
    if !raw.escaped {
        return raw.text;
    }
    scratch.clear();
    let mut rest = raw.text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        scratch.push_str(&rest[..at]);
        let mut chars = rest[at + 1..].chars();
        let code = chars.next().unwrap_or('\\');
        rest = chars.as_str();
        scratch.push(match code {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (c, more) = unicode_escape(rest);
                rest = more;
                c
            }
            other => other,
        });
    }
    scratch.push_str(rest);
    scratch
}

/// The character of the four digits that `rest` starts with, and what follows; takes a second escape for a pair.
fn unicode_escape(rest: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|h| u32::from_str_radix(h, 16).ok());
    let Some(first) = unit(rest) else { return ('?', rest) };
    let after = &rest[4..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(low) = after.strip_prefix("\\u").and_then(unit).filter(|low| (0xdc00..0xe000).contains(low))
    {
        let code = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
        return (char::from_u32(code).unwrap_or('?'), &after[6..]);
    }
    (char::from_u32(first).unwrap_or('?'), after)
}
