//! Rendezvous: two threads meet, and each takes what the other has brought.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::{Park, Semaphore};

/// What one of the two does.
struct Side<P> {
    brought: AtomicU64,
    here: Semaphore<P>,
    taken: Semaphore<P>,
}

impl<P: Park> Side<P> {
    const fn new(patience: u32) -> Self {
        Self {
            brought: AtomicU64::new(0),
            here: Semaphore::new(0, patience),
            taken: Semaphore::new(0, patience),
        }
    }
}

/// A meeting point for two threads, one for each side.
pub struct Rendezvous<P> {
    sides: [Side<P>; 2],
}

impl<P: Park> Rendezvous<P> {
    /// Nobody is there; who waits looks `patience` times before it sleeps.
    pub const fn new(patience: u32) -> Self {
        Self {
            sides: [Side::new(patience), Side::new(patience)],
        }
    }

    /// Meets the thread of the other side, leaving `value` to it; what it leaves. `side` is 0 or 1.
    pub fn meet(&self, side: usize, value: u64) -> u64 {
        let [mine, theirs] = [&self.sides[side & 1], &self.sides[!side & 1]];
        mine.brought.store(value, SeqCst);
        mine.here.up();
        theirs.here.down();
        let brought = theirs.brought.load(SeqCst);
        // Neither brings the next before the other has taken this one.
        theirs.taken.up();
        mine.taken.down();
        brought
    }
}
