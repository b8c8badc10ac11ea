//! Kernels: ELF64 executables for x86-64 that start by PVH or by Linux's 64-bit protocol.
//!
//! [`load`] first holds the headers against the file and the guest's memory, so that each lie is
//! named, then linux-loader copies the segments and looks for the PVH note. A kernel with that
//! note (Xen pvh.rst) starts by PVH, any other at `e_entry` by the 64-bit protocol.

use super::layout::HIGH_MEMORY;
use crate::memory::GuestMemory;
use linux_loader::loader::elf::{Elf, PvhBootCapability};
use linux_loader::loader::{self, KernelLoader};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use vm_memory::{GuestAddress, GuestMemoryBackend, ReadVolatile};

/// How the kernel is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 32-bit protected mode, `hvm_start_info`.
    Pvh,
    /// Long mode, zero page.
    Linux64,
}

/// Where and how the kernel is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Guest-physical address.
    pub address: u64,
    /// Protocol.
    pub protocol: Protocol,
}

/// A kernel in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Where it starts.
    pub entry: Entry,
    /// First address above it.
    pub end: u64,
}

/// Why a file cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Not an ELF file at all.
    #[error("it is not an ELF file; a PVH kernel or an uncompressed Linux (vmlinux) is")]
    NotElf,
    /// ELF, but not ours.
    #[error("it is an ELF file, but not a 64-bit one for x86-64")]
    WrongMachine,
    /// The header speaks of things that are not there.
    #[error("its ELF header is damaged: {0}")]
    Header(&'static str),
    /// A segment is not wholly in the file.
    #[error("it is cut short: segment {segment} ends at byte {end} of {file}")]
    Truncated {
        /// Index of the program header.
        segment: usize,
        /// Where the segment ends.
        end: u64,
        /// Size of the file.
        file: u64,
    },
    /// A segment is not wholly in memory.
    #[error(
        "segment {segment} ({start:#x} to {end:#x}) does not fit into the guest's memory above \
         1 MiB: give the guest more with --memory"
    )]
    DoesNotFit {
        /// Index of the program header.
        segment: usize,
        /// First physical address.
        start: u64,
        /// Address after the last.
        end: u64,
    },
    /// The entry point is in no segment.
    #[error("its entry point {0:#x} is in none of its segments")]
    Entry(u64),
    /// linux-loader refuses.
    #[error("it cannot be loaded")]
    Loader(#[from] loader::Error),
    /// The file cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
}

const EHDR_BYTES: usize = 64;
const PHDR_BYTES: usize = 56;
const MACHINE_X86_64: u16 = 62;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const PT_LOAD: u32 = 1;
/// More program headers than any kernel has.
const MAX_PHDRS: u16 = 64;

/// Loads the kernel in `image`.
pub fn load<F>(memory: &GuestMemory, image: &mut F) -> Result<Loaded, KernelError>
where
    F: Read + ReadVolatile + Seek,
{
    let segments = checked_segments(memory, image)?;
    let loaded = Elf::load(memory, None, image, None)?;
    let entry = match loaded.pvh_boot_cap {
        PvhBootCapability::PvhEntryPresent(GuestAddress(address)) => {
            Entry { address, protocol: Protocol::Pvh }
        }
        PvhBootCapability::PvhEntryNotPresent | PvhBootCapability::PvhEntryIgnored => {
            Entry { address: loaded.kernel_load.0, protocol: Protocol::Linux64 }
        }
    };
    if !segments.iter().any(|segment| segment.contains(&entry.address)) {
        return Err(KernelError::Entry(entry.address));
    }
    let end = segments.iter().map(|segment| segment.end).max();
    Ok(Loaded { entry, end: end.expect("the entry is in one") })
}

/// Physical ranges of the loadable segments, each found whole in the file and in memory.
fn checked_segments(
    memory: &GuestMemory,
    image: &mut (impl Read + Seek),
) -> Result<Vec<Range<u64>>, KernelError> {
    let file = image.seek(SeekFrom::End(0))?;
    let ehdr: [u8; EHDR_BYTES] = read_at(image, 0).map_err(|_| KernelError::NotElf)?;
    if !ehdr.starts_with(b"\x7fELF") {
        return Err(KernelError::NotElf);
    }
    if (ehdr[4], ehdr[5], u16_at(&ehdr, 18)) != (CLASS_64, LITTLE_ENDIAN, MACHINE_X86_64) {
        return Err(KernelError::WrongMachine);
    }
    let (phoff, phentsize, phnum) = (u64_at(&ehdr, 32), u16_at(&ehdr, 54), u16_at(&ehdr, 56));
    if usize::from(phentsize) != PHDR_BYTES {
        return Err(KernelError::Header("program headers of an unknown size"));
    }
    if phnum > MAX_PHDRS {
        return Err(KernelError::Header("more program headers than any kernel has"));
    }
    let mut segments = Vec::new();
    for index in 0..phnum {
        let at = phoff.saturating_add(u64::from(index) * PHDR_BYTES as u64);
        let phdr: [u8; PHDR_BYTES] = read_at(image, at)
            .map_err(|_| KernelError::Header("program headers that are not in the file"))?;
        if u32_at(&phdr, 0) == PT_LOAD {
            segments.push(checked_segment(memory, file, index.into(), &phdr)?);
        }
    }
    Ok(segments)
}

