//! Comparing cells: `=`, `<=>`, `<` … over all ordered types, and the order that sorting functions use.
//!
//! NaN equals NaN and is greater than any number, `-0.0` equals `0.0`. Arrays and structs compare member by
//! member, and a NULL within them equals NULL and is less than anything.

use super::access::{self, Cells, bits, both_valid, broadcast, flag_series, length, numbers, test2};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use polars::prelude::Series;
use polars_arrow::bitmap::{self, Bitmap};
use polars_arrow::types::NativeType;
use polars_compute::comparisons::{TotalEqKernel, TotalOrdKernel};
use std::cmp::Ordering;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "=", fallible: false, kernel: |c| of_call(c, Comparison::Equal) },
    KernelEntry { name: "!=", fallible: false, kernel: |c| of_call(c, Comparison::NotEqual) },
    KernelEntry { name: "<", fallible: false, kernel: |c| of_call(c, Comparison::Less) },
    KernelEntry { name: "<=", fallible: false, kernel: |c| of_call(c, Comparison::LessEqual) },
    KernelEntry { name: ">", fallible: false, kernel: |c| of_call(c, Comparison::Greater) },
    KernelEntry { name: ">=", fallible: false, kernel: |c| of_call(c, Comparison::GreaterEqual) },
    KernelEntry { name: "<=>", fallible: false, kernel: null_safe },
    KernelEntry { name: "equal_null", fallible: false, kernel: null_safe },
    KernelEntry { name: "greatest", fallible: false, kernel: |c| extreme(c, Ordering::Greater) },
    KernelEntry { name: "least", fallible: false, kernel: |c| extreme(c, Ordering::Less) },
];

/// A comparison operator that is NULL where an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    /// Whether it holds of operands in that order.
    pub fn holds(self, order: Ordering) -> bool {
        match self {
            Comparison::Equal => order == Ordering::Equal,
            Comparison::NotEqual => order != Ordering::Equal,
            Comparison::Less => order == Ordering::Less,
            Comparison::LessEqual => order != Ordering::Greater,
            Comparison::Greater => order == Ordering::Greater,
            Comparison::GreaterEqual => order != Ordering::Less,
        }
    }

    /// The same question with the operands exchanged.
    fn flipped(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessEqual => Comparison::GreaterEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterEqual => Comparison::LessEqual,
            same => same,
        }
    }
}

/// Spark's order of numbers.
pub trait SparkOrd: NativeType {
    /// Equal in Spark's eyes.
    fn same(self, other: Self) -> bool;
    /// Less in Spark's eyes.
    fn below(self, other: Self) -> bool;

    /// The order of the two.
    fn order(self, other: Self) -> Ordering {
        if self.below(other) {
            Ordering::Less
        } else if self.same(other) {
            Ordering::Equal
        } else {
            Ordering::Greater
        }
    }
}

macro_rules! integer_order {
    ($($t:ty),*) => {$(impl SparkOrd for $t {
        #[inline]
        fn same(self, other: Self) -> bool {
            self == other
        }
        #[inline]
        fn below(self, other: Self) -> bool {
            self < other
        }
    })*};
}
integer_order!(i8, i16, i32, i64, i128);

macro_rules! float_order {
    ($($t:ty),*) => {$(impl SparkOrd for $t {
        #[inline]
        fn same(self, other: Self) -> bool {
            (self == other) | (self.is_nan() & other.is_nan())
        }
        #[inline]
        fn below(self, other: Self) -> bool {
            (self < other) | (!self.is_nan() & other.is_nan())
        }
    })*};
}
float_order!(f32, f64);

/// Calls a generic function with the native type behind a number-like Spark type, or gives `$other`.
macro_rules! with_native {
    ($data_type:expr, $t:ident => $body:expr, $other:expr) => {
        match $data_type {
            DataType::TinyInt => {
                type $t = i8;
                $body
            }
            DataType::SmallInt => {
                type $t = i16;
                $body
            }
            DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => {
                type $t = i32;
                $body
            }
            DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => {
                type $t = i64;
                $body
            }
            DataType::Float => {
                type $t = f32;
                $body
            }
            DataType::Double => {
                type $t = f64;
                $body
            }
            DataType::Decimal(..) => {
                type $t = i128;
                $body
            }
            _ => $other,
        }
    };
}
pub(super) use with_native;

