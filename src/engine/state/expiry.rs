//! What leaves state when: slots under the event time at which they expire.
//!
//! Times fall into buckets of some seconds, kept in order. Expiring whole buckets costs what was put in; only
//! the bucket that the watermark cuts is ever sorted.

use std::collections::BTreeMap;

/// A bucket is 2^22 microseconds, about four seconds.
const BUCKET_BITS: u32 = 22;

/// Slots by time in microseconds.
#[derive(Default)]
pub struct ExpiryIndex {
    buckets: BTreeMap<i64, Bucket>,
    entries: usize,
}

#[derive(Default)]
struct Bucket {
    entries: Vec<(i64, u32)>,
    /// Latest first, so that the earliest can be popped.
    sorted: bool,
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
                bucket.entries.push((time, slot));
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

    /// Takes out everything at or before `until`.
    pub fn pop_until(&mut self, until: i64) -> Vec<(i64, u32)> {
        let mut out = Vec::new();
        let cut = until >> BUCKET_BITS;
        while let Some(mut first) = self.buckets.first_entry() {
            if *first.key() < cut {
                out.append(&mut first.get_mut().entries);
                first.remove();
                continue;
            }
            if *first.key() == cut {
                let bucket = first.get_mut();
                if !bucket.sorted {
                    bucket.entries.sort_unstable_by(|a, b| b.cmp(a));
                    bucket.sorted = true;
                }
                let kept = bucket.entries.partition_point(|(time, _)| *time > until);
                out.extend(bucket.entries.drain(kept..).rev());
                if bucket.entries.is_empty() {
                    first.remove();
                }
            }
            break;
        }
        self.entries -= out.len();
        out
    }

    /// Every entry.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u32)> + '_ {
        self.buckets.values().flat_map(|bucket| bucket.entries.iter().copied())
    }

    /// Forgets the slots for which `keep` is false; walks everything.
    pub fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        for bucket in self.buckets.values_mut() {
            bucket.entries.retain(|(_, slot)| keep(*slot));
        }
        self.buckets.retain(|_, bucket| !bucket.entries.is_empty());
        self.entries = self.buckets.values().map(|b| b.entries.len()).sum();
    }

    /// Bytes of memory in use, about.
    pub fn bytes(&self) -> usize {
        self.entries * 20 + self.buckets.len() * 64
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
