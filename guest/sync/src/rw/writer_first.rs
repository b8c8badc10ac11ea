//! A reader waits for every writer that writes or waits: readers may starve.

use super::{RwLock, WRITER};
use crate::{Park, Word};

/// One writer that waits, in the word's bits 16 to 30.
const WAITING: u32 = 1 << 16;
/// The readers, in its bits 0 to 15.
const READERS: u32 = WAITING - 1;

/// Readers, waiting writers, and whether somebody writes, in one word.
pub struct WriterFirst<P> {
    state: Word<P>,
}

impl<P: Park> WriterFirst<P> {
    /// Nobody is in; waiters look `patience` times before they sleep.
    pub const fn new(patience: u32) -> Self {
        Self {
            state: Word::new(0, patience),
        }
    }
}

impl<P: Park> RwLock for WriterFirst<P> {
    fn read(&self) {
        self.state
            .change(|state| (state & !READERS == 0).then_some(state + 1));
    }

    fn end_read(&self) {
        if self.state.subtract(1) & READERS == 1 {
            self.state.wake_all();
        }
    }

    fn write(&self) {
        self.state.add(WAITING);
        let is_free = |state: u32| state & (WRITER | READERS) == 0;
        self.state
            .change(|state| is_free(state).then(|| state - WAITING + WRITER));
    }

    fn end_write(&self) {
        self.state.subtract(WRITER);
        self.state.wake_all();
    }
}
