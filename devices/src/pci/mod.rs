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

    /// A read of configuration space; naturally aligned.
    fn read_config(&mut self, offset: u16, width: Width) -> u32 {
        self.config().read(offset, width)
    }

    /// A write to configuration space; naturally aligned.
    fn write_config(&mut self, offset: u16, width: Width, value: u32) {
        self.config_mut().write(offset, width, value);
    }
}
