//! PVH: `hvm_start_info` with memory map, initrd as module, command line (Xen pvh.rst).

use super::{BootError, Handover, layout, memory_map};
use crate::memory::GuestMemory;
use linux_loader::configurator::pvh::PvhBootConfigurator;
use linux_loader::configurator::{BootConfigurator, BootParams};
use linux_loader::loader::elf::start_info::{
    hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info,
};
use vm_memory::GuestAddress;

const START_MAGIC: u32 = 0x336e_c578;
/// Version 1 has a memory map.
const START_VERSION: u32 = 1;
const MODULES: u64 = layout::PVH_START_INFO + 0x100;
const MEMORY_MAP: u64 = layout::PVH_START_INFO + 0x200;

pub(super) fn write(
    memory: &GuestMemory,
    handover: &Handover<'_>,
    rsdp: Option<u64>,
) -> Result<(), BootError> {
    let map: Vec<_> = memory_map(memory, handover.platform)
        .into_iter()
        .map(|(addr, size, kind)| hvm_memmap_table_entry {
            addr,
            size,
            type_: kind as u32,
            reserved: 0,
        })
        .collect();
    let mut info = hvm_start_info {
        magic: START_MAGIC,
        version: START_VERSION,
        cmdline_paddr: layout::CMDLINE,
        rsdp_paddr: rsdp.unwrap_or(0),
        memmap_paddr: MEMORY_MAP,
        memmap_entries: u32::try_from(map.len()).expect("a handful"),
        ..Default::default()
    };
    let modules = handover.initrd.as_ref().map(|initrd| hvm_modlist_entry {
        paddr: initrd.start,
        size: initrd.end - initrd.start,
        ..Default::default()
    });
    if modules.is_some() {
        (info.nr_modules, info.modlist_paddr) = (1, MODULES);
    }
    let start_info = GuestAddress(layout::PVH_START_INFO);
    let mut params = BootParams::new(&info, start_info);
    params.set_sections(&map, GuestAddress(MEMORY_MAP));
    if let Some(module) = modules {
        params.set_modules(&[module], GuestAddress(MODULES));
    }
    PvhBootConfigurator::write_bootparams(&params, memory)
        .expect("boot structures lie in the first MiB, which every guest has");
    Ok(())
}
