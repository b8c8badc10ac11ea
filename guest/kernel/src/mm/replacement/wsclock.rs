//! The working-set clock: a hand goes round and takes a page that has left the working set, that
//! is, was not used for a window of ticks (Carr, Hennessy: WSClock, SOSP 1981).

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy, Settings};

/// Window where none is given.
const DEFAULT_WINDOW: u64 = 4;

/// A page, and when it was used last as far as the hand has seen.
struct Seen {
    page: u64,
    last_use: u64,
}

/// Evicts an old page that need not be written, else an old one, else the oldest.
pub(super) struct WsClock {
    pages: Vec<Seen>,
    /// Index of the page that is looked at next.
    hand: usize,
    now: u64,
    window: u64,
}

impl WsClock {
    pub(super) fn new(settings: Settings) -> Self {
        let window = match settings.window {
            0 => DEFAULT_WINDOW,
            window => window,
        };
        Self {
            pages: Vec::new(),
            hand: 0,
            now: 0,
            window,
        }
    }
}

impl ReplacementPolicy for WsClock {
    /// Behind the hand, so that it is looked at last.
    fn page_in(&mut self, page: u64) {
        let last_use = self.now;
        self.pages.insert(self.hand, Seen { page, last_use });
        self.hand += 1;
    }

    fn page_out(&mut self, page: u64) {
        if let Some(position) = self.pages.iter().position(|seen| seen.page == page) {
            self.pages.remove(position);
            self.hand -= usize::from(position < self.hand);
        }
    }

    fn tick(&mut self, _: &dyn Pages) {
        self.now += 1;
    }

    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64> {
        let mut oldest: Option<(u64, u64)> = None;
        for _ in 0..self.pages.len() {
            if self.hand >= self.pages.len() {
                self.hand = 0;
            }
            let seen = &mut self.pages[self.hand];
            if pages.take_accessed(seen.page) {
                seen.last_use = self.now;
            }
            if !pages.is_pinned(seen.page) {
                let is_old = self.now - seen.last_use > self.window;
                if is_old && !pages.is_dirty(seen.page) {
                    return Some(seen.page);
                }
                if oldest.is_none_or(|(last_use, _)| seen.last_use < last_use) {
                    oldest = Some((seen.last_use, seen.page));
                }
            }
            self.hand += 1;
        }
        oldest.map(|(_, page)| page)
    }
}
