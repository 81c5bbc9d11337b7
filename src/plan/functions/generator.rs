//! The generator family: rows from a row.
//!
//! What each computes stands in `engine::operator::generate`. What columns come out, and under which
//! names, is the analyzer's rule.

use super::*;

const fn row(name: &'static str, params: &'static [Param], repeats: Option<usize>, doc: &'static str, example: &'static str) -> Function {
    Function { name, aliases: &[], kind: Kind::Generator, params, repeats, returns: Returns::Special, doc, example, pyspark: name }
}

const COLLECTION: &[Param] = &[p("collection", Accepts::ArrayOrMap)];
const STRUCTS: &[Param] = &[p("input", Accepts::Array)];

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row("explode", COLLECTION, None, "a row per element of an array, or per entry of a map", "SELECT explode(array(1, 2))"),
    row(
        "explode_outer",
        COLLECTION,
        None,
        "as explode, but an empty or NULL collection gives one row of NULL",
        "SELECT explode_outer(array())",
    ),
    row("posexplode", COLLECTION, None, "as explode, with the position from 0 before it", "SELECT posexplode(array('a', 'b'))"),
    row(
        "posexplode_outer",
        COLLECTION,
        None,
        "as posexplode, but an empty or NULL collection gives one row of NULLs",
        "SELECT posexplode_outer(array())",
    ),
    row(
        "inline",
        STRUCTS,
        None,
        "a row per struct of an array, members as columns",
        "SELECT inline(array(struct(1, 'a'), struct(2, 'b')))",
    ),
    row(
        "inline_outer",
        STRUCTS,
        None,
        "as inline, but an empty or NULL array gives one row of NULLs",
        "SELECT inline_outer(array(struct(1, 'a')))",
    ),
    row(
        "stack",
        &[p("n", Accepts::ConstantInt), p("expr", Accepts::Any)],
        Some(1),
        "the expressions in n rows",
        "SELECT stack(2, 1, 2, 3)",
    ),
    row(
        "json_tuple",
        &[p("json", TEXT_ONLY), p("field", TEXT_ONLY)],
        Some(1),
        "top-level fields of a JSON object as columns of strings",
        "SELECT json_tuple('{\"a\": 1, \"b\": 2}', 'a', 'b')",
    ),
];
