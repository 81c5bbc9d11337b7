//! PARTITIONED BY: rows → directories `column=value`, named as Hive and Spark name them.
//!
//! A value can never lead out of the sink's directory: `/` and whatever else means something to a file system
//! or to Hive is written `%2F`, and since every name has a `=` in it, none is `.` or `..`.

use crate::diagnostic::nearest;
use crate::engine::eval::text::TextWriter;
use crate::engine::eval::zone::Zone;
use crate::engine::{EngineError, Frame};
use crate::plan::logical::Column;
use crate::types::DataType;
use hashbrown::HashMap;
use polars::prelude::{IdxCa, IdxSize, PlSmallStr, Series};
use polars_arrow::array::{Array, BinaryViewArray};

/// Stands for NULL and for the empty string.
const DEFAULT: &str = "__HIVE_DEFAULT_PARTITION__";
/// The longest name that file systems take, in bytes.
const LONGEST_NAME: usize = 255;

/// Which columns of a result say where a row goes, and which ones are in the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partitioning {
    /// Positions of the columns of PARTITIONED BY, in its order.
    keys: Vec<usize>,
    /// Positions of the others.
    values: Vec<usize>,
}

/// The rows of one directory.
pub(super) struct Group {
    /// Relative to the sink's directory: `country=de/day=2024-01-02`; empty without partitions.
    pub(super) dir: String,
    /// The columns that are in the files.
    pub(super) frame: Frame,
}

impl Partitioning {
    /// Finds the columns of PARTITIONED BY; names compare without regard to case.
    ///
    /// # Errors
    /// A name that is no column or stands twice, a type that makes no directory, no column left for the files.
    pub(super) fn new(names: &[String], columns: &[Column]) -> Result<Partitioning, EngineError> {
        let mut keys = Vec::new();
        for name in names {
            let Some(at) = columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)) else {
                let there: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                let error = EngineError::user(format!("PARTITIONED BY names `{name}`, and the result has no such column"));
                return Err(match nearest(name, there.iter().copied()) {
                    Some(near) => error.help(format!("did you mean: {near}")),
                    None => error.help(format!("columns: {}", there.join(", "))),
                });
            };
            if keys.contains(&at) {
                return Err(EngineError::data("COLUMN_ALREADY_EXISTS", format!("PARTITIONED BY names the column `{name}` twice")));
            }
            let data_type = &columns[at].data_type;
            if !data_type.is_atomic() || matches!(data_type, DataType::Void | DataType::CalendarInterval) {
                return Err(EngineError::data(
                    "INVALID_PARTITION_COLUMN_DATA_TYPE",
                    format!("files cannot be PARTITIONED BY `{name}`: a value of type {} is no name of a directory", data_type.sql()),
                ));
            }
            keys.push(at);
        }
        let values: Vec<usize> = (0..columns.len()).filter(|at| !keys.contains(at)).collect();
        if values.is_empty() && !keys.is_empty() {
            return Err(EngineError::data(
                "ALL_PARTITION_COLUMNS_NOT_ALLOWED",
                "every column is in PARTITIONED BY, so that none is left for the files",
            ));
        }
        Ok(Partitioning { keys, values })
    }

    /// Whether rows go to directories of their own.
    pub(super) fn is_partitioned(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The columns that are in the files.
    pub(super) fn file_columns(&self, columns: &[Column]) -> Vec<Column> {
        self.values.iter().map(|at| columns[*at].clone()).collect()
    }

    /// The rows by directory, directories in the order of their first rows; rows keep their order.
    ///
    /// # Errors
    /// A value whose directory no file system takes.
    pub(super) fn split(&self, frame: &Frame, columns: &[Column], zone: chrono_tz::Tz) -> Result<Vec<Group>, EngineError> {
        let ids = self.values.iter().map(|at| frame.ids()[*at]).collect();
        let series = self.values.iter().map(|at| frame.columns()[*at].clone()).collect();
        let rest = Frame::new(ids, series, frame.rows());
        if !self.is_partitioned() {
            return Ok(vec![Group { dir: String::new(), frame: rest }]);
        }
        let groups = self.rows_by_directory(frame, columns, zone)?;
        if let [(_, _)] = groups.as_slice() {
            return Ok(groups.into_iter().map(|(dir, _)| Group { dir, frame: rest.clone() }).collect());
        }
        let group = |(dir, rows): (String, Vec<IdxSize>)| {
            let frame = rest.take(&IdxCa::from_vec(PlSmallStr::EMPTY, rows))?;
            Ok(Group { dir, frame })
        };
        groups.into_iter().map(group).collect()
    }

    fn rows_by_directory(
        &self,
        frame: &Frame,
        columns: &[Column],
        zone: chrono_tz::Tz,
    ) -> Result<Vec<(String, Vec<IdxSize>)>, EngineError> {
        let zone = Zone::new(zone);
        let keys: Vec<Key<'_>> = self.keys.iter().map(|at| Key::new(&frame.columns()[*at], &columns[*at], &zone)).collect();
        let mut groups: Vec<(String, Vec<IdxSize>)> = Vec::new();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        let (mut dir, mut text) = (String::new(), String::new());
        let mut last: Option<usize> = None;
        for row in 0..frame.rows() {
            dir.clear();
            for key in &keys {
                key.write(row, &mut dir, &mut text)?;
            }
            let group = match last.filter(|at| groups[*at].0 == dir).or_else(|| by_name.get(&dir).copied()) {
                Some(known) => known,
                None => {
                    by_name.insert(dir.clone(), groups.len());
                    groups.push((dir.clone(), Vec::new()));
                    groups.len() - 1
                }
            };
            groups[group].1.push(row as IdxSize);
            last = Some(group);
        }
        Ok(groups)
    }
}

