//! Time since boot, from the time-stamp counter, at a rate that kvmclock states or the PIT
//! measures.

use core::arch::x86_64::_rdtsc;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::cpu::wrmsr;
use super::{MAX_CPUS, cpu_id, kvm, pit};
use crate::mm::kernel_map;
use crate::sync::Once;

/// Where KVM is told the address of [`TimeInfo`], bit 0 on.
const SYSTEM_TIME_MSR: u32 = 0x4b56_4d01;

/// What the time is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// KVM states the counter's rate.
    KvmClock,
    /// The PIT was the yardstick.
    Pit,
}

impl Source {
    /// As it stands in the boot record.
    pub fn name(self) -> &'static str {
        match self {
            Self::KvmClock => "kvmclock",
            Self::Pit => "pit",
        }
    }
}

/// `pvclock_vcpu_time_info` (Linux Documentation/virt/kvm/x86/msr.rst).
#[repr(C, align(32))]
#[derive(Clone, Copy)]
struct TimeInfo {
    version: u32,
    pad0: u32,
    tsc_timestamp: u64,
    system_time: u64,
    tsc_to_system_mul: u32,
    tsc_shift: i8,
    flags: u8,
    pad1: [u8; 2],
}

const _: () = assert!(size_of::<TimeInfo>() == 32);

struct Shared(UnsafeCell<TimeInfo>);

// SAFETY: written by KVM, read volatile.
unsafe impl Sync for Shared {}

const NO_TIME: TimeInfo = TimeInfo {
    version: 0,
    pad0: 0,
    tsc_timestamp: 0,
    system_time: 0,
    tsc_to_system_mul: 0,
    tsc_shift: 0,
    flags: 0,
    pad1: [0; 2],
};

static TIME_INFO: Shared = Shared(UnsafeCell::new(NO_TIME));

/// A rate between the counter and nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    source: Source,
    khz: u64,
    start: u64,
    /// ns per tick, in 2^-32.
    to_ns: u64,
    /// Ticks per ns, in 2^-32.
    to_ticks: u64,
}

static CLOCK: Once<Clock> = Once::new();

impl Clock {
    fn new(source: Source, khz: u64, start: u64) -> Self {
        let khz = khz.max(1);
        Self {
            source,
            khz,
            start,
            to_ns: (1_000_000 << 32) / khz,
            to_ticks: (khz << 32) / 1_000_000,
        }
    }
}

/// Starts the clock; the time is 0 now.
pub fn init() {
    let start = tsc();
    let clock = match kvmclock_khz() {
        Some(khz) => Clock::new(Source::KvmClock, khz, start),
        None => Clock::new(
            Source::Pit,
            pit::measure_tsc_khz().unwrap_or(FALLBACK_KHZ),
            start,
        ),
    };
    CLOCK.set(clock);
}

/// The rate assumed where nothing tells it.
const FALLBACK_KHZ: u64 = 2_000_000;

fn kvmclock_khz() -> Option<u64> {
    if !kvm::has(kvm::Feature::Clock) {
        return None;
    }
    let info = TIME_INFO.0.get();
    wrmsr(SYSTEM_TIME_MSR, kernel_map::image_phys(info as u64).0 | 1);
    // SAFETY: the static above; KVM fills it in before the write to the MSR returns.
    let info = unsafe { info.read_volatile() };
    wrmsr(SYSTEM_TIME_MSR, 0);
    rate_khz(info.tsc_to_system_mul, info.tsc_shift)
}

/// One for each processor, and whether KVM keeps it up to date.
static TIME_INFOS: [(Shared, AtomicBool); MAX_CPUS] =
    [const { (Shared(UnsafeCell::new(NO_TIME)), AtomicBool::new(false)) }; MAX_CPUS];

