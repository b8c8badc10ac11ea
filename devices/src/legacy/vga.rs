//! [`Vga`]: the registers of a VGA in its text mode of 80 by 25 characters.
//!
//! The text itself is at 0xb8000 in the guest's memory, which is plain memory: writing it costs no
//! exit. The registers keep what is written to them; what they do is left to the one who shows the
//! text and asks [`Vga::view`] where on it the screen and the cursor are. Ports are counted from
//! 0x3c0; give the bus [`RANGES`] of one device (`PioBus::insert_ranges`).

use crate::bus::{BusRange, PioDevice, Width};

/// Attribute controller to graphics controller; CRTC; input status 1.
pub const RANGES: [BusRange; 3] = [
    BusRange {
        base: 0x3c0,
        len: 16,
    },
    BusRange {
        base: 0x3d4,
        len: 2,
    },
    BusRange {
        base: 0x3da,
        len: 1,
    },
];

const ATTRIBUTE: u16 = 0x0;
const ATTRIBUTE_READ: u16 = 0x1;
const MISC_WRITE: u16 = 0x2;
const SEQUENCER_INDEX: u16 = 0x4;
const SEQUENCER_DATA: u16 = 0x5;
const DAC_MASK: u16 = 0x6;
const DAC_READ_INDEX: u16 = 0x7;
const DAC_WRITE_INDEX: u16 = 0x8;
const DAC_DATA: u16 = 0x9;
const FEATURE_READ: u16 = 0xa;
const MISC_READ: u16 = 0xc;
const GRAPHICS_INDEX: u16 = 0xe;
const GRAPHICS_DATA: u16 = 0xf;
const CRTC_INDEX: u16 = 0x14;
const CRTC_DATA: u16 = 0x15;
const STATUS_1: u16 = 0x1a;

const CURSOR_START: usize = 0x0a;
const START_HIGH: usize = 0x0c;
const CURSOR_HIGH: usize = 0x0e;
const ATTRIBUTE_MODE: usize = 0x10;
/// In the attribute controller's mode.
const BLINKING: u8 = 1 << 3;
/// In the register of the cursor's first line.
const CURSOR_OFF: u8 = 1 << 5;
/// In input status 1: neither lines nor frames are being drawn.
const RETRACE: u8 = 1 << 3 | 1 << 0;

/// Red, green and blue of 256 colours, 6 bits each.
const PALETTE_BYTES: usize = 3 * 256;

/// An index register and the registers that it chooses from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed<const N: usize> {
    /// Which.
    pub index: u8,
    /// Contents.
    pub registers: [u8; N],
}

impl<const N: usize> Indexed<N> {
    fn read(&self) -> u8 {
        let register = self.registers.get(usize::from(self.index));
        *register.unwrap_or(&0)
    }

    fn write(&mut self, value: u8) {
        if let Some(register) = self.registers.get_mut(usize::from(self.index)) {
            *register = value;
        }
    }
}

/// All registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VgaState {
    /// Cathode-ray tube controller: shape, start address, cursor.
    pub crtc: Indexed<25>,
    /// Sequencer.
    pub sequencer: Indexed<5>,
    /// Graphics controller.
    pub graphics: Indexed<9>,
    /// Attribute controller.
    pub attribute: Indexed<21>,
    /// Whether the next write to the attribute controller is data.
    pub attribute_data_next: bool,
    /// Miscellaneous output.
    pub misc: u8,
    /// Feature control.
    pub feature: u8,
    /// Which bits of a colour's number count.
    pub dac_mask: u8,
    /// Byte of the palette that is read next.
    pub dac_read: u16,
    /// Byte of the palette that is written next.
    pub dac_write: u16,
    /// Whether the read index was set last.
    pub dac_reading: bool,
    /// Red, green and blue of each colour, 6 bits each.
    pub palette: [u8; PALETTE_BYTES],
    /// Input status 1 as read last: each read finds the beam somewhere else.
    pub retrace: bool,
}

/// Where on the text memory the screen is, in characters from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextView {
    /// First character shown.
    pub start: u16,
    /// The cursor's character, if it is shown.
    pub cursor: Option<u16>,
    /// Whether bit 7 of an attribute is for blinking; else for a bright background.
    pub blinking: bool,
}

/// The registers.
pub struct Vga {
    state: VgaState,
}

impl Default for Vga {
    /// As firmware leaves them, in mode 3.
    fn default() -> Self {
        let crtc = [
            0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0,
            0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff,
        ];
        let attribute = [
            0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0,
            0x0f, 0x08, 0,
        ];
        let state = VgaState {
            crtc: indexed(crtc),
            sequencer: indexed([3, 0, 3, 0, 2]),
            graphics: indexed([0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff]),
            attribute: indexed(attribute),
            attribute_data_next: false,
            misc: 0x67,
            feature: 0,
            dac_mask: 0xff,
            dac_read: 0,
            dac_write: 0,
            dac_reading: false,
            palette: palette(),
            retrace: false,
        };
        Self { state }
    }
}

