//! Kernels that digest, hash and spell bytes: `md5` … `xxhash64`, `hex`, `base64`, `encode`.

use super::access::{Bytes, Cells, Texts, map_rows, map1, map2, number_series, numbers};
use super::{KernelCall, KernelEntry};
use crate::engine::EngineError;
use crate::types::DataType;
use base64::Engine as _;
use polars::prelude::Series;
use polars_arrow::array::{Array, BinaryViewArray, BooleanArray, ListArray, PrimitiveArray, StructArray, Utf8ViewArray};

type Result<T = Series> = std::result::Result<T, EngineError>;

/// The kernels of this family.
pub(super) const KERNELS: &[KernelEntry] = &[
    KernelEntry { name: "md5", fallible: false, kernel: md5 },
    KernelEntry { name: "sha1", fallible: false, kernel: sha1 },
    KernelEntry { name: "sha2", fallible: false, kernel: sha2 },
    KernelEntry { name: "crc32", fallible: false, kernel: crc32 },
    KernelEntry { name: "hash", fallible: true, kernel: murmur3 },
    KernelEntry { name: "xxhash64", fallible: true, kernel: xxhash64 },
    KernelEntry { name: "base64", fallible: false, kernel: to_base64 },
    KernelEntry { name: "unbase64", fallible: true, kernel: from_base64 },
    KernelEntry { name: "hex", fallible: true, kernel: hex },
    KernelEntry { name: "unhex", fallible: false, kernel: unhex },
    KernelEntry { name: "encode", fallible: true, kernel: encode },
    KernelEntry { name: "decode", fallible: true, kernel: decode },
];

/// Bytes as hexadecimal digits of that alphabet.
fn hex_digits(bytes: &[u8], alphabet: &[u8; 16]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(alphabet[usize::from(byte >> 4)]));
        out.push(char::from(alphabet[usize::from(byte & 15)]));
    }
    out
}

/// Bytes as lower-case hexadecimal digits.
fn hex_text(bytes: &[u8]) -> String {
    hex_digits(bytes, b"0123456789abcdef")
}

fn md5(call: &KernelCall<'_>) -> Result {
    use md5::Digest as _;
    map1(&call.bytes(0)?, |value| Ok(Some(hex_text(&md5::Md5::digest(value)))))
}

fn sha1(call: &KernelCall<'_>) -> Result {
    use sha1::Digest as _;
    map1(&call.bytes(0)?, |value| Ok(Some(hex_text(&sha1::Sha1::digest(value)))))
}

fn sha2(call: &KernelCall<'_>) -> Result {
    use sha2::Digest as _;
    map2(&call.bytes(0)?, &call.numbers::<i32>(1)?, |value, bits| {
        Ok(match bits {
            224 => Some(hex_text(&sha2::Sha224::digest(value))),
            0 | 256 => Some(hex_text(&sha2::Sha256::digest(value))),
            384 => Some(hex_text(&sha2::Sha384::digest(value))),
            512 => Some(hex_text(&sha2::Sha512::digest(value))),
            _ => None,
        })
    })
}

fn crc32(call: &KernelCall<'_>) -> Result {
    map1(&call.bytes(0)?, |value| Ok(Some(i64::from(crc32fast::hash(value)))))
}

/// A running hash that takes one value after another, as Spark's `hash` and `xxhash64` do.
trait Running: Copy {
    fn int(self, value: i32) -> Self;
    fn long(self, value: i64) -> Self;
    fn bytes(self, value: &[u8]) -> Self;
}

/// Murmur3, 32 bits, in Spark's variant: the bytes that do not fill a word are mixed in one by one.
#[derive(Clone, Copy)]
struct Murmur(i32);

impl Murmur {
    fn mix(self, value: i32) -> Murmur {
        let k = (value as u32).wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        Murmur((self.0 as u32 ^ k).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64) as i32)
    }

    fn finish(self, length: u32) -> Murmur {
        let mut h = self.0 as u32 ^ length;
        h = (h ^ (h >> 16)).wrapping_mul(0x85eb_ca6b);
        h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        Murmur((h ^ (h >> 16)) as i32)
    }
}

impl Running for Murmur {
    fn int(self, value: i32) -> Murmur {
        self.mix(value).finish(4)
    }

    fn long(self, value: i64) -> Murmur {
        self.mix(value as i32).mix((value >> 32) as i32).finish(8)
    }

