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
    /// Threads that are about to sleep, or do.
    waiting: AtomicU32,
}

impl<T> Mailbox<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            things: Mutex::new(VecDeque::new()),
            count: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    /// Puts something in.
    pub fn put(&self, thing: T) {
        self.things.lock().push_back(thing);
        // Either who takes sees the count, or it is seen here to wait.
        self.count.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            // Nobody may be there any more, which is fine.
            let _ = sys::futex_wake(&self.count, 1);
        }
    }

    /// Waits for something and takes it out.
    pub fn take(&self) -> T {
        self.try_take().unwrap_or_else(|| self.wait())
    }

    fn wait(&self) -> T {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let thing = loop {
            let seen = self.count.load(Ordering::SeqCst);
            if let Some(thing) = self.try_take() {
                break thing;
            }
            // Woken, or something has come: either way the loop looks again.
            let _ = sys::futex_wait(&self.count, seen, FOREVER);
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        thing
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
