//! A spin lock that knows its owner.

use core::cell::UnsafeCell;
use core::hint::{self, cold_path};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use super::checker::Wait;

/// A lock for a few instructions' time. Never held across a switch to another thread.
///
/// Taking it twice on one processor panics instead of hanging, and so do processors that wait for each
/// other's ([`super::checker`]). A processor that spins answers
/// requests to flush its TLB, so the one that waits for the answer may hold the lock.
pub struct SpinLock<T: ?Sized> {
    /// 0, or the owning processor's number plus one.
    owner: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one processor at a time access to the value.
unsafe impl<T: ?Sized + Send> Send for SpinLock<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// An open lock around `value`.
    pub const fn new(value: T) -> Self {
        Self {
            owner: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Waits until the lock is free and takes it.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let me = crate::arch::cpu_id() + 1;
        if self
            .owner
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            cold_path();
            self.wait(me);
        }
        SpinGuard { lock: self }
    }

    /// The lock, if it is free at this moment.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let me = crate::arch::cpu_id() + 1;
        let taken = self
            .owner
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then_some(SpinGuard { lock: self })
    }

    #[cold]
    fn wait(&self, me: u32) {
        let mut wait = Wait::new(me);
        while let Err(owner) =
            self.owner
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
        {
            wait.look::<T>(owner);
            crate::arch::relax();
            hint::spin_loop();
        }
    }
}

/// The right to use what a [`SpinLock`] guards; gives the lock back when dropped.
pub struct SpinGuard<'a, T: ?Sized> {
    lock: &'a SpinLock<T>,
}

impl<T: ?Sized> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so this processor owns the lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so this processor owns the lock.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.owner.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_guard_opens_the_lock() {
        let lock = SpinLock::new(1);
        *lock.lock() += 1;
        assert!(lock.try_lock().is_some());
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    #[should_panic(expected = "taken twice")]
    fn taking_it_twice_is_found() {
        let lock = SpinLock::new(());
        let _first = lock.lock();
        let _second = lock.lock();
    }
}
