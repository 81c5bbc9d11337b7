//! Strings that are pieces of other strings: built from the views of their source, without copying a byte.
//!
//! A string column keeps a 16-byte view per value: short values stand in the view itself, long ones are a
//! position in a shared buffer. A piece of a value is therefore another view, which makes `substring`,
//! `trim` and `split` cheap.

use super::access::{Cells, Texts};
use polars::prelude::{PlSmallStr, Series};
use polars_arrow::array::{BinaryViewArrayGeneric, Utf8ViewArray, View};
use polars_arrow::bitmap::{Bitmap, BitmapBuilder};
use polars_arrow::datatypes::ArrowDataType;

/// Collects pieces of the strings of one column.
pub(in crate::engine) struct Slices<'a> {
    source: &'a Utf8ViewArray,
    views: Vec<View>,
    valid: BitmapBuilder,
}

impl<'a> Slices<'a> {
    /// An empty collection with room for `n` pieces.
    pub(in crate::engine) fn new(source: Texts<'a>, n: usize) -> Slices<'a> {
        Slices { source: source.0, views: Vec::with_capacity(n), valid: BitmapBuilder::with_capacity(n) }
    }

    /// Adds the bytes `start..end` of the string in row `row`; both must be character boundaries.
    #[expect(clippy::sliced_string_as_bytes, reason = "slicing the text checks the boundaries of characters")]
    pub(super) fn push(&mut self, row: usize, start: usize, end: usize) {
        let row = if self.source.len() == 1 { 0 } else { row };
        // Slicing checks the range and the boundaries, which is what makes the views below sound.
        let piece = self.source.value(row)[start..end].as_bytes();
        let view = self.source.views()[row];
        self.views.push(if piece.len() <= View::MAX_INLINE_SIZE as usize {
            View::new_inline(piece)
        } else {
            View::new_from_bytes(piece, view.buffer_idx, view.offset + start as u32)
        });
        self.valid.push(true);
    }

    /// Adds the pieces of the string in row `row` between the places where an ASCII character stands.
    pub(in crate::engine) fn split(&mut self, row: usize, delimiter: u8) {
        debug_assert!(delimiter.is_ascii());
        let row = if self.source.len() == 1 { 0 } else { row };
        let (text, whole) = (self.source.value(row).as_bytes(), self.source.views()[row]);
        let Slices { views, valid, .. } = self;
        let (before, mut start) = (views.len(), 0);
        each_position(delimiter, text, |end| {
            views.push(piece(text, start, end, whole));
            start = end + 1;
        });
        views.push(piece(text, start, text.len(), whole));
        valid.extend_constant(views.len() - before, true);
    }

    /// Adds NULL.
    pub(in crate::engine) fn push_null(&mut self) {
        self.views.push(View::default());
        self.valid.push(false);
    }

    /// How many there are.
    pub(in crate::engine) fn len(&self) -> usize {
        self.views.len()
    }

    /// The column of all pieces.
    #[expect(unsafe_code, reason = "polars has no checked constructor that keeps the source's buffers")]
    pub(in crate::engine) fn finish(self) -> Series {
        let buffers = self.source.data_buffers().clone();
        let validity: Option<Bitmap> = self.valid.into_opt_validity();
        // SAFETY: every view is either inline or a range of the value that `push` sliced or `split` divided, so it lies
        // within the buffer that the value lies in and begins and ends at character boundaries.
        let array: Utf8ViewArray = unsafe {
            BinaryViewArrayGeneric::new_unchecked_unknown_md(ArrowDataType::Utf8View, self.views.into(), buffers, validity, None)
        };
        Series::from_array(PlSmallStr::EMPTY, array)
    }
}

/// The view of the bytes `start..end` of a text that has the view `whole`.
#[inline]
fn piece(text: &[u8], start: usize, end: usize, whole: View) -> View {
    let length = end - start;
    if length > View::MAX_INLINE_SIZE as usize {
        return View::new_from_bytes(&text[start..end], whole.buffer_idx, whole.offset + start as u32);
    }
    // Sixteen bytes are read at once where the text has as many; what stands behind the piece becomes zeros.
    let Some(bytes) = text[start..].first_chunk().filter(|_| length > 0) else { return View::new_inline(&text[start..end]) };
    let bytes = u128::from_le_bytes(*bytes) & (u128::MAX >> (128 - 8 * length));
    View { length: length as u32, prefix: bytes as u32, buffer_idx: (bytes >> 32) as u32, offset: (bytes >> 64) as u32 }
}

/// Calls `f` with each place where `byte` stands, eight bytes at a time: pieces are mostly too short for a search that has to
/// be started anew behind each.
#[inline]
fn each_position(byte: u8, bytes: &[u8], mut f: impl FnMut(usize)) {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    let pattern = u64::from_ne_bytes([byte; 8]);
    let (whole, rest) = bytes.as_chunks::<8>();
    for (at, chunk) in whole.iter().enumerate() {
        let differs = u64::from_le_bytes(*chunk) ^ pattern;
        // The top bit of each byte that is the one looked for.
        let mut found = !(((differs & LOW) + LOW) | differs | LOW);
        while found != 0 {
            f(at * 8 + found.trailing_zeros() as usize / 8);
            found &= found - 1;
        }
    }
    let start = whole.len() * 8;
    rest.iter().enumerate().filter(|(_, b)| **b == byte).for_each(|(at, _)| f(start + at));
}

/// A piece of every string: `range` gives its start and end in bytes. NULL stays NULL.
pub(super) fn slice_each(source: Texts<'_>, mut range: impl FnMut(&str) -> (usize, usize)) -> Series {
    let mut out = Slices::new(source, source.len());
    for row in 0..source.len() {
        match source.at(row) {
            Some(text) => {
                let (start, end) = range(text);
                out.push(row, start, end);
            }
            None => out.push_null(),
        }
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divides_texts_of_every_length() {
        let words = [
            "",
            "a",
            "twelve chars",
            "thirteen char",
            "\u{00e9}\u{4e2d}",
            "eight by",
            "w00016",
            "a text that is longer than any view holds",
        ];
        for first in words {
            for last in words {
                let text = format!("{first} {last}  {first}");
                let source = Utf8ViewArray::from_slice([Some(text.as_str()), Some(last)]);
                let mut pieces = Slices::new(Texts(&source), 8);
                pieces.split(0, b' ');
                pieces.push_null();
                pieces.split(1, b' ');
                let wanted: Vec<Option<&str>> = text.split(' ').map(Some).chain([None]).chain(last.split(' ').map(Some)).collect();
                assert_eq!(pieces.finish().str().unwrap().iter().collect::<Vec<_>>(), wanted);
            }
        }
    }

    #[test]
    fn finds_every_place_as_a_plain_search_does() {
        let text = " a,b  ccc, \u{00e9}\u{0120} dddddddd e f!! ".repeat(3);
        for start in 0..text.len() {
            for byte in [b' ', b',', b'!', 0x20 ^ 0x80, 0xC3, b'z'] {
                let bytes = &text.as_bytes()[start..];
                let mut found = Vec::new();
                each_position(byte, bytes, |at| found.push(at));
                let plain: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == byte).collect();
                assert_eq!(found, plain);
            }
        }
    }
}
