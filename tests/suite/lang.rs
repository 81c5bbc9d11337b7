//! The language: what parses, what is refused and how it is said.

use eddyline::diagnostic::{Diagnostic, SourceText, draw};
use eddyline::lang::ast::Statement;
use eddyline::lang::keywords::{KEYWORDS, quote_name};
use eddyline::lang::{SyntaxError, parse_expression, parse_schema_ddl, parse_statement, split};

/// Queries of many shapes, one a line.
pub(crate) const QUERIES: &str = include_str!("queries.sql");

/// The statement that `text` is; panics with the drawn message where it is none.
pub(crate) fn parsed(text: &str) -> Statement {
    match parse_statement(text) {
        Ok(statement) => statement,
        Err(error) => panic!("{}\n{text}", draw(&Diagnostic::from(error), Some(&SourceText::new("<test>", text)))),
    }
}

/// Parses, formats, parses again: the trees must be equal, and formatting again must change nothing.
pub(crate) fn round_trip(text: &str) -> String {
    let first = parsed(text);
    let formatted = first.to_string();
    let second = parsed(&formatted);
    assert!(first.clone() == second, "{text}\nbecame\n{formatted}");
    assert_eq!(formatted, second.to_string());
    formatted
}

fn drawn(text: &str) -> String {
    let error = parse_statement(text).map(|s| s.to_string()).expect_err(text);
    draw(&Diagnostic::from(error), Some(&SourceText::new("<test>", text)))
}

fn condition(text: &str) -> &'static str {
    parse_statement(text).map(|s| s.to_string()).expect_err(text).condition()
}

