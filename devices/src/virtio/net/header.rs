//! [`Header`]: what comes before each packet (virtio 1.3 5.1.6), and whether it can be believed.

use super::spec::{
    F_CSUM, F_GUEST_CSUM, F_GUEST_ECN, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_UFO, F_HOST_ECN,
    F_HOST_TSO4, F_HOST_TSO6, F_HOST_UFO, GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP,
    HDR_DATA_VALID, HDR_NEEDS_CSUM, HEADER_BYTES,
};

/// Offloads of one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// [`HDR_NEEDS_CSUM`], [`HDR_DATA_VALID`].
    pub flags: u8,
    /// [`GSO_NONE`] and so on.
    pub gso_type: u8,
    /// Bytes of the packet's own headers; a hint.
    pub hdr_len: u16,
    /// Bytes of payload of each segment.
    pub gso_size: u16,
    /// Where the bytes to sum begin.
    pub csum_start: u16,
    /// Where the sum goes, from there.
    pub csum_offset: u16,
}

impl Header {
    /// From memory.
    pub fn from_bytes(bytes: [u8; HEADER_BYTES]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Self {
            flags: bytes[0],
            gso_type: bytes[1],
            hdr_len: word(2),
            gso_size: word(4),
            csum_start: word(6),
            csum_offset: word(8),
        }
    }

    /// As in memory, for a packet in so many chains.
    pub fn to_bytes(self, num_buffers: u16) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.flags;
        bytes[1] = self.gso_type;
        let words = [
            self.hdr_len,
            self.gso_size,
            self.csum_start,
            self.csum_offset,
            num_buffers,
        ];
        for (to, word) in bytes[2..].chunks_exact_mut(2).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The header of a frame of `frame_bytes` that the driver sends, with only what means
    /// something; none if it asks for what was not agreed on, or lies (5.1.6.2).
    pub fn from_driver(self, frame_bytes: usize, features: u64) -> Option<Self> {
        let flags = self.flags & HDR_NEEDS_CSUM;
        let mut header = Self {
            flags,
            gso_type: self.gso_type,
            ..Self::default()
        };
        if flags != 0 {
            let end = usize::from(self.csum_start) + usize::from(self.csum_offset) + 2;
            if features & F_CSUM == 0 || end > frame_bytes {
                return None;
            }
            header.csum_start = self.csum_start;
            header.csum_offset = self.csum_offset;
        }
        if self.gso_type != GSO_NONE {
            let agreed = segmentation(self.gso_type, features, &HOST_SEGMENTATION);
            if !agreed || flags == 0 || self.gso_size == 0 {
                return None;
            }
            header.gso_size = self.gso_size;
            // Not to be relied on: no more than there is.
            header.hdr_len = self
                .hdr_len
                .min(u16::try_from(frame_bytes).unwrap_or(u16::MAX));
        }
        Some(header)
    }

    /// The header of a received frame for a driver that takes these offloads; none if it has one
    /// that the driver does not take.
    pub fn for_driver(self, offloads: u64) -> Option<Self> {
        if self.gso_type != GSO_NONE && !segmentation(self.gso_type, offloads, &GUEST_SEGMENTATION)
        {
            return None;
        }
        let mut header = self;
        if offloads & F_GUEST_CSUM != 0 {
            header.flags &= HDR_NEEDS_CSUM | HDR_DATA_VALID;
        } else if self.flags & HDR_NEEDS_CSUM != 0 {
            return None;
        } else {
            header.flags = 0;
        }
        Some(header)
    }
}

/// Features for segmentation: TCP over IPv4, over IPv6, with congestion marks, and UDP.
type Segmentation = [u64; 4];

const HOST_SEGMENTATION: Segmentation = [F_HOST_TSO4, F_HOST_TSO6, F_HOST_ECN, F_HOST_UFO];
const GUEST_SEGMENTATION: Segmentation = [F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN, F_GUEST_UFO];

