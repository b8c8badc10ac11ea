//! A number that threads wait for: what the sleeping primitives are made of.

use core::hint;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::Park;

/// A number that threads change by a rule, and sleep for while the rule forbids it.
///
/// A sleeper is counted before it looks a last time, and whoever changes the number looks at the count
/// afterwards: one of the two sees the other, hence sequential consistency throughout. A change without
/// sleepers costs no system call.
pub struct Word<P> {
    value: AtomicU32,
    sleepers: AtomicU32,
    sleeps: AtomicU32,
    /// How often a waiter looks again before it sleeps.
    patience: u32,
    _park: PhantomData<fn() -> P>,
}

impl<P: Park> Word<P> {
    /// The number `value`, whose waiters look `patience` times before they sleep.
    pub const fn new(value: u32, patience: u32) -> Self {
        Self {
            value: AtomicU32::new(value),
            sleepers: AtomicU32::new(0),
            sleeps: AtomicU32::new(0),
            patience,
            _park: PhantomData,
        }
    }

    /// What it is.
    pub fn load(&self) -> u32 {
        self.value.load(SeqCst)
    }

    /// Changes it by `rule` if that gives something now; what it was.
    pub fn try_change(&self, rule: impl FnMut(u32) -> Option<u32>) -> Option<u32> {
        self.value.fetch_update(SeqCst, SeqCst, rule).ok()
    }

    /// Waits until `rule` gives something and changes it to that; what it was.
    pub fn change(&self, mut rule: impl FnMut(u32) -> Option<u32>) -> u32 {
        let mut looks = 0;
        loop {
            match self.value.fetch_update(SeqCst, SeqCst, &mut rule) {
                Ok(before) => return before,
                Err(_) if looks < self.patience => {
                    looks += 1;
                    hint::spin_loop();
                }
                Err(seen) => self.sleep_while(seen),
            }
        }
    }

    /// Waits until `holds` says so of it.
    pub fn wait_until(&self, mut holds: impl FnMut(u32) -> bool) {
        let mut looks = 0;
        loop {
            let seen = self.load();
            if holds(seen) {
                return;
            }
            if looks < self.patience {
                looks += 1;
                hint::spin_loop();
            } else {
                self.sleep_while(seen);
            }
        }
    }

    /// Sleeps while it is `seen`; may return early.
    pub fn sleep_while(&self, seen: u32) {
        self.sleepers.fetch_add(1, SeqCst);
        self.sleeps.fetch_add(1, SeqCst);
        if !P::wait(&self.value, seen) {
            self.sleepers.fetch_sub(1, SeqCst);
        }
    }

    /// Adds `amount`, around the end; what it was. Wakes nobody.
    pub fn add(&self, amount: u32) -> u32 {
        self.value.fetch_add(amount, SeqCst)
    }

    /// Takes `amount` away, around the end; what it was. Wakes nobody.
    pub fn subtract(&self, amount: u32) -> u32 {
        self.value.fetch_sub(amount, SeqCst)
    }

    /// Wakes up to `count` of those that sleep for it.
    pub fn wake(&self, count: u32) {
        if self.sleepers.load(SeqCst) != 0 {
            // Not left to those who were woken: until they run, every change would wake again.
            let woken = P::wake(&self.value, count);
            self.sleepers.fetch_sub(woken, SeqCst);
        }
    }

    /// Lets all look again.
    pub fn wake_all(&self) {
        self.wake(u32::MAX);
    }

    /// How often somebody went to sleep for it.
    pub fn sleeps(&self) -> u32 {
        self.sleeps.load(SeqCst)
    }
}