/// The expression with every pair of parentheses that its tree has no need of left out.
fn expression(text: &str) -> String {
    let first = parse_expression(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let formatted = first.to_string();
    assert_eq!(parse_expression(&formatted).as_ref(), Ok(&first), "{text} became {formatted}");
    formatted
}

#[test]
fn every_query_of_the_list_survives_formatting() {
    for piece in split(QUERIES) {
        round_trip(&QUERIES[piece.span.range()]);
    }
}

#[test]
fn statements_survive_formatting() {
    for (text, formatted) in [
        (
            "create stream lines using socket options (host 'localhost', port 9999);",
            "CREATE STREAM lines USING socket OPTIONS (host 'localhost', port '9999')",
        ),
        (
            "CREATE OR REPLACE STREAM IF NOT EXISTS s (ts TIMESTAMP, m MAP<STRING, ARRAY<INT>> COMMENT 'x', d DECIMAL(10, 2) NOT NULL) USING rate-micro-batch OPTIONS ('a.b' = true, \"c d\" -1.5)",
            "CREATE OR REPLACE STREAM IF NOT EXISTS s (ts TIMESTAMP, m MAP<STRING, ARRAY<INT>>, d DECIMAL(10,2)) USING rate-micro-batch OPTIONS (a.b 'true', 'c d' '-1.5')",
        ),
        ("CREATE TABLE t AS SELECT 1", "CREATE TABLE t AS SELECT 1"),
        ("CREATE TEMP VIEW v AS FROM STREAM s |> WHERE a", "CREATE TEMPORARY VIEW v AS FROM STREAM s |> WHERE a"),
        (
            "CREATE TEMPORARY FUNCTION f(x INT, y STRUCT<a: INT, b: STRING>) RETURNS INT RETURN x + 1",
            "CREATE TEMPORARY FUNCTION f(x INT, y STRUCT<a: INT, b: STRING>) RETURNS INT RETURN x + 1",
        ),
        ("DROP STREAM IF EXISTS s", "DROP STREAM IF EXISTS s"),
        (
            "START QUERY q AS SELECT 1 CHECKPOINT '/tmp/c' TRIGGER PROCESSING TIME INTERVAL 2 SECONDS OUTPUT MODE update INTO parquet OPTIONS (path '/x') PARTITIONED BY (a, b)",
            "START q AS SELECT 1 INTO parquet OPTIONS (path '/x') PARTITIONED BY (a, b) OUTPUT MODE UPDATE TRIGGER PROCESSING TIME '2 seconds' CHECKPOINT '/tmp/c'",
        ),
        (
            "SELECT 1 OUTPUT MODE batch OVER LAST '60 seconds' EVERY '500 milliseconds'",
            "SELECT 1 OUTPUT MODE BATCH OVER LAST '60 seconds' EVERY '500 milliseconds'",
        ),
        ("SELECT 1 TRIGGER AVAILABLE NOW", "SELECT 1 TRIGGER AVAILABLE NOW"),
        ("SELECT 1 TRIGGER EVERY 10 ROWS", "SELECT 1 TRIGGER EVERY 10 ROWS"),
        ("SELECT 1 TRIGGER CONTINUOUS '1 second'", "SELECT 1 TRIGGER CONTINUOUS '1 seconds'"),
        ("SHOW FUNCTIONS LIKE 'a*'", "SHOW FUNCTIONS LIKE 'a*'"),
        ("desc function extended explode", "DESCRIBE FUNCTION EXTENDED explode"),
        ("DESCRIBE query", "DESCRIBE `query`"),
        ("DESCRIBE QUERY q", "DESCRIBE QUERY q"),
        ("EXPLAIN EXTENDED SELECT 1 OUTPUT MODE append", "EXPLAIN EXTENDED SELECT 1 OUTPUT MODE APPEND"),
        ("STOP ALL", "STOP ALL"),
        ("PAUSE q", "PAUSE q"),
        ("AWAIT q TIMEOUT '1 minute'", "AWAIT q TIMEOUT '60 seconds'"),
        ("SET spark.sql.session.timeZone = 'UTC'", "SET spark.sql.session.timeZone = 'UTC'"),
        ("SET spark.sql.session.timeZone=America/Los_Angeles ;", "SET spark.sql.session.timeZone = 'America/Los_Angeles'"),
        ("SET a.b", "SET a.b"),
        ("SET", "SET"),
        ("RESET a-b.c", "RESET `a-b`.c"),
        ("SOURCE 'a.sql'", "SOURCE 'a.sql'"),
        ("STEP q 3", "STEP"),
        ("ALTER QUERY q AS SELECT 1", "ALTER QUERY q AS SELECT 1"),
        ("crash q after sink", "CRASH q AFTER SINK"),
        ("INFER SCHEMA FROM STREAM s LIMIT 10", "INFER SCHEMA FROM s LIMIT 10"),
        ("EXPORT q TO 'x.py'", "EXPORT"),
    ] {
        assert_eq!(round_trip(text), formatted);
    }
}

#[test]
fn queries_survive_formatting() {
    for text in [
        "SELECT ALL a, b AS c, t.*, * EXCEPT (a, b.c) FROM t",
        "SELECT /*+ REPARTITION(3), BROADCAST(t) COALESCE(1) */ DISTINCT a FROM t",
        "SELECT a FROM t LEFT OUTER JOIN u USING (a, b) NATURAL FULL JOIN v CROSS JOIN w ANTI JOIN x ON a = b",
        "SELECT a FROM (t JOIN u ON a = b) AS j, LATERAL (SELECT 1) AS l, LATERAL explode(xs) AS e(x), range(10) r",
        "SELECT a FROM STREAM t TABLESAMPLE (10 PERCENT) REPEATABLE (5) WATERMARK ts AS et DELAY OF INTERVAL '1 12' DAY TO HOUR AS x(y, z)",
        "SELECT a FROM stream JOIN stream AS b",
        "SELECT a FROM STREAM(events) e",
        "SELECT a, count(*) FROM t GROUP BY ALL HAVING count(*) > 1 QUALIFY row_number() OVER (PARTITION BY a ORDER BY b DESC NULLS LAST) = 1",
        "SELECT a FROM t GROUP BY a, ROLLUP (b, (c, d))",
        "SELECT a FROM t GROUP BY a, b WITH CUBE",
        "SELECT a FROM t GROUP BY a, b GROUPING SETS ((a, b), a, ())",
        "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT ALL (SELECT 4 ORDER BY 1 LIMIT 1) MINUS SELECT 5 ORDER BY 1 LIMIT ALL OFFSET 3",
        "VALUES (1, 'a'), (2, 'b') AS t(id, name)",
        "VALUES 1, (SELECT 2)",
        "SELECT * FROM VALUES (1, 'a') AS t(a, b) WHERE a > 0",
        "TABLE t |> WHERE a",
        "FROM t, u SELECT a WHERE b GROUP BY c ORDER BY d LIMIT 3",
        "FROM t LATERAL VIEW OUTER explode(xs) v AS x, y SELECT x",
        "SELECT a FROM t PIVOT (sum(a) AS s, avg(b) FOR (c, d) IN ((1, 2) AS x, (3, 4))) AS p",
        "SELECT a FROM t UNPIVOT INCLUDE NULLS ((a, b) FOR n IN ((c, d) AS x, (e, f))) u",
        "FROM t |> EXTEND a + 1 AS b |> SET a = 2, b = 3 |> DROP c, d |> AS u |> AGGREGATE GROUP BY a AS x, b |> AGGREGATE sum(a) |> LEFT JOIN v ON a = b",
        "FROM t |> UNION ALL (SELECT 1) |> INTERSECT TABLE u |> ORDER BY a LIMIT 5 OFFSET 2 |> SORT BY b |> TABLESAMPLE (5 ROWS) |> PIVOT (sum(a) FOR b IN (1, 2))",
        "FROM t |> LATERAL VIEW explode(x) v AS y |> DEDUPLICATE ON (a, b) WITHIN WATERMARK |> DEDUPLICATE |> STATEFUL BY a STATE (n BIGINT = 0) UPDATE SET n = n + 1 EMIT a |> WHERE a",
        "WITH a AS (SELECT 1), b(x, y) AS (SELECT 2, 3) SELECT * FROM a JOIN b",
        "(SELECT 1) UNION ALL (SELECT 2) LIMIT 1",
        "((SELECT 1) UNION ALL (SELECT 2))",
        "SELECT ((SELECT 1) + 2) * 3, ((SELECT 1)), a IN ((SELECT 1)), a IN ((SELECT 1), 2)",
        "SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING), sum(a) OVER (RANGE CURRENT ROW), sum(a) OVER ()",
        "SELECT user, value, key, timestamp, date, window, n, end, start, action, level, at, source, stream, query, mode, first, last, left, right, order, group FROM t",
        "SELECT a value, b key, c end FROM t window",
        "SELECT 1 AS `from`, `a``b`.`select`, `1a`, `é` FROM `order`",
        "SELECT a FROM t WHERE NOT EXISTS (SELECT 1) AND exists(xs, x -> x > 0)",
    ] {
        round_trip(text);
    }
}

#[test]
fn precedence_is_sparks() {
    for (text, formatted) in [
        ("a OR b AND NOT c = d", "a OR b AND NOT c = d"),
        ("(a OR b) AND c", "(a OR b) AND c"),
        ("a AND b AND c AND d", "a AND b AND c AND d"),
        ("a AND (b AND c)", "a AND (b AND c)"),
        ("(a AND b) AND c", "a AND b AND c"),
        ("1 + 2 * 3 - (4 - 5)", "1 + 2 * 3 - (4 - 5)"),
        ("a | b ^ c & d << 1 + 2", "a | b ^ c & d << 1 + 2"),
        ("a >> 2 >>> 3", "a >> 2 >>> 3"),
        ("a > b", "a > b"),
        ("a == b != c", "a = b <> c"),
        ("a = b IS NULL", "a = b IS NULL"),
        ("(a IS NULL) = b", "(a IS NULL) = b"),
        ("NOT a IN (1, 2) OR b NOT BETWEEN 1 AND 2", "NOT a IN (1, 2) OR b NOT BETWEEN 1 AND 2"),
        (
            "a LIKE ANY ('x', 'y') AND b NOT RLIKE 'z' AND c ILIKE 'w' ESCAPE '/'",
            "a LIKE ANY ('x', 'y') AND b NOT RLIKE 'z' AND c ILIKE 'w' ESCAPE '/'",
        ),
        ("a IS NOT DISTINCT FROM b AND c IS UNKNOWN", "a IS NOT DISTINCT FROM b AND c IS UNKNOWN"),
        ("-a + -1 - -(1) - - b", "-a + -1 - -(1) - -b"),
        ("1 -1", "1 - 1"),
        ("- - a", "-(-a)"),
        ("-2147483648", "-2147483648"),
        ("-9223372036854775808", "-9223372036854775808L"),
        ("a::INT::STRING", "CAST(CAST(a AS INT) AS STRING)"),
        ("split(s, ',')[0].x", "split(s, ',')[0].x"),
        ("(a).b", "(a).b"),
        ("transform(xs, x -> x + 1)", "transform(xs, x -> x + 1)"),
        ("aggregate(xs, 0, (a, x) -> a + x, a -> a)", "aggregate(xs, 0, (a, x) -> a + x, a -> a)"),
        ("extract(DAY FROM ts)", "extract('DAY', ts)"),
        ("substring(a FROM 2 FOR 3)", "substring(a, 2, 3)"),
        ("position('a' IN b)", "position('a', b)"),
        ("trim(BOTH 'x' FROM a)", "btrim(a, 'x')"),
        ("trim(LEADING 'x' FROM a)", "ltrim('x', a)"),
        ("trim(TRAILING FROM a)", "rtrim(a)"),
        ("trim(a)", "trim(a)"),
        ("overlay(a PLACING 'b' FROM 2)", "overlay(a, 'b', 2)"),
        ("timestampdiff(MINUTE, a, b)", "timestampdiff('MINUTE', a, b)"),
        ("dateadd(day, 1)", "dateadd(day, 1)"),
        ("struct(a, b AS c, d + 1)", "named_struct('a', a, 'c', b, 'col3', d + 1)"),
        ("struct(a, b)", "struct(a, b)"),
        ("first(x IGNORE NULLS)", "first(x) IGNORE NULLS"),
        ("f(DISTINCT a, b => 1)", "f(DISTINCT a, b => 1)"),
        (
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY a DESC) FILTER (WHERE b)",
            "percentile_cont(0.5) WITHIN GROUP (ORDER BY a DESC) FILTER (WHERE b)",
        ),
        ("INTERVAL 5 MINUTES 3 seconds", "INTERVAL 5 MINUTE 3 SECOND"),
        ("INTERVAL '1-2' YEAR TO MONTH", "INTERVAL '1-2' YEAR TO MONTH"),
        ("INTERVAL -'5' DAY", "INTERVAL -'5' DAY"),
        ("INTERVAL '5 minutes'", "INTERVAL '5 minutes'"),
        ("interval + 1", "`interval` + 1"),
        ("DATE'2024-2-9'", "DATE'2024-02-09'"),
        ("TIMESTAMP '2024-02-29 01:02:03'", "TIMESTAMP'2024-02-29 01:02:03'"),
        ("TIMESTAMP_NTZ'2024-02-29'", "TIMESTAMP_NTZ'2024-02-29 00:00:00.000000'"),
        ("x'6869'", "X'6869'"),
        ("1.50 + 1e3 + 5. + .5 + 1L + 2S + 3Y + 1.5F + 2D + 7BD", "1.50 + 1000.0D + 5BD + 0.5 + 1L + 2S + 3Y + 1.5F + 2.0D + 7BD"),
        ("'a' 'b'", "'ab'"),
        ("'it''s' || \"x\" || r'\\n'", "'it\\'s' || 'x' || '\\\\n'"),
        (":limit + current_date", ":`limit` + current_date"),
        ("(a, b) = (1, 2)", "(a, b) = (1, 2)"),
        ("CASE a WHEN 1 THEN 2 ELSE 3 END + CASE WHEN b THEN c END", "CASE a WHEN 1 THEN 2 ELSE 3 END + CASE WHEN b THEN c END"),
        ("left(a, 1) || right(b, 2) || if(a, b, c) || date(d)", "left(a, 1) || right(b, 2) || if(a, b, c) || date(d)"),
        ("timestamp - interval '1' day", "timestamp - INTERVAL '1' DAY"),
    ] {
        assert_eq!(expression(text), formatted, "{text}");
    }
}

