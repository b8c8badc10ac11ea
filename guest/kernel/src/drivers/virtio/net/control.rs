//! [`Control`]: the driver's commands to the device (virtio 1.3 5.1.6.5), one at a time.
//!
//! A command is three descriptors: its class and number, what it says, and a byte for the answer.
//! A device that refuses what it has offered is as broken as one that does not answer.

use super::super::Broken;
use super::super::chain::{NEXT, WRITE};
use super::super::layout::RingLayout;
use super::super::ring::Ring;
use super::super::shared::SharedMemory;
use crate::mm::DmaBuffer;

/// Entries of the ring: for the descriptors of a command.
const SIZE: u16 = 4;
/// Offsets behind the rings: of class and number, the answer, what the command says.
const HEAD: u64 = 0;
const ANSWER: u64 = 2;
const DATA: u64 = 8;
const BYTES: u64 = 16;
/// `VIRTIO_NET_OK`, and what no device answers (5.1.6.5).
const OK: u8 = 0;
const NO_ANSWER: u8 = 0xff;

/// What the device is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Leave frames that come as these features say, and no others (5.1.6.5.6.1).
    GuestOffloads(u64),
    /// Use so many pairs of queues (5.1.6.5.5).
    Pairs(u16),
}

impl Command {
    /// Class and number, what it says, and bytes of that.
    fn parts(self) -> ([u8; 2], u64, u64) {
        match self {
            Self::GuestOffloads(features) => ([5, 0], features, 8),
            Self::Pairs(pairs) => ([4, 0], pairs.into(), 2),
        }
    }
}

pub(super) struct Control<M = DmaBuffer> {
    pub(super) ring: Ring<M>,
    /// Where in its memory a command lies.
    place: u64,
}

impl<M: SharedMemory> Control<M> {
    pub(super) fn new(max_size: u32, features: u64) -> Result<Self, Broken> {
        let layout = RingLayout::new(max_size, SIZE);
        if layout.size < SIZE {
            return Err(Broken);
        }
        let place = layout.end();
        let memory = M::allocate(place + BYTES).ok_or(Broken)?;
        Ok(Self {
            ring: Ring::new(memory, layout, features),
            place,
        })
    }

    /// Puts a command into the queue, which is empty.
    pub(super) fn add(&mut self, command: Command) {
        let (head, data, data_bytes) = command.parts();
        let memory = &self.ring.memory;
        memory.write16(self.place + HEAD, u16::from_le_bytes(head));
        memory.write64(self.place + DATA, data);
        memory.write8(self.place + ANSWER, NO_ANSWER);
        let parts = [
            (HEAD, 2 | NEXT << 32 | 1 << 48),
            (DATA, data_bytes | NEXT << 32 | 2 << 48),
            (ANSWER, 1 | WRITE << 32),
        ];
        for (number, (offset, rest)) in (0..).zip(parts) {
            let address = self.ring.phys(self.place + offset);
            self.ring.describe(number, address, rest);
        }
        self.ring.offer(0);
    }

    /// Whether the device says that it has carried it out.
    pub(super) fn is_done(&self) -> bool {
        self.ring.used() > 0
    }

    /// Takes in the answer, which is there.
    pub(super) fn finish(&mut self) -> Result<(), Broken> {
        let is_one = self.ring.used() == 1;
        let (head, bytes) = self.ring.take();
        let answer = self.ring.memory.read8(self.place + ANSWER);
        match (is_one, head, bytes, answer) {
            (true, 0, 1, OK) => Ok(()),
            _ => Err(Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ring::FEATURE_EVENT_INDEX;
    use super::super::super::testing::{BASE, Bytes};
    use super::*;

    /// What the device finds: the bytes of each descriptor of the chain that begins with the first.
    fn found(control: &Control<Bytes>) -> Vec<(Vec<u8>, bool)> {
        let memory = control.ring.memory.again();
        let mut parts = Vec::new();
        let mut next = Some(0);
        while let Some(number) = next {
            let (address, rest) = (
                memory.read64(16 * number) - BASE,
                memory.read64(16 * number + 8),
            );
            let bytes = (0..rest & 0xffff_ffff).map(|at| memory.read8(address + at));
            let flags = rest >> 32 & 0xffff;
            parts.push((bytes.collect(), flags & WRITE != 0));
            next = (flags & NEXT != 0).then_some(rest >> 48);
        }
        parts
    }

    /// The device has used so many chains, and says so of the last; its answer is that.
    fn answer(control: &Control<Bytes>, used: u16, entry: (u32, u32), answer: u8) {
        let memory = control.ring.memory.again();
        let rings = control.ring.rings().used.0 - BASE;
        let place = rings + 4 + 8 * u64::from((used - 1) % SIZE);
        memory.write64(place, u64::from(entry.0) | u64::from(entry.1) << 32);
        memory.write16(rings + 2, used);
        memory.write8(control.place + ANSWER, answer);
    }

    #[test]
    fn a_command_is_two_parts_and_room_for_an_answer() {
        let mut control = Control::<Bytes>::new(64, FEATURE_EVENT_INDEX).unwrap();
        for round in 1..=9 {
            let features = 0x82 << (round % 2);
            control.add(Command::GuestOffloads(features));
            assert!(control.ring.publish(), "every one rings");
            assert!(!control.is_done());
            let said = features.to_le_bytes().to_vec();
            let parts = [(vec![5, 0], false), (said, false), (vec![0xff], true)];
            assert_eq!(found(&control), parts);
            answer(&control, round, (0, 1), 0);
            // As a device that rings are told of: for the next.
            let event = control.ring.rings().used.0 - BASE + 4 + 8 * u64::from(SIZE);
            control.ring.memory.again().write16(event, round);
            assert!(control.is_done());
            control.finish().unwrap();
        }
    }

    #[test]
    fn a_number_of_pairs_is_said_in_two_bytes() {
        let mut control = Control::<Bytes>::new(4, 0).unwrap();
        control.add(Command::Pairs(3));
        let parts = [(vec![4, 0], false), (vec![3, 0], false), (vec![0xff], true)];
        assert_eq!(found(&control), parts);
    }

    #[test]
    fn refusals_and_answers_that_make_no_sense_are_found_out() {
        for (used, entry, ack) in [
            (1, (0, 1), 1),
            (1, (0, 1), 0xff),
            (1, (0, 0), 0),
            (1, (0, 2), 0),
            (1, (1, 1), 0),
            (1, (u32::MAX, 1), 0),
            (2, (0, 1), 0),
            (u16::MAX, (0, 1), 0),
        ] {
            let mut control = Control::<Bytes>::new(64, 0).unwrap();
            control.add(Command::GuestOffloads(0));
            control.ring.publish();
            answer(&control, used, entry, ack);
            assert!(control.finish().is_err(), "{used} {entry:?} {ack}");
        }
        for size in 0..4 {
            assert!(Control::<Bytes>::new(size, 0).is_err(), "no room for one");
        }
    }
}
