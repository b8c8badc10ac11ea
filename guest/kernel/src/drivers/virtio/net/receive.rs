//! [`Receive`]: frames from the device in buffers of the kernel, which it gets back at once
//! (virtio 1.3 5.1.6.3, 5.1.6.4).
//!
//! A program may also be given the buffers themselves, for a while ([`Receive::give`]).
//!
//! Buffer `n` is descriptor `n`, which is written once. A device that merges buffers may use several
//! for a frame: eight or nine for the longest that is left uncut (5.1.6.3.1), one for any other.

use super::super::Broken;
use super::super::chain::WRITE;
use super::super::layout::RingLayout;
use super::super::ring::Ring;
use super::super::shared::SharedMemory;
use super::features::{FEATURE_MERGEABLE, TAKEN_OFFLOADS};
use super::{HEADER_BUFFERS, HEADER_BYTES};
use crate::drivers::Segment;
use crate::drivers::net::batch::Incoming;
use crate::mm::DmaBuffer;
use abi::net_window::{MOST_RECEIVED, RECEIVE_AREA, WINDOW_BYTES};

/// Most buffers.
const SIZE: u16 = 128;
/// Bytes of one: header and frame fit, and few are needed for a frame that was not cut.
const BUFFER_BYTES: u32 = 8192;
/// Of all; also when the device takes fewer: windows have one length.
pub(super) const BUFFERS_BYTES: u64 = SIZE as u64 * BUFFER_BYTES as u64;

const _: () = assert!(RECEIVE_AREA as u64 + BUFFERS_BYTES == WINDOW_BYTES as u64);
const _: () = assert!(SIZE as usize == MOST_RECEIVED);

/// The device is shown the buffers that it gets back when they are such a part of all.
const LOW: u16 = 4;
/// The header's first word (5.1.6) without the flag that says that the sum was looked at: what is
/// left to be done to the frame, the sum or the cutting.
const LEFT_OPEN: u16 = 0xfffd;

pub(super) struct Receive<M = DmaBuffer> {
    pub(super) ring: Ring<M>,
    pub(super) buffers: M,
    /// Buffers that there are.
    count: u16,
    mergeable: bool,
    /// Whether the device may ever leave something to be done to a frame.
    offloads: bool,
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
            offloads: features & TAKEN_OFFLOADS != 0,
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

    /// Gives a program at most `most` buffers that the device has used, of whole frames, and tells
    /// `each` of the number among them, offset and bytes of each; how many they are. They are the
    /// program's until [`Self::take_back`], which was called. A frame that has more is lost.
    #[inline]
    pub(super) fn give(
        &mut self,
        most: usize,
        mut each: impl FnMut(usize, u64, u32),
    ) -> Result<usize, Broken> {
        let most = most.min(self.given.len());
        let mut ready = self.ring.used();
        let mut given = 0;
        while ready > 0 && given < most {
            let first = self.take_buffer()?;
            if u64::from(first.bytes) < HEADER_BYTES {
                return Err(Broken);
            }
            let count = self.count(first, ready)?;
            if usize::from(count) > most - given {
                if given > 0 {
                    self.leave(first);
                    break;
                }
                self.lose(first, count)?;
                ready -= count;
                continue;
            }
            self.given[given] = first.number;
            each(given, first.offset(), first.bytes);
            given += 1;
            for _ in 1..count {
                let buffer = self.take_buffer()?;
                self.given[given] = buffer.number;
                each(given, buffer.offset(), buffer.bytes);
                given += 1;
            }
            ready -= count;
        }
        self.given_count = given;
        Ok(given)
    }

    /// Leaves a buffer that was just taken to be taken again.
    fn leave(&mut self, buffer: Filled) {
        self.lent[usize::from(buffer.number)] = true;
        self.ring.leave();
    }

