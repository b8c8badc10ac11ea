use super::*;
use crate::boot::testing::{elf32, elf64, load, memory, put, words};
use std::io::Cursor;
use vm_memory::{Bytes, GuestAddress};

#[test]
fn what_is_no_kernel_is_named() {
    let mut boot_sector = vec![0; 512];
    put(&mut boot_sector, 510, b"\x55\xaa");
    let mut cd = vec![0; 0x9000];
    put(&mut cd, 0x8001, b"CD001");
    let files: [(&[u8], &str); 7] = [
        (b"", "empty"),
        (b"#!/bin/sh\n", "no kernel"),
        (&[0; 40_000], "no kernel"),
        (b"\x1f\x8b\x08\0\0\0", "gzip"),
        (b"MZ\x90\0", "EFI"),
        (&boot_sector, "--flat 0x7c00"),
        (&cd, "CD"),
    ];
    for (file, word) in files {
        let error = load(file).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// Puts a multiboot 1 header, a multiboot 2 header and a PVH note into an ELF64 file.
fn all_ways() -> Vec<u8> {
    let mut elf = elf64();
    put(
        &mut elf,
        0x300,
        &words(&[0x1bad_b002, 0, 0x1bad_b002_u32.wrapping_neg()]),
    );
    let sum = 0xe852_50d6_u32 + 24;
    put(
        &mut elf,
        0x400,
        &words(&[0xe852_50d6, 0, 24, sum.wrapping_neg(), 0, 8]),
    );
    elf[56] = 2;
    elf[120] = 4;
    elf[129] = 2;
    elf[152] = 20;
    put(&mut elf, 0x200, &words(&[4, 4, 18, 0x006e_6558, 0x10_0200]));
    elf
}

#[test]
fn of_several_ways_to_start_pvh_wins_then_multiboot_2_then_1_then_linux() {
    let mut elf = all_ways();
    let mut protocols = Vec::new();
    for way in [0x208, 0x400, 0x300, 0] {
        protocols.push(load(&elf).unwrap().protocol.name());
        // Spoils what has just won.
        elf[way] ^= 0xff;
    }
    assert_eq!(
        protocols,
        ["PVH", "multiboot2", "multiboot", "64-bit Linux"]
    );
}

#[test]
fn a_32_bit_elf_file_that_does_not_say_how_it_starts_is_refused() {
    assert!(matches!(load(&elf32()), Err(KernelError::NoWay)));
}

#[test]
fn a_flat_image_lies_where_the_user_says() {
    let load = |file: &[u8], address| {
        let memory = memory();
        let loaded = super::load(&memory, &mut Cursor::new(file), Some(address));
        loaded.map(|loaded| (loaded, memory))
    };
    let (loaded, memory) = load(&[7; 512], 0x7c00).unwrap();
    assert_eq!((loaded.entry, &loaded.protocol), (0x7c00, &Protocol::Flat));
    assert_eq!(memory.read_obj::<u8>(GuestAddress(0x7dff)).unwrap(), 7);
    for (file, address) in [
        (&[7; 512][..], 0x500),
        (&[7; 512], 0x9_fb00),
        (&[7; 512], u64::MAX),
        (&[7; 700_000], 0x7c00),
    ] {
        assert!(matches!(load(file, address), Err(KernelError::Flat { .. })));
    }
    assert!(matches!(
        load(&[], 0x7c00),
        Err(KernelError::NoKernel("empty"))
    ));
}
