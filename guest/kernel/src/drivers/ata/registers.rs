//! Ports and codes of the primary channel in compatibility mode (ATA/ATAPI-6 7 and 8, PCI IDE
//! Controller 1.0).

use super::dma::Direction;

pub(super) const DATA: u16 = 0x1f0;
pub(super) const SECTOR_COUNT: u16 = 0x1f2;
pub(super) const LBA_LOW: u16 = 0x1f3;
pub(super) const LBA_MID: u16 = 0x1f4;
pub(super) const LBA_HIGH: u16 = 0x1f5;
pub(super) const DEVICE: u16 = 0x1f6;
/// Written: command.
pub(super) const COMMAND: u16 = 0x1f7;
/// Read: status; that acknowledges an interrupt.
pub(super) const STATUS: u16 = 0x1f7;
/// Written: device control.
pub(super) const CONTROL: u16 = 0x3f6;
/// Read: status, without acknowledging.
pub(super) const ALTERNATE_STATUS: u16 = 0x3f6;
/// The channel's interrupt.
pub(super) const GSI: u32 = 14;

/// Status bits.
pub(super) mod status {
    pub(in super::super) const BUSY: u8 = 1 << 7;
    pub(in super::super) const FAULT: u8 = 1 << 5;
    pub(in super::super) const DATA_REQUEST: u8 = 1 << 3;
    pub(in super::super) const ERROR: u8 = 1 << 0;
    /// Read where nothing is.
    pub(in super::super) const ABSENT: u8 = 0xff;
}

/// Device control bits.
pub(super) mod control {
    pub(in super::super) const NO_INTERRUPT: u8 = 1 << 1;
    pub(in super::super) const RESET: u8 = 1 << 2;
}

/// Device register: sectors by number; the second drive.
pub(super) const DEVICE_LBA: u8 = 0xe0;
pub(super) const DEVICE_SECOND: u8 = 1 << 4;

/// Command codes.
pub(super) mod command {
    use super::Direction;

    pub(in super::super) const IDENTIFY: u8 = 0xec;
    pub(in super::super) const FLUSH_CACHE: u8 = 0xe7;
    pub(in super::super) const SET_MULTIPLE: u8 = 0xc6;

    /// The codes that move sectors in one way.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Codes {
        read: [u8; 2],
        write: [u8; 2],
    }

    impl Codes {
        /// With 28 bits of sector number, or 48.
        pub(in super::super) fn code(self, direction: Direction, extended: bool) -> u8 {
            let codes = match direction {
                Direction::ToMemory => self.read,
                Direction::ToDrive => self.write,
            };
            codes[usize::from(extended)]
        }
    }

    pub(in super::super) const SECTORS: Codes = Codes {
        read: [0x20, 0x24],
        write: [0x30, 0x34],
    };
    pub(in super::super) const MULTIPLE: Codes = Codes {
        read: [0xc4, 0x29],
        write: [0xc5, 0x39],
    };
    pub(in super::super) const DMA: Codes = Codes {
        read: [0xc8, 0x25],
        write: [0xca, 0x35],
    };
}
