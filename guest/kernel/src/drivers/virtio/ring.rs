//! [`Ring`]: the two rings of a split virtqueue (virtio 1.3 2.7), the driver's side: what is made
//! available, what has been used, and who is told when.
//!
//! What descriptors name is its owner's affair; they lie at the start of the memory.

use super::layout::{DESCRIPTOR_BYTES, RingLayout};
use super::shared::SharedMemory;
use crate::mm::{DmaBuffer, PhysAddr};
use core::sync::atomic::{AtomicU32, Ordering};

/// `VIRTIO_F_EVENT_IDX` (virtio 1.3 6).
pub(super) const FEATURE_EVENT_INDEX: u64 = 1 << 29;

/// Flag of either ring: the other side need not be told (2.7.7, 2.7.10).
const NO_EVENT: u16 = 1;

/// Where the rings are, for the device.
pub(super) struct Rings {
    pub(super) size: u16,
    pub(super) descriptors: PhysAddr,
    pub(super) avail: PhysAddr,
    pub(super) used: PhysAddr,
}

/// The rings, and their owner's memory behind them.
pub(super) struct Ring<M = DmaBuffer> {
    pub(super) memory: M,
    layout: RingLayout,
    event_index: bool,
    avail_index: u16,
    /// `avail_index` when the device was last told.
    told_index: u16,
    used_index: u16,
    barrier: AtomicU32,
}

impl<M: SharedMemory> Ring<M> {
    /// Empty rings in `memory`, which is zero.
    pub(super) fn new(memory: M, layout: RingLayout, features: u64) -> Self {
        let ring = Self {
            memory,
            layout,
            event_index: features & FEATURE_EVENT_INDEX != 0,
            avail_index: 0,
            told_index: 0,
            used_index: 0,
            barrier: AtomicU32::new(0),
        };
        ring.want_no_interrupt();
        ring
    }

    pub(super) fn rings(&self) -> Rings {
        Rings {
            size: self.layout.size,
            descriptors: self.phys(0),
            avail: self.phys(self.layout.avail),
            used: self.phys(self.layout.used),
        }
    }

    /// Where the device finds what is at `offset`.
    pub(super) fn phys(&self, offset: u64) -> PhysAddr {
        self.memory.phys().offset(offset)
    }

    /// Writes a descriptor: `rest` is length, flags and the number of the next (2.7.5).
    #[inline]
    pub(super) fn describe(&self, number: u16, address: PhysAddr, rest: u64) {
        let at = u64::from(number) * DESCRIPTOR_BYTES;
        self.memory.write64(at, address.0);
        self.memory.write64(at + 8, rest);
    }

    /// Makes the chain available that begins with descriptor `head`. The device sees it at the
    /// next [`Ring::publish`].
    #[inline]
    pub(super) fn offer(&mut self, head: u16) {
        let entry = self.layout.avail_entry(self.avail_index);
        self.memory.write16(entry, head);
        self.avail_index = self.avail_index.wrapping_add(1);
    }

    /// Chains that the device has not been shown.
    pub(super) fn unpublished(&self) -> u16 {
        self.avail_index.wrapping_sub(self.told_index)
    }

    /// Shows the device what was made available; whether its doorbell must be rung.
    pub(super) fn publish(&mut self) -> bool {
        self.memory.write16(self.layout.avail + 2, self.avail_index);
        self.full_barrier();
        let old = core::mem::replace(&mut self.told_index, self.avail_index);
        if self.event_index {
            let event = self.memory.read16(self.layout.avail_event());
            let since_event = self.avail_index.wrapping_sub(event).wrapping_sub(1);
            since_event < self.avail_index.wrapping_sub(old)
        } else {
            self.memory.read16(self.layout.used) & NO_EVENT == 0
        }
    }

    /// Chains that the device says it has used and that were not taken in yet.
    #[inline]
    pub(super) fn used(&self) -> u16 {
        let used = self.memory.read16(self.layout.used + 2);
        used.wrapping_sub(self.used_index)
    }

    /// Takes in the next used chain, which there is: what the device says is the number of its
    /// head, and the bytes that it has written.
    #[inline]
    pub(super) fn take(&mut self) -> (u32, u32) {
        let entry = self.memory.read64(self.layout.used_entry(self.used_index));
        self.used_index = self.used_index.wrapping_add(1);
        // 32 bits each (virtio 1.3 2.7.8).
        (entry as u32, (entry >> 32) as u32)
    }

    /// Leaves the last chain that was taken in for another time.
    pub(super) fn leave(&mut self) {
        self.used_index = self.used_index.wrapping_sub(1);
    }

    /// Takes in so many used chains without a look at them.
    pub(super) fn pass(&mut self, many: u16) {
        self.used_index = self.used_index.wrapping_add(many);
    }

    /// Wants an interrupt at the next used chain; with an event index, when so `many` more have
    /// been used before it.
    pub(super) fn want_interrupt(&self, many: u16) {
        if self.event_index {
            let event = self.used_index.wrapping_add(many);
            self.memory.write16(self.layout.used_event(), event);
        } else {
            self.memory.write16(self.layout.avail, 0);
        }
    }

    /// With an event index an old one is left alone: it asks for nothing until it wraps.
    pub(super) fn want_no_interrupt(&self) {
        if self.event_index {
            let event = self.used_index.wrapping_sub(1);
            self.memory.write16(self.layout.used_event(), event);
        } else {
            self.memory.write16(self.layout.avail, NO_EVENT);
        }
    }

    /// Orders what was written before what is read after, as the device sees it (virtio 1.3
    /// 2.7.13.4.1). An exchange, because software KVM does not execute `mfence`.
    pub(super) fn full_barrier(&self) {
        self.barrier.swap(0, Ordering::SeqCst);
    }
}
