//! Functions of cells applied to whole columns.

use super::*;

/// The bits `test(0) … test(n - 1)`, packed in words.
pub fn bits(n: usize, mut test: impl FnMut(usize) -> bool) -> Bitmap {
    let mut bytes = Vec::with_capacity(n.div_ceil(64) * 8);
    let mut start = 0;
    while start + 64 <= n {
        let mut word = 0u64;
        for i in 0..64 {
            word |= u64::from(test(start + i)) << i;
        }
        bytes.extend_from_slice(&word.to_le_bytes());
        start += 64;
    }
    if start < n {
        let mut word = 0u64;
        for i in 0..n - start {
            word |= u64::from(test(start + i)) << i;
        }
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    Bitmap::from_u8_vec(bytes, n)
}

/// The bits `test(a[i], b[i])`; either side may be a constant.
pub fn test2<A: NativeType, B: NativeType>(a: &[A], b: &[B], test: impl Fn(A, B) -> bool) -> Bitmap {
    match (a, b) {
        ([x], b) => bits(b.len(), |i| test(*x, b[i])),
        (a, [y]) => {
            let y = *y;
            bits(a.len(), |i| test(a[i], y))
        }
        (a, b) => {
            let b = &b[..a.len()];
            bits(a.len(), |i| test(a[i], b[i]))
        }
    }
}

/// `f` of every number; NULL stays NULL.
pub fn unary<A: NativeType, R: NativeType>(a: &Series, f: impl Fn(A) -> R) -> Result<Series, EngineError> {
    let a = numbers::<A>(a)?;
    Ok(number_series(a.values.iter().map(|v| f(*v)).collect(), a.validity.cloned()))
}

/// `f` of every number where it may fail; looks only at rows that are not NULL.
pub fn try_unary<A: NativeType, R: NativeType + Default>(
    a: &Series,
    f: impl Fn(A) -> Result<R, EngineError>,
) -> Result<Series, EngineError> {
    let a = numbers::<A>(a)?;
    let mut out = Vec::with_capacity(a.values.len());
    for (row, value) in a.values.iter().enumerate() {
        let valid = a.validity.is_none_or(|bits| bits.get_bit(row));
        out.push(if valid { f(*value).map_err(|e| e.at_row(row))? } else { R::default() });
    }
    Ok(number_series(out, a.validity.cloned()))
}

/// `f` of every pair of numbers; NULL where either is.
pub fn binary<A: NativeType, B: NativeType, R: NativeType>(a: &Series, b: &Series, f: impl Fn(A, B) -> R) -> Result<Series, EngineError> {
    let (a, b) = (numbers::<A>(a)?, numbers::<B>(b)?);
    let validity = both_valid(a.validity, b.validity, length(&[a.len(), b.len()]));
    Ok(number_series(zip2(a.values, b.values, f), validity))
}

/// `f` of every pair of slices' values; either side may be a constant.
pub fn zip2<A: NativeType, B: NativeType, R: NativeType>(a: &[A], b: &[B], f: impl Fn(A, B) -> R) -> Vec<R> {
    match (a, b) {
        ([x], [y]) => vec![f(*x, *y)],
        ([x], b) => b.iter().map(|y| f(*x, *y)).collect(),
        (a, [y]) => a.iter().map(|x| f(*x, *y)).collect(),
        (a, b) => a.iter().zip(b).map(|(x, y)| f(*x, *y)).collect(),
    }
}

/// `f` of every pair of numbers where it may fail; rows with a NULL are not looked at.
pub fn try_binary<A: NativeType, B: NativeType, R: NativeType + Default>(
    a: &Series,
    b: &Series,
    f: impl Fn(A, B) -> Result<R, EngineError>,
) -> Result<Series, EngineError> {
    let (a, b) = (numbers::<A>(a)?, numbers::<B>(b)?);
    let n = length(&[a.len(), b.len()]);
    let validity = both_valid(a.validity, b.validity, n);
    let mut out = Vec::with_capacity(n);
    for row in 0..n {
        let valid = validity.as_ref().is_none_or(|bits| bits.get_bit(row));
        let x = a.values[if a.len() == 1 { 0 } else { row }];
        let y = b.values[if b.len() == 1 { 0 } else { row }];
        out.push(if valid { f(x, y).map_err(|e| e.at_row(row))? } else { R::default() });
    }
    Ok(number_series(out, validity))
}

/// Values of one block of a checked loop: what fits the first cache beside its operands.
const BLOCK: usize = 1024;

/// A pair of numbers may have no result, which fails with `error` of the pair; vectorises where `f` does.
///
/// `f` gives the wrapped result and a flag: the marks of all rows are OR-ed, and only where `is_wrong` of that holds
/// are the rows looked at one by one, those with a NULL left out.
pub fn checked_binary<T: NativeType + Default, M: Copy + Default + std::ops::BitOr<Output = M>>(
    a: &Series,
    b: &Series,
    f: impl Fn(T, T) -> (T, M),
    is_wrong: impl Fn(M) -> bool,
    error: impl Fn(T, T) -> EngineError,
) -> Result<Series, EngineError> {
    let (a, b) = (numbers::<T>(a)?, numbers::<T>(b)?);
    let n = length(&[a.len(), b.len()]);
    let validity = both_valid(a.validity, b.validity, n);
    let (values, marks) = match (a.values, b.values) {
        (a, [y]) => marked(a, |x| f(x, *y)),
        ([x], b) => marked(b, |y| f(*x, y)),
        (a, b) => marked2(a, b, &f),
    };
    if is_wrong(marks) {
        for row in 0..n {
            let (Some(x), Some(y)) = (a.at(row), b.at(row)) else { continue };
            if is_wrong(f(x, y).1) {
                return Err(error(x, y).at_row(row));
            }
        }
    }
    Ok(number_series(values, validity))
}

/// The results of `f` and the OR of its marks. A block is computed in place, without a branch, and then moved.
#[inline]
fn marked<T: NativeType + Default, M: Copy + Default + std::ops::BitOr<Output = M>>(a: &[T], f: impl Fn(T) -> (T, M)) -> (Vec<T>, M) {
    let (mut out, mut marks, mut block) = (Vec::with_capacity(a.len()), M::default(), [T::default(); BLOCK]);
    for a in a.chunks(BLOCK) {
        let mut marked = M::default();
        for (to, x) in block.iter_mut().zip(a) {
            let (value, mark) = f(*x);
            *to = value;
            marked = marked | mark;
        }
        marks = marks | marked;
        out.extend_from_slice(&block[..a.len()]);
    }
    (out, marks)
}

/// As [`marked`], of pairs.
#[inline]
fn marked2<T: NativeType + Default, M: Copy + Default + std::ops::BitOr<Output = M>>(
    a: &[T],
    b: &[T],
    f: impl Fn(T, T) -> (T, M),
) -> (Vec<T>, M) {
    let (mut out, mut marks, mut block) = (Vec::with_capacity(a.len()), M::default(), [T::default(); BLOCK]);
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let mut marked = M::default();
        let n = a.len().min(b.len());
        let (a, b, to) = (&a[..n], &b[..n], &mut block[..n]);
        for i in 0..n {
            let (value, mark) = f(a[i], b[i]);
            to[i] = value;
            marked = marked | mark;
        }
        marks = marks | marked;
        out.extend_from_slice(&block[..a.len()]);
    }
    (out, marks)
}

