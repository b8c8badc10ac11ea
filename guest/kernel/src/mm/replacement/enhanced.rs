//! Enhanced second chance: as the clock, with an eye to what evicting costs.
//!
//! Pages are of four classes: used or not since the hand came by, and written to or not. The first
//! round looks for one that is neither, the second for one that is only written to, and takes the
//! notes of use away; the third and fourth find what these two have left (Silberschatz, Galvin,
//! Gagne: Operating System Concepts, 10th ed., 10.4.5.3).

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy};

/// Evicts a page that was not used lately, of those rather one that need not be written.
#[derive(Default)]
pub(super) struct Enhanced {
    /// Pages, and whether they were used since the hand came by.
    pages: Vec<(u64, bool)>,
    /// Index of the page that is looked at next.
    hand: usize,
}

/// What a round looks for among pages that were not used.
const ROUNDS: [(Wanted, Used); 4] = [
    (Wanted::Clean, Used::Keep),
    (Wanted::Any, Used::Forget),
    (Wanted::Clean, Used::Keep),
    (Wanted::Any, Used::Forget),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Clean,
    Any,
}

/// What becomes of the note that a page was used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Used {
    Keep,
    Forget,
}

impl Enhanced {
    /// Goes round once.
    fn go_round(&mut self, pages: &dyn Pages, wanted: Wanted, note: Used) -> Option<u64> {
        for _ in 0..self.pages.len() {
            if self.hand >= self.pages.len() {
                self.hand = 0;
            }
            let (page, used) = &mut self.pages[self.hand];
            *used |= pages.take_accessed(*page);
            let fits = wanted == Wanted::Any || !pages.is_dirty(*page);
            if !*used && fits && !pages.is_pinned(*page) {
                return Some(*page);
            }
            *used &= note == Used::Keep;
            self.hand += 1;
        }
        None
    }
}

impl ReplacementPolicy for Enhanced {
    /// Behind the hand, so that it is looked at last.
    fn page_in(&mut self, page: u64) {
        self.pages.insert(self.hand, (page, false));
        self.hand += 1;
    }

    fn page_out(&mut self, page: u64) {
        if let Some(position) = self.pages.iter().position(|(other, _)| *other == page) {
            self.pages.remove(position);
            self.hand -= usize::from(position < self.hand);
        }
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let mut rounds = ROUNDS.into_iter();
        let found = rounds.find_map(|(wanted, note)| self.go_round(pages, wanted, note));
        // Programs run meanwhile and may have used all again.
        found.or_else(|| {
            let mut any = self.pages.iter().map(|(page, _)| *page);
            any.find(|page| !pages.is_pinned(*page))
        })
    }
}
