//! Pages of 2 MiB of a program: made at first use, all of it at once, and given back as a whole.
//!
//! One is a block of frames that nobody else has: it is neither shared, pinned nor evicted, so it
//! needs none of the counts that frames of small pages have.

use abi::syscall::Errno;
use core::sync::atomic::Ordering::Relaxed;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{LARGE_ORDER, PhysAddr};
use super::frame;
use super::space::VmSpace;
use crate::arch::tlb;

impl VmSpace {
    /// Makes the large page of `address`, which is in an area of such, with those rights.
    pub(super) fn fault_large(&mut self, address: u64, rights: Flags) -> Result<(), Errno> {
        let entry = self.table.make_large(address).ok_or(Errno::NoMem)?;
        if entry.load(Relaxed) != 0 {
            // Another thread has just made it.
            tlb::flush_local(address);
            return Ok(());
        }
        let phys = frame::allocate_zeroed(LARGE_ORDER).ok_or(Errno::NoMem)?;
        self.shared.counters.zero_fills.fetch_add(1, Relaxed);
        let flags = rights | Flags::HUGE_PAGE | Flags::ACCESSED;
        entry.store(phys.0 | flags.bits(), Relaxed);
        Ok(())
    }

    /// Takes the large pages from `start` up to `end` away, which are whole.
    pub(super) fn unmap_large(&mut self, start: u64, end: u64) {
        let leaving: alloc::vec::Vec<PhysAddr> = self.table.take_large(start, end).collect();
        if !leaving.is_empty() {
            // Other processors may still remember them.
            tlb::flush(&self.shared.cpus, None);
            leaving.into_iter().for_each(release_large);
        }
    }
}

/// Gives the frames of a large page back.
pub(super) fn release_large(phys: PhysAddr) {
    frame::release(phys, LARGE_ORDER);
}
