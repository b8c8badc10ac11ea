//! A program's half of the address space: its areas and the pages in them.
//!
//! ```text
//!            first use               budget used up
//!   Empty ──────────────> Mapped ──────────────────────> Swapped
//!     ^                   │    ^  (dirty: written first)     │
//!     └── clean, no copy ─┘    └────────── next use ─────────┘
//! ```
//! This file maps, protects and copies; [`super::area`] says what may be where, [`super::fault`]
//! makes pages, [`super::evict`] takes them away; [`super::large`] does both to those of 2 MiB.
//! An address space is used under its process's sleeping lock, so all of it may wait for a disk.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use abi::confine::PoolSetup;
use abi::syscall::{Errno, ForkKind, Protection};
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::PhysAddr;
use super::advise::Advised;
use super::area::{Area, Areas, Backing, Large};
use super::buddy::Want;
use super::budgets::Budgets;
use super::common::COMMON;
use super::evict::forget;
use super::fault::copy_page;
use super::large::release_large;
use super::object::Objects;
use super::page_table::{Mapping, Page, PageEntry, PageTable};
use super::pool;
use super::shared::SHARED;
use super::{frame, swap};
use crate::arch::{USER_END, tlb};

/// Counts that a process's [`abi::syscall::Stats`] are made of.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "said at Stats")]
pub struct Counters {
    pub page_faults: AtomicU64,
    pub zero_fills: AtomicU64,
    pub cow_copies: AtomicU64,
    pub cow_reuses: AtomicU64,
    pub evictions_written: AtomicU64,
    pub evictions_clean: AtomicU64,
    pub swap_ins: AtomicU64,
    pub resident_pages: AtomicU64,
}

/// What an address space has in common with the processors that use it.
#[derive(Debug, Default)]
pub struct Shared {
    /// Processors, a bit each, that may remember its translations.
    pub cpus: AtomicU64,
    /// Its root page table, as CR3 holds it.
    pub root: AtomicU64,
    /// What has happened in it.
    pub counters: Counters,
    /// Whether it has, or has had, memory in common with another.
    pub has_common: AtomicBool,
}

impl Shared {
    /// For another process.
    pub fn reset(&self) {
        let Counters {
            page_faults,
            zero_fills,
            cow_copies,
            cow_reuses,
            evictions_written,
            evictions_clean,
            swap_ins,
            resident_pages,
        } = &self.counters;
        let counters = [
            page_faults,
            zero_fills,
            cow_copies,
            cow_reuses,
            evictions_written,
            evictions_clean,
        ];
        counters
            .into_iter()
            .chain([swap_ins, resident_pages])
            .for_each(|count| count.store(0, Relaxed));
        self.has_common.store(false, Relaxed);
    }
}

/// An address space.
pub struct VmSpace {
    areas: Areas,
    pub(super) table: PageTable,
    pub(super) shared: &'static Shared,
    pub(super) budgets: Budgets,
    /// Numbers of the pools of frames that it has opened.
    pools: Vec<usize>,
    /// What its program has said of its pages.
    pub(super) advised: Advised,
    /// What other programs have, too.
    pub(super) objects: Objects,
}

impl VmSpace {
    /// An empty one, for the process that `shared` is of; `None` when memory has run out.
    pub fn new(shared: &'static Shared) -> Option<Self> {
        let table = PageTable::new()?;
        Some(Self {
            areas: Areas::default(),
            table,
            shared,
            budgets: Budgets::default(),
            pools: Vec::new(),
            advised: Advised::default(),
            objects: Objects::default(),
        })
    }

    /// Its root page table.
    pub fn root(&self) -> PhysAddr {
        self.table.root()
    }

    /// The area that `address` is in.
    pub fn area(&self, address: u64) -> Option<&Area> {
        self.areas.find(address)
    }

    /// Adds an area, page-aligned.
    pub fn add(&mut self, area: Area) -> Result<(), Errno> {
        self.areas.add(area)
    }

    /// Whether something in it is shared with a driver or another process.
    pub(super) fn has_shared(&self) -> bool {
        self.areas.has_shared(0, USER_END)
    }

