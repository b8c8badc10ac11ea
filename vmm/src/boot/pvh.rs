//! PVH: `hvm_start_info` with memory map, modules, command line (Xen pvh.rst).

use super::information::Information;
use super::{BootError, Handover, layout, memory_map};
use crate::memory::GuestMemory;
use linux_loader::loader::elf::start_info::{
    hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info,
};
use vm_memory::ByteValued;

const START_MAGIC: u32 = 0x336e_c578;
/// Version 1 has a memory map.
const START_VERSION: u32 = 1;

pub(super) fn write(
    memory: &GuestMemory,
    handover: &Handover<'_>,
    rsdp: Option<u64>,
) -> Result<(), BootError> {
    let mut info = Information::new(size_of::<hvm_start_info>());
    let map = memory_map(memory, handover.platform);
    let entries: Vec<u8> = map
        .iter()
        .flat_map(|(addr, size, kind)| {
            let entry = hvm_memmap_table_entry {
                addr: *addr,
                size: *size,
                type_: *kind as u32,
                reserved: 0,
            };
            entry.as_slice().to_vec()
        })
        .collect();
    let mut start_info = hvm_start_info {
        magic: START_MAGIC,
        version: START_VERSION,
        cmdline_paddr: layout::CMDLINE,
        rsdp_paddr: rsdp.unwrap_or(0),
        memmap_paddr: info.push(&entries).into(),
        memmap_entries: u32::try_from(map.len()).expect("a handful"),
        ..Default::default()
    };
    let modules: Vec<u8> = handover
        .modules
        .iter()
        .flat_map(|module| {
            let entry = hvm_modlist_entry {
                paddr: module.range.start,
                size: module.range.end - module.range.start,
                cmdline_paddr: info.push_text(&module.words).into(),
                reserved: 0,
            };
            entry.as_slice().to_vec()
        })
        .collect();
    if !modules.is_empty() {
        start_info.nr_modules = u32::try_from(handover.modules.len()).unwrap_or(u32::MAX);
        start_info.modlist_paddr = info.push(&modules).into();
    }
    info.fill(0, start_info.as_slice());
    info.write(memory)
}
