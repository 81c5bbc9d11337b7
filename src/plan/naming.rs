//! The name a column gets when its query gives none: Spark's own spelling of the expression.

use crate::lang::ast::{
    BinaryOp, Call, Expr, ExprKind, FrameBound, Ident, Interval, LikeKind, LikeQuantifier, SortItem, UnaryOp, WindowSpec,
};
use crate::plan::expr::Expr as Typed;
use crate::types::{DataType, DayTimeField, Value, YearMonthField};

/// `count(1)`, `(a + 1)`, `upper(s)`; the last part of a plain name.
pub(crate) fn name_of(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Name(parts) => parts.last().map(|p| p.name.clone()).unwrap_or_default(),
        ExprKind::Call(call) if is_window_call(call) => call.name.name.to_ascii_lowercase(),
        _ => spell(expr),
    }
}

/// The same where the types are known: Spark names what an operator came to be.
pub(crate) fn name_of_typed(expr: &Expr, typed: &Typed) -> String {
    let date_function = |name: &str, l: &Expr, r: &Expr| format!("{name}({}, {})", spell(l), spell(r));
    match (&expr.kind, typed) {
        (ExprKind::Binary { op, left, right }, Typed::Call { args, data_type, .. }) => {
            let types: Vec<DataType> = args.iter().map(Typed::data_type).collect();
            let swapped = matches!(left.kind, ExprKind::Literal(_, DataType::Int));
            let (first, second) = if swapped { (right, left) } else { (left, right) };
            match (op, types.as_slice()) {
                (BinaryOp::Plus, [DataType::Date, DataType::Int]) if *data_type == DataType::Date => {
                    date_function("date_add", first, second)
                }
                (BinaryOp::Minus, [DataType::Date, DataType::Int]) if *data_type == DataType::Date => {
                    date_function("date_sub", left, right)
                }
                (BinaryOp::Plus | BinaryOp::Minus, [time, span]) if time.is_datetime() && span.is_interval() => {
                    format!("{} {} {}", spell(left), symbol(*op), spell(right))
                }
                _ => name_of(expr),
            }
        }
        (ExprKind::Subscript { expr: base, index }, Typed::Field { .. }) => format!("{}.{}", spell(base), spell(index)),
        _ => name_of(expr),
    }
}

/// The name that a struct's member takes from the expression it is made of.
pub(crate) fn member_name(expr: &Expr) -> String {
    match &expr.kind {
        ExprKind::Field { name, .. } => name.name.clone(),
        _ => name_of(expr),
    }
}

fn is_window_call(call: &Call) -> bool {
    call.over.is_none() && ["window", "session_window"].iter().any(|w| call.name.name.eq_ignore_ascii_case(w))
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
        ExprKind::Name(parts) => match parts.as_slice() {
            [one] if BARE.iter().any(|b| one.name.eq_ignore_ascii_case(b)) => format!("{}()", one.name.to_ascii_lowercase()),
            parts => parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join("."),
        },
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
        ExprKind::Like { kind, expr, quantifier: Some(quantifier), negated, .. } => {
            let text = if *kind == LikeKind::ILike { format!("lower({})", spell(expr)) } else { spell(expr) };
            let which = if *quantifier == LikeQuantifier::All { "all" } else { "any" };
            format!("{}like{which}({text})", if *negated { "not" } else { "" })
        }
        ExprKind::Like { kind, expr, patterns, negated, escape, .. } => {
            let escape = escape.filter(|c| *c != '\\').map(|c| format!(" ESCAPE '{c}'")).unwrap_or_default();
            let text = match kind {
                LikeKind::Like => format!("{} LIKE {}{escape}", spell(expr), list(patterns)),
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
            let mut body = (**body).clone();
            hide_parameters(&mut body, params);
            let names = vec!["namedlambdavariable()"; params.len()];
            format!("lambdafunction({}, {})", spell(&body), names.join(", "))
        }
        ExprKind::Subscript { expr, index } => format!("{}[{}]", spell(expr), spell(index)),
        ExprKind::Field { expr, name } => format!("{}.{}", spell(expr), name.name),
        ExprKind::Interval(interval) => spell_interval(interval),
        ExprKind::Row(items) => {
            let named = |(i, item): (usize, &Expr)| match &item.kind {
                ExprKind::Name(_) => format!("{}, {}", name_of(item), spell(item)),
                _ => format!("col{}, {}", i + 1, spell(item)),
            };
            format!("named_struct({})", items.iter().enumerate().map(named).collect::<Vec<_>>().join(", "))
        }
        ExprKind::Parameter(name) => format!(":{name}"),
    }
}

