//! [`Ecam`]: configuration space in memory (PCI Express 4.0 7.2.2), of bus 0.

use super::root::SharedRoot;
use crate::bus::{MmioDevice, Width};

/// Bytes of one bus: 32 devices of 8 functions of 4 KiB.
pub const BUS_BYTES: u64 = 1 << 20;

/// The memory.
pub struct Ecam(SharedRoot);

impl Ecam {
    /// Configuration space of the functions of `root`.
    pub fn new(root: SharedRoot) -> Self {
        Self(root)
    }
}

/// Bus, device and function, and the register.
fn target(offset: u64) -> (u16, u16) {
    ((offset >> 12) as u16, (offset & 0xfff) as u16)
}

impl MmioDevice for Ecam {
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        let (function, register) = target(offset);
        self.0.lock().read(function, register, width).into()
    }

    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        let (function, register) = target(offset);
        self.0.lock().write(function, register, width, value as u32);
    }
}