/// Whether `features` has what segmentation `gso_type` needs.
fn segmentation(gso_type: u8, features: u64, [tso4, tso6, ecn, ufo]: &Segmentation) -> bool {
    let marks = if gso_type & GSO_ECN == 0 { 0 } else { *ecn };
    let needed = match gso_type & !GSO_ECN {
        GSO_TCPV4 => tso4 | marks,
        GSO_TCPV6 => tso6 | marks,
        GSO_UDP if marks == 0 => *ufo,
        _ => return false,
    };
    features & needed == needed
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u64 = F_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN | F_HOST_UFO;
    const FRAME: usize = 1000;

    fn segmented() -> Header {
        Header {
            flags: HDR_NEEDS_CSUM,
            gso_type: GSO_TCPV4,
            hdr_len: 54,
            gso_size: 100,
            csum_start: 34,
            csum_offset: 16,
        }
    }

    #[test]
    fn bytes_are_little_endian_and_in_order() {
        let bytes = segmented().to_bytes(0x102);
        assert_eq!(bytes, [1, 1, 54, 0, 100, 0, 34, 0, 16, 0, 2, 1]);
        assert_eq!(Header::from_bytes(bytes), segmented());
    }

    #[test]
    fn what_was_agreed_on_passes() {
        assert_eq!(segmented().from_driver(FRAME, ALL), Some(segmented()));
        let plain = Header::default();
        assert_eq!(plain.from_driver(FRAME, 0), Some(plain));
    }

    #[test]
    fn lies_are_refused() {
        let mut lies = [segmented(); 8];
        lies[0].csum_start = 999;
        lies[1].csum_offset = u16::MAX;
        lies[2].gso_size = 0;
        lies[3].flags = 0;
        lies[4].gso_type = 2;
        lies[5].gso_type = GSO_UDP | GSO_ECN;
        lies[6].gso_type = GSO_ECN;
        lies[7].gso_type = 0x41;
        for lie in lies {
            assert_eq!(lie.from_driver(FRAME, ALL), None, "{lie:?}");
        }
        let checksum_at_end = Header {
            csum_start: 998,
            csum_offset: 0,
            ..segmented()
        };
        assert!(checksum_at_end.from_driver(FRAME, ALL).is_some());
        assert!(checksum_at_end.from_driver(FRAME - 1, ALL).is_none());
    }

    #[test]
    fn what_was_not_agreed_on_is_refused() {
        let marked = Header {
            gso_type: GSO_TCPV4 | GSO_ECN,
            ..segmented()
        };
        let six = Header {
            gso_type: GSO_TCPV6,
            ..segmented()
        };
        assert!(marked.from_driver(FRAME, ALL & !F_HOST_ECN).is_none());
        assert!(segmented().from_driver(FRAME, ALL & !F_CSUM).is_none());
        assert!(segmented().from_driver(FRAME, ALL & !F_HOST_TSO4).is_none());
        assert!(six.from_driver(FRAME, ALL & !F_HOST_TSO6).is_none());
        assert!(six.from_driver(FRAME, ALL & !F_HOST_TSO4).is_some());
    }

    #[test]
    fn a_hint_is_made_true_and_meaningless_fields_go() {
        let long = Header {
            hdr_len: 2000,
            ..segmented()
        };
        assert_eq!(long.from_driver(FRAME, ALL).unwrap().hdr_len, 1000);
        let noise = Header {
            flags: 0xfe,
            gso_type: GSO_NONE,
            hdr_len: 9,
            gso_size: 9,
            csum_start: 9,
            csum_offset: 9,
        };
        assert_eq!(noise.from_driver(FRAME, 0), Some(Header::default()));
    }

    #[test]
    fn a_driver_gets_only_offloads_that_it_takes() {
        let all = F_GUEST_CSUM | F_GUEST_TSO4;
        assert_eq!(segmented().for_driver(all), Some(segmented()));
        assert_eq!(segmented().for_driver(F_GUEST_CSUM), None);
        assert_eq!(segmented().for_driver(F_GUEST_TSO4), None, "checksum open");
        let checked = Header {
            flags: HDR_DATA_VALID,
            ..Header::default()
        };
        assert_eq!(checked.for_driver(0), Some(Header::default()));
        assert_eq!(checked.for_driver(F_GUEST_CSUM), Some(checked));
    }
}