fn checked_segment(
    memory: &GuestMemory,
    file: u64,
    segment: usize,
    phdr: &[u8; PHDR_BYTES],
) -> Result<Range<u64>, KernelError> {
    let (offset, start) = (u64_at(phdr, 8), u64_at(phdr, 24));
    let (file_size, memory_size) = (u64_at(phdr, 32), u64_at(phdr, 40));
    if file_size > memory_size {
        return Err(KernelError::Header("a segment larger in the file than in memory"));
    }
    let end = offset.saturating_add(file_size);
    if end > file {
        return Err(KernelError::Truncated { segment, end, file });
    }
    let end = start.saturating_add(memory_size);
    let fits = usize::try_from(memory_size)
        .is_ok_and(|len| len == 0 || memory.check_range(GuestAddress(start), len));
    if !fits || start < HIGH_MEMORY {
        return Err(KernelError::DoesNotFit { segment, start, end });
    }
    Ok(start..end)
}

fn read_at<const N: usize>(image: &mut (impl Read + Seek), at: u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    image.seek(SeekFrom::Start(at))?;
    image.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{MIN, create};
    use std::io::Cursor;

    /// A kernel of one segment: file bytes 0..0x1000 at 1 MiB, entry at 1 MiB + 0x100.
    fn kernel() -> Vec<u8> {
        let mut elf = vec![0_u8; 0x1000];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[16] = 2;
        elf[18] = 62;
        elf[24..32].copy_from_slice(&(HIGH_MEMORY + 0x100).to_le_bytes());
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 1;
        for (at, value) in [(24, HIGH_MEMORY), (32, 0x1000), (40, 0x2000)] {
            elf[64 + at..72 + at].copy_from_slice(&value.to_le_bytes());
        }
        elf
    }

    /// The kernel with the bytes at an offset changed.
    fn with(at: usize, bytes: &[u8]) -> Result<Loaded, KernelError> {
        let mut elf = kernel();
        elf[at..at + bytes.len()].copy_from_slice(bytes);
        load(&create(MIN).unwrap(), &mut Cursor::new(elf))
    }

    #[test]
    fn a_kernel_without_a_note_starts_at_its_entry_by_the_64_bit_protocol() {
        let loaded = with(0, &[]).unwrap();
        assert_eq!(loaded.entry.address, HIGH_MEMORY + 0x100);
        assert_eq!(loaded.entry.protocol, Protocol::Linux64);
        assert_eq!(loaded.end, HIGH_MEMORY + 0x2000);
    }

    #[test]
    fn a_kernel_with_the_pvh_note_starts_there() {
        let mut elf = kernel();
        elf[56] = 2;
        let mut note = [0_u8; 56];
        note[0] = 4;
        note[9] = 2;
        note[32] = 20;
        elf[120..176].copy_from_slice(&note);
        let fields: [&[u8]; 5] =
            [&[4, 0, 0, 0], &[4, 0, 0, 0], &[18, 0, 0, 0], b"Xen\0", &[0, 2, 0x10, 0]];
        elf[0x200..0x214].copy_from_slice(&fields.concat());
        let loaded = load(&create(MIN).unwrap(), &mut Cursor::new(elf)).unwrap();
        assert_eq!(loaded.entry, Entry { address: 0x10_0200, protocol: Protocol::Pvh });
    }

    #[test]
    fn what_is_no_kernel_is_named() {
        let memory = create(MIN).unwrap();
        for text in [&b""[..], b"#!/bin/sh\n", &[0; 4096]] {
            let error = load(&memory, &mut Cursor::new(text)).unwrap_err();
            assert!(matches!(error, KernelError::NotElf), "{error:?}");
        }
        assert!(matches!(with(4, &[1]), Err(KernelError::WrongMachine)));
        assert!(matches!(with(18, &[40]), Err(KernelError::WrongMachine)));
    }

    #[test]
    fn headers_that_lie_are_named() {
        let max = u64::MAX.to_le_bytes();
        assert!(matches!(with(32, &max), Err(KernelError::Header(_))), "phoff");
        assert!(matches!(with(54, &[1, 0]), Err(KernelError::Header(_))), "phentsize");
        assert!(matches!(with(56, &[0xff, 0xff]), Err(KernelError::Header(_))), "phnum");
        assert!(matches!(with(64 + 8, &max), Err(KernelError::Truncated { .. })), "offset");
        assert!(matches!(with(64 + 24, &max), Err(KernelError::DoesNotFit { .. })), "address");
        assert!(matches!(with(64 + 24, &[0; 8]), Err(KernelError::DoesNotFit { .. })), "low");
        assert!(matches!(with(64 + 32, &max), Err(KernelError::Header(_))), "file size");
        assert!(matches!(with(64 + 40, &max), Err(KernelError::DoesNotFit { .. })), "size");
        assert!(matches!(with(24, &[0; 8]), Err(KernelError::Entry(0))), "entry");
        assert!(matches!(with(56, &[0]), Err(KernelError::Entry(_))), "no segments");
    }

    #[test]
    fn a_kernel_cut_anywhere_is_an_error_or_whole() {
        let memory = create(MIN).unwrap();
        let elf = kernel();
        for len in (0..elf.len()).step_by(7) {
            assert!(load(&memory, &mut Cursor::new(&elf[..len])).is_err(), "cut at {len}");
        }
    }
}
