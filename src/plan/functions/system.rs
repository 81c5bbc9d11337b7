//! Functions about types, the session and the run; errors on purpose.

use super::*;
use DataTypeConst as T;

/// A row of this family.
const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    params: &'static [Param],
    returns: Returns,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function { name, aliases, kind: Kind::Scalar, params, repeats: None, returns, doc, example, pyspark: name }
}

const TEXT: Returns = Returns::Type(T::String);
const VOID: Returns = Returns::Rule(|_| DataType::Void);

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row("typeof", &[], &[p("expr", Accepts::Any)], TEXT, "The name of the value's type.", "SELECT typeof(1)"),
    row("current_user", &["user", "session_user"], &[], TEXT, "The user's name.", "SELECT current_user() IS NOT NULL"),
    row("current_database", &["current_schema"], &[], TEXT, "The current database, always default.", "SELECT current_database()"),
    row("current_catalog", &[], &[], TEXT, "The current catalog, always spark_catalog.", "SELECT current_catalog()"),
    row("current_timezone", &[], &[], TEXT, "The session's time zone.", "SELECT current_timezone()"),
    row("version", &[], &[], TEXT, "The program's name and version.", "SELECT version() IS NOT NULL"),
    row("input_file_name", &[], &[], TEXT, "The name of the file being read, empty where it is not known.", "SELECT input_file_name()"),
    row("spark_partition_id", &[], &[], Returns::Type(T::Int), "The partition, always 0.", "SELECT spark_partition_id()"),
    row(
        "monotonically_increasing_id",
        &[],
        &[],
        Returns::Type(T::BigInt),
        "A number that grows from row to row of a batch.",
        "SELECT monotonically_increasing_id()",
    ),
    row("uuid", &[], &[opt("seed", Accepts::Integral)], TEXT, "A random universally unique identifier.", "SELECT length(uuid())"),
    row(
        "assert_true",
        &[],
        &[p("expr", FLAG_ONLY), opt("message", Accepts::String)],
        VOID,
        "NULL where the condition is TRUE, else an error.",
        "SELECT assert_true(0 < 1)",
    ),
    row(
        "raise_error",
        &[],
        &[p("message", Accepts::String)],
        VOID,
        "An error with that message.",
        "SELECT if(1 > 0, 'fine', raise_error('no'))",
    ),
];
