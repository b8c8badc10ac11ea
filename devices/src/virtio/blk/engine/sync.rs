//! [`SyncEngine`]: each transfer is done when it is started, by `preadv` and `pwritev2`.
#![expect(
    unsafe_code,
    reason = "vectored IO on guest memory has no safe wrapper"
)]

use super::{Completion, DEPTH, Durability, Engine, Transfer};
use crate::virtio::io_buffers::IoBuffers;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};

/// Does transfers one by one.
pub struct SyncEngine {
    file: File,
    done: VecDeque<Completion>,
}

impl SyncEngine {
    /// An engine on `file`.
    pub fn new(file: File) -> Self {
        Self {
            file,
            done: VecDeque::with_capacity(usize::from(DEPTH)),
        }
    }
}

impl Engine for SyncEngine {
    fn start(&mut self, tag: u16, transfer: Transfer) {
        let result = run(&self.file, transfer);
        self.done.push_back(Completion { tag, result });
    }

    fn submit(&mut self) {}

    fn completed(&mut self) -> Option<Completion> {
        self.done.pop_front()
    }

    fn has_completed(&self) -> bool {
        !self.done.is_empty()
    }

    fn completion_fd(&self) -> Option<RawFd> {
        None
    }

    fn acknowledge(&self) {}

    fn wait(&mut self) {}
}

/// Does a transfer, or what is left of it, to its end.
pub(super) fn run(file: &File, transfer: Transfer) -> io::Result<()> {
    match transfer {
        Transfer::Read { offset, buffers } => {
            repeat(offset, buffers, |at, buffers| read_some(file, at, buffers))
        }
        Transfer::Write {
            offset,
            buffers,
            durability,
        } => repeat(offset, buffers, |at, buffers| {
            write_some(file, at, buffers, durability)
        }),
        Transfer::Flush => file.sync_data(),
    }
}

/// Calls `some`, which returns how many bytes it has done, until all are.
fn repeat(
    mut offset: u64,
    mut buffers: IoBuffers,
    some: impl Fn(libc::off_t, &IoBuffers) -> io::Result<usize>,
) -> io::Result<()> {
    while !buffers.is_empty() {
        let at = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        match some(at, &buffers) {
            // Less disk than there was when it was opened.
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                buffers.advance(bytes);
                offset += bytes as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_some(file: &File, offset: libc::off_t, buffers: &IoBuffers) -> io::Result<usize> {
    let (first, count) = raw(buffers);
    // SAFETY: `first` and `count` are those of a live slice, whose vectors point into memory that
    // `buffers` keeps mapped and that the guest writes as well, so no Rust reference is to it.
    let read = unsafe { libc::preadv(file.as_raw_fd(), first, count, offset) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

fn write_some(
    file: &File,
    offset: libc::off_t,
    buffers: &IoBuffers,
    durability: Durability,
) -> io::Result<usize> {
    let (first, count) = raw(buffers);
    let flags = rw_flags(durability);
    // SAFETY: as in `read_some`; the memory is only read.
    let written = unsafe { libc::pwritev2(file.as_raw_fd(), first, count, offset, flags) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

fn raw(buffers: &IoBuffers) -> (*const libc::iovec, libc::c_int) {
    let vectors = buffers.vectors();
    // At most 1024, see there.
    let count = libc::c_int::try_from(vectors.len()).unwrap_or(0);
    (vectors.as_ptr(), count)
}

/// Flags of a write for the kernel.
pub(super) fn rw_flags(durability: Durability) -> libc::c_int {
    match durability {
        Durability::Cached => 0,
        Durability::Through => libc::RWF_DSYNC,
    }
}