/// Functions that stand without parentheses.
const BARE: &[&str] = &["current_date", "current_timestamp", "current_user", "localtimestamp", "current_catalog", "current_schema"];

/// What Spark adds to a call whose last arguments are left out: function, arguments given, text.
const DEFAULTS: &[(&str, usize, &str)] = &[
    ("substring", 2, "2147483647"),
    ("substr", 2, "2147483647"),
    ("overlay", 3, "-1"),
    ("locate", 2, "1"),
    ("position", 2, "1"),
    ("lpad", 2, " "),
    ("rpad", 2, " "),
    ("round", 1, "0"),
    ("bround", 1, "0"),
    ("percentile", 2, "1"),
    ("unix_timestamp", 1, "yyyy-MM-dd HH:mm:ss"),
    ("from_unixtime", 1, "yyyy-MM-dd HH:mm:ss"),
    ("split", 2, "-1"),
    ("regexp_replace", 3, "1"),
    ("regexp_extract", 2, "1"),
    ("replace", 2, ""),
    ("months_between", 2, "true"),
    ("sort_array", 1, "true"),
    ("lag", 1, "1, NULL"),
    ("lag", 2, "NULL"),
    ("lead", 1, "1, NULL"),
    ("lead", 2, "NULL"),
];

/// The names that Spark writes otherwise than they were called.
fn function_name(name: &str, window: bool) -> String {
    match name {
        "ceil" | "floor" | "power" | "signum" | "regexp_like" => name.to_uppercase(),
        "rank" | "dense_rank" | "percent_rank" if window => name.to_uppercase(),
        "first_value" if window => "first".to_string(),
        "last_value" if window => "last".to_string(),
        "current_database" => "current_schema".to_string(),
        _ => name.to_string(),
    }
}

fn spell_call(call: &Call) -> String {
    let star = |e: &Expr| matches!(&e.kind, ExprKind::Star { qualifier, .. } if qualifier.is_empty());
    let name = call.name.name.to_ascii_lowercase();
    let mut args: Vec<_> =
        call.args.iter().map(|a| if name == "count" && star(&a.value) { "1".to_string() } else { spell(&a.value) }).collect();
    if let Some(text) = spell_operator(&name, &args) {
        return text;
    }
    if call.over.is_some() && matches!(name.as_str(), "rank" | "dense_rank" | "percent_rank") {
        args.clear();
    }
    if matches!(name.as_str(), "aggregate" | "reduce") && args.len() == 3 {
        args.push("lambdafunction(namedlambdavariable(), namedlambdavariable())".to_string());
    }
    if matches!(name.as_str(), "first" | "last" | "any_value" | "first_value" | "last_value" | "from_json" | "from_csv") {
        args.truncate(1);
    }
    let added = DEFAULTS.iter().find(|(function, given, _)| *function == name && *given == args.len());
    args.extend(added.map(|(_, _, text)| text.to_string()));
    let shown = function_name(&name, call.over.is_some());
    let mut text = format!("{shown}({}{})", if call.distinct { "DISTINCT " } else { "" }, args.join(", "));
    if !call.within_group.is_empty() {
        let one = |item: &SortItem| match name.as_str() {
            "listagg" | "string_agg" => sort_item(item),
            // Spark turns the order of `mode` around.
            _ if item.descending != (name == "mode") => format!("{} DESC", spell(&item.expr)),
            _ => spell(&item.expr),
        };
        let keys: Vec<_> = call.within_group.iter().map(one).collect();
        text.push_str(&format!(" WITHIN GROUP (ORDER BY {})", keys.join(", ")));
    }
    if let Some(filter) = &call.filter {
        text.push_str(&format!(" FILTER (WHERE {})", spell(filter)));
    }
    if let Some(over) = &call.over {
        text.push_str(&format!(" OVER {}", spell_window(&name, call.args.get(1).map(|a| spell(&a.value)), over)));
    }
    text
}

