//! A program's half of the address space: its areas and the pages in them.
//!
//! ```text
//!            first use               budget used up
//!   Empty ──────────────> Mapped ──────────────────────> Swapped
//!     ^                   │    ^  (dirty: written first)     │
//!     └── clean, no copy ─┘    └────────── next use ─────────┘
//! ```
//! This file keeps the areas; [`super::fault`] makes pages, the eviction below takes them away.
//! An address space is used under its process's sleeping lock, so all of it may wait for a disk.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use abi::syscall::{Errno, Protection};
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::PhysAddr;
use super::page_table::{Mapping, Page, PageEntry, PageTable};
use super::replacement::{Pages, ReplacementPolicy};
use super::{frame, swap};
use crate::arch::{USER_END, tlb};
use crate::console;
use crate::initrd::Member;

/// Where `mmap` begins to look for room; programs and their first stack are below.
const MMAP_BASE: u64 = 0x1000_0000;
/// First address that a program may have pages at.
const USER_START: u64 = 0x1000;

/// What the pages of an area are made of.
#[derive(Clone, Copy)]
pub enum Backing {
    /// Zeroes.
    Zero,
    /// A part of a file, then zeroes.
    File {
        /// The file.
        member: &'static Member,
        /// Where in it the area's first page begins.
        offset: u64,
        /// Where in it the zeroes begin.
        end: u64,
    },
}

/// Pages with the same rights and contents of the same kind.
#[derive(Clone, Copy)]
pub struct Area {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// Rights.
    pub protection: Protection,
    /// Contents at first use.
    pub backing: Backing,
}

impl Area {
    /// The part of it from `start` to `end`, which is inside.
    fn part(&self, start: u64, end: u64) -> Self {
        let mut part = Self {
            start,
            end,
            ..*self
        };
        if let Backing::File { offset, .. } = &mut part.backing {
            *offset += start - self.start;
        }
        part
    }
}

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
    }
}

/// A budget of frames.
struct Budget {
    frames: u64,
    policy: Box<dyn ReplacementPolicy>,
}

/// An address space.
pub struct VmSpace {
    /// Sorted, without overlaps.
    areas: Vec<Area>,
    pub(super) table: PageTable,
    pub(super) shared: &'static Shared,
    budget: Option<Budget>,
    /// Pages taken out of the table, which other processors may still remember.
    leaving: Vec<PhysAddr>,
}

impl VmSpace {
    /// An empty one, for the process that `shared` is of; `None` when memory has run out.
    pub fn new(shared: &'static Shared) -> Option<Self> {
        let table = PageTable::new()?;
        Some(Self {
            areas: Vec::new(),
            table,
            shared,
            budget: None,
            leaving: Vec::new(),
        })
    }

    /// Its root page table.
    pub fn root(&self) -> PhysAddr {
        self.table.root()
    }

    /// The area that `address` is in.
    pub fn area(&self, address: u64) -> Option<&Area> {
        let index = self.areas.partition_point(|area| area.end <= address);
        self.areas.get(index).filter(|area| area.start <= address)
    }

    /// Adds an area, page-aligned.
    pub fn add(&mut self, area: Area) -> Result<(), Errno> {
        let allowed = USER_START <= area.start && area.start < area.end && area.end <= USER_END;
        let index = self.areas.partition_point(|other| other.end <= area.start);
        let free = self
            .areas
            .get(index)
            .is_none_or(|next| area.end <= next.start);
        if !allowed || !free {
            return Err(Errno::Inval);
        }
        self.areas.insert(index, area);
        Ok(())
    }

    /// Finds room for `bytes`, a multiple of pages, and adds an area of zeroes there.
    pub fn map_anywhere(&mut self, bytes: u64, protection: Protection) -> Result<u64, Errno> {
        let mut start = MMAP_BASE;
        for area in &self.areas {
            if area.end <= start {
                continue;
            }
            if area.start >= start && area.start - start >= bytes {
                break;
            }
            start = area.end;
        }
        let end = start
            .checked_add(bytes)
            .filter(|end| *end <= USER_END)
            .ok_or(Errno::NoMem)?;
        self.add(Area {
            start,
            end,
            protection,
            backing: Backing::Zero,
        })?;
        Ok(start)
    }

