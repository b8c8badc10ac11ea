//! Commands and data by the ports.

use super::*;

#[test]
fn sectors_are_read_with_an_interrupt_each() {
    let driver = Driver::new();
    driver.command(READ, LBA, 5, 3);
    for sector in 5..8 {
        assert_eq!(driver.edges(), 1);
        assert_eq!(driver.status(), status::IDLE | status::DRQ);
        assert_eq!(driver.take(SECTOR), contents(sector));
    }
    assert_eq!((driver.edges(), driver.status()), (0, status::IDLE));
    assert_eq!(driver.address(), [7, 0, 0], "the last sector");
    assert_eq!(driver.inb(0x1f2), 0, "none are left");
    assert_eq!(driver.refused(), 0);
}

#[test]
fn an_interrupt_that_nobody_acknowledges_is_not_repeated() {
    let driver = Driver::new();
    driver.command(READ, LBA, 5, 3);
    driver.take(SECTOR);
    assert_eq!(driver.alternate_status(), status::IDLE | status::DRQ);
    driver.take(SECTOR);
    assert_eq!(driver.edges(), 1);
    driver.status();
    driver.command(READ, LBA, 5, 1);
    assert_eq!(driver.edges(), 1);
}

#[test]
fn the_data_port_takes_dwords_and_bytes_too() {
    let driver = Driver::new();
    driver.command(READ, LBA, 1, 1);
    let mut data = [0; SECTOR];
    let (dwords, bytes) = data.split_at_mut(SECTOR - 4);
    dwords.chunks_mut(4).for_each(|dword| {
        driver.pio().read(0x1f0, dword);
    });
    bytes.iter_mut().for_each(|byte| *byte = driver.inb(0x1f0));
    assert_eq!(data, contents(1));
}

#[test]
fn sectors_are_written_with_an_interrupt_after_each() {
    let driver = Driver::new();
    driver.command(WRITE, LBA, 9, 2);
    assert_eq!(driver.edges(), 0, "the first is waited for without");
    for fill in [0xa1, 0xa2] {
        assert_eq!(driver.alternate_status(), status::IDLE | status::DRQ);
        driver.give(&[fill; SECTOR]);
        assert_eq!(driver.edges(), 1);
        driver.status();
    }
    assert_eq!(driver.status(), status::IDLE);
    let expected = [contents(8).to_vec(), vec![0xa1; SECTOR], vec![0xa2; SECTOR]].concat();
    assert_eq!(driver.file(8..11), expected);
    assert_eq!(driver.file(11..12), contents(11));
}

#[test]
fn blocks_of_multiple_mode_have_one_interrupt() {
    let driver = Driver::new();
    driver.command(READ_MULTIPLE, LBA, 0, 4);
    driver.failed(error::ABRT);
    driver.command(SET_MULTIPLE, 0, 0, 4);
    assert_eq!(driver.status(), status::IDLE);
    driver.edges();
    driver.command(READ_MULTIPLE, LBA, 2, 6);
    assert_eq!((driver.edges(), driver.status() & status::DRQ), (1, 8));
    assert_eq!(driver.take(4 * SECTOR), all(2..6));
    assert_eq!(driver.edges(), 1);
    driver.status();
    assert_eq!(driver.take(2 * SECTOR), all(6..8));
    assert_eq!((driver.edges(), driver.status()), (0, status::IDLE));
    driver.command(WRITE_MULTIPLE, LBA, 2, 5);
    driver.give(&[1; 4 * SECTOR]);
    assert_eq!(driver.edges(), 1);
    driver.status();
    driver.give(&[2; SECTOR]);
    assert_eq!((driver.edges(), driver.status()), (1, status::IDLE));
    assert_eq!(driver.file(2..6), [1; 4 * SECTOR]);
    assert_eq!(driver.file(6..7), [2; SECTOR]);
    assert_eq!(driver.file(7..8), contents(7));
    for odd in [3, 32, 255] {
        driver.command(SET_MULTIPLE, 0, 0, odd);
        driver.failed(error::ABRT);
    }
}

