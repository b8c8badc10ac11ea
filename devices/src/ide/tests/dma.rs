//! Transfers by the controller.

use super::*;
use crate::bus::Width;
use crate::pci::PciFunction;
use crate::pci::config::COMMAND;

const LIST: u32 = 0x1000;
const DATA: u32 = 0x8000;
const END: u32 = 1 << 31;
const INTO_MEMORY: u8 = 8;
const START: u8 = 1;
/// Both drives bits of the status with one drive.
const CAPABLE: u8 = 0x20;
const ACTIVE: u8 = 1;
const ERROR: u8 = 2;
const INTERRUPT: u8 = 4;

impl Driver {
    /// Tells the controller of a list with these entries.
    fn list(&self, entries: &[(u32, u32)]) {
        let words = entries.iter().flat_map(|(gpa, count)| [*gpa, *count]);
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        self.set_memory(LIST.into(), &bytes);
        self.pio().write(BUS_MASTER + 4, &LIST.to_le_bytes());
    }

    fn start(&self, direction: u8) {
        self.out(BUS_MASTER, direction);
        self.out(BUS_MASTER, direction | START);
    }

    fn bus_master_status(&self) -> u8 {
        self.inb(BUS_MASTER + 2)
    }

    /// The controller's side of the end, as a driver does it.
    fn stop(&self) {
        self.out(BUS_MASTER, 0);
        self.out(BUS_MASTER + 2, CAPABLE | ERROR | INTERRUPT);
        assert_eq!(self.bus_master_status(), CAPABLE);
    }

    fn transfer(&self, code: u8, lba: u32, count: u8, direction: u8) {
        self.command(code, LBA, lba, count);
        self.start(direction);
        self.wait();
    }
}

#[test]
fn sectors_go_where_the_list_says() {
    let driver = Driver::new();
    driver.list(&[(DATA + 2, 0x302), (DATA + 0x2000, END | 0xfe)]);
    driver.transfer(READ_DMA, 20, 2, INTO_MEMORY);
    assert_eq!(driver.bus_master_status(), CAPABLE | INTERRUPT);
    assert_eq!(driver.status(), status::IDLE);
    let expected = all(20..22);
    assert_eq!(driver.memory(u64::from(DATA) + 2, 0x302), expected[..0x302]);
    assert_eq!(
        driver.memory(u64::from(DATA) + 0x2000, 0xfe),
        expected[0x302..]
    );
    assert_eq!(
        driver.memory(u64::from(DATA) + 0x20fe, 2),
        [0, 0],
        "no more"
    );
    driver.stop();
    assert_eq!((driver.refused(), driver.edges()), (0, 0));
}

#[test]
fn sectors_come_from_where_the_list_says_and_a_count_of_0_is_64_kib() {
    let driver = Driver::new();
    let data: Vec<u8> = (0..0x1_0000_u32).map(|at| (at / 3) as u8).collect();
    driver.set_memory(0x2_0000, &data);
    driver.list(&[(0x2_0000, END)]);
    driver.command_ext(0x35, 100, 128);
    driver.start(0);
    driver.wait();
    assert_eq!(driver.bus_master_status(), CAPABLE | INTERRUPT);
    assert_eq!(driver.status(), status::IDLE);
    assert_eq!(driver.file(100..228), data);
    assert_eq!(driver.file(228..229), contents(228));
    assert_eq!(driver.address(), [227, 0, 0]);
}

#[test]
fn a_list_longer_than_the_transfer_leaves_the_controller_active() {
    let driver = Driver::new();
    driver.list(&[(DATA, 0x800), (DATA, END | 0x800)]);
    driver.transfer(READ_DMA, 0, 3, INTO_MEMORY);
    assert_eq!(driver.bus_master_status(), CAPABLE | INTERRUPT | ACTIVE);
    driver.stop();
    assert_eq!(driver.memory(DATA.into(), 3 * SECTOR), all(0..3));
}

