//! The BIOS data area: what kernels read at 0x400 without asking a BIOS, of which there is none.
//!
//! Serial ports, where the EBDA with its MP table is, the screen's mode, and a keyboard buffer that
//! is empty. Its page is touched anyway; all else in it is zero.

use super::layout;
use super::platform::Platform;
use crate::memory::GuestMemory;
use crate::screen;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

/// Address and size of the area.
const BDA: u64 = 0x400;
const BDA_BYTES: usize = 0x100;

/// Offsets of its fields.
mod field {
    pub(super) const SERIAL_PORTS: usize = 0x00;
    pub(super) const EBDA_SEGMENT: usize = 0x0e;
    pub(super) const EQUIPMENT: usize = 0x10;
    pub(super) const MEMORY_KIB: usize = 0x13;
    pub(super) const KEYS_HEAD: usize = 0x1a;
    pub(super) const KEYS_TAIL: usize = 0x1c;
    pub(super) const MODE: usize = 0x49;
    pub(super) const COLUMNS: usize = 0x4a;
    pub(super) const PAGE_BYTES: usize = 0x4c;
    pub(super) const CURSOR_SHAPE: usize = 0x60;
    pub(super) const CRTC_PORT: usize = 0x63;
    pub(super) const KEYS_START: usize = 0x80;
    pub(super) const KEYS_END: usize = 0x82;
    pub(super) const LAST_ROW: usize = 0x84;
    pub(super) const CHARACTER_ROWS: usize = 0x85;
}

/// Serial ports that have a field.
const SERIAL_PORTS: usize = 4;
/// Equipment: a floating-point unit, a screen of 80 columns in colour; and how many serial ports.
const FPU_AND_COLOUR: u16 = 1 << 1 | 0b10 << 4;
const SERIAL_COUNT_SHIFT: u32 = 9;
const TEXT_MODE_3: u16 = 3;
const CRTC: u16 = 0x3d4;
/// First and last line of the cursor, the first in the high byte.
const CURSOR: u16 = 0x0d0e;
/// The keyboard's buffer, from the segment of the area.
const KEYS: std::ops::Range<u16> = 0x1e..0x3e;

/// Writes the area.
pub(super) fn write(memory: &GuestMemory, platform: &Platform) -> Result<(), GuestMemoryError> {
    memory.write_slice(&area(platform), GuestAddress(BDA))
}

fn area(platform: &Platform) -> [u8; BDA_BYTES] {
    let mut area = [0; BDA_BYTES];
    let mut put = |at: usize, value: u16| area[at..at + 2].copy_from_slice(&value.to_le_bytes());
    let ports = platform.serial_ports.iter().take(SERIAL_PORTS);
    let mut equipment = FPU_AND_COLOUR;
    for (index, (port, _)) in ports.enumerate() {
        put(field::SERIAL_PORTS + 2 * index, *port);
        equipment += 1 << SERIAL_COUNT_SHIFT;
    }
    put(field::EBDA_SEGMENT, (layout::EBDA >> 4) as u16);
    put(field::EQUIPMENT, equipment);
    put(field::MEMORY_KIB, (layout::EBDA >> 10) as u16);
    put(field::KEYS_HEAD, KEYS.start);
    put(field::KEYS_TAIL, KEYS.start);
    put(field::MODE, TEXT_MODE_3);
    put(field::COLUMNS, screen::COLUMNS as u16);
    put(field::PAGE_BYTES, 0x1000);
    put(field::CURSOR_SHAPE, CURSOR);
    put(field::CRTC_PORT, CRTC);
    put(field::KEYS_START, KEYS.start);
    put(field::KEYS_END, KEYS.end);
    put(field::LAST_ROW, screen::ROWS as u16 - 1);
    put(field::CHARACTER_ROWS, 16);
    area
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_memory_and_screen_are_where_kernels_look() {
        let memory = crate::memory::create(crate::memory::MIN).unwrap();
        let platform = Platform {
            serial_ports: vec![(0x3f8, 4), (0x2f8, 3)],
            ..Platform::default()
        };
        write(&memory, &platform).unwrap();
        let word = |at| memory.read_obj::<u16>(GuestAddress(at)).unwrap();
        assert_eq!([0x400, 0x402, 0x404].map(word), [0x3f8, 0x2f8, 0]);
        assert_eq!(u64::from(word(0x40e)) << 4, layout::EBDA);
        assert_eq!(word(0x410), 0x422);
        assert_eq!(word(0x413), 639);
        let byte = |at| memory.read_obj::<u8>(GuestAddress(at)).unwrap();
        assert_eq!([0x449, 0x44a, 0x484, 0x485].map(byte), [3, 80, 24, 16]);
        assert_eq!(word(0x463), 0x3d4);
    }
}
