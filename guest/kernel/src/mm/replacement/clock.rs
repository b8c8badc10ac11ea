//! Second chance: a hand goes round the pages and takes the first that was not used since it
//! came by last.

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy};

/// Evicts a page that has not been used lately.
#[derive(Default)]
pub(super) struct Clock {
    pages: Vec<u64>,
    /// Index of the page that is looked at next.
    hand: usize,
}

impl ReplacementPolicy for Clock {
    /// Behind the hand, so that it is looked at last.
    fn page_in(&mut self, page: u64) {
        self.pages.insert(self.hand, page);
        self.hand += 1;
    }

    fn page_out(&mut self, page: u64) {
        if let Some(position) = self.pages.iter().position(|other| *other == page) {
            self.pages.remove(position);
            if position < self.hand {
                self.hand -= 1;
            }
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        // Twice round: the first takes away the accessed bits, the second finds one without.
        // Programs run meanwhile and may set them all again; then the last one seen has to go.
        let mut last = None;
        for _ in 0..self.pages.len() * 2 {
            if self.hand >= self.pages.len() {
                self.hand = 0;
            }
            let page = self.pages[self.hand];
            if !pages.is_pinned(page) {
                last = Some(page);
                if !pages.take_accessed(page) {
                    break;
                }
            }
            self.hand += 1;
        }
        last
    }
}
