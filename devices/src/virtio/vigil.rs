//! [`Vigil`]: how long a worker stays awake for the next request after it has served one.
//!
//! As long as it is awake the driver need not notify, which saves an exit, and the host need not wake
//! it up. It pays when the next request comes within about the time that both take: the vigil is
//! kept only after a request that came so soon after the last was served, and given up after one in
//! vain, so that a guest that asks for nothing, or seldom, costs nothing. On a host whose system calls
//! take long (an emulated one, say) exits and wake-ups do, too: there it may last longer.

use std::hint;
use std::thread;
use std::time::{Duration, Instant};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

/// Longest vigil on a host of common speed.
const MAX: Duration = Duration::from_micros(200);
/// Longest vigil on a host that is slow, in times that it takes to tell another thread something, and
/// at all.
const TELLINGS: u32 = 500;
const MAX_SLOW: Duration = Duration::from_millis(4);
/// A request that takes so many times as long as others is not about to come.
const PATIENCE: u32 = 4;
/// Looks between two looks at the clock.
const LOOKS: u32 = 32;
/// Weight of the past in a mean, beside one of the present.
const PAST: u32 = 7;

/// How long a worker stays awake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until it does not pay any more.
    Long,
    /// As long as the next request is likely to come.
    Likely,
}

/// The vigil of one worker.
pub struct Vigil {
    /// Longest; none where others need the one processor.
    max: Duration,
    /// How long to stay awake, if at all.
    length: Duration,
    /// Since when there is nothing to do.
    since: Instant,
    /// How long that lasts, in the mean.
    gap: Duration,
}

impl Default for Vigil {
    fn default() -> Self {
        match thread::available_parallelism() {
            Ok(host) if host.get() > 1 => Self::new(longest(telling())),
            _ => Self::new(Duration::ZERO),
        }
    }
}

impl Vigil {
    /// One that takes at most so long; none at all when that is nothing.
    pub fn new(max: Duration) -> Self {
        Self {
            max,
            length: Duration::ZERO,
            since: Instant::now(),
            gap: Duration::ZERO,
        }
    }

    /// One that is kept, and in which the next request is likely to come, for so long.
    #[cfg(test)]
    pub fn kept(length: Duration) -> Self {
        Self {
            length,
            gap: length / PATIENCE,
            ..Self::new(length)
        }
    }

    /// Something has woken the worker.
    pub fn woken(&mut self) {
        if self.came() <= self.max {
            self.length = self.max;
        }
    }

    /// The worker has served all that there was.
    pub fn served(&mut self) {
        self.since = Instant::now();
    }

    /// Whether the worker stays awake.
    pub fn is_kept(&self) -> bool {
        !self.length.is_zero()
    }

    /// Stays awake; true as soon as there is `more` to do, false when that takes too long.
    pub fn keep(&mut self, stay: Stay, more: impl Fn() -> bool) -> bool {
        let length = match stay {
            Stay::Long => self.length,
            Stay::Likely => self.length.min(PATIENCE * self.gap),
        };
        let seen = watch(self.since, length, more);
        match (seen, stay) {
            (true, _) => _ = self.came(),
            (false, Stay::Long) => self.length = Duration::ZERO,
            // The wait says nothing of when requests come.
            (false, Stay::Likely) => self.since = Instant::now(),
        }
        seen
    }

    /// A request has come; after how long.
    fn came(&mut self) -> Duration {
        let gap = self.since.elapsed();
        self.gap = mean(self.gap, gap.min(self.max));
        gap
    }
}

/// The longest vigil on a host that takes so long to tell a thread something.
fn longest(telling: Duration) -> Duration {
    (TELLINGS * telling).clamp(MAX, MAX_SLOW)
}

/// How long an event takes to be written and read. The least of some: others have the processor, too.
fn telling() -> Duration {
    let Ok(event) = EventFd::new(EFD_NONBLOCK) else {
        return Duration::ZERO;
    };
    let once = |_| {
        let start = Instant::now();
        let told = event.write(1).and_then(|()| event.read());
        told.map_or(Duration::ZERO, |_| start.elapsed())
    };
    (0..8).map(once).min().unwrap_or_default()
}

