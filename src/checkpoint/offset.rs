//! How far a source has been read.

use std::fmt;

/// A source's position, as one line of JSON text that only that source reads: `{"lines":42}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Offset(pub String);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
