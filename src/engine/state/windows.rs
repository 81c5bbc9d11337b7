//! How many groups each open window has, for people to look at: kept as groups come and go, so that asking
//! costs the windows asked for and never the groups.

use std::collections::BTreeMap;

/// Groups by the end of their window, in microseconds.
#[derive(Default)]
pub(super) struct WindowCounts {
    open: BTreeMap<i64, u64>,
    /// Of the batch at hand, in the order they came; one window often follows itself.
    opened: Vec<(i64, u64)>,
    closed: BTreeMap<i64, u64>,
}

impl WindowCounts {
    /// A new group in the window that ends at `end`.
    pub(super) fn open(&mut self, end: i64) {
        match self.opened.last_mut() {
            Some((last, count)) if *last == end => *count += 1,
            _ => self.opened.push((end, 1)),
        }
    }

    /// Groups that the batch at hand closes.
    pub(super) fn close(&mut self, ends: impl Iterator<Item = i64>) {
        ends.for_each(|end| *self.closed.entry(end).or_default() += 1);
    }

    /// The newest `limit` open windows and those that the batch at hand closes; with their groups, ascending.
    pub(super) fn newest(&self, limit: usize) -> [BTreeMap<i64, u64>; 2] {
        let mut open: BTreeMap<i64, u64> = self.open.iter().rev().take(limit).map(|(end, n)| (*end, *n)).collect();
        for (end, count) in &self.opened {
            *open.entry(*end).or_default() += count;
        }
        for (end, count) in &self.closed {
            if let Some(left) = open.get_mut(end) {
                *left -= (*count).min(*left);
            }
        }
        open.retain(|_, count| *count > 0);
        [open, self.closed.clone()].map(|mut all| {
            while all.len() > limit {
                all.pop_first();
            }
            all
        })
    }

    /// The batch is done.
    pub(super) fn commit(&mut self) {
        for (end, count) in self.opened.drain(..) {
            *self.open.entry(end).or_default() += count;
        }
        for (end, count) in std::mem::take(&mut self.closed) {
            if let Some(left) = self.open.get_mut(&end) {
                *left -= count.min(*left);
                if *left == 0 {
                    self.open.remove(&end);
                }
            }
        }
    }

    /// The batch failed.
    pub(super) fn rollback(&mut self) {
        self.opened.clear();
        self.closed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_stays_open() {
        let mut counts = WindowCounts::default();
        [10, 10, 20, 10, 30].into_iter().for_each(|end| counts.open(end));
        counts.commit();
        counts.open(30);
        counts.close([10, 10, 10].into_iter());
        let [open, closed] = counts.newest(9);
        assert_eq!((open.into_iter().collect::<Vec<_>>(), closed.into_iter().collect::<Vec<_>>()), (vec![(20, 1), (30, 2)], vec![(10, 3)]));
        counts.rollback();
        let [open, closed] = counts.newest(2);
        assert_eq!((open.into_iter().collect::<Vec<_>>(), closed.len()), (vec![(20, 1), (30, 1)], 0));
    }
}