    fn bytes(self, value: &[u8]) -> Murmur {
        let (words, tail) = value.as_chunks::<4>();
        let mixed = words.iter().fold(self, |h, word| h.mix(i32::from_le_bytes(*word)));
        tail.iter().fold(mixed, |h, byte| h.mix(i32::from(*byte as i8))).finish(value.len() as u32)
    }
}

/// XXH64; a number is hashed as its bytes.
#[derive(Clone, Copy)]
struct Xx(i64);

impl Running for Xx {
    fn int(self, value: i32) -> Xx {
        self.bytes(&value.to_le_bytes())
    }

    fn long(self, value: i64) -> Xx {
        self.bytes(&value.to_le_bytes())
    }

    fn bytes(self, value: &[u8]) -> Xx {
        Xx(xxhash_rust::xxh64::xxh64(value, self.0 as u64) as i64)
    }
}

fn murmur3(call: &KernelCall<'_>) -> Result {
    Ok(number_series(hash_rows(call, Murmur(42))?.into_iter().map(|h| h.0).collect(), None))
}

fn xxhash64(call: &KernelCall<'_>) -> Result {
    Ok(number_series(hash_rows(call, Xx(42))?.into_iter().map(|h| h.0).collect(), None))
}

/// `xxhash64` of every cell, maps included; a NULL's is the seed.
pub fn xx_hashes(column: &Series, data_type: &DataType) -> Result<Vec<u64>> {
    let array = &*column.chunks()[0];
    (0..array.len()).map(|row| Ok(hash_cell(array, row, data_type, Xx(42))?.0 as u64)).collect()
}

/// `hash` of a string's bytes.
pub fn spark_hash(bytes: &[u8]) -> i32 {
    Murmur(42).bytes(bytes).0
}

/// The hash of each row over all arguments; a NULL leaves it as it is.
fn hash_rows<H: Running>(call: &KernelCall<'_>, seed: H) -> Result<Vec<H>> {
    let n = call.length();
    let mut hashes = vec![seed; n];
    for argument in call.args {
        if holds_map(&argument.data_type) {
            let message = "input to the function `hash` cannot contain elements of the \"MAP\" type: equal maps may have different hashes";
            return Err(EngineError::data("DATATYPE_MISMATCH.HASH_MAP_TYPE", message));
        }
        let array = &*argument.column.chunks()[0];
        let constant = array.len() == 1;
        for (row, hash) in hashes.iter_mut().enumerate() {
            *hash = hash_cell(array, if constant { 0 } else { row }, &argument.data_type, *hash)?;
        }
    }
    Ok(hashes)
}

fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) => true,
        DataType::Array(element) => holds_map(element),
        DataType::Struct(fields) => fields.iter().any(|f| holds_map(&f.data_type)),
        _ => false,
    }
}

fn typed<A: Array>(array: &dyn Array) -> Result<&A> {
    array.as_any().downcast_ref().ok_or_else(|| EngineError::internal(format!("hash met a column of {:?}", array.dtype())))
}

fn number<T: polars_arrow::types::NativeType>(array: &dyn Array, row: usize) -> Result<T> {
    Ok(typed::<PrimitiveArray<T>>(array)?.value(row))
}

