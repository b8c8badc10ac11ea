//! ACPI tables (ACPI 6.5 5.2): RSDP, XSDT, FADT, FACS, MADT, MCFG, and the DSDT of [`dsdt`].
//!
//! They lie one behind the other where a BIOS would leave them, the RSDP first, so that kernels
//! find it that look for it themselves; the others are told by their boot protocol.

mod dsdt;

use super::layout::{self, ACPI, ACPI_END, SCI_GSI};
use super::platform::{Keyboard, Platform};
use crate::memory::GuestMemory;
use acpi_tables::Aml;
use acpi_tables::facs::FACS;
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::mcfg::MCFG;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;
use devices::legacy::acpi_pm;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

const OEM: [u8; 6] = *b"HOSTEL";
const OEM_TABLE: [u8; 8] = *b"HOSTELVM";
const OEM_REVISION: u32 = 1;

/// FADT: there are legacy devices (5.2.9.3); and an 8042, if it has a keyboard.
const BOOT_ARCH_LEGACY: u16 = 1 << 0;
const BOOT_ARCH_8042: u16 = 1 << 1;
/// FADT: latencies that say that there are no C2 and C3.
const NO_C2: u16 = 101;
const NO_C3: u16 = 1001;
/// Where the CMOS keeps the century.
const CENTURY: u8 = 0x32;
/// The reset register, and what resets by it.
const RESET_PORT: u64 = 0xcf9;
const RESET_VALUE: u8 = 6;

/// MADT: there are PICs as well (5.2.12).
const PCAT_COMPAT: u32 = 1;
/// MADT: polarity active low, level-triggered (table 5.29).
const LEVEL_LOW: u16 = 0xf;
const ISA: u8 = 0;

/// Places tables one behind the other.
struct Writer<'a> {
    memory: &'a GuestMemory,
    next: u64,
}

impl Writer<'_> {
    /// Where the table is now.
    fn put(&mut self, table: &dyn Aml) -> Result<u64, GuestMemoryError> {
        let mut bytes = Vec::new();
        table.to_aml_bytes(&mut bytes);
        let at = self.next.next_multiple_of(64);
        self.next = at + bytes.len() as u64;
        assert!(self.next <= ACPI_END, "the tables take a few KiB");
        self.memory.write_slice(&bytes, GuestAddress(at))?;
        Ok(at)
    }
}

/// Writes the tables; returns the address of the RSDP.
pub(super) fn write(memory: &GuestMemory, platform: &Platform) -> Result<u64, GuestMemoryError> {
    let rsdp_bytes = Rsdp::len() as u64;
    let mut writer = Writer {
        memory,
        next: ACPI + rsdp_bytes,
    };
    let dsdt = writer.put(&dsdt::table(platform))?;
    let facs = writer.put(&FACS::new())?;
    let mut xsdt = XSDT::new(OEM, OEM_TABLE, OEM_REVISION);
    xsdt.add_entry(writer.put(&fadt(platform, dsdt, facs).finalize())?);
    xsdt.add_entry(writer.put(&madt(platform))?);
    if platform.pci_devices > 0 {
        let mut mcfg = MCFG::new(OEM, OEM_TABLE, OEM_REVISION);
        mcfg.add_ecam(layout::PCI_ECAM, 0, 0, 0);
        xsdt.add_entry(writer.put(&mcfg)?);
    }
    let xsdt = writer.put(&xsdt)?;
    writer.next = ACPI;
    writer.put(&Rsdp::new(OEM, xsdt))
}

/// A port block as the FADT's extended fields name it.
fn ports(base: u16, bits: u8) -> GAS {
    let size = match bits {
        8 => AccessSize::ByteAccess,
        16 => AccessSize::WordAccess,
        _ => AccessSize::DwordAccess,
    };
    GAS::new(AddressSpace::SystemIo, bits, 0, size, base.into())
}

