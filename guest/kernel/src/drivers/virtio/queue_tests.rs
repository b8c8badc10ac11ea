//! The queue against a device made of the same memory, well-behaved and not.

use super::*;
use crate::drivers::Segment;
use crate::drivers::virtio::chain::{Direction, NEXT, WRITE};
use crate::drivers::virtio::ring::FEATURE_EVENT_INDEX;
use crate::drivers::virtio::testing::{BASE, Bytes};
use crate::mm::PhysAddr;

/// The device's side.
struct Device {
    memory: Bytes,
    rings: Rings,
    taken: u16,
    used: u16,
}

/// Address, length and flags of a descriptor.
type Descriptor = (u64, u32, u64);

impl Device {
    fn of(queue: &Queue<Bytes>) -> Self {
        let memory = queue.ring.memory.again();
        Self {
            memory,
            rings: queue.rings(),
            taken: 0,
            used: 0,
        }
    }

    /// Head of the next request and its descriptors.
    fn pop(&mut self) -> Option<(u16, Vec<Descriptor>)> {
        let avail = self.rings.avail.0 - BASE;
        if self.memory.read16(avail + 2) == self.taken {
            return None;
        }
        let at = u64::from(self.taken % self.rings.size);
        let head = self.memory.read16(avail + 4 + 2 * at);
        self.taken = self.taken.wrapping_add(1);
        Some((head, self.chain(self.rings.descriptors.0 - BASE, head)))
    }

    fn chain(&self, table: u64, first: u16) -> Vec<Descriptor> {
        let (mut found, mut index) = (Vec::new(), first);
        loop {
            let at = table + 16 * u64::from(index);
            let (address, rest) = (self.memory.read64(at), self.memory.read64(at + 8));
            let flags = rest >> 32 & 0xffff;
            if flags & INDIRECT != 0 {
                return self.chain(address - BASE, 0);
            }
            found.push((address, rest as u32, flags));
            if flags & NEXT == 0 {
                return found;
            }
            index = (rest >> 48) as u16;
        }
    }

    fn push(&mut self, head: u32, written: u32) {
        let used = self.rings.used.0 - BASE;
        let at = used + 4 + 8 * u64::from(self.used % self.rings.size);
        self.memory
            .write64(at, u64::from(head) | u64::from(written) << 32);
        self.used = self.used.wrapping_add(1);
        self.memory.write16(used + 2, self.used);
    }
}

const ALL: u64 = FEATURE_INDIRECT | FEATURE_EVENT_INDEX;

fn segments(count: u64) -> Vec<Segment> {
    (0..count)
        .map(|i| Segment {
            phys: PhysAddr(0x1000 * (i + 1)),
            len: 4096,
        })
        .collect()
}

fn read_request(segments: &[Segment]) -> Request<'_> {
    Request {
        header: Some([0, 7]),
        segments,
        direction: Direction::FromDevice,
        mode: IoMode::Interrupt,
    }
}

fn round_trip(features: u64, max_size: u32) {
    let mut queue = Queue::<Bytes>::new(max_size, features, MAX_SLOTS).unwrap();
    let mut device = Device::of(&queue);
    let payload = segments(queue.max_segments() as u64);
    // Often enough for the ring indices to wrap.
    for round in 0..70_000u32 {
        let token = queue.submit(&read_request(&payload)).unwrap();
        queue.publish();
        let (head, chain) = device.pop().unwrap();
        if round == 0 {
            assert_eq!(chain.len(), payload.len() + 2);
            assert_eq!((chain[0].1, chain[0].2), (16, NEXT));
            assert_eq!(chain[1], (0x1000, 4096, NEXT | WRITE));
            assert_eq!(
                (chain.last().unwrap().1, chain.last().unwrap().2),
                (1, WRITE)
            );
        }
        device.memory.write8(chain.last().unwrap().0 - BASE, 0);
        device.push(head.into(), 4097);
        let woken: Vec<usize> = queue.collect().unwrap().each().collect();
        assert_eq!(woken, [token.slot()], "a sleeper's request came back");
        let answer = queue.take(token).unwrap();
        assert_eq!((answer.status, answer.written), (0, 4097));
    }
}

