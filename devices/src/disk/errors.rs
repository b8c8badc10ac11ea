//! [`DiskErrors`]: what the host failed at for a guest's disk.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Something done to the file for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOperation {
    /// Sectors are read.
    Read,
    /// Sectors are written, zeroed among them.
    Write,
    /// What was written is to last.
    Flush,
    /// Sectors are given back to the file system.
    Discard,
}

impl DiskOperation {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
            Self::Discard => "discard",
        }
    }
}

/// Operations that failed alike. The guest was told of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFailures {
    /// What was tried.
    pub operation: DiskOperation,
    /// What the host said.
    pub error: String,
    /// How often.
    pub count: u64,
}

/// What the host failed at so far. The first failure of each kind is logged.
#[derive(Debug)]
pub struct DiskErrors {
    path: PathBuf,
    failures: Mutex<Vec<DiskFailures>>,
}

impl DiskErrors {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            failures: Mutex::default(),
        }
    }

    /// The disk, as the user named it.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The failures, in the order of their first.
    pub fn failures(&self) -> Vec<DiskFailures> {
        let failures = self.failures.lock();
        failures.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts one.
    pub(super) fn add(&self, operation: DiskOperation, error: &io::Error) {
        let error = error.to_string();
        let failures = self.failures.lock();
        let mut failures = failures.unwrap_or_else(PoisonError::into_inner);
        let same = |f: &&mut DiskFailures| f.operation == operation && f.error == error;
        if let Some(known) = failures.iter_mut().find(same) {
            known.count += 1;
            return;
        }
        let (path, name) = (self.path.display(), operation.name());
        log::error!("disk {path}: a {name} has failed: {error}");
        failures.push(DiskFailures {
            operation,
            error,
            count: 1,
        });
    }
}
