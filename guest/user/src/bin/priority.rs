//! Check: what a thread's priority means is what the scheduling policy says.
//!
//! On processor 0 a thread of high priority computes for some slices while one of low priority
//! is ready. Under strict priority the low one must not run at all until the high one is done;
//! under round-robin priorities mean nothing and it must get its slices, or this waits for them
//! until the suite ends it. Under both, levels that do not exist are refused.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use user::abi::syscall::{Errno, SysInfo};
use user::alloc::sync::Arc;
use user::check::{Check, Context as _, Verdict};
use user::time::Stopwatch;
use user::{ensure, sys, thread};

user::check!(run);

const LOW: u64 = 1;
const HIGH: u64 = 6;
const HIGHEST: u64 = 7;
/// How long the high one computes, in slices.
const SLICES: u64 = 4;

#[derive(Default)]
struct Shared {
    started: AtomicBool,
    over: AtomicBool,
    turns: AtomicU64,
}

fn low(shared: &Shared) -> Result<(), Errno> {
    sys::set_affinity(1)?;
    sys::set_priority(LOW)?;
    shared.started.store(true, Ordering::Release);
    while !shared.over.load(Ordering::Relaxed) {
        shared.turns.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Computes for `SLICES` slices, without strict priority until the other has run, however long a
/// busy host lets it wait; how far it came meanwhile.
fn compute(shared: &Shared, info: &SysInfo) -> u64 {
    let before = shared.turns.load(Ordering::Relaxed);
    let watch = Stopwatch::start(info.tsc_khz);
    loop {
        let turns = shared.turns.load(Ordering::Relaxed) - before;
        let is_over = turns > 0 || info.sched_priority != 0;
        if is_over && watch.elapsed_ns() >= SLICES * info.slice_ns {
            return turns;
        }
    }
}

/// Sleeps until the other has run; how far it came.
fn sleep(shared: &Shared, info: &SysInfo) -> Result<u64, Errno> {
    let before = shared.turns.load(Ordering::Relaxed);
    loop {
        sys::sleep(info.slice_ns)?;
        let turns = shared.turns.load(Ordering::Relaxed) - before;
        if turns > 0 {
            return Ok(turns);
        }
    }
}

fn run(check: &mut Check) -> Verdict {
    let info = sys::sys_info().context("system info")?;
    sys::set_affinity(1).context("affinity to processor 0")?;
    let refused = sys::set_priority(HIGHEST + 1);
    ensure!(
        refused == Err(Errno::Inval),
        "priority {} gave {refused:?}",
        HIGHEST + 1
    );
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let thread = thread::spawn(move || low(&theirs)).context("a thread")?;
    while !shared.started.load(Ordering::Acquire) {
        sys::sleep(info.slice_ns / 4).context("sleep")?;
    }
    sys::set_priority(HIGH).context("priority")?;
    let kept = sys::set_priority(HIGH).context("priority")?;
    let meanwhile = compute(&shared, &info);
    // Asleep, the high one gives way under either policy.
    let during_sleep = sleep(&shared, &info).context("sleep")?;
    shared.over.store(true, Ordering::Release);
    thread
        .join()
        .context("join")?
        .context("the thread of low priority")?;

    check.metric("strict", u64::from(info.sched_priority != 0));
    check.metric("low_turns_while_high_computes", meanwhile);
    check.metric("low_turns_while_high_sleeps", during_sleep);
    ensure!(
        kept == HIGH,
        "priority was {kept} after it was set to {HIGH}"
    );
    let strict = info.sched_priority != 0;
    ensure!(
        !strict || meanwhile == 0,
        "the low one made {meanwhile} turns under the high one"
    );
    Ok(())
}