/// The mean of what was and what is now.
fn mean(past: Duration, present: Duration) -> Duration {
    if past.is_zero() {
        return present;
    }
    (PAST * past + present) / (PAST + 1)
}

/// Looks from `start` for so long whether there is `more`; at least once.
fn watch(start: Instant, length: Duration, more: impl Fn() -> bool) -> bool {
    if more() {
        return true;
    }
    if length.is_zero() {
        return false;
    }
    while start.elapsed() < length {
        for _ in 0..LOOKS {
            if more() {
                return true;
            }
            hint::spin_loop();
        }
        // Others may need the processor, the guest among them.
        thread::yield_now();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Long enough that no busy host makes a test late.
    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(20);

    /// Keeps a vigil in which the next request comes at the `last` look; how often it looked.
    fn looks(vigil: &mut Vigil, last: u32) -> (bool, u32) {
        let looks = Cell::new(0);
        let kept = vigil.keep(Stay::Long, || {
            looks.set(looks.get() + 1);
            looks.get() == last
        });
        (kept, looks.get())
    }

    /// A request comes at once. However busy the host: some time nothing comes between the calls.
    fn wake_soon(vigil: &mut Vigil) {
        let soon = (0..100).any(|_| {
            vigil.served();
            vigil.woken();
            !vigil.length.is_zero()
        });
        assert!(soon, "nothing begins a vigil");
    }

    #[test]
    fn the_first_request_is_not_waited_for() {
        assert_eq!(looks(&mut Vigil::new(LONG), 2), (false, 1));
    }

    #[test]
    fn what_is_there_already_is_seen_without_a_vigil() {
        assert_eq!(looks(&mut Vigil::new(Duration::ZERO), 1), (true, 1));
    }

    #[test]
    fn after_a_request_that_came_soon_the_next_is_waited_for_again_and_again() {
        let mut vigil = Vigil::new(LONG);
        wake_soon(&mut vigil);
        assert_eq!(looks(&mut vigil, 100), (true, 100));
        assert_eq!(looks(&mut vigil, 50), (true, 50));
    }

    #[test]
    fn a_vigil_in_vain_is_the_last_until_a_request_comes_soon() {
        let mut vigil = Vigil::new(SHORT);
        wake_soon(&mut vigil);
        let start = vigil.since;
        assert!(!vigil.keep(Stay::Long, || false));
        assert!(start.elapsed() >= vigil.max, "given up too soon");
        assert_eq!(looks(&mut vigil, 2), (false, 1), "given up");
        vigil.served();
        thread::sleep(2 * vigil.max);
        vigil.woken();
        assert_eq!(looks(&mut vigil, 2), (false, 1), "it came late");
        // However busy the host: some time nothing comes between two looks.
        let soon = (0..100).any(|_| {
            wake_soon(&mut vigil);
            looks(&mut vigil, 2) == (true, 2)
        });
        assert!(soon, "it came soon");
    }

    #[test]
    fn a_wait_for_what_is_likely_ends_no_vigil() {
        let mut vigil = Vigil::new(LONG);
        wake_soon(&mut vigil);
        vigil.gap = Duration::from_millis(1);
        let start = vigil.since;
        assert!(!vigil.keep(Stay::Likely, || false));
        assert!(start.elapsed() >= PATIENCE * vigil.gap, "given up too soon");
        assert!(vigil.is_kept());
        // Nothing is likely that was never seen.
        vigil.gap = Duration::ZERO;
        assert!(!vigil.keep(Stay::Likely, || false));
        assert_eq!(looks(&mut vigil, 2), (true, 2));
    }

    #[test]
    fn where_telling_takes_long_the_next_request_is_waited_for_longer() {
        let us = Duration::from_micros;
        for (telling, expected) in [(Duration::ZERO, MAX), (us(2), us(1000)), (LONG, MAX_SLOW)] {
            assert_eq!(longest(telling), expected, "{telling:?}");
        }
        assert!(telling() > Duration::ZERO);
    }

    #[test]
    fn there_is_none_with_one_processor() {
        let mut vigil = Vigil::new(Duration::ZERO);
        for _ in 0..10 {
            vigil.served();
            vigil.woken();
            assert_eq!(looks(&mut vigil, 2), (false, 1));
        }
    }
}
