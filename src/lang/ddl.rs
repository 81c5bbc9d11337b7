//! Statements that make and drop things: CREATE STREAM, TABLE, VIEW and FUNCTION, DROP.

use super::ast::{CreateFunction, CreateSource, FunctionBody, Ident, OptionDef, Parameter, RelationKind, Returns, Statement};
use super::expr::expression;
use super::input::{Expected, In, Parsed, any_name, comma_list, name, parenthesised, parenthesised_list, sign, word, words};
use super::keywords::Keyword as K;
use super::literal;
use super::select::query;
use super::tokens::{Symbol as S, TokenKind};
use super::types::{column, data_type};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, value};

/// Behind CREATE.
///
/// EBNF: `create`
pub(super) fn create(i: In<'_>) -> Parsed<'_, Statement> {
    let (i, or_replace) = if i.is(K::OR) { (words(&[K::OR, K::REPLACE])(i)?.0, true) } else { (i, false) };
    let (i, temporary) = if i.is(K::TEMP) || i.is(K::TEMPORARY) { (i.next(), true) } else { (i, false) };
    match i.peek().keyword() {
        Some(K::STREAM) if !temporary => source(i.next(), RelationKind::Stream, or_replace),
        Some(K::TABLE) if !temporary => source(i.next(), RelationKind::Table, or_replace),
        Some(K::VIEW) => view(i.next(), or_replace, temporary),
        Some(K::FUNCTION) => function(i.next(), or_replace),
        _ => {
            if !temporary {
                i.note(Expected::Word(K::STREAM));
                i.note(Expected::Word(K::TABLE));
            }
            i.note(Expected::Word(K::VIEW));
            i.missing(Expected::Word(K::FUNCTION))
        }
    }
}

fn if_not_exists(i: In<'_>) -> Parsed<'_, bool> {
    if i.is(K::IF) && i.is_at(1, K::NOT) {
        return Ok((words(&[K::IF, K::NOT, K::EXISTS])(i)?.0, true));
    }
    Ok((i, false))
}

/// `[IF NOT EXISTS] name [(columns)] USING format [OPTIONS (…)]`, and for tables `AS query`
///
/// EBNF: `create_source`, `columns`
fn source(i: In<'_>, kind: RelationKind, or_replace: bool) -> Parsed<'_, Statement> {
    let (i, if_not_exists) = if_not_exists(i)?;
    let (i, name) = name(i)?;
    if kind == RelationKind::Table && i.is(K::AS) {
        let (i, query) = query(i.next())?;
        return Ok((i, Statement::CreateTableAs { or_replace, if_not_exists, name, query }));
    }
    if kind == RelationKind::Table {
        i.note(Expected::Word(K::AS));
    }
    i.note(Expected::Sign(S::LParen));
    let (i, columns) = if i.sign(S::LParen) { map(parenthesised_list(column), Some).parse(i)? } else { (i, None) };
    let (i, _) = word(K::USING)(i)?;
    let (i, format) = format(i)?;
    let (i, options) = options(i)?;
    Ok((i, Statement::CreateSource(CreateSource { kind, or_replace, if_not_exists, name, columns, format, options })))
}

/// A format's name; `rate-micro-batch` is one.
///
/// EBNF: `format`
pub(super) fn format(start: In<'_>) -> Parsed<'_, Ident> {
    let (mut i, mut format) = any_name(start)?;
    while i.sign(S::Minus) && matches!(i.peek_at(1).kind, TokenKind::Word(_) | TokenKind::Quoted) {
        let (rest, part) = any_name(i.next())?;
        format.name = format!("{}-{}", format.name, part.name);
        i = rest;
    }
    format.span = i.span_since(start);
    Ok((i, format))
}

/// `[OPTIONS (key 'value', …)]`
///
/// EBNF: `options`
pub(super) fn options(i: In<'_>) -> Parsed<'_, Vec<OptionDef>> {
    let (i, present) = i.eat(K::OPTIONS);
    if !present {
        return Ok((i, Vec::new()));
    }
    if i.sign(S::LParen) && i.sign_at(1, S::RParen) {
        return Ok((i.skip(2), Vec::new()));
    }
    parenthesised_list(option)(i)
}

/// `key [=] value`
///
/// EBNF: `option`
fn option(start: In<'_>) -> Parsed<'_, OptionDef> {
    // One token only: the value may be a string too, and strings side by side would be one.
    let (i, key) =
        if start.peek().kind == TokenKind::Text { (start.next(), literal::unescape(start.peek().text)) } else { option_key(start)? };
    let i = if i.sign(S::Eq) || i.sign(S::DoubleEq) { i.next() } else { i };
    let (i, value) = option_value(i)?;
    Ok((i, OptionDef { key, value, span: i.span_since(start) }))
}

/// `a.b-c.d`, as written.
fn option_key(i: In<'_>) -> Parsed<'_, String> {
    let (mut i, first) = any_name(i)?;
    let mut key = first.name;
    // `key -1` is a key and a negative value.
    while i.sign(S::Dot) || i.sign(S::Minus) && matches!(i.peek_at(1).kind, TokenKind::Word(_) | TokenKind::Quoted) {
        let (rest, part) = any_name(i.next())?;
        key.push_str(i.peek().text);
        key.push_str(&part.name);
        i = rest;
    }
    Ok((i, key))
}

/// A string, a number as written, TRUE or FALSE.
///
/// EBNF: `option_value`
fn option_value(i: In<'_>) -> Parsed<'_, String> {
    let negative = i.sign(S::Minus);
    let at = if negative { i.next() } else { i };
    match at.peek().kind {
        TokenKind::Number => Ok((at.next(), format!("{}{}", if negative { "-" } else { "" }, at.peek().text))),
        _ if negative => at.missing(Expected::Thing("a number")),
        TokenKind::Text => literal::string(i),
        TokenKind::Word(Some(K::TRUE)) => Ok((i.next(), "true".into())),
        TokenKind::Word(Some(K::FALSE)) => Ok((i.next(), "false".into())),
        _ => i.missing(Expected::Thing("a value in quotes, a number, TRUE or FALSE")),
    }
}

/// `[IF NOT EXISTS] name AS query`
///
/// EBNF: `create_view`
fn view(i: In<'_>, or_replace: bool, temporary: bool) -> Parsed<'_, Statement> {
    let (i, name) = name(i)?;
    let (i, _) = word(K::AS)(i)?;
    let (i, query) = query(i)?;
    Ok((i, Statement::CreateView { or_replace, temporary, name, query }))
}

/// `[IF NOT EXISTS] name([param type [DEFAULT expr], …]) [RETURNS type] [characteristics] RETURN expr`
///
/// EBNF: `create_function`
fn function(i: In<'_>, or_replace: bool) -> Parsed<'_, Statement> {
    let (i, if_not_exists) = if_not_exists(i)?;
    let (i, name) = any_name(i)?;
    let (i, params) =
        if i.sign(S::LParen) && i.sign_at(1, S::RParen) { (i.skip(2), Vec::new()) } else { parenthesised(comma_list(param))(i)? };
    let (i, typed) = i.eat(K::RETURNS);
    let (i, returns) = match () {
        () if !typed => (i, Returns::Nothing),
        () if i.is(K::TABLE) && i.sign_at(1, S::LParen) => {
            map(parenthesised_list(column), |columns| Returns::Table(Some(columns))).parse(i.next())?
        }
        () if i.is(K::TABLE) => (i.next(), Returns::Table(None)),
        () => map(data_type, Returns::Type).parse(i)?,
    };
    let (i, comment) = characteristics(i)?;
    let (i, _) = word(K::RETURN)(i)?;
    let start = i;
    let rows = matches!(i.peek().keyword(), Some(K::SELECT | K::WITH | K::FROM | K::VALUES | K::TABLE));
    let (i, body) = if rows || matches!(returns, Returns::Table(_)) {
        map(query, |q| FunctionBody::Rows(Box::new(q))).parse(i)?
    } else {
        map(expression, FunctionBody::Value).parse(i)?
    };
    let body_span = i.span_since(start);
    let create = CreateFunction { or_replace, if_not_exists, name, params, returns, comment, body, body_span };
    Ok((i, Statement::CreateFunction(Box::new(create))))
}

/// `LANGUAGE SQL`, `[NOT] DETERMINISTIC`, `CONTAINS SQL`, `READS SQL DATA`, `COMMENT 'text'` in any order. Only the comment is
/// kept: the others say what the body shows.
///
/// EBNF: `characteristics`
fn characteristics(mut i: In<'_>) -> Parsed<'_, Option<String>> {
    let mut comment = None;
    loop {
        i = match () {
            () if i.is(K::COMMENT) => {
                let (rest, text) = literal::string(i.next())?;
                comment = Some(text);
                rest
            }
            () if i.is(K::LANGUAGE) && i.is_at(1, K::SQL) => i.skip(2),
            () if i.is(K::DETERMINISTIC) => i.next(),
            () if i.is(K::NOT) && i.is_at(1, K::DETERMINISTIC) => i.skip(2),
            () if i.is(K::CONTAINS) && i.is_at(1, K::SQL) => i.skip(2),
            () if i.is(K::READS) && i.is_at(1, K::SQL) && i.is_at(2, K::DATA) => i.skip(3),
            () => return Ok((i, comment)),
        };
    }
}

/// `name type [DEFAULT expr] [COMMENT 'text']`
///
/// EBNF: `parameter`
fn param(i: In<'_>) -> Parsed<'_, Parameter> {
    let (i, name) = any_name(i)?;
    let (mut i, data_type) = data_type(i)?;
    let mut default = None;
    if i.is(K::DEFAULT) {
        (i, default) = map(expression, Some).parse(i.next())?;
    }
    if i.is(K::COMMENT) {
        (i, _) = literal::string(i.next())?;
    }
    Ok((i, Parameter { name, data_type, default }))
}

/// Behind DROP: `{STREAM | TABLE | VIEW | [TEMPORARY] FUNCTION} [IF EXISTS] name`
///
/// EBNF: `drop`
pub(super) fn drop(i: In<'_>) -> Parsed<'_, Statement> {
    let function = if i.is(K::TEMP) || i.is(K::TEMPORARY) { i.next() } else { i };
    if function.is(K::FUNCTION) {
        let i = function.next();
        let (i, if_exists) = if i.is(K::IF) && i.is_at(1, K::EXISTS) { (i.skip(2), true) } else { (i, false) };
        let (i, name) = any_name(i)?;
        return Ok((i, Statement::DropFunction { if_exists, name }));
    }
    let (i, kind) = alt((
        value(RelationKind::Stream, word(K::STREAM)),
        value(RelationKind::Table, word(K::TABLE)),
        value(RelationKind::View, word(K::VIEW)),
    ))
    .parse(i)?;
    let (i, if_exists) = if i.is(K::IF) && i.is_at(1, K::EXISTS) { (i.skip(2), true) } else { (i, false) };
    let (i, name) = any_name(i)?;
    Ok((i, Statement::Drop { kind, if_exists, name }))
}

/// `(a, b)` behind PARTITIONED BY.
pub(super) fn partitioned_by(i: In<'_>) -> Parsed<'_, Vec<Ident>> {
    let (i, _) = word(K::BY)(i)?;
    let (i, _) = sign(S::LParen)(i)?;
    let (i, columns) = comma_list(any_name)(i)?;
    let (i, _) = sign(S::RParen)(i)?;
    Ok((i, columns))
}
