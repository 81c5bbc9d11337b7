//! Expressions as text.

use super::query::{query, sort_item};
use super::{bracketed, ident, joined, listed, text};
use crate::lang::ast::{
    Argument, BinaryOp, Call, Expr, ExprKind, FrameBound, Interval, LikeKind, LikeQuantifier, UnaryOp, WindowFrame, WindowSpec,
};
use crate::lang::expr::{level, level_of};
use crate::lang::keywords::{Keyword, Use, quote_name};
use crate::types::{DataType, Value};
use std::fmt::Write;

/// Signs bind tighter than every binary operator, what is attached to a value tighter still.
const SIGN: u8 = level::MULTIPLY + 1;
const POSTFIX: u8 = SIGN + 1;

/// The text of an expression.
pub(in crate::lang) fn expression(expr: &Expr) -> String {
    let mut out = String::new();
    whole(&mut out, expr);
    out
}

/// An expression where any may stand.
pub(super) fn whole(out: &mut String, expr: &Expr) {
    at_least(out, expr, 0);
}

/// An expression where only operators of `least` and tighter may stand bare.
fn at_least(out: &mut String, expr: &Expr, least: u8) {
    if level_of_kind(&expr.kind) < least {
        out.push('(');
        bare(out, expr);
        out.push(')');
    } else {
        bare(out, expr);
    }
}

fn level_of_kind(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Binary { op, .. } => level_of(*op),
        ExprKind::Unary { op: UnaryOp::Not, .. } => level::NOT,
        ExprKind::Unary { .. } => SIGN,
        ExprKind::Lambda { .. } => 0,
        ExprKind::Between { .. }
        | ExprKind::InList { .. }
        | ExprKind::InSubquery { .. }
        | ExprKind::Like { .. }
        | ExprKind::IsNull { .. }
        | ExprKind::IsBoolean { .. }
        | ExprKind::IsDistinct { .. } => level::PREDICATE,
        _ => POSTFIX,
    }
}

fn bare(out: &mut String, expr: &Expr) {
    match &expr.kind {
        ExprKind::Literal(value, data_type) => literal(out, value, data_type),
        ExprKind::TimestampLiteral(value) => {
            out.push_str("TIMESTAMP");
            text(out, value);
        }
        ExprKind::Name(parts) => joined(out, parts, ".", ident),
        ExprKind::Star { qualifier, except } => star(out, qualifier, except),
        ExprKind::Unary { op, expr } => unary(out, *op, expr),
        ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, .. } => logical(out, expr),
        ExprKind::Binary { op, .. } => chain(out, expr, level_of(*op)),
        ExprKind::Case { operand, branches, otherwise } => case(out, operand.as_deref(), branches, otherwise.as_deref()),
        ExprKind::Cast { expr, to, attempt } => {
            out.push_str(if *attempt { "TRY_CAST(" } else { "CAST(" });
            whole(out, expr);
            let _ = write!(out, " AS {})", to.sql());
        }
        ExprKind::Call(inner) => call(out, inner),
        ExprKind::Lambda { params, body } => {
            if let [only] = params.as_slice() {
                ident(out, only);
            } else {
                bracketed(out, params, ident);
            }
            out.push_str(" -> ");
            whole(out, body);
        }
        ExprKind::Subscript { expr, index } => {
            base(out, expr, false);
            out.push('[');
            whole(out, index);
            out.push(']');
        }
        ExprKind::Field { expr, name } => {
            base(out, expr, true);
            out.push('.');
            ident(out, name);
        }
        ExprKind::Interval(inner) => interval(out, inner),
        ExprKind::Row(items) => bracketed(out, items, whole),
        ExprKind::Parameter(name) => {
            out.push(':');
            out.push_str(&quote_name(name));
        }
        ExprKind::Exists(inner) => {
            out.push_str("EXISTS (");
            query(out, inner);
            out.push(')');
        }
        ExprKind::ScalarSubquery(inner) => {
            out.push('(');
            query(out, inner);
            out.push(')');
        }
        _ => predicate(out, expr),
    }
}

fn star(out: &mut String, qualifier: &[crate::lang::ast::Ident], except: &[Vec<crate::lang::ast::Ident>]) {
    for part in qualifier {
        ident(out, part);
        out.push('.');
    }
    out.push('*');
    if !except.is_empty() {
        out.push_str(" EXCEPT ");
        bracketed(out, except, |out, parts: &Vec<_>| joined(out, parts, ".", ident));
    }
}

