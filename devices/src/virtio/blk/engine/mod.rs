//! [`Engine`]: how transfers reach the disk. Two do it: [`uring`] keeps many in flight, [`sync`]
//! does each at once, for files in memory and on hosts without io_uring.
#![expect(unsafe_code, reason = "fstatfs")]

pub mod sync;
pub mod uring;

use crate::virtio::io_buffers::IoBuffers;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

/// Type of a ramfs (Linux magic.h).
const RAMFS_MAGIC: libc::__fsword_t = 0x8584_58f6;

/// Most transfers in flight.
pub const DEPTH: u16 = 64;

/// Which engine to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// io_uring where the host has it and there is something to wait for.
    Auto,
    /// One transfer after another.
    Sync,
}

/// When a write counts as done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the host has it; a flush makes it last.
    Cached,
    /// When it lasts.
    Through,
}

/// Something for the disk to do. Offsets are in bytes and were checked against its size.
#[derive(Debug)]
pub enum Transfer {
    /// From the disk into guest memory.
    Read {
        /// Where on the disk.
        offset: u64,
        /// Where to.
        buffers: IoBuffers,
    },
    /// From guest memory to the disk.
    Write {
        /// Where on the disk.
        offset: u64,
        /// Where from.
        buffers: IoBuffers,
        /// When it is done.
        durability: Durability,
    },
    /// All that was written is to last.
    Flush,
}

/// A finished transfer.
#[derive(Debug)]
pub struct Completion {
    /// As given to [`Engine::start`].
    pub tag: u16,
    /// What came of it.
    pub result: io::Result<()>,
}

/// Does transfers on one file.
pub trait Engine: Send {
    /// Starts a transfer. `tag` is below [`DEPTH`] and belongs to no other in flight.
    fn start(&mut self, tag: u16, transfer: Transfer);
    /// Hands all that was started to the kernel.
    fn submit(&mut self);
    /// A transfer that is finished, if there is one.
    fn completed(&mut self) -> Option<Completion>;
    /// Whether there is one, or one that the kernel was too short of memory to take.
    fn has_completed(&self) -> bool;
    /// Readable when transfers have finished; none when they finish as they are started.
    fn completion_fd(&self) -> Option<RawFd>;
    /// The worker has taken what had finished: [`Self::completion_fd`] is for what comes now.
    fn acknowledge(&self);
    /// Waits until at least one of those in flight is finished.
    fn wait(&mut self);
}

/// The engine of choice for `file`.
pub fn open(file: File, choice: EngineChoice) -> io::Result<Box<dyn Engine>> {
    if choice == EngineChoice::Auto && !is_in_memory(&file)? {
        match uring::UringEngine::new(file.try_clone()?) {
            Ok(engine) => return Ok(Box::new(engine)),
            Err(error) => log::info!("io_uring: {error}; using preadv and pwritev"),
        }
    }
    Ok(Box::new(sync::SyncEngine::new(file)))
}

/// Whether the file lies in a file system that is memory: io_uring cannot know that no transfer has
/// to wait there, and would leave each to a thread of the kernel.
fn is_in_memory(file: &File) -> io::Result<bool> {
    // SAFETY: all zeroes are a valid statfs, which the call fills in.
    let kind = unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(file.as_raw_fd(), &mut about) < 0 {
            return Err(io::Error::last_os_error());
        }
        about.f_type
    };
    Ok(matches!(kind, libc::TMPFS_MAGIC | RAMFS_MAGIC))
}

#[cfg(test)]
mod tests;
