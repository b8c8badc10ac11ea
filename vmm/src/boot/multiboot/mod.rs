//! Multiboot 1 and 2: kernels that say in a header how a PC's boot loader is to start them.
//!
//! `header1` and `header2` find and check the header, `image` loads what it describes, `sections`
//! keeps an ELF kernel's sections for it; `info1` and `info2` write what the kernel is told.
//! Sources: Multiboot Specification 0.6.96, Multiboot2 Specification 2.0.

mod header1;
mod header2;
mod image;
pub(super) mod info1;
pub(super) mod info2;
mod sections;

use super::elf::ElfFile;
use super::kernel::{KernelError, Loaded, Protocol};
use super::source::{KernelFile, Source};
use crate::memory::GuestMemory;
use image::Header;
use sections::Sections;

/// What the kernel is told of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its ELF sections.
    sections: Option<Sections>,
    /// Where its image begins, if that was for Hostel to choose.
    load_base: Option<u32>,
}

/// How much of a file is searched for a header.
pub(super) const SEARCHED: usize = header2::SEARCHED;

/// Loads the kernel if it has a multiboot header; the newer one if it has both.
pub(super) fn load<F: KernelFile>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    elf: Option<&ElfFile>,
) -> Result<Option<Loaded>, KernelError> {
    let head = source.read(0, SEARCHED)?;
    if let Some(at) = header2::find(&head) {
        let header = header2::parse(&head, at).map_err(KernelError::Multiboot2)?;
        let broken = KernelError::Multiboot2;
        return load_as(memory, source, elf, &header, broken, Protocol::Multiboot2);
    }
    if let Some(at) = header1::find(&head) {
        let header = header1::parse(&head, at).map_err(KernelError::Multiboot1)?;
        let broken = KernelError::Multiboot1;
        return load_as(memory, source, elf, &header, broken, Protocol::Multiboot1);
    }
    if header2::has_magic(&head) {
        return Err(KernelError::Multiboot2("has a wrong checksum"));
    }
    if header1::has_magic(&head) {
        return Err(KernelError::Multiboot1("has a wrong checksum"));
    }
    Ok(None)
}

fn load_as<F: KernelFile>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    elf: Option<&ElfFile>,
    header: &Header,
    broken: fn(&'static str) -> KernelError,
    protocol: fn(Facts) -> Protocol,
) -> Result<Option<Loaded>, KernelError> {
    let loaded = image::load(memory, source, elf, header, broken)?;
    let mut span = loaded.span;
    if u32::try_from(span.end).is_err() {
        return Err(broken("is of a kernel beyond 4 GiB, which it cannot reach"));
    }
    let sections = match elf {
        Some(elf) if header.addresses.is_none() => {
            sections::load(memory, source, elf, loaded.distance, &mut span.end)?
        }
        _ => None,
    };
    let load_base = header.relocation.as_ref().map(|_| loaded.base as u32);
    let facts = Facts {
        sections,
        load_base,
    };
    Ok(Some(Loaded::new(loaded.entry, span, protocol(facts))))
}

#[cfg(test)]
mod tests;
