//! [`LogicalPlan`](crate::plan::LogicalPlan) → a running query. polars lives here and nowhere else.

pub mod clock;
pub mod columns;
pub mod error;
pub mod eval;
pub mod frame;
pub mod pool;
pub mod resources;
pub mod runtime;
pub mod sink;
pub mod source;
pub mod state;

pub use error::EngineError;
pub use frame::Frame;
pub use resources::Resources;
