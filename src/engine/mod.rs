//! [`LogicalPlan`](crate::plan::LogicalPlan) → a running query. polars lives here and nowhere else.

pub mod bounded;
pub mod build;
pub mod clock;
pub mod columns;
pub mod error;
pub mod eval;
pub mod frame;
pub mod memory;
pub mod node;
pub mod operator;
pub mod pool;
pub mod query;
mod query_checkpoint;
mod query_state;
pub mod render_json;
pub mod resources;
pub mod runtime;
pub mod sink;
pub mod source;
pub mod state;
pub mod state_schema;
pub mod trigger;
pub mod watermark;

pub use bounded::{NoSystemTables, SystemTables, run_bounded};
pub use error::{Blame, EngineError};
pub use frame::Frame;
pub use query_state::unique_id;
pub use resources::{MemoryTable, Resources};
