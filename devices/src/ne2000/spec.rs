//! Registers of the DP8390D (National Semiconductor data sheet, 1989, "Internal Registers") and of
//! the RTL8029AS (Realtek data sheet LS009) around it.

/// Number of ports.
pub const PORTS: u16 = 0x20;
/// First port through which remote DMA goes; those after it are the same.
pub const DATA: u16 = 0x10;
/// First port that resets the card; those after it are the same.
pub const RESET: u16 = 0x18;

/// Bytes of a page, in which buffers are counted.
pub const PAGE_BYTES: usize = 256;
/// Shortest packet that a network carries, in bytes: an Ethernet header.
pub const MIN_PACKET_BYTES: usize = 14;
/// Longest packet that a network carries, in bytes, without its check sequence: with a VLAN tag.
pub const MAX_PACKET_BYTES: usize = 1518;
/// Bytes of a packet's frame check sequence.
pub const FCS_BYTES: usize = 4;
/// Bytes before a received packet in the ring: status, next page, count.
pub const HEADER_BYTES: usize = 4;
/// Bytes of the FIFO.
pub const FIFO_BYTES: usize = 8;

/// Command register, in every page.
pub const CR: u16 = 0x00;
/// Stop: the card is reset.
pub const CR_STP: u8 = 1 << 0;
/// Start.
pub const CR_STA: u8 = 1 << 1;
/// Transmit packet.
pub const CR_TXP: u8 = 1 << 2;
/// Remote DMA command.
pub const CR_RD: u8 = 7 << 3;
/// Remote read.
pub const RD_READ: u8 = 1 << 3;
/// Remote write.
pub const RD_WRITE: u8 = 2 << 3;
/// Send packet: a remote read of the packet at the boundary.
pub const RD_SEND: u8 = 3 << 3;
/// Abort or complete remote DMA.
pub const RD_ABORT: u8 = 4 << 3;
/// First bit of the page.
pub const CR_PAGE_SHIFT: u8 = 6;

/// Page 0: registers that are read.
pub mod read0 {
    /// Current local DMA address, low byte.
    pub const CLDA0: u16 = 0x01;
    /// Its high byte.
    pub const CLDA1: u16 = 0x02;
    /// Boundary pointer.
    pub const BNRY: u16 = 0x03;
    /// Transmit status.
    pub const TSR: u16 = 0x04;
    /// Number of collisions.
    pub const NCR: u16 = 0x05;
    /// FIFO, after a packet was looped back.
    pub const FIFO: u16 = 0x06;
    /// Interrupt status.
    pub const ISR: u16 = 0x07;
    /// Current remote DMA address, low byte.
    pub const CRDA0: u16 = 0x08;
    /// Its high byte.
    pub const CRDA1: u16 = 0x09;
    /// What makes it an RTL8029AS.
    pub const ID0: u16 = 0x0a;
    /// The other part of that.
    pub const ID1: u16 = 0x0b;
    /// Receive status.
    pub const RSR: u16 = 0x0c;
    /// Tally counter of frame alignment errors.
    pub const CNTR0: u16 = 0x0d;
    /// Tally counter of check sequence errors.
    pub const CNTR1: u16 = 0x0e;
    /// Tally counter of missed packets.
    pub const CNTR2: u16 = 0x0f;
}

/// Page 0: registers that are written. Page 2 reads some of them, at [`PSTART`](write0::PSTART),
/// [`PSTOP`](write0::PSTOP), [`TPSR`](write0::TPSR) and from [`RCR`](write0::RCR) on.
pub mod write0 {
    /// First page of the receive ring.
    pub const PSTART: u16 = 0x01;
    /// Page after its last.
    pub const PSTOP: u16 = 0x02;
    /// Boundary pointer: the page that the receiver must not reach.
    pub const BNRY: u16 = 0x03;
    /// First page of the packet to transmit.
    pub const TPSR: u16 = 0x04;
    /// Its length, low byte.
    pub const TBCR0: u16 = 0x05;
    /// Its length, high byte.
    pub const TBCR1: u16 = 0x06;
    /// Interrupt status: ones clear.
    pub const ISR: u16 = 0x07;
    /// Remote start address, low byte.
    pub const RSAR0: u16 = 0x08;
    /// Its high byte.
    pub const RSAR1: u16 = 0x09;
    /// Remote byte count, low byte.
    pub const RBCR0: u16 = 0x0a;
    /// Its high byte.
    pub const RBCR1: u16 = 0x0b;
    /// Receive configuration.
    pub const RCR: u16 = 0x0c;
    /// Transmit configuration.
    pub const TCR: u16 = 0x0d;
    /// Data configuration.
    pub const DCR: u16 = 0x0e;
    /// Interrupt mask.
    pub const IMR: u16 = 0x0f;
}

