//! Time since boot, from the time-stamp counter, at a rate that kvmclock states or the PIT
//! measures; and the page by which programs tell it without the kernel ([`abi::clock`]).

use core::arch::x86_64::_rdtsc;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::clock::{CPUS, ClockPage, KvmTime, scale};

use super::cpu::wrmsr;
use super::{MAX_CPUS, cpu_id, kvm, pit};
use crate::mm::{PhysAddr, frame, kernel_map};
use crate::sync::Once;

/// Where KVM is told the address of [`KvmTime`], bit 0 on.
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

/// What programs tell the time by.
static PAGE: ClockPage = ClockPage::new();
/// Processors whose time in it KVM keeps up to date.
static KVM_IS_ON: [AtomicBool; CPUS] = [const { AtomicBool::new(false) }; CPUS];

const _: () = assert!(CPUS == MAX_CPUS);

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

/// Starts the clock of a machine of so many processors; the time is 0 now.
pub fn init(cpus: u32) {
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
    PAGE.set(start, clock.to_ns);
    PAGE.set_cpus(cpus.into());
    // The kernel's own use: programs come and go, and never free it.
    frame::share(page());
}

/// Where the page that programs tell the time by is.
pub fn page() -> PhysAddr {
    kernel_map::image_phys(&raw const PAGE as u64)
}

/// The rate assumed where nothing tells it.
const FALLBACK_KHZ: u64 = 2_000_000;

fn kvmclock_khz() -> Option<u64> {
    if !kvm::has(kvm::Feature::Clock) {
        return None;
    }
    kvm_time(0)?.khz()
}

/// KVM's time on this processor, which is `cpu`. KVM fills it in before the write returns.
fn kvm_time(cpu: usize) -> Option<&'static KvmTime> {
    let time = PAGE.kvm(cpu)?;
    if !KVM_IS_ON.get(cpu)?.swap(true, Ordering::Relaxed) {
        let phys = kernel_map::image_phys(&raw const *time as u64);
        wrmsr(SYSTEM_TIME_MSR, phys.0 | 1);
    }
    Some(time)
}

/// Nanoseconds as KVM states them; `None` if this is no KVM.
pub fn kvm_ns() -> Option<u64> {
    if rate().0 != Source::KvmClock {
        return None;
    }
    kvm_time(cpu_id() as usize)?.now_ns(tsc)
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

/// The time when the counter was at `tsc`.
pub fn ns_at(tsc: u64) -> u64 {
    CLOCK.get().map_or(0, |clock| {
        scale(tsc.saturating_sub(clock.start), clock.to_ns)
    })
}

/// Nanoseconds as a difference of counter values.
pub fn ns_to_ticks(ns: u64) -> u64 {
    CLOCK.get().map_or(0, |clock| scale(ns, clock.to_ticks))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_ticks_is_a_second() {
        let clock = Clock::new(Source::Pit, 2_500_000, 0);
        assert!(scale(2_500_000_000, clock.to_ns).abs_diff(1_000_000_000) < 10);
        assert!(scale(1_000_000_000, clock.to_ticks).abs_diff(2_500_000_000) < 10);
    }
}
