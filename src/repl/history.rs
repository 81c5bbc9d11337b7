//! Where the prompt's history lives: `eddy/history` in the XDG state directory, for the user's eyes only.

use etcetera::BaseStrategy;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// Entries kept.
pub(super) const LIMIT: usize = 10_000;

/// The history file, made if it is not there; `None` where there is no place for it.
pub(super) fn file() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    let folder = strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("eddy");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let path = folder.join("history");
    let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path).ok()?;
    // A file that was there before may have been readable by others.
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).ok()?;
    Some(path)
}
