//! Threads, and where and when they run.

use abi::syscall::Errno;

use super::Outcome;
use crate::arch::trap::TrapFrame;
use crate::arch::{USER_END, cpu_id};
use crate::process::{self, current, futex_wait, futex_wake, spawn_thread};
use crate::sched::policy::LEVELS;
use crate::time::{NEVER, deadline};
use crate::{machine, sched};

pub(super) fn sys_thread_spawn(entry: u64, stack_top: u64, argument: u64) -> Outcome {
    if entry >= USER_END {
        return Err(Errno::Fault);
    }
    spawn_thread(TrapFrame::user(entry, stack_top, [argument, 0]))
}

pub(super) fn sys_thread_exit() -> Outcome {
    process::exit_thread()
}

pub(super) fn sys_thread_join(tid: u64) -> Outcome {
    let process = current();
    process.has_thread(tid).ok_or(Errno::Srch)?;
    process
        .changes
        .wait_until(|| process.has_thread(tid) != Some(true) || process.is_ending());
    Ok(0)
}

pub(super) fn sys_yield() -> Outcome {
    sched::yield_now();
    Ok(0)
}

pub(super) fn sys_set_priority(level: u64) -> Outcome {
    let level = u8::try_from(level)
        .ok()
        .filter(|level| usize::from(*level) < LEVELS)
        .ok_or(Errno::Inval)?;
    let old = sched::current().set_priority(level);
    sched::reschedule();
    Ok(u64::from(old))
}

pub(super) fn sys_set_affinity(mask: u64) -> Outcome {
    if mask & machine::get().cpu_mask() == 0 {
        return Err(Errno::Inval);
    }
    sched::current().set_affinity(mask & machine::get().cpu_mask());
    if mask & 1 << cpu_id() == 0 {
        sched::yield_now();
    }
    Ok(0)
}

pub(super) fn sys_get_cpu() -> Outcome {
    Ok(u64::from(cpu_id()))
}

pub(super) fn sys_futex_wait(address: u64, expected: u64, timeout_ns: u64) -> Outcome {
    let expected = u32::try_from(expected).map_err(|_| Errno::Inval)?;
    let end = if timeout_ns == NEVER {
        NEVER
    } else {
        deadline(timeout_ns)
    };
    futex_wait(address, expected, end).map(|()| 0)
}

pub(super) fn sys_futex_wake(address: u64, count: u64) -> Outcome {
    futex_wake(address, count)
}
