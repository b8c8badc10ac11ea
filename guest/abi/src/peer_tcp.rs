//! A stream of bytes by TCP over IPv4, of which the peer checks every byte ([`crate::peer`]), or the
//! program: what one frame carries whole, several carry in segments, and a card may cut the one into
//! the others.
//!
//! There is no connection: no answer comes. [`crate::peer::Opcode::Report`] tells how many frames
//! have come to the peer as they should, [`crate::peer::Opcode::Stream`] asks it for a stream.
//!
//! ```text
//!  0 Ethernet (IEEE 802.3) | 14 IPv4 (RFC 791) | 34 TCP (RFC 9293) | 54 pattern
//! ```
//! Byte `n` of the stream, which the sequence number counts, is `n` modulo a prime.

pub use crate::net_header::Sum;

use crate::peer::cyclic;

/// Bytes before the pattern.
pub const HEADER_BYTES: usize = 54;
/// Where TCP's header begins, and its checksum in it.
pub const TCP: usize = 34;
/// See [`TCP`].
pub const CHECKSUM: usize = 16;
/// Most bytes of the stream in a frame as long as Ethernet's are.
pub const SEGMENT_BYTES: usize = 1460;
/// Most bytes of the stream in a packet of IPv4.
pub const MOST_BYTES: usize = 65_535 - 40;

const ETHERTYPE: [u8; 2] = [8, 0];
const IP: usize = 14;
const IP_BYTES: usize = 20;
const IP_CHECKSUM: usize = IP + 10;
const SEQUENCE: usize = TCP + 4;
const TCP_CHECKSUM: usize = TCP + CHECKSUM;
/// Version, header length, no marks; then, behind the length: number, "do not fragment", hops, TCP.
const IP_FIRST: [u8; 2] = [0x45, 0];
const IP_FLAGS: [u8; 6] = [0, 0, 0x40, 0, 64, 6];
/// From 192.0.2.1 to 192.0.2.2, which are for examples (RFC 5737).
const IP_ADDRESSES: [u8; 8] = [192, 0, 2, 1, 192, 0, 2, 2];
/// Both "discard" (RFC 863).
const PORTS: [u8; 4] = [0, 9, 0, 9];
/// Header length, acknowledgement, window.
const TCP_FLAGS: [u8; 4] = [0x50, 0x10, 0xff, 0xff];

/// A frame of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Who it is for.
    pub destination: [u8; 6],
    /// Who it is from.
    pub source: [u8; 6],
    /// Number of its first byte.
    pub sequence: u32,
}

