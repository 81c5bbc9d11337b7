//! What may stand behind `|>`.

use super::ast::{Expr, Ident, PipeOperator, QueryBody};
use super::error::SyntaxError;
use super::expr::expression;
use super::input::{Expected, In, Parsed, RELATION_WEIGHT, Trouble, any_name, comma_list, parenthesised_list, said, sign, words};
use super::keywords::Keyword as K;
use super::relation::{alias, begins_join, join, pivot, sample, unpivot};
use super::select::{Organization, group_by, lateral_view, organized, quantifier, query_primary, select_item, set_operator};
use super::tokens::{Symbol as S, TokenKind};
use nom::Parser;
use nom::combinator::map;

/// The operators, for the message about a word that is none.
pub(super) const OPERATORS: &str = "WHERE, SELECT, EXTEND, SET, DROP, AS, AGGREGATE, JOIN, UNION, EXCEPT, INTERSECT, ORDER BY, SORT BY, LIMIT, OFFSET, \
     PIVOT, UNPIVOT, TABLESAMPLE, LATERAL VIEW, DEDUPLICATE, STATEFUL";

/// Words that people write behind `|>` because other dialects know them, and what to write here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("DISTINCT", "|> SELECT DISTINCT … keeps each row once"),
    ("RENAME", "|> SELECT …, old AS new renames a column"),
    ("FILTER", "|> WHERE … keeps rows"),
    ("HAVING", "|> WHERE … works behind |> AGGREGATE too"),
    ("GROUP", "|> AGGREGATE … GROUP BY … groups"),
    ("FROM", "FROM stands first, without |> before it"),
    ("WINDOW", "write the window in |> EXTEND f() OVER (…)"),
    ("CALL", "functions that give tables stand behind |> JOIN LATERAL"),
    ("WITH", "WITH stands before the whole query"),
    ("MAP", "|> SELECT … computes new columns"),
];

/// `|> operator` behind `input`, which began at `start`.
///
/// EBNF: `pipe_operator`
pub(super) fn operator<'a>(start: In<'a>, i: In<'a>, input: QueryBody) -> Parsed<'a, QueryBody> {
    let (i, _) = sign(S::Pipe)(i)?;
    i.lengthen(RELATION_WEIGHT)?;
    if i.is_any(&[K::ORDER, K::SORT, K::LIMIT, K::OFFSET]) {
        return ordering(start, i, input);
    }
    let (i, operator) = one(i)?;
    Ok((i, QueryBody::Pipe { input: Box::new(input), operator: Box::new(operator), span: i.span_since(start) }))
}

/// `ORDER BY … LIMIT …` behind one `|>` counts as one operator each.
fn ordering<'a>(start: In<'a>, i: In<'a>, input: QueryBody) -> Parsed<'a, QueryBody> {
    let (i, (all, _)) = organized(i)?;
    Ok((i, ordered(start, i, input, all)?))
}

/// `input` with what orders and cuts it as operators.
fn ordered<'a>(start: In<'a>, i: In<'a>, input: QueryBody, all: Organization) -> Result<QueryBody, nom::Err<Trouble>> {
    let mut body = input;
    let operators = [
        (!all.order_by.is_empty()).then_some(PipeOperator::OrderBy(all.order_by)),
        (!all.sort_by.is_empty()).then_some(PipeOperator::SortBy(all.sort_by)),
        all.offset.map(PipeOperator::Offset),
        all.limit.map(PipeOperator::Limit),
    ];
    for operator in operators.into_iter().flatten() {
        i.lengthen(RELATION_WEIGHT)?;
        body = QueryBody::Pipe { input: Box::new(body), operator: Box::new(operator), span: i.span_since(start) };
    }
    Ok(body)
}

/// What stands behind the whole pipe: right behind `|> ORDER BY` and its kin it belongs to that operator, so that
/// `|> LIMIT 3 OFFSET 1` means the same however it is split.
pub(super) fn trailing<'a>(
    start: In<'a>,
    i: In<'a>,
    body: QueryBody,
    all: Organization,
) -> Result<(QueryBody, Organization), nom::Err<Trouble>> {
    let orders = match &body {
        QueryBody::Pipe { operator, .. } => {
            matches!(**operator, PipeOperator::OrderBy(_) | PipeOperator::SortBy(_) | PipeOperator::Limit(_) | PipeOperator::Offset(_))
        }
        _ => false,
    };
    if orders { Ok((ordered(start, i, body, all)?, Organization::default())) } else { Ok((body, all)) }
}

