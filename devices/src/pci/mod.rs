//! PCI (PCI Local Bus 3.0, PCI Express 4.0): one bus of functions, behind a host bridge.
//!
//! ```text
//!  ports 0xcf8..0xcff --ConfigPorts--+                       +--> ConfigSpace: ids, BARs, capabilities
//!  ECAM, 1 MiB --------Ecam----------+--> Root --PciFunction-+
//!                                         |                  +--> what else a write means
//!                                         +--> PioBus, MmioBus: BARs that decode
//! ```
//!
//! [`root`] finds the function of an access and, after a write, puts its BARs on the buses or takes
//! them away; [`config`] is the configuration space that all functions have; [`msix`] the table of
//! message-signalled interrupts; [`ports`] and [`ecam`] are the two ways in.

pub mod config;
pub mod ecam;
pub mod msix;
pub mod ports;
pub mod root;
#[cfg(any(test, feature = "fuzzing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use crate::bus::Width;
use config::ConfigSpace;

/// What sits on the bus: always function 0 of its device.
pub trait PciFunction: Send {
    /// Its configuration space.
    fn config(&self) -> &ConfigSpace;
    /// The same, to write to.
    fn config_mut(&mut self) -> &mut ConfigSpace;

    /// Whether it asks for its interrupt line, be that disabled or not: a bit of its status.
    fn asks_for_line(&self) -> bool {
        false
    }

    /// Brings what depends on configuration space in line with it, after a write there.
    fn settle(&mut self) {}

    /// What a register reads as that is more than memory.
    fn read_own(&mut self, _offset: u16, _width: Width) -> Option<u32> {
        None
    }

    /// A write to a register that is more than memory; false if it is none.
    fn write_own(&mut self, _offset: u16, _width: Width, _value: u32) -> bool {
        false
    }

    /// A read of configuration space; naturally aligned.
    fn read_config(&mut self, offset: u16, width: Width) -> u32 {
        if let Some(value) = self.read_own(offset, width) {
            return value;
        }
        let line = match self.asks_for_line() {
            true => config::line_status(offset, width),
            false => 0,
        };
        self.config().read(offset, width) | line
    }

    /// A write to configuration space; naturally aligned.
    fn write_config(&mut self, offset: u16, width: Width, value: u32) {
        if !self.write_own(offset, width, value) {
            self.config_mut().write(offset, width, value);
            self.settle();
        }
    }
}
