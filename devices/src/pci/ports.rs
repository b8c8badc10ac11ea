//! [`ConfigPorts`]: the configuration mechanism of ports 0xcf8 to 0xcff (PCI 3.0 3.2.2.3.2).
//!
//! The address register is one only when accessed as a whole; a byte access to the second of its
//! four ports is the chipset's reset control.

use super::root::SharedRoot;
use crate::bus::{PioDevice, Width};
use crate::legacy::reset_port::{self, ResetPort};

/// First port.
pub const BASE: u16 = reset_port::BASE;
/// Number of ports.
pub const PORTS: u64 = 8;

const DATA_OFFSET: u16 = 4;
const ENABLE: u32 = 1 << 31;
/// Enable, bus, device, function, register.
const ADDRESS_WRITABLE: u32 = ENABLE | 0x00ff_fffc;

/// The address register; reset control has its own state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigPortsState {
    /// As last written.
    pub address: u32,
    /// Reset control.
    pub reset: reset_port::ResetPortState,
}

/// The ports.
pub struct ConfigPorts {
    root: SharedRoot,
    reset: ResetPort,
    address: u32,
}

impl ConfigPorts {
    /// Ports to the functions of `root`, with that reset control.
    pub fn new(root: SharedRoot, reset: ResetPort) -> Self {
        Self {
            root,
            reset,
            address: 0,
        }
    }

    /// The registers.
    pub fn save(&self) -> ConfigPortsState {
        ConfigPortsState {
            address: self.address,
            reset: self.reset.save(),
        }
    }

    /// Takes over saved registers.
    pub fn restore(&mut self, state: &ConfigPortsState) {
        self.address = state.address & ADDRESS_WRITABLE;
        self.reset.restore(&state.reset);
    }

    /// Bus, device and function as they stand in the address, and the register with the data
    /// port's byte; nothing while the register is disabled.
    fn target(&self, offset: u16) -> Option<(u16, u16)> {
        let function = (self.address >> 8) as u16;
        let register = (self.address & 0xfc) as u16 + (offset - DATA_OFFSET);
        (self.address & ENABLE != 0).then_some((function, register))
    }
}

impl PioDevice for ConfigPorts {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        match (offset, width) {
            (0, Width::Dword) => self.address,
            (0..DATA_OFFSET, _) => self.reset.pio_read(offset, width),
            _ => self
                .target(offset)
                .map_or(u32::MAX, |(function, register)| {
                    self.root.lock().read(function, register, width)
                }),
        }
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        match (offset, width) {
            (0, Width::Dword) => self.address = value & ADDRESS_WRITABLE,
            (0..DATA_OFFSET, _) => self.reset.pio_write(offset, width, value),
            _ => {
                if let Some((function, register)) = self.target(offset) {
                    self.root.lock().write(function, register, width, value);
                }
            }
        }
    }
}
