//! Budgets of frames: that of a program, and those of its confined areas ([`abi::confine`]).
//!
//! In a traced area all pages are shut, that is, not accessible to the program, but for those that
//! the last instruction has used. A fault on a shut page opens it, shuts the others and is a use of
//! the page. Pages that one instruction needs at once are open together: a fault with the registers
//! of the fault before is by the same instruction, which could not end yet.

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use abi::confine::{Confine, ConfinedCounts, MOST_USES};
use abi::syscall::Errno;
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::PAGE_BYTES;
use super::allocation::Member;
use super::area::Backing;
use super::evict::{Budget, View};
use super::page_table::Page;
use super::pool::{self, Admission, Home, Seat};
use super::replacement::{self, Known, Settings};
use super::space::VmSpace;
use super::swap;
use crate::arch::{USER_END, tlb};

/// Most confined areas of a program.
const MOST_AREAS: usize = 64;
/// Most pages that one instruction uses: source and destination, both across the end of a page.
const MOST_OPEN: usize = 4;

/// The budgets of an address space.
#[derive(Default)]
pub(super) struct Budgets {
    /// Of all pages that are not confined.
    pub(super) process: Option<Budget>,
    areas: Vec<ConfinedArea>,
}

/// Names one of them.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// The program's.
    Process,
    /// That of the area with this index.
    Area(usize),
}

/// What a program has of the page that it wants to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    /// It is in memory.
    Page,
    /// Nothing.
    None,
}

struct ConfinedArea {
    range: Range<u64>,
    budget: Budget,
    /// Uses or faults from tick to tick, and left until the next.
    tick: u64,
    until_tick: u64,
    trace: Option<Trace>,
    /// Its place in a pool of frames, which says how many it may have.
    seat: Option<Seat>,
}

/// What is known of the uses of a traced area.
struct Trace {
    /// Pages that are open.
    open: Vec<u64>,
    /// The instruction that has used them, by a digest of its registers.
    instruction: u64,
    /// Numbers of the pages used, up to its capacity, which was set aside at first.
    uses: Vec<u32>,
    most: usize,
    /// For each page, the number of uses when it was used last; for members of a pool.
    last_uses: Vec<u64>,
    /// Uses after which a page is no longer part of the working set.
    window: u64,
    /// Number of uses at the last fault.
    last_fault: u64,
}

impl Budgets {
    /// Index of the confined area that `page` is in.
    pub(super) fn confined(&self, page: u64) -> Option<usize> {
        self.areas
            .iter()
            .position(|area| area.range.contains(&page))
    }

    /// Whose budget `page` is of.
    pub(super) fn which(&self, page: u64) -> Which {
        self.confined(page).map_or(Which::Process, Which::Area)
    }

    /// That budget, if there is one, and where its pages are.
    pub(super) fn get(&mut self, which: Which) -> Option<(&mut Budget, Range<u64>)> {
        match which {
            Which::Process => self.process.as_mut().map(|budget| (budget, 0..USER_END)),
            Which::Area(index) => {
                let area = self.areas.get_mut(index)?;
                Some((&mut area.budget, area.range.clone()))
            }
        }
    }

    /// The budget that `page` is of.
    pub(super) fn of(&mut self, page: u64) -> Option<&mut Budget> {
        let which = self.which(page);
        self.get(which).map(|(budget, _)| budget)
    }

    /// One page less in memory.
    pub(super) fn forget(&mut self, page: u64) {
        let which = self.which(page);
        if let Some((budget, _)) = self.get(which) {
            budget.forget(page);
        }
        if let Which::Area(index) = which {
            let area = &mut self.areas[index];
            if let Some(trace) = &mut area.trace {
                trace.open.retain(|open| *open != page);
            }
            area.seat.iter().for_each(|seat| seat.went());
        }
    }

    /// One page more in memory.
    pub(super) fn came(&mut self, page: u64) {
        let which = self.which(page);
        if let Some((budget, _)) = self.get(which) {
            budget.came(page);
        }
        if let Which::Area(index) = which {
            self.areas[index].seat.iter().for_each(|seat| seat.came());
        }
    }

    /// The place in a pool of what `page` is of.
    pub(super) fn seat(&self, page: u64) -> Option<Seat> {
        self.areas[self.confined(page)?].seat
    }

    /// Frames of the budget that `page` is of.
    pub(super) fn frames(&mut self, page: u64) -> Option<u64> {
        self.of(page).map(|budget| budget.frames)
    }

