//! A list by slot number that grows by a quarter: what is kept for slots that may never come stays small, and
//! the allocator moves big lists by remapping their pages, so that growing never holds a batch up for long.

use std::ops::{Index, IndexMut};

/// Values by slot.
#[derive(Clone, Debug)]
pub struct Slots<T> {
    values: Vec<T>,
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots { values: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// Number of slots.
    #[inline]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Bytes of memory in use, without what values hold outside themselves.
    pub fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T>()
    }

    /// The value of a slot, if there is such a slot.
    #[inline]
    pub fn get(&self, slot: usize) -> Option<&T> {
        self.values.get(slot)
    }

    /// The values in order of slot.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }
}

impl<T: Clone> Slots<T> {
    /// Makes it `len` slots long if it is shorter; new ones are `value`.
    pub fn grow(&mut self, len: usize, value: &T) {
        if len > self.values.len() {
            self.reserve(len);
            self.values.resize(len, value.clone());
        }
    }

    /// Sets a slot, which may be the first after the last one, or beyond: those between are `between`.
    #[inline]
    pub fn put(&mut self, slot: usize, value: T, between: &T) {
        if slot < self.values.len() {
            self.values[slot] = value;
        } else {
            self.grow(slot, between);
            self.reserve(slot + 1);
            self.values.push(value);
        }
    }

    #[inline]
    fn reserve(&mut self, len: usize) {
        if len > self.values.capacity() {
            let more = (len - self.values.len()).max(self.values.len() / 4).max(4);
            self.values.reserve_exact(more);
        }
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    #[inline]
    fn index(&self, slot: usize) -> &T {
        &self.values[slot]
    }
}

impl<T> IndexMut<usize> for Slots<T> {
    #[inline]
    fn index_mut(&mut self, slot: usize) -> &mut T {
        &mut self.values[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_by_a_quarter_and_keeps_what_is_there() {
        let mut slots: Slots<u64> = Slots::default();
        assert_eq!((slots.len(), slots.is_empty(), slots.bytes()), (0, true, 0));
        slots.put(2, 7, &1);
        slots.grow(1000, &9);
        slots.put(500, 8, &0);
        slots.grow(10, &0);
        assert_eq!(slots.len(), 1000);
        assert_eq!([slots[0], slots[2], slots[3], slots[500], slots[999]], [1, 7, 9, 8, 9]);
        for at in 1000..100_000 {
            slots.put(at, at as u64, &0);
            assert!(slots.bytes() <= (at + 1) * 8 * 5 / 4, "{} for {at}", slots.bytes());
        }
        assert_eq!(slots.iter().skip(1000).sum::<u64>(), (1000..100_000).sum::<u64>());
    }
}
