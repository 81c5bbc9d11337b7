//! The functions that people use most, each over a million rows on one thread, beside the same expression in polars.
//!
//! Part of the throughput bench: `cargo bench --bench throughput -- functions`. Prints rows/s, and how many times
//! as long as polars the function takes (2 is the budget).

use eddyline::catalog::{Catalog, MemoryDef, Relation};
use eddyline::engine::Frame;
use eddyline::engine::columns::series_of;
use eddyline::engine::eval::{Bound, EvalContext, bind};
use eddyline::lang::parse_query;
use eddyline::plan::expr::Expr;
use eddyline::plan::{Fold, FoldError, LogicalPlan, Settings, analyze};
use eddyline::types::{DataType, Field, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const ROWS: usize = 1_000_000;
/// The best of so many runs counts: the rest is what else the machine was doing.
const RUNS: usize = 9;

/// What `functions.py` computes under the same names. Columns: `s` words, `n` digits, `iso` times as text, `i`, `j` INT,
/// `l` BIGINT, `d`, `e` DOUBLE, `t` TIMESTAMP, `a` DATE; one in ten of `j`, `e` and `w` is NULL.
const EXPRESSIONS: &[(&str, &str)] = &[
    ("upper", "upper(s)"),
    ("lower", "lower(s)"),
    ("length", "length(s)"),
    ("substring", "substring(s, 2, 4)"),
    ("trim", "trim(s)"),
    ("concat", "concat(s, '-', n)"),
    ("split", "split(s, ' ')"),
    ("replace", "replace(s, 'a', 'oo')"),
    ("like", "s LIKE '%ar%'"),
    ("startswith", "startswith(s, 'be')"),
    ("regexp_extract", "regexp_extract(s, '([a-z]+) ([a-z]+)', 2)"),
    ("string_to_int", "CAST(n AS INT)"),
    ("int_to_string", "CAST(i AS STRING)"),
    ("int_to_double", "CAST(i AS DOUBLE)"),
    ("plus_one", "i + 1"),
    ("add", "i + j"),
    ("subtract", "l - i"),
    ("multiply", "d * e"),
    ("divide", "d / 3.5D"),
    ("modulo", "i % 7"),
    ("round", "round(d, 2)"),
    ("abs", "abs(d)"),
    ("floor", "floor(d)"),
    ("sqrt", "sqrt(abs(d))"),
    ("compare", "i > 500000"),
    ("case", "CASE WHEN i > 500000 THEN 1 ELSE 0 END"),
    ("coalesce", "coalesce(j, i)"),
    ("year", "year(t)"),
    ("month", "month(a)"),
    ("hour", "hour(t)"),
    ("date_trunc", "date_trunc('HOUR', t)"),
    ("date_add", "date_add(a, 7)"),
    ("to_date", "to_date(substring(iso, 1, 10))"),
    ("to_timestamp", "to_timestamp(iso)"),
];

struct Folder<'a>(&'a EvalContext);

impl Fold for Folder<'_> {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        let value = bind(expr).and_then(|bound| bound.evaluate_scalar(self.0));
        value.map_err(|e| FoldError { condition: e.failure().condition.clone(), message: e.failure().message.clone() })
    }
}

