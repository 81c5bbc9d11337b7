//! The aggregate family: a value from a group of rows.
//!
//! What each computes stands in `engine::state::accumulator`.

use super::*;
use crate::types::Field;
use DataTypeConst as T;

/// A row of this family; all of them take a fixed number of parameters.
const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    params: &'static [Param],
    returns: Returns,
    doc: &'static str,
    example: &'static str,
) -> Function {
    Function { name, aliases, kind: Kind::Aggregate, params, repeats: None, returns, doc, example, pyspark: name }
}

/// SUM's type: integers widen to BIGINT, decimals by ten digits, FLOAT to DOUBLE; intervals keep theirs.
fn sum_type(args: &[DataType]) -> DataType {
    match args.first() {
        Some(DataType::Decimal(p, s)) => DataType::Decimal((p + 10).min(38), *s),
        Some(t) if t.is_integral() => DataType::BigInt,
        Some(t @ (DataType::YearMonthInterval(..) | DataType::DayTimeInterval(..))) => t.clone(),
        _ => DataType::Double,
    }
}

/// AVG's type: four more digits before and after the point for decimals, intervals, else DOUBLE.
fn avg_type(args: &[DataType]) -> DataType {
    match args.first() {
        Some(DataType::Decimal(p, s)) => DataType::Decimal((p + 4).min(38), (s + 4).min(38)),
        Some(DataType::YearMonthInterval(..)) => DataType::YEAR_TO_MONTH,
        Some(DataType::DayTimeInterval(..)) => DataType::DAY_TO_SECOND,
        _ => DataType::Double,
    }
}

/// An array of the argument's type.
fn array_of(args: &[DataType]) -> DataType {
    DataType::array(args.first().cloned().unwrap_or(DataType::Void))
}

/// PERCENTILE's type: an array of DOUBLE for an array of percentages; intervals keep theirs.
fn percentile_type(args: &[DataType]) -> DataType {
    let one = match args.first() {
        Some(DataType::YearMonthInterval(..)) => DataType::YEAR_TO_MONTH,
        Some(DataType::DayTimeInterval(..)) => DataType::DAY_TO_SECOND,
        _ => DataType::Double,
    };
    if matches!(args.get(1), Some(DataType::Array(_))) { DataType::array(one) } else { one }
}

/// MAX_BY's and MIN_BY's type: x's, or with the number of rows an array of it.
fn by_type(args: &[DataType]) -> DataType {
    let one = args.first().cloned().unwrap_or(DataType::Void);
    if args.len() > 2 { DataType::array(one) } else { one }
}

/// HISTOGRAM_NUMERIC's type: the bins' centres, which have the argument's type, and heights.
fn histogram_type(args: &[DataType]) -> DataType {
    let center = args.first().cloned().unwrap_or(DataType::Double);
    DataType::array(DataType::Struct(vec![Field::new("x", center), Field::new("y", DataType::Double)]))
}

/// APPROX_PERCENTILE's type: the argument's, or an array of it.
fn approx_percentile_type(args: &[DataType]) -> DataType {
    let one = args.first().cloned().unwrap_or(DataType::Double);
    if matches!(args.get(1), Some(DataType::Array(_))) { DataType::array(one) } else { one }
}

