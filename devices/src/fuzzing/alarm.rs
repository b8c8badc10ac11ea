//! The alarm: any accesses to its registers and configuration, and its time passing.

use super::Input;
use crate::alarm::Alarm;
use crate::bus::{MmioDevice, Width};
use crate::irq::IrqLine;
use crate::pci::PciFunction;
use crate::pci::msix::{MsiMessage, MsiSink};
use crate::timer::TimedDevice;
use abi::alarm::BAR_BYTES;
use std::io;

/// Takes messages anywhere.
struct Anywhere;

impl MsiSink for Anywhere {
    fn route(&mut self, _: u16, _: MsiMessage) -> io::Result<()> {
        Ok(())
    }

    fn trigger(&self, _: u16) -> io::Result<()> {
        Ok(())
    }
}

/// Accesses, in the order of the input.
pub fn alarm(data: &[u8]) {
    let Ok(line) = IrqLine::new() else { return };
    let Ok(mut alarm) = Alarm::new(line, Box::new(Anywhere)) else {
        return;
    };
    let mut input = Input(data);
    while !input.is_empty() {
        let what = input.byte();
        let width = [Width::Byte, Width::Word, Width::Dword][usize::from(what & 0xf) % 3];
        match what >> 5 {
            // A register: they are few, and far from each other.
            0..=2 => {
                let base = [0, 0x400, 0x800, 0xff0][usize::from(what >> 3 & 3)];
                let offset = base + u64::from(input.byte() % 16);
                alarm.mmio_write(offset, width, input.dword().into());
                alarm.mmio_read(offset, width);
            }
            3 => {
                let offset = u32::from(input.word()) % BAR_BYTES;
                alarm.mmio_write(offset.into(), width, input.dword().into());
            }
            4 | 5 => {
                let offset = u16::from(input.byte()) / width.bytes() as u16 * width.bytes() as u16;
                alarm.write_config(offset, width, input.dword());
                alarm.read_config(offset, width);
            }
            _ => alarm.timer_expired(),
        }
    }
}