/// Page 1.
pub mod page1 {
    /// First byte of the station's address.
    pub const PAR0: u16 = 0x01;
    /// Its last.
    pub const PAR5: u16 = 0x06;
    /// Page of the ring to which the next packet goes.
    pub const CURR: u16 = 0x07;
    /// First byte of the multicast filter.
    pub const MAR0: u16 = 0x08;
    /// Its last.
    pub const MAR7: u16 = 0x0f;
}

/// Page 3, the RTL8029AS's own: number and value of those registers that are not all ones.
pub const PAGE3: [(u16, u8); 3] = [
    // CONFIG0: 10BASE-T.
    (0x03, 0x00),
    // CONFIG2: 10BASE-T, whatever is found on the wire.
    (0x05, 0x40),
    // CONFIG3: full duplex.
    (0x06, 0x40),
];

/// Values of the identification registers.
pub const IDS: [u8; 2] = *b"PC";

/// Packet received.
pub const ISR_PRX: u8 = 1 << 0;
/// Packet transmitted.
pub const ISR_PTX: u8 = 1 << 1;
/// Receive error.
pub const ISR_RXE: u8 = 1 << 2;
/// Overwrite warning: the ring has no room for a packet.
pub const ISR_OVW: u8 = 1 << 4;
/// A tally counter has reached half of its range.
pub const ISR_CNT: u8 = 1 << 5;
/// Remote DMA complete.
pub const ISR_RDC: u8 = 1 << 6;
/// Reset status; it does not interrupt.
pub const ISR_RST: u8 = 1 << 7;

/// Word transfers.
pub const DCR_WTS: u8 = 1 << 0;
/// Long addresses.
pub const DCR_LAS: u8 = 1 << 2;

/// Inhibit CRC: packets bring their own check sequence.
pub const TCR_CRC: u8 = 1 << 0;
/// Loopback mode.
pub const TCR_LB: u8 = 3 << 1;
/// Loopback through the card itself.
pub const LB_NIC: u8 = 1 << 1;
/// Loopback through the encoder.
pub const LB_ENDEC: u8 = 2 << 1;

/// Packet transmitted without error.
pub const TSR_PTX: u8 = 1 << 0;
/// Carrier sense lost.
pub const TSR_CRS: u8 = 1 << 4;
/// Collision detect heartbeat missed.
pub const TSR_CDH: u8 = 1 << 6;

/// Accept broadcast.
pub const RCR_AB: u8 = 1 << 2;
/// Accept multicast.
pub const RCR_AM: u8 = 1 << 3;
/// Promiscuous: accept every physical address.
pub const RCR_PRO: u8 = 1 << 4;
/// Monitor: check packets, but do not buffer them.
pub const RCR_MON: u8 = 1 << 5;

/// Packet received intact.
pub const RSR_PRX: u8 = 1 << 0;
/// Check sequence error.
pub const RSR_CRC: u8 = 1 << 1;
/// Missed packet.
pub const RSR_MPA: u8 = 1 << 4;
/// Its address was a multicast or broadcast one.
pub const RSR_PHY: u8 = 1 << 5;
/// Receiver disabled, by monitor mode.
pub const RSR_DIS: u8 = 1 << 6;

/// A tally counter stops there.
pub const TALLY_MAX: u8 = 192;
/// From there on it interrupts.
pub const TALLY_INTERRUPT: u8 = 128;
