//! Hashes of keys: the same in every build and on every machine, because they choose partitions, and partitions
//! outlive the process in a checkpoint. Changing a result makes every checkpoint unreadable.
//!
//! Two numbers of 64 bits are multiplied and the halves of the product folded together, as wyhash does.

const A: u64 = 0x9E37_79B9_7F4A_7C15;
const B: u64 = 0xBF58_476D_1CE4_E5B9;
const C: u64 = 0x94D0_49BB_1331_11EB;

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// Of a whole number.
#[inline]
pub fn number(value: i64) -> u64 {
    fold(fold(value.cast_unsigned() ^ A, B), C)
}

/// Of bytes.
#[inline]
pub fn bytes(bytes: &[u8]) -> u64 {
    let length = bytes.len();
    let (mut state, mut rest) = (C, bytes);
    while rest.len() > 16 {
        state = fold(eight(rest) ^ A, eight(&rest[8..]) ^ state);
        rest = &rest[16..];
    }
    let (a, b) = match length {
        // The last sixteen, some of which may have been taken in already.
        16.. => (eight(&bytes[length - 16..]), eight(&bytes[length - 8..])),
        8..16 => (eight(bytes), eight(&bytes[length - 8..])),
        4..8 => (four(bytes), four(&bytes[length - 4..])),
        _ => (bytes.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
    };
    fold(fold(a ^ A, b ^ state), B ^ length as u64)
}

#[inline]
fn eight(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

#[inline]
fn four(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_never_change() {
        let numbers = [0, 1, -1, 42, i64::MIN, i64::MAX].map(number);
        let expected = [
            0x663D_77F1_5ED2_3A61,
            0x6AFD_55FF_8790_A8D4,
            0x18B7_30BE_EB41_C348,
            0x290E_E93E_F8B0_0D32,
            0x8A40_D8D5_0A36_29AB,
            0x2B9A_BE13_DAA8_26BD,
        ];
        assert_eq!(numbers, expected);
        let texts = ["", "a", "abc", "word", "eddyline", "sixteen bytes...", "a text of more than sixteen bytes", "\0"];
        let expected = [
            0x5927_4094_E3A6_0762,
            0xA050_9D17_F1F0_930E,
            0xFB9C_7D2D_4C45_4AF7,
            0x6BDB_E3F8_45AA_3FC6,
            0xD108_E6D8_E3C3_DD90,
            0x9E4F_8082_67D4_AB4E,
            0x625D_B4BD_CB14_EDFC,
            0xC81F_271E_5269_16E1,
        ];
        assert_eq!(texts.map(|t| bytes(t.as_bytes())), expected);
    }

    /// Keys as they come in practice: how far the fullest of 1,024 lists is from the mean, by the upper and by the lower
    /// bits of the half that tables use.
    #[test]
    fn keys_spread_evenly() {
        let count = 1 << 17;
        type Keys = Box<dyn Fn(u64) -> u64>;
        let kinds: [(&str, Keys); 7] = [
            ("in order", Box::new(|n| number(n as i64))),
            ("by thousands", Box::new(|n| number(n as i64 * 1000))),
            ("seconds", Box::new(|n| number(1_700_000_000_000_000 + n as i64 * 1_000_000))),
            ("high bits", Box::new(|n| number((n << 40).cast_signed()))),
            ("short texts", Box::new(|n| bytes(format!("w{n}").as_bytes()))),
            ("padded texts", Box::new(|n| bytes(format!("user-{n:020}").as_bytes()))),
            ("rows", Box::new(|n| bytes(&[&[1][..], &n.to_le_bytes(), &[1], &(n / 7).to_le_bytes()].concat()))),
        ];
        for (kind, hash) in kinds {
            for shift in [54, 32] {
                let mut lists = vec![0u32; 1024];
                (0..count).for_each(|n| lists[(hash(n) >> shift) as usize % 1024] += 1);
                let most = *lists.iter().max().unwrap();
                assert!(most < 192, "{kind}: {most} of 128 in a list");
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
