//! [`ResetPort`]: the chipset's reset control register, port 0xcf9.
//!
//! The port lies inside the four of the PCI configuration address (0xcf8 to 0xcfb), which is a
//! register only when accessed as a whole. The device therefore takes all four: a byte access
//! to the second is the reset register, anything else is PCI's, of which there is none.

use crate::bus::{PioDevice, Width};
use crate::power::{PowerEvent, PowerSwitch};

/// First port of the range.
pub const BASE: u16 = 0xcf8;
/// Number of ports of the range.
pub const PORTS: u64 = 4;

const CONTROL_OFFSET: u16 = 1;
const RESET_CPU: u8 = 1 << 2;

/// The register as last written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResetPortState {
    /// Kind of reset (bits 1 and 3) and the reset bit (2).
    pub control: u8,
}

/// The reset control register.
pub struct ResetPort {
    power: PowerSwitch,
    state: ResetPortState,
}

impl ResetPort {
    /// A register whose reset bit presses `power`.
    pub fn new(power: PowerSwitch) -> Self {
        Self {
            power,
            state: ResetPortState::default(),
        }
    }

    /// The register.
    pub fn save(&self) -> ResetPortState {
        self.state.clone()
    }

    /// Takes over a saved register.
    pub fn restore(&mut self, state: &ResetPortState) {
        self.state = state.clone();
    }
}

impl PioDevice for ResetPort {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        match (offset, width) {
            (CONTROL_OFFSET, Width::Byte) => self.state.control.into(),
            _ => u32::MAX,
        }
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        if (offset, width) != (CONTROL_OFFSET, Width::Byte) {
            return;
        }
        self.state.control = byte;
        if byte & RESET_CPU != 0 {
            self.power.press(PowerEvent::Reset);
        }
    }
}
