//! Barriers: nobody goes on before all have come.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use crate::{Park, Word};

/// A place where a number of threads wait for each other, again and again.
pub struct Barrier<P> {
    parties: u32,
    arrived: AtomicU32,
    round: Word<P>,
}

impl<P: Park> Barrier<P> {
    /// For `parties` threads, at least one, which look `patience` times before they sleep.
    pub const fn new(parties: u32, patience: u32) -> Self {
        Self {
            parties,
            arrived: AtomicU32::new(0),
            round: Word::new(0, patience),
        }
    }

    /// Waits for the others; true for the one that came last.
    pub fn wait(&self) -> bool {
        let round = self.round.load();
        let is_last = self.arrived.fetch_add(1, SeqCst) + 1 == self.parties;
        if is_last {
            self.arrived.store(0, SeqCst);
            self.round.add(1);
            self.round.wake_all();
        } else {
            self.round.wait_until(|now| now != round);
        }
        is_last
    }
}
