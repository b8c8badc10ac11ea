//! The alarm of `hostel compare`: a function of PCI that interrupts some time after it is told to,
//! and says when it did.
//!
//! BAR 0, in memory; its registers have 32 bits:
//!
//! | offset | what |
//! |---|---|
//! | [`START`] | written: microseconds until the interrupt, at most [`MOST_US`]; with [`MESSAGE`], it is vector 0 of MSI-X, else an edge of interrupt line [`LINE`]. One that waits is given up |
//! | [`DELAY`] | read: nanoseconds from that write to the interrupt, 0 as long as it has not come |
//! | [`MSIX_TABLE`], [`MSIX_PENDING`] | of one vector |

/// Vendor and device: of those that Red Hat leaves to experiments (QEMU docs/specs/pci-ids).
pub const ID: (u16, u16) = (0x1af4, 0x10f0);
/// Bytes of BAR 0.
pub const BAR_BYTES: u32 = 4096;

/// See the table above.
pub const START: u64 = 0;
/// See the table above.
pub const DELAY: u64 = 4;
/// See the table above.
pub const MSIX_TABLE: u32 = 0x400;
/// See the table above.
pub const MSIX_PENDING: u32 = 0x800;

/// In a write to [`START`].
pub const MESSAGE: u32 = 1 << 31;
/// Most microseconds in it; more are so many.
pub const MOST_US: u32 = 1_000_000;
/// That of a PC's diskette drive, which a VM has none of: a pin of the first PIC and of the IOAPIC.
pub const LINE: u8 = 6;
