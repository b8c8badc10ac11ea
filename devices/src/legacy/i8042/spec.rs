//! The controller's registers: their bits, and [`I8042State`], what they hold.

use super::keyboard::KeyboardState;

pub(super) const STATUS_OUTPUT_FULL: u8 = 1 << 0;
pub(super) const STATUS_SELF_TEST_PASSED: u8 = 1 << 2;
pub(super) const STATUS_LAST_WAS_COMMAND: u8 = 1 << 3;
pub(super) const STATUS_NOT_LOCKED: u8 = 1 << 4;

pub(super) const CONFIG_INTERRUPT: u8 = 1 << 0;
const CONFIG_SELF_TEST_PASSED: u8 = 1 << 2;
pub(super) const CONFIG_KEYBOARD_OFF: u8 = 1 << 4;
/// Always set: a driver that finds it so after it has enabled the mouse's port has no such port.
pub(super) const CONFIG_MOUSE_OFF: u8 = 1 << 5;
pub(super) const CONFIG_TRANSLATE: u8 = 1 << 6;
/// As firmware leaves it for kernels that set up nothing.
pub(super) const CONFIG_DEFAULT: u8 =
    CONFIG_INTERRUPT | CONFIG_SELF_TEST_PASSED | CONFIG_MOUSE_OFF | CONFIG_TRANSLATE;

pub(super) const SELF_TEST_OK: u8 = 0x55;
pub(super) const KEYBOARD_LINE_OK: u8 = 0x00;
/// What the test of an auxiliary line says that is stuck: no mouse.
pub(super) const AUX_LINE_BAD: u8 = 0x04;
/// "Send again": no mouse that understood.
pub(super) const RESEND: u8 = 0xfe;
/// Input port as read: the keyboard is not locked.
pub(super) const INPUT_PORT: u8 = 1 << 7;
/// Output port as read: the system is not held in reset, A20 is open.
pub(super) const OUTPUT_PORT: u8 = 0b11;
pub(super) const NOT_IN_RESET: u8 = 1 << 0;

/// Registers of the controller and its keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct I8042State {
    /// Command byte.
    pub configuration: u8,
    /// Command that waits for its parameter on the data port.
    pub pending: Option<u8>,
    /// Byte that waits to be read from the data port.
    pub output: Option<OutputByte>,
    /// The keyboard's byte that the controller's reply took the place of.
    pub held: Option<OutputByte>,
    /// Whether the last write was to the command port.
    pub last_was_command: bool,
    /// The keyboard.
    pub keyboard: KeyboardState,
}

/// What the data port reads as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputByte {
    /// After translation.
    pub byte: u8,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a byte comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The controller's reply.
    Controller,
    /// The keyboard's reply.
    Reply,
    /// A key.
    Key,
}
