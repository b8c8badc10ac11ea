//! Kernels: what a file is, and how it is loaded.
//!
//! The file itself says how it starts; of several ways that it offers, the first of these:
//!
//! | way | recognised by | file |
//! |---|---|---|
//! | PVH | note `XEN_ELFNOTE_PHYS32_ENTRY` | `elf.rs` |
//! | multiboot 2 | header in the first 32 KiB | `multiboot/header2.rs` |
//! | multiboot 1 | header in the first 8 KiB | `multiboot/header1.rs` |
//! | Linux, 64-bit | ELF64 for x86-64, or a bzImage | `elf.rs`, `bzimage.rs` |
//!
//! Only a flat image is what the user says it is (`flat.rs`). Each lie of a header is named.

use super::bzimage::{self, SetupHeader};
use super::elf::ElfFile;
use super::multiboot::{self, Facts};
use super::source::{KernelFile, Source};
use super::{flat, layout};
use crate::memory::GuestMemory;
use std::io;
use std::ops::Range;

/// How the kernel is entered, with what its protocol has to know of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Protocol {
    /// 32-bit protected mode, `hvm_start_info`.
    Pvh,
    /// Long mode, zero page, which holds the setup header of a bzImage.
    Linux64(Option<Box<SetupHeader>>),
    /// 32-bit protected mode, information of multiboot 1.
    Multiboot1(Facts),
    /// 32-bit protected mode, information of multiboot 2.
    Multiboot2(Facts),
    /// Real mode.
    Flat,
}

/// What a kernel takes beside its command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takes {
    /// Nothing, no command line either.
    Nothing,
    /// One initrd.
    Initrd,
    /// Any number of modules, the initrd first.
    Modules,
}

impl Protocol {
    /// Name for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pvh => "PVH",
            Self::Linux64(_) => "64-bit Linux",
            Self::Multiboot1(_) => "multiboot",
            Self::Multiboot2(_) => "multiboot2",
            Self::Flat => "flat",
        }
    }

    /// First word of its command line: a multiboot kernel is told its own name first, as by QEMU
    /// and GRUB Legacy, and many of them leave that word out.
    pub fn first_word<'a>(&self, name: &'a str) -> &'a str {
        match self {
            Self::Multiboot1(_) | Self::Multiboot2(_) => name,
            Self::Pvh | Self::Linux64(_) | Self::Flat => "",
        }
    }

    /// What it takes beside the kernel.
    pub fn takes(&self) -> Takes {
        match self {
            Self::Pvh | Self::Multiboot1(_) | Self::Multiboot2(_) => Takes::Modules,
            Self::Linux64(_) => Takes::Initrd,
            Self::Flat => Takes::Nothing,
        }
    }
}

/// A kernel in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Guest-physical address of its first instruction.
    pub entry: u64,
    /// Where it is, as far as that is above the first MiB.
    pub span: Range<u64>,
    /// How it is entered.
    pub protocol: Protocol,
}

impl Loaded {
    pub(super) fn new(entry: u64, span: Range<u64>, protocol: Protocol) -> Self {
        let above = |at: u64| at.max(layout::HIGH_MEMORY);
        Self {
            entry,
            span: above(span.start)..above(span.end),
            protocol,
        }
    }
}