/// Calls that Spark writes with words or signs.
fn spell_operator(name: &str, args: &[String]) -> Option<String> {
    Some(match (name, args) {
        ("if", [c, a, b]) => format!("(IF({c}, {a}, {b}))"),
        ("isnull", [a]) => format!("({a} IS NULL)"),
        ("isnotnull", [a]) => format!("({a} IS NOT NULL)"),
        ("like", [a, b]) => format!("{a} LIKE {b}"),
        ("rlike" | "regexp", [a, b]) => format!("RLIKE({a}, {b})"),
        ("log", [a]) => format!("LOG(E(), {a})"),
        ("log", [a, b]) => format!("LOG({a}, {b})"),
        ("extract", [a, b]) => format!("extract({a} FROM {b})"),
        ("dateadd" | "date_add" | "timestampadd", [unit, n, t]) => format!("timestampadd({unit}, {n}, {t})"),
        ("datediff" | "date_diff" | "timestampdiff", [unit, a, b]) => format!("timestampdiff({unit}, {a}, {b})"),
        ("boolean" | "tinyint" | "smallint" | "int" | "bigint" | "float" | "double" | "decimal", [a]) => a.clone(),
        ("string" | "binary" | "date" | "timestamp", [a]) => a.clone(),
        _ => return None,
    })
}

/// `v ASC NULLS FIRST`
fn sort_item(item: &SortItem) -> String {
    let first = item.nulls_first.unwrap_or(!item.descending);
    let direction = if item.descending { "DESC" } else { "ASC" };
    format!("{} {direction} NULLS {}", spell(&item.expr), if first { "FIRST" } else { "LAST" })
}

/// `(PARTITION BY k ORDER BY v ASC NULLS FIRST RANGE BETWEEN …)`, the frame that Spark takes when none is written included.
fn spell_window(function: &str, offset: Option<String>, over: &WindowSpec) -> String {
    let mut parts = Vec::new();
    if !over.partition_by.is_empty() {
        parts.push(format!("PARTITION BY {}", list(&over.partition_by)));
    }
    if !over.order_by.is_empty() {
        parts.push(format!("ORDER BY {}", over.order_by.iter().map(sort_item).collect::<Vec<_>>().join(", ")));
    }
    let offset = offset.unwrap_or_else(|| "1".to_string());
    parts.push(match (&over.frame, function) {
        (Some(frame), _) => {
            let unit = if frame.rows { "ROWS" } else { "RANGE" };
            format!("{unit} BETWEEN {} AND {}", bound(&frame.start), bound(&frame.end))
        }
        (None, "lag") => match offset.strip_prefix('-') {
            Some(ahead) => format!("ROWS BETWEEN {ahead} FOLLOWING AND {ahead} FOLLOWING"),
            None => format!("ROWS BETWEEN -{offset} FOLLOWING AND -{offset} FOLLOWING"),
        },
        (None, "lead") => format!("ROWS BETWEEN {offset} FOLLOWING AND {offset} FOLLOWING"),
        (None, "row_number" | "rank" | "dense_rank" | "percent_rank" | "ntile") => {
            "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW".to_string()
        }
        (None, _) if over.order_by.is_empty() => "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING".to_string(),
        (None, _) => "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW".to_string(),
    });
    format!("({})", parts.join(" "))
}

fn bound(bound: &FrameBound) -> String {
    match bound {
        FrameBound::UnboundedPreceding => "UNBOUNDED PRECEDING".to_string(),
        FrameBound::UnboundedFollowing => "UNBOUNDED FOLLOWING".to_string(),
        FrameBound::CurrentRow => "CURRENT ROW".to_string(),
        FrameBound::Preceding(e) => format!("{} PRECEDING", spell(e)),
        FrameBound::Following(e) => format!("{} FOLLOWING", spell(e)),
    }
}

/// The parameters of a lambda as Spark writes them.
fn hide_parameters(e: &mut Expr, params: &[Ident]) {
    if let ExprKind::Name(parts) = &mut e.kind
        && let Some(first) = parts.first_mut()
        && params.iter().any(|p| p.name.eq_ignore_ascii_case(&first.name))
    {
        first.name = "namedlambdavariable()".to_string();
    }
    for child in crate::plan::analyze::children_mut(e) {
        hide_parameters(child, params);
    }
}

