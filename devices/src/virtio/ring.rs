//! [`Ring`]: a queue as a worker sees it: takes [`Chain`]s of buffers, gives them back, and
//! interrupts once a batch. All that comes from the guest is checked here, once.
//!
//! Chains come in three grades. A well-formed one has buffers that are in memory, readable ones
//! before writable ones. One with a defect still has an end, so that a device with a status byte
//! can answer it. One without an end (it loops, leaves its table, is nested or too long) has no
//! buffers at all. A ring whose index jumps, or that names descriptors that it does not have, is
//! broken: the device needs reset, and nothing is taken from it any more.

use super::{ActiveQueue, Interrupt};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, Permissions};
use vmm_sys_util::eventfd::EventFd;

/// Longest chain taken, in buffers.
pub const MAX_BUFFERS: usize = 512;
/// Longest chain taken, in bytes: what a worker does in one go, before it looks whether to stop.
/// A queue whose buffers are only named may have longer ones: [`Ring::with_longest_chain`].
pub const MAX_CHAIN_BYTES: u64 = 16 << 20;

/// A piece of guest memory that a descriptor names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where it starts.
    pub gpa: GuestAddress,
    /// In bytes; not 0.
    pub len: u32,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// It has no end within its table or the longest length.
    Endless,
    /// A readable buffer follows a writable one.
    Order,
    /// A buffer is not in memory.
    OutsideMemory,
    /// It has more bytes than the queue takes.
    Huge,
}

/// Buffers that the driver has made available together.
#[derive(Debug, Default)]
pub struct Chain {
    /// Index of the first descriptor, by which the chain is given back.
    pub head: u16,
    /// For the device to read.
    pub readable: Vec<Buffer>,
    /// For the device to write.
    pub writable: Vec<Buffer>,
    /// What is wrong with it. Buffers outside memory are among those above.
    pub defect: Option<Defect>,
}

impl Chain {
    fn collect(
        descriptors: DescriptorChain<&GuestMemoryMmap>,
        memory: &GuestMemoryMmap,
        longest_bytes: u64,
    ) -> Self {
        let mut chain = Self {
            head: descriptors.head_index(),
            ..Self::default()
        };
        // An iterator that meets something invalid just ends: after a descriptor that has a next.
        let mut ended = false;
        for descriptor in descriptors.take(MAX_BUFFERS) {
            ended = !descriptor.has_next();
            chain.add(&descriptor, memory);
        }
        if !ended {
            chain.readable.clear();
            chain.writable.clear();
            chain.defect = Some(Defect::Endless);
        }
        if total_bytes(&chain.readable) + total_bytes(&chain.writable) > longest_bytes {
            chain.defect.get_or_insert(Defect::Huge);
        }
        chain
    }

    fn add(&mut self, descriptor: &Descriptor, memory: &GuestMemoryMmap) {
        let (gpa, len) = (descriptor.addr(), descriptor.len());
        if len == 0 {
            return;
        }
        let (buffers, access) = if descriptor.is_write_only() {
            (&mut self.writable, Permissions::Write)
        } else {
            if !self.writable.is_empty() {
                self.defect.get_or_insert(Defect::Order);
            }
            (&mut self.readable, Permissions::Read)
        };
        buffers.push(Buffer { gpa, len });
        if !in_memory(memory, gpa, len, access) {
            self.defect.get_or_insert(Defect::OutsideMemory);
        }
    }
}

fn in_memory(memory: &GuestMemoryMmap, gpa: GuestAddress, len: u32, access: Permissions) -> bool {
    usize::try_from(len).is_ok_and(|len| GuestMemory::check_range(memory, gpa, len, access))
}

/// Sum of the lengths in bytes.
pub fn total_bytes(buffers: &[Buffer]) -> u64 {
    buffers.iter().map(|buffer| u64::from(buffer.len)).sum()
}

/// Takes the first `bytes` off `buffers`, or none when there are not as many.
pub fn split_front(buffers: &mut Vec<Buffer>, bytes: u64) -> Option<Vec<Buffer>> {
    if total_bytes(buffers) < bytes {
        return None;
    }
    let mut front = Vec::new();
    let mut wanted = bytes;
    while wanted > 0 {
        let first = buffers.first_mut()?;
        match u32::try_from(wanted) {
            Ok(part) if part < first.len => {
                front.push(Buffer {
                    gpa: first.gpa,
                    len: part,
                });
                first.gpa.0 += wanted;
                first.len -= part;
                wanted = 0;
            }
            _ => {
                wanted -= u64::from(first.len);
                front.push(buffers.remove(0));
            }
        }
    }
    Some(front)
}

/// Copies the start of `buffers` to `data`; false when they are shorter or not in memory.
pub fn read_front(memory: &GuestMemoryMmap, buffers: &[Buffer], data: &mut [u8]) -> bool {
    let mut done = 0;
    for buffer in buffers {
        let part = (data.len() - done).min(buffer.len as usize);
        if memory
            .read_slice(&mut data[done..done + part], buffer.gpa)
            .is_err()
        {
            return false;
        }
        done += part;
    }
    done == data.len()
}

/// A queue at work.
pub struct Ring {
    index: u16,
    queue: Queue,
    doorbell: EventFd,
    memory: Arc<GuestMemoryMmap>,
    interrupt: Interrupt,
    longest_chain_bytes: u64,
    /// Chains given back since the driver was last told.
    unsignalled: u32,
    broken: bool,
}

impl Ring {
    /// A queue in `memory`, which interrupts by `interrupt`.
    pub fn new(queue: ActiveQueue, memory: Arc<GuestMemoryMmap>, interrupt: Interrupt) -> Self {
        Self {
            index: queue.index,
            queue: queue.queue,
            doorbell: queue.doorbell,
            memory,
            interrupt,
            longest_chain_bytes: MAX_CHAIN_BYTES,
            unsignalled: 0,
            broken: false,
        }
    }

