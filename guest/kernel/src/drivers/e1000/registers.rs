//! Registers of the 82540EM and what is in them (Intel, PCI/PCI-X Family of Gigabit Ethernet
//! Controllers Software Developer's Manual, chapter 13).

/// Device control.
pub(super) const CONTROL: u64 = 0x0000;
/// Flow control: address, its upper half, type, and transmit timer.
pub(super) const FLOW_CONTROL: [u64; 4] = [0x0028, 0x002c, 0x0030, 0x0170];
/// Causes of interrupts; a read clears them.
pub(super) const CAUSES: u64 = 0x00c0;
/// Shortest time between interrupts, in 256 ns.
pub(super) const THROTTLE: u64 = 0x00c4;
/// Causes that interrupt: ones set.
pub(super) const MASK_SET: u64 = 0x00d0;
/// Causes that interrupt: ones clear.
pub(super) const MASK_CLEAR: u64 = 0x00d8;
pub(super) const RECEIVE_CONTROL: u64 = 0x0100;
pub(super) const TRANSMIT_CONTROL: u64 = 0x0400;
/// Gaps between frames on the wire.
pub(super) const TRANSMIT_GAPS: u64 = 0x0410;
/// First register of each ring.
pub(super) const RECEIVE_RING: u64 = 0x2800;
pub(super) const TRANSMIT_RING: u64 = 0x3800;
/// Multicast table of so many registers, which a reset leaves as it was.
pub(super) const MULTICAST: u64 = 0x5200;
pub(super) const MULTICAST_REGISTERS: u64 = 128;
/// The station's address, which a reset reads from the EEPROM; its upper half.
pub(super) const ADDRESS: u64 = 0x5400;
pub(super) const ADDRESS_HIGH: u64 = 0x5404;
/// Bytes of all these.
pub(super) const BYTES: u64 = 0x6000;

/// Registers of a ring.
pub(super) mod ring {
    /// Address, its upper half.
    pub(in super::super) const BASE: u64 = 0x00;
    pub(in super::super) const BASE_HIGH: u64 = 0x04;
    /// Bytes of the ring.
    pub(in super::super) const LENGTH: u64 = 0x08;
    pub(in super::super) const HEAD: u64 = 0x10;
    pub(in super::super) const TAIL: u64 = 0x18;
}

/// Bits of [`CONTROL`].
pub(super) mod control {
    /// Link reset; speed by hand, duplex by hand; reset of the PHY.
    pub(in super::super) const BY_HAND: u32 = 1 << 3 | 1 << 11 | 1 << 12 | 1 << 31;
    /// Speed as the PHY has found it.
    pub(in super::super) const AUTO_SPEED: u32 = 1 << 5;
    pub(in super::super) const LINK_UP: u32 = 1 << 6;
    /// Clears itself.
    pub(in super::super) const RESET: u32 = 1 << 26;
}

/// Causes of interrupts.
pub(super) mod cause {
    /// A descriptor was written back that asked for it.
    pub(in super::super) const SENT: u32 = 1 << 0;
    /// Few receive descriptors are left, none is left, or a frame has come.
    pub(in super::super) const RECEIVED: u32 = 1 << 4 | 1 << 6 | 1 << 7;
    pub(in super::super) const ALL: u32 = u32::MAX;
    /// Read where nothing answers.
    pub(in super::super) const ABSENT: u32 = u32::MAX;
}

/// Upper half of an address: valid.
pub(super) const ADDRESS_VALID: u32 = 1 << 31;
/// On; broadcasts; buffers of 2 KiB; without the check sequence.
pub(super) const RECEIVE_ON: u32 = 1 << 1 | 1 << 15 | 1 << 26;
/// On; short frames are filled up; collision threshold 15 and, in full duplex, distance 64 bytes.
pub(super) const TRANSMIT_ON: u32 = 1 << 1 | 1 << 3 | 0xf << 4 | 0x40 << 12;
/// As 13.4.34 has it for copper.
pub(super) const GAPS: u32 = 10 | 8 << 10 | 6 << 20;
/// At most 20,000 interrupts a second.
pub(super) const INTERVAL: u32 = 195;
