//! Least recently used, exactly.

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy};

/// Evicts the page whose last use is longest ago.
#[derive(Default)]
pub(super) struct Lru {
    /// The page used last is the last one.
    stack: Vec<u64>,
}

impl ReplacementPolicy for Lru {
    fn page_in(&mut self, page: u64) {
        self.stack.push(page);
    }

    fn page_out(&mut self, page: u64) {
        self.stack.retain(|other| *other != page);
    }

    fn used(&mut self, page: u64) {
        // Pages used lately are used again: looked for from the end.
        if let Some(position) = self.stack.iter().rposition(|other| *other == page) {
            self.stack[position..].rotate_left(1);
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let mut stack = self.stack.iter().copied();
        stack.find(|page| !pages.is_pinned(*page))
    }
}