    /// Takes the pages from `start` up to `end` away, where there are any.
    pub fn unmap(&mut self, start: u64, end: u64) {
        self.cut(start, end, |_| None);
        self.table.for_each(start, end, |address, entry| {
            if let Some(phys) = discard(entry) {
                forget(&mut self.budget, self.shared, address);
                self.leaving.push(phys);
            }
        });
        self.let_go(None);
    }

    /// Gives the pages from `start` up to `end`, all of which must be in areas, other rights.
    pub fn protect(&mut self, start: u64, end: u64, protection: Protection) -> Result<(), Errno> {
        let inside = self
            .areas
            .iter()
            .map(|area| area.end.min(end).saturating_sub(area.start.max(start)));
        if inside.sum::<u64>() != end - start {
            return Err(Errno::NoMem);
        }
        self.cut(start, end, |part| Some(Area { protection, ..part }));
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

    /// Replaces what areas have between `start` and `end` by what `change` makes of each part.
    fn cut(&mut self, start: u64, end: u64, change: impl Fn(Area) -> Option<Area>) {
        let first = self.areas.partition_point(|area| area.end <= start);
        let last = self.areas.partition_point(|area| area.start < end);
        let mut parts = Vec::new();
        for area in &self.areas[first..last] {
            let (low, high) = (area.start.max(start), area.end.min(end));
            parts.extend((area.start < low).then(|| area.part(area.start, low)));
            parts.extend(change(area.part(low, high)));
            parts.extend((high < area.end).then(|| area.part(high, area.end)));
        }
        self.areas.splice(first..last, parts);
    }

    /// A copy for `shared`'s process. Pages are shared until one of the two writes.
    pub fn fork(&mut self, shared: &'static Shared) -> Result<Self, Errno> {
        let mut child = Self::new(shared).ok_or(Errno::NoMem)?;
        child.areas = self.areas.clone();
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

    /// Sets or takes away the budget: `frames` pages may be in memory, `policy` says which go.
    pub fn set_budget(
        &mut self,
        budget: Option<(u64, Box<dyn ReplacementPolicy>)>,
    ) -> Result<(), Errno> {
        self.budget = budget.map(|(frames, policy)| Budget { frames, policy });
        let Some(budget) = &mut self.budget else {
            return Ok(());
        };
        self.table.for_each(0, USER_END, |address, entry| {
            if matches!(entry.load(), Page::Mapped(_)) {
                budget.policy.page_in(address);
            }
        });
        self.make_room(0)
    }

    /// Notes that the page at `address` has come into memory.
    pub(super) fn came(&mut self, address: u64) {
        self.shared.counters.resident_pages.fetch_add(1, Relaxed);
        if let Some(budget) = &mut self.budget {
            budget.policy.page_in(address);
        }
    }

    /// Evicts pages until `more` fit into the budget, or all that are left are pinned.
    pub(super) fn make_room(&mut self, more: u64) -> Result<(), Errno> {
        while let Some(budget) = &mut self.budget {
            let resident = self.shared.counters.resident_pages.load(Relaxed);
            if resident + more <= budget.frames || resident == 0 {
                break;
            }
            let view = View {
                table: &self.table,
                shared: self.shared,
            };
            let Some(page) = choose(&mut *budget.policy, &view) else {
                break;
            };
            self.evict(page)?;
        }
        Ok(())
    }

    /// Evicts the page at `address`, which is in memory and not pinned.
    fn evict(&mut self, address: u64) -> Result<(), Errno> {
        let Some(entry) = self.table.find(address) else {
            return Ok(());
        };
        let Page::Mapped(mapping) = entry.replace(Page::Empty) else {
            return Ok(());
        };
        // Nobody writes to the page from here on: this process cannot reach it, and another that
        // shares it has it read-only.
        tlb::flush(&self.shared.cpus, Some(address));
        match eviction_copy(mapping) {
            Ok(page) => entry.store(page),
            Err(error) => {
                entry.store(Page::Mapped(mapping));
                return Err(error);
            }
        }
        let counters = &self.shared.counters;
        let written = mapping.flags.contains(Flags::DIRTY);
        let count = if written {
            &counters.evictions_written
        } else {
            &counters.evictions_clean
        };
        count.fetch_add(1, Relaxed);
        forget(&mut self.budget, self.shared, address);
        self.leaving.push(mapping.phys);
        self.let_go(Some(address));
        Ok(())
    }

    /// Frees the pages on their way out when no processor remembers them.
    fn let_go(&mut self, address: Option<u64>) {
        if self.leaving.is_empty() {
            return;
        }
        tlb::flush(
            &self.shared.cpus,
            address.filter(|_| self.leaving.len() == 1),
        );
        self.leaving.drain(..).for_each(frame::unshare);
    }
}

impl Drop for VmSpace {
    /// No processor uses it any more.
    fn drop(&mut self) {
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

/// One page less in memory.
fn forget(budget: &mut Option<Budget>, shared: &Shared, address: u64) {
    shared.counters.resident_pages.fetch_sub(1, Relaxed);
    if let Some(budget) = budget {
        budget.policy.page_out(address);
    }
}

/// What the entry of an evicted page says. The page is written to the swap area if no copy of
/// it is there, and dropped if it can be made again.
fn eviction_copy(mapping: Mapping) -> Result<Page, Errno> {
    let (phys, exclusive) = (mapping.phys, frame::is_exclusive(mapping.phys));
    if !mapping.flags.contains(Flags::DIRTY) {
        return Ok(match frame::slot(phys) {
            None => Page::Empty,
            Some(slot) if exclusive => {
                frame::take_slot(phys);
                Page::Swapped(slot)
            }
            Some(slot) if swap::share(slot) => Page::Swapped(slot),
            Some(_) => return Err(Errno::NoSpc),
        });
    }
    let old = frame::slot(phys).filter(|slot| exclusive && swap::is_exclusive(*slot));
    let slot = old.or_else(swap::allocate).ok_or(Errno::NoSpc)?;
    if let Err(error) = swap::write(slot, phys) {
        if old.is_none() {
            swap::release(slot);
        }
        return Err(error);
    }
    if old.is_some() {
        frame::take_slot(phys);
    }
    Ok(Page::Swapped(slot))
}

/// What a replacement policy sees.
struct View<'a> {
    table: &'a PageTable,
    shared: &'static Shared,
}

impl View<'_> {
    fn mapping(&self, page: u64) -> Option<(PageEntry, Mapping)> {
        let entry = self.table.find(page)?;
        match entry.load() {
            Page::Mapped(mapping) => Some((entry, mapping)),
            Page::Empty | Page::Swapped(_) => None,
        }
    }
}

impl Pages for View<'_> {
    fn take_accessed(&self, page: u64) -> bool {
        let accessed = self
            .mapping(page)
            .is_some_and(|(entry, _)| entry.clear(Flags::ACCESSED));
        if accessed {
            tlb::flush(&self.shared.cpus, Some(page));
        }
        accessed
    }

    fn is_pinned(&self, page: u64) -> bool {
        self.mapping(page)
            .is_some_and(|(_, mapping)| frame::is_pinned(mapping.phys))
    }
}

/// Asks `policy` for a page to evict. One that is not there or pinned is refused, and forgotten
/// by the policy, which is then asked again.
fn choose(policy: &mut dyn ReplacementPolicy, pages: &View<'_>) -> Option<u64> {
    loop {
        let page = policy.select_victim(pages)?;
        let is_there = pages.mapping(page).is_some();
        if is_there && !pages.is_pinned(page) {
            return Some(page);
        }
        let why = if is_there {
            "is in use by a device"
        } else {
            "is not in memory"
        };
        console::print(format_args!(
            "{}: refused to evict page {page:#x}, which {why}\n",
            policy.name()
        ));
        policy.page_out(page);
    }
}
