//! Time as a program sees it.
#![expect(
    unsafe_code,
    reason = "reads the time-stamp counter and the kernel's clock page"
)]

use abi::clock::{ADDRESS, ClockPage};
use core::arch::x86_64::{_mm_lfence, _rdtsc};
use core::ptr;

/// Nanoseconds in a millisecond.
pub const MS: u64 = 1_000_000;

/// Nanoseconds since boot, without a system call.
pub fn now_ns() -> u64 {
    page().now_ns(ordered_tsc())
}

/// Nanoseconds as KVM states them, without a system call; `None` if it does not, or not for all
/// processors at once.
pub fn kvm_ns() -> Option<u64> {
    page().kvm_ns(ordered_tsc)
}

fn page() -> &'static ClockPage {
    // SAFETY: the kernel has mapped it there in each program; it is atomics, and zeroes are valid.
    unsafe { &*ptr::with_exposed_provenance(ADDRESS as usize) }
}

/// The time-stamp counter, read after all that was loaded before (SDM 2B, RDTSC).
fn ordered_tsc() -> u64 {
    // SAFETY: x86-64 has both.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

/// The time-stamp counter: far cheaper than a system call.
pub fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has it, and the kernel leaves it open to ring 3.
    unsafe { _rdtsc() }
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
        ticks_to_ns(tsc().saturating_sub(self.start), self.tsc_khz)
    }
}

/// Ticks of the time-stamp counter in nanoseconds; it has so many kHz, not 0.
pub fn ticks_to_ns(ticks: u64, tsc_khz: u64) -> u64 {
    let ns = u128::from(ticks) * 1_000_000 / u128::from(tsc_khz);
    u64::try_from(ns).unwrap_or(u64::MAX)
}
