//! Lines in a stream of bytes: found in place, ends cut as Java's `readLine` cuts them.
//!
//! A receiver reads into [`Splitter::space`], says how much came with [`Splitter::filled`], takes the `Block` of
//! whole lines, and calls [`Splitter::next`] to keep only the unfinished rest. `\n`, `\r\n` and a lone `\r` end a line.

use crate::diagnostic::printable;

/// Bytes asked for in one read.
pub const READ_BYTES: usize = 256 * 1024;
/// Longest line kept unless `maxLineBytes` says otherwise.
pub const MAX_LINE_BYTES: usize = 1 << 20;
/// Bytes of a sample line that are kept for display.
const SAMPLE_BYTES: usize = 120;

/// Where a line lies in its block or chunk, its end left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl LineRange {
    fn new(start: usize, end: usize) -> LineRange {
        // A block is at most a read and a line long, and the line limit is far below 4 GiB.
        LineRange { start: start as u32, end: end as u32 }
    }

    /// As a range for slicing.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What was wrong with lines of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Lines over the limit: dropped.
    pub oversized: u64,
    /// Lines with bytes that are no UTF-8: kept, with U+FFFD in their place.
    pub invalid: u64,
    /// One of them, escaped.
    pub sample: Option<String>,
}

/// Cuts lines out of a growing buffer.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Bytes of the buffer in use.
    used: usize,
    /// First byte that was not searched for a line end yet.
    searched: usize,
    /// Where the unfinished line begins.
    rest: usize,
    lines: Vec<LineRange>,
    flaws: Flaws,
    max_line: usize,
    /// The rest of a line over the limit is being passed over.
    skipping: bool,
    /// The byte before `rest` was `\r`: a `\n` right after it belongs to it.
    after_return: bool,
    /// Holds the lines when bytes had to be replaced.
    repaired: Option<(Vec<u8>, Vec<LineRange>)>,
}

impl Splitter {
    /// A splitter that drops lines of more than `max_line` bytes.
    pub fn new(max_line: usize) -> Splitter {
        Splitter {
            buffer: vec![0; READ_BYTES],
            used: 0,
            searched: 0,
            rest: 0,
            lines: Vec::new(),
            flaws: Flaws::default(),
            max_line,
            skipping: false,
            after_return: false,
            repaired: None,
        }
    }

    /// Where the next bytes go.
    pub fn space(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.used < READ_BYTES / 2 {
            self.buffer.resize(self.used + READ_BYTES, 0);
        }
        &mut self.buffer[self.used..]
    }

    /// `count` more bytes of the space hold data: finds the lines in them.
    pub fn filled(&mut self, count: usize) {
        self.used += count;
        let buffer = &self.buffer[..self.used];
        for at in memchr::memchr2_iter(b'\n', b'\r', &buffer[self.searched..]) {
            let at = self.searched + at;
            let ends_return = self.after_return && at == self.rest && buffer[at] == b'\n';
            if self.skipping {
                self.skipping = false;
            } else if at - self.rest > self.max_line {
                self.flaws.oversized += 1;
                self.flaws.sample = Some(oversized_sample(&buffer[self.rest..at], Some(at - self.rest)));
            } else if !ends_return {
                self.lines.push(LineRange::new(self.rest, at));
            }
            self.rest = at + 1;
            self.after_return = buffer[at] == b'\r';
        }
        self.searched = self.used;
        if !self.skipping && self.used - self.rest > self.max_line {
            self.flaws.oversized += 1;
            self.flaws.sample = Some(oversized_sample(&buffer[self.rest..], None));
            self.skipping = true;
        }
        if self.skipping {
            self.used = self.rest;
            self.searched = self.rest;
        }
        self.repair();
    }

    /// The peer closed: an unfinished line is a line, and the next byte belongs to another connection.
    pub fn finish(&mut self) {
        if self.used > self.rest && !self.skipping {
            self.lines.push(LineRange::new(self.rest, self.used));
            self.rest = self.used;
        }
        self.skipping = false;
        self.after_return = false;
        self.repair();
    }

    /// The bytes and the lines in them, valid UTF-8.
    pub fn block(&self) -> (&[u8], &[LineRange]) {
        match &self.repaired {
            Some((bytes, lines)) => (bytes, lines),
            None => (&self.buffer[..self.used], &self.lines),
        }
    }

    /// What was wrong since the last call.
    pub fn take_flaws(&mut self) -> Flaws {
        std::mem::take(&mut self.flaws)
    }

    /// Forgets the lines found and moves the unfinished one to the front.
    pub fn next(&mut self) {
        self.lines.clear();
        self.repaired = None;
        if self.rest > 0 {
            self.buffer.copy_within(self.rest..self.used, 0);
            self.used -= self.rest;
            self.searched -= self.rest;
            self.rest = 0;
        }
        // One long line must not keep its memory for good.
        if self.buffer.len() > 2 * READ_BYTES && self.used < READ_BYTES / 2 {
            self.buffer.truncate(READ_BYTES);
            self.buffer.shrink_to_fit();
        }
    }