#[test]
fn addresses_of_48_bits_come_in_two_writes_and_are_read_back_by_hob() {
    let driver = Driver::new();
    driver.command_ext(READ_EXT, 0x0203, 1);
    assert_eq!(driver.take(SECTOR), contents(0x0203));
    driver.command_ext(READ_EXT, 0x0a0b_0c0d_0e0f, 0x0102);
    driver.failed(error::IDNF);
    assert_eq!(driver.address(), [0x0f, 0x0e, 0x0d]);
    driver.out(0x3f6, 0x80);
    assert_eq!(driver.address(), [0x0c, 0x0b, 0x0a]);
    assert_eq!(driver.inb(0x1f2), 1);
    driver.out(0x1f2, 7);
    assert_eq!(driver.inb(0x1f2), 7, "a write ends that");
}

#[test]
fn a_count_of_zero_is_the_most() {
    let driver = Driver::new();
    driver.command(VERIFY, LBA, DISK_SECTORS as u32 - 256, 0);
    assert_eq!(driver.status(), status::IDLE);
    assert_eq!(driver.address(), [0xff, 0x07, 0]);
    driver.command(VERIFY, LBA, DISK_SECTORS as u32 - 255, 0);
    driver.failed(error::IDNF);
    driver.command_ext(0x42, 0, 0);
    driver.failed(error::IDNF);
}

#[test]
fn old_drivers_count_cylinders_heads_and_sectors() {
    let driver = Driver::new();
    // Head 2, sector 5: (0 * 16 + 2) * 63 + 4.
    driver.command(READ, 2, 5, 1);
    assert_eq!(driver.take(SECTOR), contents(130));
    assert_eq!(driver.address(), [5, 0, 0]);
    // From now on 4 heads and 10 sectors: cylinder 3, head 1, sector 10.
    driver.command(SET_GEOMETRY, 3, 0, 10);
    assert_eq!(driver.status(), status::IDLE);
    driver.command(READ, 1, 3 << 8 | 10, 2);
    assert_eq!(driver.take(2 * SECTOR), all(139..141));
    assert_eq!(driver.address(), [1, 3, 0], "of the next head");
    assert_eq!(driver.inb(0x1f6), 2);
    for (head, sector) in [(0, 0), (0, 11), (4, 1)] {
        driver.command(READ, head, sector, 1);
        driver.failed(error::IDNF);
    }
    driver.command(SET_GEOMETRY, 3, 0, 0);
    driver.failed(error::ABRT);
}

#[test]
fn identify_says_what_the_drive_is() {
    let driver = Driver::new();
    driver.command(SET_MULTIPLE, 0, 0, 8);
    driver.command(SET_FEATURES, 0, 0, 0);
    driver.failed(error::ABRT);
    driver.out(0x1f1, 0x03);
    driver.command(SET_FEATURES, 0, 0, 0x22);
    driver.out(0x1f1, 0x82);
    driver.command(SET_FEATURES, 0, 0, 0);
    assert_eq!(driver.status(), status::IDLE);
    driver.command(IDENTIFY, 0, 0, 0);
    let data = driver.take(SECTOR);
    let word = |at: usize| u16::from_le_bytes([data[2 * at], data[2 * at + 1]]);
    assert_eq!([word(1), word(3), word(6)], [2, 16, 63]);
    assert_eq!(word(59), 0x108, "blocks of 8");
    assert_eq!([word(60), word(61)], [2048, 0]);
    assert_eq!(
        [word(100), word(101), word(102), word(103)],
        [2048, 0, 0, 0]
    );
    assert_eq!(word(63), 0x407, "multiword DMA 2 is chosen");
    assert_eq!(word(83) & 1 << 10, 1 << 10, "48 bits");
    assert_eq!((word(82) & 1 << 5, word(85) & 1 << 5), (1 << 5, 0), "cache");
    let model: Vec<u8> = data[54..94].chunks(2).flat_map(|w| [w[1], w[0]]).collect();
    assert!(model.starts_with(b"HOSTEL DISK "), "{model:?}");
    let serial: Vec<u8> = data[20..40].chunks(2).flat_map(|w| [w[1], w[0]]).collect();
    assert!(serial.starts_with(b"disk0 "), "{serial:?}");
    let sum = data.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    assert_eq!((data[510], sum), (0xa5, 0));
    assert_eq!(driver.status(), status::IDLE);
}

