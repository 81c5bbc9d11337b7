//! Text → [`ast::Statement`]: lexer, nom parsers over tokens, and the text form of every tree.

pub mod ast;
mod call;
mod control;
mod ddl;
pub mod error;
mod expr;
mod format;
mod input;
pub mod interval;
pub mod keywords;
pub mod lexer;
pub mod literal;
mod pipe;
mod relation;
mod select;
pub mod statement;
pub mod tokens;
pub mod types;

pub use error::SyntaxError;
pub use input::{CHAIN_LIMIT, NESTING_LIMIT};
pub use statement::{is_complete, split};
pub use types::{parse_data_type, parse_schema_ddl};

use ast::{Expr, Query, Statement};
use input::{Expected, In, Parsed, Shared, Trouble};
use tokens::{Symbol, TokenKind};

/// The statement that `text` is; a `;` may end it. Spans are bytes of `text`.
///
/// # Errors
/// Where it is none.
pub fn parse_statement(text: &str) -> Result<Statement, Box<SyntaxError>> {
    whole(text, |i| {
        let (i, statement) = statement::statement(i)?;
        let (i, _) = i.eat_sign(Symbol::Semicolon);
        Ok((i, statement))
    })
}

/// The query that `text` is, without streaming clauses.
///
/// # Errors
/// Where it is none.
pub fn parse_query(text: &str) -> Result<Query, Box<SyntaxError>> {
    whole(text, select::query)
}

/// The expression that `text` is.
///
/// # Errors
/// Where it is none.
pub fn parse_expression(text: &str) -> Result<Expr, Box<SyntaxError>> {
    whole(text, expr::expression)
}

/// Tokens that may nest something, from which on a text is parsed on a stack of its own.
const NESTING_TOKENS: usize = 100;

/// Stack for parsing what may nest up to [`NESTING_LIMIT`]: other threads may have 2 MiB only.
const DEEP_STACK: usize = 16 << 20;

/// What `parser` makes of all tokens of `text`.
fn whole<T: Send>(text: &str, parser: impl (for<'a> FnOnce(In<'a>) -> Parsed<'a, T>) + Send + Sync + Copy) -> Result<T, Box<SyntaxError>> {
    let tokens = lexer::tokens(text)?;
    if tokens[0].kind == TokenKind::End {
        return Err(Box::new(SyntaxError::Empty { span: tokens[0].span }));
    }
    if tokens.iter().filter(|t| may_nest(t)).count() > NESTING_TOKENS {
        let deep = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("parse".into()).stack_size(DEEP_STACK);
            thread.spawn_scoped(scope, || of_tokens(text, &tokens, parser)).ok()?.join().ok()
        });
        if let Some(result) = deep {
            return result;
        }
    }
    of_tokens(text, &tokens, parser)
}

fn may_nest(token: &tokens::Token<'_>) -> bool {
    use keywords::Keyword as K;
    match token.kind {
        TokenKind::Symbol(symbol) => {
            matches!(
                symbol,
                Symbol::LParen
                    | Symbol::LBracket
                    | Symbol::Minus
                    | Symbol::Plus
                    | Symbol::Tilde
                    | Symbol::Bang
                    | Symbol::Arrow
                    | Symbol::Lt
            )
        }
        _ => matches!(token.keyword(), Some(K::NOT | K::CASE)),
    }
}

fn of_tokens<T>(
    text: &str,
    tokens: &[tokens::Token<'_>],
    parser: impl for<'a> FnOnce(In<'a>) -> Parsed<'a, T>,
) -> Result<T, Box<SyntaxError>> {
    let shared = Shared::new(text, tokens);
    let trouble = match parser(In::new(&shared)) {
        Ok((rest, value)) if rest.at_end() => return Ok(value),
        Ok((rest, _)) => {
            rest.note(Expected::Thing("the end of the statement"));
            Trouble::Here
        }
        Err(nom::Err::Error(trouble) | nom::Err::Failure(trouble)) => trouble,
        // Only parsers of streams ask for more; the tokens here are all there is.
        Err(nom::Err::Incomplete(_)) => Trouble::Here,
    };
    Err(match trouble {
        Trouble::Said(error) => error,
        Trouble::Here => Box::new(SyntaxError::at_furthest(&shared)),
    })
}
