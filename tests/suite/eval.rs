//! The evaluator: selections, NULLs and constants over small frames. What each function gives is in `eval_spark`.

use eddyline::engine::columns::{series_of, value_at};
use eddyline::engine::eval::{EvalContext, bind};
use eddyline::engine::{EngineError, Frame};
use eddyline::plan::expr::{ColumnId, Expr};
use eddyline::types::{DataType, Value};

/// A session in UTC at 2024-01-01 10:00:00.
fn context() -> EvalContext {
    EvalContext { zone: chrono_tz::UTC, now: 1_704_103_200_000_000, batch: 0, user: "ann".into() }
}

fn int(n: i64) -> Expr {
    Expr::literal(Value::Int(n), DataType::Int)
}

fn null() -> Expr {
    Expr::literal(Value::Null, DataType::Int)
}

fn x() -> Expr {
    Expr::Column { id: ColumnId(0), name: "x".into(), data_type: DataType::Int }
}

fn y() -> Expr {
    Expr::Column { id: ColumnId(1), name: "y".into(), data_type: DataType::Int }
}

fn s() -> Expr {
    Expr::Column { id: ColumnId(2), name: "s".into(), data_type: DataType::String }
}

fn condition(name: &'static str, a: Expr, b: Expr) -> Expr {
    Expr::call(name, vec![a, b], DataType::Boolean)
}

fn ints(values: &[Option<i64>]) -> Vec<Value> {
    values.iter().map(|v| v.map_or(Value::Null, Value::Int)).collect()
}

/// Columns x = 1, 2, NULL, 4; y = 0, 2, 5, NULL; s = '1', 'a', '3', NULL.
fn frame() -> Frame {
    let text = |t: &str| Value::String(t.into());
    let columns = vec![
        series_of(&ints(&[Some(1), Some(2), None, Some(4)]), &DataType::Int),
        series_of(&ints(&[Some(0), Some(2), Some(5), None]), &DataType::Int),
        series_of(&[text("1"), text("a"), text("3"), Value::Null], &DataType::String),
    ];
    Frame::new(vec![ColumnId(0), ColumnId(1), ColumnId(2)], columns, 4)
}

fn evaluate(expr: &Expr) -> Result<Vec<Value>, EngineError> {
    let column = bind(expr)?.evaluate(&frame(), &context())?;
    assert_eq!(column.len(), 4);
    Ok((0..4).map(|row| value_at(&column, row, &expr.data_type())).collect())
}

fn case(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    let data_type = then.data_type();
    Expr::Case { branches: vec![(condition, then)], otherwise: Some(Box::new(otherwise)), data_type }
}

fn modulo(a: Expr, b: Expr) -> Expr {
    Expr::call("%", vec![a, b], DataType::Int)
}

fn booleans(values: &[Option<bool>]) -> Vec<Value> {
    values.iter().map(|v| v.map_or(Value::Null, Value::Boolean)).collect()
}

#[test]
fn a_branch_sees_only_its_rows() {
    let guarded = case(condition("!=", y(), int(0)), modulo(x(), y()), int(-1));
    assert_eq!(evaluate(&guarded).unwrap(), ints(&[Some(-1), Some(0), None, Some(-1)]));
    let failing = case(condition("=", y(), int(0)), modulo(x(), y()), int(-1));
    let error = evaluate(&failing).unwrap_err();
    assert_eq!(error.failure().condition.as_deref(), Some("REMAINDER_BY_ZERO"));
    assert_eq!(error.failure().row, Some(0));
}

#[test]
fn an_error_is_told_its_row_of_the_whole_frame() {
    let to_int = Expr::Cast { expr: Box::new(s()), to: DataType::Int, attempt: false };
    let error = evaluate(&case(condition("=", y(), int(2)), to_int.clone(), int(0))).unwrap_err();
    assert_eq!(error.failure().condition.as_deref(), Some("CAST_INVALID_INPUT"));
    assert_eq!(error.failure().row, Some(1));
    let rest = case(condition("=", y(), int(2)), int(0), to_int);
    assert_eq!(evaluate(&rest).unwrap(), ints(&[Some(1), Some(0), Some(3), None]));
}

