//! [`IoBuffers`]: pieces of guest memory in the form that vectored system calls take.
#![expect(
    unsafe_code,
    reason = "guest memory is handed to the kernel by address"
)]

use crate::virtio::ring::Buffer;
use std::sync::Arc;
use vm_memory::{GuestMemory, GuestMemoryMmap, Permissions};

/// Addresses and lengths in this process, with the mapping that they point into.
#[derive(Debug)]
pub struct IoBuffers {
    vectors: Vec<libc::iovec>,
    /// Keeps the mapping alive.
    _memory: Arc<GuestMemoryMmap>,
}

// SAFETY: the addresses are of a mapping that lives as long as `_memory` and that any thread may
// access; they are only ever given to the kernel.
unsafe impl Send for IoBuffers {}

impl IoBuffers {
    /// The buffers' places in this process; none if one of them is not in memory.
    pub fn new(memory: &Arc<GuestMemoryMmap>, buffers: &[Buffer]) -> Option<Self> {
        let mut vectors = Vec::with_capacity(buffers.len());
        for buffer in buffers {
            let len = usize::try_from(buffer.len).ok()?;
            let slices =
                GuestMemory::get_slices(&**memory, buffer.gpa, len, Permissions::ReadWrite);
            for slice in slices.ok()? {
                let slice = slice.ok()?;
                vectors.push(libc::iovec {
                    iov_base: slice.ptr_guard_mut().as_ptr().cast(),
                    iov_len: slice.len(),
                });
            }
        }
        let memory = Arc::clone(memory);
        Some(Self {
            vectors,
            _memory: memory,
        })
    }

    /// As the kernel takes them, at most as many as it takes at once.
    pub fn vectors(&self) -> &[libc::iovec] {
        const IOV_MAX: usize = 1024;
        &self.vectors[..self.vectors.len().min(IOV_MAX)]
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.vectors.iter().map(|vector| vector.iov_len).sum()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// Drops the first `bytes`, which are done.
    pub fn advance(&mut self, bytes: usize) {
        let mut left = bytes;
        let done = self
            .vectors
            .iter()
            .take_while(|vector| match left.checked_sub(vector.iov_len) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            })
            .count();
        self.vectors.drain(..done);
        if let Some(first) = self.vectors.first_mut() {
            // In bounds: `left` is less than this vector's length.
            first.iov_base = first.iov_base.wrapping_byte_add(left);
            first.iov_len -= left;
        }
    }
}
