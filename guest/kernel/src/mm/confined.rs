//! Confined areas of a program ([`abi::confine`]): pages with a budget of frames of their own.
//!
//! In a traced area all pages are shut, that is, not accessible to the program, but for those that
//! the last instruction has used. A fault on a shut page opens it, shuts the others and is a use of
//! the page. Pages that one instruction needs at once are open together: a fault with the registers
//! of the fault before is by the same instruction, which could not end yet.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use abi::confine::{Confine, ConfinedCounts, MOST_PAGES, MOST_USES};
use abi::syscall::Errno;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::PAGE_BYTES;
use super::area::Backing;
use super::budgets::{ConfinedArea, Which};
use super::evict::View;
use super::page_table::Page;
use super::pool::{self, Admission, Home, Seat};
use super::replacement;
use super::space::VmSpace;
use super::swap;
use crate::arch::tlb;

/// Most confined areas of a program.
const MOST_AREAS: usize = 64;

/// What a program has of the page that it wants to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// It is in memory.
    Page,
    /// Nothing.
    None,
}

impl VmSpace {
    /// Confines `range`, whole pages, as `how` says; `future` are the uses that will be.
    /// [`Errno::Inval`] if the range has anything but zeroes, or is partly confined already, and for
    /// a policy that is not known, or must see every use and would not. `home` is where this address
    /// space is.
    pub fn confine(
        &mut self,
        range: Range<u64>,
        how: &Confine,
        future: &[u32],
        home: Home,
    ) -> Result<(), Errno> {
        let known = how.policy_name().and_then(replacement::from_name);
        let known = known.ok_or(Errno::Inval)?;
        let pages = (range.end - range.start) / PAGE_BYTES;
        let allowed = how.frames > 0
            && pages <= MOST_PAGES
            && how.traced <= MOST_USES
            && (how.traced > 0 || !known.needs_uses)
            && self.has_only(range.start, range.end, Backing::is_evictable)
            && self.budgets.are_apart(range.start, range.end);
        if !allowed || self.budgets.areas.len() >= MOST_AREAS {
            return Err(Errno::Inval);
        }
        if !swap::is_there() {
            return Err(Errno::NoSpc);
        }
        let index = self.budgets.areas.len();
        let mut area = ConfinedArea::new(range.clone(), how, known, future)?;
        if let Some(number) = how.pool.checked_sub(1) {
            area.seat = Some(pool::join(number, home, range.start, pages, how.priority)?);
        }
        self.take_over(&range, area);
        self.make_room(Which::Area(index), 0)
    }

    /// Moves the pages of `range` that are in memory to the new `area`.
    fn take_over(&mut self, range: &Range<u64>, mut area: ConfinedArea) {
        let process = &mut self.budgets.process;
        self.table.for_each(range.start, range.end, |page, entry| {
            if matches!(entry.load(), Page::Mapped(_)) {
                process.iter_mut().for_each(|process| process.forget(page));
                area.budget.adopt(page);
                area.seat.iter().for_each(|seat| seat.came());
                if area.trace.is_some() {
                    entry.clear(Flags::USER_ACCESSIBLE);
                }
            }
        });
        self.budgets.areas.push(area);
        tlb::flush(&self.shared.cpus, None);
    }

    /// Ends the budgets of the confined areas from `start` up to `end`. Their pages are the program's
    /// again; what is shut is opened at its next use.
    pub fn unconfine(&mut self, start: u64, end: u64) -> Result<(), Errno> {
        if !self.budgets.are_whole(start, end) {
            return Err(Errno::Inval);
        }
        self.budgets.release(start, end);
        let Some(process) = &mut self.budgets.process else {
            return Ok(());
        };
        self.table.for_each(start, end, |page, entry| {
            if matches!(entry.load(), Page::Mapped(_)) {
                process.adopt(page);
            }
        });
        self.make_room(Which::Process, 0)
    }

    /// Notes that the page of `address`, which is open now, is being used, by the instruction whose
    /// registers `digest` gives; for a fault that was answered.
    #[inline]
    pub fn note_use(&mut self, page: u64, digest: impl FnOnce() -> u64) {
        if let Some(index) = self.budgets.confined(page) {
            self.note_confined_use(index, page, digest());
        }
    }

