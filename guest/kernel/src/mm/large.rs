//! Pages of 2 MiB of a program: made at first use, all of it at once, and given back as a whole; and
//! those of 1 GiB, made when they are asked for.
//!
//! One is a block of frames that nobody else has: it is neither shared, pinned nor evicted, so it
//! needs none of the counts that frames of small pages have.

use abi::syscall::{Errno, Protection};
use core::sync::atomic::Ordering::Relaxed;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{HUGE_BYTES, LARGE_BYTES, LARGE_ORDER, PhysAddr};
use super::area::Backing;
use super::frame;
use super::space::{VmSpace, rights};
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

    /// Maps `bytes`, a multiple of it, in pages of 1 GiB; the address.
    pub fn map_huge(&mut self, bytes: u64) -> Result<u64, Errno> {
        let protection = Protection::ReadWrite;
        let start = self.map_anywhere(bytes, protection, Backing::Huge)?;
        let flags = rights(protection) | Flags::HUGE_PAGE | Flags::ACCESSED;
        for address in (start..start + bytes).step_by(HUGE_BYTES as usize) {
            let made = self.table.make_huge(address);
            let Some((entry, phys)) = made.and_then(|entry| Some((entry, frame::allocate_huge()?)))
            else {
                self.unmap(start, start + bytes)?;
                return Err(Errno::NoMem);
            };
            entry.store(phys.0 | flags.bits(), Relaxed);
        }
        Ok(start)
    }

    /// Takes the large pages from `start` up to `end` away, which are whole.
    pub(super) fn unmap_large(&mut self, start: u64, end: u64) {
        let leaving: alloc::vec::Vec<_> = self.table.take_large(start, end).collect();
        if !leaving.is_empty() {
            // Other processors may still remember them.
            tlb::flush(&self.shared.cpus, None);
            leaving.into_iter().for_each(release_large);
        }
    }
}

/// Gives the frames of a large page of `bytes` back.
pub(super) fn release_large((phys, bytes): (PhysAddr, u64)) {
    match bytes {
        LARGE_BYTES => frame::release(phys, LARGE_ORDER),
        _ => frame::release_huge(phys),
    }
}
