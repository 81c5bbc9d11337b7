//! Bounded queries: aggregates, generators, joins, set operations, windows, sorting. Answers are Spark's.

use crate::engine::World;

/// The only row of a query, cell by cell.
fn row(sql: &str) -> Vec<String> {
    let mut rows = World::new().rows(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
    rows.remove(0)
}

/// All rows of a query, each as one text.
fn rows(sql: &str) -> Vec<String> {
    World::new().rows(sql).unwrap_or_else(|e| panic!("{sql}: {e}")).into_iter().map(|r| r.join("|")).collect()
}

fn sorted(sql: &str) -> Vec<String> {
    let mut rows = rows(sql);
    rows.sort();
    rows
}

const NUMBERS: &str = "(VALUES (1), (2), (NULL), (4)) AS t(a)";

#[test]
fn simple_aggregates() {
    for (call, expected) in [
        ("count(*)", "4"),
        ("count(a)", "3"),
        ("count(NULL)", "0"),
        ("count(1, a)", "3"),
        ("count_if(a > 1)", "2"),
        ("sum(a)", "7"),
        ("avg(a)", "2.3333333333333335"),
        ("min(a)", "1"),
        ("max(a)", "4"),
        ("sum(a) FILTER (WHERE a < 4)", "3"),
        ("sum(CAST(a AS DECIMAL(5, 2)))", "7.00"),
        ("avg(CAST(a AS DECIMAL(5, 2)))", "2.333333"),
        ("count(DISTINCT a % 2)", "2"),
        ("sum(DISTINCT a % 2)", "1"),
        ("bit_and(a)", "0"),
        ("bit_or(a)", "7"),
        ("bit_xor(a)", "7"),
        ("bool_and(a > 0)", "true"),
        ("bool_or(a > 4)", "false"),
        ("first(a)", "1"),
        ("last(a, true)", "4"),
        ("max_by(a, -a)", "1"),
        ("min_by(a, -a)", "4"),
        ("collect_list(a)", "[1, 2, 4]"),
        ("sort_array(collect_set(a % 2))", "[0, 1]"),
        ("approx_count_distinct(a)", "3"),
        ("median(a)", "2.0"),
        ("percentile(a, 0.25)", "1.5"),
        ("percentile(a, array(0.0, 1.0))", "[1.0, 4.0]"),
        ("approx_percentile(a, 0.5)", "2"),
        ("listagg(CAST(a AS STRING), '-')", "1-2-4"),
        ("var_pop(a)", "1.5555555555555554"),
        ("var_samp(a)", "2.333333333333333"),
        ("stddev(a)", "1.5275252316519465"),
        ("corr(a, a * a)", "0.9897433186107872"),
        ("covar_samp(a, a * a)", "12.0"),
        ("regr_r2(a, a * a)", "0.9795918367346943"),
        ("skewness(a)", "0.3818017741606068"),
        ("kurtosis(a)", "-1.5000000000000009"),
        ("regr_slope(a * 2, a)", "2.0"),
        ("try_sum(a)", "7"),
    ] {
        assert_eq!(row(&format!("SELECT {call} FROM {NUMBERS}")), [expected], "{call}");
    }
}

#[test]
fn nothing_gives_null_or_zero() {
    let none = row(&format!(
        "SELECT count(*), sum(a), avg(a), min(a), collect_list(a), stddev(a), approx_count_distinct(a) FROM {NUMBERS} WHERE a > 9"
    ));
    assert_eq!(none, ["0", "NULL", "NULL", "NULL", "[]", "NULL", "0"]);
    assert_eq!(rows(&format!("SELECT a, count(*) FROM {NUMBERS} WHERE a > 9 GROUP BY a")), Vec::<String>::new());
}

#[test]
fn overflow_is_an_error() {
    let error = World::new().rows("SELECT sum(a) FROM (VALUES (9223372036854775807L), (1L)) AS t(a)").unwrap_err();
    assert!(error.starts_with("[ARITHMETIC_OVERFLOW]"), "{error}");
    assert_eq!(row("SELECT try_sum(a) FROM (VALUES (9223372036854775807L), (1L)) AS t(a)"), ["NULL"]);
}

#[test]
fn keys_follow_sparks_equality() {
    let sql = "SELECT k, count(*) FROM (VALUES (0.0D), (-0.0D), (CAST('NaN' AS DOUBLE)), (CAST('NaN' AS DOUBLE)), (NULL), (NULL)) AS t(k) GROUP BY k";
    assert_eq!(sorted(sql), ["0.0|2", "NULL|2", "NaN|2"]);
    let sql =
        "SELECT s.a, count(*) FROM (SELECT struct(a, b) AS s FROM (VALUES (1, 'x'), (1, 'x'), (2, NULL), (2, NULL)) AS t(a, b)) GROUP BY s";
    assert_eq!(sorted(sql), ["1|2", "2|2"]);
    let sql = "SELECT a, b, count(*) FROM (VALUES (1, 'x'), (1, 'y'), (1, 'x')) AS t(a, b) GROUP BY a, b";
    assert_eq!(sorted(sql), ["1|x|2", "1|y|1"]);
    assert_eq!(sorted("SELECT DISTINCT a FROM (VALUES ('x'), ('y'), ('x'), (NULL)) AS t(a)"), ["NULL", "x", "y"]);
}

#[test]
fn extremes_know_nan_and_strings() {
    let sql = "SELECT min(a), max(a) FROM (VALUES (1.0D), (CAST('NaN' AS DOUBLE)), (-2.0D)) AS t(a)";
    assert_eq!(row(sql), ["-2.0", "NaN"]);
    assert_eq!(row("SELECT min(a), max(a) FROM (VALUES ('b'), ('ab'), (NULL)) AS t(a)"), ["ab", "b"]);
    assert_eq!(row("SELECT max(struct(a, b)) FROM (VALUES (1, 'a'), (1, 'b')) AS t(a, b)"), ["{1, b}"]);
    assert_eq!(row("SELECT min(a), max(a) FROM (VALUES (DATE '2024-01-02'), (DATE '1969-12-31')) AS t(a)"), ["1969-12-31", "2024-01-02"]);
}

#[test]
fn many_groups_in_every_partition() {
    let sql = "SELECT count(*), sum(n), min(n), max(n) FROM (SELECT id % 1000 AS k, count(*) AS n FROM range(100000) GROUP BY id % 1000)";
    assert_eq!(row(sql), ["1000", "100000", "100", "100"]);
    let sql =
        "SELECT count(*), sum(n) FROM (SELECT CAST(id % 777 AS STRING) AS k, id % 2 AS o, count(*) AS n FROM range(50000) GROUP BY ALL)";
    assert_eq!(row(sql), ["1554", "50000"]);
}

#[test]
fn generators() {
    assert_eq!(rows("SELECT explode(array(1, NULL, 3))"), ["1", "NULL", "3"]);
    assert_eq!(rows("SELECT posexplode(array('a', 'b'))"), ["0|a", "1|b"]);
    assert_eq!(rows("SELECT explode(map('k', 1, 'l', 2))"), ["k|1", "l|2"]);
    assert_eq!(
        rows("SELECT a, explode_outer(b) FROM (VALUES (1, array(7, 8)), (2, array()), (3, NULL)) AS t(a, b)"),
        ["1|7", "1|8", "2|NULL", "3|NULL"]
    );
    assert_eq!(rows("SELECT a, explode(b) FROM (VALUES (1, array(7, 8)), (2, array()), (3, NULL)) AS t(a, b)"), ["1|7", "1|8"]);
    assert_eq!(rows("SELECT inline(array(struct(1, 'a'), struct(2, 'b')))"), ["1|a", "2|b"]);
    assert_eq!(rows("SELECT stack(2, 1, 'a', 2)"), ["1|a", "2|NULL"]);
    assert_eq!(rows("SELECT explode(split('a b  c ', ' '))"), ["a", "b", "", "c", ""]);
    assert_eq!(rows("SELECT explode(split('a.b', '\\\\.'))"), ["a", "b"]);
    assert_eq!(
        rows("SELECT n, w FROM (VALUES (1, 'x y'), (2, NULL), (3, '')) AS t(n, s) LATERAL VIEW explode(split(s, ' ')) e AS w"),
        ["1|x", "1|y", "3|"]
    );
}

const SIDES: &str =
    "(VALUES (1, 'a'), (2, 'b'), (NULL, 'c')) AS l(k, x) {} JOIN (VALUES (2, 'B'), (2, 'BB'), (3, 'D'), (NULL, 'N')) AS r(k, y)";

#[test]
fn joins_of_every_kind() {
    let join = |kind: &str, on: &str| sorted(&format!("SELECT * FROM {} {on}", SIDES.replace("{}", kind)));
    assert_eq!(join("INNER", "ON l.k = r.k"), ["2|b|2|B", "2|b|2|BB"]);
    assert_eq!(join("INNER", "ON l.k <=> r.k"), ["2|b|2|B", "2|b|2|BB", "NULL|c|NULL|N"]);
    assert_eq!(join("INNER", "ON l.k = r.k AND y <> 'B'"), ["2|b|2|BB"]);
    assert_eq!(join("LEFT", "ON l.k = r.k"), ["1|a|NULL|NULL", "2|b|2|B", "2|b|2|BB", "NULL|c|NULL|NULL"]);
    assert_eq!(join("RIGHT", "ON l.k = r.k"), ["2|b|2|B", "2|b|2|BB", "NULL|NULL|3|D", "NULL|NULL|NULL|N"]);
    assert_eq!(
        join("FULL", "ON l.k = r.k"),
        ["1|a|NULL|NULL", "2|b|2|B", "2|b|2|BB", "NULL|NULL|3|D", "NULL|NULL|NULL|N", "NULL|c|NULL|NULL"]
    );
    assert_eq!(join("LEFT SEMI", "ON l.k = r.k"), ["2|b"]);
    assert_eq!(join("LEFT ANTI", "ON l.k = r.k"), ["1|a", "NULL|c"]);
    assert_eq!(join("CROSS", "").len(), 12);
    assert_eq!(join("INNER", "ON l.k < r.k").len(), 4);
}

#[test]
fn sets_and_order() {
    let two = |op: &str| sorted(&format!("SELECT * FROM VALUES (1), (2), (2), (NULL) {op} SELECT * FROM VALUES (2), (NULL), (5)"));
    assert_eq!(two("INTERSECT"), ["2", "NULL"]);
    assert_eq!(two("EXCEPT"), ["1"]);
    assert_eq!(two("EXCEPT ALL"), ["1", "2"]);
    assert_eq!(two("UNION ALL").len(), 7);
    let ordered =
        |by: &str| rows(&format!("SELECT a FROM (VALUES (1.0D), (NULL), (CAST('NaN' AS DOUBLE)), (-1.0D)) AS t(a) ORDER BY {by}"));
    assert_eq!(ordered("a"), ["NULL", "-1.0", "1.0", "NaN"]);
    assert_eq!(ordered("a DESC"), ["NaN", "1.0", "-1.0", "NULL"]);
    assert_eq!(ordered("a DESC NULLS FIRST LIMIT 2"), ["NULL", "NaN"]);
    assert_eq!(rows("SELECT id FROM range(10) ORDER BY id DESC LIMIT 2 OFFSET 1"), ["8", "7"]);
    assert_eq!(rows("SELECT id FROM range(5) LIMIT 0"), Vec::<String>::new());
}

#[test]
fn window_functions() {
    let over = |call: &str| {
        let sql = "SELECT g, v, {} AS r FROM (VALUES ('a', 1), ('a', 2), ('a', 2), ('b', 5)) AS t(g, v) ORDER BY g, v, r";
        rows(&sql.replace("{}", call)).iter().map(|r| r.rsplit('|').next().unwrap().to_string()).collect::<Vec<_>>()
    };
    let window = "OVER (PARTITION BY g ORDER BY v)";
    assert_eq!(over(&format!("row_number() {window}")), ["1", "2", "3", "1"]);
    assert_eq!(over(&format!("rank() {window}")), ["1", "2", "2", "1"]);
    assert_eq!(over(&format!("dense_rank() {window}")), ["1", "2", "2", "1"]);
    assert_eq!(over(&format!("ntile(2) {window}")), ["1", "1", "2", "1"]);
    assert_eq!(over(&format!("cume_dist() {window}")), ["0.3333333333333333", "1.0", "1.0", "1.0"]);
    assert_eq!(over(&format!("sum(v) {window}")), ["1", "5", "5", "5"]);
    assert_eq!(over("sum(v) OVER (PARTITION BY g)"), ["5", "5", "5", "5"]);
    assert_eq!(over(&format!("lag(v) {window}")), ["NULL", "1", "2", "NULL"]);
    assert_eq!(over(&format!("lead(v, 1, 0) {window}")), ["2", "0", "2", "0"]);
    let frame = "OVER (PARTITION BY g ORDER BY v ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)";
    assert_eq!(over(&format!("sum(v) {frame}")), ["1", "3", "4", "5"]);
}

#[test]
fn sub_queries_run_once() {
    assert_eq!(row("SELECT (SELECT max(id) FROM range(5)) + 1"), ["5"]);
    assert_eq!(rows("SELECT id FROM range(5) WHERE id IN (SELECT id * 2 FROM range(3))"), ["0", "2", "4"]);
    let error = World::new().rows("SELECT (SELECT id FROM range(2))").unwrap_err();
    assert!(error.starts_with("[SCALAR_SUBQUERY_TOO_MANY_ROWS]"), "{error}");
}
