//! EXPLAIN: a plan and its expressions as people read them.

use crate::plan::expr::{AggregateCall, Expr, NamedExpr, SortKey, SubqueryKind};
use crate::plan::logical::{Column, JoinKind, LogicalPlan};
use crate::plan::naming::decimal;
use crate::types::{DataType, Value};
use std::fmt;

/// The tree, one node a line, inputs below.
impl fmt::Display for LogicalPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        draw(self, "", "", f)
    }
}

fn draw(plan: &LogicalPlan, first: &str, rest: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{first}{}", describe(plan))?;
    let inputs = plan.inputs();
    for (i, input) in inputs.iter().enumerate() {
        let last = i + 1 == inputs.len();
        let (branch, below) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(input, &format!("{rest}{branch}"), &format!("{rest}{below}"), f)?;
    }
    Ok(())
}

/// One node without its inputs.
fn describe(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Scan(scan) => {
            let kind = if scan.streaming { "stream" } else { "table" };
            format!("Scan {} {} ({kind}, {})", scan.name, columns(&scan.columns), scan.format)
        }
        LogicalPlan::Memory { name, columns: c } => format!("Scan {name} {} (table, memory)", columns(c)),
        LogicalPlan::Values { rows, columns: c } => format!("Values {} rows {}", rows.len(), columns(c)),
        LogicalPlan::Range { start, end, step, column } => format!("Range {start} to {end} by {step} [{}]", column_text(column)),
        LogicalPlan::System { function, columns: c, .. } => format!("System {function} {}", columns(c)),
        LogicalPlan::Project { exprs, .. } => format!("Project [{}]", named(exprs)),
        LogicalPlan::Filter { predicate, .. } => format!("Filter {predicate}"),
        LogicalPlan::Generate { generator, outer, columns: c, .. } => {
            format!("Generate {}{generator} AS {}", if *outer { "outer " } else { "" }, columns(c))
        }
        LogicalPlan::Watermark { column, delay, input } => {
            let columns = input.columns();
            let name = columns.iter().find(|c| c.id == *column).map_or_else(|| format!("#{}", column.0), column_text);
            format!("Watermark {name} delay {}", duration(*delay))
        }
        LogicalPlan::TimeWindow { time, size, slide, start, column, .. } => {
            let mut text = format!("TimeWindow {time} size {}", duration(*size));
            if slide != size {
                text.push_str(&format!(" slide {}", duration(*slide)));
            }
            if *start != 0 {
                text.push_str(&format!(" start {}", duration(*start)));
            }
            format!("{text} AS {}", column_text(column))
        }
        LogicalPlan::SessionWindow { time, gap, column, .. } => format!("SessionWindow {time} gap {gap} AS {}", column_text(column)),
        LogicalPlan::Aggregate { keys, aggregates, .. } => {
            let calls: Vec<_> = aggregates.iter().map(|a| format!("{} AS #{}", aggregate(&a.call), a.id.0)).collect();
            format!("Aggregate keys=[{}] aggregates=[{}]", named(keys), calls.join(", "))
        }
        LogicalPlan::Expand { projections, columns: c, .. } => format!("Expand {} times {}", projections.len(), columns(c)),
        LogicalPlan::Join { kind, condition, .. } => {
            let kind = match kind {
                JoinKind::Inner if condition.is_none() => "cross",
                JoinKind::Inner | JoinKind::Cross => "inner",
                JoinKind::Left => "left",
                JoinKind::Right => "right",
                JoinKind::Full => "full",
                JoinKind::LeftSemi => "left semi",
                JoinKind::LeftAnti => "left anti",
            };
            let on = condition.as_ref().map(|c| format!(" on {c}")).unwrap_or_default();
            format!("Join {kind}{on}")
        }
        LogicalPlan::Union { columns: c, .. } => format!("Union {}", columns(c)),
        LogicalPlan::SetOperation { intersect, all, .. } => {
            format!("{}{}", if *intersect { "Intersect" } else { "Except" }, if *all { " all" } else { "" })
        }
        LogicalPlan::Deduplicate { keys, within_watermark, .. } => {
            let keys: Vec<_> = keys.iter().map(|k| format!("#{}", k.0)).collect();
            format!("Deduplicate [{}]{}", keys.join(", "), if *within_watermark { " within watermark" } else { "" })
        }
        LogicalPlan::Sort { keys, .. } => format!("Sort [{}]", sort_keys(keys)),
        LogicalPlan::Limit { limit, offset, .. } => match (limit, offset) {
            (Some(limit), 0) => format!("Limit {limit}"),
            (Some(limit), offset) => format!("Limit {limit} offset {offset}"),
            (None, offset) => format!("Offset {offset}"),
        },
        LogicalPlan::Window { calls, .. } => format!("Window [{}]", named(calls)),
        LogicalPlan::Sample { fraction_ppm, .. } => format!("Sample {} %", *fraction_ppm as f64 / 10_000.0),
    }
}

fn columns(columns: &[Column]) -> String {
    format!("[{}]", columns.iter().map(column_text).collect::<Vec<_>>().join(", "))
}

fn column_text(column: &Column) -> String {
    format!("{}#{}", column.name, column.id.0)
}

