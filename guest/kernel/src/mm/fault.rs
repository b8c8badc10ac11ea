//! Making the page that a program wants to use.

use abi::syscall::{Errno, Protection};
use core::sync::atomic::Ordering::Relaxed;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{PAGE_BYTES, PhysAddr, page_start, phys_to_virt};
use super::area::{Area, Backing};
use super::buddy::Want;
use super::confined::Has;
use super::disk_file::DiskPart;
use super::object::Objects;
use super::page_table::{Mapping, Page, PageEntry};
use super::shared::SHARED;
use super::space::{VmSpace, rights};
use super::{frame, kernel_map, swap};
use crate::arch::tlb;

/// How a page is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Written.
    Write,
    /// Executed.
    Execute,
}

impl Access {
    /// What a page fault's error code says (SDM 3A 4.7).
    pub fn from_error_code(code: u64) -> Self {
        match code {
            code if code & 1 << 1 != 0 => Self::Write,
            code if code & 1 << 4 != 0 => Self::Execute,
            _ => Self::Read,
        }
    }

    fn is_allowed(self, protection: Protection) -> bool {
        match protection {
            Protection::None => false,
            Protection::Read => self == Self::Read,
            Protection::ReadWrite => self != Self::Execute,
            Protection::ReadExecute => self != Self::Write,
        }
    }
}

/// Stands for the kernel among instructions that use a traced page.
const KERNEL: u64 = 0;

/// Notes for a page that is being written to.
const WRITTEN: Flags = Flags::ACCESSED.union(Flags::DIRTY);

impl VmSpace {
    /// Makes the page of `address` usable for `access`: [`Errno::Fault`] if the program has no
    /// business there, [`Errno::NoMem`] or another if the page cannot be made, [`Errno::Again`] if it
    /// has to wait for frames of its pool, with the address space unlocked. May sleep.
    pub fn fault(&mut self, address: u64, access: Access) -> Result<(), Errno> {
        let page = page_start(address);
        let area = *self.area(page).ok_or(Errno::Fault)?;
        if !access.is_allowed(area.protection) {
            return Err(Errno::Fault);
        }
        if let Backing::Huge = area.backing {
            // It is there, and only this processor may not know yet.
            tlb::flush_local(page);
            return Ok(());
        }
        if let Backing::Large = area.backing {
            return self.fault_large(page, rights(area.protection));
        }
        let entry = self.table.make(page).ok_or(Errno::NoMem)?;
        if let Page::Mapped(mapping) = entry.load() {
            self.admit(page, Has::Page)?;
            return self.use_mapped(page, entry, mapping, &area, access);
        }
        self.admit(page, Has::None)?;
        self.make_page(page, entry, &area, access)?;
        self.make_next(page);
        Ok(())
    }

    /// Makes the page of `entry`, which is not in memory.
    pub(super) fn make_page(
        &mut self,
        page: u64,
        entry: PageEntry,
        area: &Area,
        access: Access,
    ) -> Result<(), Errno> {
        match entry.load() {
            Page::Swapped(slot) => self.swap_in(page, entry, slot, area),
            Page::Empty | Page::Mapped(_) => self.fill(page, entry, area, access),
        }
    }

    /// The page of `address`, for the kernel to use as the program would: where it is in
    /// physical memory, until the address space is unlocked. May sleep. [`Errno::Fault`] also for
    /// one in a large page.
    pub fn touch(&mut self, address: u64, access: Access) -> Result<PhysAddr, Errno> {
        let needed = match access {
            Access::Write => Flags::USER_ACCESSIBLE | Flags::WRITABLE,
            Access::Read | Access::Execute => Flags::USER_ACCESSIBLE,
        };
        loop {
            if let Some(entry) = self.table.find(address)
                && let Page::Mapped(mapping) = entry.load()
                && mapping.flags.contains(needed)
            {
                if access == Access::Write {
                    entry.set(WRITTEN);
                }
                return Ok(mapping.phys.offset(address % PAGE_BYTES));
            }
            if self
                .area(address)
                .is_some_and(|area| area.backing.is_large())
            {
                return Err(Errno::Fault);
            }
            self.fault(address, access)?;
            self.note_use(page_start(address), || KERNEL);
        }
    }

    /// A page that is there, but not for this use: shut as its uses are traced, or written for the
    /// first time since a fork, or since its rights were changed, or another thread has just made it.
    fn use_mapped(
        &mut self,
        page: u64,
        entry: PageEntry,
        mapping: Mapping,
        area: &Area,
        access: Access,
    ) -> Result<(), Errno> {
        if !mapping.flags.contains(Flags::USER_ACCESSIBLE) {
            entry.set(Flags::USER_ACCESSIBLE);
        }
        if access != Access::Write || mapping.flags.contains(Flags::WRITABLE) {
            tlb::flush_local(page);
            return Ok(());
        }
        let flags = rights(area.protection) | WRITTEN;
        if frame::is_exclusive(mapping.phys) {
            self.shared.counters.cow_reuses.fetch_add(1, Relaxed);
            entry.store(Page::Mapped(Mapping { flags, ..mapping }));
            tlb::flush_local(page);
            return Ok(());
        }
        let copy = frame::allocate_page(Want::Any).ok_or(Errno::NoMem)?;
        copy_page(mapping.phys, copy);
        self.shared.counters.cow_copies.fetch_add(1, Relaxed);
        entry.store(Page::Mapped(Mapping { phys: copy, flags }));
        tlb::flush(&self.shared.cpus, Some(page));
        frame::unshare(mapping.phys);
        Ok(())
    }

