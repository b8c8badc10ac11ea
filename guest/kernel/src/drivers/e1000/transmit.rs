//! [`Transmit`]: frames in the transmit ring (SDM 3.3, 3.4), by legacy descriptors that point to
//! the frames where they are: in a program's memory, or, small ones, in a place of the kernel's that
//! each descriptor has, so that nobody waits until they have gone.
//!
//! The card is told of many frames at once, by its tail register, and says so when it is done with
//! the last of them.

use super::descriptors::Descriptors;
use crate::drivers::Segment;
use crate::mm::DmaBuffer;

/// Descriptors of the ring.
pub(super) const COUNT: u16 = 256;
/// Most segments of a frame, which an empty ring has room for.
pub(super) const MAX_SEGMENTS: usize = COUNT as usize - 1;

/// Descriptor, above the length: end of packet, check sequence to be put in, report status.
const END: u64 = 1 << 24;
const CHECK: u64 = 1 << 25;
const REPORT: u64 = 1 << 27;
/// Status: done.
const DONE: u64 = 1 << 32;

/// Whose memory a frame is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// A program's, who wants it back.
    Program,
    /// The place of the next descriptor.
    Kernel,
}

/// The ring, as the driver sees it.
pub(super) struct Transmit<D = DmaBuffer> {
    descriptors: D,
    /// First descriptor that the card may still use.
    first: u16,
    /// The descriptor after the last that the card knows of.
    told: u16,
    /// The descriptor to be set next.
    next: u16,
    /// What the one before that has, besides its address.
    last: u64,
    /// The card may still use a program's memory.
    is_lent: bool,
}

impl<D: Descriptors> Transmit<D> {
    /// An empty ring of [`COUNT`] descriptors.
    pub(super) fn new(descriptors: D) -> Self {
        Self {
            descriptors,
            first: 0,
            told: 0,
            next: 0,
            last: 0,
            is_lent: false,
        }
    }

    /// The descriptor to be set next, which the card does not use.
    pub(super) fn next(&self) -> u16 {
        self.next
    }

    /// Whether the card may still use a program's memory.
    pub(super) fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// Adds a frame of at most [`MAX_SEGMENTS`]; false if there is no room for it.
    pub(super) fn add(&mut self, frame: &[Segment], memory: Memory) -> bool {
        let segments = frame.iter().filter(|segment| !segment.is_empty());
        let used = self.next.wrapping_sub(self.first) % COUNT;
        if segments.clone().count() > usize::from(COUNT - 1 - used) {
            return false;
        }
        self.is_lent |= memory == Memory::Program;
        let mut left: usize = frame.iter().map(Segment::len).sum();
        for segment in segments {
            left -= segment.len();
            let end = if left == 0 { END } else { 0 };
            self.last = u64::from(segment.len) | CHECK | end;
            self.descriptors.set(self.next, segment.phys, self.last);
            self.next = after(self.next);
        }
        true
    }

    /// The card's new tail, if there is something that it does not know of.
    pub(super) fn publish(&mut self) -> Option<u16> {
        if self.next == self.told {
            return None;
        }
        // What is done by now need not be waited for when the ring is full.
        self.is_done();
        self.descriptors
            .set_rest(before(self.next), self.last | REPORT);
        self.told = self.next;
        Some(self.next)
    }

    /// Whether the card is done with all that it knows of.
    pub(super) fn is_done(&mut self) -> bool {
        if self.first != self.told && self.descriptors.rest(before(self.told)) & DONE != 0 {
            self.first = self.told;
        }
        let is_done = self.first == self.told;
        if is_done && self.next == self.told {
            self.is_lent = false;
        }
        is_done
    }
}

fn after(index: u16) -> u16 {
    (index + 1) % COUNT
}

fn before(index: u16) -> u16 {
    index.checked_sub(1).unwrap_or(COUNT - 1)
}

#[cfg(test)]
mod tests {
    use super::super::descriptors::testing::Fake;
    use super::*;
    use crate::mm::PhysAddr;

    fn segment(phys: u64, len: u32) -> Segment {
        Segment {
            phys: PhysAddr(phys),
            len,
        }
    }

    /// A frame of two segments.
    fn frame() -> [Segment; 2] {
        [segment(0x1ff0, 16), segment(0x5000, 1498)]
    }

    fn ring() -> Transmit<Fake> {
        Transmit::new(Fake::new(COUNT))
    }

    fn add(ring: &mut Transmit<Fake>, frame: &[Segment]) -> bool {
        ring.add(frame, Memory::Program)
    }

    /// The card is done with the descriptor.
    fn write_back(ring: &Transmit<Fake>, index: u16) {
        let rest = ring.descriptors.rest(index);
        ring.descriptors.set_rest(index, rest | DONE);
    }

    #[test]
    fn the_last_of_many_frames_reports() {
        let mut ring = ring();
        assert_eq!(ring.publish(), None, "nothing to tell");
        assert!(ring.is_done());
        assert!(
            add(&mut ring, &frame()) && add(&mut ring, &[segment(0x9000, 0), segment(0x7000, 60)])
        );
        assert_eq!(ring.publish(), Some(3));
        assert_eq!(
            ring.descriptors.0.borrow()[..4],
            [
                (0x1ff0, 16 | CHECK),
                (0x5000, 1498 | CHECK | END),
                (0x7000, 60 | CHECK | END | REPORT),
                (0, 0)
            ]
        );
        assert_eq!(ring.publish(), None, "told already");
        write_back(&ring, 0);
        assert!(!ring.is_done(), "that one was not asked for");
        write_back(&ring, 2);
        assert!(ring.is_done());
    }

    #[test]
    fn a_full_ring_takes_no_frame_until_the_card_is_done() {
        let mut ring = ring();
        let frames = (0..COUNT).take_while(|_| add(&mut ring, &frame())).count();
        assert_eq!(frames, MAX_SEGMENTS / 2, "one descriptor stays free");
        assert_eq!(ring.publish(), Some(254));
        assert!(!add(&mut ring, &frame()) && add(&mut ring, &[segment(0, 60)]));
        assert_eq!(ring.publish(), Some(255));
        assert!(!add(&mut ring, &[segment(0, 60)]));
        write_back(&ring, 254);
        assert!(ring.is_done());
        assert!(add(&mut ring, &frame()));
        assert_eq!(ring.publish(), Some(1), "around the end");
        assert!(
            !ring.is_done(),
            "the first frame's status is not this one's"
        );
        write_back(&ring, 0);
        assert!(ring.is_done());
    }

    #[test]
    fn memory_is_lent_until_the_last_frame_in_it_is_done() {
        let mut ring = ring();
        assert!(ring.add(&[segment(0, 60)], Memory::Kernel));
        assert_eq!(ring.publish(), Some(1));
        assert!(!ring.is_lent(), "nobody wants that back");
        assert!(add(&mut ring, &frame()));
        assert!(ring.is_lent());
        write_back(&ring, 0);
        assert_eq!(ring.publish(), Some(3));
        assert!(!ring.is_done() && ring.is_lent());
        assert!(ring.add(&[segment(0, 60)], Memory::Kernel));
        write_back(&ring, 2);
        assert_eq!(ring.publish(), Some(4));
        write_back(&ring, 3);
        assert!(ring.is_done() && !ring.is_lent());
    }

    #[test]
    fn a_ring_of_frames_that_nobody_waits_for_has_room_again() {
        let mut ring = ring();
        for number in 0..4 * COUNT {
            assert!(ring.add(&[segment(0, 60)], Memory::Kernel), "{number}");
            ring.publish();
            write_back(&ring, number % COUNT);
        }
    }
}
