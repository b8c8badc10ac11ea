//! Budgets of frames: that of a program, and those of its confined areas, with what is known of the
//! uses of those that are traced ([`super::confined`]).

use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

use abi::confine::Confine;
use abi::syscall::Errno;

use super::addr::PAGE_BYTES;
use super::allocation::Member;
use super::evict::Budget;
use super::pool::Seat;
use super::replacement::{Known, Settings};
use crate::arch::USER_END;

/// Most pages that one instruction uses: source and destination, both across the end of a page.
const MOST_OPEN: usize = 4;

/// The budgets of an address space.
#[derive(Default)]
pub(super) struct Budgets {
    /// Of all pages that are not confined.
    pub(super) process: Option<Budget>,
    pub(super) areas: Vec<ConfinedArea>,
}

/// Names one of them.
#[derive(Clone, Copy)]
pub(super) enum Which {
    /// The program's.
    Process,
    /// That of the area with this index.
    Area(usize),
}

/// Pages that have a budget of their own.
pub(super) struct ConfinedArea {
    pub(super) range: Range<u64>,
    pub(super) budget: Budget,
    /// Uses or faults from tick to tick, and left until the next.
    pub(super) tick: u64,
    pub(super) until_tick: u64,
    pub(super) trace: Option<Trace>,
    /// Its place in a pool of frames, which says how many it may have.
    pub(super) seat: Option<Seat>,
}

/// What is known of the uses of a traced area.
pub(super) struct Trace {
    /// Pages that are open.
    pub(super) open: Vec<u64>,
    /// The instruction that has used them, by a digest of its registers.
    pub(super) instruction: u64,
    /// Numbers of the pages used, up to its capacity, which was set aside at first.
    pub(super) uses: Vec<u32>,
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

impl ConfinedArea {
    /// One of `range`, as `how` says; [`Errno::NoMem`] when memory has run out.
    pub(super) fn new(
        range: Range<u64>,
        how: &Confine,
        known: &Known,
        future: &[u32],
    ) -> Result<Self, Errno> {
        let address = |number: &u32| range.start + u64::from(*number) * PAGE_BYTES;
        let mut addresses = Vec::new();
        reserve(&mut addresses, future.len())?;
        addresses.extend(future.iter().map(address));
        let settings = Settings {
            seed: how.seed,
            window: how.window,
            future: addresses,
        };
        let tick = how.tick.max(1);
        let trace = match how.traced {
            0 => None,
            _ => Some(Trace::new(how, &range)?),
        };
        Ok(Self {
            budget: Budget::new(how.frames, known, settings),
            tick,
            until_tick: tick,
            trace,
            range,
            seat: None,
        })
    }

    /// What a pool is told of it when it needs a page.
    pub(super) fn told(&mut self) -> Member {
        let now = self.budget.counts.uses;
        let Some(trace) = &mut self.trace else {
            return Member::default();
        };
        let interval = now - mem::replace(&mut trace.last_fault, now);
        let lately =
            |last_use: &&u64| **last_use > 0 && last_use.saturating_add(trace.window) > now;
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
    fn new(how: &Confine, range: &Range<u64>) -> Result<Self, Errno> {
        let most = how.traced as usize;
        let pages = match how.pool {
            0 => 0,
            _ => (range.end - range.start) / PAGE_BYTES,
        };
        let (mut uses, mut last_uses) = (Vec::new(), Vec::new());
        reserve(&mut uses, most)?;
        reserve(&mut last_uses, pages as usize)?;
        last_uses.resize(pages as usize, 0);
        Ok(Self {
            open: Vec::with_capacity(MOST_OPEN),
            instruction: 0,
            uses,
            most,
            last_uses,
            window: how.window,
            last_fault: 0,
        })
    }

    /// Notes that the page of that number is used, which makes `uses` in all.
    pub(super) fn record(&mut self, number: u64, uses: u64) {
        if self.uses.len() < self.most {
            self.uses.push(number as u32);
        }
        if let Some(last_use) = self.last_uses.get_mut(number as usize) {
            *last_use = uses;
        }
    }

    /// Whether the instruction with that digest is the one that has used what is open.
    pub(super) fn goes_on(&self, instruction: u64) -> bool {
        self.instruction == instruction && self.open.len() < MOST_OPEN
    }
}

/// Room for `most` at once; a program says how many.
fn reserve<T>(list: &mut Vec<T>, most: usize) -> Result<(), Errno> {
    list.try_reserve_exact(most).map_err(|_| Errno::NoMem)
}
