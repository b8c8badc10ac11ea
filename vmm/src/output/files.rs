//! Files for results: a report, and a [`Folder`] of files that are written as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why there is no file for a report.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be written to {path}")]
pub struct ReportError {
    path: String,
    #[source]
    source: io::Error,
}

/// A file that a report is written to in the end.
pub(crate) struct ReportFile(File);

impl ReportFile {
    /// Makes it, so that what is wrong with it is known before anything is done.
    pub(crate) fn create(path: &Path) -> Result<Self, ReportError> {
        let file = File::create(path).map_err(|source| ReportError {
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self(file))
    }

    pub(crate) fn write(mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes())
    }
}

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
