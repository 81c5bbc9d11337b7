//! The name a column gets when its query gives none: Spark's own spelling of the expression.

use crate::lang::ast::{BinaryOp, Call, Expr, ExprKind, Interval, LikeKind, UnaryOp};
use crate::types::{DataType, Value};

/// `count(1)`, `(a + 1)`, `upper(s)`; the last part of a plain name.
pub(crate) fn name_of(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Name(parts) => parts.last().map(|p| p.name.clone()).unwrap_or_default(),
        ExprKind::Field { name, .. } => name.name.clone(),
        _ => spell(expr),
    }
}

/// The operator as Spark writes it.
pub(crate) fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "OR",
        BinaryOp::And => "AND",
        BinaryOp::Eq => "=",
        BinaryOp::NullSafeEq => "<=>",
        BinaryOp::NotEq => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::LtEq => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::GtEq => ">=",
        BinaryOp::Plus => "+",
        BinaryOp::Minus => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::IntDivide => "div",
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

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(spell).collect::<Vec<_>>().join(", ")
}

/// The whole expression in Spark's spelling.
pub(crate) fn spell(expr: &Expr) -> String {
    let not = |negated: bool, text: String| if negated { format!("(NOT {text})") } else { text };
    match &expr.kind {
        ExprKind::Literal(value, data_type) => literal(value, data_type),
        ExprKind::TimestampLiteral(text) => format!("TIMESTAMP '{text}'"),
        ExprKind::Name(parts) => parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("."),
        ExprKind::Star { qualifier, .. } => qualifier.iter().map(|q| format!("{}.", q.name)).collect::<String>() + "*",
        ExprKind::Unary { op: UnaryOp::Minus, expr } => format!("(- {})", spell(expr)),
        ExprKind::Unary { op: UnaryOp::Plus, expr } => format!("(+ {})", spell(expr)),
        ExprKind::Unary { op: UnaryOp::Not, expr } => format!("(NOT {})", spell(expr)),
        ExprKind::Unary { op: UnaryOp::BitNot, expr } => format!("~{}", spell(expr)),
        ExprKind::Binary { op: BinaryOp::NotEq, left, right } => format!("(NOT ({} = {}))", spell(left), spell(right)),
        ExprKind::Binary { op: BinaryOp::Concat, left, right } => format!("concat({}, {})", spell(left), spell(right)),
        ExprKind::Binary { op, left, right } => format!("({} {} {})", spell(left), symbol(*op), spell(right)),
        ExprKind::Between { expr, low, high, negated } => {
            not(*negated, format!("between({}, {}, {})", spell(expr), spell(low), spell(high)))
        }
        ExprKind::InList { expr, list: items, negated } => not(*negated, format!("({} IN ({}))", spell(expr), list(items))),
        ExprKind::InSubquery { expr, negated, .. } => not(*negated, format!("({} IN (listquery()))", spell(expr))),
        ExprKind::Exists(_) => "exists()".to_string(),
        ExprKind::ScalarSubquery(_) => "scalarsubquery()".to_string(),
        ExprKind::Like { kind, expr, patterns, negated, .. } => {
            let text = match kind {
                LikeKind::Like => format!("{} LIKE {}", spell(expr), list(patterns)),
                LikeKind::ILike => format!("ilike({}, {})", spell(expr), list(patterns)),
                LikeKind::RLike => format!("RLIKE({}, {})", spell(expr), list(patterns)),
            };
            not(*negated, text)
        }
        ExprKind::IsNull { expr, negated } => format!("({} IS {}NULL)", spell(expr), if *negated { "NOT " } else { "" }),
        ExprKind::IsBoolean { expr, value, negated } => {
            let text = match value {
                Some(true) => format!("({} <=> true)", spell(expr)),
                Some(false) => format!("({} <=> false)", spell(expr)),
                None => format!("({} IS NULL)", spell(expr)),
            };
            not(*negated, text)
        }
        ExprKind::IsDistinct { left, right, negated } => not(!*negated, format!("({} <=> {})", spell(left), spell(right))),
        ExprKind::Case { operand, branches, otherwise } => {
            let when = |c: &Expr| match operand {
                Some(o) => format!("({} = {})", spell(o), spell(c)),
                None => spell(c),
            };
            let mut text = "CASE".to_string();
            for (condition, value) in branches {
                text.push_str(&format!(" WHEN {} THEN {}", when(condition), spell(value)));
            }
            if let Some(otherwise) = otherwise {
                text.push_str(&format!(" ELSE {}", spell(otherwise)));
            }
            text + " END"
        }
        ExprKind::Cast { expr, to, attempt } => format!("{}({} AS {})", if *attempt { "TRY_CAST" } else { "CAST" }, spell(expr), to.sql()),
        ExprKind::Call(call) => spell_call(call),
        ExprKind::Lambda { params, body } => {
            let names: Vec<_> = params.iter().map(|p| format!("namedlambdavariable({})", p.name)).collect();
            format!("lambdafunction({}, {})", spell(body), names.join(", "))
        }
        ExprKind::Subscript { expr, index } => format!("{}[{}]", spell(expr), spell(index)),
        ExprKind::Field { expr, name } => format!("{}.{}", spell(expr), name.name),
        ExprKind::Interval(interval) => spell_interval(interval),
        ExprKind::Row(items) => format!("struct({})", list(items)),
        ExprKind::Parameter(name) => format!(":{name}"),
    }
}

