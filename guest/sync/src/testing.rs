//! Sleeping on the host, and threads that a test is not to hang with.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::Park;

/// Sleeps in earnest: a wake-up that is missing hangs.
pub(crate) struct HostPark;

/// Who sleeps: the word's address, and the thread.
static SLEEPERS: Mutex<Vec<(usize, ThreadId)>> = Mutex::new(Vec::new());
static WOKEN: Condvar = Condvar::new();

impl Park for HostPark {
    fn wait(word: &AtomicU32, expected: u32) -> bool {
        let mut sleepers = SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
        if word.load(Ordering::SeqCst) != expected {
            return false;
        }
        let me = (word.as_ptr().addr(), thread::current().id());
        sleepers.push(me);
        let is_asleep = |sleepers: &mut Vec<_>| sleepers.contains(&me);
        drop(WOKEN.wait_while(sleepers, is_asleep));
        true
    }

    fn wake(word: &AtomicU32, count: u32) -> u32 {
        let mut sleepers = SLEEPERS.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = 0;
        sleepers.retain(|(address, _)| {
            let stays = *address != word.as_ptr().addr() || woken == count;
            woken += u32::from(!stays);
            stays
        });
        WOKEN.notify_all();
        woken
    }
}

/// Long enough for any test on any machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `body` in `count` threads that have the same things and a number each.
pub(crate) fn together<T: Send + Sync + 'static>(
    count: usize,
    shared: T,
    body: fn(&T, usize),
) -> Arc<T> {
    let shared = Arc::new(shared);
    let (done, all_done) = mpsc::channel();
    for number in 0..count {
        let (theirs, done) = (Arc::clone(&shared), done.clone());
        thread::spawn(move || {
            let run = AssertUnwindSafe(|| body(&theirs, number));
            done.send(catch_unwind(run).is_ok()).unwrap();
        });
    }
    drop(done);
    for _ in 0..count {
        let is_well = all_done
            .recv_timeout(DEADLINE)
            .expect("a thread waits for ever");
        assert!(is_well, "a thread has failed");
    }
    shared
}

/// A number that loses increments unless one at a time makes them.
#[derive(Default)]
pub(crate) struct Fragile(AtomicU64);

impl Fragile {
    pub(crate) fn increment(&self) {
        let seen = self.0.load(Ordering::Relaxed);
        thread::yield_now();
        self.0.store(seen + 1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
