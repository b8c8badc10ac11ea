//! Disks on the primary channel of a PC's IDE controller (ATA/ATAPI-6, PCI IDE Controller 1.0).
//!
//! ```text
//!  Disk: a drive by one way --> Channel: one command at a time --+--> pio: the data port
//!                                  ^ interrupt, status           +--> dma: a list of memory pieces
//! ```
//! A drive can be reached in three ways, to be compared: `hda` by DMA where the controller masters
//! the bus, `hda-pio` by string instructions at the data port, several sectors an interrupt, and
//! `hda-word` word by word and sector by sector, as the first PCs did.

mod channel;
mod dma;
mod identity;
mod pio;
mod registers;

use super::lazy::Lazy;
use super::{BlockDevice, SECTOR_BYTES, Segment, check_range};
use abi::syscall::{Errno, IoMode};
use channel::{CHANNEL, Command};
use core::sync::atomic::{AtomicU64, Ordering};
use dma::Direction;
use identity::Identity;
use registers::command;

/// How the data of a drive comes and goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Dma,
    Pio,
    Word,
}

/// Ways by the end of a drive's name.
const WAYS: [(&str, Way); 3] = [("", Way::Dma), ("-pio", Way::Pio), ("-word", Way::Word)];
const DRIVES: [&str; 2] = ["hda", "hdb"];

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static FOUND: [Lazy<Option<Identity>>; DRIVES.len()] = [const { Lazy::new() }; DRIVES.len()];
static DISKS: [[Disk; WAYS.len()]; DRIVES.len()] = {
    const fn by_all(drive: u8) -> [Disk; WAYS.len()] {
        [
            Disk::new(drive, Way::Dma),
            Disk::new(drive, Way::Pio),
            Disk::new(drive, Way::Word),
        ]
    }
    [by_all(0), by_all(1)]
};

/// Requests completed since boot, all drives.
pub(super) fn requests() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}

/// The disk of that name, which is looked for when it is first asked for.
pub(super) fn disk(name: &str) -> Option<&'static dyn BlockDevice> {
    let drive = DRIVES.iter().position(|drive| name.starts_with(drive))?;
    let end = &name[DRIVES[drive].len()..];
    let way = WAYS.iter().find(|(suffix, _)| *suffix == end)?.1;
    DISKS[drive][way as usize].identity()?;
    Some(&DISKS[drive][way as usize])
}

struct Disk {
    drive: u8,
    way: Way,
}

impl Disk {
    const fn new(drive: u8, way: Way) -> Self {
        Self { drive, way }
    }

    fn identity(&self) -> Option<&'static Identity> {
        let found = FOUND[usize::from(self.drive)].get_or_make(|| identity::ask(self.drive));
        found.as_ref()
    }

    fn transfer(
        &self,
        direction: Direction,
        sector: u64,
        segments: &[Segment],
        mode: IoMode,
    ) -> Result<(), Errno> {
        let identity = self.identity().ok_or(Errno::Io)?;
        let bytes = check_range(identity.sectors, sector, segments)?;
        let count = bytes / SECTOR_BYTES;
        let extended = identity.needs_extended(sector, count)?;
        let command = |codes: command::Codes| {
            let code = codes.code(direction, extended);
            Command::new(code, self.drive, extended).range(sector, count)
        };
        let mut session = CHANNEL.begin(mode);
        let master = match self.way == Way::Dma && identity.has_dma {
            true => session.prepare_dma(direction, segments),
            false => None,
        };
        if let Some(master) = master {
            return session.dma(master, direction, &command(command::DMA));
        }
        let (codes, access, block) = match (self.way, identity.multiple) {
            (Way::Word, _) => (command::SECTORS, pio::Access::Word, 1),
            (_, 1) => (command::SECTORS, pio::Access::String, 1),
            (_, block) => (command::MULTIPLE, pio::Access::String, block),
        };
        let command = command(codes);
        pio::transfer(&mut session, &command, direction, access, block, segments)
    }
}

fn counted(result: Result<(), Errno>) -> Result<(), Errno> {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
    result
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.identity().map_or(0, |identity| identity.sectors)
    }

    fn read(&self, sector: u64, to: &[Segment], mode: IoMode) -> Result<(), Errno> {
        counted(self.transfer(Direction::ToMemory, sector, to, mode))
    }

    fn write(&self, sector: u64, from: &[Segment], mode: IoMode) -> Result<(), Errno> {
        counted(self.transfer(Direction::ToDrive, sector, from, mode))
    }

    fn flush(&self, mode: IoMode) -> Result<(), Errno> {
        let code = command::FLUSH_CACHE;
        let mut session = CHANNEL.begin(mode);
        counted(session.without_data(&Command::new(code, self.drive, false)))
    }
}
