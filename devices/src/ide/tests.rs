//! The controller and its drives as a driver sees them.

mod dma;
mod hostile;
mod pio;
mod reset;

use super::ata::spec::{device, error, status};
use super::channel::{Channel, MAX_DRIVES};
use super::testing::{BUS_MASTER, Host, MEMORY_BYTES};
use crate::bus::PioBus;
use crate::disk::{DiskAccess, DiskFile};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use vm_memory::{Bytes, GuestAddress};
use vmm_sys_util::tempdir::TempDir;

const SECTOR: usize = 512;
const DISK_SECTORS: u64 = 2048;
const DEADLINE: Duration = Duration::from_secs(60);

/// Commands.
const READ: u8 = 0x20;
const READ_EXT: u8 = 0x24;
const READ_DMA_EXT: u8 = 0x25;
const WRITE: u8 = 0x30;
const VERIFY: u8 = 0x40;
const DIAGNOSTIC: u8 = 0x90;
const SET_GEOMETRY: u8 = 0x91;
const READ_MULTIPLE: u8 = 0xc4;
const WRITE_MULTIPLE: u8 = 0xc5;
const SET_MULTIPLE: u8 = 0xc6;
const READ_DMA: u8 = 0xc8;
const WRITE_DMA: u8 = 0xca;
const STANDBY: u8 = 0xe0;
const CHECK_POWER: u8 = 0xe5;
const FLUSH: u8 = 0xe7;
const IDENTIFY: u8 = 0xec;
const SET_FEATURES: u8 = 0xef;

const LBA: u8 = device::LBA;
const DEV: u8 = device::DEV;

/// A machine with disks whose sectors say their number, and what a driver does with it.
struct Driver {
    host: Host,
    files: Vec<File>,
    _folder: TempDir,
}

/// What sector `number` of a new disk holds.
fn contents(number: u64) -> [u8; SECTOR] {
    let mut sector = [number as u8 ^ 0x5a; SECTOR];
    sector[..8].copy_from_slice(&number.to_le_bytes());
    sector
}

fn all(sectors: std::ops::Range<u64>) -> Vec<u8> {
    sectors.flat_map(contents).collect()
}

impl Driver {
    fn new() -> Self {
        Self::with(&[DiskAccess::ReadWrite])
    }

    fn with(disks: &[DiskAccess]) -> Self {
        let folder = TempDir::new_with_prefix(std::env::temp_dir().join("hostel-test-")).unwrap();
        let path = |index: usize| folder.as_path().join(format!("disk{index}"));
        let disks = disks.iter().enumerate();
        let (files, disks): (Vec<_>, Vec<_>) = disks
            .map(|(index, access)| make(&path(index), *access))
            .unzip();
        Self {
            host: Host::new(disks),
            files,
            _folder: folder,
        }
    }

    fn pio(&self) -> &PioBus {
        &self.host.pio
    }

    fn out(&self, port: u16, value: u8) {
        self.pio().write(port, &[value]);
    }

    fn inb(&self, port: u16) -> u8 {
        let mut data = [0];
        self.pio().read(port, &mut data);
        data[0]
    }

    fn select(&self, device: u8) {
        self.out(0x1f6, device);
    }

    /// Puts count and address into the registers, and says the command.
    fn command(&self, code: u8, device: u8, lba: u32, count: u8) {
        let [low, mid, high, top] = lba.to_le_bytes();
        self.out(0x1f6, device | top & 0xf);
        for (port, value) in [(0x1f2, count), (0x1f3, low), (0x1f4, mid), (0x1f5, high)] {
            self.out(port, value);
        }
        self.out(0x1f7, code);
    }

    fn command_ext(&self, code: u8, lba: u64, count: u16) {
        let [a, b, c, d, e, f, ..] = lba.to_le_bytes();
        let [few, many] = count.to_le_bytes();
        self.out(0x1f6, LBA);
        for (port, pair) in [
            (0x1f2, [many, few]),
            (0x1f3, [d, a]),
            (0x1f4, [e, b]),
            (0x1f5, [f, c]),
        ] {
            pair.into_iter().for_each(|byte| self.out(port, byte));
        }
        self.out(0x1f7, code);
    }

    fn status(&self) -> u8 {
        self.inb(0x1f7)
    }

    fn alternate_status(&self) -> u8 {
        self.inb(0x3f6)
    }

    fn error(&self) -> u8 {
        self.inb(0x1f1)
    }

    /// Sector number and cylinder.
    fn address(&self) -> [u8; 3] {
        [0x1f3, 0x1f4, 0x1f5].map(|port| self.inb(port))
    }

    /// Edges of the interrupt since the last time.
    fn edges(&self) -> u64 {
        self.host.line.evt().read().unwrap_or(0)
    }

    /// Takes words off the data port.
    fn take(&self, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        data.chunks_mut(2).for_each(|word| {
            self.pio().read(0x1f0, word);
        });
        data
    }

    fn give(&self, data: &[u8]) {
        data.chunks(2).for_each(|word| {
            self.pio().write(0x1f0, word);
        });
    }

    /// The last command has failed with those bits.
    fn failed(&self, errors: u8) {
        assert_eq!(self.status(), status::IDLE | status::ERR);
        assert_eq!(self.error(), errors);
    }

    fn refused(&self) -> u64 {
        self.channel().lock().unwrap().refused()
    }

    fn channel(&self) -> &Arc<Mutex<Channel>> {
        &self.host.channel
    }

    /// Sectors in the file.
    fn file(&self, sectors: std::ops::Range<u64>) -> Vec<u8> {
        let mut data = vec![0; (sectors.end - sectors.start) as usize * SECTOR];
        let at = sectors.start * SECTOR as u64;
        self.files[0].read_exact_at(&mut data, at).unwrap();
        data
    }

    fn memory(&self, gpa: u64, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        let memory = &self.host.memory;
        memory.read_slice(&mut data, GuestAddress(gpa)).unwrap();
        data
    }

    fn set_memory(&self, gpa: u64, data: &[u8]) {
        let memory = &self.host.memory;
        memory.write_slice(data, GuestAddress(gpa)).unwrap();
    }

    /// Waits for the interrupt.
    fn wait(&self) {
        let deadline = Instant::now() + DEADLINE;
        while self.edges() == 0 {
            assert!(Instant::now() < deadline, "no interrupt");
            std::thread::yield_now();
        }
    }

    /// Waits until the bus master is no longer active.
    fn wait_inactive(&self) {
        let deadline = Instant::now() + DEADLINE;
        while self.inb(BUS_MASTER + 2) & 1 != 0 {
            assert!(Instant::now() < deadline, "still active");
            std::thread::yield_now();
        }
    }
}

fn make(path: &Path, access: DiskAccess) -> (File, DiskFile) {
    std::fs::write(path, all(0..DISK_SECTORS)).unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    (file, DiskFile::open(path, access).unwrap())
}

#[test]
fn a_cable_has_room_for_two() {
    let driver = Driver::with(&[DiskAccess::ReadWrite; 3]);
    assert_eq!(
        driver.channel().lock().unwrap().save().drives.len(),
        MAX_DRIVES
    );
}
