//! From files to a guest that is ready to start: kernel, modules, command line, memory map.
//!
//! ```text
//!  file (source.rs) ---> kernel.rs: which way? ---> Loaded ---+
//!                        elf.rs, bzimage.rs,                    |
//!                        multiboot/, flat.rs                    |
//!  initrd, modules ----> modules.rs ------------> ranges -------+--> hand_over: pvh.rs, linux64.rs,
//!  command line, memory map ------------------------------------+    multiboot/
//!  Platform ------------> acpi, mptable.rs, bda.rs, bios_calls.rs
//! ```
//!
//! [`layout`] says where everything goes. All of it is written before the first vCPU runs.

mod acpi;
mod bda;
mod bios_calls;
mod bzimage;
mod elf;
mod flat;
mod information;
pub mod kernel;
pub mod layout;
mod linux64;
pub mod modules;
mod mptable;
mod multiboot;
pub mod platform;
mod pvh;
mod source;
#[cfg(test)]
mod testing;

use crate::kvm::{CpuMode, CpuStart};
use crate::memory::{GuestMemory, HOLE_START};
use devices::pci::ecam;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

pub use bzimage::SetupHeader;
pub use kernel::{KernelError, Loaded, Protocol, Takes};
pub use modules::{Free, Module, ModuleError};
use platform::Platform;
pub use source::KernelFile;

/// What multiboot kernels are told of who loads them.
const LOADER_NAME: &str = concat!("Hostel ", env!("CARGO_PKG_VERSION"));

/// What the guest is to find in memory, beside its kernel.
pub struct Handover<'a> {
    /// The kernel.
    pub kernel: &'a Loaded,
    /// What was loaded beside it, the initrd first.
    pub modules: &'a [Module],
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
    #[error("the kernel command line has {bytes} bytes; at most {max} fit")]
    CommandLine {
        /// Its length.
        bytes: usize,
        /// What the place for it, or the kernel, can take.
        max: usize,
    },
    /// It would end early.
    #[error("the kernel command line holds a NUL byte")]
    CommandLineNul,
    /// There is more to tell than there is room for.
    #[error(
        "command line, modules and their words make {bytes} bytes of boot information, of which \
         {room} fit: give fewer"
    )]
    Information {
        /// Its length.
        bytes: usize,
        /// What fits.
        room: u64,
    },
    /// A boot structure does not fit.
    #[error("boot structures do not fit into the guest's memory")]
    Memory(#[from] vm_memory::GuestMemoryError),
}

/// How the first vCPU starts.
pub fn cpu_start(kernel: &Loaded) -> CpuStart {
    let info = layout::BOOT_INFORMATION;
    let mode = match &kernel.protocol {
        Protocol::Pvh => CpuMode::Pvh { start_info: info },
        Protocol::Linux64(_) => CpuMode::Linux64 {
            zero_page: layout::ZERO_PAGE,
        },
        Protocol::Multiboot1(_) => CpuMode::Multiboot {
            magic: multiboot::info1::MAGIC,
            info,
        },
        Protocol::Multiboot2(_) => CpuMode::Multiboot {
            magic: multiboot::info2::MAGIC,
            info,
        },
        Protocol::Flat => CpuMode::Real,
    };
    let entry = kernel.entry;
    CpuStart { mode, entry }
}

/// Writes what the protocol asks for.
pub fn hand_over(memory: &GuestMemory, handover: &Handover<'_>) -> Result<(), BootError> {
    bda::write(memory, handover.platform)?;
    bios_calls::write(memory)?;
    mptable::write(memory, handover.platform)?;
    let rsdp = match handover.acpi {
        AcpiTables::Present => Some(acpi::write(memory, handover.platform)?),
        AcpiTables::Absent => None,
    };
    let protocol = &handover.kernel.protocol;
    if *protocol != Protocol::Flat {
        write_cmdline(memory, handover.cmdline)?;
        write_gdt(memory, protocol)?;
    }
    match protocol {
        Protocol::Pvh => pvh::write(memory, handover, rsdp),
        Protocol::Linux64(header) => linux64::write(memory, handover, header.as_deref(), rsdp),
        Protocol::Multiboot1(facts) => multiboot::info1::write(memory, handover, facts),
        Protocol::Multiboot2(facts) => multiboot::info2::write(memory, handover, facts, rsdp),
        Protocol::Flat => Ok(()),
    }
}

fn write_gdt(memory: &GuestMemory, protocol: &Protocol) -> Result<(), BootError> {
    let mut entries = layout::GDT_ENTRIES;
    if matches!(protocol, Protocol::Multiboot1(_) | Protocol::Multiboot2(_)) {
        entries[2] = layout::GDT_CODE_32;
    }
    for (address, entry) in (layout::GDT..).step_by(8).zip(entries) {
        memory.write_obj(entry, GuestAddress(address))?;
    }
    Ok(())
}

/// KiB of memory from 0, and from 1 MiB up to the first hole, as a BIOS tells them.
fn low_memory_kib(memory: &GuestMemory) -> (u32, u32) {
    let low_end = (memory.last_addr().0 + 1).min(HOLE_START);
    let upper = (low_end - layout::HIGH_MEMORY) >> 10;
    ((layout::EBDA >> 10) as u32, upper as u32)
}

fn write_cmdline(memory: &GuestMemory, cmdline: &str) -> Result<(), BootError> {
    if cmdline.len() > layout::CMDLINE_MAX {
        return Err(BootError::CommandLine {
            bytes: cmdline.len(),
            max: layout::CMDLINE_MAX,
        });
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
