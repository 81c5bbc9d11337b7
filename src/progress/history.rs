//! Lists that forget their oldest entries.

use std::collections::VecDeque;

/// The newest entries, at most a fixed number.
#[derive(Clone, Debug)]
pub struct History<T> {
    entries: VecDeque<T>,
    limit: usize,
}

impl<T: Clone> History<T> {
    /// Room for `limit` entries.
    pub fn new(limit: usize) -> History<T> {
        History { entries: VecDeque::new(), limit: limit.max(1) }
    }

    /// Adds an entry; the oldest goes when there is no room.
    pub fn push(&mut self, entry: T) {
        if self.entries.len() == self.limit {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The newest.
    pub fn last(&self) -> Option<&T> {
        self.entries.back()
    }

    /// All that is kept, newest last.
    pub fn all(&self) -> VecDeque<T> {
        self.entries.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest() {
        let mut history = History::new(2);
        (1..=3).for_each(|n| history.push(n));
        assert_eq!(history.all(), [2, 3]);
        assert_eq!(history.last(), Some(&3));
    }
}
