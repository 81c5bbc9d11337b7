//! Receivers that queries share: one connection per stream, one reader of standard input.
//!
//! `nc -lk` serves one client at a time, so two queries over one socket stream must not open two connections. The
//! first query starts the receiver, the last one to leave ends it.

use crate::engine::source::queue::{Cursor, LineQueue};
use crate::progress::Connection;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// A running receiver and its queue. Dropping it ends the work.
pub struct Receiver {
    pub(super) queue: Arc<LineQueue>,
    pub(super) task: Option<tokio::task::AbortHandle>,
}

impl Receiver {
    /// The queue it fills.
    pub fn queue(&self) -> &Arc<LineQueue> {
        &self.queue
    }

    /// The state of the connection, once the first attempt has ended or after `at_most`.
    pub fn settled(&self, at_most: Duration) -> Connection {
        self.queue.connection(at_most)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// The receivers of a session, by what they were declared as.
#[derive(Default)]
pub struct Receivers {
    running: Mutex<HashMap<String, Weak<Receiver>>>,
    /// What was read from standard input cannot be put back, so its receiver stays.
    stdin: Mutex<Option<Arc<Receiver>>>,
    /// A place in its lines from which on they were looked at and not taken.
    looked_at: Mutex<Option<Cursor>>,
}

impl Receivers {
    /// The receiver under `key`, started by `start` if none runs.
    pub(super) fn get(&self, key: String, start: impl FnOnce() -> Receiver) -> Arc<Receiver> {
        let mut running = lock(&self.running);
        running.retain(|_, receiver| receiver.strong_count() > 0);
        if let Some(receiver) = running.get(&key).and_then(Weak::upgrade) {
            return receiver;
        }
        let receiver = Arc::new(start());
        running.insert(key, Arc::downgrade(&receiver));
        receiver
    }

    /// Keeps a reader of standard input, and with it the lines that it has seen, for the next query.
    pub(super) fn keep(&self, cursor: Cursor) {
        *lock(&self.looked_at) = Some(cursor);
    }

    /// The reader that was kept, if any.
    pub(super) fn kept(&self) -> Option<Cursor> {
        lock(&self.looked_at).take()
    }

    /// The receiver of standard input.
    pub(super) fn stdin(&self, start: impl FnOnce() -> io::Result<Receiver>) -> io::Result<Arc<Receiver>> {
        let mut stdin = lock(&self.stdin);
        if let Some(receiver) = &*stdin {
            return Ok(Arc::clone(receiver));
        }
        let receiver = Arc::new(start()?);
        *stdin = Some(Arc::clone(&receiver));
        Ok(receiver)
    }
}

impl fmt::Debug for Receivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receivers").field("running", &lock(&self.running).len()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
