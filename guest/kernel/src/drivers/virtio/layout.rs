//! Where the parts of a virtqueue lie in its memory.
//!
//! ```text
//!  descriptors | avail ring | used ring | slot 0 | slot 1 ...    slot: header, status, table
//! ```

use super::Broken;

/// Most requests under way at once.
pub(super) const MAX_SLOTS: u16 = 32;
/// Requests under way of a device for which few are enough: its queue takes one page.
pub(super) const FEW_SLOTS: u16 = 8;
/// Descriptors of a request: 64 KiB in pages, a header and a status.
const TABLE_LEN: u16 = 18;
/// Smallest table with which a block request can be made.
const MIN_TABLE_LEN: u16 = 3;
/// Ring size: no smaller than a table, as no chain may be longer than the ring (2.7.5.3.1).
const SIZE: u16 = 32;
/// Ring size for a device without indirect descriptors.
const DIRECT_SIZE: u16 = 128;

/// Bytes of a descriptor (virtio 1.3 2.7.5).
pub(super) const DESCRIPTOR_BYTES: u64 = 16;
/// Header (16 bytes) and status (1) of a slot, before its table.
pub(super) const SLOT_HEAD_BYTES: u64 = 32;
/// Offset of the status in a slot.
pub(super) const STATUS_OFFSET: u64 = 16;

/// Offsets of the rings, behind the descriptors.
#[derive(Clone, Copy)]
pub(super) struct RingLayout {
    /// A power of two.
    pub(super) size: u16,
    pub(super) avail: u64,
    pub(super) used: u64,
}

impl RingLayout {
    /// For at most `wanted` entries, of a queue that can have `max_size`.
    pub(super) fn new(max_size: u32, wanted: u16) -> Self {
        let most = u16::try_from(max_size).unwrap_or(u16::MAX).min(wanted);
        // A size is a power of two (virtio 1.3 2.7): the largest that is allowed.
        let size = most.checked_ilog2().map_or(0, |bits| 1 << bits);
        let entries = u64::from(size);
        let avail = entries * DESCRIPTOR_BYTES;
        // It must be aligned to 4 (2.7); at 4 beyond a multiple of 8 its entries are aligned to 8
        // and can be read in one piece.
        let used = (avail + 6 + 2 * entries).next_multiple_of(8) + 4;
        Self { size, avail, used }
    }

    /// Where the rings end.
    pub(super) fn end(&self) -> u64 {
        (self.used + 6 + 8 * u64::from(self.size)).next_multiple_of(DESCRIPTOR_BYTES)
    }

    pub(super) fn avail_entry(&self, index: u16) -> u64 {
        self.avail + 4 + 2 * u64::from(index & (self.size - 1))
    }

    pub(super) fn used_entry(&self, index: u16) -> u64 {
        self.used + 4 + 8 * u64::from(index & (self.size - 1))
    }

    /// Where the driver says at which used index it wants an interrupt (virtio 1.3 2.7.7).
    pub(super) fn used_event(&self) -> u64 {
        self.avail + 4 + 2 * u64::from(self.size)
    }

    /// Where the device says at which avail index it wants a doorbell (2.7.10).
    pub(super) fn avail_event(&self) -> u64 {
        self.used + 4 + 8 * u64::from(self.size)
    }
}

/// Offsets into the memory of a queue of requests.
pub(super) struct Layout {
    pub(super) ring: RingLayout,
    pub(super) slots: u16,
    pub(super) table_len: u16,
    slot_area: u64,
    slot_bytes: u64,
}

impl Layout {
    /// For at most so many slots.
    pub(super) fn new(max_size: u32, indirect: bool, max_slots: u16) -> Result<Self, Broken> {
        let wanted = if indirect { SIZE } else { DIRECT_SIZE };
        let ring = RingLayout::new(max_size, wanted);
        let size = ring.size;
        let table_len = TABLE_LEN.min(size);
        if table_len < MIN_TABLE_LEN {
            return Err(Broken);
        }
        let table_bytes = if indirect {
            u64::from(table_len) * DESCRIPTOR_BYTES
        } else {
            0
        };
        Ok(Self {
            ring,
            slots: if indirect { size } else { size / table_len }.min(max_slots),
            table_len,
            slot_area: ring.end(),
            slot_bytes: SLOT_HEAD_BYTES + table_bytes,
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.slot_area + u64::from(self.slots) * self.slot_bytes
    }

    pub(super) fn slot(&self, slot: u16) -> u64 {
        self.slot_area + u64::from(slot) * self.slot_bytes
    }
}
