//! What the parsers read: a slice of tokens as nom's input, and the small parsers that all others are made of.

use super::ast::Ident;
use super::error::SyntaxError;
use super::keywords::{Keyword, Use};
use super::tokens::{Symbol, Token, TokenKind};
use crate::diagnostic::Span;
use nom::error::{ErrorKind, ParseError};
use nom::{Err, IResult, Needed};
use std::cell::{Cell, RefCell};
use std::iter::{Copied, Enumerate};
use std::slice::Iter;

/// How deeply parentheses, sub-queries, calls, types and prefix operators may nest.
pub const NESTING_LIMIT: u32 = 500;

/// How many operators one chain such as `a + b + c …` may have; AND and OR do not count.
pub const CHAIN_LIMIT: u32 = 10_000;

/// What a join, a set operation or a `|>` weighs in a chain against an operator.
pub(super) const RELATION_WEIGHT: u32 = 10;

/// The rest of the tokens, and what all parsers of one text share.
#[derive(Clone, Copy)]
pub(super) struct In<'a> {
    tokens: &'a [Token<'a>],
    pub(super) shared: &'a Shared<'a>,
}

/// What all parsers of one text share.
pub(super) struct Shared<'a> {
    pub(super) text: &'a str,
    all: &'a [Token<'a>],
    /// For each opening parenthesis the token that closes it; 0 where none does.
    closes: Vec<u32>,
    furthest: Cell<usize>,
    expected: RefCell<Vec<Expected>>,
    depth: Cell<u32>,
    /// How deep and how long the tree built so far in this scope is at most.
    height: Cell<u32>,
    length: Cell<u32>,
}

/// What could have stood where parsing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Word(Keyword),
    Sign(Symbol),
    Thing(&'static str),
}

/// Why a parser gave up.
#[derive(Debug)]
pub(super) enum Trouble {
    /// At this token; what was expected is noted in [`Shared`].
    Here,
    /// With a message of its own.
    Said(Box<SyntaxError>),
}

pub(super) type Parsed<'a, T> = IResult<In<'a>, T, Trouble>;

impl<'a> ParseError<In<'a>> for Trouble {
    fn from_error_kind(_: In<'a>, _: ErrorKind) -> Trouble {
        Trouble::Here
    }

    fn append(_: In<'a>, _: ErrorKind, other: Trouble) -> Trouble {
        other
    }
}

impl<'a> Shared<'a> {
    pub(super) fn new(text: &'a str, all: &'a [Token<'a>]) -> Shared<'a> {
        Shared {
            text,
            all,
            closes: closing_parentheses(all),
            furthest: Cell::new(0),
            expected: RefCell::default(),
            depth: Cell::new(0),
            height: Cell::new(0),
            length: Cell::new(0),
        }
    }

    /// The furthest token that any parser could not use, and what it would have taken.
    pub(super) fn furthest(&self) -> (usize, Vec<Expected>) {
        (self.furthest.get(), self.expected.borrow().clone())
    }

    /// All tokens.
    pub(super) fn tokens(&self) -> &'a [Token<'a>] {
        self.all
    }

    /// Whether the token at `index` closes a parenthesis.
    pub(super) fn closes_any(&self, index: usize) -> bool {
        self.closes.iter().any(|close| *close as usize == index && index > 0)
    }

    /// The innermost parenthesis open before `index` that nothing closes.
    pub(super) fn unclosed_before(&self, index: usize) -> Option<Span> {
        (0..index.min(self.all.len()))
            .rev()
            .find(|at| self.all[*at].is_symbol(Symbol::LParen) && self.closes[*at] == 0)
            .map(|at| self.all[at].span)
    }
}

fn closing_parentheses(all: &[Token<'_>]) -> Vec<u32> {
    let mut closes = vec![0; all.len()];
    let mut open = Vec::new();
    for (at, token) in all.iter().enumerate() {
        if token.is_symbol(Symbol::LParen) {
            open.push(at);
        } else if token.is_symbol(Symbol::RParen)
            && let Some(from) = open.pop()
        {
            closes[from] = u32::try_from(at).unwrap_or(0);
        }
    }
    closes
}

impl<'a> In<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> In<'a> {
        In { tokens: shared.all, shared }
    }

    pub(super) fn index(&self) -> usize {
        self.shared.all.len() - self.tokens.len()
    }

    /// The next token; behind the last one stands [`TokenKind::End`] for ever.
    pub(super) fn peek(&self) -> &'a Token<'a> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &'a Token<'a> {
        let last = self.shared.all.len() - 1;
        &self.shared.all[(self.index() + ahead).min(last)]
    }

    /// Behind the next token; stays at the end.
    pub(super) fn next(self) -> In<'a> {
        self.skip(1)
    }

