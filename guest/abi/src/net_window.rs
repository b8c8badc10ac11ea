//! Memory that a program shares with the driver of a network card: frames lie where the card takes
//! them from and puts them, and are neither copied nor pinned.
//!
//! ```text
//!  0            SEND_LIST: what is to be sent
//!  1 KiB        OFFLOADS: what the card does to them
//!  2 KiB        RECEIVE_LIST: what has come
//!  SEND_AREA    the program's, for frames to send
//!  RECEIVE_AREA the card's buffers, for the program to read
//! ```
//! [`crate::syscall::Sysno::NetMap`] maps it; with [`crate::syscall::Sysno::NetExchange`] the program
//! hands over the first entries of one list and is given those of the other. What it has handed over
//! is its own again when the next call that sends returns; what it was given goes back to the card with
//! the next call that waits for frames, or a read.
//!
//! All programs that map a card's window have the same one, as they have the same card.
//!
//! Each entry is a [`Piece`] of the window: a frame behind [`HEADER_BYTES`] of the card's header
//! ([`crate::net_header`]), which says for a frame that has come how many pieces it takes. Pieces after
//! the first have no header. Frames come whole: one that has more pieces than are asked for is lost.
//!
//! A program that says so ([`crate::syscall::Sysno::NetOffload`]) may be given frames whose sum is left
//! open ([`OPEN_CHECKSUM`]), or that nobody has cut ([`WHOLE_TCP4`], which needs the other).

/// Offsets of the lists, of 64-bit entries.
pub const SEND_LIST: usize = 0;
/// See [`SEND_LIST`].
pub const RECEIVE_LIST: usize = 2048;
/// Offset of a 64-bit word: those of [`CHECKSUM`] and [`SEGMENT_TCP4`] that the card can do to frames
/// that are sent, and of [`OPEN_CHECKSUM`] and [`WHOLE_TCP4`] that it can leave to be done to those that
/// come.
pub const OFFLOADS: usize = 1024;
/// It sums up what the header says: `VIRTIO_NET_F_CSUM` (virtio 1.3 5.1.3).
pub const CHECKSUM: u64 = 1 << 0;
/// It cuts TCP over IPv4 into segments, or hands on that it is to be cut: `VIRTIO_NET_F_HOST_TSO4`.
pub const SEGMENT_TCP4: u64 = 1 << 11;
/// It may leave the sum of a frame that comes open: `VIRTIO_NET_F_GUEST_CSUM`.
pub const OPEN_CHECKSUM: u64 = 1 << 1;
/// It may bring TCP over IPv4 as long as a packet can be: `VIRTIO_NET_F_GUEST_TSO4`.
pub const WHOLE_TCP4: u64 = 1 << 7;
/// Most entries of [`SEND_LIST`].
pub const MOST_SENT: usize = 64;
/// Most entries of [`RECEIVE_LIST`].
pub const MOST_RECEIVED: usize = 128;
/// Where frames to send may lie.
pub const SEND_AREA: usize = 4096;
/// Where frames that have come lie; to the window's end.
pub const RECEIVE_AREA: usize = 256 * 1024;
/// Bytes of the whole.
pub const WINDOW_BYTES: usize = RECEIVE_AREA + 1024 * 1024;
/// Bytes of the header before each frame.
pub const HEADER_BYTES: usize = 12;

const _: () = assert!(SEND_LIST + 8 * MOST_SENT <= OFFLOADS && OFFLOADS + 8 <= RECEIVE_LIST);
const _: () = assert!(RECEIVE_LIST + 8 * MOST_RECEIVED <= SEND_AREA);

/// Some bytes of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// From the window's start.
    pub offset: u32,
    /// How many.
    pub bytes: u32,
}

impl Piece {
    /// As in a list.
    #[inline]
    pub fn to_bits(self) -> u64 {
        u64::from(self.offset) | u64::from(self.bytes) << 32
    }

    /// From a list.
    #[inline]
    pub fn from_bits(bits: u64) -> Self {
        Self {
            // 32 bits each.
            offset: bits as u32,
            bytes: (bits >> 32) as u32,
        }
    }

    /// Whether it lies in the part of the window from `start` up to `end`.
    #[inline]
    pub fn is_inside(self, start: usize, end: usize) -> bool {
        let last = u64::from(self.offset) + u64::from(self.bytes);
        u64::from(self.offset) >= start as u64 && last <= end as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_what_was_written_and_do_not_wrap() {
        let piece = Piece {
            offset: 4096,
            bytes: 76,
        };
        assert_eq!(piece.to_bits(), 76 << 32 | 4096);
        assert_eq!(Piece::from_bits(piece.to_bits()), piece);
        assert!(piece.is_inside(4096, 4172));
        assert!(!piece.is_inside(4096, 4171) && !piece.is_inside(4097, 8192));
        let beyond = Piece::from_bits(u64::MAX);
        assert!(!beyond.is_inside(0, WINDOW_BYTES));
        let wrapped = Piece {
            offset: 4096,
            bytes: u32::MAX - 4095,
        };
        assert!(!wrapped.is_inside(0, WINDOW_BYTES));
    }
}
