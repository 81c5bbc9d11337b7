//! Lines of text → one STRING column, without copying: its values are views into the bytes read.

use super::builder::Builder;
use super::lines::{Encoding, LineEnd};
use crate::engine::EngineError;
use crate::engine::source::declared::Declared;
use crate::types::DataType;
use polars::prelude::{PlSmallStr, Series};
use polars_arrow::array::{Utf8ViewArray, View};
use polars_arrow::datatypes::ArrowDataType;

/// Options of the text reader.
#[derive(Clone, Debug)]
pub(super) struct TextOptions {
    /// A file is one value.
    pub(super) whole: bool,
    pub(super) line_end: LineEnd,
    pub(super) encoding: Encoding,
}

impl TextOptions {
    pub(super) fn read(declared: &Declared<'_>) -> Result<TextOptions, EngineError> {
        let line_end = match declared.text("lineSep") {
            Some(text) => LineEnd::Text(declared.not_empty("lineSep", text)?.as_bytes().to_vec()),
            None => LineEnd::Any,
        };
        let encoding = declared.text("encoding").map_or(Ok(Encoding::Utf8), Encoding::named)?;
        Ok(TextOptions { whole: declared.boolean("wholetext")?.unwrap_or(false), line_end, encoding })
    }
}

/// The lines as a column, left out unless `wanted`, and how many there are.
pub(super) fn decode(bytes: Vec<u8>, options: &TextOptions, wanted: bool) -> Result<(Option<Series>, usize), EngineError> {
    let bytes = match String::from_utf8(bytes) {
        Ok(text) => text.into_bytes(),
        Err(invalid) => String::from_utf8_lossy(invalid.as_bytes()).into_owned().into_bytes(),
    };
    let mut lines = Vec::new();
    let mut rows = 0;
    let whole = LineEnd::Text(Vec::new());
    let line_end = if options.whole { &whole } else { &options.line_end };
    let mut add = |line: &[u8]| {
        rows += 1;
        if wanted {
            lines.push((line.as_ptr() as usize - bytes.as_ptr() as usize, line.len()));
        }
    };
    if options.whole && bytes.is_empty() {
        // No text, no row.
    } else if options.whole {
        add(&bytes);
    } else {
        lines_of(line_end, &bytes, &mut add);
    }
    if !wanted {
        return Ok((None, rows));
    }
    if u32::try_from(bytes.len()).is_err() {
        return copied(&bytes, &lines).map(|column| (Some(column), rows));
    }
    let views: Vec<View> = lines.iter().map(|(start, len)| View::new_from_bytes(&bytes[*start..start + len], 0, *start as u32)).collect();
    Ok((Some(column_of(bytes, views)), rows))
}

fn lines_of(line_end: &LineEnd, bytes: &[u8], add: &mut impl FnMut(&[u8])) {
    let done: Result<(), std::convert::Infallible> = line_end.split(bytes, |line| {
        add(line);
        Ok(())
    });
    match done {
        Ok(()) => {}
    }
}

#[expect(unsafe_code, reason = "the bytes were validated as one text; validating every line again costs as much as splitting")]
fn column_of(bytes: Vec<u8>, views: Vec<View>) -> Series {
    let total = bytes.len();
    // SAFETY: the buffer is valid UTF-8 and every view covers a line of it, cut at ASCII or whole characters.
    let array = unsafe {
        Utf8ViewArray::new_unchecked(ArrowDataType::Utf8View, views.into(), [bytes.into()].into_iter().collect(), None, None, total)
    };
    Series::from_array(PlSmallStr::EMPTY, array)
}

/// Views hold 32-bit offsets: a text of more than 4 GiB goes through a builder, which opens more buffers.
fn copied(bytes: &[u8], lines: &[(usize, usize)]) -> Result<Series, EngineError> {
    let mut builder = Builder::new(&DataType::String);
    if let Builder::Text(cells) = &mut builder {
        for (start, len) in lines {
            cells.push(&String::from_utf8_lossy(&bytes[*start..start + len]));
        }
    }
    builder.finish()
}
