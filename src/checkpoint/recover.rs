//! Where a query goes on: which records exist → a decision.

/// What is known of earlier runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The first batch whose range of offsets is still recorded.
    pub first_logged: Option<u64>,
    /// The last batch whose range of offsets is recorded.
    pub logged: Option<u64>,
    /// The last batch whose end is recorded and counts: written in this boot of the machine, or marked durable.
    pub committed: Option<u64>,
    /// The last batch whose end is recorded at all.
    pub written: Option<u64>,
    /// The machine was started anew since the records were written: what was not synced may be gone.
    pub power_lost: bool,
}

/// What to do first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing ran before: batch 0, everything from its start.
    Fresh,
    /// Everything that was begun was finished: go on with this batch.
    Continue { next: u64 },
    /// These batches were begun and their ends do not count: they run again over the same ranges; the sink replaces them.
    Repeat { batch: u64, last: u64 },
    /// The records contradict each other; the sentence says how.
    Damaged(String),
}

/// Decides.
pub fn recover(facts: &Facts) -> Recovery {
    let Facts { first_logged, logged, committed, written, power_lost } = *facts;
    let Some(logged) = logged else {
        return match written {
            None => Recovery::Fresh,
            Some(n) => Recovery::Damaged(format!("batch {n} is recorded as finished, and no range of offsets is recorded")),
        };
    };
    if let Some(done) = written.filter(|done| *done > logged) {
        return Recovery::Damaged(format!("batch {done} is recorded as finished, and offsets only up to batch {logged}"));
    }
    let next = committed.map_or(0, |done| done + 1);
    if logged < next {
        return Recovery::Continue { next };
    }
    if logged > next && !power_lost {
        return Recovery::Damaged(format!("offsets are recorded up to batch {logged}, and batch {next} never finished"));
    }
    if first_logged.is_none_or(|first| first > next) {
        return Recovery::Damaged(format!("batch {next} has to run again, and its range of offsets is not recorded any more"));
    }
    Recovery::Repeat { batch: next, last: logged }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(logged: Option<u64>, committed: Option<u64>, written: Option<u64>, power_lost: bool) -> Recovery {
        recover(&Facts { first_logged: logged.map(|_| 0), logged, committed, written, power_lost })
    }

    #[test]
    fn after_a_kill_at_most_one_batch_runs_again() {
        let killed = |logged, committed| decide(logged, committed, committed, false);
        assert_eq!(killed(None, None), Recovery::Fresh);
        assert_eq!(killed(Some(0), None), Recovery::Repeat { batch: 0, last: 0 });
        assert_eq!(killed(Some(0), Some(0)), Recovery::Continue { next: 1 });
        assert_eq!(killed(Some(5), Some(4)), Recovery::Repeat { batch: 5, last: 5 });
        assert!(matches!(killed(None, Some(3)), Recovery::Damaged(_)));
        assert!(matches!(killed(Some(3), Some(4)), Recovery::Damaged(_)));
        assert!(matches!(killed(Some(7), Some(4)), Recovery::Damaged(_)));
        assert!(matches!(killed(Some(1), None), Recovery::Damaged(_)));
    }

    #[test]
    fn after_a_power_loss_everything_since_the_mark_runs_again() {
        assert_eq!(decide(Some(9), Some(4), Some(8), true), Recovery::Repeat { batch: 5, last: 9 });
        assert_eq!(decide(Some(9), Some(4), Some(4), true), Recovery::Repeat { batch: 5, last: 9 });
        assert_eq!(decide(Some(2), None, Some(1), true), Recovery::Repeat { batch: 0, last: 2 });
        assert_eq!(decide(Some(4), Some(4), Some(4), true), Recovery::Continue { next: 5 });
        let facts = Facts { first_logged: Some(7), logged: Some(9), committed: Some(4), written: Some(8), power_lost: true };
        assert!(matches!(recover(&facts), Recovery::Damaged(_)));
    }
}
