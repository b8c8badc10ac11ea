//! [`Identity`]: what a drive says of itself (ATA/ATAPI-6 8.15).

use super::channel::{CHANNEL, Command};
use super::registers::{DATA, command, status};
use crate::arch::port::rep_insw;
use crate::drivers::SECTOR_BYTES;
use abi::syscall::{Errno, IoMode};

/// Words of the answer.
mod word {
    pub(super) const MAX_MULTIPLE: usize = 47;
    pub(super) const CAPABILITIES: usize = 49;
    pub(super) const SECTORS_28: usize = 60;
    pub(super) const COMMAND_SETS: usize = 83;
    pub(super) const SECTORS_48: usize = 100;
}

const CAPABLE_OF_DMA: u16 = 1 << 8;
const CAPABLE_OF_LBA: u16 = 1 << 9;
const SET_EXTENDED: u16 = 1 << 10;
/// Sectors that a command without 48-bit addresses reaches, and moves.
const MAX_SECTOR_28: u64 = 1 << 28;
const MAX_COUNT_28: u64 = 1 << 8;
const MAX_COUNT_48: u64 = 1 << 16;

/// A drive.
pub(super) struct Identity {
    pub(super) sectors: u64,
    /// Sectors of an interrupt; 1 if there is no more.
    pub(super) multiple: u64,
    pub(super) has_dma: bool,
    has_extended: bool,
}

impl Identity {
    fn parse(words: &[u16; 256]) -> Option<Self> {
        let capabilities = words[word::CAPABILITIES];
        if capabilities & CAPABLE_OF_LBA == 0 {
            return None;
        }
        let number = |at: usize, count: usize| {
            let words = words[at..at + count].iter().rev();
            words.fold(0_u64, |number, word| number << 16 | u64::from(*word))
        };
        let has_extended = words[word::COMMAND_SETS] & SET_EXTENDED != 0;
        let sectors = match has_extended {
            true => number(word::SECTORS_48, 4),
            false => number(word::SECTORS_28, 2),
        };
        Some(Self {
            sectors,
            multiple: u64::from(words[word::MAX_MULTIPLE] & 0xff).max(1),
            has_dma: capabilities & CAPABLE_OF_DMA != 0,
            has_extended,
        })
    }

    /// Whether a transfer needs 48-bit addresses.
    pub(super) fn needs_extended(&self, sector: u64, count: u64) -> Result<bool, Errno> {
        if sector + count <= MAX_SECTOR_28 && count <= MAX_COUNT_28 {
            return Ok(false);
        }
        let possible = self.has_extended && count <= MAX_COUNT_48;
        possible.then_some(true).ok_or(Errno::Inval)
    }
}

/// Asks a drive for its identity and sets it up; `None` where there is none.
pub(super) fn ask(drive: u8) -> Option<Identity> {
    let mut session = CHANNEL.begin(IoMode::Poll);
    if !session.is_there(drive) {
        return None;
    }
    session
        .issue(&Command::new(command::IDENTIFY, drive, false))
        .ok()?;
    let answer = session.poll().ok()?;
    if answer & status::DATA_REQUEST == 0 {
        return None;
    }
    let mut bytes = [0; SECTOR_BYTES as usize];
    rep_insw(DATA, &mut bytes);
    let mut words = [0; 256];
    for (word, pair) in words.iter_mut().zip(bytes.chunks_exact(2)) {
        *word = u16::from_le_bytes([pair[0], pair[1]]);
    }
    let mut identity = Identity::parse(&words)?;
    if identity.multiple > 1 {
        let command = Command::new(command::SET_MULTIPLE, drive, false);
        if session
            .without_data(&command.range(0, identity.multiple))
            .is_err()
        {
            identity.multiple = 1;
        }
    }
    Some(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> [u16; 256] {
        let mut words = [0; 256];
        words[word::CAPABILITIES] = CAPABLE_OF_DMA | CAPABLE_OF_LBA;
        words[word::MAX_MULTIPLE] = 0x8010;
        (words[word::SECTORS_28], words[word::SECTORS_28 + 1]) = (0x5678, 0x0234);
        words
    }

    #[test]
    fn a_drive_of_28_bits_says_what_it_has() {
        let identity = Identity::parse(&words()).expect("a drive");
        assert_eq!(identity.sectors, 0x0234_5678);
        assert_eq!((identity.multiple, identity.has_dma), (16, true));
        assert_eq!(identity.needs_extended(0, 256), Ok(false));
        assert_eq!(identity.needs_extended(0, 257), Err(Errno::Inval));
    }

    #[test]
    fn a_large_drive_is_reached_by_48_bits_where_it_must() {
        let mut words = words();
        words[word::COMMAND_SETS] = SET_EXTENDED;
        words[word::SECTORS_48 + 2] = 1;
        let identity = Identity::parse(&words).expect("a drive");
        assert_eq!(identity.sectors, 1 << 32);
        assert_eq!(identity.needs_extended((1 << 28) - 8, 8), Ok(false));
        assert_eq!(identity.needs_extended((1 << 28) - 8, 9), Ok(true));
        assert_eq!(identity.needs_extended(0, (1 << 16) + 1), Err(Errno::Inval));
    }

    #[test]
    fn one_that_knows_no_sector_numbers_is_no_drive_of_ours() {
        let mut words = words();
        words[word::CAPABILITIES] = 0;
        assert!(Identity::parse(&words).is_none());
    }
}
