//! Resets, the diagnostic, what is saved, and what the function's configuration turns off.

use super::*;
use crate::bus::Width;
use crate::pci::PciFunction;
use crate::pci::config::COMMAND;

fn signature(driver: &Driver) {
    assert_eq!(driver.status(), status::IDLE);
    assert_eq!(driver.error(), 1);
    assert_eq!((driver.inb(0x1f2), driver.address()), (1, [1, 0, 0]));
    assert_eq!(driver.inb(0x1f6), 0);
}

#[test]
fn a_reset_ends_what_is_under_way_and_shows_the_signature() {
    let driver = Driver::with(&[DiskAccess::ReadWrite; 2]);
    driver.command(WRITE, LBA | DEV, 3, 2);
    driver.give(&[9; SECTOR + 100]);
    driver.edges();
    driver.out(0x3f6, 4);
    assert_eq!(driver.status(), status::BSY);
    driver.out(0x1f2, 0x77);
    driver.out(0x1f7, IDENTIFY);
    assert_eq!(driver.status(), status::BSY, "nothing is taken meanwhile");
    driver.out(0x3f6, 0);
    signature(&driver);
    driver.select(DEV);
    assert_eq!((driver.status(), driver.error()), (status::IDLE, 1));
    assert_eq!(driver.edges(), 0);
    driver.give(&[9; SECTOR]);
    let mut data = [0; SECTOR];
    driver.files[1]
        .read_exact_at(&mut data, 4 * SECTOR as u64)
        .unwrap();
    assert_eq!(data, contents(4), "what was not whole is not written");
    driver.command(SET_MULTIPLE, 0, 0, 8);
    driver.out(0x3f6, 4);
    driver.out(0x3f6, 0);
    driver.command(READ_MULTIPLE, LBA, 0, 1);
    driver.failed(error::ABRT);
}

#[test]
fn the_diagnostic_is_both_drives_and_selects_the_first() {
    for drives in [1, 2] {
        let driver = Driver::with(&[DiskAccess::ReadWrite].repeat(drives));
        driver.command(DIAGNOSTIC, DEV, 0x1234, 9);
        assert_eq!(driver.edges(), 1);
        signature(&driver);
    }
}

#[test]
fn a_transfer_goes_on_after_save_and_restore() {
    let driver = Driver::new();
    driver.command(READ, LBA, 5, 2);
    driver.status();
    driver.take(100);
    let state = driver.channel().lock().unwrap().save();
    let other = Driver::new();
    other.channel().lock().unwrap().restore(&state);
    assert_eq!(other.take(SECTOR - 100), contents(5)[100..]);
    assert_eq!(other.edges(), 1);
    assert_eq!(other.take(SECTOR), contents(6));
    assert_eq!(other.channel().lock().unwrap().save().selected, 0);
}

#[test]
fn ports_go_with_the_decode_bits() {
    let driver = Driver::new();
    let write = |offset, value| {
        let mut piix = driver.host.piix.lock().unwrap();
        piix.write_config(offset, Width::Word, value);
    };
    assert_eq!(driver.status(), status::IDLE);
    write(0x40, 0x0000);
    assert_eq!(driver.status(), 0xff);
    write(0x40, 0x8000);
    assert_eq!(driver.status(), status::IDLE);
    write(COMMAND, 4);
    assert_eq!(driver.status(), 0xff);
    driver.out(0x1f2, 9);
    write(COMMAND, 5);
    assert_eq!((driver.status(), driver.inb(0x1f2)), (status::IDLE, 1));
    let read = |offset, width| {
        let mut piix = driver.host.piix.lock().unwrap();
        piix.read_config(offset, width)
    };
    assert_eq!(read(0, Width::Dword), 0x7010_8086);
    assert_eq!(read(8, Width::Dword), 0x0101_8000);
    write(0x42, 0xffff);
    assert_eq!(
        read(0x42, Width::Word),
        0x7fff,
        "there is no second channel"
    );
    let state = driver.host.piix.lock().unwrap().save();
    let other = Driver::new();
    other.host.piix.lock().unwrap().restore(&state);
    assert_eq!(other.host.piix.lock().unwrap().save(), state);
}
