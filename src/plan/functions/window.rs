//! The window family.

use super::*;

/// The rows of this family.
pub(super) const FUNCTIONS: &[Function] = &[];
