//! `compression` of files of text, and their encoding.

use crate::engine::EngineError;
use crate::engine::source::decode::lines::Encoding;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::borrow::Cow;
use std::io::{self, Write};

/// How bytes are made fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Compression {
    #[default]
    None,
    Gzip,
    Deflate,
    Zstd,
}

/// What `compression` may be, in the order that messages list it.
const CODECS: &[(&str, Compression)] = &[
    ("none", Compression::None),
    ("uncompressed", Compression::None),
    ("gzip", Compression::Gzip),
    ("deflate", Compression::Deflate),
    ("zstd", Compression::Zstd),
];

impl Compression {
    /// The codec of that name.
    ///
    /// # Errors
    /// A codec that is not there.
    pub(super) fn named(name: &str) -> Result<Compression, EngineError> {
        match CODECS.iter().find(|(codec, _)| codec.eq_ignore_ascii_case(name)) {
            Some((_, codec)) => Ok(*codec),
            None => Err(unknown_codec(name, CODECS.iter().map(|(codec, _)| *codec))),
        }
    }

    /// What the name of a file ends in, behind that of its format.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Deflate => ".deflate",
            Compression::Zstd => ".zst",
        }
    }

    /// Runs `write` with a target that compresses into `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub(super) fn wrap(self, out: &mut dyn Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match self {
            Compression::None => write(out),
            Compression::Gzip => {
                let mut encoder = GzEncoder::new(out, flate2::Compression::default());
                write(&mut encoder)?;
                encoder.finish().map(drop)
            }
            Compression::Deflate => {
                let mut encoder = ZlibEncoder::new(out, flate2::Compression::default());
                write(&mut encoder)?;
                encoder.finish().map(drop)
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(out, 0)?;
                write(&mut encoder)?;
                encoder.finish().map(drop)
            }
        }
    }
}

/// What to say of a codec that is not there.
pub(super) fn unknown_codec<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> EngineError {
    let known: Vec<&str> = known.collect();
    EngineError::data("CODEC_NOT_AVAILABLE.WITH_AVAILABLE_CODECS_SUGGESTION", format!("there is no compression '{name}'"))
        .help(format!("compression: {}", known.join(", ")))
}

/// What stands before the first character of a file.
pub(super) fn byte_order_mark(encoding: Encoding) -> &'static [u8] {
    if encoding == Encoding::Utf16 { b"\xfe\xff" } else { b"" }
}

/// Text in an encoding; what it has no code for becomes `?`, as in Java.
pub(super) fn encoded(encoding: Encoding, text: &str) -> Cow<'_, [u8]> {
    let narrow =
        |last: u32| text.chars().map(|c| u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) <= last).unwrap_or(b'?')).collect();
    Cow::Owned(match encoding {
        Encoding::Utf8 => return Cow::Borrowed(text.as_bytes()),
        Encoding::Latin1 => narrow(255),
        Encoding::Ascii => narrow(127),
        Encoding::Utf16 | Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf32 => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn compressed(codec: Compression) -> Vec<u8> {
        let mut out = Vec::new();
        codec.wrap(&mut out, |target| target.write_all(b"some text")).unwrap();
        out
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let mut text = String::new();
        flate2::read::GzDecoder::new(compressed(Compression::Gzip).as_slice()).read_to_string(&mut text).unwrap();
        flate2::read::ZlibDecoder::new(compressed(Compression::Deflate).as_slice()).read_to_string(&mut text).unwrap();
        zstd::Decoder::new(compressed(Compression::Zstd).as_slice()).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "some text".repeat(3));
        assert_eq!(compressed(Compression::None), b"some text");
    }

    #[test]
    fn encodings_are_those_of_the_readers() {
        for encoding in [Encoding::Utf8, Encoding::Latin1, Encoding::Utf16, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Utf32] {
            let bytes = [byte_order_mark(encoding), &encoded(encoding, "aé\n")].concat();
            assert_eq!(encoding.to_utf8(&bytes).as_ref(), "aé\n".as_bytes(), "{encoding:?}");
        }
        assert_eq!(encoded(Encoding::Ascii, "é€a").as_ref(), b"??a");
    }
}
