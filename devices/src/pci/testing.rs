//! A bus as a PC has it and functions that answer with their number, for tests and fuzzing.

use super::PciFunction;
use super::config::ConfigSpace;
use super::ecam::{self, Ecam};
use super::ports::{self, ConfigPorts};
use super::root::{SharedRoot, Windows};
use crate::bus::{BusRange, DeviceId, MmioBus, MmioDevice, PioBus, PioDevice, Width};
use crate::legacy::reset_port::ResetPort;
use crate::power::PowerSwitch;
use std::sync::{Arc, Mutex};

/// Where configuration space is in memory.
pub const ECAM: u64 = 0xe000_0000;
/// As a PC's bridge has them.
pub const WINDOWS: Windows = Windows {
    memory: BusRange {
        base: 0xc000_0000,
        len: 0x1000_0000,
    },
    io: BusRange {
        base: 0x1000,
        len: 0xf000,
    },
};

/// A function whose BARs answer with its number.
pub struct Numbered(pub ConfigSpace, pub u8);

impl PciFunction for Numbered {
    fn config(&self) -> &ConfigSpace {
        &self.0
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.0
    }
}

impl MmioDevice for Numbered {
    fn mmio_read(&mut self, _offset: u64, _width: Width) -> u64 {
        self.1.into()
    }

    fn mmio_write(&mut self, _offset: u64, _width: Width, _value: u64) {}
}

impl PioDevice for Numbered {
    fn pio_read(&mut self, _offset: u16, _width: Width) -> u32 {
        self.1.into()
    }

    fn pio_write(&mut self, _offset: u16, _width: Width, _value: u32) {}
}

/// Puts both ways to `root` on their buses; returns what its reset port presses.
pub fn connect(mmio: &mut MmioBus, pio: &mut PioBus, root: &SharedRoot) -> PowerSwitch {
    let power = PowerSwitch::new().expect("an event");
    let ports = ConfigPorts::new(root.clone(), ResetPort::new(power.clone()));
    let range = BusRange {
        base: ports::BASE.into(),
        len: ports::PORTS,
    };
    let ports = Arc::new(Mutex::new(ports));
    let inserted = pio.insert(range, DeviceId(1), "pci", ports);
    inserted.expect("an empty bus");
    let range = BusRange {
        base: ECAM,
        len: ecam::BUS_BYTES,
    };
    let ecam = Arc::new(Mutex::new(Ecam::new(root.clone())));
    let inserted = mmio.insert(range, DeviceId(1), "pci", ecam);
    inserted.expect("an empty bus");
    power
}
