//! Headers of network packets: what passes the check is what the host's kernel may be given.

use super::Input;
use crate::virtio::net::Header;
use crate::virtio::net::spec::{
    F_CSUM, GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP, HDR_NEEDS_CSUM,
};

/// Headers from a driver and from a network, with any features and lengths of frames.
pub fn net_header(data: &[u8]) {
    let mut input = Input(data);
    while !input.is_empty() {
        let header = Header::from_bytes(input.bytes());
        let frame_bytes = usize::from(input.word());
        let features = u64::from(input.dword());
        if let Some(checked) = header.from_driver(frame_bytes, features) {
            check(checked, frame_bytes, features);
            // What was found good stays as it is.
            assert_eq!(checked.from_driver(frame_bytes, features), Some(checked));
            assert_eq!(Header::from_bytes(checked.to_bytes(0)), checked);
        }
        if let Some(given) = header.for_driver(features) {
            assert_eq!(given.for_driver(features), Some(given));
        }
    }
}

fn check(header: Header, frame_bytes: usize, features: u64) {
    assert_eq!(header.flags & !HDR_NEEDS_CSUM, 0);
    if header.flags != 0 {
        let end = usize::from(header.csum_start) + usize::from(header.csum_offset) + 2;
        assert!(features & F_CSUM != 0 && end <= frame_bytes);
    }
    if header.gso_type != GSO_NONE {
        let kinds = [GSO_TCPV4, GSO_TCPV6, GSO_UDP];
        assert!(kinds.contains(&(header.gso_type & !GSO_ECN)));
        assert!(header.flags != 0 && header.gso_size > 0);
        assert!(usize::from(header.hdr_len) <= frame_bytes);
    }
}