fn unary(out: &mut String, op: UnaryOp, expr: &Expr) {
    if op == UnaryOp::Not {
        out.push_str("NOT ");
        return at_least(out, expr, level::NOT);
    }
    out.push(match op {
        UnaryOp::Minus => '-',
        UnaryOp::Plus => '+',
        _ => '~',
    });
    let mut inner = String::new();
    at_least(&mut inner, expr, SIGN);
    // `-1` would be one number and `--` a comment.
    let wrapped = op == UnaryOp::Minus && inner.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if wrapped {
        let _ = write!(out, "({inner})");
    } else {
        out.push_str(&inner);
    }
}

/// What a subscript or a field is taken from.
fn base(out: &mut String, expr: &Expr, field: bool) {
    let wrap = match &expr.kind {
        ExprKind::Literal(..) | ExprKind::TimestampLiteral(_) | ExprKind::Interval(_) | ExprKind::Star { .. } => true,
        // `a.b` would be one name.
        ExprKind::Name(_) => field,
        kind => level_of_kind(kind) < POSTFIX,
    };
    if wrap {
        out.push('(');
    }
    bare(out, expr);
    if wrap {
        out.push(')');
    }
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "OR",
        BinaryOp::And => "AND",
        BinaryOp::Eq => "=",
        BinaryOp::NullSafeEq => "<=>",
        BinaryOp::NotEq => "<>",
        BinaryOp::Lt => "<",
        BinaryOp::LtEq => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::GtEq => ">=",
        BinaryOp::Plus => "+",
        BinaryOp::Minus => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::IntDivide => "DIV",
        BinaryOp::Modulo => "%",
        BinaryOp::Concat => "||",
        BinaryOp::BitAnd => "&",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::ShiftLeft => "<<",
        BinaryOp::ShiftRight => ">>",
        BinaryOp::ShiftRightUnsigned => ">>>",
    }
}

/// Operators of one level, grouped from the left. A loop, for such chains may be thousands long.
fn chain(out: &mut String, expr: &Expr, level: u8) {
    let mut rights = Vec::new();
    let mut leftmost = expr;
    while let ExprKind::Binary { op, left, right } = &leftmost.kind
        && level_of(*op) == level
    {
        rights.push((*op, right));
        leftmost = left;
    }
    at_least(out, leftmost, level);
    for (op, right) in rights.into_iter().rev() {
        let _ = write!(out, " {} ", operator(op));
        at_least(out, right, level + 1);
    }
}

/// AND and OR: flat where the tree is the balanced one that the parser makes of a flat chain.
fn logical(out: &mut String, expr: &Expr) {
    let ExprKind::Binary { op, left, right } = &expr.kind else { return whole(out, expr) };
    let (op, least) = (*op, level_of(*op) + 1);
    let mut leaves = Vec::new();
    collect(expr, op, &mut leaves);
    if is_balanced(expr, op) {
        for (at, leaf) in leaves.into_iter().enumerate() {
            if at > 0 {
                let _ = write!(out, " {} ", operator(op));
            }
            at_least(out, leaf, least);
        }
    } else {
        at_least(out, left, least);
        let _ = write!(out, " {} ", operator(op));
        at_least(out, right, least);
    }
}

fn collect<'a>(expr: &'a Expr, wanted: BinaryOp, leaves: &mut Vec<&'a Expr>) {
    match &expr.kind {
        ExprKind::Binary { op, left, right } if *op == wanted => {
            collect(left, wanted, leaves);
            collect(right, wanted, leaves);
        }
        _ => leaves.push(expr),
    }
}

fn is_balanced(expr: &Expr, wanted: BinaryOp) -> bool {
    fn size(expr: &Expr, wanted: BinaryOp) -> Option<usize> {
        match &expr.kind {
            ExprKind::Binary { op, left, right } if *op == wanted => {
                let (left, right) = (size(left, wanted)?, size(right, wanted)?);
                (left == right || left == right + 1).then_some(left + right)
            }
            _ => Some(1),
        }
    }
    size(expr, wanted).is_some()
}

