//! What the queries of one session share: workers, tables in memory, connections.

use super::pool::Pool;
use super::{EngineError, Frame};
use crate::checkpoint::storage::{Disk, RealDisk};
use crate::plan::logical::Column;
use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by all queries of a session; a clone shares the same.
#[derive(Clone)]
pub struct Resources(Arc<Inner>);

struct Inner {
    pool: Pool,
    disk: Arc<dyn Disk>,
    tables: Mutex<BTreeMap<String, MemoryTable>>,
    shared: Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>,
}

/// A bounded table held in memory, by whoever made it: `CREATE TABLE AS` or a memory sink.
#[derive(Clone, Debug, Default)]
pub struct MemoryTable {
    /// Its columns, in the order of the frames' columns.
    pub columns: Vec<Column>,
    /// Its rows. Frames match the columns by position; their ids mean nothing to readers.
    pub frames: Vec<Frame>,
}

impl Resources {
    /// Resources of a new session with `width` worker threads, one per core when it is 0.
    pub fn new(width: usize) -> Result<Resources, EngineError> {
        Resources::with_disk(width, Arc::new(RealDisk))
    }

    /// The same with what must survive kept on `disk`: for tests.
    pub fn with_disk(width: usize, disk: Arc<dyn Disk>) -> Result<Resources, EngineError> {
        Ok(Resources(Arc::new(Inner { pool: Pool::new(width)?, disk, tables: Mutex::default(), shared: Mutex::default() })))
    }

    /// Where checkpoints, write-ahead logs and file sinks are kept.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.0.disk
    }

    /// The worker pool.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The table of that name, without regard to case, as it is now.
    pub fn table(&self, name: &str) -> Option<MemoryTable> {
        self.tables().get(&name.to_lowercase()).cloned()
    }

    /// Puts a table under its name, in place of any that had it.
    pub fn put_table(&self, name: &str, table: MemoryTable) {
        self.tables().insert(name.to_lowercase(), table);
    }

    /// Takes a table out.
    pub fn remove_table(&self, name: &str) -> Option<MemoryTable> {
        self.tables().remove(&name.to_lowercase())
    }

    /// Changes a table in one step; an unknown name starts from an empty one.
    pub fn change_table(&self, name: &str, change: impl FnOnce(&mut MemoryTable)) {
        change(self.tables().entry(name.to_lowercase()).or_default());
    }

    /// The session's one value of type `T`, made at first use: how a kind of source keeps what its queries
    /// share (the connections of socket streams, standard input).
    pub fn shared<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut shared = self.0.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let value = shared.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::downcast(Arc::clone(value)).expect("the value under a type's id is of that type")
    }

    fn tables(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, MemoryTable>> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resources").field("workers", &self.0.pool.width()).finish_non_exhaustive()
    }
}
