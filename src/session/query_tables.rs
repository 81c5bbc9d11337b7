//! The tables about one query whose columns follow from the query: `late_rows('q')` and `state('q')`.
//!
//! The query's own columns come first and keep their names; where two of one name have different types, or a
//! name is taken by the table itself, a number follows it.

use super::rows::{count, text};
use crate::engine::EngineError;
use crate::engine::columns::value_at;
use crate::engine::query::QueryHandle;
use crate::plan::logical::Column;
use crate::types::{DataType, Field, Value};

/// A column's name and what gives its type.
type Own = (&'static str, fn() -> DataType);

/// A table's columns: those of the query, then those of the table.
pub(super) struct Layout {
    fields: Vec<Field>,
    own: &'static [Own],
}

/// The columns that `late_rows` has of itself.
const LATE: &[Own] = &[
    ("eventTime", || DataType::Timestamp),
    ("watermark", || DataType::Timestamp),
    ("windows", || {
        let instant = |name| Field::new(name, DataType::Timestamp);
        DataType::array(DataType::Struct(vec![instant("start"), instant("end")]))
    }),
    ("operator", || DataType::String),
    ("batchId", || DataType::BigInt),
];

/// The columns that `state` has of itself.
const STATE: &[Own] = &[("expiry", || DataType::Timestamp), ("operator", || DataType::String), ("partition", || DataType::BigInt)];

impl Layout {
    /// Of `late_rows('q')`; of no query, the table's own columns.
    pub(super) fn of_late_rows(handle: Option<&QueryHandle>) -> Layout {
        let mut layout = Layout { fields: Vec::new(), own: LATE };
        for columns in handle.map(QueryHandle::late_columns).unwrap_or_default() {
            layout.place(&columns);
        }
        layout
    }

    /// Of `state('q')`.
    pub(super) fn of_state(handle: Option<&QueryHandle>) -> Layout {
        let mut layout = Layout { fields: Vec::new(), own: STATE };
        for columns in handle.map(QueryHandle::state_columns).unwrap_or_default() {
            layout.place(&columns);
        }
        layout
    }

    /// The places of a list of columns; new ones are added.
    fn place(&mut self, columns: &[(String, DataType)]) -> Vec<usize> {
        let mut places: Vec<usize> = Vec::with_capacity(columns.len());
        for (name, data_type) in columns {
            let candidates = (0..).map(|n| if n == 0 { name.clone() } else { format!("{name}_{n}") });
            for candidate in candidates {
                if self.own.iter().any(|(own, _)| own.eq_ignore_ascii_case(&candidate)) {
                    continue;
                }
                match self.fields.iter().position(|f| f.name.eq_ignore_ascii_case(&candidate)) {
                    Some(at) if self.fields[at].data_type == *data_type && !places.contains(&at) => places.push(at),
                    Some(_) => continue,
                    None => {
                        places.push(self.fields.len());
                        self.fields.push(Field::new(candidate, data_type.clone()));
                    }
                }
                break;
            }
        }
        places
    }

    /// Every column, in order.
    pub(super) fn columns(&self) -> Vec<Field> {
        self.fields.iter().cloned().chain(self.own.iter().map(|(name, data_type)| Field::new(*name, data_type()))).collect()
    }

    /// A row in the columns that a plan asks for, by their names.
    fn row(&self, wanted: &[Column], cells: &[(usize, Value)], own: &[Value]) -> Vec<Value> {
        let value = |column: &Column| {
            let named = |name: &str| name.eq_ignore_ascii_case(&column.name);
            if let Some(at) = self.own.iter().position(|(name, _)| named(name)) {
                return own.get(at).cloned().unwrap_or(Value::Null);
            }
            let at = self.fields.iter().position(|f| named(&f.name));
            cells.iter().find(|(place, _)| Some(*place) == at).map_or(Value::Null, |(_, v)| v.clone())
        };
        wanted.iter().map(value).collect()
    }
}

fn instant(micros: Option<i64>) -> Value {
    micros.map_or(Value::Null, Value::Timestamp)
}

/// The rows of `late_rows('q')`, newest first.
pub(super) fn late_rows(handle: &QueryHandle, wanted: &[Column]) -> Vec<Vec<Value>> {
    let mut layout = Layout::of_late_rows(Some(handle));
    let mut out = Vec::new();
    for row in handle.late_rows() {
        let places = layout.place(&row.columns);
        let cells: Vec<(usize, Value)> = places.into_iter().zip(row.values.iter().cloned()).collect();
        let shown = &row.shown;
        let window = |(start, end): &(i64, i64)| Value::Struct(vec![Value::Timestamp(*start), Value::Timestamp(*end)]);
        let own = [
            instant(shown.event_time),
            Value::Timestamp(shown.watermark),
            Value::Array(shown.windows.iter().map(window).collect()),
            text(&shown.operator),
            count(shown.batch_id),
        ];
        out.push(layout.row(wanted, &cells, &own));
    }
    out
}

/// The rows of `state('q')`.
///
/// # Errors
/// A batch that takes too long to wait for.
pub(super) fn state(handle: &QueryHandle, wanted: &[Column]) -> Result<Vec<Vec<Value>>, EngineError> {
    let mut layout = Layout::of_state(Some(handle));
    let mut out = Vec::new();
    for kept in handle.kept()?.iter() {
        let places = layout.place(&kept.names);
        for (row, expiry) in kept.expiry.iter().enumerate() {
            let values = kept.columns.iter().zip(kept.names.iter()).map(|(series, typed)| value_at(series, row, &typed.1));
            let cells: Vec<(usize, Value)> = places.iter().copied().zip(values).collect();
            out.push(layout.row(wanted, &cells, &[instant(*expiry), text(kept.operator), count(kept.partition as u64)]));
        }
    }
    Ok(out)
}
