//! A reader waits for a writer that writes, and for none that waits: writers may starve.

use super::{RwLock, WRITER};
use crate::{Park, Word};

/// The word counts readers; [`WRITER`] is set while somebody writes.
pub struct ReaderFirst<P> {
    state: Word<P>,
}

impl<P: Park> ReaderFirst<P> {
    /// Nobody is in; waiters look `patience` times before they sleep.
    pub const fn new(patience: u32) -> Self {
        Self {
            state: Word::new(0, patience),
        }
    }
}

impl<P: Park> RwLock for ReaderFirst<P> {
    fn read(&self) {
        self.state
            .change(|state| (state & WRITER == 0).then_some(state + 1));
    }

    fn end_read(&self) {
        if self.state.subtract(1) == 1 {
            self.state.wake_all();
        }
    }

    fn write(&self) {
        self.state.change(|state| (state == 0).then_some(WRITER));
    }

    fn end_write(&self) {
        self.state.subtract(WRITER);
        self.state.wake_all();
    }
}
