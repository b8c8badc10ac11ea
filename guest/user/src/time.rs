//! Time as a program sees it.
#![expect(unsafe_code, reason = "reads the time-stamp counter")]

use crate::sys;

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;

/// Nanoseconds since boot; 0 if the kernel has no clock.
pub fn now_ns() -> u64 {
    sys::clock_ns().unwrap_or(0)
}

/// The time-stamp counter: far cheaper than a system call.
pub fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has it, and the kernel leaves it open to ring 3.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Time by the time-stamp counter, without system calls.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    start: u64,
    tsc_khz: u64,
}

impl Stopwatch {
    /// Starts one; `tsc_khz` is that of `SysInfo`.
    pub fn start(tsc_khz: u64) -> Self {
        Self {
            start: tsc(),
            tsc_khz: tsc_khz.max(1),
        }
    }

    /// Nanoseconds since the start. Processors' counters may differ slightly: never below 0.
    pub fn elapsed_ns(&self) -> u64 {
        let ticks = tsc().saturating_sub(self.start);
        let ns = u128::from(ticks) * 1_000_000 / u128::from(self.tsc_khz);
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}
