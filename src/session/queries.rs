//! The queries of a session: running, paused and ended ones, by name.

use crate::engine::query::QueryHandle;
use crate::lang::ast::StreamingQuery;
use crate::plan::places::Places;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One query of the session.
#[derive(Clone)]
pub struct Entry {
    /// The engine's handle.
    pub handle: QueryHandle,
    /// Given by `START name AS`; a preview has none.
    pub name: Option<String>,
    /// The number of the statement that started it.
    pub statement: u64,
    /// Where its rows go, such as `console` or `memory(counts)`.
    pub sink: String,
    /// The statement that started it.
    pub definition: Arc<StreamingQuery>,
    /// Where its operations stand in the statement's text.
    pub places: Arc<Places>,
}

/// The list of queries, shared with whoever has to end them when a signal comes.
#[derive(Clone, Default)]
pub struct Queries(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    entries: Vec<Entry>,
    /// The session is ending: what starts now is stopped at once.
    closed: bool,
}

impl Queries {
    /// Adds a query in place of an ended one of its name. A session that is ending stops it at once.
    pub fn add(&self, entry: Entry) {
        let mut list = self.lock();
        if list.closed {
            entry.handle.stop();
        }
        list.entries.retain(|e| e.name.is_some() || !is_over(e));
        if let Some(name) = &entry.name {
            list.entries.iter().filter(|e| e.is(name)).for_each(|e| e.handle.forget());
            list.entries.retain(|e| !e.is(name));
        }
        list.entries.push(entry);
    }

    /// The query of that name, running or ended.
    pub fn get(&self, name: &str) -> Option<Entry> {
        self.lock().entries.iter().find(|e| e.is(name)).cloned()
    }

    /// The named queries in the order they were started.
    pub fn named(&self) -> Vec<Entry> {
        self.lock().entries.iter().filter(|e| e.name.is_some()).cloned().collect()
    }

    /// The named queries that still run.
    pub fn running(&self) -> Vec<Entry> {
        self.named().into_iter().filter(|e| !is_over(e)).collect()
    }

    /// Asks every query to finish its batch and end; later ones end as soon as they start.
    pub fn close(&self) {
        let mut list = self.lock();
        list.closed = true;
        for entry in &list.entries {
            if !is_over(entry) {
                entry.handle.stop();
            }
        }
    }

    /// Whether [`Queries::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name))
    }
}

/// Whether no batch of it will run any more.
pub fn is_over(entry: &Entry) -> bool {
    entry.handle.snapshot().state.is_final()
}
