//! First come, first served: nobody overtakes, and readers that stand next to each other read together.

use super::RwLock;
use crate::{Park, Word};
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Tickets, as in [`crate::spin`]'s ticket lock: a reader lets the next in as soon as it is in, a writer
/// when it is out.
pub struct Fair<P> {
    next: AtomicU32,
    serving: Word<P>,
    readers: Word<P>,
}

impl<P: Park> Fair<P> {
    /// Nobody is in; waiters look `patience` times before they sleep.
    pub const fn new(patience: u32) -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: Word::new(0, patience),
            readers: Word::new(0, patience),
        }
    }

    fn wait_in_line(&self) {
        let ticket = self.next.fetch_add(1, SeqCst);
        self.serving.wait_until(|serving| serving == ticket);
    }

    fn let_next_in(&self) {
        self.serving.add(1);
        self.serving.wake_all();
    }
}

impl<P: Park> RwLock for Fair<P> {
    fn read(&self) {
        self.wait_in_line();
        self.readers.add(1);
        self.let_next_in();
    }

    fn end_read(&self) {
        if self.readers.subtract(1) == 1 {
            self.readers.wake_all();
        }
    }

    fn write(&self) {
        self.wait_in_line();
        self.readers.wait_until(|readers| readers == 0);
    }

    fn end_write(&self) {
        self.let_next_in();
    }
}