fn indexed<const N: usize>(registers: [u8; N]) -> Indexed<N> {
    let index = 0;
    Indexed { index, registers }
}

/// The 64 colours of an EGA: two thirds of a component by one bit, one third by another.
fn palette() -> [u8; PALETTE_BYTES] {
    let mut palette = [0; PALETTE_BYTES];
    for (colour, rgb) in palette.chunks_mut(3).take(64).enumerate() {
        for (component, byte) in (0..).zip(rgb) {
            let bit = |at: u32| u8::from(colour >> at & 1 != 0);
            *byte = 0x2a * bit(2 - component) + 0x15 * bit(5 - component);
        }
    }
    palette
}

impl Vga {
    /// What of the text memory is on the screen.
    pub fn view(&self) -> TextView {
        let registers = &self.state.crtc.registers;
        let pair = |at: usize| u16::from_be_bytes([registers[at], registers[at + 1]]);
        let shown = registers[CURSOR_START] & CURSOR_OFF == 0;
        TextView {
            start: pair(START_HIGH),
            cursor: shown.then(|| pair(CURSOR_HIGH)),
            blinking: self.state.attribute.registers[ATTRIBUTE_MODE] & BLINKING != 0,
        }
    }

    /// The registers.
    pub fn save(&self) -> VgaState {
        self.state.clone()
    }

    /// Takes over saved registers.
    pub fn restore(&mut self, state: &VgaState) {
        self.state = state.clone();
    }

    fn write_attribute(&mut self, value: u8) {
        let state = &mut self.state;
        if std::mem::take(&mut state.attribute_data_next) {
            state.attribute.write(value);
        } else {
            state.attribute.index = value & 0x1f;
            state.attribute_data_next = true;
        }
    }

    fn read_status_1(&mut self) -> u8 {
        self.state.attribute_data_next = false;
        self.state.retrace = !self.state.retrace;
        if self.state.retrace { RETRACE } else { 0 }
    }

    fn read_dac(&mut self) -> u8 {
        let at = &mut self.state.dac_read;
        let value = self.state.palette[usize::from(*at) % PALETTE_BYTES];
        *at = next_dac(*at);
        value
    }

    fn write_dac(&mut self, value: u8) {
        let at = &mut self.state.dac_write;
        self.state.palette[usize::from(*at) % PALETTE_BYTES] = value & 0x3f;
        *at = next_dac(*at);
    }
}

fn next_dac(at: u16) -> u16 {
    at.wrapping_add(1) % 768
}

impl PioDevice for Vga {
    fn pio_read(&mut self, offset: u16, _width: Width) -> u32 {
        let state = &self.state;
        let value = match offset {
            ATTRIBUTE => state.attribute.index,
            ATTRIBUTE_READ => state.attribute.read(),
            SEQUENCER_INDEX => state.sequencer.index,
            SEQUENCER_DATA => state.sequencer.read(),
            DAC_MASK => state.dac_mask,
            DAC_READ_INDEX if state.dac_reading => 0b11,
            DAC_READ_INDEX => 0,
            DAC_WRITE_INDEX => state.dac_write.wrapping_div(3).to_le_bytes()[0],
            DAC_DATA => self.read_dac(),
            FEATURE_READ => state.feature,
            MISC_READ => state.misc,
            GRAPHICS_INDEX => state.graphics.index,
            GRAPHICS_DATA => state.graphics.read(),
            CRTC_INDEX => state.crtc.index,
            CRTC_DATA => state.crtc.read(),
            STATUS_1 => self.read_status_1(),
            // Input status 0 and ports that are for writing only.
            _ => 0,
        };
        value.into()
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        let [value, ..] = value.to_le_bytes();
        let state = &mut self.state;
        match offset {
            ATTRIBUTE => self.write_attribute(value),
            MISC_WRITE => state.misc = value,
            SEQUENCER_INDEX => state.sequencer.index = value,
            SEQUENCER_DATA => state.sequencer.write(value),
            DAC_MASK => state.dac_mask = value,
            DAC_READ_INDEX => {
                state.dac_read = 3 * u16::from(value);
                state.dac_reading = true;
            }
            DAC_WRITE_INDEX => {
                state.dac_write = 3 * u16::from(value);
                state.dac_reading = false;
            }
            DAC_DATA => self.write_dac(value),
            GRAPHICS_INDEX => state.graphics.index = value,
            GRAPHICS_DATA => state.graphics.write(value),
            CRTC_INDEX => state.crtc.index = value,
            CRTC_DATA => state.crtc.write(value),
            STATUS_1 => state.feature = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
