//! [`Cmos`]: the MC146818 real-time clock and its battery-backed memory.
//!
//! The clock shows the host's time in UTC, in BCD and 24 hours, and cannot be set: writes to it
//! are swallowed. It has no interrupt. The memory holds, as a PC's firmware leaves them there,
//! the sizes of memory; the rest is plain.

use crate::bus::{PioDevice, Width};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Number of ports: index and data.
pub const PORTS: u64 = 2;

const INDEX_OFFSET: u16 = 0;
const DATA_OFFSET: u16 = 1;
const RAM_BYTES: usize = 128;
/// The other bit of the index port masks NMIs, of which there are none.
const INDEX_MASK: u8 = 0x7f;

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY_OF_WEEK: u8 = 0x06;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const STATUS_C: u8 = 0x0c;
const STATUS_D: u8 = 0x0d;
const CENTURY: u8 = 0x32;

/// Time base 32.768 kHz, periodic rate 1024 Hz: what firmware sets.
const A_DEFAULT: u8 = 0x26;
const A_UPDATE_IN_PROGRESS: u8 = 1 << 7;
/// The chip warns this long before the registers change.
const UPDATE_NS: u32 = 244_000;
/// 24 hours; bit 2 clear for BCD. Neither can be changed.
const B_24_HOURS: u8 = 1 << 1;
/// Set, and interrupt enables: kept but without effect.
const B_WRITABLE: u8 = 0b1111_0000;
const D_VALID: u8 = 1 << 7;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const CHUNK: u64 = 64 * KIB;

/// Index register and memory; the time is the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmosState {
    /// Register that the data port stands for.
    pub index: u8,
    /// Contents, clock registers included (which are not used).
    pub ram: [u8; RAM_BYTES],
}

/// Tells the time; the host's clock, but in tests.
type Clock = Box<dyn Fn() -> SystemTime + Send>;

/// The clock and its memory.
pub struct Cmos {
    clock: Clock,
    state: CmosState,
}

impl Cmos {
    /// A clock on the host's time, for a guest with memory of `low_bytes` below 4 GiB and
    /// `high_bytes` above.
    pub fn new(low_bytes: u64, high_bytes: u64) -> Self {
        Self::with_clock(low_bytes, high_bytes, Box::new(SystemTime::now))
    }

    /// Like [`Self::new`] with another clock.
    pub fn with_clock(low_bytes: u64, high_bytes: u64, clock: Clock) -> Self {
        let mut ram = [0; RAM_BYTES];
        ram[usize::from(STATUS_A)] = A_DEFAULT;
        store_memory_sizes(&mut ram, low_bytes, high_bytes);
        let state = CmosState { index: 0, ram };
        Self { clock, state }
    }

    /// Index and memory.
    pub fn save(&self) -> CmosState {
        self.state.clone()
    }

    /// Takes over saved index and memory.
    pub fn restore(&mut self, state: &CmosState) {
        self.state = state.clone();
        self.state.index &= INDEX_MASK;
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
            STATUS_C => 0,
            STATUS_D => D_VALID,
            _ => *self.ram(index),
        }
    }

    fn write(&mut self, value: u8) {
        let index = self.state.index;
        *self.ram(index) = match index {
            STATUS_A => value & !A_UPDATE_IN_PROGRESS,
            _ => value,
        };
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

/// Two decimal digits; `value` is below 100.
fn to_bcd(value: u64) -> u8 {
    let digits = ((value / 10 % 10) << 4) | (value % 10);
    digits.to_le_bytes()[0]
}

/// A moment of the proleptic Gregorian calendar, UTC.
struct Calendar {
    second_of_day: u64,
    /// 1 is Sunday, as the chip counts.
    day_of_week: u64,
    day: u64,
    month: u64,
    year: u64,
}

impl Calendar {
    /// `unix_s` in seconds since 1970.
    fn at(unix_s: u64) -> Self {
        const DAY_S: u64 = 24 * 60 * 60;
        const DAYS_OF_400_YEARS: u64 = 146_097;
        const DAYS_OF_100_YEARS: u64 = 36_524;
        const DAYS_OF_4_YEARS: u64 = 1_461;
        // Counted from 1 March of the year 0, so that a leap day is the last of its year and
        // its cycle of 400 years. 1 January 1970 is day 719,468 from there, a Thursday.
        let days = unix_s / DAY_S + 719_468;
        let (cycles, day_of_cycle) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
        let leap_days_skipped = day_of_cycle / (DAYS_OF_4_YEARS - 1)
            - day_of_cycle / DAYS_OF_100_YEARS
            + day_of_cycle / (DAYS_OF_400_YEARS - 1);
        let year_of_cycle = (day_of_cycle - leap_days_skipped) / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        // Five months from March, and again from August, have 153 days.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            second_of_day: unix_s % DAY_S,
            day_of_week: (unix_s / DAY_S + 4) % 7 + 1,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            month,
            year: 400 * cycles + year_of_cycle + u64::from(month <= 2),
        }
    }

    /// What the chip has in register `index`, before it is made BCD.
    fn register(&self, index: u8) -> u64 {
        match index {
            SECONDS => self.second_of_day % 60,
            MINUTES => self.second_of_day / 60 % 60,
            HOURS => self.second_of_day / 3600,
            DAY_OF_WEEK => self.day_of_week,
            DAY => self.day,
            MONTH => self.month,
            YEAR => self.year % 100,
            _ => self.year / 100,
        }
    }
}
