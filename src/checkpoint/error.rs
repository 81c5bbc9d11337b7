//! What can be wrong with a checkpoint.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint cannot be used.
#[derive(Debug)]
pub enum CheckpointError {
    /// The file system refused something: `verb` is what could not be done, such as `written`.
    Io { verb: &'static str, path: PathBuf, error: io::Error },
    /// Another query holds the directory; what its lock file says of it.
    Locked { dir: PathBuf, holder: String },
    /// A file is not as it was written.
    Damaged { path: PathBuf, how: String },
    /// A file of a format that this version does not know.
    Version { path: PathBuf, found: String },
    /// The records contradict each other.
    Contradiction { dir: PathBuf, how: String },
    /// The query is another one than the checkpoint's; the sentence says in what.
    Changed { dir: PathBuf, how: String },
}

impl CheckpointError {
    /// Turns a file system's error into ours: `map_err(CheckpointError::io("written", path))`.
    pub fn io(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
        move |error| CheckpointError::Io { verb, path: path.to_path_buf(), error }
    }

    /// A damaged file.
    pub fn damaged(path: &Path, how: impl Into<String>) -> CheckpointError {
        CheckpointError::Damaged { path: path.to_path_buf(), how: how.into() }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            CheckpointError::Io { error, .. } => advice(error),
            CheckpointError::Locked { .. } => "stop that one first, or give this query a directory of its own".to_string(),
            CheckpointError::Damaged { .. } | CheckpointError::Contradiction { .. } => {
                "nothing was read from it; put the directory back from a copy, or start over with an empty one".to_string()
            }
            CheckpointError::Version { .. } => "use the version of eddy that wrote it, or start over with an empty directory".to_string(),
            CheckpointError::Changed { .. } => "go on with the query as it was, or start over with an empty directory".to_string(),
        }
    }
}

/// What a person does about an error of the file system.
pub fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space, then RESUME the query".to_string(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "let this user write there, or choose another place; then RESUME the query".to_string()
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "choose a path that is a directory, or that is not there yet".to_string()
        }
        _ => "look at the disk, then RESUME the query".to_string(),
    }
}

/// An error of the file system in plain words.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".to_string(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".to_string(),
        io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_string(),
        io::ErrorKind::NotFound => "it is not there".to_string(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "a file is in the way of a directory".to_string(),
        _ => error.to_string(),
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointError::Io { verb, path, error } => write!(f, "{} cannot be {verb}: {}", path.display(), reason(error)),
            CheckpointError::Locked { dir, holder } => write!(f, "the checkpoint {} is in use by {holder}", dir.display()),
            CheckpointError::Damaged { path, how } => write!(f, "the checkpoint file {} is damaged: {how}", path.display()),
            CheckpointError::Version { path, found } => {
                write!(f, "the checkpoint file {} has the format {found}, which this version does not know", path.display())
            }
            CheckpointError::Contradiction { dir, how } => write!(f, "the checkpoint {} contradicts itself: {how}", dir.display()),
            CheckpointError::Changed { dir, how } => write!(f, "the checkpoint {} is of another query: {how}", dir.display()),
        }
    }
}

impl std::error::Error for CheckpointError {}
