//! The lines that a stream of files logs, so that a restart knows which files each offset stands for.
//!
//! ```text
//! file  <batch> <modified> <bytes> <start> <end or -> <path>     a part of a batch
//! seen  <modified> <path or name>                                a file of some batch long ago
//! grown <bytes>                                                  how far the one growing file was read
//! ```
//! Fields are separated by tabs; times are microseconds since the epoch. In paths, bytes that are no plain
//! text stand as `%41`.

use super::Segment;
use crate::engine::EngineError;
use std::path::{Path, PathBuf};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    File { batch: usize, segment: Segment },
    Seen { modified: i64, key: PathBuf },
    Grown { bytes: u64 },
}

impl Line {
    pub(super) fn text(&self) -> String {
        match self {
            Line::File { batch, segment: Segment { path, start, end, bytes, modified } } => {
                let end = end.map_or("-".to_string(), |e| e.to_string());
                format!("file\t{batch}\t{modified}\t{bytes}\t{start}\t{end}\t{}", escaped(path))
            }
            Line::Seen { modified, key } => format!("seen\t{modified}\t{}", escaped(key)),
            Line::Grown { bytes } => format!("grown\t{bytes}"),
        }
    }

    /// # Errors
    /// Text that is no such line.
    pub(super) fn parse(text: &str) -> Result<Line, EngineError> {
        let fields: Vec<&str> = text.split('\t').collect();
        parse(&fields).ok_or_else(|| EngineError::external(format!("`{text}` is no line that a stream of files logs")))
    }
}

fn parse(fields: &[&str]) -> Option<Line> {
    Some(match fields {
        ["file", batch, modified, bytes, start, end, path] => Line::File {
            batch: batch.parse().ok()?,
            segment: Segment {
                path: unescaped(path)?,
                start: start.parse().ok()?,
                end: if *end == "-" { None } else { Some(end.parse().ok()?) },
                bytes: bytes.parse().ok()?,
                modified: modified.parse().ok()?,
            },
        },
        ["seen", modified, key] => Line::Seen { modified: modified.parse().ok()?, key: unescaped(key)? },
        ["grown", bytes] => Line::Grown { bytes: bytes.parse().ok()? },
        _ => return None,
    })
}

fn escaped(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || c == '%' {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().for_each(|b| out.push_str(&format!("%{b:02X}")));
            } else {
                out.push(c);
            }
        }
        chunk.invalid().iter().for_each(|b| out.push_str(&format!("%{b:02X}")));
    }
    out
}

fn unescaped(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    path_of(bytes)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere paths are text, and not all bytes are")]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    Some(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_back() {
        let segment =
            Segment { path: PathBuf::from("/a b/50%\tünder\n.json"), start: 3, end: Some(9), bytes: 6, modified: 1_700_000_000_000_000 };
        let open = Segment { end: None, path: path_of(b"/a/\xFF.csv".to_vec()).unwrap(), ..segment.clone() };
        for line in [
            Line::File { batch: 7, segment },
            Line::File { batch: 0, segment: open },
            Line::Seen { modified: -5, key: PathBuf::from("x.json") },
            Line::Grown { bytes: 12 },
        ] {
            let text = line.text();
            assert!(!text.contains('\n'));
            assert_eq!(Line::parse(&text).unwrap(), line);
        }
        assert!(Line::parse("file\t1").is_err());
    }
}
