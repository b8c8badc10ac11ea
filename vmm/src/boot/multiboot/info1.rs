//! What a multiboot 1 kernel is told (specification 3.3).

use super::Facts;
use crate::boot::information::Information;
use crate::boot::{BootError, Handover, LOADER_NAME, layout, low_memory_kib, memory_map};
use crate::memory::GuestMemory;
use crate::screen;

/// What eax holds.
pub(in crate::boot) const MAGIC: u32 = 0x2bad_b002;

const BYTES: usize = 116;
const HAS_MEMORY: u32 = 1;
const HAS_CMDLINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_SECTIONS: u32 = 1 << 5;
const HAS_MAP: u32 = 1 << 6;
const HAS_LOADER_NAME: u32 = 1 << 9;
const HAS_FRAMEBUFFER: u32 = 1 << 12;
/// framebuffer_type of a text screen.
const TEXT: u8 = 2;
/// Bytes of an entry of the memory map behind its size field.
const MAP_ENTRY: u32 = 20;

pub(in crate::boot) fn write(
    memory: &GuestMemory,
    handover: &Handover<'_>,
    facts: &Facts,
) -> Result<(), BootError> {
    let mut info = Information::new(BYTES);
    let (lower, upper) = low_memory_kib(memory);
    let words = |info: &mut Information, at, words: &[u32]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        info.fill(at, &bytes);
    };
    let mut flags = HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MAP;
    flags |= HAS_LOADER_NAME | HAS_FRAMEBUFFER;
    words(&mut info, 4, &[lower, upper]);
    words(&mut info, 16, &[layout::CMDLINE as u32]);
    let modules = modules(&mut info, handover);
    words(&mut info, 20, &modules);
    if let Some(sections) = &facts.sections {
        flags |= HAS_SECTIONS;
        let table = info.push(&sections.table);
        let fields = [sections.count, sections.entry_bytes, table, sections.names];
        words(&mut info, 28, &fields);
    }
    let map = map(memory, handover);
    let address = info.push(&map);
    words(&mut info, 44, &[map.len() as u32, address]);
    let name = info.push_text(LOADER_NAME);
    words(&mut info, 64, &[name]);
    let (columns, rows) = (screen::COLUMNS as u32, screen::ROWS as u32);
    let text = [layout::TEXT_SCREEN as u32, 0, columns * 2, columns, rows];
    words(&mut info, 88, &text);
    info.fill(108, &[16, TEXT]);
    words(&mut info, 0, &[flags]);
    info.write(memory)
}

/// Number and address of the module list.
fn modules(info: &mut Information, handover: &Handover<'_>) -> [u32; 2] {
    let entries: Vec<u8> = handover
        .modules
        .iter()
        .flat_map(|module| {
            let words = info.push_text(&module.words);
            // They lie in low memory.
            let (start, end) = (module.range.start as u32, module.range.end as u32);
            [start, end, words, 0].map(u32::to_le_bytes).concat()
        })
        .collect();
    let count = handover.modules.len() as u32;
    let address = if count == 0 { 0 } else { info.push(&entries) };
    [count, address]
}

fn map(memory: &GuestMemory, handover: &Handover<'_>) -> Vec<u8> {
    let entries =
        memory_map(memory, handover.platform)
            .into_iter()
            .flat_map(|(start, len, kind)| {
                [
                    &MAP_ENTRY.to_le_bytes()[..],
                    &start.to_le_bytes(),
                    &len.to_le_bytes(),
                    &(kind as u32).to_le_bytes(),
                ]
                .concat()
            });
    entries.collect()
}
