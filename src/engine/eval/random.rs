//! Random numbers as Spark draws them: the same seed gives the same numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A xor-shift generator under the methods of `java.util.Random`.
#[derive(Clone, Debug)]
pub(super) struct Random {
    state: i64,
    /// The second normal number of the last pair drawn.
    spare: Option<f64>,
}

impl Random {
    /// A generator of that seed.
    pub(super) fn new(seed: i64) -> Random {
        const ARRAY: u32 = 0x3c07_4a61;
        let bytes = seed.to_be_bytes();
        let low = murmur(&bytes, ARRAY);
        let high = murmur(&bytes, low);
        Random { state: i64::from(high as i32) << 32 | i64::from(low), spare: None }
    }

    /// A generator that no other call shares.
    pub(super) fn unseeded() -> Random {
        use std::hash::{BuildHasher, Hasher};
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let mut hasher = std::hash::RandomState::new().build_hasher();
        hasher.write_u64(CALLS.fetch_add(1, Ordering::Relaxed));
        Random::new(hasher.finish() as i64)
    }

    fn next(&mut self, bits: u32) -> i32 {
        let mut state = self.state ^ (self.state << 21);
        state ^= ((state as u64) >> 35) as i64;
        state ^= state << 4;
        self.state = state;
        (state & ((1i64 << bits) - 1)) as i32
    }

    /// From 0 to below 1.
    pub(super) fn next_double(&mut self) -> f64 {
        let high = i64::from(self.next(26)) << 27;
        (high + i64::from(self.next(27))) as f64 * (1.0 / (1i64 << 53) as f64)
    }

    /// Any 64 bits.
    pub(super) fn next_long(&mut self) -> i64 {
        (i64::from(self.next(32)) << 32).wrapping_add(self.next(32).into())
    }

    /// Any 32 bits.
    pub(super) fn next_int(&mut self) -> i32 {
        self.next(32)
    }

    /// Normally distributed around 0 with deviation 1, by the polar method.
    pub(super) fn next_gaussian(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.next_double() - 1.0, 2.0 * self.next_double() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }
}

/// MurmurHash3 of bytes, 32 bits.
fn murmur(bytes: &[u8], seed: u32) -> u32 {
    let mix = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut hash = seed;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        hash = (hash ^ mix(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let rest = words.remainder().iter().rev().fold(0u32, |k, b| k << 8 | u32::from(*b));
    if !words.remainder().is_empty() {
        hash ^= mix(rest);
    }
    hash ^= bytes.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_what_spark_draws() {
        assert_eq!(Random::new(0).next_double(), 0.760_495_375_828_591_5);
        let mut random = Random::new(42);
        assert_eq!([random.next_double(), random.next_double()], [0.619_189_370_225_301, 0.509_601_884_244_648_1]);
        assert_eq!(Random::new(42).next_gaussian(), 2.384_479_054_241_165);
    }
}
