//! The PC's own small devices, one file each. All are [`crate::bus::PioDevice`]s of byte width
//! and pure models: where they sit and what they are wired to is the device manager's.
//!
//! - [`serial`]: 16550 UART; [`i8042`]: keyboard controller, of which only reset does anything.
//! - [`cmos`]: real-time clock and the memory sizes that firmware leaves there.
//! - [`reset_port`]: port 0xcf9; [`debug_exit`]: Hostel's own exit and mark ports.

pub mod cmos;
pub mod debug_exit;
pub mod i8042;
pub mod reset_port;
pub mod serial;
