//! Functions over maps.

use super::*;
use crate::types::Field;

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "map",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[opt("key", Accepts::Any), opt("value", Accepts::Any)],
        repeats: Some(0),
        returns: Returns::Special,
        doc: "A map of keys and values in turn; keys get their common type, and so do values.",
        example: r#"SELECT map(1.0, '2', 3.0, '4')"#,
        pyspark: "create_map",
    },
    Function {
        name: "map_from_arrays",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("keys", Accepts::Array), p("values", Accepts::Array)],
        repeats: None,
        returns: Returns::Rule(|types| DataType::map(element(&types[0]), element(&types[1]))),
        doc: "A map of an array of keys and an array of values.",
        example: r#"SELECT map_from_arrays(array(1.0, 3.0), array('2', '4'))"#,
        pyspark: "map_from_arrays",
    },
    Function {
        name: "map_from_entries",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("entries", Accepts::Array)],
        repeats: None,
        returns: Returns::Rule(|types| DataType::map(member(&types[0], 0), member(&types[0], 1))),
        doc: "A map of an array of key-value structs.",
        example: r#"SELECT map_from_entries(array(struct(1, 'a'), struct(2, 'b')))"#,
        pyspark: "map_from_entries",
    },
    Function {
        name: "map_concat",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[opt("map", Accepts::Common)],
        repeats: Some(0),
        returns: Returns::Rule(|types| types.first().cloned().unwrap_or(DataType::map(DataType::String, DataType::String))),
        doc: "One map of the entries of all.",
        example: r#"SELECT map_concat(map(1, 'a', 2, 'b'), map(3, 'c'))"#,
        pyspark: "map_concat",
    },
    Function {
        name: "map_keys",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map)],
        repeats: None,
        returns: Returns::Rule(|types| DataType::array(member(&types[0], 0))),
        doc: "The keys of a map.",
        example: r#"SELECT map_keys(map(1, 'a', 2, 'b'))"#,
        pyspark: "map_keys",
    },
    Function {
        name: "map_values",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map)],
        repeats: None,
        returns: Returns::Rule(|types| DataType::array(member(&types[0], 1))),
        doc: "The values of a map.",
        example: r#"SELECT map_values(map(1, 'a', 2, 'b'))"#,
        pyspark: "map_values",
    },
    Function {
        name: "map_entries",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map)],
        repeats: None,
        returns: Returns::Rule(entries),
        doc: "The entries of a map as structs.",
        example: r#"SELECT map_entries(map(1, 'a', 2, 'b'))"#,
        pyspark: "map_entries",
    },
    Function {
        name: "map_contains_key",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map), p("key", Accepts::Key)],
        repeats: None,
        returns: Returns::Type(DataTypeConst::Boolean),
        doc: "Whether the map has the key.",
        example: r#"SELECT map_contains_key(map(1, 'a', 2, 'b'), 1)"#,
        pyspark: "map_contains_key",
    },
    Function {
        name: "str_to_map",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("text", TEXT_ONLY), opt("pairDelim", TEXT_ONLY), opt("keyValueDelim", TEXT_ONLY)],
        repeats: None,
        returns: Returns::Rule(|_| DataType::map(DataType::String, DataType::String)),
        doc: "A map of the pairs in a text; the delimiters are regular expressions.",
        example: r#"SELECT str_to_map('a:1,b:2,c:3', ',', ':')"#,
        pyspark: "str_to_map",
    },
    Function {
        name: "map_filter",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map), p("func", Accepts::Lambda)],
        repeats: None,
        returns: Returns::Special,
        doc: "The entries for which a function of key and value is true.",
        example: r#"SELECT map_filter(map(1, 0, 2, 2, 3, -1), (k, v) -> k > v)"#,
        pyspark: "map_filter",
    },
    Function {
        name: "transform_keys",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map), p("func", Accepts::Lambda)],
        repeats: None,
        returns: Returns::Special,
        doc: "The map with each key replaced by a function of key and value.",
        example: r#"SELECT transform_keys(map('a', 1), (k, v) -> upper(k))"#,
        pyspark: "transform_keys",
    },
    Function {
        name: "transform_values",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map", Accepts::Map), p("func", Accepts::Lambda)],
        repeats: None,
        returns: Returns::Special,
        doc: "The map with each value replaced by a function of key and value.",
        example: r#"SELECT transform_values(map('a', 1), (k, v) -> v + 1)"#,
        pyspark: "transform_values",
    },
    Function {
        name: "map_zip_with",
        aliases: &[],
        kind: Kind::Scalar,
        params: &[p("map1", Accepts::Map), p("map2", Accepts::Map), p("func", Accepts::Lambda)],
        repeats: None,
        returns: Returns::Special,
        doc: "A map with the keys of both and the values of a function of key and both values.",
        example: r#"SELECT map_zip_with(map(1, 'a'), map(1, 'x'), (k, v1, v2) -> concat(v1, v2))"#,
        pyspark: "map_zip_with",
    },
];

/// The type of keys (0) or values (1) of a map or of an array of structs.
fn member(data_type: &DataType, index: usize) -> DataType {
    match data_type {
        DataType::Map(key, value) => {
            if index == 0 {
                (**key).clone()
            } else {
                (**value).clone()
            }
        }
        DataType::Array(element) => match &**element {
            DataType::Struct(fields) if fields.len() == 2 => fields[index].data_type.clone(),
            _ => DataType::Void,
        },
        _ => DataType::Void,
    }
}

fn element(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Array(element) => (**element).clone(),
        _ => DataType::Void,
    }
}

fn entries(types: &[DataType]) -> DataType {
    let fields = vec![Field::new("key", member(&types[0], 0)), Field::new("value", member(&types[0], 1))];
    DataType::array(DataType::Struct(fields))
}