/// A type that kernels can build a column of.
pub trait Output: Sized {
    /// Collects the cells.
    type Builder;
    /// An empty builder with room for `n` cells.
    fn builder(n: usize) -> Self::Builder;
    /// Adds a cell.
    fn push_to(self, builder: &mut Self::Builder);
    /// Adds a NULL.
    fn push_null(builder: &mut Self::Builder);
    /// The column.
    fn finish(builder: Self::Builder) -> Series;
}

/// Collects numbers and NULLs.
pub struct NumberBuilder<T> {
    values: Vec<T>,
    valid: BitmapBuilder,
}

macro_rules! number_output {
    ($($t:ty),*) => {$(
        impl Output for $t {
            type Builder = NumberBuilder<$t>;
            fn builder(n: usize) -> Self::Builder {
                NumberBuilder { values: Vec::with_capacity(n), valid: BitmapBuilder::with_capacity(n) }
            }
            fn push_to(self, builder: &mut Self::Builder) {
                builder.values.push(self);
                builder.valid.push(true);
            }
            fn push_null(builder: &mut Self::Builder) {
                builder.values.push(<$t>::default());
                builder.valid.push(false);
            }
            fn finish(builder: Self::Builder) -> Series {
                number_series(builder.values, builder.valid.into_opt_validity())
            }
        }
    )*};
}
number_output!(i8, i16, i32, i64, i128, f32, f64);

