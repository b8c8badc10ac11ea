//! Pages that the guest names: [`PageSet`] knows those in the balloon, [`Ranges`] joins
//! neighbours, so that as few pieces as possible are given back.

use super::PAGE_BYTES;
use std::sync::Arc;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap};

/// The pages in the balloon, a bit each.
pub(super) struct PageSet {
    memory: Arc<GuestMemoryMmap>,
    words: Vec<u64>,
}

impl PageSet {
    /// An empty balloon for that memory.
    pub(super) fn new(memory: Arc<GuestMemoryMmap>) -> Self {
        let pages = memory.last_addr().0 / PAGE_BYTES + 1;
        // The host gives zeroed memory when it is used, so what is far from pages costs nothing.
        let words = usize::try_from(pages.div_ceil(64)).unwrap_or(0);
        Self {
            memory,
            words: vec![0; words],
        }
    }

    /// Whether a page can be in the balloon: there is memory.
    pub(super) fn is_memory(&self, page: u32) -> bool {
        self.memory.address_in_range(address(page))
    }

    /// Adds a page; false when it was there already, or cannot be.
    pub(super) fn insert(&mut self, page: u32) -> bool {
        let is_memory = self.is_memory(page);
        let Some((word, bit)) = self.place(page).filter(|_| is_memory) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes a page out, if it is there.
    pub(super) fn remove(&mut self, page: u32) {
        if let Some((word, bit)) = self.place(page) {
            *word &= !bit;
        }
    }

    fn place(&mut self, page: u32) -> Option<(&mut u64, u64)> {
        let word = self.words.get_mut(page as usize / 64)?;
        Some((word, 1 << (page % 64)))
    }
}

/// Where a page starts.
pub(super) fn address(page: u32) -> GuestAddress {
    GuestAddress(u64::from(page) * PAGE_BYTES)
}

/// Pieces of memory to be given back.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// Starts and lengths.
    ranges: Vec<(u64, u64)>,
}

impl Ranges {
    /// Adds the whole pages of a piece.
    pub(super) fn add(&mut self, gpa: GuestAddress, len: u64) {
        let end = gpa.0.saturating_add(len) / PAGE_BYTES * PAGE_BYTES;
        let start = gpa.0.checked_next_multiple_of(PAGE_BYTES);
        if let Some(start) = start.filter(|start| *start < end) {
            self.ranges.push((start, end - start));
        }
    }

    /// The pieces, joined where they touch or overlap.
    pub(super) fn joined(mut self) -> Vec<(GuestAddress, u64)> {
        self.ranges.sort_unstable();
        let mut joined: Vec<(GuestAddress, u64)> = Vec::new();
        for (start, len) in self.ranges {
            match joined.last_mut() {
                Some((first, so_far)) if start <= first.0 + *so_far => {
                    *so_far = (*so_far).max(start + len - first.0);
                }
                _ => joined.push((GuestAddress(start), len)),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut ranges = Ranges::default();
        for (start, len) in pieces {
            ranges.add(GuestAddress(*start), *len);
        }
        let joined = ranges.joined().into_iter();
        joined.map(|(gpa, len)| (gpa.0, len)).collect()
    }

    #[test]
    fn neighbours_are_joined_in_whatever_order_they_come() {
        let page = |number: u64| (number * 4096, 4096);
        assert_eq!(
            joined(&[page(7), page(3), page(4), page(5), page(9), page(8)]),
            [(3 * 4096, 3 * 4096), (7 * 4096, 3 * 4096)]
        );
        assert_eq!(joined(&[(0, 0x4000), (0x1000, 0x1000)]), [(0, 0x4000)]);
        assert_eq!(joined(&[]), []);
    }

    #[test]
    fn only_whole_pages_are_given_back() {
        assert_eq!(joined(&[(1, 0x2fff)]), [(0x1000, 0x2000)]);
        assert_eq!(joined(&[(0x1001, 0xffe), (0x2000, 4095)]), []);
        let top = u64::MAX - 4094;
        assert_eq!(joined(&[(top, 4095), (u64::MAX, u64::MAX)]), []);
    }

    #[test]
    fn a_page_is_in_the_balloon_once() {
        // Memory, a hole, and memory.
        let ranges = [
            (GuestAddress(0), 0x1_0000),
            (GuestAddress(0x2_0000), 0x1000),
        ];
        let memory = GuestMemoryMmap::from_ranges(&ranges).unwrap();
        let mut set = PageSet::new(Arc::new(memory));
        assert!(set.insert(15) && !set.insert(15));
        set.remove(15);
        assert!(set.insert(15));
        assert!(set.insert(32));
        for page in [16, 31, 33, 64, u32::MAX] {
            assert!(!set.insert(page) && !set.is_memory(page), "{page}");
        }
        set.remove(u32::MAX);
    }
}
