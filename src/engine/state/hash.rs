//! The hash of keys, which chooses their partition: the same in every run, build and machine, because what a
//! checkpoint holds lies in partitions.
//!
//! Words of eight bytes are multiplied and folded in one after the other, as wyhash does (Wang Yi, public domain).

use polars_arrow::array::View;

const KEYS: [u64; 2] = [0xA076_1D64_78BD_642F, 0xE703_7ED1_A0B4_28DB];

/// What NULL hashes to.
pub(super) const NULL: u32 = 0x9E37_79B9;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

/// The upper half: what chooses the partition stands above what the table uses.
#[inline]
fn half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// Of an integer.
#[inline]
pub(super) fn number(value: i64) -> u32 {
    half(fold(value.cast_unsigned() ^ KEYS[0], KEYS[1]))
}

/// Of bytes.
#[inline]
pub(super) fn bytes(bytes: &[u8]) -> u32 {
    let n = bytes.len();
    if n <= 16 {
        let all = short(bytes);
        return words(n, all as u64, (all >> 64) as u64);
    }
    let (whole, rest) = bytes.as_chunks::<8>();
    let mut hash = KEYS[0] ^ n as u64;
    for word in whole {
        hash = fold(hash ^ u64::from_le_bytes(*word), KEYS[1]);
    }
    if !rest.is_empty() {
        hash = fold(hash ^ short(rest) as u64, KEYS[1]);
    }
    half(hash)
}

/// Of a string that stands in its view, as [`bytes`] has it; `None` where it lies in a buffer.
#[inline]
pub(super) fn inline(view: &View) -> Option<u32> {
    let bytes = u64::from(view.prefix) | u64::from(view.buffer_idx) << 32;
    view.is_inline().then(|| words(view.length as usize, bytes, u64::from(view.offset)))
}

/// Of up to sixteen bytes in two words, the first byte lowest and zeros behind the last.
#[inline]
fn words(length: usize, first: u64, second: u64) -> u32 {
    let hash = fold(KEYS[0] ^ length as u64 ^ first, KEYS[1]);
    half(fold(hash ^ second, KEYS[1]))
}

/// Up to sixteen bytes as a number, the first byte lowest: two reads that may overlap, and no loop.
#[inline]
pub(super) fn short(bytes: &[u8]) -> u128 {
    let n = bytes.len();
    match n {
        8.. => u128::from(eight(bytes)) | u128::from(eight(&bytes[n - 8..])) << (8 * (n - 8)),
        4..8 => u128::from(four(bytes)) | u128::from(four(&bytes[n - 4..])) << (8 * (n - 4)),
        0..4 => bytes.iter().rev().fold(0, |all, b| all << 8 | u128::from(*b)),
    }
}

#[inline]
fn eight(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

#[inline]
fn four(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// A checkpoint of an older build is read by a newer one: these must not change.
    #[test]
    fn gives_what_it_always_gave() {
        let numbers = [0, 1, -1, i64::MAX].map(number);
        let texts = ["", "a", "word", "sixteen letters!", "more than sixteen letters"].map(|t| bytes(t.as_bytes()));
        assert_eq!(numbers, [536_199_826, 955_862_083, 3_757_424_730, 3_229_286_882]);
        assert_eq!(texts, [1_119_656_045, 2_289_029_628, 3_305_663_014, 1_224_697_523, 3_462_940_995]);
    }

    #[test]
    fn a_view_hashes_as_its_bytes_do() {
        for n in 0..=12 {
            let text: Vec<u8> = (b'a'..).take(n).collect();
            assert_eq!(inline(&View::new_inline(&text)), Some(bytes(&text)), "{n}");
        }
        assert_eq!(inline(&View::new_from_bytes(b"longer than a view", 0, 0)), None);
    }

    #[test]
    fn near_keys_fall_far_apart() {
        let texts = (0..100_000).map(|n| bytes(format!("w{n:05}").as_bytes()));
        let long = (0..100_000).map(|n| bytes(format!("a window and a number {n}").as_bytes()));
        let strides = [1, 1000, 1 << 20, 1 << 40].map(|stride| (0..100_000).map(|n| number(n * stride)).collect::<Vec<_>>());
        for hashes in strides.into_iter().chain([texts.collect(), long.collect()]) {
            // With 32 bits, one of some hundred thousand meets another.
            assert!(hashes.iter().collect::<HashSet<_>>().len() > 99_980);
            for bits in [4, 12] {
                let mut counts = vec![0u32; 1 << bits];
                hashes.iter().for_each(|h| counts[(h >> (32 - bits)) as usize] += 1);
                let even = hashes.len() as f64 / counts.len() as f64;
                let most = counts.iter().copied().max().unwrap_or_default();
                assert!(f64::from(most) < even + 8.0 * even.sqrt(), "{most} of {even} in one of {}", counts.len());
            }
        }
    }

    #[test]
    fn every_byte_counts() {
        for length in 0..70 {
            let mut text = vec![7u8; length];
            let plain = bytes(&text);
            for at in 0..length {
                text[at] ^= 1;
                assert_ne!(bytes(&text), plain, "byte {at} of {length}");
                text[at] ^= 1;
            }
            assert_ne!(bytes(&vec![7u8; length + 1]), plain);
        }
    }
}
