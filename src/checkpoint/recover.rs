//! Where a query goes on: which records exist → a decision.

/// What is known of earlier runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The last batch whose range of offsets is recorded.
    pub logged: Option<u64>,
    /// The last batch whose end is recorded.
    pub committed: Option<u64>,
    /// The last batch whose state can be read.
    pub state: Option<u64>,
    /// Whether the query keeps state at all.
    pub stateful: bool,
}

/// What to do first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing ran before: batch 0, everything from its start.
    Fresh,
    /// Everything that was begun was finished: go on with this batch.
    Continue { next: u64 },
    /// This batch was begun and not finished: it runs again over the same range; the sink replaces it.
    Repeat { batch: u64 },
    /// The records contradict each other; the sentence says how.
    Damaged(String),
}

/// Decides.
pub fn recover(facts: &Facts) -> Recovery {
    let Facts { logged, committed, state, stateful } = *facts;
    let Some(logged) = logged else {
        return match committed {
            None => Recovery::Fresh,
            Some(n) => Recovery::Damaged(format!("batch {n} is recorded as finished, and no range of offsets is recorded")),
        };
    };
    let next = match committed {
        Some(done) if done > logged => {
            return Recovery::Damaged(format!("batch {done} is recorded as finished, and offsets only up to batch {logged}"));
        }
        Some(done) => done + 1,
        None => 0,
    };
    if logged > next {
        return Recovery::Damaged(format!("offsets are recorded up to batch {logged}, and batch {next} never finished"));
    }
    if stateful && next > 0 && state != Some(next - 1) {
        return Recovery::Damaged(format!("the state after batch {} cannot be read", next - 1));
    }
    if logged == next { Recovery::Repeat { batch: next } } else { Recovery::Continue { next } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(logged: Option<u64>, committed: Option<u64>, state: Option<u64>) -> Recovery {
        recover(&Facts { logged, committed, state, stateful: true })
    }

    #[test]
    fn every_combination_has_its_decision() {
        assert_eq!(decide(None, None, None), Recovery::Fresh);
        assert_eq!(decide(Some(0), None, None), Recovery::Repeat { batch: 0 });
        assert_eq!(decide(Some(0), Some(0), Some(0)), Recovery::Continue { next: 1 });
        assert_eq!(decide(Some(5), Some(4), Some(4)), Recovery::Repeat { batch: 5 });
        assert!(matches!(decide(None, Some(3), None), Recovery::Damaged(_)));
        assert!(matches!(decide(Some(3), Some(4), Some(4)), Recovery::Damaged(_)));
        assert!(matches!(decide(Some(7), Some(4), Some(4)), Recovery::Damaged(_)));
        assert!(matches!(decide(Some(4), Some(4), Some(2)), Recovery::Damaged(_)));
    }

    #[test]
    fn a_query_without_state_needs_none() {
        assert_eq!(recover(&Facts { logged: Some(4), committed: Some(4), state: None, stateful: false }), Recovery::Continue { next: 5 });
    }
}
