//! [`Receive`]: frames from the device in buffers of the kernel, which it gets back at once
//! (virtio 1.3 5.1.6.3, 5.1.6.4).
//!
//! A program may also be given the buffers themselves, for a while ([`Receive::give`]).
//!
//! Buffer `n` is descriptor `n`, which is written once. A device that merges buffers may use several
//! for a frame: eight or nine for the longest that is left uncut (5.1.6.3.1), one for any other.

use super::super::Broken;
use super::super::chain::WRITE;
use super::super::layout::RingLayout;
use super::super::ring::Ring;
use super::super::shared::SharedMemory;
use super::features::{FEATURE_MERGEABLE, TAKEN_OFFLOADS};
use super::{HEADER_BUFFERS, HEADER_BYTES};
use crate::drivers::Segment;
use crate::drivers::net::batch::Incoming;
use crate::mm::DmaBuffer;
use abi::net_window::{MOST_RECEIVED, RECEIVE_AREA, WINDOW_BYTES};

/// Most buffers.
const SIZE: u16 = 128;
/// Bytes of one: header and frame fit, and few are needed for a frame that was not cut.
const BUFFER_BYTES: u32 = 8192;
/// Of all; also when the device takes fewer: windows have one length.
pub(super) const BUFFERS_BYTES: u64 = SIZE as u64 * BUFFER_BYTES as u64;

const _: () = assert!(RECEIVE_AREA as u64 + BUFFERS_BYTES == WINDOW_BYTES as u64);
const _: () = assert!(SIZE as usize == MOST_RECEIVED);

/// The device is shown the buffers that it gets back when they are such a part of all.
const LOW: u16 = 4;
/// The header's first word (5.1.6) without the flag that says that the sum was looked at: what is
/// left to be done to the frame, the sum or the cutting.
const LEFT_OPEN: u16 = 0xfffd;

pub(super) struct Receive<M = DmaBuffer> {
    pub(super) ring: Ring<M>,
    pub(super) buffers: M,
    /// Buffers that there are.
    count: u16,
    mergeable: bool,
    /// Whether the device may ever leave something to be done to a frame.
    offloads: bool,
    /// Which buffers the device has.
    lent: [bool; SIZE as usize],
    /// Which a program has been given, and how many they are.
    given: [u16; SIZE as usize],
    given_count: usize,
}

/// A buffer that has come back, with so many bytes from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Filled {
    number: u16,
    bytes: u32,
}

impl Filled {
    fn offset(self) -> u64 {
        u64::from(self.number) * u64::from(BUFFER_BYTES)
    }
}

impl<M: SharedMemory> Receive<M> {
    /// All buffers are in the ring, unpublished.
    pub(super) fn new(max_size: u32, features: u64) -> Result<Self, Broken> {
        let layout = RingLayout::new(max_size, SIZE);
        if layout.size == 0 {
            return Err(Broken);
        }
        let buffers = M::allocate(BUFFERS_BYTES).ok_or(Broken)?;
        let memory = M::allocate(layout.end()).ok_or(Broken)?;
        let mut ring = Ring::new(memory, layout, features);
        let mut lent = [false; SIZE as usize];
        for number in 0..layout.size {
            let offset = u64::from(number) * u64::from(BUFFER_BYTES);
            let address = buffers.phys().offset(offset);
            ring.describe(number, address, u64::from(BUFFER_BYTES) | WRITE << 32);
            ring.offer(number);
            lent[usize::from(number)] = true;
        }
        Ok(Self {
            ring,
            buffers,
            count: layout.size,
            mergeable: features & FEATURE_MERGEABLE != 0,
            offloads: features & TAKEN_OFFLOADS != 0,
            lent,
            given: [0; SIZE as usize],
            given_count: 0,
        })
    }

    pub(super) fn has_none(&self) -> bool {
        self.ring.used() == 0
    }

    /// Whether the device is to be shown the buffers that it got back.
    pub(super) fn is_low(&self) -> bool {
        self.ring.unpublished() >= self.count / LOW
    }

    /// Wants an interrupt when a frame comes, and makes sure that it is seen whether one has.
    pub(super) fn want_interrupt(&self) {
        self.ring.want_interrupt(0);
        self.ring.full_barrier();
    }

    /// Takes the next buffer that the device has used, which there is.
    fn take_buffer(&mut self) -> Result<Filled, Broken> {
        let (id, bytes) = self.ring.take();
        let index = usize::try_from(id).map_err(|_| Broken)?;
        let lent = self.lent.get_mut(index).ok_or(Broken)?;
        if !core::mem::replace(lent, false) || bytes > BUFFER_BYTES {
            return Err(Broken);
        }
        // Below SIZE.
        let number = index as u16;
        Ok(Filled { number, bytes })
    }

