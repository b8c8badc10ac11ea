//! bzImage: Linux as distributions ship it (Linux boot.rst, protocol 2.12 or newer).
//!
//! The 64-bit entry is used; the protected-mode part of the file goes straight to where the kernel
//! prefers to be, or to the lowest place it can be at. If the payload is an uncompressed ELF file
//! with a PVH note, it is that which is loaded, and started by PVH.

use super::elf::ElfFile;
use super::kernel::{KernelError, Loaded, Protocol};
use super::layout::{HIGH_MEMORY, MAPPED_END};
use super::source::{KernelFile, Source, place, u16_at, u32_at};
use crate::memory::GuestMemory;
use std::ops::Range;
use vm_memory::ByteValued;

/// The setup header, as it is in the file and in the zero page.
pub use linux_loader::loader::bootparam::setup_header as SetupHeader;

const HEADER: u64 = 0x1f1;
const HEADER_BYTES: usize = size_of::<SetupHeader>();
const BOOT_FLAG: usize = 0x1fe - 0x1f1;
/// Its low byte is the distance from [`MAGIC`] to the end of the header.
const JUMP_DISTANCE: usize = 0x201 - 0x1f1;
const MAGIC: usize = 0x202 - 0x1f1;
const HDRS: u32 = 0x5372_6448;
const SECTOR: u64 = 512;
/// setup_sects of a header that says 0.
const OLD_SETUP_SECTS: u8 = 4;
/// The first version with `xloadflags`.
const OLDEST: u16 = 0x20c;
const LOADED_HIGH: u8 = 1;
const XLF_KERNEL_64: u16 = 1;
/// From the load address to the 64-bit entry.
const ENTRY_64: u64 = 0x200;

/// The setup header, if the file has one.
pub(super) fn header<F: KernelFile>(
    source: &mut Source<'_, F>,
) -> Result<Option<SetupHeader>, KernelError> {
    let mut bytes = source.read(HEADER, HEADER_BYTES)?;
    if bytes.len() < HEADER_BYTES
        || u16_at(&bytes, BOOT_FLAG) != 0xaa55
        || u32_at(&bytes, MAGIC) != HDRS
    {
        return Ok(None);
    }
    // An older header is shorter, and code follows it.
    let end = MAGIC + usize::from(bytes[JUMP_DISTANCE]);
    if end < HEADER_BYTES {
        bytes[end..].fill(0);
    }
    Ok(SetupHeader::from_slice(&bytes).copied())
}

/// Loads the kernel behind that header.
pub(super) fn load<F: KernelFile>(
    memory: &GuestMemory,
    source: &mut Source<'_, F>,
    header: SetupHeader,
) -> Result<Loaded, KernelError> {
    check(&header)?;
    let setup_sects = match header.setup_sects {
        0 => OLD_SETUP_SECTS,
        sects => sects,
    };
    let setup = (u64::from(setup_sects) + 1) * SECTOR;
    let (payload, length) = (header.payload_offset, header.payload_length);
    let payload = u64::from(payload)..u64::from(payload) + u64::from(length);
    let (end, file) = (setup + payload.end.max(1), source.len());
    if end > file {
        let what = "its compressed kernel".to_owned();
        return Err(KernelError::Truncated { what, end, file });
    }
    let mut kernel = source.part(setup..file);
    if let Some(loaded) = load_payload(memory, &mut kernel.part(payload))? {
        return Ok(loaded);
    }
    let size = kernel.len();
    let place = choose_place(memory, &header, size.max(header.init_size.into()))?;
    kernel.load(memory, place.start, 0, size)?;
    let entry = place.start + ENTRY_64;
    let protocol = Protocol::Linux64(Some(Box::new(header)));
    Ok(Loaded::new(entry, place, protocol))
}

fn check(header: &SetupHeader) -> Result<(), KernelError> {
    let alignment = header.kernel_alignment;
    let reason = if header.version < OLDEST {
        "is of a protocol before 2.12: a Linux of 2013 or later is needed"
    } else if header.loadflags & LOADED_HIGH == 0 {
        "says that it is a zImage, which loads below 1 MiB: a bzImage is needed"
    } else if header.xloadflags & XLF_KERNEL_64 == 0 {
        "names no 64-bit entry: a kernel for x86-64 is needed"
    } else if header.relocatable_kernel != 0 && !alignment.is_power_of_two() {
        "has an alignment that is no power of two"
    } else {
        return Ok(());
    };
    Err(KernelError::Setup(reason))
}

/// A payload that starts by PVH as it is.
fn load_payload<F: KernelFile>(
    memory: &GuestMemory,
    payload: &mut Source<'_, F>,
) -> Result<Option<Loaded>, KernelError> {
    match ElfFile::parse(payload)? {
        Some(elf) => elf.load_pvh(memory, payload),
        None => Ok(None),
    }
}

/// Where the kernel is to be: it needs `size` bytes there until it is up.
fn choose_place(
    memory: &GuestMemory,
    header: &SetupHeader,
    size: u64,
) -> Result<Range<u64>, KernelError> {
    let at = |start: u64| match place(memory, "the kernel", start, size)? {
        range if range.end <= MAPPED_END => Ok(range),
        _ => Err(KernelError::Setup("wants more than the first GiB")),
    };
    let preferred = at(header.pref_address);
    if preferred.is_ok() || header.relocatable_kernel == 0 {
        return preferred;
    }
    at(HIGH_MEMORY.next_multiple_of(header.kernel_alignment.into())).or(preferred)
}

#[cfg(test)]
mod tests;
