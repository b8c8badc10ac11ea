//! [`Receive`]: frames from the device in buffers of the kernel, which it gets back at once
//! (virtio 1.3 5.1.6.3, 5.1.6.4).
//!
//! A program may also be given the buffers themselves, for a while ([`Receive::give`]).
//!
//! Buffer `n` is descriptor `n`, which is written once. A device that merges buffers may use several
//! for a frame; each is longer than any frame here, so that they mostly are one.

use super::super::Broken;
use super::super::chain::WRITE;
use super::super::layout::RingLayout;
use super::super::ring::Ring;
use super::super::shared::SharedMemory;
use super::{FEATURE_MERGEABLE, HEADER_BUFFERS, HEADER_BYTES};
use crate::drivers::Segment;
use crate::drivers::net::batch::Incoming;
use crate::mm::DmaBuffer;
use abi::net_window::{MOST_RECEIVED, RECEIVE_AREA, WINDOW_BYTES};

/// Most buffers.
const SIZE: u16 = 128;
/// Bytes of one: header and frame fit.
const BUFFER_BYTES: u32 = 2048;
/// Of all; also when the device takes fewer: windows have one length.
pub(super) const BUFFERS_BYTES: u64 = SIZE as u64 * BUFFER_BYTES as u64;

const _: () = assert!(RECEIVE_AREA as u64 + BUFFERS_BYTES == WINDOW_BYTES as u64);
const _: () = assert!(SIZE as usize == MOST_RECEIVED);

/// The device is shown the buffers that it gets back when they are such a part of all.
const LOW: u16 = 4;

pub(super) struct Receive<M = DmaBuffer> {
    pub(super) ring: Ring<M>,
    pub(super) buffers: M,
    /// Buffers that there are.
    count: u16,
    mergeable: bool,
    /// Which buffers the device has.
    lent: [bool; SIZE as usize],
    /// Which a program has been given, and how many they are.
    given: [u16; SIZE as usize],
    given_count: usize,
}

/// A buffer that has come back, with so many bytes from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filled {
    number: u16,
    bytes: u32,
}

impl Filled {
    fn offset(self) -> u64 {
        u64::from(self.number) * u64::from(BUFFER_BYTES)
    }
}

impl<M: SharedMemory> Receive<M> {
    /// All buffers are in the ring, unpublished.
    pub(super) fn new(max_size: u32, features: u64) -> Result<Self, Broken> {
        let layout = RingLayout::new(max_size, SIZE);
        if layout.size == 0 {
            return Err(Broken);
        }
        let buffers = M::allocate(BUFFERS_BYTES).ok_or(Broken)?;
        let memory = M::allocate(layout.end()).ok_or(Broken)?;
        let mut ring = Ring::new(memory, layout, features);
        let mut lent = [false; SIZE as usize];
        for number in 0..layout.size {
            let offset = u64::from(number) * u64::from(BUFFER_BYTES);
            let address = buffers.phys().offset(offset);
            ring.describe(number, address, u64::from(BUFFER_BYTES) | WRITE << 32);
            ring.offer(number);
            lent[usize::from(number)] = true;
        }
        Ok(Self {
            ring,
            buffers,
            count: layout.size,
            mergeable: features & FEATURE_MERGEABLE != 0,
            lent,
            given: [0; SIZE as usize],
            given_count: 0,
        })
    }

    pub(super) fn has_none(&self) -> bool {
        self.ring.used() == 0
    }

    /// Whether the device is to be shown the buffers that it got back.
    pub(super) fn is_low(&self) -> bool {
        self.ring.unpublished() >= self.count / LOW
    }

    /// Wants an interrupt when a frame comes, and makes sure that it is seen whether one has.
    pub(super) fn want_interrupt(&self) {
        self.ring.want_interrupt(0);
        self.ring.full_barrier();
    }

    /// Takes the next buffer that the device has used, which there is.
    fn take_buffer(&mut self) -> Result<Filled, Broken> {
        let (id, bytes) = self.ring.take();
        let index = usize::try_from(id).map_err(|_| Broken)?;
        let lent = self.lent.get_mut(index).ok_or(Broken)?;
        if !core::mem::replace(lent, false) || bytes > BUFFER_BYTES {
            return Err(Broken);
        }
        // Below SIZE.
        let number = index as u16;
        Ok(Filled { number, bytes })
    }

