//! Text → tokens, by Spark's lexical rules. No text makes it panic.

use super::error::SyntaxError;
use super::keywords::{Keyword, Use};
use super::tokens::{SYMBOLS, Symbol, Token, TokenKind};
use crate::diagnostic::Span;

/// All tokens of `text`, white space and comments left out, one [`TokenKind::End`] behind them.
///
/// # Errors
/// Where a string, a quoted name or a comment is not closed, or a character means nothing.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, Box<SyntaxError>> {
    let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
    for lexeme in lexemes(text) {
        let span = lexeme.span;
        match lexeme.kind {
            LexemeKind::Space | LexemeKind::Comment => {}
            LexemeKind::Token(kind) => tokens.push(Token { kind, text: lexeme.text, span }),
            LexemeKind::Open(Open::Text) => return Err(Box::new(SyntaxError::UnclosedString { span })),
            LexemeKind::Open(Open::Name) => return Err(Box::new(SyntaxError::UnclosedName { span })),
            LexemeKind::Open(Open::Comment) => return Err(Box::new(SyntaxError::UnclosedComment { span })),
            LexemeKind::Unknown => return Err(Box::new(SyntaxError::UnknownCharacter { found: lexeme.text.to_string(), span })),
        }
    }
    tokens.push(Token { kind: TokenKind::End, text: "", span: Span::new(text.len(), text.len()) });
    Ok(tokens)
}

/// What a stretch of text is to the eye: for highlighting at the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Highlight {
    Comment,
    Keyword,
    Function,
    Name,
    String,
    Number,
    Operator,
    /// An unclosed quote or a character that means nothing.
    Error,
}

/// Every stretch of `text` that is not white space, in order. Never fails.
pub fn highlights(text: &str) -> Vec<(Highlight, Span)> {
    let all: Vec<Lexeme<'_>> = lexemes(text).collect();
    let mut out = Vec::with_capacity(all.len());
    for (at, lexeme) in all.iter().enumerate() {
        let called = all.get(at + 1).is_some_and(|next| next.kind == LexemeKind::Token(TokenKind::Symbol(Symbol::LParen)));
        let after_dot = at > 0 && all[at - 1].kind == LexemeKind::Token(TokenKind::Symbol(Symbol::Dot));
        let kind = match lexeme.kind {
            LexemeKind::Space => continue,
            LexemeKind::Comment => Highlight::Comment,
            LexemeKind::Open(Open::Comment) => Highlight::Comment,
            LexemeKind::Open(Open::Text) => Highlight::String,
            LexemeKind::Open(Open::Name) | LexemeKind::Unknown => Highlight::Error,
            LexemeKind::Token(TokenKind::Word(keyword)) => word_highlight(keyword, called, after_dot),
            LexemeKind::Token(TokenKind::Quoted) => Highlight::Name,
            LexemeKind::Token(TokenKind::Text) => Highlight::String,
            LexemeKind::Token(TokenKind::Number) => Highlight::Number,
            LexemeKind::Token(TokenKind::Hint) => Highlight::Comment,
            LexemeKind::Token(TokenKind::Symbol(_) | TokenKind::End) => Highlight::Operator,
        };
        out.push((kind, lexeme.span));
    }
    out
}

fn word_highlight(keyword: Option<Keyword>, called: bool, after_dot: bool) -> Highlight {
    match keyword.map(Keyword::usage) {
        _ if after_dot => Highlight::Name,
        None if called => Highlight::Function,
        None => Highlight::Name,
        Some(Use::Reserved) => Highlight::Keyword,
        Some(_) if called => Highlight::Function,
        Some(Use::NotBare | Use::Free) => Highlight::Keyword,
        Some(Use::Soft) => Highlight::Name,
    }
}

/// A stretch of text: a token, or what stands between tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lexeme<'a> {
    pub(super) kind: LexemeKind,
    pub(super) text: &'a str,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LexemeKind {
    Space,
    Comment,
    Token(TokenKind),
    /// Begun but not closed: reaches to the end of the text.
    Open(Open),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    Text,
    Name,
    Comment,
}