fn fadt(platform: &Platform, dsdt: u64, facs: u64) -> FADTBuilder {
    let mut fadt = FADTBuilder::new(OEM, OEM_TABLE, OEM_REVISION)
        .flag(Flags::Wbinvd)
        .flag(Flags::ProcC1)
        .flag(Flags::SlpButton)
        .flag(Flags::FixRtc)
        .flag(Flags::TmrValExt)
        .flag(Flags::ResetRegSup);
    // Both, as firmware does: some kernels know one, some the other.
    (fadt.dsdt, fadt.x_dsdt) = ((dsdt as u32).into(), dsdt.into());
    (fadt.firmware_ctrl, fadt.x_firmware_ctrl) = ((facs as u32).into(), facs.into());
    fadt.sci_int = u16::from(SCI_GSI).into();
    fadt.pm1a_evt_blk = u32::from(acpi_pm::EVENT_PORT).into();
    fadt.pm1a_cnt_blk = u32::from(acpi_pm::CONTROL_PORT).into();
    fadt.pm_tmr_blk = u32::from(acpi_pm::TIMER_PORT).into();
    fadt.pm1_evt_len = acpi_pm::EVENT_BYTES;
    fadt.pm1_cnt_len = acpi_pm::CONTROL_BYTES;
    fadt.pm_tmr_len = acpi_pm::TIMER_BYTES;
    fadt.x_pm1a_evt_blk = ports(acpi_pm::EVENT_PORT, 32);
    fadt.x_pm1a_cnt_blk = ports(acpi_pm::CONTROL_PORT, 16);
    fadt.x_pm_tmr_blk = ports(acpi_pm::TIMER_PORT, 32);
    (fadt.p_lvl2_lat, fadt.p_lvl3_lat) = (NO_C2.into(), NO_C3.into());
    fadt.century = CENTURY;
    let keyboard = match platform.keyboard {
        Keyboard::Present => BOOT_ARCH_8042,
        Keyboard::Absent => 0,
    };
    fadt.iapc_boot_arch = (BOOT_ARCH_LEGACY | keyboard).into();
    fadt.reset_reg = ports(RESET_PORT as u16, 8);
    fadt.reset_value = RESET_VALUE;
    fadt
}

