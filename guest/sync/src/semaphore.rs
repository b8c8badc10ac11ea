//! Counting semaphores (Dijkstra, 1965).

use crate::{Park, Word};

/// A number of things to be had.
pub struct Semaphore<P> {
    count: Word<P>,
}

impl<P: Park> Semaphore<P> {
    /// So many are there; waiters look `patience` times before they sleep.
    pub const fn new(count: u32, patience: u32) -> Self {
        Self {
            count: Word::new(count, patience),
        }
    }

    /// Takes one, waiting for it.
    pub fn down(&self) {
        self.count.change(|count| count.checked_sub(1));
    }

    /// Takes one if one is there.
    pub fn try_down(&self) -> bool {
        self.count
            .try_change(|count| count.checked_sub(1))
            .is_some()
    }

    /// Puts one there.
    pub fn up(&self) {
        self.count.add(1);
        self.count.wake(1);
    }

    /// How many are there.
    pub fn count(&self) -> u32 {
        self.count.load()
    }
}
