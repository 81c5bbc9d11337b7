//! `cleanSource`: what becomes of files once their rows are committed.

use crate::engine::EngineError;
use crate::engine::source::declared::Declared;
use std::path::{Component, Path, PathBuf};

/// What becomes of a file.
#[derive(Clone, Debug)]
pub(super) enum Clean {
    /// Moved below this directory, under its own path.
    Archive(PathBuf),
    Delete,
}

impl Clean {
    pub(super) fn read(declared: &Declared<'_>) -> Result<Option<Clean>, EngineError> {
        let archive = declared.text("sourceArchiveDir");
        match (declared.text("cleanSource").map(str::to_lowercase).as_deref(), archive) {
            (None | Some("off"), None) => Ok(None),
            (Some("delete"), None) => Ok(Some(Clean::Delete)),
            (Some("archive"), Some(dir)) => Ok(Some(Clean::Archive(PathBuf::from(dir)))),
            (Some("archive"), None) => Err(EngineError::user("cleanSource 'archive' needs the option sourceArchiveDir")),
            (Some(other), None) => Err(declared.bad("cleanSource", other, "archive, delete or off")),
            (_, Some(_)) => Err(EngineError::user("sourceArchiveDir goes with cleanSource 'archive'")),
        }
    }

    /// Cleans files up. One that is gone already was cleaned up before.
    pub(super) fn files<'p>(&self, paths: impl Iterator<Item = &'p Path>) -> Result<(), EngineError> {
        for path in paths {
            let done = match self {
                Clean::Delete => std::fs::remove_file(path),
                Clean::Archive(dir) => archive(dir, path),
            };
            match done {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(EngineError::external(format!("{} could not be cleaned up: {e}", path.display())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn archive(dir: &Path, path: &Path) -> std::io::Result<()> {
    let full = std::path::absolute(path)?;
    let own: PathBuf = full.components().filter(|c| matches!(c, Component::Normal(_))).collect();
    let target = dir.join(own);
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // Across file systems a rename is impossible: copy, then remove.
    std::fs::rename(path, &target).or_else(|e| match e.kind() {
        std::io::ErrorKind::CrossesDevices => std::fs::copy(path, &target).and_then(|_| std::fs::remove_file(path)),
        _ => Err(e),
    })
}
