//! What Spark calls arguments that do not fit a function, where that is not `UNEXPECTED_INPUT_TYPE`.

/// The condition for argument `index` (from 0) of the function of that canonical name.
pub fn misfit(function: &str, index: usize) -> &'static str {
    match (function, index) {
        ("array_union" | "array_except" | "array_intersect" | "arrays_overlap", _) => "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES",
        ("array_insert" | "array_remove" | "array_contains" | "array_position" | "array_append" | "array_prepend", 0) => {
            "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES"
        }
        ("map_contains_key", _) => "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES",
        ("element_at" | "try_element_at", 1) => "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES",
        ("map_concat", _) => "DATATYPE_MISMATCH.MAP_CONCAT_DIFF_TYPES",
        ("sequence", _) => "DATATYPE_MISMATCH.SEQUENCE_WRONG_INPUT_TYPES",
        ("json_tuple", _) => "DATATYPE_MISMATCH.NON_STRING_TYPE",
        ("to_csv", 0) => "DATATYPE_MISMATCH.UNSUPPORTED_INPUT_TYPE",
        ("to_json", 0) => "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
        ("to_json" | "to_csv" | "schema_of_json" | "schema_of_csv", 1) => "INVALID_OPTIONS.NON_MAP_FUNCTION",
        ("to_binary" | "try_to_binary", 1) => "DATATYPE_MISMATCH.INVALID_ARG_VALUE",
        ("ceil" | "floor", 1) => "NON_FOLDABLE_ARGUMENT",
        ("extract", 0) => "NON_FOLDABLE_ARGUMENT",
        _ => "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
    }
}

/// Whether a bare NULL does not fit argument `index`: its type says nothing about the result's.
pub fn refuses_null(function: &str, index: usize) -> bool {
    match function {
        "array_union" | "array_except" | "array_intersect" | "arrays_overlap" => true,
        "map_contains_key" | "element_at" | "try_element_at" => true,
        "array_insert" | "array_remove" | "array_position" | "array_append" | "array_prepend" | "array_contains" => index == 0,
        "get" | "flatten" | "map_from_entries" | "collect_union" | "vector_sum" | "vector_avg" => index == 0,
        "to_json" | "to_csv" | "schema_of_json" | "schema_of_csv" | "ceil" | "floor" => index == 1,
        name => name.starts_with("vector_"),
    }
}
