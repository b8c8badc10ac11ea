//! Tickets, by read-and-increment.

use core::sync::atomic::{AtomicU32, Ordering};

use super::{SpinLock, Spinner};
use crate::Padded;

/// Each takes the next number and waits until it is served: first come, first served, one
/// read-modify-write an acquisition; all waiters read the same word.
#[derive(Default)]
pub struct Ticket {
    next: Padded<AtomicU32>,
    serving: Padded<AtomicU32>,
}

impl SpinLock for Ticket {
    fn lock(&self, me: &mut Spinner) {
        me.wrote();
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        while self.serving.load(Ordering::Acquire) != ticket {
            me.waits();
        }
    }

    fn unlock(&self, me: &mut Spinner) {
        me.wrote();
        self.serving.fetch_add(1, Ordering::Release);
    }
}
