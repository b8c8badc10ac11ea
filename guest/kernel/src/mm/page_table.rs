//! Page tables of a program, and the format of their entries.

use alloc::vec::Vec;
use core::cell::Cell;
use core::convert::Infallible;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use x86_64::structures::paging::PageTableFlags as Flags;

use super::addr::{HUGE_BYTES, LARGE_BYTES, PAGE_SHIFT, PhysAddr, phys_to_virt};
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
/// Last-level tables are found by binary search, not by walking, and each has a list of the
/// entries that were ever used, so that nothing has to be looked for in tables of 512 entries
/// when the program forks or ends.
pub struct PageTable {
    root: PhysAddr,
    /// Sorted by number.
    leaves: Vec<Leaf>,
    /// The leaf that was asked for last; most likely the next, too.
    recent: Cell<usize>,
    /// Tables of the levels between.
    upper: Vec<PhysAddr>,
    /// The large pages that were made, in no order.
    large: Vec<Large>,
}

/// A page of 2 MiB or of 1 GiB.
struct Large {
    address: u64,
    bytes: u64,
    entry: &'static AtomicU64,
}

/// A last-level table.
struct Leaf {
    /// Its first address divided by what it covers, 2 MiB.
    number: u64,
    table: PhysAddr,
    /// A bit for each entry that [`PageTable::make`] has handed out; the others are empty.
    used: [u64; USED_WORDS],
}

const USED_WORDS: usize = ENTRIES as usize / 64;

