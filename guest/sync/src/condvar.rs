//! Condition variables, as Mesa has them (Lampson and Redell, 1980): who was woken looks again.

use crate::{Mutex, Park, Word};

/// A condition that threads wait for, which a [`Mutex`] guards. The word counts signals.
///
/// A waiter may return without a signal of its own: one that is about to sleep while a signal for another
/// comes sees the count change, too. So callers look at their condition in a loop.
pub struct Condvar<P> {
    signals: Word<P>,
}

impl<P: Park> Condvar<P> {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            signals: Word::new(0, 0),
        }
    }

    /// Gives `mutex`, which the caller holds, back, sleeps until a signal, and takes it again.
    pub fn wait(&self, mutex: &Mutex<P>) {
        let seen = self.signals.load();
        mutex.unlock();
        self.signals.sleep_while(seen);
        mutex.lock();
    }

    /// Wakes one waiter, if there is one.
    pub fn signal(&self) {
        self.signals.add(1);
        self.signals.wake(1);
    }

    /// Wakes all waiters.
    pub fn broadcast(&self) {
        self.signals.add(1);
        self.signals.wake_all();
    }
}

impl<P: Park> Default for Condvar<P> {
    fn default() -> Self {
        Self::new()
    }
}
