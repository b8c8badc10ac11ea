//! [`Answer`]: frames that the peer is still to send, made one by one.

use abi::peer::Header;
use abi::peer_tcp::{CHECKSUM, HEADER_BYTES, SEGMENT_BYTES, Segment, Sum, TCP};
use devices::virtio::net::Header as Offloads;
use devices::virtio::net::spec::{F_GUEST_CSUM, F_GUEST_TSO4, GSO_NONE, GSO_TCPV4, HDR_NEEDS_CSUM};

/// Frames that are still to be sent.
pub(super) struct Answer {
    /// What they carry.
    pub(super) load: Load,
    /// How many messages or pieces; at least one.
    pub(super) left: u32,
}

/// What frames carry.
pub(super) enum Load {
    /// Messages of so many bytes.
    Messages {
        /// Of the next one.
        header: Header,
        bytes: usize,
    },
    /// Pieces of a stream of TCP.
    Pieces {
        /// The next frame.
        segment: Segment,
        bytes: usize,
        /// Of a piece that is being sent.
        left: usize,
    },
}

impl Load {
    /// A stream of pieces of so many bytes, at least one, from that of `segment` on.
    pub(super) fn pieces(segment: Segment, bytes: usize) -> Self {
        Self::Pieces {
            segment,
            bytes,
            left: bytes,
        }
    }
}

impl Answer {
    /// Makes the next frame, for a driver that takes those offloads; what is left to be done to it,
    /// and its length.
    pub(super) fn make(&mut self, offloads: u64, frame: &mut [u8]) -> (Offloads, usize) {
        match &mut self.load {
            Load::Messages { header, bytes } => {
                header.write(&mut frame[..*bytes]);
                header.sequence = header.sequence.wrapping_add(1);
                self.left -= 1;
                (Offloads::default(), *bytes)
            }
            Load::Pieces {
                segment,
                bytes,
                left,
            } => {
                let (offloads, sum, most) = as_taken(offloads, *left);
                let payload = most.min(*left);
                let frame_bytes = HEADER_BYTES + payload;
                segment.write(&mut frame[..frame_bytes], sum);
                // No frame has more.
                segment.sequence = segment.sequence.wrapping_add(payload as u32);
                *left -= payload;
                if *left == 0 {
                    *left = *bytes;
                    self.left -= 1;
                }
                (offloads, frame_bytes)
            }
        }
    }
}

/// How a driver that takes those offloads is sent so many bytes of TCP: what is left to be done to the
/// frame, how it is summed up, and how many bytes it has at most.
fn as_taken(offloads: u64, bytes: usize) -> (Offloads, Sum, usize) {
    if offloads & F_GUEST_CSUM == 0 {
        return (Offloads::default(), Sum::Whole, SEGMENT_BYTES);
    }
    let is_whole = offloads & F_GUEST_TSO4 != 0 && bytes > SEGMENT_BYTES;
    let (gso_type, headers, segment, most) = match is_whole {
        true => (GSO_TCPV4, HEADER_BYTES, SEGMENT_BYTES, bytes),
        false => (GSO_NONE, 0, 0, SEGMENT_BYTES),
    };
    let [hdr_len, gso_size, csum_start, csum_offset] =
        [headers, segment, TCP, CHECKSUM].map(|field| field as u16);
    let header = Offloads {
        flags: HDR_NEEDS_CSUM,
        gso_type,
        hdr_len,
        gso_size,
        csum_start,
        csum_offset,
    };
    (header, Sum::LeftOpen, most)
}