    /// Pages that may be made before they are used, so that those used before can stay; `None` for
    /// any number. In an area that is traced or in a pool, where each page counts, there are none.
    pub(super) fn room(&mut self, page: u64) -> Option<u64> {
        if let Which::Area(index) = self.which(page) {
            let area = &self.areas[index];
            if area.trace.is_some() || area.seat.is_some() {
                return Some(0);
            }
        }
        self.frames(page).map(|frames| frames - 1)
    }

    /// All places in pools are left.
    pub(super) fn leave_pools(&mut self) {
        let areas = self.areas.iter_mut();
        areas.for_each(|area| area.seat.take().iter().for_each(|seat| seat.leave()));
    }

    /// Whether none of `start` up to `end` is confined.
    pub(super) fn are_apart(&self, start: u64, end: u64) -> bool {
        !self.areas.iter().any(|area| area.meets(start, end))
    }

    /// Whether each area that has something from `start` up to `end` is in there as a whole.
    pub(super) fn are_whole(&self, start: u64, end: u64) -> bool {
        let mut areas = self.areas.iter();
        areas.all(|area| !area.meets(start, end) || area.is_inside(start, end))
    }

    /// Ends the budgets of the areas from `start` up to `end`.
    pub(super) fn release(&mut self, start: u64, end: u64) {
        let left = self.areas.extract_if(.., |area| area.is_inside(start, end));
        left.for_each(|area| area.seat.iter().for_each(|seat| seat.leave()));
    }
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
        let allowed = how.frames > 0
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
        let mut area = ConfinedArea::new(range.clone(), how, known, future);
        if let Some(number) = how.pool.checked_sub(1) {
            let pages = (range.end - range.start) / PAGE_BYTES;
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
            let is_same = trace.instruction == instruction && trace.open.len() < MOST_OPEN;
            if !is_same {
                for shut in mem::take(&mut trace.open) {
                    if let Some(entry) = self.table.find(shut) {
                        entry.clear(Flags::USER_ACCESSIBLE);
                        tlb::flush(&self.shared.cpus, Some(shut));
                    }
                }
            }
            trace.instruction = instruction;
            trace.open.push(page);
            let number = (page - area.range.start) / PAGE_BYTES;
            if trace.uses.len() < trace.most {
                trace.uses.push(number as u32);
            }
            area.budget.used(page);
            if let Some(last_use) = trace.last_uses.get_mut(number as usize) {
                *last_use = area.budget.counts.uses;
            }
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
        let limit = core::mem::replace(frames, before.saturating_sub(1));
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

impl ConfinedArea {
    fn new(range: Range<u64>, how: &Confine, known: &Known, future: &[u32]) -> Self {
        let address = |number: &u32| range.start + u64::from(*number) * PAGE_BYTES;
        let settings = Settings {
            seed: how.seed,
            window: how.window,
            future: future.iter().map(address).collect(),
        };
        let tick = how.tick.max(1);
        Self {
            budget: Budget::new(how.frames, known, settings),
            tick,
            until_tick: tick,
            trace: (how.traced > 0).then(|| Trace::new(how, &range)),
            range,
            seat: None,
        }
    }

    /// What a pool is told of it when it needs a page.
    fn told(&mut self) -> Member {
        let now = self.budget.counts.uses;
        let Some(trace) = &mut self.trace else {
            return Member::default();
        };
        let interval = now - mem::replace(&mut trace.last_fault, now);
        let lately = |last_use: &&u64| **last_use > 0 && **last_use + trace.window > now;
        Member {
            interval,
            // With the one that it needs.
            working_set: trace.last_uses.iter().filter(lately).count() as u64 + 1,
            ..Member::default()
        }
    }

    fn meets(&self, start: u64, end: u64) -> bool {
        self.range.start < end && start < self.range.end
    }

    fn is_inside(&self, start: u64, end: u64) -> bool {
        start <= self.range.start && self.range.end <= end
    }
}

impl Trace {
    fn new(how: &Confine, range: &Range<u64>) -> Self {
        let most = how.traced as usize;
        let pages = match how.pool {
            0 => 0,
            _ => (range.end - range.start) / PAGE_BYTES,
        };
        Self {
            open: Vec::with_capacity(MOST_OPEN),
            instruction: 0,
            uses: Vec::with_capacity(most),
            most,
            last_uses: alloc::vec![0; pages as usize],
            window: how.window,
            last_fault: 0,
        }
    }
}
