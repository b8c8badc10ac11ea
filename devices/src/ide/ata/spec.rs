//! Numbers of ATA/ATAPI-6: bits of registers (7.2 to 7.15) and commands (8).

/// Bits of the status register (7.15).
pub mod status {
    /// The drive is at work: its registers are its own.
    pub const BSY: u8 = 1 << 7;
    /// It takes commands.
    pub const DRDY: u8 = 1 << 6;
    /// The heads are where they should be (of older manuals).
    pub const DSC: u8 = 1 << 4;
    /// Data are to be moved.
    pub const DRQ: u8 = 1 << 3;
    /// The error register says what went wrong.
    pub const ERR: u8 = 1 << 0;
    /// Nothing to do.
    pub const IDLE: u8 = DRDY | DSC;
}

/// Bits of the error register (7.9).
pub mod error {
    /// Data that cannot be read.
    pub const UNC: u8 = 1 << 6;
    /// No such sector.
    pub const IDNF: u8 = 1 << 4;
    /// The command was not done.
    pub const ABRT: u8 = 1 << 2;
    /// Not an error: the diagnostic's code for a drive that is well (9.4).
    pub const DIAGNOSTIC_PASSED: u8 = 1;
}

/// Bits of the device register (7.7).
pub mod device {
    /// Sectors are counted, or else found by cylinder, head and sector.
    pub const LBA: u8 = 1 << 6;
    /// Device 1 is meant.
    pub const DEV: u8 = 1 << 4;
    /// Head, or the address's bits 24 to 27.
    pub const HEAD: u8 = 0xf;
}

/// Bits of the device control register (7.8).
pub mod control {
    /// Registers read show what was written before the last.
    pub const HOB: u8 = 1 << 7;
    /// Resets both drives.
    pub const SRST: u8 = 1 << 2;
    /// No interrupts.
    pub const NIEN: u8 = 1 << 1;
}

/// Subcommands of SET FEATURES (8.46).
pub mod feature {
    /// Writes may wait in the drive.
    pub const WRITE_CACHE_ON: u8 = 0x02;
    /// They may not.
    pub const WRITE_CACHE_OFF: u8 = 0x82;
    /// The count register names a transfer mode.
    pub const TRANSFER_MODE: u8 = 0x03;
}

/// Most sectors of a block of READ and WRITE MULTIPLE: a power of two.
pub const MULTIPLE_MAX: u8 = 16;

/// Which way data go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the disk.
    Read,
    /// To the disk.
    Write,
}

/// How they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through the data port, with an interrupt a sector.
    Sectors,
    /// Through the data port, with an interrupt a block.
    Multiple,
    /// By the controller.
    Dma,
}

/// Width of the sector's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 28 bits, or cylinder, head and sector.
    Short,
    /// 48 bits.
    Ext,
}

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// NOP, which fails by its nature.
    Nop,
    /// RECALIBRATE and SEEK of older manuals: nothing to move.
    Seek,
    /// Sectors between disk and host.
    Data(Direction, Way, Width),
    /// Whether sectors can be read.
    Verify(Width),
    /// EXECUTE DEVICE DIAGNOSTIC, of both drives.
    Diagnostic,
    /// INITIALIZE DEVICE PARAMETERS.
    SetGeometry,
    /// SET MULTIPLE MODE.
    SetMultiple,
    /// STANDBY, and at once.
    Standby,
    /// IDLE, and at once.
    Idle,
    /// CHECK POWER MODE.
    CheckPower,
    /// FLUSH CACHE, short or not.
    Flush,
    /// IDENTIFY DEVICE.
    Identify,
    /// SET FEATURES.
    SetFeatures,
}

use Direction::{Read, Write};
use Way::{Dma, Multiple, Sectors};
use Width::{Ext, Short};

/// Command codes; any other is aborted. The odd ones are of older manuals: "without retries".
const COMMANDS: [(u8, Command); 39] = [
    (0x00, Command::Nop),
    (0x10, Command::Seek),
    (0x20, Command::Data(Read, Sectors, Short)),
    (0x21, Command::Data(Read, Sectors, Short)),
    (0x24, Command::Data(Read, Sectors, Ext)),
    (0x25, Command::Data(Read, Dma, Ext)),
    (0x29, Command::Data(Read, Multiple, Ext)),
    (0x30, Command::Data(Write, Sectors, Short)),
    (0x31, Command::Data(Write, Sectors, Short)),
    (0x34, Command::Data(Write, Sectors, Ext)),
    (0x35, Command::Data(Write, Dma, Ext)),
    (0x39, Command::Data(Write, Multiple, Ext)),
    (0x40, Command::Verify(Short)),
    (0x41, Command::Verify(Short)),
    (0x42, Command::Verify(Ext)),
    (0x70, Command::Seek),
    (0x90, Command::Diagnostic),
    (0x91, Command::SetGeometry),
    (0x94, Command::Standby),
    (0x95, Command::Idle),
    (0x96, Command::Standby),
    (0x97, Command::Idle),
    (0x98, Command::CheckPower),
    (0xc4, Command::Data(Read, Multiple, Short)),
    (0xc5, Command::Data(Write, Multiple, Short)),
    (0xc6, Command::SetMultiple),
    (0xc8, Command::Data(Read, Dma, Short)),
    (0xc9, Command::Data(Read, Dma, Short)),
    (0xca, Command::Data(Write, Dma, Short)),
    (0xcb, Command::Data(Write, Dma, Short)),
    (0xe0, Command::Standby),
    (0xe1, Command::Idle),
    (0xe2, Command::Standby),
    (0xe3, Command::Idle),
    (0xe5, Command::CheckPower),
    (0xe7, Command::Flush),
    (0xea, Command::Flush),
    (0xec, Command::Identify),
    (0xef, Command::SetFeatures),
];

impl Command {
    /// The command of that code.
    pub fn of(code: u8) -> Option<Self> {
        let mut rows = COMMANDS.iter();
        rows.find(|(known, _)| *known == code)
            .map(|(_, command)| *command)
    }
}
