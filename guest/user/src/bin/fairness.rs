//! Check: threads of one priority that share a processor get shares of it that hardly differ.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::time::Stopwatch;
use user::{ensure, sys, thread};

user::check!(run);

const THREADS: usize = 3;
/// Slices that each thread should get between two looks at the shares.
const TURNS: u64 = 4;
/// A share is one of few slices, and the ends of the time are cut anywhere.
const MIN_SHARE_PERCENT: u64 = 40;
/// A host that is busy with other things takes slices away; in the long run from all alike.
const MAX_LOOKS: u64 = 100;

#[derive(Default)]
struct Shared {
    go: AtomicBool,
    over: AtomicBool,
    work: [AtomicU64; THREADS],
}

impl Shared {
    /// What each has done up to now.
    fn so_far(&self) -> [u64; THREADS] {
        core::array::from_fn(|index| self.work[index].load(Ordering::Relaxed))
    }
}

fn work(shared: &Shared, index: usize) -> Result<(), user::abi::syscall::Errno> {
    sys::set_affinity(1)?;
    while !shared.go.load(Ordering::Acquire) {
        sys::yield_now();
    }
    while !shared.over.load(Ordering::Relaxed) {
        shared.work[index].fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let info = sys::sys_info().context("system info")?;
    sys::set_affinity(1).context("affinity to processor 0")?;
    let shared = Arc::new(Shared::default());
    let mut threads = Vec::new();
    for index in 0..THREADS {
        let theirs = Arc::clone(&shared);
        threads.push(thread::spawn(move || work(&theirs, index)).context("a thread")?);
    }
    let watch = Stopwatch::start(info.tsc_khz);
    shared.go.store(true, Ordering::Release);
    for _ in 0..MAX_LOOKS {
        sys::sleep(info.slice_ns * TURNS * THREADS as u64).context("sleep")?;
        if is_fair(shared.so_far()) {
            break;
        }
    }
    shared.over.store(true, Ordering::Release);
    check.metric("elapsed_ns", watch.elapsed_ns());
    for thread in threads {
        thread
            .join()
            .context("join")?
            .context("affinity of a thread")?;
    }
    judge(check, shared.so_far())
}

/// Whether nobody has much less than an equal share.
fn is_fair(work: [u64; THREADS]) -> bool {
    let fair = work.iter().sum::<u64>() / THREADS as u64;
    work.iter()
        .all(|share| share * 100 >= fair * MIN_SHARE_PERCENT)
}

fn judge(check: &mut Check, work: [u64; THREADS]) -> Verdict {
    let fair = work.iter().sum::<u64>() / THREADS as u64;
    let least = work.iter().copied().min().unwrap_or(0);
    let most = work.iter().copied().max().unwrap_or(0);
    check.metric("least_share_percent", least * 100 / fair.max(1));
    check.metric("most_share_percent", most * 100 / fair.max(1));
    ensure!(
        is_fair(work),
        "shares of {work:?} turns of a loop are not fair"
    );
    Ok(())
}
