//! Lines of standard input; ends where the input ends.
//!
//! A read of standard input cannot be called off, so a thread does it, once for the process's session: lines that
//! no query has taken yet wait for the next one.

use crate::engine::clock::Clock;
use crate::engine::source::bad::Tally;
use crate::engine::source::declared::Declared;
use crate::engine::source::line_format;
use crate::engine::source::line_source::{LineSource, LineSourceParts};
use crate::engine::source::lines::{MAX_LINE_BYTES, Splitter};
use crate::engine::source::queue::{Cursor, LineQueue, Lines, QueueLimits};
use crate::engine::source::receivers::{Receiver, Receivers};
use crate::engine::source::{Source, SourceContext, socket};
use crate::engine::{EngineError, Resources};
use crate::plan::logical::Scan;
use crate::progress::Connection;
use std::io::{self, Read};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How often a thread that waits for room looks whether its queue is still wanted.
const LOOK: Duration = Duration::from_millis(500);

/// Opens standard input for a query.
///
/// # Errors
/// Options that do not fit; no thread to read with.
pub fn open(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<Box<dyn Source>, EngineError> {
    let declared = Declared::new("stdin", &scan.options);
    let max_line = socket::max_line_bytes(&declared)?;
    let decoder = line_format::decoder(scan, context, &declared)?;
    let receiver = receiver(max_line, context, resources)?;
    let cursor = reader(&receiver, context, resources);
    Ok(Box::new(source(scan, context, receiver, cursor, decoder)))
}

/// The first lines of standard input, at most `limit`, for a look at them: they stay for the next query. `until` says
/// how long to wait, given how many there are.
///
/// # Errors
/// No thread to read with.
pub(super) fn peek(
    limit: usize,
    context: &SourceContext,
    resources: &Resources,
    mut until: impl FnMut(usize) -> Duration,
) -> Result<Vec<String>, EngineError> {
    let receiver = receiver(MAX_LINE_BYTES, context, resources)?;
    let cursor = reader(&receiver, context, resources);
    loop {
        let there = usize::try_from(cursor.received()).unwrap_or(usize::MAX);
        let left = until(there);
        if there >= limit || left.is_zero() || receiver.queue().status().closed || receiver.queue().status().full {
            break;
        }
        context.wake.wait(left.min(Duration::from_millis(100)));
    }
    let slices = cursor.slice(0, cursor.received().min(limit as u64));
    let lines = slices.iter().flat_map(Lines::texts).map(str::to_string).collect();
    resources.shared::<Receivers>().keep(cursor);
    Ok(lines)
}

fn receiver(max_line: usize, context: &SourceContext, resources: &Resources) -> Result<Arc<Receiver>, EngineError> {
    let start = || start(io::stdin(), max_line, QueueLimits::default(), Arc::clone(&context.clock));
    let receiver = resources.shared::<Receivers>().stdin(start);
    receiver.map_err(|error| EngineError::external(format!("cannot read standard input: {error}")))
}

/// A place in the lines: behind what earlier queries took.
fn reader(receiver: &Receiver, context: &SourceContext, resources: &Resources) -> Cursor {
    match resources.shared::<Receivers>().kept() {
        Some(cursor) => {
            cursor.rewake(Arc::clone(&context.wake));
            cursor
        }
        None => receiver.queue().join(Arc::clone(&context.wake)),
    }
}

/// Refuses options that do not fit, without reading.
pub(super) fn check(scan: &Scan, context: &SourceContext) -> Result<(), EngineError> {
    let declared = Declared::new("stdin", &scan.options);
    socket::max_line_bytes(&declared)?;
    line_format::decoder(scan, context, &declared).map(drop)
}

/// A query's end of a receiver whose input ends.
fn source(
    scan: &Scan,
    context: &SourceContext,
    receiver: Arc<Receiver>,
    cursor: Cursor,
    decoder: Arc<dyn line_format::DecodeLines>,
) -> LineSource {
    let mut source = LineSource::new(LineSourceParts {
        stream: scan.name.clone(),
        description: "standard input".to_string(),
        cursor: Some(cursor),
        wake: Arc::clone(&context.wake),
        decoder,
        tally: Tally::new(&scan.name, context),
        receiver,
        log: None,
    });
    source.frozen_reads_to_end = true;
    source
}

/// Starts a thread that reads `input` to its end. It keeps no queue alive that nobody else holds.
pub fn start(mut input: impl Read + Send + 'static, max_line: usize, limits: QueueLimits, clock: Arc<dyn Clock>) -> io::Result<Receiver> {
    let queue = Arc::new(LineQueue::new(limits, clock));
    queue.set_connection(Connection::Connected);
    let filled = Arc::downgrade(&queue);
    std::thread::Builder::new().name("eddy-stdin".to_string()).spawn(move || read_to_end(&mut input, max_line, &filled))?;
    Ok(Receiver { queue, task: None })
}

fn read_to_end(input: &mut impl Read, max_line: usize, queue: &Weak<LineQueue>) {
    let mut splitter = Splitter::new(max_line);
    loop {
        if !wait_for_room(queue) {
            return;
        }
        let count = match input.read(splitter.space()) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        if count == 0 {
            splitter.finish();
        } else {
            splitter.filled(count);
        }
        if !hand_over(&mut splitter, queue) {
            return;
        }
        if count == 0 {
            if let Some(queue) = queue.upgrade() {
                queue.close(Connection::Ended);
            }
            return;
        }
    }
}

/// False when the queue is gone.
fn hand_over(splitter: &mut Splitter, queue: &Weak<LineQueue>) -> bool {
    let flaws = splitter.take_flaws();
    let Some(live) = queue.upgrade() else { return false };
    live.note(flaws);
    drop(live);
    let (bytes, lines) = splitter.block();
    let mut taken = 0;
    while taken < lines.len() {
        if !wait_for_room(queue) {
            return false;
        }
        let Some(queue) = queue.upgrade() else { return false };
        taken += queue.append(bytes, &lines[taken..]);
    }
    splitter.next();
    true
}

/// False when the queue is gone.
fn wait_for_room(queue: &Weak<LineQueue>) -> bool {
    loop {
        let Some(queue) = queue.upgrade() else { return false };
        if queue.wait_for_room(LOOK) {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Offset;
    use crate::engine::clock::SystemClock;
    use crate::engine::source::Signal;
    use crate::plan::expr::ColumnId;
    use crate::plan::logical::Column;
    use crate::types::{DataType, Field};

    /// A query over an input, before anything of it was read.
    fn open(input: impl Read + Send + 'static, limits: QueueLimits) -> LineSource {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let column = Column { id: ColumnId(7), name: "value".to_string(), data_type: DataType::String };
        let scan = Scan {
            name: "typed".to_string(),
            format: "stdin".to_string(),
            options: Vec::new(),
            declared: vec![Field::new("value", DataType::String)],
            columns: vec![column],
            streaming: true,
        };
        let wake = Arc::new(Signal::default());
        let context = SourceContext {
            wake,
            clock: Arc::clone(&clock),
            zone: chrono_tz::UTC,
            bad: Arc::default(),
            query: "q".to_string(),
            folder: None,
        };
        let receiver = Arc::new(start(input, MAX_LINE_BYTES, limits, clock).unwrap());
        let decoder = line_format::decoder(&scan, &context, &Declared::new("stdin", &scan.options)).unwrap();
        let cursor = receiver.queue().join(Arc::clone(&context.wake));
        source(&scan, &context, receiver, cursor, decoder)
    }

    fn rows(source: &mut LineSource, from: Option<&Offset>, to: &Offset) -> Vec<String> {
        let frames = source.read(from, to).unwrap().into_iter().map(|task| task().unwrap());
        frames.flat_map(|f| f.columns()[0].str().unwrap().iter().map(|v| v.unwrap().to_string()).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn available_now_takes_all_up_to_the_end() {
        let mut source = open(io::Cursor::new(b"a\nb\nlast".to_vec()), QueueLimits::default());
        source.freeze().unwrap();
        let end = source.latest(None).unwrap().unwrap();
        assert_eq!(rows(&mut source, None, &end), ["a", "b", "last"]);
        source.commit(&end).unwrap();
        assert!(source.ended());
        assert_eq!(source.status().connection, Connection::Ended);
        assert_eq!(source.latest(Some(&end)).unwrap(), Some(end));
    }

    #[test]
    fn an_input_larger_than_the_queue_comes_in_parts() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let mut source = open(io::Cursor::new(text.into_bytes()), QueueLimits { rows: 30, bytes: 1 << 20 });
        source.freeze().unwrap();
        let mut at = None;
        let mut all = Vec::new();
        loop {
            let end = source.latest(at.as_ref()).unwrap();
            if end == at {
                break;
            }
            let end = end.unwrap();
            let part = rows(&mut source, at.as_ref(), &end);
            assert!(part.len() <= 30);
            all.extend(part);
            source.commit(&end).unwrap();
            at = Some(end);
        }
        assert_eq!(all.len(), 100);
        assert_eq!(all[99], "line 99");
    }

    #[test]
    fn an_empty_input_runs_no_batch() {
        let mut source = open(io::empty(), QueueLimits::default());
        source.freeze().unwrap();
        assert_eq!(source.latest(None).unwrap(), None);
        assert!(source.ended() && !source.starts_empty());
    }
}
