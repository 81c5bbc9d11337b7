//! Records that did not decode, as `bad_rows('q')` shows them: bounded, with where they came from and why.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Records kept of a query; older ones go.
pub const KEPT: usize = 1000;

/// One record, or something else about a source that may cost rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRow {
    /// The stream's name in the catalog.
    pub source: String,
    /// Where it stands in the source: `data/a.json:12`, or a line's number.
    pub offset: String,
    /// Its beginning, escaped; empty when it is about the source itself.
    pub line: String,
    /// What is wrong with it.
    pub reason: String,
    /// The batch that met it.
    pub batch_id: u64,
    /// When, in microseconds since the epoch.
    pub time: i64,
}

/// What was kept of a query's sources.
#[derive(Debug, Default)]
pub struct BadRows {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    rows: VecDeque<BadRow>,
    batch: u64,
}

impl BadRows {
    /// A batch begins. What an earlier try of the same batch met is forgotten: it will be met again.
    pub fn begin(&self, batch: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.batch = batch;
        while state.rows.back().is_some_and(|row| row.batch_id == batch) {
            state.rows.pop_back();
        }
    }

    /// Keeps records; the batch's number is put in.
    pub fn add(&self, rows: impl IntoIterator<Item = BadRow>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if state.rows.len() == KEPT {
                state.rows.pop_front();
            }
            let batch_id = state.batch;
            state.rows.push_back(BadRow { batch_id, ..row });
        }
    }

    /// What is kept, newest first.
    pub fn rows(&self) -> Vec<BadRow> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).rows.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> BadRow {
        BadRow { line: line.to_string(), ..BadRow::default() }
    }

    #[test]
    fn newest_come_first_and_old_ones_go() {
        let kept = BadRows::default();
        kept.add((0..KEPT + 5).map(|n| row(&n.to_string())));
        let rows = kept.rows();
        assert_eq!((rows.len(), rows[0].line.as_str(), rows[KEPT - 1].line.as_str()), (KEPT, "1004", "5"));
    }

    #[test]
    fn a_batch_that_is_tried_again_does_not_count_twice() {
        let kept = BadRows::default();
        kept.add([row("a")]);
        kept.begin(1);
        kept.add([row("b")]);
        kept.begin(1);
        kept.add([row("b")]);
        let lines: Vec<_> = kept.rows().into_iter().map(|r| (r.line, r.batch_id)).collect();
        assert_eq!(lines, [("b".to_string(), 1), ("a".to_string(), 0)]);
    }
}
