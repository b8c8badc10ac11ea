//! Where things are in guest-physical memory when the guest starts.
//!
//! ```text
//!  0x0000  interrupt vectors, at 0x400 BIOS data area
//!  0x0500  GDT                       0x9fc00   MP table (EBDA), up to 0xa0000
//!  0x6000  PVH and multiboot         0x100000  kernel, where its headers say
//!  0x7000  zero page (Linux)         ...       initrd, at the end of low memory, or modules,
//!                                              behind a multiboot kernel
//!  0x8ff0  stack (Linux)             0xc0000000  hole up to 4 GiB:
//!  0x9000  page tables (Linux)         0xd0000000  virtio-mmio, a page a device
//!  0x20000 command line                0xe0000000  PCI configuration space (ECAM)
//!                                      0xfec00000  IOAPIC, 0xfee00000 LAPIC
//! ```
//! ACPI's tables are at 0xe0000, where a BIOS would have them; PCI's BARs from 0xc0000000.

use crate::memory::HOLE_START;
use devices::bus::BusRange;
use devices::pci::root::Windows;

use std::ops::Range;

/// What below 1 MiB is not for kernels, with names for people.
pub const OURS: &[(Range<u64>, &str)] = &[
    (0..0x600, "a PC's interrupt vectors and BIOS data"),
    (BOOT_INFORMATION..BOOT_INFORMATION_END, "boot information"),
    (
        CMDLINE..CMDLINE + CMDLINE_MAX as u64 + 1,
        "the command line",
    ),
    (EBDA..0xa_0000, "the extended BIOS data area"),
    (0xa_0000..0xc_0000, "video memory"),
    (0xc_0000..HIGH_MEMORY, "firmware"),
];
/// Where a flat image may be: what a BIOS leaves free.
pub const FLAT: Range<u64> = 0x600..EBDA;
/// Where the interrupt vectors of real mode point.
pub const BIOS_STUBS: u64 = 0x5f0;
/// What PVH and multiboot tell the guest; Linux's structures below are in the same range.
pub const BOOT_INFORMATION: u64 = 0x6000;
/// Its end.
pub const BOOT_INFORMATION_END: u64 = 0xc000;
/// Stack for multiboot, for kernels that push before they have their own.
pub const MULTIBOOT_STACK_TOP: u64 = BOOT_INFORMATION - 16;
/// Text screen of a PC, 2 bytes a character.
pub const TEXT_SCREEN: u64 = 0xb_8000;
/// Global descriptor table.
pub const GDT: u64 = 0x500;
/// Null, unused, code at 0x10, data at 0x18, TSS at 0x20. The code entry is 64-bit; in a PVH
/// guest the hidden part of cs says 32-bit until the guest loads a table of its own.
pub const GDT_ENTRIES: [u64; 5] = [
    0,
    0,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x0000_8b00_0000_0067,
];
/// The code entry for multiboot, whose kernels are 32-bit.
pub const GDT_CODE_32: u64 = 0x00cf_9b00_0000_ffff;
/// `boot_params`.
pub const ZERO_PAGE: u64 = 0x7000;
/// Stack for the 64-bit protocol, for kernels that push before they have their own.
pub const BOOT_STACK_TOP: u64 = 0x8ff0;
/// First-level page table; the next two levels follow.
pub const BOOT_PML4: u64 = 0x9000;
/// Second level.
pub const BOOT_PDPT: u64 = 0xa000;
/// Third level: 512 pages of 2 MiB.
pub const BOOT_PD: u64 = 0xb000;
/// End of what the page tables map.
pub const MAPPED_END: u64 = 1 << 30;
/// Command line, NUL-terminated.
pub const CMDLINE: u64 = 0x2_0000;
/// Longest command line without its NUL.
pub const CMDLINE_MAX: usize = 0xffff;
/// Extended BIOS data area: the last KiB of the first 640.
pub const EBDA: u64 = 0x9_fc00;
/// 1 MiB, above the BIOS area.
pub const HIGH_MEMORY: u64 = 0x10_0000;
/// First virtio-mmio device; one page each.
pub const VIRTIO_MMIO: u64 = 0xd000_0000;
/// Distance of virtio-mmio devices.
pub const VIRTIO_MMIO_SIZE: u64 = 0x1000;
/// Interrupts for virtio-mmio devices: first those that a guest with a PIC alone can use.
pub const VIRTIO_GSIS: &[u32] = &[5, 6, 7, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23];
/// ACPI tables, from the RSDP on, in what is a PC's BIOS area.
pub const ACPI: u64 = 0xe_0000;
/// The end of that area.
pub const ACPI_END: u64 = HIGH_MEMORY;
/// PCI configuration space of bus 0 in memory.
pub const PCI_ECAM: u64 = 0xe000_0000;
/// Addresses that the PCI host bridge passes on.
pub const PCI_WINDOWS: Windows = Windows {
    memory: BusRange {
        base: HOLE_START,
        len: VIRTIO_MMIO - HOLE_START,
    },
    io: BusRange {
        base: 0x1000,
        len: 0xf000,
    },
};
/// Interrupts of INTA# of PCI devices 0, 1, 2, 3 and so on in turn: reachable by PIC and IOAPIC.
pub const PCI_GSIS: [u8; 4] = [10, 11, 5, 7];
/// ACPI's system control interrupt.
pub const SCI_GSI: u8 = 9;
/// IOAPIC.
pub const IOAPIC: u32 = 0xfec0_0000;
/// Local APIC.
pub const LAPIC: u32 = 0xfee0_0000;
