//! Time.

use abi::port::{MARK, Mark};
use abi::syscall::{Errno, Phase};

use super::Outcome;
use crate::arch::port::outl;
use crate::process::current;
use crate::sched::WaitQueue;
use crate::time::{deadline, now_ns};

/// Nobody wakes who waits here, but the time, a signal and the end of the process.
static SLEEPERS: WaitQueue = WaitQueue::new();

pub(super) fn sys_sleep(ns: u64) -> Outcome {
    sys_sleep_until(deadline(ns))
}

pub(super) fn sys_sleep_until(ns: u64) -> Outcome {
    let process = current();
    match SLEEPERS.wait_until_deadline(|| process.is_disturbed(), ns) {
        true => Err(Errno::Intr),
        false => Ok(0),
    }
}

pub(super) fn sys_clock_ns() -> Outcome {
    Ok(now_ns())
}

pub(super) fn sys_measure(phase: u64, number: u64) -> Outcome {
    let mark = match Phase::from_number(phase).ok_or(Errno::Inval)? {
        Phase::Begin => Mark::Begin,
        Phase::End => Mark::End,
        Phase::Look => Mark::Look,
    };
    let number = u32::try_from(number).map_err(|_| Errno::Inval)?;
    outl(MARK, mark.value(number));
    Ok(0)
}
