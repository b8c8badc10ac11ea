//! [`Vigil`]: how long a worker stays awake for the next request after it has served one.
//!
//! As long as it is awake the driver need not notify, which saves an exit, and the host need not wake
//! it up. It pays when the next request comes within about the time that both take: the vigil is
//! kept only after a request that came so soon, and given up after one in vain, so that a guest that
//! asks for nothing, or seldom, costs nothing.

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
        Self {
            max: if several { MAX } else { Duration::ZERO },
            length: Duration::ZERO,
            idle_since: Instant::now(),
        }
    }
}

impl Vigil {
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

    /// The worker goes to sleep.
    pub fn rests(&mut self) {
        self.idle_since = Instant::now();
    }
}
