//! The window family: a value from a row's place in its window; needs OVER and bounded input.
//!
//! What each computes stands in `engine::operator::window`. Aggregates work over windows too.

use super::*;
use DataTypeConst as T;

const fn row(name: &'static str, params: &'static [Param], returns: Returns, doc: &'static str, example: &'static str) -> Function {
    Function { name, aliases: &[], kind: Kind::Window, params, repeats: None, returns, doc, example, pyspark: name }
}

const SHIFT: &[Param] = &[p("input", Accepts::Common), opt("offset", Accepts::Int), opt("default", Accepts::Common)];

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "row_number",
        &[],
        Returns::Type(T::Int),
        "the row's number, from 1",
        "SELECT a, row_number() OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "rank",
        &[],
        Returns::Type(T::Int),
        "one more than the rows before; equal rows share it",
        "SELECT a, rank() OVER (ORDER BY a) FROM VALUES (1), (1) AS t(a)",
    ),
    row(
        "dense_rank",
        &[],
        Returns::Type(T::Int),
        "rank without gaps",
        "SELECT a, dense_rank() OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "percent_rank",
        &[],
        Returns::Type(T::Double),
        "rank as a share from 0 to 1",
        "SELECT a, percent_rank() OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "cume_dist",
        &[],
        Returns::Type(T::Double),
        "the share of rows not after this one",
        "SELECT a, cume_dist() OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "ntile",
        &[opt("n", Accepts::ExactConstantInt)],
        Returns::Type(T::Int),
        "which of n equal parts the row is in",
        "SELECT a, ntile(2) OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)",
    ),
    row("lag", SHIFT, Returns::Same(0), "the value of an earlier row", "SELECT a, lag(a) OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)"),
    row("lead", SHIFT, Returns::Same(0), "the value of a later row", "SELECT a, lead(a) OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)"),
    row(
        "counter_diff",
        &[p("value", Accepts::Number), opt("startTime", Accepts::Exact(&[T::Timestamp, T::TimestampNtz]))],
        Returns::Same(0),
        "how much a counter grew since the row before; NULL where it began anew",
        "SELECT a, counter_diff(b) OVER (ORDER BY a) FROM VALUES (1, 10), (2, 25), (3, 4) AS t(a, b)",
    ),
    row(
        "nth_value",
        &[p("input", Accepts::Any), p("offset", Accepts::Int), opt("ignoreNulls", Accepts::Boolean)],
        Returns::Same(0),
        "the value of the frame's n-th row",
        "SELECT a, nth_value(a, 2) OVER (ORDER BY a) FROM VALUES (1), (2) AS t(a)",
    ),
];
