//! Bound expressions over frames: the evaluator and its kernels, one family a file.
//!
//! A kernel works on whole columns. Arguments arrive either with one value per row or, where the value is
//! the same for all rows, with exactly one value; the result may have either form too.

pub mod access;
mod arithmetic;
mod array;
mod array_sequence;
mod array_set;
mod bind;
pub mod cast;
pub mod compare;
mod condition;
pub mod csv_write;
mod date;
mod date_make;
mod date_text;
pub mod datetime_pattern;
mod datetime_reading;
mod datetime_writing;
mod decimal;
mod element;
mod evaluate;
mod gather;
pub mod hash;
pub mod interval;
mod java_regex;
mod json;
mod json_csv;
mod json_layout;
pub(super) mod json_path;
pub mod json_write;
mod kernels;
mod keys;
mod lambda_functions;
mod like;
mod map;
mod math;
mod membership;
pub mod parse;
mod random;
mod regex;
mod round;
mod select;
mod string;
mod string_code;
mod string_format;
mod string_number;
pub(super) mod string_slice;
mod string_text;
mod system;
pub mod text;
pub mod vector;
mod wide;
pub mod zone;

pub use bind::{Bound, bind};

use crate::engine::EngineError;
use crate::types::DataType;
use chrono_tz::Tz;
use polars::prelude::Series;

/// What is fixed for one batch of one query.
#[derive(Clone, Debug)]
pub struct EvalContext {
    /// The session's time zone.
    pub zone: Tz,
    /// `current_timestamp()`, in microseconds: the same for a whole batch.
    pub now: i64,
    /// The batch's number, part of the seed of random functions.
    pub batch: u64,
    /// `current_user()`.
    pub user: String,
}

/// One argument of a kernel.
#[derive(Clone, Debug)]
pub struct Argument {
    /// `rows` values, or one that stands for all rows.
    pub column: Series,
    /// Its Spark type.
    pub data_type: DataType,
}

/// A lambda argument, bound.
pub trait Lambda: Sync {
    /// Evaluates the body once per element. `params` are columns of one value per element; `rows[i]` is the row of the
    /// outer frame that element `i` belongs to, for columns that the body takes from there.
    fn apply(&self, params: Vec<Series>, rows: &[u32]) -> Result<Series, EngineError>;
    /// The type of the body's value.
    fn data_type(&self) -> &DataType;
    /// How many parameters it declares.
    fn arity(&self) -> usize;
}

/// Everything a kernel sees of its call.
pub struct KernelCall<'a> {
    /// Value arguments in order; lambdas are left out here.
    pub args: &'a [Argument],
    /// Lambda arguments in order.
    pub lambdas: &'a [&'a dyn Lambda],
    /// Rows of the frame.
    pub rows: usize,
    /// The Spark type that the plan promised for the result.
    pub returns: &'a DataType,
    /// What is fixed for the batch.
    pub context: &'a EvalContext,
}

/// Computes a column of `call.rows` values (or one value for all rows) of the physical type of `call.returns`.
pub type Kernel = fn(&KernelCall<'_>) -> Result<Series, EngineError>;

/// A kernel under its function's canonical name; `fallible` when some argument values make it fail, so that
/// it must see only the rows selected.
#[derive(Clone, Copy)]
pub struct KernelEntry {
    /// Canonical name in `plan::functions`.
    pub name: &'static str,
    /// Whether an argument value can make it fail.
    pub fallible: bool,
    /// The kernel.
    pub kernel: Kernel,
}
