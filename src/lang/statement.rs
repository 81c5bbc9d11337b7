//! Statements by their first word, and the cutting of scripts into statements.

use super::ast::{ControlAction, Statement};
use super::control;
use super::ddl;
use super::input::{Expected, In, Parsed};
use super::keywords::Keyword as K;
use super::lexer::{LexemeKind, lexemes};
use super::tokens::{Symbol as S, TokenKind};
use crate::diagnostic::Span;
use nom::Parser;
use nom::combinator::map;

/// Words that begin a statement.
const FIRST: &[K] = &[
    K::SELECT,
    K::FROM,
    K::WITH,
    K::CREATE,
    K::START,
    K::DROP,
    K::SHOW,
    K::DESCRIBE,
    K::EXPLAIN,
    K::STOP,
    K::PAUSE,
    K::RESUME,
    K::AWAIT,
    K::SET,
    K::RESET,
    K::SOURCE,
];

/// One statement.
///
/// EBNF: `statement`
pub(super) fn statement(i: In<'_>) -> Parsed<'_, Statement> {
    let rest = i.next();
    match i.peek().keyword() {
        Some(K::CREATE) => ddl::create(rest),
        Some(K::DROP) => ddl::drop(rest),
        Some(K::SHOW) => control::show(rest),
        Some(K::DESCRIBE | K::DESC) => control::describe(rest),
        Some(K::EXPLAIN) => control::explain(rest),
        Some(K::PAUSE) => control::control(rest, ControlAction::Pause),
        Some(K::RESUME) => control::control(rest, ControlAction::Resume),
        Some(K::STOP) => control::control(rest, ControlAction::Stop),
        Some(K::AWAIT) => control::awaiting(rest),
        Some(K::SET) => control::set(i),
        Some(K::RESET) => control::reset(i),
        Some(K::SOURCE) => control::source(i),
        Some(K::SELECT | K::FROM | K::WITH | K::VALUES | K::TABLE | K::START) => query(i),
        Some(K::CRASH) => control::crash(rest),
        Some(K::ALTER) => control::alter(rest),
        Some(K::STEP | K::EXPORT | K::SUBMIT) => Ok(unavailable(i, 1)),
        Some(K::INFER) if i.is_at(1, K::SCHEMA) => control::infer_schema(i.skip(2)),
        Some(K::INFER) => rest.missing(Expected::Word(K::SCHEMA)),
        _ if i.sign(S::LParen) => query(i),
        _ => {
            for keyword in FIRST {
                i.note(Expected::Word(*keyword));
            }
            i.missing(Expected::Thing("a statement such as SELECT or CREATE STREAM"))
        }
    }
}

fn query(i: In<'_>) -> Parsed<'_, Statement> {
    map(control::streaming_query, |query| Statement::Query(Box::new(query))).parse(i)
}

/// A statement of the language that is recognised by its first words and read over.
///
/// EBNF: `unavailable`
fn unavailable(start: In<'_>, words: usize) -> (In<'_>, Statement) {
    let what: Vec<String> = (0..words).map(|at| start.peek_at(at).text.to_uppercase()).collect();
    let span = start.skip(words).span_since(start);
    let mut i = start.skip(words);
    while !(i.at_end() || i.sign(S::Semicolon)) {
        i = i.next();
    }
    (i, Statement::Unavailable { what: what.join(" "), span })
}

/// A statement's place in a script.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// From its first token to its last, the `;` left out.
    pub span: Span,
    /// Whether a `;` ended it.
    pub terminated: bool,
}

/// The statements of a script, one after the other; what holds only comments is left out.
///
/// The cut falls on each `;` outside quotes and comments, so a statement that does not parse never
/// takes the next one with it.
pub fn split(text: &str) -> impl Iterator<Item = Piece> + '_ {
    let mut lexemes = lexemes(text);
    std::iter::from_fn(move || {
        let mut span: Option<Span> = None;
        for lexeme in lexemes.by_ref() {
            match lexeme.kind {
                LexemeKind::Space | LexemeKind::Comment => {}
                LexemeKind::Token(TokenKind::Symbol(S::Semicolon)) => match span {
                    Some(span) => return Some(Piece { span, terminated: true }),
                    None => continue,
                },
                _ => span = Some(span.map_or(lexeme.span, |s| s.to(lexeme.span))),
            }
        }
        span.map(|span| Piece { span, terminated: false })
    })
}

/// Whether what has been typed ends a statement: a `;` outside quotes and comments, and nothing begun behind it.
///
/// Text without any token is complete too: there is nothing to wait for, unless a comment is open.
pub fn is_complete(text: &str) -> bool {
    let mut complete = true;
    for lexeme in lexemes(text) {
        match lexeme.kind {
            LexemeKind::Space | LexemeKind::Comment => {}
            LexemeKind::Token(TokenKind::Symbol(S::Semicolon)) => complete = true,
            _ => complete = false,
        }
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_cut_at_semicolons_outside_quotes_and_comments() {
        let text = "SELECT ';' -- ; \n; ; /* ; */ SELECT `;` ; -- end\n SELEC";
        let pieces: Vec<(&str, bool)> = split(text).map(|p| (&text[p.span.range()], p.terminated)).collect();
        assert_eq!(pieces, [("SELECT ';'", true), ("SELECT `;`", true), ("SELEC", false)]);
    }

    #[test]
    fn a_statement_goes_on_until_its_semicolon() {
        assert!(is_complete("SELECT 1;"));
        assert!(is_complete("SELECT 1; -- done\n"));
        assert!(is_complete("  "));
        assert!(!is_complete("SELECT 1"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT 1; SELECT"));
        assert!(!is_complete("/* ;"));
    }
}
