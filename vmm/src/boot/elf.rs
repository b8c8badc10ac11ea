//! ELF executables for x86, 32-bit and 64-bit.
//!
//! [`ElfFile::parse`] reads the headers and holds them against the file; the loading functions
//! hold each segment against the guest's memory. A kernel with the note
//! `XEN_ELFNOTE_PHYS32_ENTRY` (Xen pvh.rst) starts there by PVH; `multiboot` loads segments at
//! another distance from where they are linked, if the kernel allows that.

use super::kernel::{KernelError, Loaded, Protocol};
use super::source::{KernelFile, Source, place, u16_at, u32_at, u64_at};
use crate::memory::GuestMemory;
use std::ops::Range;

const CLASS_32: u8 = 1;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const MACHINE_386: u16 = 3;
const MACHINE_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// More program headers than any kernel has.
const MAX_PHDRS: u64 = 64;
/// More bytes of notes than any kernel has.
const MAX_NOTES: u64 = 64 << 10;
const PVH_NOTE: u32 = 18;

/// 32-bit or 64-bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Elf32,
    Elf64,
}

impl Class {
    fn pick<T>(self, for_32: T, for_64: T) -> T {
        match self {
            Self::Elf32 => for_32,
            Self::Elf64 => for_64,
        }
    }

    /// An address, offset or size, which has 4 or 8 bytes.
    pub(super) fn word(self, bytes: &[u8], at_32: usize, at_64: usize) -> u64 {
        match self {
            Self::Elf32 => u32_at(bytes, at_32).into(),
            Self::Elf64 => u64_at(bytes, at_64),
        }
    }
}

/// A PT_LOAD program header.
#[derive(Clone, Debug)]
struct Segment {
    index: u64,
    offset: u64,
    virt: Range<u64>,
    phys: u64,
    file_size: u64,
    memory_size: u64,
}

/// The section header table: where it is and what it is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct SectionTable {
    pub(super) offset: u64,
    pub(super) entry_bytes: u16,
    pub(super) count: u16,
    /// Index of the section that holds the names.
    pub(super) names: u16,
}

/// The headers of an ELF file.
pub(super) struct ElfFile {
    pub(super) class: Class,
    pub(super) sections: SectionTable,
    entry: u64,
    segments: Vec<Segment>,
    /// Offset, size, alignment.
    notes: Vec<(u64, u64, u64)>,
}

impl ElfFile {
    /// The headers, if it is an ELF file.
    pub(super) fn parse<F: KernelFile>(
        source: &mut Source<'_, F>,
    ) -> Result<Option<Self>, KernelError> {
        let head = source.read(0, 64)?;
        if !head.starts_with(b"\x7fELF") {
            return Ok(None);
        }
        if head.len() < 52 {
            return Err(KernelError::Elf("it ends in the middle"));
        }
        let class = match (head[4], head[5], u16_at(&head, 18)) {
            (CLASS_32, LITTLE_ENDIAN, MACHINE_386) => Class::Elf32,
            (CLASS_64, LITTLE_ENDIAN, MACHINE_X86_64) => Class::Elf64,
            _ => return Err(KernelError::WrongMachine),
        };
        if head.len() < class.pick(52, 64) {
            return Err(KernelError::Elf("it ends in the middle"));
        }
        let counts = class.pick(42, 54);
        let field = |index: usize| u16_at(&head, counts + 2 * index);
        let mut this = Self {
            class,
            sections: SectionTable {
                offset: class.word(&head, 32, 40),
                entry_bytes: field(2),
                count: field(3),
                names: field(4),
            },
            entry: class.word(&head, 24, 24),
            segments: Vec::new(),
            notes: Vec::new(),
        };
        let table = class.word(&head, 28, 32);
        this.read_phdrs(source, table, field(0).into(), field(1).into())?;
        Ok(Some(this))
    }

