//! What the card does to packets that it sends: checksums and segmentation (SDM 3.5, 3.6).
//!
//! ```text
//!  context (where headers and checksums are) --+
//!                                              +--> Packet --> Frames: one, or one a segment
//!  data, data, ... end of packet --------------+
//! ```

use super::checksum;
use super::spec::{SENT_FRAME_BYTES, TAG_AT, TX_CONTEXT_IP, TX_CONTEXT_TCP, TX_IXSM, TX_TXSM};
use crate::net::{MAX_FRAME_BYTES, MIN_FRAME_BYTES};

/// Where headers begin, from which an offset in them is meant.
const IPV4_LENGTH: usize = 2;
const IPV4_IDENTIFICATION: usize = 4;
const IPV6_LENGTH: usize = 4;
const IPV6_BYTES: usize = 40;
const TCP_SEQUENCE: usize = 4;
const TCP_FLAGS: usize = 13;
const UDP_LENGTH: usize = 4;
/// Flags that only the last segment has: FIN, PSH.
const TCP_LAST: u8 = 0b1001;

/// One checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Where the bytes to sum begin.
    pub start: u8,
    /// Where the sum goes.
    pub place: u8,
    /// The last byte to sum; 0 for the packet's.
    pub end: u16,
}

/// A context descriptor (3.3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Of the IP header.
    pub ip: Sum,
    /// Of TCP or UDP.
    pub transport: Sum,
    /// TCP, not UDP.
    pub is_tcp: bool,
    /// IPv4, not IPv6.
    pub is_ipv4: bool,
    /// Bytes of all headers.
    pub header_bytes: u8,
    /// Bytes of payload in a segment.
    pub segment_bytes: u16,
}

impl Context {
    /// From memory.
    pub(super) fn from_descriptor([low, high]: [u64; 2]) -> Self {
        let sum = |bits: u64| Sum {
            start: bits as u8,
            place: (bits >> 8) as u8,
            end: (bits >> 16) as u16,
        };
        Self {
            ip: sum(low),
            transport: sum(low >> 32),
            is_tcp: high & TX_CONTEXT_TCP != 0,
            is_ipv4: high & TX_CONTEXT_IP != 0,
            header_bytes: (high >> 40) as u8,
            segment_bytes: (high >> 48) as u16,
        }
    }
}

/// Puts a checksum into a frame, as far as it makes sense: the sum goes over what is at its place.
pub(super) fn put_sum(frame: &mut [u8], sum: Sum) {
    let (start, place) = (usize::from(sum.start), usize::from(sum.place));
    let end = match sum.end {
        0 => frame.len(),
        last => frame.len().min(usize::from(last) + 1),
    };
    if start < end && place + 2 <= frame.len() {
        let value = !checksum::sum(&frame[start..end]);
        // Zero would mean that there is no checksum, in UDP; both are the same to all.
        let value = if value == 0 { u16::MAX } else { value };
        frame[place..place + 2].copy_from_slice(&value.to_be_bytes());
    }
}

/// Whether a packet is to be cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cut {
    #[default]
    Whole,
    Segments,
}

/// A packet as its descriptors describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    /// [`TX_IXSM`], [`TX_TXSM`].
    pub(super) options: u8,
    pub(super) cut: Cut,
    /// Of a legacy descriptor.
    pub(super) sum: Option<Sum>,
    /// VLAN tag to be put in: type and contents.
    pub(super) tag: Option<[u8; 4]>,
}

/// The frames of a packet, one after the other.
pub(super) struct Frames {
    packet: Packet,
    context: Context,
    /// Bytes that have gone, from the packet's start.
    done: usize,
    /// Segments that have gone.
    segments: u16,
    /// The frame that is to go, with its tag.
    frame: Vec<u8>,
    shortest: usize,
}

impl Frames {
    /// None if the packet cannot be sent: too short or too long, or without sense to be cut.
    /// Frames are filled up to `shortest`.
    pub(super) fn new(packet: Packet, context: Context, shortest: usize) -> Option<Self> {
        let header = usize::from(context.header_bytes);
        let (done, longest) = match packet.cut {
            Cut::Whole => (0, SENT_FRAME_BYTES),
            Cut::Segments => (header, MAX_FRAME_BYTES),
        };
        let bytes = packet.bytes.len();
        let cuts = packet.cut == Cut::Whole
            || context.segment_bytes > 0
                && (MIN_FRAME_BYTES..bytes).contains(&header)
                && header + usize::from(context.segment_bytes) <= SENT_FRAME_BYTES;
        if !(MIN_FRAME_BYTES..=longest).contains(&bytes) || !cuts {
            return None;
        }
        let mut this = Self {
            packet,
            context,
            done,
            segments: 0,
            frame: Vec::new(),
            shortest,
        };
        this.make();
        Some(this)
    }

