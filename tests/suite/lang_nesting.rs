//! How deep and how long a statement may be, and that no text at all makes the parser panic.

use crate::lang::QUERIES;
use eddyline::lang::lexer::highlights;
use eddyline::lang::{SyntaxError, is_complete, parse_data_type, parse_expression, parse_schema_ddl, parse_statement, split};
use proptest::prelude::*;

fn too_deep(text: &str) {
    match parse_statement(text) {
        Err(error) => assert!(matches!(*error, SyntaxError::TooDeep { .. }), "{error:?}"),
        Ok(_) => panic!("{} bytes were accepted", text.len()),
    }
}

#[test]
fn nesting_beyond_the_limit_is_an_error_and_no_overflow() {
    const DEEP: usize = 100_000;
    too_deep(&format!("SELECT {}1{}", "(".repeat(DEEP), ")".repeat(DEEP)));
    too_deep(&format!("SELECT {}", "(".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "NOT ".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "- ".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "CASE WHEN ".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "CASE ".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "f(".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "x -> ".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "a[".repeat(DEEP)));
    too_deep(&format!("SELECT a{}", "[0]".repeat(DEEP)));
    too_deep(&format!("SELECT a{}", "::INT".repeat(DEEP)));
    too_deep(&format!("SELECT f(){}", ".x".repeat(DEEP)));
    too_deep(&format!("SELECT a{}", " IS NULL".repeat(DEEP)));
    too_deep(&format!("SELECT {}1{}", "(SELECT ".repeat(DEEP), ")".repeat(DEEP)));
    too_deep(&format!("SELECT * FROM {}t", "(SELECT * FROM ".repeat(DEEP)));
    too_deep(&format!("SELECT * FROM {}t", "(".repeat(DEEP)));
    too_deep(&format!("SELECT * FROM t{}", " PIVOT (sum(a) FOR b IN (1))".repeat(DEEP)));
    too_deep(&format!("{}SELECT 1", "WITH a AS (".repeat(DEEP)));
    too_deep(&format!("SELECT CAST(a AS {}INT)", "ARRAY<".repeat(DEEP)));
    too_deep(&format!("SELECT CAST(a AS {}INT)", "STRUCT<a: ".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "CAST(".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "STRUCT(".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "a IN (".repeat(DEEP)));
    too_deep(&format!("SELECT {}a", "TRIM(BOTH FROM ".repeat(DEEP)));
}

#[test]
fn nesting_within_the_limit_is_parsed_formatted_cloned_compared_and_dropped() {
    let cases = [
        format!("SELECT {}1{}", "(".repeat(400), ")".repeat(400)),
        format!("SELECT {}a", "NOT ".repeat(400)),
        format!("SELECT {}a{}", "f(".repeat(400), ")".repeat(400)),
        format!("SELECT a{}", "[0]".repeat(400)),
        format!("SELECT a{}", "::INT".repeat(400)),
        format!("SELECT {}1{}", "(SELECT ".repeat(90), ")".repeat(90)),
        format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(90), ")".repeat(90)),
        format!("SELECT {}a{}", "CASE WHEN ".repeat(400), " THEN 1 END".repeat(400)),
    ];
    for text in cases {
        crate::lang::round_trip(&text);
    }
}

#[test]
fn long_chains_are_no_nesting() {
    let chain = |operator: &str, n: usize| format!("SELECT a{}", format!(" {operator} a").repeat(n));
    for operator in ["+", "||", "*", "AND", "OR", "=", "|"] {
        crate::lang::round_trip(&chain(operator, 5_000));
    }
    crate::lang::round_trip(&format!("SELECT a{}", " * b + a".repeat(4_000)));
    crate::lang::round_trip(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(900)));
    crate::lang::round_trip(&format!("FROM t{}", " |> WHERE a".repeat(900)));
    crate::lang::round_trip(&format!("SELECT * FROM t{}", " JOIN t".repeat(900)));
    crate::lang::round_trip(&format!("SELECT a IN (1{})", ", 1".repeat(50_000)));
    crate::lang::round_trip(&format!("SELECT CASE{} END", " WHEN a THEN b".repeat(20_000)));
    let error = parse_statement(&chain("+", 20_000)).expect_err("too long");
    assert!(matches!(*error, SyntaxError::TooLong { .. }));
    // What is long within what is long counts together.
    let inner = format!("(a{})", " + a".repeat(9_000));
    let error = parse_statement(&format!("SELECT {inner}{}", " + a".repeat(9_000))).map(|_| ());
    assert!(error.is_ok() || matches!(*error.expect_err("checked"), SyntaxError::TooLong { .. }));
}

/// Everything that reads text, on one text.
fn read(text: &str) {
    for (_, span) in highlights(text) {
        assert!(text.get(span.range()).is_some(), "{text:?}");
    }
    let _ = is_complete(text);
    for piece in split(text) {
        let _ = parse_statement(&text[piece.span.range()]);
    }
    if let Err(error) = parse_statement(text) {
        let span = error.span();
        assert!(text.get(span.range()).is_some(), "{text:?} {span:?}");
    }
    let _ = parse_expression(text);
    let _ = parse_data_type(text);
    let _ = parse_schema_ddl(text);
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("EDDY_FUZZ_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

const SOUP: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "(",
    ")",
    "(",
    ")",
    ",",
    "a",
    "b.c",
    "'x'",
    "1",
    "1.5",
    "-",
    "+",
    "*",
    "NOT",
    "AND",
    "OR",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "NULL",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "INTERVAL",
    "DAY",
    "TO",
    "HOUR",
    "CAST",
    "AS",
    "INT",
    "ARRAY",
    "<",
    ">",
    "STRUCT",
    ":",
    "|>",
    "GROUP",
    "BY",
    "ORDER",
    "JOIN",
    "ON",
    "USING",
    "STREAM",
    "WATERMARK",
    "DELAY",
    "OF",
    "OUTPUT",
    "MODE",
    "COMPLETE",
    "TRIGGER",
    "PROCESSING",
    "TIME",
    "CREATE",
    "TABLE",
    "OPTIONS",
    "OVER",
    "PARTITION",
    "EXTRACT",
    "TRIM",
    "SUBSTRING",
    "POSITION",
    "TIMESTAMPADD",
    "->",
    "=>",
    "::",
    "[",
    "]",
    ".",
    ";",
    "=",
    "/*+ A */",
    "`q`",
    "VALUES",
    "WITH",
    "UNION",
    "ALL",
    "EXCEPT",
    "LATERAL",
    "VIEW",
    "PIVOT",
    "FOR",
    "SET",
    "DATE",
    "X",
    "EXISTS",
    "DISTINCT",
    "ROLLUP",
    "GROUPING",
    "SETS",
    "ESCAPE",
    "é",
];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,80}") {
        read(&text);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_row_of_tokens_is_read_without_panic(words in prop::collection::vec(prop::sample::select(SOUP), 0..40)) {
        read(&words.join(" "));
    }

    #[test]
    fn any_damaged_query_is_read_without_panic(line in 0usize..10_000, cut in 0usize..10_000, length in 0usize..12, put in prop::sample::select(SOUP)) {
        let lines: Vec<&str> = QUERIES.lines().collect();
        let mut text: Vec<char> = lines[line % lines.len()].chars().collect();
        let from = cut % (text.len() + 1);
        let to = (from + length).min(text.len());
        text.splice(from..to, put.chars());
        read(&text.into_iter().collect::<String>());
    }
}
