//! [`AcpiPm`]: the fixed hardware of ACPI (6.5, 4.8.3): power button, power-off, timer.
//!
//! ```text
//!  offset 0  PM1a status    2  PM1a enable    4  PM1a control    8  PM timer
//! ```
//! The machine is in ACPI mode from the start (there is no SMI command), so that SCI_EN is always
//! set. The system control interrupt is high while an event has happened that is enabled.

use crate::bus::{PioDevice, Width};
use crate::irq::LevelLine;
use crate::power::{PowerEvent, PowerSwitch};
use crate::timer::TimedDevice;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use vmm_sys_util::timerfd::TimerFd;

/// First port of the block; the others count from here.
pub const BASE: u16 = 0x600;
/// Number of ports of the block.
pub const PORTS: u64 = 12;
/// PM1a event block: status and enable.
pub const EVENT_PORT: u16 = BASE;
/// Number of its ports.
pub const EVENT_BYTES: u8 = 4;
/// PM1a control block.
pub const CONTROL_PORT: u16 = BASE + 4;
/// Number of its ports.
pub const CONTROL_BYTES: u8 = 2;
/// PM timer, of 32 bits (TMR_VAL_EXT is to be set in the FADT).
pub const TIMER_PORT: u16 = BASE + 8;
/// Number of its ports.
pub const TIMER_BYTES: u8 = 4;
/// SLP_TYP for S5, soft-off: both values of the package `\_S5`.
pub const S5_SLEEP_TYPE: u8 = 5;

const STATUS_OFFSET: usize = 0;
const ENABLE_OFFSET: usize = 2;
const CONTROL_OFFSET: usize = 4;
const TIMER_OFFSET: usize = 8;

const TIMER_HZ: u128 = 3_579_545;
const NS: u128 = 1_000_000_000;

/// Bits of status and enable: the timer's highest bit has changed, ...
const TIMER_EVENT: u16 = 1 << 0;
/// ... the power button was pressed. The other events that exist are never signalled.
const POWER_BUTTON: u16 = 1 << 8;
/// TMR_EN, GBL_EN, PWRBTN_EN, SLPBTN_EN, RTC_EN.
const ENABLE_WRITABLE: u16 = 1 << 0 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 10;
const SCI_ENABLED: u16 = 1 << 0;
/// SCI_EN stays as it is; GBL_RLS and SLP_EN read as zero (4.8.3.2.1).
const CONTROL_WRITABLE: u16 = 1 << 1 | 0b111 << 10;
const SLEEP_TYPE_SHIFT: u32 = 10;
const SLEEP_ENABLE: u16 = 1 << 13;
/// What kernels write that power QEMU off without having read its tables.
const SLEEP_TYPE_QEMU: u8 = 0;

/// Registers of the block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcpiPmState {
    /// PM1a status.
    pub status: u16,
    /// PM1a enable.
    pub enable: u16,
    /// PM1a control.
    pub control: u16,
    /// Time that the timer has counted.
    pub elapsed: Duration,
}

/// Time since some moment; the host's monotonic clock, but in tests.
type Clock = Box<dyn Fn() -> Duration + Send>;

/// The block.
pub struct AcpiPm {
    // Wiring.
    sci: LevelLine,
    power: PowerSwitch,
    clock: Clock,
    timer: TimerFd,
    // Book-keeping: the status is up to date to this time of the timer; its zero on the clock.
    seen: Duration,
    zero: Duration,
    // State.
    status: u16,
    enable: u16,
    control: u16,
}

impl AcpiPm {
    /// A block that interrupts by `sci` and whose S5 presses `power`.
    pub fn new(sci: LevelLine, power: PowerSwitch) -> io::Result<Self> {
        let start = Instant::now();
        Self::with_clock(sci, power, Box::new(move || start.elapsed()))
    }

    /// Like [`Self::new`] with another clock.
    pub fn with_clock(sci: LevelLine, power: PowerSwitch, clock: Clock) -> io::Result<Self> {
        Ok(Self {
            sci,
            power,
            zero: clock(),
            clock,
            timer: TimerFd::new()?,
            seen: Duration::ZERO,
            status: 0,
            enable: 0,
            control: SCI_ENABLED,
        })
    }

    /// Presses the power button: a guest that listens shuts down.
    pub fn press_power_button(&mut self) {
        self.status |= POWER_BUTTON;
        self.update_sci();
    }

