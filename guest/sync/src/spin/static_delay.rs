//! Test-and-test-and-set with a delay of each thread's own after a release.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{SpinLock, Spinner};
use crate::Padded;

/// Rounds of delay for each number before the thread's.
const ROUNDS: u32 = 16;

/// After a release each waiter waits as long as its number says and looks again, so that hardly ever two
/// try at once: little contention, but a delay even where nobody else waits.
#[derive(Default)]
pub struct StaticDelay {
    taken: Padded<AtomicBool>,
}

impl SpinLock for StaticDelay {
    fn lock(&self, me: &mut Spinner) {
        let mut has_waited = false;
        loop {
            while self.taken.load(Ordering::Relaxed) {
                has_waited = true;
                me.waits();
            }
            if has_waited {
                has_waited = false;
                me.delay(ROUNDS * me.number as u32);
                continue;
            }
            me.wrote();
            if !self.taken.swap(true, Ordering::Acquire) {
                return;
            }
        }
    }

    fn unlock(&self, me: &mut Spinner) {
        me.wrote();
        self.taken.store(false, Ordering::Release);
    }
}