#[test]
fn and_and_or_guard_their_right_side() {
    let positive = condition(">", modulo(x(), y()), int(-1));
    let and = Expr::And(Box::new(condition("!=", y(), int(0))), Box::new(positive.clone()));
    assert_eq!(evaluate(&and).unwrap(), booleans(&[Some(false), Some(true), None, None]));
    let or = Expr::Or(Box::new(condition("=", y(), int(0))), Box::new(positive.clone()));
    assert_eq!(evaluate(&or).unwrap(), booleans(&[Some(true), Some(true), None, None]));
    assert!(evaluate(&Expr::And(Box::new(condition("=", y(), int(0))), Box::new(positive))).is_err());
}

#[test]
fn coalesce_stops_at_the_first_value() {
    let coalesce = |args: Vec<Expr>| Expr::Coalesce { args, data_type: DataType::Int };
    assert_eq!(evaluate(&coalesce(vec![x(), y()])).unwrap(), ints(&[Some(1), Some(2), Some(5), Some(4)]));
    let failing = modulo(int(1), int(0));
    assert_eq!(evaluate(&coalesce(vec![int(7), failing.clone()])).unwrap(), ints(&[Some(7); 4]));
    assert_eq!(evaluate(&coalesce(vec![x(), modulo(int(7), y())])).unwrap(), ints(&[Some(1), Some(2), Some(2), Some(4)]));
    assert!(evaluate(&coalesce(vec![x(), failing])).is_err());
    assert_eq!(evaluate(&coalesce(vec![null(), null()])).unwrap(), ints(&[None; 4]));
}

#[test]
fn in_has_three_values() {
    let list = |list: Vec<Expr>| Expr::In { expr: Box::new(x()), list };
    assert_eq!(evaluate(&list(vec![int(1), int(4)])).unwrap(), booleans(&[Some(true), Some(false), None, Some(true)]));
    assert_eq!(evaluate(&list(vec![int(1), null()])).unwrap(), booleans(&[Some(true), None, None, None]));
    assert_eq!(evaluate(&list(vec![y(), int(4)])).unwrap(), booleans(&[Some(false), Some(true), None, Some(true)]));
    let many = (0..20).map(|n| int(n * 2)).collect();
    assert_eq!(evaluate(&list(many)).unwrap(), booleans(&[Some(false), Some(true), None, Some(true)]));
}

#[test]
fn a_null_on_the_left_hides_a_failure_on_the_right() {
    let bad = Expr::Cast { expr: Box::new(s()), to: DataType::Int, attempt: false };
    let frame = Frame::new(
        vec![ColumnId(0), ColumnId(2)],
        vec![series_of(&[Value::Null], &DataType::Int), series_of(&[Value::String("a".into())], &DataType::String)],
        1,
    );
    let sum = Expr::call("+", vec![x(), bad], DataType::Int);
    let column = bind(&sum).unwrap().evaluate(&frame, &context()).unwrap();
    assert_eq!(column.null_count(), 1);
}

#[test]
fn constants_and_empty_frames() {
    let sum = Expr::call("+", vec![int(2), int(3)], DataType::Int);
    let bound = bind(&sum).unwrap();
    assert!(bound.is_constant());
    assert_eq!(bound.evaluate_scalar(&context()).unwrap(), Value::Int(5));
    let empty = frame().slice(0, 0);
    assert_eq!(bind(&modulo(x(), int(0))).unwrap().evaluate(&empty, &context()).unwrap().len(), 0);
    let mask = bind(&condition("<", x(), int(3))).unwrap().mask(&frame(), &context()).unwrap();
    assert_eq!(mask.iter().collect::<Vec<_>>(), [Some(true), Some(true), Some(false), Some(false)]);
}

#[test]
fn overflow_under_a_null_does_not_count() {
    let column = series_of(&ints(&[Some(1), None]), &DataType::Int);
    let frame = Frame::new(vec![ColumnId(0)], vec![column], 2);
    let sum = Expr::call("+", vec![x(), int(i32::MAX.into())], DataType::Int);
    let error = bind(&sum).unwrap().evaluate(&frame, &context()).unwrap_err();
    assert_eq!(error.failure().condition.as_deref(), Some("ARITHMETIC_OVERFLOW"));
    let zero = frame.slice(1, 1);
    assert!(bind(&modulo(int(1), x())).unwrap().evaluate(&zero, &context()).is_ok());
}
