//! The MP table: which processors and interrupt pins there are (MultiProcessor Specification 1.4).
//!
//! For kernels that find their processors this way; the built-in guest asks CPUID.

use super::layout;
use super::platform::Platform;
use crate::memory::GuestMemory;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

const SPEC_REVISION: u8 = 4;
/// LAPIC version 0x14: an integrated APIC.
const APIC_VERSION: u8 = 0x14;
const IOAPIC_PINS: u8 = 24;
const PCI_BUS: u8 = 0;
const ISA_BUS: u8 = 1;

/// Processor entry flags: usable, bootstrap.
const CPU_ENABLED: u8 = 1;
const CPU_BOOT: u8 = 2;
/// Processor features: on-chip FPU and APIC.
const CPU_FEATURES: u32 = 0x201;

/// Interrupt flags: active low, level-triggered; 0 is as usual for the bus, edge and high for ISA.
const LEVEL_LOW: u8 = 0xf;

/// Interrupt types of an entry.
const INT_VECTORED: u8 = 0;
const INT_NMI: u8 = 1;
const INT_EXTINT: u8 = 3;

/// Writes the floating pointer (4.1) at the start of the EBDA and the table (4.2) behind it.
pub(super) fn write(memory: &GuestMemory, platform: &Platform) -> Result<(), GuestMemoryError> {
    let table = table(platform);
    let mut pointer = *b"_MP_\0\0\0\0\x01\x04\0\0\0\0\0\0";
    let at = layout::EBDA as u32 + pointer.len() as u32;
    pointer[4..8].copy_from_slice(&at.to_le_bytes());
    pointer[10] = checksum(&pointer);
    memory.write_slice(&pointer, GuestAddress(layout::EBDA))?;
    memory.write_slice(&table, GuestAddress(at.into()))
}

fn table(platform: &Platform) -> Vec<u8> {
    let cpus = platform.cpus;
    let ioapic_id = cpus;
    let mut entries = Vec::new();
    for cpu in 0..cpus {
        let flags = if cpu == 0 {
            CPU_ENABLED | CPU_BOOT
        } else {
            CPU_ENABLED
        };
        entries.push(
            [
                &[0, cpu, APIC_VERSION, flags, 0, 0, 0, 0][..],
                &CPU_FEATURES.to_le_bytes(),
                &[0; 8],
            ]
            .concat(),
        );
    }
    if platform.pci_devices > 0 {
        entries.push([&[1, PCI_BUS][..], b"PCI   "].concat());
    }
    entries.push([&[1, ISA_BUS][..], b"ISA   "].concat());
    entries.push([&[2, ioapic_id, 0x11, 1][..], &layout::IOAPIC.to_le_bytes()].concat());
    for device in 1..platform.pci_devices {
        // The device's number above two bits of the pin, INTA#.
        let (source, pin) = (device << 2, Platform::pci_gsi(device));
        entries.push(vec![
            3,
            INT_VECTORED,
            LEVEL_LOW,
            0,
            PCI_BUS,
            source,
            ioapic_id,
            pin,
        ]);
    }
    let of_isa = |pin: &u8| !platform.pci_gsis().contains(pin);
    for pin in (0..IOAPIC_PINS).filter(of_isa) {
        entries.push(vec![3, INT_VECTORED, 0, 0, ISA_BUS, pin, ioapic_id, pin]);
    }
    entries.push(vec![4, INT_EXTINT, 0, 0, ISA_BUS, 0, 0, 0]);
    entries.push(vec![4, INT_NMI, 0, 0, ISA_BUS, 0, 0xff, 1]);

    let body = entries.concat();
    let len = u16::try_from(44 + body.len()).expect("16 processors take 320 bytes");
    let count = u16::try_from(entries.len()).expect("a few dozen");
    let mut table = [
        b"PCMP",
        &len.to_le_bytes()[..],
        &[SPEC_REVISION, 0],
        b"HOSTEL  ",
        b"VM          ",
        &[0; 6],
        &count.to_le_bytes(),
        &layout::LAPIC.to_le_bytes(),
        &[0; 4],
        &body,
    ]
    .concat();
    table[7] = checksum(&table);
    table
}

/// The byte that makes the sum of all of them zero.
fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_sums_to_zero_fits_the_ebda_and_lists_each_processor() {
        for cpus in 1..=16 {
            let table = table(&Platform {
                cpus,
                pci_devices: 32,
                ..Platform::default()
            });
            assert_eq!(
                table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)),
                0
            );
            assert_eq!(
                usize::from(u16::from_le_bytes([table[4], table[5]])),
                table.len()
            );
            assert!(table.len() + 16 <= 0x400, "{} bytes", table.len());
            let ids: Vec<u8> = (0..cpus)
                .map(|i| table[44 + usize::from(i) * 20 + 1])
                .collect();
            assert_eq!(ids, (0..cpus).collect::<Vec<_>>());
        }
    }
}
