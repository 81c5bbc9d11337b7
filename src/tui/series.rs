//! The course of a query's figures: rates and times per batch, and what its sources received second by second.

use std::collections::VecDeque;

use crate::progress::{BatchProgress, QuerySnapshot, QueryState, Trigger};

/// A waiting query's rates fall to zero after this long without a batch, in microseconds.
const IDLE_MICROS: i64 = 2_000_000;

/// Rows a second read, batch by batch, oldest first.
pub(super) fn rows_in(snapshot: &QuerySnapshot) -> Vec<f64> {
    snapshot.progress.iter().map(|b| b.input_rows_per_second).collect()
}

/// Rows a second written, batch by batch, oldest first.
pub(super) fn rows_out(snapshot: &QuerySnapshot) -> Vec<f64> {
    let mut before: Option<&BatchProgress> = None;
    let mut rates = Vec::with_capacity(snapshot.progress.len());
    for batch in &snapshot.progress {
        let since = before.map_or(0.0, |b| (batch.timestamp - b.timestamp) as f64 / 1e6);
        // Before the first batch there is none to count from; its trigger's interval is the nearest to a measure.
        let alone = interval_millis(snapshot.trigger).unwrap_or(0.0).max(batch.duration_ms.trigger_execution) / 1e3;
        let seconds = if since > 0.0 { since } else { alone };
        rates.push(if seconds > 0.0 { batch.sink.num_output_rows as f64 / seconds } else { 0.0 });
        before = Some(batch);
    }
    rates
}

/// Milliseconds per batch, oldest first.
pub(super) fn batch_millis(snapshot: &QuerySnapshot) -> Vec<f64> {
    snapshot.progress.iter().map(|b| b.duration_ms.trigger_execution).collect()
}

/// Rows in state after each batch, oldest first.
pub(super) fn state_rows(snapshot: &QuerySnapshot) -> Vec<f64> {
    snapshot.progress.iter().map(|b| b.state_operators.iter().map(|s| s.num_rows_total).sum::<u64>() as f64).collect()
}

/// The last of `rates`, or zero when no batch ran for a while.
pub(super) fn current(snapshot: &QuerySnapshot, rates: &[f64]) -> f64 {
    let Some(last) = snapshot.progress.back() else { return 0.0 };
    let ended = last.timestamp + (last.duration_ms.trigger_execution * 1e3) as i64;
    let idle = match snapshot.state {
        QueryState::WaitingForData | QueryState::Paused => snapshot.now - ended > IDLE_MICROS,
        QueryState::Stopped | QueryState::Failed(_) => true,
        QueryState::Starting | QueryState::Running | QueryState::WaitingForTrigger => false,
    };
    if idle { 0.0 } else { rates.last().copied().unwrap_or(0.0) }
}

/// The trigger's interval in milliseconds, where it has one.
pub(super) fn interval_millis(trigger: Trigger) -> Option<f64> {
    match trigger {
        Trigger::ProcessingTime(micros) if micros > 0 => Some(micros as f64 / 1e3),
        Trigger::ProcessingTime(_) | Trigger::Default | Trigger::AvailableNow | Trigger::Once => None,
    }
}

/// Seconds of arrivals kept.
pub(super) const KEPT_SECONDS: usize = 60;

/// What the sources of a query had received at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sample {
    at: i64,
    received: u64,
    /// Rows that have left the buffer.
    taken: u64,
    blocked_micros: u64,
}

/// Arrivals over the last minute, from the sources' running totals.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// About one a second, oldest first.
    samples: VecDeque<Sample>,
    latest: Sample,
}

impl Arrivals {
    /// Takes note of a snapshot.
    pub(super) fn observe(&mut self, snapshot: &QuerySnapshot) {
        let received: u64 = snapshot.sources.iter().map(|s| s.received_rows).sum();
        let waiting: u64 = snapshot.sources.iter().map(|s| s.buffered_rows).sum();
        let blocked_micros = snapshot.sources.iter().map(|s| s.blocked_micros).sum();
        self.latest = Sample { at: snapshot.now, received, taken: received.saturating_sub(waiting), blocked_micros };
        if self.samples.back().is_none_or(|last| self.latest.at - last.at >= 1_000_000) {
            self.samples.push_back(self.latest);
            if self.samples.len() > KEPT_SECONDS + 1 {
                self.samples.pop_front();
            }
        }
    }

    /// Rows a second that came in over the last seconds.
    pub(super) fn arriving(&self) -> f64 {
        self.recent(|s| s.received)
    }

    /// Rows a second that batches took out of the buffer over the last seconds.
    pub(super) fn taken(&self) -> f64 {
        self.recent(|s| s.taken)
    }

    /// Part of the last seconds (0 to 1) in which the receiver did not read.
    pub(super) fn held(&self) -> f64 {
        (self.recent(|s| s.blocked_micros) / 1e6).min(1.0)
    }

    /// Rows a second that came in, second by second, oldest first.
    pub(super) fn arriving_series(&self) -> Vec<f64> {
        self.series(|s| s.received)
    }

    /// Rows a second that batches took, second by second, oldest first.
    pub(super) fn taken_series(&self) -> Vec<f64> {
        self.series(|s| s.taken)
    }

    /// Over three seconds or as many as there are: one batch a second must not make it flicker.
    fn recent(&self, figure: impl Fn(&Sample) -> u64) -> f64 {
        let base = self.samples.iter().rev().find(|s| self.latest.at - s.at >= 3_000_000).or(self.samples.front());
        base.map_or(0.0, |base| per_second(base, &self.latest, &figure))
    }

    fn series(&self, figure: impl Fn(&Sample) -> u64) -> Vec<f64> {
        let later = self.samples.iter().skip(1);
        self.samples.iter().zip(later).map(|(a, b)| per_second(a, b, &figure)).collect()
    }
}

fn per_second(from: &Sample, to: &Sample, figure: &impl Fn(&Sample) -> u64) -> f64 {
    let seconds = (to.at - from.at) as f64 / 1e6;
    if seconds <= 0.0 { 0.0 } else { figure(to).saturating_sub(figure(from)) as f64 / seconds }
}
