//! Drivers against the manual, and disks that break.
#![expect(
    unsafe_code,
    reason = "a file that refuses writes is made by memfd_create"
)]

use super::*;
use std::os::fd::{AsRawFd, FromRawFd};

#[test]
fn the_data_port_gives_ones_and_takes_nothing_when_nothing_is_pending() {
    let driver = Driver::new();
    assert_eq!(driver.take(4), [0xff; 4]);
    driver.give(&[0; 4]);
    assert_eq!(driver.refused(), 4);
    driver.command(WRITE, LBA, 0, 1);
    assert_eq!(driver.take(2), [0xff; 2], "the wrong way");
    driver.command(READ, LBA, 0, 1);
    driver.give(&[1; 2]);
    driver.select(LBA | DEV);
    assert_eq!(driver.take(2), [0xff; 2], "nobody is there");
    driver.select(LBA);
    assert_eq!(driver.take(SECTOR), contents(0));
    assert_eq!(driver.file(0..1), contents(0));
}

#[test]
fn a_command_in_mid_transfer_gives_the_transfer_up() {
    let driver = Driver::new();
    driver.command(WRITE, LBA, 0, 1);
    driver.give(&[1; SECTOR - 2]);
    driver.command(READ, LBA, 3, 1);
    assert_eq!(driver.refused(), 1);
    assert_eq!(driver.take(SECTOR), contents(3));
    assert_eq!(driver.file(0..1), contents(0));
}

#[test]
fn sectors_past_the_end_are_not_found() {
    let driver = Driver::new();
    let last = DISK_SECTORS as u32 - 1;
    for (lba, count) in [(last, 2), (last + 1, 1), (0x0fff_ffff, 0)] {
        for code in [READ, WRITE, READ_DMA, WRITE_DMA, VERIFY] {
            driver.command(code, LBA, lba, count);
            driver.failed(error::IDNF);
        }
    }
    driver.command_ext(READ_EXT, u64::MAX >> 16, 0);
    driver.failed(error::IDNF);
    driver.command(READ, LBA, last, 1);
    assert_eq!(driver.take(SECTOR), contents(last.into()));
}

#[test]
fn a_read_only_disk_takes_no_writes() {
    let driver = Driver::with(&[DiskAccess::ReadOnly]);
    for code in [WRITE, WRITE_DMA, 0x34, 0x35] {
        driver.command(code, LBA, 0, 1);
        driver.failed(error::ABRT);
        driver.give(&[1; 4]);
    }
    assert_eq!(driver.file(0..1), contents(0));
    driver.command(READ, LBA, 0, 1);
    assert_eq!(driver.take(SECTOR), contents(0));
}

#[test]
fn a_disk_that_has_shrunk_names_the_first_sector_that_is_gone() {
    let driver = Driver::new();
    driver.files[0].set_len(10 * SECTOR as u64 + 7).unwrap();
    driver.command(SET_MULTIPLE, 0, 0, 8);
    driver.command(READ_MULTIPLE, LBA, 4, 8);
    driver.failed(error::UNC);
    assert_eq!(driver.address(), [10, 0, 0]);
    driver.command(VERIFY, LBA, 0, 20);
    driver.failed(error::UNC);
    assert_eq!(driver.address(), [10, 0, 0]);
    driver.command(READ, LBA, 9, 1);
    assert_eq!(driver.take(SECTOR), contents(9));
    let list = [0x8000_u32.to_le_bytes(), (1_u32 << 31).to_le_bytes()].concat();
    driver.set_memory(0x1000, &list);
    driver
        .pio()
        .write(BUS_MASTER + 4, &0x1000_u32.to_le_bytes());
    driver.status();
    driver.edges();
    driver.command(READ_DMA, LBA, 6, 8);
    driver.out(BUS_MASTER, 9);
    driver.wait();
    driver.failed(error::UNC);
    assert_eq!(driver.address(), [10, 0, 0]);
    assert_eq!(
        driver.memory(0x8000, 4 * SECTOR),
        all(6..10),
        "what there is"
    );
    driver.out(BUS_MASTER, 0);
    driver
        .pio()
        .write(BUS_MASTER + 4, &0x1000_u32.to_le_bytes());
    driver.status();
    driver.edges();
    driver.command(WRITE_DMA, LBA, 8, 4);
    driver.out(BUS_MASTER, 1);
    driver.wait();
    driver.failed(error::ABRT);
    assert_eq!(driver.address(), [10, 0, 0]);
    let left = driver.files[0].metadata().unwrap().len();
    assert_eq!(left, 10 * SECTOR as u64 + 7, "it has grown again");
}

/// A disk in memory, and what makes all writes to it fail from now on.
fn disk_that_breaks() -> (DiskFile, impl Fn()) {
    // SAFETY: a name that ends with a zero, and a descriptor that is nobody else's.
    let file = unsafe {
        let fd = libc::memfd_create(c"disk".as_ptr(), libc::MFD_ALLOW_SEALING);
        assert!(fd >= 0);
        File::from_raw_fd(fd)
    };
    file.write_all_at(&all(0..16), 0).unwrap();
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let disk = DiskFile::open(Path::new(&path), DiskAccess::ReadWrite).unwrap();
    let seal = move || {
        // SAFETY: plain numbers.
        let sealed =
            unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) };
        assert_eq!(sealed, 0);
    };
    (disk, seal)
}

#[test]
fn writes_that_the_host_refuses_are_aborted_at_their_sector() {
    let (disk, break_it) = disk_that_breaks();
    let mut driver = Driver::new();
    driver.host = Host::new(vec![disk]);
    driver.command(WRITE, LBA, 2, 2);
    driver.give(&[1; SECTOR]);
    break_it();
    driver.give(&[1; SECTOR]);
    driver.failed(error::ABRT);
    assert_eq!(driver.address(), [3, 0, 0]);
    let list = [0x8000_u32.to_le_bytes(), (1_u32 << 31).to_le_bytes()].concat();
    driver.set_memory(0x1000, &list);
    driver
        .pio()
        .write(BUS_MASTER + 4, &0x1000_u32.to_le_bytes());
    driver.edges();
    driver.command(WRITE_DMA, LBA, 6, 8);
    driver.out(BUS_MASTER, 1);
    driver.wait();
    driver.failed(error::ABRT);
    assert_eq!(driver.address(), [6, 0, 0]);
    driver.command(READ, LBA, 2, 2);
    assert_eq!(driver.take(SECTOR), [1; SECTOR]);
    assert_eq!(driver.take(SECTOR), contents(3));
}
