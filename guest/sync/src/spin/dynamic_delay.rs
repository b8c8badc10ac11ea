//! Test-and-test-and-set with exponential back-off.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{SpinLock, Spinner};
use crate::Padded;

/// Bounds of a delay in rounds.
const LEAST: u32 = 4;
const MOST: u32 = 1024;

/// A waiter that tries and fails waits for a random time, below a bound that doubles each time: the delay
/// is as long as the contention asks for.
#[derive(Default)]
pub struct DynamicDelay {
    taken: Padded<AtomicBool>,
}

impl SpinLock for DynamicDelay {
    fn lock(&self, me: &mut Spinner) {
        let mut bound = LEAST;
        loop {
            while self.taken.load(Ordering::Relaxed) {
                me.waits();
            }
            me.wrote();
            if !self.taken.swap(true, Ordering::Acquire) {
                return;
            }
            let rounds = me.random(bound);
            me.delay(rounds);
            bound = (bound * 2).min(MOST);
        }
    }

    fn unlock(&self, me: &mut Spinner) {
        me.wrote();
        self.taken.store(false, Ordering::Release);
    }
}
