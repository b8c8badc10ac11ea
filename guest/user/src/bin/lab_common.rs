//! Laboratory: memory that processes have in common. What one writes all see; futexes wake across; rights,
//! budgets and bad sizes are refused; the last to let go gives the frames back.
//!
//! `pages=N`
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use user::abi::syscall::{Errno, Protection, Replacement};
use user::check::{Check, Context as _, Verdict};
use user::lab::Common;
use user::mapping::Mapping;
use user::process::{Child, exit_code};
use user::sys::{self, FOREVER};
use user::{ensure, thread, time};

user::check!(run);

/// Most that is asked for at once is below this.
const TOO_MUCH: usize = 1 << 40;

fn run(check: &mut Check) -> Verdict {
    let pages = check.value("pages")? as usize;
    refusals()?;
    both_ways(check)?;
    wakes_across(check)?;
    threads_do_not_disturb()?;
    gives_back(check, pages)
}

/// What the kernel says to what is not to be had.
fn refusals() -> Verdict {
    for bytes in [0, TOO_MUCH, usize::MAX] {
        let got = sys::mmap_shared(bytes);
        ensure!(
            got == Err(Errno::Inval),
            "{bytes} common bytes gave {got:?}"
        );
    }
    let common = Mapping::common(1).context("common memory")?;
    let rights = common.protect(0, 1, Protection::Read);
    ensure!(rights == Err(Errno::Inval), "other rights gave {rights:?}");
    let budget = sys::set_frame_budget(64, Replacement::Fifo);
    ensure!(budget.is_err(), "a budget of frames gave {budget:?}");
    Ok(())
}

/// Parent and child take turns with one word.
fn both_ways(check: &mut Check) -> Verdict {
    let word = Common::new(AtomicU32::new(1))?;
    let child = Child::fork(|| i32::from(word.swap(2, SeqCst) != 1)).context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the child has not seen 1");
    let seen = word.load(SeqCst);
    check.metric("seen", seen.into());
    ensure!(
        seen == 2,
        "the parent sees {seen}, not what the child wrote"
    );
    Ok(())
}

/// A child sleeps for a word until the parent wakes it.
fn wakes_across(check: &mut Check) -> Verdict {
    let word = Common::new(AtomicU32::new(0))?;
    let child = Child::fork(|| {
        while word.load(SeqCst) == 0 {
            let _ = sys::futex_wait(&word, 0, FOREVER);
        }
        0
    })
    .context("fork")?;
    // It is to sleep first; where it does not yet, it does not have to be woken.
    sys::sleep(20 * time::MS).context("sleep")?;
    word.store(1, SeqCst);
    let woken = sys::futex_wake(&word, u64::MAX).context("wake")?;
    let status = child.wait(FOREVER).context("wait")?;
    check.metric("woken", woken);
    ensure!(exit_code(status) == Some(0), "the sleeper: {status:?}");
    Ok(())
}

/// A waiter whose memory is unmapped under it stays harmless: a time-out ends its wait.
fn threads_do_not_disturb() -> Verdict {
    let common = Mapping::common(1).context("common memory")?;
    let address = common.address();
    let waiter = thread::spawn(move || sys::futex_wait_wild(address as u64, 0, 50 * time::MS));
    let waiter = waiter.context("a thread")?;
    sys::sleep(10 * time::MS).context("sleep")?;
    drop(common);
    let ended = waiter.join().context("join")?;
    let gone = matches!(ended, Err(Errno::TimedOut | Errno::Fault));
    ensure!(gone, "a wait for unmapped memory gave {ended:?}");
    let nothing = sys::futex_wake_wild(address as u64);
    ensure!(nothing == Ok(0), "a word that is gone woke {nothing:?}");
    Ok(())
}

/// Frames are free when parent and child have let go.
fn gives_back(check: &mut Check, pages: usize) -> Verdict {
    let before = sys::stats().context("stats")?.free_frames;
    let common = Mapping::common(pages).context("common memory")?;
    let mapped = sys::stats().context("stats")?.free_frames;
    let child = Child::fork(|| {
        common.write(0, 0, 7);
        0
    })
    .context("fork")?;
    child.wait(FOREVER).context("wait")?;
    let kept = common.read(0, 0);
    drop(common);
    let after = sys::stats().context("stats")?.free_frames;
    check.metric("frames", before - mapped);
    check.metric("frames_back", after.saturating_sub(mapped));
    ensure!(kept == 7, "the page went with the child");
    ensure!(
        after - mapped >= pages as u64,
        "{before} frames were free, {mapped} with the memory, {after} without"
    );
    Ok(())
}