    #[inline]
    fn give_back(&mut self, number: u16) {
        self.lent[usize::from(number)] = true;
        self.ring.offer(number);
    }

    /// Gives the device back what a program was given.
    pub(super) fn take_back(&mut self) {
        for index in 0..core::mem::take(&mut self.given_count) {
            self.give_back(self.given[index]);
        }
    }

    /// Gives a program at most `most` buffers that the device has used, and tells `each` of the number
    /// among them, offset and bytes of each; how many they are. They are the program's until
    /// [`Self::take_back`], which was called.
    #[inline]
    pub(super) fn give(
        &mut self,
        most: usize,
        mut each: impl FnMut(usize, u64, u32),
    ) -> Result<usize, Broken> {
        let count = most.min(self.given.len()).min(self.ring.used().into());
        for index in 0..count {
            let buffer = self.take_buffer()?;
            self.given[index] = buffer.number;
            each(index, buffer.offset(), buffer.bytes);
        }
        self.given_count = count;
        Ok(count)
    }

    /// Where the bytes of a buffer behind the first `skip` are.
    fn contents(&self, buffer: Filled, skip: u64) -> Result<Segment, Broken> {
        // The header and all buffers are shorter than that.
        let len = buffer.bytes.checked_sub(skip as u32).ok_or(Broken)?;
        let phys = self.buffers.phys().offset(buffer.offset() + skip);
        Ok(Segment { phys, len })
    }

    /// Buffers of the frame that begins in `first`.
    fn count(&self, first: Filled) -> u16 {
        match self.mergeable {
            true => self.buffers.read16(first.offset() + HEADER_BUFFERS),
            false => 1,
        }
    }

    /// Takes the next frame, of which the first of `ready` buffers is, and hands its pieces to
    /// `each`; its length.
    #[inline]
    fn take_pieces(
        &mut self,
        ready: &mut u16,
        mut each: impl FnMut(usize, &Segment),
    ) -> Result<usize, Broken> {
        let first = self.take_buffer()?;
        let piece = self.contents(first, HEADER_BYTES)?;
        each(0, &piece);
        let mut bytes = piece.len();
        let count = self.count(first).max(1);
        // The device uses all buffers of a frame together (5.1.6.4).
        *ready = ready.checked_sub(count).ok_or(Broken)?;
        for _ in 1..count {
            let buffer = self.take_buffer()?;
            let piece = self.contents(buffer, 0)?;
            each(bytes, &piece);
            bytes += piece.len();
            self.give_back(buffer.number);
        }
        self.give_back(first.number);
        Ok(bytes)
    }

