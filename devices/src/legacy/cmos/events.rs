//! [`Rules`]: what of the clock's events happens when (MC146818 data sheet, registers A to C).

use super::calendar::{Calendar, to_bcd};
use super::{
    HOURS, HOURS_ALARM, MINUTES, MINUTES_ALARM, RAM_BYTES, SECONDS, SECONDS_ALARM, STATUS_A,
    STATUS_B,
};
use std::time::Duration;

const PERIODIC: u8 = 1 << 6;
const ALARM: u8 = 1 << 5;
const UPDATE: u8 = 1 << 4;
/// In register B: the clock stands still, to be set.
const SET: u8 = 1 << 7;

/// The crystal's frequency: a rate of 1 would be this, and each further one half of it.
const BASE_HZ: u128 = 32_768;
const NS: u128 = 1_000_000_000;
/// An alarm byte from here on fits any time.
const ANY: u8 = 0xc0;
const DAY_S: u64 = 24 * 60 * 60;

/// The registers that say what happens.
pub(super) struct Rules<'a> {
    ram: &'a [u8; RAM_BYTES],
}

impl<'a> Rules<'a> {
    pub(super) fn of(ram: &'a [u8; RAM_BYTES]) -> Self {
        Self { ram }
    }

    fn register(&self, index: u8) -> u8 {
        self.ram[usize::from(index)]
    }

    /// The events that interrupt, as bits of register C.
    pub(super) fn enabled(&self) -> u8 {
        self.register(STATUS_B) & (PERIODIC | ALARM | UPDATE)
    }

    fn stands_still(&self) -> bool {
        self.register(STATUS_B) & SET != 0
    }

    /// What happens after `from` and up to `to`, both since 1970.
    pub(super) fn events(&self, from: Duration, to: Duration) -> u8 {
        let mut events = 0;
        if self
            .periods(from)
            .is_some_and(|n| self.periods(to) > Some(n))
        {
            events |= PERIODIC;
        }
        let (last, now) = (from.as_secs(), to.as_secs());
        if now > last && !self.stands_still() {
            events |= UPDATE;
            let first = (last + 1).max(now.saturating_sub(DAY_S - 1));
            if (first..=now).any(|second| self.is_alarm(second)) {
                events |= ALARM;
            }
        }
        events
    }

    /// Time from `now` to the next event that interrupts; never zero.
    pub(super) fn next(&self, now: Duration) -> Option<Duration> {
        let enabled = self.enabled();
        let period = (enabled & PERIODIC != 0).then(|| self.to_next_period(now));
        let seconds = enabled & (ALARM | UPDATE) != 0 && !self.stands_still();
        let second =
            seconds.then(|| Duration::from_nanos(u64::from(1_000_000_000 - now.subsec_nanos())));
        [period.flatten(), second].into_iter().flatten().min()
    }

    /// Right shift of the crystal's frequency that gives the periodic rate.
    fn rate_shift(&self) -> Option<u32> {
        match self.register(STATUS_A) & 0xf {
            0 => None,
            // The data sheet's two exceptions: 256 and 128 Hz.
            rate @ (1 | 2) => Some(u32::from(rate) + 6),
            rate => Some(u32::from(rate) - 1),
        }
    }

    /// Periods since 1970.
    fn periods(&self, time: Duration) -> Option<u128> {
        Some((time.as_nanos() * BASE_HZ / NS) >> self.rate_shift()?)
    }

    fn to_next_period(&self, now: Duration) -> Option<Duration> {
        let ticks = (self.periods(now)? + 1) << self.rate_shift()?;
        let at = (ticks * NS).div_ceil(BASE_HZ);
        let wait = at.saturating_sub(now.as_nanos()).max(1);
        Some(Duration::from_nanos(u64::try_from(wait).ok()?))
    }

    fn is_alarm(&self, unix_s: u64) -> bool {
        let calendar = Calendar::at(unix_s);
        let pairs = [
            (SECONDS_ALARM, SECONDS),
            (MINUTES_ALARM, MINUTES),
            (HOURS_ALARM, HOURS),
        ];
        pairs.into_iter().all(|(alarm, time)| {
            let alarm = self.register(alarm);
            alarm >= ANY || alarm == to_bcd(calendar.register(time))
        })
    }
}
