//! Kernels: any file, and those whose headers pass the first look, so that what is behind it is
//! reached. One that is taken is also told what there is.

use super::smallest_memory;
use crate::boot::platform::Platform;
use crate::boot::{AcpiTables, Handover, KernelFile, Loaded, Module, hand_over, kernel, layout};
use crate::memory::{GuestMemory, MIN};
use std::io::Cursor;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

/// Loads the input as a kernel.
pub fn kernel(data: &[u8]) {
    boot(&mut Cursor::new(data));
}

/// Makes the input a multiboot header, with the magic number and checksum that it needs. Its first
/// byte chooses version and kind of file; for version 2, two bytes of header length follow.
pub fn multiboot(data: &[u8]) {
    let Some((choice, fields)) = data.split_first() else {
        return;
    };
    let mut file = match choice >> 1 & 3 {
        1 => elf(1, 3),
        2 => elf(2, 62),
        _ => Vec::new(),
    };
    file.resize(HEADER_AT, 0);
    let (magic, words) = match choice & 1 {
        0 => (0x1bad_b002_u32, vec![word(fields)]),
        _ => (0xe852_50d6, vec![0, word(fields) & 0xffff]),
    };
    let sum = words
        .iter()
        .fold(magic, |sum, word| sum.wrapping_add(*word));
    let header = [&[magic][..], &words, &[sum.wrapping_neg()]].concat();
    file.extend(header.iter().flat_map(|word| word.to_le_bytes()));
    file.extend(fields.get(4..).unwrap_or_default());
    boot(&mut Cursor::new(file));
}

/// Where [`multiboot`] puts the header.
const HEADER_AT: usize = 0x100;

/// An ELF file of that class and machine, its first 0x200 bytes loaded at 1 MiB.
fn elf(class: u8, machine: u8) -> Vec<u8> {
    let mut elf = vec![0; HEADER_AT + 0x100];
    elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
    elf[18] = machine;
    // Entry, phoff, phentsize, phnum; then PT_LOAD, paddr and the sizes.
    let fields: [(usize, u8); 8] = match class {
        1 => [
            (26, 0x10),
            (28, 52),
            (42, 32),
            (44, 1),
            (52, 1),
            (66, 0x10),
            (69, 1),
            (73, 2),
        ],
        _ => [
            (26, 0x10),
            (32, 64),
            (54, 56),
            (56, 1),
            (64, 1),
            (90, 0x10),
            (97, 1),
            (105, 2),
        ],
    };
    for (at, value) in fields {
        elf[at] = value;
    }
    elf.truncate(HEADER_AT);
    elf
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().copied().map_or(0, u32::from_le_bytes)
}

/// Makes the input a Linux setup header, with the magic numbers and flags that it needs, and what
/// follows it.
pub fn bzimage(data: &[u8]) {
    let mut file = vec![0; 0x1f1];
    file.extend(data);
    file.resize(file.len().max(0x26c), 0);
    file[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    file[0x202..0x206].copy_from_slice(b"HdrS");
    // Version 2.12 or newer, loaded high, 64-bit entry.
    file[0x206..0x208].copy_from_slice(&[0x0f, 2]);
    file[0x211] |= 1;
    file[0x236] |= 1;
    boot(&mut Cursor::new(file));
}

/// Loads a file: a kernel that is taken is wholly inside of memory, and so is what it is told.
fn boot(image: &mut impl KernelFile) {
    let memory = smallest_memory();
    let Ok(loaded) = kernel::load(&memory, image, None) else {
        return;
    };
    let _: u8 = memory
        .read_obj(GuestAddress(loaded.entry))
        .expect("the entry point is in memory");
    assert!(loaded.span.start >= layout::HIGH_MEMORY && loaded.span.start <= loaded.span.end);
    assert!(loaded.span.end <= MIN.0);
    tell(&memory, &loaded);
}

fn tell(memory: &GuestMemory, kernel: &Loaded) {
    let module = Module {
        range: kernel.span.end..kernel.span.end,
        words: "a module".to_owned(),
    };
    let handover = Handover {
        kernel,
        modules: &[module],
        cmdline: "a command line",
        platform: &Platform::default(),
        acpi: AcpiTables::Present,
    };
    // A kernel may refuse the command line, or have more sections than there is room for.
    let _ = hand_over(memory, &handover);
    assert!(memory.address_in_range(GuestAddress(kernel.entry)));
}
