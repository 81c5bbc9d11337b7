//! Expressions, by Spark's precedence: OR, AND, NOT, predicates, comparisons, `|`, `^`, `&`, shifts, `+ - ||`, `* / % DIV`, signs.

mod constant;

pub(super) use constant::interval_literal;

use constant::{begins_interval, number, time_literal, typed_literal};

use super::ast::{Argument, BinaryOp, Call, Expr, ExprKind, Ident, Interval, LikeKind, LikeQuantifier, Query, UnaryOp};
use super::call;
use super::error::SyntaxError;
use super::input::{Expected, In, Parsed, Trouble, any_name, comma_list, is_name, name, parenthesised_list, said, sign, word, words};
use super::interval;
use super::keywords::Keyword as K;
use super::literal;
use super::select;
use super::tokens::{Symbol as S, TokenKind};
use super::types;
use crate::types::{DataType, Value};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, value};

/// Levels of precedence; a higher one binds tighter.
pub(super) mod level {
    pub(in crate::lang) const OR: u8 = 1;
    pub(in crate::lang) const AND: u8 = 2;
    pub(in crate::lang) const NOT: u8 = 3;
    pub(in crate::lang) const PREDICATE: u8 = 4;
    pub(in crate::lang) const COMPARE: u8 = 5;
    pub(in crate::lang) const BIT_OR: u8 = 6;
    pub(in crate::lang) const BIT_XOR: u8 = 7;
    pub(in crate::lang) const BIT_AND: u8 = 8;
    pub(in crate::lang) const SHIFT: u8 = 9;
    pub(in crate::lang) const ADD: u8 = 10;
    pub(in crate::lang) const MULTIPLY: u8 = 11;
}

/// How tightly an operator binds.
pub(super) fn level_of(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => level::OR,
        BinaryOp::And => level::AND,
        BinaryOp::Eq | BinaryOp::NullSafeEq | BinaryOp::NotEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => {
            level::COMPARE
        }
        BinaryOp::BitOr => level::BIT_OR,
        BinaryOp::BitXor => level::BIT_XOR,
        BinaryOp::BitAnd => level::BIT_AND,
        BinaryOp::ShiftLeft | BinaryOp::ShiftRight | BinaryOp::ShiftRightUnsigned => level::SHIFT,
        BinaryOp::Plus | BinaryOp::Minus | BinaryOp::Concat => level::ADD,
        BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::IntDivide | BinaryOp::Modulo => level::MULTIPLY,
    }
}

