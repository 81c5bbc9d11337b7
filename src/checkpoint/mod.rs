//! What a query needs to go on after a restart: offsets and the records that hold them.

mod offset;

pub use offset::Offset;