fn of_call(call: &KernelCall<'_>, op: Comparison) -> Result<Series, EngineError> {
    compare(op, call.column(0), call.column(1), call.data_type(0))
}

/// Compares two columns of `data_type`; NULL where either is.
pub fn compare(op: Comparison, a: &Series, b: &Series, data_type: &DataType) -> Result<Series, EngineError> {
    let n = length(&[a.len(), b.len()]);
    let valid = both_valid(access::validity(a), access::validity(b), n);
    let values = with_native!(data_type, T => of_numbers::<T>(op, a, b)?, match data_type {
        DataType::Boolean => of_flags(op, a, b, n)?,
        DataType::String => of_views(op, &access::texts(a)?.0.to_binview(), &access::texts(b)?.0.to_binview()),
        DataType::Binary => of_views(op, access::bytes(a)?.0, access::bytes(b)?.0),
        DataType::Void => Bitmap::new_with_value(false, n),
        _ => {
            let order = comparator(a, b, data_type)?;
            bits(n, |i| op.holds(order(i, i)))
        }
    });
    Ok(flag_series(values, valid))
}

fn of_numbers<T: SparkOrd>(op: Comparison, a: &Series, b: &Series) -> Result<Bitmap, EngineError> {
    let (a, b) = (numbers::<T>(a)?.values, numbers::<T>(b)?.values);
    Ok(match op {
        Comparison::Equal => test2(a, b, T::same),
        Comparison::NotEqual => test2(a, b, |x: T, y: T| !x.same(y)),
        Comparison::Less => test2(a, b, T::below),
        Comparison::LessEqual => test2(a, b, |x: T, y: T| !y.below(x)),
        Comparison::Greater => test2(a, b, |x: T, y: T| y.below(x)),
        Comparison::GreaterEqual => test2(a, b, |x: T, y: T| !x.below(y)),
    })
}

fn of_flags(op: Comparison, a: &Series, b: &Series, n: usize) -> Result<Bitmap, EngineError> {
    let (a, b) = (broadcast(a.clone(), n), broadcast(b.clone(), n));
    let (a, b) = (access::flags(&a)?.0.values().clone(), access::flags(&b)?.0.values().clone());
    Ok(match op {
        Comparison::Equal => !&bitmap::xor(&a, &b),
        Comparison::NotEqual => bitmap::xor(&a, &b),
        Comparison::Less => bitmap::and_not(&b, &a),
        Comparison::LessEqual => bitmap::or_not(&b, &a),
        Comparison::Greater => bitmap::and_not(&a, &b),
        Comparison::GreaterEqual => bitmap::or_not(&a, &b),
    })
}

fn of_views(op: Comparison, a: &polars_arrow::array::BinaryViewArray, b: &polars_arrow::array::BinaryViewArray) -> Bitmap {
    if a.len() == 1 && b.len() != 1 {
        return of_views(op.flipped(), b, a);
    }
    if b.len() == 1 {
        let scalar = b.value(0);
        return match op {
            Comparison::Equal => a.tot_eq_kernel_broadcast(scalar),
            Comparison::NotEqual => a.tot_ne_kernel_broadcast(scalar),
            Comparison::Less => a.tot_lt_kernel_broadcast(scalar),
            Comparison::LessEqual => a.tot_le_kernel_broadcast(scalar),
            Comparison::Greater => a.tot_gt_kernel_broadcast(scalar),
            Comparison::GreaterEqual => a.tot_ge_kernel_broadcast(scalar),
        };
    }
    match op {
        Comparison::Equal => a.tot_eq_kernel(b),
        Comparison::NotEqual => a.tot_ne_kernel(b),
        Comparison::Less => a.tot_lt_kernel(b),
        Comparison::LessEqual => a.tot_le_kernel(b),
        Comparison::Greater => a.tot_gt_kernel(b),
        Comparison::GreaterEqual => a.tot_ge_kernel(b),
    }
}

