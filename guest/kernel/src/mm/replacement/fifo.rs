//! First in, first out.

use alloc::collections::VecDeque;

use super::{Pages, ReplacementPolicy};

/// Evicts the page that has been in memory longest, used or not.
#[derive(Default)]
pub(super) struct Fifo {
    /// Oldest first.
    queue: VecDeque<u64>,
}

impl ReplacementPolicy for Fifo {
    fn page_in(&mut self, page: u64) {
        self.queue.push_back(page);
    }

    fn page_out(&mut self, page: u64) {
        if let Some(position) = self.queue.iter().position(|other| *other == page) {
            self.queue.remove(position);
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let mut queue = self.queue.iter().copied();
        queue.find(|page| !pages.is_pinned(*page))
    }
}
