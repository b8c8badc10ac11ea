//! Check: every scheduling policy runs threads, also such as wait while it is chosen; and what means
//! nothing to the scheduler is refused.
#![no_std]
#![no_main]

use user::abi::syscall::{Errno, Inheritance, TaskAttribute};
use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::processor::spend;
use user::lab::scheduler::Scheduler;
use user::{ensure, sys, thread};

user::check!(run);

const POLICIES: [&str; 11] = [
    "round-robin",
    "priority",
    "priority-aging",
    "fcfs",
    "sjf",
    "srtf",
    "mlfq",
    "lottery",
    "stride",
    "cfs",
    "edf",
];
const SLICE_US: u64 = 2000;
const WORK_NS: u64 = 3_000_000;
const THREADS: u64 = 3;

/// Computes, lets others run, sleeps, and computes again; each thread says something else of itself.
fn work(number: u64) -> Result<u64, Errno> {
    sys::set_priority(1 + number)?;
    sys::set_task(TaskAttribute::Weight, 50 * (number + 1))?;
    sys::set_task(TaskAttribute::Length, WORK_NS * number)?;
    sys::set_task(TaskAttribute::Deadline, number * 1_000_000_000)?;
    let first_ns = spend(WORK_NS)?;
    sys::yield_now();
    sys::sleep(WORK_NS / 4)?;
    Ok(first_ns + spend(WORK_NS)?)
}

/// Has threads that wait already run under `policy`.
fn try_policy(policy: &str) -> Verdict {
    let spawn = |number| thread::spawn(move || work(number)).context("a thread");
    let threads = (0..THREADS)
        .map(spawn)
        .collect::<Result<Vec<_>, Failure>>()?;
    let _scheduler = Scheduler::choose(policy, SLICE_US)?;
    for thread in threads {
        let ran_ns = thread.join().context("join")?.context(policy)?;
        ensure!(ran_ns >= 2 * WORK_NS, "{policy}: a thread had {ran_ns} ns");
    }
    Ok(())
}

/// Calls that must be refused, each with the reason.
fn refusals() -> [(&'static str, Result<(), Errno>, Errno); 13] {
    use Errno::{Fault, Inval, Perm};
    let turns = |address| sys::read_turns_wild(address, 1);
    [
        ("no such policy", sys::set_scheduler("nice", 0), Inval),
        ("half a name", sys::set_scheduler("round", 0), Inval),
        ("a slice of 1 ns", sys::set_scheduler("", 1), Inval),
        ("a slice for ever", sys::set_scheduler("", u64::MAX), Inval),
        ("a name nowhere", sys::set_scheduler_wild(8, 4), Fault),
        (
            "an endless name",
            sys::set_scheduler_wild(8, u64::MAX),
            Inval,
        ),
        ("weight 0", sys::set_task(TaskAttribute::Weight, 0), Inval),
        (
            "a huge weight",
            sys::set_task(TaskAttribute::Weight, u64::MAX),
            Inval,
        ),
        ("too many turns", sys::trace_turns(1 << 40), Inval),
        ("turns to the kernel", turns(u64::MAX - 7), Fault),
        ("stealing 2", sys::set_stealing(2), Inval),
        ("another's lock", sys::give_lock(1), Perm),
        ("a lock twice", take_twice(), Inval),
    ]
}

fn take_twice() -> Result<(), Errno> {
    sys::take_lock(7, Inheritance::Priority)?;
    let second = sys::take_lock(7, Inheritance::Priority);
    sys::give_lock(7)?;
    second
}

fn run(check: &mut Check) -> Verdict {
    sys::set_affinity(1).context("affinity to processor 0")?;
    for policy in POLICIES {
        try_policy(policy)?;
    }
    sys::trace_turns(1).context("trace turns")?;
    sys::sleep(1_000_000).context("sleep")?;
    let refusals = refusals();
    for (what, outcome, reason) in &refusals {
        ensure!(outcome.err() == Some(*reason), "{what}: {outcome:?}");
    }
    sys::trace_turns(0).context("trace turns")?;
    // Far beyond any time and any length.
    for attribute in [TaskAttribute::Length, TaskAttribute::Deadline] {
        let name = format!("{attribute:?}");
        sys::set_task(attribute, u64::MAX).context(&name)?;
        sys::set_task(attribute, 0).context(&name)?;
    }
    check.metric("policies", POLICIES.len() as u64);
    check.metric("refused", refusals.len() as u64);
    Ok(())
}
