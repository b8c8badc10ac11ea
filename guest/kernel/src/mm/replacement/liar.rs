//! A policy that is wrong: it shows that the kernel looks at what a policy says.

use alloc::vec::Vec;

use super::{Pages, ReplacementPolicy};

/// Names a page that has gone before it names one that is there, which a device may be using.
#[derive(Default)]
pub(super) struct Liar {
    pages: Vec<u64>,
    gone: Option<u64>,
}

impl ReplacementPolicy for Liar {
    fn page_in(&mut self, page: u64) {
        self.pages.push(page);
    }

    fn page_out(&mut self, page: u64) {
        self.pages.retain(|other| *other != page);
        self.gone = match self.gone {
            // It was refused.
            Some(gone) if gone == page => None,
            _ => Some(page),
        };
    }

    fn select_victim(&mut self, _: &dyn Pages) -> Option<u64> {
        self.gone.or_else(|| self.pages.first().copied())
    }
}
