//! Tries to set the lock again and again.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{SpinLock, Spinner};
use crate::Padded;

/// Each look is a write: waiters disturb each other, and the holder that wants to release.
#[derive(Default)]
pub struct TestAndSet {
    taken: Padded<AtomicBool>,
}

impl SpinLock for TestAndSet {
    fn lock(&self, me: &mut Spinner) {
        me.wrote();
        while self.taken.swap(true, Ordering::Acquire) {
            me.rest();
            me.wrote();
        }
    }

    fn unlock(&self, me: &mut Spinner) {
        me.wrote();
        self.taken.store(false, Ordering::Release);
    }
}
