//! Kernels that read and write texts in other alphabets: URLs, base 32, `to_binary`.

use super::access::{Cells, map_rows, map1};
use super::hash::{decode_hex, decode_mime_base64};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use polars::prelude::Series;
use std::fmt::Write as _;

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "parse_url", fallible: true, kernel: |c| parse_url(c, false) },
    KernelEntry { name: "try_parse_url", fallible: false, kernel: |c| parse_url(c, true) },
    KernelEntry { name: "url_encode", fallible: false, kernel: url_encode },
    KernelEntry { name: "url_decode", fallible: true, kernel: |c| url_decode(c, false) },
    KernelEntry { name: "try_url_decode", fallible: false, kernel: |c| url_decode(c, true) },
    KernelEntry { name: "to_base32", fallible: false, kernel: to_base32 },
    KernelEntry { name: "from_base32", fallible: true, kernel: from_base32 },
    KernelEntry { name: "to_binary", fallible: true, kernel: |c| to_binary(c, false) },
    KernelEntry { name: "try_to_binary", fallible: false, kernel: |c| to_binary(c, true) },
];

/// The parts of a URL; those that are not there are `None`.
struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// `None` where characters stand that a URL may not have.
    fn parse(text: &'a str) -> Option<Url<'a>> {
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'%' => (bytes.next()?.is_ascii_hexdigit() && bytes.next()?.is_ascii_hexdigit()).then_some(())?,
                0..=b' ' | b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`' | 127 => return None,
                _ => {}
            }
        }
        let (rest, fragment) = text.split_once('#').map_or((text, None), |(rest, f)| (rest, Some(f)));
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, q)| (rest, Some(q)));
        let is_scheme =
            |s: &str| s.starts_with(|c: char| c.is_ascii_alphabetic()) && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, rest),
        };
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (Some(&rest[..end]).filter(|a| !a.is_empty()), &rest[end..])
            }
            None => (None, rest),
        };
        Some(Url { scheme, authority, path, query, fragment })
    }

    fn host(&self) -> Option<&'a str> {
        let host = self.authority.map(|a| a.rsplit_once('@').map_or(a, |(_, host)| host))?;
        if host.starts_with('[') {
            return host.find(']').map(|end| &host[..=end]);
        }
        Some(host.split_once(':').map_or(host, |(host, _)| host))
    }

    fn part(&self, name: &str) -> Option<String> {
        let own = |part: Option<&str>| part.map(str::to_string);
        match name {
            "HOST" => own(self.host()),
            "PATH" => own(Some(self.path)),
            "QUERY" => own(self.query),
            "REF" => own(self.fragment),
            "PROTOCOL" => own(self.scheme),
            "FILE" => Some(match self.query {
                Some(query) => format!("{}?{query}", self.path),
                None => self.path.to_string(),
            }),
            "AUTHORITY" => own(self.authority),
            "USERINFO" => own(self.authority.and_then(|a| a.rsplit_once('@')).map(|(user, _)| user)),
            _ => None,
        }
    }
}

fn parse_url(call: &KernelCall<'_>, attempt: bool) -> Result {
    let (urls, parts) = (call.texts(0)?, call.texts(1)?);
    let keys = if call.args.len() > 2 { Some(call.texts(2)?) } else { None };
    map_rows(call.length(), |row| {
        let (Some(text), Some(part)) = (urls.at(row), parts.at(row)) else { return Ok(None) };
        let url = match Url::parse(text) {
            Some(url) => url,
            None if attempt => return Ok(None),
            None => {
                let error = EngineError::data("INVALID_URL", format!("the URL is invalid: {text}"));
                return Err(error.help("use `try_parse_url` to get NULL instead"));
            }
        };
        let Some(keys) = &keys else { return Ok(url.part(part)) };
        let (Some(key), Some(query), "QUERY") = (keys.at(row), url.query, part) else { return Ok(None) };
        let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == key).map(|(_, v)| v));
        Ok(value.map(str::to_string))
    })
}

fn url_encode(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| {
        let mut out = String::with_capacity(text.len() * 2);
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                other => {
                    let _ = write!(out, "%{other:02X}");
                }
            }
        }
        Ok(Some(out))
    })
}

fn url_decode(call: &KernelCall<'_>, attempt: bool) -> Result {
    fn decoded(text: &str) -> Option<String> {
        let mut out = Vec::with_capacity(text.len());
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            out.push(match byte {
                b'+' => b' ',
                b'%' => {
                    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
                    digit(bytes.next()?)? << 4 | digit(bytes.next()?)?
                }
                other => other,
            });
        }
        Some(String::from_utf8_lossy(&out).into_owned())
    }
    map1(&call.texts(0)?, |text| match decoded(text) {
        Some(text) => Ok(Some(text)),
        None if attempt => Ok(None),
        None => {
            let error = EngineError::data("CANNOT_DECODE_URL", format!("the URL cannot be decoded: {text}"));
            Err(error.help("use `try_url_decode` to get NULL instead"))
        }
    })
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn to_base32(call: &KernelCall<'_>) -> Result {
    map1(&call.bytes(0)?, |value| {
        let mut out = String::with_capacity(value.len().div_ceil(5) * 8);
        for group in value.chunks(5) {
            let bits = group.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte)) << (8 * (5 - group.len()));
            let used = (group.len() * 8).div_ceil(5);
            out.extend((0..8).map(|i| if i < used { char::from(BASE32[(bits >> (35 - 5 * i)) as usize & 31]) } else { '=' }));
        }
        Ok(Some(out))
    })
}

fn invalid_conversion(text: &str, format: &str, instead: &str) -> EngineError {
    let error = EngineError::data("CONVERSION_INVALID_INPUT", format!("'{text}' cannot be read as {format}"));
    if instead.is_empty() { error } else { error.help(format!("use `{instead}` to get NULL instead")) }
}

fn from_base32(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| {
        let digits = text.trim_end_matches('=').bytes();
        let values: Option<Vec<u8>> = digits.map(|b| BASE32.iter().position(|known| *known == b).map(|at| at as u8)).collect();
        let values = values.ok_or_else(|| invalid_conversion(text, "base 32", ""))?;
        let mut out = Vec::with_capacity(values.len() * 5 / 8);
        let (mut bits, mut held) = (0u32, 0);
        for value in values {
            bits = bits << 5 | u32::from(value);
            held += 5;
            if held >= 8 {
                held -= 8;
                out.push((bits >> held) as u8);
            }
        }
        Ok(Some(out))
    })
}

/// Base64 with all of its padding and nothing but its alphabet and blanks.
fn strict_base64(text: &str) -> Option<Vec<u8>> {
    let plain: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let digits = plain.trim_end_matches('=');
    let known = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    let padding = plain.len() - digits.len();
    let complete = padding == 0 && digits.len() % 4 != 1 || plain.len().is_multiple_of(4) && padding <= 2;
    (complete && digits.chars().all(known)).then(|| decode_mime_base64(&plain))?
}

fn to_binary(call: &KernelCall<'_>, attempt: bool) -> Result {
    let texts = call.texts(0)?;
    let formats = if call.args.len() > 1 { Some(call.texts(1)?) } else { None };
    map_rows(call.length(), |row| {
        let format = formats.as_ref().map_or(Some("hex"), |f| f.at(row));
        let (Some(text), Some(format)) = (texts.at(row), format) else { return Ok(None) };
        let bytes = match format.to_ascii_lowercase().as_str() {
            "hex" => decode_hex(text),
            "utf-8" | "utf8" => Some(text.as_bytes().to_vec()),
            "base64" => strict_base64(text),
            _ if attempt => None,
            _ => {
                let message = format!("`to_binary` reads 'hex', 'utf-8' and 'base64', not '{format}'");
                return Err(EngineError::data("INVALID_PARAMETER_VALUE.BINARY_FORMAT", message));
            }
        };
        match bytes {
            None if !attempt => Err(invalid_conversion(text, format, "try_to_binary")),
            bytes => Ok(bytes),
        }
    })
}
