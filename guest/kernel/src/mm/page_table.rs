//! Page tables of a program, and the format of their entries.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{PAGE_SHIFT, PhysAddr, phys_to_virt};
use super::{frame, kernel_map};

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Entries of a table.
const ENTRIES: u64 = 512;
/// What entries above the last level hold besides an address.
const TABLE_FLAGS: u64 =
    Flags::PRESENT.bits() | Flags::WRITABLE.bits() | Flags::USER_ACCESSIBLE.bits();

/// Entry `index` of the table at `table`.
pub fn entry(table: PhysAddr, index: u64) -> &'static AtomicU64 {
    let address = phys_to_virt(table).cast::<AtomicU64>();
    // SAFETY: tables are frames in the direct map and hold 512 words, which the processor, too,
    // only changes atomically. A table is freed when nothing of its address space is left.
    unsafe { &*address.add((index % ENTRIES) as usize) }
}

/// What the entry of a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Nothing yet.
    Empty,
    /// It is in this slot of the swap area.
    Swapped(u32),
    /// It is in memory.
    Mapped(Mapping),
}

/// A page in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its frame.
    pub phys: PhysAddr,
    /// Rights, and the processor's notes.
    pub flags: Flags,
}

/// The entry of one page.
#[derive(Clone, Copy)]
pub struct PageEntry(&'static AtomicU64);

impl PageEntry {
    /// What it says.
    pub fn load(self) -> Page {
        Page::from_bits(self.0.load(Relaxed))
    }

    /// Lets it say `page`, and gives what it has said.
    pub fn replace(self, page: Page) -> Page {
        Page::from_bits(self.0.swap(page.to_bits(), Relaxed))
    }

    /// Lets it say `page`, where the processor cannot have noted anything at the same time.
    pub fn store(self, page: Page) {
        self.0.store(page.to_bits(), Relaxed);
    }

    /// Adds `flags` to those of a page in memory.
    pub fn set(self, flags: Flags) {
        self.0.fetch_or(flags.bits(), Relaxed);
    }

    /// Takes `flags` away; says whether one of them was set.
    pub fn clear(self, flags: Flags) -> bool {
        self.0.fetch_and(!flags.bits(), Relaxed) & flags.bits() != 0
    }
}

impl Page {
    fn from_bits(bits: u64) -> Self {
        let flags = Flags::from_bits_truncate(bits);
        if flags.contains(Flags::PRESENT) {
            return Self::Mapped(Mapping {
                phys: PhysAddr(bits & ADDRESS),
                flags,
            });
        }
        match (bits >> PAGE_SHIFT) as u32 {
            0 => Self::Empty,
            slot => Self::Swapped(slot - 1),
        }
    }

    fn to_bits(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Swapped(slot) => (u64::from(slot) + 1) << PAGE_SHIFT,
            Self::Mapped(mapping) => mapping.phys.0 | mapping.flags.bits(),
        }
    }
}

/// A program's page tables. The kernel's half is the same in all.
///
/// Last-level tables are found by binary search, not by walking, and all are on lists, so that
/// nothing has to be looked for in tables of 512 entries when the program ends.
pub struct PageTable {
    root: PhysAddr,
    /// Last-level tables by address divided by what one covers, 2 MiB; sorted.
    leaves: Vec<(u64, PhysAddr)>,
    /// Tables of the levels between.
    upper: Vec<PhysAddr>,
}

const LEAF_SHIFT: u32 = 21;
/// Levels above the last: bits of the address below the index into each.
const UPPER_SHIFTS: [u32; 3] = [39, 30, LEAF_SHIFT];

impl PageTable {
    /// Tables without a page; `None` when memory has run out.
    pub fn new() -> Option<Self> {
        let root = frame::allocate_zeroed(0)?;
        kernel_map::share_into(root);
        Some(Self {
            root,
            leaves: Vec::new(),
            upper: Vec::new(),
        })
    }

    /// What goes into CR3.
    pub fn root(&self) -> PhysAddr {
        self.root
    }

    /// The entry of the page at `address`, if its table exists.
    pub fn find(&self, address: u64) -> Option<PageEntry> {
        let leaf = self.leaf(address >> LEAF_SHIFT).ok()?;
        Some(PageEntry(entry(self.leaves[leaf].1, address >> PAGE_SHIFT)))
    }

    /// The entry of the page at `address`; `None` when memory has run out.
    pub fn make(&mut self, address: u64) -> Option<PageEntry> {
        let table = match self.leaf(address >> LEAF_SHIFT) {
            Ok(leaf) => self.leaves[leaf].1,
            Err(position) => self.make_leaf(address, position)?,
        };
        Some(PageEntry(entry(table, address >> PAGE_SHIFT)))
    }

    /// Entries, with addresses, of the pages from `start` up to `end` that have a table.
    pub fn entries(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, PageEntry)> {
        let first = self
            .leaf(start >> LEAF_SHIFT)
            .unwrap_or_else(|position| position);
        let leaves = self.leaves[first..]
            .iter()
            .take_while(move |leaf| leaf.0 << LEAF_SHIFT < end);
        leaves.flat_map(move |&(number, table)| {
            let low = start.max(number << LEAF_SHIFT) >> PAGE_SHIFT;
            let high = end.min((number + 1) << LEAF_SHIFT) >> PAGE_SHIFT;
            (low..high).map(move |page| (page << PAGE_SHIFT, PageEntry(entry(table, page))))
        })
    }

    fn leaf(&self, number: u64) -> Result<usize, usize> {
        self.leaves.binary_search_by_key(&number, |leaf| leaf.0)
    }

    fn make_leaf(&mut self, address: u64, position: usize) -> Option<PhysAddr> {
        let mut table = self.root;
        for shift in UPPER_SHIFTS {
            let slot = entry(table, address >> shift);
            let found = slot.load(Relaxed) & ADDRESS;
            table = PhysAddr(found);
            if found == 0 {
                table = frame::allocate_zeroed(0)?;
                slot.store(table.0 | TABLE_FLAGS, Relaxed);
                if shift != LEAF_SHIFT {
                    self.upper.push(table);
                }
            }
        }
        self.leaves.insert(position, (address >> LEAF_SHIFT, table));
        Some(table)
    }
}

impl Drop for PageTable {
    /// Frees the tables. The pages are the address space's to free, before.
    fn drop(&mut self) {
        let tables = self
            .leaves
            .iter()
            .map(|leaf| leaf.1)
            .chain(self.upper.iter().copied());
        for table in tables.chain([self.root]) {
            frame::release(table, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_what_it_was_told() {
        let mapping = Mapping {
            phys: PhysAddr(0x1234_5000),
            flags: Flags::PRESENT | Flags::NO_EXECUTE,
        };
        for page in [
            Page::Empty,
            Page::Swapped(0),
            Page::Swapped(77),
            Page::Mapped(mapping),
        ] {
            assert_eq!(Page::from_bits(page.to_bits()), page);
        }
    }
}
