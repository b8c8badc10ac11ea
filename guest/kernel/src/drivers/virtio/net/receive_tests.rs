//! Frames that come, and devices that lie about them.

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
    let doubled = || {
        let mut pair = Pair::new(ALL);
        pair.fill(4, 8192, 2);
        pair.fill(4, 100, 2);
        pair
    };
    assert!(doubled().take().is_err(), "a buffer that it does not have");
    assert!(doubled().give(128).is_err(), "to a program, too");
    assert!(Receive::<Bytes>::new(0, ALL).is_err(), "no queue");
}