    /// The same queue, with chains of up to so many bytes.
    pub fn with_longest_chain(self, bytes: u64) -> Self {
        Self {
            longest_chain_bytes: bytes,
            ..self
        }
    }

    /// Readable when the driver has notified, for [`super::worker::Work::sources`].
    pub fn doorbell_fd(&self) -> RawFd {
        self.doorbell.as_raw_fd()
    }

    /// The memory that buffers are in.
    pub fn memory(&self) -> &Arc<GuestMemoryMmap> {
        &self.memory
    }

    /// Number of descriptors.
    pub fn size(&self) -> u16 {
        self.queue.size()
    }

    /// Begins to serve the queue: empties the doorbell and asks the driver not to ring while the
    /// worker is awake anyway.
    pub fn begin(&mut self) {
        // Empty if the worker has rung it itself and lost the race; nothing is missed by that.
        let _ = self.doorbell.read();
        if self.queue.disable_notification(&*self.memory).is_err() {
            self.set_broken();
        }
    }

    /// The next chain.
    pub fn pop(&mut self) -> Option<Chain> {
        if self.broken {
            return None;
        }
        let size = self.queue.size();
        let Ok(mut available) = self.queue.iter(&*self.memory) else {
            self.set_broken();
            return None;
        };
        let descriptors = available.next()?;
        if descriptors.head_index() >= size {
            self.set_broken();
            return None;
        }
        let chain = Chain::collect(descriptors, &self.memory, self.longest_chain_bytes);
        if chain.defect.is_some() {
            self.interrupt.count_defect();
        }
        Some(chain)
    }

    /// Whether a chain is there to be taken.
    pub fn has_more(&self) -> bool {
        let index = self.queue.avail_idx(&*self.memory, Ordering::Acquire);
        !self.broken && index.is_ok_and(|index| index.0 != self.queue.next_avail())
    }

    /// Gives a chain back, into which `written` bytes were written from its start.
    pub fn push(&mut self, head: u16, written: u32) {
        match self.queue.add_used(&*self.memory, head, written) {
            Ok(()) => self.unsignalled += 1,
            Err(_) => self.set_broken(),
        }
    }

    /// Gives several chains back, of which the driver sees either none or all.
    pub fn push_together(&mut self, chains: &[(u16, u32)]) {
        let Some(((last, written), before)) = chains.split_last() else {
            return;
        };
        for (head, written) in before {
            let next = self.queue.next_used();
            let entry = u64::from(next % self.queue.size());
            // In memory: `Handshake` has checked the whole ring.
            let entry = GuestAddress(self.queue.used_ring().saturating_add(4 + 8 * entry));
            let element = [u32::from(*head).to_le(), written.to_le()];
            if self.memory.write_obj(element, entry).is_err() {
                return self.set_broken();
            }
            self.queue.set_next_used(next.wrapping_add(1));
            self.unsignalled += 1;
        }
        // The index, and the first entries with it, are shown by this one.
        self.push(*last, *written);
    }

    /// Counts a chain that makes no sense to the device, though it is one.
    pub fn count_defect(&self) {
        self.interrupt.count_defect();
    }

    /// Chains given back since the driver was last told.
    pub fn unsignalled(&self) -> u32 {
        self.unsignalled
    }

    /// Whether [`Self::signal`] would interrupt.
    pub fn interrupt_is_due(&self) -> bool {
        self.unsignalled > 0 && self.driver_wants_interrupt(self.unsignalled)
    }

    /// Interrupts the driver for all chains given back since the last time, if it wants that.
    pub fn signal(&mut self) {
        let pushed = std::mem::take(&mut self.unsignalled);
        if pushed > 0 && self.driver_wants_interrupt(pushed) {
            self.interrupt.signal_used(self.index);
        }
    }

    /// Ends serving for now: the driver is to ring again. True when there is already more, which
    /// it may not have rung for.
    pub fn end(&mut self) -> bool {
        if self.broken {
            return false;
        }
        self.queue
            .enable_notification(&*self.memory)
            .unwrap_or_else(|_| {
                self.set_broken();
                false
            })
    }

    /// Leaves the rest for later: the worker looks at its other sources first.
    pub fn postpone(&self) {
        if let Err(error) = self.doorbell.write(1) {
            log::debug!("virtio doorbell: {error}");
        }
    }

    /// Whether the driver wants to know of the last `pushed` chains (2.7.7, 2.7.10).
    fn driver_wants_interrupt(&self, pushed: u32) -> bool {
        // The used index must be visible before the driver's wish is read.
        fence(Ordering::SeqCst);
        // On an error, which takes rings that have left memory, one interrupt too many.
        if self.queue.event_idx_enabled() {
            self.used_event().is_none_or(|event| {
                let past_event = self.queue.next_used().wrapping_sub(event).wrapping_sub(1);
                u32::from(past_event) < pushed
            })
        } else {
            self.load_avail(0)
                .is_none_or(|flags| u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT == 0)
        }
    }

    /// The used index from which on the driver wants an interrupt.
    fn used_event(&self) -> Option<u16> {
        self.load_avail(4 + 2 * u64::from(self.queue.size()))
    }

    fn load_avail(&self, offset: u64) -> Option<u16> {
        let at = GuestAddress(self.queue.avail_ring().saturating_add(offset));
        let value = self.memory.load::<u16>(at, Ordering::Relaxed);
        value.map(u16::from_le).ok()
    }

    fn set_broken(&mut self) {
        if !self.broken {
            self.broken = true;
            self.interrupt.signal_needs_reset();
        }
    }
}
