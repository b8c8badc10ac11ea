//! [`QueueSetup`]: a queue as its driver describes it, until it is worked with (virtio 1.3 2.7).

use super::F_EVENT_IDX;
use virtio_queue::{Queue, QueueT};
use vm_memory::{GuestAddress, GuestMemory, GuestMemoryMmap, Permissions};

/// A queue as the driver has set it up.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueSetup {
    /// Number of descriptors.
    pub size: u16,
    /// Whether the driver wants it used.
    pub ready: bool,
    /// Guest-physical address of the descriptor table.
    pub desc_table: u64,
    /// Guest-physical address of the available ring.
    pub avail_ring: u64,
    /// Guest-physical address of the used ring.
    pub used_ring: u64,
    /// Index into both rings at which work starts. They are the same when nothing is in flight.
    pub next: u16,
}

/// Which of a queue's three areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueAddress {
    /// Descriptor table.
    DescTable,
    /// Available ring, written by the driver.
    AvailRing,
    /// Used ring, written by the device.
    UsedRing,
}

impl QueueSetup {
    pub(super) fn new(max_size: u16) -> Self {
        Self {
            size: max_size,
            ready: false,
            desc_table: 0,
            avail_ring: 0,
            used_ring: 0,
            next: 0,
        }
    }

    /// Guest-physical address of one of its areas.
    pub fn address(&self, which: QueueAddress) -> u64 {
        match which {
            QueueAddress::DescTable => self.desc_table,
            QueueAddress::AvailRing => self.avail_ring,
            QueueAddress::UsedRing => self.used_ring,
        }
    }

    pub(super) fn address_mut(&mut self, which: QueueAddress) -> &mut u64 {
        match which {
            QueueAddress::DescTable => &mut self.desc_table,
            QueueAddress::AvailRing => &mut self.avail_ring,
            QueueAddress::UsedRing => &mut self.used_ring,
        }
    }

    /// The areas' addresses and lengths in bytes (2.7), and how they are accessed.
    fn areas(&self) -> [(u64, usize, Permissions); 3] {
        let size = usize::from(self.size);
        [
            (self.desc_table, 16 * size, Permissions::Read),
            (self.avail_ring, 6 + 2 * size, Permissions::Read),
            (self.used_ring, 6 + 8 * size, Permissions::Write),
        ]
    }

    /// The queue to work with, or none if its areas are misaligned or not in memory.
    pub(super) fn build(
        &self,
        max_size: u16,
        memory: &GuestMemoryMmap,
        features: u64,
    ) -> Option<Queue> {
        let in_memory = self.areas().into_iter().all(|(address, bytes, access)| {
            GuestMemory::check_range(memory, GuestAddress(address), bytes, access)
        });
        // An available ring at 0 is virtio-queue's mark of a queue that is not set up.
        if !in_memory || self.avail_ring == 0 {
            return None;
        }
        let mut queue = Queue::new(max_size).ok()?;
        queue.try_set_size(self.size).ok()?;
        queue
            .try_set_desc_table_address(GuestAddress(self.desc_table))
            .ok()?;
        queue
            .try_set_avail_ring_address(GuestAddress(self.avail_ring))
            .ok()?;
        queue
            .try_set_used_ring_address(GuestAddress(self.used_ring))
            .ok()?;
        queue.set_event_idx(features & F_EVENT_IDX != 0);
        queue.set_next_avail(self.next);
        queue.set_next_used(self.next);
        queue.set_ready(true);
        Some(queue)
    }
}
