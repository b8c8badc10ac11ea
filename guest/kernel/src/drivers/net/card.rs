//! What the drivers of cards have in common.

use crate::drivers::Segment;
use crate::time::deadline;
use abi::net::FRAME_BYTES;
use abi::syscall::Errno;

/// The card has answered with nonsense, or not at all: it is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drivers) struct Broken;

/// A card that has not sent a frame for so long is broken; a reader waits as long for one.
const TIMEOUT_NS: u64 = 10_000_000_000;
/// Bit of an address, in its first byte, that is a group's.
const GROUP: u8 = 1;

/// A frame up to that length is copied before it is sent: nobody waits then until it has gone.
pub(in crate::drivers) const SMALL_BYTES: u64 = 128;

/// Copies a frame to `place`, which is as long.
#[inline]
pub(in crate::drivers) fn gather(place: &Segment, frame: &[Segment]) {
    let mut offset = 0;
    for piece in frame {
        offset += place.part(offset, piece.len()).copy_from(piece);
    }
}

/// When waiting that begins now is over.
pub(in crate::drivers) fn patience() -> u64 {
    deadline(TIMEOUT_NS)
}

/// The length of a frame that can be sent.
pub(in crate::drivers) fn frame_bytes(frame: &[Segment]) -> Result<usize, Errno> {
    let bytes = frame.iter().map(Segment::len).sum();
    match FRAME_BYTES.contains(&bytes) {
        true => Ok(bytes),
        false => Err(Errno::Inval),
    }
}

/// Whether a card can have that address.
pub(in crate::drivers) fn is_station(address: [u8; 6]) -> bool {
    address[0] & GROUP == 0 && address != [0; 6]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::PhysAddr;

    #[test]
    fn a_frame_has_the_length_of_all_its_segments() {
        let of = |lens: &[u32]| {
            let segment = |len: &u32| Segment {
                phys: PhysAddr(0x1000),
                len: *len,
            };
            frame_bytes(&lens.iter().map(segment).collect::<Vec<_>>())
        };
        assert_eq!(of(&[1000, 514]), Ok(1514));
        assert_eq!(of(&[14]), Ok(14));
        for lens in [&[1000, 515][..], &[13], &[], &[u32::MAX, u32::MAX]] {
            assert_eq!(of(lens), Err(Errno::Inval), "{lens:?}");
        }
    }

    #[test]
    fn groups_and_nobody_are_no_stations() {
        assert!(is_station([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
        assert!(!is_station([0; 6]));
        assert!(!is_station([1, 0, 0x5e, 0, 0, 1]));
        assert!(!is_station([0xff; 6]));
    }
}
