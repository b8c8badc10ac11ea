//! The kinds of files that a multiboot kernel comes in.

use super::code;

/// Version of multiboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 0x1badb002
    One,
    /// 0xe85250d6
    Two,
}

/// Kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ELF for the 80386.
    Elf32,
    /// ELF for x86-64; the kernel starts in 32-bit mode all the same.
    Elf64,
    /// No ELF: the multiboot header names the addresses.
    Addresses,
}

/// Where the file's first byte that is loaded goes: the header, and the code behind it.
const BASE: u32 = 0x10_0000;
/// Where that is in an ELF file.
const OFFSET: u32 = 0x1000;
const HEADER_BYTES: usize = 0x100;
/// The code's first instruction.
pub(super) const ENTRY: u32 = BASE + HEADER_BYTES as u32;

/// The kernel as a file.
pub fn image(version: Version, format: Format) -> Vec<u8> {
    let code = code::code();
    let size = (HEADER_BYTES + code.len()) as u32;
    let mut loaded = match version {
        Version::One => header1(format, size),
        Version::Two => header2(format, size),
    };
    loaded.resize(HEADER_BYTES, 0);
    loaded.extend(code);
    let mut file = match format {
        Format::Elf32 => elf32(size),
        Format::Elf64 => elf64(size),
        Format::Addresses => return loaded,
    };
    file.resize(OFFSET as usize, 0);
    file.extend(loaded);
    file
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Flags: modules on pages, memory information, and addresses if there are.
fn header1(format: Format, size: u32) -> Vec<u8> {
    const MAGIC: u32 = 0x1bad_b002;
    let flags = match format {
        Format::Addresses => 1 << 16 | 3,
        Format::Elf32 | Format::Elf64 => 3,
    };
    let checksum = 0_u32.wrapping_sub(MAGIC).wrapping_sub(flags);
    let addresses = [BASE, BASE, BASE + size, 0, ENTRY];
    [words(&[MAGIC, flags, checksum]), words(&addresses)].concat()
}

/// Tags: information request, module alignment, and addresses if there are.
fn header2(format: Format, size: u32) -> Vec<u8> {
    const MAGIC: u32 = 0xe852_50d6;
    let mut tags = vec![1, 24, 1, 3, 4, 6, 6, 8];
    if format == Format::Addresses {
        tags.extend([2, 24, BASE, BASE, BASE + size, 0, 3, 12, ENTRY, 0]);
    }
    tags.extend([0, 8]);
    let len = 16 + 4 * tags.len() as u32;
    let checksum = 0_u32.wrapping_sub(MAGIC).wrapping_sub(len);
    [words(&[MAGIC, 0, len, checksum]), words(&tags)].concat()
}

fn elf32(size: u32) -> Vec<u8> {
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, EM_386; version, entry, phoff, shoff, flags.
    file.extend([2_u8, 0, 3, 0]);
    file.extend(words(&[1, ENTRY, 52, 0, 0]));
    // ehsize, phentsize, phnum, shentsize, shnum, shstrndx.
    file.extend([52, 32, 1, 40, 0, 0].map(u16::to_le_bytes).concat());
    // PT_LOAD, offset, vaddr, paddr, filesz, memsz, flags, align.
    file.extend(words(&[1, OFFSET, BASE, BASE, size, size, 7, OFFSET]));
    file
}

fn elf64(size: u32) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, EM_X86_64; version, entry, phoff, shoff, flags.
    file.extend([2_u8, 0, 62, 0]);
    file.extend(words(&[1, ENTRY, 0, 64, 0, 0, 0, 0]));
    file.extend([64, 56, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
    // PT_LOAD, flags, offset, vaddr, paddr, filesz, memsz, align.
    file.extend(words(&[1, 7]));
    let fields = [OFFSET, BASE, BASE, size, size, OFFSET].map(u64::from);
    file.extend(fields.map(u64::to_le_bytes).concat());
    file
}
