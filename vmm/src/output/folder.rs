//! [`Folder`]: where files go that are written as a whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that can be written to.
pub(crate) struct Folder(PathBuf);

/// Why a folder cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("the results cannot be written to {path}")]
pub struct FolderError {
    path: String,
    #[source]
    source: io::Error,
}

impl Folder {
    /// Makes the folder, if it is not there, and tries to write to it.
    pub(crate) fn prepare(path: &Path) -> Result<Self, FolderError> {
        let folder = Self(path.to_owned());
        let made = fs::create_dir_all(path);
        let draft = folder.draft("results");
        let tried = made.and_then(|()| fs::write(&draft, []));
        let tried = tried.and_then(|()| fs::remove_file(&draft));
        tried.map_err(|source| folder.error(source))?;
        Ok(folder)
    }

    fn error(&self, source: io::Error) -> FolderError {
        FolderError {
            path: self.0.display().to_string(),
            source,
        }
    }

    /// Where a file is until it is whole.
    fn draft(&self, name: &str) -> PathBuf {
        self.0.join(format!(".{name}.part"))
    }

    /// Writes a file; where it is.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<PathBuf, FolderError> {
        let (draft, path) = (self.draft(name), self.0.join(name));
        let written = fs::write(&draft, text);
        let placed = written.and_then(|()| fs::rename(&draft, &path));
        placed.map_err(|source| {
            // What is left of it is of no use.
            let _ = fs::remove_file(&draft);
            self.error(source)
        })?;
        Ok(path)
    }
}
