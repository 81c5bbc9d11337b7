//! The aggregate family.

use super::*;

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[];