impl Segment {
    /// Writes the whole frame, which is as long as `frame`.
    ///
    /// # Panics
    /// If `frame` is shorter than a header or longer than IPv4 allows.
    pub fn write(&self, frame: &mut [u8], sum: Sum) {
        let (header, payload) = frame.split_at_mut(HEADER_BYTES);
        assert!(payload.len() <= MOST_BYTES, "more than a packet has");
        header.fill(0);
        let length = (HEADER_BYTES - IP + payload.len()) as u16;
        for (at, bytes) in [
            (0, &self.destination[..]),
            (6, &self.source),
            (12, &ETHERTYPE),
            (IP, &IP_FIRST),
            (IP + 2, &length.to_be_bytes()),
            (IP + 4, &IP_FLAGS),
            (IP + 12, &IP_ADDRESSES),
            (TCP, &PORTS),
            (SEQUENCE, &self.sequence.to_be_bytes()),
            (TCP + 12, &TCP_FLAGS),
        ] {
            header[at..at + bytes.len()].copy_from_slice(bytes);
        }
        let ip = !sum_of(&header[IP..TCP], 0);
        header[IP_CHECKSUM..IP_CHECKSUM + 2].copy_from_slice(&ip.to_be_bytes());
        for (piece, at) in pieces(payload, self.sequence) {
            piece.copy_from_slice(at);
        }
        let pseudo = pseudo_header(frame.len());
        let sum = match sum {
            Sum::Whole | Sum::Checked => !sum_of(&frame[TCP..], pseudo.into()),
            Sum::LeftOpen => pseudo,
        };
        frame[TCP_CHECKSUM..TCP_CHECKSUM + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// The frame's place in the stream; none if it is no frame of one for the station `to`. `Err` if it
    /// is one, but damaged or not summed up like that.
    pub fn read(frame: &[u8], to: [u8; 6], sum: Sum) -> Option<Result<Self, Damaged>> {
        let header: &[u8; HEADER_BYTES] = frame.first_chunk()?;
        if header[..6] != to || header[12..14] != ETHERTYPE {
            return None;
        }
        let segment = Self {
            destination: to,
            source: core::array::from_fn(|byte| header[6 + byte]),
            sequence: u32::from_be_bytes(core::array::from_fn(|byte| header[SEQUENCE + byte])),
        };
        Some(match segment.is_whole(frame, sum) {
            true => Ok(segment),
            false => Err(Damaged),
        })
    }

    fn is_whole(&self, frame: &[u8], sum: Sum) -> bool {
        let (header, payload) = frame.split_at(HEADER_BYTES);
        if payload.len() > MOST_BYTES {
            return false;
        }
        let length = (HEADER_BYTES - IP + payload.len()) as u16;
        let pseudo = pseudo_header(frame.len());
        let summed = match sum {
            Sum::Whole => sum_of(&frame[TCP..], pseudo.into()) == 0xffff,
            Sum::LeftOpen => header[TCP_CHECKSUM..TCP_CHECKSUM + 2] == pseudo.to_be_bytes(),
            Sum::Checked => true,
        };
        let mut right = payload;
        let mut at = self.sequence;
        summed
            && header[IP..IP + 2] == IP_FIRST
            && header[IP + 2..IP + 4] == length.to_be_bytes()
            && header[IP + 4..IP + 10] == IP_FLAGS
            && header[IP + 12..TCP] == IP_ADDRESSES
            && sum_of(&header[IP..TCP], 0) == 0xffff
            && header[TCP..TCP + 4] == PORTS
            && header[TCP + 12..TCP + 16] == TCP_FLAGS
            && core::iter::from_fn(|| {
                let (piece, rest) = right.split_at(right.len().min(SEGMENT_BYTES));
                right = rest;
                let same = piece == cyclic(at, piece.len());
                at = at.wrapping_add(piece.len() as u32);
                (!piece.is_empty()).then_some(same)
            })
            .all(|same| same)
    }
}

/// A frame of the stream that is not as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// The parts of `payload`, the first of which is at `sequence` of the stream, and what they hold.
fn pieces(payload: &mut [u8], sequence: u32) -> impl Iterator<Item = (&mut [u8], &'static [u8])> {
    let mut at = sequence;
    payload.chunks_mut(SEGMENT_BYTES).map(move |piece| {
        let bytes = cyclic(at, piece.len());
        at = at.wrapping_add(piece.len() as u32);
        (piece, bytes)
    })
}

/// The sum of TCP's pseudo-header for a frame of so many bytes (RFC 9293 3.1).
fn pseudo_header(frame_bytes: usize) -> u16 {
    // No more than IPv4 has.
    let length = (frame_bytes - IP - IP_BYTES) as u32;
    sum_of(&IP_ADDRESSES, 6 + length)
}

/// The sum of big-endian words of 16 bits in ones' complement (RFC 1071).
fn sum_of(bytes: &[u8], start: u32) -> u16 {
    let mut sum = u64::from(start);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        sum += u64::from(u32::from_be_bytes(*word));
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_be_bytes(last));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::ADDRESS;
    use std::vec;
    use std::vec::Vec;

    const SEGMENT: Segment = Segment {
        destination: ADDRESS,
        source: [2, 0, 0, 0, 0, 1],
        sequence: u32::MAX - 700,
    };

    fn frame(bytes: usize, sum: Sum) -> Vec<u8> {
        let mut frame = vec![0xaa; HEADER_BYTES + bytes];
        SEGMENT.write(&mut frame, sum);
        frame
    }

    #[test]
    fn sums_are_those_of_rfc_1071() {
        // Its example: 0001 f203 f4f5 f6f7.
        assert_eq!(sum_of(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7], 0), 0xddf2);
        assert_eq!(sum_of(&[1, 2, 3], 0), 0x0402);
        assert_eq!(sum_of(&[], 0x1_ffff), 1);
    }

    #[test]
    fn frames_are_read_as_they_were_written() {
        for bytes in [0, 1, 1460, 1461, 64_240, MOST_BYTES] {
            for sum in [Sum::Whole, Sum::LeftOpen] {
                let frame = frame(bytes, sum);
                assert_eq!(
                    Segment::read(&frame, ADDRESS, sum),
                    Some(Ok(SEGMENT)),
                    "{bytes}"
                );
            }
        }
        let checked = Segment::read(&frame(100, Sum::Whole), ADDRESS, Sum::Checked);
        assert_eq!(checked, Some(Ok(SEGMENT)));
        let open = frame(100, Sum::LeftOpen);
        assert_eq!(
            Segment::read(&open, ADDRESS, Sum::Whole),
            Some(Err(Damaged))
        );
    }

    #[test]
    fn every_byte_counts() {
        for sum in [Sum::Whole, Sum::LeftOpen] {
            let frame = frame(3000, sum);
            for at in 14..frame.len() {
                let mut other = frame.clone();
                other[at] ^= 1;
                let read = Segment::read(&other, ADDRESS, sum);
                // Where nothing is said with the sum left open.
                let silent = (42..46).contains(&at) || (52..54).contains(&at);
                let unsaid = sum == Sum::LeftOpen && silent;
                assert!(unsaid || read == Some(Err(Damaged)), "byte {at}: {read:?}");
            }
        }
        let whole = frame(100, Sum::Whole);
        for at in [0, 12] {
            let mut other = whole.clone();
            other[at] ^= 1;
            assert_eq!(Segment::read(&other, ADDRESS, Sum::Whole), None);
        }
        assert_eq!(Segment::read(&whole[..53], ADDRESS, Sum::Whole), None);
        let other_station = Segment::read(&whole, [2; 6], Sum::Whole);
        assert_eq!(other_station, None);
        let cut = Segment::read(&whole[..150], ADDRESS, Sum::Whole);
        assert_eq!(cut, Some(Err(Damaged)));
        assert_eq!(
            Segment::read(&[whole, vec![0; 70_000]].concat(), ADDRESS, Sum::Whole),
            Some(Err(Damaged))
        );
    }
}
