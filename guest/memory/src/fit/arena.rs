//! [`Arena`]: memory of one piece, and who has what of it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Fit, Hole};

/// A piece that somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Whose it is.
    pub id: u64,
    /// Where it begins.
    pub start: usize,
    /// Its length: what was asked for in whole grains.
    pub size: usize,
    /// What was asked for.
    pub asked: usize,
}

/// Why a block cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is less free memory than that.
    TooLittle,
    /// There is enough, but in pieces that are too small.
    InPieces,
    /// The policy has chosen a hole that is none, or too small.
    WrongHole,
}

/// Memory of one piece.
pub struct Arena {
    policy: Box<dyn Fit>,
    /// What sizes are rounded up to.
    grain: usize,
    /// By their addresses.
    holes: Vec<Hole>,
    /// By their addresses.
    blocks: Vec<Block>,
    /// Holes looked at so far.
    pub looked: u64,
}

impl Arena {
    /// One with those holes, which stand by their addresses and do not touch.
    pub fn new(policy: Box<dyn Fit>, grain: usize, holes: Vec<Hole>) -> Self {
        Self {
            policy,
            grain: grain.max(1),
            holes,
            blocks: Vec::new(),
            looked: 0,
        }
    }

    /// A block of `asked` for `id`.
    pub fn allocate(&mut self, id: u64, asked: usize) -> Result<Block, Refused> {
        let size = asked.max(1).checked_next_multiple_of(self.grain);
        let size = size.ok_or(Refused::TooLittle)?;
        let Some(index) = self.policy.choose(&self.holes, size, &mut self.looked) else {
            return Err(match self.free() >= size {
                true => Refused::InPieces,
                false => Refused::TooLittle,
            });
        };
        let hole = self.holes.get_mut(index).filter(|hole| hole.size >= size);
        let hole = hole.ok_or(Refused::WrongHole)?;
        let start = hole.start;
        hole.start += size;
        hole.size -= size;
        if hole.size == 0 {
            self.holes.remove(index);
        }
        let block = Block {
            id,
            start,
            size,
            asked,
        };
        let place = self.blocks.partition_point(|other| other.start < start);
        self.blocks.insert(place, block);
        Ok(block)
    }

    /// Takes the block of `id` back; what it was.
    pub fn free_block(&mut self, id: u64) -> Option<Block> {
        let index = self.blocks.iter().position(|block| block.id == id)?;
        let block = self.blocks.remove(index);
        let (start, end) = (block.start, block.start + block.size);
        let place = self.holes.partition_point(|hole| hole.start < start);
        self.holes.insert(
            place,
            Hole {
                start,
                size: block.size,
            },
        );
        // With its neighbours.
        if self
            .holes
            .get(place + 1)
            .is_some_and(|next| next.start == end)
        {
            self.holes[place].size += self.holes.remove(place + 1).size;
        }
        if place > 0 && self.holes[place - 1].start + self.holes[place - 1].size == start {
            self.holes[place - 1].size += self.holes.remove(place).size;
        }
        Some(block)
    }

    /// Moves all blocks to the beginning, in their order; `each` is told what goes from where to
    /// where. The memory has to be all holes and blocks from 0 on.
    pub fn compact(&mut self, mut each: impl FnMut(Block, usize)) {
        let mut end = 0;
        for block in &mut self.blocks {
            if block.start != end {
                each(*block, end);
                block.start = end;
            }
            end += block.size;
        }
        let free = self.free();
        self.holes.clear();
        self.holes.extend((free > 0).then_some(Hole {
            start: end,
            size: free,
        }));
    }

    /// Blocks, by their addresses.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Holes, by their addresses.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// What is in holes.
    pub fn free(&self) -> usize {
        self.holes.iter().map(|hole| hole.size).sum()
    }

    /// How much of the free memory is not in the largest hole, in tenths of a percent.
    pub fn external_permille(&self) -> u64 {
        let largest = self.holes.iter().map(|hole| hole.size).max().unwrap_or(0);
        let free = self.free();
        ((free - largest) as u64 * 1000)
            .checked_div(free as u64)
            .unwrap_or(0)
    }

    /// How much of what blocks have was not asked for, in tenths of a percent.
    pub fn internal_permille(&self) -> u64 {
        let sum = |of: fn(&Block) -> usize| self.blocks.iter().map(of).sum::<usize>();
        let (size, asked) = (sum(|block| block.size), sum(|block| block.asked));
        ((size - asked) as u64 * 1000)
            .checked_div(size as u64)
            .unwrap_or(0)
    }
}
