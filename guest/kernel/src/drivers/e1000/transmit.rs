//! [`Transmit`]: frames in the transmit ring (SDM 3.3, 3.4), by legacy descriptors that point to
//! the frames where they are.
//!
//! The card is told of many frames at once, by its tail register, and says so when it is done with
//! the last of them; nobody tells it of more before that.

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
        }
    }

    /// Adds a frame of at most [`MAX_SEGMENTS`]; false if there is no room for it.
    pub(super) fn add(&mut self, frame: &[Segment]) -> bool {
        let segments = frame.iter().filter(|segment| !segment.is_empty());
        let used = self.next.wrapping_sub(self.first) % COUNT;
        if segments.clone().count() > usize::from(COUNT - 1 - used) {
            return false;
        }
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
        self.first == self.told
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
        assert!(ring.add(&frame()) && ring.add(&[segment(0x9000, 0), segment(0x7000, 60)]));
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
        let frames = (0..COUNT).take_while(|_| ring.add(&frame())).count();
        assert_eq!(frames, MAX_SEGMENTS / 2, "one descriptor stays free");
        assert_eq!(ring.publish(), Some(254));
        assert!(!ring.add(&frame()) && ring.add(&[segment(0, 60)]));
        assert_eq!(ring.publish(), Some(255));
        assert!(!ring.add(&[segment(0, 60)]));
        write_back(&ring, 254);
        assert!(ring.is_done());
        assert!(ring.add(&frame()));
        assert_eq!(ring.publish(), Some(1), "around the end");
        assert!(
            !ring.is_done(),
            "the first frame's status is not this one's"
        );
        write_back(&ring, 0);
        assert!(ring.is_done());
    }
}
