//! Numbers of the 82540EM (Intel, PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual, "SDM" here): registers (13.4), descriptors (3.2, 3.3) and identity (12).

use crate::pci::config::Identity;

/// As the card names itself to PCI.
pub const IDENTITY: Identity = Identity {
    vendor: 0x8086,
    device: 0x100e,
    class: [0x02, 0x00, 0x00],
    revision: 2,
    subsystem: (0x8086, 0x001e),
};
/// BAR of the registers in memory, and its size in bytes.
pub const MEMORY_BAR: usize = 0;
/// See there.
pub const BAR_BYTES: u32 = 128 << 10;
/// BAR of the two ports that lead to the registers, and its size.
pub const IO_BAR: usize = 1;
/// See there.
pub const IO_PORTS: u32 = 64;
/// Port: which register (13.4, "I/O-mapped").
pub const IOADDR: u16 = 0;
/// Port: its contents.
pub const IODATA: u16 = 4;

/// Device control.
pub const CTRL: u32 = 0x0000;
/// Device status.
pub const STATUS: u32 = 0x0008;
/// EEPROM, by its wires.
pub const EECD: u32 = 0x0010;
/// EEPROM, by words.
pub const EERD: u32 = 0x0014;
/// More device control.
pub const CTRL_EXT: u32 = 0x0018;
/// The PHY's registers.
pub const MDIC: u32 = 0x0020;
/// Flow control: address, type.
pub const FCAL: u32 = 0x0028;
/// EtherType of VLAN tags.
pub const VET: u32 = 0x0038;
/// Causes of interrupts; a read clears them.
pub const ICR: u32 = 0x00c0;
/// Shortest time between interrupts, in 256 ns.
pub const ITR: u32 = 0x00c4;
/// Causes, to be set.
pub const ICS: u32 = 0x00c8;
/// Causes that interrupt, to be set.
pub const IMS: u32 = 0x00d0;
/// Causes that interrupt, to be cleared.
pub const IMC: u32 = 0x00d8;
/// Receive control.
pub const RCTL: u32 = 0x0100;
/// Transmit control.
pub const TCTL: u32 = 0x0400;
/// Receive ring: low half of its address; [`RING_HIGH`] and so on follow.
pub const RDBAL: u32 = 0x2800;
/// Delay of receive interrupts, in 1.024 us.
pub const RDTR: u32 = 0x2820;
/// Longest such delay.
pub const RADV: u32 = 0x282c;
/// Frames up to this length interrupt at once.
pub const RSRPD: u32 = 0x2c00;
/// Transmit ring: low half of its address.
pub const TDBAL: u32 = 0x3800;
/// Delay of transmit interrupts, in 1.024 us.
pub const TIDV: u32 = 0x3820;
/// Longest such delay.
pub const TADV: u32 = 0x382c;
/// Receive checksum control.
pub const RXCSUM: u32 = 0x5000;
/// Multicast table: 128 registers of 32 bits.
pub const MTA: u32 = 0x5200;
/// Receive addresses: 16 pairs of low and high.
pub const RAL: u32 = 0x5400;
/// How many.
pub const RECEIVE_ADDRESSES: u32 = 16;
/// VLAN filter table: 128 registers of 32 bits.
pub const VFTA: u32 = 0x5600;

/// From a ring's first register: high half of its address, bytes, head and tail.
pub const RING_HIGH: u32 = 0x04;
/// See there.
pub const RING_LENGTH: u32 = 0x08;
/// See there.
pub const RING_HEAD: u32 = 0x10;
/// See there.
pub const RING_TAIL: u32 = 0x18;

/// CTRL: full duplex.
pub const CTRL_FD: u32 = 1 << 0;
/// CTRL: reset of all but the PHY; clears itself.
pub const CTRL_RST: u32 = 1 << 26;
/// CTRL: VLAN tags are taken off and put on.
pub const CTRL_VME: u32 = 1 << 30;
/// CTRL: reset of the PHY.
pub const CTRL_PHY_RST: u32 = 1 << 31;
/// STATUS: full duplex.
pub const STATUS_FD: u32 = 1 << 0;
/// STATUS: the link is up.
pub const STATUS_LU: u32 = 1 << 1;
/// STATUS: at 1000 Mb/s.
pub const STATUS_SPEED_1000: u32 = 2 << 6;

/// Cause: descriptors of sent frames are written back.
pub const CAUSE_TXDW: u32 = 1 << 0;
/// Cause: the transmit ring is empty.
pub const CAUSE_TXQE: u32 = 1 << 1;
/// Cause: the link has changed.
pub const CAUSE_LSC: u32 = 1 << 2;
/// Cause: few receive descriptors are left.
pub const CAUSE_RXDMT0: u32 = 1 << 4;
/// Cause: frames are received.
pub const CAUSE_RXT0: u32 = 1 << 7;
/// Cause: an access to the PHY is done.
pub const CAUSE_MDAC: u32 = 1 << 9;
/// Cause: a small frame is received.
pub const CAUSE_SRPD: u32 = 1 << 16;
/// All causes that there are (13.4.17).
pub const CAUSES: u32 = 0x1_ffff;

