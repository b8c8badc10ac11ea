//! [`Mutex`] and [`Barrier`] over futexes: no system call unless a thread has to sleep.
#![expect(unsafe_code, reason = "a lock hands out its value by reference")]

use crate::sys::{self, FOREVER};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may be sleeping.
const CONTENDED: u32 = 2;

/// A lock whose waiters sleep.
///
/// ```text
/// FREE -> HELD -> FREE                    without contention
///   \-> HELD -> CONTENDED -> FREE + wake  a waiter marks it before it sleeps
/// ```
pub struct Mutex<T> {
    state: AtomicU32,
    sleeps: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives the value to one thread at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(FREE),
            sleeps: AtomicU64::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let free = self
            .state
            .compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed);
        if free.is_err() {
            while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
                self.sleeps.fetch_add(1, Ordering::Relaxed);
                // Woken, or the word has changed: either way the loop looks again.
                let _ = sys::futex_wait(&self.state, CONTENDED, FOREVER);
            }
        }
        MutexGuard { mutex: self }
    }

    /// How often a thread went to sleep for it.
    pub fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::Relaxed)
    }
}

/// The lock is held as long as this lives.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so no other reference exists but those from this guard.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        if self.mutex.state.swap(FREE, Ordering::Release) == CONTENDED {
            // Nobody may be there any more, which is fine.
            let _ = sys::futex_wake(&self.mutex.state, 1);
        }
    }
}

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
