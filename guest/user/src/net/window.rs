//! [`Window`]: a network card whose frames lie in memory that the program shares with its driver
//! (`abi::net_window`): a system call for many of them, and no copy.
#![expect(unsafe_code, reason = "reaches the window's memory")]

use super::Card;
use crate::sys;
use abi::net_window::{
    CHECKSUM, HEADER_BYTES, HEADER_PIECES, MOST_SENT, OFFLOADS, Piece, RECEIVE_AREA, RECEIVE_LIST,
    SEGMENT_TCP4, SEND_AREA, SEND_LIST, WINDOW_BYTES,
};
use abi::syscall::Errno;
use alloc::vec::Vec;
use core::{ptr, slice};

/// Bytes of a half of the area to send from: one is filled while the card takes the other.
const HALF_BYTES: usize = (RECEIVE_AREA - SEND_AREA) / 2;
/// Frames begin at multiples of that.
const ALIGN: usize = 16;

/// What comes before a frame, all zero if nothing is left for the card to do.
pub type Header = [u8; HEADER_BYTES];

/// The header of a frame of TCP over IPv4 that is to be cut into segments of `segment_bytes`: its own
/// headers are `headers` long, TCP's begins at `tcp`, and has its checksum at `checksum` (5.1.6.2).
pub fn tcp_header(headers: u16, segment_bytes: u16, tcp: u16, checksum: u16) -> Header {
    const NEEDS_CHECKSUM: u8 = 1;
    const TCP4: u8 = 1;
    let mut header = [0; HEADER_BYTES];
    header[..2].copy_from_slice(&[NEEDS_CHECKSUM, TCP4]);
    let fields = [headers, segment_bytes, tcp, checksum];
    for (to, field) in header[2..10].chunks_exact_mut(2).zip(fields) {
        to.copy_from_slice(&field.to_le_bytes());
    }
    header
}

/// A card's window.
pub struct Window {
    card: Card,
    address: usize,
    /// Where the half begins that is filled, and where in it the next frame goes.
    half: usize,
    next: usize,
    /// Entries of the lists.
    to_send: usize,
    received: usize,
    /// A frame in several pieces, put together.
    whole: Vec<u8>,
}

impl Window {
    /// That of `card`, if it has one.
    pub fn open(card: Card) -> Result<Self, Errno> {
        let address = sys::net_map(card.file().fd())?;
        Ok(Self {
            card,
            address,
            half: SEND_AREA,
            next: SEND_AREA,
            to_send: 0,
            received: 0,
            whole: Vec::new(),
        })
    }

    /// Its card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Whether the card has TCP over IPv4 cut into segments and summed up.
    pub fn segments_tcp(&self) -> bool {
        const NEEDED: u64 = CHECKSUM | SEGMENT_TCP4;
        // SAFETY: a word that the driver has written before it lent the window.
        let offloads = unsafe { self.at::<u64>(OFFLOADS).read_volatile() };
        offloads & NEEDED == NEEDED
    }

    /// Its first address.
    pub fn address(&self) -> usize {
        self.address
    }

    fn at<T>(&self, offset: usize) -> *mut T {
        ptr::with_exposed_provenance_mut(self.address + offset)
    }

    /// Room for another frame to send, of so many bytes, which are anything; none if it is full.
    pub fn add(&mut self, frame_bytes: usize) -> Option<&mut [u8]> {
        self.add_with(frame_bytes, [0; HEADER_BYTES])
    }

    /// The same for a frame with a header of its own.
    pub fn add_with(&mut self, frame_bytes: usize, header: Header) -> Option<&mut [u8]> {
        let bytes = HEADER_BYTES.checked_add(frame_bytes)?;
        let end = self.next.checked_add(bytes)?;
        if end > self.half + HALF_BYTES || self.to_send == MOST_SENT {
            return None;
        }
        let piece = Piece {
            offset: u32::try_from(self.next).ok()?,
            bytes: u32::try_from(bytes).ok()?,
        };
        let entry = self.at::<u64>(SEND_LIST + 8 * self.to_send);
        // SAFETY: an entry of the list, which the driver only reads in a system call.
        unsafe { entry.write_volatile(piece.to_bits()) };
        // SAFETY: inside the half that the card has taken all of, and in no other frame.
        let place = unsafe { slice::from_raw_parts_mut(self.at(self.next), bytes) };
        self.next = end.next_multiple_of(ALIGN);
        self.to_send += 1;
        let (before, frame) = place.split_at_mut(HEADER_BYTES);
        before.copy_from_slice(&header);
        Some(frame)
    }

    /// Sends the frames that were added.
    pub fn send(&mut self) -> Result<(), Errno> {
        self.exchange(0)
    }

    /// Sends the frames that were added, waits for others, and takes `most` pieces of them; what was
    /// taken before is no more.
    pub fn exchange(&mut self, most: usize) -> Result<(), Errno> {
        let sent = core::mem::take(&mut self.to_send);
        if sent > 0 {
            self.half = match self.half {
                SEND_AREA => SEND_AREA + HALF_BYTES,
                _ => SEND_AREA,
            };
            self.next = self.half;
        }
        if most > 0 {
            self.received = 0;
        }
        // SAFETY: `self` is borrowed, so nobody has a slice of the window; what was sent before, in
        // the half that is filled from now on, is free when the call returns.
        let received = unsafe { sys::net_exchange(self.card.file().fd(), sent, most) }?;
        if most > 0 {
            self.received = received.min(most);
        }
        Ok(())
    }

    /// What piece `index` of those that were taken holds.
    fn received(&self, index: usize) -> Option<&[u8]> {
        let entry = self.at::<u64>(RECEIVE_LIST + 8 * index);
        // SAFETY: an entry of the list, which the driver only writes in a system call.
        let piece = Piece::from_bits(unsafe { entry.read_volatile() });
        if !piece.is_inside(RECEIVE_AREA, WINDOW_BYTES) {
            return None;
        }
        let (offset, bytes) = (piece.offset as usize, piece.bytes as usize);
        // SAFETY: inside the window, and the card's again only after the next exchange, for which
        // `self` must not be borrowed.
        Some(unsafe { slice::from_raw_parts(self.at(offset), bytes) })
    }

    /// Calls `each` with the header and bytes of every frame that was taken, until one fails.
    pub fn for_each<E>(
        &mut self,
        mut each: impl FnMut(&Header, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut whole = core::mem::take(&mut self.whole);
        let mut index = 0;
        let mut outcome = Ok(());
        while outcome.is_ok()
            && index < self.received
            && let Some(first) = self.received(index)
            && let Some((header, frame)) = first.split_first_chunk::<HEADER_BYTES>()
        {
            let pieces = u16::from_le_bytes([header[HEADER_PIECES], header[HEADER_PIECES + 1]]);
            let end = index + usize::from(pieces).max(1);
            outcome = if end == index + 1 {
                each(header, frame)
            } else {
                whole.clear();
                whole.extend_from_slice(frame);
                let others = (index + 1..end.min(self.received)).filter_map(|i| self.received(i));
                others.for_each(|piece| whole.extend_from_slice(piece));
                each(header, &whole)
            };
            index = end;
        }
        self.whole = whole;
        outcome
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: nobody has a slice of it any more.
        let _ = unsafe { sys::munmap(self.address, WINDOW_BYTES) };
    }
}
