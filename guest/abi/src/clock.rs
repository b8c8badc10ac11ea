//! The page by which programs tell the time without a system call. Each has it at [`ADDRESS`], to
//! read.
//!
//! It holds two clocks, both made of the time-stamp counter: the kernel's, whose rate is set at
//! boot, and KVM's, which KVM keeps up to date (`pvclock_vcpu_time_info`, Linux
//! Documentation/virt/kvm/x86/msr.rst).

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicI8, AtomicU8, AtomicU32, AtomicU64, fence};

/// Where a program has the page: in the 2 MiB of its first stack, far below that.
pub const ADDRESS: u64 = 0x0fe0_0000;

/// Most processors.
pub const CPUS: usize = 16;

/// The page.
#[repr(C, align(4096))]
pub struct ClockPage {
    /// The counter when the kernel's clock was 0.
    start: AtomicU64,
    /// ns per tick of the kernel's clock, in 2^-32; 0 before it is set.
    to_ns: AtomicU64,
    /// The processors.
    cpus: AtomicU64,
    reserved: u64,
    /// KVM's time on each.
    kvm: [KvmTime; CPUS],
}

const _: () = assert!(size_of::<ClockPage>() == 4096);

/// What KVM says of one processor's time.
#[repr(C, align(32))]
pub struct KvmTime {
    /// Odd while KVM changes the rest, and another when it has.
    version: AtomicU32,
    reserved: u32,
    tsc_timestamp: AtomicU64,
    /// ns at that counter.
    system_time: AtomicU64,
    tsc_to_system_mul: AtomicU32,
    tsc_shift: AtomicI8,
    flags: AtomicU8,
    reserved_end: [u8; 2],
}

const _: () = assert!(size_of::<KvmTime>() == 32);

/// PVCLOCK_TSC_STABLE_BIT: what is said of one processor's time holds for all.
const TSC_STABLE: u8 = 1 << 0;

impl ClockPage {
    /// Without a time.
    #[expect(clippy::new_without_default, reason = "there is one, a static")]
    pub const fn new() -> Self {
        Self {
            start: AtomicU64::new(0),
            to_ns: AtomicU64::new(0),
            cpus: AtomicU64::new(0),
            reserved: 0,
            kvm: [const { KvmTime::new() }; CPUS],
        }
    }

    /// Starts the kernel's clock: 0 at counter `start`, `to_ns` in 2^-32 ns a tick.
    pub fn set(&self, start: u64, to_ns: u64) {
        self.start.store(start, Relaxed);
        self.to_ns.store(to_ns, Release);
    }

    /// Says how many processors there are.
    pub fn set_cpus(&self, cpus: u64) {
        self.cpus.store(cpus, Release);
    }

    /// Nanoseconds since boot when the counter is `tsc`; 0 before the clock was set.
    #[inline]
    pub fn now_ns(&self, tsc: u64) -> u64 {
        let to_ns = self.to_ns.load(Acquire);
        scale(tsc.wrapping_sub(self.start.load(Relaxed)), to_ns)
    }

    /// Nanoseconds as KVM states them, on whatever processor this runs; `tsc` reads the counter,
    /// after all that was read before. `None` if KVM does not state them, or not for all
    /// processors at once.
    #[inline]
    pub fn kvm_ns(&self, tsc: impl Fn() -> u64) -> Option<u64> {
        let first = self.kvm.first()?;
        let holds = self.cpus.load(Relaxed) == 1 || first.flags.load(Relaxed) & TSC_STABLE != 0;
        if holds { first.now_ns(tsc) } else { None }
    }

    /// KVM's time on processor `cpu`.
    pub fn kvm(&self, cpu: usize) -> Option<&KvmTime> {
        self.kvm.get(cpu)
    }
}

impl KvmTime {
    const fn new() -> Self {
        Self {
            version: AtomicU32::new(0),
            reserved: 0,
            tsc_timestamp: AtomicU64::new(0),
            system_time: AtomicU64::new(0),
            tsc_to_system_mul: AtomicU32::new(0),
            tsc_shift: AtomicI8::new(0),
            flags: AtomicU8::new(0),
            reserved_end: [0; 2],
        }
    }

