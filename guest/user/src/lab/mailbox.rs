//! [`Mailbox`]: things that threads hand to one another, in order.

use crate::sync::Mutex;
use crate::sys::{self, FOREVER};
use alloc::collections::VecDeque;
use core::sync::atomic::{AtomicU32, Ordering};

/// A queue without bounds, from any threads to any threads.
pub struct Mailbox<T> {
    things: Mutex<VecDeque<T>>,
    /// How many were ever put in, so that nobody sleeps while there is something.
    count: AtomicU32,
}

impl<T> Mailbox<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            things: Mutex::new(VecDeque::new()),
            count: AtomicU32::new(0),
        }
    }

    /// Puts something in.
    pub fn put(&self, thing: T) {
        self.things.lock().push_back(thing);
        self.count.fetch_add(1, Ordering::Release);
        // Nobody may be waiting, which is fine.
        let _ = sys::futex_wake(&self.count, 1);
    }

    /// Waits for something and takes it out.
    pub fn take(&self) -> T {
        loop {
            let seen = self.count.load(Ordering::Acquire);
            if let Some(thing) = self.try_take() {
                return thing;
            }
            // Woken, or something has come: either way the loop looks again.
            let _ = sys::futex_wait(&self.count, seen, FOREVER);
        }
    }

    /// Takes something out, if there is anything.
    pub fn try_take(&self) -> Option<T> {
        self.things.lock().pop_front()
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}
