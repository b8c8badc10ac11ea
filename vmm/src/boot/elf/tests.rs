use super::*;
use crate::boot::layout::HIGH_MEMORY;
use crate::boot::testing::{elf32, elf64, load, load_into, memory, put, words};
use vm_memory::{Bytes, GuestAddress};

/// The 64-bit kernel with the bytes at an offset changed.
fn with(at: usize, bytes: &[u8]) -> Result<Loaded, KernelError> {
    let mut elf = elf64();
    put(&mut elf, at, bytes);
    load(&elf)
}

#[test]
fn a_kernel_without_a_note_starts_at_its_entry_by_the_64_bit_protocol() {
    let loaded = with(0, &[]).unwrap();
    assert_eq!(loaded.entry, HIGH_MEMORY + 0x100);
    assert_eq!(loaded.protocol, Protocol::Linux64(None));
    assert_eq!(loaded.span, HIGH_MEMORY..HIGH_MEMORY + 0x2000);
}

#[test]
fn a_virtual_entry_point_is_found_in_its_segment() {
    let mut elf = elf64();
    put(&mut elf, 24, &0xffff_ffff_8000_0100_u64.to_le_bytes());
    put(&mut elf, 64 + 16, &0xffff_ffff_8000_0000_u64.to_le_bytes());
    assert_eq!(load(&elf).unwrap().entry, HIGH_MEMORY + 0x100);
}

#[test]
fn a_kernel_with_the_pvh_note_starts_there_32_bit_or_64_bit() {
    let note = words(&[4, 4, 18, 0x006e_6558, 0x10_0200]);
    let mut elf = elf64();
    elf[56] = 2;
    elf[120] = 4;
    elf[129] = 2;
    elf[152] = 20;
    put(&mut elf, 0x200, &note);
    let mut small = elf32();
    small[44] = 2;
    small[84] = 4;
    small[89] = 2;
    small[100] = 20;
    put(&mut small, 0x200, &note);
    for file in [elf, small] {
        let loaded = load(&file).unwrap();
        assert_eq!((loaded.entry, loaded.protocol), (0x10_0200, Protocol::Pvh));
    }
}

#[test]
fn notes_that_lie_are_none() {
    for note in [
        &[u32::MAX, 4, 18][..],
        &[4, u32::MAX, 18, 0x006e_6558],
        &[4, 2, 18, 0x006e_6558, 0x10_0200],
        &[],
    ] {
        assert_eq!(find_pvh_note(&words(note), 4), None);
    }
}

#[test]
fn a_segment_in_free_memory_below_1_mib_is_loaded() {
    let mut elf = elf64();
    put(&mut elf, 24, &0x1_0010_u64.to_le_bytes());
    put(&mut elf, 64 + 24, &0x1_0000_u64.to_le_bytes());
    let memory = memory();
    let loaded = load_into(&memory, &elf).unwrap();
    assert_eq!(loaded.entry, 0x1_0010);
    assert_eq!(loaded.span, HIGH_MEMORY..HIGH_MEMORY);
    assert_eq!(
        memory.read_obj::<u32>(GuestAddress(0x1_0000)).unwrap(),
        0x464c_457f
    );
}

#[test]
fn memory_that_is_taken_is_named() {
    for (at, name) in [
        (0_u64, "interrupt vectors"),
        (0x7000, "boot information"),
        (0x2_f000, "the command line"),
        (0x9_f000, "BIOS data area"),
        (0xb_8000, "video memory"),
        (0xf_ff00, "firmware"),
    ] {
        let error = with(64 + 24, &at.to_le_bytes()).unwrap_err();
        assert!(matches!(error, KernelError::Ours { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn elf_files_for_others_are_refused() {
    for (at, byte) in [(4, 1), (4, 3), (5, 2), (18, 40)] {
        let error = with(at, &[byte]).unwrap_err();
        assert!(matches!(error, KernelError::WrongMachine), "{error:?}");
    }
}

#[test]
fn headers_that_lie_are_named() {
    let max = u64::MAX.to_le_bytes();
    let header = |at, bytes: &[u8]| {
        let error = with(at, bytes).unwrap_err();
        assert!(matches!(error, KernelError::Elf(_)), "{error:?}");
    };
    header(32, &max);
    header(54, &[1, 0]);
    header(56, &[0xff, 0xff]);
    header(64 + 32, &max);
    let error = with(64 + 8, &max).unwrap_err();
    assert!(matches!(error, KernelError::Truncated { .. }), "{error:?}");
    for at in [64 + 24, 64 + 40] {
        let error = with(at, &max).unwrap_err();
        assert!(matches!(error, KernelError::DoesNotFit { .. }), "{error:?}");
    }
    assert!(matches!(with(24, &[0; 8]), Err(KernelError::Entry(0))));
    assert!(matches!(with(56, &[0]), Err(KernelError::Entry(_))));
}

#[test]
fn a_kernel_cut_anywhere_is_an_error() {
    for elf in [elf64(), elf32()] {
        for len in (0..elf.len()).step_by(7) {
            assert!(load(&elf[..len]).is_err(), "cut at {len}");
        }
    }
}