/// A column of PARTITIONED BY.
struct Key<'a> {
    /// `column=`, escaped.
    label: String,
    cells: Cells<'a>,
}

enum Cells<'a> {
    /// As `CAST(value AS STRING)`.
    Text(TextWriter<'a>),
    /// The bytes as text.
    Binary(&'a BinaryViewArray),
}

impl<'a> Key<'a> {
    fn new(series: &'a Series, column: &Column, zone: &Zone) -> Key<'a> {
        let mut label = String::new();
        escape(&column.name, &mut label);
        label.push('=');
        let array = &*series.chunks()[0];
        let cells = match array.as_any().downcast_ref::<BinaryViewArray>() {
            Some(binary) if column.data_type == DataType::Binary => Cells::Binary(binary),
            _ => Cells::Text(TextWriter::new(array, &column.data_type, zone)),
        };
        Key { label, cells }
    }

    /// Appends the directory of the row's value; `text` is a buffer.
    fn write(&self, row: usize, dir: &mut String, text: &mut String) -> Result<(), EngineError> {
        if !dir.is_empty() {
            dir.push('/');
        }
        let start = dir.len();
        dir.push_str(&self.label);
        text.clear();
        match &self.cells {
            Cells::Text(writer) => {
                writer.write(row, text);
            }
            Cells::Binary(bytes) if bytes.is_null(row) => {}
            Cells::Binary(bytes) => text.push_str(&String::from_utf8_lossy(bytes.value(row))),
        }
        if text.is_empty() {
            dir.push_str(DEFAULT)
        } else {
            escape(text, dir)
        }
        let length = dir.len() - start;
        if length > LONGEST_NAME {
            let shown: String = dir[start..].chars().take(40).collect();
            return Err(EngineError::user(format!(
                "the partition {shown}… needs a directory whose name has {length} bytes, and file systems take {LONGEST_NAME}"
            ))
            .help("PARTITIONED BY a shorter value, such as left(column, 50)"));
        }
        Ok(())
    }
}

/// Appends a name with every character that is not plain text in a path written as `%` and two hexadecimal digits.
pub(super) fn escape(name: &str, out: &mut String) {
    for c in name.chars() {
        if c.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            out.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::series_of;
    use crate::plan::expr::ColumnId;
    use crate::types::Value;
    use proptest::prelude::*;
    use std::path::{Component, Path};

    fn column(name: &str, data_type: DataType) -> Column {
        Column { id: ColumnId(0), name: name.to_string(), data_type }
    }

    fn dirs(name: &str, data_type: &DataType, values: &[Value]) -> Result<Vec<String>, EngineError> {
        // The other column's name is longer than any that the tests below come up with.
        let columns =
            [Column { id: ColumnId(1), ..column("the column that stays behind", DataType::Int) }, column(name, data_type.clone())];
        let numbers: Vec<Value> = (0..values.len() as i64).map(Value::Int).collect();
        let series = vec![series_of(&numbers, &DataType::Int), series_of(values, data_type)];
        let frame = Frame::new(vec![ColumnId(1), ColumnId(0)], series, values.len());
        let partitioning = Partitioning::new(&[name.to_string()], &columns)?;
        Ok(partitioning.split(&frame, &columns, chrono_tz::UTC)?.into_iter().map(|g| g.dir).collect())
    }

    /// What a reader makes of a directory's name.
    fn unescape(name: &str) -> String {
        let bytes = name.as_bytes();
        let (mut out, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let code = (bytes[at] == b'%').then(|| u8::from_str_radix(name.get(at + 1..at + 3)?, 16).ok()).flatten();
            out.push(code.unwrap_or(bytes[at]));
            at += if code.is_some() { 3 } else { 1 };
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_spark_writes_them() {
        let text = |s: &str| Value::String(s.to_string());
        let values = ["a/b", "", "..", "../../x", " a ", "50%", "a=b:c", "é,+~&(", "\0\u{1}\u{7f}", "{}[]^|"].map(text);
        assert_eq!(
            dirs("p", &DataType::String, &values).unwrap(),
            [
                "p=a%2Fb",
                "p=__HIVE_DEFAULT_PARTITION__",
                "p=..",
                "p=..%2F..%2Fx",
                "p= a ",
                "p=50%25",
                "p=a%3Db%3Ac",
                "p=é,+~&(",
                "p=%00%01%7F",
                "p=%7B}%5B%5D%5E|"
            ]
        );
        let null = [Value::Null];
        assert_eq!(dirs("a/b", &DataType::Int, &null).unwrap(), ["a%2Fb=__HIVE_DEFAULT_PARTITION__"]);
        let instant = [Value::Timestamp(1_704_164_645_600_000)];
        assert_eq!(dirs("t", &DataType::Timestamp, &instant).unwrap(), ["t=2024-01-02 03%3A04%3A05.6"]);
        assert_eq!(dirs("b", &DataType::Binary, &[Value::Binary(b"a/b".to_vec())]).unwrap(), ["b=a%2Fb"]);
        assert_eq!(dirs("d", &DataType::Double, &[Value::Double(1e-4), Value::Double(f64::NAN)]).unwrap(), ["d=1.0E-4", "d=NaN"]);
    }

    #[test]
    fn rows_keep_their_order_within_a_directory() {
        let columns = [column("p", DataType::String), Column { id: ColumnId(1), ..column("v", DataType::Int) }];
        let text = |s: &str| Value::String(s.to_string());
        let series = vec![
            series_of(&["a", "b", "a", "a", "b"].map(text), &DataType::String),
            series_of(&[1, 2, 3, 4, 5].map(Value::Int), &DataType::Int),
        ];
        let frame = Frame::new(vec![ColumnId(0), ColumnId(1)], series, 5);
        let groups = Partitioning::new(&["P".to_string()], &columns).unwrap().split(&frame, &columns, chrono_tz::UTC).unwrap();
        let rows: Vec<(String, Vec<i32>)> =
            groups.iter().map(|g| (g.dir.clone(), g.frame.columns()[0].i32().unwrap().into_no_null_iter().collect())).collect();
        assert_eq!(rows, [("p=a".to_string(), vec![1, 3, 4]), ("p=b".to_string(), vec![2, 5])]);
        assert_eq!(groups[0].frame.columns().len(), 1);
    }

    #[test]
    fn what_makes_no_directory_is_refused() {
        let condition = |names: &[&str], columns: &[Column]| {
            let names: Vec<String> = names.iter().map(|n| (*n).to_string()).collect();
            Partitioning::new(&names, columns).unwrap_err().failure().condition.clone()
        };
        let columns = [column("a", DataType::Int), column("b", DataType::array(DataType::Int))];
        assert_eq!(condition(&["zz"], &columns), None);
        assert_eq!(condition(&["a", "A"], &columns).as_deref(), Some("COLUMN_ALREADY_EXISTS"));
        assert_eq!(condition(&["b"], &columns).as_deref(), Some("INVALID_PARTITION_COLUMN_DATA_TYPE"));
        assert_eq!(condition(&["a"], &columns[..1]).as_deref(), Some("ALL_PARTITION_COLUMNS_NOT_ALLOWED"));
        let long = dirs("p", &DataType::String, &[Value::String("x".repeat(300))]).unwrap_err().to_string();
        assert!(long.contains("has 302 bytes"), "{long}");
    }

    proptest! {
        #[test]
        fn a_value_survives_and_stays_in_the_directory(name in "\\PC{1,20}", value in "(?s).{1,60}") {
            prop_assume!(name.len() + 3 * value.len() < 250);
            let dir = dirs(&name, &DataType::String, &[Value::String(value.clone())]).unwrap().remove(0);
            let parts: Vec<Component<'_>> = Path::new(&dir).components().collect();
            prop_assert!(matches!(parts.as_slice(), [Component::Normal(_)]), "{dir}");
            prop_assert!(!dir.contains('\0'));
            let (label, escaped) = dir.split_once('=').unwrap();
            prop_assert_eq!(unescape(label), name);
            prop_assert_eq!(unescape(escaped), value);
        }
    }
}
