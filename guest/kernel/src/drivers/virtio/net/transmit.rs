//! [`Transmit`]: frames to the device, from where they lie (virtio 1.3 5.1.6.2).
//!
//! Each frame has a place of four descriptors, of which the first is always the header's and is
//! written once, and of some bytes, to which a small frame is copied, so that nobody waits until it
//! has gone. Places are used again when all frames have been sent, in whatever order. A frame of the
//! window has its header with it, and takes one descriptor of its place.

use super::super::Broken;
use super::super::chain::NEXT;
use super::super::layout::RingLayout;
use super::super::ring::Ring;
use super::super::shared::SharedMemory;
use super::HEADER_BYTES;
use crate::drivers::Segment;
use crate::drivers::net::card::{SMALL_BYTES, gather};
use crate::mm::DmaBuffer;
use abi::syscall::Errno;

/// Most entries of the ring.
const SIZE: u16 = 256;
/// Descriptors of a frame.
const DESCRIPTORS: u16 = 4;

const _: () = assert!(HEADER_BYTES <= SMALL_BYTES);

pub(super) struct Transmit<M = DmaBuffer> {
    pub(super) ring: Ring<M>,
    /// Frames that there is room for.
    places: u16,
    /// Frames that are in the ring.
    under_way: u16,
    /// Some of them are in a program's memory.
    is_lent: bool,
    /// Offset of the places' bytes.
    small: u64,
}

impl<M: SharedMemory> Transmit<M> {
    pub(super) fn new(max_size: u32, features: u64) -> Result<Self, Broken> {
        let layout = RingLayout::new(max_size, SIZE);
        let places = layout.size / DESCRIPTORS;
        if places == 0 {
            return Err(Broken);
        }
        let header = layout.end();
        let small = header + SMALL_BYTES;
        let bytes = small + u64::from(places) * SMALL_BYTES;
        let memory = M::allocate(bytes).ok_or(Broken)?;
        let ring = Ring::new(memory, layout, features);
        for head in (0..places).map(|place| place * DESCRIPTORS) {
            let next = NEXT << 32 | u64::from(head + 1) << 48;
            ring.describe(head, ring.phys(header), HEADER_BYTES | next);
        }
        Ok(Self {
            ring,
            places,
            under_way: 0,
            is_lent: false,
            small,
        })
    }

    /// Whether the device may still use a program's memory.
    pub(super) fn is_lent(&self) -> bool {
        self.is_lent
    }

    pub(super) fn is_full(&self) -> bool {
        self.under_way == self.places
    }

    /// Puts a frame into a place that is free.
    #[inline]
    pub(super) fn add(&mut self, frame: &[Segment]) -> Result<(), Errno> {
        let bytes: usize = frame.iter().map(Segment::len).sum();
        if bytes as u64 <= SMALL_BYTES {
            let place = self.small_place(bytes);
            gather(&place, frame);
            return self.add_pieces(&[place]);
        }
        self.is_lent = true;
        self.add_pieces(frame)
    }

    /// The bytes of the next place.
    fn small_place(&self, bytes: usize) -> Segment {
        let offset = self.small + u64::from(self.under_way) * SMALL_BYTES;
        Segment {
            phys: self.ring.phys(offset),
            // No more than SMALL_BYTES.
            len: bytes as u32,
        }
    }

    /// Puts a frame where it lies into a place that is free.
    #[inline]
    fn add_pieces(&mut self, frame: &[Segment]) -> Result<(), Errno> {
        if frame.len() >= usize::from(DESCRIPTORS) {
            return Err(Errno::Inval);
        }
        let head = self.under_way * DESCRIPTORS;
        let mut number = head;
        for (left, segment) in (0..frame.len()).rev().zip(frame) {
            number += 1;
            let next = match left {
                0 => 0,
                _ => NEXT << 32 | u64::from(number + 1) << 48,
            };
            let rest = u64::from(segment.len) | next;
            self.ring.describe(number, segment.phys, rest);
        }
        self.ring.offer(head);
        self.under_way += 1;
        Ok(())
    }

    /// Puts a frame that is one piece with its header, in the driver's memory, into a place that is
    /// free.
    #[inline]
    pub(super) fn add_whole(&mut self, frame: &Segment) {
        // The place's first is for others.
        let number = self.under_way * DESCRIPTORS + 1;
        self.ring.describe(number, frame.phys, frame.len.into());
        self.ring.offer(number);
        self.under_way += 1;
    }

    /// Wants an interrupt when all has been sent, and makes sure that it is seen whether it has.
    pub(super) fn want_interrupt(&self) {
        self.ring.want_interrupt(self.under_way.saturating_sub(1));
        self.ring.full_barrier();
    }

    /// Whether the device says that it has sent all, or more.
    pub(super) fn is_done(&self) -> bool {
        self.ring.used() >= self.under_way
    }

