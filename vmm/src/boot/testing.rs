//! Kernel files for the tests of the loaders.

use super::kernel::{self, KernelError, Loaded};
use super::layout::HIGH_MEMORY;
use crate::memory::{GuestMemory, MIN, create};
use std::io::Cursor;

/// An ELF64 file of one segment: its bytes 0..0x1000 at 1 MiB, as much of zeroes behind them,
/// entry at 1 MiB + 0x100.
pub(super) fn elf64() -> Vec<u8> {
    let mut elf = vec![0_u8; 0x1000];
    elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
    elf[16] = 2;
    elf[18] = 62;
    put(&mut elf, 24, &(HIGH_MEMORY + 0x100).to_le_bytes());
    elf[32] = 64;
    elf[54] = 56;
    elf[56] = 1;
    elf[64] = 1;
    for (at, value) in [
        (16, HIGH_MEMORY),
        (24, HIGH_MEMORY),
        (32, 0x1000),
        (40, 0x2000),
    ] {
        put(&mut elf, 64 + at, &value.to_le_bytes());
    }
    elf
}

/// The same as ELF32, its program header at 52.
pub(super) fn elf32() -> Vec<u8> {
    let mut elf = vec![0_u8; 0x1000];
    elf[..6].copy_from_slice(b"\x7fELF\x01\x01");
    elf[16] = 2;
    elf[18] = 3;
    put(&mut elf, 24, &(HIGH_MEMORY as u32 + 0x100).to_le_bytes());
    elf[28] = 52;
    elf[42] = 32;
    elf[44] = 1;
    elf[52] = 1;
    for (at, value) in [
        (8, HIGH_MEMORY),
        (12, HIGH_MEMORY),
        (16, 0x1000),
        (20, 0x2000),
    ] {
        put(&mut elf, 52 + at, &(value as u32).to_le_bytes());
    }
    elf
}

/// Bytes at an offset.
pub(super) fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Little-endian words.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Loads a file into the smallest memory.
pub(super) fn load(file: &[u8]) -> Result<Loaded, KernelError> {
    load_into(&memory(), file)
}

/// The smallest memory.
pub(super) fn memory() -> GuestMemory {
    create(MIN).unwrap()
}

/// Loads a file.
pub(super) fn load_into(memory: &GuestMemory, file: &[u8]) -> Result<Loaded, KernelError> {
    kernel::load(memory, &mut Cursor::new(file), None)
}
