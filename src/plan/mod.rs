//! Statement → [`LogicalPlan`]: names resolved, types checked, casts in place, streaming rules kept.
//!
//! Pure: no I/O, no polars, no clock. Constants are folded through a trait that the session passes in.

pub mod expr;
pub mod functions;
pub mod logical;

pub use logical::LogicalPlan;
