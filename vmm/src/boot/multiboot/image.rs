//! What a multiboot header describes, brought into memory: the segments of the ELF file, or the
//! part of the file that the header's own addresses name, which win over ELF headers.

use crate::boot::elf::ElfFile;
use crate::boot::kernel::KernelError;
use crate::boot::layout::HIGH_MEMORY;
use crate::boot::source::{KernelFile, Source, place};
use crate::memory::{GuestMemory, HOLE_START};
use std::ops::Range;
use vm_memory::GuestMemoryBackend;

/// A header, of either version.
pub(super) struct Header {
    /// Where it is in the file.
    offset: u64,
    pub(super) addresses: Option<Addresses>,
    pub(super) entry: Option<u64>,
    pub(super) relocation: Option<Relocation>,
}

impl Header {
    /// One that asks for nothing.
    pub(super) fn at(offset: usize) -> Self {
        Self {
            offset: offset as u64,
            addresses: None,
            entry: None,
            relocation: None,
        }
    }
}

/// Physical addresses that stand in for ELF headers.
pub(super) struct Addresses {
    /// Of the header itself.
    pub(super) header: u64,
    /// Of what is loaded; nothing: from the start of the file.
    pub(super) load: Option<u64>,
    /// End of it; 0: all of the file.
    pub(super) load_end: u64,
    /// End of the zeroes behind it; 0: none.
    pub(super) bss_end: u64,
}

/// What a kernel that can be elsewhere than where it is linked says of that.
pub(super) struct Relocation {
    /// The image is to lie inside.
    pub(super) limits: Range<u64>,
    pub(super) align: u64,
    pub(super) preference: Preference,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    None,
    Lowest,
    Highest,
}

/// An image in memory.
pub(super) struct LoadedImage {
    pub(super) entry: u64,
    /// Start of its lowest part.
    pub(super) base: u64,
    pub(super) span: Range<u64>,
    /// How far above its linked addresses it is, modulo 2^64.
    pub(super) distance: u64,
}

/// Part of a file that the addresses of a header describe.
struct Part {
    offset: u64,
    file_size: u64,
    range: Range<u64>,
}

/// Loads the image; `broken` makes an error of what is wrong with the header.
pub(super) fn load<F: KernelFile>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    elf: Option<&ElfFile>,
    header: &Header,
    broken: fn(&'static str) -> KernelError,
) -> Result<LoadedImage, KernelError> {
    let parts = match (&header.addresses, elf) {
        (Some(addresses), _) => {
            let part = addresses.part(header.offset, source.len());
            Parts::Named(part.map_err(broken)?)
        }
        (None, Some(elf)) => Parts::Segments(elf),
        (None, None) => return Err(broken("names no addresses, and the file is no ELF file")),
    };
    let entry = parts.entry(header.entry, broken)?;
    let extent = parts
        .extent()
        .ok_or(broken("is in an ELF file without segments"))?;
    let base = match &header.relocation {
        Some(relocation) => {
            let base = relocation.base(memory, &extent);
            base.ok_or(broken("allows no place that the guest's memory has"))?
        }
        None => extent.start,
    };
    let distance = base.wrapping_sub(extent.start);
    Ok(LoadedImage {
        entry: entry.wrapping_add(distance),
        base,
        span: parts.load(memory, source, distance)?,
        distance,
    })
}

/// What is loaded.
enum Parts<'a> {
    /// What the header's addresses name.
    Named(Part),
    /// The segments of an ELF file.
    Segments(&'a ElfFile),
}

impl Parts<'_> {
    /// The entry point that the header or else the file names.
    fn entry(
        &self,
        entry: Option<u64>,
        broken: fn(&'static str) -> KernelError,
    ) -> Result<u64, KernelError> {
        match (self, entry) {
            (Self::Named(part), Some(entry)) if part.range.contains(&entry) => Ok(entry),
            (Self::Named(_), Some(entry)) => Err(KernelError::Entry(entry)),
            (Self::Named(_), None) => Err(broken("has addresses but no entry point")),
            (Self::Segments(elf), Some(entry)) => elf.checked_entry(entry),
            (Self::Segments(elf), None) => elf.entry(),
        }
    }

    /// Where it is linked.
    fn extent(&self) -> Option<Range<u64>> {
        match self {
            Self::Named(part) => Some(part.range.clone()),
            Self::Segments(elf) => elf.extent(),
        }
    }

    /// Loads it `distance` above that.
    fn load<F: KernelFile>(
        &self,
        memory: &GuestMemory,
        source: &mut Source<'_, F>,
        distance: u64,
    ) -> Result<Range<u64>, KernelError> {
        let part = match self {
            Self::Named(part) => part,
            Self::Segments(elf) => return elf.load_segments(memory, source, distance),
        };
        let start = part.range.start.wrapping_add(distance);
        let place = place(
            memory,
            "the image",
            start,
            part.range.end - part.range.start,
        )?;
        source.load(memory, place.start, part.offset, part.file_size)?;
        Ok(place)
    }
}

impl Addresses {
    /// The part of a file of `file` bytes that they describe, the header being at `offset`.
    fn part(&self, offset: u64, file: u64) -> Result<Part, &'static str> {
        let load = match self.load {
            Some(load) => load,
            None => self
                .header
                .checked_sub(offset)
                .ok_or("has addresses below 0")?,
        };
        let before = self.header.checked_sub(load);
        let before = before.ok_or("is below the address that it loads from")?;
        let offset = offset.checked_sub(before);
        let offset = offset.ok_or("loads from before the start of the file")?;
        let file_size = match self.load_end {
            0 => file - offset,
            end => end
                .checked_sub(load)
                .ok_or("ends its image before it begins")?,
        };
        if offset.saturating_add(file_size) > file {
            return Err("describes an image that is larger than the file");
        }
        let loaded = load.saturating_add(file_size);
        let end = match self.bss_end {
            0 => loaded,
            end if end < loaded => return Err("ends its zeroes inside of its image"),
            end => end,
        };
        if end == load {
            return Err("describes an image of no bytes");
        }
        Ok(Part {
            offset,
            file_size,
            range: load..end,
        })
    }
}

impl Relocation {
    /// Where an image that is linked for `extent` is to begin.
    fn base(&self, memory: &GuestMemory, extent: &Range<u64>) -> Option<u64> {
        let size = extent.end.checked_sub(extent.start)?;
        let fits = |base: &u64| {
            let end = base.checked_add(size);
            base.is_multiple_of(self.align)
                && *base >= self.limits.start
                && end.is_some_and(|end| end <= self.limits.end)
                && place(memory, "", *base, size).is_ok()
        };
        let lowest = self
            .limits
            .start
            .max(HIGH_MEMORY)
            .next_multiple_of(self.align);
        let low_end = (memory.last_addr().0 + 1).min(HOLE_START);
        let highest = self.limits.end.min(low_end).checked_sub(size);
        let highest = highest.map_or(lowest, |highest| highest - highest % self.align);
        let base = match self.preference {
            Preference::None if fits(&extent.start) => extent.start,
            Preference::None | Preference::Lowest => lowest,
            Preference::Highest => highest,
        };
        Some(base).filter(fits)
    }
}