#[test]
fn features_and_modes_that_it_has_not_are_aborted() {
    let driver = Driver::new();
    for (feature, value) in [
        (0x03, 0x40),
        (0x03, 0x23),
        (0x03, 0x0d),
        (0x05, 1),
        (0x66, 0),
    ] {
        driver.out(0x1f1, feature);
        driver.command(SET_FEATURES, 0, 0, value);
        driver.failed(error::ABRT);
    }
    driver.out(0x1f1, 0x03);
    driver.command(SET_FEATURES, 0, 0, 0x0c);
    assert_eq!(driver.status(), status::IDLE);
}

#[test]
fn a_drive_that_stands_by_says_so_until_it_is_used() {
    let driver = Driver::new();
    let power = || {
        driver.command(CHECK_POWER, 0, 0, 0);
        assert_eq!(driver.status(), status::IDLE);
        driver.inb(0x1f2)
    };
    assert_eq!(power(), 0xff);
    driver.command(STANDBY, 0, 0, 0);
    assert_eq!(power(), 0);
    driver.command(READ, LBA, 0, 1);
    assert_eq!(power(), 0xff);
}

#[test]
fn a_flush_ends_with_an_interrupt_and_nop_and_the_unknown_are_aborted() {
    let driver = Driver::new();
    driver.command(FLUSH, 0, 0, 0);
    assert_eq!((driver.edges(), driver.status()), (1, status::IDLE));
    for code in [0x00, 0x08, 0x80, 0xa0, 0xa1, 0xb0, 0xf8, 0xff] {
        driver.command(code, 0, 0, 0);
        assert_eq!(driver.edges(), 1, "{code:#x}");
        driver.failed(error::ABRT);
    }
}

#[test]
fn interrupts_wait_while_they_are_off() {
    let driver = Driver::new();
    driver.out(0x3f6, 2);
    driver.command(READ, LBA, 0, 1);
    assert_eq!(driver.alternate_status(), status::IDLE | status::DRQ);
    assert_eq!(driver.edges(), 0);
    driver.out(0x3f6, 0);
    assert_eq!(driver.edges(), 1);
    driver.out(0x3f6, 2);
    driver.status();
    driver.out(0x3f6, 0);
    assert_eq!(driver.edges(), 0, "the status was read");
}

#[test]
fn each_drive_has_its_own_contents_and_interrupt() {
    let driver = Driver::with(&[DiskAccess::ReadWrite; 2]);
    driver.files[1]
        .write_all_at(&[7; SECTOR], 3 * SECTOR as u64)
        .unwrap();
    driver.command(READ, LBA | DEV, 3, 1);
    assert_eq!(driver.edges(), 1);
    driver.select(LBA);
    assert_eq!(
        driver.status(),
        status::IDLE,
        "the other has nothing to say"
    );
    driver.select(LBA | DEV);
    assert_eq!(driver.edges(), 1, "and this one still does");
    assert_eq!(driver.take(SECTOR), [7; SECTOR]);
    driver.command(READ, LBA, 3, 1);
    assert_eq!(driver.take(SECTOR), contents(3));
}

#[test]
fn a_drive_that_is_not_there_is_answered_for_and_does_nothing() {
    let driver = Driver::new();
    driver.command(IDENTIFY, DEV, 0x55, 0x66);
    assert_eq!((driver.status(), driver.alternate_status()), (0, 0));
    assert_eq!((driver.inb(0x1f2), driver.inb(0x1f3)), (0x66, 0x55));
    assert_eq!(driver.inb(0x1f6), DEV);
    assert_eq!(driver.edges(), 0);
    driver.select(0);
    assert_eq!(driver.status(), status::IDLE);
}
