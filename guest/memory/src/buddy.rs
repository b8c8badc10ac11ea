//! The buddy allocator: blocks of 2^order frames, split on demand and joined when free.
//!
//! Nothing is set up for frames in advance. Memory comes in as ranges that nobody has touched
//! ([`Buddy::add`]); a block of the largest order is cut off one only when the free lists have
//! nothing that fits. The caller maps it ([`Buddy::reserve_supply`]) before it is used.
//!
//! Blocks remember whether they are *fresh*: not written since the machine was started, and so
//! zero already. Fresh blocks stand at the tail of a free list and used ones at its head, and
//! who wants zeroes is served from the tail.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed};

/// Largest order: 4 MiB.
pub const MAX_ORDER: u8 = 10;
const ORDERS: usize = MAX_ORDER as usize + 1;
/// No frame.
const NONE: u32 = u32::MAX;
/// Most ranges of memory that are taken in; more are left unused.
const MAX_RANGES: usize = 32;

/// Not the first frame of a free block.
const HELD: u8 = 0;
const FREE_USED: u8 = 1;
const FREE_FRESH: u8 = 2;

/// What is known of a frame; all zero is right for one that has never been part of a free block.
///
/// The allocator uses `next` and `previous` while the frame heads a free block. While it is in
/// use they are its owner's, as the other fields are.
#[derive(Debug, Default)]
#[repr(C)]
pub struct FrameInfo {
    next: AtomicU32,
    previous: AtomicU32,
    /// Who uses it: page tables that map it, and pins.
    pub references: AtomicU32,
    /// Devices that read or write it now.
    pub pins: AtomicU16,
    order: AtomicU8,
    state: AtomicU8,
}

const _: () = assert!(size_of::<FrameInfo>() == 16);

impl FrameInfo {
    /// The swap slot, plus one, that holds a copy of the frame in use; 0 for none.
    pub fn slot(&self) -> &AtomicU32 {
        &self.next
    }
}

/// Whether a block has to be all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Whatever is at hand, used blocks first.
    Any,
    /// Fresh ones first.
    Zeroes,
}

/// A block as it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of its first frame.
    pub frame: u32,
    /// Whether it is all zero.
    pub fresh: bool,
}

/// Frames that no block has been cut off yet.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    next: u32,
    end: u32,
}

/// The allocator. `frames[n]` describes frame number `n`.
#[derive(Debug)]
pub struct Buddy {
    frames: &'static [FrameInfo],
    lists: [List; ORDERS],
    ranges: [Range; MAX_RANGES],
    range_count: usize,
    free: u64,
    /// Those of the free that are fresh.
    fresh: u64,
}

#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
}

impl Buddy {
    /// An allocator without memory.
    pub const fn new(frames: &'static [FrameInfo]) -> Self {
        Self {
            frames,
            lists: [List {
                head: NONE,
                tail: NONE,
            }; ORDERS],
            ranges: [Range { next: 0, end: 0 }; MAX_RANGES],
            range_count: 0,
            free: 0,
            fresh: 0,
        }
    }

    /// Takes in frames from `first` up to `end`, which are fresh.
    pub fn add(&mut self, first: u32, end: u32) {
        let end = end.min(u32::try_from(self.frames.len()).unwrap_or(NONE));
        if first < end && self.range_count < MAX_RANGES {
            self.ranges[self.range_count] = Range { next: first, end };
            self.range_count += 1;
            self.free += u64::from(end - first);
            self.fresh += u64::from(end - first);
        }
    }

    /// Frames that are free.
    pub fn free_frames(&self) -> u64 {
        self.free
    }

    /// Those of them that are fresh.
    pub fn fresh_frames(&self) -> u64 {
        self.fresh
    }

    /// A block of 2^`order` frames from the free lists.
    pub fn allocate(&mut self, order: u8, want: Want) -> Option<Block> {
        let found = match want {
            Want::Zeroes => self.find_fresh(order),
            Want::Any => self.find_any(order),
        };
        let (frame, mut found_order) = found?;
        let fresh = self.info(frame).state.load(Relaxed) == FREE_FRESH;
        self.unlink(frame, found_order);
        while found_order > order {
            found_order -= 1;
            self.insert(frame + (1 << found_order), found_order, fresh);
        }
        self.free -= 1 << order;
        self.fresh -= u64::from(fresh) << order;
        Some(Block { frame, fresh })
    }

