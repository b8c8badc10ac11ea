//! [`Window`]: a network card whose frames lie in memory that the program shares with its driver
//! (`abi::net_window`): a system call for many of them, and no copy.
#![expect(unsafe_code, reason = "reaches the window's memory")]

use super::Card;
use crate::mapping::PAGE;
use crate::sys;
use abi::net_header::NetHeader;
use abi::net_window::{
    CHECKSUM, HEADER_BYTES, MOST_SENT, OFFLOADS, OPEN_CHECKSUM, Piece, RECEIVE_AREA, RECEIVE_LIST,
    SEGMENT_TCP4, SEND_AREA, SEND_LIST, WHOLE_TCP4, WINDOW_BYTES,
};
use abi::syscall::Errno;
use alloc::vec::Vec;
use core::{ptr, slice};

/// Bytes of a half of the area to send from: one is filled while the card takes the other.
const HALF_BYTES: usize = (RECEIVE_AREA - SEND_AREA) / 2;
/// Frames begin at multiples of that.
const ALIGN: usize = 16;

/// How frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Cut and summed up.
    AsOnWire,
    /// With their headers saying what is left to be done.
    AsSent,
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
        // Each page is mapped when it is first touched: none while frames come.
        for page in (address..address + WINDOW_BYTES).step_by(PAGE) {
            // SAFETY: reads only, and no Rust object is there.
            unsafe { ptr::with_exposed_provenance::<u8>(page).read_volatile() };
        }
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
        self.offloads() & NEEDED == NEEDED
    }

    /// Those that the card can do or leave.
    fn offloads(&self) -> u64 {
        // SAFETY: a word that the driver has written before it lent the window.
        unsafe { self.at::<u64>(OFFLOADS).read_volatile() }
    }

    /// Frames come as anybody sent them from now on, not cut and not summed up, as far as the card can
    /// leave that, or else as on the wire. [`Errno::Inval`] if it can leave nothing.
    pub fn take(&self, frames: Frames) -> Result<(), Errno> {
        let left = self.offloads() & (OPEN_CHECKSUM | WHOLE_TCP4);
        let fd = self.card.file().fd();
        match (frames, left) {
            (Frames::AsSent, 0) => Err(Errno::Inval),
            (Frames::AsSent, _) => sys::net_offload(fd, left),
            (Frames::AsOnWire, _) => sys::net_offload(fd, 0),
        }
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
        self.add_with(frame_bytes, NetHeader::default())
    }

    /// The same for a frame with a header of its own.
    pub fn add_with(&mut self, frame_bytes: usize, header: NetHeader) -> Option<&mut [u8]> {
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
        before.copy_from_slice(&header.to_bytes());
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

    /// Piece `index` of those that were taken, if there is one.
    fn piece(&self, index: usize) -> Option<Piece> {
        if index >= self.received {
            return None;
        }
        let entry = self.at::<u64>(RECEIVE_LIST + 8 * index);
        // SAFETY: an entry of the list, which the driver only writes in a system call.
        let piece = Piece::from_bits(unsafe { entry.read_volatile() });
        piece.is_inside(RECEIVE_AREA, WINDOW_BYTES).then_some(piece)
    }

    /// What a piece holds, or several of them that follow each other.
    fn bytes(&self, piece: Piece) -> &[u8] {
        // SAFETY: inside the window, as every piece is, and the card's again only after the next
        // exchange, for which `self` must not be borrowed.
        unsafe { slice::from_raw_parts(self.at(piece.offset as usize), piece.bytes as usize) }
    }

    /// Calls `each` with the header and bytes of every frame that was taken, until one fails.
    pub fn for_each<E>(
        &mut self,
        mut each: impl FnMut(&NetHeader, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut whole = core::mem::take(&mut self.whole);
        let mut index = 0;
        let mut outcome = Ok(());
        while outcome.is_ok()
            && let Some(first) = self.piece(index)
            && let Some((header, _)) = self.bytes(first).split_first_chunk::<HEADER_BYTES>()
        {
            let header = NetHeader::from_bytes(header);
            let end = (index + usize::from(header.pieces).max(1)).min(self.received);
            let others = (index + 1..end).map_while(|index| self.piece(index));
            let frame = match joined(first, others.clone()) {
                Some(frame) => self.bytes(frame),
                None => {
                    whole.clear();
                    let pieces = core::iter::once(first).chain(others);
                    pieces.for_each(|piece| whole.extend_from_slice(self.bytes(piece)));
                    &whole[..]
                }
            };
            outcome = each(&header, frame.get(HEADER_BYTES..).unwrap_or_default());
            index = end;
        }
        self.whole = whole;
        outcome
    }
}

/// Pieces that follow each other in the window, as the card takes its buffers in turn, are one.
fn joined(first: Piece, mut others: impl Iterator<Item = Piece>) -> Option<Piece> {
    others.try_fold(first, |before, next| {
        let follows = before.offset.checked_add(before.bytes) == Some(next.offset);
        follows.then_some(Piece {
            offset: before.offset,
            bytes: before.bytes + next.bytes,
        })
    })
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: nobody has a slice of it any more.
        let _ = unsafe { sys::munmap(self.address, WINDOW_BYTES) };
    }
}
