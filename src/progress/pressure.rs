//! Whether a query keeps up, and if not, which stage holds it back: facts → cause → sentence.

use super::{BatchProgress, SourceStatus, Trigger};

/// What is known after a batch.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub trigger: Trigger,
    /// The last batch with rows.
    pub last: &'a BatchProgress,
    pub sources: &'a [SourceStatus],
}

/// How the query stands against its input.
#[derive(Clone, Debug, PartialEq)]
pub enum Pressure {
    /// Batches take a fraction of what they may; `room` is how many times the input could be.
    KeepsUp { room: f64 },
    /// A batch takes longer than its interval, mostly in `stage`. Milliseconds.
    SlowBatch { stage: String, stage_ms: f64, batch_ms: f64, interval_ms: f64 },
    /// A source's buffer is full, so its peer has to wait; `stage` takes most of a batch.
    FullBuffer { stream: String, buffered: u64, stage: String },
    /// Rows came faster than they are processed. Rows per second.
    FallsBehind { stage: String, arriving: f64, processed: f64 },
}

/// How full a buffer is when it counts as full.
const FULL: f64 = 0.9;

/// Decides.
pub fn pressure(facts: &Facts<'_>) -> Pressure {
    let batch_ms = facts.last.duration_ms.trigger_execution;
    let (stage, stage_ms) = slowest(facts.last);
    let full =
        facts.sources.iter().find(|s| share(s.buffered_rows, s.capacity_rows) >= FULL || share(s.buffered_bytes, s.capacity_bytes) >= FULL);
    if let Some(source) = full {
        return Pressure::FullBuffer { stream: source.stream.clone(), buffered: source.buffered_rows, stage };
    }
    if let Trigger::ProcessingTime(interval) = facts.trigger {
        let interval_ms = interval as f64 / 1e3;
        if batch_ms > interval_ms {
            return Pressure::SlowBatch { stage, stage_ms, batch_ms, interval_ms };
        }
        return Pressure::KeepsUp { room: interval_ms / batch_ms.max(0.001) };
    }
    let (arriving, processed) = (facts.last.input_rows_per_second, facts.last.processed_rows_per_second);
    let waiting: u64 = facts.sources.iter().map(|s| s.buffered_rows).sum();
    if arriving > processed * 1.05 && waiting > facts.last.num_input_rows {
        return Pressure::FallsBehind { stage, arriving, processed };
    }
    Pressure::KeepsUp { room: if arriving > 0.0 { (processed / arriving).max(1.0) } else { f64::INFINITY } }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The stage that took longest: an operator, or a phase outside them.
pub fn slowest(batch: &BatchProgress) -> (String, f64) {
    let d = &batch.duration_ms;
    let operators = batch.operators.iter().map(|o| (o.name.clone(), o.millis));
    let working: f64 = batch.operators.iter().map(|o| o.millis).sum();
    let phases = [
        ("finding new data", d.latest_offset),
        ("reading", d.get_batch),
        ("writing the offsets", d.wal_commit),
        ("the sink", (d.add_batch - working).max(0.0)),
        ("the commit", d.commit_offsets),
    ];
    let phases = phases.into_iter().map(|(name, millis)| (name.to_string(), millis));
    operators.chain(phases).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default()
}

impl Pressure {
    /// One sentence for people.
    pub fn sentence(&self) -> String {
        match self {
            Pressure::KeepsUp { room } if !room.is_finite() || *room > 1000.0 => "keeps up with plenty of room".to_string(),
            Pressure::KeepsUp { room } if *room < 1.1 => "just keeps up".to_string(),
            Pressure::KeepsUp { room } => format!("keeps up with room for {} the input", times(*room)),
            Pressure::SlowBatch { stage, stage_ms, batch_ms, interval_ms } => format!(
                "falls behind: a batch takes {} of a {} trigger, {} of it in {stage}",
                duration(*batch_ms),
                duration(*interval_ms),
                duration(*stage_ms)
            ),
            Pressure::FullBuffer { stream, buffered, stage } => format!(
                "falls behind: the buffer of {stream} is full ({buffered} rows), so the sender has to wait; most of a batch goes into {stage}"
            ),
            Pressure::FallsBehind { stage, arriving, processed } => {
                format!(
                    "falls behind: {arriving:.0} rows/s come and {processed:.0} rows/s are processed; most of a batch goes into {stage}"
                )
            }
        }
    }

    /// Whether that is good.
    pub fn keeps_up(&self) -> bool {
        matches!(self, Pressure::KeepsUp { .. })
    }
}

fn times(room: f64) -> String {
    if room < 10.0 { format!("{room:.1}×") } else { format!("{room:.0}×") }
}

/// `340 ms`, `3.1 s`
pub fn duration(millis: f64) -> String {
    match millis {
        m if m < 10.0 => format!("{m:.1} ms"),
        m if m < 1000.0 => format!("{m:.0} ms"),
        m if m < 600_000.0 => format!("{:.1} s", m / 1e3),
        m => format!("{:.0} min", m / 6e4),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DurationMs, OperatorProgress};
    use super::*;

    fn batch(execution: f64, operators: &[(&str, f64)]) -> BatchProgress {
        let operators = operators.iter().map(|(name, millis)| OperatorProgress {
            name: (*name).to_string(),
            millis: *millis,
            ..OperatorProgress::default()
        });
        let add_batch = operators.clone().map(|o| o.millis).sum();
        BatchProgress {
            num_input_rows: 10,
            duration_ms: DurationMs { trigger_execution: execution, add_batch, ..DurationMs::default() },
            operators: operators.collect(),
            ..BatchProgress::default()
        }
    }

    #[test]
    fn names_what_holds_it_back() {
        let last = batch(3100.0, &[("decode", 200.0), ("aggregate", 2800.0)]);
        let found = pressure(&Facts { trigger: Trigger::ProcessingTime(2_000_000), last: &last, sources: &[] });
        assert_eq!(found.sentence(), "falls behind: a batch takes 3.1 s of a 2.0 s trigger, 2.8 s of it in aggregate");
        let full = SourceStatus { stream: "lines".into(), buffered_rows: 95, capacity_rows: 100, ..SourceStatus::default() };
        let found = pressure(&Facts { trigger: Trigger::Default, last: &last, sources: &[full] });
        assert!(matches!(&found, Pressure::FullBuffer { stage, .. } if stage == "aggregate"));
    }

    #[test]
    fn says_how_much_room_there_is() {
        let last = batch(100.0, &[("decode", 50.0)]);
        let found = pressure(&Facts { trigger: Trigger::ProcessingTime(2_000_000), last: &last, sources: &[] });
        assert_eq!(found.sentence(), "keeps up with room for 20× the input");
    }
}
