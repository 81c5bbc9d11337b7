//! What leaves state when: slots under the event time at which they expire.
//!
//! Times fall into buckets of some seconds, kept in order. Expiring whole buckets costs what was put in; only
//! the bucket that the watermark cuts is ever sorted.

use std::collections::BTreeMap;

/// A bucket is 2^20 microseconds, about a second.
const BUCKET_BITS: u32 = 20;

/// Slots by time in microseconds.
#[derive(Default)]
pub struct ExpiryIndex {
    buckets: BTreeMap<i64, Bucket>,
    entries: usize,
}

/// Each entry is the time within the bucket and the slot, in one number that sorts by both.
#[derive(Default)]
struct Bucket {
    entries: Vec<u64>,
    /// Latest first, so that the earliest can be popped.
    sorted: bool,
}

fn pack(time: i64, slot: u32) -> u64 {
    let within = time & ((1 << BUCKET_BITS) - 1);
    within.unsigned_abs() << 32 | u64::from(slot)
}

fn unpack(bucket: i64, entry: u64) -> (i64, u32) {
    ((bucket << BUCKET_BITS) | (entry >> 32).cast_signed(), entry as u32)
}

impl ExpiryIndex {
    /// Adds slots with their times.
    pub fn extend(&mut self, entries: impl Iterator<Item = (i64, u32)>) {
        // Neighbours mostly share a bucket, so the bucket at hand is held outside the tree.
        let mut held: Option<(i64, Bucket)> = None;
        for (time, slot) in entries {
            let key = time >> BUCKET_BITS;
            if held.as_ref().is_none_or(|(at, _)| *at != key) {
                self.put_back(held.take());
                held = Some((key, self.buckets.remove(&key).unwrap_or_default()));
            }
            if let Some((_, bucket)) = &mut held {
                bucket.entries.push(pack(time, slot));
                bucket.sorted = false;
                self.entries += 1;
            }
        }
        self.put_back(held);
    }

    fn put_back(&mut self, held: Option<(i64, Bucket)>) {
        if let Some((key, bucket)) = held {
            self.buckets.insert(key, bucket);
        }
    }

    /// Takes out everything at or before `until`, in order of time.
    pub fn pop_until(&mut self, until: i64) -> Vec<(i64, u32)> {
        let mut out = Vec::new();
        let cut = until >> BUCKET_BITS;
        while let Some(mut first) = self.buckets.first_entry() {
            let key = *first.key();
            if key > cut {
                break;
            }
            let bucket = first.get_mut();
            if !bucket.sorted {
                // Slots of one window come in order already, for which this is one pass.
                bucket.entries.sort_unstable_by(|a, b| b.cmp(a));
                bucket.sorted = true;
            }
            let kept = if key < cut { 0 } else { bucket.entries.partition_point(|e| unpack(key, *e).0 > until) };
            out.extend(bucket.entries.drain(kept..).rev().map(|e| unpack(key, e)));
            if !bucket.entries.is_empty() {
                break;
            }
            first.remove();
        }
        self.entries -= out.len();
        out
    }

    /// Every entry.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u32)> {
        self.buckets.iter().flat_map(|(key, bucket)| bucket.entries.iter().map(|entry| unpack(*key, *entry)))
    }

    /// Forgets the slots for which `keep` is false; walks everything.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        for bucket in self.buckets.values_mut() {
            bucket.entries.retain(|entry| keep(*entry as u32));
        }
        self.buckets.retain(|_, bucket| !bucket.entries.is_empty());
        self.entries = self.buckets.values().map(|b| b.entries.len()).sum();
    }

    /// Bytes of memory in use, about.
    pub fn bytes(&self) -> usize {
        self.entries * 12 + self.buckets.len() * 64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pops_up_to_and_including_the_time() {
        let mut index = ExpiryIndex::default();
        let second = 1_000_000;
        index.extend([(30 * second, 3), (-5 * second, 0), (second, 1), (second + 1, 2)].into_iter());
        assert_eq!(index.pop_until(second), [(-5 * second, 0), (second, 1)]);
        assert_eq!(index.pop_until(second), []);
        index.extend(std::iter::once((second + 2, 4)));
        index.retain(|slot| slot != 2);
        assert_eq!(index.pop_until(i64::MAX), [(second + 2, 4), (30 * second, 3)]);
        assert_eq!(index.entries, 0);
    }
}
