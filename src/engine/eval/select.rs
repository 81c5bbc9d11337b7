//! One of two columns for each row, by a bitmap: what `CASE` and `coalesce` do where nothing can fail.

use super::access::{self, Numbers, numbers};
use super::compare::with_native;
use crate::engine::EngineError;
use crate::engine::columns::one_chunk;
use crate::types::DataType;
use polars::prelude::{BooleanChunked, PlSmallStr, Series};
use polars_arrow::bitmap::{self, Bitmap};
use polars_arrow::types::NativeType;

/// `yes` where the bit of `truth` is set, `no` elsewhere: columns of `data_type` with as many cells as `truth`, or one
/// cell that stands for all.
///
/// # Errors
/// A defect of ours: columns of another type.
pub(super) fn select(truth: &Bitmap, yes: &Series, no: &Series, data_type: &DataType) -> Result<Series, EngineError> {
    if yes.len() == 1 && no.len() == 1 {
        return zipped(truth, yes, no);
    }
    with_native!(data_type, T => select_numbers::<T>(truth, numbers(yes)?, numbers(no)?), zipped(truth, yes, no))
}

fn zipped(truth: &Bitmap, yes: &Series, no: &Series) -> Result<Series, EngineError> {
    let mask = BooleanChunked::from_bitmap(PlSmallStr::EMPTY, truth.clone());
    Ok(one_chunk(yes.zip_with(&mask, no)?))
}

fn select_numbers<T: NativeType>(truth: &Bitmap, yes: Numbers<'_, T>, no: Numbers<'_, T>) -> Result<Series, EngineError> {
    let n = truth.len();
    let truth = truth.to_aligned_bitmap();
    let (bytes, _, _) = truth.as_slice();
    let values = match (yes.values, no.values) {
        ([x], no) if n != 1 => pick(n, bytes, |_| [*x; 8], |i| eight(no, i)),
        (yes, [y]) if n != 1 => pick(n, bytes, |i| eight(yes, i), |_| [*y; 8]),
        (yes, no) => pick(n, bytes, |i| eight(yes, i), |i| eight(no, i)),
    };
    Ok(access::number_series(values, validity(&truth, yes.validity, no.validity)))
}

/// The `i`th eight values; zeros stand behind the last.
#[inline]
fn eight<T: NativeType>(values: &[T], i: usize) -> [T; 8] {
    match values.get(8 * i..8 * i + 8).and_then(|v| v.first_chunk::<8>()) {
        Some(eight) => *eight,
        None => {
            let mut last = [T::zeroed(); 8];
            last.iter_mut().zip(values.iter().skip(8 * i)).for_each(|(to, from)| *to = *from);
            last
        }
    }
}

/// Eight values for every byte of bits: a loop of constant length without a branch, which vectorises.
#[inline]
fn pick<T: NativeType>(n: usize, bytes: &[u8], yes: impl Fn(usize) -> [T; 8], no: impl Fn(usize) -> [T; 8]) -> Vec<T> {
    let mut out = Vec::with_capacity(n + 8);
    for (i, byte) in bytes[..n.div_ceil(8)].iter().enumerate() {
        let (yes, no) = (yes(i), no(i));
        let mut picked = no;
        for k in 0..8 {
            picked[k] = if byte & (1 << k) != 0 { yes[k] } else { no[k] };
        }
        out.extend_from_slice(&picked);
    }
    out.truncate(n);
    out
}

/// Where the value picked is not NULL.
fn validity(truth: &Bitmap, yes: Option<&Bitmap>, no: Option<&Bitmap>) -> Option<Bitmap> {
    if yes.is_none() && no.is_none() {
        return None;
    }
    let spread = |bits: Option<&Bitmap>| match bits {
        Some(bits) if bits.len() == truth.len() => bits.clone(),
        Some(bits) => Bitmap::new_with_value(bits.get_bit(0), truth.len()),
        None => Bitmap::new_with_value(true, truth.len()),
    };
    let valid = bitmap::or(&bitmap::and(truth, &spread(yes)), &bitmap::and_not(&spread(no), truth));
    (valid.unset_bits() > 0).then_some(valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::columns::{series_of, value_at};
    use crate::types::Value;

    #[test]
    fn picks_values_and_nulls_of_either_side() {
        for n in [1usize, 7, 8, 64, 77] {
            let cell = |i: usize, null: usize, sign: i64| if i % null == 1 { Value::Null } else { Value::Int(sign * i as i64) };
            let column = |null, sign| (0..n).map(|i| cell(i, null, sign)).collect::<Vec<_>>();
            let constants = [vec![Value::Int(1000)], vec![Value::Null]];
            let sides = |null, sign| [vec![column(null, sign)], constants.to_vec()].concat();
            let truth: Bitmap = (0..n + 3).map(|i| i % 5 < 2).collect();
            let truth = truth.sliced(3, n);
            for yes in sides(3, 1) {
                for no in sides(4, -1) {
                    let (a, b) = (series_of(&yes, &DataType::Int), series_of(&no, &DataType::Int));
                    let picked = select(&truth, &a, &b, &DataType::Int).expect("numbers");
                    assert_eq!(picked.len(), n);
                    for i in 0..n {
                        let side = if truth.get_bit(i) { &yes } else { &no };
                        let expected = &side[if side.len() == 1 { 0 } else { i }];
                        assert_eq!(&value_at(&picked, i, &DataType::Int), expected, "row {i} of {n}");
                    }
                }
            }
        }
    }
}
