//! Conditions: comparison, logic, tests for NULL and NaN, and choices between values.

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
    pyspark: &'static str,
) -> Function {
    Function { name, aliases, kind: Kind::Scalar, params, repeats: None, returns, doc, example, pyspark }
}

const BOOLEAN: Returns = Returns::Type(T::Boolean);
const ONE: &[Param] = &[p("expr", Accepts::Any)];
const PAIR: &[Param] = &[p("expr1", Accepts::Common), p("expr2", Accepts::Common)];
const LOGIC: &[Param] = &[p("expr1", Accepts::Boolean), p("expr2", Accepts::Boolean)];

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row("=", &["=="], PAIR, BOOLEAN, "Whether the two are equal; NULL if either is NULL.", "SELECT 2 = 2", "=="),
    row("<=>", &[], PAIR, BOOLEAN, "Whether the two are equal, where NULL equals NULL; never NULL.", "SELECT NULL <=> NULL", "eqNullSafe"),
    row("!=", &["<>"], PAIR, BOOLEAN, "Whether the two differ; NULL if either is NULL.", "SELECT 1 != 2", "!="),
    row("<", &[], PAIR, BOOLEAN, "Whether the first is less.", "SELECT 1 < 2", "<"),
    row("<=", &[], PAIR, BOOLEAN, "Whether the first is less or equal.", "SELECT 2 <= 2", "<="),
    row(">", &[], PAIR, BOOLEAN, "Whether the first is greater; NaN is greater than any number.", "SELECT 2 > 1", ">"),
    row(">=", &[], PAIR, BOOLEAN, "Whether the first is greater or equal.", "SELECT 2 >= 2", ">="),
    row(
        "and",
        &[],
        LOGIC,
        Returns::Special,
        "TRUE if both are, FALSE if either is; the second is evaluated only where the first is not FALSE.",
        "SELECT true AND false",
        "&",
    ),
    row(
        "or",
        &[],
        LOGIC,
        Returns::Special,
        "TRUE if either is, FALSE if both are; the second is evaluated only where the first is not TRUE.",
        "SELECT true OR false",
        "|",
    ),
    row("not", &["!"], &[p("expr", Accepts::Boolean)], BOOLEAN, "The opposite; NULL stays NULL.", "SELECT NOT true", "~"),
    row(
        "between",
        &[],
        ONE,
        Returns::Special,
        "Whether a value lies between two others, both included.",
        "SELECT 2 BETWEEN 1 AND 3",
        "between",
    ),
    row("in", &[], ONE, Returns::Special, "Whether a value equals one of a list.", "SELECT 1 IN (1, 2, 3)", "isin"),
    row("isnull", &[], ONE, BOOLEAN, "Whether the value is NULL.", "SELECT isnull(1)", "isnull"),
    row("isnotnull", &[], ONE, BOOLEAN, "Whether the value is not NULL.", "SELECT isnotnull(1)", "isnotnull"),
    row(
        "isnan",
        &[],
        &[p("expr", Accepts::Numeric)],
        BOOLEAN,
        "Whether the value is NaN; FALSE for NULL.",
        "SELECT isnan(double('NaN'))",
        "isnan",
    ),
    row(
        "nanvl",
        &[],
        &[p("expr1", Accepts::Double), p("expr2", Accepts::Double)],
        Returns::Type(T::Double),
        "The first value, or the second where the first is NaN.",
        "SELECT nanvl(double('NaN'), 123)",
        "nanvl",
    ),
    row(
        "equal_null",
        &[],
        PAIR,
        BOOLEAN,
        "Whether the two are equal, where NULL equals NULL.",
        "SELECT equal_null(NULL, NULL)",
        "equal_null",
    ),
    row(
        "coalesce",
        &[],
        ONE,
        Returns::Special,
        "The first value that is not NULL; later ones are not evaluated.",
        "SELECT coalesce(NULL, 1)",
        "coalesce",
    ),
    row(
        "nvl",
        &["ifnull"],
        PAIR,
        Returns::Special,
        "The first value, or the second where the first is NULL.",
        "SELECT nvl(NULL, 2)",
        "nvl",
    ),
    row(
        "nvl2",
        &[],
        ONE,
        Returns::Special,
        "The second value where the first is not NULL, else the third.",
        "SELECT nvl2(NULL, 2, 1)",
        "nvl2",
    ),
    row("nullif", &[], PAIR, Returns::Special, "The first value, or NULL where it equals the second.", "SELECT nullif(2, 2)", "nullif"),
    row("nullifzero", &[], ONE, Returns::Special, "The value, or NULL where it is 0.", "SELECT nullifzero(0)", "nullifzero"),
    row("zeroifnull", &[], ONE, Returns::Special, "The value, or 0 where it is NULL.", "SELECT zeroifnull(NULL)", "zeroifnull"),
    row(
        "if",
        &[],
        ONE,
        Returns::Special,
        "The second value where the first is TRUE, else the third.",
        "SELECT if(1 < 2, 'a', 'b')",
        "when",
    ),
    row(
        "case",
        &["when"],
        ONE,
        Returns::Special,
        "The value of the first branch whose condition is TRUE; the others are not evaluated.",
        "SELECT CASE WHEN 1 > 0 THEN 1 ELSE 2 END",
        "when",
    ),
    Function {
        name: "greatest",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("expr", Accepts::Common)],
        repeats: Some(2),
        returns: Returns::Common,
        doc: "The greatest value, NULLs left out.",
        example: "SELECT greatest(10, 9, 2, 4, 3)",
        pyspark: "greatest",
    },
    Function {
        name: "least",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("expr", Accepts::Common)],
        repeats: Some(2),
        returns: Returns::Common,
        doc: "The least value, NULLs left out.",
        example: "SELECT least(10, 9, 2, 4, 3)",
        pyspark: "least",
    },
];
