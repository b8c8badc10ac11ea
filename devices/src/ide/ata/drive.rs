//! [`Drive`]: a disk file with the settings and registers of an ATA drive.

use super::identify::{self, Facts};
use super::registers::{Addressing, Geometry, TaskFile};
use super::spec::{MULTIPLE_MAX, Width, error, feature, status};
use crate::disk::{DiskAccess, DiskFile, DiskOperation, SECTOR_BYTES};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Heads and sectors as a drive that is larger than these can name counts by itself.
const OWN_GEOMETRY: Geometry = Geometry {
    heads: 16,
    sectors: 63,
};
/// Values of CHECK POWER MODE (8.6.5).
const POWER_STANDBY: u8 = 0x00;
const POWER_ACTIVE: u8 = 0xff;

/// Registers and settings of a drive, to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveState {
    /// Task file.
    pub registers: TaskFile,
    /// Status register.
    pub status: u8,
    /// Error register.
    pub error: u8,
    /// Whether it asks for an interrupt.
    pub interrupt: bool,
    /// As INITIALIZE DEVICE PARAMETERS has set it.
    pub geometry: Geometry,
    /// Sectors of a block, or 0 before SET MULTIPLE MODE.
    pub multiple: u8,
    /// Multiword DMA mode, if SET FEATURES has chosen one.
    pub dma_mode: Option<u8>,
    /// Whether writes last only after a flush.
    pub write_cache: bool,
    /// Whether it would have to start its motor first.
    pub standby: bool,
}

impl Default for DriveState {
    fn default() -> Self {
        Self {
            registers: TaskFile::signature(),
            status: status::IDLE,
            error: error::DIAGNOSTIC_PASSED,
            interrupt: false,
            geometry: OWN_GEOMETRY,
            multiple: 0,
            dma_mode: None,
            write_cache: true,
            standby: false,
        }
    }
}

/// Part of the disk that a command is to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First sector.
    pub sector: u64,
    /// Sectors; all are on the disk.
    pub count: u32,
    /// How the driver named it.
    pub addressing: Addressing,
}

/// The disk broke: a sector could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSector(pub u64);

/// A drive.
pub struct Drive {
    disk: Arc<DiskFile>,
    /// Registers and settings.
    pub state: DriveState,
}

impl Drive {
    /// A drive with the contents of `disk`.
    pub fn new(disk: Arc<DiskFile>) -> Self {
        Self {
            disk,
            state: DriveState::default(),
        }
    }

    /// The disk.
    pub fn disk(&self) -> &Arc<DiskFile> {
        &self.disk
    }

    /// Whether it may be written to.
    pub fn is_writable(&self) -> bool {
        self.disk.access() == DiskAccess::ReadWrite
    }

    /// The sectors that the registers name, if the disk has them.
    pub fn extent(&self, width: Width) -> Option<Extent> {
        let registers = &self.state.registers;
        let addressing = registers.addressing(width);
        let sector = registers.sector(addressing, self.state.geometry)?;
        let count = registers.sector_count(width);
        // 48 and 17 bits.
        let end = sector + u64::from(count);
        (end <= self.disk.sectors()).then_some(Extent {
            sector,
            count,
            addressing,
        })
    }

    /// Names a sector in the registers.
    pub fn point_at(&mut self, addressing: Addressing, sector: u64) {
        let geometry = self.state.geometry;
        self.state
            .registers
            .set_sector(addressing, geometry, sector);
    }

    /// Reads whole sectors.
    pub fn read(&mut self, sector: u64, data: &mut [u8]) -> Result<(), BadSector> {
        self.state.standby = false;
        let file = self.disk.file();
        let read = |data: &mut [u8], sector| file.read_exact_at(data, sector * SECTOR_BYTES);
        if read(data, sector).is_ok() {
            return Ok(());
        }
        // Which one it is.
        for (sector, data) in (sector..).zip(data.chunks_mut(SECTOR_BYTES as usize)) {
            if let Err(error) = read(data, sector) {
                self.disk.failed(DiskOperation::Read, &error);
                return Err(BadSector(sector));
            }
        }
        Ok(())
    }

