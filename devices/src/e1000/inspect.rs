//! [`inspect`]: whether the checksums of a received frame are right (SDM 3.2.9): of IPv4's header,
//! and of TCP and UDP over it.

use super::checksum::{fold, sum};
use super::spec::{
    RX_IPCS, RX_IPE, RX_IXSM, RX_TCPCS, RX_TCPE, RXCSUM_IPOFL, RXCSUM_TUOFL, TAG_AT, TAG_BYTES,
};

const IPV4: u16 = 0x0800;
const VLAN: u16 = 0x8100;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Shortest headers.
const IPV4_BYTES: usize = 20;
const TCP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;
/// More fragments, and where this one belongs.
const FRAGMENT: u16 = 0x3fff;

/// Bits for a descriptor's status and errors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: u8,
    pub(super) errors: u8,
}

/// Looks at what RXCSUM, given as `enabled`, asks for.
pub(super) fn inspect(frame: &[u8], enabled: u32) -> Verdict {
    let mut verdict = Verdict::default();
    if let Some((header, payload)) = ipv4(frame) {
        if enabled & RXCSUM_IPOFL != 0 {
            verdict.status |= RX_IPCS;
            if sum(header) != u16::MAX {
                verdict.errors |= RX_IPE;
            }
        }
        if enabled & RXCSUM_TUOFL != 0
            && let Some(right) = transport_is_right(header, payload)
        {
            verdict.status |= RX_TCPCS;
            if !right {
                verdict.errors |= RX_TCPE;
            }
        }
    }
    if verdict.status == 0 {
        verdict.status = RX_IXSM;
    }
    verdict
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Header and payload of an IPv4 packet, if the frame has one, whole.
fn ipv4(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let tagged = frame.len() >= TAG_AT + 2 && word(frame, TAG_AT) == VLAN;
    let kind = TAG_AT + if tagged { TAG_BYTES } else { 0 };
    let packet = frame.get(kind + 2..)?;
    if word(frame, kind) != IPV4 || packet.len() < IPV4_BYTES || packet[0] >> 4 != 4 {
        return None;
    }
    let header = usize::from(packet[0] & 0xf) * 4;
    let total = usize::from(word(packet, 2));
    let fits = header >= IPV4_BYTES && header <= total && total <= packet.len();
    fits.then(|| packet[..total].split_at(header))
}

/// Whether the checksum of TCP or UDP is right; nothing for anything else, and for a part of it.
fn transport_is_right(header: &[u8], payload: &[u8]) -> Option<bool> {
    let protocol = header[9];
    let whole = word(header, 6) & FRAGMENT == 0;
    let (shortest, place) = match protocol {
        TCP => (TCP_BYTES, 16),
        UDP => (UDP_BYTES, 6),
        _ => return None,
    };
    let payload = match protocol {
        // Its own length counts, as far as it makes sense.
        UDP if payload.len() >= UDP_BYTES => payload.get(..word(payload, 4).into())?,
        _ => payload,
    };
    if !whole || payload.len() < shortest || protocol == UDP && word(payload, place) == 0 {
        return None;
    }
    let parts = [sum(&header[12..20]), protocol.into(), sum(payload)];
    let total = parts.into_iter().map(u64::from).sum::<u64>() + payload.len() as u64;
    Some(fold(total) == u16::MAX)
}
