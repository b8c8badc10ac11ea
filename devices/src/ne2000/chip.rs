//! [`Chip`]: registers, buffer memory, and what a command does to them. It knows nothing of the
//! host; [`super::card`] connects it.

use super::memory::BufferMemory;
use super::registers::Registers;
use super::spec::{CR, CR_RD, CR_TXP, RD_SEND};
use crate::net::mac::MacAddress;

/// Registers and memory.
pub(super) struct Chip {
    pub(super) registers: Registers,
    pub(super) memory: BufferMemory,
}

/// What the driver asks the card for by a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Nothing.
    None,
    /// To transmit the packet at TPSR.
    Transmit,
}

impl Chip {
    pub(super) fn new(mac: MacAddress) -> Self {
        Self {
            registers: Registers::default(),
            memory: BufferMemory::new(mac),
        }
    }

    /// A write to a register; `number` is below 16.
    pub(super) fn write(&mut self, number: u16, value: u8) -> Request {
        if number != CR {
            self.registers.write(number, value);
            return Request::None;
        }
        let before = self.registers.cr;
        self.registers.set_command(value);
        self.start_remote(before & CR_RD);
        if value & !before & CR_TXP != 0 && self.registers.is_started() {
            self.registers.cr |= CR_TXP;
            return Request::Transmit;
        }
        Request::None
    }

    /// Remote DMA begins, or what there is of it goes on: the driver may change pages meanwhile.
    fn start_remote(&mut self, before: u8) {
        let command = self.registers.remote_command();
        if command == RD_SEND && (before != RD_SEND || self.registers.rbcr == 0) {
            self.begin_send_packet();
        }
        self.end_remote_if_done();
    }
}
