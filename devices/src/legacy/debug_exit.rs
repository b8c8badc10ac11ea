//! Ports by which a guest ends or says something, write-only (they read as ones) and without state: [`DebugExit`] and [`MarkPort`] are Hostel's own, [`TestExit`] is for kernels that
//! were written for QEMU's isa-debug-exit.

use crate::bus::{PioDevice, Width};
use crate::power::{PowerEvent, PowerSwitch};

/// A byte written ends the VM with that byte.
pub struct DebugExit {
    power: PowerSwitch,
}

impl DebugExit {
    /// A port that presses `power`.
    pub fn new(power: PowerSwitch) -> Self {
        Self { power }
    }
}

impl PioDevice for DebugExit {
    fn pio_read(&mut self, _offset: u16, _width: Width) -> u32 {
        0xff
    }

    fn pio_write(&mut self, _offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        self.power.press(PowerEvent::DebugExit(byte));
    }
}

/// A value written ends the VM; of wider ones the low byte counts, as it does in an exit status.
pub struct TestExit {
    power: PowerSwitch,
}

impl TestExit {
    /// A port that presses `power`.
    pub fn new(power: PowerSwitch) -> Self {
        Self { power }
    }
}

impl PioDevice for TestExit {
    fn pio_read(&mut self, _offset: u16, _width: Width) -> u32 {
        0xff
    }

    fn pio_write(&mut self, _offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        self.power.press(PowerEvent::TestExit(byte));
    }
}

/// Ports of a [`MarkPort`], so that a write of 32 bits is one.
pub const MARK_PORTS: u64 = 4;

/// A value written is handed to a callback, on the vCPU's thread: it notes the time.
pub struct MarkPort {
    on_mark: Box<dyn FnMut(u32) + Send>,
}

impl MarkPort {
    /// A port that calls `on_mark`.
    pub fn new(on_mark: Box<dyn FnMut(u32) + Send>) -> Self {
        Self { on_mark }
    }
}

impl PioDevice for MarkPort {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, _offset: u16, _width: Width) -> u32 {
        u32::MAX
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        if offset == 0 {
            (self.on_mark)(value);
        }
    }
}
