//! [`BufferMemory`]: what remote DMA reaches, 64 KiB of which little is there: the PROM with the
//! station's address, and 16 KiB of packet buffer. The rest reads as ones and swallows writes.

use crate::net::mac::MacAddress;
use std::ops::Range;

/// Bytes of the PROM, of which each stands there twice, as a word-wide NE2000 has it.
const PROM_BYTES: usize = 32;
/// What the second half of the PROM says: a word-wide card.
const WORD_WIDE: u8 = 0x57;
/// Addresses of the packet buffer.
const RAM: Range<usize> = 0x4000..0x8000;

/// PROM and packet buffer.
pub(super) struct BufferMemory {
    prom: [u8; PROM_BYTES],
    ram: Box<[u8]>,
}

impl BufferMemory {
    /// Memory of a card with that address.
    pub(super) fn new(mac: MacAddress) -> Self {
        let mut bytes = [0; PROM_BYTES / 2];
        bytes[..6].copy_from_slice(&mac.0);
        bytes[14..].fill(WORD_WIDE);
        let mut prom = [0; PROM_BYTES];
        for (pair, byte) in prom.chunks_exact_mut(2).zip(bytes) {
            pair.fill(byte);
        }
        Self {
            prom,
            ram: vec![0; RAM.len()].into(),
        }
    }

    /// The byte at an address.
    pub(super) fn read(&self, address: u16) -> u8 {
        let address = usize::from(address);
        let in_ram = address.checked_sub(RAM.start);
        let ram = in_ram.and_then(|at| self.ram.get(at));
        *ram.or_else(|| self.prom.get(address)).unwrap_or(&0xff)
    }

    /// Writes a byte, if that address has one to write to.
    pub(super) fn write(&mut self, address: u16, value: u8) {
        let at = usize::from(address).checked_sub(RAM.start);
        if let Some(byte) = at.and_then(|at| self.ram.get_mut(at)) {
            *byte = value;
        }
    }

    /// The packet buffer.
    pub(super) fn ram(&self) -> &[u8] {
        &self.ram
    }

    /// Takes over the contents of a packet buffer, as far as there is room.
    pub(super) fn restore(&mut self, ram: &[u8]) {
        for (to, from) in self.ram.iter_mut().zip(ram) {
            *to = *from;
        }
    }
}
