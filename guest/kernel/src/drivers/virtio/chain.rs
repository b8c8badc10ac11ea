//! Requests, and the descriptors that tell a device of one (virtio 1.3 2.7.5).

use super::layout::{DESCRIPTOR_BYTES, STATUS_OFFSET};
use super::shared::SharedMemory;
use crate::drivers::Segment;
use crate::mm::PhysAddr;
use abi::syscall::IoMode;

/// Descriptor flags (virtio 1.3 2.7.5).
pub(super) const NEXT: u64 = 1;
pub(super) const WRITE: u64 = 2;
pub(super) const INDIRECT: u64 = 4;
/// A status that no device writes (5.2.6).
const NO_STATUS: u8 = 0xff;

/// Which way the payload goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToDevice,
    FromDevice,
}

/// What the driver asks the device to do.
pub(super) struct Request<'a> {
    /// Two words before the payload, and a status byte after it (virtio 1.3 5.2.6), or neither.
    pub(super) header: Option<[u64; 2]>,
    /// The payload.
    pub(super) segments: &'a [Segment],
    pub(super) direction: Direction,
    /// How the caller is going to wait.
    pub(super) mode: IoMode,
}

/// What [`write_request`] has written.
pub(super) struct Written {
    pub(super) descriptors: u16,
    /// Bytes that the device may write.
    pub(super) writable: u32,
}

/// Writes a request's header and status to offset `head` of `memory`, and its descriptors to
/// offset `table`, of which the first is number `first`.
pub(super) fn write_request<M: SharedMemory>(
    memory: &M,
    head: u64,
    table: u64,
    first: u16,
    request: &Request<'_>,
) -> Written {
    let extra = if request.header.is_some() { 2 } else { 0 };
    let mut chain = Chain {
        memory,
        at: table,
        next: first,
        left: request.segments.len() + extra,
        writable: 0,
    };
    let phys = |offset| memory.phys().offset(offset);
    if let Some([first_word, second_word]) = request.header {
        memory.write64(head, first_word);
        memory.write64(head + 8, second_word);
        chain.push(phys(head), 16, Direction::ToDevice);
    }
    for segment in request.segments {
        chain.push(segment.phys, segment.len, request.direction);
    }
    if request.header.is_some() {
        memory.write8(head + STATUS_OFFSET, NO_STATUS);
        chain.push(phys(head + STATUS_OFFSET), 1, Direction::FromDevice);
    }
    Written {
        descriptors: chain.next - first,
        writable: chain.writable,
    }
}

/// Descriptors of a request, written one after the other.
struct Chain<'a, M> {
    memory: &'a M,
    at: u64,
    next: u16,
    left: usize,
    writable: u32,
}

impl<M: SharedMemory> Chain<'_, M> {
    fn push(&mut self, address: PhysAddr, len: u32, direction: Direction) {
        self.next += 1;
        self.left -= 1;
        let mut flags = 0;
        if self.left > 0 {
            flags |= NEXT;
        }
        if direction == Direction::FromDevice {
            flags |= WRITE;
            self.writable = self.writable.saturating_add(len);
        }
        self.memory.write64(self.at, address.0);
        let rest = u64::from(len) | flags << 32 | u64::from(self.next) << 48;
        self.memory.write64(self.at + 8, rest);
        self.at += DESCRIPTOR_BYTES;
    }
}
