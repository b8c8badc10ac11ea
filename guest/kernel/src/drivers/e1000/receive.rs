//! [`Receive`]: frames in the receive ring (SDM 3.2), each in a buffer of the kernel's.
//!
//! Descriptors go back to the card in batches: there are more of them than that.

use super::descriptors::Descriptors;
use crate::drivers::net::card::Broken;
use crate::mm::{DmaBuffer, PhysAddr};

/// Descriptors of the ring, each with a buffer.
pub(super) const COUNT: u16 = 64;
/// The card's first tail: one descriptor tells a full ring from an empty one.
pub(super) const FIRST_TAIL: u16 = COUNT - 1;
/// Bytes of a buffer; the longest frame fits.
pub(super) const BUFFER_BYTES: u64 = 2048;
/// Descriptors that go back at once.
const BATCH: u16 = 16;

/// Status and errors above the length and the checksum: done, end of packet; any error.
const DONE: u64 = 1 << 32;
const END: u64 = 1 << 33;
const ERRORS: u64 = 0xff << 40;

/// The ring, as the driver sees it.
pub(super) struct Receive<D = DmaBuffer> {
    descriptors: D,
    /// The descriptor whose frame is the next.
    next: u16,
    /// Descriptors before it that the card has not back.
    kept: u16,
}

/// A frame in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where it is among the buffers.
    pub(super) offset: u64,
    /// Its length.
    pub(super) bytes: usize,
}

impl<D: Descriptors> Receive<D> {
    /// A ring of [`COUNT`] descriptors for the buffers at `buffers`; all but one are the card's.
    pub(super) fn new(descriptors: D, buffers: PhysAddr) -> Self {
        for index in 0..COUNT {
            descriptors.set(index, buffers.offset(u64::from(index) * BUFFER_BYTES), 0);
        }
        Self {
            descriptors,
            next: 0,
            kept: 0,
        }
    }

    /// The next frame.
    pub(super) fn peek(&self) -> Result<Option<Frame>, Broken> {
        let rest = self.descriptors.rest(self.next);
        if rest & DONE == 0 {
            return Ok(None);
        }
        let bytes = rest & 0xffff;
        // No frame is longer than a buffer, and damaged ones are not asked for.
        if rest & (END | ERRORS) != END || bytes == 0 || bytes > BUFFER_BYTES {
            return Err(Broken);
        }
        Ok(Some(Frame {
            offset: u64::from(self.next) * BUFFER_BYTES,
            bytes: bytes as usize,
        }))
    }

    /// The next frame has been taken out of its buffer; the card's new tail, if it is time for one.
    pub(super) fn release(&mut self) -> Option<u16> {
        self.descriptors.set_rest(self.next, 0);
        let taken = self.next;
        self.next = (self.next + 1) % COUNT;
        self.kept += 1;
        if self.kept < BATCH {
            return None;
        }
        self.kept = 0;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::descriptors::testing::Fake;
    use super::*;

    const BUFFERS: u64 = 0x10_0000;

    fn ring() -> Receive<Fake> {
        Receive::new(Fake::new(COUNT), PhysAddr(BUFFERS))
    }

    #[test]
    fn each_descriptor_has_a_buffer_of_its_own() {
        let ring = ring();
        let buffers = ring.descriptors.0.borrow();
        let expected = (0..u64::from(COUNT)).map(|index| (BUFFERS + 2048 * index, 0));
        assert!(buffers.iter().copied().eq(expected));
    }

    #[test]
    fn frames_come_in_turn_and_descriptors_go_back_in_batches() {
        let mut ring = ring();
        let mut tails = Vec::new();
        for number in 0..u64::from(COUNT) + 32 {
            assert_eq!(ring.peek(), Ok(None));
            let index = (number % u64::from(COUNT)) as u16;
            let checksum = 0x1234 << 16;
            ring.descriptors
                .set_rest(index, 1514 | checksum | DONE | END);
            let frame = Frame {
                offset: u64::from(index) * 2048,
                bytes: 1514,
            };
            assert_eq!(ring.peek(), Ok(Some(frame)));
            tails.extend(ring.release());
        }
        assert_eq!(tails, [15, 31, 47, 63, 15, 31]);
    }

    #[test]
    fn a_descriptor_that_lies_is_nonsense() {
        for (what, rest) in [
            ("no end", 60 | DONE),
            ("no bytes", DONE | END),
            ("more bytes than a buffer", 2049 | DONE | END),
            ("an error", 60 | DONE | END | 1 << 47),
        ] {
            let ring = ring();
            ring.descriptors.set_rest(0, rest);
            assert_eq!(ring.peek(), Err(Broken), "{what}");
        }
    }
}