fn predicate(out: &mut String, expr: &Expr) {
    let not = |negated: bool| if negated { " NOT" } else { "" };
    match &expr.kind {
        ExprKind::Between { expr, low, high, negated } => {
            at_least(out, expr, level::PREDICATE);
            let _ = write!(out, "{} BETWEEN ", not(*negated));
            at_least(out, low, level::COMPARE);
            out.push_str(" AND ");
            at_least(out, high, level::COMPARE);
        }
        ExprKind::InList { expr, list, negated } => {
            at_least(out, expr, level::PREDICATE);
            let _ = write!(out, "{} IN ", not(*negated));
            bracketed(out, list, whole);
        }
        ExprKind::InSubquery { expr, query: inner, negated } => {
            at_least(out, expr, level::PREDICATE);
            let _ = write!(out, "{} IN (", not(*negated));
            query(out, inner);
            out.push(')');
        }
        ExprKind::IsNull { expr, negated } => {
            at_least(out, expr, level::PREDICATE);
            let _ = write!(out, " IS{} NULL", not(*negated));
        }
        ExprKind::IsBoolean { expr, value, negated } => {
            at_least(out, expr, level::PREDICATE);
            let value = value.map_or("UNKNOWN", |v| if v { "TRUE" } else { "FALSE" });
            let _ = write!(out, " IS{} {value}", not(*negated));
        }
        ExprKind::IsDistinct { left, right, negated } => {
            at_least(out, left, level::PREDICATE);
            let _ = write!(out, " IS{} DISTINCT FROM ", not(*negated));
            at_least(out, right, level::COMPARE);
        }
        ExprKind::Like { kind, expr, patterns, quantifier, escape, negated } => {
            at_least(out, expr, level::PREDICATE);
            let word = match kind {
                LikeKind::Like => "LIKE",
                LikeKind::ILike => "ILIKE",
                LikeKind::RLike => "RLIKE",
            };
            let _ = write!(out, "{} {word} ", not(*negated));
            like_patterns(out, patterns, *quantifier, *escape);
        }
        _ => {}
    }
}

fn like_patterns(out: &mut String, patterns: &[Expr], quantifier: Option<LikeQuantifier>, escape: Option<char>) {
    match quantifier {
        Some(quantifier) => {
            out.push_str(if quantifier == LikeQuantifier::Any { "ANY " } else { "ALL " });
            bracketed(out, patterns, whole);
        }
        None => patterns.iter().for_each(|pattern| at_least(out, pattern, level::COMPARE)),
    }
    if let Some(escape) = escape {
        out.push_str(" ESCAPE ");
        text(out, escape.encode_utf8(&mut [0; 4]));
    }
}

fn case(out: &mut String, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>) {
    out.push_str("CASE");
    if let Some(operand) = operand {
        out.push(' ');
        whole(out, operand);
    }
    for (condition, result) in branches {
        out.push_str(" WHEN ");
        whole(out, condition);
        out.push_str(" THEN ");
        whole(out, result);
    }
    if let Some(otherwise) = otherwise {
        out.push_str(" ELSE ");
        whole(out, otherwise);
    }
    out.push_str(" END");
}

/// A function's name: in backticks where the word would begin something else before a `(`.
fn function_name(out: &mut String, call: &Call) {
    const SPECIAL: &[Keyword] = &[
        Keyword::CAST,
        Keyword::TRY_CAST,
        Keyword::STREAM,
        Keyword::ROLLUP,
        Keyword::CUBE,
        Keyword::ANY,
        Keyword::SOME,
        Keyword::ALL,
        Keyword::OUTER,
    ];
    let first = call.args.first().map(|a| &a.value.kind);
    let name = &call.name.name;
    let misread = match Keyword::of(name) {
        Some(Keyword::LEFT | Keyword::RIGHT) => false,
        Some(Keyword::EXISTS) => matches!(first, Some(ExprKind::ScalarSubquery(_))),
        Some(keyword) if takes_unit(keyword) => call.args.len() == 3 && matches!(first, Some(ExprKind::Name(parts)) if parts.len() == 1),
        Some(keyword) => !matches!(keyword.usage(), Use::Free | Use::Soft) || SPECIAL.contains(&keyword),
        None => false,
    };
    let quoted = quote_name(name);
    if misread && !quoted.starts_with('`') {
        let _ = write!(out, "`{quoted}`");
    } else if !misread && Keyword::of(name).is_some() {
        out.push_str(name);
    } else {
        out.push_str(&quoted);
    }
}