fn one(i: In<'_>) -> Parsed<'_, PipeOperator> {
    let Some(keyword) = i.peek().keyword() else { return none(i) };
    match keyword {
        K::WHERE => map(expression, PipeOperator::Where).parse(i.next()),
        K::SELECT => {
            let (i, distinct) = quantifier(i.next());
            let (i, items) = comma_list(select_item)(i)?;
            Ok((i, PipeOperator::Select { distinct, items }))
        }
        K::EXTEND => map(comma_list(select_item), PipeOperator::Extend).parse(i.next()),
        K::SET => map(comma_list(assignment), PipeOperator::Set).parse(i.next()),
        K::DROP => map(comma_list(any_name), PipeOperator::Drop).parse(i.next()),
        K::AS => map(any_name, PipeOperator::As).parse(i.next()),
        K::AGGREGATE => aggregate(i.next()),
        K::UNION | K::INTERSECT | K::EXCEPT | K::MINUS => {
            let (i, (op, all)) = set_operator(i)?;
            let (i, right) = query_primary(i)?;
            Ok((i, PipeOperator::SetOperation { op, all, right }))
        }
        K::PIVOT => {
            let (i, pivot) = pivot(i)?;
            let (i, alias) = alias(i)?;
            Ok((i, PipeOperator::Pivot(pivot, alias)))
        }
        K::UNPIVOT => {
            let (i, unpivot) = unpivot(i)?;
            let (i, alias) = alias(i)?;
            Ok((i, PipeOperator::Unpivot(unpivot, alias)))
        }
        K::TABLESAMPLE => map(sample, PipeOperator::TableSample).parse(i),
        K::LATERAL if i.is_at(1, K::VIEW) => map(lateral_view, PipeOperator::LateralView).parse(i),
        K::DEDUPLICATE => deduplicate(i.next()),
        K::STATEFUL => stateful(i.next()),
        _ if begins_join(i) => {
            let (i, (right, kind, natural, condition)) = join(i)?;
            Ok((i, PipeOperator::Join { right, kind, natural, condition }))
        }
        _ => none(i),
    }
}

/// A word that is no operator.
fn none(i: In<'_>) -> Parsed<'_, PipeOperator> {
    const ALL: &[K] = &[
        K::WHERE,
        K::SELECT,
        K::EXTEND,
        K::SET,
        K::DROP,
        K::AS,
        K::AGGREGATE,
        K::JOIN,
        K::UNION,
        K::EXCEPT,
        K::INTERSECT,
        K::ORDER,
        K::SORT,
        K::LIMIT,
        K::OFFSET,
        K::PIVOT,
        K::UNPIVOT,
        K::TABLESAMPLE,
        K::LATERAL,
        K::DEDUPLICATE,
        K::STATEFUL,
    ];
    let token = i.peek();
    let nearly = crate::diagnostic::nearest(token.text, ALL.iter().map(|k| k.text()));
    let instead = ELSEWHERE.iter().find(|(word, _)| token.text.eq_ignore_ascii_case(word)).map(|(_, instead)| *instead);
    match (token.kind, instead, nearly) {
        (TokenKind::Word(_), Some(instead), _) => {
            said(SyntaxError::NoPipeOperator { found: token.text.to_string(), instead, span: token.span })
        }
        (TokenKind::Word(_), None, None) => {
            said(SyntaxError::NoPipeOperator { found: token.text.to_string(), instead: "", span: token.span })
        }
        (TokenKind::Word(_), None, Some(meant)) => {
            said(SyntaxError::Misspelt { found: token.text.to_string(), meant: keyword_text(meant), span: token.span })
        }
        _ => i.missing(Expected::Thing("a pipe operator such as WHERE, SELECT or AGGREGATE")),
    }
}

fn keyword_text(word: &str) -> &'static str {
    K::of(word).map_or("", K::text)
}

/// `column = expr`
///
/// EBNF: `assignment`
fn assignment(i: In<'_>) -> Parsed<'_, (Ident, Expr)> {
    let (i, name) = any_name(i)?;
    let (i, _) = sign(S::Eq)(i)?;
    let (i, value) = expression(i)?;
    Ok((i, (name, value)))
}

/// `[items] [GROUP BY …]`
///
/// EBNF: `pipe_aggregate`
fn aggregate(i: In<'_>) -> Parsed<'_, PipeOperator> {
    let grouped = |i: In<'_>| i.is(K::GROUP) && i.is_at(1, K::BY);
    let (i, items) = if grouped(i) { (i, Vec::new()) } else { comma_list(select_item)(i)? };
    let (i, has_group) = i.eat(K::GROUP);
    let (i, group_by) = if has_group { map(|i| group_by(i, true), Some).parse(i)? } else { (i, None) };
    Ok((i, PipeOperator::Aggregate { items, group_by }))
}

/// `[ON (cols)] [WITHIN WATERMARK]`
///
/// EBNF: `pipe_deduplicate`
fn deduplicate(i: In<'_>) -> Parsed<'_, PipeOperator> {
    let (i, has_on) = i.eat(K::ON);
    let (i, on) = if has_on { parenthesised_list(any_name)(i)? } else { (i, Vec::new()) };
    let (i, within_watermark) = if i.is(K::WITHIN) { (words(&[K::WITHIN, K::WATERMARK])(i)?.0, true) } else { (i, false) };
    Ok((i, PipeOperator::Deduplicate { on, within_watermark }))
}

/// Everything of `STATEFUL BY …` up to where the query goes on: it is refused by name later.
fn stateful(mut i: In<'_>) -> Parsed<'_, PipeOperator> {
    const ENDS: &[K] = &[K::INTO, K::OUTPUT, K::TRIGGER, K::CHECKPOINT];
    while !(i.at_end() || i.sign(S::Pipe) || i.sign(S::RParen) || i.sign(S::Semicolon) || i.is_any(ENDS)) {
        i = if i.sign(S::LParen) { i.skip(i.past_parentheses(0).unwrap_or(1)) } else { i.next() };
    }
    Ok((i, PipeOperator::Stateful))
}