/// `INTERVAL '1 02' DAY TO HOUR`: the value, not the words that were written.
fn spell_interval(interval: &Interval) -> String {
    match crate::plan::analyze::interval_value(interval) {
        Some((value, data_type)) => interval_text(&value, &data_type),
        None => "INTERVAL".to_string(),
    }
}

fn interval_text(value: &Value, data_type: &DataType) -> String {
    let (negative, body) = match (value, data_type) {
        (Value::YearMonth(months), DataType::YearMonthInterval(from, to)) => {
            let (years, rest) = (months.unsigned_abs() / 12, months.unsigned_abs() % 12);
            let body = match (from, to) {
                (YearMonthField::Year, YearMonthField::Year) => years.to_string(),
                (YearMonthField::Month, _) => months.unsigned_abs().to_string(),
                _ => format!("{years}-{rest}"),
            };
            (*months < 0, body)
        }
        (Value::DayTime(micros), DataType::DayTimeInterval(from, to)) => (*micros < 0, day_time_text(micros.unsigned_abs(), *from, *to)),
        _ => return format!("{value:?}"),
    };
    let name = data_type.sql().trim_start_matches("INTERVAL ").to_string();
    format!("INTERVAL '{}{body}' {name}", if negative { "-" } else { "" })
}

/// The fields from `from` to `to`; the first takes all that larger ones would.
fn day_time_text(micros: u64, from: DayTimeField, to: DayTimeField) -> String {
    use DayTimeField::{Day, Hour, Minute, Second};
    let units = [(Day, 86_400_000_000u64), (Hour, 3_600_000_000), (Minute, 60_000_000), (Second, 1_000_000)];
    let (mut text, mut rest) = (String::new(), micros);
    for (field, unit) in units.into_iter().filter(|(f, _)| (from..=to).contains(f)) {
        let whole = rest / unit;
        rest %= unit;
        match field {
            Day => text.push_str(&whole.to_string()),
            _ => {
                if field != from {
                    text.push(if field == Hour { ' ' } else { ':' });
                }
                text.push_str(&format!("{whole:02}"));
            }
        }
        if field == Second && rest > 0 {
            text.push('.');
            text.push_str(format!("{rest:06}").trim_end_matches('0'));
        }
    }
    text
}

fn literal(value: &Value, data_type: &DataType) -> String {
    match (value, data_type) {
        (Value::Null, _) => "NULL".to_string(),
        (Value::Boolean(b), _) => b.to_string(),
        (Value::Int(n), _) => n.to_string(),
        (Value::Float(x), _) => x.to_string(),
        (Value::Double(x), _) => double(*x),
        (Value::Decimal(unscaled), DataType::Decimal(_, scale)) => decimal(*unscaled, *scale),
        (Value::String(s), _) => s.clone(),
        (Value::Date(days), _) => format!("DATE '{}'", crate::plan::explain::date(*days)),
        (Value::Binary(bytes), _) => format!("X'{}'", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
        (Value::Timestamp(micros), DataType::TimestampNtz) => format!("TIMESTAMP_NTZ '{}'", timestamp(*micros)),
        (value @ (Value::YearMonth(_) | Value::DayTime(_)), t) => interval_text(value, t),
        (other, _) => format!("{other:?}"),
    }
}

/// A DOUBLE as Java writes it: `1.0E10` outside of a thousandth to ten million.
fn double(x: f64) -> String {
    if x == 0.0 || (1e-3..1e7).contains(&x.abs()) {
        return if x.fract() == 0.0 { format!("{x:.1}") } else { x.to_string() };
    }
    let text = format!("{x:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// `2024-01-01 12:00:00.5` of microseconds since 1970.
fn timestamp(micros: i64) -> String {
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let seconds = rest / 1_000_000;
    let date = crate::plan::explain::date(i32::try_from(days).unwrap_or(i32::MAX));
    let mut text = format!("{date} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest % 1_000_000 > 0 {
        text.push('.');
        text.push_str(format!("{:06}", rest % 1_000_000).trim_end_matches('0'));
    }
    text
}

/// Unscaled digits with the point put in.
pub(crate) fn decimal(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
