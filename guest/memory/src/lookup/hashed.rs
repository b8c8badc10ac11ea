//! A hashed table: a chain of pages for each value of the hash.

use alloc::vec;
use alloc::vec::Vec;

use super::{Look, Lookup, PAGES, hash};

/// The table: heads of chains, and what they are made of.
#[derive(Debug)]
pub struct Hashed {
    /// Index of a chain's first page, plus one.
    heads: Vec<u32>,
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    page: u64,
    frame: u32,
    /// Index of the chain's next, plus one.
    next: u32,
}

impl Hashed {
    /// With as many chains as there are `frames`, or a few more.
    pub fn new(frames: usize) -> Self {
        Self {
            heads: vec![0; frames.max(1).next_power_of_two()],
            pages: Vec::new(),
        }
    }
}

impl Lookup for Hashed {
    fn insert(&mut self, page: u64, frame: u32) -> bool {
        if page >= PAGES {
            return false;
        }
        let chain = hash(page, self.heads.len());
        let next = self.heads[chain];
        self.pages.push(Page { page, frame, next });
        self.heads[chain] = self.pages.len() as u32;
        true
    }

    fn find(&self, page: u64) -> Look {
        let mut accesses = 1;
        let mut next = self.heads[hash(page, self.heads.len())];
        while let Some(found) = next
            .checked_sub(1)
            .and_then(|at| self.pages.get(at as usize))
        {
            accesses += 1;
            if found.page == page {
                let frame = Some(found.frame);
                return Look { frame, accesses };
            }
            next = found.next;
        }
        let frame = None;
        Look { frame, accesses }
    }

    fn bytes(&self) -> usize {
        self.heads.len() * 4 + self.pages.len() * size_of::<Page>()
    }
}
