//! Free frames: stacks of single ones before the [`Buddy`] allocator.
//!
//! Most requests are for one frame. Those are served from two stacks, without splitting and
//! joining blocks: one of frames given back, one of frames that are still zero.

use super::addr::{PAGE_BYTES, PhysAddr};
use super::buddy::{Block, Buddy, MAX_ORDER, Want};
use super::kernel_map;

/// The machine's free frames.
pub(super) struct Free {
    buddy: Buddy,
    /// Frames given back.
    used: Stack,
    /// Frames of zeroes.
    fresh: Stack,
}

/// Numbers of single frames.
struct Stack {
    frames: [u32; STACK_FRAMES],
    len: usize,
}

const STACK_FRAMES: usize = 64;
/// log2 of the frames that the stack of zeroes gets at a time.
const REFILL_ORDER: u8 = 5;

impl Stack {
    const fn new() -> Self {
        Self {
            frames: [0; STACK_FRAMES],
            len: 0,
        }
    }

    /// Takes `frame` in; false if there is no room.
    fn push(&mut self, frame: u32) -> bool {
        let place = self.frames.get_mut(self.len);
        self.len += usize::from(place.is_some());
        place.map(|place| *place = frame).is_some()
    }

    fn pop(&mut self) -> Option<u32> {
        self.len = self.len.checked_sub(1)?;
        self.frames.get(self.len).copied()
    }
}

impl Free {
    /// Those that `buddy` has.
    pub(super) const fn new(buddy: Buddy) -> Self {
        Self {
            buddy,
            used: Stack::new(),
            fresh: Stack::new(),
        }
    }

    /// 2^`order` frames: where they are and whether they are all zero.
    pub(super) fn allocate(&mut self, order: u8, want: Want) -> Option<Block> {
        if order == 0
            && let Some(block) = self.single(want)
        {
            return Some(block);
        }
        self.block(order, want).or_else(|| {
            self.give_up_stacks();
            self.block(order, want)
        })
    }

    /// 2^`order` frames of zeroes, beyond what blocks have; not in the direct map.
    pub(super) fn allocate_beyond(&mut self, order: u8) -> Option<u32> {
        self.buddy.reserve_beyond(order)
    }

    /// Takes such back.
    pub(super) fn release_beyond(&mut self, frame: u32, order: u8) {
        let start = PhysAddr::of_frame(frame).0;
        kernel_map::map_direct(start, start + (PAGE_BYTES << order));
        let blocks = (frame..frame + (1 << order)).step_by(1 << MAX_ORDER);
        blocks.for_each(|first| self.buddy.release(first, MAX_ORDER));
    }

    /// A single frame from the stack that fits.
    fn single(&mut self, want: Want) -> Option<Block> {
        let fresh = want == Want::Zeroes;
        if !fresh {
            let frame = self.used.pop()?;
            return Some(Block { frame, fresh });
        }
        if self.fresh.len == 0
            && let Some(block) = self.block(REFILL_ORDER, want)
        {
            if block.fresh {
                (0..1 << REFILL_ORDER).for_each(|i| _ = self.fresh.push(block.frame + i));
            } else {
                self.buddy.release(block.frame, REFILL_ORDER);
            }
        }
        let frame = self.fresh.pop()?;
        Some(Block { frame, fresh })
    }

    /// A block from the buddy allocator, which gets memory as it needs it.
    fn block(&mut self, order: u8, want: Want) -> Option<Block> {
        loop {
            if let Some(block) = self.buddy.allocate(order, want) {
                return Some(block);
            }
            let Some((frame, frame_order)) = self.buddy.reserve_supply() else {
                // No zeroes are left, but there may be something to clear.
                return self.buddy.allocate(order, Want::Any);
            };
            let start = PhysAddr::of_frame(frame).0;
            kernel_map::map_direct(start, start + (PAGE_BYTES << frame_order));
            self.buddy.supply((frame, frame_order));
        }
    }

    /// Takes 2^`order` frames back.
    pub(super) fn release(&mut self, frame: u32, order: u8) {
        if order != 0 || !self.used.push(frame) {
            self.buddy.release(frame, order);
        }
    }

    /// Lets frames on the stacks be joined to blocks, as there are no others.
    #[cold]
    fn give_up_stacks(&mut self) {
        while let Some(frame) = self.used.pop().or_else(|| self.fresh.pop()) {
            self.buddy.release(frame, 0);
        }
    }

    /// The number of those that are fresh.
    pub(super) fn fresh_count(&self) -> u64 {
        self.buddy.fresh_frames() + self.fresh.len as u64
    }

    /// Their number.
    pub(super) fn count(&self) -> u64 {
        self.buddy.free_frames() + (self.used.len + self.fresh.len) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::buddy::FrameInfo;

    fn free(frames: u32) -> Free {
        let infos: Vec<FrameInfo> = (0..frames).map(|_| FrameInfo::default()).collect();
        let mut buddy = Buddy::new(infos.leak());
        // All of it at once: mapping it in turn, as `block` does, needs the image's tables.
        buddy.add(0, frames);
        let all = buddy.reserve_supply().unwrap();
        buddy.supply(all);
        Free::new(buddy)
    }

    #[test]
    fn zeroes_are_fresh_and_anything_is_used_first() {
        let mut free = free(1024);
        let zero = free.allocate(0, Want::Zeroes).unwrap();
        assert!(zero.fresh);
        free.release(zero.frame, 0);
        let any = free.allocate(0, Want::Any).unwrap();
        assert_eq!(any.frame, zero.frame);
        assert!(!any.fresh);
    }

    #[test]
    fn frames_on_the_stacks_can_be_joined_again() {
        let mut free = free(64);
        let frames: Vec<u32> = (0..64)
            .map(|_| free.allocate(0, Want::Any).unwrap().frame)
            .collect();
        frames.iter().for_each(|frame| free.release(*frame, 0));
        assert_eq!(free.used.len, 64);
        assert!(free.allocate(6, Want::Any).is_some());
    }
}
