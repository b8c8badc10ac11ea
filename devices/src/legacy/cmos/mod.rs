//! [`Cmos`]: the MC146818 real-time clock and its battery-backed memory.
//!
//! The clock shows the host's time in UTC, in BCD and 24 hours, and cannot be set: writes to it
//! are swallowed. It interrupts periodically, at each second and at an alarm ([`events`]); the
//! timer runs only while one of these is enabled and the last has been acknowledged. The memory
//! holds, as a PC's firmware leaves them there, the equipment and the sizes of memory; the rest is
//! plain.

mod calendar;
mod events;

use crate::bus::{PioDevice, Width};
use crate::irq::IrqLine;
use crate::timer::TimedDevice;
use calendar::{Calendar, to_bcd};
use events::Rules;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vm_superio::Trigger;
use vmm_sys_util::timerfd::TimerFd;

/// Number of ports: index and data.
pub const PORTS: u64 = 2;

const INDEX_OFFSET: u16 = 0;
const DATA_OFFSET: u16 = 1;
const RAM_BYTES: usize = 128;
/// The other bit of the index port masks NMIs, of which there are none.
const INDEX_MASK: u8 = 0x7f;

const SECONDS: u8 = 0x00;
const SECONDS_ALARM: u8 = 0x01;
const MINUTES: u8 = 0x02;
const MINUTES_ALARM: u8 = 0x03;
const HOURS: u8 = 0x04;
const HOURS_ALARM: u8 = 0x05;
const DAY_OF_WEEK: u8 = 0x06;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const STATUS_C: u8 = 0x0c;
const STATUS_D: u8 = 0x0d;
/// Bit 1: a floating-point unit; the others: no floppy drive, no mouse, a VGA.
const EQUIPMENT: u8 = 0x14;
const CENTURY: u8 = 0x32;

/// Time base 32.768 kHz, periodic rate 1024 Hz: what firmware sets.
const A_DEFAULT: u8 = 0x26;
const A_UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// The chip warns this long before the registers change.
const UPDATE_NS: u32 = 244_000;
/// 24 hours; bit 2 clear for BCD. Neither can be changed.
const B_24_HOURS: u8 = 1 << 1;
/// Set, interrupt enables, and the square wave, which is kept but without effect.
const B_WRITABLE: u8 = 0b1111_1000;
const C_INTERRUPT: u8 = 1 << 7;
const D_VALID: u8 = 1 << 7;
const EQUIPMENT_FPU: u8 = 1 << 1;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const CHUNK: u64 = 64 * KIB;

/// Index register and memory; the time is the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmosState {
    /// Register that the data port stands for.
    pub index: u8,
    /// Contents, clock registers included (of which only the alarm's are used).
    pub ram: [u8; RAM_BYTES],
    /// Register C: what has happened since it was read, and whether that interrupted.
    pub flags: u8,
}

/// Tells the time; the host's clock, but in tests.
type Clock = Box<dyn Fn() -> SystemTime + Send>;

/// The clock and its memory.
pub struct Cmos {
    // Wiring.
    clock: Clock,
    line: IrqLine,
    timer: TimerFd,
    // Book-keeping: the flags are up to date to this moment, since 1970.
    seen: Duration,
    state: CmosState,
}

impl Cmos {
    /// A clock on the host's time that interrupts by `line`, for a guest with memory of
    /// `low_bytes` below 4 GiB and `high_bytes` above.
    pub fn new(line: IrqLine, low_bytes: u64, high_bytes: u64) -> io::Result<Self> {
        Self::with_clock(line, low_bytes, high_bytes, Box::new(SystemTime::now))
    }

    /// Like [`Self::new`] with another clock.
    pub fn with_clock(
        line: IrqLine,
        low_bytes: u64,
        high_bytes: u64,
        clock: Clock,
    ) -> io::Result<Self> {
        let mut ram = [0; RAM_BYTES];
        ram[usize::from(STATUS_A)] = A_DEFAULT;
        ram[usize::from(EQUIPMENT)] = EQUIPMENT_FPU;
        store_memory_sizes(&mut ram, low_bytes, high_bytes);
        store_checksum(&mut ram);
        let mut this = Self {
            clock,
            line,
            timer: TimerFd::new()?,
            seen: Duration::ZERO,
            state: CmosState {
                index: 0,
                ram,
                flags: 0,
            },
        };
        this.seen = this.now();
        Ok(this)
    }

    /// Index and memory.
    pub fn save(&self) -> CmosState {
        self.state.clone()
    }

    /// Takes over saved index and memory.
    pub fn restore(&mut self, state: &CmosState) {
        self.state = state.clone();
        self.state.index &= INDEX_MASK;
        self.seen = self.now();
        self.set_timer();
    }