    /// Whether all from `start` up to `end` is in areas, and `of` such a kind.
    pub(super) fn has_only(&self, start: u64, end: u64, of: impl Fn(&Backing) -> bool) -> bool {
        self.areas.cover(start, end) && self.areas.inside(start, end).all(|area| of(&area.backing))
    }

    /// Where there is room for `bytes` of small pages.
    pub(super) fn room_for(&self, bytes: u64) -> Result<u64, Errno> {
        let start = self.areas.room_for(bytes, Backing::Zero);
        start.ok_or(Errno::NoMem)
    }

    /// Finds room for `bytes`, a multiple of its pages, and adds an area of such backing there.
    pub fn map_anywhere(
        &mut self,
        bytes: u64,
        protection: Protection,
        backing: Backing,
    ) -> Result<u64, Errno> {
        let start = self.areas.room_for(bytes, backing).ok_or(Errno::NoMem)?;
        self.add(Area {
            start,
            end: start + bytes,
            protection,
            backing,
        })?;
        Ok(start)
    }

    /// Takes the pages from `start` up to `end` away, where there are any. A large one goes as a
    /// whole or not at all, and so does a confined area.
    pub fn unmap(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        let large = self.areas.large(start, end);
        if large == Large::Cut || !self.budgets.are_whole(start, end) {
            return Err(Errno::Inval);
        }
        if large == Large::Whole {
            self.unmap_large(start, end);
        }
        if self.areas.goes_back(start, end) {
            self.write_back(start..end)?;
        }
        self.advised.forget(start, end);
        self.areas.cut(start, end, |_| None);
        self.discard_all(start, end);
        self.budgets.release(start, end);
        self.objects.keep(|number| self.areas.has_memory(number));
        Ok(())
    }

    /// Empties the pages from `start` up to `end`; how many were in memory.
    pub(super) fn discard_all(&mut self, start: u64, end: u64) -> u64 {
        let mut leaving = Vec::new();
        self.table.for_each(start, end, |address, entry| {
            if let Some(phys) = discard(entry) {
                forget(&mut self.budgets, self.shared, address);
                leaving.push(phys);
            }
        });
        let discarded = leaving.len() as u64;
        if discarded > 0 {
            // Other processors may still remember them.
            tlb::flush(&self.shared.cpus, None);
            leaving.into_iter().for_each(frame::unshare);
        }
        discarded
    }

    /// Gives the pages from `start` up to `end`, all of which must be in areas, other rights.
    pub fn protect(&mut self, start: u64, end: u64, protection: Protection) -> Result<(), Errno> {
        if !self.areas.cover(start, end) {
            return Err(Errno::NoMem);
        }
        let is_small = self.areas.large(start, end) == Large::None;
        let is_own = !self.areas.has_shared(start, end) && self.budgets.are_apart(start, end);
        if !is_small || !is_own {
            return Err(Errno::Inval);
        }
        self.areas
            .cut(start, end, |part| Some(Area { protection, ..part }));
        self.table.for_each(start, end, |_, entry| {
            if let Page::Mapped(mapping) = entry.load() {
                let noted = mapping.flags & (Flags::ACCESSED | Flags::DIRTY);
                // Never writable at once: the page may be shared, and the next write finds out.
                let flags = noted | (rights(protection) - Flags::WRITABLE);
                if let Page::Mapped(before) =
                    entry.replace(Page::Mapped(Mapping { flags, ..mapping }))
                {
                    // Noted by the processor in between.
                    entry.set(before.flags & (Flags::ACCESSED | Flags::DIRTY));
                }
            }
        });
        tlb::flush(&self.shared.cpus, None);
        Ok(())
    }

    /// Is another process's from now on, that `shared` is of, with its `resident` pages. No processor
    /// uses it.
    pub fn move_to(&mut self, shared: &'static Shared, resident: u64) {
        let (old, new) = (&self.shared.counters, &shared.counters);
        old.resident_pages.fetch_sub(resident, Relaxed);
        new.resident_pages.fetch_add(resident, Relaxed);
        let has_common = self.shared.has_common.load(Relaxed);
        shared.has_common.store(has_common, Relaxed);
        self.shared = shared;
    }

    /// Opens a pool of frames, which is open as long as this address space is; its number.
    pub fn open_pool(&mut self, setup: PoolSetup) -> Result<u64, Errno> {
        let number = pool::open(setup)?;
        self.pools.push(number);
        Ok(number as u64)
    }

