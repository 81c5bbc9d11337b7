//! What a query needs to go on after a restart: offsets and the records that hold them.

mod offset;
pub mod recover;

pub use offset::Offset;
