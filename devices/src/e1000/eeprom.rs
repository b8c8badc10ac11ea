//! [`Eeprom`]: 64 words that say what the card is (SDM 5.6), read by EERD or over the four wires of
//! a Microwire part that EECD moves. It is not written to.
//!
//! ```text
//!  select: high --> start bit 1 --> opcode, 2 bits --> address, 6 bits --> words, bit by bit
//! ```
//! The part looks at its data wire when the clock rises.

use super::spec::IDENTITY;
use crate::net::mac::MacAddress;

const WORDS: usize = 64;
/// What all words sum to (SDM 5.6.35).
const SUM: u16 = 0xbaba;
/// Words by their place: software's part says nothing; signature and PCI power (5.6.8); ids.
const COMPATIBILITY: usize = 0x03;
const CONTROL_1: (usize, u16) = (0x0a, 0x4408);
const SUBSYSTEM: usize = 0x0b;
const SUBSYSTEM_VENDOR: usize = 0x0c;
const DEVICE: usize = 0x0d;
const VENDOR: usize = 0x0e;
const CONTROL_2: (usize, u16) = (0x0f, 0x0040);
const CHECKSUM: usize = 0x3f;

/// Wires: clock, select, data in, data out; who has them; part present.
const SK: u32 = 1 << 0;
const CS: u32 = 1 << 1;
const DI: u32 = 1 << 2;
const DO: u32 = 1 << 3;
const FLASH_WRITE_DISABLED: u32 = 1 << 4;
const REQUEST: u32 = 1 << 6;
const GRANT: u32 = 1 << 7;
const PRESENT: u32 = 1 << 8;

const EERD_START: u32 = 1 << 0;
const EERD_DONE: u32 = 1 << 4;

const START_BIT: u16 = 0b1_0000_0000;
const OPCODE: u16 = 0b1100_0000;
const OPCODE_READ: u16 = 0b1000_0000;
const ADDRESS: u16 = 0b0011_1111;

/// The part and its wires.
pub(super) struct Eeprom {
    words: [u16; WORDS],
    wires: Wires,
}

/// What the wires have said so far, to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wires {
    /// SK, CS, DI and the request, as last written.
    pub driven: u32,
    /// Bits since the part was selected, from the start bit on.
    pub command: u16,
    /// The next bit to come out, counted from the first word's.
    pub out_bit: u32,
    /// What is on the data wire.
    pub out: bool,
}

impl Eeprom {
    pub(super) fn new(mac: MacAddress) -> Self {
        let mut words = [0xffff; WORDS];
        for (word, bytes) in words.iter_mut().zip(mac.0.chunks_exact(2)) {
            *word = u16::from_le_bytes([bytes[0], bytes[1]]);
        }
        let (subsystem_vendor, subsystem) = IDENTITY.subsystem;
        for (at, value) in [
            (COMPATIBILITY, 0),
            CONTROL_1,
            (SUBSYSTEM, subsystem),
            (SUBSYSTEM_VENDOR, subsystem_vendor),
            (DEVICE, IDENTITY.device),
            (VENDOR, IDENTITY.vendor),
            CONTROL_2,
            (CHECKSUM, 0),
        ] {
            words[at] = value;
        }
        let sum = words
            .iter()
            .fold(0_u16, |sum, word| sum.wrapping_add(*word));
        words[CHECKSUM] = SUM.wrapping_sub(sum);
        let wires = Wires::default();
        Self { words, wires }
    }

    fn word(&self, address: usize) -> u16 {
        self.words[address % WORDS]
    }

    /// EERD after a write of it (13.4.4).
    pub(super) fn read_word(&self, value: u32) -> u32 {
        if value & EERD_START == 0 {
            return value;
        }
        let address = value >> 8 & 0xff;
        let word: u32 = match self.words.get(address as usize) {
            Some(word) => (*word).into(),
            None => 0xffff,
        };
        word << 16 | address << 8 | EERD_DONE
    }

    /// EECD.
    pub(super) fn read_wires(&self) -> u32 {
        let granted = if self.wires.driven & REQUEST != 0 {
            GRANT
        } else {
            0
        };
        let out = if self.wires.out { DO } else { 0 };
        self.wires.driven | granted | out | PRESENT | FLASH_WRITE_DISABLED
    }

    /// A write to EECD.
    pub(super) fn write_wires(&mut self, value: u32) {
        let before = self.wires.driven;
        let driven = value & (SK | CS | DI | REQUEST);
        if driven & CS == 0 {
            self.wires = Wires {
                driven,
                // Nothing drives the wire, which is pulled up.
                out: true,
                ..Wires::default()
            };
            return;
        }
        self.wires.driven = driven;
        if driven & SK != 0 && before & SK == 0 {
            self.clock(driven & DI != 0);
        }
    }

    /// The clock rises.
    fn clock(&mut self, bit: bool) {
        let wires = &mut self.wires;
        if wires.command & START_BIT == 0 {
            wires.command = wires.command << 1 | u16::from(bit);
            // After the last bit of the address a zero comes out.
            wires.out = wires.command & START_BIT == 0;
            return;
        }
        if wires.command & OPCODE != OPCODE_READ {
            wires.out = true;
            return;
        }
        let first = usize::from(wires.command & ADDRESS);
        let (word, bit) = (wires.out_bit / 16, wires.out_bit % 16);
        // One word follows the other, and the first the last.
        wires.out_bit = (wires.out_bit + 1) % (16 * WORDS as u32);
        let word = self.word(first + word as usize);
        self.wires.out = word << bit & 0x8000 != 0;
    }

    pub(super) fn save(&self) -> Wires {
        self.wires
    }

    pub(super) fn restore(&mut self, wires: Wires) {
        self.wires = Wires {
            out_bit: wires.out_bit % (16 * WORDS as u32),
            ..wires
        };
    }

    /// The address in it.
    pub(super) fn address(&self) -> [u8; 6] {
        let mut address = [0; 6];
        for (bytes, word) in address.chunks_exact_mut(2).zip(self.words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        address
    }
}
