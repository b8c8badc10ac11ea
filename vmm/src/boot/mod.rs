//! From files to a guest that is ready to start: kernel, initrd, command line, memory map.
//!
//! ```text
//!  Kernel (elf.rs) --load--> entry, protocol --+
//!  initrd (initrd.rs) -------> range ----------+--> pvh.rs or linux64.rs
//!  command line, e820 -------------------------+
//!  Platform (platform.rs) -------> acpi, mptable.rs
//! ```
//!
//! [`layout`] says where everything goes. All of it is written before the first vCPU runs.

mod acpi;
mod bda;
pub mod elf;
pub mod initrd;
pub mod layout;
mod linux64;
mod mptable;
pub mod platform;
mod pvh;

use crate::kvm::CpuMode;
use crate::memory::GuestMemory;
use devices::pci::ecam;
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

pub use elf::{Entry, KernelError, Protocol};
pub use initrd::InitrdError;
use platform::Platform;

/// What the guest is to find in memory, beside its kernel.
pub struct Handover<'a> {
    /// Entry point and protocol of the kernel.
    pub entry: Entry,
    /// Where the initrd is.
    pub initrd: Option<Range<u64>>,
    /// Kernel command line.
    pub cmdline: &'a str,
    /// What ACPI and the MP table describe.
    pub platform: &'a Platform,
    /// Whether there are ACPI tables.
    pub acpi: AcpiTables,
}

/// Whether the guest finds ACPI tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcpiTables {
    /// It does.
    Present,
    /// It finds the MP table alone.
    Absent,
}

/// Why the guest could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The command line is too long.
    #[error("the kernel command line has {0} bytes; at most {max} fit", max = layout::CMDLINE_MAX)]
    CommandLine(usize),
    /// It would end early.
    #[error("the kernel command line holds a NUL byte")]
    CommandLineNul,
    /// A boot structure does not fit.
    #[error("boot structures do not fit into the guest's memory")]
    Memory(#[from] vm_memory::GuestMemoryError),
}

/// How the first vCPU starts.
pub fn cpu_mode(protocol: Protocol) -> CpuMode {
    match protocol {
        Protocol::Pvh => CpuMode::Pvh {
            start_info: layout::PVH_START_INFO,
        },
        Protocol::Linux64 => CpuMode::Linux64 {
            zero_page: layout::ZERO_PAGE,
        },
    }
}

/// Writes what the protocol asks for.
pub fn hand_over(memory: &GuestMemory, handover: &Handover<'_>) -> Result<(), BootError> {
    write_cmdline(memory, handover.cmdline)?;
    bda::write(memory, handover.platform)?;
    mptable::write(memory, handover.platform)?;
    let rsdp = match handover.acpi {
        AcpiTables::Present => Some(acpi::write(memory, handover.platform)?),
        AcpiTables::Absent => None,
    };
    for (address, entry) in (layout::GDT..).step_by(8).zip(layout::GDT_ENTRIES) {
        memory.write_obj(entry, GuestAddress(address))?;
    }
    match handover.entry.protocol {
        Protocol::Pvh => pvh::write(memory, handover, rsdp),
        Protocol::Linux64 => linux64::write(memory, handover, rsdp),
    }
}

fn write_cmdline(memory: &GuestMemory, cmdline: &str) -> Result<(), BootError> {
    if cmdline.len() > layout::CMDLINE_MAX {
        return Err(BootError::CommandLine(cmdline.len()));
    }
    if cmdline.contains('\0') {
        return Err(BootError::CommandLineNul);
    }
    memory.write_slice(cmdline.as_bytes(), GuestAddress(layout::CMDLINE))?;
    memory.write_obj(0_u8, GuestAddress(layout::CMDLINE + cmdline.len() as u64))?;
    Ok(())
}

/// Type of a range in an e820 map (ACPI 6.5 15, table 15.4); PVH uses the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum RangeType {
    Ram = 1,
    Reserved = 2,
}

/// The memory map: all memory, with the BIOS area of a PC and PCI's configuration space reserved.
fn memory_map(memory: &GuestMemory, platform: &Platform) -> Vec<(u64, u64, RangeType)> {
    let mut map = vec![
        (0, layout::EBDA, RangeType::Ram),
        (
            layout::EBDA,
            layout::HIGH_MEMORY - layout::EBDA,
            RangeType::Reserved,
        ),
    ];
    for region in memory.iter() {
        let start = region.start_addr().0.max(layout::HIGH_MEMORY);
        let end = region.start_addr().0 + region.len();
        map.push((start, end - start, RangeType::Ram));
    }
    if platform.pci_devices > 0 {
        map.push((layout::PCI_ECAM, ecam::BUS_BYTES, RangeType::Reserved));
        map.sort_unstable_by_key(|(start, ..)| *start);
    }
    map
}