    /// First frames of the free blocks of that order, by where they stand in its list.
    pub fn free_blocks(&self, order: u8) -> impl Iterator<Item = u32> + '_ {
        let head = self
            .lists
            .get(usize::from(order))
            .map_or(NONE, |list| list.head);
        let listed = |frame: u32| (frame != NONE).then_some(frame);
        core::iter::successors(listed(head), move |frame| {
            listed(self.info(*frame).next.load(Relaxed))
        })
    }

    /// Takes 2^`order` frames, aligned so, that nobody has touched, out of the ranges: for blocks
    /// beyond [`MAX_ORDER`]. They come back as blocks of that order, by [`Buddy::release`].
    pub fn reserve_beyond(&mut self, order: u8) -> Option<u32> {
        let frames = 1_u32.checked_shl(order.into())?;
        let ranges = &mut self.ranges[..self.range_count];
        let (range, first) = ranges.iter_mut().find_map(|range| {
            let first = range.next.checked_next_multiple_of(frames)?;
            let end = first.checked_add(frames)?;
            (end <= range.end).then_some((range, first))
        })?;
        let (end, behind) = (range.end, first + frames);
        range.end = first;
        self.free -= u64::from(frames);
        self.fresh -= u64::from(frames);
        if behind < end && self.range_count < MAX_RANGES {
            self.ranges[self.range_count] = Range { next: behind, end };
            self.range_count += 1;
        }
        Some(first)
    }

    /// Cuts a block of the largest order that fits off a range nobody has touched, and gives its
    /// first frame and order. [`Buddy::supply`] puts it into the free lists.
    pub fn reserve_supply(&mut self) -> Option<(u32, u8)> {
        let ranges = &mut self.ranges[..self.range_count];
        let range = ranges.iter_mut().find(|range| range.next < range.end)?;
        let fits = (range.end - range.next).ilog2();
        let order = fits
            .min(range.next.trailing_zeros())
            .min(u32::from(MAX_ORDER));
        let frame = range.next;
        range.next += 1 << order;
        u8::try_from(order).ok().map(|order| (frame, order))
    }

    /// Puts a block of [`Buddy::reserve_supply`] into the free lists.
    pub fn supply(&mut self, (frame, order): (u32, u8)) {
        self.insert(frame, order, true);
    }

    /// Gives a block back.
    ///
    /// # Panics
    /// If it is free already.
    pub fn release(&mut self, mut frame: u32, mut order: u8) {
        assert!(
            self.info(frame).state.load(Relaxed) == HELD,
            "frame {frame:#x} was freed twice"
        );
        self.free += 1 << order;
        while order < MAX_ORDER {
            let buddy = frame ^ (1 << order);
            let Some(info) = self.frames.get(buddy as usize) else {
                break;
            };
            if info.state.load(Relaxed) == HELD || info.order.load(Relaxed) != order {
                break;
            }
            if info.state.load(Relaxed) == FREE_FRESH {
                self.fresh -= 1 << order;
            }
            self.unlink(buddy, order);
            frame = frame.min(buddy);
            order += 1;
        }
        self.insert(frame, order, false);
    }

    fn find_any(&self, order: u8) -> Option<(u32, u8)> {
        (order..=MAX_ORDER)
            .map(|order| (self.lists[usize::from(order)].head, order))
            .find(|found| found.0 != NONE)
    }

    fn find_fresh(&self, order: u8) -> Option<(u32, u8)> {
        let mut tails =
            (order..=MAX_ORDER).map(|order| (self.lists[usize::from(order)].tail, order));
        tails
            .find(|&(frame, _)| frame != NONE && self.info(frame).state.load(Relaxed) == FREE_FRESH)
    }

    fn info(&self, frame: u32) -> &'static FrameInfo {
        &self.frames[frame as usize]
    }

    fn insert(&mut self, frame: u32, order: u8, fresh: bool) {
        let info = self.info(frame);
        info.order.store(order, Relaxed);
        info.state
            .store(if fresh { FREE_FRESH } else { FREE_USED }, Relaxed);
        let List { head, tail } = self.lists[usize::from(order)];
        let (previous, next) = if fresh { (tail, NONE) } else { (NONE, head) };
        info.previous.store(previous, Relaxed);
        info.next.store(next, Relaxed);
        self.set_next(previous, order, frame);
        self.set_previous(next, order, frame);
    }

    fn unlink(&mut self, frame: u32, order: u8) {
        let info = self.info(frame);
        info.state.store(HELD, Relaxed);
        let (previous, next) = (info.previous.load(Relaxed), info.next.load(Relaxed));
        self.set_next(previous, order, next);
        self.set_previous(next, order, previous);
        info.next.store(0, Relaxed);
    }

    /// Lets `frame`, or the list where that is none, be followed by `next`.
    fn set_next(&mut self, frame: u32, order: u8, next: u32) {
        match frame {
            NONE => self.lists[usize::from(order)].head = next,
            frame => self.info(frame).next.store(next, Relaxed),
        }
    }

    /// Lets `frame`, or the list where that is none, be preceded by `previous`.
    fn set_previous(&mut self, frame: u32, order: u8, previous: u32) {
        match frame {
            NONE => self.lists[usize::from(order)].tail = previous,
            frame => self.info(frame).previous.store(previous, Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn buddy(frames: u32) -> Buddy {
        let infos: Vec<FrameInfo> = (0..frames).map(|_| FrameInfo::default()).collect();
        Buddy::new(infos.leak())
    }

    fn allocate(buddy: &mut Buddy, order: u8, want: Want) -> Option<Block> {
        loop {
            if let Some(block) = buddy.allocate(order, want) {
                return Some(block);
            }
            let block = buddy.reserve_supply()?;
            buddy.supply(block);
        }
    }

    #[test]
    fn every_frame_is_handed_out_once() {
        let mut buddy = buddy(5000);
        buddy.add(3, 700);
        buddy.add(1024, 5000);
        let mut seen = BTreeSet::new();
        while let Some(block) = allocate(&mut buddy, 0, Want::Any) {
            assert!(block.fresh && seen.insert(block.frame));
        }
        assert_eq!(seen.len(), 697 + 3976);
        assert!(
            seen.iter()
                .all(|f| (3..700).contains(f) || (1024..5000).contains(f))
        );
        assert_eq!((buddy.free_frames(), buddy.fresh_frames()), (0, 0));
    }

    #[test]
    fn free_buddies_join_and_are_no_longer_fresh() {
        let mut buddy = buddy(2048);
        buddy.add(0, 2048);
        let frames: Vec<u32> = (0..2048)
            .map(|_| allocate(&mut buddy, 0, Want::Any).unwrap().frame)
            .collect();
        for frame in frames {
            buddy.release(frame, 0);
        }
        assert_eq!((buddy.free_frames(), buddy.fresh_frames()), (2048, 0));
        let block = buddy.allocate(MAX_ORDER, Want::Zeroes);
        assert_eq!(block, None, "no block is fresh");
        assert!(!buddy.allocate(MAX_ORDER, Want::Any).unwrap().fresh);
        assert!(buddy.allocate(MAX_ORDER, Want::Any).is_some());
    }

    #[test]
    fn what_is_joined_with_a_used_block_is_fresh_no_longer() {
        let mut buddy = buddy(1024);
        buddy.add(0, 1024);
        assert_eq!(buddy.fresh_frames(), 1024);
        let frame = allocate(&mut buddy, 0, Want::Zeroes).unwrap().frame;
        assert_eq!(buddy.fresh_frames(), 1023);
        buddy.release(frame, 0);
        assert_eq!((buddy.free_frames(), buddy.fresh_frames()), (1024, 0));
    }

    #[test]
    fn blocks_are_aligned_to_their_size() {
        let mut buddy = buddy(4096);
        buddy.add(1, 4096);
        for order in [3, 0, 5, 1, 9, 2] {
            let block = allocate(&mut buddy, order, Want::Any).unwrap();
            assert_eq!(block.frame % (1 << order), 0);
        }
    }

    #[test]
    fn what_is_beyond_the_largest_order_comes_out_of_what_nobody_has_touched() {
        let mut buddy = buddy(3 << 14);
        buddy.add(5, 3 << 14);
        assert_eq!(buddy.reserve_beyond(16), None);
        assert_eq!(buddy.reserve_beyond(14), Some(1 << 14));
        assert_eq!(buddy.reserve_beyond(14), Some(2 << 14));
        assert_eq!(buddy.reserve_beyond(14), None);
        assert_eq!(buddy.free_frames(), (1 << 14) - 5);
        for first in (1 << 14..2 << 14).step_by(1 << MAX_ORDER) {
            buddy.release(first, MAX_ORDER);
        }
        let mut frames = BTreeSet::new();
        while let Some(block) = allocate(&mut buddy, 0, Want::Any) {
            assert!(frames.insert(block.frame), "{} twice", block.frame);
        }
        assert_eq!(frames.len(), (2 << 14) - 5);
        assert!(frames.iter().all(|frame| *frame < 2 << 14));
    }

    #[test]
    fn what_is_behind_a_block_beyond_the_largest_order_is_still_there() {
        let mut buddy = buddy(3 << 12);
        buddy.add(0, 3 << 12);
        assert_eq!(buddy.reserve_beyond(12), Some(0));
        let mut count = 0;
        while allocate(&mut buddy, 0, Want::Any).is_some() {
            count += 1;
        }
        assert_eq!(count, 2 << 12);
    }

    #[test]
    fn zeroes_are_fresh_and_anything_is_used_first() {
        let mut buddy = buddy(1024);
        buddy.add(0, 1024);
        let used = allocate(&mut buddy, 0, Want::Any).unwrap().frame;
        let _neighbour = buddy.allocate(0, Want::Any).unwrap();
        buddy.release(used, 0);
        let zero = buddy.allocate(0, Want::Zeroes).unwrap();
        assert!(zero.fresh && zero.frame != used);
        assert_eq!(
            buddy.allocate(0, Want::Any),
            Some(Block {
                frame: used,
                fresh: false
            })
        );
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn freeing_twice_is_found() {
        let mut buddy = buddy(64);
        buddy.add(0, 64);
        let frame = allocate(&mut buddy, 0, Want::Any).unwrap().frame;
        buddy.release(frame, 0);
        buddy.release(frame, 0);
    }
}
