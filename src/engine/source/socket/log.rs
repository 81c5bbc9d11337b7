//! A query's write-ahead log of a socket, from its folder in the checkpoint.

use super::wal::{Position, Replay, Wal};
use crate::checkpoint::storage::Disk;
use crate::engine::EngineError;
use crate::engine::source::SourceFolder;
use crate::engine::source::queue::Tap;
use std::fmt;
use std::sync::Arc;

/// What stands in the journal of a query that keeps a log: from then on its files have to be there.
const JOURNAL: &str = "wal=1";

/// A log that is opened once it is known where an earlier run stood.
pub(in crate::engine::source) struct Log {
    disk: Arc<dyn Disk>,
    folder: SourceFolder,
    wal: Option<Arc<Wal>>,
    journaled: bool,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Log {
    /// In the folder of a source.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: &SourceFolder) -> Log {
        Log { disk, folder: folder.clone(), wal: None, journaled: false }
    }

    /// Reads back lines from `from` on; those before `known` have to be there if the earlier run kept a log.
    ///
    /// # Errors
    /// A log that is damaged, or that cannot be read.
    pub(in crate::engine::source) fn open(&mut self, from: u64, known: u64, kept: bool) -> Result<Replay, EngineError> {
        let at = Position { from, known, kept, synced: self.folder.sync.syncs() };
        let (wal, replay) = Wal::open(Arc::clone(&self.disk), &self.folder.dir, at)?;
        self.wal = Some(Arc::new(wal));
        self.journaled = kept;
        Ok(replay)
    }

    /// What gets the lines first.
    pub(in crate::engine::source) fn tap(&self) -> Option<Arc<dyn Tap>> {
        self.wal.clone().map(|wal| wal as Arc<dyn Tap>)
    }

    /// Lines that were received survive a power loss from here on, where the setting wants that.
    ///
    /// # Errors
    /// The file system's.
    pub(in crate::engine::source) fn journal(&mut self) -> Result<Vec<String>, EngineError> {
        if let Some(wal) = self.wal.as_ref().filter(|_| self.folder.sync.syncs()) {
            wal.sync()?;
        }
        let first = !std::mem::replace(&mut self.journaled, true);
        Ok(if first { vec![JOURNAL.to_string()] } else { Vec::new() })
    }

    /// All that the journal has to say.
    pub(in crate::engine::source) fn journal_so_far(&self) -> Vec<String> {
        if self.journaled { vec![JOURNAL.to_string()] } else { Vec::new() }
    }

    /// Lines before `line` may go.
    ///
    /// # Errors
    /// The file system's.
    pub(in crate::engine::source) fn clean(&self, line: u64) -> Result<(), EngineError> {
        self.wal.as_ref().map_or(Ok(()), |wal| wal.clean(line))
    }

    /// Why lines could not be kept, if so; after this it is tried again.
    pub(in crate::engine::source) fn take_failure(&self) -> Option<EngineError> {
        self.wal.as_ref()?.take_failure()
    }

    /// Bytes on disk.
    pub(in crate::engine::source) fn bytes(&self) -> u64 {
        self.wal.as_ref().map_or(0, |wal| wal.bytes())
    }
}