fn columns() -> Vec<(Field, Vec<Value>)> {
    const WORDS: [&str; 5] = ["alpha bravo", "beta carbon", " gamma delta ", "Delta Omega", "bear market"];
    let rows = 0..ROWS as i64;
    let sometimes = |i: i64, value: Value| if i % 10 == 3 { Value::Null } else { value };
    let scrambled = |i: i64| i * 7919 % 1_000_003;
    let column = |name: &str, t: DataType, f: &dyn Fn(i64) -> Value| (Field::new(name, t), rows.clone().map(f).collect());
    let at = |i: i64| 1_600_000_000_000_000 + scrambled(i) * 61_000_000;
    let iso = |i: i64| {
        let at = chrono::DateTime::from_timestamp_micros(at(i)).expect("a time of this century");
        Value::String(at.format("%Y-%m-%d %H:%M:%S").to_string())
    };
    vec![
        column("s", DataType::String, &|i| Value::String(format!("{}{}", WORDS[(scrambled(i) % 5) as usize], i % 17))),
        column("n", DataType::String, &|i| Value::String(scrambled(i).to_string())),
        column("iso", DataType::String, &iso),
        column("i", DataType::Int, &|i| Value::Int(scrambled(i))),
        column("j", DataType::Int, &|i| sometimes(i, Value::Int(i))),
        column("l", DataType::BigInt, &|i| Value::Int(scrambled(i) * 1_000_003)),
        column("d", DataType::Double, &|i| Value::Double(scrambled(i) as f64 / 7.0)),
        column("e", DataType::Double, &|i| sometimes(i, Value::Double(i as f64 / 3.0))),
        column("t", DataType::Timestamp, &|i| Value::Timestamp(at(i))),
        column("a", DataType::Date, &|i| Value::Date((scrambled(i) % 20_000) as i32)),
    ]
}

/// The expression bound, and the columns it reads in a frame.
fn prepared(text: &str, data: &[(Field, polars::prelude::Series)], context: &EvalContext) -> (Bound, Frame) {
    let mut catalog = Catalog::default();
    let fields = data.iter().map(|(field, _)| field.clone()).collect();
    catalog.put(Relation::Memory(MemoryDef { name: "t".to_string(), columns: fields }));
    let query = parse_query(&format!("SELECT {text} AS x FROM t")).expect("the expression parses");
    let settings = Settings { zone: chrono_tz::UTC, parameters: BTreeMap::new(), system_tables: std::sync::Arc::new(|_, _| None) };
    let analyzed = analyze(&query, &catalog, &settings, &Folder(context)).expect("the expression is right");
    let LogicalPlan::Project { input, exprs } = analyzed.plan else { panic!("a plan other than a projection for {text}") };
    let bound = bind(&exprs[0].expr).expect("the expression binds");
    let series = |name: &str| data.iter().find(|(f, _)| f.name == name).map(|(_, s)| s.clone()).expect("a column of the table");
    let (ids, columns) = input.columns().iter().map(|c| (c.id, series(&c.name))).unzip();
    (bound, Frame::new(ids, columns, ROWS))
}

/// Best seconds by name in polars; nothing where Python has no polars.
fn limits() -> HashMap<String, f64> {
    let python = std::env::var("BENCH_PYTHON").unwrap_or_else(|_| "python3".to_string());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/functions.py");
    let Ok(output) = Command::new(python).arg(script).output() else { return HashMap::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().filter_map(|l| l.split_once(' ').and_then(|(name, s)| Some((name.to_string(), s.parse().ok()?)))).collect()
}

/// Times the expressions whose names are wanted, all of them if none is.
pub(crate) fn print(wanted: &[String]) {
    let context = EvalContext { zone: chrono_tz::UTC, now: 0, batch: 0, user: String::new() };
    let data: Vec<_> = columns().into_iter().map(|(field, values)| (field.clone(), series_of(&values, &field.data_type))).collect();
    let limits = limits();
    println!("\n{:<15} {:>12} {:>9} {:>10} {:>6}   one thread, {ROWS} rows", "function", "rows/s", "eddy ms", "polars ms", "times");
    for (name, text) in EXPRESSIONS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name)) {
        let (bound, frame) = prepared(text, &data, &context);
        let mut best = f64::INFINITY;
        for _ in 0..RUNS {
            let started = Instant::now();
            let _ = std::hint::black_box(bound.evaluate(&frame, &context).expect("the data is fine"));
            best = best.min(started.elapsed().as_secs_f64());
        }
        let (theirs, times) = match limits.get(*name) {
            Some(limit) => (format!("{:.2}", limit * 1e3), format!("{:.2}", best / limit)),
            None => ("-".to_string(), "-".to_string()),
        };
        println!("{name:<15} {:>12.0} {:>9.2} {theirs:>10} {times:>6}", ROWS as f64 / best, best * 1e3);
    }
}
