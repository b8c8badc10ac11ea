//! Least and most frequently used, by counts of uses since the page has come into memory. Of pages
//! with the same count the one that came first goes.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::{Pages, ReplacementPolicy};

/// Which count goes.
enum Goes {
    Least,
    Most,
}

/// Evicts the page that was used least, or most, often.
pub(super) struct Counted {
    goes: Goes,
    /// Pages and how often they were used, in the order in which they came.
    pages: Vec<(u64, u64)>,
}

impl Counted {
    /// LFU: what was used often will be used again.
    pub(super) fn least() -> Self {
        Self {
            goes: Goes::Least,
            pages: Vec::new(),
        }
    }

    /// MFU: what was used little has just come and will be needed.
    pub(super) fn most() -> Self {
        Self {
            goes: Goes::Most,
            ..Self::least()
        }
    }
}

impl ReplacementPolicy for Counted {
    fn page_in(&mut self, page: u64) {
        self.pages.push((page, 0));
    }

    fn page_out(&mut self, page: u64) {
        self.pages.retain(|(other, _)| *other != page);
    }

    fn used(&mut self, page: u64) {
        if let Some((_, uses)) = self.pages.iter_mut().find(|(other, _)| *other == page) {
            *uses += 1;
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let free = self
            .pages
            .iter()
            .filter(|(page, _)| !pages.is_pinned(*page));
        // `min_by_key` takes the first of those that are equal.
        let victim = match self.goes {
            Goes::Least => free.min_by_key(|(_, uses)| *uses),
            Goes::Most => free.min_by_key(|(_, uses)| Reverse(*uses)),
        };
        victim.map(|(page, _)| *page)
    }
}
