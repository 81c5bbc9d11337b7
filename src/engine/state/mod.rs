//! What a query remembers between batches: keys, typed accumulators by slot, an index by expiry.

pub mod accumulator;
mod arena;
pub mod codec;
pub mod expiry;
mod hash;
mod index;
pub mod keys;
pub mod rows;
pub mod sessions;
pub mod slots;
pub mod spill;
pub mod stored;
mod table;
mod windows;

pub use table::{Emit, ExpiryOf, Listed, Prepared, StateTable, TableStats};
