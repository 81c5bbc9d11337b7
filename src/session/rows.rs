//! Small results made by the session itself: SHOW, DESCRIBE, SET and the tables about queries.

use crate::engine::Frame;
use crate::engine::columns::series_of;
use crate::plan::expr::ColumnId;
use crate::plan::logical::Column;
use crate::types::{DataType, Value};

/// A frame of `rows` under `columns`.
pub(super) fn frame_of(columns: &[Column], rows: &[Vec<Value>]) -> Frame {
    let series = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let values: Vec<Value> = rows.iter().map(|row| row[i].clone()).collect();
            series_of(&values, &column.data_type)
        })
        .collect();
    Frame::new(columns.iter().map(|c| c.id).collect(), series, rows.len())
}

/// Columns of those names and types.
pub(super) fn columns_of(names: &[(&str, DataType)]) -> Vec<Column> {
    let ids = (0..).map(ColumnId);
    ids.zip(names).map(|(id, (name, data_type))| Column { id, name: (*name).to_string(), data_type: data_type.clone() }).collect()
}

/// Text, or NULL.
pub(super) fn text(value: impl Into<String>) -> Value {
    Value::String(value.into())
}

/// A count as BIGINT.
pub(super) fn count(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Whether `name` matches a pattern of SHOW … LIKE: `*` stands for anything, `|` for "or"; case does not count.
pub(super) fn matches(pattern: Option<&str>, name: &str) -> bool {
    let Some(pattern) = pattern else { return true };
    let name = name.to_lowercase();
    pattern.to_lowercase().split('|').any(|p| wild(p.trim().as_bytes(), name.as_bytes()))
}

fn wild(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*' | b'%'), _) => wild(&pattern[1..], name) || (!name.is_empty() && wild(pattern, &name[1..])),
        (Some(p), Some(n)) if p == n => wild(&pattern[1..], &name[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_sparks() {
        assert!(matches(None, "anything"));
        assert!(matches(Some("up*"), "UPPER"));
        assert!(matches(Some("low*|up*"), "upper"));
        assert!(!matches(Some("up"), "upper"));
        assert!(matches(Some("*"), ""));
    }
}