    /// Writes whole sectors, which last if the cache is off.
    pub fn write(&mut self, sector: u64, data: &[u8]) -> Result<(), BadSector> {
        self.state.standby = false;
        let file = self.disk.file();
        let write = |data: &[u8], sector| {
            let offset = sector * SECTOR_BYTES;
            self.disk.reaches(offset + data.len() as u64)?;
            file.write_all_at(data, offset)
        };
        if write(data, sector).is_err() {
            for (sector, data) in (sector..).zip(data.chunks(SECTOR_BYTES as usize)) {
                if let Err(error) = write(data, sector) {
                    self.disk.failed(DiskOperation::Write, &error);
                    return Err(BadSector(sector));
                }
            }
        }
        match self.state.write_cache {
            true => Ok(()),
            false => self.flush().map_err(|_| BadSector(sector)),
        }
    }

    /// All that was written lasts.
    pub fn flush(&mut self) -> io::Result<()> {
        self.state.standby = false;
        let flushed = self.disk.file().sync_data();
        flushed.inspect_err(|error| self.disk.failed(DiskOperation::Flush, error))
    }

    /// The motor stops; what has waited in the drive is on the disk before.
    pub fn stand_by(&mut self) -> bool {
        let flushed = self.flush().is_ok();
        self.state.standby = true;
        flushed
    }

    /// Shows that it is well, and its signature.
    pub fn sign(&mut self) {
        let state = &mut self.state;
        state.registers = TaskFile::signature();
        (state.status, state.error) = (status::IDLE, error::DIAGNOSTIC_PASSED);
    }

    /// Settings and registers as after a reset.
    pub fn reset(&mut self) {
        self.state = DriveState::default();
    }

    /// IDENTIFY DEVICE data.
    pub fn identify(&self) -> [u8; identify::BYTES] {
        identify::data(&Facts {
            sectors: self.disk.sectors(),
            geometry: [OWN_GEOMETRY, self.state.geometry],
            multiple: self.state.multiple,
            dma_mode: self.state.dma_mode,
            write_cache: self.state.write_cache,
            id: self.disk.id(),
        })
    }

    /// INITIALIZE DEVICE PARAMETERS; false if the drive cannot count so.
    pub fn set_geometry(&mut self) -> bool {
        let registers = &self.state.registers;
        let heads = (registers.device & super::spec::device::HEAD) + 1;
        let sectors = registers.count.current;
        if sectors > 0 {
            self.state.geometry = Geometry { heads, sectors };
        }
        sectors > 0
    }

    /// SET MULTIPLE MODE; false if the drive has no blocks of that size.
    pub fn set_multiple(&mut self) -> bool {
        let sectors = self.state.registers.count.current;
        let good = sectors == 0 || sectors.is_power_of_two() && sectors <= MULTIPLE_MAX;
        if good {
            self.state.multiple = sectors;
        }
        good
    }

    /// SET FEATURES; false if the drive has no such feature.
    pub fn set_features(&mut self) -> bool {
        let registers = &self.state.registers;
        match registers.features.current {
            feature::WRITE_CACHE_ON => self.state.write_cache = true,
            feature::WRITE_CACHE_OFF => {
                self.state.write_cache = false;
                // What has waited, waits no longer.
                return self.flush().is_ok();
            }
            feature::TRANSFER_MODE => match registers.count.current {
                // PIO: by default, and by flow control 0 to 4.
                0 | 1 | 0x08..=0x0c => {}
                mode @ 0x20..=0x22 => self.state.dma_mode = Some(mode & 7),
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    /// CHECK POWER MODE.
    pub fn show_power(&mut self) {
        self.state.registers.count.current = if self.state.standby {
            POWER_STANDBY
        } else {
            POWER_ACTIVE
        };
    }
}
