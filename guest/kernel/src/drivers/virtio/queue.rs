//! A split virtqueue (virtio 1.3 2.7) for requests whose buffers lie scattered in pinned memory.
//!
//! One [`DmaBuffer`] holds the rings and, for each request under way, a slot ([`Layout`]).
//! With indirect descriptors slot `i` is descriptor `i`, which points to the slot's table, so
//! that nothing has to be looked for. A device without them gets the ring's descriptors dealt
//! out among fewer slots, and a slot's table is its share of the ring.
//!
//! The device is not trusted: an answer that fits no request makes it [`Broken`].

use super::Broken;
use super::chain::{INDIRECT, Request, write_request};
use super::layout::{DESCRIPTOR_BYTES, Layout, MAX_SLOTS, SLOT_HEAD_BYTES, STATUS_OFFSET};
use super::ring::{Ring, Rings};
use super::shared::SharedMemory;
use crate::mm::DmaBuffer;
use abi::syscall::IoMode;

/// `VIRTIO_F_INDIRECT_DESC` (virtio 1.3 6).
pub(super) const FEATURE_INDIRECT: u64 = 1 << 28;

/// A request under way. Whoever has it must [`Queue::take`] the answer.
#[derive(Clone, Copy)]
pub(super) struct Token(u16);

impl Token {
    /// Its slot, below [`MAX_SLOTS`].
    pub(super) fn slot(self) -> usize {
        self.0.into()
    }
}

/// Slots, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slots(u32);

const _: () = assert!(MAX_SLOTS as u32 <= u32::BITS);

impl Slots {
    fn add(&mut self, slot: u16) {
        self.0 |= 1 << slot;
    }

    /// Their numbers.
    pub(super) fn each(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let slot = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (slot < u32::BITS).then_some(slot as usize)
        })
    }
}

/// What came back.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    /// Bytes that the device says it has written, at most those that it could.
    pub(super) written: u32,
    /// Its status byte, for a request with a header.
    pub(super) status: u8,
}

#[derive(Clone, Copy)]
enum Slot {
    Free,
    Pending { writable: u32, mode: IoMode },
    Done { written: u32 },
}

/// One queue of a device, the driver's side.
pub(super) struct Queue<M = DmaBuffer> {
    ring: Ring<M>,
    layout: Layout,
    indirect: bool,
    slots: [Slot; MAX_SLOTS as usize],
    pending: u16,
    /// Those of the pending whose owner sleeps.
    sleepers: u16,
}

impl<M: SharedMemory> Queue<M> {
    /// A queue of at most `max_size` entries, for at most `max_slots` requests under way.
    pub(super) fn new(max_size: u32, features: u64, max_slots: u16) -> Result<Self, Broken> {
        let indirect = features & FEATURE_INDIRECT != 0;
        let layout = Layout::new(max_size, indirect, max_slots.min(MAX_SLOTS))?;
        let memory = M::allocate(layout.bytes()).ok_or(Broken)?;
        Ok(Self {
            ring: Ring::new(memory, layout.ring, features),
            layout,
            indirect,
            slots: [Slot::Free; MAX_SLOTS as usize],
            pending: 0,
            sleepers: 0,
        })
    }

    pub(super) fn rings(&self) -> Rings {
        self.ring.rings()
    }

    /// Segments that a request can have.
    pub(super) fn max_segments(&self) -> usize {
        usize::from(self.layout.table_len - 2)
    }

    /// Puts a request into the ring, or `None` if all slots are taken. The device sees it at the
    /// next [`Queue::publish`]. `request` has 1 to [`Queue::max_segments`] descriptors' worth.
    pub(super) fn submit(&mut self, request: &Request<'_>) -> Option<Token> {
        let free = |slot: &Slot| matches!(slot, Slot::Free);
        let limit = usize::from(self.layout.slots);
        let index = self.slots[..limit].iter().position(free)?;
        let slot = u16::try_from(index).ok()?;
        let (head, writable) = self.write_chain(slot, request);
        self.ring.offer(head);
        self.slots[index] = Slot::Pending {
            writable,
            mode: request.mode,
        };
        self.pending += 1;
        if request.mode == IoMode::Interrupt {
            self.sleepers += 1;
        }
        Some(Token(slot))
    }

    /// Writes the descriptors of a request; its first one, and how much the device may write.
    fn write_chain(&mut self, slot: u16, request: &Request<'_>) -> (u16, u32) {
        let head = self.layout.slot(slot);
        if !self.indirect {
            let first = slot * self.layout.table_len;
            let table = u64::from(first) * DESCRIPTOR_BYTES;
            let written = write_request(&self.ring.memory, head, table, first, request);
            return (first, written.writable);
        }
        let table = head + SLOT_HEAD_BYTES;
        let written = write_request(&self.ring.memory, head, table, 0, request);
        let bytes = u64::from(written.descriptors) * DESCRIPTOR_BYTES;
        let address = self.ring.phys(table);
        self.ring.describe(slot, address, bytes | INDIRECT << 32);
        (slot, written.writable)
    }

    /// Shows the device what was submitted; whether its doorbell must be rung.
    pub(super) fn publish(&mut self) -> bool {
        if self.sleepers > 0 {
            self.ring.want_interrupt(0);
        }
        self.ring.publish()
    }

    /// Takes in what the device has finished; the slots of sleepers among it.
    pub(super) fn collect(&mut self) -> Result<Slots, Broken> {
        let mut woken = Slots::default();
        loop {
            let used = self.ring.used();
            if used > self.pending {
                return Err(Broken);
            }
            for _ in 0..used {
                self.collect_one(&mut woken)?;
            }
            if self.sleepers == 0 {
                break;
            }
            self.ring.want_interrupt(0);
            self.ring.full_barrier();
            if self.ring.used() == 0 {
                break;
            }
        }
        Ok(woken)
    }

    fn collect_one(&mut self, woken: &mut Slots) -> Result<(), Broken> {
        let (head, len) = self.ring.take();
        let head = u16::try_from(head).map_err(|_| Broken)?;
        let stride = if self.indirect {
            1
        } else {
            self.layout.table_len
        };
        if head % stride != 0 {
            return Err(Broken);
        }
        let index = head / stride;
        let slot = self.slots.get_mut(usize::from(index)).ok_or(Broken)?;
        let Slot::Pending { writable, mode } = *slot else {
            return Err(Broken);
        };
        *slot = Slot::Done {
            written: len.min(writable),
        };
        self.pending -= 1;
        if mode == IoMode::Interrupt {
            self.sleepers -= 1;
            woken.add(index);
        }
        Ok(())
    }

    /// Whether a request's answer is there.
    pub(super) fn is_done(&self, token: Token) -> bool {
        matches!(self.slots[usize::from(token.0)], Slot::Done { .. })
    }

    /// Whether a request can be submitted.
    pub(super) fn has_room(&self) -> bool {
        let slots = &self.slots[..usize::from(self.layout.slots)];
        slots.iter().any(|slot| matches!(slot, Slot::Free))
    }

    /// The answer to a request, if it is there; its slot is free again.
    pub(super) fn take(&mut self, token: Token) -> Option<Answer> {
        let slot = &mut self.slots[usize::from(token.0)];
        let Slot::Done { written } = *slot else {
            return None;
        };
        *slot = Slot::Free;
        let status = self
            .ring
            .memory
            .read8(self.layout.slot(token.0) + STATUS_OFFSET);
        Some(Answer { written, status })
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
