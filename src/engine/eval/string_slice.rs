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
pub(super) struct Slices<'a> {
    source: &'a Utf8ViewArray,
    views: Vec<View>,
    valid: BitmapBuilder,
}

impl<'a> Slices<'a> {
    /// An empty collection with room for `n` pieces.
    pub(super) fn new(source: Texts<'a>, n: usize) -> Slices<'a> {
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

    /// Adds NULL.
    pub(super) fn push_null(&mut self) {
        self.views.push(View::default());
        self.valid.push(false);
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    /// The column of all pieces.
    #[expect(unsafe_code, reason = "polars has no checked constructor that keeps the source's buffers")]
    pub(super) fn finish(self) -> Series {
        let buffers = self.source.data_buffers().clone();
        let validity: Option<Bitmap> = self.valid.into_opt_validity();
        // SAFETY: every view is either inline or a range of the value that `push` sliced, so it lies within
        // the buffer that the value lies in and begins and ends at character boundaries.
        let array: Utf8ViewArray = unsafe {
            BinaryViewArrayGeneric::new_unchecked_unknown_md(ArrowDataType::Utf8View, self.views.into(), buffers, validity, None)
        };
        Series::from_array(PlSmallStr::EMPTY, array)
    }
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