    /// Nanoseconds on this processor; `None` if KVM has never said so.
    #[inline]
    pub fn now_ns(&self, tsc: impl Fn() -> u64) -> Option<u64> {
        loop {
            let version = self.version.load(Acquire);
            let ns = self.at(tsc());
            fence(Acquire);
            if version.is_multiple_of(2) && version == self.version.load(Relaxed) {
                return (version != 0).then_some(ns);
            }
        }
    }

    #[inline]
    fn at(&self, tsc: u64) -> u64 {
        let ticks = tsc.wrapping_sub(self.tsc_timestamp.load(Relaxed));
        let shift = self.tsc_shift.load(Relaxed);
        let places = u32::from(shift.unsigned_abs());
        let ticks = match shift < 0 {
            true => ticks.checked_shr(places),
            false => ticks.checked_shl(places),
        };
        let mul = self.tsc_to_system_mul.load(Relaxed);
        let ns = scale(ticks.unwrap_or(0), mul.into());
        self.system_time.load(Relaxed).wrapping_add(ns)
    }

    /// kHz of the counter; `None` if KVM has not said it.
    pub fn khz(&self) -> Option<u64> {
        let mul = u64::from(self.tsc_to_system_mul.load(Relaxed));
        let shift = self.tsc_shift.load(Relaxed);
        let khz = (1_000_000_u64 << 32).checked_div(mul)?;
        let places = u32::from(shift.unsigned_abs());
        if shift < 0 {
            khz.checked_shl(places)
        } else {
            khz.checked_shr(places)
        }
    }
}

/// `value * factor` in 2^-32.
#[inline]
pub fn scale(value: u64, factor: u64) -> u64 {
    let product = u128::from(value) * u128::from(factor);
    (product >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    fn time(version: u32, shift: i8, mul: u32) -> KvmTime {
        KvmTime {
            version: version.into(),
            tsc_timestamp: 1000.into(),
            system_time: 50.into(),
            tsc_shift: shift.into(),
            tsc_to_system_mul: mul.into(),
            ..KvmTime::new()
        }
    }

    #[test]
    fn kvm_says_the_time_of_a_counter() {
        let at = |shift, tsc| time(2, shift, 1 << 31).now_ns(|| tsc);
        assert_eq!(at(0, 1000), Some(50));
        assert_eq!(at(0, 1200), Some(150));
        assert_eq!(at(1, 1200), Some(250));
        assert_eq!(at(-1, 1200), Some(100));
        assert_eq!(time(0, 0, 1 << 31).now_ns(|| 1200), None);
    }

    #[test]
    fn kvm_states_its_rate_with_a_shift() {
        // 2 GHz, half a nanosecond a tick, with and without a shift.
        assert_eq!(time(2, 0, 1 << 31).khz(), Some(2_000_000));
        let shifted = time(2, -1, u32::MAX).khz();
        assert_eq!(shifted.map(|khz| khz / 1000), Some(2000));
        assert_eq!(time(2, 0, 0).khz(), None);
    }

    #[test]
    fn what_kvm_changes_meanwhile_is_read_again() {
        let time = time(2, 0, 1 << 31);
        let reads = Cell::new(0);
        let ns = time.now_ns(|| {
            reads.set(reads.get() + 1);
            match reads.get() {
                // KVM begins, and goes on, and is done.
                1 => time.version.store(3, Relaxed),
                2 => {}
                3 => {
                    time.system_time.store(1_000_000, Relaxed);
                    time.version.store(4, Relaxed);
                }
                _ => {}
            }
            1000
        });
        assert_eq!((ns, reads.get()), (Some(1_000_000), 4));
    }

    #[test]
    fn one_processors_time_is_anothers_where_kvm_says_so() {
        let mut page = ClockPage::new();
        page.kvm[0] = time(2, 0, 1 << 31);
        page.set_cpus(2);
        assert_eq!(page.kvm_ns(|| 1200), None);
        page.kvm[0].flags.store(TSC_STABLE, Relaxed);
        assert_eq!(page.kvm_ns(|| 1200), Some(150));
        page.kvm[0].flags.store(0, Relaxed);
        page.set_cpus(1);
        assert_eq!(page.kvm_ns(|| 1200), Some(150));
    }

    #[test]
    fn the_kernels_clock_starts_at_0() {
        let page = ClockPage::new();
        assert_eq!(page.now_ns(500), 0);
        page.set(500, 1 << 31);
        assert_eq!([500, 700].map(|tsc| page.now_ns(tsc)), [0, 100]);
    }
}
