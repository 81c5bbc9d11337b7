//! Windows over event time: `window`, `session_window` and what is computed from them.
//!
//! The first two become plan nodes in `plan::analyze::time_window`; only `window_time` has a kernel.

use super::*;

const fn row(name: &'static str, params: &'static [Param], doc: &'static str, example: &'static str) -> Function {
    Function { name, aliases: &[], kind: Kind::Scalar, params, repeats: None, returns: Returns::Special, doc, example, pyspark: name }
}

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "window",
        &[
            p("time_column", Accepts::AnyTimestamp),
            p("window_duration", Accepts::ConstantString),
            opt("slide_duration", Accepts::ConstantString),
            opt("start_time", Accepts::ConstantString),
        ],
        "the time window of the row: a struct of start and end; rows multiply where windows overlap",
        "SELECT window(TIMESTAMP'2024-01-01 10:00:07', '10 seconds').start",
    ),
    row(
        "session_window",
        &[p("time_column", Accepts::AnyTimestamp), p("gap_duration", Accepts::Any)],
        "the session of the row: rows nearer to each other than the gap share one",
        "SELECT count(*) FROM VALUES (TIMESTAMP'2024-01-01 10:00:07') AS t(ts) GROUP BY session_window(ts, '5 minutes')",
    ),
    row(
        "window_time",
        &[p("window_column", Accepts::Struct)],
        "the last microsecond of a window: its event time in a further window",
        "SELECT window_time(window(TIMESTAMP'2024-01-01 10:00:07', '10 seconds'))",
    ),
];