impl Output for bool {
    type Builder = (BitmapBuilder, BitmapBuilder);

    fn builder(n: usize) -> Self::Builder {
        (BitmapBuilder::with_capacity(n), BitmapBuilder::with_capacity(n))
    }

    fn push_to(self, builder: &mut Self::Builder) {
        builder.0.push(self);
        builder.1.push(true);
    }

    fn push_null(builder: &mut Self::Builder) {
        builder.0.push(false);
        builder.1.push(false);
    }

    fn finish(builder: Self::Builder) -> Series {
        flag_series(builder.0.freeze(), builder.1.into_opt_validity())
    }
}

macro_rules! view_output {
    ($([$($g:tt)*] $t:ty, $of:ty, $as:ident);*) => {$(
        impl<$($g)*> Output for $t {
            type Builder = MutableBinaryViewArray<$of>;
            fn builder(n: usize) -> Self::Builder {
                MutableBinaryViewArray::with_capacity(n)
            }
            fn push_to(self, builder: &mut Self::Builder) {
                let value: &$of = self.$as();
                builder.push_value(value);
            }
            fn push_null(builder: &mut Self::Builder) {
                builder.push_null();
            }
            fn finish(builder: Self::Builder) -> Series {
                Series::from_array(PlSmallStr::EMPTY, builder.freeze())
            }
        }
    )*};
}
view_output!(
    ['a] &'a str, str, as_ref; [] String, str, as_str; ['a] std::borrow::Cow<'a, str>, str, as_ref;
    ['a] &'a [u8], [u8], as_ref; [] Vec<u8>, [u8], as_slice; ['a] std::borrow::Cow<'a, [u8]>, [u8], as_ref
);

/// `f` of every cell; NULL stays NULL.
pub fn map1<A: Cells, R: Output>(a: &A, mut f: impl FnMut(A::Item) -> Result<Option<R>, EngineError>) -> Result<Series, EngineError> {
    map_rows(a.len(), |row| match a.at(row) {
        Some(x) => f(x),
        None => Ok(None),
    })
}

/// `f` of every pair of cells; NULL where either is.
pub fn map2<A: Cells, B: Cells, R: Output>(
    a: &A,
    b: &B,
    mut f: impl FnMut(A::Item, B::Item) -> Result<Option<R>, EngineError>,
) -> Result<Series, EngineError> {
    map_rows(length(&[a.len(), b.len()]), |row| match (a.at(row), b.at(row)) {
        (Some(x), Some(y)) => f(x, y),
        _ => Ok(None),
    })
}

/// `f` of every three cells; NULL where any is.
pub fn map3<A: Cells, B: Cells, C: Cells, R: Output>(
    a: &A,
    b: &B,
    c: &C,
    mut f: impl FnMut(A::Item, B::Item, C::Item) -> Result<Option<R>, EngineError>,
) -> Result<Series, EngineError> {
    map_rows(length(&[a.len(), b.len(), c.len()]), |row| match (a.at(row), b.at(row), c.at(row)) {
        (Some(x), Some(y), Some(z)) => f(x, y, z),
        _ => Ok(None),
    })
}

/// A column of `f(0) … f(n - 1)`; an error is told its row.
pub fn map_rows<R: Output>(n: usize, mut f: impl FnMut(usize) -> Result<Option<R>, EngineError>) -> Result<Series, EngineError> {
    let mut builder = R::builder(n);
    for row in 0..n {
        match f(row).map_err(|e| e.at_row(row))? {
            Some(value) => value.push_to(&mut builder),
            None => R::push_null(&mut builder),
        }
    }
    Ok(R::finish(builder))
}

/// A string from every string, written into a buffer that is cleared for each row; `false` means NULL.
pub fn map_text(a: &Texts<'_>, mut f: impl FnMut(&str, &mut String) -> bool) -> Series {
    let mut builder = <&str as Output>::builder(a.len());
    let mut buffer = String::new();
    for row in 0..a.len() {
        match a.at(row) {
            Some(text) => {
                buffer.clear();
                if f(text, &mut buffer) { builder.push_value(buffer.as_str()) } else { builder.push_null() }
            }
            None => builder.push_null(),
        }
    }
    <&str as Output>::finish(builder)
}
