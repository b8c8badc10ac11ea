//! Linux's 64-bit protocol: zero page and identity-mapped first GiB (Linux boot.rst, 64-bit).

use super::bzimage::SetupHeader;
use super::platform::Keyboard;
use super::{BootError, Handover, layout, memory_map};
use crate::memory::GuestMemory;
use crate::screen;
use linux_loader::configurator::linux::LinuxBootConfigurator;
use linux_loader::configurator::{BootConfigurator, BootParams};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params};
use vm_memory::{Bytes, GuestAddress};

const BOOT_FLAG: u16 = 0xaa55;
/// "HdrS".
const HEADER_MAGIC: u32 = 0x5372_6448;
/// A loader without a number of its own.
const LOADER_UNDEFINED: u8 = 0xff;
const KERNEL_ALIGNMENT: u32 = 0x0100_0000;

const PRESENT_WRITABLE: u64 = 3;
const LARGE: u64 = 1 << 7;

/// The header of a kernel without one of its own.
fn plain_header() -> SetupHeader {
    SetupHeader {
        boot_flag: BOOT_FLAG,
        header: HEADER_MAGIC,
        kernel_alignment: KERNEL_ALIGNMENT,
        cmdline_size: layout::CMDLINE_MAX as u32,
        ..Default::default()
    }
}

/// `header` is that of a bzImage.
pub(super) fn write(
    memory: &GuestMemory,
    handover: &Handover<'_>,
    header: Option<&SetupHeader>,
    rsdp: Option<u64>,
) -> Result<(), BootError> {
    let mut params = boot_params {
        hdr: header.copied().unwrap_or_else(plain_header),
        ..Default::default()
    };
    let (bytes, max) = (handover.cmdline.len(), params.hdr.cmdline_size as usize);
    if bytes > max {
        return Err(BootError::CommandLine { bytes, max });
    }
    params.hdr.type_of_loader = LOADER_UNDEFINED;
    params.hdr.cmd_line_ptr = layout::CMDLINE as u32;
    if let Some(initrd) = handover.modules.first() {
        // It ends below the hole, so both fit.
        params.hdr.ramdisk_image = initrd.range.start as u32;
        params.hdr.ramdisk_size = (initrd.range.end - initrd.range.start) as u32;
    }
    if handover.platform.keyboard == Keyboard::Present {
        describe_screen(&mut params);
    }
    params.acpi_rsdp_addr = rsdp.unwrap_or(0);
    let map = memory_map(memory, handover.platform);
    for (entry, (addr, size, kind)) in params.e820_table.iter_mut().zip(&map) {
        *entry = boot_e820_entry {
            addr: *addr,
            size: *size,
            r#type: *kind as u32,
        };
    }
    params.e820_entries = u8::try_from(map.len()).expect("a handful");
    let params = BootParams::new(&params, GuestAddress(layout::ZERO_PAGE));
    LinuxBootConfigurator::write_bootparams(&params, memory)
        .expect("boot structures lie in the first MiB, which every guest has");
    write_page_tables(memory)
}

/// The text screen, which Linux takes for a console only if it is told of it.
fn describe_screen(params: &mut boot_params) {
    const MODE_3: u8 = 3;
    const FONT_ROWS: u16 = 16;
    let screen = &mut params.screen_info;
    screen.orig_video_isVGA = 1;
    screen.orig_video_mode = MODE_3;
    screen.orig_video_cols = screen::COLUMNS as u8;
    screen.orig_video_lines = screen::ROWS as u8;
    screen.orig_video_points = FONT_ROWS;
}

fn write_page_tables(memory: &GuestMemory) -> Result<(), BootError> {
    let write = |entry: u64, at| memory.write_obj(entry, GuestAddress(at));
    write(layout::BOOT_PDPT | PRESENT_WRITABLE, layout::BOOT_PML4)?;
    write(layout::BOOT_PD | PRESENT_WRITABLE, layout::BOOT_PDPT)?;
    let pages = (0..512_u64).map(|page| (page << 21) | PRESENT_WRITABLE | LARGE);
    let bytes: Vec<u8> = pages.flat_map(u64::to_le_bytes).collect();
    Ok(memory.write_slice(&bytes, GuestAddress(layout::BOOT_PD))?)
}