#[test]
fn every_keyword_can_be_a_quoted_name_and_an_alias() {
    for (word, _, _) in KEYWORDS {
        round_trip(&format!("SELECT {0}, t.{word} AS {word} FROM {0} AS {word}", quote_name(word)));
        round_trip(&format!("SELECT `{word}`(a), `{word}` FROM STREAM `{word}`"));
        let _ = parse_statement(&format!("SELECT {word} {word} {word}"));
    }
}

#[test]
fn conditions_are_sparks() {
    for (text, expected) in [
        ("SELEC 1", "PARSE_SYNTAX_ERROR"),
        ("SELECT CAST(a AS DECIMAL(40, 2))", "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION"),
        ("SELECT CAST(a AS FROBNICATE)", "UNSUPPORTED_DATATYPE"),
        ("SELECT DATE'2024-02-30'", "INVALID_TYPED_LITERAL"),
        ("SELECT TIMESTAMP'noon'", "INVALID_TYPED_LITERAL"),
        ("SELECT X'0G'", "INVALID_TYPED_LITERAL"),
        ("SELECT INTERVAL 'abc'", "INVALID_TYPED_LITERAL"),
        ("SELECT 200Y", "INVALID_NUMERIC_LITERAL_RANGE"),
        ("SELECT 1 TRIGGER PROCESSING TIME '5 fortnights'", "INVALID_INTERVAL_FORMAT.INVALID_UNIT"),
        ("SELECT INTERVAL 5 FORTNIGHTS", "PARSE_SYNTAX_ERROR"),
        ("-- nothing", "PARSE_EMPTY_STATEMENT"),
    ] {
        assert_eq!(condition(text), expected, "{text}");
    }
    assert_eq!(parse_schema_ddl("a INTT").map_err(|e| e.condition()), Err("PARSE_SYNTAX_ERROR"));
    assert_eq!(parse_schema_ddl("a INT, b ARRAY<STRUCT<c: INT>>").map(|f| f.len()), Ok(2));
    assert_eq!(parse_schema_ddl("STRUCT<a: INT, b: INT>").map(|f| f.len()), Ok(2));
    assert!(std::mem::size_of::<Result<(), Box<SyntaxError>>>() == std::mem::size_of::<usize>());
}