/// The lexemes of `text`; together they cover it.
pub(super) fn lexemes(text: &str) -> Lexemes<'_> {
    Lexemes { text, at: 0 }
}

pub(super) struct Lexemes<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Lexemes<'a> {
    type Item = Lexeme<'a>;

    fn next(&mut self) -> Option<Lexeme<'a>> {
        let rest = &self.text[self.at..];
        let first = rest.chars().next()?;
        let (kind, length) = lexeme(rest, first);
        let span = Span::new(self.at, self.at + length);
        self.at += length;
        Some(Lexeme { kind, text: &rest[..length], span })
    }
}

/// The kind and length in bytes of the lexeme that `rest` begins with.
fn lexeme(rest: &str, first: char) -> (LexemeKind, usize) {
    let bytes = rest.as_bytes();
    let second = bytes.get(1).copied();
    match first {
        c if c.is_whitespace() || c == '\u{feff}' => (LexemeKind::Space, length_while(rest, |c| c.is_whitespace() || c == '\u{feff}')),
        '-' if second == Some(b'-') => (LexemeKind::Comment, rest.find('\n').unwrap_or(rest.len())),
        '/' if second == Some(b'*') => block_comment(bytes),
        '\'' | '"' => quoted_text(bytes, 0, first as u8, true),
        'r' | 'R' if matches!(second, Some(b'\'' | b'"')) => quoted_text(bytes, 1, bytes[1], false),
        '`' => quoted_name(bytes),
        '0'..='9' => digits_first(rest),
        '.' if second.is_some_and(|c| c.is_ascii_digit()) => match decimal(rest) {
            Some(length) => (LexemeKind::Token(TokenKind::Number), length),
            None => (LexemeKind::Token(TokenKind::Symbol(Symbol::Dot)), 1),
        },
        c if is_word(c) => {
            let length = length_while(rest, is_word);
            (LexemeKind::Token(TokenKind::Word(Keyword::of(&rest[..length]))), length)
        }
        _ => match SYMBOLS.iter().find(|(text, _)| rest.starts_with(text)) {
            Some((text, symbol)) => (LexemeKind::Token(TokenKind::Symbol(*symbol)), text.len()),
            None => (LexemeKind::Unknown, first.len_utf8()),
        },
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn length_while(text: &str, test: impl Fn(char) -> bool) -> usize {
    text.find(|c| !test(c)).unwrap_or(text.len())
}

/// `/* … */`, nested, or the hint `/*+ … */`.
fn block_comment(bytes: &[u8]) -> (LexemeKind, usize) {
    let (mut depth, mut at) = (1, 2);
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    let hint = bytes.get(2) == Some(&b'+');
                    return (if hint { LexemeKind::Token(TokenKind::Hint) } else { LexemeKind::Comment }, at);
                }
            }
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    (LexemeKind::Open(Open::Comment), bytes.len())
}

/// A string whose quote stands at `open`; a doubled quote is one of its characters.
fn quoted_text(bytes: &[u8], open: usize, quote: u8, escapes: bool) -> (LexemeKind, usize) {
    let mut at = open + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            c if c == quote && escapes && bytes.get(at + 1) == Some(&quote) => at += 2,
            c if c == quote => return (LexemeKind::Token(TokenKind::Text), at + 1),
            _ => at += 1,
        }
    }
    (LexemeKind::Open(Open::Text), bytes.len())
}

fn quoted_name(bytes: &[u8]) -> (LexemeKind, usize) {
    let mut at = 1;
    while at < bytes.len() {
        match (bytes[at], bytes.get(at + 1)) {
            (b'`', Some(b'`')) => at += 2,
            (b'`', _) => return (LexemeKind::Token(TokenKind::Quoted), at + 1),
            _ => at += 1,
        }
    }
    (LexemeKind::Open(Open::Name), bytes.len())
}

