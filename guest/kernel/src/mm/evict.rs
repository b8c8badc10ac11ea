//! Eviction: keeping a program within its budget of frames.
//!
//! A [`ReplacementPolicy`] says which page goes; this file checks that it may, writes it to the
//! swap area if no copy is there, and lets its entry say where it is.
//!
//! Memory runs out when the swap area is full or a frame cannot be had. The rule is that the
//! program that needs the page is ended ([`crate::process`]), and no other.

use alloc::boxed::Box;
use core::ops::Range;
use core::sync::atomic::Ordering::Relaxed;

use abi::confine::ConfinedCounts;
use abi::syscall::Errno;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::advise::Advised;
use super::budgets::{Budgets, Which};
use super::disk_file::DiskPart;
use super::page_table::{Mapping, Page, PageEntry, PageTable};
use super::replacement::{Known, Pages, ReplacementPolicy, Settings, select};
use super::space::{Shared, VmSpace};
use super::{frame, swap};
use crate::arch::{USER_END, tlb};
use crate::console;

/// A budget of frames.
pub(super) struct Budget {
    /// Pages that may be in memory.
    pub(super) frames: u64,
    resident: u64,
    policy: Box<dyn ReplacementPolicy>,
    name: &'static str,
    /// What has happened since it was set.
    pub(super) counts: ConfinedCounts,
}

impl Budget {
    /// One of `frames` without pages, under that policy.
    pub(super) fn new(frames: u64, known: &Known, settings: Settings) -> Self {
        Self {
            frames,
            resident: 0,
            policy: (known.make)(settings),
            name: known.name,
            counts: ConfinedCounts::default(),
        }
    }

    /// Notes that the page at `address` has come into memory.
    pub(super) fn came(&mut self, address: u64) {
        self.resident += 1;
        self.counts.faults += 1;
        self.policy.page_in(address);
    }

    /// Takes over a page that is in memory already.
    pub(super) fn adopt(&mut self, address: u64) {
        self.resident += 1;
        self.policy.page_in(address);
    }

    /// Notes that the page at `address` has left memory.
    pub(super) fn forget(&mut self, address: u64) {
        self.resident -= 1;
        self.policy.page_out(address);
    }

    /// Notes that the page at `address` is being used.
    pub(super) fn used(&mut self, address: u64) {
        self.counts.uses += 1;
        self.policy.used(address);
    }

    /// Its policy's clock ticks.
    pub(super) fn tick(&mut self, view: &View<'_>) {
        self.policy.tick(view);
    }

    /// Frames in use.
    pub(super) fn resident(&self) -> u64 {
        self.resident
    }

    /// The page to evict so that `more` fit; `None` if they do, or all pages are pinned.
    fn select(&mut self, view: &View<'_>, more: u64) -> Option<u64> {
        if self.resident.saturating_add(more) <= self.frames || self.resident == 0 {
            return None;
        }
        let (name, refused) = (self.name, &mut self.counts.refused);
        let before = *refused;
        let page = select(&mut *self.policy, view, |page, refusal| {
            *refused += 1;
            // What goes on and on is not said again and again.
            if *refused <= MOST_SAID {
                let words = refusal.words();
                console::print(format_args!(
                    "{name}: refused to evict page {page:#x}, which {words}\n"
                ));
            }
        });
        // A policy that has nothing but wrong answers is not asked any more.
        page.or_else(|| (*refused > before).then(|| view.any_page()).flatten())
    }
}

/// Refusals of a budget's policy that are said on the console.
const MOST_SAID: u64 = 8;

impl VmSpace {
    /// Sets or takes away the budget of the pages that are not confined: so many may be in memory,
    /// the policy says which go. [`Errno::Inval`] for a program that shares memory
    /// with a driver or another process.
    pub fn set_budget(&mut self, budget: Option<(u64, &Known)>) -> Result<(), Errno> {
        if budget.is_some() && self.has_shared() {
            return Err(Errno::Inval);
        }
        self.budgets.process =
            budget.map(|(frames, known)| Budget::new(frames, known, Settings::default()));
        if self.budgets.process.is_none() {
            return Ok(());
        }
        let budgets = &mut self.budgets;
        self.table.for_each(0, USER_END, |address, entry| {
            if matches!(entry.load(), Page::Mapped(_)) && budgets.confined(address).is_none() {
                budgets
                    .process
                    .iter_mut()
                    .for_each(|own| own.adopt(address));
            }
        });
        self.make_room(Which::Process, 0)
    }

