//! When the next batch runs: facts → decision.

use crate::progress::Trigger;

/// What is known when the query asks. Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How the query is triggered.
    pub trigger: Trigger,
    /// The time.
    pub now: i64,
    /// When the query last looked for data; `None` before the first time.
    pub last_look: Option<i64>,
    /// Whether it found nothing then, and so slept through ticks since.
    pub idle: bool,
    /// Batches that ran in this run of the query.
    pub batches: u64,
    /// What the sources say; `None` while they were not asked.
    pub data: Option<Data>,
}

/// What the sources say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Some source has rows, or an empty file, that no batch has had.
    pub new: bool,
    /// No batch ran yet, and some source starts with one without rows.
    pub starts_empty: bool,
    /// The watermark moved past that of the last batch, and some operator waits for it.
    pub watermark_moved: bool,
    /// No source will ever give more than it says now.
    pub ended: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The trigger's time has come: ask the sources.
    Look,
    /// Run a batch.
    Run,
    /// Wait until that time, in microseconds.
    WaitUntil(i64),
    /// Wait until a source has something.
    WaitForData,
    /// No batch will run any more.
    End,
}

/// Decides. Asked twice a round: without `data` for whether it is time, then with it.
pub fn decide(facts: &Facts) -> Decision {
    match facts.data {
        None => match due(facts) {
            Some(time) if time > facts.now => Decision::WaitUntil(time),
            _ => Decision::Look,
        },
        Some(data) => with_data(facts, data),
    }
}

fn with_data(facts: &Facts, data: Data) -> Decision {
    let once = facts.trigger == Trigger::Once;
    if once && facts.batches > 0 {
        return Decision::End;
    }
    if data.new || data.starts_empty || (data.watermark_moved && !once) {
        return Decision::Run;
    }
    let ends = matches!(facts.trigger, Trigger::AvailableNow | Trigger::Once);
    if ends || data.ended { Decision::End } else { Decision::WaitForData }
}

/// The next moment on the trigger's grid; `None`: at once.
fn due(facts: &Facts) -> Option<i64> {
    let (Trigger::ProcessingTime(interval), Some(last)) = (facts.trigger, facts.last_look) else { return None };
    let tick = |time: i64| time.div_euclid(interval) * interval;
    // A query that waited for data missed ticks that found nothing: the next one counts from now.
    let last = if facts.idle { last.max(tick(facts.now)) } else { last };
    Some(tick(last) + interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Data = Data { new: false, starts_empty: false, watermark_moved: false, ended: false };

    fn facts(trigger: Trigger, now: i64, last_look: Option<i64>) -> Facts {
        Facts { trigger, now, last_look, idle: false, batches: 0, data: None }
    }

    #[test]
    fn processing_time_stays_on_its_grid() {
        let every = Trigger::ProcessingTime(10);
        assert_eq!(decide(&facts(every, 3, None)), Decision::Look);
        assert_eq!(decide(&facts(every, 5, Some(3))), Decision::WaitUntil(10));
        assert_eq!(decide(&facts(every, 10, Some(3))), Decision::Look);
        // A batch that took 34 of 10 starts the next at once, and the grid stays.
        assert_eq!(decide(&facts(every, 44, Some(10))), Decision::Look);
        assert_eq!(decide(&facts(every, 45, Some(44))), Decision::WaitUntil(50));
        // Data that came while nothing was there waits for the next tick.
        assert_eq!(decide(&Facts { idle: true, ..facts(every, 73, Some(44)) }), Decision::WaitUntil(80));
    }

    #[test]
    fn data_decides() {
        let with = |trigger, batches, data| decide(&Facts { batches, data: Some(data), ..facts(trigger, 0, None) });
        let new = Data { new: true, ..NOTHING };
        let moved = Data { watermark_moved: true, ..NOTHING };
        let ended = Data { ended: true, ..NOTHING };
        assert_eq!(with(Trigger::Default, 0, new), Decision::Run);
        assert_eq!(with(Trigger::Default, 0, NOTHING), Decision::WaitForData);
        assert_eq!(with(Trigger::Default, 0, Data { starts_empty: true, ..NOTHING }), Decision::Run);
        assert_eq!(with(Trigger::Default, 3, moved), Decision::Run);
        assert_eq!(with(Trigger::Default, 3, ended), Decision::End);
        assert_eq!(with(Trigger::Default, 3, Data { ended: true, ..moved }), Decision::Run);
        assert_eq!(with(Trigger::AvailableNow, 3, new), Decision::Run);
        assert_eq!(with(Trigger::AvailableNow, 3, moved), Decision::Run);
        assert_eq!(with(Trigger::AvailableNow, 0, NOTHING), Decision::End);
        assert_eq!(with(Trigger::Once, 0, new), Decision::Run);
        assert_eq!(with(Trigger::Once, 1, new), Decision::End);
        assert_eq!(with(Trigger::Once, 1, moved), Decision::End);
    }
}
