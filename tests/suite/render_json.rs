//! Result rows as JSON.

use eddyline::engine::Frame;
use eddyline::engine::columns::series_of;
use eddyline::engine::render_json::{write_lines, write_rows};
use eddyline::plan::expr::ColumnId;
use eddyline::plan::logical::Column;
use eddyline::types::{DataType, Field, Value};

fn row(columns: &[(&str, DataType, Value)], zone: chrono_tz::Tz) -> String {
    let id = |i: usize| ColumnId(u32::try_from(i).unwrap());
    let named: Vec<Column> =
        columns.iter().enumerate().map(|(i, (n, t, _))| Column { id: id(i), name: (*n).to_string(), data_type: t.clone() }).collect();
    let cells = columns.iter().map(|(_, t, v)| series_of(std::slice::from_ref(v), t)).collect();
    let frame = Frame::new(named.iter().map(|c| c.id).collect(), cells, 1);
    let mut out = String::new();
    write_rows(&mut out, &named, &frame, zone);
    let mut lines = String::new();
    write_lines(&mut lines, &named, &frame, zone);
    assert_eq!(lines, format!("{out}\n"));
    out
}

fn one(data_type: DataType, value: Value) -> String {
    let text = row(&[("v", data_type, value)], chrono_tz::UTC);
    text.strip_prefix("{\"v\":").and_then(|t| t.strip_suffix('}')).unwrap().to_string()
}

#[test]
fn values_keep_sparks_spelling() {
    for (data_type, value, want) in [
        (DataType::Int, Value::Null, "null"),
        (DataType::Boolean, Value::Boolean(true), "true"),
        (DataType::TinyInt, Value::Int(-128), "-128"),
        (DataType::BigInt, Value::Int(i64::MIN), "-9223372036854775808"),
        (DataType::Double, Value::Double(1e7), "1.0E7"),
        (DataType::Double, Value::Double(-0.0), "-0.0"),
        (DataType::Double, Value::Double(f64::NAN), "\"NaN\""),
        (DataType::Float, Value::Float(f32::NEG_INFINITY), "\"-Infinity\""),
        (DataType::Float, Value::Float(0.1), "0.1"),
        (DataType::Decimal(10, 2), Value::Decimal(1240), "12.40"),
        (DataType::Decimal(38, 18), Value::Decimal(0), "0.000000000000000000"),
        (DataType::Date, Value::Date(19_723), "\"2024-01-01\""),
        (DataType::Timestamp, Value::Timestamp(1_704_103_200_000_000), "\"2024-01-01T10:00:00.000Z\""),
        (DataType::Timestamp, Value::Timestamp(1_704_103_200_120_000), "\"2024-01-01T10:00:00.120Z\""),
        (DataType::Timestamp, Value::Timestamp(1_704_103_200_000_001), "\"2024-01-01T10:00:00.000001Z\""),
        (DataType::Timestamp, Value::Timestamp(-1), "\"1969-12-31T23:59:59.999999Z\""),
        (DataType::TimestampNtz, Value::Timestamp(1_704_103_200_000_000), "\"2024-01-01T10:00:00.000\""),
        (DataType::Binary, Value::Binary(b"ab".to_vec()), "\"YWI=\""),
        (DataType::DAY_TO_SECOND, Value::DayTime(30_000_000), "\"INTERVAL '0 00:00:30' DAY TO SECOND\""),
        (DataType::YEAR_TO_MONTH, Value::YearMonth(14), "\"INTERVAL '1-2' YEAR TO MONTH\""),
        (DataType::String, Value::String("a\"b\\c/\n\t\u{1}é😀\u{7f}<".into()), "\"a\\\"b\\\\c/\\n\\t\\u0001é😀\u{7f}<\""),
    ] {
        assert_eq!(one(data_type, value), want);
    }
}

#[test]
fn nested_values_keep_nulls() {
    let fields = vec![Field::new("a b", DataType::Int), Field::new("t", DataType::array(DataType::String))];
    let value = Value::Struct(vec![Value::Null, Value::Array(vec![Value::Null, Value::String("x".into())])]);
    assert_eq!(one(DataType::Struct(fields), value), "{\"a b\":null,\"t\":[null,\"x\"]}");
    let map = Value::Map(vec![(Value::Int(1), Value::Null), (Value::Int(2), Value::Boolean(false))]);
    assert_eq!(one(DataType::map(DataType::Int, DataType::Boolean), map), "{\"1\":null,\"2\":false}");
    let days = Value::Map(vec![(Value::Date(19_723), Value::Int(1))]);
    assert_eq!(one(DataType::map(DataType::Date, DataType::Int), days), "{\"19723\":1}");
}

#[test]
fn names_may_repeat_and_zones_count() {
    let time = Value::Timestamp(1_704_103_200_000_000);
    let columns = [("a", DataType::Int, Value::Int(1)), ("a", DataType::Timestamp, time)];
    assert_eq!(row(&columns, chrono_tz::Asia::Kolkata), "{\"a\":1,\"a\":\"2024-01-01T15:30:00.000+05:30\"}");
    assert_eq!(row(&columns, chrono_tz::America::New_York), "{\"a\":1,\"a\":\"2024-01-01T05:00:00.000-05:00\"}");
}