/// A number, or a name that begins with digits such as `1a` and `0x1F`.
fn digits_first(rest: &str) -> (LexemeKind, usize) {
    let word = length_while(rest, is_word);
    let digits = length_while(rest, |c| c.is_ascii_digit());
    if digits == word && rest[digits..].starts_with('.') {
        if let Some(length) = decimal(rest) {
            return (LexemeKind::Token(TokenKind::Number), length);
        }
        return (LexemeKind::Token(TokenKind::Number), digits);
    }
    let length = digits + number_tail(&rest[digits..], true);
    if length >= word {
        return (LexemeKind::Token(TokenKind::Number), length);
    }
    (LexemeKind::Token(TokenKind::Word(Keyword::of(&rest[..word]))), word)
}

/// The length of `1.5`, `5.`, `.5`, `1.5e3BD`; none where a name follows at once.
fn decimal(rest: &str) -> Option<usize> {
    let digits = |from: usize| from + length_while(&rest[from..], |c| c.is_ascii_digit());
    let fraction = digits(digits(0) + 1);
    let length = fraction + number_tail(&rest[fraction..], false);
    (!rest[length..].starts_with(is_word)).then_some(length)
}

/// The length of an exponent and a suffix.
fn number_tail(tail: &str, whole: bool) -> usize {
    let bytes = tail.as_bytes();
    let mut at = 0;
    if matches!(bytes.first(), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(1), Some(b'+' | b'-')));
        let digits = bytes[1 + sign..].iter().take_while(|c| c.is_ascii_digit()).count();
        if digits > 0 {
            at = 1 + sign + digits;
        }
    }
    let suffixes: &[&str] = if whole && at == 0 { &["BD", "L", "S", "Y", "D", "F"] } else { &["BD", "D", "F"] };
    let found = suffixes.iter().find(|s| bytes.get(at..at + s.len()).is_some_and(|b| b.eq_ignore_ascii_case(s.as_bytes())));
    at + found.map_or(0, |s| s.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).expect("lexes").iter().map(|t| t.text).filter(|t| !t.is_empty()).collect()
    }

    #[test]
    fn numbers_and_names_that_begin_with_digits() {
        assert_eq!(texts("1 1.5 .5 5. 1e3 1e-3 1.5E+3BD 1L 3Y 2D"), ["1", "1.5", ".5", "5.", "1e3", "1e-3", "1.5E+3BD", "1L", "3Y", "2D"]);
        assert_eq!(texts("1a 0x1F 1e 1La"), ["1a", "0x1F", "1e", "1La"]);
        assert_eq!(texts("1-1"), ["1", "-", "1"]);
        assert!(matches!(tokens("1La").expect("lexes")[0].kind, TokenKind::Word(None)));
        assert_eq!(texts("1e-x"), ["1e", "-", "x"]);
    }

    #[test]
    fn quotes_and_comments() {
        assert_eq!(texts(r"'it''s' 'a\'b' r'a\' `a``b`"), [r"'it''s'", r"'a\'b'", r"r'a\'", "`a``b`"]);
        assert_eq!(texts("a -- b\n/* /* */ ; */ c /*+ X */"), ["a", "c", "/*+ X */"]);
        assert!(matches!(*tokens("'abc").expect_err("open"), SyntaxError::UnclosedString { .. }));
        assert!(matches!(*tokens("/* /* */").expect_err("open"), SyntaxError::UnclosedComment { .. }));
        assert!(matches!(*tokens("`a").expect_err("open"), SyntaxError::UnclosedName { .. }));
    }

    #[test]
    fn operators_take_the_longest_match() {
        assert_eq!(
            texts("a<=>b<>c|>d||e::f->g=>h<<i"),
            ["a", "<=>", "b", "<>", "c", "|>", "d", "||", "e", "::", "f", "->", "g", "=>", "h", "<<", "i"]
        );
    }
}
