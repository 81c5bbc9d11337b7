//! The vector family: arrays of FLOAT as points of a space.

use super::*;

const fn row(name: &'static str, params: &'static [Param], returns: Returns, doc: &'static str, example: &'static str) -> Function {
    Function { name, aliases: &[], kind: Kind::Scalar, params, repeats: None, returns, doc, example, pyspark: name }
}

const VECTOR: Accepts = Accepts::Exact(&[DataTypeConst::FloatArray]);
const PAIR: &[Param] = &[p("vector1", VECTOR), p("vector2", VECTOR)];
const DEGREE: &[Param] = &[p("vector", VECTOR), opt("degree", Accepts::Exact(&[DataTypeConst::Float]))];
const FLOAT: Returns = Returns::Type(DataTypeConst::Float);

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "vector_inner_product",
        PAIR,
        FLOAT,
        "The sum of the products of the elements.",
        "SELECT vector_inner_product(array(1.0F, 2.0F), array(3.0F, 4.0F))",
    ),
    row(
        "vector_cosine_similarity",
        PAIR,
        FLOAT,
        "The cosine of the angle between two vectors; NULL for one of length 0.",
        "SELECT vector_cosine_similarity(array(1.0F, 0.0F), array(1.0F, 1.0F))",
    ),
    row(
        "vector_l2_distance",
        PAIR,
        FLOAT,
        "How far two points lie apart.",
        "SELECT vector_l2_distance(array(0.0F, 0.0F), array(3.0F, 4.0F))",
    ),
    row(
        "vector_norm",
        DEGREE,
        FLOAT,
        "The length of a vector; the degree is 1.0F, 2.0F (the default) or float('inf').",
        "SELECT vector_norm(array(6.0F, 8.0F))",
    ),
    row(
        "vector_normalize",
        DEGREE,
        Returns::Type(DataTypeConst::FloatArray),
        "The vector of the same direction and length 1; NULL for one of length 0.",
        "SELECT vector_normalize(array(6.0F, 8.0F))",
    ),
];
