//! Running and looking after queries: START with its clauses, SHOW, DESCRIBE, EXPLAIN, STOP, AWAIT, SET and their kin.

use super::ast::{
    ControlAction, CrashAfter, Describe, ExprKind, Ident, OutputModeDef, ShowKind, SinkDef, Statement, StreamingQuery, Target, TriggerDef,
};
use super::ddl::{format, options, partitioned_by};
use super::error::SyntaxError;
use super::expr::interval_literal;
use super::input::{Expected, In, Parsed, any_name, is_name, name, said, word, words};
use super::interval::{IntervalParts, interval_parts, parse_interval_text};
use super::keywords::Keyword as K;
use super::literal;
use super::select::query;
use super::tokens::{Symbol as S, TokenKind};
use super::types::whole_number;
use crate::diagnostic::Span;
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, value};

/// `[START [QUERY] name AS] query` and its clauses, in any order, each once.
///
/// EBNF: `streaming_query`
pub(super) fn streaming_query(start: In<'_>) -> Parsed<'_, StreamingQuery> {
    let (i, name) = if start.is(K::START) { started(start.next())? } else { (start, None) };
    let (i, query) = query(i)?;
    let mut all = StreamingQuery { name, query, sink: None, output_mode: None, trigger: None, checkpoint: None, span: Span::default() };
    let mut i = i;
    loop {
        let at = i;
        let repeated = |clause| said(SyntaxError::RepeatedClause { clause, span: at.peek().span });
        match i.peek().keyword() {
            Some(K::INTO) if all.sink.is_some() => return repeated("INTO"),
            Some(K::INTO) => (i, all.sink) = map(sink, Some).parse(i.next())?,
            Some(K::OUTPUT) if all.output_mode.is_some() => return repeated("OUTPUT MODE"),
            Some(K::OUTPUT) => {
                let (rest, mode) = output_mode(i.next())?;
                (i, all.output_mode) = (rest, Some((mode, rest.span_since(at))));
            }
            Some(K::TRIGGER) if all.trigger.is_some() => return repeated("TRIGGER"),
            Some(K::TRIGGER) => {
                let (rest, trigger) = trigger(i.next())?;
                (i, all.trigger) = (rest, Some((trigger, rest.span_since(at))));
            }
            Some(K::CHECKPOINT) if all.checkpoint.is_some() => return repeated("CHECKPOINT"),
            Some(K::CHECKPOINT) => {
                let (rest, path) = literal::string(i.next())?;
                (i, all.checkpoint) = (rest, Some((path, rest.span_since(at))));
            }
            _ => break,
        }
    }
    for keyword in [K::INTO, K::OUTPUT, K::TRIGGER, K::CHECKPOINT] {
        i.note(Expected::Word(keyword));
    }
    all.span = i.span_since(start);
    Ok((i, all))
}

/// Behind START: `[QUERY] name AS`
fn started(i: In<'_>) -> Parsed<'_, Option<Ident>> {
    let i = if i.is(K::QUERY) && !i.is_at(1, K::AS) { i.next() } else { i };
    let (i, name) = name(i)?;
    let (i, _) = word(K::AS)(i)?;
    Ok((i, Some(name)))
}

/// `format [OPTIONS (…)] [PARTITIONED BY (…)]`
///
/// EBNF: `sink`
fn sink(i: In<'_>) -> Parsed<'_, SinkDef> {
    let (i, format) = format(i)?;
    let (i, options) = options(i)?;
    let (i, partitioned) = i.eat(K::PARTITIONED);
    let (i, partitioned_by) = if partitioned { partitioned_by(i)? } else { (i, Vec::new()) };
    Ok((i, SinkDef { format, options, partitioned_by }))
}

/// Behind OUTPUT: `MODE {APPEND | UPDATE | COMPLETE | BATCH [OVER LAST interval [EVERY interval]]}`
///
/// EBNF: `output_mode`
fn output_mode(i: In<'_>) -> Parsed<'_, OutputModeDef> {
    let (i, _) = word(K::MODE)(i)?;
    if i.is(K::BATCH) {
        let i = i.next();
        if !i.is(K::OVER) {
            return Ok((i, OutputModeDef::Batch { over: None, every: None }));
        }
        let (i, ()) = words(&[K::OVER, K::LAST])(i)?;
        let (i, over) = duration(i)?;
        let (i, has_every) = i.eat(K::EVERY);
        let (i, every) = if has_every { map(duration, Some).parse(i)? } else { (i, None) };
        return Ok((i, OutputModeDef::Batch { over: Some(over), every }));
    }
    i.note(Expected::Word(K::BATCH));
    alt((
        value(OutputModeDef::Append, word(K::APPEND)),
        value(OutputModeDef::Update, word(K::UPDATE)),
        value(OutputModeDef::Complete, word(K::COMPLETE)),
    ))
    .parse(i)
}

/// Behind TRIGGER.
///
/// EBNF: `trigger`
fn trigger(i: In<'_>) -> Parsed<'_, TriggerDef> {
    match i.peek().keyword() {
        Some(K::PROCESSING) => {
            let (i, ()) = words(&[K::PROCESSING, K::TIME])(i)?;
            map(duration, TriggerDef::ProcessingTime).parse(i)
        }
        Some(K::AVAILABLE) => value(TriggerDef::AvailableNow, words(&[K::AVAILABLE, K::NOW])).parse(i),
        Some(K::ONCE) => Ok((i.next(), TriggerDef::Once)),
        Some(K::CONTINUOUS) => map(duration, TriggerDef::Continuous).parse(i.next()),
        Some(K::EVERY) => {
            let (rest, rows) = whole_number(i.next())?;
            if rows == 0 {
                return said(SyntaxError::InvalidValue { message: "a batch has at least one row".into(), span: i.peek_at(1).span });
            }
            let (rest, _) = word(K::ROWS)(rest)?;
            Ok((rest, TriggerDef::EveryRows(rows)))
        }
        _ => {
            for keyword in [K::PROCESSING, K::AVAILABLE, K::CONTINUOUS, K::EVERY] {
                i.note(Expected::Word(keyword));
            }
            i.missing(Expected::Word(K::ONCE))
        }
    }
}

/// An interval as text or as a literal, in microseconds.
///
/// EBNF: `duration`
fn duration(i: In<'_>) -> Parsed<'_, i64> {
    if i.peek().kind == TokenKind::Text {
        let (rest, text) = literal::string(i)?;
        let span = rest.span_since(i);
        return match parse_interval_text(&text) {
            Ok(parts) => Ok((rest, micros(parts, i, span)?)),
            Err(e) => said(SyntaxError::InvalidInterval { condition: e.condition, reason: e.reason, text, span }),
        };
    }
    if !i.is(K::INTERVAL) {
        return i.missing(Expected::Thing("an interval such as '2 seconds'"));
    }
    let (rest, expr) = interval_literal(i)?;
    let ExprKind::Interval(interval) = &expr.kind else { return i.missing(Expected::Thing("an interval such as '2 seconds'")) };
    match interval_parts(interval, expr.span) {
        Ok(parts) => Ok((rest, micros(parts, i, expr.span)?)),
        Err(error) => said(*error),
    }
}

fn micros(parts: IntervalParts, _: In<'_>, span: Span) -> Result<i64, nom::Err<super::input::Trouble>> {
    match parts.total_micros() {
        Some(micros) if micros >= 0 => Ok(micros),
        Some(_) => said(SyntaxError::InvalidValue { message: "an interval here cannot be negative".into(), span }),
        None => said(SyntaxError::InvalidValue { message: "this interval is too long".into(), span }),
    }
}

/// Behind SHOW: `{QUERIES | STREAMS | TABLES | VIEWS | FUNCTIONS} [LIKE '…']`
///
/// EBNF: `show`
pub(super) fn show(i: In<'_>) -> Parsed<'_, Statement> {
    let (i, what) = alt((
        value(ShowKind::Queries, word(K::QUERIES)),
        value(ShowKind::Streams, word(K::STREAMS)),
        value(ShowKind::Tables, word(K::TABLES)),
        value(ShowKind::Views, word(K::VIEWS)),
        value(ShowKind::Functions, word(K::FUNCTIONS)),
    ))
    .parse(i)?;
    let (i, has_like) = i.eat(K::LIKE);
    let (i, like) = if has_like { map(literal::string, Some).parse(i)? } else { (i, None) };
    Ok((i, Statement::Show { what, like }))
}

/// Behind DESCRIBE: `name`, `QUERY name`, `FUNCTION [EXTENDED] name`
///
/// EBNF: `describe`
pub(super) fn describe(i: In<'_>) -> Parsed<'_, Statement> {
    let named = |ahead: usize| matches!(i.peek_at(ahead).kind, TokenKind::Word(_) | TokenKind::Quoted);
    let describe = |(i, describe)| Ok((i, Statement::Describe(describe)));
    match i.peek().keyword() {
        Some(K::QUERY) if named(1) => describe(map(any_name, Describe::Query).parse(i.next())?),
        Some(K::FUNCTION) if i.is_at(1, K::EXTENDED) && named(2) => {
            describe(map(any_name, |name| Describe::Function { name, extended: true }).parse(i.skip(2))?)
        }
        Some(K::FUNCTION) if named(1) => describe(map(any_name, |name| Describe::Function { name, extended: false }).parse(i.next())?),
        Some(K::TABLE | K::STREAM | K::VIEW) if named(1) => describe(map(any_name, Describe::Relation).parse(i.next())?),
        _ => describe(map(any_name, Describe::Relation).parse(i)?),
    }
}

/// Behind INFER SCHEMA: `FROM [STREAM | TABLE] name [LIMIT n]`
///
/// EBNF: `infer`
pub(super) fn infer_schema(i: In<'_>) -> Parsed<'_, Statement> {
    let (i, from) = i.eat(K::FROM);
    if !from {
        return i.missing(Expected::Word(K::FROM));
    }
    let i = if matches!(i.peek().keyword(), Some(K::STREAM | K::TABLE)) && is_name(i.next()) { i.next() } else { i };
    let (i, name) = any_name(i)?;
    let (i, limited) = i.eat(K::LIMIT);
    if !limited {
        return Ok((i, Statement::InferSchema { name, limit: None }));
    }
    match i.peek().text.parse::<u64>() {
        Ok(limit) => Ok((i.next(), Statement::InferSchema { name, limit: Some(limit) })),
        Err(_) => i.missing(Expected::Thing("a number of lines")),
    }
}

/// Behind EXPLAIN: `[EXTENDED] query`
///
/// EBNF: `explain`
pub(super) fn explain(i: In<'_>) -> Parsed<'_, Statement> {
    let (i, extended) = if i.is(K::EXTENDED) { (i.next(), true) } else { (i, false) };
    let (i, query) = streaming_query(i)?;
    Ok((i, Statement::Explain { extended, query: Box::new(query) }))
}

/// `{PAUSE | RESUME | STOP} {name | ALL}`
///
/// EBNF: `control`
pub(super) fn control(i: In<'_>, action: ControlAction) -> Parsed<'_, Statement> {
    if i.is(K::ALL) {
        return Ok((i.next(), Statement::Control { action, target: Target::All }));
    }
    let i = if i.is(K::QUERY) && is_name(i.next()) { i.next() } else { i };
    let (i, name) = any_name(i)?;
    Ok((i, Statement::Control { action, target: Target::Named(name) }))
}

/// Behind CRASH: `[QUERY] name [AFTER {OFFSETS | SINK | STATE}]`
///
/// EBNF: `crash`
pub(super) fn crash(i: In<'_>) -> Parsed<'_, Statement> {
    let i = if i.is(K::QUERY) && is_name(i.next()) { i.next() } else { i };
    let (i, name) = any_name(i)?;
    let (i, placed) = i.eat(K::AFTER);
    let (i, after) = if placed { map(crash_after, Some).parse(i)? } else { (i, None) };
    Ok((i, Statement::Crash { name, after }))
}

fn crash_after(i: In<'_>) -> Parsed<'_, CrashAfter> {
    alt((value(CrashAfter::Offsets, word(K::OFFSETS)), value(CrashAfter::Sink, word(K::SINK)), value(CrashAfter::State, word(K::STATE))))
        .parse(i)
}

/// Behind ALTER: `QUERY name AS query`
///
/// EBNF: `alter`
pub(super) fn alter(i: In<'_>) -> Parsed<'_, Statement> {
    let (i, _) = word(K::QUERY)(i)?;
    let (i, name) = any_name(i)?;
    let (i, _) = word(K::AS)(i)?;
    let (i, query) = query(i)?;
    Ok((i, Statement::AlterQuery { name, query: Box::new(query) }))
}

/// Behind AWAIT: `name [TIMEOUT interval]`
///
/// EBNF: `await`
pub(super) fn awaiting(i: In<'_>) -> Parsed<'_, Statement> {
    let (i, name) = any_name(i)?;
    let (i, limited) = i.eat(K::TIMEOUT);
    let (i, timeout) = if limited { map(duration, Some).parse(i)? } else { (i, None) };
    Ok((i, Statement::Await { name, timeout }))
}

/// `SET [key [= value]]`; a value that is no string is taken as written, up to the end of the statement.
///
/// EBNF: `set`
pub(super) fn set(start: In<'_>) -> Parsed<'_, Statement> {
    let i = start.next();
    if ends(i) {
        return Ok((i, Statement::Set { key: None, value: None, span: i.span_since(start), value_span: Span::default() }));
    }
    let key_start = i;
    let (i, key) = setting(i)?;
    let span = i.span_since(key_start);
    if ends(i) {
        return Ok((i, Statement::Set { key: Some(key), value: None, span, value_span: span }));
    }
    if !i.sign(S::Eq) {
        return i.missing(Expected::Sign(S::Eq));
    }
    let i = i.next();
    let value_start = i;
    let (i, value) = if i.peek().kind == TokenKind::Text && ends(i.next()) { literal::string(i)? } else { raw(i)? };
    Ok((i, Statement::Set { key: Some(key), value: Some(value), span, value_span: i.span_since(value_start) }))
}

fn ends(i: In<'_>) -> bool {
    i.at_end() || i.sign(S::Semicolon)
}

/// The text from here to the end of the statement.
fn raw(start: In<'_>) -> Parsed<'_, String> {
    if ends(start) {
        return start.missing(Expected::Thing("a value"));
    }
    let mut i = start;
    while !ends(i) {
        i = i.next();
    }
    let text = &start.shared.text[i.span_since(start).range()];
    Ok((i, text.trim().to_string()))
}

/// `a.b.c-d`
///
/// EBNF: `setting`
fn setting(i: In<'_>) -> Parsed<'_, String> {
    let (mut i, first) = any_name(i)?;
    let mut key = first.name;
    while i.sign(S::Dot) || i.sign(S::Minus) {
        let (rest, part) = any_name(i.next())?;
        key.push_str(i.peek().text);
        key.push_str(&part.name);
        i = rest;
    }
    Ok((i, key))
}

/// `RESET [key]`
///
/// EBNF: `reset`
pub(super) fn reset(start: In<'_>) -> Parsed<'_, Statement> {
    let i = start.next();
    let (i, key) = if ends(i) { (i, None) } else { map(setting, Some).parse(i)? };
    Ok((i, Statement::Reset { key, span: i.span_since(start) }))
}

/// `SOURCE 'file.sql'`
///
/// EBNF: `source`
pub(super) fn source(start: In<'_>) -> Parsed<'_, Statement> {
    let (i, path) = literal::string(start.next())?;
    Ok((i, Statement::Source { path, span: i.span_since(start) }))
}
