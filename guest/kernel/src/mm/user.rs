//! The kernel's way to a program's memory: checked and made page by page, used through the
//! direct map.
//!
//! The kernel never touches the program's own addresses, so it takes no page fault, and SMAP
//! holds everywhere.

use alloc::vec;
use alloc::vec::Vec;

use abi::syscall::Errno;

use super::addr::{PAGE_BYTES, PhysAddr, phys_to_virt};
use super::fault::Access;
use super::frame;
use super::space::VmSpace;
use crate::arch::USER_END;
use crate::drivers::Segment;

/// Structures that are plain bytes, so that a program may see and make any.
///
/// # Safety
/// No padding, no pointers, and every pattern of bits is valid.
pub unsafe trait Plain: Copy + Default {}

// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for u64 {}
// SAFETY: integers, no padding.
unsafe impl Plain for [u32; 2] {}
// SAFETY: integers only; `abi` asserts the size, which leaves no padding.
unsafe impl Plain for abi::syscall::ExitStatus {}
// SAFETY: as above.
unsafe impl Plain for abi::syscall::Stats {}
// SAFETY: as above.
unsafe impl Plain for abi::syscall::SysInfo {}
// SAFETY: as above.
unsafe impl Plain for abi::signal::SignalFrame {}
// SAFETY: as above.
unsafe impl Plain for abi::syscall::Turn {}
// SAFETY: as above, and bytes.
unsafe impl Plain for abi::confine::Confine {}
// SAFETY: as above.
unsafe impl Plain for abi::confine::ConfinedCounts {}
// SAFETY: as above.
unsafe impl Plain for abi::confine::PoolSetup {}
// SAFETY: as above.
unsafe impl Plain for abi::confine::PoolCounts {}
// SAFETY: as above.
unsafe impl Plain for abi::syscall::Transfers {}

impl VmSpace {
    /// Copies from the program's `address` to `to`.
    pub fn copy_in(&mut self, address: u64, to: &mut [u8]) -> Result<(), Errno> {
        let mut rest = to;
        self.pieces(address, rest.len() as u64, Access::Read, |piece| {
            let (now, later) = core::mem::take(&mut rest).split_at_mut(piece.len as usize);
            // SAFETY: the piece is mapped memory of the program; `now` is as long.
            unsafe { phys_to_virt(piece.phys).copy_to_nonoverlapping(now.as_mut_ptr(), now.len()) };
            rest = later;
            Ok(())
        })
    }

    /// Copies `from` to the program's `address`.
    pub fn copy_out(&mut self, address: u64, from: &[u8]) -> Result<(), Errno> {
        let mut rest = from;
        self.pieces(address, rest.len() as u64, Access::Write, |piece| {
            let (now, later) = rest.split_at(piece.len as usize);
            // SAFETY: the piece is writable memory of the program; `now` is as long.
            unsafe { phys_to_virt(piece.phys).copy_from_nonoverlapping(now.as_ptr(), now.len()) };
            rest = later;
            Ok(())
        })
    }

    /// `len` bytes from the program's `address`.
    pub fn read_bytes(&mut self, address: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; len];
        self.copy_in(address, &mut bytes)?;
        Ok(bytes)
    }

    /// The value at the program's `address`.
    pub fn read<T: Plain>(&mut self, address: u64) -> Result<T, Errno> {
        let mut value = T::default();
        // SAFETY: `T` is plain, so its bytes may be written one by one.
        let bytes =
            unsafe { core::slice::from_raw_parts_mut((&raw mut value).cast(), size_of::<T>()) };
        self.copy_in(address, bytes)?;
        Ok(value)
    }

    /// Writes `value` to the program's `address`.
    pub fn write<T: Plain>(&mut self, address: u64, value: &T) -> Result<(), Errno> {
        // SAFETY: `T` is plain, so its bytes may be read one by one.
        let bytes =
            unsafe { core::slice::from_raw_parts((&raw const *value).cast(), size_of::<T>()) };
        self.copy_out(address, bytes)
    }

    /// Calls `each` with what `[address, address + len)` is in physical memory, a page or less
    /// at a time.
    pub(super) fn pieces(
        &mut self,
        address: u64,
        len: u64,
        access: Access,
        mut each: impl FnMut(Segment) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let end = address
            .checked_add(len)
            .filter(|end| *end <= USER_END)
            .ok_or(Errno::Fault)?;
        let mut at = address;
        while at < end {
            let len = (PAGE_BYTES - at % PAGE_BYTES).min(end - at);
            let phys = self.touch(at, access)?;
            each(Segment {
                phys,
                len: len as u32,
            })?;
            at += len;
        }
        Ok(())
    }

    /// Keeps the pages of `[address, address + len)` where they are, for a device that reads
    /// them ([`Access::Read`]) or writes them.
    pub fn pin(&mut self, address: u64, len: u64, access: Access) -> Result<Pinned, Errno> {
        let mut pinned = Pinned {
            segments: Vec::with_capacity(MOST_AT_ONCE.min(len / PAGE_BYTES) as usize + 2),
        };
        self.pieces(address, len, access, |piece| {
            frame::pin(piece.phys);
            pinned.segments.push(piece);
            Ok(())
        })?;
        Ok(pinned)
    }
}

/// Pages for which room is made at once.
const MOST_AT_ONCE: u64 = 16;

/// Pages of a program that stay where they are as long as this exists.
pub struct Pinned {
    /// A page or less each, as unpinning takes them one by one.
    segments: Vec<Segment>,
}

impl Pinned {
    /// Its pages in their order, or the parts of them that are meant.
    pub(super) fn pages(&self) -> impl Iterator<Item = Segment> {
        self.segments.iter().copied()
    }

    /// What a device is given: neighbours joined.
    pub fn segments(&self) -> Vec<Segment> {
        let mut joined: Vec<Segment> = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            match joined.last_mut() {
                Some(last) if last.phys.offset(u64::from(last.len)) == segment.phys => {
                    last.len += segment.len
                }
                _ => joined.push(*segment),
            }
        }
        joined
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        self.segments
            .iter()
            .for_each(|segment| frame::unpin(segment.phys));
    }
}

/// The word that a futex is about: where it is in physical memory.
pub fn load_word(phys: PhysAddr) -> u32 {
    // SAFETY: the caller has it from `touch`, aligned; programs may write it at any time, hence
    // the atomic.
    unsafe {
        (*phys_to_virt(phys).cast::<core::sync::atomic::AtomicU32>())
            .load(core::sync::atomic::Ordering::SeqCst)
    }
}