    /// Replaces what is no UTF-8. Checked over all lines at once, as nearly every block is valid.
    fn repair(&mut self) {
        let (Some(first), Some(last)) = (self.lines.first(), self.lines.last()) else { return };
        if std::str::from_utf8(&self.buffer[first.start as usize..last.end as usize]).is_ok() {
            return;
        }
        let mut bytes = Vec::with_capacity(self.used + self.used / 8);
        let mut lines = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let text = String::from_utf8_lossy(&self.buffer[line.range()]);
            if matches!(text, std::borrow::Cow::Owned(_)) {
                self.flaws.invalid += 1;
                self.flaws.sample = Some(sample(text.as_bytes()));
            }
            let start = bytes.len();
            bytes.extend_from_slice(text.as_bytes());
            lines.push(LineRange::new(start, bytes.len()));
            bytes.push(b'\n');
        }
        self.repaired = Some((bytes, lines));
    }
}

/// The beginning of a line, escaped so that a terminal only shows it.
pub fn sample(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(SAMPLE_BYTES)]);
    if line.len() <= SAMPLE_BYTES {
        return printable(&text).into_owned();
    }
    // The cut may go through a character.
    format!("{}…", printable(text.trim_end_matches('\u{fffd}')))
}

fn oversized_sample(line: &[u8], length: Option<usize>) -> String {
    match length {
        Some(length) => format!("{} ({length} bytes)", sample(line)),
        None => format!("{} (more than {} bytes)", sample(line), line.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `parts` read one after the other, then the close.
    fn split(max_line: usize, parts: &[&[u8]]) -> (Vec<String>, Flaws) {
        let mut splitter = Splitter::new(max_line);
        let mut lines = Vec::new();
        let mut flaws = Flaws::default();
        let mut take = |splitter: &mut Splitter| {
            let (bytes, ranges) = splitter.block();
            lines.extend(ranges.iter().map(|r| String::from_utf8(bytes[r.range()].to_vec()).unwrap()));
            let new = splitter.take_flaws();
            flaws.oversized += new.oversized;
            flaws.invalid += new.invalid;
            flaws.sample = new.sample.or(flaws.sample.take());
            splitter.next();
        };
        for part in parts {
            splitter.space()[..part.len()].copy_from_slice(part);
            splitter.filled(part.len());
            take(&mut splitter);
        }
        splitter.finish();
        take(&mut splitter);
        (lines, flaws)
    }

    #[test]
    fn line_ends_are_javas() {
        let cases: [(&[&[u8]], &[&str]); 8] = [
            (&[b"a\nb\n"], &["a", "b"]),
            (&[b"a\r\nb\r\n"], &["a", "b"]),
            (&[b"a\rb\r"], &["a", "b"]),
            (&[b"a\r", b"\nb"], &["a", "b"]),
            (&[b"\n\n\r\n\r\r\n"], &["", "", "", "", ""]),
            (&[b"half", b" a line", b"\nrest"], &["half a line", "rest"]),
            (&[b"a\r", b"b\n"], &["a", "b"]),
            (&[b""], &[]),
        ];
        for (parts, expected) in cases {
            let (lines, flaws) = split(100, parts);
            assert_eq!(lines, expected, "{parts:?}");
            assert_eq!(flaws, Flaws::default());
        }
    }

    #[test]
    fn long_lines_are_dropped_whole() {
        let (lines, flaws) = split(5, &[b"12345\n123456\nab\n1234", b"56789", b"0\nc"]);
        assert_eq!(lines, ["12345", "ab", "c"]);
        assert_eq!(flaws.oversized, 2);
        let (lines, flaws) = split(5, &[b"123456\x1b[2J"]);
        assert!(lines.is_empty());
        let sample = flaws.sample.unwrap();
        assert!(sample.starts_with("123456") && !sample.contains('\x1b'), "{sample}");
    }

    #[test]
    fn no_utf8_is_replaced_and_counted() {
        let (lines, flaws) = split(100, &[b"ok\nb\xffd\nfin\xc3\xa9\n\xe2\x82"]);
        assert_eq!(lines, ["ok", "b\u{fffd}d", "fin\u{e9}", "\u{fffd}"]);
        assert_eq!(flaws.invalid, 2);
    }

    #[test]
    fn characters_may_be_cut_by_a_read() {
        let (lines, flaws) = split(100, &[b"caf\xc3", b"\xa9\n"]);
        assert_eq!((lines, flaws.invalid), (vec!["caf\u{e9}".to_string()], 0));
    }
}
