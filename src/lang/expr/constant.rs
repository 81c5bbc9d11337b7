//! Literals: numbers, dates and times, intervals.

use super::*;

#[inline(never)]
pub(super) fn number(i: In<'_>, negative: bool) -> Parsed<'_, Expr> {
    let at = if negative { i.next() } else { i };
    let rest = at.next();
    let span = rest.span_since(i);
    match literal::number(at.peek().text, negative, span) {
        Ok((value, data_type)) => Ok((rest, Expr { kind: ExprKind::Literal(value, data_type), span })),
        Err(error) => said(*error),
    }
}

/// `TIME'…'`: a call of `time`, for there is no type TIME; only functions that make timestamps take it.
///
/// EBNF: `typed_literal`
#[inline(never)]
pub(super) fn time_literal(i: In<'_>) -> Parsed<'_, Expr> {
    let (rest, text) = literal::string(i.next())?;
    let span = rest.span_since(i);
    if literal::parse_time_text(&text).is_none() {
        return said(SyntaxError::InvalidTypedLiteral { kind: "TIME", text, span });
    }
    let value = Expr { kind: ExprKind::Literal(Value::String(text), DataType::String), span };
    let call = Call {
        name: Ident { name: "time".to_string(), span },
        distinct: false,
        args: vec![Argument { name: None, value }],
        filter: None,
        ignore_nulls: None,
        within_group: Vec::new(),
        over: None,
    };
    Ok((rest, Expr { kind: ExprKind::Call(Box::new(call)), span }))
}

/// `DATE'…'`, `TIMESTAMP'…'`, `X'…'`
///
/// EBNF: `typed_literal`
#[inline(never)]
pub(super) fn typed_literal(i: In<'_>, keyword: K) -> Parsed<'_, Expr> {
    let (rest, text) = literal::string(i.next())?;
    let span = rest.span_since(i);
    let kind = match keyword {
        K::TIMESTAMP | K::TIMESTAMP_LTZ => {
            if literal::parse_timestamp_text(&text).is_none() {
                return said(SyntaxError::InvalidTypedLiteral { kind: "TIMESTAMP", text, span });
            }
            ExprKind::TimestampLiteral(text)
        }
        _ => {
            let (value, data_type) = literal::typed(keyword.text(), &text, span).map_err(|e| nom::Err::Failure(Trouble::Said(e)))?;
            ExprKind::Literal(value, data_type)
        }
    };
    Ok((rest, Expr { kind, span }))
}

pub(super) fn begins_interval(i: In<'_>) -> bool {
    let amount = |ahead: usize| matches!(i.peek_at(ahead).kind, TokenKind::Number | TokenKind::Text);
    let signed = (i.sign_at(1, S::Minus) || i.sign_at(1, S::Plus)) && amount(2);
    amount(1) || signed && interval::unit(i.peek_at(3).text).is_some()
}

/// `INTERVAL 5 MINUTES`, `INTERVAL '1-2' YEAR TO MONTH`, `INTERVAL '5 minutes'`
///
/// EBNF: `interval`
#[inline(never)]
pub(in crate::lang) fn interval_literal(i: In<'_>) -> Parsed<'_, Expr> {
    let (start, _) = word(K::INTERVAL)(i)?;
    let (mut rest, first) = amount(start)?;
    let text = text_of(&first);
    let interval = if let (Some((text, _)), None) = (&text, unit_at(rest)) {
        Interval::Text(text.clone())
    } else {
        let (after, unit) = unit(rest)?;
        rest = after;
        if let (Some((text, negated)), true) = (text, rest.is(K::TO)) {
            let (after, to) = self::unit(rest.next())?;
            rest = after;
            Interval::Range { text, negated, from: unit, to }
        } else {
            let mut units = vec![(first, unit)];
            while begins_amount(rest) {
                let (after, more) = amount(rest)?;
                let (after, unit) = self::unit(after)?;
                units.push((more, unit));
                rest = after;
            }
            Interval::Units(units)
        }
    };
    let span = rest.span_since(i);
    match interval::interval_parts(&interval, span) {
        Ok(_) => Ok((rest, Expr { kind: ExprKind::Interval(interval), span })),
        Err(error) => said(*error),
    }
}

/// Whether another `amount unit` pair follows.
fn begins_amount(i: In<'_>) -> bool {
    let signed = i.sign(S::Minus) || i.sign(S::Plus);
    let at = usize::from(signed);
    let amount = matches!(i.peek_at(at).kind, TokenKind::Number | TokenKind::Text);
    // `INTERVAL 5 DAYS - 3` is a subtraction unless a unit follows.
    amount && (!signed || unit_at(i.skip(at + 1)).is_some())
}

/// A number or a text, perhaps with a sign.
fn amount(i: In<'_>) -> Parsed<'_, Expr> {
    let negative = i.sign(S::Minus);
    let at = if negative || i.sign(S::Plus) { i.next() } else { i };
    if at.peek().kind == TokenKind::Number {
        let (rest, mut expr) = number(at, false)?;
        if negative {
            (_, expr) = number(i, true)?;
        }
        return Ok((rest, expr));
    }
    let (rest, text) = literal::string(at)?;
    let expr = Expr { kind: ExprKind::Literal(Value::String(text), DataType::String), span: rest.span_since(at) };
    if negative {
        let kind = ExprKind::Unary { op: UnaryOp::Minus, expr: Box::new(expr) };
        return Ok((rest, Expr { kind, span: rest.span_since(i) }));
    }
    Ok((rest, expr))
}

fn text_of(amount: &Expr) -> Option<(String, bool)> {
    match &amount.kind {
        ExprKind::Literal(Value::String(text), _) => Some((text.clone(), false)),
        ExprKind::Unary { expr, .. } => text_of(expr).map(|(text, _)| (text, true)),
        _ => None,
    }
}

fn unit_at(i: In<'_>) -> Option<&'static str> {
    match i.peek().kind {
        TokenKind::Word(_) => interval::unit(i.peek().text).map(|(name, _)| name),
        _ => None,
    }
}

/// A unit of time; its singular name.
///
/// EBNF: `unit`
fn unit(i: In<'_>) -> Parsed<'_, String> {
    match (unit_at(i), i.peek().kind) {
        (Some(unit), _) => Ok((i.next(), unit.to_string())),
        (None, TokenKind::Word(_)) => said(SyntaxError::UnknownUnit { found: i.peek().text.to_string(), span: i.peek().span }),
        _ => i.missing(Expected::Thing("a unit of time")),
    }
}
