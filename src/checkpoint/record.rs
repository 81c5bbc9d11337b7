//! One record as a line of text that a person can read and a program can trust.
//!
//! ```text
//! batch=7 time=1732190000000 source.0.to="{\"logOffset\":3}" crc=1a2b3c4d
//! ```
//! Keys may repeat. Values that are no plain word stand in double quotes, with `\"`, `\\`, `\n`, `\r` and `\t`.
//! The checksum (CRC-32) is over everything before ` crc=`.

use std::fmt::Write;

/// Keys and values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record(Vec<(String, String)>);

impl Record {
    /// With one more field.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl ToString) -> Record {
        self.0.push((key.into(), value.to_string()));
        self
    }

    /// With one more field where there is a value.
    #[must_use]
    pub fn with_some(self, key: impl Into<String>, value: Option<impl ToString>) -> Record {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Every value of a key, in order.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// The value of a key as a number.
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key)?.parse().ok()
    }

    /// The line, with its end.
    pub fn line(&self) -> String {
        let mut line = String::new();
        for (key, value) in &self.0 {
            line.push_str(key);
            line.push('=');
            write_value(value, &mut line);
            line.push(' ');
        }
        line.pop();
        let crc = crc32fast::hash(line.as_bytes());
        let _ = writeln!(line, " crc={crc:08x}");
        line
    }

    /// Reads a line without its end; `None` when it is not as it was written.
    pub fn parse(line: &str) -> Option<Record> {
        let (body, crc) = line.rsplit_once(" crc=")?;
        if crc.len() != 8 || u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        let mut fields = Vec::new();
        let mut rest = body;
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=')?;
            let (value, after) = read_value(after)?;
            fields.push((key.to_string(), value));
            rest = match after.strip_prefix(' ') {
                Some(more) => more,
                None if after.is_empty() => after,
                None => return None,
            };
        }
        Some(Record(fields))
    }
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "-+._:/,#".contains(c))
}

fn write_value(value: &str, line: &mut String) {
    if is_plain(value) {
        line.push_str(value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c => line.push(c),
        }
    }
    line.push('"');
}

/// A value and what follows it.
fn read_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(' ').unwrap_or(text.len());
        return Some((text[..end].to_string(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            }),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_every_flip_shows() {
        let record = Record::default().with("batch", 7).with("a", "").with("b", "x \"y\" \\ =\n\t\r crc=00000000").with("a", "-1.5");
        let line = record.line();
        assert_eq!(line.matches('\n').count(), 1);
        let body = line.trim_end_matches('\n');
        assert_eq!(Record::parse(body).as_ref(), Some(&record));
        assert_eq!((record.get("a"), record.all("a").count(), record.number("batch")), (Some(""), 2, Some(7u64)));
        for at in 0..body.len() {
            for bit in 0..8 {
                let mut bytes = body.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let read = std::str::from_utf8(&bytes).ok().and_then(Record::parse);
                // The digits of the checksum may be written large or small.
                assert!(read.is_none() || read.as_ref() == Some(&record), "bit {bit} of byte {at}");
            }
            assert!(Record::parse(&body[..at]).is_none());
        }
    }
}
