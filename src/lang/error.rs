//! Why a text is no statement: one sentence, the place, what could have stood there, what to do.

use super::input::{Expected, Shared};
use super::keywords::{KEYWORDS, Keyword};
use super::tokens::{Symbol, Token, TokenKind};
use crate::diagnostic::{Diagnostic, Span, nearest};

/// A text that does not parse.
#[derive(Clone, Debug, PartialEq)]
pub enum SyntaxError {
    /// `'abc`
    UnclosedString { span: Span },
    /// `` `abc ``
    UnclosedName { span: Span },
    /// `/* abc`
    UnclosedComment { span: Span },
    /// `§`
    UnknownCharacter { found: String, span: Span },
    /// A token where something else had to stand.
    Unexpected { found: String, expected: Vec<String>, hint: Option<String>, notes: Vec<String>, span: Span },
    /// The text ends too early.
    UnexpectedEnd { expected: Vec<String>, notes: Vec<String>, span: Span },
    /// A word that is nearly a keyword which could stand there.
    Misspelt { found: String, meant: &'static str, span: Span },
    /// A `(` that nothing closes, found out at a later token.
    Unclosed { found: String, span: Span, open: Span },
    /// Nothing but white space and comments.
    Empty { span: Span },
    /// More levels than the limit.
    TooDeep { limit: u32, span: Span },
    /// A chain of more operators than the limit.
    TooLong { limit: u32, span: Span },
    /// A streaming clause that stands twice.
    RepeatedClause { clause: &'static str, span: Span },
    /// ORDER BY with SORT BY, DISTRIBUTE BY or CLUSTER BY.
    SortedTwice { span: Span },
    /// A name that is given twice.
    Twice { what: &'static str, condition: &'static str, span: Span },
    /// `1 AS ü`
    ForeignLetters { name: String, span: Span },
    /// `ESCAPE 'ab'`
    LongEscape { text: String, span: Span },
    /// A word after `|>` that Spark has no operator for.
    NoPipeOperator { found: String, instead: &'static str, span: Span },
    /// `FROM t AS e WATERMARK …`
    WatermarkAfterAlias { span: Span },
    /// A part of SQL that the language leaves out.
    Unsupported { what: String, instead: String, span: Span },
    /// `DATE'2024-13-01'`
    InvalidTypedLiteral { kind: &'static str, text: String, span: Span },
    /// `200Y`
    NumberOutOfRange { text: String, kind: &'static str, low: &'static str, high: &'static str, span: Span },
    /// An interval's text that Spark does not read.
    InvalidInterval { condition: &'static str, reason: String, text: String, span: Span },
    /// `INTERVAL 5 FORTNIGHTS`
    UnknownUnit { found: String, span: Span },
    /// `DECIMAL(40, 2)`
    DecimalPrecision { precision: u64, span: Span },
    /// `DECIMAL(5, 7)`
    DecimalScale { precision: u64, scale: u64, span: Span },
    /// `CAST(a AS FROBNICATE)`
    UnknownType { name: String, span: Span },
    /// A type of Spark that is not built here.
    UnsupportedType { name: String, span: Span },
    /// A number, text or word whose value does not fit its clause.
    InvalidValue { message: String, span: Span },
}

impl SyntaxError {
    /// The place of the token that could not be used.
    pub fn span(&self) -> Span {
        match self {
            SyntaxError::UnclosedString { span }
            | SyntaxError::UnclosedName { span }
            | SyntaxError::UnclosedComment { span }
            | SyntaxError::UnknownCharacter { span, .. }
            | SyntaxError::Unexpected { span, .. }
            | SyntaxError::UnexpectedEnd { span, .. }
            | SyntaxError::Misspelt { span, .. }
            | SyntaxError::Unclosed { span, .. }
            | SyntaxError::Empty { span }
            | SyntaxError::TooDeep { span, .. }
            | SyntaxError::TooLong { span, .. }
            | SyntaxError::RepeatedClause { span, .. }
            | SyntaxError::NoPipeOperator { span, .. }
            | SyntaxError::SortedTwice { span }
            | SyntaxError::Twice { span, .. }
            | SyntaxError::ForeignLetters { span, .. }
            | SyntaxError::LongEscape { span, .. }
            | SyntaxError::WatermarkAfterAlias { span }
            | SyntaxError::Unsupported { span, .. }
            | SyntaxError::InvalidTypedLiteral { span, .. }
            | SyntaxError::NumberOutOfRange { span, .. }
            | SyntaxError::InvalidInterval { span, .. }
            | SyntaxError::UnknownUnit { span, .. }
            | SyntaxError::DecimalPrecision { span, .. }
            | SyntaxError::DecimalScale { span, .. }
            | SyntaxError::UnknownType { span, .. }
            | SyntaxError::UnsupportedType { span, .. }
            | SyntaxError::InvalidValue { span, .. } => *span,
        }
    }

    /// Spark's error condition.
    pub fn condition(&self) -> &'static str {
        match self {
            SyntaxError::InvalidTypedLiteral { .. } => "INVALID_TYPED_LITERAL",
            SyntaxError::NumberOutOfRange { .. } => "INVALID_NUMERIC_LITERAL_RANGE",
            SyntaxError::InvalidInterval { condition, .. } => condition,
            SyntaxError::DecimalPrecision { .. } => "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
            SyntaxError::DecimalScale { .. } => "DECIMAL_SCALE_EXCEEDS_PRECISION",
            SyntaxError::SortedTwice { .. } => "UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES",
            SyntaxError::Twice { condition, .. } => condition,
            SyntaxError::ForeignLetters { .. } => "INVALID_IDENTIFIER",
            SyntaxError::LongEscape { .. } => "INVALID_ESC",
            SyntaxError::UnsupportedType { name, .. } if name.starts_with("TIME") => "UNSUPPORTED_TIME_TYPE",
            SyntaxError::UnknownType { .. } | SyntaxError::UnsupportedType { .. } => "UNSUPPORTED_DATATYPE",
            SyntaxError::UnclosedComment { .. } => "UNCLOSED_BRACKETED_COMMENT",
            SyntaxError::Empty { .. } => "PARSE_EMPTY_STATEMENT",
            _ => "PARSE_SYNTAX_ERROR",
        }
    }

    /// The sentence, without a full stop.
    fn message(&self) -> String {
        match self {
            SyntaxError::UnclosedString { .. } => "a string is opened here and never closed".into(),
            SyntaxError::UnclosedName { .. } => "a quoted name is opened here and never closed".into(),
            SyntaxError::UnclosedComment { .. } => "a comment is opened here and never closed".into(),
            SyntaxError::UnknownCharacter { found, .. } => format!("the character `{found}` means nothing here"),
            SyntaxError::Unexpected { found, .. } => format!("`{found}` cannot stand here"),
            SyntaxError::UnexpectedEnd { .. } => "the statement ends too early".into(),
            SyntaxError::Misspelt { found, .. } => format!("`{found}` is no keyword"),
            SyntaxError::Unclosed { found, .. } if found.is_empty() => "a parenthesis is never closed".into(),
            SyntaxError::Unclosed { found, .. } => format!("`{found}` cannot stand here: a parenthesis is still open"),
            SyntaxError::Empty { .. } => "there is no statement here".into(),
            SyntaxError::TooDeep { limit, .. } => format!("this is nested too deeply: more than {limit} levels"),
            SyntaxError::TooLong { limit, .. } => format!("this chain is too long: more than {limit} operators"),
            SyntaxError::RepeatedClause { clause, .. } => format!("{clause} stands here for the second time"),
            SyntaxError::NoPipeOperator { found, .. } => format!("`{}` is no pipe operator", found.to_uppercase()),
            SyntaxError::SortedTwice { .. } => "ORDER BY goes alone: not with SORT BY, DISTRIBUTE BY or CLUSTER BY".into(),
            SyntaxError::Twice { what, .. } => format!("this {what} is there already"),
            SyntaxError::ForeignLetters { name, .. } => {
                format!("a name without backticks has only the letters a to z, digits and underscores: write `{name}` in backticks")
            }
            SyntaxError::LongEscape { text, .. } => format!("ESCAPE takes a string of one character, not '{text}'"),
            SyntaxError::WatermarkAfterAlias { .. } => "WATERMARK stands before the alias".into(),
            SyntaxError::Unsupported { what, .. } => format!("{what} is not part of the language here"),
            SyntaxError::InvalidTypedLiteral { kind, text, .. } => format!("'{text}' is no {kind}"),
            SyntaxError::NumberOutOfRange { text, kind, low, high, .. } => format!("{text} is out of range for {kind}: {low} to {high}"),
            SyntaxError::InvalidInterval { reason, text, .. } => format!("'{text}' is no interval: {reason}"),
            SyntaxError::UnknownUnit { found, .. } => format!("`{found}` is no unit of time"),
            SyntaxError::DecimalPrecision { precision, .. } => format!("a DECIMAL has at most 38 digits, not {precision}"),
            SyntaxError::DecimalScale { precision, scale, .. } => {
                format!("a DECIMAL of {precision} digits cannot have {scale} of them after the point")
            }
            SyntaxError::UnknownType { name, .. } => format!("there is no type `{name}`"),
            SyntaxError::UnsupportedType { name, .. } => format!("the type {name} is not built here"),
            SyntaxError::InvalidValue { message, .. } => message.clone(),
        }
    }

    /// The few words beside the caret.
    fn label(&self) -> Option<String> {
        match self {
            SyntaxError::Unexpected { hint: Some(hint), .. } => Some(hint.clone()),
            SyntaxError::Unexpected { expected, .. } | SyntaxError::UnexpectedEnd { expected, .. } if !expected.is_empty() => {
                Some(format!("expected {}", listed(expected)))
            }
            SyntaxError::Misspelt { meant, .. } => Some(format!("did you mean {meant}?")),
            SyntaxError::Unclosed { .. } => Some("expected `)` before this".into()),
            SyntaxError::WatermarkAfterAlias { .. } => Some("put it before AS".into()),
            SyntaxError::UnknownUnit { found, .. } => {
                let units = super::interval::UNITS.iter().map(|(name, _)| *name);
                nearest(found, units).map(|unit| format!("did you mean {unit}?"))
            }
            SyntaxError::UnknownType { name, .. } => {
                nearest(name, super::types::NAMES.iter().copied()).map(|t| format!("did you mean {t}?"))
            }
            _ => None,
        }
    }

    /// What to do, a line each.
    fn notes(&self) -> Vec<String> {
        match self {
            SyntaxError::Unexpected { notes, .. } | SyntaxError::UnexpectedEnd { notes, .. } => notes.clone(),
            SyntaxError::UnclosedString { .. } => vec!["help: a quote inside a string is doubled, 'it''s', or escaped, 'it\\'s'".into()],
            SyntaxError::UnclosedComment { .. } => vec!["help: comments nest, so each /* needs its own */".into()],
            SyntaxError::Unclosed { open, .. } => vec![format!("help: the `(` at byte {} has no `)`", open.start)],
            SyntaxError::NoPipeOperator { instead, .. } if !instead.is_empty() => vec![format!("help: {instead}")],
            SyntaxError::NoPipeOperator { .. } => vec![format!("help: the operators are {}", super::pipe::OPERATORS)],
            SyntaxError::WatermarkAfterAlias { .. } => {
                vec!["help: FROM STREAM events WATERMARK ts DELAY OF INTERVAL 10 SECONDS AS e".into()]
            }
            SyntaxError::Unsupported { instead, .. } if !instead.is_empty() => vec![format!("help: {instead}")],
            SyntaxError::UnknownUnit { .. } => {
                vec!["help: YEAR, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND or MICROSECOND".into()]
            }
            SyntaxError::TooLong { .. } => vec!["help: cut it into several SELECTs, or use IN (…) or an array".into()],
            SyntaxError::RepeatedClause { .. } => vec!["help: each clause after the query stands at most once".into()],
            SyntaxError::InvalidTypedLiteral { kind, .. } => match *kind {
                "DATE" => vec!["help: write it as DATE'2024-02-29'".into()],
                "X" => vec!["help: write pairs of the digits 0-9 and A-F, X'1CFE'".into()],
                "INTERVAL" => vec!["help: write it as INTERVAL '5' MINUTE".into()],
                kind => vec![format!("help: write it as {kind}'2024-02-29 12:34:56'")],
            },
            _ => Vec::new(),
        }
    }

    /// The message for the furthest token that no parser could use.
    pub(super) fn at_furthest(shared: &Shared<'_>) -> SyntaxError {
        let (index, expected) = shared.furthest();
        let tokens = shared.tokens();
        let token = &tokens[index.min(tokens.len() - 1)];
        if let Some(misspelt) = misspelt(tokens, index, &expected) {
            return misspelt;
        }
        let (span, found) = (token.span, short(token.text));
        let closes = expected.contains(&Expected::Sign(Symbol::RParen));
        if closes && let Some(open) = shared.unclosed_before(index) {
            return SyntaxError::Unclosed { found, span, open };
        }
        let notes = notes(shared, index, &expected);
        let expected = worded(&expected);
        if token.kind == TokenKind::End {
            return SyntaxError::UnexpectedEnd { expected, notes, span };
        }
        SyntaxError::Unexpected { found, expected, hint: None, notes, span }
    }
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for SyntaxError {}

impl From<SyntaxError> for Diagnostic {
    fn from(error: SyntaxError) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(error.message()).condition(error.condition()).at(error.span());
        diagnostic.label = error.label();
        diagnostic.notes = error.notes();
        diagnostic
    }
}

impl From<Box<SyntaxError>> for Diagnostic {
    fn from(error: Box<SyntaxError>) -> Diagnostic {
        Diagnostic::from(*error)
    }
}

fn short(text: &str) -> String {
    if text.chars().count() > 40 { text.chars().take(39).chain(['…']).collect() } else { text.to_string() }
}

fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// At most six alternatives, the things before the words before the signs.
fn worded(expected: &[Expected]) -> Vec<String> {
    let things = expected.iter().filter_map(|e| if let Expected::Thing(thing) = e { Some((*thing).to_string()) } else { None });
    let words = expected.iter().filter_map(|e| if let Expected::Word(word) = e { Some(word.text().to_string()) } else { None });
    let signs = expected.iter().filter_map(|e| if let Expected::Sign(sign) = e { Some(format!("`{}`", sign.text())) } else { None });
    let all: Vec<String> = things.chain(words).chain(signs).collect();
    if all.len() > 6 { Vec::new() } else { all }
}

/// Keywords that a misspelt bare alias was probably meant to be.
const CLAUSES: &[Keyword] = &[
    Keyword::FROM,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::ORDER,
    Keyword::HAVING,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::UNION,
    Keyword::JOIN,
    Keyword::LEFT,
    Keyword::RIGHT,
    Keyword::OUTPUT,
    Keyword::TRIGGER,
    Keyword::CHECKPOINT,
    Keyword::INTO,
    Keyword::WATERMARK,
    Keyword::LATERAL,
    Keyword::BETWEEN,
    Keyword::LIKE,
    Keyword::AND,
];

/// The token at `index`, or the alias just before it, where it is nearly a keyword that fits.
fn misspelt(tokens: &[Token<'_>], index: usize, expected: &[Expected]) -> Option<SyntaxError> {
    let unknown = |at: usize| tokens.get(at).filter(|t| t.kind == TokenKind::Word(None));
    let pick = |token: &Token<'_>, keywords: &mut dyn Iterator<Item = Keyword>| {
        let names: Vec<&'static str> = keywords.map(Keyword::text).collect();
        let meant = nearest(token.text, names)?;
        let meant = KEYWORDS.iter().find(|k| k.0 == meant)?.0;
        Some(SyntaxError::Misspelt { found: token.text.to_string(), meant, span: token.span })
    };
    let wanted = expected.iter().filter_map(|e| if let Expected::Word(word) = e { Some(*word) } else { None });
    if let Some(found) = unknown(index).and_then(|token| pick(token, &mut wanted.chain(CLAUSES.iter().copied()))) {
        return Some(found);
    }
    let before = unknown(index.checked_sub(1)?)?;
    let plain = index < 2 || !tokens[index - 2].is_symbol(Symbol::Dot);
    (plain && index >= 2).then(|| pick(before, &mut CLAUSES.iter().copied())).flatten()
}

/// Help on mistakes that are made often.
fn notes(shared: &Shared<'_>, index: usize, expected: &[Expected]) -> Vec<String> {
    let tokens = shared.tokens();
    let token = &tokens[index.min(tokens.len() - 1)];
    let before = index.checked_sub(1).map(|at| &tokens[at]);
    let keyword = token.keyword();
    let help = |text: &str| vec![format!("help: {text}")];
    if before.is_some_and(|t| t.is_symbol(Symbol::Comma)) && !matches!(token.kind, TokenKind::Number | TokenKind::Text) {
        return help("leave out the comma before this");
    }
    match keyword {
        Some(Keyword::WHERE) => return help("WHERE stands before GROUP BY, HAVING and ORDER BY, once in a SELECT"),
        Some(Keyword::GROUP) => return help("GROUP BY stands behind WHERE and before HAVING and ORDER BY"),
        Some(Keyword::HAVING) => return help("HAVING stands behind GROUP BY and before ORDER BY"),
        Some(Keyword::ORDER) => return help("ORDER BY stands behind GROUP BY and HAVING, before LIMIT"),
        Some(Keyword::OUTPUT | Keyword::TRIGGER | Keyword::CHECKPOINT | Keyword::INTO) => {
            return help("INTO, OUTPUT MODE, TRIGGER and CHECKPOINT stand behind the whole query");
        }
        _ => {}
    }
    if token.is_symbol(Symbol::FatArrow) {
        return help("`=>` names an argument of a function; comparison is `>=`, lambdas are `x -> …`");
    }
    if token.is_symbol(Symbol::RParen) {
        return if shared.closes_any(index) { Vec::new() } else { help("there is one `)` too many, or its `(` is missing") };
    }
    let begins = matches!(
        keyword,
        Some(
            Keyword::SELECT
                | Keyword::CREATE
                | Keyword::DROP
                | Keyword::START
                | Keyword::STOP
                | Keyword::SHOW
                | Keyword::EXPLAIN
                | Keyword::WITH
        )
    );
    // `… FROM t CREATE STREAM x`: the first word was taken for an alias.
    let begun = before.and_then(Token::keyword).is_some_and(|k| matches!(k, Keyword::CREATE | Keyword::DROP | Keyword::SHOW)) && index > 1;
    if begins && before.is_some() || begun {
        return help("if a new statement begins here, end the one before it with `;`");
    }
    let value = matches!(token.kind, TokenKind::Word(_) | TokenKind::Quoted | TokenKind::Number | TokenKind::Text);
    let value_before = before.is_some_and(|t| {
        matches!(t.kind, TokenKind::Word(None) | TokenKind::Quoted | TokenKind::Number | TokenKind::Text) || t.is_symbol(Symbol::RParen)
    });
    if value && value_before && expected.contains(&Expected::Sign(Symbol::Comma)) {
        return help("a comma may be missing before this; an alias is one word, or stands in `backticks`");
    }
    Vec::new()
}