    /// The registers.
    pub fn save(&self) -> AcpiPmState {
        AcpiPmState {
            status: self.status,
            enable: self.enable,
            control: self.control,
            elapsed: self.elapsed(),
        }
    }

    /// Takes over saved registers.
    pub fn restore(&mut self, state: &AcpiPmState) {
        self.status = state.status & (TIMER_EVENT | POWER_BUTTON);
        self.enable = state.enable & ENABLE_WRITABLE;
        self.control = state.control & CONTROL_WRITABLE | SCI_ENABLED;
        self.zero = (self.clock)().saturating_sub(state.elapsed);
        self.seen = self.elapsed();
        self.update_sci();
        self.set_timer();
    }

    fn elapsed(&self) -> Duration {
        (self.clock)().saturating_sub(self.zero)
    }

    /// Notes whether the timer's highest bit has changed.
    fn catch_up(&mut self) {
        let now = self.elapsed();
        if half_rounds(now) != half_rounds(self.seen) {
            self.status |= TIMER_EVENT;
        }
        self.seen = now;
        self.update_sci();
    }

    fn update_sci(&self) {
        self.sci.set(self.status & self.enable != 0);
    }

    /// The timer of the host runs only if the guest wants to know.
    fn set_timer(&mut self) {
        let set = if self.enable & !self.status & TIMER_EVENT == 0 {
            self.timer.clear()
        } else {
            self.timer.reset(to_next_half_round(self.elapsed()), None)
        };
        if let Err(error) = set {
            log::error!("ACPI timer: {error}");
        }
    }

    /// All registers, as they lie in the ports.
    fn image(&mut self) -> [u8; PORTS as usize] {
        self.catch_up();
        let timer = ticks(self.seen).to_le_bytes();
        let mut image = [0; PORTS as usize];
        image[STATUS_OFFSET..][..2].copy_from_slice(&self.status.to_le_bytes());
        image[ENABLE_OFFSET..][..2].copy_from_slice(&self.enable.to_le_bytes());
        image[CONTROL_OFFSET..][..2].copy_from_slice(&self.control.to_le_bytes());
        image[TIMER_OFFSET..][..4].copy_from_slice(&timer[..4]);
        image
    }

    fn write_byte(&mut self, offset: usize, byte: u8) {
        let shift = 8 * (offset % 2);
        let (value, lane) = (u16::from(byte) << shift, 0xff << shift);
        match offset & !1 {
            STATUS_OFFSET => self.status &= !value,
            ENABLE_OFFSET => self.enable = self.enable & !lane | value & ENABLE_WRITABLE,
            CONTROL_OFFSET => {
                let kept = self.control & (!lane | !CONTROL_WRITABLE);
                self.control = kept | value & CONTROL_WRITABLE;
                if value & SLEEP_ENABLE != 0 {
                    self.sleep();
                }
            }
            _ => {}
        }
    }

    /// There is no other sleeping state; one that is not there is not entered.
    fn sleep(&self) {
        let [sleep_type, _] = (self.control >> SLEEP_TYPE_SHIFT & 0b111).to_le_bytes();
        if matches!(sleep_type, S5_SLEEP_TYPE | SLEEP_TYPE_QEMU) {
            self.power.press(PowerEvent::PowerOff);
        }
    }
}

/// What the timer has counted, all bits of it.
fn ticks(elapsed: Duration) -> u128 {
    elapsed.as_nanos() * TIMER_HZ / NS
}

/// How often the highest of the timer's 32 bits has changed.
fn half_rounds(elapsed: Duration) -> u128 {
    ticks(elapsed) >> 31
}

fn to_next_half_round(elapsed: Duration) -> Duration {
    let at = (((half_rounds(elapsed) + 1) << 31) * NS).div_ceil(TIMER_HZ);
    let wait = at.saturating_sub(elapsed.as_nanos()).max(1);
    // Ten minutes at most.
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

impl TimedDevice for AcpiPm {
    fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    fn timer_expired(&mut self) {
        self.catch_up();
        // Set anew, it is no longer expired.
        self.set_timer();
    }
}

impl PioDevice for AcpiPm {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        let image = self.image();
        let bytes = image.iter().skip(offset.into()).take(width.bytes());
        bytes
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        self.catch_up();
        let bytes = value.to_le_bytes().into_iter().take(width.bytes());
        for (at, byte) in (usize::from(offset)..).zip(bytes) {
            self.write_byte(at, byte);
        }
        self.update_sci();
        self.set_timer();
    }
}

#[cfg(test)]
mod tests;
