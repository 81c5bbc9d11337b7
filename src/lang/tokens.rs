//! Tokens: what the lexer makes of text and the parsers read.

use super::keywords::Keyword;
use crate::diagnostic::Span;

/// One token and the text it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: TokenKind,
    /// As written, quotes and suffixes included.
    pub text: &'a str,
    /// Where.
    pub span: Span,
}

/// The kinds of tokens that take part in parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A word: a keyword, a name, or both.
    Word(Option<Keyword>),
    /// `` `a name` ``
    Quoted,
    /// `'…'`, `"…"` or `r'…'`
    Text,
    /// `1`, `1.5`, `1e3`, `1L`
    Number,
    /// `/*+ … */`
    Hint,
    /// An operator or a bracket.
    Symbol(Symbol),
    /// Behind the last token.
    End,
}

macro_rules! symbols {
    ($($name:ident $text:literal),* $(,)?) => {
        /// Operators and brackets. `>>` and `>>>` are two and three `>` that touch: `ARRAY<ARRAY<INT>>` ends in them too.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Symbol {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        /// Every symbol with its text, longer ones before their beginnings.
        pub const SYMBOLS: &[(&str, Symbol)] = &[$(($text, Symbol::$name),)*];
    };
}

symbols! {
    NullSafeEq "<=>",
    NotEq "<>",
    BangEq "!=",
    LtEq "<=",
    BangGt "!>",
    GtEq ">=",
    BangLt "!<",
    DoubleEq "==",
    FatArrow "=>",
    Arrow "->",
    Concat "||",
    Pipe "|>",
    ShiftLeft "<<",
    DoubleColon "::",
    LParen "(",
    RParen ")",
    LBracket "[",
    RBracket "]",
    Comma ",",
    Dot ".",
    Semicolon ";",
    Colon ":",
    Eq "=",
    Lt "<",
    Gt ">",
    Plus "+",
    Minus "-",
    Star "*",
    Slash "/",
    Percent "%",
    Amp "&",
    Bar "|",
    Caret "^",
    Tilde "~",
    Bang "!",
}

impl Symbol {
    /// As written.
    pub fn text(self) -> &'static str {
        SYMBOLS[self as usize].0
    }
}

impl Token<'_> {
    /// The keyword this word spells.
    pub fn keyword(&self) -> Option<Keyword> {
        match self.kind {
            TokenKind::Word(keyword) => keyword,
            _ => None,
        }
    }

    /// Whether it is this symbol.
    pub fn is_symbol(&self, symbol: Symbol) -> bool {
        self.kind == TokenKind::Symbol(symbol)
    }
}
