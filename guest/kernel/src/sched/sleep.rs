//! Threads that are to be woken at a time.

use alloc::vec::Vec;

use super::Thread;
use crate::arch::{MAX_CPUS, cpu, cpu_id};
use crate::sync::SpinLock;
use crate::time::NEVER;

struct Sleeper {
    deadline_ns: u64,
    thread: &'static Thread,
}

/// Each processor's sleepers, whoever comes first last.
static SLEEPERS: [SpinLock<Vec<Sleeper>>; MAX_CPUS] =
    [const { SpinLock::new(Vec::new()) }; MAX_CPUS];

/// Halts with a lock that the timer's handler takes, for [`crate::crash`].
pub(crate) fn halt_with_lock() -> ! {
    let _sleepers = SLEEPERS[cpu_id() as usize].lock();
    loop {
        cpu::wait_for_interrupt();
    }
}

/// Lets this processor wake `thread` at `deadline_ns`; gives the processor's number.
pub(super) fn add(thread: &'static Thread, deadline_ns: u64) -> usize {
    let cpu = cpu_id() as usize;
    let mut sleepers = SLEEPERS[cpu].lock();
    let index = sleepers.partition_point(|sleeper| sleeper.deadline_ns > deadline_ns);
    sleepers.insert(
        index,
        Sleeper {
            deadline_ns,
            thread,
        },
    );
    drop(sleepers);
    super::set_timer();
    cpu
}

/// `thread` is not to be woken by processor `cpu` any more.
pub(super) fn remove(thread: &'static Thread, cpu: usize) {
    SLEEPERS[cpu]
        .lock()
        .retain(|sleeper| !core::ptr::eq(sleeper.thread, thread));
}

/// When this processor has somebody to wake.
pub(super) fn next_deadline() -> u64 {
    SLEEPERS[cpu_id() as usize]
        .lock()
        .last()
        .map_or(NEVER, |sleeper| sleeper.deadline_ns)
}

/// Wakes those whose time is up to `now_ns`.
pub(super) fn wake_until(now_ns: u64) {
    let sleepers = &SLEEPERS[cpu_id() as usize];
    loop {
        let due = sleepers
            .lock()
            .pop_if(|sleeper| sleeper.deadline_ns <= now_ns);
        match due {
            Some(sleeper) => super::wake(sleeper.thread),
            None => break,
        };
    }
}
