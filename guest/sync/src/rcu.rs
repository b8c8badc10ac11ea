//! Read-copy-update: readers never wait; who replaces something waits until nobody reads the old one
//! (McKenney and Slingwine, 1998).

use core::sync::atomic::{AtomicU64, Ordering};

use crate::{MAX_THREADS, Padded};

/// Readers, and the grace periods that they let pass.
///
/// ```text
/// writer   publishes new ── synchronize ─────────────────> old one is free
/// reader 1 [ old ]              |
/// reader 2            [ old     |      ]  <- waited for
/// reader 3                      |  [ new   ]  <- not waited for
/// ```
pub struct Rcu {
    /// Number of the grace period under way; never 0.
    period: AtomicU64,
    /// The period in which each reader began; 0 for one that does not read.
    readers: [Padded<AtomicU64>; MAX_THREADS],
}

impl Rcu {
    /// Nobody reads.
    pub const fn new() -> Self {
        Self {
            period: AtomicU64::new(1),
            readers: [const { Padded(AtomicU64::new(0)) }; MAX_THREADS],
        }
    }

    /// Reader `number` begins: what is published from here on it may not see, and what it sees stays.
    pub fn enter(&self, number: usize) {
        let period = self.period.load(Ordering::SeqCst);
        // SeqCst: in `synchronize`'s order either this is seen, or what was published is seen here.
        self.readers[number].store(period, Ordering::SeqCst);
    }

    /// Reader `number` has done.
    pub fn leave(&self, number: usize) {
        self.readers[number].store(0, Ordering::Release);
    }

    /// Returns when all that read at the call have done, having called `give_way` while they had not.
    pub fn synchronize(&self, mut give_way: impl FnMut()) {
        let period = self.period.fetch_add(1, Ordering::SeqCst) + 1;
        for reader in &self.readers {
            while matches!(reader.load(Ordering::SeqCst), began if began != 0 && began < period) {
                give_way();
            }
        }
    }
}

impl Default for Rcu {
    fn default() -> Self {
        Self::new()
    }
}