fn null_safe(call: &KernelCall<'_>) -> Result<Series, EngineError> {
    let (a, b) = (call.column(0), call.column(1));
    let n = call.length();
    let equal = compare(Comparison::Equal, a, b, call.data_type(0))?;
    let equal = super::evaluate::is_true(&equal)?;
    let null = |column: &Series| {
        let column = broadcast(column.clone(), n);
        access::validity(&column).map_or_else(|| Bitmap::new_zeroed(n), |valid| !valid)
    };
    let both_null = bitmap::and(&null(a), &null(b));
    Ok(flag_series(bitmap::or(&equal, &both_null), None))
}

/// Compares cell `i` of one column with cell `j` of another.
pub type Order<'a> = Box<dyn Fn(usize, usize) -> Ordering + 'a>;

/// The order of the cells of two columns of `data_type`; NULL equals NULL and comes first. A column of one cell is
/// a constant.
///
/// # Errors
/// For MAP, which has no order: the analyzer refuses it earlier.
pub fn comparator<'a>(a: &'a Series, b: &'a Series, data_type: &DataType) -> Result<Order<'a>, EngineError> {
    with_native!(data_type, T => cell_order(numbers::<T>(a)?, numbers::<T>(b)?, T::order), match data_type {
        DataType::Void => Ok(Box::new(|_, _| Ordering::Equal)),
        DataType::Boolean => cell_order(access::flags(a)?, access::flags(b)?, |x, y| x.cmp(&y)),
        DataType::String => cell_order(access::texts(a)?, access::texts(b)?, |x, y| x.cmp(y)),
        DataType::Binary => cell_order(access::bytes(a)?, access::bytes(b)?, |x, y| x.cmp(y)),
        DataType::Array(element) => list_order(a, b, element),
        DataType::Struct(fields) => struct_order(a, b, &fields.iter().map(|f| f.data_type.clone()).collect::<Vec<_>>()),
        DataType::CalendarInterval => struct_order(a, b, &[DataType::Int, DataType::Int, DataType::BigInt]),
        other => Err(EngineError::internal(format!("{} has no order", other.sql()))),
    })
}