/// RCTL: reception is on.
pub const RCTL_EN: u32 = 1 << 1;
/// RCTL: unicast for anyone.
pub const RCTL_UPE: u32 = 1 << 3;
/// RCTL: multicast of any group.
pub const RCTL_MPE: u32 = 1 << 4;
/// RCTL: long frames.
pub const RCTL_LPE: u32 = 1 << 5;
/// RCTL: shift of the share of the ring below which [`CAUSE_RXDMT0`] comes.
pub const RCTL_RDMTS_SHIFT: u32 = 8;
/// RCTL: shift of which bits of an address choose a bit of [`MTA`].
pub const RCTL_MO_SHIFT: u32 = 12;
/// RCTL: broadcast.
pub const RCTL_BAM: u32 = 1 << 15;
/// RCTL: shift of the size of buffers.
pub const RCTL_BSIZE_SHIFT: u32 = 16;
/// RCTL: the VLAN filter is on.
pub const RCTL_VFE: u32 = 1 << 18;
/// RCTL: buffers are 16 times as large.
pub const RCTL_BSEX: u32 = 1 << 25;
/// RCTL: the frame's check sequence is taken off.
pub const RCTL_SECRC: u32 = 1 << 26;
/// TCTL: transmission is on.
pub const TCTL_EN: u32 = 1 << 1;
/// TCTL: short frames are filled up.
pub const TCTL_PSP: u32 = 1 << 3;
/// RDTR: the delay ends now.
pub const RDTR_FPD: u32 = 1 << 31;
/// RXCSUM: IPv4 headers are checked.
pub const RXCSUM_IPOFL: u32 = 1 << 8;
/// RXCSUM: TCP and UDP are checked.
pub const RXCSUM_TUOFL: u32 = 1 << 9;
/// Receive address, high half: valid.
pub const RAH_AV: u32 = 1 << 31;

/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES: u64 = 16;
/// Transmit descriptor, in its second 64 bits: end of packet.
pub const TX_EOP: u64 = 1 << 24;
/// Legacy: a checksum is to be put in. Data: the packet is to be segmented ([`TX_TSE`]).
pub const TX_IC: u64 = 1 << 26;
/// See there.
pub const TX_TSE: u64 = 1 << 26;
/// Status is to be reported.
pub const TX_RS: u64 = 1 << 27;
/// Not a legacy descriptor.
pub const TX_DEXT: u64 = 1 << 29;
/// A VLAN tag is to be put in.
pub const TX_VLE: u64 = 1 << 30;
/// The interrupt may be delayed.
pub const TX_IDE: u64 = 1 << 31;
/// Status: done.
pub const TX_DD: u64 = 1 << 32;
/// Bits of the type of a descriptor with [`TX_DEXT`]: 0 is a context, 1 data.
pub const TX_TYPE_SHIFT: u32 = 20;
/// Data: the IP checksum is to be put in.
pub const TX_IXSM: u8 = 1;
/// Data: the TCP or UDP checksum is to be put in.
pub const TX_TXSM: u8 = 2;
/// Context: the packet is TCP, not UDP.
pub const TX_CONTEXT_TCP: u64 = 1 << 24;
/// Context: it is IPv4, not IPv6.
pub const TX_CONTEXT_IP: u64 = 1 << 25;

/// Receive descriptor, status: done.
pub const RX_DD: u8 = 1 << 0;
/// End of packet.
pub const RX_EOP: u8 = 1 << 1;
/// Checksums were not looked at.
pub const RX_IXSM: u8 = 1 << 2;
/// There was a VLAN tag.
pub const RX_VP: u8 = 1 << 3;
/// The TCP or UDP checksum was looked at.
pub const RX_TCPCS: u8 = 1 << 5;
/// The IP checksum was looked at.
pub const RX_IPCS: u8 = 1 << 6;
/// Error: the TCP or UDP checksum is wrong.
pub const RX_TCPE: u8 = 1 << 5;
/// Error: the IP checksum is wrong.
pub const RX_IPE: u8 = 1 << 6;

/// Bytes of a frame's check sequence.
pub const FCS_BYTES: usize = 4;
/// Longest usual frame with its check sequence, and with a VLAN tag as well (3.2.3).
pub const USUAL_FRAME_BYTES: usize = 1518;
/// Longest frame that is sent unsegmented, without its check sequence.
pub const SENT_FRAME_BYTES: usize = 16_288;
/// Where a VLAN tag is in a frame, and its bytes.
pub const TAG_AT: usize = 12;
/// See there.
pub const TAG_BYTES: usize = 4;
