//! What stands behind FROM: streams, tables, sub-queries, functions, joins, PIVOT and UNPIVOT.

use super::ast::{
    Expr, ExprKind, Ident, Join, JoinCondition, JoinKind, Pivot, RelationName, Sample, SampleAmount, TableAlias, TableRef, Unpivot,
    WatermarkClause,
};
use super::error::SyntaxError;
use super::expr::{dotted, expression, interval_literal, subquery};
use super::input::{
    Expected, In, Parsed, RELATION_WEIGHT, any_name, comma_list, is_bare_alias, is_name, name, parenthesised, parenthesised_list, said,
    sign, word, words,
};
use super::keywords::Keyword as K;
use super::select::{begins_query, names_or_name, select_item, values};
use super::tokens::{Symbol as S, TokenKind};
use super::types::whole_number;
use nom::Parser;
use nom::combinator::map;

/// A relation with everything joined to it.
///
/// EBNF: `table_ref`
pub(super) fn table_ref(start: In<'_>) -> Parsed<'_, TableRef> {
    let scope = start.open();
    let parsed = joined(start);
    start.close(scope);
    parsed
}

fn joined(start: In<'_>) -> Parsed<'_, TableRef> {
    let (mut i, mut left) = table_primary(start)?;
    loop {
        if begins_join(i) {
            let at = i;
            let (rest, (right, kind, natural, condition)) = join(i)?;
            rest.lengthen(RELATION_WEIGHT)?;
            left = TableRef::Join(Box::new(Join { left, right, kind, natural, condition, span: at.peek().span }));
            i = rest;
        } else if i.is(K::PIVOT) && i.sign_at(1, S::LParen) {
            let (rest, pivot) = pivot(i)?;
            let (rest, alias) = alias(rest)?;
            rest.heighten()?;
            left = TableRef::Pivot(Box::new(left), Box::new(pivot), alias);
            i = rest;
        } else if i.is(K::UNPIVOT) {
            let (rest, unpivot) = unpivot(i)?;
            let (rest, alias) = alias(rest)?;
            rest.heighten()?;
            left = TableRef::Unpivot(Box::new(left), Box::new(unpivot), alias);
            i = rest;
        } else {
            i.note(Expected::Word(K::JOIN));
            return Ok((i, left));
        }
    }
}

/// A relation alone.
///
/// EBNF: `table_primary`
fn table_primary(start: In<'_>) -> Parsed<'_, TableRef> {
    let (i, lateral) = if start.is(K::LATERAL) && !start.is_at(1, K::VIEW) { (start.next(), true) } else { (start, false) };
    if i.sign(S::LParen) {
        return if begins_query(i.next()) { subquery_ref(start, i, lateral) } else { nested(i) };
    }
    if i.is(K::VALUES) {
        return map(values, TableRef::Values).parse(i);
    }
    if i.is(K::STREAM) && i.sign_at(1, S::LParen) {
        let (rest, name) = parenthesised(relation_name)(i.next())?;
        return relation(start, rest, name, true);
    }
    // `STREAM` alone, or before a clause, is a name like others.
    if i.is(K::STREAM) && is_name(i.next()) && (is_bare_alias(i.next()) || matches!(i.peek_at(1).kind, TokenKind::Quoted)) {
        let (rest, name) = relation_name(i.next())?;
        return relation(start, rest, name, true);
    }
    if i.sign_at(1, S::LParen) && is_name(i) {
        return function(start, i, lateral);
    }
    let (rest, name) = relation_name(i)?;
    relation(start, rest, name, false)
}

/// `t`, `default.t`, `spark_catalog.default.t`: a stream, table or view.
///
/// EBNF: `relation_name`
pub(super) fn relation_name(i: In<'_>) -> Parsed<'_, RelationName> {
    if !is_name(i) {
        return i.missing(Expected::Thing("a stream, table or query"));
    }
    let (mut rest, mut name) = name(i)?;
    let mut path = Vec::new();
    while rest.sign(S::Dot) {
        let (after, part) = any_name(rest.next())?;
        path.push(std::mem::replace(&mut name, part));
        rest = after;
    }
    Ok((rest, RelationName { path, name }))
}

/// Behind a relation's name: `[TABLESAMPLE (…)] [WATERMARK …] [AS alias]`
///
/// EBNF: `relation_tail`
fn relation<'a>(start: In<'a>, i: In<'a>, name: RelationName, stream: bool) -> Parsed<'a, TableRef> {
    let (i, sample) = if i.is(K::TABLESAMPLE) { map(sample, Some).parse(i)? } else { (i, None) };
    let (i, watermark) = watermark(i)?;
    let (i, alias) = alias_after_watermark(i)?;
    Ok((i, TableRef::Relation { name, stream, sample, watermark, alias, span: i.span_since(start) }))
}

fn subquery_ref<'a>(start: In<'a>, i: In<'a>, lateral: bool) -> Parsed<'a, TableRef> {
    let (i, query) = subquery(i)?;
    let (i, sample) = if i.is(K::TABLESAMPLE) { map(sample, Some).parse(i)? } else { (i, None) };
    let (i, watermark) = watermark(i)?;
    let (i, alias) = alias_after_watermark(i)?;
    Ok((i, TableRef::Subquery { query: Box::new(query), lateral, sample, watermark, alias, span: i.span_since(start) }))
}

/// `(relation JOIN relation …) [AS alias]`
fn nested(i: In<'_>) -> Parsed<'_, TableRef> {
    i.deeper(2, |i| {
        let (i, inner) = parenthesised(table_ref)(i)?;
        let (i, sample) = if i.is(K::TABLESAMPLE) { map(sample, Some).parse(i)? } else { (i, None) };
        let (i, alias) = alias(i)?;
        Ok((i, TableRef::Nested(Box::new(inner), sample, alias)))
    })
}

/// `name(args) [AS alias]`
///
/// EBNF: `table_function`
fn function<'a>(start: In<'a>, i: In<'a>, lateral: bool) -> Parsed<'a, TableRef> {
    let (rest, expr) = super::call::call(i)?;
    let ExprKind::Call(call) = expr.kind else { return rest.missing(Expected::Thing("a call")) };
    let (rest, alias) = alias_after_watermark(rest)?;
    let super::ast::Call { name, args, .. } = *call;
    Ok((rest, TableRef::Function { name, args, lateral, alias, span: rest.span_since(start) }))
}

/// `WATERMARK expr [AS col] DELAY OF interval`
///
/// EBNF: `watermark`
fn watermark(start: In<'_>) -> Parsed<'_, Option<Box<WatermarkClause>>> {
    let (i, present) = start.eat(K::WATERMARK);
    if !present {
        return Ok((start, None));
    }
    let (i, expr) = expression(i)?;
    let (i, has_as) = i.eat(K::AS);
    let (i, alias) = if has_as { map(any_name, Some).parse(i)? } else { (i, None) };
    let (i, ()) = words(&[K::DELAY, K::OF])(i)?;
    let (i, delay) = interval_literal(i)?;
    Ok((i, Some(Box::new(WatermarkClause { expr, alias, delay, span: i.span_since(start) }))))
}

fn alias_after_watermark(i: In<'_>) -> Parsed<'_, Option<TableAlias>> {
    let (i, alias) = alias(i)?;
    if alias.is_some() && i.is(K::WATERMARK) {
        return said(SyntaxError::WatermarkAfterAlias { span: i.peek().span });
    }
    Ok((i, alias))
}

/// `[AS] name [(columns)]`
///
/// EBNF: `alias`
pub(super) fn alias(i: In<'_>) -> Parsed<'_, Option<TableAlias>> {
    let (rest, has_as) = i.eat(K::AS);
    if !has_as && !is_bare_alias(i) {
        return Ok((i, None));
    }
    if has_as && rest.sign(S::LParen) {
        let (after, columns) = parenthesised_list(any_name)(rest)?;
        let name = Ident { name: String::new(), span: after.span_since(rest) };
        return Ok((after, Some(TableAlias { name, columns })));
    }
    let (rest, name) = any_name(rest)?;
    let (rest, columns) = if rest.sign(S::LParen) { parenthesised_list(any_name)(rest)? } else { (rest, Vec::new()) };
    Ok((rest, Some(TableAlias { name, columns })))
}

/// `TABLESAMPLE (n PERCENT | n ROWS) [REPEATABLE (seed)]`
///
/// EBNF: `sample`
pub(super) fn sample(start: In<'_>) -> Parsed<'_, Sample> {
    let (i, _) = word(K::TABLESAMPLE)(start)?;
    let (i, _) = sign(S::LParen)(i)?;
    let (i, amount) = if i.is(K::BUCKET) { bucket(i)? } else { amount(i)? };
    let (i, _) = sign(S::RParen)(i)?;
    let (i, seed) = if i.is(K::REPEATABLE) {
        let (i, seed) = parenthesised(whole_number)(i.next())?;
        (i, i64::try_from(seed).ok())
    } else {
        (i, None)
    };
    Ok((i, Sample { amount, seed, span: i.span_since(start) }))
}

/// `n PERCENT` or `n ROWS`
fn amount(i: In<'_>) -> Parsed<'_, SampleAmount> {
    let number = i.peek();
    let Ok(percent) = number.text.parse::<f64>() else { return i.missing(Expected::Thing("a number")) };
    if number.kind != TokenKind::Number {
        return i.missing(Expected::Thing("a number"));
    }
    match i.peek_at(1).keyword() {
        Some(K::PERCENT) => Ok((i.skip(2), SampleAmount::Percent(percent))),
        Some(K::ROWS) => {
            let (i, rows) = whole_number(i)?;
            Ok((i.next(), SampleAmount::Rows(rows)))
        }
        _ => {
            i.next().note(Expected::Word(K::PERCENT));
            i.next().missing(Expected::Word(K::ROWS))
        }
    }
}

/// `BUCKET n OUT OF m`: the share n/m of the rows.
fn bucket(i: In<'_>) -> Parsed<'_, SampleAmount> {
    let (i, taken) = whole_number(i.next())?;
    let (i, ()) = words(&[K::OUT, K::OF])(i)?;
    let (i, of) = whole_number(i)?;
    Ok((i, SampleAmount::Percent(taken as f64 * 100.0 / of.max(1) as f64)))
}

/// Whether a join begins here.
pub(super) fn begins_join(i: In<'_>) -> bool {
    i.is_any(&[K::JOIN, K::INNER, K::CROSS, K::LEFT, K::RIGHT, K::FULL, K::NATURAL, K::SEMI, K::ANTI])
}

/// What a join adds to its left side.
pub(super) type JoinTail = (TableRef, JoinKind, bool, JoinCondition);

/// `[NATURAL] [INNER | CROSS | LEFT [OUTER] | …] JOIN [LATERAL] relation [ON … | USING (…)]`
///
/// EBNF: `join`
pub(super) fn join(i: In<'_>) -> Parsed<'_, JoinTail> {
    let (i, natural) = if i.is(K::NATURAL) { (i.next(), true) } else { (i, false) };
    let outer = |i: In<'_>| usize::from(i.is_at(1, K::OUTER)) + 1;
    let (i, kind) = match i.peek().keyword() {
        Some(K::INNER) => (i.next(), JoinKind::Inner),
        Some(K::CROSS) => (i.next(), JoinKind::Cross),
        Some(K::LEFT) if i.is_at(1, K::SEMI) => (i.skip(2), JoinKind::LeftSemi),
        Some(K::LEFT) if i.is_at(1, K::ANTI) => (i.skip(2), JoinKind::LeftAnti),
        Some(K::SEMI) => (i.next(), JoinKind::LeftSemi),
        Some(K::ANTI) => (i.next(), JoinKind::LeftAnti),
        Some(K::LEFT) => (i.skip(outer(i)), JoinKind::Left),
        Some(K::RIGHT) => (i.skip(outer(i)), JoinKind::Right),
        Some(K::FULL) => (i.skip(outer(i)), JoinKind::Full),
        _ => (i, JoinKind::Inner),
    };
    let (i, _) = word(K::JOIN)(i)?;
    let (i, right) = table_primary(i)?;
    let (i, on) = i.eat(K::ON);
    if on {
        let (i, condition) = expression(i)?;
        return Ok((i, (right, kind, natural, JoinCondition::On(condition))));
    }
    let (i, using) = i.eat(K::USING);
    if using {
        let (i, columns) = parenthesised_list(any_name)(i)?;
        return Ok((i, (right, kind, natural, JoinCondition::Using(columns))));
    }
    Ok((i, (right, kind, natural, JoinCondition::None)))
}

/// `PIVOT (aggregates FOR column IN (values))`
///
/// EBNF: `pivot`
pub(super) fn pivot(start: In<'_>) -> Parsed<'_, Pivot> {
    let (i, _) = word(K::PIVOT)(start)?;
    let (i, _) = sign(S::LParen)(i)?;
    let (i, aggregates) = comma_list(select_item)(i)?;
    let (i, _) = word(K::FOR)(i)?;
    let (i, columns) = if i.sign(S::LParen) { parenthesised_list(column)(i)? } else { map(column, |c| vec![c]).parse(i)? };
    let (i, _) = word(K::IN)(i)?;
    let (i, values) = parenthesised_list(select_item)(i)?;
    let (i, _) = sign(S::RParen)(i)?;
    Ok((i, Pivot { aggregates, columns, values, span: i.span_since(start) }))
}

fn column(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, parts) = dotted(i)?;
    Ok((rest, Expr { kind: ExprKind::Name(parts), span: rest.span_since(i) }))
}

/// `UNPIVOT [INCLUDE NULLS | EXCLUDE NULLS] (value FOR name IN (columns))`
///
/// EBNF: `unpivot`
pub(super) fn unpivot(start: In<'_>) -> Parsed<'_, Unpivot> {
    let (i, _) = word(K::UNPIVOT)(start)?;
    let (i, include_nulls) = match i.peek().keyword() {
        Some(K::INCLUDE) => (words(&[K::INCLUDE, K::NULLS])(i)?.0, true),
        Some(K::EXCLUDE) => (words(&[K::EXCLUDE, K::NULLS])(i)?.0, false),
        _ => (i, false),
    };
    let (i, _) = sign(S::LParen)(i)?;
    let (i, values) = names_or_name(i)?;
    let (i, _) = word(K::FOR)(i)?;
    let (i, name) = any_name(i)?;
    let (i, _) = word(K::IN)(i)?;
    let (i, columns) = parenthesised_list(unpivoted)(i)?;
    let (i, _) = sign(S::RParen)(i)?;
    Ok((i, Unpivot { include_nulls, values, name, columns, span: i.span_since(start) }))
}

/// `column [AS alias]` or `(columns) [AS alias]`
fn unpivoted(i: In<'_>) -> Parsed<'_, (Vec<Expr>, Option<Ident>)> {
    let (i, columns) = if i.sign(S::LParen) { parenthesised_list(column)(i)? } else { map(column, |c| vec![c]).parse(i)? };
    let (rest, has_as) = i.eat(K::AS);
    if has_as || is_bare_alias(i) {
        let (rest, alias) = any_name(rest)?;
        return Ok((rest, (columns, Some(alias))));
    }
    Ok((i, (columns, None)))
}
