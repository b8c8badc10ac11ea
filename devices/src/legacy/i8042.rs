//! [`I8042`]: the keyboard controller, with no keyboard and no mouse behind it.
//!
//! It is there because guests reset the machine by it and because probing for one that is
//! absent takes seconds of time-outs. Every command is answered at once, as a controller would
//! whose ports are empty. It has two ports with others' between them: give the bus the ranges
//! [`DATA_OFFSET`] and [`COMMAND_OFFSET`] of one device (`PioBus::insert_ranges`).

use crate::bus::{PioDevice, Width};
use crate::power::{PowerEvent, PowerSwitch};

/// Offset of the data port from the controller's first port (0x60).
pub const DATA_OFFSET: u16 = 0;
/// Offset of the status and command port.
pub const COMMAND_OFFSET: u16 = 4;

const STATUS_OUTPUT_FULL: u8 = 1 << 0;
const STATUS_SELF_TEST_PASSED: u8 = 1 << 2;
const STATUS_LAST_WAS_COMMAND: u8 = 1 << 3;
const STATUS_NOT_LOCKED: u8 = 1 << 4;

const SELF_TEST_OK: u8 = 0x55;
const KEYBOARD_LINE_OK: u8 = 0x00;
/// What the test of an auxiliary line says that is stuck: no mouse.
const AUX_LINE_BAD: u8 = 0x04;
/// A keyboard's "send again": no keyboard that understood.
const RESEND: u8 = 0xfe;
/// Output port as read: the system is not held in reset, A20 is open.
const OUTPUT_PORT: u8 = 0b11;
const NOT_IN_RESET: u8 = 1 << 0;

/// Registers of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I8042State {
    /// Command byte: interrupt enables and the like, kept but without effect.
    pub configuration: u8,
    /// Command that waits for its parameter on the data port.
    pub pending: Option<u8>,
    /// Byte that waits to be read from the data port.
    pub output: Option<u8>,
    /// Whether the last write was to the command port.
    pub last_was_command: bool,
}

/// The controller.
pub struct I8042 {
    power: PowerSwitch,
    state: I8042State,
}

impl I8042 {
    /// A controller after its self-test; reset presses `power`.
    pub fn new(power: PowerSwitch) -> Self {
        let state = I8042State {
            configuration: 0,
            pending: None,
            output: None,
            last_was_command: false,
        };
        Self { power, state }
    }

    /// The registers.
    pub fn save(&self) -> I8042State {
        self.state.clone()
    }

    /// Takes over saved registers.
    pub fn restore(&mut self, state: &I8042State) {
        self.state = state.clone();
    }

    fn status(&self) -> u8 {
        let mut status = STATUS_SELF_TEST_PASSED | STATUS_NOT_LOCKED;
        if self.state.output.is_some() {
            status |= STATUS_OUTPUT_FULL;
        }
        if self.state.last_was_command {
            status |= STATUS_LAST_WAS_COMMAND;
        }
        status
    }

    fn command(&mut self, command: u8) {
        self.state.last_was_command = true;
        self.state.pending = None;
        match command {
            0x20 => self.state.output = Some(self.state.configuration),
            // Those with a parameter: write configuration, output port, keyboard's and mouse's
            // output buffer, and send to the mouse.
            0x60 | 0xd1..=0xd4 => self.state.pending = Some(command),
            0xa9 => self.state.output = Some(AUX_LINE_BAD),
            0xaa => self.state.output = Some(SELF_TEST_OK),
            0xab => self.state.output = Some(KEYBOARD_LINE_OK),
            0xd0 => self.state.output = Some(OUTPUT_PORT),
            // Pulse those output lines whose bit is clear; line 0 is reset.
            0xf0..=0xff if command & NOT_IN_RESET == 0 => self.power.press(PowerEvent::Reset),
            _ => {}
        }
    }

    fn data(&mut self, byte: u8) {
        self.state.last_was_command = false;
        match self.state.pending.take() {
            Some(0x60) => self.state.configuration = byte,
            Some(0xd1) if byte & NOT_IN_RESET == 0 => self.power.press(PowerEvent::Reset),
            Some(0xd1) => {}
            Some(0xd2 | 0xd3) => self.state.output = Some(byte),
            // To a mouse or keyboard that is not there.
            _ => self.state.output = Some(RESEND),
        }
    }
}

impl PioDevice for I8042 {
    fn pio_read(&mut self, offset: u16, _width: Width) -> u32 {
        match offset {
            DATA_OFFSET => self.state.output.take().unwrap_or(0).into(),
            COMMAND_OFFSET => self.status().into(),
            _ => 0xff,
        }
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        match offset {
            DATA_OFFSET => self.data(byte),
            COMMAND_OFFSET => self.command(byte),
            _ => {}
        }
    }
}
