//! The ELF sections of a multiboot kernel: their headers, and in memory what no segment holds
//! (symbols, strings, debugging information), which kernels use to name functions.

use crate::boot::elf::{Class, ElfFile};
use crate::boot::kernel::KernelError;
use crate::boot::source::{KernelFile, Source, place, u32_at};
use crate::memory::GuestMemory;

/// Most bytes of section headers that the boot information has room for.
const MAX_TABLE: usize = 8 << 10;
const PAGE: u64 = 4096;
const TYPE_NULL: u32 = 0;
const TYPE_NOBITS: u32 = 8;

/// Section headers, with the physical addresses of what was loaded for them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sections {
    pub(super) count: u32,
    pub(super) entry_bytes: u32,
    /// Index of the section that holds the names.
    pub(super) names: u32,
    pub(super) table: Vec<u8>,
}

/// Reads the headers, and loads from `end` on what has no address yet; `end` is moved. A table
/// that is damaged or too large is left out: no kernel needs it to start.
pub(super) fn load<F: KernelFile>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    elf: &ElfFile,
    distance: u64,
    end: &mut u64,
) -> Result<Option<Sections>, KernelError> {
    let header = elf.sections;
    let entry_bytes: usize = match elf.class {
        Class::Elf32 => 40,
        Class::Elf64 => 64,
    };
    let len = usize::from(header.count) * entry_bytes;
    if len == 0 || len > MAX_TABLE || usize::from(header.entry_bytes) != entry_bytes {
        return Ok(None);
    }
    let mut table = source.read(header.offset, len)?;
    if table.len() < len {
        return Ok(None);
    }
    for section in table.chunks_exact_mut(entry_bytes) {
        let address = match elf.class.word(section, 12, 16) {
            0 => load_section(memory, source, elf.class, section, end)?,
            address => address.wrapping_add(distance),
        };
        match elf.class {
            Class::Elf32 => section[12..16].copy_from_slice(&(address as u32).to_le_bytes()),
            Class::Elf64 => section[16..24].copy_from_slice(&address.to_le_bytes()),
        }
    }
    Ok(Some(Sections {
        count: header.count.into(),
        entry_bytes: header.entry_bytes.into(),
        names: header.names.into(),
        table,
    }))
}

/// Loads a section that no segment holds; returns its address, or 0 if it cannot be had.
fn load_section<F: KernelFile>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    class: Class,
    section: &[u8],
    end: &mut u64,
) -> Result<u64, KernelError> {
    let (offset, size) = (class.word(section, 16, 24), class.word(section, 20, 32));
    let has_bytes = !matches!(u32_at(section, 4), TYPE_NULL | TYPE_NOBITS);
    let in_file = offset
        .checked_add(size)
        .is_some_and(|end| end <= source.len());
    if !has_bytes || size == 0 || !in_file {
        return Ok(0);
    }
    let start = end.next_multiple_of(PAGE);
    let fits = start.saturating_add(size) <= u32::MAX.into();
    match place(memory, "a section", start, size) {
        Ok(place) if fits => {
            source.load(memory, place.start, offset, size)?;
            *end = place.end;
            Ok(place.start)
        }
        _ => Ok(0),
    }
}
