//! Ports and bits of the RTL8029AS (Realtek data sheet LS009) and of the DP8390D in it (National
//! Semiconductor data sheet, "Internal Registers").

/// Command; in every page.
pub(super) const COMMAND: u16 = 0x00;
/// Remote DMA goes through here, word by word.
pub(super) const DATA: u16 = 0x10;
/// A read resets the card, a write ends that.
pub(super) const RESET: u16 = 0x1f;
/// Interrupt status; ones clear.
pub(super) const INTERRUPT_STATUS: u16 = 0x07;

/// Command bits.
pub(super) mod command {
    pub(in super::super) const STOP: u8 = 1 << 0;
    pub(in super::super) const START: u8 = 1 << 1;
    pub(in super::super) const TRANSMIT: u8 = 1 << 2;
    pub(in super::super) const REMOTE_READ: u8 = 1 << 3;
    pub(in super::super) const REMOTE_WRITE: u8 = 2 << 3;
    /// Ends remote DMA, or has none.
    pub(in super::super) const REMOTE_ABORT: u8 = 4 << 3;
    pub(in super::super) const PAGE_1: u8 = 1 << 6;
}

/// Registers of page 0 that are written.
pub(super) mod page0 {
    pub(in super::super) const START: u16 = 0x01;
    pub(in super::super) const STOP: u16 = 0x02;
    /// The page that the receiver must not reach.
    pub(in super::super) const BOUNDARY: u16 = 0x03;
    pub(in super::super) const TRANSMIT_PAGE: u16 = 0x04;
    pub(in super::super) const TRANSMIT_BYTES: u16 = 0x05;
    pub(in super::super) const REMOTE_ADDRESS: u16 = 0x08;
    pub(in super::super) const REMOTE_BYTES: u16 = 0x0a;
    pub(in super::super) const RECEIVE_CONFIG: u16 = 0x0c;
    pub(in super::super) const TRANSMIT_CONFIG: u16 = 0x0d;
    pub(in super::super) const DATA_CONFIG: u16 = 0x0e;
    pub(in super::super) const INTERRUPT_MASK: u16 = 0x0f;
}

/// Registers of page 1.
pub(super) mod page1 {
    pub(in super::super) const ADDRESS: u16 = 0x01;
    /// The page to which the next packet goes.
    pub(in super::super) const CURRENT: u16 = 0x07;
    pub(in super::super) const MULTICAST: u16 = 0x08;
}

/// Interrupt status and mask bits.
pub(super) mod interrupt {
    pub(in super::super) const RECEIVED: u8 = 1 << 0;
    pub(in super::super) const TRANSMITTED: u8 = 1 << 1;
    pub(in super::super) const RECEIVE_ERROR: u8 = 1 << 2;
    pub(in super::super) const TRANSMIT_ERROR: u8 = 1 << 3;
    /// The ring had no room for a packet.
    pub(in super::super) const OVERWRITE: u8 = 1 << 4;
    pub(in super::super) const REMOTE_DONE: u8 = 1 << 6;
    /// The card is stopped; it does not interrupt.
    pub(in super::super) const RESET: u8 = 1 << 7;
    /// Read where nothing answers.
    pub(in super::super) const ABSENT: u8 = 0xff;
}

/// Data configuration: words, as a PC orders their bytes; no loopback; FIFO threshold of 8 bytes.
pub(super) const WORDS: u8 = 0x49;
/// Receive configuration: packets for this card, and broadcasts.
pub(super) const RECEIVE_BROADCAST: u8 = 1 << 2;
/// Receive configuration: nothing gets into the ring.
pub(super) const RECEIVE_MONITOR: u8 = 1 << 5;
/// Transmit configuration: on the wire.
pub(super) const TRANSMIT_NORMAL: u8 = 0;
/// Transmit configuration: back to the card itself.
pub(super) const TRANSMIT_LOOPBACK: u8 = 1 << 1;

/// Bytes of the PROM with the station's address, each of which is there twice in a card that is
/// read by words.
pub(super) const PROM_BYTES: usize = 32;
/// What its bytes 14 and 15 are in such a card.
pub(super) const PROM_WORD_WIDE: u8 = 0x57;
