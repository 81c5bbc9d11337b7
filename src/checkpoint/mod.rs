//! What a query needs to go on after a restart: logs of offsets and commits, state by deltas and snapshots, and
//! the file layer that everything goes through which must survive. `layout.rs` has the directory's map.

mod background;
pub mod block;
mod changes;
mod error;
pub mod layout;
pub mod log;
mod merge;
mod metadata;
mod offset;
pub mod record;
pub mod recover;
pub mod simulated;
mod snapshot;
pub mod state;
pub mod storage;
mod syncer;

pub use background::Done;
pub use block::{Block, Columns};
pub use changes::Changes;
pub use error::{CheckpointError, advice, reason};
pub use layout::{BatchOffsets, Checkpoint, Found, Options, SourceRange};
pub use metadata::Metadata;
pub use offset::Offset;

/// What is synced before a batch goes on: the setting `spark.sql.streaming.checkpoint.sync`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// The offsets before a sink is touched, and a sink's files before they get their names; the rest in the
    /// background. A power loss loses and doubles nothing.
    #[default]
    Offsets,
    /// Everything before the batch ends.
    All,
    /// Nothing. A kill of the process loses nothing, a power loss may.
    None,
}

impl Sync {
    /// Whether files that others rely on are synced before they are named.
    pub fn syncs(self) -> bool {
        self != Sync::None
    }
}