    #[inline]
    fn give_back(&mut self, number: u16) {
        self.lent[usize::from(number)] = true;
        self.ring.offer(number);
    }

    /// Gives the device back what a program was given.
    pub(super) fn take_back(&mut self) {
        for index in 0..core::mem::take(&mut self.given_count) {
            self.give_back(self.given[index]);
        }
    }

    /// Gives a program at most `most` buffers that the device has used, of whole frames, and tells
    /// `each` of the number among them, offset and bytes of each; how many they are. They are the
    /// program's until [`Self::take_back`], which was called. A frame that has more is lost.
    #[inline]
    pub(super) fn give(
        &mut self,
        most: usize,
        mut each: impl FnMut(usize, u64, u32),
    ) -> Result<usize, Broken> {
        let most = most.min(self.given.len());
        let mut ready = self.ring.used();
        let mut given = 0;
        while ready > 0 && given < most {
            let first = self.take_buffer()?;
            if u64::from(first.bytes) < HEADER_BYTES {
                return Err(Broken);
            }
            let count = self.count(first, ready)?;
            if usize::from(count) > most - given {
                if given > 0 {
                    self.leave(first);
                    break;
                }
                self.lose(first, count)?;
                ready -= count;
                continue;
            }
            self.given[given] = first.number;
            each(given, first.offset(), first.bytes);
            given += 1;
            for _ in 1..count {
                let buffer = self.take_buffer()?;
                self.given[given] = buffer.number;
                each(given, buffer.offset(), buffer.bytes);
                given += 1;
            }
            ready -= count;
        }
        self.given_count = given;
        Ok(given)
    }

    /// Leaves a buffer that was just taken to be taken again.
    fn leave(&mut self, buffer: Filled) {
        self.lent[usize::from(buffer.number)] = true;
        self.ring.leave();
    }

    /// Gives the device back a frame of `count` buffers, of which the first was taken.
    #[cold]
    fn lose(&mut self, first: Filled, count: u16) -> Result<(), Broken> {
        self.give_back(first.number);
        for _ in 1..count {
            let buffer = self.take_buffer()?;
            self.give_back(buffer.number);
        }
        Ok(())
    }

    /// Where the bytes of a buffer behind the first `skip` are.
    fn contents(&self, buffer: Filled, skip: u64) -> Result<Segment, Broken> {
        // The header and all buffers are shorter than that.
        let len = buffer.bytes.checked_sub(skip as u32).ok_or(Broken)?;
        let phys = self.buffers.phys().offset(buffer.offset() + skip);
        Ok(Segment { phys, len })
    }

    /// Buffers of the frame that begins in `first`, of so many that the device has used: it uses all
    /// of a frame together (5.1.6.4).
    #[inline]
    fn count(&self, first: Filled, ready: u16) -> Result<u16, Broken> {
        let count = match self.mergeable {
            true => self.buffers.read16(first.offset() + HEADER_BUFFERS).max(1),
            false => 1,
        };
        (count <= ready).then_some(count).ok_or(Broken)
    }

    /// Whether something is left to be done to the frame that begins in `first`.
    #[inline]
    fn is_open(&self, first: Filled) -> bool {
        self.offloads && self.buffers.read16(first.offset()) & LEFT_OPEN != 0
    }

    /// Takes the next frame, of which the first of `ready` buffers is, and hands its pieces to
    /// `each`; its length. `None` for one that is not as on the wire, which is lost.
    #[inline]
    fn take_pieces(
        &mut self,
        ready: &mut u16,
        mut each: impl FnMut(usize, &Segment),
    ) -> Result<Option<usize>, Broken> {
        let first = self.take_buffer()?;
        let count = self.count(first, *ready)?;
        *ready -= count;
        if self.is_open(first) {
            self.lose(first, count)?;
            return Ok(None);
        }
        let piece = self.contents(first, HEADER_BYTES)?;
        each(0, &piece);
        let mut bytes = piece.len();
        for _ in 1..count {
            let buffer = self.take_buffer()?;
            let piece = self.contents(buffer, 0)?;
            each(bytes, &piece);
            bytes += piece.len();
            self.give_back(buffer.number);
        }
        self.give_back(first.number);
        Ok(Some(bytes))
    }

    /// Takes frames as long as there are some and room for them.
    pub(super) fn take(&mut self, frames: &mut Incoming<'_>) -> Result<(), Broken> {
        let mut ready = self.ring.used();
        while ready > 0 && frames.has_room() {
            let bytes = self.take_pieces(&mut ready, |at, piece| frames.copy(at, piece))?;
            bytes.into_iter().for_each(|bytes| frames.add(bytes));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
