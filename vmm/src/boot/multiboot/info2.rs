//! What a multiboot 2 kernel is told: a list of tags (specification 3.6).

use super::Facts;
use crate::boot::information::Information;
use crate::boot::{BootError, Handover, LOADER_NAME, layout, low_memory_kib, memory_map};
use crate::memory::GuestMemory;
use crate::screen;
use vm_memory::{Bytes, GuestAddress};

/// What eax holds.
pub(in crate::boot) const MAGIC: u32 = 0x36d7_6289;

const TAG_END: u32 = 0;
const TAG_CMDLINE: u32 = 1;
const TAG_LOADER_NAME: u32 = 2;
const TAG_MODULE: u32 = 3;
const TAG_MEMORY: u32 = 4;
const TAG_MAP: u32 = 6;
const TAG_FRAMEBUFFER: u32 = 8;
const TAG_SECTIONS: u32 = 9;
const TAG_OLD_RSDP: u32 = 14;
const TAG_NEW_RSDP: u32 = 15;
const TAG_LOAD_BASE: u32 = 21;
/// framebuffer_type of a text screen, with its 16 bits a character before it.
const TEXT: [u8; 4] = [16, 2, 0, 0];
const MAP_ENTRY: u32 = 24;
/// Root pointers (ACPI 6.5 5.2.5.3) of ACPI 1 and of later ones.
const OLD_RSDP_BYTES: usize = 20;
const RSDP_BYTES: usize = 36;

pub(in crate::boot) fn write(
    memory: &GuestMemory,
    handover: &Handover<'_>,
    facts: &Facts,
    rsdp: Option<u64>,
) -> Result<(), BootError> {
    let mut info = Information::new(8);
    let mut end = 0;
    let mut tag = |kind: u32, contents: &[&[u8]]| {
        let contents = contents.concat();
        let len = contents.len() as u32 + 8;
        let head = [kind, len].map(u32::to_le_bytes).concat();
        end = info.push(&[head, contents].concat()) + len;
    };
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    tag(TAG_CMDLINE, &[handover.cmdline.as_bytes(), &[0]]);
    tag(TAG_LOADER_NAME, &[LOADER_NAME.as_bytes(), &[0]]);
    for module in handover.modules {
        // They lie in low memory.
        let range = [module.range.start as u32, module.range.end as u32];
        tag(TAG_MODULE, &[&words(&range), module.words.as_bytes(), &[0]]);
    }
    let (lower, upper) = low_memory_kib(memory);
    tag(TAG_MEMORY, &[&words(&[lower, upper])]);
    tag(TAG_MAP, &[&words(&[MAP_ENTRY, 0]), &map(memory, handover)]);
    let (columns, rows) = (screen::COLUMNS as u32, screen::ROWS as u32);
    let text = [layout::TEXT_SCREEN as u32, 0, columns * 2, columns, rows];
    tag(TAG_FRAMEBUFFER, &[&words(&text), &TEXT]);
    if let Some(sections) = &facts.sections {
        let head = [sections.count, sections.entry_bytes, sections.names];
        tag(TAG_SECTIONS, &[&words(&head), &sections.table]);
    }
    if let Some(rsdp) = rsdp {
        let mut bytes = [0; RSDP_BYTES];
        memory.read_slice(&mut bytes, GuestAddress(rsdp))?;
        tag(TAG_OLD_RSDP, &[&bytes[..OLD_RSDP_BYTES]]);
        tag(TAG_NEW_RSDP, &[&bytes]);
    }
    if let Some(base) = facts.load_base {
        tag(TAG_LOAD_BASE, &[&words(&[base])]);
    }
    tag(TAG_END, &[]);
    let total = end.saturating_sub(layout::BOOT_INFORMATION as u32);
    info.fill(0, &total.to_le_bytes());
    info.write(memory)
}

fn map(memory: &GuestMemory, handover: &Handover<'_>) -> Vec<u8> {
    let entries =
        memory_map(memory, handover.platform)
            .into_iter()
            .flat_map(|(start, len, kind)| {
                let kind = u64::from(kind as u32);
                [start, len, kind].map(u64::to_le_bytes).concat()
            });
    entries.collect()
}
