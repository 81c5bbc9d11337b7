//! Functions over JSON and CSV in text: taking parts out, turning it into Spark's types and back.

use super::*;

/// A row with the common parts filled in.
const fn row(name: &'static str, params: &'static [Param], returns: Returns, doc: &'static str, example: &'static str) -> Function {
    Function { name, aliases: &[], kind: Kind::Scalar, params, repeats: None, returns, doc, example, pyspark: name }
}

const TEXT: Returns = Returns::Type(DataTypeConst::String);

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "get_json_object",
        &[p("json", TEXT_ONLY), p("path", TEXT_ONLY)],
        TEXT,
        "The part of a JSON text that a path leads to: $.name, $['name'], $[3], $[*].",
        "SELECT get_json_object('{\"a\": {\"b\": [1, 2]}}', '$.a.b[1]')",
    ),
    row(
        "from_json",
        &[p("json", Accepts::String), p("schema", Accepts::ConstantString), opt("options", Accepts::Map)],
        Returns::Special,
        "The value of a JSON text, of the type that the schema gives.",
        "SELECT from_json('{\"id\": 1, \"name\": \"ann\"}', 'id INT, name STRING')",
    ),
    row(
        "to_json",
        &[p("value", Accepts::Any), opt("options", Accepts::Map)],
        TEXT,
        "A struct, array or map as JSON text.",
        "SELECT to_json(named_struct('id', 1, 'name', 'ann'))",
    ),
    row(
        "schema_of_json",
        &[p("json", TEXT_ONLY), opt("options", Accepts::Map)],
        TEXT,
        "The type of a JSON text, spelt as from_json takes it.",
        "SELECT schema_of_json('{\"id\": 1, \"tags\": [\"x\"]}')",
    ),
    row(
        "json_array_length",
        &[p("json", TEXT_ONLY)],
        Returns::Type(DataTypeConst::Int),
        "How many elements a JSON array has.",
        "SELECT json_array_length('[1, 2, 3]')",
    ),
    row(
        "json_object_keys",
        &[p("json", TEXT_ONLY)],
        Returns::Type(DataTypeConst::StringArray),
        "The names of a JSON object's members.",
        "SELECT json_object_keys('{\"a\": 1, \"b\": 2}')",
    ),
    row(
        "from_csv",
        &[p("csv", Accepts::String), p("schema", Accepts::ConstantString), opt("options", Accepts::Map)],
        Returns::Special,
        "The fields of a line of CSV as a struct.",
        "SELECT from_csv('1,ann', 'id INT, name STRING')",
    ),
    row(
        "to_csv",
        &[p("value", Accepts::Struct), opt("options", Accepts::Map)],
        TEXT,
        "A struct as a line of CSV.",
        "SELECT to_csv(named_struct('id', 1, 'name', 'ann'))",
    ),
    row(
        "schema_of_csv",
        &[p("csv", TEXT_ONLY), opt("options", Accepts::Map)],
        TEXT,
        "The types of a line of CSV, spelt as from_csv takes them.",
        "SELECT schema_of_csv('1,ann,2.5')",
    ),
];