const ANY: &[Param] = &[p("expr", Accepts::Any)];
const ORDERED: &[Param] = &[p("expr", Accepts::Ordered)];
const NUMBER: &[Param] = &[p("expr", Accepts::NumericOrInterval)];
const DOUBLE: &[Param] = &[p("expr", Accepts::Double)];
const PAIR: &[Param] = &[p("y", Accepts::Double), p("x", Accepts::Double)];
const FLAG: &[Param] = &[p("expr", Accepts::Boolean)];
const BITS: &[Param] = &[p("expr", WHOLE_ONLY)];
const PICK: &[Param] = &[p("expr", Accepts::Any), opt("isIgnoreNull", Accepts::Boolean)];
const BY: &[Param] = &[p("x", Accepts::Any), p("y", Accepts::Ordered), opt("k", Accepts::ConstantInt)];
const PERCENTILE: &[Param] = &[p("col", Accepts::NumericOrInterval), p("percentage", Accepts::Any), opt("frequency", Accepts::Integral)];
const APPROXIMATE: &[Param] = &[p("col", Accepts::Measurable), p("percentage", Accepts::Any), opt("accuracy", Accepts::ConstantInt)];
const ORDERED_SHARE: &[Param] = &[p("col", Accepts::NumericOrInterval), p("percentage", Accepts::Any)];
const HISTOGRAM: &[Param] = &[p("expr", Accepts::Measurable), p("nb", Accepts::ConstantInt)];
const VECTOR: &[Param] = &[p("array", Accepts::Exact(&[T::FloatArray]))];
const JOINED: &[Param] = &[p("expr", Accepts::StringOrBinary), opt("delimiter", Accepts::StringOrBinary)];

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "count",
        aliases: &[],
        kind: Kind::Aggregate,
        params: ANY,
        repeats: Some(0),
        returns: Returns::Type(T::BigInt),
        doc: "the number of rows where no argument is NULL; count(*) counts all rows",
        example: "SELECT count(*) FROM VALUES (1), (NULL)",
        pyspark: "count",
    },
    row(
        "count_if",
        &[],
        FLAG,
        Returns::Type(T::BigInt),
        "the number of rows where expr is true",
        "SELECT count_if(a > 1) FROM VALUES (1), (2) AS t(a)",
    ),
    row("sum", &[], NUMBER, Returns::Rule(sum_type), "the sum; an overflow is an error", "SELECT sum(a) FROM VALUES (1), (2) AS t(a)"),
    row(
        "try_sum",
        &[],
        NUMBER,
        Returns::Rule(sum_type),
        "the sum, NULL when it overflows",
        "SELECT try_sum(a) FROM VALUES (1), (2) AS t(a)",
    ),
    row("avg", &["mean"], NUMBER, Returns::Rule(avg_type), "the mean", "SELECT avg(a) FROM VALUES (1), (2) AS t(a)"),
    row(
        "try_avg",
        &[],
        NUMBER,
        Returns::Rule(avg_type),
        "the mean, NULL when it overflows",
        "SELECT try_avg(a) FROM VALUES (1), (2) AS t(a)",
    ),
    row("min", &[], ORDERED, Returns::Same(0), "the least value", "SELECT min(a) FROM VALUES (1), (2) AS t(a)"),
    row("max", &[], ORDERED, Returns::Same(0), "the greatest value", "SELECT max(a) FROM VALUES (1), (2) AS t(a)"),
    row(
        "stddev_samp",
        &["stddev", "std"],
        DOUBLE,
        Returns::Type(T::Double),
        "the standard deviation of a sample",
        "SELECT stddev(a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "stddev_pop",
        &[],
        DOUBLE,
        Returns::Type(T::Double),
        "the standard deviation of a population",
        "SELECT stddev_pop(a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "var_samp",
        &["variance"],
        DOUBLE,
        Returns::Type(T::Double),
        "the variance of a sample",
        "SELECT variance(a) FROM VALUES (1), (2) AS t(a)",
    ),
    row("var_pop", &[], DOUBLE, Returns::Type(T::Double), "the variance of a population", "SELECT var_pop(a) FROM VALUES (1), (2) AS t(a)"),
    row(
        "skewness",
        &[],
        DOUBLE,
        Returns::Type(T::Double),
        "how lopsided the values are",
        "SELECT skewness(a) FROM VALUES (1), (2), (9) AS t(a)",
    ),
    row(
        "kurtosis",
        &[],
        DOUBLE,
        Returns::Type(T::Double),
        "how heavy the tails of the values are",
        "SELECT kurtosis(a) FROM VALUES (1), (2), (9) AS t(a)",
    ),
    row(
        "covar_samp",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the covariance of a sample",
        "SELECT covar_samp(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "covar_pop",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the covariance of a population",
        "SELECT covar_pop(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "corr",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "Pearson's correlation",
        "SELECT corr(a, b) FROM VALUES (1, 2), (2, 5), (3, 5) AS t(a, b)",
    ),
    row(
        "regr_count",
        &[],
        PAIR,
        Returns::Type(T::BigInt),
        "the number of pairs without NULL",
        "SELECT regr_count(a, b) FROM VALUES (1, 2), (2, NULL) AS t(a, b)",
    ),
    row(
        "regr_avgx",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the mean of x over pairs without NULL",
        "SELECT regr_avgx(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_avgy",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the mean of y over pairs without NULL",
        "SELECT regr_avgy(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_sxx",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the sum of squared deviations of x",
        "SELECT regr_sxx(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_syy",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the sum of squared deviations of y",
        "SELECT regr_syy(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_sxy",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the sum of products of deviations",
        "SELECT regr_sxy(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_slope",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the slope of the regression line",
        "SELECT regr_slope(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_intercept",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "where the regression line meets the y axis",
        "SELECT regr_intercept(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row(
        "regr_r2",
        &[],
        PAIR,
        Returns::Type(T::Double),
        "the square of the correlation",
        "SELECT regr_r2(a, b) FROM VALUES (1, 2), (2, 4) AS t(a, b)",
    ),
    row("first", &["first_value"], PICK, Returns::Same(0), "the first value that came", "SELECT first(a) FROM VALUES (1), (2) AS t(a)"),
    row("last", &["last_value"], PICK, Returns::Same(0), "the last value that came", "SELECT last(a) FROM VALUES (1), (2) AS t(a)"),
    row("any_value", &[], PICK, Returns::Same(0), "some value of the group", "SELECT any_value(a) FROM VALUES (1), (1) AS t(a)"),
    row(
        "max_by",
        &[],
        BY,
        Returns::Rule(by_type),
        "x of the row with the greatest y, or an array of x of the k rows with the greatest y",
        "SELECT max_by(a, b) FROM VALUES ('a', 1), ('b', 2) AS t(a, b)",
    ),
    row(
        "min_by",
        &[],
        BY,
        Returns::Rule(by_type),
        "x of the row with the least y, or an array of x of the k rows with the least y",
        "SELECT min_by(a, b) FROM VALUES ('a', 1), ('b', 2) AS t(a, b)",
    ),
    row(
        "collect_list",
        &["array_agg"],
        ANY,
        Returns::Rule(array_of),
        "all values in an array, NULLs left out",
        "SELECT collect_list(a) FROM VALUES (1), (2) AS t(a)",
    ),
    row(
        "collect_set",
        &[],
        ANY,
        Returns::Rule(array_of),
        "the distinct values in an array, NULLs left out",
        "SELECT collect_set(a) FROM VALUES (1), (1) AS t(a)",
    ),
    row(
        "bool_and",
        &["every"],
        FLAG,
        Returns::Type(T::Boolean),
        "whether all values are true",
        "SELECT bool_and(a) FROM VALUES (true), (false) AS t(a)",
    ),
    row(
        "bool_or",
        &["any", "some"],
        FLAG,
        Returns::Type(T::Boolean),
        "whether some value is true",
        "SELECT bool_or(a) FROM VALUES (true), (false) AS t(a)",
    ),
    row("bit_and", &[], BITS, Returns::Same(0), "the bits that all values have", "SELECT bit_and(a) FROM VALUES (3), (5) AS t(a)"),
    row("bit_or", &[], BITS, Returns::Same(0), "the bits that some value has", "SELECT bit_or(a) FROM VALUES (3), (5) AS t(a)"),
    row(
        "bit_xor",
        &[],
        BITS,
        Returns::Same(0),
        "the bits that an odd number of values have",
        "SELECT bit_xor(a) FROM VALUES (3), (5) AS t(a)",
    ),
    row("product", &[], DOUBLE, Returns::Type(T::Double), "the product", "SELECT product(a) FROM VALUES (2), (3) AS t(a)"),
    row(
        "approx_count_distinct",
        &[],
        &[p("expr", Accepts::Any), opt("relativeSD", Accepts::Double)],
        Returns::Type(T::BigInt),
        "about how many distinct values there are, by HyperLogLog++",
        "SELECT approx_count_distinct(a) FROM VALUES (1), (1), (2) AS t(a)",
    ),
    row(
        "percentile",
        &[],
        PERCENTILE,
        Returns::Rule(percentile_type),
        "the exact percentile, interpolated",
        "SELECT percentile(a, 0.3) FROM VALUES (0), (10) AS t(a)",
    ),
    row(
        "percentile_cont",
        &[],
        ORDERED_SHARE,
        Returns::Rule(percentile_type),
        "the percentile of the values in order, interpolated",
        "SELECT percentile_cont(0.3) WITHIN GROUP (ORDER BY a) FROM VALUES (0), (10) AS t(a)",
    ),
    row(
        "percentile_disc",
        &[],
        ORDERED_SHARE,
        Returns::Rule(percentile_type),
        "the first of the values in order that this share of them does not exceed",
        "SELECT percentile_disc(0.3) WITHIN GROUP (ORDER BY a) FROM VALUES (0), (10) AS t(a)",
    ),
    row(
        "histogram_numeric",
        &[],
        HISTOGRAM,
        Returns::Rule(histogram_type),
        "about how the values are spread: at most nb bins with centre x and height y",
        "SELECT histogram_numeric(a, 2) FROM VALUES (0), (1), (10) AS t(a)",
    ),
    row(
        "collect_union",
        &[],
        &[p("expr", Accepts::Array)],
        Returns::Same(0),
        "the distinct elements of all arrays, NULLs left out",
        "SELECT collect_union(a) FROM VALUES (array(1, 2)), (array(2, 3)) AS t(a)",
    ),
    row(
        "vector_sum",
        &[],
        VECTOR,
        Returns::Same(0),
        "the sum of vectors, element by element",
        "SELECT vector_sum(a) FROM VALUES (array(1.0F, 2.0F)), (array(3.0F, 4.0F)) AS t(a)",
    ),
    row(
        "vector_avg",
        &[],
        VECTOR,
        Returns::Same(0),
        "the mean of vectors, element by element",
        "SELECT vector_avg(a) FROM VALUES (array(1.0F, 2.0F)), (array(3.0F, 4.0F)) AS t(a)",
    ),
    row("median", &[], NUMBER, Returns::Rule(percentile_type), "the value in the middle", "SELECT median(a) FROM VALUES (0), (10) AS t(a)"),
    row(
        "approx_percentile",
        &["percentile_approx"],
        APPROXIMATE,
        Returns::Rule(approx_percentile_type),
        "a value that about this share of the values does not exceed",
        "SELECT approx_percentile(a, 0.5) FROM VALUES (0), (10), (20) AS t(a)",
    ),
    row(
        "mode",
        &[],
        &[p("expr", Accepts::Any), opt("deterministic", FLAG_ONLY)],
        Returns::Same(0),
        "the most frequent value",
        "SELECT mode(a) FROM VALUES (1), (2), (2) AS t(a)",
    ),
    row(
        "listagg",
        &["string_agg"],
        JOINED,
        Returns::Same(0),
        "the values one after the other, with a delimiter between",
        "SELECT listagg(a, ',') FROM VALUES ('x'), ('y') AS t(a)",
    ),
];
