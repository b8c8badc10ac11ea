//! A lock whose waiters sleep.

use crate::{Park, Word};

/// 0 is free, 1 held.
pub struct Mutex<P> {
    word: Word<P>,
}

impl<P: Park> Mutex<P> {
    /// A free one, whose waiters look `patience` times before they sleep.
    pub const fn new(patience: u32) -> Self {
        Self {
            word: Word::new(0, patience),
        }
    }

    /// Waits for the lock.
    pub fn lock(&self) {
        self.word.change(|held| (held == 0).then_some(1));
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> bool {
        let before = self.word.try_change(|held| (held == 0).then_some(1));
        before.is_some()
    }

    /// Gives the lock back.
    ///
    /// # Panics
    /// If nobody holds it.
    pub fn unlock(&self) {
        assert!(self.word.subtract(1) == 1, "only a held mutex is unlocked");
        self.word.wake(1);
    }

    /// How often a thread went to sleep for it.
    pub fn sleeps(&self) -> u64 {
        u64::from(self.word.sleeps())
    }
}
