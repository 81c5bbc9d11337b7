//! Calls of functions: arguments, what stands behind the parentheses, and the calls that SQL spells with words inside.

use super::ast::{Argument, Call, Expr, ExprKind, FrameBound, Ident, WindowFrame, WindowSpec};
use super::expr::{expression, level, operators};
use super::input::{Expected, In, Parsed, any_name, comma_list, is_bare_alias, is_name, parenthesised, sign, word, words};
use super::keywords::Keyword as K;
use super::select;
use super::tokens::{Symbol as S, TokenKind};
use super::types::made_up;
use crate::diagnostic::Span;
use crate::types::{DataType, Value};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::value;

/// `name([DISTINCT] args) [WITHIN GROUP (…)] [FILTER (…)] [IGNORE NULLS] [OVER (…)]`
///
/// EBNF: `call`
pub(super) fn call(i: In<'_>) -> Parsed<'_, Expr> {
    let start = i;
    let (i, name) = any_name(i)?;
    let (mut i, _) = sign(S::LParen)(i)?;
    // Boxed at once: it is large, and calls nest.
    let mut call = Box::new(empty(name));
    if i.is(K::DISTINCT) {
        call.distinct = true;
        i = i.next();
    } else if i.is(K::ALL) && !i.sign_at(1, S::RParen) && !i.sign_at(1, S::Comma) && !i.sign_at(1, S::Dot) {
        i = i.next();
    }
    if !i.sign(S::RParen) {
        (i, call.args) = comma_list(argument)(i)?;
        (i, call.ignore_nulls) = nulls_option(i)?;
    }
    let (i, _) = sign(S::RParen)(i)?;
    let i = tail(i, &mut call)?;
    Ok((i, Expr { kind: ExprKind::Call(call), span: i.span_since(start) }))
}

fn empty(name: Ident) -> Call {
    Call { name, distinct: false, args: Vec::new(), filter: None, ignore_nulls: None, within_group: Vec::new(), over: None }
}

/// EBNF: `argument`
fn argument(i: In<'_>) -> Parsed<'_, Argument> {
    if i.sign_at(1, S::FatArrow) {
        let (i, name) = any_name(i)?;
        let (i, value) = expression(i.next())?;
        return Ok((i, Argument { name: Some(name), value }));
    }
    let (i, value) = expression(i)?;
    Ok((i, Argument { name: None, value }))
}

/// `IGNORE NULLS` or `RESPECT NULLS`
#[inline(never)]
fn nulls_option(i: In<'_>) -> Parsed<'_, Option<bool>> {
    match i.peek().keyword() {
        Some(word @ (K::IGNORE | K::RESPECT)) if i.is_at(1, K::NULLS) => Ok((i.skip(2), Some(word == K::IGNORE))),
        _ => Ok((i, None)),
    }
}

/// What may stand behind the parentheses.
///
/// EBNF: `call_tail`
#[inline(never)]
fn tail<'a>(mut i: In<'a>, call: &mut Call) -> Result<In<'a>, nom::Err<super::input::Trouble>> {
    if i.is(K::WITHIN) && i.is_at(1, K::GROUP) {
        (i, call.within_group) = parenthesised(|i| {
            let (i, ()) = words(&[K::ORDER, K::BY])(i)?;
            comma_list(select::sort_item)(i)
        })(i.skip(2))?;
    }
    if i.is(K::FILTER) && i.sign_at(1, S::LParen) {
        let (rest, filter) = parenthesised(|i| {
            let (i, _) = word(K::WHERE)(i)?;
            expression(i)
        })(i.next())?;
        (i, call.filter) = (rest, Some(filter));
    }
    let (rest, nulls) = nulls_option(i)?;
    call.ignore_nulls = nulls.or(call.ignore_nulls);
    i = rest;
    if i.is(K::OVER) {
        let (rest, over) = window_spec(i.next())?;
        (i, call.over) = (rest, Some(over));
    }
    Ok(i)
}

/// `w`, `(w)` or `([PARTITION BY …] [ORDER BY …] [frame])`
///
/// EBNF: `window_spec`
#[inline(never)]
pub(super) fn window_spec(i: In<'_>) -> Parsed<'_, WindowSpec> {
    let start = i;
    let mut spec = WindowSpec { name: None, partition_by: Vec::new(), order_by: Vec::new(), frame: None, span: Span::default() };
    let bracketed = i.sign(S::LParen) && i.sign_at(2, S::RParen);
    if bracketed && is_name(i.next()) || matches!(i.peek().kind, TokenKind::Word(_) | TokenKind::Quoted) {
        let (rest, name) = any_name(if bracketed { i.next() } else { i })?;
        let rest = if bracketed { rest.next() } else { rest };
        spec.name = Some(name);
        spec.span = rest.span_since(start);
        return Ok((rest, spec));
    }
    let (mut i, _) = sign(S::LParen)(i)?;
    // DISTRIBUTE BY and CLUSTER BY, SORT BY are older words for the same.
    if i.is_any(&[K::PARTITION, K::DISTRIBUTE]) {
        let (rest, _) = word(K::BY)(i.next())?;
        (i, spec.partition_by) = comma_list(expression)(rest)?;
    }
    if i.is_any(&[K::ORDER, K::SORT]) {
        let (rest, _) = word(K::BY)(i.next())?;
        (i, spec.order_by) = comma_list(select::sort_item)(rest)?;
    }
    if i.is(K::ROWS) || i.is(K::RANGE) {
        let (rest, frame) = frame(i)?;
        (i, spec.frame) = (rest, Some(frame));
    }
    let (i, _) = sign(S::RParen)(i)?;
    spec.span = i.span_since(start);
    Ok((i, spec))
}

/// `{ROWS | RANGE} {bound | BETWEEN bound AND bound}`
///
/// EBNF: `frame`
fn frame(i: In<'_>) -> Parsed<'_, WindowFrame> {
    let rows = i.is(K::ROWS);
    let i = i.next();
    if i.is(K::BETWEEN) {
        let (i, start) = bound(i.next())?;
        let (i, _) = word(K::AND)(i)?;
        let (i, end) = bound(i)?;
        return Ok((i, WindowFrame { rows, start, end }));
    }
    let (i, start) = bound(i)?;
    Ok((i, WindowFrame { rows, start, end: FrameBound::CurrentRow }))
}

/// EBNF: `bound`
fn bound(i: In<'_>) -> Parsed<'_, FrameBound> {
    let side = |i| alt((value(true, word(K::PRECEDING)), value(false, word(K::FOLLOWING)))).parse(i);
    if i.is(K::UNBOUNDED) {
        let (i, preceding) = side(i.next())?;
        return Ok((i, if preceding { FrameBound::UnboundedPreceding } else { FrameBound::UnboundedFollowing }));
    }
    if i.is(K::CURRENT) && i.is_at(1, K::ROW) {
        return Ok((i.skip(2), FrameBound::CurrentRow));
    }
    let (i, distance) = operators(i, level::BIT_OR)?;
    let (i, preceding) = side(i)?;
    let distance = Box::new(distance);
    Ok((i, if preceding { FrameBound::Preceding(distance) } else { FrameBound::Following(distance) }))
}

/// The calls with words inside; `None` where the word is a function like others.
#[inline(never)]
pub(super) fn keyword_call(i: In<'_>, keyword: K) -> Option<Parsed<'_, Expr>> {
    match keyword {
        K::EXTRACT if i.is_at(3, K::FROM) => Some(extract(i)),
        K::SUBSTRING | K::SUBSTR if inside(i, K::FROM) => Some(substring(i)),
        K::POSITION if inside(i, K::IN) => Some(position(i)),
        K::TRIM if inside(i, K::FROM) => Some(trim(i)),
        K::OVERLAY if inside(i, K::PLACING) => Some(overlay(i)),
        K::STRUCT => Some(structure(i)),
        // These operators are functions too.
        K::LIKE | K::ILIKE | K::RLIKE | K::REGEXP if i.sign_at(1, S::LParen) => Some(call(i)),
        K::TIMESTAMPADD | K::TIMESTAMPDIFF | K::DATEADD | K::DATEDIFF | K::DATE_ADD | K::DATE_DIFF if unit_first(i) => Some(with_unit(i)),
        K::INTERVAL | K::VALUES | K::IN | K::USING | K::ON | K::AS | K::WITH => None,
        _ => None,
    }
}

/// Whether `keyword` stands within the parentheses behind the next word, outside inner ones and before any comma.
fn inside(i: In<'_>, keyword: K) -> bool {
    let mut at = i.skip(2);
    loop {
        if at.at_end() || at.sign(S::RParen) || at.sign(S::Comma) {
            return false;
        }
        if at.is(keyword) {
            return true;
        }
        at = if at.sign(S::LParen) { at.skip(at.past_parentheses(0).unwrap_or(1)) } else { at.next() };
    }
}

fn made_call<'a>(start: In<'a>, i: In<'a>, name: &str, args: Vec<Expr>) -> Parsed<'a, Expr> {
    let (i, _) = sign(S::RParen)(i)?;
    let mut call = Box::new(empty(made_up(name, start.peek().span)));
    call.args = args.into_iter().map(|value| Argument { name: None, value }).collect();
    let i = tail(i, &mut call)?;
    Ok((i, Expr { kind: ExprKind::Call(call), span: i.span_since(start) }))
}

fn text(text: &str, span: Span) -> Expr {
    Expr { kind: ExprKind::Literal(Value::String(text.to_string()), DataType::String), span }
}

/// `EXTRACT(field FROM source)` is `extract('field', source)`.
///
/// EBNF: `extract`
#[inline(never)]
fn extract(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, field) = any_name(i.skip(2))?;
    let (rest, source) = expression(rest.next())?;
    let field = text(&field.name.to_uppercase(), field.span);
    made_call(i, rest, "extract", vec![field, source])
}

/// `SUBSTRING(s FROM n [FOR length])`
///
/// EBNF: `substring`
#[inline(never)]
fn substring(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, string) = expression(i.skip(2))?;
    let (rest, _) = word(K::FROM)(rest)?;
    let (rest, from) = expression(rest)?;
    let mut args = vec![string, from];
    let rest = for_length(rest, &mut args)?;
    made_call(i, rest, "substring", args)
}

fn for_length<'a>(i: In<'a>, args: &mut Vec<Expr>) -> Result<In<'a>, nom::Err<super::input::Trouble>> {
    let (i, more) = i.eat(K::FOR);
    if !more {
        return Ok(i);
    }
    let (i, length) = expression(i)?;
    args.push(length);
    Ok(i)
}

/// `POSITION(part IN whole)`
///
/// EBNF: `position`
#[inline(never)]
fn position(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, part) = operators(i.skip(2), level::COMPARE)?;
    let (rest, _) = word(K::IN)(rest)?;
    let (rest, whole) = expression(rest)?;
    made_call(i, rest, "position", vec![part, whole])
}