fn takes_unit(keyword: Keyword) -> bool {
    use Keyword as K;
    matches!(keyword, K::TIMESTAMPADD | K::TIMESTAMPDIFF | K::DATEADD | K::DATEDIFF | K::DATE_ADD | K::DATE_DIFF)
}

/// Functions that may have words between their arguments: FROM or IN in an argument needs parentheses there.
fn has_words_inside(call: &Call) -> bool {
    use Keyword as K;
    matches!(Keyword::of(&call.name.name), Some(K::TRIM | K::SUBSTRING | K::SUBSTR | K::POSITION | K::OVERLAY | K::EXTRACT))
}

pub(super) fn call(out: &mut String, call: &Call) {
    function_name(out, call);
    out.push('(');
    if call.distinct {
        out.push_str("DISTINCT ");
    }
    let careful = has_words_inside(call);
    listed(out, &call.args, |out, arg| argument(out, arg, careful));
    out.push(')');
    if !call.within_group.is_empty() {
        out.push_str(" WITHIN GROUP (ORDER BY ");
        listed(out, &call.within_group, sort_item);
        out.push(')');
    }
    if let Some(filter) = &call.filter {
        out.push_str(" FILTER (WHERE ");
        whole(out, filter);
        out.push(')');
    }
    match call.ignore_nulls {
        Some(true) => out.push_str(" IGNORE NULLS"),
        Some(false) => out.push_str(" RESPECT NULLS"),
        None => {}
    }
    if let Some(spec) = &call.over {
        out.push_str(" OVER ");
        window_spec(out, spec);
    }
}

fn argument(out: &mut String, argument: &Argument, careful: bool) {
    if let Some(name) = &argument.name {
        ident(out, name);
        out.push_str(" => ");
    }
    let plain = matches!(
        argument.value.kind,
        ExprKind::Name(_)
            | ExprKind::Literal(..)
            | ExprKind::TimestampLiteral(_)
            | ExprKind::Call(_)
            | ExprKind::Cast { .. }
            | ExprKind::ScalarSubquery(_)
    );
    if careful && !plain {
        out.push('(');
        whole(out, &argument.value);
        out.push(')');
    } else {
        whole(out, &argument.value);
    }
}

/// The arguments of a function that gives a table.
pub(super) fn table_call(out: &mut String, name: &crate::lang::ast::Ident, args: &[Argument]) {
    let name = name.clone();
    let as_call =
        Call { name, distinct: false, args: args.to_vec(), filter: None, ignore_nulls: None, within_group: Vec::new(), over: None };
    call(out, &as_call);
}

pub(super) fn window_spec(out: &mut String, spec: &WindowSpec) {
    if let Some(name) = &spec.name {
        return ident(out, name);
    }
    let mut parts: Vec<String> = Vec::new();
    if !spec.partition_by.is_empty() {
        let mut part = String::from("PARTITION BY ");
        listed(&mut part, &spec.partition_by, whole);
        parts.push(part);
    }
    if !spec.order_by.is_empty() {
        let mut part = String::from("ORDER BY ");
        listed(&mut part, &spec.order_by, sort_item);
        parts.push(part);
    }
    if let Some(frame) = &spec.frame {
        parts.push(frame_text(frame));
    }
    let _ = write!(out, "({})", parts.join(" "));
}

fn frame_text(frame: &WindowFrame) -> String {
    let mut out = String::from(if frame.rows { "ROWS BETWEEN " } else { "RANGE BETWEEN " });
    bound(&mut out, &frame.start);
    out.push_str(" AND ");
    bound(&mut out, &frame.end);
    out
}

fn bound(out: &mut String, bound: &FrameBound) {
    match bound {
        FrameBound::UnboundedPreceding => out.push_str("UNBOUNDED PRECEDING"),
        FrameBound::UnboundedFollowing => out.push_str("UNBOUNDED FOLLOWING"),
        FrameBound::CurrentRow => out.push_str("CURRENT ROW"),
        FrameBound::Preceding(distance) => {
            at_least(out, distance, level::BIT_OR);
            out.push_str(" PRECEDING");
        }
        FrameBound::Following(distance) => {
            at_least(out, distance, level::BIT_OR);
            out.push_str(" FOLLOWING");
        }
    }
}

