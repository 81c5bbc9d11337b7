//! What `to_json` does to finished text when options ask for it: indentation, sorted members, escapes for all that is
//! not ASCII.

use crate::engine::source::decode::json_scan::{Dialect, Fault, Scanner, Token};

/// How a compact JSON text is rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// Members on lines of their own.
    pub(super) pretty: bool,
    /// Members in the order of their names.
    pub(super) sorted: bool,
    /// Only ASCII characters.
    pub(super) ascii: bool,
}

impl Layout {
    /// Appends `text`, compact JSON, in this layout.
    pub(super) fn write(self, text: &str, out: &mut String) {
        let dialect = Dialect::default();
        let start = out.len();
        let mut scan = Scanner::new(text, &dialect);
        if (!self.pretty && !self.sorted) || self.value(&mut scan, 0, out).is_err() {
            out.truncate(start);
            out.push_str(text);
        }
        if self.ascii && !out.is_ascii() {
            let wide = out.split_off(start);
            for c in wide.chars() {
                if c.is_ascii() {
                    out.push(c);
                } else {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
                }
            }
        }
    }

    fn value(self, scan: &mut Scanner<'_>, depth: usize, out: &mut String) -> Result<(), Fault> {
        let start = scan.pos;
        match scan.token()? {
            Token::Object => self.object(scan, depth, out),
            Token::Array => self.array(scan, depth, out),
            _ => {
                out.push_str(scan.since(start));
                Ok(())
            }
        }
    }

    fn object(self, scan: &mut Scanner<'_>, depth: usize, out: &mut String) -> Result<(), Fault> {
        scan.pos += 1;
        let mut members: Vec<(String, String)> = Vec::new();
        while !scan.eat(b'}') {
            if !members.is_empty() {
                scan.comma()?;
            }
            let name = scan.name()?;
            let mut value = String::new();
            self.value(scan, depth + 1, &mut value)?;
            members.push((name.text.to_string(), value));
        }
        if self.sorted {
            members.sort_by(|a, b| a.0.cmp(&b.0));
        }
        if members.is_empty() {
            out.push_str(if self.pretty { "{ }" } else { "{}" });
            return Ok(());
        }
        out.push('{');
        for (i, (name, value)) in members.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            if self.pretty {
                out.push('\n');
                out.push_str(&"  ".repeat(depth + 1));
            }
            let colon = if self.pretty { " : " } else { ":" };
            out.push_str(&format!("\"{name}\"{colon}{value}"));
        }
        if self.pretty {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        out.push('}');
        Ok(())
    }

    /// Elements stay on one line, and count for no depth.
    fn array(self, scan: &mut Scanner<'_>, depth: usize, out: &mut String) -> Result<(), Fault> {
        scan.pos += 1;
        out.push('[');
        let mut first = true;
        while !scan.eat(b']') {
            if !first {
                scan.comma()?;
                out.push(',');
            }
            first = false;
            if self.pretty {
                out.push(' ');
            }
            self.value(scan, depth, out)?;
        }
        out.push_str(if self.pretty { " ]" } else { "]" });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts() {
        let write = |layout: Layout, text: &str| {
            let mut out = String::new();
            layout.write(text, &mut out);
            out
        };
        let pretty = Layout { pretty: true, ..Layout::default() };
        assert_eq!(write(pretty, r#"{"a":[1,{"b":2}],"c":{}}"#), "{\n  \"a\" : [ 1, {\n    \"b\" : 2\n  } ],\n  \"c\" : { }\n}");
        let sorted = Layout { sorted: true, ..Layout::default() };
        assert_eq!(write(sorted, r#"[{"b":"x,}","a":{"d":1,"c":2}},[]]"#), r#"[{"a":{"c":2,"d":1},"b":"x,}"},[]]"#);
        let ascii = Layout { ascii: true, ..Layout::default() };
        assert_eq!(write(ascii, "{\"q\":\"é😀\"}"), "{\"q\":\"\\u00E9\\uD83D\\uDE00\"}");
    }
}
