//! A hashed table: a bucket is a chain of nodes, each of a page, its frame, and the next node.

use abi::syscall::Errno;

use super::{Memory, Table, Words, hash};

const NODE_WORDS: usize = 3;

/// Buckets first, then nodes. A node is named by its number and one more.
pub(super) struct Hashed {
    memory: Memory,
    buckets: usize,
    nodes: usize,
    most_nodes: usize,
}

impl Hashed {
    /// One for `frames` pages, with as many buckets, rounded up to a power of two.
    pub(super) fn new(frames: usize) -> Result<Self, Errno> {
        let buckets = frames.next_power_of_two();
        Ok(Self {
            memory: Memory::new(buckets + frames * NODE_WORDS)?,
            buckets,
            nodes: 0,
            most_nodes: frames,
        })
    }

    fn node(&self, name: u64) -> usize {
        self.buckets + (name as usize - 1) * NODE_WORDS
    }
}

impl Table for Hashed {
    fn insert(&mut self, page: u64, frame: u64) -> bool {
        if self.nodes == self.most_nodes {
            return false;
        }
        self.nodes += 1;
        let (bucket, name) = (hash(page, self.buckets), self.nodes as u64);
        let node = self.node(name);
        self.memory.set(node, page);
        self.memory.set(node + 1, frame);
        self.memory.set(node + 2, self.memory.word(bucket));
        self.memory.set(bucket, name);
        true
    }

    fn find(&self, words: &mut Words, page: u64) -> Option<u64> {
        let mut name = self.memory.count(words, hash(page, self.buckets));
        while name != 0 {
            let node = self.node(name);
            if self.memory.count(words, node) == page {
                return Some(self.memory.count(words, node + 1));
            }
            name = self.memory.count(words, node + 2);
        }
        None
    }

    fn size_words(&self) -> usize {
        self.buckets + self.most_nodes * NODE_WORDS
    }
}