/// Any expression.
///
/// EBNF: `expression`
pub(super) fn expression(i: In<'_>) -> Parsed<'_, Expr> {
    let scope = i.open_deeper(1)?;
    let parsed = operators(i, level::OR);
    i.close_deeper(scope, parsed)
}

/// An expression whose outermost operator binds at least as tightly as `least`.
///
/// EBNF: `disjunction`, `conjunction`, `negation`, `predicate`, `comparison`, `bit_or`, `bit_xor`, `bit_and`, `shift`, `sum`, `product`
pub(super) fn operators(i: In<'_>, least: u8) -> Parsed<'_, Expr> {
    let scope = i.open();
    let parsed = climb(i, least);
    i.close(scope);
    parsed
}

fn climb(i: In<'_>, least: u8) -> Parsed<'_, Expr> {
    let negation = i.is(K::NOT) || i.sign(S::Bang);
    let (mut rest, mut left) = if negation && least <= level::NOT { not(i)? } else { signed(i)? };
    loop {
        (rest, left) = match operator(rest) {
            Some((op, _)) if level_of(op) < least => return Ok((rest, left)),
            Some((op @ (BinaryOp::And | BinaryOp::Or), _)) => logical(i, rest, left, op)?,
            Some((op, width)) => binary(i, rest, left, op, width)?,
            None if least <= level::PREDICATE && is_predicate(rest) => predicate(i, rest, left)?,
            None => return Ok((rest, left)),
        };
    }
}

/// The binary operator that stands here, and how many tokens it takes.
fn operator(i: In<'_>) -> Option<(BinaryOp, usize)> {
    let token = i.peek();
    let symbol = match token.kind {
        TokenKind::Symbol(symbol) => symbol,
        TokenKind::Word(Some(K::AND)) => return Some((BinaryOp::And, 1)),
        TokenKind::Word(Some(K::OR)) => return Some((BinaryOp::Or, 1)),
        TokenKind::Word(Some(K::DIV)) => return Some((BinaryOp::IntDivide, 1)),
        _ => return None,
    };
    let touches = |ahead: usize| i.sign_at(ahead, S::Gt) && i.peek_at(ahead).span.start == i.peek_at(ahead - 1).span.end;
    let op = match symbol {
        S::Eq | S::DoubleEq => BinaryOp::Eq,
        S::NullSafeEq => BinaryOp::NullSafeEq,
        S::NotEq | S::BangEq => BinaryOp::NotEq,
        S::Lt => BinaryOp::Lt,
        S::LtEq | S::BangGt => BinaryOp::LtEq,
        S::Gt if touches(1) && touches(2) => return Some((BinaryOp::ShiftRightUnsigned, 3)),
        S::Gt if touches(1) => return Some((BinaryOp::ShiftRight, 2)),
        S::Gt => BinaryOp::Gt,
        S::GtEq | S::BangLt => BinaryOp::GtEq,
        S::Plus => BinaryOp::Plus,
        S::Minus => BinaryOp::Minus,
        S::Concat => BinaryOp::Concat,
        S::Star => BinaryOp::Multiply,
        S::Slash => BinaryOp::Divide,
        S::Percent => BinaryOp::Modulo,
        S::ShiftLeft => BinaryOp::ShiftLeft,
        S::Amp => BinaryOp::BitAnd,
        S::Caret => BinaryOp::BitXor,
        S::Bar => BinaryOp::BitOr,
        _ => return None,
    };
    Some((op, 1))
}

/// `left op right`, of operators that are grouped from the left.
#[inline(never)]
fn binary<'a>(start: In<'a>, i: In<'a>, left: Expr, op: BinaryOp, width: usize) -> Parsed<'a, Expr> {
    i.lengthen(1)?;
    let (rest, right) = operators(i.skip(width), level_of(op) + 1)?;
    let kind = ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) };
    Ok((rest, Expr { kind, span: rest.span_since(start) }))
}

/// A chain of AND or of OR. Its tree is balanced, as in Spark, so that thousands of conditions stay shallow.
#[inline(never)]
fn logical<'a>(start: In<'a>, i: In<'a>, first: Expr, op: BinaryOp) -> Parsed<'a, Expr> {
    let (keyword, level) = if op == BinaryOp::And { (K::AND, level::NOT) } else { (K::OR, level::AND) };
    let mut all = vec![first];
    let mut rest = i;
    while rest.is(keyword) {
        let (after, operand) = operators(rest.next(), level)?;
        all.push(operand);
        rest = after;
    }
    for _ in 0..all.len().ilog2() {
        rest.lengthen(1)?;
    }
    let mut tree = balanced(all, op);
    if let Some(tree) = &mut tree {
        tree.span = rest.span_since(start);
    }
    match tree {
        Some(tree) => Ok((rest, tree)),
        None => rest.missing(Expected::Thing("an expression")),
    }
}

/// The operands as a tree whose left half takes the larger part; `None` without operands.
fn balanced(operands: Vec<Expr>, op: BinaryOp) -> Option<Expr> {
    fn build(operands: &mut dyn Iterator<Item = Expr>, count: usize, op: BinaryOp) -> Option<Expr> {
        if count == 1 {
            return operands.next();
        }
        let left = build(operands, count.div_ceil(2), op)?;
        let right = build(operands, count / 2, op)?;
        let span = left.span.to(right.span);
        Some(Expr { kind: ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, span })
    }
    let count = operands.len();
    if count == 0 { None } else { build(&mut operands.into_iter(), count, op) }
}

#[inline(never)]
fn not(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, inner) = i.deeper(1, |i| operators(i.next(), level::NOT))?;
    Ok((rest, Expr { kind: ExprKind::Unary { op: UnaryOp::Not, expr: Box::new(inner) }, span: rest.span_since(i) }))
}

