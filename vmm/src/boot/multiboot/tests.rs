use super::*;
use crate::boot::platform::Platform;
use crate::boot::testing::{elf32, elf64, load, load_into, memory, put, words};
use crate::boot::{AcpiTables, Handover, Module, hand_over, layout};
use vm_memory::{Bytes, GuestAddress};

const MIB: u64 = 1 << 20;
/// "RSD PTR ".
const RSDP: [u32; 2] = [0x2044_5352, 0x2052_5450];

/// A header of version 1 with those fields behind the checksum.
fn header1(flags: u32, fields: &[u32]) -> Vec<u8> {
    let checksum = 0_u32.wrapping_sub(header1::MAGIC).wrapping_sub(flags);
    [words(&[header1::MAGIC, flags, checksum]), words(fields)].concat()
}

/// A header of version 2 with those tags, each padded, and the end.
fn header2(tags: &[&[u32]]) -> Vec<u8> {
    let mut body = tags.concat();
    body.extend([0, 8]);
    let len = 16 + 4 * body.len() as u32;
    let checksum = 0_u32.wrapping_sub(header2::MAGIC).wrapping_sub(len);
    [words(&[header2::MAGIC, 0, len, checksum]), words(&body)].concat()
}

fn with(mut file: Vec<u8>, at: usize, header: &[u8]) -> Vec<u8> {
    put(&mut file, at, header);
    file
}

fn fields(memory: &GuestMemory, at: u64, count: usize) -> Vec<u32> {
    let word = |i| memory.read_obj(GuestAddress(at + 4 * i as u64)).unwrap();
    (0..count).map(word).collect()
}

fn text(memory: &GuestMemory, at: u32) -> String {
    let mut bytes = [0; 64];
    memory
        .read_slice(&mut bytes, GuestAddress(at.into()))
        .unwrap();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap();
    String::from_utf8(bytes[..end].to_vec()).unwrap()
}

/// Loads it and tells it of one module.
fn boot(file: &[u8]) -> (GuestMemory, Loaded) {
    let memory = memory();
    let loaded = load_into(&memory, file).unwrap();
    let module = Module {
        range: 0x20_0000..0x20_0123,
        words: "first words".to_owned(),
    };
    let handover = Handover {
        kernel: &loaded,
        modules: &[module],
        cmdline: "one two",
        platform: &Platform::default(),
        acpi: AcpiTables::Present,
    };
    hand_over(&memory, &handover).unwrap();
    (memory, loaded)
}

#[test]
fn an_elf_kernel_of_either_class_with_either_header_is_loaded() {
    for elf in [elf32(), elf64()] {
        let loaded = load(&with(elf.clone(), 0xffc, &[])).ok();
        assert!(loaded.is_none_or(|l| matches!(l.protocol, Protocol::Linux64(_))));
        let first = load(&with(elf.clone(), 0x804, &header1(7, &[]))).unwrap();
        assert!(matches!(first.protocol, Protocol::Multiboot1(_)));
        let second = load(&with(elf, 0x808, &header2(&[]))).unwrap();
        assert!(matches!(second.protocol, Protocol::Multiboot2(_)));
        assert_eq!((first.entry, second.entry), (MIB + 0x100, MIB + 0x100));
    }
}

#[test]
fn the_information_of_version_1_says_what_there_is() {
    let (memory, _) = boot(&with(elf32(), 0x100, &header1(3, &[])));
    let info = fields(&memory, layout::BOOT_INFORMATION, 29);
    assert_eq!(info[0], 0x124d & !0x20 | 0x40, "flags {:#x}", info[0]);
    assert_eq!((info[1], info[2]), (639, 15 << 10));
    assert_eq!(text(&memory, info[4]), "one two");
    assert_eq!(info[5], 1);
    let module = fields(&memory, info[6].into(), 4);
    assert_eq!(module[..2], [0x20_0000, 0x20_0123]);
    assert_eq!(text(&memory, module[2]), "first words");
    assert_eq!(info[11], 24 * 3);
    let map = fields(&memory, info[12].into(), 18);
    assert_eq!(map[12..], [20, MIB as u32, 0, 15 << 20, 0, 1]);
    assert!(text(&memory, info[16]).starts_with("Hostel"));
    assert_eq!(info[22..28], [0xb_8000, 0, 160, 80, 25, 0x210]);
}