fn named(exprs: &[NamedExpr]) -> String {
    let one = |e: &NamedExpr| match &e.expr {
        Expr::Column { id, name, .. } if *id == e.id && *name == e.name => format!("{name}#{}", id.0),
        expr => format!("{expr} AS {}#{}", e.name, e.id.0),
    };
    exprs.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn sort_keys(keys: &[SortKey]) -> String {
    let one = |k: &SortKey| {
        let direction = if k.descending { "DESC" } else { "ASC" };
        format!("{} {direction} NULLS {}", k.expr, if k.nulls_first { "FIRST" } else { "LAST" })
    };
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `count(1)`, `sum(v) FILTER (WHERE …)`
pub fn aggregate(call: &AggregateCall) -> String {
    let mut text = format!("{}({}{})", call.function.0, if call.distinct { "DISTINCT " } else { "" }, list(&call.args));
    if let Some(filter) = &call.filter {
        text.push_str(&format!(" FILTER (WHERE {filter})"));
    }
    text
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Column { id, name, .. } => write!(f, "{name}#{}", id.0),
            Expr::Literal { value, data_type } => f.write_str(&literal(value, data_type)),
            Expr::Call { function, args, .. } => match (function.0, args.as_slice()) {
                (op, [a, b]) if op.bytes().all(|c| c.is_ascii_punctuation()) || op == "div" => write!(f, "({a} {op} {b})"),
                ("not", [a]) => write!(f, "(NOT {a})"),
                ("isnull", [a]) => write!(f, "({a} IS NULL)"),
                ("isnotnull", [a]) => write!(f, "({a} IS NOT NULL)"),
                (name, args) => write!(f, "{name}({})", list(args)),
            },
            Expr::Cast { expr, to, attempt } => write!(f, "{}({expr} AS {})", if *attempt { "TRY_CAST" } else { "CAST" }, to.sql()),
            Expr::Case { branches, otherwise, .. } => {
                f.write_str("CASE")?;
                for (condition, value) in branches {
                    write!(f, " WHEN {condition} THEN {value}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {otherwise}")?;
                }
                f.write_str(" END")
            }
            Expr::And(a, b) => write!(f, "({a} AND {b})"),
            Expr::Or(a, b) => write!(f, "({a} OR {b})"),
            Expr::Coalesce { args, .. } => write!(f, "coalesce({})", list(args)),
            Expr::In { expr, list: items } => write!(f, "({expr} IN ({}))", list(items)),
            Expr::Field { expr, index, .. } => match expr.data_type() {
                DataType::Struct(fields) => write!(f, "{expr}.{}", fields[*index].name),
                _ => write!(f, "{expr}.{index}"),
            },
            Expr::Lambda { params, body } => {
                let names: Vec<_> = params.iter().map(|(id, _)| format!("#{}", id.0)).collect();
                write!(f, "({}) -> {body}", names.join(", "))
            }
            Expr::Aggregate(call) => f.write_str(&aggregate(call)),
            Expr::Window { call, partition_by, order_by, .. } => {
                write!(f, "{call} OVER (PARTITION BY {} ORDER BY {})", list(partition_by), sort_keys(order_by))
            }
            Expr::Subquery { kind, .. } => match kind {
                SubqueryKind::Scalar => f.write_str("scalar-subquery"),
                SubqueryKind::Exists => f.write_str("exists-subquery"),
                SubqueryKind::In(value) => write!(f, "({value} IN subquery)"),
            },
        }
    }
}

/// A value as it is written in SQL: `'text'`, `DATE '2024-02-29'`, `NULL`.
pub fn literal(value: &Value, data_type: &DataType) -> String {
    match (value, data_type) {
        (Value::Null, _) => "NULL".to_string(),
        (Value::Boolean(b), _) => b.to_string(),
        (Value::Int(n), _) => n.to_string(),
        (Value::Float(x), _) => x.to_string(),
        (Value::Double(x), _) => format!("{x:?}"),
        (Value::Decimal(n), DataType::Decimal(_, scale)) => decimal(*n, *scale),
        (Value::String(s), _) => format!("'{}'", s.escape_debug()),
        (Value::Date(days), _) => format!("DATE '{}'", date(*days)),
        (Value::Timestamp(micros), _) => format!("TIMESTAMP '{}'", timestamp(*micros)),
        (Value::DayTime(micros), _) => format!("INTERVAL {}", duration(*micros)),
        (Value::YearMonth(months), _) => format!("INTERVAL {months} months"),
        (Value::Binary(bytes), _) => format!("X'{}'", bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()),
        (Value::Array(items), DataType::Array(element)) => {
            format!("[{}]", items.iter().map(|v| literal(v, element)).collect::<Vec<_>>().join(", "))
        }
        (Value::Struct(items), DataType::Struct(fields)) => {
            let members = items.iter().zip(fields).map(|(v, f)| format!("{}: {}", f.name, literal(v, &f.data_type)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        (Value::Map(items), DataType::Map(key, of)) => {
            let entries = items.iter().map(|(k, v)| format!("{} -> {}", literal(k, key), literal(v, of)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        (other, _) => format!("{other:?}"),
    }
}

/// `2024-02-29`
pub(crate) fn date(days: i32) -> String {
    let epoch = chrono::NaiveDate::default();
    epoch
        .checked_add_signed(chrono::TimeDelta::days(i64::from(days)))
        .map_or_else(|| format!("day {days}"), |d| d.format("%Y-%m-%d").to_string())
}

/// `2024-02-29 01:02:03.5Z`
fn timestamp(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map_or_else(|| format!("{micros} µs"), |t| t.format("%Y-%m-%d %H:%M:%S%.fZ").to_string())
}

/// A duration in the largest units that express it: `10 minutes`, `1.5 seconds`.
pub fn duration(micros: i64) -> String {
    const UNITS: [(i64, &str); 5] =
        [(86_400_000_000, "day"), (3_600_000_000, "hour"), (60_000_000, "minute"), (1_000_000, "second"), (1_000, "millisecond")];
    for (size, name) in UNITS {
        if micros != 0 && micros % size == 0 {
            let n = micros / size;
            return format!("{n} {name}{}", if n.abs() == 1 { "" } else { "s" });
        }
    }
    if micros == 0 { "0 seconds".to_string() } else { format!("{} seconds", micros as f64 / 1e6) }
}