#[test]
fn mistakes_are_drawn_with_what_to_do() {
    let all: Vec<String> = MISTAKES.iter().map(|text| drawn(text)).collect();
    insta::assert_snapshot!("mistakes", all.join("\n"));
}

const MISTAKES: &[&str] = &[
    "SELEC user FROM STREAM events",
    "SELECT FROM STREAM events WHERE",
    "FROM STREAM events |> SELECT user |> DISTINCT",
    "FROM STREAM events |> RENAME a AS b",
    "FROM STREAM events |> FROBNICATE user",
    "FROM STREAM events |> SELEC user",
    "SELECT e.user FROM STREAM events AS e WATERMARK ts DELAY OF INTERVAL 5 SECONDS",
    "SELECT ts + INTERVAL 5 FORTNIGHTS AS t FROM STREAM events",
    "SELECT ts + INTERVAL 5 SECNDS AS t FROM STREAM events",
    "SELECT a, b, FROM t",
    "SELECT a b c FROM t",
    "SELECT (a + 1 FROM t",
    "SELECT a FORM t",
    "SELECT a FROM t GROUP BY a WHERE b > 1",
    "SELECT a FROM t WERE a > 1",
    "SELECT a FROM t GRUOP BY a",
    "SELECT a FROM t OUTPUT MODE complet",
    "SELECT a FROM t OUTPUT complete",
    "SELECT a FROM t OUTPT MODE complete",
    "SELECT a FROM t OUTPUT MODE append OUTPUT MODE update",
    "SELECT a FROM t TRIGGER PROCESSING '2 seconds'",
    "SELECT a FROM t TRIGGER EVERY 0 ROWS",
    "SELECT a FROM t OUTPUT MODE append WHERE a",
    "CREATE STREM x USING y",
    "CREATE STREAM x OPTIONS (a 1)",
    "SELECT count(* FROM t",
    "SELECT a FROM t WHERE a => 1",
    "SELECT 'abc FROM t",
    "SELECT `abc FROM t",
    "SELECT 1 /* abc",
    "SELECT a FROM t;\nSELECT b",
    "SELECT a FROM t CREATE STREAM x USING y",
    "SELECT CAST(a AS DECIMA)",
    "SELECT CAST(a AS DECIMAL(5, 7))",
    "SELECT CAST(a AS VARIANT)",
    "SELECT DATE'2024-13-01'",
    "SELECT 300Y",
    "SELECT a FROM t)",
    "SELECT é FROM t",
    "SELECT a FROM t ORDER BY a SORT BY a",
    "SELECT 1 FROM t WINDOW w AS (), w AS ()",
    "",
    "CREATE STREAM s USING socket OPTIONS (host)",
    "DROP x",
    "SELECT a FROM t TRIGGER PROCESSING TIME 'abc'",
    "SELECT § FROM t",
    "SELECT CASE WHEN a THEN b FROM t",
    "SELECT a FROM t WHERE",
    "SELECT a FROM",
    "INSERT INTO t VALUES (1)",
    "SELECT a FROM t LIMIT 5 WHERE a",
    "SELECT a LIKE 'x' ESCAPE 'ab'",
];
