//! Compressed files: the suffix says how, and the bytes are decoded while they are read.

use bzip2::read::MultiBzDecoder;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a file that are read at a time.
const READ: usize = 128 << 10;
/// The longest block that Hadoop's codecs may announce: more is a damaged file.
const MAX_BLOCK: usize = 256 << 20;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Gzip,
    Bzip2,
    Zstd,
    Deflate,
    Snappy,
    Lz4,
}

/// Suffixes as Hadoop's codecs have them.
const SUFFIXES: [(&str, Codec); 6] = [
    (".gz", Codec::Gzip),
    (".bz2", Codec::Bzip2),
    (".zst", Codec::Zstd),
    (".deflate", Codec::Deflate),
    (".snappy", Codec::Snappy),
    (".lz4", Codec::Lz4),
];

impl Codec {
    /// What a file's name says; `None` for one that is not compressed.
    pub(super) fn of(path: &Path) -> Option<Codec> {
        let name = path.file_name()?.to_string_lossy();
        SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix)).map(|(_, codec)| *codec)
    }

    /// Such as `gzip`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Bzip2 => "bzip2",
            Codec::Zstd => "zstd",
            Codec::Deflate => "deflate",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
        }
    }

    /// The decoded bytes of an open file, from its beginning. A file of several archives is all of them.
    ///
    /// # Errors
    /// What cannot be read; damage shows while reading.
    pub(super) fn reader(self, file: &File) -> io::Result<Box<dyn Read + '_>> {
        let mut file = BufReader::with_capacity(READ, file);
        // An empty file is an empty text, whatever its suffix.
        if file.fill_buf()?.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        let starts = |magic: &[u8], file: &BufReader<&File>| file.buffer().starts_with(magic);
        Ok(match self {
            Codec::Gzip => Box::new(MultiGzDecoder::new(file)),
            Codec::Bzip2 => Box::new(MultiBzDecoder::new(file)),
            Codec::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
            Codec::Deflate => Box::new(ZlibDecoder::new(file)),
            // What the command-line tools write has a frame of its own, unlike Hadoop's blocks.
            Codec::Snappy if starts(b"\xff\x06\x00\x00sNaPpY", &file) => Box::new(snap::read::FrameDecoder::new(file)),
            Codec::Lz4 if starts(b"\x04\x22\x4d\x18", &file) => Box::new(lz4::Decoder::new(file)?),
            Codec::Snappy => Box::new(Blocks::new(file, |bytes, _| {
                snap::raw::Decoder::new().decompress_vec(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
            })),
            Codec::Lz4 => Box::new(Blocks::new(file, |bytes, most| lz4::block::decompress(bytes, i32::try_from(most).ok()))),
        })
    }
}

/// Decodes one chunk to at most that many bytes.
type Decode = fn(&[u8], usize) -> io::Result<Vec<u8>>;

/// Hadoop's framing of codecs that know blocks only: the length of a block's text, then chunks, each with its length.
struct Blocks<R> {
    inner: R,
    decode: Decode,
    text: Vec<u8>,
    /// Bytes of `text` handed out.
    at: usize,
    /// Bytes that the block still has after `text`.
    left: usize,
}

impl<R: Read> Blocks<R> {
    fn new(inner: R, decode: Decode) -> Blocks<R> {
        Blocks { inner, decode, text: Vec::new(), at: 0, left: 0 }
    }

    /// The next length; `None` at the end of the file.
    fn length(&mut self, may_end: bool) -> io::Result<Option<usize>> {
        let mut bytes = [0; 4];
        let mut got = 0;
        while got < 4 {
            match self.inner.read(&mut bytes[got..])? {
                0 if got == 0 && may_end => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => got += n,
            }
        }
        let length = u32::from_be_bytes(bytes) as usize;
        if length > MAX_BLOCK {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a block of {length} bytes")));
        }
        Ok(Some(length))
    }

    /// False at the end of the file.
    fn next_chunk(&mut self) -> io::Result<bool> {
        while self.left == 0 {
            match self.length(true)? {
                Some(length) => self.left = length,
                None => return Ok(false),
            }
        }
        let length = self.length(false)?.unwrap_or(0);
        let mut chunk = Vec::new();
        if self.inner.by_ref().take(length as u64).read_to_end(&mut chunk)? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.text = (self.decode)(&chunk, self.left)?;
        self.at = 0;
        self.left = self
            .left
            .checked_sub(self.text.len())
            .filter(|_| !self.text.is_empty())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a chunk that does not fit its block"))?;
        Ok(true)
    }
}

impl<R: Read> Read for Blocks<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() && !self.next_chunk()? {
            return Ok(0);
        }
        let n = out.len().min(self.text.len() - self.at);
        out[..n].copy_from_slice(&self.text[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hadoops_blocks_hold_chunks() {
        let mut file = Vec::new();
        for (text, chunks) in [("hello world", vec!["hello ", "world"]), ("again", vec!["again"])] {
            file.extend((text.len() as u32).to_be_bytes());
            for chunk in chunks {
                let packed = snap::raw::Encoder::new().compress_vec(chunk.as_bytes()).unwrap();
                file.extend((packed.len() as u32).to_be_bytes());
                file.extend(packed);
            }
        }
        let decode: Decode =
            |bytes, _| snap::raw::Decoder::new().decompress_vec(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e));
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            Blocks::new(bytes, decode).read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(&file).unwrap(), "hello worldagain");
        assert!(read(&file[..file.len() - 1]).is_err());
        assert!(read(&[0xff; 12]).is_err());
    }

    #[test]
    fn the_suffix_decides() {
        assert_eq!(Codec::of(Path::new("a/b.json.gz")), Some(Codec::Gzip));
        assert_eq!(Codec::of(Path::new("a.gz/b.json")), None);
        assert_eq!(Codec::of(Path::new("b.GZ")), None);
    }
}
