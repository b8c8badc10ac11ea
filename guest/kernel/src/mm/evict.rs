//! Eviction: keeping a program within its budget of frames.
//!
//! A [`ReplacementPolicy`] says which page goes; this file checks that it may, writes it to the
//! swap area if no copy is there, and lets its entry say where it is.
//!
//! Memory runs out when the swap area is full or a frame cannot be had. The rule is that the
//! program that needs the page is ended ([`crate::process`]), and no other.

use alloc::boxed::Box;
use core::sync::atomic::Ordering::Relaxed;

use abi::syscall::Errno;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::page_table::{Mapping, Page, PageEntry, PageTable};
use super::replacement::{Pages, ReplacementPolicy};
use super::space::{Shared, VmSpace};
use super::{frame, swap};
use crate::arch::{USER_END, tlb};
use crate::console;

/// A budget of frames.
pub(super) struct Budget {
    frames: u64,
    policy: Box<dyn ReplacementPolicy>,
}

impl VmSpace {
    /// Sets or takes away the budget: `frames` pages may be in memory, `policy` says which go.
    /// [`Errno::Inval`] for a program that shares memory with a driver or another process.
    pub fn set_budget(
        &mut self,
        budget: Option<(u64, Box<dyn ReplacementPolicy>)>,
    ) -> Result<(), Errno> {
        if budget.is_some() && self.has_shared() {
            return Err(Errno::Inval);
        }
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
        frame::unshare(mapping.phys);
        Ok(())
    }
}

/// One page less in memory.
pub(super) fn forget(budget: &mut Option<Budget>, shared: &Shared, address: u64) {
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
        let why = match pages.mapping(page) {
            Some((_, mapping)) if !frame::is_pinned(mapping.phys) => return Some(page),
            Some(_) => "is in use by a device",
            None => "is not in memory",
        };
        console::print(format_args!(
            "{}: refused to evict page {page:#x}, which {why}\n",
            policy.name()
        ));
        policy.page_out(page);
    }
}
