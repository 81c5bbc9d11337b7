//! What an operator's state is made of, in lines that a checkpoint keeps: a query may go on with state only if its
//! own lines are the same.
//!
//! Keys go by what they are computed from (a window with its size), aggregates by function and types. What stands
//! between source and state (filters, other columns) and after it may change.

use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr};
use crate::plan::logical::NamedAggregate;
use crate::types::DataType;

/// A grouping key over the rows of `input`: `key word STRING`.
pub fn key(expr: &Expr, input: &LogicalPlan) -> String {
    let what = match expr {
        Expr::Column { id, name, .. } => window(input, *id).unwrap_or_else(|| name.clone()),
        other => without_ids(&other.to_string()),
    };
    format!("key {what} {}", expr.data_type().sql())
}

/// An aggregate: `sum(BIGINT) BIGINT`.
pub fn aggregate(named: &NamedAggregate) -> String {
    let call = &named.call;
    let types: Vec<String> = call.args.iter().map(|a| a.data_type().sql()).collect();
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    format!("aggregate {}({distinct}{}) {}", call.function.0, types.join(", "), call.data_type.sql())
}

/// A column that is kept: `left id BIGINT`.
pub fn column(side: &str, name: &str, data_type: &DataType) -> String {
    format!("{side} {name} {}", data_type.sql())
}

/// How two lists of operators differ, as a sentence; `None` when state of the one can go on in the other.
pub fn difference(before: &[(String, Vec<String>)], now: &[(String, Vec<String>)]) -> Option<String> {
    for (at, pair) in before.iter().zip(now).enumerate() {
        let ((was, old), (is, new)) = pair;
        if was != is {
            return Some(format!("its stateful operator {} was {was}, and is {is} now", at + 1));
        }
        if old != new {
            return Some(format!("operator {} ({is}) {}", at + 1, lines(old, new)));
        }
    }
    match before.len().cmp(&now.len()) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(format!("it kept no state for operator {} ({})", before.len() + 1, now[before.len()].0)),
        std::cmp::Ordering::Greater => Some(format!("it keeps state for {}, which the query does not have any more", before[now.len()].0)),
    }
}

fn lines(old: &[String], new: &[String]) -> String {
    let gone: Vec<&str> = old.iter().filter(|l| !new.contains(l)).map(String::as_str).collect();
    let added: Vec<&str> = new.iter().filter(|l| !old.contains(l)).map(String::as_str).collect();
    match (gone.is_empty(), added.is_empty()) {
        (false, false) => format!("had `{}` and has `{}` now", gone.join("`, `"), added.join("`, `")),
        (false, true) => format!("had `{}`, which is gone now", gone.join("`, `")),
        (true, false) => format!("has `{}` now, of which the checkpoint knows nothing", added.join("`, `")),
        (true, true) => "has its columns in another order now".to_string(),
    }
}

/// The window that a column is, if it is one.
fn window(plan: &LogicalPlan, id: ColumnId) -> Option<String> {
    match plan {
        LogicalPlan::TimeWindow { time, size, slide, start, column, .. } if column.id == id => {
            let time = without_ids(&time.to_string());
            Some(format!("window({time}, {size} us, {slide} us, {start} us)"))
        }
        LogicalPlan::SessionWindow { time, column, .. } if column.id == id => {
            Some(format!("session_window({})", without_ids(&time.to_string())))
        }
        LogicalPlan::Project { input, exprs } => {
            let own = exprs.iter().find(|e| e.id == id);
            let below = match own.map(|e| &e.expr) {
                Some(Expr::Column { id, .. }) => *id,
                Some(_) => return None,
                None => id,
            };
            window(input, below)
        }
        other => other.inputs().into_iter().find_map(|input| window(input, id)),
    }
}

/// Text of an expression without the numbers of columns, which other queries give otherwise.
fn without_ids(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '#' && chars.peek().is_some_and(char::is_ascii_digit) {
            while chars.next_if(char::is_ascii_digit).is_some() {}
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_by_operator_and_line() {
        let one = |name: &str, lines: &[&str]| (name.to_string(), lines.iter().map(ToString::to_string).collect::<Vec<_>>());
        let count = one("aggregate", &["key word STRING", "aggregate count() BIGINT"]);
        let by_user = one("aggregate", &["key user STRING", "aggregate count() BIGINT"]);
        assert_eq!(difference(std::slice::from_ref(&count), std::slice::from_ref(&count)), None);
        let text = difference(std::slice::from_ref(&count), &[by_user]).unwrap();
        assert_eq!(text, "operator 1 (aggregate) had `key word STRING` and has `key user STRING` now");
        assert_eq!(difference(&[], std::slice::from_ref(&count)).unwrap(), "it kept no state for operator 1 (aggregate)");
        assert!(difference(std::slice::from_ref(&count), &[]).unwrap().contains("does not have any more"));
        assert!(difference(&[count], &[one("session", &[])]).unwrap().contains("was aggregate, and is session"));
        assert_eq!(without_ids("a#12 + b#3 = '#x'"), "a + b = '#x'");
    }
}
