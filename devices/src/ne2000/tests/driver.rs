//! What tests, beyond fuzzing, do with the card.

use crate::ne2000::spec::{page1, write0};
use crate::ne2000::testing::{Driver, RUN, START, STOP, wait};
use std::io::{Read, Write};

/// A packet as the ring has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InRing {
    pub(super) status: u8,
    pub(super) next: u8,
    /// With the check sequence.
    pub(super) bytes: Vec<u8>,
}

/// Started, page 1.
pub(super) const RUN_PAGE1: u8 = 0x62;

impl Driver {
    /// Reads a register of page 1, and goes back.
    pub(super) fn page1(&self, number: u16) -> u8 {
        self.outb(0, RUN_PAGE1);
        let value = self.inb(number);
        self.outb(0, RUN);
        value
    }

    pub(super) fn isr(&self) -> u8 {
        self.inb(write0::ISR)
    }

    pub(super) fn acknowledge(&self, bits: u8) {
        self.outb(write0::ISR, bits);
    }

    /// The packet after the boundary, which stays there; as Linux keeps the boundary, a page
    /// behind.
    pub(super) fn peek(&self) -> Option<InRing> {
        let page = match self.inb(write0::BNRY) + 1 {
            STOP => START,
            page => page,
        };
        if self.page1(page1::CURR) == page {
            return None;
        }
        let address = u16::from(page) << 8;
        let header = self.read(address, 4);
        let count = u16::from_le_bytes([header[2], header[3]]);
        Some(InRing {
            status: header[0],
            next: header[1],
            bytes: self.read(address + 4, count.into()),
        })
    }

    /// Takes a packet out of the ring.
    pub(super) fn take(&self) -> Option<InRing> {
        let packet = self.peek()?;
        let boundary = match packet.next {
            START => STOP - 1,
            next => next - 1,
        };
        self.outb(write0::BNRY, boundary);
        Some(packet)
    }

    /// Waits for a packet and takes it, without its check sequence.
    pub(super) fn receive(&self) -> Vec<u8> {
        wait("a packet", || self.peek().is_some());
        let mut packet = self.take().expect("no panic").bytes;
        packet.truncate(packet.len() - 4);
        packet
    }

    /// The network sends a packet.
    pub(super) fn arrive(&self, packet: &[u8]) {
        let length = (packet.len() as u32).to_be_bytes();
        let mut network = &self.network;
        network
            .write_all(&[&length, packet].concat())
            .expect("no panic");
    }

    /// Waits for what the network gets.
    pub(super) fn departed(&self) -> Vec<u8> {
        let mut length = [0; 4];
        let mut network = &self.network;
        network.read_exact(&mut length).expect("no panic");
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        network.read_exact(&mut packet).expect("no panic");
        packet
    }
}
