//! Lines of standard input; ends where the input ends.
//!
//! A read of standard input cannot be called off, so a thread does it, once for the process's session: lines that
//! no query has taken yet wait for the next one.

use crate::engine::clock::Clock;
use crate::engine::source::declared::Declared;
use crate::engine::source::line_source::{self, LineSource, LineSourceParts};
use crate::engine::source::lines::Splitter;
use crate::engine::source::queue::{LineQueue, QueueLimits};
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
    let decoder = line_source::decoder(scan, context, &declared)?;
    let receiver = resources
        .shared::<Receivers>()
        .stdin(|| start(io::stdin(), max_line, QueueLimits::default(), Arc::clone(&context.clock)))
        .map_err(|error| EngineError::external(format!("cannot read standard input: {error}")))?;
    Ok(Box::new(source(scan, context, receiver, decoder)))
}

/// A query's end of a receiver whose input ends.
fn source(scan: &Scan, context: &SourceContext, receiver: Arc<Receiver>, decoder: Arc<dyn line_source::DecodeLines>) -> LineSource {
    let mut source = LineSource::new(LineSourceParts {
        stream: scan.name.clone(),
        description: "standard input".to_string(),
        cursor: receiver.queue().join(Arc::clone(&context.wake)),
        wake: Arc::clone(&context.wake),
        decoder,
        receiver,
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
