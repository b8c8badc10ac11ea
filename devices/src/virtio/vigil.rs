//! [`Vigil`]: how long a worker stays awake for the next request after it has served one.
//!
//! As long as it is awake the driver need not notify, which saves an exit, and the host need not wake
//! it up. It pays when the next request comes within about the time that both take: the vigil is
//! kept only after a request that came so soon after the last was served, and given up after one in
//! vain, so that a guest that asks for nothing, or seldom, costs nothing.

use std::hint;
use std::thread;
use std::time::{Duration, Instant};

/// Longest vigil.
const MAX: Duration = Duration::from_micros(200);
/// Looks between two looks at the clock.
const LOOKS: u32 = 32;

/// The vigil of one worker.
pub struct Vigil {
    /// Longest; none where others need the one processor.
    max: Duration,
    /// How long to stay awake, if at all.
    length: Duration,
    /// Since when there is nothing to do.
    idle_since: Instant,
}

impl Default for Vigil {
    fn default() -> Self {
        let several = thread::available_parallelism().is_ok_and(|host| host.get() > 1);
        Self::new(if several { MAX } else { Duration::ZERO })
    }
}

impl Vigil {
    /// One that takes at most so long; none at all when that is nothing.
    pub fn new(max: Duration) -> Self {
        Self {
            max,
            length: Duration::ZERO,
            idle_since: Instant::now(),
        }
    }

    /// Something has woken the worker.
    pub fn woken(&mut self) {
        if self.idle_since.elapsed() <= self.max {
            self.length = self.max;
        }
    }

    /// Stays awake; true as soon as there is `more` to do, false when that takes too long.
    pub fn keep(&mut self, more: impl Fn() -> bool) -> bool {
        if more() {
            return true;
        }
        if self.length.is_zero() {
            return false;
        }
        let start = Instant::now();
        while start.elapsed() < self.length {
            for _ in 0..LOOKS {
                if more() {
                    return true;
                }
                hint::spin_loop();
            }
        }
        self.length = Duration::ZERO;
        false
    }

    /// The worker has served all that there was.
    pub fn served(&mut self) {
        self.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Long enough that no busy host makes a test late.
    const LONG: Duration = Duration::from_secs(60);

    /// Keeps a vigil in which the next request comes at the `last` look; how often it looked.
    fn looks(vigil: &mut Vigil, last: u32) -> (bool, u32) {
        let looks = Cell::new(0);
        let kept = vigil.keep(|| {
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
        let mut vigil = Vigil::new(Duration::from_millis(20));
        wake_soon(&mut vigil);
        let start = Instant::now();
        assert!(!vigil.keep(|| false));
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
    fn there_is_none_with_one_processor() {
        let mut vigil = Vigil::new(Duration::ZERO);
        for _ in 0..10 {
            vigil.served();
            vigil.woken();
            assert_eq!(looks(&mut vigil, 2), (false, 1));
        }
    }
}
