//! Tables with `refresh 'true'`: whether their files are still those that were read.

use super::super::declared::Declared;
use super::{read_place, sort};
use crate::engine::EngineError;
use crate::plan::logical::Scan;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Changes when a file of the table comes, goes or is written to; `None` for a table without `refresh`, and while
/// no file is there, as in the middle of a replacement.
///
/// # Errors
/// Options that cannot be read.
pub(in crate::engine) fn fingerprint(scan: &Scan) -> Result<Option<u64>, EngineError> {
    let declared = Declared::new(&scan.format, &scan.options);
    if scan.streaming || !declared.boolean("refresh")?.unwrap_or(false) {
        return Ok(None);
    }
    let mut found = read_place(&declared, &scan.format, chrono_tz::Tz::UTC)?.list(0).unwrap_or_default();
    sort(&mut found);
    let mut hasher = DefaultHasher::new();
    found.iter().for_each(|file| (&file.path, file.modified, file.bytes).hash(&mut hasher));
    Ok((!found.is_empty()).then(|| hasher.finish()))
}
