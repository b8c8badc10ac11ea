//! [`Blocks`]: frames for the balloon, in pieces as large as there are.

use crate::drivers::Segment;
use crate::mm::buddy::{MAX_ORDER, Want};
use crate::mm::{PAGE_BYTES, PhysAddr, frame};
use alloc::vec::Vec;
use core::ops::Range;

/// Frames that are nobody else's; given back when dropped.
pub(super) struct Blocks {
    /// Where each is, and its order.
    blocks: Vec<(PhysAddr, u8)>,
    frames: u32,
}

impl Blocks {
    /// No frames.
    pub(super) const fn none() -> Self {
        Self {
            blocks: Vec::new(),
            frames: 0,
        }
    }

    /// So many frames; `None` if there are not so many.
    pub(super) fn of(frames: u32) -> Option<Self> {
        let mut blocks = Self::none();
        let mut order = MAX_ORDER;
        while blocks.frames < frames {
            let left = frames - blocks.frames;
            // No more than what is left has bits.
            order = order.min(left.ilog2() as u8);
            match frame::allocate(order, Want::Any) {
                Some(phys) => {
                    blocks.blocks.push((phys, order));
                    blocks.frames += 1 << order;
                }
                None => order = order.checked_sub(1)?,
            }
        }
        Some(blocks)
    }

    /// How many frames.
    pub(super) fn frames(&self) -> u32 {
        self.frames
    }

    /// Numbers of the frames, in pieces of at most `most`.
    pub(super) fn batches(&self, most: u32) -> impl Iterator<Item = Range<u32>> + '_ {
        let blocks = self.blocks.iter();
        blocks.flat_map(move |(phys, order)| pieces(phys.frame(), 1 << order, most))
    }

    /// The blocks as memory.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let blocks = self.blocks.iter();
        let segment = |(phys, order): &(PhysAddr, u8)| Segment {
            phys: *phys,
            // 4 MiB at most.
            len: (PAGE_BYTES << order) as u32,
        };
        blocks.map(segment).collect()
    }

    /// Writes to every frame; how many were zero, by their first words.
    pub(super) fn touch(&self) -> u64 {
        let blocks = self.blocks.iter();
        blocks.map(|(phys, order)| frame::mark(*phys, *order)).sum()
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for (phys, order) in &self.blocks {
            frame::release(*phys, *order);
        }
    }
}

/// `count` numbers from `first` on, in pieces of at most `most`.
fn pieces(first: u32, count: u32, most: u32) -> impl Iterator<Item = Range<u32>> {
    let end = first + count;
    let starts = (first..end).step_by(most as usize);
    starts.map(move |start| start..end.min(start + most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_all_of_it_once() {
        let of = |most| pieces(1024, 600, most).collect::<Vec<_>>();
        assert_eq!(of(256), [1024..1280, 1280..1536, 1536..1624]);
        assert_eq!(of(1).len(), 600);
        assert_eq!(of(1024).len(), 1);
    }
}
