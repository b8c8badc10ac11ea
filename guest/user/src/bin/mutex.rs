//! Check: a lock over futexes loses no increment with all processors contending for it.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use user::abi::syscall::Errno;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::sync::Mutex;
use user::time::now_ns;
use user::{ensure, sys, thread};

user::check!(run);

const THREADS_PER_CPU: u64 = 2;
const INCREMENTS: u64 = 1000;
/// Every so often the lock is kept while others run, so that they have to sleep for it.
const YIELD_EVERY: u64 = 100;

/// What the threads share.
struct Shared {
    counter: Mutex<u64>,
    /// Threads that are still to come.
    missing: AtomicU64,
}

fn increment(shared: &Shared, cpu: u64) -> Result<(), Errno> {
    sys::set_affinity(1 << cpu)?;
    // All begin together, however long it takes to start them.
    shared.missing.fetch_sub(1, Ordering::AcqRel);
    while shared.missing.load(Ordering::Acquire) > 0 {
        sys::yield_now();
    }
    let counter = &shared.counter;
    for i in 0..INCREMENTS {
        let mut value = counter.lock();
        let seen = *value;
        if i % YIELD_EVERY == 0 {
            sys::yield_now();
        }
        *value = seen + 1;
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let cpus = sys::sys_info().context("system info")?.cpus;
    let shared = Arc::new(Shared {
        counter: Mutex::new(0),
        missing: AtomicU64::new(cpus * THREADS_PER_CPU),
    });
    let mut threads = Vec::new();
    let start = now_ns();
    for index in 0..cpus * THREADS_PER_CPU {
        let shared = Arc::clone(&shared);
        let body = move || increment(&shared, index % cpus);
        threads.push(thread::spawn(body).context("a thread")?);
    }
    for thread in threads {
        thread
            .join()
            .context("join")?
            .context("affinity of a thread")?;
    }
    let elapsed_ns = now_ns() - start;
    let counter = &shared.counter;
    let total = *counter.lock();
    let expected = cpus * THREADS_PER_CPU * INCREMENTS;
    check.metric("increments", total);
    check.metric("increment_ns", elapsed_ns / expected);
    check.metric("futex_sleeps", counter.sleeps());
    ensure!(
        total == expected,
        "{total} of {expected} increments are there"
    );
    ensure!(
        counter.sleeps() > 0,
        "no thread ever had to sleep for the lock"
    );
    unchanged_word()
}

/// A futex whose word differs from what is expected does not sleep; one that is, times out.
fn unchanged_word() -> Verdict {
    let word = core::sync::atomic::AtomicU32::new(5);
    let differs = sys::futex_wait(&word, 4, sys::FOREVER);
    ensure!(
        differs == Err(Errno::Again),
        "a changed word gave {differs:?}"
    );
    let late = sys::futex_wait(&word, 5, 1000);
    ensure!(
        late == Err(Errno::TimedOut),
        "a futex that nobody wakes gave {late:?}"
    );
    Ok(())
}
