//! Fills a batch's progress while it runs.

use super::{BatchProgress, DurationMs, EventTime, OperatorProgress, SinkProgress, SourceProgress, StateOperatorProgress};

/// The steps of a batch whose time is taken, under Spark's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    LatestOffset,
    GetBatch,
    QueryPlanning,
    WalCommit,
    AddBatch,
    CommitOffsets,
}

/// What stays the same for all batches of a run.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    pub id: String,
    pub run_id: String,
    pub name: Option<String>,
}

/// Collects one batch's figures.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    durations: DurationMs,
    started: u64,
    timestamp: i64,
}

/// What is known at the end of a batch.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub batch_id: u64,
    pub event_time: Option<EventTime>,
    pub state_operators: Vec<StateOperatorProgress>,
    /// With their rows; rates are filled in here.
    pub sources: Vec<SourceProgress>,
    pub sink: SinkProgress,
    pub operators: Vec<OperatorProgress>,
    /// When the batch before started, microseconds.
    pub previous_start: Option<i64>,
}

impl Recorder {
    /// A trigger fires at `timestamp` (microseconds since the epoch, `ticks` nanoseconds on the duration clock).
    pub fn start(timestamp: i64, ticks: u64) -> Recorder {
        Recorder { durations: DurationMs::default(), started: ticks, timestamp }
    }

    /// When the trigger fired, microseconds since the epoch.
    pub fn timestamp(&self) -> i64 {
        self.timestamp
    }

    /// A phase took that long, in nanoseconds; a phase may come in several parts.
    pub fn add(&mut self, phase: Phase, nanos: u64) {
        let millis = nanos as f64 / 1e6;
        let d = &mut self.durations;
        *match phase {
            Phase::LatestOffset => &mut d.latest_offset,
            Phase::GetBatch => &mut d.get_batch,
            Phase::QueryPlanning => &mut d.query_planning,
            Phase::WalCommit => &mut d.wal_commit,
            Phase::AddBatch => &mut d.add_batch,
            Phase::CommitOffsets => &mut d.commit_offsets,
        } += millis;
    }

    /// The batch's progress; `ticks` is the end on the duration clock.
    pub fn finish(self, identity: &Identity, outcome: Outcome, ticks: u64) -> BatchProgress {
        let mut durations = self.durations;
        durations.trigger_execution = ticks.saturating_sub(self.started) as f64 / 1e6;
        let rows: u64 = outcome.sources.iter().map(|s| s.num_input_rows).sum();
        let since = outcome.previous_start.map(|p| (self.timestamp - p) as f64 / 1e6);
        let arriving = |n: u64| since.filter(|s| *s > 0.0).map_or(0.0, |s| n as f64 / s);
        let processed = |n: u64| if durations.trigger_execution > 0.0 { n as f64 * 1e3 / durations.trigger_execution } else { 0.0 };
        let sources = outcome
            .sources
            .into_iter()
            .map(|s| SourceProgress {
                input_rows_per_second: arriving(s.num_input_rows),
                processed_rows_per_second: processed(s.num_input_rows),
                ..s
            })
            .collect();
        BatchProgress {
            id: identity.id.clone(),
            run_id: identity.run_id.clone(),
            name: identity.name.clone(),
            timestamp: self.timestamp,
            batch_id: outcome.batch_id,
            num_input_rows: rows,
            input_rows_per_second: arriving(rows),
            processed_rows_per_second: processed(rows),
            duration_ms: durations,
            event_time: outcome.event_time,
            state_operators: outcome.state_operators,
            sources,
            sink: outcome.sink,
            operators: outcome.operators,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_from_rows_and_times() {
        let mut recorder = Recorder::start(3_000_000, 1_000_000);
        recorder.add(Phase::AddBatch, 30_000_000);
        recorder.add(Phase::AddBatch, 10_000_000);
        let source = SourceProgress { num_input_rows: 100, ..SourceProgress::default() };
        let outcome = Outcome { sources: vec![source], previous_start: Some(1_000_000), ..Outcome::default() };
        let progress = recorder.finish(&Identity::default(), outcome, 51_000_000);
        assert_eq!(progress.duration_ms.add_batch, 40.0);
        assert_eq!(progress.duration_ms.trigger_execution, 50.0);
        assert_eq!((progress.input_rows_per_second, progress.processed_rows_per_second), (50.0, 2000.0));
    }
}