fn cell_order<'a, A: Cells + 'a>(a: A, b: A, order: impl Fn(A::Item, A::Item) -> Ordering + 'a) -> Result<Order<'a>, EngineError> {
    Ok(Box::new(move |i, j| match (a.at(i), b.at(j)) {
        (Some(x), Some(y)) => order(x, y),
        (x, y) => x.is_some().cmp(&y.is_some()),
    }))
}

/// Inner columns are owned by their closure: they are cheap handles on shared buffers.
fn owned(a: Series, b: Series, data_type: DataType) -> Result<impl Fn(usize, usize) -> Ordering, EngineError> {
    // Refused here, once, rather than for every pair.
    drop(comparator(&a, &b, &data_type)?);
    let pair = Columns { a, b, data_type };
    Ok(move |i, j| pair.order(i, j))
}

struct Columns {
    a: Series,
    b: Series,
    data_type: DataType,
}

impl Columns {
    fn order(&self, i: usize, j: usize) -> Ordering {
        let value = |column: &Series, row| crate::engine::columns::value_at(column, row, &self.data_type);
        with_native!(self.data_type, T => match (numbers::<T>(&self.a), numbers::<T>(&self.b)) {
            (Ok(a), Ok(b)) => match (a.validity.is_none_or(|v| v.get_bit(i)), b.validity.is_none_or(|v| v.get_bit(j))) {
                (true, true) => a.values[i].order(b.values[j]),
                (x, y) => x.cmp(&y),
            },
            _ => Ordering::Equal,
        }, order_values(&value(&self.a, i), &value(&self.b, j)))
    }
}

fn list_order<'a>(a: &'a Series, b: &'a Series, element: &DataType) -> Result<Order<'a>, EngineError> {
    let (a, b) = (access::lists(a)?, access::lists(b)?);
    let order = owned(a.inner().clone(), b.inner().clone(), element.clone())?;
    cell_order(a, b, move |(x, x_end), (y, y_end)| {
        let (n, m) = (x_end - x, y_end - y);
        (0..n.min(m)).map(|k| order(x + k, y + k)).find(|o| o.is_ne()).unwrap_or(n.cmp(&m))
    })
}

fn struct_order<'a>(a: &'a Series, b: &'a Series, types: &[DataType]) -> Result<Order<'a>, EngineError> {
    let (one_a, one_b) = (a.len() == 1, b.len() == 1);
    let (va, vb) = (access::struct_validity(a)?, access::struct_validity(b)?);
    let members = access::members(a)?.into_iter().zip(access::members(b)?).zip(types);
    let orders = members.map(|((x, y), t)| owned(x, y, t.clone())).collect::<Result<Vec<_>, _>>()?;
    Ok(Box::new(move |i, j| {
        let (i, j) = (if one_a { 0 } else { i }, if one_b { 0 } else { j });
        match (va.is_none_or(|v| v.get_bit(i)), vb.is_none_or(|v| v.get_bit(j))) {
            (true, true) => orders.iter().map(|order| order(i, j)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal),
            (x, y) => x.cmp(&y),
        }
    }))
}

/// The order of two values of one type; NULL equals NULL and comes first.
pub fn order_values(a: &crate::types::Value, b: &crate::types::Value) -> Ordering {
    use crate::types::Value::*;
    match (a, b) {
        (Null, Null) => Ordering::Equal,
        (Null, _) => Ordering::Less,
        (_, Null) => Ordering::Greater,
        (Boolean(x), Boolean(y)) => x.cmp(y),
        (Int(x), Int(y)) | (Timestamp(x), Timestamp(y)) | (DayTime(x), DayTime(y)) => x.cmp(y),
        (Float(x), Float(y)) => x.order(*y),
        (Double(x), Double(y)) => x.order(*y),
        (Decimal(x), Decimal(y)) => x.cmp(y),
        (String(x), String(y)) => x.cmp(y),
        (Binary(x), Binary(y)) => x.cmp(y),
        (Date(x), Date(y)) | (YearMonth(x), YearMonth(y)) => x.cmp(y),
        (Calendar(a, b, c), Calendar(x, y, z)) => (a, b, c).cmp(&(x, y, z)),
        (Array(x), Array(y)) | (Struct(x), Struct(y)) => {
            x.iter().zip(y).map(|(a, b)| order_values(a, b)).find(|o| o.is_ne()).unwrap_or(x.len().cmp(&y.len()))
        }
        _ => Ordering::Equal,
    }
}

/// `greatest` and `least`: NULLs are left out; NULL if all are.
fn extreme(call: &KernelCall<'_>, wanted: Ordering) -> Result<Series, EngineError> {
    let n = call.length();
    let data_type = call.data_type(0);
    let mut best = broadcast(call.column(0).clone(), n);
    for i in 1..call.args.len() {
        let next = broadcast(call.column(i).clone(), n);
        let take = with_native!(data_type, T => better_numbers::<T>(&next, &best, wanted)?, {
            let order = comparator(&next, &best, data_type)?;
            bits(n, |row| {
                let missing = access::is_null(&best, row);
                !access::is_null(&next, row) && (missing || order(row, row) == wanted)
            })
        });
        let mask = polars::prelude::BooleanChunked::from_bitmap(polars::prelude::PlSmallStr::EMPTY, take);
        best = crate::engine::columns::one_chunk(next.zip_with(&mask, &best)?);
    }
    Ok(best)
}

fn better_numbers<T: SparkOrd>(next: &Series, best: &Series, wanted: Ordering) -> Result<Bitmap, EngineError> {
    let (x, y) = (numbers::<T>(next)?, numbers::<T>(best)?);
    let better = match wanted {
        Ordering::Greater => bits(x.values.len(), |i| y.values[i].below(x.values[i])),
        _ => bits(x.values.len(), |i| x.values[i].below(y.values[i])),
    };
    let better = match y.validity {
        Some(valid) => bitmap::or_not(&better, valid),
        None => better,
    };
    Ok(match x.validity {
        Some(valid) => bitmap::and(&better, valid),
        None => better,
    })
}
