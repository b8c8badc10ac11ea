//! Aging: LRU as far as bits tell. Each page has a register that is shifted to the right at every
//! tick, with the accessed bit coming in at its left (Tanenbaum, Bos: Modern Operating Systems,
//! 4th ed., 3.4.7).

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy};

/// Evicts the page with the lowest register; of equal ones the first that came.
#[derive(Default)]
pub(super) struct Aging {
    /// Pages and their registers, in the order in which they came.
    pages: Vec<(u64, u8)>,
}

/// What a use sets.
const USED: u8 = 0x80;

impl ReplacementPolicy for Aging {
    fn page_in(&mut self, page: u64) {
        self.pages.push((page, USED));
    }

    fn page_out(&mut self, page: u64) {
        self.pages.retain(|(other, _)| *other != page);
    }

    fn tick(&mut self, pages: &dyn Pages) {
        for (page, age) in &mut self.pages {
            *age >>= 1;
            if pages.take_accessed(*page) {
                *age |= USED;
            }
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let free = self
            .pages
            .iter()
            .filter(|(page, _)| !pages.is_pinned(*page));
        free.min_by_key(|(_, age)| *age).map(|(page, _)| *page)
    }
}
