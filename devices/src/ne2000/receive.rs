//! Packets into the receive ring (DP8390D data sheet, "Packet Reception").
//!
//! ```text
//!  PSTART                BNRY        CURR                PSTOP
//!    | free | free | ... | packet, .. | free | free | ... |
//! ```
//!
//! A packet takes pages from CURR on: four bytes of header, the packet, its check sequence. The
//! page after its last must not be BNRY. Like the chip, this compares pages for equality, so a driver
//! whose pages make no ring gets its packets where they say; what is not in the buffer memory goes
//! nowhere, and no packet takes more than six pages.

use super::chip::Chip;
use super::crc;
use super::registers::Registers;
use super::spec::{
    FCS_BYTES, HEADER_BYTES, ISR_OVW, ISR_RST, PAGE_BYTES, RCR_AB, RCR_AM, RCR_MON, RCR_PRO,
    RSR_DIS, RSR_MPA, RSR_PHY, RSR_PRX, TCR_LB,
};

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// It is in the ring, or the driver does not want it.
    Done,
    /// The ring has no room for it.
    NoRoom,
}

impl Registers {
    /// Whether packets are taken from the wire.
    pub(super) fn receives(&self) -> bool {
        self.is_started() && self.tcr & TCR_LB == 0 && self.isr & ISR_OVW == 0
    }

    /// Whether packets for that address are for this card.
    pub(super) fn accepts(&self, address: [u8; 6]) -> bool {
        match address {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => self.rcr & RCR_AB != 0,
            [first, ..] if first & 1 != 0 => self.rcr & RCR_AM != 0 && self.filters(address),
            _ => self.rcr & RCR_PRO != 0 || address == self.par,
        }
    }

    /// The page after `page` in the ring.
    fn page_after(&self, page: u8) -> u8 {
        match page.wrapping_add(1) {
            next if next == self.pstop => self.pstart,
            next => next,
        }
    }

    /// The page that the receiver must not reach. A driver that keeps BNRY a page behind may mean
    /// the last of the ring by the page before the first, as Linux's does. The chip never meets
    /// that one, and would run over packets that were not read yet; on the wire that it was built
    /// for it hardly gets so far.
    fn limit(&self) -> u8 {
        match self.bnry.wrapping_add(1) {
            next if next == self.pstart => self.pstop.wrapping_sub(1),
            _ => self.bnry,
        }
    }

    /// Where the packet after one of so many bytes begins, if the ring has room for that one.
    pub(super) fn page_after_packet(&self, packet_bytes: usize) -> Option<u8> {
        let limit = self.limit();
        let bytes = HEADER_BYTES + packet_bytes + FCS_BYTES;
        (0..bytes.div_ceil(PAGE_BYTES)).try_fold(self.curr, |page, _| {
            Some(self.page_after(page)).filter(|next| *next != limit)
        })
    }
}

impl Chip {
    /// A packet has come, without its check sequence.
    pub(super) fn receive(&mut self, packet: &[u8]) -> Received {
        let Some(address) = packet.first_chunk().copied() else {
            return Received::Done;
        };
        if !self.registers.accepts(address) {
            return Received::Done;
        }
        let group = if address[0] & 1 != 0 { RSR_PHY } else { 0 };
        if self.registers.rcr & RCR_MON != 0 {
            self.registers.rsr = RSR_MPA | RSR_DIS | group;
            self.registers.count_missed();
            return Received::Done;
        }
        let Some(next) = self.registers.page_after_packet(packet.len()) else {
            return Received::NoRoom;
        };
        self.registers.rsr = RSR_PRX | group;
        self.store(packet, next);
        self.registers.note_arrival();
        Received::Done
    }

    fn store(&mut self, packet: &[u8], next: u8) {
        // No longer than the longest packet, by the card.
        let [low, high] = ((packet.len() + FCS_BYTES) as u16).to_le_bytes();
        let header = [self.registers.rsr, next, low, high];
        let sequence = crc::check_sequence(packet);
        let bytes = header.iter().chain(packet).chain(&sequence);
        let mut page = self.registers.curr;
        for (offset, byte) in (0..=u8::MAX).cycle().zip(bytes) {
            self.memory.write(u16::from_be_bytes([page, offset]), *byte);
            if offset == u8::MAX {
                page = self.registers.page_after(page);
            }
        }
        self.registers.curr = next;
    }

    /// A packet is lost, as the ring has had no room for it. Until the driver acknowledges that,
    /// no other is taken.
    pub(super) fn overflow(&mut self) {
        self.registers.isr |= ISR_OVW | ISR_RST;
        self.registers.rsr = RSR_MPA;
        self.registers.count_missed();
    }
}
