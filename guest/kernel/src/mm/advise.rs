//! What a program says about how it will use its pages, as `madvise`, `mlock` and `msync` say it
//! elsewhere.

use alloc::vec::Vec;
use core::ops::Range;

use abi::confine::MOST_PAGES;
use abi::syscall::{Advice, Errno, Protection};

use super::addr::PAGE_BYTES;
use super::area::Backing;
use super::fault::Access;
use super::page_table::Page;
use super::space::VmSpace;

/// Most pages that one fault makes.
const MOST_AT_ONCE: u64 = 64;
/// Most ranges that something is known of.
const MOST_RANGES: usize = 64;

/// What is known of an address space's pages; forgotten with the first of them that is unmapped.
#[derive(Default)]
pub(super) struct Advised {
    /// Ranges of which so many pages are made at a fault.
    prepaged: Vec<(Range<u64>, u64)>,
    /// Ranges whose pages stay in memory.
    locked: Vec<Range<u64>>,
}

impl Advised {
    /// Whether the page at `page` has to stay.
    pub(super) fn is_locked(&self, page: u64) -> bool {
        self.locked.iter().any(|range| range.contains(&page))
    }

    /// Forgets what it knows of `start` up to `end`.
    pub(super) fn forget(&mut self, start: u64, end: u64) {
        let apart = |range: &Range<u64>| range.end <= start || end <= range.start;
        self.prepaged.retain(|(range, _)| apart(range));
        self.locked.retain(apart);
    }

    /// The pages after `page` that are to be made with it.
    pub(super) fn next_pages(&self, page: u64) -> Option<Range<u64>> {
        let mut ranges = self.prepaged.iter();
        let (range, pages) = ranges.find(|(range, _)| range.contains(&page))?;
        Some(page + PAGE_BYTES..range.end.min(page + pages * PAGE_BYTES))
    }

    fn is_full(&self) -> bool {
        self.prepaged.len() + self.locked.len() >= MOST_RANGES
    }
}

impl VmSpace {
    /// Takes advice about `range`, whole pages, all in areas; the number of pages that it has made
    /// or dropped. [`Errno::NoMem`] if so many cannot be locked.
    pub fn advise(&mut self, range: Range<u64>, advice: Advice, number: u64) -> Result<u64, Errno> {
        let Range { start, end } = range;
        let pages = (end - start) / PAGE_BYTES;
        if pages > MOST_PAGES || !self.has_only(start, end, Backing::is_evictable) {
            return Err(Errno::Inval);
        }
        match advice {
            Advice::WillNeed => self.make_all(range),
            Advice::DontNeed => self.drop_all(range),
            Advice::Sequential => self.prepage(range, number),
            Advice::Lock => self.lock(range),
            Advice::Unlock => {
                self.advised.locked.retain(|locked| *locked != range);
                Ok(0)
            }
            Advice::Sync => self.write_back(range),
        }
    }

    fn prepage(&mut self, range: Range<u64>, pages: u64) -> Result<u64, Errno> {
        if pages > MOST_AT_ONCE || self.advised.is_full() {
            return Err(Errno::Inval);
        }
        self.advised.prepaged.retain(|(known, _)| *known != range);
        if pages > 1 {
            self.advised.prepaged.push((range, pages));
        }
        Ok(0)
    }

    /// Makes the pages that are not there, as far as there are frames for all.
    fn make_all(&mut self, range: Range<u64>) -> Result<u64, Errno> {
        let pages = (range.end - range.start) / PAGE_BYTES;
        let room = self.budgets.room(range.start).unwrap_or(pages);
        let mut made = 0;
        for page in range.step_by(PAGE_BYTES as usize) {
            if made < room && !self.is_there(page) {
                self.fault(page, Access::Read)?;
                made += 1;
            }
        }
        Ok(made)
    }

    /// Makes the pages after `page`, which a fault has just made, as it was advised. Those that cannot
    /// be made are not.
    pub(super) fn make_next(&mut self, page: u64) {
        let Some(next) = self.advised.next_pages(page) else {
            return;
        };
        let room = self.budgets.room(page).unwrap_or(u64::MAX);
        for page in next.step_by(PAGE_BYTES as usize).take(room as usize) {
            if self.is_there(page) || self.make_one(page).is_err() {
                break;
            }
        }
    }

    fn make_one(&mut self, page: u64) -> Result<(), Errno> {
        let area = *self.area(page).ok_or(Errno::Fault)?;
        let entry = self.table.make(page).ok_or(Errno::NoMem)?;
        self.make_page(page, entry, &area, Access::Read)
    }

    fn is_there(&self, page: u64) -> bool {
        let entry = self.table.find(page);
        entry.is_some_and(|entry| matches!(entry.load(), Page::Mapped(_)))
    }

    /// Drops pages; they are as at first at their next use.
    fn drop_all(&mut self, range: Range<u64>) -> Result<u64, Errno> {
        if range
            .clone()
            .step_by(PAGE_BYTES as usize)
            .any(|page| self.advised.is_locked(page))
        {
            return Err(Errno::Inval);
        }
        Ok(self.discard_all(range.start, range.end))
    }

    /// Makes all pages, which stay.
    fn lock(&mut self, range: Range<u64>) -> Result<u64, Errno> {
        let pages = (range.end - range.start) / PAGE_BYTES;
        let locked: u64 = self
            .advised
            .locked
            .iter()
            .map(|range| range.end - range.start)
            .sum();
        let most = self.budgets.frames(range.start).unwrap_or(u64::MAX);
        // One has to be left for the others.
        if pages + locked / PAGE_BYTES >= most {
            return Err(Errno::NoMem);
        }
        if self.advised.is_full() {
            return Err(Errno::Inval);
        }
        self.advised.locked.push(range.clone());
        for page in range.step_by(PAGE_BYTES as usize) {
            let access = match self.area(page).map(|area| area.protection) {
                Some(Protection::ReadWrite) => Access::Write,
                _ => Access::Read,
            };
            self.fault(page, access)?;
        }
        Ok(pages)
    }
}

impl Backing {
    /// Whether its pages are the program's own, made one by one and evicted.
    pub(super) fn is_evictable(&self) -> bool {
        matches!(self, Self::Zero | Self::Disk(_))
    }
}
