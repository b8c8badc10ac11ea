//! [`Ring`]: a ring of descriptors in guest memory (SDM 3.2.6, 3.4), as registers describe it.
//!
//! The device's descriptors are those from head up to, not including, tail. A ring whose head or
//! tail is not in it has none.

use super::spec::DESCRIPTOR_BYTES;
use std::sync::atomic::Ordering;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Receive,
    Transmit,
}

/// A descriptor: the address of its buffer, and the rest.
pub(super) type Descriptor = [u64; 2];

/// The registers' values at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    /// Address.
    pub(super) base: u64,
    /// Descriptors; not 0.
    pub(super) count: u32,
    /// The device's first, in the ring.
    pub(super) head: u32,
    /// The driver's first, in the ring.
    pub(super) tail: u32,
}

impl Ring {
    /// A ring of so many `bytes`; none if head or tail is not in it.
    pub(super) fn new(base: u64, bytes: u32, head: u32, tail: u32) -> Option<Self> {
        let count = bytes / DESCRIPTOR_BYTES as u32;
        (head < count && tail < count).then_some(Self {
            base,
            count,
            head,
            tail,
        })
    }

    /// Descriptors that are the device's.
    pub(super) fn available(&self) -> u32 {
        (self.tail + self.count - self.head) % self.count
    }

    /// The place of the descriptor that comes `after` so many from the head, in memory.
    fn place(&self, after: u32) -> Option<GuestAddress> {
        let index = (self.head + after) % self.count;
        let offset = u64::from(index) * DESCRIPTOR_BYTES;
        self.base.checked_add(offset).map(GuestAddress)
    }

    /// That descriptor; none if it is not in memory.
    pub(super) fn fetch(&self, memory: &GuestMemoryMmap, after: u32) -> Option<Descriptor> {
        let place = self.place(after)?;
        let low = memory.load(place, Ordering::Acquire).ok()?;
        let high = memory.load(GuestAddress(place.0 + 8), Ordering::Acquire);
        Some([low, high.ok()?])
    }

    /// Writes the second half of that descriptor, and with it all that was written before.
    pub(super) fn write_back(&self, memory: &GuestMemoryMmap, after: u32, half: u64) {
        let Some(place) = self.place(after) else {
            return;
        };
        // It has just been read from there.
        let written = memory.store(half, GuestAddress(place.0 + 8), Ordering::Release);
        if let Err(error) = written {
            log::debug!("e1000: a descriptor: {error}");
        }
    }
}