fn hash_cell<H: Running>(array: &dyn Array, row: usize, data_type: &DataType, seed: H) -> Result<H> {
    if array.is_null(row) {
        return Ok(seed);
    }
    Ok(match data_type {
        DataType::Void => seed,
        DataType::Boolean => seed.int(i32::from(typed::<BooleanArray>(array)?.value(row))),
        DataType::TinyInt => seed.int(i32::from(number::<i8>(array, row)?)),
        DataType::SmallInt => seed.int(i32::from(number::<i16>(array, row)?)),
        DataType::Int | DataType::Date | DataType::YearMonthInterval(..) => seed.int(number(array, row)?),
        DataType::BigInt | DataType::Timestamp | DataType::TimestampNtz | DataType::DayTimeInterval(..) => seed.long(number(array, row)?),
        DataType::Float => seed.int(super::keys::plain_f32(number(array, row)?).to_bits() as i32),
        DataType::Double => seed.long(super::keys::plain_f64(number(array, row)?).to_bits() as i64),
        DataType::Decimal(precision, _) if *precision <= 18 => seed.long(number::<i128>(array, row)? as i64),
        DataType::Decimal(..) => seed.bytes(shortest_big_endian(&number::<i128>(array, row)?.to_be_bytes())),
        DataType::String => seed.bytes(typed::<Utf8ViewArray>(array)?.value(row).as_bytes()),
        DataType::Binary => seed.bytes(typed::<BinaryViewArray>(array)?.value(row)),
        DataType::CalendarInterval => {
            let parts = typed::<StructArray>(array)?.values();
            let with_micros = seed.long(number(&*parts[2], row)?);
            with_micros.int(number(&*parts[1], row)?).int(number(&*parts[0], row)?)
        }
        DataType::Array(element) => {
            let lists = typed::<ListArray<i64>>(array)?;
            let (start, end) = lists.offsets().start_end(row);
            (start..end).try_fold(seed, |h, i| hash_cell(&**lists.values(), i, element, h))?
        }
        DataType::Map(key, value) => {
            let entries = typed::<ListArray<i64>>(array)?;
            let (start, end) = entries.offsets().start_end(row);
            let sides = typed::<StructArray>(&**entries.values())?.values();
            (start..end).try_fold(seed, |h, i| hash_cell(&*sides[1], i, value, hash_cell(&*sides[0], i, key, h)?))?
        }
        DataType::Struct(fields) => {
            let members = typed::<StructArray>(array)?.values();
            members.iter().zip(fields).try_fold(seed, |h, (member, field)| hash_cell(&**member, row, &field.data_type, h))?
        }
    })
}

/// A two's complement number without the leading bytes that say nothing.
fn shortest_big_endian(bytes: &[u8]) -> &[u8] {
    let mut from = 0;
    while from + 1 < bytes.len() && matches!((bytes[from], bytes[from + 1] >> 7), (0, 0) | (0xFF, 1)) {
        from += 1;
    }
    &bytes[from..]
}

fn to_base64(call: &KernelCall<'_>) -> Result {
    map1(&call.bytes(0)?, |value| Ok(Some(base64::engine::general_purpose::STANDARD.encode(value))))
}

fn from_base64(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| match decode_mime_base64(text) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(EngineError::user(format!("'{text}' is not base64: its last unit is incomplete"))),
    })
}

/// Base64 as MIME reads it: characters outside the alphabet are skipped, padding may be left out.
pub(super) fn decode_mime_base64(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        Some(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut digits) = (0u32, 0);
    let mut bytes = text.bytes();
    while let Some(c) = bytes.next() {
        if c == b'=' {
            // One `=` after three digits, two after two.
            let padded = match digits {
                2 => bytes.find(|c| digit(*c).is_some() || *c == b'=') == Some(b'='),
                3 => true,
                _ => false,
            };
            if !padded {
                return None;
            }
            break;
        }
        let Some(value) = digit(c) else { continue };
        bits = bits << 6 | u32::from(value);
        digits += 1;
        if digits == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, digits) = (0, 0);
        }
    }
    match digits {
        0 => {}
        2 => out.push((bits >> 4) as u8),
        3 => out.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return None,
    }
    Some(out)
}

fn hex(call: &KernelCall<'_>) -> Result {
    let spelled = |bytes: &[u8]| hex_digits(bytes, b"0123456789ABCDEF");
    match call.data_type(0) {
        DataType::Binary => map1(&call.bytes(0)?, |value| Ok(Some(spelled(value)))),
        DataType::String => map1(&call.texts(0)?, |text| Ok(Some(spelled(text.as_bytes())))),
        DataType::BigInt => map1(&call.numbers::<i64>(0)?, |n| Ok(Some(format!("{n:X}")))),
        DataType::Int => map1(&call.numbers::<i32>(0)?, |n| Ok(Some(format!("{:X}", i64::from(n))))),
        DataType::SmallInt => map1(&call.numbers::<i16>(0)?, |n| Ok(Some(format!("{:X}", i64::from(n))))),
        DataType::TinyInt => map1(&call.numbers::<i8>(0)?, |n| Ok(Some(format!("{:X}", i64::from(n))))),
        t if t.is_numeric() => {
            let whole = super::cast::cast(call.column(0), t, &DataType::BigInt, false, call.context)?;
            map1(&numbers::<i64>(&whole)?, |n| Ok(Some(format!("{n:X}"))))
        }
        other => {
            let message = format!("`hex` takes a BIGINT, a BINARY or a STRING, not {}", other.sql());
            Err(EngineError::data("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", message))
        }
    }
}

