//! Remote DMA: every byte between the driver and the buffer memory goes through the data port, in
//! the order of addresses (DP8390D data sheet, "Remote DMA"). The RTL8029AS takes accesses of 32
//! bits as two of 16; the other order of bytes in a word (BOS) is no PC's, and not there.
//!
//! An access while none is pending, or beyond its count, reads ones and writes nothing.

use super::chip::Chip;
use super::spec::{DCR_WTS, ISR_RDC, RD_READ, RD_SEND, RD_WRITE};
use crate::bus::Width;

impl Chip {
    /// Units in which an access moves bytes: (bytes of a unit, units). In word mode an access to a
    /// single byte moves a word, of which one byte is seen.
    fn units(&self, width: Width) -> (u16, usize) {
        match self.registers.dcr & DCR_WTS {
            0 => (1, width.bytes()),
            _ => (2, width.bytes().div_ceil(2)),
        }
    }

    /// A read of the data port.
    pub(super) fn read_data(&mut self, width: Width) -> u32 {
        let mut bytes = [0xff; 4];
        let (unit, units) = self.units(width);
        for unit_bytes in bytes.chunks_mut(unit.into()).take(units) {
            let reads = matches!(self.registers.remote_command(), RD_READ | RD_SEND);
            if !reads || self.registers.rbcr == 0 {
                break;
            }
            for (byte, at) in unit_bytes.iter_mut().zip(0..) {
                *byte = self.memory.read(self.unit_start(unit).wrapping_add(at));
            }
            self.advance(unit);
        }
        u32::from_le_bytes(bytes) & mask(width)
    }

    /// A write to the data port.
    pub(super) fn write_data(&mut self, width: Width, value: u32) {
        let bytes = value.to_le_bytes();
        let (unit, units) = self.units(width);
        for unit_bytes in bytes.chunks(unit.into()).take(units) {
            if self.registers.remote_command() != RD_WRITE || self.registers.rbcr == 0 {
                break;
            }
            for (byte, at) in unit_bytes.iter().zip(0..) {
                let address = self.unit_start(unit).wrapping_add(at);
                self.memory.write(address, *byte);
            }
            self.advance(unit);
        }
    }

    /// Address of the next unit; the lowest bit of a word's is none of the bus.
    fn unit_start(&self, unit: u16) -> u16 {
        self.registers.crda & !(unit - 1)
    }

    /// After a unit; at its end the receive ring begins again.
    fn advance(&mut self, unit: u16) {
        let ring = [self.registers.pstop, self.registers.pstart];
        let [stop, start] = ring.map(|page| u16::from(page) << 8);
        let next = self.unit_start(unit).wrapping_add(unit);
        self.registers.crda = if next == stop { start } else { next };
        self.registers.rbcr = self.registers.rbcr.saturating_sub(unit);
        self.end_remote_if_done();
    }

    /// Remote DMA with nothing left to do is complete.
    pub(super) fn end_remote_if_done(&mut self) {
        let command = self.registers.remote_command();
        if self.registers.rbcr > 0 || !matches!(command, RD_READ | RD_WRITE | RD_SEND) {
            return;
        }
        self.registers.isr |= ISR_RDC;
        if command == RD_SEND && self.registers.bnry != self.registers.curr {
            self.registers.bnry = self.boundary_header()[1];
        }
    }

    /// The "send packet" command: a remote read of the packet at the boundary, if there is one.
    pub(super) fn begin_send_packet(&mut self) {
        let [_, _, low, high] = self.boundary_header();
        self.registers.crda = u16::from(self.registers.bnry) << 8;
        self.registers.rbcr = match self.registers.bnry == self.registers.curr {
            true => 0,
            false => u16::from_le_bytes([low, high]),
        };
    }

    /// Header of the packet at the boundary.
    fn boundary_header(&self) -> [u8; 4] {
        let page = u16::from(self.registers.bnry) << 8;
        std::array::from_fn(|at| self.memory.read(page + at as u16))
    }
}

fn mask(width: Width) -> u32 {
    match width {
        Width::Byte => 0xff,
        Width::Word => 0xffff,
        Width::Dword | Width::Qword => u32::MAX,
    }
}
