//! The functions as tables: one row a function, one file a family.
//!
//! A row says what a function takes and gives, in words and types; what it does is a kernel of the same
//! name in `engine::eval`. `DESCRIBE FUNCTION`, completion and the analyzer all read these tables.

mod aggregate;
mod array;
mod condition;
mod date;
mod date_making;
mod generator;
mod hash;
mod json;
mod map;
mod math;
mod misfit;
mod operator;
mod string;
mod system;
mod text;
mod time_window;
mod vector;
mod window;

pub use date::{extract_field, extract_type};
pub use misfit::{misfit, refuses_null};
pub use text::number_format_type;

use crate::types::DataType;

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Canonical name, lower case; the kernel has the same.
    pub name: &'static str,
    /// Other names for the same function.
    pub aliases: &'static [&'static str],
    /// Scalar, aggregate, generator or window function.
    pub kind: Kind,
    /// Parameters in order.
    pub params: &'static [Param],
    /// The last parameter repeats, at least this many times; `None`: it does not repeat.
    pub repeats: Option<usize>,
    /// The result's type, from the argument types after coercion.
    pub returns: Returns,
    /// One line: what it gives.
    pub doc: &'static str,
    /// An example that runs.
    pub example: &'static str,
    /// Its name in `pyspark.sql.functions`, or how a program writes it.
    pub pyspark: &'static str,
}

/// What a function does to the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A value from a row.
    Scalar,
    /// A value from a group of rows.
    Aggregate,
    /// Rows from a row.
    Generator,
    /// A value from a row's window; needs OVER.
    Window,
}

/// One parameter.
#[derive(Debug)]
pub struct Param {
    /// As the documentation calls it.
    pub name: &'static str,
    /// What it takes.
    pub accepts: Accepts,
    /// May be left out.
    pub optional: bool,
}

/// What a parameter takes, and with it which implicit casts happen. NULL literals (VOID) fit everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Any type, as it is.
    Any,
    /// Any type; all parameters of this kind in the call get their common type.
    Common,
    /// STRING; other atomic types are cast to it.
    String,
    /// STRING or BINARY as it is; other atomic types are cast to STRING.
    StringOrBinary,
    /// BINARY; STRING is cast to it.
    Binary,
    /// BOOLEAN.
    Boolean,
    /// INT; other numbers and STRING are cast to it.
    Int,
    /// INT, SMALLINT or TINYINT; STRING is cast to INT.
    SmallerInt,
    /// BIGINT; other numbers and STRING are cast to it.
    BigInt,
    /// Any integral type as it is.
    Integral,
    /// DOUBLE; any numeric and STRING is cast to it.
    Double,
    /// Any numeric type as it is; STRING becomes DOUBLE.
    Numeric,
    /// Any numeric type as it is; nothing is cast.
    Number,
    /// Numeric, or a year-month or day-time interval, as it is; STRING becomes DOUBLE.
    NumericOrInterval,
    /// As `NumericOrInterval`, and INTERVALs of months, days and microseconds too.
    Signed,
    /// Numeric, DATE, TIMESTAMP or interval as it is; STRING becomes DOUBLE.
    Measurable,
    /// A year-month or day-time interval as it is.
    AnsiInterval,
    /// One of these types as it is; nothing is cast.
    Exact(&'static [DataTypeConst]),
    /// INT; only SMALLINT and TINYINT are cast to it.
    WidenedInt,
    /// BIGINT and other numbers, BINARY or STRING as it is; other atomic types are cast to STRING.
    Spellable,
    /// DATE; TIMESTAMPs and STRING are cast to it.
    Date,
    /// TIMESTAMP; DATE, TIMESTAMP_NTZ and STRING are cast to it.
    Timestamp,
    /// TIMESTAMP or TIMESTAMP_NTZ as it is; DATE and STRING become TIMESTAMP.
    AnyTimestamp,
    /// Any type that has an order (not MAP).
    Ordered,
    /// Any array.
    Array,
    /// Any map.
    Map,
    /// Array or map.
    ArrayOrMap,
    /// Any struct.
    Struct,
    /// An array whose element type is common with every `Element` parameter.
    ArrayOfCommon,
    /// The element type of the call's array.
    Element,
    /// Arrays of a common type, or BINARY in all such parameters of the call, or else STRING.
    Concatenable,
    /// STRING or `ARRAY<STRING>` as it is; other atomic types are cast to STRING, other arrays to `ARRAY<STRING>`.
    StringOrStringArray,
    /// `ARRAY<STRING>`; other arrays of atomic types are cast to it.
    StringArray,
    /// For an array in the call's first argument INT; for a map the type of its keys.
    IndexOrKey,
    /// The type of the keys of the map in the call's first argument.
    Key,
    /// STRING, DATE, TIMESTAMP or TIMESTAMP_NTZ as it is; other atomic types are cast to STRING.
    StringOrDatetime,
    /// As `StringOrDatetime`, but numbers, which count seconds, as they are too.
    TimestampSource,
    /// DATE, TIMESTAMP, TIMESTAMP_NTZ and intervals as they are; STRING becomes TIMESTAMP.
    Extractable,
    /// A lambda; what its parameters are is the function's own rule in `plan::analyzer`.
    Lambda,
    /// A constant STRING.
    ConstantString,
    /// A constant INT; other numbers and STRING are cast to it.
    ConstantInt,
    /// A constant that is an INT already.
    ExactConstantInt,
}