impl Leaf {
    /// Calls `visit` with the pages, by number, that may have something in their entry.
    fn visit_pages<E>(&self, mut visit: impl FnMut(u64) -> Result<(), E>) -> Result<(), E> {
        let mut base = self.number << (LEAF_SHIFT - PAGE_SHIFT);
        for mut bits in self.used {
            while bits != 0 {
                visit(base + u64::from(bits.trailing_zeros()))?;
                bits &= bits - 1;
            }
            base += 64;
        }
        Ok(())
    }
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
            recent: Cell::new(0),
            upper: Vec::new(),
            large: Vec::new(),
        })
    }

    /// What goes into CR3.
    pub fn root(&self) -> PhysAddr {
        self.root
    }

    /// The entry of the page at `address`, if its table exists.
    pub fn find(&self, address: u64) -> Option<PageEntry> {
        let leaf = self.leaf(address >> LEAF_SHIFT).ok()?;
        let table = self.leaves[leaf].table;
        Some(PageEntry(entry(table, address >> PAGE_SHIFT)))
    }

    /// The entry of the page at `address`; `None` when memory has run out.
    pub fn make(&mut self, address: u64) -> Option<PageEntry> {
        let leaf = match self.leaf(address >> LEAF_SHIFT) {
            Ok(leaf) => leaf,
            Err(position) => self.make_leaf(address, position)?,
        };
        let leaf = &mut self.leaves[leaf];
        let page = address >> PAGE_SHIFT;
        leaf.used[(page % ENTRIES / 64) as usize] |= 1 << (page % 64);
        Some(PageEntry(entry(leaf.table, page)))
    }

    /// The entry of the large page at `address`, zero if it is new; `None` when memory has run
    /// out, or small pages have been there.
    pub fn make_large(&mut self, address: u64) -> Option<&'static AtomicU64> {
        let table = self.make_upper(address, &UPPER_SHIFTS[..2])?;
        let entry = entry(table, address >> LEAF_SHIFT);
        match entry.load(Relaxed) {
            0 => self.large.push(Large {
                address: address & !(LARGE_BYTES - 1),
                bytes: LARGE_BYTES,
                entry,
            }),
            bits if bits & Flags::HUGE_PAGE.bits() == 0 => return None,
            _ => {}
        }
        Some(entry)
    }

    /// The entry of the page of 1 GiB that begins at `address`, zero; `None` when memory has run out,
    /// or others have been there.
    pub fn make_huge(&mut self, address: u64) -> Option<&'static AtomicU64> {
        let table = self.make_upper(address, &UPPER_SHIFTS[..1])?;
        let entry = entry(table, address >> HUGE_BYTES.trailing_zeros());
        if entry.load(Relaxed) != 0 {
            return None;
        }
        self.large.push(Large {
            address,
            bytes: HUGE_BYTES,
            entry,
        });
        Some(entry)
    }

    /// Takes the large pages from `start` up to `end` out of the tables, and gives those that
    /// had frames: where they are, and their bytes.
    pub fn take_large(
        &mut self,
        start: u64,
        end: u64,
    ) -> impl Iterator<Item = (PhysAddr, u64)> + '_ {
        let inside = move |large: &mut Large| (start..end).contains(&large.address);
        let taken = self.large.extract_if(.., inside);
        taken.filter_map(|large| match large.entry.swap(0, Relaxed) & ADDRESS {
            0 => None,
            bits => Some((PhysAddr(bits & !(large.bytes - 1)), large.bytes)),
        })
    }

    /// Calls `visit` with addresses and entries of the pages from `start` up to `end` that were
    /// ever used, until it fails.
    pub fn try_for_each<E>(
        &self,
        start: u64,
        end: u64,
        mut visit: impl FnMut(u64, PageEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self
            .leaf(start >> LEAF_SHIFT)
            .unwrap_or_else(|position| position);
        for leaf in &self.leaves[first..] {
            if leaf.number << LEAF_SHIFT >= end {
                break;
            }
            leaf.visit_pages(|page| {
                let address = page << PAGE_SHIFT;
                match (start..end).contains(&address) {
                    true => visit(address, PageEntry(entry(leaf.table, page))),
                    false => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    /// As [`Self::try_for_each`], where nothing fails.
    pub fn for_each(&self, start: u64, end: u64, mut visit: impl FnMut(u64, PageEntry)) {
        let done: Result<(), Infallible> = self.try_for_each(start, end, |address, entry| {
            visit(address, entry);
            Ok(())
        });
        let Ok(()) = done;
    }

    /// Where in the list leaf `number` is, or where it belongs.
    fn leaf(&self, number: u64) -> Result<usize, usize> {
        let recent = self.recent.get();
        if self
            .leaves
            .get(recent)
            .is_some_and(|leaf| leaf.number == number)
        {
            return Ok(recent);
        }
        let found = self
            .leaves
            .binary_search_by_key(&number, |leaf| leaf.number);
        found.inspect(|leaf| self.recent.set(*leaf))
    }

    /// Makes the table for `address`, which belongs at `position` of the list; that.
    fn make_leaf(&mut self, address: u64, position: usize) -> Option<usize> {
        let table = self.make_upper(address, &UPPER_SHIFTS)?;
        let leaf = Leaf {
            number: address >> LEAF_SHIFT,
            table,
            used: [0; USED_WORDS],
        };
        self.leaves.insert(position, leaf);
        Some(position)
    }

    /// The table that the entries at `shifts` lead to for `address`, made where there is none.
    fn make_upper(&mut self, address: u64, shifts: &[u32]) -> Option<PhysAddr> {
        let mut table = self.root;
        for &shift in shifts {
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
        Some(table)
    }
}

impl Drop for PageTable {
    /// Frees the tables. The pages are the address space's to free, before.
    fn drop(&mut self) {
        let tables = self
            .leaves
            .iter()
            .map(|leaf| leaf.table)
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
    fn pages_of_a_leaf_are_those_used() {
        let mut leaf = Leaf {
            number: 3,
            table: PhysAddr(0),
            used: [0; USED_WORDS],
        };
        let pages = |leaf: &Leaf| {
            let mut pages = Vec::new();
            let all: Result<(), ()> = leaf.visit_pages(|page| {
                pages.push(page);
                Ok(())
            });
            all.map(|()| pages)
        };
        assert_eq!(pages(&leaf), Ok(vec![]));
        leaf.used[0] = 1 << 63 | 1;
        leaf.used[7] = 1 << 63;
        assert_eq!(pages(&leaf), Ok(vec![3 * 512, 3 * 512 + 63, 3 * 512 + 511]));
    }

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
