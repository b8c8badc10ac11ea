//! An inverted table without a hash: it is searched from the first frame on.

use alloc::vec;
use alloc::vec::Vec;

use super::{Look, Lookup, PAGES};

/// For each frame the page in it, plus one; 0 for none.
#[derive(Debug)]
pub struct Searched(Vec<u64>);

impl Searched {
    /// For that many frames.
    pub fn new(frames: usize) -> Self {
        Self(vec![0; frames])
    }
}

impl Lookup for Searched {
    fn insert(&mut self, page: u64, frame: u32) -> bool {
        let free = self.0.get_mut(frame as usize);
        let Some(entry) = free.filter(|entry| **entry == 0 && page < PAGES) else {
            return false;
        };
        *entry = page + 1;
        true
    }

    fn find(&self, page: u64) -> Look {
        let found = self.0.iter().position(|entry| *entry == page + 1);
        let looked = found.map_or(self.0.len(), |frame| frame + 1);
        Look {
            frame: found.map(|frame| frame as u32),
            accesses: looked as u32,
        }
    }

    fn bytes(&self) -> usize {
        self.0.len() * size_of::<u64>()
    }
}