    fn note_confined_use(&mut self, index: usize, page: u64, instruction: u64) {
        let area = &mut self.budgets.areas[index];
        if let Some(trace) = &mut area.trace {
            if trace.open.contains(&page) {
                return;
            }
            if !trace.goes_on(instruction) {
                for shut in mem::take(&mut trace.open) {
                    if let Some(entry) = self.table.find(shut) {
                        entry.clear(Flags::USER_ACCESSIBLE);
                        tlb::flush(&self.shared.cpus, Some(shut));
                    }
                }
            }
            trace.instruction = instruction;
            trace.open.push(page);
            area.budget.used(page);
            let number = (page - area.range.start) / PAGE_BYTES;
            trace.record(number, area.budget.counts.uses);
        }
        area.until_tick -= 1;
        if area.until_tick == 0 {
            area.until_tick = area.tick;
            let view = View {
                table: &self.table,
                shared: self.shared,
                advised: &self.advised,
                range: area.range.clone(),
            };
            area.budget.tick(&view);
        }
    }

    /// Asks the pool that the area of `page` is in, if it is in one, whether it may have a page more,
    /// or for what it `has`, go on. [`Errno::Again`] if it has to wait ([`Self::seat`]).
    #[inline]
    pub(super) fn admit(&mut self, page: u64, has: Has) -> Result<(), Errno> {
        match self.budgets.confined(page) {
            Some(index) if self.budgets.areas[index].seat.is_some() => self.admit_to(index, has),
            _ => Ok(()),
        }
    }

    fn admit_to(&mut self, index: usize, has: Has) -> Result<(), Errno> {
        let area = &mut self.budgets.areas[index];
        let Some(seat) = area.seat else {
            return Ok(());
        };
        let admission = match has {
            Has::Page if seat.is_suspended() => Admission::Suspended,
            Has::Page => return Ok(()),
            Has::None => seat.admit(area.told()),
        };
        match admission {
            Admission::Share(frames) => {
                area.budget.frames = frames;
                Ok(())
            }
            Admission::Full => Err(Errno::Again),
            Admission::Suspended => {
                area.budget.frames = 0;
                self.make_room(Which::Area(index), 0)?;
                Err(Errno::Again)
            }
        }
    }

    /// The place in a pool of the area that `address` is in.
    pub fn seat(&self, address: u64) -> Option<Seat> {
        self.budgets.seat(address)
    }

    /// Evicts a page of the confined area at `start`, whatever its budget; false if none can go.
    pub(super) fn evict_from(&mut self, start: u64) -> Result<bool, Errno> {
        let Some(index) = self.budgets.confined(start) else {
            return Ok(false);
        };
        let before = self.budgets.areas[index].budget.resident();
        let frames = &mut self.budgets.areas[index].budget.frames;
        let limit = mem::replace(frames, before.saturating_sub(1));
        let evicted = self.make_room(Which::Area(index), 0);
        let budget = &mut self.budgets.areas[index].budget;
        budget.frames = limit;
        evicted.map(|()| budget.resident() < before)
    }

    /// What has happened in the confined area that `address` is in.
    pub fn confined_counts(&self, address: u64) -> Result<ConfinedCounts, Errno> {
        let area = self.confined_area(address)?;
        let uses = area.trace.as_ref().map_or(0, |trace| trace.uses.len());
        Ok(ConfinedCounts {
            resident: area.budget.resident(),
            recorded: uses as u64,
            ..area.budget.counts
        })
    }

    /// The recorded uses of that area from number `from` on, at most `len`.
    pub fn confined_uses(&self, address: u64, from: u64, len: u64) -> Result<Vec<u32>, Errno> {
        let area = self.confined_area(address)?;
        let uses = area.trace.as_ref().map_or(&[][..], |trace| &trace.uses);
        let rest = usize::try_from(from).ok().and_then(|from| uses.get(from..));
        let rest = rest.unwrap_or_default();
        Ok(rest[..rest.len().min(usize::try_from(len).unwrap_or(usize::MAX))].to_vec())
    }

    fn confined_area(&self, address: u64) -> Result<&ConfinedArea, Errno> {
        let index = self.budgets.confined(address).ok_or(Errno::Inval)?;
        Ok(&self.budgets.areas[index])
    }
}
