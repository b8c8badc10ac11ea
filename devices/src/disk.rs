//! [`DiskFile`]: the file or block device behind a guest's disk, checked and locked.

mod errors;

pub use errors::{DiskErrors, DiskFailures, DiskOperation};

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vmm_sys_util::tempfile::TempFile;

/// Unit of a disk's size and of all addresses on it, in bytes (virtio 1.3 5.2; ATA's logical sectors).
pub const SECTOR_BYTES: u64 = 512;

/// Whether the guest may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskAccess {
    /// It may not; several VMs may share the disk.
    ReadOnly,
    /// It may; the disk is this VM's alone.
    ReadWrite,
}

/// Why a disk cannot be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// No such file.
    #[error("disk {0} does not exist: create it, for example with `truncate -s 64M {0}`")]
    Missing(PathBuf),
    /// Neither a regular file nor a block device.
    #[error("disk {0} is {1}: give a regular file or a block device")]
    NotADisk(PathBuf, &'static str),
    /// The file may be read but not written.
    #[error("disk {0} may not be written: make it writable, or append `,ro` to use it read-only")]
    NotWritable(PathBuf),
    /// The file may not be read.
    #[error("disk {0} may not be read: check its permissions")]
    NotReadable(PathBuf),
    /// The size is not one of a disk.
    #[error(
        "disk {path} has {bytes} bytes, not a positive multiple of {SECTOR_BYTES}: make it longer, for example with `truncate -s {} {path}`",
        next_size(*bytes)
    )]
    Size {
        /// The disk.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Another process has locked it.
    #[error("disk {0} is in use by another Hostel: end that one, or use a copy of the disk")]
    InUse(PathBuf),
    /// Anything else.
    #[error("opening disk {path}")]
    Io {
        /// The disk.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Next larger size that a disk may have.
fn next_size(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(SECTOR_BYTES)
}

/// An open disk. It stays locked as long as this, or a clone of its file, lives.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    access: DiskAccess,
    sectors: u64,
    /// Whether its end can move: not that of a block device.
    is_regular: bool,
    id: [u8; 20],
    errors: Arc<DiskErrors>,
}

impl DiskFile {
    /// Opens, checks and locks the disk at `path`.
    pub fn open(path: &Path, access: DiskAccess) -> Result<Self, DiskError> {
        check_kind(path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(access == DiskAccess::ReadWrite)
            .open(path)
            .map_err(|error| open_error(path, access, error))?;
        lock(path, &file, access)?;
        Self::of(file, path, access)
    }

    /// A new disk of zeroes, without a name, which is gone when it is closed.
    pub fn temporary(bytes: u64) -> Result<Self, DiskError> {
        let path = std::env::temp_dir();
        let made = TempFile::new_with_prefix(path.join("hostel-disk-")).map_err(io::Error::from);
        let file = made
            .map(TempFile::into_file)
            .map_err(|error| io_error(&path, error))?;
        file.set_len(bytes)
            .map_err(|error| io_error(&path, error))?;
        Self::of(file, Path::new("temporary"), DiskAccess::ReadWrite)
    }

    fn of(file: File, path: &Path, access: DiskAccess) -> Result<Self, DiskError> {
        // Seeking tells the size of block devices, too, whose metadata say 0.
        let bytes = (&file)
            .seek(SeekFrom::End(0))
            .map_err(|error| io_error(path, error))?;
        if bytes == 0 || !bytes.is_multiple_of(SECTOR_BYTES) {
            let path = path.to_owned();
            return Err(DiskError::Size { path, bytes });
        }
        let metadata = file.metadata().map_err(|error| io_error(path, error))?;
        Ok(Self {
            is_regular: metadata.is_file(),
            file,
            access,
            sectors: bytes / SECTOR_BYTES,
            id: id_of(path),
            errors: Arc::new(DiskErrors::new(path.to_owned())),
        })
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether the guest may write.
    pub fn access(&self) -> DiskAccess {
        self.access
    }

    /// Size in sectors.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// What the host fails at, also after the disk itself is gone.
    pub fn errors(&self) -> &Arc<DiskErrors> {
        &self.errors
    }

    /// Counts an operation that the host has failed.
    pub(crate) fn failed(&self, operation: DiskOperation, error: &io::Error) {
        self.errors.add(operation, error);
    }

    /// Fails if somebody has cut the file off before `end`, in bytes: a write there would give it
    /// its length back, with zeroes for what was lost.
    pub(crate) fn reaches(&self, end: u64) -> io::Result<()> {
        if !self.is_regular || self.file.metadata()?.len() >= end {
            return Ok(());
        }
        let error = "the file has become shorter than the disk";
        Err(io::Error::new(ErrorKind::UnexpectedEof, error))
    }

    /// What the device calls itself: the end of the file's name, padded with zeroes.
    pub fn id(&self) -> [u8; 20] {
        self.id
    }
}

fn check_kind(path: &Path) -> Result<(), DiskError> {
    use std::os::unix::fs::FileTypeExt;
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => DiskError::Missing(path.to_owned()),
        ErrorKind::PermissionDenied => DiskError::NotReadable(path.to_owned()),
        _ => io_error(path, error),
    })?;
    let kind = metadata.file_type();
    let what = match kind {
        _ if kind.is_file() || kind.is_block_device() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a character device",
    };
    Err(DiskError::NotADisk(path.to_owned(), what))
}

fn open_error(path: &Path, access: DiskAccess, error: io::Error) -> DiskError {
    match (error.kind(), access) {
        (ErrorKind::NotFound, _) => DiskError::Missing(path.to_owned()),
        (ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem, DiskAccess::ReadWrite) => {
            DiskError::NotWritable(path.to_owned())
        }
        (ErrorKind::PermissionDenied, DiskAccess::ReadOnly) => {
            DiskError::NotReadable(path.to_owned())
        }
        _ => io_error(path, error),
    }
}

fn io_error(path: &Path, source: io::Error) -> DiskError {
    let path = path.to_owned();
    DiskError::Io { path, source }
}

fn lock(path: &Path, file: &File, access: DiskAccess) -> Result<(), DiskError> {
    let locked = match access {
        DiskAccess::ReadOnly => file.try_lock_shared(),
        DiskAccess::ReadWrite => file.try_lock(),
    };
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => DiskError::InUse(path.to_owned()),
        TryLockError::Error(error) => io_error(path, error),
    })
}

fn id_of(path: &Path) -> [u8; 20] {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.as_encoded_bytes();
    let end = &name[name.len().saturating_sub(20)..];
    let mut id = [0; 20];
    id[..end.len()].copy_from_slice(end);
    id
}

#[cfg(test)]
mod tests;