    /// Gives the device back a frame of `count` buffers, of which the first was taken.
    #[cold]
    fn lose(&mut self, first: Filled, count: u16) -> Result<(), Broken> {
        self.give_back(first.number);
        for _ in 1..count {
            let buffer = self.take_buffer()?;
            self.give_back(buffer.number);
        }
        Ok(())
    }

    /// Where the bytes of a buffer behind the first `skip` are.
    fn contents(&self, buffer: Filled, skip: u64) -> Result<Segment, Broken> {
        // The header and all buffers are shorter than that.
        let len = buffer.bytes.checked_sub(skip as u32).ok_or(Broken)?;
        let phys = self.buffers.phys().offset(buffer.offset() + skip);
        Ok(Segment { phys, len })
    }

    /// Buffers of the frame that begins in `first`, of so many that the device has used: it uses all
    /// of a frame together (5.1.6.4).
    #[inline]
    fn count(&self, first: Filled, ready: u16) -> Result<u16, Broken> {
        let count = match self.mergeable {
            true => self.buffers.read16(first.offset() + HEADER_BUFFERS).max(1),
            false => 1,
        };
        (count <= ready).then_some(count).ok_or(Broken)
    }

    /// Whether something is left to be done to the frame that begins in `first`.
    #[inline]
    fn is_open(&self, first: Filled) -> bool {
        self.offloads && self.buffers.read16(first.offset()) & LEFT_OPEN != 0
    }

    /// Takes the next frame, of which the first of `ready` buffers is, and hands its pieces to
    /// `each`; its length. `None` for one that is not as on the wire, which is lost.
    #[inline]
    fn take_pieces(
        &mut self,
        ready: &mut u16,
        mut each: impl FnMut(usize, &Segment),
    ) -> Result<Option<usize>, Broken> {
        let first = self.take_buffer()?;
        let count = self.count(first, *ready)?;
        *ready -= count;
        if self.is_open(first) {
            self.lose(first, count)?;
            return Ok(None);
        }
        let piece = self.contents(first, HEADER_BYTES)?;
        each(0, &piece);
        let mut bytes = piece.len();
        for _ in 1..count {
            let buffer = self.take_buffer()?;
            let piece = self.contents(buffer, 0)?;
            each(bytes, &piece);
            bytes += piece.len();
            self.give_back(buffer.number);
        }
        self.give_back(first.number);
        Ok(Some(bytes))
    }

    /// Takes frames as long as there are some and room for them.
    pub(super) fn take(&mut self, frames: &mut Incoming<'_>) -> Result<(), Broken> {
        let mut ready = self.ring.used();
        while ready > 0 && frames.has_room() {
            let bytes = self.take_pieces(&mut ready, |at, piece| frames.copy(at, piece))?;
            bytes.into_iter().for_each(|bytes| frames.add(bytes));
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
            Ok((pieces, bytes.expect("a frame as on the wire")))
        }

        /// The header of what begins in a buffer says that this is left to be done.
        fn leave_open(&self, id: u32, flags: u8, uncut: u8) {
            let header = u64::from(id * BUFFER_BYTES);
            self.buffers.write8(header, flags);
            self.buffers.write8(header + 1, uncut);
        }

        /// Numbers, offsets and bytes of the buffers that a program is given.
        fn give(&mut self, most: usize) -> Result<Vec<(usize, u64, u32)>, Broken> {
            let mut given = Vec::new();
            let count = self.receive.give(most, |index, offset, bytes| {
                given.push((index, offset, bytes));
            })?;
            assert_eq!(count, given.len());
            Ok(given)
        }
    }

    impl Pair {
        fn take_any(&mut self) -> Result<(), Broken> {
            self.take().map(drop)
        }