#[test]
fn the_information_of_version_2_is_a_list_of_tags_with_an_end() {
    let (memory, _) = boot(&with(elf64(), 0x100, &header2(&[])));
    let total = fields(&memory, layout::BOOT_INFORMATION, 1)[0];
    let mut tags = Vec::new();
    let mut at = layout::BOOT_INFORMATION + 8;
    loop {
        let head = fields(&memory, at, 6);
        tags.push(head[0]);
        match head[0] {
            1 => assert_eq!(text(&memory, at as u32 + 8), "one two"),
            3 => assert_eq!(head[2..4], [0x20_0000, 0x20_0123]),
            4 => assert_eq!(head[2..4], [639, 15 << 10]),
            6 => assert_eq!((head[1], head[2], head[3]), (16 + 72, 24, 0)),
            14 => assert_eq!((head[1], head[2..4].to_vec()), (28, RSDP.to_vec())),
            15 => assert_eq!((head[1], head[2..4].to_vec()), (44, RSDP.to_vec())),
            _ => {}
        }
        at += u64::from(head[1]).next_multiple_of(8);
        if head[0] == 0 {
            break;
        }
    }
    assert_eq!(at, layout::BOOT_INFORMATION + u64::from(total));
    assert_eq!(tags, [1, 2, 3, 4, 6, 8, 14, 15, 0]);
}

#[test]
fn addresses_in_the_header_stand_in_for_elf_headers() {
    // The header at 0x40 of the file is to be at 1 MiB + 0x40, the entry behind it.
    let base = MIB as u32;
    let addresses = [base + 0x40, base, base + 0x400, base + 0x3000, base + 0x60];
    let mut file = vec![0; 0x800];
    put(&mut file, 0x40, &header1(1 << 16, &addresses));
    file[0x3ff] = 7;
    file[0x400] = 8;
    let memory = memory();
    let loaded = load_into(&memory, &file).unwrap();
    assert_eq!((loaded.entry, loaded.span), (MIB + 0x60, MIB..MIB + 0x3000));
    let read = |at| memory.read_obj::<u8>(GuestAddress(MIB + at)).unwrap();
    assert_eq!((read(0x3ff), read(0x400)), (7, 0));
    let [header, load, load_end, bss_end, entry] = addresses;
    let tags = [
        &[2, 24, header, load, load_end, bss_end][..],
        &[3, 12, entry, 0],
    ];
    put(&mut file, 0x40, &header2(&tags));
    assert_eq!(load_into(&memory, &file).unwrap().entry, MIB + 0x60);
    // 0: all of the file, and no zeroes; all ones: from its start.
    put(
        &mut file,
        0x40,
        &header2(&[&[2, 24, header, u32::MAX, 0, 0], tags[1]]),
    );
    assert_eq!(load_into(&memory, &file).unwrap().span, MIB..MIB + 0x800);
}

#[test]
fn addresses_that_lie_are_named() {
    let base = MIB as u32;
    let good = [base + 0x40, base, base + 0x400, base + 0x3000, base + 0x60];
    for (field, value, words) in [
        (0, base - 1, "below the address"),
        (0, base + 0x41, "before the start of the file"),
        (1, base + 0x41, "below the address"),
        (2, base - 1, "before it begins"),
        (2, base + 0x801, "larger than the file"),
        (3, base + 0x3ff, "inside of its image"),
        (3, u32::MAX, "--memory"),
        (4, base + 0x3000, "entry point"),
        (4, 0, "entry point"),
    ] {
        let mut fields = good;
        fields[field] = value;
        let file = with(vec![0; 0x800], 0x40, &header1(1 << 16, &fields));
        let error = load(&file).unwrap_err().to_string();
        assert!(error.contains(words), "{field}: {error}");
    }
    let low = with(
        vec![0; 0x800],
        0x40,
        &header1(1 << 16, &[0x7040, 0x7000, 0, 0, 0x7060]),
    );
    assert!(matches!(load(&low), Err(KernelError::Ours { .. })));
}

