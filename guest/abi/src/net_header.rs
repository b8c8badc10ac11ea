//! What comes before each frame in the window of a network card (virtio 1.3 5.1.6): what is left to
//! be done to the frame, of its sum and of its cutting.

use crate::net_window::HEADER_BYTES;

/// The sum is left open: its place holds that of the pseudo-header.
const NEEDS_CHECKSUM: u8 = 1;
/// Who brought the frame has looked at its sum.
const CHECKED: u8 = 2;
/// Not to be cut, or TCP over IPv4.
const UNCUT_NONE: u8 = 0;
const UNCUT_TCP4: u8 = 1;

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetHeader {
    flags: u8,
    uncut: u8,
    /// Bytes of the frame's own headers, of each segment's data, up to where the sum begins, and from
    /// there to its place.
    numbers: [u16; 4],
    /// Pieces of a frame that has come.
    pub pieces: u16,
}

/// Who sums a frame up, and who has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// Its sender has.
    Whole,
    /// The card is to: the field holds the sum of the pseudo-header (5.1.6.2).
    LeftOpen,
    /// Its sender has, and the card has found it right (5.1.6.4.1).
    Checked,
}

/// A header that means nothing, or lies about its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Senseless;

impl NetHeader {
    /// Before a frame of TCP over IPv4 that is not summed up, and to be cut into segments of so many
    /// bytes: its own headers are `headers` long, TCP's begins at `tcp`, and has its sum at `checksum`.
    pub fn tcp4(headers: u16, segment_bytes: u16, tcp: u16, checksum: u16) -> Self {
        Self {
            flags: NEEDS_CHECKSUM,
            uncut: UNCUT_TCP4,
            numbers: [headers, segment_bytes, tcp, checksum],
            pieces: 0,
        }
    }

    /// As in memory.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..2].copy_from_slice(&[self.flags, self.uncut]);
        let numbers = self.numbers.into_iter().chain([self.pieces]);
        for (to, number) in bytes[2..].chunks_exact_mut(2).zip(numbers) {
            to.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// From memory.
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            uncut: bytes[1],
            numbers: [2, 4, 6, 8].map(number),
            pieces: number(10),
        }
    }

    /// What is said of the sum of a frame of so many bytes that has come, which is TCP's or none's: its
    /// header begins at `tcp` and has it at `checksum`. Of an uncut one the length of its own headers is
    /// only a hint (5.1.6.4.1).
    pub fn sum(&self, frame_bytes: usize, tcp: u16, checksum: u16) -> Result<Sum, Senseless> {
        let [_, segment_bytes, start, offset] = self.numbers;
        let end = usize::from(start) + usize::from(offset) + 2;
        let is_open = self.flags & NEEDS_CHECKSUM != 0;
        match (self.uncut, is_open) {
            (UNCUT_NONE, _) => {}
            (UNCUT_TCP4, true) if segment_bytes > 0 => {}
            _ => return Err(Senseless),
        }
        let is_at_its_place = (start, offset) == (tcp, checksum) && end <= frame_bytes;
        match (is_open, self.flags & CHECKED) {
            (true, _) if is_at_its_place => Ok(Sum::LeftOpen),
            (true, _) => Err(Senseless),
            (false, 0) => Ok(Sum::Whole),
            (false, _) => Ok(Sum::Checked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; HEADER_BYTES] = [1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 9, 0];

    fn header(change: impl FnOnce(&mut [u8; HEADER_BYTES])) -> NetHeader {
        let mut bytes = BYTES;
        change(&mut bytes);
        NetHeader::from_bytes(&bytes)
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let uncut = NetHeader {
            pieces: 9,
            ..NetHeader::tcp4(54, 1460, 34, 16)
        };
        assert_eq!(uncut.to_bytes(), BYTES);
        assert_eq!(NetHeader::from_bytes(&BYTES), uncut);
        assert_eq!(NetHeader::default().to_bytes(), [0; HEADER_BYTES]);
    }

    #[test]
    fn what_is_left_open_is_said_as_far_as_it_makes_sense() {
        let of = |header: NetHeader| header.sum(1514, 34, 16);
        assert_eq!(of(header(|_| ())), Ok(Sum::LeftOpen));
        assert_eq!(of(header(|bytes| bytes[1] = 0)), Ok(Sum::LeftOpen));
        // A hint.
        assert_eq!(of(header(|bytes| bytes[2] = 0xff)), Ok(Sum::LeftOpen));
        assert_eq!(of(header(|bytes| bytes[0] = 3)), Ok(Sum::LeftOpen));
        assert_eq!(of(NetHeader::default()), Ok(Sum::Whole));
        let checked = header(|bytes| bytes[..2].copy_from_slice(&[2, 0]));
        assert_eq!(of(checked), Ok(Sum::Checked));
        for (at, byte) in [(0, 0), (0, 2), (1, 3), (1, 4), (1, 0x81), (6, 35), (8, 17)] {
            let other = header(|bytes| bytes[at] = byte);
            assert_eq!(of(other), Err(Senseless), "byte {at}: {byte}");
        }
        let endless = header(|bytes| bytes[4..6].fill(0));
        assert_eq!(of(endless), Err(Senseless));
        assert_eq!(header(|_| ()).sum(51, 34, 16), Err(Senseless), "beyond");
        assert_eq!(header(|_| ()).sum(52, 34, 16), Ok(Sum::LeftOpen));
        let wild = header(|bytes| bytes[6..10].fill(0xff));
        assert_eq!(wild.sum(70_000, u16::MAX, u16::MAX), Err(Senseless));
    }
}