#[test]
fn a_list_shorter_than_the_transfer_ends_without_an_interrupt() {
    let driver = Driver::new();
    driver.list(&[(DATA, END | 0x3fe)]);
    driver.command(READ_DMA, LBA, 0, 3);
    driver.start(INTO_MEMORY);
    driver.wait_inactive();
    assert_eq!(driver.bus_master_status(), CAPABLE);
    assert_eq!(driver.alternate_status(), status::IDLE | status::DRQ);
    assert_eq!((driver.edges(), driver.refused()), (0, 1));
    assert_eq!(driver.memory(DATA.into(), SECTOR), contents(0));
    assert_eq!(
        driver.memory(u64::from(DATA) + 512, 512),
        [0; 512],
        "whole sectors"
    );
    driver.stop();
    driver.out(0x3f6, 4);
    driver.out(0x3f6, 0);
    driver.list(&[(DATA, END | 0x200)]);
    driver.transfer(READ_DMA, 9, 1, INTO_MEMORY);
    assert_eq!(driver.memory(DATA.into(), SECTOR), contents(9), "as new");
}

#[test]
fn lists_and_regions_outside_memory_are_an_error_of_the_controller() {
    let end = u32::try_from(MEMORY_BYTES).unwrap();
    for (gpa, count) in [
        (end, 0x200),
        (end - 0x100, 0x200),
        (0xc000_0000, 0),
        (!1, 0x200),
    ] {
        let driver = Driver::new();
        driver.list(&[(DATA, 0x200), (gpa, END | count)]);
        driver.command(READ_DMA, LBA, 0, 2);
        driver.start(INTO_MEMORY);
        driver.wait_inactive();
        assert_eq!(driver.bus_master_status(), CAPABLE | ERROR, "{gpa:#x}");
        assert_eq!((driver.edges(), driver.refused()), (0, 1));
        driver.stop();
    }
    for list in [end, end - 4, 0xffff_fffc] {
        let driver = Driver::new();
        driver.pio().write(BUS_MASTER + 4, &list.to_le_bytes());
        driver.command(WRITE_DMA, LBA, 0, 2);
        driver.start(0);
        driver.wait_inactive();
        assert_eq!(driver.bus_master_status(), CAPABLE | ERROR, "{list:#x}");
        assert_eq!(driver.file(0..2), all(0..2));
    }
}

#[test]
fn a_list_without_end_ends_with_its_64_kib() {
    let driver = Driver::new();
    // 8192 entries of 2 bytes.
    let entry = [DATA.to_le_bytes(), 2_u32.to_le_bytes()].concat();
    driver.set_memory(0x2_0000, &entry.repeat(0x1_0000 / 8 + 64));
    driver
        .pio()
        .write(BUS_MASTER + 4, &0x2_0000_u32.to_le_bytes());
    driver.command(READ_DMA, LBA, 0, 64);
    driver.start(INTO_MEMORY);
    driver.wait_inactive();
    assert_eq!(driver.bus_master_status(), CAPABLE | ERROR);
    driver.stop();
    driver
        .pio()
        .write(BUS_MASTER + 4, &0x2_0000_u32.to_le_bytes());
    driver.transfer(READ_DMA, 0, 32, INTO_MEMORY);
    assert_eq!(driver.status(), status::IDLE, "16 KiB it has");
}

#[test]
fn nothing_moves_before_the_controller_starts_or_the_wrong_way() {
    let driver = Driver::new();
    driver.list(&[(DATA, END | 0x200)]);
    driver.start(INTO_MEMORY);
    assert_eq!(driver.bus_master_status(), CAPABLE | ACTIVE);
    driver.command(WRITE_DMA, LBA, 0, 1);
    assert_eq!(driver.refused(), 1);
    assert_eq!(driver.alternate_status(), status::IDLE | status::DRQ);
    driver.stop();
    assert_eq!(driver.file(0..1), contents(0));
    driver.start(0);
    driver.wait();
    assert_eq!(driver.file(0..1), [0; SECTOR], "the right way, at last");
}