    /// Frees the places, if all has been sent.
    pub(super) fn collect(&mut self) -> Result<(), Broken> {
        match self.ring.used() {
            used if used > self.under_way => Err(Broken),
            used if used == self.under_way => {
                self.ring.pass(used);
                self.under_way = 0;
                self.is_lent = false;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ring::FEATURE_EVENT_INDEX;
    use super::super::super::testing::{BASE, Bytes};
    use super::*;
    use crate::mm::PhysAddr;

    fn segment(phys: u64, len: u32) -> Segment {
        let phys = PhysAddr(phys);
        Segment { phys, len }
    }

    fn descriptor(memory: &Bytes, number: u16) -> (u64, u64) {
        let at = u64::from(number) * 16;
        (memory.read64(at), memory.read64(at + 8))
    }

    /// The device has sent so many.
    fn use_all(transmit: &Transmit<Bytes>, used: u16) {
        let memory = transmit.ring.memory.again();
        memory.write16(transmit.ring.rings().used.0 - BASE + 2, used);
    }

    #[test]
    fn a_frame_is_a_header_and_its_pieces() {
        let mut transmit = Transmit::<Bytes>::new(256, FEATURE_EVENT_INDEX).unwrap();
        transmit.add(&[segment(0x5000, 164)]).unwrap();
        transmit
            .add(&[segment(0x6ff0, 16), segment(0x8000, 1498)])
            .unwrap();
        assert!(transmit.ring.publish(), "the first rings");
        transmit.want_interrupt();
        let memory = transmit.ring.memory.again();
        let avail = transmit.ring.rings().avail.0 - BASE;
        assert_eq!(memory.read16(avail + 2), 2);
        assert_eq!([0, 2].map(|at| memory.read16(avail + 4 + at)), [0, 4]);
        assert_eq!(memory.read16(avail + 4 + 2 * 256), 1, "wakes at the last");
        let (header, rest) = descriptor(&memory, 4);
        assert_eq!(rest, 12 | 1 << 32 | 5 << 48);
        assert_eq!(memory.read64(header - BASE), 0);
        assert_eq!(descriptor(&memory, 1), (0x5000, 164));
        assert_eq!(descriptor(&memory, 5), (0x6ff0, 16 | 1 << 32 | 6 << 48));
        assert_eq!(descriptor(&memory, 6), (0x8000, 1498));
    }

    #[test]
    fn places_are_used_again_when_all_is_sent() {
        let mut transmit = Transmit::<Bytes>::new(16, FEATURE_EVENT_INDEX).unwrap();
        for round in 1..=3 {
            for _ in 0..4 {
                assert!(!transmit.is_full());
                transmit.add(&[segment(0x5000, 160)]).unwrap();
            }
            assert!(transmit.is_full());
            transmit.ring.publish();
            use_all(&transmit, round * 4 - 1);
            assert!(!transmit.is_done());
            use_all(&transmit, round * 4);
            assert!(transmit.is_done());
            transmit.collect().unwrap();
            assert!(!transmit.is_full() && !transmit.is_lent());
        }
    }

    #[test]
    fn more_than_was_sent_is_found_out() {
        let mut transmit = Transmit::<Bytes>::new(256, 0).unwrap();
        transmit.add(&[segment(0x5000, 160)]).unwrap();
        transmit.ring.publish();
        use_all(&transmit, 2);
        assert!(transmit.is_done() && transmit.collect().is_err());
    }

    #[test]
    fn small_frames_have_places_of_their_own_and_are_nobody_elses_memory() {
        let mut transmit = Transmit::<Bytes>::new(256, 0).unwrap();
        let place = |transmit: &Transmit<Bytes>| transmit.small_place(128);
        let mut places = Vec::new();
        for _ in 0..64 {
            let place = place(&transmit);
            transmit.add_pieces(&[place]).unwrap();
            places.push(place.phys.0);
        }
        assert!(transmit.is_full() && !transmit.is_lent());
        let header = descriptor(&transmit.ring.memory, 0).0;
        let [first, .., last] = places[..] else {
            panic!()
        };
        assert!(first >= header + HEADER_BYTES);
        assert!(places.is_sorted_by(|a, b| *a + 128 == *b));
        let end = BASE + transmit.ring.memory.len();
        assert!(last + 128 <= end);
    }

    #[test]
    fn a_whole_frame_is_one_descriptor_and_leaves_the_headers_alone() {
        let mut transmit = Transmit::<Bytes>::new(256, 0).unwrap();
        let header = descriptor(&transmit.ring.memory, 0);
        for place in 0..64 {
            assert!(!transmit.is_full());
            transmit.add_whole(&segment(0x5000 + place, 76));
        }
        assert!(transmit.is_full() && !transmit.is_lent());
        transmit.ring.publish();
        let avail = transmit.ring.rings().avail.0 - BASE;
        let memory = transmit.ring.memory.again();
        let heads = [0, 1, 63].map(|entry| memory.read16(avail + 4 + 2 * entry));
        assert_eq!(heads, [1, 5, 253]);
        assert_eq!(descriptor(&memory, 253), (0x503f, 76));
        assert_eq!(descriptor(&memory, 0), header);
        use_all(&transmit, 64);
        transmit.collect().unwrap();
        transmit.add(&[segment(0x9000, 160)]).unwrap();
        assert_eq!(descriptor(&memory, 0), header);
        assert_eq!(descriptor(&memory, 1), (0x9000, 160));
    }

    #[test]
    fn a_ring_without_room_and_frames_in_too_many_pieces_are_refused() {
        let mut transmit = Transmit::<Bytes>::new(256, 0).unwrap();
        assert_eq!(transmit.add(&[segment(0, 150); 4]), Err(Errno::Inval));
        assert!(Transmit::<Bytes>::new(3, 0).is_err(), "no room for one");
    }
}
