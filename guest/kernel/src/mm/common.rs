//! Memory that a process has in common with the children that it forks from then on.
//!
//! All pages are made at once, and their entries say [`COMMON`]: a fork gives the child the same frames to
//! write to, instead of copies. A frame is free when the last process has unmapped it. Rights to such pages
//! are not changed, and a program with a budget of frames has none: they are never evicted, so a word of
//! one has the same physical address for all, by which futexes name it.

use core::sync::atomic::Ordering::Relaxed;

use abi::syscall::{Errno, Protection};
use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{PAGE_BYTES, PhysAddr, page_start};
use super::area::Backing;
use super::buddy::Want;
use super::fault::Access;
use super::frame;
use super::page_table::{Mapping, Page};
use super::space::{VmSpace, rights};

/// Flag of such a page, one of those that are left to software (SDM 3A 4.5).
pub(super) const COMMON: Flags = Flags::BIT_10;

/// Most bytes of one such area.
const MOST_BYTES: u64 = 64 << 20;

impl VmSpace {
    /// Maps `bytes`, whole pages of zeroes, that children will have, too; the address.
    pub fn map_common(&mut self, bytes: u64) -> Result<u64, Errno> {
        if self.budgets.process.is_some() || bytes > MOST_BYTES {
            return Err(Errno::Inval);
        }
        let start = self.map_anywhere(bytes, Protection::ReadWrite, Backing::Common)?;
        let mut pages = (start..start + bytes).step_by(PAGE_BYTES as usize);
        if let Err(error) = pages.try_for_each(|page| self.make_common(page)) {
            self.unmap(start, start + bytes)?;
            return Err(error);
        }
        self.shared.has_common.store(true, Relaxed);
        Ok(start)
    }

    fn make_common(&mut self, page: u64) -> Result<(), Errno> {
        let entry = self.table.make(page).ok_or(Errno::NoMem)?;
        let phys = frame::allocate_page(Want::Zeroes).ok_or(Errno::NoMem)?;
        let flags = rights(Protection::ReadWrite) | COMMON | Flags::ACCESSED | Flags::DIRTY;
        entry.store(Page::Mapped(Mapping { phys, flags }));
        self.shared.counters.zero_fills.fetch_add(1, Relaxed);
        self.came(page);
        Ok(())
    }

    /// Where the word at `address` is for all that have it in common; `None` if only this program has it.
    /// Its frame has one user more from then on, until [`release_word`].
    pub fn common_word(&mut self, address: u64) -> Result<Option<PhysAddr>, Errno> {
        let is_common = self
            .area(address)
            .is_some_and(|area| area.backing.is_common());
        if !is_common {
            return Ok(None);
        }
        let word = self.touch(address, Access::Read)?;
        frame::share(word);
        Ok(Some(word))
    }
}

/// Takes back what [`VmSpace::common_word`] has counted.
pub fn release_word(word: PhysAddr) {
    frame::unshare(PhysAddr(page_start(word.0)));
}
