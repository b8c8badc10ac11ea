//! What programs of `hostel compare` and the peer on the other side of each network card say.
//!
//! A message is an Ethernet frame, filled up to any length with a pattern by which either end finds
//! what was damaged. Numbers are little-endian, but for the type.
//!
//! ```text
//!  0 destination | 6 source | 12 type | 14 opcode | 16 sequence | 20 count | 24 argument | 28 pattern
//! ```

/// IEEE 802's type for local experiments.
pub const ETHERTYPE: u16 = 0x88b5;
/// The peer's address, a locally administered one.
pub const ADDRESS: [u8; 6] = *b"\x02PEER\0";
/// Bytes before the pattern.
pub const HEADER_BYTES: usize = 28;

numbered! {
    /// What a message is.
    Opcode: u16 {
        /// To the peer: send as long a frame back.
        Echo = 1,
        /// To the peer: one of a stream, numbered from 0 on.
        Sink = 2,
        /// To the peer: say what has come of the stream; the next begins.
        Report = 3,
        /// To the peer: send a stream of `count` frames of `argument` bytes, numbered from
        /// `sequence` on.
        Source = 4,
        /// From the peer: the answer to [`Self::Echo`], with its number.
        Echoed = 5,
        /// From the peer: the answer to [`Self::Report`], with its number. `count` frames have come
        /// as they should, `argument` were damaged, or were not the next.
        Reported = 6,
        /// From the peer: one of a stream.
        Data = 7,
        /// To the peer: send `count` pieces of `argument` bytes of a stream of TCP
        /// ([`crate::peer_tcp`]), from byte `sequence` on: each in one frame and not summed up, if the
        /// card takes it so, and else in segments.
        Stream = 8,
    }
}

/// What is before the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who it is for.
    pub destination: [u8; 6],
    /// Who it is from.
    pub source: [u8; 6],
    /// What it is.
    pub opcode: Opcode,
    /// Its number.
    pub sequence: u32,
    /// See [`Opcode`].
    pub count: u32,
    /// See [`Opcode`].
    pub argument: u32,
}

impl Header {
    /// Writes the whole message, which is as long as `frame`.
    ///
    /// # Panics
    /// If `frame` is shorter than a header or longer than [`crate::net::FRAME_BYTES`].
    pub fn write(&self, frame: &mut [u8]) {
        frame[..6].copy_from_slice(&self.destination);
        frame[6..12].copy_from_slice(&self.source);
        frame[12..14].copy_from_slice(&ETHERTYPE.to_be_bytes());
        frame[14..16].copy_from_slice(&(self.opcode as u16).to_le_bytes());
        let numbers = [self.sequence, self.count, self.argument];
        for (bytes, number) in frame[16..HEADER_BYTES].chunks_exact_mut(4).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        let filling = &mut frame[HEADER_BYTES..];
        filling.copy_from_slice(pattern(self.sequence, filling.len()));
    }

    /// The header of a message; none if `frame` is something else.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = frame.first_chunk()?;
        let pair = |at: usize| [header[at], header[at + 1]];
        let address = |at: usize| core::array::from_fn(|byte| header[at + byte]);
        let number = |at: usize| {
            let bytes = core::array::from_fn(|byte| header[at + byte]);
            u32::from_le_bytes(bytes)
        };
        if u16::from_be_bytes(pair(12)) != ETHERTYPE {
            return None;
        }
        Some(Self {
            destination: address(0),
            source: address(6),
            opcode: Opcode::from_number(u16::from_le_bytes(pair(14)))?,
            sequence: number(16),
            count: number(20),
            argument: number(24),
        })
    }

    /// Whether `frame`, of which this is the header, is filled as it was sent.
    pub fn is_whole(&self, frame: &[u8]) -> bool {
        let filling = frame.get(HEADER_BYTES..).unwrap_or_default();
        filling.len() <= LONGEST && filling == pattern(self.sequence, filling.len())
    }
}

/// Longest filling.
const LONGEST: usize = *crate::net::FRAME_BYTES.end() - HEADER_BYTES;
/// Byte `n` of the pattern is `n` modulo this. A prime, so that no piece of a size that memory
/// comes in can stand for the one before.
const PERIOD: usize = 251;

static PATTERN: [u8; PERIOD + LONGEST] = {
    let mut bytes = [0; PERIOD + LONGEST];
    let mut at = 0;
    while at < bytes.len() {
        // Below 251.
        bytes[at] = (at % PERIOD) as u8;
        at += 1;
    }
    bytes
};

/// What fills the frame of that number.
fn pattern(sequence: u32, len: usize) -> &'static [u8] {
    cyclic(sequence, len)
}

/// So many bytes of the pattern from `start` on, no more than a frame has.
pub(crate) fn cyclic(start: u32, len: usize) -> &'static [u8] {
    &PATTERN[start as usize % PERIOD..][..len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const HEADER: Header = Header {
        destination: ADDRESS,
        source: [2, 0, 0, 0, 0, 1],
        opcode: Opcode::Source,
        sequence: 0xdead_beef,
        count: 7,
        argument: 1514,
    };

    #[test]
    fn a_message_is_read_as_it_was_written() {
        for bytes in [HEADER_BYTES, 60, 1514] {
            let mut frame = vec![0; bytes];
            HEADER.write(&mut frame);
            assert_eq!(frame[12..16], [0x88, 0xb5, 4, 0]);
            assert_eq!(Header::read(&frame), Some(HEADER));
            assert!(HEADER.is_whole(&frame));
        }
    }

    #[test]
    fn every_damaged_byte_of_the_pattern_and_every_shift_is_found() {
        let mut frame = vec![0; 1514];
        HEADER.write(&mut frame);
        for at in HEADER_BYTES..frame.len() {
            frame[at] ^= 0x10;
            assert!(!HEADER.is_whole(&frame), "byte {at}");
            frame[at] ^= 0x10;
        }
        for shift in [1, 2, 4, 64, 256, 512, 1024] {
            let mut shifted = frame.clone();
            shifted.copy_within(HEADER_BYTES + shift.., HEADER_BYTES);
            assert!(!HEADER.is_whole(&shifted), "by {shift}");
        }
        let other = Header {
            sequence: HEADER.sequence + 1,
            ..HEADER
        };
        assert!(!other.is_whole(&frame));
    }

    #[test]
    fn other_frames_are_no_messages() {
        let mut frame = vec![0; 60];
        HEADER.write(&mut frame);
        assert_eq!(Header::read(&frame[..HEADER_BYTES - 1]), None);
        for (at, byte) in [(12, 8), (14, 0), (14, 9), (15, 1)] {
            let mut other = frame.clone();
            other[at] = byte;
            assert_eq!(Header::read(&other), None, "{at}");
        }
        assert!(!HEADER.is_whole(&vec![0; 9000]));
    }
}
