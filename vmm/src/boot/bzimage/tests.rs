use super::*;
use crate::boot::platform::Platform;
use crate::boot::testing::{elf64, load, load_into, memory, put, words};
use crate::boot::{AcpiTables, Handover, hand_over};
use vm_memory::{Bytes, GuestAddress};

const SETUP_BYTES: usize = 2 * 512;
const PREFERRED: u64 = 0x40_0000;

/// A bzImage: one sector of setup, 4 KiB of kernel, of which the last 2 are the payload.
fn image() -> Vec<u8> {
    let mut image = vec![0x90; SETUP_BYTES + 0x1000];
    image[..SETUP_BYTES].fill(0);
    let header = SetupHeader {
        setup_sects: 1,
        boot_flag: 0xaa55,
        // jmp over the header.
        jump: 0x6aeb,
        header: HDRS,
        version: 0x20f,
        loadflags: LOADED_HIGH,
        initrd_addr_max: 0x7fff_ffff,
        kernel_alignment: 0x20_0000,
        relocatable_kernel: 1,
        xloadflags: XLF_KERNEL_64,
        cmdline_size: 2047,
        payload_offset: 0x800,
        payload_length: 0x800,
        pref_address: PREFERRED,
        init_size: 0x10_0000,
        ..Default::default()
    };
    put(&mut image, 0x1f1, header.as_slice());
    image
}

/// The image with the bytes at an offset changed.
fn with(at: usize, bytes: &[u8]) -> Result<Loaded, KernelError> {
    let mut image = image();
    put(&mut image, at, bytes);
    load(&image)
}

#[test]
fn a_bzimage_goes_where_it_prefers_and_starts_at_its_64_bit_entry() {
    let memory = memory();
    let loaded = load_into(&memory, &image()).unwrap();
    assert_eq!(loaded.entry, PREFERRED + 0x200);
    assert_eq!(loaded.span, PREFERRED..PREFERRED + 0x10_0000);
    let read = |at| memory.read_obj::<u8>(GuestAddress(at)).unwrap();
    assert_eq!(read(PREFERRED), 0x90);
    assert_eq!(
        (read(PREFERRED + 0xfff), read(PREFERRED + 0x1000)),
        (0x90, 0)
    );
}

#[test]
fn one_that_can_be_moved_goes_to_the_lowest_place_if_it_must() {
    let high = 0x1000_0000_u64.to_le_bytes();
    assert_eq!(with(0x258, &high).unwrap().entry, 0x20_0200);
    let mut fixed = image();
    put(&mut fixed, 0x258, &high);
    fixed[0x234] = 0;
    assert!(matches!(load(&fixed), Err(KernelError::DoesNotFit { .. })));
}

#[test]
fn the_zero_page_holds_the_kernels_header_and_what_it_is_told() {
    let memory = memory();
    let loaded = load_into(&memory, &image()).unwrap();
    let hand = |cmdline| {
        let handover = Handover {
            kernel: &loaded,
            modules: &[],
            cmdline,
            platform: &Platform::default(),
            acpi: AcpiTables::Present,
        };
        hand_over(&memory, &handover)
    };
    hand("quiet").unwrap();
    let read = |at: u64| memory.read_obj::<u32>(GuestAddress(0x7000 + at)).unwrap();
    assert_eq!(read(0x202), HDRS);
    assert_eq!((read(0x206) as u16, read(0x260)), (0x20f, 0x10_0000));
    assert_eq!((read(0x210) as u8, read(0x228)), (0xff, 0x2_0000));
    assert!(
        hand(&"x".repeat(2048)).is_err(),
        "longer than the kernel takes"
    );
}

#[test]
fn a_header_of_an_older_protocol_ends_where_it_says() {
    // The header's own jump ends it before init_size; what follows is code.
    let loaded = with(0x201, &[0x5e]).unwrap();
    assert_eq!(loaded.span, PREFERRED..PREFERRED + 0x1000);
}

#[test]
fn an_uncompressed_payload_with_a_pvh_note_starts_by_pvh() {
    let mut elf = elf64();
    elf[56] = 2;
    elf[120] = 4;
    elf[129] = 2;
    elf[152] = 20;
    put(&mut elf, 0x200, &words(&[4, 4, 18, 0x006e_6558, 0x10_0200]));
    let mut image = image();
    put(&mut image, 0x24c, &(elf.len() as u32).to_le_bytes());
    image.truncate(SETUP_BYTES + 0x800);
    image.extend(elf);
    let memory = memory();
    let loaded = load_into(&memory, &image).unwrap();
    assert_eq!((loaded.entry, loaded.protocol), (0x10_0200, Protocol::Pvh));
    let word = memory.read_obj::<u32>(GuestAddress(0x10_0000)).unwrap();
    assert_eq!(word, 0x464c_457f);
}

#[test]
fn headers_that_lie_or_ask_for_the_impossible_are_named() {
    for (at, bytes, words) in [
        (0x206, &[1, 2][..], "before 2.12"),
        (0x211, &[0], "zImage"),
        (0x236, &[0], "no 64-bit entry"),
        (0x230, &[1, 0, 0x20], "no power of two"),
        (0x258, &[0, 0, 0, 0, 1, 0, 0, 0], ""),
        (0x1f1, &[200], "cut short"),
        (0x248, &[0xff; 4], "cut short"),
        (0x24c, &[0xff; 4], "cut short"),
        (0x260, &[0xff; 4], "--memory"),
    ] {
        match with(at, bytes) {
            Ok(loaded) => assert!(words.is_empty(), "{at:#x}: {loaded:?}"),
            Err(error) => assert!(error.to_string().contains(words), "{at:#x}: {error}"),
        }
    }
}

#[test]
fn an_image_cut_anywhere_is_an_error() {
    let image = image();
    for len in (0..image.len()).step_by(13) {
        assert!(load(&image[..len]).is_err(), "cut at {len}");
    }
}