fn spell_call(call: &Call) -> String {
    let star = |e: &Expr| matches!(&e.kind, ExprKind::Star { qualifier, .. } if qualifier.is_empty());
    let name = call.name.name.to_ascii_lowercase();
    let args: Vec<_> =
        call.args.iter().map(|a| if name == "count" && star(&a.value) { "1".to_string() } else { spell(&a.value) }).collect();
    let shown = match name.as_str() {
        "ceil" | "floor" => name.to_uppercase(),
        "mean" | "sha" | "ucase" | "lcase" | "std" => name.clone(),
        _ => name.clone(),
    };
    let mut text = format!("{shown}({}{})", if call.distinct { "DISTINCT " } else { "" }, args.join(", "));
    if let Some(filter) = &call.filter {
        text.push_str(&format!(" FILTER (WHERE {})", spell(filter)));
    }
    if call.over.is_some() {
        text.push_str(" OVER (…)");
    }
    text
}

fn spell_interval(interval: &Interval) -> String {
    match interval {
        Interval::Units(units) => {
            let parts: Vec<_> =
                units.iter().map(|(amount, unit)| format!("'{}' {}", spell(amount), unit.to_uppercase().trim_end_matches('S'))).collect();
            format!("INTERVAL {}", parts.join(" "))
        }
        Interval::Range { text, from, to, .. } => format!("INTERVAL '{text}' {} TO {}", from.to_uppercase(), to.to_uppercase()),
        Interval::Text(text) => format!("INTERVAL '{text}'"),
    }
}

fn literal(value: &Value, data_type: &DataType) -> String {
    match (value, data_type) {
        (Value::Null, _) => "NULL".to_string(),
        (Value::Boolean(b), _) => b.to_string(),
        (Value::Int(n), _) => n.to_string(),
        (Value::Float(x), _) => x.to_string(),
        (Value::Double(x), _) => {
            if x.fract() == 0.0 && x.abs() < 1e7 {
                format!("{x:.1}")
            } else {
                x.to_string()
            }
        }
        (Value::Decimal(unscaled), DataType::Decimal(_, scale)) => decimal(*unscaled, *scale),
        (Value::String(s), _) => s.clone(),
        (Value::Date(days), _) => format!("DATE '{}'", crate::plan::explain::date(*days)),
        (Value::Binary(bytes), _) => format!("X'{}'", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
        (other, _) => format!("{other:?}"),
    }
}

/// Unscaled digits with the point put in.
pub(crate) fn decimal(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