    /// The frame that is to go.
    pub(super) fn frame(&self) -> &[u8] {
        &self.frame
    }

    pub(super) fn is_cut(&self) -> bool {
        self.packet.cut == Cut::Segments
    }

    /// It has gone; true if there is another.
    pub(super) fn next(&mut self) -> bool {
        self.done = self.end();
        self.segments = self.segments.wrapping_add(1);
        let more = self.done < self.packet.bytes.len();
        if more {
            self.make();
        }
        more
    }

    /// Where the payload of the frame ends in the packet.
    fn end(&self) -> usize {
        let bytes = self.packet.bytes.len();
        match self.packet.cut {
            Cut::Whole => bytes,
            Cut::Segments => bytes.min(self.done + usize::from(self.context.segment_bytes)),
        }
    }

    fn make(&mut self) {
        let end = self.end();
        let Self {
            packet, context, ..
        } = self;
        let header = match packet.cut {
            Cut::Whole => 0,
            Cut::Segments => context.header_bytes.into(),
        };
        self.frame.clear();
        self.frame.extend_from_slice(&packet.bytes[..header]);
        self.frame.extend_from_slice(&packet.bytes[self.done..end]);
        if packet.cut == Cut::Segments {
            let is_last = end == packet.bytes.len();
            let before = (self.done - header) as u32;
            set_headers(&mut self.frame, context, self.segments, before, is_last);
        }
        if packet.options & TX_TXSM != 0 {
            put_sum(&mut self.frame, context.transport);
        }
        if packet.options & TX_IXSM != 0 {
            put_sum(&mut self.frame, context.ip);
        }
        if let Some(sum) = packet.sum {
            put_sum(&mut self.frame, sum);
        }
        if let Some(tag) = packet.tag {
            self.frame.splice(TAG_AT..TAG_AT, tag);
        }
        if self.frame.len() < self.shortest {
            self.frame.resize(self.shortest, 0);
        }
    }
}

/// Makes the headers of a segment from those of the packet (3.5.7): lengths, identification,
/// sequence number after so many bytes, flags, and the length in the pseudo-header's sum. What
/// would be outside the frame is left out.
fn set_headers(frame: &mut [u8], context: &Context, number: u16, before: u32, is_last: bool) {
    let bytes = frame.len();
    let ip = usize::from(context.ip.start);
    let transport = usize::from(context.transport.start);
    if context.is_ipv4 {
        put(frame, ip + IPV4_LENGTH, |_| bytes.saturating_sub(ip) as u16);
        put(frame, ip + IPV4_IDENTIFICATION, |id| {
            id.wrapping_add(number)
        });
    } else {
        let length = bytes.saturating_sub(ip + IPV6_BYTES) as u16;
        put(frame, ip + IPV6_LENGTH, |_| length);
    }
    let length = bytes.saturating_sub(transport) as u16;
    if context.is_tcp {
        let sequence = frame.get_mut(transport + TCP_SEQUENCE..);
        if let Some(sequence) = sequence.and_then(|rest| rest.first_chunk_mut()) {
            *sequence = u32::from_be_bytes(*sequence)
                .wrapping_add(before)
                .to_be_bytes();
        }
        if let Some(flags) = frame.get_mut(transport + TCP_FLAGS).filter(|_| !is_last) {
            *flags &= !TCP_LAST;
        }
    } else {
        put(frame, transport + UDP_LENGTH, |_| length);
    }
    put(frame, context.transport.place.into(), |sum| {
        checksum::fold(u64::from(sum) + u64::from(length))
    });
}

/// Changes a big-endian word, if it is in the frame.
fn put(frame: &mut [u8], at: usize, change: impl FnOnce(u16) -> u16) {
    if let Some(word) = frame.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *word = change(u16::from_be_bytes(*word)).to_be_bytes();
    }
}