    fn now(&self) -> Duration {
        (self.clock)()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
    }

    fn ram(&mut self, index: u8) -> &mut u8 {
        &mut self.state.ram[usize::from(index & INDEX_MASK)]
    }

    fn read(&mut self) -> u8 {
        let index = self.state.index;
        match index {
            SECONDS | MINUTES | HOURS | DAY_OF_WEEK | DAY | MONTH | YEAR | CENTURY => {
                to_bcd(Calendar::at(self.now().as_secs()).register(index))
            }
            STATUS_A => {
                let updating = self.now().subsec_nanos() >= 1_000_000_000 - UPDATE_NS;
                *self.ram(STATUS_A) | if updating { A_UPDATE_IN_PROGRESS } else { 0 }
            }
            STATUS_B => *self.ram(STATUS_B) & B_WRITABLE | B_24_HOURS,
            STATUS_C => {
                self.catch_up();
                let flags = std::mem::take(&mut self.state.flags);
                self.set_timer();
                flags
            }
            STATUS_D => D_VALID,
            _ => *self.ram(index),
        }
    }

    fn write(&mut self, value: u8) {
        // What has happened so far, happened under the old rules.
        self.catch_up();
        let index = self.state.index;
        *self.ram(index) = match index {
            STATUS_A => value & !A_UPDATE_IN_PROGRESS,
            _ => value,
        };
        if matches!(index, STATUS_A | STATUS_B) {
            self.interrupt();
            self.set_timer();
        }
    }

    /// Notes what has happened since the last time, and interrupts for it.
    fn catch_up(&mut self) {
        let now = self.now();
        self.state.flags |= Rules::of(&self.state.ram).events(self.seen, now);
        self.seen = now;
        self.interrupt();
    }

    /// Interrupts if something enabled has happened, once until register C is read.
    fn interrupt(&mut self) {
        let enabled = Rules::of(&self.state.ram).enabled();
        if self.state.flags & C_INTERRUPT != 0 || self.state.flags & enabled == 0 {
            return;
        }
        self.state.flags |= C_INTERRUPT;
        if let Err(error) = self.line.trigger() {
            log::error!("clock interrupt: {error}");
        }
    }

    /// The timer runs if something that is to interrupt will happen.
    fn set_timer(&mut self) {
        let next = match self.state.flags & C_INTERRUPT {
            0 => Rules::of(&self.state.ram).next(self.now()),
            _ => None,
        };
        let set = match next {
            Some(wait) => self.timer.reset(wait, None),
            None => self.timer.clear(),
        };
        if let Err(error) = set {
            log::error!("clock timer: {error}");
        }
    }
}

impl TimedDevice for Cmos {
    fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    fn timer_expired(&mut self) {
        self.catch_up();
        // Arms it anew, by which it is no longer expired.
        self.set_timer();
    }
}

impl PioDevice for Cmos {
    fn pio_read(&mut self, offset: u16, _width: Width) -> u32 {
        match offset {
            INDEX_OFFSET => self.state.index.into(),
            DATA_OFFSET => self.read().into(),
            _ => 0xff,
        }
    }

    fn pio_write(&mut self, offset: u16, _width: Width, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        match offset {
            INDEX_OFFSET => self.state.index = byte & INDEX_MASK,
            DATA_OFFSET => self.write(byte),
            _ => {}
        }
    }
}

/// Sizes of memory where firmware leaves them, each register pair or triple saturating.
fn store_memory_sizes(ram: &mut [u8; RAM_BYTES], low_bytes: u64, high_bytes: u64) {
    let base_kib = low_bytes.min(640 * KIB) / KIB;
    let above_1m_kib = low_bytes.saturating_sub(MIB) / KIB;
    let above_16m_chunks = low_bytes.saturating_sub(16 * MIB) / CHUNK;
    let above_4g_chunks = high_bytes / CHUNK;
    let fields: [(usize, usize, u64); 5] = [
        (0x15, 2, base_kib),
        (0x17, 2, above_1m_kib),
        (0x30, 2, above_1m_kib),
        (0x34, 2, above_16m_chunks),
        (0x5b, 3, above_4g_chunks),
    ];
    for (at, bytes, value) in fields {
        let saturated = value.min((1 << (8 * bytes)) - 1);
        ram[at..at + bytes].copy_from_slice(&saturated.to_le_bytes()[..bytes]);
    }
}

/// The sum that firmware holds against the bytes of its set-up.
fn store_checksum(ram: &mut [u8; RAM_BYTES]) {
    let sum: u16 = ram[0x10..0x2e].iter().copied().map(u16::from).sum();
    ram[0x2e..0x30].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests;
