//! A value behind a lock whose waiters sleep.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

use super::{Condvar, Futex};

/// A value that one thread at a time has.
pub struct Mutex<T> {
    raw: sync::Mutex<Futex>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives the value to one thread at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked one.
    pub const fn new(value: T) -> Self {
        Self::patient(value, 0)
    }

    /// An unlocked one whose waiters look `patience` times before they sleep.
    pub const fn patient(value: T, patience: u32) -> Self {
        Self {
            raw: sync::Mutex::new(patience),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.raw.lock();
        MutexGuard { mutex: self }
    }

    /// How often a thread went to sleep for it.
    pub fn sleeps(&self) -> u64 {
        self.raw.sleeps()
    }
}

/// The lock is held as long as this lives.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> MutexGuard<'_, T> {
    /// Gives the lock back until `condition` is signalled, or for no reason; the caller looks whether
    /// what it waits for holds.
    pub fn wait(&mut self, condition: &Condvar) {
        condition.wait(&self.mutex.raw);
    }
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
        // SAFETY: as above; `wait`, which lets others have the value, takes the guard mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}
