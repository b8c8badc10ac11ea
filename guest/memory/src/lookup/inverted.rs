//! An inverted table: an entry for each frame, whatever pages there are, found by chains of a hash.

use alloc::vec;
use alloc::vec::Vec;

use super::{Look, Lookup, PAGES, hash};

/// The table: entry n is of frame n.
#[derive(Debug)]
pub struct Inverted {
    /// First frame of a chain, plus one.
    anchors: Vec<u32>,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// The page in it, plus one; 0 for none.
    page: u64,
    /// The chain's next frame, plus one.
    next: u32,
}

impl Inverted {
    /// For that many frames.
    pub fn new(frames: usize) -> Self {
        Self {
            anchors: vec![0; frames.max(1).next_power_of_two()],
            entries: vec![Entry { page: 0, next: 0 }; frames],
        }
    }
}

impl Lookup for Inverted {
    fn insert(&mut self, page: u64, frame: u32) -> bool {
        let chain = hash(page, self.anchors.len());
        let free = self.entries.get_mut(frame as usize);
        let Some(entry) = free.filter(|entry| entry.page == 0 && page < PAGES) else {
            return false;
        };
        *entry = Entry {
            page: page + 1,
            next: self.anchors[chain],
        };
        self.anchors[chain] = frame + 1;
        true
    }

    fn find(&self, page: u64) -> Look {
        let mut accesses = 1;
        let mut next = self.anchors[hash(page, self.anchors.len())];
        while let Some(frame) = next.checked_sub(1) {
            let entry = &self.entries[frame as usize];
            accesses += 1;
            if entry.page == page + 1 {
                let frame = Some(frame);
                return Look { frame, accesses };
            }
            next = entry.next;
        }
        let frame = None;
        Look { frame, accesses }
    }

    fn bytes(&self) -> usize {
        self.anchors.len() * 4 + self.entries.len() * size_of::<Entry>()
    }
}