fn is_predicate(i: In<'_>) -> bool {
    const AFTER_NOT: &[K] = &[K::BETWEEN, K::IN, K::LIKE, K::ILIKE, K::RLIKE, K::REGEXP];
    i.is(K::IS) || i.is_any(AFTER_NOT) || i.is(K::NOT) && i.next().is_any(AFTER_NOT)
}

/// What may follow a value: IS, BETWEEN, IN, LIKE and their kin.
///
/// EBNF: `predicate_tail`
#[inline(never)]
fn predicate<'a>(start: In<'a>, i: In<'a>, left: Expr) -> Parsed<'a, Expr> {
    i.heighten()?;
    let expr = Box::new(left);
    let negated = i.is(K::NOT);
    let at = if negated { i.next() } else { i };
    let (rest, kind) = match at.peek().keyword() {
        Some(K::IS) => is(at.next(), expr)?,
        Some(K::BETWEEN) => {
            let (rest, low) = operators(at.next(), level::COMPARE)?;
            let (rest, _) = word(K::AND)(rest)?;
            let (rest, high) = operators(rest, level::COMPARE)?;
            (rest, ExprKind::Between { expr, low: Box::new(low), high: Box::new(high), negated })
        }
        Some(K::IN) => in_list(at.next(), expr, negated)?,
        _ => like(at, expr, negated)?,
    };
    Ok((rest, Expr { kind, span: rest.span_since(start) }))
}