fn interval(out: &mut String, interval: &Interval) {
    out.push_str("INTERVAL ");
    match interval {
        Interval::Text(value) => text(out, value),
        Interval::Range { text: value, negated, from, to } => {
            if *negated {
                out.push('-');
            }
            text(out, value);
            let _ = write!(out, " {from} TO {to}");
        }
        Interval::Units(units) => joined(out, units, " ", |out, (amount, unit)| {
            at_least(out, amount, SIGN);
            let _ = write!(out, " {unit}");
        }),
    }
}

/// A constant, spelt so that it gets its type again.
fn literal(out: &mut String, value: &Value, data_type: &DataType) {
    match (value, data_type) {
        (Value::Null, _) => out.push_str("NULL"),
        (Value::Boolean(b), _) => out.push_str(if *b { "TRUE" } else { "FALSE" }),
        (Value::Int(n), DataType::TinyInt) => out.push_str(&format!("{n}Y")),
        (Value::Int(n), DataType::SmallInt) => out.push_str(&format!("{n}S")),
        (Value::Int(n), DataType::BigInt) => out.push_str(&format!("{n}L")),
        (Value::Int(n), _) => out.push_str(&n.to_string()),
        (Value::Float(x), _) => out.push_str(&format!("{:?}F", f64::from(*x))),
        (Value::Double(x), _) => out.push_str(&format!("{x:?}D")),
        (Value::Decimal(n), DataType::Decimal(_, scale)) => decimal(out, *n, *scale),
        (Value::Decimal(n), _) => decimal(out, *n, 0),
        (Value::String(s), _) => text(out, s),
        (Value::Binary(bytes), _) => {
            out.push_str("X'");
            bytes.iter().for_each(|b| out.push_str(&format!("{b:02X}")));
            out.push('\'');
        }
        (Value::Date(days), _) => out.push_str(&format!("DATE'{}'", date(i64::from(*days)))),
        (Value::Timestamp(micros), data_type) => {
            let kind = if *data_type == DataType::TimestampNtz { "TIMESTAMP_NTZ" } else { "TIMESTAMP" };
            let zone = if *data_type == DataType::TimestampNtz { "" } else { "Z" };
            out.push_str(&format!("{kind}'{}{zone}'", timestamp(*micros)));
        }
        (Value::YearMonth(months), _) => out.push_str(&format!("INTERVAL '{months}' MONTH")),
        (Value::DayTime(micros), _) => out.push_str(&format!("INTERVAL '{micros}' MICROSECOND")),
        (Value::Calendar(months, days, micros), _) => {
            out.push_str(&format!("make_interval(0, {months}, 0, {days}, 0, 0, {micros} / 1000000)"))
        }
        (Value::Array(items), _) => values(out, "array", items.iter()),
        (Value::Struct(items), _) => values(out, "struct", items.iter()),
        (Value::Map(entries), _) => values(out, "map", entries.iter().flat_map(|(k, v)| [k, v])),
    }
}

fn values<'a>(out: &mut String, function: &str, items: impl Iterator<Item = &'a Value>) {
    out.push_str(function);
    out.push('(');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        literal(out, item, &item.natural_type());
    }
    out.push(')');
}

/// `150` of scale 2 is `1.50`; without a fraction it needs its suffix.
fn decimal(out: &mut String, unscaled: i128, scale: u8) {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    let _ = if fraction.is_empty() { write!(out, "{sign}{whole}BD") } else { write!(out, "{sign}{whole}.{fraction}") };
}

fn date(days: i64) -> String {
    use chrono::Datelike;
    let day = i32::try_from(days + 719_163).ok().and_then(chrono::NaiveDate::from_num_days_from_ce_opt);
    day.map_or_else(
        || format!("{days} days"),
        |d| format!("{}{:04}-{:02}-{:02}", if d.year() < 0 { "-" } else { "" }, d.year().abs(), d.month(), d.day()),
    )
}

fn timestamp(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    format!("{} {:02}:{:02}:{:02}.{fraction:06}", date(days), seconds / 3600, seconds / 60 % 60, seconds % 60)
}
