//! PCI (PCI 3.0, PCI Express 4.0): the functions of bus 0, their capabilities and their messages.
//!
//! ```text
//!  Bus --> Function: configuration space --> capability: where registers and tables are
//!                                        --> Msix: a vector for a message
//! ```
//! The kernel parameter `pci.ecam` says where configuration space is in memory; without it there
//! is no PCI. Addresses are where the VMM or its firmware has put them. Only function 0 of a
//! device is looked at.

mod capability;
mod config;
mod msix;

pub(super) use capability::{Capability, capabilities};
#[cfg(test)]
pub(super) use config::testing;
pub(super) use config::{Config, Remembering, bar, io_bar};
pub(super) use msix::{ID as MSIX, Msix};

use crate::mm::{MmioRegion, PAGE_BYTES, PhysAddr};
use crate::sync::Once;

/// Devices of a bus.
pub(super) const MAX_DEVICES: usize = 32;
/// Distance of two devices: 8 functions of 4 KiB (PCI Express 4.0 7.2.2).
const DEVICE_BYTES: u64 = 8 * PAGE_BYTES;

/// Vendor and device of nothing.
const NOBODY: u32 = u32::MAX;
/// Command and, above it, status register (PCI 3.0 6.2.2).
const COMMAND: u64 = 0x04;
const COMMAND_IO: u16 = 1 << 0;
const COMMAND_MEMORY: u16 = 1 << 1;
const COMMAND_MASTER: u16 = 1 << 2;
const COMMAND_INTX_DISABLE: u16 = 1 << 10;

/// Interrupt line, which firmware has filled in, and pin (PCI 3.0 6.2.4).
const INTERRUPT: u64 = 0x3c;
/// No line is connected to the pin.
const NO_LINE: u8 = 0xff;

/// Revision, programming interface, subclass, class, from the low byte up.
const CLASS: u64 = 0x08;

static BUS: Once<Option<Bus>> = Once::new();

/// Remembers where configuration space is.
pub(super) fn init(ecam: Option<u64>) {
    BUS.set(ecam.and_then(Bus::at));
}

/// Bus 0, if there is PCI.
pub(super) fn bus() -> Option<Bus> {
    BUS.get().copied().flatten()
}

/// The first function of that vendor and, in the upper half, device.
pub(super) fn find(id: u32) -> Option<Function> {
    let bus = bus()?;
    let mut functions = (0..MAX_DEVICES).filter_map(|device| bus.function(device));
    let found = functions.find(|(_, other)| *other == id);
    found.map(|(function, _)| function)
}

/// Bus 0.
#[derive(Clone, Copy)]
pub(super) struct Bus {
    ecam: PhysAddr,
}

impl Bus {
    /// The bus whose configuration space is at `ecam`, which is that of 32 devices.
    pub(super) fn at(ecam: u64) -> Option<Self> {
        let fits = ecam.is_multiple_of(PAGE_BYTES) && config::is_physical(ecam, 1 << 20);
        fits.then_some(Self {
            ecam: PhysAddr(ecam),
        })
    }

    /// Function 0 of a device, if there is one, with its vendor and, in the upper half, device.
    pub(super) fn function(self, device: usize) -> Option<(Function, u32)> {
        let offset = device as u64 * DEVICE_BYTES;
        let config = MmioRegion::map(self.ecam.offset(offset), config::BYTES.into())?;
        let id = config.read32(0);
        (id != NOBODY).then_some((Function { config }, id))
    }
}

/// A function's configuration space.
pub(super) struct Function {
    config: MmioRegion,
}

impl Function {
    /// Lets the function answer at its addresses, read and write memory, and send messages.
    pub(super) fn enable(&self) {
        self.allow(COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_DISABLE);
    }

    /// Lets the function answer at its ports, and read and write memory.
    pub(super) fn enable_ports(&self) {
        self.allow(COMMAND_IO | COMMAND_MASTER);
    }

    /// Lets the function answer at its addresses, read and write memory, and use its interrupt
    /// line.
    pub(super) fn enable_with_line(&self) {
        let command = self.config.read16(COMMAND) & !COMMAND_INTX_DISABLE;
        let wanted = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER;
        self.config.write16(COMMAND, command | wanted);
    }

    /// The interrupt line that the function is connected to, if it is to one.
    pub(super) fn line(&self) -> Option<u32> {
        let [line, pin, ..] = self.config.read32(INTERRUPT).to_le_bytes();
        (pin != 0 && line != NO_LINE).then_some(line.into())
    }

    fn allow(&self, bits: u16) {
        let command = self.config.read16(COMMAND);
        self.config.write16(COMMAND, command | bits);
    }

    /// Class, subclass and programming interface, from the high byte down.
    pub(super) fn class(&self) -> u32 {
        self.config.read32(CLASS) >> 8
    }

    /// Writes 16 bits.
    fn write16(&self, offset: u8, value: u16) {
        self.config.write16(offset.into(), value);
    }
}

impl Config for Function {
    fn read32(&self, offset: u8) -> u32 {
        self.config.read32(offset.into())
    }
}