    fn read_phdrs<F: KernelFile>(
        &mut self,
        source: &mut Source<'_, F>,
        table: u64,
        entry_bytes: u64,
        count: u64,
    ) -> Result<(), KernelError> {
        let expected: usize = self.class.pick(32, 56);
        if count > 0 && entry_bytes != expected as u64 {
            return Err(KernelError::Elf("program headers of an unknown size"));
        }
        if count > MAX_PHDRS {
            return Err(KernelError::Elf("more program headers than any kernel has"));
        }
        let len = usize::try_from(count * entry_bytes).expect("limited above");
        let table = source.read(table, len)?;
        if table.len() < len {
            return Err(KernelError::Elf("program headers that are not in the file"));
        }
        for (index, phdr) in (0..).zip(table.chunks_exact(expected)) {
            match u32_at(phdr, 0) {
                PT_LOAD => self
                    .segments
                    .extend(self.segment(index, phdr, source.len())?),
                PT_NOTE => {
                    let word = |at_32, at_64| self.class.word(phdr, at_32, at_64);
                    self.notes.push((word(4, 8), word(16, 32), word(28, 48)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A segment that is wholly in the file; nothing if there is nothing in it.
    fn segment(&self, index: u64, phdr: &[u8], file: u64) -> Result<Option<Segment>, KernelError> {
        let word = |at_32, at_64| self.class.word(phdr, at_32, at_64);
        let (offset, virt, phys) = (word(4, 8), word(8, 16), word(12, 24));
        let (file_size, memory_size) = (word(16, 32), word(20, 40));
        if file_size > memory_size {
            return Err(KernelError::Elf(
                "a segment larger in the file than in memory",
            ));
        }
        let end = offset.saturating_add(file_size);
        if end > file {
            let what = format!("segment {index}");
            return Err(KernelError::Truncated { what, end, file });
        }
        let segment = Segment {
            index,
            offset,
            virt: virt..virt.saturating_add(memory_size),
            phys,
            file_size,
            memory_size,
        };
        Ok((memory_size > 0).then_some(segment))
    }

    /// Physical addresses from the lowest segment to the end of the highest.
    pub(super) fn extent(&self) -> Option<Range<u64>> {
        let start = self.segments.iter().map(|s| s.phys).min()?;
        let ends = self.segments.iter();
        let end = ends.map(|s| s.phys.saturating_add(s.memory_size)).max()?;
        Some(start..end)
    }

    /// Loads the segments `distance` above where they are linked; returns what they span.
    pub(super) fn load_segments<F: KernelFile>(
        &self,
        memory: &GuestMemory,
        source: &mut Source<'_, F>,
        distance: u64,
    ) -> Result<Range<u64>, KernelError> {
        let mut places = Vec::new();
        for segment in &self.segments {
            let what = format!("segment {}", segment.index);
            let start = segment.phys.wrapping_add(distance);
            places.push(place(memory, &what, start, segment.memory_size)?);
        }
        for (segment, place) in self.segments.iter().zip(&places) {
            source.load(memory, place.start, segment.offset, segment.file_size)?;
        }
        let start = places.iter().map(|place| place.start).min();
        let end = places.iter().map(|place| place.end).max();
        Ok(start.unwrap_or(0)..end.unwrap_or(0))
    }

    fn is_loaded(&self, address: u64) -> bool {
        let mut segments = self.segments.iter();
        segments.any(|s| {
            address
                .checked_sub(s.phys)
                .is_some_and(|at| at < s.memory_size)
        })
    }

    /// A physical address that is in one of the segments.
    pub(super) fn checked_entry(&self, address: u64) -> Result<u64, KernelError> {
        if self.is_loaded(address) {
            Ok(address)
        } else {
            Err(KernelError::Entry(address))
        }
    }

    /// The physical address of the header's entry point, which may be a virtual one.
    pub(super) fn entry(&self) -> Result<u64, KernelError> {
        let segment = self.segments.iter().find(|s| s.virt.contains(&self.entry));
        match segment {
            Some(segment) => Ok(segment.phys.wrapping_add(self.entry - segment.virt.start)),
            None => self.checked_entry(self.entry),
        }
    }

    /// Loads a kernel with a PVH note.
    pub(super) fn load_pvh<F: KernelFile>(
        &self,
        memory: &GuestMemory,
        source: &mut Source<'_, F>,
    ) -> Result<Option<Loaded>, KernelError> {
        let Some(entry) = self.pvh_entry(source)? else {
            return Ok(None);
        };
        let entry = self.checked_entry(entry)?;
        let span = self.load_segments(memory, source, 0)?;
        Ok(Some(Loaded::new(entry, span, Protocol::Pvh)))
    }

    /// Loads a kernel that says nothing of how it starts.
    pub(super) fn load_linux<F: KernelFile>(
        &self,
        memory: &GuestMemory,
        source: &mut Source<'_, F>,
    ) -> Result<Loaded, KernelError> {
        if self.class == Class::Elf32 {
            return Err(KernelError::NoWay);
        }
        let entry = self.entry()?;
        let span = self.load_segments(memory, source, 0)?;
        Ok(Loaded::new(entry, span, Protocol::Linux64(None)))
    }

    fn pvh_entry<F: KernelFile>(
        &self,
        source: &mut Source<'_, F>,
    ) -> Result<Option<u64>, KernelError> {
        for (offset, size, align) in &self.notes {
            let len = usize::try_from(*size.min(&MAX_NOTES)).expect("limited");
            let notes = source.read(*offset, len)?;
            let align = if *align == 8 { 8 } else { 4 };
            if let Some(entry) = find_pvh_note(&notes, align) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

/// Walks notes: sizes of name and description, type, name, description, both padded.
fn find_pvh_note(mut notes: &[u8], align: usize) -> Option<u64> {
    loop {
        let head = notes.get(..12)?;
        let [name_len, len] = [0, 4].map(|at| u32_at(head, at) as usize);
        let name = notes.get(12..)?.get(..name_len)?;
        let start = (12 + name_len).next_multiple_of(align);
        let description = notes.get(start..)?.get(..len)?;
        if (u32_at(head, 8), name) == (PVH_NOTE, b"Xen\0") {
            return match len {
                4 => Some(u32_at(description, 0).into()),
                8 => Some(u64_at(description, 0)),
                _ => None,
            };
        }
        notes = notes.get((start + len).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests;