    /// Takes frames as long as there are some and room for them.
    pub(super) fn take(&mut self, frames: &mut Incoming<'_>) -> Result<(), Broken> {
        let mut ready = self.ring.used();
        while ready > 0 && frames.has_room() {
            let bytes = self.take_pieces(&mut ready, |at, piece| frames.copy(at, piece))?;
            frames.add(bytes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ring::FEATURE_EVENT_INDEX;
    use super::super::super::testing::{BASE, Bytes};
    use super::*;

    /// Offset, address and length of a piece.
    type Taken = (usize, u64, u32);

    const ALL: u64 = FEATURE_EVENT_INDEX | FEATURE_MERGEABLE;

    /// A driver and its device.
    struct Pair {
        receive: Receive<Bytes>,
        ring: Bytes,
        buffers: Bytes,
        used: u16,
    }

    impl Pair {
        fn new(features: u64) -> Self {
            let mut receive = Receive::<Bytes>::new(1024, features).unwrap();
            assert!(receive.ring.publish(), "the device gets its buffers");
            let ring = receive.ring.memory.again();
            let buffers = receive.buffers.again();
            Self {
                receive,
                ring,
                buffers,
                used: 0,
            }
        }

        /// The device has used a buffer, which begins a frame of `count`.
        fn fill(&mut self, id: u32, bytes: u32, count: u16) {
            if id < u32::from(SIZE) {
                let header = u64::from(id * BUFFER_BYTES) + HEADER_BUFFERS;
                self.buffers.write16(header, count);
            }
            let used = self.receive.ring.rings().used.0 - BASE;
            let entry = used + 4 + 8 * u64::from(self.used % SIZE);
            let value = u64::from(id) | u64::from(bytes) << 32;
            self.ring.write64(entry, value);
            self.used = self.used.wrapping_add(1);
            self.ring.write16(used + 2, self.used);
        }

        /// Offset, address and length of the pieces of the next frame, and the length of all.
        fn take(&mut self) -> Result<(Vec<Taken>, usize), Broken> {
            let (mut pieces, mut ready) = (Vec::new(), self.receive.ring.used());
            let bytes = self.receive.take_pieces(&mut ready, |offset, piece| {
                pieces.push((offset, piece.phys.0 - BASE, piece.len))
            })?;
            Ok((pieces, bytes))
        }
    }

    #[test]
    fn frames_come_in_any_order_of_buffers_which_are_lent_again() {
        let mut pair = Pair::new(ALL);
        assert!(pair.receive.has_none());
        for round in 0..300 {
            let id = (round * 7) % u32::from(SIZE);
            pair.fill(id, 12 + 1514, 1);
            let place = u64::from(id * BUFFER_BYTES) + 12;
            let (pieces, bytes) = pair.take().unwrap();
            assert_eq!((&pieces[..], bytes), (&[(0, place, 1514)][..], 1514));
            assert!(pair.receive.has_none());
            if pair.receive.is_low() {
                pair.receive.ring.publish();
            }
        }
    }

    #[test]
    fn a_frame_in_several_buffers_is_put_together() {
        let mut pair = Pair::new(ALL);
        pair.fill(5, 2048, 2);
        pair.fill(3, 100, 9);
        let (pieces, bytes) = pair.take().unwrap();
        let (first, second) = (5 * 2048 + 12, 3 * 2048);
        assert_eq!(pieces, [(0, first, 2036), (2036, second, 100)]);
        assert_eq!(bytes, 2136);
        pair.fill(5, 2048, 2);
        assert!(pair.take().is_err(), "the second is not there");
    }

    #[test]
    fn what_a_program_is_given_is_not_the_devices_until_it_is_taken_back() {
        let mut pair = Pair::new(ALL);
        for id in [9, 3, 7] {
            pair.fill(id, 12 + 60, 1);
        }
        let mut given = Vec::new();
        let count = pair.receive.give(2, |index, offset, bytes| {
            given.push((index, offset, bytes));
        });
        assert_eq!(count.unwrap(), 2);
        assert_eq!(given, [(0, 9 * 2048, 72), (1, 3 * 2048, 72)]);
        let before = pair.receive.ring.unpublished();
        pair.receive.take_back();
        pair.receive.take_back();
        assert_eq!(pair.receive.ring.unpublished(), before + 2, "each once");
        assert_eq!(pair.receive.give(128, |_, _, _| {}).unwrap(), 1);
        pair.fill(7, 72, 1);
        assert!(
            pair.receive.give(128, |_, _, _| {}).is_err(),
            "the device has used what the program has"
        );
    }

    #[test]
    fn a_small_ring_is_shown_its_buffers_before_it_is_empty() {
        for (size, few) in [(128, 32), (16, 4), (1, 0)] {
            let mut receive = Receive::<Bytes>::new(size, ALL).unwrap();
            receive.ring.publish();
            assert_eq!(receive.is_low(), few == 0);
            for number in 0..few {
                assert!(!receive.is_low());
                receive.give_back(number);
            }
            assert!(receive.is_low());
        }
    }

    #[test]
    fn without_merging_no_count_is_looked_at() {
        let mut pair = Pair::new(0);
        pair.fill(0, 12 + 60, 77);
        assert_eq!(pair.take().unwrap().1, 60);
    }

    #[test]
    fn answers_that_make_no_sense_are_found_out() {
        for (id, bytes) in [(128, 72), (u32::MAX, 72), (0, 11), (0, 2049), (0, u32::MAX)] {
            let mut pair = Pair::new(ALL);
            pair.fill(id, bytes, 1);
            assert!(pair.take().is_err(), "{id} {bytes}");
        }
        let mut pair = Pair::new(ALL);
        pair.fill(4, 2048, 2);
        pair.fill(4, 100, 2);
        assert!(pair.take().is_err(), "a buffer that it does not have");
        assert!(Receive::<Bytes>::new(0, ALL).is_err(), "no queue");
    }
}