/// How the result's type follows from the arguments'.
#[derive(Clone, Copy, Debug)]
pub enum Returns {
    /// Always this.
    Type(DataTypeConst),
    /// That of the argument with this index.
    Same(usize),
    /// The common type of the `Common` arguments.
    Common,
    /// An array of the element type of argument `0`… as it is.
    Rule(fn(&[DataType]) -> DataType),
    /// The analyzer knows (operators with decimals, from_json's schema, lambdas).
    Special,
}

/// The types a table can name in a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataTypeConst {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    String,
    Binary,
    Date,
    Timestamp,
    TimestampNtz,
    StringArray,
    FloatArray,
}

impl DataTypeConst {
    /// The type itself.
    pub fn data_type(self) -> DataType {
        match self {
            DataTypeConst::Boolean => DataType::Boolean,
            DataTypeConst::TinyInt => DataType::TinyInt,
            DataTypeConst::SmallInt => DataType::SmallInt,
            DataTypeConst::Float => DataType::Float,
            DataTypeConst::FloatArray => DataType::array(DataType::Float),
            DataTypeConst::Int => DataType::Int,
            DataTypeConst::BigInt => DataType::BigInt,
            DataTypeConst::Double => DataType::Double,
            DataTypeConst::String => DataType::String,
            DataTypeConst::Binary => DataType::Binary,
            DataTypeConst::Date => DataType::Date,
            DataTypeConst::Timestamp => DataType::Timestamp,
            DataTypeConst::TimestampNtz => DataType::TimestampNtz,
            DataTypeConst::StringArray => DataType::array(DataType::String),
        }
    }
}

/// STRING and nothing else.
pub(super) const TEXT_ONLY: Accepts = Accepts::Exact(&[DataTypeConst::String]);

/// TRUE or FALSE and nothing else.
pub(super) const FLAG_ONLY: Accepts = Accepts::Exact(&[DataTypeConst::Boolean]);

/// A seed: INT or BIGINT.
pub(super) const SEED: Accepts = Accepts::Exact(&[DataTypeConst::Int, DataTypeConst::BigInt]);

/// Whole numbers of any width, as they are.
pub(super) const WHOLE_ONLY: Accepts =
    Accepts::Exact(&[DataTypeConst::BigInt, DataTypeConst::Int, DataTypeConst::SmallInt, DataTypeConst::TinyInt]);

/// A parameter that must be given.
pub(super) const fn p(name: &'static str, accepts: Accepts) -> Param {
    Param { name, accepts, optional: false }
}

/// A parameter that may be left out.
pub(super) const fn opt(name: &'static str, accepts: Accepts) -> Param {
    Param { name, accepts, optional: true }
}

/// All tables, in the order that SHOW FUNCTIONS groups them.
const FAMILIES: &[&[Function]] = &[
    operator::FUNCTIONS,
    condition::FUNCTIONS,
    math::FUNCTIONS,
    string::FUNCTIONS,
    text::FUNCTIONS,
    date::FUNCTIONS,
    date_making::FUNCTIONS,
    array::FUNCTIONS,
    map::FUNCTIONS,
    json::FUNCTIONS,
    hash::FUNCTIONS,
    vector::FUNCTIONS,
    aggregate::FUNCTIONS,
    generator::FUNCTIONS,
    window::FUNCTIONS,
    time_window::FUNCTIONS,
    system::FUNCTIONS,
];

/// Every function, family by family.
pub fn all() -> impl Iterator<Item = &'static Function> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

/// The function of that name or alias, without regard to case.
pub fn find(name: &str) -> Option<&'static Function> {
    use std::collections::HashMap;
    use std::sync::LazyLock;
    static BY_NAME: LazyLock<HashMap<&'static str, &'static Function>> =
        LazyLock::new(|| all().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied()).map(move |n| (n, f))).collect());
    BY_NAME.get(name.to_ascii_lowercase().as_str()).copied()
}