    pub(super) fn skip(self, count: usize) -> In<'a> {
        let count = count.min(self.tokens.len().saturating_sub(1));
        In { tokens: &self.tokens[count..], shared: self.shared }
    }

    pub(super) fn is(&self, keyword: Keyword) -> bool {
        self.peek().keyword() == Some(keyword)
    }

    pub(super) fn is_at(&self, ahead: usize, keyword: Keyword) -> bool {
        self.peek_at(ahead).keyword() == Some(keyword)
    }

    pub(super) fn is_any(&self, keywords: &[Keyword]) -> bool {
        self.peek().keyword().is_some_and(|k| keywords.contains(&k))
    }

    pub(super) fn sign(&self, symbol: Symbol) -> bool {
        self.peek().is_symbol(symbol)
    }

    pub(super) fn sign_at(&self, ahead: usize, symbol: Symbol) -> bool {
        self.peek_at(ahead).is_symbol(symbol)
    }

    pub(super) fn at_end(&self) -> bool {
        matches!(self.peek().kind, TokenKind::End)
    }

    /// Past the keyword if it is next; noted as possible either way.
    pub(super) fn eat(self, keyword: Keyword) -> (In<'a>, bool) {
        if self.is(keyword) {
            (self.next(), true)
        } else {
            self.note(Expected::Word(keyword));
            (self, false)
        }
    }

    /// Past the symbol if it is next; noted as possible either way.
    pub(super) fn eat_sign(self, symbol: Symbol) -> (In<'a>, bool) {
        if self.sign(symbol) {
            (self.next(), true)
        } else {
            self.note(Expected::Sign(symbol));
            (self, false)
        }
    }

    /// How many tokens stand from here to behind the parenthesis that closes the one `ahead`.
    pub(super) fn past_parentheses(&self, ahead: usize) -> Option<usize> {
        let open = self.index() + ahead;
        match self.shared.closes.get(open) {
            Some(0) | None => None,
            Some(close) => Some(*close as usize + 1 - self.index()),
        }
    }

    /// From `start` to the last token read before here.
    pub(super) fn span_since(&self, start: In<'a>) -> Span {
        let first = start.peek().span;
        match self.index() {
            0 => first,
            index => first.to(self.shared.all[index - 1].span),
        }
    }

    /// Remembers what could have stood here, for the message if nothing gets further.
    pub(super) fn note(&self, expected: Expected) {
        let index = self.index();
        if index > self.shared.furthest.get() {
            self.shared.furthest.set(index);
            self.shared.expected.borrow_mut().clear();
        }
        if index == self.shared.furthest.get() {
            let mut all = self.shared.expected.borrow_mut();
            if !all.contains(&expected) {
                all.push(expected);
            }
        }
    }

    /// Gives up here: `expected` could have stood.
    pub(super) fn missing<T>(&self, expected: Expected) -> Parsed<'a, T> {
        self.note(expected);
        Err(Err::Error(Trouble::Here))
    }

    /// One operator more in a chain of the current scope, `weight` of the limit.
    pub(super) fn lengthen(&self, weight: u32) -> Result<(), Err<Trouble>> {
        let length = self.shared.length.get() + weight;
        self.shared.length.set(length);
        if length > CHAIN_LIMIT {
            return said(SyntaxError::TooLong { limit: CHAIN_LIMIT / weight, span: self.peek().span });
        }
        Ok(())
    }

    /// One level more on top of what the current scope has built.
    pub(super) fn heighten(&self) -> Result<(), Err<Trouble>> {
        let height = self.shared.height.get() + 1;
        self.shared.height.set(height);
        if height > NESTING_LIMIT {
            return said(SyntaxError::TooDeep { limit: NESTING_LIMIT, span: self.peek().span });
        }
        Ok(())
    }

    /// Begins a scope of its own for [`In::lengthen`] and [`In::heighten`]. With [`In::close`] rather than a closure: parsers
    /// that call each other in a circle must need little stack.
    pub(super) fn open(&self) -> Scope {
        let shared = self.shared;
        Scope { depth: shared.depth.get(), height: shared.height.replace(0), length: shared.length.replace(0) }
    }

    /// Ends the scope; the one around it is at least as high and as long.
    pub(super) fn close(&self, scope: Scope) {
        let shared = self.shared;
        shared.depth.set(scope.depth);
        shared.height.set(shared.height.get().max(scope.height));
        shared.length.set(shared.length.get().max(scope.length));
    }

    /// Begins a scope one level deeper, `weight` of the limit.
    pub(super) fn open_deeper(&self, weight: u32) -> Result<Scope, Err<Trouble>> {
        let depth = self.shared.depth.get() + weight;
        if depth > NESTING_LIMIT {
            return said(SyntaxError::TooDeep { limit: NESTING_LIMIT, span: self.peek().span });
        }
        let scope = self.open();
        self.shared.depth.set(depth);
        Ok(scope)
    }

    /// Ends such a scope: what was built in it is one level higher now.
    pub(super) fn close_deeper<T>(&self, scope: Scope, parsed: Parsed<'a, T>) -> Parsed<'a, T> {
        let too_high = if parsed.is_ok() { self.heighten() } else { Ok(()) };
        self.close(scope);
        match too_high {
            Ok(()) => parsed,
            Err(trouble) => Err(trouble),
        }
    }

    /// Runs `parser` one level deeper, `weight` of the limit.
    pub(super) fn deeper<T>(self, weight: u32, parser: impl FnOnce(In<'a>) -> Parsed<'a, T>) -> Parsed<'a, T> {
        let scope = self.open_deeper(weight)?;
        let parsed = parser(self);
        self.close_deeper(scope, parsed)
    }
}