/// `TRIM([BOTH | LEADING | TRAILING] [characters] FROM s)`; Spark's functions take the two in different orders.
///
/// EBNF: `trim`
#[inline(never)]
fn trim(i: In<'_>) -> Parsed<'_, Expr> {
    let mut rest = i.skip(2);
    let side = rest.peek().keyword().filter(|k| matches!(k, K::BOTH | K::LEADING | K::TRAILING));
    if side.is_some() {
        rest = rest.next();
    }
    let mut characters = None;
    if !rest.is(K::FROM) {
        let (after, expr) = expression(rest)?;
        (rest, characters) = (after, Some(expr));
    }
    let (rest, _) = word(K::FROM)(rest)?;
    let (rest, source) = expression(rest)?;
    let name = match side {
        Some(K::LEADING) => "ltrim",
        Some(K::TRAILING) => "rtrim",
        _ if characters.is_some() => "btrim",
        _ => "trim",
    };
    let args = match characters {
        None => vec![source],
        Some(characters) if name == "btrim" => vec![source, characters],
        Some(characters) => vec![characters, source],
    };
    made_call(i, rest, name, args)
}

/// `OVERLAY(s PLACING t FROM n [FOR length])`
///
/// EBNF: `overlay`
#[inline(never)]
fn overlay(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, string) = expression(i.skip(2))?;
    let (rest, _) = word(K::PLACING)(rest)?;
    let (rest, replacement) = expression(rest)?;
    let (rest, _) = word(K::FROM)(rest)?;
    let (rest, from) = expression(rest)?;
    let mut args = vec![string, replacement, from];
    let rest = for_length(rest, &mut args)?;
    made_call(i, rest, "overlay", args)
}

