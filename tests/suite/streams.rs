//! What tests of sources share: opening one, waiting for it with a deadline, reading its rows.

use eddyline::checkpoint::Offset;
use eddyline::engine::clock::{Clock, SystemClock};
use eddyline::engine::source::{Signal, Source, SourceContext, open};
use eddyline::engine::{EngineError, Frame, Resources};
use eddyline::plan::expr::ColumnId;
use eddyline::plan::logical::{Column, Scan};
use eddyline::progress::SourceStatus;
use eddyline::types::{DataType, Field};
use std::sync::Arc;
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
const DEADLINE_TICKS: u64 = 60_000_000_000;

/// A scan of all columns of a stream.
pub(crate) fn scan(format: &str, options: &[(&str, &str)], columns: &[(&str, DataType)]) -> Scan {
    let id = |i: usize| ColumnId(u32::try_from(i).unwrap());
    Scan {
        name: "lines".to_string(),
        format: format.to_string(),
        options: options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        declared: columns.iter().map(|(name, t)| Field::new(*name, t.clone())).collect(),
        columns: columns
            .iter()
            .enumerate()
            .map(|(i, (name, t))| Column { id: id(i), name: name.to_string(), data_type: t.clone() })
            .collect(),
        streaming: true,
    }
}

/// An opened source with what wakes its query.
pub(crate) struct Stream {
    pub(crate) source: Box<dyn Source>,
    pub(crate) wake: Arc<Signal>,
    pub(crate) at: Option<Offset>,
}

impl Stream {
    pub(crate) fn open(scan: &Scan, resources: &Resources, clock: Arc<dyn Clock>) -> Result<Stream, EngineError> {
        let wake = Arc::new(Signal::default());
        let context = SourceContext {
            wake: Arc::clone(&wake),
            clock,
            zone: chrono_tz::UTC,
            bad: Arc::default(),
            query: "q".to_string(),
            folder: None,
        };
        Ok(Stream { source: open(scan, &context, resources)?, wake, at: None })
    }

    /// Waits until the source's state is as wanted.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&SourceStatus) -> bool) -> SourceStatus {
        let clock = SystemClock::default();
        while clock.ticks() < DEADLINE_TICKS {
            let status = self.source.status();
            if wanted(&status) {
                return status;
            }
            self.wake.wait(Duration::from_millis(20));
        }
        panic!("waited in vain until {what}: {:?}", self.source.status());
    }

    /// A batch: everything new, committed.
    pub(crate) fn batch(&mut self) -> Vec<Frame> {
        let Some(end) = self.source.latest(self.at.as_ref()).unwrap() else { return Vec::new() };
        let tasks = self.source.read(self.at.as_ref(), &end).unwrap();
        let frames = tasks.into_iter().map(|task| task().unwrap()).collect();
        self.source.commit(&end).unwrap();
        self.source.durable(&end).unwrap();
        self.at = Some(end);
        frames
    }

    /// Batches until `count` lines have come.
    pub(crate) fn lines(&mut self, count: usize) -> Vec<String> {
        let clock = SystemClock::default();
        let mut lines = Vec::new();
        while lines.len() < count {
            assert!(clock.ticks() < DEADLINE_TICKS, "waited in vain for {count} lines: {:?} {:?}", lines, self.source.status());
            let frames = self.batch();
            lines.extend(frames.iter().flat_map(texts));
            if lines.len() < count {
                self.wake.wait(Duration::from_millis(20));
            }
        }
        lines
    }
}

/// The first column's strings.
pub(crate) fn texts(frame: &Frame) -> Vec<String> {
    frame.columns()[0].str().unwrap().iter().map(|v| v.unwrap().to_string()).collect()
}

pub(crate) fn resources() -> Resources {
    Resources::new(1).unwrap()
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}
