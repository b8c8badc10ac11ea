//! The 8254 timer: a yardstick for the time-stamp counter where there is no kvmclock.

use super::clock::tsc;
use super::port::{inb, outb};

const CHANNEL_0: u16 = 0x40;
const MODE: u16 = 0x43;
/// Channel 0, low byte then high byte, mode 2 (rate generator).
const RATE_GENERATOR: u8 = 0x34;
/// Latches the count of channel 0.
const LATCH: u8 = 0x00;
const HZ: u64 = 1_193_182;
/// About 5 ms: an error of two ticks is one in 3000.
const MEASURE_TICKS: u64 = 6000;
/// Reads of a counter that stands still before it is given up.
const MOST_READS: u32 = 100_000;

/// Frequency of the time-stamp counter in kHz as measured; `None` if there is no PIT.
pub fn measure_tsc_khz() -> Option<u64> {
    start();
    let first = count();
    let since = tsc();
    for _ in 0..MOST_READS {
        let ticks = u64::from(first.wrapping_sub(count()));
        if ticks >= MEASURE_TICKS {
            return Some((tsc() - since) * HZ / (ticks * 1000));
        }
    }
    None
}

/// Has channel 0 count down, over and over.
pub fn start() {
    outb(MODE, RATE_GENERATOR);
    outb(CHANNEL_0, 0xff);
    outb(CHANNEL_0, 0xff);
}

/// What channel 0 has counted down to.
pub fn count() -> u16 {
    outb(MODE, LATCH);
    let low = inb(CHANNEL_0);
    u16::from_le_bytes([low, inb(CHANNEL_0)])
}
