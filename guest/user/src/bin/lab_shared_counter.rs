//! Laboratory: processes that count in common memory, with a lock there and without.
//!
//! `lock=none|mutex processes=N increments=N`
#![no_std]
#![no_main]

use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::ipc::{Shared, cost};
use user::mapping::PAGE;
use user::process::{Child, exit_code};
use user::sync::{Mutex, Turn};
use user::sys::{self, FOREVER};
use user::time::now_ns;

user::check!(run);

const NAME: &str = "lab_shared_counter";
const MOST_PROCESSES: u64 = 16;
const MOST_INCREMENTS: u64 = 10_000_000;
/// Where what is: the start, the lock with a number of its own, the number without one.
const GO: usize = 0;
const LOCKED: usize = 64;
const UNLOCKED: usize = 256;
/// Crossings of each process.
const CROSSINGS: usize = 512;

fn run(check: &mut Check) -> Verdict {
    let is_locked = match check.text("lock")? {
        "none" => false,
        "mutex" => true,
        other => return Err(Failure(format!("lock={other} is neither none nor mutex"))),
    };
    let (processes, increments) = (check.value("processes")?, check.value("increments")?);
    ensure!(
        (1..=MOST_PROCESSES).contains(&processes),
        "processes={processes} is not from 1 to {MOST_PROCESSES}"
    );
    ensure!(
        increments <= MOST_INCREMENTS,
        "increments={increments} is more than {MOST_INCREMENTS}"
    );
    let memory = Shared::named(NAME, PAGE).context("shared memory")?;
    let children: Result<Vec<_>, _> = (0..processes)
        .map(|number| Child::fork(|| take_part(number, is_locked, increments)))
        .collect();
    let children = children.context("fork")?;
    let start = now_ns();
    memory.at::<Turn>(GO).set(1);
    for child in children {
        let status = child.wait(FOREVER).context("wait")?;
        ensure!(exit_code(status) == Some(0), "a process: {status:?}");
    }
    check.metric("elapsed_ns", now_ns() - start);
    let counted = match is_locked {
        true => *memory.at::<Mutex<u64>>(LOCKED).lock(),
        false => memory.read(UNLOCKED),
    };
    let expected = processes * increments;
    check.metric("increments", expected);
    check.metric("lost", expected.saturating_sub(counted));
    let crossings = (0..processes as usize).map(|number| memory.read(CROSSINGS + 8 * number));
    check.metric("crossings", crossings.sum::<u64>());
    Ok(())
}

/// A process: finds the memory by its name, not by being a child, and counts when all may.
fn take_part(number: u64, is_locked: bool, increments: u64) -> i32 {
    let Ok(memory) = Shared::named(NAME, PAGE) else {
        return 1;
    };
    let cpus = sys::sys_info().map_or(1, |info| info.cpus);
    if sys::set_affinity(1 << (number % cpus)).is_err() {
        return 2;
    }
    memory.at::<Turn>(GO).wait_for(1);
    let Ok(((), cost)) = cost(|| count(&memory, is_locked, increments)) else {
        return 3;
    };
    memory.write(CROSSINGS + 8 * number as usize, cost.crossings);
    0
}

fn count(memory: &Shared, is_locked: bool, increments: u64) {
    let lock: &Mutex<u64> = memory.at(LOCKED);
    for _ in 0..increments {
        if is_locked {
            let mut number = lock.lock();
            *number = one_more(*number);
        } else {
            memory.write(UNLOCKED, one_more(memory.read(UNLOCKED)));
        }
    }
}

/// Takes a moment, so that there is a time between reading the number and writing it.
fn one_more(number: u64) -> u64 {
    core::hint::spin_loop();
    number + 1
}
