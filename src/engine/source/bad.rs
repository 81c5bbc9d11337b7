//! What a source tells of records that did not decode: how many, one of them, and rows for `bad_rows('q')`.

use super::SourceContext;
use super::decode::BadRecords;
use crate::engine::clock::Clock;
use crate::progress::bad_rows::{BadRow, BadRows};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts that decoding tasks leave behind.
pub(super) struct Tally {
    stream: String,
    clock: Arc<dyn Clock>,
    kept: Arc<BadRows>,
    rows: AtomicU64,
    bad: AtomicU64,
    sample: Mutex<Option<String>>,
}

impl Tally {
    pub(super) fn new(stream: &str, context: &SourceContext) -> Arc<Tally> {
        Arc::new(Tally {
            stream: stream.to_string(),
            clock: Arc::clone(&context.clock),
            kept: Arc::clone(&context.bad),
            rows: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            sample: Mutex::default(),
        })
    }

    /// Rows that were decoded.
    pub(super) fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Records that were not; `place` says where a line is, counted from 0.
    pub(super) fn add_bad(&self, bad: BadRecords, place: impl Fn(u64) -> String) {
        if bad.count == 0 {
            return;
        }
        self.bad.fetch_add(bad.count, Ordering::Relaxed);
        if let Some(first) = bad.kept.first() {
            self.set_sample(first.text.clone());
        }
        let time = self.clock.now_micros();
        self.kept.add(bad.kept.into_iter().map(|record| BadRow {
            source: self.stream.clone(),
            offset: place(record.line),
            line: record.text,
            reason: record.reason,
            batch_id: 0,
            time,
        }));
    }

    /// Something about the source itself that may cost rows: kept beside the records, not counted among them.
    pub(super) fn note(&self, place: String, reason: String) {
        self.set_sample(format!("{place} {reason}"));
        self.keep_line(place, String::new(), reason);
    }

    /// A line that never reached a decoder.
    pub(super) fn keep_line(&self, offset: String, line: String, reason: String) {
        let (source, time) = (self.stream.clone(), self.clock.now_micros());
        self.kept.add([BadRow { source, offset, line, reason, batch_id: 0, time }]);
    }

    fn set_sample(&self, sample: String) {
        *self.sample.lock().unwrap_or_else(PoisonError::into_inner) = Some(sample);
    }

    /// Rows, bad records and a sample of those.
    pub(super) fn figures(&self) -> (u64, u64, Option<String>) {
        let sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.rows.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed), sample)
    }
}
