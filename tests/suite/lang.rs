//! The language: what parses, what is refused and how it is said.

use eddyline::diagnostic::{Diagnostic, SourceText, draw};
use eddyline::lang::{parse_statement, split};

/// Queries of many shapes, one a line.
const QUERIES: &str = include_str!("queries.sql");

fn drawn(text: &str) -> String {
    let error = parse_statement(text).expect_err(text);
    draw(&Diagnostic::from(error), Some(&SourceText::new("<test>", text)))
}

#[test]
fn every_query_of_the_list_parses() {
    for piece in split(QUERIES) {
        let text = &QUERIES[piece.span.range()];
        if let Err(error) = parse_statement(text) {
            panic!("{}", draw(&Diagnostic::from(error), Some(&SourceText::new("<test>", text))));
        }
    }
}

#[test]
fn a_misspelt_keyword_is_named() {
    assert_eq!(
        drawn("SELEC user FROM STREAM events"),
        "error [PARSE_SYNTAX_ERROR]: `SELEC` is no keyword\n   1 │ SELEC user FROM STREAM events\n     │ ^^^^^ did you mean SELECT?\n"
    );
}
