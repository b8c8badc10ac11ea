//! Monitors (Hoare, 1974, with Mesa's signals): a value and its procedures, of which one runs at a time.

use super::{Condvar, Mutex, MutexGuard};

/// A value, and `CONDITIONS` that its procedures wait for.
pub struct Monitor<T, const CONDITIONS: usize> {
    value: Mutex<T>,
    conditions: [Condvar; CONDITIONS],
}

/// A procedure that runs in a monitor.
pub struct Inside<'a, T, const CONDITIONS: usize> {
    /// The value.
    pub value: MutexGuard<'a, T>,
    conditions: &'a [Condvar; CONDITIONS],
}

impl<T, const CONDITIONS: usize> Monitor<T, CONDITIONS> {
    /// Nobody is in; who wants in looks `patience` times before it sleeps.
    pub const fn new(value: T, patience: u32) -> Self {
        Self {
            value: Mutex::patient(value, patience),
            conditions: [const { Condvar::new() }; CONDITIONS],
        }
    }

    /// Runs a procedure.
    pub fn enter<R>(&self, procedure: impl FnOnce(&mut Inside<'_, T, CONDITIONS>) -> R) -> R {
        let mut inside = Inside {
            value: self.value.lock(),
            conditions: &self.conditions,
        };
        procedure(&mut inside)
    }
}

impl<T, const CONDITIONS: usize> Inside<'_, T, CONDITIONS> {
    /// Lets others in until `holds` says so of the value; `condition` is signalled when it may. How often
    /// it was woken and that did not hold.
    pub fn wait_until(&mut self, condition: usize, mut holds: impl FnMut(&T) -> bool) -> u64 {
        let mut looks = 0;
        while !holds(&self.value) {
            self.value.wait(&self.conditions[condition]);
            looks += 1;
        }
        u64::max(looks, 1) - 1
    }

    /// Lets others in until `condition` is signalled, or for no reason.
    pub fn wait(&mut self, condition: usize) {
        self.value.wait(&self.conditions[condition]);
    }

    /// One of those that wait for `condition` is to look.
    pub fn signal(&self, condition: usize) {
        self.conditions[condition].signal();
    }

    /// All of them are to look.
    pub fn broadcast(&self, condition: usize) {
        self.conditions[condition].broadcast();
    }
}