/// What [`In::open`] remembers.
pub(super) struct Scope {
    depth: u32,
    height: u32,
    length: u32,
}

/// A message of its own: no other alternative is tried.
pub(super) fn said<T>(error: SyntaxError) -> Result<T, Err<Trouble>> {
    Err(Err::Failure(Trouble::Said(Box::new(error))))
}

/// The keyword.
pub(super) fn word<'a>(keyword: Keyword) -> impl Fn(In<'a>) -> Parsed<'a, Span> + Copy {
    move |i| if i.is(keyword) { Ok((i.next(), i.peek().span)) } else { i.missing(Expected::Word(keyword)) }
}

/// The keywords one after the other.
pub(super) fn words<'a>(keywords: &'static [Keyword]) -> impl Fn(In<'a>) -> Parsed<'a, ()> + Copy {
    move |mut i| {
        for keyword in keywords {
            (i, _) = word(*keyword)(i)?;
        }
        Ok((i, ()))
    }
}

/// The operator or bracket.
pub(super) fn sign<'a>(symbol: Symbol) -> impl Fn(In<'a>) -> Parsed<'a, Span> + Copy {
    move |i| if i.sign(symbol) { Ok((i.next(), i.peek().span)) } else { i.missing(Expected::Sign(symbol)) }
}

/// `( inner )`
pub(super) fn parenthesised<'a, T>(inner: impl FnOnce(In<'a>) -> Parsed<'a, T>) -> impl FnOnce(In<'a>) -> Parsed<'a, T> {
    move |i| {
        let (i, _) = sign(Symbol::LParen)(i)?;
        let (i, value) = inner(i)?;
        let (i, _) = sign(Symbol::RParen)(i)?;
        Ok((i, value))
    }
}

