//! `readv` and `writev` of a packet: bytes of this process around a frame in guest memory.
#![expect(
    unsafe_code,
    reason = "vectored IO on guest memory has no safe wrapper"
)]

use super::backend::Scattered;
use crate::virtio::io_buffers::IoBuffers;
use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::AsRawFd;

/// Reads a packet: what comes before its frame, which has the length of `before`, then the start
/// of the frame, and to `overflow` what does not fit there. Returns the length of all.
pub(super) fn read(
    file: &impl AsRawFd,
    before: &mut [u8],
    frame: Scattered,
    overflow: &mut [u8],
) -> io::Result<usize> {
    let frame = io_buffers(frame)?;
    let vector = |bytes: &mut [u8]| libc::iovec {
        iov_base: bytes.as_mut_ptr().cast::<c_void>(),
        iov_len: bytes.len(),
    };
    let vectors = [&[vector(before)], frame.vectors(), &[vector(overflow)]].concat();
    // SAFETY: the vectors are those of two exclusive slices, and of memory that `frame` keeps
    // mapped and that the guest writes as well, so that no Rust reference is to it.
    let read = unsafe { libc::readv(file.as_raw_fd(), vectors.as_ptr(), count(&vectors)) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Writes a packet, with `before` before its frame. Returns how many bytes were written.
pub(super) fn write(file: &impl AsRawFd, before: &[u8], frame: Scattered) -> io::Result<usize> {
    let frame = io_buffers(frame)?;
    let before = libc::iovec {
        iov_base: before.as_ptr().cast_mut().cast::<c_void>(),
        iov_len: before.len(),
    };
    let vectors = [&[before], frame.vectors()].concat();
    // SAFETY: as in `read`; all of it is only read.
    let written = unsafe { libc::writev(file.as_raw_fd(), vectors.as_ptr(), count(&vectors)) };
    usize::try_from(written).map_err(|_| io::Error::last_os_error())
}

fn io_buffers(scattered: Scattered) -> io::Result<IoBuffers> {
    IoBuffers::new(scattered.memory, scattered.buffers)
        .ok_or_else(|| io::Error::other("a buffer is not in memory"))
}

/// At most 1024 and two more, see [`IoBuffers::vectors`]; the system refuses those.
fn count(vectors: &[libc::iovec]) -> c_int {
    c_int::try_from(vectors.len()).unwrap_or(c_int::MAX)
}