/// Why a file cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Something else, of which this is known.
    #[error("it is {0}")]
    NoKernel(&'static str),
    /// ELF, but not ours.
    #[error("it is an ELF file, but not one for x86")]
    WrongMachine,
    /// 32-bit ELF that does not say how it starts.
    #[error(
        "it is a 32-bit ELF file with neither a multiboot header in its first 32 KiB nor a PVH \
         note, so nothing says how it starts"
    )]
    NoWay,
    /// The header speaks of things that are not there.
    #[error("its ELF header is damaged: {0}")]
    Elf(&'static str),
    /// The setup header does.
    #[error("its Linux setup header {0}")]
    Setup(&'static str),
    /// The multiboot header does.
    #[error("its multiboot header {0}")]
    Multiboot1(&'static str),
    /// The multiboot2 header does.
    #[error("its multiboot2 header {0}")]
    Multiboot2(&'static str),
    /// A part is not wholly in the file.
    #[error("it is cut short: {what} ends at byte {end} of {file}")]
    Truncated {
        /// The part.
        what: String,
        /// Where it ends.
        end: u64,
        /// Size of the file.
        file: u64,
    },
    /// A part is not wholly in memory.
    #[error(
        "{what} ({:#x} to {:#x}) does not fit into the guest's memory: give the guest more with \
         --memory", range.start, range.end
    )]
    DoesNotFit {
        /// The part.
        what: String,
        /// Its place.
        range: Range<u64>,
    },
    /// A part is where other things are.
    #[error(
        "{what} ({:#x} to {:#x}) is where {name} will be: link it elsewhere, best at 1 MiB or above",
        range.start, range.end
    )]
    Ours {
        /// The part.
        what: String,
        /// Its place.
        range: Range<u64>,
        /// What is there.
        name: &'static str,
    },
    /// The entry point is in no segment.
    #[error("its entry point {0:#x} is in none of its segments")]
    Entry(u64),
    /// A flat image is not in real mode's reach.
    #[error(
        "a flat image of {size} bytes at {address:#x} does not lie between {:#x} and {:#x}",
        layout::FLAT.start, layout::FLAT.end
    )]
    Flat {
        /// Where it was to go.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
}

/// Loads the kernel in `image`, which is a flat one for that address if there is one.
pub fn load(
    memory: &GuestMemory,
    image: &mut impl KernelFile,
    flat: Option<u64>,
) -> Result<Loaded, KernelError> {
    let mut source = Source::new(image)?;
    if let Some(address) = flat {
        return flat::load(memory, &mut source, address);
    }
    if let Some(elf) = ElfFile::parse(&mut source)? {
        if let Some(loaded) = elf.load_pvh(memory, &mut source)? {
            return Ok(loaded);
        }
        return match multiboot::load(memory, &mut source, Some(&elf))? {
            Some(loaded) => Ok(loaded),
            None => elf.load_linux(memory, &mut source),
        };
    }
    if let Some(header) = bzimage::header(&mut source)? {
        return bzimage::load(memory, &mut source, header);
    }
    match multiboot::load(memory, &mut source, None)? {
        Some(loaded) => Ok(loaded),
        None => Err(KernelError::NoKernel(describe(&mut source)?)),
    }
}

/// Offset, bytes there, what a file with them is.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (0, b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (
        0,
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd: unpack it first",
    ),
    (
        0,
        b"\x02\x21\x4c\x18",
        "compressed with lz4: unpack it first",
    ),
    (
        0,
        b"\x04\x22\x4d\x18",
        "compressed with lz4: unpack it first",
    ),
    (0, b"BZh", "compressed with bzip2: unpack it first"),
    (
        0x38,
        b"ARM\x64",
        "a Linux kernel for ARM: one for x86-64 is needed",
    ),
    (
        0,
        b"MZ",
        "an EFI program: a kernel that also starts without firmware is needed",
    ),
    (0, b"070701", "a cpio archive: give it with --initrd"),
    (
        0x8001,
        b"CD001",
        "an image of a CD: take the kernel out of it",
    ),
    (
        510,
        b"\x55\xaa",
        "a boot sector: start it with --flat 0x7c00",
    ),
];

/// Bytes of a file that those are looked for in.
const DESCRIBED: usize = 0x8010;

const UNKNOWN: &str = "no kernel that Hostel knows: an ELF file with a PVH note or a multiboot \
     header, a Linux bzImage or vmlinux, or with --flat a 16-bit image is";

/// What a file that is no kernel is instead.
fn describe<F: KernelFile>(source: &mut Source<'_, F>) -> Result<&'static str, KernelError> {
    if source.len() == 0 {
        return Ok("empty");
    }
    let head = source.read(0, DESCRIBED)?;
    let found = OTHERS.iter().find(|(at, magic, _)| {
        let there = head.get(*at..);
        there.is_some_and(|bytes| bytes.starts_with(magic))
    });
    Ok(found.map_or(UNKNOWN, |(_, _, what)| what))
}

#[cfg(test)]
mod tests;
