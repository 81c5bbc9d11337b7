//! Bytes → records: line ends, byte order marks, encodings other than UTF-8.

use crate::engine::EngineError;
use std::borrow::Cow;

/// What ends a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// `\n`, `\r\n` or `\r`.
    #[default]
    Any,
    /// This sequence only.
    Text(Vec<u8>),
}

impl LineEnd {
    /// Calls `f` with every record of `text`, without its end; stops at the first error. A last record needs no end.
    pub(crate) fn split<'t, E>(&self, text: &'t [u8], mut f: impl FnMut(&'t [u8]) -> Result<(), E>) -> Result<(), E> {
        let mut start = 0;
        match self {
            LineEnd::Any if memchr::memchr(b'\r', text).is_none() => {
                for at in memchr::memchr_iter(b'\n', text) {
                    f(&text[start..at])?;
                    start = at + 1;
                }
            }
            LineEnd::Any => {
                for at in memchr::memchr2_iter(b'\n', b'\r', text) {
                    if at < start {
                        continue;
                    }
                    f(&text[start..at])?;
                    let pair = text[at] == b'\r' && text.get(at + 1) == Some(&b'\n');
                    start = at + 1 + usize::from(pair);
                }
            }
            LineEnd::Text(end) => {
                for at in memchr::memmem::find_iter(text, end) {
                    f(&text[start..at])?;
                    start = at + end.len();
                }
            }
        }
        if start < text.len() { f(&text[start..]) } else { Ok(()) }
    }

    /// The end of the first record of `text`, behind its line end; `None` if it does not end here for certain.
    pub(crate) fn first_end(&self, text: &[u8]) -> Option<usize> {
        match self {
            LineEnd::Any => memchr::memchr(b'\n', text).map(|at| at + 1),
            LineEnd::Text(end) => memchr::memmem::find(text, end).map(|at| at + end.len()),
        }
    }

    /// The end of the last complete record of `text`, behind its line end; 0 without one.
    pub(crate) fn last_end(&self, text: &[u8]) -> usize {
        match self {
            LineEnd::Any => memchr::memrchr(b'\n', text).map_or(0, |at| at + 1),
            LineEnd::Text(end) => memchr::memmem::rfind(text, end).map_or(0, |at| at + end.len()),
        }
    }
}

/// How bytes stand for characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Utf8,
    Latin1,
    Ascii,
    /// With a byte order mark, big-endian without one.
    Utf16,
    Utf16Le,
    Utf16Be,
    /// With a byte order mark, big-endian without one.
    Utf32,
}

impl Encoding {
    /// The encoding of that Java name.
    ///
    /// # Errors
    /// A name that we do not know.
    pub(crate) fn named(name: &str) -> Result<Encoding, EngineError> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "UTF-8" => Encoding::Utf8,
            "ISO-8859-1" => Encoding::Latin1,
            "US-ASCII" => Encoding::Ascii,
            "UTF-16" => Encoding::Utf16,
            "UTF-16LE" => Encoding::Utf16Le,
            "UTF-16BE" => Encoding::Utf16Be,
            "UTF-32" => Encoding::Utf32,
            _ => {
                return Err(EngineError::data("INVALID_PARAMETER_VALUE.CHARSET", format!("the charset {name} is not supported"))
                    .help("charsets: UTF-8, ISO-8859-1, US-ASCII, UTF-16, UTF-16LE, UTF-16BE, UTF-32"));
            }
        })
    }

    /// The same text in UTF-8; what is not valid becomes U+FFFD.
    pub(crate) fn to_utf8(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let wide = |big: bool, bytes: &[u8]| {
            let units =
                bytes.chunks_exact(2).map(|c| if big { u16::from_be_bytes([c[0], c[1]]) } else { u16::from_le_bytes([c[0], c[1]]) });
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
        };
        let wider = |big: bool, bytes: &[u8]| {
            let one = |c: &[u8]| {
                let quad = [c[0], c[1], c[2], c[3]];
                char::from_u32(if big { u32::from_be_bytes(quad) } else { u32::from_le_bytes(quad) }).unwrap_or(char::REPLACEMENT_CHARACTER)
            };
            bytes.chunks_exact(4).map(one).collect::<String>()
        };
        let text = match (self, bytes) {
            (Encoding::Utf8, _) => return Cow::Borrowed(bytes),
            (Encoding::Latin1, _) => bytes.iter().map(|b| char::from(*b)).collect(),
            (Encoding::Ascii, _) => bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { char::REPLACEMENT_CHARACTER }).collect(),
            (Encoding::Utf16, [0xff, 0xfe, rest @ ..]) => wide(false, rest),
            (Encoding::Utf16 | Encoding::Utf16Be, _) => wide(true, bytes),
            (Encoding::Utf16Le, _) => wide(false, bytes),
            (Encoding::Utf32, [0xff, 0xfe, 0, 0, rest @ ..]) => wider(false, rest),
            (Encoding::Utf32, _) => wider(true, bytes),
        };
        Cow::Owned(text.trim_start_matches('\u{feff}').to_string().into_bytes())
    }
}

/// The text without a UTF-8 byte order mark.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(end: &LineEnd, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        end.split::<()>(text.as_bytes(), |l| {
            lines.push(String::from_utf8_lossy(l).into_owned());
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn splits_at_any_line_end() {
        assert_eq!(split(&LineEnd::Any, "a\nb\n\nc"), ["a", "b", "", "c"]);
        assert_eq!(split(&LineEnd::Any, "a\r\nb\rc\n\rd\r\n"), ["a", "b", "c", "", "d"]);
        assert_eq!(split(&LineEnd::Text(b"||".to_vec()), "a\n||b||"), ["a\n", "b"]);
        assert_eq!(split(&LineEnd::Any, ""), Vec::<String>::new());
    }

    #[test]
    fn decodes_other_encodings() {
        assert_eq!(Encoding::Latin1.to_utf8(b"\xe9").as_ref(), "é".as_bytes());
        assert_eq!(Encoding::Utf16.to_utf8(b"\xff\xfea\0").as_ref(), b"a");
    }
}
