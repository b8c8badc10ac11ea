//! The PC's own small devices, one file or folder each. All are [`crate::bus::PioDevice`]s and pure
//! models: where they sit and what they are wired to is the device manager's.
//!
//! - [`serial`]: 16550 UART; [`i8042`]: keyboard controller and keyboard.
//! - [`cmos`]: real-time clock, and what firmware leaves in its memory.
//! - [`acpi_pm`]: power button, power-off and timer of ACPI; [`reset_port`]: port 0xcf9.
//! - [`vga`]: the registers of a VGA in text mode, whose memory is plain.
//! - [`debug_exit`]: ports by which guests end; [`test_device`] and [`fw_cfg`]: what kernels expect
//!   that were written to be tested on QEMU.

pub mod acpi_pm;
pub mod cmos;
pub mod debug_exit;
pub mod fw_cfg;
pub mod i8042;
pub mod reset_port;
pub mod serial;
pub mod test_device;
pub mod vga;

#[cfg(test)]
mod tests;