/// `STRUCT(a, b AS c)`: with an alias it is `named_struct`, without one a call like others.
///
/// EBNF: `structure`
#[inline(never)]
fn structure(i: In<'_>) -> Parsed<'_, Expr> {
    let mut rest = i.skip(2);
    let mut items: Vec<(Expr, Option<Ident>)> = Vec::new();
    while !(items.is_empty() && rest.sign(S::RParen)) {
        let (after, value) = expression(rest)?;
        let (after, has_as) = after.eat(K::AS);
        let (after, alias) = if has_as || is_bare_alias(after) {
            let (after, alias) = any_name(after)?;
            (after, Some(alias))
        } else {
            (after, None)
        };
        items.push((value, alias));
        let (after, more) = after.eat_sign(S::Comma);
        rest = after;
        if !more {
            break;
        }
    }
    if items.iter().all(|(_, alias)| alias.is_none()) {
        return made_call(i, rest, i.peek().text, items.into_iter().map(|(value, _)| value).collect());
    }
    let mut args = Vec::new();
    for (at, (value, alias)) in items.into_iter().enumerate() {
        let name = match (&alias, &value.kind) {
            (Some(alias), _) => alias.name.clone(),
            (None, ExprKind::Name(parts)) => parts.last().map(|p| p.name.clone()).unwrap_or_default(),
            (None, ExprKind::Field { name, .. }) => name.name.clone(),
            _ => format!("col{}", at + 1),
        };
        args.push(text(&name, value.span));
        args.push(value);
    }
    made_call(i, rest, "named_struct", args)
}

/// Whether three arguments follow, the first of them a bare unit of time.
fn unit_first(i: In<'_>) -> bool {
    const UNITS: &[K] =
        &[K::YEAR, K::QUARTER, K::MONTH, K::WEEK, K::DAY, K::DAYOFYEAR, K::HOUR, K::MINUTE, K::SECOND, K::MILLISECOND, K::MICROSECOND];
    if !(i.skip(2).is_any(UNITS) && i.sign_at(3, S::Comma)) {
        return false;
    }
    let mut at = i.skip(4);
    loop {
        if at.at_end() || at.sign(S::RParen) {
            return false;
        }
        if at.sign(S::Comma) {
            return true;
        }
        at = if at.sign(S::LParen) { at.skip(at.past_parentheses(0).unwrap_or(1)) } else { at.next() };
    }
}

/// `TIMESTAMPADD(HOUR, 5, ts)`: the unit becomes a string.
///
/// EBNF: `call_with_unit`
#[inline(never)]
fn with_unit(i: In<'_>) -> Parsed<'_, Expr> {
    let unit = i.peek_at(2);
    let mut args = vec![text(&unit.text.to_uppercase(), unit.span)];
    let (rest, others) = comma_list(expression)(i.skip(4))?;
    args.extend(others);
    let name = i.peek().text;
    if args.len() != 3 {
        return rest.missing(Expected::Sign(S::RParen));
    }
    made_call(i, rest, name, args)
}
