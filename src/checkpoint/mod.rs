//! What a query needs to go on after a restart: offsets and the records that hold them, and the file layer
//! that everything goes through which must survive.

mod error;
mod offset;
pub mod recover;
pub mod simulated;
pub mod storage;

pub use error::{CheckpointError, advice, reason};
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
