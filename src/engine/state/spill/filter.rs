//! Which keys may be on disk: most new keys are told from those that are there without a look at the disk.
//!
//! Bloom filters, each twice as large as the one before: a key is in one of them. Nothing is ever taken out; whoever
//! owns it builds it anew when most of what was put in is gone.

use xxhash_rust::xxh64::xxh64;

/// Keys of the first filter.
const FIRST: usize = 1 << 13;
/// Words of a key's block: one line of a core's cache.
const BLOCK: usize = 8;
/// Bits of a key.
const BITS: u32 = 6;
/// Words for that many keys: ten bits a key.
const fn words(keys: usize) -> usize {
    (keys * 10 / 64).next_multiple_of(BLOCK)
}

/// A set of keys that may say yes wrongly, in one of fifty cases, and never no.
#[derive(Default)]
pub(super) struct Filter {
    layers: Vec<Vec<u64>>,
    /// Keys in all layers, and in the last one.
    keys: u64,
    last: usize,
    /// Words that it may have; 0: it knows nothing.
    most: usize,
}

impl Filter {
    /// An empty one of at most so many bytes: with more keys it says yes more often.
    pub(super) fn new(bytes: u64) -> Filter {
        Filter { most: (bytes / 8) as usize, ..Filter::default() }
    }

    /// An empty one that may become as large.
    pub(super) fn emptied(&self) -> Filter {
        Filter { most: self.most, ..Filter::default() }
    }

    /// An empty one that is as large as it may be, for more keys than there is room for.
    pub(super) fn largest(&self) -> Filter {
        Filter { layers: vec![vec![0; self.most / BLOCK * BLOCK]], ..self.emptied() }
    }

    /// Whether it has more keys than the filters that it could grow by have room for.
    pub(super) fn is_full(&self) -> bool {
        self.layers.len() > 1 && self.last > self.room()
    }

    /// Keys that the last filter has room for.
    fn room(&self) -> usize {
        self.layers.len().checked_sub(1).map_or(0, |at| FIRST << at)
    }

    /// Whether it knows anything.
    pub(super) fn knows(&self) -> bool {
        self.most >= words(FIRST)
    }

    /// How many keys were put in.
    pub(super) fn keys(&self) -> u64 {
        self.keys
    }

    /// Bytes of memory in use.
    pub(super) fn bytes(&self) -> usize {
        self.layers.iter().map(|l| l.len() * 8).sum()
    }

    /// Puts a key in.
    pub(super) fn put(&mut self, key: &[u8]) {
        let hash = xxh64(key, 0);
        if !self.knows() || self.holds(hash) {
            return;
        }
        let next = words(FIRST << self.layers.len());
        if self.last >= self.room() && (self.layers.is_empty() || self.bytes() / 8 + next <= self.most) {
            self.layers.push(vec![0; next]);
            self.last = 0;
        }
        let Some(layer) = self.layers.last_mut() else { return };
        let block = block(layer, hash);
        bits(hash).for_each(|(word, bit)| layer[block + word] |= bit);
        self.keys += 1;
        self.last += 1;
    }

    /// Whether a key may be in it.
    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        !self.knows() || self.holds(xxh64(key, 0))
    }

    fn holds(&self, hash: u64) -> bool {
        self.layers.iter().rev().any(|layer| {
            let block = block(layer, hash);
            bits(hash).all(|(word, bit)| layer[block + word] & bit != 0)
        })
    }
}

fn block(layer: &[u64], hash: u64) -> usize {
    // Any number of blocks: the upper half of the product is below it.
    let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ((mixed * (layer.len() / BLOCK) as u64) >> 32) as usize * BLOCK
}

/// Words of the block, with the bit in each.
fn bits(hash: u64) -> impl Iterator<Item = (usize, u64)> {
    (0..BITS).map(move |i| {
        let at = (hash >> (i * 9)) & 511;
        ((at >> 6) as usize, 1 << (at & 63))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_every_key_and_few_others() {
        for bytes in [0, 1 << 14, 1 << 17, 1 << 30] {
            let mut filter = Filter::new(bytes);
            for n in 0..200_000u64 {
                filter.put(&n.to_be_bytes());
                filter.put(&(n / 2).to_be_bytes());
            }
            assert!((0..200_000u64).all(|n| filter.may_have(&n.to_be_bytes())));
            assert!(filter.bytes() as u64 <= bytes, "{} of {bytes}", filter.bytes());
            assert_eq!(filter.is_full(), bytes == 1 << 17);
            let wrong = (200_000..300_000u64).filter(|n| filter.may_have(&n.to_be_bytes())).count();
            assert!(bytes < 1 << 20 || wrong < 6_000, "{wrong} of 100,000 with {bytes} bytes");
            assert!(bytes > 0 || wrong == 100_000);
            let mut largest = Filter::new(150_000).largest();
            (0..200_000u64).for_each(|n| largest.put(&n.to_be_bytes()));
            assert!((0..200_000u64).all(|n| largest.may_have(&n.to_be_bytes())) && !largest.is_full());
            assert!(largest.bytes() <= 150_000);
            let wrong = (200_000..300_000u64).filter(|n| largest.may_have(&n.to_be_bytes())).count();
            assert!(wrong < 15_000, "{wrong} of 100,000 with six bits a key");
        }
    }
}