/// Behind IS.
#[inline(never)]
fn is(i: In<'_>, expr: Box<Expr>) -> Parsed<'_, ExprKind> {
    let (i, negated) = if i.is(K::NOT) { (i.next(), true) } else { (i, false) };
    if i.is(K::DISTINCT) {
        let (rest, _) = word(K::FROM)(i.next())?;
        let (rest, right) = operators(rest, level::COMPARE)?;
        return Ok((rest, ExprKind::IsDistinct { left: expr, right: Box::new(right), negated }));
    }
    let (rest, what) = alt((
        value(None, word(K::NULL)),
        value(Some(Some(true)), word(K::TRUE)),
        value(Some(Some(false)), word(K::FALSE)),
        value(Some(None), word(K::UNKNOWN)),
    ))
    .parse(i)?;
    let kind = match what {
        None => ExprKind::IsNull { expr, negated },
        Some(value) => ExprKind::IsBoolean { expr, value, negated },
    };
    Ok((rest, kind))
}

/// Behind IN.
#[inline(never)]
fn in_list(i: In<'_>, expr: Box<Expr>, negated: bool) -> Parsed<'_, ExprKind> {
    if i.sign(S::LParen) && select::begins_query(i.next()) {
        let (rest, query) = subquery(i)?;
        return Ok((rest, ExprKind::InSubquery { expr, query: Box::new(query), negated }));
    }
    let (rest, list) = parenthesised_list(expression)(i)?;
    Ok((rest, ExprKind::InList { expr, list, negated }))
}

/// LIKE, ILIKE, RLIKE or REGEXP.
#[inline(never)]
fn like(i: In<'_>, expr: Box<Expr>, negated: bool) -> Parsed<'_, ExprKind> {
    let (i, kind) = alt((
        value(LikeKind::Like, word(K::LIKE)),
        value(LikeKind::ILike, word(K::ILIKE)),
        value(LikeKind::RLike, alt((word(K::RLIKE), word(K::REGEXP)))),
    ))
    .parse(i)?;
    let quantifier = match i.peek().keyword() {
        Some(K::ANY | K::SOME) if i.sign_at(1, S::LParen) => Some(LikeQuantifier::Any),
        Some(K::ALL) if i.sign_at(1, S::LParen) => Some(LikeQuantifier::All),
        _ => None,
    };
    if quantifier.is_some() && kind != LikeKind::RLike {
        let (i, patterns) = parenthesised_list(expression)(i.next())?;
        return Ok((i, ExprKind::Like { kind, expr, patterns, quantifier, escape: None, negated }));
    }
    let (i, pattern) = operators(i, level::COMPARE)?;
    let (i, escape) = if i.is(K::ESCAPE) && kind != LikeKind::RLike { escape(i.next())? } else { (i, None) };
    Ok((i, ExprKind::Like { kind, expr, patterns: vec![pattern], quantifier: None, escape, negated }))
}

fn escape(i: In<'_>) -> Parsed<'_, Option<char>> {
    let span = i.peek().span;
    let (rest, text) = literal::string(i)?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok((rest, Some(c))),
        _ => said(SyntaxError::LongEscape { text, span }),
    }
}

/// A sign, `~`, or a value. `-1` is one number, as in Spark, so that `-2147483648` is an INT.
///
/// EBNF: `signed`
fn signed(i: In<'_>) -> Parsed<'_, Expr> {
    let op = match i.peek().kind {
        TokenKind::Symbol(S::Minus) if i.peek_at(1).kind == TokenKind::Number => return postfix(i),
        TokenKind::Symbol(S::Minus) => UnaryOp::Minus,
        TokenKind::Symbol(S::Plus) => UnaryOp::Plus,
        TokenKind::Symbol(S::Tilde) => UnaryOp::BitNot,
        _ => return postfix(i),
    };
    let (rest, inner) = i.deeper(1, |i| signed(i.next()))?;
    Ok((rest, Expr { kind: ExprKind::Unary { op, expr: Box::new(inner) }, span: rest.span_since(i) }))
}

/// A value with what is attached to it: `[index]`, `.field`, `::type`.
///
/// EBNF: `postfix`
fn postfix(i: In<'_>) -> Parsed<'_, Expr> {
    let (mut rest, mut expr) = primary(i)?;
    loop {
        let inner = Box::new(expr);
        let (after, kind) = match rest.peek().kind {
            TokenKind::Symbol(S::LBracket) => {
                let (after, index) = expression(rest.next())?;
                let (after, _) = sign(S::RBracket)(after)?;
                (after, ExprKind::Subscript { expr: inner, index: Box::new(index) })
            }
            TokenKind::Symbol(S::Dot) => {
                let (after, name) = any_name(rest.next())?;
                (after, ExprKind::Field { expr: inner, name })
            }
            TokenKind::Symbol(S::DoubleColon) => {
                let (after, to) = types::data_type(rest.next())?;
                (after, ExprKind::Cast { expr: inner, to, attempt: false })
            }
            _ => return Ok((rest, *inner)),
        };
        after.heighten()?;
        expr = Expr { kind, span: after.span_since(i) };
        rest = after;
    }
}

/// The smallest expressions.
///
/// EBNF: `primary`
fn primary(i: In<'_>) -> Parsed<'_, Expr> {
    let token = i.peek();
    match token.kind {
        TokenKind::Number => number(i, false),
        TokenKind::Symbol(S::Minus) => number(i, true),
        TokenKind::Text => {
            let (rest, text) = literal::string(i)?;
            Ok((rest, Expr { kind: ExprKind::Literal(Value::String(text), DataType::String), span: rest.span_since(i) }))
        }
        TokenKind::Symbol(S::LParen) => parentheses(i),
        TokenKind::Symbol(S::Star) => star(i, Vec::new()),
        TokenKind::Symbol(S::Colon) => {
            let (rest, name) = any_name(i.next())?;
            Ok((rest, Expr { kind: ExprKind::Parameter(name.name), span: rest.span_since(i) }))
        }
        TokenKind::Word(Some(keyword)) => match keyword_expression(i, keyword) {
            Some(parsed) => parsed,
            None => named(i),
        },
        TokenKind::Word(None) | TokenKind::Quoted => named(i),
        _ => i.missing(Expected::Thing("an expression")),
    }
}

/// The expressions that a keyword begins; `None` where the word is a name like others.
#[inline(never)]
fn keyword_expression(i: In<'_>, keyword: K) -> Option<Parsed<'_, Expr>> {
    let opens = i.sign_at(1, S::LParen);
    let text_follows = i.peek_at(1).kind == TokenKind::Text;
    let constant =
        |value: Value, data_type: DataType| Some(Ok((i.next(), Expr { kind: ExprKind::Literal(value, data_type), span: i.peek().span })));
    match keyword {
        K::NULL if !opens => constant(Value::Null, DataType::Void),
        K::TRUE if !opens => constant(Value::Boolean(true), DataType::Boolean),
        K::FALSE if !opens => constant(Value::Boolean(false), DataType::Boolean),
        K::CASE => Some(case(i)),
        K::CAST | K::TRY_CAST if opens => Some(cast(i, keyword == K::TRY_CAST)),
        K::EXISTS if opens && select::begins_query(i.skip(2)) => Some(exists(i)),
        K::DATE | K::TIMESTAMP | K::TIMESTAMP_NTZ | K::TIMESTAMP_LTZ | K::X if text_follows => Some(typed_literal(i, keyword)),
        K::TIME if text_follows => Some(time_literal(i)),
        K::INTERVAL if begins_interval(i) => Some(interval_literal(i)),
        _ if opens => call::keyword_call(i, keyword),
        _ => None,
    }
}

/// `*`, `* EXCEPT (a, b)`, `t.*`
///
/// EBNF: `star`
#[inline(never)]
fn star(i: In<'_>, qualifier: Vec<Ident>) -> Parsed<'_, Expr> {
    let (mut rest, _) = sign(S::Star)(i)?;
    let mut except = Vec::new();
    if rest.is(K::EXCEPT) && rest.sign_at(1, S::LParen) && !select::begins_query(rest.skip(2)) {
        (rest, except) = parenthesised_list(dotted)(rest.next())?;
    }
    let span = qualifier.first().map_or(rest.span_since(i), |q| q.span.to(rest.span_since(i)));
    Ok((rest, Expr { kind: ExprKind::Star { qualifier, except }, span }))
}

/// `a.b.c`
pub(super) fn dotted(i: In<'_>) -> Parsed<'_, Vec<Ident>> {
    let (mut rest, first) = any_name(i)?;
    let mut parts = vec![first];
    while rest.sign(S::Dot) {
        let (after, part) = any_name(rest.next())?;
        parts.push(part);
        rest = after;
    }
    Ok((rest, parts))
}

/// A name, a call, or the parameter of a lambda.
///
/// EBNF: `named`
#[inline(never)]
fn named(i: In<'_>) -> Parsed<'_, Expr> {
    if i.sign_at(1, S::Arrow) {
        let (rest, param) = any_name(i)?;
        return lambda(i, rest, vec![param]);
    }
    // `like(a, b)` is a function beside the operator.
    let operator = matches!(i.peek().kind, TokenKind::Word(Some(K::LIKE | K::ILIKE | K::RLIKE | K::REGEXP)));
    if i.sign_at(1, S::LParen) && (operator || is_name(i)) {
        return call::call(i);
    }
    if !is_name(i) {
        return i.missing(Expected::Thing("an expression"));
    }
    let (mut rest, first) = name(i)?;
    let mut parts = vec![first];
    while rest.sign(S::Dot) {
        if rest.sign_at(1, S::Star) {
            return star(rest.next(), parts);
        }
        let (after, part) = any_name(rest.next())?;
        parts.push(part);
        rest = after;
    }
    Ok((rest, Expr { kind: ExprKind::Name(parts), span: rest.span_since(i) }))
}

/// `params -> body`
///
/// EBNF: `lambda`
#[inline(never)]
fn lambda<'a>(start: In<'a>, i: In<'a>, params: Vec<Ident>) -> Parsed<'a, Expr> {
    let (i, _) = sign(S::Arrow)(i)?;
    let (rest, body) = expression(i)?;
    Ok((rest, Expr { kind: ExprKind::Lambda { params, body: Box::new(body) }, span: rest.span_since(start) }))
}

/// `(a, b) -> …`, `(SELECT …)`, `(a, b)` or `(a)`: told apart before anything is parsed.
///
/// EBNF: `parentheses`
#[inline(never)]
fn parentheses(i: In<'_>) -> Parsed<'_, Expr> {
    if i.past_parentheses(0).is_some_and(|behind| i.sign_at(behind, S::Arrow)) {
        let (rest, params) = parenthesised_list(any_name)(i)?;
        return lambda(i, rest, params);
    }
    if select::begins_query(i.next()) {
        let (rest, query) = subquery(i)?;
        return Ok((rest, Expr { kind: ExprKind::ScalarSubquery(Box::new(query)), span: rest.span_since(i) }));
    }
    let (rest, mut items) = comma_list(expression)(i.next())?;
    let (rest, _) = sign(S::RParen)(rest)?;
    if items.len() == 1
        && let Some(mut only) = items.pop()
    {
        only.span = rest.span_since(i);
        return Ok((rest, only));
    }
    Ok((rest, Expr { kind: ExprKind::Row(items), span: rest.span_since(i) }))
}

/// `(query)`
#[inline(never)]
pub(super) fn subquery(i: In<'_>) -> Parsed<'_, Query> {
    let (i, _) = sign(S::LParen)(i)?;
    let (i, query) = select::query(i)?;
    let (i, _) = sign(S::RParen)(i)?;
    Ok((i, query))
}

#[inline(never)]
fn exists(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, query) = subquery(i.next())?;
    Ok((rest, Expr { kind: ExprKind::Exists(Box::new(query)), span: rest.span_since(i) }))
}

/// `CASE [operand] WHEN … THEN … [ELSE …] END`
///
/// EBNF: `case`
#[inline(never)]
fn case(i: In<'_>) -> Parsed<'_, Expr> {
    let start = i;
    let (i, _) = word(K::CASE)(i)?;
    let (mut i, operand) = if i.is(K::WHEN) {
        (i, None)
    } else {
        let (i, operand) = expression(i)?;
        (i, Some(Box::new(operand)))
    };
    let mut branches = Vec::new();
    loop {
        let (rest, _) = word(K::WHEN)(i)?;
        let (rest, condition) = expression(rest)?;
        let (rest, _) = word(K::THEN)(rest)?;
        let (rest, result) = expression(rest)?;
        branches.push((condition, result));
        i = rest;
        if !i.is(K::WHEN) {
            break;
        }
    }
    let (i, has_else) = i.eat(K::ELSE);
    let (i, otherwise) = if has_else { map(expression, |e| Some(Box::new(e))).parse(i)? } else { (i, None) };
    let (i, _) = word(K::END)(i)?;
    Ok((i, Expr { kind: ExprKind::Case { operand, branches, otherwise }, span: i.span_since(start) }))
}

/// `CAST(e AS type)`, `TRY_CAST(e AS type)`
///
/// EBNF: `cast`
#[inline(never)]
fn cast(i: In<'_>, attempt: bool) -> Parsed<'_, Expr> {
    let (rest, _) = sign(S::LParen)(i.next())?;
    let (rest, inner) = expression(rest)?;
    let (rest, _) = words(&[K::AS])(rest)?;
    let (rest, to) = types::data_type(rest)?;
    let (rest, _) = sign(S::RParen)(rest)?;
    Ok((rest, Expr { kind: ExprKind::Cast { expr: Box::new(inner), to, attempt }, span: rest.span_since(i) }))
}
