//! [`TaskFile`]: the registers by which a drive is told what to do (ATA/ATAPI-6 7), each of which
//! remembers what was written before the last, for addresses of 48 bits (6.20).

use super::spec::{Width, device};

/// A register of eight bits, twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Twice {
    /// As last written, by the host or the drive.
    pub current: u8,
    /// As written before that.
    pub previous: u8,
}

impl Twice {
    /// A write by the host.
    pub fn push(&mut self, value: u8) {
        (self.previous, self.current) = (self.current, value);
    }

    fn set(&mut self, value: u16) {
        [self.current, self.previous] = value.to_le_bytes();
    }

    fn both(self) -> u16 {
        u16::from_le_bytes([self.current, self.previous])
    }
}

/// Registers of a drive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFile {
    /// Features (7.10); reads of its port give the error register.
    pub features: Twice,
    /// Number of sectors (7.14).
    pub count: Twice,
    /// Lowest, middle and highest byte of the address (7.11 to 7.13): sector number and cylinder.
    pub lba: [Twice; 3],
    /// Drive, addressing, and what is left of the address (7.7).
    pub device: u8,
}

/// How a sector is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// By cylinder, head and sector.
    Chs,
    /// By a number of 28 bits.
    Lba28,
    /// By a number of 48 bits.
    Lba48,
}

/// How many heads and sectors a track an address of the first kind counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Heads, 1 to 16.
    pub heads: u8,
    /// Sectors a track, 1 to 255.
    pub sectors: u8,
}

impl Geometry {
    /// Sectors of a cylinder.
    pub fn cylinder(self) -> u64 {
        u64::from(self.heads) * u64::from(self.sectors)
    }
}

impl TaskFile {
    /// What a drive shows after a reset or a diagnostic (9.12): its signature.
    pub fn signature() -> Self {
        let mut this = Self::default();
        this.count.current = 1;
        this.lba[0].current = 1;
        this
    }

    /// Sectors asked for; zero stands for the most.
    pub fn sector_count(&self, width: Width) -> u32 {
        match (width, self.count.current, self.count.both()) {
            (Width::Short, 0, _) => 1 << 8,
            (Width::Short, count, _) => count.into(),
            (Width::Ext, _, 0) => 1 << 16,
            (Width::Ext, _, count) => count.into(),
        }
    }

    /// How the address is to be read.
    pub fn addressing(&self, width: Width) -> Addressing {
        match width {
            Width::Ext => Addressing::Lba48,
            Width::Short if self.device & device::LBA != 0 => Addressing::Lba28,
            Width::Short => Addressing::Chs,
        }
    }

    /// The first sector; none if the geometry has no such.
    pub fn sector(&self, addressing: Addressing, geometry: Geometry) -> Option<u64> {
        let [low, mid, high] = self.lba;
        let of = |bytes: [u8; 6]| {
            let [a, b, c, d, e, f] = bytes;
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
        };
        let short = |top| of([low.current, mid.current, high.current, top, 0, 0]);
        let head = self.device & device::HEAD;
        match addressing {
            Addressing::Lba48 => {
                let [a, b, c] = [low, mid, high].map(|register| register.current);
                let [d, e, f] = [low, mid, high].map(|register| register.previous);
                Some(of([a, b, c, d, e, f]))
            }
            Addressing::Lba28 => Some(short(head)),
            Addressing::Chs => {
                let cylinder = u64::from(u16::from_le_bytes([mid.current, high.current]));
                let sector = low.current.checked_sub(1)?;
                if sector >= geometry.sectors || head >= geometry.heads {
                    return None;
                }
                let track = cylinder * u64::from(geometry.heads) + u64::from(head);
                Some(track * u64::from(geometry.sectors) + u64::from(sector))
            }
        }
    }

    /// Names a sector: the last that was done, or the first that could not be.
    pub fn set_sector(&mut self, addressing: Addressing, geometry: Geometry, sector: u64) {
        let [a, b, c, d, e, f, ..] = sector.to_le_bytes();
        match addressing {
            Addressing::Lba48 => {
                for (register, bytes) in self.lba.iter_mut().zip([[a, d], [b, e], [c, f]]) {
                    register.set(u16::from_le_bytes(bytes));
                }
            }
            Addressing::Lba28 => {
                self.set_current([a, b, c]);
                self.device = self.device & !device::HEAD | d & device::HEAD;
            }
            Addressing::Chs => {
                let track = sector / u64::from(geometry.sectors);
                let [mid, high, ..] = (track / u64::from(geometry.heads)).to_le_bytes();
                // Below 16 and 255.
                let head = (track % u64::from(geometry.heads)) as u8;
                let number = (sector % u64::from(geometry.sectors)) as u8 + 1;
                self.set_current([number, mid, high]);
                self.device = self.device & !device::HEAD | head & device::HEAD;
            }
        }
    }

    fn set_current(&mut self, bytes: [u8; 3]) {
        for (register, byte) in self.lba.iter_mut().zip(bytes) {
            register.current = byte;
        }
    }
}
