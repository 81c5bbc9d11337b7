//! Queries: WITH, SELECT, set operations, what orders and cuts the result.

use super::ast::{
    Cte, Expr, ExprKind, GroupBy, GroupItem, GroupingElement, GroupingSets, Ident, LateralView, Query, QueryBody, Select, SelectItem,
    SetOperator, SortItem, TableRef, ValuesTable, WindowSpec,
};
use super::error::SyntaxError;
use super::expr::{expression, subquery};
use super::input::{
    Expected, In, Parsed, RELATION_WEIGHT, any_name, comma_list, is_bare_alias, name, parenthesised, parenthesised_list, said, word, words,
};
use super::keywords::Keyword as K;
use super::pipe;
use super::relation::{alias, relation_name, table_ref};
use super::tokens::{Symbol as S, TokenKind};
use crate::diagnostic::Span;
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt, value};

/// What a level of sub-query weighs against a level of parentheses: its parsers need so much more stack.
const QUERY_WEIGHT: u32 = 4;

/// Whether a query begins here, just behind a `(`: behind any number of `(`, and not one that is only part of an expression or a join.
pub(super) fn begins_query(i: In<'_>) -> bool {
    let mut opened = 0;
    while i.sign_at(opened, S::LParen) {
        opened += 1;
        if opened > super::input::NESTING_LIMIT as usize {
            return false;
        }
    }
    let first = i.peek_at(opened);
    let next = i.peek_at(opened + 1);
    let begins = match first.keyword() {
        Some(K::SELECT | K::WITH) => true,
        Some(K::FROM) => matches!(next.kind, TokenKind::Word(_) | TokenKind::Quoted) || next.is_symbol(S::LParen),
        Some(K::VALUES) => true,
        Some(K::TABLE) => matches!(next.kind, TokenKind::Word(_) | TokenKind::Quoted),
        _ => false,
    };
    // From the innermost parenthesis outwards: what follows each must go on as a query does.
    begins
        && (0..opened).rev().all(|at| {
            let Some(behind) = i.skip(at).past_parentheses(0).map(|n| n + at) else { return true };
            let token = i.peek_at(behind);
            const GOES_ON: &[K] =
                &[K::UNION, K::INTERSECT, K::EXCEPT, K::MINUS, K::ORDER, K::SORT, K::CLUSTER, K::DISTRIBUTE, K::LIMIT, K::OFFSET];
            token.is_symbol(S::RParen) || token.is_symbol(S::Pipe) || token.keyword().is_some_and(|k| GOES_ON.contains(&k))
        })
}

