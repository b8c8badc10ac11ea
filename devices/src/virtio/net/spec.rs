//! Numbers of virtio-net: features (virtio 1.3 5.1.3), packet header (5.1.6) and control commands
//! (5.1.6.5).

use virtio_bindings::virtio_net as bindings;

/// The device computes checksums that the driver leaves open.
pub const F_CSUM: u64 = 1 << bindings::VIRTIO_NET_F_CSUM;
/// The driver takes packets whose checksum is left open.
pub const F_GUEST_CSUM: u64 = 1 << bindings::VIRTIO_NET_F_GUEST_CSUM;
/// The driver may change which offloads it takes.
pub const F_CTRL_GUEST_OFFLOADS: u64 = 1 << bindings::VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
/// The configuration has an address.
pub const F_MAC: u64 = 1 << bindings::VIRTIO_NET_F_MAC;
/// The driver takes unsegmented TCP over IPv4.
pub const F_GUEST_TSO4: u64 = 1 << bindings::VIRTIO_NET_F_GUEST_TSO4;
/// The driver takes unsegmented TCP over IPv6.
pub const F_GUEST_TSO6: u64 = 1 << bindings::VIRTIO_NET_F_GUEST_TSO6;
/// The driver takes unsegmented TCP with congestion marks.
pub const F_GUEST_ECN: u64 = 1 << bindings::VIRTIO_NET_F_GUEST_ECN;
/// The driver takes unfragmented UDP.
pub const F_GUEST_UFO: u64 = 1 << bindings::VIRTIO_NET_F_GUEST_UFO;
/// The device segments TCP over IPv4.
pub const F_HOST_TSO4: u64 = 1 << bindings::VIRTIO_NET_F_HOST_TSO4;
/// The device segments TCP over IPv6.
pub const F_HOST_TSO6: u64 = 1 << bindings::VIRTIO_NET_F_HOST_TSO6;
/// The device segments TCP with congestion marks.
pub const F_HOST_ECN: u64 = 1 << bindings::VIRTIO_NET_F_HOST_ECN;
/// The device fragments UDP.
pub const F_HOST_UFO: u64 = 1 << bindings::VIRTIO_NET_F_HOST_UFO;
/// A received packet may be spread over several chains.
pub const F_MRG_RXBUF: u64 = 1 << bindings::VIRTIO_NET_F_MRG_RXBUF;
/// The configuration has the link's status.
pub const F_STATUS: u64 = 1 << bindings::VIRTIO_NET_F_STATUS;
/// There is a control queue.
pub const F_CTRL_VQ: u64 = 1 << bindings::VIRTIO_NET_F_CTRL_VQ;
/// Commands for what is received: promiscuous, all multicast.
pub const F_CTRL_RX: u64 = 1 << bindings::VIRTIO_NET_F_CTRL_RX;
/// More of those.
pub const F_CTRL_RX_EXTRA: u64 = 1 << bindings::VIRTIO_NET_F_CTRL_RX_EXTRA;
/// Several pairs of queues.
pub const F_MQ: u64 = 1 << bindings::VIRTIO_NET_F_MQ;
/// A command to change the address.
pub const F_CTRL_MAC_ADDR: u64 = 1 << bindings::VIRTIO_NET_F_CTRL_MAC_ADDR;

/// Offloads that the driver may turn on and off by command (5.1.6.5.6.1).
pub const GUEST_OFFLOADS: u64 =
    F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_GUEST_ECN | F_GUEST_UFO;

/// Bytes of the header before each packet.
pub const HEADER_BYTES: usize = 12;
/// Most queue pairs of a device.
pub const MAX_PAIRS: u16 = 8;

/// Bit of the configuration's status.
pub const STATUS_LINK_UP: u16 = bindings::VIRTIO_NET_S_LINK_UP as u16;

/// Header flag: the checksum is left open.
pub const HDR_NEEDS_CSUM: u8 = bindings::VIRTIO_NET_HDR_F_NEEDS_CSUM as u8;
/// Header flag: the checksum was found right.
pub const HDR_DATA_VALID: u8 = bindings::VIRTIO_NET_HDR_F_DATA_VALID as u8;
/// Segmentation: none.
pub const GSO_NONE: u8 = bindings::VIRTIO_NET_HDR_GSO_NONE as u8;
/// Segmentation: TCP over IPv4.
pub const GSO_TCPV4: u8 = bindings::VIRTIO_NET_HDR_GSO_TCPV4 as u8;
/// Segmentation: UDP into fragments.
pub const GSO_UDP: u8 = bindings::VIRTIO_NET_HDR_GSO_UDP as u8;
/// Segmentation: TCP over IPv6.
pub const GSO_TCPV6: u8 = bindings::VIRTIO_NET_HDR_GSO_TCPV6 as u8;
/// Added to the above for TCP with congestion marks.
pub const GSO_ECN: u8 = bindings::VIRTIO_NET_HDR_GSO_ECN as u8;

/// Answer to a command: done.
pub const OK: u8 = bindings::VIRTIO_NET_OK as u8;
/// Answer to a command: refused.
pub const ERR: u8 = bindings::VIRTIO_NET_ERR as u8;

/// Class of commands: what is received.
pub const CTRL_RX: u8 = bindings::VIRTIO_NET_CTRL_RX as u8;
/// Everything.
pub const CTRL_RX_PROMISC: u8 = bindings::VIRTIO_NET_CTRL_RX_PROMISC as u8;
/// All multicast.
pub const CTRL_RX_ALLMULTI: u8 = bindings::VIRTIO_NET_CTRL_RX_ALLMULTI as u8;
/// All unicast.
pub const CTRL_RX_ALLUNI: u8 = bindings::VIRTIO_NET_CTRL_RX_ALLUNI as u8;
/// No multicast.
pub const CTRL_RX_NOMULTI: u8 = bindings::VIRTIO_NET_CTRL_RX_NOMULTI as u8;
/// No unicast.
pub const CTRL_RX_NOUNI: u8 = bindings::VIRTIO_NET_CTRL_RX_NOUNI as u8;
/// No broadcast.
pub const CTRL_RX_NOBCAST: u8 = bindings::VIRTIO_NET_CTRL_RX_NOBCAST as u8;

/// Class of commands: addresses.
pub const CTRL_MAC: u8 = bindings::VIRTIO_NET_CTRL_MAC as u8;
/// Tables of addresses to receive for.
pub const CTRL_MAC_TABLE_SET: u8 = bindings::VIRTIO_NET_CTRL_MAC_TABLE_SET as u8;
/// The device's own address.
pub const CTRL_MAC_ADDR_SET: u8 = bindings::VIRTIO_NET_CTRL_MAC_ADDR_SET as u8;

/// Class of commands: queue pairs.
pub const CTRL_MQ: u8 = bindings::VIRTIO_NET_CTRL_MQ as u8;
/// How many are in use.
pub const CTRL_MQ_VQ_PAIRS_SET: u8 = bindings::VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET as u8;

/// Class of commands: offloads that the driver takes.
pub const CTRL_GUEST_OFFLOADS: u8 = bindings::VIRTIO_NET_CTRL_GUEST_OFFLOADS as u8;
/// Which.
pub const CTRL_GUEST_OFFLOADS_SET: u8 = bindings::VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET as u8;
