//! Bytes on their way through the kernel: one copy each, between a program's memory and where they
//! stay until another takes them.

use alloc::vec::Vec;

use abi::syscall::Errno;

use super::addr::{PAGE_BYTES, phys_to_virt};
use super::fault::Access;
use super::frame;
use super::space::VmSpace;
use super::user::Pinned;
use crate::drivers::Segment;

/// Frames that are left to the kernel when programs have it keep what they send.
const RESERVE: u64 = 256;

impl VmSpace {
    /// A copy of `len` bytes at the program's `address`, for the kernel to keep; [`Errno::NoMem`]
    /// when memory is short.
    pub fn take_bytes(&mut self, address: u64, len: usize) -> Result<Vec<u8>, Errno> {
        if len as u64 > PAGE_BYTES / 2 && frame::free_frames() < RESERVE {
            return Err(Errno::NoMem);
        }
        let mut bytes: Vec<u8> = Vec::new();
        bytes.try_reserve_exact(len).map_err(|_| Errno::NoMem)?;
        let mut done = 0;
        self.pieces(address, len as u64, Access::Read, |piece| {
            // SAFETY: the piece is mapped memory of the program; the pieces are `len` bytes
            // together, which is reserved.
            unsafe { copy_to(piece, bytes.as_mut_ptr().add(done)) };
            done += piece.len as usize;
            Ok(())
        })?;
        // SAFETY: `pieces` has been through all of the `len` bytes.
        unsafe { bytes.set_len(len) };
        Ok(bytes)
    }
}

/// # Safety
/// The piece is mapped memory of a program, and as much may be written at `to`.
unsafe fn copy_to(piece: Segment, to: *mut u8) {
    // SAFETY: as above; a program's frames hold none of the kernel's objects.
    unsafe { phys_to_virt(piece.phys).copy_to_nonoverlapping(to, piece.len as usize) };
}

impl Pinned {
    /// Copies what begins `start` bytes after the first to `to`, as far as there is something.
    pub fn read_at(&self, start: usize, to: &mut [u8]) {
        let mut rest = to;
        self.pieces_from(start, |piece| {
            let len = rest.len().min(piece.len as usize);
            let (now, later) = core::mem::take(&mut rest).split_at_mut(len);
            // SAFETY: the pages are pinned; `now` is no longer than the piece.
            unsafe {
                copy_to(
                    Segment {
                        len: len as u32,
                        ..piece
                    },
                    now.as_mut_ptr(),
                )
            };
            rest = later;
            !rest.is_empty()
        });
    }

    /// Copies `from` to what begins `start` bytes after the first, as far as there is room; pinned
    /// for writing.
    pub fn write_at(&self, start: usize, from: &[u8]) {
        let mut rest = from;
        self.pieces_from(start, |piece| {
            let (now, later) = rest.split_at(rest.len().min(piece.len as usize));
            // SAFETY: the pages are pinned and the program's to write; `now` is no longer than
            // the piece.
            unsafe { phys_to_virt(piece.phys).copy_from_nonoverlapping(now.as_ptr(), now.len()) };
            rest = later;
            !rest.is_empty()
        });
    }

    /// Calls `each` with the parts of pages from `start` on while it says so.
    fn pieces_from(&self, start: usize, mut each: impl FnMut(Segment) -> bool) {
        let mut skip = start as u64;
        for segment in self.pages() {
            let len = u64::from(segment.len);
            if skip >= len {
                skip -= len;
                continue;
            }
            let piece = Segment {
                phys: segment.phys.offset(skip),
                len: (len - skip) as u32,
            };
            skip = 0;
            if !each(piece) {
                return;
            }
        }
    }
}