#[test]
fn headers_that_ask_for_what_is_not_there_are_refused() {
    let refused = |header: &[u8], words: &str| {
        let error = load(&with(elf32(), 0x100, header)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(&header1(1 << 5, &[]), "flags 3 to 15");
    refused(&header2(&[&[11, 8]]), "asks for something");
    refused(&header2(&[&[1, 12, 22, 0]]), "asks for something");
    refused(&header2(&[&[3, 8]]), "too small");
    refused(&header2(&[&[10, 24, 0, u32::MAX, 0, 9]]), "preference");
    refused(&header2(&[&[6, 7]]), "impossible size");
    refused(&header2(&[&[6, 4000]]), "impossible size");
    // The header says that it ends before its end tag.
    let mut endless = header2(&[&[6, 8]]);
    put(
        &mut endless,
        8,
        &words(&[24, 0_u32.wrapping_sub(header2::MAGIC + 24)]),
    );
    refused(&endless, "no end tag");
    for mut header in [header1(0, &[]), header2(&[])] {
        header[4] ^= 1;
        refused(&header, "wrong checksum");
    }
    // Optional tags, and information that a PC may lack, are no reason.
    let tags: [&[u32]; 3] = [
        &[11 | 1 << 16, 8],
        &[1, 12, 5, 0],
        &[5, 20, 640, 480, 32, 0],
    ];
    assert!(load(&with(elf32(), 0x100, &header2(&tags))).is_ok());
    let mips = with(elf32(), 0x100, &{
        let sum = header2::MAGIC.wrapping_add(4 + 24);
        words(&[header2::MAGIC, 4, 24, 0_u32.wrapping_sub(sum), 0, 8])
    });
    assert!(
        load(&mips)
            .unwrap_err()
            .to_string()
            .contains("architecture")
    );
}

#[test]
fn an_image_that_can_be_elsewhere_is_and_is_told_where() {
    let at = |preference, min, max: u32| {
        let tag = [10, 24, min, max, 0x1000, preference];
        let (memory, loaded) = boot(&with(elf32(), 0x100, &header2(&[&tag])));
        let info = layout::BOOT_INFORMATION;
        let total = fields(&memory, info, 1)[0];
        let tail = fields(&memory, info + u64::from(total) - 24, 3);
        assert_eq!(tail[..2], [21, 12], "load base tag");
        assert_eq!(loaded.entry, u64::from(tail[2]) + 0x100);
        tail[2]
    };
    let base = MIB as u32;
    assert_eq!(at(0, 0, u32::MAX), base);
    assert_eq!(at(0, 0x30_0000, u32::MAX), 0x30_0000);
    assert_eq!(at(1, 0x20_0001, u32::MAX), 0x20_1000);
    assert_eq!(at(2, 0, 0x4f_ffff), 0x4f_e000);
    assert_eq!(at(2, 0, u32::MAX), (16 << 20) - 0x2000);
    let nowhere = [10, 24, 0x30_0000, 0x30_0000, 0x1000, 0];
    let error = load(&with(elf32(), 0x100, &header2(&[&nowhere]))).unwrap_err();
    assert!(error.to_string().contains("allows no place"), "{error}");
}

#[test]
fn sections_are_told_of_and_those_of_no_segment_are_loaded() {
    let mut elf = with(elf32(), 0x100, &header1(0, &[]));
    // Null, .text in a segment, .symtab in none.
    let sections = [
        [0; 10],
        [1, 1, 6, 0x10_0000, 0, 0x1000, 0, 0, 0, 0],
        [2, 2, 0, 0, 0x800, 0x20, 0, 0, 4, 16],
    ];
    put(&mut elf, 0x200, &words(sections.as_flattened()));
    put(&mut elf, 0x800, &[7; 0x20]);
    put(&mut elf, 32, &words(&[0x200]));
    put(&mut elf, 46, &[40, 0, 3, 0, 2, 0]);
    let (memory, loaded) = boot(&elf);
    let info = fields(&memory, layout::BOOT_INFORMATION, 12);
    assert_ne!(info[0] & 1 << 5, 0);
    assert_eq!((info[7], info[8], info[10]), (3, 40, 2));
    let table = fields(&memory, info[9].into(), 30);
    assert_eq!((table[13], table[23]), (0x10_0000, 0x10_2000));
    assert_eq!(
        memory.read_obj::<u32>(GuestAddress(0x10_2000)).unwrap(),
        0x0707_0707
    );
    assert_eq!(loaded.span.end, 0x10_2020);
    // A table that lies is none.
    put(&mut elf, 32, &words(&[0xffff_fff0]));
    assert!(load(&elf).is_ok());
}
