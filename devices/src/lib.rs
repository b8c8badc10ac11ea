//! Device models and the buses that they sit on. Nothing here knows KVM. Layouts of the devices that
//! are Hostel's own come from `abi`, as the guest's drivers have them.
//!
//! # Shape
//! - [`alarm`]: a function that interrupts at a known time.
//! - [`bus`]: `PioBus` and `MmioBus` find the device of an address and split widths.
//! - [`irq`]: `IrqLine`, the handle by which a device interrupts, and `LevelLine`, its part of a
//!   shared one; [`power`]: `PowerSwitch`, the handle by which a device ends the VM; [`timer`]:
//!   devices that do something later.
//! - [`disk`]: the file behind a disk.
//! - [`e1000`]: a network card that is emulated, with DMA.
//! - [`hypercall`]: a page of requests that takes one exit.
//! - [`legacy`]: the PC's own small devices, one file each: serial, keyboard, clock, ACPI, VGA.
//! - [`ide`]: a controller with ATA disks, for guests without virtio drivers.
//! - [`ne2000`]: another, by programmed IO.
//! - [`net`]: networks of the host, TAP and stream sockets, for all kinds of cards.
//! - [`pci`]: a bus of functions, whose BARs come and go on the buses, and their messages (MSI-X).
//! - [`work`]: what devices with threads are asked.
//! - [`virtio`]: the `VirtioDevice` trait, its transports `pci` and `mmio`, and a folder a device,
//!   each with the same files: `mod.rs` (what the driver sees), `worker.rs` (its thread), and its
//!   backend.
//!
//! # The way of an access
//! The vCPU's exit names a port or address; the bus looks it up without a lock, locks that one
//! device and calls `pio_read`/`pio_write` (`mmio_read`/`mmio_write`) with an offset into the
//! device's range, in pieces that the device takes whole. A virtio doorbell goes through an
//! `EventFd` to the device's worker thread, which walks the queue and interrupts: by the `IrqLine`,
//! or by the queue's message. A disk's worker stays awake for the next request where that pays
//! (`virtio::vigil`), and may hold the interrupt for it (`virtio::coalesce`).
//!
//! A device never sees an address outside its range or a width that it did not ask for, and
//! never trusts anything else: addresses, lengths and indices come from the guest.

pub mod alarm;
pub mod bus;
pub mod disk;
pub mod e1000;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod hypercall;
pub mod ide;
pub mod irq;
pub mod legacy;
pub mod ne2000;
pub mod net;
pub mod pci;
pub mod power;
pub mod timer;
pub mod virtio;
pub mod work;
