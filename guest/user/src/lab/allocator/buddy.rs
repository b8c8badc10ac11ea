//! The buddy allocator: blocks of powers of two, split until they fit, and joined with their other
//! half when both are free (Knowlton, 1965).

use alloc::vec;
use alloc::vec::Vec;

use abi::syscall::Errno;

use super::{Allocator, Memory, OBJECT_BYTES};
use crate::mapping::PAGE;

/// log2 of the smallest block.
const SMALLEST: usize = 6;
/// No block.
const NONE: u64 = u64::MAX;
/// No free block begins there.
const HELD: u8 = u8::MAX;

/// A buddy allocator over all of a memory.
pub struct Buddy {
    memory: Memory,
    /// First free block of each order above [`SMALLEST`]; the words of a free block are the next and
    /// the previous one.
    free: Vec<u64>,
    /// Order of the free block that begins at each smallest block.
    heads: Vec<u8>,
    taken: usize,
}

impl Buddy {
    /// One over `pages`, a power of two.
    pub fn new(pages: usize) -> Result<Self, Errno> {
        if !pages.is_power_of_two() {
            return Err(Errno::Inval);
        }
        let orders = (pages * PAGE).ilog2() as usize - SMALLEST + 1;
        let mut buddy = Self {
            memory: Memory::new(pages)?,
            free: vec![NONE; orders],
            heads: vec![HELD; (pages * PAGE) >> SMALLEST],
            taken: 0,
        };
        buddy.push(0, orders - 1);
        Ok(buddy)
    }

    /// Order of the smallest block for `bytes`.
    fn order(bytes: usize) -> usize {
        let shift = bytes.max(1).next_power_of_two().ilog2() as usize;
        shift.saturating_sub(SMALLEST)
    }

    /// Bytes of a block of that order.
    fn bytes(order: usize) -> usize {
        1 << (order + SMALLEST)
    }

    fn push(&mut self, block: usize, order: usize) {
        let next = self.free[order];
        self.memory.set_word(block, next);
        self.memory.set_word(block + 8, NONE);
        if next != NONE {
            self.memory.set_word(next as usize + 8, block as u64);
        }
        self.free[order] = block as u64;
        self.heads[block >> SMALLEST] = order as u8;
    }

    fn remove(&mut self, block: usize, order: usize) {
        let (next, previous) = (self.memory.word(block), self.memory.word(block + 8));
        match previous {
            NONE => self.free[order] = next,
            previous => self.memory.set_word(previous as usize, next),
        }
        if next != NONE {
            self.memory.set_word(next as usize + 8, previous);
        }
        self.heads[block >> SMALLEST] = HELD;
    }

    /// A block for `bytes`, and its size; `split` is told the size of each block that is halved.
    pub fn take(&mut self, bytes: usize, mut split: impl FnMut(usize)) -> Option<(usize, usize)> {
        let wanted = Self::order(bytes);
        let mut order = (wanted..self.free.len()).find(|order| self.free[*order] != NONE)?;
        let block = self.free[order] as usize;
        self.remove(block, order);
        while order > wanted {
            split(Self::bytes(order));
            order -= 1;
            self.push(block + Self::bytes(order), order);
        }
        self.taken += Self::bytes(wanted);
        Some((block, Self::bytes(wanted)))
    }

    /// Gives a block for `bytes` back; `join` is told the size of each block that is made of two.
    pub fn give_back(&mut self, block: usize, bytes: usize, mut join: impl FnMut(usize)) {
        let (mut block, mut order) = (block, Self::order(bytes));
        self.taken -= Self::bytes(order);
        while order + 1 < self.free.len() {
            let other = block ^ Self::bytes(order);
            if self.heads[other >> SMALLEST] != order as u8 {
                break;
            }
            self.remove(other, order);
            block = block.min(other);
            order += 1;
            join(Self::bytes(order));
        }
        self.push(block, order);
    }

    /// Sizes of the free blocks, the largest first.
    pub fn free_blocks(&self) -> Vec<usize> {
        let mut sizes = Vec::new();
        for (order, first) in self.free.iter().enumerate().rev() {
            let mut block = *first;
            while block != NONE {
                sizes.push(Self::bytes(order));
                block = self.memory.word(block as usize);
            }
        }
        sizes
    }
}

impl Allocator for Buddy {
    fn allocate(&mut self) -> Option<usize> {
        let (object, _) = self.take(OBJECT_BYTES, |_| {})?;
        self.memory.construct(object);
        Some(object)
    }

    fn free(&mut self, object: usize) {
        self.give_back(object, OBJECT_BYTES, |_| {});
    }

    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn taken_bytes(&self) -> usize {
        self.taken
    }
}
