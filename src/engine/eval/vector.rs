//! Kernels over vectors: arrays of FLOAT without NULLs in them.
//!
//! A vector with a NULL element gives NULL; vectors of different lengths are an error. Sums run in FLOAT, as Spark's do.

use super::access::{Cells, Lists, map_rows, map2};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::engine::columns::{list_series, one_chunk};
use crate::engine::eval::access::{number_series, numbers};
use polars::prelude::{self as pl, Series};
use polars_arrow::bitmap::MutableBitmap;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "vector_inner_product", fallible: true, kernel: |c| of_pair(c, |a, b| Some(inner_product(a, b))) },
    KernelEntry { name: "vector_cosine_similarity", fallible: true, kernel: |c| of_pair(c, cosine) },
    KernelEntry { name: "vector_l2_distance", fallible: true, kernel: |c| of_pair(c, |a, b| Some(distance(a, b))) },
    KernelEntry { name: "vector_norm", fallible: true, kernel: norm },
    KernelEntry { name: "vector_normalize", fallible: true, kernel: normalize },
];

/// Two vectors that should have one length.
pub fn different_lengths(function: &str, left: usize, right: usize) -> EngineError {
    EngineError::data("VECTOR_DIMENSION_MISMATCH", format!("`{function}` wants vectors of one length, not {left} and {right}"))
}

/// The elements of a column of vectors.
struct Elements {
    column: Series,
}

impl Elements {
    fn of(lists: &Lists<'_>) -> Elements {
        Elements { column: one_chunk(lists.inner().clone()) }
    }

    /// The vector in that range; `None` when it has a NULL.
    fn get(&self, (start, end): (usize, usize)) -> Result<Option<&[f32]>> {
        let all = numbers::<f32>(&self.column)?;
        let holed = all.validity.is_some_and(|valid| (start..end).any(|i| !valid.get_bit(i)));
        Ok((!holed).then(|| &all.values[start..end]))
    }
}

fn of_pair(call: &KernelCall<'_>, f: impl Fn(&[f32], &[f32]) -> Option<f32>) -> Result {
    let (left, right) = (call.lists(0)?, call.lists(1)?);
    let (a, b) = (Elements::of(&left), Elements::of(&right));
    map2(&left, &right, |x, y| {
        if x.1 - x.0 != y.1 - y.0 {
            return Err(different_lengths("this function", x.1 - x.0, y.1 - y.0));
        }
        Ok(match (a.get(x)?, b.get(y)?) {
            (Some(x), Some(y)) => f(x, y),
            _ => None,
        })
    })
}

fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn cosine(a: &[f32], b: &[f32]) -> Option<f32> {
    let (x, y) = (inner_product(a, a), inner_product(b, b));
    let length = (f64::from(x) * f64::from(y)).sqrt();
    (length != 0.0).then(|| (f64::from(inner_product(a, b)) / length) as f32)
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    let squares: f32 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
    squares.sqrt()
}

/// The norm of degree 1, 2 or infinity.
fn length(vector: &[f32], degree: f32) -> Result<f32> {
    match degree {
        1.0 => Ok(vector.iter().map(|x| x.abs()).sum()),
        2.0 => Ok(vector.iter().map(|x| x * x).sum::<f32>().sqrt()),
        f32::INFINITY => Ok(vector.iter().fold(0.0, |most, x| most.max(x.abs()))),
        other => {
            Err(EngineError::data("INVALID_VECTOR_NORM_DEGREE", format!("the degree of a norm is 1.0, 2.0 or float('inf'), not {other}")))
        }
    }
}

/// The degree in each row; 2 where the call does not say.
fn degrees(call: &KernelCall<'_>) -> Result<impl Fn(usize) -> Option<f32>> {
    let given = if call.args.len() > 1 { Some(call.numbers::<f32>(1)?) } else { None };
    Ok(move |row: usize| given.as_ref().map_or(Some(2.0), |d| d.at(row)))
}

fn norm(call: &KernelCall<'_>) -> Result {
    let vectors = call.lists(0)?;
    let (elements, degree) = (Elements::of(&vectors), degrees(call)?);
    map_rows(call.length(), |row| {
        let (Some(range), Some(degree)) = (vectors.at(row), degree(row)) else { return Ok(None) };
        elements.get(range)?.map(|vector| length(vector, degree)).transpose()
    })
}

fn normalize(call: &KernelCall<'_>) -> Result {
    let vectors = call.lists(0)?;
    let (elements, degree) = (Elements::of(&vectors), degrees(call)?);
    let (mut offsets, mut out, mut valid) = (vec![0i64], Vec::new(), MutableBitmap::new());
    for row in 0..call.length() {
        let vector = match (vectors.at(row), degree(row)) {
            (Some(range), Some(degree)) => {
                elements.get(range)?.map(|vector| Ok::<_, EngineError>((vector, length(vector, degree)?))).transpose()?
            }
            _ => None,
        };
        // The zero vector has no direction.
        let vector = vector.filter(|(vector, length)| *length != 0.0 || vector.is_empty());
        valid.push(vector.is_some());
        if let Some((vector, length)) = vector {
            out.extend(vector.iter().map(|x| x / length));
        }
        offsets.push(out.len() as i64);
    }
    let valid = valid.freeze();
    list_series(offsets, number_series(out, None), (valid.unset_bits() > 0).then_some(valid), &pl::DataType::Float32)
}