    /// Notes that the page at `address` has come into memory.
    pub(super) fn came(&mut self, address: u64) {
        self.shared.counters.resident_pages.fetch_add(1, Relaxed);
        self.budgets.came(address);
    }

    /// Makes room for the page at `address` in the budget that it is of.
    pub(super) fn make_room_for(&mut self, address: u64) -> Result<(), Errno> {
        let which = self.budgets.which(address);
        self.make_room(which, 1)
    }

    /// Evicts pages until `more` fit into that budget, or all that are left are pinned.
    pub(super) fn make_room(&mut self, which: Which, more: u64) -> Result<(), Errno> {
        loop {
            let Some((budget, range)) = self.budgets.get(which) else {
                return Ok(());
            };
            let view = View {
                table: &self.table,
                shared: self.shared,
                advised: &self.advised,
                range,
            };
            let Some(page) = budget.select(&view, more) else {
                return Ok(());
            };
            self.evict(page)?;
        }
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
        let copy = match self.home_of(address) {
            Some(part) => write_home(part, mapping),
            None => eviction_copy(mapping),
        };
        match copy {
            Ok(page) => entry.store(page),
            Err(error) => {
                entry.store(Page::Mapped(mapping));
                return Err(error);
            }
        }
        self.count_eviction(address, mapping.flags.contains(Flags::DIRTY));
        forget(&mut self.budgets, self.shared, address);
        frame::unshare(mapping.phys);
        Ok(())
    }

    fn count_eviction(&mut self, address: u64, written: bool) {
        let all = &self.shared.counters;
        let count = match written {
            true => &all.evictions_written,
            false => &all.evictions_clean,
        };
        count.fetch_add(1, Relaxed);
        if let Some(budget) = self.budgets.of(address) {
            let own = &mut budget.counts;
            match written {
                true => own.evictions_written += 1,
                false => own.evictions_clean += 1,
            }
        }
    }
}

/// One page less in memory.
pub(super) fn forget(budgets: &mut Budgets, shared: &Shared, address: u64) {
    shared.counters.resident_pages.fetch_sub(1, Relaxed);
    budgets.forget(address);
}

/// What the entry of an evicted page says whose contents go back to a disk.
fn write_home(part: DiskPart, mapping: Mapping) -> Result<Page, Errno> {
    if mapping.flags.contains(Flags::DIRTY) {
        part.write(mapping.phys)?;
    }
    Ok(Page::Empty)
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

/// What a replacement policy sees: the pages of its budget.
pub(super) struct View<'a> {
    pub(super) table: &'a PageTable,
    pub(super) shared: &'static Shared,
    pub(super) advised: &'a Advised,
    /// Where the budget's pages are.
    pub(super) range: Range<u64>,
}

impl View<'_> {
    fn mapping(&self, page: u64) -> Option<(PageEntry, Mapping)> {
        let entry = self.table.find(page)?;
        match entry.load() {
            Page::Mapped(mapping) => Some((entry, mapping)),
            Page::Empty | Page::Swapped(_) => None,
        }
    }

    /// The first page that may go.
    fn any_page(&self) -> Option<u64> {
        let Range { start, end } = self.range;
        let search = self.table.try_for_each(start, end, |page, _| {
            match self.is_resident(page) && !self.is_pinned(page) {
                true => Err(page),
                false => Ok(()),
            }
        });
        search.err()
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

    fn is_dirty(&self, page: u64) -> bool {
        self.mapping(page)
            .is_some_and(|(_, mapping)| mapping.flags.contains(Flags::DIRTY))
    }

    fn is_resident(&self, page: u64) -> bool {
        self.range.contains(&page) && self.mapping(page).is_some()
    }

    fn is_pinned(&self, page: u64) -> bool {
        self.mapping(page)
            .is_some_and(|(_, mapping)| frame::is_pinned(mapping.phys))
            || self.advised.is_locked(page)
    }
}