/// The bytes that hexadecimal digits spell; an odd number of them has a leading zero. `None`: not digits.
pub(super) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (first, rest) = digits.split_at(digits.len() % 2);
    Some(first.iter().copied().chain(rest.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low)).collect())
}

fn unhex(call: &KernelCall<'_>) -> Result {
    map1(&call.texts(0)?, |text| Ok(decode_hex(text)))
}

/// A character set of `encode` and `decode`.
#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    /// Big-endian with a mark when written, by its mark when read.
    Utf16,
    Utf16Be,
    Utf16Le,
    Utf32,
}

impl Charset {
    fn named(name: &str, function: &str) -> Result<Charset> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "utf-8" => Charset::Utf8,
            "us-ascii" => Charset::Ascii,
            "iso-8859-1" => Charset::Latin1,
            "utf-16" => Charset::Utf16,
            "utf-16be" => Charset::Utf16Be,
            "utf-16le" => Charset::Utf16Le,
            "utf-32" => Charset::Utf32,
            _ => {
                let message = format!(
                    "the value of parameter `charset` in `{function}` is invalid: expects one of the iso-8859-1, us-ascii, utf-16, \
                     utf-16be, utf-16le, utf-32, utf-8, but got {name}"
                );
                return Err(EngineError::data("INVALID_PARAMETER_VALUE.CHARSET", message));
            }
        })
    }

    fn encode(self, text: &str) -> Option<Vec<u8>> {
        let narrow = |limit: u32| text.chars().map(|c| (u32::from(c) < limit).then_some(c as u8)).collect::<Option<Vec<u8>>>();
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        Some(match self {
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Ascii => narrow(0x80)?,
            Charset::Latin1 => narrow(0x100)?,
            // An empty text gets no mark.
            Charset::Utf16 if text.is_empty() => Vec::new(),
            Charset::Utf16 => [0xFEFF].into_iter().chain(units(text)).flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Be => units(text).into_iter().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16Le => units(text).into_iter().flat_map(u16::to_le_bytes).collect(),
            Charset::Utf32 => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        })
    }

    fn decode(self, bytes: &[u8]) -> Option<String> {
        let utf16 = |bytes: &[u8], read: fn([u8; 2]) -> u16| {
            let (pairs, rest) = bytes.as_chunks::<2>();
            rest.is_empty().then(|| String::from_utf16(&pairs.iter().map(|p| read(*p)).collect::<Vec<_>>()).ok())?
        };
        match self {
            Charset::Utf8 => String::from_utf8(bytes.to_vec()).ok(),
            Charset::Ascii => bytes.is_ascii().then(|| bytes.iter().map(|b| char::from(*b)).collect()),
            Charset::Latin1 => Some(bytes.iter().map(|b| char::from(*b)).collect()),
            Charset::Utf16 => match bytes {
                [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
                [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
                all => utf16(all, u16::from_be_bytes),
            },
            Charset::Utf16Be => utf16(bytes, u16::from_be_bytes),
            Charset::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Charset::Utf32 => {
                let (words, rest) = bytes.as_chunks::<4>();
                rest.is_empty().then(|| words.iter().map(|w| char::from_u32(u32::from_be_bytes(*w))).collect::<Option<String>>())?
            }
        }
    }
}

fn malformed(function: &str, charset: &str) -> EngineError {
    EngineError::data("MALFORMED_CHARACTER_CODING", format!("invalid value found when performing `{function}` with {charset}"))
}

fn encode(call: &KernelCall<'_>) -> Result {
    map2(&call.texts(0)?, &call.texts(1)?, |text, charset| {
        Charset::named(charset, "encode")?.encode(text).map(Some).ok_or_else(|| malformed("encode", charset))
    })
}

fn decode(call: &KernelCall<'_>) -> Result {
    let values: Bytes<'_> = call.bytes(0)?;
    let charsets: Texts<'_> = call.texts(1)?;
    map_rows(call.length(), |row| {
        let (Some(bytes), Some(charset)) = (values.at(row), charsets.at(row)) else { return Ok(None) };
        Charset::named(charset, "decode")?.decode(bytes).map(Some).ok_or_else(|| malformed("decode", charset))
    })
}
