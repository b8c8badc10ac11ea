//! The optimal policy, for those who know the future: a run before, whose uses were recorded.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy, Settings};

/// Never again.
const NEVER: u64 = u64::MAX;

/// Evicts the page whose next use is farthest away (Belady, 1966).
pub(super) struct Opt {
    /// For each use to come, the number of the next use of the same page.
    next: Vec<u64>,
    /// Uses that have been.
    now: usize,
    /// Pages in memory and the number of their next use.
    pages: Vec<(u64, u64)>,
}

impl Opt {
    pub(super) fn new(settings: Settings) -> Self {
        let mut next = settings.future;
        let mut seen = BTreeMap::new();
        for (number, page) in next.iter_mut().enumerate().rev() {
            *page = seen.insert(*page, number as u64).unwrap_or(NEVER);
        }
        Self {
            next,
            now: 0,
            pages: Vec::new(),
        }
    }
}

impl ReplacementPolicy for Opt {
    fn page_in(&mut self, page: u64) {
        self.pages.push((page, NEVER));
    }

    fn page_out(&mut self, page: u64) {
        self.pages.retain(|(other, _)| *other != page);
    }

    fn used(&mut self, page: u64) {
        let next = self.next.get(self.now).copied().unwrap_or(NEVER);
        self.now += 1;
        if let Some((_, its_next)) = self.pages.iter_mut().find(|(other, _)| *other == page) {
            *its_next = next;
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let free = self
            .pages
            .iter()
            .filter(|(page, _)| !pages.is_pinned(*page));
        free.max_by_key(|(_, next)| *next).map(|(page, _)| *page)
    }
}