#[test]
fn a_request_comes_back_with_indirect_descriptors() {
    round_trip(ALL, 256);
}

#[test]
fn a_request_comes_back_without_indirect_descriptors() {
    round_trip(0, 256);
}

#[test]
fn a_ring_of_odd_size_is_used_as_far_as_a_power_of_two() {
    round_trip(ALL, 5);
    round_trip(0, 65535);
}

#[test]
fn a_ring_that_is_too_small_is_refused() {
    assert!(Queue::<Bytes>::new(0, ALL, MAX_SLOTS).is_err());
    assert!(Queue::<Bytes>::new(2, ALL, MAX_SLOTS).is_err());
}

#[test]
fn when_all_slots_are_taken_nothing_is_lost() {
    let mut queue = Queue::<Bytes>::new(256, ALL, MAX_SLOTS).unwrap();
    let mut device = Device::of(&queue);
    let payload = segments(1);
    let tokens: Vec<Token> = std::iter::from_fn(|| queue.submit(&read_request(&payload))).collect();
    assert_eq!(tokens.len(), usize::from(MAX_SLOTS));
    assert!(!queue.has_room());
    queue.publish();
    // The device answers in the order that it likes.
    let mut heads: Vec<u16> = std::iter::from_fn(|| device.pop())
        .map(|(head, _)| head)
        .collect();
    heads.reverse();
    for head in heads {
        device.push(head.into(), 1);
    }
    queue.collect().unwrap();
    assert!(tokens.iter().all(|token| queue.take(*token).is_some()));
    assert!(queue.has_room());
}

#[test]
fn the_doorbell_rings_only_when_the_device_asks() {
    let mut queue = Queue::<Bytes>::new(256, ALL, MAX_SLOTS).unwrap();
    let device = Device::of(&queue);
    let payload = segments(1);
    let avail_event = device.rings.used.0 - BASE + 4 + 8 * u64::from(device.rings.size);
    queue.submit(&read_request(&payload)).unwrap();
    assert!(queue.publish(), "the device waits for index 0");
    queue.submit(&read_request(&payload)).unwrap();
    assert!(!queue.publish(), "the device has not looked since");
    device.memory.write16(avail_event, 2);
    queue.submit(&read_request(&payload)).unwrap();
    assert!(queue.publish(), "the device waits for index 2");
}

#[test]
fn a_longer_answer_than_the_device_could_write_is_cut() {
    let mut queue = Queue::<Bytes>::new(256, ALL, MAX_SLOTS).unwrap();
    let mut device = Device::of(&queue);
    let token = queue.submit(&read_request(&segments(1))).unwrap();
    queue.publish();
    device.push(0, u32::MAX);
    queue.collect().unwrap();
    assert_eq!(queue.take(token).unwrap().written, 4097);
}

/// What the device does with one request under way, all of it wrong.
fn is_found_out(answer: impl Fn(&mut Device)) {
    for features in [ALL, 0] {
        let mut queue = Queue::<Bytes>::new(256, features, MAX_SLOTS).unwrap();
        queue.submit(&read_request(&segments(1))).unwrap();
        queue.publish();
        let mut device = Device::of(&queue);
        answer(&mut device);
        assert!(queue.collect().is_err());
    }
}

#[test]
fn answers_to_no_request_are_found_out() {
    is_found_out(|device| device.push(1, 0));
    is_found_out(|device| device.push(255, 0));
    is_found_out(|device| device.push(u32::MAX, 0));
}

#[test]
fn a_second_answer_is_found_out() {
    is_found_out(|device| {
        device.push(0, 0);
        device.push(0, 0);
    });
}

#[test]
fn a_used_index_that_jumps_is_found_out() {
    is_found_out(|device| {
        device.used = 5000;
        device.push(0, 0);
    });
}