/// Nanoseconds as KVM states them; `None` if this is no KVM.
pub fn kvm_ns() -> Option<u64> {
    if rate().0 != Source::KvmClock {
        return None;
    }
    let (info, is_on) = TIME_INFOS.get(cpu_id() as usize)?;
    let info = info.0.get();
    if !is_on.swap(true, Ordering::Relaxed) {
        wrmsr(SYSTEM_TIME_MSR, kernel_map::image_phys(info as u64).0 | 1);
    }
    loop {
        // SAFETY: the static above; KVM changes it only while this processor is out of the guest,
        // and the version tells of that.
        let (before, info, after) = unsafe {
            let version = &raw const (*info).version;
            let before = version.read_volatile();
            (before, info.read_volatile(), version.read_volatile())
        };
        if before == after && before % 2 == 0 {
            return Some(info.now_ns(tsc()));
        }
    }
}

impl TimeInfo {
    fn now_ns(&self, tsc: u64) -> u64 {
        let ticks = tsc.wrapping_sub(self.tsc_timestamp);
        let places = u32::from(self.tsc_shift.unsigned_abs());
        let ticks = match self.tsc_shift < 0 {
            true => ticks.checked_shr(places),
            false => ticks.checked_shl(places),
        };
        let ns = scale(ticks.unwrap_or(0), self.tsc_to_system_mul.into());
        self.system_time.wrapping_add(ns)
    }
}

/// kHz of a counter of which `ticks << shift * mul >> 32` is nanoseconds.
fn rate_khz(mul: u32, shift: i8) -> Option<u64> {
    let khz = (1_000_000_u64 << 32).checked_div(u64::from(mul))?;
    let places = u32::from(shift.unsigned_abs());
    if shift < 0 {
        khz.checked_shl(places)
    } else {
        khz.checked_shr(places)
    }
}

/// The time-stamp counter.
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has it.
    unsafe { _rdtsc() }
}

/// Nanoseconds since [`init`]; 0 before.
#[inline]
pub fn now_ns() -> u64 {
    CLOCK.get().map_or(0, |clock| {
        scale(tsc().wrapping_sub(clock.start), clock.to_ns)
    })
}

/// Counter value at `ns` of the clock.
pub fn tsc_at(ns: u64) -> u64 {
    CLOCK.get().map_or(0, |clock| {
        clock.start.saturating_add(scale(ns, clock.to_ticks))
    })
}

/// A difference of counter values in nanoseconds.
pub fn ticks_to_ns(ticks: u64) -> u64 {
    CLOCK.get().map_or(0, |clock| scale(ticks, clock.to_ns))
}

/// Where the rate is from, and what it is in kHz.
pub fn rate() -> (Source, u64) {
    CLOCK
        .get()
        .map_or((Source::Pit, 0), |clock| (clock.source, clock.khz))
}

/// `value * factor` in 2^-32, at most `u64::MAX`.
#[inline]
fn scale(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    (product >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvmclock_states_its_rate_with_a_shift() {
        // 2 GHz: half a nanosecond a tick, as KVM gives it: mul in 2^-32 with and without shift.
        assert_eq!(rate_khz(1 << 31, 0), Some(2_000_000));
        assert_eq!(rate_khz(u32::MAX, -1).map(|khz| khz / 1000), Some(2000));
        assert_eq!(rate_khz(0, 0), None);
    }

    #[test]
    fn kvms_page_says_the_time_of_a_counter() {
        let info = |tsc_shift, tsc_to_system_mul| TimeInfo {
            tsc_timestamp: 1000,
            system_time: 50,
            tsc_shift,
            tsc_to_system_mul,
            ..NO_TIME
        };
        assert_eq!(info(0, 1 << 31).now_ns(1000), 50);
        assert_eq!(info(0, 1 << 31).now_ns(1200), 150);
        assert_eq!(info(1, 1 << 31).now_ns(1200), 250);
        assert_eq!(info(-1, 1 << 31).now_ns(1200), 100);
    }

    #[test]
    fn a_second_of_ticks_is_a_second() {
        let clock = Clock::new(Source::Pit, 2_500_000, 0);
        assert!(scale(2_500_000_000, clock.to_ns).abs_diff(1_000_000_000) < 10);
        assert!(scale(1_000_000_000, clock.to_ticks).abs_diff(2_500_000_000) < 10);
    }
}
