//! [`Window`]: frames in memory that programs share with the driver (`abi::net_window`). Each is one
//! descriptor, header and all, so that nothing is copied, pinned or looked up for it.
//!
//! What programs write there is theirs to get wrong: the driver reads each entry of a list once, and
//! sees that it is inside. No descriptor and no ring is in it.

use super::super::Broken;
use super::super::shared::SharedMemory;
use super::features::{MADE_OFFLOADS, TAKEN_OFFLOADS};
use super::receive::BUFFERS_BYTES;
use crate::drivers::Segment;
use crate::mm::DmaBuffer;
use crate::mm::shared::Lent;
use abi::net_window::{
    HEADER_BYTES, OFFLOADS, Piece, RECEIVE_AREA, RECEIVE_LIST, SEND_AREA, SEND_LIST,
};
use abi::syscall::{Errno, Protection};

/// The lists and the area to send from; the card's buffers lie behind it in programs.
pub(super) struct Window<M = DmaBuffer> {
    memory: M,
}

impl Window {
    /// One that programs are lent with `buffers`, of a card of these features.
    pub(super) fn lend(buffers: &DmaBuffer, features: u64) -> Result<(Self, [Lent; 2]), Broken> {
        let window = Self::new(features)?;
        let lists = RECEIVE_AREA as u64;
        let lists = Lent::new(window.memory.phys(), lists, Protection::ReadWrite);
        // The driver looks at what the card has written there, too.
        let buffers = Lent::new(buffers.phys(), BUFFERS_BYTES, Protection::Read);
        Ok((window, [lists, buffers]))
    }
}

impl<M: SharedMemory> Window<M> {
    fn new(features: u64) -> Result<Self, Broken> {
        let memory = M::allocate(RECEIVE_AREA as u64).ok_or(Broken)?;
        memory.write64(OFFLOADS as u64, features & (MADE_OFFLOADS | TAKEN_OFFLOADS));
        Ok(Self { memory })
    }

    /// Entry `index` of the frames to send, which there is.
    #[inline]
    pub(super) fn to_send(&self, index: usize) -> Result<Segment, Errno> {
        let entry = self.memory.read64((SEND_LIST + 8 * index) as u64);
        let piece = Piece::from_bits(entry);
        if !piece.is_inside(SEND_AREA, RECEIVE_AREA) || piece.bytes as usize <= HEADER_BYTES {
            return Err(Errno::Inval);
        }
        Ok(Segment {
            phys: self.memory.phys().offset(piece.offset.into()),
            len: piece.bytes,
        })
    }

    /// Entry `index` of what has come, which there is, says where among the card's buffers that is.
    #[inline]
    pub(super) fn set_received(&self, index: usize, offset: u64, bytes: u32) {
        let piece = Piece {
            // Inside the window.
            offset: RECEIVE_AREA as u32 + offset as u32,
            bytes,
        };
        let entry = (RECEIVE_LIST + 8 * index) as u64;
        self.memory.write64(entry, piece.to_bits());
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{BASE, Bytes};
    use super::*;
    use abi::net_window::{
        CHECKSUM, MOST_RECEIVED, MOST_SENT, OPEN_CHECKSUM, SEGMENT_TCP4, WHOLE_TCP4,
    };

    #[test]
    fn only_what_is_in_its_area_is_sent() {
        let window = Window::<Bytes>::new(0).unwrap();
        let program = window.memory.again();
        let send = |offset: u64, bytes: u64| {
            let entry = (SEND_LIST + 8 * (MOST_SENT - 1)) as u64;
            program.write64(entry, offset | bytes << 32);
            let segment = window.to_send(MOST_SENT - 1);
            segment.map(|segment| (segment.phys.0 - BASE, segment.len))
        };
        let (start, end) = (SEND_AREA as u64, RECEIVE_AREA as u64);
        assert_eq!(send(start, 26), Ok((start, 26)));
        assert_eq!(send(end - 26, 26), Ok((end - 26, 26)));
        assert_eq!(send(start, end - start), Ok((start, (end - start) as u32)));
        for (offset, bytes) in [
            (start - 1, 26),
            (0, 26),
            (end - 25, 26),
            (end, 26),
            (start, end - start + 1),
            (start, 12),
            (start, 0),
            (start, u64::from(u32::MAX)),
            (u64::from(u32::MAX), 26),
            (u64::from(u32::MAX) - 20, 26),
        ] {
            assert_eq!(send(offset, bytes), Err(Errno::Inval), "{offset} {bytes}");
        }
    }

    #[test]
    fn a_program_is_told_what_the_card_can_do() {
        let offloads = |features| {
            let window = Window::<Bytes>::new(features).unwrap();
            window.memory.read64(OFFLOADS as u64)
        };
        assert_eq!(offloads(0), 0);
        let all = CHECKSUM | SEGMENT_TCP4 | OPEN_CHECKSUM | WHOLE_TCP4;
        assert_eq!(offloads(u64::MAX), all);
    }

    #[test]
    fn what_has_come_is_said_as_a_place_in_the_window() {
        let window = Window::<Bytes>::new(0).unwrap();
        window.set_received(MOST_RECEIVED - 1, 2048, 72);
        let entry = RECEIVE_LIST + 8 * (MOST_RECEIVED - 1);
        let entry = window.memory.read64(entry as u64);
        assert_eq!(entry, 72 << 32 | (RECEIVE_AREA as u64 + 2048));
    }
}
