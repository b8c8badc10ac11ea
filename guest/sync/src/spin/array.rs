//! A queue in an array (Anderson, 1990).

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{SpinLock, Spinner};
use crate::{MAX_THREADS, Padded};

/// Each takes the next place of a ring and waits for its own word there, in its own cache line: a release
/// disturbs the one that comes next, and nobody else.
pub struct ArrayQueue {
    next: Padded<AtomicUsize>,
    may_go: [Padded<AtomicBool>; MAX_THREADS],
}

impl Default for ArrayQueue {
    fn default() -> Self {
        Self {
            next: Padded::default(),
            may_go: core::array::from_fn(|place| Padded(AtomicBool::new(place == 0))),
        }
    }
}

impl SpinLock for ArrayQueue {
    fn lock(&self, me: &mut Spinner) {
        me.wrote();
        me.place = self.next.fetch_add(1, Ordering::Relaxed) % MAX_THREADS;
        while !self.may_go[me.place].load(Ordering::Acquire) {
            me.waits();
        }
        me.wrote();
        self.may_go[me.place].store(false, Ordering::Relaxed);
    }

    fn unlock(&self, me: &mut Spinner) {
        me.wrote();
        let next = (me.place + 1) % MAX_THREADS;
        self.may_go[next].store(true, Ordering::Release);
    }
}
