//! An inverted table: an entry for each frame, which says whose page is in it, found by a hash anchor
//! table and chained through the entries themselves. One for all processes.

use abi::syscall::Errno;

use super::{Memory, Table, Words, hash};

const ENTRY_WORDS: usize = 2;

/// Anchors first, then entries: page, and next frame of the chain. Frames are named by their number
/// and one more.
pub(super) struct Inverted {
    memory: Memory,
    anchors: usize,
    frames: usize,
}

impl Inverted {
    pub(super) fn new(frames: usize) -> Result<Self, Errno> {
        let anchors = frames.next_power_of_two();
        Ok(Self {
            memory: Memory::new(anchors + frames * ENTRY_WORDS)?,
            anchors,
            frames,
        })
    }

    fn entry(&self, name: u64) -> usize {
        self.anchors + (name as usize - 1) * ENTRY_WORDS
    }
}

impl Table for Inverted {
    fn insert(&mut self, page: u64, frame: u64) -> bool {
        if frame as usize >= self.frames {
            return false;
        }
        let (anchor, name) = (hash(page, self.anchors), frame + 1);
        let entry = self.entry(name);
        self.memory.set(entry, page);
        self.memory.set(entry + 1, self.memory.word(anchor));
        self.memory.set(anchor, name);
        true
    }

    fn find(&self, words: &mut Words, page: u64) -> Option<u64> {
        let mut name = self.memory.count(words, hash(page, self.anchors));
        while name != 0 {
            let entry = self.entry(name);
            if self.memory.count(words, entry) == page {
                return Some(name - 1);
            }
            name = self.memory.count(words, entry + 1);
        }
        None
    }

    fn size_words(&self) -> usize {
        self.anchors + self.frames * ENTRY_WORDS
    }
}