    /// A page at its first use.
    fn fill(
        &mut self,
        page: u64,
        entry: PageEntry,
        area: &Area,
        access: Access,
    ) -> Result<(), Errno> {
        self.make_room_for(page)?;
        let mut flags = rights(area.protection);
        let phys = match source(area, page, &self.objects)? {
            Source::Zero => {
                self.shared.counters.zero_fills.fetch_add(1, Relaxed);
                frame::allocate_page(Want::Zeroes).ok_or(Errno::NoMem)?
            }
            Source::Whole(phys) if access != Access::Write => {
                flags -= Flags::WRITABLE;
                frame::share(phys);
                phys
            }
            Source::Whole(from) => {
                let phys = frame::allocate_page(Want::Any).ok_or(Errno::NoMem)?;
                copy_page(from, phys);
                phys
            }
            Source::Shared(phys) => {
                flags |= SHARED;
                frame::share(phys);
                phys
            }
            Source::Disk(part) => {
                if area.backing.goes_back() {
                    // No child has it.
                    flags |= SHARED;
                }
                part.read()?
            }
            Source::Part(bytes) => {
                let phys = frame::allocate_page(Want::Zeroes).ok_or(Errno::NoMem)?;
                // SAFETY: at most a page, to a frame that is ours.
                unsafe { phys_to_virt(phys).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
                phys
            }
        };
        if access == Access::Write {
            flags |= Flags::DIRTY;
        }
        entry.store(Page::Mapped(Mapping { phys, flags }));
        self.came(page);
        Ok(())
    }

    /// A page that was evicted. It stays in its slot, too, until it is written to.
    fn swap_in(
        &mut self,
        page: u64,
        entry: PageEntry,
        slot: u32,
        area: &Area,
    ) -> Result<(), Errno> {
        self.make_room_for(page)?;
        let phys = frame::allocate_page(Want::Any).ok_or(Errno::NoMem)?;
        if let Err(error) = swap::read(slot, phys) {
            frame::unshare(phys);
            return Err(error);
        }
        frame::set_slot(phys, slot);
        self.shared.counters.swap_ins.fetch_add(1, Relaxed);
        if let Some(budget) = self.budgets.of(page) {
            budget.counts.swap_ins += 1;
        }
        entry.store(Page::Mapped(Mapping {
            phys,
            flags: rights(area.protection),
        }));
        self.came(page);
        Ok(())
    }
}

/// What a page is made of at first use.
enum Source {
    Zero,
    /// A frame that holds just that and never becomes free: of the initrd, or the kernel's.
    Whole(PhysAddr),
    /// These bytes, then zeroes.
    Part(&'static [u8]),
    /// A frame that a driver or other programs have, too.
    Shared(PhysAddr),
    /// What is on a disk there.
    Disk(DiskPart),
}

fn source(area: &Area, page: u64, objects: &Objects) -> Result<Source, Errno> {
    let (member, offset, end) = match area.backing {
        // Of a common area all pages are there from the beginning.
        Backing::Zero | Backing::Large | Backing::Huge | Backing::Common => {
            return Ok(Source::Zero);
        }
        Backing::Frame(phys) => return Ok(Source::Whole(phys)),
        Backing::Shared(phys) => return Ok(Source::Shared(phys.offset(page - area.start))),
        Backing::Disk(part) => return Ok(Source::Disk(part.behind(page - area.start))),
        Backing::Memory { number, offset } => {
            let frame = objects.frame(number, offset + (page - area.start))?;
            return Ok(Source::Shared(frame));
        }
        Backing::File {
            member,
            offset,
            end,
        } => (member, offset, end),
    };
    let start = offset + (page - area.start);
    let end = end.min(start + PAGE_BYTES).min(member.data.len() as u64);
    if start >= end {
        return Ok(Source::Zero);
    }
    // What follows a read-only segment's last bytes in the file does no harm in its last page.
    let is_whole = end - start == PAGE_BYTES || area.protection != Protection::ReadWrite;
    let bytes = &member.data[start as usize..end as usize];
    let phys = kernel_map::direct_phys(bytes.as_ptr());
    if is_whole && phys.0.is_multiple_of(PAGE_BYTES) {
        return Ok(Source::Whole(phys));
    }
    Ok(Source::Part(bytes))
}

pub(super) fn copy_page(from: PhysAddr, to: PhysAddr) {
    // SAFETY: whole frames in the direct map; `to` is ours, and not `from`.
    unsafe { phys_to_virt(to).copy_from_nonoverlapping(phys_to_virt(from), PAGE_BYTES as usize) };
}
