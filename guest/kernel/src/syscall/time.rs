//! Time.

use super::Outcome;
use crate::process::current;
use crate::sched::WaitQueue;
use crate::time::{deadline, now_ns};

/// Nobody wakes who waits here, but the time and the end of the process.
static SLEEPERS: WaitQueue = WaitQueue::new();

pub(super) fn sys_sleep(ns: u64) -> Outcome {
    let process = current();
    SLEEPERS.wait_until_deadline(|| process.is_ending(), deadline(ns));
    Ok(0)
}

pub(super) fn sys_clock_ns() -> Outcome {
    Ok(now_ns())
}
