//! What a query remembers between batches: keys, typed accumulators by slot, an index by expiry.

pub mod accumulator;
pub mod codec;
pub mod keys;
mod table;

pub use table::{Emit, Prepared, StateTable};