/// Processors, the IOAPIC, and the interrupts below 16 that are not as ISA has them.
fn madt(platform: &Platform) -> Sdt {
    const HEADER_BYTES: u32 = 36;
    let mut madt = Sdt::new(*b"APIC", HEADER_BYTES, 5, OEM, OEM_TABLE, OEM_REVISION);
    madt.append(layout::LAPIC);
    madt.append(PCAT_COMPAT);
    for cpu in 0..platform.cpus {
        madt.append_slice(&[0, 8, cpu, cpu, 1, 0, 0, 0]);
    }
    let ioapic_id = platform.cpus;
    madt.append_slice(&[1, 12, ioapic_id, 0]);
    madt.append(layout::IOAPIC);
    madt.append(0_u32);
    for gsi in platform.pci_gsis().iter().chain([&SCI_GSI]) {
        madt.append_slice(&[2, 10, ISA, *gsi]);
        madt.append(u32::from(*gsi));
        madt.append(LEVEL_LOW);
    }
    // NMI on LINT1 of all processors.
    madt.append_slice(&[4, 6, 0xff, 0, 0, 1]);
    madt
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MIN, create};

    fn platform(cpus: u8) -> Platform {
        Platform {
            cpus,
            serial_ports: vec![(0x3f8, 4), (0x2f8, 3)],
            keyboard: Keyboard::Present,
            pci_ports: vec![devices::ide::channel::RANGES[0]],
            pci_devices: 4,
            virtio_mmio: vec![(0xd000_0000, 5)],
        }
    }

    fn table(memory: &GuestMemory, at: u64) -> Vec<u8> {
        let len: u32 = memory.read_obj(GuestAddress(at + 4)).unwrap();
        let mut bytes = vec![0; len as usize];
        memory.read_slice(&mut bytes, GuestAddress(at)).unwrap();
        bytes
    }

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    /// Tables that the XSDT names, by signature.
    fn tables(memory: &GuestMemory, rsdp: u64) -> Vec<Vec<u8>> {
        let xsdt: u64 = memory.read_obj(GuestAddress(rsdp + 24)).unwrap();
        let xsdt = table(memory, xsdt);
        assert_eq!((&xsdt[..4], sum(&xsdt)), (&b"XSDT"[..], 0));
        let entries = xsdt[36..].chunks(8);
        let address = |entry: &[u8]| u64::from_le_bytes(entry.try_into().unwrap());
        entries.map(|entry| table(memory, address(entry))).collect()
    }

    #[test]
    fn every_table_is_reached_from_the_rsdp_and_sums_to_zero() {
        for cpus in [1, 16] {
            let memory = create(MIN).unwrap();
            let rsdp = write(&memory, &platform(cpus)).unwrap();
            assert_eq!(rsdp, ACPI);
            let mut bytes = [0; 36];
            memory.read_slice(&mut bytes, GuestAddress(rsdp)).unwrap();
            assert_eq!((&bytes[..8], sum(&bytes[..20])), (&b"RSD PTR "[..], 0));
            assert_eq!(sum(&bytes), 0);
            let tables = tables(&memory, rsdp);
            let names: Vec<_> = tables.iter().map(|table| &table[..4]).collect();
            assert_eq!(names, [b"FACP", b"APIC", b"MCFG"]);
            assert!(tables.iter().all(|table| sum(table) == 0));
            let dsdt = u32::from_le_bytes(tables[0][40..44].try_into().unwrap());
            let dsdt = table(&memory, dsdt.into());
            assert_eq!((&dsdt[..4], sum(&dsdt)), (&b"DSDT"[..], 0));
        }
    }

    #[test]
    fn the_madt_lists_each_processor_and_every_level_interrupt() {
        let memory = create(MIN).unwrap();
        let rsdp = write(&memory, &platform(3)).unwrap();
        let madt = &tables(&memory, rsdp)[1];
        let mut at = 44;
        let (mut cpus, mut overrides) = (Vec::new(), Vec::new());
        while at < madt.len() {
            match madt[at] {
                0 => cpus.push(madt[at + 3]),
                2 => overrides.push(madt[at + 3]),
                _ => {}
            }
            at += usize::from(madt[at + 1]);
        }
        assert_eq!((at, cpus), (madt.len(), vec![0, 1, 2]));
        overrides.sort_unstable();
        assert_eq!(overrides, [5, 7, 9, 10, 11]);
    }

    #[test]
    fn ports_that_functions_claim_are_windows_of_the_bridge() {
        let memory = create(MIN).unwrap();
        let rsdp = write(&memory, &platform(1)).unwrap();
        let facp = &tables(&memory, rsdp)[0];
        let dsdt = u32::from_le_bytes(facp[40..44].try_into().unwrap());
        let dsdt = table(&memory, dsdt.into());
        // First and last port, no translation, length (ACPI 6.5 6.4.3.5.3).
        for range in [[0x1f0_u16, 0x1f7, 0, 8], [0x1000, 0xffff, 0, 0xf000]] {
            let range: Vec<u8> = range.into_iter().flat_map(u16::to_le_bytes).collect();
            let found = dsdt.windows(8).filter(|bytes| *bytes == range).count();
            assert_eq!(found, 1, "{range:x?}");
        }
    }

    #[test]
    fn without_pci_there_is_no_mcfg() {
        let memory = create(MIN).unwrap();
        let mmio = Platform {
            pci_devices: 0,
            ..platform(1)
        };
        let rsdp = write(&memory, &mmio).unwrap();
        assert_eq!(tables(&memory, rsdp).len(), 2);
    }
}