        fn give_any(&mut self) -> Result<(), Broken> {
            self.give(128).map(drop)
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
        pair.fill(5, 8192, 2);
        pair.fill(3, 100, 9);
        let (pieces, bytes) = pair.take().unwrap();
        let (first, second) = (5 * 8192 + 12, 3 * 8192);
        assert_eq!(pieces, [(0, first, 8180), (8180, second, 100)]);
        assert_eq!(bytes, 8280);
        pair.fill(5, 8192, 2);
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
        assert_eq!(given, [(0, 9 * 8192, 72), (1, 3 * 8192, 72)]);
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
    fn a_program_is_given_whole_frames() {
        let mut pair = Pair::new(ALL);
        pair.fill(0, 12 + 60, 1);
        for (id, bytes) in [(1, 8192), (2, 8192), (3, 700)] {
            pair.fill(id, bytes, 3);
        }
        pair.fill(4, 12 + 60, 1);
        assert_eq!(pair.give(3).unwrap(), [(0, 0, 72)], "three do not fit");
        pair.receive.take_back();
        let whole = [(0, 8192, 8192), (1, 2 * 8192, 8192), (2, 3 * 8192, 700)];
        assert_eq!(pair.give(3).unwrap(), whole);
        pair.receive.take_back();
        assert_eq!(pair.give(3).unwrap(), [(0, 4 * 8192, 72)]);
        pair.receive.take_back();
        assert!(pair.receive.has_none());
        assert_eq!(pair.receive.ring.unpublished(), 5, "each once");
    }

    #[test]
    fn a_frame_of_more_pieces_than_a_program_takes_is_lost() {
        let mut pair = Pair::new(ALL);
        for (id, bytes) in [(1, 8192), (2, 8192), (3, 700)] {
            pair.fill(id, bytes, 3);
        }
        pair.fill(4, 12 + 60, 1);
        assert_eq!(pair.give(2).unwrap(), [(0, 4 * 8192, 72)]);
        assert_eq!(pair.receive.ring.unpublished(), 3, "the device has them");
        assert_eq!(pair.give(0).unwrap(), []);
    }

    #[test]
    fn what_is_left_open_is_for_programs_of_the_window_alone() {
        for (flags, uncut, is_open) in [
            (0, 0, false),
            (2, 0, false),
            (1, 0, true),
            (1, 1, true),
            (3, 0, true),
            (0, 0x80, true),
        ] {
            let mut pair = Pair::new(ALL | TAKEN_OFFLOADS);
            pair.leave_open(0, flags, uncut);
            pair.fill(0, 8192, 2);
            pair.fill(1, 100, 2);
            let mut ready = 2;
            let taken = pair.receive.take_pieces(&mut ready, |_, _| {}).unwrap();
            assert_eq!((taken.is_none(), ready), (is_open, 0), "{flags} {uncut}");
            assert_eq!(pair.receive.ring.unpublished(), 2, "the device has both");
            pair.leave_open(2, flags, uncut);
            pair.fill(2, 72, 1);
            assert_eq!(pair.give(1).unwrap(), [(0, 2 * 8192, 72)]);
        }
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
        for (id, bytes) in [(128, 72), (u32::MAX, 72), (0, 11), (0, 8193), (0, u32::MAX)] {
            let mut pair = Pair::new(ALL);
            pair.fill(id, bytes, 1);
            assert!(pair.take().is_err(), "{id} {bytes}");
            let mut pair = Pair::new(ALL);
            pair.fill(id, bytes, 1);
            assert!(pair.give(128).is_err(), "{id} {bytes}");
        }
        for count in [2, 9, u16::MAX] {
            let mut pair = Pair::new(ALL);
            pair.fill(7, 72, count);
            assert!(pair.give(128).is_err(), "{count}: the others are not there");
        }
        for doubled in [Pair::take_any, Pair::give_any] {
            let mut pair = Pair::new(ALL);
            pair.fill(4, 8192, 2);
            pair.fill(4, 100, 2);
            assert!(
                doubled(&mut pair).is_err(),
                "a buffer that it does not have"
            );
        }
        assert!(Receive::<Bytes>::new(0, ALL).is_err(), "no queue");
    }
}