/// `item, item, …`: at least one.
pub(super) fn comma_list<'a, T>(item: impl Fn(In<'a>) -> Parsed<'a, T>) -> impl Fn(In<'a>) -> Parsed<'a, Vec<T>> {
    move |i| {
        let (mut i, first) = item(i)?;
        let mut all = vec![first];
        loop {
            let (rest, more) = i.eat_sign(Symbol::Comma);
            if !more {
                return Ok((i, all));
            }
            let (rest, next) = item(rest)?;
            all.push(next);
            i = rest;
        }
    }
}

/// `(item, item, …)`
pub(super) fn parenthesised_list<'a, T>(item: impl Fn(In<'a>) -> Parsed<'a, T>) -> impl Fn(In<'a>) -> Parsed<'a, Vec<T>> {
    move |i| parenthesised(comma_list(&item))(i)
}

/// The name a word or backquoted token spells, whatever keyword it may be.
fn spelt(token: &Token<'_>) -> Option<Ident> {
    match token.kind {
        TokenKind::Word(_) => Some(Ident { name: token.text.to_string(), span: token.span }),
        TokenKind::Quoted => {
            let inner = &token.text[1..token.text.len() - 1];
            Some(Ident { name: inner.replace("``", "`"), span: token.span })
        }
        _ => None,
    }
}

/// Any word at all: behind `AS`, a dot, or in a list of names.
pub(super) fn any_name(i: In<'_>) -> Parsed<'_, Ident> {
    match spelt(i.peek()) {
        Some(ident) if matches!(i.peek().kind, TokenKind::Word(_)) && !ident.name.is_ascii() => {
            said(SyntaxError::ForeignLetters { name: ident.name, span: ident.span })
        }
        Some(ident) => Ok((i.next(), ident)),
        None => i.missing(Expected::Thing("a name")),
    }
}

/// A word that is not reserved: where a clause could follow just as well.
pub(super) fn name(i: In<'_>) -> Parsed<'_, Ident> {
    if is_name(i) { any_name(i) } else { i.missing(Expected::Thing("a name")) }
}

/// Whether the next token can be a name where a clause could follow too.
pub(super) fn is_name(i: In<'_>) -> bool {
    match i.peek().kind {
        TokenKind::Quoted | TokenKind::Word(None) => true,
        // `order` and `group` are names unless BY makes them clauses.
        TokenKind::Word(Some(Keyword::ORDER | Keyword::GROUP)) => !i.is_at(1, Keyword::BY),
        TokenKind::Word(Some(keyword)) => keyword.usage() != Use::Reserved,
        _ => false,
    }
}

/// Whether the next token can be an alias without `AS`.
pub(super) fn is_bare_alias(i: In<'_>) -> bool {
    match i.peek().kind {
        TokenKind::Word(Some(Keyword::GROUPING)) if i.is_at(1, Keyword::SETS) => false,
        // The WINDOW clause: `WINDOW w AS …`.
        TokenKind::Word(Some(Keyword::WINDOW)) if i.is_at(2, Keyword::AS) => false,
        TokenKind::Quoted | TokenKind::Word(None) => true,
        TokenKind::Word(Some(keyword)) => matches!(keyword.usage(), Use::Free | Use::Soft),
        _ => false,
    }
}

impl<'a> nom::Input for In<'a> {
    type Item = Token<'a>;
    type Iter = Copied<Iter<'a, Token<'a>>>;
    type IterIndices = Enumerate<Copied<Iter<'a, Token<'a>>>>;

    fn input_len(&self) -> usize {
        self.tokens.len()
    }

    fn take(&self, index: usize) -> Self {
        In { tokens: &self.tokens[..index], shared: self.shared }
    }

    fn take_from(&self, index: usize) -> Self {
        In { tokens: &self.tokens[index..], shared: self.shared }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Token<'a>) -> bool>(&self, predicate: P) -> Option<usize> {
        self.tokens.iter().position(|t| predicate(*t))
    }

    fn iter_elements(&self) -> Self::Iter {
        self.tokens.iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.tokens.iter().copied().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if self.tokens.len() >= count { Ok(count) } else { Err(Needed::new(count - self.tokens.len())) }
    }
}
