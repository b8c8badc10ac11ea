//! [`Stream`]: what a child writes, gathered by a thread, waited for with a deadline.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Bytes so far, and whether there will be more.
#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    gathered: Mutex<Gathered>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Output of a child.
pub(crate) struct Stream {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// Gathers what `source` gives until its end.
    pub(crate) fn of(mut source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let filled = shared.clone();
        let thread = thread::spawn(move || {
            let mut piece = [0; 16 << 10];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                filled.lock().bytes.extend(&piece[..count]);
                filled.changed.notify_all();
            }
            filled.lock().ended = true;
            filled.changed.notify_all();
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// Waits until the bytes so far satisfy `found`; false when they end or the time is over.
    pub(crate) fn wait(&self, timeout: Duration, mut found: impl FnMut(&[u8]) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut gathered = self.shared.lock();
        loop {
            if found(&gathered.bytes) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if gathered.ended || left.is_zero() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(gathered, left);
            gathered = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The bytes so far.
    pub(crate) fn so_far(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// All bytes; the source has ended, or is about to.
    pub(crate) fn all(&mut self) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; what was gathered before counts.
            let _ = thread.join();
        }
        self.so_far()
    }
}