    /// Closes a pool that it has opened.
    pub fn close_pool(&mut self, number: u64) -> Result<(), Errno> {
        let position = self.pools.iter().position(|own| *own as u64 == number);
        pool::close(self.pools.swap_remove(position.ok_or(Errno::Inval)?));
        Ok(())
    }

    /// A copy for `shared`'s process. Pages are shared until one of the two writes, or copied at once.
    pub fn fork(&mut self, shared: &'static Shared, kind: ForkKind) -> Result<Self, Errno> {
        let mut child = Self::new(shared).ok_or(Errno::NoMem)?;
        child.areas = self.areas.inherited();
        child.objects = self.objects.clone();
        let has_common = self.shared.has_common.load(Relaxed);
        shared.has_common.store(has_common, Relaxed);
        let mut resident = 0;
        let copied = self.table.try_for_each(0, USER_END, |address, entry| {
            let page = entry.load();
            if page == Page::Empty {
                return Ok(());
            }
            let copy = child.table.make(address).ok_or(Errno::NoMem)?;
            match page {
                Page::Empty => {}
                Page::Swapped(slot) if !swap::share(slot) => return Err(Errno::NoMem),
                Page::Swapped(_) => copy.store(page),
                Page::Mapped(mapping) if mapping.flags.contains(SHARED) => {}
                Page::Mapped(mapping) if mapping.flags.contains(COMMON) => {
                    copy.store(page);
                    frame::share(mapping.phys);
                    resident += 1;
                }
                Page::Mapped(mapping) if kind == ForkKind::Copy => {
                    let phys = frame::allocate_page(Want::Any).ok_or(Errno::NoMem)?;
                    copy_page(mapping.phys, phys);
                    // No copy of it is anywhere else.
                    let flags = mapping.flags | Flags::DIRTY;
                    copy.store(Page::Mapped(Mapping { phys, flags }));
                    resident += 1;
                }
                Page::Mapped(mapping) => {
                    entry.clear(Flags::WRITABLE);
                    // With what another processor has noted before it could no longer write.
                    copy.store(entry.load());
                    frame::share(mapping.phys);
                    resident += 1;
                }
            }
            Ok(())
        });
        shared.counters.resident_pages.store(resident, Relaxed);
        tlb::flush(&self.shared.cpus, None);
        copied.map(|()| child)
    }
}

impl Drop for VmSpace {
    /// No processor uses it any more.
    fn drop(&mut self) {
        if self.areas.goes_back(0, USER_END) {
            // A disk that fails cannot be said to anybody any more.
            let _ = self.write_back(0..USER_END);
        }
        self.budgets.leave_pools();
        self.pools.drain(..).for_each(pool::close);
        self.table.take_large(0, USER_END).for_each(release_large);
        let mut resident = 0;
        self.table
            .for_each(0, USER_END, |_, entry| match entry.load() {
                Page::Empty => {}
                Page::Swapped(slot) => swap::release(slot),
                Page::Mapped(mapping) => {
                    frame::unshare(mapping.phys);
                    resident += 1;
                }
            });
        let counters = &self.shared.counters;
        counters.resident_pages.fetch_sub(resident, Relaxed);
    }
}

/// Rights as page flags.
pub(super) fn rights(protection: Protection) -> Flags {
    let user = Flags::PRESENT | Flags::USER_ACCESSIBLE;
    match protection {
        // Present, so that the frame stays; the user bit is what stops the program.
        Protection::None => Flags::PRESENT | Flags::NO_EXECUTE,
        Protection::Read => user | Flags::NO_EXECUTE,
        Protection::ReadWrite => user | Flags::NO_EXECUTE | Flags::WRITABLE,
        Protection::ReadExecute => user,
    }
}

/// Empties an entry; its frame, if it has one, which is still counted.
fn discard(entry: PageEntry) -> Option<PhysAddr> {
    match entry.load() {
        Page::Empty => None,
        Page::Swapped(slot) => {
            entry.store(Page::Empty);
            swap::release(slot);
            None
        }
        Page::Mapped(_) => match entry.replace(Page::Empty) {
            Page::Mapped(mapping) => Some(mapping.phys),
            Page::Empty | Page::Swapped(_) => None,
        },
    }
}