/// A whole query.
///
/// EBNF: `query`
pub(super) fn query(i: In<'_>) -> Parsed<'_, Query> {
    i.deeper(QUERY_WEIGHT, |start| {
        let (i, ctes) = if start.is(K::WITH) { comma_list(cte)(start.next())? } else { (start, Vec::new()) };
        let (mut i, mut body) = set_expression(i)?;
        while i.sign(S::Pipe) {
            (i, body) = pipe::operator(start, i, body)?;
        }
        let (i, tail) = organization(i)?;
        let (body, tail) = pipe::trailing(start, i, body, tail)?;
        let Organization { order_by, sort_by, distribute_by, limit, offset } = tail;
        Ok((i, Query { ctes, body, order_by, sort_by, distribute_by, limit, offset, span: i.span_since(start) }))
    })
}

/// `name [(columns)] AS (query)`
///
/// EBNF: `cte`
fn cte(i: In<'_>) -> Parsed<'_, Cte> {
    let (i, name) = name(i)?;
    let (i, columns) = if i.sign(S::LParen) && !begins_query(i.next()) { parenthesised_list(any_name)(i)? } else { (i, Vec::new()) };
    let (i, _) = opt(word(K::AS)).parse(i)?;
    let (i, query) = subquery(i)?;
    Ok((i, Cte { name, columns, query }))
}

/// What orders and cuts rows.
#[derive(Default)]
pub(super) struct Organization {
    pub(super) order_by: Vec<SortItem>,
    pub(super) sort_by: Vec<SortItem>,
    pub(super) distribute_by: Vec<Expr>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
}

/// `[ORDER BY … | CLUSTER BY … | [DISTRIBUTE BY …] [SORT BY …]] [LIMIT n] [OFFSET n]`
///
/// EBNF: `organization`
pub(super) fn organization(start: In<'_>) -> Parsed<'_, Organization> {
    let (i, (all, twice)) = organized(start)?;
    if twice {
        return said(SyntaxError::SortedTwice { span: start.peek().span });
    }
    Ok((i, all))
}

/// The same, and whether it orders in two ways; behind `|>` the second belongs to what follows.
pub(super) fn organized(i: In<'_>) -> Parsed<'_, (Organization, bool)> {
    let mut all = Organization::default();
    let (mut i, ordered) = i.eat(K::ORDER);
    if ordered {
        (i, _) = word(K::BY)(i)?;
        (i, all.order_by) = comma_list(sort_item)(i)?;
    }
    let begins = |i: In<'_>, keyword| i.is(keyword) && i.is_at(1, K::BY);
    let clustered = begins(i, K::CLUSTER);
    if clustered {
        (i, all.distribute_by) = comma_list(expression)(i.skip(2))?;
        let key = |e: &Expr| SortItem { expr: e.clone(), descending: false, nulls_first: None };
        all.sort_by = all.distribute_by.iter().map(key).collect();
    }
    let spread = begins(i, K::DISTRIBUTE);
    if spread {
        (i, all.distribute_by) = comma_list(expression)(i.skip(2))?;
    }
    let sorted = begins(i, K::SORT);
    if sorted {
        (i, all.sort_by) = comma_list(sort_item)(i.skip(2))?;
    }
    let twice = (ordered || clustered) && (spread || sorted) || ordered && clustered;
    let (mut i, limited) = i.eat(K::LIMIT);
    if limited {
        if i.is(K::ALL) {
            i = i.next();
        } else {
            (i, all.limit) = map(expression, Some).parse(i)?;
        }
    }
    if i.is(K::OFFSET) {
        (i, all.offset) = map(expression, Some).parse(i.next())?;
    }
    Ok((i, (all, twice)))
}

/// `expr [ASC | DESC] [NULLS {FIRST | LAST}]`
///
/// EBNF: `sort_item`
pub(super) fn sort_item(i: In<'_>) -> Parsed<'_, SortItem> {
    let (i, expr) = expression(i)?;
    let (i, descending) = match i.peek().keyword() {
        Some(K::ASC) => (i.next(), false),
        Some(K::DESC) => (i.next(), true),
        _ => (i, false),
    };
    let (i, nulls_first) = if i.is(K::NULLS) {
        alt((value(Some(true), word(K::FIRST)), value(Some(false), word(K::LAST)))).parse(i.next())?
    } else {
        (i, None)
    };
    Ok((i, SortItem { expr, descending, nulls_first }))
}

/// Queries joined by UNION and EXCEPT; INTERSECT binds tighter.
///
/// EBNF: `set_expression`
fn set_expression(start: In<'_>) -> Parsed<'_, QueryBody> {
    let (mut i, mut left) = intersections(start)?;
    while i.is_any(&[K::UNION, K::EXCEPT, K::MINUS]) {
        let (rest, (op, all)) = set_operator(i)?;
        let (rest, right) = intersections(rest)?;
        rest.lengthen(RELATION_WEIGHT)?;
        left = QueryBody::SetOperation { op, all, left: Box::new(left), right: Box::new(right), span: rest.span_since(start) };
        i = rest;
    }
    Ok((i, left))
}

/// EBNF: `intersections`
fn intersections(start: In<'_>) -> Parsed<'_, QueryBody> {
    let (mut i, mut left) = query_primary(start)?;
    while i.is(K::INTERSECT) {
        let (rest, (op, all)) = set_operator(i)?;
        let (rest, right) = query_primary(rest)?;
        rest.lengthen(RELATION_WEIGHT)?;
        left = QueryBody::SetOperation { op, all, left: Box::new(left), right: Box::new(right), span: rest.span_since(start) };
        i = rest;
    }
    Ok((i, left))
}

/// `{UNION | INTERSECT | EXCEPT | MINUS} [ALL | DISTINCT]`
///
/// EBNF: `set_operator`
pub(super) fn set_operator(i: In<'_>) -> Parsed<'_, (SetOperator, bool)> {
    let (i, op) = alt((
        value(SetOperator::Union, word(K::UNION)),
        value(SetOperator::Intersect, word(K::INTERSECT)),
        value(SetOperator::Except, alt((word(K::EXCEPT), word(K::MINUS)))),
    ))
    .parse(i)?;
    let (i, all) = match i.peek().keyword() {
        Some(K::ALL) => (i.next(), true),
        Some(K::DISTINCT) => (i.next(), false),
        _ => (i, false),
    };
    Ok((i, (op, all)))
}

/// `SELECT …`, `FROM …`, `VALUES …`, `TABLE name` or `(query)`
///
/// EBNF: `query_primary`
pub(super) fn query_primary(i: In<'_>) -> Parsed<'_, QueryBody> {
    match i.peek().keyword() {
        Some(K::SELECT) => map(|i| select(i, None), |s| QueryBody::Select(Box::new(s))).parse(i),
        Some(K::FROM) => from_first(i),
        Some(K::VALUES) => map(values, QueryBody::Values).parse(i),
        Some(K::TABLE) => map(relation_name, QueryBody::Table).parse(i.next()),
        _ if i.sign(S::LParen) => {
            let (i, query) = subquery(i)?;
            Ok((i, QueryBody::Nested(Box::new(query))))
        }
        _ => {
            i.note(Expected::Word(K::FROM));
            i.note(Expected::Word(K::WITH));
            i.missing(Expected::Word(K::SELECT))
        }
    }
}

/// `FROM t SELECT …`, or `FROM t` as the start of a pipe.
///
/// EBNF: `from_first`
fn from_first(start: In<'_>) -> Parsed<'_, QueryBody> {
    let (i, from) = comma_list(table_ref)(start.next())?;
    let (i, views) = lateral_views(i)?;
    if i.is(K::SELECT) || !views.is_empty() {
        let (i, mut select) = select(i, Some(from))?;
        select.lateral_views.splice(0..0, views);
        select.span = i.span_since(start);
        return Ok((i, QueryBody::Select(Box::new(select))));
    }
    i.note(Expected::Word(K::SELECT));
    i.note(Expected::Sign(S::Pipe));
    Ok((i, QueryBody::From(from)))
}

/// A SELECT with its clauses; `from` is given where FROM stood first.
///
/// EBNF: `select`, `select_list`, `clauses`
fn select(start: In<'_>, from: Option<Vec<TableRef>>) -> Parsed<'_, Select> {
    let (mut i, _) = word(K::SELECT)(start)?;
    let mut hints = Vec::new();
    while i.peek().kind == TokenKind::Hint {
        hints.extend(split_hints(i.peek().text));
        i = i.next();
    }
    let (i, distinct) = quantifier(i);
    let (i, items) = comma_list(select_item)(i)?;
    let (i, from) = match from {
        Some(from) => (i, from),
        None => {
            let (i, has_from) = i.eat(K::FROM);
            if has_from { comma_list(table_ref)(i)? } else { (i, Vec::new()) }
        }
    };
    let (i, lateral_views) = lateral_views(i)?;
    let (i, filter) = clause(i, K::WHERE)?;
    let (i, grouped) = i.eat(K::GROUP);
    let (i, group_by) = if grouped { map(|i| group_by(i, false), Some).parse(i)? } else { (i, None) };
    let (i, having) = clause(i, K::HAVING)?;
    let (i, qualify) = clause(i, K::QUALIFY)?;
    let (i, windows) = if i.is(K::WINDOW) { windows(i)? } else { (i, Vec::new()) };
    let span = i.span_since(start);
    Ok((i, Select { distinct, hints, items, from, lateral_views, filter, group_by, having, qualify, windows, span }))
}

/// `WINDOW w AS (…), v AS w`
///
/// EBNF: `windows`
fn windows(i: In<'_>) -> Parsed<'_, Vec<(Ident, WindowSpec)>> {
    let window = |i| {
        let (i, name) = any_name(i)?;
        let (i, _) = word(K::AS)(i)?;
        let (i, spec) = super::call::window_spec(i)?;
        Ok((i, (name, spec)))
    };
    let (i, all) = comma_list(window)(i.next())?;
    for (at, (name, _)) in all.iter().enumerate() {
        if all[..at].iter().any(|(n, _)| n.name.eq_ignore_ascii_case(&name.name)) {
            let condition = "INVALID_SQL_SYNTAX.REPETITIVE_WINDOW_DEFINITION";
            return said(SyntaxError::Twice { what: "window", condition, span: name.span });
        }
    }
    Ok((i, all))
}

/// DISTINCT, or ALL that is not the name of a column.
pub(super) fn quantifier(i: In<'_>) -> (In<'_>, bool) {
    if i.is(K::DISTINCT) {
        return (i.next(), true);
    }
    let next = i.peek_at(1);
    let starts =
        matches!(next.kind, TokenKind::Word(None) | TokenKind::Quoted | TokenKind::Number | TokenKind::Text) || next.is_symbol(S::Star);
    if i.is(K::ALL) && starts { (i.next(), false) } else { (i, false) }
}

fn clause(i: In<'_>, keyword: K) -> Parsed<'_, Option<Expr>> {
    let (i, present) = i.eat(keyword);
    if present { map(expression, Some).parse(i) } else { Ok((i, None)) }
}

/// The hints within `/*+ A(1), B */`, each as written.
fn split_hints(token: &str) -> Vec<String> {
    let inner = &token[3..token.len() - 2];
    let (mut hints, mut current, mut depth) = (Vec::new(), String::new(), 0);
    let mut spaced = false;
    for c in inner.chars() {
        let ends = depth == 0 && (c == ',' || (spaced && c != '(' && !c.is_whitespace()));
        if ends {
            hints.push(std::mem::take(&mut current));
        }
        spaced = depth == 0 && c.is_whitespace() || spaced && c.is_whitespace();
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if !(depth == 0 && (c == ',' || c.is_whitespace())) {
            current.push(c);
        }
    }
    hints.push(current);
    hints.retain(|hint| !hint.is_empty());
    hints
}

/// `expr [[AS] alias | AS (a, b)]`
///
/// EBNF: `select_item`
pub(super) fn select_item(i: In<'_>) -> Parsed<'_, SelectItem> {
    let (i, expr) = expression(i)?;
    let (i, has_as) = i.eat(K::AS);
    if has_as && i.sign(S::LParen) {
        let (i, aliases) = parenthesised_list(any_name)(i)?;
        return Ok((i, SelectItem { expr, aliases }));
    }
    if has_as || is_bare_alias(i) {
        let (i, alias) = any_name(i)?;
        return Ok((i, SelectItem { expr, aliases: vec![alias] }));
    }
    Ok((i, SelectItem { expr, aliases: Vec::new() }))
}

/// `LATERAL VIEW [OUTER] generator(args) table [AS a, b]`, any number of times.
fn lateral_views(mut i: In<'_>) -> Parsed<'_, Vec<LateralView>> {
    let mut views = Vec::new();
    while i.is(K::LATERAL) && i.is_at(1, K::VIEW) {
        let (rest, view) = lateral_view(i)?;
        views.push(view);
        i = rest;
    }
    Ok((i, views))
}

/// EBNF: `lateral_view`
pub(super) fn lateral_view(start: In<'_>) -> Parsed<'_, LateralView> {
    let (i, ()) = words(&[K::LATERAL, K::VIEW])(start)?;
    let (i, outer) = if i.is(K::OUTER) { (i.next(), true) } else { (i, false) };
    let (i, generator) = super::call::call(i)?;
    let (mut i, table) = any_name(i)?;
    let mut columns = Vec::new();
    let has_as = i.is(K::AS);
    if has_as || is_bare_alias(i) {
        let at = if has_as { i.next() } else { i };
        (i, columns) = comma_list(any_name)(at)?;
    }
    Ok((i, LateralView { outer, generator, table, columns, span: i.span_since(start) }))
}

/// Behind GROUP: `BY ALL`, `BY a, b [WITH ROLLUP]`, `BY ROLLUP(…)`, `BY a GROUPING SETS (…)`
///
/// EBNF: `group_by`
pub(super) fn group_by(start: In<'_>, aliases: bool) -> Parsed<'_, GroupBy> {
    let (mut i, _) = word(K::BY)(start)?;
    let mut group = GroupBy { all: false, items: Vec::new(), listed: Vec::new(), span: Span::default() };
    let all_alone = matches!(i.peek_at(1).kind, TokenKind::End | TokenKind::Word(_) | TokenKind::Hint)
        || [S::RParen, S::Semicolon, S::Pipe].iter().any(|s| i.sign_at(1, *s));
    if i.is(K::ALL) && all_alone {
        let i = i.next();
        group.all = true;
        group.span = i.span_since(start);
        return Ok((i, group));
    }
    loop {
        if let Some(sets) = analytics(i) {
            let (rest, sets) = sets?;
            group.items.push(GroupItem::Sets(sets));
            i = rest;
        } else {
            let (rest, item) =
                if aliases { select_item(i)? } else { map(expression, |expr| SelectItem { expr, aliases: Vec::new() }).parse(i)? };
            group.items.push(GroupItem::Plain(item));
            i = rest;
        }
        let (rest, more) = i.eat_sign(S::Comma);
        if !more {
            break;
        }
        i = rest;
    }
    if group.items.iter().all(|item| matches!(item, GroupItem::Plain(_))) {
        i = trailing_analytics(i, &mut group)?;
    }
    group.span = i.span_since(start);
    Ok((i, group))
}

/// `GROUP BY a, b WITH ROLLUP`, `GROUP BY a, b GROUPING SETS ((a), (b))`
fn trailing_analytics<'a>(i: In<'a>, group: &mut GroupBy) -> Result<In<'a>, nom::Err<super::input::Trouble>> {
    let plain = |items: &mut Vec<GroupItem>| -> Vec<Expr> {
        let items = std::mem::take(items).into_iter();
        items.filter_map(|item| if let GroupItem::Plain(item) = item { Some(item.expr) } else { None }).collect()
    };
    if i.is(K::WITH) && (i.is_at(1, K::ROLLUP) || i.is_at(1, K::CUBE)) {
        let sets = plain(&mut group.items).into_iter().map(|e| vec![e]).collect();
        let sets = if i.is_at(1, K::ROLLUP) { GroupingSets::Rollup(sets) } else { GroupingSets::Cube(sets) };
        group.items = vec![GroupItem::Sets(sets)];
        return Ok(i.skip(2));
    }
    if i.is(K::GROUPING)
        && i.is_at(1, K::SETS)
        && let Some(sets) = analytics(i)
    {
        // The sets name every key again; the list in front of them adds none, and gives them their order.
        let (rest, sets) = sets?;
        group.listed = plain(&mut group.items);
        group.items = vec![GroupItem::Sets(sets)];
        return Ok(rest);
    }
    Ok(i)
}

/// `ROLLUP (…)`, `CUBE (…)`, `GROUPING SETS (…)`; `None` where no such word stands.
///
/// EBNF: `analytics`
fn analytics(i: In<'_>) -> Option<Parsed<'_, GroupingSets>> {
    let list = |i| parenthesised_list(grouping_element)(i);
    match i.peek().keyword()? {
        K::ROLLUP if i.sign_at(1, S::LParen) => Some(map(list, GroupingSets::Rollup).parse(i.next())),
        K::CUBE if i.sign_at(1, S::LParen) => Some(map(list, GroupingSets::Cube).parse(i.next())),
        K::GROUPING if i.is_at(1, K::SETS) => Some(grouping_sets(i.skip(2))),
        _ => None,
    }
}

/// `(element, …)` behind GROUPING SETS, each a set or analytics again.
///
/// EBNF: `grouping_sets`
fn grouping_sets(i: In<'_>) -> Parsed<'_, GroupingSets> {
    let element = |i| match analytics(i) {
        Some(inner) => inner.map(|(i, sets)| (i, GroupingElement::Nested(sets))),
        None => map(grouping_element, GroupingElement::Set).parse(i),
    };
    i.deeper(1, |i| map(parenthesised_list(element), GroupingSets::Sets).parse(i))
}

/// `a`, `(a, b)` or `()`
///
/// EBNF: `grouping_element`
fn grouping_element(i: In<'_>) -> Parsed<'_, Vec<Expr>> {
    if i.sign(S::LParen) && i.sign_at(1, S::RParen) {
        return Ok((i.skip(2), Vec::new()));
    }
    let (i, expr) = expression(i)?;
    Ok((i, row_items(expr)))
}

/// The parts of `(a, b)`; anything else is one part.
fn row_items(expr: Expr) -> Vec<Expr> {
    match expr.kind {
        ExprKind::Row(items) => items,
        _ => vec![expr],
    }
}

/// `VALUES (1, 'a'), (2, 'b') [AS t(id, name)]`
///
/// EBNF: `values`
pub(super) fn values(start: In<'_>) -> Parsed<'_, ValuesTable> {
    let (i, _) = word(K::VALUES)(start)?;
    let (i, rows) = comma_list(|i| map(expression, row_items).parse(i))(i)?;
    let (i, alias) = alias(i)?;
    Ok((i, ValuesTable { rows, alias, span: i.span_since(start) }))
}

/// `(a, b)` or `a`
pub(super) fn names_or_name(i: In<'_>) -> Parsed<'_, Vec<super::ast::Ident>> {
    if i.sign(S::LParen) {
        return parenthesised(comma_list(any_name))(i);
    }
    map(any_name, |name| vec![name]).parse(i)
}
