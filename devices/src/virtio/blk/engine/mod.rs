//! [`Engine`]: how transfers reach the disk. Two do it: [`uring`] keeps many in flight, [`sync`]
//! does each at once, on hosts without io_uring.

pub mod sync;
pub mod uring;

use crate::virtio::io_buffers::IoBuffers;
use std::fs::File;
use std::io;
use std::os::fd::RawFd;

/// Most transfers in flight.
pub const DEPTH: u16 = 64;

/// Which engine to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    /// io_uring where the host has it.
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
    /// Readable when transfers have finished; none when they finish as they are started.
    fn completion_fd(&self) -> Option<RawFd>;
    /// The worker has seen [`Self::completion_fd`].
    fn acknowledge(&self);
    /// Waits until at least one of those in flight is finished.
    fn wait(&mut self);
}

/// The engine of choice for `file`.
pub fn open(file: File, choice: EngineChoice) -> io::Result<Box<dyn Engine>> {
    if choice == EngineChoice::Auto {
        match uring::UringEngine::new(file.try_clone()?) {
            Ok(engine) => return Ok(Box::new(engine)),
            Err(error) => log::info!("io_uring: {error}; using preadv and pwritev"),
        }
    }
    Ok(Box::new(sync::SyncEngine::new(file)))
}

#[cfg(test)]
mod tests;
