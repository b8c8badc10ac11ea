//! Any page.

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy, Settings};

/// Evicts a page by lot. The same seed draws the same lots.
pub(super) struct Random {
    pages: Vec<u64>,
    state: u64,
}

impl Random {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            pages: Vec::new(),
            // The generator never leaves zero.
            state: settings.seed.max(1),
        }
    }

    /// A number below `end`: xorshift64 (Marsaglia, 2003).
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (((self.state >> 32) * end as u64) >> 32) as usize
    }
}

impl ReplacementPolicy for Random {
    fn page_in(&mut self, page: u64) {
        self.pages.push(page);
    }

    fn page_out(&mut self, page: u64) {
        self.pages.retain(|other| *other != page);
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let first = self.below(self.pages.len());
        // The next one that may go.
        let (before, after) = self.pages.split_at(first);
        let mut from_there = after.iter().chain(before).copied();
        from_there.find(|page| !pages.is_pinned(*page))
    }
}
