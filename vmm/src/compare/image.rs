//! [`Guest`]: the guest that does the work, the built-in one or one like it.
//!
//! One like it starts as the built-in kernel does, is given the same words, and runs the suite that
//! its initrd holds as `suite`, reporting as `abi` says: what `hostel guest export` writes, of this
//! or another version of Hostel. Of its initrd all stays but the suite. A workload whose program it
//! lacks is a failed one.

use super::session::CompareError;
use crate::guest;
use crate::images::Image;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Most that an initrd may have, of the 256 MiB of memory of a comparison's VM.
const INITRD_BYTES: u64 = 64 << 20;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The one that is part of this program.
    BuiltIn,
    /// Another.
    Files {
        /// Its kernel.
        kernel: PathBuf,
        /// Its programs.
        initrd: PathBuf,
    },
}

impl Guest {
    /// As it is named in reports.
    pub(super) fn name(&self) -> String {
        match self {
            Self::BuiltIn => "built-in".to_owned(),
            Self::Files { kernel, .. } => kernel.display().to_string(),
        }
    }

    pub(super) fn kernel(&self) -> Result<Image, CompareError> {
        match self {
            Self::BuiltIn => Ok(Image::Bytes(guest::kernel().into())),
            Self::Files { kernel, .. } => Ok(Image::File(open(kernel)?.0)),
        }
    }

    /// With a suite.
    pub(super) fn initrd(&self, suite: &str) -> Result<Vec<u8>, CompareError> {
        match self {
            Self::BuiltIn => Ok(guest::initrd(Some(suite.as_bytes()))),
            Self::Files { initrd, .. } => {
                let (_, bytes) = open(initrd)?;
                if bytes > INITRD_BYTES {
                    let limit = INITRD_BYTES >> 20;
                    let large = format!("it is larger than {limit} MiB");
                    return Err(unreadable(initrd)(io::Error::other(large)));
                }
                let archive = fs::read(initrd).map_err(unreadable(initrd))?;
                let with_suite = guest::initrd_with(&archive, suite.as_bytes());
                with_suite.map_err(|source| CompareError::Initrd {
                    path: initrd.display().to_string(),
                    source,
                })
            }
        }
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> CompareError {
    |source| CompareError::GuestFile {
        path: path.display().to_string(),
        source,
    }
}

/// A regular file and its size: what is none (a pipe, a device) could be waited for without end.
fn open(path: &Path) -> Result<(File, u64), CompareError> {
    let metadata = fs::metadata(path).map_err(unreadable(path))?;
    if !metadata.is_file() {
        return Err(unreadable(path)(io::Error::other("it is no regular file")));
    }
    let file = File::open(path).map_err(unreadable(path))?;
    Ok((file, metadata.len()))
}