#[test]
fn a_function_that_is_no_bus_master_moves_nothing() {
    let driver = Driver::new();
    let command = |value| {
        let mut piix = driver.host.piix.lock().unwrap();
        piix.write_config(COMMAND, Width::Word, value);
    };
    driver.list(&[(DATA, END | 0x200)]);
    command(1);
    driver.command(READ_DMA, LBA, 1, 1);
    driver.start(INTO_MEMORY);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(driver.edges(), 0);
    assert_eq!(driver.memory(DATA.into(), SECTOR), [0; SECTOR]);
    command(5);
    driver.wait();
    assert_eq!(driver.memory(DATA.into(), SECTOR), contents(1));
}

#[test]
fn a_reset_or_a_stop_in_mid_transfer_ends_it_for_good() {
    let driver = Driver::new();
    driver.list(&[(0x2_0000, 0), (0x3_0000, 0), (0x4_0000, 0), (0x5_0000, END)]);
    for round in 0..400 {
        driver.command_ext(READ_DMA_EXT, 0, 512);
        driver.start(INTO_MEMORY);
        // Sooner or later the thread is in the middle of it.
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(round) {}
        if round % 2 == 0 {
            driver.out(0x3f6, 4);
            driver.out(0x3f6, 0);
            assert_eq!(driver.status(), status::IDLE);
        } else {
            driver.out(BUS_MASTER, 0);
        }
        // Nothing writes there any more.
        driver.set_memory(0x5_0000, &[0xee; 0x1_0000]);
        std::thread::sleep(Duration::from_micros(100));
        let last = driver.memory(0x5_0000, 0x1_0000);
        assert!(last.iter().all(|byte| *byte == 0xee), "{round}");
        driver.stop();
        driver.out(0x3f6, 4);
        driver.out(0x3f6, 0);
        driver.edges();
    }
    driver.list(&[(DATA, END | 0x200)]);
    driver.transfer(READ_DMA, 3, 1, INTO_MEMORY);
    assert_eq!(driver.memory(DATA.into(), SECTOR), contents(3));
}

#[test]
fn a_command_to_the_other_drive_ends_the_transfer() {
    let driver = Driver::with(&[DiskAccess::ReadWrite; 2]);
    driver.list(&[(0x2_0000, 0), (0x3_0000, 0), (0x4_0000, 0), (0x5_0000, END)]);
    driver.command_ext(READ_DMA_EXT, 0, 512);
    driver.select(LBA | DEV);
    driver.start(INTO_MEMORY);
    driver.command(READ, LBA | DEV, 3, 1);
    assert_eq!(driver.take(SECTOR), contents(3));
    driver.select(LBA);
    let status = driver.alternate_status();
    assert_eq!(status & status::BSY, 0, "it waits, or was quicker");
    driver.stop();
    driver.list(&[(DATA, END | 0x200)]);
    driver.edges();
    driver.transfer(READ_DMA, 9, 1, INTO_MEMORY);
    assert_eq!(driver.memory(DATA.into(), SECTOR), contents(9));
}

#[test]
fn a_transfer_begins_anew_after_save_and_restore() {
    let driver = Driver::new();
    driver.list(&[(DATA, END | 0x400)]);
    driver.out(BUS_MASTER, INTO_MEMORY | START);
    // As if it had been saved while it ran.
    let idle = driver.channel().lock().unwrap().save();
    driver.stop();
    driver.command(READ_DMA, LBA, 4, 2);
    let mut state = driver.channel().lock().unwrap().save();
    state.bus_master = idle.bus_master;
    let other = Driver::new();
    other.list(&[(DATA, END | 0x400)]);
    other.channel().lock().unwrap().restore(&state);
    other.wait();
    assert_eq!(other.memory(DATA.into(), 2 * SECTOR), all(4..6));
}
