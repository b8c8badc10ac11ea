//! A number that threads wait for.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys::{self, FOREVER};

/// A number that threads wait for.
#[derive(Default)]
pub struct Turn {
    value: AtomicU32,
}

impl Turn {
    /// At 0.
    pub const fn new() -> Self {
        Self {
            value: AtomicU32::new(0),
        }
    }

    /// Sets it and wakes those who wait.
    pub fn set(&self, value: u32) {
        self.value.store(value, Ordering::Release);
        // It only fails if the address is bad, which it is not.
        let _ = sys::futex_wake(&self.value, u64::MAX);
    }

    /// Sleeps until it is `value`.
    pub fn wait_for(&self, value: u32) {
        loop {
            let now = self.value.load(Ordering::Acquire);
            if now == value {
                return;
            }
            // Woken, or changed already: the loop looks again.
            let _ = sys::futex_wait(&self.value, now, FOREVER);
        }
    }
}
