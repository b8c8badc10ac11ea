//! Memory that is a part of a disk: a page is read from there at its first use.
//!
//! In a private mapping what is written stays the program's own, and goes to the swap area. In a
//! shared one it goes back to the disk: when the page is evicted, unmapped, or synchronised. Such a
//! mapping is one program's alone; a child has none of it.

use core::ops::Range;

use abi::syscall::{DiskWrites, Errno, IoMode, Protection};
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{PAGE_BYTES, PhysAddr};
use super::area::Backing;
use super::buddy::Want;
use super::frame;
use super::page_table::Page;
use super::space::VmSpace;
use crate::arch::tlb;
use crate::drivers::{BlockDevice, Segment};

/// A part of a disk.
#[derive(Clone, Copy)]
pub struct DiskPart {
    /// The disk.
    pub device: &'static dyn BlockDevice,
    /// Where it begins, in bytes; whole sectors.
    pub offset: u64,
    /// What becomes of what is written.
    pub writes: DiskWrites,
}

const SECTOR_BYTES: u64 = 512;

impl DiskPart {
    /// The part `bytes` further on.
    pub(super) fn behind(self, bytes: u64) -> Self {
        Self {
            offset: self.offset + bytes,
            ..self
        }
    }

    /// A frame with what is on the disk. Sleeps.
    pub(super) fn read(self) -> Result<PhysAddr, Errno> {
        let phys = frame::allocate_page(Want::Any).ok_or(Errno::NoMem)?;
        let sector = self.offset / SECTOR_BYTES;
        let read = self.device.read(sector, &[page(phys)], IoMode::Interrupt);
        if read.is_err() {
            frame::unshare(phys);
        }
        read.map(|()| phys)
    }

    /// Puts a frame on the disk. Sleeps.
    pub(super) fn write(self, phys: PhysAddr) -> Result<(), Errno> {
        let sector = self.offset / SECTOR_BYTES;
        self.device.write(sector, &[page(phys)], IoMode::Interrupt)
    }
}

fn page(phys: PhysAddr) -> Segment {
    Segment {
        phys,
        len: PAGE_BYTES as u32,
    }
}

impl VmSpace {
    /// Maps `bytes`, whole pages, of a disk; the address.
    pub fn map_disk(
        &mut self,
        part: DiskPart,
        bytes: u64,
        protection: Protection,
    ) -> Result<u64, Errno> {
        let end = part.offset.checked_add(bytes).ok_or(Errno::Inval)?;
        if !part.offset.is_multiple_of(SECTOR_BYTES) {
            return Err(Errno::Inval);
        }
        if end.div_ceil(SECTOR_BYTES) > part.device.sectors() {
            return Err(Errno::NoSpc);
        }
        let goes_back = part.writes == DiskWrites::Back;
        if goes_back && self.budgets.process.is_some() {
            return Err(Errno::Inval);
        }
        self.map_anywhere(bytes, protection, Backing::Disk(part))
    }

    /// Where on a disk the page at `page` goes when it is written back, if it does.
    pub(super) fn home_of(&self, page: u64) -> Option<DiskPart> {
        let area = self.area(page)?;
        match area.backing {
            Backing::Disk(part) if part.writes == DiskWrites::Back => {
                Some(part.behind(page - area.start))
            }
            _ => None,
        }
    }

    /// Puts what was written to pages of shared mappings in `range` on their disks; how many pages.
    /// Sleeps.
    pub(super) fn write_back(&mut self, range: Range<u64>) -> Result<u64, Errno> {
        let mut written = 0;
        let done = self
            .table
            .try_for_each(range.start, range.end, |address, entry| {
                let Some(part) = self.home_of(address) else {
                    return Ok(());
                };
                let Page::Mapped(mapping) = entry.load() else {
                    return Ok(());
                };
                if entry.clear(Flags::DIRTY) {
                    // What is written from here on is noted anew.
                    tlb::flush(&self.shared.cpus, Some(address));
                    part.write(mapping.phys)
                        .inspect_err(|_| entry.set(Flags::DIRTY))?;
                    written += 1;
                }
                Ok(())
            });
        done.map(|()| written)
    }
}
