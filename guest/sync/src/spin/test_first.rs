//! Test-and-test-and-set: looks whether the lock is free before it tries to set it.

use core::sync::atomic::{AtomicBool, Ordering};

use super::{SpinLock, Spinner};
use crate::Padded;

/// Waiters read their own copies of the line, until a release: then all try at once.
#[derive(Default)]
pub struct TestFirst {
    taken: Padded<AtomicBool>,
}

impl SpinLock for TestFirst {
    fn lock(&self, me: &mut Spinner) {
        loop {
            while self.taken.load(Ordering::Relaxed) {
                me.waits();
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
